#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::Value;

use crate::Api;
use crate::testing::api;

const S3: &str = "com.amazonaws.us-east-1.s3";
const SQS: &str = "com.amazonaws.us-east-1.sqs";

/// A VPC with DNS names, and subnets of it by their zones.
struct Lab {
    api: Api,
    vpc: String,
    table: String,
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let vpc = text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        api.call("ModifyVpcAttribute", &[("VpcId", &vpc), ("EnableDnsHostnames.Value", "true")]).unwrap();
        let table = text(&api.call("CreateRouteTable", &[("VpcId", &vpc)]).unwrap()["RouteTable"]["RouteTableId"]);
        Self { api, vpc, table }
    }

    fn subnet(&self, block: &str, zone: &str) -> String {
        let subnet = self.api.call("CreateSubnet", &[("VpcId", &self.vpc), ("CidrBlock", block), ("AvailabilityZone", zone)]);
        text(&subnet.unwrap()["Subnet"]["SubnetId"])
    }

    fn make(&self, kind: &str, service: &str, more: &[(&str, &str)]) -> Result<Value, String> {
        let mut parameters = vec![("VpcId", &*self.vpc), ("VpcEndpointType", kind), ("ServiceName", service)];
        parameters.extend(more);
        let made = self.api.call("CreateVpcEndpoint", &parameters).map_err(|error| error.code.into_owned())?;
        Ok(made["VpcEndpoint"].clone())
    }

    fn describe(&self, id: &str) -> Value {
        self.api.call("DescribeVpcEndpoints", &[("VpcEndpointId.1", id)]).unwrap()["VpcEndpoints"][0].clone()
    }

    fn modify(&self, id: &str, more: &[(&str, &str)]) -> Result<Value, String> {
        let mut parameters = vec![("VpcEndpointId", id)];
        parameters.extend(more);
        self.api.call("ModifyVpcEndpoint", &parameters).map_err(|error| error.code.into_owned())
    }

    /// The routes of the table that lead to prefix lists.
    fn list_routes(&self) -> Vec<Value> {
        let tables = self.api.call("DescribeRouteTables", &[("RouteTableId.1", &self.table)]).unwrap();
        let routes = tables["RouteTables"][0]["Routes"].as_array().unwrap().clone();
        routes.into_iter().filter(|route| route["DestinationPrefixListId"].is_string()).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(text).collect()
}

#[test]
fn a_gateway_endpoint_is_a_route_that_only_it_may_take_away() {
    let lab = Lab::new();
    let made = lab.make("Gateway", S3, &[("RouteTableId.1", &lab.table)]).unwrap();
    assert_eq!((&made["State"], &made["VpcEndpointType"]), (&"available".into(), &"Gateway".into()));
    assert!(made["PolicyDocument"].as_str().unwrap().contains("\"Statement\""));
    assert_eq!((&made["DnsEntries"], &made["Groups"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    let id = text(&made["VpcEndpointId"]);
    let routes = lab.list_routes();
    let list = text(&routes[0]["DestinationPrefixListId"]);
    assert_eq!((routes.len(), &routes[0]["GatewayId"], &routes[0]["State"]), (1, &made["VpcEndpointId"], &"active".into()));
    let route = [("RouteTableId", &*lab.table), ("DestinationPrefixListId", &*list)];
    assert_eq!(lab.api.code("DeleteRoute", &route), "InvalidParameterValue");
    let replace = [route[0], route[1], ("LocalTarget", "true")];
    assert_eq!(lab.api.code("ReplaceRoute", &replace), "InvalidParameterValue");
    let second = lab.make("Gateway", S3, &[("RouteTableId.1", &lab.table)]);
    assert_eq!(second.unwrap_err(), "RouteAlreadyExists");
    lab.make("Gateway", "com.amazonaws.us-east-1.dynamodb", &[("RouteTableId.1", &lab.table)]).unwrap();
    assert_eq!(lab.list_routes().len(), 2);
    assert_eq!(lab.api.code("DeleteRouteTable", &[("RouteTableId", &lab.table)]), "DependencyViolation");

    lab.modify(&id, &[("RemoveRouteTableId.1", &lab.table)]).unwrap();
    assert_eq!(lab.list_routes().len(), 1);
    assert_eq!(lab.modify(&id, &[("RemoveRouteTableId.1", &lab.table)]).unwrap_err(), "InvalidParameter");
    lab.modify(&id, &[("AddRouteTableId.1", &lab.table), ("IpAddressType", "dualstack")]).unwrap();
    assert_eq!(lab.list_routes().len(), 3);
    lab.modify(&id, &[("IpAddressType", "ipv6")]).unwrap();
    assert_eq!(lab.list_routes().len(), 2);

    let answer = lab.api.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &id)]).unwrap();
    assert_eq!(answer["Unsuccessful"], Value::Array(vec![]));
    assert_eq!((lab.list_routes().len(), &lab.describe(&id)["State"]), (1, &"deleted".into()));
    let again = lab.api.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &id)]).unwrap();
    assert_eq!(again["Unsuccessful"][0]["Error"]["Code"], "InvalidVpcEndpoint.NotFound");
    assert_eq!(lab.modify(&id, &[("ResetPolicy", "true")]).unwrap_err(), "InvalidVpcEndpointId.NotFound");
}

#[test]
fn an_interface_endpoint_has_an_interface_per_subnet_and_names() {
    let lab = Lab::new();
    let (a, b) = (lab.subnet("10.0.1.0/24", "us-east-1a"), lab.subnet("10.0.2.0/24", "us-east-1b"));
    let more = [
        ("SubnetId.1", &*a),
        ("SubnetId.2", &b),
        ("SubnetConfiguration.1.SubnetId", &a),
        ("SubnetConfiguration.1.Ipv4", "10.0.1.77"),
        ("PrivateDnsEnabled", "true"),
    ];
    let made = lab.make("Interface", SQS, &more).unwrap();
    assert_eq!(made["State"], "pending");
    let id = text(&made["VpcEndpointId"]);
    let endpoint = lab.describe(&id);
    assert_eq!((&endpoint["State"], &endpoint["Groups"][0]["GroupName"]), (&"available".into(), &"default".into()));
    assert_eq!(texts(&endpoint["SubnetIds"]), [a.clone(), b]);
    let names: Vec<_> = endpoint["DnsEntries"].as_array().unwrap().iter().map(|entry| text(&entry["DnsName"])).collect();
    let (regional, zonal) = (&names[0], &names[1]);
    assert!(regional.starts_with(&format!("{id}-")) && regional.ends_with(".sqs.us-east-1.vpce.amazonaws.com"), "{regional}");
    assert_eq!(*zonal, regional.replacen(".sqs", "-us-east-1a.sqs", 1));
    assert_eq!((names.len(), &*names[3]), (4, "sqs.us-east-1.amazonaws.com"));

    let enis = texts(&endpoint["NetworkInterfaceIds"]);
    let eni = |id: &str| lab.api.call("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", id)]);
    let first = eni(&enis[0]).unwrap()["NetworkInterfaces"][0].clone();
    assert_eq!((&first["InterfaceType"], &first["RequesterManaged"]), (&"vpc_endpoint".into(), &true.into()));
    assert_eq!(first["Description"], format!("VPC Endpoint Interface {id}"));
    assert_eq!(first["PrivateIpAddress"], "10.0.1.77");
    assert_eq!(lab.api.code("DeleteNetworkInterface", &[("NetworkInterfaceId", &enis[0])]), "OperationNotPermitted");
    assert_eq!(lab.api.code("DeleteSubnet", &[("SubnetId", &a)]), "DependencyViolation");

    lab.api.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &id)]).unwrap();
    assert_eq!(eni(&enis[0]).unwrap_err().code, "InvalidNetworkInterfaceID.NotFound");
    lab.api.call("DeleteSubnet", &[("SubnetId", &a)]).unwrap();
}

#[test]
fn subnets_and_groups_of_an_interface_endpoint_change() {
    let lab = Lab::new();
    let (a, b) = (lab.subnet("10.0.1.0/24", "us-east-1a"), lab.subnet("10.0.2.0/24", "us-east-1b"));
    let same_zone = lab.subnet("10.0.3.0/24", "us-east-1a");
    let group = lab.api.call("CreateSecurityGroup", &[("GroupName", "g"), ("GroupDescription", "g"), ("VpcId", &lab.vpc)]);
    let group = text(&group.unwrap()["GroupId"]);
    let twice = lab.make("Interface", SQS, &[("SubnetId.1", &a), ("SubnetId.2", &same_zone)]);
    assert_eq!(twice.unwrap_err(), "DuplicateSubnetsInSameZone");
    let made = lab.make("Interface", SQS, &[("SubnetId.1", &a)]).unwrap();
    let (id, default) = (text(&made["VpcEndpointId"]), text(&made["Groups"][0]["GroupId"]));
    assert_eq!(lab.modify(&id, &[("AddSubnetId.1", &same_zone)]).unwrap_err(), "DuplicateSubnetsInSameZone");
    lab.modify(&id, &[("AddSubnetId.1", &same_zone), ("RemoveSubnetId.1", &a), ("AddSecurityGroupId.1", &group)]).unwrap();
    lab.modify(&id, &[("AddSubnetId.1", &b), ("RemoveSecurityGroupId.1", &default)]).unwrap();
    let endpoint = lab.describe(&id);
    assert_eq!(texts(&endpoint["SubnetIds"]), [same_zone.clone(), b.clone()]);
    assert_eq!(endpoint["Groups"][0]["GroupId"], group);
    let enis = texts(&endpoint["NetworkInterfaceIds"]);
    let eni = lab.api.call("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &enis[1])]).unwrap();
    assert_eq!(eni["NetworkInterfaces"][0]["Groups"][0]["GroupId"], group);
    lab.modify(&id, &[("SubnetConfiguration.1.SubnetId", &b), ("SubnetConfiguration.1.Ipv4", "10.0.2.99")]).unwrap();
    let enis = texts(&lab.describe(&id)["NetworkInterfaceIds"]);
    let eni = lab.api.call("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &enis[1])]).unwrap();
    assert_eq!(eni["NetworkInterfaces"][0]["PrivateIpAddress"], "10.0.2.99");

    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", &group)]), "DependencyViolation");
    assert_eq!(lab.api.code("DeleteVpc", &[("VpcId", &lab.vpc)]), "DependencyViolation");
    for (more, code) in [
        ([("RemoveSubnetId.1", &*a)], "InvalidParameter"),
        ([("RemoveSecurityGroupId.1", &*group)], "InvalidParameter"),
        ([("RemoveSecurityGroupId.1", &*default)], "InvalidParameter"),
        ([("AddSecurityGroupId.1", "sg-12345678")], "InvalidGroup.NotFound"),
        ([("AddSubnetId.1", "subnet-12345678")], "InvalidSubnetID.NotFound"),
        ([("AddRouteTableId.1", &*lab.table)], "InvalidParameter"),
        ([("IpAddressType", "dualstack")], "InvalidParameter"),
        ([("IpAddressType", "ipv5")], "InvalidParameter"),
        ([("DnsOptions.DnsRecordIpType", "ipv6")], "InvalidParameter"),
        ([("PolicyDocument", "{")], "InvalidPolicyDocument"),
    ] {
        assert_eq!(lab.modify(&id, &more).unwrap_err(), code, "{more:?}");
    }
}

#[test]
fn an_endpoint_without_subnets_still_holds_its_group_and_vpc() {
    let lab = Lab::new();
    let group = lab.api.call("CreateSecurityGroup", &[("GroupName", "g"), ("GroupDescription", "g"), ("VpcId", &lab.vpc)]);
    let group = text(&group.unwrap()["GroupId"]);
    let made = lab.make("Interface", SQS, &[("SecurityGroupId.1", &group)]).unwrap();
    assert_eq!((made["NetworkInterfaceIds"].as_array().unwrap().len(), &made["PrivateDnsEnabled"]), (0, &false.into()));
    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", &group)]), "DependencyViolation");
    lab.api.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &text(&made["VpcEndpointId"]))]).unwrap();
    lab.api.call("DeleteSecurityGroup", &[("GroupId", &group)]).unwrap();
    lab.api.call("DeleteRouteTable", &[("RouteTableId", &lab.table)]).unwrap();
    lab.api.call("DeleteVpc", &[("VpcId", &lab.vpc)]).unwrap();
}

#[test]
fn a_private_name_belongs_to_one_endpoint_of_a_vpc_with_dns_names() {
    let lab = Lab::new();
    let private = [("PrivateDnsEnabled", "true")];
    let first = text(&lab.make("Interface", SQS, &private).unwrap()["VpcEndpointId"]);
    assert_eq!(lab.make("Interface", SQS, &private).unwrap_err(), "InvalidParameter");
    let second = text(&lab.make("Interface", SQS, &[]).unwrap()["VpcEndpointId"]);
    assert_eq!(lab.modify(&second, &private).unwrap_err(), "InvalidParameter");
    lab.modify(&first, &[("PrivateDnsEnabled", "false")]).unwrap();
    lab.modify(&second, &private).unwrap();
    assert_eq!(lab.describe(&second)["PrivateDnsEnabled"], true);
    lab.api.call("ModifyVpcAttribute", &[("VpcId", &lab.vpc), ("EnableDnsHostnames.Value", "false")]).unwrap();
    assert_eq!(lab.make("Interface", "com.amazonaws.us-east-1.sns", &private).unwrap_err(), "InvalidParameter");
    assert_eq!(lab.make("Interface", "com.amazonaws.us-east-1.dynamodb", &private).unwrap_err(), "InvalidParameter");
}

#[test]
fn private_names_of_s3_need_a_gateway_or_are_for_everybody() {
    let lab = Lab::new();
    let private = ("PrivateDnsEnabled", "true");
    assert_eq!(lab.make("Interface", S3, &[private]).unwrap_err(), "InvalidParameter");
    let only = "DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint";
    let made = lab.make("Interface", S3, &[private, (only, "false")]).unwrap();
    assert!(made["DnsEntries"][0]["DnsName"].as_str().unwrap().starts_with("*.vpce-"));
    lab.make("Gateway", S3, &[]).unwrap();
    lab.modify(&text(&made["VpcEndpointId"]), &[(only, "true")]).unwrap();
    let options = &lab.describe(&text(&made["VpcEndpointId"]))["DnsOptions"];
    assert_eq!(options["PrivateDnsOnlyForInboundResolverEndpoint"], true);
    assert_eq!(lab.make("Interface", SQS, &[private, (only, "true")]).unwrap_err(), "InvalidParameter");
}

#[test]
fn policies_are_set_and_reset() {
    let lab = Lab::new();
    let policy = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}"#;
    let made = lab.make("Gateway", S3, &[("PolicyDocument", policy)]).unwrap();
    assert_eq!(made["PolicyDocument"], policy);
    let id = text(&made["VpcEndpointId"]);
    lab.modify(&id, &[("ResetPolicy", "true")]).unwrap();
    assert!(text(&lab.describe(&id)["PolicyDocument"]).contains(r#""Action":"*""#));
    lab.modify(&id, &[("PolicyDocument", policy)]).unwrap();
    assert_eq!(lab.describe(&id)["PolicyDocument"], policy);
    assert_eq!(lab.modify(&id, &[("PolicyDocument", policy), ("ResetPolicy", "true")]).unwrap_err(), "InvalidParameter");
    assert_eq!(lab.make("Gateway", S3, &[("PolicyDocument", "[]")]).unwrap_err(), "InvalidPolicyDocument");
    let long = format!("{policy}{}", " ".repeat(20_481 - policy.len()));
    assert_eq!(lab.make("Gateway", S3, &[("PolicyDocument", &long)]).unwrap_err(), "InvalidPolicyDocument");
}

#[test]
fn what_a_type_of_endpoint_does_not_have_is_refused() {
    let lab = Lab::new();
    let subnet = lab.subnet("10.0.1.0/24", "us-east-1a");
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    let table = text(&lab.api.call("CreateRouteTable", &[("VpcId", &other)]).unwrap()["RouteTable"]["RouteTableId"]);
    for (kind, service, more, code) in [
        ("Gateway", S3, ("SubnetId.1", &*subnet), "InvalidParameter"),
        ("Gateway", S3, ("SecurityGroupId.1", "sg-12345678"), "InvalidParameter"),
        ("Gateway", S3, ("PrivateDnsEnabled", "true"), "InvalidParameter"),
        ("Gateway", S3, ("RouteTableId.1", &table), "InvalidParameter"),
        ("Gateway", S3, ("RouteTableId.1", "rtb-12345678"), "InvalidRouteTableID.NotFound"),
        ("Gateway", S3, ("RouteTableId.1", "rtb-x"), "InvalidRouteTableID.Malformed"),
        ("Gateway", "com.amazonaws.us-east-1.dynamodb", ("DnsOptions.DnsRecordIpType", "ipv4"), "InvalidParameter"),
        ("Gateway", SQS, ("IpAddressType", "ipv4"), "InvalidParameter"),
        ("GatewayLoadBalancer", SQS, ("SubnetId.1", &subnet), "InvalidParameter"),
        ("Interface", SQS, ("RouteTableId.1", &lab.table), "InvalidParameter"),
        ("Interface", SQS, ("SubnetId.1", "subnet-12345678"), "InvalidSubnetID.NotFound"),
        ("Interface", SQS, ("DnsOptions.PrivateDnsPreference", "ALL_DOMAINS"), "InvalidParameter"),
        ("Interface", "com.amazonaws.us-east-1.nothing", ("IpAddressType", "ipv4"), "InvalidServiceName"),
        ("Interface", SQS, ("ServiceRegion", "eu-west-1"), "InvalidServiceName"),
        ("Resource", SQS, ("IpAddressType", "ipv4"), "UnsupportedOperation"),
        ("ServiceNetwork", SQS, ("IpAddressType", "ipv4"), "UnsupportedOperation"),
        ("Tunnel", SQS, ("IpAddressType", "ipv4"), "UnsupportedOperation"),
        ("Door", SQS, ("IpAddressType", "ipv4"), "InvalidParameter"),
    ] {
        assert_eq!(lab.make(kind, service, &[more]).unwrap_err(), code, "{kind} {service} {more:?}");
    }
    assert_eq!(lab.api.code("CreateVpcEndpoint", &[("VpcId", &lab.vpc)]), "MissingParameter");
    assert_eq!(lab.api.code("CreateVpcEndpoint", &[("VpcId", "vpc-12345678"), ("ServiceName", S3)]), "InvalidVpcID.NotFound");
}

#[test]
fn twenty_gateways_are_the_most_of_a_region_and_fifty_interfaces_of_a_vpc() {
    let lab = Lab::new();
    for (kind, service, most) in [("Gateway", S3, 20), ("Interface", SQS, 50)] {
        for _ in 0..most {
            lab.make(kind, service, &[]).unwrap();
        }
        assert_eq!(lab.make(kind, service, &[]).unwrap_err(), "VpcEndpointLimitExceeded");
    }
}

#[test]
fn a_client_token_makes_one_endpoint() {
    let lab = Lab::new();
    let token = ("ClientToken", "t");
    let first = lab.make("Gateway", S3, &[token]).unwrap();
    assert_eq!(lab.make("Gateway", S3, &[token]).unwrap()["VpcEndpointId"], first["VpcEndpointId"]);
    assert_eq!(lab.make("Interface", S3, &[token]).unwrap_err(), "IdempotentParameterMismatch");
    assert_eq!(lab.make("Gateway", S3, &[("DryRun", "true")]).unwrap_err(), "DryRunOperation");
}

#[test]
fn endpoints_are_found_by_id_filter_and_tag() {
    let lab = Lab::new();
    let tags = [
        ("TagSpecification.1.ResourceType", "vpc-endpoint"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "door"),
    ];
    let id = text(&lab.make("Gateway", S3, &tags).unwrap()["VpcEndpointId"]);
    lab.make("Interface", SQS, &[]).unwrap();
    for (name, value) in [
        ("ip-address-type", "ipv4"),
        ("service-name", S3),
        ("service-region", "us-east-1"),
        ("tag:Name", "door"),
        ("tag-key", "Name"),
        ("vpc-endpoint-id", &id),
        ("vpc-endpoint-state", "available"),
        ("vpc-endpoint-type", "Gateway"),
        ("vpc-id", &lab.vpc),
    ] {
        let found = lab.api.call("DescribeVpcEndpoints", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        assert!(found["VpcEndpoints"].as_array().unwrap().iter().any(|endpoint| endpoint["VpcEndpointId"] == id), "{name}");
    }
    for action in ["DescribeVpcEndpoints", "DescribeVpcEndpointAssociations"] {
        for (wanted, code) in [("vpce-x", "InvalidVpcEndpointId.Malformed"), ("vpce-12345678", "InvalidVpcEndpointId.NotFound")] {
            assert_eq!(lab.api.code(action, &[("VpcEndpointId.1", wanted)]), code);
        }
        assert_eq!(lab.api.code(action, &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]), "InvalidParameterValue");
    }
    let none = lab.api.call("DescribeVpcEndpointAssociations", &[("VpcEndpointId.1", &id)]).unwrap();
    assert_eq!(none["VpcEndpointAssociations"], Value::Array(vec![]));
    lab.api.call("CreateTags", &[("ResourceId.1", &id), ("Tag.1.Key", "a"), ("Tag.1.Value", "b")]).unwrap();
    assert_eq!(lab.describe(&id)["Tags"].as_array().unwrap().len(), 2);
}

#[test]
fn services_of_aws_are_listed_with_types_zones_and_names() {
    let api = api();
    let all = api.call("DescribeVpcEndpointServices", &[]).unwrap();
    let names = texts(&all["ServiceNames"]);
    for service in ["dynamodb", "ec2", "ecr.api", "ecr.dkr", "execute-api", "kms", "logs", "s3", "ssm", "ssmmessages", "sts"] {
        assert!(names.contains(&format!("com.amazonaws.us-east-1.{service}")), "{service}");
    }
    let s3 = api.call("DescribeVpcEndpointServices", &[("ServiceName.1", S3)]).unwrap();
    let types: Vec<_> =
        s3["ServiceDetails"].as_array().unwrap().iter().map(|s| text(&s["ServiceType"][0]["ServiceType"])).collect();
    assert_eq!(types, ["Gateway", "Interface"]);
    assert_eq!(texts(&s3["ServiceNames"]), [S3]);
    let filter = [("ServiceName.1", SQS), ("Filter.1.Name", "service-type"), ("Filter.1.Value.1", "Interface")];
    let sqs = api.call("DescribeVpcEndpointServices", &filter).unwrap()["ServiceDetails"][0].clone();
    assert_eq!((&sqs["Owner"], &sqs["PrivateDnsName"]), (&"amazon".into(), &"sqs.us-east-1.amazonaws.com".into()));
    assert_eq!(texts(&sqs["AvailabilityZones"]), ["us-east-1a", "us-east-1b", "us-east-1c"]);
    assert_eq!((&sqs["VpcEndpointPolicySupported"], &sqs["AcceptanceRequired"]), (&true.into(), &false.into()));
    assert_eq!(texts(&sqs["SupportedIpAddressTypes"]), ["ipv4", "ipv6"]);
    let page = api.call("DescribeVpcEndpointServices", &[("MaxResults", "5")]).unwrap();
    assert_eq!((page["ServiceDetails"].as_array().unwrap().len(), page["NextToken"].is_string()), (5, true));
    assert_eq!(api.code("DescribeVpcEndpointServices", &[("ServiceName.1", "com.amazonaws.us-east-1.x")]), "InvalidServiceName");
    let elsewhere = api.call("DescribeVpcEndpointServices", &[("ServiceRegion.1", "eu-west-1")]).unwrap();
    assert_eq!(elsewhere["ServiceDetails"], Value::Array(vec![]));
}
