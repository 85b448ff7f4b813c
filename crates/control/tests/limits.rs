//! What happens at the limits of groups, ACLs, interfaces, addresses and instances.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::Lab;
use openvpc_control::instances::{self, RunInstances};
use openvpc_control::interfaces::{self, AssignIpv4, CreateNetworkInterface};
use openvpc_control::security_groups::{self, CreateSecurityGroup};
use openvpc_control::{addresses, network_acls};
use openvpc_model::{EniId, Instance, NetworkInterface, Resource, Subnet, SubnetId, Tags, Zone};

fn default_subnet(lab: &Lab, zone: Zone) -> SubnetId {
    lab.run(|tx| Ok(tx.owned::<Subnet>().find(|subnet| subnet.zone == zone).unwrap().id))
}

fn create(lab: &Lab, subnet: SubnetId) -> EniId {
    lab.run(|tx| interfaces::create(tx, CreateNetworkInterface::new(subnet)))
}

fn count<R: Resource>(lab: &Lab) -> usize {
    lab.network().all::<R>().count()
}

fn launch(min_count: i32, max_count: i32) -> RunInstances {
    RunInstances { min_count, max_count, image: "ami-1".into(), ..RunInstances::default() }
}

fn group(name: &str) -> CreateSecurityGroup {
    CreateSecurityGroup { name: name.into(), description: "d".into(), vpc: None, tags: Tags::new() }
}

#[test]
fn interfaces_are_counted_per_zone() {
    let lab = Lab::with_quotas(&[("interfaces", 2)]);
    let (first, second) = (default_subnet(&lab, Zone::ALL[0]), default_subnet(&lab, Zone::ALL[1]));
    create(&lab, first);
    create(&lab, first);
    assert_eq!(lab.code(|tx| interfaces::create(tx, CreateNetworkInterface::new(first))), "NetworkInterfaceLimitExceeded");
    create(&lab, second);
}

#[test]
fn addresses_are_counted_per_interface_and_family() {
    let lab = Lab::with_quotas(&[("ipv4-addresses-per-interface", 3), ("ipv6-addresses-per-interface", 1)]);
    let eni = create(&lab, default_subnet(&lab, Zone::ALL[0]));
    let more = |count| AssignIpv4 { count, ..AssignIpv4::default() };
    assert_eq!(lab.code(|tx| interfaces::assign_ipv4(tx, eni, &more(3))), "PrivateIpAddressLimitExceeded");
    assert_eq!(lab.get::<NetworkInterface>(&eni).private_addresses.len(), 1, "none of the three was kept");
    lab.run(|tx| interfaces::assign_ipv4(tx, eni, &more(2)));
}

#[test]
fn elastic_ips_are_counted_per_region() {
    let lab = Lab::with_quotas(&[("addresses", 1)]);
    let eip = lab.run(|tx| addresses::allocate(tx, None, Tags::new()));
    assert_eq!(lab.code(|tx| addresses::allocate(tx, None, Tags::new())), "AddressLimitExceeded");
    lab.run(|tx| addresses::release(tx, eip));
    lab.run(|tx| addresses::allocate(tx, None, Tags::new()));
}

#[test]
fn a_launch_takes_what_the_limits_leave_and_never_fewer_than_the_least() {
    let lab = Lab::with_quotas(&[("instances", 3)]);
    lab.run(|tx| instances::run(tx, &launch(1, 2)));
    assert_eq!(lab.code(|tx| instances::run(tx, &launch(2, 2))), "InstanceLimitExceeded");
    lab.run(|tx| instances::run(tx, &launch(1, 5)));
    assert_eq!(count::<Instance>(&lab), 3);

    let lab = Lab::with_quotas(&[("interfaces", 3)]);
    assert_eq!(lab.code(|tx| instances::run(tx, &launch(4, 5))), "NetworkInterfaceLimitExceeded");
    assert_eq!((count::<Instance>(&lab), count::<NetworkInterface>(&lab)), (0, 0));
    lab.run(|tx| instances::run(tx, &launch(1, 5)));
    assert_eq!((count::<Instance>(&lab), count::<NetworkInterface>(&lab)), (3, 3));
}

#[test]
fn a_launch_without_a_public_address_left_fails_or_is_cut_short() {
    let lab = Lab::with_quotas(&[("addresses", 300)]);
    lab.run(|tx| (0..252).try_for_each(|_| addresses::allocate(tx, None, Tags::new()).map(drop)));
    assert_eq!(lab.code(|tx| instances::run(tx, &launch(3, 3))), "InsufficientAddressCapacity");
    lab.run(|tx| instances::run(tx, &launch(1, 3)));
    assert_eq!((count::<Instance>(&lab), count::<NetworkInterface>(&lab)), (2, 2));
}

#[test]
fn groups_are_counted_per_region_and_acls_per_vpc() {
    // The default group of the default VPC counts.
    let lab = Lab::with_quotas(&[("security-groups", 2), ("nacls-per-vpc", 2)]);
    lab.run(|tx| security_groups::create(tx, group("web")));
    assert_eq!(lab.code(|tx| security_groups::create(tx, group("db"))), "SecurityGroupLimitExceeded");
    let lab = Lab::with_quotas(&[("nacls-per-vpc", 2)]);
    let (one, other) = (lab.vpc("10.0.0.0/16"), lab.vpc("10.1.0.0/16"));
    lab.run(|tx| network_acls::create(tx, one, Tags::new()));
    assert_eq!(lab.code(|tx| network_acls::create(tx, one, Tags::new())), "NetworkAclLimitExceeded");
    lab.run(|tx| network_acls::create(tx, other, Tags::new()));
}
