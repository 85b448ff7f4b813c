//! Connections to the metadata service. Each carries one request, as AWS's do: the hop limit of an answer is then that of
//! everything that follows the request, retransmissions included.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use openvpc_model::EniId;
use serde_json::json;
use tokio::net::TcpStream;

use super::answer::{Answer, Outcome, Question, answer};
use super::tokens::Tokens;
use super::tree::{pretty, seconds};
use super::{Credentials, Host};
use crate::services::Askers;

/// The metadata service. Clones are the same.
#[derive(Clone)]
pub struct Metadata(Arc<Shared>);

struct Shared {
    askers: Askers,
    host: Arc<dyn Host>,
    tokens: Tokens,
    /// Connections of each interface.
    open: Mutex<HashMap<EniId, usize>>,
}

impl Metadata {
    /// The service; `key` makes tokens, and must be nobody else's to know.
    pub fn new(askers: Askers, host: Arc<dyn Host>, key: [u8; 32]) -> Self {
        Self(Arc::new(Shared { askers, host, tokens: Tokens::new(key), open: Mutex::default() }))
    }
}

/// Serves a listener until it fails.
///
/// # Errors
/// When the listener can't be used.
pub async fn serve(listener: TcpListener, metadata: Metadata) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // A connection that is gone again, or no descriptor left: nothing to end for.
            Err(error) => {
                tracing::debug!(%error, "a metadata connection failed");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let Some(place) = Place::take(&metadata, peer.ip()) else { continue };
        let metadata = metadata.clone();
        tokio::spawn(async move {
            let served = tokio::time::timeout(PATIENCE, one_request(stream, peer.ip(), &metadata)).await;
            if let Ok(Err(error)) = served {
                tracing::debug!(%error, "a metadata connection failed");
            }
            drop(place);
        });
    }
}

async fn one_request(
    stream: TcpStream,
    peer: IpAddr,
    metadata: &Metadata,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let is_ipv6 = stream.local_addr()?.is_ipv6();
    let socket = Arc::new(rustix::io::dup(&stream)?);
    let service = service_fn(|request: Request<Incoming>| {
        let socket = Arc::clone(&socket);
        async move {
            let (answer, response) = metadata.respond(peer, is_ipv6, &request);
            if let Some(limit) = answer.hop_limit {
                limit_hops(&socket, is_ipv6, limit);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(MOST_OF_A_HEADER);
    server.serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

fn limit_hops(socket: &OwnedFd, is_ipv6: bool, limit: u8) {
    let done = match is_ipv6 {
        true => rustix::net::sockopt::set_ipv6_unicast_hops(socket, Some(limit)),
        false => rustix::net::sockopt::set_ip_ttl(socket, limit.into()),
    };
    if let Err(error) = done {
        tracing::warn!(%error, "an answer of the metadata service goes farther than it should");
    }
}

impl Metadata {
    fn respond(&self, peer: IpAddr, is_ipv6: bool, request: &Request<Incoming>) -> (Answer, Response<Body>) {
        let Shared { askers, host, tokens, .. } = &*self.0;
        let text = |name: &str| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let question = Question {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            is_ipv6,
            token: text(TOKEN),
            ttl: text(TOKEN_TTL),
            was_forwarded: request.headers().contains_key("x-forwarded-for"),
        };
        let answer = match askers.who_in(peer) {
            Some((asker, network)) => answer(&network, asker.eni, &question, tokens, host.now()),
            None => Answer::refused(404),
        };
        let mut response = match &answer.outcome {
            Outcome::Ok { body, is_text } => content(body.clone(), if *is_text { TEXT } else { BYTES }),
            // Making keys may wait for the disk.
            Outcome::Credentials(instance, role) => match tokio::task::block_in_place(|| host.credentials(*instance, role)) {
                Some(credentials) => content(credentials_shown(&credentials).into_bytes(), TEXT),
                None => refusal(StatusCode::NOT_FOUND),
            },
            Outcome::Refused(status) => refusal(StatusCode::from_u16(*status).unwrap_or(StatusCode::NOT_FOUND)),
        };
        let headers = response.headers_mut();
        headers.insert(header::SERVER, HeaderValue::from_static("EC2ws"));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
        if let Some(ttl) = answer.token_ttl {
            headers.insert(TOKEN_TTL, HeaderValue::from(ttl));
        }
        if *request.method() == Method::HEAD {
            // What would have come is told all the same.
            let length = response.headers().get(header::CONTENT_LENGTH).cloned();
            *response.body_mut() = Body::empty();
            if let Some(length) = length {
                response.headers_mut().insert(header::CONTENT_LENGTH, length);
            }
        }
        (answer, response)
    }
}

fn content(body: Vec<u8>, kind: &'static str) -> Response<Body> {
    let length = body.len();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// A refusal as AWS words it.
fn refusal(status: StatusCode) -> Response<Body> {
    let title = format!("{} - {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n\
         <!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\
         \t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n \
         <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n </body>\n</html>\n"
    );
    let mut response = content(page.into_bytes(), "text/html");
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, PUT"));
    }
    response
}

fn credentials_shown(credentials: &Credentials) -> String {
    pretty(&json!({
        "Code": "Success",
        "LastUpdated": seconds(credentials.made_at),
        "Type": "AWS-HMAC",
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": credentials.secret.reveal(),
        "Token": credentials.token.reveal(),
        "Expiration": seconds(credentials.expires_at),
    }))
}

/// One of the connections that an interface may have at a time: instances must not use up the daemon's descriptors.
struct Place {
    metadata: Metadata,
    eni: EniId,
}

impl Place {
    fn take(metadata: &Metadata, peer: IpAddr) -> Option<Self> {
        let eni = metadata.0.askers.who(peer)?.eni;
        let mut open = metadata.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= MOST_AT_ONCE {
            return None;
        }
        let own = open.entry(eni).or_default();
        if *own >= MOST_OF_ONE {
            return None;
        }
        *own += 1;
        drop(open);
        Some(Self { metadata: metadata.clone(), eni })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.metadata.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.eni) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.eni);
            }
        }
    }
}

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TOKEN_TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TEXT: &str = "text/plain";
const BYTES: &str = "application/octet-stream";

/// How long a connection may take from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request's header.
const MOST_OF_A_HEADER: usize = 16 * 1024;
/// Connections at a time.
const MOST_AT_ONCE: usize = 512;
/// Connections of one interface at a time.
const MOST_OF_ONE: usize = 64;
