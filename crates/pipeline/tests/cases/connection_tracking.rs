//! Section 5, connection tracking: what is remembered, for how long, and what that is good for.
//!
//! Out of scope here: flows that are tracked because of the gateway they go through.

use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::testing::{Host, World};
use openvpc_pipeline::wire::PacketHeader;
use openvpc_pipeline::{Code, FlowState, Ingress, NextHop, NoTrace, Outcome, RuleId, step};

use crate::Lab;

const ACK: u8 = 0x10;

/// Handshake between two interfaces; all three packets arrive.
fn connect(world: &mut World, from: Host, to: Host, syn: PacketHeader) {
    world.send(from.eni, syn).delivered_to(to.eni);
    world.send(to.eni, syn.reply()).delivered_to(from.eni);
    world.send(from.eni, syn.flags(ACK)).delivered_to(to.eni);
}

#[test]
fn a_reply_to_a_tracked_flow_passes_without_a_rule() {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let b = lab.b(ssh);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:22");
    lab.world.send(a.eni, syn).delivered_to(b.eni);
    let reply = lab.world.send(b.eni, syn.reply());
    reply.delivered_to(a.eni);
    reply.decided_by(RuleId::TrackedConnection);
    lab.world.send(b.eni, tcp("10.0.2.20:22", "10.0.1.10:40001")).dropped(Code::SgHasNoRules);
}

#[test]
fn an_untracked_flow_is_cut_when_its_rule_goes() {
    let mut lab = Lab::new();
    let a = lab.a();
    let web = lab.group(&["in tcp 80 from 0.0.0.0/0", "out all to 0.0.0.0/0"]);
    let b = lab.b(web);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:80");
    connect(&mut lab.world, a, b, syn);
    lab.world.rules(web, &["out all to 0.0.0.0/0"]);
    lab.world.send(a.eni, syn.flags(ACK)).dropped(Code::SgHasNoRules);
    lab.world.send(b.eni, syn.reply().flags(ACK)).delivered_to(a.eni);
    lab.world.send(a.eni, syn.flags(ACK)).dropped(Code::SgHasNoRules);
}

#[test]
fn an_untracked_udp_flow_is_cut_when_its_rule_goes() {
    let mut lab = Lab::new();
    let a = lab.a();
    let dns = lab.group(&["in udp 53 from 0.0.0.0/0", "out all to 0.0.0.0/0"]);
    let b = lab.b(dns);
    let query = udp("10.0.1.10:40000", "10.0.2.20:53");
    lab.world.send(a.eni, query).delivered_to(b.eni);
    lab.world.send(b.eni, query.reply()).delivered_to(a.eni);
    lab.world.rules(dns, &["out all to 0.0.0.0/0"]);
    lab.world.send(a.eni, query).dropped(Code::SgHasNoRules);
}

#[test]
fn a_tracked_flow_goes_on_when_its_rule_goes() {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32", "out all to 0.0.0.0/0"]);
    let b = lab.b(ssh);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:22");
    connect(&mut lab.world, a, b, syn);
    lab.world.rules(ssh, &[]);
    lab.world.send(a.eni, syn.flags(ACK)).delivered_to(b.eni);
    lab.world.send(b.eni, syn.reply().flags(ACK)).delivered_to(a.eni);
    lab.world.send(a.eni, tcp("10.0.1.10:40001", "10.0.2.20:22")).dropped(Code::SgHasNoRules);
}

#[test]
fn a_flow_is_tracked_when_the_other_direction_does_not_allow_all_answers() {
    let mut lab = Lab::new();
    let a = lab.a();
    for out in
        ["out tcp 443 to 0.0.0.0/0", "out tcp 1024-65535 to 0.0.0.0/0", "out all to 10.0.0.0/8", "out udp 0-65535 to 0.0.0.0/0"]
    {
        let web = lab.group(&["in tcp 80 from 0.0.0.0/0", out]);
        let b = lab.world.host(lab.second, "10.0.2.20", &[web]);
        let syn = tcp("10.0.1.10:40000", "10.0.2.20:80");
        connect(&mut lab.world, a, b, syn);
        lab.world.rules(web, &[]);
        lab.world.send(a.eni, syn.flags(ACK)).delivered_to(b.eni);
        lab.world.remove::<NetworkInterface>(b.eni);
    }
}

#[test]
fn all_ports_to_everyone_is_what_makes_a_flow_untracked() {
    let mut lab = Lab::new();
    let a = lab.a();
    for out in ["out all to 0.0.0.0/0", "out tcp 0-65535 to 0.0.0.0/0", "out -1 80-80 to 0.0.0.0/0"] {
        let web = lab.group(&["in tcp 80 from 0.0.0.0/0", out]);
        let b = lab.world.host(lab.second, "10.0.2.20", &[web]);
        let syn = tcp("10.0.1.10:40000", "10.0.2.20:80");
        connect(&mut lab.world, a, b, syn);
        lab.world.rules(web, &[out]);
        lab.world.send(a.eni, syn.flags(ACK)).dropped(Code::SgHasNoRules);
        lab.world.remove::<NetworkInterface>(b.eni);
    }
}

#[test]
fn the_families_are_judged_apart() {
    let mut lab = Lab::new();
    let a = lab.a();
    let web = lab.group(&["in tcp 80 from ::/0", "out all to 0.0.0.0/0"]);
    let b = lab.b(web);
    let syn = tcp("[2001:db8:0:101::10]:40000", "[2001:db8:0:102::20]:80");
    connect(&mut lab.world, a, b, syn);
    lab.world.rules(web, &[]);
    lab.world.send(a.eni, syn.flags(ACK)).delivered_to(b.eni);
}

#[test]
fn echo_is_tracked_however_open_the_rules_are() {
    let mut lab = Lab::new();
    let a = lab.a();
    let open = lab.world.open_group(lab.vpc);
    let b = lab.b(open);
    for echo in [ping("10.0.1.10", "10.0.2.20"), ping("2001:db8:0:101::10", "2001:db8:0:102::20")] {
        lab.world.send(a.eni, echo).delivered_to(b.eni);
    }
    lab.world.rules(open, &[]);
    for echo in [ping("10.0.1.10", "10.0.2.20"), ping("2001:db8:0:101::10", "2001:db8:0:102::20")] {
        lab.world.send(a.eni, echo).delivered_to(b.eni);
        lab.world.send(b.eni, echo.reply()).delivered_to(a.eni);
    }
    lab.world.advance(31);
    lab.world.send(b.eni, ping("10.0.1.10", "10.0.2.20").reply()).dropped(Code::SgHasNoRules);
}

#[test]
fn a_ping_the_other_way_under_the_same_identifier_is_another_flow() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in icmp 8 from 0.0.0.0/0"]);
    let b = lab.b(group);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).delivered_to(b.eni);
    lab.world.send(b.eni, ping("10.0.2.20", "10.0.1.10")).dropped(Code::SgHasNoRules);
}

#[test]
fn a_udp_answer_after_31_seconds_needs_a_rule() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in udp 53 from 10.0.1.10/32"]);
    let b = lab.b(group);
    let query = udp("10.0.1.10:40000", "10.0.2.20:53");
    lab.world.send(a.eni, query).delivered_to(b.eni);
    lab.world.advance(29);
    lab.world.send(b.eni, query.reply()).delivered_to(a.eni);
    lab.world.send(a.eni, udp("10.0.1.10:40001", "10.0.2.20:53")).delivered_to(b.eni);
    lab.world.advance(31);
    lab.world.send(b.eni, udp("10.0.1.10:40001", "10.0.2.20:53").reply()).dropped(Code::SgHasNoRules);
}

#[test]
fn more_than_one_exchange_makes_udp_a_stream() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in udp 53 from 10.0.1.10/32"]);
    let b = lab.b(group);
    let query = udp("10.0.1.10:40000", "10.0.2.20:53");
    for _ in 0..2 {
        lab.world.send(a.eni, query).delivered_to(b.eni);
        lab.world.send(b.eni, query.reply()).delivered_to(a.eni);
    }
    lab.world.advance(179);
    lab.world.send(b.eni, query.reply()).delivered_to(a.eni);
    lab.world.advance(181);
    lab.world.send(b.eni, query.reply()).dropped(Code::SgHasNoRules);
    lab.world.send(a.eni, query).delivered_to(b.eni);
    lab.world.send(b.eni, query.reply()).delivered_to(a.eni);
    lab.world.advance(31);
    lab.world.send(b.eni, query.reply()).dropped(Code::SgHasNoRules);
}

#[test]
fn other_protocols_are_remembered_for_600_seconds() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in 47 from 0.0.0.0/0"]);
    let b = lab.b(group);
    let gre = other(47, "10.0.1.10", "10.0.2.20");
    lab.world.send(a.eni, gre).delivered_to(b.eni);
    lab.world.advance(599);
    lab.world.send(b.eni, gre.reply()).delivered_to(a.eni);
    lab.world.advance(601);
    lab.world.send(b.eni, gre.reply()).dropped(Code::SgHasNoRules);
}

#[test]
fn an_established_connection_is_remembered_for_five_days_or_what_the_interface_says() {
    for (setting, seconds) in [(None, 432_000), (Some(60), 60)] {
        let mut lab = Lab::new();
        let a = lab.a();
        let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
        let b = lab.b(ssh);
        lab.world.edit::<NetworkInterface>(b.eni, |eni| eni.tracking.tcp_established = setting);
        let syn = tcp("10.0.1.10:40000", "10.0.2.20:22");
        connect(&mut lab.world, a, b, syn);
        lab.world.advance(seconds - 1);
        lab.world.send(b.eni, syn.reply().flags(ACK)).delivered_to(a.eni);
        lab.world.advance(seconds + 1);
        lab.world.send(b.eni, syn.reply().flags(ACK)).dropped(Code::SgHasNoRules);
    }
}

#[test]
fn a_handshake_that_never_completes_is_forgotten_after_a_minute() {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let b = lab.b(ssh);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:22");
    lab.world.send(a.eni, syn).delivered_to(b.eni);
    lab.world.advance(61);
    lab.world.send(b.eni, syn.reply()).dropped(Code::SgHasNoRules);
}

#[test]
fn udp_timeouts_are_set_per_interface() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in udp 53 from 10.0.1.10/32"]);
    let b = lab.b(group);
    lab.world.edit::<NetworkInterface>(b.eni, |eni| eni.tracking.udp = Some(60));
    let query = udp("10.0.1.10:40000", "10.0.2.20:53");
    lab.world.send(a.eni, query).delivered_to(b.eni);
    lab.world.advance(59);
    lab.world.send(b.eni, query.reply()).delivered_to(a.eni);
}

#[test]
fn a_tracked_flow_survives_another_choice_of_groups() {
    let mut lab = Lab::new();
    let a = lab.a();
    let (ssh, none) = (lab.group(&["in tcp 22 from 10.0.1.10/32"]), lab.group(&[]));
    let b = lab.b(ssh);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:22");
    connect(&mut lab.world, a, b, syn);
    lab.world.edit::<NetworkInterface>(b.eni, |eni| eni.groups = vec![none]);
    lab.world.send(a.eni, syn.flags(ACK)).delivered_to(b.eni);
    lab.world.send(a.eni, tcp("10.0.1.10:40001", "10.0.2.20:22")).dropped(Code::SgHasNoRules);
}

#[test]
fn a_segment_in_the_middle_of_nothing_needs_a_rule_and_leaves_no_state() {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let b = lab.b(ssh);
    let stray = segment("10.0.1.10:40000", "10.0.2.20:22", ACK);
    lab.world.send(a.eni, stray).delivered_to(b.eni);
    lab.world.send(b.eni, stray.reply()).dropped(Code::SgHasNoRules);
    lab.world.send(a.eni, segment("10.0.1.10:40000", "10.0.2.20:23", ACK)).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn an_appliance_tracks_the_way_in_and_the_way_out_apart() {
    let mut lab = Lab::new();
    let group = lab.group(&["in tcp 80 from 10.0.0.0/16", "out tcp 80 to 10.0.0.0/16"]);
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let third = lab.world.subnet(lab.vpc, "10.0.3.0/24");
    let appliance = lab.world.middlebox(third, "10.0.3.99", &[group]);
    for (subnet, destination) in [(lab.first, "10.0.2.0/24"), (lab.second, "10.0.1.0/24")] {
        let table = lab.world.table(lab.vpc);
        lab.world.use_table(table, route::TableUser::Subnet(subnet));
        lab.world.route(table, destination, RouteTarget::NetworkInterface(appliance.eni));
    }
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:80");
    lab.world.send(a.eni, syn).delivered_to(appliance.eni);
    lab.world.send(appliance.eni, syn).delivered_to(b.eni);
    lab.world.send(b.eni, syn.reply()).delivered_to(appliance.eni);
    lab.world.send(appliance.eni, syn.reply()).delivered_to(a.eni);
}

#[test]
fn a_flow_beyond_the_allowance_is_dropped_until_others_end() {
    let mut lab = Lab::new();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let (a, b) = (lab.a(), lab.b(ssh));
    let eni = lab.world.index(a.eni);
    let mut state = FlowState::with_allowance(4, 3);
    let ingress = Ingress::Eni { eni, next_hop: NextHop::Router };
    let tables = lab.world.tables().clone();
    let mut send = |port: u16, now| {
        let packet = tcp(&format!("10.0.1.10:{port}"), "10.0.2.20:22");
        step(&tables, &mut state, ingress, &packet, openvpc_pipeline::Nanos::from_seconds(now), &mut NoTrace).outcome
    };
    for port in 1..=3 {
        assert!(matches!(send(port, 0), Outcome::Deliver(_)));
    }
    let Outcome::Drop(drop) = send(4, 0) else { panic!("the fourth flow passed") };
    assert_eq!((drop.code, drop.direction), (Code::ConntrackFull, Some(Direction::Ingress)));
    assert_eq!(drop.resource, openvpc_pipeline::ResourceId::SecurityGroup(ssh));
    assert!(matches!(send(1, 1), Outcome::Deliver(_)), "a tracked flow goes on");
    assert!(matches!(send(4, 61), Outcome::Deliver(_)), "a place of a flow past its time is free");
    let _ = b;
}

#[test]
fn the_state_of_an_interface_goes_with_it_and_other_state_stays() {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let b = lab.b(ssh);
    let c = lab.world.host(lab.second, "10.0.2.30", &[ssh]);
    connect(&mut lab.world, a, b, tcp("10.0.1.10:40000", "10.0.2.20:22"));
    connect(&mut lab.world, a, c, tcp("10.0.1.10:40000", "10.0.2.30:22"));
    let before = lab.world.state().len();
    lab.world.remove::<NetworkInterface>(b.eni);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.30:22").flags(ACK)).delivered_to(c.eni);
    assert_eq!(lab.world.state().len(), before - 1);
    lab.world.rules(ssh, &[]);
    lab.world.send(c.eni, tcp("10.0.1.10:40000", "10.0.2.30:22").reply().flags(ACK)).delivered_to(a.eni);
}

#[test]
fn sweeping_forgets_what_is_past_its_time_and_nothing_else() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in tcp 22 from 10.0.1.10/32", "in udp from 10.0.1.10/32"]);
    let b = lab.b(group);
    connect(&mut lab.world, a, b, tcp("10.0.1.10:40000", "10.0.2.20:22"));
    for port in 1..=200 {
        lab.world.send(a.eni, udp("10.0.1.10:40000", &format!("10.0.2.20:{port}"))).delivered_to(b.eni);
    }
    assert_eq!(lab.world.state().len(), 201);
    lab.world.advance(31);
    let now = lab.world.now();
    for _ in 0..100 {
        lab.world.state().sweep(now, 16);
    }
    assert_eq!(lab.world.state().len(), 1);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:22").flags(ACK)).decided_by(RuleId::TrackedConnection);
}
