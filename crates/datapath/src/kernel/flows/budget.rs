//! Who has how many misses, and what there is to say of the kernel tier.

use super::{Counts, FastPath, MISS_BURST, MISS_COST, NO_LIMIT};
use crate::details::{Detail, Reading};
use crate::engine::PortId;
use crate::kernel::layout::PortBudget;

impl FastPath {
    /// Shares the misses that user space can take out among links: as long as it keeps up, everybody may have as many as he
    /// likes; when it doesn't, those who have more than an equal share of what it `took` are held to about that, so that
    /// there is room in the queue for others. Call it every [`BALANCE_EVERY`].
    pub fn balance(&mut self, took: u64, lost: u64) {
        self.counts.lost += lost;
        // What was taken is what can be taken only when there was more all the time.
        let was_behind = std::mem::replace(&mut self.is_behind, lost > 0);
        let is_behind = was_behind && lost > 0;
        if lost == 0 && self.ports.values().all(|port| port.miss_cost <= MISS_COST) {
            return;
        }
        let limited = self.ports.iter().filter(|(_, port)| port.miss_cost != NO_LIMIT);
        let mut links: Vec<_> = limited.map(|(link, _)| (*link, self.maps.port(*link))).collect();
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

    /// Frames that were dropped since the last call because their link had used up its budget, by link.
    pub fn take_over_budget(&mut self) -> impl Iterator<Item = (PortId, u64)> {
        let Self { ports, maps, .. } = self;
        ports.iter_mut().map(|(link, port)| {
            let refused = maps.port(*link).refused;
            (port.place, refused.saturating_sub(std::mem::replace(&mut port.refused, refused)))
        })
    }

    /// What there is to say of the kernel tier beyond the counters of its ports.
    pub fn details(&self) -> Vec<Detail> {
        let (mut misses, mut over_budget) = self.counts.departed;
        for link in self.ports.keys() {
            let budget = self.maps.port(*link);
            misses += budget.misses;
            over_budget += budget.refused;
        }
        let fill = Reading::Fill { used: (self.pairs.len() - self.free.len()) as u64, capacity: self.capacity() as u64 };
        let Counts { carried, entered, refused, lost, judged_again, changed, .. } = self.counts;
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
}

/// Nanoseconds between two looks at who has how many misses.
pub(crate) const BALANCE_EVERY: u64 = 100_000_000;
