//! Small UDP datagrams: as many as go on one flow, or each on a flow of its own.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use serde_json::json;

use super::{Answer, ready};

const PAYLOAD: [u8; 64] = [7; 64];
/// Datagrams per system call.
const BATCH: usize = 64;
/// The ports that flows are told apart by; below are those that servers listen on.
const FIRST_PORT: u16 = 10_000;

/// Sends to one address until the time is over.
pub fn send(to: SocketAddr, time: Duration) -> Answer {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(to)?;
    let begin = Instant::now();
    let mut sent = 0;
    while begin.elapsed() < time {
        sent += batch(&socket, &[const { None }; BATCH])?;
    }
    Ok(json!({ "sent": sent, "seconds": begin.elapsed().as_secs_f64() }))
}

/// Sends so many a second to one address until the time is over.
pub fn pace(to: SocketAddr, time: Duration, rate: u32) -> Answer {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(to)?;
    let begin = Instant::now();
    let mut sent = 0;
    while begin.elapsed() < time {
        let due = (begin.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        while sent < due {
            socket.send(&PAYLOAD)?;
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Ok(json!({ "sent": sent, "seconds": begin.elapsed().as_secs_f64() }))
}

/// Counts what arrives.
pub fn sink(port: u16) -> Answer {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    // As large as the machine allows; asking for more is no error.
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let stop = AtomicBool::new(false);
    let received = std::thread::scope(|scope| {
        let counter = scope.spawn(|| count(&socket, &stop));
        ready(&stop)?;
        // The counter can't panic.
        counter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    Ok(json!({ "received": received }))
}

fn count(socket: &UdpSocket, stop: &AtomicBool) -> io::Result<u64> {
    let mut buffer = [0; 128];
    let mut received = 0;
    loop {
        match socket.recv(&mut buffer) {
            Ok(_) => received += 1,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(received);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// How many datagrams a spray sends, and on which flows.
pub struct Spray {
    /// Ends it, unless the time is over before.
    pub flows: u64,
    /// With a source port, the flows are the same in every run that has it; with 0, they are others.
    pub source: u16,
    /// Datagrams a second at most; 0 for as many as can be.
    pub rate: u32,
    /// Datagrams on each flow, one soon after the other.
    pub times: u64,
}

/// Sends a few datagrams on each of many flows.
pub fn spray(to: Ipv4Addr, time: Duration, Spray { flows, source, rate, times }: Spray) -> Answer {
    let begin = Instant::now();
    let (mut sent, mut datagrams, mut sockets) = (0, 0, Vec::new());
    while sent < flows && begin.elapsed() < time {
        let port = if source == 0 { 0 } else { source + sockets.len() as u16 };
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        let mut next = u32::from(FIRST_PORT);
        while next <= u32::from(u16::MAX) && sent < flows && begin.elapsed() < time {
            let end = (next + BATCH as u32).min(1 << 16).min(next + u32::try_from(flows - sent).unwrap_or(u32::MAX - next));
            // The bound above keeps these within sixteen bits.
            let addresses: Vec<_> =
                (next..end).map(|port| Some(SocketAddrAny::from(SocketAddrV4::new(to, port as u16)))).collect();
            for _ in 0..times {
                datagrams += batch(&socket, &addresses)?;
                if rate > 0 {
                    let due = Duration::from_secs_f64(datagrams as f64 / f64::from(rate));
                    std::thread::sleep(due.saturating_sub(begin.elapsed()));
                }
            }
            sent += addresses.len() as u64;
            next = end;
        }
        // Held to the end, so that no other takes its port.
        sockets.push(socket);
    }
    Ok(json!({ "sent": datagrams, "seconds": begin.elapsed().as_secs_f64() }))
}

/// Sends a datagram to each; how many were sent.
fn batch(socket: &UdpSocket, addresses: &[Option<SocketAddrAny>]) -> io::Result<u64> {
    let payload = [IoSlice::new(&PAYLOAD)];
    let mut controls: [SendAncillaryBuffer<'_, '_, '_>; BATCH] = std::array::from_fn(|_| SendAncillaryBuffer::default());
    let mut messages: Vec<_> = addresses
        .iter()
        .zip(&mut controls)
        .map(|(address, control)| match address {
            Some(address) => MMsgHdr::new_with_addr(address, &payload, control),
            None => MMsgHdr::new(&payload, control),
        })
        .collect();
    let mut sent = 0;
    while sent < messages.len() {
        match sendmmsg(socket, &mut messages[sent..], SendFlags::empty()) {
            Ok(some) => sent += some,
            // What an earlier one was answered with, or a queue that is full; such datagrams are lost, as on any network.
            Err(Errno::CONNREFUSED | Errno::NOBUFS | Errno::HOSTUNREACH | Errno::NETUNREACH) => sent += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spray_is_of_as_many_flows_as_were_asked_for_also_where_they_fill_no_batch() {
        let flows = 2 * BATCH as u64 + 5;
        let answer = spray(Ipv4Addr::LOCALHOST, Duration::from_secs(60), Spray { flows, source: 0, rate: 0, times: 3 });
        assert_eq!(answer.ok().and_then(|answer| answer["sent"].as_u64()), Some(3 * flows));
    }
}
