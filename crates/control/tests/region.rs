//! What a region comes with, part by part, and what keeps a VPC from going.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Lab, net, nth_64, subnet_request};
use openvpc_control::interfaces::{self, CreateNetworkInterface};
use openvpc_control::security_groups::{self, CreateSecurityGroup};
use openvpc_control::subnets::{self, CreateSubnet};
use openvpc_control::{internet_gateways, network_acls, routes, vpcs};
use openvpc_model::route::TableUser;
use openvpc_model::*;

#[test]
fn a_region_starts_with_a_vpc_that_reaches_the_internet() {
    let lab = Lab::new();
    let network = lab.control.view(&lab.caller).unwrap();
    let vpc = network.all::<Vpc>().next().unwrap();
    assert!(vpc.is_default && vpc.enable_dns_support && vpc.enable_dns_hostnames && vpc.ipv6_blocks.is_empty());
    assert_eq!(vpc.primary_block(), net("172.31.0.0/16"));

    let mut subnets: Vec<_> = network.subnets_of(vpc.id).collect();
    subnets.sort_by_key(|subnet| subnet.zone);
    let blocks: Vec<_> = subnets.iter().map(|subnet| subnet.ipv4_block.unwrap()).collect();
    assert_eq!(blocks, ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"].map(net));
    assert_eq!(subnets.iter().map(|subnet| subnet.zone).collect::<Vec<_>>(), Zone::ALL);
    assert!(subnets.iter().all(|subnet| subnet.default_for_zone && subnet.map_public_ip_on_launch));

    let gateway = network.internet_gateway_of(vpc.id).unwrap();
    let main = network.get::<RouteTable>(&vpc.main_route_table).unwrap();
    assert_eq!(main.associations.iter().map(|a| a.user).collect::<Vec<_>>(), [TableUser::Main]);
    assert_eq!(main.routes[0].destination, RouteDestination::Block(net("0.0.0.0/0").into()));
    assert_eq!(main.routes[0].target, RouteTarget::InternetGateway(gateway.id));
    assert_eq!(network.route_state(vpc.id, main.routes[0].target), RouteState::Active);

    let nacl = network.get::<NetworkAcl>(&vpc.default_nacl).unwrap();
    assert!(nacl.is_default && network.users_of(nacl.id).count() == 3);
    let entries: Vec<_> = nacl.entries.iter().map(|e| (e.direction, e.number, e.action)).collect();
    assert_eq!(entries, [(Direction::Ingress, 100, NaclAction::Allow), (Direction::Egress, 100, NaclAction::Allow)]);

    let group = network.get::<SecurityGroup>(&vpc.default_security_group).unwrap();
    let itself = Peer::Group { account: vpc.owner.account, group: group.id };
    let rules: Vec<_> = group.rules.iter().map(|rule| (rule.direction, rule.protocol, rule.peer.clone())).collect();
    let everywhere = Peer::Ipv4(net("0.0.0.0/0"));
    assert_eq!(rules, [(Direction::Ingress, Protocol::All, itself), (Direction::Egress, Protocol::All, everywhere)]);
}

#[test]
fn looking_at_a_region_again_writes_nothing() {
    let lab = Lab::new();
    let first = lab.control.view(&lab.caller).unwrap();
    lab.run(|_| Ok(()));
    assert!(Arc::ptr_eq(&first, &lab.control.view(&lab.caller).unwrap()));
}

#[test]
fn a_public_block_beside_a_private_one_forbids_nothing_more() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.4.0.0/16");
    lab.run(|tx| vpcs::associate_ipv4(tx, vpc, net("100.64.0.0/16")));
    lab.run(|tx| vpcs::associate_ipv4(tx, vpc, net("10.5.0.0/16")));
    assert_eq!(lab.code(|tx| vpcs::associate_ipv4(tx, vpc, net("192.168.0.0/16"))), "InvalidVpc.Range");
}

#[test]
fn ranges_that_no_host_can_have_are_no_blocks() {
    let lab = Lab::new();
    for block in ["0.1.0.0/16", "127.0.0.0/16", "169.254.0.0/16", "169.254.8.0/24", "224.0.0.0/16", "239.1.0.0/24"] {
        let code = lab.code(|tx| vpcs::create(tx, common::vpc_request(block, false)));
        assert_eq!(code, "InvalidVpc.Range", "{block}");
    }
}

#[test]
fn a_vpc_stays_while_anything_is_in_it() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    let refused = |what: &str| assert_eq!(lab.code(|tx| vpcs::delete(tx, vpc)), "DependencyViolation", "{what}");

    let subnet = lab.subnet(vpc, "10.0.1.0/24");
    refused("a subnet");
    lab.run(|tx| subnets::delete(tx, subnet));

    let gateway = lab.run(|tx| internet_gateways::create(tx, Tags::new()));
    lab.run(|tx| internet_gateways::attach(tx, gateway, vpc));
    refused("a gateway");
    lab.run(|tx| internet_gateways::detach(tx, gateway, vpc));

    let request = CreateSecurityGroup { name: "web".into(), description: "d".into(), vpc: Some(vpc), tags: Tags::new() };
    let group = lab.run(|tx| security_groups::create(tx, request));
    refused("a group");
    lab.run(|tx| security_groups::delete(tx, group));

    let nacl = lab.run(|tx| network_acls::create(tx, vpc, Tags::new()));
    refused("a network ACL");
    lab.run(|tx| network_acls::delete(tx, nacl));

    let table = lab.run(|tx| routes::create_table(tx, vpc, Tags::new()));
    refused("a route table");
    lab.run(|tx| routes::delete_table(tx, table));

    lab.run(|tx| vpcs::delete(tx, vpc));
}

#[test]
fn a_subnet_s_ipv6_block_stays_while_an_interface_or_the_subnet_needs_it() {
    let lab = Lab::new();
    let vpc = lab.vpc_with_ipv6("10.0.0.0/16");
    let block = nth_64(&lab.network(), vpc, 7);
    let dual_stack = CreateSubnet { ipv6_block: Some(block), ..subnet_request(vpc, "10.0.1.0/24") };
    let subnet = lab.run(|tx| subnets::create(tx, dual_stack));
    let association = lab.get::<Subnet>(&subnet).ipv6_blocks[0].association;
    let request = CreateNetworkInterface { ipv6_count: Some(1), ..CreateNetworkInterface::new(subnet) };
    let eni = lab.run(|tx| interfaces::create(tx, request));
    assert!(block.contains(&lab.get::<NetworkInterface>(&eni).ipv6_addresses[0]));
    assert_eq!(lab.code(|tx| subnets::disassociate_ipv6(tx, association)), "DependencyViolation");
    lab.run(|tx| interfaces::delete(tx, eni));
    lab.run(|tx| subnets::disassociate_ipv6(tx, association));

    let native =
        CreateSubnet { ipv4_block: None, ipv6_native: true, ipv6_block: Some(block), ..subnet_request(vpc, "10.0.2.0/24") };
    let native = lab.run(|tx| subnets::create(tx, native));
    let association = lab.get::<Subnet>(&native).ipv6_blocks[0].association;
    assert_eq!(lab.code(|tx| subnets::disassociate_ipv6(tx, association)), "OperationNotPermitted");
}
