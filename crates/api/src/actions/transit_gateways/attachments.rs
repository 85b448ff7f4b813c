//! Attachments of all kinds.

use std::sync::Arc;

use openvpc_control::Missing;
use openvpc_control::transit_gateways::attachments;
use openvpc_model::{Owner, Tags, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId};

use super::super::prelude::*;
use super::sorted;

pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTransitGatewayAttachmentsRequest,
) -> Result<shapes::DescribeTransitGatewayAttachmentsResult, ApiError> {
    let network = ctx.network()?;
    let picked = pick(ctx, &network, &request.transit_gateway_attachment_ids, |_| true)?;
    let items = picked.iter().map(|attachment| shape(&network, ctx.owner(), attachment)).collect();
    let items = filters::select(items, &request.filters, &FIELDS)?;
    let (transit_gateway_attachments, next_token) =
        page::cut(&request, !request.transit_gateway_attachment_ids.is_empty(), items, |item| {
            item.transit_gateway_attachment_id.as_deref()
        })?;
    Ok(shapes::DescribeTransitGatewayAttachmentsResult { transit_gateway_attachments, next_token })
}

pub(super) fn propagations(
    ctx: &Ctx<'_>,
    request: shapes::GetTransitGatewayAttachmentPropagationsRequest,
) -> Result<shapes::GetTransitGatewayAttachmentPropagationsResult, ApiError> {
    let network = ctx.network()?;
    let id = request.transit_gateway_attachment_id.clone().unwrap_or_default();
    let picked = pick(ctx, &network, &[id], TransitGatewayAttachment::is_alive)?;
    // Where packets go on a gateway is its owner's business.
    let mine = picked.iter().filter(|attachment| attachment.transit_gateway_owner == *ctx.owner());
    let item = |table: &openvpc_model::TransitGatewayRouteTableId| shapes::TransitGatewayAttachmentPropagation {
        transit_gateway_route_table_id: Some(table.to_string()),
        state: Some("enabled".to_owned()),
    };
    let items = mine.flat_map(|attachment| attachment.propagations.iter().map(item)).collect();
    let items = filters::select(items, &request.filters, &PROPAGATION_FIELDS)?;
    let (transit_gateway_attachment_propagations, next_token) =
        page::cut(&request, false, items, |item| item.transit_gateway_route_table_id.as_deref())?;
    Ok(shapes::GetTransitGatewayAttachmentPropagationsResult { transit_gateway_attachment_propagations, next_token })
}

static PROPAGATION_FIELDS: Fields<shapes::TransitGatewayAttachmentPropagation> =
    Fields { tags: None, fields: &[("transit-gateway-route-table-id", |item, m| m.offer(&item.transit_gateway_route_table_id))] };

static FIELDS: Fields<shapes::TransitGatewayAttachment> = Fields {
    tags: Some(|item| &item.tags),
    fields: &[
        ("association.state", |item, m| m.offer(&item.association.as_ref().map(|association| &association.state))),
        ("association.transit-gateway-route-table-id", |item, m| {
            m.offer(&item.association.as_ref().map(|association| &association.transit_gateway_route_table_id));
        }),
        ("resource-id", |item, m| m.offer(&item.resource_id)),
        ("resource-owner-id", |item, m| m.offer(&item.resource_owner_id)),
        ("resource-type", |item, m| m.offer(&item.resource_type)),
        ("state", |item, m| m.offer(&item.state)),
        ("transit-gateway-attachment-id", |item, m| m.offer(&item.transit_gateway_attachment_id)),
        ("transit-gateway-id", |item, m| m.offer(&item.transit_gateway_id)),
        ("transit-gateway-owner-id", |item, m| m.offer(&item.transit_gateway_owner_id)),
    ],
};

fn shape(network: &Network, viewer: &Owner, attachment: &TransitGatewayAttachment) -> shapes::TransitGatewayAttachment {
    let gateway = attachments::gateway_of(attachment, viewer);
    let owner = network.get::<TransitGateway>(&gateway).map_or(&attachment.transit_gateway_owner, |gateway| &gateway.owner);
    let table = attachment.associations.get(&gateway).filter(|_| owner == viewer);
    let resource_owner = match attachment.peering() {
        Some(peering) if gateway == attachment.transit_gateway => &peering.owner,
        _ => &attachment.owner,
    };
    shapes::TransitGatewayAttachment {
        transit_gateway_attachment_id: Some(attachment.id.to_string()),
        transit_gateway_id: Some(gateway.to_string()),
        transit_gateway_owner_id: Some(owner.account.to_string()),
        resource_owner_id: Some(resource_owner.account.to_string()),
        resource_type: Some(attachment.resource.kind().to_owned()),
        resource_id: Some(attachment.resource_id(gateway)),
        state: Some(attachments::state_name(attachment.state).to_owned()),
        association: table.map(|table| shapes::TransitGatewayAttachmentAssociation {
            transit_gateway_route_table_id: Some(table.to_string()),
            state: Some("associated".to_owned()),
        }),
        creation_time: Some(attachment.created_at),
        tags: tags(attachment, viewer),
    }
}

/// The attachments of some kind that the caller sees: those it names, or all of them.
pub(super) fn pick(
    ctx: &Ctx<'_>,
    network: &Network,
    ids: &[String],
    is_wanted: fn(&TransitGatewayAttachment) -> bool,
) -> Result<Vec<Arc<TransitGatewayAttachment>>, ApiError> {
    let now = ctx.control().now();
    let wanted: Vec<TransitGatewayAttachmentId> = sorted(ids)?;
    if wanted.is_empty() {
        let visible = attachments::visible(network, ctx.owner(), now);
        return Ok(visible.filter(|attachment| is_wanted(attachment)).cloned().collect());
    }
    let find = |id: &TransitGatewayAttachmentId| {
        let found = network.get::<TransitGatewayAttachment>(id);
        let found = found.filter(|a| is_wanted(a) && attachments::is_visible(a, ctx.owner(), now));
        found.cloned().ok_or_else(|| TransitGatewayAttachment::missing(id).into())
    };
    wanted.iter().map(find).collect()
}

/// The tags that the viewer put on an attachment.
pub(super) fn tags(attachment: &TransitGatewayAttachment, viewer: &Owner) -> Vec<shapes::Tag> {
    tagging::shapes(attachment.tags(viewer).unwrap_or(&Tags::new()))
}
