//! UDP and ICMPv6 as the router itself speaks them: whole frames, read and written.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use openvpc_model::interface::MacAddress;

use super::link::{ETHERNET_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet};
use super::{ICMPV6, PacketHeader, Transport, UDP, bytes, checksum, ipv4, ipv6};

/// A UDP datagram that was read, whole and not a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// Whom it is for.
    pub to: SocketAddr,
    /// What it says.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads an IP packet. None when it isn't UDP right behind the IP header, or nothing that a router would forward. The UDP
    /// checksum isn't looked at: senders on this machine may leave it undone.
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let header = PacketHeader::parse(packet, None).ok()?;
        let Transport::Ports { src, dst } = header.transport else { return None };
        if header.protocol != UDP || header.fragment.is_some() {
            return None;
        }
        let upper = match header.src {
            IpAddr::V4(_) => ipv4::Packet::new_checked(packet).ok()?.payload(),
            IpAddr::V6(_) => {
                let view = ipv6::Packet::new_checked(packet).ok()?;
                view.payload().get(..view.payload_len()).filter(|_| view.next_header() == UDP)?
            }
        };
        let length = usize::from(bytes::u16(upper, LENGTH));
        let payload = upper.get(HEADER..length)?;
        Some(Self { from: SocketAddr::new(header.src, src), to: SocketAddr::new(header.dst, dst), payload })
    }
}

/// Whether an IP packet may be a UDP datagram to that port: a quick look before [`Datagram::parse`].
#[inline]
pub fn may_be_for_port(packet: &[u8], port: u16) -> bool {
    let upper = match packet.first().map(|byte| byte >> 4) {
        Some(4) if bytes::u8(packet, ipv4::field::PROTOCOL) == UDP => usize::from(bytes::u8(packet, 0) & 15) * 4,
        Some(6) if bytes::u8(packet, ipv6::field::NEXT_HEADER) == UDP => ipv6::HEADER_LEN,
        _ => return false,
    };
    bytes::u16(packet, upper + 2) == port
}

/// Writes the frame of a UDP datagram to `out` and returns its length; none when it doesn't fit, or the families differ.
/// `link` is the receiver's hardware address and the sender's.
pub fn udp_frame(
    link: (MacAddress, MacAddress),
    from: SocketAddr,
    to: SocketAddr,
    payload: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let length = HEADER + payload.len();
    let mut header = [0; HEADER];
    bytes::set_u16(&mut header, 0, from.port());
    bytes::set_u16(&mut header, 2, to.port());
    bytes::set_u16(&mut header, LENGTH, u16::try_from(length).ok()?);
    let (total, upper) = ip_frame(link, (from.ip(), to.ip()), (UDP, TTL), length, out)?;
    bytes::set(upper, 0, &header);
    bytes::set(upper, HEADER, payload);
    let sum = match checksum::of_upper(from.ip(), to.ip(), UDP, upper) {
        0 => 0xffff,
        sum => sum,
    };
    bytes::set_u16(upper, CHECKSUM, sum);
    Some(total)
}

/// The same for an ICMPv6 message that no router may have forwarded, whose checksum is still to be filled in.
pub(crate) fn discovery_frame(
    link: (MacAddress, MacAddress),
    from: Ipv6Addr,
    to: Ipv6Addr,
    message: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let (total, upper) = ip_frame(link, (from.into(), to.into()), (ICMPV6, u8::MAX), message.len(), out)?;
    bytes::set(upper, 0, message);
    let sum = checksum::of_upper(from.into(), to.into(), ICMPV6, upper);
    bytes::set_u16(upper, 2, sum);
    Some(total)
}

/// Writes everything up to the IP header; returns the frame's length and the place for what follows.
fn ip_frame(
    (receiver, sender): (MacAddress, MacAddress),
    addresses: (IpAddr, IpAddr),
    (protocol, ttl): (u8, u8),
    payload_len: usize,
    out: &mut [u8],
) -> Option<(usize, &mut [u8])> {
    let (ethertype, header) = match addresses {
        (IpAddr::V4(_), IpAddr::V4(_)) => (ETHERTYPE_IPV4, ipv4::HEADER_LEN),
        (IpAddr::V6(_), IpAddr::V6(_)) => (ETHERTYPE_IPV6, ipv6::HEADER_LEN),
        _ => return None,
    };
    let total = ETHERNET_LEN + header + payload_len;
    let frame = out.get_mut(..total)?;
    Ethernet { destination: receiver, source: sender, ethertype }.emit(frame);
    match addresses {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            ipv4::Repr { src, dst, protocol, ttl, payload_len }.emit(&mut frame[ETHERNET_LEN..]);
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            ipv6::Repr { src, dst, next_header: protocol, hop_limit: ttl, payload_len }.emit(&mut frame[ETHERNET_LEN..]);
        }
        _ => return None,
    }
    Some((total, &mut frame[ETHERNET_LEN + header..]))
}

/// Bytes of a UDP header, and places in it.
const HEADER: usize = 8;
const LENGTH: usize = 4;
const CHECKSUM: usize = 6;
const TTL: u8 = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::testing;
    use super::*;

    #[test]
    fn a_datagram_survives_the_wire() {
        let link = (MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2]));
        for (from, to) in [("10.0.0.1:67", "255.255.255.255:68"), ("[fe80::1]:547", "[fe80::2]:546")] {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            let mut out = [0xaa; 200];
            let length = udp_frame(link, from, to, b"hello", &mut out).unwrap();
            let packet = out[ETHERNET_LEN..length].to_vec();
            testing::assert_checksums(&packet);
            assert_eq!(Datagram::parse(&packet), Some(Datagram { from, to, payload: b"hello" }));
            assert!(may_be_for_port(&packet, to.port()) && !may_be_for_port(&packet, 1));
            assert_eq!(udp_frame(link, from, to, &[0; 200], &mut out), None, "no room");
            for length in 0..packet.len() {
                assert_eq!(Datagram::parse(&packet[..length]), None);
                may_be_for_port(&packet[..length], 67);
            }
        }
    }
}
