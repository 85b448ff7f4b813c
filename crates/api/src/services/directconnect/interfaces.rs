//! Virtual interfaces, their BGP sessions and failover tests.

use ipnet::IpNet;
use openvpc_control::direct_connect::failover;
use openvpc_control::direct_connect::interfaces::{self, Confirmation, CreateInterface, UpdateInterface};
use openvpc_control::direct_connect::peers::{self, PeerQuery, PeerRequest};
use openvpc_control::{ControlError, Tx};
use openvpc_model::direct_connect::{PrivateTarget, VirtualInterfaceKind};
use openvpc_model::{
    DirectConnectGatewayId, FailoverTest, FailoverTestId, UnixMillis, VirtualInterface, VirtualInterfaceId, VpnGatewayId,
};

use super::view::interface_shape;
use super::*;

pub(super) fn create_private(
    ctx: &Ctx<'_>,
    request: shapes::CreatePrivateVirtualInterfaceRequest,
) -> Result<shapes::VirtualInterface, ApiError> {
    let new = request.new_private_virtual_interface.unwrap_or_default();
    let to = private_target(&new.virtual_gateway_id, &new.direct_connect_gateway_id)?;
    let kind = VirtualInterfaceKind::Private { to, mtu: mtu(new.mtu)?, site_link: new.enable_site_link.unwrap_or_default() };
    let request = CreateInterface {
        port: port(required(&request.connection_id)?)?,
        account: None,
        name: new.virtual_interface_name.unwrap_or_default(),
        vlan: new.vlan.unwrap_or_default(),
        kind,
        peer: peer(new.asn, new.asn_long, &new.auth_key, &new.address_family, &new.amazon_address, &new.customer_address)?,
        tags: new_tags(&new.tags)?,
    };
    create(ctx, request, "pending")
}

pub(super) fn create_public(
    ctx: &Ctx<'_>,
    request: shapes::CreatePublicVirtualInterfaceRequest,
) -> Result<shapes::VirtualInterface, ApiError> {
    let new = request.new_public_virtual_interface.unwrap_or_default();
    let request = CreateInterface {
        port: port(required(&request.connection_id)?)?,
        account: None,
        name: new.virtual_interface_name.unwrap_or_default(),
        vlan: new.vlan.unwrap_or_default(),
        kind: VirtualInterfaceKind::Public { prefixes: prefixes(&new.route_filter_prefixes)? },
        peer: peer(new.asn, new.asn_long, &new.auth_key, &new.address_family, &new.amazon_address, &new.customer_address)?,
        tags: new_tags(&new.tags)?,
    };
    create(ctx, request, "verifying")
}

pub(super) fn create_transit(
    ctx: &Ctx<'_>,
    request: shapes::CreateTransitVirtualInterfaceRequest,
) -> Result<shapes::CreateTransitVirtualInterfaceResult, ApiError> {
    let new = request.new_transit_virtual_interface.unwrap_or_default();
    let to = new.direct_connect_gateway_id.as_deref().map(gateway_id).transpose()?;
    let kind = VirtualInterfaceKind::Transit { to, mtu: mtu(new.mtu)?, site_link: new.enable_site_link.unwrap_or_default() };
    let request = CreateInterface {
        port: port(required(&request.connection_id)?)?,
        account: None,
        name: new.virtual_interface_name.unwrap_or_default(),
        vlan: new.vlan.unwrap_or_default(),
        kind,
        peer: peer(new.asn, new.asn_long, &new.auth_key, &new.address_family, &new.amazon_address, &new.customer_address)?,
        tags: new_tags(&new.tags)?,
    };
    Ok(shapes::CreateTransitVirtualInterfaceResult { virtual_interface: Some(create(ctx, request, "pending")?) })
}

pub(super) fn allocate_private(
    ctx: &Ctx<'_>,
    request: shapes::AllocatePrivateVirtualInterfaceRequest,
) -> Result<shapes::VirtualInterface, ApiError> {
    let new = request.new_private_virtual_interface_allocation.unwrap_or_default();
    let request = CreateInterface {
        port: port(required(&request.connection_id)?)?,
        account: Some(account(&request.owner_account)?),
        name: new.virtual_interface_name.unwrap_or_default(),
        vlan: new.vlan.unwrap_or_default(),
        kind: VirtualInterfaceKind::Private { to: None, mtu: mtu(new.mtu)?, site_link: false },
        peer: peer(new.asn, new.asn_long, &new.auth_key, &new.address_family, &new.amazon_address, &new.customer_address)?,
        tags: new_tags(&new.tags)?,
    };
    create(ctx, request, "confirming")
}

pub(super) fn allocate_public(
    ctx: &Ctx<'_>,
    request: shapes::AllocatePublicVirtualInterfaceRequest,
) -> Result<shapes::VirtualInterface, ApiError> {
    let new = request.new_public_virtual_interface_allocation.unwrap_or_default();
    let request = CreateInterface {
        port: port(required(&request.connection_id)?)?,
        account: Some(account(&request.owner_account)?),
        name: new.virtual_interface_name.unwrap_or_default(),
        vlan: new.vlan.unwrap_or_default(),
        kind: VirtualInterfaceKind::Public { prefixes: prefixes(&new.route_filter_prefixes)? },
        peer: peer(new.asn, new.asn_long, &new.auth_key, &new.address_family, &new.amazon_address, &new.customer_address)?,
        tags: new_tags(&new.tags)?,
    };
    create(ctx, request, "confirming")
}

pub(super) fn allocate_transit(
    ctx: &Ctx<'_>,
    request: shapes::AllocateTransitVirtualInterfaceRequest,
) -> Result<shapes::AllocateTransitVirtualInterfaceResult, ApiError> {
    let new = request.new_transit_virtual_interface_allocation.unwrap_or_default();
    let request = CreateInterface {
        port: port(required(&request.connection_id)?)?,
        account: Some(account(&request.owner_account)?),
        name: new.virtual_interface_name.unwrap_or_default(),
        vlan: new.vlan.unwrap_or_default(),
        kind: VirtualInterfaceKind::Transit { to: None, mtu: mtu(new.mtu)?, site_link: false },
        peer: peer(new.asn, new.asn_long, &new.auth_key, &new.address_family, &new.amazon_address, &new.customer_address)?,
        tags: new_tags(&new.tags)?,
    };
    Ok(shapes::AllocateTransitVirtualInterfaceResult { virtual_interface: Some(create(ctx, request, "confirming")?) })
}

pub(super) fn confirm_private(
    ctx: &Ctx<'_>,
    request: shapes::ConfirmPrivateVirtualInterfaceRequest,
) -> Result<shapes::ConfirmPrivateVirtualInterfaceResponse, ApiError> {
    let target = private_target(&request.virtual_gateway_id, &request.direct_connect_gateway_id)?;
    let target = target.ok_or_else(|| refused("A virtual gateway ID or Direct Connect gateway ID is required."))?;
    let id = interface_id(required(&request.virtual_interface_id)?)?;
    ctx.mutate(|tx| interfaces::confirm(tx, id, Confirmation::Private(target)))?;
    Ok(shapes::ConfirmPrivateVirtualInterfaceResponse { virtual_interface_state: Some("pending".to_owned()) })
}

pub(super) fn confirm_public(
    ctx: &Ctx<'_>,
    request: shapes::ConfirmPublicVirtualInterfaceRequest,
) -> Result<shapes::ConfirmPublicVirtualInterfaceResponse, ApiError> {
    let id = interface_id(required(&request.virtual_interface_id)?)?;
    ctx.mutate(|tx| interfaces::confirm(tx, id, Confirmation::Public))?;
    Ok(shapes::ConfirmPublicVirtualInterfaceResponse { virtual_interface_state: Some("verifying".to_owned()) })
}

pub(super) fn confirm_transit(
    ctx: &Ctx<'_>,
    request: shapes::ConfirmTransitVirtualInterfaceRequest,
) -> Result<shapes::ConfirmTransitVirtualInterfaceResponse, ApiError> {
    let id = interface_id(required(&request.virtual_interface_id)?)?;
    let gateway = gateway_id(required(&request.direct_connect_gateway_id)?)?;
    ctx.mutate(|tx| interfaces::confirm(tx, id, Confirmation::Transit(gateway)))?;
    Ok(shapes::ConfirmTransitVirtualInterfaceResponse { virtual_interface_state: Some("pending".to_owned()) })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteVirtualInterfaceRequest,
) -> Result<shapes::DeleteVirtualInterfaceResponse, ApiError> {
    let id = interface_id(required(&request.virtual_interface_id)?)?;
    ctx.mutate(|tx| interfaces::delete(tx, id))?;
    Ok(shapes::DeleteVirtualInterfaceResponse { virtual_interface_state: Some("deleting".to_owned()) })
}

pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeVirtualInterfacesRequest,
) -> Result<shapes::VirtualInterfaces, ApiError> {
    let network = ctx.network()?;
    let wanted = request.virtual_interface_id.as_deref().map(interface_id).transpose()?;
    let on = request.connection_id.as_deref().map(port).transpose()?;
    let now = ctx.control().now();
    let fits = |interface: &&std::sync::Arc<VirtualInterface>| {
        wanted.is_none_or(|id| id == interface.id) && on.is_none_or(|port| port == interface.port)
    };
    let found: Vec<_> = interfaces::visible(&network, ctx.owner()).filter(fits).collect();
    if let (Some(id), []) = (wanted, &found[..]) {
        return Err(missing(&id));
    }
    let shapes = found.into_iter().map(|interface| interface_shape(&network, interface, now)).collect();
    let (virtual_interfaces, next_token) = cut(shapes, request.max_results, &request.next_token)?;
    Ok(shapes::VirtualInterfaces { virtual_interfaces, next_token })
}

pub(super) fn update(
    ctx: &Ctx<'_>,
    request: shapes::UpdateVirtualInterfaceAttributesRequest,
) -> Result<shapes::VirtualInterface, ApiError> {
    let id = interface_id(required(&request.virtual_interface_id)?)?;
    let changes = UpdateInterface {
        mtu: request.mtu.map(|value| mtu(Some(value))).transpose()?,
        site_link: request.enable_site_link,
        name: request.virtual_interface_name,
    };
    changed(ctx, id, |tx| interfaces::update(tx, id, changes))
}

pub(super) fn associate(
    ctx: &Ctx<'_>,
    request: shapes::AssociateVirtualInterfaceRequest,
) -> Result<shapes::VirtualInterface, ApiError> {
    let id = interface_id(required(&request.virtual_interface_id)?)?;
    let port = port(required(&request.connection_id)?)?;
    changed(ctx, id, |tx| interfaces::move_one(tx, id, port))
}

pub(super) fn create_peer(
    ctx: &Ctx<'_>,
    request: shapes::CreateBGPPeerRequest,
) -> Result<shapes::CreateBGPPeerResponse, ApiError> {
    let text = request.virtual_interface_id.ok_or_else(|| refused("virtualInterfaceId is required."))?;
    let id = interface_id(&text)?;
    let new = request.new_bgp_peer.ok_or_else(|| refused("newBGPPeer is required."))?;
    let peer = peer(new.asn, new.asn_long, &new.auth_key, &new.address_family, &new.amazon_address, &new.customer_address)?;
    let mut shape = changed(ctx, id, |tx| peers::create(tx, id, &peer).map(drop))?;
    if let Some(made) = shape.bgp_peers.last_mut() {
        made.bgp_peer_state = Some("pending".to_owned());
    }
    Ok(shapes::CreateBGPPeerResponse { virtual_interface: Some(shape) })
}

pub(super) fn delete_peer(
    ctx: &Ctx<'_>,
    request: shapes::DeleteBGPPeerRequest,
) -> Result<shapes::DeleteBGPPeerResponse, ApiError> {
    let text = request.virtual_interface_id.ok_or_else(|| refused("virtualInterfaceId is required."))?;
    let interface = interface_id(&text)?;
    let query = PeerQuery {
        id: request.bgp_peer_id.as_deref().map(|text| id(text, "BGP Peer")).transpose()?,
        // SDKs of old send 0 for a number that wasn't given.
        asn: request.asn_long.or(request.asn.map(i64::from)).filter(|asn| *asn != 0),
        customer_address: address(&request.customer_address)?,
    };
    if query == PeerQuery::default() {
        return Err(refused("Name the BGP peer by its ID, or by ASN and customer address."));
    }
    let mut gone = None;
    let mut shape = changed(ctx, interface, |tx| peers::delete(tx, interface, query).map(|peer| gone = Some(peer)))?;
    if let Some(peer) = gone {
        let network = ctx.network()?;
        let present = network.get::<VirtualInterface>(&interface).ok_or_else(|| missing(&interface))?;
        let going = view::peer_shape(present, &peer, shape.location.as_deref());
        shape.bgp_peers.push(shapes::BGPPeer { bgp_peer_state: Some("deleting".to_owned()), ..going });
    }
    Ok(shapes::DeleteBGPPeerResponse { virtual_interface: Some(shape) })
}

pub(super) fn start_test(
    ctx: &Ctx<'_>,
    request: shapes::StartBgpFailoverTestRequest,
) -> Result<shapes::StartBgpFailoverTestResponse, ApiError> {
    let interface = interface_id(required(&request.virtual_interface_id)?)?;
    let peers = request.bgp_peers.iter().map(|text| id(text, "BGP Peer")).collect::<Result<_, _>>()?;
    let test = ctx.mutate(|tx| {
        let id = failover::start(tx, interface, peers, request.test_duration_in_minutes)?;
        Ok(test_shape(tx.network(), id, tx.now()))
    })?;
    Ok(shapes::StartBgpFailoverTestResponse { virtual_interface_test: test })
}

pub(super) fn stop_test(
    ctx: &Ctx<'_>,
    request: shapes::StopBgpFailoverTestRequest,
) -> Result<shapes::StopBgpFailoverTestResponse, ApiError> {
    let interface = interface_id(required(&request.virtual_interface_id)?)?;
    let test = ctx.mutate(|tx| {
        let id = failover::stop(tx, interface)?;
        Ok(test_shape(tx.network(), id, tx.now()))
    })?;
    Ok(shapes::StopBgpFailoverTestResponse { virtual_interface_test: test })
}

pub(super) fn list_tests(
    ctx: &Ctx<'_>,
    request: shapes::ListVirtualInterfaceTestHistoryRequest,
) -> Result<shapes::ListVirtualInterfaceTestHistoryResponse, ApiError> {
    let network = ctx.network()?;
    let wanted = request.test_id.as_deref().map(|text| id::<FailoverTestId>(text, "Test")).transpose()?;
    let interface = request.virtual_interface_id.as_deref().map(interface_id).transpose()?;
    let now = ctx.control().now();
    let fits = |test: &&std::sync::Arc<FailoverTest>| {
        wanted.is_none_or(|id| id == test.id) && interface.is_none_or(|id| id == test.interface)
    };
    let mut tests: Vec<_> = network
        .owned::<FailoverTest>(ctx.owner())
        .filter(fits)
        .filter_map(|test| test_shape(&network, test.id, now))
        .filter(|test| request.status.as_deref().is_none_or(|status| test.status.as_deref() == Some(status)))
        .filter(|test| request.bgp_peers.is_empty() || test.bgp_peers.iter().any(|peer| request.bgp_peers.contains(peer)))
        .collect();
    tests.sort_by_key(|test| test.start_time);
    let (virtual_interface_test_history, next_token) = cut(tests, request.max_results, &request.next_token)?;
    Ok(shapes::ListVirtualInterfaceTestHistoryResponse { virtual_interface_test_history, next_token })
}

fn test_shape(network: &Network, id: FailoverTestId, now: UnixMillis) -> Option<shapes::VirtualInterfaceTestHistory> {
    let test = network.get::<FailoverTest>(&id)?;
    let status = match test.stopped_at {
        Some(_) => "STOPPED",
        None if test.is_running(now) => "RUNNING",
        None => "COMPLETED",
    };
    Some(shapes::VirtualInterfaceTestHistory {
        test_id: Some(test.id.to_string()),
        virtual_interface_id: Some(test.interface.to_string()),
        bgp_peers: test.peers.iter().map(ToString::to_string).collect(),
        status: Some(status.to_owned()),
        owner_account: Some(test.owner.account.to_string()),
        test_duration_in_minutes: i32::try_from(test.minutes).ok(),
        start_time: Some(test.started_at),
        end_time: (!test.is_running(now)).then(|| test.ends_at()),
    })
}

fn create(ctx: &Ctx<'_>, request: CreateInterface, state: &str) -> Result<shapes::VirtualInterface, ApiError> {
    let shape = ctx.mutate(|tx| {
        let id = interfaces::create(tx, request)?;
        shape(tx, id)
    })?;
    Ok(shapes::VirtualInterface { virtual_interface_state: Some(state.to_owned()), ..shape })
}

fn changed(
    ctx: &Ctx<'_>,
    id: VirtualInterfaceId,
    change: impl FnOnce(&mut Tx<'_>) -> Result<(), ControlError>,
) -> Result<shapes::VirtualInterface, ApiError> {
    ctx.mutate(|tx| {
        change(tx)?;
        shape(tx, id)
    })
}

/// An interface that was written, which may be another account's.
fn shape(tx: &Tx<'_>, id: VirtualInterfaceId) -> Result<shapes::VirtualInterface, ControlError> {
    let found = tx.network().get::<VirtualInterface>(&id);
    let found = found.ok_or_else(|| <VirtualInterface as openvpc_control::Missing>::missing(&id))?;
    Ok(interface_shape(tx.network(), found, tx.now()))
}

pub(super) fn interface_id(text: &str) -> Result<VirtualInterfaceId, ApiError> {
    id(text, "Virtual Interface")
}

pub(super) fn missing(id: &VirtualInterfaceId) -> ApiError {
    <VirtualInterface as openvpc_control::Missing>::missing(id).into()
}

pub(super) fn gateway_id(text: &str) -> Result<DirectConnectGatewayId, ApiError> {
    id(text, "Direct Connect Gateway")
}

fn private_target(vpn: &Option<String>, direct: &Option<String>) -> Result<Option<PrivateTarget>, ApiError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (given(vpn), given(direct)) {
        (Some(_), Some(_)) => Err(refused("Give a virtual gateway ID or a Direct Connect gateway ID, not both.")),
        (Some(text), None) => Ok(Some(PrivateTarget::VpnGateway(id::<VpnGatewayId>(&text, "Virtual Gateway")?))),
        (None, Some(text)) => Ok(Some(PrivateTarget::Gateway(gateway_id(&text)?))),
        (None, None) => Ok(None),
    }
}

fn peer(
    asn: Option<i32>,
    asn_long: Option<i64>,
    key: &Option<String>,
    family: &Option<String>,
    amazon: &Option<String>,
    customer: &Option<String>,
) -> Result<PeerRequest, ApiError> {
    Ok(PeerRequest {
        asn: asn_long.or(asn.map(i64::from)).ok_or_else(|| refused("asn or asnLong is required."))?,
        auth_key: match key.as_deref().filter(|key| !key.is_empty()) {
            None => None,
            Some(key) => Some(key.parse().map_err(|rule| refused(format!("The authKey is not valid: {rule}.")))?),
        },
        ipv6: match family.as_deref() {
            None | Some("" | "ipv4") => false,
            Some("ipv6") => true,
            Some(other) => return Err(refused(format!("Address family {other} is not valid: use ipv4 or ipv6."))),
        },
        amazon_address: address(amazon)?,
        customer_address: address(customer)?,
    })
}

/// An address with the length of its link's prefix, `192.0.2.1/30`.
fn address(text: &Option<String>) -> Result<Option<IpNet>, ApiError> {
    let parse = |text: &str| text.parse().map_err(|_| refused(format!("{text} is not an address in CIDR notation.")));
    text.as_deref().filter(|text| !text.is_empty()).map(parse).transpose()
}

fn mtu(mtu: Option<i32>) -> Result<u16, ApiError> {
    let mtu = mtu.filter(|mtu| *mtu != 0).unwrap_or(1500);
    u16::try_from(mtu).map_err(|_| refused(format!("MTU {mtu} is not valid.")))
}

/// Blocks in `routeFilterPrefixes` and its like.
pub(super) fn prefixes(given: &[shapes::RouteFilterPrefix]) -> Result<Vec<IpNet>, ApiError> {
    let parse = |prefix: &shapes::RouteFilterPrefix| {
        let text = required(&prefix.cidr)?;
        let block: IpNet = text.parse().map_err(|_| refused(format!("{text} is not a block in CIDR notation.")))?;
        Ok(block.trunc())
    };
    given.iter().map(parse).collect()
}
