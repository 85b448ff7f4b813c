//! Egress-only internet gateways. See "Enable outbound IPv6 traffic using an egress-only internet gateway" in the VPC User
//! Guide.

use openvpc_model::prefix_list::AddressFamily;
use openvpc_model::{EgressOnlyGateway, EgressOnlyGatewayId, RouteDestination, RouteTable, RouteTarget, Tags, Vpc, VpcId};

use crate::{ControlError, Tx, prefix_lists, routes};

/// Makes a gateway, which belongs to its VPC for life.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `InvalidParameterValue` when the VPC has one, `EgressOnlyInternetGatewayLimitExceeded`.
pub fn create(tx: &mut Tx, vpc: VpcId, tags: Tags) -> Result<EgressOnlyGatewayId, ControlError> {
    tx.find::<Vpc>(&vpc)?;
    if let Some(other) = tx.network().egress_only_gateway_of(vpc) {
        let message = format!("Network {vpc} already has an egress-only internet gateway attached: {}", other.id);
        return Err(ControlError::invalid_value(message));
    }
    let limit = tx.quotas().egress_only_gateways;
    if tx.count::<EgressOnlyGateway>() >= limit {
        let message = format!("The maximum number of egress-only internet gateways has been reached ({limit}).");
        return Err(ControlError::new("EgressOnlyInternetGatewayLimitExceeded", message));
    }
    let id = tx.new_id();
    tx.put(EgressOnlyGateway { id, owner: tx.owner().clone(), vpc, tags });
    Ok(id)
}

/// Deletes a gateway: its routes become blackholes.
///
/// # Errors
/// `InvalidEgressOnlyInternetGatewayId.NotFound`.
pub fn delete(tx: &mut Tx, id: EgressOnlyGatewayId) -> Result<(), ControlError> {
    tx.find::<EgressOnlyGateway>(&id)?;
    tx.remove::<EgressOnlyGateway>(&id);
    Ok(())
}

/// A gateway as the target of a route: of the same VPC, and for IPv6 alone.
pub(crate) fn route_target(
    tx: &Tx,
    table: &RouteTable,
    destination: RouteDestination,
    id: EgressOnlyGatewayId,
) -> Result<RouteTarget, ControlError> {
    if tx.find::<EgressOnlyGateway>(&id)?.vpc != table.vpc {
        return Err(routes::other_network(table, format_args!("egress-only internet gateway {id}")));
    }
    let family = match destination {
        RouteDestination::Block(block) => AddressFamily::of(block),
        RouteDestination::PrefixList(list) => prefix_lists::find(tx, list)?.family(),
    };
    if family == AddressFamily::Ipv4 {
        let message =
            format!("The egress-only internet gateway {id} carries IPv6 alone, but the destination {destination} is IPv4.");
        return Err(ControlError::invalid_value(message));
    }
    Ok(RouteTarget::EgressOnlyGateway(id))
}
