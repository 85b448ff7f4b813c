//! Failover tests: BGP sessions of a virtual interface are held down for a while.

use std::sync::Arc;

use openvpc_model::{BgpPeerId, FailoverTest, FailoverTestId, Network, UnixMillis, VirtualInterfaceId};

use super::{interfaces, refused};
use crate::{ControlError, Tx};

/// How long a test runs when nothing is said, and at most, in minutes.
const MINUTES: (i32, i32) = (180, 4320);

/// Begins a test of some sessions, or of all.
///
/// # Errors
/// `DirectConnectClientException` while one runs, for unknown sessions or a length that isn't allowed.
pub fn start(
    tx: &mut Tx,
    interface: VirtualInterfaceId,
    peers: Vec<BgpPeerId>,
    minutes: Option<i32>,
) -> Result<FailoverTestId, ControlError> {
    let found = interfaces::find(tx, interface)?;
    let minutes = minutes.unwrap_or(MINUTES.0);
    let length = u32::try_from(minutes).ok().filter(|_| (1..=MINUTES.1).contains(&minutes));
    let minutes = length.ok_or_else(|| refused(format!("A failover test lasts 1 to {} minutes.", MINUTES.1)))?;
    if let Some(running) = running(tx.network(), interface, tx.now()) {
        return Err(refused(format!("The failover test {} of {interface} is running.", running.id)));
    }
    if let Some(unknown) = peers.iter().find(|id| !found.peers.iter().any(|peer| peer.id == **id)) {
        return Err(refused(format!("BGP Peer {unknown} does not exist on {interface}.")));
    }
    let peers = if peers.is_empty() { found.peers.iter().map(|peer| peer.id).collect() } else { peers };
    let id = FailoverTestId::from_random([tx.random(), tx.random()]);
    let (owner, started_at) = (tx.owner().clone(), tx.now());
    tx.put(FailoverTest { id, owner, interface, peers, minutes, started_at, stopped_at: None });
    Ok(id)
}

/// Ends the test that runs.
///
/// # Errors
/// `DirectConnectClientException` when none does.
pub fn stop(tx: &mut Tx, interface: VirtualInterfaceId) -> Result<FailoverTestId, ControlError> {
    interfaces::find(tx, interface)?;
    let running = running(tx.network(), interface, tx.now()).cloned();
    let running = running.ok_or_else(|| refused(format!("No failover test of {interface} is running.")))?;
    let stopped = FailoverTest { stopped_at: Some(tx.now()), ..(*running).clone() };
    tx.put(stopped);
    Ok(running.id)
}

/// The test of a virtual interface that runs.
pub fn running(network: &Network, interface: VirtualInterfaceId, now: UnixMillis) -> Option<&Arc<FailoverTest>> {
    network.all::<FailoverTest>().find(|test| test.interface == interface && test.is_running(now))
}
