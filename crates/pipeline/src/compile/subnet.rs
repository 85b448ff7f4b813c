//! Subnets: which filter and which routes, and who answers to which hardware address.

use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use openvpc_model::interface::MacAddress;
use openvpc_model::route::TableUser;
use openvpc_model::{NaclId, Network, RouteTableId, Subnet, SubnetId, Vpc};

use super::{EniIndex, Nacl, Routes};
use crate::Map;

/// A subnet compiled.
#[derive(Clone, Debug)]
pub(crate) struct SubnetTable {
    pub subnet: Arc<Subnet>,
    pub vpc_index: u32,
    pub nacl: Arc<Nacl>,
    pub routes: Arc<Routes>,
    pub router_mac: MacAddress,
    pub enis_by_mac: Map<MacAddress, EniIndex>,
}

impl SubnetTable {
    pub fn compile(
        subnet: &Arc<Subnet>,
        vpc_index: u32,
        nacl: Arc<Nacl>,
        routes: Arc<Routes>,
        enis: impl Iterator<Item = (MacAddress, EniIndex)>,
    ) -> Self {
        let router_mac = router_mac(subnet.id);
        Self { subnet: subnet.clone(), vpc_index, nacl, routes, router_mac, enis_by_mac: enis.collect() }
    }

    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.subnet, &other.subnet)
            && Arc::ptr_eq(&self.nacl, &other.nacl)
            && Arc::ptr_eq(&self.routes, &other.routes)
            && self.vpc_index == other.vpc_index
            && self.enis_by_mac == other.enis_by_mac
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

/// Which route table and network ACL each subnet uses, gathered in one pass over the associations.
pub(super) struct Users {
    route_tables: Map<SubnetId, RouteTableId>,
    nacls: Map<SubnetId, NaclId>,
}

impl Users {
    pub fn of(network: &Network) -> Self {
        let routes = network.route_tables.values().flat_map(|table| {
            table.associations.iter().filter_map(|association| match association.user {
                TableUser::Subnet(subnet) => {
                    let same_vpc = network.subnets.get(&subnet).is_some_and(|subnet| subnet.vpc == table.vpc);
                    same_vpc.then_some((subnet, table.id))
                }
                TableUser::Main | TableUser::InternetGateway(_) | TableUser::NatGateway(_) | TableUser::VpnGateway(_) => None,
            })
        });
        let nacls = network.nacls.values().flat_map(|nacl| nacl.associations.iter().map(|a| (a.subnet, nacl.id)));
        Self { route_tables: routes.collect(), nacls: nacls.collect() }
    }

    pub fn route_table(&self, subnet: &Subnet, vpc: &Vpc) -> RouteTableId {
        self.route_tables.get(&subnet.id).copied().unwrap_or(vpc.main_route_table)
    }

    pub fn nacl(&self, subnet: &Subnet, vpc: &Vpc) -> NaclId {
        self.nacls.get(&subnet.id).copied().unwrap_or(vpc.default_nacl)
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
