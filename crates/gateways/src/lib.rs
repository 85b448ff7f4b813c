//! What stands outside a VPC: the lab internet's HTTP server and the object store.
//!
//! The crate opens no listening socket of its own: sockets and requests are handed in by whoever runs the daemon, so that
//! the same server answers on the daemon's endpoint and inside a network namespace. It refuses to know VPCs.
//!
//! Read [`s3::S3`] first, then [`internet::serve`].
#![forbid(unsafe_code)]

pub mod internet;
pub mod s3;
