//! Sections 1 (25, 26) and 2 (5, 6): the link-local services, which nothing filters and nothing logs.

use openvpc_model::{NetworkInterface, Service, Vpc};
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, Egress, Ingress, NextHop, RESOLVER_IN_VPC, ResourceId, SERVICE_ALLOWANCE, unmasked};

use crate::Lab;

const ASKED: [(&str, &str, Service); 7] = [
    ("10.0.1.10:40000", "169.254.169.254:80", Service::Metadata),
    ("10.0.1.10:40000", "169.254.169.253:53", Service::Resolver),
    ("10.0.1.10:40000", "10.0.0.2:53", Service::Resolver),
    ("10.0.1.10:40000", "169.254.169.123:123", Service::Time),
    ("[2001:db8:0:101::10]:40000", "[fd00:ec2::254]:80", Service::Metadata),
    ("[2001:db8:0:101::10]:40000", "[fd00:ec2::253]:53", Service::Resolver),
    ("[2001:db8:0:101::10]:40000", "[fd00:ec2::123]:123", Service::Time),
];

/// An instance behind groups without a rule and a network ACL that denies everything.
fn walled_in() -> (Lab, openvpc_pipeline::testing::Host) {
    let mut lab = Lab::new();
    let shut = lab.group(&[]);
    let a = lab.world.host(lab.first, "10.0.1.10 2001:db8:0:101::10", &[shut]);
    lab.world.nacl(lab.first, &[]);
    (lab, a)
}

#[test]
fn nothing_filters_them_and_nothing_logs_them() {
    let (mut lab, a) = walled_in();
    for (source, address, service) in ASKED {
        for packet in [tcp(source, address), udp(source, address)] {
            let sent = lab.world.send(a.eni, packet);
            let delivery = sent.delivered();
            assert_eq!((delivery.to, delivery.rewrite.ttl_decrement), (Egress::Services, 0), "{address}");
            sent.legs(&[]);
            let met: Vec<_> = sent.hops.iter().map(|hop| hop.resource).collect();
            assert_eq!(met, [ResourceId::Eni(a.eni), ResourceId::Service(service)], "{address}");

            let asker = delivery.rewrite.src.unwrap();
            let listener = delivery.rewrite.dst.unwrap_or(packet.dst);
            let index = lab.world.index(a.eni);
            assert_eq!(unmasked(lab.world.tables(), asker), Some((index, packet.src)));
            let answer = PacketExt::reply(openvpc_pipeline::PacketHeader { src: asker, dst: listener, ..packet });
            let back = lab.world.enter(Ingress::Services, answer);
            let seen = back.delivered_to(a.eni);
            assert_eq!((seen.src, seen.dst, seen.ttl), (packet.dst, packet.src, answer.ttl), "{address}");
            back.legs(&[]);
        }
    }
}

#[test]
fn base_plus_two_is_another_listener_than_the_resolvers_own_address() {
    let mut lab = Lab::new();
    let a = lab.a();
    let sent = lab.world.send(a.eni, udp("10.0.1.10:40000", "10.0.0.2:53"));
    assert_eq!(sent.delivered().rewrite.dst, Some(RESOLVER_IN_VPC.into()));
    lab.world.send(a.eni, udp("10.0.1.10:40000", "10.0.1.2:53")).dropped(Code::AddressNotForwarded);
    lab.world.add_block(lab.vpc, "100.64.0.0/16");
    lab.world.send(a.eni, udp("10.0.1.10:40000", "100.64.0.2:53")).dropped(Code::UnknownDestination);
}

#[test]
fn only_own_addresses_ask_whatever_the_check_says() {
    let mut lab = Lab::new();
    let router = lab.world.middlebox(lab.first, "10.0.1.99", &[lab.open]);
    lab.world.send(router.eni, udp("10.0.1.99:1", "169.254.169.253:53")).delivered();
    for source in ["10.0.1.10:1", "172.17.0.2:1", "169.254.169.254:1", "127.0.0.1:1"] {
        let sent = lab.world.send(router.eni, udp(source, "169.254.169.253:53"));
        assert_eq!(sent.dropped(Code::EniSourceDestCheckRestriction).resource, ResourceId::Eni(router.eni));
        sent.legs(&[]);
    }
}

#[test]
fn only_the_router_leads_to_them() {
    let mut lab = Lab::new();
    let a = lab.a();
    let c = lab.world.host(lab.first, "10.0.1.11", &[lab.open]);
    let neighbour = NextHop::Eni(lab.world.index(c.eni));
    lab.world.send_via(a.eni, neighbour, udp("10.0.1.10:1", "169.254.169.253:53")).dropped(Code::AddressNotForwarded);
    lab.world.send(a.eni, ping("10.0.1.10", "169.254.169.253")).dropped(Code::AddressNotForwarded);
}

#[test]
fn who_does_not_run_has_none() {
    let mut lab = Lab::new();
    let (a, loose) = (lab.a(), lab.world.eni(lab.first, "10.0.1.30", &[lab.open]));
    lab.world.send(loose, udp("10.0.1.30:1", "169.254.169.253:53")).dropped(Code::InstanceNotRunning);
    let asked = lab.world.send(a.eni, udp("10.0.1.10:1", "169.254.169.253:53"));
    let asker = asked.delivered().rewrite.src.unwrap();
    lab.world.set_state(a, openvpc_model::InstanceState::Stopped);
    let answer = udp("169.254.169.253:53", &format!("{asker}:1"));
    lab.world.enter(Ingress::Services, answer).dropped(Code::InstanceNotRunning);
    lab.world.remove::<NetworkInterface>(a.eni);
    lab.world.enter(Ingress::Services, answer).dropped(Code::UnknownDestination);
}

#[test]
fn the_services_reach_nobody_but_by_the_address_that_stands_for_him() {
    let mut lab = Lab::new();
    lab.a();
    for to in ["10.0.1.10:1", "64.0.255.0:1", "198.51.100.10:1", "[2001:db8:0:101::10]:1"] {
        let from = if to.starts_with('[') { "[fd00:ec2::253]:53" } else { "169.254.169.253:53" };
        lab.world.enter(Ingress::Services, udp(from, to)).dropped(Code::UnknownDestination);
    }
}

#[test]
fn without_dns_support_the_resolver_alone_is_silent() {
    let mut lab = Lab::new();
    let a = lab.a();
    lab.world.edit::<Vpc>(lab.vpc, |vpc| vpc.enable_dns_support = false);
    for (source, address, service) in ASKED {
        let sent = lab.world.send(a.eni, udp(source, address));
        match service {
            Service::Resolver => assert_eq!(sent.dropped(Code::DnsSupportDisabled).resource, ResourceId::Service(service)),
            _ => assert!(sent.is_delivered(), "{address}"),
        }
    }
    lab.world.edit::<Vpc>(lab.vpc, |vpc| vpc.enable_dns_support = true);
    assert!(lab.world.send(a.eni, udp("10.0.1.10:1", "10.0.0.2:53")).is_delivered());
}

#[test]
fn the_1025th_packet_in_a_second_from_one_interface_is_refused() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    for packet in 0..SERVICE_ALLOWANCE {
        let to = if packet % 2 == 0 { "169.254.169.253:53" } else { "169.254.169.254:80" };
        assert!(lab.world.send(a.eni, udp("10.0.1.10:1", to)).is_delivered(), "{packet}");
    }
    let refused = lab.world.send(a.eni, udp("10.0.1.10:1", "169.254.169.123:123"));
    assert_eq!(refused.dropped(Code::LinkLocalAllowanceExceeded).resource, ResourceId::Service(Service::Time));
    assert!(!refused.verdict.basis.lasts);
    refused.legs(&[]);
    assert!(lab.world.send(b.eni, udp("10.0.2.20:1", "169.254.169.253:53")).is_delivered(), "another's allowance");
    assert!(lab.world.send(a.eni, udp("10.0.1.10:1", "10.0.2.20:53")).is_delivered(), "other traffic");
    lab.world.advance(1);
    assert!(lab.world.send(a.eni, udp("10.0.1.10:1", "169.254.169.253:53")).is_delivered());
}
