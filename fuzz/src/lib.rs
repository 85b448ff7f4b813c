//! Fuzz targets: what untrusted bytes must never do.
//!
//! Each target is a function of bytes that panics when a promise is broken. `targets` hands them to libFuzzer by
//! `cargo xtask fuzz`, `tests/corpus.rs` replays all inputs that are kept. Read [`packet`] first.

mod dhcp;
mod dns;
mod link;
mod packet;
mod request;

pub use dhcp::dhcp;
pub use dns::dns;
pub use link::link;
pub use packet::packet;
pub use request::request;

/// A target's name and the target.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] =
    &[("dhcp", dhcp), ("dns", dns), ("link", link), ("packet", packet), ("request", request)];
