//! The user-space path: one thread that moves every frame between interfaces and the internet.
//!
//! The host's end of each interface is a link in the fabric, a namespace that no instance can reach, and the engine is
//! all that there is on the links: what it doesn't send arrives nowhere. It plays two parts. On layer 2 it is the
//! switch of each subnet and the router in it, which answers for every address and passes no frame to a group on; there
//! it refuses what an instance says in another's name. Above, it asks the pipeline about every packet, with the flow
//! state that it owns, and does what the verdict says.
//!
//! AWS's router answers no ping, so this one doesn't either: a packet to its address is judged like any other, and has
//! nowhere to go.
//!
//! One thread, because on the machines this is for the copy in and out of the kernel is what costs, and because a flow
//! state without locks is one that can be reasoned about. Super-packets pass whole, so a bulk transfer costs the engine
//! one round per 64 KiB.
//!
//! Read [`EngineCore`] first, which has no thread and no socket; then [`Engine`], which has both.

mod core;
mod counters;
mod cut;
mod learn;
mod link_layer;
mod offload;
mod thread;
mod uplink;

pub use self::core::{EngineCore, Now, Port, PortId};
pub use counters::{DropReason, Drops, EngineCounters, LinkDrop, PortCounters, Traffic};
pub use thread::{Engine, SinkHandle};
pub use uplink::Uplink;
