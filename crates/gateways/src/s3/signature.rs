//! What is done to a request before S3 sees it: on a loopback address any well-formed signature will do, so signatures
//! are looked at, not verified, and taken off; with them goes the chunking that signed uploads are wrapped in.

use axum::body::Body;
use axum::extract::Request;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Uri};

use super::chunks::{Trailers, Unchunked};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

/// The query parameters of signed URLs, old and new.
const SIGNED_URL: [&str; 10] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "AWSAccessKeyId",
    "Expires",
    "Signature",
];

/// A request that S3 refuses before it looks at what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// S3's error code.
    pub code: &'static str,
    /// What is wrong.
    pub message: &'static str,
}

/// Takes signature and chunking off a request.
pub fn strip(mut request: Request) -> Result<Request, Refusal> {
    let authorization = request.headers_mut().remove(header::AUTHORIZATION);
    if authorization.as_ref().is_some_and(|authorization| !authorization.to_str().is_ok_and(is_well_formed)) {
        return Err(Refusal { code: "AuthorizationHeaderMalformed", message: "The authorization header is malformed" });
    }
    if !strip_signed_url(&mut request)? && authorization.is_none() {
        return Err(Refusal { code: "AccessDenied", message: "Access Denied: sign the request with any access key" });
    }
    let is_chunked = |value: &HeaderValue| value.as_bytes().starts_with(b"STREAMING-");
    if request.headers().get(CONTENT_SHA256).is_some_and(is_chunked) {
        request = unchunk(request)?;
    }
    request.headers_mut().remove(CONTENT_SHA256);
    Ok(request)
}

fn is_well_formed(authorization: &str) -> bool {
    if let Some(v4) = authorization.strip_prefix("AWS4-HMAC-SHA256") {
        let parts: Vec<&str> = v4.split(',').map(str::trim).collect();
        let part = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)).filter(|value| !value.is_empty());
        let scope_is_whole = part("Credential=").is_some_and(|credential| credential.split('/').count() >= 5);
        return scope_is_whole && part("SignedHeaders=").is_some() && part("Signature=").is_some();
    }
    authorization
        .strip_prefix("AWS ")
        .and_then(|v2| v2.split_once(':'))
        .is_some_and(|(key, signature)| !key.trim().is_empty() && !signature.is_empty())
}

/// Takes a signature out of the query; says whether there was one.
fn strip_signed_url(request: &mut Request) -> Result<bool, Refusal> {
    let Some(query) = request.uri().query() else { return Ok(false) };
    let name_of = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let has = |name: &str| query.split('&').any(|pair| name_of(pair) == name);
    let (v4, v2) = (has("X-Amz-Signature"), has("Signature") && has("AWSAccessKeyId"));
    if !v4 && !v2 {
        return Ok(false);
    }
    if v4 && !(has("X-Amz-Algorithm") && has("X-Amz-Credential") && has("X-Amz-Date") && has("X-Amz-SignedHeaders")) {
        return Err(Refusal {
            code: "AuthorizationQueryParametersError",
            message: "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
                      X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        });
    }
    let rest: Vec<&str> = query.split('&').filter(|pair| !SIGNED_URL.contains(&&*name_of(pair))).collect();
    let path = request.uri().path();
    let target = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    let mut parts = request.uri().clone().into_parts();
    // The parts of a URI that was read are a URI still.
    parts.path_and_query = target.parse::<PathAndQuery>().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    Ok(true)
}

fn unchunk(request: Request) -> Result<Request, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Some(length) = parts.headers.remove(DECODED_LENGTH) else {
        return Err(Refusal {
            code: "MissingContentLength",
            message: "You must provide the x-amz-decoded-content-length HTTP header.",
        });
    };
    parts.headers.insert(header::CONTENT_LENGTH, length);
    parts.headers.remove(header::TRANSFER_ENCODING);
    strip_encoding(&mut parts.headers);
    let trailers = Trailers::default();
    parts.extensions.insert(trailers.clone());
    Ok(Request::from_parts(parts, Body::new(Unchunked::new(body, trailers))))
}

/// `aws-chunked` is how the upload came, not what the object is.
fn strip_encoding(headers: &mut HeaderMap) {
    let Some(Ok(encoding)) = headers.get(header::CONTENT_ENCODING).map(HeaderValue::to_str) else { return };
    let rest: Vec<&str> = encoding.split(',').map(str::trim).filter(|name| *name != "aws-chunked").collect();
    match HeaderValue::from_str(&rest.join(", ")) {
        Ok(value) if !rest.is_empty() => headers.insert(header::CONTENT_ENCODING, value),
        _ => headers.remove(header::CONTENT_ENCODING),
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let builder = headers.iter().fold(Request::builder().uri(uri), |builder, (name, value)| builder.header(*name, *value));
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn any_well_formed_signature_is_taken_off() {
        for signature in [
            "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
            "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=00",
            "AWS key:c2ln",
        ] {
            let stripped = strip(request("/bucket", &[("authorization", signature)])).unwrap();
            assert!(stripped.headers().is_empty());
        }
        for malformed in ["", "Basic YTpi", "AWS4-HMAC-SHA256 Credential=a", "AWS key", "AWS :"] {
            let refusal = strip(request("/bucket", &[("authorization", malformed)])).unwrap_err();
            assert_eq!(refusal.code, "AuthorizationHeaderMalformed", "{malformed}");
        }
    }

    #[test]
    fn a_signed_url_becomes_a_plain_one() {
        let signed = "/b/k?versionId=1&X-Amz-Algorithm=a&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=1&X-Amz-SignedHeaders=h&X-Amz-Signature=s";
        assert_eq!(strip(request(signed, &[])).unwrap().uri(), "/b/k?versionId=1");
        assert_eq!(strip(request("/b/k?AWSAccessKeyId=a&Signature=s&Expires=1", &[])).unwrap().uri(), "/b/k");
        assert_eq!(strip(request("/b/k?Expires=1", &[])).unwrap_err().code, "AccessDenied");
        let refusal = strip(request("/b/k?X-Amz-Signature=s", &[])).unwrap_err();
        assert_eq!(refusal.code, "AuthorizationQueryParametersError");
    }

    #[test]
    fn a_chunked_upload_says_its_real_length_and_encoding() {
        let headers = [
            ("authorization", "AWS key:c2ln"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-decoded-content-length", "5"),
            ("content-length", "50"),
            ("content-encoding", "aws-chunked, gzip"),
        ];
        let stripped = strip(request("/b/k", &headers)).unwrap();
        assert_eq!(stripped.headers()["content-length"], "5");
        assert_eq!(stripped.headers()["content-encoding"], "gzip");
        assert_eq!(strip(request("/b/k", &headers[..2])).unwrap_err().code, "MissingContentLength");
    }
}
