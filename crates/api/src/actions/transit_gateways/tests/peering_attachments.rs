use serde_json::json;

use super::*;

fn ask(api: &Api, caller: Caller, gateway: &str, peer: Caller, peer_gateway: &str) -> Result<serde_json::Value, String> {
    let parameters = [
        ("TransitGatewayId", gateway),
        ("PeerTransitGatewayId", peer_gateway),
        ("PeerAccountId", peer.0),
        ("PeerRegion", peer.1),
    ];
    let done = api.call_as(caller, "CreateTransitGatewayPeeringAttachment", &parameters);
    done.map(|done| done["TransitGatewayPeeringAttachment"].clone()).map_err(|error| error.code.into_owned())
}

fn described(api: &Api, caller: Caller) -> serde_json::Value {
    let found = api.call_as(caller, "DescribeTransitGatewayPeeringAttachments", &[]).unwrap();
    found["TransitGatewayPeeringAttachments"][0].clone()
}

#[test]
fn gateways_of_two_accounts_and_regions_are_peered_by_acceptance() {
    let api = api();
    let (here, there) = (gateway(&api, ALICE, &[]), gateway(&api, BOB_WEST, &[]));
    let asked = ask(&api, ALICE, &here, BOB_WEST, &there).unwrap();
    let id = text(&asked["TransitGatewayAttachmentId"]);
    assert_eq!(asked["State"], "initiatingRequest");
    assert_eq!(asked["RequesterTgwInfo"], json!({"TransitGatewayId": here, "OwnerId": "111111111111", "Region": "us-east-1"}));
    assert_eq!(asked["AccepterTgwInfo"], json!({"TransitGatewayId": there, "OwnerId": "222222222222", "Region": "us-west-2"}));
    let named = [("TransitGatewayAttachmentId", &*id)];
    for caller in [ALICE, BOB_WEST] {
        let seen = described(&api, caller);
        assert_eq!(seen["TransitGatewayAttachmentId"], id);
        assert_eq!(seen["State"], "pendingAcceptance");
        assert_eq!(seen["Status"], json!({"Code": "pendingAcceptance", "Message": "Pending Acceptance"}));
    }
    assert_eq!(api.code_as(ALICE, "AcceptTransitGatewayPeeringAttachment", &named), "InvalidParameterValue");
    assert_eq!(api.code_as(BOB, "AcceptTransitGatewayPeeringAttachment", &named), "InvalidTransitGatewayAttachmentID.NotFound");
    let accepted = api.call_as(BOB_WEST, "AcceptTransitGatewayPeeringAttachment", &named).unwrap();
    assert_eq!(accepted["TransitGatewayPeeringAttachment"]["State"], "pending");
    assert_eq!(described(&api, ALICE)["State"], "available");
    assert_eq!(api.code_as(BOB_WEST, "AcceptTransitGatewayPeeringAttachment", &named), "IncorrectState");
    assert_eq!(api.code_as(BOB_WEST, "RejectTransitGatewayPeeringAttachment", &named), "IncorrectState");
    // Each owner sees its own end.
    for (caller, mine, other, owner) in [(ALICE, &here, &there, BOB_WEST.0), (BOB_WEST, &there, &here, ALICE.0)] {
        let seen = api.call_as(caller, "DescribeTransitGatewayAttachments", &[]).unwrap();
        let seen = &seen["TransitGatewayAttachments"][0];
        assert_eq!((&seen["TransitGatewayId"], &seen["ResourceId"]), (&json!(mine), &json!(other)));
        assert_eq!((&seen["ResourceOwnerId"], &seen["ResourceType"]), (&json!(owner), &json!("peering")));
        assert_eq!(seen["TransitGatewayOwnerId"], caller.0);
        assert_eq!(seen["Association"]["State"], "associated");
    }
    let deleted = api.call_as(BOB_WEST, "DeleteTransitGatewayPeeringAttachment", &named).unwrap();
    assert_eq!(deleted["TransitGatewayPeeringAttachment"]["State"], "deleting");
    assert_eq!(described(&api, ALICE)["State"], "deleted");
    assert_eq!(api.code_as(ALICE, "DeleteTransitGatewayPeeringAttachment", &named), "InvalidTransitGatewayAttachmentID.NotFound");
}

#[test]
fn peerings_take_static_routes_only() {
    let lab = Lab::new();
    let there = gateway(&lab.api, ALICE_WEST, &[]);
    let id = text(&ask(&lab.api, ALICE, &lab.gateway, ALICE_WEST, &there).unwrap()["TransitGatewayAttachmentId"]);
    let table = lab.table();
    let route = [
        ("TransitGatewayRouteTableId", &*table),
        ("DestinationCidrBlock", "10.200.0.0/16"),
        ("TransitGatewayAttachmentId", &*id),
    ];
    assert_eq!(lab.code("CreateTransitGatewayRoute", &route), "IncorrectState");
    lab.api.call_as(ALICE_WEST, "AcceptTransitGatewayPeeringAttachment", &[("TransitGatewayAttachmentId", &id)]).unwrap();
    let made = lab.call("CreateTransitGatewayRoute", &route);
    assert_eq!(
        made["Route"]["TransitGatewayAttachments"],
        json!([{"ResourceId": there, "ResourceType": "peering", "TransitGatewayAttachmentId": id}])
    );
    let propagate = [("TransitGatewayRouteTableId", &*table), ("TransitGatewayAttachmentId", &*id)];
    assert_eq!(lab.code("EnableTransitGatewayRouteTablePropagation", &propagate), "UnsupportedOperation");
    // The association of one end is not that of the other.
    lab.call("DisassociateTransitGatewayRouteTable", &propagate);
    let far = lab.api.call_as(ALICE_WEST, "DescribeTransitGatewayAttachments", &[]).unwrap();
    assert_eq!(far["TransitGatewayAttachments"][0]["Association"]["State"], "associated");
    assert_eq!(lab.attachment(&id)["Association"], serde_json::Value::Null);
    assert_eq!(lab.code("DeleteTransitGateway", &[("TransitGatewayId", &lab.gateway)]), "IncorrectState");
    assert_eq!(lab.api.code_as(ALICE_WEST, "DeleteTransitGateway", &[("TransitGatewayId", &there)]), "IncorrectState");
}

#[test]
fn two_gateways_have_one_peering_until_it_is_rejected() {
    let api = api();
    let (here, there) = (gateway(&api, ALICE, &[]), gateway(&api, BOB, &[]));
    let id = text(&ask(&api, ALICE, &here, BOB, &there).unwrap()["TransitGatewayAttachmentId"]);
    assert_eq!(ask(&api, ALICE, &here, BOB, &there).unwrap_err(), "DuplicateTransitGatewayAttachment");
    assert_eq!(ask(&api, BOB, &there, ALICE, &here).unwrap_err(), "DuplicateTransitGatewayAttachment");
    assert_eq!(ask(&api, ALICE, &here, ALICE, &here).unwrap_err(), "InvalidParameterValue");
    assert_eq!(ask(&api, ALICE, &here, BOB, UNKNOWN_GATEWAY).unwrap_err(), "InvalidTransitGatewayID.NotFound");
    assert_eq!(ask(&api, ALICE, &here, BOB_WEST, &there).unwrap_err(), "InvalidTransitGatewayID.NotFound");
    assert_eq!(ask(&api, BOB, &here, BOB, &there).unwrap_err(), "InvalidTransitGatewayID.NotFound");
    assert_eq!(ask(&api, ALICE, &here, ("bob", "us-east-1"), &there).unwrap_err(), "InvalidParameterValue");
    // In one region each end has an id of its own.
    let twin = text(&described(&api, BOB)["TransitGatewayAttachmentId"]);
    assert_ne!(twin, id);
    let named = [("TransitGatewayAttachmentId", &*twin)];
    let source = [("TransitGatewayAttachmentId", &*id)];
    assert_eq!(api.code_as(ALICE, "RejectTransitGatewayPeeringAttachment", &source), "InvalidParameterValue");
    let foreign = api.code_as(ALICE, "RejectTransitGatewayPeeringAttachment", &named);
    assert_eq!(foreign, "InvalidTransitGatewayAttachmentID.NotFound");
    let rejected = api.call_as(BOB, "RejectTransitGatewayPeeringAttachment", &named).unwrap();
    assert_eq!(rejected["TransitGatewayPeeringAttachment"]["State"], "rejecting");
    assert_eq!(described(&api, ALICE)["State"], "rejected");
    ask(&api, ALICE, &here, BOB, &there).unwrap();
}

#[test]
fn in_one_region_each_end_has_an_attachment() {
    let api = api();
    let (here, there) = (gateway(&api, ALICE, &[]), gateway(&api, ALICE, &[]));
    let asked = ask(&api, ALICE, &here, ALICE, &there).unwrap();
    let id = text(&asked["TransitGatewayAttachmentId"]);
    let twin = text(&asked["AccepterTransitGatewayAttachmentId"]);
    let both = || {
        let found = api.call_as(ALICE, "DescribeTransitGatewayPeeringAttachments", &[]).unwrap();
        let found = found["TransitGatewayPeeringAttachments"].as_array().unwrap().clone();
        found.iter().for_each(|item| {
            assert_eq!(item["RequesterTgwInfo"]["TransitGatewayId"], here);
            assert_eq!(item["AccepterTgwInfo"]["TransitGatewayId"], there);
            assert_eq!(item["AccepterTransitGatewayAttachmentId"], twin);
        });
        found.iter().map(|item| (text(&item["TransitGatewayAttachmentId"]), text(&item["State"]))).collect::<Vec<_>>()
    };
    let are = |state: &str| [(id.clone(), state.to_owned()), (twin.clone(), state.to_owned())];
    assert_eq!(both(), are("pendingAcceptance"));
    let source = [("TransitGatewayAttachmentId", &*id)];
    assert_eq!(api.code_as(ALICE, "AcceptTransitGatewayPeeringAttachment", &source), "InvalidParameterValue");
    api.call_as(ALICE, "AcceptTransitGatewayPeeringAttachment", &[("TransitGatewayAttachmentId", &twin)]).unwrap();
    assert_eq!(both(), are("available"));
    let all = api.call_as(ALICE, "DescribeTransitGatewayAttachments", &[]).unwrap()["TransitGatewayAttachments"].clone();
    assert_eq!(ids(&all, "TransitGatewayId"), [here.clone(), there.clone()]);
    assert_eq!(ids(&all, "ResourceId"), [there.clone(), here.clone()]);
    for item in all.as_array().unwrap() {
        assert_eq!(item["Association"]["State"], "associated");
    }
    // An end is an attachment of its own gateway only.
    let table = api.call_as(ALICE, "CreateTransitGatewayRouteTable", &[("TransitGatewayId", &there)]).unwrap();
    let table = text(&table["TransitGatewayRouteTable"]["TransitGatewayRouteTableId"]);
    let route = |attachment: &str| {
        let route = [
            ("TransitGatewayRouteTableId", &*table),
            ("DestinationCidrBlock", "10.0.0.0/8"),
            ("TransitGatewayAttachmentId", attachment),
        ];
        api.call_as(ALICE, "CreateTransitGatewayRoute", &route).map_err(|error| error.code)
    };
    assert_eq!(route(&id).unwrap_err(), "InvalidTransitGatewayAttachmentID.NotFound");
    route(&twin).unwrap();
    api.call_as(ALICE, "DeleteTransitGatewayPeeringAttachment", &source).unwrap();
    assert_eq!(both(), are("deleted"));
}

#[test]
fn every_filter_finds_its_peerings() {
    let api = api();
    let (here, bobs, west) = (gateway(&api, ALICE, &[]), gateway(&api, BOB, &[]), gateway(&api, ALICE_WEST, &[]));
    let first = text(&ask(&api, ALICE, &here, BOB, &bobs).unwrap()["TransitGatewayAttachmentId"]);
    let second = text(&ask(&api, ALICE_WEST, &west, ALICE, &here).unwrap()["TransitGatewayAttachmentId"]);
    api.call_as(ALICE, "AcceptTransitGatewayPeeringAttachment", &[("TransitGatewayAttachmentId", &second)]).unwrap();
    let both = [first.clone(), second.clone()];
    for (name, value, expected) in [
        ("local-owner-id", "111111111111", &both[..]),
        ("remote-owner-id", "222222222222", &both[..1]),
        ("remote-owner-id", "111111111111", &both[1..]),
        ("state", "available", &both[1..]),
        ("transit-gateway-attachment-id", &*first, &both[..1]),
        ("transit-gateway-id", &*west, &both[1..]),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let found = api.call_as(ALICE, "DescribeTransitGatewayPeeringAttachments", &filter).unwrap();
        assert_eq!(ids(&found["TransitGatewayPeeringAttachments"], "TransitGatewayAttachmentId"), expected, "{name}");
    }
    let code = |id| api.code_as(ALICE, "DescribeTransitGatewayPeeringAttachments", &[("TransitGatewayAttachmentIds.1", id)]);
    assert_eq!(code("tgw-attach-zz"), "InvalidTransitGatewayAttachmentID.Malformed");
    assert_eq!(code(UNKNOWN_ATTACHMENT), "InvalidTransitGatewayAttachmentID.NotFound");
}
