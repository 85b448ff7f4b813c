//! Route tables of transit gateways, associations and propagations.

use openvpc_control::transit_gateways::tables;
use openvpc_control::{ControlError, Missing, Tx};
use openvpc_model::transit_gateway::TRANSIT_GATEWAY_SHOWN_AFTER_END_MS;
use openvpc_model::{
    TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId, TransitGatewayRouteTable,
    TransitGatewayRouteTableId,
};

use super::super::prelude::*;
use super::sorted;
use super::vpc_attachments::get;

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateTransitGatewayRouteTableRequest,
) -> Result<shapes::CreateTransitGatewayRouteTableResult, ApiError> {
    let gateway: TransitGatewayId = ids::parse_required(&request.transit_gateway_id, "TransitGatewayId")?;
    let tags = tagging::on_create(&request.tag_specifications, "transit-gateway-route-table")?;
    let shape = ctx.mutate(|tx| {
        let id = tables::create(tx, gateway, tags)?;
        Ok(shape(tx.network(), &*tx.find::<TransitGatewayRouteTable>(&id)?, "pending"))
    })?;
    Ok(shapes::CreateTransitGatewayRouteTableResult { transit_gateway_route_table: Some(shape) })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteTransitGatewayRouteTableRequest,
) -> Result<shapes::DeleteTransitGatewayRouteTableResult, ApiError> {
    let id = required(&request.transit_gateway_route_table_id)?;
    let shape = ctx.mutate(|tx| {
        tables::delete(tx, id)?;
        Ok(shape(tx.network(), &*tx.find::<TransitGatewayRouteTable>(&id)?, "deleting"))
    })?;
    Ok(shapes::DeleteTransitGatewayRouteTableResult { transit_gateway_route_table: Some(shape) })
}

pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTransitGatewayRouteTablesRequest,
) -> Result<shapes::DescribeTransitGatewayRouteTablesResult, ApiError> {
    let network = ctx.network()?;
    let now = ctx.control().now();
    let wanted: Vec<TransitGatewayRouteTableId> = sorted(&request.transit_gateway_route_table_ids)?;
    let is_shown = |table: &TransitGatewayRouteTable| {
        table.deleted_at.is_none_or(|at| now.0.saturating_sub(at.0) < TRANSIT_GATEWAY_SHOWN_AFTER_END_MS)
    };
    let all: Vec<_> = network.owned::<TransitGatewayRouteTable>(ctx.owner()).filter(|table| is_shown(table)).collect();
    if let Some(missing) = wanted.iter().find(|id| !all.iter().any(|table| table.id == **id)) {
        return Err(TransitGatewayRouteTable::missing(missing).into());
    }
    let state = |table: &TransitGatewayRouteTable| if table.deleted_at.is_some() { "deleted" } else { "available" };
    let picked = all.into_iter().filter(|table| wanted.is_empty() || wanted.contains(&table.id));
    let items = picked.map(|table| shape(&network, table, state(table))).collect();
    let items = filters::select(items, &request.filters, &FIELDS)?;
    let (transit_gateway_route_tables, next_token) =
        page::cut(&request, !wanted.is_empty(), items, |item| item.transit_gateway_route_table_id.as_deref())?;
    Ok(shapes::DescribeTransitGatewayRouteTablesResult { transit_gateway_route_tables, next_token })
}

static FIELDS: Fields<shapes::TransitGatewayRouteTable> = Fields {
    tags: Some(|item| &item.tags),
    fields: &[
        ("default-association-route-table", |item, m| m.offer(&item.default_association_route_table)),
        ("default-propagation-route-table", |item, m| m.offer(&item.default_propagation_route_table)),
        ("state", |item, m| m.offer(&item.state)),
        ("transit-gateway-id", |item, m| m.offer(&item.transit_gateway_id)),
        ("transit-gateway-route-table-id", |item, m| m.offer(&item.transit_gateway_route_table_id)),
    ],
};

pub(super) fn associate(
    ctx: &Ctx<'_>,
    request: shapes::AssociateTransitGatewayRouteTableRequest,
) -> Result<shapes::AssociateTransitGatewayRouteTableResult, ApiError> {
    let ids = both(&request.transit_gateway_route_table_id, &request.transit_gateway_attachment_id)?;
    let association = associated(ctx, ids, "associating", tables::associate)?;
    Ok(shapes::AssociateTransitGatewayRouteTableResult { association: Some(association) })
}

pub(super) fn disassociate(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateTransitGatewayRouteTableRequest,
) -> Result<shapes::DisassociateTransitGatewayRouteTableResult, ApiError> {
    let ids = both(&request.transit_gateway_route_table_id, &request.transit_gateway_attachment_id)?;
    let association = associated(ctx, ids, "disassociating", tables::disassociate)?;
    Ok(shapes::DisassociateTransitGatewayRouteTableResult { association: Some(association) })
}

pub(super) fn enable_propagation(
    ctx: &Ctx<'_>,
    request: shapes::EnableTransitGatewayRouteTablePropagationRequest,
) -> Result<shapes::EnableTransitGatewayRouteTablePropagationResult, ApiError> {
    no_announcement(&request.transit_gateway_route_table_announcement_id)?;
    let ids = both(&request.transit_gateway_route_table_id, &request.transit_gateway_attachment_id)?;
    let propagation = propagated(ctx, ids, "enabled", tables::enable_propagation)?;
    Ok(shapes::EnableTransitGatewayRouteTablePropagationResult { propagation: Some(propagation) })
}

pub(super) fn disable_propagation(
    ctx: &Ctx<'_>,
    request: shapes::DisableTransitGatewayRouteTablePropagationRequest,
) -> Result<shapes::DisableTransitGatewayRouteTablePropagationResult, ApiError> {
    no_announcement(&request.transit_gateway_route_table_announcement_id)?;
    let ids = both(&request.transit_gateway_route_table_id, &request.transit_gateway_attachment_id)?;
    let propagation = propagated(ctx, ids, "disabled", tables::disable_propagation)?;
    Ok(shapes::DisableTransitGatewayRouteTablePropagationResult { propagation: Some(propagation) })
}

pub(super) fn associations(
    ctx: &Ctx<'_>,
    request: shapes::GetTransitGatewayRouteTableAssociationsRequest,
) -> Result<shapes::GetTransitGatewayRouteTableAssociationsResult, ApiError> {
    let network = ctx.network()?;
    let table = living(ctx, &network, required(&request.transit_gateway_route_table_id)?)?;
    let item = |attachment: &TransitGatewayAttachment| shapes::TransitGatewayRouteTableAssociation {
        transit_gateway_attachment_id: Some(attachment.id.to_string()),
        resource_id: Some(attachment.resource_id(table.transit_gateway)),
        resource_type: Some(attachment.resource.kind().to_owned()),
        state: Some("associated".to_owned()),
    };
    let items = tables::associated(&network, table.id).map(|attachment| item(attachment)).collect();
    let items = filters::select(items, &request.filters, &ASSOCIATION_FIELDS)?;
    let (associations, next_token) = page::cut(&request, false, items, |item| item.transit_gateway_attachment_id.as_deref())?;
    Ok(shapes::GetTransitGatewayRouteTableAssociationsResult { associations, next_token })
}

static ASSOCIATION_FIELDS: Fields<shapes::TransitGatewayRouteTableAssociation> = Fields {
    tags: None,
    fields: &[
        ("resource-id", |item, m| m.offer(&item.resource_id)),
        ("resource-type", |item, m| m.offer(&item.resource_type)),
        ("transit-gateway-attachment-id", |item, m| m.offer(&item.transit_gateway_attachment_id)),
    ],
};

pub(super) fn propagations(
    ctx: &Ctx<'_>,
    request: shapes::GetTransitGatewayRouteTablePropagationsRequest,
) -> Result<shapes::GetTransitGatewayRouteTablePropagationsResult, ApiError> {
    let network = ctx.network()?;
    let table = living(ctx, &network, required(&request.transit_gateway_route_table_id)?)?;
    let item = |attachment: &TransitGatewayAttachment| shapes::TransitGatewayRouteTablePropagation {
        transit_gateway_attachment_id: Some(attachment.id.to_string()),
        resource_id: Some(attachment.resource_id(table.transit_gateway)),
        resource_type: Some(attachment.resource.kind().to_owned()),
        state: Some("enabled".to_owned()),
        transit_gateway_route_table_announcement_id: None,
    };
    let items = tables::propagating(&network, table.id).map(|attachment| item(attachment)).collect();
    let items = filters::select(items, &request.filters, &PROPAGATION_FIELDS)?;
    let (transit_gateway_route_table_propagations, next_token) =
        page::cut(&request, false, items, |item| item.transit_gateway_attachment_id.as_deref())?;
    Ok(shapes::GetTransitGatewayRouteTablePropagationsResult { transit_gateway_route_table_propagations, next_token })
}

static PROPAGATION_FIELDS: Fields<shapes::TransitGatewayRouteTablePropagation> = Fields {
    tags: None,
    fields: &[
        ("resource-id", |item, m| m.offer(&item.resource_id)),
        ("resource-type", |item, m| m.offer(&item.resource_type)),
        ("transit-gateway-attachment-id", |item, m| m.offer(&item.transit_gateway_attachment_id)),
    ],
};

type Ids = (TransitGatewayRouteTableId, TransitGatewayAttachmentId);
type Change = fn(&mut Tx<'_>, TransitGatewayRouteTableId, TransitGatewayAttachmentId) -> Result<(), ControlError>;

fn associated(
    ctx: &Ctx<'_>,
    (table, id): Ids,
    state: &str,
    change: Change,
) -> Result<shapes::TransitGatewayAssociation, ApiError> {
    let (attachment, gateway) = changed(ctx, (table, id), change)?;
    Ok(shapes::TransitGatewayAssociation {
        transit_gateway_route_table_id: Some(table.to_string()),
        transit_gateway_attachment_id: Some(id.to_string()),
        resource_id: Some(attachment.resource_id(gateway)),
        resource_type: Some(attachment.resource.kind().to_owned()),
        state: Some(state.to_owned()),
    })
}

fn propagated(
    ctx: &Ctx<'_>,
    (table, id): Ids,
    state: &str,
    change: Change,
) -> Result<shapes::TransitGatewayPropagation, ApiError> {
    let (attachment, gateway) = changed(ctx, (table, id), change)?;
    Ok(shapes::TransitGatewayPropagation {
        transit_gateway_attachment_id: Some(id.to_string()),
        resource_id: Some(attachment.resource_id(gateway)),
        resource_type: Some(attachment.resource.kind().to_owned()),
        transit_gateway_route_table_id: Some(table.to_string()),
        state: Some(state.to_owned()),
        transit_gateway_route_table_announcement_id: None,
    })
}

fn changed(ctx: &Ctx<'_>, (table, id): Ids, change: Change) -> Result<(TransitGatewayAttachment, TransitGatewayId), ApiError> {
    ctx.mutate(|tx| {
        change(tx, table, id)?;
        Ok((get(tx, id)?, tables::living(tx, table)?.transit_gateway))
    })
}

fn both(table: &Option<String>, attachment: &Option<String>) -> Result<Ids, ApiError> {
    Ok((required(table)?, ids::parse_required(attachment, "TransitGatewayAttachmentId")?))
}

fn no_announcement(id: &Option<String>) -> Result<(), ApiError> {
    match id {
        None => Ok(()),
        Some(_) => Err(ApiError::unsupported("Route table announcements are not available here; name an attachment")),
    }
}

pub(super) fn required(id: &Option<String>) -> Result<TransitGatewayRouteTableId, ApiError> {
    ids::parse_required(id, "TransitGatewayRouteTableId")
}

/// A table of the caller that isn't deleted.
pub(super) fn living<'a>(
    ctx: &Ctx<'_>,
    network: &'a Network,
    id: TransitGatewayRouteTableId,
) -> Result<&'a TransitGatewayRouteTable, ApiError> {
    let found = network.get::<TransitGatewayRouteTable>(&id);
    let found = found.filter(|table| table.owner == *ctx.owner() && table.deleted_at.is_none());
    found.map(|table| &**table).ok_or_else(|| TransitGatewayRouteTable::missing(&id).into())
}

fn shape(network: &Network, table: &TransitGatewayRouteTable, state: &str) -> shapes::TransitGatewayRouteTable {
    let options = network.get::<TransitGateway>(&table.transit_gateway).map(|gateway| &gateway.options);
    let is = |default: Option<TransitGatewayRouteTableId>| Some(default == Some(table.id));
    shapes::TransitGatewayRouteTable {
        transit_gateway_route_table_id: Some(table.id.to_string()),
        transit_gateway_id: Some(table.transit_gateway.to_string()),
        state: Some(state.to_owned()),
        default_association_route_table: is(options.and_then(|options| options.association_default_table)),
        default_propagation_route_table: is(options.and_then(|options| options.propagation_default_table)),
        creation_time: Some(table.created_at),
        tags: tagging::shapes(&table.tags),
    }
}
