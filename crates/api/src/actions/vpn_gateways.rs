//! Virtual private gateways and the propagation of their routes: the API side.

use openvpc_control::vpn_gateways::{self, DEFAULT_ASN};
use openvpc_model::{RouteTableId, VpcId, VpnGateway, VpnGatewayId};

use super::customer_gateways::{TYPE, check_type};
use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AttachVpnGateway, attach_vpn_gateway),
    action!(CreateVpnGateway, create_vpn_gateway),
    action!(DeleteVpnGateway, delete_vpn_gateway),
    action!(DescribeVpnGateways, describe_vpn_gateways),
    action!(DetachVpnGateway, detach_vpn_gateway),
    action!(DisableVgwRoutePropagation, disable_vgw_route_propagation),
    action!(EnableVgwRoutePropagation, enable_vgw_route_propagation),
];

fn create_vpn_gateway(
    ctx: &Ctx<'_>,
    request: shapes::CreateVpnGatewayRequest,
) -> Result<shapes::CreateVpnGatewayResult, ApiError> {
    check_type(&request.r#type)?;
    let tags = tagging::on_create(&request.tag_specifications, "vpn-gateway")?;
    let asn = match request.amazon_side_asn {
        None => DEFAULT_ASN,
        Some(asn) => u32::try_from(asn)
            .map_err(|_| ApiError::invalid_value(format!("Value ({asn}) for parameter AmazonSideAsn is invalid")))?,
    };
    // A virtual private gateway spans its region; AWS keeps the zone that was named, and makes nothing of it.
    let zone = request.availability_zone.filter(|zone| !zone.is_empty());
    let gateway = ctx.mutate(|tx| {
        let id = vpn_gateways::create(tx, asn, zone, tags)?;
        tx.find::<VpnGateway>(&id)
    })?;
    let shape = shapes::VpnGateway { state: Some("pending".to_owned()), ..gateway_shape(&gateway) };
    Ok(shapes::CreateVpnGatewayResult { vpn_gateway: Some(shape) })
}

fn delete_vpn_gateway(ctx: &Ctx<'_>, request: shapes::DeleteVpnGatewayRequest) -> Result<Done, ApiError> {
    let id: VpnGatewayId = ids::parse_required(&request.vpn_gateway_id, "VpnGatewayId")?;
    ctx.mutate(|tx| vpn_gateways::delete(tx, id))?;
    Ok(Done)
}

fn attach_vpn_gateway(
    ctx: &Ctx<'_>,
    request: shapes::AttachVpnGatewayRequest,
) -> Result<shapes::AttachVpnGatewayResult, ApiError> {
    let id: VpnGatewayId = ids::parse_required(&request.vpn_gateway_id, "VpnGatewayId")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    ctx.mutate(|tx| vpn_gateways::attach(tx, id, vpc))?;
    Ok(shapes::AttachVpnGatewayResult { vpc_attachment: Some(attachment(vpc, "attaching")) })
}

fn detach_vpn_gateway(ctx: &Ctx<'_>, request: shapes::DetachVpnGatewayRequest) -> Result<Done, ApiError> {
    let id: VpnGatewayId = ids::parse_required(&request.vpn_gateway_id, "VpnGatewayId")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    ctx.mutate(|tx| vpn_gateways::detach(tx, id, vpc))?;
    Ok(Done)
}

fn enable_vgw_route_propagation(ctx: &Ctx<'_>, request: shapes::EnableVgwRoutePropagationRequest) -> Result<Done, ApiError> {
    let id: VpnGatewayId = ids::parse_required(&request.gateway_id, "GatewayId")?;
    let table: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    ctx.mutate(|tx| vpn_gateways::enable_propagation(tx, id, table))?;
    Ok(Done)
}

fn disable_vgw_route_propagation(ctx: &Ctx<'_>, request: shapes::DisableVgwRoutePropagationRequest) -> Result<Done, ApiError> {
    let id: VpnGatewayId = ids::parse_required(&request.gateway_id, "GatewayId")?;
    let table: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    ctx.mutate(|tx| vpn_gateways::disable_propagation(tx, id, table))?;
    Ok(Done)
}

fn describe_vpn_gateways(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpnGatewaysRequest,
) -> Result<shapes::DescribeVpnGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let gateways = ctx.pick::<VpnGateway>(&network, &request.vpn_gateway_ids)?;
    let gateways = gateways.iter().map(|gateway| gateway_shape(gateway)).collect();
    let vpn_gateways = filters::select(gateways, &request.filters, &GATEWAY_FIELDS)?;
    Ok(shapes::DescribeVpnGatewaysResult { vpn_gateways })
}

static GATEWAY_FIELDS: Fields<shapes::VpnGateway> = Fields {
    tags: Some(|gateway| &gateway.tags),
    fields: &[
        ("amazon-side-asn", |gateway, m| m.offer(&gateway.amazon_side_asn)),
        ("attachment.state", |gateway, m| gateway.vpc_attachments.iter().for_each(|a| m.offer(&a.state))),
        ("attachment.vpc-id", |gateway, m| gateway.vpc_attachments.iter().for_each(|a| m.offer(&a.vpc_id))),
        ("availability-zone", |gateway, m| m.offer(&gateway.availability_zone)),
        ("state", |gateway, m| m.offer(&gateway.state)),
        ("type", |gateway, m| m.offer(&gateway.r#type)),
        ("vpn-gateway-id", |gateway, m| m.offer(&gateway.vpn_gateway_id)),
    ],
};

fn gateway_shape(gateway: &VpnGateway) -> shapes::VpnGateway {
    // AWS goes on listing the attachment that ended; Ansible waits for its `detached`.
    let attached = gateway.vpc.map(|vpc| attachment(vpc, "attached"));
    let attachments = attached.or_else(|| gateway.detached_from.map(|vpc| attachment(vpc, "detached")));
    shapes::VpnGateway {
        vpn_gateway_id: Some(gateway.id.to_string()),
        state: Some(if gateway.deleted_at.is_some() { "deleted" } else { "available" }.to_owned()),
        r#type: Some(TYPE.to_owned()),
        amazon_side_asn: Some(gateway.asn.into()),
        availability_zone: gateway.zone.clone(),
        vpc_attachments: attachments.into_iter().collect(),
        tags: tagging::shapes(&gateway.tags),
    }
}

fn attachment(vpc: VpcId, state: &str) -> shapes::VpcAttachment {
    shapes::VpcAttachment { vpc_id: Some(vpc.to_string()), state: Some(state.to_owned()) }
}

#[cfg(test)]
mod tests;
