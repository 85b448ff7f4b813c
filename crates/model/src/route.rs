//! Route tables.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{EniId, InternetGatewayId, Owner, RouteTableAssociationId, RouteTableId, SubnetId, Tags, VpcId};

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
    /// Tags.
    pub tags: Tags,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination block, without host bits.
    pub destination: IpNet,
    /// Where packets go. Whether the target still works is computed, not stored: see [`RouteState`].
    pub target: RouteTarget,
    /// Who made the route.
    pub origin: RouteOrigin,
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
}

/// Who made a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RouteOrigin {
    /// Made with the table (`local`).
    CreateRouteTable,
    /// Made by a user.
    CreateRoute,
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
}
