//! VPC Flow Logs: from packets to records, from records to files in AWS's layout, and SQL over both.
//!
//! [`Aggregator`](aggregate::Aggregator) counts packets per interface and flow and cuts the counts into
//! [`Record`](record::Record)s; [`Delivery`](delivery::Delivery) writes them to an object store; [`FlowLogs`] ties the
//! two together for a running datapath. The time is always an argument, and the crate refuses to open files or sockets:
//! objects go through [`ObjectStore`], packets come through [`FlowSink`](openvpc_pipeline::verdict::FlowSink).
//!
//! Read [`FlowLogs`] first, then [`aggregate`].
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod delivery;
pub mod field;
mod flow_logs;
pub mod format;
pub mod key;
pub mod query;
pub mod record;
pub mod service_prefixes;
mod sink;
pub mod subscriptions;

pub use delivery::ObjectStore;
pub use flow_logs::{DeliveryCounts, FlowLogs};
pub use format::{Format, FormatError};
