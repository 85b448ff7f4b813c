//! The NAT gateway: what it translates at all.

use crate::flow::Tuple;
use crate::trace::HeaderView;
use crate::verdict::Code;
use crate::wire::{FragmentInfo, ICMP, InnerHeader, TCP, Transport, UDP};

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
pub(crate) fn admit(
    view: &HeaderView,
    inner: Option<&InnerHeader>,
    fragment: Option<FragmentInfo>,
) -> Result<Passenger, Code> {
    match view.protocol {
        TCP | ICMP if fragment.is_some() => return Err(Code::NatFragment),
        TCP | UDP | ICMP => {}
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
