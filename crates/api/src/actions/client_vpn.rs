//! Client VPN: the endpoints themselves. [`networks`] has where they lead, [`access`] routes and rules, [`clients`] what
//! clients and connections see of them.

mod access;
mod clients;
mod networks;
mod settings;

#[cfg(test)]
mod tests;

use openvpc_control::client_vpn::{self, CreateEndpoint};
use openvpc_model::{
    ClientVpnAuthentication, ClientVpnEndpoint, ClientVpnEndpointId, ClientVpnFamily, ClientVpnTransport, UnixMillis, VpcId,
};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(ApplySecurityGroupsToClientVpnTargetNetwork, networks::apply_security_groups),
    action!(AssociateClientVpnTargetNetwork, networks::associate),
    action!(AuthorizeClientVpnIngress, access::authorize),
    action!(CreateClientVpnEndpoint, create_endpoint),
    action!(CreateClientVpnRoute, access::create_route),
    action!(DeleteClientVpnEndpoint, delete_endpoint),
    action!(DeleteClientVpnRoute, access::delete_route),
    action!(DescribeClientVpnAuthorizationRules, access::describe_rules),
    action!(DescribeClientVpnConnections, clients::describe_connections),
    action!(DescribeClientVpnEndpoints, describe_endpoints),
    action!(DescribeClientVpnRoutes, access::describe_routes),
    action!(DescribeClientVpnTargetNetworks, networks::describe),
    action!(DisassociateClientVpnTargetNetwork, networks::disassociate),
    action!(ExportClientVpnClientCertificateRevocationList, clients::export_revocation_list),
    action!(ExportClientVpnClientConfiguration, clients::export_configuration),
    action!(ImportClientVpnClientCertificateRevocationList, clients::import_revocation_list),
    action!(ModifyClientVpnEndpoint, modify_endpoint),
    action!(RevokeClientVpnIngress, access::revoke),
    action!(TerminateClientVpnConnections, clients::terminate_connections),
];

fn create_endpoint(
    ctx: &Ctx<'_>,
    request: shapes::CreateClientVpnEndpointRequest,
) -> Result<shapes::CreateClientVpnEndpointResult, ApiError> {
    settings::refuse_transit_gateway(&request.transit_gateway_configuration)?;
    let block = request.client_cidr_block.as_deref().filter(|text| !text.is_empty());
    let create = CreateEndpoint {
        settings: settings::on_create(&request)?,
        client_block: block.map(|text| settings::parse(text, "ClientCidrBlock")).transpose()?,
        authentication: request.authentication_options.iter().map(settings::authentication).collect::<Result<_, _>>()?,
        transport: match request.transport_protocol.as_deref() {
            None | Some("udp") => ClientVpnTransport::Udp,
            Some("tcp") => ClientVpnTransport::Tcp,
            Some(other) => return Err(settings::invalid(other, "TransportProtocol", "tcp or udp")),
        },
        endpoint_family: family(&request.endpoint_ip_address_type, "EndpointIpAddressType")?,
        traffic_family: family(&request.traffic_ip_address_type, "TrafficIpAddressType")?,
        vpc: ids::parse_opt::<VpcId>(&request.vpc_id)?,
        security_groups: ids::parse_all(&request.security_group_ids)?,
        tags: tagging::on_create(&request.tag_specifications, "client-vpn-endpoint")?,
    };
    let token = request.client_token.as_deref();
    let endpoint = ctx.mutate(|tx| {
        let id = client_vpn::create(tx, create, token)?;
        tx.find::<ClientVpnEndpoint>(&id)
    })?;
    Ok(shapes::CreateClientVpnEndpointResult {
        client_vpn_endpoint_id: Some(endpoint.id.to_string()),
        status: status(code(&endpoint)),
        dns_name: Some(wildcard(&endpoint)),
    })
}

fn delete_endpoint(
    ctx: &Ctx<'_>,
    request: shapes::DeleteClientVpnEndpointRequest,
) -> Result<shapes::DeleteClientVpnEndpointResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    ctx.mutate(|tx| client_vpn::delete(tx, id))?;
    Ok(shapes::DeleteClientVpnEndpointResult { status: status("deleting") })
}

fn modify_endpoint(
    ctx: &Ctx<'_>,
    request: shapes::ModifyClientVpnEndpointRequest,
) -> Result<shapes::ModifyClientVpnEndpointResult, ApiError> {
    settings::refuse_transit_gateway(&request.transit_gateway_configuration)?;
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let vpc = ids::parse_opt::<VpcId>(&request.vpc_id)?;
    let groups = ids::parse_all(&request.security_group_ids)?;
    let change = settings::on_modify(request)?;
    ctx.mutate(|tx| client_vpn::modify(tx, id, vpc, &groups, change))?;
    Ok(shapes::ModifyClientVpnEndpointResult { r#return: Some(true) })
}

fn describe_endpoints(
    ctx: &Ctx<'_>,
    request: shapes::DescribeClientVpnEndpointsRequest,
) -> Result<shapes::DescribeClientVpnEndpointsResult, ApiError> {
    let network = ctx.network()?;
    let found = ctx.pick::<ClientVpnEndpoint>(&network, &request.client_vpn_endpoint_ids)?;
    let found = found.iter().map(|endpoint| endpoint_shape(&network, endpoint)).collect();
    let found = filters::select(found, &request.filters, &FIELDS)?;
    let named = !request.client_vpn_endpoint_ids.is_empty();
    let (client_vpn_endpoints, next_token) =
        page::cut(&request, named, found, |endpoint| endpoint.client_vpn_endpoint_id.as_deref())?;
    Ok(shapes::DescribeClientVpnEndpointsResult { client_vpn_endpoints, next_token })
}

static FIELDS: Fields<shapes::ClientVpnEndpoint> = Fields {
    tags: Some(|endpoint| &endpoint.tags),
    fields: &[
        ("endpoint-id", |endpoint, m| m.offer(&endpoint.client_vpn_endpoint_id)),
        ("transport-protocol", |endpoint, m| m.offer(&endpoint.transport_protocol)),
    ],
};

fn endpoint_shape(network: &Network, endpoint: &ClientVpnEndpoint) -> shapes::ClientVpnEndpoint {
    let settings = &endpoint.settings;
    let log = settings.connection_log.as_ref();
    let target =
        |subnet: String| shapes::AssociatedTargetNetwork { network_id: Some(subnet), network_type: Some("vpc".to_owned()) };
    let has_users = endpoint.authentication.iter().any(|way| !matches!(way, ClientVpnAuthentication::Certificate { .. }));
    let portal = || format!("https://self-service.clientvpn.amazonaws.com/endpoints/{}", endpoint.id);
    shapes::ClientVpnEndpoint {
        client_vpn_endpoint_id: Some(endpoint.id.to_string()),
        description: Some(settings.description.clone()),
        status: status(code(endpoint)),
        creation_time: Some(time(endpoint.created_at)),
        deletion_time: endpoint.deleted_at.map(time),
        dns_name: Some(wildcard(endpoint)),
        client_cidr_block: endpoint.client_block.map(|block| block.to_string()),
        dns_servers: settings.dns_servers.iter().map(ToString::to_string).collect(),
        split_tunnel: Some(settings.split_tunnel),
        vpn_protocol: Some("openvpn".to_owned()),
        transport_protocol: Some(endpoint.transport.as_str().to_owned()),
        vpn_port: Some(settings.port.into()),
        associated_target_networks: endpoint.associations.iter().map(|a| target(a.subnet.to_string())).collect(),
        server_certificate_arn: Some(settings.server_certificate.clone()),
        authentication_options: endpoint.authentication.iter().map(settings::authentication_shape).collect(),
        connection_log_options: Some(shapes::ConnectionLogResponseOptions {
            enabled: Some(log.is_some()),
            cloudwatch_log_group: log.map(|log| log.group.clone()),
            cloudwatch_log_stream: log.and_then(|log| log.stream.clone()),
        }),
        tags: tagging::shapes(&endpoint.tags),
        security_group_ids: endpoint.security_groups.iter().map(ToString::to_string).collect(),
        vpc_id: client_vpn::home(network, endpoint).map(|vpc| vpc.to_string()),
        // The portal knows people by their names, which certificates alone don't give.
        self_service_portal_url: (settings.self_service_portal && has_users).then(portal),
        client_connect_options: Some(shapes::ClientConnectResponseOptions {
            enabled: Some(settings.connect_handler.is_some()),
            lambda_function_arn: settings.connect_handler.clone(),
            status: Some(shapes::ClientVpnEndpointAttributeStatus { code: Some("applied".to_owned()), message: None }),
        }),
        session_timeout_hours: Some(settings.session_timeout_hours.into()),
        client_login_banner_options: Some(shapes::ClientLoginBannerResponseOptions {
            enabled: Some(settings.banner.is_some()),
            banner_text: settings.banner.clone(),
        }),
        client_route_enforcement_options: Some(shapes::ClientRouteEnforcementResponseOptions {
            enforced: Some(settings.route_enforcement),
        }),
        disconnect_on_session_timeout: Some(settings.disconnect_on_session_timeout),
        endpoint_ip_address_type: Some(endpoint.endpoint_family.as_str().to_owned()),
        traffic_ip_address_type: Some(endpoint.traffic_family.as_str().to_owned()),
        transit_gateway_configuration: None,
    }
}

/// The endpoint's state in AWS's word: it waits for a first target network.
fn code(endpoint: &ClientVpnEndpoint) -> &'static str {
    match endpoint {
        endpoint if endpoint.deleted_at.is_some() => "deleted",
        endpoint if endpoint.associations.is_empty() => "pending-associate",
        _ => "available",
    }
}

fn status(code: &str) -> Option<shapes::ClientVpnEndpointStatus> {
    Some(shapes::ClientVpnEndpointStatus { code: Some(code.to_owned()), message: None })
}

/// The name as AWS shows it, with a star where clients put a random label.
fn wildcard(endpoint: &ClientVpnEndpoint) -> String {
    format!("*.{}", client_vpn::dns_name(endpoint))
}

/// Client VPN's times are texts without fraction and zone.
fn time(at: UnixMillis) -> String {
    let at = at.to_string();
    at.split('.').next().unwrap_or(&at).to_owned()
}

fn family(text: &Option<String>, parameter: &str) -> Result<ClientVpnFamily, ApiError> {
    match text.as_deref() {
        None | Some("ipv4") => Ok(ClientVpnFamily::Ipv4),
        Some("ipv6") => Ok(ClientVpnFamily::Ipv6),
        Some("dual-stack") => Ok(ClientVpnFamily::DualStack),
        Some(other) => Err(settings::invalid(other, parameter, "ipv4, ipv6 or dual-stack")),
    }
}

/// The endpoint that a request names.
fn endpoint_id(text: &Option<String>) -> Result<ClientVpnEndpointId, ApiError> {
    ids::parse_required(text, "ClientVpnEndpointId")
}

/// The caller's endpoint that a Describe of its parts names, unless it is deleted.
fn live(ctx: &Ctx<'_>, network: &Network, text: &Option<String>) -> Result<std::sync::Arc<ClientVpnEndpoint>, ApiError> {
    endpoint_id(text)?;
    let named: Vec<String> = text.iter().cloned().collect();
    let found = ctx.pick::<ClientVpnEndpoint>(network, &named)?;
    let live = found.into_iter().find(|endpoint| endpoint.deleted_at.is_none());
    live.ok_or_else(|| {
        ApiError::new("InvalidClientVpnEndpointId.NotFound", format!("Endpoint {} does not exist", named.concat()))
    })
}
