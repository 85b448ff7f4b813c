//! What is done from time to time: reporting what was counted, letting go of what is over, making room.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::*;

impl FastPath {
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
            self.report(pair, flows, &mut report);
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
            self.report(pair, flows, &mut report);
            self.clear(pair);
            self.free.push(pair);
        }
        if self.room() < self.capacity() / RESERVE {
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

/// In how many parts all flows are looked at by [`FastPath::collect`].
const PARTS: usize = 5;

/// Nanoseconds without a packet after which a flow that nobody tracks is forgotten.
const IDLE: u64 = 15_000_000_000;
