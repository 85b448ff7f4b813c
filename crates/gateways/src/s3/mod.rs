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
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};

use operations::Operations;
use signature::Refusal;

pub use files::{Attributes, Bucket, Object, ObjectStore, StoreError};

/// Answers S3 requests. Clones share the store.
#[derive(Clone)]
pub struct S3 {
    service: S3Service,
}

impl S3 {
    /// Serves a store.
    pub fn new(store: Arc<ObjectStore>) -> Self {
        let mut builder = S3ServiceBuilder::new(Operations::new(store));
        builder.set_host(LocalHosts);
        Self { service: builder.build() }
    }

    /// Answers a request. Whatever goes wrong is an answer in S3's form.
    pub async fn answer(&self, request: Request) -> Response {
        let has_body = request.headers().contains_key(header::TRANSFER_ENCODING)
            || request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
        let mut answer = match signature::strip(request) {
            Ok(request) => self.serve(request).await,
            Err(refusal) => refuse(refusal),
        };
        if has_body && !answer.status().is_success() {
            // The body may not have been read, and the connection ends then; the client is not to send more over it.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn serve(&self, request: Request) -> Response {
        match self.service.call(request.map(s3s::Body::http_body_unsync)).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::warn!(?error, "S3 request failed");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
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
