//! openvpc: a virtual private cloud on your own Linux machine.
//!
//! This crate parses arguments and wires the parts: `cli` is what a user types, `daemon` is `openvpc up`, `lab` runs the
//! stories of `labs/`, `toolbox` holds small network tools for them, `cni` is what container runtimes call. It decides nothing
//! about packets or resources. Read [`cli::Command`] first, then [`daemon::Daemon`].
#![forbid(unsafe_code)]

mod cli;
mod cni;
mod daemon;
mod lab;
mod toolbox;

use std::process::ExitCode;

/// The program `openvpc`.
pub fn main() -> ExitCode {
    // The sandbox's own processes are this program too; they must not start threads or read arguments as a user's.
    if let Some(status) = openvpc_datapath::sandbox::hidden_command() {
        return status;
    }
    cli::main()
}

/// The program `openvpc-cni`.
pub fn cni() -> ExitCode {
    cni::main()
}
