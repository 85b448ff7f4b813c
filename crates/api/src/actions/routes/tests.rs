#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A VPC 10.0.0.0/16 with two subnets, an internet gateway and a table of its own.
struct Lab {
    api: Api,
    vpc: String,
    subnet: String,
    other_subnet: String,
    gateway: String,
    table: String,
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let vpc = text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        let gateway = text(&api.call("CreateInternetGateway", &[]).unwrap()["InternetGateway"]["InternetGatewayId"]);
        api.call("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &vpc)]).unwrap();
        let mut lab = Self { api, vpc, subnet: String::new(), other_subnet: String::new(), gateway, table: String::new() };
        lab.subnet = lab.subnet("10.0.1.0/24");
        lab.other_subnet = lab.subnet("10.0.2.0/24");
        lab.table = lab.table();
        lab
    }

    fn subnet(&self, block: &str) -> String {
        let answer = self.api.call("CreateSubnet", &[("VpcId", &self.vpc), ("CidrBlock", block)]).unwrap();
        text(&answer["Subnet"]["SubnetId"])
    }

    fn table(&self) -> String {
        text(&self.api.call("CreateRouteTable", &[("VpcId", &self.vpc)]).unwrap()["RouteTable"]["RouteTableId"])
    }

    fn main_table(&self) -> (String, String) {
        let filters = [
            ("Filter.1.Name", "vpc-id"),
            ("Filter.1.Value.1", &*self.vpc),
            ("Filter.2.Name", "association.main"),
            ("Filter.2.Value.1", "true"),
        ];
        let answer = self.api.call("DescribeRouteTables", &filters).unwrap();
        let table = &answer["RouteTables"][0];
        (text(&table["RouteTableId"]), text(&table["Associations"][0]["RouteTableAssociationId"]))
    }

    fn eni(&self, subnet: &str) -> String {
        let answer = self.api.call("CreateNetworkInterface", &[("SubnetId", subnet)]).unwrap();
        text(&answer["NetworkInterface"]["NetworkInterfaceId"])
    }

    fn instance(&self) -> (String, String) {
        let run = [("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("SubnetId", &*self.subnet)];
        let answer = self.api.call("RunInstances", &run).unwrap();
        let instance = &answer["Instances"][0];
        (text(&instance["InstanceId"]), text(&instance["NetworkInterfaces"][0]["NetworkInterfaceId"]))
    }

    fn describe(&self, table: &str) -> Value {
        self.api.call("DescribeRouteTables", &[("RouteTableId.1", table)]).unwrap()["RouteTables"][0].clone()
    }

    fn routes(&self) -> Value {
        self.describe(&self.table)["Routes"].clone()
    }

    fn route(&self, action: &str, destination: &str, target: &[(&str, &str)]) -> Result<Value, String> {
        let family = if destination.contains(':') { "DestinationIpv6CidrBlock" } else { "DestinationCidrBlock" };
        let mut parameters = vec![("RouteTableId", &*self.table), (family, destination)];
        parameters.extend(target);
        self.api.call(action, &parameters).map_err(|error| error.code.into_owned())
    }

    fn create(&self, destination: &str, target: (&str, &str)) -> Result<Value, String> {
        self.route("CreateRoute", destination, &[target])
    }

    fn associate(&self, table: &str, user: (&str, &str)) -> Result<String, String> {
        let answer = self.api.call("AssociateRouteTable", &[("RouteTableId", table), user]);
        answer.map(|answer| text(&answer["AssociationId"])).map_err(|error| error.code.into_owned())
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, String>) -> String {
    result.unwrap_err()
}

#[test]
fn a_new_table_has_local_routes_alone() {
    let lab = Lab::new();
    assert_eq!(
        lab.describe(&lab.table),
        json!({
            "Associations": [],
            "OwnerId": "123456789012",
            "PropagatingVgws": [],
            "RouteTableId": lab.table,
            "Routes": [{
                "DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active",
            }],
            "Tags": [],
            "VpcId": lab.vpc,
        })
    );
    lab.api.call("AssociateVpcCidrBlock", &[("VpcId", &lab.vpc), ("CidrBlock", "100.64.0.0/16")]).unwrap();
    lab.api.call("AssociateVpcCidrBlock", &[("VpcId", &lab.vpc), ("AmazonProvidedIpv6CidrBlock", "true")]).unwrap();
    for table in [&lab.table, &lab.main_table().0] {
        let routes = lab.describe(table)["Routes"].clone();
        assert_eq!(routes[1]["DestinationCidrBlock"], "100.64.0.0/16");
        assert!(routes[2]["DestinationIpv6CidrBlock"].as_str().unwrap().ends_with("/56"));
        assert!(routes.as_array().unwrap().iter().all(|route| route["GatewayId"] == "local"));
    }
}

#[test]
fn the_main_association_has_no_subnet() {
    let lab = Lab::new();
    let (main, association) = lab.main_table();
    assert_eq!(
        lab.describe(&main)["Associations"],
        json!([{
            "Main": true, "RouteTableAssociationId": association, "RouteTableId": main, "AssociationState": {"State": "associated"},
        }])
    );
    let association = lab.associate(&lab.table, ("SubnetId", &lab.subnet)).unwrap();
    assert_eq!(
        lab.describe(&lab.table)["Associations"],
        json!([{
            "Main": false, "RouteTableAssociationId": association, "RouteTableId": lab.table, "SubnetId": lab.subnet,
            "AssociationState": {"State": "associated"},
        }])
    );
}

#[test]
fn a_route_goes_to_the_vpc_s_gateway_with_its_host_bits_cleared() {
    let lab = Lab::new();
    let answer = lab.create("198.51.100.77/24", ("GatewayId", &lab.gateway)).unwrap();
    assert_eq!(answer["Return"], true);
    lab.create("::/0", ("GatewayId", &lab.gateway)).unwrap();
    let routes = lab.routes();
    assert_eq!(
        routes[1],
        json!({"DestinationCidrBlock": "198.51.100.0/24", "GatewayId": lab.gateway, "Origin": "CreateRoute", "State": "active"})
    );
    assert_eq!(routes[2]["DestinationIpv6CidrBlock"], "::/0");
    lab.route("DeleteRoute", "198.51.100.0/24", &[]).unwrap();
    assert_eq!(code(lab.route("DeleteRoute", "198.51.100.0/24", &[])), "InvalidRoute.NotFound");
}

#[test]
fn a_gateway_that_leaves_makes_its_routes_blackholes() {
    let lab = Lab::new();
    lab.create("0.0.0.0/0", ("GatewayId", &lab.gateway)).unwrap();
    let ids = [("InternetGatewayId", &*lab.gateway), ("VpcId", &*lab.vpc)];
    lab.api.call("DetachInternetGateway", &ids).unwrap();
    assert_eq!(lab.routes()[1]["State"], "blackhole");
    let blackholes = [("Filter.1.Name", "route.state"), ("Filter.1.Value.1", "blackhole")];
    let found = lab.api.call("DescribeRouteTables", &blackholes).unwrap();
    assert_eq!(found["RouteTables"][0]["RouteTableId"], *lab.table);
    assert_eq!(code(lab.create("198.51.100.0/24", ("GatewayId", &lab.gateway))), "InvalidParameterValue");
    lab.api.call("AttachInternetGateway", &ids).unwrap();
    assert_eq!(lab.routes()[1]["State"], "active");
}

#[test]
fn a_route_to_an_instance_goes_to_its_only_interface() {
    let lab = Lab::new();
    let (instance, eni) = lab.instance();
    lab.create("192.0.2.0/24", ("InstanceId", &instance)).unwrap();
    assert_eq!(
        lab.routes()[1],
        json!({
            "DestinationCidrBlock": "192.0.2.0/24", "InstanceId": instance, "InstanceOwnerId": "123456789012",
            "NetworkInterfaceId": eni, "Origin": "CreateRoute", "State": "active",
        })
    );
    let with_two = json!({
        "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1,
        "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": lab.subnet}, {"DeviceIndex": 1, "SubnetId": lab.subnet}],
    });
    let with_two = text(&lab.api.call_json("RunInstances", &with_two).unwrap()["Instances"][0]["InstanceId"]);
    assert_eq!(code(lab.create("192.0.3.0/24", ("InstanceId", &with_two))), "InvalidInstanceID");
    assert_eq!(code(lab.create("192.0.3.0/24", ("InstanceId", "i-1a2b3c4d"))), "InvalidInstanceID.NotFound");
    lab.api.call("TerminateInstances", &[("InstanceId.1", &instance)]).unwrap();
    assert_eq!(lab.routes()[1]["State"], "blackhole");
}

#[test]
fn an_interface_without_an_instance_is_a_blackhole_also_once_it_is_gone() {
    let lab = Lab::new();
    let eni = lab.eni(&lab.subnet);
    lab.create("192.0.2.0/24", ("NetworkInterfaceId", &eni)).unwrap();
    assert_eq!(lab.routes()[1]["State"], "blackhole");
    lab.api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]).unwrap();
    assert_eq!((&lab.routes()[1]["State"], &lab.routes()[1]["NetworkInterfaceId"]), (&json!("blackhole"), &json!(eni)));
    assert_eq!(code(lab.create("192.0.3.0/24", ("NetworkInterfaceId", &eni))), "InvalidNetworkInterfaceID.NotFound");
}

#[test]
fn the_same_destination_twice_is_refused() {
    let lab = Lab::new();
    lab.create("0.0.0.0/0", ("GatewayId", &lab.gateway)).unwrap();
    assert_eq!(code(lab.create("0.0.0.0/0", ("GatewayId", &lab.gateway))), "RouteAlreadyExists");
    assert_eq!(code(lab.create("203.0.113.7/0", ("GatewayId", &lab.gateway))), "RouteAlreadyExists");
    assert_eq!(code(lab.create("10.0.0.0/16", ("GatewayId", &lab.gateway))), "RouteAlreadyExists");
}

#[test]
fn ranges_of_the_vpc_s_own_services_take_no_route() {
    let lab = Lab::new();
    for destination in ["169.254.169.254/32", "169.254.168.0/22", "169.254.169.0/24", "fd00:ec2::/32", "fd00:ec2::254/128"] {
        assert_eq!(code(lab.create(destination, ("GatewayId", &lab.gateway))), "InvalidParameterValue", "{destination}");
    }
    lab.create("169.254.0.0/16", ("GatewayId", &lab.gateway)).unwrap();
    lab.create("fd00::/16", ("GatewayId", &lab.gateway)).unwrap();
}

#[test]
fn a_route_more_specific_than_local_is_for_a_whole_subnet_and_a_middlebox() {
    let lab = Lab::new();
    let eni = lab.eni(&lab.other_subnet);
    assert_eq!(code(lab.create("10.0.1.0/25", ("NetworkInterfaceId", &eni))), "InvalidParameterValue");
    assert_eq!(code(lab.create("10.0.0.0/17", ("NetworkInterfaceId", &eni))), "InvalidParameterValue");
    assert_eq!(code(lab.create("10.0.1.0/24", ("GatewayId", &lab.gateway))), "InvalidParameterValue");
    lab.create("10.0.1.0/24", ("NetworkInterfaceId", &eni)).unwrap();
    lab.create("10.0.0.0/8", ("GatewayId", &lab.gateway)).unwrap();
}

#[test]
fn a_local_route_is_bent_to_an_interface_and_restored_but_never_deleted() {
    let lab = Lab::new();
    let (_, eni) = lab.instance();
    lab.route("ReplaceRoute", "10.0.0.0/16", &[("NetworkInterfaceId", &eni)]).unwrap();
    let routes = lab.routes();
    assert_eq!(routes.as_array().unwrap().len(), 1);
    assert_eq!((&routes[0]["NetworkInterfaceId"], &routes[0]["Origin"]), (&json!(eni), &json!("CreateRouteTable")));
    assert_eq!(code(lab.route("DeleteRoute", "10.0.0.0/16", &[])), "InvalidParameterValue");
    let to_gateway = lab.route("ReplaceRoute", "10.0.0.0/16", &[("GatewayId", &lab.gateway)]);
    assert_eq!(code(to_gateway), "InvalidParameterValue");
    lab.route("ReplaceRoute", "10.0.0.0/16", &[("LocalTarget", "true")]).unwrap();
    assert_eq!(lab.routes()[0]["GatewayId"], "local");
    lab.route("ReplaceRoute", "10.0.0.0/16", &[("GatewayId", "local")]).unwrap();

    lab.create("10.0.1.0/24", ("NetworkInterfaceId", &eni)).unwrap();
    lab.route("ReplaceRoute", "10.0.1.0/24", &[("LocalTarget", "true")]).unwrap();
    assert_eq!((&lab.routes()[1]["GatewayId"], &lab.routes()[1]["State"]), (&json!("local"), &json!("active")));
    lab.create("192.0.2.0/24", ("NetworkInterfaceId", &eni)).unwrap();
    assert_eq!(code(lab.route("ReplaceRoute", "192.0.2.0/24", &[("LocalTarget", "true")])), "InvalidParameterValue");
}

#[test]
fn a_route_is_replaced_where_there_is_one() {
    let lab = Lab::new();
    let (_, eni) = lab.instance();
    assert_eq!(code(lab.route("ReplaceRoute", "0.0.0.0/0", &[("GatewayId", &lab.gateway)])), "InvalidParameterValue");
    lab.create("0.0.0.0/0", ("GatewayId", &lab.gateway)).unwrap();
    lab.route("ReplaceRoute", "0.0.0.0/0", &[("NetworkInterfaceId", &eni)]).unwrap();
    assert_eq!(lab.routes()[1]["NetworkInterfaceId"], *eni);
    assert!(lab.routes()[1].get("GatewayId").is_none());
}

#[test]
fn a_target_that_cannot_exist_is_not_found() {
    let lab = Lab::new();
    for (parameter, id, expected) in [
        ("GatewayId", "igw-1a2b3c4d", "InvalidGatewayID.NotFound"),
        ("GatewayId", "vgw-1a2b3c4d", "InvalidGatewayID.NotFound"),
        ("GatewayId", "vpce-1a2b3c4d", "InvalidVpcEndpointId.NotFound"),
        ("GatewayId", "igw-x", "InvalidInternetGatewayID.Malformed"),
        ("GatewayId", "door", "InvalidGatewayID.Malformed"),
        ("NatGatewayId", "nat-0123456789abcdef0", "NatGatewayNotFound"),
        ("NatGatewayId", "nat-x", "NatGatewayMalformed"),
        ("VpcPeeringConnectionId", "pcx-1a2b3c4d", "InvalidVpcPeeringConnectionID.NotFound"),
        ("TransitGatewayId", "tgw-1a2b3c4d", "InvalidTransitGatewayID.NotFound"),
        ("EgressOnlyInternetGatewayId", "eigw-1a2b3c4d", "InvalidEgressOnlyInternetGatewayId.NotFound"),
        ("VpcEndpointId", "vpce-1a2b3c4d", "InvalidVpcEndpointId.NotFound"),
        ("CarrierGatewayId", "cagw-1a2b3c4d", "InvalidCarrierGatewayID.NotFound"),
        ("LocalGatewayId", "lgw-1a2b3c4d", "InvalidLocalGatewayID.NotFound"),
        ("CoreNetworkArn", "arn:aws:networkmanager::1:core-network/x", "InvalidCoreNetworkArn.NotFound"),
        ("InstanceId", "i-x", "InvalidInstanceID.Malformed"),
    ] {
        assert_eq!(code(lab.create("192.0.2.0/24", (parameter, id))), expected, "{parameter} {id}");
    }
    let two = [("GatewayId", &*lab.gateway), ("NatGatewayId", "nat-1a2b3c4d")];
    assert_eq!(code(lab.route("CreateRoute", "0.0.0.0/0", &two)), "InvalidParameterCombination");
    assert_eq!(code(lab.route("CreateRoute", "0.0.0.0/0", &[])), "MissingParameter");
}

#[test]
fn a_destination_is_one_block_or_one_list() {
    let lab = Lab::new();
    let with = |destination: &[(&str, &str)]| {
        let mut parameters = vec![("RouteTableId", &*lab.table), ("GatewayId", &*lab.gateway)];
        parameters.extend(destination);
        lab.api.code("CreateRoute", &parameters)
    };
    assert_eq!(with(&[("DestinationCidrBlock", "0.0.0.0")]), "InvalidRoute.Malformed");
    assert_eq!(with(&[("DestinationIpv6CidrBlock", "10.0.0.0/8")]), "InvalidRoute.Malformed");
    assert_eq!(with(&[("DestinationPrefixListId", "pl-1a2b3c4d")]), "InvalidPrefixListID.NotFound");
    assert_eq!(with(&[("DestinationPrefixListId", "pl-x")]), "InvalidPrefixListID.Malformed");
    assert_eq!(with(&[]), "MissingParameter");
    let both = [("DestinationCidrBlock", "0.0.0.0/0"), ("DestinationIpv6CidrBlock", "::/0")];
    assert_eq!(with(&both), "InvalidParameterCombination");
    let unknown = [("RouteTableId", "rtb-1a2b3c4d"), ("DestinationCidrBlock", "0.0.0.0/0"), ("GatewayId", &*lab.gateway)];
    assert_eq!(lab.api.code("CreateRoute", &unknown), "InvalidRouteTableID.NotFound");
}

#[test]
fn targets_are_of_the_table_s_vpc() {
    let lab = Lab::new();
    let default = lab.api.call("DescribeInternetGateways", &[]).unwrap();
    let foreign = default["InternetGateways"].as_array().unwrap().iter().map(|g| text(&g["InternetGatewayId"]));
    let foreign = foreign.into_iter().find(|id| *id != lab.gateway).unwrap();
    assert_eq!(code(lab.create("0.0.0.0/0", ("GatewayId", &foreign))), "InvalidParameterValue");
    let subnets = [("Filter.1.Name", "default-for-az"), ("Filter.1.Value.1", "true")];
    let subnet = text(&lab.api.call("DescribeSubnets", &subnets).unwrap()["Subnets"][0]["SubnetId"]);
    let eni = lab.eni(&subnet);
    assert_eq!(code(lab.create("0.0.0.0/0", ("NetworkInterfaceId", &eni))), "InvalidParameterValue");
    assert_eq!(code(lab.associate(&lab.table, ("SubnetId", &subnet))), "InvalidParameterValue");
}

#[test]
fn a_subnet_has_one_table_at_a_time() {
    let lab = Lab::new();
    let second = lab.table();
    let association = lab.associate(&lab.table, ("SubnetId", &lab.subnet)).unwrap();
    assert_eq!(lab.associate(&lab.table, ("SubnetId", &lab.subnet)).unwrap(), association);
    assert_eq!(code(lab.associate(&second, ("SubnetId", &lab.subnet))), "Resource.AlreadyAssociated");
    assert_eq!(lab.api.code("DeleteRouteTable", &[("RouteTableId", &lab.table)]), "DependencyViolation");

    let replace = |association: &str, table: &str| {
        let answer = lab.api.call("ReplaceRouteTableAssociation", &[("AssociationId", association), ("RouteTableId", table)]);
        answer.map(|answer| text(&answer["NewAssociationId"])).map_err(|error| error.code.into_owned())
    };
    let moved = replace(&association, &second).unwrap();
    assert_ne!(moved, association);
    assert_eq!(replace(&moved, &second).unwrap(), moved);
    assert_eq!(code(replace(&association, &second)), "InvalidAssociationID.NotFound");
    assert_eq!(lab.describe(&lab.table)["Associations"], json!([]));
    lab.api.call("DeleteRouteTable", &[("RouteTableId", &lab.table)]).unwrap();
    lab.api.call("DisassociateRouteTable", &[("AssociationId", &moved)]).unwrap();
    assert_eq!(lab.api.code("DisassociateRouteTable", &[("AssociationId", &moved)]), "InvalidAssociationID.NotFound");
    lab.api.call("DeleteRouteTable", &[("RouteTableId", &second)]).unwrap();
    assert_eq!(lab.api.code("DeleteRouteTable", &[("RouteTableId", &second)]), "InvalidRouteTableID.NotFound");
}

#[test]
fn the_main_table_changes_by_replacing_its_association() {
    let lab = Lab::new();
    let (main, association) = lab.main_table();
    assert_eq!(lab.api.code("DeleteRouteTable", &[("RouteTableId", &main)]), "DependencyViolation");
    assert_eq!(lab.api.code("DisassociateRouteTable", &[("AssociationId", &association)]), "InvalidParameterValue");
    let replace = [("AssociationId", &*association), ("RouteTableId", &*lab.table)];
    let new = lab.api.call("ReplaceRouteTableAssociation", &replace).unwrap();
    assert_eq!(lab.main_table(), (lab.table.clone(), text(&new["NewAssociationId"])));
    lab.api.call("DeleteRouteTable", &[("RouteTableId", &main)]).unwrap();
}

#[test]
fn a_gateway_s_table_bends_whole_subnets_to_interfaces() {
    let lab = Lab::new();
    let (_, eni) = lab.instance();
    let (main, main_association) = lab.main_table();
    assert_eq!(code(lab.associate(&main, ("GatewayId", &lab.gateway))), "InvalidParameterValue");
    lab.create("0.0.0.0/0", ("GatewayId", &lab.gateway)).unwrap();
    assert_eq!(code(lab.associate(&lab.table, ("GatewayId", &lab.gateway))), "InvalidParameterValue");
    lab.route("DeleteRoute", "0.0.0.0/0", &[]).unwrap();

    lab.create("10.0.1.0/24", ("NetworkInterfaceId", &eni)).unwrap();
    lab.associate(&lab.table, ("GatewayId", &lab.gateway)).unwrap();
    let association = lab.describe(&lab.table)["Associations"][0].clone();
    assert_eq!((&association["GatewayId"], &association["Main"]), (&json!(lab.gateway), &json!(false)));
    assert!(association.get("SubnetId").is_none());
    assert_eq!(code(lab.create("192.0.2.0/24", ("NetworkInterfaceId", &eni))), "InvalidParameterValue");
    assert_eq!(code(lab.create("0.0.0.0/0", ("GatewayId", &lab.gateway))), "InvalidParameterValue");
    let as_main = [("AssociationId", &*main_association), ("RouteTableId", &*lab.table)];
    assert_eq!(lab.api.code("ReplaceRouteTableAssociation", &as_main), "InvalidParameterValue");

    assert_eq!(code(lab.associate(&lab.table, ("GatewayId", "vgw-1a2b3c4d"))), "InvalidGatewayID.NotFound");
    assert_eq!(code(lab.associate(&lab.table, ("GatewayId", "local"))), "InvalidParameterValue");
    assert_eq!(lab.api.code("AssociateRouteTable", &[("RouteTableId", &lab.table)]), "MissingParameter");
}

#[test]
fn a_repeated_client_token_makes_one_table() {
    let lab = Lab::new();
    let create = |vpc: &str| lab.api.call("CreateRouteTable", &[("VpcId", vpc), ("ClientToken", "t-1")]);
    let first = create(&lab.vpc).unwrap();
    assert_eq!(create(&lab.vpc).unwrap()["RouteTable"]["RouteTableId"], first["RouteTable"]["RouteTableId"]);
    assert_eq!(first["ClientToken"], "t-1");
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    assert_eq!(create(&other).unwrap_err().code, "IdempotentParameterMismatch");
}

#[test]
fn tables_are_found_by_what_uses_them_and_where_they_lead() {
    let lab = Lab::new();
    lab.create("0.0.0.0/0", ("GatewayId", &lab.gateway)).unwrap();
    let association = lab.associate(&lab.table, ("SubnetId", &lab.subnet)).unwrap();
    for (name, value) in [
        ("association.subnet-id", &*lab.subnet),
        ("association.route-table-association-id", &*association),
        ("route.gateway-id", &*lab.gateway),
        ("route-table-id", &*lab.table),
    ] {
        let answer = lab.api.call("DescribeRouteTables", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        assert_eq!(answer["RouteTables"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(answer["RouteTables"][0]["RouteTableId"], *lab.table);
    }
    assert_eq!(lab.api.code("DescribeRouteTables", &[("RouteTableId.1", "rtb-x")]), "InvalidRouteTableID.Malformed");
    assert_eq!(lab.api.code("DescribeRouteTables", &[("MaxResults", "101")]), "InvalidParameterValue");
}
