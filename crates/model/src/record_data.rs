//! The values of DNS records: from the text that Route 53 takes to the octets of a message.
//! See "Supported DNS record types" in the Route 53 Developer Guide.

mod service;
mod text;

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{DomainName, RecordType};

use service::parameters;
use text::{Fields, strings};

/// One record's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// The address of an A record.
    V4(Ipv4Addr),
    /// The address of an AAAA record.
    V6(Ipv6Addr),
    /// The name of a CNAME, NS or PTR record.
    Name(DomainName),
    /// What a record of another type holds, octet by octet. None of these types has its names compressed.
    Octets(Vec<u8>),
}

/// Why a value isn't one of its type. The words are Route 53's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FATAL problem: {problem} encountered with '{given}'")]
pub struct RecordDataError {
    /// What is wrong.
    pub problem: String,
    /// With what.
    pub given: String,
}

impl RecordData {
    /// Reads a value of that type.
    ///
    /// # Errors
    /// When it isn't one.
    pub fn parse(kind: RecordType, value: &str) -> Result<Self, RecordDataError> {
        let wrong = |problem: &str| RecordDataError { problem: problem.to_owned(), given: value.to_owned() };
        let trimmed = value.trim();
        match kind {
            RecordType::A => {
                let address = trimmed.parse().map_err(|_| wrong("ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"));
                return address.map(Self::V4);
            }
            RecordType::Aaaa => {
                let illegal = "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)";
                return trimmed.parse().map(Self::V6).map_err(|_| wrong(illegal));
            }
            RecordType::Cname | RecordType::Ns | RecordType::Ptr => return Ok(Self::Name(Fields::new(value, kind, 1)?.name(0)?)),
            _ => {}
        }
        let mut octets = Vec::new();
        match kind {
            RecordType::Txt | RecordType::Spf => {
                for string in strings(value)? {
                    push_string(&mut octets, &string);
                }
            }
            RecordType::Mx => {
                let fields = Fields::new(value, kind, 2)?;
                octets.extend(fields.number::<u16>(0)?.to_be_bytes());
                push_name(&mut octets, &fields.name(1)?);
            }
            RecordType::Srv => {
                let fields = Fields::new(value, kind, 4)?;
                for field in 0..3 {
                    octets.extend(fields.number::<u16>(field)?.to_be_bytes());
                }
                push_name(&mut octets, &fields.name(3)?);
            }
            RecordType::Soa => {
                let fields = Fields::new(value, kind, 7)?;
                push_name(&mut octets, &fields.name(0)?);
                push_name(&mut octets, &fields.name(1)?);
                for field in 2..7 {
                    octets.extend(fields.number::<u32>(field)?.to_be_bytes());
                }
            }
            RecordType::Caa => {
                let fields = Fields::new(value, kind, 3)?;
                octets.push(fields.number::<u8>(0)?);
                let tag = fields.plain(1)?;
                if tag.is_empty() || tag.len() > 15 || !tag.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
                    return Err(wrong("CAARRDATAIllegalTag (The tag of a CAA record consists of 1 to 15 letters and digits)"));
                }
                push_string(&mut octets, tag.to_ascii_lowercase().as_bytes());
                octets.extend(fields.string(2)?);
            }
            RecordType::Naptr => {
                let fields = Fields::new(value, kind, 6)?;
                octets.extend(fields.number::<u16>(0)?.to_be_bytes());
                octets.extend(fields.number::<u16>(1)?.to_be_bytes());
                for field in 2..5 {
                    push_string(&mut octets, &fields.string(field)?);
                }
                push_name(&mut octets, &fields.name(5)?);
            }
            RecordType::Ds => {
                let fields = Fields::new(value, kind, 4)?;
                octets.extend(fields.number::<u16>(0)?.to_be_bytes());
                octets.extend([fields.number::<u8>(1)?, fields.number::<u8>(2)?]);
                octets.extend(fields.hexadecimal(3)?);
            }
            RecordType::Tlsa => {
                let fields = Fields::new(value, kind, 4)?;
                octets.extend([fields.number::<u8>(0)?, fields.number::<u8>(1)?, fields.number::<u8>(2)?]);
                octets.extend(fields.hexadecimal(3)?);
            }
            RecordType::Sshfp => {
                let fields = Fields::new(value, kind, 3)?;
                octets.extend([fields.number::<u8>(0)?, fields.number::<u8>(1)?]);
                octets.extend(fields.hexadecimal(2)?);
            }
            RecordType::Svcb | RecordType::Https => {
                let fields = Fields::at_least(value, kind, 2)?;
                octets.extend(fields.number::<u16>(0)?.to_be_bytes());
                push_name(&mut octets, &fields.name(1)?);
                octets.extend(parameters(&fields)?);
            }
            RecordType::A | RecordType::Aaaa | RecordType::Cname | RecordType::Ns | RecordType::Ptr => {}
        }
        Ok(Self::Octets(octets))
    }

    /// The value as a message has it, without compression.
    pub fn octets(&self) -> Vec<u8> {
        match self {
            Self::V4(address) => address.octets().to_vec(),
            Self::V6(address) => address.octets().to_vec(),
            Self::Name(name) => {
                let mut octets = Vec::new();
                push_name(&mut octets, name);
                octets
            }
            Self::Octets(octets) => octets.clone(),
        }
    }
}

fn push_name(octets: &mut Vec<u8>, name: &DomainName) {
    name.labels().for_each(|label| push_string(octets, &label));
    octets.push(0);
}

/// A length and as many octets: both labels and strings are so short that the length fits.
fn push_string(octets: &mut Vec<u8>, string: &[u8]) {
    let length = u8::try_from(string.len()).unwrap_or(u8::MAX);
    octets.push(length);
    octets.extend(&string[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn octets(kind: &str, value: &str) -> Vec<u8> {
        RecordData::parse(RecordType::parse(kind).unwrap(), value).unwrap().octets()
    }

    fn error(kind: &str, value: &str) -> String {
        RecordData::parse(RecordType::parse(kind).unwrap(), value).unwrap_err().to_string()
    }

    #[test]
    fn values_of_every_type_become_octets() {
        assert_eq!(octets("A", "192.0.2.1"), [192, 0, 2, 1]);
        assert_eq!(octets("AAAA", "2001:db8::1")[..4], [0x20, 1, 0xd, 0xb8]);
        assert_eq!(octets("CNAME", "A.example"), b"\x01a\x07example\x00");
        assert_eq!(octets("MX", "10 mail.example."), b"\x00\x0a\x04mail\x07example\x00");
        assert_eq!(octets("SRV", "1 2 443 a."), b"\x00\x01\x00\x02\x01\xbb\x01a\x00");
        assert_eq!(octets("TXT", "\"a b\" \"c\\\"d\\101\""), b"\x03a b\x04c\"dA");
        assert_eq!(octets("CAA", "0 issue \"ca.example\""), b"\x00\x05issueca.example");
        assert_eq!(
            octets("NAPTR", "100 50 \"u\" \"sip+E2U\" \"!^.*$!a!\" ."),
            b"\x00\x64\x00\x32\x01u\x07sip+E2U\x08!^.*$!a!\x00"
        );
        assert_eq!(octets("DS", "12345 3 1 0aFF"), b"\x30\x39\x03\x01\x0a\xff");
        assert_eq!(octets("TLSA", "3 1 1 0aFF"), b"\x03\x01\x01\x0a\xff");
        assert_eq!(octets("SSHFP", "1 2 0a FF"), b"\x01\x02\x0a\xff");
        assert_eq!(octets("SOA", "a. b. 1 7200 900 1209600 86400").len(), 3 + 3 + 20);
        let https = octets("HTTPS", "1 . alpn=\"h2,h3\" port=443 ipv4hint=192.0.2.1");
        assert_eq!(https, b"\x00\x01\x00\x00\x01\x00\x06\x02h2\x02h3\x00\x03\x00\x02\x01\xbb\x00\x04\x00\x04\xc0\x00\x02\x01");
    }

    #[test]
    fn what_is_wrong_is_said_in_route_53_s_words() {
        for (kind, value, message) in [
            ("A", "x", "FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'x'"),
            (
                "AAAA",
                "1.2.3.4",
                "FATAL problem: AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address) encountered with '1.2.3.4'",
            ),
            (
                "TXT",
                "x",
                "FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'x'",
            ),
            ("MX", "mail", "FATAL problem: MXRRDATANotTwoFields (MX record doesn't have 2 fields) encountered with 'mail'"),
            ("SRV", "1 2", "FATAL problem: SRVRRDATANotFourFields (SRV record doesn't have 4 fields) encountered with '1 2'"),
            ("CNAME", "a..b", "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..b'"),
        ] {
            assert_eq!(error(kind, value), message);
        }
        let long = format!("\"{}\"", "x".repeat(256));
        assert!(error("TXT", &long).starts_with("FATAL problem: CharacterStringTooLong (Value is too long)"));
        for (kind, value) in
            [("CAA", "256 issue \"a\""), ("DS", "1 1 1 0"), ("HTTPS", "1 . port=x"), ("SOA", "a b 1"), ("MX", "70000 a")]
        {
            error(kind, value);
        }
    }

    proptest! {
        #[test]
        fn no_value_makes_the_parser_panic(code in 0..300_u16, value in "([0-9]{1,3} ){0,4}[ -~é]{0,40}") {
            if let Some(kind) = RecordType::from_code(code) {
                let _ = RecordData::parse(kind, &value).map(|data| data.octets());
            }
        }
    }
}
