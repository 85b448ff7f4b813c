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

/// Asks the owner of another gateway to have it attached to the caller's; gives the id of the caller's end.
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
    let peer = tx.network().get::<TransitGateway>(&request.peer).cloned();
    let peer = peer.filter(|peer| peer.owner == owner && peer.deleted_at.is_none());
    let peer = peer.ok_or_else(|| TransitGateway::missing(&request.peer))?;
    let peerings = |id: TransitGatewayId| attachments::living_on(tx.network(), id).filter(|a| a.peering().is_some());
    let joins = |attachment: &TransitGatewayAttachment| {
        let far = attachment.peering().map(|peering| peering.transit_gateway);
        attachment.transit_gateway == peer.id || far == Some(peer.id)
    };
    if let Some(other) = peerings(gateway.id).find(|attachment| joins(attachment)) {
        let message = format!("{} has the non-deleted peering attachment {} with {}.", gateway.id, other.id, peer.id);
        return Err(ControlError::new("DuplicateTransitGatewayAttachment", message));
    }
    let limit = tx.quotas().peerings_per_transit_gateway;
    for id in [gateway.id, peer.id] {
        if peerings(id).count() >= limit {
            let message = format!("The maximum number of peering attachments of {id} has been reached: {limit}");
            return Err(ControlError::new("TransitGatewayAttachmentLimitExceeded", message));
        }
    }
    let one_region = gateway.owner.region == peer.owner.region;
    let (id, twin) = (tx.new_id(), one_region.then(|| tx.new_id()));
    let end = |far: &TransitGateway, twin, is_accepter| {
        let (transit_gateway, owner, dynamic_routing) = (far.id, far.owner.clone(), request.dynamic_routing);
        AttachedResource::Peering(PeeringAttachment { transit_gateway, owner, twin, is_accepter, dynamic_routing })
    };
    let near = attachments::waiting(tx, id, &gateway, gateway.owner.clone(), end(&peer, twin, false), request.tags)?;
    tx.put(near);
    if let Some(twin) = twin {
        let far = attachments::waiting(tx, twin, &peer, peer.owner.clone(), end(&gateway, Some(id), true), Tags::new())?;
        tx.put(far);
    }
    Ok(id)
}

/// Accepts a peering that the caller's gateway is asked for, by the id of the caller's end.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState` unless it waits, `InvalidParameterValue` for the end that
/// asked.
pub fn accept(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    for mut attachment in both_ends(tx, asked(tx, id, "accept")?) {
        attachments::open(tx, &mut attachment);
        tx.put(attachment);
    }
    Ok(())
}

/// Refuses a peering that the caller's gateway is asked for, by the id of the caller's end.
///
/// # Errors
/// As [`accept`].
pub fn reject(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    for attachment in both_ends(tx, asked(tx, id, "reject")?) {
        attachments::end(tx, attachment, State::Rejected);
    }
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
    for attachment in both_ends(tx, attachment) {
        attachments::end(tx, attachment, State::Deleted);
    }
    Ok(())
}

/// A peering that waits for the caller's answer.
fn asked(tx: &Tx, id: TransitGatewayAttachmentId, verb: &str) -> Result<TransitGatewayAttachment, ControlError> {
    let attachment = attachments::living(tx, id)?;
    let Some(peering) = attachment.peering() else { return Err(TransitGatewayAttachment::missing(&id)) };
    let is_accepter = if peering.twin.is_some() { peering.is_accepter } else { peering.owner == *tx.owner() };
    if !is_accepter {
        let message = format!("Cannot {verb} {id} as the source of the peering request.");
        return Err(ControlError::invalid_value(message));
    }
    attachments::check_state(&attachment, State::PendingAcceptance)?;
    Ok(attachment)
}

/// A peering with its other end, where that has an attachment of its own.
fn both_ends(tx: &Tx, attachment: TransitGatewayAttachment) -> Vec<TransitGatewayAttachment> {
    let twin = attachment.peering().and_then(|peering| peering.twin);
    let twin = twin.and_then(|twin| tx.network().get::<TransitGatewayAttachment>(&twin));
    let twin = twin.map(|twin| TransitGatewayAttachment::clone(twin));
    [attachment].into_iter().chain(twin).collect()
}
