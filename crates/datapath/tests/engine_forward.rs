//! What the engine does to packets that are judged: rewriting, cutting, errors, counters. Between ports of memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod engine_common;

use engine_common::memory::{Bench, HOST, ROUTER, framed};
use engine_common::{Group, Lab, ip, ipv4, ipv6, mac};
use openvpc_datapath::engine::{LinkDrop, PortId};
use openvpc_datapath::packet_socket::VnetHeader;
use openvpc_model::nacl::Direction;
use openvpc_pipeline::testing::Host;
use openvpc_pipeline::verdict::{Action, Code};
use openvpc_pipeline::wire::{Gso, PacketHeader, TcpInfo, Transport, testing};

/// A public instance in subnet 1, one in subnet 2, and a closed one beside the first.
struct Scene {
    lab: Lab,
    web: Host,
    closed: Host,
    bench: Bench,
}

fn scene() -> Scene {
    let mut lab = Lab::new();
    let web = lab.instance(1, 4, Group::Open);
    lab.instance(2, 6, Group::Open);
    let closed = lab.instance(1, 9, Group::Closed);
    lab.world.public(web.eni, "10.0.1.4", "203.0.113.7");
    let bench = Bench::new(&mut lab);
    Scene { lab, web, closed, bench }
}

/// From the web instance through the router.
fn outward(bench: &Bench, packet: &[u8]) -> Vec<u8> {
    framed(mac(1, 4), bench.router_mac(1, 4), packet)
}

#[test]
fn the_internet_gateway_translates_both_ways_and_counts_the_packet_down() {
    let Scene { mut bench, .. } = scene();
    let web = bench.port(1, 4);
    let out = testing::udp((ip("10.0.1.4"), ip("198.51.100.10")), (1000, 53), b"question");
    let left = bench.take(web, &outward(&bench, &out));
    let mut seen = testing::udp((ip("203.0.113.7"), ip("198.51.100.10")), (1000, 53), b"question");
    count_down(&mut seen);
    assert_eq!(left, [(PortId::Uplink, framed(ROUTER, HOST, &seen))]);

    let back = testing::udp((ip("198.51.100.10"), ip("203.0.113.7")), (53, 1000), b"answer");
    let left = bench.take(PortId::Uplink, &framed(HOST, ROUTER, &back));
    let mut seen = testing::udp((ip("198.51.100.10"), ip("10.0.1.4")), (53, 1000), b"answer");
    count_down(&mut seen);
    assert_eq!(left, [(web, framed(bench.router_mac(1, 4), mac(1, 4), &seen))]);

    let out = testing::udp((ipv6(1, 4).into(), ip("2001:db8:ffff::10")), (1000, 53), b"question");
    let left = bench.take(web, &outward(&bench, &out));
    let mut seen = out;
    seen[7] -= 1;
    assert_eq!(left, [(PortId::Uplink, framed(ROUTER, HOST, &seen))]);
}

fn count_down(packet: &mut [u8]) {
    packet[8] -= 1;
    packet[10..12].fill(0);
    let mut sum: u32 = packet[..20].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

#[test]
fn a_denied_packet_reaches_no_port_and_leaves_its_record() {
    let Scene { mut bench, closed, .. } = scene();
    let packet = testing::tcp((ip("10.0.1.4"), ip("10.0.1.9")), (1000, 22), TcpInfo::SYN, b"");
    bench.assert_dropped(bench.port(1, 4), &framed(mac(1, 4), mac(1, 9), &packet), Code::SgHasNoRules);
    let closed = bench.tables.eni_index(closed.eni).unwrap();
    let legs = &bench.core.sink().0.seen;
    let (leg, counts) = legs.iter().find(|(leg, _)| leg.eni == closed).expect("a record at the closed interface");
    assert_eq!((leg.action, leg.direction), (Action::Reject, Direction::Ingress));
    assert_eq!((counts.packets, counts.bytes, counts.tcp_flags), (1, packet.len() as u64, 2));
    assert_eq!(bench.counters(bench.port(1, 9)).sent.packets, 0);
}

#[test]
fn new_tables_judge_the_very_next_packet() {
    let Scene { mut lab, web, mut bench, .. } = scene();
    let packet = testing::udp((ip("198.51.100.10"), ip("203.0.113.7")), (1000, 2000), b"hello");
    let frame = framed(HOST, ROUTER, &packet);
    assert_eq!(bench.take(PortId::Uplink, &frame).len(), 1);
    lab.set_group(web, Group::Closed);
    lab.world.nacl(lab.subnets[0], &["100 in deny all 0.0.0.0/0"]);
    bench.swap(&mut lab);
    bench.assert_dropped(PortId::Uplink, &frame, Code::SubnetAclRestriction);
}

#[test]
fn a_packet_too_big_for_the_gateway_comes_back_as_an_error_from_the_router() {
    let Scene { mut bench, .. } = scene();
    let web = bench.port(1, 4);
    let mut v4 = testing::udp((ip("10.0.1.4"), ip("198.51.100.10")), (1000, 53), &[7; 3000]);
    v4[6] |= 0x40;
    v4[10..12].fill(0);
    let sum: u32 = v4[..20].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    v4[10..12].copy_from_slice(&(!(((sum & 0xffff) + (sum >> 16)) as u16)).to_be_bytes());
    let v6 = testing::udp((ipv6(1, 4).into(), ip("2001:db8:ffff::10")), (1000, 53), &[7; 3000]);
    for (packet, from, kind) in [(v4, ip("10.0.1.1"), 3), (v6, ipv6(1, 1).into(), 2)] {
        let left = bench.take(web, &outward(&bench, &packet));
        let [(to, frame)] = &left[..] else { panic!("{left:?}") };
        assert_eq!(*to, web);
        assert_eq!(frame[..12], framed(bench.router_mac(1, 4), mac(1, 4), &[0x40])[..12]);
        let error = PacketHeader::parse(&frame[14..], None).unwrap();
        assert!(error.is_icmp_error());
        assert!(matches!(error.transport, Transport::Icmp { kind: seen, .. } if seen == kind));
        let inner = error.inner.unwrap();
        assert_eq!(inner.dst, PacketHeader::parse(&packet, None).unwrap().dst);
        if from.is_ipv4() {
            assert_eq!(error.src, from);
            assert_eq!(frame[14 + 26..14 + 28], 1500_u16.to_be_bytes(), "the MTU that would pass");
        }
        testing::assert_checksums(&frame[14..]);
    }
    assert_eq!(bench.counters(web).answers, 2);
    assert_eq!(bench.counters(web).drops.of(Code::MtuExceeded), 2);
}

#[test]
fn a_packet_out_of_hops_comes_back_as_an_error() {
    let Scene { mut bench, .. } = scene();
    let web = bench.port(1, 4);
    let mut packet = testing::udp((ipv6(1, 4).into(), ip("2001:db8:ffff::10")), (1000, 53), b"traceroute");
    packet[7] = 1;
    let left = bench.take(web, &outward(&bench, &packet));
    let [(to, frame)] = &left[..] else { panic!("{left:?}") };
    assert_eq!(*to, web);
    let error = PacketHeader::parse(&frame[14..], None).unwrap();
    assert!(matches!(error.transport, Transport::Icmp { kind: 3, .. }), "{error:?}");
}

/// What arrived, put together: the payload behind the IPv4 headers of fragments in order.
fn reassembled(left: &[(PortId, VnetHeader, Vec<u8>)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (to, header, frame) in left {
        assert_eq!((*to, *header), (PortId::Uplink, VnetHeader::default()));
        assert!(frame.len() <= 1514, "{}", frame.len());
        let fragment = PacketHeader::parse(&frame[14..], None).unwrap();
        assert_eq!((fragment.src, fragment.dst), (ip("203.0.113.7"), ip("198.51.100.10")));
        let offset = usize::from(u16::from_be_bytes([frame[20], frame[21]]) & 0x1fff) * 8;
        assert_eq!(offset, payload.len());
        payload.extend_from_slice(&frame[34..]);
    }
    payload
}

#[test]
fn a_packet_that_may_be_cut_leaves_in_fragments() {
    let Scene { mut bench, .. } = scene();
    let web = bench.port(1, 4);
    let payload: Vec<u8> = (0..4000).map(|i| i as u8).collect();
    let packet = testing::udp((ip("10.0.1.4"), ip("198.51.100.10")), (1000, 53), &payload);
    let expected = testing::udp((ip("203.0.113.7"), ip("198.51.100.10")), (1000, 53), &payload);
    let left = bench.take_with(web, VnetHeader::default(), &outward(&bench, &packet));
    assert_eq!(left.len(), 3);
    assert!(reassembled(&left) == expected[20..], "the datagram with its checksum translated");

    // The same with the checksum left to do: it must be complete before the packet is cut.
    let (header, partial) = with_partial_checksum(&packet);
    let left = bench.take_with(web, header, &outward(&bench, &partial));
    assert!(reassembled(&left) == expected[20..]);
}

/// The UDP packet as a kernel hands it to a device that completes checksums.
fn with_partial_checksum(packet: &[u8]) -> (VnetHeader, Vec<u8>) {
    let mut packet = packet.to_vec();
    let mut sum: u32 = packet[12..20].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    sum += 17 + packet.len() as u32 - 20;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[26..28].copy_from_slice(&(sum as u16).to_be_bytes());
    let header =
        VnetHeader { flags: VnetHeader::NEEDS_CHECKSUM, checksum_start: 34, checksum_offset: 6, ..VnetHeader::default() };
    (header, packet)
}

#[test]
fn datagrams_of_a_super_packet_are_cut_one_by_one() {
    let Scene { mut bench, .. } = scene();
    let web = bench.port(1, 4);
    let payload: Vec<u8> = (0..5000).map(|i| (i * 7) as u8).collect();
    let packet = testing::udp((ip("10.0.1.4"), ip("198.51.100.10")), (1000, 53), &payload);
    let (header, partial) = with_partial_checksum(&packet);
    let header = VnetHeader { gso_type: VnetHeader::GSO_UDP_L4, gso_size: 2000, ..header };
    let left = bench.take_with(web, header, &outward(&bench, &partial));
    // Two datagrams of 2000 bytes in two fragments each, and one of 1000 that fits.
    assert_eq!(left.len(), 5);
    for (number, at) in [(0, 0), (1, 2)] {
        let part = &payload[number * 2000..(number + 1) * 2000];
        let expected = testing::udp((ip("203.0.113.7"), ip("198.51.100.10")), (1000, 53), part);
        assert!(reassembled(&left[at..at + 2]) == expected[20..], "datagram {number}");
    }
    let (_, header, last) = &left[4];
    assert!(header.needs_checksum() && !header.is_super_packet());
    let parsed = PacketHeader::parse(&last[14..], None).unwrap();
    assert_eq!(parsed.size.datagram_len, 1028);
    let (_, expected) =
        with_partial_checksum(&testing::udp((ip("203.0.113.7"), ip("198.51.100.10")), (1000, 53), &payload[4000..]));
    assert_eq!(last[34..], expected[20..]);
    assert_eq!(bench.counters(PortId::Uplink).sent.packets, 3, "the datagrams that were judged");
}

#[test]
fn a_tcp_super_packet_passes_whole_and_is_counted_as_its_segments() {
    let Scene { mut bench, .. } = scene();
    let web = bench.port(1, 4);
    let packet = testing::tcp((ip("10.0.1.4"), ip("198.51.100.10")), (1000, 80), TcpInfo::ACK | TcpInfo::FIN, &[7; 10_000]);
    let header = VnetHeader {
        flags: VnetHeader::NEEDS_CHECKSUM,
        gso_type: VnetHeader::GSO_TCPV4,
        header_length: 54,
        gso_size: 1460,
        checksum_start: 34,
        checksum_offset: 16,
    };
    let left = bench.take_with(web, header, &outward(&bench, &packet));
    let [(PortId::Uplink, seen, frame)] = &left[..] else { panic!("{left:?}") };
    assert_eq!((*seen, frame.len()), (header, 14 + packet.len()));
    let size = PacketHeader::parse(&packet, Some(Gso { segment_size: 1460 })).unwrap().size;
    let counters = bench.counters(web).received;
    assert_eq!((counters.packets, counters.bytes), (7, 10_000 + 7 * 40));
    assert_eq!((u64::from(size.segments), size.wire_bytes), (7, 10_000 + 7 * 40));
    let web = bench.eni(1, 4);
    assert_eq!(bench.core.sink().0.sum(web, Direction::Egress), (7, 10_000 + 7 * 40));

    // Segments too long for the gateway, with leave to cut them.
    let jumbo = VnetHeader { gso_size: 8961, ..header };
    let left = bench.take_with(PortId::Eni(web), jumbo, &outward(&bench, &packet));
    assert!(matches!(&left[..], [(PortId::Uplink, seen, _)] if seen.gso_size == 1460), "{left:?}");
}

#[test]
fn tcp_flags_are_added_up_as_flow_logs_do() {
    let Scene { mut bench, .. } = scene();
    let web = bench.port(1, 4);
    const PSH: u8 = 8;
    const ECE_CWR: u8 = 0xc0;
    let cases = [
        (TcpInfo::SYN, 2),
        (TcpInfo::SYN | ECE_CWR, 2),
        (TcpInfo::SYN | TcpInfo::ACK, 18),
        (TcpInfo::ACK | PSH, 0),
        (TcpInfo::FIN | TcpInfo::ACK, 1),
        (TcpInfo::RST | TcpInfo::ACK, 4),
        (TcpInfo::RST, 4),
    ];
    for (flags, logged) in cases {
        let packet = testing::tcp((ip("10.0.1.4"), ip("198.51.100.10")), (1000, 80), flags, b"");
        bench.take(web, &outward(&bench, &packet));
        assert_eq!(bench.core.sink().0.seen.last().unwrap().1.tcp_flags, logged, "{flags:#x}");
    }
}

#[test]
fn a_full_queue_is_a_counted_drop_at_its_destination() {
    let Scene { mut bench, .. } = scene();
    let packet = testing::udp((ip("10.0.1.4"), ip("10.0.2.6")), (1000, 2000), b"hello");
    bench.fill_queues();
    assert_eq!(bench.take(bench.port(1, 4), &outward(&bench, &packet)), []);
    assert_eq!(bench.counters(bench.port(2, 6)).drops.of(LinkDrop::SendQueueFull), 1);
    assert_eq!(bench.counters(bench.port(1, 4)).drops.iter().count(), 0);
}

#[test]
fn a_packet_for_an_interface_without_link_is_dropped() {
    let Scene { mut bench, .. } = scene();
    assert!(bench.core.remove_port(bench.eni(2, 6)).is_some());
    let packet = testing::udp((ip("10.0.1.4"), ip("10.0.2.6")), (1000, 2000), b"hello");
    bench.assert_dropped(bench.port(1, 4), &outward(&bench, &packet), LinkDrop::NotConnected);
    let frame = framed(mac(2, 6), bench.router_mac(1, 4), &packet);
    assert_eq!(bench.take(PortId::Eni(bench.eni(2, 6)), &frame), [], "and one from it, which can only be late");
}

#[test]
fn records_add_up_to_the_counters_of_the_interfaces() {
    let Scene { mut bench, .. } = scene();
    let hosts = [(1, 4), (2, 6), (1, 9)];
    let mut unlogged = [(0, 0); 3];
    for round in 0..600_usize {
        let (at, to) = (round % 3, round / 3 % 5);
        let (subnet, host) = hosts[at];
        let source = if round % 7 == 0 { ip("10.0.1.77") } else { ipv4(subnet, host).into() };
        let destination = ["10.0.1.4", "10.0.2.6", "10.0.1.9", "198.51.100.10", "10.0.1.50"][to];
        let payload = vec![7; round * 3];
        let packet = match round % 2 {
            0 => testing::udp((source, ip(destination)), (1000, round as u16), &payload),
            _ => testing::tcp((source, ip(destination)), (1000, round as u16), TcpInfo::SYN, &payload),
        };
        let frame = framed(mac(subnet, host), bench.router_mac(subnet, host), &packet);
        let port = bench.port(subnet, host);
        let before = bench.counters(port).drops.of(Code::EniSourceDestCheckRestriction);
        bench.take(port, &frame);
        if bench.counters(port).drops.of(Code::EniSourceDestCheckRestriction) > before {
            unlogged[at].0 += 1;
            unlogged[at].1 += packet.len() as u64;
        }
    }
    for (at, (subnet, host)) in hosts.into_iter().enumerate() {
        let (eni, counters) = (bench.eni(subnet, host), bench.counters(bench.port(subnet, host)));
        let sink = bench.core.sink().0;
        let (packets, bytes) = sink.sum(eni, Direction::Egress);
        assert_eq!((counters.received.packets, counters.received.bytes), (packets + unlogged[at].0, bytes + unlogged[at].1));
        let accepted =
            sink.seen.iter().filter(|(leg, _)| (leg.eni, leg.direction, leg.action) == (eni, Direction::Ingress, Action::Accept));
        let (packets, bytes) = accepted.fold((0, 0), |(p, b), (_, counts)| (p + counts.packets, b + counts.bytes));
        assert_eq!((counters.sent.packets, counters.sent.bytes), (packets, bytes));
    }
}
