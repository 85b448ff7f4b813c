//! What clients see of network ACLs, through the whole wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::Value;

use crate::testing::api;
use crate::{Api, ApiError};

type Parameters<'a> = &'a [(&'a str, &'a str)];

/// A VPC with a subnet, and a network ACL of its own beside the default one.
struct Fixture {
    api: Api,
    vpc: String,
    subnet: String,
    nacl: String,
}

impl Fixture {
    fn new(vpc: Parameters<'_>) -> Self {
        let api = api();
        let mut parameters = vec![("CidrBlock", "10.0.0.0/16")];
        parameters.extend_from_slice(vpc);
        let vpc = text(&api.call("CreateVpc", &parameters).unwrap()["Vpc"]["VpcId"]);
        let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/24")]).unwrap();
        let nacl = api.call("CreateNetworkAcl", &[("VpcId", &vpc)]).unwrap();
        let (subnet, nacl) = (text(&subnet["Subnet"]["SubnetId"]), text(&nacl["NetworkAcl"]["NetworkAclId"]));
        Self { api, vpc, subnet, nacl }
    }

    fn on_nacl(&self, action: &str, parameters: Parameters<'_>) -> Result<Value, ApiError> {
        let mut all = vec![("NetworkAclId", self.nacl.as_str())];
        all.extend_from_slice(parameters);
        self.api.call(action, &all)
    }

    fn code(&self, action: &str, parameters: Parameters<'_>) -> String {
        self.on_nacl(action, parameters).expect_err("the call must fail").code.into_owned()
    }

    /// Adds an inbound entry that allows from anywhere, with more parameters.
    fn entry(&self, number: &str, protocol: &str, more: Parameters<'_>) -> Result<Value, ApiError> {
        let mut all = vec![("RuleNumber", number), ("Protocol", protocol), ("RuleAction", "allow"), ("Egress", "false")];
        if !more.iter().any(|(key, _)| key.ends_with("CidrBlock")) {
            all.push(("CidrBlock", "0.0.0.0/0"));
        }
        all.extend_from_slice(more);
        self.on_nacl("CreateNetworkAclEntry", &all)
    }

    fn entries(&self, egress: bool) -> Vec<Value> {
        let answer = self.api.call("DescribeNetworkAcls", &[("NetworkAclId.1", &self.nacl)]).unwrap();
        let entries = answer["NetworkAcls"][0]["Entries"].as_array().unwrap().clone();
        entries.into_iter().filter(|entry| entry["Egress"] == egress).collect()
    }

    fn numbers(&self, egress: bool) -> Vec<i64> {
        self.entries(egress).iter().map(|entry| entry["RuleNumber"].as_i64().unwrap()).collect()
    }

    fn default_nacl(&self) -> Value {
        let filter = [
            ("Filter.1.Name", "vpc-id"),
            ("Filter.1.Value.1", &*self.vpc),
            ("Filter.2.Name", "default"),
            ("Filter.2.Value.1", "true"),
        ];
        self.api.call("DescribeNetworkAcls", &filter).unwrap()["NetworkAcls"][0].clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_new_acl_has_only_the_fixed_denies() {
    let lab = Fixture::new(&[]);
    assert_eq!((lab.numbers(false), lab.numbers(true)), (vec![32767], vec![32767]));
    let deny = &lab.entries(true)[0];
    assert_eq!((&deny["Protocol"], &deny["RuleAction"], &deny["CidrBlock"]), (&"-1".into(), &"deny".into(), &"0.0.0.0/0".into()));
    let lab = Fixture::new(&[("AmazonProvidedIpv6CidrBlock", "true")]);
    assert_eq!((lab.numbers(false), lab.numbers(true)), (vec![32767, 32768], vec![32767, 32768]));
    assert_eq!(lab.entries(false)[1]["Ipv6CidrBlock"], "::/0");
}

#[test]
fn the_default_acl_allows_all_and_takes_new_subnets() {
    let lab = Fixture::new(&[]);
    let default = lab.default_nacl();
    assert_eq!(default["Associations"][0]["SubnetId"], lab.subnet.as_str());
    let entries = default["Entries"].as_array().unwrap();
    assert_eq!(entries.iter().filter(|entry| entry["RuleNumber"] == 100 && entry["RuleAction"] == "allow").count(), 2);
    assert_eq!(lab.api.code("DeleteNetworkAcl", &[("NetworkAclId", &text(&default["NetworkAclId"]))]), "InvalidParameterValue");
}

#[test]
fn entries_are_listed_by_number_and_never_twice() {
    let lab = Fixture::new(&[]);
    lab.entry("200", "-1", &[]).unwrap();
    lab.entry("100", "6", &[("PortRange.From", "443"), ("PortRange.To", "443")]).unwrap();
    assert_eq!(lab.numbers(false), [100, 200, 32767]);
    assert_eq!(lab.numbers(true), [32767]);
    assert_eq!(lab.entry("100", "-1", &[]).unwrap_err().code, "NetworkAclEntryAlreadyExists");
    let entry = &lab.entries(false)[0];
    assert_eq!(
        (&entry["Protocol"], &entry["PortRange"]["From"], &entry["PortRange"]["To"]),
        (&"6".into(), &443.into(), &443.into())
    );
}

#[test]
fn reserved_numbers_are_refused() {
    let lab = Fixture::new(&[]);
    for number in ["0", "-1", "32767", "32768", "65535", "65536"] {
        assert_eq!(lab.entry(number, "-1", &[]).unwrap_err().code, "InvalidParameterValue", "{number}");
        let of = [("RuleNumber", number), ("Egress", "false")];
        assert_eq!(lab.code("DeleteNetworkAclEntry", &of), "InvalidParameterValue", "{number}");
    }
    lab.entry("1", "-1", &[]).unwrap();
    lab.entry("32766", "-1", &[]).unwrap();
}

#[test]
fn what_an_entry_needs_depends_on_its_protocol() {
    let lab = Fixture::new(&[]);
    let ipv6 = ("Ipv6CidrBlock", "::/0");
    let code = |protocol: &str, more: Parameters<'_>| match lab.entry("100", protocol, more) {
        Ok(_) => {
            lab.on_nacl("DeleteNetworkAclEntry", &[("RuleNumber", "100"), ("Egress", "false")]).unwrap();
            "ok".to_owned()
        }
        Err(error) => error.code.into_owned(),
    };
    assert_eq!(code("6", &[]), "MissingParameter");
    assert_eq!(code("17", &[("PortRange.From", "53")]), "MissingParameter");
    assert_eq!(code("17", &[("PortRange.From", "53"), ("PortRange.To", "53")]), "ok");
    assert_eq!(code("6", &[("PortRange.From", "54"), ("PortRange.To", "53")]), "InvalidParameterValue");
    assert_eq!(code("6", &[("PortRange.From", "0"), ("PortRange.To", "65536")]), "InvalidParameterValue");
    assert_eq!(code("1", &[]), "MissingParameter");
    assert_eq!(code("1", &[("Icmp.Type", "8"), ("Icmp.Code", "0")]), "ok");
    assert_eq!(code("1", &[("Icmp.Type", "-1"), ("Icmp.Code", "0")]), "InvalidParameterValue");
    assert_eq!(code("58", &[]), "ok");
    assert_eq!(code("58", &[ipv6]), "MissingParameter");
    assert_eq!(code("58", &[ipv6, ("Icmp.Type", "-1"), ("Icmp.Code", "-1")]), "ok");
    assert_eq!(code("47", &[("PortRange.From", "1"), ("PortRange.To", "2")]), "ok");
    assert_eq!(code("300", &[]), "InvalidParameterValue");
    assert_eq!(code("-1", &[("CidrBlock", "10.0.0.0")]), "InvalidParameterValue");
    assert_eq!(code("-1", &[("CidrBlock", "10.0.0.0/8"), ipv6]), "InvalidParameterCombination");
    let no_block = [("RuleNumber", "100"), ("Protocol", "-1"), ("RuleAction", "allow"), ("Egress", "false")];
    assert_eq!(lab.code("CreateNetworkAclEntry", &no_block), "MissingParameter");
    let wrong =
        [("RuleNumber", "100"), ("Protocol", "-1"), ("RuleAction", "drop"), ("Egress", "false"), ("CidrBlock", "10.0.0.0/8")];
    assert_eq!(lab.code("CreateNetworkAclEntry", &wrong), "InvalidParameterValue");
}

#[test]
fn host_bits_are_cleared() {
    let lab = Fixture::new(&[]);
    lab.entry("100", "-1", &[("CidrBlock", "100.68.0.18/18")]).unwrap();
    assert_eq!(lab.entries(false)[0]["CidrBlock"], "100.68.0.0/18");
}

#[test]
fn icmp_shows_type_and_code_and_minus_one_for_any() {
    let lab = Fixture::new(&[]);
    lab.entry("100", "1", &[("Icmp.Type", "8"), ("Icmp.Code", "-1")]).unwrap();
    lab.entry("110", "1", &[("Icmp.Type", "-1"), ("Icmp.Code", "-1")]).unwrap();
    let shown: Vec<_> = lab.entries(false).iter().map(|entry| entry["IcmpTypeCode"].clone()).collect();
    assert_eq!(shown[0], serde_json::json!({ "Code": -1, "Type": 8 }));
    assert_eq!(shown[1], serde_json::json!({ "Code": -1, "Type": -1 }));
}

#[test]
fn an_entry_can_be_replaced_and_deleted() {
    let lab = Fixture::new(&[]);
    lab.entry("100", "-1", &[]).unwrap();
    let deny =
        [("RuleNumber", "100"), ("Protocol", "-1"), ("RuleAction", "deny"), ("Egress", "false"), ("CidrBlock", "10.0.0.0/8")];
    lab.on_nacl("ReplaceNetworkAclEntry", &deny).unwrap();
    assert_eq!(
        (&lab.entries(false)[0]["RuleAction"], &lab.entries(false)[0]["CidrBlock"]),
        (&"deny".into(), &"10.0.0.0/8".into())
    );
    let outward =
        [("RuleNumber", "100"), ("Protocol", "-1"), ("RuleAction", "deny"), ("Egress", "true"), ("CidrBlock", "10.0.0.0/8")];
    assert_eq!(lab.code("ReplaceNetworkAclEntry", &outward), "InvalidNetworkAclEntry.NotFound");
    lab.on_nacl("DeleteNetworkAclEntry", &[("RuleNumber", "100"), ("Egress", "false")]).unwrap();
    assert_eq!(
        lab.code("DeleteNetworkAclEntry", &[("RuleNumber", "100"), ("Egress", "false")]),
        "InvalidNetworkAclEntry.NotFound"
    );
}

#[test]
fn twenty_entries_per_direction_are_the_most_with_the_fixed_denies_counted() {
    let full = |lab: &Fixture, room: usize| {
        for number in 1..=room {
            lab.entry(&number.to_string(), "-1", &[]).unwrap();
        }
        lab.entry("1000", "-1", &[]).unwrap_err().code
    };
    let lab = Fixture::new(&[]);
    assert_eq!(full(&lab, 19), "NetworkAclEntryLimitExceeded");
    let outward =
        [("RuleNumber", "100"), ("Protocol", "-1"), ("RuleAction", "deny"), ("Egress", "true"), ("CidrBlock", "10.0.0.0/8")];
    lab.on_nacl("CreateNetworkAclEntry", &outward).unwrap();
    assert_eq!(full(&Fixture::new(&[("AmazonProvidedIpv6CidrBlock", "true")]), 18), "NetworkAclEntryLimitExceeded");
}

#[test]
fn an_association_is_replaced_by_its_id_and_gets_a_new_one() {
    let lab = Fixture::new(&[]);
    let old = text(&lab.default_nacl()["Associations"][0]["NetworkAclAssociationId"]);
    let answer = lab.on_nacl("ReplaceNetworkAclAssociation", &[("AssociationId", &old)]).unwrap();
    let new = text(&answer["NewAssociationId"]);
    assert_ne!(new, old);
    let found = lab
        .api
        .call("DescribeNetworkAcls", &[("Filter.1.Name", "association.subnet-id"), ("Filter.1.Value.1", &lab.subnet)])
        .unwrap();
    assert_eq!(found["NetworkAcls"].as_array().unwrap().len(), 1);
    assert_eq!(found["NetworkAcls"][0]["NetworkAclId"], lab.nacl.as_str());
    assert_eq!(found["NetworkAcls"][0]["Associations"][0]["NetworkAclAssociationId"], new.as_str());
    assert_eq!(lab.code("ReplaceNetworkAclAssociation", &[("AssociationId", &old)]), "InvalidAssociationID.NotFound");
    assert_eq!(lab.code("DeleteNetworkAcl", &[]), "DependencyViolation");
    let back = [("AssociationId", new.as_str()), ("NetworkAclId", &text(&lab.default_nacl()["NetworkAclId"]))];
    lab.api.call("ReplaceNetworkAclAssociation", &back).unwrap();
    lab.on_nacl("DeleteNetworkAcl", &[]).unwrap();
    assert_eq!(lab.code("DeleteNetworkAcl", &[]), "InvalidNetworkAclID.NotFound");
}

#[test]
fn an_acl_of_another_vpc_is_refused() {
    let lab = Fixture::new(&[]);
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    let nacl = text(&lab.api.call("CreateNetworkAcl", &[("VpcId", &other)]).unwrap()["NetworkAcl"]["NetworkAclId"]);
    let association = text(&lab.default_nacl()["Associations"][0]["NetworkAclAssociationId"]);
    let across = [("AssociationId", association.as_str()), ("NetworkAclId", &nacl)];
    assert_eq!(lab.api.code("ReplaceNetworkAclAssociation", &across), "InvalidParameterValue");
}

#[test]
fn the_same_client_token_makes_one_acl() {
    let lab = Fixture::new(&[]);
    let make = |token| lab.api.call("CreateNetworkAcl", &[("VpcId", &lab.vpc), ("ClientToken", token)]).unwrap();
    let first = make("a");
    assert_eq!((&first, &first["ClientToken"]), (&make("a"), &"a".into()));
    assert_ne!(first["NetworkAcl"]["NetworkAclId"], make("b")["NetworkAcl"]["NetworkAclId"]);
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    assert_eq!(lab.api.code("CreateNetworkAcl", &[("VpcId", &other), ("ClientToken", "a")]), "IdempotentParameterMismatch");
}

#[test]
fn ids_that_are_malformed_or_unknown_have_their_codes() {
    let lab = Fixture::new(&[]);
    let code = |id| lab.api.code("DescribeNetworkAcls", &[("NetworkAclId.1", id)]);
    assert_eq!(code("acl-zz"), "InvalidNetworkAclID.Malformed");
    assert_eq!(code("acl-0123456789abcdef0"), "InvalidNetworkAclID.NotFound");
    assert_eq!(lab.api.code("CreateNetworkAcl", &[("VpcId", "vpc-0123456789abcdef0")]), "InvalidVpcID.NotFound");
    assert_eq!(lab.api.code("CreateNetworkAcl", &[]), "MissingParameter");
}

#[test]
fn filters_find_acls_by_their_entries() {
    let lab = Fixture::new(&[]);
    lab.entry("100", "6", &[("PortRange.From", "443"), ("PortRange.To", "444"), ("CidrBlock", "10.9.0.0/16")]).unwrap();
    lab.entry("110", "1", &[("Icmp.Type", "8"), ("Icmp.Code", "-1")]).unwrap();
    for (name, value, found) in [
        ("entry.port-range.from", "443", true),
        ("entry.port-range.to", "443", false),
        ("entry.cidr", "10.9.0.0/16", true),
        ("entry.protocol", "tcp", true),
        ("entry.protocol", "6", true),
        ("entry.protocol", "udp", false),
        ("entry.icmp.type", "8", true),
        ("entry.icmp.code", "-1", true),
        ("entry.rule-number", "110", true),
        ("entry.rule-action", "deny", true),
        ("entry.egress", "true", true),
        ("default", "false", true),
        ("network-acl-id", &lab.nacl, true),
        ("owner-id", "123456789012", true),
        ("association.subnet-id", &lab.subnet, false),
    ] {
        let filter =
            [("Filter.1.Name", name), ("Filter.1.Value.1", value), ("Filter.2.Name", "vpc-id"), ("Filter.2.Value.1", &lab.vpc)];
        let answer = lab.api.call("DescribeNetworkAcls", &filter).unwrap();
        let ids: Vec<_> = answer["NetworkAcls"].as_array().unwrap().iter().map(|nacl| text(&nacl["NetworkAclId"])).collect();
        assert_eq!(ids.contains(&lab.nacl), found, "{name}={value}");
    }
}
