//! The link-local services: their sockets, bound in their namespace, and the servers behind them.

use std::io;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use openvpc_gateways::dns::Resolver;
use openvpc_gateways::services::{RESOLVER_IN_VPC, Sockets};
use openvpc_model::Service;

use super::enforcement::Enforcement;
use super::names;
use crate::cli::Failure;

/// Starts the servers; there are none where nothing is forwarded.
pub fn serve(enforcement: &Enforcement, resolver: &Arc<Resolver>) -> Result<(), Failure> {
    let Some(namespace) = enforcement.machine(|machine| machine.services()).flatten() else {
        return Ok(());
    };
    let sockets = namespace.within(bind_resolver).map_err(|error| Failure::new(error.to_string()))?;
    let sockets = sockets.map_err(|error| Failure::new(format!("the resolver can't listen: {error}")))?;
    names::serve_vpcs(resolver, enforcement, sockets)
}

/// The sockets of the resolver.
fn bind_resolver() -> io::Result<Vec<Sockets>> {
    let addresses: [IpAddr; 3] = [Service::Resolver.ipv4().into(), RESOLVER_IN_VPC.into(), Service::Resolver.ipv6().into()];
    let bind = |address: IpAddr| {
        let (udp, tcp) = (UdpSocket::bind((address, names::PORT))?, TcpListener::bind((address, names::PORT))?);
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(Sockets { address, udp, tcp })
    };
    addresses.into_iter().map(bind).collect()
}
