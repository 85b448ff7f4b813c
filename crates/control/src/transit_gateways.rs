//! Transit gateways: their life and options here, then [`attachments`], [`tables`] and [`routes`]. See the Transit Gateways
//! guide.
//!
//! Something else that attaches to a gateway (a VPN connection, a Direct Connect gateway, a Client VPN endpoint) does so by
//! [`attachments::attach`], tells by [`attachments::announce`] which blocks it propagates, and leaves by
//! [`attachments::detach`].
//!
//! There is no Resource Access Manager. Any account of the region may name a gateway by its id, and attach a VPC to it,
//! which then waits for the gateway's owner unless `AutoAcceptSharedAttachments` is on.

pub mod attachments;
pub mod peering_attachments;
pub mod routes;
pub mod tables;
pub mod vpc_attachments;

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::transit_gateway::{AttachedResource, TRANSIT_GATEWAY_SHOWN_AFTER_END_MS, TransitGatewayOptions};
use openvpc_model::{
    Network, Owner, RouteTable, RouteTarget, Tags, TransitGateway, TransitGatewayAttachment, TransitGatewayId,
    TransitGatewayRouteTable, TransitGatewayRouteTableId, UnixMillis, VpcId,
};

use crate::retention::is_over;
use crate::{ControlError, Missing, Tx};

/// The private autonomous system numbers that a gateway may have.
const PRIVATE_ASNS: [std::ops::RangeInclusive<u32>; 2] = [64_512..=65_534, 4_200_000_000..=4_294_967_294];

/// Options of CreateTransitGateway and ModifyTransitGateway; none leaves one at its default, or as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub struct Options {
    pub amazon_side_asn: Option<i64>,
    pub add_blocks: Vec<IpNet>,
    pub remove_blocks: Vec<IpNet>,
    pub auto_accept_shared_attachments: Option<bool>,
    pub default_route_table_association: Option<bool>,
    pub association_default_table: Option<TransitGatewayRouteTableId>,
    pub default_route_table_propagation: Option<bool>,
    pub propagation_default_table: Option<TransitGatewayRouteTableId>,
    pub vpn_ecmp_support: Option<bool>,
    pub dns_support: Option<bool>,
    pub security_group_referencing_support: Option<bool>,
    pub multicast_support: Option<bool>,
    pub encryption_support: Option<bool>,
}

/// Makes a gateway, with a route table when new attachments are to be associated with one or to propagate to one.
///
/// # Errors
/// `InvalidParameterValue` for an autonomous system number or a block, `TransitGatewayLimitExceeded`.
pub fn create(tx: &mut Tx, description: Option<String>, options: &Options, tags: Tags) -> Result<TransitGatewayId, ControlError> {
    let limit = tx.quotas().transit_gateways;
    if tx.owned::<TransitGateway>().filter(|gateway| gateway.deleted_at.is_none()).count() >= limit {
        let message = format!("The maximum number of transit gateways has been reached: {limit}");
        return Err(ControlError::new("TransitGatewayLimitExceeded", message));
    }
    let id: TransitGatewayId = tx.new_id();
    let associates = options.default_route_table_association.unwrap_or(true);
    let propagates = options.default_route_table_propagation.unwrap_or(true);
    let table = (associates || propagates).then(|| tables::make(tx, id, Tags::new()));
    let gateway = TransitGateway {
        id,
        owner: tx.owner().clone(),
        description,
        options: TransitGatewayOptions {
            amazon_side_asn: options.amazon_side_asn.map_or(Ok(64_512), checked_asn)?,
            blocks: changed_blocks(tx, &[], options)?,
            auto_accept_shared_attachments: options.auto_accept_shared_attachments.unwrap_or(false),
            association_default_table: table.filter(|_| associates),
            propagation_default_table: table.filter(|_| propagates),
            vpn_ecmp_support: options.vpn_ecmp_support.unwrap_or(true),
            dns_support: options.dns_support.unwrap_or(true),
            security_group_referencing_support: options.security_group_referencing_support.unwrap_or(false),
            multicast_support: options.multicast_support.unwrap_or(false),
            encryption_support: options.encryption_support.unwrap_or(false),
        },
        created_at: tx.now(),
        deleted_at: None,
        tags,
    };
    tx.put(gateway);
    Ok(id)
}

/// Changes description and options. They hold for attachments made afterwards.
///
/// # Errors
/// `InvalidParameterValue`, `InvalidParameterCombination` when a default table and the option to use it don't go together,
/// `InvalidRouteTableID.NotFound`, `IncorrectState` for another number while something speaks BGP with the gateway.
pub fn modify(tx: &mut Tx, id: TransitGatewayId, description: Option<String>, options: &Options) -> Result<(), ControlError> {
    let mut gateway = TransitGateway::clone(&*owned(tx, id)?);
    let present = &mut gateway.options;
    if let Some(asn) = options.amazon_side_asn {
        let asn = checked_asn(asn)?;
        let speaks =
            |a: &&Arc<TransitGatewayAttachment>| !matches!(a.resource, AttachedResource::Vpc(_) | AttachedResource::Peering(_));
        if asn != present.amazon_side_asn
            && let Some(attachment) = attachments::living_on(tx.network(), id).find(speaks)
        {
            let message = format!("The ASN of {id} can't be modified while it has the attachment {}", attachment.id);
            return Err(ControlError::new("IncorrectState", message));
        }
        present.amazon_side_asn = asn;
    }
    present.blocks = changed_blocks(tx, &present.blocks, options)?;
    present.association_default_table = default_table(
        tx,
        id,
        "Association",
        present.association_default_table,
        options.default_route_table_association,
        options.association_default_table,
    )?;
    present.propagation_default_table = default_table(
        tx,
        id,
        "Propagation",
        present.propagation_default_table,
        options.default_route_table_propagation,
        options.propagation_default_table,
    )?;
    for (asked, option) in [
        (options.auto_accept_shared_attachments, &mut present.auto_accept_shared_attachments),
        (options.vpn_ecmp_support, &mut present.vpn_ecmp_support),
        (options.dns_support, &mut present.dns_support),
        (options.security_group_referencing_support, &mut present.security_group_referencing_support),
        (options.encryption_support, &mut present.encryption_support),
    ] {
        *option = asked.unwrap_or(*option);
    }
    gateway.description = description.or(gateway.description);
    tx.put(gateway);
    Ok(())
}

/// Deletes a gateway that nothing is attached to, with its route tables.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound`, `IncorrectState` while something is attached.
pub fn delete(tx: &mut Tx, id: TransitGatewayId) -> Result<(), ControlError> {
    owned(tx, id)?;
    if let Some(first) = attachments::living_on(tx.network(), id).next() {
        let kind = match first.resource {
            AttachedResource::Vpc(_) => "VPC",
            AttachedResource::Vpn(_) => "VPN",
            AttachedResource::Peering(_) => "Transit Gateway Cross Region Peering",
            AttachedResource::DirectConnectGateway(_) => "DirectConnect Gateway",
            AttachedResource::ClientVpn(_) => "Client VPN",
            AttachedResource::Connect { .. } => "Connect",
        };
        let same = attachments::living_on(tx.network(), id).filter(|a| a.resource.kind() == first.resource.kind());
        let ids: Vec<String> = same.map(|attachment| attachment.id.to_string()).collect();
        let message = format!("{id} has non-deleted {kind} Attachments: {}.", ids.join(", "));
        return Err(ControlError::new("IncorrectState", message));
    }
    let now = tx.now();
    let tables: Vec<TransitGatewayRouteTableId> = tables::living_of(tx.network(), id).map(|table| table.id).collect();
    for table in tables {
        tx.update::<TransitGatewayRouteTable, _>(&table, |table| table.deleted_at = Some(now))?;
    }
    tx.update::<TransitGateway, _>(&id, |gateway| gateway.deleted_at = Some(now))
}

/// The gateways that an account sees in a region without naming them: its own, and those it is attached to.
pub fn visible<'a>(network: &'a Network, viewer: &'a Owner, now: UnixMillis) -> impl Iterator<Item = &'a Arc<TransitGateway>> {
    let is_mine = move |gateway: &TransitGateway| {
        let mut mine = network.owned::<TransitGatewayAttachment>(viewer);
        gateway.owner == *viewer || mine.any(|attachment| attachment.transit_gateway == gateway.id)
    };
    network.all::<TransitGateway>().filter(move |gateway| is_shown(gateway, now) && is_mine(gateway))
}

/// A gateway that an account sees when it names it: any of its region.
pub fn named<'a>(network: &'a Network, viewer: &Owner, id: TransitGatewayId, now: UnixMillis) -> Option<&'a Arc<TransitGateway>> {
    network.get::<TransitGateway>(&id).filter(|gateway| gateway.owner.region == viewer.region && is_shown(gateway, now))
}

/// The target of a route to a gateway that the table's VPC is attached to.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound`, also for a gateway that the VPC isn't attached to.
pub(crate) fn route_target(tx: &Tx, table: &RouteTable, id: TransitGatewayId) -> Result<RouteTarget, ControlError> {
    if tx.network().transit_gateway_attachment_of(id, table.vpc).is_none() {
        let message = format!("The transitGateway ID '{id}' does not exist");
        return Err(ControlError::new("InvalidTransitGatewayID.NotFound", message));
    }
    Ok(RouteTarget::TransitGateway(id))
}

/// A gateway over which rules of one VPC may name groups of the other: it and both attachments must allow it.
pub fn referencing(network: &Network, one: VpcId, other: VpcId) -> Option<TransitGatewayId> {
    let allows = |gateway: TransitGatewayId, vpc: VpcId| {
        let attachment = network.transit_gateway_attachment_of(gateway, vpc).filter(|a| a.is_available());
        attachment.and_then(|a| a.vpc()).is_some_and(|attached| attached.options.security_group_referencing_support)
    };
    let gateways = network.all::<TransitGateway>();
    let mut willing = gateways.filter(|g| g.deleted_at.is_none() && g.options.security_group_referencing_support);
    willing.find(|gateway| allows(gateway.id, one) && allows(gateway.id, other)).map(|gateway| gateway.id)
}

/// Forgets what nobody sees any more.
pub(crate) fn prune(tx: &mut Tx) {
    let (network, now) = (tx.network(), tx.now());
    let over = |ended_at| is_over(ended_at, TRANSIT_GATEWAY_SHOWN_AFTER_END_MS, now);
    let gateways: Vec<_> = network.all::<TransitGateway>().filter(|g| over(g.deleted_at)).map(|g| g.id).collect();
    let attachments: Vec<_> = network.all::<TransitGatewayAttachment>().filter(|a| over(a.ended_at)).map(|a| a.id).collect();
    let tables: Vec<_> = network.all::<TransitGatewayRouteTable>().filter(|t| over(t.deleted_at)).map(|t| t.id).collect();
    gateways.iter().for_each(|id| tx.remove::<TransitGateway>(id));
    attachments.iter().for_each(|id| tx.remove::<TransitGatewayAttachment>(id));
    tables.iter().for_each(|id| tx.remove::<TransitGatewayRouteTable>(id));
}

/// Whether a gateway is still shown.
fn is_shown(gateway: &TransitGateway, now: UnixMillis) -> bool {
    !is_over(gateway.deleted_at, TRANSIT_GATEWAY_SHOWN_AFTER_END_MS, now)
}

/// A gateway of the caller that isn't deleted.
fn owned(tx: &Tx, id: TransitGatewayId) -> Result<Arc<TransitGateway>, ControlError> {
    let found = tx.find::<TransitGateway>(&id).ok().filter(|gateway| gateway.deleted_at.is_none());
    found.ok_or_else(|| TransitGateway::missing(&id))
}

/// A gateway of the caller's region, whoever owns it, that isn't deleted.
fn of_region(tx: &Tx, id: TransitGatewayId) -> Result<Arc<TransitGateway>, ControlError> {
    let found = named(tx.network(), tx.owner(), id, tx.now()).filter(|gateway| gateway.deleted_at.is_none());
    found.cloned().ok_or_else(|| TransitGateway::missing(&id))
}

fn checked_asn(asn: i64) -> Result<u32, ControlError> {
    let number = u32::try_from(asn).ok().filter(|asn| PRIVATE_ASNS.iter().any(|range| range.contains(asn)));
    number.ok_or_else(|| {
        ControlError::invalid_value(format!(
            "Value ({asn}) for parameter AmazonSideAsn is invalid. Use 64512 to 65534 or 4200000000 to 4294967294."
        ))
    })
}

/// The blocks after those to remove went and those to add came.
fn changed_blocks(tx: &Tx, present: &[IpNet], options: &Options) -> Result<Vec<IpNet>, ControlError> {
    let mut blocks = present.to_vec();
    for block in options.remove_blocks.iter().map(IpNet::trunc) {
        let at = blocks
            .iter()
            .position(|present| *present == block)
            .ok_or_else(|| ControlError::invalid_value(format!("The transit gateway has no CIDR block {block}")))?;
        blocks.remove(at);
    }
    for block in options.add_blocks.iter().map(IpNet::trunc) {
        let longest = if block.addr().is_ipv4() { 24 } else { 64 };
        let link_local = IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(169, 254, 0, 0), 16));
        if block.prefix_len() > longest || link_local.contains(&block) {
            return Err(ControlError::invalid_value(format!(
                "The transit gateway CIDR block {block} is invalid: use /24 or larger of IPv4, but not of 169.254.0.0/16, or /64 or larger of IPv6"
            )));
        }
        if let Some(other) = blocks.iter().find(|other| other.contains(&block) || block.contains(*other)) {
            return Err(ControlError::invalid_value(format!("The transit gateway CIDR block {block} overlaps {other}")));
        }
        blocks.push(block);
    }
    let limit = tx.quotas().blocks_per_transit_gateway;
    if blocks.len() > limit {
        let message = format!("The maximum number of CIDR blocks of a transit gateway has been reached: {limit}");
        return Err(ControlError::new("TransitGatewayCidrBlockLimitExceeded", message));
    }
    Ok(blocks)
}

/// The default table after a change: the option and the table's id are given together or not at all.
fn default_table(
    tx: &Tx,
    gateway: TransitGatewayId,
    kind: &str,
    present: Option<TransitGatewayRouteTableId>,
    enable: Option<bool>,
    table: Option<TransitGatewayRouteTableId>,
) -> Result<Option<TransitGatewayRouteTableId>, ControlError> {
    let enabled = enable.unwrap_or(present.is_some());
    let conflicts = if enabled { enable.is_some() && table.is_none() } else { table.is_some() };
    if conflicts {
        let (word, table) =
            (if enabled { "enable" } else { "disable" }, table.map_or("null".to_owned(), |table| table.to_string()));
        return Err(ControlError::invalid_combination(format!(
            "{word} DefaultRouteTable{kind} conflicts with {kind}DefaultRouteTableId {table}"
        )));
    }
    let Some(table) = table else { return Ok(present.filter(|_| enabled)) };
    if tables::living(tx, table)?.transit_gateway != gateway {
        return Err(ControlError::invalid_value(format!("The route table {table} is of another transit gateway than {gateway}")));
    }
    Ok(Some(table))
}
