//! Adding, removing, changing and listing rules.

use openvpc_control::ControlError;
use openvpc_control::security_groups::{self, PeerSpec, RuleChoice, RuleSpec, malformed, parse_ports};
use openvpc_model::{AccountId, Direction, Network, SecurityGroup, SecurityGroupId, SecurityGroupRule, SecurityGroupRuleId};

use super::super::prelude::*;
use super::{GroupRef, view};

/// The permissions of a request: those listed, or else the one that the older, flat parameters make.
macro_rules! permissions {
    ($request:expr) => {
        if $request.ip_permissions.is_empty() {
            flat(
                &$request.ip_protocol,
                ($request.from_port, $request.to_port),
                &$request.cidr_ip,
                &$request.source_security_group_name,
                &$request.source_security_group_owner_id,
            )?
        } else {
            $request.ip_permissions.clone()
        }
    };
}

pub(super) fn authorize_ingress(
    ctx: &Ctx<'_>,
    request: shapes::AuthorizeSecurityGroupIngressRequest,
) -> Result<shapes::AuthorizeSecurityGroupIngressResult, ApiError> {
    let group = GroupRef::parse(&request.group_id, &request.group_name)?;
    let specs = specs(&permissions!(request))?;
    let security_group_rules = authorize(ctx, &group, Direction::Ingress, &specs, &request.tag_specifications)?;
    Ok(shapes::AuthorizeSecurityGroupIngressResult { r#return: Some(true), security_group_rules })
}

pub(super) fn authorize_egress(
    ctx: &Ctx<'_>,
    request: shapes::AuthorizeSecurityGroupEgressRequest,
) -> Result<shapes::AuthorizeSecurityGroupEgressResult, ApiError> {
    let group = GroupRef::parse(&request.group_id, &None)?;
    let specs = specs(&permissions!(request))?;
    let security_group_rules = authorize(ctx, &group, Direction::Egress, &specs, &request.tag_specifications)?;
    Ok(shapes::AuthorizeSecurityGroupEgressResult { r#return: Some(true), security_group_rules })
}

pub(super) fn revoke_ingress(
    ctx: &Ctx<'_>,
    request: shapes::RevokeSecurityGroupIngressRequest,
) -> Result<shapes::RevokeSecurityGroupIngressResult, ApiError> {
    let group = GroupRef::parse(&request.group_id, &request.group_name)?;
    let choice = choice(&request.security_group_rule_ids, &permissions!(request))?;
    let (unknown_ip_permissions, revoked_security_group_rules) = revoke(ctx, &group, Direction::Ingress, &choice)?;
    Ok(shapes::RevokeSecurityGroupIngressResult { r#return: Some(true), unknown_ip_permissions, revoked_security_group_rules })
}

pub(super) fn revoke_egress(
    ctx: &Ctx<'_>,
    request: shapes::RevokeSecurityGroupEgressRequest,
) -> Result<shapes::RevokeSecurityGroupEgressResult, ApiError> {
    let group = GroupRef::parse(&request.group_id, &None)?;
    let choice = choice(&request.security_group_rule_ids, &permissions!(request))?;
    let (unknown_ip_permissions, revoked_security_group_rules) = revoke(ctx, &group, Direction::Egress, &choice)?;
    Ok(shapes::RevokeSecurityGroupEgressResult { r#return: Some(true), unknown_ip_permissions, revoked_security_group_rules })
}

pub(super) fn modify_security_group_rules(
    ctx: &Ctx<'_>,
    request: shapes::ModifySecurityGroupRulesRequest,
) -> Result<shapes::ModifySecurityGroupRulesResult, ApiError> {
    let group: SecurityGroupId = ids::parse_required(&request.group_id, "GroupId")?;
    let change = |update: &shapes::SecurityGroupRuleUpdate| -> Result<(SecurityGroupRuleId, RuleSpec), ApiError> {
        let id = ids::parse_required(&update.security_group_rule_id, "SecurityGroupRuleId")?;
        let rule = update.security_group_rule.as_ref().ok_or_else(|| ApiError::missing("SecurityGroupRule"))?;
        Ok((id, spec_of_update(rule)?))
    };
    let changes: Vec<_> = request.security_group_rules.iter().map(change).collect::<Result<_, _>>()?;
    ctx.mutate(|tx| security_groups::modify(tx, group, &changes))?;
    Ok(shapes::ModifySecurityGroupRulesResult { r#return: Some(true) })
}

pub(super) fn update_descriptions_ingress(
    ctx: &Ctx<'_>,
    request: shapes::UpdateSecurityGroupRuleDescriptionsIngressRequest,
) -> Result<shapes::UpdateSecurityGroupRuleDescriptionsIngressResult, ApiError> {
    let group = GroupRef::parse(&request.group_id, &request.group_name)?;
    describe(ctx, &group, Direction::Ingress, &request.ip_permissions, &request.security_group_rule_descriptions)?;
    Ok(shapes::UpdateSecurityGroupRuleDescriptionsIngressResult { r#return: Some(true) })
}

pub(super) fn update_descriptions_egress(
    ctx: &Ctx<'_>,
    request: shapes::UpdateSecurityGroupRuleDescriptionsEgressRequest,
) -> Result<shapes::UpdateSecurityGroupRuleDescriptionsEgressResult, ApiError> {
    let group = GroupRef::parse(&request.group_id, &request.group_name)?;
    describe(ctx, &group, Direction::Egress, &request.ip_permissions, &request.security_group_rule_descriptions)?;
    Ok(shapes::UpdateSecurityGroupRuleDescriptionsEgressResult { r#return: Some(true) })
}

pub(super) fn describe_security_group_rules(
    ctx: &Ctx<'_>,
    request: shapes::DescribeSecurityGroupRulesRequest,
) -> Result<shapes::DescribeSecurityGroupRulesResult, ApiError> {
    let network = ctx.network()?;
    let wanted: Vec<SecurityGroupRuleId> = ids::parse_all(&request.security_group_rule_ids)?;
    check_group_filter(&request.filters)?;
    let groups = network.owned::<SecurityGroup>(ctx.owner());
    let mut found: Vec<(SecurityGroupRuleId, shapes::SecurityGroupRule)> = groups
        .flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
        .filter(|(_, rule)| wanted.is_empty() || wanted.contains(&rule.id))
        .map(|(group, rule)| (rule.id, view::rule(&network, group, rule)))
        .collect();
    if let Some(missing) = wanted.iter().find(|id| found.iter().all(|(known, _)| known != *id)) {
        return Err(ApiError::new(
            "InvalidSecurityGroupRuleId.NotFound",
            format!("The security group rule ID '{missing}' does not exist"),
        ));
    }
    found.sort_by_key(|(id, _)| *id);
    let rules = filters::select(found.into_iter().map(|(_, shape)| shape).collect(), &request.filters, &view::RULE_FIELDS)?;
    let (security_group_rules, next_token) =
        page::cut(&request, !wanted.is_empty(), rules, |rule| rule.security_group_rule_id.as_deref())?;
    Ok(shapes::DescribeSecurityGroupRulesResult { security_group_rules, next_token })
}

fn authorize(
    ctx: &Ctx<'_>,
    group: &GroupRef,
    direction: Direction,
    specs: &[RuleSpec],
    tags: &[shapes::TagSpecification],
) -> Result<Vec<shapes::SecurityGroupRule>, ApiError> {
    let tags = tagging::on_create(tags, "security-group-rule")?;
    let (id, rules) = ctx.mutate(|tx| {
        let id = group.resolve(tx)?;
        Ok((id, security_groups::authorize(tx, id, direction, specs, &tags)?))
    })?;
    let network = ctx.network()?;
    Ok(in_group(&network, id, &rules, |group, rule| view::rule(&network, group, rule)))
}

fn revoke(
    ctx: &Ctx<'_>,
    group: &GroupRef,
    direction: Direction,
    choice: &RuleChoice,
) -> Result<(Vec<shapes::IpPermission>, Vec<shapes::RevokedSecurityGroupRule>), ApiError> {
    let (id, revoked) = ctx.mutate(|tx| {
        let id = group.resolve(tx)?;
        Ok((id, security_groups::revoke(tx, id, direction, choice)?))
    })?;
    let network = ctx.network()?;
    Ok((view::unknown(&revoked.unknown), in_group(&network, id, &revoked.rules, view::revoked)))
}

/// The shapes of rules of a group, which an other call may have removed in the meantime.
fn in_group<S>(
    network: &Network,
    id: SecurityGroupId,
    rules: &[SecurityGroupRule],
    shape: impl Fn(&SecurityGroup, &SecurityGroupRule) -> S,
) -> Vec<S> {
    network.security_groups.get(&id).map(|group| rules.iter().map(|rule| shape(group, rule)).collect()).unwrap_or_default()
}

fn describe(
    ctx: &Ctx<'_>,
    group: &GroupRef,
    direction: Direction,
    permissions: &[shapes::IpPermission],
    by_id: &[shapes::SecurityGroupRuleDescription],
) -> Result<(), ApiError> {
    let by_id_ids: Vec<String> = by_id.iter().filter_map(|one| one.security_group_rule_id.clone()).collect();
    let choice = choice(&by_id_ids, permissions)?;
    let texts: Vec<String> = match &choice {
        RuleChoice::Ids(_) => by_id.iter().map(|one| one.description.clone().unwrap_or_default()).collect(),
        RuleChoice::Specs(specs) => specs.iter().map(|spec| spec.description.clone()).collect(),
    };
    ctx.mutate(|tx| {
        let id = group.resolve(tx)?;
        security_groups::describe(tx, id, direction, &choice, &texts)
    })
}

fn choice(rule_ids: &[String], permissions: &[shapes::IpPermission]) -> Result<RuleChoice, ApiError> {
    match (rule_ids.is_empty(), permissions.is_empty()) {
        (false, false) => Err(ApiError::invalid_combination("Name the rules by their ids or by IpPermissions, not by both")),
        (false, true) => Ok(RuleChoice::Ids(ids::parse_all(rule_ids)?)),
        _ => Ok(RuleChoice::Specs(specs(permissions)?)),
    }
}

/// One rule per peer of each permission.
fn specs(permissions: &[shapes::IpPermission]) -> Result<Vec<RuleSpec>, ApiError> {
    let mut specs = Vec::new();
    for permission in permissions {
        let protocol = ids::required(&permission.ip_protocol, "IpProtocol")?;
        let (protocol, ports) = parse_ports(protocol, permission.from_port, permission.to_port)?;
        let before = specs.len();
        let mut push = |peer: PeerSpec, description: &Option<String>| {
            specs.push(RuleSpec { protocol, ports, peer, description: description.clone().unwrap_or_default() });
        };
        for range in &permission.ip_ranges {
            push(ipv4_peer(ids::required(&range.cidr_ip, "CidrIp")?)?, &range.description);
        }
        for range in &permission.ipv6_ranges {
            push(ipv6_peer(ids::required(&range.cidr_ipv6, "CidrIpv6")?)?, &range.description);
        }
        for pair in &permission.user_id_group_pairs {
            push(pair_peer(pair)?, &pair.description);
        }
        for list in &permission.prefix_list_ids {
            push(PeerSpec::PrefixList(ids::parse_required(&list.prefix_list_id, "PrefixListId")?), &list.description);
        }
        if specs.len() == before {
            return Err(malformed("A rule needs a source or destination: an IPv4 or IPv6 range, a group or a prefix list").into());
        }
    }
    Ok(specs)
}

/// The one filter whose values AWS checks: what can't be a group's id is a mistake, and not a group without rules.
fn check_group_filter(filters: &[shapes::Filter]) -> Result<(), ApiError> {
    let values = filters.iter().filter(|filter| filter.name.as_deref() == Some("group-id")).flat_map(|filter| &filter.values);
    for value in values.filter(|value| !value.contains(['*', '?'])) {
        if value.parse::<SecurityGroupId>().is_err() {
            let message = format!("The security group ID '{value}' is malformed");
            return Err(ApiError::new("InvalidGroupId.Malformed", message));
        }
    }
    Ok(())
}

fn spec_of_update(rule: &shapes::SecurityGroupRuleRequest) -> Result<RuleSpec, ApiError> {
    let protocol = rule.ip_protocol.as_deref().ok_or_else(|| {
        ApiError::invalid_value("Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.")
    })?;
    let (protocol, ports) = parse_ports(protocol, rule.from_port, rule.to_port)?;
    let peer = match (&rule.cidr_ipv4, &rule.cidr_ipv6, &rule.referenced_group_id, &rule.prefix_list_id) {
        (Some(cidr), None, None, None) => ipv4_peer(cidr)?,
        (None, Some(cidr), None, None) => ipv6_peer(cidr)?,
        (None, None, Some(group), None) => group_peer(group, None)?,
        (None, None, None, Some(list)) => PeerSpec::PrefixList(ids::parse(list)?),
        _ => return Err(malformed("Specify exactly one of CidrIpv4, CidrIpv6, ReferencedGroupId and PrefixListId").into()),
    };
    Ok(RuleSpec { protocol, ports, peer, description: rule.description.clone().unwrap_or_default() })
}

fn ipv4_peer(text: &str) -> Result<PeerSpec, ControlError> {
    text.parse().map(PeerSpec::Ipv4).map_err(|_| ControlError::invalid_value(format!("CIDR block {text} is malformed")))
}

fn ipv6_peer(text: &str) -> Result<PeerSpec, ControlError> {
    text.parse().map(PeerSpec::Ipv6).map_err(|_| ControlError::invalid_value(format!("CIDR block {text} is malformed")))
}

fn pair_peer(pair: &shapes::UserIdGroupPair) -> Result<PeerSpec, ApiError> {
    let account = pair.user_id.as_deref().filter(|text| !text.is_empty()).map(account).transpose()?;
    match (&pair.group_id, &pair.group_name) {
        (Some(id), _) => group_peer(id, account),
        (None, Some(name)) => Ok(PeerSpec::GroupName(name.clone())),
        (None, None) => Err(malformed("A group pair needs a GroupId (or, in the default VPC, a GroupName)").into()),
    }
}

/// `sg-…`, or `account/sg-…` for a group of another account.
fn group_peer(text: &str, user: Option<AccountId>) -> Result<PeerSpec, ApiError> {
    match text.split_once('/') {
        Some((owner, id)) => Ok(PeerSpec::Group(ids::parse(id)?, Some(account(owner)?))),
        None => Ok(PeerSpec::Group(ids::parse(text)?, user)),
    }
}

fn account(text: &str) -> Result<AccountId, ControlError> {
    text.parse().map_err(|reason: String| malformed(&reason))
}

fn flat(
    protocol: &Option<String>,
    (from_port, to_port): (Option<i32>, Option<i32>),
    cidr: &Option<String>,
    group: &Option<String>,
    owner: &Option<String>,
) -> Result<Vec<shapes::IpPermission>, ApiError> {
    let mut permission = shapes::IpPermission { ip_protocol: protocol.clone(), from_port, to_port, ..Default::default() };
    if let Some(group) = group {
        let pair = shapes::UserIdGroupPair { group_name: Some(group.clone()), user_id: owner.clone(), ..Default::default() };
        permission.user_id_group_pairs.push(pair);
    }
    if let Some(cidr) = cidr {
        let block = Some(cidr.clone());
        if cidr.contains(':') {
            permission.ipv6_ranges.push(shapes::Ipv6Range { cidr_ipv6: block, description: None });
        } else {
            permission.ip_ranges.push(shapes::IpRange { cidr_ip: block, description: None });
        }
    }
    match (protocol, cidr, group) {
        (None, None, None) => Ok(Vec::new()),
        // Naming only a group allows everything from it. See "AuthorizeSecurityGroupIngress", SourceSecurityGroupName.
        (None, None, Some(_)) => {
            let whole = |protocol: &str, from, to| shapes::IpPermission {
                ip_protocol: Some(protocol.to_owned()),
                from_port: Some(from),
                to_port: Some(to),
                ..permission.clone()
            };
            Ok(vec![whole("tcp", 0, 65_535), whole("udp", 0, 65_535), whole("icmp", -1, -1)])
        }
        _ => Ok(vec![permission]),
    }
}
