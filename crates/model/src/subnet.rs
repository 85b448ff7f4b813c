//! Subnets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::nacl::NaclAssociation;
use crate::{Owner, SubnetCidrAssociationId, SubnetId, Tags, VpcId, Zone};

/// A subnet. See "Subnets for your VPC" in the VPC User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The subnet's id.
    pub id: SubnetId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC it is part of.
    pub vpc: VpcId,
    /// The zone it lies in.
    pub zone: Zone,
    /// The network ACL it uses.
    pub nacl: NaclAssociation,
    /// The IPv4 block; none for an IPv6-only subnet.
    pub ipv4_block: Option<Ipv4Net>,
    /// The IPv6 blocks, each a /64.
    pub ipv6_blocks: Vec<SubnetBlock>,
    /// Whether this is the default subnet of its zone.
    pub default_for_zone: bool,
    /// Whether new interfaces of instances get a public IPv4 address.
    pub map_public_ip_on_launch: bool,
    /// Whether new interfaces get an IPv6 address.
    pub assign_ipv6_address_on_creation: bool,
    /// Whether the resolver synthesises AAAA records for IPv4-only names.
    pub enable_dns64: bool,
    /// `ip-name` or `resource-name`.
    pub hostname_type: String,
    /// Whether A queries for the instance's resource name are answered.
    pub resource_name_dns_a_record: bool,
    /// Whether AAAA queries for the instance's resource name are answered.
    pub resource_name_dns_aaaa_record: bool,
    /// The device index from which interfaces are local network interfaces (Outposts only; kept for clients).
    pub lni_at_device_index: Option<i32>,
    /// Tags.
    pub tags: Tags,
}

/// One IPv6 block of a subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetBlock {
    /// The association's id.
    pub association: SubnetCidrAssociationId,
    /// The block.
    pub block: Ipv6Net,
}

impl Subnet {
    /// Whether an address lies in one of the subnet's blocks.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.ipv4_block.is_some_and(|block| block.contains(&v4)),
            IpAddr::V6(v6) => self.ipv6_blocks.iter().any(|b| b.block.contains(&v6)),
        }
    }

    /// Whether AWS keeps the address for itself: the first four and the last of an IPv4 block (network, router, DNS,
    /// future use, broadcast), the first four and the last of an IPv6 block.
    pub fn is_reserved(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.ipv4_block.is_some_and(|block| {
                block.contains(&v4) && {
                    let offset = u32::from(v4) - u32::from(block.network());
                    offset < 4 || v4 == block.broadcast()
                }
            }),
            IpAddr::V6(v6) => self.ipv6_blocks.iter().any(|SubnetBlock { block, .. }| {
                block.contains(&v6) && {
                    let offset = u128::from(v6) - u128::from(block.network());
                    offset < 4 || v6 == block.broadcast()
                }
            }),
        }
    }

    /// The VPC router's address in this subnet: base plus one.
    pub fn ipv4_router(&self) -> Option<Ipv4Addr> {
        self.ipv4_block.map(|block| Ipv4Addr::from(u32::from(block.network()) + 1))
    }

    /// The VPC router's global IPv6 address in this subnet: base plus one of the first block.
    pub fn ipv6_router(&self) -> Option<Ipv6Addr> {
        self.ipv6_blocks.first().map(|b| Ipv6Addr::from(u128::from(b.block.network()) + 1))
    }
}
