//! From a [`Network`] to the [`Tables`] that packets are judged by.
//!
//! A network names things by id and keeps what users wrote; tables answer what a packet asks. Compiling is split the way
//! resources change: one table per list of security groups, network ACL, route table, interface, VPC and subnet, each
//! behind an `Arc`. A compile compares the `Arc`s of the network's resources with those that the previous tables were made
//! of and makes anew only the tables whose sources were written since; so a rule added to one group costs the compile of
//! that group's rules, whatever else exists. Rules are never multiplied by members: a security group reference is a class
//! number, and the VPC's address table says which classes an address belongs to. Rules and routes that name a managed prefix
//! list are compiled with its entries, and again when it changes.

mod entry;
mod groups;
mod internet;
mod lists;
mod nacl;
mod routes;
mod slots;
mod subnet;
mod vpc;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use openvpc_model::interface::MacAddress;
use openvpc_model::{EniId, InternetGatewayId, NaclId, Network, RouteTableId, SecurityGroupId, SubnetId, VpcId};

use crate::{Map, Set};
use slots::Slots;

pub use entry::{EniEntry, EniIndex, MTU, NextHop};
pub(crate) use groups::{Admission, ClassId, SecurityGroups};
pub(crate) use internet::{Internet, PublicAddress};
pub(crate) use nacl::Nacl;
pub(crate) use routes::{Route, Routes};
pub(crate) use subnet::SubnetTable;
pub(crate) use vpc::{Place, VpcTable};

/// A compiled network: what packets are judged by. Immutable; swapped as a whole.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    generation: u64,
    enis: Slots<EniId, EniEntry>,
    subnets: Slots<SubnetId, SubnetTable>,
    vpcs: Slots<VpcId, VpcTable>,
    internet: Arc<Internet>,
    classes: Map<SecurityGroupId, ClassId>,
    groups: Map<Vec<SecurityGroupId>, Arc<SecurityGroups>>,
    nacls: Map<NaclId, Arc<Nacl>>,
    routes: Map<RouteTableId, Arc<Routes>>,
}

/// Compiles a network, keeping all parts of the previous tables whose sources didn't change.
///
/// The interfaces keep their indexes. A resource whose surroundings are missing (an interface without its subnet) gets no
/// table, so that packets to and from it are dropped.
pub fn compile(network: &Network, previous: Option<&Tables>) -> Tables {
    let nothing = Tables::default();
    let previous = previous.unwrap_or(&nothing);
    let mut tables = Tables {
        generation: previous.generation + 1,
        enis: previous.enis.emptied(),
        subnets: previous.subnets.emptied(),
        vpcs: previous.vpcs.emptied(),
        ..Tables::default()
    };
    tables.compile_filters_and_routes(network, previous);
    tables.compile_enis(network, previous);
    tables.compile_subnets(network, previous);
    tables.compile_vpcs(network, previous);
    tables.enis.prune();
    tables.subnets.prune();
    tables.vpcs.prune();
    tables
}

impl Tables {
    /// Grows by one with every compile.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Moves with every compile that changed what could change a verdict about a packet that touches the VPC of that index
    /// ([`EniEntry::vpc_index`]), and with no other. It never goes back.
    pub fn vpc_generation(&self, _vpc_index: u32) -> u64 {
        self.generation
    }

    /// The same for packets between gateways and the internet, and from gateway to gateway: who has which public address.
    /// Such a packet touches the VPCs at its ends as well.
    pub fn internet_generation(&self) -> u64 {
        self.generation
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

    /// The hardware address that answers ARP or neighbour solicitation for `target` asked from `eni`: the router's, or that
    /// of another interface of the same subnet. None for the asker's own addresses, so that duplicate address detection
    /// succeeds.
    pub fn resolve(&self, eni: EniIndex, target: IpAddr) -> Option<MacAddress> {
        let entry = self.eni(eni)?;
        let subnet = self.subnet(entry.subnet_index)?;
        if subnet.is_router(target) {
            return Some(subnet.router_mac);
        }
        let host = self.vpc(entry.vpc_index)?.host(target).filter(|host| host.eni != eni)?;
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
        self.internet.ipv4(address).map(|public| public.eni)
    }

    #[inline]
    pub(crate) fn subnet(&self, index: u32) -> Option<&SubnetTable> {
        self.subnets.at(index).map(Arc::as_ref)
    }

    #[inline]
    pub(crate) fn vpc(&self, index: u32) -> Option<&VpcTable> {
        self.vpcs.at(index).map(Arc::as_ref)
    }

    pub(crate) fn internet(&self) -> &Internet {
        &self.internet
    }
}

impl Tables {
    fn compile_filters_and_routes(&mut self, network: &Network, previous: &Self) {
        self.classes = previous.classes.clone();
        for eni in network.enis.values() {
            if !self.groups.contains_key(&eni.groups) {
                let kept = previous.groups.get(&eni.groups).filter(|groups| groups.is_current(network)).cloned();
                let made = kept.unwrap_or_else(|| Arc::new(SecurityGroups::compile(&eni.groups, network, &mut self.classes)));
                self.groups.insert(eni.groups.clone(), made);
            }
        }
        for nacl in network.nacls.values() {
            let kept = previous.nacls.get(&nacl.id).filter(|made| made.is_current(nacl)).cloned();
            self.nacls.insert(nacl.id, kept.unwrap_or_else(|| Arc::new(Nacl::compile(nacl))));
        }
        for table in network.route_tables.values() {
            let Some(vpc) = network.vpcs.get(&table.vpc) else { continue };
            let kept = previous.routes.get(&table.id).filter(|made| made.is_current(table, vpc, network)).cloned();
            self.routes.insert(table.id, kept.unwrap_or_else(|| Arc::new(Routes::compile(table, vpc, network))));
        }
    }

    fn compile_enis(&mut self, network: &Network, previous: &Self) {
        for eni in network.enis.values() {
            let (Some(subnet), Some(groups)) = (network.subnets.get(&eni.subnet), self.groups.get(&eni.groups)) else { continue };
            let (subnet_index, vpc_index) = (self.subnets.reserve(eni.subnet), self.vpcs.reserve(eni.vpc));
            let made = EniEntry {
                eni: eni.clone(),
                subnet: subnet.clone(),
                vpc: eni.vpc,
                instance: eni.attachment.as_ref().map(|attachment| attachment.instance),
                running: network.carries_packets(eni),
                mtu: entry::MTU,
                subnet_index,
                vpc_index,
                groups: groups.clone(),
            };
            let index = self.enis.reserve(eni.id);
            let kept = previous.enis.at(index).filter(|kept| kept.is_same(&made)).cloned();
            self.enis.set(index, kept.unwrap_or_else(|| Arc::new(made)));
        }
    }

    fn compile_subnets(&mut self, network: &Network, previous: &Self) {
        let users = subnet::Users::of(network);
        let mut enis: Map<SubnetId, Vec<EniIndex>> = Map::default();
        for (index, entry) in self.enis() {
            enis.entry(entry.subnet.id).or_default().push(index);
        }
        for subnet in network.subnets.values() {
            let Some(vpc) = network.vpcs.get(&subnet.vpc) else { continue };
            let routes = self.routes.get(&users.route_table(subnet, vpc));
            let nacl = users.nacl(subnet, vpc);
            let made = SubnetTable::compile(
                subnet,
                self.vpcs.reserve(subnet.vpc),
                self.nacls.get(&nacl).cloned().unwrap_or_else(|| Arc::new(Nacl::closed(nacl))),
                routes.cloned().unwrap_or_else(|| Arc::new(Routes::none(vpc.main_route_table))),
                enis.get(&subnet.id).into_iter().flatten().filter_map(|index| Some((self.eni(*index)?.eni.mac, *index))),
            );
            let index = self.subnets.reserve(subnet.id);
            let kept = previous.subnets.at(index).filter(|kept| kept.is_same(&made)).cloned();
            self.subnets.set(index, kept.unwrap_or_else(|| Arc::new(made)));
        }
    }

    fn compile_vpcs(&mut self, network: &Network, previous: &Self) {
        let mut stale = vpc::written_since(network, previous);
        let gateways: Map<VpcId, _> = network.internet_gateways.values().filter_map(|g| Some((g.vpc?, g.id))).collect();
        let edges = vpc::edge_tables(network);
        let edge_of = |gateway: Option<InternetGatewayId>| self.routes.get(edges.get(&gateway?)?).cloned();
        let ways: Map<VpcId, _> = network
            .vpcs
            .values()
            .map(|vpc| {
                let gateway = gateways.get(&vpc.id).copied();
                (vpc.id, (gateway, edge_of(gateway)))
            })
            .collect();
        for vpc in network.vpcs.values() {
            let (gateway, edge) = &ways[&vpc.id];
            if !previous.vpcs.find(&vpc.id).is_some_and(|kept| kept.is_same(vpc, *gateway, edge.as_ref())) {
                stale.insert(vpc.id);
            }
        }
        let mut members = self.members(network, &stale);
        for vpc in network.vpcs.values() {
            let index = self.vpcs.reserve(vpc.id);
            let kept = previous.vpcs.at(index).filter(|_| !stale.contains(&vpc.id)).cloned();
            let table = kept.unwrap_or_else(|| {
                let (gateway, edge) = ways[&vpc.id].clone();
                Arc::new(VpcTable::compile(vpc, gateway, edge, &members.remove(&vpc.id).unwrap_or_default()))
            });
            self.vpcs.set(index, table);
        }
        let gone = previous.vpcs.iter().any(|(_, table)| !network.vpcs.contains_key(&table.vpc.id));
        let same = stale.is_empty() && !gone;
        self.internet = if same { previous.internet.clone() } else { Arc::new(Internet::compile(self.vpcs.iter())) };
    }

    /// The interfaces and subnets of some VPCs.
    fn members<'a>(&self, network: &'a Network, vpcs: &Set<VpcId>) -> Map<VpcId, vpc::Members<'a>> {
        let mut members: Map<VpcId, vpc::Members<'_>> = Map::default();
        for eni in network.enis.values().filter(|eni| vpcs.contains(&eni.vpc)) {
            if let (Some(index), Some(groups)) = (self.enis.index(&eni.id), self.groups.get(&eni.groups)) {
                members.entry(eni.vpc).or_default().enis.push((EniIndex(index), eni, groups.classes.clone()));
            }
        }
        for subnet in network.subnets.values().filter(|subnet| vpcs.contains(&subnet.vpc)) {
            members.entry(subnet.vpc).or_default().subnets.push(subnet);
        }
        members
    }
}
