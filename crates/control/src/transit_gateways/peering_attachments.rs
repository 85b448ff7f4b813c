//! Transit gateways attached to each other. See "Transit gateway peering attachments" in the Transit Gateways guide.

use openvpc_model::transit_gateway::{AttachedResource, PeeringAttachment, TransitGatewayAttachmentState as State};
use openvpc_model::{
    AccountId, Owner, Region, Tags, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId,
};

use super::{attachments, owned};
use crate::{ControlError, Missing, Tx};

/// The gateway that is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePeering {
    /// The caller's gateway.
    pub gateway: TransitGatewayId,
    /// The other one.
    pub peer: TransitGatewayId,
    /// The other one's owner.
    pub peer_account: AccountId,
    /// The other one's region.
    pub peer_region: Region,
    /// `DynamicRouting`; kept because clients read it.
    pub dynamic_routing: Option<bool>,
    /// Tags.
    pub tags: Tags,
}

/// Asks the owner of another gateway to have it attached to the caller's. One id stands for both ends.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound` for either gateway, `InvalidParameterValue` for a gateway with itself,
/// `DuplicateTransitGatewayAttachment`, `TransitGatewayAttachmentLimitExceeded`.
pub fn create(tx: &mut Tx, request: CreatePeering) -> Result<TransitGatewayAttachmentId, ControlError> {
    let gateway = owned(tx, request.gateway)?;
    if gateway.id == request.peer {
        return Err(ControlError::invalid_value(format!("A transit gateway can't be peered with itself: {}", gateway.id)));
    }
    let owner = Owner { account: request.peer_account, region: request.peer_region };
    let peer = tx.network().get::<TransitGateway>(&request.peer);
    if peer.is_none_or(|peer| peer.owner != owner || peer.deleted_at.is_some()) {
        return Err(TransitGateway::missing(&request.peer));
    }
    let peerings = |id: TransitGatewayId| attachments::living_on(tx.network(), id).filter(|a| a.peering().is_some());
    if let Some(other) = peerings(gateway.id).find(|attachment| attachment.is_on(request.peer)) {
        let message = format!("{} has the non-deleted peering attachment {} with {}.", gateway.id, other.id, request.peer);
        return Err(ControlError::new("DuplicateTransitGatewayAttachment", message));
    }
    let limit = tx.quotas().peerings_per_transit_gateway;
    for id in [gateway.id, request.peer] {
        if peerings(id).count() >= limit {
            let message = format!("The maximum number of peering attachments of {id} has been reached: {limit}");
            return Err(ControlError::new("TransitGatewayAttachmentLimitExceeded", message));
        }
    }
    let peer = PeeringAttachment { transit_gateway: request.peer, owner, dynamic_routing: request.dynamic_routing };
    attachments::attach(tx, gateway.id, AttachedResource::Peering(peer), request.tags)
}

/// Accepts a peering that the caller's gateway is asked for.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState` unless it waits, `OperationNotPermitted` for anyone but
/// the accepter in the accepter's region.
pub fn accept(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    let mut attachment = waiting(tx, id)?;
    attachments::open(tx, &mut attachment);
    tx.put(attachment);
    Ok(())
}

/// Refuses a peering that the caller's gateway is asked for.
///
/// # Errors
/// As [`accept`].
pub fn reject(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    let attachment = waiting(tx, id)?;
    attachments::end(tx, attachment, State::Rejected);
    Ok(())
}

/// Takes a peering away, from either end.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`.
pub fn delete(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    let attachment = attachments::living(tx, id)?;
    if attachment.peering().is_none() {
        return Err(TransitGatewayAttachment::missing(&id));
    }
    attachments::end(tx, attachment, State::Deleted);
    Ok(())
}

fn waiting(tx: &Tx, id: TransitGatewayAttachmentId) -> Result<TransitGatewayAttachment, ControlError> {
    let attachment = attachments::living(tx, id)?;
    let Some(peering) = attachment.peering() else { return Err(TransitGatewayAttachment::missing(&id)) };
    attachments::check_state(&attachment, State::PendingAcceptance)?;
    if peering.owner != *tx.owner() {
        let message = format!(
            "{id} may only be accepted or rejected by account {} in region {}",
            peering.owner.account, peering.owner.region
        );
        return Err(ControlError::new("OperationNotPermitted", message));
    }
    Ok(attachment)
}
