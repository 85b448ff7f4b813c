//! From IPv6 to IPv4 and back (RFC 7915), as NAT64 needs it: whole packets, and the packets that ICMP errors quote.
//!
//! What isn't translated: fragments, and the few ICMP messages that the other family has no word for. Options and extension
//! headers are left out. IPv4 packets that come of it must not be fragmented, as IPv6 packets mustn't.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::{self, Difference};
use super::header::{ICMP, ICMPV6, TCP, UDP};
use super::rewrite::Rewrite;
use super::{bytes, icmp, ipv4, ipv6, tcp, udp};

#[cfg(test)]
mod tests;

/// How many bytes longer a packet is over IPv6.
pub const GROWTH: u16 = (ipv6::HEADER_LEN - ipv4::HEADER_LEN) as u16;

/// The IPv4 address that an IPv6 address of 64:ff9b::/96 stands for.
pub fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = u128::from(address);
    (bits >> 32 == PREFIX >> 32).then_some(Ipv4Addr::from(bits as u32))
}

/// The IPv6 address that stands for an IPv4 one.
pub fn embed(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(PREFIX | u128::from(u32::from(address)))
}

/// Whether a rewrite gives this packet another family, so that [`translate`] is to carry it out.
pub fn changes_family(rewrite: &Rewrite, packet: &[u8]) -> bool {
    let is_ipv4 = packet.first().is_some_and(|first| first >> 4 == 4);
    rewrite.src.is_some_and(|src| src.is_ipv4() != is_ipv4)
}

/// Writes `packet` with the addresses of a rewrite, which are of the other family, into `out`; returns its length. `partial` is
/// as in [`Rewrite::apply`].
///
/// None for what can't be translated, and when `out` is too short.
pub fn translate(rewrite: &Rewrite, packet: &[u8], partial: bool, out: &mut [u8]) -> Option<usize> {
    match (rewrite.src?, rewrite.dst?) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => to_ipv4(rewrite, Ends { src, dst }, packet, partial, out),
        (IpAddr::V6(src), IpAddr::V6(dst)) => to_ipv6(rewrite, Ends { src, dst }, packet, partial, out),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Ends<A> {
    src: A,
    dst: A,
}

fn to_ipv4(rewrite: &Rewrite, to: Ends<Ipv4Addr>, packet: &[u8], partial: bool, out: &mut [u8]) -> Option<usize> {
    let view = ipv6::Packet::new_checked(packet).ok()?;
    let walk = view.walk().ok().filter(|walk| !walk.is_fragment())?;
    let upper = packet.get(walk.offset..)?;
    let protocol = if walk.protocol == ICMPV6 { ICMP } else { walk.protocol };
    let ttl = view.hop_limit().saturating_sub(rewrite.ttl_decrement);
    let body = out.get_mut(ipv4::HEADER_LEN..)?;
    let length = match walk.protocol {
        ICMPV6 => icmp_to_ipv4(rewrite, upper, body)?,
        protocol => copy_upper(rewrite, protocol, (view.src().into(), view.dst().into()), upper, partial, body)?,
    };
    ipv4::Repr { src: to.src, dst: to.dst, protocol, ttl, payload_len: length }.emit(out);
    bytes::set(out, 1, &[view.traffic_class()]);
    bytes::set_u16(out, ipv4::field::FRAGMENT, ipv4::DONT_FRAGMENT);
    ipv4::fill_checksum(out.get_mut(..ipv4::HEADER_LEN)?);
    Some(ipv4::HEADER_LEN + length)
}

fn to_ipv6(rewrite: &Rewrite, to: Ends<Ipv6Addr>, packet: &[u8], partial: bool, out: &mut [u8]) -> Option<usize> {
    let view = ipv4::Packet::new_checked(packet).ok().filter(|view| !view.is_fragment())?;
    let upper = packet.get(view.header_len()..)?;
    let next_header = if view.protocol() == ICMP { ICMPV6 } else { view.protocol() };
    let hop_limit = view.ttl().saturating_sub(rewrite.ttl_decrement);
    let body = out.get_mut(ipv6::HEADER_LEN..)?;
    let length = match view.protocol() {
        ICMP => icmp_to_ipv6(rewrite, to, upper, body)?,
        protocol => copy_upper(rewrite, protocol, (view.src().into(), view.dst().into()), upper, partial, body)?,
    };
    ipv6::Repr { src: to.src, dst: to.dst, next_header, hop_limit, payload_len: length }.emit(out);
    ipv6::set_traffic_class(out, bytes::u8(packet, 1));
    Some(ipv6::HEADER_LEN + length)
}

/// TCP, UDP and what else has no checksum over addresses that is known here.
fn copy_upper(
    rewrite: &Rewrite,
    protocol: u8,
    from: (IpAddr, IpAddr),
    upper: &[u8],
    partial: bool,
    out: &mut [u8],
) -> Option<usize> {
    let body = out.get_mut(..upper.len())?;
    body.copy_from_slice(upper);
    let at = match protocol {
        TCP => tcp::field::CHECKSUM,
        UDP => udp::field::CHECKSUM,
        _ => return None,
    };
    if body.len() < at + 2 {
        return None;
    }
    let mut addresses = Difference::default();
    let (src, dst) = (rewrite.src?, rewrite.dst?);
    for (before, after) in [(from.0, src), (from.1, dst)] {
        with_octets(before, |before| with_octets(after, |after| addresses.add(before, after)));
    }
    let mut ports = Difference::default();
    for (place, port) in [(tcp::field::SRC_PORT, rewrite.src_port), (tcp::field::DST_PORT, rewrite.dst_port)] {
        if let Some(port) = port {
            ports.add(&bytes::octets::<2>(body, place), &port.to_be_bytes());
            bytes::set_u16(body, place, port);
        }
    }
    let before = bytes::u16(body, at);
    let after = if partial {
        addresses.apply_to_sum(before)
    } else if protocol == UDP && before == 0 {
        // IPv6 has no datagrams without checksum (RFC 8200, 8.1).
        match (src, dst) {
            (IpAddr::V6(_), IpAddr::V6(_)) => non_zero(checksum::of_upper(src, dst, UDP, body)),
            _ => 0,
        }
    } else {
        addresses.merge(ports);
        let after = addresses.apply(before);
        if protocol == UDP { non_zero(after) } else { after }
    };
    bytes::set_u16(body, at, after);
    Some(upper.len())
}

fn icmp_to_ipv4(rewrite: &Rewrite, message: &[u8], out: &mut [u8]) -> Option<usize> {
    let [kind, code] = bytes::octets(message, icmp::field::KIND);
    let quotation = message.get(icmp::HEADER_LEN..)?;
    let rest = bytes::u32(message, icmp::field::ID);
    let (kind, code, rest) = match (kind, code) {
        (128 | 129, 0) => {
            out.get_mut(..message.len())?.copy_from_slice(message);
            let (kind, id) = if kind == 128 { (8, rewrite.src_port) } else { (0, rewrite.dst_port) };
            return finish_echo(kind, id, message.len(), out, None);
        }
        (1, 0 | 2 | 3) => (3, 1, 0),
        (1, 1) => (3, 10, 0),
        (1, 4) => (3, 3, 0),
        (2, _) => (3, icmp::FRAGMENTATION_NEEDED, rest.saturating_sub(GROWTH.into()).min(0xffff)),
        (3, code) => (11, code, 0),
        (4, 1) => (3, 2, 0),
        (4, 0) => (12, 0, u32::from(pointer_to_ipv4(rest)?) << 24),
        _ => return None,
    };
    let body = out.get_mut(icmp::HEADER_LEN..)?;
    let length = quoted_to_ipv4(rewrite, quotation, body)?;
    finish_error([kind, code], rest, length, out, None)
}

fn icmp_to_ipv6(rewrite: &Rewrite, to: Ends<Ipv6Addr>, message: &[u8], out: &mut [u8]) -> Option<usize> {
    let [kind, code] = bytes::octets(message, icmp::field::KIND);
    let quotation = message.get(icmp::HEADER_LEN..)?;
    let rest = bytes::u32(message, icmp::field::ID);
    let (kind, code, rest) = match (kind, code) {
        (8 | 0, 0) => {
            out.get_mut(..message.len())?.copy_from_slice(message);
            let (kind, id) = if kind == 8 { (128, rewrite.src_port) } else { (129, rewrite.dst_port) };
            return finish_echo(kind, id, message.len(), out, Some(to));
        }
        (3, 0 | 1 | 5 | 6 | 7 | 8 | 11 | 12) => (1, 0, 0),
        (3, 2) => (4, 1, 6),
        (3, 3) => (1, 4, 0),
        // A router that doesn't say how much would pass: what always does.
        (3, icmp::FRAGMENTATION_NEEDED) => (2, 0, (rest & 0xffff).saturating_add(GROWTH.into()).max(1280)),
        (3, 9 | 10 | 13 | 15) => (1, 1, 0),
        (11, code) => (3, code, 0),
        (12, 0) => (4, 0, u32::from(pointer_to_ipv6(rest >> 24)?)),
        _ => return None,
    };
    let body = out.get_mut(icmp::HEADER_LEN..)?;
    let length = quoted_to_ipv6(rewrite, quotation, body)?.min(super::build::LONGEST_ERROR - ipv6::HEADER_LEN - icmp::HEADER_LEN);
    finish_error([kind, code], rest, length, out, Some(to))
}

/// The quoted packet went the other way: its source is where the error goes.
fn quoted_to_ipv4(rewrite: &Rewrite, quoted: &[u8], out: &mut [u8]) -> Option<usize> {
    let view = ipv6::Packet::new_checked(quoted).ok()?;
    let walk = view.walk().ok().filter(|walk| !walk.is_fragment())?;
    let (Some(IpAddr::V4(dst)), src) = (rewrite.src, embedded(view.src())?) else { return None };
    let upper = quoted.get(walk.offset..)?;
    let behind_extensions = view.payload_len().checked_sub(walk.offset - ipv6::HEADER_LEN)?;
    let protocol = if walk.protocol == ICMPV6 { ICMP } else { walk.protocol };
    let body = out.get_mut(ipv4::HEADER_LEN..)?;
    let length = copy_quoted(rewrite, walk.protocol, upper, body)?;
    ipv4::Repr { src, dst, protocol, ttl: view.hop_limit(), payload_len: behind_extensions }.emit(out);
    Some(ipv4::HEADER_LEN + length)
}

fn quoted_to_ipv6(rewrite: &Rewrite, quoted: &[u8], out: &mut [u8]) -> Option<usize> {
    let view = ipv4::Packet::new_checked(quoted).ok().filter(|view| !view.is_fragment())?;
    let Some(IpAddr::V6(src)) = rewrite.dst else { return None };
    let upper = quoted.get(view.header_len()..)?;
    let next_header = if view.protocol() == ICMP { ICMPV6 } else { view.protocol() };
    let payload_len = view.total_len().checked_sub(view.header_len())?;
    let body = out.get_mut(ipv6::HEADER_LEN..)?;
    let length = copy_quoted(rewrite, view.protocol(), upper, body)?;
    ipv6::Repr { src, dst: embed(view.dst()), next_header, hop_limit: view.ttl(), payload_len }.emit(out);
    Some(ipv6::HEADER_LEN + length)
}

/// As much as is quoted, with the ports that its sender knows. Checksums inside are not looked at by anybody.
fn copy_quoted(rewrite: &Rewrite, protocol: u8, upper: &[u8], out: &mut [u8]) -> Option<usize> {
    let body = out.get_mut(..upper.len())?;
    body.copy_from_slice(upper);
    let (source, destination) = (rewrite.dst_port, rewrite.src_port);
    let put = |body: &mut [u8], at: usize, port: Option<u16>| {
        if let Some(port) = port {
            bytes::set_u16(body, at, port);
        }
    };
    match (protocol, upper.first()) {
        (TCP | UDP, _) => {
            put(body, tcp::field::SRC_PORT, source);
            put(body, tcp::field::DST_PORT, destination);
        }
        (ICMP | ICMPV6, Some(kind)) => {
            let (kind, port) = match kind {
                8 => (128, source),
                128 => (8, source),
                0 => (129, destination),
                129 => (0, destination),
                _ => return None,
            };
            bytes::set(body, icmp::field::KIND, &[kind]);
            put(body, icmp::field::ID, port);
        }
        _ => return None,
    }
    Some(upper.len())
}

fn finish_echo(kind: u8, id: Option<u16>, length: usize, out: &mut [u8], to: Option<Ends<Ipv6Addr>>) -> Option<usize> {
    bytes::set(out, icmp::field::KIND, &[kind]);
    if let Some(id) = id {
        bytes::set_u16(out, icmp::field::ID, id);
    }
    sum_up(length, out, to)
}

fn finish_error(kind: [u8; 2], rest: u32, quoted: usize, out: &mut [u8], to: Option<Ends<Ipv6Addr>>) -> Option<usize> {
    bytes::set(out, icmp::field::KIND, &kind);
    bytes::set(out, icmp::field::ID, &rest.to_be_bytes());
    sum_up(icmp::HEADER_LEN + quoted, out, to)
}

fn sum_up(length: usize, out: &mut [u8], to: Option<Ends<Ipv6Addr>>) -> Option<usize> {
    let message = out.get_mut(..length)?;
    bytes::set_u16(message, icmp::field::CHECKSUM, 0);
    let sum = match to {
        Some(Ends { src, dst }) => checksum::of_upper(src.into(), dst.into(), ICMPV6, message),
        None => checksum::of(message),
    };
    bytes::set_u16(message, icmp::field::CHECKSUM, sum);
    Some(length)
}

/// RFC 7915, figure 6.
fn pointer_to_ipv4(pointer: u32) -> Option<u8> {
    Some(match pointer {
        0 => 0,
        1 => 1,
        4 | 5 => 2,
        6 => 9,
        7 => 8,
        8..=23 => 12,
        24..=39 => 16,
        _ => return None,
    })
}

/// RFC 7915, figure 3.
fn pointer_to_ipv6(pointer: u32) -> Option<u8> {
    Some(match pointer {
        0 => 0,
        1 => 1,
        2 | 3 => 4,
        8 => 7,
        9 => 6,
        12..=15 => 8,
        16..=19 => 24,
        _ => return None,
    })
}

fn with_octets(address: IpAddr, then: impl FnOnce(&[u8])) {
    match address {
        IpAddr::V4(v4) => then(&v4.octets()),
        IpAddr::V6(v6) => then(&v6.octets()),
    }
}

/// Zero would say that there is no checksum.
fn non_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// 64:ff9b::/96. See "DNS64 and NAT64" in the VPC User Guide.
const PREFIX: u128 = 0x0064_ff9b << 96;
