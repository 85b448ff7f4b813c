//! Running a command inside a sandbox, from the process that wants its result.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command};
use std::{env, fs, io, mem};

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::ThreadNameSpaceType;
use thiserror::Error;

use super::capabilities;
use super::process::{Process, ProcessRecord};
use crate::DatapathError;
use crate::error::Attempt;

/// A command to run inside.
#[derive(Clone, Debug)]
pub struct ExecCommand {
    /// The program, found in `PATH` when it has no slash, and its arguments.
    pub argv: Vec<OsString>,
    /// Variables beyond the usual ones, or in their place.
    pub env: Vec<(OsString, OsString)>,
}

/// Why a command could not be run inside. The command's own failures are exit statuses.
#[derive(Debug, Error)]
pub enum ExecError {
    /// The sandbox has ended.
    #[error("the instance is not running")]
    NotRunning,
    /// The caller may not enter.
    #[error("the instance belongs to a daemon of another user; run this as that user, or as root")]
    NotPermitted,
    /// No command was given.
    #[error("no command was given")]
    NoCommand,
    /// The kernel refused something else.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
}

impl ExecCommand {
    /// `argv` with what of the caller's environment concerns the terminal and the language.
    pub fn new<A: Into<OsString>>(argv: impl IntoIterator<Item = A>) -> Self {
        let carried = env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            matches!(&*name, "TERM" | "COLORTERM" | "LANG" | "LANGUAGE" | "NO_COLOR" | "TZ") || name.starts_with("LC_")
        });
        let mut env: Vec<_> = carried.collect();
        env.push(("PATH".into(), path_with(env::var_os("PATH").as_deref())));
        Self { argv: argv.into_iter().map(Into::into).collect(), env }
    }

    /// Whether there is a file for the program, seen from the calling process.
    fn is_present(&self) -> bool {
        let program = Path::new(&self.argv[0]);
        let path = self.env.iter().rev().find(|(name, _)| name == "PATH").map_or(PATH.as_ref(), |(_, path)| path.as_os_str());
        match program.components().count() {
            1 if !program.has_root() => env::split_paths(path).any(|dir| dir.join(program).exists()),
            _ => program.exists(),
        }
    }
}

/// Runs `command` inside the sandbox whose init is `target` and returns its exit status: its own, 128 and the signal's
/// number if a signal ended it, 127 if it was not found, 126 if it could not be run.
///
/// It has this process's standard files, and the signals sent to this process. A child that leaves the session lives on.
/// The calling process must have one thread only, and is of no other use afterwards, as it has moved into the sandbox.
pub fn exec(target: &ProcessRecord, command: &ExecCommand) -> Result<u8, ExecError> {
    if command.argv.is_empty() {
        return Err(ExecError::NoCommand);
    }
    let process = target.open()?.ok_or(ExecError::NotRunning)?;
    let namespaces = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION;
    join(&process, namespaces)?;
    capabilities::give_up()?;
    let forwarded = Forwarded::block()?;
    // SAFETY: this process has one thread (or could not have joined the mount namespace), so the child may go on as the
    // parent would have.
    match unsafe { libc::fork() } {
        0 => run(command, &forwarded),
        child if child > 0 => Ok(forwarded.wait_for(child)),
        // The kernel gives no process to a PID namespace whose init has ended.
        _ if !process.is_running() => Err(ExecError::NotRunning),
        _ => Err(io::Error::last_os_error()).attempt(|| "start a process inside")?,
    }
}

/// Moves this process, which must have one thread only, into the network of the sandbox whose init is `target`; files are
/// those of outside. Gives a handle by which to know when the sandbox ends.
pub(crate) fn enter_network(target: &ProcessRecord) -> Result<Process, ExecError> {
    let process = target.open()?.ok_or(ExecError::NotRunning)?;
    join(&process, ThreadNameSpaceType::NETWORK)?;
    Ok(process)
}

/// The environment of every process inside.
pub(super) fn base_environment() -> [(OsString, OsString); 5] {
    let home = if fs::read_dir("/root").is_ok() { "/root" } else { "/" };
    [("OPENVPC", super::PROGRAM), ("PATH", PATH), ("HOME", home), ("USER", "root"), ("LOGNAME", "root")]
        .map(|(name, value)| (name.into(), value.into()))
}

fn join(process: &Process, mut namespaces: ThreadNameSpaceType) -> Result<(), ExecError> {
    let user_namespace = |pid: &str| fs::metadata(format!("/proc/{pid}/ns/user")).map(|file| file.ino());
    let foreign = match (user_namespace(&process.pid().to_string()), user_namespace("self")) {
        (Ok(theirs), Ok(ours)) => theirs != ours,
        (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => return Err(ExecError::NotPermitted),
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => return Err(ExecError::NotRunning),
        (Err(error), _) | (_, Err(error)) => Err(error).attempt(|| "look at the user namespace")?,
    };
    if foreign {
        namespaces |= ThreadNameSpaceType::USER;
    }
    match rustix::thread::move_into_thread_name_spaces(process.as_fd(), namespaces) {
        Ok(()) => {}
        Err(rustix::io::Errno::PERM) => return Err(ExecError::NotPermitted),
        Err(rustix::io::Errno::SRCH) => return Err(ExecError::NotRunning),
        Err(error) => Err(error).attempt(|| "enter the instance")?,
    }
    if foreign {
        become_root().attempt(|| "become root inside")?;
    }
    Ok(())
}

/// Whoever started the daemon is root in its user namespace; whoever may enter besides is nobody there.
fn become_root() -> io::Result<()> {
    use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
    let (gid, uid) = (rustix::fs::Gid::ROOT, rustix::fs::Uid::ROOT);
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

fn run(command: &ExecCommand, forwarded: &Forwarded) -> ! {
    // When the caller is killed outright, its command gets what it would get from a terminal that is gone.
    let _ = set_parent_process_death_signal(Some(Signal::HUP));
    forwarded.unblock();
    let error = Command::new(&command.argv[0])
        .args(&command.argv[1..])
        .env_clear()
        .envs(base_environment())
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .exec();
    let program = &command.argv[0];
    // A directory in PATH that may not be read makes "not permitted" of what is "not found".
    let status = if error.kind() == io::ErrorKind::NotFound || !command.is_present() {
        eprintln!("openvpc: {}: command not found in the instance", program.display());
        127
    } else {
        eprintln!("openvpc: {}: {error}", program.display());
        126
    };
    process::exit(status)
}

/// The signals that are for the command.
struct Forwarded {
    set: libc::sigset_t,
}

impl Forwarded {
    const SIGNALS: [i32; 6] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

    fn block() -> Result<Self, DatapathError> {
        // SAFETY: `set` is initialised by sigemptyset before it is read, and lives through the calls.
        unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in Self::SIGNALS.into_iter().chain([libc::SIGCHLD]) {
                libc::sigaddset(&raw mut set, signal);
            }
            match libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
                0 => Ok(Self { set }),
                _ => Err(io::Error::last_os_error()).attempt(|| "take signals"),
            }
        }
    }

    fn unblock(&self) {
        // SAFETY: `set` is initialised and lives through the call.
        unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const self.set, std::ptr::null_mut()) };
    }

    fn wait_for(&self, child: i32) -> u8 {
        loop {
            let mut status = 0;
            // SAFETY: `status` lives through the call.
            let waited = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
            if waited == child {
                return match (libc::WIFEXITED(status), libc::WIFSIGNALED(status)) {
                    (true, _) => libc::WEXITSTATUS(status) as u8,
                    (_, true) => 128 + libc::WTERMSIG(status) as u8,
                    _ => continue,
                };
            }
            // SAFETY: `siginfo_t` is plain numbers, for which zero is a value.
            let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
            // SAFETY: `set` is initialised, and both live through the call.
            let signal = unsafe { libc::sigwaitinfo(&raw const self.set, &raw mut info) };
            // What the terminal sends goes to the command as well: both are in its foreground.
            if Self::SIGNALS.contains(&signal) && info.si_code != SI_KERNEL {
                // SAFETY: no memory is involved; the child was not waited for, so the number is still its own.
                unsafe { libc::kill(child, signal) };
            }
        }
    }
}

/// The usual directories first, then those of the caller's that are not among them: tools that a user installed for
/// themselves are found, and none of them hides a system's one.
fn path_with(caller: Option<&OsStr>) -> OsString {
    let mut dirs: Vec<_> = env::split_paths(PATH).collect();
    for dir in caller.map(env::split_paths).into_iter().flatten() {
        if dir.is_absolute() && !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    env::join_paths(dirs).unwrap_or_else(|_| PATH.into())
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `si_code` of a signal that the kernel itself sends, on behalf of a terminal for example.
const SI_KERNEL: i32 = 0x80;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_callers_directories_come_behind_the_usual_ones_and_once() {
        let path = path_with(Some(OsStr::new("/home/me/bin:/usr/bin:relative:/opt/x/bin")));
        assert_eq!(path, OsString::from(format!("{PATH}:/home/me/bin:/opt/x/bin")));
        assert_eq!(path_with(None), PATH);
    }
}
