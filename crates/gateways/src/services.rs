//! Who asks a link-local service.
//!
//! The services listen in a namespace of their own, where every interface of every VPC has other addresses than in its VPC,
//! by which it is told apart from all others. Metadata, the resolver and the time server turn the peer of a socket into an
//! interface here, and nowhere else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;

use openvpc_model::{EniId, Network};
use openvpc_pipeline::{Tables, unmasked};

pub use openvpc_pipeline::RESOLVER_IN_VPC;

/// Turns peers of sockets in the services' namespace into interfaces, by the tables in force. Clones are the same.
#[derive(Clone)]
pub struct Askers {
    tables: Arc<dyn Fn() -> Arc<Tables> + Send + Sync>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The interface that the question came out of.
    pub eni: EniId,
    /// The address of the interface that it came from.
    pub address: IpAddr,
}

impl Askers {
    /// Asks `tables` for the tables in force.
    pub fn new(tables: impl Fn() -> Arc<Tables> + Send + Sync + 'static) -> Self {
        Self { tables: Arc::new(tables) }
    }

    /// Who has the peer's address; none when that interface, or its address, is gone by now.
    pub fn who(&self, peer: IpAddr) -> Option<Asker> {
        who(&(self.tables)(), peer)
    }

    /// The same, with the network of that moment.
    pub fn who_in(&self, peer: IpAddr) -> Option<(Asker, Network)> {
        let tables = (self.tables)();
        Some((who(&tables, peer)?, tables.network().clone()))
    }

    /// The network in force.
    pub fn network(&self) -> Network {
        (self.tables)().network().clone()
    }
}

impl fmt::Debug for Askers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Askers").finish_non_exhaustive()
    }
}

/// The sockets of a service that answers over UDP and TCP, bound in the services' namespace: one pair for each address that
/// it is asked by, [`RESOLVER_IN_VPC`] for base plus two of the asker's VPC among them.
#[derive(Debug)]
pub struct Sockets {
    /// The address.
    pub address: IpAddr,
    /// For datagrams.
    pub udp: UdpSocket,
    /// For connections.
    pub tcp: TcpListener,
}

impl Sockets {
    /// Whether who asks here asks base plus two of his VPC.
    pub fn is_base_plus_two(&self) -> bool {
        const HERE: Ipv4Addr = RESOLVER_IN_VPC;
        self.address == IpAddr::V4(HERE)
    }
}

fn who(tables: &Tables, peer: IpAddr) -> Option<Asker> {
    let (index, address) = unmasked(tables, peer.to_canonical())?;
    Some(Asker { eni: tables.eni(index)?.eni.id, address })
}
