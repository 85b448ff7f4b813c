//! What every operation owes its callers, whatever its family: DryRun, ids, filters, pages, errors. Which operations there
//! are comes from the model, so that a new one can't be forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod describes;
mod operations;
mod script;

pub(crate) use operations::has_dry_run;
