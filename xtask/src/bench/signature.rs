//! Signature Version 4, as much of it as a load generator needs.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "123456789012";
const SECRET_KEY: &str = "secret";

/// A signed request for EC2, ready to be sent.
pub fn post(host: &str, body: &str) -> Vec<u8> {
    request(host, "POST", "/", "ec2", "application/x-www-form-urlencoded; charset=utf-8", body)
}

/// A signed request that makes a bucket.
pub fn make_bucket(host: &str, name: &str) -> Vec<u8> {
    request(host, "PUT", &format!("/{name}"), "s3", "application/octet-stream", "")
}

fn request(host: &str, method: &str, path: &str, service: &str, content: &str, body: &str) -> Vec<u8> {
    let (day, time) = now();
    let hash = hex(&Sha256::digest(body.as_bytes()));
    let signed = "content-type;host;x-amz-content-sha256;x-amz-date";
    let canonical = format!(
        "{method}\n{path}\n\ncontent-type:{content}\nhost:{host}\nx-amz-content-sha256:{hash}\nx-amz-date:{time}\n\n{signed}\n{hash}"
    );
    let scope = format!("{day}/{REGION}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = [&*day, REGION, service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| authenticate(&key, part));
    let signature = hex(&authenticate(&key, &to_sign));
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content}\r\nX-Amz-Date: {time}\r\nX-Amz-Content-Sha256: {hash}\r\n\
         Content-Length: {}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={signed}, \
         Signature={signature}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn authenticate(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes a key of any length, so that this never is an error.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Day and time as signatures have them.
fn now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, of_day) = (seconds / 86400, seconds % 86400);
    // From days to the civil date, in the 400-year cycles that begin on the first of March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let date = format!("{year:04}{month:02}{day:02}");
    let time = format!("{date}T{:02}{:02}{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60);
    (date, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231_s_second_case() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&authenticate(b"Jefe", "what do ya want for nothing?")), expected);
    }
}
