//! Domain names as Route 53 writes them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A domain name: lower case, with a dot at its end, and in it every octet but `a`–`z`, `0`–`9`, `-` and `_` as `\ooo`, in
/// octal. See "DNS domain name format" in the Route 53 Developer Guide.
///
/// Dots stand only between labels and at the end, so that names can be compared and cut as texts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainName(Arc<str>);

/// Why a text is no domain name. The words are Route 53's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainNameError {
    /// Two dots follow each other, or one begins the name.
    #[error("DomainLabelEmpty (Domain label is empty)")]
    EmptyLabel,
    /// A label has more than 63 octets.
    #[error("DomainLabelTooLong (Domain label is too long)")]
    LongLabel,
    /// The name has more than 255 octets.
    #[error("DomainNameTooLong (Domain name is too long)")]
    LongName,
    /// Something that is no printable ASCII, or a backslash that begins no escape.
    #[error("UnsupportedCharacter (Value contains unsupported characters)")]
    Character,
}

/// How a wildcard begins.
const WILDCARD: &str = "\\052.";

impl DomainName {
    /// The name of the labels, as they are in a message.
    ///
    /// # Errors
    /// When a label or the whole is empty where it may not be, or too long.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DomainNameError> {
        let (mut name, mut octets) = (String::new(), 1);
        for label in labels {
            match label.len() {
                0 => return Err(DomainNameError::EmptyLabel),
                64.. => return Err(DomainNameError::LongLabel),
                length => octets += length + 1,
            }
            label.iter().for_each(|octet| push(&mut name, *octet));
            name.push('.');
        }
        if octets > 255 {
            return Err(DomainNameError::LongName);
        }
        if name.is_empty() {
            name.push('.');
        }
        Ok(Self(name.into()))
    }

    /// The name as Route 53 shows it, with the dot at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, as they are in a message.
    pub fn labels(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.0.split('.').filter(|label| !label.is_empty()).map(|label| {
            let mut octets = Vec::with_capacity(label.len());
            let mut rest = label.as_bytes();
            while let [first, tail @ ..] = rest {
                // A backslash has three octal digits behind it: nothing else is ever put into a name.
                if let (b'\\', [a, b, c, after @ ..]) = (first, tail) {
                    octets.push((a & 7) << 6 | (b & 7) << 3 | c & 7);
                    rest = after;
                } else {
                    octets.push(*first);
                    rest = tail;
                }
            }
            octets
        })
    }

    /// The labels in reverse, as Route 53 sorts by: `com.example.www.`
    pub fn reversed(&self) -> String {
        let mut labels: Vec<&str> = self.0.split('.').filter(|label| !label.is_empty()).collect();
        labels.reverse();
        labels.into_iter().flat_map(|label| [label, "."]).collect()
    }

    /// Whether the name is the zone's or below it.
    pub fn is_in(&self, zone: &Self) -> bool {
        let above = self.0.strip_suffix(zone.as_str());
        &*zone.0 == "." || above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }

    /// The name without its first label; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_once('.')?;
        match parent {
            "" if &*self.0 == "." => None,
            "" => Some(Self(".".into())),
            parent => Some(Self(parent.into())),
        }
    }

    /// The name and those above it, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent).filter(|name| &*name.0 != ".")
    }

    /// The first label, as it is written.
    pub fn first_label(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// The wildcard right below the name.
    pub fn wildcard(&self) -> Self {
        let below = if &*self.0 == "." { "" } else { &*self.0 };
        Self(format!("{WILDCARD}{below}").into())
    }

    /// Whether the name begins with `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(WILDCARD)
    }

    /// A number that equal names share, on every machine and in every version.
    pub fn hash64(&self) -> u64 {
        self.0.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

fn push(name: &mut String, octet: u8) {
    use std::fmt::Write;
    match octet.to_ascii_lowercase() {
        plain @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_') => name.push(char::from(plain)),
        // Writing to a text can't fail.
        other => drop(write!(name, "\\{other:03o}")),
    }
}

impl FromStr for DomainName {
    type Err = DomainNameError;

    fn from_str(text: &str) -> Result<Self, DomainNameError> {
        if text == "." {
            return Ok(Self(".".into()));
        }
        let mut labels = vec![Vec::new()];
        let mut rest = text.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            let octet = match (first, tail) {
                (b'.', []) => break,
                (b'.', _) => {
                    labels.push(Vec::new());
                    continue;
                }
                (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                    rest = after;
                    (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')
                }
                (0x21..=0x7e, _) if *first != b'\\' => *first,
                _ => return Err(DomainNameError::Character),
            };
            if let Some(label) = labels.last_mut() {
                label.push(octet);
            }
        }
        Self::from_labels(labels.iter().map(Vec::as_slice))
    }
}

impl TryFrom<String> for DomainName {
    type Error = DomainNameError;

    fn try_from(text: String) -> Result<Self, DomainNameError> {
        text.parse()
    }
}

impl From<DomainName> for String {
    fn from(name: DomainName) -> String {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_written_in_one_way() {
        for (given, kept) in [
            ("Example.COM", "example.com."),
            ("example.com.", "example.com."),
            ("*.example.com", "\\052.example.com."),
            ("\\052.example.com", "\\052.example.com."),
            ("a\\056b.c", "a\\056b.c."),
            (".", "."),
            ("_srv._tcp.x", "_srv._tcp.x."),
        ] {
            assert_eq!(name(given).as_str(), kept);
        }
        for bad in ["", "a..b", ".a", "a b", "a\\9", "é", &"a".repeat(64), &"a.".repeat(130)] {
            assert!(bad.parse::<DomainName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_cut_and_compared_by_labels() {
        assert!(name("a.example.com").is_in(&name("example.com")) && name("example.com").is_in(&name("example.com")));
        assert!(!name("badexample.com").is_in(&name("example.com")) && name("x").is_in(&name(".")));
        assert_eq!(name("www.example.com").reversed(), "com.example.www.");
        let above: Vec<String> = name("a.b.c").ancestors().map(|name| name.to_string()).collect();
        assert_eq!(above, ["a.b.c.", "b.c.", "c."]);
        assert_eq!(name("b.c").wildcard(), name("*.b.c"));
        assert!(name("*.b.c").is_wildcard() && !name("a.b.c").is_wildcard());
    }

    proptest! {
        #[test]
        fn labels_come_back_as_they_were(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..8), 0..6)) {
            let made = DomainName::from_labels(labels.iter().map(Vec::as_slice)).unwrap();
            let lower: Vec<Vec<u8>> = labels.iter().map(|label| label.to_ascii_lowercase()).collect();
            prop_assert_eq!(made.labels().collect::<Vec<_>>(), lower);
            prop_assert_eq!(made.as_str().parse::<DomainName>().unwrap(), made);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = text.parse::<DomainName>();
        }
    }
}
