//! `cargo xtask bench datapath`: what a VPC's packets cost, beside a bare veth pair and a router of the kernel on the same
//! machine in the same run.
//!
//! Every figure is the median of a few rounds, and in every round each contender has its turn. The daemon is what `openvpc
//! up` starts, everything is made through its API, and load runs inside instances: what is measured is the path that users
//! get. Figures of one run compare with each other only.

mod baseline;
mod changes;
mod costs;
mod estate;
mod headline;
mod latencies;
mod loads;
mod place;
mod rootless;
mod table;
mod undo;
mod vm;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use baseline::Baseline;
use estate::{Estate, Plan, Vpc, WHOLE};
use place::{Cpu, Pair, Place};
use table::Table;
use undo::Undo;

use super::servers;
use crate::Outcome;

const USAGE: &str = "usage: cargo xtask bench datapath [--only ROW]… [--rounds N] [--seconds N] [--quick] \
                     [--datapath auto|kernel|rootless] [--mtu N] [--binary FILE]; the rows are ";

/// A row of the table, or a few that are measured together: its name, and what measures it.
type Row = (&'static str, fn(&mut Bench) -> Outcome);

const ROWS: &[Row] = &[
    ("tcp1", headline::tcp_1),
    ("tcp4", headline::tcp_4),
    ("udp", headline::udp),
    ("connects", headline::connects),
    ("saturated", headline::saturated),
    ("new-flows", headline::new_flows),
    ("elastic-ip", headline::elastic_ip),
    ("vm", vm::vm),
    ("hit-rules", costs::hit_rules),
    ("miss-rules", costs::miss_rules),
    ("flow-logs", costs::flow_logs),
    ("bump", costs::bump),
    ("bump-loss", costs::bump_loss),
    ("changes", costs::changes),
    ("attach", latencies::attach),
    ("hit-flows", costs::hit_flows),
    ("hit-enis", costs::hit_enis),
    ("rule-change", latencies::rule_change),
    ("memory", latencies::memory),
    ("rootless", rootless::rootless),
];

/// From one rule change to the next.
const INTERVAL: Duration = Duration::from_millis(10);

/// Rules of a group, of a list and of the router.
const RULES: usize = 50;

/// What one run works with.
struct Bench {
    options: Options,
    table: Table,
    binary: PathBuf,
    // In the order in which they go: the daemon, the namespaces, what neither took back itself.
    estate: Option<Estate>,
    ours: Option<(Vpc, Pair)>,
    /// Two pairs with few rules and with many.
    few_and_many: Option<(Pair, Pair)>,
    veth: Option<Baseline>,
    router: Option<Baseline>,
    undo: Undo,
}

/// Measures, and fails when a bar is missed.
pub fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    if !rustix::process::geteuid().is_root() {
        return Err("the baselines are network namespaces of this machine: run this as root".to_owned());
    }
    let binary = options.binary.clone().map_or_else(servers::build, Ok)?;
    let mut undo = Undo::new()?;
    // The kernel's limit would make the router drop what it is sprayed with.
    undo.setting("/proc/sys/net/netfilter/nf_conntrack_max", "4194304")?;
    undo.priority()?;
    let table = Table::new(options.rounds, options.seconds);
    let mut bench =
        Bench { options, table, binary, estate: None, ours: None, few_and_many: None, veth: None, router: None, undo };
    for (name, measure) in ROWS {
        if bench.options.has(name)
            && let Err(error) = measure(&mut bench)
        {
            bench.table.failed(name, &error);
        }
    }
    let Bench { table, .. } = bench;
    table.end()
}

impl Bench {
    /// The daemon, started when it is first asked for.
    fn estate(&mut self) -> Result<&mut Estate, String> {
        let estate = match self.estate.take() {
            Some(estate) => estate,
            None => {
                let estate = Estate::start(&mut self.undo, &self.binary, &self.options.datapath, &new_directory())?;
                println!("\nopenvpc's datapath: {}", estate.path());
                estate
            }
        };
        Ok(self.estate.insert(estate))
    }

    /// Ends the daemon, so that the next row has a new one.
    fn forget(&mut self) {
        self.ours = None;
        self.few_and_many = None;
        self.estate = None;
    }

    /// Two instances in two subnets of a VPC that has the bars' own rules and flow logs.
    fn ours(&mut self) -> Result<Pair, String> {
        self.whole().map(|(_, pair)| pair.clone())
    }

    /// Their VPC.
    fn our_vpc(&mut self) -> Result<Vpc, String> {
        self.whole().map(|(vpc, _)| vpc.clone())
    }

    fn whole(&mut self) -> Result<&(Vpc, Pair), String> {
        let whole = match self.ours.take() {
            Some(whole) => whole,
            None => self.new_pair(WHOLE)?,
        };
        Ok(self.ours.insert(whole))
    }

    fn few_and_many(&mut self) -> Result<(Pair, Pair), String> {
        let both = match self.few_and_many.take() {
            Some(both) => both,
            None => {
                let few = Plan { rules: 10, ..WHOLE };
                let many = Plan { rules: self.options.scaled(10_000), ..WHOLE };
                (self.new_pair(few)?.1, self.new_pair(many)?.1)
            }
        };
        Ok(self.few_and_many.insert(both).clone())
    }

    fn new_pair(&mut self, plan: Plan) -> Result<(Vpc, Pair), String> {
        let estate = self.estate()?;
        let vpc = estate.vpc(plan)?;
        let pair = estate.pair(&vpc)?;
        self.set_mtu(&pair)?;
        loads::until_connected(&pair)?;
        Ok((vpc, pair))
    }

    /// Gives both hosts the MTU that was asked for.
    fn set_mtu(&self, pair: &Pair) -> Outcome {
        let set = |host: &Place| host.run(Cpu::Any, 10.0, &["ip", "link", "set", "eth0", "mtu", &self.options.mtu]).map(drop);
        set(&pair.client).and_then(|()| set(&pair.server))
    }

    fn veth(&mut self) -> Result<Pair, String> {
        let veth = match self.veth.take() {
            Some(veth) => veth,
            None => Baseline::veth(&mut self.undo, &self.options.mtu)?,
        };
        loads::until_connected(&veth.pair)?;
        Ok(self.veth.insert(veth).pair.clone())
    }

    fn router(&mut self) -> Result<Pair, String> {
        let router = match self.router.take() {
            Some(router) => router,
            None => Baseline::router(&mut self.undo, RULES, &self.options.mtu)?,
        };
        loads::until_connected(&router.pair)?;
        Ok(self.router.insert(router).pair.clone())
    }
}

/// Where the next daemon of this benchmark keeps what it keeps. Below the build's directory: /tmp is often memory.
fn new_directory() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    servers::target().join(format!("bench-datapath-{}-{number}", std::process::id()))
}

/// What is measured, and how long.
struct Options {
    only: Vec<String>,
    rounds: usize,
    seconds: f64,
    quick: bool,
    datapath: String,
    /// Of openvpc's hosts and of what they are compared with, in the rows of plain traffic.
    mtu: String,
    /// Instead of one that is built.
    binary: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let rows: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
        let usage = || format!("{USAGE}{}", rows.join(", "));
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let (rounds, seconds) = if quick { (1, 1.0) } else { (5, 3.0) };
        let (datapath, mtu) = ("auto".to_owned(), baseline::MTU.to_owned());
        let mut options = Self { only: Vec::new(), rounds, seconds, quick, datapath, mtu, binary: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == "--quick" {
                continue;
            }
            let value = arguments.next().ok_or_else(usage)?;
            match argument.as_str() {
                "--only" if rows.contains(&value.as_str()) => options.only.push(value.clone()),
                "--rounds" => options.rounds = value.parse().ok().filter(|rounds| *rounds > 0).ok_or_else(usage)?,
                "--seconds" => options.seconds = value.parse().ok().filter(|seconds| *seconds >= 1.0).ok_or_else(usage)?,
                "--binary" => options.binary = Some(value.into()),
                "--datapath" => options.datapath.clone_from(value),
                "--mtu" if value.parse::<u16>().is_ok() => options.mtu.clone_from(value),
                _ => return Err(usage()),
            }
        }
        Ok(options)
    }

    /// A tenth of a number when it should be quick.
    fn scaled(&self, number: usize) -> usize {
        if self.quick { number / 10 } else { number }
    }

    fn has(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == row)
    }
}
