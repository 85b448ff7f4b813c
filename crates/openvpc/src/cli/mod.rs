//! What a user types. Each command is one file; this one holds the arguments and what all commands share.

mod attach;
mod backup;
mod capture;
mod client;
mod env;
mod exec;
mod explain;
pub mod flows;
mod keys;
mod paint;
mod status;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::daemon::{self, UpOptions};
use crate::lab;
use crate::toolbox::{self, Tool};

pub use client::Client;
pub use env::quoted;
pub use explain::way as told_way;
pub use paint::Paint;

/// A virtual private cloud on your own Linux machine.
#[derive(Debug, Parser)]
#[command(name = "openvpc", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Command,
}

/// Which daemon, and on whose behalf.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The daemon's address.
    #[arg(long, global = true, env = "OPENVPC_ENDPOINT", default_value = "http://127.0.0.1:4566", value_name = "URL")]
    pub endpoint: String,
    /// The region to work in.
    #[arg(long, global = true, env = "AWS_REGION", default_value = "us-east-1")]
    pub region: String,
    /// The account to act for, twelve digits; without it that of AWS_ACCESS_KEY_ID, where that is set. For `up`: the
    /// account of callers whose access key is no account number.
    #[arg(long, global = true, value_name = "N")]
    pub account: Option<String>,
}

/// The account of those who name none.
const DEFAULT_ACCOUNT: &str = "123456789012";

impl Target {
    /// The account to act for.
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or(DEFAULT_ACCOUNT)
    }

    /// The key to sign with, and its secret. On a loopback address without registered keys any will do, and a key that is
    /// an account number names the account.
    fn credentials(&self) -> (String, String) {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (&self.account, set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
            (None, Some(key), Some(secret)) => (key, secret),
            _ => (self.account().to_owned(), "openvpc".to_owned()),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground.
    Up(UpOptions),
    /// Bind a network interface that no instance has to a virtual machine (`-- CMD`) or a container (--netns, --pid).
    Attach(AttachOptions),
    /// Write a backup of the running daemon: its state, and the buckets with everything in them (delivered flow logs too).
    Backup {
        /// The file to write; it holds access keys, if there are any.
        file: PathBuf,
    },
    /// Record the packets that an interface sends and receives, as pcap or as a line each.
    Capture(CaptureOptions),
    /// Remove what a dead daemon left behind on this machine.
    Cleanup {
        /// The data directory of the daemon that died.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Run the first lab from beginning to end, on a daemon of its own.
    Demo,
    /// Take a network interface back from a virtual machine or a container.
    Detach {
        /// The interface (eni-…).
        eni: String,
    },
    /// Print shell exports that point the AWS tools here: eval "$(openvpc env)".
    Env,
    /// Run a command in an instance, or on the lab internet (`internet`).
    Exec {
        /// An instance id, or `internet`.
        instance: String,
        /// The command and its arguments.
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// Say whether X reaches Y, which way, and what stops it.
    Explain(ExplainOptions),
    /// Flow logs: see them live, ask them with SQL, deliver them now.
    Flows {
        #[command(subcommand)]
        command: Flows,
    },
    /// Access keys: once one is registered, only requests that a registered key signed are answered.
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Labs: stories that run and check themselves.
    Lab {
        #[command(subcommand)]
        command: Labs,
    },
    /// Put a backup in the place of everything that the running daemon holds, or into a data directory.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Replace what is there.
        #[arg(long)]
        yes: bool,
        /// Restore into this data directory, which no daemon uses, instead of a running daemon.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Show what runs, and in which tier.
    Status {
        /// Only this part, in more detail.
        part: Option<StatusPart>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the rates of all interfaces as they change.
    Top(TopOptions),
    /// Small network tools for labs and tests.
    #[command(hide = true)]
    Toolbox {
        #[command(subcommand)]
        tool: Tool,
    },
}

/// What is captured, and for how long.
#[derive(Debug, Args)]
pub struct CaptureOptions {
    /// A network interface (eni-…) in a running instance, or `internet`.
    #[arg(value_name = "ENI")]
    interface: String,
    /// Write pcap to this file, or with `-` to standard output: openvpc capture ENI -w - | tcpdump -r -
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// End after so many packets.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds.
    #[arg(long, value_name = "S", value_parser = capture::seconds)]
    duration: Option<Duration>,
    /// Keep only so many bytes of each packet; its original length is recorded all the same.
    #[arg(short, long, value_name = "BYTES", requires = "write", value_parser = clap::value_parser!(u32).range(1..=1 << 18))]
    snaplen: Option<u32>,
}

/// What an interface is bound to.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("to").required(true).args(["netns", "pid", "command"]))]
pub struct AttachOptions {
    /// A network interface (eni-…) that nobody has.
    eni: String,
    /// A container, by its network namespace, such as /run/netns/NAME: it gets a link, addressed as declared.
    #[arg(long, value_name = "PATH")]
    netns: Option<PathBuf>,
    /// A container, by a process in it.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
    /// The name of the link in the container.
    #[arg(long, default_value = "eth0", conflicts_with = "command")]
    name: String,
    /// A virtual machine, by the command that runs it: it gets a TAP's queue as descriptor 3, and what it must know in
    /// OPENVPC_MAC, OPENVPC_ADDRESS, OPENVPC_GATEWAY and OPENVPC_MTU. The interface is free again when the command ends.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// What `explain` is asked.
#[derive(Debug, Args)]
pub struct ExplainOptions {
    /// An instance, a network interface, or a public address (then the packet starts on the internet).
    #[arg(long)]
    from: String,
    /// An instance, a network interface, or an address as the source would write it in the packet.
    #[arg(long)]
    to: String,
    /// tcp, udp, icmp, icmpv6 or a protocol number.
    #[arg(long, default_value = "tcp")]
    protocol: String,
    /// The destination port.
    #[arg(long)]
    port: Option<u16>,
    /// The source port.
    #[arg(long)]
    source_port: Option<u16>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The parts that `status` knows more about.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StatusPart {
    /// The path that packets take, and what was dropped on it.
    Datapath,
}

/// How rates are shown.
#[derive(Debug, Args)]
pub struct TopOptions {
    /// Seconds from one sample to the next.
    #[arg(short, long, default_value = "1", value_name = "S", value_parser = capture::seconds)]
    interval: Duration,
    /// Print one sample of one interval, and end.
    #[arg(long)]
    once: bool,
    /// Print one JSON object a sample.
    #[arg(long)]
    json: bool,
}

/// What can be done with flow logs.
#[derive(Debug, Subcommand)]
pub enum Flows {
    /// Show records as they come, within two seconds of the packet.
    Tail {
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Ask the records with SQL; the table is flow_logs.
    Query {
        /// One SELECT statement.
        sql: String,
        /// Print one JSON array of objects.
        #[arg(long, conflicts_with = "csv")]
        json: bool,
        /// Print CSV with a header line.
        #[arg(long)]
        csv: bool,
    },
    /// Close the open windows, deliver, and return when everything is queryable.
    Flush,
}

/// What can be done with access keys. The account is that of --account.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Register a key and print it as shell exports: eval "$(openvpc keys add)".
    Add {
        /// The key's id; made up when it isn't given.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// The key's secret; made up when it isn't given.
        #[arg(long, value_name = "SECRET")]
        secret: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the registered keys, without their secrets.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Refuse what a key signs from now on.
    Revoke {
        /// The key's id.
        id: String,
    },
}

/// What can be done with labs.
#[derive(Debug, Subcommand)]
pub enum Labs {
    /// List the labs.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a lab against the daemon and check every expectation.
    Run {
        /// The lab's name, or the path of a folder that holds a lab.yaml.
        name: String,
        /// Leave what the lab made, to look around in.
        #[arg(long)]
        keep: bool,
        /// Print the outcome alone, as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// An error that ends a command: one line for a person, and the exit status.
#[derive(Debug)]
pub struct Failure {
    /// What was wrong, where, and what to do.
    pub message: String,
    /// The exit status.
    pub status: u8,
}

impl Failure {
    /// An ordinary failure: exit status 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: 1 }
    }

    /// The same with another exit status.
    pub fn with_status(self, status: u8) -> Self {
        Self { status, ..self }
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let Cli { target, command } = Cli::parse();
    let done = match command {
        Command::Up(options) => daemon::up(options, target.account()),
        Command::Attach(options) => attach::run(&target, &options),
        Command::Backup { file } => backup::backup(&target, &file),
        Command::Restore { file, yes, data_dir } => backup::restore(&target, &file, yes, data_dir),
        Command::Capture(options) => capture::run(&target, &options),
        Command::Cleanup { data_dir } => daemon::cleanup(data_dir),
        Command::Detach { eni } => attach::detach(&target, &eni),
        Command::Demo => lab::demo(),
        Command::Env => env::print(&target),
        Command::Exec { instance, command } => exec::run(&target, &instance, &command),
        Command::Explain(options) => explain::run(&target, &options),
        Command::Flows { command } => flows::run(&target, command),
        Command::Keys { command } => keys::run(&target, command),
        Command::Lab { command } => lab::command(&target, command),
        Command::Status { part: None, json } => status::run(&target, json),
        Command::Status { part: Some(StatusPart::Datapath), json } => status::datapath(&target, json),
        Command::Top(options) => top::run(&target, &options),
        Command::Toolbox { tool } => return toolbox::run(tool),
    };
    match done {
        Ok(status) => status,
        Err(failure) => {
            eprintln!("openvpc: {}", failure.message);
            ExitCode::from(failure.status)
        }
    }
}
