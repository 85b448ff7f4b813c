//! The object store: S3's protocol over plain files.
//!
//! [`S3`] answers HTTP requests; [`ObjectStore`] is the files below it, for the parts of the daemon that write and read
//! objects themselves.

mod bodies;
mod chunks;
mod conditions;
mod files;
mod listing;
mod operations;
mod signature;
mod uploads;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::response::{IntoResponse, Response};
use hyper::{StatusCode, header};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};

use operations::Operations;
use signature::Refusal;

pub use files::{Attributes, Bucket, Object, ObjectStore, StoreError};

/// Answers S3 requests. Clones share the store.
#[derive(Clone)]
pub struct S3 {
    /// For callers who may sign with any key.
    open: S3Service,
    /// For callers whose signature counts.
    verified: S3Service,
    keys: Arc<dyn Keys>,
}

/// Whose signatures count.
pub trait Keys: Send + Sync {
    /// Whether only requests that a registered key signed are answered.
    fn verifies(&self) -> bool;
    /// The secret of a registered key.
    fn secret(&self, access_key: &str) -> Option<String>;
}

impl S3 {
    /// Serves a store to those whom `keys` lets in.
    pub fn new(store: Arc<ObjectStore>, keys: Arc<dyn Keys>) -> Self {
        let builder = || {
            let mut builder = S3ServiceBuilder::new(Operations::new(Arc::clone(&store)));
            builder.set_host(LocalHosts);
            builder
        };
        let mut verified = builder();
        verified.set_auth(Secrets(Arc::clone(&keys)));
        Self { open: builder().build(), verified: verified.build(), keys }
    }

    /// Answers a request. Whatever goes wrong is an answer in S3's form.
    pub async fn answer(&self, request: Request) -> Response {
        let has_body = request.headers().contains_key(header::TRANSFER_ENCODING)
            || request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
        let mut answer = match self.keys.verifies() {
            true => serve(&self.verified, request).await,
            false => match signature::strip(request) {
                Ok(request) => serve(&self.open, request).await,
                Err(refusal) => refuse(refusal),
            },
        };
        if has_body && !answer.status().is_success() {
            // The body may not have been read, and the connection ends then; the client is not to send more over it.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

async fn serve(service: &S3Service, request: Request) -> Response {
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::warn!(?error, "S3 request failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The registered keys, as the S3 protocol asks for them.
struct Secrets(Arc<dyn Keys>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let unknown = || s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.");
        self.0.secret(access_key).map(SecretKey::from).ok_or_else(unknown)
    }
}

/// Virtual-host style below `localhost`: `BUCKET.localhost` and `BUCKET.s3.localhost`. Every other host is path style.
struct LocalHosts;

impl S3Host for LocalHosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name =
            host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(name, _)| name);
        let bucket = name.strip_suffix(".localhost").map(|bucket| bucket.strip_suffix(".s3").unwrap_or(bucket));
        Ok(match bucket {
            Some(bucket) if bucket != "s3" => VirtualHost::new("localhost").with_bucket(bucket),
            _ => VirtualHost::new(host),
        })
    }
}

fn refuse(refusal: Refusal) -> Response {
    let Refusal { code, message } = refusal;
    let status = match code {
        "AccessDenied" => StatusCode::FORBIDDEN,
        "MissingContentLength" => StatusCode::LENGTH_REQUIRED,
        _ => StatusCode::BAD_REQUEST,
    };
    let body =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}
