//! Route 53: hosted zones, their records, health checks and what goes with them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::table::Anchor;
use crate::{AccountId, DomainName, Network, Owner, Region, Tags, UnixMillis, VpcId};

/// A hosted zone. See "Working with hosted zones" in the Route 53 Developer Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedZone {
    /// Its id: a `Z` and twenty letters and digits.
    pub id: String,
    /// Owning account; zones are in no region.
    pub owner: Owner,
    /// Its name.
    pub name: DomainName,
    /// By which its creator knows the call that made it.
    pub caller_reference: String,
    /// The user's text.
    pub comment: Option<String>,
    /// Private zones: the VPCs whose resolvers answer from it. None for a public zone.
    pub vpcs: Option<Vec<ZoneVpc>>,
    /// The VPCs of other accounts that may be associated with it.
    pub authorized: Vec<ZoneVpc>,
    /// The reusable delegation set that it was made with.
    pub delegation_set: Option<String>,
    /// Its four name servers, without the dot at the end.
    pub name_servers: Vec<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl HostedZone {
    /// Whether it answers in VPCs only.
    pub fn is_private(&self) -> bool {
        self.vpcs.is_some()
    }

    /// Whether it is a private zone whose records a VPC sees.
    pub fn is_seen_by(&self, vpc: VpcId) -> bool {
        self.vpcs.iter().flatten().any(|associated| associated.vpc == vpc)
    }
}

/// A VPC as Route 53 names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ZoneVpc {
    /// The VPC.
    pub vpc: VpcId,
    /// Its region.
    pub region: Region,
    /// Its account.
    pub account: AccountId,
}

pub(crate) fn anchors(zone: &HostedZone, visit: &mut dyn FnMut(Anchor)) {
    visit(Anchor::Domain(zone.name.hash64()));
    zone.vpcs.iter().flatten().for_each(|associated| visit(Anchor::Vpc(associated.vpc)));
}

/// What a record set is found by; in the order in which Route 53 lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// The zone's id.
    pub zone: String,
    /// The name with its labels reversed.
    pub name: String,
    /// The type.
    pub kind: RecordType,
    /// The set identifier; empty for a simple record set.
    pub set: String,
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.zone, self.name, self.kind.as_str(), self.set)
    }
}

/// A resource record set: the records of one name and type, or one of several sets among which a routing policy chooses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordSet {
    /// The zone's id.
    pub zone: String,
    /// The zone's owner.
    pub owner: Owner,
    /// The name.
    pub name: DomainName,
    /// The type.
    pub kind: RecordType,
    /// Tells it from the others of its name and type.
    pub set: Option<String>,
    /// How one of several sets is chosen.
    pub routing: Routing,
    /// What it answers with.
    pub answer: RecordAnswer,
    /// The health check that it needs to be chosen.
    pub health_check: Option<String>,
}

impl RecordSet {
    /// What it is found by.
    pub fn key(&self) -> RecordKey {
        RecordKey {
            zone: self.zone.clone(),
            name: self.name.reversed(),
            kind: self.kind,
            set: self.set.clone().unwrap_or_default(),
        }
    }
}

/// What a record set answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordAnswer {
    /// What another name answers with.
    Alias {
        /// The zone of the other name, as AWS numbers it.
        zone: String,
        /// The other name.
        name: DomainName,
        /// Whether the other's health counts.
        evaluate_health: bool,
    },
    /// Records.
    Records {
        /// Seconds that they may be kept.
        ttl: u32,
        /// Their values as they were given.
        values: Vec<String>,
    },
}

/// How one of several record sets of a name and type is chosen. See "Choosing a routing policy".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Routing {
    /// By the block of the asker's address, in a collection.
    Cidr {
        /// The collection's id.
        collection: String,
        /// The location's name.
        location: String,
    },
    /// The primary one, else the secondary one.
    Failover {
        /// Which of them it is.
        primary: bool,
    },
    /// By where the asker is.
    Geolocation {
        /// Two letters.
        continent: Option<String>,
        /// Two letters, or `*` for everywhere else.
        country: Option<String>,
        /// Up to three letters.
        subdivision: Option<String>,
    },
    /// By how far the asker is away.
    Geoproximity {
        /// The region that the records lie in.
        region: Option<String>,
        /// The Local Zone group that they lie in.
        local_zone_group: Option<String>,
        /// Latitude and longitude, as they were given.
        coordinates: Option<(String, String)>,
        /// How much further the region reaches, -99 to 99.
        bias: Option<i32>,
    },
    /// By which region answers the asker fastest.
    Latency {
        /// The region.
        region: String,
    },
    /// Up to eight at once.
    Multivalue,
    /// There is only one.
    Simple,
    /// By chance.
    Weighted {
        /// The share, 0 to 255.
        weight: u8,
    },
}

macro_rules! record_types {
    ($($variant:ident = $text:literal, $code:literal;)*) => {
        /// A type of records that Route 53 has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "the names are those of the types")]
        pub enum RecordType {
            $(#[serde(rename = $text)] $variant,)*
        }

        impl RecordType {
            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The type of that name.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its number in messages.
            pub fn code(self) -> u16 {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// The type of that number.
            pub fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

record_types! {
    A = "A", 1;
    Aaaa = "AAAA", 28;
    Caa = "CAA", 257;
    Cname = "CNAME", 5;
    Ds = "DS", 43;
    Https = "HTTPS", 65;
    Mx = "MX", 15;
    Naptr = "NAPTR", 35;
    Ns = "NS", 2;
    Ptr = "PTR", 12;
    Soa = "SOA", 6;
    Spf = "SPF", 99;
    Srv = "SRV", 33;
    Sshfp = "SSHFP", 44;
    Svcb = "SVCB", 64;
    Tlsa = "TLSA", 52;
    Txt = "TXT", 16;
}

/// A health check of Route 53. Nothing is probed: see [`Self::is_healthy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsHealthCheck {
    /// Its id, a UUID.
    pub id: String,
    /// Owning account; health checks are in no region.
    pub owner: Owner,
    /// By which its creator knows the call that made it.
    pub caller_reference: String,
    /// Counts its changes, from 1.
    pub version: u64,
    /// What was asked for.
    pub config: HealthCheckConfig,
    /// Tags.
    pub tags: Tags,
}

impl DnsHealthCheck {
    /// Whether record sets with it are chosen, given the health of others by their ids: healthy, unless it is inverted or
    /// too few of its children are.
    pub fn is_healthy(&self, child: impl Fn(&str) -> bool) -> bool {
        let config = &self.config;
        let found = match &*config.kind {
            "CALCULATED" if !config.disabled => {
                let healthy = config.children.iter().filter(|id| child(id)).count();
                usize::try_from(config.health_threshold.unwrap_or(0)).is_ok_and(|least| healthy >= least)
            }
            _ => true,
        };
        found != config.inverted
    }
}

/// What a health check of Route 53 is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those of the API")]
pub struct HealthCheckConfig {
    pub kind: String,
    pub ip_address: Option<String>,
    pub port: Option<i32>,
    pub resource_path: Option<String>,
    pub domain: Option<String>,
    pub search_string: Option<String>,
    pub request_interval: Option<i32>,
    pub failure_threshold: Option<i32>,
    pub measure_latency: Option<bool>,
    pub inverted: bool,
    pub disabled: bool,
    pub health_threshold: Option<i32>,
    pub children: Vec<String>,
    pub enable_sni: Option<bool>,
    pub regions: Vec<String>,
    /// The alarm's region and name.
    pub alarm: Option<(String, String)>,
    pub insufficient_data: Option<String>,
    pub routing_control: Option<String>,
}

/// How deep calculated checks may lie in each other.
const DEPTH: usize = 8;

impl Network {
    /// Whether record sets with that health check are chosen. One that isn't there any more keeps nothing from being chosen.
    pub fn is_healthy(&self, health_check: &str) -> bool {
        self.is_healthy_at(health_check, DEPTH)
    }

    fn is_healthy_at(&self, id: &str, depth: usize) -> bool {
        let Some(below) = depth.checked_sub(1) else { return true };
        self.dns_health_checks.get(id).is_none_or(|check| check.is_healthy(|child| self.is_healthy_at(child, below)))
    }
}

/// A reusable delegation set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationSet {
    /// Its id: an `N` and twenty letters and digits.
    pub id: String,
    /// Owning account; delegation sets are in no region.
    pub owner: Owner,
    /// By which its creator knows the call that made it.
    pub caller_reference: String,
    /// The four name servers, without the dot at the end.
    pub name_servers: Vec<String>,
}

/// A change that was asked for: in force at once, remembered for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsChange {
    /// Its id: a `C` and twenty letters and digits.
    pub id: String,
    /// Owning account.
    pub owner: Owner,
    /// When it was asked for.
    pub submitted_at: UnixMillis,
    /// The user's text.
    pub comment: Option<String>,
}

/// That the questions to a public zone are to be logged; kept for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLoggingConfig {
    /// Its id, a UUID.
    pub id: String,
    /// Owning account.
    pub owner: Owner,
    /// The zone's id.
    pub zone: String,
    /// The log group's ARN.
    pub log_group: String,
}
