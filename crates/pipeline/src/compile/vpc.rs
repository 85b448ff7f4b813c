//! VPCs: who has which address, and the way to the internet.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv6Net};
use openvpc_model::public_access::PublicAccessMode;
use openvpc_model::{EgressOnlyGatewayId, InternetGatewayId, Subnet, Vpc};

use super::{ClassId, EniIndex, Routes, Trie, is_same};
use crate::matching::PrefixMap;

/// A VPC compiled. A clone shares the addresses with its original.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VpcTable {
    pub vpc: Arc<Vpc>,
    /// The attached internet gateway.
    pub gateway: Option<InternetGatewayId>,
    /// The gateway route table of the internet gateway, if it has one.
    pub edge: Option<Arc<Routes>>,
    /// The egress-only internet gateway.
    pub egress_only: Option<EgressOnlyGatewayId>,
    /// What Block Public Access keeps from the VPC, but for subnets of which it says otherwise.
    pub public_access: PublicAccessMode,
    /// Everything that has an address in the VPC.
    pub(super) hosts: Trie<IpAddr, Host>,
    /// Prefixes that interfaces were given as a whole, for the addresses that have no host of their own.
    pub(super) delegated: Trie<IpNet, Host>,
    /// The blocks of the subnets.
    pub(super) blocks: Arc<PrefixMap<()>>,
}

/// What is at an address of a VPC.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// An interface.
    Host(&'a Host),
    /// An address that AWS keeps for itself in a subnet.
    Reserved,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Host {
    pub eni: EniIndex,
    /// The public address that stands for it at the internet gateway.
    pub public: Option<Ipv4Addr>,
    /// The security groups that the interface carries, sorted.
    pub classes: Arc<[ClassId]>,
}

impl VpcTable {
    /// A VPC in which nothing is yet.
    pub fn new(vpc: &Arc<Vpc>) -> Self {
        Self {
            vpc: Arc::clone(vpc),
            gateway: None,
            edge: None,
            egress_only: None,
            public_access: PublicAccessMode::Off,
            hosts: Trie::default(),
            delegated: Trie::default(),
            blocks: Arc::default(),
        }
    }

    /// Whether packets find no difference between two tables but for what is in the VPC.
    pub fn is_alike(&self, other: &Self) -> bool {
        let same_edge = match (&self.edge, &other.edge) {
            (Some(a), Some(b)) => is_same(a, b),
            (None, None) => true,
            _ => false,
        };
        let ways = |table: &Self| (table.gateway, table.egress_only, table.public_access);
        same_edge && ways(self) == ways(other) && self.vpc.blocks().eq(other.vpc.blocks())
    }

    /// Says what has an address; nothing does when it is none.
    pub fn set_host(&mut self, address: IpAddr, host: Option<Host>) {
        set(&mut self.hosts, address, host);
    }

    /// Says what a prefix was given to.
    pub fn set_delegated(&mut self, prefix: IpNet, host: Option<Host>) {
        set(&mut self.delegated, prefix, host);
    }

    /// Says which subnets there are.
    pub fn set_subnets<'a>(&mut self, subnets: impl Iterator<Item = &'a Arc<Subnet>>) {
        let blocks = subnets.flat_map(|subnet| {
            let v6 = subnet.ipv6_blocks.iter().map(|block| IpNet::V6(block.block));
            subnet.ipv4_block.map(IpNet::V4).into_iter().chain(v6)
        });
        let made = PrefixMap::new(blocks.map(|block| (block, ())));
        if made != *self.blocks {
            self.blocks = Arc::new(made);
        }
    }

    /// What is at an address.
    #[inline]
    pub fn place(&self, address: IpAddr) -> Option<Place<'_>> {
        if let Some(host) = self.hosts.get(&address) {
            return Some(Place::Host(host));
        }
        if self.is_reserved(address) {
            return Some(Place::Reserved);
        }
        self.delegated_to(address).map(Place::Host)
    }

    /// The interface address, if it is one.
    #[inline]
    pub fn host(&self, address: IpAddr) -> Option<&Host> {
        match self.hosts.get(&address) {
            Some(host) => Some(host),
            None => self.delegated_to(address).filter(|_| !self.is_reserved(address)),
        }
    }

    /// The IPv6 blocks that the internet reaches.
    pub fn internet_blocks(&self) -> impl Iterator<Item = Ipv6Net> {
        self.vpc.ipv6_blocks.iter().filter(|_| self.gateway.is_some() || self.egress_only.is_some()).map(|block| block.block)
    }

    /// Where the Amazon resolver answers in this VPC: base plus two of the primary block.
    pub fn resolver(&self) -> Option<Ipv4Addr> {
        self.vpc.ipv4_blocks.first().map(|block| Ipv4Addr::from(u32::from(block.block.network()) + 2))
    }

    /// Whether the Amazon resolver answers at the address.
    pub fn is_resolver(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(v4) if self.resolver() == Some(v4))
    }

    /// Whether AWS keeps the address: the first four and the last of each block of a subnet.
    fn is_reserved(&self, address: IpAddr) -> bool {
        let offset = match (self.blocks.lookup(address), address) {
            (Some((IpNet::V4(block), ())), IpAddr::V4(v4)) if v4 != block.broadcast() => {
                u128::from(u32::from(v4) - u32::from(block.network()))
            }
            (Some((IpNet::V6(block), ())), IpAddr::V6(v6)) if v6 != block.broadcast() => {
                u128::from(v6) - u128::from(block.network())
            }
            (found, _) => return found.is_some(),
        };
        offset < 4
    }

    fn delegated_to(&self, address: IpAddr) -> Option<&Host> {
        if self.delegated.is_empty() {
            return None;
        }
        let length = if address.is_ipv4() { DELEGATED_IPV4 } else { DELEGATED_IPV6 };
        self.delegated.get(&IpNet::new(address, length).ok()?.trunc())
    }
}

fn set<K: Eq + std::hash::Hash>(map: &mut Trie<K, Host>, key: K, host: Option<Host>) {
    match host {
        Some(host) => map.insert_mut(key, host),
        None => {
            map.remove_mut(&key);
        }
    }
}

/// The length of IPv4 prefixes that interfaces are given. See "Assigning prefixes to network interfaces" in the EC2 User
/// Guide.
const DELEGATED_IPV4: u8 = 28;
/// The same for IPv6.
const DELEGATED_IPV6: u8 = 80;
