//! Attributes of load balancers, target groups and listeners: what was set, over the defaults.

use std::collections::BTreeMap;

use openvpc_model::{Listener, LoadBalancer, LoadBalancerKind, TargetGroup};

use super::invalid;
use crate::{ControlError, Tx};

/// Attributes by name.
pub type Attributes = BTreeMap<String, String>;

/// The attributes of a load balancer.
pub fn of_load_balancer(balancer: &LoadBalancer) -> Attributes {
    let common = [("deletion_protection.enabled", "false"), ("load_balancing.cross_zone.enabled", "false")];
    let network: &[(&str, &str)] = &[
        ("access_logs.s3.bucket", ""),
        ("access_logs.s3.enabled", "false"),
        ("access_logs.s3.prefix", ""),
        ("dns_record.client_routing_policy", "any_availability_zone"),
        ("ipv6.deny_all_igw_traffic", if balancer.internal { "true" } else { "false" }),
        ("secondary_ips.auto_assigned.per_subnet", "0"),
        ("zonal_shift.config.enabled", "false"),
    ];
    let of_kind = if balancer.kind == LoadBalancerKind::Network { network } else { &[] };
    over(common.iter().chain(of_kind), &balancer.attributes)
}

/// The attributes of a target group.
pub fn of_target_group(group: &TargetGroup) -> Attributes {
    let common = [("deregistration_delay.timeout_seconds", "300"), ("stickiness.enabled", "false")];
    let gateway = [
        ("stickiness.type", "source_ip_dest_ip_proto"),
        ("target_failover.on_deregistration", "no_rebalance"),
        ("target_failover.on_unhealthy", "no_rebalance"),
    ];
    let is_udp = group.protocol.contains("UDP");
    let keeps_client = group.target_type != "ip" || is_udp;
    let network = [
        ("deregistration_delay.connection_termination.enabled", if is_udp { "true" } else { "false" }),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("preserve_client_ip.enabled", if keeps_client { "true" } else { "false" }),
        ("proxy_protocol_v2.enabled", "false"),
        ("stickiness.type", "source_ip"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
        ("target_health_state.unhealthy.connection_termination.enabled", "true"),
        ("target_health_state.unhealthy.draining_interval_seconds", "0"),
    ];
    let of_kind: &[(&str, &str)] = if group.protocol == "GENEVE" { &gateway } else { &network };
    over(common.iter().chain(of_kind), &group.attributes)
}

/// The attributes of a listener.
pub fn of_listener(listener: &Listener) -> Attributes {
    let takes_tcp = listener.protocol.as_deref().is_none_or(|protocol| protocol.contains("TCP"));
    let defaults = [("tcp.idle_timeout.seconds", "350")];
    over(defaults.iter().filter(|_| takes_tcp), &listener.attributes)
}

/// Sets attributes of a load balancer; returns all of them.
///
/// # Errors
/// `LoadBalancerNotFound`, `ValidationError` for an attribute that it doesn't have or a value that isn't one.
pub fn set_on_load_balancer(tx: &mut Tx, arn: &str, wanted: &Attributes) -> Result<Attributes, ControlError> {
    let mut balancer = super::find(tx, arn)?;
    check("Load balancer", &of_load_balancer(&balancer), wanted)?;
    balancer.attributes.extend(wanted.clone());
    let attributes = of_load_balancer(&balancer);
    tx.put(balancer);
    Ok(attributes)
}

/// Sets attributes of a target group; returns all of them.
///
/// # Errors
/// `TargetGroupNotFound`, `ValidationError`.
pub fn set_on_target_group(tx: &mut Tx, arn: &str, wanted: &Attributes) -> Result<Attributes, ControlError> {
    let mut group = super::target_groups::find(tx, arn)?;
    check("Target group", &of_target_group(&group), wanted)?;
    group.attributes.extend(wanted.clone());
    let attributes = of_target_group(&group);
    tx.put(group);
    Ok(attributes)
}

/// Sets attributes of a listener; returns all of them.
///
/// # Errors
/// `ListenerNotFound`, `ValidationError`.
pub fn set_on_listener(tx: &mut Tx, arn: &str, wanted: &Attributes) -> Result<Attributes, ControlError> {
    let mut listener = super::listeners::find(tx, arn)?;
    check("Listener", &of_listener(&listener), wanted)?;
    listener.attributes.extend(wanted.clone());
    let attributes = of_listener(&listener);
    tx.put(listener);
    Ok(attributes)
}

fn over<'a>(defaults: impl Iterator<Item = &'a (&'a str, &'a str)>, set: &Attributes) -> Attributes {
    let mut all: Attributes = defaults.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.extend(set.clone());
    all
}

/// A value must be of the kind that the present one is: a switch, a number, or any text.
fn check(what: &str, present: &Attributes, wanted: &Attributes) -> Result<(), ControlError> {
    for (name, value) in wanted {
        let Some(default) = present.get(name) else {
            return Err(invalid(format!("{what} attribute key '{name}' is not recognized")));
        };
        let is_switch = name.ends_with(".enabled") && (default == "true" || default == "false");
        let is_number = name.ends_with("seconds") || name.ends_with("per_subnet");
        let range = match name.as_str() {
            "tcp.idle_timeout.seconds" => 60..=6000,
            "secondary_ips.auto_assigned.per_subnet" => 0..=7,
            "target_health_state.unhealthy.draining_interval_seconds" => 0..=360_000,
            _ => 0..=3600,
        };
        let fits = (!is_switch || value == "true" || value == "false")
            && (!is_number || value.parse::<u32>().is_ok_and(|number| range.contains(&number)));
        if !fits {
            return Err(invalid(format!("{what} attribute value '{value}' of key '{name}' is not valid")));
        }
    }
    Ok(())
}
