//! How long a packet takes to be judged, beside what a scan of the same rules and a bare hash lookup take in the same run.
//!
//! Fails when a bar of the project is missed: a first packet in at most 3 µs (median) with 50 rules in every group and
//! network ACL, at most 1.5 times that with 10,000, and no allocation.
#![allow(unsafe_code, reason = "the counting allocator; see its SAFETY comments")]
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a benchmark")]

#[path = "../tests/support/counting.rs"]
mod counting;

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use openvpc_model::*;
use openvpc_pipeline::testing::World;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::wire::Transport;
use openvpc_pipeline::{FlowState, Ingress, Nanos, NextHop, NoTrace, Outcome, PacketHeader, Tables, compile, step};

const PACKETS: usize = 50_000;
const HOSTS: usize = 100;
const FIRST_PACKET_NS: f64 = 3_000.0;
const MORE_RULES: f64 = 1.5;

fn main() {
    println!("A new TCP connection between two subnets: SG out, NACL out, route, NACL in, SG in, tracked at both ends.");
    println!(
        "{PACKETS} packets, {HOSTS} interfaces in each subnet; times per packet in ns, one by one (the clock's own cost subtracted).\n"
    );
    println!("{:<44} {:>10} {:>10} {:>10} {:>8}", "", "median", "p99", "mean", "allocs");
    let few = Case::new(50).run("50 rules per group and network ACL");
    let many = Case::new(10_000).run("10,000 rules per group and network ACL");
    let ratio = many / few;
    println!("10,000 rules take {ratio:.2} times what 50 take.\n");
    compiles();
    let mut missed = Vec::new();
    if few > FIRST_PACKET_NS {
        missed.push(format!("a first packet with 50 rules: {few:.0} ns, bar {FIRST_PACKET_NS:.0} ns"));
    }
    if ratio > MORE_RULES {
        missed.push(format!("10,000 rules: {ratio:.2} times 50, bar {MORE_RULES} times"));
    }
    if !missed.is_empty() {
        println!("\nmissed: {}", missed.join("; "));
        std::process::exit(1);
    }
    println!(
        "\nbars met: first packet <= {FIRST_PACKET_NS:.0} ns median, <= {MORE_RULES} times with 10,000 rules, no allocation"
    );
}

/// A network, and the packets that open connections in it.
struct Case {
    world: World,
    tables: Tables,
    packets: Vec<(Ingress, PacketHeader)>,
    answers: Vec<(Ingress, PacketHeader)>,
    filters: Filters,
}

/// The rules that a first packet meets, to be scanned.
struct Filters {
    /// The addresses of the one group that rules refer to.
    members: std::collections::HashSet<IpAddr, foldhash::fast::RandomState>,
    groups: [Vec<SecurityGroupRule>; 2],
    nacls: [Vec<NaclEntry>; 2],
}

impl Case {
    fn new(rules: usize) -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        let subnets = ["10.0.1.0/24", "10.0.2.0/24"].map(|block| world.subnet(vpc, block));
        // The rule that matters is the last one; the others differ in block, protocol and port.
        let decoy = |n: usize| {
            let (a, b) = (n / 250 % 250, n % 250);
            let ports = ["tcp 1000-2000", "udp 53", "tcp 22", "tcp 80", "47", "all", "tcp 8000-9000"][n % 7];
            let block = match n % 3 {
                0 => format!("172.16.{a}.{b}/32"),
                1 => format!("10.{}.{b}.0/24", 1 + a % 200),
                _ => format!("10.0.{}.{b}/32", 3 + a % 200),
            };
            (ports, block)
        };
        let rule_texts = |direction: &str, last: &str| -> Vec<String> {
            let decoys = (1..rules).map(decoy).map(|(ports, block)| format!("{direction} {ports} from {block}"));
            decoys.chain([format!("{direction} {last}")]).collect()
        };
        let entry_texts = |direction: &str| -> Vec<String> {
            let decoys = (1..rules).map(|n| (n, decoy(n)));
            let decoys = decoys.map(|(n, (ports, block))| format!("{n} {direction} deny {ports} {block}"));
            decoys.chain([format!("{rules} {direction} allow tcp 1-65535 10.0.0.0/16")]).collect()
        };
        let group =
            |world: &mut World, texts: Vec<String>| world.group(vpc, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        let client = group(&mut world, rule_texts("out", "tcp 5432-5433 to 10.0.2.0/24"));
        let server = group(&mut world, rule_texts("in", &format!("tcp 5432 from {client}")));
        for (subnet, directions) in [(subnets[0], ["out", "in"]), (subnets[1], ["in", "out"])] {
            let texts: Vec<String> = directions.into_iter().flat_map(entry_texts).collect();
            world.nacl(subnet, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let hosts = |world: &mut World, third: usize, group| -> Vec<EniId> {
            let host = |n: usize| (format!("10.0.{third}.{}", 10 + n), subnets[third - 1]);
            (0..HOSTS).map(|n| world.host(host(n).1, &host(n).0, &[group]).eni).collect()
        };
        let (clients, servers) = (hosts(&mut world, 1, client), hosts(&mut world, 2, server));
        let at = |world: &mut World, eni| Ingress::Eni { eni: world.index(eni), next_hop: NextHop::Router };
        let froms: Vec<Ingress> = clients.iter().map(|eni| at(&mut world, *eni)).collect();
        let tos: Vec<Ingress> = servers.iter().map(|eni| at(&mut world, *eni)).collect();
        let mut packets = Vec::with_capacity(PACKETS);
        let mut answers = Vec::with_capacity(PACKETS);
        for n in 0..PACKETS {
            // A stride that shares no factor with the number of hosts, so that neighbours in time are strangers.
            let (c, s) = (n * 37 % HOSTS, n * 61 / HOSTS % HOSTS);
            let syn = tcp(&format!("10.0.1.{}:{}", 10 + c, 1024 + n / HOSTS), &format!("10.0.2.{}:5432", 10 + s));
            packets.push((froms[c], syn));
            answers.push((tos[s], syn.reply()));
        }
        let network = world.network();
        let rules_of = |id, direction| -> Vec<_> {
            let group = network.security_groups.get(&id).unwrap();
            group.rules.iter().filter(|rule| rule.direction == direction).cloned().collect()
        };
        let entries_of = |subnet, direction| -> Vec<_> {
            let nacl = network.nacl_of(network.subnets.get(&subnet).unwrap()).unwrap();
            nacl.entries.iter().filter(|entry| entry.direction == direction).cloned().collect()
        };
        let members = network.enis.values().filter(|eni| eni.groups.contains(&client)).flat_map(|eni| eni.addresses());
        let filters = Filters {
            members: members.collect(),
            groups: [rules_of(client, Direction::Egress), rules_of(server, Direction::Ingress)],
            nacls: [entries_of(subnets[0], Direction::Egress), entries_of(subnets[1], Direction::Ingress)],
        };
        let tables = world.tables().clone();
        Self { world, tables, packets, answers, filters }
    }

    /// Measures and prints everything; answers the median of a first packet.
    fn run(&self, name: &str) -> f64 {
        println!("{name}");
        let mut state = FlowState::new(PACKETS * 3);
        state.sync(&self.tables);
        self.warm_up();
        let first = self.judge("first packet of a connection", &self.packets, &mut state);
        self.judge("answer of a tracked connection (SYN-ACK)", &self.answers, &mut state);
        let established: Vec<_> = self.packets.iter().map(|(ingress, packet)| (*ingress, packet.flags(0x10))).collect();
        self.judge("packet of an established connection", &established, &mut state);
        let one = vec![established[0]; PACKETS];
        self.judge("the same, always of one connection", &one, &mut state);
        let denied: Vec<_> = self.packets.iter().map(|(ingress, packet)| (*ingress, other_port(*packet))).collect();
        self.judge_expecting("first packet, refused by the last group", &denied, &mut state, false);
        let scanned = if self.filters.groups[0].len() > 1000 { 2_000 } else { PACKETS };
        let packets = &self.packets[..scanned];
        measure("baseline: scan of the same rules", packets, |(_, packet)| assert!(self.filters.scan(packet)));
        let map: std::collections::HashMap<(IpAddr, IpAddr, Transport), u32, foldhash::fast::RandomState> =
            self.packets.iter().enumerate().map(|(n, (_, p))| ((p.src, p.dst, p.transport), n as u32)).collect();
        measure("baseline: one hash lookup of the 5-tuple", &self.packets, |(_, packet)| {
            black_box(map.get(&(packet.src, packet.dst, packet.transport)));
        });
        println!();
        first
    }

    /// The same on another state, so that code and tables are as warm as in a running engine.
    fn warm_up(&self) {
        let mut state = FlowState::new(PACKETS * 3);
        for (ingress, packet) in &self.packets {
            black_box(step(&self.tables, &mut state, *ingress, packet, Nanos(0), &mut NoTrace));
        }
    }

    fn judge(&self, name: &str, packets: &[(Ingress, PacketHeader)], state: &mut FlowState) -> f64 {
        self.judge_expecting(name, packets, state, true)
    }

    fn judge_expecting(&self, name: &str, packets: &[(Ingress, PacketHeader)], state: &mut FlowState, delivered: bool) -> f64 {
        measure(name, packets, |(ingress, packet)| {
            let verdict = step(&self.tables, state, *ingress, packet, Nanos(1), &mut NoTrace);
            assert_eq!(matches!(verdict.outcome, Outcome::Deliver(_)), delivered);
        })
    }
}

impl Filters {
    /// Whether all four filters allow a packet, found by looking at every rule in turn.
    fn scan(&self, packet: &PacketHeader) -> bool {
        let ports = |protocol: Protocol, ports: RulePorts| {
            let Transport::Ports { dst, .. } = packet.transport else { return false };
            match (protocol, ports) {
                (Protocol::All, _) => true,
                (Protocol::Number(number), _) if number != packet.protocol => false,
                (_, RulePorts::Range(range)) => (range.from..=range.to).contains(&dst),
                _ => true,
            }
        };
        let peers = [packet.dst, packet.src];
        let group = |rules: &[SecurityGroupRule], peer: IpAddr| {
            rules.iter().any(|rule| {
                ports(rule.protocol, rule.ports)
                    && match (&rule.peer, peer) {
                        (Peer::Ipv4(block), IpAddr::V4(v4)) => block.contains(&v4),
                        (Peer::Group { .. }, _) => self.members.contains(&peer),
                        _ => false,
                    }
            })
        };
        let nacl = |entries: &[NaclEntry], peer: IpAddr| {
            let decides = |entry: &&NaclEntry| entry.block.contains(&peer) && ports(entry.protocol, entry.ports);
            entries.iter().find(decides).is_some_and(|entry| entry.action == NaclAction::Allow)
        };
        (0..2).all(|n| group(&self.groups[n], peers[n]) && nacl(&self.nacls[n], peers[n]))
    }
}

/// Runs `work` on every item, timing each, prints the distribution and answers the median in nanoseconds.
fn measure<T>(name: &str, items: &[T], mut work: impl FnMut(&T)) -> f64 {
    let clock = clock_cost();
    let mut times = vec![0u64; items.len()];
    let before = counting::allocations();
    let start = Instant::now();
    for (item, time) in items.iter().zip(&mut times) {
        let begin = Instant::now();
        work(black_box(item));
        *time = begin.elapsed().as_nanos() as u64;
    }
    let total = start.elapsed().as_nanos() as f64;
    let allocations = counting::allocations() - before;
    times.sort_unstable();
    let at = |share: usize| (times[(times.len() - 1) * share / 100] as f64 - clock).max(0.0);
    let mean = total / items.len() as f64 - 2.0 * clock;
    println!("  {name:<42} {:>10.0} {:>10.0} {:>10.0} {allocations:>8}", at(50), at(99), mean);
    if !name.starts_with("baseline") && allocations > 0 {
        println!("\nmissed: {allocations} allocations for {} packets", items.len());
        std::process::exit(1);
    }
    at(50)
}

/// What reading the clock once costs, in nanoseconds.
fn clock_cost() -> f64 {
    let mut times: Vec<u64> = (0..10_000).map(|_| Instant::now().elapsed().as_nanos() as u64).collect();
    times.sort_unstable();
    times[times.len() / 2] as f64
}

/// The same to a port that the client's groups allow and the server's don't.
fn other_port(packet: PacketHeader) -> PacketHeader {
    let Transport::Ports { src, .. } = packet.transport else { panic!("no ports") };
    PacketHeader { transport: Transport::Ports { src: src.wrapping_add(20_000), dst: 5433 }, ..packet }
}

/// What a change costs: everything anew, and one rule of one group.
fn compiles() {
    let mut case = Case::new(50);
    let network = case.world.network().clone();
    let begin = Instant::now();
    let tables = black_box(compile(&network, None));
    let full = begin.elapsed();
    let group = *network.security_groups.keys().next().unwrap();
    case.world.rules(group, &["in tcp 80 from 0.0.0.0/0"]);
    let begin = Instant::now();
    black_box(compile(case.world.network(), Some(&tables)));
    let step = begin.elapsed();
    println!("compile of {} interfaces: {full:.0?} at once, {step:.0?} after one group changed", 2 * HOSTS);
}
