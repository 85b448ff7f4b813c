//! TCP (RFC 9293).

use super::bytes;
use super::header::{Malformed, TcpInfo, Transport};

/// Bytes of a header without options.
pub(super) const HEADER_LEN: usize = 20;

/// A view of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    bytes: &'a [u8],
}

/// The places of a header.
pub(super) mod field {
    pub(in super::super) const SRC_PORT: usize = 0;
    pub(in super::super) const DST_PORT: usize = 2;
    pub(in super::super) const SEQUENCE: usize = 4;
    pub(in super::super) const ACKNOWLEDGEMENT: usize = 8;
    pub(in super::super) const HEADER_LENGTH: usize = 12;
    pub(super) const FLAGS: usize = 13;
    pub(in super::super) const CHECKSUM: usize = 16;
}

impl<'a> Segment<'a> {
    /// A view of a segment whose header, options included, is there.
    pub(super) fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER_LEN {
            return Err(Malformed::Truncated);
        }
        let segment = Self { bytes };
        match segment.header_len() {
            HEADER_LEN.. if segment.header_len() <= bytes.len() => Ok(segment),
            _ => Err(Malformed::Length),
        }
    }

    pub(super) fn header_len(&self) -> usize {
        usize::from(bytes::u8(self.bytes, field::HEADER_LENGTH) >> 4) * 4
    }

    pub(super) fn info(&self) -> TcpInfo {
        TcpInfo {
            flags: bytes::u8(self.bytes, field::FLAGS),
            seq: bytes::u32(self.bytes, field::SEQUENCE),
            ack: bytes::u32(self.bytes, field::ACKNOWLEDGEMENT),
            payload_len: self.bytes.len().saturating_sub(self.header_len()) as u32,
        }
    }

    pub(super) fn ports(&self) -> Transport {
        ports(self.bytes)
    }
}

/// The ports at the beginning of a TCP or UDP header, of which no more than these four bytes need be there.
pub(super) fn ports(header: &[u8]) -> Transport {
    Transport::Ports { src: bytes::u16(header, field::SRC_PORT), dst: bytes::u16(header, field::DST_PORT) }
}
