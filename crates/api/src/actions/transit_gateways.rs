//! Transit gateways, their attachments and route tables: the API side.

mod attachments;
mod peering_attachments;
mod prefix_lists;
mod routes;
mod tables;
mod vpc_attachments;

use ipnet::IpNet;
use openvpc_control::Missing;
use openvpc_control::transit_gateways::{self, Options};
use openvpc_model::{TransitGateway, TransitGatewayId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AcceptTransitGatewayPeeringAttachment, peering_attachments::accept),
    action!(AcceptTransitGatewayVpcAttachment, vpc_attachments::accept),
    action!(AssociateTransitGatewayRouteTable, tables::associate),
    action!(CreateTransitGateway, create),
    action!(CreateTransitGatewayPeeringAttachment, peering_attachments::create),
    action!(CreateTransitGatewayPrefixListReference, prefix_lists::create),
    action!(CreateTransitGatewayRoute, routes::create),
    action!(CreateTransitGatewayRouteTable, tables::create),
    action!(CreateTransitGatewayVpcAttachment, vpc_attachments::create),
    action!(DeleteTransitGateway, delete),
    action!(DeleteTransitGatewayPeeringAttachment, peering_attachments::delete),
    action!(DeleteTransitGatewayPrefixListReference, prefix_lists::delete),
    action!(DeleteTransitGatewayRoute, routes::delete),
    action!(DeleteTransitGatewayRouteTable, tables::delete),
    action!(DeleteTransitGatewayVpcAttachment, vpc_attachments::delete),
    action!(DescribeTransitGatewayAttachments, attachments::describe),
    action!(DescribeTransitGatewayPeeringAttachments, peering_attachments::describe),
    action!(DescribeTransitGatewayRouteTables, tables::describe),
    action!(DescribeTransitGatewayVpcAttachments, vpc_attachments::describe),
    action!(DescribeTransitGateways, describe),
    action!(DisableTransitGatewayRouteTablePropagation, tables::disable_propagation),
    action!(DisassociateTransitGatewayRouteTable, tables::disassociate),
    action!(EnableTransitGatewayRouteTablePropagation, tables::enable_propagation),
    action!(GetTransitGatewayAttachmentPropagations, attachments::propagations),
    action!(GetTransitGatewayPrefixListReferences, prefix_lists::get),
    action!(GetTransitGatewayRouteTableAssociations, tables::associations),
    action!(GetTransitGatewayRouteTablePropagations, tables::propagations),
    action!(ModifyTransitGateway, modify),
    action!(ModifyTransitGatewayPrefixListReference, prefix_lists::modify),
    action!(ModifyTransitGatewayVpcAttachment, vpc_attachments::modify),
    action!(RejectTransitGatewayPeeringAttachment, peering_attachments::reject),
    action!(RejectTransitGatewayVpcAttachment, vpc_attachments::reject),
    action!(ReplaceTransitGatewayRoute, routes::replace),
    action!(SearchTransitGatewayRoutes, routes::search),
];

fn create(ctx: &Ctx<'_>, request: shapes::CreateTransitGatewayRequest) -> Result<shapes::CreateTransitGatewayResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "transit-gateway")?;
    let asked = request.options.unwrap_or_default();
    let options = Options {
        amazon_side_asn: asked.amazon_side_asn,
        add_blocks: blocks(&asked.transit_gateway_cidr_blocks)?,
        auto_accept_shared_attachments: switch(&asked.auto_accept_shared_attachments, "AutoAcceptSharedAttachments")?,
        default_route_table_association: switch(&asked.default_route_table_association, "DefaultRouteTableAssociation")?,
        default_route_table_propagation: switch(&asked.default_route_table_propagation, "DefaultRouteTablePropagation")?,
        vpn_ecmp_support: switch(&asked.vpn_ecmp_support, "VpnEcmpSupport")?,
        dns_support: switch(&asked.dns_support, "DnsSupport")?,
        security_group_referencing_support: switch(&asked.security_group_referencing_support, "SecurityGroupReferencingSupport")?,
        multicast_support: switch(&asked.multicast_support, "MulticastSupport")?,
        ..Options::default()
    };
    let gateway = ctx.mutate(|tx| {
        let id = transit_gateways::create(tx, request.description, &options, tags)?;
        tx.find::<TransitGateway>(&id)
    })?;
    Ok(shapes::CreateTransitGatewayResult { transit_gateway: Some(shape(&gateway, "pending")) })
}

fn modify(ctx: &Ctx<'_>, request: shapes::ModifyTransitGatewayRequest) -> Result<shapes::ModifyTransitGatewayResult, ApiError> {
    let id: TransitGatewayId = ids::parse_required(&request.transit_gateway_id, "TransitGatewayId")?;
    let asked = request.options.unwrap_or_default();
    let options = Options {
        amazon_side_asn: asked.amazon_side_asn,
        add_blocks: blocks(&asked.add_transit_gateway_cidr_blocks)?,
        remove_blocks: blocks(&asked.remove_transit_gateway_cidr_blocks)?,
        auto_accept_shared_attachments: switch(&asked.auto_accept_shared_attachments, "AutoAcceptSharedAttachments")?,
        default_route_table_association: switch(&asked.default_route_table_association, "DefaultRouteTableAssociation")?,
        association_default_table: ids::parse_opt(&asked.association_default_route_table_id)?,
        default_route_table_propagation: switch(&asked.default_route_table_propagation, "DefaultRouteTablePropagation")?,
        propagation_default_table: ids::parse_opt(&asked.propagation_default_route_table_id)?,
        vpn_ecmp_support: switch(&asked.vpn_ecmp_support, "VpnEcmpSupport")?,
        dns_support: switch(&asked.dns_support, "DnsSupport")?,
        security_group_referencing_support: switch(&asked.security_group_referencing_support, "SecurityGroupReferencingSupport")?,
        multicast_support: None,
        encryption_support: switch(&asked.encryption_support, "EncryptionSupport")?,
    };
    let gateway = ctx.mutate(|tx| {
        transit_gateways::modify(tx, id, request.description, &options)?;
        tx.find::<TransitGateway>(&id)
    })?;
    Ok(shapes::ModifyTransitGatewayResult { transit_gateway: Some(shape(&gateway, "modifying")) })
}

fn delete(ctx: &Ctx<'_>, request: shapes::DeleteTransitGatewayRequest) -> Result<shapes::DeleteTransitGatewayResult, ApiError> {
    let id: TransitGatewayId = ids::parse_required(&request.transit_gateway_id, "TransitGatewayId")?;
    let gateway = ctx.mutate(|tx| {
        transit_gateways::delete(tx, id)?;
        tx.find::<TransitGateway>(&id)
    })?;
    Ok(shapes::DeleteTransitGatewayResult { transit_gateway: Some(shape(&gateway, "deleting")) })
}

fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeTransitGatewaysRequest,
) -> Result<shapes::DescribeTransitGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let now = ctx.control().now();
    let wanted: Vec<TransitGatewayId> = sorted(&request.transit_gateway_ids)?;
    let named = |id: &TransitGatewayId| {
        transit_gateways::named(&network, ctx.owner(), *id, now).ok_or_else(|| TransitGateway::missing(id).into())
    };
    let gateways: Vec<_> = match wanted.as_slice() {
        [] => transit_gateways::visible(&network, ctx.owner(), now).collect(),
        wanted => wanted.iter().map(named).collect::<Result<_, ApiError>>()?,
    };
    let state = |gateway: &TransitGateway| if gateway.deleted_at.is_some() { "deleted" } else { "available" };
    // Another account's tags are its own.
    let seen = |gateway: &TransitGateway| {
        let mut item = shape(gateway, state(gateway));
        if gateway.owner != *ctx.owner() {
            item.tags.clear();
        }
        item
    };
    let items = gateways.into_iter().map(|gateway| seen(gateway)).collect();
    let items = filters::select(items, &request.filters, &FIELDS)?;
    let (transit_gateways, next_token) =
        page::cut(&request, !wanted.is_empty(), items, |item| item.transit_gateway_id.as_deref())?;
    Ok(shapes::DescribeTransitGatewaysResult { transit_gateways, next_token })
}

/// Offers one of the options of a gateway.
macro_rules! option {
    ($field:ident) => {
        |item, m| m.offer(&item.options.as_ref().map(|options| &options.$field))
    };
}

static FIELDS: Fields<shapes::TransitGateway> = Fields {
    tags: Some(|item| &item.tags),
    fields: &[
        ("options.amazon-side-asn", option!(amazon_side_asn)),
        ("options.association-default-route-table-id", option!(association_default_route_table_id)),
        ("options.auto-accept-shared-attachments", option!(auto_accept_shared_attachments)),
        ("options.default-route-table-association", option!(default_route_table_association)),
        ("options.default-route-table-propagation", option!(default_route_table_propagation)),
        ("options.dns-support", option!(dns_support)),
        ("options.propagation-default-route-table-id", option!(propagation_default_route_table_id)),
        ("options.vpn-ecmp-support", option!(vpn_ecmp_support)),
        ("owner-id", |item, m| m.offer(&item.owner_id)),
        ("state", |item, m| m.offer(&item.state)),
        ("transit-gateway-id", |item, m| m.offer(&item.transit_gateway_id)),
    ],
};

fn shape(gateway: &TransitGateway, state: &str) -> shapes::TransitGateway {
    let options = &gateway.options;
    shapes::TransitGateway {
        transit_gateway_id: Some(gateway.id.to_string()),
        transit_gateway_arn: Some(gateway.owner.ec2_arn("transit-gateway", gateway.id)),
        state: Some(state.to_owned()),
        owner_id: Some(gateway.owner.account.to_string()),
        description: gateway.description.clone(),
        creation_time: Some(gateway.created_at),
        options: Some(shapes::TransitGatewayOptions {
            amazon_side_asn: Some(i64::from(options.amazon_side_asn)),
            transit_gateway_cidr_blocks: options.blocks.iter().map(ToString::to_string).collect(),
            auto_accept_shared_attachments: word(options.auto_accept_shared_attachments),
            default_route_table_association: word(options.association_default_table.is_some()),
            association_default_route_table_id: options.association_default_table.map(|id| id.to_string()),
            default_route_table_propagation: word(options.propagation_default_table.is_some()),
            propagation_default_route_table_id: options.propagation_default_table.map(|id| id.to_string()),
            vpn_ecmp_support: word(options.vpn_ecmp_support),
            dns_support: word(options.dns_support),
            security_group_referencing_support: word(options.security_group_referencing_support),
            multicast_support: word(options.multicast_support),
            encryption_support: Some(shapes::EncryptionSupport {
                encryption_state: Some(if options.encryption_support { "enabled" } else { "disabled" }.to_owned()),
                state_message: None,
            }),
        }),
        tags: tagging::shapes(&gateway.tags),
    }
}

/// An option as AWS words it.
#[expect(clippy::unnecessary_wraps, reason = "the members that take it are options")]
fn word(on: bool) -> Option<String> {
    Some(if on { "enable" } else { "disable" }.to_owned())
}

/// Reads an option.
fn switch(text: &Option<String>, parameter: &str) -> Result<Option<bool>, ApiError> {
    match text.as_deref() {
        None => Ok(None),
        Some("enable") => Ok(Some(true)),
        Some("disable") => Ok(Some(false)),
        Some(other) => {
            Err(ApiError::invalid_value(format!("Value ({other}) for parameter {parameter} is invalid. Use enable or disable.")))
        }
    }
}

fn blocks(texts: &[String]) -> Result<Vec<IpNet>, ApiError> {
    texts.iter().map(|text| block(text, "TransitGatewayCidrBlocks")).collect()
}

fn block(text: &str, parameter: &str) -> Result<IpNet, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid_value(format!("Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."))
    })
}

/// The ids that a request names, each once.
fn sorted<I: openvpc_model::Id>(texts: &[String]) -> Result<Vec<I>, ApiError> {
    let mut ids: Vec<I> = ids::parse_all(texts)?;
    ids.sort();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests;
