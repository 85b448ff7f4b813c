//! Instance profiles.

use openvpc_control::iam;
use openvpc_model::InstanceProfile;

use super::super::prelude::*;
use super::{cut, path, role, role_shape, tag_shapes, tags};
use crate::generated::iam::shapes;

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateInstanceProfileRequest,
) -> Result<shapes::CreateInstanceProfileResponse, ApiError> {
    let (name, tags) = (request.instance_profile_name.unwrap_or_default(), tags(&request.tags)?);
    let profile = ctx.mutate(|tx| iam::create_profile(tx, &name, &path(request.path), tags))?;
    Ok(shapes::CreateInstanceProfileResponse { instance_profile: Some(shape(ctx, &*ctx.network()?, &profile)) })
}

pub(super) fn get(
    ctx: &Ctx<'_>,
    request: shapes::GetInstanceProfileRequest,
) -> Result<shapes::GetInstanceProfileResponse, ApiError> {
    let network = ctx.network()?;
    let profile = iam::profile(&network, ctx.owner(), &request.instance_profile_name.unwrap_or_default())?;
    Ok(shapes::GetInstanceProfileResponse { instance_profile: Some(shape(ctx, &network, profile)) })
}

pub(super) fn delete(ctx: &Ctx<'_>, request: shapes::DeleteInstanceProfileRequest) -> Result<Nothing, ApiError> {
    ctx.mutate(|tx| iam::delete_profile(tx, &request.instance_profile_name.unwrap_or_default()))?;
    Ok(Nothing)
}

pub(super) fn add_role(ctx: &Ctx<'_>, request: shapes::AddRoleToInstanceProfileRequest) -> Result<Nothing, ApiError> {
    let (name, role) = (request.instance_profile_name.unwrap_or_default(), request.role_name.unwrap_or_default());
    ctx.mutate(|tx| iam::add_role(tx, &name, &role))?;
    Ok(Nothing)
}

pub(super) fn remove_role(ctx: &Ctx<'_>, request: shapes::RemoveRoleFromInstanceProfileRequest) -> Result<Nothing, ApiError> {
    let (name, role) = (request.instance_profile_name.unwrap_or_default(), request.role_name.unwrap_or_default());
    ctx.mutate(|tx| iam::remove_role(tx, &name, &role))?;
    Ok(Nothing)
}

pub(super) fn list_profiles(
    ctx: &Ctx<'_>,
    request: shapes::ListInstanceProfilesRequest,
) -> Result<shapes::ListInstanceProfilesResponse, ApiError> {
    let network = ctx.network()?;
    let prefix = request.path_prefix.as_deref().unwrap_or("/");
    let is_own = |profile: &InstanceProfile| profile.owner.account == ctx.owner().account && profile.path.starts_with(prefix);
    let profiles = network.all::<InstanceProfile>().filter(|profile| is_own(profile));
    let profiles = profiles.map(|profile| shape(ctx, &network, profile)).collect();
    let (instance_profiles, marker) = cut(profiles, request.max_items, &request.marker)?;
    Ok(shapes::ListInstanceProfilesResponse { instance_profiles, is_truncated: Some(marker.is_some()), marker })
}

pub(super) fn list_for_role(
    ctx: &Ctx<'_>,
    request: shapes::ListInstanceProfilesForRoleRequest,
) -> Result<shapes::ListInstanceProfilesForRoleResponse, ApiError> {
    let network = ctx.network()?;
    let role = role(ctx, &network, &request.role_name)?;
    let profiles = iam::profiles_of(&network, role).map(|profile| shape(ctx, &network, profile)).collect();
    let (instance_profiles, marker) = cut(profiles, request.max_items, &request.marker)?;
    Ok(shapes::ListInstanceProfilesForRoleResponse { instance_profiles, is_truncated: Some(marker.is_some()), marker })
}

fn shape(ctx: &Ctx<'_>, network: &Network, profile: &InstanceProfile) -> shapes::InstanceProfile {
    let held = profile.role.as_ref().and_then(|name| iam::role(network, ctx.owner(), name).ok());
    shapes::InstanceProfile {
        path: Some(profile.path.clone()),
        instance_profile_name: Some(profile.name.clone()),
        instance_profile_id: Some(profile.id.clone()),
        arn: Some(profile.arn()),
        create_date: Some(profile.created_at),
        roles: held.map(|role| role_shape(role)).into_iter().collect(),
        tags: tag_shapes(&profile.tags),
    }
}
