//! Virtual private gateways, and the propagation of their routes. See "Create an AWS Site-to-Site VPN virtual private
//! gateway" in the Site-to-Site VPN User Guide and "Route propagation" in the VPC User Guide.

use std::sync::Arc;

use openvpc_model::route::TableUser;
use openvpc_model::{RouteTable, RouteTableId, Tags, Vpc, VpcId, VpnConnection, VpnGateway, VpnGatewayId};

use crate::{ControlError, Missing, Tx, direct_connect, retention};

/// Amazon's number in BGP when none is given.
pub const DEFAULT_ASN: u32 = 64_512;

/// How long a deleted gateway is shown.
const SHOWN_FOR_MS: u64 = 60 * 60 * 1000;

/// Makes a gateway, attached to nothing.
///
/// # Errors
/// `InvalidParameterValue` for a number that isn't private, `VpnGatewayLimitExceeded`.
pub fn create(tx: &mut Tx, asn: u32, zone: Option<String>, tags: Tags) -> Result<VpnGatewayId, ControlError> {
    check_amazon_asn(asn)?;
    let limit = tx.quotas().vpn_gateways;
    if tx.owned::<VpnGateway>().filter(|gateway| gateway.deleted_at.is_none()).count() >= limit {
        let message = format!("The maximum number of virtual private gateways has been reached ({limit}).");
        return Err(ControlError::new("VpnGatewayLimitExceeded", message));
    }
    let (id, owner) = (tx.new_id(), tx.owner().clone());
    tx.put(VpnGateway { id, owner, asn, zone, vpc: None, detached_from: None, deleted_at: None, tags });
    Ok(id)
}

/// Attaches a gateway to a VPC; one of each at most. Doing the same again changes nothing.
///
/// # Errors
/// `VpnGatewayAttachmentLimitExceeded` when the gateway has another VPC, `InvalidVpcState` when the VPC has another gateway.
pub fn attach(tx: &mut Tx, id: VpnGatewayId, vpc: VpcId) -> Result<(), ControlError> {
    let gateway = find(tx, id)?;
    tx.find::<Vpc>(&vpc)?;
    if gateway.vpc == Some(vpc) {
        return Ok(());
    }
    if let Some(attached) = gateway.vpc {
        let message = format!("The virtual private gateway '{id}' is already attached to {attached}, and to one VPC at most.");
        return Err(ControlError::new("VpnGatewayAttachmentLimitExceeded", message));
    }
    if let Some(other) = tx.network().vpn_gateway_of(vpc) {
        let message = format!("The vpc '{vpc}' already has the virtual private gateway {} attached.", other.id);
        return Err(ControlError::new("InvalidVpcState", message));
    }
    tx.update::<VpnGateway, _>(&id, |gateway| (gateway.vpc, gateway.detached_from) = (Some(vpc), None))
}

/// Detaches a gateway: routes to it become blackholes, no table gets its routes any more, its own route table loses it.
///
/// # Errors
/// `InvalidVpnGatewayAttachment.NotFound`.
pub fn detach(tx: &mut Tx, id: VpnGatewayId, vpc: VpcId) -> Result<(), ControlError> {
    let gateway = find(tx, id)?;
    if gateway.vpc != Some(vpc) {
        let message = format!("The attachment with vpn gateway ID '{id}' and vpc ID '{vpc}' does not exist");
        return Err(ControlError::new("InvalidVpnGatewayAttachment.NotFound", message));
    }
    let user = TableUser::VpnGateway(id);
    let concerned =
        |table: &&Arc<RouteTable>| table.propagating.contains(&id) || table.associations.iter().any(|a| a.user == user);
    let tables: Vec<_> = tx.owned::<RouteTable>().filter(concerned).map(|table| table.id).collect();
    for table in tables {
        tx.update::<RouteTable, _>(&table, |table| {
            table.associations.retain(|association| association.user != user);
            table.propagating.retain(|gateway| *gateway != id);
        })?;
    }
    tx.update::<VpnGateway, _>(&id, |gateway| (gateway.vpc, gateway.detached_from) = (None, Some(vpc)))
}

/// Deletes a gateway that nothing uses.
///
/// # Errors
/// `IncorrectState` while it is attached, has connections or is used by Direct Connect.
pub fn delete(tx: &mut Tx, id: VpnGatewayId) -> Result<(), ControlError> {
    let gateway = find(tx, id)?;
    let connection =
        tx.owned::<VpnConnection>().find(|connection| connection.is_at(id)).map(|connection| connection.id.to_string());
    let direct = direct_connect::user_of(tx.network(), id);
    if let Some(user) = gateway.vpc.map(|vpc| vpc.to_string()).or(connection).or(direct) {
        let message = format!("The vpnGateway '{id}' is in use by {user} and cannot be deleted.");
        return Err(ControlError::new("IncorrectState", message));
    }
    let now = tx.now();
    tx.update::<VpnGateway, _>(&id, |gateway| (gateway.detached_from, gateway.deleted_at) = (None, Some(now)))
}

/// Lets the gateway's routes appear in a table of its VPC. Doing the same again changes nothing.
///
/// # Errors
/// `Gateway.NotAttached` when it isn't attached to the table's VPC, `InvalidParameterValue` for the table of a gateway.
pub fn enable_propagation(tx: &mut Tx, id: VpnGatewayId, table: RouteTableId) -> Result<(), ControlError> {
    let found = tx.find::<RouteTable>(&table)?;
    check_attached(&*find(tx, id)?, &found)?;
    if found.associations.iter().any(|a| matches!(a.user, TableUser::InternetGateway(_) | TableUser::VpnGateway(_))) {
        let message = format!("The route table {table} is associated with a gateway and takes no propagated routes.");
        return Err(ControlError::invalid_value(message));
    }
    if found.propagating.contains(&id) {
        return Ok(());
    }
    tx.update::<RouteTable, _>(&table, |table| table.propagating.push(id))
}

/// Takes the gateway's routes out of a table.
///
/// # Errors
/// `Gateway.NotAttached` when it isn't attached to the table's VPC.
pub fn disable_propagation(tx: &mut Tx, id: VpnGatewayId, table: RouteTableId) -> Result<(), ControlError> {
    let found = tx.find::<RouteTable>(&table)?;
    check_attached(&*find(tx, id)?, &found)?;
    tx.update::<RouteTable, _>(&table, |table| table.propagating.retain(|gateway| *gateway != id))
}

/// The caller's gateway, unless it was deleted.
pub(crate) fn find(tx: &Tx, id: VpnGatewayId) -> Result<Arc<VpnGateway>, ControlError> {
    let gateway = tx.find::<VpnGateway>(&id)?;
    if gateway.deleted_at.is_some() { Err(VpnGateway::missing(&id)) } else { Ok(gateway) }
}

/// Amazon's side has a private number: 64512–65534 or 4200000000–4294967294, or one of those that Amazon's own gateways
/// had before users could choose.
pub(crate) fn check_amazon_asn(asn: u32) -> Result<(), ControlError> {
    if matches!(asn, 64_512..=65_534 | 4_200_000_000..=4_294_967_294 | 7_224 | 9_059 | 10_124 | 17_493) {
        return Ok(());
    }
    let message =
        format!("The Amazon side ASN {asn} is invalid: use a private number, 64512 to 65534 or 4200000000 to 4294967294.");
    Err(ControlError::invalid_value(message))
}

/// Forgets gateways that were deleted long enough ago.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let over = |gateway: &&Arc<VpnGateway>| retention::is_over(gateway.deleted_at, SHOWN_FOR_MS, now);
    let old: Vec<_> = tx.network().all::<VpnGateway>().filter(over).map(|gateway| gateway.id).collect();
    old.iter().for_each(|id| tx.remove::<VpnGateway>(id));
}

fn check_attached(gateway: &VpnGateway, table: &RouteTable) -> Result<(), ControlError> {
    if gateway.vpc == Some(table.vpc) {
        return Ok(());
    }
    let message =
        format!("The gateway {} is not attached to the vpc '{}' of the route table {}", gateway.id, table.vpc, table.id);
    Err(ControlError::new("Gateway.NotAttached", message))
}
