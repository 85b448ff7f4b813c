//! Section 8: egress-only internet gateways.

use openvpc_model::public_access::PublicAccessMode;
use openvpc_model::*;
use openvpc_pipeline::testing::Host;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, PacketHeader, ResourceId, TrafficPath};

use super::Lab;

const HOST: &str = "2001:db8:0:102::20";
const SERVER: &str = "2001:db8:ffff::10";

struct EgressLab {
    lab: Lab,
    host: Host,
    gateway: EgressOnlyGatewayId,
}

impl EgressLab {
    /// A host whose subnet leads to an egress-only gateway; the other subnet leads to an internet gateway.
    fn new() -> Self {
        let (mut lab, _) = Lab::with_internet();
        let gateway = lab.world.egress_only(lab.vpc);
        let table = lab.world.table(lab.vpc);
        lab.world.use_table(table, route::TableUser::Subnet(lab.second));
        lab.world.route(table, "::/0", RouteTarget::EgressOnlyGateway(gateway));
        let open = lab.open;
        let host = lab.b(open);
        Self { lab, host, gateway }
    }

    #[track_caller]
    fn out(&mut self, packet: PacketHeader) -> PacketHeader {
        self.lab.world.send(self.host.eni, packet).delivered_to_internet()
    }

    #[track_caller]
    fn back(&mut self, packet: PacketHeader) -> PacketHeader {
        self.lab.world.send_from_internet(packet).delivered_to(self.host.eni)
    }

    #[track_caller]
    fn refused(&mut self, packet: PacketHeader) {
        let sent = self.lab.world.send_from_internet(packet);
        assert_eq!(sent.dropped(Code::EgressOnly).resource, ResourceId::EgressOnlyGateway(self.gateway));
        sent.legs(&[]);
    }
}

fn at(address: &str, port: u16) -> String {
    format!("[{address}]:{port}")
}

fn flow(port: u16) -> PacketHeader {
    tcp(&at(HOST, port), &at(SERVER, 443))
}

#[test]
fn what_goes_out_is_answered_and_nothing_else_comes_in() {
    let mut lab = EgressLab::new();
    for packet in [flow(1), udp(&at(HOST, 1), &at(SERVER, 53)), ping(HOST, SERVER), other(132, HOST, SERVER)] {
        lab.refused(packet.reply());
        let out = lab.out(packet);
        assert_eq!((out.src, out.dst), (packet.src, packet.dst), "nothing is translated");
        lab.back(out.reply());
    }
    lab.refused(tcp(&at(SERVER, 443), &at(HOST, 22)));
    lab.refused(tcp(&at(SERVER, 444), &at(HOST, 1)));
    lab.refused(ping(SERVER, HOST));
}

#[test]
fn an_answer_to_nothing_opens_no_way_in() {
    let mut lab = EgressLab::new();
    lab.out(icmp(HOST, SERVER, 129, 0));
    lab.refused(ping(SERVER, HOST));
}

#[test]
fn errors_about_its_flows_come_in() {
    let mut lab = EgressLab::new();
    let out = lab.out(flow(1));
    lab.back(out.error("2001:db8:ffff::1", 2, 0));
    lab.refused(flow(2).error("2001:db8:ffff::1", 2, 0));
    let answer = lab.back(out.reply());
    lab.out(answer.error(HOST, 1, 4));
}

#[test]
fn a_flow_is_forgotten_when_it_is_idle_and_taken_up_from_inside() {
    let mut lab = EgressLab::new();
    let out = lab.out(flow(1));
    lab.back(out.reply());
    lab.out(flow(1).flags(0x10));
    lab.lab.world.advance(351);
    lab.refused(out.reply().flags(0x10));
    lab.out(flow(1).flags(0x10));
    lab.back(out.reply().flags(0x10));
}

#[test]
fn its_flows_are_tracked_by_open_rules_too_and_its_legs_say_path_8() {
    let mut lab = EgressLab::new();
    let sent = lab.lab.world.send(lab.host.eni, flow(1));
    assert_eq!(sent.verdict.legs.iter().next().unwrap().path, Some(TrafficPath::InternetGateway));
    let out = sent.delivered_to_internet();
    let open = lab.lab.open;
    lab.lab.world.rules(open, &[]);
    lab.back(out.reply());
}

#[test]
fn the_network_acl_of_the_subnet_applies() {
    let mut lab = EgressLab::new();
    let second = lab.lab.second;
    lab.lab.world.nacl(second, &["100 out allow all ::/0", "100 in allow tcp 1 ::/0"]);
    let out = lab.out(flow(1));
    lab.back(out.reply());
    let out = lab.out(flow(2));
    lab.lab.world.send_from_internet(out.reply()).dropped(Code::SubnetAclRestriction);
}

#[test]
fn a_foreign_source_is_refused_and_so_is_what_the_internet_does_not_route() {
    let mut lab = EgressLab::new();
    let (second, open) = (lab.lab.second, lab.lab.open);
    let router = lab.lab.world.middlebox(second, "2001:db8:0:102::30", &[open]);
    let foreign = tcp(&at("2001:db8:0:900::1", 1), &at(SERVER, 1));
    lab.lab.world.send(router.eni, foreign).dropped(Code::GatewayRejectsSpoofedTraffic);
    lab.lab.world.send(lab.host.eni, ping(HOST, "fd12::1")).dropped(Code::InternetUnreachable);
}

#[test]
fn without_an_internet_gateway_it_is_the_only_way_in_and_deletion_leaves_a_blackhole() {
    let mut lab = Lab::new();
    let gateway = lab.world.egress_only(lab.vpc);
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "::/0", RouteTarget::EgressOnlyGateway(gateway));
    let a = lab.a();
    let syn = tcp(&at("2001:db8:0:101::10", 1), &at(SERVER, 80));
    let out = lab.world.send(a.eni, syn).delivered_to_internet();
    lab.world.send_from_internet(out.reply()).delivered_to(a.eni);
    lab.world.remove::<EgressOnlyGateway>(gateway);
    lab.world.send(a.eni, syn.flags(0x10)).dropped(Code::BadStateRoute);
    lab.world.send_from_internet(out.reply()).dropped(Code::InternetUnreachable);
    assert_eq!(lab.world.state().mappings(), 0);
}

#[test]
fn two_hosts_behind_such_gateways_do_not_reach_each_other() {
    let mut lab = EgressLab::new();
    let vpc = lab.lab.world.vpc("10.7.0.0/16");
    lab.lab.world.add_block(vpc, "2001:db8:0:700::/56");
    let gateway = lab.lab.world.egress_only(vpc);
    let main = lab.lab.world.main_table(vpc);
    lab.lab.world.route(main, "::/0", RouteTarget::EgressOnlyGateway(gateway));
    let subnet = lab.lab.world.subnet(vpc, "2001:db8:0:701::/64");
    let open = lab.lab.world.open_group(vpc);
    let far = lab.lab.world.host(subnet, "2001:db8:0:701::7", &[open]);
    let sent = lab.lab.world.send(lab.host.eni, tcp(&at(HOST, 1), &at("2001:db8:0:701::7", 80)));
    assert_eq!(sent.dropped(Code::EgressOnly).resource, ResourceId::EgressOnlyGateway(gateway));
    // The other one may ask a host that an internet gateway leads to.
    let public = lab.lab.a();
    let seen = lab.lab.world.send(far.eni, tcp(&at("2001:db8:0:701::7", 1), &at("2001:db8:0:101::10", 80)));
    let seen = seen.delivered_to(public.eni);
    lab.lab.world.send(public.eni, seen.reply()).delivered_to(far.eni);
}

#[test]
fn block_public_access_closes_it_when_it_is_bidirectional() {
    let mut lab = EgressLab::new();
    lab.lab.world.block_public_access(PublicAccessMode::BlockIngress);
    let out = lab.out(flow(1));
    lab.back(out.reply());
    lab.lab.world.block_public_access(PublicAccessMode::BlockBidirectional);
    let sent = lab.lab.world.send(lab.host.eni, flow(1));
    assert_eq!(sent.dropped(Code::VpcBlockPublicAccessEnabled).resource, ResourceId::EgressOnlyGateway(lab.gateway));
    sent.legs(&[format!("egress reject {}", lab.host.eni)]);
    lab.lab.world.send_from_internet(out.reply()).dropped(Code::VpcBlockPublicAccessEnabled);
}
