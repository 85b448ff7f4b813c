//! What all attachments to transit gateways have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::transit_gateway::{
    AttachedResource, TRANSIT_GATEWAY_SHOWN_AFTER_END_MS, TransitGatewayAttachmentState as State,
};
use openvpc_model::{
    Network, NetworkInterface, Owner, Tags, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId,
    TransitGatewayId, UnixMillis,
};

use super::of_region;
use crate::retention::is_over;
use crate::{ControlError, Missing, Tx};

/// Attaches something of the caller to a gateway of the region. It is associated with the gateway's default table and
/// propagates to the other one at once, or when the gateway's owner has accepted it.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound`, `TransitGatewayAttachmentLimitExceeded`.
pub fn attach(
    tx: &mut Tx,
    gateway: TransitGatewayId,
    resource: AttachedResource,
    tags: Tags,
) -> Result<TransitGatewayAttachmentId, ControlError> {
    let id = tx.new_id();
    attach_as(tx, id, gateway, resource, tags)?;
    Ok(id)
}

/// [`attach`] under an id that was taken before.
pub(super) fn attach_as(
    tx: &mut Tx,
    id: TransitGatewayAttachmentId,
    gateway: TransitGatewayId,
    resource: AttachedResource,
    tags: Tags,
) -> Result<(), ControlError> {
    let gateway = of_region(tx, gateway)?;
    let owner = tx.owner().clone();
    let accepted = gateway.owner == owner || gateway.options.auto_accept_shared_attachments;
    let mut attachment = waiting(tx, id, &gateway, owner, resource, tags)?;
    if accepted {
        open(tx, &mut attachment);
    }
    tx.put(attachment);
    Ok(())
}

/// An attachment that waits to be accepted.
pub(super) fn waiting(
    tx: &Tx,
    id: TransitGatewayAttachmentId,
    gateway: &TransitGateway,
    owner: Owner,
    resource: AttachedResource,
    tags: Tags,
) -> Result<TransitGatewayAttachment, ControlError> {
    check_count(tx, gateway.id)?;
    Ok(TransitGatewayAttachment {
        id,
        owner,
        transit_gateway: gateway.id,
        transit_gateway_owner: gateway.owner.clone(),
        resource,
        state: State::PendingAcceptance,
        associations: BTreeMap::new(),
        propagations: BTreeSet::new(),
        announced: Vec::new(),
        created_at: tx.now(),
        opened_at: None,
        ended_at: None,
        tags,
        far_tags: Tags::new(),
    })
}

/// Says which blocks an attachment other than a VPC's propagates, in the place of those before.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`.
pub fn announce(tx: &mut Tx, id: TransitGatewayAttachmentId, blocks: Vec<IpNet>) -> Result<(), ControlError> {
    let mut attachment = living(tx, id)?;
    attachment.announced = blocks;
    tx.put(attachment);
    Ok(())
}

/// Takes an attachment away, with its associations, propagations and interfaces. Static routes to it become blackholes.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`.
pub fn detach(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    let attachment = living(tx, id)?;
    end(tx, attachment, State::Deleted);
    Ok(())
}

/// The attachments that an account sees in a region at that time.
pub fn visible<'a>(
    network: &'a Network,
    viewer: &'a Owner,
    now: UnixMillis,
) -> impl Iterator<Item = &'a Arc<TransitGatewayAttachment>> {
    network.all::<TransitGatewayAttachment>().filter(move |attachment| is_visible(attachment, viewer, now))
}

/// Whether an account sees an attachment in a region: as the owner of what is attached, or of a gateway.
pub fn is_visible(attachment: &TransitGatewayAttachment, viewer: &Owner, now: UnixMillis) -> bool {
    attachment.tags(viewer).is_some() && !is_over(attachment.ended_at, TRANSIT_GATEWAY_SHOWN_AFTER_END_MS, now)
}

/// The gateway of an attachment that is the viewer's: of a peering, the one at its end.
pub fn gateway_of(attachment: &TransitGatewayAttachment, viewer: &Owner) -> TransitGatewayId {
    let far = attachment.far_end().filter(|_| attachment.owner != *viewer);
    far.map_or(attachment.transit_gateway, |peering| peering.transit_gateway)
}

/// The state as AWS spells it.
pub fn state_name(state: State) -> &'static str {
    match state {
        State::PendingAcceptance => "pendingAcceptance",
        State::Available => "available",
        State::Rejected => "rejected",
        State::Deleted => "deleted",
    }
}

/// What is attached to a gateway and isn't deleted or rejected.
pub(super) fn living_on(network: &Network, gateway: TransitGatewayId) -> impl Iterator<Item = &Arc<TransitGatewayAttachment>> {
    network.all::<TransitGatewayAttachment>().filter(move |a| a.is_alive() && a.is_on(gateway))
}

/// An attachment that the caller sees and that isn't deleted or rejected.
pub(super) fn living(tx: &Tx, id: TransitGatewayAttachmentId) -> Result<TransitGatewayAttachment, ControlError> {
    let found = tx.network().get::<TransitGatewayAttachment>(&id);
    let found = found.filter(|attachment| attachment.is_alive() && is_visible(attachment, tx.owner(), tx.now()));
    found.map(|a| TransitGatewayAttachment::clone(a)).ok_or_else(|| TransitGatewayAttachment::missing(&id))
}

/// An attachment of a gateway that carries packets.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`, also for one of another gateway; `IncorrectState` before it is accepted.
pub(super) fn working_on(
    tx: &Tx,
    id: TransitGatewayAttachmentId,
    gateway: TransitGatewayId,
) -> Result<TransitGatewayAttachment, ControlError> {
    let attachment = living(tx, id)?;
    if !attachment.is_on(gateway) {
        return Err(ControlError::new(
            "InvalidTransitGatewayAttachmentID.NotFound",
            format!("Transit Gateway Attachment {id} is not an attachment of {gateway}."),
        ));
    }
    check_state(&attachment, State::Available)?;
    Ok(attachment)
}

/// # Errors
/// `IncorrectState`.
pub(super) fn check_state(attachment: &TransitGatewayAttachment, wanted: State) -> Result<(), ControlError> {
    if attachment.state == wanted {
        return Ok(());
    }
    let message = format!("{} is in invalid state {}.", attachment.id, state_name(attachment.state));
    Err(ControlError::new("IncorrectState", message))
}

/// Makes an attachment available: from now on it has its gateways' default tables.
pub(crate) fn open(tx: &Tx, attachment: &mut TransitGatewayAttachment) {
    attachment.state = State::Available;
    attachment.opened_at = Some(tx.now());
    let far = attachment.far_end().map(|peering| peering.transit_gateway);
    let propagates = attachment.peering().is_none();
    for gateway in [Some(attachment.transit_gateway), far].into_iter().flatten() {
        let Some(gateway) = tx.network().get::<TransitGateway>(&gateway) else { continue };
        attachment.associations.extend(gateway.options.association_default_table.map(|table| (gateway.id, table)));
        // A peering's routes are static ones only.
        if propagates {
            attachment.propagations.extend(gateway.options.propagation_default_table);
        }
    }
}

/// Ends an attachment: rejected or deleted.
pub(super) fn end(tx: &mut Tx, mut attachment: TransitGatewayAttachment, state: State) {
    // The interfaces may be another account's than the caller's, and no Elastic IP can be on them.
    for (_, eni) in attachment.vpc().map(|vpc| vpc.subnets.clone()).unwrap_or_default() {
        tx.remove::<NetworkInterface>(&eni);
    }
    attachment.state = state;
    attachment.ended_at = Some(tx.now());
    attachment.associations.clear();
    attachment.propagations.clear();
    tx.put(attachment);
}

fn check_count(tx: &Tx, gateway: TransitGatewayId) -> Result<(), ControlError> {
    let limit = tx.quotas().attachments_per_transit_gateway;
    if living_on(tx.network(), gateway).count() < limit {
        return Ok(());
    }
    let message = format!("The maximum number of attachments of {gateway} has been reached: {limit}");
    Err(ControlError::new("TransitGatewayAttachmentLimitExceeded", message))
}
