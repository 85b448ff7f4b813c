//! Connections, dedicated and hosted.

use std::sync::Arc;

use openvpc_model::direct_connect::{EncryptionMode, Host, Port};
use openvpc_model::{
    AccountId, DirectConnectConnection, DirectConnectConnectionId, LagId, Network, Owner, Tags, VirtualInterface,
};

use super::{HOSTED_SPEEDS, MACSEC_SPEEDS, PORT_SPEEDS, check_name, lags, locations, owned_port, refused};
use crate::{ControlError, Missing, Tx};

/// What CreateConnection is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateConnection {
    /// The user's name for it.
    pub name: String,
    /// The location's code.
    pub location: String,
    /// One of [`PORT_SPEEDS`].
    pub bandwidth: String,
    /// The group to become a part of.
    pub lag: Option<LagId>,
    /// A service provider.
    pub provider: Option<String>,
    /// Whether it is to have MACsec.
    pub macsec: bool,
    /// Tags.
    pub tags: Tags,
}

/// Makes a dedicated connection.
///
/// # Errors
/// `DirectConnectClientException` for an unknown location or bandwidth, or a group that it doesn't fit.
pub fn create(tx: &mut Tx, request: CreateConnection) -> Result<DirectConnectConnectionId, ControlError> {
    check_name(&request.name)?;
    check_place(tx, &request.location, &request.bandwidth)?;
    if request.macsec && !MACSEC_SPEEDS.contains(&&*request.bandwidth) {
        return Err(refused(format!("MACsec is not available for connections of {}.", request.bandwidth)));
    }
    if let Some(lag) = request.lag {
        lags::check_member(tx, lag, &request.location, &request.bandwidth)?;
    }
    let id = DirectConnectConnectionId::from_random(tx.random());
    tx.put(DirectConnectConnection {
        id,
        owner: tx.owner().clone(),
        name: request.name,
        location: request.location,
        bandwidth: request.bandwidth,
        host: None,
        lag: request.lag,
        provider: request.provider,
        encryption: request.macsec.then_some(EncryptionMode::Should),
        created_at: tx.now(),
        deleted_at: None,
        tags: request.tags,
    });
    Ok(id)
}

/// Deletes a connection that carries nothing.
///
/// # Errors
/// `DirectConnectClientException` while it carries virtual interfaces or hosted connections, or its group needs it.
pub fn delete(tx: &mut Tx, id: DirectConnectConnectionId) -> Result<Arc<DirectConnectConnection>, ControlError> {
    let connection = find(tx, id)?;
    check_carries_nothing(tx, Port::Connection(id))?;
    if let Some(lag) = connection.lag {
        lags::check_can_lose_one(tx, lag)?;
    }
    let now = tx.now();
    tx.update::<DirectConnectConnection, _>(&id, |connection| {
        connection.lag = None;
        connection.deleted_at = Some(now);
    })?;
    tx.find::<DirectConnectConnection>(&id)
}

/// Changes name and MACsec: UpdateConnection.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn update(
    tx: &mut Tx,
    id: DirectConnectConnectionId,
    name: Option<String>,
    encryption: Option<EncryptionMode>,
) -> Result<(), ControlError> {
    let connection = find(tx, id)?;
    name.as_deref().map_or(Ok(()), check_name)?;
    if encryption.is_some() && connection.encryption.is_none() {
        return Err(refused(format!("Connection {id} is not MACsec capable.")));
    }
    tx.update::<DirectConnectConnection, _>(&id, |connection| {
        connection.name = name.unwrap_or_else(|| connection.name.clone());
        connection.encryption = encryption.or(connection.encryption);
    })
}

/// What AllocateHostedConnection is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocateHosted {
    /// The caller's connection or group that is to carry it.
    pub parent: Port,
    /// Who is to own it.
    pub account: AccountId,
    /// The user's name for it.
    pub name: String,
    /// One of [`HOSTED_SPEEDS`].
    pub bandwidth: String,
    /// The VLAN that it gets.
    pub vlan: u16,
    /// Tags.
    pub tags: Tags,
}

/// Makes a connection for another account, which has to confirm it.
///
/// # Errors
/// `DirectConnectClientException` for a VLAN that is in use, or an unknown bandwidth.
pub fn allocate_hosted(tx: &mut Tx, request: AllocateHosted) -> Result<DirectConnectConnectionId, ControlError> {
    check_name(&request.name)?;
    let (_, location) = owned_port(tx, request.parent)?;
    if !HOSTED_SPEEDS.contains(&&*request.bandwidth) {
        return Err(refused(format!("The bandwidth {} is not one of hosted connections.", request.bandwidth)));
    }
    check_hosted_vlan(tx, request.parent, request.vlan, None)?;
    let id = DirectConnectConnectionId::from_random(tx.random());
    tx.put(DirectConnectConnection {
        id,
        owner: Owner { account: request.account, region: tx.owner().region.clone() },
        name: request.name,
        location,
        bandwidth: request.bandwidth,
        host: Some(Host { parent: request.parent, account: tx.owner().account, vlan: request.vlan, confirmed: false }),
        lag: None,
        provider: None,
        encryption: None,
        created_at: tx.now(),
        deleted_at: None,
        tags: request.tags,
    });
    Ok(id)
}

/// Accepts a hosted connection.
///
/// # Errors
/// `DirectConnectClientException` unless it waits for that.
pub fn confirm(tx: &mut Tx, id: DirectConnectConnectionId) -> Result<(), ControlError> {
    if !find(tx, id)?.is_unconfirmed() {
        return Err(refused(format!("Connection {id} is not in the ordering state.")));
    }
    tx.update::<DirectConnectConnection, _>(&id, |connection| {
        if let Some(host) = &mut connection.host {
            host.confirmed = true;
        }
    })
}

/// Moves a hosted connection to another port of the caller: AssociateHostedConnection.
///
/// # Errors
/// `DirectConnectClientException` when the VLAN is in use there.
pub fn move_hosted(tx: &mut Tx, id: DirectConnectConnectionId, parent: Port) -> Result<(), ControlError> {
    owned_port(tx, parent)?;
    let hosted = tx.network().get::<DirectConnectConnection>(&id).cloned();
    let mine = |connection: &Arc<DirectConnectConnection>| {
        let host = connection.host.as_ref();
        connection.deleted_at.is_none() && host.is_some_and(|host| host.account == tx.owner().account)
    };
    let mut hosted = hosted.filter(mine).map(Arc::unwrap_or_clone).ok_or_else(|| DirectConnectConnection::missing(&id))?;
    if let Some(host) = &mut hosted.host {
        check_hosted_vlan(tx, parent, host.vlan, Some(id))?;
        host.parent = parent;
    }
    tx.put(hosted);
    Ok(())
}

/// The caller's connection, unless it was deleted.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn find(tx: &Tx, id: DirectConnectConnectionId) -> Result<Arc<DirectConnectConnection>, ControlError> {
    let connection = tx.find::<DirectConnectConnection>(&id)?;
    if connection.deleted_at.is_some() { Err(DirectConnectConnection::missing(&id)) } else { Ok(connection) }
}

pub(super) fn check_place(tx: &Tx, location: &str, bandwidth: &str) -> Result<(), ControlError> {
    let region = &tx.owner().region;
    if !locations(region.as_str()).iter().any(|(code, _)| *code == location) {
        return Err(refused(format!("Location {location} is not valid in {region}.")));
    }
    if !PORT_SPEEDS.contains(&bandwidth) {
        return Err(refused(format!("Bandwidth {bandwidth} is not valid: use {}.", PORT_SPEEDS.join(", "))));
    }
    Ok(())
}

/// Whether a port can be deleted.
pub(super) fn check_carries_nothing(tx: &Tx, port: Port) -> Result<(), ControlError> {
    let interface =
        tx.network().all::<VirtualInterface>().find(|interface| interface.deleted_at.is_none() && interface.port == port);
    if let Some(interface) = interface {
        return Err(refused(format!("{port} has the virtual interface {}; delete that first.", interface.id)));
    }
    if let Some(hosted) = hosted_on(tx.network(), port).next() {
        return Err(refused(format!("{port} has the hosted connection {}; delete that first.", hosted.id)));
    }
    Ok(())
}

fn hosted_on(network: &Network, port: Port) -> impl Iterator<Item = &Arc<DirectConnectConnection>> {
    network.all::<DirectConnectConnection>().filter(move |connection| {
        connection.deleted_at.is_none() && connection.host.as_ref().is_some_and(|host| host.parent == port)
    })
}

fn check_hosted_vlan(tx: &Tx, port: Port, vlan: u16, besides: Option<DirectConnectConnectionId>) -> Result<(), ControlError> {
    super::interfaces::check_vlan_free(tx, port, vlan)?;
    let same = |other: &&Arc<DirectConnectConnection>| {
        Some(other.id) != besides && other.host.as_ref().is_some_and(|host| host.vlan == vlan)
    };
    match hosted_on(tx.network(), port).find(same) {
        Some(other) => Err(refused(format!("VLAN {vlan} is in use on {port} by {}.", other.id))),
        None => Ok(()),
    }
}
