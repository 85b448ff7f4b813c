//! Block Public Access and its exclusions: the API side. What a call asks for is in force when it answers; its answer
//! still shows the state between.

use openvpc_control::public_access;
use openvpc_model::public_access::{
    ExcludedResource, ExclusionMode, PublicAccessExclusion, PublicAccessMode, PublicAccessOptions,
};
use openvpc_model::{BlockPublicAccessExclusionId, Owner, RegionState};

use super::prelude::*;

#[cfg(test)]
mod tests;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateVpcBlockPublicAccessExclusion, create_exclusion),
    action!(DeleteVpcBlockPublicAccessExclusion, delete_exclusion),
    action!(DescribeVpcBlockPublicAccessExclusions, describe_exclusions),
    action!(DescribeVpcBlockPublicAccessOptions, describe_options),
    action!(ModifyVpcBlockPublicAccessExclusion, modify_exclusion),
    action!(ModifyVpcBlockPublicAccessOptions, modify_options),
];

fn modify_options(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcBlockPublicAccessOptionsRequest,
) -> Result<shapes::ModifyVpcBlockPublicAccessOptionsResult, ApiError> {
    let mode = ids::required(&request.internet_gateway_block_mode, "InternetGatewayBlockMode")?;
    let modes = [PublicAccessMode::Off, PublicAccessMode::BlockBidirectional, PublicAccessMode::BlockIngress];
    let mode = modes.into_iter().find(|known| known.as_str() == mode).ok_or_else(|| {
        ApiError::invalid_value(format!(
            "Value ({mode}) for parameter InternetGatewayBlockMode is invalid. Use off, block-bidirectional or block-ingress."
        ))
    })?;
    let options = ctx.mutate(|tx| public_access::set_mode(tx, mode))?;
    let mut shape = options_shape(ctx.owner(), &options);
    shape.state = Some("update-in-progress".into());
    Ok(shapes::ModifyVpcBlockPublicAccessOptionsResult { vpc_block_public_access_options: Some(shape) })
}

fn describe_options(
    ctx: &Ctx<'_>,
    _request: shapes::DescribeVpcBlockPublicAccessOptionsRequest,
) -> Result<shapes::DescribeVpcBlockPublicAccessOptionsResult, ApiError> {
    let network = ctx.network()?;
    let options = network.get::<RegionState>(ctx.owner()).map(|region| region.public_access).unwrap_or_default();
    let shape = options_shape(ctx.owner(), &options);
    Ok(shapes::DescribeVpcBlockPublicAccessOptionsResult { vpc_block_public_access_options: Some(shape) })
}

fn options_shape(owner: &Owner, options: &PublicAccessOptions) -> shapes::VpcBlockPublicAccessOptions {
    shapes::VpcBlockPublicAccessOptions {
        aws_account_id: Some(owner.account.to_string()),
        aws_region: Some(owner.region.to_string()),
        exclusions_allowed: Some("allowed".into()),
        internet_gateway_block_mode: Some(options.mode.as_str().into()),
        last_update_timestamp: options.updated_at,
        managed_by: Some("account".into()),
        reason: None,
        state: Some(if options.updated_at.is_some() { "update-complete" } else { "default-state" }.into()),
    }
}

fn create_exclusion(
    ctx: &Ctx<'_>,
    request: shapes::CreateVpcBlockPublicAccessExclusionRequest,
) -> Result<shapes::CreateVpcBlockPublicAccessExclusionResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "vpc-block-public-access-exclusion")?;
    let mode = exclusion_mode(&request.internet_gateway_exclusion_mode)?;
    let resource = match (ids::parse_opt(&request.vpc_id)?, ids::parse_opt(&request.subnet_id)?) {
        (Some(vpc), None) => ExcludedResource::Vpc(vpc),
        (None, Some(subnet)) => ExcludedResource::Subnet(subnet),
        (None, None) => return Err(ApiError::missing("VpcId or SubnetId")),
        (Some(_), Some(_)) => return Err(ApiError::invalid_combination("Only one of VpcId and SubnetId may be given")),
    };
    let exclusion = ctx.mutate(|tx| {
        let id = public_access::exclude(tx, resource, mode, tags)?;
        tx.find::<PublicAccessExclusion>(&id)
    })?;
    let shape = in_progress(&exclusion, "create-in-progress");
    Ok(shapes::CreateVpcBlockPublicAccessExclusionResult { vpc_block_public_access_exclusion: Some(shape) })
}

fn modify_exclusion(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcBlockPublicAccessExclusionRequest,
) -> Result<shapes::ModifyVpcBlockPublicAccessExclusionResult, ApiError> {
    let id: BlockPublicAccessExclusionId = ids::parse_required(&request.exclusion_id, "ExclusionId")?;
    let mode = exclusion_mode(&request.internet_gateway_exclusion_mode)?;
    let exclusion = ctx.mutate(|tx| {
        public_access::modify(tx, id, mode)?;
        tx.find::<PublicAccessExclusion>(&id)
    })?;
    let shape = in_progress(&exclusion, "update-in-progress");
    Ok(shapes::ModifyVpcBlockPublicAccessExclusionResult { vpc_block_public_access_exclusion: Some(shape) })
}

fn delete_exclusion(
    ctx: &Ctx<'_>,
    request: shapes::DeleteVpcBlockPublicAccessExclusionRequest,
) -> Result<shapes::DeleteVpcBlockPublicAccessExclusionResult, ApiError> {
    let id: BlockPublicAccessExclusionId = ids::parse_required(&request.exclusion_id, "ExclusionId")?;
    let exclusion = ctx.mutate(|tx| {
        public_access::delete(tx, id)?;
        tx.find::<PublicAccessExclusion>(&id)
    })?;
    let shape = in_progress(&exclusion, "delete-in-progress");
    Ok(shapes::DeleteVpcBlockPublicAccessExclusionResult { vpc_block_public_access_exclusion: Some(shape) })
}

fn describe_exclusions(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcBlockPublicAccessExclusionsRequest,
) -> Result<shapes::DescribeVpcBlockPublicAccessExclusionsResult, ApiError> {
    let network = ctx.network()?;
    let exclusions = ctx.pick::<PublicAccessExclusion>(&network, &request.exclusion_ids)?;
    let exclusions = exclusions.iter().map(|exclusion| exclusion_shape(exclusion)).collect();
    let exclusions = filters::select(exclusions, &request.filters, &EXCLUSION_FIELDS)?;
    let (vpc_block_public_access_exclusions, next_token) =
        page::cut(&request, !request.exclusion_ids.is_empty(), exclusions, |exclusion| exclusion.exclusion_id.as_deref())?;
    Ok(shapes::DescribeVpcBlockPublicAccessExclusionsResult { vpc_block_public_access_exclusions, next_token })
}

static EXCLUSION_FIELDS: Fields<shapes::VpcBlockPublicAccessExclusion> = Fields {
    tags: Some(|exclusion| &exclusion.tags),
    fields: &[
        ("internet-gateway-exclusion-mode", |exclusion, m| m.offer(&exclusion.internet_gateway_exclusion_mode)),
        ("resource-arn", |exclusion, m| m.offer(&exclusion.resource_arn)),
        ("state", |exclusion, m| m.offer(&exclusion.state)),
    ],
};

fn exclusion_mode(text: &Option<String>) -> Result<ExclusionMode, ApiError> {
    let text = ids::required(text, "InternetGatewayExclusionMode")?;
    let modes = [ExclusionMode::AllowBidirectional, ExclusionMode::AllowEgress];
    modes.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
        ApiError::invalid_value(format!(
            "Value ({text}) for parameter InternetGatewayExclusionMode is invalid. Use allow-bidirectional or allow-egress."
        ))
    })
}

fn exclusion_shape(exclusion: &PublicAccessExclusion) -> shapes::VpcBlockPublicAccessExclusion {
    let arn = match exclusion.resource {
        ExcludedResource::Vpc(vpc) => exclusion.owner.ec2_arn("vpc", vpc),
        ExcludedResource::Subnet(subnet) => exclusion.owner.ec2_arn("subnet", subnet),
    };
    let state = match (exclusion.deleted_at, exclusion.updated_at) {
        (Some(_), _) => "delete-complete",
        (None, Some(_)) => "update-complete",
        (None, None) => "create-complete",
    };
    shapes::VpcBlockPublicAccessExclusion {
        creation_timestamp: Some(exclusion.created_at),
        deletion_timestamp: exclusion.deleted_at,
        exclusion_id: Some(exclusion.id.to_string()),
        internet_gateway_exclusion_mode: Some(exclusion.mode.as_str().into()),
        last_update_timestamp: exclusion.updated_at,
        reason: None,
        resource_arn: Some(arn),
        state: Some(state.into()),
        tags: tagging::shapes(&exclusion.tags),
    }
}

/// An exclusion as the answer of the call that changes it shows it.
fn in_progress(exclusion: &PublicAccessExclusion, state: &str) -> shapes::VpcBlockPublicAccessExclusion {
    shapes::VpcBlockPublicAccessExclusion { state: Some(state.to_owned()), ..exclusion_shape(exclusion) }
}
