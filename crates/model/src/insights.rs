//! Network Insights: paths that a user asked about, and the answers.

use serde::{Deserialize, Serialize};

use crate::{InsightsAnalysisId, InsightsPathId, Owner, Tags, UnixMillis};

/// A question: can these two talk? See "What is Reachability Analyzer?" in its guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsightsPath {
    /// The path's id.
    pub id: InsightsPathId,
    /// Owning account and region.
    pub owner: Owner,
    /// Where packets start: an id.
    pub source: String,
    /// Where they should arrive: an id, or none when a filter names the address.
    pub destination: Option<String>,
    /// An address that narrows the source.
    pub source_ip: Option<String>,
    /// An address that narrows the destination.
    pub destination_ip: Option<String>,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The destination port.
    pub destination_port: Option<u16>,
    /// FilterAtSource and FilterAtDestination as given, in the API's JSON form.
    pub filters: serde_json::Value,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Client token of the call.
    pub client_token: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// An answer to an [`InsightsPath`] at one point in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsightsAnalysis {
    /// The analysis's id.
    pub id: InsightsAnalysisId,
    /// Owning account and region.
    pub owner: Owner,
    /// The question.
    pub path: InsightsPathId,
    /// When it was asked.
    pub started_at: UnixMillis,
    /// FilterInArns as given.
    pub filter_in_arns: Vec<String>,
    /// The outcome in the explanation's own JSON form, fixed at the time of the analysis.
    pub outcome: serde_json::Value,
    /// Client token of the call.
    pub client_token: Option<String>,
    /// Tags.
    pub tags: Tags,
}
