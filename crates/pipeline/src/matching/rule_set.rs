//! Ordered rules over peers, protocols and ports, compiled so that the first match is found without a scan.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::port_map::{PortMap, RuleMatch, least_of};
use super::prefix_map::PrefixMap;
use crate::wire::Transport;

/// The other side of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerMatch {
    /// Addresses in a block; never of the other family.
    Cidr(IpNet),
    /// Addresses that belong to a class, such as the members of a security group.
    Class(u32),
}

/// Compiled rules. A rule's index is its place in the list it was built from, and its priority: lower first.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    blocks: PrefixMap<PortMap>,
    classes: HashMap<u32, PortMap, foldhash::fast::RandomState>,
    len: u32,
}

impl RuleSet {
    /// Compiles rules in the order of their priority.
    pub fn new(rules: &[(PeerMatch, RuleMatch)]) -> Self {
        let mut blocks: HashMap<IpNet, Vec<(u32, RuleMatch)>, foldhash::fast::RandomState> = HashMap::default();
        let mut classes: HashMap<u32, Vec<(u32, RuleMatch)>, foldhash::fast::RandomState> = HashMap::default();
        for (index, (peer, rule)) in rules.iter().enumerate() {
            let entry = (index as u32, *rule);
            match peer {
                PeerMatch::Cidr(block) => blocks.entry(block.trunc()).or_default().push(entry),
                PeerMatch::Class(class) => classes.entry(*class).or_default().push(entry),
            }
        }
        Self {
            blocks: PrefixMap::new(blocks.into_iter().map(|(block, rules)| (block, PortMap::new(&rules)))),
            classes: classes.into_iter().map(|(class, rules)| (class, PortMap::new(&rules))).collect(),
            len: rules.len() as u32,
        }
    }

    /// The index of the first rule that matches a peer's address, the classes the address belongs to, and the packet.
    #[inline]
    pub fn first_match(&self, address: IpAddr, classes: &[u32], protocol: u8, transport: &Transport) -> Option<u32> {
        let by_block = self.blocks.chain(address).fold(None, |best, (_, ports)| least_of(best, ports.first(protocol, transport)));
        if self.classes.is_empty() {
            return by_block;
        }
        let ports = classes.iter().filter_map(|class| self.classes.get(class));
        ports.fold(by_block, |best, ports| least_of(best, ports.first(protocol, transport)))
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::super::port_map::{PortMatch, ProtocolMatch};
    use super::*;

    fn rule() -> impl Strategy<Value = (PeerMatch, RuleMatch)> {
        let peer = prop_oneof![
            4 => (any::<u8>(), 0..=32u8).prop_map(|(bits, length)| PeerMatch::Cidr(IpNet::new(address(bits), length).unwrap())),
            1 => (0..4u32).prop_map(PeerMatch::Class),
            1 => Just(PeerMatch::Cidr("::/0".parse().unwrap())),
        ];
        let protocol = prop_oneof![
            Just(ProtocolMatch::Any),
            prop::sample::select(vec![1u8, 6, 17, 47, 58]).prop_map(ProtocolMatch::Number),
        ];
        let ports = prop_oneof![
            Just(PortMatch::All),
            (0..20u16, 0..20u16).prop_map(|(a, b)| PortMatch::Range { from: a.min(b), to: a.max(b) }),
            (any::<u16>(), any::<u16>()).prop_map(|(a, b)| PortMatch::Range { from: a.min(b), to: a.max(b) }),
            (0..3u8, prop::option::of(0..3u8)).prop_map(|(kind, code)| PortMatch::Icmp { kind: Some(kind), code }),
            Just(PortMatch::Icmp { kind: None, code: None }),
        ];
        (peer, protocol, ports).prop_map(|(peer, protocol, ports)| (peer, RuleMatch { protocol, ports }))
    }

    fn address(bits: u8) -> IpAddr {
        Ipv4Addr::new(10, bits & 3, bits >> 6, bits).into()
    }

    fn packet() -> impl Strategy<Value = (IpAddr, u8, Transport)> {
        let transport = prop_oneof![
            (prop::sample::select(vec![6u8, 17]), prop_oneof![0..20u16, any::<u16>()])
                .prop_map(|(protocol, dst)| (protocol, Transport::Ports { src: 40000, dst })),
            (prop::sample::select(vec![1u8, 58]), 0..4u8, 0..4u8)
                .prop_map(|(protocol, kind, code)| (protocol, Transport::Icmp { kind, code, id: 0 })),
            Just((47u8, Transport::Opaque)),
            prop::sample::select(vec![6u8, 17, 1]).prop_map(|protocol| (protocol, Transport::Fragment)),
        ];
        (prop_oneof![9 => any::<u8>().prop_map(address), 1 => Just("2001:db8::1".parse().unwrap())], transport)
            .prop_map(|(address, (protocol, transport))| (address, protocol, transport))
    }

    /// Rule by rule, as the documentation of AWS tells it.
    fn scan(
        rules: &[(PeerMatch, RuleMatch)],
        address: IpAddr,
        classes: &[u32],
        protocol: u8,
        transport: &Transport,
    ) -> Option<u32> {
        let matches = |(peer, rule): &(PeerMatch, RuleMatch)| {
            let peer = match peer {
                PeerMatch::Cidr(block) => block.contains(&address),
                PeerMatch::Class(class) => classes.contains(class),
            };
            let ports = match (rule.protocol, rule.ports) {
                (ProtocolMatch::Any, _) => true,
                (ProtocolMatch::Number(number), _) if number != protocol => false,
                (_, PortMatch::Range { from, to }) if matches!(protocol, 6 | 17) => match transport {
                    Transport::Ports { dst, .. } => (from..=to).contains(dst),
                    _ => (from, to) == (0, u16::MAX),
                },
                (_, PortMatch::Icmp { kind: Some(wanted), code: wanted_code }) if matches!(protocol, 1 | 58) => match transport {
                    Transport::Icmp { kind, code, .. } => *kind == wanted && wanted_code.is_none_or(|wanted| wanted == *code),
                    _ => false,
                },
                _ => true,
            };
            peer && ports
        };
        rules.iter().position(matches).map(|index| index as u32)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_first_match_is_the_one_that_a_scan_finds(
            rules in prop::collection::vec(rule(), 0..80),
            packets in prop::collection::vec((packet(), prop::collection::vec(0..4u32, 0..3)), 1..20),
        ) {
            let set = RuleSet::new(&rules);
            for ((address, protocol, transport), classes) in packets {
                let expected = scan(&rules, address, &classes, protocol, &transport);
                prop_assert_eq!(set.first_match(address, &classes, protocol, &transport), expected);
            }
        }
    }
}
