use openvpc_control::transit_gateways::attachments;
use openvpc_control::{Caller, Control};
use openvpc_model::transit_gateway::AttachedResource;
use openvpc_model::{Id, Owner, Tags, VpnConnectionId};
use serde_json::json;

use super::*;

type Found = Vec<(String, Vec<String>, String)>;

fn found(routes: &[(&str, &[&str], &str)]) -> Found {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    routes.iter().map(|(block, ids, kind)| ((*block).to_owned(), owned(ids), (*kind).to_owned())).collect()
}

/// CreateTransitGatewayRoute, ReplaceTransitGatewayRoute: to an attachment, or nowhere.
fn put(lab: &Lab, verb: &str, table: &str, block: &str, attachment: Option<&str>) -> Result<serde_json::Value, String> {
    let mut parameters = vec![("TransitGatewayRouteTableId", table), ("DestinationCidrBlock", block)];
    parameters.push(attachment.map_or(("Blackhole", "true"), |id| ("TransitGatewayAttachmentId", id)));
    let done = lab.api.call_as(ALICE, &format!("{verb}TransitGatewayRoute"), &parameters);
    done.map(|done| done["Route"].clone()).map_err(|error| error.code.into_owned())
}

#[test]
fn vpcs_propagate_their_blocks() {
    let lab = Lab::new();
    let (one, two) = (lab.attach(&lab.one), lab.attach(&lab.two));
    let table = lab.table();
    let propagated = "propagated active";
    assert_eq!(lab.all_routes(&table), found(&[("10.1.0.0/16", &[&one], propagated), ("10.2.0.0/16", &[&two], propagated)]));
    lab.call("AssociateVpcCidrBlock", &[("VpcId", &lab.one.vpc), ("CidrBlock", "10.11.0.0/16")]);
    assert_eq!(lab.all_routes(&table).len(), 3);
    lab.call("DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &one)]);
    assert_eq!(lab.all_routes(&table), found(&[("10.2.0.0/16", &[&two], propagated)]));
}

#[test]
fn a_vpc_that_overlaps_attaches_without_a_route() {
    let lab = Lab::new();
    let one = lab.attach(&lab.one);
    let same = lab.attach(&site(&lab.api, ALICE, 1));
    assert_eq!(lab.attachment(&same)["State"], "available");
    assert_eq!(lab.all_routes(&lab.table()), found(&[("10.1.0.0/16", &[&one], "propagated active")]));
    // It isn't there for lack of a place: it takes it when the first one goes.
    lab.call("DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &one)]);
    assert_eq!(lab.all_routes(&lab.table()), found(&[("10.1.0.0/16", &[&same], "propagated active")]));
}

#[test]
fn a_static_route_hides_a_propagated_one() {
    let lab = Lab::new();
    let (one, two) = (lab.attach(&lab.one), lab.attach(&lab.two));
    let table = lab.table();
    let made = put(&lab, "Create", &table, "10.2.0.0/16", Some(&one)).unwrap();
    assert_eq!(
        made,
        json!({
            "DestinationCidrBlock": "10.2.0.0/16", "Type": "static", "State": "active",
            "TransitGatewayAttachments": [
                {"ResourceId": lab.one.vpc, "ResourceType": "vpc", "TransitGatewayAttachmentId": one},
            ],
        })
    );
    let only = |id: &str, kind: &str| {
        assert_eq!(lab.search(&table, "route-search.exact-match", "10.2.0.0/16"), found(&[("10.2.0.0/16", &[id], kind)]))
    };
    only(&one, "static active");
    assert_eq!(put(&lab, "Create", &table, "10.2.0.0/16", Some(&two)).unwrap_err(), "RouteAlreadyExists");
    put(&lab, "Replace", &table, "10.2.0.0/16", Some(&two)).unwrap();
    only(&two, "static active");
    let black = put(&lab, "Replace", &table, "10.2.0.0/16", None).unwrap();
    assert_eq!((&black["State"], &black["TransitGatewayAttachments"]), (&json!("blackhole"), &json!([])));
    assert_eq!(lab.search(&table, "state", "blackhole"), found(&[("10.2.0.0/16", &[], "static blackhole")]));
    let named = [("TransitGatewayRouteTableId", &*table), ("DestinationCidrBlock", "10.2.0.0/16")];
    assert_eq!(lab.call("DeleteTransitGatewayRoute", &named)["Route"]["State"], "deleted");
    only(&two, "propagated active");
    assert_eq!(lab.code("DeleteTransitGatewayRoute", &named), "InvalidRoute.NotFound");
    assert_eq!(put(&lab, "Replace", &table, "10.2.0.0/16", None).unwrap_err(), "InvalidRoute.NotFound");
}

#[test]
fn a_route_to_a_deleted_attachment_is_a_blackhole() {
    let lab = Lab::new();
    let one = lab.attach(&lab.one);
    let table = lab.table();
    put(&lab, "Create", &table, "0.0.0.0/0", Some(&one)).unwrap();
    lab.call("DeleteTransitGatewayVpcAttachment", &[("TransitGatewayAttachmentId", &one)]);
    assert_eq!(lab.all_routes(&table), found(&[("0.0.0.0/0", &[&one], "static blackhole")]));
    let gone = put(&lab, "Create", &table, "10.0.0.0/8", Some(&one)).unwrap_err();
    assert_eq!(gone, "InvalidTransitGatewayAttachmentID.NotFound");
}

#[test]
fn bad_routes_are_refused() {
    let lab = Lab::new();
    let one = lab.attach(&lab.one);
    let table = lab.table();
    let code = |parameters: &[(&str, &str)]| lab.code("CreateTransitGatewayRoute", parameters);
    let place = [("TransitGatewayRouteTableId", &*table), ("DestinationCidrBlock", "10.9.0.0/16")];
    assert_eq!(code(&place), "MissingParameter");
    let [a, b] = place;
    assert_eq!(code(&[a, b, ("Blackhole", "true"), ("TransitGatewayAttachmentId", &one)]), "InvalidParameterCombination");
    assert_eq!(code(&[a, ("DestinationCidrBlock", "ten"), ("Blackhole", "true")]), "InvalidParameterValue");
    assert_eq!(code(&[a, ("DestinationCidrBlock", "10.0.0.0/33"), ("Blackhole", "true")]), "InvalidParameterValue");
    assert_eq!(code(&[b, ("TransitGatewayRouteTableId", UNKNOWN_TABLE), ("Blackhole", "true")]), "InvalidRouteTableID.NotFound");
    assert_eq!(code(&[a, b, ("TransitGatewayAttachmentId", UNKNOWN_ATTACHMENT)]), "InvalidTransitGatewayAttachmentID.NotFound");
    // Host bits are cleared, as in every table.
    assert_eq!(put(&lab, "Create", &table, "10.9.1.1/16", None).unwrap()["DestinationCidrBlock"], "10.9.0.0/16");
    assert_eq!(put(&lab, "Create", &table, "10.9.2.2/16", None).unwrap_err(), "RouteAlreadyExists");
    assert_eq!(put(&lab, "Create", &table, "fd00::/8", None).unwrap()["State"], "blackhole");
}

#[test]
fn routes_are_found_by_address_attachment_type_and_state() {
    let lab = Lab::new();
    let (one, two) = (lab.attach(&lab.one), lab.attach(&lab.two));
    let table = lab.table();
    for block in ["0.0.0.0/0", "10.0.0.0/8", "10.1.8.0/24"] {
        put(&lab, "Create", &table, block, Some(&two)).unwrap();
    }
    put(&lab, "Create", &table, "192.168.0.0/16", None).unwrap();
    let blocks = |filter: &str, value: &str| -> Vec<String> {
        lab.search(&table, filter, value).into_iter().map(|(block, _, _)| block).collect()
    };
    for (filter, value, expected) in [
        ("route-search.exact-match", "10.0.0.0/8", &["10.0.0.0/8"][..]),
        ("route-search.exact-match", "10.0.0.0/9", &[]),
        ("route-search.longest-prefix-match", "10.1.8.9", &["10.1.8.0/24"]),
        ("route-search.longest-prefix-match", "10.1.9.0/24", &["10.1.0.0/16"]),
        ("route-search.longest-prefix-match", "8.8.8.8", &["0.0.0.0/0"]),
        ("route-search.longest-prefix-match", "2001:db8::1", &[]),
        ("route-search.subnet-of-match", "10.1.0.0/16", &["10.1.0.0/16", "10.1.8.0/24"]),
        ("route-search.supernet-of-match", "10.1.8.0/23", &["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"]),
        ("attachment.transit-gateway-attachment-id", &*one, &["10.1.0.0/16"]),
        ("attachment.resource-id", &*lab.one.vpc, &["10.1.0.0/16"]),
        ("attachment.resource-type", "vpn", &[]),
        ("type", "propagated", &["10.1.0.0/16", "10.2.0.0/16"]),
        ("state", "blackhole", &["192.168.0.0/16"]),
        ("prefix-list-id", "pl-*", &[]),
    ] {
        assert_eq!(blocks(filter, value), expected, "{filter} {value}");
    }
    let two_filters = [
        ("TransitGatewayRouteTableId", &*table),
        ("Filter.1.Name", "route-search.subnet-of-match"),
        ("Filter.1.Value.1", "10.0.0.0/8"),
        ("Filter.2.Name", "type"),
        ("Filter.2.Value.1", "static"),
    ];
    let answer = lab.call("SearchTransitGatewayRoutes", &two_filters);
    assert_eq!(ids(&answer["Routes"], "DestinationCidrBlock"), ["10.0.0.0/8", "10.1.8.0/24"]);
    assert_eq!(answer["AdditionalRoutesAvailable"], false);
    let page =
        [("TransitGatewayRouteTableId", &*table), ("Filter.1.Name", "state"), ("Filter.1.Value.1", "*"), ("MaxResults", "5")];
    let answer = lab.call("SearchTransitGatewayRoutes", &page);
    assert_eq!(answer["Routes"].as_array().unwrap().len(), 5);
    assert_eq!(answer["AdditionalRoutesAvailable"], true);
    let code = |parameters: &[(&str, &str)]| {
        let mut all = vec![("TransitGatewayRouteTableId", &*table)];
        all.extend(parameters);
        lab.code("SearchTransitGatewayRoutes", &all)
    };
    assert_eq!(code(&[]), "MissingParameter");
    assert_eq!(code(&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]), "InvalidParameterValue");
    assert_eq!(code(&[("Filter.1.Name", "route-search.best"), ("Filter.1.Value.1", "10.0.0.0/8")]), "InvalidParameterValue");
    assert_eq!(code(&[("Filter.1.Name", "route-search.exact-match"), ("Filter.1.Value.1", "x")]), "InvalidParameterValue");
    assert_eq!(code(&[("Filter.1.Name", "route-search.exact-match")]), "InvalidParameterValue");
    let unknown = [("TransitGatewayRouteTableId", UNKNOWN_TABLE), ("Filter.1.Name", "type"), ("Filter.1.Value.1", "static")];
    assert_eq!(lab.code("SearchTransitGatewayRoutes", &unknown), "InvalidRouteTableID.NotFound");
}

/// A prefix list of these blocks.
fn prefix_list(lab: &Lab, blocks: &[&str]) -> String {
    let names: Vec<String> = (1..=blocks.len()).map(|n| format!("Entry.{n}.Cidr")).collect();
    let mut parameters = vec![("PrefixListName", "list"), ("AddressFamily", "IPv4"), ("MaxEntries", "5")];
    parameters.extend(names.iter().zip(blocks).map(|(name, block)| (&**name, *block)));
    text(&lab.call("CreateManagedPrefixList", &parameters)["PrefixList"]["PrefixListId"])
}

#[test]
fn the_entries_of_a_prefix_list_are_routes() {
    let lab = Lab::new();
    let (one, two) = (lab.attach(&lab.one), lab.attach(&lab.two));
    let table = lab.table();
    let list = prefix_list(&lab, &["10.1.0.0/16", "10.40.0.0/16", "10.50.0.0/16"]);
    let place = [("TransitGatewayRouteTableId", &*table), ("PrefixListId", &*list)];
    let [a, b] = place;
    put(&lab, "Create", &table, "10.50.0.0/16", None).unwrap();
    let made = lab.call("CreateTransitGatewayPrefixListReference", &[a, b, ("TransitGatewayAttachmentId", &two)]);
    assert_eq!(
        made["TransitGatewayPrefixListReference"],
        json!({
            "TransitGatewayRouteTableId": table, "PrefixListId": list, "PrefixListOwnerId": "111111111111",
            "State": "pending", "Blackhole": false,
            "TransitGatewayAttachment":
                {"TransitGatewayAttachmentId": two, "ResourceType": "vpc", "ResourceId": lab.two.vpc},
        })
    );
    // A static route is better than a list's, and that better than a propagated one.
    assert_eq!(
        lab.all_routes(&table),
        found(&[
            ("10.1.0.0/16", &[&two], "static active"),
            ("10.2.0.0/16", &[&two], "propagated active"),
            ("10.40.0.0/16", &[&two], "static active"),
            ("10.50.0.0/16", &[], "static blackhole"),
        ])
    );
    assert_eq!(lab.search(&table, "prefix-list-id", &list).len(), 2);
    let again = [a, b, ("Blackhole", "true")];
    assert_eq!(lab.code("CreateTransitGatewayPrefixListReference", &again), "RouteAlreadyExists");
    let references = |name: &str, value: &str| {
        let filter = [("TransitGatewayRouteTableId", &*table), ("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let answer = lab.call("GetTransitGatewayPrefixListReferences", &filter);
        answer["TransitGatewayPrefixListReferences"].as_array().unwrap().len()
    };
    for (name, value, expected) in [
        ("attachment.resource-id", &*lab.two.vpc, 1),
        ("attachment.resource-type", "vpc", 1),
        ("attachment.transit-gateway-attachment-id", &*one, 0),
        ("is-blackhole", "true", 0),
        ("prefix-list-id", &*list, 1),
        ("prefix-list-owner-id", "111111111111", 1),
        ("state", "available", 1),
    ] {
        assert_eq!(references(name, value), expected, "{name}");
    }
    let changed = lab.call("ModifyTransitGatewayPrefixListReference", &[a, b, ("Blackhole", "true")]);
    assert_eq!(changed["TransitGatewayPrefixListReference"]["State"], "modifying");
    assert_eq!(references("is-blackhole", "true"), 1);
    assert_eq!(
        lab.search(&table, "route-search.exact-match", "10.40.0.0/16"),
        found(&[("10.40.0.0/16", &[], "static blackhole")])
    );
    assert_eq!(lab.code("DeleteManagedPrefixList", &[b]), "DependencyViolation");
    let associations = lab.call("GetManagedPrefixListAssociations", &[b]);
    assert_eq!(ids(&associations["PrefixListAssociations"], "ResourceId"), std::slice::from_ref(&table));
    let gone = lab.call("DeleteTransitGatewayPrefixListReference", &place);
    assert_eq!(gone["TransitGatewayPrefixListReference"]["State"], "deleting");
    assert_eq!(lab.code("DeleteTransitGatewayPrefixListReference", &place), "InvalidPrefixListID.NotFound");
    assert_eq!(lab.code("ModifyTransitGatewayPrefixListReference", &again), "InvalidPrefixListID.NotFound");
    let unknown = [a, ("PrefixListId", "pl-0123456789abcdef0"), ("Blackhole", "true")];
    assert_eq!(lab.code("CreateTransitGatewayPrefixListReference", &unknown), "InvalidPrefixListID.NotFound");
    assert_eq!(lab.code("CreateTransitGatewayPrefixListReference", &place), "MissingParameter");
}

/// Attaches something other than a VPC and has it announce blocks.
fn attach_other(control: &Control, gateway: &str, resource: AttachedResource, blocks: &[&str]) -> String {
    let owner = Owner { account: ALICE.0.parse().unwrap(), region: ALICE.1.parse().unwrap() };
    let blocks = blocks.iter().map(|block| block.parse().unwrap()).collect();
    let id = control.transact(&Caller { owner }, |tx| {
        let id = attachments::attach(tx, gateway.parse().unwrap(), resource, Tags::new())?;
        attachments::announce(tx, id, blocks)?;
        Ok(id)
    });
    id.unwrap().to_string()
}

#[test]
fn of_propagated_routes_the_vpc_s_is_best_then_direct_connect_then_vpn() {
    let lab = Lab::new();
    let control = &lab.api.control;
    let vpn = |n| AttachedResource::Vpn(VpnConnectionId::from_random(n));
    let first = attach_other(control, &lab.gateway, vpn(1), &["10.1.0.0/16", "10.60.0.0/16", "10.61.0.0/16"]);
    let second = attach_other(control, &lab.gateway, vpn(2), &["10.61.0.0/16"]);
    let direct = AttachedResource::DirectConnectGateway("0ff1ce00-0000-0000-0000-000000000000".into());
    let direct = attach_other(control, &lab.gateway, direct, &["10.1.0.0/16", "10.60.0.0/16"]);
    let vpc = lab.attach(&lab.one);
    let propagated = "propagated active";
    assert_eq!(
        lab.all_routes(&lab.table()),
        found(&[
            ("10.1.0.0/16", &[&vpc], propagated),
            ("10.60.0.0/16", &[&direct], propagated),
            ("10.61.0.0/16", &[&first, &second], propagated),
        ])
    );
    assert_eq!(lab.attachment(&first)["ResourceType"], "vpn");
    assert_eq!(lab.attachment(&direct)["ResourceId"], "0ff1ce00-0000-0000-0000-000000000000");
    lab.call("ModifyTransitGateway", &[("TransitGatewayId", &lab.gateway), ("Options.VpnEcmpSupport", "disable")]);
    assert_eq!(
        lab.search(&lab.table(), "route-search.exact-match", "10.61.0.0/16"),
        found(&[("10.61.0.0/16", &[&first], propagated)])
    );
    let asn = [("TransitGatewayId", &*lab.gateway), ("Options.AmazonSideAsn", "65000")];
    assert_eq!(lab.code("ModifyTransitGateway", &asn), "IncorrectState");
    let not_a_vpc = [("TransitGatewayAttachmentId", &*first)];
    let code = lab.code("DeleteTransitGatewayVpcAttachment", &not_a_vpc);
    assert_eq!(code, "InvalidTransitGatewayAttachmentID.NotFound");
}
