//! What clients see of network interfaces, through the whole wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::Arc;

use openvpc_control::instances::{self, Observed};
use openvpc_control::{Caller, Control};
use openvpc_model::{NetworkInterface, Owner};
use serde_json::{Value, json};

use crate::Api;
use crate::testing::control;

mod prefixes;

type Parameters<'a> = &'a [(&'a str, &'a str)];

/// A dual-stack subnet in a VPC of its own.
struct Fixture {
    api: Api,
    control: Arc<Control>,
    vpc: String,
    subnet: String,
}

impl Fixture {
    fn new() -> Self {
        Self::with_subnet("10.0.1.0/28")
    }

    fn with_subnet(ipv4: &str) -> Self {
        let control = Arc::new(control());
        let api = Api::new(Arc::clone(&control), Arc::new(crate::testing::NoInstances), crate::testing::gate());
        let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("AmazonProvidedIpv6CidrBlock", "true")]).unwrap();
        let vpc = text(&vpc["Vpc"]["VpcId"]);
        let seen = api.call("DescribeVpcs", &[("VpcId.1", &vpc)]).unwrap();
        let block = text(&seen["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]);
        let ipv6 = block.replace("/56", "/64");
        let zone = ("AvailabilityZone", "us-east-1a");
        let subnet = [("VpcId", vpc.as_str()), ("CidrBlock", ipv4), ("Ipv6CidrBlock", &ipv6), zone];
        let subnet = text(&api.call("CreateSubnet", &subnet).unwrap()["Subnet"]["SubnetId"]);
        Self { api, control, vpc, subnet }
    }

    fn create(&self, parameters: Parameters<'_>) -> Value {
        let mut all = vec![("SubnetId", self.subnet.as_str())];
        all.extend_from_slice(parameters);
        self.api.call("CreateNetworkInterface", &all).unwrap()["NetworkInterface"].clone()
    }

    fn create_id(&self, parameters: Parameters<'_>) -> String {
        text(&self.create(parameters)["NetworkInterfaceId"])
    }

    fn refused(&self, parameters: Parameters<'_>) -> String {
        let mut all = vec![("SubnetId", self.subnet.as_str())];
        all.extend_from_slice(parameters);
        self.api.code("CreateNetworkInterface", &all)
    }

    fn describe(&self, eni: &str) -> Value {
        self.api.call("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", eni)]).unwrap()["NetworkInterfaces"][0].clone()
    }

    fn addresses(&self, eni: &str) -> Vec<String> {
        let shown = self.describe(eni);
        shown["PrivateIpAddresses"].as_array().unwrap().iter().map(|a| text(&a["PrivateIpAddress"])).collect()
    }

    /// A running instance in a subnet.
    fn instance(&self, subnet: &str) -> String {
        let run = [("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("SubnetId", subnet)];
        let id = text(&self.api.call("RunInstances", &run).unwrap()["Instances"][0]["InstanceId"]);
        let parsed = id.parse().unwrap();
        self.control.transact(&self.caller(), |tx| instances::report(tx, parsed, Observed::Running)).unwrap();
        id
    }

    fn caller(&self) -> Caller {
        Caller { owner: Owner { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() } }
    }

    fn group(&self, name: &str, vpc: &str) -> String {
        let parameters = [("GroupName", name), ("GroupDescription", "d"), ("VpcId", vpc)];
        text(&self.api.call("CreateSecurityGroup", &parameters).unwrap()["GroupId"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text was expected, not {value}")).to_owned()
}

#[test]
fn an_interface_has_an_address_of_its_subnet_the_default_group_and_a_local_mac() {
    let lab = Fixture::new();
    let eni = lab.create(&[("Description", "front")]);
    assert_eq!(lab.describe(&text(&eni["NetworkInterfaceId"])), eni, "the answer to the call is what is described later");
    assert_eq!(
        (&eni["Status"], &eni["InterfaceType"], &eni["Description"]),
        (&"available".into(), &"interface".into(), &"front".into())
    );
    assert_eq!((&eni["SourceDestCheck"], &eni["RequesterManaged"]), (&true.into(), &false.into()));
    assert_eq!((&eni["VpcId"], &eni["AvailabilityZone"]), (&lab.vpc.as_str().into(), &"us-east-1a".into()));
    assert_eq!(eni["Groups"][0]["GroupName"], "default");
    assert!(text(&eni["PrivateIpAddress"]).starts_with("10.0.1."));
    assert_eq!(
        (&eni["PrivateIpAddresses"][0]["PrivateIpAddress"], &eni["PrivateIpAddresses"][0]["Primary"]),
        (&eni["PrivateIpAddress"], &true.into())
    );
    assert!(["02:", "06:"].iter().any(|first| text(&eni["MacAddress"]).starts_with(first)), "{eni}");
    assert!(eni.get("Association").is_none() && eni.get("Attachment").is_none(), "absent and not empty: {eni}");
    assert_eq!(eni["Ipv6Addresses"], serde_json::json!([]));
}

#[test]
fn addresses_may_be_chosen_but_not_the_reserved_or_taken_ones() {
    let lab = Fixture::new();
    let eni = lab.create(&[
        ("PrivateIpAddresses.1.PrivateIpAddress", "10.0.1.5"),
        ("PrivateIpAddresses.2.PrivateIpAddress", "10.0.1.6"),
        ("PrivateIpAddresses.2.Primary", "true"),
        ("Ipv6AddressCount", "2"),
    ]);
    assert_eq!(lab.addresses(&text(&eni["NetworkInterfaceId"])), ["10.0.1.6", "10.0.1.5"]);
    assert_eq!(eni["Ipv6Addresses"].as_array().unwrap().len(), 2);
    let taken = text(&eni["Ipv6Addresses"][0]["Ipv6Address"]);
    for (parameter, address, code) in [
        ("PrivateIpAddress", "10.0.1.0", "InvalidParameterValue"),
        ("PrivateIpAddress", "10.0.1.1", "InvalidParameterValue"),
        ("PrivateIpAddress", "10.0.1.2", "InvalidParameterValue"),
        ("PrivateIpAddress", "10.0.1.3", "InvalidParameterValue"),
        ("PrivateIpAddress", "10.0.1.15", "InvalidParameterValue"),
        ("PrivateIpAddress", "10.0.2.4", "InvalidParameterValue"),
        ("PrivateIpAddress", "10.0.1", "InvalidParameterValue"),
        ("PrivateIpAddress", "10.0.1.5", "InvalidIPAddress.InUse"),
        ("Ipv6Addresses.1.Ipv6Address", &taken, "InvalidIPAddress.InUse"),
        ("Ipv6Addresses.1.Ipv6Address", "2001:db9::5", "InvalidParameterValue"),
    ] {
        assert_eq!(lab.refused(&[(parameter, address)]), code, "{address}");
    }
}

#[test]
fn a_full_subnet_has_no_address_left_and_nothing_half_made() {
    let lab = Fixture::new();
    lab.create(&[("SecondaryPrivateIpAddressCount", "9")]);
    assert_eq!(lab.refused(&[("SecondaryPrivateIpAddressCount", "1")]), "InsufficientFreeAddressesInSubnet");
    lab.create(&[]);
    assert_eq!(lab.refused(&[]), "InsufficientFreeAddressesInSubnet");
    let all = lab.api.call("DescribeNetworkInterfaces", &[]).unwrap();
    assert_eq!(all["NetworkInterfaces"].as_array().unwrap().len(), 2);
}

#[test]
fn groups_must_exist_in_the_vpc_and_be_five_at_most() {
    let lab = Fixture::new();
    let groups: Vec<String> = (0..6).map(|i| lab.group(&format!("g{i}"), &lab.vpc)).collect();
    let names: Vec<String> = (1..=6).map(|i| format!("SecurityGroupId.{i}")).collect();
    let all: Vec<_> = names.iter().map(String::as_str).zip(groups.iter().map(String::as_str)).collect();
    assert_eq!(lab.refused(&all), "SecurityGroupsPerInterfaceLimitExceeded");
    assert_eq!(lab.create(&all[..5])["Groups"].as_array().unwrap().len(), 5);
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    assert_eq!(lab.refused(&[("SecurityGroupId.1", &lab.group("x", &other))]), "InvalidParameter");
    assert_eq!(lab.refused(&[("SecurityGroupId.1", "sg-0123456789abcdef0")]), "InvalidGroup.NotFound");
}

#[test]
fn a_subnet_may_give_every_interface_an_ipv6_address() {
    let lab = Fixture::new();
    assert_eq!(lab.create(&[])["Ipv6Addresses"], serde_json::json!([]));
    let on = [("SubnetId", lab.subnet.as_str()), ("AssignIpv6AddressOnCreation.Value", "true")];
    lab.api.call("ModifySubnetAttribute", &on).unwrap();
    assert_eq!(lab.create(&[])["Ipv6Addresses"].as_array().unwrap().len(), 1);
    assert_eq!(lab.create(&[("Ipv6AddressCount", "0")])["Ipv6Addresses"], serde_json::json!([]));
}

#[test]
fn one_attribute_is_modified_per_call() {
    let lab = Fixture::new();
    let eni = lab.create_id(&[]);
    let group = lab.group("web", &lab.vpc);
    let modify = |more: Parameters<'_>| {
        let mut all = vec![("NetworkInterfaceId", eni.as_str())];
        all.extend_from_slice(more);
        lab.api.call("ModifyNetworkInterfaceAttribute", &all).map_err(|error| error.code.into_owned())
    };
    modify(&[("SourceDestCheck.Value", "false")]).unwrap();
    modify(&[("Description.Value", "middle")]).unwrap();
    modify(&[("SecurityGroupId.1", &group)]).unwrap();
    modify(&[("ConnectionTrackingSpecification.TcpEstablishedTimeout", "60")]).unwrap();
    let shown = lab.describe(&eni);
    assert_eq!((&shown["SourceDestCheck"], &shown["Description"]), (&false.into(), &"middle".into()));
    assert_eq!(shown["Groups"][0]["GroupId"], group.as_str());
    assert_eq!(shown["ConnectionTrackingConfiguration"], serde_json::json!({ "TcpEstablishedTimeout": 60 }));
    let reset = [("NetworkInterfaceId", eni.as_str()), ("SourceDestCheck", "true")];
    lab.api.call("ResetNetworkInterfaceAttribute", &reset).unwrap();
    assert_eq!(lab.describe(&eni)["SourceDestCheck"], true);
    let both = [("SourceDestCheck.Value", "false"), ("Description.Value", "x")];
    assert_eq!(modify(&both).unwrap_err(), "InvalidParameterCombination");
    assert_eq!(modify(&[]).unwrap_err(), "InvalidParameterCombination");
    for (name, low, high) in [("TcpEstablishedTimeout", 60, 432_000), ("UdpStreamTimeout", 60, 180), ("UdpTimeout", 30, 60)] {
        let name = format!("ConnectionTrackingSpecification.{name}");
        for (value, fine) in [(low - 1, false), (low, true), (high, true), (high + 1, false)] {
            assert_eq!(modify(&[(&name, &value.to_string())]).is_ok(), fine, "{name} {value}");
        }
    }
    for (attribute, member) in [
        ("description", "Description"),
        ("groupSet", "Groups"),
        ("sourceDestCheck", "SourceDestCheck"),
        ("associatePublicIpAddress", "AssociatePublicIpAddress"),
    ] {
        let ask = [("NetworkInterfaceId", eni.as_str()), ("Attribute", attribute)];
        assert!(lab.api.call("DescribeNetworkInterfaceAttribute", &ask).unwrap().get(member).is_some(), "{attribute}");
    }
    let ask = [("NetworkInterfaceId", eni.as_str()), ("Attribute", "colour")];
    assert_eq!(lab.api.code("DescribeNetworkInterfaceAttribute", &ask), "InvalidParameterValue");
}

#[test]
fn secondary_addresses_come_and_go() {
    let lab = Fixture::new();
    let eni = lab.create_id(&[("PrivateIpAddress", "10.0.1.10")]);
    let call = |action: &str, more: Parameters<'_>| {
        let mut all = vec![("NetworkInterfaceId", eni.as_str())];
        all.extend_from_slice(more);
        lab.api.call(action, &all).map_err(|error| error.code.into_owned())
    };
    let assigned = call("AssignPrivateIpAddresses", &[("SecondaryPrivateIpAddressCount", "2")]).unwrap();
    assert_eq!(assigned["AssignedPrivateIpAddresses"].as_array().unwrap().len(), 2);
    call("AssignPrivateIpAddresses", &[("PrivateIpAddress.1", "10.0.1.11")]).ok();
    assert!(lab.addresses(&eni).contains(&"10.0.1.11".to_owned()));
    assert_eq!(call("UnassignPrivateIpAddresses", &[("PrivateIpAddress.1", "10.0.1.10")]).unwrap_err(), "InvalidParameterValue");
    assert_eq!(call("UnassignPrivateIpAddresses", &[("PrivateIpAddress.1", "10.0.1.99")]).unwrap_err(), "InvalidParameterValue");
    call("UnassignPrivateIpAddresses", &[("PrivateIpAddress.1", "10.0.1.11")]).unwrap();
    assert!(!lab.addresses(&eni).contains(&"10.0.1.11".to_owned()));
    assert_eq!(call("AssignPrivateIpAddresses", &[]).unwrap_err(), "MissingParameter");
    assert_eq!(call("AssignPrivateIpAddresses", &[("Ipv4PrefixCount", "1")]).unwrap_err(), "InsufficientCidrBlocks");

    let assigned = call("AssignIpv6Addresses", &[("Ipv6AddressCount", "1")]).unwrap();
    let address = text(&assigned["AssignedIpv6Addresses"][0]);
    assert_eq!(lab.describe(&eni)["Ipv6Addresses"][0]["Ipv6Address"], address.as_str());
    let gone = call("UnassignIpv6Addresses", &[("Ipv6Addresses.1", &address)]).unwrap();
    assert_eq!(gone["UnassignedIpv6Addresses"][0], address.as_str());
    assert_eq!(call("UnassignIpv6Addresses", &[("Ipv6Addresses.1", &address)]).unwrap_err(), "InvalidParameterValue");
}

#[test]
fn a_secondary_address_moves_only_when_that_is_allowed_and_takes_its_elastic_ip_along() {
    let lab = Fixture::new();
    let gateway = text(&lab.api.call("CreateInternetGateway", &[]).unwrap()["InternetGateway"]["InternetGatewayId"]);
    lab.api.call("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &lab.vpc)]).unwrap();
    let from = lab.create_id(&[("PrivateIpAddress", "10.0.1.4"), ("SecondaryPrivateIpAddressCount", "1")]);
    let address = lab.addresses(&from)[1].clone();
    let to = lab.create_id(&[]);
    let eip = text(&lab.api.call("AllocateAddress", &[]).unwrap()["AllocationId"]);
    let associate = [("AllocationId", eip.as_str()), ("NetworkInterfaceId", &from), ("PrivateIpAddress", &address)];
    lab.api.call("AssociateAddress", &associate).unwrap();
    let mut wanted = vec![("NetworkInterfaceId", to.as_str()), ("PrivateIpAddress.1", &address)];
    assert_eq!(lab.api.code("AssignPrivateIpAddresses", &wanted), "InvalidIPAddress.InUse");
    wanted.push(("AllowReassignment", "true"));
    let assigned = lab.api.call("AssignPrivateIpAddresses", &wanted).unwrap();
    assert_eq!(assigned["AssignedPrivateIpAddresses"][0]["PrivateIpAddress"], address.as_str());
    assert_eq!(lab.addresses(&from).len(), 1);
    assert_eq!(lab.describe(&to)["PrivateIpAddresses"][1]["Association"]["AllocationId"], eip.as_str());
    let shown = lab.api.call("DescribeAddresses", &[("AllocationId.1", &eip)]).unwrap();
    assert_eq!(shown["Addresses"][0]["NetworkInterfaceId"], to.as_str());
    wanted[1].1 = "10.0.1.4";
    assert_eq!(lab.api.code("AssignPrivateIpAddresses", &wanted), "InvalidParameterValue", "a primary address stays");
}

#[test]
fn an_interface_is_attached_once_and_in_its_own_zone() {
    let lab = Fixture::new();
    let eni = lab.create_id(&[]);
    let elsewhere = [("VpcId", lab.vpc.as_str()), ("CidrBlock", "10.0.2.0/24"), ("AvailabilityZone", "us-east-1b")];
    let elsewhere = text(&lab.api.call("CreateSubnet", &elsewhere).unwrap()["Subnet"]["SubnetId"]);
    let (here, there) = (lab.instance(&lab.subnet), lab.instance(&elsewhere));
    let attach = |instance: &str, index: &str| {
        let parameters = [("NetworkInterfaceId", eni.as_str()), ("InstanceId", instance), ("DeviceIndex", index)];
        lab.api.call("AttachNetworkInterface", &parameters).map_err(|error| error.code.into_owned())
    };
    assert_eq!(attach(&there, "1").unwrap_err(), "InvalidParameterValue");
    assert_eq!(attach(&here, "0").unwrap_err(), "InvalidParameterValue", "index 0 is taken");
    assert_eq!(attach("i-0123456789abcdef0", "1").unwrap_err(), "InvalidInstanceID.NotFound");
    let attachment = text(&attach(&here, "1").unwrap()["AttachmentId"]);
    assert_eq!(attach(&here, "2").unwrap_err(), "InvalidNetworkInterface.InUse");
    let shown = lab.describe(&eni);
    assert_eq!((&shown["Status"], &shown["Attachment"]["Status"]), (&"in-use".into(), &"attached".into()));
    assert_eq!((&shown["Attachment"]["InstanceId"], &shown["Attachment"]["DeviceIndex"]), (&here.as_str().into(), &1.into()));
    assert_eq!(shown["Attachment"]["DeleteOnTermination"], false);
    assert_eq!(lab.api.code("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]), "InvalidNetworkInterface.InUse");
    let keep = [
        ("NetworkInterfaceId", eni.as_str()),
        ("Attachment.AttachmentId", &attachment),
        ("Attachment.DeleteOnTermination", "true"),
    ];
    lab.api.call("ModifyNetworkInterfaceAttribute", &keep).unwrap();
    assert_eq!(lab.describe(&eni)["Attachment"]["DeleteOnTermination"], true);
    lab.api.call("DetachNetworkInterface", &[("AttachmentId", &attachment)]).unwrap();
    assert_eq!(lab.api.code("DetachNetworkInterface", &[("AttachmentId", &attachment)]), "InvalidAttachmentID.NotFound");
    let ended = [("Filter.1.Name", "attachment.attachment-id"), ("Filter.1.Value.1", &*attachment)];
    let ended = lab.api.call("DescribeNetworkInterfaces", &ended).unwrap()["NetworkInterfaces"][0].clone();
    assert_eq!((&ended["Attachment"]["Status"], &ended["Status"]), (&json!("detached"), &json!("available")));
    let all = lab.api.call("DescribeNetworkInterfaces", &[]).unwrap()["NetworkInterfaces"].clone();
    assert!(all.as_array().unwrap().iter().all(|eni| eni["Attachment"]["Status"] != "detached"));
    assert_eq!(lab.describe(&eni)["Status"], "available");
    lab.api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]).unwrap();
    assert_eq!(lab.api.code("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]), "InvalidNetworkInterfaceID.NotFound");
}

#[test]
fn the_primary_interface_can_t_be_detached() {
    let lab = Fixture::new();
    let instance = lab.instance(&lab.subnet);
    let filter = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance.as_str())];
    let shown = lab.api.call("DescribeNetworkInterfaces", &filter).unwrap();
    let attachment = text(&shown["NetworkInterfaces"][0]["Attachment"]["AttachmentId"]);
    let forced = [("AttachmentId", attachment.as_str()), ("Force", "true")];
    assert_eq!(lab.api.code("DetachNetworkInterface", &forced), "OperationNotPermitted");
}

#[test]
fn an_interface_that_a_service_manages_is_shown_and_refuses_changes() {
    let lab = Fixture::new();
    let eni = lab.create_id(&[]);
    let id = eni.parse().unwrap();
    let manage = |eni: &mut NetworkInterface| {
        eni.requester_managed = true;
        eni.interface_type = "natGateway".into();
    };
    lab.control.transact(&lab.caller(), |tx| tx.update::<NetworkInterface, _>(&id, manage)).unwrap();
    assert_eq!(
        (&lab.describe(&eni)["RequesterManaged"], &lab.describe(&eni)["InterfaceType"]),
        (&true.into(), &"natGateway".into())
    );
    let named = ("NetworkInterfaceId", eni.as_str());
    assert_eq!(lab.api.code("DeleteNetworkInterface", &[named]), "OperationNotPermitted");
    assert_eq!(lab.api.code("ModifyNetworkInterfaceAttribute", &[named, ("Description.Value", "x")]), "OperationNotPermitted");
    assert_eq!(lab.api.code("AssignIpv6Addresses", &[named, ("Ipv6AddressCount", "1")]), "OperationNotPermitted");
}

#[test]
fn the_same_client_token_makes_one_interface() {
    let lab = Fixture::new();
    let first = lab.create_id(&[("ClientToken", "a"), ("Description", "x")]);
    assert_eq!(lab.create_id(&[("ClientToken", "a"), ("Description", "x")]), first);
    assert_eq!(lab.refused(&[("ClientToken", "a"), ("Description", "y")]), "IdempotentParameterMismatch");
}

#[test]
fn ids_that_are_malformed_or_unknown_have_their_codes() {
    let lab = Fixture::new();
    let code = |id| lab.api.code("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", id)]);
    assert_eq!(code("eni-zz"), "InvalidNetworkInterfaceID.Malformed");
    assert_eq!(code("eni-0123456789abcdef0"), "InvalidNetworkInterfaceID.NotFound");
    assert_eq!(lab.api.code("CreateNetworkInterface", &[("SubnetId", "subnet-0123456789abcdef0")]), "InvalidSubnetID.NotFound");
    assert_eq!(lab.api.code("CreateNetworkInterface", &[]), "MissingParameter");
    let nowhere = [("AttachmentId", "eni-attach-0123456789abcdef0")];
    assert_eq!(lab.api.code("DetachNetworkInterface", &nowhere), "InvalidAttachmentID.NotFound");
}

#[test]
fn filters_find_interfaces() {
    let lab = Fixture::new();
    let eni = lab.create_id(&[
        ("PrivateIpAddress", "10.0.1.9"),
        ("Description", "front"),
        ("TagSpecification.1.ResourceType", "network-interface"),
        ("TagSpecification.1.Tag.1.Key", "tier"),
        ("TagSpecification.1.Tag.1.Value", "web"),
    ]);
    lab.create(&[]);
    let mac = text(&lab.describe(&eni)["MacAddress"]);
    for (name, value, found) in [
        ("private-ip-address", "10.0.1.9", true),
        ("addresses.private-ip-address", "10.0.1.*", true),
        ("description", "front", true),
        ("mac-address", mac.as_str(), true),
        ("status", "available", true),
        ("status", "in-use", false),
        ("group-name", "default", true),
        ("subnet-id", &lab.subnet, true),
        ("vpc-id", &lab.vpc, true),
        ("availability-zone", "us-east-1a", true),
        ("source-dest-check", "true", true),
        ("requester-managed", "true", false),
        ("interface-type", "interface", true),
        ("tag:tier", "web", true),
        ("association.public-ip", "*", false),
        ("attachment.instance-id", "*", false),
    ] {
        let answer = lab.api.call("DescribeNetworkInterfaces", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        let ids: Vec<_> =
            answer["NetworkInterfaces"].as_array().unwrap().iter().map(|eni| text(&eni["NetworkInterfaceId"])).collect();
        assert_eq!(ids.contains(&eni), found, "{name}={value}");
    }
}
