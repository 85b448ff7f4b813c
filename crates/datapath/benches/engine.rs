//! The user-space path beside a bare veth pair, in turns: `cargo bench -p openvpc-datapath`, as root or rootless.
//!
//! Both ends are processes' namespaces with their kernels' TCP; what differs is what lies between them. Numbers of one
//! run compare with each other only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../tests/engine_common/mod.rs"]
mod engine_common;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine_common::traffic::{Rig, pings, round_trips};
use engine_common::{Group, Lab, ipv4};
use openvpc_datapath::namespace::NetNs;
use openvpc_datapath::netlink::{Netlink, VethSpec};

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(2);

/// Two namespaces and the address of the second.
struct Pair {
    name: &'static str,
    left: NetNs,
    right: NetNs,
    address: IpAddr,
}

fn main() {
    // `cargo test` runs benchmarks too, to see that they compile.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut lab = Lab::new();
    let hosts = [lab.instance(1, 4, Group::Open), lab.instance(1, 5, Group::Open), lab.instance(2, 6, Group::Open)];
    let rig = Rig::start(openvpc_datapath::backend::BackendKind::UserSpace, &mut lab);
    let [a, near, far] = hosts.map(|host| rig.ns(host));
    let pairs = [
        bare_veth(),
        Pair { name: "same subnet", left: a.clone(), right: near, address: ipv4(1, 5).into() },
        Pair { name: "other subnet", left: a, right: far, address: ipv4(2, 6).into() },
    ];
    println!("median of {ROUNDS} rounds of {SPAN:?}, in turns\n");
    println!("{:<32}{}", "", pairs.each_ref().map(|pair| format!("{:>24}", pair.name)).concat());
    measure("TCP, 1 stream, Gbit/s", &pairs, |pair| tcp(pair, 1));
    measure("TCP, 4 streams, Gbit/s", &pairs, |pair| tcp(pair, 4));
    measure("UDP, 64 bytes, k packets/s", &pairs, udp);
    measure("TCP connections, k/s", &pairs, connections);
    measure("ping, median round trip, µs", &pairs, ping);
}

fn bare_veth() -> Pair {
    let (left, right) = (NetNs::create().unwrap(), NetNs::create().unwrap());
    let spec = VethSpec { wire: "eth0", host: &right, host_link: "eth0", host_mac: engine_common::mac(9, 2), mtu: 9001 };
    let mut near = Netlink::open(&left).unwrap();
    let link = near.add_veth(spec).unwrap();
    near.add_address(link, "10.9.0.1/24".parse().unwrap()).unwrap();
    let mut there = Netlink::open(&right).unwrap();
    let far = there.link("eth0").unwrap().unwrap().index;
    there.set_up(far).unwrap();
    there.add_address(far, "10.9.0.2/24".parse().unwrap()).unwrap();
    // The near end was made to be silent; here it is a host like the other.
    left.within(|| {
        assert!(std::process::Command::new("ip").args(["link", "set", "eth0", "arp", "on"]).status().unwrap().success())
    })
    .unwrap();
    Pair { name: "bare veth", left, right, address: "10.9.0.2".parse().unwrap() }
}

fn measure<const N: usize>(what: &str, pairs: &[Pair; N], one: impl Fn(&Pair) -> f64) {
    let mut results = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (pair, results) in pairs.iter().zip(&mut results) {
            assert!(pings(&pair.left, pair.address), "{} is connected", pair.name);
            results.push(one(pair));
        }
    }
    let cells = results.map(|mut results| {
        results.sort_by(f64::total_cmp);
        format!("{:>9.1} [{:>5.1}-{:>5.1}]", results[ROUNDS / 2], results[0], results[ROUNDS - 1])
    });
    println!("{what:<32}{}", cells.map(|cell| format!("{cell:>24}")).concat());
}

fn tcp(pair: &Pair, streams: usize) -> f64 {
    let address = SocketAddr::new(pair.address, 5201);
    let listener = pair.right.within(|| TcpListener::bind(address).unwrap()).unwrap();
    let stop = AtomicBool::new(false);
    let received = AtomicU64::new(0);
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..streams {
            let mut stream = pair.left.within(|| TcpStream::connect(address).unwrap()).unwrap();
            let (mut accepted, _) = listener.accept().unwrap();
            scope.spawn(|| {
                let chunk = vec![7; 128 << 10];
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(&chunk).unwrap();
                }
                drop(stream);
            });
            scope.spawn(|| {
                let mut buffer = vec![0; 256 << 10];
                while let Ok(length @ 1..) = accepted.read(&mut buffer) {
                    received.fetch_add(length as u64, Ordering::Relaxed);
                }
                drop(accepted);
            });
        }
        thread::sleep(SPAN);
        stop.store(true, Ordering::Relaxed);
    });
    received.into_inner() as f64 * 8.0 / begin.elapsed().as_secs_f64() / 1e9
}

fn udp(pair: &Pair) -> f64 {
    let address = SocketAddr::new(pair.address, 5202);
    let receiver = pair.right.within(|| UdpSocket::bind(address).unwrap()).unwrap();
    receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let sender = pair.left.within(|| UdpSocket::bind("0.0.0.0:0").unwrap()).unwrap();
    sender.connect(address).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let sending = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                sender.send(&[7; 64]).unwrap();
            }
        }
    });
    let begin = Instant::now();
    let mut received = 0;
    let mut buffer = [0; 128];
    while begin.elapsed() < SPAN {
        received += u64::from(receiver.recv(&mut buffer).is_ok());
    }
    let rate = received as f64 / begin.elapsed().as_secs_f64() / 1e3;
    stop.store(true, Ordering::Relaxed);
    sending.join().unwrap();
    rate
}

/// Connections of one client, one after the other: opened, one byte read, reset.
fn connections(pair: &Pair) -> f64 {
    let address = SocketAddr::new(pair.address, 5203);
    let listener = pair.right.within(|| TcpListener::bind(address).unwrap()).unwrap();
    let accepting = thread::spawn(move || {
        // The client ends by a connection that it does not wait on.
        while listener.accept().is_ok_and(|(mut stream, _)| stream.write_all(&[7]).is_ok()) {
            if STOP.swap(false, Ordering::SeqCst) {
                break;
            }
        }
    });
    let rate = pair.left.within(|| {
        let begin = Instant::now();
        let mut made = 0_u64;
        while begin.elapsed() < SPAN {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.read_exact(&mut [0]).unwrap();
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            made += 1;
        }
        let rate = made as f64 / begin.elapsed().as_secs_f64() / 1e3;
        STOP.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(address));
        rate
    });
    accepting.join().unwrap();
    rate.unwrap()
}

static STOP: AtomicBool = AtomicBool::new(false);

fn ping(pair: &Pair) -> f64 {
    let mut times = round_trips(&pair.left, pair.address, 2000);
    times.sort();
    times[times.len() / 2].as_nanos() as f64 / 1e3
}
