//! Stands in for the openvpc binary in this crate's tests, which must kill it, run it as another user, and have a
//! program whose `main` knows the hidden commands.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use openvpc_datapath::privileges;
use openvpc_datapath::sandbox::{self, ExecCommand, ExecError, Fabric, Helper, ProcessRecord, SandboxSpec};

fn main() -> ExitCode {
    if let Some(code) = sandbox::hidden_command() {
        return code;
    }
    let args: Vec<_> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["daemon", dir] => daemon(Path::new(dir)),
        ["exec", state_dir, ref argv @ ..] => exec(Path::new(state_dir), argv),
        ["within", dir, program, ref argv @ ..] => within(Path::new(dir), program, argv),
        _ => panic!("unknown arguments {args:?}"),
    }
}

/// Does what a daemon does at its start, with one instance, and serves until its standard input ends.
fn daemon(dir: &Path) -> ExitCode {
    let standing = match privileges::acquire(&dir.join("fabric"), dir) {
        Ok(standing) => standing,
        Err(error) => {
            println!("refused: {error}");
            return ExitCode::FAILURE;
        }
    };
    let fabric = Fabric::open(&Helper::current(), &dir.join("fabric")).unwrap();
    let state_dir = dir.join("i-1");
    let found = sandbox::Sandbox::find(&state_dir).unwrap();
    let adopted = found.is_some();
    let sandbox = found.unwrap_or_else(|| {
        let spec = SandboxSpec {
            name: state_dir.to_str().unwrap().into(),
            hostname: "ip-10-0-0-1".into(),
            resolv_conf: "nameserver 10.0.0.2\n".into(),
            hosts: "127.0.0.1 localhost\n".into(),
            user_data: None,
            state_dir: state_dir.clone(),
            hidden: vec![dir.to_owned()],
        };
        sandbox::launch(&Helper::current(), &spec).unwrap().start().unwrap()
    });
    println!("{standing:?} fabric {} adopted {}/{adopted}", fabric.net_ns().identity().unwrap(), fabric.was_adopted());
    let _ = io::stdin().read_to_end(&mut Vec::new());
    sandbox.stop(std::time::Duration::from_secs(5)).unwrap();
    fabric.close().unwrap();
    ExitCode::SUCCESS
}

fn exec(state_dir: &Path, argv: &[&str]) -> ExitCode {
    let record: Option<ProcessRecord> =
        fs::read(state_dir.join("process.json")).ok().map(|text| serde_json::from_slice(&text).unwrap());
    let status = record.ok_or(ExecError::NotRunning).and_then(|record| sandbox::exec(&record, &ExecCommand::new(argv)));
    match status {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("openvpc: {error}");
            125.into()
        }
    }
}

/// Runs a program with the rights a daemon would have.
fn within(dir: &Path, program: &str, argv: &[&str]) -> ExitCode {
    use std::os::unix::process::CommandExt;
    if let Err(error) = privileges::acquire(dir, dir) {
        println!("skipped: {error}");
        return 77.into();
    }
    panic!("{program}: {}", std::process::Command::new(program).args(argv).exec());
}
