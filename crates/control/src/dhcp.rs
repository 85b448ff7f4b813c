//! DHCP option sets. See "DHCP option sets in Amazon VPC" in the VPC User Guide.

use std::net::IpAddr;

use openvpc_model::{DhcpOptions, DhcpOptionsId, Tags, Vpc};

use crate::{ControlError, Tx};

/// Most name servers and NetBIOS servers of a set, and most NTP servers of each family.
const SERVERS: usize = 4;

/// Makes a set; it never changes afterwards.
///
/// # Errors
/// `InvalidParameterValue` for an unknown option or a value it doesn't take.
pub fn create(tx: &mut Tx, options: Vec<(String, Vec<String>)>, tags: Tags) -> Result<DhcpOptionsId, ControlError> {
    if options.is_empty() {
        return Err(ControlError::missing_parameter("DhcpConfiguration"));
    }
    for (index, (name, values)) in options.iter().enumerate() {
        check(name, values)?;
        if options[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(ControlError::invalid_value(format!("The option {name} is given more than once.")));
        }
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
    match name {
        "domain-name" if values.is_empty() => Err(invalid(name, "")),
        "domain-name" => values.iter().find(|value| value.is_empty()).map_or(Ok(()), |value| Err(invalid(name, value))),
        "domain-name-servers" if values == ["AmazonProvidedDNS"] => Ok(()),
        "domain-name-servers" => addresses(name, values).and_then(|all| at_most(name, SERVERS, all.len())),
        "netbios-name-servers" => {
            let all = addresses(name, values)?;
            match all.iter().find(|address| address.is_ipv6()) {
                Some(address) => Err(invalid(name, &address.to_string())),
                None => at_most(name, SERVERS, all.len()),
            }
        }
        "ntp-servers" => {
            let (ipv4, ipv6): (Vec<_>, Vec<_>) = addresses(name, values)?.into_iter().partition(IpAddr::is_ipv4);
            at_most(name, SERVERS, ipv4.len().max(ipv6.len()))
        }
        "netbios-node-type" => match values {
            [kind] if matches!(kind.as_str(), "1" | "2" | "4" | "8") => Ok(()),
            _ => Err(invalid(name, &values.join(","))),
        },
        "ipv6-address-preferred-lease-time" => match values {
            [seconds] if seconds.parse::<u32>().is_ok_and(|seconds| (140..=2_147_483_647).contains(&seconds)) => Ok(()),
            _ => Err(invalid(name, &values.join(","))),
        },
        _ => Err(ControlError::invalid_value(format!("Value ({name}) for parameter dhcpConfiguration key is invalid."))),
    }
}

fn addresses(name: &str, values: &[String]) -> Result<Vec<IpAddr>, ControlError> {
    if values.is_empty() {
        return Err(invalid(name, ""));
    }
    values.iter().map(|value| value.parse().map_err(|_| invalid(name, value))).collect()
}

fn at_most(name: &str, most: usize, count: usize) -> Result<(), ControlError> {
    if count <= most {
        return Ok(());
    }
    Err(ControlError::invalid_value(format!("The option {name} takes at most {most} addresses of a kind, not {count}.")))
}

fn invalid(name: &str, value: &str) -> ControlError {
    ControlError::invalid_value(format!("Value ({value}) for parameter {name} is invalid."))
}
