//! The ways through NAT gateways and egress-only internet gateways.
//!
//! A zonal NAT gateway is an interface without an instance and without security groups: packets come in to it and go out of it
//! by the network ACL of its subnet, and leave by the subnet's route table. A regional one is nowhere in particular: no
//! network ACL, a route table of its own, and no interface that flow logs could name. An egress-only internet
//! gateway is a door that packets go out by, and come in by only as answers.

use std::net::{IpAddr, Ipv4Addr};

use openvpc_model::Direction;
use openvpc_model::public_access::PublicAccessMode;

use super::{Seat, Stop, Walk, denial};
use crate::compile::{Gateway, GatewayIndex, GatewayKind, Nat, NatSeat, Routes, VpcTable};
use crate::flow::{Found, Outward, Refusal, Tuple};
use crate::stages::nat::{self, Passenger};
use crate::stages::route::{self, Choice, Way};
use crate::stages::{egress_only, internet_gateway};
use crate::trace::{HeaderView, HopAction, Tracer};
use crate::verdict::{Code, Drop, Egress, RejectReason, Reply, ResourceId, RuleId, Through, TrafficPath};
use crate::wire::{TcpInfo, Transport, translate};

/// Where a NAT gateway lets packets out.
#[derive(Clone, Copy)]
struct Exit<'a> {
    /// Its interface; a regional one has none.
    seat: Option<Seat<'a>>,
    vpc: &'a VpcTable,
    routes: Option<&'a Routes>,
}

impl<'a, T: Tracer> Walk<'a, T> {
    /// The interface of a NAT gateway, if it has one.
    pub(super) fn nat_seat(&self, gateway: GatewayIndex) -> Option<Seat<'a>> {
        match self.tables.gateway(gateway)?.nat()?.place {
            NatSeat::Zonal(eni) => Seat::of(self.tables, self.tables.eni_index(eni)?),
            NatSeat::Regional(_) => None,
        }
    }

    /// Out through a gateway that a route names.
    pub(super) fn leave_by(&mut self, from: Seat<'a>, index: GatewayIndex, crosses: bool) -> Result<Egress, Stop> {
        let Some(gateway) = self.tables.gateway(index) else {
            return Err(self.halt(ResourceId::Vpc(from.eni.vpc), None, Code::BadStateRoute, Some(Direction::Egress)));
        };
        match &gateway.kind {
            GatewayKind::EgressOnly => self.leave_by_egress_only(from, index, gateway),
            GatewayKind::Nat(nat) => self.leave_by_nat(from, index, gateway, nat, crosses),
        }
    }

    fn leave_by_nat(
        &mut self,
        from: Seat<'a>,
        index: GatewayIndex,
        gateway: &'a Gateway,
        nat: &'a Nat,
        crosses: bool,
    ) -> Result<Egress, Stop> {
        let (resource, ingress) = (gateway.resource(), Some(Direction::Ingress));
        let exit = match &nat.place {
            NatSeat::Zonal(_) => match self.nat_seat(index) {
                Some(seat) => Exit { seat: Some(seat), vpc: seat.vpc, routes: Some(&seat.subnet.routes) },
                None => return Err(self.halt(resource, None, Code::BadStateRoute, ingress)),
            },
            NatSeat::Regional(routes) => Exit { seat: None, vpc: from.vpc, routes: routes.as_deref() },
        };
        self.enter_nat(exit.seat, crosses)?;
        if !from.vpc.vpc.contains(self.view.source) {
            self.deny(resource, None, Code::NgwRequiresSourceInVpc, ingress)?;
        }
        self.pass_nat_door(resource, nat)?;
        let before = self.view;
        self.translate_out(index, resource, nat, nat.sources_for(from.subnet.subnet.zone))?;
        self.is_from_owner = false;
        self.report(resource, None, HopAction::Translate, Some(Direction::Egress), before);
        self.leave_nat(exit, resource)
    }

    /// In at a NAT gateway: its subnet's network ACL, and a leg at its interface.
    fn enter_nat(&mut self, seat: Option<Seat<'a>>, crosses: bool) -> Result<(), Stop> {
        let Some(seat) = seat else { return Ok(()) };
        let counts = self.drop.is_none();
        let passage = if crosses { self.pass_nacl(seat.subnet, Direction::Ingress) } else { Ok(()) };
        if counts {
            self.log(seat, Direction::Ingress, None);
        }
        passage
    }

    /// What a NAT gateway asks of a packet in either direction before it looks for its flow.
    fn pass_nat_door(&mut self, resource: ResourceId, nat: &Nat) -> Result<(), Stop> {
        self.nats += 1;
        if self.nats > 2 {
            return Err(self.halt(resource, None, Code::RoutingLoop, None));
        }
        if let Some(own) = nat.primary().filter(|_| self.view.source.is_ipv4()) {
            self.router = Some(own.into());
        }
        self.count_hop(resource)?;
        self.fit(resource, nat::MTU)
    }

    /// Puts one of the gateway's addresses and a port in the source's place.
    fn translate_out(&mut self, index: GatewayIndex, resource: ResourceId, nat: &Nat, sources: &[Ipv4Addr]) -> Result<(), Stop> {
        let egress = Some(Direction::Egress);
        let passenger = match nat::admit(&self.view, self.inner.as_ref(), self.packet.fragment) {
            Ok(passenger) => passenger,
            Err(code) => return Err(self.halt(resource, None, code, egress)),
        };
        let found = match passenger {
            Passenger::Error(quoted) => {
                // Whoever sends it must be the one that the packet it is about was for.
                let known = self.flows.gateways.quoted_inside(index, quoted, self.now);
                let known =
                    known.filter(|found| quoted.destination() == self.view.source && nat.has_source_of(found.outside.source()));
                known.ok_or(Refusal::Unknown)
            }
            Passenger::Flow(inside) => {
                let Some(outside) = nat::outside_of(inside) else {
                    return Err(self.halt(resource, None, Code::ProtocolRestriction, egress));
                };
                let packet = Outward { gateway: index, inside, outside, sources, tcp: self.packet.tcp, takes_up: false };
                let commit = self.commits();
                match self.packet.tcp {
                    _ if sources.is_empty() => Err(Refusal::Exhausted),
                    // An echo's answer: nobody can have asked.
                    _ if matches!(self.view.transport, Transport::Icmp { kind: 0 | 129, .. }) => Err(Refusal::Unknown),
                    _ => self.flows.gateways.go_out(&packet, self.now, commit),
                }
            }
        };
        match found {
            Ok(found) => {
                self.note_through(&found, Direction::Egress, matches!(passenger, Passenger::Flow(_)));
                self.put_source(&found);
                Ok(())
            }
            Err(Refusal::Exhausted) => {
                self.basis.lasts = false;
                if self.commits() {
                    self.flows.gateways.counters_mut(index).port_allocation_errors += u64::from(self.packet.size.segments);
                }
                Err(self.halt(resource, None, Code::NatPortsExhausted, egress))
            }
            Err(Refusal::Unknown) => {
                self.basis.lasts = false;
                Err(self.refuse_unknown(resource))
            }
        }
    }

    /// A packet of a connection that the gateway doesn't know: TCP is told so, as if by the other end.
    fn refuse_unknown(&mut self, resource: ResourceId) -> Stop {
        let egress = Some(Direction::Egress);
        let Some(tcp) = self.packet.tcp else { return self.halt(resource, None, Code::NatNoConnection, egress) };
        let is_reset = tcp.flags & TcpInfo::RST != 0;
        if let (false, true, Some(key)) = (is_reset, self.commits(), self.basis.flows[0]) {
            self.flows.close(&key, self.now);
        }
        let reply = Some(Reply::TcpReset).filter(|_| !is_reset);
        self.halt_with(Drop { reply, ..denial(resource, None, Code::NatIdleTimeout, egress) })
    }

    /// On from a NAT gateway, by its routes and the network ACL of its subnet.
    fn leave_nat(&mut self, exit: Exit<'a>, resource: ResourceId) -> Result<Egress, Stop> {
        let egress = Some(Direction::Egress);
        let Some(routes) = exit.routes else { return Err(self.halt(resource, None, Code::NoRouteToDestination, egress)) };
        let choice = route::choose(self.tables, exit.vpc, routes, self.view.destination);
        let target = match choice.way {
            Ok(Way::Eni(target)) => Seat::of(self.tables, target),
            _ => None,
        };
        let subnet = exit.seat.map(|seat| seat.eni.subnet_index);
        let crosses = target.is_none_or(|target| Some(target.eni.subnet_index) != subnet);
        self.leave_nat_seat(exit, crosses, choice.traffic_path())?;
        self.take_route_of(routes, &choice)?;
        match (choice.way, target) {
            (Ok(Way::InternetGateway), _) => {
                let is_public = exit.seat.is_none();
                let access = exit.seat.map_or(exit.vpc.public_access, |seat| seat.subnet.public_access);
                self.leave_vpc(exit.vpc, access, is_public)
            }
            (Ok(Way::Eni(_)), Some(to)) => self.arrive(to, crosses),
            // A NAT gateway behind a NAT gateway of the same VPC, or an egress-only one, which takes no IPv4.
            (Ok(Way::Gateway(_)), _) => Err(self.halt(ResourceId::RouteTable(routes.id), None, Code::RoutingLoop, egress)),
            _ => Err(self.halt(resource, None, Code::UnknownDestination, egress)),
        }
    }

    fn leave_nat_seat(&mut self, exit: Exit<'a>, crosses: bool, path: Option<TrafficPath>) -> Result<(), Stop> {
        let Some(seat) = exit.seat else { return Ok(()) };
        let counts = self.drop.is_none();
        let passage = if crosses { self.pass_nacl(seat.subnet, Direction::Egress) } else { Ok(()) };
        if counts {
            self.log(seat, Direction::Egress, path);
        }
        passage
    }

    fn take_route_of(&mut self, routes: &Routes, choice: &Choice) -> Result<(), Stop> {
        let table = ResourceId::RouteTable(routes.id);
        let rule = choice.route.map(|route| RuleId::Route(route.destination));
        match choice.way {
            Ok(_) => {
                self.report(table, rule, HopAction::Forward, Some(Direction::Egress), self.view);
                Ok(())
            }
            Err(code) => Err(self.halt(table, rule, code, Some(Direction::Egress))),
        }
    }

    /// Back through a NAT gateway, to whoever's flow it is.
    pub(super) fn come_back(&mut self, seat: Option<Seat<'a>>, index: GatewayIndex, crosses: bool) -> Result<Egress, Stop> {
        let ingress = Some(Direction::Ingress);
        let Some((gateway, nat)) = self.tables.gateway(index).and_then(|gateway| Some((gateway, gateway.nat()?))) else {
            return Err(self.halt(ResourceId::Internet, None, Code::UnknownDestination, ingress));
        };
        let resource = gateway.resource();
        self.enter_nat(seat, crosses)?;
        self.pass_nat_door(resource, nat)?;
        let passenger = match nat::admit(&self.view, self.inner.as_ref(), self.packet.fragment) {
            Ok(passenger) => passenger,
            Err(code) => return Err(self.halt(resource, None, code, ingress)),
        };
        let commit = self.commits();
        let found = match passenger {
            Passenger::Error(quoted) => {
                let known = self.flows.gateways.quoted_outside(index, quoted, self.now);
                known.filter(|_| quoted.source() == self.view.destination)
            }
            Passenger::Flow(ends) => self.flows.gateways.come_back(index, ends, self.packet.tcp, self.now, commit),
        };
        let Some(found) = found.filter(|found| nat.has_source_of(found.outside.source())) else {
            self.basis.lasts = false;
            return Err(self.halt(resource, None, Code::NatNoConnection, ingress));
        };
        if found.key.inside.source().is_ipv6() && self.packet.fragment.is_some() {
            return Err(self.halt(resource, None, Code::NatFragment, ingress));
        }
        let before = self.view;
        self.note_through(&found, Direction::Ingress, matches!(passenger, Passenger::Flow(_)));
        self.put_destination(&found);
        self.is_from_owner = false;
        let rule = Some(RuleId::TrackedConnection);
        self.report(resource, rule, HopAction::Translate, ingress, before);
        let exit = match (&nat.place, seat) {
            (NatSeat::Regional(routes), _) => match self.vpc_of(gateway) {
                Some(vpc) => Exit { seat: None, vpc, routes: routes.as_deref() },
                None => return Err(self.halt(resource, None, Code::UnknownDestination, ingress)),
            },
            (_, Some(seat)) => Exit { seat: Some(seat), vpc: seat.vpc, routes: Some(&seat.subnet.routes) },
            (_, None) => return Err(self.halt(resource, None, Code::UnknownDestination, ingress)),
        };
        self.leave_nat(exit, resource)
    }

    fn vpc_of(&self, gateway: &Gateway) -> Option<&'a VpcTable> {
        self.tables.vpc(self.tables.vpc_index(gateway.vpc)?)
    }

    /// Out through the egress-only internet gateway, which remembers the flow.
    fn leave_by_egress_only(&mut self, from: Seat<'a>, index: GatewayIndex, gateway: &Gateway) -> Result<Egress, Stop> {
        let (resource, egress) = (gateway.resource(), Some(Direction::Egress));
        if from.subnet.public_access == PublicAccessMode::BlockBidirectional {
            self.block_public_access(resource, Direction::Egress)?;
        }
        if let Err(code) = egress_only::outbound(from.vpc, self.view.source, self.view.destination) {
            return Err(self.halt(resource, None, code, egress));
        }
        self.count_hop(resource)?;
        self.fit(resource, internet_gateway::MTU)?;
        if let Some(inside) = Tuple::of(&self.view).filter(|_| egress_only::remembers(&self.view)) {
            let packet = Outward { gateway: index, inside, outside: inside, sources: &[], tcp: self.packet.tcp, takes_up: true };
            let commit = self.commits();
            if let Ok(found) = self.flows.gateways.go_out(&packet, self.now, commit) {
                self.note_through(&found, Direction::Egress, true);
            }
        }
        self.is_from_owner = false;
        self.report(resource, None, HopAction::Forward, egress, self.view);
        self.cross_internet()
    }

    /// The egress-only internet gateway that a packet from the internet comes in by: where its receiver's answers leave by
    /// it, or there is no other.
    pub(super) fn egress_only_for(&self, vpc: &VpcTable) -> Option<GatewayIndex> {
        let HeaderView { source, destination, .. } = self.view;
        let index = self.tables.egress_only_of(vpc).filter(|_| destination.is_ipv6())?;
        if vpc.gateway.is_none() {
            return Some(index);
        }
        let receiver = Seat::of(self.tables, vpc.host(destination)?.eni)?;
        let choice = route::choose(self.tables, vpc, &receiver.subnet.routes, source);
        (choice.way == Ok(Way::Gateway(index))).then_some(index)
    }

    /// In through the egress-only internet gateway: answers alone, and ICMP errors about what went out.
    pub(super) fn enter_by_egress_only(&mut self, vpc: &'a VpcTable, index: GatewayIndex) -> Result<Egress, Stop> {
        let ingress = Some(Direction::Ingress);
        let Some(gateway) = self.tables.gateway(index) else {
            return Err(self.halt(ResourceId::Internet, None, Code::InternetUnreachable, ingress));
        };
        let resource = gateway.resource();
        self.count_hop(resource)?;
        self.fit(resource, internet_gateway::MTU)?;
        let (commit, now) = (self.commits(), self.now);
        let quoted = self.inner.map(|inner| inner.view());
        let found = match quoted {
            Some(quoted) => {
                let ends = Tuple::of(&quoted).filter(|ends| ends.source() == self.view.destination);
                ends.and_then(|ends| self.flows.gateways.quoted_outside(index, ends, now))
            }
            None => {
                let ends = Tuple::of(&self.view);
                ends.and_then(|ends| self.flows.gateways.come_back(index, ends, self.packet.tcp, now, commit))
            }
        };
        match found {
            Some(found) => {
                self.note_through(&found, Direction::Ingress, quoted.is_none());
                self.report(resource, Some(RuleId::TrackedConnection), HopAction::Forward, ingress, self.view);
            }
            None => {
                self.basis.lasts = false;
                self.deny(resource, None, Code::EgressOnly, ingress)?;
            }
        }
        let receiver = vpc.host(self.view.destination).and_then(|host| Seat::of(self.tables, host.eni));
        match receiver {
            Some(to) if to.subnet.public_access == PublicAccessMode::BlockBidirectional => {
                self.refuse_entry(to, resource)?;
                self.arrive(to, true)
            }
            Some(to) => self.arrive(to, true),
            None => Err(self.halt(resource, None, Code::UnknownDestination, ingress)),
        }
    }

    /// Block Public Access at a gateway on the way out: the sender's leg is a refusal.
    pub(super) fn block_public_access(&mut self, gateway: ResourceId, direction: Direction) -> Result<(), Stop> {
        if self.drop.is_none()
            && let Some(leg) = self.legs.last_mut()
        {
            (leg.action, leg.reason) = (crate::verdict::Action::Reject, Some(RejectReason::BlockPublicAccess));
        }
        self.deny(gateway, None, Code::VpcBlockPublicAccessEnabled, Some(direction))
    }

    /// Block Public Access at a gateway on the way in: the receiver has a leg that says so.
    pub(super) fn refuse_entry(&mut self, to: Seat<'a>, gateway: ResourceId) -> Result<(), Stop> {
        if self.drop.is_none() {
            self.log(to, Direction::Ingress, None);
        }
        self.block_public_access(gateway, Direction::Ingress)
    }

    /// Notes the flow that a gateway knows a packet by.
    fn note_through(&mut self, found: &Found, direction: Direction, is_of_flow: bool) {
        self.tracks_always = true;
        // Whoever keeps a verdict can look after one mapping, and a flow's own packets alone.
        self.basis.lasts &= found.is_kept && is_of_flow && self.basis.through.is_none();
        self.basis.through.get_or_insert(Through { mapping: found.key, direction });
    }

    fn put_source(&mut self, found: &Found) {
        let (source, port) = (found.outside.source(), found.outside.ports[0]);
        let before = std::mem::replace(&mut self.view.source, source);
        if let Some(inner) = self.inner.as_mut().filter(|inner| inner.dst == before) {
            inner.dst = source;
            set_destination_port(&mut inner.transport, port);
        }
        set_source_port(&mut self.view.transport, port);
        if before.is_ipv6() {
            // An error may go to a router on the way instead of the flow's other end.
            let embedded = |address| match address {
                IpAddr::V6(v6) => translate::embedded(v6).map(IpAddr::V4),
                v4 @ IpAddr::V4(_) => Some(v4),
            };
            self.view.destination = embedded(self.view.destination).unwrap_or(found.outside.destination());
            nat::make_ipv4(&mut self.view);
            if let Some(inner) = &mut self.inner {
                inner.src = embedded(inner.src).unwrap_or(found.outside.destination());
                let mut view = inner.view();
                nat::make_ipv4(&mut view);
                (inner.protocol, inner.transport) = (view.protocol, view.transport);
            }
            self.growth -= i32::from(translate::GROWTH);
        }
        self.ports[0] = Some(port);
    }

    fn put_destination(&mut self, found: &Found) {
        let (destination, port): (IpAddr, u16) = (found.key.inside.source(), found.key.inside.ports[0]);
        let before = std::mem::replace(&mut self.view.destination, destination);
        if let Some(inner) = self.inner.as_mut().filter(|inner| inner.src == before) {
            inner.src = destination;
            set_source_port(&mut inner.transport, port);
        }
        set_destination_port(&mut self.view.transport, port);
        if destination.is_ipv6() {
            self.view.source = nat::seen_from_inside(self.view.source);
            nat::make_ipv6(&mut self.view);
            if let Some(inner) = &mut self.inner {
                inner.dst = nat::seen_from_inside(inner.dst);
                let mut view = inner.view();
                nat::make_ipv6(&mut view);
                (inner.protocol, inner.transport) = (view.protocol, view.transport);
            }
            self.growth += i32::from(translate::GROWTH);
        }
        self.ports[1] = Some(port);
    }

    /// Whether state may change.
    pub(super) fn commits(&self) -> bool {
        self.drop.is_none() && !self.is_preview
    }
}

/// Of an ICMP request the identifier stands for the source port.
fn set_source_port(transport: &mut Transport, port: u16) {
    match transport {
        Transport::Ports { src, .. } => *src = port,
        Transport::Icmp { kind: 8 | 128, id, .. } => *id = port,
        _ => {}
    }
}

/// Of an ICMP answer the identifier stands for the destination port.
fn set_destination_port(transport: &mut Transport, port: u16) {
    match transport {
        Transport::Ports { dst, .. } => *dst = port,
        Transport::Icmp { kind: 0 | 129, id, .. } => *id = port,
        _ => {}
    }
}
