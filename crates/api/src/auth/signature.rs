//! Signature Version 4: making signatures and checking them.
//!
//! See "Signature Version 4 signing process" in the AWS General Reference. Services other than S3 sign the path encoded
//! twice; S3's own requests are checked by its server.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use openvpc_model::UnixMillis;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{ALGORITHM, Credential};
use crate::http::Request;
use crate::timestamp;

/// How far a request's clock may be off, in milliseconds.
pub const MAX_SKEW_MS: u64 = 15 * 60 * 1000;

/// What is wrong with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The date is missing or isn't one.
    Date(String),
    /// The request is too old, or from the future.
    Expired(String),
    /// The signature isn't the one that the secret gives.
    Mismatch,
}

/// Checks that `credential` signed the request with `secret`, not longer ago than [`MAX_SKEW_MS`].
///
/// # Errors
/// The first fault found.
pub fn verify(request: &Request, credential: &Credential, secret: &str, now: UnixMillis) -> Result<(), Fault> {
    let presigned = request.header("authorization").is_none();
    let parameters = parameters(&request.query);
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let header = |name: &str| request.header(name).map(str::to_owned);
    let date = if presigned { parameter("X-Amz-Date") } else { header("x-amz-date").or_else(|| header("date")) };
    let date = date.ok_or_else(|| Fault::Date("Date must be passed as X-Amz-Date".to_owned()))?;
    let signed_at = compact_time(&date).ok_or_else(|| Fault::Date(format!("'{date}' is not a date such as 20260131T120000Z")))?;
    if !date.starts_with(&credential.date) {
        return Err(Fault::Date(format!("Date in Credential scope does not match {date}")));
    }
    let lifetime = parameter("X-Amz-Expires").filter(|_| presigned).and_then(|seconds| seconds.parse::<u64>().ok());
    let valid_for = lifetime.map_or(MAX_SKEW_MS, |seconds| seconds.saturating_mul(1000));
    if now.0 > signed_at.0.saturating_add(valid_for) || signed_at.0 > now.0.saturating_add(MAX_SKEW_MS) {
        return Err(Fault::Expired(format!("Request has expired: it was signed at {date}, and now it is {}", compact(now))));
    }
    let payload = match header("x-amz-content-sha256") {
        Some(hash) if hash == "UNSIGNED-PAYLOAD" => hash,
        _ => hex(&Sha256::digest(&request.body)),
    };
    let canonical = canonical_request(request, &parameters, &credential.signed_headers, &payload).ok_or(Fault::Mismatch)?;
    let scope = format!("{}/{}/{}/aws4_request", credential.date, credential.region, credential.service);
    let expected = sign_text(secret, &date, &scope, &canonical);
    let equal: bool = expected.as_bytes().ct_eq(credential.signature.as_bytes()).into();
    if equal { Ok(()) } else { Err(Fault::Mismatch) }
}

/// Signs a request that has no `Authorization` header yet; gives the headers to add. `scope` is `REGION/SERVICE`.
pub fn sign(request: &Request, key: &str, secret: &str, scope: &str, now: UnixMillis) -> Vec<(String, String)> {
    let date = compact(now);
    let mut dated = request.clone();
    dated.headers.push(("x-amz-date".to_owned(), date.clone()));
    let names = dated.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut signed: Vec<String> = names.filter(|name| name == "host" || name.starts_with("x-amz-")).collect();
    signed.sort();
    let payload = hex(&Sha256::digest(&request.body));
    let scope = format!("{}/{scope}/aws4_request", &date[..8]);
    // Both headers are there: the host by contract, the date from above.
    let canonical = canonical_request(&dated, &parameters(&request.query), &signed, &payload).unwrap_or_default();
    let signature = sign_text(secret, &date, &scope, &canonical);
    let authorization =
        format!("{ALGORITHM} Credential={key}/{scope}, SignedHeaders={}, Signature={signature}", signed.join(";"));
    vec![("x-amz-date".to_owned(), date), ("authorization".to_owned(), authorization)]
}

/// None when a signed header is missing.
fn canonical_request(request: &Request, parameters: &[(String, String)], signed: &[String], payload: &str) -> Option<String> {
    let mut out = format!("{}\n{}\n", request.method, canonical_path(&request.path));
    let encoded =
        parameters.iter().filter(|(name, _)| name != "X-Amz-Signature").map(|(name, value)| (encode(name), encode(value)));
    let mut pairs: Vec<_> = encoded.collect();
    pairs.sort();
    for (i, (name, value)) in pairs.iter().enumerate() {
        let _ = write!(out, "{}{name}={value}", if i == 0 { "" } else { "&" });
    }
    out.push('\n');
    for name in signed {
        let values = request.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let values: Vec<String> = values.map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        if values.is_empty() {
            return None;
        }
        let _ = writeln!(out, "{name}:{}", values.join(","));
    }
    let _ = write!(out, "\n{}\n{payload}", signed.join(";"));
    Some(out)
}

/// The path without dot segments, each segment encoded once more than it came.
fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        if segment == ".." {
            segments.pop();
        } else {
            segments.push(encode(segment));
        }
    }
    let slash = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

fn sign_text(secret: &str, date: &str, scope: &str, canonical: &str) -> String {
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part).to_vec());
    hex(&hmac(&key, &to_sign))
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        // HMAC takes keys of any length.
        return [0; 32];
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The parameters of a query string, decoded.
fn parameters(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// `20260131T120000Z`.
fn compact(time: UnixMillis) -> String {
    let text = time.to_string();
    let digits: String = text.chars().take(19).filter(|c| *c != '-' && *c != ':').collect();
    format!("{digits}Z")
}

fn compact_time(text: &str) -> Option<UnixMillis> {
    let well_formed = text.len() == 16 && text.is_ascii() && text.as_bytes()[8] == b'T' && text.ends_with('Z');
    if !well_formed {
        return timestamp::parse(text);
    }
    let part = |from: usize, to: usize| &text[from..to];
    let iso = format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15));
    timestamp::parse(&iso)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::query::Node;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    /// 2015-08-30T12:36:00Z, the time of AWS's published examples.
    const THEN: UnixMillis = UnixMillis(1_440_938_160_000);

    fn published(method: &str, query: &str, headers: &[(&str, &str)], signed: &str, signature: &str) -> Request {
        let credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        let authorization = format!("{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}");
        let last = [("Authorization", &*authorization)];
        let headers = headers.iter().chain(&last);
        Request {
            method: method.into(),
            path: "/".into(),
            query: query.into(),
            headers: headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: Vec::new(),
        }
    }

    fn check(request: &Request, secret: &str, now: UnixMillis) -> Result<(), Fault> {
        let query = Node::parse(request.query.as_bytes()).unwrap();
        verify(request, &Credential::of(request, &query).unwrap().unwrap(), secret, now)
    }

    /// From the published test suite "aws-sig-v4-test-suite": get-vanilla, get-vanilla-query-order-key-case, post-vanilla,
    /// post-header-key-sort.
    #[test]
    fn the_published_examples_are_right() {
        let base = [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")];
        let more = [("Host", "example.amazonaws.com"), ("My-Header1", "value1"), ("X-Amz-Date", "20150830T123600Z")];
        for request in [
            published("GET", "", &base, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            published(
                "GET",
                "Param2=value2&Param1=value1",
                &base,
                "host;x-amz-date",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            published("POST", "", &base, "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            published(
                "POST",
                "",
                &more,
                "host;my-header1;x-amz-date",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
        ] {
            assert_eq!(check(&request, SECRET, THEN), Ok(()), "{request:?}");
            assert_eq!(check(&request, "another", THEN), Err(Fault::Mismatch));
            let mut forged = request.clone();
            forged.body = b"Action=DeleteVpc".to_vec();
            assert_eq!(check(&forged, SECRET, THEN), Err(Fault::Mismatch));
        }
    }

    #[test]
    fn a_clock_may_be_off_by_a_quarter_of_an_hour() {
        let base = [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")];
        let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        let request = published("GET", "", &base, "host;x-amz-date", signature);
        for (now, fine) in [
            (THEN.0 + MAX_SKEW_MS, true),
            (THEN.0 + MAX_SKEW_MS + 1, false),
            (THEN.0 - MAX_SKEW_MS, true),
            (THEN.0 - MAX_SKEW_MS - 1, false),
        ] {
            let outcome = check(&request, SECRET, UnixMillis(now));
            assert_eq!(outcome.is_ok(), fine, "{now}: {outcome:?}");
            assert!(fine || matches!(outcome, Err(Fault::Expired(_))));
        }
    }

    #[test]
    fn what_is_signed_here_is_verified_here() {
        let mut request = Request {
            method: "POST".into(),
            path: "/_openvpc/flows/query".into(),
            query: "b=2&a=x%20y".into(),
            headers: vec![("Host".into(), "localhost:4566".into())],
            body: b"{}".to_vec(),
        };
        request.headers.extend(sign(&request, "AKID", SECRET, "eu-central-1/ec2", THEN));
        assert_eq!(check(&request, SECRET, THEN), Ok(()));
        request.query = "b=2&a=x".into();
        assert_eq!(check(&request, SECRET, THEN), Err(Fault::Mismatch));
    }

    #[test]
    fn a_signed_header_that_is_gone_or_a_date_that_is_none_is_a_fault() {
        let date = [("Host", "h"), ("X-Amz-Date", "yesterday")];
        let request = published("GET", "", &date, "host;x-amz-date", &"0".repeat(64));
        assert!(matches!(check(&request, SECRET, THEN), Err(Fault::Date(_))));
        let request = published("GET", "", &[("X-Amz-Date", "20150830T123600Z")], "host;x-amz-date", &"0".repeat(64));
        assert_eq!(check(&request, SECRET, THEN), Err(Fault::Mismatch));
    }
}
