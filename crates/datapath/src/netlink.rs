//! Links, addresses and routes of one network namespace, over rtnetlink.
//!
//! This is the only module that speaks netlink. It builds messages with the `rtnetlink` crate and exchanges them on a
//! blocking socket of its own: the kernel answers a route request within the system call that carries it, so there is
//! nothing to wait for and no runtime to carry. The socket is opened inside the namespace and stays there, whichever
//! thread uses it.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use openvpc_model::interface::MacAddress;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    State,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rtnetlink::{AddressMessageBuilder, LinkUnspec, RouteMessageBuilder};
use serde::{Deserialize, Serialize};

use crate::DatapathError;
use crate::error::Attempt;
use crate::namespace::NetNs;
use crate::offloads;

mod policy;

pub(crate) use policy::PairSpec;

/// A link's number in its namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkIndex(pub u32);

/// A link as the kernel lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its number in this namespace.
    pub index: LinkIndex,
    /// Its name in this namespace.
    pub name: String,
    /// Its hardware address, if it has one of six octets.
    pub mac: Option<MacAddress>,
    /// The largest packet it carries without segmentation, in bytes without the Ethernet header.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether it is up and so is its other side (RFC 2863's operational state).
    pub running: bool,
    /// The number of the other end in the namespace of that end, for a veth.
    pub peer: Option<LinkIndex>,
}

/// A link of the fabric, as the datapath takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wire {
    /// Its number there.
    pub index: LinkIndex,
    /// Whether it is a veth: packets can be handed to its other end at once. A TAP has none.
    pub has_peer: bool,
}

impl Wire {
    /// The wire to a sandbox or a container.
    pub fn veth(index: LinkIndex) -> Self {
        Self { index, has_peer: true }
    }
}

impl From<&Link> for Wire {
    fn from(link: &Link) -> Self {
        Self { index: link.index, has_peer: link.peer.is_some() }
    }
}

/// A veth pair between a packet socket in this namespace and a host in another.
#[derive(Clone, Copy, Debug)]
pub struct VethSpec<'a> {
    /// The name of the end in this namespace, at most 15 bytes. The kernel's own stack keeps silent on it: no ARP, no
    /// IPv6 address.
    pub wire: &'a str,
    /// The namespace of the host.
    pub host: &'a NetNs,
    /// The name of the host's end, at most 15 bytes.
    pub host_link: &'a str,
    /// The hardware address of the host's end.
    pub host_mac: MacAddress,
    /// The largest packet that passes without segmentation, in bytes without the Ethernet header.
    pub mtu: u32,
}

/// A route to install.
#[derive(Clone, Copy, Debug)]
pub struct RouteSpec {
    /// Where to; a prefix of length 0 is the default route.
    pub destination: IpNet,
    /// The next hop, or `None` when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The link to leave by.
    pub link: LinkIndex,
    /// The preferred source address.
    pub source: Option<IpAddr>,
}

/// A conversation with the kernel about one namespace.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    /// The number of the next wire, once one was made.
    next_wire: Option<LinkIndex>,
}

impl Netlink {
    /// Opens a conversation about `namespace`.
    pub fn open(namespace: &NetNs) -> Result<Self, DatapathError> {
        let socket = namespace.within(|| {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // The kernel's own words help a person more than the number; kernels before 4.12 have none to give.
            let _ = socket.set_ext_ack(true);
            let _ = socket.set_cap_ack(true);
            Ok::<_, io::Error>(socket)
        })?;
        Ok(Self { socket: socket.attempt(|| "open a netlink socket")?, sequence: 0, next_wire: None })
    }

    /// Makes a veth pair and returns the number of the wire, which is up; the host's end stays down, so that its
    /// settings can be made before the first packet.
    pub fn add_veth(&mut self, spec: VethSpec<'_>) -> Result<LinkIndex, DatapathError> {
        let wire = self.create_veth(spec)?;
        let configured =
            self.silence(wire).and_then(|()| offloads::limit(spec.host, spec.host_link)).and_then(|()| self.set_up(wire));
        if let Err(error) = configured {
            // The error that made the link useless says more than one about its removal.
            let _ = self.delete_link(wire);
            return Err(error);
        }
        Ok(wire)
    }

    /// Prepares a TAP of this namespace to be a wire, which is up then: the kernel's own stack keeps silent on it.
    pub fn set_up_tap(&mut self, tap: LinkIndex, mtu: u32) -> Result<(), DatapathError> {
        let message = LinkUnspec::new_with_index(tap.0).mtu(mtu).arp(false).build();
        self.change(RouteNetlinkMessage::SetLink(message), || format!("set the MTU of link {} to {mtu}", tap.0))?;
        self.silence(tap)?;
        self.set_up(tap)
    }

    /// Removes a link, and with it the other end when it is a veth.
    pub fn delete_link(&mut self, link: LinkIndex) -> Result<(), DatapathError> {
        let message = LinkUnspec::new_with_index(link.0).build();
        self.change(RouteNetlinkMessage::DelLink(message), || format!("remove link {}", link.0))
    }

    /// Brings a link up.
    pub fn set_up(&mut self, link: LinkIndex) -> Result<(), DatapathError> {
        let message = LinkUnspec::new_with_index(link.0).up().build();
        self.change(RouteNetlinkMessage::SetLink(message), || format!("bring link {} up", link.0))
    }

    /// Waits until a link that was brought up and given its addresses answers for them, at most `patience`; returns
    /// whether it does.
    ///
    /// The kernel notices the other end, and takes each IPv6 address in use, some time after the requests were granted.
    /// A packet that comes earlier is lost, and its sender tries again only after a second.
    pub fn wait_until_ready(&mut self, link: LinkIndex, patience: Duration) -> Result<bool, DatapathError> {
        let deadline = Instant::now() + patience;
        loop {
            let ready = self.is_ready(link)?;
            if ready || Instant::now() >= deadline {
                return Ok(ready);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets that many frames wait on a link.
    pub fn set_queue_length(&mut self, link: LinkIndex, frames: u32) -> Result<(), DatapathError> {
        let mut message = LinkUnspec::new_with_index(link.0).build();
        message.attributes.push(LinkAttribute::TxQueueLen(frames));
        self.change(RouteNetlinkMessage::SetLink(message), || format!("set the queue length of link {}", link.0))
    }

    /// Takes a link down.
    pub fn set_down(&mut self, link: LinkIndex) -> Result<(), DatapathError> {
        let message = LinkUnspec::new_with_index(link.0).down().build();
        self.change(RouteNetlinkMessage::SetLink(message), || format!("take link {} down", link.0))
    }

    /// Gives an address to a link, without duplicate address detection: the engine alone says who owns an address.
    ///
    /// The kernel adds the route to the prefix on the link by itself.
    pub fn add_address(&mut self, link: LinkIndex, address: IpNet) -> Result<(), DatapathError> {
        self.add_address_with(AddressFlags::Nodad, link, address)
    }

    /// The same, without the route to the prefix.
    pub fn add_address_without_route(&mut self, link: LinkIndex, address: IpNet) -> Result<(), DatapathError> {
        self.add_address_with(AddressFlags::Nodad | AddressFlags::Noprefixroute, link, address)
    }

    /// Takes an address from a link.
    pub fn remove_address(&mut self, link: LinkIndex, address: IpNet) -> Result<(), DatapathError> {
        let message = address_message(link, address);
        self.change(RouteNetlinkMessage::DelAddress(message), || format!("remove address {address} from link {}", link.0))
    }

    /// Installs a route, or replaces the one to the same destination.
    pub fn set_route(&mut self, route: RouteSpec) -> Result<(), DatapathError> {
        let message = route_message(&route);
        self.request(RouteNetlinkMessage::NewRoute(message), NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &|| {
            match route.gateway {
                Some(gateway) => format!("route {} to {gateway} on link {}", route.destination, route.link.0),
                None => format!("route {} to link {}", route.destination, route.link.0),
            }
        })
        .map(drop)
    }

    /// Installs a route as [`Self::set_route`] does, in the table of that number instead of the main one.
    pub fn set_route_in(&mut self, table: u8, route: RouteSpec) -> Result<(), DatapathError> {
        let mut message = route_message(&route);
        message.header.table = table;
        self.request(RouteNetlinkMessage::NewRoute(message), NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &|| {
            format!("route {} on link {} in table {table}", route.destination, route.link.0)
        })
        .map(drop)
    }

    /// Routes what is sent from these addresses, or by sockets bound to the link of that name, by the table of that number,
    /// and nothing else.
    pub fn set_table_users(&mut self, table: u8, link: &str, addresses: &[IpAddr]) -> Result<(), DatapathError> {
        self.forget_table_users(table)?;
        let sources = addresses.iter().map(|address| {
            let length = if address.is_ipv4() { 32 } else { 128 };
            rule_message(table, family_of(*address), length, RuleAttribute::Source(*address))
        });
        let bound = [AddressFamily::Inet, AddressFamily::Inet6]
            .map(|family| rule_message(table, family, 0, RuleAttribute::Oifname(link.to_owned())));
        for rule in sources.chain(bound) {
            self.create(RouteNetlinkMessage::NewRule(rule), || format!("route what is sent by {link} by table {table}"))?;
        }
        Ok(())
    }

    /// Routes nothing by the table of that number any more.
    pub fn forget_table_users(&mut self, table: u8) -> Result<(), DatapathError> {
        let rules = self.request(RouteNetlinkMessage::GetRule(RuleMessage::default()), NLM_F_REQUEST | NLM_F_DUMP, &|| {
            "list routing rules".into()
        })?;
        for rule in rules {
            if let RouteNetlinkMessage::NewRule(rule) = rule
                && rule.header.table == table
            {
                self.change(RouteNetlinkMessage::DelRule(rule), || format!("remove a rule for table {table}"))?;
            }
        }
        Ok(())
    }

    /// All links of the namespace.
    pub fn links(&mut self) -> Result<Vec<Link>, DatapathError> {
        let answers = self
            .request(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_REQUEST | NLM_F_DUMP, &|| "list links".into())?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(message) => Some(Link::from_message(message)),
                _ => None,
            })
            .collect())
    }

    /// The link called `name`, if there is one.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, DatapathError> {
        self.one_link(LinkUnspec::new_with_name(name).build(), || format!("find the link {name}"))
    }

    /// The link of that number, if there is one.
    fn link_of(&mut self, index: LinkIndex) -> Result<Option<Link>, DatapathError> {
        self.one_link(LinkUnspec::new_with_index(index.0).build(), || format!("find the link {}", index.0))
    }

    fn one_link(&mut self, which: LinkMessage, action: impl Fn() -> String) -> Result<Option<Link>, DatapathError> {
        match self.request(RouteNetlinkMessage::GetLink(which), NLM_F_REQUEST | NLM_F_ACK, &action) {
            Ok(answers) => Ok(answers.into_iter().find_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(message) => Some(Link::from_message(message)),
                _ => None,
            })),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Frames that were sent to a link and dropped there, since it was made.
    pub fn dropped_frames(&mut self, link: LinkIndex) -> Result<u64, DatapathError> {
        let message = LinkUnspec::new_with_index(link.0).build();
        let what = || format!("read the counters of link {}", link.0);
        let answers = self.request(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST | NLM_F_ACK, &what)?;
        let statistics = answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(message) => message.attributes.into_iter().find_map(|attribute| match attribute {
                LinkAttribute::Stats64(statistics) => Some(statistics.tx_dropped),
                _ => None,
            }),
            _ => None,
        });
        Ok(statistics.unwrap_or_default())
    }

    /// The addresses of a link, with their prefix lengths.
    pub fn addresses(&mut self, link: LinkIndex) -> Result<Vec<IpNet>, DatapathError> {
        let answers =
            self.request(RouteNetlinkMessage::GetAddress(AddressMessage::default()), NLM_F_REQUEST | NLM_F_DUMP, &|| {
                format!("list the addresses of link {}", link.0)
            })?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewAddress(message) if message.header.index == link.0 => {
                    let local = message.attributes.iter().find_map(|attribute| match attribute {
                        AddressAttribute::Local(address) => Some(*address),
                        _ => None,
                    });
                    let address = local.or_else(|| {
                        message.attributes.iter().find_map(|attribute| match attribute {
                            AddressAttribute::Address(address) => Some(*address),
                            _ => None,
                        })
                    })?;
                    IpNet::new(address, message.header.prefix_len).ok()
                }
                _ => None,
            })
            .collect())
    }

    fn create_veth(&mut self, spec: VethSpec<'_>) -> Result<LinkIndex, DatapathError> {
        let peer = LinkUnspec::new_with_name(spec.host_link)
            .mtu(spec.mtu)
            .txqueuelen(TRANSMIT_QUEUE)
            .address(spec.host_mac.0.to_vec())
            .setns_by_fd(spec.host.as_fd().as_raw_fd())
            .build();
        loop {
            let wire = match self.next_wire {
                Some(next) => next,
                None => {
                    let highest = self.links()?.iter().map(|link| link.index.0).max().unwrap_or_default();
                    LinkIndex(highest.max(FIRST_WIRE - 1) + 1)
                }
            };
            let mut message =
                LinkUnspec::new_with_name(spec.wire).index(wire.0).mtu(spec.mtu).txqueuelen(TRANSMIT_QUEUE).arp(false).build();
            message.attributes.push(LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer.clone()))),
            ]));
            let made = self
                .create(RouteNetlinkMessage::NewLink(message), || format!("make the link {} to {}", spec.wire, spec.host_link));
            self.next_wire = made.is_ok().then(|| LinkIndex(wire.0 + 1));
            match made {
                Ok(()) => return Ok(wire),
                // Somebody else took the number meanwhile, unless it is the name that is taken.
                Err(error) if error.is_present() && self.link(spec.wire)?.is_none() && self.link_of(wire)?.is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn is_ready(&mut self, link: LinkIndex) -> Result<bool, DatapathError> {
        if !self.link_of(link)?.is_some_and(|link| link.running) {
            return Ok(false);
        }
        let addresses: Vec<_> = self.addresses(link)?.iter().map(IpNet::addr).filter(IpAddr::is_ipv6).collect();
        for address in &addresses {
            if !self.is_own(*address)? {
                return Ok(false);
            }
        }
        // The first IPv6 address of a link is the one it makes for itself.
        Ok(!addresses.is_empty() || !Path::new("/proc/sys/net/ipv6").exists())
    }

    /// Whether packets to `address` end here.
    fn is_own(&mut self, address: IpAddr) -> Result<bool, DatapathError> {
        let mut message =
            route_message(&RouteSpec { destination: address.into(), gateway: None, link: LinkIndex(0), source: None });
        message.attributes.retain(|attribute| matches!(attribute, RouteAttribute::Destination(_)));
        let answers = self.request(RouteNetlinkMessage::GetRoute(message), NLM_F_REQUEST | NLM_F_ACK, &|| {
            format!("look up the route to {address}")
        });
        match answers {
            Ok(answers) => Ok(answers
                .iter()
                .any(|answer| matches!(answer, RouteNetlinkMessage::NewRoute(route) if route.header.kind == RouteType::Local))),
            // As long as there is no route at all, the lookup itself fails.
            Err(DatapathError::Netlink { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Without a link-local address the kernel sends nothing over IPv6 by itself.
    fn silence(&mut self, link: LinkIndex) -> Result<(), DatapathError> {
        let no_address = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
        let message =
            LinkUnspec::new_with_index(link.0).append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![no_address])).build();
        self.change(RouteNetlinkMessage::SetLink(message), || format!("keep link {} without an IPv6 address", link.0))
    }

    fn add_address_with(&mut self, flags: AddressFlags, link: LinkIndex, address: IpNet) -> Result<(), DatapathError> {
        let mut message = address_message(link, address);
        message.attributes.push(AddressAttribute::Flags(flags));
        self.create(RouteNetlinkMessage::NewAddress(message), || format!("add address {address} to link {}", link.0))
    }

    fn create(&mut self, message: RouteNetlinkMessage, action: impl Fn() -> String) -> Result<(), DatapathError> {
        self.request(message, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &action).map(drop)
    }

    fn change(&mut self, message: RouteNetlinkMessage, action: impl Fn() -> String) -> Result<(), DatapathError> {
        self.request(message, NLM_F_REQUEST | NLM_F_ACK, &action).map(drop)
    }

    /// Sends one request and collects what the kernel answers until it says that this was all.
    fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        action: &dyn Fn() -> String,
    ) -> Result<Vec<RouteNetlinkMessage>, DatapathError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).attempt(action)?;

        let mut answers = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full().attempt(action)?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| DatapathError::NetlinkAnswer { action: action(), reason: error.to_string() })?;
                let length = (answer.header.length as usize).next_multiple_of(4).clamp(4, rest.len());
                rest = &rest[length..];
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                match answer.payload {
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(DatapathError::Netlink {
                            action: action(),
                            detail: kernel_words(answer.header.flags, &error.header),
                            source: error.to_io(),
                        });
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

/// Hears which links of a namespace come and go.
#[derive(Debug)]
pub(crate) struct LinkWatch {
    socket: OwnedFd,
}

impl LinkWatch {
    pub fn open(namespace: &NetNs) -> Result<Self, DatapathError> {
        let socket = namespace.within(|| -> rustix::io::Result<OwnedFd> {
            use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink, socket_with};
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
            bind(&socket, &netlink::SocketAddrNetlink::new(0, libc::RTMGRP_LINK as u32))?;
            Ok(socket)
        })?;
        Ok(Self { socket: socket.attempt(|| "watch over links")? })
    }

    /// Whether a link is gone since the last call. When more happened than the kernel keeps, one may be.
    pub fn take_gone(&self) -> bool {
        const HEADER: usize = 16;
        let (mut gone, mut datagram) = (false, [0; 1 << 14]);
        loop {
            let length = match rustix::io::read(&self.socket, &mut datagram) {
                Ok(length) => length,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::NOBUFS) => {
                    gone = true;
                    continue;
                }
                Err(_) => return gone,
            };
            // Each such message comes in a datagram of its own.
            gone |= length >= HEADER && u16::from_ne_bytes([datagram[4], datagram[5]]) == libc::RTM_DELLINK;
        }
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Link {
    fn from_message(message: LinkMessage) -> Self {
        let mut link = Self {
            index: LinkIndex(message.header.index),
            name: String::new(),
            mac: None,
            mtu: 0,
            up: message.header.flags.contains(LinkFlags::Up),
            running: false,
            peer: None,
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Address(octets) => link.mac = <[u8; 6]>::try_from(octets).ok().map(MacAddress),
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::OperState(state) => link.running = state == State::Up,
                LinkAttribute::Link(peer) => link.peer = Some(LinkIndex(peer)),
                _ => {}
            }
        }
        link
    }
}

fn address_message(link: LinkIndex, address: IpNet) -> AddressMessage {
    match address {
        IpNet::V4(net) => {
            AddressMessageBuilder::<std::net::Ipv4Addr>::new().index(link.0).address(net.addr(), net.prefix_len()).build()
        }
        IpNet::V6(net) => {
            AddressMessageBuilder::<std::net::Ipv6Addr>::new().index(link.0).address(net.addr(), net.prefix_len()).build()
        }
    }
}

fn family_of(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn rule_message(table: u8, family: AddressFamily, source_length: u8, selector: RuleAttribute) -> RuleMessage {
    let mut rule = RuleMessage::default();
    rule.header.family = family;
    rule.header.src_len = source_length;
    rule.header.table = table;
    rule.header.action = RuleAction::ToTable;
    rule.attributes = vec![selector, RuleAttribute::Priority(RULE_PRIORITY)];
    rule
}

fn route_message(route: &RouteSpec) -> RouteMessage {
    let address = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    };
    let mut message = RouteMessageBuilder::<IpAddr>::new().output_interface(route.link.0).protocol(RouteProtocol::Static).build();
    message.header.address_family = family_of(route.destination.addr());
    message.header.destination_prefix_length = route.destination.prefix_len();
    if route.destination.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(address(route.destination.network())));
    }
    match route.gateway {
        Some(gateway) => message.attributes.push(RouteAttribute::Gateway(address(gateway))),
        None => message.header.scope = RouteScope::Link,
    }
    if let Some(source) = route.source {
        message.attributes.push(RouteAttribute::PrefSource(address(source)));
    }
    message
}

/// The text of an extended acknowledgement: attribute 1 behind the code and the (capped) header of the request.
fn kernel_words(flags: u16, after_code: &[u8]) -> Option<String> {
    const CAPPED: u16 = 0x100;
    const ATTRIBUTES: u16 = 0x200;
    const REQUEST_HEADER: usize = 16;
    const MESSAGE: u16 = 1;

    if flags & (CAPPED | ATTRIBUTES) != CAPPED | ATTRIBUTES {
        return None;
    }
    let text = NlasIterator::new(after_code.get(REQUEST_HEADER..)?).flatten().find(|attribute| attribute.kind() == MESSAGE)?;
    Some(String::from_utf8_lossy(text.value()).trim_end_matches('\0').to_owned())
}

/// Wires are numbered from here, far from the numbers of host ends. The kernel takes a link whose number equals that of
/// its other end for one that has no other end, and then lets up to a second pass before it notices that both are up.
const FIRST_WIRE: u32 = 1000;

/// Packets that may wait on a link whose other side is busy.
const TRANSMIT_QUEUE: u32 = 10_000;

/// Before the kernel's own rule for the main table, which has 32766.
const RULE_PRIORITY: u32 = 10_000;
