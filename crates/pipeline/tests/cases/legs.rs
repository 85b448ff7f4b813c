//! What flow logs are told: sections 1.4, 3.6, 3.7 and 5 of the flow-log specification.

use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, Leg, TrafficPath};

use crate::Lab;

fn accept(direction: &str, eni: EniId) -> String {
    format!("{direction} accept {eni}")
}

fn reject(direction: &str, eni: EniId) -> String {
    format!("{direction} reject {eni}")
}

fn legs(sent: &openvpc_pipeline::testing::Sent) -> Vec<Leg> {
    sent.verdict.legs.iter().copied().collect()
}

#[test]
fn a_conversation_is_up_to_four_legs() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:80");
    lab.world.send(a.eni, syn).legs(&[accept("egress", a.eni), accept("ingress", b.eni)]);
    lab.world.send(b.eni, syn.reply()).legs(&[accept("egress", b.eni), accept("ingress", a.eni)]);
}

#[test]
fn a_ping_accepted_inbound_is_rejected_outbound_by_the_acl() {
    let (mut lab, _) = Lab::with_internet();
    let group = lab.group(&["in icmp from 0.0.0.0/0"]);
    let b = lab.b(group);
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    let nacl = lab
        .world
        .nacl(lab.second, &["100 in allow icmp 0.0.0.0/0", "100 out deny icmp 0.0.0.0/0", "200 out allow all 0.0.0.0/0"]);
    let sent = lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.20"));
    let echo = sent.delivered_to(b.eni);
    sent.legs(&[accept("ingress", b.eni)]);
    let sent = lab.world.send(b.eni, echo.reply());
    sent.dropped(Code::SubnetAclRestriction);
    sent.legs(&[reject("egress", b.eni)]);
    lab.world.entries(nacl, &["100 in allow icmp 0.0.0.0/0", "200 out allow all 0.0.0.0/0"]);
    lab.world.send(b.eni, echo.reply()).legs(&[accept("egress", b.eni)]);
}

#[test]
fn a_group_that_refuses_makes_one_reject_where_it_is() {
    let mut lab = Lab::new();
    let (a, closed) = (lab.a(), lab.group(&[]));
    let b = lab.b(closed);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).legs(&[accept("egress", a.eni), reject("ingress", b.eni)]);
    lab.world.send(b.eni, ping("10.0.2.20", "10.0.1.10")).legs(&[reject("egress", b.eni)]);
}

#[test]
fn an_acl_that_refuses_on_the_way_in_is_the_receivers_reject() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.nacl(lab.second, &[]);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).legs(&[accept("egress", a.eni), reject("ingress", b.eni)]);
    lab.world.nacl(lab.first, &[]);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).legs(&[reject("egress", a.eni)]);
}

#[test]
fn what_routes_or_checks_drop_is_not_a_reject() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    for destination in ["198.51.100.10", "10.0.2.77", "10.1.0.1", "10.0.2.255"] {
        lab.world.send(a.eni, ping("10.0.1.10", destination)).legs(&[accept("egress", a.eni)]);
    }
}

#[test]
fn the_acl_rejects_even_where_no_route_leads() {
    let mut lab = Lab::new();
    let a = lab.a();
    lab.world.nacl(lab.first, &[]);
    let sent = lab.world.send(a.eni, ping("10.0.1.10", "198.51.100.10"));
    sent.dropped(Code::SubnetAclRestriction);
    sent.legs(&[reject("egress", a.eni)]);
}

#[test]
fn router_resolver_and_link_local_services_are_never_logged() {
    let mut lab = Lab::new();
    let a = lab.a();
    for destination in ["10.0.1.1", "10.0.1.2", "10.0.0.2", "169.254.169.254", "169.254.169.123", "169.254.169.253"] {
        lab.world.send(a.eni, udp("10.0.1.10:1000", &format!("{destination}:53"))).legs(&[]);
    }
}

#[test]
fn addresses_are_those_in_the_packet_at_the_interface() {
    let (mut lab, _) = Lab::with_internet();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "203.0.113.20:80"));
    let seen: Vec<_> = legs(&sent).iter().map(|leg| (leg.source.to_string(), leg.destination.to_string())).collect();
    assert_eq!(seen, [("10.0.1.10".into(), "203.0.113.20".into()), ("203.0.113.10".into(), "10.0.2.20".into())]);
}

#[test]
fn the_traffic_path_says_how_a_packet_leaves() {
    let (mut lab, _) = Lab::with_internet();
    let (a, open) = (lab.a(), lab.open);
    let c = lab.world.host(lab.first, "10.0.1.11", &[open]);
    let b = lab.b(open);
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let middlebox = lab.world.middlebox(lab.second, "10.0.2.99", &[open]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "192.0.2.0/24", RouteTarget::NetworkInterface(middlebox.eni));
    for (destination, path) in [
        ("10.0.1.11", TrafficPath::SameVpc),
        ("10.0.2.20", TrafficPath::SameVpc),
        ("192.0.2.1", TrafficPath::SameVpc),
        ("198.51.100.10", TrafficPath::InternetGateway),
    ] {
        let sent = lab.world.send(a.eni, ping("10.0.1.10", destination));
        let paths: Vec<_> = legs(&sent).iter().map(|leg| leg.path).collect();
        assert_eq!(paths[0], Some(path), "{destination}");
        assert!(paths[1..].iter().all(Option::is_none), "{destination}");
    }
    let _ = (b, c);
}

#[test]
fn a_fragments_leg_has_the_ports_of_its_datagram() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    lab.b(open);
    let packet = udp("10.0.1.10:40000", "10.0.2.20:53");
    let first = lab.world.send(a.eni, packet.fragment(3, true));
    let later = lab.world.send(a.eni, packet.fragment(3, false));
    assert_eq!(legs(&first), legs(&later));
}
