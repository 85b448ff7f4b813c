//! Route tables and internet gateways, beyond what one call over the wire shows. Sections 4 and 8 of the networking sheet.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Lab, subnet_request};
use ipnet::IpNet;
use openvpc_control::addresses::{self, AddressTarget};
use openvpc_control::interfaces::{self, CreateNetworkInterface};
use openvpc_control::routes::{self, Target, User};
use openvpc_control::{internet_gateways, subnets};
use openvpc_model::{InternetGatewayId, RouteState, RouteTable, RouteTableId, RouteTarget, Tags, Vpc, VpcId};

/// A VPC 10.0.0.0/16 with an attached gateway and a table of its own.
fn topology(lab: &Lab) -> (VpcId, InternetGatewayId, RouteTableId) {
    let vpc = lab.vpc_with_ipv6("10.0.0.0/16");
    let gateway = lab.run(|tx| internet_gateways::create(tx, Tags::new()));
    lab.run(|tx| internet_gateways::attach(tx, gateway, vpc));
    (vpc, gateway, lab.run(|tx| routes::create_table(tx, vpc, Tags::new())))
}

fn at(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_table_has_its_quota_of_routes_per_family() {
    let lab = Lab::with_quotas(&[("routes-per-table", 2)]);
    let (vpc, gateway, table) = topology(&lab);
    let target = Target::InternetGateway(gateway);
    for destination in ["192.0.2.0/24", "198.51.100.0/24", "2001:db8:1::/48", "2001:db8:2::/48"] {
        lab.run(|tx| routes::create(tx, table, at(destination), target));
    }
    assert_eq!(lab.code(|tx| routes::create(tx, table, at("203.0.113.0/24"), target)), "RouteLimitExceeded");
    assert_eq!(lab.code(|tx| routes::create(tx, table, at("::/0"), target)), "RouteLimitExceeded");
    lab.run(|tx| routes::delete(tx, table, at("192.0.2.0/24")));
    // A bent local route was there before and doesn't count.
    let subnet = lab.run(|tx| subnets::create(tx, subnet_request(vpc, "10.0.1.0/24")));
    let eni = lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)));
    lab.run(|tx| routes::replace(tx, table, at("10.0.0.0/16"), Target::NetworkInterface(eni)));
    lab.run(|tx| routes::create(tx, table, at("203.0.113.0/24"), target));
}

#[test]
fn a_vpc_has_its_quota_of_tables_the_main_one_included() {
    let lab = Lab::with_quotas(&[("route-tables-per-vpc", 3)]);
    let (vpc, _, _) = topology(&lab);
    lab.run(|tx| routes::create_table(tx, vpc, Tags::new()));
    assert_eq!(lab.code(|tx| routes::create_table(tx, vpc, Tags::new())), "RouteTableLimitExceeded");
}

#[test]
fn a_region_has_its_quota_of_gateways() {
    let lab = Lab::with_quotas(&[("internet-gateways", 2)]);
    lab.run(|tx| internet_gateways::create(tx, Tags::new()));
    assert_eq!(lab.code(|tx| internet_gateways::create(tx, Tags::new())), "InternetGatewayLimitExceeded");
}

#[test]
fn the_effective_routes_name_each_block_of_the_vpc_once() {
    let lab = Lab::new();
    let (vpc, gateway, table) = topology(&lab);
    let subnet = lab.subnet(vpc, "10.0.1.0/24");
    let eni = lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)));
    lab.run(|tx| routes::create(tx, table, at("0.0.0.0/0"), Target::InternetGateway(gateway)));
    lab.run(|tx| routes::replace(tx, table, at("10.0.0.0/16"), Target::NetworkInterface(eni)));
    let network = lab.network();
    let effective = routes::effective(&network, &lab.get::<RouteTable>(&table));
    let targets: Vec<_> = effective.iter().map(|route| route.target).collect();
    assert_eq!(
        targets,
        [RouteTarget::NetworkInterface(eni), RouteTarget::Local, RouteTarget::InternetGateway(gateway)],
        "the bent block, the IPv6 block, the default route"
    );
    assert_eq!(network.route_state(vpc, targets[0]), RouteState::Blackhole, "in no instance");
}

#[test]
fn a_gateway_stays_while_public_addresses_are_mapped() {
    let lab = Lab::new();
    let (vpc, gateway, _) = topology(&lab);
    let subnet = lab.subnet(vpc, "10.0.1.0/24");
    let eni = lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)));
    let address = lab.run(|tx| addresses::allocate(tx, None, Tags::new()));
    let target = AddressTarget { eni: Some(eni), ..AddressTarget::default() };
    let association = lab.run(|tx| addresses::associate(tx, address, &target));
    assert_eq!(lab.code(|tx| internet_gateways::detach(tx, gateway, vpc)), "DependencyViolation");
    lab.run(|tx| addresses::disassociate(tx, association));
    lab.run(|tx| internet_gateways::detach(tx, gateway, vpc));
}

#[test]
fn a_gateway_that_leaves_loses_its_route_table() {
    let lab = Lab::new();
    let (vpc, gateway, table) = topology(&lab);
    lab.run(|tx| routes::associate(tx, table, User::InternetGateway(gateway)));
    lab.run(|tx| internet_gateways::detach(tx, gateway, vpc));
    assert!(lab.get::<RouteTable>(&table).associations.is_empty());
    assert_eq!(lab.code(|tx| routes::associate(tx, table, User::InternetGateway(gateway))), "InvalidParameterValue");
    lab.run(|tx| internet_gateways::delete(tx, gateway));
}

#[test]
fn a_subnet_uses_its_own_table_and_else_the_main_one() {
    let lab = Lab::new();
    let (vpc, _, table) = topology(&lab);
    let subnet = lab.subnet(vpc, "10.0.1.0/24");
    let used = || {
        let network = lab.network();
        network.route_table_of(network.subnets.get(&subnet).unwrap()).unwrap().id
    };
    let main = lab.get::<Vpc>(&vpc).main_route_table;
    assert_eq!(used(), main);
    let association = lab.run(|tx| routes::associate(tx, table, User::Subnet(subnet)));
    assert_eq!(used(), table);
    lab.run(|tx| routes::disassociate(tx, association));
    assert_eq!(used(), main);
    let main_association = lab.get::<RouteTable>(&main).associations[0].id;
    lab.run(|tx| routes::replace_association(tx, main_association, table));
    assert_eq!(used(), table);
    assert_eq!(lab.get::<Vpc>(&vpc).main_route_table, table);
}
