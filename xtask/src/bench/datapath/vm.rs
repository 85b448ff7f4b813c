//! An interface that a virtual machine has, compared with a Linux bridge to the same kind of TAP.
//!
//! The virtual machine is a network namespace behind a TAP of its own, and a program that copies frames between that TAP and
//! the one under test, as they are: the same on both sides, and it stands for what a monitor such as QEMU does.

use std::process::Command;
use std::time::{Duration, Instant};

use super::Bench;
use super::baseline::{MTU, ip, namespaces};
use super::loads::{self, Load};
use super::place::{Pair, Place, Running};
use super::table::Bar::AtLeast;
use crate::Outcome;

/// What is measured towards the virtual machine; the bar is for each.
const LOADS: [(&str, Load); 3] = [
    ("TCP 1 stream to a VM, Gbit/s", loads::tcp_1),
    ("TCP 4 streams to a VM, Gbit/s", loads::tcp_4),
    ("UDP 64 bytes to a VM, k packets/s", loads::udp),
];

pub fn vm(bench: &mut Bench) -> Outcome {
    let names = namespaces(&mut bench.undo, &["vm-ours", "vm-bridged", "vm-bridge", "vm-client"])?;
    let measured = measure(bench, &names);
    for name in &names {
        let _ = ip(&["netns", "delete", name]);
    }
    measured
}

fn measure(bench: &mut Bench, names: &[String]) -> Outcome {
    let [ours, bridged, bridge, client] = [0, 1, 2, 3].map(|index: usize| names[index].as_str());
    let (vpc, (binary, reach)) = (bench.our_vpc()?, (bench.binary.clone(), bench.ours()?));
    let estate = bench.estate()?;
    let (eni, address) = estate.interface(&vpc.subnets[1], &vpc.group)?;
    let mut attach = estate.command();
    attach.args(["attach", &eni, "--", "ip", "netns", "exec", ours]).arg(&binary).args(["toolbox", "splice", "eth0"]);
    let described = estate.call("DescribeNetworkInterfaces", &format!("&NetworkInterfaceId.1={eni}"))?;
    let mac = super::estate::first(&described, "macAddress").ok_or("an interface without hardware address")?;
    let _ours = Running::new(attach, "ready")?;
    // The subnet's router is at its first address; subnets of this benchmark are of twenty bits.
    let router = address.split('.').take(2).chain(["32", "1"]).collect::<Vec<_>>().join(".");
    system(ours, Some(&mac), &format!("{address}/20"))?;
    ip(&["-n", ours, "route", "add", "default", "via", &router])?;

    ip(&["-n", bridge, "link", "add", "br0", "mtu", MTU, "type", "bridge"])?;
    ip(&["-n", bridge, "link", "set", "br0", "up"])?;
    super::baseline::wire((client, "eth0", "10.202.0.1/24"), (bridge, "port", "10.202.9.9/32"), MTU)?;
    ip(&["-n", bridge, "link", "set", "port", "master", "br0"])?;
    let mut splice = Command::new("ip");
    splice.args(["netns", "exec", bridged]).arg(&binary).args(["toolbox", "splice", "eth0"]);
    splice.args(["--near", &format!("/run/netns/{bridge}"), "tap0"]);
    let _bridged = Running::new(splice, "ready")?;
    ip(&["-n", bridge, "link", "set", "tap0", "mtu", MTU, "master", "br0", "up"])?;
    system(bridged, None, "10.202.0.2/24")?;

    let in_namespace = |name: &str| Place::Namespace(name.to_owned());
    let ours = Pair { client: reach.client, server: in_namespace(ours), address };
    let bridged = Pair { client: in_namespace(client), server: in_namespace(bridged), address: "10.202.0.2".to_owned() };
    loads::until_connected(&ours)?;
    loads::until_connected(&bridged)?;
    for (title, load) in LOADS {
        let figures = bench.table.measure(load, &[("openvpc", &ours), ("Linux bridge", &bridged)])?;
        bench.table.row(title, &[("openvpc", &figures[0]), ("Linux bridge", &figures[1])]);
        bench.table.bar(title, "of a Linux bridge", figures[0].median() / figures[1].median(), AtLeast(0.95));
    }
    Ok(())
}

/// Sets up the virtual machine's own end, once its TAP is there.
fn system(name: &str, mac: Option<&str>, address: &str) -> Outcome {
    let begin = Instant::now();
    while let Err(error) = ip(&["-n", name, "link", "set", "eth0", "mtu", MTU]) {
        if begin.elapsed() > Duration::from_secs(5) {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if let Some(mac) = mac {
        ip(&["-n", name, "link", "set", "eth0", "address", mac])?;
    }
    ip(&["-n", name, "address", "add", address, "dev", "eth0"])?;
    ip(&["-n", name, "link", "set", "eth0", "up"])
}
