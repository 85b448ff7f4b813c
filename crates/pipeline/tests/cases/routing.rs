//! Section 4: route tables.
//!
//! Out of scope here: rows with peering, transit gateways and NAT gateways, and rows about calls that are refused. Blackholes are shown with internet gateways and interfaces instead.

use openvpc_model::route::TableUser;
use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, ResourceId, RuleId};

use crate::Lab;

fn route(destination: &str) -> RuleId {
    RuleId::Route(destination.parse::<ipnet::IpNet>().unwrap().into())
}

#[test]
fn the_longest_prefix_wins() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let middlebox = lab.world.middlebox(lab.second, "10.0.2.99", &[lab.open]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "198.51.0.0/16", RouteTarget::NetworkInterface(middlebox.eni));
    let bent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80"));
    bent.delivered_to(middlebox.eni);
    bent.decided_by(route("198.51.0.0/16"));
    let straight = lab.world.send(a.eni, tcp("10.0.1.10:40000", "192.0.2.1:80"));
    straight.delivered_to_internet();
    straight.decided_by(route("0.0.0.0/0"));
}

#[test]
fn a_route_for_exactly_a_subnet_beats_local() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let third = lab.world.subnet(lab.vpc, "10.0.3.0/24");
    let middlebox = lab.world.middlebox(third, "10.0.3.99", &[lab.open]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "10.0.2.0/24", RouteTarget::NetworkInterface(middlebox.eni));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).delivered_to(middlebox.eni);
    let own = lab.world.table(lab.vpc);
    lab.world.use_table(own, TableUser::Subnet(third));
    let forwarded = lab.world.send(middlebox.eni, tcp("10.0.1.10:40000", "10.0.2.20:80"));
    forwarded.delivered_to(b.eni);
}

#[test]
fn two_hosts_of_one_subnet_talk_directly_whatever_the_table_says() {
    let mut lab = Lab::new();
    let a = lab.a();
    let c = lab.world.host(lab.first, "10.0.1.11", &[lab.open]);
    let middlebox = lab.world.middlebox(lab.second, "10.0.2.99", &[lab.open]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "10.0.1.0/24", RouteTarget::NetworkInterface(middlebox.eni));
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.1.11:80"));
    sent.delivered_to(c.eni);
    assert!(!sent.hops.iter().any(|hop| matches!(hop.resource, ResourceId::RouteTable(_))));
}

#[test]
fn a_blackholed_route_drops_without_falling_back_to_a_shorter_one() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let middlebox = lab.world.middlebox(lab.second, "10.0.2.99", &[lab.open]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "198.51.100.0/24", RouteTarget::NetworkInterface(middlebox.eni));
    lab.world.set_state(middlebox, InstanceState::Stopped);
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80"));
    let drop = sent.dropped(Code::BadStateRoute);
    assert_eq!((drop.resource, drop.rule), (ResourceId::RouteTable(main), Some(route("198.51.100.0/24"))));
    sent.legs(&[format!("egress accept {}", a.eni)]);
    lab.world.set_state(middlebox, InstanceState::Running);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).delivered_to(middlebox.eni);
    lab.world.remove::<NetworkInterface>(middlebox.eni);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).dropped(Code::BadStateRoute);
}

#[test]
fn detaching_the_gateway_leaves_a_blackhole() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.edit::<InternetGateway>(gateway, |gateway| gateway.vpc = None);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).dropped(Code::BadStateRoute);
    lab.world.remove::<InternetGateway>(gateway);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).dropped(Code::BadStateRoute);
}

#[test]
fn a_gateway_or_interface_of_another_vpc_is_a_blackhole() {
    let mut lab = Lab::new();
    let a = lab.a();
    let other = lab.world.vpc("10.9.0.0/16");
    let subnet = lab.world.subnet(other, "10.9.1.0/24");
    let gateway = lab.world.gateway(other);
    let open = lab.world.open_group(other);
    let middlebox = lab.world.middlebox(subnet, "10.9.1.9", &[open]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "198.51.100.0/24", RouteTarget::InternetGateway(gateway));
    lab.world.route(main, "192.0.2.0/24", RouteTarget::NetworkInterface(middlebox.eni));
    lab.world.send(a.eni, ping("10.0.1.10", "198.51.100.10")).dropped(Code::BadStateRoute);
    lab.world.send(a.eni, ping("10.0.1.10", "192.0.2.10")).dropped(Code::BadStateRoute);
}

#[test]
fn without_a_matching_route_a_packet_has_nowhere_to_go() {
    let mut lab = Lab::new();
    let a = lab.a();
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80"));
    let drop = sent.dropped(Code::NoRouteToDestination);
    assert_eq!((drop.resource, drop.rule), (ResourceId::RouteTable(lab.world.main_table(lab.vpc)), None));
    lab.world.send(a.eni, ping("2001:db8:0:101::10", "2001:db8:ffff::10")).dropped(Code::NoRouteToDestination);
}

#[test]
fn an_address_of_the_vpc_that_nobody_has_is_unknown() {
    let mut lab = Lab::new();
    let a = lab.a();
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.77:80")).dropped(Code::UnknownDestination);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.99.1:80")).dropped(Code::UnknownDestination);
}

#[test]
fn the_private_address_of_another_vpc_is_not_reached() {
    let mut lab = Lab::new();
    let a = lab.a();
    let other = lab.world.vpc("10.9.0.0/16");
    let subnet = lab.world.subnet(other, "10.9.1.0/24");
    let open = lab.world.open_group(other);
    lab.world.host(subnet, "10.9.1.10", &[open]);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.9.1.10:80")).dropped(Code::NoRouteToDestination);
}

#[test]
fn a_replaced_local_route_bends_everything_in_the_vpc_and_a_restored_one_nothing() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let third = lab.world.subnet(lab.vpc, "10.0.3.0/24");
    let middlebox = lab.world.middlebox(third, "10.0.3.99", &[lab.open]);
    let table = lab.world.table(lab.vpc);
    lab.world.use_table(table, TableUser::Subnet(lab.first));
    lab.world.route(table, "10.0.0.0/16", RouteTarget::NetworkInterface(middlebox.eni));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).delivered_to(middlebox.eni);
    lab.world.route(table, "10.0.0.0/16", RouteTarget::Local);
    lab.world.send(a.eni, tcp("10.0.1.10:40001", "10.0.2.20:80")).delivered_to(b.eni);
}

#[test]
fn a_subnet_uses_its_own_table_or_else_the_main_one() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).delivered_to_internet();
    let bare = lab.world.table(lab.vpc);
    lab.world.use_table(bare, TableUser::Subnet(lab.first));
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40001", "198.51.100.10:80"));
    assert_eq!(sent.dropped(Code::NoRouteToDestination).resource, ResourceId::RouteTable(bare));
    lab.world.edit::<Vpc>(lab.vpc, |vpc| vpc.main_route_table = bare);
    let main = lab.world.table(lab.vpc);
    lab.world.use_table(main, TableUser::Subnet(lab.first));
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40002", "198.51.100.10:80"));
    assert_eq!(sent.dropped(Code::NoRouteToDestination).resource, ResourceId::RouteTable(main));
}

#[test]
fn a_middlebox_whose_own_subnet_routes_back_to_it_makes_no_loop() {
    let mut lab = Lab::new();
    let a = lab.a();
    let middlebox = lab.world.middlebox(lab.second, "10.0.2.99", &[lab.open]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "198.51.100.0/24", RouteTarget::NetworkInterface(middlebox.eni));
    let packet = tcp("10.0.1.10:40000", "198.51.100.10:80");
    lab.world.send(a.eni, packet).delivered_to(middlebox.eni);
    lab.world.send(middlebox.eni, packet).dropped(Code::RoutingLoop);
}

#[test]
fn the_router_does_not_count_down_the_hop_limit() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let arrived = lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20").ttl(1)).delivered_to(b.eni);
    assert_eq!(arrived.ttl, 1);
}

#[test]
fn a_route_to_a_block_beats_one_to_a_prefix_list_with_it() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let (listed, fixed) = two_middleboxes(&mut lab);
    let main = lab.world.main_table(lab.vpc);
    let list = lab.world.list("10.9.0.0/16");
    lab.world.route(main, "10.9.0.0/16", RouteTarget::NetworkInterface(fixed.eni));
    lab.world.route(main, &list.to_string(), RouteTarget::NetworkInterface(listed.eni));
    let packet = tcp("10.0.1.10:40000", "10.9.1.1:80");
    lab.world.send(a.eni, packet).delivered_to(fixed.eni);
    lab.world.edit::<RouteTable>(main, |table| table.routes.retain(|route| route.destination.block().is_none()));
    let sent = lab.world.send(a.eni, packet);
    sent.delivered_to(listed.eni);
    sent.decided_by(RuleId::Route(RouteDestination::PrefixList(list)));
}

#[test]
fn a_route_to_a_prefix_list_beats_a_propagated_one() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let (listed, propagated) = two_middleboxes(&mut lab);
    let main = lab.world.main_table(lab.vpc);
    let list = lab.world.list("10.9.0.0/16");
    lab.world.propagate(main, "10.9.0.0/16", RouteTarget::NetworkInterface(propagated.eni));
    let packet = tcp("10.0.1.10:40000", "10.9.1.1:80");
    lab.world.send(a.eni, packet).delivered_to(propagated.eni);
    lab.world.route(main, &list.to_string(), RouteTarget::NetworkInterface(listed.eni));
    lab.world.send(a.eni, packet).delivered_to(listed.eni);
    lab.world.propagate(main, "10.9.1.0/24", RouteTarget::NetworkInterface(propagated.eni));
    lab.world.send(a.eni, packet).delivered_to(propagated.eni);
}

#[test]
fn a_static_route_beats_the_same_route_propagated() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let (fixed, propagated) = two_middleboxes(&mut lab);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "172.31.0.0/24", RouteTarget::NetworkInterface(fixed.eni));
    lab.world.propagate(main, "172.31.0.0/24", RouteTarget::NetworkInterface(propagated.eni));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "172.31.0.1:80")).delivered_to(fixed.eni);
}

#[test]
fn a_propagated_route_never_takes_what_is_inside_the_vpc() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let (_, propagated) = two_middleboxes(&mut lab);
    let main = lab.world.main_table(lab.vpc);
    lab.world.propagate(main, "10.0.2.0/24", RouteTarget::NetworkInterface(propagated.eni));
    lab.world.propagate(main, "10.0.0.0/8", RouteTarget::NetworkInterface(propagated.eni));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).delivered_to(b.eni);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.8.2.20:80")).delivered_to(propagated.eni);
}

#[test]
fn of_two_prefix_lists_with_the_same_block_the_first_route_keeps_it() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let (first, second) = two_middleboxes(&mut lab);
    let main = lab.world.main_table(lab.vpc);
    // The younger list has the older route.
    let (old, young) = (lab.world.list("10.9.0.0/16 10.8.0.0/16"), lab.world.list("10.9.0.0/16"));
    lab.world.route(main, &young.to_string(), RouteTarget::NetworkInterface(first.eni));
    lab.world.route(main, &old.to_string(), RouteTarget::NetworkInterface(second.eni));
    for _ in 0..2 {
        lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.9.1.1:80")).delivered_to(first.eni);
        lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.8.1.1:80")).delivered_to(second.eni);
        lab.world.relist(old, "10.8.0.0/16 10.9.0.0/16");
    }
}

#[test]
fn a_change_of_a_prefix_list_changes_the_tables_that_name_it_and_no_others() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let (middlebox, _) = two_middleboxes(&mut lab);
    let main = lab.world.main_table(lab.vpc);
    let list = lab.world.list("198.51.100.0/24");
    lab.world.route(main, &list.to_string(), RouteTarget::NetworkInterface(middlebox.eni));
    let packet = tcp("10.0.1.10:40000", "198.51.100.10:80");
    lab.world.send(a.eni, packet).delivered_to(middlebox.eni);
    lab.world.relist(list, "");
    lab.world.send(a.eni, packet).delivered_to_internet();
    lab.world.relist(list, "198.51.100.10/32");
    lab.world.send(a.eni, packet).delivered_to(middlebox.eni);
}

#[test]
fn aws_s_lists_route_their_own_addresses() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let (middlebox, _) = two_middleboxes(&mut lab);
    let main = lab.world.main_table(lab.vpc);
    let region = lab.world.network().vpcs.get(&lab.vpc).unwrap().owner.region.clone();
    let s3 = AwsPrefixList::of_service(&region, "s3").unwrap();
    lab.world.route(main, &s3.id.to_string(), RouteTarget::NetworkInterface(middlebox.eni));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "192.0.2.5:443")).delivered_to(middlebox.eni);
}

fn two_middleboxes(lab: &mut Lab) -> (openvpc_pipeline::testing::Host, openvpc_pipeline::testing::Host) {
    let open = lab.open;
    (lab.world.middlebox(lab.second, "10.0.2.98", &[open]), lab.world.middlebox(lab.second, "10.0.2.99", &[open]))
}

/// A virtual private gateway on the VPC with a static connection, whose routes the main table takes.
fn propagating_gateway(lab: &mut Lab, routes: &[&str]) -> (VpnGatewayId, VpnConnectionId) {
    use openvpc_model::vpn::tunnel::VpnTunnel;
    use openvpc_model::vpn::{InsideIpVersion, OutsideAddressType, TunnelBandwidth, VpnOptions};

    let owner = lab.world.network().get::<Vpc>(&lab.vpc).unwrap().owner.clone();
    let (gateway, connection, customer_gateway) = (lab.world.id(), lab.world.id(), lab.world.id());
    lab.world.add(VpnGateway {
        id: gateway,
        owner: owner.clone(),
        asn: 64512,
        zone: None,
        vpc: Some(lab.vpc),
        detached_from: None,
        deleted_at: None,
        tags: Tags::new(),
    });
    let tunnel = |outside: &str, inside: &str| VpnTunnel {
        outside_address: outside.parse().unwrap(),
        inside_ipv4: inside.parse().unwrap(),
        inside_ipv6: None,
        pre_shared_key: None,
        options: Default::default(),
        status_changed_at: UnixMillis(0),
        replaced_at: None,
    };
    lab.world.add(VpnConnection {
        id: connection,
        owner,
        customer_gateway,
        gateway: Some(VpnTarget::VpnGateway(gateway)),
        options: VpnOptions {
            static_routes_only: true,
            enable_acceleration: false,
            inside_ip_version: InsideIpVersion::Ipv4,
            local_ipv4: Default::default(),
            remote_ipv4: Default::default(),
            local_ipv6: Default::default(),
            remote_ipv6: Default::default(),
            outside_address_type: OutsideAddressType::PublicIpv4,
            transport_attachment: None,
            bandwidth: TunnelBandwidth::Standard,
        },
        tunnels: [tunnel("203.0.113.1", "169.254.10.0/30"), tunnel("203.0.113.2", "169.254.10.4/30")],
        static_routes: routes.iter().map(|route| route.parse().unwrap()).collect(),
        created_at: UnixMillis(0),
        deleted_at: None,
        tags: Tags::new(),
    });
    let main = lab.world.main_table(lab.vpc);
    lab.world.edit::<RouteTable>(main, |table| table.propagating.push(gateway));
    (gateway, connection)
}

#[test]
fn routes_of_vpn_connections_are_propagated_while_gateway_and_connection_are_there() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let (gateway, connection) = propagating_gateway(&mut lab, &["198.51.100.0/24"]);
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80"));
    sent.dropped(Code::NotForwarded);
    sent.decided_by(route("198.51.100.0/24"));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "192.0.2.1:80")).delivered_to_internet();
    lab.world.edit::<VpnConnection>(connection, |connection| connection.static_routes.clear());
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).delivered_to_internet();
    lab.world.edit::<VpnConnection>(connection, |connection| connection.static_routes.push("198.51.100.0/24".parse().unwrap()));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).dropped(Code::NotForwarded);
    lab.world.edit::<VpnGateway>(gateway, |gateway| gateway.vpc = None);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).delivered_to_internet();
}

#[test]
fn a_propagated_route_loses_to_a_static_one_and_to_local() {
    let (mut lab, internet) = Lab::with_internet();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    propagating_gateway(&mut lab, &["198.51.100.0/24", "10.0.2.0/24", "10.0.2.20/32"]);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "198.51.100.0/24", RouteTarget::InternetGateway(internet));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).delivered_to_internet();
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).delivered_to(b.eni);
}
