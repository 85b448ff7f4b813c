//! Who has which public address: where packets go that come in from the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::{EniIndex, VpcTable};
use crate::Map;
use crate::matching::PrefixMap;

/// The addresses that internet gateways answer for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Internet {
    ipv4: Map<Ipv4Addr, PublicAddress>,
    /// IPv6 blocks of VPCs with an internet gateway, to the VPC's index.
    ipv6: PrefixMap<u32>,
}

/// A public IPv4 address in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicAddress {
    pub vpc_index: u32,
    pub eni: EniIndex,
    pub private: Ipv4Addr,
}

impl Internet {
    pub fn compile<'a>(vpcs: impl Iterator<Item = (u32, &'a Arc<VpcTable>)>) -> Self {
        let mut ipv4 = Map::default();
        let mut ipv6 = Vec::new();
        for (vpc_index, vpc) in vpcs.filter(|(_, vpc)| vpc.gateway.is_some()) {
            for (public, private, eni) in vpc.public_hosts() {
                ipv4.insert(public, PublicAddress { vpc_index, eni, private });
            }
            ipv6.extend(vpc.vpc.ipv6_blocks.iter().map(|block| (IpNet::V6(block.block), vpc_index)));
        }
        Self { ipv4, ipv6: PrefixMap::new(ipv6) }
    }

    #[inline]
    pub fn ipv4(&self, address: Ipv4Addr) -> Option<&PublicAddress> {
        self.ipv4.get(&address)
    }

    /// The index of the VPC that an IPv6 address belongs to.
    #[inline]
    pub fn ipv6(&self, address: Ipv6Addr) -> Option<u32> {
        self.ipv6.lookup(IpAddr::V6(address)).map(|(_, vpc_index)| *vpc_index)
    }
}
