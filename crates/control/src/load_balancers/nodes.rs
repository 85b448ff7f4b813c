//! Load balancers in subnets: one interface each, which the service manages.

use std::net::{Ipv4Addr, Ipv6Addr};

use openvpc_model::{
    AllocationId, ElasticIp, LoadBalancer, LoadBalancerKind, LoadBalancerNode, NetworkInterface, Subnet, SubnetId, VpcId, Zone,
};

use super::invalid;
use crate::addresses::{self, AddressTarget};
use crate::interfaces::{self, CreateNetworkInterface};
use crate::{ControlError, Tx, subnets};

/// The fewest free addresses that a subnet must have.
const LEAST_FREE: u32 = 8;

/// A subnet for a load balancer, and what is wanted there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The subnet.
    pub subnet: SubnetId,
    /// An Elastic IP for an internet-facing load balancer.
    pub allocation: Option<AllocationId>,
    /// A private address for an internal one.
    pub ipv4: Option<Ipv4Addr>,
    /// An IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
}

/// The VPC of subnets, which must be the same for all.
pub(super) fn vpc_of(tx: &Tx, mappings: &[Mapping]) -> Result<VpcId, ControlError> {
    let mut vpc = None;
    for mapping in mappings {
        let subnet = subnet(tx, mapping.subnet)?;
        if *vpc.get_or_insert(subnet.vpc) != subnet.vpc {
            return Err(ControlError::new("InvalidSubnet", "All subnets must belong to the same VPC"));
        }
    }
    vpc.ok_or_else(|| invalid("At least one subnet must be specified"))
}

/// Puts a load balancer into exactly those subnets.
pub(super) fn set(tx: &mut Tx, balancer: &mut LoadBalancer, mappings: &[Mapping]) -> Result<(), ControlError> {
    let mut zones: Vec<Zone> = Vec::new();
    for mapping in mappings {
        let subnet = subnet(tx, mapping.subnet)?;
        check(tx, balancer, &subnet, mapping)?;
        if zones.contains(&subnet.zone) {
            let message = "A load balancer cannot be attached to multiple subnets in the same Availability Zone";
            return Err(ControlError::new("InvalidConfigurationRequest", message));
        }
        zones.push(subnet.zone);
    }
    let old = std::mem::take(&mut balancer.nodes);
    let keeps = |node: &LoadBalancerNode| {
        let asks = |mapping: &Mapping| mapping.allocation.is_none() && mapping.ipv4.is_none() && mapping.ipv6.is_none();
        mappings.iter().any(|mapping| mapping.subnet == node.subnet && (asks(mapping) || mapping.allocation == node.allocation))
    };
    for node in old.iter().filter(|node| !keeps(node)) {
        interfaces::delete_managed(tx, node.eni)?;
    }
    for mapping in mappings {
        let node = match old.iter().find(|node| node.subnet == mapping.subnet && keeps(node)) {
            Some(node) => node.clone(),
            None => make(tx, balancer, mapping)?,
        };
        balancer.nodes.push(node);
    }
    change_families(tx, balancer)
}

/// Puts the interfaces of a load balancer into its groups.
pub(super) fn set_groups(tx: &mut Tx, balancer: &LoadBalancer) -> Result<(), ControlError> {
    for node in &balancer.nodes {
        tx.update::<NetworkInterface, _>(&node.eni, |eni| eni.groups.clone_from(&balancer.groups))?;
    }
    Ok(())
}

fn check(tx: &Tx, balancer: &LoadBalancer, subnet: &Subnet, mapping: &Mapping) -> Result<(), ControlError> {
    let refuse = |message: String| Err(ControlError::new("InvalidSubnet", message));
    if balancer.address_type.has_ipv6() && subnet.ipv6_blocks.is_empty() {
        let message = format!("The subnet {} must have an associated IPv6 CIDR block", subnet.id);
        return Err(ControlError::new("InvalidConfigurationRequest", message));
    }
    let is_public = balancer.kind == LoadBalancerKind::Network && !balancer.internal;
    if is_public && tx.network().internet_gateway_of(subnet.vpc).is_none() {
        return refuse(format!("VPC {} has no internet gateway", subnet.vpc));
    }
    let is_new = balancer.nodes.iter().all(|node| node.subnet != subnet.id);
    if is_new && subnets::available_ipv4_count(tx.network(), subnet) < LEAST_FREE {
        return refuse(format!(
            "Not enough IP space available in {}. ELB requires at least {LEAST_FREE} free IP addresses in each subnet.",
            subnet.id
        ));
    }
    if mapping.allocation.is_some() && !is_public {
        return Err(invalid("Elastic IP addresses are only supported for internet-facing load balancers with type 'network'"));
    }
    if mapping.ipv4.is_some() && (is_public || balancer.kind == LoadBalancerKind::Gateway) {
        return Err(invalid("Private IPv4 addresses are only supported for internal load balancers with type 'network'"));
    }
    Ok(())
}

fn make(tx: &mut Tx, balancer: &LoadBalancer, mapping: &Mapping) -> Result<LoadBalancerNode, ControlError> {
    let subnet = subnet(tx, mapping.subnet)?;
    let has_ipv6 = balancer.address_type.has_ipv6();
    let request = CreateNetworkInterface {
        description: format!("ELB {}/{}/{}", balancer.kind.in_arn(), balancer.name, balancer.digits()),
        groups: balancer.groups.clone(),
        primary_ipv4: mapping.ipv4,
        ipv6: mapping.ipv6.into_iter().collect(),
        ipv6_count: Some(usize::from(has_ipv6 && mapping.ipv6.is_none())),
        ..CreateNetworkInterface::new(subnet.id)
    };
    let unfit = |error: ControlError| match error.code {
        "InvalidParameterValue" | "InvalidIPAddress.InUse" => invalid(error.message),
        "InsufficientFreeAddressesInSubnet" => ControlError::new("InvalidSubnet", error.message),
        _ => error,
    };
    // Users' rules hold for it until it has its Elastic IP, and only then is it the service's.
    let eni = interfaces::create(tx, request).map_err(unfit)?;
    if balancer.kind == LoadBalancerKind::Network && !balancer.internal {
        give_public_address(tx, eni, mapping)?;
    }
    let kind = match balancer.kind {
        LoadBalancerKind::Gateway => "gateway_load_balancer",
        LoadBalancerKind::Network => "network_load_balancer",
    };
    tx.update::<NetworkInterface, _>(&eni, |interface| {
        interface.requester_managed = true;
        interface.interface_type = kind.to_owned();
        interface.source_dest_check = false;
        interface.groups.clone_from(&balancer.groups);
    })?;
    Ok(LoadBalancerNode { subnet: subnet.id, zone: subnet.zone, eni, allocation: mapping.allocation })
}

/// The Elastic IP that was given, or an address of the pool.
fn give_public_address(tx: &mut Tx, eni: openvpc_model::EniId, mapping: &Mapping) -> Result<(), ControlError> {
    let Some(allocation) = mapping.allocation else {
        return addresses::assign_at_launch(tx, eni);
    };
    let missing = |_| ControlError::new("AllocationIdNotFound", format!("The allocation ID '{allocation}' does not exist"));
    let eip = tx.find::<ElasticIp>(&allocation).map_err(missing)?;
    if eip.association.is_some() {
        return Err(ControlError::new("ResourceInUse", format!("The allocation ID '{allocation}' is already associated")));
    }
    addresses::associate(tx, allocation, &AddressTarget { eni: Some(eni), ..AddressTarget::default() }).map(drop)
}

/// Gives the interfaces IPv6 addresses, or takes them away.
fn change_families(tx: &mut Tx, balancer: &LoadBalancer) -> Result<(), ControlError> {
    for node in &balancer.nodes {
        let has_ipv6 = !tx.find::<NetworkInterface>(&node.eni)?.ipv6_addresses.is_empty();
        let addresses = match (balancer.address_type.has_ipv6(), has_ipv6) {
            (true, false) => vec![subnets::allocate_ipv6(tx, &*tx.find::<Subnet>(&node.subnet)?)?],
            (false, true) => Vec::new(),
            _ => continue,
        };
        tx.update::<NetworkInterface, _>(&node.eni, |eni| eni.ipv6_addresses = addresses)?;
    }
    Ok(())
}

fn subnet(tx: &Tx, id: SubnetId) -> Result<Subnet, ControlError> {
    let missing = |_| ControlError::new("SubnetNotFound", format!("The subnet ID '{id}' does not exist"));
    tx.find::<Subnet>(&id).map(|subnet| (*subnet).clone()).map_err(missing)
}
