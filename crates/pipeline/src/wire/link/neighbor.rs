//! IPv6 neighbour discovery (RFC 4861).

use std::net::Ipv6Addr;

use openvpc_model::interface::MacAddress;

use super::ethernet::{ETHERNET_LEN, ETHERTYPE_IPV6, Ethernet};
use crate::wire::{ICMPV6, bytes, checksum, icmp, ipv6};

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

/// The places of a message, from its ICMPv6 header on.
mod field {
    pub(super) const FLAGS: usize = 4;
    pub(super) const TARGET: usize = 8;
    pub(super) const OPTIONS: usize = 24;
}

/// The places of an option, and the kinds that are read.
mod option {
    pub(super) const KIND: usize = 0;
    /// In units of eight bytes.
    pub(super) const LENGTH: usize = 1;
    pub(super) const LINK: usize = 2;

    pub(super) const SOURCE_LINK: u8 = 1;
    pub(super) const TARGET_LINK: u8 = 2;
}

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

/// The hop limit that proves that no router forwarded a message.
const HOP_LIMIT: u8 = 255;
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

impl NeighborDiscovery {
    /// Reads an IPv6 packet. None when it isn't neighbour discovery, or isn't valid as such (RFC 4861, 7.1); a packet of
    /// which [`Self::is_one`] holds isn't forwarded either way.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        if !Self::is_one(packet) {
            return None;
        }
        let view = ipv6::Packet::new_checked(packet).ok()?;
        let (source, destination) = (view.src(), view.dst());
        // What Ethernet pads a short frame with is no part of the message.
        let message = view.payload().get(..view.payload_len())?;
        let is_valid = view.hop_limit() == HOP_LIMIT
            && message.len() >= icmp::HEADER_LEN
            && bytes::u8(message, icmp::field::CODE) == 0
            && checksum::of_upper(source.into(), destination.into(), ICMPV6, message) == 0;
        if !is_valid {
            return None;
        }
        let kind = bytes::u8(message, icmp::field::KIND);
        if matches!(kind, ROUTER_SOLICITATION | ROUTER_ADVERTISEMENT | REDIRECT) {
            return Some(Self::Router { kind, source });
        }
        let options = message.get(field::OPTIONS..)?;
        let target: Ipv6Addr = bytes::octets::<16>(message, field::TARGET).into();
        if target.is_multicast() {
            return None;
        }
        if kind == SOLICITATION {
            let link = link(options, option::SOURCE_LINK).ok()?;
            // Duplicate address detection asks all that might have the address, and doesn't say who asks.
            let is_detection = is_solicited_node(destination) && link.is_none();
            return (!source.is_unspecified() || is_detection).then_some(Self::Solicitation { source, target, link });
        }
        let link = link(options, option::TARGET_LINK).ok()?;
        Some(Self::Advertisement { source, target, link })
    }

    /// Whether an IPv6 packet is of one of neighbour discovery's ICMPv6 types, well-formed or not.
    pub fn is_one(packet: &[u8]) -> bool {
        ipv6::Packet::new_checked(packet).is_ok_and(|view| {
            view.next_header() == ICMPV6 && matches!(view.payload().first(), Some(ROUTER_SOLICITATION..=REDIRECT))
        })
    }
}

/// The frame that advertises `target` at `mac` in answer to a solicitation. `is_router` sets the router flag. An answer to
/// a group, as in duplicate address detection, doesn't count as solicited.
pub fn neighbor_advertisement(
    target: Ipv6Addr,
    mac: MacAddress,
    to: (Ipv6Addr, MacAddress),
    is_router: bool,
) -> [u8; ETHERNET_LEN + ipv6::HEADER_LEN + MESSAGE_LEN] {
    let mut message = [0; MESSAGE_LEN];
    message[icmp::field::KIND] = ADVERTISEMENT;
    message[field::FLAGS] = OVERRIDE | if is_router { ROUTER } else { 0 } | if to.0.is_multicast() { 0 } else { SOLICITED };
    bytes::set(&mut message, field::TARGET, &target.octets());
    let link = &mut message[field::OPTIONS..];
    link[option::KIND] = option::TARGET_LINK;
    link[option::LENGTH] = 1;
    bytes::set(link, option::LINK, &mac.0);
    let sum = checksum::of_upper(target.into(), to.0.into(), ICMPV6, &message);
    bytes::set_u16(&mut message, icmp::field::CHECKSUM, sum);

    let mut frame = [0; ETHERNET_LEN + ipv6::HEADER_LEN + MESSAGE_LEN];
    Ethernet { destination: to.1, source: mac, ethertype: ETHERTYPE_IPV6 }.emit(&mut frame);
    let header = ipv6::Repr { src: target, dst: to.0, next_header: ICMPV6, hop_limit: HOP_LIMIT, payload_len: message.len() };
    header.emit(&mut frame[ETHERNET_LEN..]);
    bytes::set(&mut frame, ETHERNET_LEN + ipv6::HEADER_LEN, &message);
    frame
}

/// Bytes of an advertisement with its option.
const MESSAGE_LEN: usize = field::OPTIONS + 8;

/// An option without length makes the message invalid.
struct Invalid;

/// The link-layer address among the options of a message. All options are looked at, because one that is broken spoils the
/// message.
fn link(mut options: &[u8], wanted: u8) -> Result<Option<MacAddress>, Invalid> {
    let mut found = None;
    while !options.is_empty() {
        let length = usize::from(bytes::u8(options, option::LENGTH)) * 8;
        let (option, rest) = options.split_at_checked(length).filter(|_| length > 0).ok_or(Invalid)?;
        if bytes::u8(option, option::KIND) == wanted && length == 8 {
            found = found.or(Some(MacAddress(bytes::octets(option, option::LINK))));
        }
        options = rest;
    }
    Ok(found)
}

/// Whether an address is the group of all nodes whose addresses end alike: ff02::1:ff00:0/104.
fn is_solicited_node(address: Ipv6Addr) -> bool {
    u128::from(address) >> 24 == 0xff02_0000_0000_0000_0000_0001_ff00_0000 >> 24
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::wire::testing;

    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    /// An IPv6 packet with a message and the right hop limit and checksum.
    fn message(source: &str, destination: &str, kind: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
        let message = [&[kind, 0, 0, 0, flags, 0, 0, 0], rest].concat();
        let mut packet = testing::icmpv6((ip(source), ip(destination)), &message);
        packet[7] = 255;
        packet
    }

    fn solicitation(source: &str, destination: &str, options: &[u8]) -> Vec<u8> {
        message(source, destination, 135, 0, &[&ip("2001:db8::17").octets()[..], options].concat())
    }

    #[test]
    fn a_solicitation_says_who_asks_for_what() {
        let packet = solicitation("fe80::2", "ff02::1:ff00:17", &[1, 1, 2, 0, 0, 0, 0, 9]);
        let expected = NeighborDiscovery::Solicitation { source: ip("fe80::2"), target: ip("2001:db8::17"), link: Some(MAC) };
        assert_eq!(NeighborDiscovery::parse(&packet), Some(expected));
    }

    #[test]
    fn duplicate_address_detection_does_not_say_who_asks() {
        let good = solicitation("::", "ff02::1:ff00:17", &[]);
        let expected = NeighborDiscovery::Solicitation { source: ip("::"), target: ip("2001:db8::17"), link: None };
        assert_eq!(NeighborDiscovery::parse(&good), Some(expected));
        for bad in [solicitation("::", "2001:db8::17", &[]), solicitation("::", "ff02::1:ff00:17", &[1, 1, 2, 0, 0, 0, 0, 9])] {
            assert_eq!(NeighborDiscovery::parse(&bad), None);
            assert!(NeighborDiscovery::is_one(&bad));
        }
    }

    #[test]
    fn our_advertisement_is_valid() {
        let target = ip("2001:db8::17");
        let frame = neighbor_advertisement(target, MAC, (ip("fe80::1"), MacAddress([2, 0, 0, 0, 0, 1])), true);
        let packet = &frame[ETHERNET_LEN..];
        testing::assert_checksums(packet);
        assert_eq!(packet[44], ROUTER | SOLICITED | OVERRIDE);
        let expected = NeighborDiscovery::Advertisement { source: target, target, link: Some(MAC) };
        assert_eq!(NeighborDiscovery::parse(packet), Some(expected));
        let to_all = neighbor_advertisement(target, MAC, (ip("ff02::1"), MacAddress([0x33, 0x33, 0, 0, 0, 1])), false);
        assert_eq!(to_all[ETHERNET_LEN + 44], OVERRIDE);
        assert_eq!(NeighborDiscovery::parse(&to_all[ETHERNET_LEN..]), Some(expected));
    }

    #[test]
    fn a_message_that_breaks_a_rule_is_recognized_and_refused() {
        let good = solicitation("fe80::2", "ff02::1:ff00:17", &[]);
        let target = ip("2001:db8::17").octets();
        let forwarded = [&good[..7], &[254], &good[8..]].concat();
        let mut wrong_checksum = good.clone();
        wrong_checksum[50] ^= 1;
        let cases = [
            forwarded,
            wrong_checksum,
            good[..60].to_vec(),
            solicitation("fe80::2", "ff02::1:ff00:17", &[1, 0, 2, 0, 0, 0, 0, 9]),
            solicitation("fe80::2", "ff02::1:ff00:17", &[1, 2, 2, 0, 0, 0, 0, 9]),
            solicitation("fe80::2", "ff02::1:ff00:17", &[1, 1, 2]),
            message("fe80::2", "ff02::1", 135, 0, &ip("ff02::1").octets()),
            message("fe80::2", "ff02::1", 136, 0, &target[..15]),
        ];
        for packet in cases {
            assert!(NeighborDiscovery::is_one(&packet), "{packet:02x?}");
            assert_eq!(NeighborDiscovery::parse(&packet), None, "{packet:02x?}");
        }
    }

    #[test]
    fn what_pads_the_frame_is_no_option() {
        let mut packet = solicitation("fe80::2", "ff02::1:ff00:17", &[]);
        packet.extend_from_slice(&[1, 1, 2, 0, 0, 0, 0, 9]);
        let expected = NeighborDiscovery::Solicitation { source: ip("fe80::2"), target: ip("2001:db8::17"), link: None };
        assert_eq!(NeighborDiscovery::parse(&packet), Some(expected));
    }

    #[test]
    fn routers_messages_are_told_apart() {
        let packet = message("fe80::2", "ff02::2", 133, 0, &[]);
        assert_eq!(NeighborDiscovery::parse(&packet), Some(NeighborDiscovery::Router { kind: 133, source: ip("fe80::2") }));
        assert_eq!(NeighborDiscovery::parse(&testing::echo((ip("fe80::2").into(), ip("fe80::1").into()), false, 1, b"")), None);
    }
}
