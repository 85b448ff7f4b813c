//! Groups lent to other VPCs. See "Associate security groups with multiple VPCs" in the VPC User Guide.

use openvpc_model::table::Anchor;
use openvpc_model::{NetworkInterface, SecurityGroup, SecurityGroupId, Vpc, VpcId};

use crate::{ControlError, Tx};

/// Lends a group to another VPC of the account and region.
///
/// # Errors
/// `InvalidGroup.NotFound`, `InvalidVpcID.NotFound`, `Resource.AlreadyAssociated`, `InvalidParameterValue` for a default
/// group and for the default VPC.
pub fn associate(tx: &mut Tx, id: SecurityGroupId, vpc: VpcId) -> Result<(), ControlError> {
    let group = tx.find::<SecurityGroup>(&id)?;
    let vpc = tx.find::<Vpc>(&vpc)?;
    if group.name == "default" {
        let message = format!("The default security group '{id}' cannot be associated with another VPC.");
        return Err(ControlError::invalid_value(message));
    }
    let home = tx.find::<Vpc>(&group.vpc)?;
    if vpc.is_default || home.is_default {
        let default = if vpc.is_default { vpc.id } else { home.id };
        let message = format!("Security groups cannot be associated with, or lent from, the default VPC '{default}'.");
        return Err(ControlError::invalid_value(message));
    }
    if group.is_in(vpc.id) {
        let message = format!("The security group '{id}' is already associated with the VPC '{}'.", vpc.id);
        return Err(ControlError::new("Resource.AlreadyAssociated", message));
    }
    tx.update::<SecurityGroup, _>(&id, |group| group.associated_vpcs.push(vpc.id))
}

/// Takes a group back from a VPC. Rules that named it from there turn stale.
///
/// # Errors
/// `InvalidGroup.NotFound`, `InvalidVpcID.NotFound`, `DependencyViolation` while an interface there carries the group,
/// `InvalidParameterValue` when the group isn't lent to the VPC.
pub fn disassociate(tx: &mut Tx, id: SecurityGroupId, vpc: VpcId) -> Result<(), ControlError> {
    let group = tx.find::<SecurityGroup>(&id)?;
    tx.find::<Vpc>(&vpc)?;
    if !group.associated_vpcs.contains(&vpc) {
        let message = format!("The security group '{id}' is not associated with the VPC '{vpc}'.");
        return Err(ControlError::invalid_value(message));
    }
    if let Some(eni) = tx.network().by::<NetworkInterface>(Anchor::SecurityGroup(id)).find(|eni| eni.vpc == vpc) {
        let message = format!("The security group '{id}' is in use in the VPC '{vpc}' by network interface {}.", eni.id);
        return Err(ControlError::dependency(message));
    }
    tx.update::<SecurityGroup, _>(&id, |group| group.associated_vpcs.retain(|associated| *associated != vpc))
}
