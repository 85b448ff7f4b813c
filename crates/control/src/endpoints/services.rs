//! The services that a caller may make endpoints to: AWS's own, and those of accounts that let the caller in.

use openvpc_model::{
    AccountId, AddressType, EndpointPermission, EndpointService, EndpointServiceId, EndpointType, LoadBalancer, Network, Owner,
    Region, ServicePrivateDns, Tags, Zone,
};

use super::aws_services::{self, AwsService};
use crate::ControlError;

/// A service as consumers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The service's id.
    pub id: EndpointServiceId,
    /// The service's full name.
    pub name: String,
    /// The type of its endpoints.
    pub endpoint_type: EndpointType,
    /// Where it is.
    pub region: Region,
    /// The zones of that region that it is in.
    pub zones: Vec<Zone>,
    /// The account that offers it; none for AWS.
    pub account: Option<AccountId>,
    /// What the DNS names of its endpoints end with.
    pub base_name: String,
    /// The names that lead to an endpoint with private DNS.
    pub private_names: Vec<String>,
    /// Whether the service's owner proved that the private name is theirs; none without such a name.
    pub verified: Option<bool>,
    /// Whether its endpoints take a policy.
    pub takes_policy: bool,
    /// Whether each endpoint must be accepted.
    pub acceptance_required: bool,
    /// The families that endpoints may use.
    pub address_type: AddressType,
    /// Tags.
    pub tags: Tags,
}

impl Service {
    /// Whether the name stands for a service of an account.
    pub fn is_of_account(&self) -> bool {
        self.account.is_some()
    }
}

/// The services of a region that a caller may make endpoints to, in the order of their names.
pub fn visible(network: &Network, caller: &Owner, region: &Region) -> Vec<Service> {
    let own = aws_services::all(region).filter(|_| *region == caller.region).map(|service| of_aws(service, region));
    let of_accounts = network.all::<EndpointService>().filter(|service| service.owner.region == *region);
    let of_accounts = of_accounts.filter(|service| may_use(network, caller, service));
    let mut all: Vec<_> = own.chain(of_accounts.map(|service| of_account(network, service))).collect();
    all.sort_by(|a, b| (&a.name, a.endpoint_type).cmp(&(&b.name, b.endpoint_type)));
    all
}

/// The services of that name in a region that a caller may make endpoints to: one per type of endpoint.
///
/// # Errors
/// `InvalidServiceName` when there is none, also when its owner doesn't let the caller in.
pub fn named(network: &Network, caller: &Owner, name: &str, region: &Region) -> Result<Vec<Service>, ControlError> {
    let mut found: Vec<_> = match aws_services::named(name, region) {
        of_region if *region == caller.region => of_region.into_iter().map(|service| of_aws(service, region)).collect(),
        _ => Vec::new(),
    };
    let is_it = |service: &EndpointService| {
        service.owner.region == *region && service.name() == name && may_use(network, caller, service)
    };
    found.extend(network.all::<EndpointService>().filter(|service| is_it(service)).map(|service| of_account(network, service)));
    if found.is_empty() {
        return Err(no_such_service(name));
    }
    Ok(found)
}

/// The error for a service that isn't there for the caller.
pub fn no_such_service(name: &str) -> ControlError {
    ControlError::new("InvalidServiceName", format!("The Vpc Endpoint Service '{name}' does not exist"))
}

/// The zones in which a service of an account has load balancers.
pub fn zones_of(network: &Network, service: &EndpointService) -> Vec<Zone> {
    let balancers = service.load_balancers.iter().filter_map(|arn| network.get::<LoadBalancer>(arn));
    let mut zones: Vec<_> = balancers.flat_map(|balancer| balancer.nodes.iter().map(|node| node.zone)).collect();
    zones.sort();
    zones.dedup();
    zones
}

pub use openvpc_model::endpoint::names::base_name_of;

/// Whether a permission lets an account in. Every caller is its account's root here, so that users and roles stand for
/// their account.
fn lets_in(permission: &EndpointPermission, account: AccountId) -> bool {
    let principal = permission.principal.as_str();
    if principal == "*" {
        return true;
    }
    let mut parts = principal.split(':').skip(2);
    parts.next() == Some("iam") && parts.nth(1) == Some(&*account.to_string())
}

fn may_use(network: &Network, caller: &Owner, service: &EndpointService) -> bool {
    if service.owner.region != caller.region && !service.remote_regions.contains(&caller.region) {
        return false;
    }
    let permitted = |permission: &EndpointPermission| permission.service == service.id && lets_in(permission, caller.account);
    service.owner.account == caller.account || network.all::<EndpointPermission>().any(|permission| permitted(permission))
}

fn of_aws(service: AwsService, region: &Region) -> Service {
    Service {
        id: service.id,
        name: service.name,
        endpoint_type: service.endpoint_type,
        region: region.clone(),
        zones: Zone::ALL.to_vec(),
        account: None,
        base_name: service.base_name,
        verified: (!service.private_names.is_empty()).then_some(true),
        private_names: service.private_names,
        takes_policy: service.takes_policy,
        acceptance_required: false,
        address_type: AddressType::Dualstack,
        tags: Tags::new(),
    }
}

fn of_account(network: &Network, service: &EndpointService) -> Service {
    let private = service.private_dns.as_ref();
    Service {
        id: service.id,
        name: service.name(),
        endpoint_type: service.endpoint_type,
        region: service.owner.region.clone(),
        zones: zones_of(network, service),
        account: Some(service.owner.account),
        base_name: base_name_of(service.id, &service.owner.region),
        private_names: private.map(|private: &ServicePrivateDns| private.name.clone()).into_iter().collect(),
        verified: private.map(|private| private.verified),
        takes_policy: false,
        acceptance_required: service.acceptance_required,
        address_type: service.address_type,
        tags: service.tags.clone(),
    }
}
