//! ModifyVpcEndpoint.

use openvpc_model::{
    AddressType, EndpointInterface, EndpointType, RouteTableId, SecurityGroupId, SubnetId, VpcEndpoint, VpcEndpointId,
};

use super::services::{self, Service};
use super::{
    DnsRequest, Place, apply_dns, check_address_type, check_one_subnet, default_record_type, find, gateway, invalid, placement,
    policy,
};
use crate::{ControlError, Tx, interfaces};

/// What ModifyVpcEndpoint takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModifyEndpoint {
    /// Whether the policy is to be the default one again.
    pub reset_policy: bool,
    /// A new policy.
    pub policy: Option<String>,
    /// Tables to put the routes into.
    pub add_route_tables: Vec<RouteTableId>,
    /// Tables to take the routes out of.
    pub remove_route_tables: Vec<RouteTableId>,
    /// Subnets to make interfaces in.
    pub add_subnets: Vec<SubnetId>,
    /// Subnets to remove the interfaces from.
    pub remove_subnets: Vec<SubnetId>,
    /// Addresses for subnets; an interface that is there is replaced.
    pub configurations: Vec<Place>,
    /// Security groups to add.
    pub add_groups: Vec<SecurityGroupId>,
    /// Security groups to remove.
    pub remove_groups: Vec<SecurityGroupId>,
    /// Other families.
    pub address_type: Option<AddressType>,
    /// What is asked about DNS names.
    pub dns: DnsRequest,
}

impl ModifyEndpoint {
    fn touches_subnets(&self) -> bool {
        !(self.add_subnets.is_empty() && self.remove_subnets.is_empty() && self.configurations.is_empty())
    }

    fn touches_groups(&self) -> bool {
        !(self.add_groups.is_empty() && self.remove_groups.is_empty())
    }
}

/// Changes an endpoint: all that is asked for, or nothing.
///
/// # Errors
/// `InvalidVpcEndpointId.NotFound`, and as for [`super::create`].
pub fn modify(tx: &mut Tx, id: VpcEndpointId, request: &ModifyEndpoint) -> Result<(), ControlError> {
    let mut endpoint = find(tx, id)?;
    check_parameters(&endpoint, request)?;
    let service = service_of(tx, &endpoint);
    match (&request.policy, request.reset_policy) {
        (Some(_), true) => return Err(invalid("PolicyDocument and ResetPolicy can't be specified together.")),
        (Some(text), false) => {
            if service.as_ref().is_some_and(|service| !service.takes_policy) {
                let name = &endpoint.service.name;
                return Err(invalid(format!("Endpoint policies are not supported by the service {name}.")));
            }
            policy::check(text)?;
            endpoint.policy = Some(text.clone());
        }
        (None, true) => endpoint.policy = None,
        (None, false) => {}
    }
    for table in &request.remove_route_tables {
        gateway::remove(tx, &mut endpoint, *table)?;
    }
    for subnet in &request.remove_subnets {
        let message = || invalid(format!("The subnet {subnet} is not one of the endpoint {id}"));
        let interface = take(&mut endpoint.interfaces, *subnet).ok_or_else(message)?;
        interfaces::delete_managed(tx, interface.eni)?;
    }
    change_groups(tx, &mut endpoint, request)?;
    if let Some(wanted) = request.address_type.filter(|wanted| *wanted != endpoint.address_type) {
        if let Some(service) = &service {
            check_address_type(service, wanted)?;
        }
        endpoint.address_type = wanted;
        endpoint.dns_record_type = default_record_type(endpoint.endpoint_type, wanted);
        gateway::change_families(tx, &mut endpoint)?;
        // Interfaces whose addresses are configured anew are replaced below.
        placement::change_families(tx, &endpoint)?;
    }
    for table in &request.add_route_tables {
        gateway::add(tx, &mut endpoint, *table)?;
    }
    change_subnets(tx, &mut endpoint, service.as_ref(), request)?;
    apply_dns(tx, &mut endpoint, service.as_ref(), &request.dns)?;
    if endpoint.endpoint_type == EndpointType::GatewayLoadBalancer {
        check_one_subnet(endpoint.interfaces.len())?;
    }
    tx.put(endpoint);
    Ok(())
}

/// Refuses what the type of endpoint doesn't have.
fn check_parameters(endpoint: &VpcEndpoint, request: &ModifyEndpoint) -> Result<(), ControlError> {
    let kind = endpoint.endpoint_type;
    if kind != EndpointType::Gateway && !(request.add_route_tables.is_empty() && request.remove_route_tables.is_empty()) {
        return Err(invalid("Route table IDs are only supported for Gateway type VPC Endpoint."));
    }
    if kind == EndpointType::Gateway && request.touches_subnets() {
        return Err(invalid("Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoint."));
    }
    if kind != EndpointType::Interface && request.touches_groups() {
        return Err(invalid("Security group IDs are only supported for Interface type VPC Endpoint."));
    }
    if kind == EndpointType::GatewayLoadBalancer && (request.policy.is_some() || request.reset_policy) {
        return Err(invalid("Endpoint policies are only supported for Interface and Gateway type VPC Endpoint."));
    }
    Ok(())
}

/// The endpoint's service, if its owner still lets the endpoint's owner see it.
fn service_of(tx: &Tx, endpoint: &VpcEndpoint) -> Option<Service> {
    let found = services::named(tx.network(), tx.owner(), &endpoint.service.name, &endpoint.service.region).ok()?;
    found.into_iter().find(|service| service.endpoint_type == endpoint.endpoint_type)
}

fn change_groups(tx: &mut Tx, endpoint: &mut VpcEndpoint, request: &ModifyEndpoint) -> Result<(), ControlError> {
    if !request.touches_groups() {
        return Ok(());
    }
    let mut groups = endpoint.groups.clone();
    for group in &request.remove_groups {
        if !groups.contains(group) {
            return Err(invalid(format!("The security group {group} is not one of the endpoint {}", endpoint.id)));
        }
    }
    groups.retain(|group| !request.remove_groups.contains(group));
    groups.extend(&request.add_groups);
    if groups.is_empty() {
        return Err(invalid(format!("The endpoint {} must have at least one security group", endpoint.id)));
    }
    endpoint.groups = interfaces::check_groups(tx, endpoint.vpc, &groups)?;
    placement::change_groups(tx, endpoint, &endpoint.groups)
}

fn change_subnets(
    tx: &mut Tx,
    endpoint: &mut VpcEndpoint,
    service: Option<&Service>,
    request: &ModifyEndpoint,
) -> Result<(), ControlError> {
    let mut places = placement::merge(&request.add_subnets, &request.configurations);
    let present = |place: &Place| endpoint.interfaces.iter().any(|interface| interface.subnet == place.subnet);
    // Naming a subnet again without an address changes nothing.
    places.retain(|place| *place != Place::anywhere(place.subnet) || !present(place));
    for place in &places {
        if let Some(interface) = take(&mut endpoint.interfaces, place.subnet) {
            interfaces::delete_managed(tx, interface.eni)?;
        }
    }
    placement::check(tx, endpoint, service, &places)?;
    for place in &places {
        let interface = placement::make(tx, endpoint, place)?;
        endpoint.interfaces.push(interface);
    }
    Ok(())
}

fn take(interfaces: &mut Vec<EndpointInterface>, subnet: SubnetId) -> Option<EndpointInterface> {
    let at = interfaces.iter().position(|interface| interface.subnet == subnet)?;
    Some(interfaces.remove(at))
}
