//! NAT gateways.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{
    AddressAssociationId, AllocationId, EniId, NatGatewayId, Owner, RouteTableId, SubnetId, Tags, UnixMillis, VpcId, Zone,
};

/// A NAT gateway: many private addresses behind few. See "NAT gateways" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// The gateway's id.
    pub id: NatGatewayId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC.
    pub vpc: VpcId,
    /// Where in the VPC it is.
    pub place: NatPlace,
    /// What it leads to.
    pub connectivity: NatConnectivity,
    /// The addresses that it puts in place of others, the primary one first.
    pub addresses: Vec<NatAddress>,
    /// Why it never came to work.
    pub failure: Option<NatFailure>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown for a while after.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

impl NatGateway {
    /// Whether it works: it was neither a failure nor deleted.
    pub fn is_available(&self) -> bool {
        self.failure.is_none() && self.deleted_at.is_none()
    }

    /// The interface of a zonal gateway that works.
    pub fn eni(&self) -> Option<EniId> {
        match self.place {
            NatPlace::Zonal { eni, .. } => eni,
            NatPlace::Regional { .. } => None,
        }
    }
}

/// Where in its VPC a NAT gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NatPlace {
    /// In one zone.
    Zonal {
        /// The subnet.
        subnet: SubnetId,
        /// The subnet's zone.
        zone: Zone,
        /// Its interface; none when it failed.
        eni: Option<EniId>,
    },
    /// In all zones, or in those that its addresses name. It has no interface.
    Regional {
        /// Whether it follows the VPC's interfaces into their zones by itself.
        auto: bool,
        /// Its own route table; none when it failed.
        route_table: Option<RouteTableId>,
    },
}

/// What a NAT gateway leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NatConnectivity {
    /// The internet, with Elastic IPs.
    Public,
    /// Other private networks, with its private addresses.
    Private,
}

impl NatConnectivity {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// One address of a NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatAddress {
    /// The zone whose packets take it.
    pub zone: Zone,
    /// The private address of its interface.
    pub private: Option<Ipv4Addr>,
    /// The Elastic IP that stands for it at the internet gateway.
    pub elastic: Option<NatElasticIp>,
}

/// An Elastic IP of a NAT gateway. It is kept here so that a deleted gateway still shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatElasticIp {
    /// The allocation.
    pub allocation: AllocationId,
    /// The public address.
    pub address: Ipv4Addr,
    /// The association; none when the gateway failed.
    pub association: Option<AddressAssociationId>,
}

/// Why a NAT gateway never came to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatFailure {
    /// An EC2 error code.
    pub code: String,
    /// A sentence.
    pub message: String,
}
