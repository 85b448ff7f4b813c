//! The engine's core between ports of memory.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use openvpc_datapath::engine::{DropReason, EngineCore, Now, Port, PortCounters, PortId, Uplink};
use openvpc_datapath::packet_socket::{FrameBatch, VnetHeader};
use openvpc_model::UnixMillis;
use openvpc_model::interface::MacAddress;
use openvpc_pipeline::wire::link::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet};
use openvpc_pipeline::{EniIndex, Nanos, Tables};

use super::{Lab, Legs, ip};

/// The router's side of the uplink, and the host behind it.
pub const ROUTER: MacAddress = MacAddress([2, 0xbb, 0, 0, 0, 1]);
pub const HOST: MacAddress = MacAddress([2, 0xbb, 0, 0, 0, 10]);

/// Frames that left, in order.
pub type Outbox = Rc<RefCell<Vec<(PortId, VnetHeader, Vec<u8>)>>>;

/// A port that puts what is sent into the outbox.
pub struct MemoryPort {
    id: PortId,
    outbox: Outbox,
    full: Rc<RefCell<bool>>,
}

impl MemoryPort {
    pub fn new(id: PortId, outbox: &Outbox) -> Self {
        Self { id, outbox: Rc::clone(outbox), full: Rc::default() }
    }
}

impl Port for MemoryPort {
    fn send(&mut self, header: &VnetHeader, frame: &[u8]) -> bool {
        if *self.full.borrow() {
            return false;
        }
        self.outbox.borrow_mut().push((self.id, *header, frame.to_vec()));
        true
    }

    fn receive(&mut self, _: &mut FrameBatch) {}
}

/// An engine with a port for every interface of a lab that is in an instance, and an uplink.
pub struct Bench {
    pub core: EngineCore<MemoryPort, Legs>,
    pub tables: Arc<Tables>,
    outbox: Outbox,
    full: Rc<RefCell<bool>>,
    pub seconds: u64,
}

impl Bench {
    pub fn new(lab: &mut Lab) -> Self {
        let tables = lab.compile();
        let outbox = Outbox::default();
        let full = Rc::new(RefCell::new(false));
        let mut core = EngineCore::new(Arc::clone(&tables), Legs::default());
        let port = |id| MemoryPort { id, outbox: Rc::clone(&outbox), full: Rc::clone(&full) };
        for (index, _) in tables.enis().filter(|(_, entry)| entry.instance.is_some()) {
            core.add_port(index, port(PortId::Eni(index)));
        }
        let uplink = Uplink { mac: ROUTER, addresses: vec![ip("198.51.100.1"), ip("2001:db8:ffff::1")], next_hop: HOST };
        core.set_uplink(uplink, port(PortId::Uplink));
        let services = Uplink { mac: ROUTER, addresses: vec![ip("169.254.0.1"), ip("fd00:ec2::1")], next_hop: HOST };
        core.set_services(services, port(PortId::Services));
        Self { core, tables, outbox, full, seconds: 1 }
    }

    /// Puts another state of the lab in force.
    pub fn swap(&mut self, lab: &mut Lab) {
        self.tables = lab.compile();
        self.core.swap(Arc::clone(&self.tables));
    }

    /// Lets no port take anything any more.
    pub fn fill_queues(&mut self) {
        *self.full.borrow_mut() = true;
    }

    pub fn port(&self, subnet: u8, host: u8) -> PortId {
        let mac = super::mac(subnet, host);
        PortId::Eni(self.tables.enis().find(|(_, entry)| entry.eni.mac == mac).unwrap().0)
    }

    pub fn eni(&self, subnet: u8, host: u8) -> EniIndex {
        match self.port(subnet, host) {
            PortId::Eni(eni) => eni,
            PortId::Uplink | PortId::Services => unreachable!("interfaces have ports of their own"),
        }
    }

    pub fn router_mac(&self, subnet: u8, host: u8) -> MacAddress {
        self.tables.router_mac(self.eni(subnet, host))
    }

    /// Hands a frame in and returns what left.
    pub fn take(&mut self, from: PortId, frame: &[u8]) -> Vec<(PortId, Vec<u8>)> {
        let left = self.take_with(from, VnetHeader::default(), frame);
        left.into_iter().map(|(port, _, frame)| (port, frame)).collect()
    }

    pub fn take_with(&mut self, from: PortId, mut header: VnetHeader, frame: &[u8]) -> Vec<(PortId, VnetHeader, Vec<u8>)> {
        let now = Now { monotonic: Nanos::from_seconds(self.seconds), wall: UnixMillis(self.seconds * 1000) };
        self.core.take(from, &mut header, &mut frame.to_vec(), now);
        mem::take(&mut *self.outbox.borrow_mut())
    }

    pub fn counters(&mut self, port: PortId) -> PortCounters {
        let counters = self.core.counters();
        match port {
            PortId::Eni(eni) => counters.enis.into_iter().find(|(index, _)| *index == eni).unwrap().1,
            PortId::Uplink => counters.uplink.unwrap(),
            PortId::Services => counters.services.unwrap(),
        }
    }

    /// Fails unless the frame is dropped for that reason, counted once, and nothing leaves by any port.
    #[track_caller]
    pub fn assert_dropped(&mut self, from: PortId, frame: &[u8], reason: impl Into<DropReason>) {
        self.assert_dropped_with(from, VnetHeader::default(), frame, reason);
    }

    #[track_caller]
    pub fn assert_dropped_with(&mut self, from: PortId, header: VnetHeader, frame: &[u8], reason: impl Into<DropReason>) {
        let reason = reason.into();
        let before = self.counters(from).drops;
        let left = self.take_with(from, header, frame);
        let after = self.counters(from).drops;
        assert_eq!(left, [], "nothing leaves");
        assert_eq!(after.of(reason), before.of(reason) + 1, "counted as {}: {after:?}, before {before:?}", reason.as_str());
        assert_eq!(after.iter().map(|(_, n)| n).sum::<u64>(), before.iter().map(|(_, n)| n).sum::<u64>() + 1);
    }
}

/// An IP packet in a frame.
pub fn framed(source: MacAddress, destination: MacAddress, packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
    let mut frame = vec![0; 14];
    Ethernet { destination, source, ethertype }.emit(&mut frame);
    frame.extend_from_slice(packet);
    frame
}
