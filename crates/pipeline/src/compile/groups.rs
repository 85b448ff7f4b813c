//! Security groups: the union of the rules of all groups that an interface carries.
//!
//! Interfaces with the same list of groups share what it is compiled to, and hold its number only, so that a rule costs the
//! same in a group with one member and in one with a hundred thousand.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::{
    Direction, Network, Peer, PortRange, Protocol, RulePorts, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId,
};
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use super::{Slots, Trie};
use crate::matching::{PeerMatch, PortMatch, ProtocolMatch, RuleMatch, RuleSet};
use crate::wire::Transport;

/// The number of a security group in rule sets and address tables; the same in all tables of a process.
pub(crate) type ClassId = u32;

/// All lists of security groups that interfaces carry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GroupLists {
    lists: Slots<Vec<SecurityGroupId>, SecurityGroups>,
    classes: Trie<SecurityGroupId, ClassId>,
    /// Each group with each list that it is in.
    memberships: RedBlackTreeSetSync<(SecurityGroupId, u32)>,
    /// How many interfaces of a VPC carry a list, by the indexes of list and VPC.
    carriers: RedBlackTreeMapSync<(u32, u32), u32>,
}

/// A list of security groups compiled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SecurityGroups {
    ids: Vec<SecurityGroupId>,
    /// The classes of the groups, sorted.
    pub classes: Arc<[ClassId]>,
    /// The first group: where drops by all groups together are reported.
    pub first: Option<SecurityGroupId>,
    ingress: Rules,
    egress: Rules,
}

/// A rule that admits a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub group: SecurityGroupId,
    pub rule: SecurityGroupRuleId,
    /// Whether the rule is for everyone: 0.0.0.0/0 or ::/0.
    pub open: bool,
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq)]
struct Rules {
    set: RuleSet,
    /// For each match of the set, the rule it comes from: one with a prefix list makes a match for every entry.
    admissions: Vec<Admission>,
    /// Whether there is no rule, which is another thing than rules that match nobody.
    bare: bool,
    /// For which protocols and families one rule allows all ports with everyone; see [`everything`].
    everything: u8,
}

impl GroupLists {
    /// The list of an index.
    #[inline]
    pub fn at(&self, index: u32) -> Option<&SecurityGroups> {
        self.lists.at(index).map(Arc::as_ref)
    }

    /// The lists that a group is in.
    pub fn with(&self, group: SecurityGroupId) -> impl Iterator<Item = u32> {
        let from = self.memberships.range((group, 0)..=(group, u32::MAX));
        from.map(|(_, list)| *list)
    }

    /// The VPCs with interfaces that carry a list, by index.
    pub fn vpcs(&self, list: u32) -> impl Iterator<Item = u32> {
        self.carriers.range((list, 0)..=(list, u32::MAX)).map(|((_, vpc), _)| *vpc)
    }

    /// Notes that one more interface of a VPC carries the list of those groups; answers its index.
    pub fn acquire(&mut self, ids: &Vec<SecurityGroupId>, vpc: u32, network: &Network) -> u32 {
        let list = match self.lists.find(ids).and_then(|_| self.lists.index(ids)) {
            Some(list) => list,
            None => {
                let made = SecurityGroups::compile(ids, network, &mut self.classes);
                let list = self.lists.set(ids, Arc::new(made));
                ids.iter().for_each(|group| self.memberships.insert_mut((*group, list)));
                list
            }
        };
        let carriers = self.carriers.get(&(list, vpc)).copied().unwrap_or(0);
        self.carriers.insert_mut((list, vpc), carriers + 1);
        list
    }

    /// Notes that one interface fewer of a VPC carries a list; the last one takes it along.
    pub fn release(&mut self, list: u32, vpc: u32) {
        match self.carriers.get(&(list, vpc)).copied() {
            Some(carriers) if carriers > 1 => self.carriers.insert_mut((list, vpc), carriers - 1),
            _ => {
                self.carriers.remove_mut(&(list, vpc));
            }
        }
        if self.vpcs(list).next().is_none()
            && let Some(ids) = self.at(list).map(|list| list.ids.clone())
        {
            self.lists.remove(&ids);
            ids.iter().for_each(|group| {
                self.memberships.remove_mut(&(*group, list));
            });
        }
    }

    /// Compiles a list anew; says whether it became another.
    pub fn refresh(&mut self, list: u32, network: &Network) -> bool {
        let Some(kept) = self.lists.at(list).cloned() else { return false };
        let made = SecurityGroups::compile(&kept.ids, network, &mut self.classes);
        if made == *kept {
            return false;
        }
        self.lists.set(&kept.ids, Arc::new(made));
        true
    }

    /// The same numbers, and nothing else.
    #[cfg(any(test, feature = "testing"))]
    pub fn emptied(&self) -> Self {
        Self { lists: self.lists.emptied(), classes: self.classes.clone(), ..Self::default() }
    }
}

impl SecurityGroups {
    fn compile(ids: &[SecurityGroupId], network: &Network, classes: &mut Trie<SecurityGroupId, ClassId>) -> Self {
        let mut own: Vec<ClassId> = ids.iter().map(|id| class_of(*id, classes)).collect();
        own.sort_unstable();
        own.dedup();
        let groups = || ids.iter().filter_map(|id| network.security_groups.get(id)).map(Arc::as_ref);
        let rules = |direction: Direction| {
            let rules = groups().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
            rules.filter(move |(_, rule)| rule.direction == direction)
        };
        let mut compiler = Compiler { network, classes };
        let (ingress, egress) = (compiler.rules(rules(Direction::Ingress)), compiler.rules(rules(Direction::Egress)));
        Self { ids: ids.to_vec(), classes: own.into(), first: ids.first().copied(), ingress, egress }
    }

    /// The rule that admits a packet to or from a peer. Of several the most permissive: one for everyone first.
    #[inline]
    pub fn admit(
        &self,
        direction: Direction,
        peer: IpAddr,
        peer_classes: &[ClassId],
        protocol: u8,
        transport: &Transport,
    ) -> Option<Admission> {
        let rules = self.rules(direction);
        let index = rules.set.first_match(peer, peer_classes, protocol, transport)?;
        rules.admissions.get(index as usize).copied()
    }

    /// Whether there is no rule in a direction at all.
    pub fn has_no_rules(&self, direction: Direction) -> bool {
        self.rules(direction).bare
    }

    /// Whether a rule allows all ports of TCP or UDP with everyone of the peer's family, so that answers need no state.
    #[inline]
    pub fn allows_everything(&self, direction: Direction, protocol: u8, peer: IpAddr) -> bool {
        self.rules(direction).everything & everything(protocol, peer.is_ipv6()) != 0
    }

    #[inline]
    fn rules(&self, direction: Direction) -> &Rules {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// What rules are compiled with.
struct Compiler<'a> {
    network: &'a Network,
    classes: &'a mut Trie<SecurityGroupId, ClassId>,
}

impl Compiler<'_> {
    fn rules<'a>(&mut self, rules: impl Iterator<Item = (&'a SecurityGroup, &'a SecurityGroupRule)>) -> Rules {
        // The sort is stable: behind the rules for everyone the groups come in the interface's order, then their rules.
        let mut ordered: Vec<_> = rules.map(|(group, rule)| (open_family(&rule.peer), group, rule)).collect();
        ordered.sort_by_key(|(open, ..)| open.is_none());
        let mut matches = Vec::with_capacity(ordered.len());
        let mut admissions = Vec::with_capacity(ordered.len());
        let mut allowed = 0;
        for (open, group, rule) in &ordered {
            let ports = rule_match(rule.protocol, rule.ports);
            for peer in self.peers(group, &rule.peer) {
                matches.push((peer, ports));
                admissions.push(Admission { group: group.id, rule: rule.id, open: open.is_some() });
            }
            if let Some(ipv6) = *open
                && is_all_ports(rule.protocol, rule.ports)
            {
                for protocol in [6, 17] {
                    if matches!(rule.protocol, Protocol::All) || rule.protocol == Protocol::Number(protocol) {
                        allowed |= everything(protocol, ipv6);
                    }
                }
            }
        }
        Rules { set: RuleSet::new(&matches), admissions, bare: ordered.is_empty(), everything: allowed }
    }

    /// Whom a rule's peer stands for.
    fn peers(&mut self, group: &SecurityGroup, peer: &Peer) -> Vec<PeerMatch> {
        match peer {
            Peer::Ipv4(block) => vec![PeerMatch::Cidr(IpNet::V4(*block))],
            Peer::Ipv6(block) => vec![PeerMatch::Cidr(IpNet::V6(*block))],
            Peer::Group { group, .. } => vec![PeerMatch::Class(class_of(*group, self.classes))],
            Peer::PrefixList(id) => {
                let blocks = self.network.prefix_list_blocks(&group.owner.region, *id);
                blocks.into_iter().map(PeerMatch::Cidr).collect()
            }
        }
    }
}

/// What a rule of a security group or network ACL says of protocol and ports.
pub(super) fn rule_match(protocol: Protocol, ports: RulePorts) -> RuleMatch {
    let protocol = match protocol {
        Protocol::All => ProtocolMatch::Any,
        Protocol::Number(number) => ProtocolMatch::Number(number),
    };
    let ports = match ports {
        RulePorts::All => PortMatch::All,
        RulePorts::Range(PortRange { from, to }) => PortMatch::Range { from, to },
        RulePorts::Icmp(icmp) => PortMatch::Icmp { kind: icmp.kind, code: icmp.code },
    };
    RuleMatch { protocol, ports }
}

fn class_of(group: SecurityGroupId, classes: &mut Trie<SecurityGroupId, ClassId>) -> ClassId {
    if let Some(class) = classes.get(&group) {
        return *class;
    }
    let class = classes.size() as ClassId;
    classes.insert_mut(group, class);
    class
}

/// Whether two states of a group have the same rules, whatever is written about them.
pub(super) fn has_same_rules(before: Option<&SecurityGroup>, now: Option<&SecurityGroup>) -> bool {
    let (Some(before), Some(now)) = (before, now) else { return before.is_none() && now.is_none() };
    let same = |a: &SecurityGroupRule, b: &SecurityGroupRule| {
        (a.id, a.direction, a.protocol, a.ports) == (b.id, b.direction, b.protocol, b.ports) && a.peer == b.peer
    };
    before.owner == now.owner
        && before.rules.len() == now.rules.len()
        && before.rules.iter().zip(&now.rules).all(|(a, b)| same(a, b))
}

/// Whether a peer is everyone of a family; then whether that is IPv6.
fn open_family(peer: &Peer) -> Option<bool> {
    match peer {
        Peer::Ipv4(block) if block.prefix_len() == 0 => Some(false),
        Peer::Ipv6(block) if block.prefix_len() == 0 => Some(true),
        _ => None,
    }
}

fn is_all_ports(protocol: Protocol, ports: RulePorts) -> bool {
    protocol == Protocol::All || matches!(ports, RulePorts::All | RulePorts::Range(PortRange { from: 0, to: u16::MAX }))
}

/// The bit that stands for a protocol (TCP or UDP) in a family.
fn everything(protocol: u8, ipv6: bool) -> u8 {
    let bit = match protocol {
        6 => 1,
        17 => 4,
        _ => return 0,
    };
    if ipv6 { bit << 1 } else { bit }
}
