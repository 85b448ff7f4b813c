#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

/// A subnet of 16 addresses, of which 11 can be assigned: .4 to .14.
fn subnet(api: &Api) -> String {
    let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/28")]).unwrap();
    subnet["Subnet"]["SubnetId"].as_str().unwrap().to_owned()
}

fn reserve(api: &Api, subnet: &str, cidr: &str, kind: &str) -> Result<Value, crate::ApiError> {
    let parameters = [("SubnetId", subnet), ("Cidr", cidr), ("ReservationType", kind)];
    api.call("CreateSubnetCidrReservation", &parameters).map(|answer| answer["SubnetCidrReservation"].clone())
}

fn reservations(api: &Api, subnet: &str, filter: &[(&str, &str)]) -> usize {
    let answer = api.call("GetSubnetCidrReservations", &[&[("SubnetId", subnet)], filter].concat()).unwrap();
    answer["SubnetIpv4CidrReservations"].as_array().unwrap().len()
}

#[test]
fn addresses_are_never_chosen_from_a_reservation_but_may_be_named() {
    let api = api();
    let subnet = subnet(&api);
    reserve(&api, &subnet, "10.0.1.8/29", "explicit").unwrap();
    let make = |more: &[(&str, &str)]| api.call("CreateNetworkInterface", &[&[("SubnetId", &*subnet)], more].concat());
    for _ in 4..8 {
        let eni = make(&[]).unwrap();
        let address: std::net::Ipv4Addr = eni["NetworkInterface"]["PrivateIpAddress"].as_str().unwrap().parse().unwrap();
        assert!(address.octets()[3] < 8, "{address}");
    }
    assert_eq!(make(&[]).unwrap_err().code, "InsufficientFreeAddressesInSubnet");
    let named = make(&[("PrivateIpAddress", "10.0.1.9")]).unwrap();
    assert_eq!(named["NetworkInterface"]["PrivateIpAddress"], "10.0.1.9");
}

#[test]
fn ipv6_addresses_are_chosen_around_reservations() {
    let api = api();
    let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("AmazonProvidedIpv6CidrBlock", "true")]).unwrap();
    let vpc = vpc["Vpc"].clone();
    let block = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].as_str().unwrap().replace("/56", "/64");
    let parameters = [("VpcId", vpc["VpcId"].as_str().unwrap()), ("CidrBlock", "10.0.1.0/24"), ("Ipv6CidrBlock", &block)];
    let subnet = api.call("CreateSubnet", &parameters).unwrap()["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    let half = block.replace("/64", "/65");
    reserve(&api, &subnet, &half, "prefix").unwrap();
    let make = || api.call("CreateNetworkInterface", &[("SubnetId", &*subnet), ("Ipv6AddressCount", "1")]);
    let eni = make().unwrap();
    let address = eni["NetworkInterface"]["Ipv6Addresses"][0]["Ipv6Address"].as_str().unwrap();
    let half: ipnet::Ipv6Net = half.parse().unwrap();
    assert!(!half.contains(&address.parse::<std::net::Ipv6Addr>().unwrap()), "{address}");
    let other = ipnet::Ipv6Net::new(half.broadcast(), 65).unwrap();
    let next = std::net::Ipv6Addr::from(u128::from(other.network()) + (1 << 63));
    reserve(&api, &subnet, &format!("{next}/65"), "prefix").unwrap();
    assert_eq!(make().unwrap_err().code, "InsufficientFreeAddressesInSubnet");
}

#[test]
fn a_reservation_is_made_listed_and_deleted() {
    let api = api();
    let subnet = subnet(&api);
    let made = reserve(&api, &subnet, "10.0.1.9/30", "prefix").unwrap();
    assert_eq!((&made["Cidr"], &made["OwnerId"]), (&json!("10.0.1.8/30"), &json!("123456789012")));
    reserve(&api, &subnet, "10.0.1.12/30", "explicit").unwrap();
    assert_eq!(reservations(&api, &subnet, &[]), 2);
    assert_eq!(reservations(&api, &subnet, &[("Filter.1.Name", "reservationType"), ("Filter.1.Value.1", "prefix")]), 1);
    let id = [("SubnetCidrReservationId", made["SubnetCidrReservationId"].as_str().unwrap())];
    let gone = api.call("DeleteSubnetCidrReservation", &id).unwrap();
    assert_eq!(gone["DeletedSubnetCidrReservation"]["Cidr"], "10.0.1.8/30");
    assert_eq!(api.code("DeleteSubnetCidrReservation", &id), "InvalidSubnetCidrReservationID.NotFound");
    let malformed = [("SubnetCidrReservationId", "scr-x")];
    assert_eq!(api.code("DeleteSubnetCidrReservation", &malformed), "InvalidSubnetCidrReservationID.Malformed");
    assert_eq!(reservations(&api, &subnet, &[]), 1);
    api.call("DeleteSubnet", &[("SubnetId", &subnet)]).unwrap();
    assert_eq!(api.code("GetSubnetCidrReservations", &[("SubnetId", &subnet)]), "InvalidSubnetID.NotFound");
}

#[test]
fn ranges_outside_the_subnet_or_over_another_are_refused() {
    let api = api();
    let subnet = subnet(&api);
    reserve(&api, &subnet, "10.0.1.8/30", "prefix").unwrap();
    for cidr in ["10.0.2.0/28", "10.0.0.0/16", "10.0.1.0/28", "10.0.1.10/32", "2001:db8::/64", "10.0.1.8"] {
        assert_eq!(reserve(&api, &subnet, cidr, "prefix").unwrap_err().code, "InvalidParameterValue", "{cidr}");
    }
    assert_eq!(reserve(&api, &subnet, "10.0.1.12/30", "any").unwrap_err().code, "InvalidParameterValue");
    assert_eq!(reserve(&api, "subnet-1a2b3c4d", "10.0.1.12/30", "prefix").unwrap_err().code, "InvalidSubnetID.NotFound");
    assert_eq!(reserve(&api, "subnet-x", "10.0.1.12/30", "prefix").unwrap_err().code, "InvalidSubnetID.Malformed");
}

#[test]
fn prefixes_are_chosen_from_what_is_reserved_for_them_and_never_from_explicit_ranges() {
    let api = api();
    let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/26")]).unwrap();
    let subnet = subnet["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    reserve(&api, &subnet, "10.0.1.16/28", "explicit").unwrap();
    reserve(&api, &subnet, "10.0.1.32/28", "prefix").unwrap();
    let eni = api.call("CreateNetworkInterface", &[("SubnetId", &*subnet)]).unwrap();
    let eni = eni["NetworkInterface"]["NetworkInterfaceId"].as_str().unwrap().to_owned();
    let assign = || api.call("AssignPrivateIpAddresses", &[("NetworkInterfaceId", &*eni), ("Ipv4PrefixCount", "1")]);
    assert_eq!(assign().unwrap()["AssignedIpv4Prefixes"][0]["Ipv4Prefix"], "10.0.1.32/28");
    // What is left holds an address of AWS's or users', or is kept for addresses by number.
    assert_eq!(assign().unwrap_err().code, "InsufficientCidrBlocks");
}
