//! Further addresses of NAT gateways that work.

use std::net::Ipv4Addr;

use openvpc_model::nat::{NatAddress, NatConnectivity, NatElasticIp, NatFailure, NatPlace};
use openvpc_model::{AddressAssociationId, AllocationId, EniId, NatGateway, NatGatewayId, Zone};

use super::{allocations, check_free, check_internet_gateway, regional, working, zonal};
use crate::{ControlError, Tx, addresses, interfaces};

/// Gives a public gateway more Elastic IPs: AssociateNatGatewayAddress. A zonal one takes a private address for each,
/// those named first; a regional one needs the zone.
///
/// # Errors
/// `NatGatewayNotFound`, `InvalidElasticIpID.NotFound`, `Resource.AlreadyAssociated`, `AddressLimitExceeded`,
/// `PrivateIpAddressLimitExceeded`, `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse`,
/// `InvalidParameterCombination`, `InvalidParameterValue` for a private gateway.
pub fn associate(
    tx: &mut Tx,
    id: NatGatewayId,
    elastic: &[AllocationId],
    private: &[Ipv4Addr],
    zone: Option<Zone>,
) -> Result<Vec<NatAddress>, ControlError> {
    let gateway = working(tx, id)?;
    if gateway.connectivity == NatConnectivity::Private {
        return Err(ControlError::invalid_value(format!("The NAT gateway {id} is private and takes no Elastic IP address")));
    }
    let eips = allocations(tx, elastic)?;
    check_free(&eips).and_then(|()| check_internet_gateway(tx, gateway.vpc)).map_err(refusal)?;
    let mut added = Vec::new();
    match (gateway.place, zone) {
        (NatPlace::Regional { auto: true, .. }, _) => {
            let message = format!("The NAT gateway {id} manages its Elastic IP addresses itself");
            return Err(ControlError::invalid_value(message));
        }
        (NatPlace::Regional { .. }, None) => return Err(ControlError::missing_parameter("AvailabilityZone")),
        (NatPlace::Regional { .. }, Some(zone)) => {
            if !private.is_empty() {
                return Err(ControlError::invalid_combination("A regional NAT gateway has no private IPv4 addresses"));
            }
            let present = gateway.addresses.iter().filter(|address| address.zone == zone).count();
            regional::check_zone_count(tx, zone, present + elastic.len())?;
            for allocation in elastic {
                added.push(regional::use_address(tx, id, zone, *allocation)?);
            }
        }
        (NatPlace::Zonal { .. }, Some(_)) => {
            return Err(ControlError::invalid_combination("AvailabilityZone is for regional NAT gateways only"));
        }
        (NatPlace::Zonal { zone, .. }, None) => {
            let eni = eni_of(&gateway)?;
            if private.len() > elastic.len() {
                let message = "Each private IPv4 address of a public NAT gateway needs an Elastic IP address";
                return Err(ControlError::invalid_combination(message));
            }
            let count = gateway.addresses.len() + elastic.len();
            zonal::check_counts(tx, count, count)?;
            for (at, eip) in eips.iter().enumerate() {
                let private = interfaces::add_managed_ipv4(tx, eni, private.get(at).copied())?;
                let association = Some(addresses::map(tx, eip.id, eni, private)?);
                let elastic = Some(NatElasticIp { allocation: eip.id, address: eip.address, association });
                added.push(NatAddress { zone, private: Some(private), elastic });
            }
        }
    }
    tx.update::<NatGateway, _>(&id, |gateway| gateway.addresses.extend(added.iter().cloned()))?;
    Ok(added)
}

/// Takes Elastic IPs from a public gateway, with their private addresses: DisassociateNatGatewayAddress.
///
/// # Errors
/// `NatGatewayNotFound`, `InvalidAssociationID.NotFound`, `InvalidParameterValue` for the primary one.
pub fn disassociate(
    tx: &mut Tx,
    id: NatGatewayId,
    associations: &[AddressAssociationId],
) -> Result<Vec<NatAddress>, ControlError> {
    let gateway = working(tx, id)?;
    let mut removed: Vec<NatAddress> = Vec::new();
    for association in associations {
        let is_it = |address: &NatAddress| address.elastic.as_ref().is_some_and(|eip| eip.association == Some(*association));
        let at = gateway.addresses.iter().position(is_it).ok_or_else(|| {
            let message = format!("The association ID '{association}' does not exist on the NAT gateway {id}");
            ControlError::new("InvalidAssociationID.NotFound", message)
        })?;
        if at == 0 && matches!(gateway.place, NatPlace::Zonal { .. }) {
            let message = format!("The primary Elastic IP address of the NAT gateway {id} cannot be disassociated");
            return Err(ControlError::invalid_value(message));
        }
        if !removed.contains(&gateway.addresses[at]) {
            removed.push(gateway.addresses[at].clone());
        }
    }
    for address in &removed {
        match (gateway.place, address.private, &address.elastic) {
            (NatPlace::Zonal { eni: Some(eni), .. }, Some(private), _) => interfaces::remove_managed_ipv4(tx, eni, private)?,
            (_, _, Some(elastic)) => regional::release_address(tx, elastic.allocation)?,
            (_, _, None) => {}
        }
    }
    tx.update::<NatGateway, _>(&id, |gateway| gateway.addresses.retain(|address| !removed.contains(address)))?;
    Ok(removed)
}

/// Gives a private gateway more addresses: AssignPrivateNatGatewayAddress. Those named, or so many of the subnet's.
///
/// # Errors
/// `NatGatewayNotFound`, `PrivateIpAddressLimitExceeded`, `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse`,
/// `MissingParameter`, `InvalidParameterCombination`, `InvalidParameterValue` for a public gateway.
pub fn assign_private(
    tx: &mut Tx,
    id: NatGatewayId,
    private: &[Ipv4Addr],
    count: Option<usize>,
) -> Result<Vec<NatAddress>, ControlError> {
    let gateway = private_gateway(tx, id)?;
    let (eni, NatPlace::Zonal { zone, .. }) = (eni_of(&gateway)?, gateway.place) else {
        return Err(ControlError::internal("a private NAT gateway is zonal"));
    };
    let wanted: Vec<Option<Ipv4Addr>> = match (private, count) {
        ([], None | Some(0)) => return Err(ControlError::missing_parameter("PrivateIpAddressCount")),
        ([], Some(count)) => {
            zonal::check_counts(tx, gateway.addresses.len().saturating_add(count), 0)?;
            vec![None; count]
        }
        (private, None) => private.iter().copied().map(Some).collect(),
        (_, Some(_)) => {
            let message = "Specify PrivateIpAddresses or PrivateIpAddressCount, not both";
            return Err(ControlError::invalid_combination(message));
        }
    };
    zonal::check_counts(tx, gateway.addresses.len() + wanted.len(), 0)?;
    let mut added = Vec::new();
    for address in wanted {
        let private = Some(interfaces::add_managed_ipv4(tx, eni, address)?);
        added.push(NatAddress { zone, private, elastic: None });
    }
    tx.update::<NatGateway, _>(&id, |gateway| gateway.addresses.extend(added.iter().cloned()))?;
    Ok(added)
}

/// Takes secondary addresses from a private gateway: UnassignPrivateNatGatewayAddress.
///
/// # Errors
/// `NatGatewayNotFound`, `InvalidParameterValue` for a public gateway, the primary address or one that isn't there.
pub fn unassign_private(tx: &mut Tx, id: NatGatewayId, private: &[Ipv4Addr]) -> Result<Vec<NatAddress>, ControlError> {
    let gateway = private_gateway(tx, id)?;
    let eni = eni_of(&gateway)?;
    let mut removed: Vec<NatAddress> = Vec::new();
    for wanted in private {
        let at = gateway.addresses.iter().position(|address| address.private == Some(*wanted)).ok_or_else(|| {
            ControlError::invalid_value(format!("The private IPv4 address {wanted} is not assigned to the NAT gateway {id}"))
        })?;
        if at == 0 {
            let message = format!("The primary private IPv4 address {wanted} of the NAT gateway {id} cannot be unassigned");
            return Err(ControlError::invalid_value(message));
        }
        if !removed.contains(&gateway.addresses[at]) {
            interfaces::remove_managed_ipv4(tx, eni, *wanted)?;
            removed.push(gateway.addresses[at].clone());
        }
    }
    tx.update::<NatGateway, _>(&id, |gateway| gateway.addresses.retain(|address| !removed.contains(address)))?;
    Ok(removed)
}

fn private_gateway(tx: &Tx, id: NatGatewayId) -> Result<std::sync::Arc<NatGateway>, ControlError> {
    let gateway = working(tx, id)?;
    if gateway.connectivity == NatConnectivity::Public {
        let message = format!("The NAT gateway {id} is public; use AssociateNatGatewayAddress and DisassociateNatGatewayAddress");
        return Err(ControlError::invalid_value(message));
    }
    Ok(gateway)
}

fn eni_of(gateway: &NatGateway) -> Result<EniId, ControlError> {
    gateway.eni().ok_or_else(|| ControlError::internal("a zonal NAT gateway that works has an interface"))
}

fn refusal(failure: NatFailure) -> ControlError {
    let code = if failure.code == "Gateway.NotAttached" { "Gateway.NotAttached" } else { "Resource.AlreadyAssociated" };
    ControlError::new(code, failure.message)
}
