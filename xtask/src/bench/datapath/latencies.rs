//! The rows of what users wait for: a rule that is in force, an interface that answers. And what a flow takes of memory.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Bench;
use super::changes;
use super::estate::{Estate, Vpc, first};
use super::loads::{self, number};
use super::place::Cpu;
use super::table::Bar::AtMost;
use super::table::Figures;
use crate::Outcome;
use crate::bench::load::Client;

/// Changes per filling of the table, so that flows stay live.
const CHANGES: u32 = 100;
const PORT: u16 = 9;
/// An instance of this type takes as many interfaces as any does.
const TYPE: &str = "m5.24xlarge";
const INTERFACES: usize = 15;

/// From the call that changes a rule to its answer, by when the rule is in force.
pub fn rule_change(bench: &mut Bench) -> Outcome {
    bench.forget();
    let (flows, attached) = (bench.options.scaled(100_000), bench.options.scaled(1_000));
    let title = format!("rule change, {attached} interfaces attached, {flows} live flows, ms");
    let (pair, vpc) = (bench.ours()?, bench.our_vpc()?);
    let estate = bench.estate()?;
    let address = estate.server.address;
    let begin = Instant::now();
    attach_many(estate, &vpc, attached)?;
    bench.table.note(&format!("{attached} interfaces were attached in {:.1} s", begin.elapsed().as_secs_f64()));
    let mut client = Client::new(address);
    let mut carried = 0;
    let mut figures = Figures::default();
    for _ in 0..bench.options.rounds {
        loads::fill(&pair, flows)?;
        carried = bench.estate()?.connections();
        for number in 0..CHANGES {
            figures.push(changes::change(&mut client, &vpc.group, PORT, number)?.as_secs_f64() * 1e3);
        }
    }
    bench.table.row(&title, &[("openvpc", &figures)]);
    bench.table.note(&format!("{carried} connections in the kernel"));
    bench.table.bar(&title, "ms at the 99th percentile", figures.percentile(99), AtMost(5.0));
    bench.forget();
    Ok(())
}

fn attach_many(estate: &mut Estate, vpc: &Vpc, number: usize) -> Outcome {
    let mut left = number;
    while left > 0 {
        let instance = estate.instance_of(&vpc.subnets[left % 2], &vpc.group, TYPE)?.id;
        left -= 1;
        for index in 1..INTERFACES.min(left + 1) {
            // Only so many addresses are in a subnet.
            let eni = estate.interface(&vpc.subnets[index % 2], &vpc.group)?.0;
            let attach = format!("&NetworkInterfaceId={eni}&InstanceId={instance}&DeviceIndex={index}");
            estate.call("AttachNetworkInterface", &attach)?;
            left -= 1;
        }
    }
    Ok(())
}

/// From the call that attaches an interface to the first ping that it answers.
pub fn attach(bench: &mut Bench) -> Outcome {
    let title = "interface attach to first packet, ms";
    let (pair, vpc) = (bench.ours()?, bench.our_vpc()?);
    let rounds = bench.options.rounds * 4;
    let estate = bench.estate()?;
    let instance = estate.instance(&vpc.subnets[1], &vpc.group)?.id;
    let (eni, address) = estate.interface(&vpc.subnets[1], &vpc.group)?;
    let mut figures = Figures::default();
    for _ in 0..rounds {
        let ping = pair.client.start(Cpu::Any, 10.0, &["ping", &address, "10"])?;
        let begin = micros();
        let attach = format!("&NetworkInterfaceId={eni}&InstanceId={instance}&DeviceIndex=1");
        let attachment = estate.made("AttachNetworkInterface", &attach, "attachmentId")?;
        let answered = number(&ping.finish()?, "micros")?;
        figures.push((answered - begin) / 1e3);
        estate.call("DetachNetworkInterface", &format!("&AttachmentId={attachment}&Force=true"))?;
        let deadline = Instant::now() + Duration::from_secs(20);
        let filter = format!("&NetworkInterfaceId.1={eni}");
        while first(&estate.call("DescribeNetworkInterfaces", &filter)?, "status").as_deref() != Some("available") {
            if Instant::now() > deadline {
                return Err("an interface was not detached within 20 s".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    bench.table.row(title, &[("openvpc", &figures)]);
    bench.table.bar(title, "ms in the median", figures.median(), AtMost(20.0));
    Ok(())
}

fn micros() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as f64
}

/// What the daemon and the kernel's maps grow by for a flow.
pub fn memory(bench: &mut Bench) -> Outcome {
    bench.forget();
    let flows = bench.options.scaled(200_000);
    let title = format!("memory of a flow, by {flows} connections, bytes");
    let pair = bench.ours()?;
    let (pid, resident) = (bench.estate()?.server.pid(), bench.estate()?.server.resident());
    let (maps, _) = maps(pid);
    loads::fill(&pair, flows)?;
    let carried = bench.estate()?.connections();
    let grown = bench.estate()?.server.resident().saturating_sub(resident);
    let (maps_now, per_entry) = self::maps(pid);
    let user = grown as f64 / flows as f64;
    // A map whose entries are allocated beforehand doesn't grow: then it is the share of two entries, one a direction.
    let kernel = if maps_now > maps { (maps_now - maps) as f64 / flows as f64 } else { per_entry * 2.0 };
    // Each of these has an entry for either direction, as flow logs have a flow for either.
    let each = (user + kernel) / 2.0;
    let mut figures = Figures::default();
    figures.push(each);
    bench.table.row(&title, &[("openvpc", &figures)]);
    bench.table.note(&format!(
        "a connection is a flow in each direction, and takes {:.0}: {user:.0} in the daemon, {kernel:.0} in maps, which hold \
         {:.1} MiB; {carried} connections in the kernel",
        user + kernel,
        maps_now as f64 / f64::from(1 << 20)
    ));
    bench.table.bar(&title, "bytes", each, AtMost(512.0));
    bench.forget();
    Ok(())
}

/// What the maps of a process take in bytes, and an entry of the largest of them.
fn maps(pid: u32) -> (u64, f64) {
    let (mut total, mut largest, mut per_entry) = (0, 0, 0.0);
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let member = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse::<u64>().ok())
        };
        if let (Some(_), Some(bytes), Some(entries)) = (member("map_id"), member("memlock"), member("max_entries")) {
            total += bytes;
            if bytes > largest {
                largest = bytes;
                per_entry = bytes as f64 / entries.max(1) as f64;
            }
        }
    }
    (total, per_entry)
}
