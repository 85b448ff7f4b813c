//! Transit gateways attached to each other.

use openvpc_control::transit_gateways::attachments::state_name;
use openvpc_control::transit_gateways::peering_attachments::{self, CreatePeering};
use openvpc_control::{ControlError, Tx};
use openvpc_model::{Owner, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId};

use super::super::prelude::*;
use super::attachments::{pick, tags};
use super::vpc_attachments::{get, required};
use super::{switch, word};

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateTransitGatewayPeeringAttachmentRequest,
) -> Result<shapes::CreateTransitGatewayPeeringAttachmentResult, ApiError> {
    let invalid = |parameter: &str, text: &str, why: String| {
        ApiError::invalid_value(format!("Value ({text}) for parameter {parameter} is invalid: {why}."))
    };
    let account = ids::required(&request.peer_account_id, "PeerAccountId")?;
    let region = ids::required(&request.peer_region, "PeerRegion")?;
    let asked = CreatePeering {
        gateway: ids::parse_required(&request.transit_gateway_id, "TransitGatewayId")?,
        peer: ids::parse_required::<TransitGatewayId>(&request.peer_transit_gateway_id, "PeerTransitGatewayId")?,
        peer_account: account.parse().map_err(|why| invalid("PeerAccountId", account, why))?,
        peer_region: region.parse().map_err(|why| invalid("PeerRegion", region, why))?,
        dynamic_routing: switch(&request.options.unwrap_or_default().dynamic_routing, "DynamicRouting")?,
        tags: tagging::on_create(&request.tag_specifications, "transit-gateway-attachment")?,
    };
    let attachment = ctx.mutate(|tx| {
        let id = peering_attachments::create(tx, asked)?;
        get(tx, id)
    })?;
    let transit_gateway_peering_attachment = Some(shape(&attachment, ctx.owner(), "initiatingRequest"));
    Ok(shapes::CreateTransitGatewayPeeringAttachmentResult { transit_gateway_peering_attachment })
}

pub(super) fn accept(
    ctx: &Ctx<'_>,
    request: shapes::AcceptTransitGatewayPeeringAttachmentRequest,
) -> Result<shapes::AcceptTransitGatewayPeeringAttachmentResult, ApiError> {
    let id = required(&request.transit_gateway_attachment_id)?;
    let shape = changed(ctx, id, "pending", |tx| peering_attachments::accept(tx, id))?;
    Ok(shapes::AcceptTransitGatewayPeeringAttachmentResult { transit_gateway_peering_attachment: Some(shape) })
}

pub(super) fn reject(
    ctx: &Ctx<'_>,
    request: shapes::RejectTransitGatewayPeeringAttachmentRequest,
) -> Result<shapes::RejectTransitGatewayPeeringAttachmentResult, ApiError> {
    let id = required(&request.transit_gateway_attachment_id)?;
    let shape = changed(ctx, id, "rejecting", |tx| peering_attachments::reject(tx, id))?;
    Ok(shapes::RejectTransitGatewayPeeringAttachmentResult { transit_gateway_peering_attachment: Some(shape) })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteTransitGatewayPeeringAttachmentRequest,
) -> Result<shapes::DeleteTransitGatewayPeeringAttachmentResult, ApiError> {
    let id = required(&request.transit_gateway_attachment_id)?;
    let shape = changed(ctx, id, "deleting", |tx| peering_attachments::delete(tx, id))?;
    Ok(shapes::DeleteTransitGatewayPeeringAttachmentResult { transit_gateway_peering_attachment: Some(shape) })
}

pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTransitGatewayPeeringAttachmentsRequest,
) -> Result<shapes::DescribeTransitGatewayPeeringAttachmentsResult, ApiError> {
    let network = ctx.network()?;
    let picked = pick(ctx, &network, &request.transit_gateway_attachment_ids, |a| a.peering().is_some())?;
    let items = picked.iter().map(|attachment| Seen::by(ctx.owner(), attachment)).collect();
    let items = filters::select(items, &request.filters, &FIELDS)?.into_iter().map(|seen| seen.item).collect();
    let (transit_gateway_peering_attachments, next_token) =
        page::cut(&request, !request.transit_gateway_attachment_ids.is_empty(), items, |item| {
            item.transit_gateway_attachment_id.as_deref()
        })?;
    Ok(shapes::DescribeTransitGatewayPeeringAttachmentsResult { transit_gateway_peering_attachments, next_token })
}

/// A peering with what only filters ask for.
struct Seen {
    item: shapes::TransitGatewayPeeringAttachment,
    local_owner: String,
    remote_owner: String,
}

impl Seen {
    fn by(viewer: &Owner, attachment: &TransitGatewayAttachment) -> Self {
        // Of an attachment that stands for both ends, the viewer may be at the far one.
        let is_far = attachment.far_end().is_some() && attachment.owner != *viewer;
        let far = attachment.peering().map(|peering| &peering.owner).filter(|_| !is_far);
        let remote = far.unwrap_or(&attachment.owner);
        Self {
            item: shape(attachment, viewer, state_name(attachment.state)),
            local_owner: viewer.account.to_string(),
            remote_owner: remote.account.to_string(),
        }
    }
}

static FIELDS: Fields<Seen> = Fields {
    tags: Some(|seen| &seen.item.tags),
    fields: &[
        ("local-owner-id", |seen, m| m.offer(&seen.local_owner)),
        ("remote-owner-id", |seen, m| m.offer(&seen.remote_owner)),
        ("state", |seen, m| m.offer(&seen.item.state)),
        ("transit-gateway-attachment-id", |seen, m| m.offer(&seen.item.transit_gateway_attachment_id)),
        ("transit-gateway-id", |seen, m| {
            m.offer(&seen.item.requester_tgw_info.as_ref().map(|info| &info.transit_gateway_id));
            m.offer(&seen.item.accepter_tgw_info.as_ref().map(|info| &info.transit_gateway_id));
        }),
    ],
};

fn changed(
    ctx: &Ctx<'_>,
    id: TransitGatewayAttachmentId,
    state: &str,
    change: impl FnOnce(&mut Tx<'_>) -> Result<(), ControlError>,
) -> Result<shapes::TransitGatewayPeeringAttachment, ApiError> {
    let attachment = ctx.mutate(|tx| {
        change(tx)?;
        get(tx, id)
    })?;
    Ok(shape(&attachment, ctx.owner(), state))
}

fn shape(attachment: &TransitGatewayAttachment, viewer: &Owner, state: &str) -> shapes::TransitGatewayPeeringAttachment {
    let end = |gateway: TransitGatewayId, owner: &Owner| shapes::PeeringTgwInfo {
        transit_gateway_id: Some(gateway.to_string()),
        core_network_id: None,
        owner_id: Some(owner.account.to_string()),
        region: Some(owner.region.to_string()),
    };
    let peering = attachment.peering();
    let mut ends = [
        Some(end(attachment.transit_gateway, &attachment.owner)),
        peering.map(|peering| end(peering.transit_gateway, &peering.owner)),
    ];
    let mut accepter_attachment = peering.and_then(|peering| peering.twin);
    if peering.is_some_and(|peering| peering.is_accepter) {
        ends.reverse();
        accepter_attachment = Some(attachment.id);
    }
    let [requester_tgw_info, accepter_tgw_info] = ends;
    shapes::TransitGatewayPeeringAttachment {
        transit_gateway_attachment_id: Some(attachment.id.to_string()),
        accepter_transit_gateway_attachment_id: accepter_attachment.map(|id| id.to_string()),
        requester_tgw_info,
        accepter_tgw_info,
        options: peering
            .and_then(|peering| peering.dynamic_routing)
            .map(|on| shapes::TransitGatewayPeeringAttachmentOptions { dynamic_routing: word(on) }),
        status: Some(shapes::PeeringAttachmentStatus { code: Some(state.to_owned()), message: Some(message(state)) }),
        state: Some(state.to_owned()),
        creation_time: Some(attachment.created_at),
        tags: tags(attachment, viewer),
    }
}

/// The state in words: `pendingAcceptance` is `Pending Acceptance`.
fn message(state: &str) -> String {
    let mut words = String::new();
    for (at, letter) in state.chars().enumerate() {
        if at > 0 && letter.is_uppercase() {
            words.push(' ');
        }
        words.push(if at == 0 { letter.to_ascii_uppercase() } else { letter });
    }
    words
}
