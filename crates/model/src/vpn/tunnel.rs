//! One tunnel of a VPN connection: all that an IKE daemon has to know.
//!
//! An option holds what the user set and nothing else, because AWS shows only that; the methods of [`TunnelOptions`] give
//! what is in force. See "Tunnel options for your AWS Site-to-Site VPN connection" in the Site-to-Site VPN User Guide.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::UnixMillis;
use crate::secret::Secret;

/// Declares an enum of AWS's words, with their spelling on the wire and in the store.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $text)] $word,)*
        }

        impl $name {
            /// All of them, in AWS's order.
            pub const ALL: &'static [Self] = &[$(Self::$word,)*];

            /// AWS's spelling.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    format!("{text} is not one of {}", known.join(" | "))
                })
            }
        }
    };
}
pub(crate) use words;

/// One tunnel of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpnTunnel {
    /// The address of Amazon's end.
    pub outside_address: IpAddr,
    /// The link inside: Amazon has its first address, the customer the second.
    pub inside_ipv4: Ipv4Net,
    /// The link inside for IPv6.
    pub inside_ipv6: Option<Ipv6Net>,
    /// The secret of both ends; none when the customer gateway has a certificate.
    pub pre_shared_key: Option<PreSharedKey>,
    /// What the user set.
    pub options: TunnelOptions,
    /// When the tunnel's state last changed.
    pub status_changed_at: UnixMillis,
    /// When its endpoint was replaced last.
    pub replaced_at: Option<UnixMillis>,
}

impl VpnTunnel {
    /// Amazon's and the customer's address inside the tunnel.
    pub fn inside_ipv4_addresses(&self) -> (Ipv4Addr, Ipv4Addr) {
        let network = u32::from(self.inside_ipv4.network());
        (Ipv4Addr::from(network + 1), Ipv4Addr::from(network + 2))
    }

    /// Amazon's and the customer's IPv6 address inside the tunnel.
    pub fn inside_ipv6_addresses(&self) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let network = u128::from(self.inside_ipv6?.network());
        Some((Ipv6Addr::from(network + 1), Ipv6Addr::from(network + 2)))
    }
}

/// What a user set for a tunnel; a member that is none or empty is left to AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelOptions {
    /// IKE versions that may be negotiated.
    pub ike_versions: BTreeSet<IkeVersion>,
    /// The IKE security association.
    pub phase1: Phase,
    /// The IPsec security associations.
    pub phase2: Phase,
    /// How many seconds before phase 2 ends it is renewed.
    pub rekey_margin: Option<u32>,
    /// By how many percent of the margin that moment is drawn at random.
    pub rekey_fuzz: Option<u32>,
    /// How many packets the replay window holds.
    pub replay_window: Option<u32>,
    /// After how many seconds of silence the peer is taken for dead.
    pub dpd_timeout: Option<u32>,
    /// What happens then.
    pub dpd_action: Option<DpdAction>,
    /// Which side begins.
    pub startup_action: Option<StartupAction>,
    /// Whether and how the tunnel is logged.
    pub log: Option<TunnelLog>,
    /// Whether the user says when the endpoint is replaced.
    pub lifecycle_control: bool,
}

impl TunnelOptions {
    /// IKE versions in force.
    pub fn ike_versions(&self) -> BTreeSet<IkeVersion> {
        or_all(&self.ike_versions, IkeVersion::ALL)
    }

    /// Encryption algorithms of phase 1 in force.
    pub fn phase1_encryption(&self) -> BTreeSet<Encryption> {
        or_all(&self.phase1.encryption, Encryption::ALL)
    }

    /// Encryption algorithms of phase 2 in force.
    pub fn phase2_encryption(&self) -> BTreeSet<Encryption> {
        or_all(&self.phase2.encryption, Encryption::ALL)
    }

    /// Integrity algorithms of phase 1 in force.
    pub fn phase1_integrity(&self) -> BTreeSet<Integrity> {
        or_all(&self.phase1.integrity, Integrity::ALL)
    }

    /// Integrity algorithms of phase 2 in force.
    pub fn phase2_integrity(&self) -> BTreeSet<Integrity> {
        or_all(&self.phase2.integrity, Integrity::ALL)
    }

    /// Diffie-Hellman groups of phase 1 in force.
    pub fn phase1_dh_groups(&self) -> BTreeSet<u8> {
        or_all(&self.phase1.dh_groups, PHASE1_DH_GROUPS)
    }

    /// Diffie-Hellman groups of phase 2 (perfect forward secrecy) in force.
    pub fn phase2_dh_groups(&self) -> BTreeSet<u8> {
        or_all(&self.phase2.dh_groups, PHASE2_DH_GROUPS)
    }

    /// Seconds that phase 1 lasts.
    pub fn phase1_lifetime(&self) -> u32 {
        self.phase1.lifetime.unwrap_or(28_800)
    }

    /// Seconds that phase 2 lasts.
    pub fn phase2_lifetime(&self) -> u32 {
        self.phase2.lifetime.unwrap_or(3_600)
    }

    /// Seconds before the end of phase 2 at which it is renewed.
    pub fn rekey_margin(&self) -> u32 {
        self.rekey_margin.unwrap_or(270)
    }

    /// The margin's random part in percent.
    pub fn rekey_fuzz(&self) -> u32 {
        self.rekey_fuzz.unwrap_or(100)
    }

    /// Packets in the replay window.
    pub fn replay_window(&self) -> u32 {
        self.replay_window.unwrap_or(1024)
    }

    /// Seconds of silence after which the peer is taken for dead.
    pub fn dpd_timeout(&self) -> u32 {
        self.dpd_timeout.unwrap_or(30)
    }

    /// What happens to a dead peer's associations.
    pub fn dpd_action(&self) -> DpdAction {
        self.dpd_action.unwrap_or(DpdAction::Clear)
    }

    /// Which side begins.
    pub fn startup_action(&self) -> StartupAction {
        self.startup_action.unwrap_or(StartupAction::Add)
    }
}

/// What may be negotiated in one phase of IKE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Encryption algorithms.
    pub encryption: BTreeSet<Encryption>,
    /// Integrity algorithms.
    pub integrity: BTreeSet<Integrity>,
    /// Diffie-Hellman groups.
    pub dh_groups: BTreeSet<u8>,
    /// Seconds that the phase lasts.
    pub lifetime: Option<u32>,
}

/// The Diffie-Hellman groups of phase 1.
pub const PHASE1_DH_GROUPS: &[u8] = &[2, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 35];

/// The Diffie-Hellman groups of phase 2.
pub const PHASE2_DH_GROUPS: &[u8] = &[2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 35, 36, 37];

words! {
    /// A version of IKE.
    IkeVersion {
        /// RFC 2409.
        V1 = "ikev1",
        /// RFC 7296.
        V2 = "ikev2",
    }
}

words! {
    /// An encryption algorithm.
    Encryption {
        /// AES-CBC of 128 bits.
        Aes128 = "AES128",
        /// AES-CBC of 256 bits.
        Aes256 = "AES256",
        /// AES-GCM of 128 bits with a tag of 16 octets.
        Aes128Gcm16 = "AES128-GCM-16",
        /// AES-GCM of 256 bits with a tag of 16 octets.
        Aes256Gcm16 = "AES256-GCM-16",
    }
}

words! {
    /// An integrity algorithm.
    Integrity {
        /// SHA-1.
        Sha1 = "SHA1",
        /// SHA-256.
        Sha2_256 = "SHA2-256",
        /// SHA-384.
        Sha2_384 = "SHA2-384",
        /// SHA-512.
        Sha2_512 = "SHA2-512",
    }
}

words! {
    /// What happens when the peer is taken for dead.
    DpdAction {
        /// The associations are removed.
        Clear = "clear",
        /// Nothing.
        None = "none",
        /// The associations are set up anew.
        Restart = "restart",
    }
}

words! {
    /// Which side begins.
    StartupAction {
        /// The customer.
        Add = "add",
        /// Amazon.
        Start = "start",
    }
}

words! {
    /// How log records are written.
    LogFormat {
        /// As JSON.
        Json = "json",
        /// As text.
        Text = "text",
    }
}

/// Whether and how a tunnel is logged: IKE and BGP apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelLog {
    /// What IKE does.
    pub ike: LogStream,
    /// What BGP does.
    pub bgp: LogStream,
}

/// One log of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStream {
    /// Whether it is written.
    pub enabled: bool,
    /// The ARN of the CloudWatch log group.
    pub group: Option<String>,
    /// How records are written; none for JSON.
    pub format: Option<LogFormat>,
}

/// A pre-shared key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PreSharedKey(Secret);

impl PreSharedKey {
    /// A key of 32 characters made of 192 of those bits.
    pub fn from_random(bits: [u64; 4]) -> Self {
        let drawn = Secret::drawn(&bits);
        match drawn.reveal().strip_prefix('0') {
            Some(rest) => Self(Secret::new(format!("o{rest}"))),
            None => Self(drawn),
        }
    }

    /// The key itself. It must not be logged.
    pub fn secret(&self) -> &str {
        self.0.reveal()
    }
}

impl FromStr for PreSharedKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'_';
        if !(8..=64).contains(&text.len()) || !text.bytes().all(allowed) || text.starts_with('0') {
            return Err("a pre-shared key has 8 to 64 letters, digits, periods and underscores and doesn't begin with 0");
        }
        Ok(Self(Secret::new(text)))
    }
}

fn or_all<T: Copy + Ord>(given: &BTreeSet<T>, all: &[T]) -> BTreeSet<T> {
    if given.is_empty() { all.iter().copied().collect() } else { given.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_is_never_in_debug_output() {
        let key: PreSharedKey = "secret_of_two".parse().unwrap();
        assert!(!format!("{key:?}").contains("secret"));
        assert_eq!(key.secret(), "secret_of_two");
    }

    #[test]
    fn keys_have_the_form_that_aws_asks_for() {
        for good in ["12345678", "a.b_c.d_e", &"x".repeat(64)] {
            assert!(good.parse::<PreSharedKey>().is_ok(), "{good}");
        }
        for bad in ["1234567", "0abcdefgh", "with space", "dash-dash-dash", &"x".repeat(65), ""] {
            assert!(bad.parse::<PreSharedKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_drawn_key_is_a_valid_one_of_32_characters() {
        for seed in [0, 52, u64::MAX, 0x0123_4567_89ab_cdef] {
            let key = PreSharedKey::from_random([seed, seed ^ 1, seed ^ 2, seed ^ 3]);
            assert_eq!(key.secret().len(), 32);
            assert!(key.secret().parse::<PreSharedKey>().is_ok(), "{}", key.secret());
        }
    }
}
