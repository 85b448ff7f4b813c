//! What security groups remember: the flows that each interface tracks.
//!
//! A tracked flow is found by interface and by its two ends as the interface sees them, so that both directions of a flow
//! find the same entry with one lookup, and an appliance that passes a packet on has one entry for the way in and another
//! for the way out. The table grows when it is full, which is the only time a packet's way allocates, and [`FlowState::sweep`]
//! makes that rare; an interface's share is limited by its allowance.

mod fragments;
mod key;
mod tcp;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use openvpc_model::Direction;
use openvpc_model::interface::TrackingTimeouts;

use crate::compile::{EniIndex, Interfaces, Tables};
use crate::time::Nanos;

pub(crate) use fragments::{DatagramKey, Fragments};
pub(crate) use key::{Flow, FlowKey};
use tcp::{Connection, Side};

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
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    Tcp(Connection),
    Udp(Exchanges),
    Icmp,
    Other,
}

/// How often request and answer went by over UDP.
#[derive(Clone, Copy, Debug, Default)]
struct Exchanges {
    /// Answers that followed a request; 2 stands for more.
    completed: u8,
    /// The last packet was the originator's.
    asking: bool,
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
        }
    }

    /// With the first tables and after every swap: drops the state of interfaces that are gone and makes room for new ones.
    pub fn sync(&mut self, tables: &Tables) {
        let interfaces = tables.interfaces();
        if interfaces.given() > self.counts.len() {
            self.counts.resize(interfaces.given(), 0);
        }
        let mut has_orphans = false;
        for index in interfaces.gone_since(&self.interfaces) {
            has_orphans |= self.counts.get_mut(index as usize).is_some_and(|count| std::mem::take(count) > 0);
        }
        if has_orphans {
            self.flows.retain(|flow| tables.eni(flow.key.eni()).is_some());
        }
        self.interfaces = interfaces.clone();
    }

    /// Forgets flows that are past their time, looking at `budget` places of the table, and grows the table ahead of need.
    /// Call it often with a small budget.
    pub fn sweep(&mut self, now: Nanos, budget: usize) {
        let buckets = self.flows.num_buckets();
        for _ in 0..budget.min(buckets) {
            self.cursor = if self.cursor + 1 < buckets { self.cursor + 1 } else { 0 };
            if self.flows.get_bucket(self.cursor).is_some_and(|flow| flow.expires <= now)
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
        let hash = self.hasher.hash_one(flow.key);
        if let Some(stale) = self.flows.find_mut(hash, |tracked| tracked.key == flow.key) {
            *stale = tracked;
            return Ok(());
        }
        if !self.has_room(flow.key.eni()) {
            self.sweep(now, SWEEP_WHEN_FULL);
            if !self.has_room(flow.key.eni()) {
                return Err(AllowanceExceeded);
            }
        }
        let eni = flow.key.eni().0 as usize;
        if eni >= self.counts.len() {
            self.counts.resize(eni + 1, 0);
        }
        self.counts[eni] += 1;
        let hasher = &self.hasher;
        self.flows.insert_unique(hash, tracked, |flow| hasher.hash_one(flow.key));
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
        let progress = match flow.key.protocol() {
            6 => Progress::Tcp(Connection::opening()),
            17 => Progress::Udp(Exchanges { completed: 0, asking: true }),
            1 | 58 => Progress::Icmp,
            _ => Progress::Other,
        };
        let mut tracked = Self { key: flow.key, expires: now, originated: flow.direction, progress };
        tracked.expires = now.after_seconds(tracked.timeout(settings));
        tracked
    }

    fn meet(&mut self, flow: &Flow, settings: &TrackingTimeouts, now: Nanos) -> Standing {
        if self.expires <= now {
            return Standing::Unknown;
        }
        let side = if flow.direction == self.originated { Side::Originator } else { Side::Responder };
        match (&mut self.progress, flow.segment) {
            (Progress::Tcp(connection), segment) if connection.is_closed() => {
                let starts_anew = segment.is_some_and(|segment| segment.opens());
                return if starts_anew { Standing::Reopened } else { Standing::Closed };
            }
            (Progress::Tcp(connection), Some(segment)) => connection.advance(side, segment),
            (Progress::Udp(exchanges), _) => exchanges.advance(side),
            _ => {}
        }
        self.expires = now.after_seconds(self.timeout(settings));
        Standing::Tracked
    }

    fn timeout(&self, settings: &TrackingTimeouts) -> u32 {
        match &self.progress {
            Progress::Tcp(connection) => connection.timeout(settings),
            Progress::Udp(Exchanges { completed: 0 | 1, .. }) => settings.udp.unwrap_or(UDP),
            Progress::Udp(_) => settings.udp_stream.unwrap_or(UDP_STREAM),
            Progress::Icmp => ICMP,
            Progress::Other => OTHER,
        }
    }
}

impl Exchanges {
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
