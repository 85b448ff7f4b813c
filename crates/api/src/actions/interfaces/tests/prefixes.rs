//! Delegated prefixes.

use serde_json::json;

use super::{Fixture, text};

#[test]
fn an_interface_owns_whole_prefixes_of_its_subnet() {
    let lab = Fixture::with_subnet("10.0.1.0/24");
    let available = || {
        let subnet = lab.api.call("DescribeSubnets", &[("SubnetId.1", &lab.subnet)]).unwrap();
        subnet["Subnets"][0]["AvailableIpAddressCount"].as_i64().unwrap()
    };
    let before = available();
    assert_eq!(lab.refused(&[("Ipv4Prefix.1.Ipv4Prefix", "")]), "InvalidParameterValue");
    let eni = lab.create(&[("Ipv4PrefixCount", "2")]);
    let id = text(&eni["NetworkInterfaceId"]);
    let prefixes: Vec<String> = eni["Ipv4Prefixes"].as_array().unwrap().iter().map(|p| text(&p["Ipv4Prefix"])).collect();
    assert!(prefixes.len() == 2 && prefixes[0] != prefixes[1] && prefixes.iter().all(|prefix| prefix.ends_with("/28")));
    assert_eq!(available(), before - 33, "two prefixes and the primary address");

    let inside = prefixes[0].trim_end_matches("/28");
    assert_eq!(lab.refused(&[("PrivateIpAddress", inside)]), "InvalidIPAddress.InUse");
    let eni = ("NetworkInterfaceId", &*id);
    let assign = |more: &[(&str, &str)]| {
        let mut parameters = vec![eni];
        parameters.extend(more);
        lab.api.call("AssignPrivateIpAddresses", &parameters).map_err(|error| error.code.into_owned())
    };
    assert_eq!(assign(&[("Ipv4Prefix.1", &prefixes[0])]).unwrap_err(), "InvalidIPAddress.InUse");
    for wrong in ["10.0.1.40/28", "10.0.1.0/27", "10.9.9.0/28", "10.0.1.0/28", "10.0.1.240/28", "prefix"] {
        assert_eq!(assign(&[("Ipv4Prefix.1", wrong)]).unwrap_err(), "InvalidParameterValue", "{wrong}");
    }
    assert_eq!(assign(&[("Ipv4Prefix.1", "10.0.1.64/28"), ("Ipv4PrefixCount", "1")]).unwrap_err(), "InvalidParameterCombination");
    let added = assign(&[("Ipv4PrefixCount", "1")]).unwrap();
    let added = text(&added["AssignedIpv4Prefixes"][0]["Ipv4Prefix"]);
    assert_eq!(assign(&[("Ipv4PrefixCount", "1000")]).unwrap_err(), "InsufficientCidrBlocks");
    let take = [eni, ("Ipv4Prefix.1", &*added)];
    lab.api.call("UnassignPrivateIpAddresses", &take).unwrap();
    assert_eq!(lab.api.code("UnassignPrivateIpAddresses", &take), "InvalidParameterValue");
    let shown = lab.api.call("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &id)]).unwrap();
    assert_eq!(shown["NetworkInterfaces"][0]["Ipv4Prefixes"].as_array().unwrap().len(), 2);
}

#[test]
fn ipv6_prefixes_are_a_sixty_four_thousandth_of_the_subnet_each() {
    let lab = Fixture::with_subnet("10.0.1.0/24");
    let eni = lab.create(&[("Ipv6PrefixCount", "1")]);
    let (id, prefix) = (text(&eni["NetworkInterfaceId"]), text(&eni["Ipv6Prefixes"][0]["Ipv6Prefix"]));
    assert!(prefix.ends_with("/80"), "{prefix}");
    let eni = ("NetworkInterfaceId", &*id);
    assert_eq!(lab.api.code("AssignIpv6Addresses", &[eni, ("Ipv6Prefix.1", &prefix)]), "InvalidIPAddress.InUse");
    assert_eq!(lab.api.code("AssignIpv6Addresses", &[eni, ("Ipv6Prefix.1", "2001:db8::/80")]), "InvalidParameterValue");
    assert_eq!(lab.api.code("AssignIpv6Addresses", &[eni, ("Ipv6PrefixCount", "-1")]), "InvalidParameterValue");
    let more = lab.api.call("AssignIpv6Addresses", &[eni, ("Ipv6PrefixCount", "1")]).unwrap();
    let more = text(&more["AssignedIpv6Prefixes"][0]);
    let gone = lab.api.call("UnassignIpv6Addresses", &[eni, ("Ipv6Prefix.1", &more)]).unwrap();
    assert_eq!(gone["UnassignedIpv6Prefixes"], json!([more]));
}

#[test]
fn an_instance_is_launched_with_prefixes() {
    let lab = Fixture::with_subnet("10.0.1.0/24");
    let run = json!({
        "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1,
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": lab.subnet, "Ipv4PrefixCount": 1}],
    });
    let instance = lab.api.call_json("RunInstances", &run).unwrap()["Instances"][0].clone();
    assert!(text(&instance["NetworkInterfaces"][0]["Ipv4Prefixes"][0]["Ipv4Prefix"]).ends_with("/28"));
}
