//! Security groups: names, lifetime and ([`rules`]) rules. See "Security groups" in the VPC User Guide.

mod associations;
mod rules;
mod ways;

use std::sync::Arc;

use openvpc_model::{
    Anchor, Direction, Network, NetworkInterface, Peer, Protocol, RulePorts, SecurityGroup, SecurityGroupId, SecurityGroupRule,
    Tags, Vpc, VpcId,
};

use crate::{ControlError, Tx, client_vpn, endpoints};

pub use associations::{associate, disassociate};
pub(crate) use rules::check_count;
pub use rules::{PeerSpec, Revoked, RuleChoice, RuleSpec, authorize, describe, malformed, modify, parse_ports, revoke};
pub use ways::{Way, naming, stale_rules, way};

/// What CreateSecurityGroup is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSecurityGroup {
    /// Unique in the VPC, without regard to case.
    pub name: String,
    /// The user's text.
    pub description: String,
    /// The VPC; none for the default one.
    pub vpc: Option<VpcId>,
    /// Tags.
    pub tags: Tags,
}

/// Makes a group that lets nothing in and everything out.
///
/// # Errors
/// `InvalidGroup.Reserved`, `InvalidGroup.Duplicate`, `InvalidParameterValue`, `SecurityGroupLimitExceeded`,
/// `VPCIdNotSpecified`, `InvalidVpcID.NotFound`.
pub fn create(tx: &mut Tx, request: CreateSecurityGroup) -> Result<SecurityGroupId, ControlError> {
    let name = request.name.trim_end().to_owned();
    check_name(&name)?;
    check_text("security group description", &request.description)?;
    let vpc = match request.vpc {
        Some(id) => tx.find::<Vpc>(&id)?,
        None => default_vpc(tx)?,
    };
    if name.eq_ignore_ascii_case("default") {
        return Err(ControlError::new("InvalidGroup.Reserved", "The security group name 'default' is reserved"));
    }
    if by_name(tx.network(), vpc.id, &name).is_some() {
        return Err(ControlError::new(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{}'", vpc.id),
        ));
    }
    if tx.owned::<SecurityGroup>().count() >= tx.quotas().security_groups {
        return Err(ControlError::new(
            "SecurityGroupLimitExceeded",
            format!("The maximum number of security groups per Region has been reached: {}", tx.quotas().security_groups),
        ));
    }
    let id = tx.new_id();
    let rules = egress_to_everywhere(tx, &vpc);
    let owner = tx.owner().clone();
    tx.put(SecurityGroup {
        id,
        owner,
        vpc: vpc.id,
        associated_vpcs: Vec::new(),
        name,
        description: request.description,
        rules,
        tags: request.tags,
    });
    Ok(id)
}

/// Removes a group that nothing uses.
///
/// # Errors
/// `CannotDelete` for a default group, `DependencyViolation` while an interface carries it, it is lent to a VPC or a group of its VPC names it.
pub fn delete(tx: &mut Tx, id: SecurityGroupId) -> Result<(), ControlError> {
    let group = tx.find::<SecurityGroup>(&id)?;
    if group.name == "default" {
        return Err(ControlError::new(
            "CannotDelete",
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user"),
        ));
    }
    if let Some(eni) = tx.network().by::<NetworkInterface>(Anchor::SecurityGroup(id)).next() {
        return Err(ControlError::dependency(format!("resource {id} has a dependent object: network interface {}", eni.id)));
    }
    if let Some(endpoint) = client_vpn::using_group(tx.network(), id) {
        return Err(ControlError::dependency(format!("resource {id} has a dependent object: Client VPN endpoint {endpoint}")));
    }
    if let Some(endpoint) = endpoints::with_group(tx, id) {
        return Err(ControlError::dependency(format!("resource {id} has a dependent object: VPC endpoint {endpoint}")));
    }
    if let Some(vpc) = group.associated_vpcs.first() {
        return Err(ControlError::dependency(format!("resource {id} has a dependent object: its association with {vpc}")));
    }
    if let Some(other) = naming(tx.network(), id).find(|other| other.id != id && other.is_in(group.vpc)) {
        return Err(ControlError::dependency(format!(
            "resource {id} has a dependent object: a rule of security group {}",
            other.id
        )));
    }
    tx.remove::<SecurityGroup>(&id);
    Ok(())
}

/// The group of that name in the default VPC: the only groups that may be given by name.
///
/// # Errors
/// `VPCIdNotSpecified` without a default VPC, `InvalidGroup.NotFound`.
pub fn of_default_vpc(tx: &Tx, name: &str) -> Result<SecurityGroupId, ControlError> {
    in_vpc_by_name(tx.network(), default_vpc(tx)?.id, name).map(|group| group.id)
}

/// The rules that a new group starts with: all traffic out, over IPv6 too where the VPC has a block.
fn egress_to_everywhere(tx: &Tx, vpc: &Vpc) -> Vec<SecurityGroupRule> {
    let mut peers = vec![Peer::Ipv4(ipnet::Ipv4Net::default())];
    if !vpc.ipv6_blocks.is_empty() {
        peers.push(Peer::Ipv6(ipnet::Ipv6Net::default()));
    }
    let rule = |peer| SecurityGroupRule {
        id: tx.new_id(),
        direction: Direction::Egress,
        protocol: Protocol::All,
        ports: RulePorts::All,
        peer,
        description: String::new(),
        tags: Tags::new(),
    };
    peers.into_iter().map(rule).collect()
}

fn in_vpc_by_name<'a>(network: &'a Network, vpc: VpcId, name: &str) -> Result<&'a Arc<SecurityGroup>, ControlError> {
    by_name(network, vpc, name).ok_or_else(|| {
        ControlError::new("InvalidGroup.NotFound", format!("The security group '{name}' does not exist in default VPC '{vpc}'"))
    })
}

fn by_name<'a>(network: &'a Network, vpc: VpcId, name: &str) -> Option<&'a Arc<SecurityGroup>> {
    network.by::<SecurityGroup>(Anchor::Vpc(vpc)).find(|group| group.vpc == vpc && group.name.eq_ignore_ascii_case(name))
}

fn default_vpc(tx: &Tx) -> Result<Arc<Vpc>, ControlError> {
    let found = tx.owned::<Vpc>().find(|vpc| vpc.is_default).cloned();
    found.ok_or_else(|| ControlError::new("VPCIdNotSpecified", "No default VPC for this user. Name a VPC by its id."))
}

fn check_name(name: &str) -> Result<(), ControlError> {
    if name.is_empty() {
        return Err(ControlError::missing_parameter("GroupName"));
    }
    if name.starts_with("sg-") {
        return Err(ControlError::invalid_value(format!(
            "Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
        )));
    }
    check_text("security group name", name)
}

/// At most 255 characters of the set that AWS allows in names and descriptions.
fn check_text(what: &str, text: &str) -> Result<(), ControlError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if text.len() <= 255 && text.chars().all(allowed) {
        return Ok(());
    }
    Err(ControlError::invalid_value(format!(
        "Invalid {what}. Valid values are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$*"
    )))
}
