//! Frames between two hosts through two packet sockets, as the engine moves them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(unsafe_code, reason = "a socket option without a safe form")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::privileged;
use openvpc_datapath::namespace::NetNs;
use openvpc_datapath::netlink::{LinkIndex, Netlink, RouteSpec, VethSpec};
use openvpc_datapath::packet_socket::{FrameBatch, PacketSocket, VnetHeader};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const MTU: u32 = 9001;

#[test]
fn a_tcp_super_packet_passes_whole_and_arrives_intact() {
    privileged("a_tcp_super_packet_passes_whole_and_arrives_intact", || {
        let pair = Pair::new();
        let listener = pair.right.within(|| TcpListener::bind("10.0.0.2:5000").unwrap()).unwrap();
        let received = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        });

        let payload: Vec<u8> = (0..8 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut stream = pair.left.within(|| TcpStream::connect("10.0.0.2:5000").unwrap()).unwrap();
        stream.write_all(&payload).unwrap();
        drop(stream);

        assert!(received.join().unwrap() == payload, "the bytes received are those sent");
        let seen = pair.seen();
        let (header, length) = seen.iter().max_by_key(|(_, length)| *length).unwrap();
        assert!(*length > 60_000, "the longest frame has {length} bytes: {header:?}");
        assert_eq!(header.gso_type & !VnetHeader::GSO_ECN, VnetHeader::GSO_TCPV4);
        assert!(header.needs_checksum() && header.gso_size > 8000, "{header:?}");
        assert_eq!(pair.checksum_errors(), 0);
    });
}

#[test]
fn ipv6_works_at_once_and_its_super_packets_pass_whole() {
    privileged("ipv6_works_at_once_and_its_super_packets_pass_whole", || {
        let pair = Pair::new();
        let listener = pair.right.within(|| TcpListener::bind("[fd00::2]:5000").unwrap()).unwrap();
        let received = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes.len()
        });
        let mut stream = pair.left.within(|| TcpStream::connect("[fd00::2]:5000").unwrap()).unwrap();
        stream.write_all(&vec![7; 4 << 20]).unwrap();
        drop(stream);

        assert_eq!(received.join().unwrap(), 4 << 20);
        let longest = pair.seen().into_iter().max_by_key(|(_, length)| *length).unwrap();
        assert_eq!(longest.0.gso_type & !VnetHeader::GSO_ECN, VnetHeader::GSO_TCPV6, "{longest:?}");
        assert!(longest.1 > 60_000, "{longest:?}");
    });
}

#[test]
fn a_udp_super_packet_arrives_as_the_datagrams_it_stands_for() {
    privileged("a_udp_super_packet_arrives_as_the_datagrams_it_stands_for", || {
        static SEGMENT: i32 = 1000;
        let pair = Pair::new();
        let server = pair.right.within(|| UdpSocket::bind("10.0.0.2:53").unwrap()).unwrap();
        let client = pair.left.within(|| UdpSocket::bind("10.0.0.1:0").unwrap()).unwrap();
        // SAFETY: pointer and length describe `SEGMENT`, which the kernel only reads.
        let set =
            unsafe { libc::setsockopt(client.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, (&raw const SEGMENT).cast(), 4) };
        assert_eq!(set, 0);
        client.send_to(&[1; 7 * 1000 + 5], "10.0.0.2:53").unwrap();
        let lengths: Vec<_> = (0..8).map(|_| server.recv(&mut [0; 2000]).unwrap()).collect();
        assert_eq!(lengths, [1000, 1000, 1000, 1000, 1000, 1000, 1000, 5]);
        let seen = pair.seen();
        let (header, length) = seen.iter().find(|(header, _)| header.is_super_packet()).expect("Linux 6.2 or later");
        assert_eq!((header.gso_type, header.gso_size, header.segments(length - 42)), (VnetHeader::GSO_UDP_L4, 1000, 8));
    });
}

#[test]
fn the_hosts_reach_what_their_routes_say_and_the_wires_stay_silent() {
    privileged("the_hosts_reach_what_their_routes_say_and_the_wires_stay_silent", || {
        let pair = Pair::new();
        let mut left = Netlink::open(&pair.left).unwrap();
        let eth0 = left.link("eth0").unwrap().unwrap();
        assert_eq!((eth0.mtu, eth0.up), (MTU, true));
        let addresses = left.addresses(eth0.index).unwrap();
        assert!(addresses.contains(&"10.0.0.1/24".parse().unwrap()), "{addresses:?}");
        let link_local = eth0.mac.unwrap().link_local();
        assert!(addresses.iter().any(|net| net.addr() == link_local), "{addresses:?} and {link_local}");

        for gateway in ["10.0.0.2", "fd00::2"] {
            let destination = if gateway.contains(':') { "::/0" } else { "0.0.0.0/0" };
            let route = RouteSpec {
                destination: destination.parse().unwrap(),
                gateway: Some(gateway.parse().unwrap()),
                link: eth0.index,
                source: None,
            };
            left.set_route(route).unwrap();
            left.set_route(route).expect("a route may be set again");
        }
        let mut right = Netlink::open(&pair.right).unwrap();
        let loopback = right.link("lo").unwrap().unwrap().index;
        right.set_up(loopback).unwrap();
        right.add_address(loopback, "192.0.2.1/32".parse().unwrap()).unwrap();
        let server = pair.right.within(|| UdpSocket::bind("192.0.2.1:53").unwrap()).unwrap();
        let client = pair.left.within(|| UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap();
        client.send_to(b"question", "192.0.2.1:53").unwrap();
        assert_eq!(server.recv_from(&mut [0; 16]).unwrap().0, 8);

        let mut fabric = Netlink::open(&pair.fabric).unwrap();
        for wire in fabric.links().unwrap().into_iter().filter(|link| link.name != "lo") {
            assert_eq!(fabric.addresses(wire.index).unwrap(), [], "{wire:?}");
            fabric.delete_link(wire.index).unwrap();
        }
        assert!(left.link("eth0").unwrap().is_none(), "eth0 goes with its other end");
    });
}

#[test]
fn a_refusal_of_the_kernel_names_the_operation_and_the_link() {
    privileged("a_refusal_of_the_kernel_names_the_operation_and_the_link", || {
        let fabric = NetNs::create().unwrap();
        let host = NetNs::create().unwrap();
        let mut netlink = Netlink::open(&fabric).unwrap();
        netlink.add_veth(veth("w0", &host, "eth0", 1)).unwrap();
        let error = netlink.add_veth(veth("w0", &host, "eth1", 2)).unwrap_err();
        assert!(error.is_present(), "{error}");
        assert!(error.to_string().contains("make the link w0"), "{error}");
        let error = netlink.set_up(LinkIndex(4711)).unwrap_err();
        assert!(error.is_absent(), "{error}");
    });
}

#[test]
fn a_tunnel_between_the_hosts_works_without_offloads_that_a_frame_cannot_express() {
    privileged("a_tunnel_between_the_hosts_works_without_offloads_that_a_frame_cannot_express", || {
        let pair = Pair::new();
        for (host, me, peer) in [(&pair.left, 1, 2), (&pair.right, 2, 1)] {
            let script = format!(
                "ip link add tunnel type vxlan id 7 local 10.0.0.{me} remote 10.0.0.{peer} dstport 4789 dev eth0 &&
                 ip addr add 172.16.0.{me}/24 dev tunnel && ip link set tunnel up"
            );
            let status = host.within(|| std::process::Command::new("sh").args(["-c", &script]).status().unwrap()).unwrap();
            assert!(status.success());
        }
        let listener = pair.right.within(|| TcpListener::bind("172.16.0.2:5000").unwrap()).unwrap();
        let received = thread::spawn(move || std::io::copy(&mut listener.accept().unwrap().0, &mut std::io::sink()).unwrap());
        let mut stream = pair.left.within(|| TcpStream::connect("172.16.0.2:5000").unwrap()).unwrap();
        stream.write_all(&vec![7; 2 << 20]).unwrap();
        drop(stream);

        assert_eq!(received.join().unwrap(), 2 << 20);
        let seen = pair.seen();
        let longest = seen.iter().max_by_key(|(_, length)| *length).unwrap();
        assert!(longest.1 > 8_000 && longest.1 <= MTU as usize + 14, "{longest:?}");
        assert!(seen.iter().all(|(header, _)| !header.is_super_packet()));
    });
}

/// Two hosts, `10.0.0.1` and `10.0.0.2` (`fd00::1`, `fd00::2`), whose links meet in a relay of two packet sockets.
struct Pair {
    left: NetNs,
    right: NetNs,
    fabric: NetNs,
    frames: Arc<Mutex<Vec<(VnetHeader, usize)>>>,
    stop: Arc<AtomicBool>,
    relay: Option<JoinHandle<()>>,
}

impl Pair {
    fn new() -> Self {
        let fabric = NetNs::create().unwrap();
        let (left, wire_left) = host(&fabric, "w1", 1);
        let (right, wire_right) = host(&fabric, "w2", 2);
        let sockets = [PacketSocket::open(&fabric, wire_left).unwrap(), PacketSocket::open(&fabric, wire_right).unwrap()];
        let frames = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let relay = thread::spawn({
            let (frames, stop) = (frames.clone(), stop.clone());
            move || relay(&sockets, &frames, &stop)
        });
        Self { left, right, fabric, frames, stop, relay: Some(relay) }
    }

    fn seen(&self) -> Vec<(VnetHeader, usize)> {
        self.frames.lock().unwrap().clone()
    }

    fn checksum_errors(&self) -> u64 {
        let text = self.right.within(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap()).unwrap();
        let mut tcp = text.lines().filter(|line| line.starts_with("Tcp:"));
        let column = tcp.next().unwrap().split(' ').position(|name| name == "InCsumErrors").unwrap();
        tcp.next().unwrap().split(' ').nth(column).unwrap().parse().unwrap()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(relay) = self.relay.take() {
            let _ = relay.join();
        }
    }
}

fn host(fabric: &NetNs, wire: &str, number: u8) -> (NetNs, LinkIndex) {
    let host = NetNs::create().unwrap();
    for (name, value) in [("accept_dad", "0"), ("accept_ra", "0")] {
        host.set_sysctl(&format!("net/ipv6/conf/default/{name}"), value).unwrap();
    }
    let wire = Netlink::open(fabric).unwrap().add_veth(veth(wire, &host, "eth0", number)).unwrap();
    let mut netlink = Netlink::open(&host).unwrap();
    let eth0 = netlink.link("eth0").unwrap().unwrap().index;
    netlink.set_up(eth0).unwrap();
    netlink.add_address(eth0, format!("10.0.0.{number}/24").parse().unwrap()).unwrap();
    netlink.add_address(eth0, format!("fd00::{number}/64").parse().unwrap()).unwrap();
    assert!(netlink.wait_until_ready(eth0, Duration::from_secs(5)).unwrap());
    (host, wire)
}

fn veth<'a>(wire: &'a str, host: &'a NetNs, host_link: &'a str, number: u8) -> VethSpec<'a> {
    VethSpec { wire, host, host_link, host_mac: format!("02:00:00:00:00:0{number}").parse().unwrap(), mtu: MTU }
}

fn relay(sockets: &[PacketSocket; 2], frames: &Mutex<Vec<(VnetHeader, usize)>>, stop: &AtomicBool) {
    let mut batch = FrameBatch::new(32);
    let patience = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    while !stop.load(Ordering::Relaxed) {
        let mut polled = [PollFd::new(&sockets[0], PollFlags::IN), PollFd::new(&sockets[1], PollFlags::IN)];
        poll(&mut polled, Some(&patience)).unwrap();
        for (from, to) in [(0, 1), (1, 0)] {
            while sockets[from].receive(&mut batch).unwrap_or(0) > 0 {
                let batch: Vec<_> = (0..batch.len()).map(|index| batch.frame(index).unwrap()).collect();
                frames.lock().unwrap().extend(batch.iter().map(|(header, frame)| (**header, frame.len())));
                sockets[to].send_many(batch);
            }
        }
    }
}
