#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::testing::api;
use crate::{Api, ApiError};

const OTHER: &str = "210987654321";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn call(api: &Api, operation: &str, body: Value) -> Value {
    api.json("directconnect", operation, &body).unwrap()
}

fn call_as(api: &Api, account: &str, operation: &str, body: Value) -> Result<Value, ApiError> {
    api.json_as(account, "us-east-1", "directconnect", operation, &body)
}

/// The text of the one error there is.
fn refusal(api: &Api, operation: &str, body: Value) -> String {
    let error = api.json("directconnect", operation, &body).unwrap_err();
    assert_eq!(error.code, "DirectConnectClientException", "{error:?}");
    assert_eq!(error.status, 400);
    error.message
}

fn connection(api: &Api) -> String {
    let made = call(api, "CreateConnection", json!({"location": "EqDC2", "bandwidth": "10Gbps", "connectionName": "c"}));
    assert_eq!(made["connectionState"], "pending");
    text(&made["connectionId"])
}

fn gateway(api: &Api, asn: i64) -> String {
    let made = call(api, "CreateDirectConnectGateway", json!({"directConnectGatewayName": "g", "amazonSideAsn": asn}));
    text(&made["directConnectGateway"]["directConnectGatewayId"])
}

/// A virtual private gateway on a VPC of that block.
fn vpn_gateway(api: &Api, block: &str) -> String {
    let gateway = text(&api.call("CreateVpnGateway", &[("Type", "ipsec.1")]).unwrap()["VpnGateway"]["VpnGatewayId"]);
    let vpc = text(&api.call("CreateVpc", &[("CidrBlock", block)]).unwrap()["Vpc"]["VpcId"]);
    api.call("AttachVpnGateway", &[("VpnGatewayId", &gateway), ("VpcId", &vpc)]).unwrap();
    gateway
}

fn private(connection: &str, gateway: &str, vlan: i64) -> Value {
    json!({
        "connectionId": connection,
        "newPrivateVirtualInterface": {
            "virtualInterfaceName": "v", "vlan": vlan, "asn": 65000, "directConnectGatewayId": gateway,
        },
    })
}

#[test]
fn a_connection_is_pending_then_available_then_deleted() {
    let api = api();
    let id = connection(&api);
    let shown = || call(&api, "DescribeConnections", json!({"connectionId": id}))["connections"][0].clone();
    assert_eq!(shown()["connectionState"], "available");
    assert_eq!(shown()["bandwidth"], "10Gbps");
    assert_eq!(shown()["ownerAccount"], "123456789012");
    assert!(id.starts_with("dxcon-") && id.len() == 14, "{id}");
    let renamed = call(&api, "UpdateConnection", json!({"connectionId": id, "connectionName": "other"}));
    assert_eq!(renamed["connectionName"], "other");
    assert_eq!(call(&api, "DeleteConnection", json!({"connectionId": id}))["connectionState"], "deleting");
    assert_eq!(shown()["connectionState"], "deleted");
    // Terraform looks for these words.
    assert!(refusal(&api, "DeleteConnection", json!({"connectionId": id})).contains("Could not find Connection with ID"));
    let unknown = refusal(&api, "DescribeConnections", json!({"connectionId": "dxcon-ffffffff"}));
    assert!(unknown.contains("Could not find Connection with ID dxcon-ffffffff"));
    assert!(refusal(&api, "DescribeConnections", json!({"connectionId": "x"})).contains("Could not find Connection with ID"));
}

#[test]
fn connections_are_made_where_there_are_ports() {
    let api = api();
    let locations = call(&api, "DescribeLocations", json!({}))["locations"].clone();
    assert!(locations.as_array().unwrap().len() >= 2);
    assert_eq!(locations[0]["region"], "us-east-1");
    let make = |location: &str, bandwidth: &str| json!({"location": location, "bandwidth": bandwidth, "connectionName": "c"});
    refusal(&api, "CreateConnection", make("Nowhere", "1Gbps"));
    refusal(&api, "CreateConnection", make("EqDC2", "2Gbps"));
    refusal(&api, "CreateConnection", json!({"location": "EqDC2", "bandwidth": "1Gbps"}));
    refusal(
        &api,
        "CreateConnection",
        json!({"location": "EqDC2", "bandwidth": "1Gbps", "connectionName": "c", "requestMACSec": true}),
    );
}

#[test]
fn vlans_are_in_range_and_unique_on_a_connection() {
    let api = api();
    let (port, other, to) = (connection(&api), connection(&api), gateway(&api, 64512));
    for vlan in [0, 4095, -1, 70000] {
        refusal(&api, "CreatePrivateVirtualInterface", private(&port, &to, vlan));
    }
    for vlan in [1, 4094] {
        call(&api, "CreatePrivateVirtualInterface", private(&port, &to, vlan));
    }
    assert!(refusal(&api, "CreatePrivateVirtualInterface", private(&port, &to, 4094)).contains("already in use"));
    call(&api, "CreatePrivateVirtualInterface", private(&other, &to, 4094));
}

#[test]
fn a_private_interface_leads_to_a_gateway() {
    let api = api();
    let (port, vpn) = (connection(&api), vpn_gateway(&api, "10.0.0.0/16"));
    let made = call(
        &api,
        "CreatePrivateVirtualInterface",
        json!({
            "connectionId": port,
            "newPrivateVirtualInterface": {
                "virtualInterfaceName": "v", "vlan": 101, "asn": 65000, "authKey": "secret<&>key", "mtu": 9001,
                "amazonAddress": "192.168.1.1/30", "customerAddress": "192.168.1.2/30", "addressFamily": "ipv4",
                "virtualGatewayId": vpn, "tags": [{"key": "a", "value": "b"}],
            },
        }),
    );
    assert_eq!(made["virtualInterfaceState"], "pending");
    assert_eq!(made["virtualGatewayId"], *vpn);
    assert_eq!(made["amazonSideAsn"], 64512);
    assert_eq!((&made["asn"], &made["asnLong"]), (&json!(65000), &json!(65000)));
    assert_eq!(made["mtu"], 9001);
    assert_eq!(made["bgpPeers"][0]["bgpStatus"], "down");
    let configuration = text(&made["customerRouterConfig"]);
    for line in [
        "<vlan>101</vlan>",
        "<customer_address>192.168.1.2/30</customer_address>",
        "<amazon_address>192.168.1.1/30</amazon_address>",
        "<bgp_asn>65000</bgp_asn>",
        "<bgp_auth_key>secret&lt;&amp;&gt;key</bgp_auth_key>",
        "<amazon_bgp_asn>64512</amazon_bgp_asn>",
        "<connection_type>private</connection_type>",
    ] {
        assert!(configuration.contains(line), "{line} in {configuration}");
    }
    let id = text(&made["virtualInterfaceId"]);
    let shown = || call(&api, "DescribeVirtualInterfaces", json!({"virtualInterfaceId": id}))["virtualInterfaces"][0].clone();
    // No BGP session comes up as long as no packets are carried.
    assert_eq!(shown()["virtualInterfaceState"], "down");
    assert_eq!(shown()["tags"], json!([{"key": "a", "value": "b"}]));
    assert_eq!(api.code("DeleteVpnGateway", &[("VpnGatewayId", &vpn)]), "IncorrectState");
    refusal(&api, "DeleteConnection", json!({"connectionId": port}));
    let changed =
        call(&api, "UpdateVirtualInterfaceAttributes", json!({"virtualInterfaceId": id, "mtu": 1500, "enableSiteLink": true}));
    assert_eq!((&changed["mtu"], &changed["siteLinkEnabled"]), (&json!(1500), &json!(true)));
    refusal(&api, "UpdateVirtualInterfaceAttributes", json!({"virtualInterfaceId": id, "mtu": 1400}));
    assert_eq!(call(&api, "DeleteVirtualInterface", json!({"virtualInterfaceId": id}))["virtualInterfaceState"], "deleting");
    assert_eq!(shown()["virtualInterfaceState"], "deleted");
    assert!(refusal(&api, "DeleteVirtualInterface", json!({"virtualInterfaceId": id})).contains("does not exist"));
    refusal(&api, "DescribeVirtualInterfaces", json!({"virtualInterfaceId": "dxvif-ffffffff"}));
    call(&api, "DeleteConnection", json!({"connectionId": port}));
}

#[test]
fn peers_have_addresses_of_one_link_or_get_them() {
    let api = api();
    let (port, to) = (connection(&api), gateway(&api, 64512));
    let with = |vlan: i64, more: Value| {
        let mut body = private(&port, &to, vlan);
        body["newPrivateVirtualInterface"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for addresses in [
        json!({"amazonAddress": "192.168.1.1/30"}),
        json!({"amazonAddress": "192.168.1.1", "customerAddress": "192.168.1.2"}),
        json!({"amazonAddress": "192.168.1.1/30", "customerAddress": "192.168.1.6/30"}),
        json!({"amazonAddress": "192.168.1.1/30", "customerAddress": "192.168.1.1/30"}),
        json!({"amazonAddress": "192.168.1.1/30", "customerAddress": "192.168.1.3/30"}),
        json!({"amazonAddress": "192.168.1.1/30", "customerAddress": "192.168.1.2/29"}),
        json!({"amazonAddress": "192.168.1.1/32", "customerAddress": "192.168.1.1/32"}),
        json!({"amazonAddress": "fd00::1/125", "customerAddress": "fd00::2/125", "addressFamily": "ipv6"}),
        json!({"addressFamily": "ipx"}),
        json!({"asn": 0}),
        json!({"asnLong": 4_294_967_295_u64}),
        json!({"authKey": "short"}),
        json!({"mtu": 1400}),
    ] {
        refusal(&api, "CreatePrivateVirtualInterface", with(7, addresses));
    }
    let short = with(31, json!({"amazonAddress": "192.168.1.0/31", "customerAddress": "192.168.1.1/31"}));
    call(&api, "CreatePrivateVirtualInterface", short);
    let drawn = call(&api, "CreatePrivateVirtualInterface", with(8, json!({"asnLong": 4_200_000_000_u64})));
    assert!(text(&drawn["amazonAddress"]).starts_with("169.254.") && text(&drawn["amazonAddress"]).ends_with("/29"), "{drawn}");
    assert_eq!(drawn["asnLong"], 4_200_000_000_u64);
    assert_eq!(text(&drawn["authKey"]).len(), 24);
    let other = call(&api, "CreatePrivateVirtualInterface", with(9, json!({})));
    assert_ne!(drawn["amazonAddress"], other["amazonAddress"]);
    let six = call(&api, "CreatePrivateVirtualInterface", with(10, json!({"addressFamily": "ipv6"})));
    assert!(text(&six["customerAddress"]).ends_with("/125"));
}

#[test]
fn an_interface_has_a_session_of_each_family_and_keeps_the_last() {
    let api = api();
    let made = call(&api, "CreatePrivateVirtualInterface", private(&connection(&api), &gateway(&api, 64512), 5));
    let id = text(&made["virtualInterfaceId"]);
    let peer = |family: &str| json!({"virtualInterfaceId": id, "newBGPPeer": {"asn": 65001, "addressFamily": family}});
    refusal(&api, "CreateBGPPeer", peer("ipv4"));
    let both = call(&api, "CreateBGPPeer", peer("ipv6"))["virtualInterface"].clone();
    assert_eq!(both["bgpPeers"][1]["bgpPeerState"], "pending");
    assert_eq!(both["bgpPeers"][0]["bgpPeerState"], "available");
    refusal(&api, "DeleteBGPPeer", json!({"virtualInterfaceId": id, "bgpPeerId": "dxpeer-ffffffff"}));
    refusal(&api, "DeleteBGPPeer", json!({"virtualInterfaceId": id}));
    let one = call(
        &api,
        "DeleteBGPPeer",
        json!({"virtualInterfaceId": id, "asn": 65001, "customerAddress": both["bgpPeers"][1]["customerAddress"]}),
    );
    assert_eq!(one["virtualInterface"]["bgpPeers"][1]["bgpPeerState"], "deleting");
    let shown = call(&api, "DescribeVirtualInterfaces", json!({"virtualInterfaceId": id}));
    assert_eq!(shown["virtualInterfaces"][0]["bgpPeers"].as_array().unwrap().len(), 1);
    let last = refusal(&api, "DeleteBGPPeer", json!({"virtualInterfaceId": id, "asn": 65000}));
    assert!(last.contains("The last BGP Peer on a Virtual Interface cannot be deleted"), "{last}");
}

#[test]
fn a_public_interface_announces_public_prefixes() {
    let api = api();
    let port = connection(&api);
    let with = |prefixes: Value, amazon: Option<&str>| {
        json!({
            "connectionId": port,
            "newPublicVirtualInterface": {
                "virtualInterfaceName": "p", "vlan": 9, "asn": 65000, "amazonAddress": amazon,
                "customerAddress": amazon.map(|_| "203.0.113.2/30"), "routeFilterPrefixes": prefixes,
            },
        })
    };
    refusal(&api, "CreatePublicVirtualInterface", with(json!([]), Some("203.0.113.1/30")));
    refusal(&api, "CreatePublicVirtualInterface", with(json!([{"cidr": "10.0.0.0/8"}]), Some("203.0.113.1/30")));
    refusal(&api, "CreatePublicVirtualInterface", with(json!([{"cidr": "nonsense"}]), Some("203.0.113.1/30")));
    refusal(&api, "CreatePublicVirtualInterface", with(json!([{"cidr": "198.51.100.0/24"}]), None));
    let made = call(&api, "CreatePublicVirtualInterface", with(json!([{"cidr": "198.51.100.0/24"}]), Some("203.0.113.1/30")));
    assert_eq!(made["virtualInterfaceState"], "verifying");
    assert_eq!(made["routeFilterPrefixes"], json!([{"cidr": "198.51.100.0/24"}]));
    assert_eq!(made["amazonSideAsn"], 7224);
    refusal(&api, "UpdateVirtualInterfaceAttributes", json!({"virtualInterfaceId": made["virtualInterfaceId"], "mtu": 8500}));
}

#[test]
fn a_transit_interface_is_wrapped_and_there_are_four() {
    let api = api();
    let (port, to) = (connection(&api), gateway(&api, 64512));
    let with = |vlan: i64, mtu: i64| {
        json!({
            "connectionId": port,
            "newTransitVirtualInterface": {
                "virtualInterfaceName": "t", "vlan": vlan, "asn": 65000, "mtu": mtu, "directConnectGatewayId": to,
            },
        })
    };
    refusal(&api, "CreateTransitVirtualInterface", with(1, 9001));
    for vlan in 1..=4 {
        let made = call(&api, "CreateTransitVirtualInterface", with(vlan, 8500));
        assert_eq!(made["virtualInterface"]["virtualInterfaceType"], "transit");
    }
    refusal(&api, "CreateTransitVirtualInterface", with(5, 8500));
    let attachments = call(&api, "DescribeDirectConnectGatewayAttachments", json!({"directConnectGatewayId": to}));
    assert_eq!(attachments["directConnectGatewayAttachments"].as_array().unwrap().len(), 4);
    assert_eq!(attachments["directConnectGatewayAttachments"][0]["attachmentType"], "TransitVirtualInterface");
    refusal(&api, "DescribeDirectConnectGatewayAttachments", json!({}));
    refusal(&api, "DeleteDirectConnectGateway", json!({"directConnectGatewayId": to}));
}

#[test]
fn a_group_has_four_equal_connections() {
    let api = api();
    let make = |number: i64, bandwidth: &str| json!({"numberOfConnections": number, "location": "EqDC2", "connectionsBandwidth": bandwidth, "lagName": "l"});
    refusal(&api, "CreateLag", make(5, "10Gbps"));
    refusal(&api, "CreateLag", make(3, "100Gbps"));
    refusal(&api, "CreateLag", make(1, "2Gbps"));
    let made = call(&api, "CreateLag", make(2, "10Gbps"));
    assert_eq!(made["lagState"], "pending");
    assert_eq!(made["connections"].as_array().unwrap().len(), 2);
    let lag = text(&made["lagId"]);
    let shown = || call(&api, "DescribeLags", json!({"lagId": lag}))["lags"][0].clone();
    assert_eq!((&shown()["lagState"], &shown()["minimumLinks"]), (&json!("available"), &json!(0)));
    let (third, fourth, fifth) = (connection(&api), connection(&api), connection(&api));
    let with = |connection: &str| json!({"connectionId": connection, "lagId": lag});
    assert_eq!(call(&api, "AssociateConnectionWithLag", with(&third))["lagId"], *lag);
    call(&api, "AssociateConnectionWithLag", with(&fourth));
    refusal(&api, "AssociateConnectionWithLag", with(&fifth));
    refusal(&api, "DisassociateConnectionFromLag", with(&fifth));
    assert!(call(&api, "DisassociateConnectionFromLag", with(&fourth)).get("lagId").is_none());
    let slow = call(&api, "CreateConnection", json!({"location": "EqDC2", "bandwidth": "1Gbps", "connectionName": "s"}));
    refusal(&api, "AssociateConnectionWithLag", with(&text(&slow["connectionId"])));
    refusal(&api, "UpdateLag", json!({"lagId": lag, "minimumLinks": 4}));
    assert_eq!(call(&api, "UpdateLag", json!({"lagId": lag, "minimumLinks": 3}))["minimumLinks"], 3);
    refusal(&api, "DisassociateConnectionFromLag", with(&third));
    refusal(&api, "DeleteConnection", json!({"connectionId": third}));
    let unknown = refusal(&api, "DescribeLags", json!({"lagId": "dxlag-ffffffff"}));
    assert!(unknown.contains("Could not find Lag with ID"));
    assert_eq!(call(&api, "DeleteLag", json!({"lagId": lag}))["lagState"], "deleting");
    assert_eq!(shown()["lagState"], "deleted");
    let freed = call(&api, "DescribeConnections", json!({"connectionId": third}));
    assert!(freed["connections"][0].get("lagId").is_none());
}

#[test]
fn interfaces_go_with_their_connection_into_a_group() {
    let api = api();
    let (port, to) = (connection(&api), gateway(&api, 64512));
    let made = call(&api, "CreatePrivateVirtualInterface", private(&port, &to, 5));
    let lag = call(
        &api,
        "CreateLag",
        json!({"numberOfConnections": 1, "location": "EqDC2", "connectionsBandwidth": "10Gbps", "lagName": "l", "connectionId": port}),
    );
    let lag = text(&lag["lagId"]);
    let shown = call(&api, "DescribeVirtualInterfaces", json!({"virtualInterfaceId": made["virtualInterfaceId"]}));
    assert_eq!(shown["virtualInterfaces"][0]["connectionId"], *lag);
    refusal(&api, "CreatePrivateVirtualInterface", private(&port, &to, 6));
    refusal(&api, "CreatePrivateVirtualInterface", private(&lag, &to, 5));
    call(&api, "CreatePrivateVirtualInterface", private(&lag, &to, 6));
    refusal(&api, "DeleteLag", json!({"lagId": lag}));
}

#[test]
fn a_gateway_is_seen_from_every_region() {
    let api = api();
    let id = gateway(&api, 64512);
    let elsewhere = api.json_as("test", "eu-west-1", "directconnect", "DescribeDirectConnectGateways", &json!({})).unwrap();
    assert_eq!(elsewhere["directConnectGateways"][0]["directConnectGatewayId"], *id);
    assert_eq!(elsewhere["directConnectGateways"][0]["directConnectGatewayState"], "available");
    for asn in [0, 64511, 65535, 4_294_967_295_i64] {
        refusal(&api, "CreateDirectConnectGateway", json!({"directConnectGatewayName": "g", "amazonSideAsn": asn}));
    }
    let renamed =
        call(&api, "UpdateDirectConnectGateway", json!({"directConnectGatewayId": id, "newDirectConnectGatewayName": "h"}));
    assert_eq!(renamed["directConnectGateway"]["directConnectGatewayName"], "h");
    let gone = call(&api, "DeleteDirectConnectGateway", json!({"directConnectGatewayId": id}));
    assert_eq!(gone["directConnectGateway"]["directConnectGatewayState"], "deleting");
    let none = call(&api, "DescribeDirectConnectGateways", json!({"directConnectGatewayId": id}));
    assert_eq!(none["directConnectGateways"], json!([]));
    assert!(refusal(&api, "DeleteDirectConnectGateway", json!({"directConnectGatewayId": id})).contains("does not exist"));
}

#[test]
fn associated_vpcs_do_not_overlap() {
    let api = api();
    let id = gateway(&api, 64512);
    let (one, overlapping, other) =
        (vpn_gateway(&api, "10.0.0.0/16"), vpn_gateway(&api, "10.0.0.0/20"), vpn_gateway(&api, "10.1.0.0/16"));
    let associate = |with: &str| json!({"directConnectGatewayId": id, "gatewayId": with});
    let made = call(&api, "CreateDirectConnectGatewayAssociation", associate(&one))["directConnectGatewayAssociation"].clone();
    assert_eq!(made["associationState"], "associating");
    assert_eq!(made["allowedPrefixesToDirectConnectGateway"], json!([{"cidr": "10.0.0.0/16"}]));
    assert_eq!(made["associatedGateway"]["type"], "virtualPrivateGateway");
    refusal(&api, "CreateDirectConnectGatewayAssociation", associate(&one));
    assert!(refusal(&api, "CreateDirectConnectGatewayAssociation", associate(&overlapping)).contains("overlaps"));
    call(&api, "CreateDirectConnectGatewayAssociation", associate(&other));
    let bare = text(&api.call("CreateVpnGateway", &[("Type", "ipsec.1")]).unwrap()["VpnGateway"]["VpnGatewayId"]);
    refusal(&api, "CreateDirectConnectGatewayAssociation", associate(&bare));
    refusal(&api, "CreateDirectConnectGatewayAssociation", associate("vgw-12345678"));
    assert_eq!(api.code("DeleteVpnGateway", &[("VpnGatewayId", &one)]), "IncorrectState");
    let all = call(&api, "DescribeDirectConnectGatewayAssociations", json!({"directConnectGatewayId": id}));
    assert_eq!(all["directConnectGatewayAssociations"].as_array().unwrap().len(), 2);
    assert_eq!(all["directConnectGatewayAssociations"][0]["associationState"], "associated");
    refusal(&api, "DescribeDirectConnectGatewayAssociations", json!({}));
    let association = text(&made["associationId"]);
    let update = json!({
        "associationId": association,
        "addAllowedPrefixesToDirectConnectGateway": [{"cidr": "10.0.0.0/8"}],
        "removeAllowedPrefixesToDirectConnectGateway": [{"cidr": "10.0.0.0/16"}],
    });
    let updated = call(&api, "UpdateDirectConnectGatewayAssociation", update)["directConnectGatewayAssociation"].clone();
    assert_eq!(updated["associationState"], "updating");
    assert_eq!(updated["allowedPrefixesToDirectConnectGateway"], json!([{"cidr": "10.0.0.0/8"}]));
    refusal(&api, "DeleteDirectConnectGateway", json!({"directConnectGatewayId": id}));
    let gone = call(&api, "DeleteDirectConnectGatewayAssociation", json!({"associationId": association}));
    assert_eq!(gone["directConnectGatewayAssociation"]["associationState"], "disassociating");
    let by_gateways = json!({"directConnectGatewayId": id, "virtualGatewayId": other});
    call(&api, "DeleteDirectConnectGatewayAssociation", by_gateways);
    let none = call(&api, "DescribeDirectConnectGatewayAssociations", json!({"associationId": association}));
    assert_eq!(none["directConnectGatewayAssociations"], json!([]));
    call(&api, "DeleteDirectConnectGateway", json!({"directConnectGatewayId": id}));
}

#[test]
fn an_allocated_interface_waits_for_its_owner() {
    let api = api();
    let port = connection(&api);
    let made = call(
        &api,
        "AllocatePrivateVirtualInterface",
        json!({
            "connectionId": port, "ownerAccount": OTHER,
            "newPrivateVirtualInterfaceAllocation": {"virtualInterfaceName": "v", "vlan": 7, "asn": 65000},
        }),
    );
    let id = text(&made["virtualInterfaceId"]);
    assert_eq!((&made["virtualInterfaceState"], &made["ownerAccount"]), (&json!("confirming"), &json!(OTHER)));
    let theirs = || call_as(&api, OTHER, "DescribeVirtualInterfaces", json!({})).unwrap()["virtualInterfaces"][0].clone();
    assert_eq!(theirs()["virtualInterfaceState"], "confirming");
    let named = json!({"directConnectGatewayName": "g"});
    let gateway = call_as(&api, OTHER, "CreateDirectConnectGateway", named).unwrap();
    let gateway = text(&gateway["directConnectGateway"]["directConnectGatewayId"]);
    let confirm = json!({"virtualInterfaceId": id, "directConnectGatewayId": gateway});
    refusal(&api, "ConfirmPrivateVirtualInterface", confirm.clone());
    assert!(call_as(&api, OTHER, "ConfirmPublicVirtualInterface", json!({"virtualInterfaceId": id})).is_err());
    assert!(call_as(&api, OTHER, "ConfirmPrivateVirtualInterface", json!({"virtualInterfaceId": id})).is_err());
    let confirmed = call_as(&api, OTHER, "ConfirmPrivateVirtualInterface", confirm.clone()).unwrap();
    assert_eq!(confirmed["virtualInterfaceState"], "pending");
    assert_eq!((&theirs()["virtualInterfaceState"], &theirs()["directConnectGatewayId"]), (&json!("down"), &json!(gateway)));
    assert!(call_as(&api, OTHER, "ConfirmPrivateVirtualInterface", confirm).is_err());
    // The owner of the connection sees it too, and may end it.
    assert_eq!(
        call(&api, "DescribeVirtualInterfaces", json!({"connectionId": port}))["virtualInterfaces"].as_array().unwrap().len(),
        1
    );
    call(&api, "DeleteVirtualInterface", json!({"virtualInterfaceId": id}));
    assert_eq!(theirs()["virtualInterfaceState"], "deleted");
}

#[test]
fn a_hosted_connection_waits_for_its_owner_and_carries_one_interface() {
    let api = api();
    let port = connection(&api);
    let allocate = |vlan: i64, bandwidth: &str| json!({"connectionId": port, "ownerAccount": OTHER, "bandwidth": bandwidth, "connectionName": "h", "vlan": vlan});
    refusal(&api, "AllocateHostedConnection", allocate(0, "50Mbps"));
    refusal(&api, "AllocateHostedConnection", allocate(5, "3Gbps"));
    let made = call(&api, "AllocateHostedConnection", allocate(5, "50Mbps"));
    assert_eq!((&made["connectionState"], &made["vlan"]), (&json!("ordering"), &json!(5)));
    refusal(&api, "AllocateHostedConnection", allocate(5, "50Mbps"));
    let id = text(&made["connectionId"]);
    assert_eq!(call(&api, "DescribeHostedConnections", json!({"connectionId": port}))["connections"][0]["connectionId"], *id);
    refusal(&api, "ConfirmConnection", json!({"connectionId": id}));
    let confirmed = call_as(&api, OTHER, "ConfirmConnection", json!({"connectionId": id})).unwrap();
    assert_eq!(confirmed["connectionState"], "pending");
    assert!(call_as(&api, OTHER, "ConfirmConnection", json!({"connectionId": id})).is_err());
    let gateway = call_as(&api, OTHER, "CreateDirectConnectGateway", json!({"directConnectGatewayName": "g"})).unwrap();
    let gateway = text(&gateway["directConnectGateway"]["directConnectGatewayId"]);
    call_as(&api, OTHER, "CreatePrivateVirtualInterface", private(&id, &gateway, 1)).unwrap();
    assert!(call_as(&api, OTHER, "CreatePrivateVirtualInterface", private(&id, &gateway, 2)).is_err());
    refusal(&api, "DeleteConnection", json!({"connectionId": port}));
    let moved = call(&api, "AssociateHostedConnection", json!({"connectionId": id, "parentConnectionId": connection(&api)}));
    assert_eq!(moved["connectionId"], *id);
    call(&api, "DeleteConnection", json!({"connectionId": port}));
}

#[test]
fn a_proposal_is_accepted_by_the_owner_of_the_other_gateway() {
    let api = api();
    let with = vpn_gateway(&api, "10.0.0.0/16");
    let gateway = call_as(&api, OTHER, "CreateDirectConnectGateway", json!({"directConnectGatewayName": "g"})).unwrap();
    let gateway = text(&gateway["directConnectGateway"]["directConnectGatewayId"]);
    refusal(&api, "CreateDirectConnectGatewayAssociation", json!({"directConnectGatewayId": gateway, "gatewayId": with}));
    let propose = json!({"directConnectGatewayId": gateway, "directConnectGatewayOwnerAccount": OTHER, "gatewayId": with});
    let made = call(&api, "CreateDirectConnectGatewayAssociationProposal", propose.clone());
    let made = &made["directConnectGatewayAssociationProposal"];
    assert_eq!(made["proposalState"], "requested");
    refusal(&api, "CreateDirectConnectGatewayAssociationProposal", propose.clone());
    let accept = json!({
        "directConnectGatewayId": gateway, "proposalId": made["proposalId"], "associatedGatewayOwnerAccount": "123456789012",
        "overrideAllowedPrefixesToDirectConnectGateway": [{"cidr": "10.0.0.0/8"}],
    });
    refusal(&api, "AcceptDirectConnectGatewayAssociationProposal", accept.clone());
    let accepted = call_as(&api, OTHER, "AcceptDirectConnectGatewayAssociationProposal", accept).unwrap();
    let association = &accepted["directConnectGatewayAssociation"];
    assert_eq!(association["allowedPrefixesToDirectConnectGateway"], json!([{"cidr": "10.0.0.0/8"}]));
    assert_eq!(association["associatedGateway"]["ownerAccount"], "123456789012");
    let shown = call(&api, "DescribeDirectConnectGatewayAssociationProposals", json!({"proposalId": made["proposalId"]}));
    assert_eq!(shown["directConnectGatewayAssociationProposals"][0]["proposalState"], "accepted");
    // Both owners see the association, and either may end it.
    let mine = call(&api, "DescribeDirectConnectGatewayAssociations", json!({"associatedGatewayId": with}));
    assert_eq!(mine["directConnectGatewayAssociations"].as_array().unwrap().len(), 1);
    call(&api, "DeleteDirectConnectGatewayAssociation", json!({"associationId": association["associationId"]}));
    let again = call(&api, "CreateDirectConnectGatewayAssociationProposal", propose);
    let again = &again["directConnectGatewayAssociationProposal"]["proposalId"];
    let gone = call(&api, "DeleteDirectConnectGatewayAssociationProposal", json!({"proposalId": again}));
    assert_eq!(gone["directConnectGatewayAssociationProposal"]["proposalState"], "deleted");
    refusal(&api, "DeleteDirectConnectGatewayAssociationProposal", json!({"proposalId": again}));
}

#[test]
fn a_failover_test_runs_until_it_is_stopped() {
    let api = api();
    let made = call(&api, "CreatePrivateVirtualInterface", private(&connection(&api), &gateway(&api, 64512), 5));
    let id = text(&made["virtualInterfaceId"]);
    refusal(&api, "StopBgpFailoverTest", json!({"virtualInterfaceId": id}));
    refusal(&api, "StartBgpFailoverTest", json!({"virtualInterfaceId": id, "testDurationInMinutes": 0}));
    refusal(&api, "StartBgpFailoverTest", json!({"virtualInterfaceId": id, "bgpPeers": ["dxpeer-ffffffff"]}));
    let test = call(&api, "StartBgpFailoverTest", json!({"virtualInterfaceId": id}))["virtualInterfaceTest"].clone();
    assert_eq!((&test["status"], &test["testDurationInMinutes"]), (&json!("RUNNING"), &json!(180)));
    refusal(&api, "StartBgpFailoverTest", json!({"virtualInterfaceId": id}));
    let shown = || call(&api, "DescribeVirtualInterfaces", json!({}))["virtualInterfaces"][0]["virtualInterfaceState"].clone();
    assert_eq!(shown(), "testing");
    assert_eq!(call(&api, "StopBgpFailoverTest", json!({"virtualInterfaceId": id}))["virtualInterfaceTest"]["status"], "STOPPED");
    assert_eq!(shown(), "down");
    let history = call(&api, "ListVirtualInterfaceTestHistory", json!({"virtualInterfaceId": id}));
    assert_eq!(history["virtualInterfaceTestHistory"].as_array().unwrap().len(), 1);
}

#[test]
fn resources_are_tagged_by_arn() {
    let api = api();
    let arn = format!("arn:aws:directconnect:us-east-1:123456789012:dxcon/{}", connection(&api));
    let tags = |arn: &str| call(&api, "DescribeTags", json!({"resourceArns": [arn]}))["resourceTags"][0]["tags"].clone();
    call(&api, "TagResource", json!({"resourceArn": arn, "tags": [{"key": "a", "value": "1"}, {"key": "b"}]}));
    assert_eq!(tags(&arn), json!([{"key": "a", "value": "1"}, {"key": "b", "value": ""}]));
    call(&api, "UntagResource", json!({"resourceArn": arn, "tagKeys": ["a"]}));
    assert_eq!(tags(&arn), json!([{"key": "b", "value": ""}]));
    let code = |body: Value| api.json("directconnect", "TagResource", &body).unwrap_err().code.into_owned();
    assert_eq!(code(json!({"resourceArn": arn, "tags": [{"key": "a"}, {"key": "a"}]})), "DuplicateTagKeysException");
    let many: Vec<_> = (0..51).map(|n| json!({"key": format!("k{n}")})).collect();
    assert_eq!(code(json!({"resourceArn": arn, "tags": many})), "TooManyTagsException");
    assert_eq!(code(json!({"resourceArn": arn, "tags": [{"key": "aws:a"}]})), "DirectConnectClientException");
    let unknown = "arn:aws:directconnect:us-east-1:123456789012:dxcon/dxcon-ffffffff";
    assert_eq!(code(json!({"resourceArn": unknown, "tags": [{"key": "a"}]})), "DirectConnectClientException");
    let global = format!("arn:aws:directconnect::123456789012:dx-gateway/{}", gateway(&api, 64512));
    call(&api, "TagResource", json!({"resourceArn": global, "tags": [{"key": "c", "value": "d"}]}));
    assert_eq!(tags(&global), json!([{"key": "c", "value": "d"}]));
    for arn in ["", "nonsense", "arn:aws:directconnect:eu-west-1:123456789012:dxcon/dxcon-00000001"] {
        refusal(&api, "DescribeTags", json!({"resourceArns": [arn]}));
    }
}

#[test]
fn lists_come_in_pages() {
    let api = api();
    let made: Vec<_> = (0..3).map(|_| connection(&api)).collect();
    let first = call(&api, "DescribeConnections", json!({"maxResults": 2}));
    assert_eq!(first["connections"].as_array().unwrap().len(), 2);
    let rest = call(&api, "DescribeConnections", json!({"maxResults": 2, "nextToken": first["nextToken"]}));
    assert_eq!(rest["connections"].as_array().unwrap().len(), made.len() - 2);
    assert!(rest.get("nextToken").is_none());
    refusal(&api, "DescribeConnections", json!({"nextToken": "?"}));
    refusal(&api, "DescribeConnections", json!({"maxResults": 0}));
}

#[test]
fn what_never_changes_is_described() {
    let api = api();
    let port = connection(&api);
    let made = call(&api, "CreatePrivateVirtualInterface", private(&port, &gateway(&api, 64512), 5));
    let loa = call(&api, "DescribeLoa", json!({"connectionId": port}));
    assert_eq!(loa["loaContentType"], "application/pdf");
    assert_eq!(call(&api, "DescribeConnectionLoa", json!({"connectionId": port}))["loa"], loa);
    refusal(&api, "DescribeLoa", json!({"connectionId": "dxcon-ffffffff"}));
    refusal(&api, "DescribeLoa", json!({"connectionId": port, "loaContentType": "text/plain"}));
    for router in [None, Some("JuniperNetworksInc-MXSeriesRouters-JunOS95")] {
        let body = json!({"virtualInterfaceId": made["virtualInterfaceId"], "routerTypeIdentifier": router});
        let answer = call(&api, "DescribeRouterConfiguration", body);
        assert!(text(&answer["customerRouterConfig"]).contains(&text(&made["authKey"])));
    }
    refusal(
        &api,
        "DescribeRouterConfiguration",
        json!({"virtualInterfaceId": made["virtualInterfaceId"], "routerTypeIdentifier": "x"}),
    );
    assert_eq!(call(&api, "DescribeInterconnects", json!({}))["interconnects"], json!([]));
    refusal(&api, "DescribeInterconnects", json!({"interconnectId": "dxcon-ffffffff"}));
    assert_eq!(call(&api, "DescribeCustomerMetadata", json!({}))["nniPartnerType"], "nonPartner");
    let vpn = vpn_gateway(&api, "10.0.0.0/16");
    assert_eq!(call(&api, "DescribeVirtualGateways", json!({}))["virtualGateways"][0]["virtualGatewayId"], *vpn);
}

#[test]
fn allowed_prefixes_filter_for_vpcs_and_are_announced_for_transit_gateways() {
    use openvpc_model::direct_connect::AssociatedGateway;
    use openvpc_model::{DirectConnectAssociation, Id, TransitGatewayAttachmentId, TransitGatewayId};

    let control = std::sync::Arc::new(crate::testing::control());
    let api = Api::new(control.clone(), std::sync::Arc::new(crate::testing::NoInstances), crate::testing::gate());
    let with = vpn_gateway(&api, "10.0.0.0/16");
    call(
        &api,
        "CreateDirectConnectGatewayAssociation",
        json!({"directConnectGatewayId": gateway(&api, 64512), "gatewayId": with}),
    );
    let network = control.snapshot();
    let by_vpn = DirectConnectAssociation::clone(network.all::<DirectConnectAssociation>().next().unwrap());
    let (transit, attachment) = (TransitGatewayId::from_random(1), TransitGatewayAttachmentId::from_random(2));
    let by_transit = DirectConnectAssociation { with: AssociatedGateway::TransitGateway(transit, attachment), ..by_vpn.clone() };
    for (allowed, vpc, transit) in [
        ("22.0.0.0/24", None, "22.0.0.0/24"),
        ("10.0.0.0/24", None, "10.0.0.0/24"),
        ("10.0.0.0/15", Some("10.0.0.0/16"), "10.0.0.0/15"),
        ("10.0.0.0/16", Some("10.0.0.0/16"), "10.0.0.0/16"),
    ] {
        let announced = |association: &DirectConnectAssociation| {
            let association =
                DirectConnectAssociation { allowed_prefixes: vec![allowed.parse().unwrap()], ..association.clone() };
            let blocks = openvpc_control::direct_connect::associations::announced(&network, &association);
            blocks.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(announced(&by_vpn), vpc.into_iter().collect::<Vec<_>>(), "{allowed}");
        assert_eq!(announced(&by_transit), [transit], "{allowed}");
    }
}

#[test]
fn a_transit_gateway_has_another_number_and_its_own_prefixes() {
    let api = api();
    let id = gateway(&api, 64513);
    let transit = |asn: &str| {
        let made = api.call("CreateTransitGateway", &[("Options.AmazonSideAsn", asn)]).unwrap();
        text(&made["TransitGateway"]["TransitGatewayId"])
    };
    let associate = |with: &str, prefixes: &[&str]| {
        let prefixes: Vec<_> = prefixes.iter().map(|prefix| json!({"cidr": prefix})).collect();
        json!({"directConnectGatewayId": id, "gatewayId": with, "addAllowedPrefixesToDirectConnectGateway": prefixes})
    };
    let (same, one, other) = (transit("64513"), transit("64514"), transit("64515"));
    let refused = |body: Value| refusal(&api, "CreateDirectConnectGatewayAssociation", body);
    assert!(refused(associate(&same, &["10.0.0.0/8"])).contains("ASN"));
    refused(associate(&one, &[]));
    refused(associate("tgw-12345678", &["10.0.0.0/8"]));
    let made = call(&api, "CreateDirectConnectGatewayAssociation", associate(&one, &["10.0.0.0/8"]));
    let made = &made["directConnectGatewayAssociation"];
    assert_eq!(made["associatedGateway"]["type"], "transitGateway");
    assert!(refused(associate(&other, &["10.1.0.0/16"])).contains("overlaps"));
    call(&api, "CreateDirectConnectGatewayAssociation", associate(&other, &["172.16.0.0/12"]));
    refused(associate(&vpn_gateway(&api, "10.0.0.0/16"), &[]));
    let attached = [("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", &*id)];
    let attachments = || api.call("DescribeTransitGatewayAttachments", &attached).unwrap()["TransitGatewayAttachments"].clone();
    assert_eq!(attachments().as_array().unwrap().len(), 2);
    assert_eq!(attachments()[0]["ResourceType"], "direct-connect-gateway");
    let association = made["associationId"].clone();
    let update = |add: &str, remove: &str| {
        json!({
            "associationId": association,
            "addAllowedPrefixesToDirectConnectGateway": [{"cidr": add}],
            "removeAllowedPrefixesToDirectConnectGateway": [{"cidr": remove}],
        })
    };
    refusal(&api, "UpdateDirectConnectGatewayAssociation", update("172.16.0.0/16", "10.0.0.0/8"));
    refusal(
        &api,
        "UpdateDirectConnectGatewayAssociation",
        json!({
            "associationId": association, "removeAllowedPrefixesToDirectConnectGateway": [{"cidr": "10.0.0.0/8"}],
        }),
    );
    call(&api, "UpdateDirectConnectGatewayAssociation", update("10.0.0.0/9", "10.0.0.0/8"));
    assert_eq!(api.code("DeleteTransitGateway", &[("TransitGatewayId", &one)]), "IncorrectState");
    call(&api, "DeleteDirectConnectGatewayAssociation", json!({"associationId": association}));
    api.call("DeleteTransitGateway", &[("TransitGatewayId", &one)]).unwrap();
}
