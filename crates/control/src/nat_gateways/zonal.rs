//! NAT gateways in a subnet.

use std::net::Ipv4Addr;
use std::sync::Arc;

use openvpc_model::nat::{NatAddress, NatConnectivity, NatElasticIp, NatFailure, NatPlace};
use openvpc_model::{AllocationId, ElasticIp, EniId, NatGateway, NatGatewayId, NetworkInterface, Subnet, SubnetId, Zone};
use serde::Serialize;

use super::{Made, allocations, check_free, check_internet_gateway, unassociated};
use crate::interfaces::{self, CreateNetworkInterface};
use crate::{ControlError, Tx, addresses};

/// The addresses that CreateNatGateway is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Zonal {
    /// The Elastic IP of the primary address; a public gateway needs one, a private one has none.
    pub allocation: Option<AllocationId>,
    /// The primary private address; none to have one chosen.
    pub private: Option<Ipv4Addr>,
    /// Elastic IPs of secondary addresses.
    pub secondary_allocations: Vec<AllocationId>,
    /// Secondary private addresses.
    pub secondary_private: Vec<Ipv4Addr>,
    /// How many secondary private addresses to choose.
    pub secondary_count: Option<usize>,
}

/// Makes the parts of a gateway.
pub(super) fn make(
    tx: &mut Tx,
    id: NatGatewayId,
    subnet: SubnetId,
    connectivity: NatConnectivity,
    wanted: Zonal,
) -> Result<Made, ControlError> {
    let subnet = tx.find::<Subnet>(&subnet)?;
    if subnet.ipv4_block.is_none() {
        let message = format!("The subnet {} is IPv6-only; a NAT gateway needs a private IPv4 address", subnet.id);
        return Err(ControlError::invalid_value(message));
    }
    check_combination(connectivity, &wanted)?;
    check_zone_limit(tx, subnet.zone)?;
    let ids: Vec<_> = wanted.allocation.into_iter().chain(wanted.secondary_allocations.iter().copied()).collect();
    let eips = allocations(tx, &ids)?;
    // Secondary Elastic IPs need private addresses; those that aren't named are chosen.
    let count = wanted.secondary_count.unwrap_or(0);
    let chosen = count.max(wanted.secondary_allocations.len().saturating_sub(wanted.secondary_private.len()));
    check_counts(tx, 1 + wanted.secondary_private.len() + chosen, eips.len())?;

    let outcome = match reasons_to_fail(tx, &subnet, connectivity, &eips) {
        Some(failure) => Err(failure),
        None => {
            let request = CreateNetworkInterface {
                description: format!("Interface for NAT Gateway {id}"),
                primary_ipv4: wanted.private,
                secondary_ipv4: wanted.secondary_private.clone(),
                secondary_ipv4_count: chosen,
                ipv6_count: Some(0),
                ..CreateNetworkInterface::new(subnet.id)
            };
            match interfaces::create_managed(tx, request, "natGateway") {
                Ok(eni) => Ok(eni),
                Err(full) if full.code == "InsufficientFreeAddressesInSubnet" => Err(NatFailure {
                    code: full.code.to_owned(),
                    message: "Subnet has insufficient free addresses to create this NAT gateway".to_owned(),
                }),
                Err(error) => return Err(error),
            }
        }
    };
    let (eni, addresses, failure) = match outcome {
        Ok(eni) => (Some(eni), associated(tx, subnet.zone, eni, &eips)?, None),
        Err(failure) => {
            let address =
                |eip: &Arc<ElasticIp>| NatAddress { zone: subnet.zone, private: None, elastic: Some(unassociated(eip)) };
            (None, eips.iter().map(address).collect(), Some(failure))
        }
    };
    Ok(Made { vpc: subnet.vpc, place: NatPlace::Zonal { subnet: subnet.id, zone: subnet.zone, eni }, addresses, failure })
}

/// At most so many private addresses, and so many Elastic IPs.
pub(super) fn check_counts(tx: &Tx, private: usize, elastic: usize) -> Result<(), ControlError> {
    let limit = tx.quotas().addresses_per_nat_gateway;
    if private > limit {
        let message = format!("The maximum number of private IPv4 addresses of a NAT gateway is {limit}.");
        return Err(ControlError::new("PrivateIpAddressLimitExceeded", message));
    }
    let limit = tx.quotas().elastic_ips_per_nat_gateway;
    if elastic > limit {
        let message = format!("The maximum number of Elastic IP addresses of a NAT gateway is {limit}.");
        return Err(ControlError::new("AddressLimitExceeded", message));
    }
    Ok(())
}

/// The addresses of a new interface, with the Elastic IPs in their order.
fn associated(tx: &mut Tx, zone: Zone, eni: EniId, eips: &[Arc<ElasticIp>]) -> Result<Vec<NatAddress>, ControlError> {
    let slots: Vec<_> = tx.find::<NetworkInterface>(&eni)?.private_addresses.iter().map(|slot| slot.address).collect();
    let mut made = Vec::new();
    for (at, private) in slots.into_iter().enumerate() {
        let elastic = match eips.get(at) {
            None => None,
            Some(eip) => {
                let association = addresses::map(tx, eip.id, eni, private)?;
                Some(NatElasticIp { allocation: eip.id, address: eip.address, association: Some(association) })
            }
        };
        made.push(NatAddress { zone, private: Some(private), elastic });
    }
    Ok(made)
}

fn check_combination(connectivity: NatConnectivity, wanted: &Zonal) -> Result<(), ControlError> {
    let refuse = |message: &str| Err(ControlError::invalid_combination(message));
    match connectivity {
        NatConnectivity::Public if wanted.allocation.is_none() => Err(ControlError::missing_parameter("AllocationId")),
        NatConnectivity::Public if wanted.secondary_count.is_some() => {
            refuse("SecondaryPrivateIpAddressCount is for private NAT gateways only; use SecondaryAllocationIds")
        }
        NatConnectivity::Public if wanted.secondary_private.len() > wanted.secondary_allocations.len() => {
            refuse("Each secondary private IPv4 address of a public NAT gateway needs a secondary Elastic IP address")
        }
        NatConnectivity::Private if wanted.allocation.is_some() || !wanted.secondary_allocations.is_empty() => {
            refuse("A private NAT gateway takes no Elastic IP address")
        }
        NatConnectivity::Private if wanted.secondary_count.is_some() && !wanted.secondary_private.is_empty() => {
            refuse("Specify SecondaryPrivateIpAddresses or SecondaryPrivateIpAddressCount, not both")
        }
        NatConnectivity::Public | NatConnectivity::Private => Ok(()),
    }
}

fn check_zone_limit(tx: &Tx, zone: Zone) -> Result<(), ControlError> {
    let here = |gateway: &NatGateway| {
        gateway.is_available() && matches!(gateway.place, NatPlace::Zonal { zone: its, .. } if its == zone)
    };
    let limit = tx.quotas().nat_gateways_per_zone;
    if tx.owned::<NatGateway>().filter(|gateway| here(gateway)).count() >= limit {
        let message = format!("Performing this operation would exceed the limit of {limit} NAT gateways");
        return Err(ControlError::new("NatGatewayLimitExceeded", message));
    }
    Ok(())
}

/// What AWS finds only after its answer.
fn reasons_to_fail(tx: &Tx, subnet: &Subnet, connectivity: NatConnectivity, eips: &[Arc<ElasticIp>]) -> Option<NatFailure> {
    match connectivity {
        NatConnectivity::Private => None,
        NatConnectivity::Public => check_free(eips).and_then(|()| check_internet_gateway(tx, subnet.vpc)).err(),
    }
}
