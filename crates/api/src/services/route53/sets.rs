//! What stands beside zones and health checks: delegation sets, changes, tags, limits, query logging.

use openvpc_control::route53::{self, delegation_sets, health_checks, query_logging};
use openvpc_model::{DnsHealthCheck, QueryLoggingConfig, Tags};

use super::*;

pub(super) fn create_delegation_set(
    ctx: &Ctx<'_>,
    request: shapes::CreateReusableDelegationSetRequest,
) -> Result<shapes::CreateReusableDelegationSetResponse, ApiError> {
    let zone = request.hosted_zone_id.as_ref().map(|_| id(&request.hosted_zone_id));
    let reference = request.caller_reference.as_deref().unwrap_or_default();
    let set = ctx.mutate(|tx| delegation_sets::create(tx, reference, zone))?;
    Ok(shapes::CreateReusableDelegationSetResponse {
        delegation_set: Some(delegation_set_shape(&set)),
        location: Some(format!("{VERSION}/delegationset/{}", set.id)),
    })
}

pub(super) fn delete_delegation_set(
    ctx: &Ctx<'_>,
    request: shapes::DeleteReusableDelegationSetRequest,
) -> Result<shapes::DeleteReusableDelegationSetResponse, ApiError> {
    ctx.mutate(|tx| delegation_sets::delete(tx, id(&request.id)))?;
    Ok(shapes::DeleteReusableDelegationSetResponse {})
}

pub(super) fn get_delegation_set(
    ctx: &Ctx<'_>,
    request: shapes::GetReusableDelegationSetRequest,
) -> Result<shapes::GetReusableDelegationSetResponse, ApiError> {
    let set = delegation_sets::find(&*ctx.network()?, &owner(ctx), id(&request.id))?;
    Ok(shapes::GetReusableDelegationSetResponse { delegation_set: Some(delegation_set_shape(&set)) })
}

pub(super) fn list_delegation_sets(
    ctx: &Ctx<'_>,
    request: shapes::ListReusableDelegationSetsRequest,
) -> Result<shapes::ListReusableDelegationSetsResponse, ApiError> {
    let (network, owner) = (ctx.network()?, owner(ctx));
    let sets = network.owned::<DelegationSet>(&owner);
    let (sets, next_marker, max_items) = page(sets, &request.marker, &request.max_items, |set| set.id.clone())?;
    Ok(shapes::ListReusableDelegationSetsResponse {
        delegation_sets: sets.into_iter().map(|set| delegation_set_shape(set)).collect(),
        marker: request.marker,
        is_truncated: Some(next_marker.is_some()),
        next_marker,
        max_items: Some(max_items),
    })
}

pub(super) fn delegation_set_limit(
    ctx: &Ctx<'_>,
    request: shapes::GetReusableDelegationSetLimitRequest,
) -> Result<shapes::GetReusableDelegationSetLimitResponse, ApiError> {
    let network = ctx.network()?;
    let set = delegation_sets::find(&network, &owner(ctx), id(&request.delegation_set_id))?;
    let count = delegation_sets::zones_with(&network, &set).count();
    let limit = shapes::ReusableDelegationSetLimit { r#type: request.r#type, value: Some(100) };
    Ok(shapes::GetReusableDelegationSetLimitResponse { limit: Some(limit), count: i64::try_from(count).ok() })
}

pub(super) fn get_change(ctx: &Ctx<'_>, request: shapes::GetChangeRequest) -> Result<shapes::GetChangeResponse, ApiError> {
    let network = ctx.network()?;
    let wanted = id(&request.id);
    let found = network.dns_changes.get(wanted).filter(|change| change.owner == owner(ctx));
    let missing = || ApiError::new("NoSuchChange", format!("Could not find resource with ID: {wanted}"));
    Ok(shapes::GetChangeResponse { change_info: Some(change_info(found.ok_or_else(missing)?, "INSYNC")) })
}

pub(super) fn change_tags(
    ctx: &Ctx<'_>,
    request: shapes::ChangeTagsForResourceRequest,
) -> Result<shapes::ChangeTagsForResourceResponse, ApiError> {
    let add: Tags =
        request.add_tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect();
    let kind = request.resource_type.as_deref().unwrap_or_default();
    ctx.mutate(|tx| route53::change_tags(tx, kind, id(&request.resource_id), &add, &request.remove_tag_keys))?;
    Ok(shapes::ChangeTagsForResourceResponse {})
}

pub(super) fn list_tags(
    ctx: &Ctx<'_>,
    request: shapes::ListTagsForResourceRequest,
) -> Result<shapes::ListTagsForResourceResponse, ApiError> {
    let kind = request.resource_type.as_deref().unwrap_or_default();
    let tags = tag_set(ctx, &*ctx.network()?, kind, id(&request.resource_id))?;
    Ok(shapes::ListTagsForResourceResponse { resource_tag_set: Some(tags) })
}

pub(super) fn list_tags_of_many(
    ctx: &Ctx<'_>,
    request: shapes::ListTagsForResourcesRequest,
) -> Result<shapes::ListTagsForResourcesResponse, ApiError> {
    let network = ctx.network()?;
    let kind = request.resource_type.as_deref().unwrap_or_default();
    if request.resource_ids.is_empty() || request.resource_ids.len() > 10 {
        return Err(invalid("A request names 1 to 10 resources"));
    }
    let sets = request.resource_ids.into_iter().map(|given| tag_set(ctx, &network, kind, id(&Some(given))));
    Ok(shapes::ListTagsForResourcesResponse { resource_tag_sets: sets.collect::<Result<_, _>>()? })
}

fn tag_set(ctx: &Ctx<'_>, network: &Network, kind: &str, id: &str) -> Result<shapes::ResourceTagSet, ApiError> {
    let tags = match kind {
        "hostedzone" => route53::find(network, &owner(ctx), id)?.tags.clone(),
        "healthcheck" => health_checks::find(network, &owner(ctx), id)?.tags.clone(),
        other => return word(other, "resourceType", None),
    };
    Ok(shapes::ResourceTagSet {
        resource_type: Some(kind.to_owned()),
        resource_id: Some(id.to_owned()),
        tags: tags.iter().map(|(key, value)| shapes::Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect(),
    })
}

pub(super) fn account_limit(
    ctx: &Ctx<'_>,
    request: shapes::GetAccountLimitRequest,
) -> Result<shapes::GetAccountLimitResponse, ApiError> {
    let (network, owner, quotas) = (ctx.network()?, owner(ctx), ctx.control().quotas());
    let kind = request.r#type.unwrap_or_default();
    let (value, count) = match &*kind {
        "MAX_HEALTH_CHECKS_BY_OWNER" => (quotas.health_checks, network.owned::<DnsHealthCheck>(&owner).count()),
        "MAX_HOSTED_ZONES_BY_OWNER" => (quotas.hosted_zones, network.owned::<HostedZone>(&owner).count()),
        "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER" => (quotas.delegation_sets, network.owned::<DelegationSet>(&owner).count()),
        "MAX_TRAFFIC_POLICIES_BY_OWNER" => (50, 0),
        "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER" => (5, 0),
        other => return word(other, "type", None),
    };
    let limit = shapes::AccountLimit { r#type: Some(kind), value: i64::try_from(value).ok() };
    Ok(shapes::GetAccountLimitResponse { limit: Some(limit), count: i64::try_from(count).ok() })
}

pub(super) fn create_query_logging(
    ctx: &Ctx<'_>,
    request: shapes::CreateQueryLoggingConfigRequest,
) -> Result<shapes::CreateQueryLoggingConfigResponse, ApiError> {
    let group = request.cloud_watch_logs_log_group_arn.as_deref().unwrap_or_default();
    let config = ctx.mutate(|tx| query_logging::create(tx, id(&request.hosted_zone_id), group))?;
    let location = Some(format!("{VERSION}/queryloggingconfig/{}", config.id));
    Ok(shapes::CreateQueryLoggingConfigResponse { query_logging_config: Some(query_logging_shape(&config)), location })
}

pub(super) fn delete_query_logging(
    ctx: &Ctx<'_>,
    request: shapes::DeleteQueryLoggingConfigRequest,
) -> Result<shapes::DeleteQueryLoggingConfigResponse, ApiError> {
    ctx.mutate(|tx| query_logging::delete(tx, id(&request.id)))?;
    Ok(shapes::DeleteQueryLoggingConfigResponse {})
}

pub(super) fn get_query_logging(
    ctx: &Ctx<'_>,
    request: shapes::GetQueryLoggingConfigRequest,
) -> Result<shapes::GetQueryLoggingConfigResponse, ApiError> {
    let config = query_logging::find(&*ctx.network()?, &owner(ctx), id(&request.id))?;
    Ok(shapes::GetQueryLoggingConfigResponse { query_logging_config: Some(query_logging_shape(&config)) })
}

pub(super) fn list_query_logging(
    ctx: &Ctx<'_>,
    request: shapes::ListQueryLoggingConfigsRequest,
) -> Result<shapes::ListQueryLoggingConfigsResponse, ApiError> {
    let (network, owner) = (ctx.network()?, owner(ctx));
    let zone = request.hosted_zone_id.as_ref().map(|_| id(&request.hosted_zone_id));
    if let Some(zone) = zone {
        route53::find(&network, &owner, zone)?;
    }
    let configs = network.owned::<QueryLoggingConfig>(&owner).filter(|config| zone.is_none_or(|zone| config.zone == zone));
    let configs: Vec<_> = configs.map(|config| query_logging_shape(config)).collect();
    let (configs, next_token) = zones::cut(configs, size(&request.max_results, PAGE)?, request.next_token.as_deref())?;
    Ok(shapes::ListQueryLoggingConfigsResponse { query_logging_configs: configs, next_token })
}

fn query_logging_shape(config: &QueryLoggingConfig) -> shapes::QueryLoggingConfig {
    shapes::QueryLoggingConfig {
        id: Some(config.id.clone()),
        hosted_zone_id: Some(config.zone.clone()),
        cloud_watch_logs_log_group_arn: Some(config.log_group.clone()),
    }
}
