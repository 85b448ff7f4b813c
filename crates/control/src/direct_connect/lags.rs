//! Link aggregation groups.

use std::sync::Arc;

use openvpc_model::direct_connect::{EncryptionMode, Port};
use openvpc_model::{DirectConnectConnection, DirectConnectConnectionId, Lag, LagId, Network, Tags};

use super::connections::{self, CreateConnection};
use super::{MACSEC_SPEEDS, check_name, refused};
use crate::{ControlError, Missing, Tx};

/// What CreateLag is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateLag {
    /// The user's name for it.
    pub name: String,
    /// The location's code.
    pub location: String,
    /// The bandwidth of each connection.
    pub bandwidth: String,
    /// How many connections it begins with.
    pub connections: usize,
    /// One of them that is there already.
    pub first: Option<DirectConnectConnectionId>,
    /// A service provider.
    pub provider: Option<String>,
    /// Whether it is to have MACsec.
    pub macsec: bool,
    /// Tags.
    pub tags: Tags,
    /// The tags of the connections that are made with it.
    pub connection_tags: Tags,
}

/// Makes a group, with its connections.
///
/// # Errors
/// `DirectConnectClientException` for an unknown location or bandwidth, too many connections, one that doesn't fit, or too
/// many groups.
pub fn create(tx: &mut Tx, request: CreateLag) -> Result<LagId, ControlError> {
    check_name(&request.name)?;
    connections::check_place(tx, &request.location, &request.bandwidth)?;
    if request.connections > most_connections(&request.bandwidth) || (request.connections == 0 && request.first.is_some()) {
        return Err(refused(format!(
            "The number of connections of a LAG of {} is {} at most.",
            request.bandwidth,
            most_connections(&request.bandwidth)
        )));
    }
    if request.macsec && !MACSEC_SPEEDS.contains(&&*request.bandwidth) {
        return Err(refused(format!("MACsec is not available for connections of {}.", request.bandwidth)));
    }
    let limit = tx.quotas().lags;
    if tx.owned::<Lag>().filter(|lag| lag.deleted_at.is_none()).count() >= limit {
        return Err(refused(format!("The limit of {limit} LAGs has been reached.")));
    }
    let id = LagId::from_random(tx.random());
    tx.put(Lag {
        id,
        owner: tx.owner().clone(),
        name: request.name.clone(),
        location: request.location.clone(),
        bandwidth: request.bandwidth.clone(),
        minimum_links: 0,
        provider: request.provider.clone(),
        encryption: request.macsec.then_some(EncryptionMode::Should),
        created_at: tx.now(),
        deleted_at: None,
        tags: request.tags,
    });
    if let Some(first) = request.first {
        associate(tx, first, id)?;
    }
    for number in usize::from(request.first.is_some())..request.connections {
        connections::create(
            tx,
            CreateConnection {
                name: format!("{} {}", request.name, number + 1),
                location: request.location.clone(),
                bandwidth: request.bandwidth.clone(),
                lag: Some(id),
                provider: request.provider.clone(),
                macsec: request.macsec,
                tags: request.connection_tags.clone(),
            },
        )?;
    }
    Ok(id)
}

/// Deletes a group that carries nothing. Its connections stay, each for itself.
///
/// # Errors
/// `DirectConnectClientException` while it carries virtual interfaces or hosted connections.
pub fn delete(tx: &mut Tx, id: LagId) -> Result<(), ControlError> {
    find(tx, id)?;
    connections::check_carries_nothing(tx, Port::Lag(id))?;
    let members: Vec<_> = members(tx.network(), id).map(|connection| connection.id).collect();
    for member in members {
        tx.update::<DirectConnectConnection, _>(&member, |connection| connection.lag = None)?;
    }
    let now = tx.now();
    tx.update::<Lag, _>(&id, |lag| lag.deleted_at = Some(now))
}

/// What UpdateLag changes; what isn't given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateLag {
    /// The user's name for it.
    pub name: Option<String>,
    /// With fewer connections up it is down.
    pub minimum_links: Option<u8>,
    /// How it uses MACsec.
    pub encryption: Option<EncryptionMode>,
}

/// Changes a group.
///
/// # Errors
/// `DirectConnectClientException` for more links than the group has.
pub fn update(tx: &mut Tx, id: LagId, request: UpdateLag) -> Result<(), ControlError> {
    let lag = find(tx, id)?;
    request.name.as_deref().map_or(Ok(()), check_name)?;
    let links = members(tx.network(), id).count();
    if let Some(minimum) = request.minimum_links.filter(|minimum| usize::from(*minimum) > links) {
        return Err(refused(format!("LAG {id} has {links} connections, fewer than the {minimum} it would need.")));
    }
    if request.encryption.is_some() && lag.encryption.is_none() {
        return Err(refused(format!("LAG {id} is not MACsec capable.")));
    }
    tx.update::<Lag, _>(&id, |lag| {
        lag.name = request.name.unwrap_or_else(|| lag.name.clone());
        lag.minimum_links = request.minimum_links.unwrap_or(lag.minimum_links);
        lag.encryption = request.encryption.or(lag.encryption);
    })
}

/// Makes a connection a part of a group; it leaves the one that it is in.
///
/// # Errors
/// `DirectConnectClientException` when it doesn't fit, carries something that the group can't take, or its group needs it.
pub fn associate(tx: &mut Tx, id: DirectConnectConnectionId, lag: LagId) -> Result<(), ControlError> {
    let connection = connections::find(tx, id)?;
    if connection.lag == Some(lag) {
        return Ok(());
    }
    if connection.host.is_some() {
        return Err(refused(format!("Connection {id} is hosted and can't be a part of a LAG.")));
    }
    check_member(tx, lag, &connection.location, &connection.bandwidth)?;
    if let Some(left) = connection.lag {
        check_can_lose_one(tx, left)?;
    }
    super::interfaces::move_all(tx, Port::Connection(id), Port::Lag(lag))?;
    tx.update::<DirectConnectConnection, _>(&id, |connection| connection.lag = Some(lag))
}

/// Takes a connection out of a group, whose virtual interfaces stay with the group.
///
/// # Errors
/// `DirectConnectClientException` when it isn't in the group, or the group needs it.
pub fn disassociate(tx: &mut Tx, id: DirectConnectConnectionId, lag: LagId) -> Result<(), ControlError> {
    find(tx, lag)?;
    if connections::find(tx, id)?.lag != Some(lag) {
        return Err(refused(format!("Connection {id} is not associated with LAG {lag}.")));
    }
    check_can_lose_one(tx, lag)?;
    tx.update::<DirectConnectConnection, _>(&id, |connection| connection.lag = None)
}

/// The caller's group, unless it was deleted.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn find(tx: &Tx, id: LagId) -> Result<Arc<Lag>, ControlError> {
    let lag = tx.find::<Lag>(&id)?;
    if lag.deleted_at.is_some() { Err(Lag::missing(&id)) } else { Ok(lag) }
}

/// The connections of a group.
pub fn members(network: &Network, id: LagId) -> impl Iterator<Item = &Arc<DirectConnectConnection>> {
    network
        .all::<DirectConnectConnection>()
        .filter(move |connection| connection.deleted_at.is_none() && connection.lag == Some(id))
}

/// Whether so many of its connections are there that the group is up.
pub fn is_up(network: &Network, lag: &Lag) -> bool {
    members(network, lag.id).count() >= usize::from(lag.minimum_links.max(1))
}

pub(super) fn check_member(tx: &Tx, id: LagId, location: &str, bandwidth: &str) -> Result<(), ControlError> {
    let lag = find(tx, id)?;
    if (&*lag.location, &*lag.bandwidth) != (location, bandwidth) {
        return Err(refused(format!(
            "LAG {id} takes connections of {} at {}, not of {bandwidth} at {location}.",
            lag.bandwidth, lag.location
        )));
    }
    let limit = most_connections(&lag.bandwidth);
    if members(tx.network(), id).count() >= limit {
        return Err(refused(format!("LAG {id} has {limit} connections, which is the most.")));
    }
    Ok(())
}

/// A group doesn't fall below its minimum, but its last connection may go.
pub(super) fn check_can_lose_one(tx: &Tx, id: LagId) -> Result<(), ControlError> {
    let (lag, links) = (find(tx, id)?, members(tx.network(), id).count());
    if links > 1 && links - 1 < usize::from(lag.minimum_links) {
        return Err(refused(format!("LAG {id} would fall below its minimum of {} connections.", lag.minimum_links)));
    }
    Ok(())
}

fn most_connections(bandwidth: &str) -> usize {
    if matches!(bandwidth, "100Gbps" | "400Gbps") { 2 } else { 4 }
}
