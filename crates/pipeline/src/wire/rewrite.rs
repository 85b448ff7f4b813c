//! Header changes: addresses, ports and hop limit, with every checksum that covers them.

use std::net::IpAddr;

use super::checksum::Difference;
use super::header::{ICMP, ICMPV6, TCP, Transport, UDP};
use super::transport::Family;
use super::{bytes, icmp, ipv4, ipv6, tcp, udp};

#[cfg(test)]
mod tests;

/// What changes in a packet's headers on its way. The default changes nothing.
///
/// An ICMP error quotes a packet that went the other way, and its receiver knows that packet only by the addresses and
/// ports that it sees itself. So where an error's source changes, the destination of the packet that it quotes changes as
/// well if it is the same address, and the other way round; a new source port becomes the quoted destination port. The
/// identifier of an ICMP echo counts as the source port of a request and as the destination port of an answer.
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
    /// never panic. An address of the other family is not written.
    pub fn apply(&self, packet: &mut [u8], partial: bool) {
        if self.is_identity() {
            return;
        }
        let Some(layout) = Layout::of(packet) else { return };
        let header = self.change_header(&layout, packet);
        let Some(upper) = layout.upper.and_then(|at| packet.get_mut(at..)) else { return };
        let inside = match quotation(&layout, upper) {
            Some(quotation) => self.change_quotation(&layout, quotation),
            None => self.change_ports(layout.protocol, upper),
        };
        let Some(place) = ChecksumPlace::of(&layout) else { return };
        if partial && place.covers_addresses {
            // The sum of the pseudo-header, of which ports are no part.
            let sum = header.addresses.apply_to_sum(bytes::u16(upper, place.at));
            bytes::set_u16(upper, place.at, sum);
        } else {
            place.update(upper, header.addresses, inside);
        }
    }

    /// Changes the packet that an ICMP error quotes, and returns all that changed in it.
    fn change_quotation(&self, error: &Layout, quotation: &mut [u8]) -> Difference {
        let Some(quoted) = Layout::of(quotation).filter(|quoted| quoted.family == error.family) else {
            return Difference::default();
        };
        let inverse = Self {
            src: self.dst.filter(|_| quoted.src == error.dst),
            dst: self.src.filter(|_| quoted.dst == error.src),
            src_port: self.dst_port,
            dst_port: self.src_port,
            ttl_decrement: 0,
        };
        let header = inverse.change_header(&quoted, quotation);
        let mut all = header.all;
        if let Some(upper) = quoted.upper.and_then(|at| quotation.get_mut(at..)) {
            let ports = inverse.change_ports(quoted.protocol, upper);
            all.merge(ports);
            // The checksum may lie behind the end of the quotation.
            if let Some(place) = ChecksumPlace::of(&quoted).filter(|place| place.at + 2 <= upper.len()) {
                all.merge(place.update(upper, header.addresses, ports));
            }
        }
        all
    }

    fn change_header(&self, layout: &Layout, packet: &mut [u8]) -> HeaderChange {
        let mut addresses = Difference::default();
        let mut all = Difference::default();
        let (src, dst) = layout.family.address_places();
        for (at, address) in [(src, self.src), (dst, self.dst)] {
            match (address, layout.family) {
                (Some(IpAddr::V4(v4)), Family::Ipv4) => write(packet, at, &v4.octets(), &mut addresses),
                (Some(IpAddr::V6(v6)), Family::Ipv6) => write(packet, at, &v6.octets(), &mut addresses),
                _ => {}
            }
        }
        all.merge(addresses);
        match layout.family {
            Family::Ipv4 => {
                let [ttl, protocol] = bytes::octets(packet, ipv4::field::TTL);
                write(packet, ipv4::field::TTL, &[ttl.saturating_sub(self.ttl_decrement), protocol], &mut all);
                let sum = all.apply(bytes::u16(packet, ipv4::field::CHECKSUM));
                write(packet, ipv4::field::CHECKSUM, &sum.to_be_bytes(), &mut all);
            }
            Family::Ipv6 => {
                let [next, hops] = bytes::octets(packet, ipv6::field::NEXT_HEADER);
                write(packet, ipv6::field::NEXT_HEADER, &[next, hops.saturating_sub(self.ttl_decrement)], &mut all);
            }
        }
        HeaderChange { addresses, all }
    }

    fn change_ports(&self, protocol: u8, upper: &mut [u8]) -> Difference {
        let mut change = Difference::default();
        if matches!(protocol, ICMP | ICMPV6) {
            let port = match (protocol, upper.first()) {
                (ICMP, Some(8)) | (ICMPV6, Some(128)) => self.src_port,
                (ICMP, Some(0)) | (ICMPV6, Some(129)) => self.dst_port,
                _ => None,
            };
            if let Some(port) = port.filter(|_| upper.len() >= icmp::HEADER_LEN) {
                write(upper, icmp::field::ID, &port.to_be_bytes(), &mut change);
            }
        }
        if matches!(protocol, TCP | UDP) && upper.len() >= 4 {
            for (at, port) in [(tcp::field::SRC_PORT, self.src_port), (tcp::field::DST_PORT, self.dst_port)] {
                if let Some(port) = port {
                    write(upper, at, &port.to_be_bytes(), &mut change);
                }
            }
        }
        change
    }
}

/// What changed in an IP header.
struct HeaderChange {
    /// In the addresses, which transport checksums cover as well.
    addresses: Difference,
    /// In the whole header.
    all: Difference,
}

/// What of a packet a rewrite depends on.
struct Layout {
    family: Family,
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    /// Where the transport header begins. None in a fragment that has none.
    upper: Option<usize>,
}

impl Layout {
    fn of(packet: &[u8]) -> Option<Self> {
        if packet.first()? >> 4 == 4 {
            let view = ipv4::Packet::new_checked(packet).ok()?;
            return Some(Self {
                family: Family::Ipv4,
                src: view.src().into(),
                dst: view.dst().into(),
                protocol: view.protocol(),
                upper: (view.fragment_offset() == 0).then(|| view.header_len()),
            });
        }
        let view = ipv6::Packet::new_checked(packet).ok()?;
        let walk = view.walk().ok();
        Some(Self {
            family: Family::Ipv6,
            src: view.src().into(),
            dst: view.dst().into(),
            protocol: walk.map_or(view.next_header(), |walk| walk.protocol),
            upper: walk.filter(|walk| !walk.is_later_fragment()).map(|walk| walk.offset),
        })
    }
}

impl Family {
    /// Where a header has its source and its destination.
    fn address_places(self) -> (usize, usize) {
        match self {
            Self::Ipv4 => (ipv4::field::SRC, ipv4::field::DST),
            Self::Ipv6 => (ipv6::field::SRC, ipv6::field::DST),
        }
    }
}

/// A checksum in a transport header.
struct ChecksumPlace {
    at: usize,
    covers_addresses: bool,
    /// Zero says that there is none.
    is_optional: bool,
}

impl ChecksumPlace {
    fn of(layout: &Layout) -> Option<Self> {
        const DCCP: u8 = 33;
        const UDP_LITE: u8 = 136;
        let (at, covers_addresses) = match (layout.protocol, layout.family) {
            (TCP, _) => (tcp::field::CHECKSUM, true),
            (UDP | UDP_LITE | DCCP, _) => (udp::field::CHECKSUM, true),
            (ICMP, Family::Ipv4) => (icmp::field::CHECKSUM, false),
            (ICMPV6, Family::Ipv6) => (icmp::field::CHECKSUM, true),
            _ => return None,
        };
        Some(Self { at, covers_addresses, is_optional: layout.protocol == UDP })
    }

    /// Updates the checksum of a segment of which `inside` changed, and returns what changed in the field itself.
    fn update(&self, upper: &mut [u8], addresses: Difference, inside: Difference) -> Difference {
        let mut covered = inside;
        if self.covers_addresses {
            covered.merge(addresses);
        }
        let mut change = Difference::default();
        let before = bytes::u16(upper, self.at);
        if !(self.is_optional && before == 0) {
            let after = match covered.apply(before) {
                0 if self.is_optional => 0xffff,
                after => after,
            };
            write(upper, self.at, &after.to_be_bytes(), &mut change);
        }
        change
    }
}

/// The packet that an ICMP error quotes.
fn quotation<'a>(layout: &Layout, upper: &'a mut [u8]) -> Option<&'a mut [u8]> {
    let is_icmp = matches!((layout.protocol, layout.family), (ICMP, Family::Ipv4) | (ICMPV6, Family::Ipv6));
    let message = icmp::Message::new_checked(upper).ok().filter(|_| is_icmp)?;
    match message.transport(layout.protocol) {
        Transport::Icmp { kind, .. } if icmp::is_error(layout.protocol, kind) => upper.get_mut(icmp::HEADER_LEN..),
        _ => None,
    }
}

/// Writes a field, and adds the change to those that a checksum covers.
fn write<const N: usize>(packet: &mut [u8], at: usize, new: &[u8; N], change: &mut Difference) {
    change.add(&bytes::octets::<N>(packet, at), new);
    bytes::set(packet, at, new);
}
