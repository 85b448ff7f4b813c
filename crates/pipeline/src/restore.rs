//! Remembering again what an earlier daemon's gateways had made of a flow.

use std::net::IpAddr;

use crate::compile::{Gateway, GatewayIndex, PublicHolder, Tables};
use crate::flow::{FlowState, MappingKey, Progress, Tuple};
use crate::stages::route::{self, Way};
use crate::step::Ingress;
use crate::time::Nanos;
use crate::trace::HeaderView;

/// Has the gateway on a flow's way remember the flow again, whose packets come in as `before` and arrive as `after`; in
/// either direction. Answers what it is remembered by; none where no gateway is on the way, or another flow has its place.
pub fn restore_mapping(
    tables: &Tables,
    state: &mut FlowState,
    ingress: Ingress,
    before: &HeaderView,
    after: &HeaderView,
    progress: Progress,
    seen: Nanos,
) -> Option<MappingKey> {
    let (gateway, inside, outside) = outward(tables, ingress, before, after).or_else(|| inward(tables, before, after))?;
    let key = MappingKey { gateway, inside };
    let is_known = state.gateways.progress(&key).is_some();
    (is_known || state.gateways.restore(key, outside, progress, seen)).then_some(key)
}

fn outward(tables: &Tables, ingress: Ingress, before: &HeaderView, after: &HeaderView) -> Option<(GatewayIndex, Tuple, Tuple)> {
    let Ingress::Eni { eni, .. } = ingress else { return None };
    let entry = tables.eni(eni)?;
    let (subnet, vpc) = (tables.subnet(entry.subnet_index)?, tables.vpc(entry.vpc_index)?);
    let Ok(Way::Gateway(index)) = route::choose(tables, vpc, &subnet.routes, before.destination).way else { return None };
    let inside = Tuple::of(before)?;
    if tables.gateway(index)?.nat().is_none() {
        return Some((index, inside, inside));
    }
    let source = own_address(tables, index, after.source)?;
    let outside = Tuple::of(&HeaderView { source, destination: before.destination, ..*after })?;
    Some((index, inside, outside))
}

fn inward(tables: &Tables, before: &HeaderView, after: &HeaderView) -> Option<(GatewayIndex, Tuple, Tuple)> {
    let IpAddr::V4(public) = before.destination else {
        let IpAddr::V6(inside) = before.destination else { return None };
        let vpc = tables.vpc(tables.internet().ipv6(inside)?)?;
        let ends = Tuple::of(before)?.reverse();
        return Some((tables.egress_only_of(vpc)?, ends, ends));
    };
    let index = match tables.internet().ipv4(public).map(|public| public.holder) {
        Some(PublicHolder::Eni { eni, .. }) => tables.eni(eni)?.nat?,
        Some(PublicHolder::Gateway(gateway)) => gateway,
        None => nat_at(tables, before.destination)?,
    };
    let destination = own_address(tables, index, before.destination)?;
    let outside = Tuple::of(&HeaderView { source: after.source, destination, ..*before })?.reverse();
    let inside = Tuple::of(after)?.reverse();
    Some((index, inside, outside))
}

/// The NAT gateway that has a private address.
fn nat_at(tables: &Tables, address: IpAddr) -> Option<GatewayIndex> {
    let has = |gateway: &Gateway| gateway.nat().is_some_and(|nat| nat.has_source_of(address));
    tables.flow_gateways().map(|(index, _)| index).find(|index| tables.gateway(*index).is_some_and(has))
}

/// The address of a NAT gateway by which it knows its flows, of one that may stand for it at the internet gateway.
fn own_address(tables: &Tables, index: GatewayIndex, address: IpAddr) -> Option<IpAddr> {
    let nat = tables.gateway(index)?.nat()?;
    if nat.has_source_of(address) {
        return Some(address);
    }
    let IpAddr::V4(public) = address else { return None };
    match tables.internet().ipv4(public)?.holder {
        PublicHolder::Eni { eni, private } => {
            Some(private.into()).filter(|_| tables.eni(eni).is_some_and(|e| e.nat == Some(index)))
        }
        PublicHolder::Gateway(_) => None,
    }
}
