#![allow(clippy::unwrap_used, reason = "tests")]

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::super::{checksum, testing};
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn v4() -> testing::Addresses {
    (ip("10.0.1.17"), ip("198.51.100.10"))
}

fn v6() -> testing::Addresses {
    (ip("2001:db8::17"), ip("2001:db8:ffff::10"))
}

fn parse(packet: &[u8]) -> Result<PacketHeader, Malformed> {
    PacketHeader::parse(packet, None)
}

/// Changes an IPv4 header and makes its checksum right again.
fn with_header(packet: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut packet = packet.to_vec();
    change(&mut packet);
    packet[10..12].fill(0);
    let sum = checksum::of(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

#[test]
fn a_tcp_segment_is_read_in_both_families() {
    for addresses in [v4(), v6()] {
        let packet = testing::tcp_numbered(addresses, (40000, 443), 0x12, (7, 8), b"hello");
        let header = parse(&packet).unwrap();
        assert_eq!((header.src, header.dst, header.protocol, header.ttl), (addresses.0, addresses.1, TCP, 64));
        assert_eq!(header.transport, Transport::Ports { src: 40000, dst: 443 });
        assert_eq!(header.tcp, Some(TcpInfo { flags: 0x12, seq: 7, ack: 8, payload_len: 5 }));
        assert_eq!((header.fragment, header.inner), (None, None));
        let length = packet.len() as u32;
        let size = Size { datagram_len: length, segments: 1, wire_bytes: length.into(), max_segment: length };
        assert_eq!(header.size, size);
    }
}

#[test]
fn only_ipv4_says_whether_it_may_be_fragmented() {
    let packet = testing::udp(v4(), (1, 2), b"");
    assert!(!parse(&packet).unwrap().dont_fragment);
    assert!(parse(&with_header(&packet, |packet| packet[6] = 0x40)).unwrap().dont_fragment);
    assert!(parse(&testing::udp(v6(), (1, 2), b"")).unwrap().dont_fragment);
}

#[test]
fn echoes_have_an_identifier_and_errors_the_packet_they_are_about() {
    for (addresses, request, error, protocol) in [(v4(), 8, 3, ICMP), (v6(), 128, 1, ICMPV6)] {
        let echo = parse(&testing::echo(addresses, false, 77, b"x")).unwrap();
        assert_eq!((echo.protocol, echo.transport), (protocol, Transport::Icmp { kind: request, code: 0, id: 77 }));
        assert!(!echo.is_icmp_error() && echo.inner.is_none());

        let original = testing::udp((addresses.1, addresses.0), (53, 99), b"data");
        let error = parse(&testing::icmp_error(addresses, error, 3, &original)).unwrap();
        let transport = Transport::Ports { src: 53, dst: 99 };
        assert!(error.is_icmp_error());
        assert_eq!(error.inner, Some(InnerHeader { src: addresses.1, dst: addresses.0, protocol: UDP, transport }));
    }
}

#[test]
fn an_error_may_quote_as_little_as_the_ports_or_less() {
    for (addresses, kind) in [(v4(), 11), (v6(), 3)] {
        let original = testing::tcp((addresses.1, addresses.0), (80, 40000), 0x10, b"data");
        let header_len = if addresses.0.is_ipv4() { 20 } else { 40 };
        let quote = |length: usize| parse(&testing::icmp_error(addresses, kind, 0, &original[..length])).unwrap().inner;
        assert_eq!(quote(header_len + 8).unwrap().transport, Transport::Ports { src: 80, dst: 40000 });
        assert_eq!(quote(header_len + 2).unwrap().transport, Transport::Opaque);
        assert_eq!(quote(header_len).unwrap().protocol, TCP);
        assert_eq!(quote(header_len - 1), None);
    }
}

#[test]
fn an_error_about_a_later_fragment_knows_no_ports() {
    for (addresses, kind) in [(v4(), 11), (v6(), 3)] {
        let original = testing::fragment(&testing::udp((addresses.1, addresses.0), (53, 99), &[7; 64]), 16, false);
        let inner = parse(&testing::icmp_error(addresses, kind, 0, &original)).unwrap().inner.unwrap();
        assert_eq!((inner.protocol, inner.transport), (UDP, Transport::Opaque));
    }
}

#[test]
fn icmp_of_the_other_family_is_a_protocol_like_any_other() {
    let quoted = testing::udp((v4().1, v4().0), (53, 99), b"data");
    let error = testing::icmp_error(v4(), 3, 3, &quoted);
    let disguised = parse(&testing::other(v6(), ICMP, &error[20..])).unwrap();
    assert_eq!((disguised.protocol, disguised.transport, disguised.inner), (ICMP, Transport::Opaque, None));
    let disguised = parse(&testing::other(v4(), ICMPV6, &[128, 0, 0, 0, 0, 1, 0, 1])).unwrap();
    assert_eq!((disguised.protocol, disguised.transport), (ICMPV6, Transport::Opaque));
}

#[test]
fn other_protocols_are_opaque_and_may_be_empty() {
    for addresses in [v4(), v6()] {
        let header = parse(&testing::other(addresses, 47, b"")).unwrap();
        assert_eq!((header.protocol, header.transport, header.tcp), (47, Transport::Opaque, None));
    }
}

#[test]
fn padding_behind_the_packet_is_ignored() {
    for addresses in [v4(), v6()] {
        let packet = testing::tcp(addresses, (1, 2), 0x10, b"");
        let padded = [&packet[..], &[0xaa; 6]].concat();
        assert_eq!(parse(&padded), parse(&packet));
    }
}

#[test]
fn every_packet_cut_short_is_truncated() {
    let quoted = testing::udp((v4().1, v4().0), (53, 99), b"data");
    let packets = [
        testing::tcp(v4(), (1, 2), 0x10, b"data"),
        testing::udp(v6(), (1, 2), b"data"),
        testing::icmp_error(v4(), 3, 3, &quoted),
        testing::with_ipv6_extension(&testing::udp(v6(), (1, 2), b"data"), 60, &[0, 0, 1, 4, 0, 0, 0, 0]),
    ];
    for packet in packets {
        for length in 0..packet.len() {
            assert_eq!(parse(&packet[..length]), Err(Malformed::Truncated), "{length} of {packet:02x?}");
        }
    }
}

#[test]
fn an_ipv4_header_that_contradicts_itself_is_refused() {
    let packet = testing::udp(v4(), (1, 2), b"data");
    let mut wrong_checksum = packet.clone();
    wrong_checksum[10] ^= 1;
    let cases = [
        (wrong_checksum, Malformed::Checksum),
        (with_header(&packet, |packet| packet[0] = 0x44), Malformed::Length),
        (with_header(&packet, |packet| packet[2..4].copy_from_slice(&[0, 19])), Malformed::Length),
        (with_header(&packet, |packet| packet[2..4].fill(0)), Malformed::Length),
        (with_header(&packet, |packet| packet[0] = 0x55), Malformed::Version),
        (with_header(&packet, |packet| packet[0] = 0x65), Malformed::Truncated),
        (with_header(&packet, |packet| packet[3] += 1), Malformed::Truncated),
        (with_header(&packet, |packet| packet[0] = 0x4f), Malformed::Truncated),
    ];
    for (packet, reason) in cases {
        assert_eq!(parse(&packet), Err(reason), "{packet:02x?}");
    }
}

#[test]
fn source_routes_are_refused_and_other_options_are_not() {
    let packet = testing::udp(v4(), (1, 2), b"data");
    let cases = [
        (&[7, 7, 4, 0, 0, 0, 0, 0][..], Ok(Transport::Ports { src: 1, dst: 2 })),
        (&[1, 1, 1, 0], Ok(Transport::Ports { src: 1, dst: 2 })),
        (&[148, 4, 0, 0], Ok(Transport::Ports { src: 1, dst: 2 })),
        (&[131, 7, 4, 10, 0, 0, 1, 0], Err(Malformed::Options)),
        (&[1, 137, 7, 4, 10, 0, 0, 1], Err(Malformed::Options)),
        // Behind the end of the list nothing counts.
        (&[0, 131, 3, 4], Ok(Transport::Ports { src: 1, dst: 2 })),
        (&[7, 0, 0, 0], Err(Malformed::Length)),
        (&[7, 1, 0, 0], Err(Malformed::Length)),
        (&[7, 5, 0, 0], Err(Malformed::Length)),
        (&[1, 1, 1, 7], Err(Malformed::Length)),
    ];
    for (options, expected) in cases {
        let found = parse(&testing::with_ipv4_options(&packet, options));
        assert_eq!(found.map(|header| header.transport), expected, "{options:?}");
    }
}

#[test]
fn a_tcp_header_must_be_there_with_its_options() {
    let packet = testing::tcp(v4(), (1, 2), 0x10, b"data");
    for (length, expected) in [(0x40, Err(Malformed::Length)), (0x60, Ok(0)), (0x70, Err(Malformed::Length))] {
        let mut changed = packet.clone();
        changed[32] = length;
        assert_eq!(parse(&changed).map(|header| header.tcp.unwrap().payload_len), expected);
    }
}

#[test]
fn a_udp_length_must_fit_the_packet() {
    let packet = testing::udp(v6(), (1, 2), b"data");
    for (length, expected) in [(8, true), (12, true), (0, false), (7, false), (13, false)] {
        let mut changed = packet.clone();
        changed[45] = length;
        let expected = if expected { Ok(UDP) } else { Err(Malformed::Length) };
        assert_eq!(parse(&changed).map(|header| header.protocol), expected, "{length}");
    }
}

#[test]
fn fragments_are_told_apart() {
    for addresses in [v4(), v6()] {
        let packet = testing::udp(addresses, (1, 2), &[7; 64]);
        let first = parse(&testing::fragment(&packet, 0, true)).unwrap();
        assert_eq!(first.transport, Transport::Ports { src: 1, dst: 2 });
        assert_eq!(first.fragment, Some(FragmentInfo { id: 0x1234, first: true, last: false }));
        let middle = parse(&testing::fragment(&packet, 16, true)).unwrap();
        assert_eq!((middle.protocol, middle.transport), (UDP, Transport::Fragment));
        assert_eq!(middle.fragment, Some(FragmentInfo { id: 0x1234, first: false, last: false }));
        let last = parse(&testing::fragment(&packet, 32, false)).unwrap();
        assert_eq!(last.fragment, Some(FragmentInfo { id: 0x1234, first: false, last: true }));
    }
}

#[test]
fn fragments_that_could_change_what_was_judged_are_refused() {
    for addresses in [v4(), v6()] {
        let tcp = testing::tcp(addresses, (1, 2), 0x10, &[7; 64]);
        // Within the header that the first fragment shows, or a first one that doesn't show it whole.
        assert_eq!(parse(&testing::fragment(&tcp, 8, true)), Err(Malformed::Fragment));
        assert_eq!(parse(&testing::fragment(&tcp, 16, true)), Err(Malformed::Fragment));
        assert!(parse(&testing::fragment(&tcp, 24, true)).is_ok());
        assert_eq!(parse(&testing::fragment(&tcp, 0, true)), Err(Malformed::Fragment));
    }
}

#[test]
fn fragments_that_fit_no_datagram_are_refused() {
    for addresses in [v4(), v6()] {
        let place = if addresses.0.is_ipv4() { 6 } else { 42 };
        let set_offset = |packet: &[u8], offset: u16| {
            let mut packet = packet.to_vec();
            let value = if place == 6 { offset } else { offset << 3 };
            packet[place..place + 2].copy_from_slice(&value.to_be_bytes());
            if place == 6 { with_header(&packet, |_| {}) } else { packet }
        };
        let packet = testing::udp(addresses, (1, 2), &[7; 56]);
        let last = testing::fragment(&packet, 16, false);
        assert!(parse(&set_offset(&last, 8000)).is_ok());
        assert_eq!(parse(&set_offset(&last, 8191)), Err(Malformed::Fragment), "ends beyond 64 KiB");
        assert_eq!(parse(&testing::fragment(&packet, 64, false)), Err(Malformed::Fragment), "is empty");
        let uneven = testing::fragment(&testing::udp(addresses, (1, 2), &[7; 60]), 16, false);
        let mut uneven = set_offset(&uneven, 2);
        match place {
            6 => uneven = with_header(&uneven, |packet| packet[6] |= 0x20),
            _ => uneven[43] |= 1,
        }
        assert_eq!(parse(&uneven), Err(Malformed::Fragment), "is no multiple of eight bytes");
    }
}

#[test]
fn extension_headers_are_walked_to_the_transport() {
    let packet = testing::tcp(v6(), (1, 2), 2, b"");
    let pad = [0, 0, 1, 4, 0, 0, 0, 0];
    let atomic = [0, 0, 0, 0, 0, 0, 0, 9];
    let segment_routing = [0, 0, 4, 0, 0, 0, 0, 0];
    let authentication = [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    for (kind, extension) in [(0, &pad[..]), (60, &pad), (44, &atomic), (43, &segment_routing), (51, &authentication)] {
        let header = parse(&testing::with_ipv6_extension(&packet, kind, extension)).unwrap();
        assert_eq!((header.protocol, header.transport), (TCP, Transport::Ports { src: 1, dst: 2 }), "{kind}");
        assert_eq!((header.fragment, header.tcp.unwrap().payload_len), (None, 0));
    }
    // What is encrypted, and what says that nothing follows, ends the walk.
    for protocol in [50, 59] {
        assert_eq!(parse(&testing::other(v6(), protocol, b"")).unwrap().protocol, protocol);
    }
}

#[test]
fn extension_headers_that_no_router_forwards_are_refused() {
    let packet = testing::tcp(v6(), (1, 2), 2, b"");
    let pad = [0, 0, 1, 4, 0, 0, 0, 0];
    let extended = |kind: u8, extension: &[u8]| testing::with_ipv6_extension(&packet, kind, extension);
    let repeated = (0..9).fold(packet.clone(), |packet, _| testing::with_ipv6_extension(&packet, 60, &pad));
    let cases = [
        (extended(43, &[0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), Malformed::Options),
        (extended(0, &[0, 0, 0xc2, 4, 0, 1, 0, 0]), Malformed::Options),
        (extended(0, &[0, 0, 0, 0, 1, 3, 0, 0]), Malformed::Length),
        (testing::with_ipv6_extension(&extended(0, &pad), 60, &pad), Malformed::Options),
        (repeated, Malformed::Options),
        (testing::with_ipv6_extension(&extended(44, &[0; 8]), 44, &[0, 0, 0, 1, 0, 0, 0, 9]), Malformed::Fragment),
        (extended(60, &[0, 200, 0, 0, 0, 0, 0, 0]), Malformed::Truncated),
    ];
    for (packet, reason) in cases {
        assert_eq!(parse(&packet), Err(reason), "{packet:02x?}");
    }
}

#[test]
fn a_super_packet_counts_as_the_datagrams_it_becomes() {
    for (addresses, header_len) in [(v4(), 40), (v6(), 60)] {
        let packet = testing::tcp(addresses, (1, 2), 0x10, &[7; 3001]);
        let size = PacketHeader::parse(&packet, Some(Gso { segment_size: 1000 })).unwrap().size;
        assert_eq!((size.datagram_len, size.segments, size.max_segment), (header_len + 3001, 4, header_len + 1000));
        assert_eq!(size.wire_bytes, 3001 + 4 * u64::from(header_len));
        let single = PacketHeader::parse(&packet, Some(Gso { segment_size: 3001 })).unwrap().size;
        assert_eq!((single.segments, single.wire_bytes), (1, u64::from(header_len) + 3001));
        assert_eq!(PacketHeader::parse(&packet, Some(Gso { segment_size: 0 })).unwrap().size, single);
    }
}

#[test]
fn a_super_packet_above_64_kib_has_no_length_of_its_own() {
    let mut v4 = testing::tcp(v4(), (1, 2), 0x10, &[7; 100_000]);
    v4 = with_header(&v4, |packet| packet[2..4].fill(0));
    let mut v6 = testing::tcp(v6(), (1, 2), 0x10, &[7; 100_000]);
    v6[4..6].fill(0);
    for (packet, header_len) in [(v4, 40), (v6, 60)] {
        let size = PacketHeader::parse(&packet, Some(Gso { segment_size: 1000 })).unwrap().size;
        assert_eq!((size.datagram_len, size.segments), (header_len + 100_000, 100));
        assert!(PacketHeader::parse(&packet, None).is_err(), "only a super-packet may");
        assert!(PacketHeader::parse(&packet[..60_000], Some(Gso { segment_size: 1000 })).is_err(), "only a giant may");
    }
}

#[test]
fn the_reasons_are_numbered_as_they_are_listed() {
    for (index, reason) in Malformed::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, index);
        assert!(reason.as_str().starts_with("OPENVPC_MALFORMED_"));
    }
}

/// What etherparse, a parser of other authors, reads of a packet.
fn oracle(packet: &[u8]) -> Option<(IpAddr, IpAddr, u8, Transport)> {
    let sliced = SlicedPacket::from_ip(packet).ok()?;
    let (src, dst, protocol): (IpAddr, IpAddr, _) = match sliced.net? {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload().ip_number),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload().ip_number),
        NetSlice::Arp(_) => return None,
    };
    let transport = match sliced.transport? {
        TransportSlice::Tcp(tcp) => Transport::Ports { src: tcp.source_port(), dst: tcp.destination_port() },
        TransportSlice::Udp(udp) => Transport::Ports { src: udp.source_port(), dst: udp.destination_port() },
        _ => return None,
    };
    Some((src, dst, protocol.0, transport))
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), six in any::<bool>()) {
        if let Some(first) = bytes.first_mut() {
            *first = if six { 0x60 } else { 0x45 };
        }
        let _ = parse(&bytes);
        let _ = PacketHeader::parse(&bytes, Some(Gso { segment_size: 7 }));
    }

    #[test]
    fn what_another_parser_builds_and_reads_is_read_alike(
        six in any::<bool>(),
        tcp in any::<bool>(),
        ports in any::<(u16, u16)>(),
        hosts in any::<(u8, u8)>(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let builder = match six {
            false => PacketBuilder::ipv4([10, 0, 0, hosts.0], [10, 0, 1, hosts.1], 9),
            true => PacketBuilder::ipv6([hosts.0; 16], [hosts.1; 16], 9),
        };
        let mut packet = Vec::new();
        match tcp {
            true => builder.tcp(ports.0, ports.1, 5, 6).ack(7).write(&mut packet, &payload).unwrap(),
            false => builder.udp(ports.0, ports.1).write(&mut packet, &payload).unwrap(),
        }
        let header = parse(&packet).unwrap();
        prop_assert_eq!(Some((header.src, header.dst, header.protocol, header.transport)), oracle(&packet));
        prop_assert_eq!((header.ttl, header.size.datagram_len as usize), (9, packet.len()));
        testing::assert_checksums(&packet);
    }

    #[test]
    fn a_packet_with_one_byte_changed_is_refused_or_read_as_another_parser_reads_it(
        six in any::<bool>(),
        place in 0..80usize,
        value in any::<u8>(),
    ) {
        let mut packet = testing::tcp(if six { v6() } else { v4() }, (1000, 2000), 0x18, b"some data to carry along");
        let place = place % packet.len();
        packet[place] = value;
        if let Ok(header) = parse(&packet)
            && let Some(expected) = oracle(&packet)
            && header.fragment.is_none()
        {
            prop_assert_eq!((header.src, header.dst, header.protocol, header.transport), expected);
        }
    }
}
