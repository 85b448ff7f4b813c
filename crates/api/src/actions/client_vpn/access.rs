//! Routes and authorization rules of Client VPN endpoints.

use ipnet::IpNet;
use openvpc_control::client_vpn::{self, AddRoute, Authorize};
use openvpc_model::{ClientVpnEndpointId, ClientVpnRoute, ClientVpnRule, ClientVpnTarget};

use super::super::prelude::*;
use super::settings::parse;
use super::{endpoint_id, live};

pub(super) fn create_route(
    ctx: &Ctx<'_>,
    request: shapes::CreateClientVpnRouteRequest,
) -> Result<shapes::CreateClientVpnRouteResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let route = AddRoute {
        destination: block(&request.destination_cidr_block, "DestinationCidrBlock")?,
        target: target(&request.target_vpc_subnet_id)?,
        description: request.description.clone().unwrap_or_default(),
    };
    ctx.mutate(|tx| client_vpn::add_route(tx, id, route, request.client_token.as_deref()))?;
    Ok(shapes::CreateClientVpnRouteResult { status: route_status("creating") })
}

pub(super) fn delete_route(
    ctx: &Ctx<'_>,
    request: shapes::DeleteClientVpnRouteRequest,
) -> Result<shapes::DeleteClientVpnRouteResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let destination = block(&request.destination_cidr_block, "DestinationCidrBlock")?;
    let target = target(&request.target_vpc_subnet_id)?;
    ctx.mutate(|tx| client_vpn::delete_route(tx, id, destination, target))?;
    Ok(shapes::DeleteClientVpnRouteResult { status: route_status("deleting") })
}

pub(super) fn describe_routes(
    ctx: &Ctx<'_>,
    request: shapes::DescribeClientVpnRoutesRequest,
) -> Result<shapes::DescribeClientVpnRoutesResult, ApiError> {
    let network = ctx.network()?;
    let endpoint = live(ctx, &network, &request.client_vpn_endpoint_id)?;
    let routes = endpoint.routes.iter().map(|route| route_shape(endpoint.id, route)).collect();
    let routes = filters::select(routes, &request.filters, &ROUTE_FIELDS)?;
    // Two routes may have the same destination: pages go by number.
    let (routes, next_token) = page::cut(&request, false, routes, |_| None)?;
    Ok(shapes::DescribeClientVpnRoutesResult { routes, next_token })
}

pub(super) fn authorize(
    ctx: &Ctx<'_>,
    request: shapes::AuthorizeClientVpnIngressRequest,
) -> Result<shapes::AuthorizeClientVpnIngressResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let rule = Authorize {
        destination: block(&request.target_network_cidr, "TargetNetworkCidr")?,
        group: group(&request.access_group_id, request.authorize_all_groups, "AuthorizeAllGroups")?,
        description: request.description.clone().unwrap_or_default(),
    };
    ctx.mutate(|tx| client_vpn::authorize(tx, id, rule, request.client_token.as_deref()))?;
    Ok(shapes::AuthorizeClientVpnIngressResult { status: rule_status("authorizing") })
}

pub(super) fn revoke(
    ctx: &Ctx<'_>,
    request: shapes::RevokeClientVpnIngressRequest,
) -> Result<shapes::RevokeClientVpnIngressResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let destination = block(&request.target_network_cidr, "TargetNetworkCidr")?;
    let group = group(&request.access_group_id, request.revoke_all_groups, "RevokeAllGroups")?;
    ctx.mutate(|tx| client_vpn::revoke(tx, id, destination, group.as_deref()))?;
    Ok(shapes::RevokeClientVpnIngressResult { status: rule_status("revoking") })
}

pub(super) fn describe_rules(
    ctx: &Ctx<'_>,
    request: shapes::DescribeClientVpnAuthorizationRulesRequest,
) -> Result<shapes::DescribeClientVpnAuthorizationRulesResult, ApiError> {
    let network = ctx.network()?;
    let endpoint = live(ctx, &network, &request.client_vpn_endpoint_id)?;
    let rules = endpoint.rules.iter().map(|rule| rule_shape(endpoint.id, rule)).collect();
    let rules = filters::select(rules, &request.filters, &RULE_FIELDS)?;
    let (authorization_rules, next_token) = page::cut(&request, false, rules, |_| None)?;
    Ok(shapes::DescribeClientVpnAuthorizationRulesResult { authorization_rules, next_token })
}

static ROUTE_FIELDS: Fields<shapes::ClientVpnRoute> = Fields {
    tags: None,
    fields: &[
        ("destination-cidr", |route, m| m.offer(&route.destination_cidr)),
        ("origin", |route, m| m.offer(&route.origin)),
        ("target-subnet", |route, m| m.offer(&route.target_subnet)),
    ],
};

static RULE_FIELDS: Fields<shapes::AuthorizationRule> = Fields {
    tags: None,
    fields: &[
        ("description", |rule, m| m.offer(&rule.description)),
        ("destination-cidr", |rule, m| m.offer(&rule.destination_cidr)),
        ("group-id", |rule, m| m.offer(&rule.group_id)),
    ],
};

fn route_shape(endpoint: ClientVpnEndpointId, route: &ClientVpnRoute) -> shapes::ClientVpnRoute {
    let kind = match route.target {
        ClientVpnTarget::Local => "Local",
        // Packets leave with the address of the endpoint's interface.
        ClientVpnTarget::Subnet(_) => "Nat",
    };
    shapes::ClientVpnRoute {
        client_vpn_endpoint_id: Some(endpoint.to_string()),
        destination_cidr: Some(route.destination.to_string()),
        target_subnet: Some(route.target.to_string()),
        r#type: Some(kind.to_owned()),
        origin: Some(route.origin.as_str().to_owned()),
        status: route_status("active"),
        description: Some(route.description.clone()),
        transit_gateway_attachment_id: None,
    }
}

fn rule_shape(endpoint: ClientVpnEndpointId, rule: &ClientVpnRule) -> shapes::AuthorizationRule {
    shapes::AuthorizationRule {
        client_vpn_endpoint_id: Some(endpoint.to_string()),
        description: Some(rule.description.clone()),
        group_id: Some(rule.group.clone().unwrap_or_default()),
        access_all: Some(rule.group.is_none()),
        destination_cidr: Some(rule.destination.to_string()),
        status: rule_status("active"),
    }
}

fn route_status(code: &str) -> Option<shapes::ClientVpnRouteStatus> {
    Some(shapes::ClientVpnRouteStatus { code: Some(code.to_owned()), message: None })
}

fn rule_status(code: &str) -> Option<shapes::ClientVpnAuthorizationRuleStatus> {
    Some(shapes::ClientVpnAuthorizationRuleStatus { code: Some(code.to_owned()), message: None })
}

fn block(text: &Option<String>, parameter: &str) -> Result<IpNet, ApiError> {
    parse(ids::required(text, parameter)?, parameter)
}

/// A subnet, or `local` for other clients.
fn target(text: &Option<String>) -> Result<ClientVpnTarget, ApiError> {
    match ids::required(text, "TargetVpcSubnetId")? {
        "local" => Ok(ClientVpnTarget::Local),
        subnet => Ok(ClientVpnTarget::Subnet(ids::parse(subnet)?)),
    }
}

/// Whom a rule is for: a group, or with the flag all clients. One of the two.
fn group(group: &Option<String>, all: Option<bool>, flag: &str) -> Result<Option<String>, ApiError> {
    let group = group.clone().filter(|group| !group.is_empty());
    match (group, all.unwrap_or(false)) {
        (Some(_), true) => Err(ApiError::invalid_combination(format!("AccessGroupId can't be used with {flag}."))),
        (None, false) => Err(ApiError::missing("AccessGroupId")),
        (group, _) => Ok(group),
    }
}
