use std::fs::File;
use std::process::ExitCode;
use std::{env, io};

use rustix::process::setsid;
use rustix::thread::UnshareFlags;
use serde::de::DeserializeOwned;

use super::control::{Control, GoOn, Report};
use crate::DatapathError;
use crate::error::Attempt;

/// The body of a hidden command: takes the specification from the daemon, leaves the daemon's session, makes
/// `namespaces` and runs `resident` in a child of this process, which is the first process of a new PID namespace if
/// there is one. This process then ends, so that the child belongs to nobody who could end it by ending.
pub(super) fn become_resident<S: DeserializeOwned>(
    namespaces: UnshareFlags,
    resident: impl FnOnce(S, &mut Control) -> Result<(), DatapathError>,
) -> ExitCode {
    close_inherited_files();
    let Ok(mut control) = Control::from_standard_input() else {
        return ExitCode::FAILURE;
    };
    let outcome = detach(namespaces, &mut control).and_then(|role| match role {
        Role::Launcher { child } => control.send(&Report::Started { pid: child }).attempt(|| "report to the daemon"),
        Role::Resident { spec } => resident(spec, &mut control),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With the daemon gone as well there is nobody left to tell.
            let _ = control.send(&Report::Failed { reason: error.to_string() });
            ExitCode::FAILURE
        }
    }
}

/// Reports that everything is in place and waits for the word to go on; without it, false.
pub(super) fn report_ready(control: &mut Control) -> Result<bool, DatapathError> {
    control.send(&Report::Ready).attempt(|| "report to the daemon")?;
    // An error is a connection that broke, which is as good as closed.
    Ok(matches!(control.receive::<GoOn>(), Ok(Some(GoOn))))
}

/// Puts `/dev/null` where the control socket and the daemon's files were.
pub(super) fn leave_standard_files() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

enum Role<S> {
    Launcher { child: i32 },
    Resident { spec: S },
}

fn detach<S: DeserializeOwned>(namespaces: UnshareFlags, control: &mut Control) -> Result<Role<S>, DatapathError> {
    let spec = control
        .receive()
        .and_then(|spec| spec.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
        .attempt(|| "read what to start")?;
    env::set_current_dir("/").attempt(|| "leave the working directory")?;
    setsid().attempt(|| "leave the daemon's session")?;
    // SAFETY: this process has one thread and keeps its file-descriptor table.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }.attempt(|| "make namespaces")?;
    // SAFETY: this process has one thread, so the child may go on as the parent would have.
    match unsafe { libc::fork() } {
        0 => Ok(Role::Resident { spec }),
        child if child > 0 => Ok(Role::Launcher { child }),
        _ => Err(io::Error::last_os_error()).attempt(|| "start a process"),
    }
}

/// Files that some ancestor left open, a test's pipe for example, must not stay open as long as an instance runs.
fn close_inherited_files() {
    // SAFETY: a hidden command calls this before it has opened anything, so no value in this process owns a descriptor
    // above the standard ones. Should the call be missing (before Linux 5.9), files stay open that were open anyway.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}
