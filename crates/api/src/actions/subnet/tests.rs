#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

/// A VPC 10.0.0.0/16 and the /56 that Amazon gave it, without its length.
fn vpc(api: &Api) -> (String, String) {
    let answer = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16"), ("AmazonProvidedIpv6CidrBlock", "true")]).unwrap();
    let block = answer["Vpc"]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].as_str().unwrap();
    (answer["Vpc"]["VpcId"].as_str().unwrap().to_owned(), block.strip_suffix("/56").unwrap().to_owned())
}

fn create(api: &Api, vpc: &str, block: &str) -> String {
    id(&api.call("CreateSubnet", &[("VpcId", vpc), ("CidrBlock", block)]).unwrap())
}

fn id(answer: &Value) -> String {
    answer["Subnet"]["SubnetId"].as_str().unwrap().to_owned()
}

fn describe(api: &Api, id: &str) -> Value {
    api.call("DescribeSubnets", &[("SubnetId.1", id)]).unwrap()["Subnets"][0].clone()
}

fn modify(api: &Api, id: &str, parameters: &[(&str, &str)]) -> Result<(), String> {
    let mut all = vec![("SubnetId", id)];
    all.extend(parameters);
    api.call("ModifySubnetAttribute", &all).map(|_| ()).map_err(|error| error.code.into_owned())
}

#[test]
fn a_subnet_shows_all_that_clients_read() {
    let api = api();
    let (vpc, _) = vpc(&api);
    let answer =
        api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.7/24"), ("AvailabilityZone", "us-east-1b")]).unwrap();
    let subnet = id(&answer);
    assert_eq!(
        describe(&api, &subnet),
        json!({
            "AvailabilityZone": "us-east-1b",
            "AvailabilityZoneId": "use1-az2",
            "AssignIpv6AddressOnCreation": false,
            "AvailableIpAddressCount": 251,
            "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
            "CidrBlock": "10.0.1.0/24",
            "DefaultForAz": false,
            "EnableDns64": false,
            "Ipv6CidrBlockAssociationSet": [],
            "Ipv6Native": false,
            "MapCustomerOwnedIpOnLaunch": false,
            "MapPublicIpOnLaunch": false,
            "OwnerId": "123456789012",
            "PrivateDnsNameOptionsOnLaunch": {
                "EnableResourceNameDnsAAAARecord": false,
                "EnableResourceNameDnsARecord": false,
                "HostnameType": "ip-name",
            },
            "State": "available",
            "SubnetArn": format!("arn:aws:ec2:us-east-1:123456789012:subnet/{subnet}"),
            "SubnetId": subnet,
            "Tags": [],
            "VpcId": vpc,
        })
    );
}

#[test]
fn a_block_of_28_offers_eleven_addresses() {
    let api = api();
    let (vpc, _) = vpc(&api);
    let subnet = create(&api, &vpc, "10.0.0.0/28");
    assert_eq!(describe(&api, &subnet)["AvailableIpAddressCount"], 11);
    api.call("CreateNetworkInterface", &[("SubnetId", &subnet)]).unwrap();
    assert_eq!(describe(&api, &subnet)["AvailableIpAddressCount"], 10);
    assert_eq!(api.code("DeleteSubnet", &[("SubnetId", &subnet)]), "DependencyViolation");
}

#[test]
fn a_block_lies_in_the_vpc_and_beside_its_siblings() {
    let api = api();
    let (vpc, _) = vpc(&api);
    create(&api, &vpc, "10.0.1.0/24");
    for (block, code) in [
        ("10.1.0.0/24", "InvalidSubnet.Range"),
        ("10.0.2.0/29", "InvalidSubnet.Range"),
        ("10.0.0.0/15", "InvalidSubnet.Range"),
        ("10.0.1.0/24", "InvalidSubnet.Conflict"),
        ("10.0.1.128/25", "InvalidSubnet.Conflict"),
        ("10.0.0.0/23", "InvalidSubnet.Conflict"),
        ("10.0.0.0/33", "InvalidParameterValue"),
    ] {
        assert_eq!(api.code("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", block)]), code, "{block}");
    }
    assert_eq!(api.code("CreateSubnet", &[("VpcId", &vpc)]), "MissingParameter");
    assert_eq!(api.code("CreateSubnet", &[("CidrBlock", "10.0.0.0/24")]), "MissingParameter");
    assert_eq!(api.code("CreateSubnet", &[("VpcId", "vpc-1a2b3c4d"), ("CidrBlock", "10.0.0.0/24")]), "InvalidVpcID.NotFound");
}

#[test]
fn a_zone_goes_by_name_or_by_id() {
    let api = api();
    let (vpc, _) = vpc(&api);
    let with =
        |name: &str, value: &str| api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.9.0/24"), (name, value)]);
    assert_eq!(with("AvailabilityZone", "eu-central-1a").unwrap_err().code, "InvalidParameterValue");
    assert_eq!(with("AvailabilityZone", "use1-az3").unwrap_err().code, "InvalidParameterValue");
    assert_eq!(with("AvailabilityZoneId", "use1-az3").unwrap()["Subnet"]["AvailabilityZone"], "us-east-1c");
}

#[test]
fn a_dual_stack_subnet_has_a_64_of_the_vpc() {
    let api = api();
    let (vpc, base) = vpc(&api);
    let (block, half) = (format!("{base}/64"), format!("{base}/65"));
    let with =
        |ipv4: &str, ipv6: &str| api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", ipv4), ("Ipv6CidrBlock", ipv6)]);
    let subnet = id(&with("10.0.1.0/24", &block).unwrap());
    let set = describe(&api, &subnet)["Ipv6CidrBlockAssociationSet"].clone();
    assert_eq!(set[0]["Ipv6CidrBlock"], *block);
    assert_eq!(set[0]["Ipv6CidrBlockState"], json!({"State": "associated"}));
    assert_eq!(with("10.0.2.0/24", &block).unwrap_err().code, "InvalidSubnet.Conflict");
    assert_eq!(with("10.0.2.0/24", &half).unwrap_err().code, "InvalidSubnet.Range");
    assert_eq!(with("10.0.2.0/24", "2001:db8:ffff::/64").unwrap_err().code, "InvalidSubnet.Range");
    assert_eq!(with("10.0.2.0/24", "10.0.0.0/24").unwrap_err().code, "InvalidParameterValue");
}

#[test]
fn an_ipv6_only_subnet_has_no_ipv4_block() {
    let api = api();
    let (vpc, base) = vpc(&api);
    let block = format!("{base}/64");
    let native = [("VpcId", &*vpc), ("Ipv6Native", "true"), ("Ipv6CidrBlock", &*block)];
    let subnet = id(&api.call("CreateSubnet", &native).unwrap());
    let shown = describe(&api, &subnet);
    assert!(shown.get("CidrBlock").is_none());
    assert_eq!((&shown["Ipv6Native"], &shown["AssignIpv6AddressOnCreation"]), (&json!(true), &json!(true)));
    assert_eq!(shown["PrivateDnsNameOptionsOnLaunch"]["HostnameType"], "resource-name");
    assert_eq!(modify(&api, &subnet, &[("PrivateDnsHostnameTypeOnLaunch", "ip-name")]).unwrap_err(), "InvalidParameterValue");
    assert_eq!(modify(&api, &subnet, &[("MapPublicIpOnLaunch.Value", "true")]).unwrap_err(), "InvalidParameterValue");
    let mut with_ipv4 = vec![("VpcId", &*vpc), ("Ipv6Native", "true"), ("CidrBlock", "10.0.1.0/24")];
    assert_eq!(api.code("CreateSubnet", &with_ipv4), "MissingParameter");
    with_ipv4.push(("Ipv6CidrBlock", &*block));
    assert_eq!(api.code("CreateSubnet", &with_ipv4), "InvalidParameterCombination");
    assert_eq!(api.code("CreateSubnet", &[("VpcId", &vpc), ("Ipv6Native", "true")]), "MissingParameter");
}

#[test]
fn an_ipv6_block_comes_and_goes() {
    let api = api();
    let (vpc, base) = vpc(&api);
    let subnet = create(&api, &vpc, "10.0.1.0/24");
    let block = format!("{base}/64");
    let associate = |block: &str| api.call("AssociateSubnetCidrBlock", &[("SubnetId", &subnet), ("Ipv6CidrBlock", block)]);
    let answer = associate(&block).unwrap();
    assert_eq!(answer["SubnetId"], *subnet);
    assert_eq!(answer["Ipv6CidrBlockAssociation"]["Ipv6CidrBlockState"]["State"], "associating");
    assert!(associate(&block).is_err());
    let association = answer["Ipv6CidrBlockAssociation"]["AssociationId"].as_str().unwrap();
    let of_block = api.call("DescribeVpcs", &[("VpcId.1", &vpc)]).unwrap()["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0].clone();
    let of_block = of_block["AssociationId"].as_str().unwrap().to_owned();
    assert_eq!(api.code("DisassociateVpcCidrBlock", &[("AssociationId", &of_block)]), "DependencyViolation");
    let answer = api.call("DisassociateSubnetCidrBlock", &[("AssociationId", association)]).unwrap();
    assert_eq!(answer["Ipv6CidrBlockAssociation"]["Ipv6CidrBlockState"]["State"], "disassociating");
    assert_eq!(describe(&api, &subnet)["Ipv6CidrBlockAssociationSet"], json!([]));
    assert_eq!(
        api.code("DisassociateSubnetCidrBlock", &[("AssociationId", association)]),
        "InvalidSubnetCidrBlockAssociationID.NotFound"
    );
    assert_eq!(
        api.code("DisassociateSubnetCidrBlock", &[("AssociationId", "subnet-cidr-assoc-x")]),
        "InvalidSubnetCidrBlockAssociationID.Malformed"
    );
}

#[test]
fn attributes_change_one_at_a_time() {
    let api = api();
    let (vpc, base) = vpc(&api);
    let subnet = create(&api, &vpc, "10.0.1.0/24");
    assert_eq!(modify(&api, &subnet, &[]).unwrap_err(), "InvalidParameterCombination");
    let both = [("MapPublicIpOnLaunch.Value", "true"), ("EnableDns64.Value", "true")];
    assert_eq!(modify(&api, &subnet, &both).unwrap_err(), "InvalidParameterCombination");
    for needs_ipv6 in ["AssignIpv6AddressOnCreation.Value", "EnableDns64.Value"] {
        assert_eq!(modify(&api, &subnet, &[(needs_ipv6, "true")]).unwrap_err(), "InvalidParameterValue", "{needs_ipv6}");
    }
    let block = format!("{base}/64");
    api.call("AssociateSubnetCidrBlock", &[("SubnetId", &subnet), ("Ipv6CidrBlock", &block)]).unwrap();
    for (parameter, value) in [
        ("AssignIpv6AddressOnCreation.Value", "true"),
        ("EnableDns64.Value", "true"),
        ("EnableLniAtDeviceIndex", "1"),
        ("EnableResourceNameDnsAAAARecordOnLaunch.Value", "true"),
        ("EnableResourceNameDnsARecordOnLaunch.Value", "true"),
        ("MapPublicIpOnLaunch.Value", "true"),
        ("PrivateDnsHostnameTypeOnLaunch", "resource-name"),
    ] {
        modify(&api, &subnet, &[(parameter, value)]).unwrap();
    }
    let shown = describe(&api, &subnet);
    for name in ["AssignIpv6AddressOnCreation", "EnableDns64", "MapPublicIpOnLaunch"] {
        assert_eq!(shown[name], true, "{name}");
    }
    assert_eq!(shown["EnableLniAtDeviceIndex"], 1);
    assert_eq!(
        shown["PrivateDnsNameOptionsOnLaunch"],
        json!({"EnableResourceNameDnsAAAARecord": true, "EnableResourceNameDnsARecord": true, "HostnameType": "resource-name"})
    );
    modify(&api, &subnet, &[("DisableLniAtDeviceIndex.Value", "true")]).unwrap();
    assert!(describe(&api, &subnet).get("EnableLniAtDeviceIndex").is_none());
    assert_eq!(modify(&api, &subnet, &[("PrivateDnsHostnameTypeOnLaunch", "pet-name")]).unwrap_err(), "InvalidParameterValue");
    assert_eq!(modify(&api, "subnet-1a2b3c4d", &[("EnableDns64.Value", "true")]).unwrap_err(), "InvalidSubnetID.NotFound");
}

#[test]
fn subnets_are_found_by_both_spellings_of_their_filters() {
    let api = api();
    let (vpc, _) = vpc(&api);
    let subnet = create(&api, &vpc, "10.0.1.0/24");
    create(&api, &vpc, "10.0.2.0/28");
    let found = |name: &str, value: &str| {
        let answer = api.call("DescribeSubnets", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        answer["Subnets"].as_array().unwrap().len()
    };
    assert_eq!(found("vpc-id", &vpc), 2);
    assert_eq!(found("subnet-id", &subnet), 1);
    for name in ["cidr", "cidr-block", "cidrBlock"] {
        assert_eq!(found(name, "10.0.1.0/24"), 1, "{name}");
    }
    assert_eq!(found("default-for-az", "true"), 3);
    assert_eq!(found("defaultForAz", "true"), 3);
    assert_eq!(found("availability-zone", "us-east-1b"), 1);
    assert_eq!(found("available-ip-address-count", "11"), 1);
    assert_eq!(found("private-dns-name-options-on-launch.hostname-type", "ip-name"), 5);
    assert_eq!(api.code("DescribeSubnets", &[("SubnetId.1", "subnet-zz")]), "InvalidSubnetID.Malformed");
    assert_eq!(api.code("DescribeSubnets", &[("SubnetId.1", "subnet-1a2b3c4d")]), "InvalidSubnetID.NotFound");
    assert_eq!(api.code("DescribeSubnets", &[("MaxResults", "4")]), "InvalidParameterValue");
    assert_eq!(api.code("DescribeSubnets", &[("MaxResults", "5"), ("SubnetId.1", &subnet)]), "InvalidParameterCombination");
}

#[test]
fn a_zone_has_one_default_subnet() {
    let api = api();
    let zone = [("AvailabilityZone", "us-east-1b")];
    assert_eq!(api.code("CreateDefaultSubnet", &zone), "DefaultSubnetAlreadyExistsInAvailabilityZone");
    assert_eq!(api.code("CreateDefaultSubnet", &[]), "MissingParameter");
    let filters = [
        ("Filter.1.Name", "default-for-az"),
        ("Filter.1.Value.1", "true"),
        ("Filter.2.Name", "availability-zone"),
        ("Filter.2.Value.1", "us-east-1b"),
    ];
    let present = api.call("DescribeSubnets", &filters).unwrap()["Subnets"][0].clone();
    assert_eq!(present["AvailableIpAddressCount"], 4091);
    api.call("DeleteSubnet", &[("SubnetId", present["SubnetId"].as_str().unwrap())]).unwrap();
    let answer = api.call("CreateDefaultSubnet", &zone).unwrap();
    assert_eq!(answer["Subnet"]["CidrBlock"], present["CidrBlock"]);
    assert_eq!((&answer["Subnet"]["DefaultForAz"], &answer["Subnet"]["MapPublicIpOnLaunch"]), (&json!(true), &json!(true)));
}
