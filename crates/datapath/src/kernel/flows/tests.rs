//! The state of connections that the daemon and the program share: as it is written it is read, and both move it alike.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::IpAddr;

use openvpc_pipeline::testing::topology::Dice;
use openvpc_pipeline::wire::link::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use openvpc_pipeline::wire::{TcpInfo, testing};
use openvpc_pipeline::{Connection, End, Exchanges, PacketHeader, Phase};

use super::super::program::{FastProgram, load, unpin_all};
use super::*;
use crate::kernel::layout::SharedConnection;

fn nowhere() -> SharedConnection {
    SharedConnection { state: Default::default(), finished: Default::default() }
}

#[test]
fn how_far_a_connection_is_is_read_as_it_was_written() {
    let ends = [End::Open, End::Finished(0), End::Finished(u32::MAX), End::Acknowledged];
    let pairs = || ends.into_iter().flat_map(|one| ends.map(|other| [one, other]));
    let open = [Phase::SynSent, Phase::SynAnswered, Phase::Established];
    let tcp = open.into_iter().flat_map(|phase| pairs().map(move |ends| Connection { phase, ends }));
    let tcp = tcp.filter(|connection| connection.ends != [End::Acknowledged; 2]);
    let closed = pairs().map(|ends| Connection { phase: Phase::Closed, ends });
    let udp = (0..3).flat_map(|completed| [true, false].map(|asking| Progress::Udp(Exchanges { completed, asking })));
    let all = tcp.chain(closed).map(Progress::Tcp).chain(udp).chain([Progress::Icmp, Progress::Other]);
    let connection = nowhere();
    for written in all {
        for originator in [0, 1] {
            set_connection(&connection, Some((written, originator, 3)));
            assert_eq!(progress(&connection), Some(written));
            let [_, began, .., tracked_at] = state(&connection);
            assert_eq!((began, tracked_at), (originator, 3));
        }
    }
    set_connection(&connection, None);
    assert_eq!((progress(&connection), state(&connection)), (None, [0; 8]));
}

/// The program with one connection in both directions.
struct Carried {
    program: FastProgram,
    maps: FastMaps,
    dir: tempfile::TempDir,
}

impl Carried {
    /// None, with the reason printed, where the machine doesn't let us; that is an error in CI.
    fn new() -> Option<Self> {
        let dir = tempfile::TempDir::new().unwrap();
        let (program, maps) = match load(dir.path()) {
            Ok(loaded) => loaded,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "no kernel tier: {error}");
                println!("skipped: {error}");
                return None;
            }
        };
        Some(Self { program, maps, dir })
    }

    fn carry(&mut self, protocol: u8, (one, other): (IpAddr, IpAddr)) {
        let transport = |src, dst| Transport::Ports { src, dst };
        let there = HeaderView { source: one, destination: other, protocol, transport: transport(1000, 80) };
        let back = HeaderView { source: other, destination: one, protocol, transport: transport(80, 1000) };
        for (number, header) in [there, back].iter().enumerate() {
            let slot = &self.maps.slots[number];
            // SAFETY: no flow in the maps leads here yet, or the program isn't running, which is called by this thread alone.
            unsafe { *slot.action.get() = Action { out: LOOPBACK, mtu: 9001, ..Action::default() } };
            slot.patience.store(u64::MAX, Relaxed);
            self.maps.insert(&FlowId::of(LOOPBACK, header).unwrap(), number as u32).unwrap();
        }
    }

    fn run(&self, packet: &[u8]) -> u32 {
        let ethertype = if packet[0] >> 4 == 4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
        self.program.run(&[&[0; 12], &ethertype.to_be_bytes()[..], packet].concat())
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let _ = unpin_all(self.dir.path());
    }
}

/// Two addresses of each family.
fn ends() -> [(IpAddr, IpAddr); 2] {
    [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")].map(|(one, other)| (one.parse().unwrap(), other.parse().unwrap()))
}

#[test]
fn the_program_takes_tcp_connections_through_the_same_states_as_the_pipeline() {
    let Some(mut carried) = Carried::new() else { return };
    for (family, (one, other)) in ends().into_iter().enumerate() {
        carried.carry(6, (one, other));
        for seed in 0..ROUNDS {
            let mut dice = Dice::new(seed);
            let originator = dice.below(2) as u8;
            let mut model = Connection { phase: Phase::SynSent, ends: [End::Open; 2] };
            let shared = &carried.maps.connections[0];
            set_connection(shared, Some((Progress::Tcp(model), originator, 3)));
            for step in 0..24 {
                let side = dice.below(2) as u8;
                let flags = match dice.below(4) {
                    0 => dice.below(256) as u8,
                    _ => dice.pick(&[0x02, 0x12, 0x10, 0x10, 0x18, 0x11, 0x11]),
                };
                let number = |dice: &mut Dice| dice.pick(&[0_u32, u32::MAX - 1, 1 << 31]).wrapping_add(dice.below(5) as u32);
                let numbers = (number(&mut dice), number(&mut dice));
                let payload = vec![7; dice.below(3)];
                let (addresses, ports) = if side == 0 { ((one, other), (1000, 80)) } else { ((other, one), (80, 1000)) };
                let packet = testing::tcp_numbered(addresses, ports, flags, numbers, &payload);
                let tcp: TcpInfo = PacketHeader::parse(&packet, None).unwrap().tcp.unwrap();
                let was_closed = model.is_closed();
                let returned = carried.run(&packet);
                let place = || format!("family {family}, seed {seed}, step {step}: {tcp:?} of side {side}, {originator} began");
                if was_closed {
                    assert_eq!(returned, HANDED_UP, "{}", place());
                } else {
                    model.meet(side == originator, tcp);
                    assert_eq!(returned, REDIRECTED, "{}", place());
                }
                assert_eq!(progress(shared), Some(Progress::Tcp(model)), "{}", place());
            }
        }
    }
}

#[test]
fn the_program_counts_exchanges_of_datagrams_as_the_pipeline_does() {
    let Some(mut carried) = Carried::new() else { return };
    for (one, other) in ends() {
        carried.carry(17, (one, other));
        for seed in 0..ROUNDS {
            let mut dice = Dice::new(seed);
            let originator = dice.below(2) as u8;
            let mut model = Exchanges { completed: 0, asking: true };
            let shared = &carried.maps.connections[0];
            set_connection(shared, Some((Progress::Udp(model), originator, 3)));
            for step in 0..8 {
                let side = dice.below(2) as u8;
                let (addresses, ports) = if side == 0 { ((one, other), (1000, 80)) } else { ((other, one), (80, 1000)) };
                assert_eq!(carried.run(&testing::udp(addresses, ports, b"payload")), REDIRECTED);
                model.meet(side == originator);
                let Some(Progress::Udp(seen)) = progress(shared) else { panic!("seed {seed}, step {step}") };
                // When it has become a stream, who asked last is of no consequence any more.
                assert_eq!(seen.completed, model.completed, "seed {seed}, step {step}");
                assert!(model.completed == 2 || seen.asking == model.asking, "seed {seed}, step {step}");
            }
        }
    }
}

/// Where the kernel lets a program run that is only tried.
const LOOPBACK: u32 = 1;
/// `TC_ACT_SHOT`, since nobody is there to hand it to.
const HANDED_UP: u32 = 2;
/// `TC_ACT_REDIRECT`.
const REDIRECTED: u32 = 7;
const ROUNDS: u64 = 300;
