//! The choice of a route, and what becomes of a packet that takes it.

use std::net::IpAddr;

use openvpc_model::RouteTarget;

use crate::compile::{EniIndex, GatewayIndex, Place, Route, Routes, Tables, VpcTable};
use crate::verdict::{Code, TrafficPath};

/// The answer of a route table for one destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// The route of the longest prefix, whether it works or not.
    pub route: Option<Route>,
    /// Where it leads.
    pub way: Result<Way, Code>,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To an interface: the destination's, or a middlebox.
    Eni(EniIndex),
    /// Through a NAT gateway or an egress-only internet gateway.
    Gateway(GatewayIndex),
    /// Out through the VPC's internet gateway.
    InternetGateway,
}

/// Looks up a destination. The longest prefix wins; a route whose target is gone drops the packet, without a fallback to a
/// shorter one.
pub(crate) fn choose(tables: &Tables, vpc: &VpcTable, routes: &Routes, destination: IpAddr) -> Choice {
    let Some(route) = routes.look_up(destination) else {
        return Choice { route: None, way: Err(Code::NoRouteToDestination) };
    };
    let way = match route.target {
        RouteTarget::Local => local(vpc, destination),
        RouteTarget::InternetGateway(id) if vpc.gateway == Some(id) => Ok(Way::InternetGateway),
        RouteTarget::NetworkInterface(id) => {
            let works = |index: &EniIndex| tables.eni(*index).is_some_and(|entry| entry.running && entry.vpc == vpc.vpc.id);
            tables.eni_index(id).filter(works).map(Way::Eni).ok_or(Code::BadStateRoute)
        }
        RouteTarget::InternetGateway(_) => Err(Code::BadStateRoute),
        target @ (RouteTarget::NatGateway(_) | RouteTarget::EgressOnlyGateway(_)) => {
            tables.gateway_of(target, vpc.vpc.id).map(Way::Gateway).ok_or(Code::BadStateRoute)
        }
        RouteTarget::Peering(_) | RouteTarget::TransitGateway(_) | RouteTarget::VpnGateway(_) | RouteTarget::Endpoint(_) => {
            Err(Code::NotForwarded)
        }
    };
    Choice { route: Some(route), way }
}

impl Choice {
    /// Whether the route leads to an appliance instead of the destination.
    pub fn is_bent(&self) -> bool {
        self.route.is_some_and(|route| matches!(route.target, RouteTarget::NetworkInterface(_)))
    }

    /// What flow logs call the way, judged by the route's target even if the packet gets no farther.
    pub fn traffic_path(&self) -> Option<TrafficPath> {
        self.route.and_then(|route| match route.target {
            RouteTarget::Local | RouteTarget::NetworkInterface(_) | RouteTarget::NatGateway(_) => Some(TrafficPath::SameVpc),
            RouteTarget::InternetGateway(_) | RouteTarget::EgressOnlyGateway(_) => Some(TrafficPath::InternetGateway),
            _ => None,
        })
    }
}

fn local(vpc: &VpcTable, destination: IpAddr) -> Result<Way, Code> {
    match vpc.place(destination) {
        Some(Place::Host(host)) => Ok(Way::Eni(host.eni)),
        Some(Place::Reserved) => Err(Code::AddressNotForwarded),
        None if vpc.vpc.contains(destination) => Err(Code::UnknownDestination),
        None => Err(Code::VpcLocalRouteCidrRestriction),
    }
}
