//! VPC endpoints of all types: lifetime and ([`modify`]) attributes. See "Access AWS services through AWS PrivateLink" and
//! "Gateway endpoints" in the AWS PrivateLink Guide.
//!
//! A gateway endpoint is routes: [`gateway`] puts one per prefix list into each of its tables. The other types are
//! interfaces in subnets: [`placement`] makes them. What an endpoint may lead to is decided in [`services`].

mod gateway;
mod modification;
mod placement;
pub mod policy;
pub mod services;

pub use openvpc_model::aws_services;
pub(crate) use openvpc_model::aws_services::letters;
pub use openvpc_model::endpoint::names;
use openvpc_model::{
    Acceptance, AddressType, ConnectionNotification, DnsRecordType, EndpointType, NotificationSubject, Region, RouteTable,
    RouteTableId, RouteTarget, SecurityGroupId, ServiceReference, SubnetId, Tags, UnixMillis, Vpc, VpcEndpoint, VpcEndpointId,
};
use serde::Serialize;

use crate::{ControlError, Tx, idempotency, interfaces, retention, routes};

pub use modification::{ModifyEndpoint, modify};
pub use placement::Place;
use services::Service;

/// How long a deleted endpoint is shown.
const SHOWN_DELETED_MS: u64 = 60 * 60 * 1000;

/// What CreateVpcEndpoint takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateEndpoint {
    /// The type.
    pub endpoint_type: EndpointType,
    /// The VPC.
    pub vpc: openvpc_model::VpcId,
    /// The service's full name.
    pub service: String,
    /// Where the service is; none for the caller's region.
    pub service_region: Option<Region>,
    /// A policy; none for the default one.
    pub policy: Option<String>,
    /// Gateway endpoints: the route tables.
    pub route_tables: Vec<RouteTableId>,
    /// The other types: the subnets.
    pub subnets: Vec<SubnetId>,
    /// Addresses in subnets.
    pub configurations: Vec<Place>,
    /// Interface endpoints: security groups; none for the VPC's default group.
    pub groups: Vec<SecurityGroupId>,
    /// Families; none for what the subnets have.
    pub address_type: Option<AddressType>,
    /// What is asked about DNS names.
    pub dns: DnsRequest,
    /// Tags.
    pub tags: Tags,
}

/// What a caller asks about the DNS names of an endpoint; what isn't there stays or gets its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DnsRequest {
    /// Which records the names have.
    pub record_type: Option<DnsRecordType>,
    /// Whether the service's own names lead to the endpoint.
    pub private: Option<bool>,
    /// Whether they do so for inbound Resolver endpoints only.
    pub inbound_resolver_only: Option<bool>,
}

/// Makes an endpoint. The same call with the same client token gives the same endpoint.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `InvalidServiceName`, `VpcEndpointLimitExceeded`, `InvalidParameter`, `InvalidPolicyDocument`,
/// `RouteAlreadyExists`, `InvalidRouteTableID.NotFound`, `DuplicateSubnetsInSameZone`, `InvalidSubnetID.NotFound`,
/// `InvalidGroup.NotFound`, `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse`, `IdempotentParameterMismatch`.
pub fn create(tx: &mut Tx, token: Option<&str>, request: &CreateEndpoint) -> Result<VpcEndpointId, ControlError> {
    idempotency::once(tx, "CreateVpcEndpoint", token, request, |tx| make(tx, request))
}

fn make(tx: &mut Tx, request: &CreateEndpoint) -> Result<VpcEndpointId, ControlError> {
    let vpc = tx.find::<Vpc>(&request.vpc)?;
    let region = request.service_region.clone().unwrap_or_else(|| tx.owner().region.clone());
    let service = service_of_type(tx, request, &region)?;
    check_parameters(request, &service)?;
    check_quota(tx, request)?;
    if let Some(policy) = &request.policy {
        policy::check(policy)?;
    }
    let places = placement::merge(&request.subnets, &request.configurations);
    let address_type = match request.address_type {
        Some(wanted) => wanted,
        None => placement::default_address_type(tx, &places)?,
    };
    check_address_type(&service, address_type)?;
    let groups = match (request.endpoint_type, request.groups.as_slice()) {
        (EndpointType::Interface, []) => vec![vpc.default_security_group],
        (EndpointType::Interface, groups) => interfaces::check_groups(tx, vpc.id, groups)?,
        _ => Vec::new(),
    };
    let mut endpoint = VpcEndpoint {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        vpc: vpc.id,
        endpoint_type: request.endpoint_type,
        service: ServiceReference { name: service.name.clone(), region, id: service.is_of_account().then_some(service.id) },
        acceptance: if service.acceptance_required { Acceptance::Pending } else { Acceptance::Accepted },
        address_type,
        dns_record_type: default_record_type(request.endpoint_type, address_type),
        dns_label: (request.endpoint_type == EndpointType::Interface).then(|| letters(tx.random(), 8)),
        private_dns: false,
        inbound_resolver_only: false,
        policy: request.policy.clone(),
        route_tables: Vec::new(),
        interfaces: Vec::new(),
        groups,
        connection: service.is_of_account().then(|| tx.new_id()),
        created_at: tx.now(),
        deleted_at: None,
        tags: request.tags.clone(),
    };
    apply_dns(tx, &mut endpoint, Some(&service), &request.dns)?;
    placement::check(tx, &endpoint, Some(&service), &places)?;
    for place in &places {
        let interface = placement::make(tx, &endpoint, place)?;
        endpoint.interfaces.push(interface);
    }
    for table in &request.route_tables {
        gateway::add(tx, &mut endpoint, *table)?;
    }
    let id = endpoint.id;
    tx.put(endpoint);
    Ok(id)
}

/// Why one of several resources was left as it is, when a call does what it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsuccessful {
    /// The resource's id.
    pub id: String,
    /// Why.
    pub error: ControlError,
}

/// Deletes endpoints, and tells which couldn't be.
pub fn delete(tx: &mut Tx, ids: &[VpcEndpointId]) -> Vec<Unsuccessful> {
    let mut failed = Vec::new();
    for id in ids {
        if let Err(error) = delete_one(tx, *id) {
            failed.push(Unsuccessful { id: id.to_string(), error });
        }
    }
    failed
}

fn delete_one(tx: &mut Tx, id: VpcEndpointId) -> Result<(), ControlError> {
    // Unlike in every other answer, AWS leaves the `Id` out of the code here; clients know both.
    let missing = |error: ControlError| ControlError::new("InvalidVpcEndpoint.NotFound", error.message);
    let mut endpoint = find(tx, id).map_err(missing)?;
    if endpoint.endpoint_type == EndpointType::GatewayLoadBalancer && is_routed_to(tx, id) {
        return Err(invalid("Endpoint must be removed from route table before deletion"));
    }
    for table in std::mem::take(&mut endpoint.route_tables) {
        gateway::withdraw(tx, &endpoint, table)?;
    }
    for interface in std::mem::take(&mut endpoint.interfaces) {
        interfaces::delete_managed(tx, interface.eni)?;
    }
    let is_about = |notification: &ConnectionNotification| notification.subject == NotificationSubject::Endpoint(id);
    let notifications: Vec<_> =
        tx.owned::<ConnectionNotification>().filter(|notification| is_about(notification)).map(|n| n.id).collect();
    for notification in notifications {
        tx.remove::<ConnectionNotification>(&notification);
    }
    endpoint.groups.clear();
    endpoint.private_dns = false;
    endpoint.deleted_at = Some(tx.now());
    tx.put(endpoint);
    Ok(())
}

/// Forgets endpoints that were deleted long enough ago, in all accounts.
pub fn prune(tx: &mut Tx) {
    let now: UnixMillis = tx.now();
    let is_over = |endpoint: &VpcEndpoint| retention::is_over(endpoint.deleted_at, SHOWN_DELETED_MS, now);
    let old: Vec<_> =
        tx.network().all::<VpcEndpoint>().filter(|endpoint| is_over(endpoint)).map(|endpoint| endpoint.id).collect();
    for id in old {
        tx.remove::<VpcEndpoint>(&id);
    }
}

/// The caller's endpoint with that id, unless it is only shown.
///
/// # Errors
/// `InvalidVpcEndpointId.NotFound`.
pub fn find(tx: &Tx, id: VpcEndpointId) -> Result<VpcEndpoint, ControlError> {
    let endpoint = tx.find::<VpcEndpoint>(&id)?;
    if !endpoint.exists() {
        return Err(<VpcEndpoint as crate::Missing>::missing(&id));
    }
    Ok((*endpoint).clone())
}

/// The endpoint as the target of a route: only one in front of a Gateway Load Balancer takes routes from users.
///
/// # Errors
/// `InvalidVpcEndpointId.NotFound`, `RouteNotSupported`, `InvalidParameterValue` for another VPC's.
pub(crate) fn route_target(tx: &Tx, table: &RouteTable, id: VpcEndpointId) -> Result<RouteTarget, ControlError> {
    let endpoint = find(tx, id)?;
    if endpoint.endpoint_type != EndpointType::GatewayLoadBalancer {
        let message = format!(
            "Only endpoints of type GatewayLoadBalancer can be the target of a route; {id} is of type {}",
            endpoint.endpoint_type.as_str()
        );
        return Err(ControlError::new("RouteNotSupported", message));
    }
    if endpoint.vpc != table.vpc {
        return Err(routes::other_network(table, format_args!("vpc endpoint {id}")));
    }
    Ok(RouteTarget::Endpoint(id))
}

/// An endpoint that a VPC doesn't go without.
pub(crate) fn in_vpc(tx: &Tx, vpc: openvpc_model::VpcId) -> Option<VpcEndpointId> {
    tx.network().all::<VpcEndpoint>().find(|endpoint| endpoint.vpc == vpc && endpoint.exists()).map(|endpoint| endpoint.id)
}

/// An endpoint that uses a security group, also one without interfaces.
pub(crate) fn with_group(tx: &Tx, group: SecurityGroupId) -> Option<VpcEndpointId> {
    tx.network().all::<VpcEndpoint>().find(|endpoint| endpoint.groups.contains(&group)).map(|endpoint| endpoint.id)
}

/// An endpoint that has routes in a table.
pub(crate) fn with_table(tx: &Tx, table: RouteTableId) -> Option<VpcEndpointId> {
    tx.network().all::<VpcEndpoint>().find(|endpoint| endpoint.route_tables.contains(&table)).map(|endpoint| endpoint.id)
}

/// The code that most refusals of this family have.
fn invalid(message: impl Into<String>) -> ControlError {
    ControlError::new("InvalidParameter", message)
}

fn is_routed_to(tx: &Tx, id: VpcEndpointId) -> bool {
    tx.network().all::<RouteTable>().any(|table| table.routes.iter().any(|route| route.target == RouteTarget::Endpoint(id)))
}

/// The service, with the type of endpoint that is asked for.
fn service_of_type(tx: &Tx, request: &CreateEndpoint, region: &Region) -> Result<Service, ControlError> {
    let found = services::named(tx.network(), tx.owner(), &request.service, region)?;
    let types: Vec<_> = found.iter().map(|service| service.endpoint_type.as_str()).collect();
    found.iter().find(|service| service.endpoint_type == request.endpoint_type).cloned().ok_or_else(|| {
        invalid(format!(
            "Endpoint type ({}) does not match available service types ([{}]).",
            request.endpoint_type.as_str(),
            types.join(", ")
        ))
    })
}

/// Refuses what the type of endpoint doesn't have.
fn check_parameters(request: &CreateEndpoint, service: &Service) -> Result<(), ControlError> {
    let kind = request.endpoint_type;
    let has_subnets = !request.subnets.is_empty() || !request.configurations.is_empty();
    if kind != EndpointType::Gateway && !request.route_tables.is_empty() {
        return Err(invalid("Route table IDs are only supported for Gateway type VPC Endpoint."));
    }
    if kind == EndpointType::Gateway && has_subnets {
        return Err(invalid("Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoint."));
    }
    if kind != EndpointType::Interface && !request.groups.is_empty() {
        return Err(invalid("Security group IDs are only supported for Interface type VPC Endpoint."));
    }
    if kind == EndpointType::GatewayLoadBalancer {
        check_one_subnet(placement::merge(&request.subnets, &request.configurations).len())?;
    }
    if request.policy.is_some() && !service.takes_policy {
        return Err(invalid(format!("Endpoint policies are not supported by the service {}.", service.name)));
    }
    Ok(())
}

fn check_one_subnet(count: usize) -> Result<(), ControlError> {
    if count == 1 {
        return Ok(());
    }
    Err(invalid(format!("A GatewayLoadBalancer type VPC Endpoint has exactly one subnet, not {count}.")))
}

fn check_quota(tx: &Tx, request: &CreateEndpoint) -> Result<(), ControlError> {
    let is_gateway = |endpoint: &VpcEndpoint| endpoint.endpoint_type == EndpointType::Gateway;
    let existing = tx.owned::<VpcEndpoint>().filter(|endpoint| endpoint.exists());
    let (count, limit, place) = if request.endpoint_type == EndpointType::Gateway {
        let count = existing.filter(|endpoint| is_gateway(endpoint)).count();
        (count, tx.quotas().gateway_endpoints, format!("gateway endpoints in {}", tx.owner().region))
    } else {
        let count = existing.filter(|endpoint| !is_gateway(endpoint) && endpoint.vpc == request.vpc).count();
        (count, tx.quotas().interface_endpoints_per_vpc, format!("endpoints of the VPC {}", request.vpc))
    };
    if count >= limit {
        let message = format!("The maximum number of {place} has been reached ({limit}).");
        return Err(ControlError::new("VpcEndpointLimitExceeded", message));
    }
    Ok(())
}

fn check_address_type(service: &Service, wanted: AddressType) -> Result<(), ControlError> {
    let offered = service.address_type;
    if (wanted.has_ipv4() && !offered.has_ipv4()) || (wanted.has_ipv6() && !offered.has_ipv6()) {
        return Err(invalid(format!("The service {} does not support the IP address type {}.", service.name, wanted.as_str())));
    }
    Ok(())
}

fn default_record_type(kind: EndpointType, address_type: AddressType) -> DnsRecordType {
    match (kind, address_type) {
        (EndpointType::Gateway, _) => DnsRecordType::ServiceDefined,
        (_, AddressType::Ipv4) => DnsRecordType::Ipv4,
        (_, AddressType::Dualstack) => DnsRecordType::Dualstack,
        (_, AddressType::Ipv6) => DnsRecordType::Ipv6,
    }
}

/// Sets what a caller asks about DNS names. `service` is none when it isn't visible to the caller any more.
fn apply_dns(tx: &Tx, endpoint: &mut VpcEndpoint, service: Option<&Service>, request: &DnsRequest) -> Result<(), ControlError> {
    if let Some(record_type) = request.record_type {
        check_record_type(tx, endpoint, record_type)?;
        endpoint.dns_record_type = record_type;
    }
    let is_interface = endpoint.endpoint_type == EndpointType::Interface;
    if !is_interface && request.private == Some(true) {
        return Err(invalid("Private DNS is only supported for Interface type VPC Endpoint."));
    }
    // A service with both types of endpoints lets those inside the VPC use the gateway.
    let has_gateway = is_interface
        && endpoint.service.id.is_none()
        && aws_services::named(&endpoint.service.name, &endpoint.service.region).len() > 1;
    if request.inbound_resolver_only == Some(true) && !has_gateway {
        return Err(invalid(
            "PrivateDnsOnlyForInboundResolverEndpoint is only supported for services that have both Gateway and Interface endpoints.",
        ));
    }
    match request.private {
        Some(true) if !endpoint.private_dns => {
            enable_private_dns(tx, endpoint, service)?;
            endpoint.private_dns = true;
            endpoint.inbound_resolver_only = has_gateway && request.inbound_resolver_only != Some(false);
        }
        Some(false) => (endpoint.private_dns, endpoint.inbound_resolver_only) = (false, false),
        _ => {}
    }
    if let Some(only) = request.inbound_resolver_only {
        endpoint.inbound_resolver_only = only && endpoint.private_dns;
    }
    if endpoint.inbound_resolver_only && !gateway::has_one(tx, endpoint) {
        return Err(invalid(format!(
            "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {} must have a Gateway endpoint for the service.",
            endpoint.vpc
        )));
    }
    Ok(())
}

/// Checks that records of a type can be made.
fn check_record_type(tx: &Tx, endpoint: &VpcEndpoint, wanted: DnsRecordType) -> Result<(), ControlError> {
    let fits = match (endpoint.endpoint_type, wanted) {
        (EndpointType::GatewayLoadBalancer, _) => false,
        (_, DnsRecordType::ServiceDefined) => true,
        (EndpointType::Gateway, _) => {
            let vpc = tx.find::<Vpc>(&endpoint.vpc)?;
            let is_dynamodb = aws_services::short_name(&endpoint.service.name, &endpoint.service.region) == Some("dynamodb");
            let has_names = vpc.enable_dns_hostnames && vpc.enable_dns_support;
            if !is_dynamodb && !has_names {
                return Err(invalid(format!(
                    "DnsRecordIpType {} requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
                    wanted.as_str(),
                    endpoint.vpc
                )));
            }
            !is_dynamodb
        }
        (EndpointType::Interface, DnsRecordType::Ipv4) => endpoint.address_type.has_ipv4(),
        (EndpointType::Interface, DnsRecordType::Ipv6) => endpoint.address_type.has_ipv6(),
        (EndpointType::Interface, DnsRecordType::Dualstack) => endpoint.address_type == AddressType::Dualstack,
    };
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "DnsRecordIpType {} is not supported for an endpoint of type {} with IpAddressType {} to {}.",
        wanted.as_str(),
        endpoint.endpoint_type.as_str(),
        endpoint.address_type.as_str(),
        endpoint.service.name
    )))
}

/// Checks that the service's own names may lead to an endpoint.
fn enable_private_dns(tx: &Tx, endpoint: &VpcEndpoint, service: Option<&Service>) -> Result<(), ControlError> {
    let vpc = tx.find::<Vpc>(&endpoint.vpc)?;
    if !(vpc.enable_dns_support && vpc.enable_dns_hostnames) {
        return Err(invalid(format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
            vpc.id
        )));
    }
    let name = &endpoint.service.name;
    let names = service.map_or(&[][..], |service| &service.private_names);
    if names.is_empty() {
        return Err(invalid(format!(
            "Private DNS can't be enabled because the service {name} does not provide a private DNS name."
        )));
    }
    if service.is_some_and(|service| service.verified != Some(true)) {
        return Err(invalid(format!(
            "Private DNS can't be enabled because the private DNS name of the service {name} is not verified."
        )));
    }
    if endpoint.acceptance != Acceptance::Accepted {
        return Err(invalid(format!(
            "Private DNS can only be enabled after the endpoint connection is accepted by the owner of {name}."
        )));
    }
    let network = tx.network();
    let others = network.all::<VpcEndpoint>().filter(|other| other.vpc == endpoint.vpc && other.id != endpoint.id);
    for other in others.filter(|other| other.exists()) {
        if let Some(taken) = names::private_names(network, other).into_iter().find(|taken| names.contains(taken)) {
            return Err(invalid(format!(
                "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {taken} in the VPC {}",
                endpoint.vpc
            )));
        }
    }
    Ok(())
}
