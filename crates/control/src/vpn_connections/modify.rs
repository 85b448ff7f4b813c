//! Changes to a connection that is there.

use std::net::IpAddr;

use ipnet::{Ipv4Net, Ipv6Net};
use openvpc_model::vpn::TunnelBandwidth;
use openvpc_model::{CustomerGatewayId, VpnConnection, VpnConnectionId};

use super::options::{self, InsideCidrs, TunnelRequest};
use super::transit::{self, join, leave};
use super::{Gateway, between, check_ends, find};
use crate::{ControlError, Tx, customer_gateways};

/// Gives a connection another end, or others: ModifyVpnConnection.
///
/// # Errors
/// `IncorrectState` for a static connection with routes that goes to a transit gateway, `InvalidOption.Conflict` when the
/// two ends have a connection; else as for creation.
pub fn modify(
    tx: &mut Tx,
    id: VpnConnectionId,
    customer: Option<CustomerGatewayId>,
    gateway: Option<Gateway>,
) -> Result<(), ControlError> {
    let connection = find(tx, id)?;
    if customer.is_none() && gateway.is_none() {
        return Err(ControlError::missing_parameter("CustomerGatewayId, VpnGatewayId or TransitGatewayId"));
    }
    let customer = customer_gateways::find(tx, customer.unwrap_or(connection.customer_gateway))?;
    let present = connection.gateway.map(Gateway::from);
    let wanted = gateway.or(present);
    check_ends(tx, Some(id), &customer, wanted)?;
    options::check_connection(&connection.options, &customer, wanted)?;
    transit::check_transport(tx, &connection.options, wanted)?;
    for tunnel in &connection.tunnels {
        options::check(&tunnel.options, customer.address)?;
    }
    if tunnels_need_keys(&connection) != customer.certificate.is_none() {
        let message = format!("The customer gateway {} authenticates in another way than the connection {id}", customer.id);
        return Err(ControlError::invalid_combination(message));
    }
    if let Some(other) = between(tx, customer.id, wanted).filter(|other| other.id != id) {
        let message = format!("The VPN connection '{}' is between the same two gateways.", other.id);
        return Err(ControlError::new("InvalidOption.Conflict", message));
    }
    let mut target = connection.gateway;
    if wanted != present {
        if let (Some(Gateway::TransitGateway(_)), false) = (wanted, connection.static_routes.is_empty()) {
            let message =
                format!("The VPN connection '{id}' has static routes; delete them before it goes to a transit gateway.");
            return Err(ControlError::new("IncorrectState", message));
        }
        let mut taken = InsideCidrs::taken(tx, Some(id), wanted);
        for tunnel in &connection.tunnels {
            taken.claim(Some(tunnel.inside_ipv4), tunnel.inside_ipv6)?;
        }
        if let Some(left) = connection.gateway {
            leave(tx, left)?;
        }
        target = wanted.map(|gateway| join(tx, gateway, id)).transpose()?;
    }
    tx.update::<VpnConnection, _>(&id, |connection| {
        connection.customer_gateway = customer.id;
        connection.gateway = target;
    })
}

/// What ModifyVpnConnectionOptions changes; what isn't given stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModifyOptions {
    /// The traffic selector of the customer's side for IPv4.
    pub local_ipv4: Option<Ipv4Net>,
    /// The traffic selector of Amazon's side for IPv4.
    pub remote_ipv4: Option<Ipv4Net>,
    /// The traffic selector of the customer's side for IPv6.
    pub local_ipv6: Option<Ipv6Net>,
    /// The traffic selector of Amazon's side for IPv6.
    pub remote_ipv6: Option<Ipv6Net>,
    /// The throughput of a tunnel.
    pub bandwidth: Option<TunnelBandwidth>,
}

/// Changes what holds for both tunnels.
///
/// # Errors
/// `InvalidVpnConnectionID.NotFound`, `InvalidParameterCombination`.
pub fn modify_options(tx: &mut Tx, id: VpnConnectionId, request: ModifyOptions) -> Result<(), ControlError> {
    let connection = find(tx, id)?;
    let mut options = connection.options.clone();
    options.local_ipv4 = request.local_ipv4.unwrap_or(options.local_ipv4).trunc();
    options.remote_ipv4 = request.remote_ipv4.unwrap_or(options.remote_ipv4).trunc();
    options.local_ipv6 = request.local_ipv6.unwrap_or(options.local_ipv6).trunc();
    options.remote_ipv6 = request.remote_ipv6.unwrap_or(options.remote_ipv6).trunc();
    options.bandwidth = request.bandwidth.unwrap_or(options.bandwidth);
    let customer = customer_gateways::find(tx, connection.customer_gateway)?;
    let gateway = connection.gateway.map(Gateway::from);
    options::check_connection(&options, &customer, gateway)?;
    tx.update::<VpnConnection, _>(&id, |connection| connection.options = options)
}

/// Changes one tunnel: ModifyVpnTunnelOptions. The tunnel is found by its outside address.
///
/// # Errors
/// `InvalidVpnConnectionID.NotFound`, `InvalidParameterValue`, `InvalidParameterCombination`, `InvalidCidr.InUse`.
pub fn modify_tunnel(tx: &mut Tx, id: VpnConnectionId, outside: IpAddr, request: &TunnelRequest) -> Result<(), ControlError> {
    if *request == TunnelRequest::default() {
        return Err(ControlError::missing_parameter("TunnelOptions"));
    }
    let connection = find(tx, id)?;
    let at = tunnel_at(&connection, outside)?;
    let customer = customer_gateways::find(tx, connection.customer_gateway)?;
    // Against the options as they will be: a lifetime may be right only beside the other that is there.
    let mut tunnel = connection.tunnels[at].clone();
    tunnel.options = request.applied_to(&tunnel.options);
    let whole = TunnelRequest { options: tunnel.options.clone(), ..request.clone() };
    whole.check(&connection.options, &customer)?;
    let gateway = connection.gateway.map(Gateway::from);
    let mut taken = InsideCidrs::taken(tx, Some(id), gateway);
    taken.add(&connection.tunnels[1 - at..2 - at]);
    let ipv4 = request.inside_ipv4.filter(|block| *block != tunnel.inside_ipv4);
    let ipv6 = request.inside_ipv6.filter(|block| Some(*block) != tunnel.inside_ipv6);
    taken.claim(ipv4, ipv6)?;
    tunnel.inside_ipv4 = ipv4.unwrap_or(tunnel.inside_ipv4);
    tunnel.inside_ipv6 = ipv6.or(tunnel.inside_ipv6);
    tunnel.pre_shared_key = request.pre_shared_key.clone().or(tunnel.pre_shared_key);
    tunnel.status_changed_at = tx.now();
    tx.update::<VpnConnection, _>(&id, |connection| connection.tunnels[at] = tunnel)
}

/// Sets up a tunnel's endpoint anew: ReplaceVpnTunnel.
///
/// # Errors
/// `InvalidVpnConnectionID.NotFound`, `InvalidParameterValue` when the connection has no tunnel there,
/// `IncorrectState` when the tunnel doesn't leave that to its user.
pub fn replace_tunnel(tx: &mut Tx, id: VpnConnectionId, outside: IpAddr) -> Result<(), ControlError> {
    let connection = find(tx, id)?;
    let at = tunnel_at(&connection, outside)?;
    if !connection.tunnels[at].options.lifecycle_control {
        let message = format!("The tunnel {outside} of '{id}' has no tunnel endpoint lifecycle control; enable it first.");
        return Err(ControlError::new("IncorrectState", message));
    }
    let now = tx.now();
    tx.update::<VpnConnection, _>(&id, |connection| connection.tunnels[at].replaced_at = Some(now))
}

/// Which tunnel of a connection has that outside address.
///
/// # Errors
/// `InvalidParameterValue`.
pub fn tunnel_at(connection: &VpnConnection, outside: IpAddr) -> Result<usize, ControlError> {
    let at = connection.tunnels.iter().position(|tunnel| tunnel.outside_address == outside);
    at.ok_or_else(|| {
        let message = format!("The VPN connection '{}' has no tunnel with the outside address {outside}", connection.id);
        ControlError::invalid_value(message)
    })
}

fn tunnels_need_keys(connection: &VpnConnection) -> bool {
    connection.tunnels.iter().any(|tunnel| tunnel.pre_shared_key.is_some())
}
