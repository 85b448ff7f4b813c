//! NAT gateways. See "NAT gateways" in the VPC User Guide.
//!
//! A zonal gateway is a requester-managed interface in a subnet, whose addresses have Elastic IPs when it is public. A
//! regional one has no interface: Elastic IPs by zone, and a route table of its own. What AWS finds out only after its
//! answer, such as that the VPC has no internet gateway, makes a gateway that [`NatFailure`] says the reason of.

mod addresses;
mod regional;
mod zonal;

use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};
use openvpc_model::nat::{NatAddress, NatConnectivity, NatElasticIp, NatFailure, NatPlace};
use openvpc_model::{
    AllocationId, ElasticIp, NatGateway, NatGatewayId, RouteDestination, RouteTable, RouteTarget, SubnetId, Tags, VpcId, Zone,
};
use serde::Serialize;

use crate::{ControlError, Missing, Tx, interfaces, retention, routes};

pub use addresses::{assign_private, associate, disassociate, unassign_private};
pub(crate) use regional::follow_interface;
pub use zonal::Zonal;

/// How long AWS shows a gateway that was deleted or failed.
const SHOWN_FOR_MS: u64 = 60 * 60 * 1000;

/// The IPv6 addresses that stand for IPv4 ones, which a gateway translates: 64:ff9b::/96.
const NAT64: Ipv6Net = Ipv6Net::new_assert(std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// What CreateNatGateway is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateNatGateway {
    /// Where it is to be, with its addresses.
    pub place: Place,
    /// What it is to lead to.
    pub connectivity: NatConnectivity,
    /// Tags.
    pub tags: Tags,
}

/// Where a new gateway is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Place {
    /// In all zones of a VPC, or those named with their Elastic IPs.
    Regional {
        /// The VPC.
        vpc: VpcId,
        /// The zones; none for those where the VPC has interfaces, with Elastic IPs that the gateway allocates itself.
        addresses: Vec<(Zone, Vec<AllocationId>)>,
    },
    /// In a subnet.
    Zonal {
        /// The subnet.
        subnet: SubnetId,
        /// The addresses there.
        addresses: Zonal,
    },
}

/// Makes a gateway, which works when this returns, or has failed.
///
/// # Errors
/// `InvalidSubnetID.NotFound`, `InvalidVpcID.NotFound`, `InvalidElasticIpID.NotFound`, `MissingParameter` for a public
/// gateway without an Elastic IP, `InvalidParameterCombination`, `NatGatewayLimitExceeded`, `AddressLimitExceeded`,
/// `PrivateIpAddressLimitExceeded`, `InvalidIPAddress.InUse` and `InvalidParameterValue` for private addresses.
pub fn create(tx: &mut Tx, request: CreateNatGateway) -> Result<NatGatewayId, ControlError> {
    let CreateNatGateway { place, connectivity, tags } = request;
    let id = tx.new_id();
    let made = match place {
        Place::Regional { vpc, addresses } => regional::make(tx, id, vpc, connectivity, addresses)?,
        Place::Zonal { subnet, addresses } => zonal::make(tx, id, subnet, connectivity, addresses)?,
    };
    let (owner, created_at) = (tx.owner().clone(), tx.now());
    let Made { vpc, place, addresses, failure } = made;
    tx.put(NatGateway { id, owner, vpc, place, connectivity, addresses, failure, created_at, deleted_at: None, tags });
    Ok(id)
}

/// Deletes a gateway: its Elastic IPs are free again, its routes become blackholes.
///
/// # Errors
/// `NatGatewayNotFound`.
pub fn delete(tx: &mut Tx, id: NatGatewayId) -> Result<(), ControlError> {
    let gateway = find(tx, id)?;
    match gateway.place {
        NatPlace::Regional { .. } => regional::unmake(tx, &gateway)?,
        NatPlace::Zonal { eni: Some(eni), .. } => interfaces::delete_managed(tx, eni)?,
        NatPlace::Zonal { eni: None, .. } => {}
    }
    let now = tx.now();
    tx.update::<NatGateway, _>(&id, |gateway| gateway.deleted_at = Some(now))
}

/// Forgets the gateways that were deleted, or failed, long enough ago. In all accounts.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let is_over = |gateway: &NatGateway| {
        let failed_at = gateway.failure.is_some().then_some(gateway.created_at);
        retention::is_over(gateway.deleted_at.or(failed_at), SHOWN_FOR_MS, now)
    };
    let old: Vec<_> = tx.network().all::<NatGateway>().filter(|gateway| is_over(gateway)).map(|gateway| gateway.id).collect();
    for id in old {
        tx.remove::<NatGateway>(&id);
    }
}

/// A gateway as the target of a route: one that works, of the same VPC, for what it can translate.
pub(crate) fn route_target(
    tx: &Tx,
    table: &RouteTable,
    destination: RouteDestination,
    id: NatGatewayId,
) -> Result<RouteTarget, ControlError> {
    let gateway = working(tx, id)?;
    if gateway.vpc != table.vpc {
        return Err(routes::other_network(table, format_args!("NAT gateway {id}")));
    }
    if let RouteDestination::Block(IpNet::V6(block)) = destination
        && !NAT64.contains(&block)
    {
        let message = format!("The NAT gateway {id} takes IPv6 packets to {NAT64} alone, not to {block}.");
        return Err(ControlError::invalid_value(message));
    }
    Ok(RouteTarget::NatGateway(id))
}

/// What the two kinds of making have in common: what a gateway consists of.
struct Made {
    vpc: VpcId,
    place: NatPlace,
    addresses: Vec<NatAddress>,
    failure: Option<NatFailure>,
}

/// A gateway that wasn't deleted.
fn find(tx: &Tx, id: NatGatewayId) -> Result<Arc<NatGateway>, ControlError> {
    let gateway = tx.find::<NatGateway>(&id)?;
    if gateway.deleted_at.is_some() { Err(NatGateway::missing(&id)) } else { Ok(gateway) }
}

/// A gateway that works.
fn working(tx: &Tx, id: NatGatewayId) -> Result<Arc<NatGateway>, ControlError> {
    let gateway = find(tx, id)?;
    if gateway.is_available() { Ok(gateway) } else { Err(NatGateway::missing(&id)) }
}

/// The allocations, each once.
fn allocations(tx: &Tx, ids: &[AllocationId]) -> Result<Vec<Arc<ElasticIp>>, ControlError> {
    if let Some((_, twice)) = ids.iter().enumerate().find(|(at, id)| ids[..*at].contains(id)) {
        return Err(ControlError::invalid_value(format!("The Elastic IP address {twice} is named twice")));
    }
    let find = |id: &AllocationId| {
        let missing = |_| ControlError::new("InvalidElasticIpID.NotFound", format!("The elasticIp ID '{id}' does not exist"));
        tx.find::<ElasticIp>(id).map_err(missing)
    };
    ids.iter().map(find).collect()
}

/// The error when one of the addresses is in use.
fn check_free(eips: &[Arc<ElasticIp>]) -> Result<(), NatFailure> {
    match eips.iter().find(|eip| eip.association.is_some() || eip.nat_gateway.is_some()) {
        None => Ok(()),
        Some(taken) => Err(NatFailure {
            code: "Resource.AlreadyAssociated".to_owned(),
            message: format!("Elastic IP address {} is already associated", taken.id),
        }),
    }
}

/// The error when a VPC has no way to the internet.
fn check_internet_gateway(tx: &Tx, vpc: VpcId) -> Result<(), NatFailure> {
    match tx.network().internet_gateway_of(vpc) {
        Some(_) => Ok(()),
        None => Err(NatFailure {
            code: "Gateway.NotAttached".to_owned(),
            message: format!("Network {vpc} has no Internet gateway attached"),
        }),
    }
}

/// An Elastic IP that a gateway asked for and didn't get.
fn unassociated(eip: &ElasticIp) -> NatElasticIp {
    NatElasticIp { allocation: eip.id, address: eip.address, association: None }
}
