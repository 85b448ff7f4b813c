//! What identifies a flow at an interface.

use std::net::IpAddr;

use openvpc_model::Direction;

use super::tcp::Segment;
use crate::compile::EniIndex;
use crate::trace::HeaderView;
use crate::wire::{ICMP, ICMPV6, InnerHeader, TCP, TcpInfo, Transport, UDP};

/// A flow as one interface sees it. Both directions have the same key: it names the end on the interface's side (local) and
/// the other one (remote), not source and destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    remote: u128,
    local: u128,
    /// Remote and local port; for ICMP the request's type and the identifier.
    ports: [u16; 2],
    eni: EniIndex,
    protocol: u8,
    marks: u8,
}

/// A packet as a member of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub key: FlowKey,
    /// The packet's direction at the interface.
    pub direction: Direction,
    pub segment: Option<Segment>,
    /// Whether the packet may be the first of a flow: a SYN, an ICMP request, any packet of other protocols.
    pub opens: bool,
}

impl Flow {
    /// The flow of a packet that passes an interface. None when it has none: ports of a fragment that aren't known, ICMP
    /// messages that ask nothing.
    #[inline]
    pub fn of(eni: EniIndex, direction: Direction, packet: &HeaderView, tcp: Option<TcpInfo>) -> Option<Self> {
        let (key, is_request) =
            FlowKey::new(eni, direction, packet.source, packet.destination, packet.protocol, packet.transport)?;
        let opens = if packet.protocol == TCP { tcp.is_some_and(|tcp| tcp.opens()) } else { is_request };
        Some(Self { key, direction, segment: tcp.map(Segment::from), opens })
    }

    /// The flow of the packet that an ICMP error passing the interface is about: it went the other way.
    pub fn quoted(eni: EniIndex, direction: Direction, inner: &InnerHeader) -> Option<Self> {
        let direction = direction.reverse();
        let (key, _) = FlowKey::new(eni, direction, inner.src, inner.dst, inner.protocol, inner.transport)?;
        Some(Self { key, direction, segment: None, opens: false })
    }
}

impl FlowKey {
    /// The key, and whether the packet is one that may ask for an answer.
    #[inline]
    fn new(
        eni: EniIndex,
        direction: Direction,
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        transport: Transport,
    ) -> Option<(Self, bool)> {
        let inwards = direction == Direction::Ingress;
        let (remote, local) = if inwards { (source, destination) } else { (destination, source) };
        let family = if remote.is_ipv6() { IPV6 } else { 0 };
        let (ports, marks, is_request) = match (protocol, transport) {
            (TCP | UDP, Transport::Ports { src, dst }) => (if inwards { [src, dst] } else { [dst, src] }, family, true),
            (ICMP | ICMPV6, Transport::Icmp { kind, id, .. }) => {
                let (request, is_request) = query(protocol, kind)?;
                // A query that goes the other way under the same identifier is another flow.
                let asker = if is_request == inwards { ASKED_BY_REMOTE } else { 0 };
                ([u16::from(request), id], family | asker, is_request)
            }
            (TCP | UDP | ICMP | ICMPV6, _) => return None,
            _ => ([0, 0], family, true),
        };
        Some((Self { remote: bits(remote), local: bits(local), ports, eni, protocol, marks }, is_request))
    }

    /// The flow that a packet with this header belongs to at an interface. None when it belongs to none.
    pub fn of(eni: EniIndex, direction: Direction, packet: &HeaderView) -> Option<Self> {
        let HeaderView { source, destination, protocol, transport } = *packet;
        Self::new(eni, direction, source, destination, protocol, transport).map(|(key, _)| key)
    }

    /// The interface.
    pub fn eni(&self) -> EniIndex {
        self.eni
    }

    pub(super) fn protocol(&self) -> u8 {
        self.protocol
    }
}

const IPV6: u8 = 1;
const ASKED_BY_REMOTE: u8 = 2;

/// The type of the request that an ICMP query message belongs to, and whether the message is the request.
fn query(protocol: u8, kind: u8) -> Option<(u8, bool)> {
    match (protocol, kind) {
        (ICMP, 8 | 13 | 15 | 17) | (ICMPV6, 128) => Some((kind, true)),
        (ICMP, 0) => Some((8, false)),
        (ICMP, 14 | 16 | 18) => Some((kind - 1, false)),
        (ICMPV6, 129) => Some((128, false)),
        _ => None,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}
