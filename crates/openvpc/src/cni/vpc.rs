//! The daemon as the plugin uses it: interfaces by the EC2 API, links by the daemon's own paths, as `openvpc attach` does.

use openvpc_api::client::{self, ClientError};
use openvpc_datapath::machine::BindingPlace;
use serde_json::{Value, json};

use super::error::{CniError, Code};
use super::request::{Attachment, Config, Request};
use crate::cli::{Client, Target};

/// The tags that say what an interface is for, and whether it was somebody's before.
const NETWORK: &str = "openvpc:cni-network";
const CONTAINER: &str = "openvpc:cni-container";
const INTERFACE: &str = "openvpc:cni-interface";
const KEPT: &str = "openvpc:cni-kept";

/// One daemon, for one account and region.
pub struct Vpc {
    client: Client,
}

/// An interface that an attachment has.
pub struct Interface {
    pub id: String,
    pub mac: String,
    pub in_use: bool,
    pub attachment: Option<Attachment>,
    /// Whether it outlives the attachment.
    kept: bool,
}

impl Vpc {
    pub fn new(config: &Config) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = config.endpoint.clone().or_else(|| variable("OPENVPC_ENDPOINT"));
        let region = config.region.clone().or_else(|| variable("AWS_REGION"));
        let target = Target {
            endpoint: endpoint.unwrap_or_else(|| "http://127.0.0.1:4566".to_owned()),
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            account: config.account.clone(),
        };
        Self { client: Client::new(&target) }
    }

    /// Whether containers can be attached now.
    pub fn status(&self) -> Result<(), CniError> {
        let health = self.client.get("health").map_err(|failure| CniError::new(Code::NotAvailable, failure.message))?;
        match health["datapath"].as_str() {
            Some("none") => Err(CniError::new(Code::NotAvailable, "the daemon forwards no packets")),
            _ => Ok(()),
        }
    }

    /// The interfaces of an attachment, or of all attachments to a network.
    pub fn interfaces_of(&self, network: &str, attachment: Option<&Attachment>) -> Result<Vec<Interface>, CniError> {
        let filter = |name: &str, value: &str| json!({ "Name": format!("tag:{name}"), "Values": [value] });
        let mut filters = vec![filter(NETWORK, network)];
        if let Some(attachment) = attachment {
            filters.extend([filter(CONTAINER, &attachment.container), filter(INTERFACE, &attachment.interface)]);
        }
        let found = self.call("DescribeNetworkInterfaces", &json!({ "Filters": filters }))?;
        Ok(found["NetworkInterfaces"].as_array().into_iter().flatten().map(Interface::read).collect())
    }

    /// A new interface for an attachment, or the one that is named, marked as the attachment's.
    pub fn claim(&self, request: &Request<'_>) -> Result<Interface, CniError> {
        let (config, attachment) = (request.config, &request.attachment);
        let mut tags = vec![
            json!({ "Key": NETWORK, "Value": config.name() }),
            json!({ "Key": CONTAINER, "Value": attachment.container }),
            json!({ "Key": INTERFACE, "Value": attachment.interface }),
        ];
        let made = match &request.interface {
            Some(id) => {
                let found = self.call("DescribeNetworkInterfaces", &json!({ "NetworkInterfaceIds": [id] }))?;
                let found = found["NetworkInterfaces"][0].clone();
                if found["Status"] != "available" {
                    return Err(CniError::new(Code::Refused, format!("the network interface {id} is in use")));
                }
                tags.push(json!({ "Key": KEPT, "Value": "true" }));
                self.call("CreateTags", &json!({ "Resources": [id], "Tags": tags }))?;
                found
            }
            None => {
                let subnet = config.subnet.as_deref();
                let subnet = subnet.ok_or_else(|| {
                    CniError::new(Code::InvalidConfig, "the configuration names neither a subnet nor a networkInterface")
                })?;
                let mut wanted = json!({
                    "SubnetId": subnet,
                    "Description": format!("{} of the container {}", attachment.interface, attachment.container),
                    "TagSpecifications": [{ "ResourceType": "network-interface", "Tags": tags }],
                });
                if !config.groups.is_empty() {
                    wanted["Groups"] = json!(config.groups);
                }
                self.call("CreateNetworkInterface", &wanted)?["NetworkInterface"].clone()
            }
        };
        Ok(Interface { kept: request.interface.is_some(), ..Interface::read(&made) })
    }

    /// Takes an interface back: its link is gone then, and so is it, unless it was somebody's before.
    pub fn release(&self, interface: &Interface) -> Result<(), CniError> {
        let id = &interface.id;
        if let Err(failure) = self.client.post(&format!("interfaces/{id}/detach"), &json!({}))
            && self.is_attached(id)?
        {
            return Err(CniError::new(Code::TryAgainLater, failure.message));
        }
        let gone = match interface.kept {
            true => {
                let tags = [NETWORK, CONTAINER, INTERFACE, KEPT].map(|key| json!({ "Key": key }));
                self.call("DeleteTags", &json!({ "Resources": [id], "Tags": tags }))
            }
            false => self.call("DeleteNetworkInterface", &json!({ "NetworkInterfaceId": id })),
        };
        match gone {
            Err(error) if !error.message.contains("NotFound") => Err(error),
            _ => Ok(()),
        }
    }

    /// Where the interface's link is to be made.
    pub fn place(&self, id: &str) -> Result<BindingPlace, CniError> {
        let place = self.client.get(&format!("interfaces/{id}/binding"));
        let place = place.map_err(|failure| CniError::new(Code::Refused, failure.message))?;
        serde_json::from_value(place)
            .map_err(|error| CniError::new(Code::Refused, format!("the daemon's answer can't be read: {error}")))
    }

    /// Lets packets pass, now that the link is there.
    pub fn attach(&self, id: &str) -> Result<(), CniError> {
        let attached = self.client.post(&format!("interfaces/{id}/attach"), &json!({}));
        attached.map(drop).map_err(|failure| CniError::new(Code::Refused, failure.message))
    }

    fn is_attached(&self, id: &str) -> Result<bool, CniError> {
        match self.call("DescribeNetworkInterfaces", &json!({ "NetworkInterfaceIds": [id] })) {
            Ok(found) => Ok(found["NetworkInterfaces"][0]["Status"] == "in-use"),
            Err(error) if error.message.contains("NotFound") => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn call(&self, action: &str, parameters: &Value) -> Result<Value, CniError> {
        let body = client::encode(action, parameters).map_err(|error| CniError::new(Code::InvalidConfig, error.to_string()))?;
        let answer = self.client.ec2(&body).map_err(|failure| CniError::new(Code::TryAgainLater, failure.message))?;
        client::decode(action, &answer).map_err(|error| {
            let is_config = matches!(&error, ClientError::Refused { code, .. } if code.starts_with("Invalid"));
            CniError::new(if is_config { Code::InvalidConfig } else { Code::Refused }, error.to_string())
        })
    }
}

impl Interface {
    fn read(shown: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tags = shown["TagSet"].as_array();
        let tag = |key: &str| tags.into_iter().flatten().find(|tag| tag["Key"] == key).map(|tag| text(&tag["Value"]));
        let attachment = tag(CONTAINER).zip(tag(INTERFACE));
        Self {
            id: text(&shown["NetworkInterfaceId"]),
            mac: text(&shown["MacAddress"]),
            in_use: shown["Status"] == "in-use",
            attachment: attachment.map(|(container, interface)| Attachment { container, interface }),
            kept: tag(KEPT).is_some(),
        }
    }
}
