//! Connections, groups and virtual interfaces as answers show them.

use ipnet::IpNet;
use openvpc_control::direct_connect::{device, failover, interfaces, lags};
use openvpc_model::direct_connect::{BgpPeer, VirtualInterfaceKind};
use openvpc_model::{UnixMillis, VirtualInterface};

use super::*;

pub(super) fn connection_shape(connection: &DirectConnectConnection) -> shapes::Connection {
    let state = match connection {
        _ if connection.deleted_at.is_some() => "deleted",
        _ if connection.is_unconfirmed() => "ordering",
        _ => "available",
    };
    shapes::Connection {
        owner_account: Some(connection.owner.account.to_string()),
        connection_id: Some(connection.id.to_string()),
        connection_name: Some(connection.name.clone()),
        connection_state: Some(state.to_owned()),
        region: Some(connection.owner.region.to_string()),
        location: Some(connection.location.clone()),
        bandwidth: Some(connection.bandwidth.clone()),
        vlan: connection.host.as_ref().map(|host| host.vlan.into()),
        loa_issue_time: connection.host.is_none().then_some(connection.created_at),
        lag_id: connection.lag.map(|lag| lag.to_string()),
        aws_device: Some(device(&connection.location)),
        aws_device_v2: Some(device(&connection.location)),
        aws_logical_device_id: Some(device(&connection.location)),
        jumbo_frame_capable: Some(true),
        has_logical_redundancy: Some("no".to_owned()),
        tags: tag_shapes(&connection.tags),
        provider_name: connection.provider.clone(),
        mac_sec_capable: Some(connection.encryption.is_some()),
        port_encryption_status: connection.encryption.map(|_| "Encryption Down".to_owned()),
        encryption_mode: connection.encryption.map(|mode| mode.as_str().to_owned()),
        ..Default::default()
    }
}

pub(super) fn lag_shape(network: &Network, lag: &Lag) -> shapes::Lag {
    let state = match lag {
        _ if lag.deleted_at.is_some() => "deleted",
        _ if lags::is_up(network, lag) => "available",
        _ => "down",
    };
    let connections: Vec<_> = lags::members(network, lag.id).map(|connection| connection_shape(connection)).collect();
    shapes::Lag {
        connections_bandwidth: Some(lag.bandwidth.clone()),
        // Four at most.
        number_of_connections: i32::try_from(connections.len()).ok(),
        lag_id: Some(lag.id.to_string()),
        owner_account: Some(lag.owner.account.to_string()),
        lag_name: Some(lag.name.clone()),
        lag_state: Some(state.to_owned()),
        location: Some(lag.location.clone()),
        region: Some(lag.owner.region.to_string()),
        minimum_links: Some(lag.minimum_links.into()),
        aws_device: Some(device(&lag.location)),
        aws_device_v2: Some(device(&lag.location)),
        aws_logical_device_id: Some(device(&lag.location)),
        connections,
        allows_hosted_connections: Some(true),
        jumbo_frame_capable: Some(true),
        has_logical_redundancy: Some("no".to_owned()),
        tags: tag_shapes(&lag.tags),
        provider_name: lag.provider.clone(),
        mac_sec_capable: Some(lag.encryption.is_some()),
        encryption_mode: lag.encryption.map(|mode| mode.as_str().to_owned()),
        mac_sec_keys: Vec::new(),
    }
}

pub(super) fn interface_shape(network: &Network, interface: &VirtualInterface, now: UnixMillis) -> shapes::VirtualInterface {
    let location = match interface.port {
        Port::Connection(id) => network.get::<DirectConnectConnection>(&id).map(|connection| connection.location.clone()),
        Port::Lag(id) => network.get::<Lag>(&id).map(|lag| lag.location.clone()),
    };
    let (mtu, site_link, prefixes) = match &interface.kind {
        VirtualInterfaceKind::Private { mtu, site_link, .. } | VirtualInterfaceKind::Transit { mtu, site_link, .. } => {
            (*mtu, Some(*site_link), Vec::new())
        }
        VirtualInterfaceKind::Public { prefixes } => (1500, None, prefix_shapes(prefixes)),
    };
    let first = interface.peers.first().map(|peer| peer_shape(interface, peer, location.as_deref())).unwrap_or_default();
    let device = location.as_deref().map(device);
    shapes::VirtualInterface {
        owner_account: Some(interface.owner.account.to_string()),
        virtual_interface_id: Some(interface.id.to_string()),
        connection_id: Some(interface.port.to_string()),
        virtual_interface_type: Some(interface.kind.as_str().to_owned()),
        virtual_interface_name: Some(interface.name.clone()),
        vlan: Some(interface.vlan.into()),
        asn: first.asn,
        asn_long: first.asn_long,
        amazon_side_asn: interfaces::amazon_asn(network, interface).map(i64::from),
        auth_key: first.auth_key,
        amazon_address: first.amazon_address,
        customer_address: first.customer_address,
        address_family: first.address_family,
        virtual_interface_state: Some(interface_state(network, interface, now).to_owned()),
        customer_router_config: Some(interfaces::router_configuration(network, interface)),
        mtu: Some(mtu.into()),
        jumbo_frame_capable: Some(!matches!(interface.kind, VirtualInterfaceKind::Public { .. })),
        virtual_gateway_id: interface.vpn_gateway().map(|id| id.to_string()),
        direct_connect_gateway_id: interface.gateway().map(|id| id.to_string()),
        route_filter_prefixes: prefixes,
        bgp_peers: interface.peers.iter().map(|peer| peer_shape(interface, peer, location.as_deref())).collect(),
        region: Some(interface.owner.region.to_string()),
        aws_device_v2: device.clone(),
        aws_logical_device_id: device,
        location,
        tags: tag_shapes(&interface.tags),
        site_link_enabled: site_link,
    }
}

/// `down` is AWS's word for an interface without a BGP session, and as long as no packets are carried there is none.
fn interface_state(network: &Network, interface: &VirtualInterface, now: UnixMillis) -> &'static str {
    match interface {
        _ if interface.deleted_at.is_some() => "deleted",
        _ if interface.unconfirmed => "confirming",
        _ if failover::running(network, interface.id, now).is_some() => "testing",
        _ => "down",
    }
}

pub(super) fn peer_shape(interface: &VirtualInterface, peer: &BgpPeer, location: Option<&str>) -> shapes::BGPPeer {
    let state = match interface {
        _ if interface.deleted_at.is_some() => "deleted",
        _ if interface.unconfirmed => "pending",
        _ => "available",
    };
    shapes::BGPPeer {
        bgp_peer_id: Some(peer.id.to_string()),
        // Larger numbers have only the other member.
        asn: i32::try_from(peer.asn).ok(),
        asn_long: Some(peer.asn.into()),
        auth_key: Some(peer.auth_key.secret().to_owned()),
        address_family: Some(if peer.amazon_address.addr().is_ipv6() { "ipv6" } else { "ipv4" }.to_owned()),
        amazon_address: Some(peer.amazon_address.to_string()),
        customer_address: Some(peer.customer_address.to_string()),
        bgp_peer_state: Some(state.to_owned()),
        bgp_status: Some("down".to_owned()),
        aws_device_v2: location.map(device),
        aws_logical_device_id: location.map(device),
    }
}

pub(super) fn prefix_shapes(prefixes: &[IpNet]) -> Vec<shapes::RouteFilterPrefix> {
    prefixes.iter().map(|prefix| shapes::RouteFilterPrefix { cidr: Some(prefix.to_string()) }).collect()
}

pub(super) fn tag_shapes(tags: &Tags) -> Vec<shapes::Tag> {
    tags.iter().map(|(key, value)| shapes::Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}
