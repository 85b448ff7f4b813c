//! Routes that users make, change and delete.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::endpoint::EndpointType;
use openvpc_model::{
    AddressFamily, Route, RouteDestination, RouteOrigin, RouteTable, RouteTableId, RouteTarget, Vpc, VpcEndpoint, VpcId,
};

use super::gateway_tables;
use super::targets::{self, Target};
use crate::{ControlError, Tx, prefix_lists};

/// Addresses of the VPC's own services, which no route may name: 169.254.168.0/22 and fd00:ec2::/32.
const RESERVED_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 168, 0), 22);
const RESERVED_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);

/// Makes a route.
///
/// # Errors
/// `RouteAlreadyExists`, `RouteLimitExceeded`, `InvalidPrefixListID.NotFound`, the target's not-found error,
/// `InvalidParameterValue` for a destination that may not have the target.
pub fn create(
    tx: &mut Tx,
    id: RouteTableId,
    destination: impl Into<RouteDestination>,
    target: Target,
) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    let destination = checked_destination(tx, destination.into())?;
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    if existing(&table, destination).is_some() || destination.block().is_some_and(|block| is_local(&vpc, block)) {
        return Err(ControlError::new("RouteAlreadyExists", format!("The route identified by {destination} already exists.")));
    }
    let target = checked_target(tx, &table, destination, target)?;
    let route = Route { destination, target, origin: RouteOrigin::CreateRoute };
    tx.update::<RouteTable, _>(&id, |table| table.routes.push(route))?;
    check_count(tx, id, destination)
}

/// Gives a route another target. A local route, or one for a whole subnet, may be bent to a middlebox and taken back with
/// [`Target::Local`].
///
/// # Errors
/// `InvalidParameterValue` when there is no such route; else as for [`create`].
pub fn replace(
    tx: &mut Tx,
    id: RouteTableId,
    destination: impl Into<RouteDestination>,
    target: Target,
) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    let destination = checked_destination(tx, destination.into())?;
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    let local = destination.block().is_some_and(|block| is_local(&vpc, block));
    match existing(&table, destination) {
        None if !local => {
            let message = format!("There is no route defined for '{destination}' in the route table. Use CreateRoute instead.");
            return Err(ControlError::invalid_value(message));
        }
        Some(route) if is_of_gateway_endpoint(tx, route) => {
            let message = format!("cannot replace VPC endpoint route {destination} in route table {id}");
            return Err(ControlError::invalid_value(message));
        }
        _ => {}
    }
    let target = match target {
        Target::Local if local => {
            return tx.update::<RouteTable, _>(&id, |table| table.routes.retain(|route| route.destination != destination));
        }
        Target::Local if destination.block().is_some_and(|block| is_inside(&vpc, block)) => RouteTarget::Local,
        Target::Local => {
            let message = format!("The destination {destination} is outside the vpc '{}' and can't be local.", vpc.id);
            return Err(ControlError::invalid_value(message));
        }
        other => checked_target(tx, &table, destination, other)?,
    };
    if local && !targets::is_middlebox(target) {
        let message = format!(
            "The local route {destination} may only be replaced with a network interface, a NAT gateway or a Gateway Load Balancer endpoint."
        );
        return Err(ControlError::invalid_value(message));
    }
    let origin = if local { RouteOrigin::CreateRouteTable } else { RouteOrigin::CreateRoute };
    tx.update::<RouteTable, _>(&id, |table| {
        match table.routes.iter_mut().find(|route| is_static(route) && route.destination == destination) {
            Some(route) => route.target = target,
            None => table.routes.push(Route { destination, target, origin }),
        }
    })
}

/// Deletes a route.
///
/// # Errors
/// `InvalidRoute.NotFound`; `InvalidParameterValue` for a local route or one of a gateway endpoint.
pub fn delete(tx: &mut Tx, id: RouteTableId, destination: impl Into<RouteDestination>) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    let destination = truncated(destination.into());
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    if destination.block().is_some_and(|block| is_local(&vpc, block)) {
        return Err(ControlError::invalid_value(format!("cannot remove local route {destination} in route table {id}")));
    }
    match existing(&table, destination) {
        None => {
            let parameter = match destination {
                RouteDestination::Block(IpNet::V4(_)) => "destination-cidr-block",
                RouteDestination::Block(IpNet::V6(_)) => "destination-ipv6-cidr-block",
                RouteDestination::PrefixList(_) => "destination-prefix-list-id",
            };
            let message = format!("no route with {parameter} {destination} in route table {id}");
            Err(ControlError::new("InvalidRoute.NotFound", message))
        }
        Some(route) if is_of_gateway_endpoint(tx, route) => {
            Err(ControlError::invalid_value(format!("cannot remove VPC endpoint route {destination} in route table {id}")))
        }
        Some(_) => tx.update::<RouteTable, _>(&id, |table| {
            table.routes.retain(|route| !is_static(route) || route.destination != destination);
        }),
    }
}

/// Whether a destination is one of the VPC's own blocks, for which every table has a local route.
pub(super) fn is_local(vpc: &Vpc, destination: IpNet) -> bool {
    vpc.ipv4_blocks.iter().any(|b| IpNet::V4(b.block) == destination)
        || vpc.ipv6_blocks.iter().any(|b| IpNet::V6(b.block) == destination)
}

/// Whether a destination is a whole subnet of the VPC.
pub(super) fn is_subnet(tx: &Tx, vpc: VpcId, block: IpNet) -> bool {
    tx.network().subnets_of(vpc).any(|subnet| match block {
        IpNet::V4(block) => subnet.ipv4_block == Some(block),
        IpNet::V6(block) => subnet.ipv6_blocks.iter().any(|b| b.block == block),
    })
}

/// Whether a destination lies in the VPC's own blocks.
fn is_inside(vpc: &Vpc, destination: IpNet) -> bool {
    match destination {
        IpNet::V4(block) => vpc.ipv4_blocks.iter().any(|b| b.block.contains(&block)),
        IpNet::V6(block) => vpc.ipv6_blocks.iter().any(|b| b.block.contains(&block)),
    }
}

/// Whether a user may change a route. A propagated one may stand beside it, with the same destination.
fn is_static(route: &Route) -> bool {
    route.origin != RouteOrigin::EnableVgwRoutePropagation
}

/// The static route of a destination.
fn existing(table: &RouteTable, destination: RouteDestination) -> Option<&Route> {
    table.routes.iter().find(|route| is_static(route) && route.destination == destination)
}

/// Whether a route comes and goes with the association of a gateway endpoint.
fn is_of_gateway_endpoint(tx: &Tx, route: &Route) -> bool {
    let RouteTarget::Endpoint(id) = route.target else { return false };
    tx.network().get::<VpcEndpoint>(&id).is_some_and(|endpoint| endpoint.endpoint_type == EndpointType::Gateway)
}

fn truncated(destination: RouteDestination) -> RouteDestination {
    match destination {
        RouteDestination::Block(block) => block.trunc().into(),
        list @ RouteDestination::PrefixList(_) => list,
    }
}

fn checked_destination(tx: &Tx, destination: RouteDestination) -> Result<RouteDestination, ControlError> {
    let destination = truncated(destination);
    let reserved = match destination {
        RouteDestination::Block(IpNet::V4(block)) => RESERVED_IPV4.contains(&block),
        RouteDestination::Block(IpNet::V6(block)) => RESERVED_IPV6.contains(&block),
        RouteDestination::PrefixList(_) => cost(tx, destination).map(|_| false)?,
    };
    if reserved {
        let message = format!("The destination {destination} lies in a range that the VPC keeps for its own services.");
        return Err(ControlError::invalid_value(message));
    }
    Ok(destination)
}

/// The target as a route keeps it, if the table may have it for the destination.
fn checked_target(
    tx: &Tx,
    table: &RouteTable,
    destination: RouteDestination,
    target: Target,
) -> Result<RouteTarget, ControlError> {
    let target = targets::resolve(tx, table, destination, target)?;
    if let RouteDestination::Block(block) = destination {
        check_more_specific(tx, table, block, target)?;
    }
    if gateway_tables::is_one(table) {
        gateway_tables::check_route(tx, table, destination, target)?;
    }
    Ok(target)
}

/// A route more specific than a local one may only name a whole subnet, and only bend it to a middlebox.
fn check_more_specific(tx: &Tx, table: &RouteTable, destination: IpNet, target: RouteTarget) -> Result<(), ControlError> {
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    if !is_inside(&vpc, destination) || is_local(&vpc, destination) {
        return Ok(());
    }
    if !is_subnet(tx, vpc.id, destination) {
        let message = format!(
            "The destination CIDR block {destination} is more specific than a local route, so it must match one of the subnets of the vpc '{}'.",
            vpc.id
        );
        return Err(ControlError::invalid_value(message));
    }
    if !targets::is_middlebox(target) {
        let message = format!(
            "The route {destination} is more specific than a local route, so its target must be a network interface, a NAT gateway or a Gateway Load Balancer endpoint."
        );
        return Err(ControlError::invalid_value(message));
    }
    Ok(())
}

/// Counts the static routes of the destination's family.
pub(crate) fn check_count(tx: &Tx, id: RouteTableId, destination: RouteDestination) -> Result<(), ControlError> {
    let limit = tx.quotas().routes_per_table;
    let family = cost(tx, destination)?.family;
    let table = tx.find::<RouteTable>(&id)?;
    let counted = table.routes.iter().filter(|route| route.origin == RouteOrigin::CreateRoute);
    let costs = counted.filter_map(|route| cost(tx, route.destination).ok()).filter(|cost| cost.family == family);
    if costs.map(|cost| cost.routes).sum::<usize>() > limit {
        let message = format!("The maximum number of routes of routeTable '{id}' has been reached ({limit}).");
        return Err(ControlError::new("RouteLimitExceeded", message));
    }
    Ok(())
}

/// What a route takes of its table's quota.
struct Cost {
    family: AddressFamily,
    routes: usize,
}

/// The cost of a destination: a prefix list takes as many routes as it may have entries.
fn cost(tx: &Tx, destination: RouteDestination) -> Result<Cost, ControlError> {
    match destination {
        RouteDestination::Block(block) => Ok(Cost { family: AddressFamily::of(block), routes: 1 }),
        RouteDestination::PrefixList(id) => {
            let list = prefix_lists::find(tx, id)?;
            Ok(Cost { family: list.family(), routes: list.weight() })
        }
    }
}
