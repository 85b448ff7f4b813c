//! The link layer as far as a router needs it: Ethernet, ARP (RFC 826) and IPv6 neighbour discovery (RFC 4861).

use std::net::{Ipv4Addr, Ipv6Addr};

use openvpc_model::interface::MacAddress;

use super::build::icmpv6_checksum;
use super::header::ICMPV6;
use super::{field, ipv6};

/// Bytes of an Ethernet header.
pub const ETHERNET_LEN: usize = 14;
/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// The receiver.
    pub destination: MacAddress,
    /// The sender.
    pub source: MacAddress,
    /// What follows.
    pub ethertype: u16,
}

impl Ethernet {
    /// Reads the header of a frame; none when it is too short.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        (frame.len() >= ETHERNET_LEN).then(|| Self {
            destination: MacAddress(field::octets(frame, 0)),
            source: MacAddress(field::octets(frame, 6)),
            ethertype: field::u16(frame, 12),
        })
    }

    /// Writes the header at the beginning of a frame that is long enough.
    pub fn emit(&self, frame: &mut [u8]) {
        if let Some(header) = frame.get_mut(..ETHERNET_LEN) {
            header[..6].copy_from_slice(&self.destination.0);
            header[6..12].copy_from_slice(&self.source.0);
            header[12..].copy_from_slice(&self.ethertype.to_be_bytes());
        }
    }
}

/// Whether a hardware address is a group's: broadcast or multicast.
pub fn is_group(mac: MacAddress) -> bool {
    mac.0[0] & 1 != 0
}

/// An ARP message for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// Request or reply.
    pub is_request: bool,
    /// Who sends it.
    pub sender_mac: MacAddress,
    /// The address the sender claims; 0.0.0.0 in a probe.
    pub sender_ip: Ipv4Addr,
    /// Who is meant, in a reply.
    pub target_mac: MacAddress,
    /// The address that is asked for.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// Bytes of a message.
    pub const LEN: usize = 28;

    /// Reads what follows the Ethernet header; none when it is no such message.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let fixed = [0, 1, 8, 0, 6, 4, 0];
        if message.len() < Self::LEN || message[..7] != fixed || !matches!(message[7], 1 | 2) {
            return None;
        }
        Some(Self {
            is_request: message[7] == 1,
            sender_mac: MacAddress(field::octets(message, 8)),
            sender_ip: Ipv4Addr::from(field::octets::<4>(message, 14)),
            target_mac: MacAddress(field::octets(message, 18)),
            target_ip: Ipv4Addr::from(field::octets::<4>(message, 24)),
        })
    }

    /// The frame that carries the message from its sender to its target, or to everybody when it is a request.
    pub fn frame(&self) -> [u8; ETHERNET_LEN + Self::LEN] {
        let mut frame = [0; ETHERNET_LEN + Self::LEN];
        let destination = if self.is_request { MacAddress([0xff; 6]) } else { self.target_mac };
        Ethernet { destination, source: self.sender_mac, ethertype: ETHERTYPE_ARP }.emit(&mut frame);
        let message = &mut frame[ETHERNET_LEN..];
        message[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, if self.is_request { 1 } else { 2 }]);
        message[8..14].copy_from_slice(&self.sender_mac.0);
        message[14..18].copy_from_slice(&self.sender_ip.octets());
        message[18..24].copy_from_slice(&self.target_mac.0);
        message[24..28].copy_from_slice(&self.target_ip.octets());
        frame
    }
}

/// A neighbour discovery message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborDiscovery {
    /// Who has `target`? The source is unspecified in duplicate address detection.
    Solicitation {
        /// Who asks.
        source: Ipv6Addr,
        /// The address that is asked for.
        target: Ipv6Addr,
        /// The source link-layer address option.
        link: Option<MacAddress>,
    },
    /// `target` is here.
    Advertisement {
        /// Who says so.
        source: Ipv6Addr,
        /// The address that is claimed.
        target: Ipv6Addr,
        /// The target link-layer address option.
        link: Option<MacAddress>,
    },
    /// Router solicitation, router advertisement or redirect.
    Router {
        /// The ICMPv6 type: 133, 134 or 137.
        kind: u8,
        /// Who sends it.
        source: Ipv6Addr,
    },
}

impl NeighborDiscovery {
    /// Reads an IPv6 packet. None when it isn't neighbour discovery; such messages have hop limit 255, no extension headers
    /// and a valid checksum, and any other is no such message but is not forwarded either: see [`Self::is_one`].
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let message = packet.get(ipv6::HEADER_LEN..)?;
        if !Self::is_one(packet) || packet[7] != 255 || message.len() < 8 || message[1] != 0 || !checksum_holds(packet) {
            return None;
        }
        let source = Ipv6Addr::from(field::octets::<16>(packet, 8));
        if matches!(message[0], 133 | 134 | 137) {
            return Some(Self::Router { kind: message[0], source });
        }
        if message.len() < 24 {
            return None;
        }
        let target = Ipv6Addr::from(field::octets::<16>(message, 8));
        Some(if message[0] == 135 {
            Self::Solicitation { source, target, link: option(&message[24..], 1) }
        } else {
            Self::Advertisement { source, target, link: option(&message[24..], 2) }
        })
    }

    /// Whether an IPv6 packet is of one of neighbour discovery's ICMPv6 types, well-formed or not.
    pub fn is_one(packet: &[u8]) -> bool {
        packet.len() > ipv6::HEADER_LEN && packet[6] == ICMPV6 && matches!(packet[ipv6::HEADER_LEN], 133..=137)
    }
}

/// The frame that advertises `target` at `mac` in answer to a solicitation. `is_router` sets the router flag. An answer to
/// a group, as in duplicate address detection, doesn't count as solicited.
pub fn neighbor_advertisement(
    target: Ipv6Addr,
    mac: MacAddress,
    to: (Ipv6Addr, MacAddress),
    is_router: bool,
) -> [u8; ETHERNET_LEN + ipv6::HEADER_LEN + 32] {
    let mut frame = [0; ETHERNET_LEN + ipv6::HEADER_LEN + 32];
    Ethernet { destination: to.1, source: mac, ethertype: ETHERTYPE_IPV6 }.emit(&mut frame);
    let packet = &mut frame[ETHERNET_LEN..];
    packet[0] = 0x60;
    packet[5] = 32;
    packet[6] = ICMPV6;
    packet[7] = 255;
    packet[8..24].copy_from_slice(&target.octets());
    packet[24..40].copy_from_slice(&to.0.octets());
    packet[40] = 136;
    const ROUTER: u8 = 0x80;
    const SOLICITED: u8 = 0x40;
    const OVERRIDE: u8 = 0x20;
    packet[44] = OVERRIDE | if is_router { ROUTER } else { 0 } | if to.0.is_multicast() { 0 } else { SOLICITED };
    packet[48..64].copy_from_slice(&target.octets());
    packet[64..66].copy_from_slice(&[2, 1]);
    packet[66..72].copy_from_slice(&mac.0);
    let sum = icmpv6_checksum(packet);
    field::set_u16(packet, 42, sum);
    frame
}

fn checksum_holds(packet: &[u8]) -> bool {
    let length = ipv6::HEADER_LEN + usize::from(field::u16(packet, 4));
    packet.get(..length).is_some_and(|packet| packet.len() > ipv6::HEADER_LEN && icmpv6_checksum(packet) == 0)
}

/// The link-layer address in the options of a message.
fn option(mut options: &[u8], wanted: u8) -> Option<MacAddress> {
    while options.len() >= 8 {
        let length = usize::from(options[1]) * 8;
        if options[0] == wanted && length == 8 {
            return Some(MacAddress(field::octets(options, 2)));
        }
        options = options.get(length..).filter(|_| length > 0)?;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_arp_message_survives_the_wire() {
        let arp = Arp {
            is_request: true,
            sender_mac: MacAddress([2, 0, 0, 0, 0, 1]),
            sender_ip: Ipv4Addr::new(10, 0, 1, 17),
            target_mac: MacAddress([0; 6]),
            target_ip: Ipv4Addr::new(10, 0, 1, 1),
        };
        let frame = arp.frame();
        assert_eq!(Ethernet::parse(&frame).unwrap().destination, MacAddress([0xff; 6]));
        assert_eq!(Arp::parse(&frame[ETHERNET_LEN..]), Some(arp));
        assert_eq!(Arp::parse(&frame[..20]), None);
    }

    #[test]
    fn an_advertisement_is_neighbour_discovery_with_a_valid_checksum() {
        let target: Ipv6Addr = "2001:db8::17".parse().unwrap();
        let mac = MacAddress([2, 0, 0, 0, 0, 9]);
        let frame = neighbor_advertisement(target, mac, ("fe80::1".parse().unwrap(), MacAddress([2, 0, 0, 0, 0, 1])), true);
        let packet = &frame[ETHERNET_LEN..];
        assert_eq!(
            NeighborDiscovery::parse(packet),
            Some(NeighborDiscovery::Advertisement { source: target, target, link: Some(mac) })
        );
        let mut broken = packet.to_vec();
        broken[50] ^= 1;
        assert_eq!(NeighborDiscovery::parse(&broken), None);
        assert!(NeighborDiscovery::is_one(&broken));
    }
}
