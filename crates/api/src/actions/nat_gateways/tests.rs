#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::Api;
use crate::testing::api;

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A VPC 10.0.0.0/16 with an internet gateway and a subnet.
struct Lab {
    api: Api,
    vpc: String,
    subnet: String,
    internet: String,
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let vpc = text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
        let subnet = [("VpcId", &*vpc), ("CidrBlock", "10.0.1.0/24"), ("AvailabilityZone", "us-east-1a")];
        let subnet = text(&api.call("CreateSubnet", &subnet).unwrap()["Subnet"]["SubnetId"]);
        let internet = text(&api.call("CreateInternetGateway", &[]).unwrap()["InternetGateway"]["InternetGatewayId"]);
        api.call("AttachInternetGateway", &[("InternetGatewayId", &internet), ("VpcId", &vpc)]).unwrap();
        Self { api, vpc, subnet, internet }
    }

    fn eip(&self) -> String {
        text(&self.api.call("AllocateAddress", &[]).unwrap()["AllocationId"])
    }

    fn create(&self, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let answer = self.api.call("CreateNatGateway", parameters).map_err(|error| error.code.into_owned())?;
        Ok(answer["NatGateway"].clone())
    }

    fn public(&self, allocation: &str) -> Value {
        self.create(&[("SubnetId", &self.subnet), ("AllocationId", allocation)]).unwrap()
    }

    fn private(&self) -> String {
        text(&self.create(&[("SubnetId", &self.subnet), ("ConnectivityType", "private")]).unwrap()["NatGatewayId"])
    }

    fn describe(&self, id: &str) -> Value {
        self.api.call("DescribeNatGateways", &[("NatGatewayId.1", id)]).unwrap()["NatGateways"][0].clone()
    }

    fn addresses(&self, id: &str) -> Vec<Value> {
        self.describe(id)["NatGatewayAddresses"].as_array().unwrap().clone()
    }

    fn address(&self, allocation: &str) -> Value {
        self.api.call("DescribeAddresses", &[("AllocationId.1", allocation)]).unwrap()["Addresses"][0].clone()
    }

    fn delete(&self, id: &str) {
        assert_eq!(self.api.call("DeleteNatGateway", &[("NatGatewayId", id)]).unwrap()["NatGatewayId"], *id);
    }

    fn code(&self, action: &str, id: &str, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![("NatGatewayId", id)];
        parameters.extend(more);
        self.api.code(action, &parameters)
    }
}

#[test]
fn a_public_gateway_is_pending_once_and_available_after() {
    let lab = Lab::new();
    let eip = lab.eip();
    let made = lab.public(&eip);
    let id = text(&made["NatGatewayId"]);
    assert_eq!((&made["State"], &made["NatGatewayAddresses"][0]["Status"]), (&json!("pending"), &json!("associating")));
    let shown = lab.describe(&id);
    let address = &lab.address(&eip);
    let eni = text(&address["NetworkInterfaceId"]);
    assert_eq!(
        shown["NatGatewayAddresses"],
        json!([{
            "AllocationId": eip, "NetworkInterfaceId": eni, "PrivateIp": address["PrivateIpAddress"],
            "PublicIp": address["PublicIp"], "AssociationId": address["AssociationId"], "IsPrimary": true,
            "Status": "succeeded", "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az1",
        }])
    );
    assert_eq!(
        (&shown["State"], &shown["ConnectivityType"], &shown["AvailabilityMode"], &shown["SubnetId"], &shown["VpcId"]),
        (&json!("available"), &json!("public"), &json!("zonal"), &json!(lab.subnet), &json!(lab.vpc))
    );
    assert!(shown.get("FailureCode").is_none() && shown.get("DeleteTime").is_none());
    for (name, value) in [("state", "available"), ("subnet-id", &*lab.subnet), ("vpc-id", &*lab.vpc), ("nat-gateway-id", &*id)] {
        let found = lab.api.call("DescribeNatGateways", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).unwrap();
        assert_eq!(found["NatGateways"][0]["NatGatewayId"], *id, "{name}");
    }
}

#[test]
fn the_interface_of_a_gateway_is_amazon_s() {
    let lab = Lab::new();
    let made = lab.public(&lab.eip());
    let id = text(&made["NatGatewayId"]);
    let eni = text(&made["NatGatewayAddresses"][0]["NetworkInterfaceId"]);
    let of_kind = [("Filter.1.Name", "interface-type"), ("Filter.1.Value.1", "nat_gateway")];
    let shown = lab.api.call("DescribeNetworkInterfaces", &of_kind).unwrap()["NetworkInterfaces"][0].clone();
    assert_eq!(shown["NetworkInterfaceId"], *eni);
    assert_eq!(shown["Description"], format!("Interface for NAT Gateway {id}"));
    assert_eq!((&shown["InterfaceType"], &shown["RequesterManaged"]), (&json!("natGateway"), &json!(true)));
    assert_eq!((&shown["Status"], &shown["SourceDestCheck"]), (&json!("in-use"), &json!(false)));
    assert_eq!((&shown["Groups"], &shown["Attachment"]["InstanceOwnerId"]), (&json!([]), &json!("amazon-aws")));
    assert_eq!(shown["Association"]["AllocationId"], made["NatGatewayAddresses"][0]["AllocationId"]);

    let attachment = text(&shown["Attachment"]["AttachmentId"]);
    assert!(attachment.starts_with("ela-attach-"));
    assert_eq!(lab.api.code("DetachNetworkInterface", &[("AttachmentId", &attachment)]), "OperationNotPermitted");
    let eni = ("NetworkInterfaceId", &*eni);
    for (action, more) in [
        ("DeleteNetworkInterface", vec![]),
        ("ModifyNetworkInterfaceAttribute", vec![("Description.Value", "mine")]),
        ("ResetNetworkInterfaceAttribute", vec![("SourceDestCheck", "true")]),
        ("AssignPrivateIpAddresses", vec![("SecondaryPrivateIpAddressCount", "1")]),
        ("UnassignPrivateIpAddresses", vec![("PrivateIpAddress.1", "10.0.1.9")]),
        ("AssignIpv6Addresses", vec![("Ipv6AddressCount", "1")]),
        ("UnassignIpv6Addresses", vec![("Ipv6Addresses.1", "2001:db8::1")]),
        ("AssociateAddress", vec![("AllocationId", &*lab.eip())]),
    ] {
        let mut parameters = vec![eni];
        parameters.extend(more);
        assert_eq!(lab.api.code(action, &parameters), "OperationNotPermitted", "{action}");
    }
}

#[test]
fn a_public_gateway_needs_an_elastic_ip_and_a_private_one_takes_none() {
    let lab = Lab::new();
    let eip = lab.eip();
    let subnet = ("SubnetId", &*lab.subnet);
    let allocation = ("AllocationId", &*eip);
    for (parameters, expected) in [
        (vec![subnet], "MissingParameter"),
        (vec![allocation], "MissingParameter"),
        (vec![subnet, allocation, ("ConnectivityType", "private")], "InvalidParameterCombination"),
        (vec![subnet, allocation, ("ConnectivityType", "open")], "InvalidParameterValue"),
        (vec![subnet, allocation, ("AvailabilityMode", "global")], "InvalidParameterValue"),
        (vec![subnet, allocation, ("VpcId", &lab.vpc)], "InvalidParameterCombination"),
        (vec![subnet, allocation, ("SecondaryPrivateIpAddressCount", "1")], "InvalidParameterCombination"),
        (vec![subnet, allocation, ("SecondaryPrivateIpAddress.1", "10.0.1.9")], "InvalidParameterCombination"),
        (vec![subnet, allocation, ("SecondaryAllocationId.1", &eip)], "InvalidParameterValue"),
        (vec![subnet, allocation, ("PrivateIpAddress", "10.9.9.9")], "InvalidParameterValue"),
        (vec![subnet, ("AllocationId", "eipalloc-1a2b3c4d")], "InvalidElasticIpID.NotFound"),
        (vec![subnet, ("AllocationId", "eipalloc-x")], "InvalidAllocationID.Malformed"),
        (vec![("SubnetId", "subnet-1a2b3c4d"), allocation], "InvalidSubnetID.NotFound"),
        (vec![("SubnetId", "subnet-x"), allocation], "InvalidSubnetID.Malformed"),
    ] {
        assert_eq!(lab.create(&parameters).unwrap_err(), expected, "{parameters:?}");
    }
    assert!(lab.address(&eip).get("AssociationId").is_none(), "a refused call leaves nothing behind");
    let taken = lab.create(&[subnet, ("ConnectivityType", "private"), ("PrivateIpAddress", "10.0.1.77")]).unwrap();
    assert_eq!(taken["NatGatewayAddresses"][0]["PrivateIp"], "10.0.1.77");
    let again = lab.create(&[subnet, ("ConnectivityType", "private"), ("PrivateIpAddress", "10.0.1.77")]);
    assert_eq!(again.unwrap_err(), "InvalidIPAddress.InUse");
}

#[test]
fn a_gateway_that_cannot_work_fails_after_the_answer_and_says_why() {
    let lab = Lab::new();
    let eip = lab.eip();
    lab.public(&eip);
    let second = lab.public(&eip);
    assert_eq!(second["State"], "pending");
    let shown = lab.describe(&text(&second["NatGatewayId"]));
    assert_eq!((&shown["State"], &shown["FailureCode"]), (&json!("failed"), &json!("Resource.AlreadyAssociated")));
    assert_eq!(shown["FailureMessage"], format!("Elastic IP address {eip} is already associated"));
    assert_eq!(shown["NatGatewayAddresses"][0]["Status"], "failed");
    let route = lab.api.call("CreateRouteTable", &[("VpcId", &lab.vpc)]).unwrap();
    let table = text(&route["RouteTable"]["RouteTableId"]);
    let route = [
        ("RouteTableId", &*table),
        ("DestinationCidrBlock", "0.0.0.0/0"),
        ("NatGatewayId", shown["NatGatewayId"].as_str().unwrap()),
    ];
    assert_eq!(lab.api.code("CreateRoute", &route), "NatGatewayNotFound");
    lab.delete(&text(&second["NatGatewayId"]));
    assert_eq!(lab.describe(&text(&second["NatGatewayId"]))["State"], "deleted");

    let island = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    let subnet = [("VpcId", &*island), ("CidrBlock", "10.1.0.0/28")];
    let subnet = text(&lab.api.call("CreateSubnet", &subnet).unwrap()["Subnet"]["SubnetId"]);
    let free = lab.eip();
    let made = lab.create(&[("SubnetId", &subnet), ("AllocationId", &free)]).unwrap();
    let shown = lab.describe(&text(&made["NatGatewayId"]));
    assert_eq!(shown["FailureCode"], "Gateway.NotAttached");
    assert_eq!(shown["FailureMessage"], format!("Network {island} has no Internet gateway attached"));
    assert!(lab.address(&free).get("AssociationId").is_none());

    for _ in 0..11 {
        lab.api.call("CreateNetworkInterface", &[("SubnetId", &subnet)]).unwrap();
    }
    let made = lab.create(&[("SubnetId", &subnet), ("ConnectivityType", "private")]).unwrap();
    assert_eq!(lab.describe(&text(&made["NatGatewayId"]))["FailureCode"], "InsufficientFreeAddressesInSubnet");
}

#[test]
fn deleting_frees_the_elastic_ip_and_leaves_blackholes() {
    let lab = Lab::new();
    let eip = lab.eip();
    let id = text(&lab.public(&eip)["NatGatewayId"]);
    let table = text(&lab.api.call("CreateRouteTable", &[("VpcId", &lab.vpc)]).unwrap()["RouteTable"]["RouteTableId"]);
    let to = |destination: (&str, &str)| {
        lab.api.call("CreateRoute", &[("RouteTableId", &table), destination, ("NatGatewayId", &id)]).map_err(|error| error.code)
    };
    to(("DestinationCidrBlock", "0.0.0.0/0")).unwrap();
    to(("DestinationIpv6CidrBlock", "64:ff9b::/96")).unwrap();
    assert_eq!(to(("DestinationIpv6CidrBlock", "::/0")).unwrap_err(), "InvalidParameterValue");
    let routes =
        || lab.api.call("DescribeRouteTables", &[("RouteTableId.1", &table)]).unwrap()["RouteTables"][0]["Routes"].clone();
    assert_eq!(
        routes()[1],
        json!({"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": id, "Origin": "CreateRoute", "State": "active"})
    );

    let association = text(&lab.address(&eip)["AssociationId"]);
    assert_eq!(lab.api.code("ReleaseAddress", &[("AllocationId", &eip)]), "InvalidIPAddress.InUse");
    assert_eq!(lab.api.code("DisassociateAddress", &[("AssociationId", &association)]), "AuthFailure");
    let eni = lab.api.call("CreateNetworkInterface", &[("SubnetId", &lab.subnet)]).unwrap();
    let eni = text(&eni["NetworkInterface"]["NetworkInterfaceId"]);
    let steal = [("AllocationId", &*eip), ("NetworkInterfaceId", &*eni)];
    assert_eq!(lab.api.code("AssociateAddress", &steal), "Resource.AlreadyAssociated");
    lab.api.call("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]).unwrap();
    assert_eq!(lab.api.code("DeleteSubnet", &[("SubnetId", &lab.subnet)]), "DependencyViolation");
    let detach = [("InternetGatewayId", &*lab.internet), ("VpcId", &*lab.vpc)];
    assert_eq!(lab.api.code("DetachInternetGateway", &detach), "DependencyViolation");

    lab.delete(&id);
    assert_eq!((&routes()[1]["State"], &routes()[2]["State"]), (&json!("blackhole"), &json!("blackhole")));
    let shown = lab.describe(&id);
    assert_eq!((&shown["State"], &shown["NatGatewayAddresses"][0]["AllocationId"]), (&json!("deleted"), &json!(eip)));
    assert!(shown["DeleteTime"].is_string());
    assert!(lab.address(&eip).get("AssociationId").is_none());
    lab.api.call("ReleaseAddress", &[("AllocationId", &eip)]).unwrap();
    lab.api.call("DeleteSubnet", &[("SubnetId", &lab.subnet)]).unwrap();
    lab.api.call("DetachInternetGateway", &detach).unwrap();
    assert_eq!(lab.code("DeleteNatGateway", &id, &[]), "NatGatewayNotFound");
    let again = [("RouteTableId", &*table), ("DestinationCidrBlock", "192.0.2.0/24"), ("NatGatewayId", &*id)];
    assert_eq!(lab.api.code("CreateRoute", &again), "NatGatewayNotFound");
}

#[test]
fn a_local_route_may_be_bent_to_a_gateway_of_the_vpc() {
    let lab = Lab::new();
    let id = lab.private();
    let table = text(&lab.api.call("CreateRouteTable", &[("VpcId", &lab.vpc)]).unwrap()["RouteTable"]["RouteTableId"]);
    let at = |destination| [("RouteTableId", &*table), ("DestinationCidrBlock", destination), ("NatGatewayId", &*id)];
    lab.api.call("CreateRoute", &at("10.0.1.0/24")).unwrap();
    lab.api.call("ReplaceRoute", &at("10.0.0.0/16")).unwrap();
    let associate = [("RouteTableId", &*table), ("GatewayId", &*lab.internet)];
    assert_eq!(lab.api.code("AssociateRouteTable", &associate), "InvalidParameterValue");
    let other = text(&lab.api.call("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).unwrap()["Vpc"]["VpcId"]);
    let foreign = text(&lab.api.call("CreateRouteTable", &[("VpcId", &other)]).unwrap()["RouteTable"]["RouteTableId"]);
    let foreign = [("RouteTableId", &*foreign), ("DestinationCidrBlock", "0.0.0.0/0"), ("NatGatewayId", &*id)];
    assert_eq!(lab.api.code("CreateRoute", &foreign), "InvalidParameterValue");
}

#[test]
fn a_zone_holds_five_gateways_failed_and_deleted_ones_not_counted() {
    let lab = Lab::new();
    let private = [("SubnetId", &*lab.subnet), ("ConnectivityType", "private")];
    let all: Vec<_> = (0..5).map(|_| lab.private()).collect();
    assert_eq!(lab.create(&private).unwrap_err(), "NatGatewayLimitExceeded");
    lab.delete(&all[0]);
    lab.create(&private).unwrap();
}

#[test]
fn a_repeated_client_token_makes_one_gateway() {
    let lab = Lab::new();
    let eip = lab.eip();
    let call =
        |subnet: &str| lab.api.call("CreateNatGateway", &[("SubnetId", subnet), ("AllocationId", &eip), ("ClientToken", "t")]);
    let first = call(&lab.subnet).unwrap();
    assert_eq!(first["ClientToken"], "t");
    assert_eq!(call(&lab.subnet).unwrap(), first);
    assert_eq!(call("subnet-1a2b3c4d").unwrap_err().code, "IdempotentParameterMismatch");
    let dry = [("SubnetId", &*lab.subnet), ("ConnectivityType", "private"), ("DryRun", "true")];
    assert_eq!(lab.api.code("CreateNatGateway", &dry), "DryRunOperation");
    assert_eq!(lab.api.call("DescribeNatGateways", &[]).unwrap()["NatGateways"].as_array().unwrap().len(), 1);
}

#[test]
fn a_public_gateway_takes_and_gives_back_secondary_elastic_ips() {
    let lab = Lab::new();
    let (first, second, third) = (lab.eip(), lab.eip(), lab.eip());
    let id = text(&lab.public(&first)["NatGatewayId"]);
    let associate = |allocation: &str, more: &[(&str, &str)]| {
        let mut parameters = vec![("NatGatewayId", &*id), ("AllocationId.1", allocation)];
        parameters.extend(more);
        lab.api.call("AssociateNatGatewayAddress", &parameters).map_err(|error| error.code.into_owned())
    };
    let added = associate(&second, &[("PrivateIpAddress.1", "10.0.1.50")]).unwrap();
    assert_eq!(added["NatGatewayAddresses"].as_array().unwrap().len(), 1);
    let address = &added["NatGatewayAddresses"][0];
    assert_eq!(
        (&address["Status"], &address["PrivateIp"], &address["IsPrimary"]),
        (&json!("associating"), &json!("10.0.1.50"), &json!(false))
    );
    assert_eq!(lab.addresses(&id)[1]["Status"], "succeeded");
    assert_eq!(lab.address(&second)["PrivateIpAddress"], "10.0.1.50");
    assert_eq!(associate(&third, &[]).unwrap_err(), "AddressLimitExceeded");
    assert_eq!(associate(&second, &[]).unwrap_err(), "Resource.AlreadyAssociated");
    assert_eq!(associate("eipalloc-1a2b3c4d", &[]).unwrap_err(), "InvalidElasticIpID.NotFound");
    assert_eq!(associate(&third, &[("AvailabilityZone", "us-east-1a")]).unwrap_err(), "InvalidParameterCombination");
    assert_eq!(lab.code("AssociateNatGatewayAddress", &id, &[]), "MissingParameter");

    let (primary, secondary) = (text(&lab.addresses(&id)[0]["AssociationId"]), text(&lab.addresses(&id)[1]["AssociationId"]));
    let code = |association: &str| lab.code("DisassociateNatGatewayAddress", &id, &[("AssociationId.1", association)]);
    assert_eq!(code(&primary), "InvalidParameterValue");
    assert_eq!(code("eipassoc-1a2b3c4d"), "InvalidAssociationID.NotFound");
    let slow = [("AssociationId.1", &*secondary), ("MaxDrainDurationSeconds", "4001")];
    assert_eq!(lab.code("DisassociateNatGatewayAddress", &id, &slow), "InvalidParameterValue");
    let gone = [("NatGatewayId", &*id), ("AssociationId.1", &*secondary)];
    let gone = lab.api.call("DisassociateNatGatewayAddress", &gone).unwrap();
    assert_eq!(gone["NatGatewayAddresses"][0]["Status"], "disassociating");
    assert_eq!(lab.addresses(&id).len(), 1);
    assert!(lab.address(&second).get("AssociationId").is_none());
    assert_eq!(lab.code("AssignPrivateNatGatewayAddress", &id, &[("PrivateIpAddressCount", "1")]), "InvalidParameterValue");
    assert_eq!(
        lab.code("UnassignPrivateNatGatewayAddress", &id, &[("PrivateIpAddress.1", "10.0.1.50")]),
        "InvalidParameterValue"
    );
}

#[test]
fn a_private_gateway_has_up_to_eight_addresses() {
    let lab = Lab::new();
    let id = lab.private();
    let assign = |more: &[(&str, &str)]| {
        let mut parameters = vec![("NatGatewayId", &*id)];
        parameters.extend(more);
        lab.api.call("AssignPrivateNatGatewayAddress", &parameters).map_err(|error| error.code.into_owned())
    };
    let added = assign(&[("PrivateIpAddressCount", "6")]).unwrap();
    assert_eq!(added["NatGatewayAddresses"].as_array().unwrap().len(), 6);
    assert_eq!(added["NatGatewayAddresses"][0]["Status"], "assigning");
    assign(&[("PrivateIpAddress.1", "10.0.1.50")]).unwrap();
    assert_eq!(assign(&[("PrivateIpAddressCount", "1")]).unwrap_err(), "PrivateIpAddressLimitExceeded");
    assert_eq!(assign(&[("PrivateIpAddressCount", "2000000000")]).unwrap_err(), "PrivateIpAddressLimitExceeded");
    assert_eq!(assign(&[]).unwrap_err(), "MissingParameter");
    let both = [("PrivateIpAddressCount", "1"), ("PrivateIpAddress.1", "10.0.1.51")];
    assert_eq!(assign(&both).unwrap_err(), "InvalidParameterCombination");

    let unassign = |address: &str| {
        lab.api.call("UnassignPrivateNatGatewayAddress", &[("NatGatewayId", &id), ("PrivateIpAddress.1", address)])
    };
    let gone = unassign("10.0.1.50").unwrap();
    assert_eq!(gone["NatGatewayAddresses"][0]["Status"], "unassigning");
    assert_eq!(unassign("10.0.1.50").unwrap_err().code, "InvalidParameterValue");
    let primary = text(&lab.addresses(&id)[0]["PrivateIp"]);
    assert_eq!(unassign(&primary).unwrap_err().code, "InvalidParameterValue");
    assert_eq!(assign(&[("PrivateIpAddress.1", &primary)]).unwrap_err(), "InvalidIPAddress.InUse");
    assert_eq!(lab.addresses(&id).len(), 7);
    let eip = lab.eip();
    assert_eq!(lab.code("AssociateNatGatewayAddress", &id, &[("AllocationId.1", &eip)]), "InvalidParameterValue");
}

#[test]
fn a_regional_gateway_has_zones_and_a_table_and_no_subnet() {
    let lab = Lab::new();
    let (first, second) = (lab.eip(), lab.eip());
    let made = lab
        .create(&[
            ("AvailabilityMode", "regional"),
            ("VpcId", &lab.vpc),
            ("AvailabilityZoneAddress.1.AvailabilityZone", "us-east-1a"),
            ("AvailabilityZoneAddress.1.AllocationId.1", &first),
        ])
        .unwrap();
    let id = text(&made["NatGatewayId"]);
    let shown = lab.describe(&id);
    assert_eq!(
        (&shown["State"], &shown["AvailabilityMode"], &shown["AutoProvisionZones"], &shown["AutoScalingIps"]),
        (&json!("available"), &json!("regional"), &json!("disabled"), &json!("disabled"))
    );
    assert!(shown.get("SubnetId").is_none() && shown["NatGatewayAddresses"][0].get("PrivateIp").is_none());
    let table = text(&shown["RouteTableId"]);
    let tables = lab.api.call("DescribeRouteTables", &[("RouteTableId.1", &table)]).unwrap()["RouteTables"][0].clone();
    assert_eq!((&tables["Routes"][1]["GatewayId"], &tables["Associations"][0]["GatewayId"]), (&json!(lab.internet), &json!(id)));
    assert_eq!(lab.api.code("DeleteRouteTable", &[("RouteTableId", &table)]), "DependencyViolation");
    let association = text(&tables["Associations"][0]["RouteTableAssociationId"]);
    assert_eq!(lab.api.code("DisassociateRouteTable", &[("AssociationId", &association)]), "InvalidParameterValue");
    assert_eq!(lab.api.code("ReleaseAddress", &[("AllocationId", &first)]), "InvalidIPAddress.InUse");
    let of_address = text(&lab.address(&first)["AssociationId"]);
    assert_eq!(lab.api.code("DisassociateAddress", &[("AssociationId", &of_address)]), "AuthFailure");

    let associate = [("AllocationId.1", &*second)];
    assert_eq!(lab.code("AssociateNatGatewayAddress", &id, &associate), "MissingParameter");
    let associate = [("NatGatewayId", &*id), ("AllocationId.1", &*second), ("AvailabilityZoneId", "use1-az2")];
    let added = lab.api.call("AssociateNatGatewayAddress", &associate).unwrap();
    assert_eq!(added["NatGatewayAddresses"][0]["AvailabilityZone"], "us-east-1b");
    let of_second = text(&lab.address(&second)["AssociationId"]);
    lab.api.call("DisassociateNatGatewayAddress", &[("NatGatewayId", &id), ("AssociationId.1", &of_second)]).unwrap();
    assert!(lab.address(&second).get("AssociationId").is_none());
    assert_eq!(lab.addresses(&id).len(), 1);

    let detach = [("InternetGatewayId", &*lab.internet), ("VpcId", &*lab.vpc)];
    assert_eq!(lab.api.code("DetachInternetGateway", &detach), "DependencyViolation");
    lab.delete(&id);
    assert_eq!(lab.api.code("DescribeRouteTables", &[("RouteTableId.1", &table)]), "InvalidRouteTableID.NotFound");
    lab.api.call("ReleaseAddress", &[("AllocationId", &first)]).unwrap();
    lab.api.call("DetachInternetGateway", &detach).unwrap();
}

#[test]
fn a_regional_gateway_follows_interfaces_into_their_zones() {
    let lab = Lab::new();
    lab.api.call("CreateNetworkInterface", &[("SubnetId", &lab.subnet)]).unwrap();
    let id = text(&lab.create(&[("AvailabilityMode", "regional"), ("VpcId", &lab.vpc)]).unwrap()["NatGatewayId"]);
    let zones = || lab.addresses(&id).iter().map(|address| text(&address["AvailabilityZone"])).collect::<Vec<_>>();
    assert_eq!(zones(), ["us-east-1a"]);
    let subnet = [("VpcId", &*lab.vpc), ("CidrBlock", "10.0.2.0/24"), ("AvailabilityZone", "us-east-1c")];
    let subnet = text(&lab.api.call("CreateSubnet", &subnet).unwrap()["Subnet"]["SubnetId"]);
    lab.api.call("CreateNetworkInterface", &[("SubnetId", &subnet)]).unwrap();
    lab.api.call("CreateNetworkInterface", &[("SubnetId", &subnet)]).unwrap();
    assert_eq!(zones(), ["us-east-1a", "us-east-1c"]);
    let own = text(&lab.addresses(&id)[0]["AllocationId"]);
    assert_eq!(lab.address(&own)["ServiceManaged"], "rnat");
    let eip = lab.eip();
    let more = [("AllocationId.1", &*eip), ("AvailabilityZone", "us-east-1b")];
    assert_eq!(lab.code("AssociateNatGatewayAddress", &id, &more), "InvalidParameterValue");
    lab.delete(&id);
    assert_eq!(lab.api.code("DescribeAddresses", &[("AllocationId.1", &own)]), "InvalidAllocationID.NotFound");
}

#[test]
fn a_regional_gateway_is_public_and_names_each_zone_once() {
    let lab = Lab::new();
    let eip = lab.eip();
    let regional = ("AvailabilityMode", "regional");
    let vpc = ("VpcId", &*lab.vpc);
    let zone = ("AvailabilityZoneAddress.1.AvailabilityZone", "us-east-1a");
    let allocation = ("AvailabilityZoneAddress.1.AllocationId.1", &*eip);
    for (parameters, expected) in [
        (vec![regional], "MissingParameter"),
        (vec![regional, ("VpcId", "vpc-1a2b3c4d")], "InvalidVpcID.NotFound"),
        (vec![regional, vpc, ("ConnectivityType", "private")], "InvalidParameterCombination"),
        (vec![regional, vpc, ("SubnetId", &lab.subnet)], "InvalidParameterCombination"),
        (vec![regional, vpc, ("AllocationId", &eip)], "InvalidParameterCombination"),
        (vec![regional, vpc, allocation], "MissingParameter"),
        (vec![regional, vpc, zone], "MissingParameter"),
        (vec![regional, vpc, allocation, ("AvailabilityZoneAddress.1.AvailabilityZone", "us-east-9z")], "InvalidParameterValue"),
        (
            vec![regional, vpc, zone, allocation, ("AvailabilityZoneAddress.2.AvailabilityZone", "us-east-1a")],
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(lab.create(&parameters).unwrap_err(), expected, "{parameters:?}");
    }
    lab.public(&eip);
    let busy = lab.create(&[regional, vpc, zone, allocation]).unwrap();
    assert_eq!(lab.describe(&text(&busy["NatGatewayId"]))["FailureCode"], "Resource.AlreadyAssociated");
}

#[test]
fn a_gateway_is_tagged_found_and_unknown_by_its_id() {
    let lab = Lab::new();
    let tagged = [
        ("SubnetId", &*lab.subnet),
        ("ConnectivityType", "private"),
        ("TagSpecification.1.ResourceType", "natgateway"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "out"),
    ];
    let id = text(&lab.create(&tagged).unwrap()["NatGatewayId"]);
    let of_kind = [("Filter.1.Name", "resource-type"), ("Filter.1.Value.1", "natgateway")];
    assert_eq!(lab.api.call("DescribeTags", &of_kind).unwrap()["Tags"][0]["ResourceId"], *id);
    let found = lab.api.call("DescribeNatGateways", &[("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "out")]).unwrap();
    assert_eq!(found["NatGateways"].as_array().unwrap().len(), 1);
    for action in ["DescribeNatGateways", "DeleteNatGateway"] {
        let name = if action == "DescribeNatGateways" { "NatGatewayId.1" } else { "NatGatewayId" };
        assert_eq!(lab.api.code(action, &[(name, "nat-1a2b3c4d")]), "NatGatewayNotFound");
        assert_eq!(lab.api.code(action, &[(name, "nat-x")]), "NatGatewayMalformed");
    }
    assert_eq!(lab.api.code("DeleteNatGateway", &[]), "MissingParameter");
    assert_eq!(
        lab.api.code("DescribeNatGateways", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]),
        "InvalidParameterValue"
    );
    assert_eq!(lab.api.code("DescribeNatGateways", &[("MaxResults", "4")]), "InvalidParameterValue");
}
