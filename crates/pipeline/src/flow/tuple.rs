//! The two ends of a flow as a header writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::trace::HeaderView;
use crate::wire::{ICMP, ICMPV6, Transport};

/// Source and destination of packets in one direction of a flow. Of an ICMP echo the identifier stands for the port of the
/// end that asks, and the other end has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    source: u128,
    destination: u128,
    /// Source and destination port.
    pub ports: [u16; 2],
    pub protocol: u8,
    is_ipv6: bool,
}

impl Tuple {
    /// The ends of a packet's flow; none where the header doesn't say them all, and for ICMP messages other than echoes.
    pub fn of(view: &HeaderView) -> Option<Self> {
        let ports = match (view.protocol, view.transport) {
            (_, Transport::Ports { src, dst }) => [src, dst],
            (ICMP, Transport::Icmp { kind: 8, id, .. }) | (ICMPV6, Transport::Icmp { kind: 128, id, .. }) => [id, 0],
            (ICMP, Transport::Icmp { kind: 0, id, .. }) | (ICMPV6, Transport::Icmp { kind: 129, id, .. }) => [0, id],
            (ICMP | ICMPV6 | 6 | 17, _) | (_, Transport::Fragment | Transport::Icmp { .. }) => return None,
            (_, Transport::Opaque) => [0, 0],
        };
        Some(Self::new(view.source, view.destination, ports, view.protocol))
    }

    pub fn new(source: IpAddr, destination: IpAddr, ports: [u16; 2], protocol: u8) -> Self {
        Self { source: bits(source), destination: bits(destination), ports, protocol, is_ipv6: source.is_ipv6() }
    }

    /// The other direction.
    pub fn reverse(self) -> Self {
        let [source, destination] = self.ports;
        Self { source: self.destination, destination: self.source, ports: [destination, source], ..self }
    }

    pub fn source(&self) -> IpAddr {
        self.address(self.source)
    }

    pub fn destination(&self) -> IpAddr {
        self.address(self.destination)
    }

    /// The same flow with another source.
    pub fn with_source(self, source: Ipv4Addr, port: u16) -> Self {
        Self { source: u32::from(source).into(), ports: [port, self.ports[1]], ..self }
    }

    /// The same flow with another source port.
    pub fn with_source_port(self, port: u16) -> Self {
        Self { ports: [port, self.ports[1]], ..self }
    }

    fn address(&self, bits: u128) -> IpAddr {
        if self.is_ipv6 { Ipv6Addr::from(bits).into() } else { Ipv4Addr::from(bits as u32).into() }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}
