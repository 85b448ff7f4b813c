//! The routes of a transit gateway's table: static ones, those of prefix lists, and what attachments propagate.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::transit_gateway::{AttachedResource, TransitGatewayPrefixListReference, TransitGatewayStaticRoute};
use openvpc_model::{
    AwsPrefixList, Network, PrefixList, PrefixListId, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId,
    TransitGatewayId, TransitGatewayRouteTable, TransitGatewayRouteTableId, Vpc,
};

use super::{attachments, tables};
use crate::{ControlError, Missing, Tx};

/// A route as a table applies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRoute {
    /// Which packets it is for.
    pub destination: IpNet,
    /// The prefix list that it is an entry of.
    pub prefix_list: Option<PrefixListId>,
    /// Where packets go: one attachment, several when they are spread, none when they are dropped.
    pub attachments: Vec<TransitGatewayAttachmentId>,
    /// Whether a user made it.
    pub is_static: bool,
    /// Whether packets that it is for are forwarded.
    pub is_active: bool,
}

/// The routes that a table applies, by destination. Where several have one destination only the winner is there: static,
/// then prefix list, then propagated by VPC, Direct Connect gateway, Connect and VPN. See "Route evaluation order" in the
/// Transit Gateways guide.
pub fn effective(network: &Network, table: &TransitGatewayRouteTable) -> Vec<TableRoute> {
    let mut routes = BTreeMap::new();
    let works = |id: TransitGatewayAttachmentId| {
        network.get::<TransitGatewayAttachment>(&id).is_some_and(|attachment| attachment.is_available())
    };
    let made = |destination, attachment: Option<TransitGatewayAttachmentId>, prefix_list| TableRoute {
        destination,
        prefix_list,
        attachments: attachment.into_iter().collect(),
        is_static: true,
        is_active: attachment.is_some_and(works),
    };
    for route in &table.routes {
        routes.insert(route.destination, made(route.destination, route.attachment, None));
    }
    for reference in &table.prefix_lists {
        for block in network.prefix_list_blocks(&table.owner.region, reference.prefix_list) {
            routes.entry(block).or_insert_with(|| made(block, reference.attachment, Some(reference.prefix_list)));
        }
    }
    add_propagated(network, table, &mut routes);
    routes.into_values().collect()
}

/// Makes a static route; without an attachment it drops packets.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState`, `RouteAlreadyExists`,
/// `RouteLimitExceeded`.
pub fn create(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    destination: IpNet,
    attachment: Option<TransitGatewayAttachmentId>,
) -> Result<TableRoute, ControlError> {
    let table = tables::living(tx, id)?;
    let destination = destination.trunc();
    check_target(tx, &table, attachment)?;
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("Route {destination} already exists in Transit Gateway Route Table {id}.");
        return Err(ControlError::new("RouteAlreadyExists", message));
    }
    let limit = tx.quotas().routes_per_transit_gateway;
    let count: usize = tables::living_of(tx.network(), table.transit_gateway).map(|table| table.routes.len()).sum();
    if count >= limit {
        let message = format!("The maximum number of static routes of {} has been reached: {limit}", table.transit_gateway);
        return Err(ControlError::new("RouteLimitExceeded", message));
    }
    let route = TransitGatewayStaticRoute { destination, attachment };
    tx.update::<TransitGatewayRouteTable, _>(&id, |table| table.routes.push(route))?;
    Ok(shown(route))
}

/// Gives a static route another attachment, or none.
///
/// # Errors
/// As [`create`]; `InvalidRoute.NotFound`.
pub fn replace(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    destination: IpNet,
    attachment: Option<TransitGatewayAttachmentId>,
) -> Result<TableRoute, ControlError> {
    let table = tables::living(tx, id)?;
    let destination = destination.trunc();
    check_target(tx, &table, attachment)?;
    let at = position(&table, destination)?;
    tx.update::<TransitGatewayRouteTable, _>(&id, |table| table.routes[at].attachment = attachment)?;
    Ok(shown(TransitGatewayStaticRoute { destination, attachment }))
}

/// Deletes a static route.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidRoute.NotFound`.
pub fn delete(tx: &mut Tx, id: TransitGatewayRouteTableId, destination: IpNet) -> Result<TableRoute, ControlError> {
    let table = tables::living(tx, id)?;
    let at = position(&table, destination.trunc())?;
    tx.update::<TransitGatewayRouteTable, _>(&id, |table| shown(table.routes.remove(at)))
}

/// Makes a route of every entry of a prefix list; without an attachment they drop packets.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidPrefixListID.NotFound`, `InvalidTransitGatewayAttachmentID.NotFound`,
/// `IncorrectState`, `RouteAlreadyExists` when the table has the list.
pub fn reference_prefix_list(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    list: PrefixListId,
    attachment: Option<TransitGatewayAttachmentId>,
) -> Result<TransitGatewayPrefixListReference, ControlError> {
    let table = tables::living(tx, id)?;
    if tx.find::<PrefixList>(&list).is_err() && AwsPrefixList::find(&tx.owner().region, list).is_none() {
        return Err(PrefixList::missing(&list));
    }
    check_target(tx, &table, attachment)?;
    if table.prefix_lists.iter().any(|reference| reference.prefix_list == list) {
        let message = format!("Prefix list {list} is referenced in Transit Gateway Route Table {id} already.");
        return Err(ControlError::new("RouteAlreadyExists", message));
    }
    let reference = TransitGatewayPrefixListReference { prefix_list: list, attachment };
    tx.update::<TransitGatewayRouteTable, _>(&id, |table| table.prefix_lists.push(reference))?;
    Ok(reference)
}

/// Gives the routes of a prefix list another attachment, or none.
///
/// # Errors
/// As [`reference_prefix_list`]; `InvalidPrefixListID.NotFound` for a list that the table doesn't have.
pub fn modify_prefix_list(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    list: PrefixListId,
    attachment: Option<TransitGatewayAttachmentId>,
) -> Result<TransitGatewayPrefixListReference, ControlError> {
    let table = tables::living(tx, id)?;
    check_target(tx, &table, attachment)?;
    let at = position_of_list(&table, list)?;
    tx.update::<TransitGatewayRouteTable, _>(&id, |table| {
        table.prefix_lists[at].attachment = attachment;
        table.prefix_lists[at]
    })
}

/// Takes the routes of a prefix list away.
///
/// # Errors
/// `InvalidRouteTableID.NotFound`, `InvalidPrefixListID.NotFound` for a list that the table doesn't have.
pub fn forget_prefix_list(
    tx: &mut Tx,
    id: TransitGatewayRouteTableId,
    list: PrefixListId,
) -> Result<TransitGatewayPrefixListReference, ControlError> {
    let table = tables::living(tx, id)?;
    let at = position_of_list(&table, list)?;
    tx.update::<TransitGatewayRouteTable, _>(&id, |table| table.prefix_lists.remove(at))
}

/// The tables, of all accounts, that refer to a prefix list.
pub fn naming_prefix_list(network: &Network, list: PrefixListId) -> impl Iterator<Item = &Arc<TransitGatewayRouteTable>> {
    let names = move |table: &&Arc<TransitGatewayRouteTable>| {
        table.deleted_at.is_none() && table.prefix_lists.iter().any(|reference| reference.prefix_list == list)
    };
    network.all::<TransitGatewayRouteTable>().filter(names)
}

/// Adds what attachments propagate where there is nothing better. Those opened first come first: of two VPCs that overlap
/// only the first one's blocks are propagated.
fn add_propagated(network: &Network, table: &TransitGatewayRouteTable, routes: &mut BTreeMap<IpNet, TableRoute>) {
    let spreads = spreads(network, table.transit_gateway);
    let mut sources: Vec<_> = tables::propagating(network, table.id).filter(|a| a.is_available()).collect();
    sources.sort_by_key(|attachment| (rank(&attachment.resource), attachment.opened_at, attachment.id));
    let mut of_vpcs: Vec<IpNet> = Vec::new();
    let mut ranks: BTreeMap<IpNet, u8> = BTreeMap::new();
    for attachment in sources {
        let blocks = propagated(network, attachment);
        let is_free = |block: &IpNet| !of_vpcs.iter().any(|other| other.contains(block) || block.contains(other));
        let blocks: Vec<IpNet> = match attachment.resource {
            AttachedResource::Vpc(_) => blocks.into_iter().filter(is_free).collect(),
            _ => blocks,
        };
        if attachment.vpc().is_some() {
            of_vpcs.extend(&blocks);
        }
        let rank = rank(&attachment.resource);
        for block in blocks {
            match routes.entry(block) {
                Entry::Vacant(place) => {
                    ranks.insert(block, rank);
                    place.insert(TableRoute {
                        destination: block,
                        prefix_list: None,
                        attachments: vec![attachment.id],
                        is_static: false,
                        is_active: true,
                    });
                }
                Entry::Occupied(mut place) if spreads && ranks.get(&block) == Some(&rank) => {
                    place.get_mut().attachments.push(attachment.id);
                }
                Entry::Occupied(_) => {}
            }
        }
    }
}

/// The blocks that an attachment propagates.
fn propagated(network: &Network, attachment: &TransitGatewayAttachment) -> Vec<IpNet> {
    let Some(attached) = attachment.vpc() else { return attachment.announced.clone() };
    let Some(vpc) = network.get::<Vpc>(&attached.vpc) else { return Vec::new() };
    vpc.blocks().filter(|block| block.addr().is_ipv4() || attached.options.ipv6_support).collect()
}

/// Which of two propagated routes with one destination wins: the lower.
fn rank(resource: &AttachedResource) -> u8 {
    match resource {
        AttachedResource::Vpc(_) => 0,
        AttachedResource::DirectConnectGateway(_) => 1,
        AttachedResource::Connect { .. } => 2,
        AttachedResource::Vpn(_) => 3,
        AttachedResource::ClientVpn(_) => 4,
        // Peerings propagate nothing.
        AttachedResource::Peering(_) => 5,
    }
}

/// Whether a gateway spreads packets over equal routes.
fn spreads(network: &Network, gateway: TransitGatewayId) -> bool {
    network.get::<TransitGateway>(&gateway).is_some_and(|gateway| gateway.options.vpn_ecmp_support)
}

/// A static route as the answer to its change shows it.
fn shown(route: TransitGatewayStaticRoute) -> TableRoute {
    TableRoute {
        destination: route.destination,
        prefix_list: None,
        attachments: route.attachment.into_iter().collect(),
        is_static: true,
        is_active: route.attachment.is_some(),
    }
}

fn check_target(
    tx: &Tx,
    table: &TransitGatewayRouteTable,
    attachment: Option<TransitGatewayAttachmentId>,
) -> Result<(), ControlError> {
    attachment.map_or(Ok(()), |id| attachments::working_on(tx, id, table.transit_gateway).map(drop))
}

fn position(table: &TransitGatewayRouteTable, destination: IpNet) -> Result<usize, ControlError> {
    table.routes.iter().position(|route| route.destination == destination).ok_or_else(|| {
        let message = format!("Route {destination} does not exist in Transit Gateway Route Table {}.", table.id);
        ControlError::new("InvalidRoute.NotFound", message)
    })
}

fn position_of_list(table: &TransitGatewayRouteTable, list: PrefixListId) -> Result<usize, ControlError> {
    table.prefix_lists.iter().position(|reference| reference.prefix_list == list).ok_or_else(|| {
        let message = format!("Prefix list {list} is not referenced in Transit Gateway Route Table {}.", table.id);
        ControlError::new("InvalidPrefixListID.NotFound", message)
    })
}
