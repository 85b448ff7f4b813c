//! ICMP errors: those that the router sends, and those that pass because of the flow they are about.

use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, IcmpError, IcmpErrorKind, Reply, RuleId};

use crate::Lab;

#[test]
fn a_packet_too_large_is_answered_from_the_subnets_router() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let v4 = lab.world.send(a.eni, udp("10.0.1.10:1", "198.51.100.10:1").length(1501));
    let reply = Reply::Icmp(IcmpError { from: "10.0.1.1".parse().unwrap(), kind: IcmpErrorKind::PacketTooBig { mtu: 1500 } });
    assert_eq!(v4.dropped(Code::MtuExceeded).reply, Some(reply));
    v4.legs(&[format!("egress accept {}", a.eni)]);
    let index = lab.world.index(a.eni);
    let router = lab.world.tables().router_mac(index).link_local();
    let v6 = lab.world.send(a.eni, udp("[2001:db8:0:101::10]:1", "[2001:db8:ffff::10]:1").length(1501));
    let reply = Reply::Icmp(IcmpError { from: router.into(), kind: IcmpErrorKind::PacketTooBig { mtu: 1500 } });
    assert_eq!(v6.dropped(Code::MtuExceeded).reply, Some(reply));
}

#[test]
fn inside_a_vpc_the_limit_is_9001() {
    let mut lab = Lab::new();
    let a = lab.a();
    let open = lab.open;
    lab.b(open);
    let reply = lab.world.send(a.eni, udp("10.0.1.10:1", "10.0.2.20:1").length(9002)).dropped(Code::MtuExceeded).reply;
    assert!(matches!(reply, Some(Reply::Icmp(IcmpError { kind: IcmpErrorKind::PacketTooBig { mtu: 9001 }, .. }))));
}

#[test]
fn a_hop_limit_used_up_at_the_gateway_is_answered() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let drop = lab.world.send(a.eni, ping("10.0.1.10", "198.51.100.10").ttl(1)).dropped(Code::HopLimitExceeded);
    assert_eq!(drop.resource, openvpc_pipeline::ResourceId::InternetGateway(gateway));
    let error = IcmpError { from: "10.0.1.1".parse().unwrap(), kind: IcmpErrorKind::TimeExceeded };
    assert_eq!(drop.reply, Some(Reply::Icmp(error)));
    let out = lab.world.send(a.eni, ping("10.0.1.10", "198.51.100.10").ttl(2)).delivered_to_internet();
    assert_eq!(out.ttl, 1);
    let inwards = lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.10").ttl(1)).dropped(Code::HopLimitExceeded);
    assert!(matches!(inwards.reply, Some(Reply::Icmp(error)) if error.from.to_string() == "203.0.113.10"));
}

#[test]
fn no_error_is_sent_about_an_error_or_a_later_fragment() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let error = udp("198.51.100.10:1", "10.0.1.10:1").error("10.0.1.10", 3, 3);
    assert_eq!(lab.world.send(a.eni, error.ttl(1)).dropped(Code::HopLimitExceeded).reply, None);
    let fragment = udp("10.0.1.10:1", "198.51.100.10:1").fragment(5, false);
    assert_eq!(lab.world.send(a.eni, fragment.ttl(1)).dropped(Code::HopLimitExceeded).reply, None);
    let first = udp("10.0.1.10:1", "198.51.100.10:1").fragment(5, true);
    assert!(lab.world.send(a.eni, first.ttl(1)).dropped(Code::HopLimitExceeded).reply.is_some());
}

#[test]
fn an_error_about_a_tracked_flow_passes_both_groups() {
    let mut lab = Lab::new();
    let client = lab.group(&["out udp 53 to 10.0.2.0/24"]);
    let a = lab.world.host(lab.first, "10.0.1.30", &[client]);
    let dns = lab.group(&["in udp 53 from 10.0.1.0/24"]);
    let b = lab.b(dns);
    let query = udp("10.0.1.30:40000", "10.0.2.20:53");
    lab.world.send(a.eni, query).delivered_to(b.eni);
    let unreachable = lab.world.send(b.eni, query.error("10.0.2.20", 3, 3));
    unreachable.delivered_to(a.eni);
    unreachable.decided_by(RuleId::TrackedConnection);
    let stranger = udp("10.0.1.30:40001", "10.0.2.20:53").error("10.0.2.20", 3, 3);
    lab.world.send(b.eni, stranger).dropped(Code::SgHasNoRules);
    lab.world.advance(31);
    lab.world.send(b.eni, query.error("10.0.2.20", 3, 3)).dropped(Code::SgHasNoRules);
}

#[test]
fn an_error_about_a_flow_tells_the_sender_even_if_another_router_sends_it() {
    let (mut lab, _) = Lab::with_internet();
    let client = lab.group(&["out tcp 80 to 0.0.0.0/0"]);
    let a = lab.world.host(lab.first, "10.0.1.30", &[client]);
    lab.world.public(a.eni, "10.0.1.30", "203.0.113.30");
    let outside = lab.world.send(a.eni, tcp("10.0.1.30:40000", "198.51.100.10:80")).delivered_to_internet();
    let error = outside.error("192.0.2.254", 11, 0);
    let arrived = lab.world.send_from_internet(error).delivered_to(a.eni);
    let inner = arrived.inner.unwrap();
    assert_eq!((inner.src.to_string(), inner.dst.to_string()), ("10.0.1.30".into(), "198.51.100.10".into()));
    assert_eq!(arrived.dst.to_string(), "10.0.1.30");
    let unrelated = outside.reply().reply().error("192.0.2.254", 11, 0);
    lab.world.edit::<NetworkInterface>(a.eni, |eni| eni.private_addresses[0].public = None);
    lab.world.public(a.eni, "10.0.1.30", "203.0.113.31");
    lab.world.send_from_internet(unrelated).dropped(Code::IgwPrivateIpAssociationForIngress);
}

#[test]
fn an_error_of_an_instance_about_a_flow_from_outside_leaves_with_public_addresses() {
    let (mut lab, _) = Lab::with_internet();
    let dns = lab.group(&["in udp 53 from 198.51.100.10/32"]);
    let b = lab.b(dns);
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    let query = lab.world.send_from_internet(udp("198.51.100.10:40000", "203.0.113.20:53")).delivered_to(b.eni);
    let out = lab.world.send(b.eni, query.error("10.0.2.20", 3, 3)).delivered_to_internet();
    let inner = out.inner.unwrap();
    assert_eq!((inner.src.to_string(), inner.dst.to_string()), ("198.51.100.10".into(), "203.0.113.20".into()));
    assert_eq!((out.src.to_string(), out.dst.to_string()), ("203.0.113.20".into(), "198.51.100.10".into()));
}

#[test]
fn the_same_holds_over_ipv6() {
    let (mut lab, _) = Lab::with_internet();
    let client = lab.group(&["out tcp 80 to ::/0"]);
    let a = lab.world.host(lab.first, "10.0.1.30 2001:db8:0:101::30", &[client]);
    let syn = tcp("[2001:db8:0:101::30]:40000", "[2001:db8:ffff::10]:80");
    let outside = lab.world.send(a.eni, syn).delivered_to_internet();
    lab.world.send_from_internet(outside.error("2001:db8:fffe::1", 2, 0)).delivered_to(a.eni);
    let stranger = tcp("[2001:db8:0:101::30]:40001", "[2001:db8:ffff::10]:80");
    lab.world.send_from_internet(stranger.error("2001:db8:fffe::1", 2, 0)).dropped(Code::SgHasNoRules);
}
