//! Interfaces of endpoints in subnets.

use std::net::{Ipv4Addr, Ipv6Addr};

use openvpc_model::{
    AddressType, EndpointInterface, EndpointType, NetworkInterface, SecurityGroupId, Subnet, SubnetId, VpcEndpoint, Zone,
};
use serde::Serialize;

use super::invalid;
use super::services::Service;
use crate::interfaces::{self, CreateNetworkInterface};
use crate::{ControlError, Tx, subnets};

/// A subnet for an endpoint, and the addresses that its interface is to have there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The subnet.
    pub subnet: SubnetId,
    /// The private IPv4 address; none to have one chosen.
    pub ipv4: Option<Ipv4Addr>,
    /// The IPv6 address; none to have one chosen.
    pub ipv6: Option<Ipv6Addr>,
}

impl Place {
    /// A subnet whose addresses don't matter.
    pub fn anywhere(subnet: SubnetId) -> Self {
        Self { subnet, ipv4: None, ipv6: None }
    }
}

/// Subnets by name, with the addresses that the configurations say; configurations may name further subnets.
pub(super) fn merge(subnets: &[SubnetId], configurations: &[Place]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for subnet in subnets.iter().copied().chain(configurations.iter().map(|place| place.subnet)) {
        if places.iter().all(|place| place.subnet != subnet) {
            let configured = configurations.iter().find(|place| place.subnet == subnet).cloned();
            places.push(configured.unwrap_or_else(|| Place::anywhere(subnet)));
        }
    }
    places
}

/// The families that fit subnets, when the caller doesn't choose.
pub(super) fn default_address_type(tx: &Tx, places: &[Place]) -> Result<AddressType, ControlError> {
    let mut all_ipv6 = !places.is_empty();
    for place in places {
        all_ipv6 &= tx.find::<Subnet>(&place.subnet)?.ipv4_block.is_none();
    }
    Ok(if all_ipv6 { AddressType::Ipv6 } else { AddressType::Ipv4 })
}

/// Checks that an endpoint may have interfaces in those subnets beside the ones that it has.
pub(super) fn check(tx: &Tx, endpoint: &VpcEndpoint, service: Option<&Service>, places: &[Place]) -> Result<(), ControlError> {
    let mut taken: Vec<(Zone, SubnetId)> = Vec::new();
    for interface in &endpoint.interfaces {
        taken.push((tx.find::<Subnet>(&interface.subnet)?.zone, interface.subnet));
    }
    for place in places {
        let subnet = tx.find::<Subnet>(&place.subnet)?;
        if subnet.vpc != endpoint.vpc {
            return Err(invalid(format!("The subnet {} does not belong to the VPC {}", subnet.id, endpoint.vpc)));
        }
        if let Some((_, other)) = taken.iter().find(|(zone, _)| *zone == subnet.zone) {
            let message = format!("Found another VPC endpoint subnet in the availability zone of {}: {other}", subnet.id);
            return Err(ControlError::new("DuplicateSubnetsInSameZone", message));
        }
        taken.push((subnet.zone, subnet.id));
        // Zones of another region can't be compared with those of the service.
        let offered = |service: &Service| service.region != subnet.owner.region || service.zones.contains(&subnet.zone);
        if let Some(service) = service.filter(|service| !offered(service)) {
            return Err(invalid(format!(
                "The VPC endpoint service {} does not support the availability zone of the subnet: {}.",
                service.name, subnet.id
            )));
        }
        check_families(&subnet, endpoint.address_type)?;
        if (place.ipv4.is_some() && !endpoint.address_type.has_ipv4())
            || (place.ipv6.is_some() && !endpoint.address_type.has_ipv6())
        {
            return Err(invalid(format!(
                "The address for the subnet {} is not of the endpoint's IP address type {}.",
                subnet.id,
                endpoint.address_type.as_str()
            )));
        }
    }
    Ok(())
}

/// A subnet's families must be those of the endpoint: for IPv6 alone it must be an IPv6-only subnet.
pub(super) fn check_families(subnet: &Subnet, wanted: AddressType) -> Result<(), ControlError> {
    let fits = match wanted {
        AddressType::Ipv4 => subnet.ipv4_block.is_some(),
        AddressType::Dualstack => subnet.ipv4_block.is_some() && !subnet.ipv6_blocks.is_empty(),
        AddressType::Ipv6 => subnet.ipv4_block.is_none() && !subnet.ipv6_blocks.is_empty(),
    };
    if fits {
        return Ok(());
    }
    Err(invalid(format!("The subnet {} does not support the IP address type {} of the endpoint.", subnet.id, wanted.as_str())))
}

/// Makes the interface of an endpoint in one subnet.
pub(super) fn make(tx: &mut Tx, endpoint: &VpcEndpoint, place: &Place) -> Result<EndpointInterface, ControlError> {
    let wants_ipv6 = endpoint.address_type.has_ipv6();
    let request = CreateNetworkInterface {
        description: format!("VPC Endpoint Interface {}", endpoint.id),
        groups: endpoint.groups.clone(),
        primary_ipv4: place.ipv4,
        ipv6: place.ipv6.into_iter().collect(),
        ipv6_count: Some(usize::from(wants_ipv6 && place.ipv6.is_none())),
        ..CreateNetworkInterface::new(place.subnet)
    };
    let kind = match endpoint.endpoint_type {
        EndpointType::GatewayLoadBalancer => "gateway_load_balancer_endpoint",
        EndpointType::Gateway | EndpointType::Interface => "vpc_endpoint",
    };
    let eni = interfaces::create_managed(tx, request, kind)?;
    Ok(EndpointInterface { subnet: place.subnet, eni })
}

/// Gives existing interfaces the addresses of another family, or takes them away.
pub(super) fn change_families(tx: &mut Tx, endpoint: &VpcEndpoint) -> Result<(), ControlError> {
    for interface in &endpoint.interfaces {
        let subnet = tx.find::<Subnet>(&interface.subnet)?;
        check_families(&subnet, endpoint.address_type)?;
        let eni = tx.find::<NetworkInterface>(&interface.eni)?;
        let addresses = match (endpoint.address_type.has_ipv6(), eni.ipv6_addresses.is_empty()) {
            (true, true) => vec![subnets::allocate_ipv6(tx, &subnet)?],
            (true, false) => continue,
            (false, _) => Vec::new(),
        };
        tx.update::<NetworkInterface, _>(&interface.eni, |eni| eni.ipv6_addresses = addresses)?;
    }
    Ok(())
}

/// Puts the interfaces of an endpoint into other groups.
pub(super) fn change_groups(tx: &mut Tx, endpoint: &VpcEndpoint, groups: &[SecurityGroupId]) -> Result<(), ControlError> {
    for interface in &endpoint.interfaces {
        tx.update::<NetworkInterface, _>(&interface.eni, |eni| eni.groups = groups.to_vec())?;
    }
    Ok(())
}
