//! The egress-only internet gateway: IPv6 out, answers in.

use std::net::IpAddr;

use super::address::is_global;
use crate::compile::VpcTable;
use crate::trace::HeaderView;
use crate::verdict::Code;
use crate::wire::{ICMPV6, Transport};

/// Judges a packet on its way out.
pub(crate) fn outbound(vpc: &VpcTable, source: IpAddr, destination: IpAddr) -> Result<(), Code> {
    match (source, destination) {
        (IpAddr::V6(_), IpAddr::V6(destination)) if !is_global(destination) => Err(Code::InternetUnreachable),
        (IpAddr::V6(_), IpAddr::V6(_)) if vpc.host(source).is_some() => Ok(()),
        _ => Err(Code::GatewayRejectsSpoofedTraffic),
    }
}

/// Whether a packet on its way out is one that answers may come to. An answer itself is none: it would let questions in.
pub(crate) fn remembers(view: &HeaderView) -> bool {
    !matches!((view.protocol, view.transport), (ICMPV6, Transport::Icmp { kind: 129, .. }))
}
