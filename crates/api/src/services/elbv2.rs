//! Elastic Load Balancing, as far as endpoint services stand on it: Network and Gateway Load Balancers, their target groups
//! and listeners: the API side.

mod listeners;
mod tags;
mod target_groups;
#[cfg(test)]
mod tests;

use openvpc_control::ControlError;
use openvpc_control::load_balancers::{self, CreateLoadBalancer, Mapping, attributes};
use openvpc_model::{AddressType, Id, LoadBalancer, LoadBalancerKind, LoadBalancerNode, NetworkInterface, SecurityGroupId};

use super::prelude::*;
use crate::generated::elbv2::shapes;
use crate::ids;
use crate::page::{self, Paged};

/// The operations of this service.
pub const ACTIONS: &[Action] = &[
    action!(elbv2::AddTags, tags::add_tags),
    action!(elbv2::CreateListener, listeners::create_listener),
    action!(elbv2::CreateLoadBalancer, create_load_balancer),
    action!(elbv2::CreateTargetGroup, target_groups::create_target_group),
    action!(elbv2::DeleteListener, listeners::delete_listener),
    action!(elbv2::DeleteLoadBalancer, delete_load_balancer),
    action!(elbv2::DeleteTargetGroup, target_groups::delete_target_group),
    action!(elbv2::DeregisterTargets, target_groups::deregister_targets),
    action!(elbv2::DescribeCapacityReservation, describe_capacity_reservation),
    action!(elbv2::DescribeListenerAttributes, listeners::describe_listener_attributes),
    action!(elbv2::DescribeListeners, listeners::describe_listeners),
    action!(elbv2::DescribeLoadBalancerAttributes, describe_load_balancer_attributes),
    action!(elbv2::DescribeLoadBalancers, describe_load_balancers),
    action!(elbv2::DescribeTags, tags::describe_tags),
    action!(elbv2::DescribeTargetGroupAttributes, target_groups::describe_target_group_attributes),
    action!(elbv2::DescribeTargetGroups, target_groups::describe_target_groups),
    action!(elbv2::DescribeTargetHealth, target_groups::describe_target_health),
    action!(elbv2::ModifyListener, listeners::modify_listener),
    action!(elbv2::ModifyListenerAttributes, listeners::modify_listener_attributes),
    action!(elbv2::ModifyLoadBalancerAttributes, modify_load_balancer_attributes),
    action!(elbv2::ModifyTargetGroup, target_groups::modify_target_group),
    action!(elbv2::ModifyTargetGroupAttributes, target_groups::modify_target_group_attributes),
    action!(elbv2::RegisterTargets, target_groups::register_targets),
    action!(elbv2::RemoveTags, tags::remove_tags),
    action!(elbv2::SetSecurityGroups, set_security_groups),
    action!(elbv2::SetSubnets, set_subnets),
];

fn create_load_balancer(
    ctx: &Ctx<'_>,
    request: shapes::CreateLoadBalancerInput,
) -> Result<shapes::CreateLoadBalancerOutput, ApiError> {
    let kind = match request.r#type.as_deref() {
        Some("gateway") => LoadBalancerKind::Gateway,
        Some("network") => LoadBalancerKind::Network,
        None | Some("application") => {
            let message = "Load balancers with type 'application' are not available here; use 'network' or 'gateway'";
            return Err(ApiError::new("OperationNotPermitted", message));
        }
        Some(other) => return Err(invalid(format!("The load balancer type '{other}' is not valid"))),
    };
    let internal = match (kind, request.scheme.as_deref()) {
        (LoadBalancerKind::Gateway, None) | (_, Some("internal")) => true,
        (LoadBalancerKind::Network, None | Some("internet-facing")) => false,
        (_, Some(other)) => {
            return Err(ApiError::new("InvalidScheme", format!("The load balancer scheme '{other}' is not valid")));
        }
    };
    let create = CreateLoadBalancer {
        name: required(&request.name, "Name")?.to_owned(),
        kind,
        internal,
        mappings: mappings(&request.subnets, &request.subnet_mappings)?,
        groups: groups(&request.security_groups)?,
        address_type: address_type(request.ip_address_type.as_deref())?.unwrap_or(AddressType::Ipv4),
        tags: tags::parse(&request.tags)?,
    };
    let mut balancer = ctx.mutate(|tx| {
        let arn = load_balancers::create(tx, &create)?;
        Ok(shape(tx.network(), &load_balancers::find(tx, &arn)?))
    })?;
    balancer.state = state("provisioning");
    Ok(shapes::CreateLoadBalancerOutput { load_balancers: vec![balancer] })
}

fn delete_load_balancer(
    ctx: &Ctx<'_>,
    request: shapes::DeleteLoadBalancerInput,
) -> Result<shapes::DeleteLoadBalancerOutput, ApiError> {
    let arn = required(&request.load_balancer_arn, "LoadBalancerArn")?;
    ctx.mutate(|tx| load_balancers::delete(tx, arn))?;
    Ok(shapes::DeleteLoadBalancerOutput {})
}

fn describe_load_balancers(
    ctx: &Ctx<'_>,
    request: shapes::DescribeLoadBalancersInput,
) -> Result<shapes::DescribeLoadBalancersOutput, ApiError> {
    let network = ctx.network()?;
    let owned: Vec<_> = network.owned::<LoadBalancer>(ctx.owner()).collect();
    let (arns, names) = (&request.load_balancer_arns, &request.names);
    let of_kind = |arn: &String| arn.contains(":loadbalancer/");
    if let Some(other) = arns.iter().find(|arn| !of_kind(arn)) {
        return Err(invalid(format!("'{other}' is not a valid load balancer ARN")));
    }
    let missing: Vec<String> = arns.iter().filter(|arn| owned.iter().all(|b| b.arn != **arn)).cloned().collect();
    let unnamed: Vec<String> = names.iter().filter(|name| owned.iter().all(|b| b.name != **name)).cloned().collect();
    if let Some(missing) = [missing, unnamed].into_iter().find(|missing| !missing.is_empty()) {
        return Err(load_balancers::not_found(&missing).into());
    }
    let all = arns.is_empty() && names.is_empty();
    let found = owned.into_iter().filter(|b| all || arns.contains(&b.arn) || names.contains(&b.name));
    let found = found.map(|balancer| shape(&network, balancer)).collect();
    let asked = Pages { size: request.page_size, marker: request.marker };
    let (load_balancers, next_marker) =
        asked.cut(found, |balancer: &shapes::LoadBalancer| balancer.load_balancer_arn.as_deref())?;
    Ok(shapes::DescribeLoadBalancersOutput { load_balancers, next_marker })
}

fn describe_load_balancer_attributes(
    ctx: &Ctx<'_>,
    request: shapes::DescribeLoadBalancerAttributesInput,
) -> Result<shapes::DescribeLoadBalancerAttributesOutput, ApiError> {
    let network = ctx.network()?;
    let balancer = owned::<LoadBalancer>(ctx, &network, required(&request.load_balancer_arn, "LoadBalancerArn")?)?;
    let attributes = attributes::of_load_balancer(&balancer).into_iter();
    let attributes =
        attributes.map(|(key, value)| shapes::LoadBalancerAttribute { key: Some(key), value: Some(value) }).collect();
    Ok(shapes::DescribeLoadBalancerAttributesOutput { attributes })
}

fn modify_load_balancer_attributes(
    ctx: &Ctx<'_>,
    request: shapes::ModifyLoadBalancerAttributesInput,
) -> Result<shapes::ModifyLoadBalancerAttributesOutput, ApiError> {
    let arn = required(&request.load_balancer_arn, "LoadBalancerArn")?;
    let wanted = request.attributes.into_iter();
    let wanted = wanted.map(|attribute| (attribute.key.unwrap_or_default(), attribute.value.unwrap_or_default())).collect();
    let attributes = ctx.mutate(|tx| attributes::set_on_load_balancer(tx, arn, &wanted))?.into_iter();
    let attributes =
        attributes.map(|(key, value)| shapes::LoadBalancerAttribute { key: Some(key), value: Some(value) }).collect();
    Ok(shapes::ModifyLoadBalancerAttributesOutput { attributes })
}

fn set_subnets(ctx: &Ctx<'_>, request: shapes::SetSubnetsInput) -> Result<shapes::SetSubnetsOutput, ApiError> {
    let arn = required(&request.load_balancer_arn, "LoadBalancerArn")?;
    let mappings = mappings(&request.subnets, &request.subnet_mappings)?;
    let address_type = address_type(request.ip_address_type.as_deref())?;
    let balancer = ctx.mutate(|tx| {
        let balancer = load_balancers::set_subnets(tx, arn, &mappings, address_type)?;
        Ok(shape(tx.network(), &balancer))
    })?;
    Ok(shapes::SetSubnetsOutput {
        availability_zones: balancer.availability_zones,
        ip_address_type: balancer.ip_address_type,
        enable_prefix_for_ipv6_source_nat: balancer.enable_prefix_for_ipv6_source_nat,
    })
}

fn set_security_groups(
    ctx: &Ctx<'_>,
    request: shapes::SetSecurityGroupsInput,
) -> Result<shapes::SetSecurityGroupsOutput, ApiError> {
    let arn = required(&request.load_balancer_arn, "LoadBalancerArn")?;
    let groups = groups(&request.security_groups)?;
    let groups = ctx.mutate(|tx| load_balancers::set_groups(tx, arn, &groups))?;
    Ok(shapes::SetSecurityGroupsOutput {
        security_group_ids: groups.iter().map(ToString::to_string).collect(),
        enforce_security_group_inbound_rules_on_private_link_traffic: Some("on".to_owned()),
    })
}

/// No capacity is ever reserved here.
fn describe_capacity_reservation(
    ctx: &Ctx<'_>,
    request: shapes::DescribeCapacityReservationInput,
) -> Result<shapes::DescribeCapacityReservationOutput, ApiError> {
    let network = ctx.network()?;
    owned::<LoadBalancer>(ctx, &network, required(&request.load_balancer_arn, "LoadBalancerArn")?)?;
    Ok(shapes::DescribeCapacityReservationOutput { decrease_requests_remaining: Some(2), ..Default::default() })
}

fn shape(network: &Network, balancer: &LoadBalancer) -> shapes::LoadBalancer {
    let region = &balancer.owner.region;
    let is_network = balancer.kind == LoadBalancerKind::Network;
    let scheme = if balancer.internal { "internal" } else { "internet-facing" };
    shapes::LoadBalancer {
        load_balancer_arn: Some(balancer.arn.clone()),
        dns_name: is_network.then(|| balancer.dns_name()),
        canonical_hosted_zone_id: is_network.then(|| hosted_zone(region.as_str())),
        created_time: Some(balancer.created_at),
        load_balancer_name: Some(balancer.name.clone()),
        scheme: is_network.then(|| scheme.to_owned()),
        vpc_id: Some(balancer.vpc.to_string()),
        state: state("active"),
        r#type: Some(balancer.kind.as_str().to_owned()),
        availability_zones: balancer.nodes.iter().map(|node| zone(network, balancer, node)).collect(),
        security_groups: balancer.groups.iter().map(ToString::to_string).collect(),
        ip_address_type: Some(balancer.address_type.as_str().to_owned()),
        enforce_security_group_inbound_rules_on_private_link_traffic: (!balancer.groups.is_empty()).then(|| "on".to_owned()),
        enable_prefix_for_ipv6_source_nat: is_network.then(|| "off".to_owned()),
        ..Default::default()
    }
}

/// A load balancer in one zone: its addresses are shown where they were chosen.
fn zone(network: &Network, balancer: &LoadBalancer, node: &LoadBalancerNode) -> shapes::AvailabilityZone {
    let eni = network.get::<NetworkInterface>(&node.eni);
    let slot = eni.and_then(|eni| eni.private_addresses.first());
    let address = node.allocation.map(|allocation| shapes::LoadBalancerAddress {
        ip_address: slot.and_then(|slot| slot.public.as_ref()).map(|public| public.address.to_string()),
        allocation_id: Some(allocation.to_string()),
        ..Default::default()
    });
    let private = slot
        .filter(|_| balancer.internal && balancer.kind == LoadBalancerKind::Network)
        .map(|slot| shapes::LoadBalancerAddress { private_i_pv4_address: Some(slot.address.to_string()), ..Default::default() });
    shapes::AvailabilityZone {
        zone_name: Some(node.zone.name(&balancer.owner.region)),
        subnet_id: Some(node.subnet.to_string()),
        load_balancer_addresses: address.or(private).into_iter().collect(),
        ..Default::default()
    }
}

fn state(code: &str) -> Option<shapes::LoadBalancerState> {
    Some(shapes::LoadBalancerState { code: Some(code.to_owned()), reason: None })
}

/// The hosted zone of Network Load Balancers' names in a region. See "Elastic Load Balancing endpoints and quotas".
fn hosted_zone(region: &str) -> String {
    let known = match region {
        "ap-northeast-1" => "Z31USIVHYNEOWT",
        "ap-southeast-1" => "ZKVM4W9LS7TM",
        "ap-southeast-2" => "ZCT6FZBF4DROD",
        "eu-central-1" => "Z3F0SRJ5LGBH90",
        "eu-west-1" => "Z2IFOLAFXWLO4F",
        "eu-west-2" => "ZD4D7Y8KGAS4G",
        "us-east-1" => "Z26RNL4JYFTOTI",
        "us-east-2" => "ZLMOA37VPKANP",
        "us-west-1" => "Z24FKFUX50B4VW",
        "us-west-2" => "Z18D5FSROUN65G",
        other => return format!("Z{}", other.to_uppercase().replace('-', "")),
    };
    known.to_owned()
}

fn mappings(subnets: &[String], mappings: &[shapes::SubnetMapping]) -> Result<Vec<Mapping>, ApiError> {
    let plain = |subnet: &String| Ok(Mapping { subnet: id(subnet)?, allocation: None, ipv4: None, ipv6: None });
    let mapped = |mapping: &shapes::SubnetMapping| {
        let address = |text: &str| invalid(format!("The address '{text}' is not valid"));
        Ok(Mapping {
            subnet: id(required(&mapping.subnet_id, "SubnetMappings.SubnetId")?)?,
            allocation: mapping.allocation_id.as_deref().map(id).transpose()?,
            ipv4: mapping.private_i_pv4_address.as_deref().map(|text| text.parse().map_err(|_| address(text))).transpose()?,
            ipv6: mapping.i_pv6_address.as_deref().map(|text| text.parse().map_err(|_| address(text))).transpose()?,
        })
    };
    match (subnets, mappings) {
        ([], []) => Err(invalid("You must specify either subnets or subnet mappings")),
        (_, []) => subnets.iter().map(plain).collect(),
        ([], _) => mappings.iter().map(mapped).collect(),
        _ => Err(invalid("You must specify either subnets or subnet mappings, but not both")),
    }
}

fn groups(texts: &[String]) -> Result<Vec<SecurityGroupId>, ApiError> {
    let group = |text: &String| {
        text.parse().map_err(|_| ApiError::new("InvalidSecurityGroup", format!("The security group '{text}' is not valid")))
    };
    texts.iter().map(group).collect()
}

fn address_type(text: Option<&str>) -> Result<Option<AddressType>, ApiError> {
    match text {
        None => Ok(None),
        Some("dualstack") => Ok(Some(AddressType::Dualstack)),
        Some("ipv4") => Ok(Some(AddressType::Ipv4)),
        Some(other) => Err(invalid(format!("The IP address type '{other}' is not valid"))),
    }
}

/// The caller's resource with that ARN.
fn owned<R>(ctx: &Ctx<'_>, network: &Network, arn: &str) -> Result<std::sync::Arc<R>, ApiError>
where
    R: openvpc_control::Missing + openvpc_model::Resource<Key = String>,
{
    let key = arn.to_owned();
    let found = network.get::<R>(&key).filter(|resource| resource.owner() == ctx.owner());
    found.cloned().ok_or_else(|| R::missing(&key).into())
}

fn invalid(message: impl Into<String>) -> ApiError {
    ControlError::new("ValidationError", message).into()
}

fn required<'a>(text: &'a Option<String>, name: &str) -> Result<&'a str, ApiError> {
    ids::required(text, name).map_err(|_| invalid(format!("{name} must be specified")))
}

fn id<I: Id>(text: &str) -> Result<I, ApiError> {
    text.parse().map_err(|_| invalid(format!("The value '{text}' is not a valid id")))
}

fn number<N: TryFrom<i32>>(value: Option<i32>, name: &str) -> Result<Option<N>, ApiError> {
    let convert = |value: i32| N::try_from(value).map_err(|_| invalid(format!("The value '{value}' of {name} is not valid")));
    value.map(convert).transpose()
}

/// What a Describe of this service says about pages.
struct Pages {
    size: Option<i32>,
    marker: Option<String>,
}

impl Paged for Pages {
    const MIN: i32 = 1;
    const MAX: Option<i32> = Some(400);

    fn max_results(&self) -> Option<i32> {
        self.size
    }

    fn next_token(&self) -> Option<&str> {
        self.marker.as_deref()
    }
}

impl Pages {
    fn cut<T>(&self, items: Vec<T>, key: impl Fn(&T) -> Option<&str>) -> Result<(Vec<T>, Option<String>), ApiError> {
        page::cut(self, false, items, key).map_err(|error| invalid(error.message))
    }
}
