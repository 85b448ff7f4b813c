//! One ICMP echo.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, sockopt};

use super::{Outcome, Report};

/// Sends an echo request and waits for its reply.
pub(super) fn ping(address: IpAddr, patience: Duration) -> Report {
    match echo(address, patience) {
        Ok(true) => Report::answered(format!("reply from {address}")),
        Ok(false) => Report { outcome: Outcome::NoAnswer, detail: format!("no reply within {} ms", patience.as_millis()) },
        Err(error) => Report::failed(&error),
    }
}

fn echo(address: IpAddr, patience: Duration) -> io::Result<bool> {
    let (family, protocol, request, reply) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, 8, 0),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, 128, 129),
    };
    let socket = rustix::net::socket(family, SocketType::RAW, Some(protocol))?;
    let id = (std::process::id() as u16).to_be_bytes();
    // 56 bytes of payload, as ping sends: an IPv4 datagram of 84 bytes.
    let mut packet = [0; 64];
    packet[0] = request;
    packet[4..6].copy_from_slice(&id);
    packet[7] = 1;
    if address.is_ipv4() {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    rustix::net::sendto(&socket, &packet, SendFlags::empty(), &SocketAddr::new(address, 0))?;

    let deadline = Instant::now() + patience;
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(left))?;
        let length = match rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        // A raw IPv4 socket hands over the IP header too, a raw IPv6 socket doesn't.
        let header = if address.is_ipv4() { usize::from(buffer[0] & 15) * 4 } else { 0 };
        let message = buffer[..length].get(header..).unwrap_or_default();
        if message.len() >= 8 && message[0] == reply && message[4..6] == id {
            return Ok(true);
        }
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
