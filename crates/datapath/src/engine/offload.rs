//! Work that a sender left to its "hardware", made safe.
//!
//! Root inside an instance can hand in a frame together with any request to complete a checksum or to cut it into
//! segments. A checksum request names the place to write to, so it could change an address or a port after the packet
//! was judged. Here every request is either the one that a kernel makes for that very packet, or carried out at once,
//! before the packet is read; and a super-packet of which the two don't fit together is refused.

use openvpc_pipeline::wire::link::ETHERNET_LEN;
use openvpc_pipeline::wire::{Gso, translate};

use crate::packet_socket::VnetHeader;

/// A request that does not fit its packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MalformedOffload;

/// Settles what is to be done about a frame, and returns how it is to be cut if it is a super-packet.
pub(super) fn settle(header: &mut VnetHeader, frame: &mut [u8]) -> Result<Option<Gso>, MalformedOffload> {
    if !header.needs_checksum() && !header.is_super_packet() {
        return Ok(None);
    }
    let upper = Upper::of(frame);
    let usual = header.needs_checksum() && upper.is_some_and(|upper| upper.is_place_of_checksum(header));
    if header.is_super_packet() {
        let fits = upper.is_some_and(|upper| upper.is_cut_by(header.gso_type & !VnetHeader::GSO_ECN));
        return match usual && fits && header.gso_size > 0 {
            true => Ok(Some(Gso { segment_size: header.gso_size })),
            false => Err(MalformedOffload),
        };
    }
    if !usual {
        complete_checksum(header, frame)?;
    }
    Ok(None)
}

/// What is to be done about a frame whose packet went from IPv6 to IPv4, or back.
pub(super) fn of_other_family(header: &VnetHeader, to_ipv4: bool) -> VnetHeader {
    let growth = translate::GROWTH;
    let shift = |length: u16| match (length, to_ipv4) {
        (0, _) => 0,
        (length, true) => length.saturating_sub(growth),
        (length, false) => length.saturating_add(growth),
    };
    let ecn = header.gso_type & VnetHeader::GSO_ECN;
    let gso_type = match header.gso_type & !VnetHeader::GSO_ECN {
        VnetHeader::GSO_TCPV4 | VnetHeader::GSO_TCPV6 if to_ipv4 => VnetHeader::GSO_TCPV4 | ecn,
        VnetHeader::GSO_TCPV4 | VnetHeader::GSO_TCPV6 => VnetHeader::GSO_TCPV6 | ecn,
        other => other | ecn,
    };
    let network = if to_ipv4 { 20 } else { 40 };
    let checksum_start = if header.needs_checksum() { (ETHERNET_LEN + network) as u16 } else { 0 };
    VnetHeader { gso_type, checksum_start, header_length: shift(header.header_length), ..*header }
}

/// Writes the checksum that a header asks for, over everything to the end of `frame`, and clears the request.
pub(super) fn complete_checksum(header: &mut VnetHeader, frame: &mut [u8]) -> Result<(), MalformedOffload> {
    if !header.needs_checksum() {
        return Ok(());
    }
    let covered = frame.get_mut(usize::from(header.checksum_start)..).ok_or(MalformedOffload)?;
    let at = usize::from(header.checksum_offset);
    if at + 2 > covered.len() {
        return Err(MalformedOffload);
    }
    let mut words = covered.chunks_exact(2);
    let mut sum: u64 = words.by_ref().map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    sum += words.remainder().first().map_or(0, |last| u64::from(*last) << 8);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Zero would mean "no checksum" to UDP, and is the same number to everybody else.
    let checksum = match !(sum as u16) {
        0 => 0xffff,
        checksum => checksum,
    };
    covered[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    header.flags &= !VnetHeader::NEEDS_CHECKSUM;
    (header.checksum_start, header.checksum_offset) = (0, 0);
    Ok(())
}

/// The header behind IP, where there is nothing in between and the packet is whole.
#[derive(Clone, Copy)]
struct Upper {
    version: u8,
    protocol: u8,
    /// From the start of the frame.
    offset: usize,
}

impl Upper {
    fn of(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET_LEN..)?;
        let (version, protocol, length) = match (packet.first()? >> 4, packet.len()) {
            (4, 20..) if u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff == 0 => {
                (4, packet[9], usize::from(packet[0] & 15) * 4)
            }
            (6, 40..) => (6, packet[6], 40),
            _ => return None,
        };
        Some(Self { version, protocol, offset: ETHERNET_LEN + length })
    }

    fn is_place_of_checksum(self, header: &VnetHeader) -> bool {
        // TCP, UDP, UDP-Lite, DCCP, and SCTP, whose sum is another but is left undone in the same way.
        let field = match self.protocol {
            6 => 16,
            17 | 136 | 33 => 6,
            132 => 8,
            _ => return false,
        };
        (usize::from(header.checksum_start), header.checksum_offset) == (self.offset, field)
    }

    fn is_cut_by(self, gso_type: u8) -> bool {
        match gso_type {
            VnetHeader::GSO_TCPV4 => (self.version, self.protocol) == (4, 6),
            VnetHeader::GSO_TCPV6 => (self.version, self.protocol) == (6, 6),
            VnetHeader::GSO_UDP_L4 => self.protocol == 17,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use etherparse::PacketBuilder;

    use super::*;

    fn udp(payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([10, 0, 0, 4], [10, 0, 0, 5], 64)
            .udp(1000, 2000)
            .write(&mut frame, payload)
            .unwrap();
        frame
    }

    /// The same with the checksum left to do, as a kernel leaves it.
    fn partial(payload: &[u8]) -> (VnetHeader, Vec<u8>) {
        let mut frame = udp(payload);
        let length = (8 + payload.len()) as u32;
        let mut sum: u32 =
            frame[26..34].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum::<u32>() + 17 + length;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        frame[40..42].copy_from_slice(&(sum as u16).to_be_bytes());
        let header =
            VnetHeader { flags: VnetHeader::NEEDS_CHECKSUM, checksum_start: 34, checksum_offset: 6, ..VnetHeader::default() };
        (header, frame)
    }

    #[test]
    fn a_checksum_in_its_own_place_stays_to_be_done() {
        let (mut header, mut frame) = partial(b"hello");
        let before = (header, frame.clone());
        assert_eq!(settle(&mut header, &mut frame), Ok(None));
        assert_eq!((header, frame), before);
    }

    #[test]
    fn a_checksum_completed_by_us_is_the_right_one() {
        for payload in [&b"hello"[..], b"even", b""] {
            let (mut header, mut frame) = partial(payload);
            complete_checksum(&mut header, &mut frame).unwrap();
            assert_eq!((header, frame), (VnetHeader::default(), udp(payload)));
        }
    }

    #[test]
    fn a_checksum_to_be_written_over_an_address_or_a_port_is_written_before_anybody_looks() {
        for (start, offset) in [(14, 12), (14, 16), (34, 0), (34, 2), (26, 0), (0, 6)] {
            let (mut header, mut frame) = partial(b"hello");
            header.checksum_start = start;
            header.checksum_offset = offset;
            assert_eq!(settle(&mut header, &mut frame), Ok(None));
            assert_eq!(header, VnetHeader::default(), "nothing is left to be written");
        }
    }

    #[test]
    fn a_request_beyond_the_frame_or_a_cut_that_does_not_fit_is_refused() {
        let (mut header, mut frame) = partial(b"hello");
        header.checksum_start = frame.len() as u16 - 7;
        assert_eq!(settle(&mut header, &mut frame), Err(MalformedOffload));

        let cuts = [
            (VnetHeader::GSO_TCPV4, 1000, true),
            (VnetHeader::GSO_TCPV6, 1000, true),
            (VnetHeader::GSO_UDP_L4, 0, true),
            (VnetHeader::GSO_UDP_L4, 1000, false),
            (3, 1000, true),
        ];
        for (gso_type, gso_size, with_checksum) in cuts {
            let (mut header, mut frame) = partial(b"hello");
            (header.gso_type, header.gso_size) = (gso_type, gso_size);
            if !with_checksum {
                header.flags = 0;
            }
            assert_eq!(settle(&mut header, &mut frame), Err(MalformedOffload), "{header:?}");
        }
        let (mut header, mut frame) = partial(b"hello");
        (header.gso_type, header.gso_size) = (VnetHeader::GSO_UDP_L4, 2);
        assert_eq!(settle(&mut header, &mut frame), Ok(Some(Gso { segment_size: 2 })));
    }
}
