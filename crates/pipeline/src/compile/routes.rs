//! Route tables.

use std::net::IpAddr;

use ipnet::IpNet;
use openvpc_model::{Network, RouteDestination, RouteOrigin, RouteTable, RouteTableId, RouteTarget, Vpc};

use crate::matching::PrefixMap;

/// A route table compiled: the routes that users made or that were propagated, and `local` for every block of the VPC that
/// has none of its own.
///
/// The longest prefix counts. Of equal ones a route to a block comes before a route to a prefix list with that entry, and
/// this before a propagated route; of several prefix lists the one whose route was made first, and so for ever. A
/// propagated route never takes what is inside the VPC. See "Route priority" in the VPC User Guide.
///
/// Whether a route's target works is asked when a packet takes it, so that starting and stopping instances leaves tables
/// as they are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Routes {
    pub id: RouteTableId,
    map: PrefixMap<Route>,
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub destination: RouteDestination,
    pub target: RouteTarget,
}

impl Routes {
    pub fn compile(table: &RouteTable, vpc: &Vpc, network: &Network) -> Self {
        let v4 = vpc.ipv4_blocks.iter().map(|block| IpNet::V4(block.block));
        let v6 = vpc.ipv6_blocks.iter().map(|block| IpNet::V6(block.block));
        let own: Vec<IpNet> = v4.chain(v6).collect();
        let local = own.iter().map(|block| (*block, Route { destination: (*block).into(), target: RouteTarget::Local }));
        let (mut fixed, mut listed, mut propagated) = (Vec::new(), Vec::new(), Vec::new());
        let derived = network.propagated_routes(table);
        for route in table.routes.iter().chain(&derived) {
            let made = Route { destination: route.destination, target: route.target };
            match route.destination {
                RouteDestination::Block(block) if route.origin != RouteOrigin::EnableVgwRoutePropagation => {
                    fixed.push((block, made));
                }
                RouteDestination::Block(block) if own.iter().any(|own| own.contains(&block)) => {}
                RouteDestination::Block(block) => propagated.push((block, made)),
                RouteDestination::PrefixList(id) => {
                    let blocks = network.prefix_list_blocks(&table.owner.region, id);
                    listed.extend(blocks.into_iter().map(|block| (block, made)));
                }
            }
        }
        // Of equal prefixes the later counts: a user's route for a whole block of the VPC replaces the implied local one.
        let all = propagated.into_iter().chain(listed.into_iter().rev()).chain(local).chain(fixed);
        Self { id: table.id, map: PrefixMap::new(all) }
    }

    /// A table without routes, for a subnet whose table is missing: it forwards nothing.
    pub fn none(id: RouteTableId) -> Self {
        Self { id, map: PrefixMap::default() }
    }

    /// The route that a destination takes: the longest prefix.
    #[inline]
    pub fn look_up(&self, destination: IpAddr) -> Option<Route> {
        self.map.lookup(destination).map(|(_, route)| *route)
    }
}
