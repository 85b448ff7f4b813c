//! From protocol and port to the first rule that matches: sorted segments and a binary search.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::wire::{ICMP, ICMPV6, TCP, Transport, UDP};

/// What a rule says of protocol and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleMatch {
    /// Which protocols it looks at.
    pub protocol: ProtocolMatch,
    /// Which ports or ICMP messages of them.
    pub ports: PortMatch,
}

/// Which protocols a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolMatch {
    /// Every protocol.
    Any,
    /// One IANA protocol number.
    Number(u8),
}

/// Which ports or ICMP messages a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortMatch {
    /// All of them.
    All,
    /// Destination ports from one to the other, both included. Matches everything of a protocol without ports.
    Range {
        /// The first port.
        from: u16,
        /// The last port.
        to: u16,
    },
    /// An ICMP type and code; none stands for any.
    Icmp {
        /// The type; when none, the code is none as well.
        kind: Option<u8>,
        /// The code.
        code: Option<u8>,
    },
}

/// The least rule index for every protocol and port.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PortMap {
    /// Of a single rule, as most blocks of long lists have.
    One(ProtocolMatch, PortRange),
    Table(Table),
}

impl PortMap {
    /// Builds the map from rules and their indexes, lower index first.
    pub(crate) fn new(rules: &[(u32, RuleMatch)]) -> Self {
        match rules {
            [(index, RuleMatch { protocol: ProtocolMatch::Number(number), ports })] => {
                Self::One(ProtocolMatch::Number(*number), PortRange::of(*index, *number, *ports))
            }
            [(index, RuleMatch { protocol: ProtocolMatch::Any, .. })] => {
                Self::One(ProtocolMatch::Any, PortRange { from: 0, to: u16::MAX, index: *index })
            }
            _ => Self::Table(Table::new(rules)),
        }
    }

    /// The least index of a rule that matches.
    #[inline]
    pub(crate) fn first(&self, protocol: u8, transport: &Transport) -> Option<u32> {
        match self {
            Self::One(ProtocolMatch::Number(number), _) if *number != protocol => None,
            Self::One(_, range) => range.holds(transport).then_some(range.index),
            Self::Table(table) => table.first(protocol, transport),
        }
    }
}

/// The map of several rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    any: Option<u32>,
    /// Sorted by protocol number.
    protocols: Vec<(u8, Segments)>,
}

impl Table {
    fn new(rules: &[(u32, RuleMatch)]) -> Self {
        let mut any = None;
        let mut ranges = Vec::with_capacity(rules.len());
        for (index, rule) in rules {
            match rule.protocol {
                ProtocolMatch::Any => any = least_of(any, Some(*index)),
                ProtocolMatch::Number(number) => ranges.push((number, PortRange::of(*index, number, rule.ports))),
            }
        }
        ranges.sort_by_key(|(number, _)| *number);
        let by_protocol = ranges.chunk_by(|(one, _), (other, _)| one == other);
        let protocols = by_protocol.map(|rules| (rules[0].0, Segments::new(rules.iter().map(|(_, range)| *range)))).collect();
        Self { any, protocols }
    }

    #[inline]
    fn first(&self, protocol: u8, transport: &Transport) -> Option<u32> {
        let found = self.protocols.binary_search_by_key(&protocol, |(number, _)| *number).ok();
        let specific = found.and_then(|place| {
            let segments = &self.protocols[place].1;
            match point(transport) {
                Some(point) => segments.best_at(point),
                None => segments.whole,
            }
        });
        least_of(self.any, specific)
    }
}

/// Port or ICMP message as one number. None where there is neither, or it isn't known.
#[inline]
fn point(transport: &Transport) -> Option<u16> {
    match *transport {
        Transport::Ports { dst, .. } => Some(dst),
        Transport::Icmp { kind, code, .. } => Some(u16::from_be_bytes([kind, code])),
        Transport::Opaque | Transport::Fragment => None,
    }
}

/// The smaller of two indexes, where there are any.
#[inline]
pub(crate) fn least_of(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// What a rule takes of a protocol: ports, or ICMP types and codes as one number, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PortRange {
    from: u16,
    to: u16,
    index: u32,
}

impl PortRange {
    fn of(index: u32, protocol: u8, ports: PortMatch) -> Self {
        let (from, to) = match (ports, protocol) {
            (PortMatch::Range { from, to }, TCP | UDP) => (from, to),
            (PortMatch::Icmp { kind: Some(kind), code }, ICMP | ICMPV6) => {
                (u16::from_be_bytes([kind, code.unwrap_or(0)]), u16::from_be_bytes([kind, code.unwrap_or(u8::MAX)]))
            }
            // A protocol without ports is matched as a whole whatever range is given.
            (PortMatch::All | PortMatch::Range { .. } | PortMatch::Icmp { .. }, _) => (0, u16::MAX),
        };
        Self { from, to, index }
    }

    fn is_whole(&self) -> bool {
        (self.from, self.to) == (0, u16::MAX)
    }

    #[inline]
    fn holds(&self, transport: &Transport) -> bool {
        point(transport).map_or(self.is_whole(), |point| (self.from..=self.to).contains(&point))
    }
}

/// Piecewise constant over ports, or over ICMP types and codes as one number.
#[derive(Clone, Debug, Default, PartialEq)]
struct Segments {
    /// The least rule that takes the whole protocol, and so fragments without ports as well.
    whole: Option<u32>,
    /// Where a segment begins, and the least rule in it. The first begins at 0.
    steps: Vec<(u16, Option<u32>)>,
}

impl Segments {
    fn new(ranges: impl Iterator<Item = PortRange> + Clone) -> Self {
        let whole = ranges.clone().filter(PortRange::is_whole).map(|range| range.index).min();
        let mut edges: Vec<u16> =
            ranges.clone().flat_map(|range| [Some(range.from), range.to.checked_add(1)]).flatten().collect();
        edges.push(0);
        edges.sort_unstable();
        edges.dedup();
        // Rules open where their range begins and are dropped, lazily, once they have ended; the least open index wins.
        let mut waiting: Vec<PortRange> = ranges.collect();
        waiting.sort_unstable_by_key(|range| range.from);
        let mut waiting = waiting.into_iter().peekable();
        let mut open = BinaryHeap::new();
        let mut steps: Vec<(u16, Option<u32>)> = Vec::new();
        for edge in edges {
            while let Some(range) = waiting.next_if(|range| range.from <= edge) {
                open.push(Reverse((range.index, range.to)));
            }
            while open.peek().is_some_and(|Reverse((_, to))| *to < edge) {
                open.pop();
            }
            let best = open.peek().map(|Reverse((index, _))| *index);
            if steps.last().is_none_or(|(_, last)| *last != best) {
                steps.push((edge, best));
            }
        }
        Self { whole, steps }
    }

    #[inline]
    fn best_at(&self, port: u16) -> Option<u32> {
        let after = self.steps.partition_point(|(start, _)| *start <= port);
        self.steps[after.checked_sub(1)?].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rules: &[(u8, PortMatch)]) -> PortMap {
        let rules: Vec<_> = rules
            .iter()
            .enumerate()
            .map(|(index, (number, ports))| (index as u32, RuleMatch { protocol: ProtocolMatch::Number(*number), ports: *ports }))
            .collect();
        PortMap::new(&rules)
    }

    fn port(dst: u16) -> Transport {
        Transport::Ports { src: 40000, dst }
    }

    fn message(kind: u8, code: u8) -> Transport {
        Transport::Icmp { kind, code, id: 9 }
    }

    #[test]
    fn of_overlapping_ranges_the_first_rule_counts() {
        let map = map(&[
            (TCP, PortMatch::Range { from: 80, to: 90 }),
            (TCP, PortMatch::Range { from: 0, to: 85 }),
            (TCP, PortMatch::Range { from: 85, to: u16::MAX }),
        ]);
        let cases = [(0, 1), (79, 1), (80, 0), (85, 0), (90, 0), (91, 2), (u16::MAX, 2)];
        for (dst, rule) in cases {
            assert_eq!(map.first(TCP, &port(dst)), Some(rule), "port {dst}");
            assert_eq!(map.first(UDP, &port(dst)), None);
        }
    }

    #[test]
    fn a_port_between_ranges_matches_nothing() {
        let map = map(&[(UDP, PortMatch::Range { from: 53, to: 53 }), (UDP, PortMatch::Range { from: 55, to: 55 })]);
        let found: Vec<_> = (52..57).map(|dst| map.first(UDP, &port(dst))).collect();
        assert_eq!(found, [None, Some(0), None, Some(1), None]);
    }

    #[test]
    fn icmp_rules_look_at_type_and_code() {
        let map = map(&[
            (ICMP, PortMatch::Icmp { kind: Some(3), code: Some(4) }),
            (ICMP, PortMatch::Icmp { kind: Some(8), code: None }),
        ]);
        let found = [(3, 4), (3, 3), (3, 5), (8, 0), (8, 255), (7, 255), (9, 0)]
            .map(|(kind, code)| map.first(ICMP, &message(kind, code)));
        assert_eq!(found, [Some(0), None, None, Some(1), Some(1), None, None]);
        assert_eq!(map.first(ICMPV6, &message(8, 0)), None);
    }

    #[test]
    fn a_protocol_without_ports_matches_whatever_range_is_given() {
        let map = map(&[(47, PortMatch::Range { from: 80, to: 80 }), (50, PortMatch::Icmp { kind: Some(8), code: None })]);
        assert_eq!(map.first(47, &Transport::Opaque), Some(0));
        assert_eq!(map.first(50, &Transport::Opaque), Some(1));
        assert_eq!(map.first(47, &Transport::Fragment), Some(0));
    }

    #[test]
    fn a_fragment_without_ports_matches_rules_for_all_ports_only() {
        let map = map(&[
            (TCP, PortMatch::Range { from: 1, to: u16::MAX }),
            (TCP, PortMatch::Range { from: 0, to: u16::MAX }),
            (UDP, PortMatch::Range { from: 53, to: 53 }),
            (ICMP, PortMatch::Icmp { kind: None, code: None }),
        ]);
        let found = [TCP, UDP, ICMP].map(|protocol| map.first(protocol, &Transport::Fragment));
        assert_eq!(found, [Some(1), None, Some(3)]);
    }

    #[test]
    fn a_rule_for_every_protocol_competes_by_its_place() {
        let any = RuleMatch { protocol: ProtocolMatch::Any, ports: PortMatch::All };
        let web = RuleMatch { protocol: ProtocolMatch::Number(TCP), ports: PortMatch::Range { from: 80, to: 80 } };
        for (rules, expected) in [([(3, any), (5, web)], 3), ([(3, web), (5, any)], 3)] {
            let map = PortMap::new(&rules);
            assert_eq!(map.first(TCP, &port(80)), Some(expected));
            assert_eq!(
                map.first(132, &Transport::Fragment),
                rules.iter().find(|(_, rule)| *rule == any).map(|(index, _)| *index)
            );
        }
    }

    #[test]
    fn no_rules_match_nothing() {
        assert_eq!(PortMap::new(&[]).first(TCP, &port(80)), None);
    }
}
