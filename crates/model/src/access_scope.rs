//! Network Access Scopes: which ways through the network are looked for, and what was found.

use serde::{Deserialize, Serialize};

use crate::{AccessScopeAnalysisId, AccessScopeId, Owner, Tags, UnixMillis};

/// A scope; its content never changes. See "What is Network Access Analyzer?" in its guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessScope {
    /// The scope's id.
    pub id: AccessScopeId,
    /// Owning account and region.
    pub owner: Owner,
    /// Ways that are findings.
    pub match_paths: Vec<ScopePath>,
    /// Ways that aren't, although they match.
    pub exclude_paths: Vec<ScopePath>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

/// A kind of way through the network. What isn't said may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopePath {
    /// Where it starts.
    pub source: Option<ScopeEnd>,
    /// Where it ends.
    pub destination: Option<ScopeEnd>,
    /// What it passes: of each of these something.
    pub through: Vec<ScopeResources>,
}

/// An end of a way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeEnd {
    /// Which packets.
    pub headers: Option<ScopeHeaders>,
    /// Which resources.
    pub resources: Option<ScopeResources>,
}

/// Resources, by name or by type: one of the two lists is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeResources {
    /// Ids or ARNs.
    pub resources: Vec<String>,
    /// Types, such as `AWS::EC2::InternetGateway`.
    pub types: Vec<String>,
}

/// Packets, by their headers, as the caller wrote them. An empty list is any value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeHeaders {
    /// Addresses or blocks.
    pub source_addresses: Vec<String>,
    /// Addresses or blocks.
    pub destination_addresses: Vec<String>,
    /// Ports or ranges of them.
    pub source_ports: Vec<String>,
    /// Ports or ranges of them.
    pub destination_ports: Vec<String>,
    /// Ids of prefix lists.
    pub source_prefix_lists: Vec<String>,
    /// Ids of prefix lists.
    pub destination_prefix_lists: Vec<String>,
    /// `tcp`, `udp`.
    pub protocols: Vec<String>,
}

/// What was found in a scope at one point in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessScopeAnalysis {
    /// The analysis's id.
    pub id: AccessScopeAnalysisId,
    /// Owning account and region.
    pub owner: Owner,
    /// The scope.
    pub scope: AccessScopeId,
    /// When it was asked.
    pub started_at: UnixMillis,
    /// How many interfaces were looked at.
    pub analyzed_enis: u32,
    /// Why what was found may not be all.
    pub warning: Option<String>,
    /// The ways found, each a list of components in the form of Network Insights' own.
    pub findings: Vec<serde_json::Value>,
    /// Tags.
    pub tags: Tags,
}
