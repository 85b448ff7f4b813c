//! Target groups and their targets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use openvpc_model::{
    AddressType, HealthCheck, Instance, InstanceId, InstanceState, Listener, LoadBalancer, Network, Tags, Target, TargetGroup,
    Vpc, VpcId,
};

use super::{check_name, invalid, new_arn, tags};
use crate::{ControlError, Tx};

/// The protocols of target groups.
const PROTOCOLS: &[&str] = &["GENEVE", "HTTP", "HTTPS", "QUIC", "TCP", "TCP_QUIC", "TCP_UDP", "TLS", "UDP"];
/// The port of GENEVE.
const GENEVE: u16 = 6081;

/// What CreateTargetGroup takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTargetGroup {
    /// The name.
    pub name: String,
    /// The protocol.
    pub protocol: String,
    /// The port of targets that name none.
    pub port: u16,
    /// The VPC.
    pub vpc: VpcId,
    /// `instance`, `ip` or `alb`.
    pub target_type: String,
    /// The family of the targets.
    pub address_type: AddressType,
    /// How targets are tried.
    pub health_check: HealthCheckChange,
    /// Tags.
    pub tags: Tags,
}

/// What is said about health checks; what isn't there stays or gets its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the model")]
pub struct HealthCheckChange {
    pub enabled: Option<bool>,
    pub protocol: Option<String>,
    pub port: Option<String>,
    pub path: Option<String>,
    pub interval: Option<u32>,
    pub timeout: Option<u32>,
    pub healthy_threshold: Option<u32>,
    pub unhealthy_threshold: Option<u32>,
    pub matcher: Option<String>,
}

/// Makes a target group; returns its ARN. The same call again gives the group there is.
///
/// # Errors
/// `DuplicateTargetGroupName` for a name with other settings, `TooManyTargetGroups`, `ValidationError`.
pub fn create(tx: &mut Tx, request: &CreateTargetGroup) -> Result<String, ControlError> {
    check_name(&request.name, "Target group")?;
    tags::check(&request.tags)?;
    check_settings(tx, request)?;
    let group = TargetGroup {
        arn: new_arn(tx, &format!("targetgroup/{}", request.name)),
        owner: tx.owner().clone(),
        name: request.name.clone(),
        protocol: request.protocol.clone(),
        port: request.port,
        vpc: request.vpc,
        target_type: request.target_type.clone(),
        address_type: request.address_type,
        health_check: changed(default_health_check(&request.protocol), &request.health_check)?,
        attributes: BTreeMap::new(),
        targets: Vec::new(),
        tags: request.tags.clone(),
    };
    if let Some(present) = tx.owned::<TargetGroup>().find(|present| present.name == request.name) {
        let wanted = TargetGroup {
            arn: present.arn.clone(),
            attributes: present.attributes.clone(),
            targets: present.targets.clone(),
            ..group
        };
        if **present == wanted {
            return Ok(wanted.arn);
        }
        let message = format!("A target group with the same name '{}' exists, but with different settings", request.name);
        return Err(ControlError::new("DuplicateTargetGroupName", message));
    }
    let limit = tx.quotas().target_groups;
    if tx.count::<TargetGroup>() >= limit {
        let message = format!("The maximum number of target groups has been reached ({limit})");
        return Err(ControlError::new("TooManyTargetGroups", message));
    }
    let arn = group.arn.clone();
    tx.put(group);
    Ok(arn)
}

/// Changes the health checks.
///
/// # Errors
/// `TargetGroupNotFound`, `ValidationError`.
pub fn modify(tx: &mut Tx, arn: &str, change: &HealthCheckChange) -> Result<(), ControlError> {
    let mut group = find(tx, arn)?;
    group.health_check = changed(group.health_check, change)?;
    tx.put(group);
    Ok(())
}

/// Deletes a target group. One that isn't there is deleted already.
///
/// # Errors
/// `ResourceInUse` while a listener forwards to it.
pub fn delete(tx: &mut Tx, arn: &str) -> Result<(), ControlError> {
    if tx.owned::<Listener>().any(|listener| listener.forward.iter().any(|to| to.arn == arn)) {
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(ControlError::new("ResourceInUse", message));
    }
    if tx.find::<TargetGroup>(&arn.to_owned()).is_ok() {
        tx.remove::<TargetGroup>(&arn.to_owned());
    }
    Ok(())
}

/// A target as a caller names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// An instance's id, an address or an ARN.
    pub id: String,
    /// The port; none for the group's, or for all that a caller means.
    pub port: Option<u16>,
    /// `all` or a zone.
    pub zone: Option<String>,
}

/// Adds targets; one that is there already stays.
///
/// # Errors
/// `TargetGroupNotFound`, `InvalidTarget`, `ValidationError`.
pub fn register(tx: &mut Tx, arn: &str, targets: &[TargetSpec]) -> Result<(), ControlError> {
    let mut group = find(tx, arn)?;
    for spec in targets {
        check_target(tx, &group, spec)?;
        let target = Target { id: spec.id.clone(), port: spec.port.unwrap_or(group.port), zone: spec.zone.clone() };
        group.targets.retain(|present| (&present.id, present.port) != (&target.id, target.port));
        group.targets.push(target);
    }
    tx.put(group);
    Ok(())
}

/// Removes targets: without a port, wherever they are registered. Those that aren't there are ignored.
///
/// # Errors
/// `TargetGroupNotFound`.
pub fn deregister(tx: &mut Tx, arn: &str, targets: &[TargetSpec]) -> Result<(), ControlError> {
    let mut group = find(tx, arn)?;
    let goes =
        |target: &Target| targets.iter().any(|spec| spec.id == target.id && spec.port.is_none_or(|port| port == target.port));
    group.targets.retain(|target| !goes(target));
    tx.put(group);
    Ok(())
}

/// How a target is, in AWS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// `initial`, `unused`, …
    pub state: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The same for people.
    pub description: &'static str,
}

/// How a target is. No packets go to targets yet, so that none is ever more than about to be tried.
pub fn health(network: &Network, group: &TargetGroup, target: &TargetSpec) -> Health {
    let same = |present: &&Target| present.id == target.id && target.port.is_none_or(|port| port == present.port);
    if !group.targets.iter().any(|present| same(&present)) {
        return Health {
            state: "unused",
            reason: "Target.NotRegistered",
            description: "Target is not registered to the target group",
        };
    }
    if balancers(network, group).is_empty() {
        return Health {
            state: "unused",
            reason: "Target.NotInUse",
            description: "Target group is not configured to receive traffic from the load balancer",
        };
    }
    let instance = target.id.parse::<InstanceId>().ok().map(|id| network.get::<Instance>(&id));
    if instance.is_some_and(|instance| instance.is_none_or(|instance| instance.state != InstanceState::Running)) {
        return Health { state: "unused", reason: "Target.InvalidState", description: "Target is not in the running state" };
    }
    Health {
        state: "initial",
        reason: "Elb.InitialHealthChecking",
        description: "Initial health checks in progress: this load balancer forwards no packets yet",
    }
}

/// The ARNs of the load balancers that forward to a group.
pub fn balancers(network: &Network, group: &TargetGroup) -> Vec<String> {
    let forwards = |listener: &Listener| listener.forward.iter().any(|to| to.arn == group.arn);
    let mut arns: Vec<_> =
        network.all::<Listener>().filter(|listener| forwards(listener)).map(|listener| listener.load_balancer.clone()).collect();
    arns.sort();
    arns.dedup();
    arns.retain(|arn| network.get::<LoadBalancer>(arn).is_some());
    arns
}

/// The caller's target group with that ARN.
///
/// # Errors
/// `TargetGroupNotFound`.
pub fn find(tx: &Tx, arn: &str) -> Result<TargetGroup, ControlError> {
    Ok((*tx.find::<TargetGroup>(&arn.to_owned())?).clone())
}

fn check_settings(tx: &Tx, request: &CreateTargetGroup) -> Result<(), ControlError> {
    if !PROTOCOLS.contains(&request.protocol.as_str()) {
        return Err(invalid(format!("The protocol '{}' is not supported", request.protocol)));
    }
    if !matches!(request.target_type.as_str(), "alb" | "instance" | "ip") {
        return Err(invalid(format!("The target type '{}' is not supported", request.target_type)));
    }
    if request.protocol == "GENEVE" && request.port != GENEVE {
        return Err(invalid(format!("The port of a target group with protocol GENEVE must be {GENEVE}")));
    }
    if request.target_type == "alb" && request.protocol != "TCP" {
        return Err(invalid("The protocol of a target group with target type alb must be TCP"));
    }
    tx.find::<Vpc>(&request.vpc).map_err(|_| invalid(format!("The VPC ID '{}' is not found", request.vpc)))?;
    Ok(())
}

fn check_target(tx: &Tx, group: &TargetGroup, spec: &TargetSpec) -> Result<(), ControlError> {
    let refuse = |why: &str| Err(ControlError::new("InvalidTarget", format!("The target '{}' {why}", spec.id)));
    match group.target_type.as_str() {
        "instance" => {
            let instance = spec.id.parse::<InstanceId>().ok().and_then(|id| tx.find::<Instance>(&id).ok());
            let Some(instance) = instance else { return refuse("is not valid: no such instance") };
            if instance.state != InstanceState::Running {
                return refuse("is not in the running state");
            }
            if tx.network().enis_of(instance.id).iter().all(|eni| eni.vpc != group.vpc) {
                return refuse(&format!("is not in the target group VPC '{}'", group.vpc));
            }
        }
        "ip" => {
            let Ok(address) = spec.id.parse::<IpAddr>() else { return refuse("is not a valid IP address") };
            if address.is_ipv6() != (group.address_type == AddressType::Ipv6) {
                return refuse("is not of the target group's IP address type");
            }
            let inside = tx.find::<Vpc>(&group.vpc).is_ok_and(|vpc| vpc.contains(address));
            if !inside && !is_private(address) {
                return refuse("is not valid: only private addresses can be registered");
            }
            if !inside && spec.zone.as_deref() != Some("all") {
                return refuse("is outside the VPC of the target group: specify the Availability Zone 'all'");
            }
        }
        _ => return refuse("is not valid: there are no Application Load Balancers here"),
    }
    Ok(())
}

/// RFC 1918 and RFC 6598, which targets outside the VPC may have; any IPv6 address is refused there.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(_) => false,
    }
}

fn default_health_check(protocol: &str) -> HealthCheck {
    let (check, port, path, interval, timeout) = match protocol {
        "GENEVE" => ("TCP", "80", None, 10, 5),
        "HTTP" => ("HTTP", "traffic-port", Some("/"), 30, 5),
        "HTTPS" => ("HTTPS", "traffic-port", Some("/"), 30, 5),
        _ => ("TCP", "traffic-port", None, 30, 10),
    };
    HealthCheck {
        enabled: true,
        protocol: check.to_owned(),
        port: port.to_owned(),
        path: path.map(str::to_owned),
        interval,
        timeout,
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher: path.map(|_| "200".to_owned()),
    }
}

fn changed(mut check: HealthCheck, change: &HealthCheckChange) -> Result<HealthCheck, ControlError> {
    if change.enabled == Some(false) {
        return Err(invalid("Health checks must be enabled for target groups with target type 'instance', 'ip' or 'alb'"));
    }
    if let Some(protocol) = &change.protocol {
        match protocol.as_str() {
            "TCP" => (check.path, check.matcher) = (None, None),
            "HTTP" | "HTTPS" if check.path.is_none() => {
                check.path = Some("/".to_owned());
                check.matcher = Some("200-399".to_owned());
                // HTTP is tried faster than TCP by default.
                check.timeout = if protocol == "HTTP" { 6 } else { 10 };
            }
            "HTTP" | "HTTPS" => {}
            other => return Err(invalid(format!("The health check protocol '{other}' is not supported"))),
        }
        check.protocol.clone_from(protocol);
    }
    if let Some(port) = &change.port {
        if port != "traffic-port" && !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(invalid(format!("Health check port '{port}' must be 'traffic-port' or a number from 1 to 65535")));
        }
        check.port.clone_from(port);
    }
    let is_http = check.protocol != "TCP";
    if !is_http && (change.path.is_some() || change.matcher.is_some()) {
        return Err(invalid("Health check paths and matchers are only supported for HTTP and HTTPS health checks"));
    }
    if let Some(path) = &change.path {
        if !path.starts_with('/') || path.len() > 1024 {
            return Err(invalid(format!("Health check path '{path}' must begin with a '/' character")));
        }
        check.path = Some(path.clone());
    }
    if let Some(matcher) = &change.matcher {
        let is_code = |code: &str| code.parse::<u16>().is_ok_and(|code| (200..=599).contains(&code));
        let is_range = |part: &str| part.split('-').all(is_code) && part.split('-').count() <= 2;
        if !matcher.split(',').all(is_range) {
            return Err(invalid(format!("Health check matcher HTTP code '{matcher}' must be within '200-599' inclusive")));
        }
        check.matcher = Some(matcher.clone());
    }
    for (value, field, name, allowed) in [
        (change.interval, &mut check.interval, "interval", 5..=300),
        (change.timeout, &mut check.timeout, "timeout", 2..=120),
        (change.healthy_threshold, &mut check.healthy_threshold, "healthy threshold", 2..=10),
        (change.unhealthy_threshold, &mut check.unhealthy_threshold, "unhealthy threshold", 2..=10),
    ] {
        let Some(value) = value else { continue };
        if !allowed.contains(&value) {
            let message = format!("Health check {name} '{value}' must be from {} to {}", allowed.start(), allowed.end());
            return Err(invalid(message));
        }
        *field = value;
    }
    if check.timeout > check.interval {
        return Err(invalid("Health check timeout must not be greater than the health check interval"));
    }
    Ok(check)
}
