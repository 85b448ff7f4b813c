//! DHCP option sets. See "DHCP option sets in Amazon VPC" in the VPC User Guide.

use std::net::IpAddr;

use openvpc_model::{DhcpOptions, DhcpOptionsId, Tags, Vpc};

use crate::{ControlError, Tx};

/// Most name servers, NTP servers and NetBIOS servers of a set.
const SERVERS: usize = 4;
const NTP_SERVERS: usize = 8;

/// Makes a set; it never changes afterwards.
///
/// # Errors
/// `InvalidParameterValue` for an unknown option or a value it doesn't take.
pub fn create(tx: &mut Tx, options: Vec<(String, Vec<String>)>, tags: Tags) -> Result<DhcpOptionsId, ControlError> {
    if options.is_empty() {
        return Err(ControlError::missing_parameter("DhcpConfiguration"));
    }
    for (name, values) in &options {
        check(name, values)?;
    }
    let set = DhcpOptions { id: tx.new_id(), owner: tx.owner().clone(), options, tags };
    let id = set.id;
    tx.put(set);
    Ok(id)
}

/// Deletes a set that no VPC uses.
///
/// # Errors
/// `InvalidDhcpOptionID.NotFound`, `DependencyViolation`.
pub fn delete(tx: &mut Tx, id: DhcpOptionsId) -> Result<(), ControlError> {
    tx.find::<DhcpOptions>(&id)?;
    if tx.owned::<Vpc>().any(|vpc| vpc.dhcp_options == Some(id)) {
        return Err(ControlError::dependency(format!("The dhcpOptions '{id}' has dependencies and cannot be deleted.")));
    }
    tx.remove::<DhcpOptions>(&id);
    Ok(())
}

fn check(name: &str, values: &[String]) -> Result<(), ControlError> {
    let invalid = |value: &str| Err(ControlError::invalid_value(format!("Value ({value}) for parameter {name} is invalid.")));
    let addresses = |most: usize| {
        if values.is_empty() || values.len() > most {
            return Err(ControlError::invalid_value(format!(
                "The option {name} takes 1 to {most} addresses, not {}.",
                values.len()
            )));
        }
        match values.iter().find(|value| value.parse::<IpAddr>().is_err()) {
            Some(value) => invalid(value),
            None => Ok(()),
        }
    };
    match name {
        "domain-name" => values.is_empty().then(|| invalid("")).unwrap_or(Ok(())),
        "domain-name-servers" if values == ["AmazonProvidedDNS"] => Ok(()),
        "domain-name-servers" | "netbios-name-servers" => addresses(SERVERS),
        "ntp-servers" => addresses(NTP_SERVERS),
        "netbios-node-type" => match values {
            [kind] if matches!(kind.as_str(), "1" | "2" | "4" | "8") => Ok(()),
            _ => invalid(&values.join(",")),
        },
        "ipv6-address-preferred-lease-time" => match values {
            [seconds] if seconds.parse::<u32>().is_ok_and(|seconds| (140..=2_147_483_647).contains(&seconds)) => Ok(()),
            _ => invalid(&values.join(",")),
        },
        _ => Err(ControlError::invalid_value(format!("Value ({name}) for parameter dhcpConfiguration key is invalid."))),
    }
}
