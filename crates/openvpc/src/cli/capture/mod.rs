//! `openvpc capture`: the frames of an interface, as a file that tcpdump and Wireshark read, or as a line each.
//!
//! As for `exec`, the command line process enters the instance itself, its network alone; the daemon only says where it is.

mod line;
mod pcap;

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use openvpc_datapath::capture::{Capture, End, Frame, Taker};
use openvpc_datapath::sandbox::ProcessRecord;
use serde::Deserialize;

use super::client::Client;
use super::{CaptureOptions, Failure, Target};

/// Where an interface is, as the daemon says it.
#[derive(Deserialize)]
struct Place {
    process: ProcessRecord,
    link: String,
    /// What carries it: an instance, or `internet`.
    host: String,
}

/// Frames are kept whole, unless somebody asks for less: the largest super-packet that Linux makes fits.
const SNAPLEN: u32 = 1 << 18;

/// The exit status when there is nothing to capture on.
const NOT_THERE: u8 = 2;

/// Captures until something ends it.
pub fn run(target: &Target, options: &CaptureOptions) -> Result<ExitCode, Failure> {
    let CaptureOptions { interface, write, count, duration, snaplen } = options;
    let answer = Client::new(target).get(&format!("interfaces/{interface}/capture"))?;
    let place: Place =
        serde_json::from_value(answer).map_err(|error| Failure::new(format!("the daemon's answer can't be read: {error}")))?;
    // Opened before the instance is entered: it is a file of outside, and of who runs this.
    let out = open(write.as_deref())?;
    let snaplen = snaplen.unwrap_or(SNAPLEN);
    let mut capture = Capture::start(&place.process, &place.link, snaplen)
        .map_err(|error| Failure::new(format!("{interface}: {error}")).with_status(NOT_THERE))?;
    let mut recorder = Recorder { out, count: 0, limit: *count, as_pcap: write.is_some() };
    if recorder.as_pcap {
        // The buffer takes it; what can't be written is told by the first frame or pause.
        let _ = recorder.out.write_all(&pcap::file_header(snaplen));
    }
    eprintln!("capturing on {interface} ({} of {}); Ctrl-C ends it", place.link, place.host);
    let ended = capture.run(*duration, &mut recorder);
    let dropped = capture.take_dropped().map_or_else(|error| format!("({error})"), |dropped| dropped.to_string());
    let why = match &ended {
        Ok(End::Detached) => "; the interface was detached".to_owned(),
        Ok(End::InstanceEnded) => format!("; {} has ended", place.host),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => "; nobody reads any more".to_owned(),
        _ => String::new(),
    };
    let s = if recorder.count == 1 { "" } else { "s" };
    eprintln!("{} packet{s} captured, {dropped} dropped by the kernel{why}", recorder.count);
    match ended {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot_write(write.as_deref(), &error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// A duration as people type it: seconds, maybe with a fraction.
///
/// # Errors
/// When it is none, or nothing.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|duration| !duration.is_zero()).ok_or_else(|| "a number of seconds is needed, such as 10 or 0.5".to_owned())
}

/// Writes frames and counts them.
struct Recorder {
    out: io::BufWriter<Box<dyn Write>>,
    count: u64,
    limit: Option<u64>,
    as_pcap: bool,
}

impl Taker for Recorder {
    fn take(&mut self, frame: &Frame<'_>) -> io::Result<ControlFlow<()>> {
        if self.as_pcap {
            pcap::write_frame(&mut self.out, frame)?;
        } else {
            writeln!(self.out, "{}", line::of(frame))?;
        }
        self.count += 1;
        match self.limit.is_some_and(|limit| self.count >= limit) {
            true => self.out.flush().map(|()| ControlFlow::Break(())),
            false => Ok(ControlFlow::Continue(())),
        }
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The file, or standard output for `-` and for lines.
fn open(write: Option<&Path>) -> Result<io::BufWriter<Box<dyn Write>>, Failure> {
    let out: Box<dyn Write> = match write {
        Some(path) if path.as_os_str() != "-" => Box::new(File::create(path).map_err(|error| cannot_write(Some(path), &error))?),
        _ => Box::new(io::stdout()),
    };
    Ok(io::BufWriter::with_capacity(256 << 10, out))
}

fn cannot_write(path: Option<&Path>, error: &io::Error) -> Failure {
    match path {
        Some(path) if path.as_os_str() != "-" => Failure::new(format!("{} can't be written: {error}", path.display())),
        _ => Failure::new(format!("standard output: {error}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn durations_are_seconds_and_not_nothing() {
        assert_eq!(seconds("2.5").unwrap(), Duration::from_millis(2500));
        for wrong in ["0", "-1", "nan", "1s", "", "1e400"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
