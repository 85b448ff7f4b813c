//! Packets that a router makes itself: ICMP errors and fragments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::header::{ICMP, ICMPV6};
use super::{checksum, field, ipv4, ipv6};

/// An ICMP error for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMessage {
    /// IPv4 type 3 code 4, or IPv6's packet too big: the largest IP datagram that would pass, in bytes.
    PacketTooBig(u16),
    /// Hop limit used up.
    TimeExceeded,
}

/// The longest error: IPv6's minimum MTU (RFC 4443).
pub const LONGEST_ERROR: usize = 1280;
/// IPv4 errors quote less, so that the whole is at most 576 bytes (RFC 1812).
const LONGEST_IPV4_ERROR: usize = 576;
/// The hop limit of what the router sends.
const TTL: u8 = 64;

/// Writes the ICMP error about `original` (an IP packet) into `out`, an IP packet sent from `from` to the original's
/// source, and returns its length. None when the families differ or `out` is shorter than [`LONGEST_ERROR`].
pub fn icmp_error(original: &[u8], from: IpAddr, message: ErrorMessage, out: &mut [u8]) -> Option<usize> {
    if out.len() < LONGEST_ERROR {
        return None;
    }
    match (original.first()? >> 4, from) {
        (4, IpAddr::V4(from)) if original.len() >= ipv4::HEADER_LEN => Some(icmpv4_error(original, from, message, out)),
        (6, IpAddr::V6(from)) if original.len() >= ipv6::HEADER_LEN => Some(icmpv6_error(original, from, message, out)),
        _ => None,
    }
}

fn icmpv4_error(original: &[u8], from: Ipv4Addr, message: ErrorMessage, out: &mut [u8]) -> usize {
    let quoted = original.len().min(LONGEST_IPV4_ERROR - ipv4::HEADER_LEN - 8);
    let length = ipv4::HEADER_LEN + 8 + quoted;
    let packet = &mut out[..length];
    packet.fill(0);
    packet[0] = 0x45;
    field::set_u16(packet, 2, length as u16);
    packet[8] = TTL;
    packet[9] = ICMP;
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&field::octets::<4>(original, 12));
    let sum = checksum::of(&packet[..20]);
    field::set_u16(packet, 10, sum);
    let icmp = &mut packet[20..];
    match message {
        ErrorMessage::PacketTooBig(mtu) => {
            icmp[..2].copy_from_slice(&[3, 4]);
            field::set_u16(icmp, 6, mtu);
        }
        ErrorMessage::TimeExceeded => icmp[0] = 11,
    }
    icmp[8..].copy_from_slice(&original[..quoted]);
    let sum = checksum::of(icmp);
    field::set_u16(icmp, 2, sum);
    length
}

fn icmpv6_error(original: &[u8], from: Ipv6Addr, message: ErrorMessage, out: &mut [u8]) -> usize {
    let quoted = original.len().min(LONGEST_ERROR - ipv6::HEADER_LEN - 8);
    let length = ipv6::HEADER_LEN + 8 + quoted;
    let packet = &mut out[..length];
    packet.fill(0);
    packet[0] = 0x60;
    field::set_u16(packet, 4, (8 + quoted) as u16);
    packet[6] = ICMPV6;
    packet[7] = TTL;
    packet[8..24].copy_from_slice(&from.octets());
    packet[24..40].copy_from_slice(&field::octets::<16>(original, 8));
    match message {
        ErrorMessage::PacketTooBig(mtu) => {
            packet[40] = 2;
            field::set_u16(packet, 46, mtu);
        }
        ErrorMessage::TimeExceeded => packet[40] = 3,
    }
    packet[48..].copy_from_slice(&original[..quoted]);
    let sum = icmpv6_checksum(packet);
    field::set_u16(packet, 42, sum);
    length
}

/// The checksum of an ICMPv6 message directly behind the fixed header, its own field zero.
pub(super) fn icmpv6_checksum(packet: &[u8]) -> u16 {
    let message = &packet[ipv6::HEADER_LEN..];
    let pseudo = checksum::pseudo_header(&packet[8..24], &packet[24..40], ICMPV6, message.len() as u32);
    !checksum::fold(checksum::add(pseudo, message))
}

/// Cuts an IPv4 packet that may be fragmented into fragments of at most `mtu` bytes, writes each into `out` and hands it
/// to `send`. The packet's transport checksum must be complete. Returns the number of fragments; 0 when it can't be cut.
pub fn fragment_ipv4(packet: &[u8], mtu: u16, out: &mut [u8], mut send: impl FnMut(&[u8])) -> usize {
    let header_len = packet.first().map_or(0, |byte| usize::from(byte & 15) * 4);
    let total = usize::from(field::u16(packet, 2));
    let flags = field::u16(packet, 6);
    let room = usize::from(mtu).saturating_sub(header_len) & !7;
    let sound = header_len >= ipv4::HEADER_LEN && total > header_len && total <= packet.len() && room > 0;
    if !sound || flags & 0x4000 != 0 || out.len() < header_len + room {
        return 0;
    }
    let payload = &packet[header_len..total];
    let offset = flags & 0x1fff;
    let mut count = 0;
    for (index, chunk) in payload.chunks(room).enumerate() {
        let last = (index + 1) * room >= payload.len();
        let fragment = &mut out[..header_len + chunk.len()];
        fragment[..header_len].copy_from_slice(&packet[..header_len]);
        fragment[header_len..].copy_from_slice(chunk);
        let more = if last { flags & 0x2000 } else { 0x2000 };
        field::set_u16(fragment, 2, (header_len + chunk.len()) as u16);
        field::set_u16(fragment, 6, more | (offset + (index * room / 8) as u16));
        field::set_u16(fragment, 10, 0);
        let sum = checksum::of(&fragment[..header_len]);
        field::set_u16(fragment, 10, sum);
        send(fragment);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::{PacketHeader, testing};
    use super::*;

    #[test]
    fn errors_are_packets_whose_checksums_hold() {
        let v4 = testing::udp(("10.0.1.17".parse().unwrap(), "198.51.100.10".parse().unwrap()), (1, 2), &[7; 3000]);
        let v6 = testing::udp(("2001:db8::17".parse().unwrap(), "2001:db8:ffff::10".parse().unwrap()), (1, 2), &[7; 3000]);
        let mut out = [0; LONGEST_ERROR];
        for (packet, from) in [(&v4, "10.0.1.1"), (&v6, "fe80::1")] {
            for message in [ErrorMessage::PacketTooBig(1500), ErrorMessage::TimeExceeded] {
                let length = icmp_error(packet, from.parse().unwrap(), message, &mut out).unwrap();
                let header = PacketHeader::parse(&out[..length], None).unwrap();
                let original = PacketHeader::parse(packet, None).unwrap();
                assert!(header.is_icmp_error());
                assert_eq!(header.dst, original.src);
                let inner = header.inner.unwrap();
                assert_eq!((inner.src, inner.dst, inner.transport), (original.src, original.dst, original.transport));
                testing::assert_checksums(&out[..length]);
            }
        }
    }

    #[test]
    fn fragments_add_up_to_the_packet() {
        let packet = testing::udp(("10.0.1.17".parse().unwrap(), "198.51.100.10".parse().unwrap()), (1, 2), &[7; 4000]);
        let mut out = [0; 1500];
        let mut payload = Vec::new();
        let mut infos = Vec::new();
        let count = fragment_ipv4(&packet, 1500, &mut out, |fragment| {
            assert!(fragment.len() <= 1500);
            infos.push(PacketHeader::parse(fragment, None).unwrap().fragment.unwrap());
            payload.extend_from_slice(&fragment[20..]);
        });
        assert_eq!((count, payload.as_slice()), (3, &packet[20..]));
        assert!(infos[0].first && !infos[0].last && !infos[1].last && infos[2].last);
    }

    #[test]
    fn a_packet_that_must_not_be_cut_is_not() {
        let mut packet = testing::udp(("10.0.1.17".parse().unwrap(), "10.0.2.2".parse().unwrap()), (1, 2), &[7; 4000]);
        packet[6] |= 0x40;
        assert_eq!(fragment_ipv4(&packet, 1500, &mut [0; 1500], |_| panic!("a fragment")), 0);
    }
}
