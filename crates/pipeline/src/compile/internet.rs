//! Who has which public address: where packets go that come in from the internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::{EniIndex, GatewayIndex, Trie, VpcTable};
use crate::matching::PrefixMap;

/// The addresses that internet gateways answer for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Internet {
    ipv4: Trie<Ipv4Addr, PublicAddress>,
    /// IPv6 blocks of VPCs with an internet gateway, to the VPC's index.
    ipv6: Arc<PrefixMap<u32>>,
}

/// A public IPv4 address in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PublicAddress {
    pub vpc_index: u32,
    pub holder: PublicHolder,
}

/// Who has a public address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicHolder {
    /// An interface, for one of its private addresses.
    Eni { eni: EniIndex, private: Ipv4Addr },
    /// A regional NAT gateway.
    Gateway(GatewayIndex),
}

impl Internet {
    /// Says who has an address; whether that is news.
    pub fn set_ipv4(&mut self, address: Ipv4Addr, holder: Option<PublicAddress>) -> bool {
        if self.ipv4.get(&address) == holder.as_ref() {
            return false;
        }
        match holder {
            Some(holder) => self.ipv4.insert_mut(address, holder),
            None => {
                self.ipv4.remove_mut(&address);
            }
        }
        true
    }

    /// Says which VPCs there are; whether that is news.
    pub fn set_ipv6<'a>(&mut self, vpcs: impl Iterator<Item = (u32, &'a Arc<VpcTable>)>) -> bool {
        let blocks = vpcs.flat_map(|(index, vpc)| vpc.internet_blocks().map(move |block| (IpNet::V6(block), index)));
        let made = PrefixMap::new(blocks);
        if made == *self.ipv6 {
            return false;
        }
        self.ipv6 = Arc::new(made);
        true
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
