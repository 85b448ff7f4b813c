//! What root inside an instance can get out: with raw frames of its own making, nothing that isn't its own and allowed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;
mod engine_common;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::privileged;
use engine_common::memory::framed;
use engine_common::traffic::{Rig, on_each_backend};
use engine_common::{Group, Lab, ip, ipv4, ipv6, mac};
use openvpc_datapath::engine::{DropReason, LinkDrop};
use openvpc_datapath::namespace::NetNs;
use openvpc_datapath::netlink::Netlink;
use openvpc_datapath::packet_socket::{FrameBatch, PacketSocket, VnetHeader};
use openvpc_model::interface::MacAddress;
use openvpc_pipeline::verdict::Code;
use openvpc_pipeline::wire::link::{Arp, neighbor_advertisement};
use openvpc_pipeline::wire::{TcpInfo, testing};

const BROADCAST: MacAddress = MacAddress([0xff; 6]);

/// Bytes that every forged packet carries, and bytes that the allowed one does.
const FORGED: &[u8] = b"forged, forged, forged";
const ALLOWED: &[u8] = b"allowed and the last of all";

#[test]
fn root_inside_gets_no_spoofed_and_no_denied_packet_out() {
    privileged("root_inside_gets_no_spoofed_and_no_denied_packet_out", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let attacker = lab.instance(1, 4, Group::Open);
            let victims = [(1, 5, Group::Open), (2, 6, Group::Open), (1, 9, Group::Closed)];
            let victims = victims.map(|(subnet, host, group)| lab.instance(subnet, host, group));
            lab.world.public(attacker.eni, "10.0.1.4", "203.0.113.7");
            // To subnet 2 only the port of the allowed datagram is open.
            lab.world.nacl(lab.subnets[1], &["100 in allow udp 5000 0.0.0.0/0", "100 out allow all 0.0.0.0/0"]);
            let rig = Rig::start(kind, &mut lab);

            let index = lab.world.index(attacker.eni);
            let router = lab.world.tables().router_mac(index);
            let index = lab.world.index(victims[1].eni);
            let far_router = lab.world.tables().router_mac(index);
            let mut watches: BTreeMap<String, PacketSocket> = BTreeMap::new();
            for victim in victims {
                watches.insert(format!("{:?}", victim.instance), eth0(&rig.ns(victim)));
            }
            watches.insert("internet".into(), eth0(&rig.internet()));
            let own = rig.ns(attacker);
            let raw = eth0(&own);

            let frames = forged_frames(router);
            assert!(frames.len() > 400, "{}", frames.len());
            for (header, frame) in &frames {
                // What even the attacker's own kernel refuses never comes as far as the engine.
                while matches!(raw.send(header, frame), Err(error) if error.raw_os_error() == Some(libc_again())) {}
            }
            // One thing it may say, to everybody: behind all the forged frames, as a port keeps its order.
            for (to, next_hop) in [(ipv4(1, 5), mac(1, 5)), (ipv4(2, 6), router), ("198.51.100.10".parse().unwrap(), router)] {
                let packet = testing::udp((ipv4(1, 4).into(), to.into()), (5000, 5000), ALLOWED);
                raw.send(&VnetHeader::default(), &framed(mac(1, 4), next_hop, &packet)).unwrap();
            }
            for (name, watch) in &watches {
                let closed = *name == format!("{:?}", victims[2].instance);
                let seen = capture(watch, !closed);
                for frame in &seen {
                    assert!(!contains(frame, FORGED), "{name} got {frame:02x?}");
                    let honest = [router, far_router, mac(1, 4)].iter().any(|mac| is_from(frame, *mac));
                    assert!(honest || *name == "internet", "{name} got {frame:02x?}");
                }
                assert_eq!(seen.iter().filter(|frame| contains(frame, ALLOWED)).count(), usize::from(!closed), "{name}");
            }

            let drops = rig.counters_of(&mut lab, attacker).drops;
            let reasons: [DropReason; 10] = [
                LinkDrop::SpoofedMac.into(),
                LinkDrop::SpoofedArp.into(),
                LinkDrop::SpoofedNeighborDiscovery.into(),
                LinkDrop::Broadcast.into(),
                LinkDrop::Multicast.into(),
                LinkDrop::UnknownUnicast.into(),
                LinkDrop::UnknownEthertype.into(),
                Code::EniSourceDestCheckRestriction.into(),
                Code::SubnetAclRestriction.into(),
                Code::SgHasNoRules.into(),
            ];
            for reason in reasons {
                assert!(drops.of(reason) > 0, "nothing counted as {}: {drops:?}", reason.as_str());
            }
            // The neighbours still believe what is true.
            let neighbours = rig.ns(victims[0]).within(|| std::fs::read_to_string("/proc/thread-self/net/arp").unwrap()).unwrap();
            assert!(!neighbours.contains("de:ad"), "{neighbours}");
        });
    });
}

/// Every lie in combination with every way to send it.
fn forged_frames(router: MacAddress) -> Vec<(VnetHeader, Vec<u8>)> {
    let own = mac(1, 4);
    let liar = MacAddress([2, 0xde, 0xad, 0, 0, 1]);
    let next_hops = [mac(1, 5), mac(1, 9), mac(2, 6), router, BROADCAST, MacAddress([1, 0, 0x5e, 0, 0, 1]), liar];
    let mut frames = Vec::new();

    // Addresses that aren't its own, to everybody by everybody; and its own from a hardware address that isn't.
    let sources: [IpAddr; 6] =
        [ipv4(1, 5).into(), ipv4(2, 6).into(), ipv4(1, 1).into(), ip("198.51.100.10"), ip("203.0.113.7"), ip("0.0.0.0")];
    let targets: [IpAddr; 5] =
        [ipv4(1, 5).into(), ipv4(2, 6).into(), ipv4(1, 9).into(), ip("198.51.100.10"), ip("255.255.255.255")];
    for target in targets {
        for next_hop in next_hops {
            for source in sources {
                let packet = testing::udp((source, target), (5000, 5000), FORGED);
                frames.push(plain(own, next_hop, &packet));
            }
            for sender in [mac(1, 5), router, liar] {
                let packet = testing::udp((ipv4(1, 4).into(), target), (5000, 5000), FORGED);
                frames.push(plain(sender, next_hop, &packet));
            }
        }
    }
    for source in [ipv6(1, 5), ipv6(2, 6), router.link_local(), "2001:db8:ffff::10".parse().unwrap()] {
        for target in [ipv6(1, 5), ipv6(2, 6), "2001:db8:ffff::10".parse().unwrap(), "ff02::1".parse().unwrap()] {
            for next_hop in next_hops {
                let packet = testing::tcp((source.into(), target.into()), (5000, 5000), TcpInfo::SYN, FORGED);
                frames.push(plain(own, next_hop, &packet));
            }
        }
    }

    // Its own addresses, where rules say no: the closed group, and the closed ports of subnet 2.
    for next_hop in [mac(1, 9), router] {
        for packet in [
            testing::udp((ipv4(1, 4).into(), ipv4(1, 9).into()), (5000, 5000), FORGED),
            testing::tcp((ipv4(1, 4).into(), ipv4(1, 9).into()), (5000, 22), TcpInfo::ACK, FORGED),
            testing::echo((ipv4(1, 4).into(), ipv4(1, 9).into()), true, 7, FORGED),
            testing::other((ipv4(1, 4).into(), ipv4(1, 9).into()), 47, FORGED),
        ] {
            frames.push(plain(own, next_hop, &packet));
        }
    }
    for port in [22, 80, 4999, 5001] {
        frames.push(plain(own, router, &testing::udp((ipv4(1, 4).into(), ipv4(2, 6).into()), (5000, port), FORGED)));
        frames.push(plain(
            own,
            router,
            &testing::tcp((ipv4(1, 4).into(), ipv4(2, 6).into()), (5000, port), TcpInfo::SYN, FORGED),
        ));
    }

    // A checksum to be written over the closed port's number, as if it were for hardware to do.
    for offset in 0..4 {
        let packet = testing::udp((ipv4(1, 4).into(), ipv4(2, 6).into()), (5000, 22), FORGED);
        let header = VnetHeader {
            flags: VnetHeader::NEEDS_CHECKSUM,
            checksum_start: 34,
            checksum_offset: offset,
            ..VnetHeader::default()
        };
        frames.push((header, framed(own, router, &packet)));
    }

    // ARP and neighbour discovery for others, straight to those to be fooled.
    for (claimed, target) in [(ipv4(1, 1), ipv4(1, 5)), (ipv4(1, 9), ipv4(1, 5)), (ipv4(2, 6), ipv4(1, 5))] {
        for is_request in [true, false] {
            for sender_mac in [own, liar] {
                let arp = Arp { is_request, sender_mac, sender_ip: claimed, target_mac: mac(1, 5), target_ip: target };
                let mut frame = arp.frame().to_vec();
                for destination in [mac(1, 5), BROADCAST] {
                    frame[..6].copy_from_slice(&destination.0);
                    frame[6..12].copy_from_slice(&own.0);
                    frames.push((VnetHeader::default(), [&frame[..], FORGED].concat()));
                    frame[6..12].copy_from_slice(&sender_mac.0);
                    frames.push((VnetHeader::default(), [&frame[..], FORGED].concat()));
                }
            }
        }
    }
    for claimed in [router.link_local(), ipv6(1, 1), ipv6(1, 9)] {
        for at in [own, liar] {
            let mut frame = neighbor_advertisement(claimed, at, (ipv6(1, 5), mac(1, 5)), true).to_vec();
            frame[6..12].copy_from_slice(&own.0);
            frames.push((VnetHeader::default(), [&frame[..], FORGED].concat()));
        }
    }

    // What isn't IP at all.
    for ethertype in [0x0000_u16, 0x0042, 0x8035, 0x88cc, 0x8863, 0x88f7, 0x6558] {
        for destination in [mac(1, 5), BROADCAST, MacAddress([1, 0x80, 0xc2, 0, 0, 0])] {
            let mut frame = [&destination.0[..], &own.0, &ethertype.to_be_bytes()].concat();
            frame.extend_from_slice(FORGED);
            frames.push((VnetHeader::default(), frame));
        }
    }
    frames
}

fn plain(source: MacAddress, destination: MacAddress, packet: &[u8]) -> (VnetHeader, Vec<u8>) {
    (VnetHeader::default(), framed(source, destination, packet))
}

/// A raw socket on the instance's own interface, as root inside may open one.
fn eth0(ns: &NetNs) -> PacketSocket {
    let link = Netlink::open(ns).unwrap().link("eth0").unwrap().unwrap();
    PacketSocket::open(ns, link.index).unwrap()
}

/// What came in by an interface: up to the allowed datagram if one is due, else what there is shortly after the others
/// had theirs.
fn capture(watch: &PacketSocket, until_allowed: bool) -> Vec<Vec<u8>> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut batch = FrameBatch::new(32);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    loop {
        let received = watch.receive(&mut batch).unwrap();
        seen.extend((0..batch.len()).map(|index| batch.frame(index).unwrap().1.to_vec()));
        let done = !until_allowed || seen.iter().any(|frame| contains(frame, ALLOWED));
        if done && received == 0 {
            return seen;
        }
        assert!(Instant::now() < deadline, "the allowed datagram never came");
        std::thread::yield_now();
    }
}

fn contains(frame: &[u8], text: &[u8]) -> bool {
    frame.windows(text.len()).any(|window| window == text)
}

fn is_from(frame: &[u8], mac: MacAddress) -> bool {
    frame.get(6..12) == Some(&mac.0[..])
}

/// EAGAIN and ENOBUFS mean that the link is full for the moment.
fn libc_again() -> i32 {
    rustix::io::Errno::NOBUFS.raw_os_error()
}
