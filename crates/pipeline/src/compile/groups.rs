//! Security groups: the union of the rules of all groups that an interface carries.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::{
    Direction, Network, Peer, PortRange, Protocol, RulePorts, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId,
};

use super::lists::Lists;
use crate::Map;
use crate::matching::{PeerMatch, PortMatch, ProtocolMatch, RuleMatch, RuleSet};
use crate::wire::Transport;

/// The number of a security group in rule sets and address tables; the same in all tables of a process.
pub(crate) type ClassId = u32;

/// A list of security groups compiled; interfaces with the same list share it.
#[derive(Clone, Debug)]
pub(crate) struct SecurityGroups {
    /// The classes of the groups, sorted.
    pub classes: Arc<[ClassId]>,
    /// The first group: where drops by all groups together are reported.
    pub first: Option<SecurityGroupId>,
    ingress: Rules,
    egress: Rules,
    sources: Vec<(SecurityGroupId, Option<Arc<SecurityGroup>>)>,
    lists: Lists,
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
#[derive(Clone, Debug)]
struct Rules {
    set: RuleSet,
    /// For each match of the set, the rule it comes from: one with a prefix list makes a match for every entry.
    admissions: Vec<Admission>,
    /// Whether there is no rule, which is another thing than rules that match nobody.
    bare: bool,
    /// For which protocols and families one rule allows all ports with everyone; see [`everything`].
    everything: u8,
}

impl SecurityGroups {
    pub fn compile(ids: &[SecurityGroupId], network: &Network, classes: &mut Map<SecurityGroupId, ClassId>) -> Self {
        let sources: Vec<_> = ids.iter().map(|id| (*id, network.security_groups.get(id).cloned())).collect();
        let mut own: Vec<ClassId> = ids.iter().map(|id| class_of(*id, classes)).collect();
        own.sort_unstable();
        own.dedup();
        let groups = || sources.iter().filter_map(|(_, group)| group.as_deref());
        let rules = |direction: Direction| {
            let rules = groups().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
            rules.filter(move |(_, rule)| rule.direction == direction)
        };
        let mut compiler = Compiler { network, classes, lists: Lists::default() };
        let (ingress, egress) = (compiler.rules(rules(Direction::Ingress)), compiler.rules(rules(Direction::Egress)));
        let lists = compiler.lists;
        Self { classes: own.into(), first: ids.first().copied(), ingress, egress, sources, lists }
    }

    /// Whether none of the groups, and none of the prefix lists that their rules name, was written since.
    pub fn is_current(&self, network: &Network) -> bool {
        let same = |(id, source): &(SecurityGroupId, Option<Arc<SecurityGroup>>)| match (source, network.security_groups.get(id))
        {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        self.sources.iter().all(same) && self.lists.is_current(network)
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
    classes: &'a mut Map<SecurityGroupId, ClassId>,
    lists: Lists,
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
                let blocks = self.lists.blocks(*id, self.network, &group.owner.region);
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

fn class_of(group: SecurityGroupId, classes: &mut Map<SecurityGroupId, ClassId>) -> ClassId {
    let next = classes.len() as ClassId;
    *classes.entry(group).or_insert(next)
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
