//! Listeners.

use openvpc_control::load_balancers::attributes;
use openvpc_control::load_balancers::listeners::{self, ListenerRequest};
use openvpc_model::{Listener, LoadBalancer, Tags, WeightedTargetGroup};

use super::super::prelude::*;
use super::{Pages, invalid, number, owned, required, tags};
use crate::generated::elbv2::shapes;

/// CreateListener.
pub fn create_listener(ctx: &Ctx<'_>, request: shapes::CreateListenerInput) -> Result<shapes::CreateListenerOutput, ApiError> {
    let balancer = required(&request.load_balancer_arn, "LoadBalancerArn")?;
    let create = ListenerRequest {
        protocol: request.protocol,
        port: port(request.port)?,
        forward: forward(&request.default_actions)?,
        certificate: certificate(&request.certificates)?,
        ssl_policy: request.ssl_policy,
        alpn_policy: request.alpn_policy.into_iter().next(),
        tags: tags::parse(&request.tags)?,
    };
    let listener = ctx.mutate(|tx| {
        let arn = listeners::create(tx, balancer, &create)?;
        Ok(shape(&listeners::find(tx, &arn)?))
    })?;
    Ok(shapes::CreateListenerOutput { listeners: vec![listener] })
}

/// ModifyListener.
pub fn modify_listener(ctx: &Ctx<'_>, request: shapes::ModifyListenerInput) -> Result<shapes::ModifyListenerOutput, ApiError> {
    let arn = required(&request.listener_arn, "ListenerArn")?;
    let modify = ListenerRequest {
        protocol: request.protocol,
        port: port(request.port)?,
        forward: forward(&request.default_actions)?,
        certificate: certificate(&request.certificates)?,
        ssl_policy: request.ssl_policy,
        alpn_policy: request.alpn_policy.into_iter().next(),
        tags: Tags::new(),
    };
    let listener = ctx.mutate(|tx| {
        listeners::modify(tx, arn, &modify)?;
        Ok(shape(&listeners::find(tx, arn)?))
    })?;
    Ok(shapes::ModifyListenerOutput { listeners: vec![listener] })
}

/// DeleteListener.
pub fn delete_listener(ctx: &Ctx<'_>, request: shapes::DeleteListenerInput) -> Result<shapes::DeleteListenerOutput, ApiError> {
    let arn = required(&request.listener_arn, "ListenerArn")?;
    ctx.mutate(|tx| listeners::delete(tx, arn))?;
    Ok(shapes::DeleteListenerOutput {})
}

/// DescribeListeners: those of a load balancer, or those that are named.
pub fn describe_listeners(
    ctx: &Ctx<'_>,
    request: shapes::DescribeListenersInput,
) -> Result<shapes::DescribeListenersOutput, ApiError> {
    let network = ctx.network()?;
    let found = match (&request.load_balancer_arn, request.listener_arns.as_slice()) {
        (None, []) => return Err(invalid("You must specify either listener ARNs or a load balancer ARN")),
        (Some(_), [_, ..]) => return Err(invalid("Listener ARNs and a load balancer ARN can't be specified together")),
        (Some(balancer), []) => {
            owned::<LoadBalancer>(ctx, &network, balancer)?;
            let of_balancer = network.owned::<Listener>(ctx.owner()).filter(|listener| listener.load_balancer == *balancer);
            of_balancer.map(|listener| shape(listener)).collect()
        }
        (None, arns) => {
            let named = arns.iter().map(|arn| owned::<Listener>(ctx, &network, arn).map(|listener| shape(&listener)));
            named.collect::<Result<Vec<_>, _>>()?
        }
    };
    let asked = Pages { size: request.page_size, marker: request.marker };
    let (listeners, next_marker) = asked.cut(found, |listener: &shapes::Listener| listener.listener_arn.as_deref())?;
    Ok(shapes::DescribeListenersOutput { listeners, next_marker })
}

/// DescribeListenerAttributes.
pub fn describe_listener_attributes(
    ctx: &Ctx<'_>,
    request: shapes::DescribeListenerAttributesInput,
) -> Result<shapes::DescribeListenerAttributesOutput, ApiError> {
    let network = ctx.network()?;
    let listener = owned::<Listener>(ctx, &network, required(&request.listener_arn, "ListenerArn")?)?;
    let attributes = attributes::of_listener(&listener).into_iter();
    let attributes = attributes.map(|(key, value)| shapes::ListenerAttribute { key: Some(key), value: Some(value) }).collect();
    Ok(shapes::DescribeListenerAttributesOutput { attributes })
}

/// ModifyListenerAttributes.
pub fn modify_listener_attributes(
    ctx: &Ctx<'_>,
    request: shapes::ModifyListenerAttributesInput,
) -> Result<shapes::ModifyListenerAttributesOutput, ApiError> {
    let arn = required(&request.listener_arn, "ListenerArn")?;
    let wanted = request.attributes.into_iter();
    let wanted = wanted.map(|attribute| (attribute.key.unwrap_or_default(), attribute.value.unwrap_or_default())).collect();
    let attributes = ctx.mutate(|tx| attributes::set_on_listener(tx, arn, &wanted))?.into_iter();
    let attributes = attributes.map(|(key, value)| shapes::ListenerAttribute { key: Some(key), value: Some(value) }).collect();
    Ok(shapes::ModifyListenerAttributesOutput { attributes })
}

/// A port; the model's type keeps it below 65536.
fn port(value: Option<i32>) -> Result<Option<u16>, ApiError> {
    number(value, "Port")
}

/// The target groups of a forward action; nothing when a request has no action at all.
fn forward(actions: &[shapes::Action]) -> Result<Vec<WeightedTargetGroup>, ApiError> {
    let action = match actions {
        [] => return Ok(Vec::new()),
        [action] => action,
        _ => return Err(ApiError::new("TooManyActions", "A listener of this type of load balancer has one default action")),
    };
    if action.r#type.as_deref() != Some("forward") {
        let message = "The only action of listeners of network and gateway load balancers is 'forward'";
        return Err(ApiError::new("InvalidLoadBalancerAction", message));
    }
    let tuples = action.forward_config.as_ref().map_or(&[][..], |config| &config.target_groups);
    match (&action.target_group_arn, tuples) {
        (None, []) => Err(invalid("A forward action must have a target group")),
        (Some(arn), []) => Ok(vec![WeightedTargetGroup { arn: arn.clone(), weight: None }]),
        (single, tuples) => {
            let listed = |tuple: &shapes::TargetGroupTuple| {
                let arn = required(&tuple.target_group_arn, "TargetGroupArn")?.to_owned();
                Ok(WeightedTargetGroup { arn, weight: number(tuple.weight, "Weight")? })
            };
            let groups: Vec<WeightedTargetGroup> = tuples.iter().map(listed).collect::<Result<_, ApiError>>()?;
            if single.as_ref().is_some_and(|single| groups.len() != 1 || groups[0].arn != *single) {
                let message = "If you specify both ForwardConfig and TargetGroupArn, they must name the same one target group";
                return Err(ApiError::new("InvalidLoadBalancerAction", message));
            }
            Ok(groups)
        }
    }
}

fn certificate(certificates: &[shapes::Certificate]) -> Result<Option<String>, ApiError> {
    match certificates {
        [] => Ok(None),
        [certificate] => Ok(Some(required(&certificate.certificate_arn, "CertificateArn")?.to_owned())),
        _ => Err(ApiError::new("TooManyCertificates", "Exactly one default certificate must be specified")),
    }
}

fn shape(listener: &Listener) -> shapes::Listener {
    let tuple = |to: &WeightedTargetGroup| shapes::TargetGroupTuple {
        target_group_arn: Some(to.arn.clone()),
        weight: to.weight.and_then(|weight| i32::try_from(weight).ok()),
    };
    let action = shapes::Action {
        r#type: Some("forward".to_owned()),
        target_group_arn: match listener.forward.as_slice() {
            [only] => Some(only.arn.clone()),
            _ => None,
        },
        order: Some(1),
        forward_config: Some(shapes::ForwardActionConfig {
            target_groups: listener.forward.iter().map(tuple).collect(),
            ..Default::default()
        }),
        ..Default::default()
    };
    shapes::Listener {
        listener_arn: Some(listener.arn.clone()),
        load_balancer_arn: Some(listener.load_balancer.clone()),
        port: listener.port.map(i32::from),
        protocol: listener.protocol.clone(),
        certificates: listener
            .certificate
            .iter()
            .map(|arn| shapes::Certificate { certificate_arn: Some(arn.clone()), ..Default::default() })
            .collect(),
        ssl_policy: listener.ssl_policy.clone(),
        default_actions: vec![action],
        alpn_policy: listener.alpn_policy.iter().cloned().collect(),
        mutual_authentication: None,
    }
}
