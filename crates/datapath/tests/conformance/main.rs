//! One meaning, three ways to carry it out: the same frames through the simulated, the user-space and the kernel path come
//! out at the same places, byte for byte, and leave the same records and counters.
//!
//! Networks and frames are random, of fixed seeds; `OPENVPC_CONFORMANCE_SEEDS=FIRST-LAST` tries others. Every frame is sent
//! three times: first, again, and again after a change of rules that has nothing to do with it. For the kernel path these
//! are a miss, a hit, and a flow under older rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod drivers;
#[path = "../engine_common/mod.rs"]
mod engine_common;
mod frames;

use std::env;
use std::ops::RangeInclusive;
use std::sync::Arc;

use common::privileged;
use drivers::{Driver, Frame, Links, Simulated};
use engine_common::memory::{HOST, ROUTER, framed};
use engine_common::{Group, Lab, ip, mac};
use frames::{Frames, Next};
use openvpc_datapath::backend::BackendKind;
use openvpc_datapath::engine::PortId;
use openvpc_datapath::packet_socket::VnetHeader;
use openvpc_model::route::TableUser;
use openvpc_model::{Direction, RouteTarget, SecurityGroup, SecurityGroupId};
use openvpc_pipeline::testing::security_group_rule;
use openvpc_pipeline::testing::topology::Topology;
use openvpc_pipeline::verdict::{Basis, Delivery, Outcome, Verdict};
use openvpc_pipeline::wire::link::{ETHERNET_LEN, Ethernet};
use openvpc_pipeline::wire::{Gso, ICMP, ICMPV6, TcpInfo, testing};
use openvpc_pipeline::{FlowKey, FlowState, Ingress, Nanos, NoTrace, PacketHeader, Tables, Transport, step};

#[test]
fn the_same_frames_come_out_of_every_backend_and_leave_the_same_records() {
    privileged("the_same_frames_come_out_of_every_backend_and_leave_the_same_records", || {
        for seed in seeds() {
            Suite::new(seed, Topology::new(seed, seed % 3 == 0)).run();
            Suite::new(seed, Topology::with_gateways(seed)).run();
        }
    });
}

#[test]
fn what_is_refused_behind_a_gateway_is_recorded_with_the_address_that_the_interface_saw() {
    privileged("what_is_refused_behind_a_gateway_is_recorded_with_the_address_that_the_interface_saw", || {
        let mut lab = Lab::new();
        let [open, closed] = [Group::Open, Group::Closed].map(|group| lab.instance(1, 4 + group as u8, group));
        lab.world.public(open.eni, "10.0.1.4", "203.0.113.7");
        lab.world.public(closed.eni, "10.0.1.5", "203.0.113.8");
        let tables = lab.compile();
        let from_within = PortId::Eni(lab.world.index(open.eni));
        let hairpin = testing::udp((ip("10.0.1.4"), ip("203.0.113.8")), (1000, 53), b"question");
        let hairpin = framed(mac(1, 4), tables.router_mac(lab.world.index(open.eni)), &hairpin);
        let outside = framed(HOST, ROUTER, &testing::udp((ip("198.51.100.10"), ip("203.0.113.8")), (1000, 53), b"question"));
        let mut simulated = Simulated::new(lab.world.network(), &tables);
        let Some(mut kernel) = Links::start(BackendKind::Kernel, lab.world.network(), &tables) else { return };
        for (from, frame) in [(from_within, hairpin), (PortId::Uplink, outside)] {
            for _ in 0..3 {
                let frame = (VnetHeader::default(), frame.clone());
                assert_eq!(simulated.send(from, &frame, 0), []);
                assert_eq!(kernel.send(from, &frame, 0), []);
            }
        }
        assert_eq!(kernel.misses(), Some(4), "the first and the second of each");
        let (expected, account) = (simulated.account(), kernel.account());
        assert!(account == expected, "{}", expected.difference(&account));
    });
}

#[test]
fn what_the_kernel_refused_before_it_was_asked_for_is_let_in_when_it_is_an_answer() {
    privileged("what_the_kernel_refused_before_it_was_asked_for_is_let_in_when_it_is_an_answer", || {
        let mut lab = Lab::new();
        let (server, asker) = (lab.instance(1, 4, Group::Open), lab.instance(1, 5, Group::Closed));
        lab.world.rules(lab.closed, &["out udp 53 to 0.0.0.0/0"]);
        let tables = lab.compile();
        let (server, asker) = (PortId::Eni(lab.world.index(server.eni)), PortId::Eni(lab.world.index(asker.eni)));
        let mut simulated = Simulated::new(lab.world.network(), &tables);
        let Some(mut kernel) = Links::start(BackendKind::Kernel, lab.world.network(), &tables) else { return };
        let (at_server, at_asker) = (ip("10.0.1.4"), ip("10.0.1.5"));
        let answer = framed(mac(1, 4), mac(1, 5), &testing::udp((at_server, at_asker), (53, 1000), b"answer"));
        let question = framed(mac(1, 5), mac(1, 4), &testing::udp((at_asker, at_server), (1000, 53), b"question"));
        let unasked = [(server, &answer, 0); 3];
        for (from, frame, expected) in unasked.into_iter().chain([(asker, &question, 1), (server, &answer, 1)]) {
            let frame = (VnetHeader::default(), frame.clone());
            let left = simulated.send(from, &frame, expected);
            assert_eq!(left.len(), expected);
            assert_eq!(kernel.send(from, &frame, expected), left);
        }
        assert_eq!(kernel.misses(), Some(4), "two refusals, the question, and the answer to it");
    });
}

#[test]
fn an_error_about_a_connection_that_the_kernel_saw_closed_finds_it_closed() {
    privileged("an_error_about_a_connection_that_the_kernel_saw_closed_finds_it_closed", || {
        let mut lab = Lab::new();
        let (client, server) = (lab.instance(1, 4, Group::Open), lab.instance(1, 5, Group::Closed));
        lab.world.rules(lab.closed, &["in tcp 80 from 0.0.0.0/0"]);
        let tables = lab.compile();
        let (client, server) = (PortId::Eni(lab.world.index(client.eni)), PortId::Eni(lab.world.index(server.eni)));
        let mut simulated = Simulated::new(lab.world.network(), &tables);
        let Some(mut kernel) = Links::start(BackendKind::Kernel, lab.world.network(), &tables) else { return };
        let (one, other) = (ip("10.0.1.4"), ip("10.0.1.5"));
        let there = |flags| testing::tcp((one, other), (1000, 80), flags, b"");
        let back = |flags| testing::tcp((other, one), (80, 1000), flags, b"");
        let error = testing::icmp_error((other, one), 3, 3, &there(TcpInfo::ACK));
        let packets = [
            (client, there(TcpInfo::SYN), 1),
            (server, back(TcpInfo::SYN | TcpInfo::ACK), 1),
            (client, there(TcpInfo::ACK), 1),
            (client, there(TcpInfo::RST), 1),
            (server, error, 0),
        ];
        for (from, packet, expected) in packets {
            let (source, destination) = if from == client { (mac(1, 4), mac(1, 5)) } else { (mac(1, 5), mac(1, 4)) };
            let frame = (VnetHeader::default(), framed(source, destination, &packet));
            let left = simulated.send(from, &frame, expected);
            assert_eq!(left.len(), expected, "{packet:02x?}");
            assert_eq!(kernel.send(from, &frame, expected), left, "{packet:02x?}");
        }
        assert_eq!(kernel.misses(), Some(2), "the opening and the error");
        let (expected, account) = (simulated.account(), kernel.account());
        assert!(account == expected, "{}", expected.difference(&account));
    });
}

#[test]
fn what_goes_through_a_nat_gateway_comes_out_alike_and_the_kernel_carries_it_both_ways() {
    privileged("what_goes_through_a_nat_gateway_comes_out_alike_and_the_kernel_carries_it_both_ways", || {
        let mut lab = Lab::new();
        let client = lab.instance(2, 4, Group::Open);
        let nat = lab.world.nat(lab.subnets[0], "10.0.1.250=203.0.113.50");
        let vpc = lab.world.network().subnets.get(&lab.subnets[0]).unwrap().vpc;
        let table = lab.world.table(vpc);
        lab.world.use_table(table, TableUser::Subnet(lab.subnets[1]));
        lab.world.route(table, "0.0.0.0/0", RouteTarget::NatGateway(nat.id));
        let tables = lab.compile();
        let index = lab.world.index(client.eni);
        let router = tables.router_mac(index);
        let mut simulated = Simulated::new(lab.world.network(), &tables);
        let Some(mut kernel) = Links::start(BackendKind::Kernel, lab.world.network(), &tables) else { return };
        let ends = (ip("10.0.2.4"), ip("198.51.100.10"));
        let requests = [
            testing::tcp(ends, (40000, 443), TcpInfo::SYN, b""),
            testing::udp(ends, (40000, 53), b"question"),
            testing::echo(ends, false, 7, b"ping"),
        ];
        for request in requests {
            for _ in 0..4 {
                let frame = (VnetHeader::default(), framed(mac(2, 4), router, &request));
                let left = simulated.send(PortId::Eni(index), &frame, 1);
                assert_eq!(kernel.send(PortId::Eni(index), &frame, 1), left);
                let [(PortId::Uplink, (_, out))] = &left[..] else { panic!("{left:?}") };
                let sent = PacketHeader::parse(&out[ETHERNET_LEN..], None).unwrap();
                assert_eq!(sent.src, ip("203.0.113.50"));
                testing::assert_checksums(&out[ETHERNET_LEN..]);
                let back = (ends.1, sent.src);
                let answer = match sent.transport {
                    Transport::Ports { src, dst } if sent.tcp.is_some() => {
                        testing::tcp(back, (dst, src), TcpInfo::SYN | TcpInfo::ACK, b"")
                    }
                    Transport::Ports { src, dst } => testing::udp(back, (dst, src), b"an answer"),
                    Transport::Icmp { id, .. } => testing::echo(back, true, id, b"ping"),
                    other => panic!("{other:?}"),
                };
                let frame = (VnetHeader::default(), framed(HOST, ROUTER, &answer));
                let left = simulated.send(PortId::Uplink, &frame, 1);
                assert_eq!(kernel.send(PortId::Uplink, &frame, 1), left);
                let [(_, (_, seen))] = &left[..] else { panic!("{left:?}") };
                let seen = PacketHeader::parse(&seen[ETHERNET_LEN..], None).unwrap();
                let asked = PacketHeader::parse(&request, None).unwrap();
                assert_eq!((seen.src, seen.dst), (asked.dst, asked.src));
            }
        }
        // A connection comes up once, datagrams and pings twice in each direction at most.
        assert!(kernel.misses().unwrap() <= 9, "{:?}", kernel.misses());
        let (expected, account) = (simulated.account(), kernel.account());
        assert!(account == expected, "{}", expected.difference(&account));
    });
}

/// Whether a frame closes its own connection, so that the next one like it finds another state.
fn resets((_, frame): &Frame) -> bool {
    let packet = PacketHeader::parse(frame.get(ETHERNET_LEN..).unwrap_or_default(), None);
    packet.is_ok_and(|packet| packet.tcp.is_some_and(|tcp| tcp.flags & TcpInfo::RST != 0))
}

fn seeds() -> RangeInclusive<u64> {
    match env::var("OPENVPC_CONFORMANCE_SEEDS") {
        Err(_) => 1..=SEEDS,
        Ok(text) => {
            let (first, last) = text.split_once('-').unwrap_or((&text, &text));
            first.parse().unwrap()..=last.parse().unwrap()
        }
    }
}

/// A network, the drivers that carry its packets, and what the pipeline alone says.
struct Suite {
    seed: u64,
    topology: Topology,
    frames: Frames,
    tables: Arc<Tables>,
    drivers: Vec<Box<dyn Driver>>,
    flows: FlowState,
    bumps: u8,
    /// Frames that had to be carried by the kernel, and what was sent at all.
    hits: [u64; 2],
}

impl Suite {
    fn new(seed: u64, mut topology: Topology) -> Self {
        let tables = Arc::new(topology.world.tables().clone());
        let network = topology.world.network();
        let mut drivers: Vec<Box<dyn Driver>> = vec![Box::new(Simulated::new(network, &tables))];
        for kind in [BackendKind::UserSpace, BackendKind::Kernel] {
            if let Some(links) = Links::start(kind, network, &tables) {
                drivers.push(Box::new(links));
            }
        }
        let mut flows = FlowState::new(64);
        flows.sync(&tables);
        Self { seed, topology, frames: Frames::new(seed), tables, drivers, flows, bumps: 0, hits: [0; 2] }
    }

    fn run(&mut self) {
        for number in 0..FRAMES {
            if self.frames.chance(5) {
                self.topology.change();
                self.frames.forget();
                self.apply();
            }
            let Next { from, frame, is_plain } = self.frames.next(&mut self.topology);
            // A flow is entered for the kernel with its second packet, where it doesn't begin a connection.
            self.send(number, "first", from, &frame, false);
            let second = self.send(number, "second", from, &frame, false);
            let lasts = second.is_some_and(|second| second.basis.lasts) && !resets(&frame);
            self.send(number, "again", from, &frame, is_plain && lasts);
            self.bump();
            let left = self.send_and_compare(number, "under other rules", from, &frame).0;
            self.judge(from, &frame);
            self.frames.follow_up(from, &frame.1, &left);
            if self.frames.chance(15) || number + 1 == FRAMES {
                self.compare_accounts(number);
            }
        }
        println!("seed {}: {} frames, {} of them had to be hits", self.seed, self.hits[1], self.hits[0]);
    }

    /// Sends a frame everywhere; returns the verdict, if it was judged.
    fn send(&mut self, number: u32, time: &str, from: PortId, frame: &Frame, may_hit: bool) -> Option<Verdict> {
        let verdict = self.judge(from, frame);
        let (_, missed) = self.send_and_compare(number, time, from, frame);
        self.hits[1] += 1;
        if may_hit
            && let Some(verdict) = verdict
            && is_carried(&verdict, frame)
            && self.is_seen_alike(&verdict)
            && let Some(missed) = missed
        {
            self.hits[0] += 1;
            assert_eq!(missed, 0, "{}\nshould have been a hit: {verdict:?}", self.place(number, time, from, frame));
        }
        verdict
    }

    /// What came out, the same of all, and how many frames missed.
    fn send_and_compare(&mut self, number: u32, time: &str, from: PortId, frame: &Frame) -> (Vec<(PortId, Frame)>, Option<u64>) {
        let mut expected: Option<Vec<(PortId, Frame)>> = None;
        let mut missed = None;
        for index in 0..self.drivers.len() {
            let driver = &mut self.drivers[index];
            let before = driver.misses();
            let left = driver.send(from, frame, expected.as_ref().map_or(0, Vec::len));
            missed = driver.misses().map(|after| after - before.unwrap_or_default());
            match &expected {
                Some(expected) if *expected != left => {
                    let name = self.drivers[index].name();
                    let place = self.place(number, time, from, frame);
                    panic!("{place}\nwas expected to come out as {}\nbut in {name} as {}", show(expected), show(&left));
                }
                Some(_) => {}
                None => expected = Some(left),
            }
        }
        (expected.unwrap_or_default(), missed)
    }

    fn compare_accounts(&mut self, number: u32) {
        let mut accounts = self.drivers.iter_mut().map(|driver| (driver.name(), driver.account()));
        let (_, expected) = accounts.next().unwrap();
        for (name, account) in accounts {
            let seed = self.seed;
            assert!(account == expected, "seed {seed}, after frame {number}, {name}: {}", expected.difference(&account));
        }
    }

    /// Changes a rule that no packet meets, in every VPC.
    fn bump(&mut self) {
        self.bumps = self.bumps.wrapping_add(1);
        let groups = self.topology.world.network().security_groups.values();
        let groups: Vec<SecurityGroupId> =
            groups.filter(|group| group.name.starts_with("default")).map(|group| group.id).collect();
        for id in groups {
            let rule = format!("in 254 from 192.0.2.{}/32", self.bumps);
            let rule = security_group_rule(&rule, self.topology.world.id());
            self.topology.world.edit::<SecurityGroup>(id, |group| group.rules = vec![rule]);
        }
        self.apply();
    }

    fn apply(&mut self) {
        self.tables = Arc::new(self.topology.world.tables().clone());
        self.flows.sync(&self.tables);
        for driver in &mut self.drivers {
            driver.apply(self.topology.world.network(), &self.tables);
        }
    }

    /// What the pipeline says of a frame, where it gets to judge it.
    fn judge(&mut self, from: PortId, (header, frame): &Frame) -> Option<Verdict> {
        let ethernet = Ethernet::parse(frame)?;
        let ingress = match from {
            PortId::Uplink => Ingress::Internet,
            PortId::Services => Ingress::Services,
            PortId::Eni(eni) => Ingress::Eni { eni, next_hop: self.tables.next_hop(eni, ethernet.destination)? },
        };
        if matches!(from, PortId::Eni(eni) if self.tables.eni(eni)?.eni.mac != ethernet.source) {
            return None;
        }
        let gso = header.is_super_packet().then_some(Gso { segment_size: header.gso_size });
        let packet = PacketHeader::parse(&frame[14..], gso).ok()?;
        Some(step(&self.tables, &mut self.flows, ingress, &packet, Nanos::from_seconds(1), &mut NoTrace))
    }

    /// Whether both interfaces see the connection at the same point; where they don't, user space sees to it.
    fn is_seen_alike(&self, verdict: &Verdict) -> bool {
        let directions = [Direction::Egress, Direction::Ingress];
        let view = |(key, direction): (&Option<FlowKey>, Direction)| {
            let tracking = self.flows.tracked(key.as_ref()?)?;
            Some((tracking.progress, tracking.originated == direction))
        };
        let through = verdict
            .basis
            .through
            .and_then(|through| Some((self.flows.mapped(&through.mapping)?, through.direction == Direction::Egress)));
        let mut views = verdict.basis.flows.iter().zip(directions).filter_map(view).chain(through);
        let first = views.next();
        views.all(|view| Some(view) == first)
    }

    fn place(&self, number: u32, time: &str, from: PortId, (header, frame): &Frame) -> String {
        let packet = PacketHeader::parse(&frame[14..], None);
        let octets = &frame[..frame.len().min(100)];
        format!("seed {}, frame {number}, {time}, from {from:?}: {header:?} {octets:02x?}, {packet:?}", self.seed)
    }
}

/// Whether the kernel tier carries a plain frame with that verdict, once it knows the flow.
fn is_carried(verdict: &Verdict, (header, frame): &Frame) -> bool {
    let gso = header.is_super_packet().then_some(Gso { segment_size: header.gso_size });
    let Ok(packet) = PacketHeader::parse(&frame[14..], gso) else { return false };
    let fits = match verdict.outcome {
        Outcome::Deliver(Delivery { mtu, rewrite, .. }) => {
            // A SYN that nobody tracks may be tracked by other rules, and is always looked at.
            let is_tracked = verdict.basis.flows != [None; 2] || verdict.basis.through.is_some();
            let is_looked_at = packet.tcp.is_some_and(|tcp| tcp.opens()) && !is_tracked;
            let is_last_hop = rewrite.ttl_decrement > 0 && packet.ttl <= rewrite.ttl_decrement;
            packet.size.max_segment <= mtu.into() && !is_last_hop && !is_looked_at
        }
        // What two VPCs, the internet and an interface have a say in hangs on more than an entry has room for.
        Outcome::Drop(_) => {
            let Basis { vpcs: [one, other], internet, refused_at, .. } = verdict.basis;
            !(refused_at.is_some() && internet && one.is_some() && other.is_some() && one != other)
        }
    };
    let has_extension = packet.src.is_ipv6() && frame[14 + 6] != packet.protocol;
    let is_query = matches!(packet.transport, Transport::Icmp { kind: 0 | 8 | 128 | 129, code: 0, .. });
    let is_message = matches!(packet.protocol, ICMP | ICMPV6);
    verdict.basis.lasts && fits && !has_extension && (is_query || !is_message)
}

fn show(left: &[(PortId, Frame)]) -> String {
    let each = left.iter().map(|(port, (header, frame))| {
        format!("\n  {port:?} {header:?} {} octets {:02x?}", frame.len(), &frame[..frame.len().min(100)])
    });
    each.collect()
}

/// What is tried when nobody asks for more: about half a minute.
const SEEDS: u64 = 10;
const FRAMES: u32 = 60;
