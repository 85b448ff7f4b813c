//! The way to the link-local services and back: past every security group, network ACL and route, unseen by flow logs, and
//! counted by no router. Only the interface itself is asked for, by one of its own addresses, whatever its
//! source/destination check says.

use std::net::IpAddr;

use openvpc_model::{Direction, Service};

use super::{Seat, Stop, Walk};
use crate::compile::{MTU, NextHop};
use crate::stages::services;
use crate::trace::{HopAction, Tracer};
use crate::verdict::{Code, Egress, ResourceId};
use crate::wire::{TCP, UDP};

impl<T: Tracer> Walk<'_, T> {
    /// The service that a packet on its way out of an interface is for, and where that listens.
    #[inline]
    pub(super) fn asked_service(&self, from: Seat<'_>, next_hop: NextHop) -> Option<(Service, IpAddr)> {
        let asks = next_hop == NextHop::Router && matches!(self.view.protocol, TCP | UDP);
        if asks { services::listener(from.vpc, self.view.destination) } else { None }
    }

    /// To a service. Its packets are judged one by one, since each counts against the allowance.
    pub(super) fn ask_service(&mut self, from: Seat<'_>, service: Service, listener: IpAddr) -> Result<Egress, Stop> {
        let (eni, egress) = (ResourceId::Eni(from.eni.eni.id), Some(Direction::Egress));
        let resource = ResourceId::Service(service);
        self.basis.lasts = false;
        if !from.eni.running {
            self.deny(eni, None, Code::InstanceNotRunning, egress)?;
        }
        let Some(source) = services::masked(from.index, &from.eni.eni, self.view.source) else {
            return Err(self.halt(eni, None, Code::EniSourceDestCheckRestriction, egress));
        };
        self.report(eni, None, HopAction::Allow, egress, self.view);
        if service == Service::Resolver && !from.vpc.vpc.enable_dns_support {
            self.deny(resource, None, Code::DnsSupportDisabled, egress)?;
        }
        let counts = self.drop.is_none() && !self.is_preview;
        let (packets, allowance) = (self.packet.size.segments, services::SERVICE_ALLOWANCE);
        if counts && !self.flows.service_use.admit(from.index, packets, allowance, self.now) {
            self.deny(resource, None, Code::LinkLocalAllowanceExceeded, egress)?;
        }
        self.fit(resource, MTU)?;
        // What stands for the addresses between here and the service is nobody's business.
        self.report(resource, None, HopAction::Deliver, egress, self.view);
        self.view.source = source;
        self.view.destination = listener;
        Ok(Egress::Services)
    }

    /// Back from a service, to whoever the address stands for.
    pub(super) fn start_at_services(&mut self) -> Result<Egress, Stop> {
        let ingress = Some(Direction::Ingress);
        self.basis.lasts = false;
        let asker = services::unmasked(self.tables, self.view.destination)
            .and_then(|(index, address)| Some((Seat::of(self.tables, index)?, address)));
        let Some((to, address)) = asker else {
            return Err(self.halt(ResourceId::Internet, None, Code::UnknownDestination, ingress));
        };
        self.basis.vpcs[1] = Some(to.eni.vpc_index);
        let eni = ResourceId::Eni(to.eni.eni.id);
        let Some((service, known_by)) = services::asked(to.vpc, self.view.source) else {
            return Err(self.halt(eni, None, Code::AddressNotForwarded, ingress));
        };
        if !to.eni.running {
            self.deny(eni, None, Code::InstanceNotRunning, ingress)?;
        }
        self.fit(ResourceId::Service(service), MTU)?;
        self.view.source = known_by;
        self.view.destination = address;
        self.report(ResourceId::Service(service), None, HopAction::Forward, ingress, self.view);
        self.report(eni, None, HopAction::Deliver, ingress, self.view);
        Ok(Egress::Eni(to.index))
    }
}
