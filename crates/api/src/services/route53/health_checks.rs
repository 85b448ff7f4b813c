//! Health checks: kept, never probed.

use openvpc_control::route53::health_checks as control;
use openvpc_model::hosted_zone::HealthCheckConfig;
use openvpc_model::prefix_list::AwsPrefixList;
use openvpc_model::{DnsHealthCheck, Region};

use super::*;

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateHealthCheckRequest,
) -> Result<shapes::CreateHealthCheckResponse, ApiError> {
    let config = config(request.health_check_config.unwrap_or_default());
    let reference = request.caller_reference.unwrap_or_default();
    let check = ctx.mutate(|tx| control::create(tx, &reference, config))?;
    let location = Some(format!("{VERSION}/healthcheck/{}", check.id));
    Ok(shapes::CreateHealthCheckResponse { health_check: Some(shape(&check)), location })
}

pub(super) fn get(ctx: &Ctx<'_>, request: shapes::GetHealthCheckRequest) -> Result<shapes::GetHealthCheckResponse, ApiError> {
    let check = control::find(&*ctx.network()?, &owner(ctx), id(&request.health_check_id))?;
    Ok(shapes::GetHealthCheckResponse { health_check: Some(shape(&check)) })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteHealthCheckRequest,
) -> Result<shapes::DeleteHealthCheckResponse, ApiError> {
    ctx.mutate(|tx| control::delete(tx, id(&request.health_check_id)))?;
    Ok(shapes::DeleteHealthCheckResponse {})
}

pub(super) fn update(
    ctx: &Ctx<'_>,
    request: shapes::UpdateHealthCheckRequest,
) -> Result<shapes::UpdateHealthCheckResponse, ApiError> {
    let check = ctx.mutate(|tx| {
        control::update(tx, id(&request.health_check_id), request.health_check_version, |config| change(config, &request))
    })?;
    Ok(shapes::UpdateHealthCheckResponse { health_check: Some(shape(&check)) })
}

pub(super) fn count(
    ctx: &Ctx<'_>,
    _: shapes::GetHealthCheckCountRequest,
) -> Result<shapes::GetHealthCheckCountResponse, ApiError> {
    let count = ctx.network()?.owned::<DnsHealthCheck>(&owner(ctx)).count();
    Ok(shapes::GetHealthCheckCountResponse { health_check_count: i64::try_from(count).ok() })
}

pub(super) fn list(
    ctx: &Ctx<'_>,
    request: shapes::ListHealthChecksRequest,
) -> Result<shapes::ListHealthChecksResponse, ApiError> {
    let (network, owner) = (ctx.network()?, owner(ctx));
    let checks = network.owned::<DnsHealthCheck>(&owner);
    let (checks, next_marker, max_items) = page(checks, &request.marker, &request.max_items, |check| check.id.clone())?;
    Ok(shapes::ListHealthChecksResponse {
        health_checks: checks.into_iter().map(|check| shape(check)).collect(),
        marker: request.marker,
        is_truncated: Some(next_marker.is_some()),
        next_marker,
        max_items: Some(max_items),
    })
}

pub(super) fn status(
    ctx: &Ctx<'_>,
    request: shapes::GetHealthCheckStatusRequest,
) -> Result<shapes::GetHealthCheckStatusResponse, ApiError> {
    Ok(shapes::GetHealthCheckStatusResponse {
        health_check_observations: observations(ctx, id(&request.health_check_id), false)?,
    })
}

pub(super) fn last_failure(
    ctx: &Ctx<'_>,
    request: shapes::GetHealthCheckLastFailureReasonRequest,
) -> Result<shapes::GetHealthCheckLastFailureReasonResponse, ApiError> {
    let observations = observations(ctx, id(&request.health_check_id), true)?;
    Ok(shapes::GetHealthCheckLastFailureReasonResponse { health_check_observations: observations })
}

pub(super) fn checker_ranges(
    ctx: &Ctx<'_>,
    _: shapes::GetCheckerIpRangesRequest,
) -> Result<shapes::GetCheckerIpRangesResponse, ApiError> {
    let list = AwsPrefixList::of_service(&ctx.owner().region, "route53-healthchecks");
    let ranges = list.map(|list| list.block.to_string()).into_iter().collect();
    Ok(shapes::GetCheckerIpRangesResponse { checker_ip_ranges: ranges })
}

/// What the checkers would have seen: nothing is probed, so that all is well unless the settings say otherwise.
fn observations(ctx: &Ctx<'_>, id: &str, failures: bool) -> Result<Vec<shapes::HealthCheckObservation>, ApiError> {
    let network = ctx.network()?;
    let check = control::find(&network, &owner(ctx), id)?;
    let healthy = network.is_healthy(id);
    if failures && healthy {
        return Ok(Vec::new());
    }
    let regions = match check.config.regions.as_slice() {
        [] => ["us-east-1", "us-west-2", "eu-west-1"].map(str::to_owned).to_vec(),
        regions => regions.to_vec(),
    };
    let words = if healthy { "Success: taken for healthy; nothing is probed" } else { "Failure: the settings make it unhealthy" };
    let observation = |region: String| {
        let checker = region.parse().ok().and_then(|region: Region| AwsPrefixList::of_service(&region, "route53-healthchecks"));
        shapes::HealthCheckObservation {
            ip_address: checker.map(|list| list.block.addr().to_string()),
            region: Some(region),
            status_report: Some(shapes::StatusReport { status: Some(words.to_owned()), checked_time: Some(ctx.control().now()) }),
        }
    };
    Ok(regions.into_iter().map(observation).collect())
}

fn config(given: shapes::HealthCheckConfig) -> HealthCheckConfig {
    HealthCheckConfig {
        kind: given.r#type.unwrap_or_default(),
        ip_address: given.ip_address,
        port: given.port,
        resource_path: given.resource_path,
        domain: given.fully_qualified_domain_name,
        search_string: given.search_string,
        request_interval: given.request_interval,
        failure_threshold: given.failure_threshold,
        measure_latency: given.measure_latency,
        inverted: given.inverted.unwrap_or(false),
        disabled: given.disabled.unwrap_or(false),
        health_threshold: given.health_threshold,
        children: given.child_health_checks,
        enable_sni: given.enable_sni,
        regions: given.regions,
        alarm: given.alarm_identifier.map(|alarm| (alarm.region.unwrap_or_default(), alarm.name.unwrap_or_default())),
        insufficient_data: given.insufficient_data_health_status,
        routing_control: given.routing_control_arn,
    }
}

fn change(config: &mut HealthCheckConfig, request: &shapes::UpdateHealthCheckRequest) {
    fn set<T: Clone>(place: &mut Option<T>, given: &Option<T>) {
        if given.is_some() {
            place.clone_from(given);
        }
    }
    set(&mut config.ip_address, &request.ip_address);
    set(&mut config.port, &request.port);
    set(&mut config.resource_path, &request.resource_path);
    set(&mut config.domain, &request.fully_qualified_domain_name);
    set(&mut config.search_string, &request.search_string);
    set(&mut config.failure_threshold, &request.failure_threshold);
    set(&mut config.health_threshold, &request.health_threshold);
    set(&mut config.enable_sni, &request.enable_sni);
    set(&mut config.insufficient_data, &request.insufficient_data_health_status);
    config.inverted = request.inverted.unwrap_or(config.inverted);
    config.disabled = request.disabled.unwrap_or(config.disabled);
    if !request.child_health_checks.is_empty() {
        config.children.clone_from(&request.child_health_checks);
    }
    if !request.regions.is_empty() {
        config.regions.clone_from(&request.regions);
    }
    if let Some(alarm) = &request.alarm_identifier {
        config.alarm = Some((alarm.region.clone().unwrap_or_default(), alarm.name.clone().unwrap_or_default()));
    }
    for element in &request.reset_elements {
        match &**element {
            "FullyQualifiedDomainName" => config.domain = None,
            "Regions" => config.regions.clear(),
            "ResourcePath" => config.resource_path = None,
            "ChildHealthChecks" => config.children.clear(),
            _ => {}
        }
    }
}

fn shape(check: &DnsHealthCheck) -> shapes::HealthCheck {
    let config = &check.config;
    let shown = shapes::HealthCheckConfig {
        ip_address: config.ip_address.clone(),
        port: config.port,
        r#type: Some(config.kind.clone()),
        resource_path: config.resource_path.clone(),
        fully_qualified_domain_name: config.domain.clone(),
        search_string: config.search_string.clone(),
        request_interval: config.request_interval,
        failure_threshold: config.failure_threshold,
        measure_latency: config.measure_latency,
        inverted: Some(config.inverted),
        disabled: Some(config.disabled),
        health_threshold: config.health_threshold,
        child_health_checks: config.children.clone(),
        enable_sni: config.enable_sni,
        regions: config.regions.clone(),
        alarm_identifier: config
            .alarm
            .as_ref()
            .map(|(region, name)| shapes::AlarmIdentifier { region: Some(region.clone()), name: Some(name.clone()) }),
        insufficient_data_health_status: config.insufficient_data.clone(),
        routing_control_arn: config.routing_control.clone(),
    };
    shapes::HealthCheck {
        id: Some(check.id.clone()),
        caller_reference: Some(check.caller_reference.clone()),
        health_check_config: Some(shown),
        health_check_version: i64::try_from(check.version).ok(),
        ..Default::default()
    }
}
