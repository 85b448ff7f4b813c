//! VPC peering connections. See the VPC Peering Guide.

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::peering::overlap;
use openvpc_model::{
    AccountId, Network, Owner, Peering, PeeringId, PeeringSide, PeeringState, Region, RouteTable, RouteTarget, Tags, UnixMillis,
    Vpc, VpcId,
};

use crate::routes::other_network;
use crate::{ControlError, Missing, Tx};

const HOUR_MS: u64 = 60 * 60 * 1000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// What CreateVpcPeeringConnection is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePeering {
    /// The requester's VPC.
    pub vpc: VpcId,
    /// The accepter's VPC.
    pub peer_vpc: VpcId,
    /// The accepter; none for the caller.
    pub peer_account: Option<AccountId>,
    /// The accepter's region; none for the caller's.
    pub peer_region: Option<Region>,
    /// Tags.
    pub tags: Tags,
}

/// Asks for a connection. What can't become one is made all the same, in the state failed; an identical request that
/// still waits is given again.
///
/// # Errors
/// `InvalidVpcID.NotFound` for a VPC of the caller's account, `VpcPeeringConnectionAlreadyExists`, `InvalidParameterValue`
/// for a VPC with itself, `OutstandingVpcPeeringConnectionLimitExceeded`, `VpcPeeringConnectionsPerVpcLimitExceeded`.
pub fn create(tx: &mut Tx, request: CreatePeering) -> Result<PeeringId, ControlError> {
    let vpc = tx.find::<Vpc>(&request.vpc)?;
    let peer_owner = Owner {
        account: request.peer_account.unwrap_or(tx.owner().account),
        region: request.peer_region.unwrap_or_else(|| tx.owner().region.clone()),
    };
    if vpc.id == request.peer_vpc {
        return Err(ControlError::invalid_value(format!("A VPC can't be peered with itself: {}", vpc.id)));
    }
    let peer = tx.network().get::<Vpc>(&request.peer_vpc).filter(|peer| peer.owner == peer_owner).cloned();
    if peer.is_none() && peer_owner.account == vpc.owner.account {
        return Err(Vpc::missing(&request.peer_vpc));
    }
    if let Some(existing) = living_between(tx, vpc.id, request.peer_vpc) {
        if existing.requester.vpc == vpc.id && !existing.is_active() {
            return Ok(existing.id);
        }
        return Err(ControlError::new(
            "VpcPeeringConnectionAlreadyExists",
            format!("A VPC peering connection {} already exists between {} and {}", existing.id, vpc.id, request.peer_vpc),
        ));
    }
    check_outstanding(tx)?;
    check_active(tx, vpc.id, "VpcPeeringConnectionsPerVpcLimitExceeded")?;
    let fits = peer.as_ref().is_some_and(|peer| overlap(&vpc, peer).is_none());
    let side = |owner: Owner, vpc: VpcId, tags: Tags| PeeringSide {
        owner,
        vpc,
        ipv4_blocks: Vec::new(),
        ipv6_blocks: Vec::new(),
        allow_dns_resolution_from_remote: false,
        tags,
    };
    let mut peering = Peering {
        id: tx.new_id(),
        requester: side(vpc.owner.clone(), vpc.id, request.tags),
        accepter: side(peer_owner, request.peer_vpc, Tags::new()),
        state: PeeringState::PendingAcceptance,
        created_at: tx.now(),
    };
    if !fits {
        end(tx, &mut peering, PeeringState::Failed { at: tx.now() });
    }
    let id = peering.id;
    tx.put(peering);
    Ok(id)
}

/// Accepts a request. Where the blocks have come to overlap since it was made, it fails.
///
/// # Errors
/// `InvalidVpcPeeringConnectionID.NotFound`, `OperationNotPermitted` for anyone but the accepter in the accepter's region,
/// `InvalidStateTransition`, `ActiveVpcPeeringConnectionPerVpcLimitExceeded`.
pub fn accept(tx: &mut Tx, id: PeeringId) -> Result<(), ControlError> {
    let mut peering = as_accepter(tx, id, "accept")?;
    check_transition(tx, &peering, "active")?;
    for side in peering.sides() {
        check_active(tx, side.vpc, "ActiveVpcPeeringConnectionPerVpcLimitExceeded")?;
    }
    let network = tx.network();
    let vpc = |side: &PeeringSide| network.get::<Vpc>(&side.vpc).filter(|vpc| vpc.owner == side.owner).cloned();
    let fits = match (vpc(&peering.requester), vpc(&peering.accepter)) {
        (Some(requester), Some(accepter)) => overlap(&requester, &accepter).is_none(),
        _ => false,
    };
    if fits {
        peering.state = PeeringState::Active;
    } else {
        end(tx, &mut peering, PeeringState::Failed { at: tx.now() });
    }
    tx.put(peering);
    Ok(())
}

/// Refuses a request.
///
/// # Errors
/// As [`accept`].
pub fn reject(tx: &mut Tx, id: PeeringId) -> Result<(), ControlError> {
    let mut peering = as_accepter(tx, id, "reject")?;
    check_transition(tx, &peering, "rejected")?;
    end(tx, &mut peering, PeeringState::Rejected { at: tx.now() });
    tx.put(peering);
    Ok(())
}

/// Ends a connection: either side an active one, the requester its own request. Routes to it become blackholes.
///
/// # Errors
/// `InvalidVpcPeeringConnectionID.NotFound`, `OperationNotPermitted` when the accepter would delete a request,
/// `InvalidStateTransition`.
pub fn delete(tx: &mut Tx, id: PeeringId) -> Result<(), ControlError> {
    let mut peering = find(tx, id)?;
    match peering.state(tx.now()) {
        PeeringState::Active => {}
        PeeringState::PendingAcceptance if peering.requester.owner.account == tx.owner().account => {}
        PeeringState::PendingAcceptance => {
            let message = format!(
                "User {} cannot delete the request {id}, which only its requester may; reject it instead",
                tx.owner().account
            );
            return Err(ControlError::new("OperationNotPermitted", message));
        }
        state => return Err(invalid_transition(id, &state, "deleting")),
    }
    let by = tx.owner().clone();
    end(tx, &mut peering, PeeringState::Deleted { at: tx.now(), by });
    tx.put(peering);
    Ok(())
}

/// Changes the options of one side or both: whether its names resolve to private addresses at the other side.
///
/// # Errors
/// `OperationNotPermitted` unless the connection is active and the side the caller's own (account and region);
/// `InvalidVpcPeeringConnectionState.DnsHostnamesDisabled`; `InvalidParameterCombination` when nothing is asked for.
pub fn modify_options(tx: &mut Tx, id: PeeringId, requester: Option<bool>, accepter: Option<bool>) -> Result<(), ControlError> {
    let mut peering = find(tx, id)?;
    if !peering.is_active() {
        let message = format!("Peering {id} is not active. Peering options can be added only to active peerings.");
        return Err(ControlError::new("OperationNotPermitted", message));
    }
    let caller = tx.owner().clone();
    for (name, asked, side) in [("requester", requester, &peering.requester), ("accepter", accepter, &peering.accepter)] {
        if asked.is_some() && side.owner != caller {
            let message = format!(
                "The {name}'s options of {id} may only be changed by account {} in region {}",
                side.owner.account, side.owner.region
            );
            return Err(ControlError::new("OperationNotPermitted", message));
        }
    }
    if requester == Some(true) || accepter == Some(true) {
        let has_names = |side: &&PeeringSide| tx.network().get::<Vpc>(&side.vpc).is_some_and(|vpc| vpc.enable_dns_hostnames);
        if let Some(side) = peering.sides().into_iter().find(|side| !has_names(side)) {
            let message = format!(
                "To enable DNS hostname resolution for the VPC peering connection, DNS hostname support must be enabled for the VPCs; it isn't for {}",
                side.vpc
            );
            return Err(ControlError::new("InvalidVpcPeeringConnectionState.DnsHostnamesDisabled", message));
        }
    }
    for (asked, side) in [(requester, &mut peering.requester), (accepter, &mut peering.accepter)] {
        if let Some(allow) = asked {
            side.allow_dns_resolution_from_remote = allow;
        }
    }
    tx.put(peering);
    Ok(())
}

/// The connections that an account sees in a region at that time.
pub fn visible<'a>(network: &'a Network, viewer: &'a Owner, now: UnixMillis) -> impl Iterator<Item = &'a Arc<Peering>> {
    network.all::<Peering>().filter(move |peering| is_visible(peering, viewer, now))
}

/// Whether an account sees a connection in a region. See "VPC peering connection lifecycle" in the VPC Peering Guide.
pub fn is_visible(peering: &Peering, viewer: &Owner, now: UnixMillis) -> bool {
    let is_requester = peering.requester.owner == *viewer;
    if !is_requester && peering.accepter.owner != *viewer {
        return false;
    }
    let one_account = peering.requester.owner.account == peering.accepter.owner.account;
    let (at, shown_for) = match peering.state(now) {
        PeeringState::PendingAcceptance | PeeringState::Active => return true,
        PeeringState::Failed { at } => (at, if is_requester { 2 * HOUR_MS } else { 0 }),
        PeeringState::Expired { at } => (at, 2 * DAY_MS),
        PeeringState::Rejected { at } => (at, if is_requester && !one_account { 2 * DAY_MS } else { 2 * HOUR_MS }),
        PeeringState::Deleted { at, by } => (at, if by.account == viewer.account { 2 * HOUR_MS } else { 2 * DAY_MS }),
    };
    now.0.saturating_sub(at.0) < shown_for
}

/// The target of a route to a connection of the table's VPC. One that isn't active yet, or any more, is a blackhole.
///
/// # Errors
/// `InvalidVpcPeeringConnectionID.NotFound`, `InvalidParameterValue` for a connection of other VPCs.
pub(crate) fn route_target(tx: &Tx, table: &RouteTable, id: PeeringId) -> Result<RouteTarget, ControlError> {
    let peering = find(tx, id)?;
    match peering.state(tx.now()) {
        PeeringState::PendingAcceptance | PeeringState::Active => {}
        _ => return Err(Peering::missing(&id)),
    }
    if peering.far_side(table.vpc).is_none() {
        return Err(other_network(table, format_args!("vpc peering connection {id}")));
    }
    Ok(RouteTarget::Peering(id))
}

/// The active connection over which security groups of two VPCs of one region may name each other.
pub fn referencing(network: &Network, one: VpcId, other: VpcId) -> Option<&Arc<Peering>> {
    network.all::<Peering>().find(|peering| peering.is_active() && peering.is_same_region() && peering.joins(one, other))
}

/// The connection that a rule which names a group of another VPC is about: the active one, else the last there was.
pub fn named_by_rule(network: &Network, one: VpcId, other: VpcId) -> Option<&Arc<Peering>> {
    let joins = network.all::<Peering>().filter(|peering| peering.is_same_region() && peering.joins(one, other));
    joins.max_by_key(|peering| (peering.is_active(), peering.created_at))
}

/// Whether a VPC with peering connections may have another block. See "VPC CIDR blocks" in the VPC User Guide.
///
/// # Errors
/// `CidrConflict` with the VPC at the other end of an active connection, `OperationNotPermitted` while a request of the
/// VPC waits.
pub(crate) fn check_new_block(tx: &Tx, vpc: VpcId, block: IpNet) -> Result<(), ControlError> {
    for peering in tx.network().all::<Peering>() {
        let Some(far) = peering.far_side(vpc) else { continue };
        match peering.state(tx.now()) {
            PeeringState::PendingAcceptance if peering.requester.vpc == vpc => {
                let message = format!("The vpc '{vpc}' takes no further block while its peering request {} waits", peering.id);
                return Err(ControlError::new("OperationNotPermitted", message));
            }
            PeeringState::Active => {
                let far_vpc = tx.network().get::<Vpc>(&far.vpc);
                let clash = far_vpc.and_then(|vpc| vpc.blocks().find(|far| far.contains(&block) || block.contains(far)));
                if let Some(clash) = clash {
                    let message =
                        format!("The CIDR '{block}' overlaps {clash} of {}, which is peered by {}", far.vpc, peering.id);
                    return Err(ControlError::new("CidrConflict", message));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What becomes of a VPC's connections when it is deleted: active ones and its own requests end with it. See "Delete a VPC
/// peering connection" in the VPC Peering Guide.
///
/// # Errors
/// `DependencyViolation` while a request of another account waits for an answer.
pub(crate) fn end_with_vpc(tx: &mut Tx, vpc: VpcId) -> Result<(), ControlError> {
    let now = tx.now();
    let is_alive = |p: &&Arc<Peering>| matches!(p.state(now), PeeringState::PendingAcceptance | PeeringState::Active);
    let mine = tx.network().all::<Peering>().filter(|p| p.far_side(vpc).is_some()).filter(is_alive).cloned();
    for peering in mine.collect::<Vec<_>>() {
        let mut peering = Peering::clone(&peering);
        if !peering.is_active() && peering.requester.owner.account != tx.owner().account {
            let message = format!(
                "The vpc '{vpc}' has dependencies and cannot be deleted: reject the peering request {} first.",
                peering.id
            );
            return Err(ControlError::dependency(message));
        }
        let by = tx.owner().clone();
        end(tx, &mut peering, PeeringState::Deleted { at: now, by });
        tx.put(peering);
    }
    Ok(())
}

/// Forgets connections that nobody sees any more.
pub(crate) fn prune(tx: &mut Tx) {
    let now = tx.now();
    let seen = |peering: &Peering| peering.sides().into_iter().any(|side| is_visible(peering, &side.owner, now));
    let old: Vec<PeeringId> = tx.network().all::<Peering>().filter(|peering| !seen(peering)).map(|p| p.id).collect();
    for id in old {
        tx.remove::<Peering>(&id);
    }
}

/// The state's code in `status`.
pub fn code(state: &PeeringState) -> &'static str {
    match state {
        PeeringState::PendingAcceptance => "pending-acceptance",
        PeeringState::Active => "active",
        PeeringState::Failed { .. } => "failed",
        PeeringState::Rejected { .. } => "rejected",
        PeeringState::Expired { .. } => "expired",
        PeeringState::Deleted { .. } => "deleted",
    }
}

/// Ends a connection, keeping what it is to be shown with.
fn end(tx: &Tx, peering: &mut Peering, state: PeeringState) {
    for side in [&mut peering.requester, &mut peering.accepter] {
        (side.ipv4_blocks, side.ipv6_blocks) = side.blocks(tx.network(), false);
    }
    peering.state = state;
}

/// A connection that the caller sees.
fn find(tx: &Tx, id: PeeringId) -> Result<Peering, ControlError> {
    let found = tx.network().get::<Peering>(&id).filter(|peering| is_visible(peering, tx.owner(), tx.now()));
    found.map(|peering| Peering::clone(peering)).ok_or_else(|| Peering::missing(&id))
}

/// A connection that the caller is asked for.
fn as_accepter(tx: &Tx, id: PeeringId, verb: &str) -> Result<Peering, ControlError> {
    let peering = find(tx, id)?;
    let (caller, accepter) = (tx.owner(), &peering.accepter.owner);
    if caller == accepter {
        return Ok(peering);
    }
    let message = if caller.account == accepter.account {
        format!(
            "Incorrect region ( {} ) specified for this request. VPC peering connection {id} must be {verb}ed in region {}",
            caller.region, accepter.region
        )
    } else {
        format!("User {} cannot {verb} peering {id}", caller.account)
    };
    Err(ControlError::new("OperationNotPermitted", message))
}

fn check_transition(tx: &Tx, peering: &Peering, to: &str) -> Result<(), ControlError> {
    match peering.state(tx.now()) {
        PeeringState::PendingAcceptance => Ok(()),
        state => Err(invalid_transition(peering.id, &state, to)),
    }
}

fn invalid_transition(id: PeeringId, from: &PeeringState, to: &str) -> ControlError {
    let message = format!("Invalid state transition for {id}, attempted to transition from {} to {to}", code(from));
    ControlError::new("InvalidStateTransition", message)
}

/// The connection of two VPCs that is active or may become so.
fn living_between(tx: &Tx, one: VpcId, other: VpcId) -> Option<Arc<Peering>> {
    let alive = |p: &Peering| matches!(p.state(tx.now()), PeeringState::PendingAcceptance | PeeringState::Active);
    tx.network().all::<Peering>().find(|peering| peering.joins(one, other) && alive(peering)).cloned()
}

fn check_outstanding(tx: &Tx) -> Result<(), ControlError> {
    let limit = tx.quotas().outstanding_peerings;
    let waits = |p: &&Arc<Peering>| p.state(tx.now()) == PeeringState::PendingAcceptance;
    if tx.owned::<Peering>().filter(waits).count() < limit {
        return Ok(());
    }
    let message = format!("The maximum number of outstanding VPC peering connection requests has been reached: {limit}");
    Err(ControlError::new("OutstandingVpcPeeringConnectionLimitExceeded", message))
}

fn check_active(tx: &Tx, vpc: VpcId, code: &'static str) -> Result<(), ControlError> {
    let limit = tx.quotas().active_peerings_per_vpc;
    let counts = |p: &&Arc<Peering>| p.is_active() && p.far_side(vpc).is_some();
    if tx.network().all::<Peering>().filter(counts).count() < limit {
        return Ok(());
    }
    let message = format!("The maximum number of active VPC peering connections of vpc '{vpc}' has been reached: {limit}");
    Err(ControlError::new(code, message))
}
