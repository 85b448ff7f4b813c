//! What clients see of Elastic IP addresses, through the whole wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::Value;

use crate::testing::api;
use crate::{Api, ApiError};

type Parameters<'a> = &'a [(&'a str, &'a str)];

/// A VPC with a subnet and two interfaces; the internet gateway is attached when a test wants it.
struct Fixture {
    api: Api,
    vpc: String,
    gateway: String,
    subnet: String,
    enis: [String; 2],
}

impl Fixture {
    fn new() -> Self {
        let api = api();
        let vpc = text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        let gateway = text(&api.call("CreateInternetGateway", &[]).unwrap()["InternetGateway"]["InternetGatewayId"]);
        let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/24")]).unwrap();
        let subnet = text(&subnet["Subnet"]["SubnetId"]);
        let eni = |_| {
            let eni = api.call("CreateNetworkInterface", &[("SubnetId", &subnet)]).unwrap();
            text(&eni["NetworkInterface"]["NetworkInterfaceId"])
        };
        let enis = [0, 1].map(eni);
        Self { api, vpc, gateway, subnet, enis }
    }

    fn attached() -> Self {
        let lab = Self::new();
        lab.api.call("AttachInternetGateway", &[("InternetGatewayId", &lab.gateway), ("VpcId", &lab.vpc)]).unwrap();
        lab
    }

    fn allocate(&self) -> String {
        text(&self.api.call("AllocateAddress", &[]).unwrap()["AllocationId"])
    }

    fn associate(&self, allocation: &str, eni: &str, more: Parameters<'_>) -> Result<String, String> {
        let mut all = vec![("AllocationId", allocation), ("NetworkInterfaceId", eni)];
        all.extend_from_slice(more);
        let code = |error: ApiError| error.code.into_owned();
        self.api.call("AssociateAddress", &all).map(|answer| text(&answer["AssociationId"])).map_err(code)
    }

    fn address(&self, allocation: &str) -> Value {
        self.api.call("DescribeAddresses", &[("AllocationId.1", allocation)]).unwrap()["Addresses"][0].clone()
    }

    fn eni(&self, eni: &str) -> Value {
        self.api.call("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", eni)]).unwrap()["NetworkInterfaces"][0].clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text was expected, not {value}")).to_owned()
}

#[test]
fn an_address_comes_from_the_documentation_range_and_shows_no_association() {
    let lab = Fixture::new();
    let answer = lab.api.call("AllocateAddress", &[("Domain", "vpc")]).unwrap();
    assert_eq!((&answer["Domain"], &answer["NetworkBorderGroup"]), (&"vpc".into(), &"us-east-1".into()));
    assert!(text(&answer["PublicIp"]).starts_with("203.0.113."));
    let shown = lab.address(&text(&answer["AllocationId"]));
    assert_eq!((&shown["PublicIp"], &shown["Domain"]), (&answer["PublicIp"], &"vpc".into()));
    for absent in ["AssociationId", "InstanceId", "NetworkInterfaceId", "NetworkInterfaceOwnerId", "PrivateIpAddress"] {
        assert!(shown.get(absent).is_none(), "{absent} in {shown}");
    }
    assert_eq!(lab.api.call("AllocateAddress", &[("Domain", "standard")]).unwrap()["Domain"], "vpc");
    assert_eq!(lab.api.code("AllocateAddress", &[("Domain", "moon")]), "InvalidParameterValue");
}

#[test]
fn the_pool_is_shared_by_all_accounts_and_runs_dry() {
    let lab = Fixture::new();
    let mut seen = BTreeSet::new();
    let mut refusals = BTreeSet::new();
    for account in ["111111111111", "222222222222", "333333333333"] {
        for _ in 0..101 {
            let answer = lab.api.raw_as(account, "eu-central-1", "Action=AllocateAddress&Version=2016-11-15");
            let between = |tag: &str| Some(answer.body.split_once(&format!("<{tag}>"))?.1.split_once('<')?.0.to_owned());
            match between("publicIp") {
                Some(address) => assert!(seen.insert(address), "an address was given out twice"),
                None => assert!(refusals.insert((account, between("Code").unwrap())) || answer.status == 400),
            }
        }
    }
    assert_eq!(seen.len(), 254);
    assert!(!seen.contains("203.0.113.0") && !seen.contains("203.0.113.255"));
    assert!(refusals.contains(&("111111111111", "AddressLimitExceeded".into())), "{refusals:?}");
    assert!(refusals.contains(&("333333333333", "InsufficientAddressCapacity".into())), "{refusals:?}");
}

#[test]
fn a_vpc_needs_an_internet_gateway() {
    let lab = Fixture::new();
    let eip = lab.allocate();
    assert_eq!(lab.associate(&eip, &lab.enis[0], &[]).unwrap_err(), "Gateway.NotAttached");
}

#[test]
fn an_association_is_seen_from_both_ends() {
    let lab = Fixture::attached();
    let eip = lab.allocate();
    let association = lab.associate(&eip, &lab.enis[0], &[]).unwrap();
    let (shown, eni) = (lab.address(&eip), lab.eni(&lab.enis[0]));
    assert_eq!(
        (&shown["AssociationId"], &shown["NetworkInterfaceId"]),
        (&association.as_str().into(), &lab.enis[0].as_str().into())
    );
    assert_eq!(
        (&shown["PrivateIpAddress"], &shown["NetworkInterfaceOwnerId"]),
        (&eni["PrivateIpAddress"], &"123456789012".into())
    );
    assert!(shown.get("InstanceId").is_none());
    for place in [&eni["Association"], &eni["PrivateIpAddresses"][0]["Association"]] {
        assert_eq!((&place["PublicIp"], &place["AllocationId"]), (&shown["PublicIp"], &eip.as_str().into()));
        assert_eq!((&place["AssociationId"], &place["IpOwnerId"]), (&association.as_str().into(), &"123456789012".into()));
        assert!(place.get("PublicDnsName").is_none(), "the VPC gives no host names");
    }
    lab.api.call("ModifyVpcAttribute", &[("VpcId", &lab.vpc), ("EnableDnsHostnames.Value", "true")]).unwrap();
    let name = format!("ec2-{}.compute-1.amazonaws.com", text(&shown["PublicIp"]).replace('.', "-"));
    assert_eq!(lab.eni(&lab.enis[0])["Association"]["PublicDnsName"], name);
}

#[test]
fn associating_again_changes_nothing_and_elsewhere_moves_the_address() {
    let lab = Fixture::attached();
    let eip = lab.allocate();
    let [first, second] = &lab.enis;
    let association = lab.associate(&eip, first, &[]).unwrap();
    assert_eq!(lab.associate(&eip, first, &[]).unwrap(), association);
    let strictly = [("AllowReassociation", "false")];
    assert_eq!(lab.associate(&eip, first, &strictly).unwrap(), association, "the same association isn't another one");
    assert_eq!(lab.associate(&eip, second, &strictly).unwrap_err(), "Resource.AlreadyAssociated");
    assert_ne!(lab.associate(&eip, second, &[]).unwrap(), association);
    assert!(lab.eni(first).get("Association").is_none());
    // The private address is busy as well: another address takes its place only when that is allowed.
    let other = lab.allocate();
    assert_eq!(lab.associate(&other, second, &strictly).unwrap_err(), "Resource.AlreadyAssociated");
    lab.associate(&other, second, &[]).unwrap();
    assert!(lab.address(&eip).get("AssociationId").is_none());
    assert_eq!(lab.eni(second)["Association"]["AllocationId"], other.as_str());
}

#[test]
fn an_address_can_t_be_released_while_it_is_associated() {
    let lab = Fixture::attached();
    let eip = lab.allocate();
    let association = lab.associate(&eip, &lab.enis[0], &[]).unwrap();
    assert_eq!(lab.api.code("ReleaseAddress", &[("AllocationId", &eip)]), "InvalidIPAddress.InUse");
    lab.api.call("DisassociateAddress", &[("AssociationId", &association)]).unwrap();
    assert_eq!(lab.api.code("DisassociateAddress", &[("AssociationId", &association)]), "InvalidAssociationID.NotFound");
    lab.api.call("ReleaseAddress", &[("AllocationId", &eip)]).unwrap();
    assert_eq!(lab.api.code("ReleaseAddress", &[("AllocationId", &eip)]), "InvalidAllocationID.NotFound");
}

#[test]
fn deleting_an_interface_frees_its_address_and_keeps_the_allocation() {
    let lab = Fixture::attached();
    let eip = lab.allocate();
    lab.associate(&eip, &lab.enis[0], &[]).unwrap();
    lab.api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", &lab.enis[0])]).unwrap();
    assert!(lab.address(&eip).get("AssociationId").is_none());
}

#[test]
fn a_private_address_that_the_interface_doesn_t_have_is_refused() {
    let lab = Fixture::attached();
    let eip = lab.allocate();
    let private = [("PrivateIpAddress", "10.0.1.250")];
    let _ = lab.api.call("UnassignPrivateIpAddresses", &[("NetworkInterfaceId", &lab.enis[0]), private[0]]);
    assert_eq!(lab.associate(&eip, &lab.enis[0], &private).unwrap_err(), "InvalidParameterValue");
    let assign = [("NetworkInterfaceId", lab.enis[0].as_str()), ("PrivateIpAddress.1", "10.0.1.250")];
    lab.api.call("AssignPrivateIpAddresses", &assign).unwrap();
    lab.associate(&eip, &lab.enis[0], &private).unwrap();
    let eni = lab.eni(&lab.enis[0]);
    assert!(eni.get("Association").is_none(), "it stands for a secondary address");
    assert_eq!(eni["PrivateIpAddresses"][1]["Association"]["AllocationId"], eip.as_str());
    assert_eq!(lab.subnet, text(&eni["SubnetId"]));
}

#[test]
fn an_address_can_be_named_by_its_number() {
    let lab = Fixture::attached();
    let answer = lab.api.call("AllocateAddress", &[]).unwrap();
    let public = text(&answer["PublicIp"]);
    lab.api.call("AssociateAddress", &[("PublicIp", &public), ("NetworkInterfaceId", &lab.enis[0])]).unwrap();
    let shown = lab.api.call("DescribeAddresses", &[("PublicIp.1", &public)]).unwrap();
    assert_eq!(shown["Addresses"][0]["AllocationId"], answer["AllocationId"]);
    lab.api.call("DisassociateAddress", &[("PublicIp", &public)]).unwrap();
    lab.api.call("ReleaseAddress", &[("PublicIp", &public)]).unwrap();
    for (action, parameter) in [("ReleaseAddress", "PublicIp"), ("DescribeAddresses", "PublicIp.1")] {
        assert_eq!(lab.api.code(action, &[(parameter, &public)]), "InvalidAddress.NotFound", "{action}");
    }
    let again = lab.api.call("AllocateAddress", &[("Address", &public)]).unwrap();
    assert_eq!(again["PublicIp"], public.as_str());
    assert_eq!(lab.api.code("AllocateAddress", &[("Address", &public)]), "InvalidAddress.NotFound");
}

#[test]
fn what_is_missing_malformed_or_unknown_has_its_code() {
    let lab = Fixture::attached();
    let eip = lab.allocate();
    assert_eq!(lab.api.code("AssociateAddress", &[("AllocationId", &eip)]), "MissingParameter");
    assert_eq!(lab.api.code("AssociateAddress", &[("NetworkInterfaceId", &lab.enis[0])]), "MissingParameter");
    assert_eq!(lab.api.code("ReleaseAddress", &[]), "MissingParameter");
    assert_eq!(lab.api.code("DisassociateAddress", &[]), "MissingParameter");
    assert_eq!(lab.api.code("DescribeAddresses", &[("AllocationId.1", "eipalloc-zz")]), "InvalidAllocationID.Malformed");
    assert_eq!(
        lab.api.code("DescribeAddresses", &[("AllocationId.1", "eipalloc-0123456789abcdef0")]),
        "InvalidAllocationID.NotFound"
    );
    let unknown = [("AllocationId", eip.as_str()), ("InstanceId", "i-0123456789abcdef0")];
    assert_eq!(lab.api.code("AssociateAddress", &unknown), "InvalidInstanceID.NotFound");
    let nowhere = [("AssociationId", "eipassoc-0123456789abcdef0")];
    assert_eq!(lab.api.code("DisassociateAddress", &nowhere), "InvalidAssociationID.NotFound");
}

#[test]
fn an_address_without_a_reverse_name_is_shown_alone_or_not_at_all() {
    let lab = Fixture::new();
    let eip = lab.allocate();
    let id = ("AllocationId.1", &*eip);
    let alone = lab.api.call("DescribeAddressesAttribute", &[id]).unwrap()["Addresses"][0].clone();
    assert_eq!(alone["AllocationId"], *eip);
    assert!(alone.get("PtrRecord").is_none());
    let with_name = lab.api.call("DescribeAddressesAttribute", &[id, ("Attribute", "domain-name")]).unwrap();
    assert_eq!(with_name["Addresses"], serde_json::json!([]));
    assert_eq!(lab.api.code("DescribeAddressesAttribute", &[("Attribute", "colour")]), "InvalidParameterValue");
}

#[test]
fn filters_find_addresses() {
    let lab = Fixture::attached();
    let (used, free) = (lab.allocate(), lab.allocate());
    lab.associate(&used, &lab.enis[0], &[]).unwrap();
    let find = |name: &str, value: &str| -> Vec<String> {
        let answer = lab.api.call("DescribeAddresses", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        answer["Addresses"].as_array().unwrap().iter().map(|address| text(&address["AllocationId"])).collect()
    };
    assert_eq!(find("network-interface-id", &lab.enis[0]), std::slice::from_ref(&used));
    assert_eq!(find("association-id", "eipassoc-*"), std::slice::from_ref(&used));
    assert_eq!(find("private-ip-address", "10.0.1.*"), std::slice::from_ref(&used));
    assert_eq!(find("domain", "vpc").len(), 2);
    assert_eq!(find("public-ip", &text(&lab.address(&free)["PublicIp"])), [free]);
    assert!(find("instance-id", "*").is_empty());
}

#[test]
fn a_reverse_name_is_set_shown_and_taken_away() {
    let lab = Fixture::new();
    let eip = lab.allocate();
    let id = ("AllocationId", &*eip);
    let described = || {
        let answer = lab.api.call("DescribeAddressesAttribute", &[("AllocationId.1", &eip)]).unwrap();
        answer["Addresses"][0].clone()
    };
    let set = lab.api.call("ModifyAddressAttribute", &[id, ("DomainName", "mail.example.com")]).unwrap();
    assert_eq!(set["Address"]["PtrRecordUpdate"], serde_json::json!({"Value": "mail.example.com.", "Status": "PENDING"}));
    assert_eq!(described()["PtrRecord"], "mail.example.com.");
    assert!(described().get("PtrRecordUpdate").is_none());
    for name in ["mail", "mail..com", "-a.com", "a b.com", ".", "mail.example.com.."] {
        assert_eq!(lab.api.code("ModifyAddressAttribute", &[id, ("DomainName", name)]), "InvalidParameterValue", "{name}");
    }
    assert_eq!(lab.api.code("ModifyAddressAttribute", &[id]), "MissingParameter");
    let reset = lab.api.call("ResetAddressAttribute", &[id, ("Attribute", "domain-name")]).unwrap();
    assert_eq!(reset["Address"]["PtrRecordUpdate"]["Status"], "PENDING");
    assert!(described().get("PtrRecord").is_none());
    assert_eq!(lab.api.code("ResetAddressAttribute", &[id, ("Attribute", "colour")]), "InvalidParameterValue");
    let unknown = ("AllocationId", "eipalloc-1a2b3c4d");
    assert_eq!(lab.api.code("ModifyAddressAttribute", &[unknown, ("DomainName", "a.b")]), "InvalidAllocationID.NotFound");
    assert_eq!(lab.api.code("ResetAddressAttribute", &[unknown, ("Attribute", "domain-name")]), "InvalidAllocationID.NotFound");
}
