//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use openvpc_model::interface::MacAddress;

use super::ethernet::Ethernet;

/// What an ARP message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ArpMessage {
    pub(super) operation: ArpOperation,
    pub(super) sender_mac: MacAddress,
    pub(super) sender: Ipv4Addr,
    pub(super) target: Ipv4Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ArpOperation {
    Request,
    Reply,
}

impl ArpMessage {
    /// Reads the message behind the Ethernet header of `frame`.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let message: &[u8; MESSAGE] = frame.get(Ethernet::LENGTH..)?.first_chunk()?;
        if message[..6] != ETHERNET_IPV4 {
            return None;
        }
        let operation = match message[6..8] {
            [0, 1] => ArpOperation::Request,
            [0, 2] => ArpOperation::Reply,
            _ => return None,
        };
        let ipv4 = |at: usize| Ipv4Addr::new(message[at], message[at + 1], message[at + 2], message[at + 3]);
        let mut sender_mac = MacAddress([0; 6]);
        sender_mac.0.copy_from_slice(&message[8..14]);
        Some(Self { operation, sender_mac, sender: ipv4(14), target: ipv4(24) })
    }

    /// The frame that answers this request: `mac` has the address asked for.
    pub(super) fn answer(&self, mac: MacAddress) -> [u8; Ethernet::LENGTH + MESSAGE] {
        let mut frame = [0; Ethernet::LENGTH + MESSAGE];
        Ethernet { destination: self.sender_mac, source: mac, ethertype: Ethernet::ARP }.write(&mut frame);
        let message = &mut frame[Ethernet::LENGTH..];
        message[..6].copy_from_slice(&ETHERNET_IPV4);
        message[6..8].copy_from_slice(&[0, 2]);
        message[8..14].copy_from_slice(&mac.0);
        message[14..18].copy_from_slice(&self.target.octets());
        message[18..24].copy_from_slice(&self.sender_mac.0);
        message[24..28].copy_from_slice(&self.sender.octets());
        frame
    }
}

const MESSAGE: usize = 28;

/// Hardware type Ethernet, protocol IPv4, and the lengths of their addresses.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_answer_names_the_owner_and_goes_to_the_one_who_asked() {
        let asker = MacAddress([2, 0, 0, 0, 0, 1]);
        let owner = MacAddress([2, 0, 0, 0, 0, 9]);
        let request = ArpMessage {
            operation: ArpOperation::Request,
            sender_mac: asker,
            sender: Ipv4Addr::new(10, 0, 0, 4),
            target: Ipv4Addr::new(10, 0, 0, 1),
        };
        let frame = request.answer(owner);
        let ethernet = Ethernet::parse(&frame).unwrap();
        assert_eq!(ethernet, Ethernet { destination: asker, source: owner, ethertype: Ethernet::ARP });
        let answer = ArpMessage::parse(&frame).unwrap();
        assert_eq!(
            answer,
            ArpMessage { operation: ArpOperation::Reply, sender_mac: owner, sender: request.target, target: request.sender }
        );
    }

    #[test]
    fn a_message_cut_short_or_for_another_protocol_is_none() {
        let request = ArpMessage {
            operation: ArpOperation::Request,
            sender_mac: MacAddress([2; 6]),
            sender: Ipv4Addr::LOCALHOST,
            target: Ipv4Addr::LOCALHOST,
        };
        let frame = request.answer(MacAddress([2; 6]));
        for length in 0..frame.len() {
            assert_eq!(ArpMessage::parse(&frame[..length]), None, "{length}");
        }
        let mut other = frame;
        other[Ethernet::LENGTH + 1] = 6;
        assert_eq!(ArpMessage::parse(&other), None);
    }
}
