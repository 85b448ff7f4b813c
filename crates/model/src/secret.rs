//! Texts that only those shall see who need them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown by accident.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Eight characters for each of the numbers, made of 48 of its bits.
    pub fn drawn(bits: &[u64]) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
        let at = |bits: u64, place: u32| char::from(ALPHABET[(bits >> (6 * place)) as usize & 63]);
        Self(bits.iter().flat_map(|bits| (0..8).map(move |place| at(*bits, place))).collect())
    }

    /// The text itself, for whoever needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_in_debug_output() {
        let secret = Secret::new("of two");
        assert_eq!((format!("{secret:?}").as_str(), secret.reveal()), ("Secret(…)", "of two"));
    }

    #[test]
    fn what_is_drawn_differs_with_every_bit_that_counts() {
        let drawn = |bits: u64| Secret::drawn(&[bits, 0]);
        assert_eq!(drawn(7).reveal().len(), 16);
        assert!((0..48).all(|bit| drawn(1 << bit) != drawn(0)));
    }
}
