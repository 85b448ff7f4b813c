//! The summary of a packet that the pipeline judges.

use std::net::IpAddr;

use super::{icmp, ipv4, ipv6};
use crate::trace::HeaderView;

#[cfg(test)]
mod tests;

/// An IP packet in the terms that rules and routes speak. `Copy`, and independent of the packet's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHeader {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// The IP protocol: for IPv6 the one behind all extension headers.
    pub protocol: u8,
    /// Ports, or ICMP type and code.
    pub transport: Transport,
    /// For TCP, unless it is a fragment that isn't the first.
    pub tcp: Option<TcpInfo>,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// IPv4's "don't fragment"; always for IPv6, whose routers never fragment.
    pub dont_fragment: bool,
    /// For a fragment.
    pub fragment: Option<FragmentInfo>,
    /// The packet that an ICMP error is about.
    pub inner: Option<InnerHeader>,
    /// How large it is.
    pub size: Size,
}

impl PacketHeader {
    /// Reads an IP packet, without link header, with nothing behind it but padding. `gso` says how a super-packet is to
    /// be cut.
    ///
    /// # Errors
    /// When the bytes aren't a packet that a router forwards.
    pub fn parse(packet: &[u8], gso: Option<Gso>) -> Result<Self, Malformed> {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => ipv4::parse(packet, gso),
            Some(6) => ipv6::parse(packet, gso),
            Some(_) => Err(Malformed::Version),
            None => Err(Malformed::Truncated),
        }
    }

    /// A small packet that nobody has sent: the first of a conversation, or (`answer`) the first that comes back. Only
    /// TCP tells the two apart here, by SYN and SYN with ACK; the caller says by `transport` which ICMP message it is.
    pub fn probe(src: IpAddr, dst: IpAddr, protocol: u8, transport: Transport, answer: bool) -> Self {
        let flags = if answer { TcpInfo::SYN | TcpInfo::ACK } else { TcpInfo::SYN };
        let length = if src.is_ipv4() { 40 } else { 60 };
        Self {
            src,
            dst,
            protocol,
            transport,
            tcp: (protocol == TCP).then_some(TcpInfo { flags, seq: 0, ack: u32::from(answer), payload_len: 0 }),
            ttl: 64,
            dont_fragment: true,
            fragment: None,
            inner: None,
            size: Size { datagram_len: length, segments: 1, wire_bytes: length.into(), max_segment: length },
        }
    }

    /// Whether it is an ICMP or ICMPv6 error message, about which no error may be sent.
    pub fn is_icmp_error(&self) -> bool {
        matches!(self.transport, Transport::Icmp { kind, .. } if icmp::is_error(self.protocol, kind))
    }
}

/// ICMP's protocol number.
pub const ICMP: u8 = 1;
/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;
/// ICMPv6's protocol number.
pub const ICMPV6: u8 = 58;

/// What identifies a packet's conversation above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP or UDP.
    Ports {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP over IPv4 or ICMPv6 over IPv6.
    Icmp {
        /// The message's type.
        kind: u8,
        /// The message's code.
        code: u8,
        /// The identifier of an echo, else 0.
        id: u16,
    },
    /// Any other protocol.
    Opaque,
    /// A fragment other than the first: its ports are unknown.
    Fragment,
}

/// What connection tracking looks at in a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// The flags FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Bytes of data in the whole super-packet.
    pub payload_len: u32,
}

impl TcpInfo {
    /// The sender is done.
    pub const FIN: u8 = 1;
    /// A new connection.
    pub const SYN: u8 = 2;
    /// The connection is broken off.
    pub const RST: u8 = 4;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;

    /// Whether it opens a connection: SYN without ACK.
    pub fn opens(&self) -> bool {
        self.flags & (Self::SYN | Self::ACK) == Self::SYN
    }
}

/// What identifies the other fragments of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// The datagram's identification.
    pub id: u32,
    /// Whether it is the first, which holds the ports.
    pub first: bool,
    /// Whether it is the last.
    pub last: bool,
}

/// The packet that an ICMP error is about, as far as the error quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerHeader {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// The IP protocol.
    pub protocol: u8,
    /// Ports; `Opaque` when they aren't quoted.
    pub transport: Transport,
}

impl InnerHeader {
    /// Its header, as far as it is quoted.
    pub(crate) fn view(&self) -> HeaderView {
        HeaderView { source: self.src, destination: self.dst, protocol: self.protocol, transport: self.transport }
    }
}

/// How large a packet is. A super-packet is one buffer that becomes several datagrams on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The IP length of the buffer, in bytes.
    pub datagram_len: u32,
    /// How many datagrams it becomes.
    pub segments: u32,
    /// Sum of their IP lengths, in bytes.
    pub wire_bytes: u64,
    /// The IP length of the largest of them, in bytes.
    pub max_segment: u32,
}

impl Size {
    /// A buffer of `datagram_len` bytes of which `headers` are repeated in every segment.
    pub(super) fn new(datagram_len: u32, headers: u32, gso: Option<Gso>) -> Self {
        let payload = datagram_len.saturating_sub(headers);
        match gso.map(|gso| u32::from(gso.segment_size)).filter(|size| *size > 0 && payload > *size) {
            Some(size) => {
                let segments = payload.div_ceil(size);
                let wire_bytes = u64::from(payload) + u64::from(segments) * u64::from(headers);
                Self { datagram_len, segments, wire_bytes, max_segment: size + headers }
            }
            None => Self { datagram_len, segments: 1, wire_bytes: datagram_len.into(), max_segment: datagram_len },
        }
    }
}

/// How a super-packet is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// Bytes of payload in each segment but the last.
    pub segment_size: u16,
}

/// Why bytes aren't a packet that is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Malformed {
    /// The IPv4 header's checksum is wrong.
    Checksum,
    /// A fragment that would overlap the transport header, a first one too short to hold it, or one that can't be put
    /// together with any other.
    Fragment,
    /// A length field contradicts another or the packet's.
    Length,
    /// A source route, a jumbogram, or more extension headers than any sender needs.
    Options,
    /// The packet ends too early.
    Truncated,
    /// Neither IPv4 nor IPv6.
    Version,
}

impl Malformed {
    /// All reasons.
    pub const ALL: [Self; 6] = [Self::Checksum, Self::Fragment, Self::Length, Self::Options, Self::Truncated, Self::Version];

    /// The reason in a word, for counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checksum => "OPENVPC_MALFORMED_CHECKSUM",
            Self::Fragment => "OPENVPC_MALFORMED_FRAGMENT",
            Self::Length => "OPENVPC_MALFORMED_LENGTH",
            Self::Options => "OPENVPC_MALFORMED_OPTIONS",
            Self::Truncated => "OPENVPC_MALFORMED_TRUNCATED",
            Self::Version => "OPENVPC_MALFORMED_VERSION",
        }
    }
}
