//! Whole blocks of a subnet for one interface. See "Assigning prefixes to network interfaces" in the EC2 User Guide.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::cidr_reservation::ReservationKind;
use openvpc_model::{EniId, NetworkInterface, Subnet};
use serde::Serialize;

use super::addressing::check_ipv4_limit;
use super::refuse_if_managed;
use crate::{ControlError, Tx};

/// The sizes of prefixes, which are the only ones.
pub(crate) const IPV4_LENGTH: u8 = 28;
const IPV6_LENGTH: u8 = 80;

/// How often an IPv6 prefix is drawn before the subnet counts as full: of 65,536 only few can be taken.
const RANDOM_TRIES: usize = 1000;

/// Prefixes by number, and how many to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Prefixes {
    /// IPv4 prefixes, /28 each.
    pub ipv4: Vec<Ipv4Net>,
    /// How many IPv4 prefixes to choose.
    pub ipv4_count: usize,
    /// IPv6 prefixes, /80 each.
    pub ipv6: Vec<Ipv6Net>,
    /// How many IPv6 prefixes to choose.
    pub ipv6_count: usize,
}

impl Prefixes {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Gives an interface prefixes; returns those that it was given.
///
/// # Errors
/// `InvalidParameterValue` for a prefix of another size or outside the subnet, `InvalidIPAddress.InUse`,
/// `InsufficientCidrBlocks`, `PrivateIpAddressLimitExceeded`, `InvalidInterface.IpAddressLimitExceeded`,
/// `OperationNotPermitted` for an interface that a service manages.
pub fn assign_prefixes(tx: &mut Tx, id: EniId, wanted: &Prefixes) -> Result<(Vec<Ipv4Net>, Vec<Ipv6Net>), ControlError> {
    let eni = tx.find::<NetworkInterface>(&id)?;
    refuse_if_managed(&eni)?;
    let subnet = tx.find::<Subnet>(&eni.subnet)?;
    for prefix in &wanted.ipv4 {
        check(tx, &subnet, IpNet::V4(*prefix))?;
        add_ipv4(tx, id, *prefix)?;
    }
    for _ in 0..wanted.ipv4_count {
        let prefix = free_ipv4(tx, &subnet)?;
        add_ipv4(tx, id, prefix)?;
    }
    for prefix in &wanted.ipv6 {
        check(tx, &subnet, IpNet::V6(*prefix))?;
        add_ipv6(tx, id, *prefix)?;
    }
    for _ in 0..wanted.ipv6_count {
        let prefix = free_ipv6(tx, &subnet)?;
        add_ipv6(tx, id, prefix)?;
    }
    let now = tx.find::<NetworkInterface>(&id)?;
    Ok((now.ipv4_prefixes[eni.ipv4_prefixes.len()..].to_vec(), now.ipv6_prefixes[eni.ipv6_prefixes.len()..].to_vec()))
}

/// Takes prefixes from an interface.
///
/// # Errors
/// `InvalidParameterValue` for one that isn't there; `OperationNotPermitted` for an interface that a service manages.
pub fn unassign_prefixes(tx: &mut Tx, id: EniId, doomed: &[IpNet]) -> Result<(), ControlError> {
    let eni = tx.find::<NetworkInterface>(&id)?;
    refuse_if_managed(&eni)?;
    let has = |prefix: &IpNet| match prefix {
        IpNet::V4(prefix) => eni.ipv4_prefixes.contains(prefix),
        IpNet::V6(prefix) => eni.ipv6_prefixes.contains(prefix),
    };
    if let Some(stranger) = doomed.iter().find(|prefix| !has(prefix)) {
        return Err(ControlError::invalid_value(format!("The prefix {stranger} is not assigned to interface {id}")));
    }
    tx.update::<NetworkInterface, _>(&id, |eni| {
        eni.ipv4_prefixes.retain(|prefix| !doomed.contains(&IpNet::V4(*prefix)));
        eni.ipv6_prefixes.retain(|prefix| !doomed.contains(&IpNet::V6(*prefix)));
    })
}

fn add_ipv4(tx: &mut Tx, id: EniId, prefix: Ipv4Net) -> Result<(), ControlError> {
    tx.update::<NetworkInterface, _>(&id, |eni| eni.ipv4_prefixes.push(prefix))?;
    check_ipv4_limit(tx, id)
}

fn add_ipv6(tx: &mut Tx, id: EniId, prefix: Ipv6Net) -> Result<(), ControlError> {
    let limit = tx.quotas().ipv6_addresses_per_interface;
    let count = tx.update::<NetworkInterface, _>(&id, |eni| {
        eni.ipv6_prefixes.push(prefix);
        eni.ipv6_addresses.len() + eni.ipv6_prefixes.len()
    })?;
    if count > limit {
        let message = format!("Number of IPv6 addresses and prefixes of {id} will exceed the limit of {limit}.");
        return Err(ControlError::new("InvalidInterface.IpAddressLimitExceeded", message));
    }
    Ok(())
}

/// Whether a prefix is one that the subnet has and nobody uses.
fn check(tx: &Tx, subnet: &Subnet, prefix: IpNet) -> Result<(), ControlError> {
    let length = if prefix.addr().is_ipv4() { IPV4_LENGTH } else { IPV6_LENGTH };
    if prefix.prefix_len() != length || prefix.trunc() != prefix {
        let message = format!("The prefix {prefix} is invalid: it must have a length of /{length} and no host bits");
        return Err(ControlError::invalid_value(message));
    }
    let inside = match prefix {
        IpNet::V4(prefix) => subnet.ipv4_block.is_some_and(|block| block.contains(&prefix)),
        IpNet::V6(prefix) => subnet.ipv6_blocks.iter().any(|block| block.block.contains(&prefix)),
    };
    if !inside {
        let message = format!("The prefix {prefix} does not fall within the range of subnet {}", subnet.id);
        return Err(ControlError::invalid_value(message));
    }
    if is_reserved(subnet, prefix) {
        let message = format!("The prefix {prefix} holds addresses in the reserved range of subnet {}", subnet.id);
        return Err(ControlError::invalid_value(message));
    }
    if let Some(holder) = holder(tx, subnet, prefix) {
        return Err(ControlError::new("InvalidIPAddress.InUse", format!("The prefix {prefix} is in use by {holder}.")));
    }
    Ok(())
}

/// The first of the subnet's IPv4 prefixes that is free.
fn free_ipv4(tx: &Tx, subnet: &Subnet) -> Result<Ipv4Net, ControlError> {
    let full = || insufficient(subnet);
    let block = subnet.ipv4_block.ok_or_else(full)?;
    let size = 1u32 << (32 - IPV4_LENGTH);
    let (first, last) = (u32::from(block.network()), u32::from(block.broadcast()));
    let prefixes = (first..=last).step_by(size as usize).filter_map(|base| Ipv4Net::new(Ipv4Addr::from(base), IPV4_LENGTH).ok());
    let is_free = |prefix: &Ipv4Net| {
        let prefix = IpNet::V4(*prefix);
        !is_reserved(subnet, prefix) && holder(tx, subnet, prefix).is_none()
    };
    let kind = |prefix: &Ipv4Net| tx.network().reservation_kind_of(subnet.id, IpNet::V4(*prefix));
    // From what is reserved for prefixes first, and never from what users name addresses of.
    let reserved = prefixes.clone().filter(|prefix| kind(prefix) == Some(ReservationKind::Prefix)).find(is_free);
    reserved.or_else(|| prefixes.into_iter().find(|prefix| kind(prefix).is_none() && is_free(prefix))).ok_or_else(full)
}

/// One of the subnet's IPv6 prefixes that is free.
fn free_ipv6(tx: &Tx, subnet: &Subnet) -> Result<Ipv6Net, ControlError> {
    let Some(block) = subnet.ipv6_blocks.first().map(|block| block.block) else {
        return Err(ControlError::invalid_value(format!("The subnet {} has no IPv6 CIDR block", subnet.id)));
    };
    let draw = |block: Ipv6Net| {
        // The bits by which the prefixes of a subnet differ are the upper ones of the host's.
        let address = u128::from(block.network()) | u128::from(tx.random()) << (128 - IPV6_LENGTH) & u128::from(block.hostmask());
        Ipv6Net::new(Ipv6Addr::from(address), IPV6_LENGTH).ok().map(|prefix| prefix.trunc())
    };
    let is_free = |prefix: &Ipv6Net| {
        let prefix = IpNet::V6(*prefix);
        !is_reserved(subnet, prefix) && holder(tx, subnet, prefix).is_none()
    };
    let kind = |prefix: Ipv6Net| tx.network().reservation_kind_of(subnet.id, IpNet::V6(prefix));
    let find = |block: Ipv6Net, wanted: Option<ReservationKind>| {
        (0..RANDOM_TRIES).filter_map(|_| draw(block)).find(|prefix| kind(*prefix) == wanted && is_free(prefix))
    };
    let reserved = tx.network().reservations_of(subnet.id).filter_map(|range| match range {
        IpNet::V6(range) if range.prefix_len() <= IPV6_LENGTH => find(range, Some(ReservationKind::Prefix)),
        _ => None,
    });
    // From what is reserved for prefixes first, and never from what users name addresses of.
    reserved.into_iter().next().or_else(|| find(block, None)).ok_or_else(|| insufficient(subnet))
}

/// Whether AWS keeps addresses of a prefix: the first four of the subnet and its last are at the edges of some.
fn is_reserved(subnet: &Subnet, prefix: IpNet) -> bool {
    subnet.is_reserved(prefix.network()) || subnet.is_reserved(prefix.broadcast())
}

/// Who uses an address of a prefix.
fn holder(tx: &Tx, subnet: &Subnet, prefix: IpNet) -> Option<EniId> {
    let overlaps = |other: IpNet| other.contains(&prefix.network()) || prefix.contains(&other.network());
    let uses =
        |eni: &NetworkInterface| eni.addresses().any(|address: IpAddr| prefix.contains(&address)) || eni.prefixes().any(overlaps);
    let enis = tx.network().all::<NetworkInterface>();
    enis.into_iter().find(|eni| eni.subnet == subnet.id && uses(eni)).map(|eni| eni.id)
}

fn insufficient(subnet: &Subnet) -> ControlError {
    let message = format!("The specified subnet '{}' does not have enough free cidr blocks to satisfy the request.", subnet.id);
    ControlError::new("InsufficientCidrBlocks", message)
}
