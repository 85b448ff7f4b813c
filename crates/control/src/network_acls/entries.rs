//! The numbered entries of a network ACL.

use ipnet::IpNet;
use openvpc_model::{Direction, IcmpMatch, NaclAction, NaclEntry, NaclId, NetworkAcl, PortRange, Protocol, RulePorts, Vpc};

use crate::{ControlError, Tx};

/// An entry as a caller words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySpec {
    /// Which packets it looks at.
    pub direction: Direction,
    /// Its number; only 1–32766 are the user's.
    pub number: i32,
    /// What it decides.
    pub action: NaclAction,
    /// Source or destination block; host bits are cleared.
    pub block: IpNet,
    /// Protocol.
    pub protocol: Protocol,
    /// Ports or ICMP types, as [`parse_ports`] reads them.
    pub ports: RulePorts,
}

/// Adds an entry.
///
/// # Errors
/// `NetworkAclEntryAlreadyExists`, `NetworkAclEntryLimitExceeded`, `InvalidParameterValue` for a reserved number.
pub fn create_entry(tx: &mut Tx, nacl: NaclId, spec: &EntrySpec) -> Result<(), ControlError> {
    let entry = entry(spec)?;
    let found = tx.find::<NetworkAcl>(&nacl)?;
    if position(&found, entry.direction, entry.number).is_some() {
        return Err(ControlError::new(
            "NetworkAclEntryAlreadyExists",
            format!("The network acl entry identified by {} already exists.", entry.number),
        ));
    }
    let has_ipv6 = tx.network().get::<Vpc>(&found.vpc).is_some_and(|vpc| !vpc.ipv6_blocks.is_empty());
    // The fixed denies count: one for IPv4, one for IPv6 where the VPC has a block.
    let entries = 1 + usize::from(has_ipv6) + found.entries.iter().filter(|e| e.direction == entry.direction).count();
    let limit = tx.quotas().entries_per_nacl;
    if entries >= limit {
        return Err(ControlError::new(
            "NetworkAclEntryLimitExceeded",
            format!("The maximum number of network ACL entries has been reached: {limit}, the fixed denies counted"),
        ));
    }
    tx.update::<NetworkAcl, _>(&nacl, |nacl| {
        nacl.entries.push(entry);
        nacl.entries.sort_by_key(|entry| (entry.direction, entry.number));
    })
}

/// Replaces the entry of that direction and number.
///
/// # Errors
/// `InvalidNetworkAclEntry.NotFound`, and as [`create_entry`].
pub fn replace_entry(tx: &mut Tx, nacl: NaclId, spec: &EntrySpec) -> Result<(), ControlError> {
    let entry = entry(spec)?;
    let found = tx.find::<NetworkAcl>(&nacl)?;
    let at = position(&found, entry.direction, entry.number).ok_or_else(|| no_such_entry(spec.number))?;
    tx.update::<NetworkAcl, _>(&nacl, |nacl| nacl.entries[at] = entry)
}

/// Removes the entry of that direction and number.
///
/// # Errors
/// `InvalidNetworkAclEntry.NotFound`, `InvalidParameterValue` for a reserved number.
pub fn delete_entry(tx: &mut Tx, nacl: NaclId, direction: Direction, number: i32) -> Result<(), ControlError> {
    let found = tx.find::<NetworkAcl>(&nacl)?;
    let at = position(&found, direction, user_number(number)?).ok_or_else(|| no_such_entry(number))?;
    tx.update::<NetworkAcl, _>(&nacl, |nacl| {
        nacl.entries.remove(at);
    })
}

/// Reads a protocol: `-1`, a number, or a name that security groups know too.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn parse_protocol(text: &str) -> Result<Protocol, ControlError> {
    Protocol::parse(text)
        .ok_or_else(|| ControlError::invalid_value(format!("Invalid value '{text}' for protocol. Use -1 or 0-255")))
}

/// Reads what an entry says beyond its protocol. TCP and UDP need a range, ICMP needs type and code, and so does ICMPv6
/// with an IPv6 block; everything else takes the whole protocol whatever is given.
/// See "CreateNetworkAclEntry" in the EC2 API reference.
///
/// # Errors
/// `MissingParameter`, `InvalidParameterValue`.
pub fn parse_ports(
    protocol: Protocol,
    block: IpNet,
    ports: Option<(i32, i32)>,
    icmp: Option<(i32, i32)>,
) -> Result<RulePorts, ControlError> {
    if protocol.has_ports() {
        let (from, to) = ports.ok_or_else(|| ControlError::missing_parameter("PortRange"))?;
        let port = |port: i32| {
            u16::try_from(port).map_err(|_| {
                ControlError::invalid_value(format!("Value ({port}) for parameter portRange is invalid: use 0-65535"))
            })
        };
        let range = PortRange { from: port(from)?, to: port(to)? };
        if range.from > range.to {
            return Err(ControlError::invalid_value(format!(
                "Value ({from}-{to}) for parameter portRange is invalid: the first port is above the last"
            )));
        }
        return Ok(RulePorts::Range(range));
    }
    if protocol == Protocol::ICMP || (protocol == Protocol::ICMPV6 && matches!(block, IpNet::V6(_))) {
        let (kind, code) = icmp.ok_or_else(|| ControlError::missing_parameter("IcmpTypeCode"))?;
        let part = |value: i32| match value {
            -1 => Ok(None),
            _ => u8::try_from(value).map(Some).map_err(|_| {
                ControlError::invalid_value(format!("Value ({value}) for parameter icmpTypeCode is invalid: use -1 to 255"))
            }),
        };
        return match (part(kind)?, part(code)?) {
            (None, Some(_)) => Err(ControlError::invalid_value(format!(
                "Value ({code}) for parameter icmpTypeCode is invalid: type -1 needs code -1"
            ))),
            (None, None) => Ok(RulePorts::All),
            (kind, code) => Ok(RulePorts::Icmp(IcmpMatch { kind, code })),
        };
    }
    Ok(RulePorts::All)
}

fn entry(spec: &EntrySpec) -> Result<NaclEntry, ControlError> {
    let EntrySpec { direction, number, action, block, protocol, ports } = *spec;
    Ok(NaclEntry { direction, number: user_number(number)?, action, block: block.trunc(), protocol, ports })
}

fn user_number(number: i32) -> Result<u16, ControlError> {
    let user = u16::try_from(number).ok().filter(|number| (1..NetworkAcl::DENY_IPV4).contains(number));
    user.ok_or_else(|| {
        ControlError::invalid_value(format!("Value ({number}) for parameter ruleNumber is invalid: entries are numbered 1-32766"))
    })
}

fn position(nacl: &NetworkAcl, direction: Direction, number: u16) -> Option<usize> {
    nacl.entries.iter().position(|entry| (entry.direction, entry.number) == (direction, number))
}

fn no_such_entry(number: i32) -> ControlError {
    ControlError::new("InvalidNetworkAclEntry.NotFound", format!("The network acl entry identified by {number} does not exist."))
}
