//! Limits and lifetime of Client VPN endpoints, and certificates as ACM takes them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::Lab;
use openvpc_control::certificates::{self, ImportCertificate};
use openvpc_control::client_vpn::{self, AddRoute, Authorize, CreateEndpoint};
use openvpc_control::{ControlError, Tx};
use openvpc_model::{
    ClientVpnAuthentication, ClientVpnEndpoint, ClientVpnEndpointId, ClientVpnFamily, ClientVpnSettings, ClientVpnTarget,
    ClientVpnTransport, Tags, UnixMillis,
};

const AUTHORITY: &str = include_str!("certificates/authority.pem");
const AUTHORITY_KEY: &str = include_str!("certificates/authority-key.pem");
const CLIENT: &str = include_str!("certificates/client.pem");
const CLIENT_KEY: &str = include_str!("certificates/client-key.pem");
const REVOKED: &str = include_str!("certificates/revoked.pem");
const SERVER: &str = include_str!("certificates/server.pem");
const SERVER_KEY: &str = include_str!("certificates/server-key.pem");

fn import(body: &str, private_key: &str, chain: Option<&str>) -> ImportCertificate {
    let chain = chain.map(str::to_owned);
    ImportCertificate { arn: None, body: body.to_owned(), private_key: private_key.to_owned(), chain, tags: Tags::new() }
}

fn create(tx: &mut Tx) -> Result<ClientVpnEndpointId, ControlError> {
    let arn = certificates::import(tx, import(AUTHORITY, AUTHORITY_KEY, None))?;
    let settings = ClientVpnSettings {
        description: String::new(),
        server_certificate: arn.clone(),
        connection_log: None,
        dns_servers: Vec::new(),
        port: 443,
        split_tunnel: false,
        self_service_portal: true,
        connect_handler: None,
        session_timeout_hours: 24,
        disconnect_on_session_timeout: true,
        banner: None,
        route_enforcement: false,
    };
    let request = CreateEndpoint {
        settings,
        client_block: Some("172.16.0.0/22".parse().unwrap()),
        authentication: vec![ClientVpnAuthentication::Certificate { root: arn }],
        transport: ClientVpnTransport::Udp,
        endpoint_family: ClientVpnFamily::Ipv4,
        traffic_family: ClientVpnFamily::Ipv4,
        vpc: None,
        security_groups: Vec::new(),
        tags: Tags::new(),
    };
    client_vpn::create(tx, request, None)
}

#[test]
fn endpoints_rules_routes_and_revoked_certificates_are_counted() {
    let lab = Lab::with_quotas(&[
        ("client-vpn-endpoints", 1),
        ("rules-per-client-vpn-endpoint", 1),
        ("routes-per-client-vpn-endpoint", 1),
        ("revoked-client-certificates", 0),
    ]);
    let id = lab.run(create);
    assert_eq!(lab.code(create), "ClientVpnEndpointLimitExceeded");
    let rule = |block: &str| Authorize { destination: block.parse().unwrap(), group: None, description: String::new() };
    lab.run(|tx| client_vpn::authorize(tx, id, rule("10.0.0.0/16"), None));
    let code = lab.code(|tx| client_vpn::authorize(tx, id, rule("10.1.0.0/16"), None));
    assert_eq!(code, "ClientVpnAuthorizationRuleLimitExceeded");
    let vpc = lab.vpc("10.0.0.0/16");
    let subnet = lab.subnet(vpc, "10.0.0.0/24");
    lab.run(|tx| client_vpn::associate(tx, id, subnet, None));
    let route = AddRoute {
        destination: "0.0.0.0/0".parse().unwrap(),
        target: ClientVpnTarget::Subnet(subnet),
        description: String::new(),
    };
    assert_eq!(lab.code(|tx| client_vpn::add_route(tx, id, route, None)), "ClientVpnRouteLimitExceeded");
    let code = lab.code(|tx| client_vpn::import_revocation_list(tx, id, REVOKED));
    assert_eq!(code, "ClientVpnCertificateRevocationListLimitExceeded");
}

#[test]
fn a_nearly_full_subnet_is_no_target() {
    let lab = Lab::new();
    let id = lab.run(create);
    let vpc = lab.vpc("10.0.0.0/16");
    let subnet = lab.subnet(vpc, "10.0.0.0/27");
    for _ in 0..8 {
        let request = openvpc_control::interfaces::CreateNetworkInterface::new(subnet);
        lab.run(|tx| openvpc_control::interfaces::create(tx, request));
    }
    assert_eq!(lab.code(|tx| client_vpn::associate(tx, id, subnet, None)), "InsufficientFreeAddressesInSubnet");
}

#[test]
fn an_endpoint_deleted_an_hour_ago_is_forgotten() {
    let lab = Lab::new();
    let id = lab.run(create);
    lab.run(|tx| client_vpn::delete(tx, id));
    let delete = |tx: &mut Tx| client_vpn::delete(tx, id);
    assert_eq!(lab.code(delete), "InvalidClientVpnEndpointId.NotFound");
    let prune = |tx: &mut Tx| {
        client_vpn::prune(tx);
        Ok(())
    };
    lab.run(prune);
    assert!(lab.network().client_vpn_endpoints.contains_key(&id));
    lab.run(|tx| {
        let long_ago = UnixMillis(tx.now().0 - 3_600_000);
        tx.update::<ClientVpnEndpoint, _>(&id, |endpoint| endpoint.deleted_at = Some(long_ago))
    });
    lab.run(prune);
    assert!(!lab.network().client_vpn_endpoints.contains_key(&id));
}

#[test]
fn a_certificate_comes_with_its_own_key_and_chain() {
    let lab = Lab::new();
    for (body, key, chain) in [
        (SERVER, SERVER_KEY, Some(AUTHORITY)),
        (CLIENT, CLIENT_KEY, Some(AUTHORITY)),
        (AUTHORITY, AUTHORITY_KEY, None),
        (SERVER, SERVER_KEY, None),
    ] {
        lab.run(|tx| certificates::import(tx, import(body, key, chain)));
    }
    let two = format!("{SERVER}{AUTHORITY}");
    let encrypted = SERVER_KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cut = SERVER.replace("\nM", "\nA");
    for (body, key, chain) in [
        (SERVER, AUTHORITY_KEY, None),
        (CLIENT, AUTHORITY_KEY, None),
        (AUTHORITY, CLIENT_KEY, None),
        (SERVER, SERVER_KEY, Some(CLIENT)),
        (SERVER, SERVER_KEY, Some("nothing")),
        (SERVER, SERVER, None),
        (SERVER, "", None),
        (SERVER, &*encrypted, None),
        ("", SERVER_KEY, None),
        (SERVER_KEY, SERVER_KEY, None),
        (&*two, SERVER_KEY, None),
        (&*cut, SERVER_KEY, None),
    ] {
        let code = lab.code(|tx| certificates::import(tx, import(body, key, chain)));
        assert_eq!(code, "ValidationException", "{body} {key} {chain:?}");
    }
}

#[test]
fn a_certificate_says_what_it_is_for() {
    let facts = certificates::read(SERVER).unwrap();
    assert_eq!(facts.domain.as_deref(), Some("vpn.example.com"));
    assert_eq!(facts.alternative_names, ["vpn.example.com", "*.vpn.example.com"]);
    assert_eq!((&*facts.subject, &*facts.issuer), ("CN=vpn.example.com", "Test Authority"));
    assert_eq!((&*facts.serial, &*facts.key_algorithm), ("10:01", "RSA_2048"));
    assert_eq!(facts.signature_algorithm, "SHA256WITHECDSA");
    assert_eq!(facts.not_before.to_string(), "2026-01-01T00:00:00.000Z");
    assert_eq!(facts.not_after.to_string(), "2125-12-31T00:00:00.000Z");
    assert_eq!(facts.key_usages, ["DIGITAL_SIGNATURE", "KEY_ENCIPHERMENT"]);
    assert_eq!(facts.extended_key_usages, [("TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1".to_owned())]);
    assert_eq!(certificates::read(AUTHORITY).unwrap().key_algorithm, "EC_prime256v1");
}
