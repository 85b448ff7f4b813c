//! VPCs: who has which address, and the way to the internet.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use openvpc_model::route::TableUser;
use openvpc_model::{InternetGatewayId, Network, NetworkInterface, RouteTableId, Subnet, Vpc, VpcId};

use super::{ClassId, EniIndex, Routes, Tables};
use crate::matching::PrefixMap;
use crate::{Map, Set};

/// A VPC compiled.
#[derive(Clone, Debug)]
pub(crate) struct VpcTable {
    pub vpc: Arc<Vpc>,
    /// The attached internet gateway.
    pub gateway: Option<InternetGatewayId>,
    /// The gateway route table of the internet gateway, if it has one.
    pub edge: Option<Arc<Routes>>,
    /// Everything that has an address in the VPC.
    places: Map<IpAddr, Place>,
    /// Prefixes that interfaces were given as a whole, for the addresses that have no place of their own.
    delegated: PrefixMap<Place>,
}

/// What is at an address of a VPC.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// An interface.
    Host(Host),
    /// An address that AWS keeps for itself in a subnet.
    Reserved,
}

/// An address of an interface.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub eni: EniIndex,
    /// The public address that stands for it at the internet gateway.
    pub public: Option<Ipv4Addr>,
    /// The security groups that the interface carries, sorted.
    pub classes: Arc<[ClassId]>,
}

/// What a VPC's table is made of, besides the VPC.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub enis: Vec<Member<'a>>,
    pub subnets: Vec<&'a Arc<Subnet>>,
}

/// An interface and the classes of its security groups.
type Member<'a> = (EniIndex, &'a NetworkInterface, Arc<[ClassId]>);

impl VpcTable {
    pub(super) fn compile(
        vpc: &Arc<Vpc>,
        gateway: Option<InternetGatewayId>,
        edge: Option<Arc<Routes>>,
        members: &Members<'_>,
    ) -> Self {
        let mut places = Map::default();
        let mut delegated = Vec::new();
        for subnet in &members.subnets {
            for address in reserved(subnet) {
                places.insert(address, Place::Reserved);
            }
        }
        for (index, eni, classes) in &members.enis {
            for private in &eni.private_addresses {
                let public = private.public.as_ref().map(|mapping| mapping.address);
                let host = Host { eni: *index, public, classes: Arc::clone(classes) };
                places.insert(IpAddr::V4(private.address), Place::Host(host));
            }
            for address in &eni.ipv6_addresses {
                let host = Host { eni: *index, public: None, classes: Arc::clone(classes) };
                places.insert(IpAddr::V6(*address), Place::Host(host));
            }
            for prefix in eni.prefixes() {
                let host = Host { eni: *index, public: None, classes: Arc::clone(classes) };
                delegated.push((prefix, Place::Host(host)));
            }
        }
        Self { vpc: vpc.clone(), gateway, edge, places, delegated: PrefixMap::new(delegated) }
    }

    /// Whether a table made of these would be the same, given that none of the VPC's interfaces and subnets was written.
    pub fn is_same(&self, vpc: &Arc<Vpc>, gateway: Option<InternetGatewayId>, edge: Option<&Arc<Routes>>) -> bool {
        let same_edge = match (&self.edge, edge) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        Arc::ptr_eq(&self.vpc, vpc) && self.gateway == gateway && same_edge
    }

    /// What is at an address.
    #[inline]
    pub fn place(&self, address: IpAddr) -> Option<&Place> {
        self.places.get(&address).or_else(|| Some(self.delegated.lookup(address)?.1))
    }

    /// The interface address, if it is one.
    #[inline]
    pub fn host(&self, address: IpAddr) -> Option<&Host> {
        match self.place(address)? {
            Place::Host(host) => Some(host),
            Place::Reserved => None,
        }
    }

    /// The interface addresses that have a public one.
    pub fn public_hosts(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr, EniIndex)> {
        self.places.iter().filter_map(|(address, place)| match (address, place) {
            (IpAddr::V4(private), Place::Host(Host { eni, public: Some(public), .. })) => Some((*public, *private, *eni)),
            _ => None,
        })
    }

    /// Whether the Amazon resolver answers at the address: base plus two of the primary block.
    pub fn is_resolver(&self, address: IpAddr) -> bool {
        let base = self.vpc.ipv4_blocks.first().map(|block| u32::from(block.block.network()));
        matches!((address, base), (IpAddr::V4(v4), Some(base)) if u32::from(v4) == base + 2)
    }
}

/// The VPCs of which an interface or a subnet was written, made or removed since the previous tables.
pub(super) fn written_since(network: &Network, previous: &Tables) -> Set<VpcId> {
    let mut written = Set::default();
    for eni in network.enis.values() {
        if !previous.enis.find(&eni.id).is_some_and(|entry| Arc::ptr_eq(&entry.eni, eni)) {
            written.insert(eni.vpc);
        }
    }
    for subnet in network.subnets.values() {
        if !previous.subnets.find(&subnet.id).is_some_and(|table| Arc::ptr_eq(&table.subnet, subnet)) {
            written.insert(subnet.vpc);
        }
    }
    let gone_enis = previous.enis().filter(|(_, entry)| !network.enis.contains_key(&entry.eni.id));
    written.extend(gone_enis.map(|(_, entry)| entry.vpc));
    let gone_subnets = previous.subnets.iter().filter(|(_, table)| !network.subnets.contains_key(&table.subnet.id));
    written.extend(gone_subnets.map(|(_, table)| table.subnet.vpc));
    written
}

/// The gateway route table of each internet gateway that is attached to the table's VPC.
pub(super) fn edge_tables(network: &Network) -> Map<InternetGatewayId, RouteTableId> {
    let associations = network.route_tables.values().flat_map(|table| {
        table.associations.iter().filter_map(|association| match association.user {
            TableUser::InternetGateway(gateway) => {
                let attached = network.internet_gateways.get(&gateway).is_some_and(|gateway| gateway.vpc == Some(table.vpc));
                attached.then_some((gateway, table.id))
            }
            TableUser::Main | TableUser::NatGateway(_) | TableUser::Subnet(_) | TableUser::VpnGateway(_) => None,
        })
    });
    associations.collect()
}

/// The addresses of a subnet that AWS keeps: the first four and the last of each block.
fn reserved(subnet: &Subnet) -> impl Iterator<Item = IpAddr> + '_ {
    let v4 = subnet.ipv4_block.into_iter().flat_map(|block| {
        let base = u32::from(block.network());
        (0..4).map(move |n| Ipv4Addr::from(base + n)).chain([block.broadcast()]).map(IpAddr::V4)
    });
    let v6 = subnet.ipv6_blocks.iter().flat_map(|block| {
        let base = u128::from(block.block.network());
        (0..4).map(move |n| (base + n).into()).chain([block.block.broadcast()]).map(IpAddr::V6)
    });
    v4.chain(v6)
}
