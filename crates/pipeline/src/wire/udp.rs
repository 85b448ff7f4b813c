//! UDP (RFC 768).

use super::bytes;
use super::header::{Malformed, Transport};
use super::tcp;

/// Bytes of a header.
pub(super) const HEADER_LEN: usize = 8;

/// A view of a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    bytes: &'a [u8],
}

/// The places of a header; the ports are where TCP has them.
pub(super) mod field {
    pub(in super::super) const LENGTH: usize = 4;
    pub(in super::super) const CHECKSUM: usize = 6;
}

impl<'a> Datagram<'a> {
    /// A view of a datagram, or of as much of it as a first fragment holds.
    pub(super) fn new_checked(bytes: &'a [u8], is_fragment: bool) -> Result<Self, Malformed> {
        if bytes.len() < HEADER_LEN {
            return Err(Malformed::Truncated);
        }
        let length = usize::from(bytes::u16(bytes, field::LENGTH));
        // The length field of a super-packet above 64 KiB is zero.
        let is_giant = length == 0 && bytes.len() > usize::from(u16::MAX);
        let fits = length >= HEADER_LEN && (is_fragment || length <= bytes.len());
        if fits || is_giant { Ok(Self { bytes }) } else { Err(Malformed::Length) }
    }

    pub(super) fn ports(&self) -> Transport {
        tcp::ports(self.bytes)
    }
}
