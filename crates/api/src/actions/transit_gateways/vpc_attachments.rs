//! VPCs attached to transit gateways.

use openvpc_control::transit_gateways::attachments::state_name;
use openvpc_control::transit_gateways::vpc_attachments::{self, Options};
use openvpc_control::{ControlError, Missing, Tx};
use openvpc_model::transit_gateway::TransitGatewayAttachmentState;
use openvpc_model::{Owner, SubnetId, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId, VpcId};

use super::super::prelude::*;
use super::attachments::{pick, tags};
use super::{switch, word};

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateTransitGatewayVpcAttachmentRequest,
) -> Result<shapes::CreateTransitGatewayVpcAttachmentResult, ApiError> {
    let gateway: TransitGatewayId = ids::parse_required(&request.transit_gateway_id, "TransitGatewayId")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let subnets: Vec<SubnetId> = ids::parse_all(&request.subnet_ids)?;
    let tags = tagging::on_create(&request.tag_specifications, "transit-gateway-attachment")?;
    let asked = request.options.unwrap_or_default();
    let options = Options {
        dns_support: switch(&asked.dns_support, "DnsSupport")?,
        security_group_referencing_support: switch(&asked.security_group_referencing_support, "SecurityGroupReferencingSupport")?,
        ipv6_support: switch(&asked.ipv6_support, "Ipv6Support")?,
        appliance_mode_support: switch(&asked.appliance_mode_support, "ApplianceModeSupport")?,
    };
    let attachment = ctx.mutate(|tx| {
        let id = vpc_attachments::create(tx, gateway, vpc, &subnets, options, tags)?;
        get(tx, id)
    })?;
    let state = match attachment.state {
        TransitGatewayAttachmentState::Available => "pending",
        other => state_name(other),
    };
    let transit_gateway_vpc_attachment = Some(shape(&attachment, ctx.owner(), state));
    Ok(shapes::CreateTransitGatewayVpcAttachmentResult { transit_gateway_vpc_attachment })
}

pub(super) fn modify(
    ctx: &Ctx<'_>,
    request: shapes::ModifyTransitGatewayVpcAttachmentRequest,
) -> Result<shapes::ModifyTransitGatewayVpcAttachmentResult, ApiError> {
    let id = required(&request.transit_gateway_attachment_id)?;
    let add: Vec<SubnetId> = ids::parse_all(&request.add_subnet_ids)?;
    let remove: Vec<SubnetId> = ids::parse_all(&request.remove_subnet_ids)?;
    let asked = request.options.unwrap_or_default();
    let options = Options {
        dns_support: switch(&asked.dns_support, "DnsSupport")?,
        security_group_referencing_support: switch(&asked.security_group_referencing_support, "SecurityGroupReferencingSupport")?,
        ipv6_support: switch(&asked.ipv6_support, "Ipv6Support")?,
        appliance_mode_support: switch(&asked.appliance_mode_support, "ApplianceModeSupport")?,
    };
    let shape = changed(ctx, id, "modifying", |tx| vpc_attachments::modify(tx, id, &add, &remove, options))?;
    Ok(shapes::ModifyTransitGatewayVpcAttachmentResult { transit_gateway_vpc_attachment: Some(shape) })
}

pub(super) fn accept(
    ctx: &Ctx<'_>,
    request: shapes::AcceptTransitGatewayVpcAttachmentRequest,
) -> Result<shapes::AcceptTransitGatewayVpcAttachmentResult, ApiError> {
    let id = required(&request.transit_gateway_attachment_id)?;
    let shape = changed(ctx, id, "pending", |tx| vpc_attachments::accept(tx, id))?;
    Ok(shapes::AcceptTransitGatewayVpcAttachmentResult { transit_gateway_vpc_attachment: Some(shape) })
}

pub(super) fn reject(
    ctx: &Ctx<'_>,
    request: shapes::RejectTransitGatewayVpcAttachmentRequest,
) -> Result<shapes::RejectTransitGatewayVpcAttachmentResult, ApiError> {
    let id = required(&request.transit_gateway_attachment_id)?;
    let shape = changed(ctx, id, "rejecting", |tx| vpc_attachments::reject(tx, id))?;
    Ok(shapes::RejectTransitGatewayVpcAttachmentResult { transit_gateway_vpc_attachment: Some(shape) })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteTransitGatewayVpcAttachmentRequest,
) -> Result<shapes::DeleteTransitGatewayVpcAttachmentResult, ApiError> {
    let id = required(&request.transit_gateway_attachment_id)?;
    let shape = changed(ctx, id, "deleting", |tx| vpc_attachments::delete(tx, id))?;
    Ok(shapes::DeleteTransitGatewayVpcAttachmentResult { transit_gateway_vpc_attachment: Some(shape) })
}

pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTransitGatewayVpcAttachmentsRequest,
) -> Result<shapes::DescribeTransitGatewayVpcAttachmentsResult, ApiError> {
    let network = ctx.network()?;
    let picked = pick(ctx, &network, &request.transit_gateway_attachment_ids, |attachment| attachment.vpc().is_some())?;
    let items = picked.iter().map(|a| shape(a, ctx.owner(), state_name(a.state))).collect();
    let items = filters::select(items, &request.filters, &FIELDS)?;
    let (transit_gateway_vpc_attachments, next_token) =
        page::cut(&request, !request.transit_gateway_attachment_ids.is_empty(), items, |item| {
            item.transit_gateway_attachment_id.as_deref()
        })?;
    Ok(shapes::DescribeTransitGatewayVpcAttachmentsResult { transit_gateway_vpc_attachments, next_token })
}

static FIELDS: Fields<shapes::TransitGatewayVpcAttachment> = Fields {
    tags: Some(|item| &item.tags),
    fields: &[
        ("state", |item, m| m.offer(&item.state)),
        ("transit-gateway-attachment-id", |item, m| m.offer(&item.transit_gateway_attachment_id)),
        ("transit-gateway-id", |item, m| m.offer(&item.transit_gateway_id)),
        ("vpc-id", |item, m| m.offer(&item.vpc_id)),
    ],
};

fn changed(
    ctx: &Ctx<'_>,
    id: TransitGatewayAttachmentId,
    state: &str,
    change: impl FnOnce(&mut Tx<'_>) -> Result<(), ControlError>,
) -> Result<shapes::TransitGatewayVpcAttachment, ApiError> {
    let attachment = ctx.mutate(|tx| {
        change(tx)?;
        get(tx, id)
    })?;
    Ok(shape(&attachment, ctx.owner(), state))
}

fn shape(attachment: &TransitGatewayAttachment, viewer: &Owner, state: &str) -> shapes::TransitGatewayVpcAttachment {
    let mut shape = shapes::TransitGatewayVpcAttachment {
        transit_gateway_attachment_id: Some(attachment.id.to_string()),
        transit_gateway_id: Some(attachment.transit_gateway.to_string()),
        vpc_owner_id: Some(attachment.owner.account.to_string()),
        state: Some(state.to_owned()),
        creation_time: Some(attachment.created_at),
        tags: tags(attachment, viewer),
        ..shapes::TransitGatewayVpcAttachment::default()
    };
    if let Some(attached) = attachment.vpc() {
        shape.vpc_id = Some(attached.vpc.to_string());
        shape.subnet_ids = attached.subnets.iter().map(|(subnet, _)| subnet.to_string()).collect();
        shape.options = Some(shapes::TransitGatewayVpcAttachmentOptions {
            dns_support: word(attached.options.dns_support),
            security_group_referencing_support: word(attached.options.security_group_referencing_support),
            ipv6_support: word(attached.options.ipv6_support),
            appliance_mode_support: word(attached.options.appliance_mode_support),
        });
    }
    shape
}

pub(super) fn required(id: &Option<String>) -> Result<TransitGatewayAttachmentId, ApiError> {
    ids::parse_required(id, "TransitGatewayAttachmentId")
}

/// The attachment as a change left it, whoever of the two owners made it.
pub(super) fn get(tx: &Tx<'_>, id: TransitGatewayAttachmentId) -> Result<TransitGatewayAttachment, ControlError> {
    let found = tx.network().get::<TransitGatewayAttachment>(&id);
    found.map(|a| TransitGatewayAttachment::clone(a)).ok_or_else(|| TransitGatewayAttachment::missing(&id))
}
