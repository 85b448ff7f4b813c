//! The walk: a packet nobody has sent, there and back.

use std::net::IpAddr;

use openvpc_model::{Network, NetworkInterface, Protocol};
use openvpc_pipeline::{
    Code, Drop, Egress, EniIndex, FlowState, Hop, HopAction, Ingress, Nanos, NextHop, Outcome, PacketHeader, ResourceId, Tables,
    Tracer, Transport, step,
};

use openvpc_pipeline::wire::{ICMP, ICMPV6};

use crate::explanation::{Blocker, Explanation, HopView, Way};
use crate::question::{Question, QuestionError, Start};
use crate::words;

/// Any moment will do: a question is about a new connection, and its answer comes at once.
const NOW: Nanos = Nanos(0);
/// A packet that has passed more than these goes in a circle.
const MOST_MIDDLEBOXES: usize = 8;

/// Answers a question. `tables` must be those compiled from `network`.
///
/// # Errors
/// When the question names what isn't there, or addresses that don't go together.
pub fn explain(network: &Network, tables: &Tables, question: &Question) -> Result<Explanation, QuestionError> {
    let (from, to) = question.addresses(network)?;
    let mut state = FlowState::new(4);
    let ports = if Protocol::Number(question.protocol).has_ports() { (question.source_port, question.port) } else { (1, 1) };
    let request = Probe { source: from, destination: to, protocol: question.protocol, answer: false, ports };
    let ingress = match question.start {
        Start::Internet(_) => Ingress::Internet,
        Start::Eni(id) => {
            let eni = tables.eni_index(id).ok_or_else(|| QuestionError::Unknown(id.to_string()))?;
            at_eni(tables, eni, to)
        }
    };
    let (mut forward, arrived) = request.walk(network, tables, &mut state, ingress);
    if let Some(blocker) = disconnected(network, question, &forward) {
        forward.blockers.push(blocker);
    }
    let back = match arrived {
        Some((place, request)) => {
            let answer = request.answered();
            let ingress = match place {
                Egress::Internet => Ingress::Internet,
                Egress::Services => Ingress::Services,
                Egress::Eni(eni) => at_eni(tables, eni, answer.destination),
            };
            answer.walk(network, tables, &mut state, ingress).0
        }
        None => Way::default(),
    };
    Ok(Explanation { reachable: forward.reachable && back.reachable, forward, back })
}

/// How an instance sends to an address: to the hardware address that answers for it, which is the router's outside the subnet.
fn at_eni(tables: &Tables, eni: EniIndex, destination: IpAddr) -> Ingress {
    let next_hop = tables.resolve(eni, destination).and_then(|mac| tables.next_hop(eni, mac)).unwrap_or(NextHop::Router);
    Ingress::Eni { eni, next_hop }
}

/// Whether the packet has arrived at whom it is for; else the interface is a middlebox's, which sends it on.
fn owns(tables: &Tables, eni: EniIndex, destination: IpAddr) -> bool {
    tables.eni(eni).is_none_or(|entry| entry.eni.owns(destination))
}

/// AWS's own reason when a private address of another VPC is asked for: nothing connects the two.
fn disconnected(network: &Network, question: &Question, forward: &Way) -> Option<Blocker> {
    let (Start::Eni(from), crate::Destination::Eni(to)) = (question.start, question.destination) else {
        return None;
    };
    let vpc = |id| network.get::<NetworkInterface>(&id).map(|eni| eni.vpc);
    let (from, to) = (vpc(from)?, vpc(to)?);
    (from != to && !forward.reachable).then(|| {
        let drop =
            Drop { resource: ResourceId::Vpc(from), rule: None, code: Code::DisconnectedVpcs, direction: None, reply: None };
        blocker(&drop, format!("{from} and {to} have no connection to each other"))
    })
}

/// The packet that a question is about, or its answer.
#[derive(Clone, Copy, Debug)]
struct Probe {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    answer: bool,
    /// Source and destination port; of an echo the identifier, at the end that asks.
    ports: (u16, u16),
}

impl Probe {
    /// Walks it, through middleboxes that forward it, to whoever it is for; says where it arrived, and as what.
    fn walk(self, network: &Network, tables: &Tables, state: &mut FlowState, ingress: Ingress) -> (Way, Option<(Egress, Self)>) {
        let mut way = Way::default();
        let (mut probe, mut ingress) = (self, ingress);
        for _ in 0..MOST_MIDDLEBOXES {
            match probe.pass(network, tables, state, ingress, &mut way) {
                Some((Egress::Eni(eni), arrived)) if !owns(tables, eni, arrived.destination) => {
                    probe = arrived;
                    ingress = at_eni(tables, eni, arrived.destination);
                }
                end => {
                    way.reachable = end.is_some();
                    return (way, end);
                }
            }
        }
        let resource = way.hops.last().map_or(ResourceId::Internet, |hop| hop.hop.resource);
        let drop = Drop { resource, rule: None, code: Code::RoutingLoop, direction: None, reply: None };
        way.blockers.push(blocker(&drop, words::reason(network, &drop, &probe.header())));
        (way, None)
    }

    /// Walks it to the next port.
    fn pass(
        self,
        network: &Network,
        tables: &Tables,
        state: &mut FlowState,
        ingress: Ingress,
        way: &mut Way,
    ) -> Option<(Egress, Self)> {
        let header = self.header();
        let mut recorder = Recorder::default();
        let verdict = step(tables, state, ingress, &header, NOW, &mut recorder);
        way.hops.extend(recorder.hops.iter().map(view));
        for hop in recorder.hops.iter().filter(|hop| hop.action == HopAction::Deny) {
            let code = hop.code.unwrap_or(Code::UnknownDestination);
            let drop = Drop { resource: hop.resource, rule: hop.rule, code, direction: hop.direction, reply: None };
            way.blockers.push(blocker(&drop, words::reason(network, &drop, &header)));
        }
        match verdict.outcome {
            Outcome::Deliver(delivery) => {
                let source = delivery.rewrite.src.unwrap_or(self.source);
                let destination = delivery.rewrite.dst.unwrap_or(self.destination);
                let ports =
                    (delivery.rewrite.src_port.unwrap_or(self.ports.0), delivery.rewrite.dst_port.unwrap_or(self.ports.1));
                let protocol =
                    if source.is_ipv4() == self.source.is_ipv4() { self.protocol } else { other_family(self.protocol) };
                Some((delivery.to, Self { source, destination, ports, protocol, ..self }))
            }
            Outcome::Drop(drop) => {
                if way.blockers.is_empty() {
                    way.blockers.push(blocker(&drop, words::reason(network, &drop, &header)));
                }
                None
            }
        }
    }

    /// The answer that whoever got it sends.
    fn answered(self) -> Self {
        Self { source: self.destination, destination: self.source, ports: (self.ports.1, self.ports.0), answer: true, ..self }
    }

    fn header(&self) -> PacketHeader {
        let kinds = match (Protocol::Number(self.protocol), self.answer) {
            (Protocol::ICMP, false) => Some(8),
            (Protocol::ICMP, true) => Some(0),
            (Protocol::ICMPV6, false) => Some(128),
            (Protocol::ICMPV6, true) => Some(129),
            _ => None,
        };
        let transport = match kinds {
            // The end that asks has an identifier for a port.
            Some(kind) => Transport::Icmp { kind, code: 0, id: if self.answer { self.ports.1 } else { self.ports.0 } },
            None if Protocol::Number(self.protocol).has_ports() => Transport::Ports { src: self.ports.0, dst: self.ports.1 },
            None => Transport::Opaque,
        };
        PacketHeader::probe(self.source, self.destination, self.protocol, transport, self.answer)
    }
}

/// What stands for a protocol when a NAT gateway makes IPv4 of IPv6, or the other way round.
fn other_family(protocol: u8) -> u8 {
    match Protocol::Number(protocol) {
        Protocol::ICMP => ICMPV6,
        Protocol::ICMPV6 => ICMP,
        _ => protocol,
    }
}

/// Keeps the whole walk, and goes on past denials so that all of them are found.
#[derive(Default)]
struct Recorder {
    hops: Vec<Hop>,
}

impl Tracer for Recorder {
    const KEEP_GOING: bool = true;

    fn hop(&mut self, hop: &Hop) {
        self.hops.push(*hop);
    }
}

fn view(hop: &Hop) -> HopView {
    HopView {
        component: hop.resource.component(),
        resource_id: hop.resource.to_string(),
        rule: hop.rule.map(|rule| rule.to_string()).unwrap_or_default(),
        action: hop.action.as_str(),
        code: hop.code.map(Code::as_str).unwrap_or_default(),
        direction: hop.direction.map(openvpc_model::Direction::as_str).unwrap_or_default(),
        hop: *hop,
    }
}

fn blocker(drop: &Drop, message: String) -> Blocker {
    Blocker {
        component: drop.resource.component(),
        resource_id: drop.resource.to_string(),
        rule: drop.rule.map(|rule| rule.to_string()).unwrap_or_default(),
        code: drop.code.as_str(),
        message,
        direction: drop.direction.map(openvpc_model::Direction::as_str).unwrap_or_default(),
        resource: drop.resource,
        rule_id: drop.rule,
    }
}
