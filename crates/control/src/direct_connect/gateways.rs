//! Direct Connect gateways. They belong to an account, not to a region.

use std::sync::Arc;

use openvpc_model::{
    AccountId, DirectConnectAssociation, DirectConnectGateway, DirectConnectGatewayId, Network, Tags, VirtualInterface,
};

use super::{check_name, gateway_of, refused};
use crate::{ControlError, Tx, vpn_gateways};

/// Amazon's number in BGP when none is given.
pub const DEFAULT_ASN: u32 = 64_512;

/// Makes a gateway.
///
/// # Errors
/// `DirectConnectClientException` for a number that isn't private, or too many gateways.
pub fn create(tx: &mut Tx, name: String, asn: i64, tags: Tags) -> Result<DirectConnectGatewayId, ControlError> {
    check_name(&name)?;
    let private = u32::try_from(asn).ok().filter(|asn| vpn_gateways::check_amazon_asn(*asn).is_ok());
    let asn = private
        .ok_or_else(|| refused(format!("Amazon side ASN {asn} is not valid: use 64512 to 65534 or 4200000000 to 4294967294.")))?;
    let limit = tx.quotas().direct_connect_gateways;
    if owned(tx.network(), tx.owner().account).count() >= limit {
        return Err(refused(format!("The limit of {limit} Direct Connect gateways has been reached.")));
    }
    let id = DirectConnectGatewayId::from_random([tx.random(), tx.random()]);
    tx.put(DirectConnectGateway { id, owner: tx.owner().clone(), name, asn, tags });
    Ok(id)
}

/// Changes a gateway's name.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn rename(tx: &mut Tx, id: DirectConnectGatewayId, name: String) -> Result<(), ControlError> {
    check_name(&name)?;
    let mut gateway = (*gateway_of(tx.network(), tx.owner().account, id)?).clone();
    gateway.name = name;
    tx.put(gateway);
    Ok(())
}

/// Deletes a gateway that has neither associations nor virtual interfaces.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn delete(tx: &mut Tx, id: DirectConnectGatewayId) -> Result<Arc<DirectConnectGateway>, ControlError> {
    let gateway = gateway_of(tx.network(), tx.owner().account, id)?;
    let association = tx.network().all::<DirectConnectAssociation>().find(|association| association.gateway == id);
    if let Some(association) = association {
        return Err(refused(format!("Direct Connect Gateway {id} has the association {}; delete that first.", association.id)));
    }
    if let Some(interface) = attached(tx.network(), id).next() {
        return Err(refused(format!(
            "Direct Connect Gateway {id} has the virtual interface {}; delete that first.",
            interface.id
        )));
    }
    tx.remove::<DirectConnectGateway>(&id);
    Ok(gateway)
}

/// The gateways of an account, wherever they were made.
pub fn owned(network: &Network, account: AccountId) -> impl Iterator<Item = &Arc<DirectConnectGateway>> {
    network.all::<DirectConnectGateway>().filter(move |gateway| gateway.owner.account == account)
}

/// The virtual interfaces that are attached to a gateway.
pub fn attached(network: &Network, id: DirectConnectGatewayId) -> impl Iterator<Item = &Arc<VirtualInterface>> {
    network.all::<VirtualInterface>().filter(move |interface| interface.deleted_at.is_none() && interface.gateway() == Some(id))
}
