//! Network and Gateway Load Balancers, as far as endpoint services stand on them: what they are made of and where they are.
//! See the User Guides for Network Load Balancers and for Gateway Load Balancers.
//!
//! [`nodes`] puts a load balancer into subnets, [`target_groups`] and [`listeners`] say where it sends what, [`tags`] has
//! Elastic Load Balancing's own tags. Errors carry that service's codes, not EC2's.

pub mod attributes;
pub mod listeners;
mod nodes;
pub mod tags;
pub mod target_groups;

use openvpc_model::{AddressType, Listener, LoadBalancer, LoadBalancerKind, SecurityGroupId, Tags};

use crate::{ControlError, Missing, Tx, endpoint_services, interfaces};

pub use nodes::Mapping;

/// What CreateLoadBalancer takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateLoadBalancer {
    /// The name.
    pub name: String,
    /// The kind.
    pub kind: LoadBalancerKind,
    /// Whether it has private addresses only.
    pub internal: bool,
    /// The subnets, with what is wanted there.
    pub mappings: Vec<Mapping>,
    /// Security groups.
    pub groups: Vec<SecurityGroupId>,
    /// Families.
    pub address_type: AddressType,
    /// Tags.
    pub tags: Tags,
}

/// Makes a load balancer; returns its ARN. The same call again gives the load balancer there is.
///
/// # Errors
/// `DuplicateLoadBalancerName` for a name with other settings, `TooManyLoadBalancers`, `ValidationError`, `SubnetNotFound`,
/// `InvalidSubnet`, `InvalidSecurityGroup`, `InvalidConfigurationRequest`, `AllocationIdNotFound`.
pub fn create(tx: &mut Tx, request: &CreateLoadBalancer) -> Result<String, ControlError> {
    check_name(&request.name, "Load balancer")?;
    tags::check(&request.tags)?;
    if let Some(present) = tx.owned::<LoadBalancer>().find(|balancer| balancer.name == request.name) {
        if is_same(present, request) {
            return Ok(present.arn.clone());
        }
        let message = format!("A load balancer with the same name '{}' exists, but with different settings", request.name);
        return Err(ControlError::new("DuplicateLoadBalancerName", message));
    }
    check_quota(tx, request.kind)?;
    let vpc = nodes::vpc_of(tx, &request.mappings)?;
    if request.kind == LoadBalancerKind::Gateway && !request.groups.is_empty() {
        return Err(invalid("Security groups are not supported for load balancers with type 'gateway'"));
    }
    let groups = match request.groups.as_slice() {
        [] => Vec::new(),
        groups => checked_groups(tx, vpc, groups)?,
    };
    let path = format!("loadbalancer/{}/{}", request.kind.in_arn(), request.name);
    let mut balancer = LoadBalancer {
        arn: new_arn(tx, &path),
        owner: tx.owner().clone(),
        name: request.name.clone(),
        kind: request.kind,
        internal: request.internal,
        vpc,
        nodes: Vec::new(),
        groups,
        address_type: request.address_type,
        attributes: std::collections::BTreeMap::new(),
        created_at: tx.now(),
        tags: request.tags.clone(),
    };
    nodes::set(tx, &mut balancer, &request.mappings)?;
    let arn = balancer.arn.clone();
    tx.put(balancer);
    Ok(arn)
}

/// Deletes a load balancer with its listeners and interfaces. One that isn't there is deleted already.
///
/// # Errors
/// `OperationNotPermitted` under deletion protection, `ResourceInUse` while an endpoint service stands on it.
pub fn delete(tx: &mut Tx, arn: &str) -> Result<(), ControlError> {
    let Ok(balancer) = tx.find::<LoadBalancer>(&arn.to_owned()) else { return Ok(()) };
    if attributes::of_load_balancer(&balancer).get("deletion_protection.enabled").is_some_and(|value| value == "true") {
        let message = format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled");
        return Err(ControlError::new("OperationNotPermitted", message));
    }
    if endpoint_services::on_load_balancer(tx, arn).is_some() {
        let message = format!("Load balancer '{arn}' cannot be deleted because it is currently associated with another service");
        return Err(ControlError::new("ResourceInUse", message));
    }
    let listeners: Vec<_> = tx.owned::<Listener>().filter(|l| l.load_balancer == arn).map(|l| l.arn.clone()).collect();
    for listener in listeners {
        tx.remove::<Listener>(&listener);
    }
    for node in &balancer.nodes {
        interfaces::delete_managed(tx, node.eni)?;
    }
    tx.remove::<LoadBalancer>(&balancer.arn);
    Ok(())
}

/// Puts a load balancer into other subnets: those that stay keep their interfaces.
///
/// # Errors
/// `LoadBalancerNotFound`, and as for [`create`].
pub fn set_subnets(
    tx: &mut Tx,
    arn: &str,
    mappings: &[Mapping],
    address_type: Option<AddressType>,
) -> Result<LoadBalancer, ControlError> {
    let mut balancer = find(tx, arn)?;
    if nodes::vpc_of(tx, mappings)? != balancer.vpc {
        return Err(ControlError::new("InvalidSubnet", format!("The subnets must belong to the VPC {}", balancer.vpc)));
    }
    if let Some(address_type) = address_type {
        balancer.address_type = address_type;
    }
    nodes::set(tx, &mut balancer, mappings)?;
    tx.put(balancer.clone());
    Ok(balancer)
}

/// Gives a load balancer other security groups.
///
/// # Errors
/// `LoadBalancerNotFound`, `InvalidConfigurationRequest` for one that was made without, `InvalidSecurityGroup`.
pub fn set_groups(tx: &mut Tx, arn: &str, groups: &[SecurityGroupId]) -> Result<Vec<SecurityGroupId>, ControlError> {
    let mut balancer = find(tx, arn)?;
    if balancer.groups.is_empty() {
        let message = "You cannot set security groups on a load balancer that was created without security groups";
        return Err(ControlError::new("InvalidConfigurationRequest", message));
    }
    if groups.is_empty() {
        return Err(invalid("At least one security group must be specified"));
    }
    balancer.groups = checked_groups(tx, balancer.vpc, groups)?;
    nodes::set_groups(tx, &balancer)?;
    let groups = balancer.groups.clone();
    tx.put(balancer);
    Ok(groups)
}

/// The caller's load balancer with that ARN.
///
/// # Errors
/// `LoadBalancerNotFound`.
pub fn find(tx: &Tx, arn: &str) -> Result<LoadBalancer, ControlError> {
    Ok((*tx.find::<LoadBalancer>(&arn.to_owned())?).clone())
}

/// The error for a name that no load balancer has.
pub fn not_found(names: &[String]) -> ControlError {
    LoadBalancer::missing(&names.join(", "))
}

/// The code that most refusals of Elastic Load Balancing have.
fn invalid(message: impl Into<String>) -> ControlError {
    ControlError::new("ValidationError", message)
}

/// Letters, digits and hyphens: up to 32, none at either end.
fn check_name(name: &str, what: &str) -> Result<(), ControlError> {
    let refuse = |why: &str| Err(invalid(format!("{what} name '{name}' {why}")));
    if name.is_empty() || name.len() > 32 {
        return refuse("must have 1 to 32 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return refuse("can only contain characters that are alphanumeric characters and hyphens(-)");
    }
    if name.starts_with('-') || name.ends_with('-') {
        return refuse("cannot begin or end with a hyphen(-)");
    }
    if what == "Load balancer" && name.starts_with("internal-") {
        return refuse("cannot begin with 'internal-'");
    }
    Ok(())
}

fn check_quota(tx: &Tx, kind: LoadBalancerKind) -> Result<(), ControlError> {
    let limit = match kind {
        LoadBalancerKind::Gateway => tx.quotas().gateway_load_balancers,
        LoadBalancerKind::Network => tx.quotas().network_load_balancers,
    };
    if tx.owned::<LoadBalancer>().filter(|balancer| balancer.kind == kind).count() >= limit {
        let message = format!("The maximum number of {} load balancers has been reached ({limit})", kind.as_str());
        return Err(ControlError::new("TooManyLoadBalancers", message));
    }
    Ok(())
}

fn is_same(present: &LoadBalancer, request: &CreateLoadBalancer) -> bool {
    let subnets: Vec<_> = present.nodes.iter().map(|node| node.subnet).collect();
    let wanted: Vec<_> = request.mappings.iter().map(|mapping| mapping.subnet).collect();
    present.kind == request.kind
        && present.internal == request.internal
        && present.address_type == request.address_type
        && present.groups == request.groups
        && subnets == wanted
        && present.tags == request.tags
}

fn checked_groups(tx: &Tx, vpc: openvpc_model::VpcId, groups: &[SecurityGroupId]) -> Result<Vec<SecurityGroupId>, ControlError> {
    interfaces::check_groups(tx, vpc, groups).map_err(|error| ControlError::new("InvalidSecurityGroup", error.message))
}

/// A new ARN of Elastic Load Balancing, which ends with sixteen digits.
fn new_arn(tx: &Tx, path: &str) -> String {
    let owner = tx.owner();
    let digits = tx.random();
    format!("arn:{}:elasticloadbalancing:{}:{}:{path}/{digits:016x}", owner.region.partition(), owner.region, owner.account)
}
