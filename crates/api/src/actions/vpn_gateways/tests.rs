#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn create(api: &Api) -> String {
    text(&api.call("CreateVpnGateway", &[("Type", "ipsec.1")]).unwrap()["VpnGateway"]["VpnGatewayId"])
}

fn vpc(api: &Api, block: &str) -> String {
    text(&api.call("CreateVpc", &[("CidrBlock", block)]).unwrap()["Vpc"]["VpcId"])
}

fn pair<'a>(gateway: &'a str, vpc: &'a str) -> [(&'a str, &'a str); 2] {
    [("VpnGatewayId", gateway), ("VpcId", vpc)]
}

fn shown(api: &Api, gateway: &str) -> Value {
    api.call("DescribeVpnGateways", &[("VpnGatewayId.1", gateway)]).unwrap()["VpnGateways"][0].clone()
}

#[test]
fn an_attachment_goes_from_attaching_to_attached_to_detached() {
    let api = api();
    let (gateway, vpc) = (create(&api), vpc(&api, "10.0.0.0/16"));
    assert_eq!(shown(&api, &gateway)["State"], "available");
    assert_eq!(shown(&api, &gateway)["AmazonSideAsn"], 64512);
    assert_eq!(shown(&api, &gateway)["VpcAttachments"], json!([]));
    let answer = api.call("AttachVpnGateway", &pair(&gateway, &vpc)).unwrap();
    assert_eq!(answer["VpcAttachment"], json!({"State": "attaching", "VpcId": vpc}));
    assert_eq!(shown(&api, &gateway)["VpcAttachments"], json!([{"State": "attached", "VpcId": vpc}]));
    let of_vpc = [("Filter.1.Name", "attachment.vpc-id"), ("Filter.1.Value.1", &*vpc)];
    assert_eq!(api.call("DescribeVpnGateways", &of_vpc).unwrap()["VpnGateways"].as_array().unwrap().len(), 1);
    assert_eq!(api.code("DeleteVpnGateway", &[("VpnGatewayId", &gateway)]), "IncorrectState");
    assert_eq!(api.code("DeleteVpc", &[("VpcId", &vpc)]), "DependencyViolation");
    api.call("DetachVpnGateway", &pair(&gateway, &vpc)).unwrap();
    assert_eq!(shown(&api, &gateway)["VpcAttachments"], json!([{"State": "detached", "VpcId": vpc}]));
    assert_eq!(api.code("DetachVpnGateway", &pair(&gateway, &vpc)), "InvalidVpnGatewayAttachment.NotFound");
    api.call("DeleteVpnGateway", &[("VpnGatewayId", &gateway)]).unwrap();
    assert_eq!(shown(&api, &gateway)["State"], "deleted");
    assert_eq!(api.code("AttachVpnGateway", &pair(&gateway, &vpc)), "InvalidVpnGatewayID.NotFound");
    api.call("DeleteVpc", &[("VpcId", &vpc)]).unwrap();
}

#[test]
fn a_vpc_and_a_gateway_have_one_of_each_other() {
    let api = api();
    let (first, second) = (create(&api), create(&api));
    let (one, other) = (vpc(&api, "10.0.0.0/16"), vpc(&api, "10.1.0.0/16"));
    api.call("AttachVpnGateway", &pair(&first, &one)).unwrap();
    assert!(api.call("AttachVpnGateway", &pair(&first, &one)).is_ok());
    assert_eq!(api.code("AttachVpnGateway", &pair(&second, &one)), "InvalidVpcState");
    assert_eq!(api.code("AttachVpnGateway", &pair(&first, &other)), "VpnGatewayAttachmentLimitExceeded");
    assert_eq!(api.code("AttachVpnGateway", &pair("vgw-1", &one)), "InvalidVpnGatewayID.Malformed");
    assert_eq!(api.code("AttachVpnGateway", &pair(&second, "vpc-12345678")), "InvalidVpcID.NotFound");
}

#[test]
fn amazons_number_is_private_and_five_gateways_are_the_most() {
    let api = api();
    let make = |asn: &str| api.call("CreateVpnGateway", &[("Type", "ipsec.1"), ("AmazonSideAsn", asn)]);
    for asn in ["1", "64511", "65535", "4199999999", "4294967295", "4294967296", "-1"] {
        assert_eq!(make(asn).unwrap_err().code, "InvalidParameterValue", "{asn}");
    }
    for asn in ["64512", "65534", "4200000000", "4294967294", "7224"] {
        assert_eq!(make(asn).unwrap()["VpnGateway"]["AmazonSideAsn"].to_string(), asn);
    }
    assert_eq!(make("64512").unwrap_err().code, "VpnGatewayLimitExceeded");
    assert_eq!(api.code("DescribeVpnGateways", &[("VpnGatewayId.1", "vgw-12345678")]), "InvalidVpnGatewayID.NotFound");
    assert_eq!(api.code("DescribeVpnGateways", &[("VpnGatewayId.1", "igw-12345678")]), "InvalidVpnGatewayID.Malformed");
}

/// A VPC with a gateway attached that has a static connection with one route, and a route table.
struct Lab {
    api: Api,
    vpc: String,
    gateway: String,
    connection: String,
    table: String,
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let (gateway, vpc) = (create(&api), vpc(&api, "10.0.0.0/16"));
        api.call("AttachVpnGateway", &pair(&gateway, &vpc)).unwrap();
        let customer = api.call("CreateCustomerGateway", &[("Type", "ipsec.1"), ("IpAddress", "198.51.100.1")]).unwrap();
        let customer = text(&customer["CustomerGateway"]["CustomerGatewayId"]);
        let ends = [
            ("Type", "ipsec.1"),
            ("CustomerGatewayId", &*customer),
            ("VpnGatewayId", &*gateway),
            ("Options.StaticRoutesOnly", "true"),
        ];
        let connection = text(&api.call("CreateVpnConnection", &ends).unwrap()["VpnConnection"]["VpnConnectionId"]);
        let table = text(&api.call("CreateRouteTable", &[("VpcId", &vpc)]).unwrap()["RouteTable"]["RouteTableId"]);
        let lab = Self { api, vpc, gateway, connection, table };
        lab.add("192.168.0.0/16");
        lab
    }

    fn add(&self, block: &str) {
        self.api
            .call("CreateVpnConnectionRoute", &[("VpnConnectionId", &self.connection), ("DestinationCidrBlock", block)])
            .unwrap();
    }

    fn propagation(&self) -> [(&str, &str); 2] {
        [("GatewayId", &self.gateway), ("RouteTableId", &self.table)]
    }

    fn shown(&self) -> Value {
        self.api.call("DescribeRouteTables", &[("RouteTableId.1", &self.table)]).unwrap()["RouteTables"][0].clone()
    }

    fn route(&self, block: &str) -> Vec<Value> {
        let routes = self.shown()["Routes"].as_array().unwrap().clone();
        routes.into_iter().filter(|route| route["DestinationCidrBlock"] == block).collect()
    }
}

#[test]
fn static_vpn_routes_appear_in_propagating_tables() {
    let lab = Lab::new();
    assert_eq!(lab.shown()["PropagatingVgws"], json!([]));
    lab.api.call("EnableVgwRoutePropagation", &lab.propagation()).unwrap();
    lab.api.call("EnableVgwRoutePropagation", &lab.propagation()).unwrap();
    assert_eq!(lab.shown()["PropagatingVgws"], json!([{"GatewayId": lab.gateway}]));
    let expected = json!([{
        "DestinationCidrBlock": "192.168.0.0/16",
        "GatewayId": lab.gateway,
        "Origin": "EnableVgwRoutePropagation",
        "State": "active",
    }]);
    assert_eq!(json!(lab.route("192.168.0.0/16")), expected);
    lab.add("172.20.0.0/16");
    assert_eq!(lab.route("172.20.0.0/16").len(), 1);
    lab.api.call("DisableVgwRoutePropagation", &lab.propagation()).unwrap();
    assert!(lab.route("192.168.0.0/16").is_empty());
    assert_eq!(lab.shown()["PropagatingVgws"], json!([]));
}

#[test]
fn propagated_routes_go_with_their_connection_and_with_the_attachment() {
    let lab = Lab::new();
    lab.api.call("EnableVgwRoutePropagation", &lab.propagation()).unwrap();
    lab.api.call("DeleteVpnConnection", &[("VpnConnectionId", &lab.connection)]).unwrap();
    assert!(lab.route("192.168.0.0/16").is_empty());
    let lab = Lab::new();
    lab.api.call("EnableVgwRoutePropagation", &lab.propagation()).unwrap();
    lab.api.call("DetachVpnGateway", &pair(&lab.gateway, &lab.vpc)).unwrap();
    assert!(lab.route("192.168.0.0/16").is_empty());
    assert_eq!(lab.shown()["PropagatingVgws"], json!([]));
    assert_eq!(lab.api.code("EnableVgwRoutePropagation", &lab.propagation()), "Gateway.NotAttached");
    assert_eq!(lab.api.code("DisableVgwRoutePropagation", &lab.propagation()), "Gateway.NotAttached");
}

#[test]
fn a_users_route_stands_for_the_propagated_one_of_the_same_destination() {
    let lab = Lab::new();
    lab.api.call("EnableVgwRoutePropagation", &lab.propagation()).unwrap();
    let internet = text(&lab.api.call("CreateInternetGateway", &[]).unwrap()["InternetGateway"]["InternetGatewayId"]);
    lab.api.call("AttachInternetGateway", &[("InternetGatewayId", &internet), ("VpcId", &lab.vpc)]).unwrap();
    let route = [("RouteTableId", &*lab.table), ("DestinationCidrBlock", "192.168.0.0/16")];
    lab.api.call("CreateRoute", &[&route[..], &[("GatewayId", &internet)]].concat()).unwrap();
    let shown = lab.route("192.168.0.0/16");
    assert_eq!((shown.len(), &shown[0]["Origin"]), (1, &json!("CreateRoute")));
    lab.api.call("DeleteRoute", &route).unwrap();
    assert_eq!(lab.route("192.168.0.0/16")[0]["Origin"], "EnableVgwRoutePropagation");
    assert_eq!(lab.api.code("DeleteRoute", &route), "InvalidRoute.NotFound");
}

#[test]
fn a_table_takes_a_hundred_propagated_routes() {
    let lab = Lab::new();
    lab.api.call("EnableVgwRoutePropagation", &lab.propagation()).unwrap();
    for third in 1..100 {
        lab.add(&format!("172.20.{third}.0/24"));
    }
    let code = lab
        .api
        .code("CreateVpnConnectionRoute", &[("VpnConnectionId", &lab.connection), ("DestinationCidrBlock", "172.20.200.0/24")]);
    assert_eq!(code, "RouteLimitExceeded");
    assert_eq!(lab.shown()["Routes"].as_array().unwrap().len(), 101);
}

#[test]
fn a_route_may_lead_to_an_attached_gateway_and_turns_to_a_blackhole_when_that_goes() {
    let lab = Lab::new();
    let route = [("RouteTableId", &*lab.table), ("DestinationCidrBlock", "10.9.0.0/16"), ("GatewayId", &*lab.gateway)];
    lab.api.call("CreateRoute", &route).unwrap();
    assert_eq!(lab.route("10.9.0.0/16")[0]["State"], "active");
    assert_eq!(lab.route("10.9.0.0/16")[0]["GatewayId"], *lab.gateway);
    lab.api.call("DetachVpnGateway", &pair(&lab.gateway, &lab.vpc)).unwrap();
    assert_eq!(lab.route("10.9.0.0/16")[0]["State"], "blackhole");
    let again = [("RouteTableId", &*lab.table), ("DestinationCidrBlock", "10.10.0.0/16"), ("GatewayId", &*lab.gateway)];
    assert_eq!(lab.api.code("CreateRoute", &again), "InvalidParameterValue");
    let unknown = [again[0], again[1], ("GatewayId", "vgw-12345678")];
    assert_eq!(lab.api.code("CreateRoute", &unknown), "InvalidGatewayID.NotFound");
}

#[test]
fn a_gateway_may_have_a_table_that_takes_no_propagated_routes() {
    let lab = Lab::new();
    let edge = [("RouteTableId", &*lab.table), ("GatewayId", &*lab.gateway)];
    lab.api.call("EnableVgwRoutePropagation", &lab.propagation()).unwrap();
    assert_eq!(lab.api.code("AssociateRouteTable", &edge), "InvalidParameterValue");
    lab.api.call("DisableVgwRoutePropagation", &lab.propagation()).unwrap();
    lab.api.call("AssociateRouteTable", &edge).unwrap();
    assert_eq!(lab.shown()["Associations"][0]["GatewayId"], *lab.gateway);
    assert_eq!(lab.api.code("EnableVgwRoutePropagation", &lab.propagation()), "InvalidParameterValue");
    lab.api.call("DetachVpnGateway", &pair(&lab.gateway, &lab.vpc)).unwrap();
    assert_eq!(lab.shown()["Associations"], json!([]));
    assert_eq!(lab.api.code("AssociateRouteTable", &edge), "InvalidParameterValue");
}
