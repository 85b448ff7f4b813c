//! `openvpc exec`: run a command inside an instance.
//!
//! The command line process joins the instance's namespaces itself, so standard streams, signals, the terminal and the
//! exit status are those of any command; the daemon only says where the instance is.

use std::process::ExitCode;

use openvpc_datapath::sandbox::{self, ExecCommand, ProcessRecord};

use super::client::Client;
use super::{Failure, Target};

/// The exit status when the instance isn't running, as design section 9 fixes it.
const NOT_RUNNING: u8 = 125;

/// Runs the command and passes its exit status on.
pub fn run(target: &Target, instance: &str, command: &[String]) -> Result<ExitCode, Failure> {
    let answer = Client::new(target).get(&format!("instances/{instance}/exec")).map_err(|f| f.with_status(NOT_RUNNING))?;
    let place: ProcessRecord = serde_json::from_value(answer)
        .map_err(|error| Failure::new(format!("the daemon's answer can't be read: {error}")).with_status(NOT_RUNNING))?;
    let status = sandbox::exec(&place, &ExecCommand::new(command))
        .map_err(|error| Failure::new(format!("{instance}: {error}")).with_status(NOT_RUNNING))?;
    Ok(ExitCode::from(status))
}
