//! Takes back what a benchmark made on the machine, also when the benchmark is killed: a process of its own that hears of
//! each thing when it is made, and undoes all of it when its input ends.

use std::io::BufRead;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Answer;

/// How long a daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads things to undo, a line each, and undoes them in reverse order.
pub fn reap() -> Answer {
    // What can't be read any more will not be made any more either.
    let things: Vec<String> = std::io::stdin().lock().lines().map_while(Result::ok).collect();
    for thing in things.iter().rev() {
        let words: Vec<&str> = thing.split(' ').collect();
        match *words {
            ["namespace", name] => quiet(Command::new("ip").args(["netns", "delete", name])),
            ["daemon", pid, binary, data_dir] => end(pid, binary, data_dir),
            ["directory", path] => drop(std::fs::remove_dir_all(path)),
            ["setting", path, value] => drop(std::fs::write(path, value)),
            _ => eprintln!("nothing is known of how to undo: {thing}"),
        }
    }
    Ok(json!({ "undone": things.len() }))
}

/// Ends a daemon as a service manager would, and removes what it leaves.
fn end(pid: &str, binary: &str, data_dir: &str) {
    let process = format!("/proc/{pid}/cmdline");
    // Another process may have its number by now.
    let runs = || std::fs::read_to_string(&process).is_ok_and(|line| line.contains(data_dir));
    let asked = Instant::now();
    if runs() {
        quiet(Command::new("kill").arg(pid));
    }
    while runs() && asked.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    if runs() {
        quiet(Command::new("kill").args(["-KILL", pid]));
    }
    quiet(Command::new(binary).args(["cleanup", "--data-dir", data_dir]));
}

fn quiet(command: &mut Command) {
    // What is gone already needs no undoing.
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}
