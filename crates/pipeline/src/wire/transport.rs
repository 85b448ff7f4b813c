//! The header above IP: ports, ICMP messages, and the packets that ICMP errors quote.

use super::header::{ICMP, ICMPV6, InnerHeader, Malformed, TCP, TcpInfo, Transport, UDP};
use super::{field, ipv4, ipv6};

/// What the transport header of a whole packet, or of a first fragment, says.
pub(super) struct Parsed {
    pub(super) transport: Transport,
    pub(super) tcp: Option<TcpInfo>,
    pub(super) inner: Option<InnerHeader>,
    /// Bytes of the transport header.
    pub(super) header_len: usize,
}

/// Reads the transport header. `payload` is everything behind the IP headers.
pub(super) fn parse(protocol: u8, payload: &[u8]) -> Result<Parsed, Malformed> {
    let plain = |transport, header_len| Parsed { transport, tcp: None, inner: None, header_len };
    match protocol {
        TCP => {
            if payload.len() < 20 {
                return Err(Malformed::Truncated);
            }
            let header_len = usize::from(payload[12] >> 4) * 4;
            if header_len < 20 || header_len > payload.len() {
                return Err(Malformed::Length);
            }
            let tcp = TcpInfo {
                flags: payload[13],
                seq: field::u32(payload, 4),
                ack: field::u32(payload, 8),
                payload_len: (payload.len() - header_len) as u32,
            };
            Ok(Parsed { tcp: Some(tcp), ..plain(ports(payload), header_len) })
        }
        UDP => {
            if payload.len() < 8 {
                return Err(Malformed::Truncated);
            }
            Ok(plain(ports(payload), 8))
        }
        ICMP | ICMPV6 => {
            if payload.len() < 8 {
                return Err(Malformed::Truncated);
            }
            let (kind, code) = (payload[0], payload[1]);
            let (echo, error) = match protocol {
                ICMP => (matches!(kind, 0 | 8 | 13..=18), matches!(kind, 3 | 4 | 5 | 11 | 12)),
                _ => (matches!(kind, 128 | 129), kind < 128),
            };
            let id = if echo { field::u16(payload, 4) } else { 0 };
            let inner = match (error, protocol) {
                (false, _) => None,
                (true, ICMP) => ipv4::quoted(&payload[8..]),
                (true, _) => ipv6::quoted(&payload[8..]),
            };
            Ok(Parsed { inner, ..plain(Transport::Icmp { kind, code, id }, 8) })
        }
        _ => Ok(plain(Transport::Opaque, 0)),
    }
}

/// As much of a transport header as an ICMP error quotes.
pub(super) fn quoted(protocol: u8, payload: &[u8]) -> Transport {
    match protocol {
        TCP | UDP if payload.len() >= 4 => ports(payload),
        ICMP | ICMPV6 if payload.len() >= 6 => Transport::Icmp { kind: payload[0], code: payload[1], id: field::u16(payload, 4) },
        _ => Transport::Opaque,
    }
}

fn ports(payload: &[u8]) -> Transport {
    Transport::Ports { src: field::u16(payload, 0), dst: field::u16(payload, 2) }
}
