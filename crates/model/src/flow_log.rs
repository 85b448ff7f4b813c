//! Flow logs: what is recorded of whom, and where it goes.

use serde::{Deserialize, Serialize};

use crate::{EniId, FlowLogId, Owner, SubnetId, Tags, UnixMillis, VpcId};

/// A flow log. See "Logging IP traffic using VPC Flow Logs" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLog {
    /// The flow log's id.
    pub id: FlowLogId,
    /// Owning account and region.
    pub owner: Owner,
    /// Which interfaces it covers.
    pub target: FlowLogTarget,
    /// Which records it keeps.
    pub traffic_type: TrafficType,
    /// Where records go.
    pub destination: FlowLogDestination,
    /// The format as given: `${field}` tokens separated by single spaces.
    pub log_format: String,
    /// 60 or 600 seconds, as asked; every window is cut at 60 seconds or less.
    pub max_aggregation_interval: u32,
    /// The role for delivery, kept for clients.
    pub deliver_logs_permission_arn: Option<String>,
    /// The role for cross-account delivery, kept for clients.
    pub deliver_cross_account_role: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Client token of the call.
    pub client_token: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// What a flow log covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FlowLogTarget {
    /// Every interface of a VPC.
    Vpc(VpcId),
    /// Every interface of a subnet.
    Subnet(SubnetId),
    /// One interface.
    NetworkInterface(EniId),
}

/// Which records a flow log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TrafficType {
    /// Accepted traffic.
    Accept,
    /// Rejected traffic.
    Reject,
    /// Both.
    All,
}

/// Where a flow log's records go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FlowLogDestination {
    /// A CloudWatch Logs group.
    CloudWatchLogs {
        /// The log group's name.
        log_group: String,
    },
    /// A bucket of an S3 service.
    S3 {
        /// The bucket.
        bucket: String,
        /// The folder in it as given, with or without a slash at the end; empty for none.
        prefix: String,
        /// The files' format.
        file_format: FileFormat,
        /// Whether folders are named `key=value`.
        hive_compatible: bool,
        /// Whether there is a folder per hour.
        per_hour: bool,
    },
}

/// The format of delivered files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// Gzipped text with a header line.
    PlainText,
    /// Parquet.
    Parquet,
}
