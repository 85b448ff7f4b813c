//! Ordered rules over peers, protocols and ports, compiled so that the first match is found without a scan.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::port_map::{PortMap, RuleMatch, least_of};
use super::prefix_map::PrefixMap;
use crate::wire::Transport;

#[cfg(test)]
mod tests;

/// The other side of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerMatch {
    /// Addresses in a block; never of the other family.
    Cidr(IpNet),
    /// Addresses that belong to a class, such as the members of a security group.
    Class(u32),
}

/// Compiled rules. A rule's index is its place in the list it was built from, and its priority: lower first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSet {
    blocks: PrefixMap<Block>,
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
            blocks: Block::map(blocks.into_iter().map(|(block, rules)| (block, Block::new(&rules)))),
            classes: classes.into_iter().map(|(class, rules)| (class, PortMap::new(&rules))).collect(),
            len: rules.len() as u32,
        }
    }

    /// The index of the first rule that matches a peer's address, the classes the address belongs to, and the packet.
    #[inline]
    pub fn first_match(&self, address: IpAddr, classes: &[u32], protocol: u8, transport: &Transport) -> Option<u32> {
        let mut best = None;
        for (_, block) in self.blocks.chain(address) {
            if best.is_some_and(|best| best < block.least_around) {
                break;
            }
            best = least_of(best, block.ports.first(protocol, transport));
        }
        if self.classes.is_empty() {
            return best;
        }
        let ports = classes.iter().filter_map(|class| self.classes.get(class));
        ports.fold(best, |best, ports| least_of(best, ports.first(protocol, transport)))
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

/// The rules for one block.
#[derive(Clone, Debug, PartialEq)]
struct Block {
    ports: PortMap,
    /// The least index of the rules for this block and all blocks around it: where a search may stop.
    least_around: u32,
}

impl Block {
    fn new(rules: &[(u32, RuleMatch)]) -> Self {
        let least = rules.iter().map(|(index, _)| *index).min();
        Self { ports: PortMap::new(rules), least_around: least.unwrap_or(u32::MAX) }
    }

    fn map(blocks: impl Iterator<Item = (IpNet, Self)>) -> PrefixMap<Self> {
        let mut map = PrefixMap::new(blocks);
        map.inherit(|inner, outer| inner.least_around = inner.least_around.min(outer.least_around));
        map
    }
}
