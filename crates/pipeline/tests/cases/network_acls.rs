//! Section 6: network ACLs.
//!
//! Out of scope here: DNS, metadata, DHCP and time past a deny-all ACL (their services aren't in the pipeline), and rows
//! about calls that are refused.

use openvpc_model::Direction;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, ResourceId, RuleId};

use crate::Lab;

const OUT: &str = "100 out allow all 0.0.0.0/0";

#[test]
fn the_first_matching_entry_decides() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let nacl = lab.world.nacl(lab.second, &["100 in deny tcp 22 0.0.0.0/0", "200 in allow all 0.0.0.0/0", OUT]);
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:22"));
    let drop = sent.dropped(Code::SubnetAclRestriction);
    assert_eq!(drop.resource, ResourceId::Nacl(nacl));
    assert_eq!((drop.rule, drop.direction), (Some(RuleId::NaclEntry(100)), Some(Direction::Ingress)));
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80"));
    sent.delivered_to(b.eni);
    sent.decided_by(RuleId::NaclEntry(200));
}

#[test]
fn entries_are_asked_by_number_whatever_their_order() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.nacl(lab.second, &["300 in deny all 0.0.0.0/0", "5 in allow tcp 80 10.0.1.0/24", "100 in deny tcp 80 10.0.0.0/16"]);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).delivered_to(b.eni);
}

#[test]
fn each_direction_is_judged_alone() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let nacl = lab.world.nacl(lab.second, &["100 in allow tcp 443 0.0.0.0/0"]);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:443");
    lab.world.send(a.eni, syn).delivered_to(b.eni);
    let drop = lab.world.send(b.eni, syn.reply()).dropped(Code::SubnetAclRestriction);
    assert_eq!((drop.resource, drop.rule), (ResourceId::Nacl(nacl), Some(RuleId::NaclEntry(32767))));
    assert_eq!(drop.direction, Some(Direction::Egress));
}

#[test]
fn replies_go_to_the_clients_ephemeral_port() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.nacl(lab.second, &["100 in allow tcp 80 0.0.0.0/0", "100 out allow tcp 1024-65535 0.0.0.0/0"]);
    let syn = tcp("10.0.1.10:50000", "10.0.2.20:80");
    lab.world.send(a.eni, syn).delivered_to(b.eni);
    lab.world.send(b.eni, syn.reply()).delivered_to(a.eni);
    lab.world.send(b.eni, tcp("10.0.2.20:50000", "10.0.1.10:80")).dropped(Code::SubnetAclRestriction);
}

#[test]
fn a_deny_all_acl_is_not_met_inside_the_subnet() {
    let mut lab = Lab::new();
    let a = lab.a();
    let c = lab.world.host(lab.first, "10.0.1.11", &[lab.open]);
    lab.world.nacl(lab.first, &[]);
    let syn = tcp("10.0.1.10:40000", "10.0.1.11:80");
    lab.world.send(a.eni, syn).delivered_to(c.eni);
    lab.world.send(c.eni, syn.reply()).delivered_to(a.eni);
    let routed = lab.world.send_via(a.eni, openvpc_pipeline::NextHop::Router, syn);
    routed.delivered_to(c.eni);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).dropped(Code::SubnetAclRestriction);
}

#[test]
fn a_deny_cuts_a_tracked_connection_at_once() {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let b = lab.b(ssh);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:22");
    lab.world.send(a.eni, syn).delivered_to(b.eni);
    lab.world.send(b.eni, syn.reply()).delivered_to(a.eni);
    let nacl = lab.world.nacl(lab.second, &["100 in deny all 0.0.0.0/0", OUT]);
    lab.world.send(a.eni, syn.flags(0x10)).dropped(Code::SubnetAclRestriction);
    lab.world.entries(nacl, &["100 in allow all 0.0.0.0/0", OUT]);
    lab.world.send(a.eni, syn.flags(0x10)).delivered_to(b.eni);
}

#[test]
fn inbound_entries_match_the_source_and_outbound_ones_the_destination() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.nacl(lab.second, &["100 in allow all 10.0.1.10/32", "100 out allow all 10.0.1.10/32"]);
    lab.world.send(a.eni, udp("10.0.1.10:1", "10.0.2.20:1")).delivered_to(b.eni);
    lab.world.send(b.eni, udp("10.0.2.20:1", "10.0.1.10:1")).delivered_to(a.eni);
    lab.world.nacl(lab.second, &["100 in allow all 10.0.2.0/24", "100 out allow all 10.0.2.0/24"]);
    lab.world.send(a.eni, udp("10.0.1.10:1", "10.0.2.20:1")).dropped(Code::SubnetAclRestriction);
    lab.world.send(b.eni, udp("10.0.2.20:1", "10.0.1.10:1")).dropped(Code::SubnetAclRestriction);
}

#[test]
fn the_fixed_denies_have_a_number_per_family() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    lab.b(open);
    lab.world.nacl(lab.second, &[OUT]);
    let v4 = lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20"));
    assert_eq!(v4.dropped(Code::SubnetAclRestriction).rule, Some(RuleId::NaclEntry(32767)));
    let v6 = lab.world.send(a.eni, ping("2001:db8:0:101::10", "2001:db8:0:102::20"));
    assert_eq!(v6.dropped(Code::SubnetAclRestriction).rule, Some(RuleId::NaclEntry(32768)));
}

#[test]
fn icmp_entries_match_type_and_code_and_a_v6_number_over_v4_all_types() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let nacl = lab.world.nacl(lab.second, &["100 in allow icmp 8 0.0.0.0/0", "101 in allow icmp 3/4 0.0.0.0/0"]);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).delivered_to(b.eni);
    lab.world.send(a.eni, icmp("10.0.1.10", "10.0.2.20", 13, 0)).dropped(Code::SubnetAclRestriction);
    lab.world.send(a.eni, icmp("10.0.1.10", "10.0.2.20", 3, 3)).dropped(Code::SubnetAclRestriction);
    lab.world.entries(nacl, &["100 in allow 58 10.0.0.0/8", "101 in allow 58 128 ::/0"]);
    lab.world.send(a.eni, other(58, "10.0.1.10", "10.0.2.20")).delivered_to(b.eni);
    lab.world.send(a.eni, ping("2001:db8:0:101::10", "2001:db8:0:102::20")).delivered_to(b.eni);
    let unreachable = icmp("2001:db8:0:101::10", "2001:db8:0:102::20", 1, 0);
    lab.world.send(a.eni, unreachable).dropped(Code::SubnetAclRestriction);
}

#[test]
fn path_mtu_messages_need_an_entry_of_their_own() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let nacl = lab.world.nacl(lab.first, &["100 in allow tcp 1024-65535 0.0.0.0/0", OUT]);
    let syn = tcp("10.0.1.10:40000", "198.51.100.10:80");
    let outside = lab.world.send(a.eni, syn).delivered_to_internet();
    let too_big = outside.error("198.51.100.1", 3, 4);
    let drop = lab.world.send_from_internet(too_big).dropped(Code::SubnetAclRestriction);
    assert_eq!(drop.resource, ResourceId::Nacl(nacl));
    lab.world.entries(nacl, &["100 in allow tcp 1024-65535 0.0.0.0/0", "110 in allow icmp 3/4 0.0.0.0/0", OUT]);
    lab.world.send_from_internet(too_big).delivered_to(a.eni);
}

#[test]
fn a_protocol_other_than_tcp_udp_and_icmp_has_no_ports() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.nacl(lab.second, &["100 in allow 47 80-80 0.0.0.0/0"]);
    lab.world.send(a.eni, other(47, "10.0.1.10", "10.0.2.20")).delivered_to(b.eni);
    lab.world.send(a.eni, other(50, "10.0.1.10", "10.0.2.20")).dropped(Code::SubnetAclRestriction);
}

#[test]
fn a_changed_entry_counts_for_the_next_packet() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let nacl = lab.world.nacl(lab.second, &["100 in allow all 0.0.0.0/0"]);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).delivered_to(b.eni);
    lab.world.entries(nacl, &[]);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).dropped(Code::SubnetAclRestriction);
}
