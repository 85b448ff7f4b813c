//! Connections that end at a transit gateway: what they need of it.

use openvpc_model::{Network, TransitGatewayId, VpnConnectionId, VpnTarget};

use super::Gateway;
use crate::{ControlError, Tx};

/// Amazon's number in BGP at a transit gateway.
pub(super) fn asn(_network: &Network, _id: TransitGatewayId) -> Option<u32> {
    None
}

/// [`asn`] of a transit gateway that the caller may use.
pub(super) fn usable_asn(_tx: &Tx, id: TransitGatewayId) -> Result<u32, ControlError> {
    Err(missing(id))
}

/// Makes the gateway one of the connection's ends.
pub(super) fn join(_tx: &mut Tx, gateway: Gateway, _connection: VpnConnectionId) -> Result<VpnTarget, ControlError> {
    match gateway {
        Gateway::VpnGateway(id) => Ok(VpnTarget::VpnGateway(id)),
        Gateway::TransitGateway(id) => Err(missing(id)),
    }
}

/// Frees what [`join`] made.
pub(super) fn leave(_tx: &mut Tx, _gateway: VpnTarget) -> Result<(), ControlError> {
    Ok(())
}

fn missing(id: TransitGatewayId) -> ControlError {
    ControlError::new("InvalidTransitGatewayID.NotFound", format!("The transit gateway ID '{id}' does not exist"))
}
