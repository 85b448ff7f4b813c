//! Which VPCs see a private zone. See "Associating more VPCs with a private hosted zone".

use std::sync::Arc;

use openvpc_model::hosted_zone::ZoneVpc;
use openvpc_model::{DnsChange, DomainName, HostedZone, Network, Region, Vpc, VpcId};

use super::{VpcReference, find, invalid, new_change, no_such_zone, owner, shown};
use crate::{ControlError, Tx};

/// Lets a VPC of the caller see a zone of its own, or one whose owner authorized it.
///
/// # Errors
/// `NoSuchHostedZone`, `PublicZoneVPCAssociation`, `InvalidVPCId`, `NotAuthorizedException`, `ConflictingDomainExists`,
/// `LimitsExceeded`.
pub fn associate(tx: &mut Tx, zone: &str, reference: &VpcReference, comment: Option<String>) -> Result<DnsChange, ControlError> {
    let caller = owner(tx);
    let mut zone = (**tx.network().hosted_zones.get(zone).ok_or_else(|| no_such_zone(zone))?).clone();
    let vpc = vpc(tx, reference)?;
    let authorized = zone.authorized.contains(&vpc);
    if vpc.account != caller.account || (zone.owner != caller && !authorized) {
        let message = format!("The VPC: {} has not authorized to associate with your hosted zone.", vpc.vpc);
        return Err(ControlError::new("NotAuthorizedException", message));
    }
    let Some(vpcs) = &mut zone.vpcs else {
        let message = format!("The hosted zone {} is public; only private hosted zones are associated with VPCs", zone.id);
        return Err(ControlError::new("PublicZoneVPCAssociation", message));
    };
    check_conflict(tx.network(), &zone.name, &vpc)?;
    let limit = tx.quotas().vpcs_per_hosted_zone;
    if vpcs.len() >= limit {
        let message = format!("The hosted zone {} is associated with the {limit} VPCs that it may be associated with", zone.id);
        return Err(ControlError::new("LimitsExceeded", message));
    }
    vpcs.push(vpc);
    tx.put(zone);
    Ok(new_change(tx, comment))
}

/// Takes a private zone away from a VPC. The owner of either may do so.
///
/// # Errors
/// `NoSuchHostedZone`, `InvalidVPCId`, `VPCAssociationNotFound`, `LastVPCAssociation`.
pub fn disassociate(
    tx: &mut Tx,
    zone: &str,
    reference: &VpcReference,
    comment: Option<String>,
) -> Result<DnsChange, ControlError> {
    let caller = owner(tx);
    let id: VpcId = reference.id.parse().map_err(|_| no_such_vpc(reference))?;
    let mut zone = (**tx.network().hosted_zones.get(zone).ok_or_else(|| no_such_zone(zone))?).clone();
    let is_it = |vpc: &ZoneVpc| vpc.vpc == id && vpc.region.as_str() == reference.region;
    let vpcs = zone.vpcs.get_or_insert_default();
    let found = vpcs.iter().position(is_it);
    let of_caller = found.is_some_and(|at| vpcs[at].account == caller.account);
    if zone.owner != caller && !of_caller {
        return Err(no_such_zone(&zone.id));
    }
    let Some(found) = found else {
        let message = format!("The VPC: {} is not associated with the hosted zone {}.", reference.id, zone.id);
        return Err(ControlError::new("VPCAssociationNotFound", message));
    };
    if vpcs.len() == 1 {
        let message = format!(
            "The VPC {} is the last one that is associated with the private hosted zone {}; delete the hosted zone instead.",
            reference.id, zone.id
        );
        return Err(ControlError::new("LastVPCAssociation", message));
    }
    vpcs.remove(found);
    tx.put(zone);
    Ok(new_change(tx, comment))
}

/// Lets another account associate a VPC of its own with a zone of the caller.
///
/// # Errors
/// `NoSuchHostedZone`, `InvalidVPCId`, `InvalidInput` for a public zone.
pub fn authorize(tx: &mut Tx, zone: &str, reference: &VpcReference) -> Result<ZoneVpc, ControlError> {
    let mut zone = (*find(tx.network(), &owner(tx), zone)?).clone();
    if !zone.is_private() {
        return Err(invalid("VPCs can be authorized for private hosted zones only"));
    }
    let vpc = vpc(tx, reference)?;
    if !zone.authorized.contains(&vpc) {
        zone.authorized.push(vpc.clone());
        tx.put(zone);
    }
    Ok(vpc)
}

/// Takes an authorization back; associations stay.
///
/// # Errors
/// `NoSuchHostedZone`, `InvalidVPCId`, `VPCAssociationAuthorizationNotFound`.
pub fn deauthorize(tx: &mut Tx, zone: &str, reference: &VpcReference) -> Result<(), ControlError> {
    let mut zone = (*find(tx.network(), &owner(tx), zone)?).clone();
    let id: VpcId = reference.id.parse().map_err(|_| no_such_vpc(reference))?;
    let found = zone.authorized.iter().position(|vpc| vpc.vpc == id && vpc.region.as_str() == reference.region);
    let Some(found) = found else {
        let message = format!("The VPC {} is not authorized to be associated with the hosted zone {}.", reference.id, zone.id);
        return Err(ControlError::new("VPCAssociationAuthorizationNotFound", message));
    };
    zone.authorized.remove(found);
    tx.put(zone);
    Ok(())
}

/// The VPC that a request names, of any account.
///
/// # Errors
/// `InvalidVPCId` when there is none in that region.
pub(super) fn vpc(tx: &Tx, reference: &VpcReference) -> Result<ZoneVpc, ControlError> {
    let region: Region = reference.region.parse().map_err(|_| no_such_vpc(reference))?;
    let id: VpcId = reference.id.parse().map_err(|_| no_such_vpc(reference))?;
    let found = tx.network().get::<Vpc>(&id).filter(|vpc| vpc.owner.region == region).ok_or_else(|| no_such_vpc(reference))?;
    Ok(ZoneVpc { vpc: id, account: found.owner.account, region })
}

/// A VPC sees one zone of a name only.
pub(super) fn check_conflict(network: &Network, name: &DomainName, vpc: &ZoneVpc) -> Result<(), ControlError> {
    let same = |zone: &&Arc<HostedZone>| zone.name == *name && zone.is_seen_by(vpc.vpc);
    match network.hosted_zones.by(openvpc_model::Anchor::Vpc(vpc.vpc)).find(same) {
        None => Ok(()),
        Some(zone) => {
            let message = format!(
                "The VPC {} has already been associated with the hosted zone {} with the same domain name.",
                shown(vpc),
                zone.id
            );
            Err(ControlError::new("ConflictingDomainExists", message))
        }
    }
}

/// The error for a VPC that isn't there.
pub(super) fn no_such_vpc(reference: &VpcReference) -> ControlError {
    let message = format!("The VPC: {} in region {} does not exist or is not yours.", reference.id, reference.region);
    ControlError::new("InvalidVPCId", message)
}
