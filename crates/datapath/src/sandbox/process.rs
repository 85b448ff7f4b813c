use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;

/// What identifies a process beyond its number, which the kernel uses again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub start_time: u64,
    /// The boot of the machine it started in.
    pub boot_id: String,
}

/// A process that need not be a child of ours. The handle never comes to mean another process.
#[derive(Debug)]
pub struct Process {
    record: ProcessRecord,
    pidfd: OwnedFd,
}

impl ProcessRecord {
    /// The process, if it still runs.
    pub fn open(&self) -> Result<Option<Process>, DatapathError> {
        let running = Process::open(self.pid)?;
        Ok(running.filter(|process| process.record == *self && process.is_running()))
    }
}

impl Process {
    /// The process with this number, if there is one.
    pub(crate) fn open(pid: i32) -> Result<Option<Self>, DatapathError> {
        let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH);
        let Some(number) = Pid::from_raw(pid) else {
            return Ok(None);
        };
        // The handle comes first: if the process ends afterwards, its number can't be read for another's.
        let pidfd = match pidfd_open(number, PidfdFlags::empty()).map_err(io::Error::from) {
            Err(error) if absent(&error) => return Ok(None),
            pidfd => pidfd.attempt(|| format!("open process {pid}"))?,
        };
        let start_time = match start_time(pid) {
            Err(error) if absent(&error) => return Ok(None),
            start_time => start_time.attempt(|| format!("read when process {pid} started"))?,
        };
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").attempt(|| "read the boot id")?;
        Ok(Some(Self { record: ProcessRecord { pid, start_time, boot_id: boot_id.trim().to_owned() }, pidfd }))
    }

    /// The process recorded in `dir`, if it runs.
    pub(crate) fn find(dir: &Path) -> Result<Option<Self>, DatapathError> {
        let path = record_path(dir);
        let text = match fs::read(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            text => text.attempt(|| format!("read {}", path.display()))?,
        };
        // A record that does not parse was cut short by a crash while it was written; its process, not yet told to go
        // on, ended by itself.
        let Ok(record) = serde_json::from_slice::<ProcessRecord>(&text) else {
            return Ok(None);
        };
        record.open()
    }

    /// Records the process in `dir`.
    pub(crate) fn remember(&self, dir: &Path) -> Result<(), DatapathError> {
        let path = record_path(dir);
        serde_json::to_vec(&self.record)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&path, text))
            .attempt(|| format!("write {}", path.display()))
    }

    /// Removes what is recorded in `dir`.
    pub(crate) fn forget(dir: &Path) -> Result<(), DatapathError> {
        let path = record_path(dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.attempt(|| format!("remove {}", path.display())),
        }
    }

    /// What identifies it.
    pub fn record(&self) -> &ProcessRecord {
        &self.record
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.record.pid
    }

    /// Whether it runs. A process that has ended but was not yet waited for does not.
    pub fn is_running(&self) -> bool {
        !self.wait(Duration::ZERO)
    }

    /// Waits until it has ended, at most `patience`; returns whether it has.
    pub fn wait(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&left)) {
                Err(rustix::io::Errno::INTR) => {}
                outcome => return outcome.is_ok_and(|ready| ready > 0),
            }
        }
    }

    /// Its network namespace.
    pub fn net_ns(&self) -> Result<NetNs, DatapathError> {
        let namespace = NetNs::of_process(self.record.pid)?;
        // The number was looked up after the handle was made: it still meant this process if this process still runs.
        if self.is_running() {
            return Ok(namespace);
        }
        Err(io::Error::from_raw_os_error(libc::ESRCH)).attempt(|| format!("enter the namespace of process {}", self.pid()))
    }

    /// Ends it: SIGTERM, up to `patience` for an orderly end, then SIGKILL.
    pub(crate) fn end(&self, patience: Duration) -> Result<(), DatapathError> {
        self.signal(Signal::TERM)?;
        if self.wait(patience) {
            return Ok(());
        }
        self.kill()
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) -> Result<(), DatapathError> {
        self.signal(Signal::KILL)?;
        if self.wait(KILL_PATIENCE) {
            return Ok(());
        }
        Err(io::Error::from(io::ErrorKind::TimedOut)).attempt(|| format!("end process {}", self.pid()))
    }

    fn signal(&self, signal: Signal) -> Result<(), DatapathError> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).attempt(|| format!("end process {}", self.pid())),
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

fn record_path(dir: &Path) -> PathBuf {
    dir.join("process.json")
}

/// Field 22 of `/proc/PID/stat`, counted behind the command's name, which may contain anything.
fn start_time(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    stat.rsplit_once(')')
        .and_then(|(_, fields)| fields.split_whitespace().nth(19))
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat does not parse")))
}

/// How long the kernel may take to end a process that can't refuse.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
