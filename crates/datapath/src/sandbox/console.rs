//! The console: a pipe that everything inside may write to as `/dev/console`, and the file its init keeps of it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::DatapathError;
use crate::error::Attempt;

/// The pipe, in the state directory.
pub(super) const PIPE: &str = "console";

/// The file, in the state directory.
pub(super) const LOG: &str = "console.log";

/// As much as GetConsoleOutput returns (EC2 API Reference: "the most recent 64 KB").
const KEPT: usize = 64 << 10;

/// The init's side of the console.
pub(super) struct Console {
    pipe: File,
    log: File,
    length: u64,
}

impl Console {
    pub(super) fn open(state_dir: &Path) -> Result<Self, DatapathError> {
        let pipe = state_dir.join(PIPE);
        let log = state_dir.join(LOG);
        // Open for writing as well, the pipe never comes to its end while others come and go.
        let pipe = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&pipe)
            .attempt(|| format!("open {}", pipe.display()))?;
        let log = File::options().read(true).write(true).open(&log).attempt(|| format!("open {}", log.display()))?;
        let length = log.metadata().attempt(|| "measure the console log")?.len();
        Ok(Self { pipe, log, length })
    }

    /// The pipe, to wait for.
    pub(super) fn pipe(&self) -> &File {
        &self.pipe
    }

    /// Keeps what waits in the pipe.
    pub(super) fn drain(&mut self) {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = (&self.pipe).read(&mut buffer) {
            self.keep(&buffer[..length]);
        }
    }

    /// Keeps a line of the init's own.
    pub(super) fn line(&mut self, text: &str) {
        self.keep(format!("{text}\n").as_bytes());
    }

    /// A disk that is full costs console output, and nothing else.
    fn keep(&mut self, bytes: &[u8]) {
        if self.length + bytes.len() as u64 > 4 * KEPT as u64 && self.shorten().is_err() {
            return;
        }
        if self.log.write_all_at(bytes, self.length).is_ok() {
            self.length += bytes.len() as u64;
        }
    }

    fn shorten(&mut self) -> io::Result<()> {
        let tail = tail_of(&self.log)?;
        self.log.write_all_at(&tail, 0)?;
        self.log.set_len(tail.len() as u64)?;
        self.length = tail.len() as u64;
        Ok(())
    }
}

/// The last part of the console of the sandbox with this state directory, running or not.
pub(super) fn read_tail(state_dir: &Path) -> Result<Vec<u8>, DatapathError> {
    let path = state_dir.join(LOG);
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        file => file.and_then(|file| tail_of(&file)).attempt(|| format!("read {}", path.display())),
    }
}

fn tail_of(file: &File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(KEPT as u64);
    let mut tail = vec![0; (length - start) as usize];
    let mut filled = 0;
    while filled < tail.len() {
        match file.read_at(&mut tail[filled..], start + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    tail.truncate(filled);
    Ok(tail)
}
