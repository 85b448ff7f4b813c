//! Session tokens: they say for whom and until when, and a code over that, so that none has to be remembered.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit, Mac};
use openvpc_model::{EniId, UnixMillis};
use sha2::Sha256;

/// Makes and knows tokens.
pub(super) struct Tokens {
    key: [u8; 32],
}

impl Tokens {
    /// Tokens of that key: with another, none made before counts.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A token for who is known by `holder`, for that many seconds.
    pub fn issue(&self, holder: &str, seconds: u32, now: UnixMillis) -> String {
        let expires = now.0 + u64::from(seconds) * 1000;
        let mut token = expires.to_be_bytes().to_vec();
        token.extend(self.code(holder, expires));
        URL_SAFE.encode(token)
    }

    /// The seconds that a token is good for yet; none for one that isn't (any more), or is somebody else's.
    pub fn check(&self, holder: &str, token: &str, now: UnixMillis) -> Option<u32> {
        let token = URL_SAFE.decode(token).ok()?;
        let (expires, code) = token.split_first_chunk::<8>()?;
        let expires = u64::from_be_bytes(*expires);
        self.mac(holder, expires)?.verify_slice(code).ok()?;
        let left = expires.checked_sub(now.0).filter(|left| *left > 0)?;
        u32::try_from(left.div_ceil(1000)).ok()
    }

    fn code(&self, holder: &str, expires: u64) -> Vec<u8> {
        self.mac(holder, expires).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
    }

    fn mac(&self, holder: &str, expires: u64) -> Option<Hmac<Sha256>> {
        // A key of any length will do for HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(&expires.to_be_bytes());
        mac.update(holder.as_bytes());
        Some(mac)
    }
}

/// Who a token is for: the instance, or the interface of what is none of ours.
pub(super) fn holder(instance: Option<&openvpc_model::Instance>, eni: EniId) -> String {
    instance.map_or_else(|| eni.to_string(), |instance| instance.id.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_is_good_for_its_holder_until_it_expires() {
        let tokens = Tokens::new([7; 32]);
        let made = UnixMillis(1_000_000);
        let token = tokens.issue("i-1", 60, made);
        assert_eq!(token.len(), 56, "as long as AWS's");
        assert_eq!(tokens.check("i-1", &token, made), Some(60));
        assert_eq!(tokens.check("i-1", &token, UnixMillis(made.0 + 59_500)), Some(1));
        assert_eq!(tokens.check("i-1", &token, UnixMillis(made.0 + 60_000)), None);
        assert_eq!(tokens.check("i-2", &token, made), None);
        assert_eq!(Tokens::new([8; 32]).check("i-1", &token, made), None);
    }

    #[test]
    fn nothing_else_is_a_token() {
        let tokens = Tokens::new([7; 32]);
        let token = tokens.issue("i-1", 60, UnixMillis(0));
        for place in 0..token.len() - 1 {
            let mut other = token.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(tokens.check("i-1", &other, UnixMillis(0)), None, "{other}");
        }
        for other in ["", "=", "AAAA", "not a token", "é", &token[..40]] {
            assert_eq!(tokens.check("i-1", other, UnixMillis(0)), None, "{other}");
        }
    }
}
