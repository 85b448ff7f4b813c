//! Echo requests until the first is answered.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use serde_json::json;

use super::Answer;

/// The time from one request to the next.
const INTERVAL: Duration = Duration::from_millis(1);

/// Pings until it is answered or the time is over, and says when that was by the machine's clock.
pub fn first(to: Ipv4Addr, time: Duration) -> Answer {
    let raw = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::ICMP))?;
    // A raw socket receives and is addressed as a datagram socket is; its port is of no meaning.
    let socket = UdpSocket::from(raw);
    socket.set_read_timeout(Some(INTERVAL))?;
    let end = Instant::now() + time;
    let mut buffer = [0; 256];
    println!("ready");
    while Instant::now() < end {
        // An address that nobody has yet can't be sent to; the next one may be.
        let _ = socket.send_to(&ECHO, SocketAddr::new(to.into(), 0));
        let sent = Instant::now();
        loop {
            match socket.recv_from(&mut buffer) {
                // After the IP header of 20 bytes, a reply has type 0.
                Ok((length, from)) if length > 20 && buffer[20] == 0 && from.ip() == IpAddr::V4(to) => {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    return Ok(json!({ "micros": now.as_micros() as u64 }));
                }
                _ if sent.elapsed() >= INTERVAL => break,
                _ => {}
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("{to} answered no ping")))
}

/// Type 8, identifier 0x4f56, number 1, no data; with its checksum.
const ECHO: [u8; 8] = {
    let sum = 0x0800 + 0x4f56 + 0x0001;
    let [high, low] = (!(sum as u16)).to_be_bytes();
    [8, 0, high, low, 0x4f, 0x56, 0, 1]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_request_s_checksum_is_right() {
        let words = ECHO.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        assert_eq!(words.sum::<u32>(), 0xffff);
    }
}
