//! VPCs and their blocks, beyond what one call over the wire shows. Sections 1 and 2 of the networking sheet.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;

use common::{Lab, caller, net, vpc_request};
use openvpc_control::interfaces::{self, CreateNetworkInterface};
use openvpc_control::routes::{self, Target};
use openvpc_control::security_groups::{self, PeerSpec, RuleSpec};
use openvpc_control::vpcs::{self, Attribute, Disassociated};
use openvpc_control::{dhcp, internet_gateways, network_acls, regions, subnets};
use openvpc_model::{
    DhcpOptions, Direction, InternetGateway, NetworkAcl, Peer, Protocol, RegionState, RulePorts, SecurityGroup, Subnet, Tags,
    Vpc, VpcId,
};

/// The code for associating a second block, or `ok`.
fn second_block(first: &str, second: &str) -> &'static str {
    let lab = Lab::new();
    let vpc = lab.vpc(first);
    lab.control.transact(&lab.caller, |tx| vpcs::associate_ipv4(tx, vpc, net(second))).map_or_else(|error| error.code, |_| "ok")
}

#[test]
fn the_table_of_restricted_secondary_ranges_holds_row_by_row() {
    const REFUSED: &str = "InvalidVpc.Range";
    for (first, second, expected) in [
        ("10.2.0.0/16", "10.0.0.0/16", "ok"),
        ("10.2.0.0/16", "172.16.0.0/16", REFUSED),
        ("10.2.0.0/16", "192.168.0.0/24", REFUSED),
        ("10.2.0.0/16", "198.19.0.0/16", REFUSED),
        ("10.2.0.0/16", "100.64.0.0/16", "ok"),
        ("10.2.0.0/16", "8.8.0.0/16", "ok"),
        ("10.2.0.0/16", "169.254.0.0/16", REFUSED),
        ("10.1.0.0/16", "10.0.128.0/17", REFUSED),
        ("10.0.0.0/17", "10.0.128.0/17", REFUSED),
        ("10.0.0.0/16", "10.1.0.0/16", "ok"),
        ("172.16.0.0/16", "10.0.0.0/16", REFUSED),
        ("172.16.0.0/16", "192.168.0.0/16", REFUSED),
        ("172.16.0.0/16", "172.31.0.0/16", REFUSED),
        ("172.16.0.0/16", "198.19.0.0/17", REFUSED),
        ("172.16.0.0/16", "172.17.0.0/16", "ok"),
        ("172.16.0.0/16", "100.127.0.0/16", "ok"),
        ("192.168.0.0/20", "10.0.0.0/16", REFUSED),
        ("192.168.0.0/20", "172.20.0.0/16", REFUSED),
        ("192.168.0.0/20", "198.19.0.0/24", REFUSED),
        ("192.168.0.0/20", "192.168.16.0/20", "ok"),
        ("198.19.0.0/24", "10.0.0.0/16", REFUSED),
        ("198.19.0.0/24", "172.16.0.0/16", REFUSED),
        ("198.19.0.0/24", "192.168.0.0/16", REFUSED),
        ("198.19.0.0/24", "100.64.0.0/16", "ok"),
        ("100.64.0.0/16", "10.0.0.0/16", REFUSED),
        ("100.64.0.0/16", "198.19.0.0/16", REFUSED),
        ("100.64.0.0/16", "100.65.0.0/16", "ok"),
        ("8.8.0.0/16", "192.168.0.0/16", REFUSED),
        ("8.8.0.0/16", "9.9.0.0/16", "ok"),
        ("8.8.0.0/16", "169.254.128.0/17", REFUSED),
    ] {
        assert_eq!(second_block(first, second), expected, "{second} beside {first}");
    }
}

#[test]
fn blocks_of_a_vpc_never_overlap() {
    for second in ["10.0.0.0/16", "10.0.128.0/20"] {
        assert_eq!(second_block("10.0.0.0/16", second), "CidrConflict", "{second}");
    }
    assert_eq!(second_block("10.4.1.0/24", "10.4.0.0/16"), "CidrConflict");
}

#[test]
fn five_ipv4_and_five_ipv6_blocks_are_the_most() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.1.0.0/16");
    for i in 2..=5 {
        lab.run(|tx| vpcs::associate_ipv4(tx, vpc, net(&format!("10.{i}.0.0/16"))));
        lab.run(|tx| vpcs::associate_ipv6(tx, vpc));
    }
    lab.run(|tx| vpcs::associate_ipv6(tx, vpc));
    assert_eq!(lab.code(|tx| vpcs::associate_ipv4(tx, vpc, net("10.6.0.0/16"))), "CidrLimitExceeded");
    assert_eq!(lab.code(|tx| vpcs::associate_ipv6(tx, vpc)), "CidrLimitExceeded");
}

#[test]
fn a_new_block_may_be_smaller_than_a_route_but_not_equal_or_larger() {
    let lab = Lab::new();
    let vpc = lab.vpc("100.64.0.0/16");
    let gateway = lab.run(|tx| internet_gateways::create(tx, Tags::new()));
    lab.run(|tx| internet_gateways::attach(tx, gateway, vpc));
    let table = lab.get::<Vpc>(&vpc).main_route_table;
    lab.run(|tx| routes::create(tx, table, "100.80.0.0/24".parse::<ipnet::IpNet>().unwrap(), Target::InternetGateway(gateway)));
    for refused in ["100.80.0.0/24", "100.80.0.0/16"] {
        assert_eq!(lab.code(|tx| vpcs::associate_ipv4(tx, vpc, net(refused))), "CidrConflict", "{refused}");
    }
    lab.run(|tx| vpcs::associate_ipv4(tx, vpc, net("100.80.0.0/25")));
}

#[test]
fn a_bent_local_route_goes_with_its_block() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.1.0.0/16");
    let subnet = lab.subnet(vpc, "10.1.1.0/24");
    let eni = lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)));
    let block = lab.run(|tx| vpcs::associate_ipv4(tx, vpc, net("10.2.0.0/16")));
    let table = lab.get::<Vpc>(&vpc).main_route_table;
    lab.run(|tx| routes::replace(tx, table, ipnet::IpNet::V4(block.block), Target::NetworkInterface(eni)));
    let gone = lab.run(|tx| vpcs::disassociate(tx, block.association));
    assert_eq!(gone, Disassociated::Ipv4(vpc, block.clone()));
    assert!(lab.network().route_tables.get(&table).unwrap().routes.is_empty());
    lab.run(|tx| vpcs::associate_ipv4(tx, vpc, block.block));
}

#[test]
fn amazon_s_ipv6_blocks_differ_and_leave_the_lab_s_hosts_alone() {
    let lab = Lab::with_quotas(&[("vpcs", 1000)]);
    let other = caller("222222222222", "eu-central-1");
    for _ in 0..100 {
        lab.vpc_with_ipv6("10.0.0.0/16");
        lab.control.transact(&other, |tx| vpcs::create(tx, vpc_request("10.0.0.0/16", true))).unwrap();
    }
    let network = lab.network();
    let blocks: Vec<_> = network.all::<Vpc>().flat_map(|vpc| &vpc.ipv6_blocks).map(|b| b.block).collect();
    assert_eq!(blocks.len(), 200);
    assert_eq!(blocks.iter().collect::<BTreeSet<_>>().len(), 200);
    let pool: ipnet::Ipv6Net = "2001:db8::/32".parse().unwrap();
    let hosts: ipnet::Ipv6Net = "2001:db8:ffff::/48".parse().unwrap();
    assert!(blocks.iter().all(|block| block.prefix_len() == 56 && pool.contains(block) && !hosts.contains(block)));
}

fn allows_ipv6(lab: &Lab, vpc: VpcId) -> (usize, bool) {
    let network = lab.network();
    let vpc = network.vpcs.get(&vpc).unwrap();
    let nacl = network.get::<NetworkAcl>(&vpc.default_nacl).unwrap();
    assert!(nacl.entries.is_sorted_by_key(|entry| (entry.direction, entry.number)));
    let entries = nacl.entries.iter().filter(|entry| entry.number == 101 && !entry.block.addr().is_ipv4()).count();
    let group = network.get::<SecurityGroup>(&vpc.default_security_group).unwrap();
    (entries, group.rules.iter().any(|rule| rule.direction == Direction::Egress && matches!(rule.peer, Peer::Ipv6(_))))
}

#[test]
fn an_ipv6_block_opens_the_default_acl_and_group_whether_it_comes_early_or_late() {
    let lab = Lab::new();
    let early = lab.vpc_with_ipv6("10.0.0.0/16");
    assert_eq!(allows_ipv6(&lab, early), (2, true));
    let late = lab.vpc("10.0.0.0/16");
    assert_eq!(allows_ipv6(&lab, late), (0, false));
    lab.run(|tx| vpcs::associate_ipv6(tx, late));
    lab.run(|tx| vpcs::associate_ipv6(tx, late));
    assert_eq!(allows_ipv6(&lab, late), (2, true));
}

#[test]
fn an_ipv6_block_opens_nothing_that_somebody_changed() {
    let lab = Lab::new();
    let id = lab.vpc("10.0.0.0/16");
    let vpc = lab.get::<Vpc>(&id);
    lab.run(|tx| network_acls::delete_entry(tx, vpc.default_nacl, Direction::Ingress, 100));
    let https = RuleSpec {
        protocol: Protocol::TCP,
        ports: RulePorts::Range(openvpc_model::PortRange { from: 443, to: 443 }),
        peer: PeerSpec::Ipv4(net("0.0.0.0/0")),
        description: String::new(),
    };
    let group = vpc.default_security_group;
    lab.run(|tx| security_groups::authorize(tx, group, Direction::Egress, &[https], &Tags::new()));
    lab.run(|tx| vpcs::associate_ipv6(tx, id));
    assert_eq!(allows_ipv6(&lab, id), (1, false), "the untouched direction of the ACL only");
}

#[test]
fn host_names_need_dns_support_to_be_turned_on() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    lab.run(|tx| vpcs::modify(tx, vpc, Attribute::EnableDnsSupport(false)));
    assert_eq!(lab.code(|tx| vpcs::modify(tx, vpc, Attribute::EnableDnsHostnames(true))), "InvalidParameterValue");
    lab.run(|tx| vpcs::modify(tx, vpc, Attribute::EnableDnsHostnames(false)));
}

#[test]
fn a_region_comes_with_its_default_vpc_whatever_the_quotas() {
    let lab = Lab::with_quotas(&[("vpcs", 1), ("subnets-per-vpc", 1), ("internet-gateways", 0)]);
    assert_eq!(lab.code(|tx| vpcs::create(tx, vpc_request("10.0.0.0/16", false))), "VpcLimitExceeded");
    let network = lab.control.view(&lab.caller).unwrap();
    let vpc = network.owned::<Vpc>(&lab.caller.owner).next().unwrap();
    assert!(vpc.is_default && vpc.enable_dns_hostnames && vpc.enable_dns_support);
    assert_eq!(vpc.primary_block(), net("172.31.0.0/16"));
    let subnets: Vec<_> = network.subnets_of(vpc.id).collect();
    assert_eq!(subnets.len(), 3);
    assert_eq!(subnets.iter().map(|subnet| subnet.zone).collect::<BTreeSet<_>>().len(), 3);
    assert!(subnets.iter().all(|s| s.default_for_zone && s.map_public_ip_on_launch && s.ipv4_block.unwrap().prefix_len() == 20));
    assert_eq!(network.internet_gateway_of(vpc.id).unwrap().vpc, Some(vpc.id));
}

#[test]
fn the_default_options_name_the_region_s_domain() {
    let lab = Lab::new();
    for (region, domain) in [("us-east-1", "ec2.internal"), ("eu-central-1", "eu-central-1.compute.internal")] {
        let caller = caller("111111111111", region);
        let network = lab.control.view(&caller).unwrap();
        let options = network.get::<RegionState>(&caller.owner).unwrap().default_dhcp_options;
        let options = &network.get::<DhcpOptions>(&options).unwrap().options;
        assert!(options.contains(&("domain-name".to_owned(), vec![domain.to_owned()])), "{options:?}");
        assert!(options.contains(&("domain-name-servers".to_owned(), vec!["AmazonProvidedDNS".to_owned()])));
    }
}

#[test]
fn a_vpc_made_after_the_default_options_were_deleted_has_none() {
    let lab = Lab::new();
    let first = lab.vpc("10.0.0.0/16");
    let options = lab.get::<Vpc>(&first).dhcp_options.unwrap();
    assert_eq!(lab.code(|tx| dhcp::delete(tx, options)), "DependencyViolation");
    let vpcs: Vec<_> = lab.network().all::<Vpc>().map(|vpc| vpc.id).collect();
    for vpc in vpcs {
        lab.run(|tx| vpcs::associate_dhcp_options(tx, vpc, None));
    }
    lab.run(|tx| dhcp::delete(tx, options));
    let second = lab.vpc("10.0.0.0/16");
    assert_eq!(lab.get::<Vpc>(&second).dhcp_options, None);
}

#[test]
fn another_account_and_another_region_see_nothing_of_a_vpc() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    for stranger in [caller("222222222222", "us-east-1"), caller("111111111111", "eu-west-1")] {
        let error = lab.control.transact(&stranger, |tx| vpcs::delete(tx, vpc)).unwrap_err();
        assert_eq!(error.code, "InvalidVpcID.NotFound");
    }
}

#[test]
fn the_default_vpc_can_be_deleted_part_by_part_and_made_again() {
    let lab = Lab::new();
    assert_eq!(lab.code(regions::create_default_vpc), "DefaultVpcAlreadyExists");
    let network = lab.control.view(&lab.caller).unwrap();
    let vpc = network.all::<Vpc>().next().unwrap().id;
    assert_eq!(lab.code(|tx| vpcs::delete(tx, vpc)), "DependencyViolation");
    for subnet in network.all::<Subnet>() {
        lab.run(|tx| subnets::delete(tx, subnet.id));
    }
    assert_eq!(lab.code(|tx| vpcs::delete(tx, vpc)), "DependencyViolation", "the gateway");
    let gateway = network.all::<InternetGateway>().next().unwrap().id;
    lab.run(|tx| internet_gateways::detach(tx, gateway, vpc));
    lab.run(|tx| vpcs::delete(tx, vpc));
    let left = lab.network();
    assert_eq!(left.all::<NetworkAcl>().count() + left.all::<SecurityGroup>().count(), 0);
    assert_eq!(left.route_tables.size(), 0);
    lab.run(regions::create_default_vpc);
    assert_eq!(lab.network().all::<Subnet>().count(), 3);
}

#[test]
fn restricted_ranges_are_allowed_when_the_switch_is_off() {
    let lab = Lab::with_quotas(&[("restrict-secondary-blocks", 0)]);
    let vpc = lab.vpc("10.0.0.0/16");
    lab.run(|tx| vpcs::associate_ipv4(tx, vpc, net("192.168.0.0/16")));
    assert_eq!(lab.code(|tx| vpcs::associate_ipv4(tx, vpc, net("169.254.0.0/16"))), "InvalidVpc.Range");
}
