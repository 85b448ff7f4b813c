//! Reusable delegation sets: four name servers for many zones.

use std::sync::Arc;

use openvpc_model::{DelegationSet, HostedZone, Network, Owner};

use super::{check_reference, invalid, name_servers, new_id, owner};
use crate::{ControlError, Tx};

/// Makes a set, or makes one of the name servers of a zone.
///
/// # Errors
/// `DelegationSetAlreadyCreated`, `DelegationSetAlreadyReusable`, `HostedZoneNotFound`, `LimitsExceeded`, `InvalidInput`.
pub fn create(tx: &mut Tx, caller_reference: &str, zone: Option<&str>) -> Result<DelegationSet, ControlError> {
    check_reference(caller_reference)?;
    let owner = owner(tx);
    if tx.network().owned::<DelegationSet>(&owner).any(|set| set.caller_reference == caller_reference) {
        let message = "A delegation set with the same owner and caller reference combination has already been created.";
        return Err(ControlError::new("DelegationSetAlreadyCreated", message));
    }
    let limit = tx.quotas().delegation_sets;
    if tx.network().owned::<DelegationSet>(&owner).count() >= limit {
        return Err(ControlError::new(
            "LimitsExceeded",
            format!("The account has the {limit} delegation sets that it may have."),
        ));
    }
    let id = new_id(tx, 'N');
    let servers = match zone {
        None => new_servers(tx),
        Some(zone) => {
            let found = tx.network().hosted_zones.get(zone).filter(|found| found.owner == owner && !found.is_private()).cloned();
            let missing = || ControlError::new("HostedZoneNotFound", format!("The specified hosted zone {zone} can't be found."));
            let mut found = (*found.ok_or_else(missing)?).clone();
            if found.delegation_set.is_some() {
                let message = format!("The delegation set of the hosted zone {zone} is reusable already.");
                return Err(ControlError::new("DelegationSetAlreadyReusable", message));
            }
            let servers = found.name_servers.clone();
            found.delegation_set = Some(id.clone());
            tx.put(found);
            servers
        }
    };
    let set = DelegationSet { id, owner, caller_reference: caller_reference.to_owned(), name_servers: servers };
    tx.put(set.clone());
    Ok(set)
}

/// Deletes a set that no zone uses.
///
/// # Errors
/// `NoSuchDelegationSet`, `DelegationSetInUse`.
pub fn delete(tx: &mut Tx, id: &str) -> Result<(), ControlError> {
    let set = find(tx.network(), &owner(tx), id)?;
    if zones_with(tx.network(), &set).next().is_some() {
        let message = format!("The delegation set {id} is used by hosted zones; delete those first.");
        return Err(ControlError::new("DelegationSetInUse", message));
    }
    tx.remove::<DelegationSet>(&set.id);
    Ok(())
}

/// A set of an account.
///
/// # Errors
/// `NoSuchDelegationSet`.
pub fn find(network: &Network, owner: &Owner, id: &str) -> Result<Arc<DelegationSet>, ControlError> {
    if id.is_empty() {
        return Err(invalid("The delegation set's id is empty"));
    }
    let found = network.delegation_sets.get(id).filter(|set| set.owner == *owner);
    let missing = || ControlError::new("NoSuchDelegationSet", format!("A delegation set with the ID {id} does not exist."));
    found.cloned().ok_or_else(missing)
}

/// The zones that were made with a set.
pub fn zones_with<'a>(network: &'a Network, set: &'a DelegationSet) -> impl Iterator<Item = &'a Arc<HostedZone>> {
    network.owned::<HostedZone>(&set.owner).filter(|zone| zone.delegation_set.as_deref() == Some(&*set.id))
}

/// Four name servers of four domains.
pub(super) fn new_servers(tx: &Tx) -> Vec<String> {
    let bits = tx.random();
    name_servers([0, 1, 2, 3].map(|domain| domain * 512 + (bits >> (9 * domain) & 511)))
}
