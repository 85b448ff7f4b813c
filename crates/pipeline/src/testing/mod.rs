//! A world of networks and packets for tests, in simulated time.
//!
//! Tests build a [`World`] with a line per resource, send [`packets`] in it and look at what became of them in a [`Sent`],
//! which shows the whole network, the packet and its walk when an expectation fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

pub mod packets;
mod report;
mod rules;
mod sent;
pub mod topology;
mod world;

pub use rules::{nacl_entry, security_group_rule};
pub use sent::Sent;
pub use world::{Host, NatHost, World};
