//! Router advertisements: who the router is, and that addresses come by DHCPv6.

use std::net::Ipv6Addr;

use openvpc_model::interface::MacAddress;

use super::Client;
use super::writer::Writer;
use crate::compile::{EniIndex, MTU, Tables};
use crate::wire::datagram::discovery_frame;

/// Writes the frame of an advertisement for an interface to `out`, to `to` or to all nodes, and returns its length. None
/// where there is no IPv6, or no packets.
pub fn advertise(tables: &Tables, eni: EniIndex, to: Option<Ipv6Addr>, out: &mut [u8]) -> Option<usize> {
    let client = Client::of(tables, eni)?;
    if client.subnet.ipv6_blocks.is_empty() {
        return None;
    }
    let mut message = Writer::new();
    message.put(&[ADVERTISEMENT, 0, 0, 0, HOP_LIMIT, MANAGED]);
    message.put(&LIFETIME.to_be_bytes());
    // How long neighbours count as reachable is for hosts to say.
    message.put(&[0; 8]);
    message.put(&[option::SOURCE_LINK, 1]);
    message.put(&client.router.0);
    message.put(&[option::MTU, 1, 0, 0]);
    message.put(&u32::from(MTU).to_be_bytes());
    for block in &client.subnet.ipv6_blocks {
        message.put(&[option::PREFIX, 4, block.block.prefix_len(), ON_LINK]);
        message.put(&PREFIX_VALID.to_be_bytes());
        message.put(&PREFIX_PREFERRED.to_be_bytes());
        message.put(&[0; 4]);
        message.put(&block.block.network().octets());
    }
    let (to, mac) = match to {
        Some(to) => (to, client.eni.mac),
        None => (ALL_NODES, MacAddress([0x33, 0x33, 0, 0, 0, 1])),
    };
    discovery_frame((mac, client.router), client.router.link_local(), to, message.bytes(), out)
}

mod option {
    pub(super) const SOURCE_LINK: u8 = 1;
    pub(super) const PREFIX: u8 = 3;
    pub(super) const MTU: u8 = 5;
}

const ADVERTISEMENT: u8 = 134;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The hop limit that hosts are to use.
const HOP_LIMIT: u8 = 255;
/// Addresses come by DHCPv6.
const MANAGED: u8 = 0x80;
/// The prefix is on the link; no autonomous address configuration.
const ON_LINK: u8 = 0x80;
/// Seconds that the router may be the default one for.
const LIFETIME: u16 = 1800;
const PREFIX_VALID: u32 = 2_592_000;
const PREFIX_PREFERRED: u32 = 604_800;
