//! Log groups and streams of CloudWatch Logs.

use serde::{Deserialize, Serialize};

use crate::{Owner, Tags, UnixMillis};

/// The place of a log group, of a stream in it or (by number) of events in that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogKey {
    /// Account and region.
    pub owner: Owner,
    /// The group's name.
    pub group: String,
    /// The stream's name; empty for the group.
    pub stream: String,
    /// The number of a batch of events, from 1; 0 for the group or stream.
    pub batch: u64,
}

impl LogKey {
    /// The key of a group.
    pub fn group(owner: &Owner, group: &str) -> Self {
        Self::stream(owner, group, "")
    }

    /// The key of a stream.
    pub fn stream(owner: &Owner, group: &str, stream: &str) -> Self {
        Self { owner: owner.clone(), group: group.to_owned(), stream: stream.to_owned(), batch: 0 }
    }
}

/// Neither a group's nor a stream's name holds a colon, so that keys stay distinct.
impl std::fmt::Display for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}:{}:{}:{:020}", self.owner.account, self.owner.region, self.group, self.stream, self.batch)
    }
}

/// A log group. See "Working with log groups and log streams" in the CloudWatch Logs User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Owning account and region.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// `STANDARD`, `INFREQUENT_ACCESS` or `DELIVERY`.
    pub class: String,
    /// For how many days events are kept; none for ever.
    pub retention_days: Option<u32>,
    /// The ARN of the key that events are encrypted with on AWS; kept for clients.
    pub kms_key: Option<String>,
    /// Whether it can't be deleted.
    pub deletion_protection: bool,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl LogGroup {
    /// Its ARN, without the `:*` that stands for its streams.
    pub fn arn(&self) -> String {
        let Owner { account, region } = &self.owner;
        format!("arn:{}:logs:{region}:{account}:log-group:{}", region.partition(), self.name)
    }
}

/// A stream of events in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStream {
    /// Owning account and region.
    pub owner: Owner,
    /// The group's name.
    pub group: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The times of the first and the last event.
    pub span: Option<(UnixMillis, UnixMillis)>,
    /// When events came last.
    pub last_ingestion: Option<UnixMillis>,
    /// How many batches of events came.
    pub batches: u64,
}

/// Events that came in one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBatch {
    /// Owning account and region.
    pub owner: Owner,
    /// The group's name.
    pub group: String,
    /// The stream's name.
    pub stream: String,
    /// Its number in the stream, from 1.
    pub number: u64,
    /// When it came.
    pub ingested_at: UnixMillis,
    /// The events, oldest first.
    pub events: Vec<LogEvent>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// When it happened.
    pub at: UnixMillis,
    /// What happened.
    pub message: String,
}

/// A policy about who may write into log groups. It is kept for clients: everybody of an account may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogResourcePolicy {
    /// Owning account and region.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// The document.
    pub document: String,
    /// When it was last written.
    pub updated_at: UnixMillis,
}
