//! What answers beside the instances: the link-local services, the lab internet's HTTP server and the object store.
//!
//! The crate opens no listening socket of its own: sockets and requests are handed in by whoever runs the daemon, so that
//! the same server answers on the daemon's endpoint and inside a network namespace. What a service answers is a pure function
//! of the network, of who asks and of the question; the servers around it read and write.
//!
//! Read [`services::Askers`] first (who asks), then [`s3::S3`] and [`internet::serve`].
#![forbid(unsafe_code)]

pub mod dns;
pub mod internet;
pub mod metadata;
pub mod s3;
pub mod services;
pub mod time;
