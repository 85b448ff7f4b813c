//! Interfaces that services make for themselves: of NAT gateways, endpoints, transit gateway attachments, load balancers.
//! See "Requester-managed network interfaces" in the EC2 User Guide.
//!
//! They are made and placed like users' interfaces; users see them in use and may not change them. The service's resource
//! removes them when it goes.

use std::net::Ipv4Addr;

use openvpc_model::{EniId, NetworkInterface};

use super::{CreateNetworkInterface, addressing, create, delete_unchecked};
use crate::{ControlError, Tx, addresses};

/// Makes an interface of a service. `interface_type` is AWS's, such as `natGateway`; the groups are those of the request,
/// none when it names none. Packets with foreign addresses pass it.
///
/// # Errors
/// As for [`create`], `InsufficientFreeAddressesInSubnet` first of all.
pub(crate) fn create_managed(tx: &mut Tx, request: CreateNetworkInterface, interface_type: &str) -> Result<EniId, ControlError> {
    let without_groups = request.groups.is_empty();
    let id = create(tx, request)?;
    tx.update::<NetworkInterface, _>(&id, |eni| {
        eni.interface_type = interface_type.to_owned();
        eni.requester_managed = true;
        eni.source_dest_check = false;
        if without_groups {
            eni.groups.clear();
        }
    })?;
    Ok(id)
}

/// Removes an interface of a service, if it is there. Elastic IPs stay allocated.
pub(crate) fn delete_managed(tx: &mut Tx, id: EniId) -> Result<(), ControlError> {
    if tx.network().get::<NetworkInterface>(&id).is_none() {
        return Ok(());
    }
    delete_unchecked(tx, id)
}

/// Adds a private address to an interface of a service: that one, or one of the service's choice.
///
/// # Errors
/// `InvalidIPAddress.InUse`, `InvalidParameterValue`, `InsufficientFreeAddressesInSubnet`, `PrivateIpAddressLimitExceeded`.
pub(crate) fn add_managed_ipv4(tx: &mut Tx, id: EniId, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, ControlError> {
    let subnet = tx.find(&tx.find::<NetworkInterface>(&id)?.subnet)?;
    addressing::add_ipv4(tx, id, &subnet, wanted)
}

/// Takes a private address from an interface of a service; an Elastic IP on it stays allocated.
pub(crate) fn remove_managed_ipv4(tx: &mut Tx, id: EniId, address: Ipv4Addr) -> Result<(), ControlError> {
    addresses::unmap(tx, id, address)?;
    tx.update::<NetworkInterface, _>(&id, |eni| eni.private_addresses.retain(|slot| slot.address != address))
}
