//! A packet of a known flow costs the engine no allocation.

#![allow(clippy::unwrap_used, clippy::expect_used, unsafe_code, reason = "tests; an allocator that counts")]

mod engine_common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use engine_common::memory::{HOST, ROUTER, framed};
use engine_common::{Group, Lab, ip, mac};
use openvpc_datapath::engine::{EngineCore, Now, Port, PortId, Uplink};
use openvpc_datapath::packet_socket::{FrameBatch, VnetHeader};
use openvpc_model::UnixMillis;
use openvpc_pipeline::verdict::{FlowSink, Leg, LegCounts};
use openvpc_pipeline::wire::{TcpInfo, testing};
use openvpc_pipeline::{EniIndex, Nanos, Tables};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; the counter is a plain number of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Takes and forgets.
struct Hole;

impl Port for Hole {
    fn send(&mut self, _: &VnetHeader, _: &[u8]) -> bool {
        true
    }

    fn receive(&mut self, _: &mut FrameBatch) {}
}

impl FlowSink for Hole {
    fn record(&mut self, _: &Tables, _: &Leg, _: LegCounts, _: UnixMillis) {}
}

#[test]
fn a_packet_of_a_known_flow_costs_no_allocation() {
    let mut lab = Lab::new();
    let web = lab.instance(1, 4, Group::Open);
    lab.instance(2, 6, Group::Open);
    lab.instance(1, 9, Group::Closed);
    lab.world.public(web.eni, "10.0.1.4", "203.0.113.7");
    let tables: Arc<Tables> = lab.compile();
    let router = tables.router_mac(EniIndex(0));
    let mut core = EngineCore::new(Arc::clone(&tables), Hole);
    for (index, _) in tables.enis() {
        core.add_port(index, Hole);
    }
    core.set_uplink(Uplink { mac: ROUTER, addresses: vec![], next_hop: HOST }, Hole);

    let to = |destination: &str, port, payload: &[u8]| {
        framed(mac(1, 4), router, &testing::tcp((ip("10.0.1.4"), ip(destination)), (1000, port), TcpInfo::ACK, payload))
    };
    let ingress = PortId::Eni(EniIndex(0));
    let frames = [
        (ingress, to("10.0.2.6", 80, b"within the VPC")),
        (ingress, to("198.51.100.10", 80, b"translated")),
        (ingress, to("10.0.1.9", 22, b"denied")),
        (ingress, to("198.51.100.10", 80, &[7; 3000])),
        (PortId::Uplink, framed(HOST, ROUTER, &testing::udp((ip("198.51.100.10"), ip("203.0.113.7")), (1, 2), b"in"))),
    ];
    let mut buffers = frames.clone();
    let now = Now { monotonic: Nanos::from_seconds(1), wall: UnixMillis(1000) };
    let mut round = |core: &mut EngineCore<Hole, Hole>| {
        for ((port, frame), (_, original)) in buffers.iter_mut().zip(&frames) {
            frame.copy_from_slice(original);
            core.take(*port, &mut VnetHeader::default(), frame, now);
        }
    };
    round(&mut core);
    let before = ALLOCATIONS.get();
    for _ in 0..100 {
        round(&mut core);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    let counters = core.counters();
    assert_eq!(counters.enis[0].1.received.packets, 404, "they were all judged");
}
