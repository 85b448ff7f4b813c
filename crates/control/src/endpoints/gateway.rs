//! Gateway endpoints: routes to the prefix lists of a service. See "Gateway endpoints" in the AWS PrivateLink Guide.

use openvpc_model::prefix_list::AwsPrefixList;
use openvpc_model::route::TableUser;
use openvpc_model::{
    AddressType, EndpointType, PrefixListId, Route, RouteDestination, RouteOrigin, RouteTable, RouteTableId, RouteTarget,
    VpcEndpoint,
};

use super::{aws_services, invalid};
use crate::{ControlError, Tx};

/// Puts an endpoint's routes into a table. A table that has them stays as it is.
pub(super) fn add(tx: &mut Tx, endpoint: &mut VpcEndpoint, id: RouteTableId) -> Result<(), ControlError> {
    let table = tx.find::<RouteTable>(&id)?;
    if table.vpc != endpoint.vpc {
        return Err(invalid(format!("The route table {id} does not belong to the VPC {}", endpoint.vpc)));
    }
    if endpoint.route_tables.contains(&id) {
        return Ok(());
    }
    let lists = lists(endpoint);
    let taken = |list: &&PrefixListId| table.routes.iter().any(|route| route.destination == RouteDestination::PrefixList(**list));
    // Tables of gateways take no prefix lists at all.
    if table.associations.iter().any(|a| !matches!(a.user, TableUser::Main | TableUser::Subnet(_))) {
        return Err(invalid(format!("The route table {id} is associated with a gateway and cannot have VPC endpoint routes")));
    }
    if let Some(list) = all_lists(endpoint).iter().find(taken) {
        let message = format!("route table {id} already has a route with destination-prefix-list-id {list}");
        return Err(ControlError::new("RouteAlreadyExists", message));
    }
    let target = RouteTarget::Endpoint(endpoint.id);
    tx.update::<RouteTable, _>(&id, |table| {
        let route = |list: PrefixListId| Route {
            destination: RouteDestination::PrefixList(list),
            target,
            origin: RouteOrigin::CreateRoute,
        };
        table.routes.extend(lists.into_iter().map(route));
    })?;
    endpoint.route_tables.push(id);
    Ok(())
}

/// Takes an endpoint's routes out of a table.
pub(super) fn withdraw(tx: &mut Tx, endpoint: &VpcEndpoint, id: RouteTableId) -> Result<(), ControlError> {
    let target = RouteTarget::Endpoint(endpoint.id);
    tx.update::<RouteTable, _>(&id, |table| table.routes.retain(|route| route.target != target))
}

/// Takes an endpoint's routes out of a table, which must have them.
pub(super) fn remove(tx: &mut Tx, endpoint: &mut VpcEndpoint, id: RouteTableId) -> Result<(), ControlError> {
    tx.find::<RouteTable>(&id)?;
    if !endpoint.route_tables.contains(&id) {
        return Err(invalid(format!("The route table {id} is not associated with the endpoint {}", endpoint.id)));
    }
    endpoint.route_tables.retain(|table| *table != id);
    withdraw(tx, endpoint, id)
}

/// Puts the routes of other families into all tables.
pub(super) fn change_families(tx: &mut Tx, endpoint: &mut VpcEndpoint) -> Result<(), ControlError> {
    for table in std::mem::take(&mut endpoint.route_tables) {
        withdraw(tx, endpoint, table)?;
        add(tx, endpoint, table)?;
    }
    Ok(())
}

/// Whether an endpoint's VPC has a gateway endpoint for the endpoint's service.
pub(super) fn has_one(tx: &Tx, endpoint: &VpcEndpoint) -> bool {
    tx.owned::<VpcEndpoint>().any(|other| {
        other.endpoint_type == EndpointType::Gateway
            && other.exists()
            && other.vpc == endpoint.vpc
            && other.service.name == endpoint.service.name
    })
}

/// The lists that an endpoint has routes to.
fn lists(endpoint: &VpcEndpoint) -> Vec<PrefixListId> {
    lists_of(endpoint, endpoint.address_type)
}

/// The lists of the service in all families: a table has one endpoint per service, whatever the families.
fn all_lists(endpoint: &VpcEndpoint) -> Vec<PrefixListId> {
    lists_of(endpoint, AddressType::Dualstack)
}

fn lists_of(endpoint: &VpcEndpoint, families: AddressType) -> Vec<PrefixListId> {
    let region = &endpoint.service.region;
    let Some(service) = aws_services::short_name(&endpoint.service.name, region) else { return Vec::new() };
    let ipv4 = families.has_ipv4().then(|| AwsPrefixList::of_service(region, service)).flatten();
    let ipv6 = families.has_ipv6().then(|| AwsPrefixList::of_service(region, &format!("ipv6.{service}"))).flatten();
    ipv4.into_iter().chain(ipv6).map(|list| list.id).collect()
}
