//! Network ACLs.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{NaclAssociationId, NaclId, Owner, Protocol, RulePorts, Tags, VpcId};

/// A stateless, ordered filter at the boundary of subnets. See "Network ACLs" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAcl {
    /// The ACL's id.
    pub id: NaclId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC it belongs to.
    pub vpc: VpcId,
    /// Whether it is its VPC's default ACL.
    pub is_default: bool,
    /// The user's entries, sorted by direction and number. The fixed denies at the end are implied.
    pub entries: Vec<NaclEntry>,
    /// Tags.
    pub tags: Tags,
}

impl NetworkAcl {
    /// The number of the fixed deny for IPv4, shown as `*`.
    pub const DENY_IPV4: u16 = 32767;
    /// The number of the fixed deny for IPv6.
    pub const DENY_IPV6: u16 = 32768;
}

/// One numbered entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NaclEntry {
    /// Which packets it looks at.
    pub direction: Direction,
    /// 1–32766; lower numbers are asked first.
    pub number: u16,
    /// What it decides.
    pub action: NaclAction,
    /// Source block (ingress) or destination block (egress).
    pub block: IpNet,
    /// Protocol.
    pub protocol: Protocol,
    /// Destination ports, or ICMP types.
    pub ports: RulePorts,
}

/// The use of a network ACL by a subnet, which always uses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NaclAssociation {
    /// The association's id.
    pub id: NaclAssociationId,
    /// The ACL.
    pub nacl: NaclId,
}

/// What an entry of a network ACL decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NaclAction {
    /// Let the packet pass.
    Allow,
    /// Drop it.
    Deny,
}

/// Towards the interface or away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards the interface.
    Ingress,
    /// Away from the interface.
    Egress,
}

impl Direction {
    /// The other direction.
    pub fn reverse(self) -> Self {
        match self {
            Self::Ingress => Self::Egress,
            Self::Egress => Self::Ingress,
        }
    }

    /// `ingress` or `egress`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}
