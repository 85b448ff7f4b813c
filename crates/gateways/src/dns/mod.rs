//! Names: the resolver that every VPC has, and the same names as the internet sees them.
//!
//! [`answer::answer`] is the meaning: a function of the network, of who asks and of the question. The rest is around it:
//! [`message`] reads and writes octets, [`upstream`] asks others what nobody here knows, [`server`] has the sockets.

pub mod answer;
mod aws;
mod counters;
mod instances;
pub mod message;
mod routing;
pub mod server;
pub mod upstream;
mod zones;

pub use aws::LAB_HOST;
pub use counters::{Counters, Event};
pub use server::{Resolver, Standpoint, serve};
pub use upstream::Upstream;
pub use zones::values_in;
