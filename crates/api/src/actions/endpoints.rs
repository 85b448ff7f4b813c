//! VPC endpoints: the API side of CreateVpcEndpoint and its kin; [`offers`] has DescribeVpcEndpointServices.

pub(super) mod offers;
#[cfg(test)]
mod tests;

use openvpc_control::endpoints::{self, CreateEndpoint, DnsRequest, ModifyEndpoint, Place, Unsuccessful, names, policy};
use openvpc_model::{AddressType, DnsRecordType, EndpointType, Region, SecurityGroup, VpcEndpoint, VpcEndpointId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateVpcEndpoint, create_vpc_endpoint),
    action!(DeleteVpcEndpoints, delete_vpc_endpoints),
    action!(DescribeVpcEndpointAssociations, describe_vpc_endpoint_associations),
    action!(DescribeVpcEndpointServices, offers::describe_vpc_endpoint_services),
    action!(DescribeVpcEndpoints, describe_vpc_endpoints),
    action!(ModifyVpcEndpoint, modify_vpc_endpoint),
];

fn create_vpc_endpoint(
    ctx: &Ctx<'_>,
    request: shapes::CreateVpcEndpointRequest,
) -> Result<shapes::CreateVpcEndpointResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "vpc-endpoint")?;
    let create = CreateEndpoint {
        endpoint_type: endpoint_type(request.vpc_endpoint_type.as_deref())?,
        vpc: ids::parse_required(&request.vpc_id, "VpcId")?,
        service: ids::required(&request.service_name, "ServiceName")?.to_owned(),
        service_region: request.service_region.as_deref().map(region).transpose()?,
        policy: request.policy_document.filter(|policy| !policy.is_empty()),
        route_tables: ids::parse_all(&request.route_table_ids)?,
        subnets: ids::parse_all(&request.subnet_ids)?,
        configurations: request.subnet_configurations.iter().map(place).collect::<Result<_, _>>()?,
        groups: ids::parse_all(&request.security_group_ids)?,
        address_type: request.ip_address_type.as_deref().map(address_type).transpose()?,
        dns: dns(request.dns_options.as_ref(), request.private_dns_enabled)?,
        tags,
    };
    let token = request.client_token.filter(|token| !token.is_empty());
    let endpoint = ctx.mutate(|tx| {
        let id = endpoints::create(tx, token.as_deref(), &create)?;
        let endpoint = tx.find::<VpcEndpoint>(&id)?;
        Ok(shape(tx.network(), &endpoint))
    })?;
    // A gateway endpoint is there at once; the others are seen on their way.
    let is_pending = endpoint.vpc_endpoint_type.as_deref() != Some("Gateway") && endpoint.state.as_deref() == Some("available");
    let state = if is_pending { Some("pending".to_owned()) } else { endpoint.state.clone() };
    Ok(shapes::CreateVpcEndpointResult { vpc_endpoint: Some(shapes::VpcEndpoint { state, ..endpoint }), client_token: token })
}

fn delete_vpc_endpoints(
    ctx: &Ctx<'_>,
    request: shapes::DeleteVpcEndpointsRequest,
) -> Result<shapes::DeleteVpcEndpointsResult, ApiError> {
    if request.vpc_endpoint_ids.is_empty() {
        return Err(ApiError::missing("VpcEndpointId"));
    }
    let ids: Vec<VpcEndpointId> = ids::parse_all(&request.vpc_endpoint_ids)?;
    let failed = ctx.mutate(|tx| Ok(endpoints::delete(tx, &ids)))?;
    Ok(shapes::DeleteVpcEndpointsResult { unsuccessful: unsuccessful(failed) })
}

fn modify_vpc_endpoint(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcEndpointRequest,
) -> Result<shapes::ModifyVpcEndpointResult, ApiError> {
    let id: VpcEndpointId = ids::parse_required(&request.vpc_endpoint_id, "VpcEndpointId")?;
    let modify = ModifyEndpoint {
        reset_policy: request.reset_policy.unwrap_or_default(),
        policy: request.policy_document.filter(|policy| !policy.is_empty()),
        add_route_tables: ids::parse_all(&request.add_route_table_ids)?,
        remove_route_tables: ids::parse_all(&request.remove_route_table_ids)?,
        add_subnets: ids::parse_all(&request.add_subnet_ids)?,
        remove_subnets: ids::parse_all(&request.remove_subnet_ids)?,
        configurations: request.subnet_configurations.iter().map(place).collect::<Result<_, _>>()?,
        add_groups: ids::parse_all(&request.add_security_group_ids)?,
        remove_groups: ids::parse_all(&request.remove_security_group_ids)?,
        address_type: request.ip_address_type.as_deref().map(address_type).transpose()?,
        dns: dns(request.dns_options.as_ref(), request.private_dns_enabled)?,
    };
    ctx.mutate(|tx| endpoints::modify(tx, id, &modify))?;
    Ok(shapes::ModifyVpcEndpointResult { r#return: Some(true) })
}

fn describe_vpc_endpoints(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcEndpointsRequest,
) -> Result<shapes::DescribeVpcEndpointsResult, ApiError> {
    let network = ctx.network()?;
    let endpoints = ctx.pick::<VpcEndpoint>(&network, &request.vpc_endpoint_ids)?;
    let endpoints = endpoints.iter().map(|endpoint| shape(&network, endpoint)).collect();
    let endpoints = filters::select(endpoints, &request.filters, &FIELDS)?;
    let (vpc_endpoints, next_token) =
        page::cut(&request, !request.vpc_endpoint_ids.is_empty(), endpoints, |endpoint| endpoint.vpc_endpoint_id.as_deref())?;
    Ok(shapes::DescribeVpcEndpointsResult { vpc_endpoints, next_token })
}

/// Only endpoints to resources and service networks have associations, and those can't be made here.
fn describe_vpc_endpoint_associations(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcEndpointAssociationsRequest,
) -> Result<shapes::DescribeVpcEndpointAssociationsResult, ApiError> {
    let network = ctx.network()?;
    ctx.pick::<VpcEndpoint>(&network, &request.vpc_endpoint_ids)?;
    let none = filters::select(Vec::new(), &request.filters, &ASSOCIATION_FIELDS)?;
    let (vpc_endpoint_associations, next_token) =
        page::cut(&request, !request.vpc_endpoint_ids.is_empty(), none, |association: &shapes::VpcEndpointAssociation| {
            association.id.as_deref()
        })?;
    Ok(shapes::DescribeVpcEndpointAssociationsResult { vpc_endpoint_associations, next_token })
}

static FIELDS: Fields<shapes::VpcEndpoint> = Fields {
    tags: Some(|endpoint| &endpoint.tags),
    fields: &[
        ("ip-address-type", |endpoint, m| m.offer(&endpoint.ip_address_type)),
        ("service-name", |endpoint, m| m.offer(&endpoint.service_name)),
        ("service-region", |endpoint, m| m.offer(&endpoint.service_region)),
        ("vpc-endpoint-id", |endpoint, m| m.offer(&endpoint.vpc_endpoint_id)),
        ("vpc-endpoint-state", |endpoint, m| m.offer(&endpoint.state)),
        ("vpc-endpoint-type", |endpoint, m| m.offer(&endpoint.vpc_endpoint_type)),
        ("vpc-id", |endpoint, m| m.offer(&endpoint.vpc_id)),
    ],
};

static ASSOCIATION_FIELDS: Fields<shapes::VpcEndpointAssociation> = Fields {
    tags: None,
    fields: &[
        ("associated-resource-accessibility", |a, m| m.offer(&a.associated_resource_accessibility)),
        ("associated-resource-id", |a, m| m.offer(&a.associated_resource_arn)),
        ("association-id", |a, m| m.offer(&a.id)),
        ("resource-configuration-group-arn", |a, m| m.offer(&a.resource_configuration_group_arn)),
        ("service-network-arn", |a, m| m.offer(&a.service_network_arn)),
        ("vpc-endpoint-id", |a, m| m.offer(&a.vpc_endpoint_id)),
    ],
};

fn shape(network: &Network, endpoint: &VpcEndpoint) -> shapes::VpcEndpoint {
    let is_interface = endpoint.endpoint_type == EndpointType::Interface;
    let group = |id: &openvpc_model::SecurityGroupId| shapes::SecurityGroupIdentifier {
        group_id: Some(id.to_string()),
        group_name: network.get::<SecurityGroup>(id).map(|group| group.name.clone()),
    };
    let dns_options = shapes::DnsOptions {
        dns_record_ip_type: Some(endpoint.dns_record_type.as_str().to_owned()),
        private_dns_only_for_inbound_resolver_endpoint: is_interface.then_some(endpoint.inbound_resolver_only),
        ..Default::default()
    };
    shapes::VpcEndpoint {
        vpc_endpoint_id: Some(endpoint.id.to_string()),
        vpc_endpoint_type: Some(endpoint.endpoint_type.as_str().to_owned()),
        vpc_id: Some(endpoint.vpc.to_string()),
        service_name: Some(endpoint.service.name.clone()),
        state: Some(endpoint.state().to_owned()),
        policy_document: policy::of(endpoint).map(str::to_owned),
        route_table_ids: endpoint.route_tables.iter().map(ToString::to_string).collect(),
        subnet_ids: endpoint.interfaces.iter().map(|interface| interface.subnet.to_string()).collect(),
        groups: endpoint.groups.iter().map(group).collect(),
        ip_address_type: Some(endpoint.address_type.as_str().to_owned()),
        dns_options: (endpoint.endpoint_type != EndpointType::GatewayLoadBalancer).then_some(dns_options),
        private_dns_enabled: Some(endpoint.private_dns),
        requester_managed: Some(false),
        network_interface_ids: endpoint.interfaces.iter().map(|interface| interface.eni.to_string()).collect(),
        dns_entries: dns_entries(network, endpoint),
        creation_timestamp: Some(endpoint.created_at),
        tags: tagging::shapes(&endpoint.tags),
        owner_id: Some(endpoint.owner.account.to_string()),
        service_region: Some(endpoint.service.region.to_string()),
        ..Default::default()
    }
}

/// The DNS names of an endpoint, as both its owner and that of its service see them.
pub(super) fn dns_entries(network: &Network, endpoint: &VpcEndpoint) -> Vec<shapes::DnsEntry> {
    let entry = |entry: names::DnsEntry| shapes::DnsEntry { dns_name: Some(entry.name), hosted_zone_id: Some(entry.hosted_zone) };
    names::of(network, endpoint).into_iter().map(entry).collect()
}

/// What a call that does what it can didn't do.
pub(super) fn unsuccessful(failed: Vec<Unsuccessful>) -> Vec<shapes::UnsuccessfulItem> {
    let item = |failed: Unsuccessful| shapes::UnsuccessfulItem {
        error: Some(shapes::UnsuccessfulItemError {
            code: Some(failed.error.code.to_owned()),
            message: Some(failed.error.message),
        }),
        resource_id: Some(failed.id),
    };
    failed.into_iter().map(item).collect()
}

/// `ipv4`, `ipv6` or `dualstack`.
pub(super) fn address_type(text: &str) -> Result<AddressType, ApiError> {
    AddressType::parse(text).ok_or_else(|| invalid("ipAddressType", text))
}

/// A region's name.
pub(super) fn region(text: &str) -> Result<Region, ApiError> {
    text.parse().map_err(|_| invalid("region", text))
}

fn invalid(parameter: &str, text: &str) -> ApiError {
    ApiError::new("InvalidParameter", format!("Value ({text}) for parameter {parameter} is invalid."))
}

fn endpoint_type(text: Option<&str>) -> Result<EndpointType, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(EndpointType::Gateway) };
    match &*text.to_ascii_lowercase() {
        "gateway" => Ok(EndpointType::Gateway),
        "gatewayloadbalancer" => Ok(EndpointType::GatewayLoadBalancer),
        "interface" => Ok(EndpointType::Interface),
        "resource" | "servicenetwork" | "tunnel" => {
            Err(ApiError::unsupported("The functionality you requested is not available in this region."))
        }
        _ => Err(invalid("vpcEndpointType", text)),
    }
}

fn place(configuration: &shapes::SubnetConfiguration) -> Result<Place, ApiError> {
    Ok(Place {
        subnet: ids::parse_required(&configuration.subnet_id, "SubnetConfiguration.SubnetId")?,
        ipv4: configuration.ipv4.as_deref().map(|text| text.parse().map_err(|_| invalid("Ipv4", text))).transpose()?,
        ipv6: configuration.ipv6.as_deref().map(|text| text.parse().map_err(|_| invalid("Ipv6", text))).transpose()?,
    })
}

fn dns(options: Option<&shapes::DnsOptionsSpecification>, private: Option<bool>) -> Result<DnsRequest, ApiError> {
    let Some(options) = options else { return Ok(DnsRequest { private, ..Default::default() }) };
    if options.private_dns_preference.is_some() || !options.private_dns_specified_domains.is_empty() {
        return Err(ApiError::new(
            "InvalidParameter",
            "PrivateDnsPreference and PrivateDnsSpecifiedDomains are only supported for ServiceNetwork and Resource type VPC Endpoint.",
        ));
    }
    let record_type = options.dns_record_ip_type.as_deref();
    Ok(DnsRequest {
        record_type: record_type
            .map(|text| DnsRecordType::parse(text).ok_or_else(|| invalid("dnsRecordIpType", text)))
            .transpose()?,
        private,
        inbound_resolver_only: options.private_dns_only_for_inbound_resolver_endpoint,
    })
}
