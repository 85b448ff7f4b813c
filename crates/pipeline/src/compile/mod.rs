//! From a [`Network`] to the [`Tables`] that packets are judged by.
//!
//! A network names things by id and keeps what users wrote; tables answer what a packet asks. Compiling is split the way
//! resources change: one table per list of security groups, network ACL, route table, interface, VPC and subnet. Tables know
//! the network that they were made of, and both share with their clones what wasn't changed; so a compile asks the network
//! what was written since, makes anew what that concerns, and costs no more than that, whatever else exists: a rule added
//! to a group costs the compile of that group's rules. Rules are never multiplied by members: a security group reference is
//! a class number, and the VPC's address table says which classes an address belongs to. Rules and routes that name a
//! managed prefix list are compiled with its entries, and again when it changes.
//!
//! There is no other way to compile: tables made at once are those of an empty network in which everything was written.
//! What concerns what is in `work.rs`, how it is made anew in `update.rs`.
//!
//! A compile also says what it may have changed for packets: see [`Tables::vpc_generation`].

mod chunked;
mod entry;
mod gateways;
mod groups;
mod internet;
mod nacl;
mod routes;
mod slots;
mod subnet;
mod update;
mod vpc;
mod work;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use openvpc_model::interface::MacAddress;
use openvpc_model::{EniId, NaclId, Network, RouteTableId, SubnetId, VpcId};

use chunked::Chunked;
use groups::GroupLists;
use slots::Slots;
use update::Update;

use crate::stages::services;
use crate::verdict::ResourceId;

pub use entry::{EniEntry, EniIndex, MTU, NextHop};
pub use gateways::GatewayIndex;
pub(crate) use gateways::{Gateway, GatewayKind, Gateways, Nat, NatSeat, target as gateway_target};
pub(crate) use groups::{Admission, ClassId, SecurityGroups};
pub(crate) use internet::{Internet, PublicAddress, PublicHolder};
pub(crate) use nacl::Nacl;
pub(crate) use routes::{Route, Routes};
pub(crate) use subnet::SubnetTable;
pub(crate) use vpc::{Place, VpcTable};

/// A map that shares with its clones what wasn't changed since.
pub(crate) type Trie<K, V> = rpds::HashTrieMapSync<K, V, foldhash::fast::RandomState>;

/// All interfaces, with their numbers.
pub(crate) type Interfaces = Slots<EniId, EniEntry>;

/// A compiled network: what packets are judged by. Immutable; swapped as a whole. A clone costs next to nothing.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    generation: u64,
    vpc_generations: Chunked<u64>,
    internet_generation: u64,
    /// What they were compiled of.
    network: Network,
    enis: Interfaces,
    subnets: Slots<SubnetId, SubnetTable>,
    vpcs: Slots<VpcId, VpcTable>,
    gateways: Gateways,
    /// Interfaces of NAT gateways.
    nat_enis: Trie<EniId, GatewayIndex>,
    internet: Internet,
    groups: GroupLists,
    nacls: Trie<NaclId, Arc<Nacl>>,
    routes: Trie<RouteTableId, Arc<Routes>>,
}

/// Compiles a network, keeping all parts of the previous tables whose sources didn't change.
///
/// The interfaces keep their indexes. A resource whose surroundings are missing (an interface without its subnet) gets no
/// table, so that packets to and from it are dropped.
pub fn compile(network: &Network, previous: Option<&Tables>) -> Tables {
    Update::new(network, previous.cloned().unwrap_or_default()).run()
}

impl Tables {
    /// Grows by one with every compile.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The index of a VPC, stable for the VPC's life over recompiles and never reused in a process.
    pub fn vpc_index(&self, id: VpcId) -> Option<u32> {
        self.vpcs.index(&id)
    }

    /// The generation of the last compile that changed what could change a verdict about a packet that touches the VPC of
    /// that index ([`EniEntry::vpc_index`]): its interfaces and their groups, network ACLs, routes, subnets, gateway, prefix
    /// lists that any of these name, instances that start and stop. What else changes (another VPC, tags, flow logs) leaves
    /// it, and it never goes back. Zero for an index that no VPC ever had.
    pub fn vpc_generation(&self, vpc_index: u32) -> u64 {
        self.vpc_generations.get(vpc_index as usize).copied().unwrap_or(0)
    }

    /// The same as [`Self::vpc_generation`] for packets between a gateway and the internet, or from gateway to gateway: who has which public address.
    /// Such a packet touches the VPCs at its ends as well.
    pub fn internet_generation(&self) -> u64 {
        self.internet_generation
    }

    /// The VPCs, by index, whose generation isn't that of older tables, with their generations.
    pub fn vpcs_moved_since<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = (u32, u64)> + 'a {
        let beside = self.vpc_generations.beside(&older.vpc_generations);
        beside
            .filter(|(_, now, before)| now.unwrap_or(&0) != before.unwrap_or(&0))
            .filter_map(|(index, now, _)| Some((index as u32, *now?)))
    }

    /// The interfaces of older tables that are no more.
    pub fn gone_since<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = EniIndex> + 'a {
        self.enis.gone_since(&older.enis).map(EniIndex)
    }

    /// What is known of an interface.
    #[inline]
    pub fn eni(&self, index: EniIndex) -> Option<&EniEntry> {
        self.enis.at(index.0).map(Arc::as_ref)
    }

    /// The index of an interface.
    pub fn eni_index(&self, id: EniId) -> Option<EniIndex> {
        self.enis.index(&id).map(EniIndex)
    }

    /// All interfaces.
    pub fn enis(&self) -> impl Iterator<Item = (EniIndex, &EniEntry)> {
        self.enis.iter().map(|(index, entry)| (EniIndex(index), entry.as_ref()))
    }

    /// The hardware address that answers ARP or neighbour solicitation for `target` asked from `eni`: the router's, for its
    /// own addresses and the link-local services, or that of another interface of the same subnet. None for the asker's own
    /// addresses, so that duplicate address detection succeeds.
    pub fn resolve(&self, eni: EniIndex, target: IpAddr) -> Option<MacAddress> {
        let entry = self.eni(eni)?;
        let subnet = self.subnet(entry.subnet_index)?;
        let vpc = self.vpc(entry.vpc_index)?;
        // The services' addresses are on the link for hosts that know the link-local block as such, and base plus two is
        // in the first subnet.
        if subnet.is_router(target) || services::listener(vpc, target).is_some() {
            return Some(subnet.router_mac);
        }
        let host = vpc.host(target).filter(|host| host.eni != eni)?;
        let owner = self.eni(host.eni)?;
        (owner.subnet_index == entry.subnet_index).then_some(owner.eni.mac)
    }

    /// Where a frame with that destination goes from `eni`. None when nobody in the subnet has the hardware address, and
    /// for group addresses.
    pub fn next_hop(&self, eni: EniIndex, destination: MacAddress) -> Option<NextHop> {
        let subnet = self.subnet(self.eni(eni)?.subnet_index)?;
        if destination == subnet.router_mac {
            return Some(NextHop::Router);
        }
        subnet.enis_by_mac.get(&destination).map(|index| NextHop::Eni(*index))
    }

    /// The hardware address of the VPC's router as `eni` sees it; one per subnet. The router's IPv6 link-local address is
    /// made from it. All zeros when there is no such interface.
    pub fn router_mac(&self, eni: EniIndex) -> MacAddress {
        let subnet = self.eni(eni).and_then(|entry| self.subnet(entry.subnet_index));
        subnet.map_or(MacAddress([0; 6]), |subnet| subnet.router_mac)
    }

    /// The interface that a public IPv4 address stands for, if the address is in use in a VPC with an internet gateway.
    pub fn public_ipv4(&self, address: Ipv4Addr) -> Option<EniIndex> {
        match self.internet.ipv4(address)?.holder {
            PublicHolder::Eni { eni, .. } => Some(eni),
            PublicHolder::Gateway(_) => None,
        }
    }

    /// The NAT gateways and egress-only internet gateways that work.
    pub fn flow_gateways(&self) -> impl Iterator<Item = (GatewayIndex, ResourceId)> {
        self.gateways.iter().map(|(index, gateway)| (GatewayIndex(index), gateway.resource()))
    }

    /// The gateway of a hop or drop, as long as it works.
    pub fn gateway_index(&self, resource: ResourceId) -> Option<GatewayIndex> {
        let id = match resource {
            ResourceId::EgressOnlyGateway(id) => gateways::GatewayId::EgressOnly(id),
            ResourceId::NatGateway(id) => gateways::GatewayId::Nat(id),
            _ => return None,
        };
        self.gateways.index(&id).map(GatewayIndex)
    }

    #[inline]
    pub(crate) fn gateway(&self, index: GatewayIndex) -> Option<&Gateway> {
        self.gateways.at(index.0).map(Arc::as_ref)
    }

    /// The gateway that a route names, if it works and is in that VPC.
    pub(crate) fn gateway_of(&self, target: openvpc_model::RouteTarget, vpc: VpcId) -> Option<GatewayIndex> {
        let index = self.gateways.index(&gateway_target(target)?).map(GatewayIndex)?;
        self.gateway(index).filter(|gateway| gateway.vpc == vpc).map(|_| index)
    }

    /// The egress-only internet gateway of a VPC.
    pub(crate) fn egress_only_of(&self, vpc: &VpcTable) -> Option<GatewayIndex> {
        let index = self.gateways.index(&gateways::GatewayId::EgressOnly(vpc.egress_only?)).map(GatewayIndex)?;
        self.gateway(index).map(|_| index)
    }

    pub(crate) fn gateways(&self) -> &Gateways {
        &self.gateways
    }

    /// The network that they were compiled of.
    pub fn network(&self) -> &Network {
        &self.network
    }

    #[inline]
    pub(crate) fn subnet(&self, index: u32) -> Option<&SubnetTable> {
        self.subnets.at(index).map(Arc::as_ref)
    }

    #[inline]
    pub(crate) fn vpc(&self, index: u32) -> Option<&VpcTable> {
        self.vpcs.at(index).map(Arc::as_ref)
    }

    /// The list of security groups of an interface.
    #[inline]
    pub(crate) fn groups(&self, eni: &EniEntry) -> Option<&SecurityGroups> {
        self.groups.at(eni.groups)
    }

    pub(crate) fn internet(&self) -> &Internet {
        &self.internet
    }

    pub(crate) fn interfaces(&self) -> &Interfaces {
        &self.enis
    }
}

/// Whether two parts of tables are the same or at least alike.
fn is_same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// For the proof that it doesn't matter in which steps tables were made.
#[cfg(any(test, feature = "testing"))]
impl Tables {
    /// The tables of the same network made at once, with the same numbers.
    pub fn made_at_once(&self) -> Self {
        let numbers = Self {
            enis: self.enis.emptied(),
            subnets: self.subnets.emptied(),
            vpcs: self.vpcs.emptied(),
            gateways: self.gateways.emptied(),
            groups: self.groups.emptied(),
            ..Self::default()
        };
        compile(&self.network, Some(&numbers))
    }

    /// The part in which two tables differ, generations aside.
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let same = [
            ("interfaces", self.enis == other.enis),
            ("subnets", self.subnets == other.subnets),
            ("vpcs", self.vpcs == other.vpcs),
            ("gateways", self.gateways == other.gateways && self.nat_enis == other.nat_enis),
            ("internet", self.internet == other.internet),
            ("groups", self.groups == other.groups),
            ("network ACLs", self.nacls == other.nacls),
            ("routes", self.routes == other.routes),
        ];
        same.into_iter().find_map(|(part, same)| (!same).then_some(part))
    }
}
