//! What outlives a daemon that was killed, and how the next one finds it; as root, and as a user without privileges.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{HELPER, eventually};
use tempfile::TempDir;

#[test]
fn an_instance_outlives_a_killed_daemon_and_is_adopted_by_the_next() {
    for user in User::to_try() {
        let Some(mut first) = Daemon::start(user, None) else { continue };
        assert!(first.line.contains("adopted false/false"), "{}", first.line);
        let pid = first.exec(&["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"]);
        first.process.kill().unwrap();
        first.process.wait().unwrap();
        let inside = ["cat".into(), format!("/proc/{}/comm", pid.trim())].map(|text: String| text);
        assert_eq!(first.exec(&inside.each_ref().map(String::as_str)), "sleep\n", "as {user:?}");

        let mut second = Daemon::start(user, Some(first.dir)).unwrap();
        assert_eq!(second.line, first.line.replace("adopted false/false", "adopted true/true"));
        assert_eq!(second.exec(&inside.each_ref().map(String::as_str)), "sleep\n", "as {user:?}");
        assert_eq!(second.exec(&["id", "-u"]), "0\n");

        drop(second.process.stdin.take());
        assert!(second.process.wait().unwrap().success());
        eventually("nothing of it runs", || second.processes().is_empty());
        assert!(!second.dir.path().join("i-1/process.json").exists());
    }
}

#[test]
fn a_daemon_killed_at_any_moment_of_its_start_leaves_nothing_that_the_next_does_not_find() {
    for user in User::to_try() {
        let mut dir = None;
        for round in 0..8 {
            let mut daemon = Daemon::spawn(user, dir.take());
            // Longer and longer pieces of the start, the last of them all of it.
            std::thread::sleep(std::time::Duration::from_millis(round * 3));
            daemon.process.kill().unwrap();
            daemon.process.wait().unwrap();
            eventually("all that is left will be found", || {
                let recorded = daemon.recorded();
                daemon.processes().iter().all(|pid| recorded.contains(pid))
            });
            dir = Some(daemon.dir);
        }
        let Some(mut last) = Daemon::start(user, dir) else { continue };
        assert_eq!(last.exec(&["hostname"]), "ip-10-0-0-1\n");
        drop(last.process.stdin.take());
        assert!(last.process.wait().unwrap().success());
        eventually("nothing of it runs", || last.processes().is_empty());
    }
}

#[test]
fn a_killed_daemon_leaves_no_file_open_that_was_open_in_it() {
    let Some(mut daemon) = Daemon::start(User::Caller, None) else { return };
    let mut stderr = daemon.process.stderr.take().unwrap();
    daemon.process.kill().unwrap();
    daemon.process.wait().unwrap();
    // This comes back only when nobody holds the other end of the pipe.
    stderr.read_to_end(&mut Vec::new()).unwrap();
    let mut next = Daemon::start(User::Caller, Some(daemon.dir)).unwrap();
    drop(next.process.stdin.take());
    assert!(next.process.wait().unwrap().success());
}

/// Who runs the daemon.
#[derive(Clone, Copy, Debug)]
enum User {
    Caller,
    Nobody,
}

impl User {
    /// A user without privileges can only try as themselves.
    fn to_try() -> Vec<User> {
        if rustix::process::geteuid().is_root() { vec![User::Caller, User::Nobody] } else { vec![User::Caller] }
    }
}

impl User {
    fn command(&self) -> Command {
        let mut command = Command::new(HELPER);
        if matches!(self, Self::Nobody) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

const NOBODY: u32 = 65534;

struct Daemon {
    user: User,
    dir: TempDir,
    process: Child,
    line: String,
}

impl Daemon {
    /// A daemon that serves, or `None` (with a reason printed) when the machine gives no rights.
    fn start(user: User, dir: Option<TempDir>) -> Option<Self> {
        let mut daemon = Self::spawn(user, dir);
        BufReader::new(daemon.process.stdout.take().unwrap()).read_line(&mut daemon.line).unwrap();
        if daemon.line.starts_with("refused") {
            println!("skipped: {}", daemon.line);
            daemon.process.wait().unwrap();
            return None;
        }
        assert!(daemon.line.contains("fabric"), "the daemon said {:?}", daemon.line);
        Some(daemon)
    }

    fn spawn(user: User, dir: Option<TempDir>) -> Self {
        let dir = dir.unwrap_or_else(|| tempfile::tempdir_in("/var/tmp").unwrap());
        if matches!(user, User::Nobody) {
            chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut command = user.command();
        command.arg("daemon").arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = command.spawn().unwrap();
        Self { user, dir, process, line: String::new() }
    }

    /// Runs a command in the instance, as the user of the daemon.
    fn exec(&self, argv: &[&str]) -> String {
        let output = self.user.command().arg("exec").arg(self.dir.path().join("i-1")).args(argv).output().unwrap();
        assert!(output.status.success(), "{argv:?} as {:?}: {output:?}", self.user);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The processes that still run of what daemons on this directory left behind.
    fn processes(&self) -> Vec<i32> {
        let named = |process: &PathBuf| {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let name = arguments.split(|byte| *byte == 0).nth(2).map(String::from_utf8_lossy).unwrap_or_default();
            Path::new(&*name).parent() == Some(self.dir.path()) && arguments.windows(6).all(|text| text != b"\0exec\0")
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
