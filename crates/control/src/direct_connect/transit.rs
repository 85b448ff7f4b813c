//! Direct Connect gateways on transit gateways: an association is an attachment there.

use openvpc_model::transit_gateway::AttachedResource;
use openvpc_model::{
    DirectConnectGatewayId, Tags, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId,
};

use super::refused;
use crate::transit_gateways::attachments;
use crate::{ControlError, Tx};

/// Attaches a Direct Connect gateway to a transit gateway of the region. Both owners have agreed when there is an
/// association, so nobody has to accept the attachment.
pub(super) fn attach(
    tx: &mut Tx,
    id: TransitGatewayId,
    gateway: DirectConnectGatewayId,
) -> Result<TransitGatewayAttachmentId, ControlError> {
    let region = &tx.owner().region;
    if tx.network().get::<TransitGateway>(&id).is_some_and(|transit| transit.owner.region != *region) {
        return Err(refused(format!("Transit Gateway {id} is not in {region}; call Direct Connect in its region.")));
    }
    let resource = AttachedResource::DirectConnectGateway(gateway.to_string());
    let made = attachments::attach(tx, id, resource, Tags::new()).map_err(ours)?;
    let attachment = tx.network().get::<TransitGatewayAttachment>(&made).filter(|attachment| !attachment.is_available());
    if let Some(mut attachment) = attachment.map(|attachment| TransitGatewayAttachment::clone(attachment)) {
        attachments::open(tx, &mut attachment);
        tx.put(attachment);
    }
    Ok(made)
}

/// Takes the attachment away, whichever side asks and from whatever region.
pub(super) fn detach(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    attachments::detach(tx, id).map_err(ours)
}

/// Direct Connect has one code.
fn ours(error: ControlError) -> ControlError {
    refused(error.message)
}
