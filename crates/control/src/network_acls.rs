//! Network ACLs: lifetime, entries ([`entries`]) and which subnet uses which. See "Network ACLs" in the VPC User Guide.

mod entries;

use openvpc_model::nacl::NaclAssociation;
use openvpc_model::{Anchor, NaclAssociationId, NaclId, NetworkAcl, Subnet, Tags, Vpc, VpcId};

use crate::{ControlError, Tx};

pub use entries::{EntrySpec, create_entry, delete_entry, parse_ports, parse_protocol, replace_entry};

/// Makes an ACL without entries: it denies everything.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `NetworkAclLimitExceeded`.
pub fn create(tx: &mut Tx, vpc: VpcId, tags: Tags) -> Result<NaclId, ControlError> {
    let vpc = tx.find::<Vpc>(&vpc)?.id;
    let limit = tx.quotas().nacls_per_vpc;
    if tx.network().nacls.count_by(Anchor::Vpc(vpc)) >= limit {
        return Err(ControlError::new(
            "NetworkAclLimitExceeded",
            format!("The maximum number of network ACLs has been reached for {vpc}: {limit}"),
        ));
    }
    let id = tx.new_id();
    let owner = tx.owner().clone();
    tx.put(NetworkAcl { id, owner, vpc, is_default: false, entries: Vec::new(), tags });
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
    if let Some(subnet) = tx.network().users_of(id).next() {
        return Err(ControlError::dependency(format!(
            "The networkAcl '{id}' has dependencies and cannot be deleted: subnet {} uses it",
            subnet.id
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
    let found = tx.owned::<Subnet>().find(|subnet| subnet.nacl.id == association);
    let (subnet, vpc) = found.map(|subnet| (subnet.id, subnet.vpc)).ok_or_else(|| {
        ControlError::new("InvalidAssociationID.NotFound", format!("The association ID '{association}' does not exist"))
    })?;
    let new = tx.find::<NetworkAcl>(&nacl)?;
    if new.vpc != vpc {
        return Err(ControlError::invalid_value(format!("network ACL {nacl} and subnet {subnet} belong to different networks")));
    }
    let id = tx.new_id();
    tx.update::<Subnet, _>(&subnet, |subnet| subnet.nacl = NaclAssociation { id, nacl })?;
    Ok(id)
}
