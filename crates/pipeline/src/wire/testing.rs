//! Packets for tests.

use std::net::{IpAddr, Ipv6Addr};

use super::header::{ICMP, ICMPV6, TCP, UDP};
use super::{bytes, checksum, icmp, ipv4, ipv6, tcp as tcp_segment, udp as udp_datagram};

/// Source and destination.
pub type Addresses = (IpAddr, IpAddr);

/// A TCP segment in an IP packet.
pub fn tcp(addresses: Addresses, ports: (u16, u16), flags: u8, payload: &[u8]) -> Vec<u8> {
    tcp_numbered(addresses, ports, flags, (1000, 2000), payload)
}

/// The same with sequence and acknowledgement numbers.
pub fn tcp_numbered(addresses: Addresses, ports: (u16, u16), flags: u8, numbers: (u32, u32), payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&ports.0.to_be_bytes());
    segment[2..4].copy_from_slice(&ports.1.to_be_bytes());
    segment[4..8].copy_from_slice(&numbers.0.to_be_bytes());
    segment[8..12].copy_from_slice(&numbers.1.to_be_bytes());
    segment[12] = 0x50;
    segment[13] = flags;
    segment[14..16].copy_from_slice(&[0xff, 0xff]);
    segment.extend_from_slice(payload);
    ip(addresses, TCP, segment)
}

/// A UDP datagram in an IP packet.
pub fn udp(addresses: Addresses, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; 8];
    datagram[..2].copy_from_slice(&ports.0.to_be_bytes());
    datagram[2..4].copy_from_slice(&ports.1.to_be_bytes());
    bytes::set_u16(&mut datagram, udp_datagram::field::LENGTH, (8 + payload.len()) as u16);
    datagram.extend_from_slice(payload);
    ip(addresses, UDP, datagram)
}

/// An echo request, or its reply, of the addresses' family.
pub fn echo(addresses: Addresses, reply: bool, id: u16, payload: &[u8]) -> Vec<u8> {
    let (protocol, kind) = match (addresses.0.is_ipv4(), reply) {
        (true, false) => (ICMP, 8),
        (true, true) => (ICMP, 0),
        (false, false) => (ICMPV6, 128),
        (false, true) => (ICMPV6, 129),
    };
    let mut message = vec![kind, 0, 0, 0];
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(payload);
    ip(addresses, protocol, message)
}

/// An ICMP error of the addresses' family about a packet.
pub fn icmp_error(addresses: Addresses, kind: u8, code: u8, original: &[u8]) -> Vec<u8> {
    let protocol = if addresses.0.is_ipv4() { ICMP } else { ICMPV6 };
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&original[..original.len().min(500)]);
    ip(addresses, protocol, message)
}

/// An ICMPv6 message of which the checksum field is zero.
pub fn icmpv6(addresses: (Ipv6Addr, Ipv6Addr), message: &[u8]) -> Vec<u8> {
    ip((addresses.0.into(), addresses.1.into()), ICMPV6, message.to_vec())
}

/// A packet of any other protocol; nothing in the payload is changed.
pub fn other(addresses: Addresses, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ip_raw(addresses, protocol, payload)
}

/// A packet with IPv4 options, a multiple of four bytes of them, put into its header.
pub fn with_ipv4_options(packet: &[u8], options: &[u8]) -> Vec<u8> {
    let mut longer = [&packet[..20], options, &packet[20..]].concat();
    longer[0] += (options.len() / 4) as u8;
    let length = longer.len() as u16;
    bytes::set_u16(&mut longer, ipv4::field::TOTAL_LEN, length);
    ipv4::fill_checksum(&mut longer[..20 + options.len()]);
    longer
}

/// A packet with an IPv6 extension header of a kind put before everything behind the fixed header. The first byte of the
/// extension is overwritten with the kind of what follows.
pub fn with_ipv6_extension(packet: &[u8], kind: u8, extension: &[u8]) -> Vec<u8> {
    let mut longer = [&packet[..40], extension, &packet[40..]].concat();
    longer[40] = longer[ipv6::field::NEXT_HEADER];
    longer[ipv6::field::NEXT_HEADER] = kind;
    let length = (longer.len() - 40) as u16;
    bytes::set_u16(&mut longer, ipv6::field::PAYLOAD_LEN, length);
    longer
}

/// The fragment of a whole packet that begins `offset` bytes behind its IP header. If more follow it is 16 bytes long.
pub fn fragment(packet: &[u8], offset: usize, more: bool) -> Vec<u8> {
    const LENGTH: usize = 16;
    let header_len = if packet[0] >> 4 == 4 { 20 } else { 40 };
    let payload = &packet[header_len + offset..];
    let payload = if more { &payload[..LENGTH] } else { payload };
    if header_len == 40 {
        let place = offset as u16 | u16::from(more);
        let header = [&[0, 0], &place.to_be_bytes()[..], &[0, 0, 0x12, 0x34]].concat();
        return with_ipv6_extension(&[&packet[..40], payload].concat(), 44, &header);
    }
    let mut cut = [&packet[..20], payload].concat();
    let (length, more) = (cut.len() as u16, if more { ipv4::MORE_FRAGMENTS } else { 0 });
    bytes::set_u16(&mut cut, ipv4::field::TOTAL_LEN, length);
    bytes::set_u16(&mut cut, ipv4::field::FRAGMENT, more | (offset / 8) as u16);
    ipv4::fill_checksum(&mut cut[..20]);
    cut
}

/// The same packet as a sender leaves it whose hardware completes checksums.
pub fn with_partial_checksum(packet: &[u8]) -> Vec<u8> {
    let (header_len, protocol) = layout(packet);
    let (source, destination) = addresses(packet);
    let mut partial = packet.to_vec();
    let upper = &mut partial[header_len..];
    let sum = checksum::pseudo_header(source, destination, protocol, upper.len() as u32);
    if let Some(at) = checksum_place(protocol) {
        bytes::set_u16(upper, at, sum);
    }
    partial
}

/// Completes a checksum that a sender left partial, as hardware does.
pub fn complete_checksum(packet: &mut [u8]) {
    let (header_len, protocol) = layout(packet);
    let upper = &mut packet[header_len..];
    if let Some(at) = checksum_place(protocol) {
        let sum = checksum::of(upper);
        bytes::set_u16(upper, at, if sum == 0 && protocol == UDP { 0xffff } else { sum });
    }
}

/// Fails when a checksum of a whole packet without extension headers is wrong.
pub fn assert_checksums(packet: &[u8]) {
    let (header_len, protocol) = layout(packet);
    let (source, destination) = addresses(packet);
    let upper = &packet[header_len..];
    if source.is_ipv4() {
        assert_eq!(checksum::of(&packet[..header_len]), 0, "header checksum");
        if bytes::u16(packet, ipv4::field::FRAGMENT) & !ipv4::DONT_FRAGMENT != 0 {
            return;
        }
    }
    match protocol {
        ICMP => assert_eq!(checksum::of(upper), 0, "ICMP checksum"),
        UDP if bytes::u16(upper, udp_datagram::field::CHECKSUM) == 0 => {}
        TCP | UDP | ICMPV6 => {
            assert_eq!(checksum::of_upper(source, destination, protocol, upper), 0, "checksum of protocol {protocol}");
        }
        _ => {}
    }
}

/// An IP packet whose transport checksum, zero in `payload`, is filled in.
fn ip(addresses: Addresses, protocol: u8, mut payload: Vec<u8>) -> Vec<u8> {
    if let Some(at) = checksum_place(protocol) {
        let sum = match protocol {
            ICMP => checksum::of(&payload),
            _ => checksum::of_upper(addresses.0, addresses.1, protocol, &payload),
        };
        bytes::set_u16(&mut payload, at, if sum == 0 && protocol == UDP { 0xffff } else { sum });
    }
    ip_raw(addresses, protocol, &payload)
}

fn ip_raw(addresses: Addresses, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let payload_len = payload.len();
    let mut packet = Vec::new();
    match addresses {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            packet.resize(ipv4::HEADER_LEN, 0);
            ipv4::Repr { src, dst, protocol, ttl: 64, payload_len }.emit(&mut packet);
            bytes::set_u16(&mut packet, ipv4::field::ID, 0x1234);
            ipv4::fill_checksum(&mut packet);
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            packet.resize(ipv6::HEADER_LEN, 0);
            ipv6::Repr { src, dst, next_header: protocol, hop_limit: 64, payload_len }.emit(&mut packet);
        }
        _ => panic!("addresses of two families"),
    }
    packet.extend_from_slice(payload);
    packet
}

fn checksum_place(protocol: u8) -> Option<usize> {
    match protocol {
        TCP => Some(tcp_segment::field::CHECKSUM),
        UDP => Some(udp_datagram::field::CHECKSUM),
        ICMP | ICMPV6 => Some(icmp::field::CHECKSUM),
        _ => None,
    }
}

/// Bytes of the IP header, and the protocol behind it.
fn layout(packet: &[u8]) -> (usize, u8) {
    match packet[0] >> 4 {
        4 => (usize::from(packet[0] & 15) * 4, packet[ipv4::field::PROTOCOL]),
        _ => (ipv6::HEADER_LEN, packet[ipv6::field::NEXT_HEADER]),
    }
}

fn addresses(packet: &[u8]) -> Addresses {
    if packet[0] >> 4 == 4 {
        let address = |at| IpAddr::from(bytes::octets::<4>(packet, at));
        return (address(ipv4::field::SRC), address(ipv4::field::DST));
    }
    let address = |at| IpAddr::from(bytes::octets::<16>(packet, at));
    (address(ipv6::field::SRC), address(ipv6::field::DST))
}
