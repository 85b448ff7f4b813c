//! What clients see of security groups, through the whole wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::Value;

use crate::testing::api;
use crate::{Api, ApiError};

type Parameters<'a> = &'a [(&'a str, &'a str)];

/// A VPC that isn't the default one, and a group in it.
struct Fixture {
    api: Api,
    vpc: String,
    group: String,
}

impl Fixture {
    fn new() -> Self {
        let api = api();
        let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
        let group = create(&api, "web", &vpc);
        Self { api, vpc, group }
    }

    fn ingress(&self, parameters: Parameters<'_>) -> Result<Value, ApiError> {
        self.on_group("AuthorizeSecurityGroupIngress", parameters)
    }

    fn on_group(&self, action: &str, parameters: Parameters<'_>) -> Result<Value, ApiError> {
        let mut all = vec![("GroupId", self.group.as_str())];
        all.extend_from_slice(parameters);
        self.api.call(action, &all)
    }

    fn code(&self, action: &str, parameters: Parameters<'_>) -> String {
        self.on_group(action, parameters).expect_err("the call must fail").code.into_owned()
    }

    fn group(&self) -> Value {
        let answer = self.api.call("DescribeSecurityGroups", &[("GroupId.1", &self.group)]).unwrap();
        answer["SecurityGroups"][0].clone()
    }

    fn rules(&self) -> Vec<Value> {
        let filter = [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", self.group.as_str())];
        let answer = self.api.call("DescribeSecurityGroupRules", &filter).unwrap();
        answer["SecurityGroupRules"].as_array().unwrap().clone()
    }
}

fn create(api: &Api, name: &str, vpc: &str) -> String {
    let parameters = [("GroupName", name), ("GroupDescription", "a group"), ("VpcId", vpc)];
    api.call("CreateSecurityGroup", &parameters).unwrap()["GroupId"].as_str().unwrap().to_owned()
}

const SSH: Parameters<'static> = &[
    ("IpPermissions.1.IpProtocol", "tcp"),
    ("IpPermissions.1.FromPort", "22"),
    ("IpPermissions.1.ToPort", "22"),
    ("IpPermissions.1.IpRanges.1.CidrIp", "203.0.113.1/32"),
];

#[test]
fn a_new_group_lets_nothing_in_and_everything_out() {
    let lab = Fixture::new();
    let group = lab.group();
    assert_eq!(group["GroupName"], "web");
    assert_eq!(group["OwnerId"], "123456789012");
    assert_eq!(group["IpPermissions"], serde_json::json!([]));
    let out = &group["IpPermissionsEgress"][0];
    assert_eq!((&out["IpProtocol"], &out["IpRanges"][0]["CidrIp"]), (&"-1".into(), &"0.0.0.0/0".into()));
    assert!(out.get("FromPort").is_none() && out.get("ToPort").is_none(), "the group view of -1 has no ports: {out}");
    let rule = &lab.rules()[0];
    assert_eq!((&rule["FromPort"], &rule["ToPort"], &rule["IsEgress"]), (&(-1).into(), &(-1).into(), &true.into()));
}

#[test]
fn a_group_in_a_vpc_with_ipv6_lets_everything_out_over_ipv6_too() {
    let api = api();
    let parameters = [("CidrBlock", "10.0.0.0/16"), ("AmazonProvidedIpv6CidrBlock", "true")];
    let vpc = api.call("CreateVpc", &parameters).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let group = create(&api, "web", &vpc);
    let answer = api.call("DescribeSecurityGroups", &[("GroupId.1", &group)]).unwrap();
    let out = &answer["SecurityGroups"][0]["IpPermissionsEgress"];
    assert_eq!(out.as_array().unwrap().len(), 1, "{out}");
    assert_eq!(out[0]["Ipv6Ranges"][0]["CidrIpv6"], "::/0");
}

#[test]
fn names_that_aws_refuses_are_refused() {
    let lab = Fixture::new();
    let long = "x".repeat(256);
    for (name, code) in [
        ("default", "InvalidGroup.Reserved"),
        ("Default", "InvalidGroup.Reserved"),
        ("sg-mine", "InvalidParameterValue"),
        ("na\u{ef}ve", "InvalidParameterValue"),
        (long.as_str(), "InvalidParameterValue"),
        ("WEB", "InvalidGroup.Duplicate"),
        ("web  ", "InvalidGroup.Duplicate"),
        ("", "MissingParameter"),
    ] {
        let parameters = [("GroupName", name), ("GroupDescription", "d"), ("VpcId", &lab.vpc)];
        assert_eq!(lab.api.code("CreateSecurityGroup", &parameters), code, "{name}");
    }
    assert_eq!(lab.api.code("CreateSecurityGroup", &[("GroupName", "x"), ("VpcId", &lab.vpc)]), "MissingParameter");
    let unknown = [("GroupName", "x"), ("GroupDescription", "d"), ("VpcId", "vpc-0123456789abcdef0")];
    assert_eq!(lab.api.code("CreateSecurityGroup", &unknown), "InvalidVpcID.NotFound");
}

#[test]
fn a_group_without_a_vpc_goes_to_the_default_vpc_and_is_found_there_by_name() {
    let api = api();
    let id = api.call("CreateSecurityGroup", &[("GroupName", "web"), ("GroupDescription", "d")]).unwrap()["GroupId"].clone();
    let named = api.call("DescribeSecurityGroups", &[("GroupName.1", "web")]).unwrap();
    assert_eq!(named["SecurityGroups"][0]["GroupId"], id);
    let mut by_name = vec![("GroupName", "web")];
    by_name.extend_from_slice(SSH);
    api.call("AuthorizeSecurityGroupIngress", &by_name).unwrap();
    let by_name = [("GroupName", "web"), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupName", "default")];
    let answer = api.call("AuthorizeSecurityGroupIngress", &by_name).unwrap();
    assert!(answer["SecurityGroupRules"][0]["ReferencedGroupInfo"]["GroupId"].as_str().unwrap().starts_with("sg-"));
    assert_eq!(api.code("DescribeSecurityGroups", &[("GroupName.1", "db")]), "InvalidGroup.NotFound");
    api.call("DeleteSecurityGroup", &[("GroupName", "web")]).unwrap();
    assert_eq!(api.code("DeleteSecurityGroup", &[("GroupName", "web")]), "InvalidGroup.NotFound");
}

#[test]
fn the_default_group_can_t_be_deleted_and_lets_its_own_members_in() {
    let lab = Fixture::new();
    let filter = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", &*lab.vpc),
        ("Filter.2.Name", "group-name"),
        ("Filter.2.Value.1", "default"),
    ];
    let answer = lab.api.call("DescribeSecurityGroups", &filter).unwrap();
    let group = &answer["SecurityGroups"][0];
    let id = group["GroupId"].as_str().unwrap();
    assert_eq!(group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"], id);
    assert_eq!(group["IpPermissions"][0]["UserIdGroupPairs"][0]["UserId"], "123456789012");
    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", id)]), "CannotDelete");
}

#[test]
fn each_source_is_a_rule_of_its_own_and_the_group_view_collects_them() {
    let lab = Fixture::new();
    let answer = lab
        .ingress(&[
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "80"),
            ("IpPermissions.1.ToPort", "81"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "10.1.2.3/8"),
            ("IpPermissions.1.IpRanges.1.Description", "inside"),
            ("IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "2001:db8::1/32"),
            ("IpPermissions.1.Groups.1.GroupId", &lab.group),
            ("TagSpecification.1.ResourceType", "security-group-rule"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", "page"),
        ])
        .unwrap();
    let rules = answer["SecurityGroupRules"].as_array().unwrap();
    assert_eq!(rules.len(), 3);
    assert_eq!((&rules[0]["CidrIpv4"], &rules[0]["Description"]), (&"10.0.0.0/8".into(), &"inside".into()));
    assert_eq!(rules[1]["CidrIpv6"], "2001:db8::/32");
    assert_eq!(rules[2]["ReferencedGroupInfo"]["UserId"], "123456789012");
    let arn =
        format!("arn:aws:ec2:us-east-1:123456789012:security-group-rule/{}", rules[0]["SecurityGroupRuleId"].as_str().unwrap());
    assert_eq!((&rules[0]["SecurityGroupRuleArn"], &rules[0]["Tags"][0]["Value"]), (&arn.into(), &"page".into()));

    let permissions = lab.group()["IpPermissions"].clone();
    assert_eq!(permissions.as_array().unwrap().len(), 1, "{permissions}");
    assert_eq!((&permissions[0]["FromPort"], &permissions[0]["ToPort"]), (&80.into(), &81.into()));
    assert_eq!(permissions[0]["IpRanges"][0]["CidrIp"], "10.0.0.0/8");
    assert_eq!(permissions[0]["Ipv6Ranges"][0]["CidrIpv6"], "2001:db8::/32");
    assert_eq!(permissions[0]["UserIdGroupPairs"][0]["GroupId"], lab.group.as_str());
}

#[test]
fn the_same_rule_twice_fails_the_whole_call() {
    let lab = Fixture::new();
    lab.ingress(SSH).unwrap();
    assert_eq!(lab.code("AuthorizeSecurityGroupIngress", SSH), "InvalidPermission.Duplicate");
    let twice: Vec<_> = [
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "443"),
        ("IpPermissions.1.ToPort", "443"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ("IpPermissions.1.IpRanges.2.CidrIp", "0.0.0.0/0"),
    ]
    .into();
    assert_eq!(lab.code("AuthorizeSecurityGroupIngress", &twice), "InvalidPermission.Duplicate");
    // The same protocol by its number, and another description doesn't make another rule.
    let again = [
        ("IpPermissions.1.IpProtocol", "6"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "203.0.113.1/32"),
        ("IpPermissions.1.IpRanges.1.Description", "another text"),
    ];
    assert_eq!(lab.code("AuthorizeSecurityGroupIngress", &again), "InvalidPermission.Duplicate");
    // Blocks are compared without their host bits.
    let block = |cidr| [("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.IpRanges.1.CidrIp", cidr)];
    lab.on_group("AuthorizeSecurityGroupEgress", &block("100.68.0.18/18")).unwrap();
    assert_eq!(lab.code("AuthorizeSecurityGroupEgress", &block("100.68.0.0/18")), "InvalidPermission.Duplicate");
    assert_eq!(lab.rules().len(), 3, "one rule in, two out");
}

#[test]
fn protocol_minus_one_takes_all_ports_whatever_is_given() {
    let lab = Fixture::new();
    let all = |port: &'static str| {
        vec![
            ("IpPermissions.1.IpProtocol", "-1"),
            ("IpPermissions.1.FromPort", port),
            ("IpPermissions.1.ToPort", port),
            ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
        ]
    };
    let rule = lab.ingress(&all("80")).unwrap()["SecurityGroupRules"][0].clone();
    assert_eq!((&rule["IpProtocol"], &rule["FromPort"], &rule["ToPort"]), (&"-1".into(), &(-1).into(), &(-1).into()));
    assert_eq!(lab.code("AuthorizeSecurityGroupIngress", &all("0")), "InvalidPermission.Duplicate");
    lab.on_group("RevokeSecurityGroupIngress", &all("0")).unwrap();
    assert_eq!(lab.group()["IpPermissions"], serde_json::json!([]));
}

#[test]
fn terraform_s_first_revocation_works() {
    let lab = Fixture::new();
    let all = |range: &'static str, cidr: &'static str| {
        [("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.FromPort", "0"), ("IpPermissions.1.ToPort", "0"), (range, cidr)]
    };
    let answer = lab.on_group("RevokeSecurityGroupEgress", &all("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0")).unwrap();
    assert_eq!(answer["RevokedSecurityGroupRules"][0]["CidrIpv4"], "0.0.0.0/0");
    assert_eq!(answer["Return"], true);
    let ipv6 = all("IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "::/0");
    assert_eq!(lab.code("RevokeSecurityGroupEgress", &ipv6), "InvalidPermission.NotFound");
}

#[test]
fn rules_are_revoked_by_id_too_and_never_by_both() {
    let lab = Fixture::new();
    let id = lab.ingress(SSH).unwrap()["SecurityGroupRules"][0]["SecurityGroupRuleId"].as_str().unwrap().to_owned();
    let mut both = vec![("SecurityGroupRuleId.1", id.as_str())];
    both.extend_from_slice(SSH);
    assert_eq!(lab.code("RevokeSecurityGroupIngress", &both), "InvalidParameterCombination");
    assert_eq!(lab.code("RevokeSecurityGroupIngress", &[]), "MissingParameter");
    // The rule of one direction isn't found in the other.
    let by_id = [("SecurityGroupRuleId.1", id.as_str())];
    assert_eq!(lab.code("RevokeSecurityGroupEgress", &by_id), "InvalidSecurityGroupRuleId.NotFound");
    let answer = lab.on_group("RevokeSecurityGroupIngress", &by_id).unwrap();
    assert_eq!(answer["RevokedSecurityGroupRules"][0]["SecurityGroupRuleId"], id.as_str());
    assert_eq!(lab.code("RevokeSecurityGroupIngress", &by_id), "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(
        lab.code("RevokeSecurityGroupIngress", &[("SecurityGroupRuleId.1", "sgr-1")]),
        "InvalidSecurityGroupRuleId.Malformed"
    );
    assert_eq!(lab.code("RevokeSecurityGroupIngress", SSH), "InvalidPermission.NotFound");
}

#[test]
fn in_the_default_vpc_a_revocation_of_nothing_is_answered_and_not_refused() {
    let api = api();
    let group = api.call("CreateSecurityGroup", &[("GroupName", "web"), ("GroupDescription", "d")]).unwrap()["GroupId"].clone();
    let mut parameters = vec![("GroupId", group.as_str().unwrap())];
    parameters.extend_from_slice(SSH);
    let answer = api.call("RevokeSecurityGroupIngress", &parameters).unwrap();
    assert_eq!(answer["UnknownIpPermissions"][0]["IpRanges"][0]["CidrIp"], "203.0.113.1/32");
    assert_eq!(answer["UnknownIpPermissions"][0]["FromPort"], 22);
    assert_eq!(answer["RevokedSecurityGroupRules"], serde_json::json!([]));
}

#[test]
fn bad_rules_are_refused() {
    let lab = Fixture::new();
    let rule = |protocol: &'static str, from: &'static str, to: &'static str, cidr: &'static str| {
        let mut parameters = vec![("IpPermissions.1.IpProtocol", protocol)];
        let others =
            [("IpPermissions.1.FromPort", from), ("IpPermissions.1.ToPort", to), ("IpPermissions.1.IpRanges.1.CidrIp", cidr)];
        parameters.extend(others.into_iter().filter(|(_, value)| !value.is_empty()));
        lab.code("AuthorizeSecurityGroupIngress", &parameters)
    };
    for (protocol, from, to, cidr) in [
        ("tcp", "", "", "0.0.0.0/0"),
        ("tcp", "80", "", "0.0.0.0/0"),
        ("tcp", "81", "80", "0.0.0.0/0"),
        ("tcp", "-1", "-1", "0.0.0.0/0"),
        ("udp", "0", "65536", "0.0.0.0/0"),
        ("tcp", "80", "80", ""),
        ("icmp", "", "", "0.0.0.0/0"),
        ("icmp", "-1", "0", "0.0.0.0/0"),
        ("icmp", "256", "-1", "0.0.0.0/0"),
    ] {
        assert_eq!(rule(protocol, from, to, cidr), "InvalidPermission.Malformed", "{protocol} {from} {to} {cidr}");
    }
    for block in ["10.0.0.0/33", "10.0.0.0", "2001:db8::/32"] {
        assert_eq!(rule("tcp", "80", "80", block), "InvalidParameterValue", "{block}");
    }
    assert_eq!(rule("tpc", "80", "80", "0.0.0.0/0"), "InvalidParameterValue");
    assert_eq!(rule("256", "80", "80", "0.0.0.0/0"), "InvalidParameterValue");
    let unknown =
        [("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.PrefixListIds.1.PrefixListId", "pl-0123456789abcdef0")];
    assert_eq!(lab.code("AuthorizeSecurityGroupIngress", &unknown), "InvalidPrefixListID.NotFound");
    let long = "x".repeat(256);
    let wordy = [
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ("IpPermissions.1.IpRanges.1.Description", long.as_str()),
    ];
    assert_eq!(lab.code("AuthorizeSecurityGroupIngress", &wordy), "InvalidParameterValue");
    assert_eq!(lab.rules().len(), 1, "nothing of it was kept");
}

#[test]
fn icmp_has_its_type_and_code_in_the_ports() {
    let lab = Fixture::new();
    let add = |protocol: &str, from: Option<&str>, to: Option<&str>| {
        let mut parameters = vec![("IpPermissions.1.IpProtocol", protocol), ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0")];
        parameters.extend(from.map(|from| ("IpPermissions.1.FromPort", from)));
        parameters.extend(to.map(|to| ("IpPermissions.1.ToPort", to)));
        let rule = lab.ingress(&parameters).unwrap()["SecurityGroupRules"][0].clone();
        (rule["IpProtocol"].as_str().unwrap().to_owned(), rule["FromPort"].as_i64().unwrap(), rule["ToPort"].as_i64().unwrap())
    };
    assert_eq!(add("icmp", Some("8"), Some("-1")), ("icmp".into(), 8, -1));
    assert_eq!(add("1", Some("-1"), Some("-1")), ("icmp".into(), -1, -1));
    assert_eq!(add("icmpv6", None, None), ("icmpv6".into(), -1, -1));
    assert_eq!(add("47", Some("1"), Some("2")), ("47".into(), -1, -1));
    let permissions = lab.group()["IpPermissions"].clone();
    let of = |protocol: &str| {
        permissions.as_array().unwrap().iter().filter(|p| p["IpProtocol"] == protocol).cloned().collect::<Vec<_>>()
    };
    assert_eq!((&of("icmp")[1]["FromPort"], &of("icmp")[1]["ToPort"]), (&(-1).into(), &(-1).into()));
    assert!(of("47")[0].get("FromPort").is_none());
}

#[test]
fn groups_are_named_by_id_in_one_vpc_only() {
    let lab = Fixture::new();
    let elsewhere = lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"].clone();
    let stranger = create(&lab.api, "other", elsewhere.as_str().unwrap());
    let from = |key: &'static str, value: &str, more: Parameters<'_>| {
        let mut parameters = vec![("IpPermissions.1.IpProtocol", "-1"), (key, value)];
        parameters.extend_from_slice(more);
        lab.ingress(&parameters).map_err(|error| error.code.into_owned())
    };
    let id = "IpPermissions.1.Groups.1.GroupId";
    let user = "IpPermissions.1.Groups.1.UserId";
    assert_eq!(from(id, &stranger, &[]).unwrap_err(), "InvalidGroup.NotFound");
    assert_eq!(from(id, "sg-0123456789abcdef0", &[]).unwrap_err(), "InvalidGroup.NotFound");
    assert_eq!(from(id, "sg-zz", &[]).unwrap_err(), "InvalidGroupId.Malformed");
    assert_eq!(from(id, &lab.group, &[(user, "999999999999")]).unwrap_err(), "InvalidGroup.NotFound");
    assert_eq!(from("IpPermissions.1.Groups.1.GroupName", "web", &[]).unwrap_err(), "InvalidParameterValue");
    let answer = from(id, &lab.group, &[(user, "123456789012")]).unwrap();
    let referenced = &answer["SecurityGroupRules"][0]["ReferencedGroupInfo"];
    assert_eq!(*referenced, serde_json::json!({"GroupId": lab.group, "UserId": "123456789012"}), "the VPC is the group's own");
}

#[test]
fn a_group_in_use_can_t_be_deleted() {
    let lab = Fixture::new();
    let db = create(&lab.api, "db", &lab.vpc);
    let from_db = [("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", db.as_str())];
    lab.ingress(&from_db).unwrap();
    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", &db)]), "DependencyViolation");
    lab.on_group("RevokeSecurityGroupIngress", &from_db).unwrap();
    // A group may name itself and still go.
    let own = [("GroupId", db.as_str()), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", db.as_str())];
    lab.api.call("AuthorizeSecurityGroupIngress", &own).unwrap();
    let answer = lab.api.call("DeleteSecurityGroup", &[("GroupId", &db)]).unwrap();
    assert_eq!((&answer["Return"], &answer["GroupId"]), (&true.into(), &db.as_str().into()));
    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", &db)]), "InvalidGroup.NotFound");

    let subnet = lab.api.call("CreateSubnet", &[("VpcId", &lab.vpc), ("CidrBlock", "10.0.1.0/24")]).unwrap();
    let subnet = subnet["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    let eni = lab.api.call("CreateNetworkInterface", &[("SubnetId", &subnet), ("SecurityGroupId.1", &lab.group)]).unwrap();
    assert_eq!(lab.code("DeleteSecurityGroup", &[]), "DependencyViolation");
    let eni = eni["NetworkInterface"]["NetworkInterfaceId"].as_str().unwrap();
    lab.api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", eni)]).unwrap();
    lab.on_group("DeleteSecurityGroup", &[]).unwrap();
}

#[test]
fn sixty_rules_per_direction_and_family_are_the_most() {
    let lab = Fixture::new();
    let texts: Vec<(String, String)> =
        (1..=60).map(|i| (format!("IpPermissions.1.IpRanges.{i}.CidrIp"), format!("10.0.{i}.0/24"))).collect();
    let mut parameters = vec![("IpPermissions.1.IpProtocol", "-1")];
    parameters.extend(texts.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    lab.ingress(&parameters).unwrap();
    let more =
        |key, value| lab.ingress(&[("IpPermissions.1.IpProtocol", "-1"), (key, value)]).map_err(|error| error.code.into_owned());
    let full = "RulesPerSecurityGroupLimitExceeded";
    assert_eq!(more("IpPermissions.1.IpRanges.1.CidrIp", "10.1.0.0/16").unwrap_err(), full);
    // A group counts in both families, an IPv6 block in its own only.
    assert_eq!(more("IpPermissions.1.Groups.1.GroupId", &lab.group).unwrap_err(), full);
    more("IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "2001:db8::/32").unwrap();
    lab.on_group(
        "AuthorizeSecurityGroupEgress",
        &[("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.IpRanges.1.CidrIp", "10.1.0.0/16")],
    )
    .unwrap();
}

#[test]
fn a_rule_can_be_changed_and_keeps_its_id() {
    let lab = Fixture::new();
    let id = lab.ingress(SSH).unwrap()["SecurityGroupRules"][0]["SecurityGroupRuleId"].as_str().unwrap().to_owned();
    let change = |cidr: &str| {
        lab.on_group(
            "ModifySecurityGroupRules",
            &[
                ("SecurityGroupRule.1.SecurityGroupRuleId", &id),
                ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "tcp"),
                ("SecurityGroupRule.1.SecurityGroupRule.FromPort", "443"),
                ("SecurityGroupRule.1.SecurityGroupRule.ToPort", "443"),
                ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", cidr),
                ("SecurityGroupRule.1.SecurityGroupRule.Description", "page"),
            ],
        )
        .map_err(|error| error.code.into_owned())
    };
    assert_eq!(change("0.0.0.0/0").unwrap()["Return"], true);
    let rule = lab.rules().into_iter().find(|rule| rule["SecurityGroupRuleId"] == id.as_str()).unwrap();
    assert_eq!((&rule["FromPort"], &rule["CidrIpv4"], &rule["Description"]), (&443.into(), &"0.0.0.0/0".into(), &"page".into()));
    change("0.0.0.0/0").unwrap();
    lab.ingress(&[
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "443"),
        ("IpPermissions.1.ToPort", "443"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"),
    ])
    .unwrap();
    assert_eq!(change("10.0.0.0/8").unwrap_err(), "InvalidPermission.Duplicate");
    let unknown = [
        ("SecurityGroupRule.1.SecurityGroupRuleId", "sgr-0123456789abcdef0"),
        ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "-1"),
        ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "0.0.0.0/0"),
    ];
    assert_eq!(lab.code("ModifySecurityGroupRules", &unknown), "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(lab.code("ModifySecurityGroupRules", &unknown[..2]), "InvalidPermission.Malformed");
}

#[test]
fn descriptions_change_by_what_a_rule_says_and_by_its_id() {
    let lab = Fixture::new();
    let id = lab.ingress(SSH).unwrap()["SecurityGroupRules"][0]["SecurityGroupRuleId"].as_str().unwrap().to_owned();
    let description = || lab.group()["IpPermissions"][0]["IpRanges"][0].get("Description").cloned();
    let mut parameters = SSH.to_vec();
    parameters.push(("IpPermissions.1.IpRanges.1.Description", "the office"));
    lab.on_group("UpdateSecurityGroupRuleDescriptionsIngress", &parameters).unwrap();
    assert_eq!(description().unwrap(), "the office");
    let by_id = [
        ("SecurityGroupRuleDescription.1.SecurityGroupRuleId", id.as_str()),
        ("SecurityGroupRuleDescription.1.Description", "home"),
    ];
    lab.on_group("UpdateSecurityGroupRuleDescriptionsIngress", &by_id).unwrap();
    assert_eq!(description().unwrap(), "home");
    lab.on_group("UpdateSecurityGroupRuleDescriptionsIngress", SSH).unwrap();
    assert_eq!(description(), None);
    assert_eq!(lab.code("UpdateSecurityGroupRuleDescriptionsEgress", SSH), "InvalidPermission.NotFound");
}

#[test]
fn the_older_flat_parameters_work() {
    let lab = Fixture::new();
    let flat = [("IpProtocol", "tcp"), ("FromPort", "22"), ("ToPort", "22"), ("CidrIp", "10.0.0.0/8")];
    lab.ingress(&flat).unwrap();
    assert_eq!(lab.group()["IpPermissions"][0]["IpRanges"][0]["CidrIp"], "10.0.0.0/8");
    lab.on_group("RevokeSecurityGroupIngress", &flat).unwrap();
    let api = api();
    let whole = [("GroupName", "default"), ("SourceSecurityGroupName", "default")];
    let rules = api.call("AuthorizeSecurityGroupIngress", &whole).unwrap();
    assert_eq!(rules["SecurityGroupRules"].as_array().unwrap().len(), 3, "tcp, udp and icmp");
}

#[test]
fn ids_that_are_malformed_or_unknown_have_their_codes() {
    let api = api();
    for (action, parameter, malformed, unknown) in [
        ("DescribeSecurityGroups", "GroupId.1", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"),
        ("DeleteSecurityGroup", "GroupId", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"),
        ("DescribeSecurityGroupReferences", "GroupId.1", "InvalidGroupId.Malformed", "InvalidGroup.NotFound"),
    ] {
        assert_eq!(api.code(action, &[(parameter, "sg-zz")]), malformed, "{action}");
        assert_eq!(api.code(action, &[(parameter, "sg-0123456789abcdef0")]), unknown, "{action}");
    }
    let rule = |id| api.code("DescribeSecurityGroupRules", &[("SecurityGroupRuleId.1", id)]);
    assert_eq!(rule("sgr-zz"), "InvalidSecurityGroupRuleId.Malformed");
    assert_eq!(rule("sgr-0123456789abcdef0"), "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(api.code("DescribeStaleSecurityGroups", &[("VpcId", "vpc-0123456789abcdef0")]), "InvalidVpcID.NotFound");
}

#[test]
fn another_account_or_region_sees_and_touches_nothing() {
    let lab = Fixture::new();
    for (account, region) in [("999999999999", "us-east-1"), ("123456789012", "eu-central-1")] {
        for action in ["DescribeSecurityGroups&GroupId.1", "DeleteSecurityGroup&GroupId"] {
            let answer = lab.api.raw_as(account, region, &format!("Version=2016-11-15&Action={action}={}", lab.group));
            assert!(answer.body.contains("<Code>InvalidGroup.NotFound</Code>"), "{}", answer.body);
        }
    }
    lab.on_group("DeleteSecurityGroup", &[]).unwrap();
}

#[test]
fn filters_find_groups_by_their_rules() {
    let lab = Fixture::new();
    lab.ingress(SSH).unwrap();
    let own = [("IpPermissions.1.IpProtocol", "icmpv6"), ("IpPermissions.1.Groups.1.GroupId", lab.group.as_str())];
    lab.ingress(&own).unwrap();
    for (name, value, found) in [
        ("group-id", lab.group.as_str(), true),
        ("group-name", "w?b", true),
        ("ip-permission.cidr", "203.0.113.1/32", true),
        ("ip-permission.cidr", "0.0.0.0/0", false),
        ("ip-permission.from-port", "22", true),
        ("ip-permission.to-port", "23", false),
        ("ip-permission.protocol", "icmpv6", true),
        ("ip-permission.group-id", &lab.group, true),
        ("ip-permission.group-name", "web", true),
        ("ip-permission.user-id", "123456789012", true),
        ("egress.ip-permission.cidr", "0.0.0.0/0", true),
        ("egress.ip-permission.protocol", "-1", true),
        ("egress.ip-permission.group-id", &lab.group, false),
        ("description", "a group", true),
    ] {
        let filter =
            [("Filter.1.Name", name), ("Filter.1.Value.1", value), ("Filter.2.Name", "vpc-id"), ("Filter.2.Value.1", &lab.vpc)];
        let answer = lab.api.call("DescribeSecurityGroups", &filter).unwrap();
        let ids: Vec<_> = answer["SecurityGroups"].as_array().unwrap().iter().map(|group| group["GroupId"].clone()).collect();
        assert_eq!(ids.contains(&lab.group.as_str().into()), found, "{name}={value}");
    }
    assert_eq!(
        lab.api.code("DescribeSecurityGroups", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]),
        "InvalidParameterValue"
    );
}

#[test]
fn nothing_is_stale_and_nothing_is_named_from_afar_without_peering() {
    let lab = Fixture::new();
    let own = [("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", lab.group.as_str())];
    lab.ingress(&own).unwrap();
    let stale = lab.api.call("DescribeStaleSecurityGroups", &[("VpcId", &lab.vpc)]).unwrap();
    assert_eq!(stale["StaleSecurityGroupSet"], serde_json::json!([]));
    let groups = lab.api.call("GetSecurityGroupsForVpc", &[("VpcId", &lab.vpc)]).unwrap();
    assert_eq!(groups["SecurityGroupForVpcs"].as_array().unwrap().len(), 2);
    let references = lab.api.call("DescribeSecurityGroupReferences", &[("GroupId.1", &lab.group)]).unwrap();
    assert_eq!(references["SecurityGroupReferenceSet"], serde_json::json!([]));
}

#[test]
fn a_dry_run_changes_nothing() {
    let lab = Fixture::new();
    let mut parameters = SSH.to_vec();
    parameters.push(("DryRun", "true"));
    assert_eq!(lab.code("AuthorizeSecurityGroupIngress", &parameters), "DryRunOperation");
    assert_eq!(lab.code("DeleteSecurityGroup", &[("DryRun", "true")]), "DryRunOperation");
    assert_eq!(lab.rules().len(), 1);
}

/// A second VPC and an interface in it with the fixture's group, when that is allowed.
fn elsewhere(lab: &Fixture) -> (String, String) {
    let vpc = lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let subnet = lab.api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.1.0.0/24")]).unwrap();
    (vpc, subnet["Subnet"]["SubnetId"].as_str().unwrap().to_owned())
}

#[test]
fn a_group_is_lent_to_another_vpc_and_taken_back() {
    let lab = Fixture::new();
    let (vpc, subnet) = elsewhere(&lab);
    let interface = [("SubnetId", &*subnet), ("SecurityGroupId.1", &lab.group)];
    assert_eq!(lab.api.code("CreateNetworkInterface", &interface), "InvalidParameter");
    let pair = [("GroupId", &*lab.group), ("VpcId", &vpc)];
    assert_eq!(lab.api.code("DisassociateSecurityGroupVpc", &pair), "InvalidParameterValue");
    assert_eq!(lab.api.call("AssociateSecurityGroupVpc", &pair).unwrap()["State"], "associating");
    assert_eq!(lab.api.code("AssociateSecurityGroupVpc", &pair), "Resource.AlreadyAssociated");
    let shown = lab.api.call("DescribeSecurityGroupVpcAssociations", &[]).unwrap();
    let expected = serde_json::json!([{
        "GroupId": lab.group, "VpcId": vpc, "VpcOwnerId": "123456789012", "GroupOwnerId": "123456789012", "State": "associated",
    }]);
    assert_eq!(shown["SecurityGroupVpcAssociations"], expected);
    let usable = lab
        .api
        .call("GetSecurityGroupsForVpc", &[("VpcId", &vpc), ("Filter.1.Name", "group-id"), ("Filter.1.Value.1", &lab.group)]);
    let usable = usable.unwrap()["SecurityGroupForVpcs"][0].clone();
    assert_eq!((&usable["GroupId"], &usable["PrimaryVpcId"]), (&Value::from(&*lab.group), &Value::from(&*lab.vpc)));
    let made = lab.api.call("CreateNetworkInterface", &interface).unwrap();
    let eni = made["NetworkInterface"]["NetworkInterfaceId"].as_str().unwrap();
    assert_eq!(lab.api.code("DisassociateSecurityGroupVpc", &pair), "DependencyViolation");
    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", &lab.group)]), "DependencyViolation");
    lab.api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", eni)]).unwrap();
    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", &lab.group)]), "DependencyViolation");
    lab.api.call("DeleteSubnet", &[("SubnetId", &subnet)]).unwrap();
    assert_eq!(lab.api.code("DeleteVpc", &[("VpcId", &vpc)]), "DependencyViolation");
    assert_eq!(lab.api.call("DisassociateSecurityGroupVpc", &pair).unwrap()["State"], "disassociating");
    let shown = lab.api.call("DescribeSecurityGroupVpcAssociations", &[]).unwrap();
    assert_eq!(shown["SecurityGroupVpcAssociations"], serde_json::json!([]));
    lab.api.call("DeleteVpc", &[("VpcId", &vpc)]).unwrap();
    lab.api.call("DeleteSecurityGroup", &[("GroupId", &lab.group)]).unwrap();
}

#[test]
fn associations_are_filtered() {
    let lab = Fixture::new();
    let (vpc, _) = elsewhere(&lab);
    lab.api.call("AssociateSecurityGroupVpc", &[("GroupId", &lab.group), ("VpcId", &vpc)]).unwrap();
    let count = |name: &str, value: &str| {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let answer = lab.api.call("DescribeSecurityGroupVpcAssociations", &filter).unwrap();
        answer["SecurityGroupVpcAssociations"].as_array().unwrap().len()
    };
    for (name, value) in [
        ("group-id", &*lab.group),
        ("group-owner-id", "123456789012"),
        ("state", "associated"),
        ("vpc-id", &vpc),
        ("vpc-owner-id", "123456789012"),
    ] {
        assert_eq!((count(name, value), count(name, "other")), (1, 0), "{name}");
    }
}

#[test]
fn default_groups_and_the_default_vpc_take_no_part_in_lending() {
    let lab = Fixture::new();
    let (vpc, _) = elsewhere(&lab);
    let associate = |group: &str, vpc: &str| lab.api.code("AssociateSecurityGroupVpc", &[("GroupId", group), ("VpcId", vpc)]);
    let default = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", &*lab.vpc),
        ("Filter.2.Name", "group-name"),
        ("Filter.2.Value.1", "default"),
    ];
    let default = lab.api.call("DescribeSecurityGroups", &default).unwrap();
    assert_eq!(associate(default["SecurityGroups"][0]["GroupId"].as_str().unwrap(), &vpc), "InvalidParameterValue");
    let default = lab.api.call("DescribeVpcs", &[("Filter.1.Name", "is-default"), ("Filter.1.Value.1", "true")]).unwrap();
    let default = default["Vpcs"][0]["VpcId"].as_str().unwrap().to_owned();
    assert_eq!(associate(&lab.group, &default), "InvalidParameterValue");
    let of_default = create(&lab.api, "lent", &default);
    assert_eq!(associate(&of_default, &vpc), "InvalidParameterValue");
    assert_eq!(associate(&lab.group, &lab.vpc), "Resource.AlreadyAssociated");
    for action in ["AssociateSecurityGroupVpc", "DisassociateSecurityGroupVpc"] {
        let code = |group: &str, vpc: &str| lab.api.code(action, &[("GroupId", group), ("VpcId", vpc)]);
        assert_eq!(code("sg-x", &vpc), "InvalidGroupId.Malformed");
        assert_eq!(code("sg-1a2b3c4d", &vpc), "InvalidGroup.NotFound");
        assert_eq!(code(&lab.group, "vpc-x"), "InvalidVpcID.Malformed");
        assert_eq!(code(&lab.group, "vpc-1a2b3c4d"), "InvalidVpcID.NotFound");
    }
}

/// A rule of the second group that names the first.
fn name(api: &Api, group: &str, peer: &str) -> Result<Value, ApiError> {
    let rule = [("GroupId", group), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", peer)];
    api.call("AuthorizeSecurityGroupIngress", &rule)
}

fn stale(api: &Api, vpc: &str) -> Vec<Value> {
    let answer = api.call("DescribeStaleSecurityGroups", &[("VpcId", vpc)]).unwrap();
    answer["StaleSecurityGroupSet"].as_array().unwrap().clone()
}

#[test]
fn a_lent_group_may_be_named_there_and_the_rule_is_stale_when_it_is_taken_back() {
    let lab = Fixture::new();
    let (vpc, _) = elsewhere(&lab);
    let there = create(&lab.api, "there", &vpc);
    assert_eq!(name(&lab.api, &there, &lab.group).unwrap_err().code, "InvalidGroup.NotFound");
    let pair = [("GroupId", &*lab.group), ("VpcId", &vpc)];
    lab.api.call("AssociateSecurityGroupVpc", &pair).unwrap();
    name(&lab.api, &there, &lab.group).unwrap();
    assert!(stale(&lab.api, &vpc).is_empty());
    lab.api.call("DisassociateSecurityGroupVpc", &pair).unwrap();
    let found = stale(&lab.api, &vpc);
    assert_eq!(found[0]["GroupId"], *there);
    assert_eq!(found[0]["StaleIpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"], *lab.group);
    lab.api.call("DeleteSecurityGroup", &[("GroupId", &lab.group)]).unwrap();
    assert_eq!(stale(&lab.api, &vpc).len(), 1, "the group it names is gone altogether");
}

#[test]
fn groups_of_peered_vpcs_name_each_other_while_the_peering_is_active() {
    let lab = Fixture::new();
    let (vpc, _) = elsewhere(&lab);
    let there = create(&lab.api, "there", &vpc);
    let peer = || {
        let asked = lab.api.call("CreateVpcPeeringConnection", &[("VpcId", &*lab.vpc), ("PeerVpcId", &vpc)]).unwrap();
        asked["VpcPeeringConnection"]["VpcPeeringConnectionId"].as_str().unwrap().to_owned()
    };
    let id = peer();
    assert_eq!(name(&lab.api, &there, &lab.group).unwrap_err().code, "InvalidGroup.NotFound", "nobody accepted it yet");
    lab.api.call("AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &*id)]).unwrap();
    name(&lab.api, &there, &lab.group).unwrap();
    let references = || lab.api.call("DescribeSecurityGroupReferences", &[("GroupId.1", &*lab.group)]).unwrap();
    let expected = serde_json::json!([{"GroupId": lab.group, "ReferencingVpcId": vpc, "VpcPeeringConnectionId": id}]);
    assert_eq!(references()["SecurityGroupReferenceSet"], expected);
    let pair = || {
        let group = lab.api.call("DescribeSecurityGroups", &[("GroupId.1", &*there)]).unwrap();
        group["SecurityGroups"][0]["IpPermissions"][0]["UserIdGroupPairs"][0].clone()
    };
    assert_eq!((&pair()["PeeringStatus"], &pair()["VpcPeeringConnectionId"]), (&"active".into(), &Value::from(&*id)));
    lab.api.call("DeleteVpcPeeringConnection", &[("VpcPeeringConnectionId", &*id)]).unwrap();
    assert_eq!(pair()["PeeringStatus"], "deleted");
    assert_eq!(stale(&lab.api, &vpc)[0]["StaleIpPermissions"][0]["UserIdGroupPairs"][0]["VpcPeeringConnectionId"], *id);
    assert_eq!(references()["SecurityGroupReferenceSet"], serde_json::json!([]));
    let again = peer();
    lab.api.call("AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &*again)]).unwrap();
    assert!(stale(&lab.api, &vpc).is_empty(), "the same two VPCs are peered again");
    lab.api.call("DeleteSecurityGroup", &[("GroupId", &*lab.group)]).unwrap();
    assert_eq!(stale(&lab.api, &vpc).len(), 1, "a group named from another VPC can be deleted");
}
