//! How often each operation was asked for, what came of it, and how long it took.
//!
//! A request adds to a few atomics of its operation; the lock around the table of operations is only written when an
//! operation is asked for that nobody asked for before. There is no entry for what callers make up: an unknown operation is
//! counted as [`UNKNOWN`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The operation of requests that name none that is served.
pub const UNKNOWN: &str = "unknown";

/// The code of answers that are no error.
pub const OK: &str = "OK";

/// The bounds of the classes of duration, in microseconds; the last class has none.
pub const BOUNDS: [u64; 12] = [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000];

/// The codes that an operation may have, so that no bug makes the table grow for ever.
const MOST_CODES: usize = 100;

/// All requests since the start.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    calls: RwLock<BTreeMap<(&'static str, &'static str), Arc<Calls>>>,
}

/// The requests for one operation.
#[derive(Debug, Default)]
struct Calls {
    codes: RwLock<BTreeMap<String, AtomicU64>>,
    durations: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// The requests for one operation, at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct OperationUsage {
    /// The service's short name.
    pub service: &'static str,
    /// The operation's name on the wire, or [`UNKNOWN`].
    pub operation: &'static str,
    /// How many ended with each code: [`OK`], or that of the error.
    pub codes: Vec<(String, u64)>,
    /// How many took up to each of [`BOUNDS`] and longer than the one before, and how many longer than all.
    pub durations: [u64; BOUNDS.len() + 1],
    /// How long all took together.
    pub total: Duration,
}

impl Usage {
    pub(crate) fn count(&self, service: &'static str, operation: &'static str, code: &str, took: Duration) {
        let calls = self.calls_of(service, operation);
        let micros = took.as_micros() as u64;
        let class = BOUNDS.partition_point(|bound| *bound < micros);
        calls.durations[class].fetch_add(1, Ordering::Relaxed);
        calls.micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(count) = calls.codes.read().unwrap_or_else(PoisonError::into_inner).get(code) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut codes = calls.codes.write().unwrap_or_else(PoisonError::into_inner);
        let code = if codes.len() < MOST_CODES { code } else { UNKNOWN };
        codes.entry(code.to_owned()).or_default().fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Vec<OperationUsage> {
        let calls = self.calls.read().unwrap_or_else(PoisonError::into_inner);
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let usage = calls.iter().map(|((service, operation), calls)| {
            let codes = calls.codes.read().unwrap_or_else(PoisonError::into_inner);
            OperationUsage {
                service,
                operation,
                codes: codes.iter().map(|(code, count)| (code.clone(), now(count))).collect(),
                durations: calls.durations.each_ref().map(now),
                total: Duration::from_micros(now(&calls.micros)),
            }
        });
        usage.collect()
    }

    fn calls_of(&self, service: &'static str, operation: &'static str) -> Arc<Calls> {
        let key = (service, operation);
        if let Some(calls) = self.calls.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(calls);
        }
        Arc::clone(self.calls.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_code_and_class_of_duration() {
        let usage = Usage::default();
        let count = |operation, code, micros| usage.count("ec2", operation, code, Duration::from_micros(micros));
        count("CreateVpc", OK, 250);
        count("CreateVpc", OK, 251);
        count("CreateVpc", "VpcLimitExceeded", 60_000_000);
        count("DeleteVpc", OK, 0);
        let [create, delete] = &usage.snapshot()[..] else { panic!("two operations") };
        assert_eq!((create.operation, delete.operation), ("CreateVpc", "DeleteVpc"));
        assert_eq!(create.codes, [("OK".to_owned(), 2), ("VpcLimitExceeded".to_owned(), 1)]);
        assert_eq!((create.durations[0], create.durations[1], create.durations[BOUNDS.len()]), (1, 1, 1));
        assert_eq!(create.total, Duration::from_micros(60_000_501));
        assert_eq!(delete.durations[0], 1);
    }

    #[test]
    fn codes_without_end_are_counted_together() {
        let usage = Usage::default();
        for number in 0..1000 {
            usage.count("ec2", UNKNOWN, &format!("Code{number}"), Duration::ZERO);
        }
        let counted = &usage.snapshot()[0].codes;
        assert_eq!(counted.len(), MOST_CODES + 1);
        assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 1000);
    }
}
