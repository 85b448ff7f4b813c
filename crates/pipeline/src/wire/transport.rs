//! What follows the IP headers: ports, ICMP messages, and the packets that ICMP errors quote.

use super::header::{ICMP, ICMPV6, InnerHeader, Malformed, TCP, TcpInfo, Transport, UDP};
use super::icmp::{self, Message};
use super::tcp::{self, Segment};
use super::udp::{self, Datagram};
use super::{ipv4, ipv6};

/// The two versions of IP, each with an ICMP of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

/// What the transport header of a whole packet, or of a first fragment, says.
pub(super) struct Parsed {
    pub(super) transport: Transport,
    pub(super) tcp: Option<TcpInfo>,
    pub(super) inner: Option<InnerHeader>,
    /// Bytes of the transport header.
    pub(super) header_len: usize,
}

/// Reads the transport header. `payload` is everything behind the IP headers.
///
/// ICMP over IPv6 and ICMPv6 over IPv4 mean nothing to any receiver and are packets of an unknown protocol, lest a packet of
/// one family passes as an answer about a flow of the other.
pub(super) fn parse(family: Family, protocol: u8, payload: &[u8], is_fragment: bool) -> Result<Parsed, Malformed> {
    let plain = |transport, header_len| Parsed { transport, tcp: None, inner: None, header_len };
    Ok(match (protocol, family) {
        (TCP, _) => {
            let segment = Segment::new_checked(payload)?;
            Parsed { tcp: Some(segment.info()), ..plain(segment.ports(), segment.header_len()) }
        }
        (UDP, _) => plain(Datagram::new_checked(payload, is_fragment)?.ports(), udp::HEADER_LEN),
        (ICMP, Family::Ipv4) | (ICMPV6, Family::Ipv6) => {
            let message = Message::new_checked(payload)?;
            let transport = message.transport(protocol);
            let inner = match (transport, family) {
                (Transport::Icmp { kind, .. }, _) if !icmp::is_error(protocol, kind) => None,
                (_, Family::Ipv4) => ipv4::quoted(message.quotation()),
                (_, Family::Ipv6) => ipv6::quoted(message.quotation()),
            };
            Parsed { inner, ..plain(transport, icmp::HEADER_LEN) }
        }
        _ => plain(Transport::Opaque, 0),
    })
}

/// As much of a transport header as an ICMP error quotes.
pub(super) fn quoted(family: Family, protocol: u8, payload: &[u8]) -> Transport {
    match (protocol, family) {
        (TCP | UDP, _) if payload.len() >= 4 => tcp::ports(payload),
        (ICMP, Family::Ipv4) | (ICMPV6, Family::Ipv6) => {
            Message::new_checked(payload).map_or(Transport::Opaque, |message| message.transport(protocol))
        }
        _ => Transport::Opaque,
    }
}

/// Refuses fragments that only attackers send. `offset` and the length of `payload` are in bytes.
///
/// A fragment that begins within the transport header could overwrite what the filters saw in the first one (RFC 1858,
/// RFC 3128); one that ends beyond 64 KiB overflows its receiver; one that isn't the last and no multiple of eight bytes
/// long, or empty, can't be put together.
pub(super) fn check_fragment(protocol: u8, offset: usize, payload: &[u8], is_last: bool) -> Result<(), Malformed> {
    let is_within_header = protocol == TCP && offset > 0 && offset < tcp::HEADER_LEN;
    let is_too_long = offset + payload.len() > usize::from(u16::MAX);
    let is_uneven = !is_last && !payload.len().is_multiple_of(8);
    match is_within_header || is_too_long || is_uneven || payload.is_empty() {
        true => Err(Malformed::Fragment),
        false => Ok(()),
    }
}
