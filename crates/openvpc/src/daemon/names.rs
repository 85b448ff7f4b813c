//! The resolver: where it answers, and whom it asks.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use openvpc_gateways::dns::{self, Resolver, Standpoint};
use openvpc_gateways::services::{Askers, Sockets};
use openvpc_model::internet::{LAB_HOST_IPV4, LAB_HOST_IPV6};

use super::enforcement::Enforcement;
use crate::cli::Failure;

/// Where everybody expects a resolver.
pub const PORT: u16 = 53;

/// Answers at the sockets of the link-local services, as each VPC sees names.
pub fn serve_vpcs(resolver: &Arc<Resolver>, enforcement: &Enforcement, sockets: Vec<Sockets>) -> Result<(), Failure> {
    serve(resolver, &Standpoint::Vpcs(askers(enforcement)), sockets)
}

/// Answers on the lab internet's host, as the outside sees names.
pub fn serve_internet(resolver: &Arc<Resolver>, enforcement: &Enforcement) -> Result<(), Failure> {
    let Some((_, namespace)) = enforcement.machine(|machine| machine.internet()).flatten() else { return Ok(()) };
    let sockets = namespace.within(|| {
        let addresses: [IpAddr; 2] = [LAB_HOST_IPV4.into(), LAB_HOST_IPV6.into()];
        let bind =
            |address| Ok(Sockets { address, udp: UdpSocket::bind((address, PORT))?, tcp: TcpListener::bind((address, PORT))? });
        addresses.into_iter().map(bind).collect::<io::Result<Vec<_>>>()
    });
    let sockets = sockets.map_err(|error| Failure::new(error.to_string()))?;
    let sockets = sockets.map_err(|error| Failure::new(format!("the lab internet's resolver can't listen: {error}")))?;
    serve(resolver, &Standpoint::Internet(askers(enforcement)), sockets)
}

/// An address, with a port or without.
pub fn upstream(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>().ok();
    let address = with_port.or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT)));
    address.ok_or_else(|| format!("a name server is an address, such as 192.0.2.53 or [2001:db8::53]:5353, not \"{text}\""))
}

fn serve(resolver: &Arc<Resolver>, standpoint: &Standpoint, sockets: Vec<Sockets>) -> Result<(), Failure> {
    dns::serve(resolver, standpoint, sockets).map_err(|error| Failure::new(format!("the resolver can't answer: {error}")))
}

/// Who asks a link-local service.
pub fn askers(enforcement: &Enforcement) -> Askers {
    let enforcement = enforcement.clone();
    Askers::new(move || enforcement.tables())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_address_with_or_without_a_port() {
        for (text, expected) in
            [("192.0.2.53", "192.0.2.53:53"), ("192.0.2.53:5353", "192.0.2.53:5353"), ("2001:db8::53", "[2001:db8::53]:53")]
        {
            assert_eq!(upstream(text).map(|address| address.to_string()), Ok(expected.to_owned()));
        }
        assert!(upstream("dns.example").is_err());
    }
}
