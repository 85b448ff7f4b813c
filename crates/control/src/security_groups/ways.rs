//! From which groups rules may name which others.

use std::sync::Arc;

use openvpc_model::table::Anchor;
use openvpc_model::{Direction, Network, Peer, PeeringId, SecurityGroup, SecurityGroupId, SecurityGroupRule, TransitGatewayId};

use crate::{peerings, transit_gateways};

/// What lets the rules of one group name another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Both are in one VPC, made there or lent to it.
    SameVpc,
    /// Their VPCs are of one region and have an active peering connection.
    Peering(PeeringId),
    /// Their VPCs have a transit gateway in common that allows it, for inbound rules.
    TransitGateway(TransitGatewayId),
}

/// What lets rules of `group` name `peer`; none when they may not, and such a rule is stale. See "Update your security
/// groups to reference peer security groups" in the VPC Peering Guide.
pub fn way(network: &Network, group: &SecurityGroup, peer: &SecurityGroup, direction: Direction) -> Option<Way> {
    if group.vpcs().any(|vpc| peer.is_in(vpc)) {
        return Some(Way::SameVpc);
    }
    if let Some(peering) = peerings::referencing(network, group.vpc, peer.vpc) {
        return Some(Way::Peering(peering.id));
    }
    let gateway = transit_gateways::referencing(network, group.vpc, peer.vpc);
    gateway.filter(|_| direction == Direction::Ingress).map(Way::TransitGateway)
}

/// The groups of all accounts that have a rule which names the given one.
pub fn naming(network: &Network, id: SecurityGroupId) -> impl Iterator<Item = &Arc<SecurityGroup>> {
    network.by::<SecurityGroup>(Anchor::SecurityGroup(id))
}

/// The rules that name a group which no longer exists, or which is no longer reachable from the rule's VPC: they match
/// nothing and stay until somebody removes them. See "Stale security group rules" in the VPC Peering Guide.
pub fn stale_rules<'a>(network: &'a Network, group: &'a SecurityGroup) -> impl Iterator<Item = &'a SecurityGroupRule> {
    group.rules.iter().filter(|rule| match rule.peer {
        Peer::Group { group: peer, .. } => {
            let peer = network.security_groups.get(&peer);
            peer.is_none_or(|peer| way(network, group, peer, rule.direction).is_none())
        }
        _ => false,
    })
}
