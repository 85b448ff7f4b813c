//! Target groups.

use openvpc_control::load_balancers::attributes;
use openvpc_control::load_balancers::target_groups::{self, CreateTargetGroup, HealthCheckChange, TargetSpec};
use openvpc_model::{AddressType, LoadBalancer, TargetGroup};

use super::super::prelude::*;
use super::{Pages, id, invalid, number, owned, required, tags};
use crate::generated::elbv2::shapes;

/// CreateTargetGroup.
pub fn create_target_group(
    ctx: &Ctx<'_>,
    request: shapes::CreateTargetGroupInput,
) -> Result<shapes::CreateTargetGroupOutput, ApiError> {
    let target_type = request.target_type.clone().unwrap_or_else(|| "instance".to_owned());
    if target_type == "lambda" {
        return Err(ApiError::new("OperationNotPermitted", "Target groups with target type 'lambda' are not available here"));
    }
    let address_type = match request.ip_address_type.as_deref() {
        None | Some("ipv4") => AddressType::Ipv4,
        Some("ipv6") => AddressType::Ipv6,
        Some(other) => return Err(invalid(format!("The IP address type '{other}' is not valid"))),
    };
    let create = CreateTargetGroup {
        name: required(&request.name, "Name")?.to_owned(),
        protocol: required(&request.protocol, "Protocol")?.to_owned(),
        port: number(request.port, "Port")?.filter(|port| *port > 0).ok_or_else(|| invalid("A port must be specified"))?,
        vpc: id(required(&request.vpc_id, "VpcId")?)?,
        target_type,
        address_type,
        health_check: HealthCheckChange {
            enabled: request.health_check_enabled,
            protocol: request.health_check_protocol,
            port: request.health_check_port,
            path: request.health_check_path,
            interval: number(request.health_check_interval_seconds, "HealthCheckIntervalSeconds")?,
            timeout: number(request.health_check_timeout_seconds, "HealthCheckTimeoutSeconds")?,
            healthy_threshold: number(request.healthy_threshold_count, "HealthyThresholdCount")?,
            unhealthy_threshold: number(request.unhealthy_threshold_count, "UnhealthyThresholdCount")?,
            matcher: request.matcher.and_then(|matcher| matcher.http_code),
        },
        tags: tags::parse(&request.tags)?,
    };
    let group = ctx.mutate(|tx| {
        let arn = target_groups::create(tx, &create)?;
        Ok(shape(tx.network(), &target_groups::find(tx, &arn)?))
    })?;
    Ok(shapes::CreateTargetGroupOutput { target_groups: vec![group] })
}

/// ModifyTargetGroup.
pub fn modify_target_group(
    ctx: &Ctx<'_>,
    request: shapes::ModifyTargetGroupInput,
) -> Result<shapes::ModifyTargetGroupOutput, ApiError> {
    let arn = required(&request.target_group_arn, "TargetGroupArn")?;
    let change = HealthCheckChange {
        enabled: request.health_check_enabled,
        protocol: request.health_check_protocol,
        port: request.health_check_port,
        path: request.health_check_path,
        interval: number(request.health_check_interval_seconds, "HealthCheckIntervalSeconds")?,
        timeout: number(request.health_check_timeout_seconds, "HealthCheckTimeoutSeconds")?,
        healthy_threshold: number(request.healthy_threshold_count, "HealthyThresholdCount")?,
        unhealthy_threshold: number(request.unhealthy_threshold_count, "UnhealthyThresholdCount")?,
        matcher: request.matcher.and_then(|matcher| matcher.http_code),
    };
    let group = ctx.mutate(|tx| {
        target_groups::modify(tx, arn, &change)?;
        Ok(shape(tx.network(), &target_groups::find(tx, arn)?))
    })?;
    Ok(shapes::ModifyTargetGroupOutput { target_groups: vec![group] })
}

/// DeleteTargetGroup.
pub fn delete_target_group(
    ctx: &Ctx<'_>,
    request: shapes::DeleteTargetGroupInput,
) -> Result<shapes::DeleteTargetGroupOutput, ApiError> {
    let arn = required(&request.target_group_arn, "TargetGroupArn")?;
    ctx.mutate(|tx| target_groups::delete(tx, arn))?;
    Ok(shapes::DeleteTargetGroupOutput {})
}

/// DescribeTargetGroups.
pub fn describe_target_groups(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTargetGroupsInput,
) -> Result<shapes::DescribeTargetGroupsOutput, ApiError> {
    let network = ctx.network()?;
    let all: Vec<_> = network.owned::<TargetGroup>(ctx.owner()).collect();
    let (arns, names) = (&request.target_group_arns, &request.names);
    let missing = arns.iter().find(|arn| all.iter().all(|group| group.arn != **arn));
    let missing = missing.or_else(|| names.iter().find(|name| all.iter().all(|group| group.name != **name)));
    if let Some(missing) = missing {
        return Err(<TargetGroup as openvpc_control::Missing>::missing(missing).into());
    }
    if let Some(balancer) = &request.load_balancer_arn {
        owned::<LoadBalancer>(ctx, &network, balancer)?;
    }
    let of_balancer = |group: &TargetGroup| {
        let wanted = request.load_balancer_arn.as_ref();
        wanted.is_none_or(|wanted| target_groups::balancers(&network, group).contains(wanted))
    };
    let named =
        |group: &TargetGroup| (arns.is_empty() && names.is_empty()) || arns.contains(&group.arn) || names.contains(&group.name);
    let found = all.into_iter().filter(|group| named(group) && of_balancer(group));
    let found = found.map(|group| shape(&network, group)).collect();
    let asked = Pages { size: request.page_size, marker: request.marker };
    let (target_groups, next_marker) = asked.cut(found, |group: &shapes::TargetGroup| group.target_group_arn.as_deref())?;
    Ok(shapes::DescribeTargetGroupsOutput { target_groups, next_marker })
}

/// DescribeTargetGroupAttributes.
pub fn describe_target_group_attributes(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTargetGroupAttributesInput,
) -> Result<shapes::DescribeTargetGroupAttributesOutput, ApiError> {
    let network = ctx.network()?;
    let group = owned::<TargetGroup>(ctx, &network, required(&request.target_group_arn, "TargetGroupArn")?)?;
    let attributes = attributes::of_target_group(&group).into_iter();
    let attributes = attributes.map(|(key, value)| shapes::TargetGroupAttribute { key: Some(key), value: Some(value) }).collect();
    Ok(shapes::DescribeTargetGroupAttributesOutput { attributes })
}

/// ModifyTargetGroupAttributes.
pub fn modify_target_group_attributes(
    ctx: &Ctx<'_>,
    request: shapes::ModifyTargetGroupAttributesInput,
) -> Result<shapes::ModifyTargetGroupAttributesOutput, ApiError> {
    let arn = required(&request.target_group_arn, "TargetGroupArn")?;
    let wanted = request.attributes.into_iter();
    let wanted = wanted.map(|attribute| (attribute.key.unwrap_or_default(), attribute.value.unwrap_or_default())).collect();
    let attributes = ctx.mutate(|tx| attributes::set_on_target_group(tx, arn, &wanted))?.into_iter();
    let attributes = attributes.map(|(key, value)| shapes::TargetGroupAttribute { key: Some(key), value: Some(value) }).collect();
    Ok(shapes::ModifyTargetGroupAttributesOutput { attributes })
}

/// RegisterTargets.
pub fn register_targets(ctx: &Ctx<'_>, request: shapes::RegisterTargetsInput) -> Result<shapes::RegisterTargetsOutput, ApiError> {
    let arn = required(&request.target_group_arn, "TargetGroupArn")?;
    let targets = specs(&request.targets)?;
    ctx.mutate(|tx| target_groups::register(tx, arn, &targets))?;
    Ok(shapes::RegisterTargetsOutput {})
}

/// DeregisterTargets.
pub fn deregister_targets(
    ctx: &Ctx<'_>,
    request: shapes::DeregisterTargetsInput,
) -> Result<shapes::DeregisterTargetsOutput, ApiError> {
    let arn = required(&request.target_group_arn, "TargetGroupArn")?;
    let targets = specs(&request.targets)?;
    ctx.mutate(|tx| target_groups::deregister(tx, arn, &targets))?;
    Ok(shapes::DeregisterTargetsOutput {})
}

/// DescribeTargetHealth: of the targets that are named, or of all.
pub fn describe_target_health(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTargetHealthInput,
) -> Result<shapes::DescribeTargetHealthOutput, ApiError> {
    let network = ctx.network()?;
    let group = owned::<TargetGroup>(ctx, &network, required(&request.target_group_arn, "TargetGroupArn")?)?;
    let all = group.targets.iter();
    let all = all.map(|target| TargetSpec { id: target.id.clone(), port: Some(target.port), zone: target.zone.clone() });
    let wanted = if request.targets.is_empty() { all.collect() } else { specs(&request.targets)? };
    let describe = |target: &TargetSpec| {
        let health = target_groups::health(&network, &group, target);
        let port = target.port.unwrap_or(group.port);
        let check = &group.health_check.port;
        shapes::TargetHealthDescription {
            target: Some(shapes::TargetDescription {
                id: Some(target.id.clone()),
                port: Some(port.into()),
                availability_zone: target.zone.clone(),
                ..Default::default()
            }),
            health_check_port: Some(if check == "traffic-port" { port.to_string() } else { check.clone() }),
            target_health: Some(shapes::TargetHealth {
                state: Some(health.state.to_owned()),
                reason: Some(health.reason.to_owned()),
                description: Some(health.description.to_owned()),
            }),
            ..Default::default()
        }
    };
    Ok(shapes::DescribeTargetHealthOutput { target_health_descriptions: wanted.iter().map(describe).collect() })
}

fn specs(targets: &[shapes::TargetDescription]) -> Result<Vec<TargetSpec>, ApiError> {
    if targets.is_empty() {
        return Err(invalid("At least one target must be specified"));
    }
    let spec = |target: &shapes::TargetDescription| {
        Ok(TargetSpec {
            id: required(&target.id, "Targets.Id")?.to_owned(),
            port: number(target.port, "Port")?,
            zone: target.availability_zone.clone(),
        })
    };
    targets.iter().map(spec).collect()
}

fn shape(network: &Network, group: &TargetGroup) -> shapes::TargetGroup {
    let check = &group.health_check;
    // The model keeps these within what a request may say, far below the limits of the wire's numbers.
    let number = |value: u32| i32::try_from(value).ok();
    shapes::TargetGroup {
        target_group_arn: Some(group.arn.clone()),
        target_group_name: Some(group.name.clone()),
        protocol: Some(group.protocol.clone()),
        port: Some(group.port.into()),
        vpc_id: Some(group.vpc.to_string()),
        health_check_protocol: Some(check.protocol.clone()),
        health_check_port: Some(check.port.clone()),
        health_check_enabled: Some(check.enabled),
        health_check_interval_seconds: number(check.interval),
        health_check_timeout_seconds: number(check.timeout),
        healthy_threshold_count: number(check.healthy_threshold),
        unhealthy_threshold_count: number(check.unhealthy_threshold),
        health_check_path: check.path.clone(),
        matcher: check.matcher.clone().map(|code| shapes::Matcher { http_code: Some(code), ..Default::default() }),
        load_balancer_arns: target_groups::balancers(network, group),
        target_type: Some(group.target_type.clone()),
        ip_address_type: Some(group.address_type.as_str().to_owned()),
        ..Default::default()
    }
}
