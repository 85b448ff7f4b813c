use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, Mode};
use serde::Serialize;

use super::control::{Control, GoOn, Report};
use super::process::Process;
use super::{Sandbox, SandboxSpec, console};
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;

/// The program whose `main` calls [`super::hidden_command`].
#[derive(Clone, Debug)]
pub struct Helper(PathBuf);

impl Helper {
    /// This program itself, also when its file was replaced meanwhile.
    pub fn current() -> Self {
        Self("/proc/self/exe".into())
    }

    /// The program at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

/// A sandbox whose namespaces and mounts are in place, and whose init waits for the word to go on.
///
/// Here the daemon puts `eth0` in. Dropped, or left by a crash, the sandbox vanishes.
pub struct Prepared {
    waiting: Waiting,
    state_dir: PathBuf,
}

impl Prepared {
    /// Its network namespace; `lo` is up.
    pub fn net_ns(&self) -> Result<NetNs, DatapathError> {
        self.waiting.process.net_ns()
    }

    /// Lets it go on: its user data runs, if it is the first start.
    pub fn start(self) -> Result<Sandbox, DatapathError> {
        Ok(Sandbox { process: self.waiting.go_on(&self.state_dir)?, state_dir: self.state_dir })
    }
}

/// Makes a sandbox, up to the point where it waits for its network.
pub fn launch(helper: &Helper, spec: &SandboxSpec) -> Result<Prepared, DatapathError> {
    let state_dir = prepare_state(spec).attempt(|| format!("prepare {}", spec.state_dir.display()))?;
    let spec = SandboxSpec {
        state_dir: state_dir.clone(),
        hidden: spec.hidden.iter().map(|dir| dir.canonicalize().unwrap_or_else(|_| dir.clone())).collect(),
        ..spec.clone()
    };
    Ok(Prepared { waiting: start_process(helper, SANDBOX_COMMAND, &spec.name, &spec)?, state_dir })
}

/// A process that has reported ready and waits for the word to go on. It ends when this is dropped.
pub(super) struct Waiting {
    pub(super) process: Process,
    control: Control,
}

impl Waiting {
    /// Records the process in `dir` and lets it go on.
    pub(super) fn go_on(mut self, dir: &Path) -> Result<Process, DatapathError> {
        self.process.remember(dir)?;
        self.control.send(&GoOn).attempt(|| format!("let process {} go on", self.process.pid()))?;
        Ok(self.process)
    }
}

/// Runs `helper` with a hidden command, in no environment and with no files but the control socket.
pub(super) fn start_process<T: Serialize>(
    helper: &Helper,
    command: &str,
    name: &str,
    spec: &T,
) -> Result<Waiting, DatapathError> {
    let what = || format!("start {name}");
    let (mut control, theirs) = Control::pair().attempt(what)?;
    let mut launcher = Command::new(&helper.0)
        .arg0("openvpc")
        .args([command, name])
        .env_clear()
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .attempt(|| format!("start {name} by running {}", helper.0.display()))?;
    let outcome = control.send(spec).attempt(what).and_then(|()| await_ready(&mut control, name));
    // The launcher ends by itself as soon as the process stands on its own feet, or could not be started.
    launcher.wait().attempt(what)?;
    Ok(Waiting { process: outcome?, control })
}

fn await_ready(control: &mut Control, name: &str) -> Result<Process, DatapathError> {
    let failed = |reason: String| DatapathError::Sandbox { name: name.to_owned(), reason };
    // Two processes report, the launcher and the one it started, in either order.
    let (mut process, mut ready) = (None, false);
    loop {
        match control.receive().attempt(|| format!("hear from the starting {name}"))? {
            Some(Report::Started { pid }) => process = Some(pid),
            Some(Report::Ready) => ready = true,
            Some(Report::Failed { reason }) => return Err(failed(reason)),
            None => return Err(failed("its process ended without a word".into())),
        }
        if let (Some(pid), true) = (process, ready) {
            return Process::open(pid)?.ok_or_else(|| failed("it ended before it ran".into()));
        }
    }
}

/// Makes what the state directory must contain, and returns its path without links.
fn prepare_state(spec: &SandboxSpec) -> io::Result<PathBuf> {
    let dir = &spec.state_dir;
    // The private /tmp in it is open to everybody inside, and to nobody outside.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = dir.canonicalize()?;
    for (name, mode) in [("tmp", 0o1777), ("run", 0o755), ("etc", 0o755)] {
        let path = dir.join(name);
        if !path.is_dir() {
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
    }
    let etc = dir.join("etc");
    fs::write(etc.join("hostname"), format!("{}\n", spec.hostname))?;
    write_resolv_conf(&dir, &spec.resolv_conf)?;
    if !etc.join("hosts").exists() {
        fs::write(etc.join("hosts"), &spec.hosts)?;
    }
    match rustix::fs::mkfifoat(CWD, dir.join(console::PIPE), Mode::from(0o622)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    File::options().append(true).create(true).open(dir.join(console::LOG))?;
    Ok(dir)
}

/// Writes `/etc/resolv.conf` of a sandbox, also of one that runs: the same file is mounted there.
pub fn write_resolv_conf(state_dir: &Path, text: &str) -> io::Result<()> {
    fs::write(state_dir.join("etc/resolv.conf"), text)
}

pub(super) const SANDBOX_COMMAND: &str = "sandbox-init";
pub(super) const FABRIC_COMMAND: &str = "fabric-holder";

/// How long the fabric's holder, which has nothing to put in order, may take to end.
pub(super) const HOLDER_PATIENCE: Duration = Duration::from_secs(2);
