//! IPv6 (RFC 8200).

use std::net::{IpAddr, Ipv6Addr};

use super::header::{FragmentInfo, Gso, InnerHeader, Malformed, PacketHeader, Size, Transport};
use super::{field, transport};

/// Bytes of the fixed header.
pub(super) const HEADER_LEN: usize = 40;
/// No sender needs more extension headers; each costs the router a step.
const MOST_EXTENSIONS: usize = 8;

/// Where the extension headers end.
pub(super) struct Walk {
    /// The protocol behind them.
    pub(super) protocol: u8,
    /// Where its header begins.
    pub(super) offset: usize,
    fragment: Option<Fragment>,
}

impl Walk {
    /// Whether the packet is a fragment other than the first, which holds no transport header.
    pub(super) fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset > 0)
    }
}

#[derive(Clone, Copy)]
struct Fragment {
    id: u32,
    offset: u16,
    more: bool,
}

/// Reads a packet. Jumbograms and routing headers of type 0 (RFC 5095) are refused.
pub(super) fn parse(bytes: &[u8], gso: Option<Gso>) -> Result<PacketHeader, Malformed> {
    if bytes.len() < HEADER_LEN {
        return Err(Malformed::Truncated);
    }
    let length = usize::from(field::u16(bytes, 4));
    // The length field of a super-packet above 64 KiB is zero; the buffer's own length counts then.
    let total = if length == 0 && gso.is_some() { bytes.len() } else { HEADER_LEN + length };
    let bytes = bytes.get(..total).ok_or(Malformed::Truncated)?;
    let walk = walk(bytes)?;
    let (src, dst) = addresses(bytes);
    let fragment =
        walk.fragment.map(|fragment| FragmentInfo { id: fragment.id, first: fragment.offset == 0, last: !fragment.more });
    let mut header = PacketHeader {
        src,
        dst,
        protocol: walk.protocol,
        transport: Transport::Fragment,
        tcp: None,
        ttl: bytes[7],
        dont_fragment: true,
        fragment,
        inner: None,
        size: Size::new(total as u32, walk.offset as u32, None),
    };
    if fragment.is_some_and(|fragment| !fragment.first) {
        return Ok(header);
    }
    let upper = transport::parse(walk.protocol, &bytes[walk.offset..])
        .map_err(|error| if fragment.is_some() { Malformed::Fragment } else { error })?;
    header.transport = upper.transport;
    header.tcp = upper.tcp;
    header.inner = upper.inner;
    header.size = Size::new(total as u32, (walk.offset + upper.header_len) as u32, gso);
    Ok(header)
}

/// Walks the extension headers of a packet whose length was checked.
pub(super) fn walk(bytes: &[u8]) -> Result<Walk, Malformed> {
    let mut walk = Walk { protocol: bytes.get(6).copied().ok_or(Malformed::Truncated)?, offset: HEADER_LEN, fragment: None };
    for _ in 0..MOST_EXTENSIONS {
        let at = walk.offset;
        let length = match walk.protocol {
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => (usize::from(*bytes.get(at + 1).ok_or(Malformed::Truncated)?) + 1) * 8,
            44 => 8,
            // Authentication header.
            51 => (usize::from(*bytes.get(at + 1).ok_or(Malformed::Truncated)?) + 2) * 4,
            _ => return Ok(walk),
        };
        let header = bytes.get(at..at + length).ok_or(Malformed::Truncated)?;
        match walk.protocol {
            0 if at != HEADER_LEN => return Err(Malformed::Options),
            43 if header[2] == 0 => return Err(Malformed::Options),
            44 => {
                let place = field::u16(header, 2);
                let fragment = Fragment { id: field::u32(header, 4), offset: place >> 3, more: place & 1 != 0 };
                // An atomic fragment (RFC 6946) is a whole packet that carries a fragment header.
                walk.fragment = (fragment.offset > 0 || fragment.more).then_some(fragment);
                if fragment.offset > 0 {
                    walk.protocol = header[0];
                    walk.offset += length;
                    return Ok(walk);
                }
            }
            _ => {}
        }
        walk.protocol = header[0];
        walk.offset += length;
    }
    Err(Malformed::Options)
}

/// Reads what an ICMPv6 error quotes of the packet it is about.
pub(super) fn quoted(bytes: &[u8]) -> Option<InnerHeader> {
    if bytes.len() < HEADER_LEN || bytes[0] >> 4 != 6 {
        return None;
    }
    let (src, dst) = addresses(bytes);
    let (protocol, payload) = match walk(bytes) {
        Ok(walk) if !walk.is_later_fragment() => (walk.protocol, bytes.get(walk.offset..).unwrap_or_default()),
        Ok(walk) => (walk.protocol, &[][..]),
        Err(_) => (bytes[6], &[][..]),
    };
    Some(InnerHeader { src, dst, protocol, transport: transport::quoted(protocol, payload) })
}

fn addresses(bytes: &[u8]) -> (IpAddr, IpAddr) {
    let address = |at| IpAddr::V6(Ipv6Addr::from(field::octets::<16>(bytes, at)));
    (address(8), address(24))
}
