//! Gateways.

use serde::{Deserialize, Serialize};

use crate::{CarrierGatewayId, EgressOnlyGatewayId, InternetGatewayId, Owner, Tags, VpcId};

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

/// An egress-only internet gateway: lets IPv6 connections out and none in. See "Egress-only internet gateways" in the VPC
/// User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressOnlyGateway {
    /// The gateway's id.
    pub id: EgressOnlyGatewayId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC it was made for.
    pub vpc: VpcId,
    /// Tags.
    pub tags: Tags,
}

/// A carrier gateway: leads from a Wavelength Zone to a telecommunication carrier's network. See "Carrier gateways" in the
/// VPC User Guide. There are no such zones here, so that nothing ever takes the way through one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierGateway {
    /// The gateway's id.
    pub id: CarrierGatewayId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC it was made for.
    pub vpc: VpcId,
    /// Tags.
    pub tags: Tags,
}
