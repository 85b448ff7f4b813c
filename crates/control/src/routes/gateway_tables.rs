//! Route tables of gateways: for the packets that come in through one. See "Gateway route tables" in the VPC User Guide.

use openvpc_model::route::TableUser;
use openvpc_model::{RouteDestination, RouteTable, RouteTarget, Vpc};

use super::changes::{is_local, is_subnet};
use crate::{ControlError, Tx};

/// Whether a table is one.
pub(super) fn is_one(table: &RouteTable) -> bool {
    table.associations.iter().any(|a| matches!(a.user, TableUser::InternetGateway(_) | TableUser::VpnGateway(_)))
}

/// Whether a table may be associated with a gateway.
pub(super) fn check_table(tx: &Tx, table: &RouteTable) -> Result<(), ControlError> {
    if table.associations.iter().any(|a| a.user == TableUser::Main) {
        let message = format!("The main route table {} cannot be associated with a gateway.", table.id);
        return Err(ControlError::invalid_value(message));
    }
    if !table.propagating.is_empty() {
        let message = format!("The route table {} takes propagated routes and cannot be associated with a gateway.", table.id);
        return Err(ControlError::invalid_value(message));
    }
    table.routes.iter().try_for_each(|route| check_route(tx, table, route.destination, route.target))
}

/// A gateway's table may hold the VPC's blocks and whole subnets, towards interfaces and Gateway Load Balancer endpoints.
pub(super) fn check_route(
    tx: &Tx,
    table: &RouteTable,
    destination: RouteDestination,
    target: RouteTarget,
) -> Result<(), ControlError> {
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    let place = destination.block().is_some_and(|block| is_local(&vpc, block) || is_subnet(tx, vpc.id, block));
    if place && matches!(target, RouteTarget::Endpoint(_) | RouteTarget::Local | RouteTarget::NetworkInterface(_)) {
        return Ok(());
    }
    let message = format!(
        "The route {destination} of {} is not allowed in a table of a gateway, whose destinations are the vpc or whole subnets and whose targets are interfaces or Gateway Load Balancer endpoints.",
        table.id
    );
    Err(ControlError::invalid_value(message))
}
