//! The case tables of the specification, row by row, and what lies between the rows.
//!
//! One module per section. Rows that need a component which isn't there yet (peering, transit gateways, VPN,
//! endpoints, load balancers) or that are about API
//! calls rather than packets are named at the head of each module.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod addressing;
mod block_public_access;
mod closing;
mod connection_tracking;
mod egress_only;
mod errors;
mod fragments;
mod interfaces;
mod internet;
mod legs;
mod nat;
mod nat_reference;
mod network_acls;
mod paths;
mod properties;
mod reference;
mod routing;
mod security_groups;
mod services;
mod tables;
mod tracing;

use openvpc_model::*;
use openvpc_pipeline::testing::{Host, World};

/// One VPC, 10.0.0.0/16 and 2001:db8:0:100::/56, with two subnets: 10.0.1.0/24 and 10.0.2.0/24.
struct Lab {
    world: World,
    vpc: VpcId,
    first: SubnetId,
    second: SubnetId,
    /// Lets everything in and out.
    open: SecurityGroupId,
}

impl Lab {
    fn new() -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        world.add_block(vpc, "2001:db8:0:100::/56");
        let first = world.subnet(vpc, "10.0.1.0/24 2001:db8:0:101::/64");
        let second = world.subnet(vpc, "10.0.2.0/24 2001:db8:0:102::/64");
        let open = world.open_group(vpc);
        Self { world, vpc, first, second, open }
    }

    /// The same with an internet gateway and default routes to it in the main table.
    fn with_internet() -> (Self, InternetGatewayId) {
        let mut lab = Self::new();
        let gateway = lab.world.gateway(lab.vpc);
        let main = lab.world.main_table(lab.vpc);
        lab.world.route(main, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
        lab.world.route(main, "::/0", RouteTarget::InternetGateway(gateway));
        (lab, gateway)
    }

    /// 10.0.1.10 in the first subnet, wide open.
    fn a(&mut self) -> Host {
        self.world.host(self.first, "10.0.1.10 2001:db8:0:101::10", &[self.open])
    }

    /// 10.0.2.20 in the second subnet, with the given group.
    fn b(&mut self, group: SecurityGroupId) -> Host {
        self.world.host(self.second, "10.0.2.20 2001:db8:0:102::20", &[group])
    }

    fn group(&mut self, rules: &[&str]) -> SecurityGroupId {
        self.world.group(self.vpc, rules)
    }
}
