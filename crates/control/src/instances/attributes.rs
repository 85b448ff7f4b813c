//! Attributes of existing instances.

use openvpc_model::{Instance, InstanceId, InstanceState, NetworkInterface, SecurityGroupId};

use super::{incorrect_state, launch};
use crate::{ControlError, Tx, interfaces};

/// One attribute that ModifyInstanceAttribute changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Whether stopping by API is refused.
    DisableApiStop(bool),
    /// Whether termination by API is refused.
    DisableApiTermination(bool),
    /// Whether EBS optimisation is asked for; only while stopped.
    EbsOptimized(bool),
    /// Security groups of the only interface.
    Groups(Vec<SecurityGroupId>),
    /// `stop` or `terminate`.
    ShutdownBehavior(String),
    /// Whether the only interface drops packets with foreign addresses.
    SourceDestCheck(bool),
    /// The type; only while stopped.
    Type(String),
    /// User data, decoded; only while stopped.
    UserData(Vec<u8>),
}

/// What a caller says about the metadata service; none leaves a value as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataOptions {
    /// `optional` or `required`.
    pub http_tokens: Option<String>,
    /// `enabled` or `disabled`.
    pub http_endpoint: Option<String>,
    /// `enabled` or `disabled`.
    pub http_protocol_ipv6: Option<String>,
    /// 1–64.
    pub http_put_response_hop_limit: Option<i32>,
    /// `enabled` or `disabled`.
    pub instance_metadata_tags: Option<String>,
}

impl MetadataOptions {
    /// Writes what is given into `options`.
    ///
    /// # Errors
    /// `InvalidParameterValue`.
    pub fn apply(self, options: &mut openvpc_model::InstanceOptions) -> Result<(), ControlError> {
        let switch = ["enabled", "disabled"];
        set("HttpTokens", &["optional", "required"], self.http_tokens, &mut options.http_tokens)?;
        set("HttpEndpoint", &switch, self.http_endpoint, &mut options.http_endpoint)?;
        set("HttpProtocolIpv6", &switch, self.http_protocol_ipv6, &mut options.http_protocol_ipv6)?;
        set("InstanceMetadataTags", &switch, self.instance_metadata_tags, &mut options.instance_metadata_tags)?;
        if let Some(limit) = self.http_put_response_hop_limit {
            options.http_put_response_hop_limit =
                u8::try_from(limit).ok().filter(|limit| (1..=64).contains(limit)).ok_or_else(|| {
                    ControlError::invalid_value(format!(
                        "Value ({limit}) for parameter HttpPutResponseHopLimit is invalid: use 1 to 64"
                    ))
                })?;
        }
        Ok(())
    }
}

/// Changes one attribute.
///
/// # Errors
/// `InvalidInstanceID.NotFound`, `IncorrectInstanceState`, `InvalidInstanceID` for an interface's attribute when there are
/// several interfaces, and what the interface's own change fails with.
pub fn modify(tx: &mut Tx, id: InstanceId, attribute: Attribute) -> Result<(), ControlError> {
    let mut instance = (*tx.find::<Instance>(&id)?).clone();
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        return Err(incorrect_state(&instance, "modified"));
    }
    let needs_stop = matches!(attribute, Attribute::EbsOptimized(_) | Attribute::Type(_) | Attribute::UserData(_));
    if needs_stop && instance.state != InstanceState::Stopped {
        return Err(ControlError::new("IncorrectInstanceState", format!("The instance '{id}' is not in the 'stopped' state.")));
    }
    match attribute {
        Attribute::DisableApiStop(value) => instance.disable_api_stop = value,
        Attribute::DisableApiTermination(value) => instance.disable_api_termination = value,
        Attribute::EbsOptimized(value) => instance.options.ebs_optimized = value,
        Attribute::Groups(groups) => return modify_interface(tx, id, interfaces::Attribute::Groups(groups)),
        Attribute::ShutdownBehavior(value) => instance.shutdown_behavior = launch::check_shutdown_behavior(&value)?,
        Attribute::SourceDestCheck(value) => return modify_interface(tx, id, interfaces::Attribute::SourceDestCheck(value)),
        Attribute::Type(value) => instance.instance_type = launch::check_type(&value)?,
        Attribute::UserData(value) => instance.user_data = Some(launch::check_user_data(value)?),
    }
    tx.put(instance);
    Ok(())
}

/// Changes what the metadata service of an instance is asked to do: ModifyInstanceMetadataOptions.
///
/// # Errors
/// `InvalidInstanceID.NotFound`, `IncorrectInstanceState`, `InvalidParameterValue`.
pub fn modify_metadata_options(tx: &mut Tx, id: InstanceId, change: MetadataOptions) -> Result<(), ControlError> {
    let mut instance = (*tx.find::<Instance>(&id)?).clone();
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        return Err(incorrect_state(&instance, "modified"));
    }
    change.apply(&mut instance.options)?;
    tx.put(instance);
    Ok(())
}

fn modify_interface(tx: &mut Tx, id: InstanceId, attribute: interfaces::Attribute) -> Result<(), ControlError> {
    let eni = only_interface(tx, id)?.id;
    interfaces::modify(tx, eni, attribute)
}

/// The interface that is meant when only the instance is named.
pub(crate) fn only_interface(tx: &Tx, id: InstanceId) -> Result<std::sync::Arc<NetworkInterface>, ControlError> {
    match tx.network().enis_of(id).as_slice() {
        [only] => Ok(std::sync::Arc::clone(only)),
        _ => Err(ControlError::new(
            "InvalidInstanceID",
            format!(
                "There are multiple interfaces attached to instance '{id}'. Please specify an interface ID for the operation instead."
            ),
        )),
    }
}

fn set(name: &str, allowed: &[&str], value: Option<String>, place: &mut String) -> Result<(), ControlError> {
    if let Some(value) = value {
        if !allowed.contains(&value.as_str()) {
            return Err(ControlError::invalid_value(format!(
                "Value ({value}) for parameter {name} is invalid: use {}",
                allowed.join(" or ")
            )));
        }
        *place = value;
    }
    Ok(())
}
