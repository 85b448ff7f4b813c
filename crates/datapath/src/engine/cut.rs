//! Packets that are too long for their way, and may be cut.

use openvpc_pipeline::wire::build::fragment_ipv4;
use openvpc_pipeline::wire::link::ETHERNET_LEN;

use super::offload;
use crate::packet_socket::VnetHeader;

/// Hands the packet in `frame` to `send` in pieces of at most `mtu` bytes of IP, made in `scratch`.
///
/// A TCP super-packet is cut into smaller segments, which is what its sender would have done had it known. Any other
/// packet becomes fragments; the datagrams of a UDP super-packet one by one. What can't be cut after all is lost, as in
/// every router.
pub(super) fn send_in_pieces(
    header: &VnetHeader,
    frame: &mut [u8],
    mtu: u16,
    scratch: &mut [u8],
    send: &mut impl FnMut(&VnetHeader, &[u8]),
) {
    let Some(headers) = Headers::of(header, frame) else { return };
    match header.gso_type & !VnetHeader::GSO_ECN {
        VnetHeader::GSO_NONE => {
            let mut header = *header;
            if offload::complete_checksum(&mut header, frame).is_ok() {
                send_fragments(frame, mtu, scratch, send);
            }
        }
        VnetHeader::GSO_UDP_L4 => send_datagrams(header, &headers, frame, mtu, scratch, send),
        _ => {
            let room = usize::from(mtu).saturating_sub(headers.end - ETHERNET_LEN);
            if room > 0 {
                send(&VnetHeader { gso_size: room as u16, ..*header }, frame);
            }
        }
    }
}

/// Sends each datagram of a UDP super-packet by itself.
fn send_datagrams(
    header: &VnetHeader,
    headers: &Headers,
    frame: &[u8],
    mtu: u16,
    scratch: &mut [u8],
    send: &mut impl FnMut(&VnetHeader, &[u8]),
) {
    let payload = &frame[headers.end..];
    let size = usize::from(header.gso_size).max(1);
    let Some((datagram, rest)) = scratch.split_at_mut_checked(headers.end + size) else { return };
    for (number, part) in payload.chunks(size).enumerate() {
        let datagram = &mut datagram[..headers.end + part.len()];
        datagram[..headers.end].copy_from_slice(&frame[..headers.end]);
        datagram[headers.end..].copy_from_slice(part);
        headers.shorten(datagram, payload.len() - part.len(), number as u16);
        let mut single = VnetHeader { gso_type: VnetHeader::GSO_NONE, gso_size: 0, header_length: 0, ..*header };
        if datagram.len() - ETHERNET_LEN <= usize::from(mtu) {
            send(&single, datagram);
        } else if offload::complete_checksum(&mut single, datagram).is_ok() {
            send_fragments(datagram, mtu, rest, send);
        }
    }
}

fn send_fragments(frame: &[u8], mtu: u16, scratch: &mut [u8], send: &mut impl FnMut(&VnetHeader, &[u8])) {
    let Some((piece, out)) = scratch.split_at_mut_checked(ETHERNET_LEN + usize::from(mtu)) else { return };
    let (ethernet, packet) = frame.split_at(ETHERNET_LEN);
    piece[..ETHERNET_LEN].copy_from_slice(ethernet);
    fragment_ipv4(packet, mtu, out, |fragment| {
        let piece = &mut piece[..ETHERNET_LEN + fragment.len()];
        piece[ETHERNET_LEN..].copy_from_slice(fragment);
        send(&VnetHeader::default(), piece);
    });
}

/// Where the headers of a frame are.
struct Headers {
    ipv4: bool,
    /// Where TCP's or UDP's begins.
    upper: usize,
    /// Where the payload begins; of no meaning but for super-packets, which are TCP or UDP and were checked.
    end: usize,
}

impl Headers {
    fn of(header: &VnetHeader, frame: &[u8]) -> Option<Self> {
        let first = *frame.get(ETHERNET_LEN)?;
        let ipv4 = first >> 4 == 4;
        let upper = ETHERNET_LEN + if ipv4 { usize::from(first & 15) * 4 } else { 40 };
        let end = match header.gso_type & !VnetHeader::GSO_ECN {
            VnetHeader::GSO_TCPV4 | VnetHeader::GSO_TCPV6 => upper + usize::from(*frame.get(upper + 12)? >> 4) * 4,
            _ => upper + 8,
        };
        (end <= frame.len() || !header.is_super_packet()).then_some(Self { ipv4, upper, end })
    }

    /// Corrects the lengths in the headers of a datagram made of a super-packet that was `less` bytes longer, and what
    /// depends on them. The checksum of UDP holds the pseudo header alone, the length among it.
    fn shorten(&self, datagram: &mut [u8], less: usize, number: u16) {
        let subtract = |bytes: &mut [u8], at: usize| {
            let value = u16::from_be_bytes([bytes[at], bytes[at + 1]]).wrapping_sub(less as u16);
            bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
        };
        let udp = self.upper;
        subtract(datagram, udp + 4);
        // In ones' complement, subtracting is adding the complement.
        let sum = u32::from(u16::from_be_bytes([datagram[udp + 6], datagram[udp + 7]])) + u32::from(!(less as u16));
        let sum = (sum & 0xffff) + (sum >> 16);
        datagram[udp + 6..udp + 8].copy_from_slice(&(sum as u16).to_be_bytes());
        if self.ipv4 {
            subtract(datagram, ETHERNET_LEN + 2);
            let id = u16::from_be_bytes([datagram[ETHERNET_LEN + 4], datagram[ETHERNET_LEN + 5]]).wrapping_add(number);
            datagram[ETHERNET_LEN + 4..ETHERNET_LEN + 6].copy_from_slice(&id.to_be_bytes());
            datagram[ETHERNET_LEN + 10..ETHERNET_LEN + 12].fill(0);
            let sum: u32 =
                datagram[ETHERNET_LEN..udp].chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
            let sum = (sum & 0xffff) + (sum >> 16);
            let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
            datagram[ETHERNET_LEN + 10..ETHERNET_LEN + 12].copy_from_slice(&sum.to_be_bytes());
        } else {
            subtract(datagram, ETHERNET_LEN + 4);
        }
    }
}
