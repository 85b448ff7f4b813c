#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

fn vpc_and_subnet(api: &Api) -> (String, String) {
    let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/24")]).unwrap();
    (vpc, subnet["Subnet"]["SubnetId"].as_str().unwrap().to_owned())
}

fn set(api: &Api, mode: &str) -> Value {
    let answer = api.call("ModifyVpcBlockPublicAccessOptions", &[("InternetGatewayBlockMode", mode)]).unwrap();
    answer["VpcBlockPublicAccessOptions"].clone()
}

fn modes(api: &Api, vpc: &str, subnet: &str) -> (String, String) {
    let mode = |value: &Value| value["BlockPublicAccessStates"]["InternetGatewayBlockMode"].as_str().unwrap().to_owned();
    let vpcs = api.call("DescribeVpcs", &[("VpcId.1", vpc)]).unwrap();
    let subnets = api.call("DescribeSubnets", &[("SubnetId.1", subnet)]).unwrap();
    (mode(&vpcs["Vpcs"][0]), mode(&subnets["Subnets"][0]))
}

fn exclude(api: &Api, resource: (&str, &str), mode: &str) -> Value {
    let parameters = [resource, ("InternetGatewayExclusionMode", mode)];
    api.call("CreateVpcBlockPublicAccessExclusion", &parameters).unwrap()["VpcBlockPublicAccessExclusion"].clone()
}

#[test]
fn the_mode_is_off_until_somebody_sets_it() {
    let api = api();
    let (vpc, subnet) = vpc_and_subnet(&api);
    let options = || api.call("DescribeVpcBlockPublicAccessOptions", &[]).unwrap()["VpcBlockPublicAccessOptions"].clone();
    let expected = json!({
        "AwsAccountId": "123456789012", "AwsRegion": "us-east-1", "State": "default-state", "InternetGatewayBlockMode": "off",
        "ManagedBy": "account", "ExclusionsAllowed": "allowed",
    });
    assert_eq!(options(), expected);
    assert_eq!(set(&api, "block-bidirectional")["State"], "update-in-progress");
    assert_eq!(
        (&options()["State"], &options()["InternetGatewayBlockMode"]),
        (&json!("update-complete"), &json!("block-bidirectional"))
    );
    assert!(options()["LastUpdateTimestamp"].is_string());
    assert_eq!(modes(&api, &vpc, &subnet), ("block-bidirectional".into(), "block-bidirectional".into()));
    for mode in ["", "on", "Off"] {
        let code = api.code("ModifyVpcBlockPublicAccessOptions", &[("InternetGatewayBlockMode", mode)]);
        assert!(["InvalidParameterValue", "MissingParameter"].contains(&&*code), "{mode}: {code}");
    }
}

#[test]
fn an_exclusion_spares_a_vpc_or_a_subnet() {
    let api = api();
    let (vpc, subnet) = vpc_and_subnet(&api);
    set(&api, "block-bidirectional");
    let made = exclude(&api, ("SubnetId", &subnet), "allow-egress");
    let id = made["ExclusionId"].as_str().unwrap();
    assert_eq!(
        (&made["State"], &made["ResourceArn"]),
        (&json!("create-in-progress"), &json!(format!("arn:aws:ec2:us-east-1:123456789012:subnet/{subnet}")))
    );
    assert_eq!(modes(&api, &vpc, &subnet), ("block-bidirectional".into(), "block-ingress".into()));
    let whole = exclude(&api, ("VpcId", &vpc), "allow-bidirectional");
    assert_eq!(modes(&api, &vpc, &subnet), ("off".into(), "block-ingress".into()), "the subnet's own counts first");
    let change = [("ExclusionId", id), ("InternetGatewayExclusionMode", "allow-bidirectional")];
    let changed = api.call("ModifyVpcBlockPublicAccessExclusion", &change).unwrap();
    assert_eq!(changed["VpcBlockPublicAccessExclusion"]["State"], "update-in-progress");
    assert_eq!(modes(&api, &vpc, &subnet).1, "off");
    for exclusion in [id, whole["ExclusionId"].as_str().unwrap()] {
        let gone = api.call("DeleteVpcBlockPublicAccessExclusion", &[("ExclusionId", exclusion)]).unwrap();
        assert_eq!(gone["VpcBlockPublicAccessExclusion"]["State"], "delete-in-progress");
        let code = api.code("DeleteVpcBlockPublicAccessExclusion", &[("ExclusionId", exclusion)]);
        assert_eq!(code, "InvalidVpcBlockPublicAccessExclusionId.NotFound");
    }
    assert_eq!(modes(&api, &vpc, &subnet), ("block-bidirectional".into(), "block-bidirectional".into()));
    let shown = api.call("DescribeVpcBlockPublicAccessExclusions", &[("ExclusionId.1", id)]).unwrap();
    assert_eq!(shown["VpcBlockPublicAccessExclusions"][0]["State"], "delete-complete");
}

#[test]
fn exclusions_are_refused_found_and_filtered() {
    let api = api();
    let (vpc, subnet) = vpc_and_subnet(&api);
    let code = |parameters: &[(&str, &str)]| api.code("CreateVpcBlockPublicAccessExclusion", parameters);
    let mode = ("InternetGatewayExclusionMode", "allow-egress");
    assert_eq!(code(&[mode]), "MissingParameter");
    assert_eq!(code(&[mode, ("VpcId", &vpc), ("SubnetId", &subnet)]), "InvalidParameterCombination");
    assert_eq!(code(&[("VpcId", &vpc), ("InternetGatewayExclusionMode", "allow")]), "InvalidParameterValue");
    assert_eq!(code(&[mode, ("VpcId", "vpc-1a2b3c4d")]), "InvalidVpcID.NotFound");
    assert_eq!(code(&[mode, ("SubnetId", "subnet-1a2b3c4d")]), "InvalidSubnetID.NotFound");
    exclude(&api, ("VpcId", &vpc), "allow-egress");
    assert_eq!(code(&[mode, ("VpcId", &vpc)]), "InvalidParameterValue", "there is one already");
    let count = |name: &str, value: &str| {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let answer = api.call("DescribeVpcBlockPublicAccessExclusions", &filter).unwrap();
        answer["VpcBlockPublicAccessExclusions"].as_array().unwrap().len()
    };
    assert_eq!((count("state", "create-complete"), count("state", "delete-complete")), (1, 0));
    assert_eq!((count("resource-arn", "*vpc/*"), count("internet-gateway-exclusion-mode", "allow-egress")), (1, 1));
    for (id, expected) in [
        ("vpcbpa-exclude-x", "InvalidVpcBlockPublicAccessExclusionId.Malformed"),
        ("vpcbpa-exclude-0123456789abcdef0", "InvalidVpcBlockPublicAccessExclusionId.NotFound"),
    ] {
        assert_eq!(api.code("DescribeVpcBlockPublicAccessExclusions", &[("ExclusionId.1", id)]), expected);
        assert_eq!(api.code("ModifyVpcBlockPublicAccessExclusion", &[("ExclusionId", id), mode]), expected);
    }
    api.call("DeleteSubnet", &[("SubnetId", &subnet)]).unwrap();
    api.call("DeleteVpc", &[("VpcId", &vpc)]).unwrap();
    assert_eq!(count("state", "delete-complete"), 1, "it goes with its VPC");
}
