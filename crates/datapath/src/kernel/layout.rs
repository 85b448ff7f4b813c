//! What the program and the daemon share: the mirror of `bpf/layout.h`, where the fields are explained.

use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};

use openvpc_pipeline::wire::{ICMP, ICMPV6, TCP, UDP};
use openvpc_pipeline::{HeaderView, Transport};

/// Raised with every change of the layout, so that maps that another version pinned are not taken for ours.
pub(super) const LAYOUT: u32 = 3;

/// A flow in one direction, as it enters by a link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FlowId {
    /// Over IPv4.
    V4(Flow4),
    /// Over IPv6.
    V6(Flow6),
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow4 {
    pub port: u32,
    source: [u8; 4],
    destination: [u8; 4],
    ports: [[u8; 2]; 2],
    protocol: u8,
    padding: [u8; 3],
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow6 {
    pub port: u32,
    source: [u8; 16],
    destination: [u8; 16],
    ports: [[u8; 2]; 2],
    protocol: u8,
    padding: [u8; 3],
}

// SAFETY: plain octets and numbers without implicit padding; any bit pattern is a value.
unsafe impl aya::Pod for Flow4 {}
// SAFETY: as above.
unsafe impl aya::Pod for Flow6 {}

impl FlowId {
    /// The flow of a packet that enters by link `port`. None for packets that the program leaves to user space always.
    pub fn of(port: u32, packet: &HeaderView) -> Option<Self> {
        let ports = match (packet.protocol, packet.transport) {
            (TCP | UDP, Transport::Ports { src, dst }) => [src, dst],
            (ICMP, Transport::Icmp { kind: kind @ (0 | 8), code: 0, id }) if packet.source.is_ipv4() => [kind.into(), id],
            (ICMPV6, Transport::Icmp { kind: kind @ (128 | 129), code: 0, id }) if packet.source.is_ipv6() => [kind.into(), id],
            (TCP | UDP | ICMP | ICMPV6, _) => return None,
            (_, Transport::Opaque) => [0, 0],
            _ => return None,
        };
        let (ports, protocol, padding) = (ports.map(u16::to_be_bytes), packet.protocol, [0; 3]);
        match (packet.source, packet.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                Some(Self::V4(Flow4 { port, source, destination, ports, protocol, padding }))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (source, destination) = (source.octets(), destination.octets());
                Some(Self::V6(Flow6 { port, source, destination, ports, protocol, padding }))
            }
            _ => None,
        }
    }

    /// The link that it enters by.
    pub fn port(&self) -> u32 {
        match self {
            Self::V4(flow) => flow.port,
            Self::V6(flow) => flow.port,
        }
    }

    /// What its packets look like as they enter.
    pub fn header(&self) -> HeaderView {
        let (source, destination, ports, protocol): (IpAddr, IpAddr, _, _) = match self {
            Self::V4(Flow4 { source, destination, ports, protocol, .. }) => {
                (Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), ports, *protocol)
            }
            Self::V6(Flow6 { source, destination, ports, protocol, .. }) => {
                (Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), ports, *protocol)
            }
        };
        let [first, second] = ports.map(u16::from_be_bytes);
        let transport = match protocol {
            TCP | UDP => Transport::Ports { src: first, dst: second },
            ICMP | ICMPV6 => Transport::Icmp { kind: first as u8, code: 0, id: second },
            _ => Transport::Opaque,
        };
        HeaderView { source, destination, protocol, transport }
    }
}

/// What to do with the packets of a flow, as it is written before the flow is known to the program. Compared as a whole to
/// find out whether a new verdict is the one in force; the generations are kept apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Action {
    pub out: u32,
    pub scope: [u16; 3],
    pub flags: u16,
    pub mtu: u16,
    pub hops: u8,
    pub padding: u8,
    pub in_destination: [u8; 6],
    pub in_source: [u8; 6],
    pub out_destination: [u8; 6],
    pub out_source: [u8; 6],
    pub new_source: [u8; 4],
    pub new_destination: [u8; 4],
    pub new_ports: [[u8; 2]; 2],
}

impl Action {
    pub const DENY: u16 = 1;
    pub const PEER: u16 = 2;
    pub const ANY_SENDER: u16 = 4;
    pub const NEW_SOURCE: u16 = 8;
    pub const NEW_DESTINATION: u16 = 16;
    pub const NEW_SOURCE_PORT: u16 = 32;
    pub const NEW_DESTINATION_PORT: u16 = 64;

    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// One direction of a connection.
#[repr(C)]
pub struct Slot {
    pub generation: [AtomicU32; 3],
    /// Nobody but the daemon writes it, and only while no flow in the maps leads here.
    pub action: std::cell::UnsafeCell<Action>,
    pub packets: AtomicU64,
    pub bytes: AtomicU64,
    pub seen: AtomicU64,
    pub tcp_flags: AtomicU32,
    pub unused: u32,
    pub patience: AtomicU64,
    pub reported_packets: AtomicU64,
    pub reported_bytes: AtomicU64,
    pub reserved: u64,
}

/// How far a connection is.
#[repr(C)]
pub struct SharedConnection {
    /// Kind, originator, phase, ends of originator and responder, asking, exchanges, nothing.
    pub state: [AtomicU8; 8],
    pub finished: [AtomicU32; 2],
}

/// A link that packets enter by.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct PortBudget {
    pub miss_cost: u64,
    pub miss_burst: u64,
    pub budget_used_to: u64,
    pub misses: u64,
    pub refused: u64,
}

// SAFETY: numbers without padding; any bit pattern is a value.
unsafe impl aya::Pod for PortBudget {}

/// For all links.
#[repr(C)]
pub struct Settings {
    pub punt: AtomicU32,
    pub padding: u32,
}

/// In front of a frame that is handed to user space.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Punted {
    pub port: u32,
    pub reason: u32,
    pub padding: u64,
}

const _: () = assert!(size_of::<Flow4>() == 20 && size_of::<Flow6>() == 44);
const _: () = assert!(size_of::<Action>() == 52 && size_of::<Slot>() == 128 && offset_of!(Slot, packets) == 64);
const _: () = assert!(size_of::<SharedConnection>() == 16 && size_of::<PortBudget>() == 40);
const _: () = assert!(size_of::<Settings>() == 8 && size_of::<Punted>() == 16);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn header(source: &str, destination: &str, protocol: u8, transport: Transport) -> HeaderView {
        HeaderView { source: source.parse().unwrap(), destination: destination.parse().unwrap(), protocol, transport }
    }

    const V4: (&str, &str) = ("10.0.0.1", "203.0.113.7");
    const V6: (&str, &str) = ("2001:db8::1", "2001:db8:ffff::10");

    #[test]
    fn a_flow_says_again_what_its_packets_look_like() {
        let ports = Transport::Ports { src: 0x1234, dst: 80 };
        let echo = |kind| Transport::Icmp { kind, code: 0, id: 0xabcd };
        let cases = [
            (V4, TCP, ports),
            (V6, TCP, ports),
            (V4, UDP, ports),
            (V6, UDP, ports),
            (V4, ICMP, echo(8)),
            (V4, ICMP, echo(0)),
            (V6, ICMPV6, echo(128)),
            (V6, ICMPV6, echo(129)),
            (V4, 47, Transport::Opaque),
            (V6, 132, Transport::Opaque),
        ];
        for ((source, destination), protocol, transport) in cases {
            let packet = header(source, destination, protocol, transport);
            let flow = FlowId::of(70_000, &packet).unwrap();
            assert_eq!((flow.port(), flow.header()), (70_000, packet));
        }
    }

    #[test]
    fn what_user_space_must_look_at_is_no_flow() {
        let icmp = |kind, code| Transport::Icmp { kind, code, id: 7 };
        let cases = [
            (V4, ICMP, icmp(3, 1)),
            (V4, ICMP, icmp(8, 1)),
            (V4, ICMP, icmp(13, 0)),
            (V4, ICMPV6, icmp(128, 0)),
            (V6, ICMP, icmp(8, 0)),
            (V6, ICMPV6, icmp(2, 0)),
            (V4, ICMPV6, Transport::Opaque),
            (V4, TCP, Transport::Fragment),
            (V6, UDP, Transport::Opaque),
            (V4, 47, Transport::Fragment),
        ];
        for ((source, destination), protocol, transport) in cases {
            assert_eq!(FlowId::of(1, &header(source, destination, protocol, transport)), None, "{protocol} {transport:?}");
        }
    }

    #[test]
    fn links_and_directions_are_told_apart() {
        let ports = |src, dst| Transport::Ports { src, dst };
        let there = header(V4.0, V4.1, TCP, ports(1, 2));
        let back = header(V4.1, V4.0, TCP, ports(2, 1));
        let flows = [
            FlowId::of(1, &there),
            FlowId::of(2, &there),
            FlowId::of(1, &back),
            FlowId::of(1, &header(V4.0, V4.1, UDP, ports(1, 2))),
        ];
        for (index, flow) in flows.iter().enumerate() {
            assert!(flows[..index].iter().all(|other| other != flow));
        }
    }
}
