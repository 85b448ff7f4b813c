//! What became of questions, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $outcome:literal, $reason:literal;)*) => {
        /// Something that happens to a question.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $variant,)*
        }

        impl Event {
            const ALL: &'static [(Event, &'static str, &'static str)] = &[$((Event::$variant, $outcome, $reason),)*];
        }
    };
}

events! {
    /// It was answered with records, or with none of the type.
    Answered = "answered", "no_error";
    /// There is no such name.
    NoName = "answered", "no_such_name";
    /// The answer came from upstream.
    Forwarded = "forwarded", "answered";
    /// The answer had come from upstream before.
    Cached = "forwarded", "cached";
    /// Nobody knows the name, and there is no upstream to ask.
    NowhereToAsk = "forwarded", "lab_internet";
    /// Aliases in a circle, or a delegation to servers that there aren't.
    Unresolvable = "servfail", "unresolvable";
    /// Upstream didn't answer in time.
    UpstreamSilent = "servfail", "upstream_silent";
    /// Too many questions waited for upstream.
    UpstreamBusy = "servfail", "upstream_busy";
    /// Answering failed.
    Failed = "servfail", "internal";
    /// It can't be read.
    Malformed = "format_error", "malformed";
    /// It is no question.
    NotAQuestion = "refused", "not_a_question";
    /// It is of a class other than IN.
    OtherClass = "refused", "class";
    /// It asks for a whole zone.
    Transfer = "refused", "zone_transfer";
    /// It is of a version of EDNS that nobody knows.
    UnknownVersion = "refused", "edns_version";
    /// It isn't one at all.
    NoMessage = "dropped", "no_message";
    /// Nobody knows who asks.
    UnknownAsker = "dropped", "unknown_asker";
    /// The asker's VPC has no DNS support.
    NoSupport = "dropped", "dns_support_off";
}

/// How often each happened.
#[derive(Debug)]
pub struct Counters([AtomicU64; Event::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// Counts one.
    pub fn count(&self, event: Event) {
        // The table has an entry for every event, in their order.
        self.0[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many questions ended how, whatever the reason.
    pub fn by_outcome(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        self.all().for_each(|(outcome, _, count)| *sums.entry(outcome).or_default() += count);
        sums
    }

    /// Outcome, reason and number, for all.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        Event::ALL.iter().map(|(event, outcome, reason)| (*outcome, *reason, self.0[*event as usize].load(Ordering::Relaxed)))
    }
}
