//! Security groups: the union of the rules of all groups that an interface carries.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::{
    Direction, Network, Peer, PortRange, Protocol, RulePorts, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    SecurityGroupRuleId,
};

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
    admissions: Vec<Admission>,
    /// For which protocols and families one rule allows all ports with everyone; see [`everything`].
    everything: u8,
}

impl SecurityGroups {
    pub fn compile(ids: &[SecurityGroupId], network: &Network, classes: &mut Map<SecurityGroupId, ClassId>) -> Self {
        let sources: Vec<_> = ids.iter().map(|id| (*id, network.security_groups.get(id).cloned())).collect();
        let mut own: Vec<ClassId> = ids.iter().map(|id| class_of(*id, classes)).collect();
        own.sort_unstable();
        own.dedup();
        let rules =
            || sources.iter().filter_map(|(_, group)| group.as_deref()).flat_map(|g| g.rules.iter().map(move |r| (g.id, r)));
        Self {
            classes: own.into(),
            first: ids.first().copied(),
            ingress: Rules::compile(rules().filter(|(_, rule)| rule.direction == Direction::Ingress), classes),
            egress: Rules::compile(rules().filter(|(_, rule)| rule.direction == Direction::Egress), classes),
            sources,
        }
    }

    /// Whether none of the groups was written since.
    pub fn is_current(&self, network: &Network) -> bool {
        self.sources.iter().all(|(id, source)| match (source, network.security_groups.get(id)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        })
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
        self.rules(direction).admissions.is_empty()
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

impl Rules {
    fn compile<'a>(
        rules: impl Iterator<Item = (SecurityGroupId, &'a SecurityGroupRule)>,
        classes: &mut Map<SecurityGroupId, ClassId>,
    ) -> Self {
        // The sort is stable: behind the rules for everyone the groups come in the interface's order, then their rules.
        let mut ordered: Vec<_> = rules.map(|(group, rule)| (open_family(&rule.peer), group, rule)).collect();
        ordered.sort_by_key(|(open, ..)| open.is_none());
        let mut matches = Vec::with_capacity(ordered.len());
        let mut admissions = Vec::with_capacity(ordered.len());
        let mut allowed = 0;
        for (open, group, rule) in ordered {
            // Managed prefix lists have no entries in this model, so that such a rule admits nobody.
            let Some(peer) = peer_match(&rule.peer, classes) else { continue };
            matches.push((peer, rule_match(rule.protocol, rule.ports)));
            admissions.push(Admission { group, rule: rule.id, open: open.is_some() });
            if let Some(ipv6) = open
                && is_all_ports(rule.protocol, rule.ports)
            {
                for protocol in [6, 17] {
                    if matches!(rule.protocol, Protocol::All) || rule.protocol == Protocol::Number(protocol) {
                        allowed |= everything(protocol, ipv6);
                    }
                }
            }
        }
        Self { set: RuleSet::new(&matches), admissions, everything: allowed }
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

fn peer_match(peer: &Peer, classes: &mut Map<SecurityGroupId, ClassId>) -> Option<PeerMatch> {
    match peer {
        Peer::Ipv4(block) => Some(PeerMatch::Cidr(IpNet::V4(*block))),
        Peer::Ipv6(block) => Some(PeerMatch::Cidr(IpNet::V6(*block))),
        Peer::Group { group, .. } => Some(PeerMatch::Class(class_of(*group, classes))),
        Peer::PrefixList(_) => None,
    }
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
