//! A network that is built, changed and used in a test.

use std::net::{IpAddr, Ipv4Addr};

use openvpc_model::interface::{PublicMapping, TrackingTimeouts};
use openvpc_model::nacl::NaclAssociation;
use openvpc_model::nat::{NatAddress, NatConnectivity, NatElasticIp, NatPlace};
use openvpc_model::network::Resource;
use openvpc_model::public_access::{
    ExcludedResource, ExclusionMode, PublicAccessExclusion, PublicAccessMode, PublicAccessOptions,
};
use openvpc_model::route::TableUser;
use openvpc_model::subnet::SubnetBlock;
use openvpc_model::vpc::VpcBlock;
use openvpc_model::*;

use super::{Sent, nacl_entry, security_group_rule};
use crate::compile::{EniIndex, NextHop, Tables, compile};
use crate::flow::{FlowState, GatewayCounters};
use crate::step::Ingress;
use crate::time::Nanos;
use crate::verdict::ResourceId;
use crate::wire::PacketHeader;

/// Networks, what flows in them, and the time. Changes are in force for the next packet.
#[derive(Debug)]
pub struct World {
    network: Network,
    tables: Tables,
    stale: bool,
    state: FlowState,
    now: Nanos,
    last_id: u64,
}

/// An instance with its one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// The interface.
    pub eni: EniId,
    /// The instance.
    pub instance: InstanceId,
}

/// A zonal NAT gateway and its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatHost {
    /// The gateway.
    pub id: NatGatewayId,
    /// The interface.
    pub eni: EniId,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Building.
impl World {
    /// Nothing, at time zero.
    pub fn new() -> Self {
        Self {
            network: Network::default(),
            tables: compile(&Network::default(), None),
            stale: false,
            state: FlowState::new(64),
            now: Nanos(0),
            last_id: 0,
        }
    }

    /// A VPC as CreateVpc makes it: a main table with the local route, a network ACL that allows all, a default group.
    pub fn vpc(&mut self, block: &str) -> VpcId {
        let (id, main, nacl) = (self.id::<VpcId>(), self.id(), self.id());
        let default_group = self.group_in(id, "default", &[]);
        let everything =
            ["100 in allow all 0.0.0.0/0", "101 in allow all ::/0", "100 out allow all 0.0.0.0/0", "101 out allow all ::/0"];
        self.add(NetworkAcl {
            id: nacl,
            owner: owner(),
            vpc: id,
            is_default: true,
            entries: everything.map(nacl_entry).to_vec(),
            tags: Tags::new(),
        });
        let association = TableAssociation { id: self.id(), user: TableUser::Main };
        self.add(RouteTable {
            id: main,
            owner: owner(),
            vpc: id,
            routes: Vec::new(),
            associations: vec![association],
            propagating: Vec::new(),
            tags: Tags::new(),
        });
        let ipv4_blocks = vec![VpcBlock { association: self.id(), block: block.parse().unwrap() }];
        self.add(Vpc {
            id,
            owner: owner(),
            ipv4_blocks,
            ipv6_blocks: Vec::new(),
            is_default: false,
            tenancy: "default".into(),
            dhcp_options: None,
            enable_dns_support: true,
            enable_dns_hostnames: false,
            enable_network_address_usage_metrics: false,
            main_route_table: main,
            default_nacl: nacl,
            default_security_group: default_group,
            tags: Tags::new(),
        });
        id
    }

    /// Gives a VPC another block of either family.
    pub fn add_block(&mut self, vpc: VpcId, block: &str) {
        let association = self.id();
        self.edit::<Vpc>(vpc, |vpc| match block.parse().unwrap() {
            ipnet::IpNet::V4(block) => vpc.ipv4_blocks.push(VpcBlock { association, block }),
            ipnet::IpNet::V6(block) => vpc.ipv6_blocks.push(VpcBlock { association, block }),
        });
    }

    /// A subnet; the blocks are of either family, as in `"10.0.1.0/24 2001:db8:0:1::/64"`.
    pub fn subnet(&mut self, vpc: VpcId, blocks: &str) -> SubnetId {
        let id = self.id::<SubnetId>();
        let nacl = NaclAssociation { id: self.id(), nacl: self.network.vpcs.get(&vpc).unwrap().default_nacl };
        let mut ipv4_block = None;
        let mut ipv6_blocks = Vec::new();
        for block in blocks.split_whitespace() {
            match block.parse().unwrap() {
                ipnet::IpNet::V4(block) => ipv4_block = Some(block),
                ipnet::IpNet::V6(block) => ipv6_blocks.push(SubnetBlock { association: self.id(), block }),
            }
        }
        self.add(Subnet {
            id,
            owner: owner(),
            vpc,
            zone: Zone::ALL[0],
            nacl,
            ipv4_block,
            ipv6_blocks,
            default_for_zone: false,
            map_public_ip_on_launch: false,
            assign_ipv6_address_on_creation: false,
            enable_dns64: false,
            hostname_type: "ip-name".into(),
            resource_name_dns_a_record: false,
            resource_name_dns_aaaa_record: false,
            lni_at_device_index: None,
            tags: Tags::new(),
        });
        id
    }

    /// An internet gateway attached to a VPC.
    pub fn gateway(&mut self, vpc: VpcId) -> InternetGatewayId {
        let id = self.id();
        self.add(InternetGateway { id, owner: owner(), vpc: Some(vpc), tags: Tags::new() });
        id
    }

    /// An egress-only internet gateway of a VPC.
    pub fn egress_only(&mut self, vpc: VpcId) -> EgressOnlyGatewayId {
        let id = self.id();
        self.add(EgressOnlyGateway { id, owner: owner(), vpc, tags: Tags::new() });
        id
    }

    /// A zonal NAT gateway in a subnet: each address is `PRIVATE` or, of a public gateway, `PRIVATE=ELASTIC`.
    pub fn nat(&mut self, subnet: SubnetId, addresses: &str) -> NatHost {
        let id = self.id();
        let private: Vec<&str> = addresses.split_whitespace().map(|text| text.split('=').next().unwrap_or(text)).collect();
        let eni = self.eni(subnet, &private.join(" "), &[]);
        self.edit::<NetworkInterface>(eni, |eni| {
            (eni.interface_type, eni.requester_managed, eni.source_dest_check) = ("natGateway".into(), true, false);
        });
        let Subnet { vpc, zone, .. } = **self.network.subnets.get(&subnet).unwrap();
        let mut made = Vec::new();
        for text in addresses.split_whitespace() {
            let (private, elastic) = text.split_once('=').map_or((text, None), |(private, elastic)| (private, Some(elastic)));
            if let Some(elastic) = elastic {
                self.public(eni, private, elastic);
            }
            made.push(NatAddress { zone, private: Some(private.parse().unwrap()), elastic: elastic.map(|e| self.elastic(e)) });
        }
        let public = made[0].elastic.is_some();
        self.add(NatGateway {
            id,
            owner: owner(),
            vpc,
            place: NatPlace::Zonal { subnet, zone, eni: Some(eni) },
            connectivity: if public { NatConnectivity::Public } else { NatConnectivity::Private },
            addresses: made,
            failure: None,
            created_at: UnixMillis(0),
            deleted_at: None,
            tags: Tags::new(),
        });
        NatHost { id, eni }
    }

    /// A regional NAT gateway with Elastic IPs by zone, and a route table that leads to the internet gateway.
    pub fn regional_nat(&mut self, vpc: VpcId, addresses: &[(Zone, &str)]) -> NatGatewayId {
        let id: NatGatewayId = self.id();
        let table = self.table(vpc);
        self.use_table(table, TableUser::NatGateway(id));
        if let Some(gateway) = self.network.internet_gateway_of(vpc).map(|gateway| gateway.id) {
            self.route(table, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
        }
        let mut made = Vec::new();
        for (zone, address) in addresses {
            let (allocation, association) = (self.id(), self.id());
            self.add(ElasticIp {
                id: allocation,
                owner: owner(),
                address: address.parse().unwrap(),
                association: None,
                nat_gateway: Some(address::NatGatewayUse { id: association, gateway: id }),
                service_managed: true,
                ptr_record: None,
                tags: Tags::new(),
            });
            made.push(NatAddress { zone: *zone, private: None, elastic: Some(self.elastic(address)) });
        }
        self.add(NatGateway {
            id,
            owner: owner(),
            vpc,
            place: NatPlace::Regional { auto: false, route_table: Some(table) },
            connectivity: NatConnectivity::Public,
            addresses: made,
            failure: None,
            created_at: UnixMillis(0),
            deleted_at: None,
            tags: Tags::new(),
        });
        id
    }

    /// Deletes a NAT gateway, as DeleteNatGateway does.
    pub fn delete_nat(&mut self, gateway: NatGatewayId) {
        let eni = self.network.nat_gateways.get(&gateway).unwrap().eni();
        self.edit::<NatGateway>(gateway, |gateway| gateway.deleted_at = Some(UnixMillis(1)));
        if let Some(eni) = eni {
            self.remove::<NetworkInterface>(eni);
        }
    }

    fn elastic(&mut self, address: &str) -> NatElasticIp {
        NatElasticIp { allocation: self.id(), address: address.parse().unwrap(), association: Some(self.id()) }
    }

    /// What Block Public Access keeps from everything in the world.
    pub fn block_public_access(&mut self, mode: PublicAccessMode) {
        let default_dhcp_options = self.id();
        let public_access = PublicAccessOptions { mode, updated_at: None };
        self.add(vpc::RegionState { owner: owner(), default_dhcp_options, public_access });
    }

    /// Spares a VPC or subnet from Block Public Access.
    pub fn exclude(&mut self, resource: ExcludedResource, mode: ExclusionMode) -> BlockPublicAccessExclusionId {
        let id = self.id();
        self.add(PublicAccessExclusion {
            id,
            owner: owner(),
            resource,
            mode,
            created_at: UnixMillis(0),
            updated_at: None,
            deleted_at: None,
            tags: Tags::new(),
        });
        id
    }

    /// A security group with rules as in [`security_group_rule`], and nothing else: neither ingress nor egress by itself.
    pub fn group(&mut self, vpc: VpcId, rules: &[&str]) -> SecurityGroupId {
        self.group_in(vpc, "group", rules)
    }

    /// A security group that lets everything in and out, over both families.
    pub fn open_group(&mut self, vpc: VpcId) -> SecurityGroupId {
        self.group(vpc, &["in all from 0.0.0.0/0", "in all from ::/0", "out all to 0.0.0.0/0", "out all to ::/0"])
    }

    /// Replaces the rules of a group. A rule that stays keeps its id.
    pub fn rules(&mut self, group: SecurityGroupId, rules: &[&str]) {
        let old = self.network.security_groups.get(&group).unwrap().rules.clone();
        let rules = rules
            .iter()
            .map(|text| {
                let rule = security_group_rule(text, self.id());
                let same = |old: &&SecurityGroupRule| SecurityGroupRule { id: rule.id, ..(*old).clone() } == rule;
                old.iter().find(same).cloned().unwrap_or(rule)
            })
            .collect();
        self.edit::<SecurityGroup>(group, |group| group.rules = rules);
    }

    /// A network ACL with entries as in [`nacl_entry`] for a subnet, instead of the one that it has.
    pub fn nacl(&mut self, subnet: SubnetId, entries: &[&str]) -> NaclId {
        let id = self.id();
        let vpc = self.network.subnets.get(&subnet).unwrap().vpc;
        self.add(NetworkAcl { id, owner: owner(), vpc, is_default: false, entries: Vec::new(), tags: Tags::new() });
        self.entries(id, entries);
        let association = NaclAssociation { id: self.id(), nacl: id };
        self.edit::<Subnet>(subnet, |subnet| subnet.nacl = association);
        id
    }

    /// Replaces the entries of a network ACL.
    pub fn entries(&mut self, nacl: NaclId, entries: &[&str]) {
        let mut entries: Vec<_> = entries.iter().map(|text| nacl_entry(text)).collect();
        entries.sort_by_key(|entry| (entry.direction, entry.number));
        self.edit::<NetworkAcl>(nacl, |nacl| nacl.entries = entries);
    }

    /// A route table of a VPC, used by nobody yet.
    pub fn table(&mut self, vpc: VpcId) -> RouteTableId {
        let id = self.id();
        self.add(RouteTable {
            id,
            owner: owner(),
            vpc,
            routes: Vec::new(),
            associations: Vec::new(),
            propagating: Vec::new(),
            tags: Tags::new(),
        });
        id
    }

    /// The main table of a VPC.
    pub fn main_table(&self, vpc: VpcId) -> RouteTableId {
        self.network.vpcs.get(&vpc).unwrap().main_route_table
    }

    /// Makes a subnet or a gateway use a table.
    pub fn use_table(&mut self, table: RouteTableId, user: TableUser) {
        let id = self.id();
        let tables: Vec<RouteTableId> = self.network.route_tables.keys().copied().collect();
        for table in tables {
            self.edit::<RouteTable>(table, |table| table.associations.retain(|association| association.user != user));
        }
        self.edit::<RouteTable>(table, |table| table.associations.push(TableAssociation { id, user }));
    }

    /// Adds a route to a table, or replaces the one for the destination: a block or a prefix list.
    pub fn route(&mut self, table: RouteTableId, destination: &str, target: RouteTarget) {
        self.route_of(table, destination, target, RouteOrigin::CreateRoute);
    }

    /// Adds a propagated route to a table, beside the static one for the destination if there is one.
    pub fn propagate(&mut self, table: RouteTableId, destination: &str, target: RouteTarget) {
        self.route_of(table, destination, target, RouteOrigin::EnableVgwRoutePropagation);
    }

    fn route_of(&mut self, table: RouteTableId, destination: &str, target: RouteTarget, origin: RouteOrigin) {
        let destination = match destination.parse::<PrefixListId>() {
            Ok(list) => RouteDestination::PrefixList(list),
            Err(_) => destination.parse::<ipnet::IpNet>().unwrap().into(),
        };
        self.edit::<RouteTable>(table, |table| {
            table.routes.retain(|route| (route.destination, route.origin) != (destination, origin));
            table.routes.push(Route { destination, target, origin });
        });
    }

    /// A managed prefix list; the blocks are of one family, as in `"10.0.0.0/8 192.168.0.0/16"`.
    pub fn list(&mut self, blocks: &str) -> PrefixListId {
        let id = self.id();
        self.add(PrefixList {
            id,
            owner: owner(),
            name: "list".into(),
            family: AddressFamily::Ipv4,
            max_entries: 100,
            version: 1,
            entries: Vec::new(),
            state: PrefixListState::CreateComplete,
            tags: Tags::new(),
        });
        self.relist(id, blocks);
        id
    }

    /// Replaces the entries of a managed prefix list.
    pub fn relist(&mut self, list: PrefixListId, blocks: &str) {
        let entry = |text: &str| PrefixListEntry { cidr: text.parse().unwrap(), description: String::new() };
        let entries: Vec<_> = blocks.split_whitespace().map(entry).collect();
        self.edit::<PrefixList>(list, |list| {
            list.version += 1;
            list.family = entries.first().map_or(list.family, |entry| AddressFamily::of(entry.cidr));
            list.entries = entries;
        });
    }

    /// A running instance with one interface; the addresses are of either family, the first IPv4 address the primary one.
    pub fn host(&mut self, subnet: SubnetId, addresses: &str, groups: &[SecurityGroupId]) -> Host {
        let eni = self.eni(subnet, addresses, groups);
        let instance = self.id();
        let Subnet { vpc, zone, .. } = **self.network.subnets.get(&subnet).unwrap();
        let reservation = self.id();
        self.add(Instance {
            id: instance,
            owner: owner(),
            reservation,
            launch_index: 0,
            state: InstanceState::Running,
            state_reason: String::new(),
            image: "ami-00000000".into(),
            instance_type: "t3.micro".into(),
            key_name: None,
            primary_eni: eni,
            vpc,
            subnet,
            zone,
            user_data: None,
            user_data_ran: false,
            client_token: None,
            launched_at: UnixMillis(0),
            terminated_at: None,
            disable_api_termination: false,
            disable_api_stop: false,
            shutdown_behavior: "stop".into(),
            starts: 1,
            options: instance::InstanceOptions::default(),
            tags: Tags::new(),
        });
        let attachment =
            Attachment { id: self.id(), instance, device_index: 0, delete_on_termination: true, attached_at: UnixMillis(0) };
        self.edit::<NetworkInterface>(eni, |eni| eni.attachment = Some(attachment));
        Host { eni, instance }
    }

    /// An instance that forwards: its source/destination check is off.
    pub fn middlebox(&mut self, subnet: SubnetId, addresses: &str, groups: &[SecurityGroupId]) -> Host {
        let host = self.host(subnet, addresses, groups);
        self.edit::<NetworkInterface>(host.eni, |eni| eni.source_dest_check = false);
        host
    }

    /// An interface without instance.
    pub fn eni(&mut self, subnet: SubnetId, addresses: &str, groups: &[SecurityGroupId]) -> EniId {
        let id = self.id::<EniId>();
        let Subnet { vpc, zone, .. } = **self.network.subnets.get(&subnet).unwrap();
        let addresses: Vec<IpAddr> = addresses.split_whitespace().map(|text| text.parse().unwrap()).collect();
        let private_addresses = addresses
            .iter()
            .filter_map(|address| match address {
                IpAddr::V4(v4) => Some(PrivateAddress { address: *v4, public: None }),
                IpAddr::V6(_) => None,
            })
            .collect();
        let ipv6_addresses = addresses
            .iter()
            .filter_map(|address| match address {
                IpAddr::V4(_) => None,
                IpAddr::V6(v6) => Some(*v6),
            })
            .collect();
        self.add(NetworkInterface {
            id,
            owner: owner(),
            subnet,
            vpc,
            zone,
            mac: interface::MacAddress::from_random(self.last_id),
            description: String::new(),
            interface_type: "interface".into(),
            requester_managed: false,
            private_addresses,
            ipv6_addresses,
            groups: groups.to_vec(),
            source_dest_check: true,
            associate_public_ip: false,
            attachment: None,
            detached: None,
            outside: None,
            ipv4_prefixes: Vec::new(),
            ipv6_prefixes: Vec::new(),
            tracking: TrackingTimeouts::default(),
            tags: Tags::new(),
        });
        id
    }

    /// Gives the interface's private address a public one.
    pub fn public(&mut self, eni: EniId, private: &str, public: &str) {
        let (private, address): (Ipv4Addr, Ipv4Addr) = (private.parse().unwrap(), public.parse().unwrap());
        self.edit::<NetworkInterface>(eni, |eni| {
            let own = eni.private_addresses.iter_mut().find(|own| own.address == private).unwrap();
            own.public = Some(PublicMapping { address, association: None });
        });
    }

    /// Brings an instance into a state.
    pub fn set_state(&mut self, host: Host, state: InstanceState) {
        self.edit::<Instance>(host.instance, |instance| instance.state = state);
    }

    /// Adds any resource, or replaces the one with its key.
    pub fn add<R: Resource>(&mut self, resource: R) {
        self.network.insert(resource);
        self.stale = true;
    }

    /// Changes a resource.
    pub fn edit<R: Resource>(&mut self, key: R::Key, change: impl FnOnce(&mut R)) {
        let mut resource = R::clone(self.network.get::<R>(&key).expect("the resource is there"));
        change(&mut resource);
        self.add(resource);
    }

    /// Removes a resource.
    pub fn remove<R: Resource>(&mut self, key: R::Key) {
        self.network.remove::<R>(&key);
        self.stale = true;
    }

    /// A fresh id.
    pub fn id<I: Id>(&mut self) -> I {
        self.last_id += 1;
        I::from_random(self.last_id)
    }

    fn group_in(&mut self, vpc: VpcId, name: &str, rules: &[&str]) -> SecurityGroupId {
        let id = self.id::<SecurityGroupId>();
        self.add(SecurityGroup {
            associated_vpcs: Vec::new(),
            id,
            owner: owner(),
            vpc,
            name: format!("{name}-{id}"),
            description: String::new(),
            rules: Vec::new(),
            tags: Tags::new(),
        });
        self.rules(id, rules);
        id
    }
}

/// Using.
impl World {
    /// Lets time pass.
    pub fn advance(&mut self, seconds: u64) {
        self.now = Nanos(self.now.0 + seconds * 1_000_000_000);
    }

    /// The time.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Sends a packet out of an interface, to the hardware address that an instance would find for the destination.
    pub fn send(&mut self, from: EniId, packet: PacketHeader) -> Sent {
        let eni = self.index(from);
        let next_hop = self.tables.resolve(eni, packet.dst).and_then(|mac| self.tables.next_hop(eni, mac));
        self.send_via(from, next_hop.unwrap_or(NextHop::Router), packet)
    }

    /// Sends a packet out of an interface to a chosen neighbour.
    pub fn send_via(&mut self, from: EniId, next_hop: NextHop, packet: PacketHeader) -> Sent {
        let eni = self.index(from);
        self.enter(Ingress::Eni { eni, next_hop }, packet)
    }

    /// Sends a packet in from the internet.
    pub fn send_from_internet(&mut self, packet: PacketHeader) -> Sent {
        self.enter(Ingress::Internet, packet)
    }

    /// Puts a packet in anywhere.
    pub fn enter(&mut self, ingress: Ingress, packet: PacketHeader) -> Sent {
        self.compile();
        Sent::new(&self.network, &self.tables, &mut self.state, ingress, packet, self.now)
    }

    /// What a gateway counted.
    pub fn counted(&mut self, gateway: ResourceId) -> GatewayCounters {
        self.compile();
        self.tables.gateway_index(gateway).map(|index| self.state.gateway_counters(index)).unwrap_or_default()
    }

    /// The tables of the network as it is.
    pub fn tables(&mut self) -> &Tables {
        self.compile();
        &self.tables
    }

    /// The network as it is.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What is tracked.
    pub fn state(&mut self) -> &mut FlowState {
        &mut self.state
    }

    /// The index of an interface.
    pub fn index(&mut self, eni: EniId) -> EniIndex {
        self.compile();
        self.tables.eni_index(eni).expect("the interface is there")
    }

    fn compile(&mut self) {
        if self.stale {
            self.tables = compile(&self.network, Some(&self.tables));
            self.state.sync(&self.tables);
            self.stale = false;
        }
    }
}

/// Everything in the world belongs to one account.
pub(super) fn account() -> AccountId {
    "123456789012".parse().unwrap()
}

fn owner() -> Owner {
    Owner { account: account(), region: "eu-central-1".parse().unwrap() }
}
