//! What gateways remember: the port maps of NAT gateways, and the flows that went out through egress-only internet gateways.
//!
//! A mapping has an inside, the flow as its first packet came in, and an outside, the flow as it went on. A NAT gateway puts
//! one of its addresses and a port in the source's place; an egress-only internet gateway changes nothing. What comes
//! back is found by the outside, what goes out by the inside, each with one lookup.
//!
//! A port is free as long as no other mapping has the same outside, so one port serves as many flows as there are
//! destinations. To find a free one, a few places are tried that follow from the inside by hash, which finds one
//! soon however full the map is; then all of them in turn.

use std::hash::{BuildHasher, Hash};
use std::net::Ipv4Addr;

use foldhash::fast::{FixedState, RandomState};
use hashbrown::HashTable;

use super::tcp::Side;
use super::tuple::Tuple;
use super::{Connection, Progress};
use crate::compile::GatewayIndex;
use crate::time::Nanos;
use crate::wire::TcpInfo;

/// How many connections an address of a NAT gateway has at once to one address, port and protocol. See "NAT gateway
/// basics" in the VPC User Guide.
pub const CONNECTIONS: u32 = 55_000;

/// A flow that a gateway remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MappingKey {
    pub(crate) gateway: GatewayIndex,
    pub(crate) inside: Tuple,
}

impl MappingKey {
    /// The gateway.
    pub fn gateway(&self) -> GatewayIndex {
        self.gateway
    }
}

/// What a gateway counted; CloudWatch's names are in the documentation of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayCounters {
    /// ActiveConnectionCount: mappings of which the connection isn't closed.
    pub active_connections: u64,
    /// ConnectionAttemptCount: mappings made.
    pub connection_attempts: u64,
    /// ConnectionEstablishedCount: mappings of which an answer came by.
    pub connections_established: u64,
    /// ErrorPortAllocation: packets for which there was no port.
    pub port_allocation_errors: u64,
    /// IdleTimeoutCount: connections that ended because nothing passed for 350 seconds.
    pub idle_timeouts: u64,
    /// PacketsDropCount: packets that the gateway itself dropped.
    pub dropped_packets: u64,
    /// PacketsInFromSource and BytesInFromSource.
    pub in_from_source: Passed,
    /// PacketsOutToDestination and BytesOutToDestination.
    pub out_to_destination: Passed,
    /// PacketsInFromDestination and BytesInFromDestination.
    pub in_from_destination: Passed,
    /// PacketsOutToSource and BytesOutToSource.
    pub out_to_source: Passed,
}

/// A number of packets, and of their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// IP datagrams.
    pub packets: u64,
    /// Sum of their lengths.
    pub bytes: u64,
}

/// All mappings of all gateways.
#[derive(Debug, Default)]
pub(crate) struct PortMap {
    mappings: Vec<Option<Mapping>>,
    free: Vec<u32>,
    inside: HashTable<u32>,
    outside: HashTable<u32>,
    destinations: HashTable<Destination>,
    counters: Vec<GatewayCounters>,
    hasher: RandomState,
    /// Where the next sweep goes on.
    cursor: usize,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    key: MappingKey,
    outside: Tuple,
    progress: Progress,
    expires: Nanos,
    holders: u8,
    /// Whether something came back.
    is_answered: bool,
}

/// The connections of one address to one destination.
#[derive(Clone, Copy, Debug)]
struct Destination {
    gateway: GatewayIndex,
    /// The outside of any of them, with source port 0.
    ends: Tuple,
    /// Mappings, closed ones included.
    mappings: u32,
    /// Of these, those that aren't closed.
    active: u32,
    /// The port at which looking for a free one goes on.
    next: u16,
}

/// A packet on its way out.
pub(crate) struct Outward<'a> {
    pub gateway: GatewayIndex,
    pub inside: Tuple,
    /// The outside, but for the source.
    pub outside: Tuple,
    /// The addresses that may become the source; the inside stays as it is when there are none.
    pub sources: &'a [Ipv4Addr],
    pub tcp: Option<TcpInfo>,
    /// Whether a TCP segment may be the first of a mapping though it doesn't open a connection.
    pub takes_up: bool,
}

/// Why a packet can't go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No port is free.
    Exhausted,
    /// A TCP segment of a connection that isn't known.
    Unknown,
}

/// A mapping that a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub key: MappingKey,
    pub outside: Tuple,
    /// Whether it is remembered; not when it would have been made but for a preview.
    pub is_kept: bool,
}

impl PortMap {
    /// The mapping of a packet that goes out; it is made if need be.
    pub fn go_out(&mut self, packet: &Outward<'_>, now: Nanos, commit: bool) -> Result<Found, Refusal> {
        let key = MappingKey { gateway: packet.gateway, inside: packet.inside };
        let opens = packet.tcp.is_some_and(|tcp| tcp.opens());
        if let Some(at) = self.find_inside(&key) {
            let mapping = self.at(at);
            let is_own = |own: &Ipv4Addr| mapping.outside.source() == *own;
            let is_stale = !packet.sources.is_empty() && !packet.sources.iter().any(is_own);
            let is_past = mapping.is_past(now);
            let is_over = is_past || is_stale;
            let starts_anew = mapping.progress.is_closed() && opens;
            if !is_over && !starts_anew {
                let outside = mapping.outside;
                if commit {
                    self.advance(at, Side::Originator, packet.tcp, now);
                }
                return Ok(Found { key, outside, is_kept: true });
            }
            if !is_over {
                // A new connection between the same ends keeps the port.
                let outside = mapping.outside;
                if commit {
                    let holders = mapping.holders;
                    self.remove(at, false);
                    self.make(Mapping { holders, ..Mapping::new(key, outside, now) });
                }
                return Ok(Found { key, outside, is_kept: commit });
            }
            if commit {
                self.remove(at, is_past);
            }
        }
        if packet.tcp.is_some() && !opens && !packet.takes_up {
            return Err(Refusal::Unknown);
        }
        let outside = match packet.sources {
            [] => packet.outside,
            sources => self.allocate(packet, sources, now, commit)?,
        };
        if commit {
            self.counters_mut(packet.gateway).connection_attempts += 1;
            let mut mapping = Mapping::new(key, outside, now);
            if let (Progress::Tcp(connection), false) = (&mut mapping.progress, opens) {
                *connection = Connection { phase: super::Phase::Established, ..*connection };
            }
            self.make(mapping);
        }
        Ok(Found { key, outside, is_kept: commit })
    }

    /// The mapping that a packet comes back by. `ends` are its own: from outside to the gateway.
    pub fn come_back(
        &mut self,
        gateway: GatewayIndex,
        ends: Tuple,
        tcp: Option<TcpInfo>,
        now: Nanos,
        commit: bool,
    ) -> Option<Found> {
        let at = self.find_outside(gateway, &ends.reverse())?;
        let Mapping { key, outside, .. } = *Some(self.at(at)).filter(|mapping| !mapping.is_past(now))?;
        if commit {
            self.advance(at, Side::Responder, tcp, now);
            self.note_answer(at);
        }
        Some(Found { key, outside, is_kept: true })
    }

    /// The mapping of the packet that an ICMP error is about, which went out with these ends.
    pub fn quoted_outside(&self, gateway: GatewayIndex, ends: Tuple, now: Nanos) -> Option<Found> {
        self.known(self.find_outside(gateway, &ends)?, now)
    }

    /// The same for a packet that came back, as the inside got it.
    pub fn quoted_inside(&self, gateway: GatewayIndex, ends: Tuple, now: Nanos) -> Option<Found> {
        self.known(self.find_inside(&MappingKey { gateway, inside: ends.reverse() })?, now)
    }

    fn known(&self, at: u32, now: Nanos) -> Option<Found> {
        let Mapping { key, outside, .. } = *Some(self.at(at)).filter(|mapping| !mapping.is_past(now))?;
        Some(Found { key, outside, is_kept: true })
    }

    /// How far the connection of a mapping is; none when it isn't remembered.
    pub fn progress(&self, key: &MappingKey) -> Option<Progress> {
        Some(self.at(self.find_inside(key)?).progress)
    }

    /// As [`super::FlowState::hold`].
    pub fn hold(&mut self, key: &MappingKey) {
        if let Some(mapping) = self.find_inside(key).and_then(|at| self.at_mut(at)) {
            mapping.holders = mapping.holders.saturating_add(1);
        }
    }

    /// As [`super::FlowState::observe`].
    pub fn observe(&mut self, key: &MappingKey, progress: Progress) {
        if let Some(at) = self.find_inside(key) {
            self.set_progress(at, progress);
        }
    }

    /// As [`super::FlowState::release`].
    pub fn release(&mut self, key: &MappingKey, progress: Option<Progress>, seen: Nanos) {
        let Some(at) = self.find_inside(key) else { return };
        if let Some(progress) = progress {
            self.set_progress(at, progress);
        }
        if let Some(mapping) = self.at_mut(at) {
            mapping.holders = mapping.holders.saturating_sub(1);
            let expires = seen.after_seconds(mapping.patience());
            mapping.expires = if mapping.progress.is_closed() { expires } else { mapping.expires.max(expires) };
        }
    }

    /// Remembers a mapping again that an earlier daemon had made; says whether its place was free.
    pub fn restore(&mut self, key: MappingKey, outside: Tuple, progress: Progress, seen: Nanos) -> bool {
        if self.find_inside(&key).is_some() || self.find_outside(key.gateway, &outside).is_some() {
            return false;
        }
        let mut mapping = Mapping { progress, is_answered: true, ..Mapping::new(key, outside, seen) };
        mapping.expires = seen.after_seconds(mapping.patience());
        self.make(mapping);
        true
    }

    /// Keeps the mappings of gateways that are still there.
    pub fn retain(&mut self, exists: impl Fn(GatewayIndex) -> bool) {
        for at in 0..self.mappings.len() as u32 {
            if self.mappings[at as usize].is_some_and(|mapping| !exists(mapping.key.gateway)) {
                self.remove(at, false);
            }
        }
    }

    /// Forgets mappings that are past their time, looking at so many places, and makes room ahead of need.
    pub fn sweep(&mut self, now: Nanos, budget: usize) {
        if self.mappings.is_empty() {
            return;
        }
        for _ in 0..budget.min(self.mappings.len()) {
            self.cursor = if self.cursor + 1 < self.mappings.len() { self.cursor + 1 } else { 0 };
            if self.mappings[self.cursor].is_some_and(|mapping| mapping.is_past(now)) {
                self.remove(self.cursor as u32, true);
            }
        }
        if self.free.len() + self.mappings.capacity() - self.mappings.len() < self.mappings.capacity() / 8 {
            let more = self.mappings.capacity() / 2;
            self.mappings.reserve(more);
            self.free.reserve(self.mappings.capacity());
            let Self { inside, outside, destinations, mappings, hasher, .. } = self;
            inside.reserve(more, |at| hash_at(hasher, mappings, *at, false));
            outside.reserve(more, |at| hash_at(hasher, mappings, *at, true));
            destinations.reserve(more, |destination| hasher.hash_one((destination.gateway, destination.ends)));
        }
    }

    pub fn len(&self) -> usize {
        self.mappings.len() - self.free.len()
    }

    /// What a gateway counted.
    pub fn counters(&self, gateway: GatewayIndex) -> GatewayCounters {
        self.counters.get(gateway.0 as usize).copied().unwrap_or_default()
    }

    pub fn counters_mut(&mut self, gateway: GatewayIndex) -> &mut GatewayCounters {
        let at = gateway.0 as usize;
        if at >= self.counters.len() {
            self.counters.resize(at + 1, GatewayCounters::default());
        }
        &mut self.counters[at]
    }

    /// Takes notice that something came back by a mapping, if it is remembered.
    pub fn note_answer_of(&mut self, key: &MappingKey) {
        if let Some(at) = self.find_inside(key) {
            self.note_answer(at);
        }
    }

    fn note_answer(&mut self, at: u32) {
        let Some(mapping) = self.at_mut(at) else { return };
        if !std::mem::replace(&mut mapping.is_answered, true) {
            let gateway = mapping.key.gateway;
            self.counters_mut(gateway).connections_established += 1;
        }
    }

    /// An outside that is free.
    fn allocate(&mut self, packet: &Outward<'_>, sources: &[Ipv4Addr], now: Nanos, commit: bool) -> Result<Tuple, Refusal> {
        // The same whatever process asks, so that every backend chooses alike.
        let seed = FixedState::with_seed(packet.gateway.0.into()).hash_one(packet.inside);
        for turn in 0..2 {
            for number in 0..sources.len() {
                let source = sources[(seed as usize).wrapping_add(number) % sources.len()];
                let ends = packet.outside.with_source(source, 0);
                if let Some(port) = self.free_port(packet.gateway, ends, seed, now, commit) {
                    return Ok(ends.with_source(source, port));
                }
            }
            if turn == 0 && commit {
                self.sweep(now, SWEEP_WHEN_FULL);
            }
        }
        Err(Refusal::Exhausted)
    }

    fn free_port(&mut self, gateway: GatewayIndex, ends: Tuple, seed: u64, now: Nanos, commit: bool) -> Option<u16> {
        let hash = self.hasher.hash_one((gateway, ends));
        let is_it = |destination: &Destination| destination.gateway == gateway && destination.ends == ends;
        let known = self.destinations.find(hash, is_it).copied();
        if known.is_some_and(|known| known.active >= CONNECTIONS) {
            return None;
        }
        let port_at = |number: u64| FIRST_PORT + (number % u64::from(PORTS)) as u16;
        let step = STEPS[(seed >> 60) as usize % STEPS.len()];
        let mut closed = None;
        for number in 0..TRIES {
            let port = port_at((seed >> 16).wrapping_add(number * step));
            match self.occupant(gateway, ends, port, now) {
                Occupant::None => return Some(port),
                Occupant::Over(at) => {
                    if commit {
                        self.remove(at, true);
                    }
                    return Some(port);
                }
                Occupant::Closed(at) => closed = closed.or(Some((port, at))),
                Occupant::Alive => {}
            }
        }
        if closed.is_none() {
            let first = u64::from(known.map_or(0, |known| known.next));
            for number in 0..u64::from(PORTS) {
                let port = port_at(first + number);
                match self.occupant(gateway, ends, port, now) {
                    Occupant::Alive => continue,
                    Occupant::Over(at) | Occupant::Closed(at) => closed = Some((port, at)),
                    Occupant::None => {}
                }
                if let Some(destination) = self.destinations.find_mut(hash, is_it) {
                    destination.next = port - FIRST_PORT + 1;
                }
                if closed.is_none() {
                    return Some(port);
                }
                break;
            }
        }
        let (port, at) = closed?;
        if commit {
            let is_idle = !self.at(at).progress.is_closed();
            self.remove(at, is_idle);
        }
        Some(port)
    }

    fn occupant(&self, gateway: GatewayIndex, ends: Tuple, port: u16, now: Nanos) -> Occupant {
        let outside = ends.with_source_port(port);
        let Some(at) = self.find_outside(gateway, &outside) else { return Occupant::None };
        match self.at(at) {
            mapping if mapping.is_past(now) => Occupant::Over(at),
            mapping if mapping.progress.is_closed() && mapping.holders == 0 => Occupant::Closed(at),
            _ => Occupant::Alive,
        }
    }

    fn advance(&mut self, at: u32, side: Side, tcp: Option<TcpInfo>, now: Nanos) {
        let mut progress = self.at(at).progress;
        if !progress.is_closed() {
            progress.advance(side, tcp.map(super::tcp::Segment::from));
            self.set_progress(at, progress);
        }
        if let Some(mapping) = self.at_mut(at) {
            mapping.expires = now.after_seconds(mapping.patience());
        }
    }

    fn set_progress(&mut self, at: u32, progress: Progress) {
        let Some(mapping) = self.at_mut(at) else { return };
        let was_closed = mapping.progress.is_closed();
        mapping.progress = progress;
        let (key, outside) = (mapping.key, mapping.outside);
        if was_closed != progress.is_closed() {
            self.count_active(key.gateway, &outside, was_closed);
        }
    }

    /// Counts a mapping as one that isn't closed, or no more.
    fn count_active(&mut self, gateway: GatewayIndex, outside: &Tuple, is_active: bool) {
        let count = |number: &mut u32| *number = if is_active { *number + 1 } else { number.saturating_sub(1) };
        let ends = outside.with_source_port(0);
        let hash = self.hasher.hash_one((gateway, ends));
        if let Some(destination) = self.destinations.find_mut(hash, |other| other.gateway == gateway && other.ends == ends) {
            count(&mut destination.active);
        }
        let active = &mut self.counters_mut(gateway).active_connections;
        *active = if is_active { *active + 1 } else { active.saturating_sub(1) };
    }

    fn make(&mut self, mapping: Mapping) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.mappings.push(None);
            self.mappings.len() as u32 - 1
        });
        let Mapping { key, outside, .. } = mapping;
        self.mappings[at as usize] = Some(mapping);
        let Self { inside: by_inside, outside: by_outside, mappings, hasher, destinations, .. } = self;
        by_inside.insert_unique(hasher.hash_one(key), at, |at| hash_at(hasher, mappings, *at, false));
        let hash = hasher.hash_one((key.gateway, outside));
        by_outside.insert_unique(hash, at, |at| hash_at(hasher, mappings, *at, true));
        let (gateway, ends) = (key.gateway, outside.with_source_port(0));
        let rehash = |destination: &Destination| hasher.hash_one((destination.gateway, destination.ends));
        let hash = hasher.hash_one((gateway, ends));
        let fresh = || Destination { gateway, ends, mappings: 0, active: 0, next: 0 };
        destinations
            .entry(hash, |other| other.gateway == gateway && other.ends == ends, rehash)
            .or_insert_with(fresh)
            .into_mut()
            .mappings += 1;
        if !mapping.progress.is_closed() {
            self.count_active(gateway, &outside, true);
        }
    }

    fn remove(&mut self, at: u32, is_idle: bool) {
        let Some(mapping) = self.mappings.get_mut(at as usize).and_then(Option::take) else { return };
        let Mapping { key, outside, .. } = mapping;
        if !mapping.progress.is_closed() {
            self.count_active(key.gateway, &outside, false);
            if is_idle {
                self.counters_mut(key.gateway).idle_timeouts += 1;
            }
        }
        if let Ok(entry) = self.inside.find_entry(self.hasher.hash_one(key), |other| *other == at) {
            entry.remove();
        }
        if let Ok(entry) = self.outside.find_entry(self.hasher.hash_one((key.gateway, outside)), |other| *other == at) {
            entry.remove();
        }
        let ends = outside.with_source_port(0);
        let hash = self.hasher.hash_one((key.gateway, ends));
        let is_it = |other: &Destination| other.gateway == key.gateway && other.ends == ends;
        if let Ok(mut entry) = self.destinations.find_entry(hash, is_it) {
            entry.get_mut().mappings -= 1;
            if entry.get().mappings == 0 {
                entry.remove();
            }
        }
        self.free.push(at);
    }

    fn find_inside(&self, key: &MappingKey) -> Option<u32> {
        self.inside.find(self.hasher.hash_one(key), |at| self.at(*at).key == *key).copied()
    }

    fn find_outside(&self, gateway: GatewayIndex, outside: &Tuple) -> Option<u32> {
        let is_it = |at: &u32| {
            let mapping = self.at(*at);
            mapping.key.gateway == gateway && mapping.outside == *outside
        };
        self.outside.find(self.hasher.hash_one((gateway, outside)), is_it).copied()
    }

    #[expect(clippy::expect_used, reason = "both indexes hold the numbers of mappings that are there, and nothing else")]
    fn at(&self, at: u32) -> &Mapping {
        self.mappings[at as usize].as_ref().expect("an indexed mapping is there")
    }

    fn at_mut(&mut self, at: u32) -> Option<&mut Mapping> {
        self.mappings[at as usize].as_mut()
    }
}

/// What has a port.
enum Occupant {
    None,
    /// A mapping past its time.
    Over(u32),
    /// One whose connection was closed.
    Closed(u32),
    Alive,
}

impl Mapping {
    fn new(key: MappingKey, outside: Tuple, now: Nanos) -> Self {
        let progress = Progress::first(key.inside.protocol);
        let expires = now.after_seconds(IDLE);
        Self { key, outside, progress, expires, holders: 0, is_answered: false }
    }

    fn patience(&self) -> u32 {
        if self.progress.is_closed() { super::tcp::CLOSED } else { IDLE }
    }

    fn is_past(&self, now: Nanos) -> bool {
        self.expires <= now && self.holders == 0
    }
}

fn hash_at(hasher: &RandomState, mappings: &[Option<Mapping>], at: u32, outside: bool) -> u64 {
    match &mappings[at as usize] {
        Some(mapping) if outside => hasher.hash_one((mapping.key.gateway, mapping.outside)),
        Some(mapping) => hasher.hash_one(mapping.key),
        // Numbers leave the indexes with their mappings.
        None => 0,
    }
}

/// Seconds without a packet after which a connection is forgotten. See "Troubleshoot NAT gateways" in the VPC User Guide.
pub const IDLE: u32 = 350;
/// The ports of NAT gateways are this one and those above it.
const FIRST_PORT: u16 = 1024;
const PORTS: u32 = 65_536 - FIRST_PORT as u32;
/// Ways through all ports: numbers without a common factor with how many there are.
const STEPS: [u64; 4] = [10_007, 20_011, 40_009, 60_013];
/// Ports tried by hash.
const TRIES: u64 = 32;
/// How many mappings are looked at for one past its time before a packet is refused.
const SWEEP_WHEN_FULL: usize = 1024;
