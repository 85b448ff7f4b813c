//! What outlives a daemon that was killed, and how the next one finds it; as root, and as a user without privileges.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{HELPER, eventually};
use openvpc_datapath::sandbox::{Fabric, Sandbox};
use tempfile::TempDir;

#[test]
fn an_instance_outlives_a_killed_daemon_and_is_adopted_by_the_next() {
    for place in Place::to_try() {
        let Some(mut first) = place.serving_daemon() else { continue };
        assert!(first.line.contains("adopted false/false"), "{}", first.line);
        let pid = place.exec(&["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"]);
        let name_of_the_child = || place.exec(&["cat", &format!("/proc/{}/comm", pid.trim())]);
        first.kill();
        eventually("sleep runs", || name_of_the_child() == "sleep\n");

        let mut second = place.serving_daemon().unwrap();
        assert_eq!(second.line, first.line.replace("adopted false/false", "adopted true/true"));
        assert_eq!(name_of_the_child(), "sleep\n");
        assert_eq!(place.exec(&["id", "-u"]), "0\n");

        second.end();
        eventually("nothing of it runs", || place.processes().is_empty());
        assert!(!place.dir.path().join("i-1/process.json").exists());
    }
}

#[test]
fn a_daemon_killed_at_any_moment_of_its_start_leaves_nothing_that_the_next_does_not_find() {
    for place in Place::to_try() {
        for round in 0..8 {
            let mut daemon = place.daemon();
            // Longer and longer pieces of the start, the last of them all of it.
            std::thread::sleep(Duration::from_millis(round * 3));
            daemon.kill();
            eventually("all that is left will be found", || {
                let recorded = place.recorded();
                place.processes().iter().all(|pid| recorded.contains(pid))
            });
        }
        let Some(mut last) = place.serving_daemon() else { continue };
        assert_eq!(place.exec(&["hostname"]), "ip-10-0-0-1\n");
        last.end();
        eventually("nothing of it runs", || place.processes().is_empty());
    }
}

#[test]
fn a_killed_daemon_leaves_no_file_open_that_was_open_in_it() {
    for place in Place::to_try() {
        let Some(mut daemon) = place.serving_daemon() else { continue };
        let mut stderr = daemon.process.stderr.take().unwrap();
        daemon.kill();
        // This comes back only when nobody holds the other end of the pipe.
        stderr.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(place.processes().len(), 2);
    }
}

/// Who runs the daemon, and its directory. Nothing runs there any more when it is dropped.
struct Place {
    user: Option<u32>,
    dir: TempDir,
}

impl Place {
    const NOBODY: u32 = 65534;

    /// As the caller, and as root also as somebody without privileges.
    fn to_try() -> Vec<Self> {
        let as_user = |user: Option<u32>| {
            let dir = tempfile::tempdir_in("/var/tmp").unwrap();
            if user.is_some() {
                chown(dir.path(), user, user).unwrap();
            }
            Self { user, dir }
        };
        if rustix::process::geteuid().is_root() { vec![as_user(None), as_user(Some(Self::NOBODY))] } else { vec![as_user(None)] }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(HELPER);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    fn daemon(&self) -> Daemon {
        let mut command = self.command();
        command.arg("daemon").arg(self.dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Daemon { process: command.spawn().unwrap(), line: String::new() }
    }

    /// A daemon that serves, or `None` (with a reason printed) when the machine gives no rights.
    fn serving_daemon(&self) -> Option<Daemon> {
        let mut daemon = self.daemon();
        BufReader::new(daemon.process.stdout.take().unwrap()).read_line(&mut daemon.line).unwrap();
        if daemon.line.starts_with("refused") {
            println!("skipped: {}", daemon.line);
            return None;
        }
        assert!(daemon.line.contains("fabric"), "the daemon said {:?}", daemon.line);
        Some(daemon)
    }

    /// Runs a command in the instance, as the user of the daemon.
    fn exec(&self, argv: &[&str]) -> String {
        let output = self.command().arg("exec").arg(self.dir.path().join("i-1")).args(argv).output().unwrap();
        assert!(output.status.success(), "{argv:?} as {:?}: {output:?}", self.user);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The processes that still run of what daemons on this directory left behind.
    fn processes(&self) -> Vec<i32> {
        let named = |process: &PathBuf| {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let mut arguments = arguments.split(|byte| *byte == 0).skip(1).map(String::from_utf8_lossy);
            let hidden = arguments.next().is_some_and(|command| ["sandbox-init", "fabric-holder"].contains(&&*command));
            hidden && arguments.next().is_some_and(|name| Path::new(&*name).parent() == Some(self.dir.path()))
        };
        let numbers = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        numbers.filter(named).filter_map(|process| process.file_name()?.to_str()?.parse().ok()).collect()
    }

    /// The processes that the next daemon will find.
    fn recorded(&self) -> Vec<i32> {
        ["fabric", "i-1"]
            .into_iter()
            .filter_map(|name| fs::read_to_string(self.dir.path().join(name).join("process.json")).ok())
            .filter_map(|text| text.split("\"pid\":").nth(1)?.split(',').next()?.parse().ok())
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for (_, sandbox) in Sandbox::find_all(self.dir.path()).unwrap() {
            sandbox.stop(Duration::from_secs(5)).unwrap();
        }
        Fabric::close_left_behind(&self.dir.path().join("fabric")).unwrap();
    }
}

/// A running daemon, killed when it is dropped.
struct Daemon {
    process: Child,
    line: String,
}

impl Daemon {
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends it in order, as by Ctrl-C.
    fn end(&mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
