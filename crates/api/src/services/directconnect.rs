//! Direct Connect: the API side. Connections and groups here; [`interfaces`], [`gateways`] and [`catalogue`] beside.

mod catalogue;
mod gateways;
mod interfaces;
mod view;

use std::fmt::Display;
use std::str::FromStr;

use openvpc_control::direct_connect::connections::{self, AllocateHosted, CreateConnection};
use openvpc_control::direct_connect::lags::{self, CreateLag, UpdateLag};
use openvpc_control::direct_connect::tags;
use openvpc_model::direct_connect::{EncryptionMode, Port};
use openvpc_model::{DirectConnectConnection, DirectConnectConnectionId, Lag, LagId, Tags};

use super::prelude::*;
use crate::generated::directconnect::shapes;
use view::{connection_shape, lag_shape};

/// The operations of this service.
pub const ACTIONS: &[JsonAction] = &[
    json_action!(directconnect::AcceptDirectConnectGatewayAssociationProposal, gateways::accept_proposal),
    json_action!(directconnect::AllocateHostedConnection, allocate_hosted_connection),
    json_action!(directconnect::AllocatePrivateVirtualInterface, interfaces::allocate_private),
    json_action!(directconnect::AllocatePublicVirtualInterface, interfaces::allocate_public),
    json_action!(directconnect::AllocateTransitVirtualInterface, interfaces::allocate_transit),
    json_action!(directconnect::AssociateConnectionWithLag, associate_connection_with_lag),
    json_action!(directconnect::AssociateHostedConnection, associate_hosted_connection),
    json_action!(directconnect::AssociateVirtualInterface, interfaces::associate),
    json_action!(directconnect::ConfirmConnection, confirm_connection),
    json_action!(directconnect::ConfirmPrivateVirtualInterface, interfaces::confirm_private),
    json_action!(directconnect::ConfirmPublicVirtualInterface, interfaces::confirm_public),
    json_action!(directconnect::ConfirmTransitVirtualInterface, interfaces::confirm_transit),
    json_action!(directconnect::CreateBGPPeer, interfaces::create_peer),
    json_action!(directconnect::CreateConnection, create_connection),
    json_action!(directconnect::CreateDirectConnectGateway, gateways::create),
    json_action!(directconnect::CreateDirectConnectGatewayAssociation, gateways::create_association),
    json_action!(directconnect::CreateDirectConnectGatewayAssociationProposal, gateways::create_proposal),
    json_action!(directconnect::CreateLag, create_lag),
    json_action!(directconnect::CreatePrivateVirtualInterface, interfaces::create_private),
    json_action!(directconnect::CreatePublicVirtualInterface, interfaces::create_public),
    json_action!(directconnect::CreateTransitVirtualInterface, interfaces::create_transit),
    json_action!(directconnect::DeleteBGPPeer, interfaces::delete_peer),
    json_action!(directconnect::DeleteConnection, delete_connection),
    json_action!(directconnect::DeleteDirectConnectGateway, gateways::delete),
    json_action!(directconnect::DeleteDirectConnectGatewayAssociation, gateways::delete_association),
    json_action!(directconnect::DeleteDirectConnectGatewayAssociationProposal, gateways::delete_proposal),
    json_action!(directconnect::DeleteLag, delete_lag),
    json_action!(directconnect::DeleteVirtualInterface, interfaces::delete),
    json_action!(directconnect::DescribeConnectionLoa, catalogue::describe_connection_loa),
    json_action!(directconnect::DescribeConnections, describe_connections),
    json_action!(directconnect::DescribeCustomerMetadata, catalogue::describe_customer_metadata),
    json_action!(directconnect::DescribeDirectConnectGatewayAssociationProposals, gateways::describe_proposals),
    json_action!(directconnect::DescribeDirectConnectGatewayAssociations, gateways::describe_associations),
    json_action!(directconnect::DescribeDirectConnectGatewayAttachments, gateways::describe_attachments),
    json_action!(directconnect::DescribeDirectConnectGateways, gateways::describe),
    json_action!(directconnect::DescribeHostedConnections, describe_hosted_connections),
    json_action!(directconnect::DescribeInterconnects, catalogue::describe_interconnects),
    json_action!(directconnect::DescribeLags, describe_lags),
    json_action!(directconnect::DescribeLoa, catalogue::describe_loa),
    json_action!(directconnect::DescribeLocations, catalogue::describe_locations),
    json_action!(directconnect::DescribeRouterConfiguration, catalogue::describe_router_configuration),
    json_action!(directconnect::DescribeTags, catalogue::describe_tags),
    json_action!(directconnect::DescribeVirtualGateways, catalogue::describe_virtual_gateways),
    json_action!(directconnect::DescribeVirtualInterfaces, interfaces::describe),
    json_action!(directconnect::DisassociateConnectionFromLag, disassociate_connection_from_lag),
    json_action!(directconnect::ListVirtualInterfaceTestHistory, interfaces::list_tests),
    json_action!(directconnect::StartBgpFailoverTest, interfaces::start_test),
    json_action!(directconnect::StopBgpFailoverTest, interfaces::stop_test),
    json_action!(directconnect::TagResource, catalogue::tag_resource),
    json_action!(directconnect::UntagResource, catalogue::untag_resource),
    json_action!(directconnect::UpdateConnection, update_connection),
    json_action!(directconnect::UpdateDirectConnectGateway, gateways::update),
    json_action!(directconnect::UpdateDirectConnectGatewayAssociation, gateways::update_association),
    json_action!(directconnect::UpdateLag, update_lag),
    json_action!(directconnect::UpdateVirtualInterfaceAttributes, interfaces::update),
];

fn create_connection(ctx: &Ctx<'_>, request: shapes::CreateConnectionRequest) -> Result<shapes::Connection, ApiError> {
    let request = CreateConnection {
        name: request.connection_name.unwrap_or_default(),
        location: request.location.unwrap_or_default(),
        bandwidth: request.bandwidth.unwrap_or_default(),
        lag: request.lag_id.as_deref().map(lag_id).transpose()?,
        provider: request.provider_name.filter(|name| !name.is_empty()),
        macsec: request.request_mac_sec.unwrap_or_default(),
        tags: new_tags(&request.tags)?,
    };
    let connection = ctx.mutate(|tx| {
        let id = connections::create(tx, request)?;
        tx.find::<DirectConnectConnection>(&id)
    })?;
    Ok(in_state("pending", connection_shape(&connection)))
}

fn delete_connection(ctx: &Ctx<'_>, request: shapes::DeleteConnectionRequest) -> Result<shapes::Connection, ApiError> {
    let id = connection_id(required(&request.connection_id)?)?;
    let connection = ctx.mutate(|tx| connections::delete(tx, id))?;
    Ok(in_state("deleting", connection_shape(&connection)))
}

fn update_connection(ctx: &Ctx<'_>, request: shapes::UpdateConnectionRequest) -> Result<shapes::Connection, ApiError> {
    let id = connection_id(required(&request.connection_id)?)?;
    let encryption = encryption(&request.encryption_mode)?;
    let connection = ctx.mutate(|tx| {
        connections::update(tx, id, request.connection_name, encryption)?;
        tx.find::<DirectConnectConnection>(&id)
    })?;
    Ok(connection_shape(&connection))
}

fn describe_connections(ctx: &Ctx<'_>, request: shapes::DescribeConnectionsRequest) -> Result<shapes::Connections, ApiError> {
    let network = ctx.network()?;
    let wanted = request.connection_id.as_deref().map(connection_id).transpose()?;
    let found: Vec<_> = network
        .owned::<DirectConnectConnection>(ctx.owner())
        .filter(|connection| wanted.is_none_or(|id| id == connection.id))
        .map(|connection| connection_shape(connection))
        .collect();
    if let (Some(id), []) = (wanted, &found[..]) {
        return Err(missing_connection(&id));
    }
    let (connections, next_token) = cut(found, request.max_results, &request.next_token)?;
    Ok(shapes::Connections { connections, next_token })
}

fn confirm_connection(
    ctx: &Ctx<'_>,
    request: shapes::ConfirmConnectionRequest,
) -> Result<shapes::ConfirmConnectionResponse, ApiError> {
    let id = connection_id(required(&request.connection_id)?)?;
    ctx.mutate(|tx| connections::confirm(tx, id))?;
    Ok(shapes::ConfirmConnectionResponse { connection_state: Some("pending".to_owned()) })
}

fn allocate_hosted_connection(
    ctx: &Ctx<'_>,
    request: shapes::AllocateHostedConnectionRequest,
) -> Result<shapes::Connection, ApiError> {
    let vlan = request.vlan.unwrap_or_default();
    let request = AllocateHosted {
        parent: port(required(&request.connection_id)?)?,
        account: account(&request.owner_account)?,
        name: request.connection_name.unwrap_or_default(),
        bandwidth: request.bandwidth.unwrap_or_default(),
        vlan: u16::try_from(vlan).map_err(|_| refused(format!("VLAN {vlan} is not valid: use 1 to 4094.")))?,
        tags: new_tags(&request.tags)?,
    };
    let connection = ctx.mutate(|tx| {
        let id = connections::allocate_hosted(tx, request)?;
        // It is another account's, so that the caller wouldn't find it.
        let made = tx.network().get::<DirectConnectConnection>(&id).cloned();
        made.ok_or_else(|| <DirectConnectConnection as openvpc_control::Missing>::missing(&id))
    })?;
    Ok(connection_shape(&connection))
}

fn describe_hosted_connections(
    ctx: &Ctx<'_>,
    request: shapes::DescribeHostedConnectionsRequest,
) -> Result<shapes::Connections, ApiError> {
    let parent = port(required(&request.connection_id)?)?;
    let network = ctx.network()?;
    let (account, region) = (ctx.owner().account, &ctx.owner().region);
    let on_it = |connection: &&std::sync::Arc<DirectConnectConnection>| {
        let host = connection.host.as_ref().filter(|host| host.parent == parent && host.account == account);
        host.is_some() && connection.owner.region == *region
    };
    let found = network.all::<DirectConnectConnection>().filter(on_it).map(|connection| connection_shape(connection)).collect();
    let (connections, next_token) = cut(found, request.max_results, &request.next_token)?;
    Ok(shapes::Connections { connections, next_token })
}

fn associate_hosted_connection(
    ctx: &Ctx<'_>,
    request: shapes::AssociateHostedConnectionRequest,
) -> Result<shapes::Connection, ApiError> {
    let id = connection_id(required(&request.connection_id)?)?;
    let parent = port(required(&request.parent_connection_id)?)?;
    ctx.mutate(|tx| connections::move_hosted(tx, id, parent))?;
    let network = ctx.network()?;
    let moved = network.get::<DirectConnectConnection>(&id).ok_or_else(|| missing_connection(&id))?;
    Ok(connection_shape(moved))
}

fn create_lag(ctx: &Ctx<'_>, request: shapes::CreateLagRequest) -> Result<shapes::Lag, ApiError> {
    let number = request.number_of_connections.unwrap_or_default();
    let request = CreateLag {
        name: request.lag_name.unwrap_or_default(),
        location: request.location.unwrap_or_default(),
        bandwidth: request.connections_bandwidth.unwrap_or_default(),
        connections: usize::try_from(number).map_err(|_| refused(format!("The number of connections {number} is not valid.")))?,
        first: request.connection_id.as_deref().map(connection_id).transpose()?,
        provider: request.provider_name.filter(|name| !name.is_empty()),
        macsec: request.request_mac_sec.unwrap_or_default(),
        tags: new_tags(&request.tags)?,
        connection_tags: new_tags(&request.child_connection_tags)?,
    };
    let lag = ctx.mutate(|tx| {
        let id = lags::create(tx, request)?;
        let lag = tx.find::<Lag>(&id)?;
        Ok(lag_shape(tx.network(), &lag))
    })?;
    let connections = lag.connections.into_iter().map(|connection| in_state("pending", connection)).collect();
    Ok(shapes::Lag { lag_state: Some("pending".to_owned()), connections, ..lag })
}

fn delete_lag(ctx: &Ctx<'_>, request: shapes::DeleteLagRequest) -> Result<shapes::Lag, ApiError> {
    let id = lag_id(required(&request.lag_id)?)?;
    let lag = changed_lag(ctx, id, |tx| lags::delete(tx, id))?;
    Ok(shapes::Lag { lag_state: Some("deleting".to_owned()), ..lag })
}

fn update_lag(ctx: &Ctx<'_>, request: shapes::UpdateLagRequest) -> Result<shapes::Lag, ApiError> {
    let id = lag_id(required(&request.lag_id)?)?;
    let links = |links: i32| u8::try_from(links).map_err(|_| refused(format!("The minimum of {links} links is not valid.")));
    let changes = UpdateLag {
        minimum_links: request.minimum_links.map(links).transpose()?,
        encryption: encryption(&request.encryption_mode)?,
        name: request.lag_name,
    };
    changed_lag(ctx, id, |tx| lags::update(tx, id, changes))
}

fn describe_lags(ctx: &Ctx<'_>, request: shapes::DescribeLagsRequest) -> Result<shapes::Lags, ApiError> {
    let network = ctx.network()?;
    let wanted = request.lag_id.as_deref().map(lag_id).transpose()?;
    let found: Vec<_> = network
        .owned::<Lag>(ctx.owner())
        .filter(|lag| wanted.is_none_or(|id| id == lag.id))
        .map(|lag| lag_shape(&network, lag))
        .collect();
    if let (Some(id), []) = (wanted, &found[..]) {
        return Err(<Lag as openvpc_control::Missing>::missing(&id).into());
    }
    let (lags, next_token) = cut(found, request.max_results, &request.next_token)?;
    Ok(shapes::Lags { lags, next_token })
}

fn associate_connection_with_lag(
    ctx: &Ctx<'_>,
    request: shapes::AssociateConnectionWithLagRequest,
) -> Result<shapes::Connection, ApiError> {
    let (id, lag) = (connection_id(required(&request.connection_id)?)?, lag_id(required(&request.lag_id)?)?);
    let connection = ctx.mutate(|tx| {
        lags::associate(tx, id, lag)?;
        tx.find::<DirectConnectConnection>(&id)
    })?;
    Ok(connection_shape(&connection))
}

fn disassociate_connection_from_lag(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateConnectionFromLagRequest,
) -> Result<shapes::Connection, ApiError> {
    let (id, lag) = (connection_id(required(&request.connection_id)?)?, lag_id(required(&request.lag_id)?)?);
    let connection = ctx.mutate(|tx| {
        lags::disassociate(tx, id, lag)?;
        tx.find::<DirectConnectConnection>(&id)
    })?;
    Ok(connection_shape(&connection))
}

fn changed_lag(
    ctx: &Ctx<'_>,
    id: LagId,
    change: impl FnOnce(&mut openvpc_control::Tx<'_>) -> Result<(), openvpc_control::ControlError>,
) -> Result<shapes::Lag, ApiError> {
    ctx.mutate(|tx| {
        change(tx)?;
        let lag = tx.find::<Lag>(&id)?;
        Ok(lag_shape(tx.network(), &lag))
    })
}

fn in_state(state: &str, connection: shapes::Connection) -> shapes::Connection {
    shapes::Connection { connection_state: Some(state.to_owned()), ..connection }
}

/// The service's one error.
fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new("DirectConnectClientException", message)
}

/// A member that the model wants, as the parser has made sure.
fn required(text: &Option<String>) -> Result<&str, ApiError> {
    text.as_deref().filter(|text| !text.is_empty()).ok_or_else(|| refused("A required parameter is empty."))
}

fn connection_id(text: &str) -> Result<DirectConnectConnectionId, ApiError> {
    text.parse().map_err(|_| missing_connection(&text))
}

fn missing_connection(id: &dyn Display) -> ApiError {
    refused(format!("Could not find Connection with ID {id}"))
}

fn lag_id(text: &str) -> Result<LagId, ApiError> {
    text.parse().map_err(|_| refused(format!("Could not find Lag with ID {text}")))
}

/// Another id, which the error calls `what`.
fn id<I: FromStr>(text: &str, what: &str) -> Result<I, ApiError> {
    text.parse().map_err(|_| refused(format!("{what} {text} does not exist.")))
}

/// A `connectionId` names a connection or a group.
fn port(text: &str) -> Result<Port, ApiError> {
    if text.starts_with("dxlag-") { lag_id(text).map(Port::Lag) } else { connection_id(text).map(Port::Connection) }
}

fn account(text: &Option<String>) -> Result<openvpc_model::AccountId, ApiError> {
    let text = required(text)?;
    text.parse().map_err(|_| refused(format!("{text} is not an AWS account ID.")))
}

fn encryption(mode: &Option<String>) -> Result<Option<EncryptionMode>, ApiError> {
    mode.as_deref().map(|text| text.parse().map_err(|error: String| refused(format!("Encryption mode {error}.")))).transpose()
}

fn new_tags(given: &[shapes::Tag]) -> Result<Tags, ApiError> {
    let mut parsed = Tags::new();
    for tag in given {
        let key = required(&tag.key)?;
        if key.len() > 128 || key.starts_with("aws:") {
            return Err(refused(format!("Tag key {key} is not valid.")));
        }
        if parsed.insert(key.to_owned(), tag.value.clone().unwrap_or_default()).is_some() {
            return Err(ApiError::new("DuplicateTagKeysException", format!("The tag key {key} is given twice.")));
        }
    }
    tags::check(&parsed)?;
    Ok(parsed)
}

/// A page of a list. Tokens are positions: lists change seldom, and what is missed is met the next time.
fn cut<T>(items: Vec<T>, most: Option<i32>, token: &Option<String>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let invalid = || refused("The next token is not valid.");
    let from = match token.as_deref().filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => usize::from_str_radix(token.strip_prefix("dx-").ok_or_else(invalid)?, 16).map_err(|_| invalid())?,
    };
    let most = match most {
        None => usize::MAX,
        Some(most) => {
            usize::try_from(most).ok().filter(|most| *most > 0).ok_or_else(|| refused("maxResults is not valid."))?.min(100)
        }
    };
    let next = from.saturating_add(most);
    let more = next < items.len();
    let page = items.into_iter().skip(from).take(most).collect();
    Ok((page, more.then(|| format!("dx-{next:x}"))))
}

#[cfg(test)]
mod tests;
