//! AWS's wire protocols and one action module per resource family.
//!
//! A request comes in as bytes, is parsed into a structure generated from the service model, handed to its action, and
//! the action's structure goes out as XML. The crate opens no socket and decides nothing about the network: the daemon
//! brings the HTTP, [`openvpc_control`] the meaning.
//!
//! Read [`Api`] first (from request to answer), then [`action::Ctx`] (what an action works with).
#![forbid(unsafe_code)]

pub mod action;
pub mod actions;
mod api;
pub mod auth;
pub mod cbor;
pub mod client;
#[cfg(test)]
mod contract;
mod error;
pub mod filters;
#[rustfmt::skip]
pub mod generated;
pub mod host;
pub mod http;
pub mod ids;
pub mod json;
pub mod keys;
pub mod page;
pub mod query;
#[cfg(test)]
mod reference_model;
pub mod rest;
#[cfg(test)]
mod round_trip;
pub mod services;
pub mod table;
pub mod tagging;
#[cfg(test)]
mod testing;
mod timestamp;
pub mod usage;
pub mod xml;

pub use api::{Api, Recipient, recipient};
pub use error::ApiError;
pub use generated::ec2::{operations, shapes};
