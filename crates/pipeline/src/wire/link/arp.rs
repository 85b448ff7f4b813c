//! ARP (RFC 826).

use std::net::Ipv4Addr;

use openvpc_model::interface::MacAddress;

use super::ethernet::{ETHERNET_LEN, ETHERTYPE_ARP, Ethernet};
use crate::wire::bytes;

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

/// The places of a message.
mod field {
    /// Kind and length of hardware and protocol addresses.
    pub(super) const FORMAT: usize = 0;
    pub(super) const OPERATION: usize = 6;
    pub(super) const SENDER_MAC: usize = 8;
    pub(super) const SENDER_IP: usize = 14;
    pub(super) const TARGET_MAC: usize = 18;
    pub(super) const TARGET_IP: usize = 24;
}

/// Ethernet with addresses of 6 bytes, IPv4 with addresses of 4.
const FORMAT: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

impl Arp {
    /// Bytes of a message.
    pub const LEN: usize = 28;

    /// Reads what follows the Ethernet header; none when it is no such message.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let operation = bytes::u16(message, field::OPERATION);
        let is_known = bytes::octets(message, field::FORMAT) == FORMAT && matches!(operation, REQUEST | REPLY);
        (is_known && message.len() >= Self::LEN).then(|| Self {
            is_request: operation == REQUEST,
            sender_mac: MacAddress(bytes::octets(message, field::SENDER_MAC)),
            sender_ip: bytes::octets::<4>(message, field::SENDER_IP).into(),
            target_mac: MacAddress(bytes::octets(message, field::TARGET_MAC)),
            target_ip: bytes::octets::<4>(message, field::TARGET_IP).into(),
        })
    }

    /// The frame that carries the message from its sender to its target, or to everybody when it is a request.
    pub fn frame(&self) -> [u8; ETHERNET_LEN + Self::LEN] {
        let mut frame = [0; ETHERNET_LEN + Self::LEN];
        let destination = if self.is_request { MacAddress([0xff; 6]) } else { self.target_mac };
        Ethernet { destination, source: self.sender_mac, ethertype: ETHERTYPE_ARP }.emit(&mut frame);
        let message = &mut frame[ETHERNET_LEN..];
        bytes::set(message, field::FORMAT, &FORMAT);
        bytes::set_u16(message, field::OPERATION, if self.is_request { REQUEST } else { REPLY });
        bytes::set(message, field::SENDER_MAC, &self.sender_mac.0);
        bytes::set(message, field::SENDER_IP, &self.sender_ip.octets());
        bytes::set(message, field::TARGET_MAC, &self.target_mac.0);
        bytes::set(message, field::TARGET_IP, &self.target_ip.octets());
        frame
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn request() -> Arp {
        Arp {
            is_request: true,
            sender_mac: MacAddress([2, 0, 0, 0, 0, 1]),
            sender_ip: Ipv4Addr::new(10, 0, 1, 17),
            target_mac: MacAddress([0; 6]),
            target_ip: Ipv4Addr::new(10, 0, 1, 1),
        }
    }

    #[test]
    fn a_message_survives_the_wire() {
        let reply = Arp { is_request: false, target_mac: MacAddress([2, 0, 0, 0, 0, 7]), ..request() };
        for (arp, destination) in [(request(), MacAddress([0xff; 6])), (reply, reply.target_mac)] {
            let frame = arp.frame();
            let ethernet = Ethernet::parse(&frame).unwrap();
            assert_eq!((ethernet.destination, ethernet.source, ethernet.ethertype), (destination, arp.sender_mac, ETHERTYPE_ARP));
            assert_eq!(Arp::parse(&frame[ETHERNET_LEN..]), Some(arp));
        }
    }

    #[test]
    fn another_format_operation_or_length_is_no_message() {
        let frame = request().frame();
        let message = &frame[ETHERNET_LEN..];
        for place in [1, 2, 4, 5, 6, 7] {
            let mut other = message.to_vec();
            other[place] ^= 0x10;
            assert_eq!(Arp::parse(&other), None, "byte {place}");
        }
        for length in 0..Arp::LEN {
            assert_eq!(Arp::parse(&message[..length]), None, "{length} bytes");
        }
    }
}
