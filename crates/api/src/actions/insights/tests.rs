//! What clients see of Network Insights, through the whole wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::Value;

use crate::Api;
use crate::testing::api;

type Parameters<'a> = &'a [(&'a str, &'a str)];

/// A public web server that answers port 80 to anybody.
struct Fixture {
    api: Api,
    gateway: String,
    instance: String,
    subnet: String,
    group: String,
    table: String,
}

impl Fixture {
    fn new() -> Self {
        let api = api();
        let call = |action: &str, parameters: Parameters<'_>| api.call(action, parameters).unwrap();
        let vpc = text(&call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")])["Vpc"]["VpcId"]);
        let subnet = text(&call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/24")])["Subnet"]["SubnetId"]);
        let gateway = text(&call("CreateInternetGateway", &[])["InternetGateway"]["InternetGatewayId"]);
        call("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &vpc)]);
        let table = text(&call("CreateRouteTable", &[("VpcId", &vpc)])["RouteTable"]["RouteTableId"]);
        call("CreateRoute", &[("RouteTableId", &table), ("DestinationCidrBlock", "0.0.0.0/0"), ("GatewayId", &gateway)]);
        call("AssociateRouteTable", &[("RouteTableId", &table), ("SubnetId", &subnet)]);
        let group = call("CreateSecurityGroup", &[("GroupName", "web"), ("GroupDescription", "web"), ("VpcId", &vpc)]);
        let group = text(&group["GroupId"]);
        let rule = [
            ("GroupId", &*group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "80"),
            ("IpPermissions.1.ToPort", "80"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ];
        call("AuthorizeSecurityGroupIngress", &rule);
        let run = [
            ("ImageId", "ami-12345678"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("SubnetId", &*subnet),
            ("SecurityGroupId.1", &*group),
        ];
        let instance = text(&call("RunInstances", &run)["Instances"][0]["InstanceId"]);
        let address = text(&call("AllocateAddress", &[("Domain", "vpc")])["AllocationId"]);
        call("AssociateAddress", &[("AllocationId", &address), ("InstanceId", &instance)]);
        Self { api, gateway, instance, subnet, group, table }
    }

    fn call(&self, action: &str, parameters: Parameters<'_>) -> Value {
        self.api.call(action, parameters).unwrap()
    }

    fn code(&self, action: &str, parameters: Parameters<'_>) -> String {
        self.api.call(action, parameters).expect_err("the call must fail").code.into_owned()
    }

    /// A path of the web server's VPC.
    fn path(&self, more: Parameters<'_>) -> String {
        let parameters = self.path_parameters(more);
        text(&self.call("CreateNetworkInsightsPath", &parameters)["NetworkInsightsPath"]["NetworkInsightsPathId"])
    }

    /// The parameters of a path from the gateway to the web server, some of them others.
    fn path_parameters<'a>(&'a self, more: Parameters<'a>) -> Vec<(&'a str, &'a str)> {
        let all = [("Source", &*self.gateway), ("Destination", &*self.instance), ("Protocol", "tcp"), ("ClientToken", "")];
        let mut parameters: Vec<_> = all.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name)).collect();
        parameters.extend_from_slice(more);
        parameters
    }

    fn analyse(&self, path: &str, more: Parameters<'_>) -> Value {
        let mut parameters = vec![("NetworkInsightsPathId", path), ("ClientToken", "")];
        parameters.extend_from_slice(more);
        let started = self.call("StartNetworkInsightsAnalysis", &parameters)["NetworkInsightsAnalysis"].clone();
        assert_eq!(started["Status"], "running");
        let id = text(&started["NetworkInsightsAnalysisId"]);
        let described = self.call("DescribeNetworkInsightsAnalyses", &[("NetworkInsightsAnalysisId.1", &id)]);
        described["NetworkInsightsAnalyses"][0].clone()
    }

    fn ask(&self, more: Parameters<'_>) -> Value {
        self.analyse(&self.path(more), &[])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn codes(analysis: &Value) -> Vec<String> {
    analysis["Explanations"].as_array().unwrap().iter().map(|explanation| text(&explanation["ExplanationCode"])).collect()
}

#[test]
fn an_open_port_is_found_with_every_component_in_order() {
    let fixture = Fixture::new();
    let analysis = fixture.ask(&[("DestinationPort", "80")]);
    assert_eq!((&analysis["Status"], &analysis["NetworkPathFound"]), (&"succeeded".into(), &true.into()), "{analysis}");
    let forward = analysis["ForwardPathComponents"].as_array().unwrap();
    let kinds: Vec<_> =
        forward.iter().map(|component| text(&component["Component"]["Id"]).split('-').next().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["igw", "acl", "sg", "eni", "i"]);
    assert_eq!(
        forward.iter().map(|component| component["SequenceNumber"].as_i64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(forward[1]["AclRule"]["RuleNumber"], 100);
    assert_eq!(forward[2]["SecurityGroupRule"]["PortRange"]["From"], 80);
    assert_eq!(forward[3]["AttachedTo"]["Id"], *fixture.instance);
    assert_eq!(forward[0]["InboundHeader"]["Protocol"], "6");
    assert!(text(&forward[0]["InboundHeader"]["DestinationAddresses"][0]).starts_with("203.0.113."));
    assert!(text(&forward[0]["OutboundHeader"]["DestinationAddresses"][0]).starts_with("10.0.1."));
    assert!(!analysis["ReturnPathComponents"].as_array().unwrap().is_empty());
}

#[test]
fn a_closed_port_has_the_one_explanation_of_aws() {
    let fixture = Fixture::new();
    let analysis = fixture.ask(&[("DestinationPort", "22")]);
    assert_eq!(analysis["NetworkPathFound"], false);
    assert_eq!(codes(&analysis), ["ENI_SG_RULES_MISMATCH"]);
    assert_eq!(analysis["Explanations"][0]["Direction"], "ingress");
    assert_eq!(analysis["Explanations"][0]["SecurityGroup"]["Id"], *fixture.group);
}

#[test]
fn without_a_port_any_open_one_will_do() {
    let fixture = Fixture::new();
    let analysis = fixture.ask(&[]);
    assert_eq!(analysis["NetworkPathFound"], true, "{analysis}");
    assert_eq!(analysis["ForwardPathComponents"][0]["InboundHeader"]["DestinationPortRanges"][0]["From"], 80);
}

#[test]
fn a_network_acl_and_a_security_group_that_deny_are_both_explained() {
    let fixture = Fixture::new();
    let filter = [("Filter.1.Name", "association.subnet-id"), ("Filter.1.Value.1", &*fixture.subnet)];
    let acl = text(&fixture.call("DescribeNetworkAcls", &filter)["NetworkAcls"][0]["NetworkAclId"]);
    fixture.call("DeleteNetworkAclEntry", &[("NetworkAclId", &acl), ("RuleNumber", "100"), ("Egress", "false")]);
    let analysis = fixture.ask(&[("DestinationPort", "22")]);
    assert_eq!(codes(&analysis), ["SUBNET_ACL_RESTRICTION", "ENI_SG_RULES_MISMATCH"]);
    assert_eq!(analysis["Explanations"][0]["AclRule"]["RuleNumber"], 32767);
}

#[test]
fn an_interface_in_no_instance_is_unknown_to_the_internet() {
    let fixture = Fixture::new();
    let eni = fixture.call("CreateNetworkInterface", &[("SubnetId", &fixture.subnet), ("SecurityGroupId.1", &fixture.group)]);
    let eni = text(&eni["NetworkInterface"]["NetworkInterfaceId"]);
    let address = text(&fixture.call("AllocateAddress", &[("Domain", "vpc")])["AllocationId"]);
    fixture.call("AssociateAddress", &[("AllocationId", &address), ("NetworkInterfaceId", &eni)]);
    let analysis = fixture.ask(&[("Destination", &eni), ("DestinationPort", "80")]);
    assert_eq!(codes(&analysis), ["IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"]);
}

#[test]
fn a_blackhole_route_is_in_a_bad_state() {
    let fixture = Fixture::new();
    let eni = fixture.call("CreateNetworkInterface", &[("SubnetId", &fixture.subnet)]);
    let eni = text(&eni["NetworkInterface"]["NetworkInterfaceId"]);
    let route = [("RouteTableId", &*fixture.table), ("DestinationCidrBlock", "192.0.2.0/24"), ("NetworkInterfaceId", &*eni)];
    fixture.call("CreateRoute", &route);
    let analysis = fixture.ask(&[
        ("Source", &fixture.instance),
        ("Destination", &fixture.gateway),
        ("DestinationIp", "192.0.2.9"),
        ("DestinationPort", "80"),
    ]);
    assert_eq!(codes(&analysis), ["BAD_STATE_ROUTE"], "{analysis}");
    assert_eq!(analysis["Explanations"][0]["RouteTableRoute"]["State"], "blackhole");
}

#[test]
fn a_filter_that_names_an_unused_component_restricts() {
    let fixture = Fixture::new();
    let path = fixture.path(&[("DestinationPort", "80")]);
    let arn = "arn:aws:ec2:us-east-1:123456789012:natgateway/nat-00000000000000001";
    let analysis = fixture.analyse(&path, &[("FilterInArn.1", arn)]);
    assert_eq!(analysis["NetworkPathFound"], false);
    assert_eq!(codes(&analysis), ["COMPONENT_FILTER_RESTRICTION"]);
}

#[test]
fn two_vpcs_without_a_connection_are_disconnected() {
    let fixture = Fixture::new();
    let filter = [("Filter.1.Name", "default-for-az"), ("Filter.1.Value.1", "true")];
    let elsewhere = text(&fixture.call("DescribeSubnets", &filter)["Subnets"][0]["SubnetId"]);
    let eni = fixture.call("CreateNetworkInterface", &[("SubnetId", &elsewhere)]);
    let eni = text(&eni["NetworkInterface"]["NetworkInterfaceId"]);
    let analysis = fixture.ask(&[("Source", &fixture.instance), ("Destination", &eni), ("DestinationPort", "80")]);
    assert!(codes(&analysis).contains(&"DISCONNECTED_VPCS".to_owned()), "{analysis}");
}

#[test]
fn a_path_with_analyses_can_not_be_deleted() {
    let fixture = Fixture::new();
    let path = fixture.path(&[("DestinationPort", "80")]);
    let analysis = text(&fixture.analyse(&path, &[])["NetworkInsightsAnalysisId"]);
    let by_path = [("NetworkInsightsPathId", &*path)];
    assert_eq!(fixture.code("DeleteNetworkInsightsPath", &by_path), "AnalysisExistsForNetworkInsightsPath");
    fixture.call("DeleteNetworkInsightsAnalysis", &[("NetworkInsightsAnalysisId", &analysis)]);
    assert_eq!(fixture.call("DeleteNetworkInsightsPath", &by_path)["NetworkInsightsPathId"], *path);
    assert_eq!(fixture.code("DeleteNetworkInsightsPath", &by_path), "InvalidNetworkInsightsPathId.NotFound");
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_refused() {
    let fixture = Fixture::new();
    let code = |more: Parameters<'_>| fixture.code("CreateNetworkInsightsPath", &fixture.path_parameters(more));
    assert_eq!(code(&[("Protocol", "icmp")]), "InvalidParameterValue");
    assert_eq!(code(&[("Source", "nonsense")]), "InvalidParameterValue");
    assert_eq!(code(&[("DestinationPort", "70000")]), "InvalidParameterValue");
    assert_eq!(code(&[("Destination", "i-00000000000000bad")]), "InvalidInstanceID.NotFound");
    let unknown = [("NetworkInsightsAnalysisId.1", "nia-00000000000000bad")];
    assert_eq!(fixture.code("DescribeNetworkInsightsAnalyses", &unknown), "InvalidNetworkInsightsAnalysisId.NotFound");
}
