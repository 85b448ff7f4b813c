//! What the VPC's router says itself to an interface: DHCP for IPv4 (RFC 2131) and IPv6 (RFC 8415), and router
//! advertisements (RFC 4861). See "DHCP option sets in Amazon VPC" in the VPC User Guide.
//!
//! Frames in, frames out, without state: an interface is always offered the addresses that it has. Nothing allocates but
//! names; nothing here sees what an instance says to another, since broadcast isn't forwarded.

mod advertisement;
mod dhcp4;
mod dhcp6;
mod writer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use openvpc_model::dhcp::DhcpSettings;
use openvpc_model::interface::MacAddress;
use openvpc_model::link_local::IPV6_ONLY_ADDRESS;
use openvpc_model::{Instance, NetworkInterface, Service, Subnet, dns};

use crate::compile::{EniIndex, Tables};
use crate::wire::datagram::{Datagram, may_be_for_port};

pub use advertisement::advertise;

/// What becomes of a packet that may be for the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is answered, with a frame of that length.
    Answer(usize),
    /// It can't be read.
    Malformed,
    /// It isn't for the router.
    Not,
    /// It is for the router, and needs no answer.
    Silence,
}

/// Whether a packet may be DHCP: a quick look before [`answer`].
#[inline]
pub fn may_be_asked(packet: &[u8]) -> bool {
    may_be_for_port(packet, dhcp4::SERVER) || may_be_for_port(packet, dhcp6::SERVER)
}

/// Answers an IP packet of an interface, if it is DHCP, with a frame that is written to `out`.
pub fn answer(tables: &Tables, eni: EniIndex, packet: &[u8], out: &mut [u8]) -> Asked {
    let (Some(client), Some(datagram)) = (Client::of(tables, eni), Datagram::parse(packet)) else { return Asked::Not };
    match (datagram.to.ip(), datagram.to.port() == dhcp4::SERVER) {
        (IpAddr::V4(to), true) if to.is_broadcast() || to == client.server() => dhcp4::answer(&client, &datagram, out),
        (IpAddr::V6(to), false) if to == dhcp6::ALL_SERVERS || to == client.router.link_local() => {
            dhcp6::answer(&client, &datagram, out)
        }
        _ => Asked::Not,
    }
}

/// An interface that asks, and its surroundings.
struct Client<'a> {
    eni: &'a NetworkInterface,
    subnet: &'a Subnet,
    instance: Option<&'a Instance>,
    settings: DhcpSettings<'a>,
    router: MacAddress,
}

impl<'a> Client<'a> {
    /// None for one that carries no packets.
    fn of(tables: &'a Tables, index: EniIndex) -> Option<Self> {
        let entry = tables.eni(index).filter(|entry| entry.running)?;
        let network = tables.network();
        let vpc = network.vpcs.get(&entry.vpc)?;
        Some(Self {
            eni: &entry.eni,
            subnet: network.subnets.get(&entry.subnet)?,
            instance: entry.instance.and_then(|id| network.instances.get(&id)).map(|instance| &**instance),
            settings: DhcpSettings::of(network, vpc),
            router: tables.router_mac(index),
        })
    }

    /// The IPv4 address that it is offered, and the length of its prefix: the primary one, or in an IPv6-only subnet one by
    /// which the link-local services can be asked.
    fn ipv4(&self) -> Option<(Ipv4Addr, u8)> {
        match (self.eni.primary_ipv4(), self.subnet.ipv4_block) {
            (Some(address), Some(block)) => Some((address, block.prefix_len())),
            (None, None) => Some((IPV6_ONLY_ADDRESS, 16)),
            _ => None,
        }
    }

    /// The address that the router answers DHCP by.
    fn server(&self) -> Ipv4Addr {
        self.subnet.ipv4_router().unwrap_or(Service::Resolver.ipv4())
    }

    fn ipv6(&self) -> Option<Ipv6Addr> {
        self.eni.ipv6_addresses.first().copied()
    }

    fn is_ipv6_only(&self) -> bool {
        self.subnet.ipv4_block.is_none()
    }

    fn hostname(&self) -> String {
        match (self.instance, self.eni.primary_ipv4()) {
            (Some(instance), address) => dns::hostname(instance.id, address, self.subnet),
            (None, Some(address)) => dns::ip_hostname(address),
            (None, None) => self.eni.id.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
