#![allow(clippy::unwrap_used, reason = "tests")]

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::super::{PacketHeader, testing};
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Recomputes every checksum with etherparse, which knows nothing of this crate, and compares.
fn assert_checksums_of_oracle(packet: &[u8]) {
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let same = |found: u16, calculated: u16| assert!(found == calculated || (found, calculated) == (0xffff, 0), "{packet:02x?}");
    let transport = sliced.transport.unwrap();
    match sliced.net.unwrap() {
        NetSlice::Ipv4(slice) => {
            let ip = slice.header().to_header();
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "{packet:02x?}");
            match transport {
                TransportSlice::Tcp(tcp) => {
                    same(tcp.checksum(), tcp.to_header().calc_checksum_ipv4(&ip, tcp.payload()).unwrap());
                }
                TransportSlice::Udp(udp) => {
                    assert_ne!(udp.checksum(), 0);
                    same(udp.checksum(), udp.to_header().calc_checksum_ipv4(&ip, udp.payload()).unwrap());
                }
                TransportSlice::Icmpv4(icmp) => {
                    same(icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()));
                }
                other => panic!("{other:?} over IPv4"),
            }
        }
        NetSlice::Ipv6(slice) => {
            let ip = slice.header().to_header();
            match transport {
                TransportSlice::Tcp(tcp) => {
                    same(tcp.checksum(), tcp.to_header().calc_checksum_ipv6(&ip, tcp.payload()).unwrap());
                }
                TransportSlice::Udp(udp) => {
                    assert_ne!(udp.checksum(), 0);
                    same(udp.checksum(), udp.to_header().calc_checksum_ipv6(&ip, udp.payload()).unwrap());
                }
                TransportSlice::Icmpv6(icmp) => assert!(icmp.is_checksum_valid(ip.source, ip.destination), "{packet:02x?}"),
                other => panic!("{other:?} over IPv6"),
            }
        }
        NetSlice::Arp(_) => panic!("ARP"),
    }
}

fn address(six: bool) -> BoxedStrategy<IpAddr> {
    // Some of few distinct bits, so that sums meet 0 and 0xffff.
    let sparse = |byte: u8| [0, 0xff][usize::from(byte & 1)];
    match six {
        false => prop_oneof![
            any::<[u8; 4]>().prop_map(IpAddr::from),
            any::<[u8; 4]>().prop_map(move |bytes| IpAddr::from(bytes.map(sparse))),
        ]
        .boxed(),
        true => prop_oneof![
            any::<[u8; 16]>().prop_map(IpAddr::from),
            any::<[u8; 16]>().prop_map(move |bytes| IpAddr::from(bytes.map(sparse))),
        ]
        .boxed(),
    }
}

/// A family's addresses, and a rewrite of packets between them.
fn case() -> impl Strategy<Value = (testing::Addresses, Rewrite)> {
    any::<bool>().prop_flat_map(|six| {
        let new = || prop::option::of(address(six));
        let port = || prop::option::of(any::<u16>());
        ((address(six), address(six)), (new(), new(), port(), port(), 0..3u8)).prop_map(
            |(addresses, (src, dst, src_port, dst_port, ttl_decrement))| {
                (addresses, Rewrite { src, dst, src_port, dst_port, ttl_decrement })
            },
        )
    })
}

fn packet(addresses: testing::Addresses, kind: u8, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    match kind {
        0 => testing::tcp(addresses, ports, 0x18, payload),
        1 => testing::udp(addresses, ports, payload),
        _ => testing::echo(addresses, false, ports.0, payload),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn every_checksum_is_the_one_that_a_full_computation_gives(
        (addresses, rewrite) in case(),
        kind in 0..3u8,
        ports in any::<(u16, u16)>(),
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut packet = packet(addresses, kind, ports, &payload);
        let ttl_at = if addresses.0.is_ipv4() { 8 } else { 7 };
        rewrite.apply(&mut packet, false);
        assert_checksums_of_oracle(&packet);
        let header = PacketHeader::parse(&packet, None).unwrap();
        prop_assert_eq!((header.src, header.dst), (rewrite.src.unwrap_or(addresses.0), rewrite.dst.unwrap_or(addresses.1)));
        if kind < 2 {
            let expected = (rewrite.src_port.unwrap_or(ports.0), rewrite.dst_port.unwrap_or(ports.1));
            prop_assert_eq!(header.transport, Transport::Ports { src: expected.0, dst: expected.1 });
        }
        prop_assert_eq!(packet[ttl_at], 64 - rewrite.ttl_decrement);
    }

    #[test]
    fn a_checksum_that_the_hardware_completes_afterwards_is_right(
        (addresses, rewrite) in case(),
        kind in 0..2u8,
        ports in any::<(u16, u16)>(),
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut packet = testing::with_partial_checksum(&packet(addresses, kind, ports, &payload));
        rewrite.apply(&mut packet, true);
        testing::complete_checksum(&mut packet);
        assert_checksums_of_oracle(&packet);
    }

    #[test]
    fn an_icmp_error_and_what_it_quotes_keep_their_checksums(
        (addresses, rewrite) in case(),
        kind in 0..3u8,
        ports in any::<(u16, u16)>(),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        quoted_len in 0..100usize,
        is_from_the_end in any::<bool>(),
    ) {
        // The error comes from the quoted packet's destination, or from a router on its way.
        let router = if addresses.0.is_ipv4() { ip("192.0.2.1") } else { ip("2001:db8:2::1") };
        let from = if is_from_the_end { addresses.1 } else { router };
        let original = packet(addresses, kind, ports, &payload);
        let quoted_len = quoted_len.min(original.len());
        let (error_kind, at) = if addresses.0.is_ipv4() { (3, 28) } else { (1, 48) };
        let mut error = testing::icmp_error((from, addresses.0), error_kind, 1, &original[..quoted_len]);
        rewrite.apply(&mut error, false);
        assert_checksums_of_oracle(&error);
        prop_assert_eq!(error.len(), at + quoted_len);
        if quoted_len == original.len() {
            // The quoted packet was whole, so its checksums can be looked at as well.
            assert_checksums_of_oracle(&error[at..]);
            let inner = PacketHeader::parse(&error, None).unwrap().inner.unwrap();
            prop_assert_eq!(inner.src, rewrite.dst.unwrap_or(addresses.0));
            let may_change = from == addresses.1;
            prop_assert_eq!(inner.dst, rewrite.src.filter(|_| may_change).unwrap_or(addresses.1));
            if kind < 2 {
                let expected = (rewrite.dst_port.unwrap_or(ports.0), rewrite.src_port.unwrap_or(ports.1));
                prop_assert_eq!(inner.transport, Transport::Ports { src: expected.0, dst: expected.1 });
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic((_, rewrite) in case(), mut bytes in prop::collection::vec(any::<u8>(), 0..120), six in any::<bool>()) {
        if let Some(first) = bytes.first_mut() {
            *first = if six { 0x60 } else { 0x45 };
        }
        let length = bytes.len();
        rewrite.apply(&mut bytes, false);
        rewrite.apply(&mut bytes, true);
        prop_assert_eq!(bytes.len(), length);
    }
}

fn nat() -> Rewrite {
    Rewrite { src: Some(ip("203.0.113.9")), dst: Some(ip("198.51.100.10")), ttl_decrement: 1, ..Rewrite::default() }
}

#[test]
fn nothing_changes_nothing() {
    let mut packet = testing::udp((ip("10.0.1.17"), ip("10.9.8.7")), (1, 2), b"data");
    let before = packet.clone();
    Rewrite::default().apply(&mut packet, false);
    assert_eq!(packet, before);
    assert!(Rewrite::default().is_identity() && !nat().is_identity());
}

#[test]
fn an_absent_udp_checksum_stays_absent() {
    let mut packet = testing::udp((ip("10.0.1.17"), ip("10.9.8.7")), (1, 2), b"data");
    packet[26..28].fill(0);
    Rewrite { src_port: Some(9), ..nat() }.apply(&mut packet, false);
    assert_eq!(packet[26..28], [0, 0]);
    assert_eq!(packet[20..22], [0, 9]);
}

#[test]
fn a_later_fragment_changes_in_its_ip_header_alone() {
    let whole = testing::udp((ip("10.0.1.17"), ip("10.9.8.7")), (1, 2), &[7; 64]);
    let mut fragment = testing::fragment(&whole, 16, false);
    let before = fragment.clone();
    Rewrite { src_port: Some(9), ..nat() }.apply(&mut fragment, false);
    testing::assert_checksums(&fragment);
    assert_eq!(fragment[12..16], [203, 0, 113, 9]);
    assert_eq!(fragment[20..], before[20..]);
}

#[test]
fn the_fragments_of_a_datagram_put_together_have_the_right_checksum() {
    let whole = testing::udp((ip("10.0.1.17"), ip("10.9.8.7")), (1, 2), &[7; 24]);
    let mut parts = [testing::fragment(&whole, 0, true), testing::fragment(&whole, 16, false)];
    for part in &mut parts {
        nat().apply(part, false);
    }
    let mut expected = whole;
    nat().apply(&mut expected, false);
    assert_eq!([&parts[0][20..], &parts[1][20..]].concat(), expected[20..]);
    assert_checksums_of_oracle(&expected);
}

#[test]
fn an_address_of_the_other_family_is_not_written() {
    for addresses in [(ip("10.0.1.17"), ip("10.9.8.7")), (ip("2001:db8::1"), ip("2001:db8::2"))] {
        let other = if addresses.0.is_ipv4() { ip("2001:db8::9") } else { ip("10.0.0.9") };
        let mut packet = testing::tcp(addresses, (1, 2), 2, b"");
        let before = packet.clone();
        Rewrite { src: Some(other), dst: Some(other), ..Rewrite::default() }.apply(&mut packet, false);
        assert_eq!(packet, before);
    }
}

#[test]
fn protocols_with_a_checksum_like_udps_are_updated_too() {
    // UDP-Lite, which covers the whole datagram when the field for the length is zero.
    let mut datagram = vec![0, 1, 0, 2, 0, 0, 0, 0, 1, 2, 3];
    let addresses = (ip("10.0.1.17"), ip("10.9.8.7"));
    let sum = super::super::checksum::of_upper(addresses.0, addresses.1, 136, &datagram);
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut packet = testing::other(addresses, 136, &datagram);
    nat().apply(&mut packet, false);
    let (source, destination) = (ip("203.0.113.9"), ip("198.51.100.10"));
    assert_eq!(super::super::checksum::of_upper(source, destination, 136, &packet[20..]), 0);
}

#[test]
fn an_icmp_error_quotes_the_addresses_that_its_receiver_knows() {
    let original = testing::udp((ip("198.51.100.10"), ip("10.0.1.17")), (53, 99), b"data");
    let mut error = testing::icmp_error((ip("10.0.1.17"), ip("198.51.100.10")), 3, 3, &original);
    Rewrite { src: Some(ip("203.0.113.9")), ..Rewrite::default() }.apply(&mut error, false);
    let quoted = &error[28..];
    assert_eq!(quoted[16..20], [203, 0, 113, 9]);
    testing::assert_checksums(&error);
    testing::assert_checksums(quoted);
}

#[test]
fn the_packet_quoted_within_a_quoted_error_is_left_alone() {
    let innermost = testing::udp((ip("198.51.100.10"), ip("10.0.1.17")), (53, 99), b"data");
    let inner = testing::icmp_error((ip("198.51.100.10"), ip("10.0.1.17")), 3, 3, &innermost);
    let mut outer = testing::icmp_error((ip("10.0.1.17"), ip("198.51.100.10")), 3, 3, &inner);
    let before = outer.clone();
    Rewrite { src: Some(ip("203.0.113.9")), ..Rewrite::default() }.apply(&mut outer, false);
    assert_eq!(outer[56..], before[56..]);
    testing::assert_checksums(&outer);
}
