//! Managed policies.

use openvpc_control::iam::{self, CreatePolicy};
use openvpc_model::{ManagedPolicy, PolicyVersion};

use super::super::prelude::*;
use super::{cut, encode, path, tag_shapes, tags};
use crate::generated::iam::shapes;

pub(super) fn create(ctx: &Ctx<'_>, request: shapes::CreatePolicyRequest) -> Result<shapes::CreatePolicyResponse, ApiError> {
    let create = CreatePolicy {
        name: request.policy_name.unwrap_or_default(),
        path: path(request.path),
        document: request.policy_document.unwrap_or_default(),
        description: request.description,
        tags: tags(&request.tags)?,
    };
    let policy = ctx.mutate(|tx| iam::create_policy(tx, create))?;
    Ok(shapes::CreatePolicyResponse { policy: Some(shape(&*ctx.network()?, &policy)) })
}

pub(super) fn get(ctx: &Ctx<'_>, request: shapes::GetPolicyRequest) -> Result<shapes::GetPolicyResponse, ApiError> {
    let network = ctx.network()?;
    let policy = find(ctx, &network, &request.policy_arn)?;
    Ok(shapes::GetPolicyResponse { policy: Some(shape(&network, policy)) })
}

pub(super) fn list_policies(
    ctx: &Ctx<'_>,
    request: shapes::ListPoliciesRequest,
) -> Result<shapes::ListPoliciesResponse, ApiError> {
    let network = ctx.network()?;
    let prefix = request.path_prefix.as_deref().unwrap_or("/");
    let shows_own = match request.scope.as_deref() {
        None | Some("All" | "Local") => true,
        // Of AWS's own policies openvpc knows the names that are attached, and no documents.
        Some("AWS") => false,
        Some(other) => {
            let message = format!("Value '{other}' at 'scope' failed to satisfy constraint: All, AWS or Local");
            return Err(ApiError::new("ValidationError", message));
        }
    };
    let is_shown = |policy: &ManagedPolicy| {
        shows_own
            && policy.owner.account == ctx.owner().account
            && policy.path.starts_with(prefix)
            && (request.only_attached != Some(true) || iam::attachments(&network, policy) > 0)
    };
    let policies = network.all::<ManagedPolicy>().filter(|policy| is_shown(policy));
    // Lists leave description and tags out, as AWS's do.
    let policies =
        policies.map(|policy| shapes::Policy { description: None, tags: Vec::new(), ..shape(&network, policy) }).collect();
    let (policies, marker) = cut(policies, request.max_items, &request.marker)?;
    Ok(shapes::ListPoliciesResponse { policies, is_truncated: Some(marker.is_some()), marker })
}

pub(super) fn delete(ctx: &Ctx<'_>, request: shapes::DeletePolicyRequest) -> Result<Nothing, ApiError> {
    ctx.mutate(|tx| iam::delete_policy(tx, &request.policy_arn.unwrap_or_default()))?;
    Ok(Nothing)
}

pub(super) fn create_version(
    ctx: &Ctx<'_>,
    request: shapes::CreatePolicyVersionRequest,
) -> Result<shapes::CreatePolicyVersionResponse, ApiError> {
    let (arn, document) = (request.policy_arn.unwrap_or_default(), request.policy_document.unwrap_or_default());
    let is_default = request.set_as_default.unwrap_or(false);
    let version = ctx.mutate(|tx| iam::add_version(tx, &arn, &document, is_default))?;
    let shape = shapes::PolicyVersion { document: None, ..version_shape(&version, is_default) };
    Ok(shapes::CreatePolicyVersionResponse { policy_version: Some(shape) })
}

pub(super) fn delete_version(ctx: &Ctx<'_>, request: shapes::DeletePolicyVersionRequest) -> Result<Nothing, ApiError> {
    let (arn, version) = (request.policy_arn.unwrap_or_default(), request.version_id.unwrap_or_default());
    ctx.mutate(|tx| iam::delete_version(tx, &arn, &version))?;
    Ok(Nothing)
}

pub(super) fn get_version(
    ctx: &Ctx<'_>,
    request: shapes::GetPolicyVersionRequest,
) -> Result<shapes::GetPolicyVersionResponse, ApiError> {
    let network = ctx.network()?;
    let policy = find(ctx, &network, &request.policy_arn)?;
    let id = request.version_id.unwrap_or_default();
    let found = policy.versions.iter().find(|version| format!("v{}", version.number) == id);
    let missing =
        || ApiError::new("NoSuchEntity", format!("Policy {} version {id} does not exist or is not attachable.", policy.arn()));
    let version = found.ok_or_else(missing)?;
    let policy_version = Some(version_shape(version, version.number == policy.default_version));
    Ok(shapes::GetPolicyVersionResponse { policy_version })
}

pub(super) fn list_versions(
    ctx: &Ctx<'_>,
    request: shapes::ListPolicyVersionsRequest,
) -> Result<shapes::ListPolicyVersionsResponse, ApiError> {
    let network = ctx.network()?;
    let policy = find(ctx, &network, &request.policy_arn)?;
    // The newest first, without documents.
    let shape = |version: &PolicyVersion| shapes::PolicyVersion {
        document: None,
        ..version_shape(version, version.number == policy.default_version)
    };
    let versions = policy.versions.iter().rev().map(shape).collect();
    let (versions, marker) = cut(versions, request.max_items, &request.marker)?;
    Ok(shapes::ListPolicyVersionsResponse { versions, is_truncated: Some(marker.is_some()), marker })
}

pub(super) fn tag(ctx: &Ctx<'_>, request: shapes::TagPolicyRequest) -> Result<Nothing, ApiError> {
    let tags = tags(&request.tags)?;
    ctx.mutate(|tx| iam::tag_policy(tx, &request.policy_arn.unwrap_or_default(), tags))?;
    Ok(Nothing)
}

pub(super) fn untag(ctx: &Ctx<'_>, request: shapes::UntagPolicyRequest) -> Result<Nothing, ApiError> {
    ctx.mutate(|tx| iam::untag_policy(tx, &request.policy_arn.unwrap_or_default(), &request.tag_keys))?;
    Ok(Nothing)
}

pub(super) fn list_tags(
    ctx: &Ctx<'_>,
    request: shapes::ListPolicyTagsRequest,
) -> Result<shapes::ListPolicyTagsResponse, ApiError> {
    let network = ctx.network()?;
    let tags = tag_shapes(&find(ctx, &network, &request.policy_arn)?.tags);
    let (tags, marker) = cut(tags, request.max_items, &request.marker)?;
    Ok(shapes::ListPolicyTagsResponse { tags, is_truncated: Some(marker.is_some()), marker })
}

fn find<'a>(ctx: &Ctx<'_>, network: &'a Network, arn: &Option<String>) -> Result<&'a ManagedPolicy, ApiError> {
    let arn = arn.as_deref().unwrap_or_default();
    if !arn.starts_with("arn:") || !arn.contains(":policy/") {
        return Err(ApiError::new("InvalidInput", format!("ARN {arn} is not valid.")));
    }
    let found = network.policies.get(arn).filter(|policy| policy.owner.account == ctx.owner().account);
    let what = if iam::is_aws_managed(arn, ctx.owner()) {
        "is AWS's own, whose documents openvpc doesn't have"
    } else {
        "was not found"
    };
    found.map(|policy| &**policy).ok_or_else(|| ApiError::new("NoSuchEntity", format!("Policy {arn} {what}.")))
}

fn shape(network: &Network, policy: &ManagedPolicy) -> shapes::Policy {
    shapes::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn()),
        path: Some(policy.path.clone()),
        default_version_id: Some(format!("v{}", policy.default_version)),
        attachment_count: i32::try_from(iam::attachments(network, policy)).ok(),
        permissions_boundary_usage_count: Some(0),
        is_attachable: Some(true),
        description: policy.description.clone(),
        create_date: Some(policy.created_at),
        update_date: Some(policy.updated_at),
        tags: tag_shapes(&policy.tags),
    }
}

fn version_shape(version: &PolicyVersion, is_default: bool) -> shapes::PolicyVersion {
    shapes::PolicyVersion {
        document: Some(encode(&version.document)),
        version_id: Some(format!("v{}", version.number)),
        is_default_version: Some(is_default),
        create_date: Some(version.created_at),
    }
}
