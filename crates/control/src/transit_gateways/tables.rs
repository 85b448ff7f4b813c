//! Route tables of transit gateways: who is looked up in one, and who propagates to it.

use std::sync::Arc;

use openvpc_model::{
    Network, Tags, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId,
    TransitGatewayRouteTable, TransitGatewayRouteTableId,
};

use super::{attachments, owned};
use crate::{ControlError, Missing, Tx};

/// Makes an empty table.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound`, `TransitGatewayRouteTableLimitExceeded`.
pub fn create(tx: &mut Tx, gateway: TransitGatewayId, tags: Tags) -> Result<TransitGatewayRouteTableId, ControlError> {
    owned(tx, gateway)?;
    let limit = tx.quotas().route_tables_per_transit_gateway;
    if living_of(tx.network(), gateway).count() >= limit {
        let message = format!("The maximum number of route tables of {gateway} has been reached: {limit}");
        return Err(ControlError::new("TransitGatewayRouteTableLimitExceeded", message));
    }
    Ok(make(tx, gateway, tags))
}

/// [`create`] without the quota, for the table that a gateway comes with.
pub(super) fn make(tx: &mut Tx, gateway: TransitGatewayId, tags: Tags) -> TransitGatewayRouteTableId {
    let table = TransitGatewayRouteTable {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        transit_gateway: gateway,
        routes: Vec::new(),
        prefix_lists: Vec::new(),
        created_at: tx.now(),
        deleted_at: None,
        tags,
    };
    let id = table.id;
    tx.put(table);
    id
}

/// Deletes a table that no attachment is associated with and that isn't a default; propagations to it end.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `IncorrectState`.
pub fn delete(tx: &mut Tx, id: TransitGatewayRouteTableId) -> Result<(), ControlError> {
    let table = living(tx, id)?;
    if let Some(attachment) = associated(tx.network(), id).next() {
        let message = format!("{id} has an association with {}; disassociate it first.", attachment.id);
        return Err(ControlError::new("IncorrectState", message));
    }
    let gateway = tx.find::<TransitGateway>(&table.transit_gateway)?;
    if [gateway.options.association_default_table, gateway.options.propagation_default_table].contains(&Some(id)) {
        let message = format!("{id} is a default route table of {} and can't be deleted.", gateway.id);
        return Err(ControlError::new("IncorrectState", message));
    }
    let propagating: Vec<TransitGatewayAttachment> =
        propagating(tx.network(), id).map(|attachment| TransitGatewayAttachment::clone(attachment)).collect();
    for mut attachment in propagating {
        attachment.propagations.remove(&id);
        tx.put(attachment);
    }
    let now = tx.now();
    tx.update::<TransitGatewayRouteTable, _>(&id, |table| table.deleted_at = Some(now))
}

/// Has packets from an attachment looked up in a table.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState`,
/// `Resource.AlreadyAssociated` when it has a table.
pub fn associate(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    attachment: TransitGatewayAttachmentId,
) -> Result<(), ControlError> {
    let table = living(tx, id)?;
    let mut attachment = attachments::working_on(tx, attachment, table.transit_gateway)?;
    if attachment.associations.contains_key(&table.transit_gateway) {
        let message = format!("Transit Gateway Attachment {} is already associated to a route table.", attachment.id);
        return Err(ControlError::new("Resource.AlreadyAssociated", message));
    }
    attachment.associations.insert(table.transit_gateway, id);
    tx.put(attachment);
    Ok(())
}

/// Ends the association of an attachment with a table: its packets are dropped until it has another.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`, `InvalidAssociation.NotFound`.
pub fn disassociate(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    attachment: TransitGatewayAttachmentId,
) -> Result<(), ControlError> {
    let table = living(tx, id)?;
    let mut attachment = attachments::living(tx, attachment)?;
    if attachment.associations.get(&table.transit_gateway) != Some(&id) {
        let message = format!("Transit Gateway Attachment {} is not associated with {id}.", attachment.id);
        return Err(ControlError::new("InvalidAssociation.NotFound", message));
    }
    attachment.associations.remove(&table.transit_gateway);
    tx.put(attachment);
    Ok(())
}

/// Has the blocks of an attachment in a table.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState`,
/// `TransitGatewayRouteTablePropagation.Duplicate`, `UnsupportedOperation` for a peering.
pub fn enable_propagation(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    attachment: TransitGatewayAttachmentId,
) -> Result<(), ControlError> {
    let table = living(tx, id)?;
    let mut attachment = attachments::working_on(tx, attachment, table.transit_gateway)?;
    if attachment.peering().is_some() {
        let message = format!("The peering attachment {} propagates no routes; make static ones", attachment.id);
        return Err(ControlError::new("UnsupportedOperation", message));
    }
    if !attachment.propagations.insert(id) {
        let message = format!("Propagation {} already exists in Transit Gateway Route Table {id}.", attachment.id);
        return Err(ControlError::new("TransitGatewayRouteTablePropagation.Duplicate", message));
    }
    tx.put(attachment);
    Ok(())
}

/// Takes the blocks of an attachment out of a table.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`,
/// `TransitGatewayRouteTablePropagation.NotFound`.
pub fn disable_propagation(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    attachment: TransitGatewayAttachmentId,
) -> Result<(), ControlError> {
    living(tx, id)?;
    let mut attachment = attachments::living(tx, attachment)?;
    if !attachment.propagations.remove(&id) {
        let message = format!("Propagation {} does not exist in Transit Gateway Route Table {id}.", attachment.id);
        return Err(ControlError::new("TransitGatewayRouteTablePropagation.NotFound", message));
    }
    tx.put(attachment);
    Ok(())
}

/// The attachments that are looked up in a table, in the order of their ids.
pub fn associated(network: &Network, id: TransitGatewayRouteTableId) -> impl Iterator<Item = &Arc<TransitGatewayAttachment>> {
    network.all::<TransitGatewayAttachment>().filter(move |a| a.associations.values().any(|table| *table == id))
}

/// The attachments that propagate to a table, in the order of their ids.
pub fn propagating(network: &Network, id: TransitGatewayRouteTableId) -> impl Iterator<Item = &Arc<TransitGatewayAttachment>> {
    network.all::<TransitGatewayAttachment>().filter(move |a| a.propagations.contains(&id))
}

/// A table of the caller that isn't deleted.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`.
pub fn living(tx: &Tx, id: TransitGatewayRouteTableId) -> Result<Arc<TransitGatewayRouteTable>, ControlError> {
    let found = tx.find::<TransitGatewayRouteTable>(&id).ok().filter(|table| table.deleted_at.is_none());
    found.ok_or_else(|| TransitGatewayRouteTable::missing(&id))
}

/// The tables of a gateway that aren't deleted.
pub(super) fn living_of(network: &Network, gateway: TransitGatewayId) -> impl Iterator<Item = &Arc<TransitGatewayRouteTable>> {
    let is_its = move |table: &&Arc<TransitGatewayRouteTable>| table.transit_gateway == gateway && table.deleted_at.is_none();
    network.all::<TransitGatewayRouteTable>().filter(is_its)
}
