//! Groups and rules as answers show them.

use openvpc_control::peerings;
use openvpc_control::security_groups::{PeerSpec, RuleSpec, stale_rules};
use openvpc_model::{Direction, Peer, Protocol, RulePorts, SecurityGroup, SecurityGroupId, SecurityGroupRule};

use super::super::prelude::*;

/// A group with what its filters need beyond the answer.
pub(super) struct Row {
    pub(super) shape: shapes::SecurityGroup,
    ingress_names: Vec<String>,
    egress_names: Vec<String>,
}

impl Row {
    pub(super) fn new(network: &Network, group: &SecurityGroup) -> Self {
        let names = |direction: Direction| {
            let rules = group.rules.iter().filter(|rule| rule.direction == direction);
            let peers = rules.filter_map(|rule| match rule.peer {
                Peer::Group { group, .. } => network.security_groups.get(&group),
                _ => None,
            });
            peers.map(|peer| peer.name.clone()).collect()
        };
        Self {
            shape: shapes::SecurityGroup {
                group_id: Some(group.id.to_string()),
                group_name: Some(group.name.clone()),
                description: Some(group.description.clone()),
                owner_id: Some(group.owner.account.to_string()),
                vpc_id: Some(group.vpc.to_string()),
                security_group_arn: Some(group.owner.ec2_arn("security-group", group.id)),
                ip_permissions: permissions(network, group, Direction::Ingress),
                ip_permissions_egress: permissions(network, group, Direction::Egress),
                tags: tagging::shapes(&group.tags),
            },
            ingress_names: names(Direction::Ingress),
            egress_names: names(Direction::Egress),
        }
    }
}

pub(super) static GROUP_FIELDS: Fields<Row> = Fields {
    tags: Some(|row| &row.shape.tags),
    fields: &[
        ("description", |row, m| m.offer(&row.shape.description)),
        ("egress.ip-permission.cidr", |row, m| cidrs(&row.shape.ip_permissions_egress, m)),
        ("egress.ip-permission.from-port", |row, m| from_ports(&row.shape.ip_permissions_egress, m)),
        ("egress.ip-permission.group-id", |row, m| group_ids(&row.shape.ip_permissions_egress, m)),
        ("egress.ip-permission.group-name", |row, m| m.offer(&row.egress_names)),
        ("egress.ip-permission.ipv6-cidr", |row, m| ipv6_cidrs(&row.shape.ip_permissions_egress, m)),
        ("egress.ip-permission.prefix-list-id", |row, m| prefix_lists(&row.shape.ip_permissions_egress, m)),
        ("egress.ip-permission.protocol", |row, m| protocols(&row.shape.ip_permissions_egress, m)),
        ("egress.ip-permission.to-port", |row, m| to_ports(&row.shape.ip_permissions_egress, m)),
        ("egress.ip-permission.user-id", |row, m| user_ids(&row.shape.ip_permissions_egress, m)),
        ("group-id", |row, m| m.offer(&row.shape.group_id)),
        ("group-name", |row, m| m.offer(&row.shape.group_name)),
        ("ip-permission.cidr", |row, m| cidrs(&row.shape.ip_permissions, m)),
        ("ip-permission.from-port", |row, m| from_ports(&row.shape.ip_permissions, m)),
        ("ip-permission.group-id", |row, m| group_ids(&row.shape.ip_permissions, m)),
        ("ip-permission.group-name", |row, m| m.offer(&row.ingress_names)),
        ("ip-permission.ipv6-cidr", |row, m| ipv6_cidrs(&row.shape.ip_permissions, m)),
        ("ip-permission.prefix-list-id", |row, m| prefix_lists(&row.shape.ip_permissions, m)),
        ("ip-permission.protocol", |row, m| protocols(&row.shape.ip_permissions, m)),
        ("ip-permission.to-port", |row, m| to_ports(&row.shape.ip_permissions, m)),
        ("ip-permission.user-id", |row, m| user_ids(&row.shape.ip_permissions, m)),
        ("owner-id", |row, m| m.offer(&row.shape.owner_id)),
        ("vpc-id", |row, m| m.offer(&row.shape.vpc_id)),
    ],
};

pub(super) static RULE_FIELDS: Fields<shapes::SecurityGroupRule> = Fields {
    tags: Some(|rule| &rule.tags),
    fields: &[
        ("group-id", |rule, m| m.offer(&rule.group_id)),
        ("security-group-rule-id", |rule, m| m.offer(&rule.security_group_rule_id)),
    ],
};

pub(super) static FOR_VPC_FIELDS: Fields<shapes::SecurityGroupForVpc> = Fields {
    tags: Some(|group| &group.tags),
    fields: &[
        ("description", |group, m| m.offer(&group.description)),
        ("group-id", |group, m| m.offer(&group.group_id)),
        ("group-name", |group, m| m.offer(&group.group_name)),
        ("owner-id", |group, m| m.offer(&group.owner_id)),
        ("primary-vpc-id", |group, m| m.offer(&group.primary_vpc_id)),
    ],
};

/// One rule with its one peer.
pub(super) fn rule(network: &Network, group: &SecurityGroup, rule: &SecurityGroupRule) -> shapes::SecurityGroupRule {
    let (from_port, to_port) = ports_of_rule(rule.ports);
    let mut shape = shapes::SecurityGroupRule {
        security_group_rule_id: Some(rule.id.to_string()),
        security_group_rule_arn: Some(group.owner.ec2_arn("security-group-rule", rule.id)),
        group_id: Some(group.id.to_string()),
        group_owner_id: Some(group.owner.account.to_string()),
        is_egress: Some(rule.direction == Direction::Egress),
        ip_protocol: Some(rule.protocol.to_string()),
        from_port: Some(from_port),
        to_port: Some(to_port),
        description: text(&rule.description),
        tags: tagging::shapes(&rule.tags),
        ..Default::default()
    };
    match &rule.peer {
        Peer::Ipv4(block) => shape.cidr_ipv4 = Some(block.to_string()),
        Peer::Ipv6(block) => shape.cidr_ipv6 = Some(block.to_string()),
        Peer::PrefixList(list) => shape.prefix_list_id = Some(list.to_string()),
        Peer::Group { account, group: peer } => {
            let far = Far::of(network, group, *peer);
            shape.referenced_group_info = Some(shapes::ReferencedSecurityGroup {
                group_id: Some(peer.to_string()),
                peering_status: far.peering_status,
                user_id: Some(account.to_string()),
                vpc_id: far.vpc,
                vpc_peering_connection_id: far.peering,
            });
        }
    }
    shape
}

/// A rule that is gone.
pub(super) fn revoked(group: &SecurityGroup, rule: &SecurityGroupRule) -> shapes::RevokedSecurityGroupRule {
    let (from_port, to_port) = ports_of_rule(rule.ports);
    let mut shape = shapes::RevokedSecurityGroupRule {
        security_group_rule_id: Some(rule.id.to_string()),
        group_id: Some(group.id.to_string()),
        is_egress: Some(rule.direction == Direction::Egress),
        ip_protocol: Some(rule.protocol.to_string()),
        from_port: Some(from_port),
        to_port: Some(to_port),
        description: text(&rule.description),
        ..Default::default()
    };
    match &rule.peer {
        Peer::Ipv4(block) => shape.cidr_ipv4 = Some(block.to_string()),
        Peer::Ipv6(block) => shape.cidr_ipv6 = Some(block.to_string()),
        Peer::PrefixList(list) => shape.prefix_list_id = Some(list.to_string()),
        Peer::Group { group, .. } => shape.referenced_group_id = Some(group.to_string()),
    }
    shape
}

/// What a revocation didn't find, in the caller's terms.
pub(super) fn unknown(specs: &[RuleSpec]) -> Vec<shapes::IpPermission> {
    let mut permissions = Vec::new();
    for spec in specs {
        let permission = permission_for(&mut permissions, spec.protocol, spec.ports);
        match &spec.peer {
            PeerSpec::Ipv4(block) => permission.ip_ranges.push(ip_range(block.trunc(), "")),
            PeerSpec::Ipv6(block) => permission.ipv6_ranges.push(ipv6_range(block.trunc(), "")),
            PeerSpec::PrefixList(list) => permission.prefix_list_ids.push(prefix_list(*list, "")),
            PeerSpec::Group(group, account) => permission.user_id_group_pairs.push(shapes::UserIdGroupPair {
                group_id: Some(group.to_string()),
                user_id: account.map(|account| account.to_string()),
                ..Default::default()
            }),
            PeerSpec::GroupName(name) => permission
                .user_id_group_pairs
                .push(shapes::UserIdGroupPair { group_name: Some(name.clone()), ..Default::default() }),
        }
    }
    permissions
}

/// The rules of a group that name a group which is gone; none when there are none.
pub(super) fn stale(network: &Network, group: &SecurityGroup) -> Option<shapes::StaleSecurityGroup> {
    let of = |direction: Direction| -> Vec<shapes::StaleIpPermission> {
        let rules = stale_rules(network, group).filter(|rule| rule.direction == direction);
        collect(network, group, rules)
            .into_iter()
            .map(|permission| shapes::StaleIpPermission {
                from_port: permission.from_port,
                to_port: permission.to_port,
                ip_protocol: permission.ip_protocol,
                user_id_group_pairs: permission.user_id_group_pairs,
                ip_ranges: Vec::new(),
                prefix_list_ids: Vec::new(),
            })
            .collect()
    };
    let (ingress, egress) = (of(Direction::Ingress), of(Direction::Egress));
    (!ingress.is_empty() || !egress.is_empty()).then(|| shapes::StaleSecurityGroup {
        description: Some(group.description.clone()),
        group_id: Some(group.id.to_string()),
        group_name: Some(group.name.clone()),
        stale_ip_permissions: ingress,
        stale_ip_permissions_egress: egress,
        vpc_id: Some(group.vpc.to_string()),
    })
}

fn permissions(network: &Network, group: &SecurityGroup, direction: Direction) -> Vec<shapes::IpPermission> {
    collect(network, group, group.rules.iter().filter(|rule| rule.direction == direction))
}

/// Rules of the same protocol and ports as one permission with several peers.
fn collect<'a>(
    network: &Network,
    owner: &SecurityGroup,
    rules: impl Iterator<Item = &'a SecurityGroupRule>,
) -> Vec<shapes::IpPermission> {
    let mut permissions = Vec::new();
    for rule in rules {
        let permission = permission_for(&mut permissions, rule.protocol, rule.ports);
        match &rule.peer {
            Peer::Ipv4(block) => permission.ip_ranges.push(ip_range(*block, &rule.description)),
            Peer::Ipv6(block) => permission.ipv6_ranges.push(ipv6_range(*block, &rule.description)),
            Peer::PrefixList(list) => permission.prefix_list_ids.push(prefix_list(*list, &rule.description)),
            Peer::Group { account, group } => {
                let far = Far::of(network, owner, *group);
                permission.user_id_group_pairs.push(shapes::UserIdGroupPair {
                    description: text(&rule.description),
                    group_id: Some(group.to_string()),
                    group_name: None,
                    peering_status: far.peering_status,
                    user_id: Some(account.to_string()),
                    vpc_id: far.vpc,
                    vpc_peering_connection_id: far.peering,
                });
            }
        }
    }
    permissions
}

/// Where the group is that a rule names, and over which peering connection the rule names it.
struct Far {
    vpc: Option<String>,
    peering: Option<String>,
    peering_status: Option<String>,
}

impl Far {
    fn of(network: &Network, group: &SecurityGroup, peer: SecurityGroupId) -> Self {
        let vpc = network.security_groups.get(&peer).map(|peer| peer.vpc);
        let elsewhere = vpc.filter(|vpc| !group.is_in(*vpc));
        let peering = elsewhere.and_then(|vpc| peerings::named_by_rule(network, group.vpc, vpc));
        Self {
            vpc: elsewhere.map(|vpc| vpc.to_string()),
            peering: peering.map(|peering| peering.id.to_string()),
            peering_status: peering.map(|peering| peerings::code(&peering.state).to_owned()),
        }
    }
}

fn permission_for(
    permissions: &mut Vec<shapes::IpPermission>,
    protocol: Protocol,
    ports: RulePorts,
) -> &mut shapes::IpPermission {
    let ip_protocol = Some(protocol.to_string());
    let (from_port, to_port) = match ports {
        // Without ports the group view shows none; ICMP shows its "any" as -1.
        RulePorts::All if !protocol.is_icmp() => (None, None),
        ports => {
            let (from, to) = ports_of_rule(ports);
            (Some(from), Some(to))
        }
    };
    let is_it = |p: &shapes::IpPermission| p.ip_protocol == ip_protocol && p.from_port == from_port && p.to_port == to_port;
    let at = permissions.iter().position(is_it).unwrap_or(permissions.len());
    if at == permissions.len() {
        permissions.push(shapes::IpPermission { ip_protocol, from_port, to_port, ..Default::default() });
    }
    &mut permissions[at]
}

fn ports_of_rule(ports: RulePorts) -> (i32, i32) {
    match ports {
        RulePorts::All => (-1, -1),
        RulePorts::Range(range) => (range.from.into(), range.to.into()),
        RulePorts::Icmp(icmp) => (icmp.kind.map_or(-1, i32::from), icmp.code.map_or(-1, i32::from)),
    }
}

fn ip_range(block: ipnet::Ipv4Net, description: &str) -> shapes::IpRange {
    shapes::IpRange { cidr_ip: Some(block.to_string()), description: text(description) }
}

fn ipv6_range(block: ipnet::Ipv6Net, description: &str) -> shapes::Ipv6Range {
    shapes::Ipv6Range { cidr_ipv6: Some(block.to_string()), description: text(description) }
}

fn prefix_list(list: openvpc_model::PrefixListId, description: &str) -> shapes::PrefixListId {
    shapes::PrefixListId { prefix_list_id: Some(list.to_string()), description: text(description) }
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn cidrs(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().flat_map(|p| &p.ip_ranges).for_each(|range| m.offer(&range.cidr_ip));
}

fn ipv6_cidrs(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().flat_map(|p| &p.ipv6_ranges).for_each(|range| m.offer(&range.cidr_ipv6));
}

fn from_ports(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().for_each(|p| m.offer(&p.from_port));
}

fn to_ports(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().for_each(|p| m.offer(&p.to_port));
}

fn protocols(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().for_each(|p| m.offer(&p.ip_protocol));
}

fn group_ids(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().flat_map(|p| &p.user_id_group_pairs).for_each(|pair| m.offer(&pair.group_id));
}

fn user_ids(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().flat_map(|p| &p.user_id_group_pairs).for_each(|pair| m.offer(&pair.user_id));
}

fn prefix_lists(permissions: &[shapes::IpPermission], m: &mut filters::Matcher<'_>) {
    permissions.iter().flat_map(|p| &p.prefix_list_ids).for_each(|list| m.offer(&list.prefix_list_id));
}
