//! DHCPv6.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::writer::Writer;
use super::{Asked, Client};
use crate::wire::datagram::{Datagram, udp_frame};

/// The server's port.
pub(super) const SERVER: u16 = 547;
const CLIENT: u16 = 546;

/// All servers and relays on a link.
pub(super) const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Answers a message.
pub(super) fn answer(client: &Client<'_>, datagram: &Datagram<'_>, out: &mut [u8]) -> Asked {
    // Whoever asks has a link-local address; there are no relays in a subnet.
    let IpAddr::V6(asker) = datagram.from.ip() else { return Asked::Malformed };
    let Some(request) = Request::parse(datagram.payload).filter(|_| asker.is_unicast_link_local()) else {
        return Asked::Malformed;
    };
    let duid = duid(client);
    let names_us = request.server.is_some_and(|server| server == duid);
    let (kind, names_server) = match request.kind {
        kind::SOLICIT if request.rapid_commit => (kind::REPLY, false),
        kind::SOLICIT => (kind::ADVERTISE, false),
        kind::CONFIRM | kind::REBIND => (kind::REPLY, false),
        kind::REQUEST | kind::RENEW | kind::RELEASE | kind::DECLINE => (kind::REPLY, true),
        // May name a server, but then it must be this one.
        kind::INFORMATION_REQUEST => (kind::REPLY, request.server.is_some()),
        _ => return Asked::Silence,
    };
    let is_for_us = if names_server { names_us } else { request.server.is_none() };
    if !is_for_us || (request.client.is_none() && request.kind != kind::INFORMATION_REQUEST) {
        return Asked::Silence;
    }

    let mut message = Writer::new();
    message.put(&[kind]);
    message.put(&request.transaction);
    if let Some(id) = request.client {
        message.option6(code::CLIENT, id);
    }
    message.option6(code::SERVER, &duid);
    match request.kind {
        kind::SOLICIT | kind::REQUEST | kind::RENEW | kind::REBIND => {
            if request.kind == kind::SOLICIT {
                match request.rapid_commit {
                    true => message.option6(code::RAPID_COMMIT, &[]),
                    false => message.option6(code::PREFERENCE, &[u8::MAX]),
                }
            }
            for association in associations(request.options) {
                put_association(&mut message, client, &association);
            }
        }
        kind::CONFIRM => {
            let is_here = |address: Ipv6Addr| client.subnet.contains(address.into());
            let mut addresses = associations(request.options).flat_map(|association| association.addresses()).peekable();
            if addresses.peek().is_none() {
                return Asked::Silence;
            }
            let status = if addresses.all(is_here) { status::SUCCESS } else { status::NOT_ON_LINK };
            message.option6(code::STATUS, &status.to_be_bytes());
        }
        kind::RELEASE | kind::DECLINE => message.option6(code::STATUS, &status::SUCCESS.to_be_bytes()),
        _ => {}
    }
    put_settings(&mut message, client);
    let from = SocketAddr::new(client.router.link_local().into(), SERVER);
    let to = SocketAddr::new(asker.into(), CLIENT);
    udp_frame((client.eni.mac, client.router), from, to, message.bytes(), out).map_or(Asked::Silence, Asked::Answer)
}

/// The address that an interface is offered, and that those are void that it has besides.
fn put_association(message: &mut Writer, client: &Client<'_>, association: &Association<'_>) {
    let preferred = client.settings.ipv6_preferred_lifetime();
    let mut inner = Writer::new();
    let own = client.ipv6();
    inner.put(&association.id);
    let (renew, rebind) = if own.is_some() { (preferred / 2, preferred / 5 * 4) } else { (0, 0) };
    inner.put(&renew.to_be_bytes());
    inner.put(&rebind.to_be_bytes());
    let mut put_address = |address: Ipv6Addr, preferred: u32, valid: u32| {
        let mut value = [0; 24];
        value[..16].copy_from_slice(&address.octets());
        value[16..20].copy_from_slice(&preferred.to_be_bytes());
        value[20..].copy_from_slice(&valid.to_be_bytes());
        inner.option6(code::ADDRESS, &value);
    };
    if let Some(own) = own {
        put_address(own, preferred, preferred.saturating_add(VALID_LONGER));
    }
    for other in association.addresses().filter(|address| Some(*address) != own).take(MOST) {
        put_address(other, 0, 0);
    }
    if own.is_none() {
        inner.option6(code::STATUS, &status::NO_ADDRESSES.to_be_bytes());
    }
    message.option6(code::ASSOCIATION, inner.bytes());
}

/// Servers and domains, for those alone whom DHCPv4 doesn't tell. See "What is DHCP?" in the VPC User Guide.
fn put_settings(message: &mut Writer, client: &Client<'_>) {
    if !client.is_ipv6_only() {
        return;
    }
    let mut servers = Writer::new();
    for server in client.settings.resolvers(true) {
        if let IpAddr::V6(server) = server {
            servers.put(&server.octets());
        }
    }
    if !servers.bytes().is_empty() {
        message.option6(code::DNS, servers.bytes());
    }
    let mut names = Writer::new();
    for domain in client.settings.domains() {
        put_name(&mut names, domain);
    }
    if !names.bytes().is_empty() {
        message.option6(code::DOMAINS, names.bytes());
    }
}

/// A name as DNS writes it; nothing for what isn't one.
fn put_name(names: &mut Writer, domain: &str) {
    let labels = || domain.trim_end_matches('.').split('.');
    if labels().any(|label| !(1..=63).contains(&label.len())) {
        return;
    }
    let mut name = Writer::new();
    for label in labels() {
        name.put(&[label.len() as u8]);
        name.put(label.as_bytes());
    }
    name.put(&[0]);
    names.put(name.bytes());
}

/// The server's identifier: of type 3, its hardware address (RFC 8415, 11.4).
fn duid(client: &Client<'_>) -> [u8; 10] {
    let [a, b, c, d, e, f] = client.router.0;
    [0, 3, 0, 1, a, b, c, d, e, f]
}

/// What of a request counts.
struct Request<'a> {
    kind: u8,
    transaction: [u8; 3],
    client: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
    rapid_commit: bool,
    options: &'a [u8],
}

impl<'a> Request<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let ([kind, transaction @ ..], options) = message.split_first_chunk::<4>()?;
        let mut request =
            Self { kind: *kind, transaction: *transaction, client: None, server: None, rapid_commit: false, options };
        for option in Options(options) {
            let (code, value) = option?;
            match code {
                code::CLIENT if (1..=MOST_OF_AN_ID).contains(&value.len()) => request.client = Some(value),
                code::CLIENT => return None,
                code::SERVER => request.server = Some(value),
                code::RAPID_COMMIT => request.rapid_commit = true,
                code::ASSOCIATION if value.len() < ASSOCIATION => return None,
                _ => {}
            }
        }
        Some(request)
    }
}

/// An association of addresses that a client asks for.
struct Association<'a> {
    id: [u8; 4],
    options: &'a [u8],
}

impl<'a> Association<'a> {
    /// The addresses that the client names.
    fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        let options = Options(self.options).map_while(|option| option).filter(|(code, _)| *code == code::ADDRESS);
        options.filter_map(|(_, value)| Some(Ipv6Addr::from(*value.first_chunk::<16>()?)))
    }
}

/// Those among the options of a message, a few at most.
fn associations(options: &[u8]) -> impl Iterator<Item = Association<'_>> {
    let options = Options(options).map_while(|option| option).filter(|(code, _)| *code == code::ASSOCIATION);
    let associations = options.filter_map(|(_, value)| {
        let (header, options) = value.split_first_chunk::<ASSOCIATION>()?;
        Some(Association { id: *header.first_chunk()?, options })
    });
    associations.take(MOST)
}

/// Options, one behind the other; none in place of one that is cut off, and behind it nothing.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = |bytes: &'a [u8]| {
            let ([a, b, c, d], rest) = bytes.split_first_chunk::<4>()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))?;
            Some((u16::from_be_bytes([*a, *b]), value, rest))
        };
        let found = read(self.0);
        self.0 = found.map_or(&[], |(.., rest)| rest);
        Some(found.map(|(code, value, _)| (code, value)))
    }
}

mod kind {
    pub(super) const SOLICIT: u8 = 1;
    pub(super) const ADVERTISE: u8 = 2;
    pub(super) const REQUEST: u8 = 3;
    pub(super) const CONFIRM: u8 = 4;
    pub(super) const RENEW: u8 = 5;
    pub(super) const REBIND: u8 = 6;
    pub(super) const REPLY: u8 = 7;
    pub(super) const RELEASE: u8 = 8;
    pub(super) const DECLINE: u8 = 9;
    pub(super) const INFORMATION_REQUEST: u8 = 11;
}

mod code {
    pub(super) const CLIENT: u16 = 1;
    pub(super) const SERVER: u16 = 2;
    pub(super) const ASSOCIATION: u16 = 3;
    pub(super) const ADDRESS: u16 = 5;
    pub(super) const PREFERENCE: u16 = 7;
    pub(super) const STATUS: u16 = 13;
    pub(super) const RAPID_COMMIT: u16 = 14;
    pub(super) const DNS: u16 = 23;
    pub(super) const DOMAINS: u16 = 24;
}

mod status {
    pub(super) const SUCCESS: u16 = 0;
    pub(super) const NO_ADDRESSES: u16 = 2;
    pub(super) const NOT_ON_LINK: u16 = 4;
}

/// Bytes of an association in front of its options: its number and two times.
const ASSOCIATION: usize = 12;
/// Associations of a request, and addresses of an association, that are looked at.
const MOST: usize = 4;
/// Bytes of a client's identifier (RFC 8415, 11.1).
const MOST_OF_AN_ID: usize = 130;
/// Seconds that an address stays valid after it is no longer preferred.
const VALID_LONGER: u32 = 310;
