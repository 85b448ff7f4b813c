//! Fragments: judged as the first fragment of their datagram, which alone has ports.

use openvpc_pipeline::Code;
use openvpc_pipeline::testing::packets::*;

use crate::Lab;

#[test]
fn later_fragments_share_the_verdict_of_the_first() {
    let mut lab = Lab::new();
    let a = lab.a();
    let dns = lab.group(&["in udp 53 from 0.0.0.0/0"]);
    let b = lab.b(dns);
    lab.world.nacl(lab.second, &["100 in allow udp 53 0.0.0.0/0"]);
    let allowed = udp("10.0.1.10:40000", "10.0.2.20:53");
    lab.world.send(a.eni, allowed.fragment(1, true)).delivered_to(b.eni);
    lab.world.send(a.eni, allowed.fragment(1, false)).delivered_to(b.eni);
    lab.world.send(a.eni, allowed.fragment(1, false)).delivered_to(b.eni);
    let denied = udp("10.0.1.10:40000", "10.0.2.20:54");
    lab.world.send(a.eni, denied.fragment(2, true)).dropped(Code::SubnetAclRestriction);
    lab.world.send(a.eni, denied.fragment(2, false)).dropped(Code::SubnetAclRestriction);
}

#[test]
fn a_fragment_without_its_first_passes_rules_for_all_ports_only() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in udp 53 from 0.0.0.0/0", "in tcp 0-65535 from 0.0.0.0/0"]);
    let b = lab.b(group);
    lab.world.send(a.eni, udp("10.0.1.10:40000", "10.0.2.20:53").fragment(7, false)).dropped(Code::EniSgRulesMismatch);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:53").fragment(8, false)).delivered_to(b.eni);
}

#[test]
fn the_ports_of_a_datagram_are_forgotten_after_thirty_seconds_and_kept_apart_by_sender() {
    let mut lab = Lab::new();
    let (a, c) = (lab.a(), lab.world.middlebox(lab.first, "10.0.1.11", &[lab.open]));
    let dns = lab.group(&["in udp 53 from 0.0.0.0/0"]);
    let b = lab.b(dns);
    let packet = udp("10.0.1.10:40000", "10.0.2.20:53");
    lab.world.send(a.eni, packet.fragment(1, true)).delivered_to(b.eni);
    lab.world.send(c.eni, packet.fragment(1, false)).dropped(Code::EniSgRulesMismatch);
    lab.world.send(a.eni, packet.fragment(2, false)).dropped(Code::EniSgRulesMismatch);
    lab.world.advance(31);
    lab.world.send(a.eni, packet.fragment(1, false)).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn the_answer_to_a_tracked_flow_may_come_in_fragments() {
    let mut lab = Lab::new();
    let a = lab.a();
    let dns = lab.group(&["in udp 53 from 10.0.1.10/32"]);
    let b = lab.b(dns);
    let query = udp("10.0.1.10:40000", "10.0.2.20:53");
    lab.world.send(a.eni, query).delivered_to(b.eni);
    lab.world.send(b.eni, query.reply().fragment(9, true)).delivered_to(a.eni);
    lab.world.send(b.eni, query.reply().fragment(9, false)).delivered_to(a.eni);
    let echo = ping("10.0.1.10", "10.0.2.20");
    let icmp = lab.group(&["in icmp 8 from 0.0.0.0/0"]);
    lab.world.edit::<openvpc_model::NetworkInterface>(b.eni, |eni| eni.groups = vec![icmp]);
    lab.world.send(a.eni, echo.fragment(10, true)).delivered_to(b.eni);
    lab.world.send(a.eni, echo.fragment(10, false)).delivered_to(b.eni);
    lab.world.send(b.eni, echo.reply().fragment(11, true)).delivered_to(a.eni);
    lab.world.send(b.eni, echo.reply().fragment(11, false)).delivered_to(a.eni);
}
