//! Gateways.

use serde::{Deserialize, Serialize};

use crate::{InternetGatewayId, Owner, Tags, VpcId};

/// An internet gateway: 1:1 NAT for IPv4, plain forwarding for IPv6. See "Internet gateways" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// The gateway's id.
    pub id: InternetGatewayId,
    /// Owning account and region.
    pub owner: Owner,
    /// The one VPC it is attached to.
    pub vpc: Option<VpcId>,
    /// Tags.
    pub tags: Tags,
}
