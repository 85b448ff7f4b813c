//! Routes of transit gateways' tables.

use std::net::IpAddr;

use ipnet::IpNet;
use openvpc_control::transit_gateways::routes::{self, TableRoute};
use openvpc_control::{ControlError, Tx};
use openvpc_model::{TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId, TransitGatewayRouteTableId};

use super::super::prelude::*;
use super::{block, tables};

/// As many routes an answer has, when the request doesn't say.
const DEFAULT_MAX: i32 = 1000;

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateTransitGatewayRouteRequest,
) -> Result<shapes::CreateTransitGatewayRouteResult, ApiError> {
    let (table, destination) = place(&request.transit_gateway_route_table_id, &request.destination_cidr_block)?;
    let target = target(&request.transit_gateway_attachment_id, request.blackhole)?;
    let route = changed(ctx, table, |tx| routes::create(tx, table, destination, target))?;
    Ok(shapes::CreateTransitGatewayRouteResult { route: Some(route) })
}

pub(super) fn replace(
    ctx: &Ctx<'_>,
    request: shapes::ReplaceTransitGatewayRouteRequest,
) -> Result<shapes::ReplaceTransitGatewayRouteResult, ApiError> {
    let (table, destination) = place(&request.transit_gateway_route_table_id, &request.destination_cidr_block)?;
    let target = target(&request.transit_gateway_attachment_id, request.blackhole)?;
    let route = changed(ctx, table, |tx| routes::replace(tx, table, destination, target))?;
    Ok(shapes::ReplaceTransitGatewayRouteResult { route: Some(route) })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteTransitGatewayRouteRequest,
) -> Result<shapes::DeleteTransitGatewayRouteResult, ApiError> {
    let (table, destination) = place(&request.transit_gateway_route_table_id, &request.destination_cidr_block)?;
    let mut route = changed(ctx, table, |tx| routes::delete(tx, table, destination))?;
    route.state = Some("deleted".to_owned());
    Ok(shapes::DeleteTransitGatewayRouteResult { route: Some(route) })
}

pub(super) fn search(
    ctx: &Ctx<'_>,
    mut request: shapes::SearchTransitGatewayRoutesRequest,
) -> Result<shapes::SearchTransitGatewayRoutesResult, ApiError> {
    let network = ctx.network()?;
    let table = tables::living(ctx, &network, tables::required(&request.transit_gateway_route_table_id)?)?;
    if request.filters.is_empty() {
        return Err(ApiError::missing("Filters"));
    }
    let mut found = routes::effective(&network, table);
    let (searches, others): (Vec<_>, Vec<_>) = std::mem::take(&mut request.filters)
        .into_iter()
        .partition(|filter| filter.name.as_deref().is_some_and(|name| name.starts_with("route-search.")));
    for search in &searches {
        found = searched(found, search)?;
    }
    let items = found.iter().map(|route| shape(&network, table.transit_gateway, route)).collect();
    let items = filters::select(items, &others, &FIELDS)?;
    request.max_results = request.max_results.or(Some(DEFAULT_MAX));
    let (routes, next_token) = page::cut(&request, false, items, |item| item.destination_cidr_block.as_deref())?;
    Ok(shapes::SearchTransitGatewayRoutesResult { routes, additional_routes_available: Some(next_token.is_some()), next_token })
}

static FIELDS: Fields<shapes::TransitGatewayRoute> = Fields {
    tags: None,
    fields: &[
        ("attachment.resource-id", |item, m| item.transit_gateway_attachments.iter().for_each(|a| m.offer(&a.resource_id))),
        ("attachment.resource-type", |item, m| {
            item.transit_gateway_attachments.iter().for_each(|a| m.offer(&a.resource_type));
        }),
        ("attachment.transit-gateway-attachment-id", |item, m| {
            item.transit_gateway_attachments.iter().for_each(|a| m.offer(&a.transit_gateway_attachment_id));
        }),
        ("prefix-list-id", |item, m| m.offer(&item.prefix_list_id)),
        ("state", |item, m| m.offer(&item.state)),
        ("type", |item, m| m.offer(&item.r#type)),
    ],
};

/// The routes that one of the searches by address finds. Several addresses are searched for one after the other.
fn searched(routes: Vec<TableRoute>, filter: &shapes::Filter) -> Result<Vec<TableRoute>, ApiError> {
    let name = filter.name.as_deref().unwrap_or_default();
    let wanted = filter.values.iter().map(|value| address_or_block(value, name)).collect::<Result<Vec<IpNet>, _>>()?;
    if wanted.is_empty() {
        return Err(ApiError::invalid_value(format!("The filter '{name}' has no value; give at least one")));
    }
    let matches: fn(&[TableRoute], &TableRoute, IpNet) -> bool = match name {
        "route-search.exact-match" => |_, route, wanted| route.destination == wanted,
        "route-search.longest-prefix-match" => |all, route, wanted| {
            let longest = all.iter().map(|route| route.destination).filter(|block| block.contains(&wanted));
            longest.max_by_key(IpNet::prefix_len) == Some(route.destination)
        },
        "route-search.subnet-of-match" => |_, route, wanted| wanted.contains(&route.destination),
        "route-search.supernet-of-match" => |_, route, wanted| route.destination.contains(&wanted),
        _ => return Err(ApiError::invalid_value(format!("The filter '{name}' is invalid"))),
    };
    let is_found = |route: &TableRoute| wanted.iter().any(|wanted| matches(&routes, route, *wanted));
    Ok(routes.iter().filter(|route| is_found(route)).cloned().collect())
}

/// Reads a block, or one address.
fn address_or_block(text: &str, filter: &str) -> Result<IpNet, ApiError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    block(text, filter).map(|block| block.trunc())
}

fn changed(
    ctx: &Ctx<'_>,
    table: TransitGatewayRouteTableId,
    change: impl FnOnce(&mut Tx<'_>) -> Result<TableRoute, ControlError>,
) -> Result<shapes::TransitGatewayRoute, ApiError> {
    ctx.mutate(|tx| {
        let route = change(tx)?;
        let gateway = openvpc_control::transit_gateways::tables::living(tx, table)?.transit_gateway;
        Ok(shape(tx.network(), gateway, &route))
    })
}

fn shape(network: &Network, gateway: TransitGatewayId, route: &TableRoute) -> shapes::TransitGatewayRoute {
    shapes::TransitGatewayRoute {
        destination_cidr_block: Some(route.destination.to_string()),
        prefix_list_id: route.prefix_list.map(|list| list.to_string()),
        transit_gateway_route_table_announcement_id: None,
        transit_gateway_attachments: route.attachments.iter().map(|id| attachment(network, gateway, *id)).collect(),
        r#type: Some(if route.is_static { "static" } else { "propagated" }.to_owned()),
        state: Some(if route.is_active { "active" } else { "blackhole" }.to_owned()),
    }
}

fn attachment(
    network: &Network,
    gateway: TransitGatewayId,
    id: TransitGatewayAttachmentId,
) -> shapes::TransitGatewayRouteAttachment {
    // A deleted attachment is forgotten in the end, and the routes to it stay.
    let found = network.get::<TransitGatewayAttachment>(&id);
    shapes::TransitGatewayRouteAttachment {
        resource_id: found.map(|attachment| attachment.resource_id(gateway)),
        transit_gateway_attachment_id: Some(id.to_string()),
        resource_type: found.map(|attachment| attachment.resource.kind().to_owned()),
    }
}

fn place(table: &Option<String>, destination: &Option<String>) -> Result<(TransitGatewayRouteTableId, IpNet), ApiError> {
    let destination = ids::required(destination, "DestinationCidrBlock")?;
    Ok((tables::required(table)?, block(destination, "DestinationCidrBlock")?))
}

/// Where packets are to go: to an attachment, or nowhere.
pub(super) fn target(
    attachment: &Option<String>,
    blackhole: Option<bool>,
) -> Result<Option<TransitGatewayAttachmentId>, ApiError> {
    match (ids::parse_opt(attachment)?, blackhole.unwrap_or(false)) {
        (Some(_), true) => {
            Err(ApiError::invalid_combination("Only one of TransitGatewayAttachmentId and Blackhole may be given"))
        }
        (None, false) => Err(ApiError::missing("TransitGatewayAttachmentId")),
        (attachment, _) => Ok(attachment),
    }
}
