//! What the rules of security groups and network ACLs share: protocols and ports.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An IP protocol as rules name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// `-1`: every protocol.
    All,
    /// An IANA protocol number.
    Number(u8),
}

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self::Number(1);
    /// TCP.
    pub const TCP: Self = Self::Number(6);
    /// UDP.
    pub const UDP: Self = Self::Number(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self::Number(58);

    /// Reads `-1`, `all`, a number or one of the names `tcp`, `udp`, `icmp`, `icmpv6`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "-1" | "all" => Some(Self::All),
            "icmp" => Some(Self::ICMP),
            "tcp" => Some(Self::TCP),
            "udp" => Some(Self::UDP),
            "icmpv6" => Some(Self::ICMPV6),
            number => number.parse().ok().map(Self::Number),
        }
    }

    /// Whether rules may restrict ports for it: TCP and UDP.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP)
    }

    /// Whether rules may restrict type and code for it.
    pub fn is_icmp(self) -> bool {
        matches!(self, Self::ICMP | Self::ICMPV6)
    }
}

/// The form that security groups use: a name where there is one, else the number, `-1` for all.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::All => f.write_str("-1"),
            Self::ICMP => f.write_str("icmp"),
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::ICMPV6 => f.write_str("icmpv6"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// First port.
    pub from: u16,
    /// Last port, not less than the first.
    pub to: u16,
}

/// ICMP type and code; none stands for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IcmpMatch {
    /// The message type; when none, the code is none as well.
    pub kind: Option<u8>,
    /// The code.
    pub code: Option<u8>,
}

/// What a rule says beyond its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RulePorts {
    /// Everything of the protocol.
    All,
    /// TCP or UDP destination ports.
    Range(PortRange),
    /// ICMP or ICMPv6 messages.
    Icmp(IcmpMatch),
}
