//! The path in user space, which needs no privileges.

use super::estate::{Estate, WHOLE};
use super::loads;
use super::place::Cpu;
use super::table::Bar::AtLeast;
use super::{Bench, new_directory};
use crate::Outcome;

/// One stream with what the kernels' ends leave to each other (checksums, segments), and without; and the same with
/// packets of the size that the internet has, of which there are more.
pub fn rootless(bench: &mut Bench) -> Outcome {
    let title = "rootless, TCP 1 stream, Gbit/s";
    // Only one daemon at a time has the machine.
    bench.forget();
    let veth = bench.veth()?;
    let mut estate = Estate::start(&mut bench.undo, &bench.binary, "rootless", &new_directory())?;
    bench.table.note(&format!("openvpc's datapath: {}", estate.path()));
    let vpc = estate.vpc(WHOLE)?;
    let mut pairs = Vec::new();
    for (offloads, mtu) in [(true, "9001"), (false, "9001"), (true, "1500"), (false, "1500")] {
        let pair = estate.pair(&vpc)?;
        for host in [&pair.client, &pair.server] {
            host.run(Cpu::Any, 10.0, &["ip", "link", "set", "eth0", "mtu", mtu])?;
            if !offloads {
                host.run(Cpu::Any, 10.0, &["ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "off"])?;
            }
        }
        loads::until_connected(&pair)?;
        pairs.push(pair);
    }
    let names = ["openvpc", "without offloads", "openvpc, MTU 1500", "without offloads, MTU 1500", "bare veth"];
    let contenders: Vec<_> = names.into_iter().zip(pairs.iter().chain([&veth])).collect();
    let figures = bench.table.measure(loads::tcp_1, &contenders)?;
    let named: Vec<_> = names.into_iter().zip(&figures).collect();
    bench.table.row(title, &named);
    let [with, without, small_with, small_without, veth] = std::array::from_fn(|index| figures[index].median());
    bench.table.bar(title, "of bare veth", with / veth, AtLeast(0.45));
    bench.table.note(&format!("{:.2} times without offloads", with / without));
    bench.table.bar(title, "times without offloads, MTU 1500", small_with / small_without, AtLeast(4.0));
    Ok(())
}
