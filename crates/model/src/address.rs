//! Elastic IP addresses.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AddressAssociationId, AllocationId, EniId, NatGatewayId, Owner, Tags};

/// An Elastic IP address. See "Elastic IP addresses" in the EC2 User Guide.
///
/// While associated, the interface's [`crate::interface::PublicMapping`] carries the same address and association.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticIp {
    /// The allocation's id.
    pub id: AllocationId,
    /// Owning account and region.
    pub owner: Owner,
    /// The public address.
    pub address: Ipv4Addr,
    /// The private address that it stands for.
    pub association: Option<AddressAssociation>,
    /// The regional NAT gateway that uses it, which has no private address.
    #[serde(default)]
    pub nat_gateway: Option<NatGatewayUse>,
    /// Whether a NAT gateway allocated it and releases it when it goes.
    #[serde(default)]
    pub service_managed: bool,
    /// The name that a reverse lookup gives, with its final dot.
    #[serde(default)]
    pub ptr_record: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// The private address that an Elastic IP stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressAssociation {
    /// The association's id.
    pub id: AddressAssociationId,
    /// The interface.
    pub eni: EniId,
    /// One of the interface's private addresses.
    pub private_address: Ipv4Addr,
}

/// The use of an Elastic IP by a regional NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGatewayUse {
    /// The association's id.
    pub id: AddressAssociationId,
    /// The gateway.
    pub gateway: NatGatewayId,
}
