use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::thread::UnshareFlags;

use super::detach::{become_resident, leave_standard_files, report_ready};
use super::launch::{FABRIC_COMMAND, HOLDER_PATIENCE, Helper, start_process};
use super::process::{Process, ProcessRecord};
use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;

/// The namespace of the host ends of all links, which no instance can reach, and the process that holds it.
#[derive(Debug)]
pub struct Fabric {
    holder: Process,
    namespace: NetNs,
    adopted: bool,
    dir: PathBuf,
}

impl Fabric {
    /// The fabric recorded in `dir`, or a new one.
    pub fn open(helper: &Helper, dir: &Path) -> Result<Self, DatapathError> {
        std::fs::create_dir_all(dir).attempt(|| format!("make {}", dir.display()))?;
        let found = Process::find(dir)?;
        let adopted = found.is_some();
        let holder = match found {
            Some(holder) => holder,
            None => start_process(helper, FABRIC_COMMAND, &dir.to_string_lossy(), &())?.go_on(dir)?,
        };
        Ok(Self { namespace: holder.net_ns()?, holder, adopted, dir: dir.to_owned() })
    }

    /// Ends the holder. The links go when the last socket on them is closed.
    pub fn close(self) -> Result<(), DatapathError> {
        self.holder.end(HOLDER_PATIENCE)?;
        Process::forget(&self.dir)
    }

    /// Ends the holder recorded in `dir`, if it runs.
    pub fn close_left_behind(dir: &Path) -> Result<(), DatapathError> {
        if let Some(holder) = Process::find(dir)? {
            holder.end(HOLDER_PATIENCE)?;
        }
        Process::forget(dir)
    }

    /// The namespace.
    pub fn net_ns(&self) -> &NetNs {
        &self.namespace
    }

    /// What a process needs to enter it.
    pub fn record(&self) -> &ProcessRecord {
        self.holder.record()
    }

    /// The fabric recorded in `dir`, if its holder runs.
    pub fn left_behind(dir: &Path) -> Result<Option<NetNs>, DatapathError> {
        Process::find(dir)?.map(|holder| holder.net_ns()).transpose()
    }

    /// Whether it was left by an earlier daemon, with the links of instances in it.
    pub fn was_adopted(&self) -> bool {
        self.adopted
    }
}

/// The hidden command that becomes the holder.
pub(super) fn fabric_main() -> ExitCode {
    become_resident(UnshareFlags::NEWNET, |(), control| {
        let _ = rustix::thread::set_name(c"openvpc-fabric");
        if !report_ready(control)? {
            return Ok(());
        }
        leave_standard_files().attempt(|| "leave the daemon's files")?;
        loop {
            // SAFETY: no memory is involved. A signal ends the process, as by default.
            unsafe { libc::pause() };
        }
    })
}
