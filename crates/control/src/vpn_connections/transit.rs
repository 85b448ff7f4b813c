//! Connections that end at a transit gateway: what they need of it.

use openvpc_model::transit_gateway::AttachedResource;
use openvpc_model::vpn::VpnOptions;
use openvpc_model::{Network, Tags, TransitGateway, TransitGatewayAttachment, TransitGatewayId, VpnConnectionId, VpnTarget};

use super::Gateway;
use crate::transit_gateways::{self, attachments};
use crate::{ControlError, Missing, Tx};

/// Amazon's number in BGP at a transit gateway.
pub(super) fn asn(network: &Network, id: TransitGatewayId) -> Option<u32> {
    network.get::<TransitGateway>(&id).map(|gateway| gateway.options.amazon_side_asn)
}

/// [`asn`] of a transit gateway that the caller may use.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound`.
pub(super) fn usable_asn(tx: &Tx, id: TransitGatewayId) -> Result<u32, ControlError> {
    let named = transit_gateways::named(tx.network(), tx.owner(), id, tx.now());
    let gateway = named.filter(|gateway| gateway.deleted_at.is_none()).ok_or_else(|| TransitGateway::missing(&id))?;
    Ok(gateway.options.amazon_side_asn)
}

/// Checks the attachment that carries tunnels between private addresses: a Direct Connect gateway's on the same transit
/// gateway. See "Private IP AWS Site-to-Site VPN with Direct Connect".
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`, also for an attachment of another kind or gateway.
pub(super) fn check_transport(tx: &Tx, options: &VpnOptions, gateway: Option<Gateway>) -> Result<(), ControlError> {
    let Some(id) = options.transport_attachment else { return Ok(()) };
    let carries = |attachment: &TransitGatewayAttachment| {
        let there = gateway == Some(Gateway::TransitGateway(attachment.transit_gateway));
        let is_direct_connect = matches!(attachment.resource, AttachedResource::DirectConnectGateway(_));
        attachments::is_visible(attachment, tx.owner(), tx.now()) && attachment.is_available() && there && is_direct_connect
    };
    let found = tx.network().get::<TransitGatewayAttachment>(&id).filter(|attachment| carries(attachment));
    found.map(|_| ()).ok_or_else(|| TransitGatewayAttachment::missing(&id))
}

/// Makes the gateway one of the connection's ends.
///
/// # Errors
/// Those of an attachment to a transit gateway.
pub(super) fn join(tx: &mut Tx, gateway: Gateway, connection: VpnConnectionId) -> Result<VpnTarget, ControlError> {
    match gateway {
        Gateway::VpnGateway(id) => Ok(VpnTarget::VpnGateway(id)),
        Gateway::TransitGateway(id) => {
            let attachment = attachments::attach(tx, id, AttachedResource::Vpn(connection), Tags::new())?;
            Ok(VpnTarget::TransitGateway(id, attachment))
        }
    }
}

/// Frees what [`join`] made.
///
/// # Errors
/// Those of the end of an attachment.
pub(super) fn leave(tx: &mut Tx, gateway: VpnTarget) -> Result<(), ControlError> {
    match gateway {
        VpnTarget::VpnGateway(_) => Ok(()),
        VpnTarget::TransitGateway(_, attachment) => attachments::detach(tx, attachment),
    }
}
