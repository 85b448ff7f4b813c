//! Security groups.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::nacl::Direction;
use crate::{AccountId, Owner, PrefixListId, Protocol, RulePorts, SecurityGroupId, SecurityGroupRuleId, Tags, VpcId};

/// A stateful firewall around network interfaces; its rules only allow. See "Security groups" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// The group's id.
    pub id: SecurityGroupId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC it was made in.
    pub vpc: VpcId,
    /// Other VPCs whose interfaces may carry it, in the order in which it was associated with them.
    #[serde(default)]
    pub associated_vpcs: Vec<VpcId>,
    /// Unique in the VPC without regard to case.
    pub name: String,
    /// The user's text.
    pub description: String,
    /// Rules of both directions, in the order they were added.
    pub rules: Vec<SecurityGroupRule>,
    /// Tags.
    pub tags: Tags,
}

impl SecurityGroup {
    /// The VPCs whose interfaces may carry the group, its own first.
    pub fn vpcs(&self) -> impl Iterator<Item = VpcId> + '_ {
        [self.vpc].into_iter().chain(self.associated_vpcs.iter().copied())
    }

    /// Whether interfaces of a VPC may carry the group.
    pub fn is_in(&self, vpc: VpcId) -> bool {
        self.vpcs().any(|own| own == vpc)
    }
}

/// One rule: one protocol and range, one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// The rule's id.
    pub id: SecurityGroupRuleId,
    /// Which packets it looks at.
    pub direction: Direction,
    /// Which protocol it allows.
    pub protocol: Protocol,
    /// Which ports, or ICMP types, it allows.
    pub ports: RulePorts,
    /// From whom or to whom.
    pub peer: Peer,
    /// The user's text; empty when none was given.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// The other side of a security group rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Peer {
    /// An IPv4 block.
    Ipv4(Ipv4Net),
    /// An IPv6 block.
    Ipv6(Ipv6Net),
    /// The private addresses of interfaces that carry a group.
    Group {
        /// The referenced group's owner.
        account: AccountId,
        /// The referenced group, which may have been deleted since.
        group: SecurityGroupId,
    },
    /// The entries of a managed prefix list.
    PrefixList(PrefixListId),
}
