//! VPN connections as answers show them.

use openvpc_control::vpn_connections::configuration;
use openvpc_model::vpn::InsideIpVersion;
use openvpc_model::vpn::tunnel::{LogStream, PreSharedKey, VpnTunnel};

use super::super::customer_gateways::TYPE;
use super::*;

pub(super) fn connection_shape(network: &Network, connection: &VpnConnection) -> shapes::VpnConnection {
    let (vpn_gateway, transit_gateway) = match connection.gateway {
        Some(VpnTarget::VpnGateway(id)) => (Some(id.to_string()), None),
        Some(VpnTarget::TransitGateway(id, _)) => (None, Some(id.to_string())),
        None => (None, None),
    };
    let associated = if connection.gateway.is_some() { "associated" } else { "not-associated" };
    let exists = connection.exists();
    let static_route = |destination: &Ipv4Net| shapes::VpnStaticRoute {
        destination_cidr_block: Some(destination.to_string()),
        source: Some("Static".to_owned()),
        state: Some("available".to_owned()),
    };
    shapes::VpnConnection {
        vpn_connection_id: Some(connection.id.to_string()),
        state: Some(if exists { "available" } else { "deleted" }.to_owned()),
        category: Some("VPN".to_owned()),
        r#type: Some(TYPE.to_owned()),
        customer_gateway_id: Some(connection.customer_gateway.to_string()),
        vpn_gateway_id: vpn_gateway,
        transit_gateway_id: transit_gateway,
        gateway_association_state: exists.then(|| associated.to_owned()),
        // Shown only of connections that exist: it holds the keys.
        customer_gateway_configuration: exists.then(|| configuration::document(network, connection)),
        options: Some(options_shape(connection)),
        routes: connection.static_routes.iter().map(static_route).collect(),
        vgw_telemetry: connection.tunnels.iter().filter(|_| exists).map(telemetry).collect(),
        tags: tagging::shapes(&connection.tags),
        ..Default::default()
    }
}

fn options_shape(connection: &VpnConnection) -> shapes::VpnConnectionOptions {
    let options = &connection.options;
    let ipv4 = options.inside_ip_version == InsideIpVersion::Ipv4;
    shapes::VpnConnectionOptions {
        enable_acceleration: Some(options.enable_acceleration),
        static_routes_only: Some(options.static_routes_only),
        local_ipv4_network_cidr: ipv4.then(|| options.local_ipv4.to_string()),
        remote_ipv4_network_cidr: ipv4.then(|| options.remote_ipv4.to_string()),
        local_ipv6_network_cidr: (!ipv4).then(|| options.local_ipv6.to_string()),
        remote_ipv6_network_cidr: (!ipv4).then(|| options.remote_ipv6.to_string()),
        outside_ip_address_type: Some(options.outside_address_type.as_str().to_owned()),
        transport_transit_gateway_attachment_id: options.transport_attachment.map(|id| id.to_string()),
        tunnel_inside_ip_version: Some(options.inside_ip_version.as_str().to_owned()),
        tunnel_options: connection.tunnels.iter().map(tunnel_shape).collect(),
        tunnel_bandwidth: Some(options.bandwidth.as_str().to_owned()),
    }
}

/// A tunnel's options: AWS shows those that were set, and what it drew.
fn tunnel_shape(tunnel: &VpnTunnel) -> shapes::TunnelOption {
    let options = &tunnel.options;
    // Every range ends far below 2^31, but for that of DPDTimeoutSeconds, which came in as an i32.
    let number = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    macro_rules! list {
        ($shape:ident, $values:expr) => {
            $values.iter().map(|value| shapes::$shape { value: Some(value.as_str().to_owned()) }).collect()
        };
    }
    shapes::TunnelOption {
        outside_ip_address: Some(tunnel.outside_address.to_string()),
        tunnel_inside_cidr: Some(tunnel.inside_ipv4.to_string()),
        tunnel_inside_ipv6_cidr: tunnel.inside_ipv6.map(|block| block.to_string()),
        pre_shared_key: tunnel.pre_shared_key.as_ref().map(PreSharedKey::secret).map(str::to_owned),
        phase1_lifetime_seconds: number(options.phase1.lifetime),
        phase2_lifetime_seconds: number(options.phase2.lifetime),
        rekey_margin_time_seconds: number(options.rekey_margin),
        rekey_fuzz_percentage: number(options.rekey_fuzz),
        replay_window_size: number(options.replay_window),
        dpd_timeout_seconds: number(options.dpd_timeout),
        dpd_timeout_action: options.dpd_action.map(|action| action.as_str().to_owned()),
        phase1_encryption_algorithms: list!(Phase1EncryptionAlgorithmsListValue, options.phase1.encryption),
        phase2_encryption_algorithms: list!(Phase2EncryptionAlgorithmsListValue, options.phase2.encryption),
        phase1_integrity_algorithms: list!(Phase1IntegrityAlgorithmsListValue, options.phase1.integrity),
        phase2_integrity_algorithms: list!(Phase2IntegrityAlgorithmsListValue, options.phase2.integrity),
        phase1_dh_group_numbers: groups(&options.phase1.dh_groups)
            .map(|value| shapes::Phase1DHGroupNumbersListValue { value })
            .collect(),
        phase2_dh_group_numbers: groups(&options.phase2.dh_groups)
            .map(|value| shapes::Phase2DHGroupNumbersListValue { value })
            .collect(),
        ike_versions: list!(IKEVersionsListValue, options.ike_versions),
        startup_action: options.startup_action.map(|action| action.as_str().to_owned()),
        log_options: Some(shapes::VpnTunnelLogOptions {
            cloud_watch_log_options: Some(log_shape(options.log.clone().unwrap_or_default())),
        }),
        enable_tunnel_lifecycle_control: Some(options.lifecycle_control),
    }
}

fn groups(groups: &std::collections::BTreeSet<u8>) -> impl Iterator<Item = Option<i32>> + '_ {
    groups.iter().map(|group| Some(i32::from(*group)))
}

fn log_shape(log: openvpc_model::vpn::tunnel::TunnelLog) -> shapes::CloudWatchLogOptions {
    let format =
        |stream: &LogStream| stream.group.as_ref().map(|_| stream.format.map_or("json", |format| format.as_str()).to_owned());
    shapes::CloudWatchLogOptions {
        log_enabled: Some(log.ike.enabled),
        log_output_format: format(&log.ike),
        log_group_arn: log.ike.group,
        bgp_log_enabled: Some(log.bgp.enabled),
        bgp_log_output_format: format(&log.bgp),
        bgp_log_group_arn: log.bgp.group,
    }
}

/// What Amazon's end sees of a tunnel. It carries no packets yet, so it is down.
fn telemetry(tunnel: &VpnTunnel) -> shapes::VgwTelemetry {
    shapes::VgwTelemetry {
        accepted_route_count: Some(0),
        last_status_change: Some(tunnel.status_changed_at),
        outside_ip_address: Some(tunnel.outside_address.to_string()),
        status: Some("DOWN".to_owned()),
        status_message: Some("IPSEC IS DOWN".to_owned()),
        certificate_arn: None,
    }
}
