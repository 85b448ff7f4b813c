//! Flow logs of a running datapath: what the engine, the API and the command line share.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::read::MultiGzDecoder;
use openvpc_model::{EniId, FlowLogDestination, FlowLogId, Network, UnixMillis};

use crate::aggregate::{Aggregator, Batch};
use crate::delivery::{Delivered, Delivery, ObjectStore};
use crate::key::{self, Layout};
use crate::query::{Answer, Database, QueryError};
use crate::record::{Flow, Record, Totals};
use crate::service_prefixes::ServicePrefixes;
use crate::subscriptions::Subscription;

/// Flows that may be open at a time, over all interfaces.
const OPEN_FLOWS: usize = 500_000;
/// Records that may wait for a bucket that can't be written.
const WAITING_RECORDS: usize = 1_000_000;
/// No file that a delivery wrote is larger when unpacked.
const UNPACKED: u64 = 4_000_000_000;

/// A handle that every thread may have a clone of.
///
/// Whoever owns the daemon's clock calls [`Self::sync`] after every change of the network is in force, and
/// [`Self::tick`] about twice a second. Counting waits for nothing but another counting or the copying of records.
#[derive(Clone)]
pub struct FlowLogs(Arc<Shared>);

struct Shared {
    // Locked in this order where both are needed.
    delivery: Mutex<Delivery>,
    aggregator: Mutex<Aggregator>,
    failures: Mutex<BTreeMap<FlowLogId, &'static str>>,
    watchers: Mutex<Vec<Watcher>>,
    store: Arc<dyn ObjectStore>,
    services: ServicePrefixes,
    counts: Counts,
}

/// What [`DeliveryCounts`] is read from.
#[derive(Default)]
struct Counts {
    records: AtomicU64,
    files: AtomicU64,
    failures: AtomicU64,
    given_up: AtomicU64,
    given_up_before_reset: AtomicU64,
    waiting: AtomicU64,
}

/// What became of records since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Records in files.
    pub records: u64,
    /// Files written.
    pub files: u64,
    /// How often the files of a flow log couldn't be written. Their records stay and are tried again.
    pub failures: u64,
    /// Records that were given up because too many waited.
    pub given_up: u64,
    /// Complete records that are in no file yet.
    pub waiting: u64,
    /// Packets that are in no record because too many flows were open; SKIPDATA says so.
    pub unrecorded_packets: u64,
}

/// Takes what was seen since the last time; says whether it wants more.
type Watcher = Box<dyn FnMut(&[Record]) -> bool + Send>;

impl FlowLogs {
    /// Delivers to `store`; names services by `services`.
    pub fn new(store: Arc<dyn ObjectStore>, services: ServicePrefixes) -> Self {
        Self(Arc::new(Shared {
            delivery: Mutex::new(Delivery::new(Arc::clone(&store), WAITING_RECORDS)),
            aggregator: Mutex::new(Aggregator::new(OPEN_FLOWS)),
            failures: Mutex::default(),
            watchers: Mutex::default(),
            store,
            services,
            counts: Counts::default(),
        }))
    }

    /// Takes over what exists now. Packets counted before this are recorded as things were then.
    pub fn sync(&self, network: &Network, now: UnixMillis) {
        let changed = self.aggregator().sync(network, now);
        if changed {
            lock(&self.0.delivery).sync(network.flow_logs.keys().copied().collect());
        }
    }

    /// Counts packets of a flow at an interface; see [`Aggregator::count`].
    pub fn count(&self, index: u32, identify: impl FnOnce() -> Option<EniId>, flow: Flow, counts: Totals, now: UnixMillis) {
        self.aggregator().count(index, identify, flow, counts, now);
    }

    /// Does what is due: closes windows, delivers every five minutes, tells watchers.
    pub fn tick(&self, now: UnixMillis) -> Delivered {
        self.tell_watchers();
        let mut delivery = lock(&self.0.delivery);
        let closed = self.aggregator().close_due(now);
        delivery.accept(closed);
        let delivered = delivery.deliver_due(&self.0.services, now);
        self.note(&delivery, &delivered);
        delivered
    }

    /// Closes all windows and delivers. What was counted before is in files, or in the report's failures, when this
    /// returns.
    pub fn flush(&self, now: UnixMillis) -> Delivered {
        self.tell_watchers();
        let mut delivery = lock(&self.0.delivery);
        let closed = self.aggregator().flush(now);
        delivery.accept(closed);
        let delivered = delivery.deliver(&self.0.services);
        self.note(&delivery, &delivered);
        delivered
    }

    /// Answers a question in SQL over all records there are, each once: in open windows, complete, and delivered.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn query(&self, sql: &str) -> Result<Answer, QueryError> {
        let services = &self.0.services;
        let mut database = Database::new()?;
        // No record moves from memory to a file while this is held.
        let delivery = lock(&self.0.delivery);
        let (live, subscriptions) = {
            let aggregator = self.aggregator();
            (aggregator.live(), aggregator.subscriptions().clone())
        };
        for Batch { records, subscriptions } in &live {
            for subscription in subscriptions.iter() {
                let wanted = records.iter().filter(|record| record.matches(subscription.flow_log.traffic_type));
                let rows = wanted.map(|record| (subscription.id(), &subscription.format, record));
                database.add_records(rows, services)?;
            }
        }
        let waiting = delivery.waiting().map(|(subscription, record)| (subscription.id(), &subscription.format, record));
        database.add_records(waiting, services)?;
        for subscription in subscriptions.iter() {
            self.add_delivered(&mut database, subscription)?;
        }
        drop(delivery);
        database.ask(sql)
    }

    /// Tells `watcher` about every second what every interface saw since the last time, covered by a flow log or not,
    /// until it returns false. It must not wait.
    pub fn watch(&self, watcher: impl FnMut(&[Record]) -> bool + Send + 'static) {
        let mut watchers = lock(&self.0.watchers);
        watchers.push(Box::new(watcher));
        self.aggregator().watch(true);
    }

    /// AWS's word for why a flow log's last files couldn't be written (`DeliverLogsErrorMessage`); none when all is well.
    pub fn failure(&self, flow_log: FlowLogId) -> Option<&'static str> {
        lock(&self.0.failures).get(&flow_log).copied()
    }

    /// What became of records since the start. Waits for no delivery under way.
    pub fn delivery_counts(&self) -> DeliveryCounts {
        let counts = &self.0.counts;
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DeliveryCounts {
            records: now(&counts.records),
            files: now(&counts.files),
            failures: now(&counts.failures),
            given_up: now(&counts.given_up),
            waiting: now(&counts.waiting),
            unrecorded_packets: self.aggregator().lost().packets,
        }
    }

    /// Forgets all records that are in no file.
    pub fn reset(&self, now: UnixMillis) {
        let mut delivery = lock(&self.0.delivery);
        self.aggregator().sync(&Network::default(), now);
        drop(self.aggregator().close_due(now));
        self.0.counts.given_up_before_reset.fetch_add(delivery.dropped(), Ordering::Relaxed);
        *delivery = Delivery::new(Arc::clone(&self.0.store), WAITING_RECORDS);
        lock(&self.0.failures).clear();
    }

    /// The table that names services.
    pub fn services(&self) -> &ServicePrefixes {
        &self.0.services
    }

    fn note(&self, delivery: &Delivery, delivered: &Delivered) {
        *lock(&self.0.failures) = delivery.failures().clone();
        let counts = &self.0.counts;
        let records: usize = delivered.files.iter().map(|file| file.records).sum();
        counts.records.fetch_add(records as u64, Ordering::Relaxed);
        counts.files.fetch_add(delivered.files.len() as u64, Ordering::Relaxed);
        counts.failures.fetch_add(delivered.failures.len() as u64, Ordering::Relaxed);
        counts.waiting.store(delivery.waiting_records() as u64, Ordering::Relaxed);
        let before = counts.given_up_before_reset.load(Ordering::Relaxed);
        counts.given_up.store(before + delivery.dropped(), Ordering::Relaxed);
    }

    fn tell_watchers(&self) {
        let mut watchers = lock(&self.0.watchers);
        if watchers.is_empty() {
            return;
        }
        let records = self.aggregator().take_watched();
        watchers.retain_mut(|watcher| watcher(&records));
        if watchers.is_empty() {
            self.aggregator().watch(false);
        }
    }

    fn add_delivered(&self, database: &mut Database, subscription: &Subscription) -> Result<(), QueryError> {
        let flow_log = &subscription.flow_log;
        let FlowLogDestination::S3 { bucket, prefix, hive_compatible, per_hour, .. } = &flow_log.destination else {
            return Ok(());
        };
        let root = Layout { prefix, hive_compatible: *hive_compatible, per_hour: *per_hour }.root(flow_log);
        let keys = match self.0.store.list(bucket, &root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            keys => keys.map_err(|source| QueryError::File { bucket: bucket.clone(), key: root, source })?,
        };
        for key in keys.iter().filter(|key| key::flow_log_of(key) == Some(flow_log.id)) {
            let failed = |source| QueryError::File { bucket: bucket.clone(), key: key.clone(), source };
            let packed = match self.0.store.get(bucket, key) {
                // Deleted since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                packed => packed.map_err(failed)?,
            };
            let mut text = String::new();
            MultiGzDecoder::new(&*packed).take(UNPACKED).read_to_string(&mut text).map_err(failed)?;
            database.add_text(flow_log.id, &text)?;
        }
        Ok(())
    }

    fn aggregator(&self) -> MutexGuard<'_, Aggregator> {
        lock(&self.0.aggregator)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is held under these locks is left half-changed by a panic that matters more than lost records.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
