//! Gateways that remember flows: NAT gateways and egress-only internet gateways.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use openvpc_model::nat::NatPlace;
use openvpc_model::{EgressOnlyGateway, EgressOnlyGatewayId, EniId, NatGateway, NatGatewayId, Network, RouteTarget, VpcId, Zone};

use super::slots::Slots;
use super::{Routes, is_same};
use crate::verdict::ResourceId;

/// Dense index of a gateway, stable for its life over recompiles and never reused in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayIndex(pub u32);

/// All gateways that work, with their numbers.
pub(crate) type Gateways = Slots<GatewayId, Gateway>;

/// What a gateway is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum GatewayId {
    EgressOnly(EgressOnlyGatewayId),
    Nat(NatGatewayId),
}

/// A gateway compiled.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub id: GatewayId,
    pub vpc: VpcId,
    pub kind: GatewayKind,
}

#[derive(Clone, Debug)]
pub(crate) enum GatewayKind {
    EgressOnly,
    Nat(Nat),
}

/// What is of NAT gateways alone.
#[derive(Clone, Debug)]
pub(crate) struct Nat {
    pub place: NatSeat,
    /// The addresses that it puts in the source's place, by the zone whose packets take them: private ones of its interface,
    /// or of a regional gateway the Elastic IPs themselves.
    sources: Vec<(Zone, Vec<Ipv4Addr>)>,
}

/// Where packets go in to a NAT gateway and out of it.
#[derive(Clone, Debug)]
pub(crate) enum NatSeat {
    /// At an interface, whose subnet has a network ACL and routes.
    Zonal(EniId),
    /// Nowhere in particular, with routes of its own.
    Regional(Option<Arc<Routes>>),
}

impl Gateway {
    /// None for a gateway that doesn't work.
    pub fn of_nat(gateway: &NatGateway, routes: impl Fn(openvpc_model::RouteTableId) -> Option<Arc<Routes>>) -> Option<Self> {
        let place = match gateway.place {
            _ if !gateway.is_available() => return None,
            NatPlace::Zonal { eni, .. } => NatSeat::Zonal(eni?),
            NatPlace::Regional { route_table, .. } => NatSeat::Regional(route_table.and_then(routes)),
        };
        let mut sources: Vec<(Zone, Vec<Ipv4Addr>)> = Vec::new();
        for address in &gateway.addresses {
            let source = match place {
                NatSeat::Zonal(_) => address.private,
                NatSeat::Regional(_) => address.elastic.as_ref().map(|elastic| elastic.address),
            };
            let Some(source) = source else { continue };
            match sources.iter_mut().find(|(zone, _)| *zone == address.zone) {
                Some((_, known)) => known.push(source),
                None => sources.push((address.zone, vec![source])),
            }
        }
        Some(Self { id: GatewayId::Nat(gateway.id), vpc: gateway.vpc, kind: GatewayKind::Nat(Nat { place, sources }) })
    }

    pub fn of_egress_only(gateway: &EgressOnlyGateway) -> Self {
        Self { id: GatewayId::EgressOnly(gateway.id), vpc: gateway.vpc, kind: GatewayKind::EgressOnly }
    }

    /// Its name in hops and drops.
    pub fn resource(&self) -> ResourceId {
        match self.id {
            GatewayId::EgressOnly(id) => ResourceId::EgressOnlyGateway(id),
            GatewayId::Nat(id) => ResourceId::NatGateway(id),
        }
    }

    /// The addresses of a NAT gateway.
    pub fn nat(&self) -> Option<&Nat> {
        match &self.kind {
            GatewayKind::EgressOnly => None,
            GatewayKind::Nat(nat) => Some(nat),
        }
    }

    /// The Elastic IPs of a regional NAT gateway, which no interface has.
    pub fn regional_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        let nat = self.nat().filter(|nat| matches!(nat.place, NatSeat::Regional(_)));
        nat.into_iter().flat_map(|nat| nat.sources.iter().flat_map(|(_, addresses)| addresses.iter().copied()))
    }
}

impl Nat {
    /// The addresses for packets from a zone: those of the zone, or, as long as a regional gateway has none there, of another.
    pub fn sources_for(&self, zone: Zone) -> &[Ipv4Addr] {
        let own = self.sources.iter().find(|(its, _)| *its == zone).or(self.sources.first());
        own.map_or(&[], |(_, sources)| sources)
    }

    /// The address that answers in the gateway's name.
    pub fn primary(&self) -> Option<Ipv4Addr> {
        self.sources.first().and_then(|(_, sources)| sources.first()).copied()
    }

    /// Whether an address is one of the gateway's.
    pub fn has_source_of(&self, address: IpAddr) -> bool {
        self.sources.iter().flat_map(|(_, sources)| sources).any(|source| IpAddr::V4(*source) == address)
    }
}

impl PartialEq for Gateway {
    fn eq(&self, other: &Self) -> bool {
        let same_kind = match (&self.kind, &other.kind) {
            (GatewayKind::EgressOnly, GatewayKind::EgressOnly) => true,
            (GatewayKind::Nat(one), GatewayKind::Nat(other)) => {
                let same_place = match (&one.place, &other.place) {
                    (NatSeat::Zonal(one), NatSeat::Zonal(other)) => one == other,
                    (NatSeat::Regional(Some(one)), NatSeat::Regional(Some(other))) => is_same(one, other),
                    (NatSeat::Regional(None), NatSeat::Regional(None)) => true,
                    _ => false,
                };
                same_place && one.sources == other.sources
            }
            _ => false,
        };
        same_kind && (self.id, self.vpc) == (other.id, other.vpc)
    }
}

/// What the route's target is found by, where that is a gateway that remembers flows.
pub(crate) fn target(target: RouteTarget) -> Option<GatewayId> {
    match target {
        RouteTarget::EgressOnlyGateway(id) => Some(GatewayId::EgressOnly(id)),
        RouteTarget::NatGateway(id) => Some(GatewayId::Nat(id)),
        _ => None,
    }
}

/// The interface of a NAT gateway as a network has it.
pub(super) fn eni_of(network: &Network, id: GatewayId) -> Option<EniId> {
    match id {
        GatewayId::EgressOnly(_) => None,
        GatewayId::Nat(id) => network.nat_gateways.get(&id)?.eni(),
    }
}
