#![allow(clippy::unwrap_used, reason = "tests")]
use serde_json::Value;

use crate::Api;
use crate::testing::api;

/// A VPC with an internet gateway and two subnets.
struct Lab {
    api: Api,
    vpc: String,
    subnets: [String; 2],
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let vpc = text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        let gateway = text(&api.call("CreateInternetGateway", &[]).unwrap()["InternetGateway"]["InternetGatewayId"]);
        api.call("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &vpc)]).unwrap();
        let subnet = |block: &str, zone: &str| {
            let subnet = api.call("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", block), ("AvailabilityZone", zone)]);
            text(&subnet.unwrap()["Subnet"]["SubnetId"])
        };
        let subnets = [subnet("10.0.1.0/24", "us-east-1a"), subnet("10.0.2.0/24", "us-east-1b")];
        Self { api, vpc, subnets }
    }

    fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        self.api.call(&format!("elbv2:{action}"), parameters).map_err(|error| error.code.into_owned())
    }

    fn code(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.call(action, parameters).unwrap_err()
    }

    fn balancer(&self, name: &str, kind: &str, more: &[(&str, &str)]) -> Result<Value, String> {
        let mut parameters = vec![("Name", name), ("Type", kind), ("Subnets.member.1", &*self.subnets[0])];
        parameters.extend(more);
        Ok(self.call("CreateLoadBalancer", &parameters)?["LoadBalancers"][0].clone())
    }

    fn group(&self, name: &str, protocol: &str, port: &str) -> String {
        let parameters = [("Name", name), ("Protocol", protocol), ("Port", port), ("VpcId", &*self.vpc)];
        text(&self.call("CreateTargetGroup", &parameters).unwrap()["TargetGroups"][0]["TargetGroupArn"])
    }

    fn listener(&self, balancer: &str, protocol: &str, port: &str, group: &str) -> Result<Value, String> {
        let mut parameters = vec![
            ("LoadBalancerArn", balancer),
            ("DefaultActions.member.1.Type", "forward"),
            ("DefaultActions.member.1.TargetGroupArn", group),
        ];
        parameters.extend((!protocol.is_empty()).then_some(("Protocol", protocol)));
        parameters.extend((!port.is_empty()).then_some(("Port", port)));
        Ok(self.call("CreateListener", &parameters)?["Listeners"][0].clone())
    }

    fn interfaces(&self) -> Vec<Value> {
        let filter = [("Filter.1.Name", "requester-managed"), ("Filter.1.Value.1", "true")];
        let found = self.api.call("DescribeNetworkInterfaces", &filter).unwrap();
        found["NetworkInterfaces"].as_array().unwrap().clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_network_load_balancer_has_an_interface_per_subnet_and_a_name() {
    let lab = Lab::new();
    let made = lab.balancer("web", "network", &[("Scheme", "internal"), ("Subnets.member.2", &lab.subnets[1])]).unwrap();
    let arn = text(&made["LoadBalancerArn"]);
    assert!(arn.starts_with("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/web/"), "{arn}");
    let digits = arn.rsplit('/').next().unwrap();
    assert_eq!(made["DNSName"], format!("web-{digits}.elb.us-east-1.amazonaws.com"));
    assert_eq!((&made["State"]["Code"], &made["Scheme"]), (&"provisioning".into(), &"internal".into()));
    let found = lab.call("DescribeLoadBalancers", &[("Names.member.1", "web")]).unwrap()["LoadBalancers"][0].clone();
    assert_eq!((&found["State"]["Code"], &found["LoadBalancerArn"]), (&"active".into(), &made["LoadBalancerArn"]));
    assert_eq!(found["AvailabilityZones"][1]["ZoneName"], "us-east-1b");

    let interfaces = lab.interfaces();
    assert_eq!((interfaces.len(), &interfaces[0]["InterfaceType"]), (2, &"network_load_balancer".into()));
    assert_eq!(interfaces[0]["Description"], format!("ELB net/web/{digits}"));
    assert_eq!(interfaces[0]["Groups"], Value::Array(vec![]));
    assert_eq!(lab.api.code("DeleteSubnet", &[("SubnetId", &lab.subnets[0])]), "DependencyViolation");

    lab.call("SetSubnets", &[("LoadBalancerArn", &arn), ("Subnets.member.1", &lab.subnets[1])]).unwrap();
    assert_eq!(lab.interfaces().len(), 1);
    assert_eq!(
        lab.code("SetSecurityGroups", &[("LoadBalancerArn", &arn), ("SecurityGroups.member.1", "sg-12345678")]),
        "InvalidConfigurationRequest"
    );
    lab.call("DeleteLoadBalancer", &[("LoadBalancerArn", &arn)]).unwrap();
    lab.call("DeleteLoadBalancer", &[("LoadBalancerArn", &arn)]).unwrap();
    assert_eq!(lab.interfaces().len(), 0);
    assert_eq!(lab.code("DescribeLoadBalancers", &[("LoadBalancerArns.member.1", &arn)]), "LoadBalancerNotFound");
}

#[test]
fn addresses_are_chosen_by_mapping() {
    let lab = Lab::new();
    let eip = lab.api.call("AllocateAddress", &[]).unwrap();
    let (allocation, public) = (text(&eip["AllocationId"]), text(&eip["PublicIp"]));
    let mapping = |name: &str, more: &[(&str, &str)]| -> Result<Value, String> {
        let mut parameters = vec![("Name", name), ("Type", "network"), ("SubnetMappings.member.1.SubnetId", &*lab.subnets[0])];
        parameters.extend(more);
        Ok(lab.call("CreateLoadBalancer", &parameters)?["LoadBalancers"][0].clone())
    };
    let outside = mapping("out", &[("SubnetMappings.member.1.AllocationId", &allocation)]).unwrap();
    let address = &outside["AvailabilityZones"][0]["LoadBalancerAddresses"][0];
    assert_eq!((&address["IpAddress"], &address["AllocationId"]), (&public.into(), &allocation.clone().into()));
    assert_eq!(lab.api.code("ReleaseAddress", &[("AllocationId", &allocation)]), "InvalidIPAddress.InUse");
    let inside = mapping("in", &[("Scheme", "internal"), ("SubnetMappings.member.1.PrivateIPv4Address", "10.0.1.50")]).unwrap();
    assert_eq!(inside["AvailabilityZones"][0]["LoadBalancerAddresses"][0]["PrivateIPv4Address"], "10.0.1.50");
    for (more, code) in [
        (&[("SubnetMappings.member.1.AllocationId", "eipalloc-12345678")][..], "AllocationIdNotFound"),
        (&[("SubnetMappings.member.1.AllocationId", &*allocation)], "ResourceInUse"),
        (&[("SubnetMappings.member.1.PrivateIPv4Address", "10.0.1.51")], "ValidationError"),
        (&[("Scheme", "internal"), ("SubnetMappings.member.1.PrivateIPv4Address", "10.0.1.50")], "ValidationError"),
        (&[("Scheme", "internal"), ("SubnetMappings.member.1.PrivateIPv4Address", "10.9.1.50")], "ValidationError"),
        (&[("Scheme", "internal"), ("SubnetMappings.member.1.AllocationId", &*allocation)], "ValidationError"),
        (&[("Subnets.member.1", &*lab.subnets[1])], "ValidationError"),
    ] {
        assert_eq!(mapping("other", more).unwrap_err(), code, "{more:?}");
    }
    lab.call("DeleteLoadBalancer", &[("LoadBalancerArn", &text(&outside["LoadBalancerArn"]))]).unwrap();
    lab.api.call("ReleaseAddress", &[("AllocationId", &allocation)]).unwrap();
}

#[test]
fn the_same_call_again_gives_the_same_load_balancer_and_another_is_refused() {
    let lab = Lab::new();
    let first = lab.balancer("web", "network", &[("Scheme", "internal")]).unwrap();
    let again = lab.balancer("web", "network", &[("Scheme", "internal")]).unwrap();
    assert_eq!(first["LoadBalancerArn"], again["LoadBalancerArn"]);
    assert_eq!(lab.balancer("web", "network", &[]).unwrap_err(), "DuplicateLoadBalancerName");
    let no_gateway = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    let far = lab.api.call("CreateSubnet", &[("VpcId", &no_gateway), ("CidrBlock", "10.1.1.0/24")]).unwrap();
    let far = text(&far["Subnet"]["SubnetId"]);
    let same_zone = lab.api.call("CreateSubnet", &[("VpcId", &lab.vpc), ("CidrBlock", "10.0.3.0/24")]).unwrap();
    let same_zone = text(&same_zone["Subnet"]["SubnetId"]);
    for (name, kind, more, code) in [
        ("-web", "network", ("Scheme", "internal"), "ValidationError"),
        ("w_b", "network", ("Scheme", "internal"), "ValidationError"),
        ("internal-web", "network", ("Scheme", "internal"), "ValidationError"),
        ("x", "network", ("Subnets.member.2", &*far), "InvalidSubnet"),
        ("x", "network", ("Subnets.member.2", &same_zone), "InvalidConfigurationRequest"),
        ("x", "network", ("Subnets.member.2", "subnet-12345678"), "SubnetNotFound"),
        ("x", "network", ("Scheme", "sideways"), "InvalidScheme"),
        ("x", "network", ("IpAddressType", "dualstack"), "InvalidConfigurationRequest"),
        ("x", "network", ("SecurityGroups.member.1", "sg-12345678"), "InvalidSecurityGroup"),
        ("x", "network", ("Tags.member.1.Key", "aws:x"), "ValidationError"),
        ("x", "gateway", ("SecurityGroups.member.1", "sg-12345678"), "ValidationError"),
        ("x", "application", ("Scheme", "internal"), "OperationNotPermitted"),
    ] {
        assert_eq!(lab.balancer(name, kind, &[more]).unwrap_err(), code, "{name} {more:?}");
    }
    let far_only = [("Name", "x"), ("Type", "network"), ("Subnets.member.1", &*far)];
    assert_eq!(lab.code("CreateLoadBalancer", &far_only), "InvalidSubnet");
}

#[test]
fn listeners_join_load_balancers_and_target_groups_of_fitting_protocols() {
    let lab = Lab::new();
    let balancer = text(&lab.balancer("web", "network", &[("Scheme", "internal")]).unwrap()["LoadBalancerArn"]);
    let (tcp, udp) = (lab.group("tcp", "TCP", "80"), lab.group("udp", "UDP", "53"));
    let made = lab.listener(&balancer, "TCP", "80", &tcp).unwrap();
    let listener = text(&made["ListenerArn"]);
    assert!(listener.starts_with(&balancer.replacen(":loadbalancer/", ":listener/", 1)), "{listener}");
    assert_eq!((&made["DefaultActions"][0]["TargetGroupArn"], &made["Port"]), (&tcp.clone().into(), &80.into()));
    assert_eq!(lab.listener(&balancer, "TCP", "80", &tcp).unwrap()["ListenerArn"], made["ListenerArn"]);
    assert_eq!(lab.listener(&balancer, "UDP", "80", &udp).unwrap_err(), "DuplicateListener");
    assert_eq!(lab.listener(&balancer, "TCP", "53", &udp).unwrap_err(), "IncompatibleProtocols");
    assert_eq!(lab.listener(&balancer, "HTTP", "81", &tcp).unwrap_err(), "UnsupportedProtocol");
    assert_eq!(lab.listener(&balancer, "TLS", "443", &tcp).unwrap_err(), "CertificateNotFound");
    assert_eq!(lab.listener(&balancer, "", "443", &tcp).unwrap_err(), "ValidationError");
    assert_eq!(lab.listener(&balancer, "TCP", "70000", &tcp).unwrap_err(), "ValidationError");
    assert_eq!(lab.listener(&balancer, "TCP", "443", "arn:aws:x").unwrap_err(), "TargetGroupNotFound");
    let other = text(&lab.balancer("other", "network", &[("Scheme", "internal")]).unwrap()["LoadBalancerArn"]);
    assert_eq!(lab.listener(&other, "TCP", "80", &tcp).unwrap_err(), "TargetGroupAssociationLimit");
    assert_eq!(lab.listener("arn:aws:x", "TCP", "80", &tcp).unwrap_err(), "LoadBalancerNotFound");

    lab.call("ModifyListener", &[("ListenerArn", &listener), ("Port", "8080")]).unwrap();
    let found = lab.call("DescribeListeners", &[("LoadBalancerArn", &balancer)]).unwrap();
    assert_eq!((&found["Listeners"][0]["Port"], found["Listeners"].as_array().unwrap().len()), (&8080.into(), 1));
    assert_eq!(lab.code("DeleteTargetGroup", &[("TargetGroupArn", &tcp)]), "ResourceInUse");
    let groups = lab.call("DescribeTargetGroups", &[("LoadBalancerArn", &balancer)]).unwrap();
    assert_eq!(groups["TargetGroups"][0]["LoadBalancerArns"][0], balancer);
    let idle = lab.call("DescribeListenerAttributes", &[("ListenerArn", &listener)]).unwrap();
    assert_eq!(idle["Attributes"][0]["Value"], "350");
    lab.call("DeleteListener", &[("ListenerArn", &listener)]).unwrap();
    assert_eq!(lab.code("DeleteListener", &[("ListenerArn", &listener)]), "ListenerNotFound");
    lab.call("DeleteTargetGroup", &[("TargetGroupArn", &tcp)]).unwrap();
    lab.call("DeleteTargetGroup", &[("TargetGroupArn", &tcp)]).unwrap();
    assert_eq!(lab.code("DescribeTargetGroups", &[("TargetGroupArns.member.1", &tcp)]), "TargetGroupNotFound");
    assert_eq!(lab.code("DescribeListeners", &[]), "ValidationError");
}

#[test]
fn a_gateway_load_balancer_listens_to_everything() {
    let lab = Lab::new();
    let made = lab.balancer("fw", "gateway", &[]).unwrap();
    let balancer = text(&made["LoadBalancerArn"]);
    assert!(balancer.contains(":loadbalancer/gwy/fw/") && made.get("DNSName").is_none(), "{made}");
    assert_eq!(lab.interfaces()[0]["InterfaceType"], "gateway_load_balancer");
    let group = lab.group("fw", "GENEVE", "6081");
    let listener = lab.listener(&balancer, "", "", &group).unwrap();
    assert!(listener.get("Port").is_none() && listener.get("Protocol").is_none());
    assert_eq!(lab.listener(&balancer, "TCP", "80", &group).unwrap_err(), "ValidationError");
    let geneve = [("Name", "g"), ("Protocol", "GENEVE"), ("Port", "80"), ("VpcId", &*lab.vpc)];
    assert_eq!(lab.code("CreateTargetGroup", &geneve), "ValidationError");
}

#[test]
fn targets_come_and_go_and_tell_how_they_are() {
    let lab = Lab::new();
    let parameters = [
        ("Name", "ip"),
        ("Protocol", "TCP"),
        ("Port", "80"),
        ("VpcId", &*lab.vpc),
        ("TargetType", "ip"),
        ("HealthCheckProtocol", "HTTP"),
        ("HealthCheckPath", "/up"),
    ];
    let made = lab.call("CreateTargetGroup", &parameters).unwrap()["TargetGroups"][0].clone();
    assert_eq!((&made["HealthCheckTimeoutSeconds"], &made["Matcher"]["HttpCode"]), (&6.into(), &"200-399".into()));
    let group = text(&made["TargetGroupArn"]);
    let target = |id: &str| lab.call("RegisterTargets", &[("TargetGroupArn", &group), ("Targets.member.1.Id", id)]);
    target("10.0.1.20").unwrap();
    assert_eq!(target("10.9.1.20").unwrap_err(), "InvalidTarget");
    assert_eq!(target("8.8.8.8").unwrap_err(), "InvalidTarget");
    assert_eq!(target("i-12345678").unwrap_err(), "InvalidTarget");
    let health = || lab.call("DescribeTargetHealth", &[("TargetGroupArn", &group)]).unwrap();
    let first = health()["TargetHealthDescriptions"][0].clone();
    assert_eq!((&first["Target"]["Port"], &first["TargetHealth"]["Reason"]), (&80.into(), &"Target.NotInUse".into()));
    let balancer = text(&lab.balancer("web", "network", &[("Scheme", "internal")]).unwrap()["LoadBalancerArn"]);
    lab.listener(&balancer, "TCP", "80", &group).unwrap();
    assert_eq!(health()["TargetHealthDescriptions"][0]["TargetHealth"]["State"], "initial");
    lab.call("DeregisterTargets", &[("TargetGroupArn", &group), ("Targets.member.1.Id", "10.0.1.20")]).unwrap();
    assert_eq!(health()["TargetHealthDescriptions"], Value::Array(vec![]));

    lab.call("ModifyTargetGroup", &[("TargetGroupArn", &group), ("HealthCheckIntervalSeconds", "10")]).unwrap();
    for more in [("HealthCheckIntervalSeconds", "4"), ("HealthyThresholdCount", "11"), ("HealthCheckTimeoutSeconds", "60")] {
        assert_eq!(lab.code("ModifyTargetGroup", &[("TargetGroupArn", &group), more]), "ValidationError", "{more:?}");
    }
    let instances = lab.group("instances", "TCP", "80");
    let wrong = [("TargetGroupArn", &*instances), ("Targets.member.1.Id", "i-12345678")];
    assert_eq!(lab.code("RegisterTargets", &wrong), "InvalidTarget");
    let again = [("Name", "instances"), ("Protocol", "TCP"), ("Port", "81"), ("VpcId", &*lab.vpc)];
    assert_eq!(lab.code("CreateTargetGroup", &again), "DuplicateTargetGroupName");
}

#[test]
fn attributes_and_tags_are_kept() {
    let lab = Lab::new();
    let arn = text(&lab.balancer("web", "network", &[("Scheme", "internal")]).unwrap()["LoadBalancerArn"]);
    let set = |key: &str, value: &str| {
        let attribute = [("LoadBalancerArn", &*arn), ("Attributes.member.1.Key", key), ("Attributes.member.1.Value", value)];
        lab.call("ModifyLoadBalancerAttributes", &attribute)
    };
    set("deletion_protection.enabled", "true").unwrap();
    assert_eq!(lab.code("DeleteLoadBalancer", &[("LoadBalancerArn", &arn)]), "OperationNotPermitted");
    assert_eq!(set("deletion_protection.enabled", "perhaps").unwrap_err(), "ValidationError");
    assert_eq!(set("colour", "red").unwrap_err(), "ValidationError");
    set("deletion_protection.enabled", "false").unwrap();
    let tag = [("ResourceArns.member.1", &*arn), ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")];
    lab.call("AddTags", &tag).unwrap();
    let tags = || lab.call("DescribeTags", &[("ResourceArns.member.1", &arn)]).unwrap()["TagDescriptions"][0].clone();
    assert_eq!(tags()["Tags"][0]["Value"], "b");
    lab.call("RemoveTags", &[("ResourceArns.member.1", &arn), ("TagKeys.member.1", "a")]).unwrap();
    assert_eq!(tags()["Tags"], Value::Array(vec![]));
    assert_eq!(lab.code("DescribeTags", &[("ResourceArns.member.1", "arn:aws:s3:::x")]), "ValidationError");
    assert_eq!(lab.code("DescribeTags", &[("ResourceArns.member.1", &arn.replace("/net/", "/net/no"))]), "LoadBalancerNotFound");
    let group = lab.group("g", "TCP", "80");
    let attribute = [
        ("TargetGroupArn", &*group),
        ("Attributes.member.1.Key", "deregistration_delay.timeout_seconds"),
        ("Attributes.member.1.Value", "60"),
    ];
    lab.call("ModifyTargetGroupAttributes", &attribute).unwrap();
    let kept = lab.call("DescribeTargetGroupAttributes", &[("TargetGroupArn", &group)]).unwrap();
    let kept =
        kept["Attributes"].as_array().unwrap().iter().find(|a| a["Key"] == "deregistration_delay.timeout_seconds").cloned();
    assert_eq!(kept.unwrap()["Value"], "60");
    lab.call("DescribeCapacityReservation", &[("LoadBalancerArn", &arn)]).unwrap();
}
