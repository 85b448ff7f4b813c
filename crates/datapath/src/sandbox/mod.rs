//! Instances as sandboxes: processes in namespaces of their own, which live on without the daemon.
//!
//! # Who holds what
//! A sandbox is a network, mount, PID, UTS and IPC namespace over the host's root filesystem, with a small init of our
//! own as its PID 1. The init is no child of the daemon, knows nothing of it, and holds all of the namespaces: while it
//! lives, the instance lives, whatever becomes of the daemon; when it dies, the kernel kills every process inside and
//! takes the namespaces and mounts away, so there is nothing to clean up but files. The host ends of all links live in
//! one more namespace, the *fabric*, which is held in the same way by a process of its own that does nothing else
//! ([`Fabric`]). So `eth0` survives a crash of the daemon, and the processes inside keep their sockets and routes.
//!
//! Bind mounts of namespaces would do the same for root, but not in a user namespace, where mounts die with the last
//! process; and they survive a reboot as stale files. Processes work the same in both tiers.
//!
//! # How the next daemon finds them
//! Each state directory has a `process.json` with the process's number, start time and boot, which together never come
//! twice. It is written before the init is told to go on, and an init whose daemon vanishes before telling it ends by
//! itself: so at no moment is there a running sandbox that can't be found.
//!
//! # How they start
//! The daemon runs its own program again with a hidden command ([`hidden_command`]); that process leaves the daemon's
//! session, makes the namespaces and forks the init. Both talk to the daemon over their standard input, a socket:
//! specification in; process number, readiness or an error out; then the word to go on, once the daemon has configured
//! `eth0`.
//!
//! # What a sandbox refuses
//! Root inside keeps the capabilities that the instance's own things need (its network, its processes, its files), and
//! none that reaches the machine: no modules, devices, clock, mounts, nor opening files by handle. The daemon's
//! directories are covered. It is still the host's root filesystem, written with the rights of the user who runs the
//! daemon: a sandbox separates networks, it does not protect the host's files from its own root.

mod capabilities;
mod console;
mod control;
mod detach;
mod exec;
mod fabric;
mod init;
mod launch;
mod mounts;
mod process;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;

pub(crate) use exec::enter_network;
pub use exec::{ExecCommand, ExecError, exec};
pub use fabric::Fabric;
pub use launch::{Helper, Prepared, launch, write_resolv_conf};
pub use process::{Process, ProcessRecord};

/// Where this program is found inside, whatever the host calls it; the variable `OPENVPC` says so.
pub const PROGRAM: &str = "/run/openvpc/openvpc";

/// What an instance's sandbox consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// The instance id, or `internet`; shown in the host's process list.
    pub name: String,
    /// The host name inside.
    pub hostname: String,
    /// The text of `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// The text of `/etc/hosts` at the first start; changes made inside last as long as the state directory.
    pub hosts: String,
    /// User data; run once in the life of the state directory if it begins with `#!`.
    pub user_data: Option<Vec<u8>>,
    /// The sandbox's own directory, made when missing. It holds the private `/tmp` and `/run`, the console log and what
    /// is needed to find the sandbox again, and is to be removed when the instance is terminated.
    pub state_dir: PathBuf,
    /// Directories to cover with an empty one: the daemon's data and run directories.
    pub hidden: Vec<PathBuf>,
}

/// A running (or lately running) sandbox. Dropping the value changes nothing about it.
#[derive(Debug)]
pub struct Sandbox {
    process: Process,
    state_dir: PathBuf,
}

impl Sandbox {
    /// The sandbox that runs with `state_dir`, if one does.
    pub fn find(state_dir: &Path) -> Result<Option<Self>, DatapathError> {
        Ok(Process::find(state_dir)?.map(|process| Self { process, state_dir: state_dir.to_owned() }))
    }

    /// The sandboxes that run with state directories directly below `parent`, with the name of the directory.
    pub fn find_all(parent: &Path) -> Result<Vec<(String, Self)>, DatapathError> {
        let entries = match fs::read_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.attempt(|| format!("list {}", parent.display()))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.attempt(|| format!("list {}", parent.display()))?;
            if let Some(sandbox) = Self::find(&entry.path())? {
                found.push((entry.file_name().to_string_lossy().into_owned(), sandbox));
            }
        }
        Ok(found)
    }

    /// Ends the sandbox: its processes get SIGTERM and a moment, then SIGKILL; returns when none is left. `patience`
    /// bounds how long an orderly end may take. The state directory stays.
    pub fn stop(&self, patience: Duration) -> Result<(), DatapathError> {
        self.process.end(patience)?;
        Process::forget(&self.state_dir)
    }

    /// Whether its init runs.
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Its init; readable, as a file descriptor, when the sandbox has ended.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its init alone.
    pub(crate) fn into_process(self) -> Process {
        self.process
    }

    /// Its network namespace.
    pub fn net_ns(&self) -> Result<NetNs, DatapathError> {
        self.process.net_ns()
    }

    /// The last 64 KiB at most of what was written to its console.
    pub fn console_output(state_dir: &Path) -> Result<Vec<u8>, DatapathError> {
        console::read_tail(state_dir)
    }
}

/// Runs the hidden command this process was started with, if it was started with one.
///
/// The program's `main` calls this before anything else, in particular before it starts threads.
pub fn hidden_command() -> Option<ExitCode> {
    let command = env::args_os().nth(1)?;
    match command.to_str()? {
        launch::SANDBOX_COMMAND => Some(init::sandbox_main()),
        launch::FABRIC_COMMAND => Some(fabric::fabric_main()),
        _ => None,
    }
}
