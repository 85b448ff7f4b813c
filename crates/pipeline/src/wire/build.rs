//! Packets that a router makes itself: ICMP errors and fragments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::header::{ICMP, ICMPV6, TCP, TcpInfo, Transport};
use super::ipv4::Opt;
use super::{PacketHeader, bytes, checksum, icmp, ipv4, ipv6, tcp};

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
/// source, and returns its length.
///
/// None where RFC 1122 (3.2.2) and RFC 4443 (2.4) want silence: about an ICMP error, about a fragment other than the
/// first, about what went to a group, to a source that is no single host. None as well when the families differ or `out`
/// is shorter than [`LONGEST_ERROR`].
pub fn icmp_error(original: &[u8], from: IpAddr, message: ErrorMessage, out: &mut [u8]) -> Option<usize> {
    let header = PacketHeader::parse(original, None).ok()?;
    let is_later_fragment = header.fragment.is_some_and(|fragment| !fragment.first);
    let wants_silence = header.is_icmp_error() || is_later_fragment || is_group(header.dst) || !is_host(header.src);
    if wants_silence || out.len() < LONGEST_ERROR {
        return None;
    }
    match (header.src, from) {
        (IpAddr::V4(to), IpAddr::V4(from)) => Some(icmpv4_error(original, from, to, message, out)),
        (IpAddr::V6(to), IpAddr::V6(from)) => Some(icmpv6_error(original, from, to, message, out)),
        _ => None,
    }
}

/// Writes the segment that breaks off the connection of a TCP segment (an IP packet) into `out`, an IP packet from the
/// original's destination to its source, and returns its length. Its numbers are those that a host without such a connection
/// answers with (RFC 9293, 3.10.7.1).
pub fn tcp_reset(original: &[u8], out: &mut [u8]) -> Option<usize> {
    let header = PacketHeader::parse(original, None).ok()?;
    let (Some(tcp), Transport::Ports { src, dst }) = (header.tcp, header.transport) else { return None };
    if tcp.flags & TcpInfo::RST != 0 || out.len() < LONGEST_ERROR {
        return None;
    }
    let mut segment = [0; tcp::HEADER_LEN];
    bytes::set_u16(&mut segment, tcp::field::SRC_PORT, dst);
    bytes::set_u16(&mut segment, tcp::field::DST_PORT, src);
    let counts = u32::from(tcp.flags & TcpInfo::SYN != 0) + u32::from(tcp.flags & TcpInfo::FIN != 0);
    let (sequence, acknowledges, flags) = match tcp.flags & TcpInfo::ACK != 0 {
        true => (tcp.ack, 0, TcpInfo::RST),
        false => (0, tcp.seq.wrapping_add(tcp.payload_len).wrapping_add(counts), TcpInfo::RST | TcpInfo::ACK),
    };
    bytes::set(&mut segment, tcp::field::SEQUENCE, &sequence.to_be_bytes());
    bytes::set(&mut segment, tcp::field::ACKNOWLEDGEMENT, &acknowledges.to_be_bytes());
    bytes::set(&mut segment, tcp::field::HEADER_LENGTH, &[(tcp::HEADER_LEN as u8 / 4) << 4, flags]);
    let sum = checksum::of_upper(header.dst, header.src, TCP, &segment);
    bytes::set_u16(&mut segment, tcp::field::CHECKSUM, sum);
    let start = match (header.dst, header.src) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            ipv4::Repr { src: from, dst: to, protocol: TCP, ttl: TTL, payload_len: tcp::HEADER_LEN }.emit(out);
            ipv4::HEADER_LEN
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            ipv6::Repr { src: from, dst: to, next_header: TCP, hop_limit: TTL, payload_len: tcp::HEADER_LEN }.emit(out);
            ipv6::HEADER_LEN
        }
        _ => return None,
    };
    bytes::set(out, start, &segment);
    Some(start + tcp::HEADER_LEN)
}

fn icmpv4_error(original: &[u8], from: Ipv4Addr, to: Ipv4Addr, message: ErrorMessage, out: &mut [u8]) -> usize {
    let quoted = original.len().min(LONGEST_IPV4_ERROR - ipv4::HEADER_LEN - icmp::HEADER_LEN);
    let payload_len = icmp::HEADER_LEN + quoted;
    ipv4::Repr { src: from, dst: to, protocol: ICMP, ttl: TTL, payload_len }.emit(out);
    let body = &mut out[ipv4::HEADER_LEN..][..payload_len];
    let mut header = [0; icmp::HEADER_LEN];
    match message {
        ErrorMessage::PacketTooBig(mtu) => {
            header[icmp::field::KIND] = icmp::kind::DESTINATION_UNREACHABLE;
            header[icmp::field::CODE] = icmp::FRAGMENTATION_NEEDED;
            bytes::set_u16(&mut header, icmp::field::NEXT_HOP_MTU, mtu);
        }
        ErrorMessage::TimeExceeded => header[icmp::field::KIND] = icmp::kind::TIME_EXCEEDED,
    }
    bytes::set(body, 0, &header);
    bytes::set(body, icmp::HEADER_LEN, &original[..quoted]);
    let sum = checksum::of(body);
    bytes::set_u16(body, icmp::field::CHECKSUM, sum);
    ipv4::HEADER_LEN + payload_len
}

fn icmpv6_error(original: &[u8], from: Ipv6Addr, to: Ipv6Addr, message: ErrorMessage, out: &mut [u8]) -> usize {
    let quoted = original.len().min(LONGEST_ERROR - ipv6::HEADER_LEN - icmp::HEADER_LEN);
    let payload_len = icmp::HEADER_LEN + quoted;
    ipv6::Repr { src: from, dst: to, next_header: ICMPV6, hop_limit: TTL, payload_len }.emit(out);
    let body = &mut out[ipv6::HEADER_LEN..][..payload_len];
    let mut header = [0; icmp::HEADER_LEN];
    match message {
        ErrorMessage::PacketTooBig(mtu) => {
            header[icmp::field::KIND] = icmp::kind::V6_PACKET_TOO_BIG;
            bytes::set(&mut header, icmp::field::MTU, &u32::from(mtu).to_be_bytes());
        }
        ErrorMessage::TimeExceeded => header[icmp::field::KIND] = icmp::kind::V6_TIME_EXCEEDED,
    }
    bytes::set(body, 0, &header);
    bytes::set(body, icmp::HEADER_LEN, &original[..quoted]);
    let sum = checksum::of_upper(from.into(), to.into(), ICMPV6, body);
    bytes::set_u16(body, icmp::field::CHECKSUM, sum);
    ipv6::HEADER_LEN + payload_len
}

fn is_group(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn is_host(address: IpAddr) -> bool {
    !is_group(address) && !address.is_unspecified() && !address.is_loopback()
}

/// Cuts an IPv4 packet that may be fragmented into fragments of at most `mtu` bytes, writes each into `out` and hands it
/// to `send`. The packet's transport checksum must be complete. Returns the number of fragments; 0 when it can't be cut.
pub fn fragment_ipv4(packet: &[u8], mtu: u16, out: &mut [u8], mut send: impl FnMut(&[u8])) -> usize {
    let Ok(view) = ipv4::Packet::new_checked(packet) else { return 0 };
    let (header_len, total) = (view.header_len(), view.total_len());
    let room = usize::from(mtu).saturating_sub(header_len) & !7;
    let Some(payload) = packet.get(header_len..total).filter(|payload| !payload.is_empty()) else { return 0 };
    let is_sound = view.fragment_offset() + payload.len() <= usize::from(u16::MAX) && room > 0;
    if !is_sound || view.dont_fragment() || out.len() < header_len + room {
        return 0;
    }
    let flags = bytes::u16(packet, ipv4::field::FRAGMENT);
    let mut count = 0;
    for (index, chunk) in payload.chunks(room).enumerate() {
        let (header, rest) = out.split_at_mut(header_len);
        header.copy_from_slice(view.header());
        if index > 0 {
            clear_uncopied_options(&mut header[ipv4::HEADER_LEN..]);
        }
        let is_last = (index + 1) * room >= payload.len();
        let more = if is_last { flags & ipv4::MORE_FRAGMENTS } else { ipv4::MORE_FRAGMENTS };
        let offset = (flags & ipv4::OFFSET) + (index * room / 8) as u16;
        bytes::set_u16(header, ipv4::field::TOTAL_LEN, (header_len + chunk.len()) as u16);
        bytes::set_u16(header, ipv4::field::FRAGMENT, more | offset);
        ipv4::fill_checksum(header);
        rest[..chunk.len()].copy_from_slice(chunk);
        send(&out[..header_len + chunk.len()]);
        count += 1;
    }
    count
}

/// Overwrites the options that only the first fragment carries (RFC 791).
fn clear_uncopied_options(mut options: &mut [u8]) {
    while let Ok(Some(option)) = Opt::first(options) {
        let (this, rest) = options.split_at_mut(option.len);
        if !option.is_copied() {
            this.fill(Opt::NO_OPERATION);
        }
        options = rest;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn error(original: &[u8], from: &str) -> Option<Vec<u8>> {
        let mut out = [0xaa; LONGEST_ERROR];
        let length = icmp_error(original, ip(from), ErrorMessage::TimeExceeded, &mut out)?;
        Some(out[..length].to_vec())
    }

    #[test]
    fn errors_are_packets_whose_checksums_hold() {
        let v4 = testing::udp((ip("10.0.1.17"), ip("198.51.100.10")), (1, 2), &[7; 3000]);
        let v6 = testing::udp((ip("2001:db8::17"), ip("2001:db8:ffff::10")), (1, 2), &[7; 3000]);
        let mut out = [0xaa; LONGEST_ERROR];
        for (packet, from, longest) in [(&v4, "10.0.1.1", 576), (&v6, "fe80::1", 1280)] {
            for message in [ErrorMessage::PacketTooBig(1500), ErrorMessage::TimeExceeded] {
                let length = icmp_error(packet, ip(from), message, &mut out).unwrap();
                assert_eq!(length, longest);
                let header = PacketHeader::parse(&out[..length], None).unwrap();
                let original = PacketHeader::parse(packet, None).unwrap();
                assert!(header.is_icmp_error());
                assert_eq!((header.src, header.dst), (ip(from), original.src));
                let inner = header.inner.unwrap();
                assert_eq!((inner.src, inner.dst, inner.transport), (original.src, original.dst, original.transport));
                testing::assert_checksums(&out[..length]);
            }
        }
    }

    #[test]
    fn a_reset_breaks_off_what_it_answers_in_both_families() {
        for (from, to) in [("10.0.2.20", "198.51.100.10"), ("2001:db8::20", "2001:db8:ffff::10")] {
            for (flags, expected) in [(TcpInfo::ACK, TcpInfo::RST), (TcpInfo::FIN, TcpInfo::RST | TcpInfo::ACK)] {
                let original = testing::tcp((ip(from), ip(to)), (40000, 443), flags, b"late");
                let mut out = [0xaa; LONGEST_ERROR];
                let length = tcp_reset(&original, &mut out).unwrap();
                let asked = PacketHeader::parse(&original, None).unwrap().tcp.unwrap();
                let answer = PacketHeader::parse(&out[..length], None).unwrap();
                assert_eq!((answer.src, answer.dst), (ip(to), ip(from)));
                assert_eq!(answer.transport, Transport::Ports { src: 443, dst: 40000 });
                let tcp = answer.tcp.unwrap();
                assert_eq!(tcp.flags, expected);
                match flags {
                    TcpInfo::ACK => assert_eq!(tcp.seq, asked.ack),
                    _ => assert_eq!(tcp.ack, asked.seq.wrapping_add(5)),
                }
                testing::assert_checksums(&out[..length]);
                let reset = out[..length].to_vec();
                assert_eq!(tcp_reset(&reset, &mut out), None, "a reset has no answer");
            }
        }
    }

    #[test]
    fn a_small_packet_is_quoted_whole() {
        let packet = testing::udp((ip("10.0.1.17"), ip("198.51.100.10")), (1, 2), b"data");
        assert_eq!(error(&packet, "10.0.1.1").unwrap()[28..], packet);
    }

    #[test]
    fn the_mtu_stands_where_hosts_look_for_it() {
        let mut out = [0; LONGEST_ERROR];
        let v4 = testing::udp((ip("10.0.1.17"), ip("198.51.100.10")), (1, 2), b"data");
        icmp_error(&v4, ip("10.0.1.1"), ErrorMessage::PacketTooBig(1500), &mut out).unwrap();
        assert_eq!(out[20..28][..2], [3, 4]);
        assert_eq!(out[24..28], [0, 0, 5, 220]);
        let v6 = testing::udp((ip("2001:db8::17"), ip("2001:db8::18")), (1, 2), b"data");
        icmp_error(&v6, ip("fe80::1"), ErrorMessage::PacketTooBig(1500), &mut out).unwrap();
        assert_eq!((out[40], &out[44..48]), (2, &[0, 0, 5, 220][..]));
    }

    #[test]
    fn errors_are_not_sent_where_the_rfcs_want_silence() {
        let (host, peer) = (ip("10.0.1.17"), ip("198.51.100.10"));
        let packet = testing::udp((host, peer), (1, 2), &[7; 32]);
        let about_an_error = testing::icmp_error((host, peer), 3, 3, &packet);
        let later_fragment = testing::fragment(&packet, 16, false);
        let cases = [
            about_an_error,
            later_fragment,
            testing::udp((host, ip("224.0.0.1")), (1, 2), b""),
            testing::udp((host, ip("255.255.255.255")), (1, 2), b""),
            testing::udp((ip("0.0.0.0"), peer), (1, 2), b""),
            testing::udp((ip("127.0.0.1"), peer), (1, 2), b""),
            testing::udp((ip("224.0.0.1"), peer), (1, 2), b""),
            b"no packet at all".to_vec(),
        ];
        for original in cases {
            assert_eq!(error(&original, "10.0.1.1"), None, "{original:02x?}");
        }
        assert!(error(&testing::fragment(&packet, 0, true), "10.0.1.1").is_some(), "a first fragment");
        assert!(error(&packet, "fe80::1").is_none(), "from the other family");
        let unspecified = testing::udp((ip("::"), ip("2001:db8::18")), (1, 2), b"");
        assert_eq!(error(&unspecified, "fe80::1"), None);
    }

    #[test]
    fn a_packet_that_must_not_be_cut_is_not() {
        let mut packet = testing::udp((ip("10.0.1.17"), ip("10.0.2.2")), (1, 2), &[7; 4000]);
        packet[6] |= 0x40;
        assert_eq!(fragment_ipv4(&packet, 1500, &mut [0; 1500], |_| panic!("a fragment")), 0);
    }

    #[test]
    fn only_options_that_ask_for_it_are_in_every_fragment() {
        // A timestamp (68) is for the first fragment alone, a security label (130) for all.
        let options = [68, 8, 5, 0, 0, 0, 0, 0, 130, 3, 7, 0];
        let packet = testing::with_ipv4_options(&testing::udp((ip("10.0.1.17"), ip("10.0.2.2")), (1, 2), &[7; 4000]), &options);
        let mut seen = Vec::new();
        fragment_ipv4(&packet, 1500, &mut [0; 1500], |fragment| {
            testing::assert_checksums(fragment);
            seen.push(fragment[20..32].to_vec());
        });
        assert_eq!(seen[0], options);
        assert_eq!(seen[1..], [[1, 1, 1, 1, 1, 1, 1, 1, 130, 3, 7, 0], [1, 1, 1, 1, 1, 1, 1, 1, 130, 3, 7, 0]]);
    }

    proptest! {
        #[test]
        fn fragments_add_up_to_the_packet(length in 0..9000usize, mtu in 68..9001u16) {
            let packet = testing::udp((ip("10.0.1.17"), ip("198.51.100.10")), (1, 2), &vec![7; length]);
            let mut payload = Vec::new();
            let mut infos = Vec::new();
            let count = fragment_ipv4(&packet, mtu, &mut [0; 9001], |fragment| {
                assert!(fragment.len() <= usize::from(mtu));
                let header = PacketHeader::parse(fragment, None).unwrap();
                assert_eq!(bytes::u16(fragment, ipv4::field::FRAGMENT) & ipv4::OFFSET, (payload.len() / 8) as u16);
                infos.extend(header.fragment);
                payload.extend_from_slice(&fragment[20..]);
            });
            prop_assert_eq!(&payload, &packet[20..]);
            if count > 1 {
                prop_assert_eq!(infos.len(), count);
                prop_assert!(infos.iter().enumerate().all(|(index, info)| info.first == (index == 0) && info.last == (index + 1 == count)));
            }
        }
    }
}
