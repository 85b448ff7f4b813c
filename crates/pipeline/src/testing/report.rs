//! What a failed expectation prints.

use std::fmt::Write;

use openvpc_model::Network;

use crate::compile::{NextHop, Tables};
use crate::step::Ingress;
use crate::trace::{HeaderView, Hop};
use crate::verdict::{Action, Egress, Leg, Outcome, Verdict};
use crate::wire::{PacketHeader, Transport};

/// The topology and all rules.
pub(super) fn network(network: &Network) -> String {
    let mut text = String::from("network:\n");
    for vpc in network.vpcs.values() {
        let blocks =
            vpc.ipv4_blocks.iter().map(|b| b.block.to_string()).chain(vpc.ipv6_blocks.iter().map(|b| b.block.to_string()));
        let gateway = network.internet_gateway_of(vpc.id).map(|gateway| gateway.id.to_string()).unwrap_or_default();
        line(&mut text, 1, format_args!("{} {} {gateway}", vpc.id, blocks.collect::<Vec<_>>().join(" ")));
        for subnet in network.subnets_of(vpc.id) {
            let nacl = network.nacl_of(subnet).map(|nacl| nacl.id.to_string()).unwrap_or_default();
            let table = network.route_table_of(subnet).map(|table| table.id.to_string()).unwrap_or_default();
            let ipv6 = subnet.ipv6_blocks.iter().map(|b| b.block.to_string()).collect::<Vec<_>>().join(" ");
            let ipv4 = subnet.ipv4_block.map(|block| block.to_string()).unwrap_or_default();
            line(&mut text, 2, format_args!("{} {ipv4} {ipv6} {table} {nacl}", subnet.id));
            for eni in network.enis.values().filter(|eni| eni.subnet == subnet.id) {
                let running = if network.carries_packets(eni) { "running" } else { "not running" };
                let check = if eni.source_dest_check { "" } else { ", no source/dest check" };
                let addresses: Vec<String> = eni
                    .addresses()
                    .map(|address| {
                        let own = eni.private_addresses.iter().find(|own| own.address == address);
                        let public = own.and_then(|own| own.public.as_ref());
                        public.map_or(address.to_string(), |public| format!("{address} ({})", public.address))
                    })
                    .collect();
                line(&mut text, 3, format_args!("{} {} {:?} {running}{check}", eni.id, addresses.join(" "), eni.groups));
            }
        }
        for table in network.route_tables.values().filter(|table| table.vpc == vpc.id) {
            let users: Vec<String> = table.associations.iter().map(|association| format!("{:?}", association.user)).collect();
            line(&mut text, 2, format_args!("{} {}", table.id, users.join(" ")));
            for route in &table.routes {
                let state = network.route_state(vpc.id, route.target);
                line(&mut text, 3, format_args!("{} -> {:?} ({state:?})", route.destination, route.target));
            }
        }
        for nacl in network.nacls.values().filter(|nacl| nacl.vpc == vpc.id && !nacl.is_default) {
            line(&mut text, 2, format_args!("{}", nacl.id));
            for entry in &nacl.entries {
                let (direction, ports) = (entry.direction.as_str(), entry.ports);
                let what =
                    format_args!("{} {direction} {:?} {} {ports:?} {}", entry.number, entry.action, entry.protocol, entry.block)
                        .to_string();
                line(&mut text, 3, format_args!("{what}"));
            }
        }
        for group in network.security_groups.values().filter(|group| group.vpc == vpc.id && !group.rules.is_empty()) {
            line(&mut text, 2, format_args!("{}", group.id));
            for rule in &group.rules {
                let direction = rule.direction.as_str();
                line(&mut text, 3, format_args!("{} {direction} {} {:?} {:?}", rule.id, rule.protocol, rule.ports, rule.peer));
            }
        }
    }
    text
}

/// The packet and where it came in.
pub(super) fn packet(tables: &Tables, ingress: Ingress, packet: &PacketHeader) -> String {
    let from = match ingress {
        Ingress::Internet => "the internet".to_owned(),
        Ingress::Services => "the link-local services".to_owned(),
        Ingress::Eni { eni, next_hop } => {
            let via = match next_hop {
                NextHop::Router => "the router".to_owned(),
                NextHop::Eni(eni) => name(tables, Egress::Eni(eni)),
            };
            format!("{} to {via}", name(tables, Egress::Eni(eni)))
        }
    };
    let view = HeaderView { source: packet.src, destination: packet.dst, protocol: packet.protocol, transport: packet.transport };
    format!("packet from {from}: {}\n  {packet:?}\n", header(&view))
}

/// Every stage, the verdict and its legs.
pub(super) fn walk(tables: &Tables, hops: &[Hop], verdict: &Verdict) -> String {
    let mut text = String::from("walk:\n");
    for hop in hops {
        let rule = hop.rule.map(|rule| rule.to_string()).unwrap_or_default();
        let code = hop.code.map(|code| code.as_str()).unwrap_or_default();
        let what = format!("{} {} {} {rule} {code}", hop.resource.component(), hop.resource, hop.action.as_str());
        line(&mut text, 1, format_args!("{what}  [{}]", header(&hop.outbound)));
    }
    match verdict.outcome {
        Outcome::Deliver(delivery) => {
            line(&mut text, 0, format_args!("delivered to {}: {:?}", name(tables, delivery.to), delivery.rewrite));
        }
        Outcome::Drop(drop) => line(&mut text, 0, format_args!("dropped: {drop:?}")),
    }
    for entry in verdict.legs.iter() {
        line(&mut text, 1, format_args!("leg {} {} -> {}", leg(tables, entry), entry.source, entry.destination));
    }
    text
}

/// `egress accept eni-…`.
pub(super) fn leg(tables: &Tables, leg: &Leg) -> String {
    let action = match leg.action {
        Action::Accept => "accept",
        Action::Reject => "reject",
    };
    format!("{} {action} {}", leg.direction.as_str(), name(tables, Egress::Eni(leg.eni)))
}

fn name(tables: &Tables, port: Egress) -> String {
    match port {
        Egress::Internet => "the internet".to_owned(),
        Egress::Services => "the link-local services".to_owned(),
        Egress::Eni(index) => tables.eni(index).map_or_else(|| format!("{index:?}"), |entry| entry.eni.id.to_string()),
    }
}

fn header(view: &HeaderView) -> String {
    let HeaderView { source, destination, protocol, transport } = view;
    match transport {
        Transport::Ports { src, dst } => format!("{protocol} {source}:{src} -> {destination}:{dst}"),
        other => format!("{protocol} {source} -> {destination} {other:?}"),
    }
}

fn line(text: &mut String, depth: usize, what: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{:indent$}{what}", "", indent = depth * 2);
}
