//! VPCs, DHCP option sets and what a region holds per account.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{DhcpOptionsId, NaclId, Owner, RouteTableId, SecurityGroupId, Tags, VpcCidrAssociationId, VpcId};

/// A virtual private cloud. See "How Amazon VPC works" in the VPC User Guide.
///
/// Its main route table is the one with a main [`crate::TableAssociation`]; its default network ACL and security group
/// are named here because they live and die with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// The VPC's id.
    pub id: VpcId,
    /// Owning account and region.
    pub owner: Owner,
    /// IPv4 blocks; the first is the primary one and is always there.
    pub ipv4_blocks: Vec<VpcBlock<Ipv4Net>>,
    /// IPv6 blocks.
    pub ipv6_blocks: Vec<VpcBlock<Ipv6Net>>,
    /// Whether this is the region's default VPC.
    pub is_default: bool,
    /// `default` or `dedicated`.
    pub tenancy: String,
    /// The DHCP option set, or none when it was set to `default`.
    pub dhcp_options: Option<DhcpOptionsId>,
    /// Whether the Amazon resolver answers in this VPC.
    pub enable_dns_support: bool,
    /// Whether instances get public DNS names.
    pub enable_dns_hostnames: bool,
    /// Whether network address usage is measured; kept because clients read it.
    pub enable_network_address_usage_metrics: bool,
    /// The main route table, made with the VPC; changes by ReplaceRouteTableAssociation.
    pub main_route_table: RouteTableId,
    /// The default network ACL.
    pub default_nacl: NaclId,
    /// The default security group.
    pub default_security_group: SecurityGroupId,
    /// Tags.
    pub tags: Tags,
}

impl Vpc {
    /// The primary IPv4 block.
    pub fn primary_block(&self) -> Ipv4Net {
        // Every constructor puts the primary block first and no operation removes it.
        self.ipv4_blocks[0].block
    }

    /// All blocks, IPv4 first.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        let ipv4 = self.ipv4_blocks.iter().map(|b| IpNet::V4(b.block));
        ipv4.chain(self.ipv6_blocks.iter().map(|b| IpNet::V6(b.block)))
    }

    /// Whether an address lies in one of the VPC's blocks.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        match address {
            std::net::IpAddr::V4(v4) => self.ipv4_blocks.iter().any(|b| b.block.contains(&v4)),
            std::net::IpAddr::V6(v6) => self.ipv6_blocks.iter().any(|b| b.block.contains(&v6)),
        }
    }
}

/// One CIDR block of a VPC and its association's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcBlock<Net> {
    /// The association's id.
    pub association: VpcCidrAssociationId,
    /// The block, without host bits.
    pub block: Net,
}

/// An immutable set of DHCP options. See "DHCP option sets" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// The set's id.
    pub id: DhcpOptionsId,
    /// Owning account and region.
    pub owner: Owner,
    /// Option name (`domain-name-servers`, …) to its values, in the order given.
    pub options: Vec<(String, Vec<String>)>,
    /// Tags.
    pub tags: Tags,
}

/// What an account has in a region from the start: written the first time anyone looks at the region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionState {
    /// Which account and region.
    pub owner: Owner,
    /// The region's default DHCP option set for the account.
    pub default_dhcp_options: DhcpOptionsId,
    /// Block Public Access.
    #[serde(default)]
    pub public_access: crate::public_access::PublicAccessOptions,
}
