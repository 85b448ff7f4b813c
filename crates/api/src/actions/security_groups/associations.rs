//! Groups lent to other VPCs. What a call asks for is in force when it answers; its answer still shows the state between.

use openvpc_control::security_groups;
use openvpc_model::{SecurityGroup, SecurityGroupId, Vpc, VpcId};

use super::super::prelude::*;

pub(super) fn associate_security_group_vpc(
    ctx: &Ctx<'_>,
    request: shapes::AssociateSecurityGroupVpcRequest,
) -> Result<shapes::AssociateSecurityGroupVpcResult, ApiError> {
    let group: SecurityGroupId = ids::parse_required(&request.group_id, "GroupId")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    ctx.mutate(|tx| security_groups::associate(tx, group, vpc))?;
    Ok(shapes::AssociateSecurityGroupVpcResult { state: Some("associating".into()) })
}

pub(super) fn disassociate_security_group_vpc(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateSecurityGroupVpcRequest,
) -> Result<shapes::DisassociateSecurityGroupVpcResult, ApiError> {
    let group: SecurityGroupId = ids::parse_required(&request.group_id, "GroupId")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    ctx.mutate(|tx| security_groups::disassociate(tx, group, vpc))?;
    Ok(shapes::DisassociateSecurityGroupVpcResult { state: Some("disassociating".into()) })
}

pub(super) fn describe_security_group_vpc_associations(
    ctx: &Ctx<'_>,
    request: shapes::DescribeSecurityGroupVpcAssociationsRequest,
) -> Result<shapes::DescribeSecurityGroupVpcAssociationsResult, ApiError> {
    let network = ctx.network()?;
    let groups = network.owned::<SecurityGroup>(ctx.owner());
    let rows = groups.flat_map(|group| group.associated_vpcs.iter().map(|vpc| Row::new(&network, group, *vpc))).collect();
    let rows = filters::select(rows, &request.filters, &FIELDS)?;
    let (rows, next_token) = page::cut(&request, false, rows, |row| Some(&*row.key))?;
    let security_group_vpc_associations = rows.into_iter().map(|row| row.shape).collect();
    Ok(shapes::DescribeSecurityGroupVpcAssociationsResult { security_group_vpc_associations, next_token })
}

static FIELDS: Fields<Row> = Fields {
    tags: None,
    fields: &[
        ("group-id", |row, m| m.offer(&row.shape.group_id)),
        ("group-owner-id", |row, m| m.offer(&row.shape.group_owner_id)),
        ("state", |row, m| m.offer(&row.shape.state)),
        ("vpc-id", |row, m| m.offer(&row.shape.vpc_id)),
        ("vpc-owner-id", |row, m| m.offer(&row.shape.vpc_owner_id)),
    ],
};

/// An association, and what it is known by between pages.
struct Row {
    key: String,
    shape: shapes::SecurityGroupVpcAssociation,
}

impl Row {
    fn new(network: &Network, group: &SecurityGroup, vpc: VpcId) -> Self {
        Self {
            key: format!("{} {vpc}", group.id),
            shape: shapes::SecurityGroupVpcAssociation {
                group_id: Some(group.id.to_string()),
                group_owner_id: Some(group.owner.account.to_string()),
                state: Some("associated".into()),
                state_reason: None,
                vpc_id: Some(vpc.to_string()),
                vpc_owner_id: network.get::<Vpc>(&vpc).map(|vpc| vpc.owner.account.to_string()),
            },
        }
    }
}
