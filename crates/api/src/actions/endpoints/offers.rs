//! The services that the caller may make endpoints to.

use openvpc_control::endpoints::services::{self, Service};
use openvpc_model::AddressType;

use super::super::prelude::*;
use super::region;

/// DescribeVpcEndpointServices.
pub fn describe_vpc_endpoint_services(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcEndpointServicesRequest,
) -> Result<shapes::DescribeVpcEndpointServicesResult, ApiError> {
    let network = ctx.network()?;
    let regions = match request.service_regions.as_slice() {
        [] => vec![ctx.owner().region.clone()],
        regions => regions.iter().map(|name| region(name)).collect::<Result<_, _>>()?,
    };
    let mut found: Vec<Service> = regions.iter().flat_map(|region| services::visible(&network, ctx.owner(), region)).collect();
    let named = &request.service_names;
    if let Some(missing) = named.iter().find(|name| found.iter().all(|service| service.name != **name)) {
        return Err(services::no_such_service(missing).into());
    }
    found.retain(|service| named.is_empty() || named.contains(&service.name));
    let details = filters::select(found.iter().map(shape).collect(), &request.filters, &FIELDS)?;
    let (service_details, next_token) = page::cut(&request, !named.is_empty(), details, |detail| detail.service_id.as_deref())?;
    let mut service_names: Vec<_> = service_details.iter().filter_map(|detail| detail.service_name.clone()).collect();
    service_names.dedup();
    Ok(shapes::DescribeVpcEndpointServicesResult { service_names, service_details, next_token })
}

static FIELDS: Fields<shapes::ServiceDetail> = Fields {
    tags: Some(|service| &service.tags),
    fields: &[
        ("owner", |service, m| m.offer(&service.owner)),
        ("service-name", |service, m| m.offer(&service.service_name)),
        ("service-region", |service, m| m.offer(&service.service_region)),
        ("service-type", |service, m| service.service_type.iter().for_each(|kind| m.offer(&kind.service_type))),
        ("supported-ip-address-types", |service, m| m.offer(&service.supported_ip_address_types)),
    ],
};

fn shape(service: &Service) -> shapes::ServiceDetail {
    let private = |name: &String| shapes::PrivateDnsDetails { private_dns_name: Some(name.clone()) };
    let verification = |verified| if verified { "verified" } else { "pendingVerification" }.to_owned();
    shapes::ServiceDetail {
        service_name: Some(service.name.clone()),
        service_id: Some(service.id.to_string()),
        service_type: service_type(service.endpoint_type.as_str()),
        service_region: Some(service.region.to_string()),
        availability_zone_ids: service.zones.iter().map(|zone| zone.id(&service.region)).collect(),
        availability_zones: service.zones.iter().map(|zone| zone.name(&service.region)).collect(),
        owner: Some(service.account.map_or_else(|| "amazon".to_owned(), |account| account.to_string())),
        base_endpoint_dns_names: vec![service.base_name.clone()],
        private_dns_name: service.private_names.first().cloned(),
        private_dns_names: service.private_names.iter().map(private).collect(),
        vpc_endpoint_policy_supported: Some(service.takes_policy),
        acceptance_required: Some(service.acceptance_required),
        manages_vpc_endpoints: Some(false),
        payer_responsibility: None,
        tags: tagging::shapes(&service.tags),
        private_dns_name_verification_state: service.verified.map(verification),
        supported_ip_address_types: address_types(service.address_type),
    }
}

/// The type of a service's endpoints as answers write it.
pub(in super::super) fn service_type(name: &str) -> Vec<shapes::ServiceTypeDetail> {
    vec![shapes::ServiceTypeDetail { service_type: Some(name.to_owned()) }]
}

/// Families as a list.
pub(in super::super) fn address_types(families: AddressType) -> Vec<String> {
    let ipv4 = families.has_ipv4().then(|| "ipv4".to_owned());
    ipv4.into_iter().chain(families.has_ipv6().then(|| "ipv6".to_owned())).collect()
}
