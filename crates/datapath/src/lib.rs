//! Linux: network namespaces, links, packet sockets, sandboxes and the user-space engine.
//!
//! This crate owns everything of openvpc that touches the kernel, and all of its `unsafe`. It decides nothing about
//! what a packet may do: that is `openvpc-pipeline`, which the engine asks. It calls no other program: links are made
//! over netlink, namespaces by system calls.
//!
//! Read first: [`namespace::NetNs`], the place where links and sockets live, and [`sandbox::Sandbox`], the running
//! instance whose `eth0` lives in one.

#![allow(
    unsafe_code,
    reason = "packet sockets, clone and setns have no safe form; all system calls of the project are kept here"
)]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod backend;
pub mod capture;
pub mod details;
pub mod engine;
mod error;
mod kernel;
pub mod machine;
pub mod namespace;
pub mod netlink;
mod offloads;
pub mod packet_socket;
pub mod privileges;
pub mod sandbox;
pub mod tap;

pub use error::DatapathError;
pub use kernel::LiveFlow;
