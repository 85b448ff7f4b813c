//! Which flows are the busy ones.

use std::sync::atomic::Ordering::Relaxed;

use openvpc_pipeline::verdict::Code;
use openvpc_pipeline::{HeaderView, Nanos};

use super::FastPath;
use crate::engine::PortId;

/// A flow in one direction that the kernel tier carries, or drops.
#[derive(Clone, Debug)]
pub struct LiveFlow {
    /// Where its packets come from.
    pub from: PortId,
    /// Where they go to; none when they are dropped.
    pub to: Option<PortId>,
    /// Why they are dropped.
    pub code: Option<Code>,
    /// What they look like as they enter.
    pub header: HeaderView,
    /// Packets since the kernel tier knows the flow.
    pub packets: u64,
    /// Bytes since then.
    pub bytes: u64,
}

impl FastPath {
    /// The flows with the most bytes, that many of them, among those that a packet belonged to a few seconds ago at most.
    pub fn live(&self, limit: usize, now: Nanos) -> Vec<LiveFlow> {
        let numbers = 0..self.pairs.len() as u32 * 2;
        let mut busy: Vec<(u64, u32)> = numbers
            .filter(|number| self.active_flow(*number).is_some())
            .map(|number| (self.slot(number), number))
            .filter(|(slot, _)| now.0.saturating_sub(slot.seen.load(Relaxed)) < RECENT)
            .map(|(slot, number)| (slot.bytes.load(Relaxed), number))
            .collect();
        if busy.len() > limit {
            busy.select_nth_unstable_by(limit, |one, other| other.cmp(one));
            busy.truncate(limit);
        }
        busy.sort_unstable_by(|one, other| other.cmp(one));
        let flow = |(bytes, number): (u64, u32)| {
            let side = self.pairs[number as usize / 2].sides[number as usize % 2].as_ref()?;
            Some(LiveFlow {
                from: self.place(side.flow.port())?,
                to: side.to,
                code: side.code,
                header: side.flow.header(),
                packets: self.slot(number).packets.load(Relaxed),
                bytes,
            })
        };
        busy.into_iter().filter_map(flow).collect()
    }
}

/// Nanoseconds since its last packet after which a flow isn't live any more.
const RECENT: u64 = 5_000_000_000;
