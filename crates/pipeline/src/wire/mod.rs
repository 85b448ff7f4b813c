//! Wire formats: reading packets without ever panicking, and changing them with their checksums kept right.
//!
//! One protocol, one file, one shape: a private module `field` names the places of a header once, and a view gives them
//! types. A view made by `new_checked` holds a whole header. All reading goes through `bytes`, which yields zero beyond
//! the end, so that even a view whose bytes were changed under it can't panic.
//!
//! Everything from outside goes through [`PacketHeader::parse`]: what it lets through has consistent lengths, a right IPv4
//! header checksum and no fragment that could change what was judged. Nothing here allocates but `testing`.

pub mod build;
mod bytes;
mod checksum;
pub mod datagram;
mod header;
mod icmp;
mod ipv4;
mod ipv6;
pub mod link;
mod rewrite;
mod tcp;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod translate;
mod transport;
mod udp;

pub use header::{FragmentInfo, Gso, ICMP, ICMPV6, InnerHeader, Malformed, PacketHeader, Size, TCP, TcpInfo, Transport, UDP};
pub use rewrite::Rewrite;
