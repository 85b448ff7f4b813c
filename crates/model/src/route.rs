//! Route tables.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    EgressOnlyGatewayId, EniId, InternetGatewayId, NatGatewayId, Owner, PeeringId, PrefixListId, RouteTableAssociationId,
    RouteTableId, SubnetId, Tags, TransitGatewayId, VpcEndpointId, VpcId, VpnGatewayId,
};

/// How many propagated routes a table takes; fixed. See "Amazon VPC quotas" in the VPC User Guide.
pub const PROPAGATED_ROUTES: usize = 100;

/// A route table. See "Configure route tables" in the VPC User Guide.
///
/// The `local` routes of the VPC's blocks are implied and not listed here, unless one was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// The table's id.
    pub id: RouteTableId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC it belongs to.
    pub vpc: VpcId,
    /// Routes that a user made, at most one per destination.
    pub routes: Vec<Route>,
    /// Who uses the table.
    pub associations: Vec<TableAssociation>,
    /// The virtual private gateways whose routes appear in the table.
    #[serde(default)]
    pub propagating: Vec<VpnGatewayId>,
    /// Tags.
    pub tags: Tags,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which packets it is for.
    pub destination: RouteDestination,
    /// Where packets go. Whether the target still works is computed, not stored: see [`RouteState`].
    pub target: RouteTarget,
    /// Who made the route.
    pub origin: RouteOrigin,
}

/// Which packets a route is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RouteDestination {
    /// Those to a block, written without host bits.
    Block(IpNet),
    /// Those to any entry of a managed prefix list.
    PrefixList(PrefixListId),
}

impl RouteDestination {
    /// The block, unless it is a list.
    pub fn block(self) -> Option<IpNet> {
        match self {
            Self::Block(block) => Some(block),
            Self::PrefixList(_) => None,
        }
    }
}

impl PartialEq<IpNet> for RouteDestination {
    fn eq(&self, block: &IpNet) -> bool {
        self.block() == Some(*block)
    }
}

impl From<IpNet> for RouteDestination {
    fn from(block: IpNet) -> Self {
        Self::Block(block)
    }
}

impl fmt::Display for RouteDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(block) => block.fmt(f),
            Self::PrefixList(list) => list.fmt(f),
        }
    }
}

/// Where a route sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RouteTarget {
    /// Inside the VPC.
    Local,
    /// An internet gateway.
    InternetGateway(InternetGatewayId),
    /// A network interface: a middlebox.
    NetworkInterface(EniId),
    /// A NAT gateway.
    NatGateway(NatGatewayId),
    /// An egress-only internet gateway (IPv6).
    EgressOnlyGateway(EgressOnlyGatewayId),
    /// A VPC peering connection.
    Peering(PeeringId),
    /// A transit gateway.
    TransitGateway(TransitGatewayId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
    /// A gateway endpoint, or a Gateway Load Balancer endpoint.
    Endpoint(VpcEndpointId),
}

/// Who made a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RouteOrigin {
    /// Made with the table (`local`).
    CreateRouteTable,
    /// Made by a user.
    CreateRoute,
    /// Propagated by a virtual private gateway.
    EnableVgwRoutePropagation,
}

/// Whether a route's target can take packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteState {
    /// The target is there.
    Active,
    /// The target is gone: packets are dropped, with no fallback to a shorter prefix.
    Blackhole,
}

/// The use of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableAssociation {
    /// The association's id.
    pub id: RouteTableAssociationId,
    /// What uses the table.
    pub user: TableUser,
}

/// What uses a route table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TableUser {
    /// All subnets of the VPC without a table of their own.
    Main,
    /// One subnet.
    Subnet(SubnetId),
    /// Packets that enter through an internet gateway (gateway route table).
    InternetGateway(InternetGatewayId),
    /// Packets that enter through a virtual private gateway (gateway route table).
    VpnGateway(VpnGatewayId),
    /// What a regional NAT gateway sends on.
    NatGateway(NatGatewayId),
}
