//! What the engine passes on and refuses on layer 2, frame by frame, between ports of memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod engine_common;

use std::net::{Ipv4Addr, Ipv6Addr};

use engine_common::memory::{Bench, HOST, ROUTER, framed};
use engine_common::{Group, Lab, ip, ipv4, ipv6, mac};
use openvpc_datapath::engine::{LinkDrop, PortId};
use openvpc_datapath::packet_socket::VnetHeader;
use openvpc_model::interface::MacAddress;
use openvpc_pipeline::verdict::Code;
use openvpc_pipeline::wire::link::{Arp, Ethernet, NeighborDiscovery};
use openvpc_pipeline::wire::{Malformed, testing};

const BROADCAST: MacAddress = MacAddress([0xff; 6]);

/// Two open instances in subnet 1 and one in subnet 2.
fn bench() -> Bench {
    let mut lab = Lab::new();
    for (subnet, host) in [(1, 4), (1, 5), (2, 6)] {
        lab.instance(subnet, host, Group::Open);
    }
    Bench::new(&mut lab)
}

fn request(sender: Ipv4Addr, target: Ipv4Addr) -> Arp {
    Arp { is_request: true, sender_mac: mac(1, 4), sender_ip: sender, target_mac: MacAddress([0; 6]), target_ip: target }
}

#[test]
fn arp_is_answered_for_the_router_and_for_neighbours_and_goes_nowhere_else() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let cases = [
        (ipv4(1, 1), Some(bench.router_mac(1, 4))),
        (ipv4(1, 5), Some(mac(1, 5))),
        (ipv4(1, 99), None),
        (ipv4(2, 6), None),
        (ipv4(1, 4), None),
    ];
    for (target, owner) in cases {
        for sender in [ipv4(1, 4), Ipv4Addr::UNSPECIFIED] {
            let left = bench.take(port, &request(sender, target).frame());
            match owner {
                None => assert_eq!(left, [], "{target} asked by {sender}"),
                Some(owner) => {
                    let [(to, frame)] = &left[..] else { panic!("{target} asked by {sender}: {left:?}") };
                    assert_eq!(*to, port);
                    let reply = Arp::parse(&frame[14..]).unwrap();
                    assert_eq!(
                        (reply.is_request, reply.sender_mac, reply.sender_ip, reply.target_mac, reply.target_ip),
                        (false, owner, target, mac(1, 4), sender)
                    );
                    assert_eq!(Ethernet::parse(frame).unwrap().source, owner);
                }
            }
        }
    }
    assert_eq!(bench.counters(port).drops.iter().count(), 0);
}

#[test]
fn arp_for_an_address_that_is_not_the_senders_is_dropped() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    bench.assert_dropped(port, &request(ipv4(1, 5), ipv4(1, 1)).frame(), LinkDrop::SpoofedArp);
    bench.assert_dropped(port, &request(ipv4(1, 1), ipv4(1, 5)).frame(), LinkDrop::SpoofedArp);

    // In the name of another hardware address, within the message or of the frame.
    let lie = Arp { sender_mac: mac(1, 5), ..request(ipv4(1, 5), ipv4(1, 1)) };
    bench.assert_dropped(port, &lie.frame(), LinkDrop::SpoofedMac);
    let mut frame = lie.frame();
    frame[6..12].copy_from_slice(&mac(1, 4).0);
    bench.assert_dropped(port, &frame, LinkDrop::SpoofedArp);
    let poison = Arp { is_request: false, target_mac: mac(1, 5), ..request(ipv4(1, 1), ipv4(1, 5)) };
    bench.assert_dropped(port, &poison.frame(), LinkDrop::SpoofedArp);

    // Its own address it may announce, to no effect.
    let announcement = Arp { is_request: false, target_mac: BROADCAST, ..request(ipv4(1, 4), ipv4(1, 4)) };
    assert_eq!(bench.take(port, &announcement.frame()), []);
    let mut short = request(ipv4(1, 4), ipv4(1, 1)).frame().to_vec();
    short.truncate(40);
    bench.assert_dropped(port, &short, LinkDrop::MalformedArp);
}

/// An ICMPv6 message in a frame, from one address and hardware address.
fn icmpv6(from: (Ipv6Addr, MacAddress), to: Ipv6Addr, kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend_from_slice(rest);
    // An error is the shape that builds any type; its eight leading bytes are replaced and the sum made anew.
    let mut packet = testing::other((from.0.into(), to.into()), 58, &message);
    packet[7] = 255;
    let mut sum: u32 = packet[8..].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0))).sum();
    sum += 58 + message.len() as u32;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[42..44].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    framed(from.1, MacAddress([0x33, 0x33, 0, 0, 0, 1]), &packet)
}

fn solicitation(from: Ipv6Addr, target: Ipv6Addr, option: Option<MacAddress>) -> Vec<u8> {
    let mut rest = vec![0; 4];
    rest.extend_from_slice(&target.octets());
    if let Some(mac) = option {
        rest.extend_from_slice(&[1, 1]);
        rest.extend_from_slice(&mac.0);
    }
    icmpv6((from, mac(1, 4)), "ff02::1:ff00:1".parse().unwrap(), 135, &rest)
}

fn advertisement(from: Ipv6Addr, target: Ipv6Addr, option: MacAddress) -> Vec<u8> {
    let mut rest = vec![0x60, 0, 0, 0];
    rest.extend_from_slice(&target.octets());
    rest.extend_from_slice(&[2, 1]);
    rest.extend_from_slice(&option.0);
    icmpv6((from, mac(1, 4)), "ff02::1".parse().unwrap(), 136, &rest)
}

#[test]
fn neighbour_solicitations_are_answered_for_the_router_and_for_neighbours() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let router = bench.router_mac(1, 4);
    let own = [ipv6(1, 4), mac(1, 4).link_local()];
    let cases = [
        (router.link_local(), Some(router)),
        (ipv6(1, 1), Some(router)),
        (ipv6(1, 5), Some(mac(1, 5))),
        (ipv6(1, 99), None),
        (ipv6(2, 6), None),
        // Duplicate address detection of its own addresses must find nobody.
        (own[0], None),
        (own[1], None),
    ];
    for (target, owner) in cases {
        for (source, option) in [(own[0], Some(mac(1, 4))), (own[1], None), (Ipv6Addr::UNSPECIFIED, None)] {
            let left = bench.take(port, &solicitation(source, target, option));
            let Some(owner) = owner else {
                assert_eq!(left, [], "{target} asked by {source}");
                continue;
            };
            let [(to, frame)] = &left[..] else { panic!("{target} asked by {source}: {left:?}") };
            assert_eq!(*to, port);
            let seen = NeighborDiscovery::parse(&frame[14..]).unwrap();
            assert_eq!(seen, NeighborDiscovery::Advertisement { source: target, target, link: Some(owner) });
            let flags = frame[14 + 44];
            assert_eq!(flags & 0x80 != 0, owner == router, "the router flag for {target}");
            assert_eq!(flags & 0x40 == 0, source.is_unspecified(), "an answer to all nodes is not solicited");
        }
    }
    assert_eq!(bench.counters(port).drops.iter().count(), 0);
}

#[test]
fn neighbour_discovery_in_anothers_name_is_dropped() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let own = ipv6(1, 4);
    let spoofed = [
        solicitation(ipv6(1, 5), ipv6(1, 1), None),
        solicitation(own, ipv6(1, 1), Some(mac(1, 5))),
        advertisement(own, ipv6(1, 5), mac(1, 4)),
        advertisement(own, ipv6(1, 1), mac(1, 4)),
        advertisement(ipv6(1, 5), own, mac(1, 4)),
        advertisement(own, own, mac(1, 5)),
        // A router advertisement, and a redirect.
        icmpv6((mac(1, 4).link_local(), mac(1, 4)), "ff02::1".parse().unwrap(), 134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
        icmpv6((mac(1, 4).link_local(), mac(1, 4)), ipv6(1, 5), 137, &[0; 36]),
        icmpv6((ipv6(1, 5), mac(1, 4)), "ff02::2".parse().unwrap(), 133, &[0; 4]),
    ];
    for frame in &spoofed {
        bench.assert_dropped(port, frame, LinkDrop::SpoofedNeighborDiscovery);
        let mut to_neighbour = frame.clone();
        to_neighbour[..6].copy_from_slice(&mac(1, 5).0);
        bench.assert_dropped(port, &to_neighbour, LinkDrop::SpoofedNeighborDiscovery);
    }
    assert_eq!(bench.take(port, &advertisement(own, own, mac(1, 4))), [], "its own it may announce");
    let looking = icmpv6((own, mac(1, 4)), "ff02::2".parse().unwrap(), 133, &[0; 4]);
    assert_eq!(bench.take(port, &looking).len(), 1, "and look for routers");
}

#[test]
fn neighbour_discovery_that_was_routed_or_hides_behind_extensions_is_dropped() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let mut routed = advertisement(ipv6(1, 4), ipv6(1, 4), mac(1, 4));
    routed[14 + 7] = 254;
    bench.assert_dropped(port, &routed, LinkDrop::MalformedNeighborDiscovery);

    for extension in [&[58, 0, 1, 4, 0, 0, 0, 0][..], &[58, 0, 0, 1, 0, 0, 0, 7]] {
        let kind = if extension[3] == 1 { 44 } else { 60 };
        let plain = advertisement(ipv6(1, 4), ipv6(1, 5), mac(1, 4));
        let mut hidden = [&plain[..54], extension, &plain[54..]].concat();
        hidden[14 + 6] = kind;
        hidden[14 + 5] += 8;
        hidden[..6].copy_from_slice(&mac(1, 5).0);
        bench.assert_dropped(port, &hidden, LinkDrop::MalformedNeighborDiscovery);
    }
}

#[test]
fn frames_from_another_hardware_address_are_dropped() {
    let mut bench = bench();
    let packet = testing::udp((ipv4(1, 4).into(), ipv4(1, 5).into()), (1000, 2000), b"hello");
    for source in [mac(1, 5), bench.router_mac(1, 4), MacAddress([2, 0, 0, 0, 0, 77])] {
        let frame = framed(source, mac(1, 5), &packet);
        bench.assert_dropped(bench.port(1, 4), &frame, LinkDrop::SpoofedMac);
    }
}

#[test]
fn packets_from_another_address_are_dropped() {
    let mut bench = bench();
    for (source, destination) in [
        (ip("10.0.1.5"), ip("10.0.2.6")),
        (ip("10.0.1.1"), ip("10.0.1.5")),
        (ip("198.51.100.10"), ip("10.0.1.5")),
        (ipv6(1, 5).into(), ipv6(2, 6).into()),
        (ip("2001:db8:ffff::10"), ipv6(1, 5).into()),
    ] {
        let packet = testing::udp((source, destination), (1000, 2000), b"hello");
        for next_hop in [mac(1, 5), bench.router_mac(1, 4)] {
            let frame = framed(mac(1, 4), next_hop, &packet);
            bench.assert_dropped(bench.port(1, 4), &frame, Code::EniSourceDestCheckRestriction);
        }
    }
}

#[test]
fn frames_to_groups_and_to_nobody_are_dropped() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let packet = testing::udp((ipv4(1, 4).into(), ipv4(1, 5).into()), (1000, 2000), b"hello");
    let cases = [
        (BROADCAST, LinkDrop::Broadcast),
        (MacAddress([1, 0, 0x5e, 0, 0, 1]), LinkDrop::Multicast),
        (MacAddress([0x33, 0x33, 0, 0, 0, 1]), LinkDrop::Multicast),
        (MacAddress([2, 0, 0, 0, 0, 77]), LinkDrop::UnknownUnicast),
        // An instance of another subnet is behind the router.
        (mac(2, 6), LinkDrop::UnknownUnicast),
    ];
    for (destination, reason) in cases {
        bench.assert_dropped(port, &framed(mac(1, 4), destination, &packet), reason);
    }
    let mut other = framed(mac(1, 4), mac(1, 5), &packet);
    for ethertype in [0x8100_u16, 0x88a8, 0x8847, 0x0040, 0x8035, 0x88cc] {
        other[12..14].copy_from_slice(&ethertype.to_be_bytes());
        bench.assert_dropped(port, &other, LinkDrop::UnknownEthertype);
    }
    bench.assert_dropped(port, &other[..13], LinkDrop::Runt);
    // IPv6 in a frame that says IPv4.
    let mut disguised = framed(mac(1, 4), mac(1, 5), &testing::udp((ipv6(1, 4).into(), ipv6(1, 5).into()), (1, 2), b"hello"));
    disguised[12..14].copy_from_slice(&[8, 0]);
    bench.assert_dropped(port, &disguised, LinkDrop::UnknownEthertype);
}

#[test]
fn malformed_packets_are_counted_by_what_is_wrong_with_them() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let good = framed(mac(1, 4), mac(1, 5), &testing::udp((ipv4(1, 4).into(), ipv4(1, 5).into()), (1000, 2000), b"hello"));
    let broken = |at: usize, value: u8| {
        let mut frame = good.clone();
        frame[at] = value;
        frame
    };
    bench.assert_dropped(port, &broken(14, 0x55), Malformed::Version);
    bench.assert_dropped(port, &broken(24, 0), Malformed::Checksum);
    bench.assert_dropped(port, &good[..30], Malformed::Truncated);
    bench.assert_dropped(port, &broken(14, 0x44), Malformed::Length);
    for length in 14..good.len() {
        let before = bench.counters(port).drops.iter().map(|(_, n)| n).sum::<u64>();
        assert_eq!(bench.take(port, &good[..length]), [], "cut to {length}");
        assert_eq!(bench.counters(port).drops.iter().map(|(_, n)| n).sum::<u64>(), before + 1);
    }
}

#[test]
fn a_frame_keeps_its_sender_in_a_subnet_and_comes_from_the_router_otherwise() {
    let mut bench = bench();
    let (port, router) = (bench.port(1, 4), bench.router_mac(1, 4));
    for (there, source) in [(ip("10.0.1.4"), ip("10.0.1.5")), (ipv6(1, 4).into(), ipv6(1, 5).into())] {
        let near = framed(mac(1, 4), mac(1, 5), &testing::udp((there, source), (1000, 2000), b"hello"));
        assert_eq!(bench.take(port, &near), [(bench.port(1, 5), near.clone())], "as it was");
        let hairpin = framed(mac(1, 4), router, &near[14..]);
        let expected = framed(router, mac(1, 5), &near[14..]);
        assert_eq!(bench.take(port, &hairpin), [(bench.port(1, 5), expected)]);
    }
    let far = framed(mac(1, 4), router, &testing::udp((ipv4(1, 4).into(), ipv4(2, 6).into()), (1000, 2000), b"hello"));
    let expected = framed(bench.router_mac(2, 6), mac(2, 6), &far[14..]);
    assert_eq!(bench.take(port, &far), [(bench.port(2, 6), expected)], "the VPC's router counts nothing down");
}

#[test]
fn ethernet_padding_is_not_passed_on() {
    let mut bench = bench();
    let frame = framed(mac(1, 4), mac(1, 5), &testing::udp((ipv4(1, 4).into(), ipv4(1, 5).into()), (1000, 2000), b"x"));
    let padded = [&frame[..], &[0xee; 17]].concat();
    assert_eq!(bench.take(bench.port(1, 4), &padded), [(bench.port(1, 5), frame)]);
}

#[test]
fn the_router_answers_no_ping() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let router = bench.router_mac(1, 4);
    for (own, address) in [(ip("10.0.1.4"), ip("10.0.1.1")), (ipv6(1, 4).into(), ipv6(1, 1).into())] {
        let ping = framed(mac(1, 4), router, &testing::echo((own, address), false, 7, b"anybody there?"));
        assert_eq!(bench.take(port, &ping), []);
    }
}

#[test]
fn a_checksum_request_that_would_change_what_was_judged_changes_it_before() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let packet = testing::udp((ipv4(1, 4).into(), ipv4(1, 5).into()), (1000, 2000), b"hello");
    let frame = framed(mac(1, 4), mac(1, 5), &packet);
    let request = |start, offset| VnetHeader {
        flags: VnetHeader::NEEDS_CHECKSUM,
        checksum_start: start,
        checksum_offset: offset,
        ..VnetHeader::default()
    };
    // Over the destination address: the IP header no longer sums up.
    bench.assert_dropped_with(port, request(14, 16), &frame, Malformed::Checksum);
    // Over a port: the packet is judged, and arrives, with the port that the sum made.
    let left = bench.take_with(port, request(34, 2), &frame);
    let [(_, header, arrived)] = &left[..] else { panic!("{left:?}") };
    assert_eq!(*header, VnetHeader::default());
    assert_ne!(arrived[36..38], frame[36..38]);
    // Beyond the frame.
    bench.assert_dropped_with(port, request(1000, 6), &frame, LinkDrop::MalformedOffload);
    // Where it belongs, it stays to be done by the receiver.
    let left = bench.take_with(port, request(34, 6), &frame);
    assert!(matches!(&left[..], [(_, header, _)] if header.needs_checksum()), "{left:?}");
    // A super-packet of another protocol than it says.
    let cut = VnetHeader { gso_type: VnetHeader::GSO_TCPV4, gso_size: 1, ..request(34, 6) };
    bench.assert_dropped_with(port, cut, &frame, LinkDrop::MalformedOffload);
}

#[test]
fn the_uplink_is_a_router_on_the_internets_link() {
    let mut bench = bench();
    let ask = |target: &str| Arp {
        is_request: true,
        sender_mac: HOST,
        sender_ip: "198.51.100.10".parse().unwrap(),
        target_mac: MacAddress([0; 6]),
        target_ip: target.parse().unwrap(),
    };
    let left = bench.take(PortId::Uplink, &ask("198.51.100.1").frame());
    let [(PortId::Uplink, frame)] = &left[..] else { panic!("{left:?}") };
    assert_eq!(Arp::parse(&frame[14..]).unwrap().sender_mac, ROUTER);
    assert_eq!(bench.take(PortId::Uplink, &ask("203.0.113.7").frame()), [], "public addresses are behind the router");

    let packet = testing::udp((ip("198.51.100.10"), ip("203.0.113.7")), (1000, 2000), b"hello");
    bench.assert_dropped(PortId::Uplink, &framed(HOST, mac(1, 4), &packet), LinkDrop::UnknownUnicast);
    bench.assert_dropped(PortId::Uplink, &framed(HOST, ROUTER, &packet), Code::IgwPrivateIpAssociationForIngress);
    let inside = testing::udp((ip("198.51.100.10"), ipv4(1, 4).into()), (1000, 2000), b"hello");
    let frame = framed(HOST, ROUTER, &inside);
    let before = bench.counters(PortId::Uplink).drops.iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(bench.take(PortId::Uplink, &frame), [], "private addresses are not on the internet");
    assert_eq!(bench.counters(PortId::Uplink).drops.iter().map(|(_, n)| n).sum::<u64>(), before + 1);
}

#[test]
fn no_frame_makes_the_engine_panic() {
    let mut bench = bench();
    let seeds = [
        request(ipv4(1, 4), ipv4(1, 1)).frame().to_vec(),
        solicitation(ipv6(1, 4), ipv6(1, 1), Some(mac(1, 4))),
        framed(mac(1, 4), mac(1, 5), &testing::tcp((ipv4(1, 4).into(), ipv4(1, 5).into()), (1, 2), 2, &[7; 300])),
        framed(
            mac(1, 4),
            bench.router_mac(1, 4),
            &testing::udp((ipv6(1, 4).into(), ip("2001:db8:ffff::10")), (1, 2), &[7; 2000]),
        ),
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..40_000 {
        let mut frame = seeds[round % seeds.len()].clone();
        for _ in 0..1 + draw() % 4 {
            let at = draw() as usize % frame.len();
            // The sender's address stays, or nothing gets past the first check.
            if !(6..12).contains(&at) {
                frame[at] = draw() as u8;
            }
        }
        frame.truncate(frame.len() - draw() as usize % frame.len() / 4);
        let header = VnetHeader {
            flags: (draw() % 3) as u8,
            gso_type: [0, 0, 1, 4, 5, 0x81][draw() as usize % 6],
            header_length: draw() as u16,
            gso_size: (draw() % 200) as u16,
            checksum_start: (draw() % 60) as u16,
            checksum_offset: (draw() % 20) as u16,
        };
        let header =
            if draw() % 2 == 0 { VnetHeader { checksum_start: 34, checksum_offset: 16, flags: 1, ..header } } else { header };
        let from = if draw() % 4 == 0 { PortId::Uplink } else { bench.port(1, 4) };
        bench.take_with(from, header, &frame);
    }
}

/// A DISCOVER of DHCPv4, as a client without an address sends it.
fn discover(own: MacAddress) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0];
    message.resize(28, 0);
    message.extend(own.0);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 1, 255]);
    let (from, to) = (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into());
    framed(own, BROADCAST, &testing::udp((from, to), (68, 67), &message))
}

#[test]
fn dhcp_is_answered_by_the_router_and_goes_nowhere_else() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let left = bench.take(port, &discover(mac(1, 4)));
    let [(to, frame)] = &left[..] else { panic!("{left:?}") };
    let ethernet = Ethernet::parse(frame).unwrap();
    assert_eq!((*to, ethernet.destination, ethernet.source), (port, mac(1, 4), bench.router_mac(1, 4)));
    assert_eq!(bench.counters(port).answers, 1);

    let other = framed(mac(1, 4), BROADCAST, &discover(mac(1, 5))[14..]);
    bench.assert_dropped(port, &other, LinkDrop::MalformedDhcp);
    bench.assert_dropped(port, &discover(mac(1, 5)), LinkDrop::SpoofedMac);
    let offer = testing::udp((ip("10.0.1.4"), Ipv4Addr::BROADCAST.into()), (67, 68), b"from a server of ours");
    bench.assert_dropped(port, &framed(mac(1, 4), BROADCAST, &offer), LinkDrop::Broadcast);
}

#[test]
fn the_router_answers_so_many_dhcp_messages_and_no_more() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    for _ in 0..64 {
        assert_eq!(bench.take(port, &discover(mac(1, 4))).len(), 1);
    }
    bench.assert_dropped(port, &discover(mac(1, 4)), LinkDrop::RouterBusy);
    assert_eq!(bench.take(bench.port(1, 5), &discover(mac(1, 5))).len(), 1, "another's share");
    bench.seconds += 1;
    assert_eq!(bench.take(port, &discover(mac(1, 4))).len(), 1);
}

#[test]
fn a_router_solicitation_is_answered_and_all_are_told_from_time_to_time() {
    let mut bench = bench();
    let port = bench.port(1, 4);
    let own = mac(1, 4).link_local();
    let left = bench.take(port, &icmpv6((own, mac(1, 4)), "ff02::2".parse().unwrap(), 133, &[0; 4]));
    let [(to, frame)] = &left[..] else { panic!("{left:?}") };
    let router = bench.router_mac(1, 4);
    assert_eq!((*to, Ethernet::parse(frame).unwrap().destination), (port, mac(1, 4)));
    let source = router.link_local();
    assert_eq!(NeighborDiscovery::parse(&frame[14..]), Some(NeighborDiscovery::Router { kind: 134, source }));
    bench.core.advertise_routers();
    assert_eq!(bench.counters(port).answers, 2);
    assert_eq!(bench.counters(bench.port(2, 6)).answers, 1);
}

#[test]
fn the_services_are_asked_by_an_address_that_stands_for_the_asker() {
    let mut bench = bench();
    let (port, router) = (bench.port(1, 4), bench.router_mac(1, 4));
    let asked = testing::udp((ip("10.0.1.4"), ip("169.254.169.123")), (1000, 123), b"what time is it?");
    let left = bench.take(port, &framed(mac(1, 4), router, &asked));
    let [(PortId::Services, frame)] = &left[..] else { panic!("{left:?}") };
    let packet = openvpc_pipeline::PacketHeader::parse(&frame[14..], None).unwrap();
    testing::assert_checksums(&frame[14..]);
    assert_eq!(openvpc_pipeline::unmasked(&bench.tables, packet.src), Some((bench.eni(1, 4), ip("10.0.1.4"))));

    let answer = testing::udp((packet.dst, packet.src), (123, 1000), b"late");
    let left = bench.take(PortId::Services, &framed(HOST, ROUTER, &answer));
    let expected = testing::udp((ip("169.254.169.123"), ip("10.0.1.4")), (123, 1000), b"late");
    assert_eq!(left, [(port, framed(router, mac(1, 4), &expected))]);

    let ask = Arp { sender_mac: HOST, ..request(Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(169, 254, 0, 1)) };
    let left = bench.take(PortId::Services, &ask.frame());
    assert!(matches!(&left[..], [(PortId::Services, _)]), "the router answers there for itself: {left:?}");
}
