//! Parameters of SVCB and HTTPS records (RFC 9460).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::RecordDataError;
use super::text::{Fields, strings};

/// The parameters behind priority and target, in the order of their numbers.
pub(super) fn parameters(fields: &Fields<'_>) -> Result<Vec<u8>, RecordDataError> {
    let bad = |field: &str| fields.wrong(&format!("InvalidServiceParameter (The parameter {field} is not valid)"));
    let mut known = BTreeMap::new();
    for field in fields.behind(2) {
        let (key, given) = field.split_once('=').unwrap_or((field, ""));
        let unquoted = if given.starts_with('"') {
            let string = strings(given)?.into_iter().next().unwrap_or_default();
            String::from_utf8(string).map_err(|_| bad(field))?
        } else {
            given.to_owned()
        };
        let number = number(key).ok_or_else(|| bad(field))?;
        let octets = value(number, &unquoted).ok_or_else(|| bad(field))?;
        let length = u16::try_from(octets.len()).map_err(|_| bad(field))?;
        if known.insert(number, (length, octets)).is_some() {
            return Err(bad(field));
        }
    }
    let mut out = Vec::new();
    for (number, (length, octets)) in known {
        out.extend(number.to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(octets);
    }
    Ok(out)
}

fn number(key: &str) -> Option<u16> {
    let names = ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint"];
    match names.iter().position(|name| *name == key) {
        Some(position) => u16::try_from(position).ok(),
        None => key.strip_prefix("key")?.parse().ok(),
    }
}

fn value(number: u16, text: &str) -> Option<Vec<u8>> {
    let parts = || text.split(',');
    match number {
        0 => parts().map(|key| Some(self::number(key)?.to_be_bytes())).collect::<Option<Vec<_>>>().map(|keys| keys.concat()),
        1 => {
            let mut octets = Vec::new();
            for protocol in parts() {
                octets.push(u8::try_from(protocol.len()).ok().filter(|length| *length > 0)?);
                octets.extend(protocol.as_bytes());
            }
            Some(octets)
        }
        2 => text.is_empty().then(Vec::new),
        3 => Some(text.parse::<u16>().ok()?.to_be_bytes().to_vec()),
        4 => {
            parts().map(|hint| Some(hint.parse::<Ipv4Addr>().ok()?.octets())).collect::<Option<Vec<_>>>().map(|all| all.concat())
        }
        6 => {
            parts().map(|hint| Some(hint.parse::<Ipv6Addr>().ok()?.octets())).collect::<Option<Vec<_>>>().map(|all| all.concat())
        }
        _ => Some(text.as_bytes().to_vec()),
    }
}
