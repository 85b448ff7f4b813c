//! Ethernet headers.

use openvpc_model::interface::MacAddress;

/// The three fields in front of every frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ethernet {
    pub(super) destination: MacAddress,
    pub(super) source: MacAddress,
    pub(super) ethertype: u16,
}

impl Ethernet {
    /// The length of the header.
    pub(super) const LENGTH: usize = 14;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const IPV6: u16 = 0x86dd;

    /// The header of `frame`, if the frame is long enough to have one.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, high, low] = *frame.first_chunk()?;
        Some(Self {
            destination: MacAddress([d0, d1, d2, d3, d4, d5]),
            source: MacAddress([s0, s1, s2, s3, s4, s5]),
            ethertype: u16::from_be_bytes([high, low]),
        })
    }

    /// Writes the header in front of `frame`; a frame shorter than a header is left alone.
    pub(super) fn write(self, frame: &mut [u8]) {
        if let Some(header) = frame.first_chunk_mut::<{ Self::LENGTH }>() {
            header[0..6].copy_from_slice(&self.destination.0);
            header[6..12].copy_from_slice(&self.source.0);
            header[12..14].copy_from_slice(&self.ethertype.to_be_bytes());
        }
    }
}

/// Every host of the link.
pub(super) const BROADCAST: MacAddress = MacAddress([0xff; 6]);

/// Whether frames to `mac` are for several hosts (the broadcast address included).
pub(super) fn is_group(mac: MacAddress) -> bool {
    mac.0[0] & 1 != 0
}
