//! Direct Connect: [`connections`], [`lags`], [`interfaces`] (virtual ones), [`gateways`] and their [`associations`].
//! See the Direct Connect User Guide.
//!
//! Direct Connect knows one error for whatever the caller did wrong, `DirectConnectClientException`; tools tell cases
//! apart by its text, so the texts that they look for are AWS's.

pub mod associations;
pub mod connections;
pub mod failover;
pub mod gateways;
pub mod interfaces;
pub mod lags;
pub mod peers;
pub mod proposals;
pub mod tags;
mod transit;

use std::sync::Arc;

use openvpc_model::direct_connect::Port;
use openvpc_model::{
    AccountId, DirectConnectConnection, DirectConnectGateway, DirectConnectGatewayId, DirectConnectProposal, FailoverTest, Lag,
    Network, Resource, UnixMillis, VirtualInterface, VpnGatewayId,
};

use crate::{ControlError, Tx, retention};

/// How long what was deleted is shown.
const SHOWN_FOR_MS: u64 = 60 * 60 * 1000;

/// How long a failover test is listed after it ended.
const TEST_SHOWN_FOR_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// A place where connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// What CreateConnection takes.
    pub code: &'static str,
    /// Provider and site.
    pub name: &'static str,
    /// The region that it belongs to.
    pub region: &'static str,
}

/// Some of AWS's places.
const LOCATIONS: &[Location] = &[
    location("EqDC2", "Equinix DC2/DC11, Ashburn, VA", "us-east-1"),
    location("CSVA1", "CoreSite VA1, Reston, VA", "us-east-1"),
    location("CSOH1", "Cologix COL2, Columbus, OH", "us-east-2"),
    location("EqSv5", "Equinix SV1 & SV5, San Jose, CA", "us-west-1"),
    location("CSSV4", "CoreSite SV4, Santa Clara, CA", "us-west-1"),
    location("EqSE2", "Equinix SE2, Seattle, WA", "us-west-2"),
    location("TIERP", "TierPoint Seattle, Seattle, WA", "us-west-2"),
    location("EqDA6", "Equinix DA1 - DA3 & DA6, Dallas, TX", "us-west-2"),
    location("EqTR2", "Equinix TR2, Toronto, ON", "ca-central-1"),
    location("EqSp4", "Equinix SP4, Sao Paulo", "sa-east-1"),
    location("EqDB1", "Equinix DB1, Dublin", "eu-west-1"),
    location("DRTDB", "Digital Realty DUB2, Dublin", "eu-west-1"),
    location("EqLD5", "Equinix LD4 - LD6, London", "eu-west-2"),
    location("TCPR1", "Telehouse 2, Paris Voltaire", "eu-west-3"),
    location("EqFA5", "Equinix FR4 - FR6, Frankfurt", "eu-central-1"),
    location("IXFRA", "Interxion Frankfurt 6, Frankfurt", "eu-central-1"),
    location("EqTy2", "Equinix TY2, Tokyo", "ap-northeast-1"),
    location("EqSG2", "Equinix SG2, Singapore", "ap-southeast-1"),
    location("EqSY3", "Equinix SY3, Sydney", "ap-southeast-2"),
    location("GPXMU", "GPX Mumbai 2, Mumbai", "ap-south-1"),
];

/// The places of regions that the list above has none of.
const ELSEWHERE: &[(&str, &str)] = &[("OVPC1", "openvpc site 1"), ("OVPC2", "openvpc site 2")];

const fn location(code: &'static str, name: &'static str, region: &'static str) -> Location {
    Location { code, name, region }
}

/// Code and name of the places of a region.
pub fn locations(region: &str) -> Vec<(&'static str, &'static str)> {
    let known: Vec<_> = LOCATIONS.iter().filter(|location| location.region == region).map(|l| (l.code, l.name)).collect();
    if known.is_empty() { ELSEWHERE.to_vec() } else { known }
}

/// The bandwidths of ports.
pub const PORT_SPEEDS: &[&str] = &["1Gbps", "10Gbps", "100Gbps", "400Gbps"];

/// The bandwidths of ports that can have MACsec.
pub const MACSEC_SPEEDS: &[&str] = &["10Gbps", "100Gbps", "400Gbps"];

/// The bandwidths of hosted connections.
pub const HOSTED_SPEEDS: &[&str] =
    &["50Mbps", "100Mbps", "200Mbps", "300Mbps", "400Mbps", "500Mbps", "1Gbps", "2Gbps", "5Gbps", "10Gbps", "25Gbps"];

/// The device at a place. Each has one, so that any connections there can be grouped.
pub fn device(location: &str) -> String {
    format!("{location}-1a2b3c4d5e6f7")
}

/// Forgets what was deleted, or ended, long enough ago.
pub fn prune(tx: &mut Tx) {
    forget::<DirectConnectConnection>(tx, |connection| connection.deleted_at, SHOWN_FOR_MS);
    forget::<Lag>(tx, |lag| lag.deleted_at, SHOWN_FOR_MS);
    forget::<VirtualInterface>(tx, |interface| interface.deleted_at, SHOWN_FOR_MS);
    forget::<DirectConnectProposal>(tx, |proposal| proposal.ended_at, SHOWN_FOR_MS);
    forget::<FailoverTest>(tx, |test| Some(test.ends_at()), TEST_SHOWN_FOR_MS);
}

fn forget<R: Resource>(tx: &mut Tx, ended_at: impl Fn(&R) -> Option<UnixMillis>, shown_for_ms: u64) {
    let now = tx.now();
    let over = |resource: &&Arc<R>| retention::is_over(ended_at(resource), shown_for_ms, now);
    let old: Vec<_> = tx.network().all::<R>().filter(over).map(|resource| resource.key()).collect();
    old.iter().for_each(|key| tx.remove::<R>(key));
}

/// Something of Direct Connect that uses a virtual private gateway.
pub(crate) fn user_of(network: &Network, gateway: VpnGatewayId) -> Option<String> {
    let uses = |interface: &&Arc<VirtualInterface>| interface.deleted_at.is_none() && interface.vpn_gateway() == Some(gateway);
    let interface = network.all::<VirtualInterface>().find(uses).map(|interface| interface.id.to_string());
    interface.or_else(|| associations::of_vpn_gateway(network, gateway).map(|association| association.gateway.to_string()))
}

/// The one error.
pub(crate) fn refused(message: impl Into<String>) -> ControlError {
    ControlError::new("DirectConnectClientException", message)
}

/// The gateway of that account, wherever it was made.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn gateway_of(
    network: &Network,
    account: AccountId,
    id: DirectConnectGatewayId,
) -> Result<Arc<DirectConnectGateway>, ControlError> {
    let found = network.get::<DirectConnectGateway>(&id).filter(|gateway| gateway.owner.account == account);
    found.cloned().ok_or_else(|| refused(format!("Direct Connect Gateway {id} does not exist.")))
}

/// Checks a name that users give.
fn check_name(name: &str) -> Result<(), ControlError> {
    if (1..=255).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(refused("A name has 1 to 255 characters."))
}

/// The account that owns a port of the caller's region, its bandwidth and its location, if the caller owns it.
fn owned_port(tx: &Tx, port: Port) -> Result<(String, String), ControlError> {
    match port {
        Port::Connection(id) => {
            let connection = connections::find(tx, id)?;
            Ok((connection.bandwidth.clone(), connection.location.clone()))
        }
        Port::Lag(id) => {
            let lag = lags::find(tx, id)?;
            Ok((lag.bandwidth.clone(), lag.location.clone()))
        }
    }
}
