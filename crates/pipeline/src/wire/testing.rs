//! Packets for tests.

use std::net::IpAddr;

use super::header::{ICMP, ICMPV6, TCP, UDP};
use super::{checksum, field};

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
    ip(addresses, TCP, segment, Some(16))
}

/// A UDP datagram in an IP packet.
pub fn udp(addresses: Addresses, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; 8];
    datagram[..2].copy_from_slice(&ports.0.to_be_bytes());
    datagram[2..4].copy_from_slice(&ports.1.to_be_bytes());
    field::set_u16(&mut datagram, 4, (8 + payload.len()) as u16);
    datagram.extend_from_slice(payload);
    ip(addresses, UDP, datagram, Some(6))
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
    icmp(addresses, protocol, message)
}

/// An ICMP error of the addresses' family about a packet.
pub fn icmp_error(addresses: Addresses, kind: u8, code: u8, original: &[u8]) -> Vec<u8> {
    let protocol = if addresses.0.is_ipv4() { ICMP } else { ICMPV6 };
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&original[..original.len().min(500)]);
    icmp(addresses, protocol, message)
}

/// A packet of any other protocol.
pub fn other(addresses: Addresses, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ip(addresses, protocol, payload.to_vec(), None)
}

/// Fails when a checksum of an ICMP packet is wrong.
pub fn assert_checksums(packet: &[u8]) {
    if packet[0] >> 4 == 4 {
        assert_eq!(checksum::of(&packet[..20]), 0, "header checksum");
        assert_eq!(checksum::of(&packet[20..]), 0, "ICMP checksum");
    } else {
        assert_eq!(super::build::icmpv6_checksum(packet), 0, "ICMPv6 checksum");
    }
}

fn icmp(addresses: Addresses, protocol: u8, mut message: Vec<u8>) -> Vec<u8> {
    if protocol == ICMPV6 {
        return ip(addresses, protocol, message, Some(2));
    }
    let sum = checksum::of(&message);
    field::set_u16(&mut message, 2, sum);
    ip(addresses, protocol, message, None)
}

fn ip(addresses: Addresses, protocol: u8, mut payload: Vec<u8>, sum_at: Option<usize>) -> Vec<u8> {
    let mut packet;
    match addresses {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            packet = vec![0; 20];
            packet[0] = 0x45;
            field::set_u16(&mut packet, 2, (20 + payload.len()) as u16);
            field::set_u16(&mut packet, 4, 0x1234);
            packet[8] = 64;
            packet[9] = protocol;
            packet[12..16].copy_from_slice(&source.octets());
            packet[16..20].copy_from_slice(&destination.octets());
            let sum = checksum::of(&packet);
            field::set_u16(&mut packet, 10, sum);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            packet = vec![0; 40];
            packet[0] = 0x60;
            field::set_u16(&mut packet, 4, payload.len() as u16);
            packet[6] = protocol;
            packet[7] = 64;
            packet[8..24].copy_from_slice(&source.octets());
            packet[24..40].copy_from_slice(&destination.octets());
        }
        _ => panic!("addresses of two families"),
    }
    if let Some(at) = sum_at {
        let (source, destination) =
            if packet.len() == 20 { (&packet[12..16], &packet[16..20]) } else { (&packet[8..24], &packet[24..40]) };
        let pseudo = checksum::pseudo_header(source, destination, protocol, payload.len() as u32);
        let sum = !checksum::fold(checksum::add(pseudo, &payload));
        field::set_u16(&mut payload, at, if sum == 0 && protocol == UDP { 0xffff } else { sum });
    }
    packet.extend_from_slice(&payload);
    packet
}
