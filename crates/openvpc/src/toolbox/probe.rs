//! Clients for TCP, UDP and HTTP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::Report;

/// Opens a connection, sends a line, waits for a line.
pub(super) fn tcp(server: SocketAddr, patience: Duration) -> Report {
    let talk = || -> io::Result<String> {
        let stream = connect(server, patience)?;
        (&stream).write_all(b"openvpc probe\n")?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    talk().map_or_else(|error| Report::failed(&error), Report::answered)
}

/// Fetches a page; its body is the detail.
pub(super) fn fetch(server: SocketAddr, path: &str, patience: Duration) -> Report {
    let talk = || -> io::Result<String> {
        let stream = connect(server, patience)?;
        // In one piece, so that it is one packet.
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        (&stream).write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        // A page of a lab is a line; the limit keeps a wrong server from filling the memory.
        (&stream).take(1 << 20).read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok(body.trim_end().to_owned())
    };
    talk().map_or_else(|error| Report::failed(&error), Report::answered)
}

/// Sends a datagram and waits for an answer.
pub(super) fn udp(server: SocketAddr, patience: Duration) -> Report {
    let talk = || -> io::Result<String> {
        let any: SocketAddr =
            if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(patience))?;
        socket.connect(server)?;
        socket.send(b"openvpc probe")?;
        let mut answer = [0; 2048];
        let length = socket.recv(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    };
    talk().map_or_else(|error| Report::failed(&error), Report::answered)
}

fn connect(server: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}
