//! From records to files in buckets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use openvpc_model::{FlowLogDestination, FlowLogId, UnixMillis};

use crate::aggregate::Batch;
use crate::key::{self, Layout};
use crate::record::Record;
use crate::service_prefixes::ServicePrefixes;
use crate::subscriptions::Subscription;

/// A file is closed and another begun beyond this many compressed bytes.
const FILE_CAP: usize = 75_000_000;

/// The object store that files go to and are read back from.
pub trait ObjectStore: Send + Sync {
    /// Whether a bucket exists.
    fn bucket_exists(&self, bucket: &str) -> bool;

    /// Writes an object; it is there whole or not at all.
    ///
    /// # Errors
    /// `NotFound` when the bucket doesn't exist; others as they come.
    fn put(&self, bucket: &str, key: &str, body: &[u8]) -> io::Result<()>;

    /// Reads an object.
    ///
    /// # Errors
    /// `NotFound` when the bucket or the object doesn't exist; others as they come.
    fn get(&self, bucket: &str, key: &str) -> io::Result<Vec<u8>>;

    /// The keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// `NotFound` when the bucket doesn't exist; others as they come.
    fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>>;
}

/// Keeps complete records until they are in a file.
///
/// Records whose bucket can't be written stay and are tried again with every delivery.
pub struct Delivery {
    store: Arc<dyn ObjectStore>,
    pending: BTreeMap<FlowLogId, Pending>,
    pending_records: usize,
    limit: usize,
    failures: BTreeMap<FlowLogId, &'static str>,
    delivered_at: Option<u64>,
    existing: BTreeSet<FlowLogId>,
    dropped: u64,
}

/// What one delivery did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The files written.
    pub files: Vec<DeliveredFile>,
    /// The flow logs whose files couldn't be written, with AWS's word for the reason.
    pub failures: BTreeMap<FlowLogId, &'static str>,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredFile {
    /// The flow log.
    pub flow_log: FlowLogId,
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// How many records it holds.
    pub records: usize,
}

/// The records of a flow log that are in no file yet, by the five minutes they belong to.
struct Pending {
    subscription: Arc<Subscription>,
    periods: BTreeMap<u64, Vec<Record>>,
}

impl Delivery {
    /// Keeps at most `limit` records, counted once per flow log, while buckets can't be written.
    pub fn new(store: Arc<dyn ObjectStore>, limit: usize) -> Self {
        Self {
            store,
            pending: BTreeMap::new(),
            pending_records: 0,
            limit,
            failures: BTreeMap::new(),
            delivered_at: None,
            existing: BTreeSet::new(),
            dropped: 0,
        }
    }

    /// Takes complete records; each goes to every flow log that covered its interface and wants its kind.
    pub fn accept(&mut self, batches: Vec<Batch>) {
        for Batch { records, subscriptions } in batches {
            for subscription in subscriptions.iter() {
                self.accept_for(subscription, &records);
            }
        }
    }

    /// Delivers when five minutes of the wall clock have begun since the last time.
    pub fn deliver_due(&mut self, services: &ServicePrefixes, now: UnixMillis) -> Delivered {
        let period = key::period_of(now.seconds());
        if self.delivered_at.replace(period).is_none_or(|before| before == period) {
            return Delivered::default();
        }
        self.deliver(services)
    }

    /// Writes all records that are complete.
    pub fn deliver(&mut self, services: &ServicePrefixes) -> Delivered {
        let mut report = Delivered::default();
        let mut pending = std::mem::take(&mut self.pending);
        for (id, waiting) in &mut pending {
            match waiting.write(&*self.store, services, &mut report.files) {
                Ok(()) => {
                    self.failures.remove(id);
                }
                Err(error) => {
                    tracing::warn!(flow_log = %id, %error, "flow log files can't be written");
                    let reason = if error.kind() == io::ErrorKind::NotFound { "Access error" } else { "Unknown error" };
                    self.failures.insert(*id, reason);
                    report.failures.insert(*id, reason);
                }
            }
        }
        // Of a flow log that was deleted, one attempt is made for the last records.
        pending.retain(|id, waiting| !waiting.periods.is_empty() && self.existing.contains(id));
        self.failures.retain(|id, _| self.existing.contains(id));
        self.pending = pending;
        self.pending_records = self.pending.values().flat_map(|waiting| waiting.periods.values()).map(Vec::len).sum();
        report
    }

    /// Says which flow logs exist. Of one that doesn't, the last records are delivered, but not tried again.
    pub fn sync(&mut self, existing: BTreeSet<FlowLogId>) {
        self.existing = existing;
    }

    /// The flow logs whose last files couldn't be written, with AWS's word for the reason.
    pub fn failures(&self) -> &BTreeMap<FlowLogId, &'static str> {
        &self.failures
    }

    /// The records that are complete and in no file yet.
    pub fn waiting(&self) -> impl Iterator<Item = (&Arc<Subscription>, &Record)> {
        self.pending.values().flat_map(|waiting| waiting.periods.values().flatten().map(|record| (&waiting.subscription, record)))
    }

    /// How many records are complete and in no file yet.
    pub fn waiting_records(&self) -> usize {
        self.pending_records
    }

    /// How many records were given up because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn accept_for(&mut self, subscription: &Arc<Subscription>, records: &[Record]) {
        let waiting = self
            .pending
            .entry(subscription.id())
            .or_insert_with(|| Pending { subscription: Arc::clone(subscription), periods: BTreeMap::new() });
        for record in records.iter().filter(|record| record.matches(subscription.flow_log.traffic_type)) {
            if self.pending_records >= self.limit {
                self.dropped += 1;
                continue;
            }
            self.pending_records += 1;
            waiting.periods.entry(key::period_of(record.end)).or_default().push(record.clone());
        }
    }
}

impl Pending {
    /// Writes file after file; what is in one is no longer waiting, also when a later one fails.
    fn write(&mut self, store: &dyn ObjectStore, services: &ServicePrefixes, files: &mut Vec<DeliveredFile>) -> io::Result<()> {
        let flow_log = &self.subscription.flow_log;
        let FlowLogDestination::S3 { bucket, prefix, hive_compatible, per_hour, .. } = &flow_log.destination else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the destination isn't a bucket"));
        };
        let layout = Layout { prefix, hive_compatible: *hive_compatible, per_hour: *per_hour };
        for (period, records) in &mut self.periods {
            while !records.is_empty() {
                let (body, count) = file(&self.subscription, records, services, FILE_CAP)?;
                let key = layout.key(flow_log, *period, hash(&body));
                store.put(bucket, &key, &body)?;
                records.drain(..count);
                files.push(DeliveredFile { flow_log: flow_log.id, bucket: bucket.clone(), key, records: count });
            }
        }
        self.periods.clear();
        Ok(())
    }
}

/// A text file of as many of the records as `cap` compressed bytes hold, at least one. Says how many.
fn file(subscription: &Subscription, records: &[Record], services: &ServicePrefixes, cap: usize) -> io::Result<(Vec<u8>, usize)> {
    let mut body = GzEncoder::new(Vec::new(), Compression::default());
    writeln!(body, "{}", subscription.format.header())?;
    let mut count = 0;
    for record in records {
        writeln!(body, "{}", record.line(&subscription.format, services))?;
        count += 1;
        if body.get_ref().len() >= cap {
            break;
        }
    }
    Ok((body.finish()?, count))
}

/// FNV-1a, folded to the eight digits that file names have room for.
fn hash(body: &[u8]) -> u32 {
    let wide = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    (wide ^ (wide >> 32)) as u32
}
