//! Block Public Access and its exclusions. See "Block public access to VPCs and subnets" in the VPC User Guide.
//!
//! The state is kept and shown; packets don't mind it yet.

use openvpc_model::public_access::{
    ExcludedResource, ExclusionMode, PublicAccessExclusion, PublicAccessMode, PublicAccessOptions,
};
use openvpc_model::{BlockPublicAccessExclusionId, RegionState, Subnet, Tags, Vpc};

use crate::{ControlError, Missing, Tx, retention};

/// How long a deleted exclusion is shown.
const SHOWN_FOR_MS: u64 = 60 * 60 * 1000;

/// Sets the mode of the caller's account in the region.
///
/// # Errors
/// `InternalError` when the region wasn't set up.
pub fn set_mode(tx: &mut Tx, mode: PublicAccessMode) -> Result<PublicAccessOptions, ControlError> {
    let owner = tx.owner().clone();
    let region = tx.network().get::<RegionState>(&owner).cloned();
    let mut region = (*region.ok_or_else(|| ControlError::internal("the region was never looked at"))?).clone();
    region.public_access = PublicAccessOptions { mode, updated_at: Some(tx.now()) };
    let options = region.public_access;
    tx.put(region);
    Ok(options)
}

/// Spares a VPC or a subnet.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `InvalidSubnetID.NotFound`, `InvalidParameterValue` when it has an exclusion,
/// `VpcBlockPublicAccessExclusionLimitExceeded`.
pub fn exclude(
    tx: &mut Tx,
    resource: ExcludedResource,
    mode: ExclusionMode,
    tags: Tags,
) -> Result<BlockPublicAccessExclusionId, ControlError> {
    match resource {
        ExcludedResource::Vpc(vpc) => tx.find::<Vpc>(&vpc).map(drop)?,
        ExcludedResource::Subnet(subnet) => tx.find::<Subnet>(&subnet).map(drop)?,
    }
    let alive = || tx.owned::<PublicAccessExclusion>().filter(|exclusion| exclusion.deleted_at.is_none());
    if let Some(present) = alive().find(|exclusion| exclusion.resource == resource) {
        let message = format!("There is an exclusion for the resource already: {}", present.id);
        return Err(ControlError::invalid_value(message));
    }
    let limit = tx.quotas().public_access_exclusions;
    if alive().count() >= limit {
        let message = format!("The maximum number of Block Public Access exclusions has been reached ({limit}).");
        return Err(ControlError::new("VpcBlockPublicAccessExclusionLimitExceeded", message));
    }
    let exclusion = PublicAccessExclusion {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        resource,
        mode,
        created_at: tx.now(),
        updated_at: None,
        deleted_at: None,
        tags,
    };
    let id = exclusion.id;
    tx.put(exclusion);
    Ok(id)
}

/// Changes how far a resource is spared.
///
/// # Errors
/// `InvalidVpcBlockPublicAccessExclusionId.NotFound`.
pub fn modify(tx: &mut Tx, id: BlockPublicAccessExclusionId, mode: ExclusionMode) -> Result<(), ControlError> {
    let now = tx.now();
    check_alive(tx, id)?;
    tx.update::<PublicAccessExclusion, _>(&id, |exclusion| {
        exclusion.mode = mode;
        exclusion.updated_at = Some(now);
    })
}

/// Deletes an exclusion; it is shown for a while.
///
/// # Errors
/// `InvalidVpcBlockPublicAccessExclusionId.NotFound`.
pub fn delete(tx: &mut Tx, id: BlockPublicAccessExclusionId) -> Result<(), ControlError> {
    let now = tx.now();
    check_alive(tx, id)?;
    tx.update::<PublicAccessExclusion, _>(&id, |exclusion| exclusion.deleted_at = Some(now))
}

/// Deletes the exclusion of a VPC or subnet that goes.
pub(crate) fn end_with(tx: &mut Tx, resource: ExcludedResource) -> Result<(), ControlError> {
    let alive = tx.owned::<PublicAccessExclusion>().filter(|exclusion| exclusion.deleted_at.is_none());
    let found = alive.filter(|exclusion| exclusion.resource == resource).map(|exclusion| exclusion.id).next();
    found.map_or(Ok(()), |id| delete(tx, id))
}

/// Forgets what was deleted long enough ago.
pub(crate) fn prune(tx: &mut Tx) {
    let now = tx.now();
    let old = tx.network().all::<PublicAccessExclusion>().filter(|e| retention::is_over(e.deleted_at, SHOWN_FOR_MS, now));
    let old: Vec<_> = old.map(|exclusion| exclusion.id).collect();
    for id in old {
        tx.remove::<PublicAccessExclusion>(&id);
    }
}

fn check_alive(tx: &Tx, id: BlockPublicAccessExclusionId) -> Result<(), ControlError> {
    let exclusion = tx.find::<PublicAccessExclusion>(&id)?;
    if exclusion.deleted_at.is_none() { Ok(()) } else { Err(PublicAccessExclusion::missing(&id)) }
}
