//! Endpoint services: the provider side of PrivateLink. See "Create a service powered by AWS PrivateLink".
//!
//! [`permissions`] says who may make endpoints, [`connections`] lets single ones in, [`notifications`] keeps who wants to
//! hear of them.

pub mod connections;
pub mod notifications;
pub mod permissions;

use std::collections::BTreeSet;

use openvpc_model::{
    AddressType, ConnectionNotification, EndpointPermission, EndpointService, EndpointServiceId, EndpointType, LoadBalancer,
    LoadBalancerKind, NotificationSubject, Region, ServicePrivateDns, Tags, VpcEndpoint,
};
use serde::Serialize;

use crate::endpoints::{Unsuccessful, letters};
use crate::{ControlError, Tx, idempotency};

/// What CreateVpcEndpointServiceConfiguration takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateService {
    /// ARNs of Network Load Balancers.
    pub network_load_balancers: Vec<String>,
    /// ARNs of Gateway Load Balancers.
    pub gateway_load_balancers: Vec<String>,
    /// Whether each endpoint must be accepted.
    pub acceptance_required: bool,
    /// The families that endpoints may use; empty for IPv4.
    pub address_types: Vec<AddressType>,
    /// Regions from which endpoints may be made.
    pub regions: Vec<Region>,
    /// A name for consumers.
    pub private_dns_name: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// Makes a service. The same call with the same client token gives the same service.
///
/// # Errors
/// `InvalidParameter` for load balancers that can't carry it, `InvalidParameterCombination`, `IdempotentParameterMismatch`.
pub fn create(tx: &mut Tx, token: Option<&str>, request: &CreateService) -> Result<EndpointServiceId, ControlError> {
    idempotency::once(tx, "CreateVpcEndpointServiceConfiguration", token, request, |tx| make(tx, request))
}

fn make(tx: &mut Tx, request: &CreateService) -> Result<EndpointServiceId, ControlError> {
    let (endpoint_type, load_balancers) = match (&*request.network_load_balancers, &*request.gateway_load_balancers) {
        ([], []) => return Err(invalid("At least one network or gateway load balancer ARN must be specified")),
        (network, []) => (EndpointType::Interface, network),
        ([], gateway) => (EndpointType::GatewayLoadBalancer, gateway),
        _ => {
            return Err(ControlError::invalid_combination(
                "NetworkLoadBalancerArns and GatewayLoadBalancerArns can't be specified together",
            ));
        }
    };
    let mut service = EndpointService {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        endpoint_type,
        load_balancers: Vec::new(),
        acceptance_required: request.acceptance_required,
        address_type: families(&request.address_types).unwrap_or(AddressType::Ipv4),
        remote_regions: request.regions.iter().filter(|region| **region != tx.owner().region).cloned().collect(),
        private_dns: None,
        created_at: tx.now(),
        tags: request.tags.clone(),
    };
    for arn in load_balancers {
        add_load_balancer(tx, &mut service, arn)?;
    }
    if let Some(name) = &request.private_dns_name {
        set_private_dns(tx, &mut service, name)?;
    }
    check_families(tx, &service)?;
    let id = service.id;
    tx.put(service);
    Ok(id)
}

/// What ModifyVpcEndpointServiceConfiguration takes; what isn't there stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyService {
    /// Whether each endpoint must be accepted.
    pub acceptance_required: Option<bool>,
    /// ARNs of load balancers to add.
    pub add_load_balancers: Vec<String>,
    /// ARNs of load balancers to remove.
    pub remove_load_balancers: Vec<String>,
    /// Families to add.
    pub add_address_types: Vec<AddressType>,
    /// Families to remove.
    pub remove_address_types: Vec<AddressType>,
    /// Regions to add.
    pub add_regions: Vec<Region>,
    /// Regions to remove.
    pub remove_regions: Vec<Region>,
    /// A name for consumers.
    pub private_dns_name: Option<String>,
    /// Whether the name is removed.
    pub remove_private_dns_name: bool,
}

/// Changes a service: all that is asked for, or nothing.
///
/// # Errors
/// `InvalidVpcEndpointServiceId.NotFound`, `ExistingVpcEndpointConnections` for what endpoints stand on, and as for
/// [`create`].
pub fn modify(tx: &mut Tx, id: EndpointServiceId, request: &ModifyService) -> Result<(), ControlError> {
    let mut service = (*tx.find::<EndpointService>(&id)?).clone();
    if let Some(required) = request.acceptance_required {
        service.acceptance_required = required;
    }
    for arn in &request.remove_load_balancers {
        if !service.load_balancers.contains(arn) {
            return Err(invalid(format!("The load balancer {arn} is not one of the service {id}")));
        }
        refuse_with_endpoints(tx, id, |_| true)?;
        service.load_balancers.retain(|present| present != arn);
    }
    for arn in &request.add_load_balancers {
        add_load_balancer(tx, &mut service, arn)?;
    }
    if service.load_balancers.is_empty() {
        return Err(invalid(format!("The service {id} must have at least one load balancer")));
    }
    change_families(tx, &mut service, request)?;
    for region in &request.remove_regions {
        refuse_with_endpoints(tx, id, |endpoint| endpoint.owner.region == *region)?;
        service.remote_regions.remove(region);
    }
    let own = service.owner.region.clone();
    service.remote_regions.extend(request.add_regions.iter().filter(|region| **region != own).cloned());
    match (&request.private_dns_name, request.remove_private_dns_name) {
        (Some(_), true) => {
            return Err(ControlError::invalid_combination("PrivateDnsName and RemovePrivateDnsName can't be specified together"));
        }
        (Some(name), false) => {
            refuse_with_endpoints(tx, id, |endpoint| endpoint.private_dns)?;
            set_private_dns(tx, &mut service, name)?;
        }
        (None, true) => {
            refuse_with_endpoints(tx, id, |endpoint| endpoint.private_dns)?;
            service.private_dns = None;
        }
        (None, false) => {}
    }
    check_families(tx, &service)?;
    tx.put(service);
    Ok(())
}

/// Deletes services, and tells which couldn't be.
pub fn delete(tx: &mut Tx, ids: &[EndpointServiceId]) -> Vec<Unsuccessful> {
    let mut failed = Vec::new();
    for id in ids {
        if let Err(error) = delete_one(tx, *id) {
            failed.push(Unsuccessful { id: id.to_string(), error });
        }
    }
    failed
}

fn delete_one(tx: &mut Tx, id: EndpointServiceId) -> Result<(), ControlError> {
    // As for endpoints, the code has no `Id` here.
    let missing = |error: ControlError| ControlError::new("InvalidVpcEndpointService.NotFound", error.message);
    tx.find::<EndpointService>(&id).map_err(missing)?;
    refuse_with_endpoints(tx, id, |_| true)?;
    let permissions: Vec<_> = tx.owned::<EndpointPermission>().filter(|p| p.service == id).map(|p| p.id).collect();
    for permission in permissions {
        tx.remove::<EndpointPermission>(&permission);
    }
    let is_about = |notification: &ConnectionNotification| notification.subject == NotificationSubject::Service(id);
    let notifications: Vec<_> = tx.owned::<ConnectionNotification>().filter(|n| is_about(n)).map(|n| n.id).collect();
    for notification in notifications {
        tx.remove::<ConnectionNotification>(&notification);
    }
    tx.remove::<EndpointService>(&id);
    Ok(())
}

/// Takes the ownership of a service's private name for proved. Nothing here can look the TXT record up; see
/// `docs/decisions`.
///
/// # Errors
/// `InvalidVpcEndpointServiceId.NotFound`, `InvalidParameter` for a service without such a name.
pub fn verify_private_dns(tx: &mut Tx, id: EndpointServiceId) -> Result<(), ControlError> {
    tx.update::<EndpointService, _>(&id, |service| match &mut service.private_dns {
        Some(private) => {
            private.verified = true;
            Ok(())
        }
        None => Err(invalid(format!("The service {id} has no private DNS name"))),
    })?
}

/// The service that stands on a load balancer.
pub(crate) fn on_load_balancer(tx: &Tx, arn: &str) -> Option<EndpointServiceId> {
    let stands = |service: &EndpointService| service.load_balancers.iter().any(|present| present == arn);
    tx.network().all::<EndpointService>().find(|service| stands(service)).map(|service| service.id)
}

fn add_load_balancer(tx: &Tx, service: &mut EndpointService, arn: &str) -> Result<(), ControlError> {
    let balancer =
        tx.find::<LoadBalancer>(&arn.to_owned()).map_err(|_| invalid(format!("The load balancer {arn} does not exist")))?;
    let (wanted, name) = match service.endpoint_type {
        EndpointType::GatewayLoadBalancer => (LoadBalancerKind::Gateway, "gateway"),
        EndpointType::Gateway | EndpointType::Interface => (LoadBalancerKind::Network, "network"),
    };
    if balancer.kind != wanted {
        return Err(invalid(format!("The load balancer {arn} is not a {name} load balancer")));
    }
    if service.load_balancers.iter().any(|present| present == arn) {
        return Ok(());
    }
    if let Some(other) = on_load_balancer(tx, arn).filter(|other| *other != service.id) {
        return Err(invalid(format!("The load balancer {arn} is already associated with the endpoint service {other}")));
    }
    service.load_balancers.push(arn.to_owned());
    Ok(())
}

fn set_private_dns(tx: &Tx, service: &mut EndpointService, name: &str) -> Result<(), ControlError> {
    if service.endpoint_type != EndpointType::Interface {
        return Err(invalid("A private DNS name is only supported for endpoint services with network load balancers"));
    }
    if !is_domain(name) {
        return Err(invalid(format!("The private DNS name {name} is not a valid domain name")));
    }
    service.private_dns = Some(ServicePrivateDns {
        name: name.to_owned(),
        verified: false,
        record_name: format!("_{}", letters(tx.random(), 20)),
        record_value: format!("vpce:{}", letters(tx.random(), 20)),
    });
    Ok(())
}

/// A domain of two labels or more; the first may be a star.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let rest = name.strip_prefix("*.").unwrap_or(name);
    name.len() <= 253 && rest.contains('.') && rest.split('.').all(is_label)
}

fn change_families(tx: &Tx, service: &mut EndpointService, request: &ModifyService) -> Result<(), ControlError> {
    let mut present = BTreeSet::new();
    present.extend(service.address_type.has_ipv4().then_some(AddressType::Ipv4));
    present.extend(service.address_type.has_ipv6().then_some(AddressType::Ipv6));
    present.extend(&request.add_address_types);
    for removed in &request.remove_address_types {
        refuse_with_endpoints(tx, service.id, |endpoint| match removed {
            AddressType::Ipv6 => endpoint.address_type.has_ipv6(),
            _ => endpoint.address_type.has_ipv4(),
        })?;
        present.remove(removed);
    }
    let present: Vec<_> = present.into_iter().collect();
    service.address_type = families(&present)
        .ok_or_else(|| invalid(format!("The service {} must support at least one IP address type", service.id)))?;
    Ok(())
}

/// A service with IPv6 needs load balancers that have it.
fn check_families(tx: &Tx, service: &EndpointService) -> Result<(), ControlError> {
    for arn in &service.load_balancers {
        let balancer = tx.find::<LoadBalancer>(arn)?;
        if service.address_type.has_ipv6() && !balancer.address_type.has_ipv6() {
            return Err(invalid(format!(
                "The load balancer {arn} must have the IP address type dualstack to support IPv6 endpoints"
            )));
        }
    }
    Ok(())
}

/// The families of a list; none for an empty one.
fn families(list: &[AddressType]) -> Option<AddressType> {
    let has = |wanted| list.contains(&wanted) || list.contains(&AddressType::Dualstack);
    match (has(AddressType::Ipv4), has(AddressType::Ipv6)) {
        (true, true) => Some(AddressType::Dualstack),
        (true, false) => Some(AddressType::Ipv4),
        (false, true) => Some(AddressType::Ipv6),
        (false, false) => None,
    }
}

/// Refuses a change that endpoints of a service stand against.
fn refuse_with_endpoints(tx: &Tx, id: EndpointServiceId, counts: impl Fn(&VpcEndpoint) -> bool) -> Result<(), ControlError> {
    let is_live = |endpoint: &VpcEndpoint| endpoint.service.id == Some(id) && endpoint.holds_service() && counts(endpoint);
    if !tx.network().all::<VpcEndpoint>().any(|endpoint| is_live(endpoint)) {
        return Ok(());
    }
    let message = format!("Service {id} has existing active VPC Endpoint connections!");
    Err(ControlError::new("ExistingVpcEndpointConnections", message))
}

fn invalid(message: impl Into<String>) -> ControlError {
    ControlError::new("InvalidParameter", message)
}
