//! What openvpc is compared with, in network namespaces: two hosts on one veth pair, and two hosts with a router between
//! them whose kernel tracks connections and has as many rules.

use std::process::Command;

use super::place::{Pair, Place};
use super::undo::Undo;
use crate::Outcome;

/// The MTU of a VPC's interfaces, unless another is asked for.
pub const MTU: &str = "9001";

/// Namespaces that go when this is dropped, or when the benchmark dies.
pub struct Baseline {
    /// The hosts.
    pub pair: Pair,
    names: Vec<String>,
}

impl Baseline {
    /// Two hosts on one veth pair.
    pub fn veth(undo: &mut Undo, mtu: &str) -> Result<Self, String> {
        let names = namespaces(undo, &["veth-a", "veth-b"])?;
        wire((&names[0], "eth0", "10.200.0.1/24"), (&names[1], "eth0", "10.200.0.2/24"), mtu)?;
        Ok(Self::new(names, "10.200.0.2"))
    }

    /// Two hosts and a router with so many rules. What is established passes by the first rule, what is new by the last.
    pub fn router(undo: &mut Undo, rules: usize, mtu: &str) -> Result<Self, String> {
        let names = namespaces(undo, &["nft-a", "nft-b", "nft-r"])?;
        let [a, b, router] = [&names[0], &names[1], &names[2]];
        wire((a, "eth0", "10.201.1.4/24"), (router, "left", "10.201.1.1/24"), mtu)?;
        wire((b, "eth0", "10.201.2.4/24"), (router, "right", "10.201.2.1/24"), mtu)?;
        ip(&["-n", a, "route", "add", "default", "via", "10.201.1.1"])?;
        ip(&["-n", b, "route", "add", "default", "via", "10.201.2.1"])?;
        let settings = ["net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0"];
        run(Command::new("ip").args(["netns", "exec", router, "sysctl", "--quiet", "--write"]).args(settings))?;
        let mut ruleset = String::from(
            "add table ip filter\nadd chain ip filter forward { type filter hook forward priority 0; policy drop; }\n\
             add rule ip filter forward ct state established,related counter accept\n",
        );
        for rule in 1..rules {
            let (third, fourth) = (rule / 250, rule % 250 + 1);
            ruleset += &format!("add rule ip filter forward ip saddr 198.18.{third}.{fourth} tcp dport 443 counter accept\n");
        }
        ruleset += "add rule ip filter forward ip daddr 10.201.0.0/16 counter accept\n";
        let file = std::env::temp_dir().join(format!("{router}.nft"));
        std::fs::write(&file, ruleset).map_err(|error| error.to_string())?;
        let loaded = run(Command::new("ip").args(["netns", "exec", router, "nft", "--file"]).arg(&file));
        let _ = std::fs::remove_file(&file);
        loaded?;
        Ok(Self::new(names, "10.201.2.4"))
    }

    fn new(names: Vec<String>, address: &str) -> Self {
        let [client, server] = [0, 1].map(|index: usize| Place::Namespace(names[index].clone()));
        Self { pair: Pair { client, server, address: address.to_owned() }, names }
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// New namespaces with names that no other benchmark has.
pub fn namespaces(undo: &mut Undo, names: &[&str]) -> Result<Vec<String>, String> {
    let own = |name: &&str| -> Result<String, String> {
        let name = format!("obench-{}-{name}", std::process::id());
        undo.namespace(&name)?;
        ip(&["netns", "add", &name])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])?;
        Ok(name)
    };
    names.iter().map(own).collect()
}

/// A veth pair between two namespaces, each end by namespace, name and address.
pub fn wire(near: (&str, &str, &str), far: (&str, &str, &str), mtu: &str) -> Outcome {
    let (from, to) = (["netns", near.0, "mtu", mtu], ["netns", far.0, "mtu", mtu]);
    let mut command = vec!["link", "add", near.1];
    command.extend(from);
    command.extend(["type", "veth", "peer", "name", far.1]);
    command.extend(to);
    ip(&command)?;
    for (namespace, name, address) in [near, far] {
        ip(&["-n", namespace, "address", "add", address, "dev", name])?;
        ip(&["-n", namespace, "link", "set", name, "up"])?;
    }
    Ok(())
}

pub fn ip(arguments: &[&str]) -> Outcome {
    run(Command::new("ip").args(arguments))
}

pub fn run(command: &mut Command) -> Outcome {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
