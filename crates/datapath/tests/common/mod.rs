//! Runs a test with the rights of a daemon: as root directly, otherwise in a user namespace.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The stand-in for the openvpc binary.
pub const HELPER: &str = env!("CARGO_BIN_EXE_sandbox-helper");

/// The exit status by which the helper says that the machine gives no rights.
const SKIPPED: i32 = 77;

/// Runs `body` where it may make namespaces. `name` is the name of the test that calls this.
pub fn privileged(name: &str, body: impl FnOnce()) {
    if env::var_os("OPENVPC_TEST_INSIDE").is_some() || rustix::process::geteuid().is_root() {
        return body();
    }
    let nothing_left = env::temp_dir().join("openvpc-test-no-such-directory");
    let status = Command::new(HELPER)
        .arg("within")
        .arg(nothing_left)
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env("OPENVPC_TEST_INSIDE", "1")
        .status()
        .unwrap();
    assert!(status.success() || status.code() == Some(SKIPPED), "{name} in a user namespace: {status}");
}

/// Asks again and again until `done` says yes.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether anything in the host's mount table mentions `path`.
pub fn is_mounted_below(path: &Path) -> bool {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(path.to_str().unwrap())
}
