//! Instance profiles.

use std::sync::Arc;

use openvpc_model::{IamName, InstanceProfile, Network, Owner, Tags};

use super::{check_name, check_path, check_tags, exists, key, missing, over, role, unique_id};
use crate::{ControlError, Tx};

/// Makes an instance profile without a role.
///
/// # Errors
/// `ValidationError`, `EntityAlreadyExists`, `LimitExceeded`.
pub fn create_profile(tx: &mut Tx, name: &str, path: &str, tags: Tags) -> Result<Arc<InstanceProfile>, ControlError> {
    check_name("instanceProfileName", name, 128)?;
    check_path(path)?;
    check_tags(&tags)?;
    let key = key(tx, name);
    if tx.network().instance_profiles.contains_key(&key) {
        return Err(exists("Instance Profile", name));
    }
    let limit = tx.quotas().instance_profiles;
    let account = tx.owner().account;
    if tx.network().all::<InstanceProfile>().filter(|profile| profile.owner.account == account).count() >= limit {
        return Err(over("InstanceProfilesPerAccount", limit));
    }
    let profile = InstanceProfile {
        owner: tx.owner().clone(),
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(tx, "AIPA"),
        role: None,
        created_at: tx.now(),
        tags,
    };
    tx.put(profile.clone());
    Ok(Arc::new(profile))
}

/// Deletes a profile without a role.
///
/// # Errors
/// `NoSuchEntity`, `DeleteConflict`.
pub fn delete_profile(tx: &mut Tx, name: &str) -> Result<(), ControlError> {
    if profile(tx.network(), tx.owner(), name)?.role.is_some() {
        let message = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(ControlError::new("DeleteConflict", message));
    }
    let key = key(tx, name);
    tx.remove::<InstanceProfile>(&key);
    Ok(())
}

/// Puts a role into a profile; one at most.
///
/// # Errors
/// `NoSuchEntity`, `LimitExceeded`.
pub fn add_role(tx: &mut Tx, name: &str, role_name: &str) -> Result<(), ControlError> {
    let mut profile = (**profile(tx.network(), tx.owner(), name)?).clone();
    let role = role(tx.network(), tx.owner(), role_name)?.name.clone();
    if profile.role.is_some() {
        return Err(over("InstanceSessionsPerInstanceProfile", 1));
    }
    profile.role = Some(role);
    tx.put(profile);
    Ok(())
}

/// Takes a role out of a profile.
///
/// # Errors
/// `NoSuchEntity`.
pub fn remove_role(tx: &mut Tx, name: &str, role_name: &str) -> Result<(), ControlError> {
    let mut profile = (**profile(tx.network(), tx.owner(), name)?).clone();
    role(tx.network(), tx.owner(), role_name)?;
    if !profile.role.as_ref().is_some_and(|held| held.eq_ignore_ascii_case(role_name)) {
        return Err(missing(&format!("role in instance profile {name} with name"), role_name));
    }
    profile.role = None;
    tx.put(profile);
    Ok(())
}

/// An instance profile of an account.
///
/// # Errors
/// `NoSuchEntity`.
pub fn profile<'a>(network: &'a Network, owner: &Owner, name: &str) -> Result<&'a Arc<InstanceProfile>, ControlError> {
    let found = network.instance_profiles.get(&IamName::new(owner.account, name));
    found.ok_or_else(|| ControlError::new("NoSuchEntity", format!("Instance Profile {name} cannot be found.")))
}
