//! What each action does to the state of the network.
//!
//! An action is a function over a [`Tx`]: it checks, it writes, or it fails and nothing happened. [`Control`] runs it on
//! the current snapshot, makes the outcome durable, puts it in force, and only then publishes it. The crate knows no wire
//! protocol and moves no packet; time, randomness and enforcement come in from outside as [`Environment`] and
//! [`Enforcer`].
//!
//! Read [`Control`] first, then [`Tx`].
#![forbid(unsafe_code)]

pub mod access_keys;
pub mod access_scopes;
pub mod addresses;
pub mod carrier_gateways;
pub mod certificates;
pub mod cidr_reservations;
pub mod client_vpn;
mod control;
pub mod customer_gateways;
pub mod dhcp;
pub mod direct_connect;
pub mod egress_only_gateways;
pub mod endpoint_services;
pub mod endpoints;
mod error;
pub mod flow_logs;
pub mod iam;
pub mod idempotency;
pub mod insights;
pub mod instances;
pub mod interface_permissions;
pub mod interfaces;
pub mod internet_gateways;
pub mod key_pairs;
pub mod load_balancers;
pub mod log_groups;
pub mod nat_gateways;
pub mod network_acls;
pub mod parameters;
pub mod peerings;
pub mod prefix_lists;
pub mod public_access;
mod quotas;
pub mod regions;
pub mod retention;
pub mod route53;
pub mod routes;
pub mod security_groups;
pub mod sessions;
pub mod subnets;
pub mod tags;
pub mod transit_gateways;
mod tx;
pub mod vpcs;
pub mod vpn_connections;
pub mod vpn_gateways;

pub use control::{Caller, Control, Enforcer, Environment, OpenError, Pending};
pub use error::{ControlError, Missing};
pub use quotas::Quotas;
pub use tx::Tx;
