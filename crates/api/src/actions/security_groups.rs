//! Security groups: lifetime, [`rules`], [`associations`] with other VPCs, and how all are shown ([`view`]).

use openvpc_control::security_groups::{self, CreateSecurityGroup, Way};
use openvpc_control::{ControlError, Tx};
use openvpc_model::{Peer, SecurityGroup, SecurityGroupId, VpcId};

use super::prelude::*;

mod associations;
mod rules;
#[cfg(test)]
mod tests;
mod view;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AssociateSecurityGroupVpc, associations::associate_security_group_vpc),
    action!(AuthorizeSecurityGroupEgress, rules::authorize_egress),
    action!(AuthorizeSecurityGroupIngress, rules::authorize_ingress),
    action!(CreateSecurityGroup, create_security_group),
    action!(DeleteSecurityGroup, delete_security_group),
    action!(DescribeSecurityGroupReferences, describe_security_group_references),
    action!(DescribeSecurityGroupRules, rules::describe_security_group_rules),
    action!(DescribeSecurityGroupVpcAssociations, associations::describe_security_group_vpc_associations),
    action!(DescribeSecurityGroups, describe_security_groups),
    action!(DescribeStaleSecurityGroups, describe_stale_security_groups),
    action!(DisassociateSecurityGroupVpc, associations::disassociate_security_group_vpc),
    action!(GetSecurityGroupsForVpc, get_security_groups_for_vpc),
    action!(ModifySecurityGroupRules, rules::modify_security_group_rules),
    action!(RevokeSecurityGroupEgress, rules::revoke_egress),
    action!(RevokeSecurityGroupIngress, rules::revoke_ingress),
    action!(UpdateSecurityGroupRuleDescriptionsEgress, rules::update_descriptions_egress),
    action!(UpdateSecurityGroupRuleDescriptionsIngress, rules::update_descriptions_ingress),
];

fn create_security_group(
    ctx: &Ctx<'_>,
    request: shapes::CreateSecurityGroupRequest,
) -> Result<shapes::CreateSecurityGroupResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "security-group")?;
    let wanted = CreateSecurityGroup {
        name: ids::required(&request.group_name, "GroupName")?.to_owned(),
        description: ids::required(&request.description, "GroupDescription")?.to_owned(),
        vpc: ids::parse_opt(&request.vpc_id)?,
        tags: tags.clone(),
    };
    let id = ctx.mutate(|tx| security_groups::create(tx, wanted))?;
    Ok(shapes::CreateSecurityGroupResult {
        group_id: Some(id.to_string()),
        security_group_arn: Some(ctx.owner().ec2_arn("security-group", id)),
        tags: tagging::shapes(&tags),
    })
}

fn delete_security_group(
    ctx: &Ctx<'_>,
    request: shapes::DeleteSecurityGroupRequest,
) -> Result<shapes::DeleteSecurityGroupResult, ApiError> {
    let group = GroupRef::parse(&request.group_id, &request.group_name)?;
    let id = ctx.mutate(|tx| {
        let id = group.resolve(tx)?;
        security_groups::delete(tx, id)?;
        Ok(id)
    })?;
    Ok(shapes::DeleteSecurityGroupResult { r#return: Some(true), group_id: Some(id.to_string()) })
}

fn describe_security_groups(
    ctx: &Ctx<'_>,
    request: shapes::DescribeSecurityGroupsRequest,
) -> Result<shapes::DescribeSecurityGroupsResult, ApiError> {
    let network = ctx.network()?;
    let explicit = !request.group_ids.is_empty() || !request.group_names.is_empty();
    let mut wanted = request.group_ids.clone();
    if !request.group_names.is_empty() {
        let named = ctx.control().rehearse(&ctx.caller, |tx| {
            request.group_names.iter().map(|name| security_groups::of_default_vpc(tx, name)).collect::<Result<Vec<_>, _>>()
        })?;
        wanted.extend(named.iter().map(SecurityGroupId::to_string));
    }
    let groups = ctx.pick::<SecurityGroup>(&network, &wanted)?;
    let rows = groups.iter().map(|group| view::Row::new(&network, group)).collect();
    let rows = filters::select(rows, &request.filters, &view::GROUP_FIELDS)?;
    let (rows, next_token) = page::cut(&request, explicit, rows, |row| row.shape.group_id.as_deref())?;
    Ok(shapes::DescribeSecurityGroupsResult { security_groups: rows.into_iter().map(|row| row.shape).collect(), next_token })
}

/// The VPCs at the other end of a peering connection or transit gateway whose groups name the given ones.
fn describe_security_group_references(
    ctx: &Ctx<'_>,
    request: shapes::DescribeSecurityGroupReferencesRequest,
) -> Result<shapes::DescribeSecurityGroupReferencesResult, ApiError> {
    let network = ctx.network()?;
    let mut references = Vec::new();
    for group in ctx.pick::<SecurityGroup>(&network, &request.group_id)? {
        let ways = security_groups::naming(&network, group.id).flat_map(|other| {
            let naming =
                other.rules.iter().filter(|rule| matches!(rule.peer, Peer::Group { group: peer, .. } if peer == group.id));
            let ways = naming.filter_map(|rule| security_groups::way(&network, other, &group, rule.direction));
            ways.map(|way| (other.vpc, way)).collect::<Vec<_>>()
        });
        let mut ways: Vec<(VpcId, Way)> = ways.filter(|(_, way)| *way != Way::SameVpc).collect();
        ways.sort();
        ways.dedup();
        references.extend(ways.into_iter().map(|(vpc, way)| {
            let (peering, gateway) = match way {
                Way::SameVpc => (None, None),
                Way::Peering(id) => (Some(id.to_string()), None),
                Way::TransitGateway(id) => (None, Some(id.to_string())),
            };
            shapes::SecurityGroupReference {
                group_id: Some(group.id.to_string()),
                referencing_vpc_id: Some(vpc.to_string()),
                vpc_peering_connection_id: peering,
                transit_gateway_id: gateway,
            }
        }));
    }
    Ok(shapes::DescribeSecurityGroupReferencesResult { security_group_reference_set: references })
}

fn describe_stale_security_groups(
    ctx: &Ctx<'_>,
    request: shapes::DescribeStaleSecurityGroupsRequest,
) -> Result<shapes::DescribeStaleSecurityGroupsResult, ApiError> {
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let network = ctx.network()?;
    ctx.pick::<openvpc_model::Vpc>(&network, &[vpc.to_string()])?;
    let groups = network.owned::<SecurityGroup>(ctx.owner()).filter(|group| group.vpc == vpc);
    let stale = groups.filter_map(|group| view::stale(&network, group)).collect();
    let (stale, next_token) = page::cut(&request, false, stale, |group| group.group_id.as_deref())?;
    Ok(shapes::DescribeStaleSecurityGroupsResult { stale_security_group_set: stale, next_token })
}

fn get_security_groups_for_vpc(
    ctx: &Ctx<'_>,
    request: shapes::GetSecurityGroupsForVpcRequest,
) -> Result<shapes::GetSecurityGroupsForVpcResult, ApiError> {
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let network = ctx.network()?;
    ctx.pick::<openvpc_model::Vpc>(&network, &[vpc.to_string()])?;
    let shape = |group: &std::sync::Arc<SecurityGroup>| shapes::SecurityGroupForVpc {
        group_id: Some(group.id.to_string()),
        group_name: Some(group.name.clone()),
        description: Some(group.description.clone()),
        owner_id: Some(group.owner.account.to_string()),
        primary_vpc_id: Some(group.vpc.to_string()),
        tags: tagging::shapes(&group.tags),
    };
    let groups = network.owned::<SecurityGroup>(ctx.owner()).filter(|group| group.is_in(vpc)).map(shape).collect();
    let groups = filters::select(groups, &request.filters, &view::FOR_VPC_FIELDS)?;
    let (security_group_for_vpcs, next_token) = page::cut(&request, false, groups, |group| group.group_id.as_deref())?;
    Ok(shapes::GetSecurityGroupsForVpcResult { security_group_for_vpcs, next_token })
}

/// How a request names a group: by id, or by name in the default VPC.
#[derive(Clone, Debug)]
enum GroupRef {
    Id(SecurityGroupId),
    Name(String),
}

impl GroupRef {
    fn parse(id: &Option<String>, name: &Option<String>) -> Result<Self, ApiError> {
        match (ids::parse_opt(id)?, name) {
            (Some(id), _) => Ok(Self::Id(id)),
            (None, Some(name)) => Ok(Self::Name(name.clone())),
            (None, None) => Err(ApiError::missing("GroupId")),
        }
    }

    fn resolve(&self, tx: &Tx<'_>) -> Result<SecurityGroupId, ControlError> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Name(name) => security_groups::of_default_vpc(tx, name),
        }
    }
}
