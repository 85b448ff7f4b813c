//! Block Public Access: an account's switch against the internet, and its exclusions.
//! See "Block public access to VPCs and subnets" in the VPC User Guide.

use serde::{Deserialize, Serialize};

use crate::{BlockPublicAccessExclusionId, Network, Owner, Subnet, SubnetId, Tags, UnixMillis, VpcId};

/// What Block Public Access keeps from the internet gateways of an account in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicAccessMode {
    /// Nothing.
    #[default]
    Off,
    /// Everything.
    BlockBidirectional,
    /// What comes in unasked.
    BlockIngress,
}

impl PublicAccessMode {
    /// The mode as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::BlockBidirectional => "block-bidirectional",
            Self::BlockIngress => "block-ingress",
        }
    }
}

/// The mode of an account in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessOptions {
    /// The mode.
    pub mode: PublicAccessMode,
    /// When it was set; none while nobody did.
    pub updated_at: Option<UnixMillis>,
}

/// A VPC or subnet that is spared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessExclusion {
    /// The exclusion's id.
    pub id: BlockPublicAccessExclusionId,
    /// Owning account and region.
    pub owner: Owner,
    /// What is spared.
    pub resource: ExcludedResource,
    /// How far.
    pub mode: ExclusionMode,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When its mode was changed last.
    pub updated_at: Option<UnixMillis>,
    /// When it was deleted; it is shown for a while after.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

/// What an exclusion is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExcludedResource {
    /// A VPC with all its subnets.
    Vpc(VpcId),
    /// One subnet.
    Subnet(SubnetId),
}

/// How far a resource is spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExclusionMode {
    /// Altogether.
    AllowBidirectional,
    /// For what it sends, and the answers.
    AllowEgress,
}

impl ExclusionMode {
    /// The mode as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowBidirectional => "allow-bidirectional",
            Self::AllowEgress => "allow-egress",
        }
    }
}

impl Network {
    /// What is blocked for a VPC, but for subnets with an exclusion of their own.
    pub fn public_access_of_vpc(&self, owner: &Owner, vpc: VpcId) -> PublicAccessMode {
        self.public_access(owner, &[ExcludedResource::Vpc(vpc)])
    }

    /// What is blocked for a subnet. Its own exclusion counts before that of its VPC.
    pub fn public_access_of_subnet(&self, subnet: &Subnet) -> PublicAccessMode {
        self.public_access(&subnet.owner, &[ExcludedResource::Subnet(subnet.id), ExcludedResource::Vpc(subnet.vpc)])
    }

    fn public_access(&self, owner: &Owner, resources: &[ExcludedResource]) -> PublicAccessMode {
        let mode = self.regions.get(owner).map(|region| region.public_access.mode).unwrap_or_default();
        if mode == PublicAccessMode::Off {
            return mode;
        }
        let exclusion = |resource| {
            self.public_access_exclusions.values().find(|e| e.deleted_at.is_none() && e.resource == resource).map(|e| e.mode)
        };
        match resources.iter().find_map(|resource| exclusion(*resource)) {
            Some(ExclusionMode::AllowBidirectional) => PublicAccessMode::Off,
            Some(ExclusionMode::AllowEgress) => PublicAccessMode::BlockIngress,
            None => mode,
        }
    }
}
