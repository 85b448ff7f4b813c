//! Wire formats: reading packets without ever panicking, and changing them with their checksums kept right.
//!
//! Everything from outside goes through [`PacketHeader::parse`], which checks every length that it and the writers below
//! rely on. Nothing here allocates but [`testing`].

pub mod build;
mod checksum;
mod field;
mod header;
mod ipv4;
mod ipv6;
pub mod link;
mod rewrite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod transport;

pub use header::{FragmentInfo, Gso, ICMP, ICMPV6, InnerHeader, Malformed, PacketHeader, Size, TCP, TcpInfo, Transport, UDP};
pub use rewrite::Rewrite;
