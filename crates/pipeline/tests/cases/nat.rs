//! Sections 7 and 8: NAT gateways.

use openvpc_model::public_access::PublicAccessMode;
use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::testing::{Host, NatHost, Sent};
use openvpc_pipeline::{
    CONNECTIONS, Code, EniIndex, GatewayCounters, PacketHeader, Passed, Reply, ResourceId, RuleId, TrafficPath, Transport,
};

use super::Lab;

const SERVER: &str = "198.51.100.10";

/// A VPC with an internet gateway, a NAT gateway in a public subnet, and a client in a private one.
struct NatLab {
    lab: Lab,
    client: Host,
    nat: NatHost,
    /// Of the subnet of the NAT gateway, and of the client.
    tables: [RouteTableId; 2],
}

impl NatLab {
    fn new() -> Self {
        Self::with_addresses("10.0.1.250=203.0.113.50")
    }

    fn with_addresses(addresses: &str) -> Self {
        let (mut lab, _) = Lab::with_internet();
        let nat = lab.world.nat(lab.first, addresses);
        let table = lab.world.table(lab.vpc);
        lab.world.use_table(table, route::TableUser::Subnet(lab.second));
        lab.world.route(table, "0.0.0.0/0", RouteTarget::NatGateway(nat.id));
        let open = lab.open;
        let client = lab.b(open);
        let main = lab.world.main_table(lab.vpc);
        Self { lab, client, nat, tables: [main, table] }
    }

    /// Sends from the client to the server; answers what the internet gets.
    #[track_caller]
    fn out(&mut self, packet: PacketHeader) -> PacketHeader {
        self.lab.world.send(self.client.eni, packet).delivered_to_internet()
    }

    fn send(&mut self, packet: PacketHeader) -> Sent {
        self.lab.world.send(self.client.eni, packet)
    }

    /// Sends from the internet; answers what the client gets.
    #[track_caller]
    fn back(&mut self, packet: PacketHeader) -> PacketHeader {
        self.lab.world.send_from_internet(packet).delivered_to(self.client.eni)
    }

    fn counted(&mut self) -> GatewayCounters {
        self.lab.world.counted(ResourceId::NatGateway(self.nat.id))
    }
}

fn source_port(packet: &PacketHeader) -> u16 {
    match packet.transport {
        Transport::Ports { src, .. } => src,
        Transport::Icmp { id, .. } => id,
        other => panic!("no port: {other:?}"),
    }
}

fn flow(from: u16) -> PacketHeader {
    tcp(&format!("10.0.2.20:{from}"), "198.51.100.10:443")
}

#[test]
fn a_private_host_reaches_the_internet_by_the_gateways_elastic_ip_and_gets_its_answers() {
    let mut lab = NatLab::new();
    for packet in [flow(40000), udp("10.0.2.20:40000", "198.51.100.10:53"), ping("10.0.2.20", SERVER)] {
        let out = lab.out(packet);
        assert_eq!((out.src.to_string(), out.dst), ("203.0.113.50".into(), packet.dst));
        assert!(source_port(&out) >= 1024);
        assert_eq!(out.ttl, 62, "the gateway and the internet gateway count it down");
        let back = lab.back(out.reply());
        assert_eq!((back.src, back.dst), (packet.dst, packet.src));
        assert_eq!(source_port(&back.reply()), source_port(&packet));
        let again = lab.out(packet.flags(0x10));
        assert_eq!(source_port(&again), source_port(&out), "a flow keeps its port");
    }
}

#[test]
fn the_stages_come_in_the_order_of_the_table() {
    let mut lab = NatLab::new();
    let names = |sent: &Sent| sent.hops.iter().map(|hop| hop.resource.component()).collect::<Vec<_>>();
    let sent = lab.send(flow(40000));
    let there = [
        "network interface",
        "security group",
        "network ACL",
        "route table",
        "network ACL",
        "NAT gateway",
        "network ACL",
        "route table",
        "internet gateway",
        "internet",
    ];
    assert_eq!(names(&sent), there);
    let answer = sent.delivered_to_internet().reply();
    let back = lab.lab.world.send_from_internet(answer);
    let expected = [
        "internet gateway",
        "network ACL",
        "NAT gateway",
        "network ACL",
        "route table",
        "network ACL",
        "security group",
        "network interface",
    ];
    assert_eq!(names(&back), expected);
    back.decided_by(RuleId::TrackedConnection);
}

#[test]
fn the_gateways_interface_has_four_legs() {
    let mut lab = NatLab::new();
    let sent = lab.send(flow(40000));
    let out = sent.delivered_to_internet();
    let back = lab.lab.world.send_from_internet(out.reply());
    let nat = lab.lab.world.index(lab.nat.eni);
    type Seen = (Direction, String, String, Transport, Option<TrafficPath>);
    let legs = |sent: &Sent, eni: EniIndex| -> Vec<Seen> {
        let own = sent.verdict.legs.iter().filter(|leg| leg.eni == eni);
        own.map(|leg| (leg.direction, leg.source.to_string(), leg.destination.to_string(), leg.transport, leg.path)).collect()
    };
    let port = source_port(&out);
    let (inside, outside) = (Transport::Ports { src: 40000, dst: 443 }, Transport::Ports { src: port, dst: 443 });
    let (own, client) = ("10.0.1.250".to_owned(), "10.0.2.20".to_owned());
    let (ingress, egress) = (Direction::Ingress, Direction::Egress);
    let there = [
        (ingress, client.clone(), SERVER.to_owned(), inside, None),
        (egress, own.clone(), SERVER.to_owned(), outside, Some(TrafficPath::InternetGateway)),
    ];
    assert_eq!(legs(&sent, nat), there);
    let reversed = |ports: Transport| match ports {
        Transport::Ports { src, dst } => Transport::Ports { src: dst, dst: src },
        other => other,
    };
    let expected = [
        (ingress, SERVER.to_owned(), own, reversed(outside), None),
        (egress, SERVER.to_owned(), client.clone(), reversed(inside), Some(TrafficPath::SameVpc)),
    ];
    assert_eq!(legs(&back, nat), expected);
    let at_client = lab.lab.world.index(lab.client.eni);
    assert_eq!(legs(&sent, at_client), [(egress, client.clone(), SERVER.to_owned(), inside, Some(TrafficPath::SameVpc))]);
    assert_eq!(legs(&back, at_client), [(ingress, SERVER.to_owned(), client, reversed(inside), None)]);
}

#[test]
fn the_network_acl_of_its_subnet_applies_in_both_directions() {
    let everything = ["100 in allow all 0.0.0.0/0", "100 out allow all 0.0.0.0/0"];
    // The client's packet in, as translated out, the answer in to a port from 1024, the answer out to the client.
    let denials = [
        "50 in deny tcp 443 10.0.2.0/24",
        "50 out deny tcp 443 0.0.0.0/0",
        "50 in deny tcp 1024-65535 198.51.100.0/24",
        "50 out deny tcp 1024-65535 10.0.2.0/24",
    ];
    for (number, denial) in denials.iter().enumerate() {
        let mut lab = NatLab::new();
        let first = lab.lab.first;
        let nacl = lab.lab.world.nacl(first, &[&everything[..], &[denial]].concat());
        let sent = lab.send(flow(40000));
        let refused = match number {
            0 | 1 => sent,
            _ => lab.lab.world.send_from_internet(sent.delivered_to_internet().reply()),
        };
        assert_eq!(refused.dropped(Code::SubnetAclRestriction).resource, ResourceId::Nacl(nacl), "{denial}");
        assert!(!refused.is_accepted(), "{denial}");
    }
    let mut lab = NatLab::new();
    let (first, second) = (lab.lab.first, lab.lab.second);
    lab.lab.world.nacl(second, &["100 out allow tcp 443 198.51.100.0/24", "100 in allow tcp 40000 198.51.100.0/24"]);
    lab.lab.world.nacl(first, &everything);
    let out = lab.out(flow(40000));
    lab.back(out.reply());
    lab.send(flow(40001)).delivered();
}

#[test]
fn in_the_same_subnet_no_network_acl_is_between_host_and_gateway() {
    let (mut lab, _) = Lab::with_internet();
    let nat = lab.world.nat(lab.first, "10.0.1.250=203.0.113.50");
    let a = lab.a();
    // The subnet's own table leads to the internet gateway; a route for the server leads to the gateway.
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "192.0.2.0/24", RouteTarget::NatGateway(nat.id));
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "192.0.2.7:80"));
    sent.dropped(Code::RoutingLoop);
    assert_eq!(sent.hops.iter().filter(|hop| hop.resource.component() == "network ACL").count(), 1, "on the way out alone");
}

#[test]
fn its_state_is_tracked_by_open_rules_too() {
    let mut lab = NatLab::new();
    let out = lab.out(flow(40000));
    let open = lab.lab.open;
    lab.lab.world.rules(open, &[]);
    lab.back(out.reply());
    lab.send(flow(40000).flags(0x10)).delivered();
    lab.send(flow(40001)).dropped(Code::SgHasNoRules);
}

#[test]
fn the_55_001st_connection_to_one_destination_finds_no_port_and_is_counted() {
    let mut lab = NatLab::new();
    let mut seen = vec![false; 65_536];
    for number in 0..CONNECTIONS {
        let from = format!("10.0.2.20:{}", 1 + number);
        let out = lab.lab.world.send(lab.client.eni, udp(&from, "198.51.100.10:53"));
        let port = source_port(&out.delivered_to_internet());
        assert!(port >= 1024 && !std::mem::replace(&mut seen[usize::from(port)], true), "port {port}");
        if number % 5_000 == 0 {
            let now = lab.lab.world.now();
            lab.lab.world.state().sweep(now, 64);
        }
    }
    let drop = lab.send(udp("10.0.2.20:60000", "198.51.100.10:53")).dropped(Code::NatPortsExhausted);
    assert_eq!(drop.resource, ResourceId::NatGateway(lab.nat.id));
    let GatewayCounters { active_connections, port_allocation_errors, connection_attempts, dropped_packets, .. } = lab.counted();
    let expected = (u64::from(CONNECTIONS), 1, u64::from(CONNECTIONS), 1);
    assert_eq!((active_connections, port_allocation_errors, connection_attempts, dropped_packets), expected);
    // Another port, protocol or address has ports of its own.
    lab.send(udp("10.0.2.20:60000", "198.51.100.10:54")).delivered();
    lab.send(udp("10.0.2.20:60000", "198.51.100.11:53")).delivered();
    lab.send(tcp("10.0.2.20:60000", "198.51.100.10:53")).delivered();
    // When connections end, there is room again.
    lab.lab.world.advance(351);
    lab.send(udp("10.0.2.20:60000", "198.51.100.10:53")).delivered();
    assert!(lab.counted().idle_timeouts > 0);
}

#[test]
fn several_addresses_share_the_connections() {
    let mut lab = NatLab::with_addresses("10.0.1.250=203.0.113.50 10.0.1.251=203.0.113.51");
    let mut counts = std::collections::BTreeMap::<_, u32>::new();
    for port in 1..=1000 {
        let out = lab.out(flow(port));
        *counts.entry(out.src.to_string()).or_default() += 1;
        let back = lab.back(out.reply());
        assert_eq!(source_port(&back.reply()), port);
    }
    assert!(counts.len() == 2 && counts.values().all(|count| *count > 300), "{counts:?}");
}

#[test]
fn after_350_idle_seconds_the_inside_gets_a_reset_and_the_answer_does_not_come_in() {
    let mut lab = NatLab::new();
    let syn = flow(40000);
    let out = lab.out(syn);
    lab.back(out.reply());
    lab.out(syn.flags(0x10));
    lab.lab.world.advance(349);
    lab.out(syn.flags(0x18));
    lab.lab.world.advance(351);
    let answer = lab.lab.world.send_from_internet(out.reply().flags(0x18));
    answer.dropped(Code::NatNoConnection);
    let late = lab.send(syn.flags(0x18));
    assert_eq!(late.dropped(Code::NatIdleTimeout).reply, Some(Reply::TcpReset));
    assert!(late.is_accepted(), "security groups and network ACLs let it pass");
    assert_eq!(lab.counted().idle_timeouts, 1);
    // A reset of its own is not answered, and a new connection between the same ports works.
    assert_eq!(lab.send(flow(41000).flags(0x14)).dropped(Code::NatIdleTimeout).reply, None);
    let out = lab.out(syn);
    lab.back(out.reply());
}

#[test]
fn of_fragments_those_of_udp_pass() {
    let mut lab = NatLab::new();
    let datagram = udp("10.0.2.20:40000", "198.51.100.10:53");
    let first = lab.out(datagram.fragment(9, true));
    let later = lab.out(datagram.fragment(9, false));
    assert_eq!(first.src, later.src);
    let back = first.reply().fragment(10, true);
    lab.back(back);
    assert_eq!(lab.back(back.fragment(10, false)).dst.to_string(), "10.0.2.20");
    lab.send(flow(40000).fragment(11, true)).dropped(Code::NatFragment);
    lab.send(ping("10.0.2.20", SERVER).fragment(12, true)).dropped(Code::NatFragment);
    lab.send(datagram.fragment(13, false)).dropped(Code::NatFragment);
}

#[test]
fn nothing_but_tcp_udp_and_icmp_passes() {
    let mut lab = NatLab::new();
    let drop = lab.send(other(47, "10.0.2.20", SERVER)).dropped(Code::ProtocolRestriction);
    assert_eq!(drop.resource, ResourceId::NatGateway(lab.nat.id));
    lab.send(icmp("10.0.2.20", SERVER, 13, 0)).dropped(Code::ProtocolRestriction);
    // An answer to nothing.
    lab.send(icmp("10.0.2.20", SERVER, 0, 0)).dropped(Code::NatNoConnection);
}

#[test]
fn nobody_reaches_in_who_was_not_asked() {
    let mut lab = NatLab::new();
    let out = lab.out(flow(40000));
    let port = source_port(&out);
    let refused = lab.lab.world.send_from_internet(tcp("198.51.100.10:443", "203.0.113.50:22"));
    assert_eq!(refused.dropped(Code::NatNoConnection).resource, ResourceId::NatGateway(lab.nat.id));
    refused.legs(&[format!("ingress accept {}", lab.nat.eni)]);
    for from in ["198.51.100.10:444", "198.51.100.11:443"] {
        let stranger = lab.lab.world.send_from_internet(tcp(from, &format!("203.0.113.50:{port}")));
        stranger.dropped(Code::NatNoConnection);
    }
    lab.lab.world.send_from_internet(ping(SERVER, "203.0.113.50")).dropped(Code::NatNoConnection);
    assert_eq!(lab.counted().dropped_packets, 4);
}

#[test]
fn errors_about_a_flow_find_their_way_in_both_directions() {
    let mut lab = NatLab::new();
    for packet in [udp("10.0.2.20:40000", "198.51.100.10:53"), ping("10.0.2.20", SERVER)] {
        let out = lab.out(packet);
        let error = lab.back(out.error("192.0.2.1", 11, 0));
        let inner = error.inner.unwrap();
        assert_eq!((error.src.to_string(), error.dst), ("192.0.2.1".into(), packet.src));
        assert_eq!((inner.src, inner.dst, inner.transport), (packet.src, packet.dst, packet.transport));
        let answer = lab.back(out.reply());
        let refused = lab.out(answer.error("10.0.2.20", 3, 3));
        let inner = refused.inner.unwrap();
        assert_eq!((refused.src, inner.dst, inner.transport), (out.src, out.src, out.reply().transport));
        let unknown = udp("203.0.113.50:5000", "198.51.100.10:53").error("192.0.2.1", 3, 1);
        lab.lab.world.send_from_internet(unknown).dropped(Code::NatNoConnection);
    }
}

#[test]
fn a_source_outside_the_vpc_is_refused() {
    let mut lab = NatLab::new();
    let second = lab.lab.second;
    let open = lab.lab.open;
    let appliance = lab.lab.world.middlebox(second, "10.0.2.30", &[open]);
    let sent = lab.lab.world.send(appliance.eni, tcp("10.9.0.1:40000", "198.51.100.10:80"));
    assert_eq!(sent.dropped(Code::NgwRequiresSourceInVpc).resource, ResourceId::NatGateway(lab.nat.id));
    lab.lab.world.send(appliance.eni, tcp("10.0.2.20:40000", "198.51.100.10:80")).delivered_to_internet();
}

#[test]
fn a_private_gateway_translates_to_its_own_address_and_the_internet_gateway_drops_that() {
    let mut lab = NatLab::with_addresses("10.0.1.250");
    let drop = lab.send(flow(40000)).dropped(Code::IgwPublicIpAssociationForEgress);
    assert!(matches!(drop.resource, ResourceId::InternetGateway(_)));
    let (main, first, open) = (lab.tables[0], lab.lab.first, lab.lab.open);
    let server = lab.lab.world.host(first, "10.0.1.77", &[open]);
    let table = lab.tables[1];
    lab.lab.world.route(table, "10.0.1.0/24", RouteTarget::NatGateway(lab.nat.id));
    let seen = lab.send(tcp("10.0.2.20:40000", "10.0.1.77:80")).delivered_to(server.eni);
    assert_eq!(seen.src.to_string(), "10.0.1.250");
    let back = lab.lab.world.send(server.eni, seen.reply()).delivered_to(lab.client.eni);
    assert_eq!((back.src.to_string(), source_port(&back.reply())), ("10.0.1.77".into(), 40000));
    assert_eq!(main, lab.lab.world.main_table(lab.lab.vpc));
}

#[test]
fn its_own_elastic_ip_leads_nowhere_from_inside() {
    let mut lab = NatLab::new();
    lab.send(tcp("10.0.2.20:40000", "203.0.113.50:80")).dropped(Code::NatNoConnection);
}

#[test]
fn two_vpcs_meet_across_the_internet() {
    let mut lab = NatLab::new();
    let vpc = lab.lab.world.vpc("10.7.0.0/16");
    let gateway = lab.lab.world.gateway(vpc);
    let main = lab.lab.world.main_table(vpc);
    lab.lab.world.route(main, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
    let subnet = lab.lab.world.subnet(vpc, "10.7.1.0/24");
    let open = lab.lab.world.open_group(vpc);
    let server = lab.lab.world.host(subnet, "10.7.1.7", &[open]);
    lab.lab.world.public(server.eni, "10.7.1.7", "203.0.113.77");
    let sent = lab.send(tcp("10.0.2.20:40000", "203.0.113.77:80"));
    let seen = sent.delivered_to(server.eni);
    assert_eq!((seen.src.to_string(), seen.dst.to_string()), ("203.0.113.50".into(), "10.7.1.7".into()));
    sent.legs(&[
        format!("egress accept {}", lab.client.eni),
        format!("ingress accept {}", lab.nat.eni),
        format!("egress accept {}", lab.nat.eni),
        format!("ingress accept {}", server.eni),
    ]);
    let back = lab.lab.world.send(server.eni, seen.reply()).delivered_to(lab.client.eni);
    assert_eq!((back.src.to_string(), source_port(&back.reply())), ("203.0.113.77".into(), 40000));
}

#[test]
fn a_gateway_that_is_deleted_cuts_its_flows() {
    let mut lab = NatLab::new();
    let syn = flow(40000);
    let out = lab.out(syn);
    lab.back(out.reply());
    lab.lab.world.delete_nat(lab.nat.id);
    lab.send(syn.flags(0x10)).dropped(Code::BadStateRoute);
    lab.lab.world.send_from_internet(out.reply()).dropped(Code::IgwPrivateIpAssociationForIngress);
    assert_eq!(lab.lab.world.state().mappings(), 0);
}

#[test]
fn an_address_that_was_taken_away_takes_its_flows_along() {
    let mut lab = NatLab::with_addresses("10.0.1.250=203.0.113.50 10.0.1.251=203.0.113.51");
    let by_second = |lab: &mut NatLab, port| lab.out(flow(port)).src.to_string() == "203.0.113.51";
    let port = (1..100).find(|port| by_second(&mut lab, *port)).unwrap();
    lab.lab.world.edit::<NatGateway>(lab.nat.id, |gateway| gateway.addresses.truncate(1));
    lab.lab.world.edit::<NetworkInterface>(lab.nat.eni, |eni| eni.private_addresses.truncate(1));
    let late = lab.send(flow(port).flags(0x10));
    assert_eq!(late.dropped(Code::NatIdleTimeout).reply, Some(Reply::TcpReset));
    assert_eq!(lab.out(flow(port)).src.to_string(), "203.0.113.50");
}

#[test]
fn a_regional_gateway_has_no_interface_and_an_address_for_each_zone() {
    let (mut lab, _) = Lab::with_internet();
    let nat = lab.world.regional_nat(lab.vpc, &[(Zone::ALL[0], "203.0.113.60"), (Zone::ALL[1], "203.0.113.61")]);
    let table = lab.world.table(lab.vpc);
    lab.world.use_table(table, route::TableUser::Subnet(lab.second));
    lab.world.route(table, "0.0.0.0/0", RouteTarget::NatGateway(nat));
    let second = lab.second;
    for (zone, expected) in [(0, "203.0.113.60"), (1, "203.0.113.61"), (2, "203.0.113.60")] {
        lab.world.edit::<Subnet>(second, |subnet| subnet.zone = Zone::ALL[zone]);
        let open = lab.open;
        let client = lab.world.host(second, &format!("10.0.2.{}", 40 + zone), &[open]);
        let syn = tcp(&format!("10.0.2.{}:40000", 40 + zone), "198.51.100.10:443");
        let sent = lab.world.send(client.eni, syn);
        let out = sent.delivered_to_internet();
        assert_eq!(out.src.to_string(), expected);
        sent.legs(&[format!("egress accept {}", client.eni)]);
        let back = lab.world.send_from_internet(out.reply());
        assert_eq!(back.delivered_to(client.eni).dst.to_string(), format!("10.0.2.{}", 40 + zone));
        back.legs(&[format!("ingress accept {}", client.eni)]);
    }
    lab.world.send_from_internet(tcp("198.51.100.10:1", "203.0.113.60:22")).dropped(Code::NatNoConnection);
    lab.world.delete_nat(nat);
    lab.world.send_from_internet(tcp("198.51.100.10:1", "203.0.113.60:22")).dropped(Code::IgwPrivateIpAssociationForIngress);
}

#[test]
fn an_appliance_behind_the_gateway_sees_both_directions() {
    let mut lab = NatLab::new();
    let (first, open) = (lab.lab.first, lab.lab.open);
    let appliance = lab.lab.world.middlebox(first, "10.0.1.99", &[open]);
    // Of the gateway's subnet, what is for the client's goes by the appliance.
    let main = lab.tables[0];
    lab.lab.world.route(main, "10.0.2.0/24", RouteTarget::NetworkInterface(appliance.eni));
    let out = lab.out(flow(40000));
    let seen = lab.lab.world.send_from_internet(out.reply()).delivered_to(appliance.eni);
    assert_eq!((seen.src.to_string(), seen.dst.to_string()), (SERVER.into(), "10.0.2.20".into()));
}

#[test]
fn an_appliance_before_the_gateway_sees_both_directions() {
    let mut lab = NatLab::new();
    let (vpc, open, main) = (lab.lab.vpc, lab.lab.open, lab.tables[0]);
    let third = lab.lab.world.subnet(vpc, "10.0.3.0/24");
    let appliance = lab.lab.world.middlebox(third, "10.0.3.99", &[open]);
    lab.lab.world.public(appliance.eni, "10.0.3.99", "203.0.113.99");
    let gateway = lab.lab.world.network().internet_gateway_of(vpc).unwrap().id;
    let (outer, edge) = (lab.lab.world.table(vpc), lab.lab.world.table(vpc));
    lab.lab.world.use_table(outer, route::TableUser::Subnet(third));
    lab.lab.world.route(outer, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
    lab.lab.world.route(main, "0.0.0.0/0", RouteTarget::NetworkInterface(appliance.eni));
    lab.lab.world.use_table(edge, route::TableUser::InternetGateway(gateway));
    lab.lab.world.route(edge, "10.0.1.0/24", RouteTarget::NetworkInterface(appliance.eni));
    let sent = lab.send(flow(40000));
    assert_eq!(sent.verdict.legs.iter().count(), 4);
    let passed = sent.delivered_to(appliance.eni);
    assert_eq!(passed.src.to_string(), "10.0.1.250");
    let out = lab.lab.world.send(appliance.eni, passed).delivered_to_internet();
    assert_eq!(out.src.to_string(), "203.0.113.50");
    let bent = lab.lab.world.send_from_internet(out.reply()).delivered_to(appliance.eni);
    assert_eq!(bent.dst.to_string(), "10.0.1.250");
    let back = lab.lab.world.send(appliance.eni, bent).delivered_to(lab.client.eni);
    assert_eq!(source_port(&back.reply()), 40000);
}

#[test]
fn a_hop_limit_used_up_and_a_datagram_too_long_are_answered_by_the_gateway() {
    let mut lab = NatLab::new();
    let Some(Reply::Icmp(error)) = lab.send(flow(1).ttl(1)).dropped(Code::HopLimitExceeded).reply else { panic!("no error") };
    assert_eq!(error.from.to_string(), "10.0.1.250");
    lab.send(udp("10.0.2.20:1", "198.51.100.10:1").length(8600)).dropped(Code::MtuExceeded);
    lab.send(udp("10.0.2.20:1", "198.51.100.10:1").length(1600)).dropped(Code::MtuExceeded);
    assert_eq!(lab.send(udp("10.0.2.20:1", "198.51.100.10:1").length(1600).may_fragment()).delivered().mtu, 1500);
}

#[test]
fn closed_connections_give_their_ports_back() {
    let mut lab = NatLab::new();
    let syn = flow(40000);
    let out = lab.out(syn);
    lab.back(out.reply());
    assert_eq!(lab.counted().active_connections, 1);
    assert_eq!(lab.counted().connections_established, 1);
    lab.out(syn.flags(0x14));
    assert_eq!(lab.counted().active_connections, 0);
    let again = lab.out(syn);
    assert_eq!(source_port(&again), source_port(&out), "a new connection between the same ends keeps the port");
    assert_eq!(lab.counted().active_connections, 1);
}

#[test]
fn packets_and_bytes_are_counted_on_all_four_sides() {
    let mut lab = NatLab::new();
    let out = lab.out(flow(40000).length(100));
    lab.back(out.reply().length(200));
    let GatewayCounters { in_from_source, out_to_destination, in_from_destination, out_to_source, .. } = lab.counted();
    assert_eq!((in_from_source, out_to_destination), (Passed { packets: 1, bytes: 100 }, Passed { packets: 1, bytes: 100 }));
    assert_eq!((in_from_destination, out_to_source), (Passed { packets: 1, bytes: 200 }, Passed { packets: 1, bytes: 200 }));
}

#[test]
fn block_public_access_lets_answers_in_to_a_gateway_unless_it_is_bidirectional() {
    let mut lab = NatLab::new();
    lab.lab.world.block_public_access(PublicAccessMode::BlockIngress);
    let out = lab.out(flow(40000));
    lab.back(out.reply());
    lab.lab.world.block_public_access(PublicAccessMode::BlockBidirectional);
    let drop = lab.send(flow(40000).flags(0x10)).dropped(Code::VpcBlockPublicAccessEnabled);
    assert!(matches!(drop.resource, ResourceId::InternetGateway(_)));
    lab.lab.world.send_from_internet(out.reply()).dropped(Code::VpcBlockPublicAccessEnabled);
}

const FAR: &str = "64:ff9b::c633:640a";
const INSIDE: &str = "2001:db8:0:102::20";

fn nat64() -> NatLab {
    let mut lab = NatLab::new();
    let table = lab.tables[1];
    lab.lab.world.route(table, "64:ff9b::/96", RouteTarget::NatGateway(lab.nat.id));
    lab
}

#[test]
fn an_ipv6_host_reaches_an_ipv4_server_by_its_embedded_address() {
    let mut lab = nat64();
    let to = |port| format!("[{FAR}]:{port}");
    let from = format!("[{INSIDE}]:40000");
    for packet in [tcp(&from, &to(443)), udp(&from, &to(53)), ping(INSIDE, FAR)] {
        let sent = lab.send(packet);
        let out = sent.delivered_to_internet();
        assert_eq!((out.src.to_string(), out.dst.to_string()), ("203.0.113.50".into(), SERVER.into()));
        let back = lab.back(out.reply());
        assert_eq!((back.src.to_string(), back.dst.to_string()), (FAR.into(), INSIDE.into()));
        assert_eq!((back.protocol, source_port(&back.reply())), (packet.protocol, source_port(&packet)));
        let nat = lab.lab.world.index(lab.nat.eni);
        let own: Vec<bool> = sent.verdict.legs.iter().filter(|leg| leg.eni == nat).map(|leg| leg.source.is_ipv4()).collect();
        assert_eq!(own, [false, true], "in over IPv6, out over IPv4");
        let error = lab.back(out.error("192.0.2.1", 11, 0));
        let inner = error.inner.unwrap();
        assert_eq!((error.src.to_string(), inner.src, inner.dst), ("64:ff9b::c000:201".into(), packet.src, packet.dst));
        assert_eq!((inner.protocol, inner.transport), (packet.protocol, packet.transport));
    }
    lab.send(udp(&from, &to(53)).fragment(1, true)).dropped(Code::NatFragment);
    let out = lab.out(udp(&from, &to(53)));
    lab.lab.world.send_from_internet(out.reply().fragment(2, true)).dropped(Code::NatFragment);
}

#[test]
fn a_packet_that_grows_or_shrinks_is_measured_as_it_leaves() {
    let mut lab = nat64();
    let datagram = udp(&format!("[{INSIDE}]:1"), &format!("[{FAR}]:1"));
    lab.send(datagram.length(1520)).delivered_to_internet();
    let Some(Reply::Icmp(error)) = lab.send(datagram.length(1521)).dropped(Code::MtuExceeded).reply else { panic!("no error") };
    assert_eq!(error.kind, openvpc_pipeline::IcmpErrorKind::PacketTooBig { mtu: 1520 });
}

#[test]
fn other_ipv6_is_not_for_a_nat_gateway() {
    let mut lab = nat64();
    let table = lab.tables[1];
    lab.lab.world.route(table, "2001:db8:ffff::/48", RouteTarget::NatGateway(lab.nat.id));
    lab.send(ping(INSIDE, "2001:db8:ffff::10")).dropped(Code::ProtocolRestriction);
}
