//! What user space knows of the flows that the program carries.

mod live;

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use openvpc_model::Direction;
use openvpc_model::interface::TrackingTimeouts;
use openvpc_pipeline::verdict::{Action as Judgement, Code, Leg, TrafficPath};
use openvpc_pipeline::{
    Connection, End, EniIndex, Exchanges, FlowKey, FlowState, HeaderView, Nanos, Phase, Progress, Tables, Tracking,
};

use super::grace::Grace;
use super::layout::{Action, FlowId, PortBudget, SharedConnection, Slot};
use super::program::FastMaps;
use crate::DatapathError;
use crate::details::{Detail, Reading};
use crate::engine::PortId;
use crate::netlink::Wire;

#[cfg(test)]
mod tests;

pub use live::LiveFlow;

/// The flows that the program carries, as user space keeps them: the mirror of the maps, with what the maps don't say.
///
/// Flows come in pairs, one for each direction of a connection, in slots that lie side by side. All of it belongs to the
/// engine's thread; what the program writes meanwhile is atomic.
pub(crate) struct FastPath {
    maps: FastMaps,
    pairs: Vec<Pair>,
    free: Vec<u32>,
    retired: VecDeque<Retired>,
    grace: Grace,
    /// Slot numbers by flow.
    index: HashTable<u32>,
    hasher: RandomState,
    ports: HashMap<u32, Port, RandomState>,
    links: HashMap<PortId, u32, RandomState>,
    /// Where looking for counters goes on.
    cursor: usize,
    /// Where looking for pairs to let go of goes on.
    evicted_to: usize,
    /// Where judging flows again goes on, after rules changed.
    stale: Option<usize>,
    /// The flows of an earlier daemon go on, but it isn't known yet what they are.
    adopting: bool,
    /// Misses were lost in the last period.
    is_behind: bool,
    /// Fingerprints of flows that one packet came up of.
    once: Vec<u32>,
    counts: Counts,
}

/// What became of packets and flows since the daemon started.
#[derive(Default)]
struct Counts {
    /// Packets that the program carried or dropped by itself.
    carried: u64,
    /// Connections entered for the program.
    entered: u64,
    /// Connections that were not, for want of room.
    refused: u64,
    /// Misses that found the queue to user space full.
    lost: u64,
    /// Flows judged again after a change of rules.
    judged_again: u64,
    /// Of those, flows that the change concerned.
    changed: u64,
}

/// What the two directions of a connection share.
#[derive(Clone, Default)]
struct Pair {
    sides: [Option<Side>; 2],
    /// The tracked flows that hang on it.
    flows: [Option<FlowKey>; 2],
    /// The state of the connection when its patience was last set.
    state: [u8; 8],
    /// The link whose packet made it, to whose account it goes.
    owner: u32,
}

/// One direction.
#[derive(Clone)]
struct Side {
    flow: FlowId,
    to: Option<PortId>,
    code: Option<Code>,
    legs: [Option<ShortLeg>; 2],
}

/// A [`Leg`] without what the flow says already.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ShortLeg {
    eni: EniIndex,
    direction: Direction,
    judgement: Judgement,
    path: Option<TrafficPath>,
    /// Whether it saw the addresses as they are when the packet leaves.
    is_behind: bool,
}

/// A pair that the program doesn't find any more, but may still be busy with.
struct Retired {
    pair: u32,
    grace: u64,
}

struct Port {
    place: PortId,
    has_peer: bool,
    pairs: u32,
    /// Misses up to the last look at them.
    misses: u64,
    /// Nanoseconds of budget that a miss takes at present.
    miss_cost: u64,
}

/// A verdict about a flow, to be carried out by the program.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub flow: FlowId,
    pub action: Action,
    pub to: Option<PortId>,
    pub code: Option<Code>,
    pub legs: [Option<Leg>; 2],
    pub flows: [Option<FlowKey>; 2],
}

/// What the program counted of a flow since it was last asked.
pub(crate) struct Report<'a> {
    pub from: PortId,
    pub to: Option<PortId>,
    pub code: Option<Code>,
    pub packets: u64,
    pub bytes: u64,
    pub tcp_flags: u8,
    /// When the last packet came by.
    pub seen: Nanos,
    pub legs: &'a [Option<Leg>; 2],
}

impl FastPath {
    pub fn new(maps: FastMaps) -> Result<Self, DatapathError> {
        let capacity = maps.connections.len();
        Ok(Self {
            adopting: maps.adopted,
            is_behind: false,
            once: vec![0; ONCE],
            maps,
            // Reserved, not used: memory that never moves under a busy engine.
            pairs: Vec::with_capacity(capacity),
            free: Vec::new(),
            retired: VecDeque::new(),
            grace: Grace::start()?,
            index: HashTable::with_capacity(capacity * 2),
            hasher: RandomState::default(),
            ports: HashMap::default(),
            links: HashMap::default(),
            cursor: 0,
            evicted_to: 0,
            stale: None,
            counts: Counts::default(),
        })
    }

    /// Has misses handed up by that link; 0 for none at all.
    pub fn set_punt(&self, link: u32) {
        self.maps.settings[0].punt.store(link, Release);
    }

    /// Takes notice of a link, before the program is attached to it.
    pub fn add_port(&mut self, place: PortId, wire: Wire) -> Result<(), DatapathError> {
        let link = wire.index.0;
        self.maps.set_port(link, PortBudget { miss_cost: MISS_COST, miss_burst: MISS_BURST, ..PortBudget::default() })?;
        self.ports.insert(link, Port { place, has_peer: wire.has_peer, pairs: 0, misses: 0, miss_cost: MISS_COST });
        self.links.insert(place, link);
        Ok(())
    }

    /// Forgets a link and all flows that enter or leave by it, with a last report of each. The program must have been taken
    /// away from it.
    pub fn remove_port(&mut self, place: PortId, tables: &Tables, flows: &mut FlowState, mut report: impl FnMut(&Report<'_>)) {
        let Some(link) = self.links.remove(&place) else { return };
        let leads_here = |side: &Side| side.flow.port() == link || side.to == Some(place);
        for pair in 0..self.pairs.len() as u32 {
            let Pair { owner, sides, .. } = &self.pairs[pair as usize];
            if *owner == link || sides.iter().flatten().any(leads_here) {
                self.retire(pair, tables, flows);
                self.report(pair, &mut report);
            }
        }
        self.maps.remove_port(link);
        self.ports.remove(&link);
    }

    /// The interface or internet at a link.
    pub fn place(&self, link: u32) -> Option<PortId> {
        Some(self.ports.get(&link)?.place)
    }

    /// Whether packets can be handed to the other end of a link at once.
    pub fn has_peer(&self, link: u32) -> bool {
        self.ports.get(&link).is_some_and(|port| port.has_peer)
    }

    /// The link of an interface or of the internet.
    pub fn link(&self, place: PortId) -> Option<u32> {
        self.links.get(&place).copied()
    }

    /// Moves the generations of everything that these tables may judge otherwise than those before.
    pub fn swap(&mut self, tables: &Tables, older: &Tables) {
        if self.adopting {
            // What goes on does so by the rules that it was judged by, until all is known that it touches.
            return;
        }
        let vpcs = tables.vpcs_moved_since(older).map(|(vpc, _)| scope_of_vpc(vpc));
        let internet = (tables.internet_generation() != older.internet_generation()).then_some(INTERNET);
        for scope in vpcs.chain(internet) {
            self.maps.generations[usize::from(scope)].fetch_add(1, Release);
            self.stale = Some(0);
        }
    }

    /// Tells the flow state how far a flow is that the program carries. One that was silent for too long is no more.
    pub fn observe(&mut self, flow: &FlowId, tables: &Tables, flows: &mut FlowState, now: Nanos) {
        let Some(number) = self.find(flow) else { return };
        let pair = number / 2;
        let silence = now.0.saturating_sub(self.last_seen(pair).0);
        if silence > self.slot(number).patience.load(Relaxed) {
            return self.retire(pair, tables, flows);
        }
        if let Some(progress) = progress(&self.maps.connections[pair as usize]) {
            for key in self.pairs[pair as usize].flows.iter().flatten() {
                flows.observe(key, progress);
            }
        }
    }

    /// Has the program carry out a verdict, and for the way back `answer`, if that rests on the same tracked flows.
    pub fn enter(&mut self, entry: Entry, answer: Option<Entry>, tables: &Tables, flows: &mut FlowState, now: Nanos) {
        if self.adopting {
            return;
        }
        if let Some(number) = self.find(&entry.flow) {
            self.take_up(number / 2, &entry, flows);
            if self.is_same(number, &entry) {
                self.stamp(number);
                self.slot(number).seen.store(now.0, Relaxed);
                self.publish(number / 2, tables, flows);
                if answer.as_ref().is_none_or(|answer| self.find(&answer.flow) == Some(number ^ 1)) {
                    return;
                }
            }
            self.retire(number / 2, tables, flows);
        }
        let tracking = match self.tracking(&entry, flows) {
            Ok(tracking) => tracking,
            Err(Conflict) => return,
        };
        let is_a_connection = matches!(tracking, Some((Progress::Tcp(_), _)));
        if !is_a_connection && !self.came_before(&entry.flow) {
            return;
        }
        let Some(pair) = self.allocate(entry.flow.port()) else {
            self.counts.refused += 1;
            return;
        };
        for key in entry.flows.iter().flatten() {
            flows.hold(key);
        }
        self.pairs[pair as usize].flows = entry.flows;
        set_connection(
            &self.maps.connections[pair as usize],
            tracking.map(|(progress, originator)| (progress, originator, places(&entry.flows))),
        );
        let answer = answer.filter(|answer| same_flows(answer.flows, entry.flows));
        if let Some(answer) = &answer
            && let Some(number) = self.find(&answer.flow)
        {
            self.retire(number / 2, tables, flows);
        }
        // The answer first: a packet that finds its flow may have its answer right behind it.
        if let Some(answer) = answer {
            self.fill(pair * 2 + 1, answer, now);
        }
        self.fill(pair * 2, entry, now);
        self.set_patience(pair, tables);
        self.counts.entered += 1;
    }

    /// Reports what was counted and lets flows go that are over or have been idle for long: of a part of all flows, or of
    /// all.
    pub fn collect(
        &mut self,
        whole: bool,
        tables: &Tables,
        flows: &mut FlowState,
        now: Nanos,
        mut report: impl FnMut(&Report<'_>),
    ) {
        let count = self.pairs.len();
        let share = if whole { count } else { count.div_ceil(PARTS) };
        for _ in 0..share {
            self.cursor = if self.cursor + 1 < count { self.cursor + 1 } else { 0 };
            let pair = self.cursor as u32;
            self.report(pair, &mut report);
            if self.pairs[self.cursor].owner != 0 {
                self.give_back_if_closed(pair, tables, flows);
                if self.is_over(pair, tables, now) {
                    self.retire(pair, tables, flows);
                }
            }
        }
        while let Some(Retired { pair, grace }) = self.retired.front() {
            if !self.grace.is_over(*grace) {
                self.grace.begin();
                break;
            }
            let pair = *pair;
            self.retired.pop_front();
            self.report(pair, &mut report);
            self.clear(pair);
            self.free.push(pair);
        }
        if self.room() < self.capacity() / RESERVE {
            self.evict(tables, flows, now);
        }
    }

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
            for (flow, number) in both {
                let entry = judge(self, flows, *flow, &self.action(*number));
                let entry = entry.filter(|entry| same_flows(entry.flows, kept) && self.is_the_action(*number, &entry.action));
                match entry {
                    Some(entry) => self.keep(*number, entry),
                    None => self.maps.remove(flow),
                }
            }
            if self.pairs[pair as usize].sides.iter().any(Option::is_some) {
                self.pairs[pair as usize].flows = kept;
                kept.iter().flatten().for_each(|key| flows.hold(key));
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
            // What was closed meanwhile goes on for a moment, so that it is known whose counters these are. Nothing passes by it:
            // the program goes by the state in its own memory, as does user space before it judges a packet.
            let progress = match progress {
                Progress::Tcp(connection) if connection.is_closed() => {
                    Progress::Tcp(Connection { phase: Phase::Established, ends: [End::Open; 2] })
                }
                progress => progress,
            };
            flows.restore(key, Tracking { originated, progress }, &settings(tables, &key), self.last_seen(pair));
            kept[which] = Some(key);
        }
        kept
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

    /// Whether flows wait to be judged again.
    pub fn has_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// Judges some flows again whose generation is past. `judge` gives the entry of a flow, that was entered with that
    /// action, by the rules in force.
    pub fn refresh(
        &mut self,
        tables: &Tables,
        flows: &mut FlowState,
        now: Nanos,
        mut judge: impl FnMut(&Self, &mut FlowState, FlowId, &Action) -> Option<Entry>,
    ) {
        let Some(first) = self.stale else { return };
        let end = (first + REFRESH).min(self.pairs.len());
        for pair in first as u32..end as u32 {
            for number in [pair * 2, pair * 2 + 1] {
                let Some(flow) = self.active_flow(number).filter(|_| !self.is_current(number)) else { continue };
                self.observe(&flow, tables, flows, now);
                if self.active_flow(number).is_none() {
                    continue;
                }
                let entry = judge(self, flows, flow, &self.action(number));
                self.counts.judged_again += 1;
                match entry.is_some_and(|entry| self.is_same(number, &entry)) {
                    true => self.stamp(number),
                    false => {
                        self.counts.changed += 1;
                        self.retire(pair, tables, flows);
                    }
                }
            }
        }
        self.stale = (end < self.pairs.len()).then_some(end);
    }

    /// The flow of a slot that the program may find.
    fn active_flow(&self, number: u32) -> Option<FlowId> {
        let pair = self.pairs.get(number as usize / 2)?;
        Some(pair.sides[number as usize % 2].as_ref().filter(|_| pair.owner != 0)?.flow)
    }

    /// Shares the misses that user space can take out among links: as long as it keeps up, everybody may have as many as he
    /// likes; when it doesn't, those who have more than an equal share of what it `took` are held to about that, so that
    /// there is room in the queue for others. Call it every [`BALANCE_EVERY`].
    pub fn balance(&mut self, took: u64, lost: u64) {
        self.counts.lost += lost;
        // What was taken is what can be taken only when there was more all the time.
        let was_behind = std::mem::replace(&mut self.is_behind, lost > 0);
        let is_behind = was_behind && lost > 0;
        if lost == 0 && self.ports.values().all(|port| port.miss_cost == MISS_COST) {
            return;
        }
        let mut links: Vec<_> = self.ports.keys().map(|link| (*link, self.maps.port(*link))).collect();
        let mut asked = |link: &u32, budget: &PortBudget| {
            let port = self.ports.get_mut(link)?;
            let before = std::mem::replace(&mut port.misses, budget.misses);
            Some(budget.misses.saturating_sub(before))
        };
        let asked: Vec<u64> = links.iter().map(|(link, budget)| asked(link, budget).unwrap_or_default()).collect();
        let asking = asked.iter().filter(|misses| **misses > 0).count().max(1) as u64;
        let share = (took / asking).max(1);
        for ((link, budget), misses) in links.iter_mut().zip(asked) {
            let Some(port) = self.ports.get_mut(link) else { continue };
            let cost = match is_behind {
                true if misses > share => (BALANCE_EVERY / share).max(MISS_COST),
                false if lost == 0 => (port.miss_cost * 7 / 8).max(MISS_COST),
                _ => port.miss_cost,
            };
            if std::mem::replace(&mut port.miss_cost, cost) != cost {
                (budget.miss_cost, budget.miss_burst) = (cost, MISS_BURST.max(cost * 16));
                if let Err(error) = self.maps.set_port(*link, *budget) {
                    tracing::warn!(%error, "a link keeps its budget of misses");
                }
            }
        }
    }

    /// What there is to say of the kernel tier beyond the counters of its ports.
    pub fn details(&self) -> Vec<Detail> {
        let (mut misses, mut over_budget) = (0, 0);
        for link in self.ports.keys() {
            let budget = self.maps.port(*link);
            misses += budget.misses;
            over_budget += budget.refused;
        }
        let fill = Reading::Fill { used: (self.pairs.len() - self.free.len()) as u64, capacity: self.capacity() as u64 };
        let Counts { carried, entered, refused, lost, judged_again, changed } = self.counts;
        vec![
            Detail::new("program_links", "Links with the program in front.", Reading::Gauge(self.ports.len() as u64)),
            Detail::new("connections", "Connections that the kernel carries, in both directions.", fill),
            Detail::new("carried_packets", "Packets that the kernel dealt with by itself.", Reading::Counter(carried)),
            Detail::new("misses", "Frames that the kernel handed to user space.", Reading::Counter(misses)),
            Detail::new("misses_lost", "Misses that found the queue to user space full.", Reading::Counter(lost)),
            Detail::new(
                "misses_over_budget",
                "Frames dropped because their link used up its budget of misses.",
                Reading::Counter(over_budget),
            ),
            Detail::new(
                "connections_entered",
                "Connections handed to the kernel after their first packet.",
                Reading::Counter(entered),
            ),
            Detail::new("connections_not_entered", "Connections left to user space for want of room.", Reading::Counter(refused)),
            Detail::new(
                "flows_judged_again",
                "Flows judged again in the background after a change of rules.",
                Reading::Counter(judged_again),
            ),
            Detail::new("flows_changed", "Of those, flows for which the change made a difference.", Reading::Counter(changed)),
        ]
    }

    fn find(&self, flow: &FlowId) -> Option<u32> {
        self.index.find(self.hasher.hash_one(flow), |number| self.flow_at(*number) == Some(flow)).copied()
    }

    fn flow_at(&self, number: u32) -> Option<&FlowId> {
        Some(&self.pairs.get(number as usize / 2)?.sides[number as usize % 2].as_ref()?.flow)
    }

    fn slot(&self, number: u32) -> &Slot {
        &self.maps.slots[number as usize]
    }

    fn action(&self, number: u32) -> Action {
        // SAFETY: the engine's thread alone writes actions, and it is in this call.
        unsafe { *self.slot(number).action.get() }
    }

    fn capacity(&self) -> usize {
        self.maps.connections.len()
    }

    /// Whether what the program does about a flow is what `entry` says.
    fn is_same(&self, number: u32, entry: &Entry) -> bool {
        let pair = &self.pairs[number as usize / 2];
        let told = pair.sides[number as usize % 2].as_ref();
        same_flows(pair.flows, entry.flows)
            && self.action(number) == entry.action
            && told.is_some_and(|side| side.code == entry.code && side.legs == entry.short_legs())
    }

    fn is_current(&self, number: u32) -> bool {
        let (slot, action) = (self.slot(number), self.action(number));
        action.scope.iter().zip(&slot.generation).all(|(scope, stamped)| stamped.load(Relaxed) == self.generation(*scope))
    }

    fn generation(&self, scope: u16) -> u32 {
        self.maps.generations[usize::from(scope)].load(Relaxed) as u32
    }

    /// Makes an entry count under the rules in force.
    fn stamp(&self, number: u32) {
        let (slot, action) = (self.slot(number), self.action(number));
        for (scope, stamp) in action.scope.iter().zip(&slot.generation) {
            stamp.store(self.generation(*scope), Release);
        }
    }

    /// How far the connection of an entry's flow is, and which direction it began in. Two interfaces that see it
    /// differently leave it to user space.
    fn tracking(&self, entry: &Entry, flows: &FlowState) -> Result<Option<(Progress, u8)>, Conflict> {
        let mut found = None;
        for (key, direction) in entry.flows.iter().zip([Direction::Egress, Direction::Ingress]) {
            let Some(key) = key else { continue };
            let Tracking { originated, progress } = flows.tracked(key).ok_or(Conflict)?;
            let here = (progress, u8::from(originated != direction));
            match found {
                Some(there) if there != here => return Err(Conflict),
                _ => found = Some(here),
            }
        }
        Ok(found)
    }

    fn allocate(&mut self, owner: u32) -> Option<u32> {
        let capacity = self.capacity();
        let room = self.room();
        let ports = self.ports.len().max(1);
        let port = self.ports.get_mut(&owner)?;
        // Everybody may take what is there, as long as there is plenty; then only who has less than an equal share.
        if room < capacity / RESERVE && port.pairs as usize >= capacity / ports {
            return None;
        }
        let pair = match self.free.pop() {
            Some(pair) => pair,
            None if self.pairs.len() < capacity => {
                self.pairs.push(Pair::default());
                self.pairs.len() as u32 - 1
            }
            None => return None,
        };
        port.pairs += 1;
        self.pairs[pair as usize].owner = owner;
        Some(pair)
    }

    /// Writes a slot and has the program find it.
    fn fill(&mut self, number: u32, entry: Entry, now: Nanos) {
        let slot = self.slot(number);
        // SAFETY: no flow in the maps leads to this slot, and a grace period has passed since one did; the engine's thread
        // alone writes here.
        unsafe { *slot.action.get() = entry.action };
        slot.seen.store(now.0, Relaxed);
        slot.patience.store(u64::MAX, Relaxed);
        self.stamp(number);
        if self.maps.insert(&entry.flow, number).is_err() {
            // The packet itself goes its way all the same; the next one asks again.
            self.counts.refused += 1;
            return;
        }
        self.note(number, entry);
    }

    fn note(&mut self, number: u32, entry: Entry) {
        let side = Side { flow: entry.flow, to: entry.to, code: entry.code, legs: entry.short_legs() };
        self.pairs[number as usize / 2].sides[number as usize % 2] = Some(side);
        let Self { index, hasher, pairs, .. } = self;
        let hash_of = |number: &u32| {
            let side = &pairs[*number as usize / 2].sides[*number as usize % 2];
            hasher.hash_one(side.as_ref().map_or(entry.flow, |side| side.flow))
        };
        index.insert_unique(hasher.hash_one(entry.flow), number, hash_of);
    }

    /// Takes a pair away from the program, and gives its tracked flows back.
    fn retire(&mut self, pair: u32, tables: &Tables, flows: &mut FlowState) {
        if self.pairs[pair as usize].owner == 0 {
            return;
        }
        for number in [pair * 2, pair * 2 + 1] {
            let Some(flow) = self.active_flow(number) else { continue };
            self.maps.remove(&flow);
            let hash = self.hasher.hash_one(flow);
            if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
                entry.remove();
            }
        }
        let kept = std::mem::take(&mut self.pairs[pair as usize].flows);
        let seen = self.last_seen(pair);
        if let Some(progress) = progress(&self.maps.connections[pair as usize]) {
            for key in kept.iter().flatten() {
                flows.release(key, progress, &settings(tables, key), seen);
            }
        }
        if let Some(port) = self.ports.get_mut(&self.pairs[pair as usize].owner) {
            port.pairs = port.pairs.saturating_sub(1);
        }
        self.pairs[pair as usize].owner = 0;
        self.retired.push_back(Retired { pair, grace: self.grace.next() + 1 });
    }

    /// Makes a pair as new, when nobody can be busy with it.
    fn clear(&mut self, pair: u32) {
        self.pairs[pair as usize] = Pair::default();
        for number in [pair * 2, pair * 2 + 1] {
            let slot = self.slot(number);
            for counter in [&slot.packets, &slot.bytes, &slot.reported_packets, &slot.reported_bytes, &slot.seen] {
                counter.store(0, Relaxed);
            }
            slot.tcp_flags.store(0, Relaxed);
        }
        set_connection(&self.maps.connections[pair as usize], None);
    }

    fn report(&mut self, pair: u32, report: &mut impl FnMut(&Report<'_>)) {
        for number in [pair * 2, pair * 2 + 1] {
            let slot = self.slot(number);
            let (packets, reported) = (slot.packets.load(Acquire), slot.reported_packets.load(Relaxed));
            if packets == reported {
                continue;
            }
            let Some(side) = &self.pairs[pair as usize].sides[number as usize % 2] else { continue };
            let Some(from) = self.place(side.flow.port()) else { continue };
            let bytes = slot.bytes.load(Relaxed);
            let flags = slot.tcp_flags.swap(0, Relaxed);
            let before = side.flow.header();
            let after = behind(&before, &self.action(number));
            let legs = side.legs.map(|leg| {
                let ShortLeg { eni, direction, judgement, path, is_behind } = leg?;
                let HeaderView { source, destination, protocol, transport } = if is_behind { after } else { before };
                Some(Leg { eni, direction, action: judgement, source, destination, protocol, transport, path })
            });
            report(&Report {
                from,
                to: side.to,
                code: side.code,
                packets: packets - reported,
                bytes: bytes - slot.reported_bytes.load(Relaxed),
                tcp_flags: flags as u8,
                seen: Nanos(slot.seen.load(Relaxed)),
                legs: &legs,
            });
            slot.reported_packets.store(packets, Relaxed);
            slot.reported_bytes.store(bytes, Relaxed);
            self.counts.carried += packets - reported;
        }
    }

    fn last_seen(&self, pair: u32) -> Nanos {
        Nanos(self.slot(pair * 2).seen.load(Relaxed).max(self.slot(pair * 2 + 1).seen.load(Relaxed)))
    }

    /// Whether this isn't the first packet of a flow that came up lately: most flows of one packet have no second one, and
    /// are not worth an entry. Two flows with the same place may be taken for each other, which costs an entry.
    fn came_before(&mut self, flow: &FlowId) -> bool {
        let hash = self.hasher.hash_one(flow);
        let fingerprint = (hash >> 32) as u32 | 1;
        let place = &mut self.once[hash as usize % ONCE];
        std::mem::replace(place, fingerprint) == fingerprint
    }

    /// Gives the tracked flows of a closed connection back, which are then forgotten in their own time. Its entries stay for
    /// a while: all its packets come up, and a new connection between the same ports finds them ready.
    fn give_back_if_closed(&mut self, pair: u32, tables: &Tables, flows: &mut FlowState) {
        let Some(progress) = progress(&self.maps.connections[pair as usize]).filter(is_closed) else { return };
        let seen = self.last_seen(pair);
        for key in std::mem::take(&mut self.pairs[pair as usize].flows).iter().flatten() {
            flows.release(key, progress, &settings(tables, key), seen);
        }
    }

    /// Has a pair whose connection was closed carry a new one between the same ports.
    fn take_up(&mut self, pair: u32, entry: &Entry, flows: &mut FlowState) {
        let is_over = progress(&self.maps.connections[pair as usize]).is_some_and(|progress| is_closed(&progress));
        if is_over && self.pairs[pair as usize].flows == [None; 2] {
            entry.flows.iter().flatten().for_each(|key| flows.hold(key));
            self.pairs[pair as usize].flows = entry.flows;
        }
    }

    /// Whether the program has nothing more to do with a pair: past its time, or closed or of no tracked flow and idle.
    fn is_over(&mut self, pair: u32, tables: &Tables, now: Nanos) -> bool {
        let connection = &self.maps.connections[pair as usize];
        let progress = progress(connection).filter(|progress| !is_closed(progress));
        if state(connection) != self.pairs[pair as usize].state {
            self.set_patience(pair, tables);
        }
        let patience = match progress {
            Some(_) => self.slot(pair * 2).patience.load(Relaxed),
            None => IDLE,
        };
        now.0.saturating_sub(self.last_seen(pair).0) > patience
    }

    /// Writes what the flow state knows of a connection into the memory that the program goes by.
    fn publish(&mut self, pair: u32, tables: &Tables, flows: &FlowState) {
        let keys = self.pairs[pair as usize].flows;
        let connection = &self.maps.connections[pair as usize];
        let Some(key) = keys.iter().flatten().next() else { return };
        let Some(tracking) = flows.tracked(key) else { return };
        if progress(connection) != Some(tracking.progress) {
            let originator = match (keys[0].is_some(), tracking.originated) {
                (true, Direction::Egress) | (false, Direction::Ingress) => 0,
                _ => 1,
            };
            set_connection(connection, Some((tracking.progress, originator, places(&keys))));
            self.set_patience(pair, tables);
        }
    }

    /// Has the program leave packets that come after too long a silence to user space.
    fn set_patience(&mut self, pair: u32, tables: &Tables) {
        let connection = &self.maps.connections[pair as usize];
        let keys = self.pairs[pair as usize].flows;
        let patience = progress(connection)
            .and_then(|progress| keys.iter().flatten().map(|key| progress.patience(&settings(tables, key))).min());
        let patience = patience.map_or(u64::MAX, |seconds| u64::from(seconds) * 1_000_000_000);
        for number in [pair * 2, pair * 2 + 1] {
            self.slot(number).patience.store(patience, Relaxed);
        }
        self.pairs[pair as usize].state = state(connection);
    }

    /// Makes room: what is closed goes first, whoever's it is; then, of those who have more than an equal share, what is half
    /// open or idle; then whatever they have. Looks at a part of the table at each call.
    fn evict(&mut self, tables: &Tables, flows: &mut FlowState, now: Nanos) {
        let share = self.capacity() / self.ports.len().max(1);
        let count = self.pairs.len();
        let looked_at = count.div_ceil(PARTS);
        for worth in [Worth::Nothing, Worth::Little, Worth::Something] {
            for step in 0..looked_at {
                if self.room() >= self.capacity() / RESERVE {
                    return;
                }
                let pair = ((self.evicted_to + step) % count) as u32;
                let owner = self.pairs[pair as usize].owner;
                let is_greedy = || self.ports.get(&owner).is_none_or(|port| port.pairs as usize > share);
                if owner != 0 && self.worth(pair, now) <= worth && (worth == Worth::Nothing || is_greedy()) {
                    self.retire(pair, tables, flows);
                }
            }
        }
        self.evicted_to = (self.evicted_to + looked_at) % count.max(1);
    }

    fn worth(&self, pair: u32, now: Nanos) -> Worth {
        const SECOND: u64 = 1_000_000_000;
        let idle = now.0.saturating_sub(self.last_seen(pair).0);
        match progress(&self.maps.connections[pair as usize]) {
            Some(progress) if is_closed(&progress) => Worth::Nothing,
            None if idle > SECOND => Worth::Nothing,
            Some(Progress::Tcp(Connection { phase: Phase::SynSent | Phase::SynAnswered, .. })) if idle > SECOND => Worth::Little,
            _ if idle > 5 * SECOND => Worth::Little,
            _ => Worth::Something,
        }
    }

    /// Pairs that are free, or will be after a grace period.
    fn room(&self) -> usize {
        self.free.len() + self.retired.len() + (self.capacity() - self.pairs.len())
    }
}

/// How much it would cost to judge a pair's next packet in user space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Nothing,
    Little,
    Something,
}

impl Entry {
    fn short_legs(&self) -> [Option<ShortLeg>; 2] {
        let after = behind(&self.flow.header(), &self.action);
        self.legs.map(|leg| {
            let leg = leg?;
            let is_behind = (leg.source, leg.destination) == (after.source, after.destination);
            let Leg { eni, direction, action: judgement, path, .. } = leg;
            Some(ShortLeg { eni, direction, judgement, path, is_behind })
        })
    }
}

/// Two interfaces see a connection differently.
struct Conflict;

/// The scope of a VPC's rules. Several VPCs may share one, at the cost of being judged again for each other's changes.
pub(super) fn scope_of_vpc(index: u32) -> u16 {
    (1 + index % (SCOPES - 1)) as u16
}

impl Action {
    /// The scopes of a verdict that rests on these VPCs, and perhaps on who has a public address.
    pub(crate) fn scopes(vpcs: [Option<u32>; 2], internet: bool) -> Option<[u16; 3]> {
        let vpcs = vpcs.into_iter().flatten().map(scope_of_vpc);
        let mut all = vpcs.chain(internet.then_some(INTERNET));
        let first = all.next()?;
        Some([first, all.next().unwrap_or(first), all.next().unwrap_or(first)])
    }
}

fn settings(tables: &Tables, key: &FlowKey) -> TrackingTimeouts {
    tables.eni(key.eni()).map(|entry| entry.eni.tracking).unwrap_or_default()
}

fn same_flows(one: [Option<FlowKey>; 2], other: [Option<FlowKey>; 2]) -> bool {
    one == other || one == [other[1], other[0]]
}

/// What a packet looks like when it leaves.
pub(crate) fn behind(before: &HeaderView, action: &Action) -> HeaderView {
    let mut after = *before;
    if action.has(Action::NEW_SOURCE) {
        after.source = std::net::Ipv4Addr::from(action.new_source).into();
    }
    if action.has(Action::NEW_DESTINATION) {
        after.destination = std::net::Ipv4Addr::from(action.new_destination).into();
    }
    if let openvpc_pipeline::Transport::Ports { src, dst } = &mut after.transport {
        if action.has(Action::NEW_SOURCE_PORT) {
            *src = u16::from_be_bytes(action.new_ports[0]);
        }
        if action.has(Action::NEW_DESTINATION_PORT) {
            *dst = u16::from_be_bytes(action.new_ports[1]);
        }
    }
    after
}

fn is_closed(progress: &Progress) -> bool {
    matches!(progress, Progress::Tcp(connection) if connection.is_closed())
}

fn state(connection: &SharedConnection) -> [u8; 8] {
    std::array::from_fn(|octet| connection.state[octet].load(Relaxed))
}

/// How far a connection is that the program carries; none for flows that nobody tracks.
fn progress(connection: &SharedConnection) -> Option<Progress> {
    let [kind, _, phase, originator, responder, asking, exchanges, _] = state(connection);
    let end = |octet, which: usize| match octet {
        0 => End::Open,
        1 => End::Finished(connection.finished[which].load(Relaxed)),
        _ => End::Acknowledged,
    };
    Some(match kind {
        TCP_CONNECTION => {
            let ends = [end(originator, 0), end(responder, 1)];
            let phase = match phase {
                _ if ends == [End::Acknowledged; 2] => Phase::Closed,
                0 => Phase::SynSent,
                1 => Phase::SynAnswered,
                2 => Phase::Established,
                _ => Phase::Closed,
            };
            Progress::Tcp(Connection { phase, ends })
        }
        UDP_EXCHANGES => Progress::Udp(Exchanges { completed: exchanges, asking: asking != 0 }),
        ICMP_QUERY => Progress::Icmp,
        OTHER => Progress::Other,
        _ => return None,
    })
}

/// At which ends a flow is tracked: where its packets leave an interface 1, where they come to one 2.
fn places(flows: &[Option<FlowKey>; 2]) -> u8 {
    u8::from(flows[0].is_some()) | u8::from(flows[1].is_some()) << 1
}

/// Writes how far a connection is, which direction it began in, and at which ends it is tracked.
fn set_connection(connection: &SharedConnection, tracking: Option<(Progress, u8, u8)>) {
    let mut state = [0; 8];
    if let Some((progress, originator, tracked_at)) = tracking {
        (state[1], state[7]) = (originator, tracked_at);
        match progress {
            Progress::Tcp(Connection { phase, ends }) => {
                state[0] = TCP_CONNECTION;
                state[2] = match phase {
                    Phase::SynSent => 0,
                    Phase::SynAnswered => 1,
                    Phase::Established => 2,
                    Phase::Closed => 3,
                };
                for (which, end) in ends.into_iter().enumerate() {
                    state[3 + which] = match end {
                        End::Open => 0,
                        End::Finished(number) => {
                            connection.finished[which].store(number, Relaxed);
                            1
                        }
                        End::Acknowledged => 2,
                    };
                }
            }
            Progress::Udp(Exchanges { completed, asking }) => {
                (state[0], state[5], state[6]) = (UDP_EXCHANGES, asking.into(), completed);
            }
            Progress::Icmp => state[0] = ICMP_QUERY,
            Progress::Other => state[0] = OTHER,
        }
    }
    for (place, octet) in connection.state.iter().zip(state) {
        place.store(octet, Release);
    }
}

/// The kinds of `struct connection`.
const TCP_CONNECTION: u8 = 1;
const UDP_EXCHANGES: u8 = 2;
const OTHER: u8 = 3;
const ICMP_QUERY: u8 = 4;

/// The scope of who has a public address.
const INTERNET: u16 = 0;
/// Elements of the map of generations.
const SCOPES: u32 = 4096;

/// In how many parts all flows are looked at by [`FastPath::collect`].
const PARTS: usize = 5;
/// Places for fingerprints of flows of one packet.
const ONCE: usize = 1 << 16;
/// Pairs judged again at once.
const REFRESH: usize = 64;
/// Nanoseconds without a packet after which a flow that nobody tracks is forgotten.
const IDLE: u64 = 15_000_000_000;
/// The part of the table that is kept free for those who have less than their share.
const RESERVE: usize = 16;

/// Nanoseconds of budget that a miss takes where user space keeps up: 500,000 misses a second.
const MISS_COST: u64 = 2_000;
/// Nanoseconds of budget that may be saved up.
const MISS_BURST: u64 = MOST_AT_ONCE * MISS_COST;
/// Misses at once at most; a part of what fits the queue.
const MOST_AT_ONCE: u64 = 2048;
/// Nanoseconds between two looks at who has how many misses.
pub(crate) const BALANCE_EVERY: u64 = 100_000_000;
