use serde_json::{Value, json};

use super::*;

/// The interfaces of a VPC as `subnet type managed`.
fn interfaces(lab: &Lab, vpc: &str) -> Vec<Value> {
    let found = lab.call("DescribeNetworkInterfaces", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc)]);
    found["NetworkInterfaces"].as_array().unwrap().clone()
}

#[test]
fn an_attachment_is_available_with_an_interface_per_subnet() {
    let lab = Lab::new();
    let parameters = [
        ("TransitGatewayId", &*lab.gateway),
        ("VpcId", &*lab.one.vpc),
        ("SubnetIds.1", &*lab.one.a),
        ("SubnetIds.2", &*lab.one.b),
    ];
    let made = lab.call("CreateTransitGatewayVpcAttachment", &parameters)["TransitGatewayVpcAttachment"].clone();
    let id = text(&made["TransitGatewayAttachmentId"]);
    assert_eq!(made["State"], "pending");
    assert_eq!(made["SubnetIds"], json!([lab.one.a, lab.one.b]));
    assert_eq!(
        made["Options"],
        json!({
            "DnsSupport": "enable", "SecurityGroupReferencingSupport": "enable", "Ipv6Support": "disable",
            "ApplianceModeSupport": "disable",
        })
    );
    let seen = lab.call("DescribeTransitGatewayVpcAttachments", &[("TransitGatewayAttachmentIds.1", &id)]);
    assert_eq!(seen["TransitGatewayVpcAttachments"][0]["State"], "available");
    let table = lab.table();
    assert_eq!(
        lab.attachment(&id),
        json!({
            "TransitGatewayAttachmentId": id, "TransitGatewayId": lab.gateway, "TransitGatewayOwnerId": "111111111111",
            "ResourceOwnerId": "111111111111", "ResourceType": "vpc", "ResourceId": lab.one.vpc, "State": "available",
            "Association": {"TransitGatewayRouteTableId": table, "State": "associated"},
            "CreationTime": made["CreationTime"], "Tags": [],
        })
    );
    let enis = interfaces(&lab, &lab.one.vpc);
    assert_eq!(enis.len(), 2);
    for eni in &enis {
        assert_eq!(eni["InterfaceType"], "transit_gateway");
        assert_eq!(eni["RequesterManaged"], true);
        assert_eq!(eni["Description"], format!("Network Interface for Transit Gateway Attachment {id}"));
        assert_eq!(eni["Groups"], json!([]));
        let eni = text(&eni["NetworkInterfaceId"]);
        assert_eq!(lab.code("DeleteNetworkInterface", &[("NetworkInterfaceId", &eni)]), "OperationNotPermitted");
    }
    // The subnets and the VPC can't go before the attachment.
    assert_eq!(lab.code("DeleteSubnet", &[("SubnetId", &lab.one.a)]), "DependencyViolation");
    let deleted = lab.call("DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &id)]);
    assert_eq!(deleted["TransitGatewayVpcAttachment"]["State"], "deleting");
    assert!(interfaces(&lab, &lab.one.vpc).is_empty());
    let gone = lab.attachment(&id);
    assert_eq!((&gone["State"], &gone["Association"]), (&json!("deleted"), &Value::Null));
    assert_eq!(
        lab.code("DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &id)]),
        "InvalidTransitGatewayAttachmentID.NotFound"
    );
    lab.call("DeleteSubnet", &[("SubnetId", &lab.one.a)]);
}

#[test]
fn a_vpc_has_one_attachment_and_one_subnet_per_zone() {
    let lab = Lab::new();
    let code = |vpc: &str, subnets: &[&str]| {
        let names: Vec<String> = (1..=subnets.len()).map(|n| format!("SubnetIds.{n}")).collect();
        let mut parameters = vec![("TransitGatewayId", &*lab.gateway), ("VpcId", vpc)];
        parameters.extend(names.iter().zip(subnets).map(|(name, subnet)| (&**name, *subnet)));
        lab.code("CreateTransitGatewayVpcAttachment", &parameters)
    };
    let another = [("VpcId", &*lab.one.vpc), ("CidrBlock", "10.1.7.0/24"), ("AvailabilityZone", "us-east-1a")];
    let another = text(&lab.call("CreateSubnet", &another)["Subnet"]["SubnetId"]);
    assert_eq!(code(&lab.one.vpc, &[&lab.one.a, &another]), "DuplicateSubnetsInSameZone");
    assert_eq!(code(&lab.one.vpc, &[&lab.one.a, &lab.one.a]), "DuplicateSubnetsInSameZone");
    assert_eq!(code(&lab.one.vpc, &[&lab.two.a]), "InvalidParameterValue");
    assert_eq!(code(&lab.one.vpc, &["subnet-0123456789abcdef0"]), "InvalidSubnetID.NotFound");
    assert_eq!(code(&lab.one.vpc, &["subnet-zz"]), "InvalidSubnetID.Malformed");
    assert_eq!(code("vpc-0123456789abcdef0", &[&lab.one.a]), "InvalidVpcID.NotFound");
    assert_eq!(code(&lab.one.vpc, &[]), "MissingParameter");
    assert!(interfaces(&lab, &lab.one.vpc).is_empty(), "a refused attachment leaves nothing");
    lab.attach(&lab.one);
    assert_eq!(code(&lab.one.vpc, &[&lab.one.b]), "DuplicateTransitGatewayAttachment");
    let unknown = [("TransitGatewayId", UNKNOWN_GATEWAY), ("VpcId", &*lab.two.vpc), ("SubnetIds.1", &*lab.two.a)];
    assert_eq!(lab.code("CreateTransitGatewayVpcAttachment", &unknown), "InvalidTransitGatewayID.NotFound");
}

#[test]
fn a_subnet_that_is_full_or_has_no_ipv4_takes_no_attachment() {
    let lab = Lab::new();
    let small = [("VpcId", &*lab.one.vpc), ("CidrBlock", "10.1.7.0/28"), ("AvailabilityZone", "us-east-1c")];
    let small = text(&lab.call("CreateSubnet", &small)["Subnet"]["SubnetId"]);
    for _ in 0..11 {
        lab.call("CreateNetworkInterface", &[("SubnetId", &small)]);
    }
    let attach = |subnet: &str| {
        let parameters = [("TransitGatewayId", &*lab.gateway), ("VpcId", &*lab.one.vpc), ("SubnetIds.1", subnet)];
        lab.code("CreateTransitGatewayVpcAttachment", &parameters)
    };
    assert_eq!(attach(&small), "InsufficientFreeAddressesInSubnet");
    let block = lab.call("AssociateVpcCidrBlock", &[("VpcId", &lab.one.vpc), ("AmazonProvidedIpv6CidrBlock", "true")]);
    let block = text(&block["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"]).replace("/56", "/64");
    let native = [("VpcId", &*lab.one.vpc), ("Ipv6CidrBlock", &*block), ("Ipv6Native", "true")];
    let native = text(&lab.call("CreateSubnet", &native)["Subnet"]["SubnetId"]);
    assert_eq!(attach(&native), "InvalidParameterValue");
}

#[test]
fn subnets_and_options_can_be_changed() {
    let lab = Lab::new();
    let id = lab.attach(&lab.one);
    let modify = |parameters: &[(&str, &str)]| {
        let mut all = vec![("TransitGatewayAttachmentId", &*id)];
        all.extend(parameters);
        let done = lab.api.call_as(ALICE, "ModifyTransitGatewayVpcAttachment", &all);
        done.map(|done| done["TransitGatewayVpcAttachment"].clone()).map_err(|error| error.code.into_owned())
    };
    let added = modify(&[("AddSubnetIds.1", &lab.one.b), ("Options.ApplianceModeSupport", "enable")]).unwrap();
    assert_eq!(added["State"], "modifying");
    assert_eq!(added["SubnetIds"], json!([lab.one.a, lab.one.b]));
    assert_eq!(
        (&added["Options"]["ApplianceModeSupport"], &added["Options"]["DnsSupport"]),
        (&json!("enable"), &json!("enable"))
    );
    assert_eq!(interfaces(&lab, &lab.one.vpc).len(), 2);
    assert_eq!(modify(&[("RemoveSubnetIds.1", &lab.one.a)]).unwrap()["SubnetIds"], json!([lab.one.b]));
    assert_eq!(interfaces(&lab, &lab.one.vpc).len(), 1);
    assert_eq!(modify(&[("RemoveSubnetIds.1", &lab.one.a)]).unwrap_err(), "InvalidSubnetID.NotFound");
    assert_eq!(modify(&[("RemoveSubnetIds.1", &lab.one.b)]).unwrap_err(), "InvalidParameterValue");
    assert_eq!(modify(&[("AddSubnetIds.1", &lab.one.b)]).unwrap_err(), "DuplicateSubnetsInSameZone");
    assert_eq!(modify(&[("AddSubnetIds.1", &lab.two.a)]).unwrap_err(), "InvalidParameterValue");
    assert_eq!(interfaces(&lab, &lab.one.vpc).len(), 1, "what was refused changed nothing");
    // A subnet may be exchanged for another of its zone in one call.
    let other = [("VpcId", &*lab.one.vpc), ("CidrBlock", "10.1.7.0/24"), ("AvailabilityZone", "us-east-1b")];
    let other = text(&lab.call("CreateSubnet", &other)["Subnet"]["SubnetId"]);
    let done = modify(&[("RemoveSubnetIds.1", &lab.one.b), ("AddSubnetIds.1", &other)]).unwrap();
    assert_eq!(done["SubnetIds"], json!([other]));
}

#[test]
fn with_ipv6_support_the_interface_has_an_ipv6_address_and_the_block_propagates() {
    let lab = Lab::new();
    let block = lab.call("AssociateVpcCidrBlock", &[("VpcId", &lab.one.vpc), ("AmazonProvidedIpv6CidrBlock", "true")]);
    let block = text(&block["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"]);
    let of_subnet = block.replace("/56", "/64");
    lab.call("AssociateSubnetCidrBlock", &[("SubnetId", &lab.one.a), ("Ipv6CidrBlock", &of_subnet)]);
    let id = lab.attach(&lab.one);
    let seen = || {
        let addresses = interfaces(&lab, &lab.one.vpc)[0]["Ipv6Addresses"].as_array().unwrap().len();
        (addresses, lab.all_routes(&lab.table()).len())
    };
    assert_eq!(seen(), (0, 1));
    for (support, expected) in [("enable", (1, 2)), ("disable", (0, 1))] {
        let parameters = [("TransitGatewayAttachmentId", &*id), ("Options.Ipv6Support", support)];
        lab.call("ModifyTransitGatewayVpcAttachment", &parameters);
        assert_eq!(seen(), expected, "{support}");
    }
}

#[test]
fn another_account_s_vpc_waits_for_the_gateway_s_owner() {
    let lab = Lab::new();
    let site = site(&lab.api, BOB, 7);
    let id = attach(&lab.api, BOB, &lab.gateway, &site);
    let named = [("TransitGatewayAttachmentId", &*id)];
    let state = |caller| {
        let found = lab.api.call_as(caller, "DescribeTransitGatewayVpcAttachments", &[]).unwrap();
        let found = found["TransitGatewayVpcAttachments"][0].clone();
        assert_eq!(found["VpcOwnerId"], "222222222222");
        text(&found["State"])
    };
    assert_eq!((state(ALICE), state(BOB)), ("pendingAcceptance".into(), "pendingAcceptance".into()));
    // Bob sees the gateway that he is attached to; before that he had to know its id.
    let gateways = lab.api.call_as(BOB, "DescribeTransitGateways", &[]).unwrap();
    assert_eq!(ids(&gateways["TransitGateways"], "TransitGatewayId"), std::slice::from_ref(&lab.gateway));
    assert_eq!(gateways["TransitGateways"][0]["OwnerId"], "111111111111");
    // Nothing works with it before it is accepted, and Bob can't do that himself.
    assert_eq!(lab.api.code_as(BOB, "AcceptTransitGatewayVpcAttachment", &named), "OperationNotPermitted");
    assert_eq!(lab.api.code_as(BOB, "RejectTransitGatewayVpcAttachment", &named), "OperationNotPermitted");
    assert_eq!(lab.api.code_as(BOB, "ModifyTransitGatewayVpcAttachment", &named), "IncorrectState");
    let route = [
        ("TransitGatewayRouteTableId", &*lab.table()),
        ("DestinationCidrBlock", "10.9.0.0/16"),
        ("TransitGatewayAttachmentId", &*id),
    ];
    assert_eq!(lab.code("CreateTransitGatewayRoute", &route), "IncorrectState");
    assert!(lab.all_routes(&lab.table()).is_empty());
    let accepted = lab.call("AcceptTransitGatewayVpcAttachment", &named);
    assert_eq!(accepted["TransitGatewayVpcAttachment"]["State"], "pending");
    assert_eq!((state(ALICE), state(BOB)), ("available".into(), "available".into()));
    assert_eq!(lab.code("AcceptTransitGatewayVpcAttachment", &named), "IncorrectState");
    assert_eq!(lab.code("RejectTransitGatewayVpcAttachment", &named), "IncorrectState");
    assert_eq!(lab.all_routes(&lab.table())[0].0, "10.7.0.0/16");
    // Where packets go on the gateway is Alice's business; the VPC is Bob's.
    assert_ne!(lab.attachment(&id)["Association"], Value::Null);
    let bobs = lab.api.call_as(BOB, "DescribeTransitGatewayAttachments", &[]).unwrap();
    assert_eq!(bobs["TransitGatewayAttachments"][0]["Association"], Value::Null);
    assert_eq!(lab.code("ModifyTransitGatewayVpcAttachment", &named), "OperationNotPermitted");
    let tag = [("ResourceId.1", &*id), ("Tag.1.Key", "Name"), ("Tag.1.Value", "bob's")];
    lab.call("CreateTags", &tag);
    let bobs = lab.api.call_as(BOB, "DescribeTransitGatewayAttachments", &[]).unwrap();
    assert_eq!(bobs["TransitGatewayAttachments"][0]["Tags"], json!([]));
    assert_eq!(lab.attachment(&id)["Tags"], json!([{"Key": "Name", "Value": "bob's"}]));
    // Either may end it; Bob's interface goes with it.
    lab.call("DeleteTransitGatewayVpcAttachment", &named);
    lab.api.call_as(BOB, "DeleteSubnet", &[("SubnetId", &site.a)]).unwrap();
}

#[test]
fn a_rejected_attachment_leaves_its_subnets_and_can_be_asked_for_again() {
    let lab = Lab::new();
    let site = site(&lab.api, BOB, 7);
    let id = attach(&lab.api, BOB, &lab.gateway, &site);
    let rejected = lab.call("RejectTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &id)]);
    assert_eq!(rejected["TransitGatewayVpcAttachment"]["State"], "rejecting");
    assert_eq!(lab.attachment(&id)["State"], "rejected");
    assert_ne!(attach(&lab.api, BOB, &lab.gateway, &site), id);
    assert_eq!(
        lab.code("AcceptTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &id)]),
        "InvalidTransitGatewayAttachmentID.NotFound"
    );
    // A gateway of another region can't be named.
    let west = super::site(&lab.api, BOB_WEST, 8);
    let parameters = [("TransitGatewayId", &*lab.gateway), ("VpcId", &*west.vpc), ("SubnetIds.1", &*west.a)];
    let code = lab.api.code_as(BOB_WEST, "CreateTransitGatewayVpcAttachment", &parameters);
    assert_eq!(code, "InvalidTransitGatewayID.NotFound");
}

#[test]
fn with_auto_accept_nobody_waits() {
    let lab = Lab::with(&[("AutoAcceptSharedAttachments", "enable")]);
    let site = site(&lab.api, BOB, 7);
    let id = attach(&lab.api, BOB, &lab.gateway, &site);
    assert_eq!(lab.attachment(&id)["State"], "available");
    assert_eq!(lab.attachment(&id)["ResourceOwnerId"], "222222222222");
}

#[test]
fn a_vpc_is_attached_to_five_gateways_at_most() {
    let api = api();
    let site = site(&api, BOB, 1);
    for owner in ["1", "3", "4", "5", "6"] {
        let owner: &'static str = Box::leak(owner.repeat(12).into_boxed_str());
        attach(&api, BOB, &gateway(&api, (owner, "us-east-1"), &[]), &site);
    }
    let sixth = gateway(&api, BOB, &[]);
    let parameters = [("TransitGatewayId", &*sixth), ("VpcId", &*site.vpc), ("SubnetIds.1", &*site.a)];
    let code = api.code_as(BOB, "CreateTransitGatewayVpcAttachment", &parameters);
    assert_eq!(code, "TransitGatewayAttachmentLimitExceeded");
}

#[test]
fn routes_of_a_vpc_lead_to_gateways_that_it_is_attached_to() {
    let lab = Lab::new();
    let table = || {
        let of_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &*lab.one.vpc)];
        lab.call("DescribeRouteTables", &of_vpc)["RouteTables"][0].clone()
    };
    let rtb = text(&table()["RouteTableId"]);
    let route = |destination: &str| {
        let parameters = [("RouteTableId", &*rtb), ("DestinationCidrBlock", destination), ("TransitGatewayId", &*lab.gateway)];
        lab.api.call_as(ALICE, "CreateRoute", &parameters).map_err(|error| error.code)
    };
    assert_eq!(route("10.0.0.0/8").unwrap_err(), "InvalidTransitGatewayID.NotFound");
    let id = lab.attach(&lab.one);
    route("10.0.0.0/8").unwrap();
    let state = || {
        let routes = table()["Routes"].as_array().unwrap().clone();
        text(&routes.iter().find(|route| route["TransitGatewayId"] == *lab.gateway).unwrap()["State"])
    };
    assert_eq!(state(), "active");
    lab.call("DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &id)]);
    assert_eq!(state(), "blackhole");
}

#[test]
fn every_filter_finds_its_attachments() {
    let lab = Lab::new();
    let (one, two) = (lab.attach(&lab.one), lab.attach(&lab.two));
    let (table, other) = (lab.table(), lab.new_table());
    for (action, table) in [("DisassociateTransitGatewayRouteTable", &table), ("AssociateTransitGatewayRouteTable", &other)] {
        lab.call(action, &[("TransitGatewayRouteTableId", table), ("TransitGatewayAttachmentId", &two)]);
    }
    let both = [one.clone(), two.clone()];
    let find = |action: &str, list: &str, name: &str, value: &str| {
        let found = lab.call(action, &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]);
        ids(&found[list], "TransitGatewayAttachmentId")
    };
    for (name, value, expected) in [
        ("association.state", "associated", &both[..]),
        ("association.transit-gateway-route-table-id", &*other, &both[1..]),
        ("resource-id", &*lab.one.vpc, &both[..1]),
        ("resource-owner-id", "111111111111", &both[..]),
        ("resource-type", "vpc", &both[..]),
        ("resource-type", "vpn", &[]),
        ("state", "available", &both[..]),
        ("transit-gateway-attachment-id", &*two, &both[1..]),
        ("transit-gateway-id", &*lab.gateway, &both[..]),
        ("transit-gateway-owner-id", "222222222222", &[]),
    ] {
        let found = find("DescribeTransitGatewayAttachments", "TransitGatewayAttachments", name, value);
        assert_eq!(found, expected, "{name}");
    }
    for (name, value, expected) in [
        ("state", "deleted", &both[..0]),
        ("transit-gateway-attachment-id", &*one, &both[..1]),
        ("transit-gateway-id", &*lab.gateway, &both[..]),
        ("vpc-id", &*lab.two.vpc, &both[1..]),
    ] {
        let found = find("DescribeTransitGatewayVpcAttachments", "TransitGatewayVpcAttachments", name, value);
        assert_eq!(found, expected, "{name}");
    }
    for action in ["DescribeTransitGatewayAttachments", "DescribeTransitGatewayVpcAttachments"] {
        let code = |parameters: &[(&str, &str)]| lab.code(action, parameters);
        assert_eq!(code(&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]), "InvalidParameterValue");
        let named = |id| code(&[("TransitGatewayAttachmentIds.1", id)]);
        assert_eq!(named("tgw-attach-zz"), "InvalidTransitGatewayAttachmentID.Malformed");
        assert_eq!(named(UNKNOWN_ATTACHMENT), "InvalidTransitGatewayAttachmentID.NotFound");
    }
    let page = [("MaxResults", "5"), ("TransitGatewayAttachmentIds.1", &*one)];
    assert_eq!(lab.code("DescribeTransitGatewayAttachments", &page), "InvalidParameterCombination");
}

#[test]
fn rules_for_inbound_packets_name_groups_over_a_gateway_that_allows_it() {
    let lab = Lab::new();
    let (one, two) = (lab.attach(&lab.one), lab.attach(&lab.two));
    let group = |vpc: &str| {
        let parameters = [("GroupName", "web"), ("GroupDescription", "web"), ("VpcId", vpc)];
        text(&lab.call("CreateSecurityGroup", &parameters)["GroupId"])
    };
    let (here, there) = (group(&lab.one.vpc), group(&lab.two.vpc));
    let name = |direction: &str| {
        let parameters =
            [("GroupId", &*there), ("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", &*here)];
        let done = lab.api.call_as(ALICE, &format!("AuthorizeSecurityGroup{direction}"), &parameters);
        done.map_or_else(|error| error.code.into_owned(), |_| "done".to_owned())
    };
    let option = |action: &str, id: (&str, &str), value: &str| {
        lab.call(action, &[id, ("Options.SecurityGroupReferencingSupport", value)]);
    };
    let of_gateway = |value| option("ModifyTransitGateway", ("TransitGatewayId", &lab.gateway), value);
    let of_attachment = |id: &str, value: &str| {
        option("ModifyTransitGatewayVpcAttachment", ("TransitGatewayAttachmentId", id), value);
    };
    assert_eq!(name("Ingress"), "InvalidGroup.NotFound", "a gateway's default is not to allow it");
    of_gateway("enable");
    assert_eq!(name("Egress"), "InvalidGroup.NotFound");
    assert_eq!(name("Ingress"), "done");
    let references = || lab.call("DescribeSecurityGroupReferences", &[("GroupId.1", &here)])["SecurityGroupReferenceSet"].clone();
    let expected = json!([{"GroupId": here, "ReferencingVpcId": lab.two.vpc, "TransitGatewayId": lab.gateway}]);
    assert_eq!(references(), expected);
    let stale = || {
        let found = lab.call("DescribeStaleSecurityGroups", &[("VpcId", &lab.two.vpc)]);
        found["StaleSecurityGroupSet"].as_array().unwrap().len()
    };
    assert_eq!(stale(), 0);
    for id in [&one, &two] {
        of_attachment(id, "disable");
        assert_eq!((stale(), references()), (1, json!([])));
        of_attachment(id, "enable");
        assert_eq!((stale(), references()), (0, expected.clone()));
    }
    of_gateway("disable");
    assert_eq!(stale(), 1);
}
