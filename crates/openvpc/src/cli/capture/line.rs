//! A frame as one line of text, in the terms that rules speak.

use std::net::{IpAddr, SocketAddr};

use openvpc_datapath::capture::Frame;
use openvpc_pipeline::wire::link::{Arp, ETHERNET_LEN, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet};
use openvpc_pipeline::wire::{ICMP, ICMPV6, PacketHeader, TCP, TcpInfo, Transport, UDP};

/// When (UTC), which way as the instance sees it, who to whom, what, and how long the frame is.
pub fn of(frame: &Frame<'_>) -> String {
    let second = frame.time.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let way = if frame.outgoing { "out" } else { "in " };
    let micros = frame.time.subsec_micros();
    format!("{hour:02}:{minute:02}:{second:02}.{micros:06} {way} {}, {} bytes", what(frame.bytes), frame.length)
}

fn what(bytes: &[u8]) -> String {
    let Some(ethernet) = Ethernet::parse(bytes) else { return "a frame that is too short".to_owned() };
    let payload = bytes.get(ETHERNET_LEN..).unwrap_or_default();
    match ethernet.ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => match PacketHeader::parse(payload, None) {
            Ok(packet) => packet_text(&packet),
            Err(malformed) => format!("{} > {} {}", ethernet.source, ethernet.destination, malformed.as_str()),
        },
        ETHERTYPE_ARP => match Arp::parse(payload) {
            Some(arp) if arp.is_request => format!("arp who has {}? tell {}", arp.target_ip, arp.sender_ip),
            Some(arp) => format!("arp {} is at {}", arp.sender_ip, arp.sender_mac),
            None => format!("{} > {} arp that does not parse", ethernet.source, ethernet.destination),
        },
        other => format!("{} > {} ethertype 0x{other:04x}", ethernet.source, ethernet.destination),
    }
}

fn packet_text(packet: &PacketHeader) -> String {
    let protocol = match packet.protocol {
        ICMP => "icmp".to_owned(),
        ICMPV6 => "icmpv6".to_owned(),
        TCP => "tcp".to_owned(),
        UDP => "udp".to_owned(),
        other => format!("protocol {other}"),
    };
    let end = |address: IpAddr, port: u16| SocketAddr::new(address, port).to_string();
    let (source, destination, more) = match packet.transport {
        Transport::Ports { src, dst } => {
            let flags = packet.tcp.map(|tcp| format!(" [{}]", flag_names(tcp))).unwrap_or_default();
            (end(packet.src, src), end(packet.dst, dst), flags)
        }
        Transport::Icmp { kind, code, id } => {
            let message = match (packet.protocol, kind) {
                (ICMP, 8) | (ICMPV6, 128) => format!(" echo request, id {id}"),
                (ICMP, 0) | (ICMPV6, 129) => format!(" echo reply, id {id}"),
                (ICMP, 3) | (ICMPV6, 1) => format!(" unreachable, code {code}"),
                (ICMPV6, 2) => " packet too big".to_owned(),
                (ICMP, 11) | (ICMPV6, 3) => " time exceeded".to_owned(),
                (ICMPV6, 135) => " neighbor solicitation".to_owned(),
                (ICMPV6, 136) => " neighbor advertisement".to_owned(),
                _ => format!(" type {kind}, code {code}"),
            };
            (packet.src.to_string(), packet.dst.to_string(), message)
        }
        Transport::Opaque => (packet.src.to_string(), packet.dst.to_string(), String::new()),
        Transport::Fragment => (packet.src.to_string(), packet.dst.to_string(), " fragment".to_owned()),
    };
    format!("{source} > {destination} {protocol}{more}")
}

fn flag_names(tcp: TcpInfo) -> String {
    const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set = NAMES.iter().enumerate().filter(|(bit, _)| tcp.flags & 1 << bit != 0).map(|(_, name)| *name);
    set.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    fn line(bytes: &[u8]) -> String {
        of(&Frame { time: Duration::new(86_400 + 3_661, 5_000), outgoing: true, length: 99, bytes })
    }

    #[test]
    fn frames_are_told_by_who_and_what() {
        let mac = |last| openvpc_model::interface::MacAddress([2, 0, 0, 0, 0, last]);
        let (ours, theirs) = ("10.0.0.5".parse().unwrap(), "10.0.0.6".parse().unwrap());
        let request = Arp { is_request: true, sender_mac: mac(1), sender_ip: ours, target_mac: mac(0), target_ip: theirs };
        assert_eq!(line(&request.frame()), "01:01:01.000005 out arp who has 10.0.0.6? tell 10.0.0.5, 99 bytes");
        let mut other = request.frame();
        other[12..14].copy_from_slice(&[0x88, 0xcc]);
        assert!(line(&other).contains("02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ethertype 0x88cc"), "{}", line(&other));
        other[12..14].copy_from_slice(&[0x08, 0]);
        assert!(line(&other).contains("OPENVPC_MALFORMED_VERSION"), "{}", line(&other));
        assert!(line(&[0; 13]).contains("too short"));
    }

    #[test]
    fn packets_are_told_by_addresses_ports_and_flags() {
        let (ours, theirs) = ("2001:db8::5".parse().unwrap(), "2001:db8::6".parse().unwrap());
        let tcp = PacketHeader::probe(ours, theirs, TCP, Transport::Ports { src: 4000, dst: 80 }, true);
        assert_eq!(packet_text(&tcp), "[2001:db8::5]:4000 > [2001:db8::6]:80 tcp [SYN ACK]");
        let echo = PacketHeader::probe(ours, theirs, ICMPV6, Transport::Icmp { kind: 128, code: 0, id: 7 }, false);
        assert_eq!(packet_text(&echo), "2001:db8::5 > 2001:db8::6 icmpv6 echo request, id 7");
        let other = PacketHeader::probe(ours, theirs, 47, Transport::Opaque, false);
        assert_eq!(packet_text(&other), "2001:db8::5 > 2001:db8::6 protocol 47");
    }
}
