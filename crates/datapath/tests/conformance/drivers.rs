//! What carries frames, behind one trait: memory, user space on links, the kernel tier on links.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openvpc_datapath::backend::{Backend, BackendKind, EngineBackend};
use openvpc_datapath::details::Reading;
use openvpc_datapath::engine::{DropReason, EngineCore, EngineCounters, Now, PortCounters, PortId, SinkHandle, Uplink};
use openvpc_datapath::machine::Machine;
use openvpc_datapath::namespace::NetNs;
use openvpc_datapath::netlink::{self, LinkIndex, Netlink, VethSpec};
use openvpc_datapath::packet_socket::{FrameBatch, PacketSocket, VnetHeader};
use openvpc_model::interface::MacAddress;
use openvpc_model::{Network, UnixMillis};
use openvpc_pipeline::verdict::{Leg, LegCounts};
use openvpc_pipeline::wire::link::Arp;
use openvpc_pipeline::{GatewayCounters, Nanos, ResourceId, Tables};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use crate::engine_common::memory::{HOST, MemoryPort, Outbox, ROUTER};
use crate::engine_common::{Legs, ip};

/// A frame with what its sender left undone.
pub type Frame = (VnetHeader, Vec<u8>);

/// What carries frames.
pub trait Driver {
    fn name(&self) -> &'static str;

    /// Puts a network in force, and gives every interface of an instance a link.
    fn apply(&mut self, network: &Network, tables: &Arc<Tables>);

    /// Sends a frame out of an interface or in from the internet, and returns what came out, and where. `expected` is how
    /// many frames to wait for.
    fn send(&mut self, from: PortId, frame: &Frame, expected: usize) -> Vec<(PortId, Frame)>;

    /// All that was recorded and counted so far.
    fn account(&mut self) -> Account;

    /// Frames that didn't find their flow in the kernel so far, where there is a kernel tier.
    fn misses(&mut self) -> Option<u64> {
        None
    }
}

/// All that was recorded and counted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Flow-log records, added up.
    pub legs: HashMap<Leg, LegCounts>,
    pub drops: BTreeMap<(PortId, DropReason), u64>,
    /// Packets and bytes received, packets and bytes sent, answers of the router.
    pub traffic: BTreeMap<PortId, [u64; 5]>,
    /// What gateways counted.
    pub gateways: Vec<(ResourceId, GatewayCounters)>,
}

impl Account {
    fn add_legs(&mut self, seen: Vec<(Leg, LegCounts)>) {
        for (leg, counts) in seen {
            let sum = self.legs.entry(leg).or_default();
            sum.packets += counts.packets;
            sum.bytes += counts.bytes;
            sum.tcp_flags |= counts.tcp_flags;
        }
    }

    fn count(&mut self, tables: &Tables, counters: EngineCounters) {
        self.gateways = counters.gateways;
        self.drops.clear();
        self.traffic.clear();
        let enis = counters.enis.into_iter().filter(|(index, _)| tables.eni(*index).is_some());
        let enis = enis.map(|(index, counters)| (PortId::Eni(index), counters));
        for (port, counters) in enis.chain(counters.uplink.map(|counters| (PortId::Uplink, counters))) {
            let PortCounters { received, sent, answers, drops } = counters;
            self.traffic.insert(port, [received.packets, received.bytes, sent.packets, sent.bytes, answers]);
            self.drops.extend(drops.iter().map(|(reason, packets)| ((port, reason), packets)));
        }
    }

    /// What the other has otherwise, in words.
    pub fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        for leg in self.legs.keys().chain(other.legs.keys().filter(|leg| !self.legs.contains_key(leg))) {
            let (here, there) = (self.legs.get(leg), other.legs.get(leg));
            if here != there {
                text.push_str(&format!("{leg:?}: {here:?} but {there:?}\n"));
            }
        }
        if self.gateways != other.gateways {
            text.push_str(&format!("gateways {:?}\nbut {:?}\n", self.gateways, other.gateways));
        }
        for key in self.drops.keys().chain(other.drops.keys().filter(|key| !self.drops.contains_key(key))) {
            let (here, there) = (self.drops.get(key), other.drops.get(key));
            if here != there {
                text.push_str(&format!("dropped {key:?}: {here:?} but {there:?}\n"));
            }
        }
        for port in self.traffic.keys().chain(other.traffic.keys().filter(|port| !self.traffic.contains_key(port))) {
            let (here, there) = (self.traffic.get(port), other.traffic.get(port));
            if here != there {
                text.push_str(&format!("passed {port:?}: {here:?} but {there:?}\n"));
            }
        }
        text
    }
}

fn uplink() -> Uplink {
    Uplink { mac: ROUTER, addresses: vec![ip("198.51.100.1"), ip("2001:db8:ffff::1")], next_hop: HOST }
}

/// The interfaces that have a link, and the addresses that tell one from another.
fn connected(tables: &Tables) -> Vec<PortId> {
    let with_instance = tables.enis().filter(|(_, entry)| entry.instance.is_some());
    with_instance.map(|(index, _)| PortId::Eni(index)).collect()
}

/// The engine's core between ports of memory, in a time that stands still.
pub struct Simulated {
    core: EngineCore<MemoryPort, Legs>,
    tables: Arc<Tables>,
    outbox: Outbox,
    ports: Vec<PortId>,
    account: Account,
}

impl Simulated {
    pub fn new(network: &Network, tables: &Arc<Tables>) -> Self {
        let outbox = Outbox::default();
        let mut core = EngineCore::new(Arc::clone(tables), Legs::default());
        core.set_uplink(uplink(), MemoryPort::new(PortId::Uplink, &outbox));
        let account = Account::default();
        let mut made = Self { core, tables: Arc::clone(tables), outbox, ports: Vec::new(), account };
        made.apply(network, tables);
        made
    }
}

impl Driver for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn apply(&mut self, _: &Network, tables: &Arc<Tables>) {
        self.tables = Arc::clone(tables);
        self.core.swap(Arc::clone(tables));
        let ports = connected(tables);
        for port in self.ports.iter().filter(|port| !ports.contains(port)) {
            if let PortId::Eni(eni) = port {
                self.core.remove_port(*eni);
            }
        }
        for port in ports.iter().filter(|port| !self.ports.contains(port)) {
            if let PortId::Eni(eni) = port {
                self.core.add_port(*eni, MemoryPort::new(*port, &self.outbox));
            }
        }
        self.ports = ports;
    }

    fn send(&mut self, from: PortId, (header, frame): &Frame, _: usize) -> Vec<(PortId, Frame)> {
        let now = Now { monotonic: Nanos::from_seconds(1), wall: UnixMillis(1000) };
        self.core.take(from, &mut header.clone(), &mut frame.clone(), now);
        let left = std::mem::take(&mut *self.outbox.borrow_mut());
        in_order(left.into_iter().map(|(port, header, frame)| (port, (usual(header), frame))).collect())
    }

    fn account(&mut self) -> Account {
        self.account.add_legs(std::mem::take(&mut self.core.sink().0.seen));
        self.account.count(&self.tables, self.core.counters());
        self.account.clone()
    }
}

/// A backend with veth pairs, whose far ends are in a namespace where nobody listens but this.
pub struct Links {
    backend: EngineBackend<Legs>,
    sink: SinkHandle<Legs>,
    fabric: NetNs,
    outside: NetNs,
    netlink: Netlink,
    tables: Arc<Tables>,
    wires: BTreeMap<PortId, Wire>,
    made: u32,
    batch: FrameBatch,
    account: Account,
    dir: TempDir,
}

struct Wire {
    near: LinkIndex,
    far: PacketSocket,
    /// Asks, when it has been sent, for an answer that the engine gives behind all else that was sent before.
    fence: Vec<u8>,
    /// How many came.
    fences: u64,
}

impl Links {
    /// Starts a backend. None, with the reason printed, where the machine has no kernel tier; that is an error in CI.
    pub fn start(kind: BackendKind, network: &Network, tables: &Arc<Tables>) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let backend = match EngineBackend::of_kind(kind, dir.path(), Arc::clone(tables), Legs::default()) {
            Err(error) if kind == BackendKind::Kernel => {
                assert!(env::var_os("CI").is_none(), "no kernel tier: {error}");
                println!("skipped on the kernel tier: {error}");
                return None;
            }
            started => started.unwrap(),
        };
        let (fabric, outside) = (NetNs::create().unwrap(), NetNs::create().unwrap());
        outside.set_sysctl("net/ipv6/conf/default/disable_ipv6", "1").unwrap();
        backend.open(&fabric).unwrap();
        let mut made = Self {
            sink: backend.sink(),
            backend,
            netlink: Netlink::open(&fabric).unwrap(),
            fabric,
            outside,
            tables: Arc::clone(tables),
            wires: BTreeMap::new(),
            made: 0,
            batch: FrameBatch::new(64),
            account: Account::default(),
            dir,
        };
        let fence = question(HOST, Ipv4Addr::new(198, 51, 100, 10), Ipv4Addr::new(198, 51, 100, 1));
        made.connect(PortId::Uplink, HOST, fence);
        made.apply(network, tables);
        Some(made)
    }

    fn connect(&mut self, port: PortId, mac: MacAddress, fence: Vec<u8>) {
        self.made += 1;
        let (wire, host_link) = (format!("w{}", self.made), format!("h{}", self.made));
        let spec = VethSpec { wire: &wire, host: &self.outside, host_link: &host_link, host_mac: mac, mtu: MTU };
        let near = self.netlink.add_veth(spec).unwrap();
        let mut outside = Netlink::open(&self.outside).unwrap();
        let far = outside.link(&host_link).unwrap().unwrap().index;
        outside.set_up(far).unwrap();
        match port {
            PortId::Eni(eni) => self.backend.attach(eni, &self.fabric, netlink::Wire::veth(near)).unwrap(),
            PortId::Uplink => self.backend.attach_internet(uplink(), &self.fabric, near).unwrap(),
            PortId::Services => self.backend.attach_services(uplink(), &self.fabric, near).unwrap(),
        }
        let far = PacketSocket::open(&self.outside, far).unwrap();
        self.wires.insert(port, Wire { near, far, fence, fences: 0 });
    }

    fn disconnect(&mut self, port: PortId) {
        let wire = self.wires.remove(&port).unwrap();
        if let PortId::Eni(eni) = port {
            self.backend.detach(eni, wire.near).unwrap();
        }
        self.netlink.delete_link(wire.near).unwrap();
    }

    /// Takes what came out of all links; answers to fences are counted and taken out.
    fn drain(&mut self, left: &mut Vec<(PortId, Frame)>) {
        for (port, wire) in &mut self.wires {
            while wire.far.receive(&mut self.batch).unwrap() > 0 {
                for (header, frame) in self.batch.frames_mut() {
                    match frame[12..14] == ARP {
                        true => wire.fences += 1,
                        false => left.push((*port, (usual(*header), frame.to_vec()))),
                    }
                }
            }
        }
    }

    /// Waits until all that was sent from there before has been dealt with.
    fn fence(&mut self, from: PortId, left: &mut Vec<(PortId, Frame)>) {
        // The engine answers before it sends on what came in the same batch; the answer to a second question comes behind.
        for _ in 0..2 {
            let deadline = Instant::now() + PATIENCE;
            let before = self.wires[&from].fences;
            while self.wires[&from].fences == before {
                let wire = &self.wires[&from];
                wire.far.send(&VnetHeader::default(), &wire.fence).unwrap();
                let ask_again = Instant::now() + PATIENCE / 16;
                while self.wires[&from].fences == before && Instant::now() < ask_again {
                    self.wait(from);
                    self.drain(left);
                }
                let details = || self.backend.details();
                assert!(Instant::now() < deadline, "{} doesn't answer at {from:?}: {:?}", self.name(), details());
            }
        }
    }

    fn wait(&self, port: PortId) {
        let moment = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        poll(&mut [PollFd::new(&self.wires[&port].far, PollFlags::IN)], Some(&moment)).unwrap();
    }
}

impl Driver for Links {
    fn name(&self) -> &'static str {
        self.backend.kind().as_str()
    }

    fn apply(&mut self, network: &Network, tables: &Arc<Tables>) {
        self.backend.apply(Arc::clone(tables)).unwrap();
        self.tables = Arc::clone(tables);
        let ports = connected(tables);
        let is_gone = |port: &PortId| *port != PortId::Uplink && !ports.contains(port);
        for port in self.wires.keys().copied().filter(is_gone).collect::<Vec<_>>() {
            self.disconnect(port);
        }
        for port in ports {
            let PortId::Eni(eni) = port else { continue };
            if self.wires.contains_key(&port) {
                continue;
            }
            let eni = &tables.eni(eni).unwrap().eni;
            let router = network.subnets.get(&eni.subnet).unwrap().ipv4_router().unwrap();
            self.connect(port, eni.mac, question(eni.mac, Ipv4Addr::UNSPECIFIED, router));
        }
    }

    fn send(&mut self, from: PortId, (header, frame): &Frame, expected: usize) -> Vec<(PortId, Frame)> {
        let mut left = Vec::new();
        self.drain(&mut left);
        assert_eq!(left, [], "what came out late of {}", self.name());
        self.wires[&from].far.send(header, frame).unwrap();
        self.fence(from, &mut left);
        // What goes to another link may be in the hands of another processor for a moment.
        let deadline = Instant::now() + PATIENCE / 4;
        while left.len() < expected && Instant::now() < deadline {
            std::thread::yield_now();
            self.drain(&mut left);
        }
        in_order(left)
    }

    fn account(&mut self) -> Account {
        let counters = self.backend.counters().unwrap();
        self.account.add_legs(self.sink.with(|legs, _, _| std::mem::take(&mut legs.seen)).unwrap());
        self.account.count(&self.tables, counters);
        for (port, wire) in &self.wires {
            if let Some([.., answers]) = self.account.traffic.get_mut(port) {
                *answers -= wire.fences;
            }
        }
        self.account.clone()
    }

    fn misses(&mut self) -> Option<u64> {
        if self.backend.kind() != BackendKind::Kernel {
            return None;
        }
        let details = self.backend.details();
        let misses = details.iter().find(|detail| detail.name == "misses").expect("the kernel tier counts misses");
        match misses.reading {
            Reading::Counter(misses) => Some(misses - self.wires.values().map(|wire| wire.fences).sum::<u64>()),
            _ => panic!("{misses:?}"),
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        // Nothing may be left pinned; what fails here is seen by the next test that starts.
        let _ = Machine::cleanup(self.dir.path());
    }
}

/// Who has that address?
fn question(mac: MacAddress, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let nobody = MacAddress([0; 6]);
    let arp = Arp { is_request: true, sender_mac: mac, sender_ip: from, target_mac: nobody, target_ip: to };
    arp.frame().to_vec()
}

/// The header without what is a hint only.
fn usual(header: VnetHeader) -> VnetHeader {
    let mut usual = VnetHeader { header_length: 0, flags: header.flags & VnetHeader::NEEDS_CHECKSUM, ..header };
    if !usual.needs_checksum() {
        (usual.checksum_start, usual.checksum_offset) = (0, 0);
    }
    usual
}

fn in_order(mut left: Vec<(PortId, Frame)>) -> Vec<(PortId, Frame)> {
    left.sort_by_key(|(port, _)| *port);
    left
}

/// Larger than an instance's, so that the router's own limit shows.
pub const MTU: u32 = 9200;
const ARP: [u8; 2] = [8, 6];
const PATIENCE: Duration = Duration::from_secs(4);
