//! Adding, removing and changing the rules of a group.

use std::collections::HashSet;

use openvpc_model::{
    AccountId, AddressFamily, Direction, Peer, PrefixListId, Protocol, RulePorts, SecurityGroup, SecurityGroupId,
    SecurityGroupRule, SecurityGroupRuleId, Tags, Vpc,
};
use serde::{Deserialize, Serialize};

use super::{check_text, in_vpc_by_name};
use crate::{ControlError, Tx, prefix_lists};

/// A rule as a caller words it: one protocol and range, one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// Protocol.
    pub protocol: Protocol,
    /// Ports, or ICMP types.
    pub ports: RulePorts,
    /// The other side.
    pub peer: PeerSpec,
    /// The user's text; empty when none was given.
    pub description: String,
}

/// The other side of a rule as a caller words it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerSpec {
    /// An IPv4 block; host bits are cleared.
    Ipv4(ipnet::Ipv4Net),
    /// An IPv6 block; host bits are cleared.
    Ipv6(ipnet::Ipv6Net),
    /// A group by its id, with its owner where the caller named one.
    Group(SecurityGroupId, Option<AccountId>),
    /// A group of the default VPC by its name.
    GroupName(String),
    /// A managed prefix list.
    PrefixList(PrefixListId),
}

/// Which rules a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleChoice {
    /// Those with these ids.
    Ids(Vec<SecurityGroupRuleId>),
    /// Those that say the same, whatever their description.
    Specs(Vec<RuleSpec>),
}

/// What RevokeSecurityGroupIngress and -Egress did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// The rules that were removed.
    pub rules: Vec<SecurityGroupRule>,
    /// What matched no rule; only groups of the default VPC take such a call.
    pub unknown: Vec<RuleSpec>,
}

/// Adds rules, all or none: AuthorizeSecurityGroupIngress and -Egress.
///
/// # Errors
/// `InvalidPermission.Duplicate`, `InvalidGroup.NotFound` or `InvalidPrefixListID.NotFound` for a peer,
/// `RulesPerSecurityGroupLimitExceeded`.
pub fn authorize(
    tx: &mut Tx,
    id: SecurityGroupId,
    direction: Direction,
    specs: &[RuleSpec],
    tags: &Tags,
) -> Result<Vec<SecurityGroupRule>, ControlError> {
    if specs.is_empty() {
        return Err(ControlError::missing_parameter("IpPermissions"));
    }
    let mut group = (*tx.find::<SecurityGroup>(&id)?).clone();
    let before = group.rules.len();
    for spec in specs {
        let rule = new_rule(tx, &group, tx.new_id(), direction, spec, tags.clone())?;
        group.rules.push(rule);
    }
    check_rules(tx, &group)?;
    let added = group.rules[before..].to_vec();
    tx.put(group);
    Ok(added)
}

/// Removes rules: RevokeSecurityGroupIngress and -Egress.
///
/// # Errors
/// `InvalidPermission.NotFound` (not for groups of the default VPC, as on AWS) or `InvalidSecurityGroupRuleId.NotFound`.
pub fn revoke(tx: &mut Tx, id: SecurityGroupId, direction: Direction, choice: &RuleChoice) -> Result<Revoked, ControlError> {
    let mut group = (*tx.find::<SecurityGroup>(&id)?).clone();
    let (positions, unknown) = locate(tx, &group, direction, choice)?;
    if !unknown.is_empty() && !in_default_vpc(tx, &group) {
        return Err(no_such_rule());
    }
    let doomed: HashSet<usize> = positions.iter().copied().collect();
    let (removed, kept): (Vec<_>, Vec<_>) = group.rules.into_iter().enumerate().partition(|(at, _)| doomed.contains(at));
    group.rules = kept.into_iter().map(|(_, rule)| rule).collect();
    let rules = removed.into_iter().map(|(_, rule)| rule).collect();
    if !doomed.is_empty() {
        tx.put(group);
    }
    Ok(Revoked { rules, unknown })
}

/// Replaces what rules say; their ids, directions and tags stay: ModifySecurityGroupRules.
///
/// # Errors
/// As [`authorize`], or `InvalidSecurityGroupRuleId.NotFound`.
pub fn modify(tx: &mut Tx, id: SecurityGroupId, changes: &[(SecurityGroupRuleId, RuleSpec)]) -> Result<(), ControlError> {
    let mut group = (*tx.find::<SecurityGroup>(&id)?).clone();
    for (rule_id, spec) in changes {
        let at = group.rules.iter().position(|rule| rule.id == *rule_id).ok_or_else(|| no_such_rule_id(*rule_id))?;
        let old = &group.rules[at];
        group.rules[at] = new_rule(tx, &group, old.id, old.direction, spec, old.tags.clone())?;
    }
    check_rules(tx, &group)?;
    tx.put(group);
    Ok(())
}

/// Rewrites descriptions: UpdateSecurityGroupRuleDescriptionsIngress and -Egress. An empty text removes one.
///
/// # Errors
/// `InvalidPermission.NotFound` or `InvalidSecurityGroupRuleId.NotFound`.
pub fn describe(
    tx: &mut Tx,
    id: SecurityGroupId,
    direction: Direction,
    choice: &RuleChoice,
    descriptions: &[String],
) -> Result<(), ControlError> {
    let mut group = (*tx.find::<SecurityGroup>(&id)?).clone();
    let (positions, unknown) = locate(tx, &group, direction, choice)?;
    if !unknown.is_empty() {
        return Err(no_such_rule());
    }
    for (at, description) in positions.into_iter().zip(descriptions) {
        check_text("rule description", description)?;
        group.rules[at].description.clone_from(description);
    }
    tx.put(group);
    Ok(())
}

/// Reads protocol and ports of a rule. See "IpPermission" in the EC2 API reference: `-1` and protocols without ports take
/// all ports whatever range is given; ICMP has its type in `from` and its code in `to`.
///
/// # Errors
/// `InvalidPermission.Malformed`, or `InvalidParameterValue` for an unknown protocol.
pub fn parse_ports(protocol: &str, from: Option<i32>, to: Option<i32>) -> Result<(Protocol, RulePorts), ControlError> {
    let protocol = Protocol::parse(protocol)
        .ok_or_else(|| ControlError::invalid_value(format!("Invalid value '{protocol}' for IP protocol. Unknown protocol.")))?;
    if protocol.has_ports() {
        let (Some(from), Some(to)) = (from, to) else {
            return Err(malformed("Must specify both from and to ports with TCP/UDP."));
        };
        let port = |port: i32| u16::try_from(port).map_err(|_| malformed(&format!("TCP/UDP port ({port}) out of range")));
        let range = openvpc_model::PortRange { from: port(from)?, to: port(to)? };
        if range.from > range.to {
            return Err(malformed(&format!("Invalid port range: from port ({from}) is above to port ({to})")));
        }
        return Ok((protocol, RulePorts::Range(range)));
    }
    if !protocol.is_icmp() {
        return Ok((protocol, RulePorts::All));
    }
    let kind = match from {
        None if protocol == Protocol::ICMP => return Err(malformed("Must specify both type and code with ICMP.")),
        None => -1,
        Some(kind) => kind,
    };
    let code = to.unwrap_or(-1);
    let part = |value: i32, what: &str| match value {
        -1 => Ok(None),
        _ => u8::try_from(value).map(Some).map_err(|_| malformed(&format!("ICMP {what} ({value}) out of range"))),
    };
    match (part(kind, "type")?, part(code, "code")?) {
        (None, Some(_)) => Err(malformed("An ICMP code needs an ICMP type; use -1 for both to allow all")),
        (None, None) => Ok((protocol, RulePorts::All)),
        (kind, code) => Ok((protocol, RulePorts::Icmp(openvpc_model::IcmpMatch { kind, code }))),
    }
}

/// A rule that makes no sense.
pub fn malformed(what: &str) -> ControlError {
    ControlError::new("InvalidPermission.Malformed", what)
}

/// Makes a rule of what the caller said, with the peer looked up.
fn new_rule(
    tx: &Tx,
    group: &SecurityGroup,
    id: SecurityGroupRuleId,
    direction: Direction,
    spec: &RuleSpec,
    tags: Tags,
) -> Result<SecurityGroupRule, ControlError> {
    check_text("rule description", &spec.description)?;
    let peer = match &spec.peer {
        PeerSpec::Group(id, account) => {
            let peer = tx.network().security_groups.get(id);
            let found = peer.filter(|peer| account.unwrap_or(tx.owner().account) == peer.owner.account);
            let found = found.ok_or_else(|| <SecurityGroup as crate::Missing>::missing(id))?;
            if super::way(tx.network(), group, found, direction).is_none() {
                return Err(ControlError::new(
                    "InvalidGroup.NotFound",
                    format!("You have specified two resources that belong to different networks: {} and {id}", group.id),
                ));
            }
            Peer::Group { account: found.owner.account, group: *id }
        }
        PeerSpec::PrefixList(id) => {
            prefix_lists::find(tx, *id)?;
            Peer::PrefixList(*id)
        }
        other => as_peer(tx, group, other)?,
    };
    let RuleSpec { protocol, ports, description, .. } = spec.clone();
    Ok(SecurityGroupRule { id, direction, protocol, ports, peer, description, tags })
}

/// The peer that was meant, without asking whether it (still) exists: rules outlive the groups they name.
fn as_peer(tx: &Tx, group: &SecurityGroup, spec: &PeerSpec) -> Result<Peer, ControlError> {
    Ok(match spec {
        PeerSpec::Ipv4(block) => Peer::Ipv4(block.trunc()),
        PeerSpec::Ipv6(block) => Peer::Ipv6(block.trunc()),
        PeerSpec::Group(id, account) => Peer::Group { account: account.unwrap_or(group.owner.account), group: *id },
        PeerSpec::GroupName(name) if in_default_vpc(tx, group) => {
            let peer = in_vpc_by_name(tx.network(), group.vpc, name)?;
            Peer::Group { account: peer.owner.account, group: peer.id }
        }
        PeerSpec::GroupName(name) => {
            return Err(ControlError::invalid_value(format!(
                "Invalid value '{name}' for groupName. You may not reference Amazon VPC security groups by name. Please use the corresponding id for this operation."
            )));
        }
        PeerSpec::PrefixList(id) => Peer::PrefixList(*id),
    })
}

/// Where the chosen rules are in the group, and what was chosen but isn't there.
fn locate(
    tx: &Tx,
    group: &SecurityGroup,
    direction: Direction,
    choice: &RuleChoice,
) -> Result<(Vec<usize>, Vec<RuleSpec>), ControlError> {
    let place = |is_it: &dyn Fn(&SecurityGroupRule) -> bool| {
        group.rules.iter().position(|rule| rule.direction == direction && is_it(rule))
    };
    match choice {
        RuleChoice::Ids(ids) if ids.is_empty() => Err(ControlError::missing_parameter("IpPermissions")),
        RuleChoice::Specs(specs) if specs.is_empty() => Err(ControlError::missing_parameter("IpPermissions")),
        RuleChoice::Ids(ids) => {
            let found = ids.iter().map(|id| place(&|rule| rule.id == *id).ok_or_else(|| no_such_rule_id(*id)));
            Ok((found.collect::<Result<_, _>>()?, Vec::new()))
        }
        RuleChoice::Specs(specs) => {
            let (mut found, mut unknown) = (Vec::new(), Vec::new());
            for spec in specs {
                let peer = as_peer(tx, group, &spec.peer)?;
                let same =
                    |rule: &SecurityGroupRule| (rule.protocol, rule.ports, &rule.peer) == (spec.protocol, spec.ports, &peer);
                match place(&same) {
                    Some(at) => found.push(at),
                    None => unknown.push(spec.clone()),
                }
            }
            Ok((found, unknown))
        }
    }
}

/// No two rules say the same, and there aren't too many.
fn check_rules(tx: &Tx, group: &SecurityGroup) -> Result<(), ControlError> {
    let mut known = HashSet::new();
    for rule in &group.rules {
        if !known.insert((rule.direction, rule.protocol, rule.ports, &rule.peer)) {
            return Err(ControlError::new(
                "InvalidPermission.Duplicate",
                format!("the specified rule \"{}\" already exists", wording(rule)),
            ));
        }
    }
    check_count(tx, group)
}

/// No direction has more rules of a family than allowed. A group counts in both families, a prefix list in its own and
/// for as many rules as it may have entries, or for AWS's weight. See "Security groups" in "Amazon VPC quotas".
pub(crate) fn check_count(tx: &Tx, group: &SecurityGroup) -> Result<(), ControlError> {
    for direction in [Direction::Ingress, Direction::Egress] {
        let rules = || group.rules.iter().filter(|rule| rule.direction == direction);
        let of = |family: AddressFamily| -> usize { rules().map(|rule| weight(tx, group, &rule.peer, family)).sum() };
        let (ipv4, ipv6) = (of(AddressFamily::Ipv4), of(AddressFamily::Ipv6));
        let limit = tx.quotas().rules_per_group;
        if ipv4 > limit || ipv6 > limit {
            return Err(ControlError::new(
                "RulesPerSecurityGroupLimitExceeded",
                format!("The maximum number of {} rules per security group has been reached: {limit}", direction.as_str()),
            ));
        }
    }
    Ok(())
}

/// As how many rules of a family a rule with that peer counts.
fn weight(tx: &Tx, group: &SecurityGroup, peer: &Peer, family: AddressFamily) -> usize {
    match peer {
        Peer::Ipv4(_) => usize::from(family == AddressFamily::Ipv4),
        Peer::Ipv6(_) => usize::from(family == AddressFamily::Ipv6),
        Peer::Group { .. } => 1,
        Peer::PrefixList(id) => match tx.network().prefix_list_weight(&group.owner.region, *id) {
            Some((weight, own)) if own == family => weight,
            _ => 0,
        },
    }
}

/// The rule in the words of AWS's message: `peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW`.
fn wording(rule: &SecurityGroupRule) -> String {
    let peer = match &rule.peer {
        Peer::Ipv4(block) => block.to_string(),
        Peer::Ipv6(block) => block.to_string(),
        Peer::Group { group, .. } => group.to_string(),
        Peer::PrefixList(list) => list.to_string(),
    };
    let ports = match rule.ports {
        RulePorts::All => String::new(),
        RulePorts::Range(range) => format!("from port: {}, to port: {}, ", range.from, range.to),
        RulePorts::Icmp(icmp) => {
            let part = |value: Option<u8>| value.map_or("-1".to_owned(), |value| value.to_string());
            format!("from port: {}, to port: {}, ", part(icmp.kind), part(icmp.code))
        }
    };
    let protocol = match rule.protocol {
        Protocol::All => "ALL".to_owned(),
        protocol => protocol.to_string().to_uppercase(),
    };
    format!("peer: {peer}, {protocol}, {ports}ALLOW")
}

fn in_default_vpc(tx: &Tx, group: &SecurityGroup) -> bool {
    tx.network().get::<Vpc>(&group.vpc).is_some_and(|vpc| vpc.is_default)
}

fn no_such_rule() -> ControlError {
    ControlError::new("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

fn no_such_rule_id(id: SecurityGroupRuleId) -> ControlError {
    ControlError::new("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
}
