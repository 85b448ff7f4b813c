//! `cargo xtask bench api`: requests per second, latencies, start and memory of openvpc, beside moto_server on the same
//! machine in the same run.
//!
//! Both get the same signed requests over connections that stay open, turn by turn. A read is one of a fixed state; the
//! writes make and delete what the clients made themselves, each client in VPCs of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::load::{Answer, Client, Figures, Work, drive};
use super::servers::{self, MOTO, Server};
use super::signature;
use crate::Outcome;

/// How long each figure is measured per turn.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 2;
const GROUPS: usize = 1000;
const SUBNETS_PER_VPC: usize = 200;
const INTERFACES: usize = 100_000;
const SUBNETS_OF_INTERFACES: usize = 32;

/// What is missed, in words; collected so that one run shows everything.
type Missed = Vec<String>;

/// Measures. `--without-moto` leaves the comparison out, `--interfaces N` takes another number, `--clients N` one number of
/// clients instead of three, `--only PART` one part of start, reads, writes, interfaces.
pub fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let binary = servers::build()?;
    let mut missed = Missed::new();
    if options.has("start") {
        start(&binary, &mut missed)?;
    }
    if options.has("reads") || options.has("writes") {
        calls(&binary, &options, &mut missed)?;
    }
    if options.has("interfaces") {
        interfaces(&binary, options.interfaces, &mut missed)?;
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("missed:\n  {}", missed.join("\n  "))) }
}

struct Options {
    moto: bool,
    interfaces: usize,
    clients: Vec<usize>,
    only: Option<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { moto: true, interfaces: INTERFACES, clients: vec![1, 8, 64], only: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--without-moto" => options.moto = false,
                "--interfaces" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    options.interfaces = number.ok_or("--interfaces takes a number")?;
                }
                "--clients" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    options.clients = vec![number.ok_or("--clients takes a number")?];
                }
                "--only" => options.only = arguments.next().cloned(),
                other => {
                    return Err(format!(
                        "usage: cargo xtask bench api [--without-moto] [--interfaces N] [--clients N] [--only PART], not {other}"
                    ));
                }
            }
        }
        Ok(options)
    }

    fn has(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

/// A directory that goes when this is dropped.
struct DataDir(PathBuf);

impl DataDir {
    fn new(name: &str) -> Result<Self, String> {
        // Below the build's directory: /tmp is often memory, where a sync costs nothing.
        let path = servers::target().join(format!("bench-api-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(binary: &Path, missed: &mut Missed) -> Outcome {
    let mut times = Vec::new();
    for number in 0..7 {
        let data_dir = DataDir::new(&format!("start-{number}"))?;
        let fresh = Server::openvpc(binary, &data_dir.0)?.took;
        times.push(fresh.max(Server::openvpc(binary, &data_dir.0)?.took));
    }
    times.sort_unstable();
    let data_dir = DataDir::new("idle")?;
    let server = Server::openvpc(binary, &data_dir.0)?;
    call(&mut Client::new(server.address), "Action=DescribeVpcs&Version=2016-11-15")?;
    std::thread::sleep(Duration::from_secs(1));
    let idle = mebibytes(server.resident());
    println!(
        "start to ready {} (median of {}; bar 150 ms), idle {idle:.1} MiB resident (bar 40 MiB)",
        show(times[3]),
        times.len()
    );
    check(missed, times[3] < Duration::from_millis(150), "start to ready under 150 ms");
    check(missed, idle < 40.0, "idle under 40 MiB");
    Ok(())
}

/// A request that is made again and again.
struct Repeat(String, Option<Vec<u8>>);

impl Work for Repeat {
    fn next(&mut self, host: &str) -> Option<Vec<u8>> {
        Some(self.1.get_or_insert_with(|| signature::post(host, &self.0)).clone())
    }
}

/// Requests from a list, and the ids that the answers name.
struct List {
    bodies: std::vec::IntoIter<String>,
    id: &'static str,
    made: Vec<String>,
}

impl List {
    fn new(bodies: Vec<String>, id: &'static str) -> Self {
        Self { bodies: bodies.into_iter(), id, made: Vec::new() }
    }
}

impl Work for List {
    fn next(&mut self, host: &str) -> Option<Vec<u8>> {
        self.bodies.next().map(|body| signature::post(host, &body))
    }

    fn note(&mut self, answer: &Answer<'_>) {
        self.made.extend(answer.element(self.id));
    }
}

/// One row of the table.
struct Row {
    name: String,
    clients: usize,
    bar: f64,
    ours: Figures,
    theirs: Option<Figures>,
}

fn calls(binary: &Path, options: &Options, missed: &mut Missed) -> Outcome {
    let data_dir = DataDir::new("calls")?;
    let ours = Server::openvpc(binary, &data_dir.0)?;
    let theirs =
        if options.moto { Server::moto().inspect_err(|error| println!("{error}; without comparison")).ok() } else { None };
    let mut rows = Vec::new();
    let servers: Vec<&Server> = [Some(&ours), theirs.as_ref()].into_iter().flatten().collect();

    if options.has("reads") {
        rows.extend(reads(&options.clients, &servers)?);
    }
    if options.has("writes") {
        for clients in &options.clients {
            rows.extend(writes(*clients, &servers)?);
        }
    }
    print(&rows, missed);
    println!(
        "resident after it: openvpc {:.0} MiB{}",
        mebibytes(ours.resident()),
        theirs.map_or(String::new(), |server| { format!(", moto_server {:.0} MiB", mebibytes(server.resident())) })
    );
    Ok(())
}

fn reads(clients: &[usize], servers: &[&Server]) -> Result<Vec<Row>, String> {
    let prepared: Vec<String> = servers.iter().map(|server| prepare(server)).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for clients in clients.iter().copied() {
        let by_id = |vpc: &String| format!("Action=DescribeVpcs&Version=2016-11-15&VpcId.1={vpc}");
        rows.push(read("DescribeVpcs by id", clients, servers, &prepared.iter().map(by_id).collect::<Vec<_>>()));
        let groups = vec!["Action=DescribeSecurityGroups&Version=2016-11-15".to_owned(); servers.len()];
        rows.push(read(&format!("DescribeSecurityGroups ({GROUPS})"), clients, servers, &groups));
    }
    Ok(rows)
}

/// A VPC with a thousand security groups; gives its id.
fn prepare(server: &Server) -> Result<String, String> {
    let mut client = Client::new(server.address);
    let vpc = made(&mut client, "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16", "vpcId")?;
    // Groups that come with VPCs count.
    for number in 0..GROUPS - 3 {
        let body = format!("Action=CreateSecurityGroup&Version=2016-11-15&GroupName=g{number}&GroupDescription=g&VpcId={vpc}");
        let group = made(&mut client, &body, "groupId")?;
        if number % 4 == 0 {
            let rule = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0%2F8";
            call(&mut client, &format!("Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId={group}&{rule}"))?;
        }
    }
    Ok(vpc)
}

fn read(name: &str, clients: usize, servers: &[&Server], bodies: &[String]) -> Row {
    let mut figures = vec![Figures::default(); servers.len()];
    for _ in 0..TURNS {
        for ((server, body), figures) in servers.iter().zip(bodies).zip(&mut figures) {
            let workers = (0..clients).map(|_| Repeat(body.clone(), None)).collect();
            figures.add(measure(server, workers).0);
        }
    }
    row(name, clients, 60.0, figures)
}

fn writes(clients: usize, servers: &[&Server]) -> Result<Vec<Row>, String> {
    let bar = match clients {
        1 => 8.0,
        8 => 20.0,
        _ => 0.0,
    };
    let mut figures: [Vec<Figures>; 4] = std::array::from_fn(|_| vec![Figures::default(); servers.len()]);
    for _ in 0..TURNS {
        for (server, index) in servers.iter().zip(0..) {
            let mut note = |operation: usize, measured: Figures| figures[operation][index].add(measured);
            let vpc = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16".to_owned();
            let workers = (0..clients).map(|_| List::new(vec![vpc.clone(); 100_000], "vpcId")).collect();
            let (measured, workers) = measure(server, workers);
            note(0, measured);
            let vpcs: Vec<Vec<String>> = workers.into_iter().map(|worker| worker.made).collect();

            let subnets = |vpc: &String| (0..SUBNETS_PER_VPC).map(move |n| subnet_body(vpc, n)).collect::<Vec<_>>();
            let workers =
                vpcs.iter().map(|own| List::new(own.iter().flat_map(subnets).take(100_000).collect(), "subnetId")).collect();
            let (measured, workers) = measure(server, workers);
            note(1, measured);

            let delete = |action: &'static str, id: &'static str| {
                move |name: &String| format!("Action={action}&Version=2016-11-15&{id}={name}")
            };
            let all = |lists: Vec<Vec<String>>, body: &dyn Fn(&String) -> String| -> Vec<List> {
                lists.iter().map(|own| List::new(own.iter().map(body).collect(), "return")).collect()
            };
            let made = workers.into_iter().map(|worker| worker.made).collect();
            let (measured, left) = measure(server, all(made, &delete("DeleteSubnet", "SubnetId")));
            note(2, measured);
            drive(server.address, left, Duration::from_secs(600));
            let (measured, left) = measure(server, all(vpcs, &delete("DeleteVpc", "VpcId")));
            note(3, measured);
            drive(server.address, left, Duration::from_secs(600));
        }
    }
    let names = ["CreateVpc", "CreateSubnet", "DeleteSubnet", "DeleteVpc"];
    Ok(names.iter().zip(figures).map(|(name, figures)| row(name, clients, bar, figures)).collect())
}

/// Drives a server for a turn, and notes its processor time.
fn measure<W: Work>(server: &Server, workers: Vec<W>) -> (Figures, Vec<W>) {
    let before = server.busy();
    let (figures, workers) = drive(server.address, workers, TURN);
    (Figures { busy: server.busy().saturating_sub(before), ..figures }, workers)
}

fn subnet_body(vpc: &str, number: usize) -> String {
    let (third, fourth) = (number / 16, number % 16 * 16);
    format!("Action=CreateSubnet&Version=2016-11-15&VpcId={vpc}&CidrBlock=10.0.{third}.{fourth}%2F28")
}

fn row(name: &str, clients: usize, bar: f64, figures: Vec<Figures>) -> Row {
    let mut figures = figures.into_iter();
    Row { name: name.to_owned(), clients, bar, ours: figures.next().unwrap_or_default(), theirs: figures.next() }
}

fn print(rows: &[Row], missed: &mut Missed) {
    println!(
        "\n{:<30} {:>7} | {:>9} {:>8} {:>8} {:>8} {:>4} | moto {MOTO}: {:>5} {:>8} {:>8} {:>4} | {:>6} {:>4}",
        "", "clients", "openvpc/s", "CPU", "p50", "p99", "err", "/s", "p50", "p99", "err", "ratio", "bar"
    );
    for Row { name, clients, bar, ours, theirs } in rows {
        let bar = if *clients == 64 && *bar > 0.0 { 0.0 } else { *bar };
        print!(
            "{name:<30} {clients:>7} | {:>9.0} {:>8} {:>8} {:>8} {:>4} | ",
            ours.rate(),
            show(ours.cost()),
            show(ours.percentile(50)),
            show(ours.percentile(99)),
            ours.errors
        );
        check(
            missed,
            ours.errors == 0,
            &format!("{name}, {clients} clients: no error ({})", ours.first_error.as_deref().unwrap_or_default()),
        );
        let Some(theirs) = theirs else {
            println!("not measured");
            continue;
        };
        let ratio = ours.rate() / theirs.rate().max(1e-9);
        let shown_bar = if bar > 0.0 { format!("{bar:.0}") } else { "-".to_owned() };
        println!(
            "{:>17.0} {:>8} {:>8} {:>4} | {ratio:>6.1} {shown_bar:>4}",
            theirs.rate(),
            show(theirs.percentile(50)),
            show(theirs.percentile(99)),
            theirs.errors
        );
        check(missed, ratio >= bar, &format!("{name}, {clients} clients: {bar} times moto's rate, not {ratio:.1}"));
        check(missed, ours.percentile(99) < theirs.percentile(99), &format!("{name}, {clients} clients: the lower p99"));
    }
}

/// Many interfaces in one region: what they take, and how long it takes to find some of them.
fn interfaces(binary: &Path, number: usize, missed: &mut Missed) -> Outcome {
    let data_dir = DataDir::new("interfaces")?;
    let server = Server::openvpc(binary, &data_dir.0)?;
    let mut client = Client::new(server.address);
    let vpc = made(&mut client, "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16", "vpcId")?;
    let more = made(&mut client, "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.1.0.0%2F16", "vpcId")?;
    let mut subnets = Vec::new();
    for n in 0..SUBNETS_OF_INTERFACES {
        let half = SUBNETS_OF_INTERFACES / 2;
        let (vpc, second) = if n < half { (&vpc, 0) } else { (&more, 1) };
        let third = n % half * 16;
        let body = format!("Action=CreateSubnet&Version=2016-11-15&VpcId={vpc}&CidrBlock=10.{second}.{third}.0%2F20");
        subnets.push(made(&mut client, &body, "subnetId")?);
    }
    let clients = 16;
    let workers = (0..clients)
        .map(|worker| {
            let own = (worker..number).step_by(clients);
            let body = |n: usize| {
                format!(
                    "Action=CreateNetworkInterface&Version=2016-11-15&SubnetId={}&Description=number+{n}&TagSpecification.1.ResourceType=network-interface&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=eni-{n}",
                    subnets[n % subnets.len()]
                )
            };
            List::new(own.map(body).collect(), "networkInterfaceId")
        })
        .collect();
    let (figures, workers) = drive(server.address, workers, Duration::from_secs(1800));
    check(missed, figures.errors == 0, &format!("interfaces: no error ({})", figures.first_error.as_deref().unwrap_or_default()));
    let made_ids: Vec<String> = workers.into_iter().flat_map(|worker| worker.made).collect();
    println!(
        "\n{} interfaces made at {:.0}/s by {clients} clients, p99 {}",
        made_ids.len(),
        figures.rate(),
        show(figures.percentile(99))
    );
    let resident = mebibytes(server.resident());
    println!("{resident:.0} MiB resident (bar 1024 MiB)");
    check(missed, resident < 1024.0, "100,000 interfaces under 1 GiB");

    let middle = made_ids.get(made_ids.len() / 2).cloned().unwrap_or_default();
    let found = call(&mut client, &format!("Action=DescribeNetworkInterfaces&Version=2016-11-15&NetworkInterfaceId.1={middle}"))?;
    let address = element(&found, "privateIpAddress");
    let mac = element(&found, "macAddress");
    let group = element(&found, "groupId");
    let subnet = &subnets[0];
    type Filters<'a> = Vec<(&'a str, &'a str)>;
    let questions: Vec<(&str, Filters<'_>, bool)> = vec![
        ("addresses.private-ip-address", vec![("addresses.private-ip-address", &address)], false),
        ("mac-address", vec![("mac-address", &mac)], false),
        ("network-interface-id", vec![("network-interface-id", &middle)], false),
        ("tag:Name", vec![("tag:Name", "eni-77")], false),
        ("tag:Name with wildcard", vec![("tag:Name", "*-7777")], false),
        ("tag-value", vec![("tag-value", "eni-777")], false),
        ("description", vec![("description", "number 4242")], false),
        ("description with wildcard", vec![("description", "*number 99?9*")], false),
        ("private-dns-name", vec![("private-dns-name", "ip-10-0-0-9*")], false),
        ("status, in pages", vec![("status", "available")], true),
        ("vpc-id, in pages", vec![("vpc-id", &vpc)], true),
        ("group-id, in pages", vec![("group-id", &group)], true),
        ("subnet-id, all of a subnet", vec![("subnet-id", subnet)], false),
        ("subnet-id and description", vec![("subnet-id", subnet), ("description", "*2")], true),
        ("group-id and description", vec![("group-id", &group), ("description", "*424?2")], false),
        ("nothing found", vec![("status", "in-use")], false),
    ];
    let others: Vec<(&str, Filters<'_>, bool, &str, &str)> = vec![
        ("tags by resource-id", vec![("resource-id", &middle)], false, "DescribeTags", "resourceId"),
        ("tags by key, in pages", vec![("key", "Name")], true, "DescribeTags", "resourceId"),
        ("tags by value with wildcard", vec![("value", "*-7777")], false, "DescribeTags", "resourceId"),
        ("subnets by vpc-id", vec![("vpc-id", &vpc)], false, "DescribeSubnets", "subnetId"),
    ];
    let of_interfaces =
        questions.into_iter().map(|(name, filters, paged)| (name, filters, paged, "DescribeNetworkInterfaces", "macAddress"));
    for (name, filters, paged, action, element) in of_interfaces.chain(others) {
        let mut body = format!("Action={action}&Version=2016-11-15");
        for ((filter, value), n) in filters.iter().zip(1..) {
            let value = value.replace(' ', "+").replace(':', "%3A");
            body.push_str(&format!("&Filter.{n}.Name={}&Filter.{n}.Value.1={value}", filter.replace(':', "%3A")));
        }
        if paged {
            body.push_str("&MaxResults=1000");
        }
        let mut times = Vec::new();
        let mut items = 0;
        for _ in 0..5 {
            let start = Instant::now();
            let answer = call(&mut client, &body)?;
            times.push(start.elapsed());
            items = answer.matches(&format!("<{element}>")).count();
        }
        times.sort_unstable();
        println!("  filter {name:<32} {items:>5} found in {} (worst {})", show(times[2]), show(times[4]));
        check(missed, times[2] < Duration::from_millis(50), &format!("filter {name} under 50 ms"));
    }
    let body = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16".to_owned();
    let (figures, _) = drive(server.address, vec![List::new(vec![body; 500], "vpcId")], TURN);
    println!(
        "CreateVpc beside them: {:.0}/s, p50 {}, p99 {}",
        figures.rate(),
        show(figures.percentile(50)),
        show(figures.percentile(99))
    );
    drop(server);
    let again = Server::openvpc(binary, &data_dir.0)?;
    println!("start with them: {}, then {:.0} MiB resident", show(again.took), mebibytes(again.resident()));
    Ok(())
}

fn call(client: &mut Client, body: &str) -> Result<String, String> {
    let request = signature::post(&client.host(), body);
    let answer = client.ask(&request)?;
    let text = String::from_utf8_lossy(answer.body).into_owned();
    if answer.status == 200 { Ok(text) } else { Err(format!("{body}: {text}")) }
}

fn made(client: &mut Client, body: &str, id: &str) -> Result<String, String> {
    let answer = call(client, body)?;
    Some(element(&answer, id)).filter(|id| !id.is_empty()).ok_or_else(|| format!("{body} made no {id}"))
}

fn element(text: &str, name: &str) -> String {
    Answer { status: 200, body: text.as_bytes() }.element(name).unwrap_or_default()
}

fn check(missed: &mut Missed, met: bool, what: &str) {
    if !met {
        missed.push(what.to_owned());
    }
}

fn show(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1000 => format!("{micros} µs"),
        micros @ 1000..100_000 => format!("{:.1} ms", micros as f64 / 1e3),
        micros => format!("{} ms", micros / 1000),
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
