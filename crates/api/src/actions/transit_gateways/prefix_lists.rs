//! Prefix lists in transit gateways' tables.

use openvpc_control::transit_gateways::routes;
use openvpc_control::{ControlError, Tx};
use openvpc_model::transit_gateway::TransitGatewayPrefixListReference;
use openvpc_model::{PrefixList, PrefixListId, TransitGatewayAttachment, TransitGatewayRouteTable, TransitGatewayRouteTableId};

use super::super::prelude::*;
use super::routes::target;
use super::tables;

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateTransitGatewayPrefixListReferenceRequest,
) -> Result<shapes::CreateTransitGatewayPrefixListReferenceResult, ApiError> {
    let (table, list) = place(&request.transit_gateway_route_table_id, &request.prefix_list_id)?;
    let target = target(&request.transit_gateway_attachment_id, request.blackhole)?;
    let shape = changed(ctx, table, "pending", |tx| routes::reference_prefix_list(tx, table, list, target))?;
    Ok(shapes::CreateTransitGatewayPrefixListReferenceResult { transit_gateway_prefix_list_reference: Some(shape) })
}

pub(super) fn modify(
    ctx: &Ctx<'_>,
    request: shapes::ModifyTransitGatewayPrefixListReferenceRequest,
) -> Result<shapes::ModifyTransitGatewayPrefixListReferenceResult, ApiError> {
    let (table, list) = place(&request.transit_gateway_route_table_id, &request.prefix_list_id)?;
    let target = target(&request.transit_gateway_attachment_id, request.blackhole)?;
    let shape = changed(ctx, table, "modifying", |tx| routes::modify_prefix_list(tx, table, list, target))?;
    Ok(shapes::ModifyTransitGatewayPrefixListReferenceResult { transit_gateway_prefix_list_reference: Some(shape) })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteTransitGatewayPrefixListReferenceRequest,
) -> Result<shapes::DeleteTransitGatewayPrefixListReferenceResult, ApiError> {
    let (table, list) = place(&request.transit_gateway_route_table_id, &request.prefix_list_id)?;
    let shape = changed(ctx, table, "deleting", |tx| routes::forget_prefix_list(tx, table, list))?;
    Ok(shapes::DeleteTransitGatewayPrefixListReferenceResult { transit_gateway_prefix_list_reference: Some(shape) })
}

pub(super) fn get(
    ctx: &Ctx<'_>,
    request: shapes::GetTransitGatewayPrefixListReferencesRequest,
) -> Result<shapes::GetTransitGatewayPrefixListReferencesResult, ApiError> {
    let network = ctx.network()?;
    let table = tables::living(ctx, &network, tables::required(&request.transit_gateway_route_table_id)?)?;
    let items = table.prefix_lists.iter().map(|reference| shape(&network, table, *reference, "available")).collect();
    let items = filters::select(items, &request.filters, &FIELDS)?;
    let (transit_gateway_prefix_list_references, next_token) =
        page::cut(&request, false, items, |item| item.prefix_list_id.as_deref())?;
    Ok(shapes::GetTransitGatewayPrefixListReferencesResult { transit_gateway_prefix_list_references, next_token })
}

/// Offers a member of the reference's attachment.
macro_rules! attachment {
    ($field:ident) => {
        |item, m| m.offer(&item.transit_gateway_attachment.as_ref().map(|attachment| &attachment.$field))
    };
}

static FIELDS: Fields<shapes::TransitGatewayPrefixListReference> = Fields {
    tags: None,
    fields: &[
        ("attachment.resource-id", attachment!(resource_id)),
        ("attachment.resource-type", attachment!(resource_type)),
        ("attachment.transit-gateway-attachment-id", attachment!(transit_gateway_attachment_id)),
        ("is-blackhole", |item, m| m.offer(&item.blackhole)),
        ("prefix-list-id", |item, m| m.offer(&item.prefix_list_id)),
        ("prefix-list-owner-id", |item, m| m.offer(&item.prefix_list_owner_id)),
        ("state", |item, m| m.offer(&item.state)),
    ],
};

fn changed(
    ctx: &Ctx<'_>,
    table: TransitGatewayRouteTableId,
    state: &str,
    change: impl FnOnce(&mut Tx<'_>) -> Result<TransitGatewayPrefixListReference, ControlError>,
) -> Result<shapes::TransitGatewayPrefixListReference, ApiError> {
    ctx.mutate(|tx| {
        let reference = change(tx)?;
        let table = tx.find::<TransitGatewayRouteTable>(&table)?;
        Ok(shape(tx.network(), &table, reference, state))
    })
}

fn shape(
    network: &Network,
    table: &TransitGatewayRouteTable,
    reference: TransitGatewayPrefixListReference,
    state: &str,
) -> shapes::TransitGatewayPrefixListReference {
    let list = network.get::<PrefixList>(&reference.prefix_list);
    let attachment = reference.attachment.map(|id| {
        let found = network.get::<TransitGatewayAttachment>(&id);
        shapes::TransitGatewayPrefixListAttachment {
            transit_gateway_attachment_id: Some(id.to_string()),
            resource_type: found.map(|attachment| attachment.resource.kind().to_owned()),
            resource_id: found.map(|attachment| attachment.resource_id(table.transit_gateway)),
        }
    });
    shapes::TransitGatewayPrefixListReference {
        transit_gateway_route_table_id: Some(table.id.to_string()),
        prefix_list_id: Some(reference.prefix_list.to_string()),
        prefix_list_owner_id: Some(list.map_or("AWS".to_owned(), |list| list.owner.account.to_string())),
        state: Some(state.to_owned()),
        blackhole: Some(reference.attachment.is_none()),
        transit_gateway_attachment: attachment,
    }
}

fn place(table: &Option<String>, list: &Option<String>) -> Result<(TransitGatewayRouteTableId, PrefixListId), ApiError> {
    Ok((tables::required(table)?, ids::parse_required(list, "PrefixListId")?))
}
