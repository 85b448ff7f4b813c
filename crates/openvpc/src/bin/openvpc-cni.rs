//! The program `openvpc-cni`, which container runtimes run.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    openvpc_commands::cni()
}
