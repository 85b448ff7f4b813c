//! Associations of Direct Connect gateways with gateways of regions. See "Direct Connect gateways" in the Direct Connect
//! User Guide.

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::direct_connect::{AssociableGateway, AssociatedGateway};
use openvpc_model::{
    AccountId, DirectConnectAssociation, DirectConnectAssociationId, DirectConnectGateway, DirectConnectGatewayId, Network,
    Owner, TransitGateway, Vpc, VpnGateway, VpnGatewayId,
};

use super::{gateway_of, refused, transit};
use crate::{ControlError, Tx};

/// Virtual private gateways, transit gateways and, of one of these, allowed prefixes that a Direct Connect gateway takes.
/// See "Direct Connect quotas".
const MOST_VPN_GATEWAYS: usize = 20;
const MOST_TRANSIT_GATEWAYS: usize = 6;
const MOST_PREFIXES: usize = 200;

/// Associates a gateway of the caller with a Direct Connect gateway of the caller.
///
/// # Errors
/// `DirectConnectClientException` when one of the two doesn't exist, for a virtual private gateway without a VPC or whose
/// VPC overlaps another one, a transit gateway of equal number or without prefixes, prefixes that overlap those of another,
/// both kinds of gateways on one Direct Connect gateway, too many.
pub fn create(
    tx: &mut Tx,
    gateway: DirectConnectGatewayId,
    with: AssociableGateway,
    allowed: Vec<IpNet>,
) -> Result<DirectConnectAssociationId, ControlError> {
    let account = tx.owner().account;
    make(tx, &*gateway_of(tx.network(), account, gateway)?, account, with, allowed)
}

/// [`create`] for a gateway of `account`, once both owners agree.
pub(super) fn make(
    tx: &mut Tx,
    gateway: &DirectConnectGateway,
    account: AccountId,
    with: AssociableGateway,
    allowed: Vec<IpNet>,
) -> Result<DirectConnectAssociationId, ControlError> {
    let owner = owner_of(tx.network(), account, with)?;
    let allowed = match with {
        AssociableGateway::VpnGateway(id) => check_vpn_gateway(tx, gateway, id, allowed)?,
        AssociableGateway::TransitGateway(id) => check_transit_gateway(tx, gateway, id, allowed)?,
    };
    let id = DirectConnectAssociationId::from_random([tx.random(), tx.random()]);
    let with = match with {
        AssociableGateway::VpnGateway(id) => AssociatedGateway::VpnGateway(id),
        AssociableGateway::TransitGateway(transit_gateway) => {
            let attachment = transit::attach(tx, transit_gateway, gateway.id)?;
            AssociatedGateway::TransitGateway(transit_gateway, attachment)
        }
    };
    let (gateway, gateway_account) = (gateway.id, gateway.owner.account);
    tx.put(DirectConnectAssociation { id, owner, gateway, gateway_account, with, allowed_prefixes: allowed });
    Ok(id)
}

/// Changes the allowed prefixes of an association.
///
/// # Errors
/// `DirectConnectClientException` as for [`create`], and for a transit gateway that would have none left.
pub fn update(tx: &mut Tx, id: DirectConnectAssociationId, add: &[IpNet], remove: &[IpNet]) -> Result<(), ControlError> {
    let found = find(tx, id)?;
    let mut association = (*found).clone();
    association.allowed_prefixes.retain(|prefix| !remove.contains(prefix));
    for prefix in add {
        if !association.allowed_prefixes.contains(prefix) {
            association.allowed_prefixes.push(*prefix);
        }
    }
    match association.with {
        AssociatedGateway::VpnGateway(id) if association.allowed_prefixes.is_empty() => {
            association.allowed_prefixes = vpc_of(tx.network(), id).map(|vpc| blocks(&vpc)).unwrap_or_default();
        }
        AssociatedGateway::VpnGateway(_) => {}
        AssociatedGateway::TransitGateway(..) => {
            check_prefixes(tx, association.gateway, Some(id), &association.allowed_prefixes)?;
        }
    }
    tx.put(association);
    Ok(())
}

/// Ends an association, as the owner of either gateway.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn delete(tx: &mut Tx, id: DirectConnectAssociationId) -> Result<Arc<DirectConnectAssociation>, ControlError> {
    let association = find(tx, id)?;
    if let AssociatedGateway::TransitGateway(_, attachment) = association.with {
        transit::detach(tx, attachment)?;
    }
    tx.remove::<DirectConnectAssociation>(&id);
    Ok(association)
}

/// The association of a Direct Connect gateway with a virtual private gateway, as an account sees it.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn between(
    network: &Network,
    account: AccountId,
    gateway: DirectConnectGatewayId,
    with: VpnGatewayId,
) -> Result<DirectConnectAssociationId, ControlError> {
    let found = of_vpn_gateway(network, with).filter(|a| a.gateway == gateway && is_visible(a, account));
    let missing = || refused(format!("The association of {gateway} with {with} does not exist."));
    found.map(|association| association.id).ok_or_else(missing)
}

/// The associations that an account sees: those of its gateways of either kind, in any region.
pub fn visible(network: &Network, account: AccountId) -> impl Iterator<Item = &Arc<DirectConnectAssociation>> {
    network.all::<DirectConnectAssociation>().filter(move |association| is_visible(association, account))
}

/// What is announced to the premises through an association. See "Allowed prefixes interactions" in the Direct Connect User
/// Guide.
pub fn announced(network: &Network, association: &DirectConnectAssociation) -> Vec<IpNet> {
    let allowed = &association.allowed_prefixes;
    match association.with {
        AssociatedGateway::TransitGateway(..) => allowed.clone(),
        AssociatedGateway::VpnGateway(id) => {
            let mut blocks = vpc_of(network, id).map(|vpc| blocks(&vpc)).unwrap_or_default();
            blocks.retain(|block| allowed.iter().any(|allowed| allowed.contains(block)));
            blocks
        }
    }
}

pub(super) fn of_vpn_gateway(network: &Network, id: VpnGatewayId) -> Option<&Arc<DirectConnectAssociation>> {
    network.all::<DirectConnectAssociation>().find(|association| association.with == AssociatedGateway::VpnGateway(id))
}

/// The owner of a gateway of an account, which may be in any region.
pub(super) fn owner_of(network: &Network, account: AccountId, gateway: AssociableGateway) -> Result<Owner, ControlError> {
    let owner = match gateway {
        AssociableGateway::VpnGateway(id) => {
            network.get::<VpnGateway>(&id).filter(|gateway| gateway.deleted_at.is_none()).map(|gateway| gateway.owner.clone())
        }
        AssociableGateway::TransitGateway(id) => {
            network.get::<TransitGateway>(&id).filter(|gateway| gateway.deleted_at.is_none()).map(|gateway| gateway.owner.clone())
        }
    };
    let owner = owner.filter(|owner| owner.account == account);
    owner.ok_or_else(|| refused(format!("Gateway {gateway} does not exist.")))
}

fn find(tx: &Tx, id: DirectConnectAssociationId) -> Result<Arc<DirectConnectAssociation>, ControlError> {
    let found = tx.network().get::<DirectConnectAssociation>(&id);
    let found = found.filter(|association| is_visible(association, tx.owner().account));
    found.cloned().ok_or_else(|| refused(format!("Direct Connect Gateway Association {id} does not exist.")))
}

fn is_visible(association: &DirectConnectAssociation, account: AccountId) -> bool {
    association.owner.account == account || association.gateway_account == account
}

fn of_gateway(network: &Network, id: DirectConnectGatewayId) -> impl Iterator<Item = &Arc<DirectConnectAssociation>> {
    network.all::<DirectConnectAssociation>().filter(move |association| association.gateway == id)
}

fn check_vpn_gateway(
    tx: &Tx,
    gateway: &DirectConnectGateway,
    id: VpnGatewayId,
    allowed: Vec<IpNet>,
) -> Result<Vec<IpNet>, ControlError> {
    if let Some(other) = of_vpn_gateway(tx.network(), id) {
        return Err(refused(format!(
            "Virtual Gateway {id} is already associated with Direct Connect Gateway {}.",
            other.gateway
        )));
    }
    let vpc = vpc_of(tx.network(), id).ok_or_else(|| refused(format!("Virtual Gateway {id} is not attached to a VPC.")))?;
    let mut count = 0;
    for other in of_gateway(tx.network(), gateway.id) {
        let AssociatedGateway::VpnGateway(other_id) = other.with else {
            return Err(refused(format!("Direct Connect Gateway {} is associated with transit gateways.", gateway.id)));
        };
        count += 1;
        let theirs = vpc_of(tx.network(), other_id).map(|vpc| blocks(&vpc)).unwrap_or_default();
        if let Some(block) = blocks(&vpc).into_iter().find(|block| overlaps_any(&theirs, block)) {
            return Err(refused(format!("The block {block} of {} overlaps that of the VPC of {other_id}.", vpc.id)));
        }
    }
    check_count(count, MOST_VPN_GATEWAYS, gateway.id)?;
    Ok(if allowed.is_empty() { blocks(&vpc) } else { allowed })
}

fn check_transit_gateway(
    tx: &Tx,
    gateway: &DirectConnectGateway,
    id: openvpc_model::TransitGatewayId,
    allowed: Vec<IpNet>,
) -> Result<Vec<IpNet>, ControlError> {
    let asn = tx.network().get::<TransitGateway>(&id).map(|transit| transit.options.amazon_side_asn);
    if asn == Some(gateway.asn) {
        return Err(refused(format!(
            "Transit Gateway {id} has the ASN of Direct Connect Gateway {}: {}.",
            gateway.id, gateway.asn
        )));
    }
    let mut count = 0;
    for other in of_gateway(tx.network(), gateway.id) {
        match other.with {
            AssociatedGateway::VpnGateway(_) => {
                return Err(refused(format!("Direct Connect Gateway {} is associated with virtual gateways.", gateway.id)));
            }
            AssociatedGateway::TransitGateway(present, _) if present == id => {
                return Err(refused(format!("Transit Gateway {id} is already associated with {}.", gateway.id)));
            }
            AssociatedGateway::TransitGateway(..) => count += 1,
        }
    }
    check_count(count, MOST_TRANSIT_GATEWAYS, gateway.id)?;
    check_prefixes(tx, gateway.id, None, &allowed)?;
    Ok(allowed)
}

/// The prefixes of transit gateways are announced as they are, so those of two must not overlap.
fn check_prefixes(
    tx: &Tx,
    gateway: DirectConnectGatewayId,
    own: Option<DirectConnectAssociationId>,
    allowed: &[IpNet],
) -> Result<(), ControlError> {
    if allowed.is_empty() {
        return Err(refused("Allowed prefixes are required for a transit gateway."));
    }
    if allowed.len() > MOST_PREFIXES {
        return Err(refused(format!("A transit gateway has {MOST_PREFIXES} allowed prefixes at most.")));
    }
    for other in of_gateway(tx.network(), gateway).filter(|other| Some(other.id) != own) {
        if let Some(prefix) = allowed.iter().find(|prefix| overlaps_any(&other.allowed_prefixes, prefix)) {
            return Err(refused(format!("The allowed prefix {prefix} overlaps one of association {}.", other.id)));
        }
    }
    Ok(())
}

fn check_count(present: usize, most: usize, gateway: DirectConnectGatewayId) -> Result<(), ControlError> {
    if present < most {
        return Ok(());
    }
    Err(refused(format!("Direct Connect Gateway {gateway} has {most} associations, which is the most.")))
}

fn vpc_of(network: &Network, id: VpnGatewayId) -> Option<Arc<Vpc>> {
    network.get::<Vpc>(&network.get::<VpnGateway>(&id)?.vpc?).cloned()
}

fn blocks(vpc: &Vpc) -> Vec<IpNet> {
    let v4 = vpc.ipv4_blocks.iter().map(|block| IpNet::V4(block.block));
    v4.chain(vpc.ipv6_blocks.iter().map(|block| IpNet::V6(block.block))).collect()
}

fn overlaps_any(blocks: &[IpNet], block: &IpNet) -> bool {
    blocks.iter().any(|other| other.contains(block) || block.contains(other))
}
