//! Says whether X reaches Y, which way, and what stops it, by asking the pipeline about a packet nobody has sent.
//!
//! The crate holds no opinion of its own about rules or routes: it builds the packet a user asks about, walks it through
//! the same tables as the datapath, and puts the walk into words. It refuses to look at live connections: every question
//! is about a new one.
//!
//! Read [`Question`] first, then [`Explanation`].
#![forbid(unsafe_code)]

mod explanation;
mod question;
mod walk;
mod words;

pub use explanation::{Blocker, Explanation, HopView, Way};
pub use question::{Destination, Question, QuestionError, Start};
pub use walk::explain;
