use serde_json::json;

use super::*;

fn both<'a>(table: &'a str, attachment: &'a str) -> [(&'a str, &'a str); 2] {
    [("TransitGatewayRouteTableId", table), ("TransitGatewayAttachmentId", attachment)]
}

#[test]
fn an_attachment_is_associated_with_one_table() {
    let lab = Lab::new();
    let id = lab.attach(&lab.one);
    let (table, other) = (lab.table(), lab.new_table());
    let associate = |table: &str| lab.api.call_as(ALICE, "AssociateTransitGatewayRouteTable", &both(table, &id));
    for table in [&table, &other] {
        assert_eq!(associate(table).unwrap_err().code, "Resource.AlreadyAssociated");
    }
    assert_eq!(lab.code("DisassociateTransitGatewayRouteTable", &both(&other, &id)), "InvalidAssociation.NotFound");
    let gone = lab.call("DisassociateTransitGatewayRouteTable", &both(&table, &id));
    assert_eq!(gone["Association"]["State"], "disassociating");
    let associations = |table: &str| {
        let found = lab.call("GetTransitGatewayRouteTableAssociations", &[("TransitGatewayRouteTableId", table)]);
        found["Associations"].clone()
    };
    assert_eq!(associations(&table), json!([]));
    assert_eq!(
        associate(&other).unwrap()["Association"],
        json!({
            "TransitGatewayRouteTableId": other, "TransitGatewayAttachmentId": id, "ResourceId": lab.one.vpc,
            "ResourceType": "vpc", "State": "associating",
        })
    );
    assert_eq!(
        associations(&other),
        json!([{
            "TransitGatewayAttachmentId": id, "ResourceId": lab.one.vpc, "ResourceType": "vpc", "State": "associated",
        }])
    );
    assert_eq!(lab.attachment(&id)["Association"]["TransitGatewayRouteTableId"], other);
}

#[test]
fn an_attachment_propagates_to_any_number_of_tables() {
    let lab = Lab::new();
    let id = lab.attach(&lab.one);
    let (table, other) = (lab.table(), lab.new_table());
    let propagations = || {
        let found = lab.call("GetTransitGatewayAttachmentPropagations", &[("TransitGatewayAttachmentId", &id)]);
        ids(&found["TransitGatewayAttachmentPropagations"], "TransitGatewayRouteTableId")
    };
    assert_eq!(propagations(), std::slice::from_ref(&table));
    let enabled = lab.call("EnableTransitGatewayRouteTablePropagation", &both(&other, &id));
    assert_eq!(
        enabled["Propagation"],
        json!({
            "TransitGatewayAttachmentId": id, "ResourceId": lab.one.vpc, "ResourceType": "vpc",
            "TransitGatewayRouteTableId": other, "State": "enabled",
        })
    );
    let again = lab.code("EnableTransitGatewayRouteTablePropagation", &both(&other, &id));
    assert_eq!(again, "TransitGatewayRouteTablePropagation.Duplicate");
    assert_eq!(propagations(), [table.clone(), other.clone()]);
    assert_eq!(lab.all_routes(&other)[0].0, "10.1.0.0/16");
    let found = lab.call("GetTransitGatewayRouteTablePropagations", &[("TransitGatewayRouteTableId", &other)]);
    assert_eq!(
        found["TransitGatewayRouteTablePropagations"],
        json!([{
            "TransitGatewayAttachmentId": id, "ResourceId": lab.one.vpc, "ResourceType": "vpc", "State": "enabled",
        }])
    );
    let disabled = lab.call("DisableTransitGatewayRouteTablePropagation", &both(&other, &id));
    assert_eq!(disabled["Propagation"]["State"], "disabled");
    let again = lab.code("DisableTransitGatewayRouteTablePropagation", &both(&other, &id));
    assert_eq!(again, "TransitGatewayRouteTablePropagation.NotFound");
    assert!(lab.all_routes(&other).is_empty());
}

#[test]
fn a_table_goes_when_nothing_is_associated() {
    let lab = Lab::new();
    let id = lab.attach(&lab.one);
    let (table, other) = (lab.table(), lab.new_table());
    let delete = |table: &str| {
        let done = lab.api.call_as(ALICE, "DeleteTransitGatewayRouteTable", &[("TransitGatewayRouteTableId", table)]);
        done.map_or_else(|error| error.code.into_owned(), |done| text(&done["TransitGatewayRouteTable"]["State"]))
    };
    assert_eq!(delete(&table), "IncorrectState");
    lab.call("DisassociateTransitGatewayRouteTable", &both(&table, &id));
    assert_eq!(delete(&table), "IncorrectState", "it is the default one");
    lab.call("AssociateTransitGatewayRouteTable", &both(&other, &id));
    lab.call("EnableTransitGatewayRouteTablePropagation", &both(&other, &id));
    assert_eq!(delete(&other), "IncorrectState");
    lab.call("DisassociateTransitGatewayRouteTable", &both(&other, &id));
    assert_eq!(delete(&other), "deleting");
    assert_eq!(delete(&other), "InvalidRouteTableID.NotFound");
    let found = lab.call("GetTransitGatewayAttachmentPropagations", &[("TransitGatewayAttachmentId", &id)]);
    assert_eq!(ids(&found["TransitGatewayAttachmentPropagations"], "TransitGatewayRouteTableId"), [table]);
    let seen = lab.call("DescribeTransitGatewayRouteTables", &[("TransitGatewayRouteTableIds.1", &other)]);
    assert_eq!(seen["TransitGatewayRouteTables"][0]["State"], "deleted");
}

#[test]
fn a_gateway_has_twenty_tables_at_most() {
    let lab = Lab::new();
    for _ in 1..20 {
        lab.new_table();
    }
    let parameters = [("TransitGatewayId", &*lab.gateway)];
    assert_eq!(lab.code("CreateTransitGatewayRouteTable", &parameters), "TransitGatewayRouteTableLimitExceeded");
    let page = lab.call("DescribeTransitGatewayRouteTables", &[("MaxResults", "15")]);
    assert_eq!(page["TransitGatewayRouteTables"].as_array().unwrap().len(), 15);
    let rest = [("MaxResults", "15"), ("NextToken", page["NextToken"].as_str().unwrap())];
    let rest = lab.call("DescribeTransitGatewayRouteTables", &rest);
    assert_eq!(rest["TransitGatewayRouteTables"].as_array().unwrap().len(), 5);
}

#[test]
fn unknown_and_foreign_things_are_refused() {
    let lab = Lab::new();
    let id = lab.attach(&lab.one);
    let table = lab.table();
    let other = gateway(&lab.api, ALICE, &[]);
    let foreign = attach(&lab.api, ALICE, &other, &lab.two);
    for action in [
        "AssociateTransitGatewayRouteTable",
        "DisassociateTransitGatewayRouteTable",
        "EnableTransitGatewayRouteTablePropagation",
        "DisableTransitGatewayRouteTablePropagation",
    ] {
        assert_eq!(lab.code(action, &both(UNKNOWN_TABLE, &id)), "InvalidRouteTableID.NotFound", "{action}");
        let code = lab.code(action, &both(&table, UNKNOWN_ATTACHMENT));
        assert_eq!(code, "InvalidTransitGatewayAttachmentID.NotFound", "{action}");
        assert_eq!(lab.code(action, &both("tgw-rtb-zz", &id)), "InvalidRouteTableID.Malformed", "{action}");
        assert_eq!(lab.api.code_as(BOB, action, &both(&table, &id)), "InvalidRouteTableID.NotFound", "{action}");
        assert_eq!(lab.code(action, &[("TransitGatewayAttachmentId", &id)]), "MissingParameter", "{action}");
    }
    for action in ["AssociateTransitGatewayRouteTable", "EnableTransitGatewayRouteTablePropagation"] {
        let code = lab.code(action, &both(&table, &foreign));
        assert_eq!(code, "InvalidTransitGatewayAttachmentID.NotFound", "{action}");
    }
    for action in [
        "GetTransitGatewayRouteTableAssociations",
        "GetTransitGatewayRouteTablePropagations",
        "GetTransitGatewayPrefixListReferences",
    ] {
        let code = lab.code(action, &[("TransitGatewayRouteTableId", UNKNOWN_TABLE)]);
        assert_eq!(code, "InvalidRouteTableID.NotFound", "{action}");
    }
    let unknown = [("TransitGatewayAttachmentId", UNKNOWN_ATTACHMENT)];
    let code = lab.code("GetTransitGatewayAttachmentPropagations", &unknown);
    assert_eq!(code, "InvalidTransitGatewayAttachmentID.NotFound");
    let announced = [("TransitGatewayRouteTableId", &*table), ("TransitGatewayRouteTableAnnouncementId", "tgw-rtb-ann-1")];
    assert_eq!(lab.code("EnableTransitGatewayRouteTablePropagation", &announced), "UnsupportedOperation");
    let unknown = [("TransitGatewayRouteTableIds.1", UNKNOWN_TABLE)];
    assert_eq!(lab.code("DescribeTransitGatewayRouteTables", &unknown), "InvalidRouteTableID.NotFound");
    assert_eq!(
        lab.code("CreateTransitGatewayRouteTable", &[("TransitGatewayId", UNKNOWN_GATEWAY)]),
        "InvalidTransitGatewayID.NotFound"
    );
}

#[test]
fn every_filter_finds_its_tables_associations_and_propagations() {
    let lab = Lab::new();
    let (one, two) = (lab.attach(&lab.one), lab.attach(&lab.two));
    let (table, other) = (lab.table(), lab.new_table());
    let tables = [table.clone(), other.clone()];
    for (name, value, expected) in [
        ("default-association-route-table", "true", &tables[..1]),
        ("default-propagation-route-table", "false", &tables[1..]),
        ("state", "available", &tables[..]),
        ("transit-gateway-id", &*lab.gateway, &tables[..]),
        ("transit-gateway-id", UNKNOWN_GATEWAY, &[]),
        ("transit-gateway-route-table-id", &*other, &tables[1..]),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let found = lab.call("DescribeTransitGatewayRouteTables", &filter);
        assert_eq!(ids(&found["TransitGatewayRouteTables"], "TransitGatewayRouteTableId"), expected, "{name}");
    }
    let attachments = [one.clone(), two.clone()];
    for (action, list) in [
        ("GetTransitGatewayRouteTableAssociations", "Associations"),
        ("GetTransitGatewayRouteTablePropagations", "TransitGatewayRouteTablePropagations"),
    ] {
        for (name, value, expected) in [
            ("resource-id", &*lab.one.vpc, &attachments[..1]),
            ("resource-type", "vpc", &attachments[..]),
            ("resource-type", "peering", &[]),
            ("transit-gateway-attachment-id", &*two, &attachments[1..]),
        ] {
            let filter = [("TransitGatewayRouteTableId", &*table), ("Filter.1.Name", name), ("Filter.1.Value.1", value)];
            let found = lab.call(action, &filter);
            assert_eq!(ids(&found[list], "TransitGatewayAttachmentId"), expected, "{action} {name}");
        }
    }
    lab.call("EnableTransitGatewayRouteTablePropagation", &both(&other, &one));
    let filter = [
        ("TransitGatewayAttachmentId", &*one),
        ("Filter.1.Name", "transit-gateway-route-table-id"),
        ("Filter.1.Value.1", &*other),
    ];
    let found = lab.call("GetTransitGatewayAttachmentPropagations", &filter);
    assert_eq!(found["TransitGatewayAttachmentPropagations"], json!([{"TransitGatewayRouteTableId": other, "State": "enabled"}]));
}
