//! What the benchmark made on the machine goes again, whatever happens to the benchmark.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::place::own_program;
use crate::Outcome;

/// A process that undoes what it was told of when this is dropped, or when this process dies.
pub struct Undo(Child);

impl Undo {
    /// Starts the process.
    pub fn new() -> Result<Self, String> {
        let mut command = Command::new(own_program()?);
        // A process group of its own: what a terminal interrupts is only the benchmark.
        command.args(["load", "reap"]).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        command.spawn().map(Self).map_err(|error| format!("the process that cleans up can't be started: {error}"))
    }

    /// A network namespace to be deleted.
    pub fn namespace(&mut self, name: &str) -> Outcome {
        self.tell(&format!("namespace {name}"))
    }

    /// A daemon to be ended.
    pub fn daemon(&mut self, pid: u32, binary: &Path, data_dir: &Path) -> Outcome {
        self.tell(&format!("daemon {pid} {} {}", binary.display(), data_dir.display()))
    }

    /// A directory to be removed with all that is in it.
    pub fn directory(&mut self, path: &Path) -> Outcome {
        self.tell(&format!("directory {}", path.display()))
    }

    /// Sets a setting of the kernel for as long as the benchmark runs; one that can't be set stays as it is.
    pub fn setting(&mut self, path: &str, value: &str) -> Outcome {
        let Ok(before) = std::fs::read_to_string(path) else { return Ok(()) };
        self.tell(&format!("setting {path} {}", before.trim()))?;
        let _ = std::fs::write(path, value);
        Ok(())
    }

    /// Gives this session the highest priority where the kernel shares processors out by sessions, so that what else runs
    /// on the machine disturbs the figures less. Priorities of processes only count within one.
    pub fn priority(&mut self) -> Outcome {
        const SESSION: &str = "/proc/self/autogroup";
        let Ok(before) = std::fs::read_to_string(SESSION) else { return Ok(()) };
        let Some((_, nice)) = before.trim().rsplit_once(' ') else { return Ok(()) };
        // The other process is of the same session.
        self.tell(&format!("setting {SESSION} {nice}"))?;
        let _ = std::fs::write(SESSION, "-20");
        Ok(())
    }

    fn tell(&mut self, line: &str) -> Outcome {
        let told = self.0.stdin.as_mut().map(|input| writeln!(input, "{line}"));
        told.unwrap_or(Ok(())).map_err(|error| format!("the process that cleans up is gone: {error}"))
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
