//! Virtual interfaces.

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::direct_connect::{BgpPeer, Port, PrivateTarget, VirtualInterfaceKind};
use openvpc_model::{
    AccountId, DirectConnectConnection, DirectConnectGatewayId, Network, Owner, Tags, VirtualInterface, VirtualInterfaceId,
    VpnGateway,
};

use super::peers::{self, PeerRequest};
use super::{check_name, connections, gateway_of, gateways, owned_port, refused};
use crate::{ControlError, Missing, Tx, vpn_gateways};

/// Virtual interfaces of a dedicated connection: private and public ones, transit ones, all together.
const MOST: (usize, usize, usize) = (50, 4, 51);

/// Amazon's number in BGP on public virtual interfaces.
const PUBLIC_ASN: u32 = 7_224;

/// What a virtual interface is asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateInterface {
    /// The caller's connection or group that is to carry it.
    pub port: Port,
    /// The account that is to own and has to confirm it; none for the caller.
    pub account: Option<AccountId>,
    /// The user's name for it.
    pub name: String,
    /// The VLAN.
    pub vlan: i32,
    /// What it leads to.
    pub kind: VirtualInterfaceKind,
    /// Its BGP session.
    pub peer: PeerRequest,
    /// Tags.
    pub tags: Tags,
}

/// Makes a virtual interface.
///
/// # Errors
/// `DirectConnectClientException` for a VLAN that is out of range or in use, addresses that make no link, a gateway that
/// doesn't exist, an MTU that the kind doesn't have, no public prefixes, too many interfaces.
pub fn create(tx: &mut Tx, request: CreateInterface) -> Result<VirtualInterfaceId, ControlError> {
    check_name(&request.name)?;
    check_port(tx, request.port, &request.kind)?;
    let vlan = u16::try_from(request.vlan).ok().filter(|vlan| (1..=4094).contains(vlan));
    let vlan = vlan.ok_or_else(|| refused(format!("VLAN {} is not valid: use 1 to 4094.", request.vlan)))?;
    check_vlan_free(tx, request.port, vlan)?;
    check_kind(tx, &request.kind, request.account.is_none())?;
    let peer = peers::make(tx, &request.kind, &request.peer)?;
    let id = VirtualInterfaceId::from_random(tx.random());
    let caller = tx.owner().clone();
    tx.put(VirtualInterface {
        id,
        owner: Owner { account: request.account.unwrap_or(caller.account), region: caller.region },
        port: request.port,
        port_account: caller.account,
        name: request.name,
        vlan,
        kind: request.kind,
        peers: vec![peer],
        unconfirmed: request.account.is_some(),
        created_at: tx.now(),
        deleted_at: None,
        tags: request.tags,
    });
    Ok(id)
}

/// Accepts a virtual interface that another account allocated; a private or transit one is attached to a gateway.
///
/// # Errors
/// `DirectConnectClientException` unless it waits for that and is of that kind, or when the gateway doesn't exist.
pub fn confirm(tx: &mut Tx, id: VirtualInterfaceId, to: Confirmation) -> Result<(), ControlError> {
    let mut interface = (*find(tx, id)?).clone();
    if !interface.unconfirmed {
        return Err(refused(format!("Virtual Interface {id} is not in the confirming state.")));
    }
    match (&mut interface.kind, to) {
        (VirtualInterfaceKind::Private { to, .. }, Confirmation::Private(target)) => *to = Some(target),
        (VirtualInterfaceKind::Transit { to, .. }, Confirmation::Transit(gateway)) => *to = Some(gateway),
        (VirtualInterfaceKind::Public { .. }, Confirmation::Public) => {}
        (kind, _) => return Err(refused(format!("Virtual Interface {id} is a {} one.", kind.as_str()))),
    }
    check_kind(tx, &interface.kind, true)?;
    interface.unconfirmed = false;
    tx.put(interface);
    Ok(())
}

/// What an allocated interface is confirmed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// A private one, and its gateway.
    Private(PrivateTarget),
    /// A public one.
    Public,
    /// A transit one, and its gateway.
    Transit(DirectConnectGatewayId),
}

/// Deletes a virtual interface, as its owner or that of its connection.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn delete(tx: &mut Tx, id: VirtualInterfaceId) -> Result<(), ControlError> {
    let mut interface = (*find_from_either_side(tx, id)?).clone();
    interface.deleted_at = Some(tx.now());
    tx.put(interface);
    Ok(())
}

/// Moves a virtual interface to another connection or group of the caller: AssociateVirtualInterface.
///
/// # Errors
/// `DirectConnectClientException` when its VLAN is in use there.
pub fn move_one(tx: &mut Tx, id: VirtualInterfaceId, port: Port) -> Result<(), ControlError> {
    let interface = find(tx, id)?;
    if interface.port == port {
        return Ok(());
    }
    check_port(tx, port, &interface.kind)?;
    check_vlan_free(tx, port, interface.vlan)?;
    let account = tx.owner().account;
    tx.update::<VirtualInterface, _>(&id, |interface| (interface.port, interface.port_account) = (port, account))
}

/// What UpdateVirtualInterfaceAttributes changes; what isn't given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateInterface {
    /// The largest packet in bytes.
    pub mtu: Option<u16>,
    /// Whether sites may reach each other through it.
    pub site_link: Option<bool>,
    /// The user's name for it.
    pub name: Option<String>,
}

/// Changes a virtual interface.
///
/// # Errors
/// `DirectConnectClientException` for a public one, or an MTU that the kind doesn't have.
pub fn update(tx: &mut Tx, id: VirtualInterfaceId, request: UpdateInterface) -> Result<(), ControlError> {
    let mut interface = (*find(tx, id)?).clone();
    if let Some(name) = request.name {
        check_name(&name)?;
        interface.name = name;
    }
    match &mut interface.kind {
        VirtualInterfaceKind::Private { mtu, site_link, .. } | VirtualInterfaceKind::Transit { mtu, site_link, .. } => {
            *mtu = request.mtu.unwrap_or(*mtu);
            *site_link = request.site_link.unwrap_or(*site_link);
        }
        VirtualInterfaceKind::Public { .. } if request.mtu.is_some() || request.site_link.is_some() => {
            return Err(refused(format!("Virtual Interface {id} is a public one and has neither MTU nor SiteLink.")));
        }
        VirtualInterfaceKind::Public { .. } => {}
    }
    check_mtu(&interface.kind)?;
    tx.put(interface);
    Ok(())
}

/// The caller's virtual interface, unless it was deleted.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn find(tx: &Tx, id: VirtualInterfaceId) -> Result<Arc<VirtualInterface>, ControlError> {
    let interface = tx.find::<VirtualInterface>(&id)?;
    if interface.deleted_at.is_some() { Err(VirtualInterface::missing(&id)) } else { Ok(interface) }
}

/// The virtual interfaces that an account sees in a region: its own, and those on its connections.
pub fn visible<'a>(network: &'a Network, viewer: &'a Owner) -> impl Iterator<Item = &'a Arc<VirtualInterface>> {
    network.all::<VirtualInterface>().filter(move |interface| is_visible(interface, viewer))
}

/// Amazon's number in BGP.
pub fn amazon_asn(network: &Network, interface: &VirtualInterface) -> Option<u32> {
    if let VirtualInterfaceKind::Public { .. } = interface.kind {
        return Some(PUBLIC_ASN);
    }
    let direct = interface.gateway().and_then(|id| network.direct_connect_gateways.get(&id)).map(|gateway| gateway.asn);
    direct.or_else(|| network.get::<VpnGateway>(&interface.vpn_gateway()?).map(|gateway| gateway.asn))
}

/// `customerRouterConfig`: the XML document for whoever sets up the router. It holds the MD5 keys, so it must not be logged.
pub fn router_configuration(network: &Network, interface: &VirtualInterface) -> String {
    let mut lines = vec![
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned(),
        format!("<logical_connection id=\"{}\">", interface.id),
        format!("  <vlan>{}</vlan>", interface.vlan),
    ];
    for BgpPeer { customer_address, amazon_address, asn, auth_key, .. } in &interface.peers {
        let family = if customer_address.addr().is_ipv6() { "ipv6_" } else { "" };
        lines.push(format!("  <{family}customer_address>{customer_address}</{family}customer_address>"));
        lines.push(format!("  <{family}amazon_address>{amazon_address}</{family}amazon_address>"));
        lines.push(format!("  <{family}bgp_asn>{asn}</{family}bgp_asn>"));
        // Keys are users' texts: only they can hold characters that XML wants escaped.
        let key = auth_key.secret().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        lines.push(format!("  <{family}bgp_auth_key>{key}</{family}bgp_auth_key>"));
    }
    lines.extend(amazon_asn(network, interface).map(|asn| format!("  <amazon_bgp_asn>{asn}</amazon_bgp_asn>")));
    lines.push(format!("  <connection_type>{}</connection_type>", interface.kind.as_str()));
    lines.push("</logical_connection>\n".to_owned());
    lines.join("\n")
}

pub(super) fn is_visible(interface: &VirtualInterface, viewer: &Owner) -> bool {
    let accounts = [interface.owner.account, interface.port_account];
    interface.owner.region == viewer.region && accounts.contains(&viewer.account)
}

pub(super) fn find_from_either_side(tx: &Tx, id: VirtualInterfaceId) -> Result<Arc<VirtualInterface>, ControlError> {
    let interface = tx.network().get::<VirtualInterface>(&id);
    let interface = interface.filter(|interface| interface.deleted_at.is_none() && is_visible(interface, tx.owner()));
    interface.cloned().ok_or_else(|| VirtualInterface::missing(&id))
}

pub(super) fn check_vlan_free(tx: &Tx, port: Port, vlan: u16) -> Result<(), ControlError> {
    let hosted = |connection: &Arc<DirectConnectConnection>| {
        let host = connection.host.as_ref().filter(|host| host.parent == port && host.vlan == vlan);
        host.is_some() && connection.deleted_at.is_none()
    };
    let taken = on(tx.network(), port).any(|interface| interface.vlan == vlan)
        || tx.network().all::<DirectConnectConnection>().any(hosted);
    if !(1..=4094).contains(&vlan) {
        return Err(refused(format!("VLAN {vlan} is not valid: use 1 to 4094.")));
    }
    if taken {
        return Err(refused(format!("VLAN {vlan} is already in use on {port}.")));
    }
    Ok(())
}

/// Moves all virtual interfaces from a connection to the group that it becomes a part of.
pub(super) fn move_all(tx: &mut Tx, from: Port, to: Port) -> Result<(), ControlError> {
    let moving: Vec<_> = on(tx.network(), from).map(|interface| (**interface).clone()).collect();
    for mut interface in moving {
        check_vlan_free(tx, to, interface.vlan)?;
        interface.port = to;
        tx.put(interface);
    }
    Ok(())
}

fn on(network: &Network, port: Port) -> impl Iterator<Item = &Arc<VirtualInterface>> {
    network.all::<VirtualInterface>().filter(move |interface| interface.deleted_at.is_none() && interface.port == port)
}

/// Whether the caller may put one more interface of that kind on a port.
fn check_port(tx: &Tx, port: Port, kind: &VirtualInterfaceKind) -> Result<(), ControlError> {
    owned_port(tx, port)?;
    let all = on(tx.network(), port).count();
    if let Port::Connection(id) = port {
        let connection = connections::find(tx, id)?;
        if let Some(lag) = connection.lag {
            return Err(refused(format!("Connection {id} is a part of LAG {lag}; use the LAG.")));
        }
        if connection.is_unconfirmed() {
            return Err(refused(format!("Connection {id} is not available: confirm it first.")));
        }
        if connection.host.is_some() && all >= 1 {
            return Err(refused(format!("Hosted connection {id} has its one virtual interface.")));
        }
    }
    let transit = on(tx.network(), port).filter(|other| matches!(other.kind, VirtualInterfaceKind::Transit { .. })).count();
    let is_transit = matches!(kind, VirtualInterfaceKind::Transit { .. });
    let (same, most) = if is_transit { (transit, MOST.1) } else { (all - transit, MOST.0) };
    if same >= most || all >= MOST.2 {
        return Err(refused(format!("{port} has {same} virtual interfaces of that kind, which is the most.")));
    }
    Ok(())
}

/// Checks what an interface leads to. An allocated one gets its gateway when it is confirmed.
fn check_kind(tx: &Tx, kind: &VirtualInterfaceKind, confirmed: bool) -> Result<(), ControlError> {
    check_mtu(kind)?;
    let gateway = match kind {
        VirtualInterfaceKind::Public { prefixes } => return check_public(prefixes),
        VirtualInterfaceKind::Private { to: None, .. } | VirtualInterfaceKind::Transit { to: None, .. } => {
            return if confirmed {
                Err(refused("A virtual gateway ID or Direct Connect gateway ID is required."))
            } else {
                Ok(())
            };
        }
        VirtualInterfaceKind::Private { to: Some(PrivateTarget::VpnGateway(id)), .. } => {
            vpn_gateways::find(tx, *id).map_err(|_| refused(format!("Virtual Gateway {id} does not exist.")))?;
            return Ok(());
        }
        VirtualInterfaceKind::Private { to: Some(PrivateTarget::Gateway(id)), .. } => *id,
        VirtualInterfaceKind::Transit { to: Some(id), .. } => *id,
    };
    gateway_of(tx.network(), tx.owner().account, gateway)?;
    let limit = tx.quotas().interfaces_per_direct_connect_gateway;
    if gateways::attached(tx.network(), gateway).count() >= limit {
        return Err(refused(format!("Direct Connect Gateway {gateway} has {limit} virtual interfaces, which is the most.")));
    }
    Ok(())
}

fn check_mtu(kind: &VirtualInterfaceKind) -> Result<(), ControlError> {
    let (mtu, allowed): (u16, &[u16]) = match kind {
        VirtualInterfaceKind::Private { mtu, .. } => (*mtu, &[1500, 8500, 9001]),
        VirtualInterfaceKind::Transit { mtu, .. } => (*mtu, &[1500, 8500]),
        VirtualInterfaceKind::Public { .. } => return Ok(()),
    };
    if allowed.contains(&mtu) {
        return Ok(());
    }
    Err(refused(format!("MTU {mtu} is not valid for a {} virtual interface: use one of {allowed:?}.", kind.as_str())))
}

/// A public interface announces addresses of the internet.
fn check_public(prefixes: &[IpNet]) -> Result<(), ControlError> {
    if prefixes.is_empty() {
        return Err(refused("At least one route filter prefix is required for a public virtual interface."));
    }
    let is_private = |prefix: &&IpNet| match prefix {
        IpNet::V4(block) => block.network().is_private() || block.network().is_loopback() || block.network().is_link_local(),
        IpNet::V6(block) => block.network().segments()[0] & 0xfe00 == 0xfc00 || block.network().is_unicast_link_local(),
    };
    match prefixes.iter().find(is_private) {
        Some(prefix) => Err(refused(format!("Route filter prefix {prefix} is not public."))),
        None => Ok(()),
    }
}
