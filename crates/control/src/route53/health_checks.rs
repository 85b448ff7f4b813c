//! Health checks of Route 53: kept, and healthy unless their settings say otherwise. Nothing is probed.

use std::sync::Arc;

use openvpc_model::hosted_zone::HealthCheckConfig;
use openvpc_model::{DnsHealthCheck, Network, Owner, Tags};

use super::{invalid, new_uuid, owner};
use crate::{ControlError, Tx};

/// Makes a health check. The same call again gives the health check there is.
///
/// # Errors
/// `HealthCheckAlreadyExists`, `TooManyHealthChecks`, `InvalidInput`.
pub fn create(tx: &mut Tx, caller_reference: &str, config: HealthCheckConfig) -> Result<Arc<DnsHealthCheck>, ControlError> {
    if !(1..=64).contains(&caller_reference.chars().count()) {
        return Err(invalid("The caller reference has 1 to 64 characters"));
    }
    let owner = owner(tx);
    let config = completed(config);
    let same = tx.network().owned::<DnsHealthCheck>(&owner).find(|check| check.caller_reference == caller_reference);
    if let Some(present) = same {
        if present.config == config {
            return Ok(Arc::clone(present));
        }
        let message = format!("A health check with the caller reference {caller_reference} and other settings already exists.");
        return Err(ControlError::new("HealthCheckAlreadyExists", message));
    }
    let limit = tx.quotas().health_checks;
    if tx.network().owned::<DnsHealthCheck>(&owner).count() >= limit {
        return Err(ControlError::new(
            "TooManyHealthChecks",
            format!("The account has the {limit} health checks that it may have."),
        ));
    }
    check(tx.network(), &owner, &config)?;
    let made = DnsHealthCheck {
        id: new_uuid(tx),
        owner,
        caller_reference: caller_reference.to_owned(),
        version: 1,
        config,
        tags: Tags::new(),
    };
    tx.put(made.clone());
    Ok(Arc::new(made))
}

/// Changes a health check, if it is of the version that the caller knows.
///
/// # Errors
/// `NoSuchHealthCheck`, `HealthCheckVersionMismatch`, `InvalidInput`.
pub fn update(
    tx: &mut Tx,
    id: &str,
    version: Option<i64>,
    change: impl FnOnce(&mut HealthCheckConfig),
) -> Result<Arc<DnsHealthCheck>, ControlError> {
    let owner = owner(tx);
    let mut found = (*find(tx.network(), &owner, id)?).clone();
    if version.is_some_and(|version| u64::try_from(version) != Ok(found.version)) {
        let message = format!("The health check {id} has version {}, not the one that the request names.", found.version);
        return Err(ControlError::new("HealthCheckVersionMismatch", message));
    }
    change(&mut found.config);
    check(tx.network(), &owner, &found.config)?;
    found.version += 1;
    tx.put(found.clone());
    Ok(Arc::new(found))
}

/// Deletes a health check; record sets with it count as healthy from then on.
///
/// # Errors
/// `NoSuchHealthCheck`.
pub fn delete(tx: &mut Tx, id: &str) -> Result<(), ControlError> {
    let found = find(tx.network(), &owner(tx), id)?;
    tx.remove::<DnsHealthCheck>(&found.id);
    Ok(())
}

/// A health check of an account.
///
/// # Errors
/// `NoSuchHealthCheck`.
pub fn find(network: &Network, owner: &Owner, id: &str) -> Result<Arc<DnsHealthCheck>, ControlError> {
    let found = network.dns_health_checks.get(id).filter(|check| check.owner == *owner);
    found.cloned().ok_or_else(|| no_such_check(id))
}

pub(super) fn no_such_check(id: &str) -> ControlError {
    ControlError::new("NoSuchHealthCheck", format!("A health check with id {id} does not exist."))
}

/// What AWS adds to what was asked for.
fn completed(mut config: HealthCheckConfig) -> HealthCheckConfig {
    let probes = matches!(&*config.kind, "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP");
    if probes {
        config.request_interval.get_or_insert(30);
        config.failure_threshold.get_or_insert(3);
        config.measure_latency.get_or_insert(false);
        let https = config.kind.starts_with("HTTPS");
        config.enable_sni.get_or_insert(https);
        if config.kind != "TCP" {
            config.port.get_or_insert(if https { 443 } else { 80 });
        }
    }
    config
}

fn check(network: &Network, owner: &Owner, config: &HealthCheckConfig) -> Result<(), ControlError> {
    let between = |value: Option<i32>, least: i32, most: i32, name: &str| match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(invalid(format!("{name} is a number from {least} to {most}, not {value}")))
        }
        _ => Ok(()),
    };
    between(config.port, 1, 65_535, "Port")?;
    between(config.failure_threshold, 1, 10, "FailureThreshold")?;
    between(config.request_interval, 10, 30, "RequestInterval")?;
    between(config.health_threshold, 0, 256, "HealthThreshold")?;
    if !config.regions.is_empty() && config.regions.len() < 3 {
        return Err(invalid("A health check is made from three regions or more"));
    }
    let needs = |present: bool, what: &str| match present {
        true => Ok(()),
        false => Err(invalid(format!("A health check of type {} needs {what}", config.kind))),
    };
    match &*config.kind {
        "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP" => {
            needs(config.ip_address.is_some() || config.domain.is_some(), "IPAddress or FullyQualifiedDomainName")?;
            needs(config.kind != "TCP" || config.port.is_some(), "Port")?;
            needs(!config.kind.ends_with("STR_MATCH") || config.search_string.is_some(), "SearchString")?;
            if config.ip_address.as_deref().is_some_and(|address| address.parse::<std::net::IpAddr>().is_err()) {
                return Err(invalid("IPAddress is no IPv4 or IPv6 address"));
            }
            Ok(())
        }
        "CALCULATED" => {
            needs(config.health_threshold.is_some(), "HealthThreshold")?;
            if config.children.len() > 255 {
                return Err(invalid("A calculated health check has at most 255 children"));
            }
            config.children.iter().try_for_each(|child| find(network, owner, child).map(drop))
        }
        "CLOUDWATCH_METRIC" => needs(config.alarm.is_some(), "AlarmIdentifier"),
        "RECOVERY_CONTROL" => needs(config.routing_control.is_some(), "RoutingControlArn"),
        other => Err(invalid(format!("The health check type {other} is not one of those that Route 53 has"))),
    }
}
