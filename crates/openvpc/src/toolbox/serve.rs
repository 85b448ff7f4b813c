//! Servers that answer what a lab asks.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Serves until it is killed.
pub(super) fn serve(http: &[u16], tcp: &[u16], udp: &[u16], name: Option<String>) -> io::Result<()> {
    let name: Arc<str> = name.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned()).into();
    let mut threads = Vec::new();
    for port in http {
        let (listener, name) = (listen(*port)?, Arc::clone(&name));
        threads.push(thread::spawn(move || accept(&listener, |stream| answer_http(stream, &name))));
    }
    for port in tcp {
        let listener = listen(*port)?;
        threads.push(thread::spawn(move || accept(&listener, answer_lines)));
    }
    for port in udp {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, *port)).map_err(|e| in_use(*port, &e))?;
        threads.push(thread::spawn(move || answer_datagrams(&socket)));
    }
    println!("serving");
    for thread in threads {
        // A server thread ends only when its socket fails, and then the others go on.
        let _ = thread.join();
    }
    Ok(())
}

/// Both families on one socket.
fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).map_err(|e| in_use(port, &e))
}

fn in_use(port: u16, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("port {port} can't be served: {error}"))
}

fn accept(listener: &TcpListener, answer: impl Fn(&TcpStream) -> io::Result<()> + Sync) {
    thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            let answer = &answer;
            // A client that hangs up early is its own business.
            scope.spawn(move || drop(answer(&stream)));
        }
    });
}

fn answer_http(stream: &TcpStream, name: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let body = format!("Hello from {name}. You are {}.\n", unmapped(stream.peer_addr()?).ip());
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    (&mut &*stream).write_all((head + &body).as_bytes())
}

fn answer_lines(stream: &TcpStream) -> io::Result<()> {
    for line in BufReader::new(stream).lines() {
        (&mut &*stream).write_all((line? + "\n").as_bytes())?;
    }
    Ok(())
}

fn answer_datagrams(socket: &UdpSocket) {
    let mut buffer = [0; 65536];
    while let Ok((length, client)) = socket.recv_from(&mut buffer) {
        // An answer that can't be sent is lost like any datagram.
        let _ = socket.send_to(&buffer[..length], client);
    }
}

/// A client of IPv4 on a socket of both families, shown as what it is.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
