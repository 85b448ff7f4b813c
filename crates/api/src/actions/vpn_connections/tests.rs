#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::testing::api;
use crate::{Api, ApiError};

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A virtual private gateway and a customer gateway.
struct Lab {
    api: Api,
    gateway: String,
    customer: String,
}

impl Lab {
    fn new() -> Self {
        let api = api();
        let gateway = text(&api.call("CreateVpnGateway", &[("Type", "ipsec.1")]).unwrap()["VpnGateway"]["VpnGatewayId"]);
        let lab = Self { api, gateway, customer: String::new() };
        let customer = lab.customer("198.51.100.1", "65000");
        Self { customer, ..lab }
    }

    fn customer(&self, address: &str, asn: &str) -> String {
        let parameters = [("Type", "ipsec.1"), ("IpAddress", address), ("BgpAsn", asn)];
        text(&self.api.call("CreateCustomerGateway", &parameters).unwrap()["CustomerGateway"]["CustomerGatewayId"])
    }

    fn try_connect(&self, customer: &str, more: &[(&str, &str)]) -> Result<Value, ApiError> {
        let ends = [("Type", "ipsec.1"), ("CustomerGatewayId", customer), ("VpnGatewayId", &*self.gateway)];
        let answer = self.api.call("CreateVpnConnection", &[&ends, more].concat())?;
        Ok(answer["VpnConnection"].clone())
    }

    fn connect(&self, more: &[(&str, &str)]) -> Value {
        self.try_connect(&self.customer, more).unwrap()
    }

    fn code(&self, more: &[(&str, &str)]) -> String {
        self.try_connect(&self.customer, more).unwrap_err().code.into_owned()
    }

    fn shown(&self, id: &str) -> Value {
        self.api.call("DescribeVpnConnections", &[("VpnConnectionId.1", id)]).unwrap()["VpnConnections"][0].clone()
    }
}

#[test]
fn a_connection_is_pending_then_available_then_deleted() {
    let lab = Lab::new();
    let made = lab.connect(&[("TagSpecification.1.ResourceType", "vpn-connection"), ("TagSpecification.1.Tag.1.Key", "a")]);
    assert_eq!(made["State"], "pending");
    let id = text(&made["VpnConnectionId"]);
    let shown = lab.shown(&id);
    assert_eq!(shown["State"], "available");
    assert_eq!(shown["Category"], "VPN");
    assert_eq!(shown["Type"], "ipsec.1");
    assert_eq!(shown["GatewayAssociationState"], "associated");
    assert_eq!(shown["Routes"], json!([]));
    assert_eq!(shown["Tags"][0]["Key"], "a");
    let options = &shown["Options"];
    assert_eq!(options["LocalIpv4NetworkCidr"], "0.0.0.0/0");
    assert_eq!(options["TunnelInsideIpVersion"], "ipv4");
    assert_eq!(options["OutsideIpAddressType"], "PublicIpv4");
    assert_eq!(options["StaticRoutesOnly"], false);
    assert_eq!(shown["VgwTelemetry"].as_array().unwrap().len(), 2);
    for (telemetry, tunnel) in shown["VgwTelemetry"].as_array().unwrap().iter().zip(options["TunnelOptions"].as_array().unwrap())
    {
        assert_eq!(telemetry["Status"], "DOWN");
        assert_eq!(telemetry["AcceptedRouteCount"], 0);
        assert_eq!(telemetry["OutsideIpAddress"], tunnel["OutsideIpAddress"]);
        assert!(text(&tunnel["OutsideIpAddress"]).starts_with("203.0.113."));
        assert_eq!(text(&tunnel["PreSharedKey"]).len(), 32);
        // What nobody set isn't shown: Terraform would see a difference.
        assert!(tunnel.get("Phase1LifetimeSeconds").is_none());
        assert_eq!(tunnel["Phase1EncryptionAlgorithms"], json!([]));
    }
    assert_eq!(lab.api.code("DeleteVpnGateway", &[("VpnGatewayId", &lab.gateway)]), "IncorrectState");
    assert_eq!(lab.api.code("DeleteCustomerGateway", &[("CustomerGatewayId", &lab.customer)]), "IncorrectState");
    lab.api.call("DeleteVpnConnection", &[("VpnConnectionId", &id)]).unwrap();
    let shown = lab.shown(&id);
    assert_eq!(shown["State"], "deleted");
    assert!(shown.get("CustomerGatewayConfiguration").is_none());
    assert_eq!(lab.api.code("DeleteVpnConnection", &[("VpnConnectionId", &id)]), "InvalidVpnConnectionID.NotFound");
    lab.api.call("DeleteVpnGateway", &[("VpnGatewayId", &lab.gateway)]).unwrap();
    lab.api.call("DeleteCustomerGateway", &[("CustomerGatewayId", &lab.customer)]).unwrap();
}

#[test]
fn the_same_request_finds_the_same_connection_and_another_one_conflicts() {
    let lab = Lab::new();
    let first = lab.connect(&[("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.10.0/30")]);
    assert_eq!(
        lab.connect(&[("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.10.0/30")])["VpnConnectionId"],
        first["VpnConnectionId"]
    );
    assert_eq!(lab.connect(&[])["VpnConnectionId"], first["VpnConnectionId"]);
    assert_eq!(lab.code(&[("Options.StaticRoutesOnly", "true")]), "InvalidOption.Conflict");
    assert_eq!(lab.code(&[("Options.TunnelOptions.2.Phase1LifetimeSeconds", "3601")]), "InvalidOption.Conflict");
    assert_eq!(lab.code(&[("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.10.4/30")]), "InvalidOption.Conflict");
    lab.api.call("DeleteVpnConnection", &[("VpnConnectionId", &text(&first["VpnConnectionId"]))]).unwrap();
    assert_ne!(lab.connect(&[])["VpnConnectionId"], first["VpnConnectionId"]);
}

#[test]
fn every_tunnel_option_has_its_range() {
    let long = "x".repeat(65);
    let bad = [
        ("TunnelInsideCidr", "169.254.0.0/30"),
        ("TunnelInsideCidr", "169.254.1.0/30"),
        ("TunnelInsideCidr", "169.254.2.0/30"),
        ("TunnelInsideCidr", "169.254.3.0/30"),
        ("TunnelInsideCidr", "169.254.4.0/30"),
        ("TunnelInsideCidr", "169.254.5.0/30"),
        ("TunnelInsideCidr", "169.254.169.252/30"),
        ("TunnelInsideCidr", "169.254.10.1/30"),
        ("TunnelInsideCidr", "169.254.10.0/29"),
        ("TunnelInsideCidr", "10.0.0.0/30"),
        ("TunnelInsideCidr", "nonsense"),
        ("PreSharedKey", "0abcdefgh"),
        ("PreSharedKey", "short"),
        ("PreSharedKey", "with-a-dash"),
        ("PreSharedKey", &*long),
        ("IKEVersion.1.Value", "ikev3"),
        ("Phase1EncryptionAlgorithm.1.Value", "DES"),
        ("Phase2EncryptionAlgorithm.1.Value", "3DES"),
        ("Phase1IntegrityAlgorithm.1.Value", "MD5"),
        ("Phase2IntegrityAlgorithm.1.Value", "SHA2-224"),
        ("Phase1DHGroupNumber.1.Value", "5"),
        ("Phase1DHGroupNumber.1.Value", "36"),
        ("Phase2DHGroupNumber.1.Value", "1"),
        ("Phase2DHGroupNumber.1.Value", "300"),
        ("Phase1LifetimeSeconds", "899"),
        ("Phase1LifetimeSeconds", "28801"),
        ("Phase1LifetimeSeconds", "3600"),
        ("Phase2LifetimeSeconds", "899"),
        ("Phase2LifetimeSeconds", "3700"),
        ("RekeyMarginTimeSeconds", "59"),
        ("RekeyMarginTimeSeconds", "1801"),
        ("RekeyFuzzPercentage", "101"),
        ("RekeyFuzzPercentage", "-1"),
        ("ReplayWindowSize", "63"),
        ("ReplayWindowSize", "2049"),
        ("DPDTimeoutSeconds", "29"),
        ("DPDTimeoutAction", "panic"),
        ("StartupAction", "stop"),
        ("LogOptions.CloudWatchLogOptions.LogOutputFormat", "xml"),
        ("LogOptions.CloudWatchLogOptions.LogGroupArn", "group"),
    ];
    let lab = Lab::new();
    for (name, value) in bad {
        let name = format!("Options.TunnelOptions.1.{name}");
        assert_eq!(lab.code(&[(&name, value)]), "InvalidParameterValue", "{name}={value}");
    }
    let start = [("Options.TunnelOptions.1.StartupAction", "start"), ("Options.TunnelOptions.1.IKEVersion.1.Value", "ikev1")];
    assert_eq!(lab.code(&start), "InvalidParameterValue");
    let six = [("Options.TunnelOptions.1.TunnelInsideIpv6Cidr", "fd00::/126")];
    assert_eq!(lab.code(&six), "InvalidParameterCombination");
    let log = [("Options.TunnelOptions.1.LogOptions.CloudWatchLogOptions.LogEnabled", "true")];
    assert_eq!(lab.code(&log), "InvalidParameterCombination");
    let third = [
        ("Options.TunnelOptions.3.StartupAction", "add"),
        ("Options.TunnelOptions.1.StartupAction", "add"),
        ("Options.TunnelOptions.2.StartupAction", "add"),
    ];
    assert_eq!(lab.code(&third), "InvalidParameterValue");
    assert_eq!(lab.api.call("DescribeVpnConnections", &[]).unwrap()["VpnConnections"], json!([]));
}

#[test]
fn what_is_set_is_shown_as_it_was_set() {
    let lab = Lab::new();
    let set = [
        ("TunnelInsideCidr", "169.254.44.0/30"),
        ("PreSharedKey", "my.secret_key"),
        ("IKEVersion.1.Value", "ikev2"),
        ("Phase1EncryptionAlgorithm.1.Value", "AES256"),
        ("Phase1EncryptionAlgorithm.2.Value", "AES256-GCM-16"),
        ("Phase2IntegrityAlgorithm.1.Value", "SHA2-256"),
        ("Phase1DHGroupNumber.1.Value", "14"),
        ("Phase2DHGroupNumber.1.Value", "37"),
        ("Phase1LifetimeSeconds", "7200"),
        ("Phase2LifetimeSeconds", "3600"),
        ("RekeyMarginTimeSeconds", "1800"),
        ("RekeyFuzzPercentage", "0"),
        ("ReplayWindowSize", "64"),
        ("DPDTimeoutSeconds", "45"),
        ("DPDTimeoutAction", "restart"),
        ("StartupAction", "start"),
        ("EnableTunnelLifecycleControl", "true"),
        ("LogOptions.CloudWatchLogOptions.LogEnabled", "true"),
        ("LogOptions.CloudWatchLogOptions.LogGroupArn", "arn:aws:logs:us-east-1:123456789012:log-group:vpn"),
    ];
    let named: Vec<_> = set.iter().map(|(name, value)| (format!("Options.TunnelOptions.1.{name}"), *value)).collect();
    let parameters: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let made = lab.connect(&parameters);
    let tunnel = lab.shown(&text(&made["VpnConnectionId"]))["Options"]["TunnelOptions"][0].clone();
    assert_eq!(tunnel["TunnelInsideCidr"], "169.254.44.0/30");
    assert_eq!(tunnel["PreSharedKey"], "my.secret_key");
    assert_eq!(tunnel["IkeVersions"], json!([{"Value": "ikev2"}]));
    assert_eq!(tunnel["Phase1EncryptionAlgorithms"], json!([{"Value": "AES256"}, {"Value": "AES256-GCM-16"}]));
    assert_eq!(tunnel["Phase2IntegrityAlgorithms"], json!([{"Value": "SHA2-256"}]));
    assert_eq!(tunnel["Phase1DHGroupNumbers"], json!([{"Value": 14}]));
    assert_eq!(tunnel["Phase2DHGroupNumbers"], json!([{"Value": 37}]));
    assert_eq!(tunnel["Phase1LifetimeSeconds"], 7200);
    assert_eq!(tunnel["RekeyMarginTimeSeconds"], 1800);
    assert_eq!(tunnel["RekeyFuzzPercentage"], 0);
    assert_eq!(tunnel["DpdTimeoutAction"], "restart");
    assert_eq!(tunnel["StartupAction"], "start");
    assert_eq!(tunnel["EnableTunnelLifecycleControl"], true);
    assert_eq!(tunnel["LogOptions"]["CloudWatchLogOptions"]["LogOutputFormat"], "json");
}

#[test]
fn no_two_tunnels_of_a_gateway_have_the_same_inside_addresses() {
    let lab = Lab::new();
    let block = ("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.10.0/30");
    assert_eq!(lab.code(&[block, ("Options.TunnelOptions.2.TunnelInsideCidr", "169.254.10.0/30")]), "InvalidCidr.InUse");
    lab.connect(&[block]);
    let other = lab.customer("198.51.100.2", "65001");
    assert_eq!(lab.try_connect(&other, &[block]).unwrap_err().code, "InvalidCidr.InUse");
    let mut blocks = BTreeSet::new();
    let mut outside = BTreeSet::new();
    for host in 2..11 {
        let customer = lab.customer(&format!("198.51.100.{host}"), "65001");
        let made = lab.try_connect(&customer, &[]).unwrap();
        for tunnel in made["Options"]["TunnelOptions"].as_array().unwrap() {
            assert!(blocks.insert(text(&tunnel["TunnelInsideCidr"])));
            assert!(outside.insert(text(&tunnel["OutsideIpAddress"])));
        }
    }
    let customer = lab.customer("198.51.100.99", "65001");
    assert_eq!(lab.try_connect(&customer, &[]).unwrap_err().code, "VpnConnectionLimitExceeded");
}

#[test]
fn both_ends_have_their_own_number_and_address() {
    let lab = Lab::new();
    let same_asn = lab.customer("198.51.100.9", "64512");
    assert_eq!(lab.try_connect(&same_asn, &[]).unwrap_err().code, "AsnConflict");
    lab.connect(&[]);
    let same_address = lab.customer("198.51.100.1", "65009");
    assert_eq!(lab.try_connect(&same_address, &[]).unwrap_err().code, "InvalidCustomerGateway.DuplicateIpAddress");
}

#[test]
fn some_options_are_for_transit_gateways_alone() {
    let lab = Lab::new();
    for (name, value) in [
        ("Options.EnableAcceleration", "true"),
        ("Options.TunnelInsideIpVersion", "ipv6"),
        ("Options.TunnelBandwidth", "large"),
        ("Options.LocalIpv6NetworkCidr", "2001:db8::/32"),
        ("Options.OutsideIpAddressType", "Ipv6"),
        ("Options.OutsideIpAddressType", "PrivateIpv4"),
    ] {
        assert_eq!(lab.code(&[(name, value)]), "InvalidParameterCombination", "{name}={value}");
    }
    assert_eq!(lab.code(&[("Options.TunnelInsideIpVersion", "ipv5")]), "InvalidParameterValue");
    assert_eq!(lab.code(&[("Options.LocalIpv4NetworkCidr", "10.0.0.0")]), "InvalidParameterValue");
    assert_eq!(lab.code(&[("TransitGatewayId", "tgw-12345678")]), "InvalidParameterValue");
    assert_eq!(lab.code(&[("PreSharedKeyStorage", "SecretsManager")]), "UnsupportedOperation");
}

#[test]
fn a_connection_without_a_gateway_waits_for_one() {
    let lab = Lab::new();
    let made = lab.api.call("CreateVpnConnection", &[("Type", "ipsec.1"), ("CustomerGatewayId", &lab.customer)]).unwrap();
    let made = &made["VpnConnection"];
    assert_eq!(made["GatewayAssociationState"], "not-associated");
    let id = text(&made["VpnConnectionId"]);
    let modify = |more: &[(&str, &str)]| lab.api.call("ModifyVpnConnection", &[&[("VpnConnectionId", &*id)], more].concat());
    assert_eq!(modify(&[]).unwrap_err().code, "MissingParameter");
    let moved = modify(&[("VpnGatewayId", &lab.gateway)]).unwrap();
    assert_eq!(moved["VpnConnection"]["State"], "modifying");
    assert_eq!(lab.shown(&id)["VpnGatewayId"], *lab.gateway);
    assert_eq!(lab.shown(&id)["State"], "available");
    let other = lab.customer("198.51.100.2", "65001");
    modify(&[("CustomerGatewayId", &other)]).unwrap();
    assert_eq!(lab.shown(&id)["CustomerGatewayId"], *other);
    assert_eq!(modify(&[("CustomerGatewayId", "cgw-12345678")]).unwrap_err().code, "InvalidCustomerGatewayID.NotFound");
    assert_eq!(modify(&[("VpnGatewayId", "vgw-12345678")]).unwrap_err().code, "InvalidVpnGatewayID.NotFound");
    assert_eq!(modify(&[("TransitGatewayId", "tgw-12345678")]).unwrap_err().code, "InvalidTransitGatewayID.NotFound");
    lab.connect(&[]);
    assert_eq!(modify(&[("CustomerGatewayId", &lab.customer)]).unwrap_err().code, "InvalidOption.Conflict");
}

#[test]
fn a_connection_moves_only_where_its_inside_addresses_are_free() {
    let lab = Lab::new();
    let block = ("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.10.0/30");
    lab.connect(&[block]);
    let other_gateway = text(&lab.api.call("CreateVpnGateway", &[("Type", "ipsec.1")]).unwrap()["VpnGateway"]["VpnGatewayId"]);
    let customer = lab.customer("198.51.100.2", "65001");
    let ends = [("Type", "ipsec.1"), ("CustomerGatewayId", &*customer), ("VpnGatewayId", &*other_gateway), block];
    let made = lab.api.call("CreateVpnConnection", &ends).unwrap();
    let id = text(&made["VpnConnection"]["VpnConnectionId"]);
    let code = lab.api.code("ModifyVpnConnection", &[("VpnConnectionId", &id), ("VpnGatewayId", &lab.gateway)]);
    assert_eq!(code, "InvalidCidr.InUse");
}

#[test]
fn one_tunnel_is_modified_and_the_other_stays() {
    let lab = Lab::new();
    let made = lab.connect(&[]);
    let id = text(&made["VpnConnectionId"]);
    let outside = text(&made["Options"]["TunnelOptions"][1]["OutsideIpAddress"]);
    let modify = |address: &str, more: &[(&str, &str)]| {
        let tunnel = [("VpnConnectionId", &*id), ("VpnTunnelOutsideIpAddress", address)];
        lab.api.call("ModifyVpnTunnelOptions", &[&tunnel, more].concat())
    };
    let set = [("TunnelOptions.Phase1LifetimeSeconds", "7200"), ("TunnelOptions.PreSharedKey", "another_key")];
    assert_eq!(modify(&outside, &set).unwrap()["VpnConnection"]["State"], "modifying");
    let tunnels = lab.shown(&id)["Options"]["TunnelOptions"].clone();
    assert_eq!(tunnels[1]["Phase1LifetimeSeconds"], 7200);
    assert_eq!(tunnels[1]["PreSharedKey"], "another_key");
    assert!(tunnels[0].get("Phase1LifetimeSeconds").is_none());
    assert_eq!(tunnels[0]["PreSharedKey"], made["Options"]["TunnelOptions"][0]["PreSharedKey"]);
    let own = text(&tunnels[1]["TunnelInsideCidr"]);
    assert!(modify(&outside, &[("TunnelOptions.TunnelInsideCidr", &own)]).is_ok());
    let others = text(&tunnels[0]["TunnelInsideCidr"]);
    assert_eq!(modify(&outside, &[("TunnelOptions.TunnelInsideCidr", &others)]).unwrap_err().code, "InvalidCidr.InUse");
    // Against what is there already: 7200 seconds of phase 1.
    assert_eq!(modify(&outside, &[("TunnelOptions.Phase1LifetimeSeconds", "1000")]).unwrap_err().code, "InvalidParameterValue");
    assert_eq!(modify("198.51.100.200", &set).unwrap_err().code, "InvalidParameterValue");
    assert_eq!(modify("nowhere", &set).unwrap_err().code, "InvalidParameterValue");
    assert_eq!(modify(&outside, &[]).unwrap_err().code, "MissingParameter");
}

#[test]
fn connection_options_are_modified() {
    let lab = Lab::new();
    let id = text(&lab.connect(&[])["VpnConnectionId"]);
    let modify =
        |more: &[(&str, &str)]| lab.api.call("ModifyVpnConnectionOptions", &[&[("VpnConnectionId", &*id)], more].concat());
    modify(&[("LocalIpv4NetworkCidr", "192.168.0.0/16")]).unwrap();
    assert_eq!(lab.shown(&id)["Options"]["LocalIpv4NetworkCidr"], "192.168.0.0/16");
    assert_eq!(lab.shown(&id)["Options"]["RemoteIpv4NetworkCidr"], "0.0.0.0/0");
    assert_eq!(modify(&[("LocalIpv6NetworkCidr", "fd00::/64")]).unwrap_err().code, "InvalidParameterCombination");
    assert_eq!(modify(&[("TunnelBandwidth", "large")]).unwrap_err().code, "InvalidParameterCombination");
    assert_eq!(modify(&[("TunnelBandwidth", "huge")]).unwrap_err().code, "InvalidParameterValue");
}

#[test]
fn static_routes_are_for_static_connections() {
    let lab = Lab::new();
    let bgp = text(&lab.connect(&[])["VpnConnectionId"]);
    let call =
        |action: &str, id: &str, block: &str| lab.api.call(action, &[("VpnConnectionId", id), ("DestinationCidrBlock", block)]);
    let code = call("CreateVpnConnectionRoute", &bgp, "192.168.0.0/16").unwrap_err().code;
    assert_eq!(code, "InvalidVpnConnection.InvalidType");
    let customer = lab.customer("198.51.100.2", "65001");
    let made = lab.try_connect(&customer, &[("Options.StaticRoutesOnly", "true")]).unwrap();
    let id = text(&made["VpnConnectionId"]);
    call("CreateVpnConnectionRoute", &id, "192.168.0.0/16").unwrap();
    let routes = json!([{"DestinationCidrBlock": "192.168.0.0/16", "Source": "Static", "State": "available"}]);
    assert_eq!(lab.shown(&id)["Routes"], routes);
    let filter = [("Filter.1.Name", "route.destination-cidr-block"), ("Filter.1.Value.1", "192.168.*")];
    assert_eq!(lab.api.call("DescribeVpnConnections", &filter).unwrap()["VpnConnections"].as_array().unwrap().len(), 1);
    assert_eq!(call("CreateVpnConnectionRoute", &id, "192.168.0.0/16").unwrap_err().code, "RouteAlreadyExists");
    assert_eq!(call("CreateVpnConnectionRoute", &id, "nonsense").unwrap_err().code, "InvalidParameterValue");
    call("DeleteVpnConnectionRoute", &id, "192.168.0.0/16").unwrap();
    assert_eq!(call("DeleteVpnConnectionRoute", &id, "192.168.0.0/16").unwrap_err().code, "InvalidRoute.NotFound");
    assert_eq!(lab.shown(&id)["Routes"], json!([]));
}

#[test]
fn the_configuration_holds_what_a_device_needs() {
    let lab = Lab::new();
    let made = lab.connect(&[
        ("Options.TunnelOptions.1.TunnelInsideCidr", "169.254.10.0/30"),
        ("Options.TunnelOptions.1.PreSharedKey", "abcdefgh"),
    ]);
    let xml = text(&made["CustomerGatewayConfiguration"]);
    assert!(xml.contains(&format!("<vpn_connection id=\"{}\">", text(&made["VpnConnectionId"]))));
    assert_eq!(xml.matches("<ipsec_tunnel>").count(), 2);
    // The text of the first element at a path in the first tunnel.
    let at = |path: &str| {
        let mut inner = xml.split_once("<ipsec_tunnel>").unwrap().1;
        for name in path.split('/') {
            let content = inner.split_once(&format!("<{name}>")).unwrap().1;
            inner = content.split_once(&format!("</{name}>")).unwrap().0;
        }
        inner.to_owned()
    };
    assert_eq!(at("customer_gateway/tunnel_outside_address/ip_address"), "198.51.100.1");
    assert_eq!(
        at("vpn_gateway/tunnel_outside_address/ip_address"),
        text(&made["Options"]["TunnelOptions"][0]["OutsideIpAddress"])
    );
    assert_eq!(at("vpn_gateway/tunnel_inside_address/ip_address"), "169.254.10.1");
    assert_eq!(at("customer_gateway/tunnel_inside_address/ip_address"), "169.254.10.2");
    assert_eq!(at("customer_gateway/tunnel_inside_address/network_mask"), "255.255.255.252");
    assert_eq!(at("vpn_gateway/bgp/asn"), "64512");
    assert_eq!(at("customer_gateway/bgp/asn"), "65000");
    assert_eq!(at("vpn_gateway/bgp/hold_time"), "30");
    assert_eq!(at("ike/pre_shared_key"), "abcdefgh");
    assert_eq!(at("ike/lifetime"), "28800");
    assert_eq!(at("ipsec/lifetime"), "3600");
    assert_eq!(at("ipsec/dead_peer_detection/interval"), "10");
}

#[test]
fn sample_configurations_are_given_for_every_device() {
    let lab = Lab::new();
    let made = lab.connect(&[("Options.TunnelOptions.1.IKEVersion.1.Value", "ikev2")]);
    let id = text(&made["VpnConnectionId"]);
    let devices = lab.api.call("GetVpnConnectionDeviceTypes", &[]).unwrap();
    let devices = devices["VpnConnectionDeviceTypes"].as_array().unwrap().clone();
    assert!(devices.len() > 10);
    let sample = |device: &str, more: &[(&str, &str)]| {
        let both = [("VpnConnectionId", &*id), ("VpnConnectionDeviceTypeId", device)];
        lab.api.call("GetVpnConnectionDeviceSampleConfiguration", &[&both, more].concat())
    };
    let key = text(&made["Options"]["TunnelOptions"][0]["PreSharedKey"]);
    for device in &devices {
        let answer = sample(&text(&device["VpnConnectionDeviceTypeId"]), &[]).unwrap();
        assert!(text(&answer["VpnConnectionDeviceSampleConfiguration"]).contains(&key));
    }
    let any = text(&devices[0]["VpnConnectionDeviceTypeId"]);
    assert_eq!(sample("ffffffff", &[]).unwrap_err().code, "InvalidParameterValue");
    assert_eq!(sample(&any, &[("InternetKeyExchangeVersion", "ikev1")]).unwrap_err().code, "InvalidParameterValue");
}

#[test]
fn a_tunnel_is_replaced_where_its_user_says_when() {
    let lab = Lab::new();
    let made = lab.connect(&[("Options.TunnelOptions.1.EnableTunnelLifecycleControl", "true")]);
    let id = text(&made["VpnConnectionId"]);
    let tunnel = |at: usize| {
        let outside = text(&made["Options"]["TunnelOptions"][at]["OutsideIpAddress"]);
        [("VpnConnectionId".to_owned(), id.clone()), ("VpnTunnelOutsideIpAddress".to_owned(), outside)]
    };
    let call = |action: &str, at: usize| {
        let parameters = tunnel(at);
        lab.api.call(action, &parameters.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>())
    };
    assert_eq!(call("ReplaceVpnTunnel", 1).unwrap_err().code, "IncorrectState");
    assert!(call("GetVpnTunnelReplacementStatus", 0).unwrap()["MaintenanceDetails"].get("LastMaintenanceApplied").is_none());
    assert_eq!(call("ReplaceVpnTunnel", 0).unwrap()["Return"], true);
    assert!(call("GetVpnTunnelReplacementStatus", 0).unwrap()["MaintenanceDetails"].get("LastMaintenanceApplied").is_some());
}

#[test]
fn a_certificate_stands_for_keys() {
    let lab = Lab::new();
    let arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";
    let customer = lab.api.call("CreateCustomerGateway", &[("Type", "ipsec.1"), ("CertificateArn", arn)]).unwrap();
    let customer = text(&customer["CustomerGateway"]["CustomerGatewayId"]);
    let key = ("Options.TunnelOptions.1.PreSharedKey", "abcdefgh");
    assert_eq!(lab.try_connect(&customer, &[key]).unwrap_err().code, "InvalidParameterCombination");
    let start = ("Options.TunnelOptions.1.StartupAction", "start");
    assert_eq!(lab.try_connect(&customer, &[start]).unwrap_err().code, "InvalidParameterValue");
    let made = lab.try_connect(&customer, &[]).unwrap();
    assert!(made["Options"]["TunnelOptions"][0].get("PreSharedKey").is_none());
    assert!(!text(&made["CustomerGatewayConfiguration"]).contains("pre_shared_key"));
}

#[test]
fn ids_are_checked_and_filters_known() {
    let lab = Lab::new();
    let code = |parameters: &[(&str, &str)]| lab.api.code("DescribeVpnConnections", parameters);
    assert_eq!(code(&[("VpnConnectionId.1", "vpn-zz")]), "InvalidVpnConnectionID.Malformed");
    assert_eq!(code(&[("VpnConnectionId.1", "vpn-12345678")]), "InvalidVpnConnectionID.NotFound");
    assert_eq!(code(&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]), "InvalidParameterValue");
    lab.connect(&[]);
    let by_asn = [("Filter.1.Name", "bgp-asn"), ("Filter.1.Value.1", "65000")];
    assert_eq!(lab.api.call("DescribeVpnConnections", &by_asn).unwrap()["VpnConnections"].as_array().unwrap().len(), 1);
}

fn transit_gateway(api: &Api, asn: &str) -> String {
    let made = api.call("CreateTransitGateway", &[("Options.AmazonSideAsn", asn)]).unwrap();
    text(&made["TransitGateway"]["TransitGatewayId"])
}

#[test]
fn a_connection_of_a_transit_gateway_is_an_attachment_there() {
    let lab = Lab::new();
    let transit = transit_gateway(&lab.api, "64513");
    let ends = [("Type", "ipsec.1"), ("CustomerGatewayId", &*lab.customer), ("TransitGatewayId", &*transit)];
    let ipv6 = [
        ("Options.TunnelInsideIpVersion", "ipv6"),
        ("Options.EnableAcceleration", "true"),
        ("Options.TunnelBandwidth", "large"),
        ("Options.TunnelOptions.1.TunnelInsideIpv6Cidr", "fd00:1::/126"),
    ];
    let made = lab.api.call("CreateVpnConnection", &[&ends[..], &ipv6].concat()).unwrap()["VpnConnection"].clone();
    assert_eq!(made["TransitGatewayId"], *transit);
    let tunnels = &made["Options"]["TunnelOptions"];
    assert_eq!(tunnels[0]["TunnelInsideIpv6Cidr"], "fd00:1::/126");
    assert!(text(&tunnels[1]["TunnelInsideIpv6Cidr"]).starts_with("fd"));
    assert_eq!(made["Options"]["LocalIpv6NetworkCidr"], "::/0");
    assert!(text(&made["CustomerGatewayConfiguration"]).contains(&format!("<transit_gateway_id>{transit}<")));
    let id = text(&made["VpnConnectionId"]);
    let attached = [("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", &*id)];
    let attachment =
        || lab.api.call("DescribeTransitGatewayAttachments", &attached).unwrap()["TransitGatewayAttachments"][0].clone();
    assert_eq!((&attachment()["ResourceType"], &attachment()["State"]), (&json!("vpn"), &json!("available")));
    let route = [("VpnConnectionId", &*id), ("DestinationCidrBlock", "192.168.0.0/16")];
    assert_eq!(lab.api.code("CreateVpnConnectionRoute", &route), "InvalidVpnConnection.InvalidType");
    assert_eq!(lab.api.code("DeleteTransitGateway", &[("TransitGatewayId", &transit)]), "IncorrectState");
    let to_vpn = [("VpnConnectionId", &*id), ("VpnGatewayId", &*lab.gateway)];
    assert_eq!(lab.api.code("ModifyVpnConnection", &to_vpn), "InvalidParameterCombination");
    let other = transit_gateway(&lab.api, "64514");
    lab.api.call("ModifyVpnConnection", &[("VpnConnectionId", &id), ("TransitGatewayId", &other)]).unwrap();
    assert_eq!(lab.shown(&id)["TransitGatewayId"], *other);
    lab.api.call("DeleteTransitGateway", &[("TransitGatewayId", &transit)]).unwrap();
    lab.api.call("DeleteVpnConnection", &[("VpnConnectionId", &id)]).unwrap();
    lab.api.call("DeleteTransitGateway", &[("TransitGatewayId", &other)]).unwrap();
}

#[test]
fn inside_ipv6_blocks_are_checked_as_well() {
    let lab = Lab::new();
    let transit = transit_gateway(&lab.api, "64513");
    let ends = [
        ("Type", "ipsec.1"),
        ("CustomerGatewayId", &*lab.customer),
        ("TransitGatewayId", &*transit),
        ("Options.TunnelInsideIpVersion", "ipv6"),
    ];
    let code = |more: &[(&str, &str)]| lab.api.code("CreateVpnConnection", &[&ends, more].concat());
    for block in ["2001:db8::/126", "fd00::/125", "fd00::1/126", "nonsense"] {
        assert_eq!(code(&[("Options.TunnelOptions.1.TunnelInsideIpv6Cidr", block)]), "InvalidParameterValue", "{block}");
    }
    let twice = ["1", "2"].map(|n| (format!("Options.TunnelOptions.{n}.TunnelInsideIpv6Cidr"), "fd00::/126"));
    assert_eq!(code(&[(&twice[0].0, twice[0].1), (&twice[1].0, twice[1].1)]), "InvalidCidr.InUse");
    assert_eq!(code(&[("Options.OutsideIpAddressType", "PrivateIpv4")]), "MissingParameter");
    let transport =
        [("Options.OutsideIpAddressType", "PrivateIpv4"), ("Options.TransportTransitGatewayAttachmentId", "tgw-attach-12345678")];
    assert_eq!(code(&transport), "InvalidTransitGatewayAttachmentID.NotFound");
    assert_eq!(code(&transport[1..]), "InvalidParameterCombination");
    let own = transit_gateway(&lab.api, "65000");
    let same_asn = [("Type", "ipsec.1"), ("CustomerGatewayId", &*lab.customer), ("TransitGatewayId", &*own)];
    assert_eq!(lab.api.code("CreateVpnConnection", &same_asn), "AsnConflict");
}

#[test]
fn static_routes_stay_behind_when_a_connection_goes_to_a_transit_gateway() {
    let lab = Lab::new();
    let id = text(&lab.connect(&[("Options.StaticRoutesOnly", "true")])["VpnConnectionId"]);
    let route = [("VpnConnectionId", &*id), ("DestinationCidrBlock", "192.168.0.0/16")];
    lab.api.call("CreateVpnConnectionRoute", &route).unwrap();
    let transit = transit_gateway(&lab.api, "64513");
    let moved = [("VpnConnectionId", &*id), ("TransitGatewayId", &*transit)];
    assert_eq!(lab.api.code("ModifyVpnConnection", &moved), "IncorrectState");
    lab.api.call("DeleteVpnConnectionRoute", &route).unwrap();
    lab.api.call("ModifyVpnConnection", &moved).unwrap();
    assert!(lab.shown(&id).get("VpnGatewayId").is_none());
}
