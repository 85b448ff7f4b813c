//! What is done from time to time: reporting what was counted, letting go of what is over, making room.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::shared_state::{progress, state};
use super::{FastPath, KnownLegs, RESERVE, Report, Retired, ShortLeg, behind, settings};
use openvpc_pipeline::verdict::{Leg, Legs};
use openvpc_pipeline::{Connection, FlowState, HeaderView, Nanos, Phase, Progress, Tables};

impl FastPath {
    /// Has a part of all flows looked at by [`Self::collect`], or all of them; says how many must have been
    /// [looked at](Self::looked_at) then.
    pub fn plan(&mut self, whole: bool) -> u64 {
        let count = self.pairs.len();
        let share = if whole { count } else { count.div_ceil(PARTS) };
        let until = self.looked_at + share as u64;
        self.look_at = self.look_at.max(until);
        if !whole {
            self.eviction.steps = count.div_ceil(PARTS) * Worth::ALL.len();
            if self.retired.front().is_some_and(|retired| !self.grace.is_over(retired.grace)) {
                self.grace.begin();
            }
        }
        until
    }

    /// How many flows were looked at so far.
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Whether [`Self::collect`] has something to do.
    pub fn has_to_collect(&self) -> bool {
        let is_free = |retired: &Retired| self.grace.is_over(retired.grace);
        self.looked_at < self.look_at || self.retired.front().is_some_and(is_free) || self.has_to_evict()
    }

    /// Goes on with what was planned, but no longer than a few frames may wait: reports what was counted, lets flows go that
    /// are over or have been idle for long, makes room.
    pub fn collect(&mut self, tables: &Tables, flows: &mut FlowState, now: Nanos, mut report: impl FnMut(&Report<'_>)) {
        let count = self.pairs.len();
        let share = (self.look_at - self.looked_at).min(AT_ONCE as u64);
        for _ in 0..share {
            self.cursor = if self.cursor + 1 < count { self.cursor + 1 } else { 0 };
            let pair = self.cursor as u32;
            self.report(pair, flows, &mut report);
            if self.pairs[self.cursor].owner != 0 {
                self.give_back_if_closed(pair, tables, flows);
                if self.is_over(pair, tables, now) {
                    self.retire(pair, tables, flows);
                }
            }
        }
        self.looked_at += share;
        for _ in 0..AT_ONCE {
            let Some(Retired { pair, .. }) = self.retired.pop_front_if(|retired| self.grace.is_over(retired.grace)) else {
                break;
            };
            self.report(pair, flows, &mut report);
            self.clear(pair);
            self.free.push(pair);
        }
        if self.has_to_evict() {
            self.evict(tables, flows, now);
        }
    }

    pub(super) fn report(&mut self, pair: u32, flows: &mut FlowState, report: &mut impl FnMut(&Report<'_>)) {
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
            let mut legs = Legs::EMPTY;
            match &side.legs {
                KnownLegs::Short(short) => {
                    for leg in short.iter().flatten() {
                        let ShortLeg { eni, direction, judgement, path, reason, is_behind } = *leg;
                        let HeaderView { source, destination, protocol, transport } = if is_behind { after } else { before };
                        let action = judgement;
                        legs.push(Leg { eni, direction, action, source, destination, protocol, transport, path, reason });
                    }
                }
                KnownLegs::Long(long) => long.iter().for_each(|leg| {
                    legs.push(*leg);
                }),
            }
            if let Some(gateway) = side.dropped_at {
                flows.count_dropped(gateway, packets - reported);
            }
            if let Some(through) = &side.through {
                let passed = bytes - slot.reported_bytes.load(Relaxed);
                flows.count_through(through, packets - reported, passed, side.code.is_none());
            }
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

    /// Whether the program has nothing more to do with a pair: past its time, or closed or of no tracked flow and idle.
    pub(super) fn is_over(&mut self, pair: u32, tables: &Tables, now: Nanos) -> bool {
        let connection = &self.maps.connections[pair as usize];
        let progress = progress(connection).filter(|progress| !progress.is_closed());
        if state(connection) != self.pairs[pair as usize].state {
            self.set_patience(pair, tables);
        }
        let patience = match progress {
            Some(_) => self.slot(pair * 2).patience.load(Relaxed),
            None => IDLE,
        };
        now.0.saturating_sub(self.last_seen(pair).0) > patience
    }

    /// Gives the tracked flows of a closed connection back, which are then forgotten in their own time. Its entries stay for
    /// a while: all its packets come up, and a new connection between the same ports finds them ready.
    fn give_back_if_closed(&mut self, pair: u32, tables: &Tables, flows: &mut FlowState) {
        let Some(progress) = progress(&self.maps.connections[pair as usize]).filter(Progress::is_closed) else { return };
        let seen = self.last_seen(pair);
        if let Some(key) = self.pairs[pair as usize].mapping.take() {
            flows.release_mapping(&key, Some(progress), seen);
        }
        for key in std::mem::take(&mut self.pairs[pair as usize].flows).iter().flatten() {
            flows.release(key, progress, &settings(tables, key), seen);
        }
    }

    fn has_to_evict(&self) -> bool {
        self.eviction.steps > 0 && self.room() < self.capacity() / RESERVE
    }

    /// Makes room: what is closed goes first, whoever's it is; then, of those who have more than an equal share, what is half
    /// open or idle; then whatever they have. Goes through one part of the table after the other, some steps at a time.
    fn evict(&mut self, tables: &Tables, flows: &mut FlowState, now: Nanos) {
        let share = self.capacity() / self.ports.len().max(1);
        let count = self.pairs.len();
        let part = count.div_ceil(PARTS);
        for _ in 0..AT_ONCE {
            if !self.has_to_evict() {
                // What is worth the least goes first the next time, too.
                (self.eviction.step, self.eviction.round) = (0, 0);
                return;
            }
            let Eviction { from, step, round, .. } = self.eviction;
            let (pair, worth) = (((from + step) % count) as u32, Worth::ALL[round]);
            let owner = self.pairs[pair as usize].owner;
            let is_greedy = || self.ports.get(&owner).is_none_or(|port| port.pairs as usize > share);
            if owner != 0 && self.worth(pair, now) <= worth && (worth == Worth::Nothing || is_greedy()) {
                self.retire(pair, tables, flows);
            }
            self.eviction.next(part, count);
        }
    }

    fn worth(&self, pair: u32, now: Nanos) -> Worth {
        const SECOND: u64 = 1_000_000_000;
        let idle = now.0.saturating_sub(self.last_seen(pair).0);
        match progress(&self.maps.connections[pair as usize]) {
            Some(progress) if progress.is_closed() => Worth::Nothing,
            None if idle > SECOND => Worth::Nothing,
            Some(Progress::Tcp(Connection { phase: Phase::SynSent | Phase::SynAnswered, .. })) if idle > SECOND => Worth::Little,
            _ if idle > 5 * SECOND => Worth::Little,
            _ => Worth::Something,
        }
    }
}

/// How much it would cost to judge a pair's next packet in user space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Nothing,
    Little,
    Something,
}

impl Worth {
    const ALL: [Self; 3] = [Self::Nothing, Self::Little, Self::Something];
}

/// Where looking for pairs to let go of is.
#[derive(Default)]
pub(super) struct Eviction {
    /// Steps that may still be made until the next time that it is planned.
    steps: usize,
    /// The pair that a part of the table begins with.
    from: usize,
    /// How far in this part.
    step: usize,
    /// The part is gone through once for each [`Worth`].
    round: usize,
}

impl Eviction {
    fn next(&mut self, part: usize, count: usize) {
        self.steps -= 1;
        self.step += 1;
        if self.step >= part {
            (self.step, self.round) = (0, self.round + 1);
        }
        if self.round >= Worth::ALL.len() {
            (self.from, self.round) = ((self.from + part) % count, 0);
        }
    }
}

/// In how many parts all flows are looked at.
const PARTS: usize = 5;

/// Flows looked at between two batches of frames.
const AT_ONCE: usize = 256;

/// Nanoseconds without a packet after which a flow that nobody tracks is forgotten.
const IDLE: u64 = 15_000_000_000;
