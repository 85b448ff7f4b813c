//! Frames as instances and the internet send them, and as only root inside an instance would.

use std::net::IpAddr;

use openvpc_datapath::engine::PortId;
use openvpc_datapath::packet_socket::VnetHeader;
use openvpc_model::interface::MacAddress;
use openvpc_pipeline::testing::topology::{Dice, Start, Topology};
use openvpc_pipeline::wire::testing;
use openvpc_pipeline::wire::{ICMP, ICMPV6, PacketHeader, TCP, TcpInfo, Transport, UDP};
use openvpc_pipeline::{EniIndex, Tables};

use crate::drivers::{Frame, MTU};
use crate::engine_common::memory::{HOST, ROUTER, framed};

/// Makes one frame after the other: conversations, and what goes on beside them.
pub struct Frames {
    dice: Dice,
    /// A packet that somebody has a reason to send next.
    waiting: Option<(PortId, Vec<u8>)>,
}

/// A frame to be sent.
pub struct Next {
    pub from: PortId,
    pub frame: Frame,
    /// Whether nothing about it keeps the kernel tier from carrying it.
    pub is_plain: bool,
}

impl Frames {
    pub fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed ^ 0x5eed), waiting: None }
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.dice.chance(percent)
    }

    /// Nobody has a reason to send anything.
    pub fn forget(&mut self) {
        self.waiting = None;
    }

    pub fn next(&mut self, topology: &mut Topology) -> Next {
        let waiting = self.waiting.take();
        let (from, packet) = waiting.unwrap_or_else(|| {
            let (start, header) = topology.packet();
            let from = match start {
                Start::Eni(eni) => PortId::Eni(topology.world.index(eni)),
                Start::Internet => PortId::Uplink,
            };
            (from, self.packet(&header))
        });
        let (header, packet, is_plain) = self.decorate(packet);
        let (source, destination, is_usual) = self.addresses(topology.world.tables(), from, &packet);
        let bytes = framed(source, destination, &packet);
        let header = VnetHeader { checksum_start: header.checksum_start, ..header };
        Next { from, frame: (header, bytes), is_plain: is_plain && is_usual }
    }

    /// Takes notice of what came of a packet: somebody may answer it, or go on.
    pub fn follow_up(&mut self, from: PortId, sent: &[u8], left: &[(PortId, Frame)]) {
        let [(to, (_, arrived))] = left else { return };
        let (Ok(before), Ok(after)) = (parse(sent), parse(arrived)) else { return };
        if before.fragment.is_some() || after.is_icmp_error() || self.dice.chance(20) {
            return;
        }
        self.waiting = match self.dice.below(100) {
            // An appliance passes it on, or somebody else who has no business with it.
            0..8 => Some((*to, arrived[14..].to_vec())),
            8..16 => {
                let (kind, code) = match after.src {
                    IpAddr::V4(_) => self.dice.pick(&[(3, 1), (3, 3), (11, 0), (3, 4)]),
                    IpAddr::V6(_) => self.dice.pick(&[(1, 4), (3, 0), (2, 0)]),
                };
                Some((*to, testing::icmp_error((after.dst, after.src), kind, code, &arrived[14..])))
            }
            16..36 => self.conversation(&before, false).map(|packet| (from, packet)),
            _ => self.conversation(&after, true).map(|packet| (*to, packet)),
        };
    }

    /// The next packet of a conversation: an answer, or more from the same end.
    fn conversation(&mut self, last: &PacketHeader, answers: bool) -> Option<Vec<u8>> {
        let addresses = if answers { (last.dst, last.src) } else { (last.src, last.dst) };
        let payload = vec![7; self.dice.pick(&[0, 0, 100, 1400])];
        let packet = match (last.protocol, last.transport) {
            (TCP, Transport::Ports { src, dst }) => {
                let tcp = last.tcp?;
                let ports = if answers { (dst, src) } else { (src, dst) };
                let behind = tcp.seq.wrapping_add(tcp.payload_len);
                let behind = behind.wrapping_add(u32::from(tcp.flags & (TcpInfo::SYN | TcpInfo::FIN) != 0));
                let (seq, mut ack) = if answers { (tcp.ack, behind) } else { (behind, tcp.ack) };
                if self.dice.chance(10) {
                    ack = ack.wrapping_sub(1);
                }
                let flags = match tcp.opens() && answers {
                    true => self.dice.pick(&[0x12, 0x12, 0x12, 0x12, 0x52, 0x14]),
                    false => self.dice.pick(&[0x10, 0x10, 0x18, 0x11, 0x11, 0x19, 0x04, 0x14, 0x02, 0x12, 0x01, 0xc2, 0x00]),
                };
                testing::tcp_numbered(addresses, ports, flags, (seq, ack), &payload)
            }
            (UDP, Transport::Ports { src, dst }) => {
                testing::udp(addresses, if answers { (dst, src) } else { (src, dst) }, &payload)
            }
            (ICMP | ICMPV6, Transport::Icmp { id, .. }) => testing::echo(addresses, answers, id, &payload),
            (protocol, Transport::Opaque) => testing::other(addresses, protocol, &payload),
            _ => return None,
        };
        Some(self.with_hops(packet, 64))
    }

    /// The packet of a header.
    fn packet(&mut self, header: &PacketHeader) -> Vec<u8> {
        let addresses = (header.src, header.dst);
        let above = if header.src.is_ipv4() { 20 } else { 40 };
        let length = match header.size.datagram_len {
            9100 => self.dice.pick(&[1499, 1500, 1501, 8999, 9000, 9001, 9002]),
            length => length as usize,
        };
        let payload = |headers: usize| vec![7; length.saturating_sub(above + headers)];
        let packet = match (header.protocol, header.transport) {
            (TCP, Transport::Ports { src, dst }) => {
                let flags = header.tcp.map_or(0, |tcp| tcp.flags);
                let flags = if self.dice.chance(20) { self.dice.below(256) as u8 } else { flags };
                testing::tcp(addresses, (src, dst), flags, &payload(20))
            }
            (UDP, Transport::Ports { src, dst }) => testing::udp(addresses, (src, dst), &payload(8)),
            (_, Transport::Icmp { id, .. }) => testing::echo(addresses, self.dice.chance(10), id, &payload(8)),
            (protocol, _) => {
                let others = [protocol, protocol, 50, 51, 132, 4, 41, 89, 253, 0, 43, 59, 60, 135, 2, 58, 1];
                testing::other(addresses, self.dice.pick(&others), &payload(0))
            }
        };
        self.with_hops(packet, header.ttl)
    }

    fn with_hops(&mut self, mut packet: Vec<u8>, hops: u8) -> Vec<u8> {
        let hops = if self.dice.chance(8) { self.dice.pick(&[1, 2, 3, 255]) } else { hops };
        match packet[0] >> 4 {
            4 => {
                packet[8] = hops;
                packet[6] = if self.dice.chance(50) { 0x40 } else { 0 };
                fill_checksum(&mut packet);
            }
            _ => packet[7] = hops,
        }
        packet
    }

    /// Does something to a packet that keeps its meaning, or spoils it. Also says whether it is an everyday one.
    fn decorate(&mut self, packet: Vec<u8>) -> (VnetHeader, Vec<u8>, bool) {
        let none = VnetHeader::default();
        let (is_ipv4, upper) = if packet[0] >> 4 == 4 { (true, 20) } else { (false, 40) };
        let protocol = if is_ipv4 { packet[9] } else { packet[6] };
        let checksum_offset = match protocol {
            TCP => 16,
            UDP => 6,
            _ => 0,
        };
        let partial = VnetHeader {
            flags: VnetHeader::NEEDS_CHECKSUM,
            checksum_start: 14 + upper as u16,
            checksum_offset,
            ..VnetHeader::default()
        };
        match self.dice.below(100) {
            0..4 if is_ipv4 => (none, testing::with_ipv4_options(&packet, &[1, 1, 1, 0]), false),
            0..4 => (none, testing::with_ipv6_extension(&packet, 60, &[0, 0, 1, 4, 0, 0, 0, 0]), false),
            4..8 if packet.len() >= upper + 24 => {
                let first = self.dice.chance(60);
                (none, testing::fragment(&packet, if first { 0 } else { 16 }, first), false)
            }
            8..20 if checksum_offset > 0 => (partial, testing::with_partial_checksum(&packet), true),
            20..34 if checksum_offset > 0 && (protocol == UDP || packet[upper + 13] & 2 == 0) => {
                let headers = upper + if protocol == TCP { 20 } else { 8 };
                let payload = self.dice.pick(&[3000, 4097, 12_000, 30_000]);
                let mut long = packet[..headers].to_vec();
                long.extend((0..payload).map(|octet: usize| (octet / 3) as u8));
                set_lengths(&mut long, upper, protocol);
                let gso_type = match (protocol, is_ipv4) {
                    (UDP, _) => VnetHeader::GSO_UDP_L4,
                    (_, true) => VnetHeader::GSO_TCPV4,
                    (_, false) => VnetHeader::GSO_TCPV6,
                };
                let gso_size = self.dice.pick(&[500, 1000, 1440, 1448, 1460, 2500]);
                let header = VnetHeader { gso_type, gso_size, header_length: 14 + headers as u16, ..partial };
                (header, testing::with_partial_checksum(&long), true)
            }
            34..36 => {
                let mut spoilt = packet;
                let at = self.dice.below(upper);
                spoilt[at] ^= 1 << self.dice.below(8);
                (none, spoilt, false)
            }
            36..38 => (none, packet[..packet.len() - 1].to_vec(), false),
            38..40 if packet.len() + 18 < MTU as usize => (none, [&packet[..], &[0; 6]].concat(), false),
            40..42 if is_ipv4 && protocol == UDP => {
                let mut bare = packet;
                bare[26..28].fill(0);
                (none, bare, true)
            }
            _ => (none, packet, true),
        }
    }

    /// The hardware addresses of a frame: sender's and receiver's, and whether they are as they should be.
    fn addresses(&mut self, tables: &Tables, from: PortId, packet: &[u8]) -> (MacAddress, MacAddress, bool) {
        let PortId::Eni(eni) = from else {
            return match self.dice.below(100) {
                0..2 => (HOST, MacAddress([2, 9, 9, 9, 9, 9]), false),
                2..6 => (MacAddress([2, 8, 8, 8, 8, 8]), ROUTER, true),
                _ => (HOST, ROUTER, true),
            };
        };
        let mac = |index: EniIndex| tables.eni(index).map_or(ROUTER, |entry| entry.eni.mac);
        let router = tables.router_mac(eni);
        let destination = destination(packet).and_then(|address| tables.resolve(eni, address)).unwrap_or(router);
        let others: Vec<_> = tables.enis().map(|(index, _)| mac(index)).collect();
        match self.dice.below(100) {
            0..2 => (self.dice.pick(&others), destination, false),
            2..4 => (mac(eni), self.dice.pick(&others), false),
            4..6 => (mac(eni), self.dice.pick(&[MacAddress([255; 6]), MacAddress([1, 0, 0x5e, 0, 0, 5])]), false),
            6..9 => (mac(eni), router, false),
            _ => (mac(eni), destination, true),
        }
    }
}

/// Reads the packet of a frame that isn't a super-packet.
pub fn parse(frame: &[u8]) -> Result<PacketHeader, ()> {
    PacketHeader::parse(frame.get(14..).unwrap_or_default(), None).map_err(drop)
}

fn destination(packet: &[u8]) -> Option<IpAddr> {
    PacketHeader::parse(packet, None).ok().map(|header| header.dst)
}

fn set_lengths(packet: &mut [u8], upper: usize, protocol: u8) {
    let length = packet.len() as u16;
    if upper == 20 {
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        fill_checksum(packet);
    } else {
        packet[4..6].copy_from_slice(&(length - 40).to_be_bytes());
    }
    if protocol == UDP {
        packet[upper + 4..upper + 6].copy_from_slice(&(length - upper as u16).to_be_bytes());
    }
}

fn fill_checksum(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let mut sum: u32 = packet[..20].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}
