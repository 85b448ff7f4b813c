//! Header changes: addresses, ports and hop limit, with every checksum that covers them.

use std::net::IpAddr;

use super::header::{ICMP, ICMPV6, TCP, UDP};
use super::{checksum, field, ipv4, ipv6};

/// What changes in a packet's headers on its way. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The new source address, of the same family.
    pub src: Option<IpAddr>,
    /// The new destination address, of the same family.
    pub dst: Option<IpAddr>,
    /// The new source port.
    pub src_port: Option<u16>,
    /// The new destination port.
    pub dst_port: Option<u16>,
    /// How many routers count the packet down.
    pub ttl_decrement: u8,
}

impl Rewrite {
    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }

    /// Changes an IP packet in place. `partial` says that the sender left the transport checksum to the hardware, so that
    /// its field holds the sum of the pseudo-header alone.
    ///
    /// The packet must have passed [`super::PacketHeader::parse`]; any other bytes come out in an unspecified state, but
    /// never panic.
    pub fn apply(&self, packet: &mut [u8], partial: bool) {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) if packet.len() >= ipv4::HEADER_LEN => self.apply_ipv4(packet, partial),
            Some(6) if packet.len() >= ipv6::HEADER_LEN => self.apply_ipv6(packet, partial),
            _ => {}
        }
    }

    fn apply_ipv4(&self, packet: &mut [u8], partial: bool) {
        let header_len = (usize::from(packet[0] & 15) * 4).min(packet.len());
        let protocol = packet[9];
        let first = field::u16(packet, 6) & 0x1fff == 0;
        let mut covered = [0; 12];
        covered.copy_from_slice(&packet[8..20]);
        packet[8] = packet[8].saturating_sub(self.ttl_decrement);
        let changes = [(12, self.src), (16, self.dst)].map(|(at, address)| AddressChange::make(packet, at, address));
        // The header's own checksum, itself at 10, covers everything changed between 8 and 20.
        let sum = field::u16(packet, 10);
        let updated = checksum::updated(sum, &covered, &packet[8..20]);
        field::set_u16(packet, 10, updated);
        if first {
            self.apply_transport(protocol, &mut packet[header_len..], &changes, partial);
        }
    }

    fn apply_ipv6(&self, packet: &mut [u8], partial: bool) {
        packet[7] = packet[7].saturating_sub(self.ttl_decrement);
        let walk = ipv6::walk(packet);
        let changes = [(8, self.src), (24, self.dst)].map(|(at, address)| AddressChange::make(packet, at, address));
        if let Ok(walk) = walk
            && !walk.is_later_fragment()
        {
            let at = walk.offset.min(packet.len());
            self.apply_transport(walk.protocol, &mut packet[at..], &changes, partial);
        }
    }

    fn apply_transport(&self, protocol: u8, segment: &mut [u8], changes: &[AddressChange; 2], partial: bool) {
        let (sum_at, has_ports) = match protocol {
            TCP => (16, true),
            UDP => (6, true),
            ICMPV6 => (2, false),
            ICMP => {
                rewrite_quoted(segment, changes);
                return;
            }
            _ => return,
        };
        if segment.len() < sum_at + 2 || (protocol == UDP && field::u16(segment, sum_at) == 0 && !partial) {
            self.set_ports(segment, has_ports);
            return;
        }
        let mut sum = field::u16(segment, sum_at);
        let old_ports: [u8; 4] = field::octets(segment, 0);
        self.set_ports(segment, has_ports);
        for change in changes {
            let (old, new) = (&change.old[..change.len], &change.new[..change.len]);
            sum = if partial { checksum::updated_partial(sum, old, new) } else { checksum::updated(sum, old, new) };
        }
        if has_ports && !partial {
            sum = checksum::updated(sum, &old_ports, &segment[..4]);
        }
        // Zero would say that there is no checksum.
        if protocol == UDP && sum == 0 && !partial {
            sum = 0xffff;
        }
        field::set_u16(segment, sum_at, sum);
    }

    fn set_ports(&self, segment: &mut [u8], has_ports: bool) {
        if has_ports {
            if let Some(port) = self.src_port {
                field::set_u16(segment, 0, port);
            }
            if let Some(port) = self.dst_port {
                field::set_u16(segment, 2, port);
            }
        }
    }
}

/// An address before and after; of length 0 where it stays.
struct AddressChange {
    old: [u8; 16],
    new: [u8; 16],
    len: usize,
}

impl AddressChange {
    /// Writes the new address at its place.
    fn make(packet: &mut [u8], at: usize, address: Option<IpAddr>) -> Self {
        let mut change = Self { old: [0; 16], new: [0; 16], len: 0 };
        let Some(address) = address else {
            return change;
        };
        change.len = match address {
            IpAddr::V4(v4) => {
                change.new[..4].copy_from_slice(&v4.octets());
                4
            }
            IpAddr::V6(v6) => {
                change.new = v6.octets();
                16
            }
        };
        if let Some(place) = packet.get_mut(at..at + change.len) {
            change.old[..change.len].copy_from_slice(place);
            place.copy_from_slice(&change.new[..change.len]);
        }
        change
    }
}

/// In an ICMP error, the quoted packet went the other way: what is now the new source was its destination. Its receiver
/// knows it only by the addresses that receiver sees, so they change in the quotation too.
fn rewrite_quoted(message: &mut [u8], changes: &[AddressChange; 2]) {
    const QUOTED: usize = 8;
    if message.len() < QUOTED + ipv4::HEADER_LEN || !matches!(message[0], 3 | 4 | 5 | 11 | 12) || message[QUOTED] >> 4 != 4 {
        return;
    }
    let mut before = [0; 12];
    before.copy_from_slice(&message[QUOTED + 8..QUOTED + 20]);
    for (change, at) in changes.iter().zip([QUOTED + 16, QUOTED + 12]) {
        if change.len == 4 && message[at..at + 4] == change.old[..4] {
            message[at..at + 4].copy_from_slice(&change.new[..4]);
        }
    }
    let header_sum = field::u16(message, QUOTED + 10);
    let header_sum = checksum::updated(header_sum, &before, &message[QUOTED + 8..QUOTED + 20]);
    field::set_u16(message, QUOTED + 10, header_sum);
    let sum = checksum::updated(field::u16(message, 2), &before, &message[QUOTED + 8..QUOTED + 20]);
    field::set_u16(message, 2, sum);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::super::testing;
    use super::*;

    fn nat() -> Rewrite {
        Rewrite {
            src: Some("203.0.113.9".parse().unwrap()),
            dst: Some("198.51.100.10".parse().unwrap()),
            ttl_decrement: 1,
            ..Rewrite::default()
        }
    }

    fn assert_checksums(packet: &[u8]) {
        let sliced = SlicedPacket::from_ip(packet).unwrap();
        let Some(NetSlice::Ipv4(ip)) = sliced.net else { panic!("no IPv4 packet") };
        let header = ip.header().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        match sliced.transport.unwrap() {
            TransportSlice::Tcp(tcp) => {
                let calculated = tcp.to_header().calc_checksum_ipv4(&header, tcp.payload()).unwrap();
                assert_eq!(tcp.checksum(), calculated);
            }
            TransportSlice::Udp(udp) if udp.checksum() != 0 => {
                let calculated = udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap();
                assert_eq!(udp.checksum(), calculated);
            }
            _ => {}
        }
    }

    #[test]
    fn every_checksum_is_right_after_nat() {
        let addresses = ("10.0.1.17".parse().unwrap(), "10.9.8.7".parse().unwrap());
        for ports in [(1, 2), (40000, 443), (65535, 65535)] {
            for payload in [&b""[..], b"x", b"some bytes"] {
                for mut packet in [testing::tcp(addresses, ports, 0x18, payload), testing::udp(addresses, ports, payload)] {
                    let rewrite = Rewrite { src_port: Some(1024), dst_port: Some(80), ..nat() };
                    rewrite.apply(&mut packet, false);
                    assert_checksums(&packet);
                    assert_eq!(packet[8], 63);
                }
            }
        }
    }

    #[test]
    fn an_absent_udp_checksum_stays_absent() {
        let mut packet = testing::udp(("10.0.1.17".parse().unwrap(), "10.9.8.7".parse().unwrap()), (1, 2), b"data");
        packet[26..28].fill(0);
        nat().apply(&mut packet, false);
        assert_eq!(packet[26..28], [0, 0]);
    }

    #[test]
    fn an_icmp_error_quotes_the_addresses_that_its_receiver_knows() {
        let original = testing::udp(("198.51.100.10".parse().unwrap(), "10.0.1.17".parse().unwrap()), (53, 99), b"data");
        let mut error = testing::icmp_error(("10.0.1.17".parse().unwrap(), "198.51.100.10".parse().unwrap()), 3, 3, &original);
        let out = Rewrite { src: Some("203.0.113.9".parse().unwrap()), ..Rewrite::default() };
        out.apply(&mut error, false);
        assert_eq!(error[28 + 16..28 + 20], [203, 0, 113, 9]);
        assert_eq!(checksum::of(&error[20..]), 0, "ICMP checksum");
        assert_eq!(checksum::of(&error[28..48]), 0, "quoted header's checksum");
        assert_eq!(checksum::of(&error[..20]), 0, "header checksum");
    }
}
