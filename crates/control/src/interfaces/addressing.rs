//! Private IPv4 and IPv6 addresses of interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use openvpc_model::{ElasticIp, EniId, NetworkInterface, PrivateAddress, Subnet};
use serde::Serialize;

use super::refuse_if_managed;
use crate::{ControlError, Tx, addresses, subnets};

/// What AssignPrivateIpAddresses is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AssignIpv4 {
    /// Addresses by number.
    pub addresses: Vec<Ipv4Addr>,
    /// How many to choose.
    pub count: usize,
    /// Whether secondary addresses may be taken away from another interface of the subnet, Elastic IPs with them.
    pub allow_reassignment: bool,
}

/// What AssignIpv6Addresses is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AssignIpv6 {
    /// Addresses by number.
    pub addresses: Vec<Ipv6Addr>,
    /// How many to choose.
    pub count: usize,
}

impl AssignIpv6 {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.count == 0
    }
}

/// Adds secondary private addresses; returns those that the interface has now and was asked for.
///
/// # Errors
/// `InvalidIPAddress.InUse`, `InvalidParameterValue`, `InsufficientFreeAddressesInSubnet`, `PrivateIpAddressLimitExceeded`.
pub fn assign_ipv4(tx: &mut Tx, id: EniId, request: &AssignIpv4) -> Result<Vec<Ipv4Addr>, ControlError> {
    let (eni, subnet) = interface(tx, id)?;
    if eni.private_addresses.is_empty() {
        return Err(ControlError::invalid_value(format!("{id} is in an IPv6-only subnet and takes no private IPv4 address")));
    }
    if request.addresses.is_empty() && request.count == 0 {
        return Err(ControlError::missing_parameter("SecondaryPrivateIpAddressCount"));
    }
    let mut assigned = request.addresses.clone();
    for address in &request.addresses {
        match holder(tx, &subnet, IpAddr::V4(*address)) {
            Some(holder) if holder.id == id => {}
            Some(holder) if request.allow_reassignment => move_secondary(tx, &holder, id, *address)?,
            _ => add_ipv4(tx, id, &subnet, Some(*address)).map(drop)?,
        }
    }
    for _ in 0..request.count {
        assigned.push(add_ipv4(tx, id, &subnet, None)?);
    }
    check_ipv4_limit(tx, id)?;
    Ok(assigned)
}

/// Takes secondary private addresses away. Elastic IPs on them stay allocated.
///
/// # Errors
/// `InvalidParameterValue` for the primary address or one that isn't there.
pub fn unassign_ipv4(tx: &mut Tx, id: EniId, doomed: &[Ipv4Addr]) -> Result<(), ControlError> {
    let (eni, _) = interface(tx, id)?;
    for address in doomed {
        if eni.primary_ipv4() == Some(*address) {
            return Err(ControlError::invalid_value(format!(
                "The primary private address {address} of {id} can't be unassigned"
            )));
        }
        if !eni.private_addresses.iter().any(|slot| slot.address == *address) {
            return Err(not_assigned(id, IpAddr::V4(*address)));
        }
        addresses::unmap(tx, id, *address)?;
    }
    tx.update::<NetworkInterface, _>(&id, |eni| eni.private_addresses.retain(|slot| !doomed.contains(&slot.address)))
}

/// Adds IPv6 addresses; returns those that were added.
///
/// # Errors
/// `InvalidIPAddress.InUse`, `InvalidParameterValue`, `InsufficientFreeAddressesInSubnet`,
/// `InvalidInterface.IpAddressLimitExceeded`.
pub fn assign_ipv6(tx: &mut Tx, id: EniId, request: &AssignIpv6) -> Result<Vec<Ipv6Addr>, ControlError> {
    let (eni, subnet) = interface(tx, id)?;
    if subnet.ipv6_blocks.is_empty() {
        return Err(ControlError::invalid_value(format!("The subnet {} has no IPv6 CIDR block", subnet.id)));
    }
    for address in &request.addresses {
        if !eni.ipv6_addresses.contains(address) {
            check_wanted(tx, &subnet, IpAddr::V6(*address))?;
            add_ipv6(tx, id, *address)?;
        }
    }
    for _ in 0..request.count {
        let address = subnets::allocate_ipv6(tx, &subnet)?;
        add_ipv6(tx, id, address)?;
    }
    let now = tx.find::<NetworkInterface>(&id)?;
    Ok(now.ipv6_addresses[eni.ipv6_addresses.len()..].to_vec())
}

/// Takes IPv6 addresses away.
///
/// # Errors
/// `InvalidParameterValue` for one that isn't there.
pub fn unassign_ipv6(tx: &mut Tx, id: EniId, doomed: &[Ipv6Addr]) -> Result<(), ControlError> {
    let (eni, _) = interface(tx, id)?;
    if let Some(stranger) = doomed.iter().find(|address| !eni.ipv6_addresses.contains(address)) {
        return Err(not_assigned(id, IpAddr::V6(*stranger)));
    }
    tx.update::<NetworkInterface, _>(&id, |eni| eni.ipv6_addresses.retain(|address| !doomed.contains(address)))
}

/// The first private addresses of a new interface; none in an IPv6-only subnet.
pub(super) fn place_ipv4(
    tx: &mut Tx,
    id: EniId,
    primary: Option<Ipv4Addr>,
    secondary: &[Ipv4Addr],
    secondary_count: usize,
) -> Result<(), ControlError> {
    let (_, subnet) = interface(tx, id)?;
    if subnet.ipv4_block.is_none() {
        let asked = primary.is_some() || !secondary.is_empty() || secondary_count > 0;
        return if asked {
            Err(ControlError::invalid_value(format!("The subnet {} is IPv6-only and has no private IPv4 addresses", subnet.id)))
        } else {
            Ok(())
        };
    }
    add_ipv4(tx, id, &subnet, primary)?;
    for address in secondary {
        add_ipv4(tx, id, &subnet, Some(*address))?;
    }
    for _ in 0..secondary_count {
        add_ipv4(tx, id, &subnet, None)?;
    }
    Ok(())
}

fn interface(tx: &Tx, id: EniId) -> Result<(Arc<NetworkInterface>, Arc<Subnet>), ControlError> {
    let eni = tx.find::<NetworkInterface>(&id)?;
    refuse_if_managed(&eni)?;
    let subnet = tx.find::<Subnet>(&eni.subnet)?;
    Ok((eni, subnet))
}

/// Adds one address. The limit is looked at with each, so that an absurd count ends at it.
pub(super) fn add_ipv4(tx: &mut Tx, id: EniId, subnet: &Subnet, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, ControlError> {
    let address = match wanted {
        Some(wanted) => {
            check_wanted(tx, subnet, IpAddr::V4(wanted))?;
            wanted
        }
        None => subnets::allocate_ipv4(tx, subnet)?,
    };
    tx.update::<NetworkInterface, _>(&id, |eni| eni.private_addresses.push(PrivateAddress { address, public: None }))?;
    check_ipv4_limit(tx, id)?;
    Ok(address)
}

/// The same for IPv6.
fn add_ipv6(tx: &mut Tx, id: EniId, address: Ipv6Addr) -> Result<(), ControlError> {
    let limit = tx.quotas().ipv6_addresses_per_interface;
    let count = tx.update::<NetworkInterface, _>(&id, |eni| {
        eni.ipv6_addresses.push(address);
        eni.ipv6_addresses.len() + eni.ipv6_prefixes.len()
    })?;
    if count > limit {
        return Err(ControlError::new(
            "InvalidInterface.IpAddressLimitExceeded",
            format!("Number of IPv6 addresses of {id} will exceed the limit of {limit}."),
        ));
    }
    Ok(())
}

/// Moves a secondary address, and what stands for it outside, from one interface to another.
fn move_secondary(tx: &mut Tx, from: &NetworkInterface, to: EniId, address: Ipv4Addr) -> Result<(), ControlError> {
    if from.primary_ipv4() == Some(address) || from.requester_managed {
        return Err(ControlError::invalid_value(format!(
            "Address {address} can't be reassigned: it is the primary address of {} or managed by a service",
            from.id
        )));
    }
    let slot = from.private_addresses.iter().find(|slot| slot.address == address).cloned();
    tx.update::<NetworkInterface, _>(&from.id, |eni| eni.private_addresses.retain(|slot| slot.address != address))?;
    tx.update::<NetworkInterface, _>(&to, |eni| eni.private_addresses.extend(slot))?;
    let here = |eip: &ElasticIp| eip.association.as_ref().is_some_and(|a| (a.eni, a.private_address) == (from.id, address));
    let moved = tx.owned::<ElasticIp>().find(|eip| here(eip)).map(|eip| eip.id);
    if let Some(id) = moved {
        tx.update::<ElasticIp, _>(&id, |eip| {
            if let Some(association) = &mut eip.association {
                association.eni = to;
            }
        })?;
    }
    Ok(())
}

fn check_wanted(tx: &Tx, subnet: &Subnet, address: IpAddr) -> Result<(), ControlError> {
    if !subnet.contains(address) {
        return Err(ControlError::invalid_value(format!(
            "Address {address} does not fall within the range of subnet {}",
            subnet.id
        )));
    }
    if subnet.is_reserved(address) {
        return Err(ControlError::invalid_value(format!("Address {address} is in the reserved range of subnet {}", subnet.id)));
    }
    if let Some(holder) = holder(tx, subnet, address) {
        return Err(ControlError::new("InvalidIPAddress.InUse", format!("Address {address} is in use by {}.", holder.id)));
    }
    Ok(())
}

fn holder(tx: &Tx, subnet: &Subnet, address: IpAddr) -> Option<Arc<NetworkInterface>> {
    tx.network().enis_in(subnet.id).find(|eni| eni.owns(address)).cloned()
}

/// An interface has so many private addresses; a prefix takes the place of one.
pub(super) fn check_ipv4_limit(tx: &Tx, id: EniId) -> Result<(), ControlError> {
    let limit = tx.quotas().ipv4_addresses_per_interface;
    let eni = tx.find::<NetworkInterface>(&id)?;
    if eni.private_addresses.len() + eni.ipv4_prefixes.len() > limit {
        return Err(ControlError::new(
            "PrivateIpAddressLimitExceeded",
            format!("Number of private addresses of {id} will exceed the limit of {limit}."),
        ));
    }
    Ok(())
}

fn not_assigned(id: EniId, address: IpAddr) -> ControlError {
    ControlError::invalid_value(format!("Some of [{address}] are not assigned to interface {id}"))
}
