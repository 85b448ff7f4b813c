//! The endpoints of the caller's services, and who may make them.

use openvpc_control::endpoint_services::{connections, permissions};
use openvpc_model::{EndpointPermission, EndpointService, EndpointServiceId, EndpointType, VpcEndpoint, VpcEndpointId};

use super::super::endpoints::{dns_entries, unsuccessful};
use super::super::prelude::*;

/// AcceptVpcEndpointConnections.
pub fn accept_vpc_endpoint_connections(
    ctx: &Ctx<'_>,
    request: shapes::AcceptVpcEndpointConnectionsRequest,
) -> Result<shapes::AcceptVpcEndpointConnectionsResult, ApiError> {
    let (service, endpoints) = named(&request.service_id, &request.vpc_endpoint_ids)?;
    let failed = ctx.mutate(|tx| connections::accept(tx, service, &endpoints))?;
    Ok(shapes::AcceptVpcEndpointConnectionsResult { unsuccessful: unsuccessful(failed) })
}

/// RejectVpcEndpointConnections.
pub fn reject_vpc_endpoint_connections(
    ctx: &Ctx<'_>,
    request: shapes::RejectVpcEndpointConnectionsRequest,
) -> Result<shapes::RejectVpcEndpointConnectionsResult, ApiError> {
    let (service, endpoints) = named(&request.service_id, &request.vpc_endpoint_ids)?;
    let failed = ctx.mutate(|tx| connections::reject(tx, service, &endpoints))?;
    Ok(shapes::RejectVpcEndpointConnectionsResult { unsuccessful: unsuccessful(failed) })
}

fn named(service: &Option<String>, endpoints: &[String]) -> Result<(EndpointServiceId, Vec<VpcEndpointId>), ApiError> {
    let service = ids::parse_required(service, "ServiceId")?;
    if endpoints.is_empty() {
        return Err(ApiError::missing("VpcEndpointId"));
    }
    Ok((service, ids::parse_all(endpoints)?))
}

/// DescribeVpcEndpointConnections: endpoints of all accounts and regions that lead to a service of the caller.
pub fn describe_vpc_endpoint_connections(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcEndpointConnectionsRequest,
) -> Result<shapes::DescribeVpcEndpointConnectionsResult, ApiError> {
    let network = ctx.network()?;
    let service = |endpoint: &VpcEndpoint| {
        let service = network.get::<EndpointService>(&endpoint.service.id?)?;
        (service.owner == *ctx.owner()).then_some(service)
    };
    let found = network.all::<VpcEndpoint>().filter_map(|endpoint| Some(shape(&network, endpoint, service(endpoint)?)));
    let found = filters::select(found.collect(), &request.filters, &CONNECTION_FIELDS)?;
    let (vpc_endpoint_connections, next_token) =
        page::cut(&request, false, found, |connection| connection.vpc_endpoint_id.as_deref())?;
    Ok(shapes::DescribeVpcEndpointConnectionsResult { vpc_endpoint_connections, next_token })
}

static CONNECTION_FIELDS: Fields<shapes::VpcEndpointConnection> = Fields {
    tags: None,
    fields: &[
        ("ip-address-type", |connection, m| m.offer(&connection.ip_address_type)),
        ("service-id", |connection, m| m.offer(&connection.service_id)),
        ("vpc-endpoint-id", |connection, m| m.offer(&connection.vpc_endpoint_id)),
        ("vpc-endpoint-owner", |connection, m| m.offer(&connection.vpc_endpoint_owner)),
        ("vpc-endpoint-region", |connection, m| m.offer(&connection.vpc_endpoint_region)),
        ("vpc-endpoint-state", |connection, m| m.offer(&connection.vpc_endpoint_state)),
    ],
};

fn shape(network: &Network, endpoint: &VpcEndpoint, service: &EndpointService) -> shapes::VpcEndpointConnection {
    let of_type = |kind| if service.endpoint_type == kind { service.load_balancers.clone() } else { Vec::new() };
    shapes::VpcEndpointConnection {
        service_id: Some(service.id.to_string()),
        vpc_endpoint_id: Some(endpoint.id.to_string()),
        vpc_endpoint_owner: Some(endpoint.owner.account.to_string()),
        vpc_endpoint_state: Some(endpoint.state().to_owned()),
        creation_timestamp: Some(endpoint.created_at),
        dns_entries: dns_entries(network, endpoint),
        network_load_balancer_arns: of_type(EndpointType::Interface),
        gateway_load_balancer_arns: of_type(EndpointType::GatewayLoadBalancer),
        ip_address_type: Some(endpoint.address_type.as_str().to_owned()),
        vpc_endpoint_connection_id: endpoint.connection.map(|id| id.to_string()),
        tags: Vec::new(),
        vpc_endpoint_region: Some(endpoint.owner.region.to_string()),
    }
}

/// ModifyVpcEndpointServicePermissions.
pub fn modify_vpc_endpoint_service_permissions(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcEndpointServicePermissionsRequest,
) -> Result<shapes::ModifyVpcEndpointServicePermissionsResult, ApiError> {
    let id: EndpointServiceId = ids::parse_required(&request.service_id, "ServiceId")?;
    let (add, remove) = (&request.add_allowed_principals, &request.remove_allowed_principals);
    if add.is_empty() && remove.is_empty() {
        return Err(ApiError::missing("AddAllowedPrincipals"));
    }
    let added = ctx.mutate(|tx| {
        let added = permissions::modify(tx, id, add, remove)?;
        added.iter().map(|id| tx.find::<EndpointPermission>(id)).collect::<Result<Vec<_>, _>>()
    })?;
    let principal = |permission: &EndpointPermission| shapes::AddedPrincipal {
        principal_type: permissions::kind_of(&permission.principal).map(str::to_owned),
        principal: Some(permission.principal.clone()),
        service_permission_id: Some(permission.id.to_string()),
        service_id: Some(permission.service.to_string()),
    };
    let added_principals = added.iter().map(|permission| principal(permission)).collect();
    Ok(shapes::ModifyVpcEndpointServicePermissionsResult { added_principals, return_value: Some(true) })
}

/// DescribeVpcEndpointServicePermissions.
pub fn describe_vpc_endpoint_service_permissions(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcEndpointServicePermissionsRequest,
) -> Result<shapes::DescribeVpcEndpointServicePermissionsResult, ApiError> {
    let service = ids::required(&request.service_id, "ServiceId")?.to_owned();
    let network = ctx.network()?;
    let service = ctx.pick::<EndpointService>(&network, &[service])?;
    let of_service = |permission: &&std::sync::Arc<EndpointPermission>| service.iter().any(|s| s.id == permission.service);
    let principal = |permission: &std::sync::Arc<EndpointPermission>| shapes::AllowedPrincipal {
        principal_type: permissions::kind_of(&permission.principal).map(str::to_owned),
        principal: Some(permission.principal.clone()),
        service_permission_id: Some(permission.id.to_string()),
        tags: tagging::shapes(&permission.tags),
        service_id: Some(permission.service.to_string()),
    };
    let found = network.owned::<EndpointPermission>(ctx.owner()).filter(of_service).map(principal).collect();
    let found = filters::select(found, &request.filters, &PRINCIPAL_FIELDS)?;
    let (allowed_principals, next_token) =
        page::cut(&request, false, found, |permission| permission.service_permission_id.as_deref())?;
    Ok(shapes::DescribeVpcEndpointServicePermissionsResult { allowed_principals, next_token })
}

static PRINCIPAL_FIELDS: Fields<shapes::AllowedPrincipal> = Fields {
    tags: Some(|permission| &permission.tags),
    fields: &[
        ("principal", |permission, m| m.offer(&permission.principal)),
        ("principal-type", |permission, m| m.offer(&permission.principal_type)),
    ],
};
