//! Random networks and packets, reproducible from a seed.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use openvpc_model::route::TableUser;
use openvpc_model::*;

use super::packets::*;
use super::{Host, World};
use crate::wire::{PacketHeader, Transport};

/// A source of choices.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`, which isn't zero.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    /// True so often.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several; there is one at least.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Where a packet starts.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// An interface sends it.
    Eni(EniId),
    /// It comes in from the internet.
    Internet,
}

/// A random network: up to two VPCs with gateways, subnets, filters, instances with and without public addresses.
#[derive(Debug)]
pub struct Topology {
    /// The network, and what flows in it.
    pub world: World,
    /// The instances, those that don't run included.
    pub hosts: Vec<Host>,
    dice: Dice,
    vpcs: Vec<VpcId>,
    subnets: Vec<SubnetId>,
    groups: Vec<SecurityGroupId>,
    tables: Vec<RouteTableId>,
    gateways: Vec<InternetGatewayId>,
    lists: Vec<PrefixListId>,
    /// Addresses that packets go to.
    targets: Vec<IpAddr>,
    appliances: bool,
}

const BLOCKS: [&str; 9] = [
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/15",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.1.0.0/24",
    "198.51.100.0/24",
    "203.0.113.0/29",
    "2001:db8:0:100::/56",
];

const OUTSIDE: [&str; 7] =
    ["198.51.100.10", "192.0.2.7", "2001:db8:ffff::10", "10.77.0.1", "100.64.0.9", "169.254.169.254", "224.0.0.5"];

impl Topology {
    /// The network of a seed; with appliances that forward, or without.
    pub fn new(seed: u64, appliances: bool) -> Self {
        let mut topology = Self {
            world: World::new(),
            hosts: Vec::new(),
            dice: Dice::new(seed),
            vpcs: Vec::new(),
            subnets: Vec::new(),
            groups: Vec::new(),
            tables: Vec::new(),
            gateways: Vec::new(),
            lists: Vec::new(),
            targets: OUTSIDE.iter().map(|text| text.parse().unwrap()).collect(),
            appliances,
        };
        for _ in 0..3 {
            let blocks = topology.list_entries();
            let list = topology.world.list(&blocks);
            topology.lists.push(list);
        }
        for number in 0..1 + topology.dice.below(2) {
            topology.add_vpc(number);
        }
        topology.add_filters();
        topology.add_routes();
        topology
    }

    /// The network of a seed, with NAT gateways and egress-only internet gateways on the ways out.
    pub fn with_gateways(seed: u64) -> Self {
        let mut topology = Self::new(seed, false);
        for (number, vpc) in topology.vpcs.clone().into_iter().enumerate() {
            let subnets = topology.subnets_of(vpc);
            let (seat, private) = (topology.dice.pick(&subnets), topology.dice.pick(&subnets));
            let block = topology.world.network().subnets.get(&seat).unwrap().ipv4_block.unwrap();
            let address = Ipv4Addr::from(u32::from(block.network()) + 250);
            let elastic = format!("{address}=203.0.113.{}", 240 + number);
            let addresses = if topology.dice.chance(80) { elastic } else { address.to_string() };
            let nat = topology.world.nat(seat, &addresses);
            let egress_only = topology.world.egress_only(vpc);
            let table = topology.world.table(vpc);
            topology.world.use_table(table, TableUser::Subnet(private));
            topology.world.route(table, "0.0.0.0/0", RouteTarget::NatGateway(nat.id));
            topology.world.route(table, "::/0", RouteTarget::EgressOnlyGateway(egress_only));
            topology.tables.push(table);
            topology.targets.push(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 240 + number as u8)));
        }
        topology
    }

    fn add_vpc(&mut self, number: usize) {
        let vpc = self.world.vpc(&format!("10.{number}.0.0/16"));
        self.world.add_block(vpc, &format!("2001:db8:0:{}00::/56", number + 1));
        self.vpcs.push(vpc);
        for _ in 0..3 {
            let group = self.world.group(vpc, &[]);
            self.groups.push(group);
        }
        if self.dice.chance(80) {
            let gateway = self.world.gateway(vpc);
            self.gateways.push(gateway);
        }
        for third in 0..1 + self.dice.below(3) {
            let subnet = self.world.subnet(vpc, &format!("10.{number}.{third}.0/24 2001:db8:0:{}0{third}::/64", number + 1));
            self.subnets.push(subnet);
            for last in 10..11 + self.dice.below(3) {
                let private = format!("10.{number}.{third}.{last}");
                let v6 = format!("2001:db8:0:{}0{third}::{last}", number + 1);
                let candidates = self.groups[self.groups.len() - 3..].to_vec();
                let mut groups: Vec<_> = candidates.iter().copied().filter(|_| self.dice.chance(40)).collect();
                if groups.is_empty() {
                    groups.push(candidates[0]);
                }
                let host = self.world.host(subnet, &format!("{private} {v6}"), &groups);
                if self.dice.chance(50) {
                    let public = format!("203.0.113.{}", self.hosts.len() + 1);
                    self.world.public(host.eni, &private, &public);
                    self.targets.push(public.parse().unwrap());
                }
                if self.appliances && self.dice.chance(25) {
                    self.world.edit::<NetworkInterface>(host.eni, |eni| eni.source_dest_check = false);
                }
                if self.dice.chance(8) {
                    self.world.set_state(host, InstanceState::Stopped);
                }
                self.targets.extend([private.parse::<IpAddr>().unwrap(), v6.parse().unwrap()]);
                self.hosts.push(host);
            }
            self.targets.push(format!("10.{number}.{third}.{}", self.dice.pick(&[1, 2, 77, 255])).parse().unwrap());
        }
    }

    fn add_filters(&mut self) {
        for group in self.groups.clone() {
            let rules = self.group_rules();
            self.world.rules(group, &rules.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for subnet in self.subnets.clone() {
            if self.dice.chance(40) {
                let entries = self.nacl_entries();
                self.world.nacl(subnet, &entries.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
    }

    fn add_routes(&mut self) {
        for vpc in self.vpcs.clone() {
            let main = self.world.main_table(vpc);
            let extra = self.world.table(vpc);
            self.tables.extend([main, extra]);
            for table in [main, extra] {
                for destination in ["0.0.0.0/0", "::/0"] {
                    if let Some(gateway) = self.gateway(vpc).filter(|_| self.dice.chance(80)) {
                        self.world.route(table, destination, RouteTarget::InternetGateway(gateway));
                    }
                }
            }
            for table in [main, extra] {
                for list in self.lists.clone() {
                    if self.dice.chance(25) {
                        let target = self.dice.pick(&self.hosts).eni;
                        self.world.route(table, &list.to_string(), RouteTarget::NetworkInterface(target));
                    }
                }
                if self.dice.chance(25) {
                    let (block, gateway) = (self.dice.pick(&BLOCKS), self.world.id());
                    self.world.propagate(table, block, RouteTarget::VpnGateway(gateway));
                }
            }
            for subnet in self.subnets_of(vpc) {
                if self.dice.chance(30) {
                    self.world.use_table(extra, TableUser::Subnet(subnet));
                }
                if self.appliances && self.dice.chance(50) {
                    self.bend(vpc, subnet);
                }
            }
        }
    }

    /// Sends a subnet's traffic, or some of the internet's, to an interface.
    fn bend(&mut self, vpc: VpcId, subnet: SubnetId) {
        let host = self.dice.pick(&self.hosts);
        let block = self.world.network().subnets.get(&subnet).unwrap().ipv4_block.unwrap().to_string();
        let main = self.world.main_table(vpc);
        let destination = self.dice.pick(&[block.clone(), "198.51.100.0/24".into()]);
        self.world.route(main, &destination, RouteTarget::NetworkInterface(host.eni));
        if let Some(gateway) = self.gateway(vpc).filter(|_| self.dice.chance(40)) {
            let edge = self.world.table(vpc);
            self.world.use_table(edge, TableUser::InternetGateway(gateway));
            self.world.route(edge, &block, RouteTarget::NetworkInterface(host.eni));
        }
    }

    /// Changes something at random.
    pub fn change(&mut self) {
        match self.dice.below(15) {
            0 => {
                let (group, rules) = (self.dice.pick(&self.groups), self.group_rules());
                self.world.rules(group, &rules.iter().map(String::as_str).collect::<Vec<_>>());
            }
            1 => {
                let (subnet, entries) = (self.dice.pick(&self.subnets), self.nacl_entries());
                self.world.nacl(subnet, &entries.iter().map(String::as_str).collect::<Vec<_>>());
            }
            2 => {
                let host = self.dice.pick(&self.hosts);
                let state = self.dice.pick(&[InstanceState::Stopped, InstanceState::Running, InstanceState::Running]);
                self.world.set_state(host, state);
            }
            3 => {
                let (host, group) = (self.dice.pick(&self.hosts), self.dice.pick(&self.groups));
                let vpc = self.world.network().security_groups.get(&group).unwrap().vpc;
                self.world.edit::<NetworkInterface>(host.eni, |eni| {
                    if eni.vpc == vpc {
                        eni.groups = vec![group];
                    }
                });
            }
            4 => {
                let (table, subnet) = (self.dice.pick(&self.tables), self.dice.pick(&self.subnets));
                let same = self.world.network().route_tables.get(&table).unwrap().vpc
                    == self.world.network().subnets.get(&subnet).unwrap().vpc;
                if same {
                    self.world.use_table(table, TableUser::Subnet(subnet));
                }
            }
            5 => {
                let (vpc, gateway) = (self.dice.pick(&self.vpcs), self.gateways.first().copied());
                let free = self.world.network().internet_gateway_of(vpc).is_none();
                if let Some(gateway) = gateway {
                    let new = if free { Some(vpc) } else { None };
                    self.world.edit::<InternetGateway>(gateway, |gateway| gateway.vpc = new);
                }
            }
            6 => {
                let host = self.dice.pick(&self.hosts);
                self.world.edit::<NetworkInterface>(host.eni, |eni| eni.private_addresses[0].public = None);
            }
            7 => {
                let (table, block) = (self.dice.pick(&self.tables), self.dice.pick(&["198.51.0.0/16", "192.0.2.0/24"]));
                let host = self.dice.pick(&self.hosts);
                self.world.route(table, block, RouteTarget::NetworkInterface(host.eni));
            }
            8 => {
                let (list, blocks) = (self.dice.pick(&self.lists), self.list_entries());
                self.world.relist(list, &blocks);
            }
            9 => {
                let (table, list) = (self.dice.pick(&self.tables), self.dice.pick(&self.lists));
                let host = self.dice.pick(&self.hosts);
                self.world.route(table, &list.to_string(), RouteTarget::NetworkInterface(host.eni));
            }
            10 => self.add_host(),
            11 => {
                let (host, delegated) = (self.dice.pick(&self.hosts), self.dice.chance(50));
                let subnet = self.world.network().enis.get(&host.eni).unwrap().subnet;
                let block = self.world.network().subnets.get(&subnet).unwrap().ipv4_block.unwrap();
                let prefix = Ipv4Net::new((u32::from(block.network()) + 128).into(), 28).unwrap();
                let free = self.world.network().enis.by(Anchor::Prefix(prefix.into())).next().is_none();
                self.targets.push(prefix.broadcast().into());
                let prefixes = if delegated && free { vec![prefix] } else { Vec::new() };
                self.world.edit::<NetworkInterface>(host.eni, |eni| eni.ipv4_prefixes = prefixes);
            }
            12 => {
                let vpc = self.dice.pick(&self.vpcs);
                let tables: Vec<_> = self.world.network().route_tables.by(Anchor::Vpc(vpc)).map(|table| table.id).collect();
                let main = self.dice.pick(&tables);
                self.world.edit::<Vpc>(vpc, |vpc| vpc.main_route_table = main);
            }
            13 => self.label(),
            _ => {
                if self.hosts.len() > 2 {
                    let at = self.dice.below(self.hosts.len());
                    let host = self.hosts.remove(at);
                    self.world.remove::<NetworkInterface>(host.eni);
                }
            }
        }
    }

    /// Launches an instance, sometimes in a subnet of its own.
    fn add_host(&mut self) {
        let mut subnet = self.dice.pick(&self.subnets);
        let network = self.world.network();
        let vpc = network.subnets.get(&subnet).unwrap().vpc;
        let number = network.vpcs.get(&vpc).unwrap().primary_block().network().octets()[1];
        let (third, last) = (100 + self.subnets.len(), 20 + self.hosts.len());
        let mut address =
            Ipv4Addr::from(u32::from(network.subnets.get(&subnet).unwrap().ipv4_block.unwrap().network()) + last as u32);
        if self.dice.chance(30) && third < 250 {
            subnet = self.world.subnet(vpc, &format!("10.{number}.{third}.0/24"));
            self.subnets.push(subnet);
            address = Ipv4Addr::new(10, number, third as u8, last as u8);
        }
        let free = self.world.network().enis.by(Anchor::Address(address.into())).next().is_none();
        let groups: Vec<_> = self.world.network().security_groups.by(Anchor::Vpc(vpc)).map(|group| group.id).collect();
        if free {
            let group = self.dice.pick(&groups);
            let v6 = format!("2001:db8:0:{}fe::{last}:{third}", u32::from(number) + 1);
            let host = self.world.host(subnet, &format!("{address} {v6}"), &[group]);
            self.targets.push(address.into());
            self.hosts.push(host);
        }
    }

    /// Changes what no packet meets.
    fn label(&mut self) {
        let tags: Tags = [("Name".into(), "name".into())].into_iter().collect();
        let host = self.dice.pick(&self.hosts);
        let (group, subnet) = (self.dice.pick(&self.groups), self.dice.pick(&self.subnets));
        let (vpc, table) = (self.dice.pick(&self.vpcs), self.dice.pick(&self.tables));
        match self.dice.below(5) {
            0 => self.world.edit::<NetworkInterface>(host.eni, |eni| eni.tags = tags),
            1 => self.world.edit::<SecurityGroup>(group, |group| group.tags = tags),
            2 => self.world.edit::<Subnet>(subnet, |subnet| subnet.tags = tags),
            3 => self.world.edit::<Vpc>(vpc, |vpc| vpc.tags = tags),
            _ => self.world.edit::<RouteTable>(table, |table| table.tags = tags),
        }
    }

    /// A packet that starts a conversation, and where it starts.
    pub fn packet(&mut self) -> (Start, PacketHeader) {
        let target = self.dice.pick(&self.targets);
        let source = if self.dice.chance(25) {
            let outside = ["198.51.100.10", "2001:db8:ffff::10", "10.99.0.1"];
            (Start::Internet, outside[if target.is_ipv6() { 1 } else { 2 * usize::from(self.dice.chance(10)) }].parse().unwrap())
        } else {
            let host = self.dice.pick(&self.hosts);
            let eni = self.world.network().enis.get(&host.eni).unwrap();
            let own = eni.addresses().find(|own| own.is_ipv4() == target.is_ipv4()).unwrap();
            let foreign =
                self.dice.chance(15).then(|| self.targets.iter().copied().find(|t| t.is_ipv4() == target.is_ipv4())).flatten();
            (Start::Eni(host.eni), foreign.unwrap_or(own))
        };
        let (start, source): (Start, IpAddr) = source;
        let with_port = |address: IpAddr, port: u16| std::net::SocketAddr::new(address, port).to_string();
        let (from, to) =
            (with_port(source, self.dice.pick(&[40000, 40001, 53])), with_port(target, self.dice.pick(&[22, 53, 80, 443])));
        let (from_host, to_host) = (source.to_string(), target.to_string());
        let packet = match self.dice.below(7) {
            0..=2 => tcp(&from, &to),
            3 => segment(&from, &to, 0x10),
            4 => udp(&from, &to),
            5 => ping(&from_host, &to_host),
            _ => other(47, &from_host, &to_host),
        };
        (start, packet.ttl(if self.dice.chance(5) { 1 } else { 64 }).length(self.dice.pick(&[60, 60, 60, 1500, 1600, 9100])))
    }

    /// What the receiver of a packet sends back.
    pub fn answer(&mut self, arrived: PacketHeader) -> PacketHeader {
        match arrived.transport {
            Transport::Ports { .. } if arrived.tcp.is_some() && self.dice.chance(15) => arrived.reply().flags(0x14),
            _ => arrived.reply(),
        }
        .ttl(64)
        .length(60)
    }

    /// True so often.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.dice.chance(percent)
    }

    fn gateway(&self, vpc: VpcId) -> Option<InternetGatewayId> {
        self.world.network().internet_gateway_of(vpc).map(|gateway| gateway.id)
    }

    fn subnets_of(&self, vpc: VpcId) -> Vec<SubnetId> {
        self.world.network().subnets_of(vpc).map(|subnet| subnet.id).collect()
    }

    fn group_rules(&mut self) -> Vec<String> {
        let mut rules: Vec<String> = (0..self.dice.below(5)).map(|_| self.group_rule()).collect();
        if self.dice.chance(60) {
            rules.extend(["out all to 0.0.0.0/0".into(), "out all to ::/0".into()]);
        }
        rules
    }

    fn group_rule(&mut self) -> String {
        let (direction, what) = (self.dice.pick(&["in", "in", "out"]), self.traffic());
        let peer = match self.dice.below(100) {
            0..25 => self.dice.pick(&self.groups).to_string(),
            25..40 => self.dice.pick(&self.lists).to_string(),
            _ => self.dice.pick(&BLOCKS).into(),
        };
        format!("{direction} {what} from {peer}")
    }

    fn list_entries(&mut self) -> String {
        let first = self.dice.pick(&BLOCKS);
        let same = |block: &&str| block.contains(':') == first.contains(':') && *block != first;
        let others: Vec<&str> = BLOCKS.into_iter().filter(same).filter(|_| self.dice.chance(30)).collect();
        if self.dice.chance(5) { String::new() } else { [&[first], &others[..]].concat().join(" ") }
    }

    fn nacl_entries(&mut self) -> Vec<String> {
        let mut entries: Vec<String> = (1..1 + self.dice.below(5))
            .map(|number| {
                let (direction, action) = (self.dice.pick(&["in", "out"]), self.dice.pick(&["allow", "deny"]));
                format!("{} {direction} {action} {} {}", number * 10, self.traffic(), self.dice.pick(&BLOCKS))
            })
            .collect();
        if self.dice.chance(70) {
            for (number, rest) in [
                (900, "in allow all 0.0.0.0/0"),
                (901, "in allow all ::/0"),
                (900, "out allow all 0.0.0.0/0"),
                (901, "out allow all ::/0"),
            ] {
                entries.push(format!("{number} {rest}"));
            }
        }
        entries
    }

    fn traffic(&mut self) -> &'static str {
        self.dice.pick(&[
            "all",
            "tcp 22",
            "tcp 80",
            "tcp 0-65535",
            "tcp 1024-65535",
            "udp 53",
            "udp 0-65535",
            "icmp",
            "icmp 8",
            "icmpv6",
            "47",
            "47 80",
            "tcp 50-100",
        ])
    }
}
