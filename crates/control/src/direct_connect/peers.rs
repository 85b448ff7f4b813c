//! BGP sessions of virtual interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use openvpc_model::direct_connect::{AuthKey, BgpPeer, VirtualInterfaceKind};
use openvpc_model::internet::VPN_IPV6;
use openvpc_model::{BgpPeerId, VirtualInterface, VirtualInterfaceId};

use super::interfaces::{find, find_from_either_side};
use super::refused;
use crate::{ControlError, Tx};

/// What a BGP session is asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRequest {
    /// The customer's number.
    pub asn: i64,
    /// The MD5 key; drawn if none is given.
    pub auth_key: Option<AuthKey>,
    /// Whether it is a session over IPv6.
    pub ipv6: bool,
    /// Amazon's address, with the length of the link's prefix.
    pub amazon_address: Option<IpNet>,
    /// The customer's address on the same link.
    pub customer_address: Option<IpNet>,
}

/// Adds a session to a virtual interface: CreateBGPPeer.
///
/// # Errors
/// `DirectConnectClientException` when it has one of the family, or the addresses make no link.
pub fn create(tx: &mut Tx, id: VirtualInterfaceId, request: &PeerRequest) -> Result<BgpPeerId, ControlError> {
    let interface = find(tx, id)?;
    if interface.peers.iter().any(|peer| peer.amazon_address.addr().is_ipv6() == request.ipv6) {
        return Err(refused(format!("Virtual Interface {id} already has a BGP peer of that address family.")));
    }
    let peer = make(tx, &interface.kind, request)?;
    let peer_id = peer.id;
    tx.update::<VirtualInterface, _>(&id, |interface| interface.peers.push(peer))?;
    Ok(peer_id)
}

/// Which session DeleteBGPPeer is to take away: what is given has to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerQuery {
    /// The session's id.
    pub id: Option<BgpPeerId>,
    /// The customer's number.
    pub asn: Option<i64>,
    /// The customer's address.
    pub customer_address: Option<IpNet>,
}

/// Removes a session, but not the last one.
///
/// # Errors
/// `DirectConnectClientException`.
pub fn delete(tx: &mut Tx, id: VirtualInterfaceId, query: PeerQuery) -> Result<BgpPeer, ControlError> {
    let mut interface = (*find_from_either_side(tx, id)?).clone();
    let fits = |peer: &BgpPeer| {
        query.id.is_none_or(|id| id == peer.id)
            && query.asn.is_none_or(|asn| asn == i64::from(peer.asn))
            && query.customer_address.is_none_or(|address| address == peer.customer_address)
    };
    let at = interface.peers.iter().position(fits).ok_or_else(|| refused(format!("The BGP Peer on {id} does not exist.")))?;
    if interface.peers.len() == 1 {
        return Err(refused("The last BGP Peer on a Virtual Interface cannot be deleted"));
    }
    let peer = interface.peers.remove(at);
    tx.put(interface);
    Ok(peer)
}

/// A session with addresses that make a link: those that were asked for, or a block that nobody has.
pub(super) fn make(tx: &Tx, kind: &VirtualInterfaceKind, request: &PeerRequest) -> Result<BgpPeer, ControlError> {
    let asn = u32::try_from(request.asn).ok().filter(|asn| (1..=4_294_967_294).contains(asn));
    let asn = asn.ok_or_else(|| refused(format!("ASN {} is not valid: use 1 to 4294967294.", request.asn)))?;
    let (amazon_address, customer_address) = match (request.amazon_address, request.customer_address) {
        (Some(amazon), Some(customer)) => {
            check_link(amazon, customer, request.ipv6)?;
            (amazon, customer)
        }
        (None, None) if request.ipv6 => draw_ipv6(tx),
        (None, None) if matches!(kind, VirtualInterfaceKind::Public { .. }) => {
            return Err(refused("A public virtual interface needs amazonAddress and customerAddress for IPv4."));
        }
        (None, None) => draw_ipv4(tx)?,
        _ => return Err(refused("Give both amazonAddress and customerAddress, or neither.")),
    };
    let drawn_key = || AuthKey::from_random([tx.random(), tx.random(), tx.random()]);
    Ok(BgpPeer {
        id: BgpPeerId::from_random(tx.random()),
        asn,
        auth_key: request.auth_key.clone().unwrap_or_else(drawn_key),
        amazon_address,
        customer_address,
    })
}

fn check_link(amazon: IpNet, customer: IpNet, ipv6: bool) -> Result<(), ControlError> {
    if ipv6 {
        return Err(refused("IPv6 peer addresses are assigned by AWS and can't be given."));
    }
    let invalid = || refused(format!("{amazon} and {customer} are not two addresses of one IPv4 link."));
    let (IpNet::V4(a), IpNet::V4(c)) = (amazon, customer) else { return Err(invalid()) };
    // A link of two addresses has no others (RFC 3021); longer ones keep their first and last.
    let is_host = |net: Ipv4Net| net.prefix_len() == 31 || (net.addr() != net.network() && net.addr() != net.broadcast());
    let length_fits = (16..=31).contains(&a.prefix_len()) && a.prefix_len() == c.prefix_len();
    if length_fits && a.network() == c.network() && a.addr() != c.addr() && is_host(a) && is_host(c) {
        return Ok(());
    }
    Err(invalid())
}

/// Two addresses of a free /29 of 169.254.0.0/16. The one with the instance metadata service isn't drawn.
fn draw_ipv4(tx: &Tx) -> Result<(IpNet, IpNet), ControlError> {
    const METADATA: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 169, 0), 24);
    let first = tx.random();
    let block = |step: u64| {
        let at = (first.wrapping_add(step) & 0x1fff) as u32;
        Ipv4Net::new_assert(Ipv4Addr::from(0xa9fe_0000 | at << 3), 29)
    };
    let free = |block: &Ipv4Net| !METADATA.contains(block) && !is_taken(tx, IpNet::V4(*block));
    let block = (0..1 << 13).map(block).find(free).ok_or_else(|| refused("No link-local block is free for the BGP peer."))?;
    let host = |number: u32| {
        let address = Ipv4Addr::from(u32::from(block.network()) + number);
        IpNet::V4(Ipv4Net::new_assert(address, 29))
    };
    Ok((host(1), host(2)))
}

/// Two addresses of a free /125 of Amazon's.
fn draw_ipv6(tx: &Tx) -> (IpNet, IpNet) {
    loop {
        let network = u128::from(VPN_IPV6.network()) | 1 << 64 | u128::from(tx.random() & !7);
        let host = |number: u128| IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from(network + number), 125));
        // One of 2^61 blocks: the second draw is free if the first isn't.
        if !is_taken(tx, host(1).trunc()) {
            return (host(1), host(2));
        }
    }
}

fn is_taken(tx: &Tx, block: IpNet) -> bool {
    let overlaps = |address: IpAddr| block.contains(&address);
    let mut interfaces = tx.network().all::<VirtualInterface>().filter(|interface| interface.deleted_at.is_none());
    interfaces.any(|interface| interface.peers.iter().any(|peer| overlaps(peer.amazon_address.addr())))
}
