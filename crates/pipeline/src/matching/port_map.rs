//! From protocol and port to the first rule that matches: sorted segments and a binary search.

use crate::wire::Transport;

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
        /// The type.
        kind: Option<u8>,
        /// The code.
        code: Option<u8>,
    },
}

/// The least rule index for every protocol and port.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortMap {
    any: Option<u32>,
    protocols: Vec<(u8, Segments)>,
}

/// Piecewise constant over ports, or over ICMP types and codes as one 16-bit number.
#[derive(Clone, Debug, Default)]
struct Segments {
    /// The least rule that takes the whole protocol, and so fragments without ports as well.
    whole: Option<u32>,
    starts: Vec<u16>,
    best: Vec<Option<u32>>,
}

impl PortMap {
    /// Builds the map from rules and their indexes, lower index first.
    pub(crate) fn new(rules: &[(u32, RuleMatch)]) -> Self {
        let least = |rules: &mut dyn Iterator<Item = u32>| rules.min();
        let any = least(&mut rules.iter().filter(|(_, rule)| rule.protocol == ProtocolMatch::Any).map(|(index, _)| *index));
        let mut numbers: Vec<u8> = rules
            .iter()
            .filter_map(|(_, rule)| match rule.protocol {
                ProtocolMatch::Number(number) => Some(number),
                ProtocolMatch::Any => None,
            })
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        let protocols = numbers
            .into_iter()
            .map(|number| {
                let ranges: Vec<_> = rules
                    .iter()
                    .filter(|(_, rule)| rule.protocol == ProtocolMatch::Number(number))
                    .map(|(index, rule)| (*index, range(number, rule.ports)))
                    .collect();
                (number, Segments::new(&ranges))
            })
            .collect();
        Self { any, protocols }
    }

    /// The least index of a rule that matches.
    #[inline]
    pub(crate) fn first(&self, protocol: u8, transport: &Transport) -> Option<u32> {
        let found = self.protocols.binary_search_by_key(&protocol, |(number, _)| *number).ok();
        let specific = found.and_then(|place| {
            let segments = &self.protocols[place].1;
            match *transport {
                Transport::Ports { dst, .. } => segments.best_at(dst),
                Transport::Icmp { kind, code, .. } => segments.best_at(u16::from_be_bytes([kind, code])),
                Transport::Opaque | Transport::Fragment => segments.whole,
            }
        });
        least_of(self.any, specific)
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

/// The 16-bit numbers that a rule takes of a protocol.
fn range(protocol: u8, ports: PortMatch) -> (u16, u16) {
    let icmp = matches!(protocol, 1 | 58);
    let has_ports = matches!(protocol, 6 | 17);
    match ports {
        PortMatch::Range { from, to } if has_ports => (from, to),
        PortMatch::Icmp { kind: Some(kind), code: Some(code) } if icmp => {
            let message = u16::from_be_bytes([kind, code]);
            (message, message)
        }
        PortMatch::Icmp { kind: Some(kind), code: None } if icmp => {
            (u16::from_be_bytes([kind, 0]), u16::from_be_bytes([kind, 255]))
        }
        // A protocol without ports is matched as a whole whatever range is given.
        PortMatch::All | PortMatch::Range { .. } | PortMatch::Icmp { .. } => (0, u16::MAX),
    }
}

impl Segments {
    fn new(ranges: &[(u32, (u16, u16))]) -> Self {
        let whole = ranges.iter().filter(|(_, range)| *range == (0, u16::MAX)).map(|(index, _)| *index).min();
        let mut edges: Vec<u32> = ranges.iter().flat_map(|(_, (from, to))| [u32::from(*from), u32::from(*to) + 1]).collect();
        edges.push(0);
        edges.retain(|edge| *edge <= u32::from(u16::MAX));
        edges.sort_unstable();
        edges.dedup();
        // Rules open where their range starts and are dropped, lazily, once they have ended; the least open index wins.
        let mut by_start: Vec<_> = ranges.iter().map(|(index, (from, to))| (*from, *index, *to)).collect();
        by_start.sort_unstable();
        let mut waiting = by_start.into_iter().peekable();
        let mut open = std::collections::BinaryHeap::new();
        let mut segments = Self { whole, ..Self::default() };
        for edge in edges {
            // The edges are those of ports, or were cut off above.
            let edge = edge as u16;
            while let Some((_, index, to)) = waiting.next_if(|(from, ..)| *from <= edge) {
                open.push(std::cmp::Reverse((index, to)));
            }
            while open.peek().is_some_and(|std::cmp::Reverse((_, to))| *to < edge) {
                open.pop();
            }
            let best = open.peek().map(|std::cmp::Reverse((index, _))| *index);
            if segments.best.last() != Some(&best) {
                segments.starts.push(edge);
                segments.best.push(best);
            }
        }
        segments
    }

    #[inline]
    fn best_at(&self, port: u16) -> Option<u32> {
        let after = self.starts.partition_point(|start| *start <= port);
        self.best[after.checked_sub(1)?]
    }
}
