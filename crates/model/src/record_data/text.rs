//! Fields and strings of values.

use std::str::FromStr;

use super::RecordDataError;
use crate::{DomainName, RecordType};

/// The fields of a value, which spaces part; a field in quotation marks keeps them.
pub(super) struct Fields<'a> {
    fields: Vec<&'a str>,
    value: &'a str,
}

const NUMBERS: [&str; 8] = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven"];

impl<'a> Fields<'a> {
    /// Exactly so many fields. What lies behind the last one belongs to it in the types that end with hexadecimal digits.
    pub fn new(value: &'a str, kind: RecordType, count: usize) -> Result<Self, RecordDataError> {
        let fields = Self::at_least(value, kind, count)?;
        let digits_go_on = matches!(kind, RecordType::Ds | RecordType::Tlsa | RecordType::Sshfp);
        if fields.fields.len() > count && !digits_go_on { Err(wrong_count(value, kind, count)) } else { Ok(fields) }
    }

    /// So many fields or more.
    pub fn at_least(value: &'a str, kind: RecordType, count: usize) -> Result<Self, RecordDataError> {
        let fields = split(value);
        if fields.len() < count { Err(wrong_count(value, kind, count)) } else { Ok(Self { fields, value }) }
    }

    /// A field as it is.
    pub fn plain(&self, field: usize) -> Result<&'a str, RecordDataError> {
        self.fields.get(field).copied().ok_or_else(|| self.wrong("MissingField (Value lacks a field)"))
    }

    /// The fields behind the first ones.
    pub fn behind(&self, count: usize) -> &[&'a str] {
        self.fields.get(count..).unwrap_or_default()
    }

    pub fn number<N: FromStr>(&self, field: usize) -> Result<N, RecordDataError> {
        let text = self.plain(field)?;
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| self.wrong("InvalidNumber (Value is not a valid number)"))
    }

    pub fn name(&self, field: usize) -> Result<DomainName, RecordDataError> {
        let text = self.plain(field)?;
        text.parse().map_err(|error: crate::domain_name::DomainNameError| self.wrong(&error.to_string()))
    }

    /// A field in quotation marks, or a plain one.
    pub fn string(&self, field: usize) -> Result<Vec<u8>, RecordDataError> {
        let text = self.plain(field)?;
        let read = if text.starts_with('"') { strings(text)?.into_iter().next() } else { Some(text.as_bytes().to_vec()) };
        read.filter(|string| string.len() <= 255).ok_or_else(|| self.wrong("CharacterStringTooLong (Value is too long)"))
    }

    /// All digits from a field on.
    pub fn hexadecimal(&self, field: usize) -> Result<Vec<u8>, RecordDataError> {
        let bad = || self.wrong("InvalidHexadecimal (Value is not an even number of hexadecimal digits)");
        let digits = self.behind(field).concat();
        if digits.is_empty() || digits.len() % 2 != 0 || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let octets = digits.as_bytes().chunks_exact(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        });
        octets.collect::<Option<_>>().ok_or_else(bad)
    }

    pub fn wrong(&self, problem: &str) -> RecordDataError {
        RecordDataError { problem: problem.to_owned(), given: self.value.to_owned() }
    }
}

fn wrong_count(value: &str, kind: RecordType, count: usize) -> RecordDataError {
    let (kind, number) = (kind.as_str(), NUMBERS.get(count).copied().unwrap_or_default());
    let fields = if count == 1 { "field" } else { "fields" };
    let problem = format!("{kind}RRDATANot{number}Fields ({kind} record doesn't have {count} {fields})");
    RecordDataError { problem, given: value.to_owned() }
}

fn split(value: &str) -> Vec<&str> {
    let (mut fields, mut start) = (Vec::new(), None);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => {
                escaped = true;
                start.get_or_insert(at);
            }
            '"' => {
                quoted = !quoted;
                start.get_or_insert(at);
            }
            ' ' | '\t' if !quoted => fields.extend(start.take().map(|start: usize| &value[start..at])),
            _ => {
                start.get_or_insert(at);
            }
        }
    }
    fields.extend(start.map(|start| &value[start..]));
    fields
}

/// Strings in quotation marks, which spaces part. `\"`, `\\` and `\ooo` stand for one octet.
pub(super) fn strings(value: &str) -> Result<Vec<Vec<u8>>, RecordDataError> {
    let wrong = |problem: &str| RecordDataError { problem: problem.to_owned(), given: value.to_owned() };
    let unquoted = || wrong("InvalidCharacterString (Value should be enclosed in quotation marks)");
    let mut found = Vec::new();
    for field in split(value) {
        let inner = field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).filter(|_| field.len() > 1);
        let (mut string, mut rest) = (Vec::new(), inner.ok_or_else(unquoted)?.as_bytes());
        while let [first, tail @ ..] = rest {
            (string, rest) = match (first, tail) {
                (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                    (pushed(string, (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0')), after)
                }
                (b'\\', [next, after @ ..]) => (pushed(string, *next), after),
                // A quotation mark inside, or a backslash before the one at the end.
                (b'"' | b'\\', _) => return Err(unquoted()),
                (octet, after) => (pushed(string, *octet), after),
            };
        }
        if string.len() > 255 {
            return Err(wrong("CharacterStringTooLong (Value is too long)"));
        }
        found.push(string);
    }
    if found.is_empty() { Err(unquoted()) } else { Ok(found) }
}

fn pushed(mut string: Vec<u8>, octet: u8) -> Vec<u8> {
    string.push(octet);
    string
}
