//! Layer 2: which frames a sender may send, whom they are for, and the answers to who has an address.

use std::net::{Ipv4Addr, Ipv6Addr};

use openvpc_model::NetworkInterface;
use openvpc_model::interface::MacAddress;
use openvpc_model::link_local::IPV6_ONLY_ADDRESS;
use openvpc_pipeline::router::{self, Asked};
use openvpc_pipeline::verdict::FlowSink;
use openvpc_pipeline::wire::link::{
    self, Arp, ETHERNET_LEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet, NeighborDiscovery,
};
use openvpc_pipeline::{EniIndex, Ingress, Nanos};

use super::core::{EngineCore, Port, PortId};
use super::counters::LinkDrop;

impl<P: Port, S: FlowSink> EngineCore<P, S> {
    /// Layer 2 on the side of an instance: whether the frame is one that this interface may send, and whom it is for.
    /// None for a frame that was for the engine itself.
    pub(super) fn admit_from_eni(&mut self, eni: EniIndex, frame: &[u8], now: Nanos) -> Result<Option<Ingress>, LinkDrop> {
        let ethernet = Ethernet::parse(frame).ok_or(LinkDrop::Runt)?;
        let entry = self.tables.eni(eni).ok_or(LinkDrop::NotConnected)?;
        if ethernet.source != entry.eni.mac {
            return Err(LinkDrop::SpoofedMac);
        }
        let packet = &frame[ETHERNET_LEN..];
        match ethernet.ethertype {
            ETHERTYPE_ARP => return self.answer_arp(eni, packet).map(|()| None),
            ETHERTYPE_IPV6 if NeighborDiscovery::is_one(packet) => return self.answer_neighbor(eni, packet, now).map(|()| None),
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => {}
            _ => return Err(LinkDrop::UnknownEthertype),
        }
        if self.answer_dhcp(eni, packet, now)? {
            return Ok(None);
        }
        refuse_group(ethernet.destination)?;
        let next_hop = self.tables.next_hop(eni, ethernet.destination).ok_or(LinkDrop::UnknownUnicast)?;
        Ok(Some(Ingress::Eni { eni, next_hop }))
    }

    /// An instance may speak in ARP for its own addresses only. Requests are answered for the router and for the other
    /// interfaces of the subnet; nothing is ever passed on, so that no instance sees, or fools, another's ARP.
    fn answer_arp(&mut self, eni: EniIndex, message: &[u8]) -> Result<(), LinkDrop> {
        let arp = Arp::parse(message).ok_or(LinkDrop::MalformedArp)?;
        let entry = self.tables.eni(eni).ok_or(LinkDrop::NotConnected)?;
        // The unspecified sender is a probe for conflicts (RFC 5227).
        let may_speak = arp.sender_ip.is_unspecified() || owns_ipv4(&entry.eni, arp.sender_ip);
        if arp.sender_mac != entry.eni.mac || !may_speak {
            return Err(LinkDrop::SpoofedArp);
        }
        if arp.is_request
            && let Some(owner) = self.tables.resolve(eni, arp.target_ip.into())
        {
            self.answer(PortId::Eni(eni), &reply_to(&arp, owner).frame());
        }
        Ok(())
    }

    /// The same for neighbour discovery. An instance is no router.
    fn answer_neighbor(&mut self, eni: EniIndex, packet: &[u8], now: Nanos) -> Result<(), LinkDrop> {
        let message = NeighborDiscovery::parse(packet).ok_or(LinkDrop::MalformedNeighborDiscovery)?;
        let entry = self.tables.eni(eni).ok_or(LinkDrop::NotConnected)?;
        let mac = entry.eni.mac;
        let owns = |address: Ipv6Addr| entry.eni.owns(address.into()) || address == mac.link_local();
        // The unspecified source is duplicate address detection, or a host without address that looks for a router.
        let may_speak = |source: Ipv6Addr| source.is_unspecified() || owns(source);
        let is_own_link = |link: Option<MacAddress>| link.is_none_or(|given| given == mac);
        match message {
            NeighborDiscovery::Solicitation { source, target, link } if may_speak(source) && is_own_link(link) => {
                if let Some(owner) = self.tables.resolve(eni, target.into()) {
                    let is_router = owner == self.tables.router_mac(eni);
                    self.answer(PortId::Eni(eni), &advertisement(target, owner, (source, mac), is_router));
                }
                Ok(())
            }
            NeighborDiscovery::Advertisement { source, target, link } if owns(source) && owns(target) && is_own_link(link) => {
                Ok(())
            }
            NeighborDiscovery::Router { kind: ROUTER_SOLICITATION, source } if may_speak(source) => {
                self.spend_router_time(eni, now)?;
                self.advertise_router(eni, Some(source).filter(|source| !source.is_unspecified()));
                Ok(())
            }
            _ => Err(LinkDrop::SpoofedNeighborDiscovery),
        }
    }

    /// DHCP, which is for the router wherever it is sent to; whether the packet was.
    fn answer_dhcp(&mut self, eni: EniIndex, packet: &[u8], now: Nanos) -> Result<bool, LinkDrop> {
        if !router::may_be_asked(packet) {
            return Ok(false);
        }
        let mut frame = std::mem::take(&mut self.scratch);
        let asked = router::answer(&self.tables, eni, packet, &mut frame);
        let outcome = match asked {
            Asked::Not => Ok(false),
            Asked::Malformed => Err(LinkDrop::MalformedDhcp),
            Asked::Silence => Ok(true),
            Asked::Answer(length) => self.spend_router_time(eni, now).map(|()| {
                self.answer(PortId::Eni(eni), &frame[..length]);
                true
            }),
        };
        self.scratch = frame;
        outcome
    }

    /// Tells an interface who the router is: one that asked for it, or all that have the interface.
    fn advertise_router(&mut self, eni: EniIndex, to: Option<Ipv6Addr>) {
        let mut frame = std::mem::take(&mut self.scratch);
        if let Some(length) = router::advertise(&self.tables, eni, to, &mut frame) {
            self.answer(PortId::Eni(eni), &frame[..length]);
        }
        self.scratch = frame;
    }

    /// Tells all interfaces who the router is.
    pub fn advertise_routers(&mut self) {
        for index in 0..self.enis.len() {
            let eni = EniIndex(index as u32);
            if self.is_connected(eni) {
                self.advertise_router(eni, None);
            }
        }
    }

    /// Counts an answer that costs the router more than the like of ARP.
    fn spend_router_time(&mut self, eni: EniIndex, now: Nanos) -> Result<(), LinkDrop> {
        let connected = self.connected_mut(PortId::Eni(eni)).ok_or(LinkDrop::NotConnected)?;
        let (began, answers) = &mut connected.router_use;
        if now.0 >= began.0 + 1_000_000_000 {
            (*began, *answers) = (now, 0);
        }
        *answers += 1;
        if *answers > ROUTER_ANSWERS { Err(LinkDrop::RouterBusy) } else { Ok(()) }
    }

    /// Layer 2 on the side of the internet and of the link-local services, where the engine is an ordinary router.
    pub(super) fn admit_from_station(
        &mut self,
        station: PortId,
        ingress: Ingress,
        frame: &[u8],
    ) -> Result<Option<Ingress>, LinkDrop> {
        let ethernet = Ethernet::parse(frame).ok_or(LinkDrop::Runt)?;
        let Some(uplink) = self.stations.uplink(station) else { return Err(LinkDrop::NotConnected) };
        let mac = uplink.mac;
        let packet = &frame[ETHERNET_LEN..];
        match ethernet.ethertype {
            ETHERTYPE_ARP => {
                let arp = Arp::parse(packet).ok_or(LinkDrop::MalformedArp)?;
                if arp.is_request && uplink.owns(arp.target_ip.into()) {
                    self.answer(station, &reply_to(&arp, mac).frame());
                }
                return Ok(None);
            }
            ETHERTYPE_IPV6 if NeighborDiscovery::is_one(packet) => {
                let message = NeighborDiscovery::parse(packet).ok_or(LinkDrop::MalformedNeighborDiscovery)?;
                if let NeighborDiscovery::Solicitation { source, target, .. } = message
                    && uplink.owns(target.into())
                {
                    self.answer(station, &advertisement(target, mac, (source, ethernet.source), true));
                }
                return Ok(None);
            }
            ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => {}
            _ => return Err(LinkDrop::UnknownEthertype),
        }
        refuse_group(ethernet.destination)?;
        match ethernet.destination == mac {
            true => Ok(Some(ingress)),
            false => Err(LinkDrop::UnknownUnicast),
        }
    }
}

/// Whether an IPv4 address is the interface's, also that of one in an IPv6-only subnet.
fn owns_ipv4(eni: &NetworkInterface, address: Ipv4Addr) -> bool {
    eni.owns(address.into()) || eni.private_addresses.is_empty() && address == IPV6_ONLY_ADDRESS
}

/// Nothing is passed to groups: a VPC has no broadcast, and multicast only through a transit gateway.
fn refuse_group(destination: MacAddress) -> Result<(), LinkDrop> {
    match destination {
        MacAddress([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => Err(LinkDrop::Broadcast),
        group if link::is_group(group) => Err(LinkDrop::Multicast),
        _ => Ok(()),
    }
}

/// What tells the sender of a request that `owner` has the address.
fn reply_to(request: &Arp, owner: MacAddress) -> Arp {
    Arp {
        is_request: false,
        sender_mac: owner,
        sender_ip: request.target_ip,
        target_mac: request.sender_mac,
        target_ip: request.sender_ip,
    }
}

/// What tells `asker` that `owner` has the address. In duplicate address detection the asker has no address yet, and
/// all nodes are told.
fn advertisement(target: Ipv6Addr, owner: MacAddress, asker: (Ipv6Addr, MacAddress), is_router: bool) -> [u8; ADVERTISEMENT] {
    let to = match asker.0.is_unspecified() {
        true => ALL_NODES,
        false => asker.0,
    };
    link::neighbor_advertisement(target, owner, (to, asker.1), is_router)
}

/// Answers of the router to an interface in a second, those of ARP and neighbour discovery left out.
const ROUTER_ANSWERS: u32 = 64;
const ROUTER_SOLICITATION: u8 = 133;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Bytes of a frame with a neighbour advertisement.
const ADVERTISEMENT: usize = ETHERNET_LEN + 40 + 32;
