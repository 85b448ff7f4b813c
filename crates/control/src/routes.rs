//! Route tables. See "Configure route tables" in the VPC User Guide.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::route::{TableAssociation, TableUser};
use openvpc_model::{
    EniId, Instance, InstanceId, InternetGateway, InternetGatewayId, Network, NetworkInterface, Route, RouteOrigin, RouteTable,
    RouteTableAssociationId, RouteTableId, RouteTarget, Subnet, SubnetId, Tags, Vpc, VpcId,
};

use crate::{ControlError, Tx, instances};

/// Addresses of the VPC's own services, which no route may name: 169.254.168.0/22 and fd00:ec2::/32.
const RESERVED_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 168, 0), 22);
const RESERVED_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);

/// Makes a route table, which holds the local routes alone.
///
/// # Errors
/// `InvalidVpcID.NotFound`, `RouteTableLimitExceeded`.
pub fn create_table(tx: &mut Tx, vpc: VpcId, tags: Tags) -> Result<RouteTableId, ControlError> {
    tx.find::<Vpc>(&vpc)?;
    let limit = tx.quotas().route_tables_per_vpc;
    if tx.owned::<RouteTable>().filter(|table| table.vpc == vpc).count() >= limit {
        let message = format!("The maximum number of route tables of vpc '{vpc}' has been reached ({limit}).");
        return Err(ControlError::new("RouteTableLimitExceeded", message));
    }
    let table =
        RouteTable { id: tx.new_id(), owner: tx.owner().clone(), vpc, routes: Vec::new(), associations: Vec::new(), tags };
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
    if !table.associations.is_empty() {
        return Err(ControlError::dependency(format!("The routeTable '{id}' has dependencies and cannot be deleted.")));
    }
    tx.remove::<RouteTable>(&id);
    Ok(())
}

/// Who is to use a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// A subnet.
    Subnet(SubnetId),
    /// An internet gateway, for the packets that come in through it.
    InternetGateway(InternetGatewayId),
}

/// Associates a table with a subnet or a gateway. A repeated call gives the association there is.
///
/// # Errors
/// `Resource.AlreadyAssociated` when the user has another table, `InvalidParameterValue` for what may not be together.
pub fn associate(tx: &mut Tx, id: RouteTableId, user: User) -> Result<RouteTableAssociationId, ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    let (vpc, user) = match user {
        User::Subnet(subnet) => (Some(tx.find::<Subnet>(&subnet)?.vpc), TableUser::Subnet(subnet)),
        User::InternetGateway(gateway) => (tx.find::<InternetGateway>(&gateway)?.vpc, TableUser::InternetGateway(gateway)),
    };
    if vpc != Some(table.vpc) {
        let user = match user {
            TableUser::InternetGateway(gateway) => format!("network gateway {gateway}"),
            TableUser::VpnGateway(gateway) => format!("network gateway {gateway}"),
            TableUser::Subnet(subnet) => format!("subnet {subnet}"),
            TableUser::Main => format!("network {}", table.vpc),
        };
        return Err(ControlError::invalid_value(format!("route table {id} and {user} belong to different networks")));
    }
    if let Some((other, association)) = association_of(tx, user) {
        if other == id {
            return Ok(association);
        }
        let message =
            format!("the specified association for route table {id} conflicts with an existing association: {association}");
        return Err(ControlError::new("Resource.AlreadyAssociated", message));
    }
    if let TableUser::InternetGateway(_) = user {
        check_edge_table(tx, &table)?;
    }
    let association = TableAssociation { id: tx.new_id(), user };
    let association_id = association.id;
    tx.update::<RouteTable, _>(&id, |table| table.associations.push(association))?;
    Ok(association_id)
}

/// Ends the association of a table; a subnet then uses the main one.
///
/// # Errors
/// `InvalidAssociationID.NotFound`; `InvalidParameterValue` for the main association.
pub fn disassociate(tx: &mut Tx, association: RouteTableAssociationId) -> Result<(), ControlError> {
    let (id, user) = find_association(tx, association)?;
    if user == TableUser::Main {
        return Err(ControlError::invalid_value(format!("cannot disassociate the main route table association {association}")));
    }
    tx.update::<RouteTable, _>(&id, |table| table.associations.retain(|a| a.id != association))
}

/// Gives an association's user another table; the way to change the main one. The table it has already stays as it is.
///
/// # Errors
/// `InvalidAssociationID.NotFound`, `InvalidRouteTableID.NotFound`, `InvalidParameterValue` for a table of another VPC or
/// one that the user may not have.
pub fn replace_association(
    tx: &mut Tx,
    association: RouteTableAssociationId,
    id: RouteTableId,
) -> Result<RouteTableAssociationId, ControlError> {
    let (old, user) = find_association(tx, association)?;
    let table = tx.find::<RouteTable>(&id)?;
    let old_vpc = tx.find::<RouteTable>(&old)?.vpc;
    if table.vpc != old_vpc {
        return Err(ControlError::invalid_value(format!("The route table '{id}' does not belong to {old_vpc}.")));
    }
    if old == id {
        return Ok(association);
    }
    match user {
        TableUser::InternetGateway(_) | TableUser::VpnGateway(_) => check_edge_table(tx, &table)?,
        TableUser::Main if is_edge(&table) => {
            let message = format!("The route table {id} is associated with a gateway and cannot become the main route table.");
            return Err(ControlError::invalid_value(message));
        }
        TableUser::Main | TableUser::Subnet(_) => {}
    }
    tx.update::<RouteTable, _>(&old, |table| table.associations.retain(|a| a.id != association))?;
    let replaced = TableAssociation { id: tx.new_id(), user };
    let replaced_id = replaced.id;
    tx.update::<RouteTable, _>(&id, |table| table.associations.push(replaced))?;
    if user == TableUser::Main {
        tx.update::<Vpc, _>(&table.vpc, |vpc| vpc.main_route_table = id)?;
    }
    Ok(replaced_id)
}

/// The target that a caller names for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `local`: only to take a replaced local route back.
    Local,
    /// An internet gateway.
    InternetGateway(InternetGatewayId),
    /// An interface.
    NetworkInterface(EniId),
    /// An instance with one interface.
    Instance(InstanceId),
}

/// Makes a route.
///
/// # Errors
/// `RouteAlreadyExists`, `RouteLimitExceeded`, the target's not-found error, `InvalidParameterValue` for a destination that
/// may not have the target.
pub fn create(tx: &mut Tx, id: RouteTableId, destination: IpNet, target: Target) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    let destination = checked_destination(destination)?;
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    if table.routes.iter().any(|route| route.destination == destination) || is_local(&vpc, destination) {
        return Err(ControlError::new("RouteAlreadyExists", format!("The route identified by {destination} already exists.")));
    }
    let limit = tx.quotas().routes_per_table;
    let counts = |route: &&Route| {
        route.origin == RouteOrigin::CreateRoute
            && route.destination.block().is_some_and(|block| block.addr().is_ipv4() == destination.addr().is_ipv4())
    };
    if table.routes.iter().filter(counts).count() >= limit {
        let message = format!("The maximum number of routes of routeTable '{id}' has been reached ({limit}).");
        return Err(ControlError::new("RouteLimitExceeded", message));
    }
    let target = checked_target(tx, &table, destination, target)?;
    let route = Route { destination: destination.into(), target, origin: RouteOrigin::CreateRoute };
    tx.update::<RouteTable, _>(&id, |table| table.routes.push(route))
}

/// Gives a route another target. A local route, or one for a whole subnet, may be bent to an interface and taken back
/// with [`Target::Local`].
///
/// # Errors
/// `InvalidParameterValue` when there is no such route; else as for [`create`].
pub fn replace(tx: &mut Tx, id: RouteTableId, destination: IpNet, target: Target) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    let destination = checked_destination(destination)?;
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    let local = is_local(&vpc, destination);
    if !local && !table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("There is no route defined for '{destination}' in the route table. Use CreateRoute instead.");
        return Err(ControlError::invalid_value(message));
    }
    let target = match target {
        Target::Local if local => {
            return tx.update::<RouteTable, _>(&id, |table| table.routes.retain(|route| route.destination != destination));
        }
        Target::Local if is_inside(&vpc, destination) => RouteTarget::Local,
        Target::Local => {
            let message = format!("The destination {destination} is outside the vpc '{}' and can't be local.", vpc.id);
            return Err(ControlError::invalid_value(message));
        }
        Target::InternetGateway(_) if local => {
            let message = format!("The local route {destination} may only be replaced with a network interface.");
            return Err(ControlError::invalid_value(message));
        }
        other => checked_target(tx, &table, destination, other)?,
    };
    let origin = if local { RouteOrigin::CreateRouteTable } else { RouteOrigin::CreateRoute };
    tx.update::<RouteTable, _>(&id, |table| match table.routes.iter_mut().find(|route| route.destination == destination) {
        Some(route) => route.target = target,
        None => table.routes.push(Route { destination: destination.into(), target, origin }),
    })
}

/// Deletes a route.
///
/// # Errors
/// `InvalidRoute.NotFound`; `InvalidParameterValue` for a local route.
pub fn delete(tx: &mut Tx, id: RouteTableId, destination: IpNet) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    let destination = destination.trunc();
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    if is_local(&vpc, destination) {
        return Err(ControlError::invalid_value(format!("cannot remove local route {destination} in route table {id}")));
    }
    if !table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("no route with destination-cidr-block {destination} in route table {id}");
        return Err(ControlError::new("InvalidRoute.NotFound", message));
    }
    tx.update::<RouteTable, _>(&id, |table| table.routes.retain(|route| route.destination != destination))
}

/// The routes of a table as DescribeRouteTables lists them: first those of the VPC's blocks, `local` unless replaced.
pub fn effective(network: &Network, table: &RouteTable) -> Vec<Route> {
    let Some(vpc) = network.get::<Vpc>(&table.vpc) else { return table.routes.clone() };
    let ipv4 = vpc.ipv4_blocks.iter().map(|b| IpNet::V4(b.block));
    let blocks: Vec<_> = ipv4.chain(vpc.ipv6_blocks.iter().map(|b| IpNet::V6(b.block))).collect();
    let replaced = |block: &IpNet| table.routes.iter().find(|route| route.destination == *block).cloned();
    let local =
        |block: &IpNet| Route { destination: (*block).into(), target: RouteTarget::Local, origin: RouteOrigin::CreateRouteTable };
    let locals = blocks.iter().map(|block| replaced(block).unwrap_or_else(|| local(block)));
    locals.chain(table.routes.iter().filter(|route| !blocks.iter().any(|block| route.destination == *block)).cloned()).collect()
}

/// Whether a destination is one of the VPC's own blocks, for which every table has a local route.
fn is_local(vpc: &Vpc, destination: IpNet) -> bool {
    vpc.ipv4_blocks.iter().any(|b| IpNet::V4(b.block) == destination)
        || vpc.ipv6_blocks.iter().any(|b| IpNet::V6(b.block) == destination)
}

/// Whether a destination lies in the VPC's own blocks.
fn is_inside(vpc: &Vpc, destination: IpNet) -> bool {
    match destination {
        IpNet::V4(block) => vpc.ipv4_blocks.iter().any(|b| b.block.contains(&block)),
        IpNet::V6(block) => vpc.ipv6_blocks.iter().any(|b| b.block.contains(&block)),
    }
}

fn checked_destination(destination: IpNet) -> Result<IpNet, ControlError> {
    let destination = destination.trunc();
    let reserved = match destination {
        IpNet::V4(block) => RESERVED_IPV4.contains(&block),
        IpNet::V6(block) => RESERVED_IPV6.contains(&block),
    };
    if reserved {
        let message = format!("The destination {destination} lies in a range that the VPC keeps for its own services.");
        return Err(ControlError::invalid_value(message));
    }
    Ok(destination)
}

/// The target as a route keeps it, if the table may have it for the destination.
fn checked_target(tx: &Tx, table: &RouteTable, destination: IpNet, target: Target) -> Result<RouteTarget, ControlError> {
    let target = match target {
        Target::Local => {
            return Err(ControlError::invalid_value(
                "The target local may only be given to ReplaceRoute, to restore a local route.",
            ));
        }
        Target::InternetGateway(gateway) => {
            let attached = tx.find::<InternetGateway>(&gateway).map(|gateway| gateway.vpc).map_err(|_| {
                ControlError::new("InvalidGatewayID.NotFound", format!("The gateway ID '{gateway}' does not exist"))
            })?;
            if attached != Some(table.vpc) {
                let message = format!("route table {} and network gateway {gateway} belong to different networks", table.id);
                return Err(ControlError::invalid_value(message));
            }
            RouteTarget::InternetGateway(gateway)
        }
        Target::NetworkInterface(eni) => RouteTarget::NetworkInterface(eni),
        Target::Instance(instance) => {
            tx.find::<Instance>(&instance)?;
            RouteTarget::NetworkInterface(instances::only_interface(tx, instance)?.id)
        }
    };
    if let RouteTarget::NetworkInterface(eni) = target
        && tx.find::<NetworkInterface>(&eni)?.vpc != table.vpc
    {
        let message = format!("route table {} and interface {eni} belong to different networks", table.id);
        return Err(ControlError::invalid_value(message));
    }
    check_more_specific(tx, table, destination, target)?;
    if is_edge(table) {
        check_edge_route(tx, table, destination, target)?;
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
    if !matches!(target, RouteTarget::NetworkInterface(_)) {
        let message =
            format!("The route {destination} is more specific than a local route, so its target must be a network interface.");
        return Err(ControlError::invalid_value(message));
    }
    Ok(())
}

fn is_subnet(tx: &Tx, vpc: VpcId, block: IpNet) -> bool {
    tx.network().subnets_of(vpc).any(|subnet| match block {
        IpNet::V4(block) => subnet.ipv4_block == Some(block),
        IpNet::V6(block) => subnet.ipv6_blocks.iter().any(|b| b.block == block),
    })
}

fn is_edge(table: &RouteTable) -> bool {
    table.associations.iter().any(|a| matches!(a.user, TableUser::InternetGateway(_) | TableUser::VpnGateway(_)))
}

/// Whether a table may be associated with a gateway.
fn check_edge_table(tx: &Tx, table: &RouteTable) -> Result<(), ControlError> {
    if table.associations.iter().any(|a| a.user == TableUser::Main) {
        return Err(ControlError::invalid_value(format!(
            "The main route table {} cannot be associated with a gateway.",
            table.id
        )));
    }
    table
        .routes
        .iter()
        .filter_map(|route| Some((route.destination.block()?, route.target)))
        .try_for_each(|(block, target)| check_edge_route(tx, table, block, target))
}

/// A gateway's table may hold the VPC's blocks and whole subnets, towards interfaces.
fn check_edge_route(tx: &Tx, table: &RouteTable, destination: IpNet, target: RouteTarget) -> Result<(), ControlError> {
    let vpc = tx.find::<Vpc>(&table.vpc)?;
    let place = is_local(&vpc, destination) || is_subnet(tx, vpc.id, destination);
    if place && matches!(target, RouteTarget::Local | RouteTarget::NetworkInterface(_)) {
        return Ok(());
    }
    let message = format!(
        "The route {destination} of {} is not allowed in a table of a gateway, whose destinations are the vpc or whole subnets and whose targets are interfaces.",
        table.id
    );
    Err(ControlError::invalid_value(message))
}

fn association_of(tx: &Tx, user: TableUser) -> Option<(RouteTableId, RouteTableAssociationId)> {
    tx.owned::<RouteTable>().find_map(|table| table.associations.iter().find(|a| a.user == user).map(|a| (table.id, a.id)))
}

fn find_association(tx: &Tx, id: RouteTableAssociationId) -> Result<(RouteTableId, TableUser), ControlError> {
    let found =
        tx.owned::<RouteTable>().find_map(|table| table.associations.iter().find(|a| a.id == id).map(|a| (table.id, a.user)));
    found.ok_or_else(|| ControlError::new("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist")))
}
