//! Frames from an instance, as far as the engine itself answers them.

use openvpc_pipeline::wire::link::{Arp, ETHERNET_LEN, Ethernet, NeighborDiscovery, neighbor_advertisement};

/// Reads a frame as Ethernet, ARP and neighbour discovery. What was read and is written again must be read the same.
pub fn link(frame: &[u8]) {
    let Some(ethernet) = Ethernet::parse(frame) else {
        assert!(frame.len() < ETHERNET_LEN);
        return;
    };
    let mut again = [0; ETHERNET_LEN];
    ethernet.emit(&mut again);
    assert_eq!(again, frame[..ETHERNET_LEN]);

    let payload = &frame[ETHERNET_LEN..];
    if let Some(arp) = Arp::parse(payload) {
        let frame = arp.frame();
        assert_eq!(frame[ETHERNET_LEN..], payload[..Arp::LEN]);
        assert_eq!(Arp::parse(&frame[ETHERNET_LEN..]), Some(arp));
    }
    // The engine looks at the payload of IPv6 frames only, and a checksum is hard to guess: it is tried as it came, and
    // with the checksum made right.
    discovery(payload);
    let mut repaired = payload.to_vec();
    if repaired.len() > 44 {
        repaired[42..44].fill(0);
        let length = usize::from(u16::from_be_bytes([repaired[4], repaired[5]]));
        if let Some(message) = repaired.get(40..40 + length) {
            let sum = super::packet::sum(&repaired[8..40]) + super::packet::sum(message) + 58 + length as u64;
            let checksum = !super::packet::fold(sum);
            repaired[42..44].copy_from_slice(&checksum.to_be_bytes());
            discovery(&repaired);
        }
    }
}

fn discovery(packet: &[u8]) {
    let Some(message) = NeighborDiscovery::parse(packet) else { return };
    assert!(NeighborDiscovery::is_one(packet));
    assert_eq!(packet[7], 255, "a routed message");
    if let NeighborDiscovery::Solicitation { source, target, link } = message {
        assert!(!target.is_multicast());
        let Some(mac) = link else { return };
        assert!(!source.is_unspecified(), "an address without an owner");
        let answer = neighbor_advertisement(target, mac, (source, mac), false);
        let expected = NeighborDiscovery::Advertisement { source: target, target, link };
        assert_eq!(NeighborDiscovery::parse(&answer[ETHERNET_LEN..]), Some(expected));
    }
}
