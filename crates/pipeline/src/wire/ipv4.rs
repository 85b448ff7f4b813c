//! IPv4 (RFC 791).

use std::net::{IpAddr, Ipv4Addr};

use super::header::{FragmentInfo, Gso, InnerHeader, Malformed, PacketHeader, Size, Transport};
use super::transport::{self, Family};
use super::{bytes, checksum};

/// Bytes of a header without options.
pub(super) const HEADER_LEN: usize = 20;

/// A view of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    bytes: &'a [u8],
}

/// The places of a header.
pub(super) mod field {
    pub(super) const VERSION_AND_LENGTH: usize = 0;
    pub(in super::super) const TOTAL_LEN: usize = 2;
    pub(in super::super) const ID: usize = 4;
    /// Flags, and the offset of a fragment in units of eight bytes.
    pub(in super::super) const FRAGMENT: usize = 6;
    pub(in super::super) const TTL: usize = 8;
    pub(in super::super) const PROTOCOL: usize = 9;
    pub(in super::super) const CHECKSUM: usize = 10;
    pub(in super::super) const SRC: usize = 12;
    pub(in super::super) const DST: usize = 16;
}

/// "Don't fragment" among the flags.
pub(super) const DONT_FRAGMENT: u16 = 0x4000;
/// "More fragments" among the flags.
pub(super) const MORE_FRAGMENTS: u16 = 0x2000;
/// The offset below the flags.
pub(super) const OFFSET: u16 = 0x1fff;

impl<'a> Packet<'a> {
    /// A view of a packet whose header, options included, is there. The rest may be cut off, as it is in quotations.
    pub(super) fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER_LEN {
            return Err(Malformed::Truncated);
        }
        let packet = Self { bytes };
        match packet.header_len() {
            _ if bytes::u8(bytes, field::VERSION_AND_LENGTH) >> 4 != 4 => Err(Malformed::Version),
            ..HEADER_LEN => Err(Malformed::Length),
            length if length > bytes.len() => Err(Malformed::Truncated),
            _ => Ok(packet),
        }
    }

    pub(super) fn header_len(&self) -> usize {
        usize::from(bytes::u8(self.bytes, field::VERSION_AND_LENGTH) & 15) * 4
    }

    /// Whether the packet is a fragment.
    pub(super) fn is_fragment(&self) -> bool {
        bytes::u16(self.bytes, field::FRAGMENT) & (MORE_FRAGMENTS | OFFSET) != 0
    }

    pub(super) fn total_len(&self) -> usize {
        bytes::u16(self.bytes, field::TOTAL_LEN).into()
    }

    pub(super) fn id(&self) -> u16 {
        bytes::u16(self.bytes, field::ID)
    }

    pub(super) fn dont_fragment(&self) -> bool {
        bytes::u16(self.bytes, field::FRAGMENT) & DONT_FRAGMENT != 0
    }

    pub(super) fn more_fragments(&self) -> bool {
        bytes::u16(self.bytes, field::FRAGMENT) & MORE_FRAGMENTS != 0
    }

    /// In bytes.
    pub(super) fn fragment_offset(&self) -> usize {
        usize::from(bytes::u16(self.bytes, field::FRAGMENT) & OFFSET) * 8
    }

    pub(super) fn ttl(&self) -> u8 {
        bytes::u8(self.bytes, field::TTL)
    }

    pub(super) fn protocol(&self) -> u8 {
        bytes::u8(self.bytes, field::PROTOCOL)
    }

    pub(super) fn src(&self) -> Ipv4Addr {
        bytes::octets::<4>(self.bytes, field::SRC).into()
    }

    pub(super) fn dst(&self) -> Ipv4Addr {
        bytes::octets::<4>(self.bytes, field::DST).into()
    }

    pub(super) fn header(&self) -> &'a [u8] {
        self.bytes.get(..self.header_len()).unwrap_or_default()
    }

    pub(super) fn options(&self) -> &'a [u8] {
        bytes::from(self.header(), HEADER_LEN)
    }

    /// Everything behind the header.
    pub(super) fn payload(&self) -> &'a [u8] {
        bytes::from(self.bytes, self.header_len())
    }
}

/// A header to be written, without options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repr {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    pub(super) protocol: u8,
    pub(super) ttl: u8,
    /// Bytes behind the header.
    pub(super) payload_len: usize,
}

impl Repr {
    /// Writes the header to the beginning of a buffer that has room for it.
    pub(super) fn emit(&self, buffer: &mut [u8]) {
        let mut header = [0; HEADER_LEN];
        header[field::VERSION_AND_LENGTH] = 0x45;
        bytes::set_u16(&mut header, field::TOTAL_LEN, (HEADER_LEN + self.payload_len) as u16);
        header[field::TTL] = self.ttl;
        header[field::PROTOCOL] = self.protocol;
        bytes::set(&mut header, field::SRC, &self.src.octets());
        bytes::set(&mut header, field::DST, &self.dst.octets());
        fill_checksum(&mut header);
        bytes::set(buffer, 0, &header);
    }
}

/// Computes the checksum of a header anew.
pub(super) fn fill_checksum(header: &mut [u8]) {
    bytes::set_u16(header, field::CHECKSUM, 0);
    let sum = checksum::of(header);
    bytes::set_u16(header, field::CHECKSUM, sum);
}

/// Reads a packet.
///
/// Source routes are refused: they would lead around the route tables. Other options are carried along.
pub(super) fn parse(buffer: &[u8], gso: Option<Gso>) -> Result<PacketHeader, Malformed> {
    let packet = Packet::new_checked(buffer)?;
    // The length field of a super-packet above 64 KiB is zero; the buffer's own length counts then.
    let is_giant = packet.total_len() == 0 && gso.is_some() && buffer.len() > usize::from(u16::MAX);
    let total = if is_giant { buffer.len() } else { packet.total_len() };
    if total < packet.header_len() {
        return Err(Malformed::Length);
    }
    let packet = Packet { bytes: buffer.get(..total).ok_or(Malformed::Truncated)? };
    if checksum::of(packet.header()) != 0 {
        return Err(Malformed::Checksum);
    }
    check_options(packet.options())?;

    let (protocol, offset, payload) = (packet.protocol(), packet.fragment_offset(), packet.payload());
    let fragment = (offset > 0 || packet.more_fragments()).then(|| FragmentInfo {
        id: packet.id().into(),
        first: offset == 0,
        last: !packet.more_fragments(),
    });
    let mut header = PacketHeader {
        src: packet.src().into(),
        dst: packet.dst().into(),
        protocol,
        transport: Transport::Fragment,
        tcp: None,
        ttl: packet.ttl(),
        dont_fragment: packet.dont_fragment(),
        fragment,
        inner: None,
        size: Size::new(total as u32, packet.header_len() as u32, None),
    };
    if let Some(fragment) = fragment {
        transport::check_fragment(protocol, offset, payload, fragment.last)?;
        if !fragment.first {
            return Ok(header);
        }
    }
    let upper = transport::parse(Family::Ipv4, protocol, payload, fragment.is_some())
        .map_err(|error| if fragment.is_some() { Malformed::Fragment } else { error })?;
    header.transport = upper.transport;
    header.tcp = upper.tcp;
    header.inner = upper.inner;
    header.size = Size::new(total as u32, (packet.header_len() + upper.header_len) as u32, gso.filter(|_| fragment.is_none()));
    Ok(header)
}

/// Reads what an ICMP error quotes of the packet it is about.
pub(super) fn quoted(bytes: &[u8]) -> Option<InnerHeader> {
    let packet = Packet::new_checked(bytes).ok()?;
    let payload = if packet.fragment_offset() == 0 { packet.payload() } else { &[] };
    let (src, dst): (IpAddr, IpAddr) = (packet.src().into(), packet.dst().into());
    let protocol = packet.protocol();
    Some(InnerHeader { src, dst, protocol, transport: transport::quoted(Family::Ipv4, protocol, payload) })
}

/// One option of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opt {
    kind: u8,
    /// In bytes.
    pub(super) len: usize,
}

impl Opt {
    const END: u8 = 0;
    /// One byte that means nothing.
    pub(super) const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;

    /// The first of a list of options; none at the end of the list.
    pub(super) fn first(options: &[u8]) -> Result<Option<Self>, Malformed> {
        let (kind, len) = match options {
            [] | [Self::END, ..] => return Ok(None),
            [Self::NO_OPERATION, ..] => (Self::NO_OPERATION, 1),
            [kind, len, ..] if *len >= 2 => (*kind, usize::from(*len)),
            _ => return Err(Malformed::Length),
        };
        if len > options.len() { Err(Malformed::Length) } else { Ok(Some(Self { kind, len })) }
    }

    /// Whether every fragment carries it, not the first alone.
    pub(super) fn is_copied(self) -> bool {
        self.kind & 0x80 != 0
    }
}

fn check_options(mut options: &[u8]) -> Result<(), Malformed> {
    while let Some(option) = Opt::first(options)? {
        if matches!(option.kind, Opt::LOOSE_SOURCE_ROUTE | Opt::STRICT_SOURCE_ROUTE) {
            return Err(Malformed::Options);
        }
        options = bytes::from(options, option.len);
    }
    Ok(())
}
