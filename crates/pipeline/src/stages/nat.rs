//! The NAT gateway: what it translates at all, and what becomes of a packet that goes from IPv6 to IPv4 or back (NAT64).

use std::net::{IpAddr, Ipv4Addr};

use crate::flow::Tuple;
use crate::trace::HeaderView;
use crate::verdict::Code;
use crate::wire::translate::{embed, embedded};
use crate::wire::{FragmentInfo, ICMP, ICMPV6, InnerHeader, TCP, Transport, UDP};

/// The largest IP datagram that a NAT gateway passes, in bytes. See "NAT gateway basics" in the VPC User Guide.
pub(crate) const MTU: u16 = 8500;

/// What a packet is to a NAT gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passenger {
    /// A packet of a flow, with its ends.
    Flow(Tuple),
    /// An ICMP error, with the ends of the packet that it is about.
    Error(Tuple),
}

/// Judges what a packet is made of: TCP, UDP and ICMP echoes pass, errors about them, and of fragments those of UDP.
pub(crate) fn admit(view: &HeaderView, inner: Option<&InnerHeader>, fragment: Option<FragmentInfo>) -> Result<Passenger, Code> {
    match view.protocol {
        TCP | ICMP | ICMPV6 if fragment.is_some() => return Err(Code::NatFragment),
        // No fragment goes from one family to the other.
        _ if fragment.is_some() && view.source.is_ipv6() => return Err(Code::NatFragment),
        TCP | UDP | ICMP | ICMPV6 => {}
        _ => return Err(Code::ProtocolRestriction),
    }
    if let Some(inner) = inner {
        return Tuple::of(&inner.view()).map(Passenger::Error).ok_or(Code::NatNoConnection);
    }
    match Tuple::of(view) {
        Some(ends) => Ok(Passenger::Flow(ends)),
        // A fragment whose first one didn't come by.
        None if view.transport == Transport::Fragment => Err(Code::NatFragment),
        None => Err(Code::ProtocolRestriction),
    }
}

/// The outside of a flow, but for its source: the same, or over IPv4 where it is for an address of 64:ff9b::/96. None for other
/// IPv6.
pub(crate) fn outside_of(inside: Tuple) -> Option<Tuple> {
    let IpAddr::V6(destination) = inside.destination() else { return Some(inside) };
    let destination = embedded(destination)?;
    Some(Tuple::new(Ipv4Addr::UNSPECIFIED.into(), destination.into(), inside.ports, to_ipv4(inside.protocol)))
}

/// A header whose addresses went from IPv6 to IPv4: the rest of it.
pub(crate) fn make_ipv4(view: &mut HeaderView) {
    view.protocol = to_ipv4(view.protocol);
    if let Transport::Icmp { kind, code, .. } = &mut view.transport {
        (*kind, *code) = match (*kind, *code) {
            (128, code) => (8, code),
            (129, code) => (0, code),
            (1, 4) => (3, 3),
            (1, 1) => (3, 10),
            (1, _) => (3, 1),
            (2, _) => (3, 4),
            (3, code) => (11, code),
            (_, 1) => (3, 2),
            _ => (12, 0),
        };
    }
}

/// A header whose addresses went from IPv4 to IPv6: the rest of it.
pub(crate) fn make_ipv6(view: &mut HeaderView) {
    if view.protocol == ICMP {
        view.protocol = ICMPV6;
    }
    if let Transport::Icmp { kind, code, .. } = &mut view.transport {
        (*kind, *code) = match (*kind, *code) {
            (8, code) => (128, code),
            (0, code) => (129, code),
            (3, 2) => (4, 1),
            (3, 3) => (1, 4),
            (3, 4) => (2, 0),
            (3, 9 | 10 | 13 | 15) => (1, 1),
            (3, _) => (1, 0),
            (11, code) => (3, code),
            _ => (4, 0),
        };
    }
}

/// The IPv6 address by which a host behind a NAT gateway knows an address outside.
pub(crate) fn seen_from_inside(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => embed(v4).into(),
        v6 @ IpAddr::V6(_) => v6,
    }
}

fn to_ipv4(protocol: u8) -> u8 {
    if protocol == ICMPV6 { ICMP } else { protocol }
}
