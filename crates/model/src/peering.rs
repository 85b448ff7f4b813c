//! VPC peering connections.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{Network, Owner, PeeringId, Tags, UnixMillis, Vpc, VpcId};

/// How long a request waits to be accepted: 168 hours.
pub const PEERING_REQUEST_LIFETIME_MS: u64 = 168 * 60 * 60 * 1000;

/// A connection between two VPCs of any accounts and regions. See "VPC peering connection lifecycle" in the VPC Peering
/// Guide. Both owners see it under the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peering {
    /// The connection's id.
    pub id: PeeringId,
    /// Who asked for it.
    pub requester: PeeringSide,
    /// Who is asked.
    pub accepter: PeeringSide,
    /// Where it is in its life, but for the request's expiry: see [`Self::state`].
    pub state: PeeringState,
    /// When it was asked for.
    pub created_at: UnixMillis,
}

/// One VPC of a peering connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringSide {
    /// Account and region.
    pub owner: Owner,
    /// The VPC.
    pub vpc: VpcId,
    /// IPv4 blocks as they were when the connection ended. While it lives those of the VPC count.
    pub ipv4_blocks: Vec<Ipv4Net>,
    /// IPv6 blocks, likewise.
    pub ipv6_blocks: Vec<Ipv6Net>,
    /// Whether public names of this VPC's instances are private addresses to the other side's resolver.
    pub allow_dns_resolution_from_remote: bool,
    /// The tags that this side put on the connection; the other side doesn't see them. Where both sides are the same
    /// account and region, the requester's are everybody's.
    pub tags: Tags,
}

/// Where a connection is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeeringState {
    /// The accepter hasn't answered.
    PendingAcceptance,
    /// Packets may pass.
    Active,
    /// The request couldn't be granted.
    Failed {
        /// When that was found.
        at: UnixMillis,
    },
    /// The accepter refused.
    Rejected {
        /// When.
        at: UnixMillis,
    },
    /// Nobody answered in time. Never stored: it follows from the clock.
    Expired {
        /// When the time was over.
        at: UnixMillis,
    },
    /// One side ended it.
    Deleted {
        /// When.
        at: UnixMillis,
        /// Which side.
        by: Owner,
    },
}

impl Peering {
    /// Where the connection is in its life at that time.
    pub fn state(&self, now: UnixMillis) -> PeeringState {
        match self.state {
            PeeringState::PendingAcceptance if now >= self.expires_at() => PeeringState::Expired { at: self.expires_at() },
            ref state => state.clone(),
        }
    }

    /// When an unanswered request ends.
    pub fn expires_at(&self) -> UnixMillis {
        UnixMillis(self.created_at.0 + PEERING_REQUEST_LIFETIME_MS)
    }

    /// Whether packets may pass.
    pub fn is_active(&self) -> bool {
        self.state == PeeringState::Active
    }

    /// Whether both VPCs are in one region.
    pub fn is_same_region(&self) -> bool {
        self.requester.owner.region == self.accepter.owner.region
    }

    /// The sides, requester first.
    pub fn sides(&self) -> [&PeeringSide; 2] {
        [&self.requester, &self.accepter]
    }

    /// Whether the connection is between these two VPCs, in either direction.
    pub fn joins(&self, one: VpcId, other: VpcId) -> bool {
        [(one, other), (other, one)].contains(&(self.requester.vpc, self.accepter.vpc))
    }

    /// The tags that `viewer` sees, unless it has no part in the connection.
    pub fn tags(&self, viewer: &Owner) -> Option<&Tags> {
        self.sides().into_iter().find(|side| side.owner == *viewer).map(|side| &side.tags)
    }

    /// [`Self::tags`], to change.
    pub fn tags_mut(&mut self, viewer: &Owner) -> Option<&mut Tags> {
        [&mut self.requester, &mut self.accepter].into_iter().find(|side| side.owner == *viewer).map(|side| &mut side.tags)
    }

    /// The VPC at the other end of the connection from `vpc`.
    pub fn far_side(&self, vpc: VpcId) -> Option<&PeeringSide> {
        match vpc {
            _ if vpc == self.requester.vpc => Some(&self.accepter),
            _ if vpc == self.accepter.vpc => Some(&self.requester),
            _ => None,
        }
    }
}

impl PeeringSide {
    /// The blocks of the VPC, or those it had when the connection ended or the VPC went.
    pub fn blocks(&self, network: &Network, is_over: bool) -> (Vec<Ipv4Net>, Vec<Ipv6Net>) {
        match network.get::<Vpc>(&self.vpc).filter(|vpc| !is_over && vpc.owner == self.owner) {
            Some(vpc) => blocks_of(vpc),
            None => (self.ipv4_blocks.clone(), self.ipv6_blocks.clone()),
        }
    }
}

/// The blocks of a VPC, without their associations.
fn blocks_of(vpc: &Vpc) -> (Vec<Ipv4Net>, Vec<Ipv6Net>) {
    (vpc.ipv4_blocks.iter().map(|b| b.block).collect(), vpc.ipv6_blocks.iter().map(|b| b.block).collect())
}

/// Two blocks, one of each of two VPCs, that share addresses.
pub fn overlap(one: &Vpc, other: &Vpc) -> Option<(IpNet, IpNet)> {
    let shares = |a: IpNet, b: IpNet| a.contains(&b) || b.contains(&a);
    one.blocks().find_map(|a| other.blocks().find(|b| shares(a, *b)).map(|b| (a, b)))
}
