//! TCP connections that are opened and reset at once, so that none waits in a closing state.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde_json::json;

use super::{Answer, ready};

/// Connects from many threads until the time is over.
pub fn connect(to: SocketAddr, threads: usize, time: Duration) -> Answer {
    let begin = Instant::now();
    let (mut made, mut failed) = (0, 0);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(move || one(to, begin + time))).collect();
        for thread in running {
            // None of them can panic.
            let own = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            made += own.0;
            failed += own.1;
        }
    });
    Ok(json!({ "made": made, "failed": failed, "seconds": begin.elapsed().as_secs_f64() }))
}

/// How many connections were made, and how many weren't.
fn one(to: SocketAddr, end: Instant) -> (u64, u64) {
    let (mut made, mut failed) = (0, 0);
    while Instant::now() < end {
        match open_and_reset(to) {
            Ok(()) => made += 1,
            Err(_) => failed += 1,
        }
    }
    (made, failed)
}

/// The fewest system calls that it takes. Closing without lingering is a reset.
fn open_and_reset(to: SocketAddr) -> rustix::io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_linger(&socket, Some(Duration::ZERO))?;
    rustix::net::connect(&socket, &to)
}

/// Takes connections and closes them.
pub fn accept(port: u16, threads: usize) -> Answer {
    let listener = Arc::new(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?);
    // The standard library's queue is short, and a connection that finds no place in it comes again after a second.
    rustix::net::listen(&*listener, 1 << 16)?;
    for _ in 0..threads {
        let listener = Arc::clone(&listener);
        // They wait in the kernel and end with the process.
        std::thread::spawn(move || -> io::Result<()> {
            loop {
                // A connection that was reset before it was taken is none to stop for.
                drop(listener.accept());
            }
        });
    }
    let stop = AtomicBool::new(false);
    ready(&stop)?;
    Ok(json!({ "stopped": stop.load(Ordering::Relaxed) }))
}
