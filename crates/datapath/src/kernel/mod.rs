//! The kernel tier: a program in front of every link of the fabric carries the flows that user space has judged.
//!
//! | part | is |
//! |---|---|
//! | `bpf/fastpath.c` | the program: looks a frame's flow up, counts, rewrites, hands it on; or hands it up |
//! | [`program`](self) | loads, pins and attaches it |
//! | [`Punt`] | the TAP by which frames are handed up |
//! | [`FastPath`] | what user space knows of the flows that the program carries |
//!
//! # Who decides
//! The first packet of a flow comes up and is judged by the pipeline, like every packet of the user-space path; it also
//! leaves from there, so that neither a full table nor a rule that changed meanwhile can do anything to it. What was
//! decided is entered for the packets behind it, for the answers too. An entry is worth something only as long as the
//! generations of the VPCs whose rules were asked stay the same: a change of rules moves one number, and all flows it may
//! concern are judged again, by their next packet or in the background, whichever comes first.
//!
//! # Who remembers
//! Connections that security groups track live in the pipeline's flow state, which outlasts every generation. While the
//! program carries a connection it moves the connection's state itself, by the same rules, in memory that both share;
//! user space looks there before it judges a packet of the connection, and lets it expire by the time that stands there.
//! Counters lie in the same memory and are never reset, only the part of them that was reported moves.

mod flows;
mod grace;
mod layout;
mod program;
mod punt;
mod shared;

pub use flows::LiveFlow;
pub(crate) use flows::{Entry, FastPath, Report, behind};
pub(crate) use layout::{Action, FlowId, Punted};
pub(crate) use program::{FastMaps, FastProgram, load, unpin_all};
pub(crate) use punt::{PUNT_NAME, Punt};

/// How many connections the kernel tier carries at most on this machine, each in both directions: a quarter of a million, or
/// fewer where their slots (288 octets for each) would take more than a hundredth of the memory.
fn connections() -> u32 {
    const MOST: u64 = 1 << 18;
    const EACH: u64 = 288;
    let memory = rustix::system::sysinfo();
    let octets = memory.totalram as u64 * u64::from(memory.mem_unit);
    (octets / 100 / EACH).clamp(4096, MOST) as u32
}
