//! Managed prefix lists: named sets of blocks that rules and routes refer to.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Network, Owner, PrefixListId, Region, Tags};

/// A prefix list of a customer. See "Customer-managed prefix lists" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    /// The list's id.
    pub id: PrefixListId,
    /// Owning account and region.
    pub owner: Owner,
    /// The user's name for it; several lists may have the same.
    pub name: String,
    /// Which addresses its entries are of.
    pub family: AddressFamily,
    /// How many entries it may have, and as how many rules or routes a reference to it counts.
    pub max_entries: usize,
    /// The number of the current version, from 1.
    pub version: u64,
    /// The current version's entries, in the order they were added; no block twice.
    pub entries: Vec<PrefixListEntry>,
    /// How its last change ended.
    pub state: PrefixListState,
    /// Tags.
    pub tags: Tags,
}

/// One block of a prefix list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixListEntry {
    /// The block, without host bits.
    pub cidr: IpNet,
    /// The user's text; empty when none was given.
    pub description: String,
}

/// What a list held in one of its versions. A version never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixListVersion {
    /// The list, and the version's number.
    pub key: (PrefixListId, u64),
    /// Owning account and region.
    pub owner: Owner,
    /// The entries.
    pub entries: Vec<PrefixListEntry>,
}

/// `IPv4` or `IPv6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl AddressFamily {
    /// The family of a block.
    pub fn of(block: IpNet) -> Self {
        match block {
            IpNet::V4(_) => Self::Ipv4,
            IpNet::V6(_) => Self::Ipv6,
        }
    }

    /// `IPv4` or `IPv6`, as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the last change of a list ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrefixListState {
    /// It was made and never changed.
    CreateComplete,
    /// It was changed.
    ModifyComplete,
    /// It could not be resized, because of the resources that the text names.
    ModifyFailed(String),
    /// An earlier version was restored.
    RestoreComplete,
}

impl PrefixListState {
    /// The state as the API spells it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::CreateComplete => "create-complete",
            Self::ModifyComplete => "modify-complete",
            Self::ModifyFailed(_) => "modify-failed",
            Self::RestoreComplete => "restore-complete",
        }
    }
}

/// A prefix list that AWS keeps. See "AWS-managed prefix lists" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsPrefixList {
    /// The list's id: another one in every region, the same in every run.
    pub id: PrefixListId,
    /// `com.amazonaws.REGION.SERVICE`.
    pub name: String,
    /// Which addresses its entries are of.
    pub family: AddressFamily,
    /// As how many rules or routes a reference to it counts.
    pub weight: usize,
    /// Its entry. The services of the lab internet have one block of each family at most.
    pub block: IpNet,
}

impl AwsPrefixList {
    /// The lists of a region, by name.
    pub fn all(region: &Region) -> Vec<Self> {
        AWS_LISTS.iter().map(|row| Self::new(region, row)).collect()
    }

    /// The list of a region with that id.
    pub fn find(region: &Region, id: PrefixListId) -> Option<Self> {
        AWS_LISTS.iter().find(|row| row.id(region) == id).map(|row| Self::new(region, row))
    }

    /// The list of a service in a region: `s3`, `ipv6.dynamodb` and so on.
    pub fn of_service(region: &Region, service: &str) -> Option<Self> {
        AWS_LISTS.iter().find(|row| row.service == service).map(|row| Self::new(region, row))
    }

    fn new(region: &Region, row: &AwsList) -> Self {
        // The table below holds blocks only, which the tests parse one by one.
        let block = row.block.parse().unwrap_or_default();
        Self { id: row.id(region), name: row.name(region), family: AddressFamily::of(block), weight: row.weight, block }
    }
}

/// What a rule or a route needs to know of a list.
impl Network {
    /// The blocks of a list as they are now; none when there is no such list. `region` is that of the rule or route, whose
    /// AWS-managed lists are seen.
    pub fn prefix_list_blocks(&self, region: &Region, id: PrefixListId) -> Vec<IpNet> {
        match self.prefix_lists.get(&id) {
            Some(list) => list.entries.iter().map(|entry| entry.cidr).collect(),
            None => AwsPrefixList::find(region, id).map(|list| list.block).into_iter().collect(),
        }
    }

    /// As how many rules or routes a reference to a list counts, and in which family.
    pub fn prefix_list_weight(&self, region: &Region, id: PrefixListId) -> Option<(usize, AddressFamily)> {
        match self.prefix_lists.get(&id) {
            Some(list) => Some((list.max_entries, list.family)),
            None => AwsPrefixList::find(region, id).map(|list| (list.weight, list.family)),
        }
    }
}

/// A row of [`AWS_LISTS`].
struct AwsList {
    service: &'static str,
    /// Whether the name has `global` in the place of the region.
    global: bool,
    weight: usize,
    block: &'static str,
}

impl AwsList {
    const fn regional(service: &'static str, weight: usize, block: &'static str) -> Self {
        Self { service, global: false, weight, block }
    }

    const fn global(service: &'static str, weight: usize, block: &'static str) -> Self {
        Self { service, global: true, weight, block }
    }

    fn name(&self, region: &Region) -> String {
        let place = if self.global { "global" } else { region.as_str() };
        format!("com.amazonaws.{place}.{}", self.service)
    }

    fn id(&self, region: &Region) -> PrefixListId {
        // Ids of global lists differ between regions as well.
        let text = if self.global { format!("{region}/{}", self.name(region)) } else { self.name(region) };
        crate::Id::from_random(fnv(&text))
    }
}

/// Names and weights are AWS's. The addresses are of the documentation ranges that the lab internet keeps for services,
/// but for VPC Lattice, whose link-local ranges are the same everywhere.
const AWS_LISTS: &[AwsList] = &[
    AwsList::global("cloudfront.origin-facing", 55, "192.0.2.160/27"),
    AwsList::global("groundstation", 5, "192.0.2.192/28"),
    AwsList::global("ipv6.cloudfront.origin-facing", 55, "2001:db8:ffff:a010::/64"),
    AwsList::regional("dynamodb", 1, "192.0.2.64/26"),
    AwsList::regional("ec2-instance-connect", 2, "192.0.2.128/29"),
    AwsList::regional("ipv6.dynamodb", 1, "2001:db8:ffff:a002::/64"),
    AwsList::regional("ipv6.ec2-instance-connect", 2, "2001:db8:ffff:a003::/64"),
    AwsList::regional("ipv6.route53-healthchecks", 25, "2001:db8:ffff:a004::/64"),
    AwsList::regional("ipv6.s3", 1, "2001:db8:ffff:a001::/64"),
    AwsList::regional("ipv6.vpc-lattice", 10, "fd00:ec2:80::/64"),
    AwsList::regional("route53-healthchecks", 25, "192.0.2.136/29"),
    AwsList::regional("s3", 1, "192.0.2.0/26"),
    AwsList::regional("s3express", 6, "192.0.2.144/28"),
    AwsList::regional("vpc-lattice", 10, "169.254.171.0/24"),
];

/// FNV-1a: a hash that is the same in every version and on every machine, which the standard library's isn't.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn aws_lists_have_blocks_of_their_own() {
        let blocks: Vec<IpNet> = AWS_LISTS.iter().map(|row| row.block.parse().unwrap()).collect();
        for (at, block) in blocks.iter().enumerate() {
            assert_eq!(*block, block.trunc());
            assert!(blocks[at + 1..].iter().all(|other| !other.contains(block) && !block.contains(other)), "{block}");
        }
    }

    #[test]
    fn aws_lists_are_found_by_id_in_their_region_only() {
        let (here, there): (Region, Region) = ("eu-central-1".parse().unwrap(), "us-east-1".parse().unwrap());
        let lists = AwsPrefixList::all(&here);
        let ids: BTreeSet<_> = lists.iter().chain(&AwsPrefixList::all(&there)).map(|list| list.id).collect();
        assert_eq!(ids.len(), 2 * lists.len());
        let s3 = AwsPrefixList::of_service(&here, "s3").unwrap();
        assert_eq!((&*s3.name, s3.weight), ("com.amazonaws.eu-central-1.s3", 1));
        assert_eq!(AwsPrefixList::find(&here, s3.id), Some(s3.clone()));
        assert_eq!(AwsPrefixList::find(&there, s3.id), None);
        assert!(lists.iter().all(|list| (list.family == AddressFamily::Ipv6) == list.name.contains("ipv6")));
    }
}
