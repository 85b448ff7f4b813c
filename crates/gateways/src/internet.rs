//! The HTTP server of the lab internet: it answers every request with the peer address it saw.

use std::io;
use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum::extract::{ConnectInfo, RawQuery};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Serves a listener until it fails. The answer to any path is the peer's address and a line end, or with `?format=json`
/// an object with `address` and `port`.
///
/// # Errors
/// When the listener can't be used.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = Router::new().fallback(peer).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}

async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, RawQuery(query): RawQuery) -> Response {
    let address = peer.ip().to_canonical();
    if query.is_some_and(|query| query.split('&').any(|pair| pair == "format=json")) {
        return axum::Json(json!({ "address": address, "port": peer.port() })).into_response();
    }
    format!("{address}\n").into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_answer_is_the_address_that_the_server_saw() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bind) else { continue };
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(serve(listener));
            let (plain, json, port) = tokio::task::spawn_blocking(move || {
                let (plain, _) = get(address, "/any/path?x=1");
                let (json, port) = get(address, "/?format=json");
                (plain, json, port)
            })
            .await
            .unwrap();
            assert!(plain.ends_with(&format!("\r\n\r\n{}\n", address.ip())), "{plain}");
            assert!(json.ends_with(&format!(r#"{{"address":"{}","port":{port}}}"#, address.ip())), "{json}");
            server.abort();
        }
    }

    fn get(address: SocketAddr, target: &str) -> (String, u16) {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer, stream.local_addr().unwrap().port())
    }
}
