//! What a runtime says: variables, and a configuration on standard input.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::{CniError, Code};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Add,
    Check,
    Del,
    Gc,
    Status,
    Version,
}

impl Command {
    pub fn of(variables: &BTreeMap<String, String>) -> Result<Self, CniError> {
        match variables.get("CNI_COMMAND").map_or("", String::as_str) {
            "ADD" => Ok(Self::Add),
            "CHECK" => Ok(Self::Check),
            "DEL" => Ok(Self::Del),
            "GC" => Ok(Self::Gc),
            "STATUS" => Ok(Self::Status),
            "VERSION" => Ok(Self::Version),
            other => Err(CniError::new(Code::InvalidEnvironment, format!("CNI_COMMAND {other:?} is none"))),
        }
    }
}

/// The configuration of a network.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    #[serde(rename = "cniVersion")]
    pub version: Option<String>,
    name: Option<String>,
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub account: Option<String>,
    pub subnet: Option<String>,
    #[serde(rename = "securityGroups", default)]
    pub groups: Vec<String>,
    #[serde(rename = "networkInterface")]
    interface: Option<String>,
    #[serde(rename = "prevResult")]
    pub previous: Option<Value>,
    #[serde(rename = "cni.dev/valid-attachments")]
    pub valid: Option<Vec<Attachment>>,
    #[serde(default)]
    args: Value,
}

/// One interface of one container.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Attachment {
    #[serde(rename = "containerID")]
    pub container: String,
    #[serde(rename = "ifname")]
    pub interface: String,
}

/// A command that is about one attachment.
pub struct Request<'a> {
    pub config: &'a Config,
    pub attachment: Attachment,
    namespace: Option<&'a str>,
    /// The interface to take, where one is named.
    pub interface: Option<String>,
}

impl Config {
    pub fn parse(text: &str) -> Result<Self, CniError> {
        let undecodable =
            |error: serde_json::Error| CniError::new(Code::Undecodable, format!("the network configuration: {error}"));
        let config: Self = serde_json::from_str(text).map_err(undecodable)?;
        match config.name.as_deref() {
            Some(name) if !is_name(name) => {
                Err(CniError::new(Code::InvalidConfig, format!("the network's name {name:?} can't be one")))
            }
            _ => Ok(config),
        }
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl<'a> Request<'a> {
    pub fn of(config: &'a Config, variables: &'a BTreeMap<String, String>) -> Result<Self, CniError> {
        let variable = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let needed =
            |name: &str| variable(name).ok_or_else(|| CniError::new(Code::InvalidEnvironment, format!("{name} is missing")));
        let (container, interface) = (needed("CNI_CONTAINERID")?, needed("CNI_IFNAME")?);
        if !is_name(container) {
            return Err(CniError::new(Code::InvalidEnvironment, format!("CNI_CONTAINERID {container:?} can't be one")));
        }
        let is_bad = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || !byte.is_ascii_graphic();
        if interface.len() > 15 || matches!(interface, "." | "..") || interface.bytes().any(is_bad) {
            return Err(CniError::new(
                Code::InvalidEnvironment,
                format!("CNI_IFNAME {interface:?} can't be an interface's name"),
            ));
        }
        if config.name().is_empty() {
            return Err(CniError::new(Code::InvalidConfig, "the network configuration has no name"));
        }
        let given = variable("CNI_ARGS").into_iter().flat_map(|arguments| arguments.split(';'));
        let given = given.filter_map(|argument| argument.strip_prefix("OPENVPC_ENI=")).next_back().map(str::to_owned);
        let convention = config.args["cni"]["networkInterface"].as_str().map(str::to_owned);
        Ok(Self {
            config,
            attachment: Attachment { container: container.to_owned(), interface: interface.to_owned() },
            namespace: variable("CNI_NETNS"),
            interface: given.or(convention).or_else(|| config.interface.clone()),
        })
    }

    /// The path of the container's namespace.
    pub fn namespace(&self) -> Result<&'a str, CniError> {
        self.namespace.ok_or_else(|| CniError::new(Code::InvalidEnvironment, "CNI_NETNS is missing"))
    }
}

/// As the specification has names of networks and ids of containers.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) && text.bytes().all(is_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn variables(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let usual = [("CNI_CONTAINERID", "c1"), ("CNI_IFNAME", "eth0"), ("CNI_NETNS", "/run/netns/a")];
        usual.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_no_runtime_may_say_is_refused_with_the_number_for_it() {
        let config = Config::parse(r#"{"cniVersion":"1.0.0","name":"net","subnet":"subnet-1"}"#).unwrap();
        for (name, value) in
            [("CNI_CONTAINERID", ""), ("CNI_CONTAINERID", "a/b"), ("CNI_IFNAME", "sixteencharacters"), ("CNI_IFNAME", "a b")]
        {
            let refused = Request::of(&config, &variables(&[(name, value)])).err().unwrap();
            assert_eq!(refused.code, Code::InvalidEnvironment, "{name}={value}");
        }
        assert_eq!(Config::parse("{").err().unwrap().code, Code::Undecodable);
        assert_eq!(Config::parse(r#"{"name":"a b"}"#).err().unwrap().code, Code::InvalidConfig);
    }

    #[test]
    fn an_interface_is_named_in_the_arguments_or_the_configuration() {
        let config = Config::parse(r#"{"name":"net","networkInterface":"eni-1"}"#).unwrap();
        let named = |changes: &[(&str, &str)]| Request::of(&config, &variables(changes)).unwrap().interface;
        assert_eq!(named(&[]).as_deref(), Some("eni-1"));
        assert_eq!(named(&[("CNI_ARGS", "IgnoreUnknown=1;OPENVPC_ENI=eni-2")]).as_deref(), Some("eni-2"));
    }
}
