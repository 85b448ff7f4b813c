//! The CIDR blocks of a VPC. See "VPC CIDR blocks" in the VPC User Guide.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::internet::{LAB_IPV6, VPN_IPV6};
use openvpc_model::vpc::VpcBlock;
use openvpc_model::{RouteOrigin, RouteTable, Subnet, Vpc, VpcCidrAssociationId, VpcId};

use super::parts;
use crate::{ControlError, Tx, peerings};

/// Gives a VPC another IPv4 block.
///
/// # Errors
/// `InvalidVpc.Range` for a size or a combination of ranges that AWS doesn't allow ("IPv4 CIDR block association
/// restrictions"), `CidrLimitExceeded`, `CidrConflict` with a block or a route of the VPC.
pub fn associate_ipv4(tx: &mut Tx, id: VpcId, block: Ipv4Net) -> Result<VpcBlock<Ipv4Net>, ControlError> {
    let vpc = tx.find::<Vpc>(&id)?;
    let block = checked(block)?;
    if let Some(other) = vpc.ipv4_blocks.iter().find(|b| b.block.contains(&block) || block.contains(&b.block)) {
        return Err(conflict(format!("The CIDR '{block}' overlaps the block {} of the vpc '{id}'", other.block)));
    }
    let restricted = tx.quotas().restrict_secondary_blocks != 0;
    if let Some(present) = restricting(&vpc, block).filter(|_| restricted) {
        return Err(ControlError::new(
            "InvalidVpc.Range",
            format!(
                "The CIDR '{block}' is restricted beside {present}. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR."
            ),
        ));
    }
    check_limit(vpc.ipv4_blocks.len(), tx.quotas().ipv4_blocks_per_vpc, id)?;
    check_routes(tx, id, block.into())?;
    peerings::check_new_block(tx, id, block.into())?;
    let block = VpcBlock { association: tx.new_id(), block };
    tx.update::<Vpc, _>(&id, |vpc| vpc.ipv4_blocks.push(block.clone()))?;
    Ok(block)
}

/// Gives a VPC an Amazon-provided IPv6 block; the default network ACL and security groups that nobody changed then let
/// IPv6 through as they do IPv4.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `CidrLimitExceeded`, `CidrConflict` with a route of the VPC.
pub fn associate_ipv6(tx: &mut Tx, id: VpcId) -> Result<VpcBlock<Ipv6Net>, ControlError> {
    let vpc = tx.find::<Vpc>(&id)?;
    check_limit(vpc.ipv6_blocks.len(), tx.quotas().ipv6_blocks_per_vpc, id)?;
    let block = amazon_ipv6(tx)?;
    check_routes(tx, id, block.block.into())?;
    peerings::check_new_block(tx, id, block.block.into())?;
    tx.update::<Vpc, _>(&id, |vpc| vpc.ipv6_blocks.push(block.clone()))?;
    parts::allow_ipv6(tx, &vpc)?;
    Ok(block)
}

/// A block that left its VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disassociated {
    /// An IPv4 block.
    Ipv4(VpcId, VpcBlock<Ipv4Net>),
    /// An IPv6 block.
    Ipv6(VpcId, VpcBlock<Ipv6Net>),
}

/// Takes a block that no subnet uses from its VPC, and its local routes with it.
///
/// # Errors
/// `InvalidVpcCidrBlockAssociationID.NotFound`, `OperationNotPermitted` for the primary block, `DependencyViolation`.
pub fn disassociate(tx: &mut Tx, association: VpcCidrAssociationId) -> Result<Disassociated, ControlError> {
    let (vpc, found) = find(tx, association).ok_or_else(|| {
        let message = format!("The vpc CIDR block with association ID '{association}' does not exist");
        ControlError::new("InvalidVpcCidrBlockAssociationID.NotFound", message)
    })?;
    let block: IpNet = match &found {
        Disassociated::Ipv4(_, ipv4) if ipv4.block == vpc.primary_block() => {
            let message = format!(
                "The vpc CIDR block with association ID '{association}' may not be disassociated. It is the primary IPv4 CIDR block of the VPC"
            );
            return Err(ControlError::new("OperationNotPermitted", message));
        }
        Disassociated::Ipv4(_, ipv4) => ipv4.block.into(),
        Disassociated::Ipv6(_, ipv6) => ipv6.block.into(),
    };
    let uses = |subnet: &Subnet| match block {
        IpNet::V4(block) => subnet.ipv4_block.is_some_and(|b| block.contains(&b)),
        IpNet::V6(block) => subnet.ipv6_blocks.iter().any(|b| block.contains(&b.block)),
    };
    if let Some(subnet) = tx.network().subnets_of(vpc.id).find(|subnet| uses(subnet)) {
        return Err(ControlError::dependency(format!(
            "The block {block} of the vpc '{}' can't be disassociated: the subnet {} uses it.",
            vpc.id, subnet.id
        )));
    }
    let bends_it = |table: &RouteTable| table.vpc == vpc.id && table.routes.iter().any(|route| route.destination == block);
    let tables: Vec<_> = tx.owned::<RouteTable>().filter(|table| bends_it(table)).map(|table| table.id).collect();
    for id in tables {
        tx.update::<RouteTable, _>(&id, |table| table.routes.retain(|route| route.destination != block))?;
    }
    tx.update::<Vpc, _>(&vpc.id, |vpc| {
        vpc.ipv4_blocks.retain(|b| b.association != association);
        vpc.ipv6_blocks.retain(|b| b.association != association);
    })?;
    Ok(found)
}

/// A block of a size and in a range that a VPC may have, without host bits.
pub(super) fn checked(block: Ipv4Net) -> Result<Ipv4Net, ControlError> {
    let block = block.trunc();
    let invalid = |why: &str| Err(ControlError::new("InvalidVpc.Range", format!("The CIDR '{block}' is invalid: {why}.")));
    if !(16..=28).contains(&block.prefix_len()) {
        return invalid("a block has a size from /16 to /28");
    }
    match NEVER.iter().find(|range| range.contains(&block)) {
        Some(range) => invalid(&format!("no VPC may have addresses of {range}")),
        None => Ok(block),
    }
}

/// A random /56 that no VPC of any account has: all of them meet on one internet.
pub(super) fn amazon_ipv6(tx: &Tx) -> Result<VpcBlock<Ipv6Net>, ControlError> {
    let taken: HashSet<Ipv6Addr> =
        tx.network().all::<Vpc>().flat_map(|vpc| &vpc.ipv6_blocks).map(|block| block.block.network()).collect();
    let pools = tx.public_pools().ipv6;
    let blocks_of = |pool: &Ipv6Net| 1_u64 << 56_u8.saturating_sub(pool.prefix_len()).min(62);
    let first = tx.random();
    // Over all pools, from a random place on; a pool of none would be no pool.
    let all: u64 = pools.iter().map(blocks_of).fold(0, u64::saturating_add);
    let at = |step: u64| {
        let mut number = first.wrapping_add(step) % all;
        let pool = pools.iter().find(|pool| match number.checked_sub(blocks_of(pool)) {
            Some(rest) => {
                number = rest;
                false
            }
            None => true,
        })?;
        Some(Ipv6Addr::from(u128::from(pool.network()) | u128::from(number) << 72))
    };
    let free = |network: &Ipv6Addr| !LAB_IPV6.contains(network) && !VPN_IPV6.contains(network) && !taken.contains(network);
    let network = (0..all.min(1 << 24)).filter_map(at).find(free).ok_or_else(|| {
        let names: Vec<_> = pools.iter().map(Ipv6Net::to_string).collect();
        ControlError::new("InsufficientCidrBlocks", format!("There are not enough free IPv6 CIDR blocks in {}", names.join(", ")))
    })?;
    Ok(VpcBlock { association: tx.new_id(), block: Ipv6Net::new_assert(network, 56) })
}

const TEN: Ipv4Net = net(10, 0, 8);
const TEN_LOW: Ipv4Net = net(10, 0, 15);
const TEN_ZERO: Ipv4Net = net(10, 0, 16);
const SIXTEEN: Ipv4Net = net(172, 16, 12);
const DEFAULT_VPC: Ipv4Net = net(172, 31, 16);
const EIGHTEEN: Ipv4Net = net(192, 168, 16);
const PLUMBING: Ipv4Net = net(198, 19, 16);

/// "This network", loopback, link-local and multicast.
const NEVER: [Ipv4Net; 4] = [net(0, 0, 8), net(127, 0, 8), net(169, 254, 16), net(224, 0, 4)];

const fn net(a: u8, b: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), length)
}

/// The block of a VPC that forbids another: the table of association restrictions, row by row. AWS keeps the ranges apart
/// for its own plumbing between VPCs. A public block beside a private one forbids nothing more than the private one does:
/// a VPC of 10.4.0.0/16 and 100.64.0.0/16 may have 10.5.0.0/16, which the table's rows leave open between them.
fn restricting(vpc: &Vpc, block: Ipv4Net) -> Option<Ipv4Net> {
    let present = || vpc.ipv4_blocks.iter().map(|b| b.block);
    let is_own = |block: &Ipv4Net| [TEN, SIXTEEN, EIGHTEEN, PLUMBING].iter().any(|range| range.contains(block));
    let has_own = present().any(|block| is_own(&block));
    present().filter(|block| is_own(block) || !has_own).find(|present| is_restricted(*present, block))
}

fn is_restricted(present: Ipv4Net, block: Ipv4Net) -> bool {
    let in_any = |ranges: &[Ipv4Net]| ranges.iter().any(|range| range.contains(&block));
    if TEN.contains(&present) {
        in_any(&[SIXTEEN, EIGHTEEN, PLUMBING]) || (TEN_LOW.contains(&present) && TEN_ZERO.contains(&block))
    } else if SIXTEEN.contains(&present) {
        in_any(&[TEN, EIGHTEEN, DEFAULT_VPC, PLUMBING])
    } else if EIGHTEEN.contains(&present) {
        in_any(&[TEN, SIXTEEN, PLUMBING])
    } else if PLUMBING.contains(&present) {
        in_any(&[TEN, SIXTEEN, EIGHTEEN])
    } else {
        in_any(&[TEN, SIXTEEN, EIGHTEEN, PLUMBING])
    }
}

fn check_limit(present: usize, limit: usize, vpc: VpcId) -> Result<(), ControlError> {
    if present < limit {
        return Ok(());
    }
    let message = format!("This network {vpc} has met its maximum number of allowed CIDRs: {limit}");
    Err(ControlError::new("CidrLimitExceeded", message))
}

/// A new block's local route must not hide a route that somebody made: it may only be smaller than one.
fn check_routes(tx: &Tx, vpc: VpcId, block: IpNet) -> Result<(), ControlError> {
    let tables = tx.network().all::<RouteTable>().filter(|table| table.vpc == vpc);
    for (table, route) in tables.flat_map(|table| table.routes.iter().map(move |route| (table.id, route))) {
        if route.origin == RouteOrigin::CreateRoute
            && route.destination.block().is_some_and(|destination| block.contains(&destination))
        {
            return Err(conflict(format!(
                "The CIDR '{block}' is equal to or larger than the route {} of {table}",
                route.destination
            )));
        }
    }
    Ok(())
}

fn conflict(message: String) -> ControlError {
    ControlError::new("CidrConflict", message)
}

fn find(tx: &Tx, association: VpcCidrAssociationId) -> Option<(Arc<Vpc>, Disassociated)> {
    tx.owned::<Vpc>().find_map(|vpc| {
        let ipv4 = vpc.ipv4_blocks.iter().find(|b| b.association == association);
        let ipv6 = vpc.ipv6_blocks.iter().find(|b| b.association == association);
        let found = match (ipv4, ipv6) {
            (Some(block), _) => Disassociated::Ipv4(vpc.id, block.clone()),
            (None, Some(block)) => Disassociated::Ipv6(vpc.id, block.clone()),
            (None, None) => return None,
        };
        Some((Arc::clone(vpc), found))
    })
}
