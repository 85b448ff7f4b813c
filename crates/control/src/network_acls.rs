//! Network ACLs: lifetime, entries ([`entries`]) and which subnet uses which. See "Network ACLs" in the VPC User Guide.

mod entries;

use openvpc_model::nacl::NaclAssociation;
use openvpc_model::{NaclAssociationId, NaclId, NetworkAcl, Tags, Vpc, VpcId};

use crate::{ControlError, Tx};

pub use entries::{EntrySpec, create_entry, delete_entry, parse_ports, parse_protocol, replace_entry};

/// Makes an ACL without entries: it denies everything.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `NetworkAclLimitExceeded`.
pub fn create(tx: &mut Tx, vpc: VpcId, tags: Tags) -> Result<NaclId, ControlError> {
    let vpc = tx.find::<Vpc>(&vpc)?.id;
    let limit = tx.quotas().nacls_per_vpc;
    if tx.owned::<NetworkAcl>().filter(|nacl| nacl.vpc == vpc).count() >= limit {
        return Err(ControlError::new(
            "NetworkAclLimitExceeded",
            format!("The maximum number of network ACLs has been reached for {vpc}: {limit}"),
        ));
    }
    let id = tx.new_id();
    let owner = tx.owner().clone();
    tx.put(NetworkAcl { id, owner, vpc, is_default: false, entries: Vec::new(), associations: Vec::new(), tags });
    Ok(id)
}

/// Removes an ACL that no subnet uses.
///
/// # Errors
/// `InvalidParameterValue` for a default ACL, `DependencyViolation` while in use.
pub fn delete(tx: &mut Tx, id: NaclId) -> Result<(), ControlError> {
    let nacl = tx.find::<NetworkAcl>(&id)?;
    if nacl.is_default {
        return Err(ControlError::invalid_value(format!(
            "cannot delete default network ACL {id}: it goes with its VPC {}",
            nacl.vpc
        )));
    }
    if let Some(association) = nacl.associations.first() {
        return Err(ControlError::dependency(format!(
            "The networkAcl '{id}' has dependencies and cannot be deleted: subnet {} uses it",
            association.subnet
        )));
    }
    tx.remove::<NetworkAcl>(&id);
    Ok(())
}

/// Gives the subnet of an association another ACL; returns the new association.
///
/// # Errors
/// `InvalidAssociationID.NotFound`, `InvalidNetworkAclID.NotFound`, or `InvalidParameterValue` across VPCs.
pub fn replace_association(tx: &mut Tx, association: NaclAssociationId, nacl: NaclId) -> Result<NaclAssociationId, ControlError> {
    let uses = |nacl: &NetworkAcl| nacl.associations.iter().find(|a| a.id == association).map(|a| a.subnet);
    let found = tx.owned::<NetworkAcl>().find_map(|nacl| Some((nacl.id, nacl.vpc, uses(nacl)?)));
    let (old, vpc, subnet) = found.ok_or_else(|| {
        ControlError::new("InvalidAssociationID.NotFound", format!("The association ID '{association}' does not exist"))
    })?;
    let new = tx.find::<NetworkAcl>(&nacl)?;
    if new.vpc != vpc {
        return Err(ControlError::invalid_value(format!("network ACL {nacl} and subnet {subnet} belong to different networks")));
    }
    let id = tx.new_id();
    tx.update::<NetworkAcl, _>(&old, |nacl| nacl.associations.retain(|a| a.id != association))?;
    tx.update::<NetworkAcl, _>(&nacl, |nacl| nacl.associations.push(NaclAssociation { id, subnet }))?;
    Ok(id)
}
