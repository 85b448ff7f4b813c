//! The conversation between the daemon and a process it starts, one JSON value per line.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What the started process reports.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It could not do its work; nothing of it remains.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// Its number, as the daemon counts.
    Started {
        /// The number.
        pid: i32,
    },
    /// Its namespaces and mounts are in place.
    Ready,
}

/// The word to go on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GoOn;

/// One end of the conversation.
pub(super) struct Control {
    stream: BufReader<UnixStream>,
}

impl Control {
    /// Both ends: the daemon's, which gives up waiting after a bound, and the one to become a standard input.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(PATIENCE))?;
        let stream = BufReader::new(ours);
        Ok((Self { stream }, theirs.into()))
    }

    /// The end that is this process's standard input.
    pub(super) fn from_standard_input() -> io::Result<Self> {
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(super) fn send<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)
    }

    /// The next message, or `None` when the other side is gone.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

/// Namespaces and mounts take milliseconds; a machine that swaps, seconds.
const PATIENCE: Duration = Duration::from_secs(30);
