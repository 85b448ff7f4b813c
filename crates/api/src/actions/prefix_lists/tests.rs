#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use crate::testing::api;
use crate::{Api, ApiError};

/// A list of three entries at most, with one.
fn create(api: &Api) -> String {
    let answer = api.call("CreateManagedPrefixList", &[&NEW[..], &[("Entry.1.Cidr", "10.1.2.3/16")]].concat()).unwrap();
    answer["PrefixList"]["PrefixListId"].as_str().unwrap().to_owned()
}

const NEW: [(&str, &str); 3] = [("PrefixListName", "offices"), ("AddressFamily", "IPv4"), ("MaxEntries", "3")];

fn describe(api: &Api, id: &str) -> Value {
    api.call("DescribeManagedPrefixLists", &[("PrefixListId.1", id)]).unwrap()["PrefixLists"][0].clone()
}

fn entries(api: &Api, id: &str, version: Option<&str>) -> Vec<String> {
    let mut parameters = vec![("PrefixListId", id)];
    parameters.extend(version.map(|version| ("TargetVersion", version)));
    let answer = api.call("GetManagedPrefixListEntries", &parameters).unwrap();
    answer["Entries"].as_array().unwrap().iter().map(|entry| entry["Cidr"].as_str().unwrap().to_owned()).collect()
}

fn modify(api: &Api, id: &str, more: &[(&str, &str)]) -> Result<Value, ApiError> {
    api.call("ModifyManagedPrefixList", &[&[("PrefixListId", id)], more].concat())
}

fn code(result: Result<Value, ApiError>) -> String {
    result.unwrap_err().code.into_owned()
}

fn id_of_aws_list(api: &Api, name: &str) -> String {
    let filter = [("Filter.1.Name", "prefix-list-name"), ("Filter.1.Value.1", name)];
    let answer = api.call("DescribeManagedPrefixLists", &filter).unwrap();
    answer["PrefixLists"][0]["PrefixListId"].as_str().unwrap().to_owned()
}

fn group(api: &Api) -> String {
    let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let group = [("GroupName", "web"), ("GroupDescription", "web"), ("VpcId", &vpc)];
    api.call("CreateSecurityGroup", &group).unwrap()["GroupId"].as_str().unwrap().to_owned()
}

fn allow(api: &Api, group: &str, list: &str) -> Result<Value, ApiError> {
    let rule = [
        ("GroupId", group),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.PrefixListIds.1.PrefixListId", list),
        ("IpPermissions.1.PrefixListIds.1.Description", "offices"),
    ];
    api.call("AuthorizeSecurityGroupIngress", &rule)
}

#[test]
fn a_list_is_made_shown_and_deleted() {
    let api = api();
    let parameters = [
        &NEW[..],
        &[
            ("Entry.1.Cidr", "10.1.2.3/16"),
            ("Entry.1.Description", "berlin"),
            ("TagSpecification.1.ResourceType", "prefix-list"),
            ("TagSpecification.1.Tag.1.Key", "a"),
            ("TagSpecification.1.Tag.1.Value", "1"),
        ],
    ]
    .concat();
    let made = api.call("CreateManagedPrefixList", &parameters).unwrap()["PrefixList"].clone();
    assert_eq!((&made["State"], &made["Version"], &made["MaxEntries"]), (&json!("create-in-progress"), &json!(1), &json!(3)));
    let id = made["PrefixListId"].as_str().unwrap();
    assert_eq!(made["PrefixListArn"], format!("arn:aws:ec2:us-east-1:123456789012:prefix-list/{id}"));
    let shown = describe(&api, id);
    assert_eq!((&shown["State"], &shown["OwnerId"]), (&json!("create-complete"), &json!("123456789012")));
    assert_eq!(shown["Tags"], json!([{"Key": "a", "Value": "1"}]));
    let entries = api.call("GetManagedPrefixListEntries", &[("PrefixListId", id)]).unwrap();
    assert_eq!(entries["Entries"], json!([{"Cidr": "10.1.0.0/16", "Description": "berlin"}]));
    let gone = api.call("DeleteManagedPrefixList", &[("PrefixListId", id)]).unwrap();
    assert_eq!(gone["PrefixList"]["State"], "delete-in-progress");
    for action in ["DeleteManagedPrefixList", "GetManagedPrefixListEntries", "GetManagedPrefixListAssociations"] {
        assert_eq!(api.code(action, &[("PrefixListId", id)]), "InvalidPrefixListID.NotFound");
        assert_eq!(api.code(action, &[("PrefixListId", "pl-x")]), "InvalidPrefixListID.Malformed");
        assert_eq!(api.code(action, &[]), "MissingParameter");
    }
    assert_eq!(api.code("DescribeManagedPrefixLists", &[("PrefixListId.1", id)]), "InvalidPrefixListID.NotFound");
    assert_eq!(api.code("DescribeManagedPrefixLists", &[("PrefixListId.1", "pl-x")]), "InvalidPrefixListID.Malformed");
}

#[test]
fn what_no_list_may_be_is_refused() {
    let api = api();
    let with = |changes: &[(&str, &str)]| {
        let mut parameters = NEW.to_vec();
        for (name, value) in changes {
            parameters.retain(|(present, _)| present != name);
            parameters.push((name, value));
        }
        api.code("CreateManagedPrefixList", &parameters)
    };
    let long = "n".repeat(256);
    for name in ["com.amazonaws.mine", &long] {
        assert_eq!(with(&[("PrefixListName", name)]), "InvalidParameterValue", "{name}");
    }
    assert_eq!(with(&[("PrefixListName", "")]), "MissingParameter");
    assert_eq!(with(&[("AddressFamily", "IPv5")]), "InvalidParameterValue");
    for size in ["0", "-1", "1001"] {
        assert_eq!(with(&[("MaxEntries", size)]), "InvalidParameterValue", "{size}");
    }
    for cidr in ["2001:db8::/32", "10.0.0.1", "10.0.0.0/33", "any"] {
        assert_eq!(with(&[("Entry.1.Cidr", cidr)]), "InvalidParameterValue", "{cidr}");
    }
    assert_eq!(with(&[("Entry.1.Cidr", "10.0.0.0/8"), ("Entry.2.Cidr", "10.1.0.0/8")]), "InvalidParameterValue");
    assert_eq!(with(&[("Entry.1.Cidr", "10.0.0.0/8"), ("Entry.1.Description", &long)]), "InvalidParameterValue");
    assert_eq!(
        with(&[("MaxEntries", "1"), ("Entry.1.Cidr", "10.0.0.0/8"), ("Entry.2.Cidr", "11.0.0.0/8")]),
        "PrefixListMaxEntriesExceeded"
    );
    assert_eq!(api.code("CreateManagedPrefixList", &NEW[..2]), "MissingParameter");
}

#[test]
fn the_hundred_and_first_list_is_one_too_many() {
    let api = api();
    for _ in 0..100 {
        create(&api);
    }
    assert_eq!(api.code("CreateManagedPrefixList", &NEW), "PrefixListLimitExceeded");
}

#[test]
fn the_same_token_makes_one_list() {
    let api = api();
    let parameters = [&NEW[..], &[("ClientToken", "t")]].concat();
    let id = |answer: Value| answer["PrefixList"]["PrefixListId"].clone();
    let first = id(api.call("CreateManagedPrefixList", &parameters).unwrap());
    assert_eq!(id(api.call("CreateManagedPrefixList", &parameters).unwrap()), first);
    let other = [&parameters[..], &[("Entry.1.Cidr", "10.0.0.0/8")]].concat();
    assert_eq!(api.code("CreateManagedPrefixList", &other), "IdempotentParameterMismatch");
}

#[test]
fn a_change_of_entries_begins_a_version_and_the_old_ones_stay() {
    let api = api();
    let id = create(&api);
    let add = [("CurrentVersion", "1"), ("AddEntry.1.Cidr", "10.2.0.0/16"), ("RemoveEntry.1.Cidr", "10.1.0.0/16")];
    let answer = modify(&api, &id, &add).unwrap()["PrefixList"].clone();
    assert_eq!((&answer["State"], &answer["Version"]), (&json!("modify-in-progress"), &json!(1)));
    let shown = describe(&api, &id);
    assert_eq!((&shown["State"], &shown["Version"]), (&json!("modify-complete"), &json!(2)));
    assert_eq!(entries(&api, &id, None), ["10.2.0.0/16"]);
    assert_eq!(entries(&api, &id, Some("1")), ["10.1.0.0/16"]);
    assert_eq!(entries(&api, &id, Some("2")), ["10.2.0.0/16"]);
    for version in ["0", "3", "-1"] {
        let target = [("PrefixListId", &*id), ("TargetVersion", version)];
        assert_eq!(api.code("GetManagedPrefixListEntries", &target), "InvalidParameterValue");
    }
    // Another name isn't another version, and an entry that is there gets the new description.
    modify(&api, &id, &[("PrefixListName", "sites")]).unwrap();
    assert_eq!((&describe(&api, &id)["PrefixListName"], &describe(&api, &id)["Version"]), (&json!("sites"), &json!(2)));
    modify(&api, &id, &[("AddEntry.1.Cidr", "10.2.0.0/16"), ("AddEntry.1.Description", "paris")]).unwrap();
    let now = api.call("GetManagedPrefixListEntries", &[("PrefixListId", &id)]).unwrap();
    assert_eq!(now["Entries"], json!([{"Cidr": "10.2.0.0/16", "Description": "paris"}]));
}

#[test]
fn a_modification_that_makes_no_sense_changes_nothing() {
    let api = api();
    let id = create(&api);
    let refused = |more: &[(&str, &str)]| code(modify(&api, &id, more));
    assert_eq!(refused(&[("CurrentVersion", "2"), ("AddEntry.1.Cidr", "10.2.0.0/16")]), "PrefixListVersionMismatch");
    assert_eq!(refused(&[("RemoveEntry.1.Cidr", "10.9.0.0/16")]), "InvalidPrefixListModification");
    let both = [("RemoveEntry.1.Cidr", "10.1.0.0/16"), ("AddEntry.1.Cidr", "10.1.0.0/16")];
    assert_eq!(refused(&both), "InvalidPrefixListModification");
    assert_eq!(refused(&[("AddEntry.1.Cidr", "2001:db8::/32")]), "InvalidParameterValue");
    assert_eq!(refused(&[("AddEntry.1.Cidr", "10.2.0.0/16"), ("MaxEntries", "9")]), "InvalidParameterCombination");
    let many = [("AddEntry.1.Cidr", "10.2.0.0/16"), ("AddEntry.2.Cidr", "10.3.0.0/16"), ("AddEntry.3.Cidr", "10.4.0.0/16")];
    assert_eq!(refused(&many), "PrefixListMaxEntriesExceeded");
    assert_eq!(refused(&[("MaxEntries", "0")]), "InvalidParameterValue");
    assert_eq!(refused(&[("PrefixListName", "com.amazonaws.s3")]), "InvalidParameterValue");
    assert_eq!(refused(&[("IpamPrefixListResolverSyncEnabled", "true")]), "UnsupportedOperation");
    assert_eq!((&describe(&api, &id)["Version"], entries(&api, &id, None)), (&json!(1), vec!["10.1.0.0/16".to_owned()]));
    assert_eq!(code(modify(&api, "pl-1a2b3c4d", &[])), "InvalidPrefixListID.NotFound");
    let more: Vec<(String, String)> = (0..101).map(|n| (format!("AddEntry.{}.Cidr", n + 1), format!("10.{n}.0.0/16"))).collect();
    let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(refused(&more), "InvalidParameterValue");
}

#[test]
fn a_list_is_not_resized_below_its_entries() {
    let api = api();
    let id = create(&api);
    modify(&api, &id, &[("AddEntry.1.Cidr", "10.2.0.0/16")]).unwrap();
    assert_eq!(code(modify(&api, &id, &[("MaxEntries", "1")])), "PrefixListMaxEntriesExceeded");
    let answer = modify(&api, &id, &[("MaxEntries", "2")]).unwrap();
    assert_eq!(answer["PrefixList"]["State"], "modify-in-progress");
    assert_eq!((&describe(&api, &id)["MaxEntries"], &describe(&api, &id)["Version"]), (&json!(2), &json!(2)));
}

#[test]
fn an_earlier_version_is_restored_as_a_new_one() {
    let api = api();
    let id = create(&api);
    modify(&api, &id, &[("RemoveEntry.1.Cidr", "10.1.0.0/16")]).unwrap();
    let restore = |previous: &str, current: &str| {
        let versions = [("PrefixListId", &*id), ("PreviousVersion", previous), ("CurrentVersion", current)];
        api.call("RestoreManagedPrefixListVersion", &versions)
    };
    assert_eq!(code(restore("1", "1")), "PrefixListVersionMismatch");
    assert_eq!(code(restore("2", "2")), "InvalidParameterValue");
    assert_eq!(code(restore("7", "2")), "InvalidParameterValue");
    let answer = restore("1", "2").unwrap()["PrefixList"].clone();
    assert_eq!((&answer["State"], &answer["Version"]), (&json!("restore-in-progress"), &json!(2)));
    let shown = describe(&api, &id);
    assert_eq!((&shown["State"], &shown["Version"]), (&json!("restore-complete"), &json!(3)));
    assert_eq!(entries(&api, &id, None), ["10.1.0.0/16"]);
    assert!(entries(&api, &id, Some("2")).is_empty());
}

#[test]
fn what_refers_to_a_list_is_listed_and_keeps_it() {
    let api = api();
    let (id, group) = (create(&api), group(&api));
    allow(&api, &group, &id).unwrap();
    assert_eq!(code(allow(&api, &group, &id)), "InvalidPermission.Duplicate");
    let associations = api.call("GetManagedPrefixListAssociations", &[("PrefixListId", &id)]).unwrap();
    assert_eq!(associations["PrefixListAssociations"], json!([{"ResourceId": group, "ResourceOwner": "123456789012"}]));
    assert_eq!(api.code("DeleteManagedPrefixList", &[("PrefixListId", &id)]), "DependencyViolation");
    let rules = api.call("DescribeSecurityGroups", &[("GroupId.1", &group)]).unwrap();
    assert_eq!(
        rules["SecurityGroups"][0]["IpPermissions"][0]["PrefixListIds"],
        json!([{"PrefixListId": id, "Description": "offices"}])
    );
    let rule =
        [("GroupId", &*group), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.PrefixListIds.1.PrefixListId", &id)];
    api.call("RevokeSecurityGroupIngress", &rule).unwrap();
    api.call("DeleteManagedPrefixList", &[("PrefixListId", &id)]).unwrap();
    assert_eq!(code(allow(&api, &group, &id)), "InvalidPrefixListID.NotFound");
}

#[test]
fn a_list_counts_as_its_most_entries_and_aws_s_by_weight() {
    let api = api();
    let (group, ssh) = (group(&api), "AuthorizeSecurityGroupIngress");
    let cidr = [("GroupId", &*group), ("IpProtocol", "tcp"), ("FromPort", "22"), ("ToPort", "22"), ("CidrIp", "10.0.0.0/8")];
    api.call(ssh, &cidr).unwrap();
    let large = [("PrefixListName", "large"), ("AddressFamily", "IPv4"), ("MaxEntries", "60")];
    let large = api.call("CreateManagedPrefixList", &large).unwrap()["PrefixList"]["PrefixListId"].as_str().unwrap().to_owned();
    assert_eq!(code(allow(&api, &group, &large)), "RulesPerSecurityGroupLimitExceeded");
    // 1 + 55 of CloudFront + 3 are 59 of 60 rules.
    allow(&api, &group, &id_of_aws_list(&api, "com.amazonaws.global.cloudfront.origin-facing")).unwrap();
    let id = create(&api);
    allow(&api, &group, &id).unwrap();
    assert_eq!(
        code(allow(&api, &group, &id_of_aws_list(&api, "com.amazonaws.us-east-1.vpc-lattice"))),
        "RulesPerSecurityGroupLimitExceeded"
    );
    allow(&api, &group, &id_of_aws_list(&api, "com.amazonaws.us-east-1.ipv6.vpc-lattice")).unwrap();
    // Growing by one still fits, growing by two doesn't: the list stays as it is and says so.
    modify(&api, &id, &[("MaxEntries", "4")]).unwrap();
    assert_eq!(describe(&api, &id)["State"], "modify-complete");
    modify(&api, &id, &[("MaxEntries", "5")]).unwrap();
    let shown = describe(&api, &id);
    assert_eq!((&shown["State"], &shown["MaxEntries"]), (&json!("modify-failed"), &json!(4)));
    assert!(shown["StateMessage"].as_str().unwrap().contains(&group), "{shown}");
}

#[test]
fn rules_are_changed_to_a_list_and_back() {
    let api = api();
    let (id, group) = (create(&api), group(&api));
    let answer = allow(&api, &group, &id).unwrap();
    let rule = answer["SecurityGroupRules"][0].clone();
    assert_eq!(rule["PrefixListId"], *id);
    let rule = rule["SecurityGroupRuleId"].as_str().unwrap();
    let change = |peer: (&str, &str)| {
        let change = [
            ("GroupId", &*group),
            ("SecurityGroupRule.1.SecurityGroupRuleId", rule),
            ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "-1"),
            peer,
        ];
        api.call("ModifySecurityGroupRules", &change)
    };
    change(("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "10.0.0.0/8")).unwrap();
    api.call("DeleteManagedPrefixList", &[("PrefixListId", &id)]).unwrap();
    let gone = change(("SecurityGroupRule.1.SecurityGroupRule.PrefixListId", &id));
    assert_eq!(code(gone), "InvalidPrefixListID.NotFound");
}

#[test]
fn aws_s_lists_are_found_by_the_name_of_the_service_and_nobody_changes_them() {
    let api = api();
    let id = id_of_aws_list(&api, "com.amazonaws.us-east-1.s3");
    let list = describe(&api, &id);
    assert_eq!((&list["OwnerId"], &list["AddressFamily"]), (&json!("AWS"), &json!("IPv4")));
    assert_eq!(list["PrefixListArn"], format!("arn:aws:ec2:us-east-1:aws:prefix-list/{id}"));
    let plain = api.call("DescribePrefixLists", &[("PrefixListId.1", &id)]).unwrap();
    assert_eq!(plain["PrefixLists"][0]["Cidrs"], json!(["192.0.2.0/26"]));
    assert_eq!(entries(&api, &id, None), ["192.0.2.0/26"]);
    assert_eq!(code(modify(&api, &id, &[("PrefixListName", "mine")])), "OperationNotPermitted");
    assert_eq!(api.code("DeleteManagedPrefixList", &[("PrefixListId", &id)]), "OperationNotPermitted");
    assert_eq!(api.code("DescribePrefixLists", &[("PrefixListId.1", "pl-12345678")]), "InvalidPrefixListID.NotFound");
    assert_eq!(api.code("DescribePrefixLists", &[("PrefixListId.1", "sg-12345678")]), "InvalidPrefixListID.Malformed");
}

#[test]
fn lists_are_filtered_and_cut_into_pages() {
    let api = api();
    let id = create(&api);
    let names = |name: &str, value: &str| {
        let answer = api.call("DescribeManagedPrefixLists", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        answer["PrefixLists"].as_array().unwrap().len()
    };
    assert_eq!((names("owner-id", "123456789012"), names("prefix-list-id", &id), names("prefix-list-name", "off*")), (1, 1, 1));
    assert_eq!(names("owner-id", "AWS"), openvpc_model::AwsPrefixList::all(&"us-east-1".parse().unwrap()).len());
    let page = api.call("DescribeManagedPrefixLists", &[("MaxResults", "2")]).unwrap();
    assert_eq!(page["PrefixLists"].as_array().unwrap().len(), 2);
    let next = page["NextToken"].as_str().unwrap();
    assert!(api.call("DescribeManagedPrefixLists", &[("MaxResults", "100"), ("NextToken", next)]).is_ok());
    assert_eq!(api.code("DescribeManagedPrefixLists", &[("MaxResults", "101")]), "InvalidParameterValue");
}
