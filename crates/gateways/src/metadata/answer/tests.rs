#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use openvpc_model::{IamName, Id, Instance, InstanceProfile, KeyPair, KeyPairId, NetworkInterface, Subnet, Vpc};
use openvpc_pipeline::testing::{Host, World};

use super::*;

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

/// An instance with all that metadata may tell of.
struct Bench {
    world: World,
    host: Host,
    tokens: Tokens,
}

impl Bench {
    fn new() -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        world.add_block(vpc, "2001:db8:0:100::/56");
        world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_hostnames = true);
        let subnet = world.subnet(vpc, "10.0.1.0/24 2001:db8:0:101::/64");
        world.edit::<Subnet>(subnet, |subnet| subnet.hostname_type = "ip-name".to_owned());
        let group = world.open_group(vpc);
        let host = world.host(subnet, "10.0.1.10 2001:db8:0:101::10", &[group]);
        world.public(host.eni, "10.0.1.10", "203.0.113.25");
        world.edit::<Instance>(host.instance, |instance| {
            instance.image = "ami-12345678".to_owned();
            instance.instance_type = "t3.micro".to_owned();
            instance.launched_at = UnixMillis(1_789_999_000_123);
            instance.user_data = Some(b"#!/bin/sh\n\xff".to_vec());
        });
        Self { world, host, tokens: Tokens::new([7; 32]) }
    }

    fn options(&mut self, change: impl FnOnce(&mut openvpc_model::InstanceOptions)) {
        self.world.edit::<Instance>(self.host.instance, |instance| change(&mut instance.options));
    }

    fn ask(&self, question: &Question) -> Answer {
        answer(self.world.network(), self.host.eni, question, &self.tokens, NOW)
    }

    fn get(&self, path: &str) -> Outcome {
        self.ask(&Question { method: "GET".to_owned(), path: path.to_owned(), ..Question::default() }).outcome
    }

    #[track_caller]
    fn text(&self, path: &str) -> String {
        match self.get(path) {
            Outcome::Ok { body, is_text: true } => String::from_utf8(body).unwrap(),
            other => panic!("{path}: {other:?}"),
        }
    }

    fn put(&self, ttl: Option<&str>) -> Question {
        let path = "/latest/api/token".to_owned();
        Question { method: "PUT".to_owned(), path, ttl: ttl.map(str::to_owned), ..Question::default() }
    }

    fn token(&self, ttl: &str) -> String {
        match self.ask(&self.put(Some(ttl))).outcome {
            Outcome::Ok { body, .. } => String::from_utf8(body).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_tree_tells_what_the_network_knows() {
    let bench = Bench::new();
    let mac = bench.world.network().enis.get(&bench.host.eni).unwrap().mac.to_string();
    for (path, text) in [
        ("ami-id", "ami-12345678"),
        ("ami-launch-index", "0"),
        ("instance-id", &bench.host.instance.to_string()),
        ("instance-type", "t3.micro"),
        ("local-ipv4", "10.0.1.10"),
        ("public-ipv4", "203.0.113.25"),
        ("ipv6", "2001:db8:0:101::10"),
        ("mac", &mac),
        ("hostname", "ip-10-0-1-10.eu-central-1.compute.internal"),
        ("local-hostname", "ip-10-0-1-10.eu-central-1.compute.internal"),
        ("public-hostname", "ec2-203-0-113-25.eu-central-1.compute.amazonaws.com"),
        ("instance-life-cycle", "on-demand"),
        ("services", "domain\npartition"),
        ("services/domain", "amazonaws.com"),
        ("placement", "availability-zone\navailability-zone-id\nregion"),
        ("placement/availability-zone", "eu-central-1a"),
        ("placement/availability-zone-id", "euc1-az1"),
        ("network", "interfaces/"),
        ("network/interfaces/macs", &format!("{mac}/")),
        (&format!("network/interfaces/macs/{mac}/ipv4-associations/203.0.113.25"), "10.0.1.10"),
        (&format!("network/interfaces/macs/{mac}/subnet-ipv4-cidr-block"), "10.0.1.0/24"),
        (&format!("network/interfaces/macs/{mac}/vpc-ipv4-cidr-blocks"), "10.0.0.0/16"),
        (&format!("network/interfaces/macs/{mac}/ipv6s"), "2001:db8:0:101::10"),
        (&format!("network/interfaces/macs/{mac}/device-number"), "0"),
        (&format!("network/interfaces/macs/{mac}/interface-id"), &bench.host.eni.to_string()),
        ("block-device-mapping", "ami\nroot"),
        ("events/maintenance/scheduled", "[]"),
    ] {
        assert_eq!(bench.text(&format!("/latest/meta-data/{path}")), text, "{path}");
        assert_eq!(bench.text(&format!("/2016-09-02/meta-data/{path}/")), text, "{path} with a slash");
    }
    let listing = bench.text("/latest/meta-data/");
    assert!(listing.lines().is_sorted(), "{listing}");
    for name in ["ami-id", "placement/", "network/", "block-device-mapping/", "public-ipv4"] {
        assert!(listing.lines().any(|line| line == name), "{name} in {listing}");
    }
    assert_eq!(bench.text("/latest"), "dynamic/\nmeta-data/\nuser-data");
    assert!(bench.text("/").ends_with("2024-04-11\nlatest"));
    assert_eq!(bench.get("/latest/user-data"), Outcome::Ok { body: b"#!/bin/sh\n\xff".to_vec(), is_text: false });
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut bench = Bench::new();
    for path in [
        "/2000-01-01/meta-data/",
        "/latest/meta-data/nothing",
        "/latest/meta-data/instance-id/nothing",
        "/latest/meta-data/iam/info",
        "/latest/meta-data/tags/instance",
        "/latest/meta-data/public-keys/0/openssh-key",
        "/latest/meta-data/spot/termination-time",
        "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:00/mac",
    ] {
        assert_eq!(bench.get(path), Outcome::Refused(404), "{path}");
    }
    assert_eq!(bench.get("/latest/meta-data/%zz"), Outcome::Refused(400));
    bench.world.edit::<Instance>(bench.host.instance, |instance| instance.user_data = None);
    assert_eq!(bench.get("/latest/user-data"), Outcome::Refused(404));
    assert_eq!(bench.text("/latest"), "dynamic/\nmeta-data/");
}

#[test]
fn a_change_is_told_by_the_next_answer() {
    let mut bench = Bench::new();
    let eni = bench.host.eni;
    bench.world.edit::<NetworkInterface>(eni, |eni| eni.private_addresses[0].public = None);
    assert_eq!(bench.get("/latest/meta-data/public-ipv4"), Outcome::Refused(404));
    assert_eq!(bench.get("/latest/meta-data/public-hostname"), Outcome::Refused(404));
    bench.world.public(eni, "10.0.1.10", "203.0.113.77");
    assert_eq!(bench.text("/latest/meta-data/public-ipv4"), "203.0.113.77");
    let vpc = bench.world.network().enis.get(&eni).unwrap().vpc;
    bench.world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_hostnames = false);
    assert_eq!(bench.get("/latest/meta-data/public-hostname"), Outcome::Refused(404));
}

#[test]
fn the_identity_document_is_about_the_instance() {
    let bench = Bench::new();
    assert_eq!(bench.text("/latest/dynamic/instance-identity/"), "document");
    let document: serde_json::Value = serde_json::from_str(&bench.text("/latest/dynamic/instance-identity/document")).unwrap();
    assert_eq!(document["instanceId"], bench.host.instance.to_string());
    assert_eq!(document["privateIp"], "10.0.1.10");
    assert_eq!(document["region"], "eu-central-1");
    assert_eq!(document["accountId"], "123456789012");
    assert_eq!(document["pendingTime"], "2026-09-21T13:56:40Z");
    assert_eq!(bench.text("/latest/dynamic/fws/instance-monitoring"), "disabled");
}

#[test]
fn keys_tags_and_roles_are_there_when_the_instance_has_them() {
    let mut bench = Bench::new();
    let instance = bench.world.network().instances.get(&bench.host.instance).unwrap().clone();
    let owner = instance.owner.clone();
    bench.world.edit::<Instance>(instance.id, |instance| {
        instance.key_name = Some("mine".to_owned());
        instance.options.iam_instance_profile = Some("arn:aws:iam::123456789012:instance-profile/web".to_owned());
        instance.tags.insert("Name".to_owned(), "a b".to_owned());
    });
    bench.world.add(KeyPair {
        id: KeyPairId::from_random(1),
        owner: owner.clone(),
        name: "mine".to_owned(),
        kind: "ed25519".to_owned(),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        fingerprint: String::new(),
        created_at: NOW,
        tags: Default::default(),
    });
    assert_eq!(bench.text("/latest/meta-data/public-keys/"), "0=mine");
    assert_eq!(bench.text("/latest/meta-data/public-keys/0/"), "openssh-key");
    assert_eq!(bench.text("/latest/meta-data/public-keys/0/openssh-key"), "ssh-ed25519 AAAA mine");
    assert_eq!(bench.get("/latest/meta-data/tags/instance/Name"), Outcome::Refused(404));
    bench.options(|options| options.instance_metadata_tags = "enabled".to_owned());
    assert_eq!(bench.text("/latest/meta-data/tags/instance/"), "Name");
    assert_eq!(bench.text("/latest/meta-data/tags/instance/Name"), "a b");

    assert!(bench.text("/latest/meta-data/iam/info").contains("instance-profile/web"));
    assert_eq!(bench.get("/latest/meta-data/iam/security-credentials/"), Outcome::Refused(404), "without a role");
    bench.world.add(InstanceProfile {
        owner: owner.clone(),
        name: "web".to_owned(),
        path: "/".to_owned(),
        id: "AIPAEXAMPLE".to_owned(),
        role: Some("Server".to_owned()),
        created_at: NOW,
        tags: Default::default(),
    });
    assert_eq!(bench.text("/latest/meta-data/iam/security-credentials/"), "Server");
    let role = IamName::new(owner.account, "Server");
    assert_eq!(bench.get("/latest/meta-data/iam/security-credentials/Server"), Outcome::Credentials(instance.id, role));
}

#[test]
fn a_token_is_made_for_one_second_to_six_hours() {
    let mut bench = Bench::new();
    for ttl in [None, Some("0"), Some("21601"), Some("-1"), Some("soon"), Some("")] {
        assert_eq!(bench.ask(&bench.put(ttl)).outcome, Outcome::Refused(400), "{ttl:?}");
    }
    for ttl in ["1", "21600"] {
        assert!(matches!(bench.ask(&bench.put(Some(ttl))).outcome, Outcome::Ok { .. }), "{ttl}");
    }
    let answer = bench.ask(&bench.put(Some("60")));
    assert_eq!((answer.token_ttl, answer.hop_limit), (Some(60), Some(1)));
    bench.options(|options| options.http_put_response_hop_limit = 3);
    assert_eq!(bench.ask(&bench.put(Some("60"))).hop_limit, Some(3));
    let forwarded = Question { was_forwarded: true, ..bench.put(Some("60")) };
    assert_eq!(bench.ask(&forwarded).outcome, Outcome::Refused(403));
}

#[test]
fn where_tokens_are_required_nothing_is_told_without_one() {
    let mut bench = Bench::new();
    let path = "/latest/meta-data/local-ipv4".to_owned();
    let get = |token: Option<String>| Question { method: "GET".to_owned(), path: path.clone(), token, ..Question::default() };
    let token = bench.token("60");
    assert!(matches!(bench.ask(&get(None)).outcome, Outcome::Ok { .. }));
    assert_eq!(bench.ask(&get(Some("wrong".to_owned()))).outcome, Outcome::Refused(401), "even where none is needed");
    bench.options(|options| options.http_tokens = "required".to_owned());
    assert_eq!(bench.get(&path), Outcome::Refused(401));
    let told = bench.ask(&get(Some(token.clone())));
    assert!(matches!(told.outcome, Outcome::Ok { .. }));
    assert_eq!((told.token_ttl, told.hop_limit), (Some(60), None));
    let later = answer(bench.world.network(), bench.host.eni, &get(Some(token)), &bench.tokens, UnixMillis(NOW.0 + 60_001));
    assert_eq!(later.outcome, Outcome::Refused(401));
}

#[test]
fn the_service_can_be_switched_off_and_its_ipv6_address_on() {
    let mut bench = Bench::new();
    let path = "/latest/meta-data/mac".to_owned();
    let by_ipv6 = Question { method: "GET".to_owned(), path: path.clone(), is_ipv6: true, ..Question::default() };
    assert_eq!(bench.ask(&by_ipv6).outcome, Outcome::Refused(403));
    bench.options(|options| options.http_protocol_ipv6 = "enabled".to_owned());
    assert!(matches!(bench.ask(&by_ipv6).outcome, Outcome::Ok { .. }));
    bench.options(|options| options.http_endpoint = "disabled".to_owned());
    assert_eq!(bench.ask(&by_ipv6).outcome, Outcome::Refused(403));
    assert_eq!(bench.get(&path), Outcome::Refused(403));
    assert_eq!(bench.ask(&bench.put(Some("60"))).outcome, Outcome::Refused(403));
}

#[test]
fn other_methods_are_not_allowed() {
    let bench = Bench::new();
    let ask = |method: &str, path: &str| {
        bench.ask(&Question { method: method.to_owned(), path: path.to_owned(), ..Question::default() }).outcome
    };
    for (method, path) in [
        ("POST", "/latest/meta-data/mac"),
        ("DELETE", "/latest/meta-data/mac"),
        ("PUT", "/latest/meta-data/mac"),
        ("GET", "/latest/api/token"),
        ("OPTIONS", "/"),
    ] {
        assert_eq!(ask(method, path), Outcome::Refused(405), "{method} {path}");
    }
    assert!(matches!(ask("HEAD", "/latest/meta-data/mac"), Outcome::Ok { .. }));
}

#[test]
fn a_virtual_machine_is_told_of_its_interface() {
    let mut bench = Bench::new();
    let subnet = bench.world.network().enis.get(&bench.host.eni).unwrap().subnet;
    let eni = bench.world.eni(subnet, "10.0.1.77", &[]);
    let ask = |path: &str| {
        let question = Question { method: "GET".to_owned(), path: path.to_owned(), ..Question::default() };
        answer(bench.world.network(), eni, &question, &bench.tokens, NOW).outcome
    };
    let text = |text: &str| Outcome::Ok { body: text.as_bytes().to_vec(), is_text: true };
    assert_eq!(ask("/latest/meta-data/local-ipv4"), text("10.0.1.77"));
    assert_eq!(ask("/latest/meta-data/local-hostname"), text("ip-10-0-1-77.eu-central-1.compute.internal"));
    assert_eq!(ask("/latest/meta-data/instance-id"), Outcome::Refused(404));
    assert_eq!(ask("/latest/dynamic/instance-identity/document"), Outcome::Refused(404));
}
