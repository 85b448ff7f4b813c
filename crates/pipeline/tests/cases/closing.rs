//! How tracked connections end. AWS documents only that packets after the close are rejected; the rest is decided in
//! `flow/tcp.rs`.

use openvpc_pipeline::Code;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::testing::{Host, World};
use openvpc_pipeline::wire::PacketHeader;

use crate::Lab;

const FIN_ACK: u8 = 0x11;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A tracked connection between `a` and `b`, and the SYN that opened it.
fn connected() -> (World, Host, Host, PacketHeader) {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let b = lab.b(ssh);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:22").numbers(100, 0);
    lab.world.send(a.eni, syn).delivered_to(b.eni);
    lab.world.send(b.eni, syn.reply().numbers(500, 101)).delivered_to(a.eni);
    lab.world.send(a.eni, syn.flags(ACK).numbers(101, 501)).delivered_to(b.eni);
    (lab.world, a, b, syn)
}

#[test]
fn after_both_fins_are_acknowledged_late_packets_are_refused() {
    let (mut world, a, b, syn) = connected();
    let back = syn.reply();
    world.send(a.eni, syn.flags(FIN_ACK).numbers(101, 501)).delivered_to(b.eni);
    world.send(b.eni, back.flags(ACK).numbers(501, 102)).delivered_to(a.eni);
    world.send(b.eni, back.flags(FIN_ACK).numbers(501, 102)).delivered_to(a.eni);
    world.send(a.eni, syn.flags(ACK).numbers(102, 502)).delivered_to(b.eni);
    let late = world.send(b.eni, back.flags(ACK).numbers(502, 102));
    late.dropped(Code::ConnectionClosed);
    late.legs(&[format!("egress reject {}", b.eni)]);
    let late = world.send(a.eni, syn.flags(ACK).numbers(102, 502));
    late.dropped(Code::ConnectionClosed);
    late.legs(&[format!("egress accept {}", a.eni), format!("ingress reject {}", b.eni)]);
}

#[test]
fn an_acknowledgement_that_does_not_cover_the_fin_leaves_the_connection_open() {
    let (mut world, a, b, syn) = connected();
    let back = syn.reply();
    world.send(a.eni, syn.flags(FIN_ACK).numbers(101, 501)).delivered_to(b.eni);
    world.send(b.eni, back.flags(FIN_ACK).numbers(501, 102)).delivered_to(a.eni);
    // Sent before the other FIN came.
    world.send(a.eni, syn.flags(ACK).numbers(102, 501)).delivered_to(b.eni);
    world.send(b.eni, back.flags(FIN_ACK).numbers(501, 102)).delivered_to(a.eni);
    world.send(a.eni, syn.flags(ACK).numbers(102, 502)).delivered_to(b.eni);
    world.send(b.eni, back.flags(ACK).numbers(502, 102)).dropped(Code::ConnectionClosed);
}

#[test]
fn a_half_closed_connection_still_carries_data_the_other_way() {
    let (mut world, a, b, syn) = connected();
    let back = syn.reply();
    world.send(a.eni, syn.flags(FIN_ACK).numbers(101, 501)).delivered_to(b.eni);
    for step in 0..3 {
        world.advance(600);
        world.send(b.eni, back.flags(ACK).numbers(501 + step * 100, 102)).delivered_to(a.eni);
        world.send(a.eni, syn.flags(ACK).numbers(102, 601 + step * 100)).delivered_to(b.eni);
    }
}

#[test]
fn after_a_reset_late_packets_are_refused() {
    let (mut world, a, b, syn) = connected();
    world.send(b.eni, syn.reply().flags(RST)).delivered_to(a.eni);
    world.send(a.eni, syn.flags(ACK)).dropped(Code::ConnectionClosed);
    world.send(b.eni, syn.reply().flags(RST | ACK)).dropped(Code::ConnectionClosed);
}

#[test]
fn a_refused_connection_can_be_tried_again_at_once() {
    let mut lab = Lab::new();
    let a = lab.a();
    let ssh = lab.group(&["in tcp 22 from 10.0.1.10/32"]);
    let b = lab.b(ssh);
    let syn = tcp("10.0.1.10:40000", "10.0.2.20:22");
    for _ in 0..3 {
        lab.world.send(a.eni, syn).delivered_to(b.eni);
        lab.world.send(b.eni, syn.reply().flags(RST | ACK)).delivered_to(a.eni);
    }
}

#[test]
fn a_new_connection_between_the_same_ports_is_judged_by_the_rules_as_they_are_now() {
    let (mut world, a, b, syn) = connected();
    world.send(b.eni, syn.reply().flags(RST)).delivered_to(a.eni);
    let ssh = world.network().enis.get(&b.eni).unwrap().groups[0];
    world.rules(ssh, &[]);
    world.send(a.eni, syn).dropped(Code::SgHasNoRules);
    world.rules(ssh, &["in tcp 22 from 10.0.0.0/8"]);
    world.send(a.eni, syn).delivered_to(b.eni);
    world.send(b.eni, syn.reply()).delivered_to(a.eni);
}

#[test]
fn a_new_connection_that_needs_no_state_is_not_held_up_by_the_old_one() {
    let (mut world, a, b, syn) = connected();
    world.send(b.eni, syn.reply().flags(RST)).delivered_to(a.eni);
    let group = world.network().enis.get(&b.eni).unwrap().groups[0];
    world.rules(group, &["in tcp 22 from 0.0.0.0/0", "out all to 0.0.0.0/0"]);
    world.send(a.eni, syn).delivered_to(b.eni);
    world.send(b.eni, syn.reply()).delivered_to(a.eni);
    world.send(a.eni, syn.flags(ACK)).delivered_to(b.eni);
}

#[test]
fn a_closed_connection_is_forgotten_after_a_minute() {
    let (mut world, a, b, syn) = connected();
    world.send(b.eni, syn.reply().flags(RST)).delivered_to(a.eni);
    world.send(a.eni, syn.flags(ACK)).dropped(Code::ConnectionClosed);
    world.advance(61);
    world.send(a.eni, syn.flags(ACK)).delivered_to(b.eni);
    world.send(b.eni, syn.reply().flags(ACK)).dropped(Code::SgHasNoRules);
}
