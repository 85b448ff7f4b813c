//! Transit gateways, their attachments and route tables.

use openvpc_model::{RouteTable, RouteTarget, TransitGatewayId};

use crate::{ControlError, Tx};

/// The target of a route to a transit gateway that the table's VPC is attached to.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound`, also for a gateway that the VPC isn't attached to.
pub(crate) fn route_target(tx: &Tx, table: &RouteTable, id: TransitGatewayId) -> Result<RouteTarget, ControlError> {
    if tx.network().transit_gateway_attachment_of(id, table.vpc).is_none() {
        let message = format!("The transitGateway ID '{id}' does not exist");
        return Err(ControlError::new("InvalidTransitGatewayID.NotFound", message));
    }
    Ok(RouteTarget::TransitGateway(id))
}

/// Forgets.
pub(crate) fn prune(_tx: &mut Tx) {}
