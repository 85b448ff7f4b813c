//! Section 7: the order of the stages on each path.
//!
//! Out of scope here: paths through NAT gateways, endpoints, peering and transit gateways.

use openvpc_model::*;
use openvpc_pipeline::testing::Sent;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{HopAction, ResourceId};

use crate::Lab;

/// The stages that a packet met, such as `security group egress`.
fn stages(sent: &Sent) -> Vec<String> {
    let stage = |hop: &openvpc_pipeline::Hop| {
        let direction = hop.direction.map(Direction::as_str).unwrap_or_default();
        match (hop.resource, hop.action) {
            (ResourceId::Eni(_), HopAction::Deliver) => "delivered".to_owned(),
            (resource, _) => format!("{} {direction}", resource.component()).trim_end().to_owned(),
        }
    };
    sent.hops.iter().map(stage).collect()
}

#[test]
fn inside_a_subnet_only_security_groups_are_met() {
    let mut lab = Lab::new();
    let a = lab.a();
    lab.world.host(lab.first, "10.0.1.11", &[lab.open]);
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.1.11:80"));
    assert_eq!(stages(&sent), ["network interface egress", "security group egress", "security group ingress", "delivered"]);
}

#[test]
fn between_subnets_both_acls_and_the_senders_table_are_met() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let order = [
        "network interface egress",
        "security group egress",
        "network ACL egress",
        "route table egress",
        "network ACL ingress",
        "security group ingress",
        "delivered",
    ];
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:80");
    let there = lab.world.send(a.eni, syn);
    let back = lab.world.send(b.eni, syn.reply());
    assert_eq!(stages(&there), order);
    assert_eq!(stages(&back), order);
    let table =
        |sent: &Sent| sent.hops.iter().find_map(|hop| matches!(hop.resource, ResourceId::RouteTable(_)).then_some(hop.resource));
    assert_eq!(table(&there), Some(ResourceId::RouteTable(lab.world.main_table(lab.vpc))));
}

#[test]
fn the_way_out_ends_at_the_gateway_and_the_way_in_begins_there() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80"));
    assert_eq!(
        stages(&sent),
        [
            "network interface egress",
            "security group egress",
            "network ACL egress",
            "route table egress",
            "internet gateway egress",
            "internet"
        ]
    );
    let gateway = sent.hops.iter().find(|hop| hop.action == HopAction::Translate).unwrap();
    assert_eq!(gateway.inbound.source.to_string(), "10.0.1.10");
    assert_eq!(gateway.outbound.source.to_string(), "203.0.113.10");
    let back = lab.world.send_from_internet(sent.delivered_to_internet().reply());
    assert_eq!(stages(&back), ["internet gateway ingress", "network ACL ingress", "security group ingress", "delivered"]);
}

#[test]
fn a_gateway_table_stands_between_the_gateway_and_the_acl() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let edge = lab.world.table(lab.vpc);
    lab.world.use_table(edge, route::TableUser::InternetGateway(gateway));
    let sent = lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.10"));
    sent.delivered_to(a.eni);
    let order = ["internet gateway ingress", "route table ingress", "network ACL ingress", "security group ingress", "delivered"];
    assert_eq!(stages(&sent), order);
}

#[test]
fn a_neighbour_is_reached_past_the_router_and_an_appliance_by_a_route() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let near = lab.world.middlebox(lab.first, "10.0.1.99", &[open]);
    let packet = tcp("10.0.1.10:40000", "192.0.2.1:80");
    let via = openvpc_pipeline::NextHop::Eni(lab.world.index(near.eni));
    let direct = lab.world.send_via(a.eni, via, packet);
    direct.delivered_to(near.eni);
    assert_eq!(stages(&direct), ["network interface egress", "security group egress", "security group ingress", "delivered"]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "192.0.2.0/24", RouteTarget::NetworkInterface(near.eni));
    let routed = lab.world.send(a.eni, packet);
    routed.delivered_to(near.eni);
    let order =
        ["network interface egress", "security group egress", "route table egress", "security group ingress", "delivered"];
    assert_eq!(stages(&routed), order, "the appliance is in the same subnet");
}

#[test]
fn a_neighbour_of_another_subnet_is_not_reached_past_the_router() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let via = openvpc_pipeline::NextHop::Eni(lab.world.index(b.eni));
    let sent = lab.world.send_via(a.eni, via, tcp("10.0.1.10:40000", "10.0.2.20:80"));
    sent.dropped(openvpc_pipeline::Code::UnknownDestination);
}
