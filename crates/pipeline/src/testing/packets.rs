//! Packets in a line each.

use std::net::{IpAddr, SocketAddr};

use crate::wire::{FragmentInfo, ICMP, ICMPV6, InnerHeader, PacketHeader, Size, TCP, TcpInfo, Transport, UDP};

/// A TCP SYN, such as `tcp("10.0.1.10:40000", "10.0.2.20:80")`.
pub fn tcp(from: &str, to: &str) -> PacketHeader {
    segment(from, to, TcpInfo::SYN)
}

/// A TCP segment with the given flags and no data.
pub fn segment(from: &str, to: &str, flags: u8) -> PacketHeader {
    let tcp = TcpInfo { flags, seq: 1000, ack: 1000, payload_len: 0 };
    PacketHeader { tcp: Some(tcp), ..with_ports(from, to, TCP) }
}

/// A UDP datagram.
pub fn udp(from: &str, to: &str) -> PacketHeader {
    with_ports(from, to, UDP)
}

/// An echo request, of the addresses' family.
pub fn ping(from: &str, to: &str) -> PacketHeader {
    let kind = if from.contains(':') { 128 } else { 8 };
    icmp(from, to, kind, 0)
}

/// Any ICMP or ICMPv6 message with identifier 7.
pub fn icmp(from: &str, to: &str, kind: u8, code: u8) -> PacketHeader {
    let protocol = if from.contains(':') { ICMPV6 } else { ICMP };
    PacketHeader { transport: Transport::Icmp { kind, code, id: 7 }, ..other(protocol, from, to) }
}

/// A packet of a protocol without ports.
pub fn other(protocol: u8, from: &str, to: &str) -> PacketHeader {
    let header = PacketHeader::probe(address(from), address(to), protocol, Transport::Opaque, false);
    PacketHeader { tcp: None, ..header }
}

/// What is done to packets.
pub trait PacketExt: Sized {
    /// The other end's next packet of the conversation: SYN-ACK for a SYN, an ACK for other segments, the echo reply, a
    /// datagram back.
    fn reply(self) -> Self;
    /// The same conversation with other TCP flags.
    fn flags(self, flags: u8) -> Self;
    /// Other sequence and acknowledgement numbers.
    fn numbers(self, seq: u32, ack: u32) -> Self;
    /// Another hop limit.
    fn ttl(self, ttl: u8) -> Self;
    /// Another length, in bytes of IP datagram.
    fn length(self, bytes: u32) -> Self;
    /// IPv4 without "don't fragment".
    fn may_fragment(self) -> Self;
    /// One fragment of a datagram; the later ones have no ports.
    fn fragment(self, id: u32, first: bool) -> Self;
    /// The ICMP error (IPv4 type and code given) that `from` sends about this packet.
    fn error(self, from: &str, kind: u8, code: u8) -> Self;
}

impl PacketExt for PacketHeader {
    fn reply(self) -> Self {
        let transport = match self.transport {
            Transport::Ports { src, dst } => Transport::Ports { src: dst, dst: src },
            Transport::Icmp { kind, code, id } => {
                let answer = match (self.protocol, kind) {
                    (ICMPV6, 128) => 129,
                    (ICMP, 8) => 0,
                    (ICMP, 13 | 15 | 17) => kind + 1,
                    _ => kind,
                };
                Transport::Icmp { kind: answer, code, id }
            }
            other => other,
        };
        let tcp = self.tcp.map(|tcp| TcpInfo {
            flags: if tcp.opens() { TcpInfo::SYN | TcpInfo::ACK } else { TcpInfo::ACK },
            seq: tcp.ack,
            ack: tcp.seq.wrapping_add(tcp.payload_len).wrapping_add(u32::from(tcp.flags & (TcpInfo::SYN | TcpInfo::FIN) != 0)),
            payload_len: 0,
        });
        Self { src: self.dst, dst: self.src, transport, tcp, ..self }
    }

    fn flags(self, flags: u8) -> Self {
        Self { tcp: self.tcp.map(|tcp| TcpInfo { flags, ..tcp }), ..self }
    }

    fn numbers(self, seq: u32, ack: u32) -> Self {
        Self { tcp: self.tcp.map(|tcp| TcpInfo { seq, ack, ..tcp }), ..self }
    }

    fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    fn length(self, bytes: u32) -> Self {
        Self { size: Size { datagram_len: bytes, segments: 1, wire_bytes: bytes.into(), max_segment: bytes }, ..self }
    }

    fn may_fragment(self) -> Self {
        Self { dont_fragment: false, ..self }
    }

    fn fragment(self, id: u32, first: bool) -> Self {
        let fragment = Some(FragmentInfo { id, first, last: !first });
        if first {
            return Self { fragment, dont_fragment: false, ..self };
        }
        Self { fragment, dont_fragment: false, transport: Transport::Fragment, tcp: None, inner: None, ..self }
    }

    fn error(self, from: &str, kind: u8, code: u8) -> Self {
        let inner = InnerHeader { src: self.src, dst: self.dst, protocol: self.protocol, transport: self.transport };
        let protocol = if self.src.is_ipv4() { ICMP } else { ICMPV6 };
        let transport = Transport::Icmp { kind, code, id: 0 };
        let header = PacketHeader::probe(address(from), self.src, protocol, transport, false);
        Self { inner: Some(inner), ..header }
    }
}

fn with_ports(from: &str, to: &str, protocol: u8) -> PacketHeader {
    let (from, to) = (socket(from), socket(to));
    let transport = Transport::Ports { src: from.port(), dst: to.port() };
    PacketHeader::probe(from.ip(), to.ip(), protocol, transport, false)
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("not an address and port: {text}"))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("not an address: {text}"))
}
