//! VPC peering connections: the API side.

use openvpc_control::Missing;
use openvpc_control::peerings::{self, CreatePeering};
use openvpc_model::{AccountId, Owner, Peering, PeeringId, PeeringSide, PeeringState, Region, UnixMillis};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AcceptVpcPeeringConnection, accept),
    action!(CreateVpcPeeringConnection, create),
    action!(DeleteVpcPeeringConnection, delete),
    action!(DescribeVpcPeeringConnections, describe),
    action!(ModifyVpcPeeringConnectionOptions, modify_options),
    action!(RejectVpcPeeringConnection, reject),
];

fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateVpcPeeringConnectionRequest,
) -> Result<shapes::CreateVpcPeeringConnectionResult, ApiError> {
    let asked = CreatePeering {
        vpc: ids::parse_required(&request.vpc_id, "VpcId")?,
        peer_vpc: ids::parse_required(&request.peer_vpc_id, "PeerVpcId")?,
        peer_account: parse_opt::<AccountId>(&request.peer_owner_id, "PeerOwnerId")?,
        peer_region: parse_opt::<Region>(&request.peer_region, "PeerRegion")?,
        tags: tagging::on_create(&request.tag_specifications, "vpc-peering-connection")?,
    };
    let mut shape = ctx.mutate(|tx| {
        let id = peerings::create(tx, asked)?;
        Ok(shape(tx.network(), tx.owner(), &get(tx, id)?, tx.now()))
    })?;
    // A new request is on its way until it is looked at again.
    if shape.status.as_ref().and_then(|status| status.code.as_deref()) == Some("pending-acceptance") {
        let accepter = shape.accepter_vpc_info.as_ref().and_then(|side| side.owner_id.clone()).unwrap_or_default();
        shape.status = Some(status("initiating-request", format!("Initiating Request to {accepter}")));
    }
    Ok(shapes::CreateVpcPeeringConnectionResult { vpc_peering_connection: Some(shape) })
}

fn accept(
    ctx: &Ctx<'_>,
    request: shapes::AcceptVpcPeeringConnectionRequest,
) -> Result<shapes::AcceptVpcPeeringConnectionResult, ApiError> {
    let id: PeeringId = ids::parse_required(&request.vpc_peering_connection_id, "VpcPeeringConnectionId")?;
    let shape = ctx.mutate(|tx| {
        peerings::accept(tx, id)?;
        Ok(shape(tx.network(), tx.owner(), &get(tx, id)?, tx.now()))
    })?;
    Ok(shapes::AcceptVpcPeeringConnectionResult { vpc_peering_connection: Some(shape) })
}

fn reject(
    ctx: &Ctx<'_>,
    request: shapes::RejectVpcPeeringConnectionRequest,
) -> Result<shapes::RejectVpcPeeringConnectionResult, ApiError> {
    let id: PeeringId = ids::parse_required(&request.vpc_peering_connection_id, "VpcPeeringConnectionId")?;
    ctx.mutate(|tx| peerings::reject(tx, id))?;
    Ok(shapes::RejectVpcPeeringConnectionResult { r#return: Some(true) })
}

fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteVpcPeeringConnectionRequest,
) -> Result<shapes::DeleteVpcPeeringConnectionResult, ApiError> {
    let id: PeeringId = ids::parse_required(&request.vpc_peering_connection_id, "VpcPeeringConnectionId")?;
    ctx.mutate(|tx| peerings::delete(tx, id))?;
    Ok(shapes::DeleteVpcPeeringConnectionResult { r#return: Some(true) })
}

fn modify_options(
    ctx: &Ctx<'_>,
    request: shapes::ModifyVpcPeeringConnectionOptionsRequest,
) -> Result<shapes::ModifyVpcPeeringConnectionOptionsResult, ApiError> {
    let id: PeeringId = ids::parse_required(&request.vpc_peering_connection_id, "VpcPeeringConnectionId")?;
    let (requester, accepter) = (request.requester_peering_connection_options, request.accepter_peering_connection_options);
    let network = ctx.network()?;
    if !peerings::visible(&network, ctx.owner(), ctx.control().now()).any(|peering| peering.id == id) {
        return Err(Peering::missing(&id).into());
    }
    if requester.is_none() && accepter.is_none() {
        return Err(ApiError::invalid_combination(
            "At least one of RequesterPeeringConnectionOptions and AccepterPeeringConnectionOptions is needed",
        ));
    }
    // The ClassicLink options are from a network that no longer exists; they stay false.
    let dns = |options: Option<shapes::PeeringConnectionOptionsRequest>| {
        options.map(|options| options.allow_dns_resolution_from_remote_vpc)
    };
    let (requester, accepter) = (dns(requester), dns(accepter));
    let peering = ctx.mutate(|tx| {
        // A side that is named without the option is left as it is, but must be the caller's all the same.
        let present = get(tx, id)?;
        let wanted = |asked: Option<Option<bool>>, side: &PeeringSide| {
            asked.map(|asked| asked.unwrap_or(side.allow_dns_resolution_from_remote))
        };
        peerings::modify_options(tx, id, wanted(requester, &present.requester), wanted(accepter, &present.accepter))?;
        get(tx, id)
    })?;
    let options = |side: &PeeringSide| shapes::PeeringConnectionOptions {
        allow_dns_resolution_from_remote_vpc: Some(side.allow_dns_resolution_from_remote),
        allow_egress_from_local_classic_link_to_remote_vpc: Some(false),
        allow_egress_from_local_vpc_to_remote_classic_link: Some(false),
    };
    Ok(shapes::ModifyVpcPeeringConnectionOptionsResult {
        accepter_peering_connection_options: accepter.map(|_| options(&peering.accepter)),
        requester_peering_connection_options: requester.map(|_| options(&peering.requester)),
    })
}

fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVpcPeeringConnectionsRequest,
) -> Result<shapes::DescribeVpcPeeringConnectionsResult, ApiError> {
    let network = ctx.network()?;
    let now = ctx.control().now();
    let wanted: Vec<PeeringId> = ids::parse_all(&request.vpc_peering_connection_ids)?;
    let visible: Vec<_> = peerings::visible(&network, ctx.owner(), now).collect();
    if let Some(missing) = wanted.iter().find(|id| !visible.iter().any(|peering| peering.id == **id)) {
        return Err(Peering::missing(missing).into());
    }
    let asked = visible.into_iter().filter(|peering| wanted.is_empty() || wanted.contains(&peering.id));
    let items = asked.map(|peering| shape(&network, ctx.owner(), peering, now)).collect();
    let items = filters::select(items, &request.filters, &FIELDS)?;
    let (vpc_peering_connections, next_token) =
        page::cut(&request, !wanted.is_empty(), items, |item| item.vpc_peering_connection_id.as_deref())?;
    Ok(shapes::DescribeVpcPeeringConnectionsResult { vpc_peering_connections, next_token })
}

static FIELDS: Fields<shapes::VpcPeeringConnection> = Fields {
    tags: Some(|item| &item.tags),
    fields: &[
        ("accepter-vpc-info.cidr-block", |item, m| {
            item.accepter_vpc_info.iter().flat_map(|side| &side.cidr_block_set).for_each(|block| m.offer(&block.cidr_block));
        }),
        ("accepter-vpc-info.owner-id", |item, m| m.offer(&item.accepter_vpc_info.as_ref().map(|side| &side.owner_id))),
        ("accepter-vpc-info.vpc-id", |item, m| m.offer(&item.accepter_vpc_info.as_ref().map(|side| &side.vpc_id))),
        ("expiration-time", |item, m| m.offer(&item.expiration_time)),
        ("requester-vpc-info.cidr-block", |item, m| {
            item.requester_vpc_info.iter().flat_map(|side| &side.cidr_block_set).for_each(|block| m.offer(&block.cidr_block));
        }),
        ("requester-vpc-info.owner-id", |item, m| m.offer(&item.requester_vpc_info.as_ref().map(|side| &side.owner_id))),
        ("requester-vpc-info.vpc-id", |item, m| m.offer(&item.requester_vpc_info.as_ref().map(|side| &side.vpc_id))),
        ("status-code", |item, m| m.offer(&item.status.as_ref().map(|status| &status.code))),
        ("status-message", |item, m| m.offer(&item.status.as_ref().map(|status| &status.message))),
        ("vpc-peering-connection-id", |item, m| m.offer(&item.vpc_peering_connection_id)),
    ],
};

fn shape(network: &Network, viewer: &Owner, peering: &Peering, now: UnixMillis) -> shapes::VpcPeeringConnection {
    let state = peering.state(now);
    let is_over = !matches!(state, PeeringState::PendingAcceptance | PeeringState::Active);
    // The requester learns the accepter's addresses when the request is accepted.
    let accepter_known = match state {
        PeeringState::Active | PeeringState::Deleted { .. } => true,
        _ => *viewer == peering.accepter.owner && *viewer != peering.requester.owner,
    };
    let account = peering.accepter.owner.account;
    let message = match &state {
        PeeringState::PendingAcceptance => format!("Pending Acceptance by {account}"),
        PeeringState::Active => "Active".to_owned(),
        PeeringState::Failed { .. } => "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned(),
        PeeringState::Rejected { .. } => format!("Rejected by {account}"),
        PeeringState::Expired { .. } => "Expired".to_owned(),
        PeeringState::Deleted { by, .. } => format!("Deleted by {}", by.account),
    };
    shapes::VpcPeeringConnection {
        vpc_peering_connection_id: Some(peering.id.to_string()),
        requester_vpc_info: Some(side_shape(network, &peering.requester, is_over, true)),
        accepter_vpc_info: Some(side_shape(network, &peering.accepter, is_over, accepter_known)),
        expiration_time: (state == PeeringState::PendingAcceptance).then(|| peering.expires_at()),
        status: Some(status(peerings::code(&state), message)),
        tags: tagging::shapes(peering.tags(viewer).unwrap_or(&openvpc_model::Tags::new())),
    }
}

fn side_shape(network: &Network, side: &PeeringSide, is_over: bool, known: bool) -> shapes::VpcPeeringConnectionVpcInfo {
    let (ipv4, ipv6) = if known { side.blocks(network, is_over) } else { (Vec::new(), Vec::new()) };
    shapes::VpcPeeringConnectionVpcInfo {
        cidr_block: ipv4.first().map(ToString::to_string),
        cidr_block_set: ipv4.iter().map(|block| shapes::CidrBlock { cidr_block: Some(block.to_string()) }).collect(),
        ipv6_cidr_block_set: ipv6
            .iter()
            .map(|block| shapes::Ipv6CidrBlock { ipv6_cidr_block: Some(block.to_string()) })
            .collect(),
        owner_id: Some(side.owner.account.to_string()),
        peering_options: Some(shapes::VpcPeeringConnectionOptionsDescription {
            allow_dns_resolution_from_remote_vpc: Some(side.allow_dns_resolution_from_remote),
            allow_egress_from_local_classic_link_to_remote_vpc: Some(false),
            allow_egress_from_local_vpc_to_remote_classic_link: Some(false),
        }),
        vpc_id: Some(side.vpc.to_string()),
        region: Some(side.owner.region.to_string()),
    }
}

fn status(code: &str, message: impl Into<String>) -> shapes::VpcPeeringConnectionStateReason {
    shapes::VpcPeeringConnectionStateReason { code: Some(code.to_owned()), message: Some(message.into()) }
}

fn get(tx: &openvpc_control::Tx<'_>, id: PeeringId) -> Result<Peering, openvpc_control::ControlError> {
    tx.network().get::<Peering>(&id).map(|peering| Peering::clone(peering)).ok_or_else(|| Peering::missing(&id))
}

fn parse_opt<T: std::str::FromStr<Err = String>>(text: &Option<String>, parameter: &str) -> Result<Option<T>, ApiError> {
    let parse = |text: &str| {
        text.parse::<T>()
            .map_err(|why| ApiError::invalid_value(format!("Value ({text}) for parameter {parameter} is invalid: {why}.")))
    };
    text.as_deref().filter(|text| !text.is_empty()).map(parse).transpose()
}

#[cfg(test)]
mod tests;
