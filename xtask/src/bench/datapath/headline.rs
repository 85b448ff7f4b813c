//! The rows of plain traffic: throughput, packets, connections and new flows.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::loads::{self, Load};
use super::table::Bar::AtLeast;
use super::{Bench, estate};
use crate::Outcome;

pub fn tcp_1(bench: &mut Bench) -> Outcome {
    compare(bench, "TCP 1 stream, Gbit/s", loads::tcp_1, Some(0.97), 1.2)
}

pub fn tcp_4(bench: &mut Bench) -> Outcome {
    compare(bench, "TCP 4 streams, Gbit/s", loads::tcp_4, Some(0.92), 1.4)
}

pub fn udp(bench: &mut Bench) -> Outcome {
    compare(bench, "UDP 64 bytes, k packets/s", loads::udp, Some(0.93), 1.6)
}

pub fn connects(bench: &mut Bench) -> Outcome {
    compare(bench, "TCP connects, pinned apart, k/s", loads::connects, None, 1.0)
}

pub fn saturated(bench: &mut Bench) -> Outcome {
    compare(bench, "TCP connects, all processors busy, k/s", loads::connects_saturated, None, 0.8)
}

/// The slow path has the processor that the sender leaves.
pub fn new_flows(bench: &mut Bench) -> Outcome {
    on_the_other_processor(bench, |bench| compare(bench, "new flows, k/s", loads::spray, None, 1.3))
}

/// Keeps the daemon off the clients' processor for the time of something.
pub fn on_the_other_processor<T>(
    bench: &mut Bench,
    something: impl FnOnce(&mut Bench) -> Result<T, String>,
) -> Result<T, String> {
    let pid = bench.estate()?.server.pid();
    let mut other = CpuSet::new();
    other.set(1);
    let before = pin(pid, &other)?;
    let outcome = something(bench);
    pin(pid, &before)?;
    outcome
}

/// Both ends by their public addresses: the source is translated on the way out, the destination on the way in.
pub fn elastic_ip(bench: &mut Bench) -> Outcome {
    let title = "TCP 1 stream through Elastic IPs, Gbit/s";
    let veth = bench.veth()?;
    let estate = bench.estate()?;
    let vpc = estate.vpc(estate::WHOLE)?;
    let ours = estate.public_pair(&vpc)?;
    bench.set_mtu(&ours)?;
    loads::until_connected(&ours)?;
    let figures = bench.table.measure(loads::tcp_1, &[("openvpc", &ours), ("bare veth", &veth)])?;
    bench.table.row(title, &[("openvpc", &figures[0]), ("bare veth", &figures[1])]);
    bench.table.bar(title, "of bare veth", figures[0].median() / figures[1].median(), AtLeast(0.93));
    Ok(())
}

fn compare(bench: &mut Bench, title: &str, load: Load, of_veth: Option<f64>, of_router: f64) -> Outcome {
    let (ours, veth, router) = (bench.ours()?, bench.veth()?, bench.router()?);
    let names = ["openvpc", "bare veth", "nftables router"];
    let figures = bench.table.measure(load, &[(names[0], &ours), (names[1], &veth), (names[2], &router)])?;
    let named: Vec<_> = names.into_iter().zip(&figures).collect();
    bench.table.row(title, &named);
    let [ours, veth, router] = [0, 1, 2].map(|index: usize| figures[index].median());
    match of_veth {
        Some(bar) => bench.table.bar(title, "of bare veth", ours / veth, AtLeast(bar)),
        None => bench.table.note(&format!("{:.2} of bare veth", ours / veth)),
    }
    bench.table.bar(title, "of the nftables router", ours / router, AtLeast(of_router));
    Ok(())
}

/// Keeps all threads of a process on some processors; gives those that its first thread had before.
fn pin(pid: u32, processors: &CpuSet) -> Result<CpuSet, String> {
    let numbers = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
    let mut before = None;
    for entry in numbers.flatten() {
        let thread = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        // A thread that ends meanwhile runs nowhere.
        before = before.or_else(|| sched_getaffinity(thread).ok());
        let _ = sched_setaffinity(thread, processors);
    }
    before.ok_or_else(|| format!("the process {pid} has no threads"))
}
