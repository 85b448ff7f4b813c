//! A machine with sandboxes for the instances of a lab, and sockets inside them.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openvpc_datapath::backend::{BackendKind, EngineBackend};
use openvpc_datapath::engine::{EngineCounters, PortCounters, SinkHandle};
use openvpc_datapath::machine::{InternetConfig, Machine, MachineConfig, Report};
use openvpc_datapath::namespace::NetNs;
use openvpc_datapath::sandbox::Helper;
use openvpc_model::Network;
use openvpc_pipeline::compile;
use openvpc_pipeline::testing::Host;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket};
use tempfile::TempDir;

use super::{Lab, Legs};

/// The daemon's part of a lab, as far as this crate goes.
pub struct Rig {
    pub machine: Option<Machine>,
    pub sink: SinkHandle<Legs>,
    pub dir: TempDir,
}

impl Rig {
    /// Starts the machine and brings the lab's instances up.
    pub fn start(kind: BackendKind, lab: &mut Lab) -> Self {
        Self::start_in(kind, lab, TempDir::new().unwrap())
    }

    /// The same with what an earlier machine left in a directory.
    pub fn start_in(kind: BackendKind, lab: &mut Lab, dir: TempDir) -> Self {
        let (machine, sink) = Machine::start(config(kind, &dir), lab.compile(), Legs::default()).unwrap();
        let rig = Self { machine: Some(machine), sink, dir };
        rig.reconcile(lab);
        rig
    }

    pub fn reconcile(&self, lab: &mut Lab) -> Vec<Report> {
        let tables = lab.compile();
        self.machine().reconcile(lab.world.network(), &tables).unwrap()
    }

    /// Puts the lab's rules in force.
    pub fn apply(&self, lab: &mut Lab) {
        self.machine().apply(lab.compile()).unwrap();
    }

    pub fn machine(&self) -> &Machine {
        self.machine.as_ref().unwrap()
    }

    pub fn ns(&self, host: Host) -> NetNs {
        NetNs::of_process(self.machine().exec_target(host.instance).expect("it runs").pid).unwrap()
    }

    pub fn internet(&self) -> NetNs {
        self.machine().internet().unwrap().1
    }

    pub fn counters(&self) -> EngineCounters {
        self.machine().counters().unwrap()
    }

    pub fn counters_of(&self, lab: &mut Lab, host: Host) -> PortCounters {
        let index = lab.world.index(host.eni);
        self.counters().enis.into_iter().find(|(eni, _)| *eni == index).unwrap().1
    }

    /// Ends without tidying up, as a daemon that is killed; returns the directory.
    pub fn abandon(mut self) -> TempDir {
        self.machine.take().unwrap().shutdown(true).unwrap();
        std::mem::replace(&mut self.dir, TempDir::new().unwrap())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(machine) = self.machine.take() {
            let stopped = machine.shutdown(false);
            if !std::thread::panicking() {
                stopped.unwrap();
            }
        }
    }
}

/// Does something with every datapath that this machine gives; the reason is printed where it gives no kernel tier, which
/// is an error in CI.
pub fn on_each_backend(body: impl Fn(BackendKind)) {
    body(BackendKind::UserSpace);
    let dir = TempDir::new().unwrap();
    let nothing = Arc::new(compile(&Network::default(), None));
    let tried = EngineBackend::of_kind(BackendKind::Kernel, dir.path(), nothing, Legs::default()).map(drop);
    Machine::cleanup(dir.path()).unwrap();
    match tried {
        Ok(()) => body(BackendKind::Kernel),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no kernel tier: {error}");
            println!("skipped on the kernel tier: {error}");
        }
    }
}

pub fn config(backend: BackendKind, dir: &TempDir) -> MachineConfig {
    MachineConfig {
        dir: dir.path().to_owned(),
        hidden: vec![dir.path().to_owned()],
        backend,
        or_user_space: false,
        internet: InternetConfig::default(),
        helper: Helper::at(env!("CARGO_BIN_EXE_sandbox-helper")),
        on_exit: Box::new(|| {}),
    }
}

/// Whether an echo comes, if need be after some requests.
pub fn pings(from: &NetNs, to: IpAddr) -> bool {
    let pinger = Pinger::new(from, to);
    (0..25).any(|_| pinger.ping().is_some())
}

/// Whether no echo comes, to two requests.
pub fn is_silent(from: &NetNs, to: IpAddr) -> bool {
    let pinger = Pinger::new(from, to);
    (0..2).all(|_| pinger.ping().is_none())
}

/// How long echoes took to come, those that came.
pub fn round_trips(from: &NetNs, to: IpAddr, requests: usize) -> Vec<Duration> {
    let pinger = Pinger::new(from, to);
    (0..requests).filter_map(|_| pinger.ping()).collect()
}

struct Pinger {
    socket: OwnedFd,
    to: IpAddr,
}

impl Pinger {
    fn new(from: &NetNs, to: IpAddr) -> Self {
        let (family, protocol) = match to {
            IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
            IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        Self { socket: from.within(|| socket(family, SocketType::RAW, Some(protocol)).unwrap()).unwrap(), to }
    }

    fn ping(&self) -> Option<Duration> {
        let (request, reply) = if self.to.is_ipv4() { (8, 0) } else { (128, 129) };
        let mut message = [request, 0, 0, 0, 0x12, 0x34, 0, 1, 0xab, 0xcd];
        if self.to.is_ipv4() {
            let sum: u32 = message.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
            message[2..4].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
        }
        let begin = Instant::now();
        // A host without a route says so at once, which is no as well.
        sendto(&self.socket, &message, SendFlags::empty(), &SocketAddr::new(self.to, 0)).ok()?;
        let deadline = begin + Duration::from_millis(200);
        let mut buffer = [0; 256];
        while Instant::now() < deadline {
            let Ok((length, _)) = recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) else {
                wait_readable(&self.socket, deadline);
                continue;
            };
            let received = &buffer[..length];
            let answer = if self.to.is_ipv4() { received.get(20..).unwrap_or_default() } else { received };
            if answer.first() == Some(&reply) && answer.get(4..6) == Some(&[0x12, 0x34]) {
                return Some(begin.elapsed());
            }
        }
        None
    }
}

fn wait_readable(socket: &OwnedFd, until: Instant) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let left = until.saturating_duration_since(Instant::now());
    let left = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
    let _ = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left));
}

/// Sends bytes over TCP and fails unless exactly these arrive.
pub fn transfer(from: &NetNs, to: &NetNs, address: SocketAddr, bytes: usize) {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    let listener = to.within(|| TcpListener::bind(address).unwrap()).unwrap();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut digest = Digest::default();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return digest,
                length => digest.add(&buffer[..length]),
            }
        }
    });
    let mut stream = from.within(|| TcpStream::connect(address).unwrap()).unwrap();
    let mut digest = Digest::default();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut chunk = vec![0; 1 << 18];
    while digest.length < bytes {
        for word in chunk.chunks_exact_mut(8) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            word.copy_from_slice(&random.to_le_bytes());
        }
        let part = &chunk[..chunk.len().min(bytes - digest.length)];
        digest.add(part);
        stream.write_all(part).unwrap();
    }
    drop(stream);
    assert_eq!(receiver.join().unwrap(), digest, "what arrived is what was sent");
}

/// Length and an order-dependent sum (FNV-1a over words) of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Digest {
    length: usize,
    hash: u64,
    pending: Vec<u8>,
}

impl Default for Digest {
    fn default() -> Self {
        Self { length: 0, hash: 0xcbf2_9ce4_8422_2325, pending: Vec::new() }
    }
}

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.pending.extend_from_slice(bytes);
        let whole = self.pending.len() / 8 * 8;
        for word in self.pending[..whole].chunks_exact(8) {
            self.hash = (self.hash ^ u64::from_le_bytes(word.try_into().unwrap())).wrapping_mul(0x100_0000_01b3);
        }
        self.pending.drain(..whole);
    }
}

/// Asks again and again until `done` says yes.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
