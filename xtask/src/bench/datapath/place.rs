//! Where load runs: a network namespace, or an instance of a daemon.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// A host that commands can be run on.
#[derive(Clone, Debug)]
pub enum Place {
    /// A named network namespace.
    Namespace(String),
    /// An instance, by the program that enters it, the daemon's endpoint and its id.
    Instance {
        /// openvpc.
        binary: PathBuf,
        /// The daemon.
        endpoint: String,
        /// The instance.
        id: String,
    },
}

/// Which processors a command may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// The one that clients are kept on.
    Client,
    /// The one that servers are kept on.
    Server,
    /// Any.
    Any,
}

impl Cpu {
    fn list(self) -> &'static str {
        match self {
            Self::Client => "0",
            Self::Server => "1",
            Self::Any => "0-1023",
        }
    }
}

/// Two hosts, and where the one finds the other.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Who starts.
    pub client: Place,
    /// Who answers.
    pub server: Place,
    /// The server's address as the client writes it.
    pub address: String,
}

impl Place {
    /// A command there, with the highest priority, for at most so many seconds.
    fn command(&self, cpu: Cpu, seconds: f64, argv: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=2", &format!("{:.0}", seconds.ceil())]);
        command.args(["taskset", "--cpu-list", cpu.list(), "nice", "--adjustment=-20"]);
        match self {
            Self::Namespace(name) => command.args(["ip", "netns", "exec", name]),
            Self::Instance { binary, endpoint, id } => command.arg(binary).args(["--endpoint", endpoint, "exec", id, "--"]),
        };
        command.args(argv);
        command
    }

    /// Runs a command to its end; gives what it printed.
    pub fn run(&self, cpu: Cpu, seconds: f64, argv: &[&str]) -> Result<String, String> {
        let output = self.command(cpu, seconds, argv).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.lines().chain(printed.lines()).take(4).collect::<Vec<_>>().join("; ");
        Err(format!("{}: {}: {said}", argv.join(" "), output.status))
    }

    /// Runs a tool of `xtask load` to its end; gives its answer.
    pub fn load(&self, cpu: Cpu, seconds: f64, arguments: &[&str]) -> Result<Value, String> {
        let own = own_program()?;
        let argv: Vec<&str> = [own, "load"].iter().chain(arguments).copied().collect();
        let printed = self.run(cpu, seconds + 15.0, &argv)?;
        let last = printed.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("{}: {error}: {last}", arguments.join(" ")))
    }

    /// Starts a tool of `xtask load` that says when it is ready and ends with its input.
    pub fn start(&self, cpu: Cpu, seconds: f64, arguments: &[&str]) -> Result<Running, String> {
        let own = own_program()?;
        let argv: Vec<&str> = [own, "load"].iter().chain(arguments).copied().collect();
        Running::new(self.command(cpu, seconds + 30.0, &argv), "ready")
    }

    /// Starts iperf3 for one client.
    pub fn start_iperf(&self, cpu: Cpu, seconds: f64) -> Result<Running, String> {
        let mut command = self.command(cpu, seconds + 30.0, &["iperf3", "-s", "-1", "--forceflush"]);
        // It has words for being ended.
        command.stderr(Stdio::null());
        Running::new(command, "listening")
    }
}

/// A server that runs until this is dropped.
pub struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a command, which says when it is ready.
    pub fn new(mut command: Command, ready: &str) -> Result<Self, String> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("a server has no standard output")?;
        let mut running = Self { child, output: BufReader::new(output) };
        let mut line = String::new();
        while !line.contains(ready) {
            line.clear();
            if running.output.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
                return Err(format!("a server did not start: {command:?}"));
            }
        }
        Ok(running)
    }

    /// Ends its input and reads its answer.
    pub fn finish(mut self) -> Result<Value, String> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        serde_json::from_str(&line).map_err(|error| format!("a server's answer can't be read: {error}: {line}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // `timeout` passes it on to the command. One that ended by itself is only waited for.
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), rustix::process::Pid::from_raw(self.child.id().cast_signed())) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// This program, where it was when it was first asked for: it may be built anew meanwhile.
pub fn own_program() -> Result<&'static str, String> {
    static OWN: OnceLock<Result<String, String>> = OnceLock::new();
    let find = || std::env::current_exe().map(|own| own.display().to_string()).map_err(|error| error.to_string());
    OWN.get_or_init(find).as_deref().map_err(Clone::clone)
}
