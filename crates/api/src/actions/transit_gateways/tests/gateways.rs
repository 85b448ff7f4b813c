use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::*;
use crate::testing::api_with_clock;

#[test]
fn a_gateway_comes_with_aws_s_options_and_one_table() {
    let api = api();
    let made = api.call_as(ALICE, "CreateTransitGateway", &[("Description", "hub")]).unwrap()["TransitGateway"].clone();
    let id = text(&made["TransitGatewayId"]);
    let table = text(&made["Options"]["AssociationDefaultRouteTableId"]);
    assert_eq!(made["State"], "pending");
    assert_eq!(made["TransitGatewayArn"], format!("arn:aws:ec2:us-east-1:111111111111:transit-gateway/{id}"));
    assert_eq!((&made["OwnerId"], &made["Description"]), (&json!("111111111111"), &json!("hub")));
    assert_eq!(
        made["Options"],
        json!({
            "AmazonSideAsn": 64512, "TransitGatewayCidrBlocks": [], "AutoAcceptSharedAttachments": "disable",
            "DefaultRouteTableAssociation": "enable", "AssociationDefaultRouteTableId": table,
            "DefaultRouteTablePropagation": "enable", "PropagationDefaultRouteTableId": table,
            "VpnEcmpSupport": "enable", "DnsSupport": "enable", "SecurityGroupReferencingSupport": "disable",
            "MulticastSupport": "disable", "EncryptionSupport": {"EncryptionState": "disabled"},
        })
    );
    let seen = api.call_as(ALICE, "DescribeTransitGateways", &[("TransitGatewayIds.1", &id)]).unwrap();
    assert_eq!(seen["TransitGateways"][0]["State"], "available");
    let tables = api.call_as(ALICE, "DescribeTransitGatewayRouteTables", &[]).unwrap();
    assert_eq!(tables["TransitGatewayRouteTables"].as_array().unwrap().len(), 1);
    let default = &tables["TransitGatewayRouteTables"][0];
    assert_eq!(
        (&default["DefaultAssociationRouteTable"], &default["DefaultPropagationRouteTable"]),
        (&json!(true), &json!(true))
    );
}

#[test]
fn default_tables_are_made_as_the_options_say() {
    for (association, propagation, tables) in
        [("disable", "disable", 0), ("enable", "disable", 1), ("disable", "enable", 1), ("enable", "enable", 1)]
    {
        let api = api();
        let options = [("DefaultRouteTableAssociation", association), ("DefaultRouteTablePropagation", propagation)];
        gateway(&api, ALICE, &options);
        let all = api.call_as(ALICE, "DescribeTransitGatewayRouteTables", &[]).unwrap();
        assert_eq!(all["TransitGatewayRouteTables"].as_array().unwrap().len(), tables);
        let seen = api.call_as(ALICE, "DescribeTransitGateways", &[]).unwrap()["TransitGateways"][0]["Options"].clone();
        assert_eq!(seen["AssociationDefaultRouteTableId"] == Value::Null, association == "disable");
        assert_eq!(seen["PropagationDefaultRouteTableId"] == Value::Null, propagation == "disable");
    }
}

#[test]
fn numbers_and_blocks_are_checked() {
    let api = api();
    let code = |name: &str, value: &str| {
        let parameters = [(&*format!("Options.{name}"), value)];
        api.call_as(ALICE, "CreateTransitGateway", &parameters).map_or_else(|e| e.code.into_owned(), |_| "made".into())
    };
    for (asn, expected) in [
        ("64511", "InvalidParameterValue"),
        ("65535", "InvalidParameterValue"),
        ("4199999999", "InvalidParameterValue"),
        ("4294967295", "InvalidParameterValue"),
        ("-1", "InvalidParameterValue"),
        ("65534", "made"),
        ("4294967294", "made"),
    ] {
        assert_eq!(code("AmazonSideAsn", asn), expected, "{asn}");
    }
    for (block, expected) in [
        ("10.0.0.0/25", "InvalidParameterValue"),
        ("169.254.1.0/24", "InvalidParameterValue"),
        ("fd00::/65", "InvalidParameterValue"),
        ("ten", "InvalidParameterValue"),
        ("10.0.0.0/24", "made"),
        ("fd00::/64", "made"),
    ] {
        assert_eq!(code("TransitGatewayCidrBlocks.1", block), expected, "{block}");
    }
    assert_eq!(code("DnsSupport", "on"), "InvalidParameterValue");
    // Four were made; the fifth is the last.
    assert_eq!(code("DnsSupport", "disable"), "made");
    assert_eq!(code("DnsSupport", "disable"), "TransitGatewayLimitExceeded");
}

#[test]
fn options_change_one_by_one() {
    let lab = Lab::with(&[("TransitGatewayCidrBlocks.1", "10.99.0.0/24")]);
    let modify = |parameters: &[(&str, &str)]| {
        let mut all = vec![("TransitGatewayId", &*lab.gateway)];
        all.extend(parameters);
        lab.api.call_as(ALICE, "ModifyTransitGateway", &all).map_err(|error| error.code.into_owned())
    };
    let done = modify(&[
        ("Description", "new"),
        ("Options.DnsSupport", "disable"),
        ("Options.SecurityGroupReferencingSupport", "enable"),
        ("Options.AddTransitGatewayCidrBlocks.1", "10.98.0.0/24"),
        ("Options.RemoveTransitGatewayCidrBlocks.1", "10.99.0.0/24"),
        ("Options.AmazonSideAsn", "64513"),
    ])
    .unwrap()["TransitGateway"]
        .clone();
    assert_eq!((&done["State"], &done["Description"]), (&json!("modifying"), &json!("new")));
    let options = lab.call("DescribeTransitGateways", &[])["TransitGateways"][0]["Options"].clone();
    assert_eq!(options["DnsSupport"], "disable");
    assert_eq!(options["SecurityGroupReferencingSupport"], "enable");
    assert_eq!(options["VpnEcmpSupport"], "enable");
    assert_eq!(options["TransitGatewayCidrBlocks"], json!(["10.98.0.0/24"]));
    assert_eq!(options["AmazonSideAsn"], 64513);
    let blocks: Vec<(String, String)> =
        (1..=5).map(|n| (format!("Options.AddTransitGatewayCidrBlocks.{n}"), format!("10.{n}.0.0/24"))).collect();
    let blocks: Vec<(&str, &str)> = blocks.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(modify(&blocks).unwrap_err(), "TransitGatewayCidrBlockLimitExceeded");
    let other = gateway(&lab.api, ALICE, &[]);
    let foreign = lab.call("DescribeTransitGateways", &[("TransitGatewayIds.1", &other)]);
    let foreign = text(&foreign["TransitGateways"][0]["Options"]["AssociationDefaultRouteTableId"]);
    let table = lab.new_table();
    let association = |flag: Option<&'static str>, table: Option<&str>| {
        let mut parameters = Vec::new();
        parameters.extend(flag.map(|flag| ("Options.DefaultRouteTableAssociation", flag)));
        parameters.extend(table.map(|table| ("Options.AssociationDefaultRouteTableId", table)));
        modify(&parameters).map_or_else(|code| code, |_| "done".to_owned())
    };
    for (flag, table, expected) in [
        (Some("enable"), None, "InvalidParameterCombination"),
        (Some("disable"), Some(&*table), "InvalidParameterCombination"),
        (Some("enable"), Some(UNKNOWN_TABLE), "InvalidRouteTableID.NotFound"),
        (Some("enable"), Some(&*foreign), "InvalidParameterValue"),
        (None, Some(&*table), "done"),
        (Some("disable"), None, "done"),
        (None, Some(&*table), "InvalidParameterCombination"),
        (Some("enable"), Some(&*table), "done"),
    ] {
        assert_eq!(association(flag, table), expected, "{flag:?} {table:?}");
    }
    assert_eq!(lab.table(), table);
    assert_eq!(lab.code("ModifyTransitGateway", &[("TransitGatewayId", UNKNOWN_GATEWAY)]), "InvalidTransitGatewayID.NotFound");
}

#[test]
fn a_gateway_goes_when_nothing_is_attached_and_is_shown_for_two_hours() {
    let (api, clock) = api_with_clock();
    let id = gateway(&api, ALICE, &[]);
    let site = site(&api, ALICE, 1);
    let attachment = attach(&api, ALICE, &id, &site);
    let delete = |caller| api.call_as(caller, "DeleteTransitGateway", &[("TransitGatewayId", &id)]);
    let refused = delete(ALICE).unwrap_err();
    assert_eq!(refused.code, "IncorrectState");
    assert_eq!(refused.message, format!("{id} has non-deleted VPC Attachments: {attachment}."));
    assert_eq!(delete(BOB).unwrap_err().code, "InvalidTransitGatewayID.NotFound");
    api.call_as(ALICE, "DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &attachment)]).unwrap();
    assert_eq!(delete(ALICE).unwrap()["TransitGateway"]["State"], "deleting");
    assert_eq!(delete(ALICE).unwrap_err().code, "InvalidTransitGatewayID.NotFound");
    let states = || {
        let one = |action: &str, list: &str| {
            let all = api.call_as(ALICE, action, &[]).unwrap();
            all[list].as_array().unwrap().iter().map(|item| text(&item["State"])).collect::<Vec<_>>().join(",")
        };
        [
            one("DescribeTransitGateways", "TransitGateways"),
            one("DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables"),
            one("DescribeTransitGatewayAttachments", "TransitGatewayAttachments"),
            one("DescribeTransitGatewayVpcAttachments", "TransitGatewayVpcAttachments"),
        ]
    };
    let forget = || {
        let owner = openvpc_model::Owner { account: ALICE.0.parse().unwrap(), region: ALICE.1.parse().unwrap() };
        api.control
            .transact(&openvpc_control::Caller { owner }, |tx| {
                openvpc_control::retention::prune(tx);
                Ok(())
            })
            .unwrap();
        let network = api.control.snapshot();
        let (gateways, tables) = (network.transit_gateways.size(), network.transit_gateway_route_tables.size());
        [gateways, tables, network.transit_gateway_attachments.size()]
    };
    clock.fetch_add(2 * 60 * 60 * 1000 - 1, Ordering::Relaxed);
    assert_eq!(states(), ["deleted"; 4]);
    assert_eq!(forget(), [1; 3]);
    clock.fetch_add(1, Ordering::Relaxed);
    assert_eq!(states(), [""; 4]);
    assert_eq!(forget(), [0; 3]);
    let named = [("TransitGatewayIds.1", &*id)];
    assert_eq!(api.code_as(ALICE, "DescribeTransitGateways", &named), "InvalidTransitGatewayID.NotFound");
}

#[test]
fn every_filter_finds_its_gateways() {
    let api = api();
    let first = gateway(&api, ALICE, &[("AmazonSideAsn", "64600"), ("DnsSupport", "disable")]);
    let options = [
        ("AutoAcceptSharedAttachments", "enable"),
        ("DefaultRouteTableAssociation", "disable"),
        ("DefaultRouteTablePropagation", "disable"),
        ("VpnEcmpSupport", "disable"),
    ];
    let second = gateway(&api, ALICE, &options);
    let all = api.call_as(ALICE, "DescribeTransitGateways", &[("TransitGatewayIds.1", &first)]).unwrap();
    let table = text(&all["TransitGateways"][0]["Options"]["AssociationDefaultRouteTableId"]);
    let both = [first.clone(), second.clone()];
    for (name, value, expected) in [
        ("options.amazon-side-asn", "64600", &both[..1]),
        ("options.association-default-route-table-id", &*table, &both[..1]),
        ("options.auto-accept-shared-attachments", "enable", &both[1..]),
        ("options.default-route-table-association", "enable", &both[..1]),
        ("options.default-route-table-propagation", "disable", &both[1..]),
        ("options.dns-support", "disable", &both[..1]),
        ("options.propagation-default-route-table-id", &*table, &both[..1]),
        ("options.vpn-ecmp-support", "disable", &both[1..]),
        ("owner-id", "111111111111", &both[..]),
        ("state", "available", &both[..]),
        ("transit-gateway-id", &*second, &both[1..]),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let found = api.call_as(ALICE, "DescribeTransitGateways", &filter).unwrap();
        assert_eq!(ids(&found["TransitGateways"], "TransitGatewayId"), expected, "{name}");
    }
    let code = |parameters: &[(&str, &str)]| api.code_as(ALICE, "DescribeTransitGateways", parameters);
    assert_eq!(code(&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]), "InvalidParameterValue");
    assert_eq!(code(&[("TransitGatewayIds.1", "tgw-zz")]), "InvalidTransitGatewayID.Malformed");
    assert_eq!(code(&[("TransitGatewayIds.1", UNKNOWN_GATEWAY)]), "InvalidTransitGatewayID.NotFound");
    assert_eq!(api.code_as(ALICE, "CreateTransitGateway", &[("DryRun", "true")]), "DryRunOperation");
}

#[test]
fn gateways_tables_and_attachments_have_tags() {
    let lab = Lab::new();
    let (table, attachment) = (lab.table(), lab.attach(&lab.one));
    for (id, kind) in
        [(&lab.gateway, "transit-gateway"), (&table, "transit-gateway-route-table"), (&attachment, "transit-gateway-attachment")]
    {
        lab.call("CreateTags", &[("ResourceId.1", id), ("Tag.1.Key", "Name"), ("Tag.1.Value", "hub")]);
        let found = lab.call("DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", id)]);
        assert_eq!(found["Tags"][0]["ResourceType"], kind);
    }
    for (action, list) in [
        ("DescribeTransitGateways", "TransitGateways"),
        ("DescribeTransitGatewayRouteTables", "TransitGatewayRouteTables"),
        ("DescribeTransitGatewayAttachments", "TransitGatewayAttachments"),
        ("DescribeTransitGatewayVpcAttachments", "TransitGatewayVpcAttachments"),
    ] {
        let found = lab.call(action, &[("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "hub")]);
        assert_eq!(found[list][0]["Tags"], json!([{"Key": "Name", "Value": "hub"}]), "{action}");
    }
    let parameters = [
        ("TransitGatewayId", &*lab.gateway),
        ("TagSpecifications.1.ResourceType", "transit-gateway-route-table"),
        ("TagSpecifications.1.Tag.1.Key", "a"),
        ("TagSpecifications.1.Tag.1.Value", "1"),
    ];
    let made = lab.call("CreateTransitGatewayRouteTable", &parameters);
    assert_eq!(made["TransitGatewayRouteTable"]["Tags"], json!([{"Key": "a", "Value": "1"}]));
}
