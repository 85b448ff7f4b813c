//! What each action does to the state of the network.
//!
//! An action is a function over a [`Tx`]: it checks, it writes, or it fails and nothing happened. [`Control`] runs it on
//! the current snapshot, makes the outcome durable, puts it in force, and only then publishes it. The crate knows no wire
//! protocol and moves no packet; time, randomness and enforcement come in from outside as [`Environment`] and
//! [`Enforcer`].
//!
//! Read [`Control`] first, then [`Tx`].
#![forbid(unsafe_code)]

pub mod addresses;
mod control;
pub mod dhcp;
mod error;
pub mod flow_logs;
pub mod idempotency;
pub mod insights;
pub mod instances;
pub mod interfaces;
pub mod internet_gateways;
pub mod network_acls;
mod quotas;
pub mod regions;
pub mod routes;
pub mod security_groups;
pub mod subnets;
pub mod tags;
mod tx;
pub mod vpcs;

pub use control::{Caller, Control, Enforcer, Environment, OpenError};
pub use error::{ControlError, Missing};
pub use quotas::Quotas;
pub use tx::Tx;
