//! Ids of Direct Connect: eight digits behind a prefix, or UUIDs.

use std::fmt;
use std::str::FromStr;

/// A text that isn't an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a valid id")]
pub struct Malformed(pub String);

macro_rules! text_of {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! short_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// Makes an id of the lower half of those bits.
            pub fn from_random(bits: u64) -> Self {
                Self(bits as u32)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}-{:08x}", $prefix, self.0)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let digits = text.strip_prefix(concat!($prefix, "-")).filter(|digits| is_hex(digits, 8));
                let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                value.map(Self).ok_or_else(|| Malformed(text.to_owned()))
            }
        }

        text_of!($name);
    )*};
}

macro_rules! uuids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Makes a random UUID (RFC 9562, version 4).
            pub fn from_random(bits: [u64; 2]) -> Self {
                let bits = u128::from(bits[0]) << 64 | u128::from(bits[1]);
                Self(bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let part = |shift: u32, bits: u32| self.0 >> shift & ((1 << bits) - 1);
                write!(f, "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48))
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let parts: Vec<&str> = text.split('-').collect();
                let well_formed = parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, length)| is_hex(part, length));
                let value = well_formed.then(|| u128::from_str_radix(&parts.concat(), 16).ok()).flatten();
                value.map(Self).ok_or_else(|| Malformed(text.to_owned()))
            }
        }

        text_of!($name);
    )*};
}

short_ids! {
    /// A connection.
    DirectConnectConnectionId = "dxcon";
    /// A link aggregation group.
    LagId = "dxlag";
    /// A virtual interface.
    VirtualInterfaceId = "dxvif";
    /// A BGP session.
    BgpPeerId = "dxpeer";
}

uuids! {
    /// A Direct Connect gateway.
    DirectConnectGatewayId;
    /// The association of a Direct Connect gateway with a gateway of a region.
    DirectConnectAssociationId;
    /// A proposal of such an association.
    DirectConnectProposalId;
    /// A failover test.
    FailoverTestId;
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let connection = DirectConnectConnectionId::from_random(0xfeed_0000_0123);
        assert_eq!(connection.to_string(), "dxcon-00000123");
        assert_eq!("dxcon-00000123".parse(), Ok(connection));
        let gateway = DirectConnectGatewayId::from_random([u64::MAX, 1]);
        assert_eq!(gateway.to_string(), "ffffffff-ffff-4fff-8000-000000000001");
        assert_eq!(gateway.to_string().parse(), Ok(gateway));
    }

    #[test]
    fn other_texts_are_malformed() {
        for text in ["dxcon-123", "dxlag-00000123", "dxcon-0000012G", "", "dxcon-+0000123"] {
            assert!(text.parse::<DirectConnectConnectionId>().is_err(), "{text}");
        }
        for text in ["ffffffff-ffff-4fff-8000", "ffffffffffff4fff8000000000000001", "gfffffff-ffff-4fff-8000-000000000001"] {
            assert!(text.parse::<DirectConnectGatewayId>().is_err(), "{text}");
        }
    }
}
