//! Carrier gateways. See "Carrier gateways" in the VPC User Guide.

use openvpc_model::{CarrierGateway, CarrierGatewayId, RouteTable, RouteTarget, Tags, Vpc, VpcId};

use crate::{ControlError, Tx, routes};

/// Makes a gateway, which belongs to its VPC for life.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `InvalidParameterValue` when the VPC has one.
pub fn create(tx: &mut Tx, vpc: VpcId, tags: Tags) -> Result<CarrierGatewayId, ControlError> {
    tx.find::<Vpc>(&vpc)?;
    if let Some(other) = of(tx, vpc) {
        return Err(ControlError::invalid_value(format!("Network {vpc} already has a carrier gateway attached: {other}")));
    }
    let id = tx.new_id();
    tx.put(CarrierGateway { id, owner: tx.owner().clone(), vpc, tags });
    Ok(id)
}

/// Deletes a gateway.
///
/// # Errors
/// `InvalidCarrierGatewayID.NotFound`.
pub fn delete(tx: &mut Tx, id: CarrierGatewayId) -> Result<(), ControlError> {
    tx.find::<CarrierGateway>(&id)?;
    tx.remove::<CarrierGateway>(&id);
    Ok(())
}

/// The carrier gateway of a VPC.
pub(crate) fn of(tx: &Tx, vpc: VpcId) -> Option<CarrierGatewayId> {
    tx.network().all::<CarrierGateway>().find(|gateway| gateway.vpc == vpc).map(|gateway| gateway.id)
}

/// No table may lead to one: that takes a subnet in a Wavelength Zone, and there are none.
pub(crate) fn route_target(tx: &Tx, table: &RouteTable, id: CarrierGatewayId) -> Result<RouteTarget, ControlError> {
    if tx.find::<CarrierGateway>(&id)?.vpc != table.vpc {
        return Err(routes::other_network(table, format_args!("carrier gateway {id}")));
    }
    let message = format!("The route table {} has no subnet in a Wavelength Zone, which a route to {id} needs.", table.id);
    Err(ControlError::invalid_value(message))
}
