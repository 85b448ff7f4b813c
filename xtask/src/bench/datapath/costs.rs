//! The rows of what should cost nothing, or little: rules, flows, interfaces, flow logs, changes of rules.
//!
//! What can be had twice is measured side by side. What can't (a model with many interfaces, a full table of flows) is
//! measured before and after, both times beside the bare veth pair, and the ratios to it are compared.

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
use crate::bench::load::{Work, drive};
use crate::bench::signature;

/// How often packets are counted, and streams.
const HITS: [(&str, Load); 2] = [("UDP 64 bytes, k packets/s", loads::udp), ("TCP 1 stream, Gbit/s", loads::tcp_1)];
const FEW: usize = 10;
/// Who makes interfaces at the same time.
const CLIENTS: usize = 8;

pub fn hit_rules(bench: &mut Bench) -> Outcome {
    let (few, many) = bench.few_and_many()?;
    let names = [format!("{FEW} rules"), format!("{} rules", bench.options.scaled(10_000))];
    beside(bench, "hit cost", (&names[1], &many), (&names[0], &few), 0.97)
}

pub fn flow_logs(bench: &mut Bench) -> Outcome {
    let with = bench.ours()?;
    let estate = bench.estate()?;
    let vpc = estate.vpc(Plan { flow_logs: false, ..WHOLE })?;
    let without = estate.pair(&vpc)?;
    loads::until_connected(&without)?;
    beside(bench, "flow logs", ("flow logs on", &with), ("off", &without), 0.97)
}

/// Compares the hits of two pairs of the same daemon.
fn beside(bench: &mut Bench, what: &str, one: (&str, &Pair), other: (&str, &Pair), bar: f64) -> Outcome {
    for (unit, load) in HITS {
        let title = format!("{what}: {unit}");
        let figures = bench.table.measure(load, &[one, other])?;
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

/// The daemon that has many interfaces is another than the one that has few: they are made while no packets are judged,
/// which is quicker, and then it is started again.
pub fn hit_enis(bench: &mut Bench) -> Outcome {
    bench.forget();
    let number = bench.options.scaled(100_000);
    let names = ["10 interfaces".to_owned(), format!("{number} interfaces")];
    let outcome = before_and_after(bench, &names, 0.97, |bench, round| {
        if round > 0 {
            return Ok(());
        }
        bench.forget();
        let directory = new_directory();
        let mut estate = Estate::start(&mut bench.undo, &bench.binary, "none", &directory)?;
        let took = interfaces(&mut estate, number)?;
        drop(estate);
        let begin = Instant::now();
        bench.estate = Some(Estate::start(&mut bench.undo, &bench.binary, &bench.options.datapath, &directory)?);
        let start = begin.elapsed();
        bench.ours()?;
        let [took, start, all] = [took, start, begin.elapsed()].map(|time| time.as_secs_f64());
        bench.table.note(&format!(
            "{number} interfaces were made in {took:.1} s; beside them a daemon starts in {start:.1} s, and a VPC with rules \
             and two instances takes {:.1} s",
            all - start
        ));
        Ok(())
    });
    bench.forget();
    outcome
}

pub fn hit_flows(bench: &mut Bench) -> Outcome {
    bench.forget();
    let number = bench.options.scaled(200_000);
    let names = ["one flow".to_owned(), format!("{number} flows")];
    let outcome = before_and_after(bench, &names, 0.9, |bench, _| {
        let pair = bench.ours()?;
        enough(loads::fill(&pair, number)?, number)
    });
    bench.forget();
    outcome
}

/// Compares hits before and after something, which is done again in each round after.
fn before_and_after(
    bench: &mut Bench,
    names: &[String; 2],
    bar: f64,
    mut something: impl FnMut(&mut Bench, usize) -> Outcome,
) -> Outcome {
    // By load, and of ours and of the bare veth pair.
    let mut before: [[Figures; 2]; 2] = Default::default();
    let mut after: [[Figures; 2]; 2] = Default::default();
    for _ in 0..bench.options.rounds {
        one_round(bench, &mut before)?;
    }
    for round in 0..bench.options.rounds {
        something(bench, round)?;
        one_round(bench, &mut after)?;
    }
    for (((unit, _), before), after) in HITS.iter().zip(&before).zip(&after) {
        let title = format!("hit cost: {unit}");
        let shown = [(&*names[0], &before[0]), ("bare veth", &before[1]), (&*names[1], &after[0]), ("bare veth", &after[1])];
        bench.table.row(&title, &shown);
        let ratio = |figures: &[Figures; 2]| figures[0].median() / figures[1].median();
        let what = format!("of {}, by their ratios to bare veth", names[0]);
        bench.table.bar(&title, &what, ratio(after) / ratio(before), AtLeast(bar));
    }
    Ok(())
}

fn one_round(bench: &mut Bench, figures: &mut [[Figures; 2]; 2]) -> Outcome {
    let (ours, veth) = (bench.ours()?, bench.veth()?);
    for ((_, load), [of_ours, of_veth]) in HITS.iter().zip(figures) {
        of_ours.push(load(&ours, bench.options.seconds).map_err(|error| format!("openvpc: {error}"))?);
        of_veth.push(load(&veth, bench.options.seconds).map_err(|error| format!("bare veth: {error}"))?);
    }
    Ok(())
}

/// Whether flows that should be live arrived.
pub fn enough(arrived: f64, number: usize) -> Outcome {
    if arrived >= number as f64 { Ok(()) } else { Err(format!("of {number} flows only {arrived} arrived")) }
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
        let changes = (index == 0).then(|| Changes::every(INTERVAL, address, &vpc.group));
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

/// What an established flow loses while rules change beside many live flows.
pub fn bump_loss(bench: &mut Bench) -> Outcome {
    let number = bench.options.scaled(100_000);
    let title = format!("datagrams lost of 10,000 a second, a rule change every 200 ms beside {number} live flows");
    let pair = bench.ours()?;
    let (address, vpc): (_, Vpc) = (bench.estate()?.server.address, bench.our_vpc()?);
    let seconds = bench.options.seconds;
    enough(loads::fill(&pair, number)?, number)?;
    let figures = bench.table.alternate(2, |index| {
        let changes = (index == 0).then(|| Changes::every(INTERVAL * 20, address, &vpc.group));
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
