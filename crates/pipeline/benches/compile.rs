//! What a change costs until it can be in force: compiling it, telling the flow state, letting go of the tables before.
//!
//! Measured with few and with many interfaces in the network, beside a compile of everything in the same run. Fails when a
//! change takes longer than the bar for its size (median).
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use openvpc_model::*;
use openvpc_pipeline::testing::World;
use openvpc_pipeline::testing::packets::tcp;
use openvpc_pipeline::{FlowState, Ingress, Nanos, NextHop, NoTrace, Tables, compile, step};

const RUNS: usize = 201;
const RULES: usize = 50;
const FLOWS: usize = 100_000;
const SUBNETS: usize = 16;
/// A VPC has at most a /16; what doesn't fit goes into others.
const ENIS_PER_VPC: usize = 25_000;
const BARS: [(usize, Duration); 2] = [(1_000, Duration::from_micros(200)), (100_000, Duration::from_millis(1))];

fn main() {
    println!("One change compiled, with {RULES} rules in the group of all interfaces of a VPC, {SUBNETS} subnets in each VPC,");
    println!("{FLOWS} flows tracked; median and p99 of {RUNS} runs.");
    let mut missed = Vec::new();
    for (enis, bar) in BARS {
        missed.extend(Case::new(enis).run(bar));
    }
    if !missed.is_empty() {
        println!("\nmissed: {}", missed.join("; "));
        std::process::exit(1);
    }
    println!("\nbars met: {BARS:?}");
}

struct Case {
    world: World,
    enis: usize,
    vpcs: Vec<VpcId>,
    subnets: Vec<SubnetId>,
    group: SecurityGroupId,
    hosts: Vec<openvpc_pipeline::testing::Host>,
}

impl Case {
    fn new(enis: usize) -> Self {
        let mut case = Self {
            world: World::new(),
            enis,
            vpcs: vec![],
            subnets: vec![],
            group: SecurityGroupId::from_random(0),
            hosts: vec![],
        };
        for number in 0..enis.div_ceil(ENIS_PER_VPC) {
            case.add_vpc(number, ENIS_PER_VPC.min(enis));
        }
        case
    }

    fn add_vpc(&mut self, number: usize, enis: usize) {
        let world = &mut self.world;
        let vpc = world.vpc(&format!("10.{number}.0.0/16"));
        let gateway = world.gateway(vpc);
        let main = world.main_table(vpc);
        world.route(main, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
        let group = world.group(vpc, &rules(RULES).iter().map(String::as_str).collect::<Vec<_>>());
        let subnets: Vec<_> = (0..SUBNETS).map(|n| world.subnet(vpc, &format!("10.{number}.{}.0/20", n * 16))).collect();
        for n in 0..enis {
            let (subnet, host) = (n % SUBNETS, 10 + n / SUBNETS);
            let address = format!("10.{number}.{}.{}", subnet * 16 + host / 256, host % 256);
            self.hosts.push(world.host(subnets[subnet], &address, &[group]));
        }
        self.vpcs.push(vpc);
        self.subnets.extend(subnets);
        self.group = group;
    }

    /// Measures everything; answers which bars were missed.
    fn run(&mut self, bar: Duration) -> Vec<String> {
        println!("\n{} interfaces in {} VPCs {:>43} {:>10}", self.enis, self.vpcs.len(), "median", "p99");
        let mut whole = Vec::new();
        for _ in 0..3 {
            let begin = Instant::now();
            black_box(compile(self.world.network(), None));
            whole.push(begin.elapsed());
        }
        print("everything", &mut whole);

        let mut tables = compile(self.world.network(), None);
        let mut flows = self.flows(&tables);
        let (group, subnet, vpc) = (self.group, self.subnets[0], self.vpcs[0]);
        let (host, main) = (self.hosts[0], self.world.main_table(vpc));
        let mut names: Vec<&str> = Vec::new();
        let mut medians = Vec::new();
        let mut measure = |name, change: &mut dyn FnMut(&mut World, usize)| {
            let mut times: Vec<_> = (0..RUNS).map(|run| self.once(&mut tables, &mut flows, |world| change(world, run))).collect();
            names.push(name);
            medians.push(print(name, &mut times));
        };
        measure("a rule of a group added or removed", &mut |world, run| {
            let rules = rules(RULES + run % 2);
            world.rules(group, &rules.iter().map(String::as_str).collect::<Vec<_>>());
        });
        let mut made = Vec::new();
        measure("an interface made", &mut |world, run| {
            made.push(world.eni(subnet, &format!("10.0.{}.{}", 8 + run / 250, 1 + run % 250), &[group]));
        });
        measure("an interface deleted", &mut |world, run| world.remove::<NetworkInterface>(made[run]));
        measure("a public address given or taken", &mut |world, run| {
            let public = interface::PublicMapping { address: "203.0.113.10".parse().unwrap(), association: None };
            let public = (run % 2 == 0).then_some(public);
            world.edit::<NetworkInterface>(host.eni, |eni| eni.private_addresses[0].public = public);
        });
        measure("a route changed in a main table", &mut |world, run| {
            world.route(main, &format!("192.0.2.{run}/32"), RouteTarget::NetworkInterface(host.eni));
        });
        measure("a network ACL changed", &mut |world, run| {
            let nacl = world.network().vpcs.get(&vpc).unwrap().default_nacl;
            world.entries(nacl, &[&format!("100 in allow tcp {run} 0.0.0.0/0"), "100 out allow all 0.0.0.0/0"]);
        });
        measure("an instance stopped or started", &mut |world, run| {
            world.set_state(host, if run % 2 == 0 { InstanceState::Stopped } else { InstanceState::Running });
        });
        measure("an interface tagged", &mut |world, run| {
            world.edit::<NetworkInterface>(host.eni, |eni| drop(eni.tags.insert("run".into(), run.to_string())));
        });
        measure("something that no packet meets", &mut |world, _| {
            world.list("10.0.0.0/8");
        });
        let slow = names.iter().zip(&medians).filter(|(_, median)| **median > bar);
        slow.map(|(name, median)| format!("{name} with {} interfaces: {median:.1?}, bar {bar:.1?}", self.enis)).collect()
    }

    /// Changes something and puts it in force; answers how long the latter took.
    fn once(&mut self, tables: &mut Tables, flows: &mut FlowState, change: impl FnOnce(&mut World)) -> Duration {
        change(&mut self.world);
        let begin = Instant::now();
        let made = compile(self.world.network(), Some(tables));
        flows.sync(&made);
        *tables = made;
        begin.elapsed()
    }

    /// Flows between the first thousand interfaces.
    fn flows(&self, tables: &Tables) -> FlowState {
        let mut flows = FlowState::new(FLOWS);
        flows.sync(tables);
        let enis: Vec<_> = self.hosts.iter().take(1000).map(|host| tables.eni_index(host.eni).unwrap()).collect();
        for n in 0..FLOWS / 2 {
            let address = |index| tables.eni(index).unwrap().eni.primary_ipv4().unwrap();
            let (from, to) = (enis[n % enis.len()], enis[(n * 7 + 1) % enis.len()]);
            let packet = tcp(&format!("{}:{}", address(from), 1024 + n / enis.len()), &format!("{}:443", address(to)));
            let ingress = Ingress::Eni { eni: from, next_hop: NextHop::Router };
            step(tables, &mut flows, ingress, &packet, Nanos(0), &mut NoTrace);
        }
        assert!(flows.len() > FLOWS * 9 / 10, "only {} flows", flows.len());
        flows
    }
}

/// Rules of which the last lets everything of the VPCs pass.
fn rules(count: usize) -> Vec<String> {
    let decoys = (0..count - 2).map(|n| format!("in tcp {} from 172.16.{}.0/24", 1000 + n, n % 250));
    decoys.chain(["in all from 10.0.0.0/8".into(), "out all to 10.0.0.0/8".into()]).collect()
}

/// Prints the distribution and answers the median.
fn print(name: &str, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("  {name:<60} {:>10} {:>10}", format!("{:.1?}", at(50)), format!("{:.1?}", at(99)));
    at(50)
}
