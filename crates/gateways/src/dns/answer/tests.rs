//! Section 2 of the networking sheet, and what hosted zones say.
#![allow(clippy::unwrap_used, reason = "tests")]

use openvpc_model::hosted_zone::{HealthCheckConfig, RecordAnswer, Routing, ZoneVpc};
use openvpc_model::*;
use openvpc_pipeline::testing::{Host, World};

use super::*;

const DEFAULT: &str = "10.0.0.0/16";

/// A VPC with DNS names, a subnet and an instance.
fn home(world: &mut World, block: &str, subnet: &str, addresses: &str) -> (VpcId, SubnetId, Host) {
    let vpc = world.vpc(block);
    world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_hostnames = true);
    let subnet = world.subnet(vpc, subnet);
    let group = world.open_group(vpc);
    (vpc, subnet, world.host(subnet, addresses, &[group]))
}

fn region(world: &World, host: Host) -> Region {
    world.network().enis.get(&host.eni).unwrap().owner.region.clone()
}

fn from(world: &World, asker: Option<Host>, name: &str, kind: &str, dice: u64) -> Outcome {
    let eni = asker.map(|host| world.network().enis.get(&host.eni).unwrap().clone());
    let view = eni.as_ref().map_or(View::Public, |eni| View::Vpc(eni));
    let kind = RecordType::parse(kind).unwrap().code();
    answer(world.network(), view, &Question { name: name.parse().unwrap(), kind }, dice)
}

/// The outcome in few words: values, or how it ended.
fn ask(world: &World, asker: Option<Host>, name: &str, kind: &str) -> String {
    shown(from(world, asker, name, kind, 0))
}

fn shown(outcome: Outcome) -> String {
    match outcome {
        Outcome::Answer { code: Code::NoError, records, .. } if records.is_empty() => "empty".into(),
        Outcome::Answer { code: Code::NoError, records, .. } => {
            let value = |record: &Record| match &record.data {
                RecordData::V4(address) => address.to_string(),
                RecordData::V6(address) => address.to_string(),
                RecordData::Name(name) => name.to_string(),
                RecordData::Octets(octets) => format!("{octets:?}"),
            };
            records.iter().map(value).collect::<Vec<_>>().join(" ")
        }
        Outcome::Answer { code, .. } => format!("{code:?}"),
        Outcome::Forward { name, records, .. } => format!("{} records, forward {name}", records.len()),
        Outcome::Silent => "silent".into(),
    }
}

struct Zone<'a> {
    world: &'a mut World,
    id: String,
}

impl Zone<'_> {
    fn set(&mut self, name: &str, kind: &str, values: &[&str]) {
        self.put(name, kind, None, Routing::Simple, records(values), None);
    }

    fn put(
        &mut self,
        name: &str,
        kind: &str,
        set: Option<&str>,
        routing: Routing,
        answer: RecordAnswer,
        health_check: Option<&str>,
    ) {
        let zone = self.world.network().hosted_zones.get(&self.id).unwrap().clone();
        self.world.add(RecordSet {
            zone: self.id.clone(),
            owner: zone.owner.clone(),
            name: name.parse().unwrap(),
            kind: RecordType::parse(kind).unwrap(),
            set: set.map(str::to_owned),
            routing,
            answer,
            health_check: health_check.map(str::to_owned),
        });
    }
}

fn records(values: &[&str]) -> RecordAnswer {
    RecordAnswer::Records { ttl: 300, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

/// A zone; private when it is given VPCs.
fn zone<'a>(world: &'a mut World, id: &str, name: &str, vpcs: &[VpcId]) -> Zone<'a> {
    let account: AccountId = "123456789012".parse().unwrap();
    let seen = |vpc: &VpcId| ZoneVpc { vpc: *vpc, region: "us-east-1".parse().unwrap(), account };
    world.add(HostedZone {
        id: id.into(),
        owner: Owner::global(account),
        name: name.parse().unwrap(),
        caller_reference: id.into(),
        comment: None,
        vpcs: (!vpcs.is_empty()).then(|| vpcs.iter().map(seen).collect()),
        authorized: Vec::new(),
        delegation_set: None,
        name_servers: vec![format!("ns.{}", id.to_lowercase())],
        created_at: UnixMillis(u64::try_from(world.network().hosted_zones.size()).unwrap()),
        tags: Tags::new(),
    });
    let mut zone = Zone { world, id: id.into() };
    zone.set(name, "SOA", &["ns.example. hostmaster.example. 1 7200 900 1209600 86400"]);
    zone
}

#[test]
fn without_dns_support_nobody_answers() {
    let mut world = World::new();
    let (vpc, _, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_support = false);
    assert_eq!(ask(&world, Some(host), "a.example", "A"), "silent");
}

#[test]
fn private_names_are_resolved_in_their_vpc_with_both_attributes() {
    let mut world = World::new();
    let (vpc, subnet, host) = home(&mut world, DEFAULT, "10.0.0.0/24 2001:db8:1::/64", "10.0.0.5 2001:db8:1::5");
    let (_, _, other) = home(&mut world, "10.1.0.0/16", "10.1.0.0/24", "10.1.0.5");
    let region = region(&world, host);
    let ip = dns::private_ipv4_name("10.0.0.5".parse().unwrap(), &region);
    let resource = dns::resource_name(host.instance, &region);
    assert_eq!(ask(&world, Some(host), &ip, "A"), "10.0.0.5");
    assert_eq!(ask(&world, Some(host), &ip.to_uppercase(), "A"), "10.0.0.5");
    assert_eq!(ask(&world, Some(host), &ip, "AAAA"), "empty");
    assert_eq!(ask(&world, Some(other), &ip, "A"), "NxDomain", "another VPC");
    assert_eq!(ask(&world, None, &ip, "A"), "0 records, forward ".to_owned() + &ip + ".");
    assert_eq!(ask(&world, Some(host), &ip.replace("0-5", "0-6"), "A"), "NxDomain");
    assert_eq!(ask(&world, Some(host), &resource, "A"), "NxDomain", "switched off");
    world.edit::<Subnet>(subnet, |subnet| subnet.resource_name_dns_a_record = true);
    assert_eq!(
        (ask(&world, Some(host), &resource, "A"), ask(&world, Some(host), &resource, "AAAA")),
        ("10.0.0.5".into(), "empty".into())
    );
    world.edit::<Subnet>(subnet, |subnet| subnet.resource_name_dns_aaaa_record = true);
    assert_eq!(ask(&world, Some(host), &resource, "AAAA"), "2001:db8:1::5");
    world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_hostnames = false);
    assert_eq!(
        (ask(&world, Some(host), &ip, "A"), ask(&world, Some(host), &resource, "A")),
        ("NxDomain".into(), "NxDomain".into())
    );
}

#[test]
fn addresses_have_names() {
    let mut world = World::new();
    let (_, subnet, host) = home(&mut world, DEFAULT, "10.0.0.0/24 2001:db8:1::/64", "10.0.0.5 2001:db8:1::5");
    let (ip, resource) = (
        dns::private_ipv4_name("10.0.0.5".parse().unwrap(), &region(&world, host)),
        dns::resource_name(host.instance, &region(&world, host)),
    );
    assert_eq!(ask(&world, Some(host), "5.0.0.10.in-addr.arpa", "PTR"), ip + ".");
    let v6 = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(ask(&world, Some(host), v6, "PTR"), format!("{resource}."));
    assert_eq!(ask(&world, Some(host), "6.0.0.10.in-addr.arpa", "PTR"), "NxDomain");
    assert_eq!(ask(&world, Some(host), "8.8.8.8.in-addr.arpa", "PTR"), "0 records, forward 8.8.8.8.in-addr.arpa.");
    assert_eq!(ask(&world, Some(host), "10.100.51.198.in-addr.arpa", "PTR"), "internet.example.");
    world.edit::<Subnet>(subnet, |subnet| subnet.hostname_type = "resource-name".into());
    assert_eq!(ask(&world, Some(host), "5.0.0.10.in-addr.arpa", "PTR"), format!("{resource}."));
}

#[test]
fn a_public_name_is_private_inside_and_in_peers_that_may_resolve_it() {
    let mut world = World::new();
    let (vpc, _, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    let (far, _, peer) = home(&mut world, "10.1.0.0/16", "10.1.0.0/24", "10.1.0.5");
    world.public(host.eni, "10.0.0.5", "203.0.113.25");
    let region = region(&world, host);
    let name = dns::public_ipv4_name("203.0.113.25".parse().unwrap(), &region);
    assert_eq!(ask(&world, Some(host), &name, "A"), "10.0.0.5");
    assert_eq!(ask(&world, None, &name, "A"), "203.0.113.25");
    assert_eq!(ask(&world, None, "25.113.0.203.in-addr.arpa", "PTR"), format!("{name}."));
    let side = |vpc| peering::PeeringSide {
        owner: Owner { account: "123456789012".parse().unwrap(), region: region.clone() },
        vpc,
        ipv4_blocks: Vec::new(),
        ipv6_blocks: Vec::new(),
        allow_dns_resolution_from_remote: false,
        tags: Tags::new(),
    };
    let id: PeeringId = world.id();
    world.add(Peering { id, requester: side(vpc), accepter: side(far), state: PeeringState::Active, created_at: UnixMillis(0) });
    assert_eq!(ask(&world, Some(peer), &name, "A"), "203.0.113.25", "without the option");
    world.edit::<Peering>(id, |peering| peering.accepter.allow_dns_resolution_from_remote = true);
    assert_eq!(ask(&world, Some(peer), &name, "A"), "203.0.113.25", "the option of its own side is for the other one");
    world.edit::<Peering>(id, |peering| peering.requester.allow_dns_resolution_from_remote = true);
    assert_eq!(ask(&world, Some(peer), &name, "A"), "10.0.0.5", "with it");
    world.edit::<Peering>(id, |peering| peering.state = PeeringState::PendingAcceptance);
    assert_eq!(ask(&world, Some(peer), &name, "A"), "203.0.113.25", "no longer a peer");
    world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_hostnames = false);
    assert_eq!((ask(&world, None, &name, "A"), ask(&world, Some(host), &name, "A")), ("NxDomain".into(), "NxDomain".into()));
}

#[test]
fn dns64_makes_addresses_for_names_that_have_none_of_ipv6() {
    let mut world = World::new();
    let (vpc, subnet, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    let mut corp = zone(&mut world, "Z1", "corp", &[vpc]);
    corp.set("four.corp", "A", &["192.0.2.33"]);
    corp.set("both.corp", "A", &["192.0.2.33"]);
    corp.set("both.corp", "AAAA", &["2001:db8::33"]);
    corp.set("alias.corp", "CNAME", &["four.corp"]);
    assert_eq!(ask(&world, Some(host), "four.corp", "AAAA"), "empty");
    world.edit::<Subnet>(subnet, |subnet| subnet.enable_dns64 = true);
    assert_eq!(ask(&world, Some(host), "four.corp", "AAAA"), "64:ff9b::c000:221");
    assert_eq!(ask(&world, Some(host), "alias.corp", "AAAA"), "four.corp. 64:ff9b::c000:221");
    assert_eq!(ask(&world, Some(host), "both.corp", "AAAA"), "2001:db8::33");
    assert_eq!(ask(&world, Some(host), "four.corp", "A"), "192.0.2.33");
    assert_eq!(ask(&world, Some(host), "no.corp", "AAAA"), "NxDomain");
    let forwarded = from(&world, Some(host), "somewhere.test", "AAAA", 0);
    assert!(matches!(forwarded, Outcome::Forward { dns64: true, .. }), "{forwarded:?}");
}

#[test]
fn the_most_specific_private_zone_has_the_last_word() {
    let mut world = World::new();
    let (vpc, _, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    let (_, _, stranger) = home(&mut world, "10.1.0.0/16", "10.1.0.0/24", "10.1.0.5");
    zone(&mut world, "Z1", "example.org", &[vpc]).set("a.sub.example.org", "A", &["10.0.0.1"]);
    zone(&mut world, "Z2", "sub.example.org", &[vpc]).set("b.sub.example.org", "A", &["10.0.0.2"]);
    let mut public = zone(&mut world, "Z3", "example.org", &[]);
    public.set("public.example.org", "A", &["192.0.2.9"]);
    public.set("b.sub.example.org", "A", &["192.0.2.8"]);
    assert_eq!(ask(&world, Some(host), "b.sub.example.org", "A"), "10.0.0.2");
    assert_eq!(ask(&world, Some(host), "a.sub.example.org", "A"), "NxDomain", "the zone above isn't asked");
    assert_eq!(ask(&world, Some(host), "public.example.org", "A"), "NxDomain", "nor is the public one");
    for asker in [None, Some(stranger)] {
        assert_eq!(ask(&world, asker, "b.sub.example.org", "A"), "192.0.2.8");
        assert_eq!(ask(&world, asker, "public.example.org", "A"), "192.0.2.9");
    }
    let Outcome::Answer { soa: Some(soa), .. } = from(&world, Some(host), "no.sub.example.org", "A", 0) else { panic!() };
    assert_eq!((soa.name.as_str(), soa.ttl), ("sub.example.org.", 300));
    world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_hostnames = false);
    assert_eq!(ask(&world, Some(host), "public.example.org", "A"), "192.0.2.9", "private zones need both attributes");
}

#[test]
fn wildcards_and_names_without_records_are_as_dns_has_them() {
    let mut world = World::new();
    let mut zone = zone(&mut world, "Z1", "example.org", &[]);
    zone.set("*.example.org", "A", &["192.0.2.1"]);
    zone.set("deep.down.example.org", "A", &["192.0.2.2"]);
    zone.set("text.example.org", "TXT", &["\"x\""]);
    for (name, expected) in [
        ("any.example.org", "192.0.2.1"),
        ("many.labels.example.org", "192.0.2.1"),
        ("deep.down.example.org", "192.0.2.2"),
        ("down.example.org", "empty"),
        ("other.down.example.org", "NxDomain"),
        ("text.example.org", "empty"),
        ("below.text.example.org", "NxDomain"),
        ("example.org", "empty"),
    ] {
        assert_eq!(ask(&world, None, name, "A"), expected, "{name}");
    }
    assert_eq!(ask(&world, None, "any.example.org", "TXT"), "empty");
}

#[test]
fn canonical_names_and_aliases_are_followed() {
    let mut world = World::new();
    let (vpc, _, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    world.public(host.eni, "10.0.0.5", "203.0.113.25");
    let name = dns::public_ipv4_name("203.0.113.25".parse().unwrap(), &region(&world, host));
    zone(&mut world, "Z2", "example.org", &[]).set("b.example.org", "A", &["192.0.2.2"]);
    let mut corp = zone(&mut world, "Z1", "corp", &[vpc]);
    corp.set("a.corp", "CNAME", &["b.example.org"]);
    corp.set("host.corp", "CNAME", &[&name]);
    corp.set("out.corp", "CNAME", &["elsewhere.test"]);
    corp.set("round.corp", "CNAME", &["and.corp"]);
    corp.set("and.corp", "CNAME", &["round.corp"]);
    corp.set("a1.corp", "A", &["10.9.9.9"]);
    let alias = |name: &str| RecordAnswer::Alias { zone: "Z1".into(), name: name.parse().unwrap(), evaluate_health: false };
    corp.put("corp", "A", None, Routing::Simple, alias("a1.corp"), None);
    corp.put("self.corp", "A", None, Routing::Simple, alias("self.corp"), None);
    assert_eq!(ask(&world, Some(host), "a.corp", "A"), "b.example.org. 192.0.2.2");
    assert_eq!(ask(&world, Some(host), "a.corp", "CNAME"), "b.example.org.");
    assert_eq!(ask(&world, Some(host), "host.corp", "A"), format!("{name}. 10.0.0.5"));
    assert_eq!(ask(&world, Some(host), "out.corp", "A"), "1 records, forward elsewhere.test.");
    assert_eq!(ask(&world, Some(host), "round.corp", "A"), "ServFail");
    assert_eq!(ask(&world, Some(host), "corp", "A"), "10.9.9.9");
    assert_eq!(ask(&world, Some(host), "self.corp", "A"), "empty");
}

#[test]
fn what_is_delegated_to_nobody_can_t_be_resolved() {
    let mut world = World::new();
    let mut zone = zone(&mut world, "Z1", "example.org", &[]);
    zone.set("sub.example.org", "NS", &["ns.elsewhere.test"]);
    assert_eq!(ask(&world, None, "a.sub.example.org", "A"), "ServFail");
    assert_eq!(ask(&world, None, "sub.example.org", "A"), "ServFail");
    assert_eq!(ask(&world, None, "sub.example.org", "NS"), "ns.elsewhere.test.");
    self::zone(&mut world, "Z2", "sub.example.org", &[]).set("a.sub.example.org", "A", &["192.0.2.1"]);
    assert_eq!(ask(&world, None, "a.sub.example.org", "A"), "192.0.2.1");
}

#[test]
fn sets_are_chosen_by_their_policy_and_health() {
    let mut world = World::new();
    let check = |id: &str, inverted| DnsHealthCheck {
        id: id.into(),
        owner: Owner::global("123456789012".parse().unwrap()),
        caller_reference: id.into(),
        version: 1,
        config: HealthCheckConfig { kind: "TCP".into(), inverted, ..HealthCheckConfig::default() },
        tags: Tags::new(),
    };
    world.add(check("sick", true));
    world.add(check("well", false));
    let mut zone = zone(&mut world, "Z1", "example.org", &[]);
    let mut put = |name: &str, set: &str, routing, value: &str, check: Option<&str>| {
        zone.put(&format!("{name}.example.org"), "A", Some(set), routing, records(&[value]), check);
    };
    put("w", "a", Routing::Weighted { weight: 1 }, "192.0.2.1", None);
    put("w", "b", Routing::Weighted { weight: 3 }, "192.0.2.2", None);
    put("f", "a", Routing::Failover { primary: true }, "192.0.2.1", Some("sick"));
    put("f", "b", Routing::Failover { primary: false }, "192.0.2.2", None);
    put("g", "a", Routing::Failover { primary: true }, "192.0.2.1", Some("well"));
    put("g", "b", Routing::Failover { primary: false }, "192.0.2.2", None);
    put("s", "a", Routing::Weighted { weight: 1 }, "192.0.2.1", Some("sick"));
    for n in 0..10 {
        put("m", &n.to_string(), Routing::Multivalue, &format!("192.0.2.{n}"), (n == 0).then_some("sick"));
    }
    put("l", "a", Routing::Latency { region: "eu-west-1".into() }, "192.0.2.1", None);
    put("l", "b", Routing::Latency { region: "us-east-1".into() }, "192.0.2.2", None);
    let located = |country: &str| Routing::Geolocation { continent: None, country: Some(country.into()), subdivision: None };
    put("geo", "a", located("US"), "192.0.2.1", None);
    put("geo", "b", located("*"), "192.0.2.2", None);
    let drawn: Vec<String> = (0..4).map(|dice| shown(from(&world, None, "w.example.org", "A", dice))).collect();
    assert_eq!(drawn, ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.2"]);
    assert_eq!(ask(&world, None, "f.example.org", "A"), "192.0.2.2");
    assert_eq!(ask(&world, None, "g.example.org", "A"), "192.0.2.1");
    assert_eq!(ask(&world, None, "s.example.org", "A"), "192.0.2.1", "where none is healthy all are");
    let many = ask(&world, None, "m.example.org", "A");
    assert_eq!(many.split(' ').count(), 8);
    assert!(!many.contains("192.0.2.0"), "{many}");
    assert_eq!(ask(&world, None, "geo.example.org", "A"), "192.0.2.2");
    let (_, _, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    let region = region(&world, host);
    let expected = if region.as_str().starts_with("us-") { "192.0.2.2" } else { "192.0.2.1" };
    assert_eq!(ask(&world, Some(host), "l.example.org", "A"), expected);
}

#[test]
fn services_of_aws_have_addresses_of_their_prefix_lists() {
    let mut world = World::new();
    let (_, _, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    let region: Region = "eu-central-1".parse().unwrap();
    let list = |service: &str| AwsPrefixList::of_service(&region, service).unwrap().block;
    let address = |name: &str, kind: &str| ask(&world, Some(host), name, kind).parse::<IpAddr>().unwrap();
    for name in ["s3.eu-central-1.amazonaws.com", "bucket.s3.eu-central-1.amazonaws.com", "a.b.s3.amazonaws.com"] {
        assert!(list("s3").contains(&address(name, "A")), "{name}");
        assert_eq!(ask(&world, Some(host), name, "AAAA"), "empty", "{name}");
    }
    assert!(list("ipv6.s3").contains(&address("s3.dualstack.eu-central-1.amazonaws.com", "AAAA")));
    assert!(list("dynamodb").contains(&address("dynamodb.eu-central-1.amazonaws.com", "A")));
    assert!(!list("s3").contains(&address("ec2.eu-central-1.amazonaws.com", "A")));
    assert!(!list("s3").contains(&address("sts.amazonaws.com", "A")));
    assert_eq!(
        ask(&world, Some(host), "nothing.eu-central-1.amazonaws.com", "A"),
        "0 records, forward nothing.eu-central-1.amazonaws.com."
    );
}

#[test]
fn names_of_endpoints_lead_to_their_interfaces() {
    let mut world = World::new();
    let (vpc, subnet, host) = home(&mut world, DEFAULT, "10.0.0.0/24", "10.0.0.5");
    let group = world.open_group(vpc);
    let eni = world.eni(subnet, "10.0.0.9", &[group]);
    let (id, region): (VpcEndpointId, _) = (world.id(), region(&world, host));
    world.add(VpcEndpoint {
        id,
        owner: Owner { account: "123456789012".parse().unwrap(), region: region.clone() },
        vpc,
        endpoint_type: EndpointType::Interface,
        service: ServiceReference { name: format!("com.amazonaws.{region}.ec2"), region: region.clone(), id: None },
        acceptance: Acceptance::Accepted,
        address_type: AddressType::Ipv4,
        dns_record_type: DnsRecordType::Ipv4,
        dns_label: Some("abcdefgh".into()),
        private_dns: true,
        inbound_resolver_only: false,
        policy: None,
        route_tables: Vec::new(),
        interfaces: vec![EndpointInterface { subnet, eni }],
        groups: Vec::new(),
        connection: None,
        created_at: UnixMillis(0),
        deleted_at: None,
        tags: Tags::new(),
    });
    let service = format!("ec2.{region}.amazonaws.com");
    let zonal = format!("{id}-abcdefgh-{}.ec2.{region}.vpce.amazonaws.com", openvpc_model::Zone::ALL[0].name(&region));
    for asker in [None, Some(host)] {
        assert_eq!(ask(&world, asker, &format!("{id}-abcdefgh.ec2.{region}.vpce.amazonaws.com"), "A"), "10.0.0.9");
        assert_eq!(ask(&world, asker, &zonal, "A"), "10.0.0.9");
        assert_eq!(ask(&world, asker, &format!("{id}-other.ec2.{region}.vpce.amazonaws.com"), "A"), "NxDomain");
    }
    assert_eq!(ask(&world, Some(host), &service, "A"), "10.0.0.9");
    assert_eq!(ask(&world, Some(host), &service, "AAAA"), "empty");
    let public = ask(&world, None, &service, "A");
    assert!(public.starts_with("192.0.2."), "{public}");
    world.edit::<VpcEndpoint>(id, |endpoint| endpoint.private_dns = false);
    assert_eq!(ask(&world, Some(host), &service, "A"), public);
    world.edit::<VpcEndpoint>(id, |endpoint| endpoint.private_dns = true);
    world.edit::<Vpc>(vpc, |vpc| vpc.enable_dns_hostnames = false);
    assert_eq!(ask(&world, Some(host), &service, "A"), public, "private names need both attributes");
}

#[test]
fn the_lab_internet_has_a_host_with_a_name() {
    let world = World::new();
    assert_eq!(ask(&world, None, "internet.example", "A"), "198.51.100.10");
    assert_eq!(ask(&world, None, "Internet.Example", "AAAA"), "2001:db8:ffff::10");
    assert_eq!(ask(&world, None, "x.internet.example", "A"), "NxDomain");
    assert_eq!(ask(&world, None, "internet.example", "TXT"), "empty");
}
