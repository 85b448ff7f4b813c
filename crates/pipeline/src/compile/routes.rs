//! Route tables.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::{RouteDestination, RouteTable, RouteTableId, RouteTarget, Vpc};

use crate::matching::PrefixMap;

/// A route table compiled: the routes that users made and `local` for every block of the VPC that has none of its own.
///
/// Whether a route's target works is asked when a packet takes it, so that starting and stopping instances leaves tables
/// as they are.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    pub id: RouteTableId,
    map: PrefixMap<Route>,
    source: Option<(Arc<RouteTable>, Arc<Vpc>)>,
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub destination: RouteDestination,
    pub target: RouteTarget,
}

impl Routes {
    pub fn compile(table: &Arc<RouteTable>, vpc: &Arc<Vpc>) -> Self {
        let v4 = vpc.ipv4_blocks.iter().map(|block| IpNet::V4(block.block));
        let v6 = vpc.ipv6_blocks.iter().map(|block| IpNet::V6(block.block));
        let local = v4.chain(v6).map(|block| (block, Route { destination: block.into(), target: RouteTarget::Local }));
        // Of equal prefixes the later counts: a user's route for a whole block of the VPC replaces the implied local one.
        let map = PrefixMap::new(local.chain(table.routes.iter().filter_map(|route| {
            Some((route.destination.block()?, Route { destination: route.destination, target: route.target }))
        })));
        Self { id: table.id, map, source: Some((table.clone(), vpc.clone())) }
    }

    /// A table without routes, for a subnet whose table is missing: it forwards nothing.
    pub fn none(id: RouteTableId) -> Self {
        Self { id, map: PrefixMap::default(), source: None }
    }

    pub fn is_current(&self, table: &Arc<RouteTable>, vpc: &Arc<Vpc>) -> bool {
        self.source.as_ref().is_some_and(|(t, v)| Arc::ptr_eq(t, table) && Arc::ptr_eq(v, vpc))
    }

    /// The route that a destination takes: the longest prefix.
    #[inline]
    pub fn look_up(&self, destination: IpAddr) -> Option<Route> {
        self.map.lookup(destination).map(|(_, route)| *route)
    }
}
