//! What user space knows of the flows that the program carries.

mod adopt;
mod budget;
mod live;
mod shared_state;
mod upkeep;

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::atomic::Ordering::{Relaxed, Release};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};
use openvpc_model::Direction;
use openvpc_model::interface::TrackingTimeouts;
use openvpc_pipeline::verdict::{Action as Judgement, Basis, Code, Leg, Legs, RejectReason, Through, TrafficPath};
use openvpc_pipeline::{
    EniIndex, FlowKey, FlowState, GatewayIndex, HeaderView, MappingKey, NAT_IDLE, Nanos, Progress, Tables, Tracking, Transport,
};

use super::grace::Grace;
use super::layout::{Action, FlowId, PortBudget, Slot};
use super::program::FastMaps;
use crate::DatapathError;
use crate::engine::PortId;
use crate::netlink::Wire;

#[cfg(test)]
mod tests;

pub use live::LiveFlow;
use shared_state::{places, progress, set_connection, state};
use upkeep::Eviction;

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
    /// Pairs looked at so far, and how many are to be.
    looked_at: u64,
    look_at: u64,
    eviction: Eviction,
    /// Where judging flows again goes on, after rules changed.
    stale: Option<usize>,
    /// The flows of an earlier daemon go on, but it isn't known yet what they are.
    adopting: bool,
    /// Flows that are refused for want of a rule, by the place of the interface among the scopes.
    refusals: Vec<u32>,
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
    /// Misses of links that are gone, and what was dropped of theirs because their budget was used up.
    departed: (u64, u64),
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
    /// The flow as a gateway on the way remembers it.
    mapping: Option<MappingKey>,
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
    legs: KnownLegs,
    /// Boxed, since few flows have one.
    through: Option<Box<Through>>,
    dropped_at: Option<GatewayIndex>,
}

/// The legs of a flow.
#[derive(Clone, PartialEq, Eq)]
enum KnownLegs {
    /// Those that see it as it comes or as it leaves.
    Short([Option<ShortLeg>; 2]),
    /// Any others: behind a NAT gateway, a packet looks different from both.
    Long(Box<[Leg]>),
}

/// A [`Leg`] without what the flow says already.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ShortLeg {
    eni: EniIndex,
    direction: Direction,
    judgement: Judgement,
    path: Option<TrafficPath>,
    reason: Option<RejectReason>,
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
    /// Frames over its budget that were told to whoever counts them.
    refused: u64,
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
    pub legs: Legs,
    pub flows: [Option<FlowKey>; 2],
    pub through: Option<Through>,
    /// The NAT gateway that drops it, which counts that.
    pub dropped_at: Option<GatewayIndex>,
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
    pub legs: &'a Legs,
}

impl FastPath {
    pub fn new(maps: FastMaps) -> Result<Self, DatapathError> {
        let capacity = maps.connections.len();
        Ok(Self {
            adopting: maps.adopted,
            refusals: vec![0; SCOPES as usize],
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
            looked_at: 0,
            look_at: 0,
            eviction: Eviction::default(),
            stale: None,
            counts: Counts::default(),
        })
    }

    /// Has misses handed up by that link; 0 for none at all.
    pub fn set_punt(&self, link: u32) {
        self.maps.settings[0].punt.store(link, Release);
    }

    /// Takes notice of a link that has the program in front, and lets its misses come up.
    pub fn add_port(&mut self, place: PortId, wire: Wire) -> Result<(), DatapathError> {
        let link = wire.index.0;
        // The services answer what they were asked, and all their packets come up; only who asks has a budget.
        let miss_cost = if place == PortId::Services { NO_LIMIT } else { MISS_COST };
        self.maps.set_port(link, PortBudget { miss_cost, miss_burst: MISS_BURST, ..PortBudget::default() })?;
        self.ports.insert(link, Port { place, has_peer: wire.has_peer, pairs: 0, misses: 0, refused: 0, miss_cost });
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
                self.report(pair, flows, &mut report);
            }
        }
        let PortBudget { misses, refused, .. } = self.maps.port(link);
        self.counts.departed.0 += misses;
        self.counts.departed.1 += refused;
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
            if let Some(key) = &self.pairs[pair as usize].mapping {
                flows.observe_mapping(key, progress);
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
        let Some(pair) = self.allocate(entry.flow.port()) else {
            self.counts.refused += 1;
            return;
        };
        for key in entry.flows.iter().flatten() {
            flows.hold(key);
        }
        self.pairs[pair as usize].flows = entry.flows;
        self.pairs[pair as usize].mapping = entry.mapping();
        entry.mapping().iter().for_each(|key| flows.hold_mapping(key));
        set_connection(
            &self.maps.connections[pair as usize],
            tracking.map(|(progress, originator)| (progress, originator, places(&entry.flows, entry.through.is_some()))),
        );
        let answer = answer.filter(|answer| same_flows(answer.flows, entry.flows) && answer.mapping() == entry.mapping());
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

    /// Whether the program finds a flow.
    pub fn knows(&self, flow: &FlowId) -> bool {
        self.find(flow).is_some()
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
            && pair.mapping == entry.mapping()
            && self.action(number) == entry.action
            && told.is_some_and(|side| side.code == entry.code && entry.has_legs(&side.legs))
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
        if let Some(Through { mapping, direction }) = &entry.through {
            let here = (flows.mapped(mapping).ok_or(Conflict)?, u8::from(*direction == Direction::Ingress));
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
        self.count_refusal(&entry.action, true);
        let Entry { flow, to, code, through, dropped_at, .. } = entry;
        let side = Side { flow, to, code, legs: entry.known_legs(), through: through.map(Box::new), dropped_at };
        self.pairs[number as usize / 2].sides[number as usize % 2] = Some(side);
        let Self { index, hasher, pairs, .. } = self;
        let hash_of = |number: &u32| {
            let side = &pairs[*number as usize / 2].sides[*number as usize % 2];
            hasher.hash_one(side.as_ref().map_or(entry.flow, |side| side.flow))
        };
        index.insert_unique(hasher.hash_one(entry.flow), number, hash_of);
    }

    /// Counts flows that an interface refuses for want of a rule.
    fn count_refusal(&mut self, action: &Action, is_new: bool) {
        for scope in action.scope.iter().filter(|scope| u32::from(**scope) >= SCOPES).take(1) {
            let count = &mut self.refusals[usize::from(*scope) - SCOPES as usize];
            *count = if is_new { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    /// Takes notice of flows that interfaces track: what was refused there before may be an answer now, and is judged again.
    pub fn note_tracked(&mut self, flows: &[Option<FlowKey>; 2]) {
        for key in flows.iter().flatten() {
            let scope = usize::from(scope_of_eni(key.eni()));
            if self.refusals[scope - SCOPES as usize] > 0 {
                self.maps.generations[scope].fetch_add(1, Release);
            }
        }
    }

    /// Takes a pair away from the program, and gives its tracked flows back.
    fn retire(&mut self, pair: u32, tables: &Tables, flows: &mut FlowState) {
        if self.pairs[pair as usize].owner == 0 {
            return;
        }
        for number in [pair * 2, pair * 2 + 1] {
            let Some(flow) = self.active_flow(number) else { continue };
            self.maps.remove(&flow);
            self.count_refusal(&self.action(number), false);
            let hash = self.hasher.hash_one(flow);
            if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
                entry.remove();
            }
        }
        let kept = std::mem::take(&mut self.pairs[pair as usize].flows);
        let seen = self.last_seen(pair);
        let progress = progress(&self.maps.connections[pair as usize]);
        if let Some(key) = self.pairs[pair as usize].mapping.take() {
            flows.release_mapping(&key, progress, seen);
        }
        if let Some(progress) = progress {
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

    fn last_seen(&self, pair: u32) -> Nanos {
        Nanos(self.slot(pair * 2).seen.load(Relaxed).max(self.slot(pair * 2 + 1).seen.load(Relaxed)))
    }

    /// Whether this isn't the first packet of a flow that came up lately: most flows of one packet have no second one, and
    /// are not worth an entry. Two flows with the same place may be taken for each other, which costs an entry.
    pub fn came_before(&mut self, flow: &FlowId) -> bool {
        let hash = self.hasher.hash_one(flow);
        let fingerprint = (hash >> 32) as u32 | 1;
        let place = &mut self.once[hash as usize % ONCE];
        std::mem::replace(place, fingerprint) == fingerprint
    }

    /// Has a pair whose connection was closed carry a new one between the same ports.
    fn take_up(&mut self, pair: u32, entry: &Entry, flows: &mut FlowState) {
        let is_over = progress(&self.maps.connections[pair as usize]).is_some_and(|progress| progress.is_closed());
        if is_over && self.pairs[pair as usize].mapping.is_none() {
            entry.mapping().iter().for_each(|key| flows.hold_mapping(key));
            self.pairs[pair as usize].mapping = entry.mapping();
        }
        if is_over && self.pairs[pair as usize].flows == [None; 2] {
            entry.flows.iter().flatten().for_each(|key| flows.hold(key));
            self.pairs[pair as usize].flows = entry.flows;
        }
    }

    /// Writes what the flow state knows of a connection into the memory that the program goes by.
    fn publish(&mut self, pair: u32, tables: &Tables, flows: &FlowState) {
        let keys = self.pairs[pair as usize].flows;
        let connection = &self.maps.connections[pair as usize];
        let mapping = self.pairs[pair as usize].mapping;
        let Some(key) = keys.iter().flatten().next() else { return };
        let Some(tracking) = flows.tracked(key) else { return };
        if progress(connection) != Some(tracking.progress) {
            let originator = match (keys[0].is_some(), tracking.originated) {
                (true, Direction::Egress) | (false, Direction::Ingress) => 0,
                _ => 1,
            };
            set_connection(connection, Some((tracking.progress, originator, places(&keys, mapping.is_some()))));
            self.set_patience(pair, tables);
        }
    }

    /// Has the program leave packets that come after too long a silence to user space.
    fn set_patience(&mut self, pair: u32, tables: &Tables) {
        let connection = &self.maps.connections[pair as usize];
        let keys = self.pairs[pair as usize].flows;
        let of_gateway = self.pairs[pair as usize].mapping.map(|_| NAT_IDLE);
        let patience = progress(connection).and_then(|progress| {
            keys.iter().flatten().map(|key| progress.patience(&settings(tables, key))).chain(of_gateway).min()
        });
        let patience = patience.map_or(u64::MAX, |seconds| u64::from(seconds) * 1_000_000_000);
        for number in [pair * 2, pair * 2 + 1] {
            self.slot(number).patience.store(patience, Relaxed);
        }
        self.pairs[pair as usize].state = state(connection);
    }

    /// Pairs that are free, or will be after a grace period.
    fn room(&self) -> usize {
        self.free.len() + self.retired.len() + (self.capacity() - self.pairs.len())
    }
}

impl Entry {
    /// The flow as a gateway on the way remembers it.
    fn mapping(&self) -> Option<MappingKey> {
        self.through.map(|through| through.mapping)
    }

    /// The legs in as few octets as they fit.
    fn known_legs(&self) -> KnownLegs {
        self.short_legs().map_or_else(|| KnownLegs::Long(self.legs.iter().copied().collect()), KnownLegs::Short)
    }

    fn has_legs(&self, known: &KnownLegs) -> bool {
        match known {
            KnownLegs::Short(legs) => self.short_legs().as_ref() == Some(legs),
            KnownLegs::Long(legs) => legs.iter().eq(self.legs.iter()),
        }
    }

    /// None where a leg sees packets neither as they come nor as they leave, or there are too many.
    fn short_legs(&self) -> Option<[Option<ShortLeg>; 2]> {
        let before = self.flow.header();
        let after = behind(&before, &self.action);
        let mut short = [None; 2];
        for (place, leg) in self.legs.iter().enumerate() {
            let Leg { eni, direction, action: judgement, path, reason, .. } = *leg;
            let seen =
                HeaderView { source: leg.source, destination: leg.destination, protocol: leg.protocol, transport: leg.transport };
            let is_behind = seen == after;
            if !is_behind && seen != before {
                return None;
            }
            *short.get_mut(place)? = Some(ShortLeg { eni, direction, judgement, path, reason, is_behind });
        }
        Some(short)
    }
}

/// Two interfaces see a connection differently.
struct Conflict;

/// The scope of what an interface tracks: a flow that it refuses for want of a rule may be asked for later.
fn scope_of_eni(eni: EniIndex) -> u16 {
    (SCOPES + eni.0 % SCOPES) as u16
}

/// The scope of a VPC's rules. Several VPCs may share one, at the cost of being judged again for each other's changes.
pub(super) fn scope_of_vpc(index: u32) -> u16 {
    (1 + index % (SCOPES - 1)) as u16
}

impl Action {
    /// The scopes of what a verdict rests on: VPCs, perhaps who has a public address, perhaps what an interface does not
    /// track. None when there are more than a slot has room for.
    pub(crate) fn scopes(basis: &Basis) -> Option<[u16; 3]> {
        let [one, other] = basis.vpcs.map(|vpc| vpc.map(scope_of_vpc));
        let (internet, untracked) = (basis.internet.then_some(INTERNET), basis.refused_at.map(scope_of_eni));
        let all = [one, other.filter(|_| other != one), internet, untracked];
        let mut all = all.into_iter().flatten();
        let first = all.next()?;
        let scopes = [first, all.next().unwrap_or(first), all.next().unwrap_or(first)];
        all.next().is_none().then_some(scopes)
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
    let [source_port, destination_port] = action.new_ports.map(u16::from_be_bytes);
    let (mut none, mut other) = (0, 0);
    // The identifier of an echo is the port of the end that asks.
    let (source, destination) = match &mut after.transport {
        Transport::Ports { src, dst } => (src, dst),
        Transport::Icmp { kind: 8 | 128, id, .. } => (id, &mut none),
        Transport::Icmp { kind: 0 | 129, id, .. } => (&mut none, id),
        _ => (&mut none, &mut other),
    };
    if action.has(Action::NEW_SOURCE_PORT) {
        *source = source_port;
    }
    if action.has(Action::NEW_DESTINATION_PORT) {
        *destination = destination_port;
    }
    after
}

/// The scope of who has a public address.
const INTERNET: u16 = 0;
/// Half of the elements of the map of generations: those of VPCs and the internet; the others are of interfaces.
const SCOPES: u32 = 4096;

/// Places for fingerprints of flows of one packet.
const ONCE: usize = 1 << 16;
/// Pairs judged again at once.
const REFRESH: usize = 64;
/// The part of the table that is kept free for those who have less than their share.
const RESERVE: usize = 16;

/// Nanoseconds of budget that a miss takes where user space keeps up: 500,000 misses a second.
const MISS_COST: u64 = 2_000;
/// What a miss costs a link without a limit.
const NO_LIMIT: u64 = 0;
/// Nanoseconds of budget that may be saved up.
const MISS_BURST: u64 = MOST_AT_ONCE * MISS_COST;
/// Misses at once at most; a part of what fits the queue.
const MOST_AT_ONCE: u64 = 2048;
