#![allow(clippy::unwrap_used, reason = "tests")]
use openvpc_control::certificates::{self, ImportCertificate};
use openvpc_model::Tags;
use serde_json::{Value, json};

use crate::Api;
use crate::testing::{api_over, control, ctx};

const AUTHORITY: &str = include_str!("../../../../control/tests/certificates/authority.pem");
const AUTHORITY_KEY: &str = include_str!("../../../../control/tests/certificates/authority-key.pem");
const SERVER: &str = include_str!("../../../../control/tests/certificates/server.pem");
const SERVER_KEY: &str = include_str!("../../../../control/tests/certificates/server-key.pem");
const REVOKED: &str = include_str!("../../../../control/tests/certificates/revoked.pem");

/// An account with certificates, a VPC 10.0.0.0/16 and two subnets of it in zone a, one in zone b.
struct Lab {
    api: Api,
    server: String,
    root: String,
    vpc: String,
    first: String,
    beside: String,
    other_zone: String,
}

impl Lab {
    fn new() -> Self {
        let control = control();
        let import = |body: &str, key: &str, chain: Option<&str>| {
            let request = ImportCertificate {
                arn: None,
                body: body.to_owned(),
                private_key: key.to_owned(),
                chain: chain.map(str::to_owned),
                tags: Tags::new(),
            };
            ctx(&control, "123456789012", false).mutate(|tx| certificates::import(tx, request)).unwrap()
        };
        let server = import(SERVER, SERVER_KEY, Some(AUTHORITY));
        let root = import(AUTHORITY, AUTHORITY_KEY, None);
        let api = api_over(control);
        let vpc = text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        let subnet = |block, zone| subnet(&api, &vpc, block, zone);
        let (first, beside) = (subnet("10.0.0.0/24", "us-east-1a"), subnet("10.0.1.0/24", "us-east-1a"));
        let other_zone = subnet("10.0.2.0/24", "us-east-1b");
        Self { api, server, root, vpc, first, beside, other_zone }
    }

    /// The parameters of an endpoint with certificates, and some more.
    fn parameters<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all = vec![
            ("ServerCertificateArn", &*self.server),
            ("Authentication.1.Type", "certificate-authentication"),
            ("Authentication.1.MutualAuthentication.ClientRootCertificateChainArn", &self.root),
            ("ConnectionLogOptions.Enabled", "false"),
        ];
        if !more.iter().any(|(name, _)| *name == "ClientCidrBlock") {
            all.push(("ClientCidrBlock", "172.16.0.0/22"));
        }
        all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        all.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        all
    }

    fn create(&self, more: &[(&str, &str)]) -> String {
        text(&self.api.call("CreateClientVpnEndpoint", &self.parameters(more)).unwrap()["ClientVpnEndpointId"])
    }

    fn create_code(&self, more: &[(&str, &str)]) -> String {
        self.api.code("CreateClientVpnEndpoint", &self.parameters(more))
    }

    fn associate(&self, endpoint: &str, subnet: &str) -> String {
        let answer = self.api.call("AssociateClientVpnTargetNetwork", &[("ClientVpnEndpointId", endpoint), ("SubnetId", subnet)]);
        text(&answer.unwrap()["AssociationId"])
    }

    fn associate_code(&self, endpoint: &str, subnet: &str) -> String {
        self.api.code("AssociateClientVpnTargetNetwork", &[("ClientVpnEndpointId", endpoint), ("SubnetId", subnet)])
    }

    fn endpoint(&self, id: &str) -> Value {
        self.api.call("DescribeClientVpnEndpoints", &[("ClientVpnEndpointId.1", id)]).unwrap()["ClientVpnEndpoints"][0].clone()
    }

    /// An endpoint in the first subnet.
    fn associated(&self) -> (String, String) {
        let endpoint = self.create(&[]);
        let association = self.associate(&endpoint, &self.first);
        (endpoint, association)
    }

    fn routes(&self, endpoint: &str) -> Vec<Value> {
        let answer = self.api.call("DescribeClientVpnRoutes", &[("ClientVpnEndpointId", endpoint)]).unwrap();
        answer["Routes"].as_array().unwrap().clone()
    }
}

fn subnet(api: &Api, vpc: &str, block: &str, zone: &str) -> String {
    let parameters = [("VpcId", vpc), ("CidrBlock", block), ("AvailabilityZone", zone)];
    text(&api.call("CreateSubnet", &parameters).unwrap()["Subnet"]["SubnetId"])
}

fn group(lab: &Lab, name: &str) -> String {
    let parameters = [("GroupName", name), ("GroupDescription", "d"), ("VpcId", &*lab.vpc)];
    text(&lab.api.call("CreateSecurityGroup", &parameters).unwrap()["GroupId"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_new_endpoint_waits_for_its_first_target_network() {
    let lab = Lab::new();
    let created = lab.api.call("CreateClientVpnEndpoint", &lab.parameters(&[("Description", "people")])).unwrap();
    let id = text(&created["ClientVpnEndpointId"]);
    assert_eq!(created["Status"], json!({"Code": "pending-associate"}));
    assert_eq!(created["DnsName"], format!("*.{id}.prod.clientvpn.us-east-1.amazonaws.com"));
    let endpoint = lab.endpoint(&id);
    assert_eq!(endpoint["Status"]["Code"], "pending-associate");
    assert_eq!(endpoint["CreationTime"], "2026-09-21T14:14:02");
    assert_eq!(endpoint["TransportProtocol"], "udp");
    assert_eq!(endpoint["VpnPort"], 443);
    assert_eq!(endpoint["VpnProtocol"], "openvpn");
    assert_eq!(endpoint["SplitTunnel"], false);
    assert_eq!(endpoint["SessionTimeoutHours"], 24);
    assert_eq!(endpoint["DisconnectOnSessionTimeout"], true);
    assert_eq!(endpoint["ConnectionLogOptions"]["Enabled"], false);
    let way = &endpoint["AuthenticationOptions"][0];
    assert_eq!(way["MutualAuthentication"]["ClientRootCertificateChain"], lab.root);
    assert_eq!(endpoint["AssociatedTargetNetworks"], json!([]));
    lab.associate(&id, &lab.first);
    let endpoint = lab.endpoint(&id);
    assert_eq!(endpoint["Status"]["Code"], "available");
    assert_eq!(endpoint["VpcId"], lab.vpc);
    assert_eq!(endpoint["AssociatedTargetNetworks"], json!([{"NetworkId": lab.first, "NetworkType": "vpc"}]));
}

#[test]
fn a_client_range_is_a_block_of_12_to_22_apart_from_the_vpc() {
    let lab = Lab::new();
    for block in ["172.16.0.0/23", "172.0.0.0/11", "172.16.0.1/22", "172.16.0.0", "x", "2001:db8::/22"] {
        assert_eq!(lab.create_code(&[("ClientCidrBlock", block)]), "InvalidParameterValue", "{block}");
    }
    assert_eq!(lab.create_code(&[("ClientCidrBlock", "")]), "MissingParameter");
    assert_eq!(lab.create_code(&[("ClientCidrBlock", "10.0.0.0/20"), ("VpcId", &lab.vpc)]), "InvalidParameterValue");
    let endpoint = lab.create(&[("ClientCidrBlock", "10.0.0.0/12")]);
    assert_eq!(lab.associate_code(&endpoint, &lab.first), "InvalidClientVpnSubnetId.OverlappingCidr");
    for block in ["172.16.0.0/22", "172.16.0.0/12"] {
        lab.create(&[("ClientCidrBlock", block)]);
    }
}

#[test]
fn what_a_new_endpoint_may_not_have() {
    let lab = Lab::new();
    let missing_arn = format!("{}0", lab.server);
    let cases = [
        (vec![("ServerCertificateArn", &*missing_arn)], "InvalidParameterValue"),
        (vec![("VpnPort", "1195")], "InvalidParameterValue"),
        (vec![("VpnPort", "-1")], "InvalidParameterValue"),
        (vec![("TransportProtocol", "sctp")], "InvalidParameterValue"),
        (vec![("SessionTimeoutHours", "9")], "InvalidParameterValue"),
        (vec![("DnsServers.1", "1.1.1.1"), ("DnsServers.2", "1.1.1.2"), ("DnsServers.3", "1.1.1.3")], "InvalidParameterValue"),
        (vec![("DnsServers.1", "dns.example.com")], "InvalidParameterValue"),
        (vec![("SelfServicePortal", "on")], "InvalidParameterValue"),
        (vec![("ConnectionLogOptions.Enabled", "true")], "MissingParameter"),
        (vec![("ClientConnectOptions.Enabled", "true")], "MissingParameter"),
        (
            vec![
                ("ClientConnectOptions.Enabled", "true"),
                ("ClientConnectOptions.LambdaFunctionArn", "arn:aws:lambda:us-east-1:123456789012:function:other"),
            ],
            "InvalidParameterValue",
        ),
        (vec![("ClientLoginBannerOptions.Enabled", "true")], "MissingParameter"),
        (vec![("SecurityGroupId.1", "sg-00000000000000001")], "MissingParameter"),
        (vec![("VpcId", "vpc-1a2b3c4d")], "InvalidVpcID.NotFound"),
        (vec![("VpcId", "vpc-x")], "InvalidVpcID.Malformed"),
        (vec![("VpcId", &*lab.vpc), ("SecurityGroupId.1", "sg-1a2b3c4d")], "InvalidGroup.NotFound"),
        (vec![("TransitGatewayConfiguration.TransitGatewayId", "tgw-1a2b3c4d")], "UnsupportedOperation"),
        (vec![("TrafficIpAddressType", "ipv6")], "InvalidParameterCombination"),
        (vec![("TrafficIpAddressType", "ipv5")], "InvalidParameterValue"),
        (vec![("Authentication.1.Type", "password")], "InvalidParameterValue"),
        (vec![("Authentication.1.MutualAuthentication.ClientRootCertificateChainArn", "arn:aws:acm:x")], "InvalidParameterValue"),
        (vec![("Authentication.2.Type", "certificate-authentication")], "MissingParameter"),
        (
            vec![
                ("Authentication.2.Type", "directory-service-authentication"),
                ("Authentication.2.ActiveDirectory.DirectoryId", "d-x"),
            ],
            "InvalidParameterValue",
        ),
        (
            vec![
                ("Authentication.2.Type", "federated-authentication"),
                ("Authentication.2.FederatedAuthentication.SAMLProviderArn", "arn:aws:iam::999999999999:saml-provider/p"),
            ],
            "InvalidParameterValue",
        ),
        (
            vec![
                ("Authentication.2.Type", "certificate-authentication"),
                ("Authentication.2.MutualAuthentication.ClientRootCertificateChainArn", &*lab.root),
            ],
            "InvalidParameterValue",
        ),
    ];
    for (parameters, code) in cases {
        assert_eq!(lab.create_code(&parameters), code, "{parameters:?}");
    }
    let long = "x".repeat(1401);
    let banner = [("ClientLoginBannerOptions.Enabled", "true"), ("ClientLoginBannerOptions.BannerText", &*long)];
    assert_eq!(lab.create_code(&banner), "InvalidParameterValue");
    assert_eq!(lab.create_code(&[("DryRun", "true")]), "DryRunOperation");
    assert_eq!(lab.api.call("DescribeClientVpnEndpoints", &[]).unwrap()["ClientVpnEndpoints"], json!([]));
}

#[test]
fn a_client_token_makes_one_endpoint() {
    let lab = Lab::new();
    let first = lab.create(&[("ClientToken", "t")]);
    assert_eq!(lab.create(&[("ClientToken", "t")]), first);
    assert_eq!(lab.create_code(&[("ClientToken", "t"), ("VpnPort", "1194")]), "IdempotentParameterMismatch");
}

#[test]
fn endpoints_are_found_by_id_filter_and_tag() {
    let lab = Lab::new();
    let tagged = [
        ("TransportProtocol", "tcp"),
        ("TagSpecification.1.ResourceType", "client-vpn-endpoint"),
        ("TagSpecification.1.Tag.1.Key", "team"),
        ("TagSpecification.1.Tag.1.Value", "net"),
    ];
    let (tcp, udp) = (lab.create(&tagged), lab.create(&[]));
    let found = |name: &str, value: &str| {
        let answer = lab.api.call("DescribeClientVpnEndpoints", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        let ids = answer["ClientVpnEndpoints"].as_array().unwrap().clone();
        ids.iter().map(|endpoint| text(&endpoint["ClientVpnEndpointId"])).collect::<Vec<_>>()
    };
    assert_eq!(found("transport-protocol", "tcp"), vec![tcp.clone()]);
    assert_eq!(found("endpoint-id", &udp), vec![udp.clone()]);
    assert_eq!(found("tag:team", "net"), vec![tcp.clone()]);
    lab.api.call("CreateTags", &[("ResourceId.1", &*udp), ("Tag.1.Key", "team"), ("Tag.1.Value", "net")]).unwrap();
    assert_eq!(found("tag:team", "net").len(), 2);
    let code = |id| lab.api.code("DescribeClientVpnEndpoints", &[("ClientVpnEndpointId.1", id)]);
    assert_eq!(code("cvpn-endpoint-x"), "InvalidClientVpnEndpointId.Malformed");
    assert_eq!(code("cvpn-endpoint-1a2b3c4d"), "InvalidClientVpnEndpointId.NotFound");
    assert_eq!(
        lab.api.code("DescribeClientVpnEndpoints", &[("Filter.1.Name", "x"), ("Filter.1.Value.1", "y")]),
        "InvalidParameterValue"
    );
}

#[test]
fn a_target_network_has_an_interface_and_routes() {
    let lab = Lab::new();
    let (endpoint, association) = lab.associated();
    let networks = lab.api.call("DescribeClientVpnTargetNetworks", &[("ClientVpnEndpointId", &endpoint)]).unwrap();
    let network = &networks["ClientVpnTargetNetworks"][0];
    assert_eq!(network["AssociationId"], association);
    assert_eq!(network["TargetNetworkId"], lab.first);
    assert_eq!(network["Status"]["Code"], "associated");
    assert_eq!(network["SecurityGroups"].as_array().unwrap().len(), 1, "the VPC's default group");
    let routes = lab.routes(&endpoint);
    assert_eq!(routes.len(), 1);
    assert_eq!(
        (&routes[0]["DestinationCidr"], &routes[0]["Origin"], &routes[0]["TargetSubnet"], &routes[0]["Status"]["Code"]),
        (&json!("10.0.0.0/16"), &json!("associate"), &json!(lab.first), &json!("active"))
    );
    let in_subnet = [("Filter.1.Name", "subnet-id"), ("Filter.1.Value.1", &*lab.first)];
    let enis = lab.api.call("DescribeNetworkInterfaces", &in_subnet).unwrap();
    let eni = &enis["NetworkInterfaces"][0];
    assert_eq!(eni["RequesterManaged"], true);
    let eni = text(&eni["NetworkInterfaceId"]);
    assert_eq!(lab.api.code("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]), "OperationNotPermitted");
    assert_eq!(lab.api.code("DeleteSubnet", &[("SubnetId", &lab.first)]), "DependencyViolation");
    assert_eq!(lab.api.code("DeleteClientVpnEndpoint", &[("ClientVpnEndpointId", &endpoint)]), "DependencyViolation");

    let gone = [("ClientVpnEndpointId", &*endpoint), ("AssociationId", &association)];
    let answer = lab.api.call("DisassociateClientVpnTargetNetwork", &gone).unwrap();
    assert_eq!(answer, json!({"AssociationId": association, "Status": {"Code": "disassociating"}}));
    assert_eq!(lab.api.code("DisassociateClientVpnTargetNetwork", &gone), "InvalidClientVpnAssociationIdNotFound");
    assert_eq!(lab.endpoint(&endpoint)["Status"]["Code"], "pending-associate");
    assert_eq!(lab.endpoint(&endpoint)["VpcId"], Value::Null);
    assert!(lab.routes(&endpoint).is_empty());
    lab.api.call("DeleteSubnet", &[("SubnetId", &lab.first)]).unwrap();
    let answer = lab.api.call("DeleteClientVpnEndpoint", &[("ClientVpnEndpointId", &endpoint)]).unwrap();
    assert_eq!(answer["Status"]["Code"], "deleting");
    assert_eq!(lab.endpoint(&endpoint)["Status"]["Code"], "deleted");
    assert_eq!(lab.endpoint(&endpoint)["DeletionTime"], "2026-09-21T14:14:02");
    assert_eq!(lab.associate_code(&endpoint, &lab.beside), "InvalidClientVpnEndpointId.NotFound");
    let code = lab.api.code("DescribeClientVpnRoutes", &[("ClientVpnEndpointId", &endpoint)]);
    assert_eq!(code, "InvalidClientVpnEndpointId.NotFound");
}

#[test]
fn one_subnet_of_each_zone_of_one_vpc_is_a_target() {
    let lab = Lab::new();
    let (endpoint, _) = lab.associated();
    assert_eq!(lab.associate_code(&endpoint, &lab.first), "InvalidClientVpnDuplicateAssociationException");
    assert_eq!(lab.associate_code(&endpoint, &lab.beside), "InvalidClientVpnSubnetId.DuplicateAz");
    assert_eq!(lab.associate_code(&endpoint, "subnet-1a2b3c4d"), "InvalidClientVpnSubnetId.NotFound");
    assert_eq!(lab.associate_code(&endpoint, "subnet-x"), "InvalidSubnetID.Malformed");
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    let elsewhere = subnet(&lab.api, &other, "10.9.0.0/24", "us-east-1c");
    assert_eq!(lab.associate_code(&endpoint, &elsewhere), "InvalidClientVpnSubnetId.NotFound");
    lab.associate(&endpoint, &lab.other_zone);
    assert_eq!(lab.routes(&endpoint).len(), 2);
    let bound = lab.create(&[("VpcId", &lab.vpc)]);
    assert_eq!(lab.associate_code(&bound, &elsewhere), "InvalidClientVpnSubnetId.NotFound");
    let small = subnet(&lab.api, &lab.vpc, "10.0.9.0/28", "us-east-1c");
    assert_eq!(lab.associate_code(&bound, &small), "InvalidParameterValue");
    let wrong = [("ClientVpnEndpointId", &*endpoint), ("AssociationIds.1", "cvpn-assoc-1a2b3c4d")];
    assert_eq!(lab.api.code("DescribeClientVpnTargetNetworks", &wrong), "InvalidClientVpnAssociationIdNotFound");
    let named = [("ClientVpnEndpointId", &*endpoint), ("Filter.1.Name", "target-network-id"), ("Filter.1.Value.1", &*lab.first)];
    let found = lab.api.call("DescribeClientVpnTargetNetworks", &named).unwrap();
    assert_eq!(found["ClientVpnTargetNetworks"].as_array().unwrap().len(), 1);
}

#[test]
fn a_subnet_of_another_account_is_no_target() {
    let lab = Lab::new();
    let endpoint = lab.create(&[]);
    let theirs = |action: &str, more: &str| {
        let body = format!("Action={action}&Version=2016-11-15&{more}");
        crate::client::decode(action, &lab.api.raw_as("999999999999", "us-east-1", &body).body).unwrap()
    };
    let vpc = text(&theirs("CreateVpc", "CidrBlock=10.3.0.0%2F16")["Vpc"]["VpcId"]);
    let subnet = text(&theirs("CreateSubnet", &format!("VpcId={vpc}&CidrBlock=10.3.0.0%2F24"))["Subnet"]["SubnetId"]);
    assert_eq!(lab.associate_code(&endpoint, &subnet), "InvalidClientVpnSubnetId.DifferentAccount");
}

#[test]
fn routes_lead_into_associated_subnets_or_to_other_clients() {
    let lab = Lab::new();
    let (endpoint, association) = lab.associated();
    let route = |block: &'static str, target: &str| {
        let parameters = [("ClientVpnEndpointId", &*endpoint), ("DestinationCidrBlock", block), ("TargetVpcSubnetId", target)];
        lab.api.call("CreateClientVpnRoute", &parameters)
    };
    let code = |block: &'static str, target: &str| route(block, target).unwrap_err().code.into_owned();
    assert_eq!(route("0.0.0.0/0", &lab.first).unwrap()["Status"]["Code"], "creating");
    assert_eq!(code("0.0.0.0/0", &lab.first), "InvalidClientVpnDuplicateRoute");
    assert_eq!(code("10.0.0.0/16", &lab.first), "InvalidClientVpnDuplicateRoute");
    assert_eq!(code("192.168.0.0/16", &lab.other_zone), "InvalidClientVpnActiveAssociationNotFound");
    assert_eq!(code("172.16.0.0/24", &lab.first), "InvalidParameterValue");
    assert_eq!(code("172.16.0.0/12", &lab.first), "InvalidParameterValue");
    assert_eq!(code("192.168.0.1/16", &lab.first), "InvalidParameterValue");
    assert_eq!(code("2001:db8::/32", &lab.first), "InvalidParameterValue");
    assert_eq!(code("192.168.0.0/16", "local"), "InvalidParameterValue");
    route("172.16.0.0/22", "local").unwrap();
    let added = lab.routes(&endpoint).into_iter().filter(|route| route["Origin"] == "add-route").collect::<Vec<_>>();
    assert_eq!(added.iter().map(|route| text(&route["TargetSubnet"])).collect::<Vec<_>>(), [lab.first.clone(), "local".into()]);
    let by_origin = [("ClientVpnEndpointId", &*endpoint), ("Filter.1.Name", "origin"), ("Filter.1.Value.1", "associate")];
    assert_eq!(lab.api.call("DescribeClientVpnRoutes", &by_origin).unwrap()["Routes"].as_array().unwrap().len(), 1);
    let delete = |block, target: &str| {
        let parameters = [("ClientVpnEndpointId", &*endpoint), ("DestinationCidrBlock", block), ("TargetVpcSubnetId", target)];
        lab.api.call("DeleteClientVpnRoute", &parameters)
    };
    assert_eq!(delete("10.0.0.0/16", &lab.first).unwrap_err().code, "OperationNotPermitted");
    assert_eq!(delete("10.1.0.0/16", &lab.first).unwrap_err().code, "InvalidClientVpnRouteNotFound");
    assert_eq!(delete("172.16.0.0/22", "local").unwrap()["Status"]["Code"], "deleting");
    // Those through a subnet go with its association.
    let gone = [("ClientVpnEndpointId", &*endpoint), ("AssociationId", &association)];
    lab.api.call("DisassociateClientVpnTargetNetwork", &gone).unwrap();
    assert!(lab.routes(&endpoint).is_empty());
}

#[test]
fn authorization_rules_are_for_a_group_or_for_all() {
    let lab = Lab::new();
    let endpoint = lab.create(&[]);
    let call = |action: &str, more: &[(&str, &str)]| {
        let mut parameters = vec![("ClientVpnEndpointId", &*endpoint), ("TargetNetworkCidr", "10.0.0.0/16")];
        parameters.extend(more);
        lab.api.call(action, &parameters)
    };
    let code = |action: &str, more: &[(&str, &str)]| call(action, more).unwrap_err().code.into_owned();
    let (group, all) = (("AccessGroupId", "dev"), ("AuthorizeAllGroups", "true"));
    assert_eq!(call("AuthorizeClientVpnIngress", &[group, ("Description", "d")]).unwrap()["Status"]["Code"], "authorizing");
    call("AuthorizeClientVpnIngress", &[all]).unwrap();
    assert_eq!(code("AuthorizeClientVpnIngress", &[group]), "InvalidClientVpnDuplicateAuthorizationRule");
    assert_eq!(code("AuthorizeClientVpnIngress", &[all]), "InvalidClientVpnDuplicateAuthorizationRule");
    assert_eq!(code("AuthorizeClientVpnIngress", &[group, all]), "InvalidParameterCombination");
    assert_eq!(code("AuthorizeClientVpnIngress", &[]), "MissingParameter");
    let long = "g".repeat(256);
    assert_eq!(code("AuthorizeClientVpnIngress", &[("AccessGroupId", &long)]), "InvalidParameterValue");
    let rules = |more: &[(&str, &str)]| {
        let mut parameters = vec![("ClientVpnEndpointId", &*endpoint)];
        parameters.extend(more);
        lab.api.call("DescribeClientVpnAuthorizationRules", &parameters).unwrap()["AuthorizationRules"]
            .as_array()
            .unwrap()
            .clone()
    };
    assert_eq!(
        rules(&[("Filter.1.Name", "group-id"), ("Filter.1.Value.1", "dev")]),
        [json!({
            "ClientVpnEndpointId": endpoint, "Description": "d", "GroupId": "dev", "AccessAll": false,
            "DestinationCidr": "10.0.0.0/16", "Status": {"Code": "active"}
        })]
    );
    assert_eq!(rules(&[]).len(), 2);
    assert_eq!(call("RevokeClientVpnIngress", &[("RevokeAllGroups", "true")]).unwrap()["Status"]["Code"], "revoking");
    assert_eq!(
        code("RevokeClientVpnIngress", &[("RevokeAllGroups", "true")]),
        "InvalidClientVpnEndpointAuthorizationRuleNotFound"
    );
    assert_eq!(rules(&[])[0]["GroupId"], "dev", "the group's own rule stays");
    call("RevokeClientVpnIngress", &[group]).unwrap();
    assert!(rules(&[]).is_empty());
}

#[test]
fn rules_come_in_pages_although_many_have_one_destination() {
    let lab = Lab::new();
    let endpoint = lab.create(&[]);
    for number in 0..12 {
        let group = format!("g{number}");
        let rule = [("ClientVpnEndpointId", &*endpoint), ("TargetNetworkCidr", "10.0.0.0/16"), ("AccessGroupId", &group)];
        lab.api.call("AuthorizeClientVpnIngress", &rule).unwrap();
    }
    let (mut seen, mut token) = (0, String::new());
    loop {
        let mut page = vec![("ClientVpnEndpointId", &*endpoint), ("MaxResults", "5")];
        if !token.is_empty() {
            page.push(("NextToken", &token));
        }
        let answer = lab.api.call("DescribeClientVpnAuthorizationRules", &page).unwrap();
        seen += answer["AuthorizationRules"].as_array().unwrap().len();
        match answer["NextToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 12);
}

#[test]
fn the_endpoint_s_groups_are_on_its_interfaces() {
    let lab = Lab::new();
    let (one, two) = (group(&lab, "one"), group(&lab, "two"));
    let endpoint = lab.create(&[("VpcId", &lab.vpc), ("SecurityGroupId.1", &one)]);
    assert_eq!(lab.api.code("DeleteSecurityGroup", &[("GroupId", &one)]), "DependencyViolation");
    let apply = [("ClientVpnEndpointId", &*endpoint), ("VpcId", &*lab.vpc), ("SecurityGroupId.1", &*two)];
    let code = lab.api.code("ApplySecurityGroupsToClientVpnTargetNetwork", &apply);
    assert_eq!(code, "InvalidClientVpnActiveAssociationNotFound");
    lab.associate(&endpoint, &lab.first);
    let on_interface = || {
        let in_subnet = [("Filter.1.Name", "subnet-id"), ("Filter.1.Value.1", &*lab.first)];
        let enis = lab.api.call("DescribeNetworkInterfaces", &in_subnet).unwrap();
        text(&enis["NetworkInterfaces"][0]["Groups"][0]["GroupId"])
    };
    assert_eq!(on_interface(), one);
    let answer = lab.api.call("ApplySecurityGroupsToClientVpnTargetNetwork", &apply).unwrap();
    assert_eq!(answer, json!({"SecurityGroupIds": [two]}));
    assert_eq!(on_interface(), two);
    lab.api.call("DeleteSecurityGroup", &[("GroupId", &one)]).unwrap();
    let modify = [("ClientVpnEndpointId", &*endpoint), ("VpcId", &*lab.vpc), ("SecurityGroupId.1", &*one)];
    assert_eq!(lab.api.code("ModifyClientVpnEndpoint", &modify), "InvalidGroup.NotFound");
    let unknown = [("ClientVpnEndpointId", &*endpoint), ("VpcId", "vpc-1a2b3c4d"), ("SecurityGroupId.1", &*two)];
    assert_eq!(lab.api.code("ApplySecurityGroupsToClientVpnTargetNetwork", &unknown), "InvalidVpcID.NotFound");
}

#[test]
fn settings_change_one_by_one() {
    let lab = Lab::new();
    let endpoint = lab.create(&[("DnsServers.1", "10.0.0.2"), ("Description", "before")]);
    let modify = |more: &[(&str, &str)]| {
        let mut parameters = vec![("ClientVpnEndpointId", &*endpoint)];
        parameters.extend(more);
        lab.api.call("ModifyClientVpnEndpoint", &parameters)
    };
    assert_eq!(modify(&[("SplitTunnel", "true"), ("VpnPort", "1194")]).unwrap()["Return"], true);
    let after = lab.endpoint(&endpoint);
    assert_eq!((&after["SplitTunnel"], &after["VpnPort"]), (&json!(true), &json!(1194)));
    assert_eq!((&after["Description"], &after["DnsServers"]), (&json!("before"), &json!(["10.0.0.2"])));
    modify(&[("DnsServers.Enabled", "false"), ("Description", "")]).unwrap();
    assert_eq!(lab.endpoint(&endpoint)["DnsServers"], json!([]));
    assert_eq!(lab.endpoint(&endpoint)["Description"], "");
    let banner = [("ClientLoginBannerOptions.Enabled", "true"), ("ClientLoginBannerOptions.BannerText", "hello")];
    modify(&banner).unwrap();
    let after = lab.endpoint(&endpoint);
    assert_eq!(after["ClientLoginBannerOptions"], json!({"Enabled": true, "BannerText": "hello"}));
    let code = |more: &[(&str, &str)]| modify(more).unwrap_err().code.into_owned();
    assert_eq!(code(&[("VpnPort", "80")]), "InvalidParameterValue");
    assert_eq!(code(&[("ServerCertificateArn", "arn:aws:acm:us-east-1:123456789012:certificate/x")]), "InvalidParameterValue");
    assert_eq!(code(&[("SecurityGroupId.1", "sg-1a2b3c4d")]), "MissingParameter");
    assert_eq!(lab.api.code("ModifyClientVpnEndpoint", &[("ClientVpnEndpointId", "x")]), "InvalidClientVpnEndpointId.Malformed");
    lab.associate(&endpoint, &lab.first);
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.9.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    assert_eq!(code(&[("VpcId", &other)]), "InvalidParameterValue");
}

#[test]
fn people_with_names_may_fetch_their_configuration_themselves() {
    let lab = Lab::new();
    let endpoint = lab.create(&[
        ("Authentication.2.Type", "federated-authentication"),
        ("Authentication.2.FederatedAuthentication.SAMLProviderArn", "arn:aws:iam::123456789012:saml-provider/people"),
    ]);
    let url = text(&lab.endpoint(&endpoint)["SelfServicePortalUrl"]);
    assert!(url.ends_with(&format!("/endpoints/{endpoint}")), "{url}");
    let modify = [("ClientVpnEndpointId", &*endpoint), ("SelfServicePortal", "disabled")];
    lab.api.call("ModifyClientVpnEndpoint", &modify).unwrap();
    assert_eq!(lab.endpoint(&endpoint)["SelfServicePortalUrl"], Value::Null);
    let certificates = lab.create(&[("SelfServicePortal", "enabled")]);
    assert_eq!(lab.endpoint(&certificates)["SelfServicePortalUrl"], Value::Null);
}

#[test]
fn the_configuration_is_openvpn_s() {
    let lab = Lab::new();
    let endpoint = lab.create(&[("TransportProtocol", "tcp"), ("VpnPort", "1194")]);
    let answer = lab.api.call("ExportClientVpnClientConfiguration", &[("ClientVpnEndpointId", &endpoint)]).unwrap();
    let configuration = text(&answer["ClientConfiguration"]);
    let lines: Vec<&str> = configuration.lines().collect();
    let remote = format!("remote {endpoint}.prod.clientvpn.us-east-1.amazonaws.com 1194");
    for line in [
        "client",
        "dev tun",
        "proto tcp",
        &remote,
        "remote-random-hostname",
        "remote-cert-tls server",
        "cipher AES-256-GCM",
        "reneg-sec 0",
        "verify-x509-name vpn.example.com name",
    ] {
        assert!(lines.contains(&line), "{line} in {configuration}");
    }
    let authority = configuration.split("<ca>\n").nth(1).unwrap().split("</ca>").next().unwrap();
    assert_eq!(authority, AUTHORITY);
    let code = lab.api.code("ExportClientVpnClientConfiguration", &[("ClientVpnEndpointId", "cvpn-endpoint-1a2b3c4d")]);
    assert_eq!(code, "InvalidClientVpnEndpointId.NotFound");
}

#[test]
fn a_revocation_list_is_read_before_it_is_kept() {
    let lab = Lab::new();
    let endpoint = lab.create(&[]);
    let import = |list: &str| {
        let parameters = [("ClientVpnEndpointId", &*endpoint), ("CertificateRevocationList", list)];
        lab.api.call("ImportClientVpnClientCertificateRevocationList", &parameters)
    };
    let export = || {
        let parameters = [("ClientVpnEndpointId", &*endpoint)];
        lab.api.call("ExportClientVpnClientCertificateRevocationList", &parameters).unwrap()
    };
    assert_eq!(export(), json!({}));
    let broken = REVOKED.replace("\nM", "\nA");
    for list in [SERVER, "nothing", &broken, &REVOKED.repeat(2), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"] {
        assert_eq!(import(list).unwrap_err().code, "InvalidParameterValue", "{list}");
    }
    assert_eq!(export(), json!({}));
    assert_eq!(import(REVOKED).unwrap()["Return"], true);
    assert_eq!(export()["CertificateRevocationList"], REVOKED);
    assert_eq!(export()["Status"]["Code"], "active");
}

#[test]
fn nobody_is_connected() {
    let lab = Lab::new();
    let (endpoint, _) = lab.associated();
    let answer = lab.api.call("DescribeClientVpnConnections", &[("ClientVpnEndpointId", &endpoint)]).unwrap();
    assert_eq!(answer["Connections"], json!([]));
    let code = |more: &[(&str, &str)]| {
        let mut parameters = vec![("ClientVpnEndpointId", &*endpoint)];
        parameters.extend(more);
        lab.api.code("TerminateClientVpnConnections", &parameters)
    };
    assert_eq!(code(&[("ConnectionId", "cvpn-connection-1a2b3c4d")]), "InvalidClientVpnConnection.IdNotFound");
    assert_eq!(code(&[("ConnectionId", "x")]), "InvalidClientVpnConnection.IdMalformed");
    assert_eq!(code(&[("Username", "alice")]), "InvalidClientVpnConnection.UserNotFound");
    assert_eq!(code(&[]), "MissingParameter");
    assert_eq!(code(&[("ConnectionId", "x"), ("Username", "alice")]), "InvalidParameterCombination");
}
