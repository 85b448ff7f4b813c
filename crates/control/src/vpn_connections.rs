//! Site-to-site VPN connections: lifetime and static routes here, [`options`] of tunnels, [`configuration`] for the device
//! at the other end, [`devices`] that it may be. See "AWS Site-to-Site VPN connection" in the Site-to-Site VPN User Guide.

pub mod configuration;
pub mod devices;
mod modify;
pub mod options;
mod transit;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};
use openvpc_model::internet::VPN_IPV6;
use openvpc_model::vpn::tunnel::{PreSharedKey, TunnelOptions, VpnTunnel};
use openvpc_model::vpn::{InsideIpVersion, OutsideAddressType, TunnelBandwidth, VpnOptions};
use openvpc_model::{
    CustomerGateway, CustomerGatewayId, Tags, TransitGatewayId, VpnConnection, VpnConnectionId, VpnGatewayId, VpnTarget,
};

use crate::{ControlError, Missing, Tx, addresses, customer_gateways, retention, vpn_gateways};

pub use modify::{ModifyOptions, modify, modify_options, modify_tunnel, replace_tunnel, tunnel_at};
use options::{InsideCidrs, TunnelRequest};
use transit::{join, leave};

/// How long a deleted connection is shown.
const SHOWN_FOR_MS: u64 = 60 * 60 * 1000;

/// What CreateVpnConnection is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateVpnConnection {
    /// The customer's end.
    pub customer_gateway: CustomerGatewayId,
    /// Amazon's end; none to give it one later.
    pub gateway: Option<Gateway>,
    /// What holds for both tunnels.
    pub options: VpnOptions,
    /// What holds for each tunnel.
    pub tunnels: [TunnelRequest; 2],
    /// Tags.
    pub tags: Tags,
}

/// Amazon's end of a connection, as a caller names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// A transit gateway.
    TransitGateway(TransitGatewayId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
}

impl From<VpnTarget> for Gateway {
    fn from(target: VpnTarget) -> Self {
        match target {
            VpnTarget::TransitGateway(id, _) => Self::TransitGateway(id),
            VpnTarget::VpnGateway(id) => Self::VpnGateway(id),
        }
    }
}

impl Gateway {
    fn is(self, target: VpnTarget) -> bool {
        self == Self::from(target)
    }
}

/// The options of a connection when none are given.
pub fn default_options() -> VpnOptions {
    VpnOptions {
        static_routes_only: false,
        enable_acceleration: false,
        inside_ip_version: InsideIpVersion::Ipv4,
        local_ipv4: Ipv4Net::default(),
        remote_ipv4: Ipv4Net::default(),
        local_ipv6: Ipv6Net::default(),
        remote_ipv6: Ipv6Net::default(),
        outside_address_type: OutsideAddressType::PublicIpv4,
        transport_attachment: None,
        bandwidth: TunnelBandwidth::Standard,
    }
}

/// Makes a connection; the same request for the same two ends finds the one there is.
///
/// # Errors
/// `InvalidOption.Conflict` when the two ends have a connection with other options, `AsnConflict`, `InvalidCidr.InUse`,
/// `InvalidCustomerGateway.DuplicateIpAddress`, `InvalidParameterValue`, `InvalidParameterCombination`,
/// `VpnConnectionLimitExceeded`, `InsufficientAddressCapacity`, `InvalidTransitGatewayAttachmentID.NotFound`, and the ends' not-found errors.
pub fn create(tx: &mut Tx, request: CreateVpnConnection) -> Result<VpnConnectionId, ControlError> {
    let customer = customer_gateways::find(tx, request.customer_gateway)?;
    check_ends(tx, None, &customer, request.gateway)?;
    options::check_connection(&request.options, &customer, request.gateway)?;
    transit::check_transport(tx, &request.options, request.gateway)?;
    for tunnel in &request.tunnels {
        tunnel.check(&request.options, &customer)?;
    }
    if let Some(present) = between(tx, request.customer_gateway, request.gateway) {
        return repeated(&present, &request);
    }
    check_quotas(tx, request.gateway)?;
    let id = tx.new_id();
    let gateway = request.gateway.map(|gateway| join(tx, gateway, id)).transpose()?;
    let tunnels = make_tunnels(tx, &request, &customer)?;
    tx.put(VpnConnection {
        id,
        owner: tx.owner().clone(),
        customer_gateway: customer.id,
        gateway,
        options: request.options,
        tunnels,
        static_routes: Vec::new(),
        created_at: tx.now(),
        deleted_at: None,
        tags: request.tags,
    });
    Ok(id)
}

/// Deletes a connection; it is shown a while longer.
///
/// # Errors
/// `InvalidVpnConnectionID.NotFound`.
pub fn delete(tx: &mut Tx, id: VpnConnectionId) -> Result<(), ControlError> {
    let connection = find(tx, id)?;
    if let Some(gateway) = connection.gateway {
        leave(tx, gateway)?;
    }
    let now = tx.now();
    tx.update::<VpnConnection, _>(&id, |connection| {
        connection.static_routes.clear();
        connection.deleted_at = Some(now);
    })
}

/// Adds a prefix that is behind the customer gateway.
///
/// # Errors
/// `InvalidVpnConnection.InvalidType` unless it is a static connection of a virtual private gateway, `RouteAlreadyExists`,
/// `RouteLimitExceeded`.
pub fn create_route(tx: &mut Tx, id: VpnConnectionId, destination: Ipv4Net) -> Result<(), ControlError> {
    let connection = static_connection(tx, id)?;
    let destination = destination.trunc();
    if connection.static_routes.contains(&destination) {
        let message = format!("The route identified by {destination} already exists on the VPN connection '{id}'.");
        return Err(ControlError::new("RouteAlreadyExists", message));
    }
    let limit = tx.quotas().routes_per_vpn_connection;
    if connection.static_routes.len() >= limit {
        let message = format!("The maximum number of static routes of the VPN connection '{id}' has been reached ({limit}).");
        return Err(ControlError::new("RouteLimitExceeded", message));
    }
    tx.update::<VpnConnection, _>(&id, |connection| connection.static_routes.push(destination))
}

/// Removes such a prefix.
///
/// # Errors
/// `InvalidRoute.NotFound`; else as for [`create_route`].
pub fn delete_route(tx: &mut Tx, id: VpnConnectionId, destination: Ipv4Net) -> Result<(), ControlError> {
    let connection = static_connection(tx, id)?;
    let destination = destination.trunc();
    if !connection.static_routes.contains(&destination) {
        let message = format!("no static route {destination} on the VPN connection '{id}'");
        return Err(ControlError::new("InvalidRoute.NotFound", message));
    }
    tx.update::<VpnConnection, _>(&id, |connection| connection.static_routes.retain(|route| *route != destination))
}

/// The caller's connection, unless it was deleted.
///
/// # Errors
/// `InvalidVpnConnectionID.NotFound`.
pub fn find(tx: &Tx, id: VpnConnectionId) -> Result<Arc<VpnConnection>, ControlError> {
    let connection = tx.find::<VpnConnection>(&id)?;
    if connection.exists() { Ok(connection) } else { Err(VpnConnection::missing(&id)) }
}

/// Forgets connections that were deleted long enough ago.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let over = |connection: &&Arc<VpnConnection>| retention::is_over(connection.deleted_at, SHOWN_FOR_MS, now);
    let old: Vec<_> = tx.network().all::<VpnConnection>().filter(over).map(|connection| connection.id).collect();
    old.iter().for_each(|id| tx.remove::<VpnConnection>(id));
}

/// Checks that a connection may be between the two: for CreateVpnConnection, and for the one that ModifyVpnConnection moves.
fn check_ends(
    tx: &Tx,
    moved: Option<VpnConnectionId>,
    customer: &CustomerGateway,
    gateway: Option<Gateway>,
) -> Result<(), ControlError> {
    let asn = match gateway {
        None => return Ok(()),
        Some(Gateway::VpnGateway(id)) => vpn_gateways::find(tx, id)?.asn,
        Some(Gateway::TransitGateway(id)) => transit::usable_asn(tx, id)?,
    };
    if asn == customer.asn {
        let message = format!("The customer gateway {} and Amazon's gateway have the same ASN: {asn}", customer.id);
        return Err(ControlError::new("AsnConflict", message));
    }
    let Some(Gateway::VpnGateway(id)) = gateway else { return Ok(()) };
    for other in tx.owned::<VpnConnection>().filter(|other| other.is_at(id) && Some(other.id) != moved) {
        let theirs = tx.network().get::<CustomerGateway>(&other.customer_gateway).and_then(|gateway| gateway.address);
        if other.customer_gateway != customer.id && customer.address.is_some() && theirs == customer.address {
            let message = format!(
                "The customer gateway {} has the address of {}, which the connection {} of {id} uses",
                customer.id, other.customer_gateway, other.id
            );
            return Err(ControlError::new("InvalidCustomerGateway.DuplicateIpAddress", message));
        }
    }
    Ok(())
}

fn check_quotas(tx: &Tx, gateway: Option<Gateway>) -> Result<(), ControlError> {
    let exceeded = |text: String| Err(ControlError::new("VpnConnectionLimitExceeded", text));
    let limit = tx.quotas().vpn_connections;
    if tx.owned::<VpnConnection>().filter(|connection| connection.exists()).count() >= limit {
        return exceeded(format!("The maximum number of VPN connections has been reached ({limit})."));
    }
    let limit = tx.quotas().vpn_connections_per_gateway;
    match gateway {
        Some(Gateway::VpnGateway(id)) if tx.owned::<VpnConnection>().filter(|other| other.is_at(id)).count() >= limit => {
            exceeded(format!(
                "The maximum number of VPN connections of the virtual private gateway '{id}' has been reached ({limit})."
            ))
        }
        _ => Ok(()),
    }
}

/// The connection between two ends. Without a gateway at Amazon's end no two are the same.
fn between(tx: &Tx, customer: CustomerGatewayId, gateway: Option<Gateway>) -> Option<Arc<VpnConnection>> {
    let same = |connection: &&Arc<VpnConnection>| {
        let same_gateway = connection.gateway.zip(gateway).is_some_and(|(present, asked)| asked.is(present));
        connection.exists() && connection.customer_gateway == customer && same_gateway
    };
    tx.owned::<VpnConnection>().find(same).cloned()
}

/// The answer to a request for a connection that is there.
fn repeated(present: &VpnConnection, request: &CreateVpnConnection) -> Result<VpnConnectionId, ControlError> {
    let same_tunnels = request.tunnels.iter().zip(&present.tunnels).all(|(asked, present)| asked.would_give(present));
    if same_tunnels && request.options == present.options {
        return Ok(present.id);
    }
    let message = format!("The VPN connection '{}' between the same two gateways has other options.", present.id);
    Err(ControlError::new("InvalidOption.Conflict", message))
}

fn static_connection(tx: &Tx, id: VpnConnectionId) -> Result<Arc<VpnConnection>, ControlError> {
    let connection = find(tx, id)?;
    if connection.options.static_routes_only && matches!(connection.gateway, Some(VpnTarget::VpnGateway(_))) {
        return Ok(connection);
    }
    let message = format!("The VPN connection '{id}' takes no static routes: it uses BGP or isn't at a virtual private gateway.");
    Err(ControlError::new("InvalidVpnConnection.InvalidType", message))
}

fn make_tunnels(tx: &Tx, request: &CreateVpnConnection, customer: &CustomerGateway) -> Result<[VpnTunnel; 2], ControlError> {
    let mut taken = InsideCidrs::taken(tx, None, request.gateway);
    let [first, second] = &request.tunnels;
    // Those that are asked for go first, so that none of them is drawn for the other tunnel.
    for tunnel in [first, second] {
        taken.claim(tunnel.inside_ipv4, tunnel.inside_ipv6)?;
    }
    let mut make = |tunnel: &TunnelRequest, outside_address: IpAddr| {
        let inside_ipv6 = match request.options.inside_ip_version {
            InsideIpVersion::Ipv4 => None,
            InsideIpVersion::Ipv6 => Some(tunnel.inside_ipv6.unwrap_or_else(|| taken.draw_ipv6(tx))),
        };
        let drawn_key = || PreSharedKey::from_random([tx.random(), tx.random(), tx.random(), tx.random()]);
        Ok::<_, ControlError>(VpnTunnel {
            outside_address,
            inside_ipv4: tunnel.inside_ipv4.map_or_else(|| taken.draw_ipv4(tx), Ok)?,
            inside_ipv6,
            pre_shared_key: match customer.certificate {
                Some(_) => None,
                None => Some(tunnel.pre_shared_key.clone().unwrap_or_else(drawn_key)),
            },
            options: tunnel.applied_to(&TunnelOptions::default()),
            status_changed_at: tx.now(),
            replaced_at: None,
        })
    };
    // AWS lists tunnels in the order of their outside addresses; Terraform relies on it.
    let mut outside = outside_addresses(tx, request.options.outside_address_type)?;
    outside.sort();
    Ok([make(first, outside[0])?, make(second, outside[1])?])
}

/// Addresses for Amazon's ends of two tunnels.
fn outside_addresses(tx: &Tx, kind: OutsideAddressType) -> Result<[IpAddr; 2], ControlError> {
    let taken = |address: &IpAddr| {
        let mut tunnels = tx.network().all::<VpnConnection>().filter(|other| other.exists()).flat_map(|other| &other.tunnels);
        tunnels.any(|tunnel| tunnel.outside_address == *address)
    };
    let draw: &dyn Fn() -> IpAddr = match kind {
        OutsideAddressType::PublicIpv4 => {
            let first = addresses::take_public(tx, None)?;
            return Ok([first.into(), addresses::take_public(tx, Some(first))?.into()]);
        }
        OutsideAddressType::PrivateIpv4 => &|| IpAddr::V4(Ipv4Addr::from(PRIVATE_OUTSIDE | (tx.random() & 0x3f_ffff) as u32)),
        OutsideAddressType::Ipv6 => &|| IpAddr::V6(Ipv6Addr::from(u128::from(VPN_IPV6.network()) | u128::from(tx.random()))),
    };
    // Of millions of addresses quotas let a few hundred be in use, so one that is free is soon drawn.
    let mut free = std::iter::repeat_with(draw).filter(|address| !taken(address));
    let full = || ControlError::new("InsufficientAddressCapacity", "There are no free outside addresses for the tunnels");
    let first = free.next().ok_or_else(full)?;
    Ok([first, free.find(|address| *address != first).ok_or_else(full)?])
}

/// 100.64.0.0/10: where private outside addresses come from. They are met only inside Direct Connect.
const PRIVATE_OUTSIDE: u32 = 0x6440_0000;
