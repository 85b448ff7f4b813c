//! CloudWatch Logs: the API side. Groups and policies here; [`streams`] has streams and events.

mod streams;

#[cfg(test)]
mod tests;

use openvpc_control::log_groups::{self, CreateGroup};
use openvpc_model::{LogGroup, LogResourcePolicy, Tags, UnixMillis};

use super::list;
use super::prelude::*;
use crate::generated::logs::shapes;

/// The operations of this service.
pub const ACTIONS: &[JsonAction] = &[
    json_action!(logs::CreateLogGroup, create_log_group),
    json_action!(logs::CreateLogStream, streams::create),
    json_action!(logs::DeleteLogGroup, delete_log_group),
    json_action!(logs::DeleteLogStream, streams::delete),
    json_action!(logs::DeleteResourcePolicy, delete_resource_policy),
    json_action!(logs::DeleteRetentionPolicy, delete_retention_policy),
    json_action!(logs::DescribeLogGroups, describe_log_groups),
    json_action!(logs::DescribeLogStreams, streams::describe),
    json_action!(logs::DescribeResourcePolicies, describe_resource_policies),
    json_action!(logs::FilterLogEvents, streams::filter_events),
    json_action!(logs::GetLogEvents, streams::get_events),
    json_action!(logs::ListTagsForResource, list_tags_for_resource),
    json_action!(logs::ListTagsLogGroup, list_tags_log_group),
    json_action!(logs::PutLogEvents, streams::put_events),
    json_action!(logs::PutResourcePolicy, put_resource_policy),
    json_action!(logs::PutRetentionPolicy, put_retention_policy),
    json_action!(logs::TagLogGroup, tag_log_group),
    json_action!(logs::TagResource, tag_resource),
    json_action!(logs::UntagLogGroup, untag_log_group),
    json_action!(logs::UntagResource, untag_resource),
];

/// The most groups, streams or policies of a page.
const PAGE: usize = 50;

fn create_log_group(ctx: &Ctx<'_>, request: shapes::CreateLogGroupRequest) -> Result<json::Empty, ApiError> {
    let create = CreateGroup {
        name: request.log_group_name.unwrap_or_default(),
        class: request.log_group_class,
        kms_key: request.kms_key_id.filter(|key| !key.is_empty()),
        deletion_protection: request.deletion_protection_enabled.unwrap_or(false),
        tags: request.tags,
    };
    ctx.mutate(|tx| log_groups::create_group(tx, create))?;
    Ok(json::Empty {})
}

fn delete_log_group(ctx: &Ctx<'_>, request: shapes::DeleteLogGroupRequest) -> Result<json::Empty, ApiError> {
    ctx.mutate(|tx| log_groups::delete_group(tx, &request.log_group_name.unwrap_or_default()))?;
    Ok(json::Empty {})
}

fn describe_log_groups(
    ctx: &Ctx<'_>,
    request: shapes::DescribeLogGroupsRequest,
) -> Result<shapes::DescribeLogGroupsResponse, ApiError> {
    if request.log_group_name_prefix.is_some() && request.log_group_name_pattern.is_some() {
        return Err(invalid("logGroupNamePrefix and logGroupNamePattern can't be used together"));
    }
    let network = ctx.network()?;
    let pattern = request.log_group_name_pattern.as_deref().unwrap_or_default().to_lowercase();
    let wanted = &request.log_group_identifiers;
    let is_shown = |group: &LogGroup| {
        group.name.starts_with(request.log_group_name_prefix.as_deref().unwrap_or_default())
            && group.name.to_lowercase().contains(&pattern)
            && request.log_group_class.as_ref().is_none_or(|class| *class == group.class)
            && (wanted.is_empty() || wanted.iter().any(|id| *id == group.name || *id == group.arn()))
    };
    let groups = network.owned::<LogGroup>(ctx.owner()).filter(|group| is_shown(group));
    let (log_groups, next_token) = cut(groups.map(|group| shape(group)).collect(), request.limit, &request.next_token)?;
    Ok(shapes::DescribeLogGroupsResponse { log_groups, next_token })
}

fn put_retention_policy(ctx: &Ctx<'_>, request: shapes::PutRetentionPolicyRequest) -> Result<json::Empty, ApiError> {
    let name = request.log_group_name.unwrap_or_default();
    ctx.mutate(|tx| log_groups::set_retention(tx, &name, request.retention_in_days))?;
    Ok(json::Empty {})
}

fn delete_retention_policy(ctx: &Ctx<'_>, request: shapes::DeleteRetentionPolicyRequest) -> Result<json::Empty, ApiError> {
    ctx.mutate(|tx| log_groups::set_retention(tx, &request.log_group_name.unwrap_or_default(), None))?;
    Ok(json::Empty {})
}

fn tag_resource(ctx: &Ctx<'_>, request: shapes::TagResourceRequest) -> Result<json::Empty, ApiError> {
    let name = named(ctx, &request.resource_arn)?;
    ctx.mutate(|tx| log_groups::tag(tx, &name, request.tags))?;
    Ok(json::Empty {})
}

fn untag_resource(ctx: &Ctx<'_>, request: shapes::UntagResourceRequest) -> Result<json::Empty, ApiError> {
    let name = named(ctx, &request.resource_arn)?;
    ctx.mutate(|tx| log_groups::untag(tx, &name, &request.tag_keys))?;
    Ok(json::Empty {})
}

fn list_tags_for_resource(
    ctx: &Ctx<'_>,
    request: shapes::ListTagsForResourceRequest,
) -> Result<shapes::ListTagsForResourceResponse, ApiError> {
    Ok(shapes::ListTagsForResourceResponse { tags: tags(ctx, &named(ctx, &request.resource_arn)?)? })
}

fn tag_log_group(ctx: &Ctx<'_>, request: shapes::TagLogGroupRequest) -> Result<json::Empty, ApiError> {
    ctx.mutate(|tx| log_groups::tag(tx, &request.log_group_name.unwrap_or_default(), request.tags))?;
    Ok(json::Empty {})
}

fn untag_log_group(ctx: &Ctx<'_>, request: shapes::UntagLogGroupRequest) -> Result<json::Empty, ApiError> {
    ctx.mutate(|tx| log_groups::untag(tx, &request.log_group_name.unwrap_or_default(), &request.tags))?;
    Ok(json::Empty {})
}

fn list_tags_log_group(
    ctx: &Ctx<'_>,
    request: shapes::ListTagsLogGroupRequest,
) -> Result<shapes::ListTagsLogGroupResponse, ApiError> {
    Ok(shapes::ListTagsLogGroupResponse { tags: tags(ctx, &request.log_group_name.unwrap_or_default())? })
}

fn put_resource_policy(
    ctx: &Ctx<'_>,
    request: shapes::PutResourcePolicyRequest,
) -> Result<shapes::PutResourcePolicyResponse, ApiError> {
    if request.resource_arn.is_some() {
        return Err(invalid("Policies of a single resource are not available here; use policyName"));
    }
    let (name, document) = (request.policy_name.unwrap_or_default(), request.policy_document.unwrap_or_default());
    let policy = ctx.mutate(|tx| log_groups::put_policy(tx, &name, &document))?;
    Ok(shapes::PutResourcePolicyResponse { resource_policy: Some(policy_shape(&policy)), revision_id: None })
}

fn delete_resource_policy(ctx: &Ctx<'_>, request: shapes::DeleteResourcePolicyRequest) -> Result<json::Empty, ApiError> {
    ctx.mutate(|tx| log_groups::delete_policy(tx, &request.policy_name.unwrap_or_default()))?;
    Ok(json::Empty {})
}

fn describe_resource_policies(
    ctx: &Ctx<'_>,
    request: shapes::DescribeResourcePoliciesRequest,
) -> Result<shapes::DescribeResourcePoliciesResponse, ApiError> {
    let network = ctx.network()?;
    let of_account = request.resource_arn.is_none() && request.policy_scope.as_deref() != Some("RESOURCE");
    let policies = network.owned::<LogResourcePolicy>(ctx.owner()).filter(|_| of_account);
    let policies = policies.map(|policy| policy_shape(policy)).collect();
    let (resource_policies, next_token) = cut(policies, request.limit, &request.next_token)?;
    Ok(shapes::DescribeResourcePoliciesResponse { resource_policies, next_token })
}

fn shape(group: &LogGroup) -> shapes::LogGroup {
    shapes::LogGroup {
        log_group_name: Some(group.name.clone()),
        creation_time: Some(wire_time(group.created_at)),
        retention_in_days: group.retention_days.and_then(|days| i32::try_from(days).ok()),
        metric_filter_count: Some(0),
        arn: Some(format!("{}:*", group.arn())),
        log_group_arn: Some(group.arn()),
        stored_bytes: Some(0),
        kms_key_id: group.kms_key.clone(),
        log_group_class: Some(group.class.clone()),
        deletion_protection_enabled: Some(group.deletion_protection),
        ..Default::default()
    }
}

fn policy_shape(policy: &LogResourcePolicy) -> shapes::ResourcePolicy {
    shapes::ResourcePolicy {
        policy_name: Some(policy.name.clone()),
        policy_document: Some(policy.document.clone()),
        last_updated_time: Some(wire_time(policy.updated_at)),
        policy_scope: Some("ACCOUNT".to_owned()),
        ..Default::default()
    }
}

fn tags(ctx: &Ctx<'_>, name: &str) -> Result<Tags, ApiError> {
    Ok(log_groups::group(&*ctx.network()?, ctx.owner(), name)?.tags.clone())
}

/// The name of the caller's log group that an ARN names, with or without the `:*` behind.
fn named(ctx: &Ctx<'_>, arn: &Option<String>) -> Result<String, ApiError> {
    let arn = arn.as_deref().unwrap_or_default();
    let Some((_, name)) = arn.split_once(":log-group:").filter(|_| arn.starts_with("arn:")) else {
        return Err(invalid(&format!("{arn} is not the ARN of a log group")));
    };
    let name = name.trim_end_matches(":*");
    let owner = ctx.owner();
    let own = format!("arn:{}:logs:{}:{}:log-group:", owner.region.partition(), owner.region, owner.account);
    if !arn.starts_with(&own) {
        return Err(ApiError::new("ResourceNotFoundException", "The specified resource does not exist."));
    }
    Ok(name.to_owned())
}

fn cut<T>(items: Vec<T>, size: Option<i32>, token: &Option<String>) -> Result<(Vec<T>, Option<String>), ApiError> {
    list::cut(items, size, PAGE, token.as_deref(), ("InvalidParameterException", "InvalidParameterException"))
}

/// Logs count milliseconds since 1970.
fn wire_time(time: UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}
