//! The meaning of a VPC, written once: compile a network into tables, step a packet through them.
//!
//! [`compile`] turns a [`Network`](openvpc_model::Network) into [`Tables`]; [`step`] takes one packet through them, with the
//! flows that security groups track in a [`FlowState`], and answers with a [`Verdict`]. The datapath, the analyser and the
//! tests call the same two functions. The crate refuses to do I/O, to read a clock and to allocate on a packet's way. What the router itself says to an
//! interface, DHCP and router advertisements, is in [`router`].
//!
//! Read [`Tables`] first (what packets are judged by), then [`Verdict`] (what comes out).
#![forbid(unsafe_code)]

pub mod client_vpn;
mod compile;
mod flow;
pub mod matching;
mod restore;
pub mod router;
mod stages;
mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
mod trace;
pub mod verdict;
mod walk;
pub mod wire;

pub use compile::{EniEntry, EniIndex, GatewayIndex, MTU, NextHop, Tables, compile};
pub use flow::{
    ALLOWANCE, CONNECTIONS, Connection, End, Exchanges, FlowKey, FlowState, GatewayCounters, MappingKey, NAT_IDLE, Passed, Phase,
    Progress, Tracking,
};
pub use restore::restore_mapping;
pub use stages::internet_gateway::MTU as INTERNET_GATEWAY_MTU;
pub use stages::services::{RESOLVER_IN_VPC, SERVICE_ALLOWANCE, masked, unmasked};
pub use step::{Ingress, preview, step};
pub use time::Nanos;
pub use trace::{HeaderView, Hop, HopAction, NoTrace, Tracer};
pub use verdict::*;
pub use wire::{PacketHeader, Rewrite, Transport};
