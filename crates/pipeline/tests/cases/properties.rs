//! Random networks, random packets, random changes: what must hold whatever they are.

use openvpc_model::EniId;
use openvpc_pipeline::testing::Sent;
use openvpc_pipeline::{Code, Egress, FlowState, Ingress, Nanos, NextHop, NoTrace, Outcome, Tables, compile, step};
use proptest::prelude::*;

use crate::reference::{End, Memory, Record, Reference};
use crate::topology::{Start, Topology};

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
            let to = match delivery.to {
                Egress::Internet => None,
                Egress::Eni(index) => Some(id(index)),
            };
            let rewrite = delivery.rewrite;
            let packet = sent.packet;
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

    /// Tables compiled step by step judge as tables compiled at once, and keep what didn't change.
    #[test]
    fn an_incremental_compile_equals_a_full_one(seed in any::<u64>(), appliances in any::<bool>()) {
        let mut topology = Topology::new(seed, appliances);
        topology.world.tables();
        for _ in 0..12 {
            for _ in 0..3 {
                topology.change();
            }
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

/// The verdict of a packet alone, in terms that don't depend on indexes.
fn judge(tables: &Tables, start: Start, packet: openvpc_pipeline::PacketHeader) -> String {
    let ingress = match start {
        Start::Internet => Ingress::Internet,
        Start::Eni(id) => {
            let eni = tables.eni_index(id).unwrap();
            let next_hop = tables.resolve(eni, packet.dst).and_then(|mac| tables.next_hop(eni, mac)).unwrap_or(NextHop::Router);
            Ingress::Eni { eni, next_hop }
        }
    };
    let verdict = step(tables, &mut FlowState::new(8), ingress, &packet, Nanos(0), &mut NoTrace);
    let name = |index| tables.eni(index).map(|entry| entry.eni.id);
    let legs: Vec<_> = verdict.legs.iter().map(|leg| (name(leg.eni), leg.direction, leg.action, leg.source, leg.path)).collect();
    match verdict.outcome {
        Outcome::Drop(drop) => format!("{drop:?} {legs:?}"),
        Outcome::Deliver(delivery) => {
            let to = match delivery.to {
                Egress::Internet => None,
                Egress::Eni(index) => name(index),
            };
            format!("{to:?} {:?} {} {legs:?}", delivery.rewrite, delivery.mtu)
        }
    }
}
