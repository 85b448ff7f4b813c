//! Making anew what changed, and noting for whom that matters.

use std::collections::BTreeSet;
use std::mem::take;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use openvpc_model::route::TableUser;
use openvpc_model::table::Anchor;
use openvpc_model::{InternetGatewayId, Network, NetworkInterface, Subnet, VpcId};

use super::entry::MTU;
use super::gateways::GatewayId;
use super::vpc::Host;
use super::work::Work;
use super::{
    EniEntry, EniIndex, Gateway, GatewayIndex, Nacl, Nat, NatSeat, PublicAddress, PublicHolder, Routes, SubnetTable, Tables,
    VpcTable,
};

/// Tables on their way from one network to the next.
///
/// Each step needs those before it to be done, and may leave work for those after it. What has several possible holders in
/// a network that the API would never let come about (an address, a hardware address) goes to the one with the greatest id,
/// so that the result doesn't depend on the steps that led to it.
pub(super) struct Update<'a> {
    network: &'a Network,
    tables: Tables,
    work: Work,
    /// The VPCs, by index, for whose packets something changed.
    moved: BTreeSet<u32>,
    /// The VPCs of gateways that are others now.
    gateway_vpcs: BTreeSet<VpcId>,
    internet_moved: bool,
}

impl<'a> Update<'a> {
    pub fn new(network: &'a Network, mut tables: Tables) -> Self {
        let older = std::mem::replace(&mut tables.network, network.clone());
        let work = Work::between(&older, network, &tables);
        Self { network, tables, work, moved: BTreeSet::new(), gateway_vpcs: BTreeSet::new(), internet_moved: false }
    }

    pub fn run(mut self) -> Tables {
        self.update_routes();
        self.update_nacls();
        self.update_gateways();
        self.update_vpcs();
        self.update_subnets();
        self.update_groups();
        self.update_enis();
        self.update_places();
        self.update_internet();
        self.finish()
    }

    fn update_routes(&mut self) {
        for id in take(&mut self.work.route_tables) {
            let found = self.network.route_tables.get(&id);
            let made = found.and_then(|table| Some(Routes::compile(table, self.network.vpcs.get(&table.vpc)?, self.network)));
            match made {
                None => {
                    self.tables.routes.remove_mut(&id);
                }
                Some(made) if self.tables.routes.get(&id).is_none_or(|kept| made != **kept) => {
                    self.tables.routes.insert_mut(id, Arc::new(made));
                }
                Some(_) => {}
            }
        }
    }

    fn update_nacls(&mut self) {
        for id in take(&mut self.work.nacls) {
            match self.network.nacls.get(&id).map(|nacl| Nacl::compile(nacl)) {
                None => {
                    self.tables.nacls.remove_mut(&id);
                }
                Some(made) if self.tables.nacls.get(&id).is_none_or(|kept| made != **kept) => {
                    self.tables.nacls.insert_mut(id, Arc::new(made));
                }
                Some(_) => {}
            }
        }
    }

    fn update_gateways(&mut self) {
        for id in take(&mut self.work.gateways) {
            let kept = self.tables.gateways.find(&id).cloned();
            let made = match id {
                GatewayId::EgressOnly(id) => self.network.egress_only_gateways.get(&id).map(|g| Gateway::of_egress_only(g)),
                GatewayId::Nat(id) => {
                    let routes = |table| self.tables.routes.get(&table).cloned();
                    self.network.nat_gateways.get(&id).and_then(|gateway| Gateway::of_nat(gateway, routes))
                }
            };
            let made = made.filter(|gateway| self.network.vpcs.contains_key(&gateway.vpc));
            if kept.as_deref() == made.as_ref() {
                continue;
            }
            for gateway in kept.as_deref().into_iter().chain(&made) {
                self.gateway_vpcs.insert(gateway.vpc);
                self.work.public.extend(gateway.regional_addresses());
                if let Some(Nat { place: NatSeat::Zonal(eni), .. }) = gateway.nat() {
                    self.tables.nat_enis.remove_mut(eni);
                }
            }
            let Some(made) = made else {
                self.tables.gateways.remove(&id);
                continue;
            };
            let eni = match made.nat() {
                Some(Nat { place: NatSeat::Zonal(eni), .. }) => Some(*eni),
                _ => None,
            };
            let index = GatewayIndex(self.tables.gateways.set(&id, Arc::new(made)));
            if let Some(eni) = eni {
                self.tables.nat_enis.insert_mut(eni, index);
            }
        }
    }

    fn update_vpcs(&mut self) {
        for id in take(&mut self.work.vpcs) {
            let kept = self.tables.vpcs.find(&id).cloned();
            let Some(vpc) = self.network.vpcs.get(&id) else {
                self.moved.extend(self.tables.vpcs.index(&id));
                self.tables.vpcs.remove(&id);
                self.work.internet_blocks |= kept.is_some();
                continue;
            };
            let gateway = self.network.internet_gateway_of(id).map(|gateway| gateway.id);
            let places = kept.as_deref().cloned().unwrap_or_else(|| VpcTable::new(vpc));
            let made = VpcTable {
                vpc: Arc::clone(vpc),
                gateway,
                edge: self.edge(gateway, id),
                egress_only: self.network.egress_only_gateways.by(Anchor::Vpc(id)).next().map(|gateway| gateway.id),
                public_access: self.network.public_access_of_vpc(&vpc.owner, id),
                ..places
            };
            let alike = kept.as_ref().is_some_and(|kept| kept.is_alike(&made));
            let connected = kept.is_some_and(|kept| kept.gateway.is_some());
            if connected != made.gateway.is_some() {
                let enis = self.network.enis.by(Anchor::Vpc(id));
                self.work.public.extend(enis.flat_map(|eni| public_addresses(eni).map(|(_, public)| public)));
                let regional = self.tables.gateways.iter().filter(|(_, gateway)| gateway.vpc == id);
                self.work.public.extend(regional.flat_map(|(_, gateway)| gateway.regional_addresses()));
            }
            let index = self.tables.vpcs.set(&id, Arc::new(made));
            if !alike {
                self.moved.insert(index);
                self.work.internet_blocks = true;
            }
        }
    }

    /// The gateway route table of a VPC's internet gateway.
    fn edge(&self, gateway: Option<InternetGatewayId>, vpc: VpcId) -> Option<Arc<Routes>> {
        let user = TableUser::InternetGateway(gateway?);
        let mut tables = self.network.route_tables.by(Anchor::Vpc(vpc));
        let table = tables.find(|table| table.associations.iter().any(|association| association.user == user))?;
        self.tables.routes.get(&table.id).cloned()
    }

    fn update_subnets(&mut self) {
        for id in take(&mut self.work.subnets) {
            let kept = self.tables.subnets.find(&id).cloned();
            let made = self.network.subnets.get(&id).and_then(|subnet| self.subnet(subnet, kept.as_deref()));
            let alike = match (&kept, &made) {
                (Some(kept), Some(made)) => kept.is_alike(made),
                (None, None) => true,
                _ => false,
            };
            if !alike {
                self.moved.extend(kept.iter().map(|kept| kept.vpc_index).chain(made.iter().map(|made| made.vpc_index)));
            }
            match made {
                Some(made) => {
                    self.tables.subnets.set(&id, Arc::new(made));
                }
                None => {
                    self.tables.subnets.remove(&id);
                }
            }
        }
        for id in take(&mut self.work.blocks) {
            if let Some(table) = self.tables.vpcs.find_mut(&id) {
                table.set_subnets(self.network.subnets_of(id));
            }
        }
    }

    fn subnet(&self, subnet: &Arc<Subnet>, kept: Option<&SubnetTable>) -> Option<SubnetTable> {
        let vpc = self.network.vpcs.get(&subnet.vpc)?;
        let vpc_index = self.tables.vpcs.index(&vpc.id)?;
        let nacl = self.tables.nacls.get(&subnet.nacl.nacl).cloned().unwrap_or_else(|| Arc::new(Nacl::closed(subnet.nacl.nacl)));
        let routes = self.network.route_table_of(subnet).and_then(|table| self.tables.routes.get(&table.id)).cloned();
        let routes = routes.unwrap_or_else(|| Arc::new(Routes::none(vpc.main_route_table)));
        let fresh = || SubnetTable::new(subnet, vpc_index, Arc::clone(&nacl), Arc::clone(&routes));
        let neighbours = kept.cloned().unwrap_or_else(fresh);
        let public_access = self.network.public_access_of_subnet(subnet);
        Some(SubnetTable { subnet: Arc::clone(subnet), vpc_index, nacl, routes, public_access, ..neighbours })
    }

    fn update_groups(&mut self) {
        for list in take(&mut self.work.group_lists) {
            if self.tables.groups.refresh(list, self.network) {
                self.moved.extend(self.tables.groups.vpcs(list));
            }
        }
    }

    fn update_enis(&mut self) {
        for id in take(&mut self.work.enis) {
            let kept = self.tables.enis.find(&id).cloned();
            let made = self.network.enis.get(&id).and_then(|eni| self.eni(eni));
            // The list that was made above is held once more than it should be until that of before is released.
            if let Some(kept) = &kept {
                self.tables.groups.release(kept.groups, kept.vpc_index);
            }
            let alike = match (&kept, &made) {
                (Some(kept), Some(made)) => kept.is_alike(made),
                (None, None) => true,
                _ => false,
            };
            if !alike {
                kept.as_deref().into_iter().chain(&made).for_each(|entry| self.touch(entry));
            }
            match made {
                Some(made) => {
                    self.tables.enis.set(&id, Arc::new(made));
                }
                None => {
                    self.tables.enis.remove(&id);
                }
            }
        }
    }

    fn eni(&mut self, eni: &Arc<NetworkInterface>) -> Option<EniEntry> {
        let subnet_index = self.tables.subnets.find(&eni.subnet).and_then(|_| self.tables.subnets.index(&eni.subnet))?;
        let vpc_index = self.tables.vpcs.find(&eni.vpc).and_then(|_| self.tables.vpcs.index(&eni.vpc))?;
        Some(EniEntry {
            eni: Arc::clone(eni),
            subnet: eni.subnet,
            vpc: eni.vpc,
            instance: eni.attachment.as_ref().map(|attachment| attachment.instance),
            running: self.network.carries_packets(eni),
            mtu: MTU,
            subnet_index,
            vpc_index,
            nat: self.tables.nat_enis.get(&eni.id).copied(),
            groups: self.tables.groups.acquire(&eni.groups, vpc_index, self.network),
        })
    }

    /// Notes all that an interface had or gets.
    fn touch(&mut self, entry: &EniEntry) {
        let eni = &entry.eni;
        self.moved.insert(entry.vpc_index);
        self.work.addresses.extend(eni.addresses().map(|address| (eni.vpc, address)));
        self.work.prefixes.extend(eni.prefixes().map(|prefix| (eni.vpc, prefix)));
        self.work.neighbours.insert((eni.subnet, eni.mac));
        self.work.public.extend(public_addresses(eni).map(|(_, public)| public));
    }

    /// Who has which address, prefix and hardware address.
    fn update_places(&mut self) {
        for (vpc, address) in take(&mut self.work.addresses) {
            let host = self.holder(Anchor::Address(address), |eni| eni.vpc == vpc).map(|(index, entry)| {
                let own = public_addresses(&entry.eni).find(|(private, _)| IpAddr::V4(*private) == address);
                self.host(index, entry, own.map(|(_, public)| public))
            });
            if let Some(table) = self.tables.vpcs.find_mut(&vpc) {
                table.set_host(address, host);
            }
        }
        for (vpc, prefix) in take(&mut self.work.prefixes) {
            let holder = self.holder(Anchor::Prefix(prefix), |eni| eni.vpc == vpc);
            let host = holder.map(|(index, entry)| self.host(index, entry, None));
            if let Some(table) = self.tables.vpcs.find_mut(&vpc) {
                table.set_delegated(prefix, host);
            }
        }
        for (subnet, mac) in take(&mut self.work.neighbours) {
            let holder = self.holder(Anchor::Mac(mac), |eni| eni.subnet == subnet).map(|(index, _)| index);
            if let Some(table) = self.tables.subnets.find_mut(&subnet) {
                table.set_neighbour(mac, holder);
            }
        }
    }

    /// The last interface that names an anchor, fits, and has a place in the tables.
    fn holder(&self, anchor: Anchor, fits: impl Fn(&NetworkInterface) -> bool) -> Option<(EniIndex, &EniEntry)> {
        let named = self.network.enis.by(anchor).filter(|eni| fits(eni));
        let known = named.filter_map(|eni| {
            let index = self.tables.enis.index(&eni.id)?;
            Some((EniIndex(index), self.tables.enis.at(index)?.as_ref()))
        });
        known.last()
    }

    fn host(&self, eni: EniIndex, entry: &EniEntry, public: Option<Ipv4Addr>) -> Host {
        let classes = self.tables.groups(entry).map(|groups| Arc::clone(&groups.classes));
        Host { eni, public, classes: classes.unwrap_or_default() }
    }

    fn update_internet(&mut self) {
        for public in take(&mut self.work.public) {
            let is_connected = |eni: &NetworkInterface| self.tables.vpcs.find(&eni.vpc).is_some_and(|vpc| vpc.gateway.is_some());
            let holder = self.holder(Anchor::PublicAddress(public), is_connected).and_then(|(eni, entry)| {
                let (private, _) = public_addresses(&entry.eni).find(|(_, own)| *own == public)?;
                Some(PublicAddress { vpc_index: entry.vpc_index, holder: PublicHolder::Eni { eni, private } })
            });
            let holder = holder.or_else(|| self.regional_holder(public));
            self.internet_moved |= self.tables.internet.set_ipv4(public, holder);
        }
        if take(&mut self.work.internet_blocks) {
            self.internet_moved |= self.tables.internet.set_ipv6(self.tables.vpcs.iter());
        }
    }

    /// The regional NAT gateway that has a public address.
    fn regional_holder(&self, public: Ipv4Addr) -> Option<PublicAddress> {
        let users = self.network.elastic_ips.by(Anchor::PublicAddress(public));
        let user = users.filter_map(|eip| eip.nat_gateway.as_ref()).last()?.gateway;
        let index = self.tables.gateways.index(&GatewayId::Nat(user))?;
        let gateway = self.tables.gateways.at(index)?;
        gateway.regional_addresses().find(|own| *own == public)?;
        let vpc_index = self.tables.vpcs.index(&gateway.vpc)?;
        self.tables.vpc(vpc_index)?.gateway?;
        Some(PublicAddress { vpc_index, holder: PublicHolder::Gateway(GatewayIndex(index)) })
    }

    fn finish(mut self) -> Tables {
        let indexes = self.gateway_vpcs.iter().filter_map(|vpc| self.tables.vpcs.index(vpc));
        self.moved.extend(indexes.collect::<Vec<_>>());
        let tables = &mut self.tables;
        tables.generation += 1;
        tables.vpc_generations.grow(tables.vpcs.given());
        for index in self.moved {
            if let Some(generation) = tables.vpc_generations.get_mut(index as usize) {
                *generation = tables.generation;
            }
        }
        if self.internet_moved {
            tables.internet_generation = tables.generation;
        }
        self.tables
    }
}

/// The private addresses that have a public one, with it.
fn public_addresses(eni: &NetworkInterface) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
    eni.private_addresses.iter().filter_map(|private| Some((private.address, private.public.as_ref()?.address)))
}
