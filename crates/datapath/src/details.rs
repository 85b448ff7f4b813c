//! What a backend says of itself, in a form that people, scripts and metrics can be shown.

/// One row: a name and what was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detail {
    /// In words joined by `_`, and the same in every answer: it names a member of JSON, and after `openvpc_datapath_` a
    /// metric.
    pub name: &'static str,
    /// What it is, in one sentence for people and for `HELP`.
    pub help: &'static str,
    /// What was read.
    pub reading: Reading,
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// A number that only grows while the daemon runs.
    Counter(u64),
    /// How full something is.
    Fill {
        /// Entries in use.
        used: u64,
        /// Entries that fit.
        capacity: u64,
    },
    /// A number that goes up and down.
    Gauge(u64),
    /// Words. They are no metric.
    Text(String),
}

impl Detail {
    /// A row.
    pub fn new(name: &'static str, help: &'static str, reading: Reading) -> Self {
        Self { name, help, reading }
    }
}
