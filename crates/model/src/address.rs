//! Elastic IP addresses.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AddressAssociationId, AllocationId, EniId, Owner, Tags};

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
    /// Where it is in use.
    pub association: Option<AddressAssociation>,
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
