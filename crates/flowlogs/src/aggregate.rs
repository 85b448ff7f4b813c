//! From packets to records: counts per flow, in windows per interface.
//!
//! A window begins when an interface comes under a flow log, or where the one before ended, and lasts 60 seconds at
//! most, whatever `MaxAggregationInterval` says: AWS does the same for interfaces of Nitro instances. It is cut early on
//! request, and whenever what covers the interface or what records say of it changes, so that nothing is back-filled
//! and every record is true for its whole time. Cuts never lose a packet: the sums over records are the sums over packets.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use openvpc_model::{Anchor, EniId, FlowLogTarget, Network, NetworkInterface, Table, UnixMillis};

use crate::record::{Flow, Interface, Record, Status, Totals};
use crate::subscriptions::{Subscription, Subscriptions};

/// The longest window. See "Aggregation interval" in the VPC User Guide.
pub const WINDOW_MS: u64 = 60_000;

/// An idle window that is cut when it is younger than this isn't worth a record.
const SHORTEST_IDLE_MS: u64 = 1_000;

/// Counts packets per interface and flow, and turns the counts into records.
///
/// Takes the time as an argument. Counting a packet of a flow that is known allocates nothing.
#[derive(Debug)]
pub struct Aggregator {
    /// One per interface that was ever seen; none for the gone.
    slots: Vec<Option<Box<Slot>>>,
    by_id: BTreeMap<EniId, usize>,
    /// From the datapath's dense index to a slot, filled as packets come.
    by_index: Vec<Option<usize>>,
    subscriptions: Subscriptions,
    /// As they were last taken over.
    interfaces: Table<NetworkInterface>,
    limit: usize,
    open_flows: usize,
    closed: Vec<Batch>,
    lost: Totals,
    watched: Option<HashMap<(usize, Flow), Counted, RandomState>>,
}

/// The records of one window of one interface, and the flow logs that covered it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// The flow logs.
    pub subscriptions: Arc<[Arc<Subscription>]>,
}

impl Aggregator {
    /// Keeps at most `limit` flows in open windows; what comes beyond is lost, and SKIPDATA says so.
    pub fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            by_id: BTreeMap::new(),
            by_index: Vec::new(),
            subscriptions: Subscriptions::default(),
            interfaces: Table::default(),
            limit,
            open_flows: 0,
            closed: Vec::new(),
            lost: Totals::default(),
            watched: None,
        }
    }

    /// Takes over what exists now: new interfaces and flow logs begin, gone ones end with a last record. Says whether flow
    /// logs were made, changed or deleted.
    pub fn sync(&mut self, network: &Network, now: UnixMillis) -> bool {
        let targets = self.subscriptions.refresh(network);
        let older = std::mem::replace(&mut self.interfaces, network.enis.clone());
        for id in network.enis.changed_since(&older) {
            match network.enis.get(&id) {
                Some(eni) => self.sync_interface(eni, now),
                None => self.end(id, now),
            }
        }
        for target in &targets {
            let anchor = match *target {
                FlowLogTarget::Vpc(vpc) => Anchor::Vpc(vpc),
                FlowLogTarget::Subnet(subnet) => Anchor::Subnet(subnet),
                FlowLogTarget::NetworkInterface(id) => {
                    network.enis.get(&id).into_iter().for_each(|eni| self.sync_interface(eni, now));
                    continue;
                }
            };
            network.enis.by(anchor).for_each(|eni| self.sync_interface(eni, now));
        }
        !targets.is_empty()
    }

    /// Counts packets of a flow. `index` is the datapath's dense index of the interface; `identify` says which interface
    /// that is and is asked once.
    pub fn count(&mut self, index: u32, identify: impl FnOnce() -> Option<EniId>, flow: Flow, counts: Totals, now: UnixMillis) {
        let Some(position) = self.position(index, identify) else { return };
        if let Some(watched) = &mut self.watched
            && watched.len() < self.limit
        {
            watched.entry((position, flow)).or_insert_with(|| Counted::new(now)).add(counts, now);
        }
        let Some(slot) = &mut self.slots[position] else { return };
        if slot.coverage.is_empty() {
            return;
        }
        if slot.window.is_over(now) {
            self.close(position, now, Cut::Due);
        }
        let Some(slot) = &mut self.slots[position] else { return };
        if let Some(counted) = slot.window.flows.get_mut(&flow) {
            counted.add(counts, now);
        } else if self.open_flows < self.limit {
            self.open_flows += 1;
            let counted = slot.window.flows.entry(flow).insert(Counted::new(now)).into_mut();
            counted.add(counts, now);
        } else {
            slot.window.overflowed = true;
            self.lost.add(counts);
        }
    }

    /// Closes the windows that have lasted long enough. Gives all records that are complete.
    pub fn close_due(&mut self, now: UnixMillis) -> Vec<Batch> {
        for position in 0..self.slots.len() {
            if self.slots[position].as_ref().is_some_and(|slot| slot.window.is_over(now)) {
                self.close(position, now, Cut::Due);
            }
        }
        std::mem::take(&mut self.closed)
    }

    /// Closes all windows. Gives all records that are complete.
    pub fn flush(&mut self, now: UnixMillis) -> Vec<Batch> {
        for position in 0..self.slots.len() {
            self.close(position, now, Cut::Flush);
        }
        std::mem::take(&mut self.closed)
    }

    /// Starts or ends keeping what [`Self::take_watched`] gives.
    pub fn watch(&mut self, on: bool) {
        match (on, &self.watched) {
            (true, None) => self.watched = Some(HashMap::default()),
            (false, Some(_)) => self.watched = None,
            _ => {}
        }
    }

    /// What every interface saw since the last call, covered by a flow log or not.
    pub fn take_watched(&mut self) -> Vec<Record> {
        let Some(watched) = &mut self.watched else { return Vec::new() };
        let counted: Vec<_> = watched.drain().collect();
        let slot = |position: usize| self.slots.get(position).and_then(Option::as_ref);
        let record = |((position, flow), counted): ((usize, Flow), Counted)| {
            slot(position).map(|slot| counted.record(&slot.interface, flow))
        };
        sorted(counted.into_iter().filter_map(record).collect())
    }

    /// The records so far of the windows that are open.
    pub fn live(&self) -> Vec<Batch> {
        let flowing = self.slots.iter().flatten().map(|slot| &**slot).filter(|slot| !slot.window.flows.is_empty());
        let batch = |slot: &Slot| {
            let records = slot.window.flows.iter().map(|(flow, counted)| counted.record(&slot.interface, *flow)).collect();
            Batch { records: sorted(records), subscriptions: Arc::clone(&slot.coverage) }
        };
        self.closed.iter().cloned().chain(flowing.map(batch)).collect()
    }

    /// The flow logs that exist.
    pub fn subscriptions(&self) -> &Subscriptions {
        &self.subscriptions
    }

    /// What was counted by nobody because too many flows were open.
    pub fn lost(&self) -> Totals {
        self.lost
    }

    fn position(&mut self, index: u32, identify: impl FnOnce() -> Option<EniId>) -> Option<usize> {
        let index = usize::try_from(index).ok()?;
        if let Some(Some(position)) = self.by_index.get(index)
            && self.slots[*position].is_some()
        {
            return Some(*position);
        }
        let position = *self.by_id.get(&identify()?)?;
        if self.by_index.len() <= index {
            self.by_index.resize(index + 1, None);
        }
        self.by_index[index] = Some(position);
        Some(position)
    }

    fn end(&mut self, id: EniId, now: UnixMillis) {
        if let Some(position) = self.by_id.remove(&id) {
            self.close(position, now, Cut::Change);
            self.slots[position] = None;
        }
    }

    fn sync_interface(&mut self, eni: &Arc<NetworkInterface>, now: UnixMillis) {
        let Some(position) = self.by_id.get(&eni.id).copied() else {
            self.by_id.insert(eni.id, self.slots.len());
            self.slots.push(Some(Box::new(Slot::new(eni, self.subscriptions.covering(eni), now))));
            return;
        };
        let Some(slot) = &mut self.slots[position] else { return };
        let coverage = self.subscriptions.covering(eni);
        let same_coverage = slot.coverage.iter().map(|s| s.id()).eq(coverage.iter().map(|s| s.id()));
        if same_coverage && *slot.interface == Interface::new(eni) {
            return;
        }
        self.close(position, now, Cut::Change);
        self.slots[position] = Some(Box::new(Slot::new(eni, coverage, now)));
    }

    /// Ends a slot's window at `now`, or at its end where that has passed, and begins the next.
    fn close(&mut self, position: usize, now: UnixMillis, cut: Cut) {
        let Some(slot) = self.slots.get_mut(position).and_then(Option::as_mut) else { return };
        let window = &mut slot.window;
        if slot.coverage.is_empty() {
            return;
        }
        let idle = window.flows.is_empty() && !window.overflowed;
        let shortest = match cut {
            // Whoever flushes wants to see that nothing flowed, once.
            Cut::Flush if !slot.reported => 1,
            Cut::Change | Cut::Due | Cut::Flush => SHORTEST_IDLE_MS,
        };
        if idle && now.0 < window.opened.0 + shortest {
            window.opened = window.opened.min(now);
            return;
        }
        let end = now.0.min(window.opened.0 + WINDOW_MS);
        let interval = |status| {
            let start = window.opened.seconds();
            let end = UnixMillis(end.saturating_sub(1)).seconds().max(start);
            Record { interface: Arc::clone(&slot.interface), start, end, status }
        };
        let mut records = Vec::with_capacity(window.flows.len() + 1);
        if idle {
            records.push(interval(Status::NoData));
        }
        if window.overflowed {
            records.push(interval(Status::SkipData));
        }
        self.open_flows -= window.flows.len();
        records.extend(window.flows.drain().map(|(flow, counted)| counted.record(&slot.interface, flow)));
        window.flows.shrink_to(4 * records.len());
        window.overflowed = false;
        // Windows follow one another without a gap, unless the clock jumped or the machine slept: then nothing is
        // claimed of the time in between.
        let next_is_over = now.0 >= end + WINDOW_MS || now.0 < window.opened.0;
        window.opened = if next_is_over { now } else { UnixMillis(end) };
        slot.reported = true;
        self.closed.push(Batch { records: sorted(records), subscriptions: Arc::clone(&slot.coverage) });
    }
}

/// Why a window ends.
#[derive(Clone, Copy)]
enum Cut {
    /// What covers the interface changed, or what records say of it, or it is gone.
    Change,
    /// It lasted long enough.
    Due,
    /// Someone asked.
    Flush,
}

/// What is kept of an interface.
#[derive(Debug)]
struct Slot {
    interface: Arc<Interface>,
    coverage: Arc<[Arc<Subscription>]>,
    window: Window,
    /// Whether its flow logs have a record of it already.
    reported: bool,
}

impl Slot {
    fn new(eni: &Arc<NetworkInterface>, coverage: Arc<[Arc<Subscription>]>, now: UnixMillis) -> Self {
        Self {
            interface: Arc::new(Interface::new(eni)),
            coverage,
            window: Window { opened: now, flows: HashMap::default(), overflowed: false },
            reported: false,
        }
    }
}

#[derive(Debug)]
struct Window {
    opened: UnixMillis,
    flows: HashMap<Flow, Counted, RandomState>,
    overflowed: bool,
}

impl Window {
    /// Whether it has lasted long enough, or began in a future that the clock took back.
    fn is_over(&self, now: UnixMillis) -> bool {
        now.0 >= self.opened.0 + WINDOW_MS || now.0 + WINDOW_MS < self.opened.0
    }
}

/// The sums of a flow so far.
#[derive(Clone, Copy, Debug)]
struct Counted {
    totals: Totals,
    first: UnixMillis,
    last: UnixMillis,
}

impl Counted {
    fn new(now: UnixMillis) -> Self {
        Self { totals: Totals::default(), first: now, last: now }
    }

    fn add(&mut self, counts: Totals, now: UnixMillis) {
        self.totals.add(counts);
        self.first = self.first.min(now);
        self.last = self.last.max(now);
    }

    fn record(self, interface: &Arc<Interface>, flow: Flow) -> Record {
        Record {
            interface: Arc::clone(interface),
            start: self.first.seconds(),
            end: self.last.seconds(),
            status: Status::Ok(flow, self.totals),
        }
    }
}

impl Totals {
    fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
        self.tcp_flags |= more.tcp_flags;
        self.traffic_path = more.traffic_path.or(self.traffic_path);
    }
}

fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| {
        let flow = match record.status {
            Status::Ok(flow, _) => Some(flow),
            Status::NoData | Status::SkipData => None,
        };
        (record.start, record.end, flow)
    });
    records
}
