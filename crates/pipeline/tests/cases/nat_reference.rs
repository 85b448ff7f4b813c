//! NAT gateways beside a naive reference: a list of who has which port, since when.
//!
//! Random flows, answers and silences, of fixed seeds. No two flows that live share an outside; a flow keeps its own as long
//! as it is not idle; what comes in goes to whoever's it is, and to nobody else.

use std::collections::HashMap;

use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::testing::topology::Dice;
use openvpc_pipeline::testing::{Host, World};
use openvpc_pipeline::{Code, PacketHeader, Reply, Transport};

const IDLE: u64 = 350;
const SEEDS: u64 = 12;
const STEPS: usize = 400;

/// Protocol, client and its port, server and its port.
type Inside = (u8, String, u16, String, u16);
/// Protocol, the gateway's address and port, server and its port.
type Outside = (u8, String, u16, String, u16);

/// Who has which port, and when it was last used.
#[derive(Default)]
struct Reference {
    mappings: Vec<(Inside, Outside, u64)>,
}

impl Reference {
    fn forget_idle(&mut self, now: u64) {
        self.mappings.retain(|(.., seen)| now < seen + IDLE);
    }

    fn go_out(&mut self, inside: &Inside, now: u64) -> Option<Outside> {
        self.forget_idle(now);
        let found = self.mappings.iter_mut().find(|(known, ..)| known == inside)?;
        found.2 = now;
        Some(found.1.clone())
    }

    fn come_back(&mut self, outside: &Outside, now: u64) -> Option<Inside> {
        self.forget_idle(now);
        let found = self.mappings.iter_mut().find(|(_, known, _)| known == outside)?;
        found.2 = now;
        Some(found.0.clone())
    }

    /// A flow that the gateway chose a port for.
    fn add(&mut self, inside: Inside, outside: Outside, now: u64, seed: u64) {
        let taken = self.mappings.iter().find(|(_, known, _)| *known == outside);
        assert!(taken.is_none(), "seed {seed}: {inside:?} got the port of {taken:?}");
        assert!(outside.2 >= 1024, "{outside:?}");
        self.mappings.push((inside, outside, now));
    }
}

fn ports(transport: Transport) -> (u16, u16) {
    match transport {
        Transport::Ports { src, dst } => (src, dst),
        Transport::Icmp { id, .. } => (id, 0),
        other => panic!("{other:?}"),
    }
}

fn ends(packet: &PacketHeader) -> (u8, String, u16, String, u16) {
    let (source, destination) = ports(packet.transport);
    (packet.protocol, packet.src.to_string(), source, packet.dst.to_string(), destination)
}

#[test]
fn a_naive_reference_agrees_on_random_flows() {
    for seed in 1..=SEEDS {
        let (mut out, mut back) = (0, 0);
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            if run.dice.chance(60) {
                out += u32::from(run.send());
            } else {
                back += u32::from(run.answer());
            }
            let pause = run.dice.pick(&[0, 0, 0, 1, 20, 120, 340, 351]);
            run.world.advance(pause);
            run.now += pause;
            if run.dice.chance(10) {
                let now = run.world.now();
                run.world.state().sweep(now, 64);
            }
        }
        assert!(out > 50 && back > 5, "seed {seed}: {out} out, {back} back");
    }
}

struct Run {
    seed: u64,
    dice: Dice,
    world: World,
    clients: Vec<Host>,
    reference: Reference,
    now: u64,
    /// What left, to be answered perhaps.
    left: Vec<PacketHeader>,
    /// Clients' TCP connections that were told they are over, so that their security group refuses more of them.
    reset: HashMap<Inside, ()>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        let gateway = world.gateway(vpc);
        let main = world.main_table(vpc);
        world.route(main, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
        let (outer, inner) = (world.subnet(vpc, "10.0.1.0/24"), world.subnet(vpc, "10.0.2.0/24"));
        let nat = world.nat(outer, "10.0.1.250=203.0.113.50 10.0.1.251=203.0.113.51");
        let table = world.table(vpc);
        world.use_table(table, route::TableUser::Subnet(inner));
        world.route(table, "0.0.0.0/0", RouteTarget::NatGateway(nat.id));
        let open = world.open_group(vpc);
        let clients = (10..13).map(|last| world.host(inner, &format!("10.0.2.{last}"), &[open])).collect();
        let (dice, reference) = (Dice::new(seed), Reference::default());
        Self { seed, dice, world, clients, reference, now: 0, left: Vec::new(), reset: HashMap::new() }
    }

    /// A client sends; whether it went out.
    fn send(&mut self) -> bool {
        let client = self.dice.below(self.clients.len());
        let from = format!("10.0.2.{}:{}", 10 + client, self.dice.pick(&[40000, 40001, 40002]));
        let server = self.dice.pick(&["198.51.100.10", "198.51.100.11"]);
        let to = format!("{server}:{}", self.dice.pick(&[53, 443]));
        let packet = match self.dice.below(4) {
            0 => tcp(&from, &to),
            1 => segment(&from, &to, 0x10),
            2 => udp(&from, &to),
            _ => ping(&format!("10.0.2.{}", 10 + client), server),
        };
        let inside = ends(&packet);
        let expected = self.reference.go_out(&inside, self.now);
        let sent = self.world.send(self.clients[client].eni, packet);
        let opens = packet.tcp.is_none_or(|tcp| tcp.opens());
        if expected.is_none() && !opens {
            match self.reset.insert(inside, ()) {
                // Its own security group knows by now that the connection is over, unless that was long ago.
                Some(()) => assert!(!sent.is_delivered()),
                None => assert_eq!(sent.dropped(Code::NatIdleTimeout).reply, Some(Reply::TcpReset)),
            }
            return false;
        }
        let out = sent.delivered_to_internet();
        self.reset.remove(&inside);
        let outside = ends(&out);
        match expected {
            Some(expected) => assert_eq!(outside, expected, "seed {}: a flow keeps its port", self.seed),
            None => self.reference.add(inside, outside, self.now, self.seed),
        }
        self.left.push(out);
        // Most answers are prompt.
        self.left.drain(..self.left.len().saturating_sub(4));
        true
    }

    /// Somebody outside sends: mostly an answer, perhaps a late one, perhaps something that nobody asked for. Whether it came in.
    fn answer(&mut self) -> bool {
        if self.left.is_empty() {
            return false;
        }
        let mut packet = self.dice.pick(&self.left).reply();
        if self.dice.chance(20)
            && let Transport::Ports { dst, .. } = &mut packet.transport
        {
            *dst = self.dice.pick(&[22, 1024, 5000, 65535]);
        }
        let asked = packet.reply();
        let (source, destination) = match (asked.transport, packet.transport) {
            // The answer's identifier is the asking end's.
            (_, Transport::Icmp { id, .. }) => (id, 0),
            (transport, _) => ports(transport),
        };
        let outside = (packet.protocol, packet.dst.to_string(), source, packet.src.to_string(), destination);
        let expected = self.reference.come_back(&outside, self.now);
        let sent = self.world.send_from_internet(packet);
        match expected {
            Some(inside) => {
                let client = usize::from(inside.1.ends_with("11")) + 2 * usize::from(inside.1.ends_with("12"));
                // A client's security group may have forgotten or closed its part; the gateway let it through all the same.
                if let openvpc_pipeline::Outcome::Drop(drop) = sent.verdict.outcome {
                    assert!(matches!(drop.resource, openvpc_pipeline::ResourceId::SecurityGroup(_)), "{drop:?}");
                    return false;
                }
                let seen = sent.delivered_to(self.clients[client].eni);
                let port = match seen.transport {
                    Transport::Ports { dst, .. } => dst,
                    other => ports(other).0,
                };
                assert_eq!((seen.dst.to_string(), port), (inside.1, inside.2), "seed {}", self.seed);
                true
            }
            None => {
                sent.dropped(Code::NatNoConnection);
                false
            }
        }
    }
}
