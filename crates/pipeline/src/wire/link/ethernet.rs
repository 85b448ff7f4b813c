//! Ethernet II.

use openvpc_model::interface::MacAddress;

use crate::wire::bytes;

/// Bytes of an Ethernet header.
pub const ETHERNET_LEN: usize = 14;
/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// The receiver.
    pub destination: MacAddress,
    /// The sender.
    pub source: MacAddress,
    /// What follows.
    pub ethertype: u16,
}

/// The places of a header.
mod field {
    pub(super) const DESTINATION: usize = 0;
    pub(super) const SOURCE: usize = 6;
    pub(super) const ETHERTYPE: usize = 12;
}

impl Ethernet {
    /// Reads the header of a frame; none when it is too short.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        (frame.len() >= ETHERNET_LEN).then(|| Self {
            destination: MacAddress(bytes::octets(frame, field::DESTINATION)),
            source: MacAddress(bytes::octets(frame, field::SOURCE)),
            ethertype: bytes::u16(frame, field::ETHERTYPE),
        })
    }

    /// Writes the header at the beginning of a frame that is long enough.
    pub fn emit(&self, frame: &mut [u8]) {
        bytes::set(frame, field::DESTINATION, &self.destination.0);
        bytes::set(frame, field::SOURCE, &self.source.0);
        bytes::set_u16(frame, field::ETHERTYPE, self.ethertype);
    }
}

/// Whether a hardware address is a group's: broadcast or multicast.
pub fn is_group(mac: MacAddress) -> bool {
    mac.0[0] & 1 != 0
}
