//! Section 3: network interfaces.
//!
//! Out of scope here: all rows about attaching, Elastic IP calls and the metadata service.

use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, NextHop, ResourceId};

use crate::Lab;

#[test]
fn a_foreign_destination_is_dropped_while_the_check_is_on_and_passes_when_it_is_off() {
    let mut lab = Lab::new();
    let a = lab.a();
    let router = lab.world.host(lab.first, "10.0.1.99", &[lab.open]);
    let via = NextHop::Eni(lab.world.index(router.eni));
    let packet = tcp("10.0.1.10:40000", "198.51.100.10:80");
    let sent = lab.world.send_via(a.eni, via, packet);
    assert_eq!(sent.dropped(Code::EniSourceDestCheckRestriction).resource, ResourceId::Eni(router.eni));
    sent.legs(&[format!("egress accept {}", a.eni)]);
    lab.world.edit::<NetworkInterface>(router.eni, |eni| eni.source_dest_check = false);
    let sent = lab.world.send_via(a.eni, via, packet);
    assert_eq!(sent.delivered_to(router.eni), packet);
}

#[test]
fn a_foreign_source_is_dropped_while_the_check_is_on_and_passes_when_it_is_off() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let spoofed = udp("192.0.2.1:5000", "10.0.2.20:5000");
    let sent = lab.world.send(a.eni, spoofed);
    let drop = sent.dropped(Code::EniSourceDestCheckRestriction);
    assert_eq!((drop.resource, drop.direction), (ResourceId::Eni(a.eni), Some(Direction::Egress)));
    sent.legs(&[]);
    lab.world.edit::<NetworkInterface>(a.eni, |eni| eni.source_dest_check = false);
    lab.world.send(a.eni, spoofed).delivered_to(b.eni);
}

#[test]
fn the_check_takes_all_addresses_of_the_interface_and_no_neighbours() {
    let mut lab = Lab::new();
    let c = lab.world.host(lab.first, "10.0.1.50 10.0.1.51 2001:db8:0:101::50", &[lab.open]);
    let open = lab.open;
    let b = lab.b(open);
    lab.world.send(c.eni, udp("10.0.1.51:1", "10.0.2.20:1")).delivered_to(b.eni);
    lab.world.send(c.eni, udp("[2001:db8:0:101::50]:1", "[2001:db8:0:102::20]:1")).delivered_to(b.eni);
    lab.world.send(c.eni, udp("10.0.1.52:1", "10.0.2.20:1")).dropped(Code::EniSourceDestCheckRestriction);
    lab.world.send(b.eni, udp("10.0.2.20:1", "10.0.1.51:1")).delivered_to(c.eni);
}

#[test]
fn a_multicast_source_is_dropped_even_without_the_check() {
    let mut lab = Lab::new();
    let router = lab.world.middlebox(lab.first, "10.0.1.99", &[lab.open]);
    for source in ["224.0.0.1:1", "0.0.0.0:1", "127.0.0.1:1", "255.255.255.255:1"] {
        lab.world.send(router.eni, udp(source, "10.0.2.20:1")).dropped(Code::AddressNotForwarded);
    }
}

#[test]
fn nothing_reaches_or_leaves_an_instance_that_does_not_run() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    for state in [InstanceState::Stopping, InstanceState::Stopped, InstanceState::ShuttingDown, InstanceState::Terminated] {
        lab.world.set_state(b, state);
        let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80"));
        assert_eq!(sent.dropped(Code::InstanceNotRunning).resource, ResourceId::Eni(b.eni));
        sent.legs(&[format!("egress accept {}", a.eni)]);
        lab.world.send(b.eni, tcp("10.0.2.20:40000", "10.0.1.10:80")).dropped(Code::InstanceNotRunning);
    }
    for state in [InstanceState::Pending, InstanceState::Running] {
        lab.world.set_state(b, state);
        lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).delivered_to(b.eni);
    }
}

#[test]
fn an_interface_without_instance_gets_nothing() {
    let mut lab = Lab::new();
    let a = lab.a();
    let loose = lab.world.eni(lab.second, "10.0.2.30", &[lab.open]);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.30")).dropped(Code::InstanceNotRunning);
    lab.world.remove::<NetworkInterface>(loose);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.30")).dropped(Code::UnknownDestination);
}

#[test]
fn the_router_and_the_neighbours_answer_for_their_addresses_only() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let c = lab.world.host(lab.first, "10.0.1.11 2001:db8:0:101::11", &[open]);
    let b = lab.b(open);
    let (index, other) = (lab.world.index(a.eni), lab.world.index(b.eni));
    let mac = |lab: &Lab, host: EniId| lab.world.network().enis.get(&host).unwrap().mac;
    let (mac_a, mac_b, mac_c) = (mac(&lab, a.eni), mac(&lab, b.eni), mac(&lab, c.eni));
    let tables = lab.world.tables();
    let router = tables.router_mac(index);
    let link_local = router.link_local().to_string();
    for (target, answer) in [
        ("10.0.1.1", Some(router)),
        ("2001:db8:0:101::1", Some(router)),
        ("fe80:ec2::1", Some(router)),
        (link_local.as_str(), Some(router)),
        ("169.254.169.254", Some(router)),
        ("169.254.169.250", None),
        ("fd00:ec2::253", Some(router)),
        ("10.0.0.2", Some(router)),
        ("10.0.1.2", None),
        ("10.0.1.11", Some(mac_c)),
        ("2001:db8:0:101::11", Some(mac_c)),
        ("10.0.1.10", None),
        ("10.0.1.77", None),
        ("10.0.2.20", None),
        ("10.0.2.1", None),
    ] {
        assert_eq!(tables.resolve(index, target.parse().unwrap()), answer, "{target}");
    }
    assert_ne!(router, tables.router_mac(other));
    assert_eq!(tables.next_hop(index, router), Some(NextHop::Router));
    assert_eq!(tables.next_hop(index, mac_c), tables.eni_index(c.eni).map(NextHop::Eni));
    assert_eq!(tables.next_hop(index, mac_b), None);
    assert_eq!(tables.next_hop(other, mac_a), None);
}
