//! IPv4 (RFC 791).

use std::net::{IpAddr, Ipv4Addr};

use super::header::{FragmentInfo, Gso, InnerHeader, Malformed, PacketHeader, Size, TCP, Transport};
use super::{checksum, field, transport};

/// Bytes of a header without options.
pub(super) const HEADER_LEN: usize = 20;

/// Reads a packet.
///
/// Source routes are refused, as every router of a cloud does; other options are carried along.
pub(super) fn parse(bytes: &[u8], gso: Option<Gso>) -> Result<PacketHeader, Malformed> {
    if bytes.len() < HEADER_LEN {
        return Err(Malformed::Truncated);
    }
    let header_len = usize::from(bytes[0] & 15) * 4;
    let total = usize::from(field::u16(bytes, 2));
    // The length field of a super-packet above 64 KiB is zero; the buffer's own length counts then.
    let total = if total == 0 && gso.is_some() { bytes.len() } else { total };
    if header_len < HEADER_LEN || header_len > total {
        return Err(Malformed::Length);
    }
    if total > bytes.len() {
        return Err(Malformed::Truncated);
    }
    if checksum::of(&bytes[..header_len]) != 0 {
        return Err(Malformed::Checksum);
    }
    check_options(&bytes[HEADER_LEN..header_len])?;
    let (src, dst) = addresses(bytes);
    let protocol = bytes[9];
    let flags = field::u16(bytes, 6);
    let (more, offset) = (flags & 0x2000 != 0, flags & 0x1fff);
    let fragment =
        (more || offset > 0).then(|| FragmentInfo { id: field::u16(bytes, 4).into(), first: offset == 0, last: !more });
    let payload = &bytes[header_len..total];
    let mut header = PacketHeader {
        src,
        dst,
        protocol,
        transport: Transport::Fragment,
        tcp: None,
        ttl: bytes[8],
        dont_fragment: flags & 0x4000 != 0,
        fragment,
        inner: None,
        size: Size::new(total as u32, header_len as u32, None),
    };
    if offset > 0 {
        // RFC 1858: a fragment at offset 1 can only mean to overwrite TCP flags that were judged already.
        if protocol == TCP && offset == 1 {
            return Err(Malformed::Fragment);
        }
        return Ok(header);
    }
    let upper =
        transport::parse(protocol, payload).map_err(|error| if fragment.is_some() { Malformed::Fragment } else { error })?;
    header.transport = upper.transport;
    header.tcp = upper.tcp;
    header.inner = upper.inner;
    header.size = Size::new(total as u32, (header_len + upper.header_len) as u32, gso);
    Ok(header)
}

/// Reads what an ICMP error quotes of the packet it is about.
pub(super) fn quoted(bytes: &[u8]) -> Option<InnerHeader> {
    let header_len = usize::from(bytes.first()? & 15) * 4;
    if bytes.len() < HEADER_LEN || bytes[0] >> 4 != 4 || header_len < HEADER_LEN {
        return None;
    }
    let (src, dst) = addresses(bytes);
    let first = field::u16(bytes, 6) & 0x1fff == 0;
    let payload = bytes.get(header_len..).filter(|_| first).unwrap_or_default();
    Some(InnerHeader { src, dst, protocol: bytes[9], transport: transport::quoted(bytes[9], payload) })
}

fn addresses(bytes: &[u8]) -> (IpAddr, IpAddr) {
    let address = |at| IpAddr::V4(Ipv4Addr::from(field::octets::<4>(bytes, at)));
    (address(12), address(16))
}

fn check_options(mut options: &[u8]) -> Result<(), Malformed> {
    while let [kind, rest @ ..] = options {
        options = match kind {
            0 => return Ok(()),
            1 => rest,
            131 | 137 => return Err(Malformed::Options),
            _ => {
                let length = usize::from(*rest.first().ok_or(Malformed::Length)?);
                options.get(length.max(2)..).filter(|_| length >= 2).ok_or(Malformed::Length)?
            }
        };
    }
    Ok(())
}
