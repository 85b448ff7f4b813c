#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::super::port_map::{PortMatch, ProtocolMatch};
use super::*;

type Rule = (PeerMatch, RuleMatch);

/// A packet's peer, the peer's classes, and what it carries.
#[derive(Clone, Debug)]
struct Packet {
    peer: IpAddr,
    classes: Vec<u32>,
    protocol: u8,
    transport: Transport,
}

impl Packet {
    fn first_of(&self, set: &RuleSet) -> Option<u32> {
        set.first_match(self.peer, &self.classes, self.protocol, &self.transport)
    }

    /// Rule by rule, as AWS's documentation tells it.
    fn first_by_scan(&self, rules: &[Rule]) -> Option<u32> {
        rules.iter().position(|(peer, rule)| self.is_from(peer) && self.is_of(rule)).map(|index| index as u32)
    }

    fn is_from(&self, peer: &PeerMatch) -> bool {
        match peer {
            PeerMatch::Cidr(block) => block.contains(&self.peer),
            PeerMatch::Class(class) => self.classes.contains(class),
        }
    }

    fn is_of(&self, rule: &RuleMatch) -> bool {
        match rule.protocol {
            ProtocolMatch::Any => return true,
            ProtocolMatch::Number(number) if number != self.protocol => return false,
            ProtocolMatch::Number(_) => {}
        }
        match (rule.ports, self.protocol) {
            (PortMatch::Range { from, to }, 6 | 17) => match self.transport {
                Transport::Ports { dst, .. } => (from..=to).contains(&dst),
                _ => (from, to) == (0, u16::MAX),
            },
            (PortMatch::Icmp { kind: Some(wanted), code: wanted_code }, 1 | 58) => match self.transport {
                Transport::Icmp { kind, code, .. } => kind == wanted && wanted_code.is_none_or(|wanted| wanted == code),
                _ => false,
            },
            _ => true,
        }
    }
}

/// Addresses of few distinct bits, at both ends of the address, so that blocks nest, touch and repeat.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        4 => any::<u8>().prop_map(|bits| Ipv4Addr::new(10, bits & 3, bits >> 6, bits).into()),
        1 => any::<u8>().prop_map(|bits| Ipv4Addr::from([bits | 0xfc; 4]).into()),
        3 => any::<u8>().prop_map(|bits| {
            Ipv6Addr::new(0x2001, 0xdb8, u16::from(bits & 3), 0, 0, 0, 0, u16::from(bits >> 4)).into()
        }),
        1 => Just(Ipv6Addr::from([0xff; 16]).into()),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let block = (address(), any::<u8>()).prop_map(|(address, length)| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        PeerMatch::Cidr(IpNet::new(address, length % (longest + 1)).unwrap())
    });
    let peer = prop_oneof![8 => block, 2 => (0..4u32).prop_map(PeerMatch::Class)];
    let protocol = prop_oneof![
        1 => Just(ProtocolMatch::Any),
        4 => prop::sample::select(vec![1u8, 6, 17, 47, 58]).prop_map(ProtocolMatch::Number),
    ];
    let range = |(a, b): (u16, u16)| PortMatch::Range { from: a.min(b), to: a.max(b) };
    let ports = prop_oneof![
        Just(PortMatch::All),
        (0..20u16, 0..20u16).prop_map(range),
        any::<(u16, u16)>().prop_map(range),
        (0..20u16).prop_map(|from| PortMatch::Range { from, to: u16::MAX }),
        (0..3u8, prop::option::of(0..3u8)).prop_map(|(kind, code)| PortMatch::Icmp { kind: Some(kind), code }),
        Just(PortMatch::Icmp { kind: None, code: None }),
    ];
    (peer, protocol, ports).prop_map(|(peer, protocol, ports)| (peer, RuleMatch { protocol, ports }))
}

fn packet() -> impl Strategy<Value = Packet> {
    let port = prop_oneof![0..20u16, any::<u16>(), Just(u16::MAX)];
    let transport = prop_oneof![
        4 => (prop::sample::select(vec![6u8, 17]), port)
            .prop_map(|(protocol, dst)| (protocol, Transport::Ports { src: 40000, dst })),
        2 => (prop::sample::select(vec![1u8, 58]), 0..4u8, 0..4u8)
            .prop_map(|(protocol, kind, code)| (protocol, Transport::Icmp { kind, code, id: 0 })),
        1 => prop::sample::select(vec![47u8, 1, 58]).prop_map(|protocol| (protocol, Transport::Opaque)),
        1 => prop::sample::select(vec![6u8, 17, 1, 47, 58]).prop_map(|protocol| (protocol, Transport::Fragment)),
    ];
    (address(), prop::collection::vec(0..6u32, 0..3), transport).prop_map(|(peer, classes, (protocol, transport))| Packet {
        peer,
        classes,
        protocol,
        transport,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_first_match_is_the_one_that_a_scan_finds(
        rules in prop::collection::vec(rule(), 0..60),
        packets in prop::collection::vec(packet(), 1..20),
    ) {
        let set = RuleSet::new(&rules);
        prop_assert_eq!(set.len(), rules.len());
        for packet in packets {
            prop_assert_eq!(packet.first_of(&set), packet.first_by_scan(&rules), "{:?}", packet);
        }
    }
}

/// Draws values as a property test does, always the same.
fn draw<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::new(Config { rng_seed: RngSeed::Fixed(7), ..Config::default() });
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn ten_thousand_rules_decide_as_a_scan_does() {
    let rules = draw(rule(), 10_000);
    // The last rules alone, too, so that the many early ones that match nearly everything don't hide them.
    for rules in [&rules[..], &rules[9_900..]] {
        let set = RuleSet::new(rules);
        for packet in draw(packet(), 500) {
            assert_eq!(packet.first_of(&set), packet.first_by_scan(rules), "{packet:?}");
        }
    }
}

#[test]
fn every_block_of_a_deep_nest_is_searched() {
    let rule = |port| RuleMatch { protocol: ProtocolMatch::Number(6), ports: PortMatch::Range { from: port, to: port } };
    let block = |length| PeerMatch::Cidr(IpNet::new(Ipv6Addr::LOCALHOST.into(), length).unwrap());
    let rules: Vec<Rule> = (0..=128).map(|length| (block(length), rule(u16::from(length)))).collect();
    let set = RuleSet::new(&rules);
    for port in 0..=128 {
        let transport = Transport::Ports { src: 1, dst: port };
        assert_eq!(set.first_match(Ipv6Addr::LOCALHOST.into(), &[], 6, &transport), Some(u32::from(port)));
    }
    assert_eq!(set.first_match(Ipv4Addr::new(0, 0, 0, 1).into(), &[], 6, &Transport::Ports { src: 1, dst: 0 }), None);
}

#[test]
fn a_class_competes_with_blocks_by_its_place() {
    let all = RuleMatch { protocol: ProtocolMatch::Any, ports: PortMatch::All };
    let everyone = PeerMatch::Cidr("0.0.0.0/0".parse().unwrap());
    let set = RuleSet::new(&[(PeerMatch::Class(7), all), (everyone, all), (PeerMatch::Class(8), all)]);
    let peer = Ipv4Addr::new(10, 0, 0, 1).into();
    let first = |classes: &[u32]| set.first_match(peer, classes, 6, &Transport::Fragment);
    assert_eq!([first(&[]), first(&[8]), first(&[8, 7]), first(&[9])], [Some(1), Some(1), Some(0), Some(1)]);
    assert_eq!(set.first_match(Ipv6Addr::LOCALHOST.into(), &[8], 6, &Transport::Fragment), Some(2));
}

#[test]
fn no_rules_match_nothing() {
    let set = RuleSet::new(&[]);
    assert!(set.is_empty());
    assert_eq!(set.first_match(Ipv4Addr::LOCALHOST.into(), &[1], 6, &Transport::Opaque), None);
}
