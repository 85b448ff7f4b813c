//! Rules written as text, so that a test reads like the rule tables of AWS's guides.

use openvpc_model::{
    Direction, IcmpMatch, NaclAction, NaclEntry, Peer, PortRange, Protocol, RulePorts, SecurityGroupRule, SecurityGroupRuleId,
    Tags,
};

/// A security group rule of a text such as `in tcp 22 from 203.0.113.1/32`, `out all to 0.0.0.0/0`, `in icmp 8 from sg-…`,
/// `in udp 53 from pl-…` or `in 47 from ::/0`.
///
/// # Panics
/// When the text isn't a rule.
pub fn security_group_rule(text: &str, id: SecurityGroupRuleId) -> SecurityGroupRule {
    let words: Vec<&str> = text.split_whitespace().filter(|word| !matches!(*word, "from" | "to")).collect();
    let [direction, middle @ .., peer] = words.as_slice() else { panic!("not a rule: {text}") };
    let (protocol, ports) = protocol_and_ports(middle, text);
    let peer = match (peer.parse(), peer.parse(), peer.parse(), peer.parse()) {
        (Ok(block), _, _, _) => Peer::Ipv4(block),
        (_, Ok(block), _, _) => Peer::Ipv6(block),
        (_, _, Ok(group), _) => Peer::Group { account: super::world::account(), group },
        (_, _, _, Ok(list)) => Peer::PrefixList(list),
        _ => panic!("not a peer in the rule: {text}"),
    };
    SecurityGroupRule {
        id,
        direction: self::direction(direction, text),
        protocol,
        ports,
        peer,
        description: String::new(),
        tags: Tags::new(),
    }
}

/// An entry of a network ACL of a text such as `100 in allow tcp 80 0.0.0.0/0` or `200 out deny all ::/0`.
///
/// # Panics
/// When the text isn't an entry.
pub fn nacl_entry(text: &str) -> NaclEntry {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [number, direction, action, middle @ .., block] = words.as_slice() else { panic!("not an entry: {text}") };
    let (protocol, ports) = protocol_and_ports(middle, text);
    NaclEntry {
        direction: self::direction(direction, text),
        number: number.parse().unwrap_or_else(|_| panic!("not a number in the entry: {text}")),
        action: match *action {
            "allow" => NaclAction::Allow,
            "deny" => NaclAction::Deny,
            _ => panic!("neither allow nor deny: {text}"),
        },
        block: block.parse().unwrap_or_else(|_| panic!("not a block in the entry: {text}")),
        protocol,
        ports,
    }
}

fn direction(word: &str, text: &str) -> Direction {
    match word {
        "in" => Direction::Ingress,
        "out" => Direction::Egress,
        _ => panic!("neither in nor out: {text}"),
    }
}

fn protocol_and_ports(words: &[&str], text: &str) -> (Protocol, RulePorts) {
    let [protocol, ports @ ..] = words else { panic!("no protocol: {text}") };
    let protocol = Protocol::parse(protocol).unwrap_or_else(|| panic!("not a protocol: {text}"));
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("not a port: {text}"));
    let octet = |word: &str| word.parse().unwrap_or_else(|_| panic!("not an ICMP type or code: {text}"));
    let ports = match ports {
        [] if protocol.is_icmp() => RulePorts::Icmp(IcmpMatch { kind: None, code: None }),
        [] => RulePorts::All,
        [message] if protocol.is_icmp() => RulePorts::Icmp(match message.split_once('/') {
            Some((kind, code)) => IcmpMatch { kind: Some(octet(kind)), code: Some(octet(code)) },
            None => IcmpMatch { kind: Some(octet(message)), code: None },
        }),
        [range] => RulePorts::Range(match range.split_once('-') {
            Some((from, to)) => PortRange { from: number(from), to: number(to) },
            None => PortRange { from: number(range), to: number(range) },
        }),
        _ => panic!("too many words: {text}"),
    };
    (protocol, ports)
}
