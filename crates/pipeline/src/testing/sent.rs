//! What became of a packet.

use std::net::IpAddr;

use openvpc_model::{EniId, Network};

use super::report;
use crate::compile::Tables;
use crate::flow::FlowState;
use crate::step::{Ingress, step};
use crate::time::Nanos;
use crate::trace::{Hop, Tracer};
use crate::verdict::{Action, Code, Delivery, Drop, Egress, Outcome, RuleId, Verdict};
use crate::wire::{ICMP, ICMPV6, PacketHeader, Transport, translate};

/// A packet that was sent, its verdict and its walk. Failed expectations print all of it, and the network.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The verdict.
    pub verdict: Verdict,
    /// The walk.
    pub hops: Vec<Hop>,
    /// The packet as it was sent.
    pub packet: PacketHeader,
    ingress: Ingress,
    network: Network,
    tables: Tables,
}

impl Sent {
    pub(super) fn new(
        network: &Network,
        tables: &Tables,
        state: &mut FlowState,
        ingress: Ingress,
        packet: PacketHeader,
        now: Nanos,
    ) -> Self {
        let mut recorder = Recorder(Vec::new());
        let verdict = step(tables, state, ingress, &packet, now, &mut recorder);
        Self { verdict, hops: recorder.0, packet, ingress, network: network.clone(), tables: tables.clone() }
    }

    /// Whether it arrived anywhere.
    pub fn is_delivered(&self) -> bool {
        matches!(self.verdict.outcome, Outcome::Deliver(_))
    }

    /// The packet as the interface gets it.
    ///
    /// # Panics
    /// When it didn't arrive there.
    #[track_caller]
    pub fn delivered_to(&self, eni: EniId) -> PacketHeader {
        let expected = self.tables.eni_index(eni).map(Egress::Eni);
        match self.verdict.outcome {
            Outcome::Deliver(delivery) if Some(delivery.to) == expected => self.arrived(delivery),
            _ => self.fail(&format!("delivery to {eni}")),
        }
    }

    /// The packet as the internet gets it.
    ///
    /// # Panics
    /// When it didn't get there.
    #[track_caller]
    pub fn delivered_to_internet(&self) -> PacketHeader {
        match self.verdict.outcome {
            Outcome::Deliver(delivery) if delivery.to == Egress::Internet => self.arrived(delivery),
            _ => self.fail("delivery to the internet"),
        }
    }

    /// The delivery, wherever it went.
    ///
    /// # Panics
    /// When there was none.
    #[track_caller]
    pub fn delivered(&self) -> Delivery {
        match self.verdict.outcome {
            Outcome::Deliver(delivery) => delivery,
            Outcome::Drop(_) => self.fail("a delivery"),
        }
    }

    /// The drop.
    ///
    /// # Panics
    /// When the packet was delivered, or dropped for another reason.
    #[track_caller]
    pub fn dropped(&self, code: Code) -> Drop {
        match self.verdict.outcome {
            Outcome::Drop(drop) if drop.code == code => drop,
            _ => self.fail(&format!("a drop with {code}")),
        }
    }

    /// Expects these legs, each written as `egress accept eni-…`.
    ///
    /// # Panics
    /// When there are others.
    #[track_caller]
    pub fn legs(&self, expected: &[String]) {
        let legs: Vec<String> = self.verdict.legs.iter().map(|leg| report::leg(&self.tables, leg)).collect();
        if legs != expected {
            self.fail(&format!("legs {expected:?}"));
        }
    }

    /// Expects a rule to have decided at one of the stages.
    ///
    /// # Panics
    /// When none did.
    #[track_caller]
    pub fn decided_by(&self, rule: RuleId) {
        if !self.hops.iter().any(|hop| hop.rule == Some(rule)) {
            self.fail(&format!("a decision by {rule}"));
        }
    }

    /// Whether all legs are ACCEPT.
    pub fn is_accepted(&self) -> bool {
        self.verdict.legs.iter().all(|leg| leg.action == Action::Accept)
    }

    /// Shows everything and fails.
    ///
    /// # Panics
    /// Always.
    #[track_caller]
    pub fn fail(&self, expected: &str) -> ! {
        let mut text = report::network(&self.network);
        text.push_str(&report::packet(&self.tables, self.ingress, &self.packet));
        text.push_str(&report::walk(&self.tables, &self.hops, &self.verdict));
        panic!("expected {expected}\n{text}")
    }

    fn arrived(&self, delivery: Delivery) -> PacketHeader {
        let mut packet = self.packet;
        let rewrite = delivery.rewrite;
        if let Some(inner) = &mut packet.inner {
            if let Some(new) = rewrite.src.filter(|_| inner.dst == self.packet.src) {
                inner.dst = new;
            }
            if let Some(new) = rewrite.dst.filter(|_| inner.src == self.packet.dst) {
                inner.src = new;
            }
        }
        let (source_port, destination_port) = (rewrite.src_port, rewrite.dst_port);
        renumber(&mut packet.transport, source_port, destination_port);
        if let Some(inner) = &mut packet.inner {
            renumber(&mut inner.transport, destination_port, source_port);
        }
        if rewrite.src.is_some_and(|src| src.is_ipv4() != packet.src.is_ipv4()) {
            let to_ipv4 = packet.src.is_ipv6();
            flip(&mut packet.protocol, &mut packet.transport, to_ipv4);
            if let Some(inner) = &mut packet.inner {
                flip(&mut inner.protocol, &mut inner.transport, to_ipv4);
                match (inner.src, inner.dst) {
                    (IpAddr::V6(src), _) if to_ipv4 => inner.src = translate::embedded(src).map_or(inner.src, IpAddr::V4),
                    (_, IpAddr::V4(dst)) if !to_ipv4 => inner.dst = translate::embed(dst).into(),
                    _ => {}
                }
            }
        }
        packet.src = rewrite.src.unwrap_or(packet.src);
        packet.dst = rewrite.dst.unwrap_or(packet.dst);
        packet.ttl -= rewrite.ttl_decrement;
        packet
    }
}

/// The words of the other family for an echo.
fn flip(protocol: &mut u8, transport: &mut Transport, to_ipv4: bool) {
    *protocol = match *protocol {
        ICMP | ICMPV6 => [ICMPV6, ICMP][usize::from(to_ipv4)],
        other => other,
    };
    if let Transport::Icmp { kind, .. } = transport {
        *kind = match *kind {
            8 => 128,
            0 => 129,
            128 => 8,
            129 => 0,
            other => other,
        };
    }
}

fn renumber(transport: &mut Transport, source_port: Option<u16>, destination_port: Option<u16>) {
    let set = |place: &mut u16, new: Option<u16>| *place = new.unwrap_or(*place);
    match transport {
        Transport::Ports { src, dst } => {
            set(src, source_port);
            set(dst, destination_port);
        }
        Transport::Icmp { kind: 8 | 128, id, .. } => set(id, source_port),
        Transport::Icmp { kind: 0 | 129, id, .. } => set(id, destination_port),
        _ => {}
    }
}

struct Recorder(Vec<Hop>);

impl Tracer for Recorder {
    const KEEP_GOING: bool = false;

    fn hop(&mut self, hop: &Hop) {
        self.0.push(*hop);
    }
}
