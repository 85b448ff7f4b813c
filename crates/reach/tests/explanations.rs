//! What the analyser says of whole paths.
#![allow(clippy::unwrap_used, reason = "tests")]

use openvpc_model::route::TableUser;
use openvpc_model::{InstanceState, RouteTarget};
use openvpc_pipeline::testing::{Host, World};
use openvpc_reach::{Destination, Explanation, Question, QuestionError, Start, explain};

const PUBLIC: &str = "203.0.113.7";
const INTERNET: &str = "198.51.100.10";

/// A web server with a public address and a database in a subnet without a route to the internet.
struct Site {
    world: World,
    web: Host,
    db: Host,
}

fn site(web_rules: &[&str], db_rules: &[&str]) -> Site {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let gateway = world.gateway(vpc);
    let public = world.subnet(vpc, "10.0.1.0/24");
    let private = world.subnet(vpc, "10.0.2.0/24");
    let table = world.table(vpc);
    world.route(table, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
    world.use_table(table, TableUser::Subnet(public));
    let web_group = world.group(vpc, web_rules);
    let db_group = world.group(vpc, db_rules);
    let web = world.host(public, "10.0.1.17", &[web_group]);
    let db = world.host(private, "10.0.2.40", &[db_group]);
    world.public(web.eni, "10.0.1.17", PUBLIC);
    Site { world, web, db }
}

fn ask(world: &mut World, start: Start, destination: Destination, port: u16) -> Explanation {
    let question = Question { start, destination, protocol: 6, port, source_port: Question::DEFAULT_SOURCE_PORT };
    let network = world.network().clone();
    explain(&network, world.tables(), &question).unwrap()
}

fn codes(explanation: &Explanation) -> Vec<&'static str> {
    explanation.forward.blockers.iter().chain(&explanation.back.blockers).map(|blocker| blocker.code).collect()
}

fn components(explanation: &Explanation) -> Vec<&'static str> {
    explanation.forward.hops.iter().map(|hop| hop.component).collect()
}

#[test]
fn a_path_from_the_internet_names_what_it_passes_and_the_way_back() {
    let Site { mut world, web, .. } = site(&["in tcp 80 from 0.0.0.0/0"], &[]);
    let answer = ask(&mut world, Start::Internet(INTERNET.parse().unwrap()), Destination::Eni(web.eni), 80);
    assert!(answer.reachable, "{answer:?}");
    assert_eq!(components(&answer), ["internet gateway", "network ACL", "security group", "network interface"]);
    assert_eq!(answer.back.hops.last().unwrap().component, "internet");
}

#[test]
fn a_closed_security_group_is_the_one_blocker() {
    let Site { mut world, web, .. } = site(&["in tcp 80 from 0.0.0.0/0"], &[]);
    let answer = ask(&mut world, Start::Internet(INTERNET.parse().unwrap()), Destination::Eni(web.eni), 22);
    assert!(!answer.reachable);
    assert_eq!(codes(&answer), ["ENI_SG_RULES_MISMATCH"]);
    assert_eq!(answer.forward.blockers[0].direction, "ingress");
}

#[test]
fn a_network_acl_and_a_security_group_that_both_deny_are_both_named() {
    let Site { mut world, web, db } = site(&["out all to 0.0.0.0/0"], &["in tcp 5432 from 192.0.2.0/24"]);
    let subnet = world.network().enis.get(&db.eni).unwrap().subnet;
    world.nacl(subnet, &["100 in deny all 0.0.0.0/0", "100 out allow all 0.0.0.0/0"]);
    let answer = ask(&mut world, Start::Eni(web.eni), Destination::Eni(db.eni), 5432);
    assert_eq!(codes(&answer), ["SUBNET_ACL_RESTRICTION", "ENI_SG_RULES_MISMATCH"]);
    assert_eq!(answer.forward.blockers[0].rule, "100");
}

#[test]
fn an_answer_that_is_not_let_out_makes_the_round_trip_fail() {
    let Site { mut world, web, db } = site(&["out all to 0.0.0.0/0"], &["in tcp 5432 from 10.0.1.0/24"]);
    let subnet = world.network().enis.get(&db.eni).unwrap().subnet;
    world.nacl(subnet, &["100 in allow all 0.0.0.0/0"]);
    let answer = ask(&mut world, Start::Eni(web.eni), Destination::Eni(db.eni), 5432);
    assert!(answer.forward.reachable && !answer.back.reachable && !answer.reachable);
    assert_eq!(answer.back.blockers[0].code, "SUBNET_ACL_RESTRICTION");
    assert_eq!(answer.back.blockers[0].rule, "*");
}

#[test]
fn a_subnet_without_a_route_says_so() {
    let Site { mut world, db, .. } = site(&[], &["out all to 0.0.0.0/0"]);
    let answer = ask(&mut world, Start::Eni(db.eni), Destination::Address(INTERNET.parse().unwrap()), 443);
    assert_eq!(codes(&answer), ["NO_ROUTE_TO_DESTINATION"]);
    assert!(answer.forward.blockers[0].message.contains(INTERNET), "{answer:?}");
}

#[test]
fn a_host_without_a_public_address_is_unknown_to_the_internet() {
    let Site { mut world, db, .. } = site(&[], &["in all from 0.0.0.0/0"]);
    let answer = ask(&mut world, Start::Internet(INTERNET.parse().unwrap()), Destination::Eni(db.eni), 5432);
    assert!(!answer.reachable);
    assert!(!answer.forward.blockers.is_empty(), "{answer:?}");
}

#[test]
fn an_address_of_the_public_pool_that_nobody_has_is_on_nobodys_side() {
    let Site { mut world, web, .. } = site(&["out all to 0.0.0.0/0"], &[]);
    let answer = ask(&mut world, Start::Eni(web.eni), Destination::Address("203.0.113.200".parse().unwrap()), 80);
    assert_eq!(codes(&answer), ["OPENVPC_INTERNET_UNREACHABLE"]);
}

#[test]
fn two_vpcs_without_a_connection_are_disconnected() {
    let Site { mut world, web, .. } = site(&["out all to 0.0.0.0/0"], &[]);
    let other = world.vpc("10.9.0.0/16");
    let subnet = world.subnet(other, "10.9.1.0/24");
    let group = world.open_group(other);
    let far = world.host(subnet, "10.9.1.5", &[group]);
    let answer = ask(&mut world, Start::Eni(web.eni), Destination::Eni(far.eni), 80);
    assert!(!answer.reachable);
    assert!(codes(&answer).contains(&"DISCONNECTED_VPCS"), "{answer:?}");
}

#[test]
fn a_middlebox_is_a_hop_and_not_the_end() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let near = world.subnet(vpc, "10.0.1.0/24");
    let middle = world.subnet(vpc, "10.0.2.0/24");
    let far = world.subnet(vpc, "10.0.3.0/24");
    let open = world.open_group(vpc);
    let client = world.host(near, "10.0.1.5", &[open]);
    let firewall = world.middlebox(middle, "10.0.2.5", &[open]);
    let server = world.host(far, "10.0.3.5", &[open]);
    let table = world.table(vpc);
    world.route(table, "10.0.3.0/24", RouteTarget::NetworkInterface(firewall.eni));
    world.use_table(table, TableUser::Subnet(near));
    let answer = ask(&mut world, Start::Eni(client.eni), Destination::Eni(server.eni), 80);
    assert!(answer.reachable, "{answer:?}");
    let passed: Vec<_> = answer.forward.hops.iter().map(|hop| hop.resource_id.clone()).collect();
    assert!(passed.contains(&firewall.eni.to_string()), "{passed:?}");
    assert_eq!(passed.last().unwrap(), &server.eni.to_string());

    world.set_state(firewall, InstanceState::Stopped);
    let answer = ask(&mut world, Start::Eni(client.eni), Destination::Eni(server.eni), 80);
    assert_eq!(codes(&answer), ["BAD_STATE_ROUTE"]);
}

#[test]
fn questions_about_what_is_not_there_are_refused_with_the_name() {
    let Site { world, web, .. } = site(&[], &[]);
    let network = world.network();
    let owner = network.enis.get(&web.eni).unwrap().owner.clone();
    let parse = |from: &str, to: &str, protocol: &str, port| Question::parse(network, &owner, from, to, protocol, port, None);
    let web = web.instance.to_string();
    assert!(matches!(parse("i-00000000000000bad", &web, "tcp", Some(1)), Err(QuestionError::Unknown(_))));
    assert!(matches!(parse("nonsense", &web, "tcp", Some(1)), Err(QuestionError::Unreadable(_))));
    assert!(matches!(parse(&web, INTERNET, "tcp", None), Err(QuestionError::Port(_))));
    assert!(matches!(parse(&web, INTERNET, "carrier-pigeon", None), Err(QuestionError::Protocol(_))));
    assert!(parse(&web, INTERNET, "icmp", None).is_ok());
}
