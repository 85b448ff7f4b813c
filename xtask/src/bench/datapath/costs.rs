//! The rows of what should cost nothing, or little: rules, flows, interfaces, flow logs, changes of rules.
//!
//! Each is measured side by side with what doesn't have it: another VPC, or another daemon.

use std::time::{Duration, Instant};

use super::changes::Changes;
use super::estate::{Estate, PlainVpc, Plan, Vpc, WHOLE};
use super::headline::on_the_other_processor;
use super::loads::{self, Load};
use super::place::Pair;
use super::table::Bar::{AtLeast, AtMost};
use super::table::Figures;
use super::{Bench, INTERVAL, new_directory};
use crate::Outcome;
use crate::bench::load::{self, Work, drive};
use crate::bench::signature;

/// How often packets are counted, and streams.
const HITS: [(&str, Load); 2] = [("UDP 64 bytes, k packets/s", loads::udp), ("TCP 1 stream, Gbit/s", loads::tcp_1)];
const FEW: usize = 10;
/// The port of rules that come and go.
const PORT: u16 = 9;
/// Who makes interfaces at the same time.
const CLIENTS: usize = 8;

pub fn hit_rules(bench: &mut Bench) -> Outcome {
    let (few, many) = bench.few_and_many()?;
    let names = [format!("{FEW} rules"), format!("{} rules", bench.options.scaled(10_000))];
    beside(bench, "hit cost by rules", (&names[1], &many), (&names[0], &few), 0.97)
}

pub fn flow_logs(bench: &mut Bench) -> Outcome {
    let with = bench.ours()?;
    let estate = bench.estate()?;
    let vpc = estate.vpc(Plan { flow_logs: false, ..WHOLE })?;
    let without = estate.pair(&vpc)?;
    loads::until_connected(&without)?;
    beside(bench, "flow logs", ("flow logs on", &with), ("off", &without), 0.97)
}

/// Compares the hits of two pairs.
fn beside(bench: &mut Bench, what: &str, one: (&str, &Pair), other: (&str, &Pair), bar: f64) -> Outcome {
    beside_after(bench, what, one, other, bar, || Ok(()))
}

/// Compares the hits of two pairs, the first of which is prepared each time.
fn beside_after(
    bench: &mut Bench,
    what: &str,
    one: (&str, &Pair),
    other: (&str, &Pair),
    bar: f64,
    prepare: impl Fn() -> Outcome,
) -> Outcome {
    let seconds = bench.options.seconds;
    for (unit, load) in HITS {
        let title = format!("{what}: {unit}");
        let figures = bench.table.alternate(2, |index| {
            if index == 0 {
                prepare()?;
            }
            let (name, pair) = [one, other][index];
            load(pair, seconds).map_err(|error| format!("{name}: {error}"))
        })?;
        bench.table.row(&title, &[(one.0, &figures[0]), (other.0, &figures[1])]);
        let ratio = figures[0].median() / figures[1].median();
        bench.table.bar(&title, &format!("of {}", other.0), ratio, AtLeast(bar));
    }
    Ok(())
}

pub fn miss_rules(bench: &mut Bench) -> Outcome {
    let (few, many) = bench.few_and_many()?;
    let names = [format!("{FEW} rules"), format!("{} rules", bench.options.scaled(10_000))];
    let title = "miss cost: new flows, k/s";
    let contenders = [(&*names[0], &few), (&*names[1], &many)];
    let figures = on_the_other_processor(bench, |bench| bench.table.measure(loads::spray, &contenders))?;
    bench.table.row(title, &[(&names[0], &figures[0]), (&names[1], &figures[1])]);
    let ratio = figures[0].median() / figures[1].median();
    bench.table.bar(title, "times the cost of few rules", ratio, AtMost(1.5));
    Ok(())
}

/// The interfaces are made while no packets are judged, which is quicker, and then the daemon is started again.
pub fn hit_enis(bench: &mut Bench) -> Outcome {
    bench.forget();
    let number = bench.options.scaled(100_000);
    let few = bench.ours()?;
    let directory = new_directory();
    let mut estate = Estate::start(&mut bench.undo, &bench.binary, "none", &directory)?;
    let made = interfaces(&mut estate, number)?.as_secs_f64();
    drop(estate);
    let begin = Instant::now();
    let mut estate = Estate::start(&mut bench.undo, &bench.binary, &bench.options.datapath, &directory)?;
    let started = begin.elapsed().as_secs_f64();
    let many = connected(&mut estate)?;
    let furnished = begin.elapsed().as_secs_f64() - started;
    let names = [&*format!("{number} interfaces"), "few"];
    beside(bench, "hit cost by interfaces", (names[0], &many), (names[1], &few), 0.97)?;
    bench.table.note(&format!(
        "{number} interfaces were made in {made:.1} s; beside them a daemon starts in {started:.1} s, and a VPC with rules and \
         two instances takes {furnished:.1} s"
    ));
    Ok(())
}

pub fn hit_flows(bench: &mut Bench) -> Outcome {
    bench.forget();
    let number = bench.options.scaled(200_000);
    let few = bench.ours()?;
    let mut estate = Estate::start(&mut bench.undo, &bench.binary, &bench.options.datapath, &new_directory())?;
    let many = connected(&mut estate)?;
    let names = [&*format!("{number} flows"), "few"];
    beside_after(bench, "hit cost by flows", (names[0], &many), (names[1], &few), 0.9, || loads::fill(&many, number))
}

/// Two instances in a new VPC.
fn connected(estate: &mut Estate) -> Result<Pair, String> {
    let vpc = estate.vpc(WHOLE)?;
    let pair = estate.pair(&vpc)?;
    loads::until_connected(&pair)?;
    Ok(pair)
}

/// Makes interfaces that nothing is attached to, by a few clients; how long that took.
fn interfaces(estate: &mut Estate, number: usize) -> Result<Duration, String> {
    const PER_SUBNET: usize = 250;
    const SUBNETS: usize = 256;
    let mut vpcs: Vec<PlainVpc> = Vec::new();
    let mut subnets = Vec::new();
    for index in 0..number.div_ceil(PER_SUBNET) {
        // Each has 251 addresses, and so many fit in a VPC.
        if index % SUBNETS == 0 {
            vpcs.push(estate.plain_vpc()?);
        }
        let Some(vpc) = vpcs.last() else { continue };
        let block = vpc.block(&format!("{}.0%2F24", index % SUBNETS));
        subnets.push(estate.made("CreateSubnet", &format!("&VpcId={}&CidrBlock={block}", vpc.id), "subnetId")?);
    }
    let workers = (0..CLIENTS).map(|client| Interfaces { subnets: subnets.clone(), next: client, number }).collect();
    let (figures, _) = drive(estate.server.address, workers, Duration::from_secs(900));
    figures.first_error.map_or(Ok(figures.elapsed), Err)
}

struct Interfaces {
    subnets: Vec<String>,
    next: usize,
    number: usize,
}

impl Work for Interfaces {
    fn next(&mut self, host: &str) -> Option<Vec<u8>> {
        let subnet = self.subnets.get(self.next % self.subnets.len()).filter(|_| self.next < self.number)?;
        self.next += CLIENTS;
        Some(signature::post(host, &format!("Action=CreateNetworkInterface&Version=2016-11-15&SubnetId={subnet}")))
    }
}

/// A stream while rules change, beside one while none do.
pub fn bump(bench: &mut Bench) -> Outcome {
    let title = "one rule change every 10 ms: TCP 1 stream, Gbit/s";
    let pair = bench.ours()?;
    let (address, vpc) = (bench.estate()?.server.address, bench.our_vpc()?);
    let seconds = bench.options.seconds;
    let mut rate = 0.0;
    let figures = bench.table.alternate(2, |index| {
        let changes = (index == 0).then(|| Changes::every(INTERVAL, address, &vpc.group, PORT));
        let figure = loads::tcp_1(&pair, seconds);
        if let Some(changes) = changes {
            rate = changes.stop()?.rate();
        }
        figure
    })?;
    bench.table.row(title, &[("with changes", &figures[0]), ("none", &figures[1])]);
    bench.table.note(&format!("{rate:.0} changes a second were made"));
    bench.table.bar(title, "of none", figures[0].median() / figures[1].median(), AtLeast(0.9));
    Ok(())
}

/// As many rule changes as a few callers get through, of the group that a stream is judged by.
pub fn changes(bench: &mut Bench) -> Outcome {
    let title = format!("rule changes by {CLIENTS} callers beside a stream");
    let pair = bench.ours()?;
    let (address, vpc) = (bench.estate()?.server.address, bench.our_vpc()?);
    let seconds = bench.options.seconds;
    let (mut rates, mut slowest) = (Figures::default(), Figures::default());
    let streams = bench.table.alternate(2, |index| {
        let caller = |number: usize| Changes::every(Duration::ZERO, address, &vpc.group, PORT + number as u16);
        let callers: Vec<_> = (0..CLIENTS).filter(|_| index == 0).map(caller).collect();
        let begin = Instant::now();
        let figure = loads::tcp_1(&pair, seconds);
        let mut all = load::Figures::default();
        for caller in callers {
            all.add(caller.stop()?);
        }
        all.elapsed = begin.elapsed();
        if index == 0 {
            rates.push(all.rate());
            slowest.push(all.percentile(99).as_secs_f64() * 1e3);
        }
        figure
    })?;
    bench.table.row(&title, &[("changes a second", &rates), ("99th percentile, ms", &slowest)]);
    bench.table.row("    TCP 1 stream, Gbit/s", &[("with changes", &streams[0]), ("none", &streams[1])]);
    bench.table.bar(&title, "a second", rates.median(), AtLeast(1000.0));
    Ok(())
}

/// What an established flow loses while rules change beside many live flows.
pub fn bump_loss(bench: &mut Bench) -> Outcome {
    let number = bench.options.scaled(100_000);
    let title = format!("datagrams lost of 10,000 a second, a rule change every 200 ms beside {number} live flows");
    let pair = bench.ours()?;
    let (address, vpc): (_, Vpc) = (bench.estate()?.server.address, bench.our_vpc()?);
    let seconds = bench.options.seconds;
    let figures = bench.table.alternate(2, |index| {
        loads::fill(&pair, number)?;
        let changes = (index == 0).then(|| Changes::every(INTERVAL * 20, address, &vpc.group, PORT));
        let lost = loads::lost(&pair, seconds);
        if let Some(changes) = changes {
            changes.stop()?;
        }
        lost
    })?;
    bench.table.row(&title, &[("with changes", &figures[0]), ("none", &figures[1])]);
    bench.table.bar(&title, "more than without", figures[0].median() - figures[1].median(), AtMost(0.0));
    Ok(())
}
