//! What a change concerns: the keys of all that is to be made anew.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::interface::MacAddress;
use openvpc_model::network::Resource;
use openvpc_model::public_access::ExcludedResource;
use openvpc_model::route::TableUser;
use openvpc_model::table::{Anchor, Table};
use openvpc_model::{EniId, NaclId, Network, RouteTable, RouteTableId, SubnetId, VpcId};

use super::Tables;
use super::gateways::{self, GatewayId};
use super::groups::has_same_rules;

/// Keys to look at again. What is found to be as it was stays.
#[derive(Default)]
pub(super) struct Work {
    pub vpcs: BTreeSet<VpcId>,
    pub subnets: BTreeSet<SubnetId>,
    pub enis: BTreeSet<EniId>,
    pub route_tables: BTreeSet<RouteTableId>,
    pub nacls: BTreeSet<NaclId>,
    pub gateways: BTreeSet<GatewayId>,
    /// Lists of security groups, by index.
    pub group_lists: BTreeSet<u32>,
    /// VPCs of which the blocks of subnets may be others.
    pub blocks: BTreeSet<VpcId>,
    /// The rest is found on the way.
    pub addresses: BTreeSet<(VpcId, IpAddr)>,
    pub prefixes: BTreeSet<(VpcId, IpNet)>,
    pub neighbours: BTreeSet<(SubnetId, MacAddress)>,
    pub public: BTreeSet<Ipv4Addr>,
    /// Whether the IPv6 blocks that the internet reaches may be others.
    pub internet_blocks: bool,
}

impl Work {
    /// What changed between two networks, and what tables of the older one have to do with it.
    pub fn between(older: &Network, network: &Network, tables: &Tables) -> Self {
        let mut work = Self {
            vpcs: changed(older, network, |network| &network.vpcs),
            subnets: changed(older, network, |network| &network.subnets),
            enis: changed(older, network, |network| &network.enis),
            route_tables: changed(older, network, |network| &network.route_tables),
            nacls: changed(older, network, |network| &network.nacls),
            ..Self::default()
        };
        let both = [older, network];
        for id in changed(older, network, |network| &network.security_groups) {
            let [before, now] = both.map(|network| network.security_groups.get(&id).map(Arc::as_ref));
            if !has_same_rules(before, now) {
                work.group_lists.extend(tables.groups.with(id));
            }
        }
        for id in changed(older, network, |network| &network.prefix_lists) {
            let anchor = Anchor::PrefixList(id);
            work.group_lists.extend(network.security_groups.by(anchor).flat_map(|group| tables.groups.with(group.id)));
            work.route_tables.extend(network.route_tables.by(anchor).map(|table| table.id));
        }
        for id in changed(older, network, |network| &network.instances) {
            work.enis.extend(network.enis.by(Anchor::Instance(id)).map(|eni| eni.id));
        }
        for id in changed(older, network, |network| &network.internet_gateways) {
            work.vpcs.extend(both.iter().filter_map(|network| network.internet_gateways.get(&id)?.vpc));
        }
        let same_vpn =
            network.vpn_gateways.is_same(&older.vpn_gateways) && network.vpn_connections.is_same(&older.vpn_connections);
        if !same_vpn {
            let tables = network.route_tables.values().filter(|table| !table.propagating.is_empty());
            work.route_tables.extend(tables.map(|table| table.id));
        }
        work.add_gateways(both);
        work.add_public_access(both);
        work.add_what_is_in_vpcs(both);
        work.add_what_is_in_subnets(both);
        work.add_users_of_tables(both);
        work.add_users_of_nacls(network);
        work
    }

    fn add_gateways(&mut self, both: [&Network; 2]) {
        let [older, network] = both;
        let nat = changed(older, network, |network| &network.nat_gateways).into_iter().map(GatewayId::Nat);
        let egress_only = changed(older, network, |network| &network.egress_only_gateways);
        for id in &egress_only {
            self.vpcs.extend(both.iter().filter_map(|network| Some(network.egress_only_gateways.get(id)?.vpc)));
        }
        self.gateways.extend(nat.chain(egress_only.into_iter().map(GatewayId::EgressOnly)));
        self.enis.extend(self.gateways.iter().flat_map(|id| both.map(|network| gateways::eni_of(network, *id))).flatten());
        if !network.elastic_ips.is_same(&older.elastic_ips) {
            for id in network.elastic_ips.changed_since(&older.elastic_ips) {
                let eips = both.iter().filter_map(|network| network.elastic_ips.get(&id));
                self.public.extend(eips.filter(|eip| eip.nat_gateway.is_some()).map(|eip| eip.address));
            }
        }
    }

    /// What Block Public Access may say otherwise.
    fn add_public_access(&mut self, both: [&Network; 2]) {
        let [older, network] = both;
        for owner in changed(older, network, |network| &network.regions) {
            let [before, now] = both.map(|network| network.regions.get(&owner).map(|region| region.public_access.mode));
            if before.unwrap_or_default() != now.unwrap_or_default() {
                let owned = network.vpcs.values().filter(|vpc| vpc.owner == owner).map(|vpc| vpc.id);
                self.vpcs.extend(owned);
                self.subnets.extend(network.subnets.values().filter(|subnet| subnet.owner == owner).map(|subnet| subnet.id));
            }
        }
        for id in changed(older, network, |network| &network.public_access_exclusions) {
            for exclusion in both.iter().filter_map(|network| network.public_access_exclusions.get(&id)) {
                match exclusion.resource {
                    ExcludedResource::Vpc(vpc) => {
                        self.vpcs.insert(vpc);
                        self.subnets.extend(network.subnets_of(vpc).map(|subnet| subnet.id));
                    }
                    ExcludedResource::Subnet(subnet) => {
                        self.subnets.insert(subnet);
                    }
                }
            }
        }
    }

    fn add_what_is_in_vpcs(&mut self, both: [&Network; 2]) {
        let [_, network] = both;
        for id in &self.vpcs {
            let vpcs = both.map(|network| network.vpcs.get(id));
            let [before, now] = vpcs.map(|vpc| vpc.map(|vpc| vpc.blocks().collect::<Vec<_>>()));
            if before != now {
                self.route_tables.extend(network.route_tables.by(Anchor::Vpc(*id)).map(|table| table.id));
            }
            if before.is_some() != now.is_some() {
                self.enis.extend(network.enis.by(Anchor::Vpc(*id)).map(|eni| eni.id));
                self.blocks.insert(*id);
            }
            let [before, now] = vpcs.map(|vpc| vpc.map(|vpc| vpc.main_route_table));
            if before != now {
                self.subnets.extend(network.subnets_of(*id).map(|subnet| subnet.id));
            }
        }
    }

    fn add_what_is_in_subnets(&mut self, both: [&Network; 2]) {
        let [_, network] = both;
        for id in &self.subnets {
            let [before, now] =
                both.map(|network| network.subnets.get(id).is_some_and(|subnet| network.vpcs.contains_key(&subnet.vpc)));
            if before != now {
                self.enis.extend(network.enis_in(*id).map(|eni| eni.id));
            }
            self.blocks.extend(both.iter().filter_map(|network| Some(network.subnets.get(id)?.vpc)));
        }
    }

    fn add_users_of_tables(&mut self, both: [&Network; 2]) {
        let [_, network] = both;
        for id in &self.route_tables {
            let tables: Vec<&Arc<RouteTable>> = both.iter().filter_map(|network| network.route_tables.get(id)).collect();
            for table in &tables {
                for association in &table.associations {
                    match association.user {
                        TableUser::Subnet(subnet) => {
                            self.subnets.insert(subnet);
                        }
                        TableUser::InternetGateway(_) => {
                            self.vpcs.insert(table.vpc);
                        }
                        TableUser::NatGateway(gateway) => {
                            self.gateways.insert(GatewayId::Nat(gateway));
                        }
                        TableUser::Main | TableUser::VpnGateway(_) => {}
                    }
                }
            }
            let vpc = tables.first().map(|table| table.vpc).and_then(|vpc| network.vpcs.get(&vpc));
            if let Some(vpc) = vpc.filter(|vpc| vpc.main_route_table == *id) {
                self.subnets.extend(network.subnets_of(vpc.id).map(|subnet| subnet.id));
            }
        }
    }

    fn add_users_of_nacls(&mut self, network: &Network) {
        for id in &self.nacls {
            self.subnets.extend(network.users_of(*id).map(|subnet| subnet.id));
        }
    }
}

fn changed<R: Resource>(older: &Network, network: &Network, table: impl Fn(&Network) -> &Table<R>) -> BTreeSet<R::Key> {
    table(network).changed_since(table(older)).into_iter().collect()
}
