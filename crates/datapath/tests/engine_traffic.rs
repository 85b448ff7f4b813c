//! Real sandboxes that talk through the engine.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;
mod engine_common;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use common::privileged;
use engine_common::traffic::{Rig, eventually, is_silent, on_each_backend, pings, transfer};
use engine_common::{Group, Lab, ip, ipv4, ipv6};
use openvpc_datapath::engine::{LinkDrop, PortCounters};
use openvpc_datapath::namespace::NetNs;
use openvpc_model::nacl::Direction;
use openvpc_pipeline::verdict::Code;

#[test]
fn instances_ping_one_another_and_the_internet_over_both_families() {
    privileged("instances_ping_one_another_and_the_internet_over_both_families", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let (a, b, far) = (lab.instance(1, 4, Group::Open), lab.instance(1, 5, Group::Open), lab.instance(2, 6, Group::Open));
            let closed = lab.instance(1, 9, Group::Closed);
            lab.world.public(a.eni, "10.0.1.4", "203.0.113.7");
            let rig = Rig::start(kind, &mut lab);
            for (from, to) in [(a, b), (b, a), (a, far), (far, a)] {
                let eni = &lab.world.network().enis[&to.eni];
                for address in eni.addresses() {
                    assert!(pings(&rig.ns(from), address), "{from:?} to {address}");
                }
            }
            assert!(pings(&rig.ns(a), ip("198.51.100.10")), "out through the gateway's translation");
            assert!(pings(&rig.internet(), ip("203.0.113.7")), "and in");
            assert!(pings(&rig.ns(far), ip("2001:db8:ffff::10")), "IPv6 needs no translation");
            assert!(pings(&rig.internet(), ipv6(2, 6).into()));
            assert!(is_silent(&rig.ns(far), ip("198.51.100.10")), "no public address, no way out");
            assert!(is_silent(&rig.ns(a), ipv4(1, 9).into()), "the group is closed");
            assert!(is_silent(&rig.ns(closed), ipv4(1, 4).into()));
            assert!(is_silent(&rig.ns(a), ipv4(1, 1).into()), "the router answers no ping");
            assert!(is_silent(&rig.ns(a), ipv4(1, 77).into()), "nobody has the address");
        });
    });
}

#[test]
fn a_bulk_transfer_passes_in_super_packets_and_arrives_intact() {
    privileged("a_bulk_transfer_passes_in_super_packets_and_arrives_intact", || {
        on_each_backend(|kind| {
            const BYTES: usize = 256 << 20;
            let mut lab = Lab::new();
            let (a, far) = (lab.instance(1, 4, Group::Open), lab.instance(2, 6, Group::Open));
            let rig = Rig::start(kind, &mut lab);
            for address in [IpAddr::from(ipv4(2, 6)), ipv6(2, 6).into()] {
                let before = rig.counters_of(&mut lab, a).received;
                transfer(&rig.ns(a), &rig.ns(far), SocketAddr::new(address, 5000), BYTES);
                let after = rig.counters_of(&mut lab, a).received;
                let (frames, packets) = (after.frames - before.frames, after.packets - before.packets);
                assert!(after.bytes - before.bytes > BYTES as u64);
                assert!(packets >= BYTES as u64 / 8961, "{packets} segments");
                assert!(frames < packets / 3, "{frames} frames for {packets} segments over {address}");
            }
            let counters = rig.counters();
            // All that is dropped is what kernels tell multicast routers.
            let lost = |port: &PortCounters| port.drops.iter().any(|(reason, _)| reason != LinkDrop::Multicast.into());
            assert!(!counters.enis.iter().any(|(_, port)| lost(port)), "{counters:?}");
            assert_eq!(rig.ns(far).within(checksum_errors).unwrap(), 0);
        });
    });
}

/// `InCsumErrors` of TCP in the namespace of the calling thread.
fn checksum_errors() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut tcp = text.lines().filter(|line| line.starts_with("Tcp:"));
    let column = tcp.next().unwrap().split(' ').position(|name| name == "InCsumErrors").unwrap();
    tcp.next().unwrap().split(' ').nth(column).unwrap().parse().unwrap()
}

#[test]
fn a_transfer_over_the_internet_gateway_arrives_intact_both_ways() {
    privileged("a_transfer_over_the_internet_gateway_arrives_intact_both_ways", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let a = lab.instance(1, 4, Group::Open);
            lab.world.public(a.eni, "10.0.1.4", "203.0.113.7");
            let rig = Rig::start(kind, &mut lab);
            let (instance, internet) = (rig.ns(a), rig.internet());
            transfer(&instance, &internet, "198.51.100.10:5000".parse().unwrap(), 16 << 20);
            transfer(&instance, &internet, "[2001:db8:ffff::10]:5000".parse().unwrap(), 16 << 20);
            // The instance listens on its private address; the internet knows the public one.
            let listener = instance.within(|| std::net::TcpListener::bind("10.0.1.4:80").unwrap()).unwrap();
            let seen = std::thread::spawn(move || listener.accept().unwrap().1);
            let stream = internet.within(|| std::net::TcpStream::connect("203.0.113.7:80").unwrap()).unwrap();
            assert_eq!(seen.join().unwrap(), stream.local_addr().unwrap());
        });
    });
}

fn udp(ns: &NetNs, address: &str) -> UdpSocket {
    let socket = ns.within(|| UdpSocket::bind(address).unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

#[test]
fn fragments_pass_and_the_engine_makes_them_where_the_way_is_narrow() {
    privileged("fragments_pass_and_the_engine_makes_them_where_the_way_is_narrow", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let (a, far) = (lab.instance(1, 4, Group::Open), lab.instance(2, 6, Group::Open));
            lab.world.public(a.eni, "10.0.1.4", "203.0.113.7");
            let rig = Rig::start(kind, &mut lab);
            let payload: Vec<u8> = (0..40_000_u32).map(|i| (i * 7) as u8).collect();
            let mut buffer = vec![0; 65_536];

            // Longer than the link: the sender's kernel cuts.
            for (here, there) in [("10.0.1.4:0", "10.0.2.6:5000"), ("[::]:0", "[2001:db8:1:2::6]:5000")] {
                let (sender, receiver) = (udp(&rig.ns(a), here), udp(&rig.ns(far), there));
                sender.send_to(&payload, there).unwrap();
                let (length, _) = receiver.recv_from(&mut buffer).unwrap();
                assert!(buffer[..length] == payload, "{there}");
            }
            // Fits the link but not the gateway, and may be cut: the router cuts.
            let sender = udp(&rig.ns(a), "10.0.1.4:0");
            rustix::net::sockopt::set_ip_mtu_discover(&sender, rustix::net::sockopt::Ipv4PathMtuDiscovery::DONT).unwrap();
            let receiver = udp(&rig.internet(), "198.51.100.10:5000");
            sender.send_to(&payload[..8000], "198.51.100.10:5000").unwrap();
            let (length, from) = receiver.recv_from(&mut buffer).unwrap();
            assert!(buffer[..length] == payload[..8000]);
            assert_eq!(from.ip(), ip("203.0.113.7"));
        });
    });
}

#[test]
fn a_sender_that_forbids_cutting_learns_the_mtu_of_the_gateway() {
    privileged("a_sender_that_forbids_cutting_learns_the_mtu_of_the_gateway", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let a = lab.instance(1, 4, Group::Open);
            lab.world.public(a.eni, "10.0.1.4", "203.0.113.7");
            let rig = Rig::start(kind, &mut lab);
            for (here, there, headers) in [("10.0.1.4:0", "198.51.100.10:5000", 28), ("[::]:0", "[2001:db8:ffff::10]:5000", 48)] {
                let sender = udp(&rig.ns(a), here);
                // UDP forbids cutting from the start; a refusal comes as soon as the kernel has taken the error in.
                eventually("the kernel knows the path's MTU", || {
                    let sent = sender.send_to(&[7; 3000], there);
                    let known = match &sent {
                        Err(error) if error.raw_os_error() == Some(90) => true,
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => false,
                        sent => {
                            sent.as_ref().unwrap();
                            false
                        }
                    };
                    known || path_mtu(&rig.ns(a), there) == Some(1500)
                });
                let receiver = udp(&rig.internet(), there);
                sender.send_to(&vec![7; 1500 - headers], there).unwrap();
                // Earlier, larger ones arrive in fragments once the kernel knows; all are of the same bytes.
                let (length, _) = receiver.recv_from(&mut [0; 4000]).unwrap();
                assert!(length == 1500 - headers || length == 3000);
            }
            assert!(rig.counters_of(&mut lab, a).drops.of(Code::MtuExceeded) >= 2);
        });
    });
}

/// What the kernel in a namespace believes to be the MTU of the path to an address, if it has learnt of one.
fn path_mtu(ns: &NetNs, to: &str) -> Option<u32> {
    let probe = udp(ns, if to.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" });
    probe.connect(to).unwrap();
    match to.starts_with('[') {
        true => rustix::net::sockopt::ipv6_mtu(&probe).ok(),
        false => rustix::net::sockopt::ip_mtu(&probe).ok(),
    }
}

#[test]
fn records_add_up_to_the_counters_after_real_traffic() {
    privileged("records_add_up_to_the_counters_after_real_traffic", || {
        on_each_backend(|kind| {
            let mut lab = Lab::new();
            let (a, far) = (lab.instance(1, 4, Group::Open), lab.instance(2, 6, Group::Open));
            let rig = Rig::start(kind, &mut lab);
            transfer(&rig.ns(a), &rig.ns(far), "10.0.2.6:5000".parse().unwrap(), 8 << 20);
            assert!(pings(&rig.ns(a), ipv6(2, 6).into()));
            for host in [a, far] {
                let eni = lab.world.index(host.eni);
                let sums =
                    rig.sink.with(move |legs, _, _| [Direction::Egress, Direction::Ingress].map(|d| legs.sum(eni, d))).unwrap();
                let counters = rig.counters_of(&mut lab, host);
                let counted = [counters.received, counters.sent].map(|traffic| (traffic.packets, traffic.bytes));
                assert_eq!(sums, counted, "{host:?}: {counters:?}");
            }
        });
    });
}
