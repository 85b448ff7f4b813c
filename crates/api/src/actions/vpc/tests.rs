#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

fn create(api: &Api, block: &str) -> String {
    id(&api.call("CreateVpc", &[("CidrBlock", block)]).unwrap())
}

fn id(answer: &Value) -> String {
    answer["Vpc"]["VpcId"].as_str().unwrap().to_owned()
}

fn describe(api: &Api, id: &str) -> Value {
    api.call("DescribeVpcs", &[("VpcId.1", id)]).unwrap()["Vpcs"][0].clone()
}

/// How many VPCs a filter finds.
fn found(api: &Api, name: &str, value: &str) -> usize {
    let answer = api.call("DescribeVpcs", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
    answer["Vpcs"].as_array().unwrap().len()
}

#[test]
fn a_created_vpc_is_pending_once_and_then_available() {
    let api = api();
    let answer = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap();
    assert_eq!(answer["Vpc"]["State"], "pending");
    let vpc = describe(&api, &id(&answer));
    assert_eq!(vpc["State"], "available");
    assert_eq!(vpc["CidrBlock"], "10.0.0.0/16");
    assert_eq!(vpc["IsDefault"], false);
    assert_eq!(vpc["OwnerId"], "123456789012");
    assert_eq!(vpc["InstanceTenancy"], "default");
    assert_eq!(vpc["BlockPublicAccessStates"], json!({"InternetGatewayBlockMode": "off"}));
    assert_eq!(vpc["CidrBlockAssociationSet"][0]["CidrBlockState"], json!({"State": "associated"}));
    assert!(vpc["DhcpOptionsId"].as_str().unwrap().starts_with("dopt-"));
}

#[test]
fn an_amazon_provided_block_names_its_pool_and_border_group() {
    let api = api();
    let answer = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("AmazonProvidedIpv6CidrBlock", "true")]).unwrap();
    let set = &answer["Vpc"]["Ipv6CidrBlockAssociationSet"][0];
    assert_eq!(set["Ipv6CidrBlockState"]["State"], "associating");
    let shown = describe(&api, &id(&answer));
    let set = &shown["Ipv6CidrBlockAssociationSet"][0];
    assert_eq!(set["Ipv6Pool"], "Amazon");
    assert_eq!(set["NetworkBorderGroup"], "us-east-1");
    assert_eq!(set["Ipv6CidrBlockState"]["State"], "associated");
    assert!(set["Ipv6CidrBlock"].as_str().unwrap().ends_with("::/56"), "{set}");
}

#[test]
fn a_new_vpc_has_a_main_table_a_default_nacl_a_default_group_and_dhcp_options() {
    let api = api();
    let vpc = create(&api, "10.0.0.0/16");
    let of_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &*vpc)];
    assert_eq!(api.call("DescribeNetworkAcls", &of_vpc).unwrap()["NetworkAcls"][0]["IsDefault"], true);
    assert_eq!(api.call("DescribeSecurityGroups", &of_vpc).unwrap()["SecurityGroups"][0]["GroupName"], "default");
    api.call("DeleteVpc", &[("VpcId", &vpc)]).unwrap();
    assert_eq!(api.call("DescribeNetworkAcls", &of_vpc).unwrap()["NetworkAcls"], json!([]));
    assert_eq!(api.call("DescribeSecurityGroups", &of_vpc).unwrap()["SecurityGroups"], json!([]));
}

#[test]
fn a_block_has_a_size_from_16_to_28_and_no_host_bits() {
    let api = api();
    for block in ["10.0.0.0/15", "10.0.0.0/29", "10.0.0.0/0"] {
        assert_eq!(api.code("CreateVpc", &[("CidrBlock", block)]), "InvalidVpc.Range", "{block}");
    }
    for block in ["10.0.0.0", "10.0.0.0/33", "ten", "2001:db8::/56"] {
        assert_eq!(api.code("CreateVpc", &[("CidrBlock", block)]), "InvalidParameterValue", "{block}");
    }
    assert_eq!(api.code("CreateVpc", &[]), "MissingParameter");
    for (given, stored) in [("10.0.1.5/16", "10.0.0.0/16"), ("100.68.0.18/18", "100.68.0.0/18"), ("10.0.0.0/28", "10.0.0.0/28")] {
        assert_eq!(describe(&api, &create(&api, given))["CidrBlock"], stored);
    }
}

#[test]
fn what_there_is_no_pool_or_tenancy_for_is_refused() {
    let api = api();
    for (name, value, code) in [
        ("Ipv4IpamPoolId", "ipam-pool-1", "InvalidIpamPoolId.NotFound"),
        ("Ipv6Pool", "mine", "InvalidPoolID.NotFound"),
        ("Ipv6CidrBlock", "2001:db8::/56", "MissingParameter"),
        ("InstanceTenancy", "host", "InvalidParameterValue"),
        ("Ipv6CidrBlockNetworkBorderGroup", "us-east-1-bos-1", "InvalidParameterValue"),
        ("Colour", "red", "UnknownParameter"),
    ] {
        assert_eq!(api.code("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), (name, value)]), code, "{name}");
    }
}

#[test]
fn tags_are_set_on_create_and_found_by_filters() {
    let api = api();
    let tags = [
        ("CidrBlock", "10.0.0.0/16"),
        ("TagSpecification.1.ResourceType", "vpc"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "lab"),
    ];
    let vpc = id(&api.call("CreateVpc", &tags).unwrap());
    assert_eq!(describe(&api, &vpc)["Tags"], json!([{"Key": "Name", "Value": "lab"}]));
    assert_eq!(found(&api, "tag:Name", "lab"), 1);
    assert_eq!(found(&api, "is-default", "true"), 1);
    assert_eq!(found(&api, "isDefault", "false"), 1);
    assert_eq!(found(&api, "cidr", "10.0.*"), 1);
    assert_eq!(found(&api, "cidr-block-association.cidr-block", "172.31.0.0/16"), 1);
    assert_eq!(found(&api, "state", "available"), 2);
    assert_eq!(found(&api, "state", "pending"), 0);
    assert_eq!(api.code("DescribeVpcs", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]), "InvalidParameterValue");
}

#[test]
fn malformed_and_unknown_ids_have_their_codes() {
    let api = api();
    for action in ["DeleteVpc", "DescribeVpcAttribute", "ModifyVpcAttribute", "AssociateVpcCidrBlock"] {
        let call = |id: &str| {
            let mut parameters = vec![("VpcId", id)];
            parameters.extend(match action {
                "DescribeVpcAttribute" => Some(("Attribute", "enableDnsSupport")),
                "ModifyVpcAttribute" => Some(("EnableDnsSupport.Value", "true")),
                "AssociateVpcCidrBlock" => Some(("CidrBlock", "10.0.0.0/16")),
                _ => None,
            });
            api.code(action, &parameters)
        };
        assert_eq!(call("vpc-xyz!"), "InvalidVpcID.Malformed", "{action}");
        assert_eq!(call("vpc-0123456789abcdef0"), "InvalidVpcID.NotFound", "{action}");
    }
    assert_eq!(api.code("DescribeVpcs", &[("VpcId.1", "vpc-xyz!")]), "InvalidVpcID.Malformed");
    assert_eq!(api.code("DescribeVpcs", &[("VpcId.1", "vpc-1a2b3c4d")]), "InvalidVpcID.NotFound");
    assert_eq!(api.code("DeleteVpc", &[]), "MissingParameter");
}

#[test]
fn a_dry_run_says_what_would_happen() {
    let api = api();
    assert_eq!(api.code("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("DryRun", "true")]), "DryRunOperation");
    assert_eq!(api.code("CreateVpc", &[("CidrBlock", "10.0.0.0/29"), ("DryRun", "true")]), "InvalidVpc.Range");
    assert_eq!(found(&api, "is-default", "false"), 0);
}

#[test]
fn attributes_have_aws_s_defaults_and_change_one_at_a_time() {
    let api = api();
    let vpc = create(&api, "10.0.0.0/16");
    let read = |attribute: &str| api.call("DescribeVpcAttribute", &[("VpcId", &vpc), ("Attribute", attribute)]).unwrap();
    assert_eq!(read("enableDnsSupport"), json!({"VpcId": vpc, "EnableDnsSupport": {"Value": true}}));
    assert_eq!(read("enableDnsHostnames"), json!({"VpcId": vpc, "EnableDnsHostnames": {"Value": false}}));
    assert_eq!(
        read("enableNetworkAddressUsageMetrics"),
        json!({"VpcId": vpc, "EnableNetworkAddressUsageMetrics": {"Value": false}})
    );
    assert_eq!(api.code("DescribeVpcAttribute", &[("VpcId", &vpc), ("Attribute", "colour")]), "InvalidParameterValue");

    let change = |parameters: &[(&str, &str)]| {
        let mut all = vec![("VpcId", &*vpc)];
        all.extend(parameters);
        api.call("ModifyVpcAttribute", &all).map(|_| ()).map_err(|error| error.code.into_owned())
    };
    change(&[("EnableDnsHostnames.Value", "true")]).unwrap();
    change(&[("EnableNetworkAddressUsageMetrics.Value", "true")]).unwrap();
    assert_eq!(read("enableDnsHostnames")["EnableDnsHostnames"]["Value"], true);
    assert_eq!(read("enableNetworkAddressUsageMetrics")["EnableNetworkAddressUsageMetrics"]["Value"], true);
    let both = change(&[("EnableDnsHostnames.Value", "false"), ("EnableDnsSupport.Value", "false")]);
    assert_eq!(both.unwrap_err(), "InvalidParameterCombination");
    assert_eq!(change(&[]).unwrap_err(), "InvalidParameterCombination");

    change(&[("EnableDnsHostnames.Value", "false")]).unwrap();
    change(&[("EnableDnsSupport.Value", "false")]).unwrap();
    assert_eq!(change(&[("EnableDnsHostnames.Value", "true")]).unwrap_err(), "InvalidParameterValue");
}

#[test]
fn a_block_comes_and_goes() {
    let api = api();
    let vpc = create(&api, "10.0.0.0/16");
    let answer = api.call("AssociateVpcCidrBlock", &[("VpcId", &vpc), ("CidrBlock", "100.64.0.0/16")]).unwrap();
    assert_eq!(answer["VpcId"], *vpc);
    assert_eq!(answer["CidrBlockAssociation"]["CidrBlockState"]["State"], "associating");
    let association = answer["CidrBlockAssociation"]["AssociationId"].as_str().unwrap();
    let blocks = || describe(&api, &vpc)["CidrBlockAssociationSet"].clone();
    assert_eq!(blocks()[1]["CidrBlock"], "100.64.0.0/16");
    assert_eq!(blocks()[1]["CidrBlockState"]["State"], "associated");

    let subnet = [("VpcId", &*vpc), ("CidrBlock", "100.64.1.0/24")];
    let subnet = api.call("CreateSubnet", &subnet).unwrap()["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    assert_eq!(api.code("DisassociateVpcCidrBlock", &[("AssociationId", association)]), "DependencyViolation");
    api.call("DeleteSubnet", &[("SubnetId", &subnet)]).unwrap();
    let answer = api.call("DisassociateVpcCidrBlock", &[("AssociationId", association)]).unwrap();
    assert_eq!(answer["CidrBlockAssociation"]["CidrBlockState"]["State"], "disassociating");
    assert_eq!(blocks().as_array().unwrap().len(), 1);
    assert_eq!(
        api.code("DisassociateVpcCidrBlock", &[("AssociationId", association)]),
        "InvalidVpcCidrBlockAssociationID.NotFound"
    );
    let primary = blocks()[0]["AssociationId"].as_str().unwrap().to_owned();
    assert_eq!(api.code("DisassociateVpcCidrBlock", &[("AssociationId", &primary)]), "OperationNotPermitted");
}

#[test]
fn an_ipv6_block_comes_and_goes() {
    let api = api();
    let vpc = create(&api, "10.0.0.0/16");
    let answer = api.call("AssociateVpcCidrBlock", &[("VpcId", &vpc), ("AmazonProvidedIpv6CidrBlock", "true")]).unwrap();
    assert!(answer.get("CidrBlockAssociation").is_none());
    let association = answer["Ipv6CidrBlockAssociation"]["AssociationId"].as_str().unwrap();
    assert_eq!(answer["Ipv6CidrBlockAssociation"]["Ipv6CidrBlockState"]["State"], "associating");
    let answer = api.call("DisassociateVpcCidrBlock", &[("AssociationId", association)]).unwrap();
    assert_eq!(answer["Ipv6CidrBlockAssociation"]["Ipv6CidrBlockState"]["State"], "disassociating");
    assert_eq!(describe(&api, &vpc)["Ipv6CidrBlockAssociationSet"], json!([]));
    let both = [("VpcId", &*vpc), ("AmazonProvidedIpv6CidrBlock", "true"), ("CidrBlock", "10.1.0.0/16")];
    assert_eq!(api.code("AssociateVpcCidrBlock", &both), "InvalidParameterCombination");
    assert_eq!(api.code("AssociateVpcCidrBlock", &[("VpcId", &vpc)]), "MissingParameter");
}

#[test]
fn the_default_vpc_is_there_from_the_start_and_can_be_made_again() {
    let api = api();
    assert_eq!(api.code("CreateDefaultVpc", &[]), "DefaultVpcAlreadyExists");
    let default = || {
        let answer = api.call("DescribeVpcs", &[("Filter.1.Name", "is-default"), ("Filter.1.Value.1", "true")]).unwrap();
        answer["Vpcs"][0].clone()
    };
    let vpc = default()["VpcId"].as_str().unwrap().to_owned();
    assert_eq!(default()["CidrBlock"], "172.31.0.0/16");
    let hostnames = api.call("DescribeVpcAttribute", &[("VpcId", &vpc), ("Attribute", "enableDnsHostnames")]).unwrap();
    assert_eq!(hostnames["EnableDnsHostnames"]["Value"], true);

    let of_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &*vpc)];
    let subnets = api.call("DescribeSubnets", &of_vpc).unwrap();
    for subnet in subnets["Subnets"].as_array().unwrap() {
        assert_eq!((&subnet["DefaultForAz"], &subnet["MapPublicIpOnLaunch"]), (&json!(true), &json!(true)));
        api.call("DeleteSubnet", &[("SubnetId", subnet["SubnetId"].as_str().unwrap())]).unwrap();
    }
    let gateways = [("Filter.1.Name", "attachment.vpc-id"), ("Filter.1.Value.1", &*vpc)];
    let gateways = api.call("DescribeInternetGateways", &gateways).unwrap();
    let gateway = gateways["InternetGateways"][0]["InternetGatewayId"].as_str().unwrap();
    api.call("DetachInternetGateway", &[("InternetGatewayId", gateway), ("VpcId", &vpc)]).unwrap();
    api.call("DeleteVpc", &[("VpcId", &vpc)]).unwrap();
    assert_eq!(default(), Value::Null);
    assert_eq!(api.code("CreateDefaultSubnet", &[("AvailabilityZone", "us-east-1a")]), "DefaultVpcDoesNotExist");
    assert_eq!(api.call("CreateDefaultVpc", &[]).unwrap()["Vpc"]["IsDefault"], true);
    assert_eq!(default()["CidrBlock"], "172.31.0.0/16");
}

#[test]
fn a_dedicated_vpc_becomes_a_default_one_and_never_the_other_way() {
    let api = api();
    let made = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("InstanceTenancy", "dedicated")]).unwrap();
    let id = made["Vpc"]["VpcId"].as_str().unwrap();
    let modify = |tenancy: &str| api.call("ModifyVpcTenancy", &[("VpcId", id), ("InstanceTenancy", tenancy)]);
    assert_eq!(modify("dedicated").unwrap_err().code, "InvalidParameterValue");
    assert_eq!(modify("default").unwrap()["ReturnValue"], true);
    assert_eq!(api.call("DescribeVpcs", &[("VpcId.1", id)]).unwrap()["Vpcs"][0]["InstanceTenancy"], "default");
    assert_eq!(modify("dedicated").unwrap_err().code, "InvalidParameterValue");
    let unknown = [("VpcId", "vpc-1a2b3c4d"), ("InstanceTenancy", "default")];
    assert_eq!(api.code("ModifyVpcTenancy", &unknown), "InvalidVpcID.NotFound");
}

#[test]
fn the_length_of_a_block_means_nothing_without_a_pool() {
    let api = api();
    let made = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap();
    let vpc = ("VpcId", made["Vpc"]["VpcId"].as_str().unwrap());
    for length in [("Ipv4NetmaskLength", "24"), ("Ipv6NetmaskLength", "56")] {
        assert_eq!(api.code("CreateVpc", &[length]), "InvalidParameterCombination");
        assert_eq!(api.code("AssociateVpcCidrBlock", &[vpc, length]), "InvalidParameterCombination");
        assert_eq!(api.code("CreateSubnet", &[vpc, length]), "InvalidParameterCombination");
    }
}
