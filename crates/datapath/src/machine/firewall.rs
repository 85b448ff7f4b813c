//! What nftables is told: one table for each link between the VPCs and the machine, replaced as a whole.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use ipnet::IpNet;

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;

/// The rules for a link that leads into the machine's own network.
pub(super) struct Firewall<'a> {
    /// The link, after which the table is named.
    pub(super) link: &'a str,
    /// The blocks of public addresses.
    pub(super) pools: &'a [IpNet],
    /// The one interface that packets leave by as they are; none where they leave by all, translated.
    pub(super) only: Option<&'a str>,
    /// Interfaces that forwarded nothing before, of IPv4 and of IPv6.
    pub(super) opened: [BTreeSet<String>; 2],
}

impl Firewall<'_> {
    /// The whole table, as `nft -f` reads it.
    pub(super) fn script(&self) -> String {
        let Self { link, pools, only, opened } = self;
        let mut text = replaced(link);
        if only.is_none() {
            text.push_str("  chain translate {\n    type nat hook postrouting priority srcnat;\n");
            for pool in *pools {
                text.push_str(&format!("    oifname != \"{link}\" {} saddr {pool} masquerade\n", family(pool)));
            }
            text.push_str("  }\n");
        }
        text.push_str(&format!(
            "  chain forward {{\n    type filter hook forward priority filter;\n    iifname \"{link}\" oifname \"{link}\" drop\n"
        ));
        match only {
            Some(only) => text.push_str(&format!(
                "    iifname \"{link}\" oifname != \"{only}\" drop\n    oifname \"{link}\" iifname != \"{only}\" drop\n"
            )),
            None => text
                .push_str(&format!("    oifname \"{link}\" ct state established,related accept\n    oifname \"{link}\" drop\n")),
        }
        // What wasn't forwarded before isn't forwarded now either, but to and from these links.
        for (opened, protocol) in opened.iter().zip(["ipv4", "ipv6"]) {
            for interface in opened {
                text.push_str(&format!("    meta nfproto {protocol} iifname \"{interface}\" oifname != \"{PREFIX}*\" drop\n"));
            }
        }
        text.push_str("  }\n");
        text.push_str(&format!(
            "  chain input {{\n    type filter hook input priority filter;\n    iifname != \"{link}\" accept\n    {ANSWERS} accept\n    drop\n  }}\n}}\n"
        ));
        text
    }
}

/// The rules of the lab internet's host, by which the machine reaches the VPCs, and nobody the machine but with answers.
/// What is not the machine's is not tracked.
pub(super) fn of_lab(link: &str, machine: &[IpNet]) -> String {
    let of_machine = |direction: &str| -> String {
        let lines = machine.iter().map(|own| format!("    {} {direction} {} return\n", family(own), own.addr()));
        lines.collect()
    };
    let (from, to) = (of_machine("saddr"), of_machine("daddr"));
    format!(
        "{}  chain untracked {{\n    type filter hook prerouting priority raw;\n{from}{to}    notrack\n  }}\n  \
         chain own {{\n    type filter hook output priority raw;\n    notrack\n  }}\n  \
         chain forward {{\n    type filter hook forward priority filter; policy drop;\n    iifname \"{link}\" accept\n    \
         oifname \"{link}\" ct state established,related accept\n  }}\n}}\n",
        replaced(link)
    )
}

/// Gives a script to nftables in a namespace: all of it is done, or nothing.
pub(super) fn load(namespace: &NetNs, script: &str) -> Result<(), DatapathError> {
    namespace.within(|| run(script))?.attempt(|| "set firewall rules with nft, from the package nftables")
}

/// Removes the table of a link, if it is there.
pub(super) fn remove(namespace: &NetNs, link: &str) -> Result<(), DatapathError> {
    load(namespace, &format!("add table inet {link}\ndelete table inet {link}\n"))
}

/// What links into the machine's own network are called, and the tables of their rules: this and eight digits.
pub(super) const PREFIX: &str = "openvpc";

/// What may come to the machine itself: answers, and what neighbours must say to each other in IPv6.
const ANSWERS: &str = "ct state established,related accept\n    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }";

/// The head of a table that takes the place of the one of that name.
fn replaced(name: &str) -> String {
    format!("add table inet {name}\ndelete table inet {name}\ntable inet {name} {{\n")
}

fn family(net: &IpNet) -> &'static str {
    match net {
        IpNet::V4(_) => "ip",
        IpNet::V6(_) => "ip6",
    }
}

fn run(script: &str) -> io::Result<()> {
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = nft.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // One that ended early says why.
        let _ = input.write_all(script.as_bytes());
    }
    let done = child.wait_with_output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(said.lines().next().unwrap_or("nft failed without a word").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_forwarded_before_is_not_forwarded_now() {
        let pools = [IpNet::V4(openvpc_model::internet::PUBLIC_IPV4)];
        let opened = [BTreeSet::from(["eth0".to_owned()]), BTreeSet::new()];
        let script = Firewall { link: "openvpc00000001", pools: &pools, only: None, opened }.script();
        assert!(script.contains("oifname != \"openvpc00000001\" ip saddr 203.0.113.0/24 masquerade"), "{script}");
        assert!(script.contains("meta nfproto ipv4 iifname \"eth0\" oifname != \"openvpc*\" drop"), "{script}");
        assert!(!script.contains("nfproto ipv6"), "{script}");
    }

    #[test]
    fn addresses_that_leave_as_they_are_leave_by_one_interface_alone() {
        let script = Firewall { link: "openvpc00000001", pools: &[], only: Some("eth1"), opened: Default::default() }.script();
        assert!(
            !script.contains("masquerade") && script.contains("iifname \"openvpc00000001\" oifname != \"eth1\" drop"),
            "{script}"
        );
    }
}
