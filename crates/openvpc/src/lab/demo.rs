//! `openvpc demo`: the first lab on a daemon of its own, which is gone afterwards.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use flate2::read::GzDecoder;
use rustix::process::{Pid, Signal, kill_process};

use super::{find, runner};
use crate::cli::{Failure, Target};

/// How much of a flow-log file is shown.
const SHOWN_LINES: usize = 12;

/// Runs the demo.
pub fn demo() -> Result<ExitCode, Failure> {
    let story = find("first-light")?;
    let data_dir = std::env::temp_dir().join(format!("openvpc-demo-{}", std::process::id()));
    let mut daemon = Daemon::start(&data_dir)?;
    let target =
        Target { endpoint: daemon.endpoint.clone(), region: "eu-central-1".to_owned(), account: Some("123456789012".to_owned()) };
    // The daemon takes everything with it when it ends, and its files are shown before.
    let told = runner::run(&target, &story, true, false);
    if told.is_ok() {
        show_files(&data_dir);
    }
    daemon.stop()?;
    told
}

/// Lists the flow-log files while they are there, and shows the records of the last one as AWS writes them.
fn show_files(data_dir: &Path) {
    let mut files = Vec::new();
    collect(&data_dir.join("s3"), &mut files);
    println!("\nThe flow-log files, laid out as AWS does in a bucket (they go with the demo):");
    for file in &files {
        println!("  {}", file.display());
    }
    let Some(file) = files.last().and_then(|path| File::open(path).ok()) else {
        return;
    };
    println!("\nWhat is in it:");
    // A file that can't be read to its end shows what could be read.
    for line in BufReader::new(GzDecoder::new(file)).lines().map_while(Result::ok).take(SHOWN_LINES) {
        println!("  {line}");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "gz") {
            files.push(path);
        }
    }
}

/// A daemon for the time of the demo.
struct Daemon {
    child: Child,
    endpoint: String,
    data_dir: PathBuf,
}

impl Daemon {
    fn start(data_dir: &Path) -> Result<Self, Failure> {
        let executable =
            std::env::current_exe().map_err(|error| Failure::new(format!("this program can't be found: {error}")))?;
        let mut command = Command::new(executable);
        command.args(["up", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Failure::new(format!("the demo's daemon can't be started: {error}")))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("the demo's daemon has no output"))?;
        // On failure the daemon has said why on standard error, which is ours too.
        let ready = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("openvpc ready: ").map(str::to_owned));
        let mut daemon = Self { child, endpoint: String::new(), data_dir: data_dir.to_owned() };
        match ready {
            Some(endpoint) => {
                daemon.endpoint = endpoint;
                Ok(daemon)
            }
            None => {
                daemon.stop().ok();
                Err(Failure::new("the demo's daemon didn't start"))
            }
        }
    }

    fn stop(&mut self) -> Result<(), Failure> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It fails only when the daemon is gone already, and then the exit status says how it went.
            let _ = kill_process(pid, Signal::TERM);
        }
        let status = self.child.wait().map_err(|error| Failure::new(format!("the demo's daemon: {error}")))?;
        let _ = std::fs::remove_dir_all(&self.data_dir);
        if status.success() { Ok(()) } else { Err(Failure::new(format!("the demo's daemon ended with {status}"))) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.stop();
        }
    }
}
