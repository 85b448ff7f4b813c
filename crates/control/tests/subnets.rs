//! Subnets and their addresses, beyond what one call over the wire shows. Section 1 of the networking sheet.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use common::{Lab, net, nth_64, subnet_request};
use openvpc_control::interfaces::{self, CreateNetworkInterface};
use openvpc_control::subnets::{self, Attribute, CreateSubnet};
use openvpc_control::{regions, routes, vpcs};
use openvpc_model::{NetworkInterface, RouteTable, Subnet, Tags, Vpc, VpcId, Zone};

#[test]
fn a_28_gives_eleven_addresses_and_none_of_the_reserved_ones() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    let subnet = lab.subnet(vpc, "10.0.0.16/28");
    for left in (0..11).rev() {
        lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)));
        let network = lab.network();
        assert_eq!(subnets::available_ipv4_count(&network, network.subnets.get(&subnet).unwrap()), left);
    }
    let full = lab.code(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)));
    assert_eq!(full, "InsufficientFreeAddressesInSubnet");
    let network = lab.network();
    let used: BTreeSet<_> = network.all::<NetworkInterface>().filter_map(|eni| eni.primary_ipv4()).collect();
    let expected: BTreeSet<_> = (20..=30).map(|last| Ipv4Addr::new(10, 0, 0, last)).collect();
    assert_eq!(used, expected, "all but .16 to .19 and .31");
}

#[test]
fn an_address_that_is_given_back_is_given_out_again() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    let subnet = lab.subnet(vpc, "10.0.0.0/28");
    let enis: Vec<_> = (0..11).map(|_| lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)))).collect();
    let freed = lab.get::<NetworkInterface>(&enis[4]).primary_ipv4();
    lab.run(|tx| interfaces::delete(tx, enis[4]));
    let again = lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)));
    assert_eq!(lab.get::<NetworkInterface>(&again).primary_ipv4(), freed);
}

#[test]
fn a_16_counts_its_addresses_less_five() {
    let lab = Lab::new();
    for (block, free) in [("10.0.0.0/16", 65_531), ("10.0.0.0/24", 251), ("10.0.0.0/27", 27)] {
        let vpc = lab.vpc("10.0.0.0/16");
        let subnet = lab.subnet(vpc, block);
        let network = lab.network();
        assert_eq!(subnets::available_ipv4_count(&network, network.subnets.get(&subnet).unwrap()), free, "{block}");
    }
}

fn dual_stack(lab: &Lab, vpc: VpcId, ipv4: &str, n: usize) -> CreateSubnet {
    CreateSubnet { ipv6_block: Some(nth_64(&lab.network(), vpc, n)), ..subnet_request(vpc, ipv4) }
}

#[test]
fn an_ipv6_address_is_unreserved_and_distinct() {
    let lab = Lab::new();
    let vpc = lab.vpc_with_ipv6("10.0.0.0/16");
    let request = dual_stack(&lab, vpc, "10.0.1.0/24", 0);
    let id = lab.run(|tx| subnets::create(tx, request));
    lab.run(|tx| subnets::modify(tx, id, Attribute::AssignIpv6AddressOnCreation(true)));
    for _ in 0..50 {
        lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(id)));
    }
    let (network, subnet) = (lab.network(), lab.get::<Subnet>(&id));
    let addresses: BTreeSet<_> = network.all::<NetworkInterface>().flat_map(|eni| eni.ipv6_addresses.clone()).collect();
    assert_eq!(addresses.len(), 50);
    assert!(addresses.iter().all(|a| subnet.contains(IpAddr::V6(*a)) && !subnet.is_reserved(IpAddr::V6(*a))));
    let association = subnet.ipv6_blocks[0].association;
    assert_eq!(lab.code(|tx| subnets::disassociate_ipv6(tx, association)), "DependencyViolation");
}

#[test]
fn a_subnet_without_its_ipv6_block_assigns_no_ipv6_addresses() {
    let lab = Lab::new();
    let vpc = lab.vpc_with_ipv6("10.0.0.0/16");
    let request = dual_stack(&lab, vpc, "10.0.1.0/24", 7);
    let id = lab.run(|tx| subnets::create(tx, request));
    lab.run(|tx| subnets::modify(tx, id, Attribute::AssignIpv6AddressOnCreation(true)));
    let association = lab.get::<Subnet>(&id).ipv6_blocks[0].association;
    lab.run(|tx| subnets::disassociate_ipv6(tx, association));
    assert!(!lab.get::<Subnet>(&id).assign_ipv6_address_on_creation);
    lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(id)));
}

#[test]
fn a_vpc_has_as_many_subnets_as_its_quota_says() {
    let lab = Lab::with_quotas(&[("subnets-per-vpc", 2)]);
    let (vpc, other) = (lab.vpc("10.0.0.0/16"), lab.vpc("10.0.0.0/16"));
    lab.subnet(vpc, "10.0.0.0/24");
    lab.subnet(vpc, "10.0.1.0/24");
    assert_eq!(lab.code(|tx| subnets::create(tx, subnet_request(vpc, "10.0.2.0/24"))), "SubnetLimitExceeded");
    lab.subnet(other, "10.0.2.0/24");
}

#[test]
fn a_deleted_subnet_leaves_its_acl_and_its_table() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    let subnet = lab.subnet(vpc, "10.0.0.0/24");
    let table = lab.run(|tx| routes::create_table(tx, vpc, Tags::new()));
    lab.run(|tx| routes::associate(tx, table, routes::User::Subnet(subnet)));
    lab.run(|tx| subnets::delete(tx, subnet));
    assert!(lab.get::<RouteTable>(&table).associations.is_empty());
    let network = lab.network();
    let nacl = network.vpcs.get(&vpc).unwrap().default_nacl;
    assert_eq!(network.users_of(nacl).count(), 0);
    lab.run(|tx| routes::delete_table(tx, table));
    lab.run(|tx| vpcs::delete(tx, vpc));
}

#[test]
fn a_block_may_lie_in_any_block_of_the_vpc_but_not_across_two() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.4.0.0/17");
    lab.run(|tx| vpcs::associate_ipv4(tx, vpc, net("10.4.128.0/17")));
    lab.subnet(vpc, "10.4.200.0/24");
    assert_eq!(lab.code(|tx| subnets::create(tx, subnet_request(vpc, "10.4.0.0/16"))), "InvalidSubnet.Range");
}

#[test]
fn a_default_subnet_takes_the_first_free_block() {
    let lab = Lab::new();
    let network = lab.control.view(&lab.caller).unwrap();
    let vpc = network.all::<Vpc>().next().unwrap().id;
    let of_zone = |zone| network.subnets_of(vpc).find(|subnet| subnet.zone == zone).unwrap();
    let freed = of_zone(Zone::ALL[1]);
    assert_eq!(
        lab.code(|tx| regions::create_default_subnet(tx, Zone::ALL[1], false)),
        "DefaultSubnetAlreadyExistsInAvailabilityZone"
    );
    lab.run(|tx| subnets::delete(tx, freed.id));
    lab.subnet(vpc, &format!("{}/28", freed.ipv4_block.unwrap().network()));
    let id = lab.run(|tx| regions::create_default_subnet(tx, Zone::ALL[1], false));
    let made = lab.get::<Subnet>(&id);
    assert_eq!(made.ipv4_block, Some(net("172.31.48.0/20")), "the freed block is no longer free");
}

#[test]
fn an_ipv6_only_default_subnet_needs_an_ipv6_block() {
    let lab = Lab::new();
    let network = lab.control.view(&lab.caller).unwrap();
    let vpc = network.all::<Vpc>().next().unwrap().id;
    let zone = Zone::ALL[2];
    let present = network.subnets_of(vpc).find(|subnet| subnet.zone == zone).unwrap().id;
    lab.run(|tx| subnets::delete(tx, present));
    assert_eq!(lab.code(|tx| regions::create_default_subnet(tx, zone, true)), "InvalidParameterValue");
    lab.run(|tx| vpcs::associate_ipv6(tx, vpc));
    let id = lab.run(|tx| regions::create_default_subnet(tx, zone, true));
    let subnet = lab.get::<Subnet>(&id);
    assert_eq!((subnet.ipv4_block, subnet.map_public_ip_on_launch), (None, false));
    assert_eq!(subnet.ipv6_blocks[0].block, nth_64(&lab.network(), vpc, 0));
    let association = subnet.ipv6_blocks[0].association;
    assert_eq!(lab.code(|tx| subnets::disassociate_ipv6(tx, association)), "OperationNotPermitted");
}
