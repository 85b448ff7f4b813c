//! Route tables, their routes and who uses them.

mod targets;

use ipnet::IpNet;
use openvpc_control::routes::{self, User};
use openvpc_control::{Tx, idempotency};
use openvpc_model::route::{TableAssociation, TableUser};
use openvpc_model::{
    NetworkInterface, Route, RouteDestination, RouteOrigin, RouteState, RouteTable, RouteTableAssociationId, RouteTableId,
    RouteTarget, SubnetId, VpcId,
};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AssociateRouteTable, associate_route_table),
    action!(CreateRoute, create_route),
    action!(CreateRouteTable, create_route_table),
    action!(DeleteRoute, delete_route),
    action!(DeleteRouteTable, delete_route_table),
    action!(DescribeRouteTables, describe_route_tables),
    action!(DisassociateRouteTable, disassociate_route_table),
    action!(ReplaceRoute, replace_route),
    action!(ReplaceRouteTableAssociation, replace_route_table_association),
];

fn create_route_table(
    ctx: &Ctx<'_>,
    request: shapes::CreateRouteTableRequest,
) -> Result<shapes::CreateRouteTableResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "route-table")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let token = request.client_token.as_deref();
    let table = ctx.mutate(|tx| {
        let make = |tx: &mut Tx<'_>| routes::create_table(tx, vpc, tags.clone());
        let id = idempotency::once(tx, "CreateRouteTable", token, &(vpc, &tags), make)?;
        Ok(table_shape(tx.network(), &*tx.find::<RouteTable>(&id)?))
    })?;
    Ok(shapes::CreateRouteTableResult { route_table: Some(table), client_token: request.client_token })
}

fn delete_route_table(ctx: &Ctx<'_>, request: shapes::DeleteRouteTableRequest) -> Result<Done, ApiError> {
    let id: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    ctx.mutate(|tx| routes::delete_table(tx, id))?;
    Ok(Done)
}

fn associate_route_table(
    ctx: &Ctx<'_>,
    request: shapes::AssociateRouteTableRequest,
) -> Result<shapes::AssociateRouteTableResult, ApiError> {
    let id: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    if request.public_ipv4_pool.is_some() {
        return Err(ApiError::unsupported("openvpc has no public IPv4 pools that take a route table"));
    }
    let user = match (ids::parse_opt::<SubnetId>(&request.subnet_id)?, &request.gateway_id) {
        (Some(subnet), None) => User::Subnet(subnet),
        (None, Some(gateway)) => targets::gateway_user(gateway)?,
        (None, None) => return Err(ApiError::missing("SubnetId or GatewayId")),
        (Some(_), Some(_)) => return Err(ApiError::invalid_combination("Specify SubnetId or GatewayId, not both")),
    };
    let association = ctx.mutate(|tx| routes::associate(tx, id, user))?;
    Ok(shapes::AssociateRouteTableResult { association_id: Some(association.to_string()), association_state: associated() })
}

fn disassociate_route_table(ctx: &Ctx<'_>, request: shapes::DisassociateRouteTableRequest) -> Result<Done, ApiError> {
    let association: RouteTableAssociationId = ids::parse_required(&request.association_id, "AssociationId")?;
    ctx.mutate(|tx| routes::disassociate(tx, association))?;
    Ok(Done)
}

fn replace_route_table_association(
    ctx: &Ctx<'_>,
    request: shapes::ReplaceRouteTableAssociationRequest,
) -> Result<shapes::ReplaceRouteTableAssociationResult, ApiError> {
    let association: RouteTableAssociationId = ids::parse_required(&request.association_id, "AssociationId")?;
    let id: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    let association = ctx.mutate(|tx| routes::replace_association(tx, association, id))?;
    Ok(shapes::ReplaceRouteTableAssociationResult {
        new_association_id: Some(association.to_string()),
        association_state: associated(),
    })
}

fn create_route(ctx: &Ctx<'_>, request: shapes::CreateRouteRequest) -> Result<shapes::CreateRouteResult, ApiError> {
    let id: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    let destination = targets::destination!(request)?;
    let target = targets::the_one(targets::named!(request))?;
    ctx.mutate(|tx| routes::create(tx, id, destination, target))?;
    Ok(shapes::CreateRouteResult { r#return: Some(true) })
}

fn replace_route(ctx: &Ctx<'_>, request: shapes::ReplaceRouteRequest) -> Result<Done, ApiError> {
    let id: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    let destination = targets::destination!(request)?;
    let local = request.local_target.unwrap_or(false).then_some(Ok(routes::Target::Local));
    let target = targets::the_one(targets::named!(request).into_iter().chain([local]))?;
    ctx.mutate(|tx| routes::replace(tx, id, destination, target))?;
    Ok(Done)
}

fn delete_route(ctx: &Ctx<'_>, request: shapes::DeleteRouteRequest) -> Result<Done, ApiError> {
    let id: RouteTableId = ids::parse_required(&request.route_table_id, "RouteTableId")?;
    let destination = targets::destination!(request)?;
    ctx.mutate(|tx| routes::delete(tx, id, destination))?;
    Ok(Done)
}

fn describe_route_tables(
    ctx: &Ctx<'_>,
    request: shapes::DescribeRouteTablesRequest,
) -> Result<shapes::DescribeRouteTablesResult, ApiError> {
    let network = ctx.network()?;
    let tables = ctx.pick::<RouteTable>(&network, &request.route_table_ids)?;
    let tables = tables.iter().map(|table| table_shape(&network, table)).collect();
    let tables = filters::select(tables, &request.filters, &TABLE_FIELDS)?;
    let (route_tables, next_token) =
        page::cut(&request, !request.route_table_ids.is_empty(), tables, |table| table.route_table_id.as_deref())?;
    Ok(shapes::DescribeRouteTablesResult { route_tables, next_token })
}

static TABLE_FIELDS: Fields<shapes::RouteTable> = Fields {
    tags: Some(|table| &table.tags),
    fields: &[
        ("association.gateway-id", |table, m| table.associations.iter().for_each(|a| m.offer(&a.gateway_id))),
        ("association.main", |table, m| table.associations.iter().for_each(|a| m.offer(&a.main))),
        ("association.route-table-association-id", |table, m| {
            table.associations.iter().for_each(|a| m.offer(&a.route_table_association_id));
        }),
        ("association.route-table-id", |table, m| table.associations.iter().for_each(|a| m.offer(&a.route_table_id))),
        ("association.subnet-id", |table, m| table.associations.iter().for_each(|a| m.offer(&a.subnet_id))),
        ("owner-id", |table, m| m.offer(&table.owner_id)),
        ("route-table-id", |table, m| m.offer(&table.route_table_id)),
        ("route.carrier-gateway-id", |table, m| table.routes.iter().for_each(|r| m.offer(&r.carrier_gateway_id))),
        ("route.core-network-arn", |table, m| table.routes.iter().for_each(|r| m.offer(&r.core_network_arn))),
        ("route.destination-cidr-block", |table, m| table.routes.iter().for_each(|r| m.offer(&r.destination_cidr_block))),
        ("route.destination-ipv6-cidr-block", |table, m| {
            table.routes.iter().for_each(|r| m.offer(&r.destination_ipv6_cidr_block));
        }),
        ("route.destination-prefix-list-id", |table, m| {
            table.routes.iter().for_each(|r| m.offer(&r.destination_prefix_list_id));
        }),
        ("route.egress-only-internet-gateway-id", |table, m| {
            table.routes.iter().for_each(|r| m.offer(&r.egress_only_internet_gateway_id));
        }),
        ("route.gateway-id", |table, m| table.routes.iter().for_each(|r| m.offer(&r.gateway_id))),
        ("route.instance-id", |table, m| table.routes.iter().for_each(|r| m.offer(&r.instance_id))),
        ("route.local-gateway-id", |table, m| table.routes.iter().for_each(|r| m.offer(&r.local_gateway_id))),
        ("route.nat-gateway-id", |table, m| table.routes.iter().for_each(|r| m.offer(&r.nat_gateway_id))),
        ("route.network-interface-id", |table, m| table.routes.iter().for_each(|r| m.offer(&r.network_interface_id))),
        ("route.origin", |table, m| table.routes.iter().for_each(|r| m.offer(&r.origin))),
        ("route.state", |table, m| table.routes.iter().for_each(|r| m.offer(&r.state))),
        ("route.transit-gateway-id", |table, m| table.routes.iter().for_each(|r| m.offer(&r.transit_gateway_id))),
        ("route.vpc-peering-connection-id", |table, m| {
            table.routes.iter().for_each(|r| m.offer(&r.vpc_peering_connection_id));
        }),
        ("vpc-id", |table, m| m.offer(&table.vpc_id)),
    ],
};

fn table_shape(network: &Network, table: &RouteTable) -> shapes::RouteTable {
    shapes::RouteTable {
        route_table_id: Some(table.id.to_string()),
        vpc_id: Some(table.vpc.to_string()),
        owner_id: Some(table.owner.account.to_string()),
        associations: table.associations.iter().map(|association| association_shape(table.id, association)).collect(),
        propagating_vgws: table
            .propagating
            .iter()
            .map(|gateway| shapes::PropagatingVgw { gateway_id: Some(gateway.to_string()) })
            .collect(),
        routes: routes::effective(network, table).iter().map(|route| route_shape(network, table, route)).collect(),
        tags: tagging::shapes(&table.tags),
    }
}

fn association_shape(table: RouteTableId, association: &TableAssociation) -> shapes::RouteTableAssociation {
    let (subnet_id, gateway_id) = match association.user {
        TableUser::Main => (None, None),
        TableUser::Subnet(subnet) => (Some(subnet.to_string()), None),
        TableUser::InternetGateway(gateway) => (None, Some(gateway.to_string())),
        TableUser::NatGateway(gateway) => (None, Some(gateway.to_string())),
        TableUser::VpnGateway(gateway) => (None, Some(gateway.to_string())),
    };
    shapes::RouteTableAssociation {
        route_table_association_id: Some(association.id.to_string()),
        route_table_id: Some(table.to_string()),
        main: Some(association.user == TableUser::Main),
        subnet_id,
        gateway_id,
        association_state: associated(),
        ..Default::default()
    }
}

fn route_shape(network: &Network, table: &RouteTable, route: &Route) -> shapes::Route {
    let state = match network.route_state(table.vpc, route.target) {
        RouteState::Active => "active",
        RouteState::Blackhole => "blackhole",
    };
    let origin = match route.origin {
        RouteOrigin::CreateRoute => "CreateRoute",
        RouteOrigin::CreateRouteTable => "CreateRouteTable",
        RouteOrigin::EnableVgwRoutePropagation => "EnableVgwRoutePropagation",
    };
    let mut shape = shapes::Route { origin: Some(origin.to_owned()), state: Some(state.to_owned()), ..Default::default() };
    match route.destination {
        RouteDestination::Block(IpNet::V4(block)) => shape.destination_cidr_block = Some(block.to_string()),
        RouteDestination::Block(IpNet::V6(block)) => shape.destination_ipv6_cidr_block = Some(block.to_string()),
        RouteDestination::PrefixList(list) => shape.destination_prefix_list_id = Some(list.to_string()),
    }
    match route.target {
        RouteTarget::Local => shape.gateway_id = Some("local".to_owned()),
        RouteTarget::InternetGateway(gateway) => shape.gateway_id = Some(gateway.to_string()),
        RouteTarget::VpnGateway(gateway) => shape.gateway_id = Some(gateway.to_string()),
        RouteTarget::Endpoint(endpoint) => shape.gateway_id = Some(endpoint.to_string()),
        RouteTarget::NatGateway(gateway) => shape.nat_gateway_id = Some(gateway.to_string()),
        RouteTarget::EgressOnlyGateway(gateway) => shape.egress_only_internet_gateway_id = Some(gateway.to_string()),
        RouteTarget::Peering(peering) => shape.vpc_peering_connection_id = Some(peering.to_string()),
        RouteTarget::TransitGateway(gateway) => shape.transit_gateway_id = Some(gateway.to_string()),
        RouteTarget::NetworkInterface(id) => {
            shape.network_interface_id = Some(id.to_string());
            let eni = network.get::<NetworkInterface>(&id);
            if let Some((eni, attachment)) = eni.and_then(|eni| Some((eni, eni.attachment.as_ref()?))) {
                shape.instance_id = Some(attachment.instance.to_string());
                shape.instance_owner_id = Some(eni.owner.account.to_string());
            }
        }
    }
    shape
}

fn associated() -> Option<shapes::RouteTableAssociationState> {
    Some(shapes::RouteTableAssociationState { state: Some("associated".to_owned()), status_message: None })
}

#[cfg(test)]
mod tests;
