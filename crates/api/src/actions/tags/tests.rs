#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

fn tag(api: &Api, resource: &str, key: &str, value: &str) -> Result<Value, crate::ApiError> {
    api.call("CreateTags", &[("ResourceId.1", resource), ("Tag.1.Key", key), ("Tag.1.Value", value)])
}

fn tags_of(api: &Api, resource: &str) -> Vec<(String, String, String)> {
    let answer = api.call("DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", resource)]).unwrap();
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap().to_owned();
    let row = |tag: &Value| (text(tag, "ResourceType"), text(tag, "Key"), text(tag, "Value"));
    answer["Tags"].as_array().unwrap().iter().map(row).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn vpc(api: &Api) -> String {
    text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"])
}

/// One resource of every kind that a test can make with calls of its own, with the kind's name.
fn one_of_each(api: &Api) -> Vec<(&'static str, String)> {
    let vpc = vpc(api);
    let of_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &*vpc)];
    let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/24")]).unwrap();
    let subnet = text(&subnet["Subnet"]["SubnetId"]);
    let eni = api.call("CreateNetworkInterface", &[("SubnetId", &subnet)]).unwrap();
    let group = text(&api.call("DescribeSecurityGroups", &of_vpc).unwrap()["SecurityGroups"][0]["GroupId"]);
    let rules = [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", &*group)];
    let rule = text(&api.call("DescribeSecurityGroupRules", &rules).unwrap()["SecurityGroupRules"][0]["SecurityGroupRuleId"]);
    let instance = [("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("SubnetId", &*subnet)];
    let gateway = api.call("CreateInternetGateway", &[]).unwrap();
    vec![
        ("dhcp-options", text(&api.call("DescribeDhcpOptions", &[]).unwrap()["DhcpOptions"][0]["DhcpOptionsId"])),
        ("elastic-ip", text(&api.call("AllocateAddress", &[]).unwrap()["AllocationId"])),
        ("instance", text(&api.call("RunInstances", &instance).unwrap()["Instances"][0]["InstanceId"])),
        ("internet-gateway", text(&gateway["InternetGateway"]["InternetGatewayId"])),
        ("network-acl", text(&api.call("DescribeNetworkAcls", &of_vpc).unwrap()["NetworkAcls"][0]["NetworkAclId"])),
        ("network-interface", text(&eni["NetworkInterface"]["NetworkInterfaceId"])),
        ("route-table", text(&api.call("DescribeRouteTables", &of_vpc).unwrap()["RouteTables"][0]["RouteTableId"])),
        ("security-group", group),
        ("security-group-rule", rule),
        ("subnet", subnet),
        ("vpc", vpc),
    ]
}

#[test]
fn every_kind_of_resource_takes_tags() {
    let api = api();
    for (kind, id) in one_of_each(&api) {
        tag(&api, &id, "Name", kind).unwrap();
        assert_eq!(tags_of(&api, &id), [(kind.to_owned(), "Name".to_owned(), kind.to_owned())]);
        let by_kind = [("Filter.1.Name", "resource-type"), ("Filter.1.Value.1", kind)];
        assert_eq!(api.call("DescribeTags", &by_kind).unwrap()["Tags"].as_array().unwrap().len(), 1, "{kind}");
        api.call("DeleteTags", &[("ResourceId.1", &id)]).unwrap();
        assert!(tags_of(&api, &id).is_empty(), "{kind}");
    }
}

#[test]
fn a_flow_log_and_a_network_insights_path_take_tags() {
    let api = api();
    let vpc = vpc(&api);
    let log = json!({
        "ResourceIds": [vpc], "ResourceType": "VPC", "TrafficType": "ALL",
        "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::logs",
    });
    let log = text(&api.call_json("CreateFlowLogs", &log).unwrap()["FlowLogIds"][0]);
    let gateway = text(&api.call("CreateInternetGateway", &[]).unwrap()["InternetGateway"]["InternetGatewayId"]);
    let path = json!({"Source": gateway, "Destination": gateway, "Protocol": "tcp", "ClientToken": "t"});
    let path = api.call_json("CreateNetworkInsightsPath", &path).unwrap();
    let path = text(&path["NetworkInsightsPath"]["NetworkInsightsPathId"]);
    for (kind, id) in [("vpc-flow-log", log), ("network-insights-path", path)] {
        tag(&api, &id, "Name", kind).unwrap();
        assert_eq!(tags_of(&api, &id)[0].0, kind);
    }
}

#[test]
fn a_tag_is_overwritten_and_shown_by_the_resource() {
    let api = api();
    let vpc = vpc(&api);
    tag(&api, &vpc, "Name", "one").unwrap();
    tag(&api, &vpc, "Name", "two").unwrap();
    tag(&api, &vpc, "team", "").unwrap();
    let shown = api.call("DescribeVpcs", &[("VpcId.1", &vpc)]).unwrap();
    assert_eq!(shown["Vpcs"][0]["Tags"], json!([{"Key": "Name", "Value": "two"}, {"Key": "team", "Value": ""}]));
}

#[test]
fn several_resources_are_tagged_together_or_not_at_all() {
    let api = api();
    let (one, other) = (vpc(&api), vpc(&api));
    let both = json!({"Resources": [one, other], "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]});
    api.call_json("CreateTags", &both).unwrap();
    assert_eq!(tags_of(&api, &one).len() + tags_of(&api, &other).len(), 4);
    let unknown = json!({"Resources": [one, "vpc-1a2b3c4d"], "Tags": [{"Key": "c", "Value": "3"}]});
    assert_eq!(api.call_json("CreateTags", &unknown).unwrap_err().code, "InvalidVpcID.NotFound");
    assert_eq!(tags_of(&api, &one).len(), 2);
}

#[test]
fn a_value_that_is_given_must_match_for_a_tag_to_go() {
    let api = api();
    let vpc = vpc(&api);
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "")] {
        tag(&api, &vpc, key, value).unwrap();
    }
    let keys = || tags_of(&api, &vpc).into_iter().map(|(_, key, _)| key).collect::<Vec<_>>();
    let delete = |tags: Value| api.call_json("DeleteTags", &json!({"Resources": [vpc], "Tags": tags})).unwrap();
    delete(json!([{"Key": "a", "Value": "other"}, {"Key": "b", "Value": ""}, {"Key": "nothing"}]));
    assert_eq!(keys(), ["a", "b", "c"]);
    delete(json!([{"Key": "a", "Value": "1"}, {"Key": "c", "Value": ""}]));
    assert_eq!(keys(), ["b"]);
    delete(json!([{"Key": "b"}]));
    assert!(keys().is_empty());
}

#[test]
fn what_can_t_be_tagged_or_be_a_tag_is_refused() {
    let api = api();
    let vpc = vpc(&api);
    for (resource, key, code) in [
        ("vpc-1a2b3c4d", "a", "InvalidVpcID.NotFound"),
        ("sgr-1a2b3c4d", "a", "InvalidSecurityGroupRuleId.NotFound"),
        ("vpc-zz", "a", "InvalidID"),
        ("nonsense", "a", "InvalidID"),
        (&*vpc, "aws:x", "InvalidTagKey.Malformed"),
        (&*vpc, "", "InvalidParameterValue"),
    ] {
        assert_eq!(tag(&api, resource, key, "v").unwrap_err().code, code, "{resource} {key}");
    }
    assert_eq!(api.code("CreateTags", &[("ResourceId.1", &vpc)]), "MissingParameter");
    assert_eq!(api.code("CreateTags", &[("Tag.1.Key", "a")]), "MissingParameter");
    assert_eq!(api.code("DeleteTags", &[]), "MissingParameter");
}

#[test]
fn a_resource_has_fifty_tags_at_most_over_all_calls() {
    let api = api();
    let vpc = vpc(&api);
    let tags: Vec<Value> = (0..50).map(|i| json!({"Key": format!("k{i}"), "Value": "v"})).collect();
    api.call_json("CreateTags", &json!({"Resources": [vpc], "Tags": tags})).unwrap();
    assert_eq!(tag(&api, &vpc, "one-more", "v").unwrap_err().code, "TagLimitExceeded");
    tag(&api, &vpc, "k0", "other").unwrap();
    assert_eq!(tags_of(&api, &vpc).len(), 50);
}

#[test]
fn tags_are_filtered_and_paged() {
    let api = api();
    let (one, other) = (vpc(&api), vpc(&api));
    for i in 0..4 {
        tag(&api, &one, &format!("k{i}"), "x").unwrap();
        tag(&api, &other, &format!("k{i}"), "y").unwrap();
    }
    let count = |name: &str, value: &str| {
        let answer = api.call("DescribeTags", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        answer["Tags"].as_array().unwrap().len()
    };
    assert_eq!(count("key", "k1"), 2);
    assert_eq!(count("value", "y"), 4);
    assert_eq!(count("tag:k2", "x"), 1);
    assert_eq!(count("resource-type", "vpc"), 8);
    let first = api.call("DescribeTags", &[("MaxResults", "5")]).unwrap();
    assert_eq!(first["Tags"].as_array().unwrap().len(), 5);
    let token = first["NextToken"].as_str().unwrap();
    let rest = api.call("DescribeTags", &[("MaxResults", "5"), ("NextToken", token)]).unwrap();
    assert_eq!(rest["Tags"].as_array().unwrap().len(), 3);
    assert!(rest.get("NextToken").is_none());
    assert_eq!(api.code("DescribeTags", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]), "InvalidParameterValue");
}

#[test]
fn pages_of_tags_go_on_behind_the_last_one_also_when_it_went() {
    let api = api();
    let resources = one_of_each(&api);
    for (_, id) in &resources {
        ["a key", "b", "c"].iter().for_each(|key| drop(tag(&api, id, key, "v").unwrap()));
    }
    let row = |tag: &Value| (text(&tag["ResourceId"]), text(&tag["Key"]));
    let all: Vec<_> = api.call("DescribeTags", &[]).unwrap()["Tags"].as_array().unwrap().iter().map(row).collect();
    assert_eq!(all.len(), resources.len() * 3);
    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut ask = vec![("MaxResults", "5")];
        ask.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = api.call("DescribeTags", &ask).unwrap();
        seen.extend(page["Tags"].as_array().unwrap().iter().map(row));
        token = page.get("NextToken").map(text);
        if token.is_none() {
            break;
        }
        let (resource, key): &(String, String) = seen.last().unwrap();
        api.call("DeleteTags", &[("ResourceId.1", resource), ("Tag.1.Key", key)]).unwrap();
    }
    assert_eq!(seen, all);
}

#[test]
fn the_tags_of_named_resources_are_those_that_the_list_of_all_shows() {
    let api = api();
    let resources = one_of_each(&api);
    for (_, id) in &resources {
        ["b", "a key"].iter().for_each(|key| drop(tag(&api, id, key, "v").unwrap()));
    }
    for (_, id) in &resources {
        let named = api.call("DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", id)]).unwrap();
        let among_all = format!("{id}*");
        let all = api.call("DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", &among_all)]).unwrap();
        assert_eq!(named["Tags"].as_array().unwrap().len(), 2);
        assert_eq!(named["Tags"], all["Tags"]);
    }
    let (mut ask, mut seen) = (vec![("MaxResults", "5"), ("Filter.1.Name", "resource-id")], Vec::new());
    let names: Vec<String> = (1..=resources.len()).map(|n| format!("Filter.1.Value.{n}")).collect();
    ask.extend(names.iter().zip(&resources).map(|(name, (_, id))| (&**name, &**id)));
    let mut token = None::<String>;
    loop {
        let mut ask = ask.clone();
        ask.extend(token.as_deref().map(|token| ("NextToken", token)));
        let page = api.call("DescribeTags", &ask).unwrap();
        seen.extend(page["Tags"].as_array().unwrap().iter().map(|tag| (text(&tag["ResourceId"]), text(&tag["Key"]))));
        token = page.get("NextToken").map(text);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), resources.len() * 2);
    assert!(seen.is_sorted());
}
