//! Small network tools for labs and tests, so that they depend on nothing that a machine may lack.
//!
//! Each tool does one thing, prints one line of JSON (a probe) or one line when it is ready (a server), and is run inside
//! a sandbox by `openvpc exec INSTANCE -- openvpc toolbox …`.

mod ping;
mod probe;
mod serve;
mod splice;

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The tools.
#[derive(Debug, clap::Subcommand)]
pub enum Tool {
    /// Fetches a page over HTTP and prints its body.
    Fetch {
        /// The server's address.
        address: IpAddr,
        /// The server's port.
        #[arg(long, default_value_t = 80)]
        port: u16,
        /// The path of the page.
        #[arg(long, default_value = "/")]
        path: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Opens a TCP connection, sends a line and waits for a line.
    Tcp {
        /// The server's address.
        address: IpAddr,
        /// The server's port.
        port: u16,
        #[command(flatten)]
        patience: Patience,
    },
    /// Sends a UDP datagram and waits for an answer.
    Udp {
        /// The server's address.
        address: IpAddr,
        /// The server's port.
        port: u16,
        #[command(flatten)]
        patience: Patience,
    },
    /// Sends one ICMP echo request and waits for the reply.
    Ping {
        /// Whom to ping.
        address: IpAddr,
        #[command(flatten)]
        patience: Patience,
    },
    /// Answers on ports until it is killed: HTTP with a page, TCP and UDP with what came in.
    Serve {
        /// TCP ports that answer HTTP with the server's name and the address of the client.
        #[arg(long)]
        http: Vec<u16>,
        /// TCP ports that answer each line with the same line.
        #[arg(long)]
        tcp: Vec<u16>,
        /// UDP ports that answer each datagram with the same datagram.
        #[arg(long)]
        udp: Vec<u16>,
        /// The name on the page; the host name by default.
        #[arg(long)]
        name: Option<String>,
    },
    /// Stands in for a virtual machine whose system is this network namespace: copies frames between the TAP that
    /// `openvpc attach` gives and one of that name here, until either is gone.
    Splice {
        /// The name of the TAP here, which is made.
        name: String,
        /// Instead of the TAP of `openvpc attach`: one that is made (or taken, if it is there) in the network namespace of
        /// that path, and its name there.
        #[arg(long, num_args = 2, value_names = ["NETNS", "NAME"])]
        near: Vec<String>,
    },
}

/// How long a probe waits.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Patience {
    /// Milliseconds to wait for an answer.
    #[arg(long, default_value_t = 1000)]
    timeout: u64,
}

impl Patience {
    fn duration(self) -> Duration {
        Duration::from_millis(self.timeout.max(1))
    }
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// An answer came back.
    Answered,
    /// The host itself refused: a TCP reset or ICMP port unreachable.
    Refused,
    /// Nothing came back in time.
    NoAnswer,
    /// The sender's own network or a router on the way said no.
    Unreachable,
}

/// A probe's report, one line of JSON on standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What came of it.
    pub outcome: Outcome,
    /// The answer's text, or what went wrong.
    pub detail: String,
}

impl Report {
    fn answered(detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Answered, detail: detail.into() }
    }

    fn failed(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let outcome = match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Outcome::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Outcome::NoAnswer,
            _ => Outcome::Unreachable,
        };
        Self { outcome, detail: error.to_string() }
    }
}

/// Runs a tool. A probe exits with 0 when it was answered, else with 1.
pub fn run(tool: Tool) -> ExitCode {
    let report = match tool {
        Tool::Fetch { address, port, path, patience } => probe::fetch((address, port).into(), &path, patience.duration()),
        Tool::Tcp { address, port, patience } => probe::tcp((address, port).into(), patience.duration()),
        Tool::Udp { address, port, patience } => probe::udp((address, port).into(), patience.duration()),
        Tool::Ping { address, patience } => ping::ping(address, patience.duration()),
        Tool::Serve { http, tcp, udp, name } => return ended(&serve::serve(&http, &tcp, &udp, name)),
        Tool::Splice { name, near } => return ended(&splice::splice(&name, &near)),
    };
    // A report is two plain fields, which always have a JSON form.
    println!("{}", serde_json::json!(report));
    if report.outcome == Outcome::Answered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn ended(outcome: &std::io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("openvpc toolbox: {error}");
            ExitCode::FAILURE
        }
    }
}
