//! What security groups remember: the flows that each interface tracks.
//!
//! A tracked flow is found by interface and by its two ends as the interface sees them, so that both directions of a flow
//! find the same entry with one lookup, and an appliance that passes a packet on has one entry for the way in and another
//! for the way out. The table grows when it is full, which is the only time a packet's way allocates, and [`FlowState::sweep`]
//! makes that rare; an interface's share is limited by its allowance.

mod fragments;
mod key;
mod port_map;
mod service_use;
mod tcp;
mod tuple;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use openvpc_model::Direction;
use openvpc_model::interface::TrackingTimeouts;

use crate::compile::{EniIndex, GatewayIndex, Gateways, Interfaces, Tables};
use crate::time::Nanos;
use crate::verdict::Through;

pub(crate) use fragments::{DatagramKey, Fragments};
pub(crate) use key::Flow;
pub use key::FlowKey;
pub use port_map::{CONNECTIONS, GatewayCounters, IDLE as NAT_IDLE, MappingKey, Passed};
pub(crate) use port_map::{Found, Outward, PortMap, Refusal};
pub(crate) use service_use::ServiceUse;
pub use tcp::{Connection, End, Phase};
use tcp::{Segment, Side};
pub(crate) use tuple::Tuple;

/// How many flows an interface may have tracked at once. AWS documents the limit's existence, not its size.
pub const ALLOWANCE: u32 = 262_144;

/// All tracked flows, and the fragments that wait for their siblings.
#[derive(Debug)]
pub struct FlowState {
    flows: HashTable<Tracked>,
    hasher: RandomState,
    /// Flows by index of interface.
    counts: Vec<u32>,
    /// The interfaces of the last tables.
    interfaces: Interfaces,
    allowance: u32,
    /// The bucket at which the next sweep goes on.
    cursor: usize,
    pub(crate) fragments: Fragments,
    pub(crate) service_use: ServiceUse,
    /// What gateways remember.
    pub(crate) gateways: PortMap,
    /// The gateways of the last tables.
    known_gateways: Gateways,
}

/// What the table knows of a packet's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing: rules decide.
    Unknown,
    /// The packet belongs to a tracked flow.
    Tracked,
    /// The packet belongs to a connection that was closed.
    Closed,
    /// The packet opens a connection between the ends of one that was closed.
    Reopened,
}

/// The interface's allowance is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AllowanceExceeded;

#[derive(Clone, Copy, Debug)]
struct Tracked {
    key: FlowKey,
    expires: Nanos,
    /// The direction of the first packet.
    originated: Direction,
    progress: Progress,
    /// How many hold it: as long as somebody does, it doesn't expire.
    holders: u8,
}

/// How far a tracked flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A TCP connection.
    Tcp(Connection),
    /// Datagrams to and fro.
    Udp(Exchanges),
    /// An ICMP query and its answers.
    Icmp,
    /// Packets of other protocols.
    Other,
}

/// How often request and answer went by over UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchanges {
    /// Answers that followed a request; 2 stands for more.
    pub completed: u8,
    /// The last packet was the originator's.
    pub asking: bool,
}

/// A tracked flow as [`FlowState::tracked`] shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// The direction of the first packet, at the interface.
    pub originated: Direction,
    /// How far it is.
    pub progress: Progress,
}

impl FlowState {
    /// State for about that many flows; it grows when there are more.
    pub fn new(capacity_hint: usize) -> Self {
        Self::with_allowance(capacity_hint, ALLOWANCE)
    }

    /// The same, with another allowance per interface.
    pub fn with_allowance(capacity_hint: usize, allowance: u32) -> Self {
        Self {
            flows: HashTable::with_capacity(capacity_hint),
            hasher: RandomState::default(),
            counts: Vec::new(),
            interfaces: Interfaces::default(),
            allowance,
            cursor: 0,
            fragments: Fragments::default(),
            service_use: ServiceUse::default(),
            gateways: PortMap::default(),
            known_gateways: Gateways::default(),
        }
    }

    /// With the first tables and after every swap: drops the state of interfaces that are gone and makes room for new ones.
    pub fn sync(&mut self, tables: &Tables) {
        let interfaces = tables.interfaces();
        if interfaces.given() > self.counts.len() {
            self.counts.resize(interfaces.given(), 0);
        }
        self.service_use.make_room(interfaces.given());
        let mut has_orphans = false;
        for index in interfaces.gone_since(&self.interfaces) {
            has_orphans |= self.counts.get_mut(index as usize).is_some_and(|count| std::mem::take(count) > 0);
        }
        if has_orphans {
            self.flows.retain(|flow| tables.eni(flow.key.eni()).is_some());
        }
        self.interfaces = interfaces.clone();
        let gateways = tables.gateways();
        if gateways.gone_since(&self.known_gateways).next().is_some() {
            self.gateways.retain(|gateway| tables.gateway(gateway).is_some());
        }
        self.known_gateways = gateways.clone();
    }

    /// Forgets flows that are past their time, looking at `budget` places of the table, and grows the table ahead of need.
    /// Call it often with a small budget.
    pub fn sweep(&mut self, now: Nanos, budget: usize) {
        self.gateways.sweep(now, budget);
        let buckets = self.flows.num_buckets();
        for _ in 0..budget.min(buckets) {
            self.cursor = if self.cursor + 1 < buckets { self.cursor + 1 } else { 0 };
            if self.flows.get_bucket(self.cursor).is_some_and(|flow| flow.is_past(now))
                && let Ok(entry) = self.flows.get_bucket_entry(self.cursor)
            {
                let (flow, _) = entry.remove();
                self.uncount(flow.key.eni());
            }
        }
        let spare = self.flows.capacity() - self.flows.len();
        if spare < self.flows.capacity() / 8 {
            let hasher = &self.hasher;
            self.flows.reserve(self.flows.capacity() / 2, |flow| hasher.hash_one(flow.key));
        }
    }

    /// A tracked flow; none when it is forgotten.
    pub fn tracked(&self, key: &FlowKey) -> Option<Tracking> {
        let found = self.flows.find(self.hasher.hash_one(key), |tracked| tracked.key == *key)?;
        Some(Tracking { originated: found.originated, progress: found.progress })
    }

    /// Keeps a flow, however long no packet of it comes by here, since its packets pass elsewhere. Whoever holds a flow
    /// tells how it went on by [`Self::observe`], before its next packet is judged, and by [`Self::release`].
    pub fn hold(&mut self, key: &FlowKey) {
        if let Some(tracked) = self.find_mut(key) {
            tracked.holders = tracked.holders.saturating_add(1);
        }
    }

    /// Takes over how far a flow is.
    pub fn observe(&mut self, key: &FlowKey, progress: Progress) {
        if let Some(tracked) = self.find_mut(key) {
            tracked.progress = progress;
        }
    }

    /// Lets go of a flow that was held; its last packet came by at `seen`.
    pub fn release(&mut self, key: &FlowKey, progress: Progress, settings: &TrackingTimeouts, seen: Nanos) {
        if let Some(tracked) = self.find_mut(key) {
            tracked.progress = progress;
            tracked.holders = tracked.holders.saturating_sub(1);
            tracked.expires = tracked.expires.max(seen.after_seconds(progress.patience(settings)));
            if progress.is_closed() {
                tracked.expires = seen.after_seconds(progress.patience(settings));
            }
        }
    }

    /// Tracks a flow again that was tracked before the daemon was started anew.
    pub fn restore(&mut self, key: FlowKey, tracking: Tracking, settings: &TrackingTimeouts, seen: Nanos) {
        let expires = seen.after_seconds(tracking.progress.patience(settings));
        let tracked = Tracked { key, expires, originated: tracking.originated, progress: tracking.progress, holders: 0 };
        if self.find_mut(&key).is_none() {
            self.insert(tracked);
        }
    }

    /// How far the connection of a flow is that a gateway remembers; none when it is forgotten.
    pub fn mapped(&self, key: &MappingKey) -> Option<Progress> {
        self.gateways.progress(key)
    }

    /// As [`Self::hold`], for a flow that a gateway remembers.
    pub fn hold_mapping(&mut self, key: &MappingKey) {
        self.gateways.hold(key);
    }

    /// As [`Self::observe`], for a flow that a gateway remembers.
    pub fn observe_mapping(&mut self, key: &MappingKey, progress: Progress) {
        self.gateways.observe(key, progress);
    }

    /// As [`Self::release`], for a flow that a gateway remembers.
    pub fn release_mapping(&mut self, key: &MappingKey, progress: Option<Progress>, seen: Nanos) {
        self.gateways.release(key, progress, seen);
    }

    /// Counts packets that went through a gateway, or were dropped behind its door.
    pub fn count_through(&mut self, through: &Through, packets: u64, bytes: u64, delivered: bool) {
        let add = |passed: &mut Passed| {
            passed.packets += packets;
            passed.bytes += bytes;
        };
        let is_answer = through.direction == Direction::Ingress;
        if is_answer && packets > 0 {
            self.gateways.note_answer_of(&through.mapping);
        }
        let counters = self.gateways.counters_mut(through.mapping.gateway());
        let (came, went) = match is_answer {
            true => (&mut counters.in_from_destination, &mut counters.out_to_source),
            false => (&mut counters.in_from_source, &mut counters.out_to_destination),
        };
        add(came);
        if delivered {
            add(went);
        }
    }

    /// Counts packets that a gateway dropped by itself.
    pub fn count_dropped(&mut self, gateway: GatewayIndex, packets: u64) {
        self.gateways.counters_mut(gateway).dropped_packets += packets;
    }

    /// What a gateway counted.
    pub fn gateway_counters(&self, gateway: GatewayIndex) -> GatewayCounters {
        self.gateways.counters(gateway)
    }

    /// How many flows gateways remember.
    pub fn mappings(&self) -> usize {
        self.gateways.len()
    }

    /// Notes that a connection was broken off at an interface by who answered in the other end's place.
    pub(crate) fn close(&mut self, key: &FlowKey, now: Nanos) {
        if let Some(tracked) = self.find_mut(key)
            && let Progress::Tcp(connection) = &mut tracked.progress
        {
            connection.phase = Phase::Closed;
            tracked.expires = now.after_seconds(tcp::CLOSED);
        }
    }

    /// Forgets flows of an interface that are past their time or closed, as far as they are found soon: an allowance is for
    /// connections that live.
    fn make_room(&mut self, eni: EniIndex, now: Nanos) {
        let buckets = self.flows.num_buckets();
        for _ in 0..SWEEP_WHEN_FULL.min(buckets) {
            self.cursor = if self.cursor + 1 < buckets { self.cursor + 1 } else { 0 };
            let is_over =
                |flow: &Tracked| flow.key.eni() == eni && flow.holders == 0 && (flow.is_past(now) || flow.progress.is_closed());
            if self.flows.get_bucket(self.cursor).is_some_and(is_over)
                && let Ok(entry) = self.flows.get_bucket_entry(self.cursor)
            {
                entry.remove();
                self.uncount(eni);
            }
        }
    }

    fn find_mut(&mut self, key: &FlowKey) -> Option<&mut Tracked> {
        self.flows.find_mut(self.hasher.hash_one(key), |tracked| tracked.key == *key)
    }

    fn insert(&mut self, tracked: Tracked) {
        let eni = tracked.key.eni().0 as usize;
        if eni >= self.counts.len() {
            self.counts.resize(eni + 1, 0);
        }
        self.counts[eni] += 1;
        let hasher = &self.hasher;
        self.flows.insert_unique(hasher.hash_one(tracked.key), tracked, |flow| hasher.hash_one(flow.key));
    }

    /// How many flows are tracked, those past their time but not swept included.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether no flow is tracked.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Finds a packet's flow and takes notice of the packet.
    #[inline]
    pub(crate) fn meet(&mut self, flow: &Flow, settings: &TrackingTimeouts, now: Nanos) -> Standing {
        let hash = self.hasher.hash_one(flow.key);
        let Some(tracked) = self.flows.find_mut(hash, |tracked| tracked.key == flow.key) else { return Standing::Unknown };
        tracked.meet(flow, settings, now)
    }

    /// What [`Self::meet`] would say, without taking notice.
    pub(crate) fn peek(&self, flow: &Flow, settings: &TrackingTimeouts, now: Nanos) -> Standing {
        let hash = self.hasher.hash_one(flow.key);
        let found = self.flows.find(hash, |tracked| tracked.key == flow.key);
        found.map_or(Standing::Unknown, |tracked| { *tracked }.meet(flow, settings, now))
    }

    /// Tracks a flow of which the first packet was admitted by a rule.
    pub(crate) fn open(&mut self, flow: &Flow, settings: &TrackingTimeouts, now: Nanos) -> Result<(), AllowanceExceeded> {
        let tracked = Tracked::first(flow, settings, now);
        if let Some(stale) = self.find_mut(&flow.key) {
            *stale = Tracked { holders: stale.holders, ..tracked };
            return Ok(());
        }
        if !self.has_room(flow.key.eni()) {
            self.make_room(flow.key.eni(), now);
            if !self.has_room(flow.key.eni()) {
                return Err(AllowanceExceeded);
            }
        }
        self.insert(tracked);
        Ok(())
    }

    /// Drops the memory of a flow.
    pub(crate) fn forget(&mut self, flow: &Flow) {
        let hash = self.hasher.hash_one(flow.key);
        if let Ok(entry) = self.flows.find_entry(hash, |tracked| tracked.key == flow.key) {
            entry.remove();
            self.uncount(flow.key.eni());
        }
    }

    fn has_room(&self, eni: EniIndex) -> bool {
        self.counts.get(eni.0 as usize).is_none_or(|count| *count < self.allowance)
    }

    fn uncount(&mut self, eni: EniIndex) {
        if let Some(count) = self.counts.get_mut(eni.0 as usize) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Tracked {
    fn first(flow: &Flow, settings: &TrackingTimeouts, now: Nanos) -> Self {
        let progress = Progress::first(flow.key.protocol());
        let mut tracked = Self { key: flow.key, expires: now, originated: flow.direction, progress, holders: 0 };
        tracked.expires = now.after_seconds(progress.patience(settings));
        tracked
    }

    fn meet(&mut self, flow: &Flow, settings: &TrackingTimeouts, now: Nanos) -> Standing {
        if self.is_past(now) {
            return Standing::Unknown;
        }
        let side = if flow.direction == self.originated { Side::Originator } else { Side::Responder };
        if self.progress.is_closed() {
            let starts_anew = flow.segment.is_some_and(|segment| segment.opens());
            return if starts_anew { Standing::Reopened } else { Standing::Closed };
        }
        self.progress.advance(side, flow.segment);
        self.expires = now.after_seconds(self.progress.patience(settings));
        Standing::Tracked
    }

    fn is_past(&self, now: Nanos) -> bool {
        self.expires <= now && self.holders == 0
    }
}

impl Progress {
    /// As far as the first packet of a flow takes it.
    fn first(protocol: u8) -> Self {
        match protocol {
            6 => Self::Tcp(Connection::opening()),
            17 => Self::Udp(Exchanges { completed: 0, asking: true }),
            1 | 58 => Self::Icmp,
            _ => Self::Other,
        }
    }

    /// Takes notice of another packet.
    fn advance(&mut self, side: Side, segment: Option<Segment>) {
        match (self, segment) {
            (Self::Tcp(connection), Some(segment)) => connection.advance(side, segment),
            (Self::Udp(exchanges), _) => exchanges.advance(side),
            _ => {}
        }
    }

    /// Whether it is a connection that is over.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Tcp(connection) if connection.is_closed())
    }

    /// After how many seconds without a packet the flow is forgotten.
    pub fn patience(&self, settings: &TrackingTimeouts) -> u32 {
        match self {
            Self::Tcp(connection) => connection.timeout(settings),
            Self::Udp(Exchanges { completed: 0 | 1, .. }) => settings.udp.unwrap_or(UDP),
            Self::Udp(_) => settings.udp_stream.unwrap_or(UDP_STREAM),
            Self::Icmp => ICMP,
            Self::Other => OTHER,
        }
    }
}

impl Exchanges {
    /// Takes notice of a datagram of either end: for tests of those who take connections further elsewhere.
    #[cfg(any(test, feature = "testing"))]
    pub fn meet(&mut self, is_originators: bool) {
        self.advance(if is_originators { Side::Originator } else { Side::Responder });
    }

    fn advance(&mut self, side: Side) {
        match side {
            Side::Originator => self.asking = true,
            Side::Responder if self.asking => {
                self.asking = false;
                self.completed = (self.completed + 1).min(2);
            }
            Side::Responder => {}
        }
    }
}

/// Default of UdpTimeout, in seconds: one direction, or one request and its answer.
const UDP: u32 = 30;
/// Default of UdpStreamTimeout, in seconds: more than one request with an answer.
const UDP_STREAM: u32 = 180;
/// ICMP queries. AWS doesn't document it; Linux has the same.
const ICMP: u32 = 30;
/// Protocols other than TCP, UDP and ICMP.
const OTHER: u32 = 600;
/// How many places are looked at for a flow past its time before a new one is refused.
const SWEEP_WHEN_FULL: usize = 1024;
