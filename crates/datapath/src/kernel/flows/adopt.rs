//! Taking over what an earlier daemon left.

use openvpc_pipeline::{End, Ingress, NextHop, restore_mapping};

use super::shared_state::{progress, state};
use super::{Entry, FastPath, Pair, Retired, behind, same_flows, settings};
use crate::engine::PortId;
use crate::kernel::layout::{Action, FlowId};
use openvpc_model::Direction;
use openvpc_pipeline::{Connection, FlowKey, FlowState, MappingKey, Phase, Progress, Tables, Tracking};

impl FastPath {
    /// Takes over the flows that an earlier daemon left in the maps, once all links are known and rules are in force: those
    /// go on that are to be treated as they were. `judge` is as in [`Self::refresh`].
    pub fn adopt(
        &mut self,
        tables: &Tables,
        flows: &mut FlowState,
        mut judge: impl FnMut(&Self, &mut FlowState, FlowId, &Action) -> Option<Entry>,
    ) {
        if !std::mem::take(&mut self.adopting) {
            return;
        }
        let mut left = self.maps.flows();
        left.sort_unstable_by_key(|(_, number)| *number);
        let pairs = left.last().map_or(0, |(_, number)| *number as usize / 2 + 1);
        self.pairs.resize(pairs, Pair::default());
        for both in left.chunk_by(|one, other| one.1 / 2 == other.1 / 2) {
            let pair = both[0].1 / 2;
            let kept = self.restore_flows(pair, both, tables, flows);
            let mapping = self.restore_mapping(pair, &both[0], tables, flows);
            for (flow, number) in both {
                let entry = judge(self, flows, *flow, &self.action(*number));
                let entry = entry.filter(|entry| {
                    same_flows(entry.flows, kept) && entry.mapping() == mapping && self.is_the_action(*number, &entry.action)
                });
                match entry {
                    Some(entry) => self.keep(*number, entry),
                    None => self.maps.remove(flow),
                }
            }
            if self.pairs[pair as usize].sides.iter().any(Option::is_some) {
                self.pairs[pair as usize].flows = kept;
                kept.iter().flatten().for_each(|key| flows.hold(key));
                self.pairs[pair as usize].mapping = mapping;
                mapping.iter().for_each(|key| flows.hold_mapping(key));
                if let Some(port) = self.ports.get_mut(&both[0].0.port()) {
                    port.pairs += 1;
                }
                self.pairs[pair as usize].owner = both[0].0.port();
                self.set_patience(pair, tables);
            }
        }
        // Those that nobody uses may still be in use for a moment: the program could have found them just before.
        for pair in 0..self.pairs.len() as u32 {
            if self.pairs[pair as usize].owner == 0 {
                self.retired.push_back(Retired { pair, grace: self.grace.next() + 1 });
            }
        }
    }

    /// Has the connection of a pair that goes on tracked again at the interfaces that tracked it.
    fn restore_flows(&self, pair: u32, both: &[(FlowId, u32)], tables: &Tables, flows: &mut FlowState) -> [Option<FlowKey>; 2] {
        let connection = &self.maps.connections[pair as usize];
        let (Some(progress), [_, originator, .., tracked_at]) = (progress(connection), state(connection)) else {
            return [None; 2];
        };
        // Told by the way there, or else by the way back.
        let (flow, number) = &both[0];
        let (before, action) = (flow.header(), self.action(*number));
        let to = self.ports.get(&action.out).map(|port| port.place);
        let mut ends = [(self.place(flow.port()), Direction::Egress, before), (to, Direction::Ingress, behind(&before, &action))];
        let is_way_back = number % 2 == 1;
        if is_way_back {
            ends.reverse();
        }
        let mut kept = [None; 2];
        for (which, (place, direction, header)) in ends.into_iter().enumerate() {
            let Some(PortId::Eni(eni)) = place.filter(|_| tracked_at & (1 << which) != 0) else { continue };
            let Some(key) = FlowKey::of(eni, direction, &header) else { continue };
            let began_here = (originator == 1) == is_way_back;
            let originated = if began_here { direction } else { direction.reverse() };
            let progress = open(progress);
            flows.restore(key, Tracking { originated, progress }, &settings(tables, &key), self.last_seen(pair));
            kept[which] = Some(key);
        }
        kept
    }

    /// Has the gateway on a pair's way remember its flow again.
    fn restore_mapping(
        &self,
        pair: u32,
        (flow, number): &(FlowId, u32),
        tables: &Tables,
        flows: &mut FlowState,
    ) -> Option<MappingKey> {
        let connection = &self.maps.connections[pair as usize];
        let (progress, [.., tracked_at]) = (progress(connection)?, state(connection));
        if tracked_at & AT_GATEWAY == 0 {
            return None;
        }
        let ingress = match self.place(flow.port())? {
            PortId::Eni(eni) => Ingress::Eni { eni, next_hop: NextHop::Router },
            PortId::Uplink => Ingress::Internet,
            PortId::Services => return None,
        };
        let before = flow.header();
        let after = behind(&before, &self.action(*number));
        restore_mapping(tables, flows, ingress, &before, &after, open(progress), self.last_seen(pair))
    }

    /// Whether that is what the program does about a flow, whatever VPCs were called before.
    fn is_the_action(&self, number: u32, action: &Action) -> bool {
        Action { scope: action.scope, ..self.action(number) } == *action
    }

    /// Takes note of a flow that the program knows already.
    fn keep(&mut self, number: u32, entry: Entry) {
        let slot = self.slot(number);
        // SAFETY: the engine's thread alone writes actions. What changes is the scope; a packet that reads half of it finds
        // the generation wrong and comes up.
        unsafe { (*slot.action.get()).scope = entry.action.scope };
        self.stamp(number);
        self.note(number, entry);
    }
}

/// What was closed meanwhile goes on for a moment, so that it is known whose counters these are. Nothing passes by it: the
/// program goes by the state in its own memory, as does user space before it judges a packet.
fn open(progress: Progress) -> Progress {
    match progress {
        Progress::Tcp(connection) if connection.is_closed() => {
            Progress::Tcp(Connection { phase: Phase::Established, ends: [End::Open; 2] })
        }
        progress => progress,
    }
}

/// Of the places where a flow is tracked: a gateway on the way.
const AT_GATEWAY: u8 = 4;
