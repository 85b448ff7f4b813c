//! The order of the stages: one packet's way from where it enters to where it leaves or is dropped.
//!
//! | path | stages |
//! |---|---|
//! | out of an interface | running? source check, addresses that are never forwarded, security groups out |
//! | … to the same subnet | (nothing between) |
//! | … to another subnet | network ACL out, route table |
//! | … to the internet | network ACL out, route table, internet gateway: Block Public Access, checks, hop limit, MTU, translation |
//! | … to a NAT gateway | network ACL out, route table, network ACL in, hop limit, MTU, translation; on as out of a subnet |
//! | … to an egress-only internet gateway | network ACL out, route table, gateway: Block Public Access, checks, hop limit, MTU |
//! | in from the internet | internet gateway: checks, translation, hop limit, MTU; gateway route table if there is one; Block Public Access |
//! | … to a NAT gateway | network ACL in, hop limit, MTU, translation by the port map; on as out of a subnet |
//! | in at an interface | running? network ACL in (unless from the same subnet), destination check, security groups in |
//!
//! Between public addresses the way out of one gateway continues with the way in of the other. The route is looked up before
//! the network ACL is asked, because only the route says whether the packet leaves the subnet; it is reported, and drops,
//! after it.
//!
//! Packets to and from the link-local services meet none of this but what `walk/services.rs` says.

mod services;

mod gateways;

use std::net::IpAddr;

use openvpc_model::Direction;
use openvpc_model::internet::is_given_out;
use openvpc_model::public_access::PublicAccessMode;

use crate::compile::{
    EniEntry, EniIndex, NextHop, Place, PublicAddress, PublicHolder, SecurityGroups, SubnetTable, Tables, VpcTable,
};
use crate::flow::FlowState;
use crate::stages::route::{Choice, Way};
use crate::stages::{address, internet_gateway, nacl, route, security_group, source_check};
use crate::step::Ingress;
use crate::time::Nanos;
use crate::trace::{HeaderView, Hop, HopAction, Tracer};
use crate::verdict::{
    Action, Basis, Code, Delivery, Drop, Egress, IcmpError, IcmpErrorKind, Leg, Legs, Outcome, Reply, ResourceId, RuleId,
    TrafficPath, Verdict,
};
use crate::wire::{InnerHeader, PacketHeader, Rewrite};

/// A packet under way.
pub(crate) struct Walk<'a, T> {
    tables: &'a Tables,
    flows: &'a mut FlowState,
    tracer: &'a mut T,
    now: Nanos,
    packet: &'a PacketHeader,
    /// The header as it is at this point of the way.
    view: HeaderView,
    /// What an ICMP error quotes, as it is at this point of the way.
    inner: Option<InnerHeader>,
    /// Routers passed that count down the hop limit.
    hops: u8,
    mtu: u16,
    /// Whether the packet comes straight from the interface that owns its source address, so that the security groups of
    /// the sender are known.
    is_from_owner: bool,
    /// The router that answers for this packet.
    router: Option<IpAddr>,
    legs: Legs,
    drop: Option<Drop>,
    basis: Basis,
    /// Whether flows take no notice of the packet.
    is_preview: bool,
    /// Whether security groups track the flow whatever their rules are.
    tracks_always: bool,
    /// The source and destination port that NAT gateways put in place of others.
    ports: [Option<u16>; 2],
    /// How often the packet went through a NAT gateway.
    nats: u8,
    /// How many bytes longer the packet is here than it was sent.
    growth: i32,
}

/// The walk is over; [`Walk::drop`] says why.
struct Stop;

/// An interface and its surroundings.
#[derive(Clone, Copy)]
struct Seat<'a> {
    index: EniIndex,
    eni: &'a EniEntry,
    groups: &'a SecurityGroups,
    subnet: &'a SubnetTable,
    vpc: &'a VpcTable,
}

impl<'a, T: Tracer> Walk<'a, T> {
    pub fn new(tables: &'a Tables, flows: &'a mut FlowState, packet: &'a PacketHeader, now: Nanos, tracer: &'a mut T) -> Self {
        let view =
            HeaderView { source: packet.src, destination: packet.dst, protocol: packet.protocol, transport: packet.transport };
        Self {
            tables,
            flows,
            tracer,
            now,
            packet,
            view,
            inner: packet.inner,
            hops: 0,
            mtu: crate::compile::MTU,
            is_from_owner: false,
            router: None,
            legs: Legs::EMPTY,
            drop: None,
            basis: Basis { lasts: packet.fragment.is_none(), ..Basis::default() },
            is_preview: false,
            tracks_always: false,
            ports: [None; 2],
            nats: 0,
            growth: 0,
        }
    }

    /// The same, for a packet that nobody has sent: flows take no notice of it.
    pub fn preview(self) -> Self {
        Self { is_preview: true, ..self }
    }

    /// Goes all the way.
    pub fn run(mut self, ingress: Ingress) -> Verdict {
        let end = match ingress {
            Ingress::Eni { eni, next_hop } => self.start_at_eni(eni, next_hop),
            Ingress::Internet => self.start_at_internet(),
            Ingress::Services => self.start_at_services(),
        };
        let outcome = match (end, self.drop) {
            (Ok(to), None) => Outcome::Deliver(Delivery { to, rewrite: self.rewrite(), mtu: self.mtu }),
            (_, Some(drop)) => Outcome::Drop(drop),
            // Only `deny` and `halt` make a `Stop`, and both set the drop.
            (Err(Stop), None) => Outcome::Drop(denial(ResourceId::Internet, None, Code::UnknownDestination, None)),
        };
        Verdict { outcome, legs: self.legs, basis: self.basis }
    }

    fn start_at_eni(&mut self, index: EniIndex, next_hop: NextHop) -> Result<Egress, Stop> {
        let Some(from) = Seat::of(self.tables, index) else {
            return Err(self.halt(ResourceId::Internet, None, Code::UnknownDestination, Some(Direction::Egress)));
        };
        self.router = Some(from.subnet.router_address(self.view.source));
        self.basis.vpcs[0] = Some(from.eni.vpc_index);
        if let Some((service, listener)) = self.asked_service(from, next_hop) {
            return self.ask_service(from, service, listener);
        }
        self.check_sender(from)?;
        let choice = match next_hop {
            NextHop::Router => route::choose(self.tables, from.vpc, &from.subnet.routes, self.view.destination),
            NextHop::Eni(neighbour) => Choice { route: None, way: Ok(Way::Eni(neighbour)) },
        };
        let target = match choice.way {
            Ok(Way::Eni(target)) => Seat::of(self.tables, target),
            Ok(Way::Gateway(gateway)) => self.nat_seat(gateway),
            Ok(Way::InternetGateway) | Err(_) => None,
        };
        self.tracks_always = matches!(choice.way, Ok(Way::Gateway(_)));
        let crosses = match (choice.way, target) {
            (_, Some(target)) => target.eni.subnet_index != from.eni.subnet_index,
            (Ok(Way::Gateway(_) | Way::InternetGateway), None) => true,
            (_, None) => !from.subnet.subnet.contains(self.view.destination),
        };
        let path = if next_hop == NextHop::Router { choice.traffic_path() } else { Some(TrafficPath::SameVpc) };
        self.filter_out(from, crosses, path)?;
        if next_hop == NextHop::Router {
            self.take_route(from, &choice)?;
        }
        match (choice.way, target) {
            (Ok(Way::InternetGateway), _) => self.leave_vpc(from.vpc, from.subnet.public_access, false),
            (Ok(Way::Gateway(gateway)), _) => self.leave_by(from, gateway, crosses),
            (Ok(Way::Eni(_)), Some(to)) if next_hop == NextHop::Router || !crosses => {
                self.fit(ResourceId::Subnet(from.subnet.subnet.id), crate::compile::MTU)?;
                self.arrive(to, crosses)
            }
            // The neighbour left the subnet between the frame's arrival and this table.
            _ => {
                Err(self.halt(ResourceId::Subnet(from.subnet.subnet.id), None, Code::UnknownDestination, Some(Direction::Egress)))
            }
        }
    }

    /// What an interface lets out of an instance, before any filter; failures leave no trace in flow logs.
    fn check_sender(&mut self, from: Seat<'_>) -> Result<(), Stop> {
        let HeaderView { source, destination, .. } = self.view;
        let (eni, egress) = (ResourceId::Eni(from.eni.eni.id), Some(Direction::Egress));
        if !from.eni.running {
            self.deny(eni, None, Code::InstanceNotRunning, egress)?;
        }
        match source_check::judge(from.eni, source) {
            Ok(()) => self.report(eni, None, HopAction::Allow, egress, self.view),
            Err(code) => self.deny(eni, None, code, egress)?,
        }
        self.is_from_owner = from.eni.eni.owns(source);
        let subnet = &from.subnet.subnet;
        let reserved = subnet.is_reserved(destination) || from.vpc.is_resolver(destination);
        if reserved || address::is_never_forwarded(destination) || address::is_never_forwarded(source) {
            return Err(self.halt(ResourceId::Subnet(subnet.id), None, Code::AddressNotForwarded, egress));
        }
        Ok(())
    }

    /// Security groups, then the network ACL if the packet leaves the subnet; one leg, whatever they say.
    fn filter_out(&mut self, from: Seat<'_>, crosses: bool, path: Option<TrafficPath>) -> Result<(), Stop> {
        let counts = self.drop.is_none();
        let mut passage = self.pass_security_groups(from, Direction::Egress);
        if crosses && passage.is_ok() {
            passage = self.pass_nacl(from.subnet, Direction::Egress);
        }
        if counts {
            self.log(from, Direction::Egress, path);
        }
        passage
    }

    fn take_route(&mut self, from: Seat<'_>, choice: &Choice) -> Result<(), Stop> {
        let table = ResourceId::RouteTable(from.subnet.routes.id);
        let rule = choice.route.map(|route| RuleId::Route(route.destination));
        let egress = Some(Direction::Egress);
        match choice.way {
            // The appliance's own subnet routes back to the appliance.
            Ok(Way::Eni(to)) if to == from.index && !from.eni.eni.owns(self.view.destination) => {
                Err(self.halt(table, rule, Code::RoutingLoop, egress))
            }
            Ok(_) => {
                self.report(table, rule, HopAction::Forward, egress, self.view);
                Ok(())
            }
            Err(code) => Err(self.halt(table, rule, code, egress)),
        }
    }

    /// Out through the internet gateway of a VPC, from where Block Public Access says that. The source may be public already.
    fn leave_vpc(&mut self, vpc: &'a VpcTable, access: PublicAccessMode, is_public: bool) -> Result<Egress, Stop> {
        let HeaderView { source, destination, .. } = self.view;
        let egress = Some(Direction::Egress);
        let gateway = vpc.gateway.map_or(ResourceId::Vpc(vpc.vpc.id), ResourceId::InternetGateway);
        if access == PublicAccessMode::BlockBidirectional {
            self.block_public_access(gateway, Direction::Egress)?;
        }
        let public = match internet_gateway::outbound(vpc, source, destination, is_public) {
            Ok(public) => public,
            Err(code) => return Err(self.halt(gateway, None, code, egress)),
        };
        self.count_hop(gateway)?;
        self.fit(gateway, internet_gateway::MTU)?;
        let before = self.view;
        self.view.source = public;
        if let Some(inner) = self.inner.as_mut().filter(|inner| inner.dst == source) {
            inner.dst = public;
        }
        self.is_from_owner = false;
        self.pass_gateway(gateway, egress, before);
        self.cross_internet()
    }

    /// To the internet's hosts, or in again where another gateway has the destination.
    fn cross_internet(&mut self) -> Result<Egress, Stop> {
        let egress = Some(Direction::Egress);
        match self.answering_vpc() {
            Some((vpc_index, public)) => self.enter_vpc(vpc_index, public),
            None if is_given_out(self.view.destination) => {
                Err(self.halt(ResourceId::Internet, None, Code::InternetUnreachable, egress))
            }
            None => {
                self.report(ResourceId::Internet, None, HopAction::Deliver, None, self.view);
                Ok(Egress::Internet)
            }
        }
    }

    fn start_at_internet(&mut self) -> Result<Egress, Stop> {
        self.router = Some(self.view.destination);
        match self.answering_vpc() {
            Some((vpc_index, public)) => self.enter_vpc(vpc_index, public),
            None => {
                let code = match self.view.destination {
                    IpAddr::V4(_) => Code::IgwPrivateIpAssociationForIngress,
                    IpAddr::V6(_) => Code::InternetUnreachable,
                };
                Err(self.halt(ResourceId::Internet, None, code, Some(Direction::Ingress)))
            }
        }
    }

    /// The VPC whose internet gateway answers for the destination.
    fn answering_vpc(&mut self) -> Option<(u32, Option<PublicAddress>)> {
        self.basis.internet = true;
        match self.view.destination {
            IpAddr::V4(v4) => self.tables.internet().ipv4(v4).map(|public| (public.vpc_index, Some(*public))),
            IpAddr::V6(v6) => self.tables.internet().ipv6(v6).map(|vpc_index| (vpc_index, None)),
        }
    }

    /// In through the internet gateway of a VPC.
    fn enter_vpc(&mut self, vpc_index: u32, public: Option<PublicAddress>) -> Result<Egress, Stop> {
        let ingress = Some(Direction::Ingress);
        self.basis.vpcs[1] = Some(vpc_index);
        let tables = self.tables;
        let Some(vpc) = tables.vpc(vpc_index) else {
            return Err(self.halt(ResourceId::Internet, None, Code::InternetUnreachable, ingress));
        };
        if let Some(egress_only) = self.egress_only_for(vpc) {
            return self.enter_by_egress_only(vpc, egress_only);
        }
        let gateway = vpc.gateway.map_or(ResourceId::Vpc(vpc.vpc.id), ResourceId::InternetGateway);
        if let Err(code) = internet_gateway::inbound(self.view.source) {
            self.deny(gateway, None, code, ingress)?;
        }
        let before = self.view;
        let mut regional = None;
        match public.map(|public| public.holder) {
            Some(PublicHolder::Eni { eni, private }) => {
                // An interface that nothing carries counts as none.
                let is_carried = |entry: &EniEntry| entry.instance.is_some() || entry.running || entry.nat.is_some();
                if !self.tables.eni(eni).is_some_and(is_carried) {
                    return Err(self.halt(gateway, None, Code::IgwPrivateIpAssociationForIngress, ingress));
                }
                self.view.destination = IpAddr::V4(private);
            }
            Some(PublicHolder::Gateway(gateway)) => regional = Some(gateway),
            None => {}
        }
        if let Some(inner) = self.inner.as_mut().filter(|inner| inner.src == before.destination) {
            inner.src = self.view.destination;
        }
        self.count_hop(gateway)?;
        self.fit(gateway, internet_gateway::MTU)?;
        self.pass_gateway(gateway, ingress, before);
        if let Some(regional) = regional {
            if vpc.public_access == PublicAccessMode::BlockBidirectional {
                self.deny(gateway, None, Code::VpcBlockPublicAccessEnabled, ingress)?;
            }
            return self.come_back(None, regional, true);
        }
        let target = self.behind_gateway(vpc, gateway)?;
        match Seat::of(self.tables, target) {
            Some(to) => {
                let is_open = match to.subnet.public_access {
                    PublicAccessMode::Off => true,
                    PublicAccessMode::BlockBidirectional => false,
                    // What comes to a NAT gateway are answers.
                    PublicAccessMode::BlockIngress => to.eni.nat.is_some(),
                };
                if !is_open {
                    self.refuse_entry(to, gateway)?;
                }
                self.arrive(to, true)
            }
            None => Err(self.halt(gateway, None, Code::UnknownDestination, ingress)),
        }
    }

    /// The interface that a packet from the internet goes to: the destination's, or the appliance that a gateway route
    /// table names.
    fn behind_gateway(&mut self, vpc: &VpcTable, gateway: ResourceId) -> Result<EniIndex, Stop> {
        let ingress = Some(Direction::Ingress);
        let destination = self.view.destination;
        let Some(edge) = &vpc.edge else {
            return match vpc.place(destination) {
                Some(Place::Host(host)) => Ok(host.eni),
                Some(Place::Reserved) => Err(self.halt(gateway, None, Code::AddressNotForwarded, ingress)),
                None => Err(self.halt(gateway, None, Code::UnknownDestination, ingress)),
            };
        };
        let choice = route::choose(self.tables, vpc, edge, destination);
        let table = ResourceId::RouteTable(edge.id);
        let rule = choice.route.map(|route| RuleId::Route(route.destination));
        let bent = choice.is_bent();
        match choice.way {
            Ok(Way::Eni(to)) => {
                let is_public = |entry: &EniEntry| match destination {
                    IpAddr::V4(_) => entry.eni.private_addresses.iter().any(|address| address.public.is_some()),
                    IpAddr::V6(_) => !entry.eni.ipv6_addresses.is_empty(),
                };
                if bent && !self.tables.eni(to).is_some_and(is_public) {
                    self.deny(table, rule, Code::IngressRtbNoPublicIp, ingress)?;
                } else {
                    self.report(table, rule, HopAction::Forward, ingress, self.view);
                }
                Ok(to)
            }
            // A gateway's own table can't send a packet back out.
            Ok(Way::Gateway(_) | Way::InternetGateway) => Err(self.halt(table, rule, Code::BadStateRoute, ingress)),
            Err(code) => Err(self.halt(table, rule, code, ingress)),
        }
    }

    /// The last stretch: network ACL if a subnet boundary was crossed, destination check, security groups.
    fn arrive(&mut self, to: Seat<'a>, crosses: bool) -> Result<Egress, Stop> {
        let (eni, ingress) = (ResourceId::Eni(to.eni.eni.id), Some(Direction::Ingress));
        self.basis.vpcs[1] = Some(to.eni.vpc_index);
        if let Some(gateway) = to.eni.nat {
            return self.come_back(Some(to), gateway, crosses);
        }
        if !to.eni.running {
            self.deny(eni, None, Code::InstanceNotRunning, ingress)?;
        }
        let mut counts = self.drop.is_none();
        let mut passage = if crosses { self.pass_nacl(to.subnet, Direction::Ingress) } else { Ok(()) };
        if passage.is_ok()
            && let Err(code) = source_check::judge(to.eni, self.view.destination)
        {
            // Flow logs know nothing of packets that fail the check, unless the network ACL refused them before.
            counts &= self.drop.is_some();
            passage = self.deny(eni, None, code, ingress);
        }
        if passage.is_ok() {
            passage = self.pass_security_groups(to, Direction::Ingress);
        }
        if counts {
            self.log(to, Direction::Ingress, None);
        }
        passage?;
        self.report(eni, None, HopAction::Deliver, ingress, self.view);
        Ok(Egress::Eni(to.index))
    }

    fn pass_security_groups(&mut self, at: Seat<'_>, direction: Direction) -> Result<(), Stop> {
        let (peer, known) = match direction {
            Direction::Ingress => (self.view.source, self.is_from_owner),
            Direction::Egress => (self.view.destination, true),
        };
        let host = at.vpc.host(peer);
        let classes = host.filter(|_| known).map_or(&[][..], |host| &host.classes);
        let question = security_group::Question {
            eni: at.eni,
            groups: at.groups,
            index: at.index,
            direction,
            packet: &self.view,
            tcp: self.packet.tcp,
            inner: self.inner.as_ref(),
            peer_classes: classes,
            now: self.now,
            tracks_always: self.tracks_always,
            commit: self.commits(),
        };
        let answer = security_group::judge(self.flows, &question);
        self.basis.lasts &= answer.lasts;
        self.basis.flows[usize::from(direction == Direction::Ingress)] = answer.flow;
        if self.drop.is_none() {
            self.basis.refused_at = answer.denied.map(|_| at.index);
        }
        let Some(code) = answer.denied else {
            self.report(answer.resource, answer.rule, HopAction::Allow, Some(direction), self.view);
            return Ok(());
        };
        if let (Code::EniSgRulesMismatch, Some(host), false) = (code, host, known)
            && let Some(lost) = at.groups.admit(direction, peer, &host.classes, self.view.protocol, &self.view.transport)
        {
            let rule = Some(RuleId::SecurityGroupRule(lost.rule));
            return self.deny(answer.resource, rule, Code::SgReferencesNotPreserved, Some(direction));
        }
        self.deny(answer.resource, answer.rule, code, Some(direction))
    }

    fn pass_nacl(&mut self, subnet: &SubnetTable, direction: Direction) -> Result<(), Stop> {
        let (rule, allows) = nacl::judge(&subnet.nacl, direction, &self.view);
        let resource = ResourceId::Nacl(subnet.nacl.id);
        if !allows {
            return self.deny(resource, Some(rule), Code::SubnetAclRestriction, Some(direction));
        }
        self.report(resource, Some(rule), HopAction::Allow, Some(direction), self.view);
        Ok(())
    }

    /// Counts a router on the way that isn't transparent.
    fn count_hop(&mut self, router: ResourceId) -> Result<(), Stop> {
        if self.packet.ttl.saturating_sub(self.hops) <= 1 {
            self.basis.lasts = false;
            let reply = self.error(IcmpErrorKind::TimeExceeded).map(Reply::Icmp);
            return self.deny_with(Drop { reply, ..denial(router, None, Code::HopLimitExceeded, None) });
        }
        self.hops += 1;
        Ok(())
    }

    /// Sees to it that the packet fits a stretch of the way, or may be fragmented to fit.
    fn fit(&mut self, resource: ResourceId, mtu: u16) -> Result<(), Stop> {
        // As long as that may it be sent.
        let mtu = (i32::from(mtu) - self.growth).clamp(0, u16::MAX.into()) as u16;
        if self.packet.size.max_segment > u32::from(mtu) && self.packet.dont_fragment {
            self.basis.lasts = false;
            let reply = self.error(IcmpErrorKind::PacketTooBig { mtu }).map(Reply::Icmp);
            return self.deny_with(Drop { reply, ..denial(resource, None, Code::MtuExceeded, None) });
        }
        self.mtu = self.mtu.min(mtu);
        Ok(())
    }

    /// The ICMP error about this packet. None for packets about which none may be sent (RFC 1122 3.2.2, RFC 4443 2.4).
    fn error(&self, kind: IcmpErrorKind) -> Option<IcmpError> {
        let is_later_fragment = self.packet.fragment.is_some_and(|fragment| !fragment.first);
        if self.packet.is_icmp_error() || is_later_fragment {
            return None;
        }
        self.router.map(|from| IcmpError { from, kind })
    }

    /// Everything that changed on the way. [`Rewrite`] changes what an ICMP error quotes along with the addresses.
    fn rewrite(&self) -> Rewrite {
        let changed = |before: IpAddr, after: IpAddr| (before != after).then_some(after);
        Rewrite {
            src: changed(self.packet.src, self.view.source),
            dst: changed(self.packet.dst, self.view.destination),
            src_port: self.ports[0],
            dst_port: self.ports[1],
            ttl_decrement: self.hops,
        }
    }

    /// One leg: what the filters of an interface said.
    fn log(&mut self, at: Seat<'_>, direction: Direction, path: Option<TrafficPath>) {
        let action = if self.drop.is_some() { Action::Reject } else { Action::Accept };
        let HeaderView { source, destination, protocol, transport } = self.view;
        // A walk has one interface that it leaves and one that it arrives at; the list holds more.
        self.legs.push(Leg { eni: at.index, direction, action, source, destination, protocol, transport, path, reason: None });
    }

    fn pass_gateway(&mut self, gateway: ResourceId, direction: Option<Direction>, before: HeaderView) {
        let action = if before == self.view { HopAction::Forward } else { HopAction::Translate };
        self.report(gateway, None, action, direction, before);
    }

    #[inline]
    fn report(
        &mut self,
        resource: ResourceId,
        rule: Option<RuleId>,
        action: HopAction,
        direction: Option<Direction>,
        before: HeaderView,
    ) {
        if T::LISTENS {
            self.tracer.hop(&Hop { resource, rule, action, code: None, direction, inbound: before, outbound: self.view });
        }
    }

    /// A denial that a trace may look past.
    fn deny(&mut self, by: ResourceId, rule: Option<RuleId>, code: Code, direction: Option<Direction>) -> Result<(), Stop> {
        self.deny_with(denial(by, rule, code, direction))
    }

    fn deny_with(&mut self, drop: Drop) -> Result<(), Stop> {
        let stop = self.halt_with(drop);
        if T::KEEP_GOING { Ok(()) } else { Err(stop) }
    }

    /// A denial behind which there is nowhere to go.
    fn halt(&mut self, by: ResourceId, rule: Option<RuleId>, code: Code, direction: Option<Direction>) -> Stop {
        self.halt_with(denial(by, rule, code, direction))
    }

    fn halt_with(&mut self, drop: Drop) -> Stop {
        if T::LISTENS {
            let Drop { resource, rule, code, direction, .. } = drop;
            let (action, view) = (HopAction::Deny, self.view);
            self.tracer.hop(&Hop { resource, rule, action, code: Some(code), direction, inbound: view, outbound: view });
        }
        self.drop.get_or_insert(drop);
        Stop
    }
}

impl<'a> Seat<'a> {
    fn of(tables: &'a Tables, index: EniIndex) -> Option<Self> {
        let eni = tables.eni(index)?;
        let (groups, subnet, vpc) = (tables.groups(eni)?, tables.subnet(eni.subnet_index)?, tables.vpc(eni.vpc_index)?);
        Some(Self { index, eni, groups, subnet, vpc })
    }
}

fn denial(resource: ResourceId, rule: Option<RuleId>, code: Code, direction: Option<Direction>) -> Drop {
    Drop { resource, rule, code, direction, reply: None }
}
