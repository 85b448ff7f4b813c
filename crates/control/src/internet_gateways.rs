//! Internet gateways. See "Enable internet access for a VPC using an internet gateway" in the VPC User Guide.

use openvpc_model::nat::NatPlace;
use openvpc_model::route::TableUser;
use openvpc_model::{Anchor, InternetGateway, InternetGatewayId, NatGateway, NetworkInterface, RouteTable, Tags, Vpc, VpcId};

use crate::{ControlError, Tx};

/// Makes a gateway, attached to nothing.
///
/// # Errors
/// `InternetGatewayLimitExceeded`.
pub fn create(tx: &mut Tx, tags: Tags) -> Result<InternetGatewayId, ControlError> {
    let limit = tx.quotas().internet_gateways;
    if tx.owned::<InternetGateway>().count() >= limit {
        let message = format!("The maximum number of internet gateways has been reached ({limit}).");
        return Err(ControlError::new("InternetGatewayLimitExceeded", message));
    }
    Ok(make(tx, tags))
}

/// [`create`] without the quota, which doesn't hold for what a region comes with.
pub(crate) fn make(tx: &mut Tx, tags: Tags) -> InternetGatewayId {
    let gateway = InternetGateway { id: tx.new_id(), owner: tx.owner().clone(), vpc: None, tags };
    let id = gateway.id;
    tx.put(gateway);
    id
}

/// Attaches a gateway to a VPC; one of each at most.
///
/// # Errors
/// `Resource.AlreadyAssociated` when the gateway is attached, `InvalidParameterValue` when the VPC has one.
pub fn attach(tx: &mut Tx, id: InternetGatewayId, vpc: VpcId) -> Result<(), ControlError> {
    let gateway = tx.find::<InternetGateway>(&id)?;
    tx.find::<Vpc>(&vpc)?;
    if let Some(attached) = gateway.vpc {
        let message = format!("resource {id} is already attached to network {attached}");
        return Err(ControlError::new("Resource.AlreadyAssociated", message));
    }
    if let Some(other) = tx.network().internet_gateway_of(vpc) {
        let message = format!("Network {vpc} already has an internet gateway attached: {}", other.id);
        return Err(ControlError::invalid_value(message));
    }
    tx.update::<InternetGateway, _>(&id, |gateway| gateway.vpc = Some(vpc))
}

/// Detaches a gateway: its routes become blackholes, its own route table loses it.
///
/// # Errors
/// `Gateway.NotAttached`; `DependencyViolation` while the VPC has public addresses in use.
pub fn detach(tx: &mut Tx, id: InternetGatewayId, vpc: VpcId) -> Result<(), ControlError> {
    let gateway = tx.find::<InternetGateway>(&id)?;
    tx.find::<Vpc>(&vpc)?;
    if gateway.vpc != Some(vpc) {
        return Err(ControlError::new("Gateway.NotAttached", format!("resource {id} is not attached to network {vpc}")));
    }
    let is_public = |eni: &NetworkInterface| eni.vpc == vpc && eni.private_addresses.iter().any(|slot| slot.public.is_some());
    let is_regional = |nat: &NatGateway| nat.vpc == vpc && nat.is_available() && matches!(nat.place, NatPlace::Regional { .. });
    let regional = tx.network().all::<NatGateway>().any(|nat| is_regional(nat));
    if regional || tx.network().by::<NetworkInterface>(Anchor::Vpc(vpc)).any(|eni| is_public(eni)) {
        let message = format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        );
        return Err(ControlError::dependency(message));
    }
    let table_user = TableUser::InternetGateway(id);
    let uses = |table: &RouteTable| table.associations.iter().any(|a| a.user == table_user);
    let tables: Vec<_> = tx.owned::<RouteTable>().filter(|table| uses(table)).map(|table| table.id).collect();
    for table in tables {
        tx.update::<RouteTable, _>(&table, |table| table.associations.retain(|a| a.user != table_user))?;
    }
    tx.update::<InternetGateway, _>(&id, |gateway| gateway.vpc = None)
}

/// Deletes a detached gateway.
///
/// # Errors
/// `DependencyViolation` while it is attached.
pub fn delete(tx: &mut Tx, id: InternetGatewayId) -> Result<(), ControlError> {
    if tx.find::<InternetGateway>(&id)?.vpc.is_some() {
        let message = format!("The internetGateway '{id}' has dependencies and cannot be deleted.");
        return Err(ControlError::dependency(message));
    }
    tx.remove::<InternetGateway>(&id);
    Ok(())
}
