//! What is asked of a namespace that somebody else governs, and what is added to it: routes that must not replace others,
//! rules for what comes in by one link, addresses answered for on another.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;
use openvpc_model::interface::MacAddress;
use rtnetlink::LinkUnspec;
use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{LinkIndex, Netlink, RouteSpec, family_of, route_message};
use crate::DatapathError;
use crate::namespace::NetNs;

/// A veth pair of which both ends are ordinary links.
pub(crate) struct PairSpec<'a> {
    /// The name of the end in this namespace, at most 15 bytes.
    pub name: &'a str,
    /// The namespace of the other end.
    pub other: &'a NetNs,
    /// The name of the other end.
    pub other_name: &'a str,
    /// Its hardware address.
    pub other_mac: MacAddress,
    /// The largest packet, in bytes without the Ethernet header.
    pub mtu: u32,
}

impl Netlink {
    /// Makes a pair of links, both down.
    pub(crate) fn add_pair(&mut self, spec: &PairSpec<'_>) -> Result<(), DatapathError> {
        let other = LinkUnspec::new_with_name(spec.other_name)
            .mtu(spec.mtu)
            .address(spec.other_mac.0.to_vec())
            .setns_by_fd(spec.other.as_fd().as_raw_fd())
            .build();
        let mut message = LinkUnspec::new_with_name(spec.name).mtu(spec.mtu).build();
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]));
        self.create(RouteNetlinkMessage::NewLink(message), || format!("make the link {}", spec.name))
    }

    /// Installs a route where there is none to the same destination.
    pub(crate) fn add_route(&mut self, route: RouteSpec) -> Result<(), DatapathError> {
        self.create(RouteNetlinkMessage::NewRoute(route_message(&route)), || {
            format!("route {} to link {}", route.destination, route.link.0)
        })
    }

    /// The same in the table of that number, replacing what it has.
    pub(crate) fn add_route_in(&mut self, table: u32, route: RouteSpec) -> Result<(), DatapathError> {
        let mut message = route_message(&route);
        message.header.table = 0;
        message.attributes.push(RouteAttribute::Table(table));
        let added =
            self.create(RouteNetlinkMessage::NewRoute(message), || format!("route {} in table {table}", route.destination));
        added.or_else(|error| if error.is_present() { Ok(()) } else { Err(error) })
    }

    /// Forgets the routes of a table.
    pub(crate) fn forget_routes_of(&mut self, table: u32) -> Result<(), DatapathError> {
        for route in self.route_messages()? {
            if table_of(&route) == table {
                self.change(RouteNetlinkMessage::DelRoute(route), || format!("remove a route of table {table}"))?;
            }
        }
        Ok(())
    }

    /// Whether the main table has a route to exactly that.
    pub(crate) fn has_route(&mut self, destination: IpNet) -> Result<bool, DatapathError> {
        let is_it = |route: &RouteMessage| {
            table_of(route) == MAIN
                && route.header.destination_prefix_length == destination.prefix_len()
                && route.attributes.iter().any(|attribute| match (attribute, destination) {
                    (RouteAttribute::Destination(RouteAddress::Inet(address)), IpNet::V4(net)) => *address == net.network(),
                    (RouteAttribute::Destination(RouteAddress::Inet6(address)), IpNet::V6(net)) => *address == net.network(),
                    _ => false,
                })
        };
        Ok(self.route_messages()?.iter().any(is_it))
    }

    /// The links of the default routes of the main table.
    pub(crate) fn default_links(&mut self) -> Result<BTreeSet<LinkIndex>, DatapathError> {
        let routes = self.route_messages()?;
        let defaults = routes.iter().filter(|route| {
            let header = &route.header;
            table_of(route) == MAIN && header.destination_prefix_length == 0 && header.kind == RouteType::Unicast
        });
        let links = defaults.flat_map(|route| &route.attributes).flat_map(|attribute| match attribute {
            RouteAttribute::Oif(link) => vec![LinkIndex(*link)],
            RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| LinkIndex(hop.interface_index)).collect(),
            _ => Vec::new(),
        });
        Ok(links.collect())
    }

    /// Routes what comes in by a link by the main table as far as that knows more than a default route, and else by the
    /// table of that number.
    pub(crate) fn route_what_enters(&mut self, link: &str, table: u32) -> Result<(), DatapathError> {
        self.forget_rules_of(link)?;
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            for (priority, table, only_specific) in [(ENTRY_PRIORITY, MAIN, true), (ENTRY_PRIORITY + 1, table, false)] {
                let mut rule = RuleMessage::default();
                rule.header.family = family;
                rule.header.action = RuleAction::ToTable;
                rule.attributes =
                    vec![RuleAttribute::Iifname(link.to_owned()), RuleAttribute::Priority(priority), RuleAttribute::Table(table)];
                if only_specific {
                    rule.attributes.push(RuleAttribute::SuppressPrefixLen(0));
                }
                let added =
                    self.create(RouteNetlinkMessage::NewRule(rule), || format!("route what {link} brings by table {table}"));
                match added {
                    // A kernel without IPv6 has no such rules, and needs none.
                    Err(_) if family == AddressFamily::Inet6 && !super::Path::new("/proc/sys/net/ipv6").exists() => {}
                    added => added?,
                }
            }
        }
        Ok(())
    }

    /// Removes the rules for what comes in by the link of that name, which need not be there any more.
    pub(crate) fn forget_rules_of(&mut self, link: &str) -> Result<(), DatapathError> {
        let what = || "list routing rules".into();
        let rules = self.request(RouteNetlinkMessage::GetRule(RuleMessage::default()), NLM_F_REQUEST | NLM_F_DUMP, &what)?;
        for rule in rules {
            if let RouteNetlinkMessage::NewRule(rule) = rule
                && rule.attributes.iter().any(|attribute| matches!(attribute, RuleAttribute::Iifname(name) if name == link))
            {
                self.change(RouteNetlinkMessage::DelRule(rule), || format!("remove a rule for {link}"))?;
            }
        }
        Ok(())
    }

    /// Answers on a link for an address that is elsewhere.
    pub(crate) fn add_proxy(&mut self, link: LinkIndex, address: IpAddr) -> Result<(), DatapathError> {
        let added = self.create(RouteNetlinkMessage::NewNeighbour(proxy(link, address)), || format!("answer for {address}"));
        added.or_else(|error| if error.is_present() { Ok(()) } else { Err(error) })
    }

    /// Doesn't answer for it any more.
    pub(crate) fn remove_proxy(&mut self, link: LinkIndex, address: IpAddr) -> Result<(), DatapathError> {
        let message = RouteNetlinkMessage::DelNeighbour(proxy(link, address));
        let removed = self.change(message, || format!("no longer answer for {address}"));
        removed.or_else(|error| if error.is_absent() { Ok(()) } else { Err(error) })
    }

    /// The addresses that a link answers for without having them.
    pub(crate) fn proxies(&mut self, link: LinkIndex) -> Result<BTreeSet<IpAddr>, DatapathError> {
        let mut found = BTreeSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = NeighbourMessage::default();
            message.header.family = family;
            message.header.flags = NeighbourFlags::Proxy;
            let what = || "list the addresses that are answered for".into();
            let answers = self.request(RouteNetlinkMessage::GetNeighbour(message), NLM_F_REQUEST | NLM_F_DUMP, &what)?;
            for answer in answers {
                let RouteNetlinkMessage::NewNeighbour(message) = answer else { continue };
                if message.header.ifindex != link.0 || !message.header.flags.contains(NeighbourFlags::Proxy) {
                    continue;
                }
                found.extend(message.attributes.into_iter().filter_map(|attribute| match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::V4(address)),
                    NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => Some(IpAddr::V6(address)),
                    _ => None,
                }));
            }
        }
        Ok(found)
    }

    fn route_messages(&mut self) -> Result<Vec<RouteMessage>, DatapathError> {
        let answers =
            self.request(RouteNetlinkMessage::GetRoute(RouteMessage::default()), NLM_F_REQUEST | NLM_F_DUMP, &|| {
                "list routes".into()
            })?;
        Ok(answers
            .into_iter()
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewRoute(route) => Some(route),
                _ => None,
            })
            .collect())
    }
}

fn table_of(route: &RouteMessage) -> u32 {
    let given = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    given.unwrap_or(u32::from(route.header.table))
}

fn proxy(link: LinkIndex, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family_of(address);
    message.header.ifindex = link.0;
    message.header.flags = NeighbourFlags::Proxy;
    message.attributes = vec![NeighbourAttribute::Destination(match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    })];
    message
}

/// The kernel's main table.
const MAIN: u32 = 254;

/// In front of the main table's own rule, which has 32766.
const ENTRY_PRIORITY: u32 = 32000;
