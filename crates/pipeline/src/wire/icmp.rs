//! ICMP (RFC 792) and ICMPv6 (RFC 4443), which share the shape of their messages.

use super::bytes;
use super::header::{ICMP, ICMPV6, Malformed, Transport};

/// Bytes of a header: behind it comes what an error quotes.
pub(super) const HEADER_LEN: usize = 8;

/// A view of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
}

/// The places of a header.
pub(super) mod field {
    pub(in super::super) const KIND: usize = 0;
    pub(in super::super) const CODE: usize = 1;
    pub(in super::super) const CHECKSUM: usize = 2;
    pub(in super::super) const ID: usize = 4;
    /// ICMP's place for the MTU of the next hop (RFC 1191).
    pub(in super::super) const NEXT_HOP_MTU: usize = 6;
    /// ICMPv6's place for it, of 32 bits.
    pub(in super::super) const MTU: usize = 4;
}

/// Message types that this router writes.
pub(super) mod kind {
    pub(in super::super) const DESTINATION_UNREACHABLE: u8 = 3;
    pub(in super::super) const TIME_EXCEEDED: u8 = 11;
    pub(in super::super) const V6_PACKET_TOO_BIG: u8 = 2;
    pub(in super::super) const V6_TIME_EXCEEDED: u8 = 3;
}

/// The code of "destination unreachable" that says "fragmentation needed and DF set".
pub(super) const FRAGMENTATION_NEEDED: u8 = 4;

impl<'a> Message<'a> {
    /// A view of a message whose header is there. Every message defined for either protocol has these eight bytes.
    pub(super) fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER_LEN { Err(Malformed::Truncated) } else { Ok(Self { bytes }) }
    }

    pub(super) fn transport(&self, protocol: u8) -> Transport {
        let kind = bytes::u8(self.bytes, field::KIND);
        let id = if has_id(protocol, kind) { bytes::u16(self.bytes, field::ID) } else { 0 };
        Transport::Icmp { kind, code: bytes::u8(self.bytes, field::CODE), id }
    }

    pub(super) fn quotation(&self) -> &'a [u8] {
        bytes::from(self.bytes, HEADER_LEN)
    }
}

/// Whether a message type reports an error and so quotes a packet. About these no error may be sent.
pub(super) fn is_error(protocol: u8, kind: u8) -> bool {
    match protocol {
        ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
        ICMPV6 => kind < 128,
        _ => false,
    }
}

/// Whether a message type is a query or its answer, told from others by an identifier.
fn has_id(protocol: u8, kind: u8) -> bool {
    match protocol {
        ICMP => matches!(kind, 0 | 8 | 13..=18),
        ICMPV6 => matches!(kind, 128 | 129),
        _ => false,
    }
}
