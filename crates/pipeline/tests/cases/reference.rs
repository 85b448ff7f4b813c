//! The semantics once more, straight from the specification: no compiled tables, no hashing, every list scanned.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::route::TableUser;
use openvpc_model::*;
use openvpc_pipeline::Code;
use openvpc_pipeline::testing::topology::Start;
use openvpc_pipeline::wire::{PacketHeader, Transport};

/// Where a packet came out (none for the internet), or why it didn't.
pub type End = Result<(Option<EniId>, IpAddr, IpAddr, u8), Code>;

/// One record of a flow log: interface, direction, accepted, addresses.
pub type Record = (EniId, Direction, bool, IpAddr, IpAddr);

/// All that security groups remember.
#[derive(Default)]
pub struct Memory(Vec<Remembered>);

struct Remembered {
    eni: EniId,
    first: Direction,
    /// The first packet's addresses and ports.
    tuple: Tuple,
    seconds: u64,
    /// 0 SYN, 1 answered, 2 established, 9 closed; for UDP: completed exchanges.
    stage: u8,
    asking: bool,
}

/// The interface behind a public address, and its private one.
type Public = (Arc<NetworkInterface>, IpAddr);

type Tuple = (IpAddr, IpAddr, u8, u32, u32);

pub struct Reference<'a> {
    pub network: &'a Network,
    pub memory: &'a mut Memory,
    pub seconds: u64,
    pub records: Vec<Record>,
    packet: PacketHeader,
    straight: bool,
}

impl<'a> Reference<'a> {
    pub fn new(network: &'a Network, memory: &'a mut Memory, seconds: u64, packet: PacketHeader) -> Self {
        Self { network, memory, seconds, records: Vec::new(), packet, straight: false }
    }

    pub fn run(&mut self, start: Start) -> End {
        match start {
            Start::Internet => self.come_in(),
            Start::Eni(id) => self.go_out(&self.network.enis.get(&id).unwrap().clone()),
        }
    }

    fn go_out(&mut self, eni: &Arc<NetworkInterface>) -> End {
        let (src, dst) = (self.packet.src, self.packet.dst);
        let subnet = self.network.subnets.get(&eni.subnet).unwrap().clone();
        let vpc = self.network.vpcs.get(&eni.vpc).unwrap().clone();
        if !self.network.carries_packets(eni) {
            return Err(Code::InstanceNotRunning);
        }
        let resolver = IpAddr::V4((u32::from(vpc.primary_block().network()) + 2).into());
        let asks = matches!(self.packet.protocol, 6 | 17) && (dst == resolver || Service::at(dst).is_some());
        if (eni.source_dest_check || asks) && !eni.owns(src) {
            return Err(Code::EniSourceDestCheckRestriction);
        }
        if asks {
            self.size(9001)?;
            return Ok((None, src, dst, self.packet.ttl));
        }
        if subnet.is_reserved(dst) || dst == resolver || unforwardable(dst) || unforwardable(src) {
            return Err(Code::AddressNotForwarded);
        }
        self.straight = eni.owns(src);
        let owner = |address| self.network.enis.values().find(|e| e.vpc == vpc.id && e.owns(address)).cloned();
        let neighbour = owner(dst).filter(|e| e.subnet == eni.subnet && e.id != eni.id);
        let route = self.route(&self.network.route_table_of(&subnet).unwrap().clone(), &vpc);
        let next = match (&neighbour, route) {
            (Some(neighbour), _) => Ok(Some(neighbour.clone())),
            (None, None) => Err(Code::NoRouteToDestination),
            (None, Some(target)) => self.follow(target, &vpc),
        };
        let stays = match &next {
            Ok(Some(to)) => to.subnet == eni.subnet,
            Ok(None) => false,
            Err(_) => subnet.contains(dst),
        };
        let mut filtered = self.group(eni, Direction::Egress);
        if filtered.is_ok() && !stays {
            filtered = self.acl(&subnet, Direction::Egress);
        }
        self.records.push((eni.id, Direction::Egress, filtered.is_ok(), src, dst));
        filtered?;
        match next? {
            Some(to) if to.id == eni.id && !eni.owns(dst) => Err(Code::RoutingLoop),
            Some(to) => {
                self.size(9001)?;
                self.arrive(&to, stays)
            }
            None => self.leave(&vpc),
        }
    }

    fn route(&self, table: &RouteTable, vpc: &Vpc) -> Option<RouteTarget> {
        let own = vpc.ipv4_blocks.iter().map(|b| IpNet::V4(b.block)).chain(vpc.ipv6_blocks.iter().map(|b| IpNet::V6(b.block)));
        let own: Vec<IpNet> = own.collect();
        let propagated = |route: &Route| route.origin == RouteOrigin::EnableVgwRoutePropagation;
        let replaced = |block: &IpNet| table.routes.iter().any(|route| route.destination == *block && !propagated(route));
        // A block, how much it counts among equal ones, and the target.
        let mut all: Vec<(IpNet, u8, RouteTarget)> =
            own.iter().filter(|block| !replaced(block)).map(|block| (*block, 3, RouteTarget::Local)).collect();
        for route in &table.routes {
            match route.destination {
                RouteDestination::Block(block) if !propagated(route) => all.push((block, 3, route.target)),
                RouteDestination::Block(block) if own.iter().any(|own| own.contains(&block)) => {}
                RouteDestination::Block(block) => all.push((block, 1, route.target)),
                RouteDestination::PrefixList(list) => {
                    all.extend(self.entries(list).into_iter().map(|block| (block, 2, route.target)));
                }
            }
        }
        let mut best: Option<(IpNet, u8, RouteTarget)> = None;
        for (block, rank, target) in all.into_iter().filter(|(block, ..)| block.contains(&self.packet.dst)) {
            if best.is_none_or(|(other, best, _)| (other.prefix_len(), best) < (block.prefix_len(), rank)) {
                best = Some((block, rank, target));
            }
        }
        best.map(|(.., target)| target)
    }

    fn entries(&self, list: PrefixListId) -> Vec<IpNet> {
        let list = self.network.prefix_lists.get(&list);
        list.map(|list| list.entries.iter().map(|entry| entry.cidr).collect()).unwrap_or_default()
    }

    fn follow(&self, target: RouteTarget, vpc: &Vpc) -> Result<Option<Arc<NetworkInterface>>, Code> {
        let dst = self.packet.dst;
        match target {
            RouteTarget::Local => {
                if let Some(eni) = self.network.enis.values().find(|e| e.vpc == vpc.id && e.owns(dst)) {
                    return Ok(Some(eni.clone()));
                }
                let reserved = self.network.subnets_of(vpc.id).any(|subnet| subnet.is_reserved(dst));
                Err(if reserved { Code::AddressNotForwarded } else { Code::UnknownDestination })
            }
            RouteTarget::InternetGateway(_) | RouteTarget::NetworkInterface(_)
                if self.network.route_state(vpc.id, target) == RouteState::Blackhole =>
            {
                Err(Code::BadStateRoute)
            }
            RouteTarget::InternetGateway(_) => Ok(None),
            RouteTarget::NetworkInterface(id) => {
                let eni = self.network.enis.get(&id).unwrap();
                if eni.vpc == vpc.id { Ok(Some(eni.clone())) } else { Err(Code::BadStateRoute) }
            }
            _ => Err(Code::NotForwarded),
        }
    }

    fn leave(&mut self, vpc: &Vpc) -> End {
        let (src, dst) = (self.packet.src, self.packet.dst);
        if within(dst, &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]) {
            return Err(Code::IgwDestinationAddressNotInRfc1918Egress);
        }
        if within(dst, &["100.64.0.0/10"]) {
            return Err(Code::IgwDestinationAddressNotInRfc6598Egress);
        }
        let owner = self.network.enis.values().find(|eni| eni.vpc == vpc.id && eni.owns(src));
        let Some(owner) = owner else {
            let inside = src.is_ipv4() && vpc.contains(src);
            return Err(if inside { Code::IgwPublicIpAssociationForEgress } else { Code::GatewayRejectsSpoofedTraffic });
        };
        if let IpAddr::V4(v4) = src {
            let mapping = owner.private_addresses.iter().find(|own| own.address == v4).and_then(|own| own.public.as_ref());
            self.packet.src = mapping.map(|mapping| mapping.address.into()).ok_or(Code::IgwPublicIpAssociationForEgress)?;
        }
        self.straight = false;
        self.hop()?;
        self.size(1500)?;
        if self.home().is_some() {
            return self.come_in();
        }
        let ours = within(dst, &["203.0.113.0/24"]) || (within(dst, &["2001:db8::/32"]) && !within(dst, &["2001:db8:ffff::/48"]));
        if ours { Err(Code::InternetUnreachable) } else { Ok((None, self.packet.src, dst, self.packet.ttl)) }
    }

    /// The VPC with a gateway that answers for the destination, and the interface for a public IPv4 address.
    fn home(&self) -> Option<(VpcId, Option<Public>)> {
        let dst = self.packet.dst;
        let open = |vpc: VpcId| self.network.internet_gateway_of(vpc).is_some();
        if dst.is_ipv6() {
            let vpc = self.network.vpcs.values().find(|vpc| open(vpc.id) && vpc.contains(dst))?;
            return Some((vpc.id, None));
        }
        self.network.enis.values().filter(|eni| open(eni.vpc)).find_map(|eni| {
            let public = |own: &&PrivateAddress| own.public.as_ref().is_some_and(|mapping| IpAddr::V4(mapping.address) == dst);
            let own = eni.private_addresses.iter().find(public)?;
            Some((eni.vpc, Some((eni.clone(), own.address.into()))))
        })
    }

    fn come_in(&mut self) -> End {
        let unknown = if self.packet.dst.is_ipv4() { Code::IgwPrivateIpAssociationForIngress } else { Code::InternetUnreachable };
        let (vpc, public) = self.home().ok_or(unknown)?;
        let vpc = self.network.vpcs.get(&vpc).unwrap().clone();
        if within(self.packet.src, &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]) {
            return Err(Code::IgwSourceAddressNotInRfc1918Ingress);
        }
        if within(self.packet.src, &["100.64.0.0/10"]) {
            return Err(Code::IgwSourceAddressNotInRfc6598Ingress);
        }
        if unforwardable(self.packet.src) {
            return Err(Code::GatewayRejectsSpoofedTraffic);
        }
        if let Some((eni, private)) = &public {
            if eni.attachment.is_none() {
                return Err(Code::IgwPrivateIpAssociationForIngress);
            }
            self.packet.dst = *private;
        }
        self.hop()?;
        self.size(1500)?;
        let gateway = self.network.internet_gateway_of(vpc.id).unwrap().id;
        let is_edge = |table: &&Arc<RouteTable>| {
            table.vpc == vpc.id && table.associations.iter().any(|a| a.user == TableUser::InternetGateway(gateway))
        };
        let target = match self.network.route_tables.values().find(is_edge) {
            None => RouteTarget::Local,
            Some(table) => self.route(table, &vpc).ok_or(Code::NoRouteToDestination)?,
        };
        let to = self.follow(target, &vpc)?.unwrap();
        if matches!(target, RouteTarget::NetworkInterface(_)) {
            let public = match self.packet.dst {
                IpAddr::V4(_) => to.private_addresses.iter().any(|own| own.public.is_some()),
                IpAddr::V6(_) => !to.ipv6_addresses.is_empty(),
            };
            if !public {
                return Err(Code::IngressRtbNoPublicIp);
            }
        }
        self.arrive(&to, false)
    }

    fn arrive(&mut self, eni: &NetworkInterface, stays: bool) -> End {
        let (src, dst) = (self.packet.src, self.packet.dst);
        if !self.network.carries_packets(eni) {
            return Err(Code::InstanceNotRunning);
        }
        let mut filtered = Ok(());
        if !stays {
            filtered = self.acl(&self.network.subnets.get(&eni.subnet).unwrap().clone(), Direction::Ingress);
        }
        if filtered.is_ok() && eni.source_dest_check && !eni.owns(dst) {
            return Err(Code::EniSourceDestCheckRestriction);
        }
        if filtered.is_ok() {
            filtered = self.group(eni, Direction::Ingress);
        }
        self.records.push((eni.id, Direction::Ingress, filtered.is_ok(), src, dst));
        filtered?;
        Ok((Some(eni.id), src, dst, self.packet.ttl))
    }

    fn hop(&mut self) -> Result<(), Code> {
        if self.packet.ttl <= 1 {
            return Err(Code::HopLimitExceeded);
        }
        self.packet.ttl -= 1;
        Ok(())
    }

    fn size(&self, mtu: u32) -> Result<(), Code> {
        if self.packet.size.max_segment > mtu && self.packet.dont_fragment { Err(Code::MtuExceeded) } else { Ok(()) }
    }

    fn acl(&self, subnet: &Subnet, direction: Direction) -> Result<(), Code> {
        let nacl = self.network.nacl_of(subnet).unwrap();
        let peer = if direction == Direction::Ingress { self.packet.src } else { self.packet.dst };
        let mut entries: Vec<&NaclEntry> = nacl.entries.iter().filter(|entry| entry.direction == direction).collect();
        entries.sort_by_key(|entry| entry.number);
        let matches =
            |entry: &&&NaclEntry| entry.block.contains(&peer) && covers(entry.protocol, entry.ports, &self.packet, false);
        match entries.iter().find(matches).map(|entry| entry.action) {
            Some(NaclAction::Allow) => Ok(()),
            Some(NaclAction::Deny) | None => Err(Code::SubnetAclRestriction),
        }
    }

    fn group(&mut self, eni: &NetworkInterface, direction: Direction) -> Result<(), Code> {
        let packet = self.packet;
        if let Some(entry) = self.memory.find(eni.id, direction, &packet, self.seconds) {
            let forward = entry.first == direction;
            if entry.stage == 9 {
                if !packet.tcp.is_some_and(|tcp| tcp.opens()) {
                    return Err(Code::ConnectionClosed);
                }
            } else {
                entry.notice(forward, &packet);
                entry.seconds = self.seconds;
                return Ok(());
            }
        }
        let rules = self.rules(eni, direction);
        let peer = if direction == Direction::Ingress { packet.src } else { packet.dst };
        let known = direction == Direction::Egress || self.straight;
        let admitting: Vec<_> = rules
            .iter()
            .filter(|rule| self.is_peer(rule, peer, known, eni.vpc) && covers(rule.protocol, rule.ports, &packet, false))
            .collect();
        if admitting.is_empty() {
            let lost = |rule: &SecurityGroupRule| {
                self.is_peer(rule, peer, true, eni.vpc) && covers(rule.protocol, rule.ports, &packet, false)
            };
            return Err(match rules.as_slice() {
                [] => Code::SgHasNoRules,
                rules if !known && rules.iter().any(lost) => Code::SgReferencesNotPreserved,
                _ => Code::EniSgRulesMismatch,
            });
        }
        let back = self.rules(eni, direction.reverse());
        let free =
            |rules: &[SecurityGroupRule]| rules.iter().any(|rule| is_open(rule, peer) && allows_all_ports(rule, packet.protocol));
        let tcp_or_udp = matches!(packet.protocol, 6 | 17);
        let untracked = tcp_or_udp && admitting.iter().any(|rule| is_open(rule, peer)) && free(&back);
        let answers_untracked = packet.protocol == 17
            && free(&rules)
            && back.iter().any(|rule| is_open(rule, peer) && covers(rule.protocol, rule.ports, &packet, true));
        let opens = match packet.protocol {
            6 => packet.tcp.is_some_and(|tcp| tcp.opens()),
            1 | 58 => matches!(packet.transport, Transport::Icmp { kind: 8 | 128, .. }),
            _ => true,
        };
        if opens {
            self.memory.forget(eni.id, direction, &packet);
            if !untracked && !answers_untracked {
                self.memory.remember(eni.id, direction, &packet, self.seconds);
            }
        }
        Ok(())
    }

    fn rules(&self, eni: &NetworkInterface, direction: Direction) -> Vec<SecurityGroupRule> {
        let groups = eni.groups.iter().filter_map(|id| self.network.security_groups.get(id));
        groups.flat_map(|group| group.rules.iter().filter(|rule| rule.direction == direction).cloned()).collect()
    }

    fn is_peer(&self, rule: &SecurityGroupRule, peer: IpAddr, known: bool, vpc: VpcId) -> bool {
        match &rule.peer {
            Peer::Ipv4(block) => matches!(peer, IpAddr::V4(v4) if block.contains(&v4)),
            Peer::Ipv6(block) => matches!(peer, IpAddr::V6(v6) if block.contains(&v6)),
            Peer::Group { group, .. } => {
                known && self.network.enis.values().any(|eni| eni.vpc == vpc && eni.owns(peer) && eni.groups.contains(group))
            }
            Peer::PrefixList(list) => self.entries(*list).iter().any(|block| block.contains(&peer)),
        }
    }
}

impl Memory {
    fn find(&mut self, eni: EniId, direction: Direction, packet: &PacketHeader, now: u64) -> Option<&mut Remembered> {
        let found = self.0.iter_mut().find(|entry| entry.is_of(eni, direction, packet))?;
        let timeout = match (packet.protocol, found.stage) {
            (6, 2) => 432_000,
            (6, _) => 60,
            (17, 2..) => 180,
            (1 | 17 | 58, _) => 30,
            _ => 600,
        };
        (now < found.seconds + timeout).then_some(found)
    }

    fn remember(&mut self, eni: EniId, first: Direction, packet: &PacketHeader, seconds: u64) {
        self.0.push(Remembered { eni, first, tuple: tuple(packet), seconds, stage: 0, asking: true });
    }

    fn forget(&mut self, eni: EniId, direction: Direction, packet: &PacketHeader) {
        self.0.retain(|entry| !entry.is_of(eni, direction, packet));
    }
}

impl Remembered {
    fn is_of(&self, eni: EniId, direction: Direction, packet: &PacketHeader) -> bool {
        let (src, dst, protocol, from, to) = tuple(packet);
        let same = direction == self.first && self.tuple == (src, dst, protocol, from, to);
        let back = direction != self.first && self.tuple == (dst, src, protocol, to, from);
        self.eni == eni && (same || back)
    }

    fn notice(&mut self, forward: bool, packet: &PacketHeader) {
        if let Some(tcp) = packet.tcp {
            let (syn, ack) = (tcp.flags & 2 != 0, tcp.flags & 16 != 0);
            self.stage = match (self.stage, forward) {
                _ if tcp.flags & 4 != 0 => 9,
                (0, false) if syn => 1,
                (1, true) if ack && !syn => 2,
                (stage, _) => stage,
            };
        } else if packet.protocol == 17 {
            if forward {
                self.asking = true;
            } else if self.asking {
                self.asking = false;
                self.stage = (self.stage + 1).min(2);
            }
        }
    }
}

/// Addresses and ports; an ICMP request and its reply have each other's "ports".
fn tuple(packet: &PacketHeader) -> Tuple {
    let (from, to) = match packet.transport {
        Transport::Ports { src, dst } => (u32::from(src), u32::from(dst)),
        Transport::Icmp { kind: 8 | 128, id, .. } => (u32::from(id), 1 << 16),
        Transport::Icmp { id, .. } => (1 << 16, u32::from(id)),
        Transport::Opaque | Transport::Fragment => (0, 0),
    };
    (packet.src, packet.dst, packet.protocol, from, to)
}

/// Whether protocol and ports of a rule take a packet, or (`turned`) the packet that it answers.
fn covers(protocol: Protocol, ports: RulePorts, packet: &PacketHeader, turned: bool) -> bool {
    match protocol {
        Protocol::All => return true,
        Protocol::Number(number) if number != packet.protocol => return false,
        Protocol::Number(_) => {}
    }
    match (ports, packet.transport) {
        (RulePorts::Range(range), Transport::Ports { src, dst }) => {
            (range.from..=range.to).contains(if turned { &src } else { &dst })
        }
        (RulePorts::Icmp(wanted), Transport::Icmp { kind, code, .. }) => {
            wanted.kind.is_none_or(|wanted| wanted == kind) && wanted.code.is_none_or(|wanted| wanted == code)
        }
        _ => true,
    }
}

fn is_open(rule: &SecurityGroupRule, peer: IpAddr) -> bool {
    match &rule.peer {
        Peer::Ipv4(block) => peer.is_ipv4() && block.prefix_len() == 0,
        Peer::Ipv6(block) => peer.is_ipv6() && block.prefix_len() == 0,
        _ => false,
    }
}

fn allows_all_ports(rule: &SecurityGroupRule, protocol: u8) -> bool {
    match (rule.protocol, rule.ports) {
        (Protocol::All, _) => true,
        (Protocol::Number(number), RulePorts::All) => number == protocol,
        (Protocol::Number(number), RulePorts::Range(range)) => number == protocol && (range.from, range.to) == (0, 65535),
        _ => false,
    }
}

fn within(address: IpAddr, blocks: &[&str]) -> bool {
    blocks.iter().any(|block| block.parse::<IpNet>().unwrap().contains(&address))
}

fn unforwardable(address: IpAddr) -> bool {
    let never = [
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "::/127",
        "fe80::/10",
        "ff00::/8",
        "fd00:ec2::/32",
        "::ffff:0:0/96",
    ];
    within(address, &never)
}
