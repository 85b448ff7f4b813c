//! IPv6 neighbour discovery (RFC 4861).
//!
//! Only messages without extension headers are read: no host sends others, and RFC 6980 lets receivers refuse them.

use std::net::Ipv6Addr;

use openvpc_model::interface::MacAddress;

use super::ethernet::Ethernet;

/// A message of neighbour discovery and the addresses of the packet it came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Neighbour {
    pub(super) source: Ipv6Addr,
    pub(super) message: NeighbourMessage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NeighbourMessage {
    Advertisement { target: Ipv6Addr },
    Redirect,
    RouterAdvertisement,
    RouterSolicitation,
    Solicitation { target: Ipv6Addr, source_mac: Option<MacAddress> },
}

/// Why a message of neighbour discovery can't be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MalformedNeighbour;

impl Neighbour {
    /// Reads the message in an IPv6 frame, or says that the frame carries none.
    pub(super) fn parse(frame: &[u8]) -> Result<Option<Self>, MalformedNeighbour> {
        let Some((header, body)) = frame.get(Ethernet::LENGTH..).and_then(|packet| packet.split_at_checked(IPV6_HEADER)) else {
            return Ok(None);
        };
        if header[0] >> 4 != 6 || header[NEXT_HEADER] != ICMPV6 || !body.first().is_some_and(|kind| is_neighbour_discovery(*kind)) {
            return Ok(None);
        }
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let body = body.get(..length).ok_or(MalformedNeighbour)?;
        if header[HOP_LIMIT] != UNROUTED || body.get(1) != Some(&0) {
            return Err(MalformedNeighbour);
        }
        let message = match body[0] {
            ROUTER_SOLICITATION => NeighbourMessage::RouterSolicitation,
            ROUTER_ADVERTISEMENT => NeighbourMessage::RouterAdvertisement,
            SOLICITATION => NeighbourMessage::Solicitation { target: target_of(body)?, source_mac: source_mac_of(body)? },
            ADVERTISEMENT => NeighbourMessage::Advertisement { target: target_of(body)? },
            _ => NeighbourMessage::Redirect,
        };
        Ok(Some(Self { source: address_at(header, 8).ok_or(MalformedNeighbour)?, message }))
    }
}

/// Whether an ICMPv6 type belongs to neighbour discovery, which never leaves its link.
pub(super) fn is_neighbour_discovery(kind: u8) -> bool {
    (ROUTER_SOLICITATION..=REDIRECT).contains(&kind)
}

/// Tells `asker` that `mac` has the address `target`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advertisement {
    /// The address asked for.
    pub(super) target: Ipv6Addr,
    /// Who has it.
    pub(super) mac: MacAddress,
    /// Whether that is a router.
    pub(super) is_router: bool,
    /// Who asked; unspecified during duplicate address detection.
    pub(super) asker: Ipv6Addr,
    /// The hardware address of who asked.
    pub(super) asker_mac: MacAddress,
}

impl Advertisement {
    pub(super) const LENGTH: usize = Ethernet::LENGTH + IPV6_HEADER + 32;

    /// The frame that says so.
    pub(super) fn frame(&self) -> [u8; Self::LENGTH] {
        const ROUTER: u8 = 0x80;
        const SOLICITED: u8 = 0x40;
        const OVERRIDE: u8 = 0x20;

        let (destination, flags) = match self.asker.is_unspecified() {
            true => (ALL_NODES, OVERRIDE),
            false => (self.asker, OVERRIDE | SOLICITED),
        };
        let mut frame = [0; Self::LENGTH];
        Ethernet { destination: self.asker_mac, source: self.mac, ethertype: Ethernet::IPV6 }.write(&mut frame);
        let (header, body) = frame[Ethernet::LENGTH..].split_at_mut(IPV6_HEADER);
        header[0] = 0x60;
        header[4..6].copy_from_slice(&(body.len() as u16).to_be_bytes());
        header[NEXT_HEADER] = ICMPV6;
        header[HOP_LIMIT] = UNROUTED;
        header[8..24].copy_from_slice(&self.target.octets());
        header[24..40].copy_from_slice(&destination.octets());
        body[0] = ADVERTISEMENT;
        body[4] = flags | if self.is_router { ROUTER } else { 0 };
        body[8..24].copy_from_slice(&self.target.octets());
        body[24..26].copy_from_slice(&[TARGET_MAC, 1]);
        body[26..32].copy_from_slice(&self.mac.0);
        let checksum = checksum(header, body);
        body[2..4].copy_from_slice(&checksum.to_be_bytes());
        frame
    }
}

fn target_of(body: &[u8]) -> Result<Ipv6Addr, MalformedNeighbour> {
    address_at(body, 8).filter(|target| !target.is_multicast()).ok_or(MalformedNeighbour)
}

/// The option "source link-layer address", where there is one.
fn source_mac_of(body: &[u8]) -> Result<Option<MacAddress>, MalformedNeighbour> {
    let mut options = body.get(24..).ok_or(MalformedNeighbour)?;
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * 8;
        let option = options.get(..length).filter(|option| !option.is_empty()).ok_or(MalformedNeighbour)?;
        if kind == SOURCE_MAC {
            let mac: &[u8; 6] = option[2..].first_chunk().ok_or(MalformedNeighbour)?;
            return Ok(Some(MacAddress(*mac)));
        }
        options = &options[length..];
    }
    Ok(None)
}

fn address_at(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?))
}

/// The checksum of an ICMPv6 message over its pseudo header and itself, its own field being zero.
fn checksum(header: &[u8], body: &[u8]) -> u16 {
    let words = |bytes: &[u8]| bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))).sum::<u32>();
    let mut sum = words(&header[8..40]) + body.len() as u32 + u32::from(ICMPV6) + words(body);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

const IPV6_HEADER: usize = 40;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
const ICMPV6: u8 = 58;
/// The hop limit that proves that no router passed a message on.
const UNROUTED: u8 = 255;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn solicitation(options: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; Ethernet::LENGTH + IPV6_HEADER + 24];
        frame.extend_from_slice(options);
        let (header, body) = frame[Ethernet::LENGTH..].split_at_mut(IPV6_HEADER);
        header[0] = 0x60;
        header[4..6].copy_from_slice(&(body.len() as u16).to_be_bytes());
        header[NEXT_HEADER] = ICMPV6;
        header[HOP_LIMIT] = UNROUTED;
        header[23] = 7;
        body[0] = SOLICITATION;
        body[23] = 9;
        frame
    }

    #[test]
    fn a_solicitation_is_read_with_its_option() {
        let frame = solicitation(&[1, 1, 2, 0, 0, 0, 0, 5]);
        let seen = Neighbour::parse(&frame).unwrap().unwrap();
        assert_eq!(seen.source, "::7".parse::<Ipv6Addr>().unwrap());
        let expected = NeighbourMessage::Solicitation {
            target: "::9".parse().unwrap(),
            source_mac: Some(MacAddress([2, 0, 0, 0, 0, 5])),
        };
        assert_eq!(seen.message, expected);
    }

    #[test]
    fn a_message_that_was_routed_or_is_cut_short_is_malformed() {
        let good = solicitation(&[1, 1, 2, 0, 0, 0, 0, 5]);
        let mut routed = good.clone();
        routed[Ethernet::LENGTH + HOP_LIMIT] = 254;
        assert_eq!(Neighbour::parse(&routed), Err(MalformedNeighbour));
        assert_eq!(Neighbour::parse(&good[..good.len() - 1]), Err(MalformedNeighbour));
        assert_eq!(Neighbour::parse(&solicitation(&[1, 0, 0, 0, 0, 0, 0, 0])), Err(MalformedNeighbour), "an option of no length");
        assert_eq!(Neighbour::parse(&solicitation(&[1, 2, 0, 0, 0, 0, 0, 0])), Err(MalformedNeighbour), "an option too long");
        for length in 0..Ethernet::LENGTH + IPV6_HEADER {
            assert_eq!(Neighbour::parse(&good[..length]), Ok(None), "{length}");
        }
    }

    #[test]
    fn an_advertisement_is_addressed_to_the_asker_and_sums_up() {
        let advertisement = Advertisement {
            target: "fd00::1".parse().unwrap(),
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            is_router: true,
            asker: "fd00::4".parse().unwrap(),
            asker_mac: MacAddress([2, 0, 0, 0, 0, 4]),
        };
        let frame = advertisement.frame();
        let slices = etherparse::SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(etherparse::TransportSlice::Icmpv6(icmp)) = slices.transport else { panic!("{slices:?}") };
        let Some(etherparse::NetSlice::Ipv6(ip)) = slices.net else { panic!("no IPv6") };
        assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
        assert_eq!(ip.header().destination_addr(), advertisement.asker);
        let seen = Neighbour::parse(&frame).unwrap().unwrap();
        assert_eq!(seen.message, NeighbourMessage::Advertisement { target: advertisement.target });
    }
}
