//! Subnets: which filter and which routes, and who answers to which hardware address.

use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use openvpc_model::interface::MacAddress;
use openvpc_model::public_access::PublicAccessMode;
use openvpc_model::{Subnet, SubnetId};

use super::{EniIndex, Nacl, Routes, Trie, is_same};

/// A subnet compiled. A clone shares the neighbours with its original.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SubnetTable {
    pub subnet: Arc<Subnet>,
    pub vpc_index: u32,
    pub nacl: Arc<Nacl>,
    pub routes: Arc<Routes>,
    pub router_mac: MacAddress,
    /// What Block Public Access keeps from it.
    pub public_access: PublicAccessMode,
    pub enis_by_mac: Trie<MacAddress, EniIndex>,
}

impl SubnetTable {
    /// A subnet in which nobody is yet.
    pub fn new(subnet: &Arc<Subnet>, vpc_index: u32, nacl: Arc<Nacl>, routes: Arc<Routes>) -> Self {
        let (router_mac, public_access) = (router_mac(subnet.id), PublicAccessMode::Off);
        Self { subnet: Arc::clone(subnet), vpc_index, nacl, routes, router_mac, public_access, enis_by_mac: Trie::default() }
    }

    /// Whether packets find no difference between two tables but for who is in the subnet.
    pub fn is_alike(&self, other: &Self) -> bool {
        let blocks = |table: &Self| (table.vpc_index, table.subnet.ipv4_block, table.public_access);
        blocks(self) == blocks(other)
            && self.subnet.ipv6_blocks == other.subnet.ipv6_blocks
            && is_same(&self.nacl, &other.nacl)
            && is_same(&self.routes, &other.routes)
    }

    /// Says who has a hardware address.
    pub fn set_neighbour(&mut self, mac: MacAddress, eni: Option<EniIndex>) {
        match eni {
            Some(eni) => self.enis_by_mac.insert_mut(mac, eni),
            None => {
                self.enis_by_mac.remove_mut(&mac);
            }
        }
    }

    /// Whether the address is one of the router's in this subnet: base plus one in either family, its link-local address
    /// and `fe80:ec2::1`.
    pub fn is_router(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.subnet.ipv4_router() == Some(v4),
            IpAddr::V6(v6) => v6 == ROUTER_IPV6 || v6 == self.router_mac.link_local() || self.subnet.ipv6_router() == Some(v6),
        }
    }

    /// The address that the router sends ICMP errors from, in the family of `like`.
    pub fn router_address(&self, like: IpAddr) -> IpAddr {
        match like {
            IpAddr::V4(_) => self.subnet.ipv4_router().map_or(like, IpAddr::V4),
            IpAddr::V6(_) => IpAddr::V6(self.router_mac.link_local()),
        }
    }
}

/// The router answers to it in every subnet. See "VPC IPv6 addressing" in the VPC User Guide.
const ROUTER_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0xec2, 0, 0, 0, 0, 0, 1);

/// A hardware address made of the subnet's id, so that it survives a restart. The first octet differs from those that
/// interfaces get, so that no interface has the same.
fn router_mac(subnet: SubnetId) -> MacAddress {
    let mut hasher = foldhash::quality::FixedState::with_seed(0x0a).build_hasher();
    hasher.write(subnet.to_string().as_bytes());
    let [_, _, _, a, b, c, d, e] = hasher.finish().to_be_bytes();
    MacAddress([0x0a, a, b, c, d, e])
}

#[cfg(test)]
mod tests {
    use openvpc_model::Id;

    use super::*;

    #[test]
    fn every_subnet_has_a_router_address_of_its_own_that_no_interface_can_have() {
        let macs: std::collections::BTreeSet<_> = (0..1000).map(|n| router_mac(SubnetId::from_random(n))).collect();
        assert_eq!(macs.len(), 1000);
        assert!(macs.iter().all(|mac| mac.0[0] == 0x0a && mac.0[0] != MacAddress::from_random(1 << 40).0[0]));
        assert_eq!(router_mac(SubnetId::from_random(7)), router_mac(SubnetId::from_random(7)));
    }
}
