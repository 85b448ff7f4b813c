//! Further addresses of NAT gateways.

use openvpc_control::nat_gateways;
use openvpc_model::nat::NatAddress;
use openvpc_model::{NatGateway, NatGatewayId};

use super::super::interfaces::{count, ipv4};
use super::super::prelude::*;
use super::super::subnet::zone;
use super::address_shape;

pub(super) fn associate(
    ctx: &Ctx<'_>,
    request: shapes::AssociateNatGatewayAddressRequest,
) -> Result<shapes::AssociateNatGatewayAddressResult, ApiError> {
    let id: NatGatewayId = ids::parse_required(&request.nat_gateway_id, "NatGatewayId")?;
    let elastic = ids::parse_all(&request.allocation_ids)?;
    if elastic.is_empty() {
        return Err(ApiError::missing("AllocationId"));
    }
    let private: Vec<_> = request.private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?;
    let zone = zone(ctx, &request.availability_zone, &request.availability_zone_id)?;
    let nat_gateway_addresses = ctx.mutate(|tx| {
        let added = nat_gateways::associate(tx, id, &elastic, &private, zone)?;
        Ok(shown(&*tx.find::<NatGateway>(&id)?, &added, "associating"))
    })?;
    Ok(shapes::AssociateNatGatewayAddressResult { nat_gateway_id: Some(id.to_string()), nat_gateway_addresses })
}

pub(super) fn disassociate(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateNatGatewayAddressRequest,
) -> Result<shapes::DisassociateNatGatewayAddressResult, ApiError> {
    let id: NatGatewayId = ids::parse_required(&request.nat_gateway_id, "NatGatewayId")?;
    check_drain(request.max_drain_duration_seconds)?;
    let associations = ids::parse_all(&request.association_ids)?;
    if associations.is_empty() {
        return Err(ApiError::missing("AssociationId"));
    }
    let nat_gateway_addresses = ctx.mutate(|tx| {
        let gateway = tx.find::<NatGateway>(&id)?;
        let removed = nat_gateways::disassociate(tx, id, &associations)?;
        Ok(shown(&gateway, &removed, "disassociating"))
    })?;
    Ok(shapes::DisassociateNatGatewayAddressResult { nat_gateway_id: Some(id.to_string()), nat_gateway_addresses })
}

pub(super) fn assign_private(
    ctx: &Ctx<'_>,
    request: shapes::AssignPrivateNatGatewayAddressRequest,
) -> Result<shapes::AssignPrivateNatGatewayAddressResult, ApiError> {
    let id: NatGatewayId = ids::parse_required(&request.nat_gateway_id, "NatGatewayId")?;
    let private: Vec<_> = request.private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?;
    let count = count("PrivateIpAddressCount", request.private_ip_address_count)?;
    let nat_gateway_addresses = ctx.mutate(|tx| {
        let added = nat_gateways::assign_private(tx, id, &private, count)?;
        Ok(shown(&*tx.find::<NatGateway>(&id)?, &added, "assigning"))
    })?;
    Ok(shapes::AssignPrivateNatGatewayAddressResult { nat_gateway_id: Some(id.to_string()), nat_gateway_addresses })
}

pub(super) fn unassign_private(
    ctx: &Ctx<'_>,
    request: shapes::UnassignPrivateNatGatewayAddressRequest,
) -> Result<shapes::UnassignPrivateNatGatewayAddressResult, ApiError> {
    let id: NatGatewayId = ids::parse_required(&request.nat_gateway_id, "NatGatewayId")?;
    check_drain(request.max_drain_duration_seconds)?;
    let private: Vec<_> = request.private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?;
    if private.is_empty() {
        return Err(ApiError::missing("PrivateIpAddress"));
    }
    let nat_gateway_addresses = ctx.mutate(|tx| {
        let gateway = tx.find::<NatGateway>(&id)?;
        let removed = nat_gateways::unassign_private(tx, id, &private)?;
        Ok(shown(&gateway, &removed, "unassigning"))
    })?;
    Ok(shapes::UnassignPrivateNatGatewayAddressResult { nat_gateway_id: Some(id.to_string()), nat_gateway_addresses })
}

/// The addresses that a call is about, in the state that comes before the last.
fn shown(gateway: &NatGateway, addresses: &[NatAddress], status: &str) -> Vec<shapes::NatGatewayAddress> {
    let shape = |address: &NatAddress| shapes::NatGatewayAddress {
        status: Some(status.to_owned()),
        ..address_shape(gateway, address, false)
    };
    addresses.iter().map(shape).collect()
}

/// Connections are not waited for; the time to wait is still to be a possible one.
fn check_drain(seconds: Option<i32>) -> Result<(), ApiError> {
    match seconds {
        Some(seconds) if !(1..=4000).contains(&seconds) => Err(ApiError::invalid_value(format!(
            "Value ({seconds}) for parameter maxDrainDurationSeconds is invalid: use 1 to 4000"
        ))),
        _ => Ok(()),
    }
}
