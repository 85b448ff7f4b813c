#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::Value;

use crate::Api;
use crate::client::{self, ClientError};
use crate::testing::api;

const PROVIDER: &str = "111111111111";
const CONSUMER: &str = "222222222222";
const HOME: &str = "us-east-1";

/// A caller: an account in a region.
#[derive(Clone, Copy)]
struct Caller<'a> {
    api: &'a Api,
    account: &'a str,
    region: &'a str,
}

impl Caller<'_> {
    fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let (service, name) = action.split_once(':').unwrap_or(("ec2", action));
        // The version tells the services apart.
        let version = if service == "ec2" { "2016-11-15" } else { "2015-12-01" };
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", name).append_pair("Version", version).extend_pairs(parameters);
        let response = self.api.raw_as(self.account, self.region, &body.finish());
        client::decode(action, &response.body).map_err(|error| match error {
            ClientError::Refused { code, .. } => code,
            other => panic!("{action}: {other}: {}", response.body),
        })
    }

    fn code(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.call(action, parameters).unwrap_err()
    }

    /// A VPC with a subnet in each of two zones.
    fn vpc(&self) -> (String, [String; 2]) {
        let vpc = text(&self.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        self.call("ModifyVpcAttribute", &[("VpcId", &vpc), ("EnableDnsHostnames.Value", "true")]).unwrap();
        let subnet = |block: &str, zone: char| {
            let zone = format!("{}{zone}", self.region);
            let subnet = self.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", block), ("AvailabilityZone", &zone)]);
            text(&subnet.unwrap()["Subnet"]["SubnetId"])
        };
        let subnets = [subnet("10.0.1.0/24", 'a'), subnet("10.0.2.0/24", 'b')];
        (vpc, subnets)
    }

    fn balancer(&self, name: &str, kind: &str, subnet: &str) -> String {
        let mut parameters = vec![("Name", name), ("Type", kind), ("Subnets.member.1", subnet)];
        parameters.extend((kind == "network").then_some(("Scheme", "internal")));
        text(&self.call("elbv2:CreateLoadBalancer", &parameters).unwrap()["LoadBalancers"][0]["LoadBalancerArn"])
    }

    fn service(&self, balancer: &str, more: &[(&str, &str)]) -> Value {
        let kind = if balancer.contains("/gwy/") { "GatewayLoadBalancerArn.1" } else { "NetworkLoadBalancerArn.1" };
        let mut parameters = vec![(kind, balancer)];
        parameters.extend(more);
        self.call("CreateVpcEndpointServiceConfiguration", &parameters).unwrap()["ServiceConfiguration"].clone()
    }

    fn allow(&self, service: &str, principal: &str) -> Value {
        let parameters = [("ServiceId", service), ("AddAllowedPrincipals.1", principal)];
        self.call("ModifyVpcEndpointServicePermissions", &parameters).unwrap()
    }

    fn endpoint(&self, vpc: &str, service: &str, more: &[(&str, &str)]) -> Result<Value, String> {
        let mut parameters = vec![("VpcId", vpc), ("ServiceName", service)];
        if more.iter().all(|(name, _)| *name != "VpcEndpointType") {
            parameters.push(("VpcEndpointType", "Interface"));
        }
        parameters.extend(more);
        Ok(self.call("CreateVpcEndpoint", &parameters)?["VpcEndpoint"].clone())
    }

    fn state(&self, endpoint: &str) -> String {
        let found = self.call("DescribeVpcEndpoints", &[("VpcEndpointId.1", endpoint)]).unwrap();
        text(&found["VpcEndpoints"][0]["State"])
    }
}

fn provider(api: &Api) -> Caller<'_> {
    Caller { api, account: PROVIDER, region: HOME }
}

fn consumer(api: &Api) -> Caller<'_> {
    Caller { api, account: CONSUMER, region: HOME }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_consumer_sees_a_service_once_permitted_and_gets_in_once_accepted() {
    let api = api();
    let (provider, consumer) = (provider(&api), consumer(&api));
    let (_, subnets) = provider.vpc();
    let made = provider.service(&provider.balancer("a", "network", &subnets[0]), &[]);
    let (id, name) = (text(&made["ServiceId"]), text(&made["ServiceName"]));
    assert_eq!(name, format!("com.amazonaws.vpce.us-east-1.{id}"));
    assert_eq!((&made["ServiceState"], &made["AcceptanceRequired"]), (&"Pending".into(), &true.into()));
    assert_eq!(made["BaseEndpointDnsNames"][0], format!("{id}.us-east-1.vpce.amazonaws.com"));
    assert_eq!(made["AvailabilityZones"], serde_json::json!(["us-east-1a"]));

    let (vpc, theirs) = consumer.vpc();
    assert_eq!(consumer.endpoint(&vpc, &name, &[]).unwrap_err(), "InvalidServiceName");
    assert_eq!(consumer.code("DescribeVpcEndpointServices", &[("ServiceName.1", &name)]), "InvalidServiceName");
    let added = provider.allow(&id, &format!("arn:aws:iam::{CONSUMER}:root"));
    assert_eq!((&added["AddedPrincipals"][0]["PrincipalType"], &added["ReturnValue"]), (&"Account".into(), &true.into()));
    let seen = consumer.call("DescribeVpcEndpointServices", &[("ServiceName.1", &name)]).unwrap()["ServiceDetails"][0].clone();
    assert_eq!((&seen["Owner"], &seen["AcceptanceRequired"]), (&PROVIDER.into(), &true.into()));
    assert_eq!(consumer.endpoint(&vpc, &name, &[("SubnetId.1", &theirs[1])]).unwrap_err(), "InvalidParameter");
    assert_eq!(consumer.endpoint(&vpc, &name, &[("PrivateDnsEnabled", "true")]).unwrap_err(), "InvalidParameter");
    assert_eq!(consumer.endpoint(&vpc, &name, &[("VpcEndpointType", "Gateway")]).unwrap_err(), "InvalidParameter");

    let endpoint = consumer.endpoint(&vpc, &name, &[("SubnetId.1", &theirs[0])]).unwrap();
    let endpoint_id = text(&endpoint["VpcEndpointId"]);
    assert_eq!(endpoint["State"], "pendingAcceptance");
    assert!(text(&endpoint["DnsEntries"][0]["DnsName"]).ends_with(&format!(".{id}.us-east-1.vpce.amazonaws.com")));
    let pending = [("Filter.1.Name", "vpc-endpoint-state"), ("Filter.1.Value.1", "pendingAcceptance")];
    let connection = provider.call("DescribeVpcEndpointConnections", &pending).unwrap()["VpcEndpointConnections"][0].clone();
    assert_eq!((&connection["VpcEndpointId"], &connection["VpcEndpointOwner"]), (&endpoint["VpcEndpointId"], &CONSUMER.into()));
    let none = consumer.call("DescribeVpcEndpointConnections", &[]).unwrap();
    assert_eq!(none["VpcEndpointConnections"], Value::Array(vec![]));

    let both = [("ServiceId", &*id), ("VpcEndpointId.1", &endpoint_id), ("VpcEndpointId.2", "vpce-12345678")];
    let accepted = provider.call("AcceptVpcEndpointConnections", &both).unwrap();
    assert_eq!(accepted["Unsuccessful"][0]["ResourceId"], "vpce-12345678");
    assert_eq!(accepted["Unsuccessful"][0]["Error"]["Code"], "InvalidVpcEndpointId.NotFound");
    assert_eq!(consumer.state(&endpoint_id), "available");
    let again = provider.call("AcceptVpcEndpointConnections", &both[..2]).unwrap();
    assert_eq!(again["Unsuccessful"][0]["Error"]["Code"], "InvalidState");
    assert_eq!(consumer.code("AcceptVpcEndpointConnections", &both[..2]), "InvalidVpcEndpointServiceId.NotFound");

    let remove = [("ServiceId", &*id), ("RemoveAllowedPrincipals.1", "arn:aws:iam::222222222222:root")];
    provider.call("ModifyVpcEndpointServicePermissions", &remove).unwrap();
    assert_eq!(consumer.endpoint(&vpc, &name, &[]).unwrap_err(), "InvalidServiceName");
    assert_eq!(consumer.state(&endpoint_id), "available");
    let gone = provider.call("DeleteVpcEndpointServiceConfigurations", &[("ServiceId.1", &id)]).unwrap();
    assert_eq!(gone["Unsuccessful"][0]["Error"]["Code"], "ExistingVpcEndpointConnections");
    provider.call("RejectVpcEndpointConnections", &both[..2]).unwrap();
    assert_eq!(consumer.state(&endpoint_id), "rejected");
    let gone = provider.call("DeleteVpcEndpointServiceConfigurations", &[("ServiceId.1", &id)]).unwrap();
    assert_eq!(gone["Unsuccessful"], Value::Array(vec![]));
    let gone = provider.call("DeleteVpcEndpointServiceConfigurations", &[("ServiceId.1", &id)]).unwrap();
    assert_eq!(gone["Unsuccessful"][0]["Error"]["Code"], "InvalidVpcEndpointService.NotFound");
    consumer.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &endpoint_id)]).unwrap();
}

#[test]
fn a_private_name_is_for_consumers_once_it_is_verified() {
    let api = api();
    let (provider, consumer) = (provider(&api), consumer(&api));
    let (_, subnets) = provider.vpc();
    let balancer = provider.balancer("a", "network", &subnets[0]);
    let made = provider.service(&balancer, &[("AcceptanceRequired", "false"), ("PrivateDnsName", "api.example.com")]);
    let (id, name) = (text(&made["ServiceId"]), text(&made["ServiceName"]));
    let configuration = &made["PrivateDnsNameConfiguration"];
    assert_eq!((&configuration["State"], &configuration["Type"]), (&"pendingVerification".into(), &"TXT".into()));
    assert!(text(&configuration["Value"]).starts_with("vpce:") && text(&configuration["Name"]).starts_with('_'));
    provider.allow(&id, "*");
    let (vpc, _) = consumer.vpc();
    let private = [("PrivateDnsEnabled", "true")];
    assert_eq!(consumer.endpoint(&vpc, &name, &private).unwrap_err(), "InvalidParameter");
    provider.call("StartVpcEndpointServicePrivateDnsVerification", &[("ServiceId", &id)]).unwrap();
    let endpoint = consumer.endpoint(&vpc, &name, &private).unwrap();
    assert_eq!((&endpoint["State"], &endpoint["DnsEntries"][1]["DnsName"]), (&"pending".into(), &"api.example.com".into()));
    let modify = |more: (&str, &str)| provider.call("ModifyVpcEndpointServiceConfiguration", &[("ServiceId", &*id), more]);
    assert_eq!(modify(("RemovePrivateDnsName", "true")).unwrap_err(), "ExistingVpcEndpointConnections");
    assert_eq!(modify(("RemoveNetworkLoadBalancerArn.1", &balancer)).unwrap_err(), "ExistingVpcEndpointConnections");
    consumer.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &text(&endpoint["VpcEndpointId"]))]).unwrap();
    modify(("RemovePrivateDnsName", "true")).unwrap();
    assert_eq!(modify(("PrivateDnsName", "nodots")).unwrap_err(), "InvalidParameter");
    assert_eq!(provider.code("StartVpcEndpointServicePrivateDnsVerification", &[("ServiceId", &id)]), "InvalidParameter");
}

#[test]
fn a_gateway_load_balancer_endpoint_is_the_target_of_routes() {
    let api = api();
    let provider = provider(&api);
    let (vpc, subnets) = provider.vpc();
    let made = provider.service(&provider.balancer("fw", "gateway", &subnets[0]), &[("AcceptanceRequired", "false")]);
    let name = text(&made["ServiceName"]);
    assert_eq!(made["ServiceType"][0]["ServiceType"], "GatewayLoadBalancer");
    let kind = ("VpcEndpointType", "GatewayLoadBalancer");
    assert_eq!(provider.endpoint(&vpc, &name, &[kind]).unwrap_err(), "InvalidParameter");
    let two = [kind, ("SubnetId.1", &*subnets[0]), ("SubnetId.2", &subnets[1])];
    assert_eq!(provider.endpoint(&vpc, &name, &two).unwrap_err(), "InvalidParameter");
    let endpoint = text(&provider.endpoint(&vpc, &name, &two[..2]).unwrap()["VpcEndpointId"]);
    let interface = text(&provider.endpoint(&vpc, "com.amazonaws.us-east-1.sqs", &[]).unwrap()["VpcEndpointId"]);
    let table = text(&provider.call("CreateRouteTable", &[("VpcId", &vpc)]).unwrap()["RouteTable"]["RouteTableId"]);
    let route = |target: &str| {
        let route = [("RouteTableId", &*table), ("DestinationCidrBlock", "0.0.0.0/0"), ("VpcEndpointId", target)];
        provider.call("CreateRoute", &route).map(|_| ())
    };
    assert_eq!(route(&interface).unwrap_err(), "RouteNotSupported");
    assert_eq!(route("vpce-12345678").unwrap_err(), "InvalidVpcEndpointId.NotFound");
    route(&endpoint).unwrap();
    let routes = || {
        let tables = provider.call("DescribeRouteTables", &[("RouteTableId.1", &table)]).unwrap();
        tables["RouteTables"][0]["Routes"].as_array().unwrap().last().unwrap().clone()
    };
    assert_eq!((&routes()["GatewayId"], &routes()["State"]), (&endpoint.clone().into(), &"active".into()));
    let refused = provider.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &endpoint)]).unwrap();
    assert_eq!(refused["Unsuccessful"][0]["Error"]["Code"], "InvalidParameter");
    let reject = [("ServiceId", &*text(&made["ServiceId"])), ("VpcEndpointId.1", &endpoint)].map(|(k, v)| (k, v.to_owned()));
    provider.call("RejectVpcEndpointConnections", &reject.each_ref().map(|(k, v)| (*k, &**v))).unwrap();
    assert_eq!(routes()["State"], "blackhole");
    provider.call("DeleteRoute", &[("RouteTableId", &table), ("DestinationCidrBlock", "0.0.0.0/0")]).unwrap();
    let gone = provider.call("DeleteVpcEndpoints", &[("VpcEndpointId.1", &endpoint)]).unwrap();
    assert_eq!(gone["Unsuccessful"], Value::Array(vec![]));
}

#[test]
fn a_service_is_reached_from_the_regions_it_names() {
    let api = api();
    let provider = provider(&api);
    let far = Caller { account: CONSUMER, region: "eu-west-1", api: &api };
    let (_, subnets) = provider.vpc();
    let made = provider.service(&provider.balancer("a", "network", &subnets[0]), &[]);
    let (id, name) = (text(&made["ServiceId"]), text(&made["ServiceName"]));
    provider.allow(&id, "*");
    let (vpc, theirs) = far.vpc();
    let more = [("ServiceRegion", HOME), ("SubnetId.1", &*theirs[1])];
    assert_eq!(far.endpoint(&vpc, &name, &more).unwrap_err(), "InvalidServiceName");
    provider.call("ModifyVpcEndpointServiceConfiguration", &[("ServiceId", &id), ("AddSupportedRegion.1", "eu-west-1")]).unwrap();
    assert_eq!(far.endpoint(&vpc, &name, &[]).unwrap_err(), "InvalidServiceName");
    let seen = far.call("DescribeVpcEndpointServices", &[("ServiceRegion.1", HOME)]).unwrap();
    assert_eq!(seen["ServiceDetails"][0]["ServiceRegion"], HOME);
    let endpoint = far.endpoint(&vpc, &name, &more).unwrap();
    assert_eq!((&endpoint["ServiceRegion"], &endpoint["State"]), (&HOME.into(), &"pendingAcceptance".into()));
    let endpoint = text(&endpoint["VpcEndpointId"]);
    let connections = provider.call("DescribeVpcEndpointConnections", &[]).unwrap();
    assert_eq!(connections["VpcEndpointConnections"][0]["VpcEndpointRegion"], "eu-west-1");
    provider.call("AcceptVpcEndpointConnections", &[("ServiceId", &id), ("VpcEndpointId.1", &endpoint)]).unwrap();
    assert_eq!(far.state(&endpoint), "available");
    let remove = [("ServiceId", &*id), ("RemoveSupportedRegion.1", "eu-west-1")];
    assert_eq!(provider.code("ModifyVpcEndpointServiceConfiguration", &remove), "ExistingVpcEndpointConnections");
}

#[test]
fn load_balancers_carry_one_service_and_stay_while_they_do() {
    let api = api();
    let provider = provider(&api);
    let (_, subnets) = provider.vpc();
    let (one, two) = (provider.balancer("one", "network", &subnets[0]), provider.balancer("two", "network", &subnets[1]));
    let gateway = provider.balancer("fw", "gateway", &subnets[0]);
    let id = text(&provider.service(&one, &[])["ServiceId"]);
    for (parameters, code) in [
        (&[][..], "InvalidParameter"),
        (&[("NetworkLoadBalancerArn.1", &*one)], "InvalidParameter"),
        (&[("NetworkLoadBalancerArn.1", &*gateway)], "InvalidParameter"),
        (&[("NetworkLoadBalancerArn.1", "arn:aws:x")], "InvalidParameter"),
        (&[("NetworkLoadBalancerArn.1", &*two), ("GatewayLoadBalancerArn.1", &gateway)], "InvalidParameterCombination"),
        (&[("NetworkLoadBalancerArn.1", &*two), ("SupportedIpAddressType.1", "ipv6")], "InvalidParameter"),
        (&[("NetworkLoadBalancerArn.1", &*two), ("SupportedIpAddressType.1", "dualstack")], "InvalidParameter"),
        (&[("NetworkLoadBalancerArn.1", &*two), ("PrivateDnsName", "-")], "InvalidParameter"),
        (&[("GatewayLoadBalancerArn.1", &*gateway), ("PrivateDnsName", "a.example.com")], "InvalidParameter"),
    ] {
        assert_eq!(provider.code("CreateVpcEndpointServiceConfiguration", parameters), code, "{parameters:?}");
    }
    assert_eq!(provider.code("elbv2:DeleteLoadBalancer", &[("LoadBalancerArn", &one)]), "ResourceInUse");
    let modify = |more: (&str, &str)| provider.call("ModifyVpcEndpointServiceConfiguration", &[("ServiceId", &*id), more]);
    assert_eq!(modify(("RemoveNetworkLoadBalancerArn.1", &one)).unwrap_err(), "InvalidParameter");
    modify(("AddNetworkLoadBalancerArn.1", &two)).unwrap();
    modify(("RemoveNetworkLoadBalancerArn.1", &one)).unwrap();
    assert_eq!(modify(("RemoveSupportedIpAddressType.1", "ipv4")).unwrap_err(), "InvalidParameter");
    modify(("AcceptanceRequired", "false")).unwrap();
    let found = provider.call("DescribeVpcEndpointServiceConfigurations", &[("ServiceId.1", &id)]).unwrap();
    let found = &found["ServiceConfigurations"][0];
    assert_eq!((&found["ServiceState"], &found["AvailabilityZones"][0]), (&"Available".into(), &"us-east-1b".into()));
    provider.call("elbv2:DeleteLoadBalancer", &[("LoadBalancerArn", &one)]).unwrap();
}

#[test]
fn services_and_permissions_are_found_by_id_filter_and_tag() {
    let api = api();
    let provider = provider(&api);
    let (_, subnets) = provider.vpc();
    let balancer = provider.balancer("a", "network", &subnets[0]);
    let tags = [
        ("TagSpecification.1.ResourceType", "vpc-endpoint-service"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "door"),
        ("ClientToken", "t"),
    ];
    let made = provider.service(&balancer, &tags);
    let (id, name) = (text(&made["ServiceId"]), text(&made["ServiceName"]));
    assert_eq!(provider.service(&balancer, &tags)["ServiceId"], id);
    let other = [("NetworkLoadBalancerArn.1", &*balancer), ("ClientToken", "t")];
    assert_eq!(provider.code("CreateVpcEndpointServiceConfiguration", &other), "IdempotentParameterMismatch");
    let describe = "DescribeVpcEndpointServiceConfigurations";
    for (filter, value) in [
        ("service-id", &*id),
        ("service-name", &name),
        ("service-state", "Available"),
        ("supported-ip-address-types", "ipv4"),
        ("tag:Name", "door"),
    ] {
        let found = provider.call(describe, &[("Filter.1.Name", filter), ("Filter.1.Value.1", value)]).unwrap();
        assert_eq!(found["ServiceConfigurations"][0]["ServiceId"], id, "{filter}");
    }
    for action in [describe, "DescribeVpcEndpointServicePermissions"] {
        let parameter = if action == describe { "ServiceId.1" } else { "ServiceId" };
        assert_eq!(provider.code(action, &[(parameter, "vpce-svc-x")]), "InvalidVpcEndpointServiceId.Malformed");
        assert_eq!(provider.code(action, &[(parameter, "vpce-svc-12345678")]), "InvalidVpcEndpointServiceId.NotFound");
    }
    provider.allow(&id, "*");
    let user = "arn:aws:iam::222222222222:user/alice";
    provider.allow(&id, user);
    assert_eq!(provider.allow(&id, user)["AddedPrincipals"], Value::Array(vec![]));
    let users = [("ServiceId", &*id), ("Filter.1.Name", "principal-type"), ("Filter.1.Value.1", "User")];
    let found = provider.call("DescribeVpcEndpointServicePermissions", &users).unwrap()["AllowedPrincipals"].clone();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["Principal"]), (1, &user.into()));
    let wrong = [("ServiceId", &*id), ("AddAllowedPrincipals.1", "alice")];
    assert_eq!(provider.code("ModifyVpcEndpointServicePermissions", &wrong), "InvalidPrincipal");
    assert_eq!(provider.code("ModifyVpcEndpointServicePermissions", &wrong[..1]), "MissingParameter");
}

#[test]
fn connection_notifications_are_kept() {
    let api = api();
    let provider = provider(&api);
    let (_, subnets) = provider.vpc();
    let service = text(&provider.service(&provider.balancer("a", "network", &subnets[0]), &[])["ServiceId"]);
    let topic = "arn:aws:sns:us-east-1:111111111111:events";
    let create = [
        ("ServiceId", &*service),
        ("ConnectionNotificationArn", topic),
        ("ConnectionEvents.1", "Accept"),
        ("ConnectionEvents.2", "Reject"),
    ];
    let made = provider.call("CreateVpcEndpointConnectionNotification", &create).unwrap()["ConnectionNotification"].clone();
    let id = text(&made["ConnectionNotificationId"]);
    assert_eq!((&made["ConnectionNotificationType"], &made["ConnectionNotificationState"]), (&"Topic".into(), &"Enabled".into()));
    let event = [("ConnectionNotificationId", &*id), ("ConnectionEvents.1", "Delete")];
    provider.call("ModifyVpcEndpointConnectionNotification", &event).unwrap();
    let describe = "DescribeVpcEndpointConnectionNotifications";
    let found = provider.call(describe, &[("ConnectionNotificationId", &id)]).unwrap();
    assert_eq!(found["ConnectionNotificationSet"][0]["ConnectionEvents"], serde_json::json!(["Delete"]));
    assert_eq!(provider.code(describe, &[("ConnectionNotificationId", "vpce-nfn-12345678")]), "InvalidConnectionNotification");
    assert_eq!(provider.code(describe, &[("ConnectionNotificationId", "x")]), "InvalidConnectionNotificationId.Malformed");
    for (name, value, code) in [
        ("ConnectionEvents.1", "Sing", "InvalidParameter"),
        ("ConnectionNotificationArn", "arn:aws:sqs:us-east-1:111111111111:q", "InvalidParameter"),
        ("ServiceId", "vpce-svc-12345678", "InvalidVpcEndpointServiceId.NotFound"),
    ] {
        let changed = create.map(|(key, old)| (key, if key == name { value } else { old }));
        assert_eq!(provider.code("CreateVpcEndpointConnectionNotification", &changed), code, "{name}");
    }
    let delete = [("ConnectionNotificationId.1", &*id), ("ConnectionNotificationId.2", "vpce-nfn-12345678")];
    let failed = provider.call("DeleteVpcEndpointConnectionNotifications", &delete).unwrap();
    assert_eq!(failed["Unsuccessful"][0]["Error"]["Code"], "InvalidConnectionNotification");
    assert_eq!(provider.call(describe, &[]).unwrap()["ConnectionNotificationSet"], Value::Array(vec![]));
}
