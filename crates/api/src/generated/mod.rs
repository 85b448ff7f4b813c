//! Code that `cargo xtask model generate` writes from `crates/api/model`. The names are AWS's.
#![allow(missing_docs, reason = "the model that the code is made from carries no prose")]
#![allow(clippy::all, reason = "generated")]

pub mod operations;
#[cfg(test)]
pub(crate) mod samples;
pub mod shapes;
pub mod table;
