//! IP packets from an instance or the internet.

use std::net::IpAddr;

use openvpc_pipeline::wire::build::{ErrorMessage, LONGEST_ERROR, fragment_ipv4, icmp_error};
use openvpc_pipeline::wire::{Gso, ICMP, ICMPV6, PacketHeader, Rewrite, TCP, Transport, UDP};

/// Reads a packet, and does with it what the engine does: translates its addresses, answers it with an error, cuts it.
///
/// The first byte says how: whether the header's checksum is made right first (a fuzzer doesn't guess it), whether it is a
/// super-packet, and what is rewritten.
pub fn packet(data: &[u8]) {
    let [how, packet @ ..] = data else { return };
    let mut packet = packet.to_vec();
    if how & REPAIR != 0 {
        repair_header(&mut packet);
    }
    let gso = (how & SUPER_PACKET != 0).then_some(Gso { segment_size: u16::from(*how) * 8 });
    let Ok(header) = PacketHeader::parse(&packet, gso) else {
        // Even what doesn't parse must not harm those that handle it.
        rewrite(*how, true).apply(&mut packet, false);
        fragment_ipv4(&packet, 576, &mut [0; 576], |_| {});
        return;
    };
    check_header(&header, packet.len());
    packet.truncate(header.size.datagram_len as usize);
    answer_with_error(&packet, &header);
    cut(&packet, &header);
    translate(*how, packet, &header);
}

const REPAIR: u8 = 1;
const SUPER_PACKET: u8 = 2;
const NEW_SOURCE: u8 = 4;
const NEW_DESTINATION: u8 = 8;
const NEW_PORTS: u8 = 16;

fn check_header(header: &PacketHeader, length: usize) {
    let size = header.size;
    assert!(size.datagram_len as usize <= length);
    assert!(size.segments >= 1 && size.max_segment <= size.datagram_len);
    assert!(size.wire_bytes >= size.datagram_len.into());
    assert_eq!(header.src.is_ipv4(), header.dst.is_ipv4());
    assert!(header.inner.is_none_or(|inner| inner.src.is_ipv4() == header.src.is_ipv4()));
    let is_later_fragment = header.fragment.is_some_and(|fragment| !fragment.first);
    assert_eq!(header.transport == Transport::Fragment, is_later_fragment);
    match header.transport {
        Transport::Ports { .. } => assert!(matches!(header.protocol, TCP | UDP)),
        Transport::Icmp { .. } => assert_eq!(header.protocol, if header.src.is_ipv4() { ICMP } else { ICMPV6 }),
        Transport::Opaque | Transport::Fragment => assert!(header.inner.is_none()),
    }
    assert_eq!(header.tcp.is_some(), header.protocol == TCP && !is_later_fragment);
}

/// Changes addresses and ports. The packet must be the same but for them, and a right checksum stay right.
fn translate(how: u8, mut packet: Vec<u8>, before: &PacketHeader) {
    let rewrite = rewrite(how, before.src.is_ipv4());
    let was_right = transport_checksum_holds(&packet, before);
    rewrite.apply(&mut packet, false);
    let after = PacketHeader::parse(&packet, None).expect("a translated packet is still one");
    assert_eq!((after.src, after.dst), (rewrite.src.unwrap_or(before.src), rewrite.dst.unwrap_or(before.dst)));
    assert_eq!(after.ttl, before.ttl.saturating_sub(1));
    assert_eq!((after.protocol, after.fragment), (before.protocol, before.fragment));
    assert_eq!(after.size.datagram_len, before.size.datagram_len);
    if let (Transport::Ports { src, dst }, Transport::Ports { .. }) = (after.transport, before.transport) {
        assert_eq!(rewrite.src_port.unwrap_or(src), src);
        assert_eq!(rewrite.dst_port.unwrap_or(dst), dst);
    }
    if was_right == Some(true) {
        assert_eq!(transport_checksum_holds(&packet, &after), Some(true), "{packet:02x?}");
    }
}

fn rewrite(how: u8, is_ipv4: bool) -> Rewrite {
    let (src, dst): (IpAddr, IpAddr) = match is_ipv4 {
        true => ([203, 0, 113, how].into(), [10, 0, 0, how].into()),
        false => ([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, how].into(), [0xfd; 16].into()),
    };
    Rewrite {
        src: (how & NEW_SOURCE != 0).then_some(src),
        dst: (how & NEW_DESTINATION != 0).then_some(dst),
        src_port: (how & NEW_PORTS != 0).then_some(u16::from(how) << 8),
        dst_port: (how & NEW_PORTS != 0).then_some(443),
        ttl_decrement: 1,
    }
}

fn answer_with_error(packet: &[u8], header: &PacketHeader) {
    let from: IpAddr = if header.src.is_ipv4() { [10, 0, 0, 1].into() } else { [0xfe; 16].into() };
    for message in [ErrorMessage::PacketTooBig(1500), ErrorMessage::TimeExceeded] {
        let mut out = [0; LONGEST_ERROR];
        let Some(length) = icmp_error(packet, from, message, &mut out) else { continue };
        assert!(!header.is_icmp_error(), "an error about an error");
        let error = PacketHeader::parse(&out[..length], None).expect("an error is a packet");
        assert!(error.is_icmp_error());
        assert_eq!((error.src, error.dst), (from, header.src));
        assert_eq!(transport_checksum_holds(&out[..length], &error), Some(true));
        let inner = error.inner.expect("an error quotes the packet");
        assert_eq!((inner.src, inner.dst), (header.src, header.dst));
    }
}

fn cut(packet: &[u8], header: &PacketHeader) {
    for mtu in [68, 576, 1500] {
        let mut total = 0;
        let mut expected_more = Vec::new();
        let count = fragment_ipv4(packet, mtu, &mut [0; 1500], |fragment| {
            assert!(fragment.len() <= mtu.into());
            let header_len = usize::from(fragment[0] & 15) * 4;
            total += fragment.len() - header_len;
            expected_more.push(fragment[6] & 0x20 != 0);
            assert_eq!(fold(sum(&fragment[..header_len])), 0xffff, "header checksum");
        });
        if count == 0 {
            continue;
        }
        assert!(!header.dont_fragment && header.src.is_ipv4());
        assert_eq!(total, packet.len() - usize::from(packet[0] & 15) * 4);
        let last = expected_more.pop();
        assert!(expected_more.iter().all(|more| *more));
        assert_eq!(last, Some(header.fragment.is_some_and(|fragment| !fragment.last)));
    }
}

/// Whether the checksum of the transport header is right. None where there is none, or other bytes lie in between.
fn transport_checksum_holds(packet: &[u8], header: &PacketHeader) -> Option<bool> {
    let (header_len, is_plain, addresses) = match header.src {
        IpAddr::V4(_) => (usize::from(packet[0] & 15) * 4, true, &packet[12..20]),
        IpAddr::V6(_) => (40, packet[6] == header.protocol, &packet[8..40]),
    };
    let upper = packet.get(header_len..)?;
    if header.fragment.is_some() || !is_plain {
        return None;
    }
    let pseudo = sum(addresses) + u64::from(header.protocol) + upper.len() as u64;
    match (header.protocol, header.transport) {
        (UDP, _) if upper[6..8] == [0, 0] => None,
        (TCP | UDP, _) | (ICMPV6, Transport::Icmp { .. }) => Some(fold(pseudo + sum(upper)) == 0xffff),
        (ICMP, Transport::Icmp { .. }) => Some(fold(sum(upper)) == 0xffff),
        _ => None,
    }
}

fn repair_header(packet: &mut [u8]) {
    let Some(first) = packet.first() else { return };
    let header_len = usize::from(first & 15) * 4;
    if first >> 4 == 4
        && header_len >= 20
        && let Some(header) = packet.get_mut(..header_len)
    {
        header[10..12].fill(0);
        let checksum = !fold(sum(header));
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The sum of 16-bit words, computed apart from the crate under test.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(*word.get(1).unwrap_or(&0))).sum()
}

pub(crate) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}
