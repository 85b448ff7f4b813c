//! Route tables. See "Configure route tables" in the VPC User Guide.
//!
//! [`associate`] and its kin say who uses a table, [`create`] and its kin change its routes. What a route may lead to is
//! decided in two steps. First the kind of target: [`Target`] has a variant for each, and `targets::resolve` an arm for
//! each variant, which is one call into the module of that kind. Such an arm must
//!
//! - find the target for the caller, or fail with the kind's not-found code;
//! - refuse a target of another VPC (`targets::other_network`), or one in a state that takes no route;
//! - refuse a destination of a family that the target doesn't carry;
//! - answer with the [`RouteTarget`] that the route keeps.
//!
//! Then what holds for all kinds: destinations more specific than `local`, gateway route tables, quotas. Whether a route's
//! target works later on is never stored: a new kind also needs its arm in [`Network::route_state`], so that the routes
//! turn to blackholes when the target goes. A kind of gateway that can have a table of its own needs its arm in [`User`].

mod associations;
mod changes;
mod gateway_tables;
mod targets;

use ipnet::IpNet;
use openvpc_model::{Anchor, Network, Route, RouteOrigin, RouteTable, RouteTableId, RouteTarget, Tags, Vpc, VpcId};

use crate::{ControlError, Tx, endpoints};

pub use associations::{User, associate, disassociate, replace_association};
pub(crate) use changes::check_count;
pub use changes::{create, delete, replace};
pub use targets::Target;
pub(crate) use targets::other_network;

/// Makes a route table, which holds the local routes alone.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `RouteTableLimitExceeded`.
pub fn create_table(tx: &mut Tx, vpc: VpcId, tags: Tags) -> Result<RouteTableId, ControlError> {
    tx.find::<Vpc>(&vpc)?;
    let limit = tx.quotas().route_tables_per_vpc;
    if tx.network().by::<RouteTable>(Anchor::Vpc(vpc)).count() >= limit {
        let message = format!("The maximum number of route tables of vpc '{vpc}' has been reached ({limit}).");
        return Err(ControlError::new("RouteTableLimitExceeded", message));
    }
    let table = RouteTable {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        vpc,
        routes: Vec::new(),
        associations: Vec::new(),
        propagating: Vec::new(),
        tags,
    };
    let id = table.id;
    tx.put(table);
    Ok(id)
}

/// Deletes a route table that nothing uses.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `DependencyViolation`.
pub fn delete_table(tx: &mut Tx, id: RouteTableId) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    if !table.associations.is_empty() || endpoints::with_table(tx, id).is_some() {
        return Err(ControlError::dependency(format!("The routeTable '{id}' has dependencies and cannot be deleted.")));
    }
    tx.remove::<RouteTable>(&id);
    Ok(())
}

/// The routes of a table as DescribeRouteTables lists them: first those of the VPC's blocks, `local` unless replaced, then
/// those that users made, then the propagated ones of other destinations.
pub fn effective(network: &Network, table: &RouteTable) -> Vec<Route> {
    let Some(vpc) = network.get::<Vpc>(&table.vpc) else { return table.routes.clone() };
    let ipv4 = vpc.ipv4_blocks.iter().map(|b| IpNet::V4(b.block));
    let blocks: Vec<_> = ipv4.chain(vpc.ipv6_blocks.iter().map(|b| IpNet::V6(b.block))).collect();
    let replaced = |block: &IpNet| table.routes.iter().find(|route| route.destination == *block).cloned();
    let local =
        |block: &IpNet| Route { destination: (*block).into(), target: RouteTarget::Local, origin: RouteOrigin::CreateRouteTable };
    let locals = blocks.iter().map(|block| replaced(block).unwrap_or_else(|| local(block)));
    let made = table.routes.iter().filter(|route| !blocks.iter().any(|block| route.destination == *block)).cloned();
    let mut routes: Vec<_> = locals.chain(made).collect();
    for propagated in network.propagated_routes(table) {
        if !routes.iter().any(|route| route.destination == propagated.destination) {
            routes.push(propagated);
        }
    }
    routes
}
