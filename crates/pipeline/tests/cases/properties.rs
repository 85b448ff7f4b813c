//! Random networks, random packets, random changes: what must hold whatever they are.

use std::collections::BTreeSet;

use openvpc_model::{EniId, Network};
use openvpc_pipeline::testing::Sent;
use openvpc_pipeline::testing::topology::{Start, Topology};
use openvpc_pipeline::{
    Code, Egress, FlowState, Hop, Ingress, Nanos, NextHop, NoTrace, Outcome, PacketHeader, ResourceId, Tables, Tracer, compile,
    step,
};
use proptest::prelude::*;

use crate::reference::{End, Memory, Record, Reference};

fn send(topology: &mut Topology, start: Start, packet: openvpc_pipeline::PacketHeader) -> Sent {
    match start {
        Start::Internet => topology.world.send_from_internet(packet),
        Start::Eni(eni) => topology.world.send(eni, packet),
    }
}

fn end(tables: &Tables, sent: &Sent) -> (End, Vec<Record>) {
    let id = |index| tables.eni(index).unwrap().eni.id;
    let records = sent.verdict.legs.iter().map(|leg| {
        let accepted = leg.action == openvpc_pipeline::Action::Accept;
        (id(leg.eni), leg.direction, accepted, leg.source, leg.destination)
    });
    let end = match sent.verdict.outcome {
        Outcome::Drop(drop) => Err(drop.code),
        Outcome::Deliver(delivery) => {
            let (rewrite, packet) = (delivery.rewrite, sent.packet);
            let to = match delivery.to {
                Egress::Internet => None,
                Egress::Eni(index) => Some(id(index)),
                // What the addresses stand for there is told elsewhere.
                Egress::Services => return (Ok((None, packet.src, packet.dst, packet.ttl)), records.collect()),
            };
            Ok((to, rewrite.src.unwrap_or(packet.src), rewrite.dst.unwrap_or(packet.dst), packet.ttl - rewrite.ttl_decrement))
        }
    };
    (end, records.collect())
}

fn next_start(arrived: Option<EniId>) -> Start {
    arrived.map_or(Start::Internet, Start::Eni)
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    /// Compiled tables, kept parts and all, say what a scan of the model says: verdict, translation and legs, packet by
    /// packet through conversations and changes.
    #[test]
    fn every_verdict_is_the_references(seed in any::<u64>(), appliances in any::<bool>()) {
        let mut topology = Topology::new(seed, appliances);
        let mut memory = Memory::default();
        let mut waiting: Option<(Start, openvpc_pipeline::PacketHeader)> = None;
        for _ in 0..60 {
            if topology.chance(10) {
                topology.change();
                waiting = None;
            }
            if topology.chance(10) {
                topology.world.advance(20);
            }
            let (start, packet) = waiting.take().unwrap_or_else(|| topology.packet());
            let sent = send(&mut topology, start, packet);
            let (end, records) = end(topology.world.tables(), &sent);
            let seconds = topology.world.now().0 / 1_000_000_000;
            let mut reference = Reference::new(topology.world.network(), &mut memory, seconds, packet);
            let expected = reference.run(start);
            if (end, &records) != (expected, &reference.records) {
                sent.fail(&format!("{expected:?} with {:?} (seed {seed}, appliances {appliances})", reference.records));
            }
            if let Ok((to, src, dst, _)) = end && topology.chance(70) {
                let arrived = openvpc_pipeline::PacketHeader { src, dst, ..packet };
                let answer = topology.answer(arrived);
                let alive = to.is_none_or(|eni| topology.world.network().enis.contains_key(&eni));
                waiting = alive.then(|| (next_start(to), answer));
            }
        }
    }

    /// Whatever passes the security groups of both ends, its answer passes them as well.
    #[test]
    fn an_answer_is_never_stopped_by_a_security_group(seed in any::<u64>()) {
        let mut topology = Topology::new(seed, false);
        for _ in 0..60 {
            let (start, packet) = topology.packet();
            if packet.tcp.is_some_and(|tcp| !tcp.opens()) {
                continue;
            }
            let sent = send(&mut topology, start, packet);
            let (Ok((to, src, dst, _)), _) = end(topology.world.tables(), &sent) else { continue };
            let answer = openvpc_pipeline::PacketHeader { src, dst, ..packet };
            let answer = openvpc_pipeline::testing::packets::PacketExt::reply(answer);
            let back = send(&mut topology, next_start(to), answer);
            if let Outcome::Drop(drop) = back.verdict.outcome
                && matches!(drop.code, Code::SgHasNoRules | Code::EniSgRulesMismatch | Code::ConnectionClosed)
            {
                back.fail(&format!("the answer to pass the security groups (seed {seed})"));
            }
        }
    }

    /// Tables compiled step by step are those compiled at once, and judge as they do.
    #[test]
    fn an_incremental_compile_equals_a_full_one(seed in any::<u64>(), appliances in any::<bool>()) {
        let mut topology = Topology::new(seed, appliances);
        topology.world.tables();
        for round in 0..16 {
            for _ in 0..1 + round % 3 {
                topology.change();
            }
            let stepwise = topology.world.tables();
            prop_assert_eq!(stepwise.difference(&stepwise.made_at_once()), None);
            let full = compile(topology.world.network(), None);
            let packets: Vec<_> = (0..25).map(|_| topology.packet()).collect();
            let stepwise = topology.world.tables().clone();
            prop_assert_eq!(full.enis().count(), stepwise.enis().count());
            for (start, packet) in packets {
                prop_assert_eq!(judge(&full, start, packet), judge(&stepwise, start, packet), "{:?} {:?}", start, packet);
            }
        }
    }
}

/// What a packet met that belongs to a VPC or is the internet's.
#[derive(Default)]
struct Met(BTreeSet<ResourceId>);

impl Tracer for Met {
    const LISTENS: bool = true;
    const KEEP_GOING: bool = false;

    fn hop(&mut self, hop: &Hop) {
        self.0.insert(hop.resource);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    /// A change that makes a difference to a packet moves the generation of a VPC on the packet's way, or that of the
    /// internet where the packet leaves or enters a VPC. Seen the other way: what was judged once may be judged the same
    /// until one of these moves.
    #[test]
    fn a_verdict_changes_only_with_a_generation_on_its_way(seed in any::<u64>(), appliances in any::<bool>()) {
        let mut topology = Topology::new(seed, appliances);
        for _ in 0..20 {
            let packets: Vec<_> = (0..25).map(|_| topology.packet()).collect();
            let before = topology.world.tables().clone();
            let network = topology.world.network().clone();
            let judged = packets.iter().map(|(start, packet)| judge_and_trace(&before, &network, *start, *packet));
            let judged: Vec<_> = judged.collect();
            topology.change();
            let after = topology.world.tables().clone();
            for ((start, packet), (verdict, vpcs, internet)) in packets.into_iter().zip(judged) {
                if matches!(start, Start::Eni(eni) if after.eni_index(eni).is_none()) {
                    continue;
                }
                let moved = |vpc: &u32| after.vpc_generation(*vpc) != before.vpc_generation(*vpc);
                let internet_moved = internet && after.internet_generation() != before.internet_generation();
                if !vpcs.iter().any(moved) && !internet_moved {
                    prop_assert_eq!(judge(&after, start, packet), verdict, "{:?} {:?}", start, packet);
                }
            }
        }
    }
}

/// A verdict, the VPCs on the way to it, by index, and whether the internet is on it.
fn judge_and_trace(tables: &Tables, network: &Network, start: Start, packet: PacketHeader) -> (String, BTreeSet<u32>, bool) {
    let mut met = Met::default();
    step(tables, &mut FlowState::new(8), ingress(tables, start, &packet), &packet, Nanos(0), &mut met);
    let mut vpcs = BTreeSet::new();
    let mut internet = matches!(start, Start::Internet);
    for resource in met.0 {
        vpcs.extend(match resource {
            ResourceId::Eni(id) => network.enis.get(&id).map(|eni| eni.vpc),
            ResourceId::Subnet(id) => network.subnets.get(&id).map(|subnet| subnet.vpc),
            ResourceId::Nacl(id) => network.nacls.get(&id).map(|nacl| nacl.vpc),
            ResourceId::RouteTable(id) => network.route_tables.get(&id).map(|table| table.vpc),
            ResourceId::SecurityGroup(id) => network.security_groups.get(&id).map(|group| group.vpc),
            ResourceId::Vpc(id) => Some(id),
            ResourceId::InternetGateway(id) => {
                internet = true;
                network.internet_gateways.get(&id).and_then(|gateway| gateway.vpc)
            }
            ResourceId::Internet => {
                internet = true;
                None
            }
            ResourceId::EgressOnlyGateway(id) => network.egress_only_gateways.get(&id).map(|gateway| gateway.vpc),
            ResourceId::NatGateway(id) => network.nat_gateways.get(&id).map(|gateway| gateway.vpc),
            ResourceId::Instance(_) | ResourceId::Service(_) => None,
        });
    }
    (judge(tables, start, packet), vpcs.into_iter().filter_map(|vpc| tables.vpc_index(vpc)).collect(), internet)
}

fn ingress(tables: &Tables, start: Start, packet: &PacketHeader) -> Ingress {
    match start {
        Start::Internet => Ingress::Internet,
        Start::Eni(id) => {
            let eni = tables.eni_index(id).unwrap();
            let next_hop = tables.resolve(eni, packet.dst).and_then(|mac| tables.next_hop(eni, mac)).unwrap_or(NextHop::Router);
            Ingress::Eni { eni, next_hop }
        }
    }
}

/// The verdict of a packet alone, in terms that don't depend on indexes.
fn judge(tables: &Tables, start: Start, packet: openvpc_pipeline::PacketHeader) -> String {
    let ingress = ingress(tables, start, &packet);
    let verdict = step(tables, &mut FlowState::new(8), ingress, &packet, Nanos(0), &mut NoTrace);
    let name = |index| tables.eni(index).map(|entry| entry.eni.id);
    let legs: Vec<_> = verdict.legs.iter().map(|leg| (name(leg.eni), leg.direction, leg.action, leg.source, leg.path)).collect();
    match verdict.outcome {
        Outcome::Drop(drop) => format!("{drop:?} {legs:?}"),
        Outcome::Deliver(delivery) => {
            let to = match delivery.to {
                Egress::Internet => None,
                Egress::Eni(index) => name(index),
                Egress::Services => return format!("services {:?} {legs:?}", delivery.rewrite.dst),
            };
            format!("{to:?} {:?} {} {legs:?}", delivery.rewrite, delivery.mtu)
        }
    }
}
