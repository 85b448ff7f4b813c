//! DHCPv4.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::Ipv4Net;
use openvpc_model::interface::MacAddress;

use super::writer::Writer;
use super::{Asked, Client};
use crate::compile::MTU;
use crate::wire::datagram::{Datagram, udp_frame};

/// The server's port.
pub(super) const SERVER: u16 = 67;
const CLIENT: u16 = 68;

/// Answers a message.
pub(super) fn answer(client: &Client<'_>, datagram: &Datagram<'_>, out: &mut [u8]) -> Asked {
    let Some(request) = Request::parse(datagram.payload).filter(|request| request.mac == client.eni.mac) else {
        return Asked::Malformed;
    };
    let Some((own, length)) = client.ipv4() else { return Asked::Silence };
    // A client that took another server's offer says so.
    if request.server.is_some_and(|server| server != client.server()) {
        return Asked::Silence;
    }
    let kind = match request.kind {
        Some(kind::DISCOVER) => kind::OFFER,
        Some(kind::REQUEST) => {
            let wanted = request.wanted.unwrap_or(request.client);
            if wanted == own && (request.client.is_unspecified() || request.client == own) { kind::ACK } else { kind::NAK }
        }
        Some(kind::INFORM) if request.client == own => kind::ACK,
        _ => return Asked::Silence,
    };
    let gives_address = kind != kind::NAK && request.kind != Some(kind::INFORM);

    let mut message = Writer::new();
    let header = &datagram.payload[..HEADER];
    message.put(&[REPLY, ETHERNET, MAC_LEN, 0]);
    message.put(&header[field::XID..field::XID + 4]);
    message.put(&[0, 0]);
    message.put(&header[field::FLAGS..field::FLAGS + 2]);
    message.put(&if kind == kind::ACK { request.client } else { Ipv4Addr::UNSPECIFIED }.octets());
    message.put(&if gives_address { own } else { Ipv4Addr::UNSPECIFIED }.octets());
    // No next server, no relay.
    message.put(&[0; 8]);
    message.put(&header[field::MAC..field::MAC + 16]);
    message.put(&[0; 192]);
    message.put(&MAGIC);
    message.option4(code::KIND, &[kind]);
    message.option4(code::SERVER, &client.server().octets());
    if kind != kind::NAK {
        if gives_address {
            message.option4(code::LEASE, &LEASE.to_be_bytes());
        }
        put_settings(&mut message, client, own, length);
    }
    message.put(&[code::END]);

    let is_unicast = !request.wants_broadcast() && kind != kind::NAK;
    let (address, mac) = match (kind, is_unicast) {
        (kind::ACK, _) if !request.client.is_unspecified() => (request.client, client.eni.mac),
        (_, true) => (own, client.eni.mac),
        (_, false) => (Ipv4Addr::BROADCAST, MacAddress([0xff; 6])),
    };
    let (from, to) = (SocketAddr::new(client.server().into(), SERVER), SocketAddr::new(address.into(), CLIENT));
    udp_frame((mac, client.router), from, to, message.bytes(), out).map_or(Asked::Silence, Asked::Answer)
}

/// Everything but the address: what EC2 gives by itself, and what the VPC's option set says.
fn put_settings(message: &mut Writer, client: &Client<'_>, own: Ipv4Addr, length: u8) {
    let settings = &client.settings;
    if let Ok(net) = Ipv4Net::new(own, length) {
        message.option4(code::SUBNET_MASK, &net.netmask().octets());
        message.option4(code::BROADCAST, &net.broadcast().octets());
    }
    if let Some(router) = client.subnet.ipv4_router() {
        message.option4(code::ROUTER, &router.octets());
    }
    let resolvers = settings.resolvers(client.is_ipv6_only());
    put_addresses(message, code::DNS, resolvers.into_iter());
    message.option4(code::HOSTNAME, client.hostname().as_bytes());
    message.option4(code::DOMAIN, settings.domains().join(" ").as_bytes());
    message.option4(code::MTU, &MTU.to_be_bytes());
    put_addresses(message, code::NTP, settings.addresses("ntp-servers"));
    put_addresses(message, code::NETBIOS_NAME_SERVERS, settings.addresses("netbios-name-servers"));
    if let Some(node_type) = settings.values("netbios-node-type").first().and_then(|value| value.parse::<u8>().ok()) {
        message.option4(code::NETBIOS_NODE_TYPE, &[node_type]);
    }
}

/// Addresses of this family, eight at most.
fn put_addresses(message: &mut Writer, code: u8, addresses: impl Iterator<Item = IpAddr>) {
    let mut value = [0; 32];
    let mut length = 0;
    let ipv4 = addresses.filter_map(|address| match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    for (place, address) in value.chunks_exact_mut(4).zip(ipv4) {
        place.copy_from_slice(&address.octets());
        length += 4;
    }
    message.option4(code, &value[..length]);
}

/// What of a request counts.
struct Request {
    kind: Option<u8>,
    flags: u16,
    /// `ciaddr`: the address that the client has already.
    client: Ipv4Addr,
    mac: MacAddress,
    /// The address that it asks for.
    wanted: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
}

impl Request {
    fn parse(message: &[u8]) -> Option<Self> {
        let (header, options) = message.split_at_checked(HEADER + MAGIC.len())?;
        let is_request = header[..3] == [REQUEST, ETHERNET, MAC_LEN] && header[HEADER..] == MAGIC;
        let client: [u8; 4] = *header[field::CLIENT..].first_chunk()?;
        let mac: [u8; 6] = *header[field::MAC..].first_chunk()?;
        let flags = u16::from_be_bytes(*header[field::FLAGS..].first_chunk()?);
        let mut request = Self { kind: None, flags, client: client.into(), mac: MacAddress(mac), wanted: None, server: None };
        let mut rest = options;
        while let Some((code, behind)) = rest.split_first() {
            rest = match *code {
                code::PAD => behind,
                code::END => break,
                code => {
                    let (length, behind) = behind.split_first()?;
                    let (value, behind) = behind.split_at_checked(usize::from(*length))?;
                    let address = || <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
                    match code {
                        code::KIND => request.kind = value.first().copied(),
                        code::WANTED => request.wanted = Some(address()?),
                        code::SERVER => request.server = Some(address()?),
                        _ => {}
                    }
                    behind
                }
            };
        }
        is_request.then_some(request)
    }

    fn wants_broadcast(&self) -> bool {
        self.flags & 0x8000 != 0
    }
}

/// Bytes in front of the magic number, and places there.
const HEADER: usize = 236;

mod field {
    pub(super) const XID: usize = 4;
    pub(super) const FLAGS: usize = 10;
    pub(super) const CLIENT: usize = 12;
    pub(super) const MAC: usize = 28;
}

mod kind {
    pub(super) const DISCOVER: u8 = 1;
    pub(super) const OFFER: u8 = 2;
    pub(super) const REQUEST: u8 = 3;
    pub(super) const ACK: u8 = 5;
    pub(super) const NAK: u8 = 6;
    pub(super) const INFORM: u8 = 8;
}

/// Options (RFC 2132).
mod code {
    pub(super) const PAD: u8 = 0;
    pub(super) const SUBNET_MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const HOSTNAME: u8 = 12;
    pub(super) const DOMAIN: u8 = 15;
    pub(super) const MTU: u8 = 26;
    pub(super) const BROADCAST: u8 = 28;
    pub(super) const NTP: u8 = 42;
    pub(super) const NETBIOS_NAME_SERVERS: u8 = 44;
    pub(super) const NETBIOS_NODE_TYPE: u8 = 46;
    pub(super) const WANTED: u8 = 50;
    pub(super) const LEASE: u8 = 51;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const END: u8 = 255;
}

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const MAC_LEN: u8 = 6;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// Seconds that an address is given for, as EC2 gives it.
const LEASE: u32 = 3600;
