//! Listeners: which target group takes what a load balancer receives.

use std::collections::BTreeMap;

use openvpc_model::{Listener, LoadBalancer, LoadBalancerKind, Tags, TargetGroup, WeightedTargetGroup};

use super::{invalid, new_arn, tags};
use crate::{ControlError, Tx};

/// The TLS policy of listeners that name none.
const DEFAULT_SSL_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// What CreateListener takes, and ModifyListener; there, what isn't there stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerRequest {
    /// `TCP`, `UDP`, …; none for a Gateway Load Balancer.
    pub protocol: Option<String>,
    /// The port; none for a Gateway Load Balancer.
    pub port: Option<u16>,
    /// Where packets go.
    pub forward: Vec<WeightedTargetGroup>,
    /// The ARN of a certificate.
    pub certificate: Option<String>,
    /// The TLS policy.
    pub ssl_policy: Option<String>,
    /// The ALPN policy.
    pub alpn_policy: Option<String>,
    /// Tags; not for ModifyListener.
    pub tags: Tags,
}

/// Makes a listener; returns its ARN. The same call again gives the listener there is.
///
/// # Errors
/// `LoadBalancerNotFound`, `TargetGroupNotFound`, `DuplicateListener`, `TooManyListeners`, `IncompatibleProtocols`,
/// `UnsupportedProtocol`, `TargetGroupAssociationLimit`, `CertificateNotFound`, `ValidationError`.
pub fn create(tx: &mut Tx, load_balancer: &str, request: &ListenerRequest) -> Result<String, ControlError> {
    let balancer = super::find(tx, load_balancer)?;
    tags::check(&request.tags)?;
    let listener = Listener {
        arn: new_arn(tx, &format!("listener/{}/{}/{}", balancer.kind.in_arn(), balancer.name, balancer.digits())),
        owner: tx.owner().clone(),
        load_balancer: load_balancer.to_owned(),
        protocol: request.protocol.clone(),
        port: request.port,
        forward: request.forward.clone(),
        certificate: request.certificate.clone(),
        ssl_policy: request.ssl_policy.clone(),
        alpn_policy: request.alpn_policy.clone(),
        attributes: BTreeMap::new(),
        tags: request.tags.clone(),
    };
    let listener = checked(tx, &balancer, listener)?;
    let present = tx.owned::<Listener>().find(|present| present.load_balancer == load_balancer && present.port == listener.port);
    if let Some(present) = present {
        let is_same =
            **present == Listener { arn: present.arn.clone(), attributes: present.attributes.clone(), ..listener.clone() };
        if is_same {
            return Ok(present.arn.clone());
        }
        return Err(duplicate(load_balancer));
    }
    let limit = tx.quotas().listeners_per_load_balancer;
    if tx.owned::<Listener>().filter(|present| present.load_balancer == load_balancer).count() >= limit {
        let message = format!("The maximum number of listeners of a load balancer has been reached ({limit})");
        return Err(ControlError::new("TooManyListeners", message));
    }
    let arn = listener.arn.clone();
    tx.put(listener);
    Ok(arn)
}

/// Changes a listener.
///
/// # Errors
/// `ListenerNotFound`, and as for [`create`].
pub fn modify(tx: &mut Tx, arn: &str, request: &ListenerRequest) -> Result<(), ControlError> {
    let mut listener = find(tx, arn)?;
    let balancer = super::find(tx, &listener.load_balancer)?;
    if let Some(protocol) = request.protocol.clone().filter(|wanted| listener.protocol.as_ref() != Some(wanted)) {
        if protocol != "TLS" {
            (listener.certificate, listener.ssl_policy, listener.alpn_policy) = (None, None, None);
        }
        listener.protocol = Some(protocol);
    }
    listener.port = request.port.or(listener.port);
    if !request.forward.is_empty() {
        listener.forward.clone_from(&request.forward);
    }
    listener.certificate = request.certificate.clone().or(listener.certificate);
    listener.ssl_policy = request.ssl_policy.clone().or(listener.ssl_policy);
    listener.alpn_policy = request.alpn_policy.clone().or(listener.alpn_policy);
    let listener = checked(tx, &balancer, listener)?;
    let clashes = |present: &Listener| {
        present.load_balancer == listener.load_balancer && present.arn != arn && present.port == listener.port
    };
    if tx.owned::<Listener>().any(|present| clashes(present)) {
        return Err(duplicate(&listener.load_balancer));
    }
    tx.put(listener);
    Ok(())
}

/// Deletes a listener.
///
/// # Errors
/// `ListenerNotFound`.
pub fn delete(tx: &mut Tx, arn: &str) -> Result<(), ControlError> {
    find(tx, arn)?;
    tx.remove::<Listener>(&arn.to_owned());
    Ok(())
}

/// The caller's listener with that ARN.
///
/// # Errors
/// `ListenerNotFound`.
pub fn find(tx: &Tx, arn: &str) -> Result<Listener, ControlError> {
    Ok((*tx.find::<Listener>(&arn.to_owned())?).clone())
}

fn duplicate(load_balancer: &str) -> ControlError {
    let message = format!("A listener already exists on this port for this load balancer '{load_balancer}'");
    ControlError::new("DuplicateListener", message)
}

/// Checks a listener as a whole, and fills in what has a default.
fn checked(tx: &Tx, balancer: &LoadBalancer, mut listener: Listener) -> Result<Listener, ControlError> {
    match balancer.kind {
        LoadBalancerKind::Gateway if listener.protocol.is_some() || listener.port.is_some() => {
            return Err(invalid("A listener of a load balancer with type 'gateway' has no protocol and no port"));
        }
        LoadBalancerKind::Gateway => {}
        LoadBalancerKind::Network => check_network(&mut listener)?,
    }
    if listener.forward.is_empty() {
        return Err(invalid("A listener must have at least one default action of type 'forward' with a target group"));
    }
    for to in &listener.forward {
        let group = super::target_groups::find(tx, &to.arn)?;
        check_group(tx, balancer, &listener, &group)?;
        if to.weight.is_some_and(|weight| weight > 999) {
            return Err(invalid("The weight of a target group must be from 0 to 999"));
        }
    }
    Ok(listener)
}

fn check_network(listener: &mut Listener) -> Result<(), ControlError> {
    let Some(protocol) = listener.protocol.clone() else {
        return Err(invalid("A listener protocol must be specified"));
    };
    if listener.port.is_none_or(|port| port == 0) {
        return Err(invalid("A listener port must be specified"));
    }
    if !matches!(protocol.as_str(), "QUIC" | "TCP" | "TCP_QUIC" | "TCP_UDP" | "TLS" | "UDP") {
        let message = format!("Listener protocol '{protocol}' is not supported for load balancers with type 'network'");
        return Err(ControlError::new("UnsupportedProtocol", message));
    }
    let is_tls = protocol == "TLS";
    if is_tls && listener.certificate.is_none() {
        return Err(ControlError::new("CertificateNotFound", "A certificate must be specified for TLS listeners"));
    }
    if !is_tls && (listener.certificate.is_some() || listener.ssl_policy.is_some() || listener.alpn_policy.is_some()) {
        return Err(invalid(format!("Certificates and TLS policies are not supported for {protocol} listeners")));
    }
    if is_tls {
        listener.ssl_policy.get_or_insert_with(|| DEFAULT_SSL_POLICY.to_owned());
    }
    Ok(())
}

fn check_group(tx: &Tx, balancer: &LoadBalancer, listener: &Listener, group: &TargetGroup) -> Result<(), ControlError> {
    let fits = match listener.protocol.as_deref() {
        None => group.protocol == "GENEVE",
        Some("TLS") => matches!(group.protocol.as_str(), "TCP" | "TLS"),
        Some("TCP") => matches!(group.protocol.as_str(), "TCP" | "TCP_UDP"),
        Some("UDP") => matches!(group.protocol.as_str(), "TCP_UDP" | "UDP"),
        Some(other) => group.protocol == other,
    };
    if !fits {
        let message = format!(
            "The target group protocol {} is incompatible with the listener protocol {}",
            group.protocol,
            listener.protocol.as_deref().unwrap_or("GENEVE")
        );
        return Err(ControlError::new("IncompatibleProtocols", message));
    }
    if group.vpc != balancer.vpc {
        let message = format!("The target group '{}' is not in the VPC {} of the load balancer", group.arn, balancer.vpc);
        return Err(ControlError::new("InvalidConfigurationRequest", message));
    }
    let others = super::target_groups::balancers(tx.network(), group);
    if others.iter().any(|other| *other != balancer.arn) {
        let message = format!("The following target groups cannot be associated with more than one load balancer: {}", group.arn);
        return Err(ControlError::new("TargetGroupAssociationLimit", message));
    }
    Ok(())
}
