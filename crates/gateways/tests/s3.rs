//! The object store as clients meet it: over HTTP, byte for byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use openvpc_gateways::s3::{Attributes, Keys, ObjectStore, S3, StoreError};

const SIGNATURE: &str =
    "Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00";

struct Server {
    store: Arc<ObjectStore>,
    address: SocketAddr,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// The error code in the body.
    fn code(&self) -> &str {
        let start = self.body.find("<Code>").expect(&self.body) + 6;
        &self.body[start..self.body.find("</Code>").unwrap()]
    }

    fn has(&self, header: &str) -> bool {
        self.head.to_ascii_lowercase().contains(&header.to_ascii_lowercase())
    }
}

/// Everybody may call.
struct AnyKey;

impl Keys for AnyKey {
    fn verifies(&self) -> bool {
        false
    }

    fn secret(&self, _access_key: &str) -> Option<String> {
        None
    }
}

impl Server {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(ObjectStore::open(folder.path()).unwrap());
        let s3 = S3::new(Arc::clone(&store), Arc::new(AnyKey));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let answer = move |request: Request| {
            let s3 = s3.clone();
            async move { s3.answer(request).await }
        };
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { store, address, folder, _runtime: runtime }
    }

    fn with_bucket() -> Self {
        let server = Self::new();
        assert_eq!(server.ask("PUT /logs", "").status, 200);
        server
    }

    /// Sends a request line without version, with the body's length said.
    fn ask(&self, line: &str, body: &str) -> Answer {
        self.raw(line, &format!("Host: localhost\r\n{SIGNATURE}\r\nContent-Length: {}\r\n", body.len()), body)
    }

    fn raw(&self, line: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

#[test]
fn an_object_is_a_plain_file_and_a_plain_file_is_an_object() {
    let server = Server::with_bucket();
    assert_eq!(server.ask("PUT /logs/a/b.txt", "hello").status, 200);
    assert_eq!(std::fs::read_to_string(server.folder.path().join("logs/a/b.txt")).unwrap(), "hello");
    std::fs::write(server.folder.path().join("logs/a/by-hand"), "hello").unwrap();
    let answer = server.ask("GET /logs/a/by-hand", "");
    assert_eq!(answer.body, "hello");
    assert!(answer.has("etag: \"5d41402abc4b2a76b9719d911017c592\""), "{}", answer.head);
    std::fs::write(server.folder.path().join("logs/a/b.txt"), "changed").unwrap();
    assert!(server.ask("HEAD /logs/a/b.txt", "").has("content-length: 7"));
}

#[test]
fn what_the_daemon_writes_is_there_for_clients() {
    let server = Server::with_bucket();
    server.store.put("logs", "AWSLogs/1/x.log.gz", b"data", Attributes::default()).unwrap();
    let answer = server.ask("GET /logs/AWSLogs/1/x.log.gz", "");
    assert_eq!((answer.status, &*answer.body), (200, "data"));
    // Readers unpack the body themselves; one that is told of the encoding unpacks it twice.
    assert!(!answer.has("content-encoding"));
    assert!(matches!(server.store.put("none", "k", b"", Attributes::default()), Err(StoreError::NoSuchBucket)));
    assert_eq!(server.store.list("logs", "AWSLogs/1/").unwrap(), ["AWSLogs/1/x.log.gz"]);
}

#[test]
fn a_bucket_that_is_not_there_says_so() {
    let server = Server::with_bucket();
    for (line, code) in [
        ("GET /none?list-type=2", "NoSuchBucket"),
        ("GET /none/key", "NoSuchBucket"),
        ("PUT /none/key", "NoSuchBucket"),
        ("DELETE /none/key", "NoSuchBucket"),
        ("DELETE /none", "NoSuchBucket"),
        ("GET /logs/none", "NoSuchKey"),
    ] {
        let answer = server.ask(line, "");
        assert_eq!((answer.status, answer.code()), (404, code), "{line}");
    }
    assert!(!server.folder.path().join("none").exists());
    assert_eq!(server.ask("HEAD /none", "").status, 404);
    assert_eq!(server.ask("PUT /logs", "").code(), "BucketAlreadyOwnedByYou");
    assert_eq!(server.ask("PUT /Bad_Name", "").code(), "InvalidBucketName");
    assert_eq!(server.ask("PUT /.openvpc", "").code(), "InvalidBucketName");
}

#[test]
fn a_bucket_goes_only_when_it_is_empty() {
    let server = Server::with_bucket();
    server.ask("PUT /logs/a/b", "x");
    assert_eq!(server.ask("DELETE /logs", "").code(), "BucketNotEmpty");
    assert_eq!(server.ask("DELETE /logs/a/b", "").status, 204);
    assert_eq!(server.ask("DELETE /logs/a/b", "").status, 204);
    assert_eq!(server.ask("DELETE /logs", "").status, 204);
    assert!(!server.folder.path().join("logs").exists());
}

#[test]
fn no_key_leads_out_of_its_bucket() {
    let server = Server::with_bucket();
    server.ask("PUT /other", "");
    for key in ["../other/x", "a/../../other/x", "%2e%2e/other/x", "a/%2e%2e/%2e%2e/x", "..", ".", "a//b", "%00"] {
        let answer = server.ask(&format!("PUT /logs/{key}"), "x");
        assert_eq!(answer.status, 400, "{key}: {}", answer.body);
        assert_ne!(server.ask(&format!("GET /logs/{key}"), "").status, 200, "{key}");
    }
    assert!(server.store.list("other", "").unwrap().is_empty());
    assert!(server.store.list("logs", "").unwrap().is_empty());
    for key in ["../other/x", "/etc/passwd", "a/./b", ""] {
        assert!(matches!(server.store.put("logs", key, b"x", Attributes::default()), Err(StoreError::InvalidKey(_))), "{key}");
        assert!(server.store.get("logs", key).is_err());
    }
    assert!(server.store.get("..", "x").is_err());
    assert!(!server.store.bucket_exists(".."));
}

#[test]
fn a_chunked_upload_arrives_without_its_chunks() {
    let server = Server::with_bucket();
    let chunks = "5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n0;chunk-signature=ef\r\n\r\n";
    let headers = |length: usize, kind: &str| {
        format!(
            "Host: localhost\r\n{SIGNATURE}\r\nx-amz-content-sha256: STREAMING-{kind}\r\nContent-Encoding: aws-chunked\r\n\
             x-amz-decoded-content-length: {length}\r\nx-amz-trailer: x-amz-checksum-crc32\r\n"
        )
    };
    let signed = headers(11, "AWS4-HMAC-SHA256-PAYLOAD") + &format!("Content-Length: {}\r\n", chunks.len());
    assert_eq!(server.raw("PUT /logs/signed", &signed, chunks).status, 200);
    let answer = server.ask("GET /logs/signed", "");
    assert_eq!(answer.body, "hello world");
    assert!(!answer.has("content-encoding"));

    let trailer = "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    let unsigned = headers(11, "UNSIGNED-PAYLOAD-TRAILER") + &format!("Content-Length: {}\r\n", trailer.len());
    assert_eq!(server.raw("PUT /logs/unsigned", &unsigned, trailer).status, 200);
    assert!(server.ask("GET /logs/unsigned", "").has("x-amz-checksum-crc32: DUoRhQ=="));

    let wrong = trailer.replace("DUoRhQ==", "AAAAAA==");
    let answer = server.raw("PUT /logs/wrong", &unsigned, &wrong);
    assert_eq!((answer.status, answer.code()), (400, "BadDigest"));
    assert_eq!(server.ask("HEAD /logs/wrong", "").status, 404);

    let short = headers(12, "UNSIGNED-PAYLOAD-TRAILER") + &format!("Content-Length: {}\r\n", trailer.len());
    assert_eq!(server.raw("PUT /logs/short", &short, trailer).code(), "IncompleteBody");
    let leftovers = std::fs::read_dir(server.folder.path().join(".openvpc/temporary")).unwrap();
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn buckets_are_hosts_below_localhost_too() {
    let server = Server::with_bucket();
    server.ask("PUT /logs/key", "hello");
    for host in ["logs.localhost", "logs.localhost:4566", "logs.s3.localhost:4566"] {
        let answer = server.raw("GET /key", &format!("Host: {host}\r\nAuthorization: AWS key:c2ln\r\n"), "");
        assert_eq!(answer.body, "hello", "{host}");
    }
    for host in ["localhost", "s3.localhost:4566", "127.0.0.1:4566", "[::1]:4566", "[::1]"] {
        let answer = server.raw("GET /logs/key", &format!("Host: {host}\r\nAuthorization: AWS key:c2ln\r\n"), "");
        assert_eq!(answer.body, "hello", "{host}");
    }
}

#[test]
fn a_malformed_signature_is_refused_and_a_signed_url_is_not() {
    let server = Server::with_bucket();
    server.ask("PUT /logs/key", "hello");
    let answer = server.raw("GET /logs/key", "Host: localhost\r\nAuthorization: Basic YTpi\r\n", "");
    assert_eq!((answer.status, answer.code()), (400, "AuthorizationHeaderMalformed"));
    let signed = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60\
                  &X-Amz-SignedHeaders=host&X-Amz-Signature=00";
    assert_eq!(server.raw(&format!("GET /logs/key?{signed}"), "Host: localhost\r\n", "").body, "hello");
}

#[test]
fn listings_come_in_pages_in_the_order_of_bytes() {
    let server = Server::with_bucket();
    for key in ["a/b", "a-b", "a/c/d", "b", "é"] {
        server.store.put("logs", key, b"1", Attributes::default()).unwrap();
    }
    let keys = |answer: &Answer, tag: &str| -> Vec<String> {
        let tag = format!("<{tag}>");
        let parts = answer.body.split(&tag).skip(1);
        parts.map(|part| part[..part.find('<').unwrap()].to_owned()).collect()
    };
    let all = server.ask("GET /logs?list-type=2&encoding-type=url", "");
    assert_eq!(keys(&all, "Key"), ["a-b", "a/b", "a/c/d", "b", "%C3%A9"]);
    let top = server.ask("GET /logs?list-type=2&delimiter=%2F", "");
    assert_eq!(keys(&top, "Key"), ["a-b", "b", "é"]);
    assert!(top.body.contains("<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"));
    let mut token = String::new();
    let mut seen = Vec::new();
    loop {
        let page = server.ask(&format!("GET /logs?list-type=2&max-keys=2{token}"), "");
        seen.extend(keys(&page, "Key"));
        match keys(&page, "NextContinuationToken").first() {
            Some(next) => token = format!("&continuation-token={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["a-b", "a/b", "a/c/d", "b", "é"]);
    assert_eq!(server.ask("GET /logs?list-type=2&continuation-token=zz", "").code(), "InvalidArgument");
    assert_eq!(keys(&server.ask("GET /logs?marker=a%2Fc%2Fd", ""), "Key"), ["b", "é"]);
    assert_eq!(keys(&server.ask("GET /logs?prefix=a%2F", ""), "Key"), ["a/b", "a/c/d"]);
}

#[test]
fn a_store_that_is_opened_again_has_what_it_had() {
    let server = Server::with_bucket();
    let headers = format!("Host: localhost\r\n{SIGNATURE}\r\nContent-Length: 1\r\nContent-Type: text/x\r\nx-amz-meta-a: b\r\n");
    server.raw("PUT /logs/key", &headers, "1");
    std::fs::write(server.folder.path().join(".openvpc/temporary/left"), "x").unwrap();
    let again = ObjectStore::open(server.folder.path()).unwrap();
    let object = again.object("logs", "key").unwrap();
    assert_eq!(object.attributes.content_type.as_deref(), Some("text/x"));
    assert_eq!(object.attributes.metadata["a"], "b");
    assert!(!server.folder.path().join(".openvpc/temporary/left").exists());
    again.clear().unwrap();
    assert!(again.buckets().unwrap().is_empty());
    assert!(again.create_bucket("logs", None).unwrap());
}
