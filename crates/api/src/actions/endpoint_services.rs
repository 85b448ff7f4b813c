//! Endpoint services: the provider side of PrivateLink: the API side.
//!
//! [`connections`] has the endpoints of a service and who may make them, [`notifications`] the connection notifications.

mod connections;
mod notifications;
#[cfg(test)]
mod tests;

use openvpc_control::endpoint_services::{self, CreateService, ModifyService};
use openvpc_control::endpoints::services;
use openvpc_model::{AddressType, EndpointService, EndpointServiceId, EndpointType, Region, ServicePrivateDns};

use super::endpoints::offers::{address_types, service_type};
use super::endpoints::{address_type, region, unsuccessful};
use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AcceptVpcEndpointConnections, connections::accept_vpc_endpoint_connections),
    action!(CreateVpcEndpointConnectionNotification, notifications::create_vpc_endpoint_connection_notification),
    action!(CreateVpcEndpointServiceConfiguration, create_vpc_endpoint_service_configuration),
    action!(DeleteVpcEndpointConnectionNotifications, notifications::delete_vpc_endpoint_connection_notifications),
    action!(DeleteVpcEndpointServiceConfigurations, delete_vpc_endpoint_service_configurations),
    action!(DescribeVpcEndpointConnectionNotifications, notifications::describe_vpc_endpoint_connection_notifications),
    action!(DescribeVpcEndpointConnections, connections::describe_vpc_endpoint_connections),
    action!(DescribeVpcEndpointServiceConfigurations, describe_vpc_endpoint_service_configurations),
    action!(DescribeVpcEndpointServicePermissions, connections::describe_vpc_endpoint_service_permissions),
    action!(ModifyVpcEndpointConnectionNotification, notifications::modify_vpc_endpoint_connection_notification),
    action!(ModifyVpcEndpointServiceConfiguration, modify_vpc_endpoint_service_configuration),
    action!(ModifyVpcEndpointServicePermissions, connections::modify_vpc_endpoint_service_permissions),
    action!(RejectVpcEndpointConnections, connections::reject_vpc_endpoint_connections),
    action!(StartVpcEndpointServicePrivateDnsVerification, start_vpc_endpoint_service_private_dns_verification),
];

fn create_vpc_endpoint_service_configuration(
    ctx: &Ctx<'_>,
    request: shapes::CreateVpcEndpointServiceConfigurationRequest,
) -> Result<shapes::CreateVpcEndpointServiceConfigurationResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "vpc-endpoint-service")?;
    let create = CreateService {
        network_load_balancers: request.network_load_balancer_arns,
        gateway_load_balancers: request.gateway_load_balancer_arns,
        acceptance_required: request.acceptance_required.unwrap_or(true),
        address_types: families(&request.supported_ip_address_types)?,
        regions: regions(&request.supported_regions)?,
        private_dns_name: request.private_dns_name.filter(|name| !name.is_empty()),
        tags,
    };
    let token = request.client_token.filter(|token| !token.is_empty());
    let configuration = ctx.mutate(|tx| {
        let id = endpoint_services::create(tx, token.as_deref(), &create)?;
        let service = tx.find::<EndpointService>(&id)?;
        Ok(shape(tx.network(), &service))
    })?;
    let service_configuration = shapes::ServiceConfiguration { service_state: Some("Pending".to_owned()), ..configuration };
    Ok(shapes::CreateVpcEndpointServiceConfigurationResult {
        service_configuration: Some(service_configuration),
        client_token: token,
    })
}

fn modify_vpc_endpoint_service_configuration(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcEndpointServiceConfigurationRequest,
) -> Result<shapes::ModifyVpcEndpointServiceConfigurationResult, ApiError> {
    let id: EndpointServiceId = ids::parse_required(&request.service_id, "ServiceId")?;
    let both = |network: Vec<String>, gateway: Vec<String>| network.into_iter().chain(gateway).collect();
    let modify = ModifyService {
        acceptance_required: request.acceptance_required,
        add_load_balancers: both(request.add_network_load_balancer_arns, request.add_gateway_load_balancer_arns),
        remove_load_balancers: both(request.remove_network_load_balancer_arns, request.remove_gateway_load_balancer_arns),
        add_address_types: families(&request.add_supported_ip_address_types)?,
        remove_address_types: families(&request.remove_supported_ip_address_types)?,
        add_regions: regions(&request.add_supported_regions)?,
        remove_regions: regions(&request.remove_supported_regions)?,
        private_dns_name: request.private_dns_name.filter(|name| !name.is_empty()),
        remove_private_dns_name: request.remove_private_dns_name.unwrap_or_default(),
    };
    ctx.mutate(|tx| endpoint_services::modify(tx, id, &modify))?;
    Ok(shapes::ModifyVpcEndpointServiceConfigurationResult { r#return: Some(true) })
}

fn delete_vpc_endpoint_service_configurations(
    ctx: &Ctx<'_>,
    request: shapes::DeleteVpcEndpointServiceConfigurationsRequest,
) -> Result<shapes::DeleteVpcEndpointServiceConfigurationsResult, ApiError> {
    if request.service_ids.is_empty() {
        return Err(ApiError::missing("ServiceId"));
    }
    let ids: Vec<EndpointServiceId> = ids::parse_all(&request.service_ids)?;
    let failed = ctx.mutate(|tx| Ok(endpoint_services::delete(tx, &ids)))?;
    Ok(shapes::DeleteVpcEndpointServiceConfigurationsResult { unsuccessful: unsuccessful(failed) })
}

fn describe_vpc_endpoint_service_configurations(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcEndpointServiceConfigurationsRequest,
) -> Result<shapes::DescribeVpcEndpointServiceConfigurationsResult, ApiError> {
    let network = ctx.network()?;
    let services = ctx.pick::<EndpointService>(&network, &request.service_ids)?;
    let services = services.iter().map(|service| shape(&network, service)).collect();
    let services = filters::select(services, &request.filters, &FIELDS)?;
    let (service_configurations, next_token) =
        page::cut(&request, !request.service_ids.is_empty(), services, |service| service.service_id.as_deref())?;
    Ok(shapes::DescribeVpcEndpointServiceConfigurationsResult { service_configurations, next_token })
}

fn start_vpc_endpoint_service_private_dns_verification(
    ctx: &Ctx<'_>,
    request: shapes::StartVpcEndpointServicePrivateDnsVerificationRequest,
) -> Result<shapes::StartVpcEndpointServicePrivateDnsVerificationResult, ApiError> {
    let id: EndpointServiceId = ids::parse_required(&request.service_id, "ServiceId")?;
    ctx.mutate(|tx| endpoint_services::verify_private_dns(tx, id))?;
    Ok(shapes::StartVpcEndpointServicePrivateDnsVerificationResult { return_value: Some(true) })
}

static FIELDS: Fields<shapes::ServiceConfiguration> = Fields {
    tags: Some(|service| &service.tags),
    fields: &[
        ("service-id", |service, m| m.offer(&service.service_id)),
        ("service-name", |service, m| m.offer(&service.service_name)),
        ("service-state", |service, m| m.offer(&service.service_state)),
        ("supported-ip-address-types", |service, m| m.offer(&service.supported_ip_address_types)),
    ],
};

fn shape(network: &Network, service: &EndpointService) -> shapes::ServiceConfiguration {
    let home = &service.owner.region;
    let zones = services::zones_of(network, service);
    let of_type = |kind| if service.endpoint_type == kind { service.load_balancers.clone() } else { Vec::new() };
    let region = |region: &Region| shapes::SupportedRegionDetail {
        region: Some(region.to_string()),
        service_state: Some("Available".to_owned()),
    };
    let private = |private: &ServicePrivateDns| shapes::PrivateDnsNameConfiguration {
        state: Some(if private.verified { "verified" } else { "pendingVerification" }.to_owned()),
        r#type: Some("TXT".to_owned()),
        value: Some(private.record_value.clone()),
        name: Some(private.record_name.clone()),
    };
    shapes::ServiceConfiguration {
        service_type: service_type(service.endpoint_type.as_str()),
        service_id: Some(service.id.to_string()),
        service_name: Some(service.name()),
        service_state: Some("Available".to_owned()),
        availability_zone_ids: zones.iter().map(|zone| zone.id(home)).collect(),
        availability_zones: zones.iter().map(|zone| zone.name(home)).collect(),
        acceptance_required: Some(service.acceptance_required),
        manages_vpc_endpoints: Some(false),
        network_load_balancer_arns: of_type(EndpointType::Interface),
        gateway_load_balancer_arns: of_type(EndpointType::GatewayLoadBalancer),
        supported_ip_address_types: address_types(service.address_type),
        base_endpoint_dns_names: vec![services::base_name_of(service.id, home)],
        private_dns_name: service.private_dns.as_ref().map(|private| private.name.clone()),
        private_dns_name_configuration: service.private_dns.as_ref().map(private),
        payer_responsibility: None,
        tags: tagging::shapes(&service.tags),
        supported_regions: std::iter::once(home).chain(&service.remote_regions).map(region).collect(),
        remote_access_enabled: Some(!service.remote_regions.is_empty()),
    }
}

fn families(texts: &[String]) -> Result<Vec<AddressType>, ApiError> {
    let family = |text: &String| match address_type(text)? {
        AddressType::Dualstack => Err(ApiError::new("InvalidParameter", "A supported IP address type is ipv4 or ipv6.")),
        family => Ok(family),
    };
    texts.iter().map(family).collect()
}

fn regions(texts: &[String]) -> Result<Vec<Region>, ApiError> {
    texts.iter().map(|text| region(text)).collect()
}
