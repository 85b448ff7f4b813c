//! Who calls: the parts of Signature Version 4 that say it, in a header or (presigned) in the query string.
//!
//! Parsing is strict, so that a broken client hears about it here and not on AWS.

mod gate;
mod replay;
pub mod signature;

pub use gate::{Admitted, Gate};

use openvpc_model::Region;

use crate::error::ApiError;
use crate::http::Request;
use crate::query::Node;

/// What a signature says about its maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The access key.
    pub access_key: String,
    /// The day of the signature, `YYYYMMDD`.
    pub date: String,
    /// The region called.
    pub region: Region,
    /// The service called: `ec2`, `sts`, `s3`.
    pub service: String,
    /// The headers that the signature covers.
    pub signed_headers: Vec<String>,
    /// The signature: 64 hexadecimal digits.
    pub signature: String,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl Credential {
    /// The credential of a request whose query string is `query`; none when the request isn't signed.
    ///
    /// # Errors
    /// `IncompleteSignature` when it is signed in another way or a part is missing, `AuthFailure` when a part is wrong.
    pub fn of(request: &Request, query: &Node) -> Result<Option<Self>, ApiError> {
        if let Some(header) = request.header("authorization") {
            return Self::from_header(header).map(Some);
        }
        let Some(algorithm) = query.value("X-Amz-Algorithm") else { return Ok(None) };
        let part = |name: &str| query.value(name).ok_or_else(|| incomplete(name));
        let credential =
            Self::from_parts(algorithm, part("X-Amz-Credential")?, part("X-Amz-SignedHeaders")?, part("X-Amz-Signature")?)?;
        part("X-Amz-Date")?;
        Ok(Some(credential))
    }

    /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    fn from_header(header: &str) -> Result<Self, ApiError> {
        let (algorithm, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| malformed(part))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed(part)),
            };
            if place.replace(value).is_some() {
                return Err(malformed(part));
            }
        }
        Self::from_parts(
            algorithm,
            credential.ok_or_else(|| incomplete("Credential"))?,
            signed_headers.ok_or_else(|| incomplete("SignedHeaders"))?,
            signature.ok_or_else(|| incomplete("Signature"))?,
        )
    }

    fn from_parts(algorithm: &str, credential: &str, signed_headers: &str, signature: &str) -> Result<Self, ApiError> {
        if algorithm != ALGORITHM {
            return Err(ApiError::new(
                "IncompleteSignature",
                format!("Unsupported signing algorithm '{algorithm}'; use {ALGORITHM}"),
            ));
        }
        if !signed_headers.split(';').any(|header| header.eq_ignore_ascii_case("host")) {
            return Err(ApiError::new("AuthFailure", "'host' must be a signed header"));
        }
        if signature.len() != 64 || !signature.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ApiError::new("AuthFailure", "The signature isn't 64 hexadecimal digits"));
        }
        // An access key may not contain a slash; the scope behind it has four parts.
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key, date, region, service, "aws4_request"] = *parts else {
            let message = format!("Credential must be KEY/DATE/REGION/SERVICE/aws4_request, not '{credential}'");
            return Err(ApiError::new("AuthFailure", message));
        };
        if access_key.is_empty() || service.is_empty() {
            return Err(ApiError::new("AuthFailure", "AWS was not able to validate the provided access credentials"));
        }
        if date.len() != 8 || !date.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ApiError::new("AuthFailure", format!("Date in Credential scope must be YYYYMMDD, not '{date}'")));
        }
        let region = region.parse().map_err(|_| {
            ApiError::new("AuthFailure", format!("Credential should be scoped to a valid region, not '{region}'"))
        })?;
        Ok(Self {
            access_key: access_key.into(),
            date: date.into(),
            region,
            service: service.into(),
            signed_headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            signature: signature.to_ascii_lowercase(),
        })
    }
}

/// The parameters of a request that say who calls and not what for.
pub const PARAMETERS: &[&str] = &[
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

fn incomplete(part: &str) -> ApiError {
    ApiError::new("IncompleteSignature", format!("Authorization requires the '{part}' parameter"))
}

fn malformed(part: &str) -> ApiError {
    ApiError::new("IncompleteSignature", format!("'{part}' is not a valid key=value pair in the Authorization header"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const SIGNATURE: &str = "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024";

    fn header(text: &str) -> Result<Credential, ApiError> {
        Credential::from_header(text)
    }

    #[test]
    fn a_header_says_key_region_and_service() {
        for separator in [", ", ","] {
            let text = [
                &*format!("{ALGORITHM} Credential=AKID/20260921/eu-central-1/ec2/aws4_request"),
                "SignedHeaders=host;x-amz-date",
                &format!("Signature={SIGNATURE}"),
            ]
            .join(separator);
            let credential = header(&text).unwrap();
            assert_eq!(
                (&*credential.access_key, credential.region.as_str(), &*credential.service),
                ("AKID", "eu-central-1", "ec2")
            );
        }
    }

    #[test]
    fn a_presigned_request_says_it_in_its_query() {
        let query = format!(
            "Action=DescribeVpcs&X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential=AKID%2F20260921%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20260921T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNATURE}"
        );
        let request = Request { query: query.clone(), ..Request::default() };
        let credential = Credential::of(&request, &Node::parse(query.as_bytes()).unwrap()).unwrap().unwrap();
        assert_eq!((&*credential.access_key, &*credential.service), ("AKID", "sts"));
    }

    #[test]
    fn no_signature_is_no_credential() {
        assert_eq!(Credential::of(&Request::default(), &Node::default()).unwrap(), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let scope = "AKID/20260921/eu-central-1/ec2/aws4_request";
        for (text, code) in [
            ("".to_owned(), "IncompleteSignature"),
            ("Basic dXNlcjpwYXNz".to_owned(), "IncompleteSignature"),
            (format!("Bearer Credential={scope}, SignedHeaders=host, Signature={SIGNATURE}"), "IncompleteSignature"),
            (format!("{ALGORITHM} Credential={scope}, SignedHeaders=host"), "IncompleteSignature"),
            (
                format!("{ALGORITHM} Credential={scope}, SignedHeaders=host, Signature={SIGNATURE}, Signature={SIGNATURE}"),
                "IncompleteSignature",
            ),
            (format!("{ALGORITHM} Credential={scope}, SignedHeaders=x-amz-date, Signature={SIGNATURE}"), "AuthFailure"),
            (format!("{ALGORITHM} Credential={scope}, SignedHeaders=host, Signature=zz"), "AuthFailure"),
            (format!("{ALGORITHM} Credential=AKID/ec2, SignedHeaders=host, Signature={SIGNATURE}"), "AuthFailure"),
            (
                format!(
                    "{ALGORITHM} Credential=/20260921/eu-central-1/ec2/aws4_request, SignedHeaders=host, Signature={SIGNATURE}"
                ),
                "AuthFailure",
            ),
            (
                format!(
                    "{ALGORITHM} Credential=AKID/2026/eu-central-1/ec2/aws4_request, SignedHeaders=host, Signature={SIGNATURE}"
                ),
                "AuthFailure",
            ),
            (
                format!("{ALGORITHM} Credential=AKID/20260921/EU/ec2/aws4_request, SignedHeaders=host, Signature={SIGNATURE}"),
                "AuthFailure",
            ),
        ] {
            assert_eq!(header(&text).unwrap_err().code, code, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(text in ".{0,200}") {
            let _ = header(&text);
        }
    }
}
