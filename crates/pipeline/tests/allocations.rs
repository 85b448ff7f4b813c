//! Judging a packet allocates nothing, whatever its way. A test binary of its own, because it counts for the whole process.
#![allow(unsafe_code, reason = "the counting allocator; see its SAFETY comments")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/counting.rs"]
mod counting;

use openvpc_model::RouteTarget;
use openvpc_pipeline::testing::World;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{FlowState, Ingress, Nanos, NextHop, NoTrace, Outcome, PacketHeader, step};

#[test]
fn judging_a_packet_allocates_nothing() {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    world.add_block(vpc, "2001:db8:0:100::/56");
    let gateway = world.gateway(vpc);
    let main = world.main_table(vpc);
    world.route(main, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
    let first = world.subnet(vpc, "10.0.1.0/24 2001:db8:0:101::/64");
    let second = world.subnet(vpc, "10.0.2.0/24 2001:db8:0:102::/64");
    let client = world.group(vpc, &["out all to 10.0.0.0/16", "out tcp 443 to 0.0.0.0/0", "out all to 2001:db8::/32"]);
    let server =
        world.group(vpc, &[&format!("in tcp 80 from {client}"), "in icmp 8 from 10.0.0.0/16", "in tcp 80 from 2001:db8::/32"]);
    let a = world.host(first, "10.0.1.10 2001:db8:0:101::10", &[client]);
    let b = world.host(second, "10.0.2.20 2001:db8:0:102::20", &[server]);
    world.nacl(
        second,
        &["100 in allow all 10.0.0.0/16", "101 in allow all ::/0", "100 out allow all 0.0.0.0/0", "101 out allow all ::/0"],
    );
    world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let at = |eni| Ingress::Eni { eni, next_hop: NextHop::Router };
    let (from_a, from_b) = (at(world.index(a.eni)), at(world.index(b.eni)));

    let mut packets: Vec<(Ingress, PacketHeader)> = Vec::new();
    for port in 1024..2048 {
        let syn = tcp(&format!("10.0.1.10:{port}"), "10.0.2.20:80");
        let v6 = tcp(&format!("[2001:db8:0:101::10]:{port}"), "[2001:db8:0:102::20]:80");
        let out = tcp(&format!("10.0.1.10:{port}"), "198.51.100.10:443");
        let inwards = tcp("198.51.100.10:443", &format!("203.0.113.10:{port}"));
        packets.extend([(from_a, syn), (from_b, syn.reply()), (from_a, syn.flags(0x10)), (from_a, v6), (from_b, v6.reply())]);
        packets.extend([(from_a, out), (Ingress::Internet, inwards.flags(0x12)), (Ingress::Internet, inwards)]);
        packets.push((from_a, tcp(&format!("10.0.1.10:{port}"), "10.0.2.20:81")));
        packets.push((from_a, ping("10.0.1.10", "10.0.2.20")));
        packets.push((from_b, syn.error("10.0.2.20", 3, 3)));
        packets.push((from_a, udp("10.0.1.10:1", "10.0.2.20:80").fragment(port, true)));
        packets.push((from_a, udp("10.0.1.10:1", "10.0.2.20:80").fragment(port, false)));
        packets.push((from_a, udp("10.0.1.10:1", "198.51.100.10:443").length(2000)));
        packets.push((from_a, udp("10.0.1.10:1", "169.254.169.254:80")));
    }
    let tables = world.tables().clone();
    let mut state = FlowState::new(packets.len());
    state.sync(&tables);
    // The memory for fragments is taken once, when the first one comes.
    let fragment = udp("10.0.1.10:1", "10.0.2.20:80").fragment(1, true);
    step(&tables, &mut state, from_a, &fragment, Nanos(0), &mut NoTrace);

    let before = counting::allocations();
    let mut delivered = 0;
    for (number, (ingress, packet)) in packets.iter().enumerate() {
        let now = Nanos(number as u64 * 1_000_000);
        let verdict = step(&tables, &mut state, *ingress, packet, now, &mut NoTrace);
        delivered += u64::from(matches!(verdict.outcome, Outcome::Deliver(_)));
        if number % 64 == 0 {
            state.sweep(now, 64);
        }
    }
    assert_eq!(counting::allocations() - before, 0, "allocations for {} packets", packets.len());
    assert_eq!(delivered, 11 * 1024, "the packets took the ways that they were meant to");
}
