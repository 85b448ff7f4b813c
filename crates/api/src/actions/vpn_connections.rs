//! Site-to-site VPN connections: the API side.

mod tunnels;
mod view;

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use openvpc_control::vpn_connections::{self, CreateVpnConnection, Gateway, ModifyOptions, devices};
use openvpc_model::vpn::VpnOptions;
use openvpc_model::vpn::tunnel::IkeVersion;
use openvpc_model::{
    CustomerGateway, CustomerGatewayId, TransitGatewayId, VpnConnection, VpnConnectionId, VpnGatewayId, VpnTarget,
};

use super::customer_gateways::check_type;
use super::prelude::*;
use super::vpc::{ipv4_block, ipv6_block};
use view::connection_shape;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateVpnConnection, create_vpn_connection),
    action!(CreateVpnConnectionRoute, create_vpn_connection_route),
    action!(DeleteVpnConnection, delete_vpn_connection),
    action!(DeleteVpnConnectionRoute, delete_vpn_connection_route),
    action!(DescribeVpnConnections, describe_vpn_connections),
    action!(GetVpnConnectionDeviceSampleConfiguration, get_vpn_connection_device_sample_configuration),
    action!(GetVpnConnectionDeviceTypes, get_vpn_connection_device_types),
    action!(GetVpnTunnelReplacementStatus, get_vpn_tunnel_replacement_status),
    action!(ModifyVpnConnection, modify_vpn_connection),
    action!(ModifyVpnConnectionOptions, modify_vpn_connection_options),
    action!(ModifyVpnTunnelOptions, modify_vpn_tunnel_options),
    action!(ReplaceVpnTunnel, replace_vpn_tunnel),
];

fn create_vpn_connection(
    ctx: &Ctx<'_>,
    request: shapes::CreateVpnConnectionRequest,
) -> Result<shapes::CreateVpnConnectionResult, ApiError> {
    check_type(&request.r#type)?;
    let tags = tagging::on_create(&request.tag_specifications, "vpn-connection")?;
    let given = |id: &Option<String>| id.as_ref().is_some_and(|id| !id.is_empty());
    if given(&request.vpn_gateway_id) && given(&request.transit_gateway_id) {
        return Err(ApiError::invalid_value("The request must not contain both parameter vpnGatewayId and transitGatewayId"));
    }
    let customer_gateway: CustomerGatewayId = ids::parse_required(&request.customer_gateway_id, "CustomerGatewayId")?;
    ctx.pick::<CustomerGateway>(&*ctx.network()?, &[customer_gateway.to_string()])?;
    check_key_storage(&request.pre_shared_key_storage)?;
    if request.vpn_concentrator_id.is_some() {
        return Err(ApiError::unsupported("openvpc has no VPN concentrators"));
    }
    let gateway = gateway(&request.vpn_gateway_id, &request.transit_gateway_id)?;
    let specification = request.options.unwrap_or_default();
    let (options, tunnels) = (options(&specification)?, tunnels::pair(&specification.tunnel_options)?);
    let request = CreateVpnConnection { customer_gateway, gateway, options, tunnels, tags };
    let connection = ctx.mutate(|tx| {
        let id = vpn_connections::create(tx, request)?;
        let connection = tx.find::<VpnConnection>(&id)?;
        Ok(connection_shape(tx.network(), &connection))
    })?;
    Ok(shapes::CreateVpnConnectionResult { vpn_connection: Some(in_state("pending", connection)) })
}

fn delete_vpn_connection(ctx: &Ctx<'_>, request: shapes::DeleteVpnConnectionRequest) -> Result<Done, ApiError> {
    let id: VpnConnectionId = ids::parse_required(&request.vpn_connection_id, "VpnConnectionId")?;
    ctx.mutate(|tx| vpn_connections::delete(tx, id))?;
    Ok(Done)
}

fn describe_vpn_connections(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpnConnectionsRequest,
) -> Result<shapes::DescribeVpnConnectionsResult, ApiError> {
    let network = ctx.network()?;
    let connections = ctx.pick::<VpnConnection>(&network, &request.vpn_connection_ids)?;
    let asn = |connection: &VpnConnection| {
        network.get::<CustomerGateway>(&connection.customer_gateway).map(|gateway| gateway.asn.to_string())
    };
    let items = connections.iter().map(|found| Item { shape: connection_shape(&network, found), bgp_asn: asn(found) }).collect();
    let items = filters::select(items, &request.filters, &CONNECTION_FIELDS)?;
    let vpn_connections = items.into_iter().map(|item| item.shape).collect();
    Ok(shapes::DescribeVpnConnectionsResult { vpn_connections })
}

fn modify_vpn_connection(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpnConnectionRequest,
) -> Result<shapes::ModifyVpnConnectionResult, ApiError> {
    let id: VpnConnectionId = ids::parse_required(&request.vpn_connection_id, "VpnConnectionId")?;
    let customer = ids::parse_opt::<CustomerGatewayId>(&request.customer_gateway_id)?;
    let gateway = gateway(&request.vpn_gateway_id, &request.transit_gateway_id)?;
    let vpn_connection = Some(modified(ctx, id, |tx| vpn_connections::modify(tx, id, customer, gateway))?);
    Ok(shapes::ModifyVpnConnectionResult { vpn_connection })
}

fn modify_vpn_connection_options(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpnConnectionOptionsRequest,
) -> Result<shapes::ModifyVpnConnectionOptionsResult, ApiError> {
    let id: VpnConnectionId = ids::parse_required(&request.vpn_connection_id, "VpnConnectionId")?;
    let ipv4 = |text: &Option<String>, name| text.as_deref().map(|text| ipv4_block(text, name)).transpose();
    let ipv6 = |text: &Option<String>, name| text.as_deref().map(|text| ipv6_block(text, name)).transpose();
    let changes = ModifyOptions {
        local_ipv4: ipv4(&request.local_ipv4_network_cidr, "LocalIpv4NetworkCidr")?,
        remote_ipv4: ipv4(&request.remote_ipv4_network_cidr, "RemoteIpv4NetworkCidr")?,
        local_ipv6: ipv6(&request.local_ipv6_network_cidr, "LocalIpv6NetworkCidr")?,
        remote_ipv6: ipv6(&request.remote_ipv6_network_cidr, "RemoteIpv6NetworkCidr")?,
        bandwidth: word(&request.tunnel_bandwidth, "TunnelBandwidth")?,
    };
    let vpn_connection = Some(modified(ctx, id, |tx| vpn_connections::modify_options(tx, id, changes))?);
    Ok(shapes::ModifyVpnConnectionOptionsResult { vpn_connection })
}

fn modify_vpn_tunnel_options(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpnTunnelOptionsRequest,
) -> Result<shapes::ModifyVpnTunnelOptionsResult, ApiError> {
    let id: VpnConnectionId = ids::parse_required(&request.vpn_connection_id, "VpnConnectionId")?;
    let outside = outside_address(&request.vpn_tunnel_outside_ip_address)?;
    check_key_storage(&request.pre_shared_key_storage)?;
    let specification = request.tunnel_options.ok_or_else(|| ApiError::missing("TunnelOptions"))?;
    let tunnel = tunnels::modified(&specification)?;
    let vpn_connection = Some(modified(ctx, id, |tx| vpn_connections::modify_tunnel(tx, id, outside, &tunnel))?);
    Ok(shapes::ModifyVpnTunnelOptionsResult { vpn_connection })
}

fn create_vpn_connection_route(ctx: &Ctx<'_>, request: shapes::CreateVpnConnectionRouteRequest) -> Result<Done, ApiError> {
    let (id, destination) = route(&request.vpn_connection_id, &request.destination_cidr_block)?;
    ctx.mutate(|tx| vpn_connections::create_route(tx, id, destination))?;
    Ok(Done)
}

fn delete_vpn_connection_route(ctx: &Ctx<'_>, request: shapes::DeleteVpnConnectionRouteRequest) -> Result<Done, ApiError> {
    let (id, destination) = route(&request.vpn_connection_id, &request.destination_cidr_block)?;
    ctx.mutate(|tx| vpn_connections::delete_route(tx, id, destination))?;
    Ok(Done)
}

fn get_vpn_connection_device_types(
    ctx: &Ctx<'_>,
    request: shapes::GetVpnConnectionDeviceTypesRequest,
) -> Result<shapes::GetVpnConnectionDeviceTypesResult, ApiError> {
    ctx.network()?;
    let shape = |device: &devices::Device| shapes::VpnConnectionDeviceType {
        vpn_connection_device_type_id: Some(device.id.to_owned()),
        vendor: Some(device.vendor.to_owned()),
        platform: Some(device.platform.to_owned()),
        software: Some(device.software.to_owned()),
    };
    let types = devices::DEVICES.iter().map(shape).collect();
    let (vpn_connection_device_types, next_token) =
        page::cut(&request, false, types, |device| device.vpn_connection_device_type_id.as_deref())?;
    Ok(shapes::GetVpnConnectionDeviceTypesResult { vpn_connection_device_types, next_token })
}

fn get_vpn_connection_device_sample_configuration(
    ctx: &Ctx<'_>,
    request: shapes::GetVpnConnectionDeviceSampleConfigurationRequest,
) -> Result<shapes::GetVpnConnectionDeviceSampleConfigurationResult, ApiError> {
    let device = ids::required(&request.vpn_connection_device_type_id, "VpnConnectionDeviceTypeId")?;
    let version = word::<IkeVersion>(&request.internet_key_exchange_version, "InternetKeyExchangeVersion")?;
    match request.sample_type.as_deref() {
        None | Some("compatibility") => {}
        Some("recommended") if version == Some(IkeVersion::V1) => {
            return Err(ApiError::unsupported("The sample type recommended is not for ikev1"));
        }
        Some("recommended") => {}
        Some(other) => return Err(ApiError::invalid_value(format!("Value ({other}) for parameter SampleType is invalid"))),
    }
    let (network, connection) = existing(ctx, &request.vpn_connection_id)?;
    let sample = devices::sample(&network, &connection, device, version)?;
    Ok(shapes::GetVpnConnectionDeviceSampleConfigurationResult { vpn_connection_device_sample_configuration: Some(sample) })
}

fn get_vpn_tunnel_replacement_status(
    ctx: &Ctx<'_>,
    request: shapes::GetVpnTunnelReplacementStatusRequest,
) -> Result<shapes::GetVpnTunnelReplacementStatusResult, ApiError> {
    let outside = outside_address(&request.vpn_tunnel_outside_ip_address)?;
    let (network, connection) = existing(ctx, &request.vpn_connection_id)?;
    let tunnel = &connection.tunnels[vpn_connections::tunnel_at(&connection, outside)?];
    let shape = connection_shape(&network, &connection);
    Ok(shapes::GetVpnTunnelReplacementStatusResult {
        vpn_connection_id: shape.vpn_connection_id,
        transit_gateway_id: shape.transit_gateway_id,
        customer_gateway_id: shape.customer_gateway_id,
        vpn_gateway_id: shape.vpn_gateway_id,
        vpn_tunnel_outside_ip_address: Some(outside.to_string()),
        maintenance_details: Some(shapes::MaintenanceDetails {
            pending_maintenance: Some("No pending maintenance".to_owned()),
            maintenance_auto_applied_after: None,
            last_maintenance_applied: tunnel.replaced_at,
        }),
    })
}

fn replace_vpn_tunnel(
    ctx: &Ctx<'_>,
    request: shapes::ReplaceVpnTunnelRequest,
) -> Result<shapes::ReplaceVpnTunnelResult, ApiError> {
    let id: VpnConnectionId = ids::parse_required(&request.vpn_connection_id, "VpnConnectionId")?;
    let outside = outside_address(&request.vpn_tunnel_outside_ip_address)?;
    ctx.mutate(|tx| vpn_connections::replace_tunnel(tx, id, outside))?;
    Ok(shapes::ReplaceVpnTunnelResult { r#return: Some(true) })
}

/// A connection as filters see it: the number of the other end isn't in the answer.
struct Item {
    shape: shapes::VpnConnection,
    bgp_asn: Option<String>,
}

static CONNECTION_FIELDS: Fields<Item> = Fields {
    tags: Some(|item| &item.shape.tags),
    fields: &[
        ("bgp-asn", |item, m| m.offer(&item.bgp_asn)),
        ("customer-gateway-configuration", |item, m| m.offer(&item.shape.customer_gateway_configuration)),
        ("customer-gateway-id", |item, m| m.offer(&item.shape.customer_gateway_id)),
        ("option.static-routes-only", |item, m| {
            m.offer(&item.shape.options.as_ref().and_then(|options| options.static_routes_only));
        }),
        ("route.destination-cidr-block", |item, m| item.shape.routes.iter().for_each(|r| m.offer(&r.destination_cidr_block))),
        ("state", |item, m| m.offer(&item.shape.state)),
        ("transit-gateway-id", |item, m| m.offer(&item.shape.transit_gateway_id)),
        ("type", |item, m| m.offer(&item.shape.r#type)),
        ("vpn-connection-id", |item, m| m.offer(&item.shape.vpn_connection_id)),
        ("vpn-gateway-id", |item, m| m.offer(&item.shape.vpn_gateway_id)),
    ],
};

/// Changes a connection and shows it in the state that AWS shows meanwhile.
fn modified(
    ctx: &Ctx<'_>,
    id: VpnConnectionId,
    change: impl FnOnce(&mut openvpc_control::Tx<'_>) -> Result<(), openvpc_control::ControlError>,
) -> Result<shapes::VpnConnection, ApiError> {
    let connection = ctx.mutate(|tx| {
        change(tx)?;
        let connection = tx.find::<VpnConnection>(&id)?;
        Ok(connection_shape(tx.network(), &connection))
    })?;
    Ok(in_state("modifying", connection))
}

fn in_state(state: &str, connection: shapes::VpnConnection) -> shapes::VpnConnection {
    shapes::VpnConnection { state: Some(state.to_owned()), ..connection }
}

/// A connection that wasn't deleted, for an action that only reads.
fn existing(ctx: &Ctx<'_>, id: &Option<String>) -> Result<(std::sync::Arc<Network>, std::sync::Arc<VpnConnection>), ApiError> {
    let id: VpnConnectionId = ids::parse_required(id, "VpnConnectionId")?;
    let network = ctx.network()?;
    let found = ctx.pick::<VpnConnection>(&network, &[id.to_string()])?;
    match found.into_iter().find(|connection| connection.exists()) {
        Some(connection) => Ok((network, connection)),
        None => Err(<VpnConnection as openvpc_control::Missing>::missing(&id).into()),
    }
}

fn gateway(vpn: &Option<String>, transit: &Option<String>) -> Result<Option<Gateway>, ApiError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (ids::parse_opt::<VpnGatewayId>(&given(vpn))?, ids::parse_opt::<TransitGatewayId>(&given(transit))?) {
        (Some(id), _) => Ok(Some(Gateway::VpnGateway(id))),
        (None, Some(id)) => Ok(Some(Gateway::TransitGateway(id))),
        (None, None) => Ok(None),
    }
}

fn options(given: &shapes::VpnConnectionOptionsSpecification) -> Result<VpnOptions, ApiError> {
    let default = vpn_connections::default_options();
    let (any_ipv4, any_ipv6) = (default.local_ipv4, default.local_ipv6);
    let ipv4 =
        |text: &Option<String>, name| text.as_deref().map_or(Ok(any_ipv4), |text| ipv4_block(text, name).map(|b| b.trunc()));
    let ipv6 =
        |text: &Option<String>, name| text.as_deref().map_or(Ok(any_ipv6), |text| ipv6_block(text, name).map(|b| b.trunc()));
    Ok(VpnOptions {
        static_routes_only: given.static_routes_only.unwrap_or_default(),
        enable_acceleration: given.enable_acceleration.unwrap_or_default(),
        inside_ip_version: word(&given.tunnel_inside_ip_version, "TunnelInsideIpVersion")?.unwrap_or(default.inside_ip_version),
        local_ipv4: ipv4(&given.local_ipv4_network_cidr, "LocalIpv4NetworkCidr")?,
        remote_ipv4: ipv4(&given.remote_ipv4_network_cidr, "RemoteIpv4NetworkCidr")?,
        local_ipv6: ipv6(&given.local_ipv6_network_cidr, "LocalIpv6NetworkCidr")?,
        remote_ipv6: ipv6(&given.remote_ipv6_network_cidr, "RemoteIpv6NetworkCidr")?,
        outside_address_type: word(&given.outside_ip_address_type, "OutsideIpAddressType")?
            .unwrap_or(default.outside_address_type),
        transport_attachment: ids::parse_opt(&given.transport_transit_gateway_attachment_id)?,
        bandwidth: word(&given.tunnel_bandwidth, "TunnelBandwidth")?.unwrap_or(default.bandwidth),
    })
}

fn route(id: &Option<String>, destination: &Option<String>) -> Result<(VpnConnectionId, Ipv4Net), ApiError> {
    let id = ids::parse_required(id, "VpnConnectionId")?;
    Ok((id, ipv4_block(ids::required(destination, "DestinationCidrBlock")?, "DestinationCidrBlock")?))
}

fn outside_address(text: &Option<String>) -> Result<IpAddr, ApiError> {
    let text = ids::required(text, "VpnTunnelOutsideIpAddress")?;
    let invalid = |_| ApiError::invalid_value(format!("Value ({text}) for parameter VpnTunnelOutsideIpAddress is invalid"));
    text.parse().map_err(invalid)
}

/// openvpc keeps keys itself.
fn check_key_storage(storage: &Option<String>) -> Result<(), ApiError> {
    match storage.as_deref() {
        None | Some("" | "Standard") => Ok(()),
        Some("SecretsManager") => Err(ApiError::unsupported("openvpc has no Secrets Manager to keep pre-shared keys in")),
        Some(other) => Err(ApiError::invalid_value(format!("Value ({other}) for parameter PreSharedKeyStorage is invalid"))),
    }
}

/// One of AWS's words, if any is given.
fn word<W: FromStr<Err = String>>(text: &Option<String>, name: &str) -> Result<Option<W>, ApiError> {
    let invalid = |error| ApiError::invalid_value(format!("Value for parameter {name} is invalid: {error}"));
    text.as_deref().filter(|text| !text.is_empty()).map(|text| text.parse().map_err(invalid)).transpose()
}

#[cfg(test)]
mod tests;
