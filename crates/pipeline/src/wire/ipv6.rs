//! IPv6 (RFC 8200).

use std::net::{IpAddr, Ipv6Addr};

use super::bytes;
use super::header::{FragmentInfo, Gso, InnerHeader, Malformed, PacketHeader, Size, Transport};
use super::transport::{self, Family};

/// Bytes of the fixed header.
pub(super) const HEADER_LEN: usize = 40;
/// No sender needs more extension headers; each costs the router a step.
const MOST_EXTENSIONS: usize = 8;

/// A view of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    bytes: &'a [u8],
}

/// The places of the fixed header.
pub(super) mod field {
    pub(super) const VERSION: usize = 0;
    pub(in super::super) const PAYLOAD_LEN: usize = 4;
    pub(in super::super) const NEXT_HEADER: usize = 6;
    pub(in super::super) const HOP_LIMIT: usize = 7;
    pub(in super::super) const SRC: usize = 8;
    pub(in super::super) const DST: usize = 24;
}

impl<'a> Packet<'a> {
    /// A view of a packet whose fixed header is there. The rest may be cut off, as it is in quotations.
    pub(super) fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match bytes.first().map(|first| first >> 4) {
            _ if bytes.len() < HEADER_LEN => Err(Malformed::Truncated),
            Some(6) => Ok(Self { bytes }),
            _ => Err(Malformed::Version),
        }
    }

    pub(super) fn payload_len(&self) -> usize {
        bytes::u16(self.bytes, field::PAYLOAD_LEN).into()
    }

    pub(super) fn next_header(&self) -> u8 {
        bytes::u8(self.bytes, field::NEXT_HEADER)
    }

    pub(super) fn traffic_class(&self) -> u8 {
        (bytes::u16(self.bytes, field::VERSION) >> 4) as u8
    }

    pub(super) fn hop_limit(&self) -> u8 {
        bytes::u8(self.bytes, field::HOP_LIMIT)
    }

    pub(super) fn src(&self) -> Ipv6Addr {
        bytes::octets::<16>(self.bytes, field::SRC).into()
    }

    pub(super) fn dst(&self) -> Ipv6Addr {
        bytes::octets::<16>(self.bytes, field::DST).into()
    }

    /// Everything behind the fixed header.
    pub(super) fn payload(&self) -> &'a [u8] {
        bytes::from(self.bytes, HEADER_LEN)
    }

    /// Walks the extension headers.
    ///
    /// # Errors
    /// When they are cut off, too many, or of a kind that isn't forwarded.
    pub(super) fn walk(&self) -> Result<Walk, Malformed> {
        let mut walk = Walk { protocol: self.next_header(), offset: HEADER_LEN, fragment: None };
        for _ in 0..MOST_EXTENSIONS {
            let rest = bytes::from(self.bytes, walk.offset);
            let units = usize::from(bytes::u8(rest, extension::LENGTH));
            let length = match walk.protocol {
                extension::HOP_BY_HOP | extension::ROUTING | extension::DESTINATION_OPTIONS => (units + 1) * 8,
                extension::FRAGMENT => extension::FRAGMENT_LEN,
                extension::AUTHENTICATION => (units + 2) * 4,
                _ => return Ok(walk),
            };
            let header = rest.get(..length).ok_or(Malformed::Truncated)?;
            match walk.protocol {
                extension::HOP_BY_HOP if walk.offset != HEADER_LEN => return Err(Malformed::Options),
                extension::HOP_BY_HOP => check_options(bytes::from(header, extension::OPTIONS))?,
                extension::ROUTING if bytes::u8(header, extension::ROUTING_TYPE) == 0 => return Err(Malformed::Options),
                extension::FRAGMENT if walk.fragment.is_some() => return Err(Malformed::Fragment),
                extension::FRAGMENT => walk.fragment = Some(Fragment::of(header)),
                _ => {}
            }
            walk.protocol = bytes::u8(header, extension::NEXT_HEADER);
            walk.offset += length;
            if walk.is_later_fragment() {
                return Ok(walk);
            }
        }
        Err(Malformed::Options)
    }
}

/// Where the extension headers end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// The protocol behind them.
    pub(super) protocol: u8,
    /// Where its header begins.
    pub(super) offset: usize,
    /// What the fragment header says, if there is one.
    fragment: Option<Fragment>,
}

impl Walk {
    /// Whether the packet is a fragment.
    pub(super) fn is_fragment(&self) -> bool {
        self.fragment.is_some()
    }

    /// Whether the packet is a fragment other than the first, which holds no transport header.
    pub(super) fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset > 0)
    }
}

/// A fragment header.
#[derive(Clone, Copy, Debug)]
struct Fragment {
    id: u32,
    /// In bytes.
    offset: usize,
    more: bool,
}

impl Fragment {
    fn of(header: &[u8]) -> Self {
        let place = bytes::u16(header, extension::FRAGMENT_OFFSET);
        Self { id: bytes::u32(header, extension::FRAGMENT_ID), offset: usize::from(place & !7), more: place & 1 != 0 }
    }
}

/// Extension headers: their protocol numbers, and places in them.
mod extension {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION_OPTIONS: u8 = 60;

    pub(super) const NEXT_HEADER: usize = 0;
    pub(super) const LENGTH: usize = 1;
    pub(super) const OPTIONS: usize = 2;
    pub(super) const ROUTING_TYPE: usize = 2;
    pub(super) const FRAGMENT_OFFSET: usize = 2;
    pub(super) const FRAGMENT_ID: usize = 4;
    pub(super) const FRAGMENT_LEN: usize = 8;
}

/// Writes the traffic class of a header that has none yet.
pub(super) fn set_traffic_class(header: &mut [u8], class: u8) {
    let first = bytes::u16(header, field::VERSION);
    bytes::set_u16(header, field::VERSION, first | u16::from(class) << 4);
}

/// A fixed header to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repr {
    pub(super) src: Ipv6Addr,
    pub(super) dst: Ipv6Addr,
    pub(super) next_header: u8,
    pub(super) hop_limit: u8,
    /// Bytes behind the header.
    pub(super) payload_len: usize,
}

impl Repr {
    /// Writes the header to the beginning of a buffer that has room for it.
    pub(super) fn emit(&self, buffer: &mut [u8]) {
        let mut header = [0; HEADER_LEN];
        header[field::VERSION] = 0x60;
        bytes::set_u16(&mut header, field::PAYLOAD_LEN, self.payload_len as u16);
        header[field::NEXT_HEADER] = self.next_header;
        header[field::HOP_LIMIT] = self.hop_limit;
        bytes::set(&mut header, field::SRC, &self.src.octets());
        bytes::set(&mut header, field::DST, &self.dst.octets());
        bytes::set(buffer, 0, &header);
    }
}

/// Reads a packet. Jumbograms and routing headers of type 0 (RFC 5095) are refused.
pub(super) fn parse(buffer: &[u8], gso: Option<Gso>) -> Result<PacketHeader, Malformed> {
    let packet = Packet::new_checked(buffer)?;
    // The length field of a super-packet above 64 KiB is zero; the buffer's own length counts then.
    let is_giant = packet.payload_len() == 0 && gso.is_some() && packet.payload().len() > usize::from(u16::MAX);
    let total = if is_giant { buffer.len() } else { HEADER_LEN + packet.payload_len() };
    let packet = Packet { bytes: buffer.get(..total).ok_or(Malformed::Truncated)? };
    let walk = packet.walk()?;
    let payload = bytes::from(packet.bytes, walk.offset);
    // An atomic fragment (RFC 6946) is a whole packet that carries a fragment header.
    let fragment = walk.fragment.filter(|fragment| fragment.offset > 0 || fragment.more);
    let info = fragment.map(|fragment| FragmentInfo { id: fragment.id, first: fragment.offset == 0, last: !fragment.more });
    let mut header = PacketHeader {
        src: packet.src().into(),
        dst: packet.dst().into(),
        protocol: walk.protocol,
        transport: Transport::Fragment,
        tcp: None,
        ttl: packet.hop_limit(),
        dont_fragment: true,
        fragment: info,
        inner: None,
        size: Size::new(total as u32, walk.offset as u32, None),
    };
    if let Some(fragment) = fragment {
        transport::check_fragment(walk.protocol, fragment.offset, payload, !fragment.more)?;
        if fragment.offset > 0 {
            return Ok(header);
        }
    }
    let upper = transport::parse(Family::Ipv6, walk.protocol, payload, fragment.is_some())
        .map_err(|error| if fragment.is_some() { Malformed::Fragment } else { error })?;
    header.transport = upper.transport;
    header.tcp = upper.tcp;
    header.inner = upper.inner;
    header.size = Size::new(total as u32, (walk.offset + upper.header_len) as u32, gso.filter(|_| fragment.is_none()));
    Ok(header)
}

/// Reads what an ICMPv6 error quotes of the packet it is about.
pub(super) fn quoted(bytes: &[u8]) -> Option<InnerHeader> {
    let packet = Packet::new_checked(bytes).ok()?;
    let (src, dst): (IpAddr, IpAddr) = (packet.src().into(), packet.dst().into());
    let (protocol, payload) = match packet.walk() {
        Ok(walk) if !walk.is_later_fragment() => (walk.protocol, bytes::from(packet.bytes, walk.offset)),
        Ok(walk) => (walk.protocol, &[][..]),
        Err(_) => (packet.next_header(), &[][..]),
    };
    Some(InnerHeader { src, dst, protocol, transport: transport::quoted(Family::Ipv6, protocol, payload) })
}

/// Looks through hop-by-hop options for one that makes the packet a jumbogram (RFC 2675).
fn check_options(mut options: &[u8]) -> Result<(), Malformed> {
    const PAD_1: u8 = 0;
    const JUMBO_PAYLOAD: u8 = 0xc2;
    while let [kind, rest @ ..] = options {
        options = match *kind {
            PAD_1 => rest,
            JUMBO_PAYLOAD => return Err(Malformed::Options),
            _ => {
                let length = usize::from(*rest.first().ok_or(Malformed::Length)?);
                rest.get(1 + length..).ok_or(Malformed::Length)?
            }
        };
    }
    Ok(())
}
