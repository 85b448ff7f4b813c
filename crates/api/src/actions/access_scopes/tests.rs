#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

type Parameters<'a> = &'a [(&'a str, &'a str)];

const ENI_TO_IGW: Parameters<'static> = &[
    ("MatchPath.1.Source.ResourceStatement.ResourceType.1", "AWS::EC2::NetworkInterface"),
    ("MatchPath.1.Destination.ResourceStatement.ResourceType.1", "AWS::EC2::InternetGateway"),
];

/// A VPC with two instances in one subnet, which has no way out.
struct Lab {
    api: Api,
    vpc: String,
    subnet: String,
    group: String,
    enis: Vec<String>,
    instances: Vec<String>,
    tokens: std::cell::Cell<u32>,
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let call = |action: &str, parameters: Parameters<'_>| api.call(action, parameters).unwrap();
        let vpc = text(&call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")])["Vpc"]["VpcId"]);
        let subnet = text(&call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", "10.0.1.0/24")])["Subnet"]["SubnetId"]);
        let group = call("CreateSecurityGroup", &[("GroupName", "g"), ("GroupDescription", "g"), ("VpcId", &vpc)]);
        let group = text(&group["GroupId"]);
        let run = [
            ("ImageId", "ami-12345678"),
            ("MinCount", "2"),
            ("MaxCount", "2"),
            ("SubnetId", &*subnet),
            ("SecurityGroupId.1", &*group),
        ];
        let ran = call("RunInstances", &run)["Instances"].as_array().unwrap().clone();
        let instances = ran.iter().map(|instance| text(&instance["InstanceId"])).collect();
        let enis = ran.iter().map(|instance| text(&instance["NetworkInterfaces"][0]["NetworkInterfaceId"])).collect();
        Self { api, vpc, subnet, group, enis, instances, tokens: std::cell::Cell::new(0) }
    }

    fn call(&self, action: &str, parameters: Parameters<'_>) -> Value {
        self.api.call(action, parameters).unwrap()
    }

    /// Gives the subnet a route to the internet, and each instance an Elastic IP.
    fn open(&self) -> String {
        let gateway = text(&self.call("CreateInternetGateway", &[])["InternetGateway"]["InternetGatewayId"]);
        self.call("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &self.vpc)]);
        let table = text(&self.call("CreateRouteTable", &[("VpcId", &self.vpc)])["RouteTable"]["RouteTableId"]);
        let route = [("RouteTableId", &*table), ("DestinationCidrBlock", "0.0.0.0/0"), ("GatewayId", &gateway)];
        self.call("CreateRoute", &route);
        self.call("AssociateRouteTable", &[("RouteTableId", &table), ("SubnetId", &self.subnet)]);
        for instance in &self.instances {
            let address = text(&self.call("AllocateAddress", &[("Domain", "vpc")])["AllocationId"]);
            self.call("AssociateAddress", &[("AllocationId", &address), ("InstanceId", instance)]);
        }
        gateway
    }

    /// Lets a port in, from everywhere.
    fn allow(&self, port: &str) {
        let rule = [
            ("GroupId", &*self.group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", port),
            ("IpPermissions.1.ToPort", port),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ];
        self.call("AuthorizeSecurityGroupIngress", &rule);
    }

    fn token(&self) -> String {
        self.tokens.set(self.tokens.get() + 1);
        format!("token-{}", self.tokens.get())
    }

    fn scope(&self, paths: Parameters<'_>) -> String {
        let token = self.token();
        let parameters = [paths, &[("ClientToken", &*token)]].concat();
        let answer = self.call("CreateNetworkInsightsAccessScope", &parameters);
        text(&answer["NetworkInsightsAccessScope"]["NetworkInsightsAccessScopeId"])
    }

    fn code(&self, paths: Parameters<'_>) -> String {
        let token = self.token();
        self.api.code("CreateNetworkInsightsAccessScope", &[paths, &[("ClientToken", &*token)]].concat())
    }

    /// Analyses a new scope; gives the analysis and its findings.
    fn analyse(&self, paths: Parameters<'_>) -> (Value, Vec<Value>) {
        let (scope, token) = (self.scope(paths), self.token());
        let start = [("NetworkInsightsAccessScopeId", &*scope), ("ClientToken", &*token)];
        let started = self.call("StartNetworkInsightsAccessScopeAnalysis", &start)["NetworkInsightsAccessScopeAnalysis"].clone();
        assert_eq!(started["Status"], "running");
        let id = text(&started["NetworkInsightsAccessScopeAnalysisId"]);
        let named = [("NetworkInsightsAccessScopeAnalysisId.1", &*id)];
        let described = self.call("DescribeNetworkInsightsAccessScopeAnalyses", &named);
        let analysis = described["NetworkInsightsAccessScopeAnalyses"][0].clone();
        let named = [("NetworkInsightsAccessScopeAnalysisId", &*id)];
        let findings = self.call("GetNetworkInsightsAccessScopeAnalysisFindings", &named);
        assert_eq!(findings["AnalysisStatus"], "succeeded");
        (analysis, findings["AnalysisFindings"].as_array().unwrap().clone())
    }

    fn findings(&self, paths: Parameters<'_>) -> Vec<Vec<String>> {
        self.analyse(paths).1.iter().map(ids).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The components of a finding.
fn ids(finding: &Value) -> Vec<String> {
    finding["FindingComponents"].as_array().unwrap().iter().map(|component| text(&component["Component"]["Id"])).collect()
}

#[test]
fn an_isolated_vpc_has_no_way_to_the_internet() {
    let lab = Lab::new();
    let (analysis, findings) = lab.analyse(ENI_TO_IGW);
    assert_eq!((&analysis["FindingsFound"], &analysis["Status"]), (&json!("false"), &json!("succeeded")));
    assert_eq!(analysis["AnalyzedEniCount"], 2);
    assert!(findings.is_empty());
}

#[test]
fn each_interface_with_a_way_to_the_internet_is_a_finding() {
    let lab = Lab::new();
    let gateway = lab.open();
    let (analysis, findings) = lab.analyse(ENI_TO_IGW);
    assert_eq!(analysis["FindingsFound"], "true");
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[0]["FindingId"], "AnalysisFinding-1");
    for (finding, eni) in findings.iter().zip(&lab.enis) {
        let ids = ids(finding);
        assert!(ids.contains(eni) && ids.contains(&gateway), "{ids:?}");
        assert_eq!(finding["FindingComponents"][0]["SequenceNumber"], 1);
    }
}

#[test]
fn ways_in_are_those_that_groups_let_in() {
    let lab = Lab::new();
    lab.open();
    let in_from_internet: Parameters<'_> = &[
        ("MatchPath.1.Source.ResourceStatement.ResourceType.1", "AWS::EC2::InternetGateway"),
        ("MatchPath.1.Destination.ResourceStatement.Resource.1", &lab.enis[0]),
    ];
    assert!(lab.findings(in_from_internet).is_empty());
    lab.allow("22");
    assert_eq!(lab.findings(in_from_internet).len(), 1);
    let with = |name: &'static str, value: &str| lab.findings(&[in_from_internet, &[(name, value)]].concat()).len();
    assert_eq!(with("MatchPath.1.Destination.PacketHeaderStatement.DestinationPort.1", "22"), 1);
    assert_eq!(with("MatchPath.1.Destination.PacketHeaderStatement.DestinationPort.1", "1-21"), 0);
    assert_eq!(with("MatchPath.1.Source.PacketHeaderStatement.Protocol.1", "udp"), 0);
    assert_eq!(with("MatchPath.1.Source.PacketHeaderStatement.SourceAddress.1", "8.8.8.0/24"), 1);
    assert_eq!(with("MatchPath.1.Destination.PacketHeaderStatement.DestinationAddress.1", "10.0.0.0/16"), 1);
    assert_eq!(with("MatchPath.1.Destination.PacketHeaderStatement.DestinationAddress.1", "10.9.0.0/16"), 0);
    // What is excluded isn't found; another port still is.
    let excluded = ("ExcludePath.1.Destination.PacketHeaderStatement.DestinationPort.1", "22");
    assert_eq!(with(excluded.0, excluded.1), 0);
    lab.allow("80");
    assert_eq!(with(excluded.0, excluded.1), 1);
}

#[test]
fn ways_between_interfaces_are_found_by_instance_subnet_and_group() {
    let lab = Lab::new();
    let between = |source: &str, destination: &str| {
        let paths = [
            ("MatchPath.1.Source.ResourceStatement.Resource.1", source),
            ("MatchPath.1.Destination.ResourceStatement.Resource.1", destination),
        ];
        lab.findings(&paths).len()
    };
    assert_eq!(between(&lab.instances[0], &lab.instances[1]), 0);
    lab.allow("443");
    assert_eq!(between(&lab.instances[0], &lab.instances[1]), 1);
    assert_eq!(between(&lab.subnet, &lab.group), 2, "each to the other");
    let arn = format!("arn:aws:ec2:us-east-1:123456789012:network-interface/{}", lab.enis[0]);
    assert_eq!(between(&arn, &lab.enis[1]), 1);
    assert_eq!(between("eni-1a2b3c4d", &lab.enis[1]), 0);
}

#[test]
fn ways_through_a_firewall_are_told_from_those_around_it() {
    let lab = Lab::new();
    lab.open();
    // The second instance becomes the way out of another subnet, in which a third one is.
    let firewall = &lab.enis[1];
    lab.call("ModifyNetworkInterfaceAttribute", &[("NetworkInterfaceId", firewall), ("SourceDestCheck.Value", "false")]);
    let inner = text(&lab.call("CreateSubnet", &[("VpcId", &lab.vpc), ("CidrBlock", "10.0.2.0/24")])["Subnet"]["SubnetId"]);
    let table = text(&lab.call("CreateRouteTable", &[("VpcId", &lab.vpc)])["RouteTable"]["RouteTableId"]);
    lab.call("AssociateRouteTable", &[("RouteTableId", &table), ("SubnetId", &inner)]);
    // Replies to the other subnet take the way they came, the firewall's.
    let route = [("RouteTableId", &*table), ("DestinationCidrBlock", "10.0.1.0/24"), ("NetworkInterfaceId", firewall)];
    lab.call("CreateRoute", &route);
    let run = [
        ("ImageId", "ami-12345678"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("SubnetId", &*inner),
        ("SecurityGroupId.1", &*lab.group),
    ];
    let ran = lab.call("RunInstances", &run)["Instances"][0].clone();
    let third = text(&ran["NetworkInterfaces"][0]["NetworkInterfaceId"]);
    let all =
        [("GroupId", &*lab.group), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/16")];
    lab.call("AuthorizeSecurityGroupIngress", &all);
    let from_third: Parameters<'_> = &[
        ("MatchPath.1.Source.ResourceStatement.Resource.1", &third),
        ("MatchPath.1.Destination.ResourceStatement.Resource.1", &lab.enis[0]),
    ];
    let all = lab.findings(from_third);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].contains(firewall), "{all:?}");
    let through = ("MatchPath.1.ThroughResource.1.ResourceStatement.Resource.1", &**firewall);
    assert_eq!(lab.findings(&[from_third, &[through]].concat()).len(), 1);
    let around = ("ExcludePath.1.ThroughResource.1.ResourceStatement.Resource.1", &**firewall);
    assert!(lab.findings(&[from_third, &[around]].concat()).is_empty());
    // The way from the first instance to the third bypasses it.
    let to_third: Parameters<'_> = &[
        ("MatchPath.1.Source.ResourceStatement.Resource.1", &lab.enis[0]),
        ("MatchPath.1.Destination.ResourceStatement.Resource.1", &third),
    ];
    let bypassing = lab.findings(&[to_third, &[around]].concat());
    assert!(bypassing.iter().all(|way| !way.contains(firewall)), "{bypassing:?}");
}

#[test]
fn a_statement_names_resources_or_types() {
    let lab = Lab::new();
    let source = |name: &str| format!("MatchPath.1.Source.ResourceStatement.{name}.1");
    let (resource, kind) = (source("Resource"), source("ResourceType"));
    let eni = (&*resource, &*lab.enis[0]);
    assert_eq!(lab.code(&[eni, (&kind, "AWS::EC2::NetworkInterface")]), "InvalidParameterCombination");
    assert_eq!(lab.code(&[(&kind, "AWS::S3::Bucket")]), "InvalidParameterValue");
    assert_eq!(lab.code(&[(&resource, "everything")]), "InvalidParameterValue");
    assert_eq!(lab.code(&[]), "MissingParameter");
    assert_eq!(lab.api.code("CreateNetworkInsightsAccessScope", &[eni]), "MissingParameter", "a client token is needed");
    for (name, value) in [
        ("SourceAddress", "10.0.0.0/33"),
        ("DestinationPort", "80-22"),
        ("SourcePort", "65536"),
        ("Protocol", "icmp"),
        ("SourcePrefixList", "list"),
    ] {
        let header = format!("MatchPath.1.Source.PacketHeaderStatement.{name}.1");
        assert_eq!(lab.code(&[eni, (&header, value)]), "InvalidParameterValue", "{name} {value}");
    }
}

#[test]
fn a_scope_s_content_is_as_given() {
    let lab = Lab::new();
    let paths: Parameters<'_> = &[
        ENI_TO_IGW[0],
        ENI_TO_IGW[1],
        ("MatchPath.1.Destination.PacketHeaderStatement.DestinationPort.1", "1-1024"),
        ("ExcludePath.1.ThroughResource.1.ResourceStatement.ResourceType.1", "AWS::EC2::NatGateway"),
        ("TagSpecification.1.ResourceType", "network-insights-access-scope"),
        ("TagSpecification.1.Tag.1.Key", "a"),
        ("TagSpecification.1.Tag.1.Value", "b"),
    ];
    let scope = lab.scope(paths);
    let content = lab.call("GetNetworkInsightsAccessScopeContent", &[("NetworkInsightsAccessScopeId", &scope)]);
    let content = &content["NetworkInsightsAccessScopeContent"];
    let types = |statement: &Value| statement["ResourceStatement"]["ResourceTypes"].clone();
    assert_eq!(types(&content["MatchPaths"][0]["Source"]), json!(["AWS::EC2::NetworkInterface"]));
    assert_eq!(types(&content["ExcludePaths"][0]["ThroughResources"][0]), json!(["AWS::EC2::NatGateway"]));
    let ports = &content["MatchPaths"][0]["Destination"]["PacketHeaderStatement"]["DestinationPorts"];
    assert_eq!(*ports, json!(["1-1024"]));
    let described = lab.call("DescribeNetworkInsightsAccessScopes", &[("NetworkInsightsAccessScopeId.1", &scope)]);
    assert_eq!(described["NetworkInsightsAccessScopes"][0]["Tags"], json!([{"Key": "a", "Value": "b"}]));
}

#[test]
fn scopes_and_analyses_are_found_by_id_and_deleted_in_order() {
    let lab = Lab::new();
    let (analysis, _) = lab.analyse(ENI_TO_IGW);
    let scope = text(&analysis["NetworkInsightsAccessScopeId"]);
    let id = text(&analysis["NetworkInsightsAccessScopeAnalysisId"]);
    assert!(scope.starts_with("nis-") && id.starts_with("nisa-"), "{scope} {id}");
    let of_scope = [("NetworkInsightsAccessScopeId", &*scope)];
    let of_analysis = [("NetworkInsightsAccessScopeAnalysisId", &*id)];
    let listed = lab.call("DescribeNetworkInsightsAccessScopeAnalyses", &of_scope);
    assert_eq!(listed["NetworkInsightsAccessScopeAnalyses"].as_array().unwrap().len(), 1);
    let delete = |parameters: Parameters<'_>| lab.api.code("DeleteNetworkInsightsAccessScope", parameters);
    assert_eq!(delete(&of_scope), "AnalysisExistsForNetworkInsightsAccessScope");
    lab.call("DeleteNetworkInsightsAccessScopeAnalysis", &of_analysis);
    lab.call("DeleteNetworkInsightsAccessScope", &of_scope);
    assert_eq!(delete(&of_scope), "InvalidNetworkInsightsAccessScopeId.NotFound");
    assert_eq!(delete(&[("NetworkInsightsAccessScopeId", "nis-x")]), "InvalidNetworkInsightsAccessScopeId.Malformed");
    for action in ["DeleteNetworkInsightsAccessScopeAnalysis", "GetNetworkInsightsAccessScopeAnalysisFindings"] {
        assert_eq!(lab.api.code(action, &of_analysis), "InvalidNetworkInsightsAccessScopeAnalysisId.NotFound", "{action}");
        let malformed = [("NetworkInsightsAccessScopeAnalysisId", "nisa-x")];
        assert_eq!(lab.api.code(action, &malformed), "InvalidNetworkInsightsAccessScopeAnalysisId.Malformed", "{action}");
    }
    let start = [("NetworkInsightsAccessScopeId", &*scope), ("ClientToken", "t")];
    assert_eq!(lab.api.code("StartNetworkInsightsAccessScopeAnalysis", &start), "InvalidNetworkInsightsAccessScopeId.NotFound");
    let code = |action: &str, name: &str, value: &str| lab.api.code(action, &[(name, value)]);
    let scopes = "DescribeNetworkInsightsAccessScopes";
    assert_eq!(code(scopes, "NetworkInsightsAccessScopeId.1", "nis-1a2b3c4d"), "InvalidNetworkInsightsAccessScopeId.NotFound");
    let analyses = "DescribeNetworkInsightsAccessScopeAnalyses";
    let unknown = code(analyses, "NetworkInsightsAccessScopeAnalysisId.1", "nisa-1a2b3c4d");
    assert_eq!(unknown, "InvalidNetworkInsightsAccessScopeAnalysisId.NotFound");
}

#[test]
fn a_client_token_makes_one_scope() {
    let lab = Lab::new();
    let create =
        |paths: Parameters<'_>| lab.api.call("CreateNetworkInsightsAccessScope", &[paths, &[("ClientToken", "t")]].concat());
    let first = create(ENI_TO_IGW).unwrap();
    assert_eq!(create(ENI_TO_IGW).unwrap(), first);
    assert_eq!(create(&ENI_TO_IGW[..1]).unwrap_err().code, "IdempotentParameterMismatch");
}

#[test]
fn a_gateway_that_routes_lead_to_is_an_end() {
    let lab = Lab::new();
    let gateway = lab.api.call("CreateNatGateway", &[("SubnetId", &*lab.subnet), ("ConnectivityType", "private")]);
    let gateway = text(&gateway.unwrap()["NatGateway"]["NatGatewayId"]);
    let to_nat: Parameters<'_> = &[
        ("MatchPath.1.Source.ResourceStatement.ResourceType.1", "AWS::EC2::Instance"),
        ("MatchPath.1.Destination.ResourceStatement.ResourceType.1", "AWS::EC2::NatGateway"),
    ];
    assert!(lab.findings(to_nat).is_empty());
    let tables = lab.call("DescribeRouteTables", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &lab.vpc)]);
    let table = text(&tables["RouteTables"][0]["RouteTableId"]);
    let route = [("RouteTableId", &*table), ("DestinationCidrBlock", "192.0.2.0/24"), ("NatGatewayId", &gateway)];
    lab.call("CreateRoute", &route);
    let found = lab.findings(to_nat);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|way| way.last() == Some(&gateway)), "{found:?}");
}
