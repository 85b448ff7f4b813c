//! DHCP from an instance.

use std::cell::RefCell;
use std::net::SocketAddr;

use openvpc_model::interface::MacAddress;
use openvpc_pipeline::router::{self, Asked};
use openvpc_pipeline::testing::World;
use openvpc_pipeline::wire::datagram::{Datagram, udp_frame};
use openvpc_pipeline::wire::link::ETHERNET_LEN;
use openvpc_pipeline::{EniIndex, Tables};

/// Takes the first byte for a choice of family and interface, and the rest for a message, and for a whole packet. What is
/// answered is a datagram for a client.
pub fn dhcp(data: &[u8]) {
    let Some((choice, message)) = data.split_first() else { return };
    BENCH.with_borrow(|(tables, enis)| {
        let eni = enis[usize::from(choice >> 1 & 1)];
        ask(tables, eni, message);
        let mac = tables.eni(eni).map_or(MacAddress([0; 6]), |entry| entry.eni.mac);
        let mut message = message.to_vec();
        let (from, to): (SocketAddr, SocketAddr) = match choice & 1 {
            0 => {
                // A hardware address is hard to guess.
                if let Some(place) = message.get_mut(28..34) {
                    place.copy_from_slice(&mac.0);
                }
                (([10, 0, 1, 10], 68).into(), ([255, 255, 255, 255], 67).into())
            }
            _ => ((mac.link_local(), 546).into(), (std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2), 547).into()),
        };
        let mut frame = vec![0; message.len() + 100];
        if let Some(length) = udp_frame((mac, mac), from, to, &message, &mut frame) {
            ask(tables, eni, &frame[ETHERNET_LEN..length]);
        }
    });
}

fn ask(tables: &Tables, eni: EniIndex, packet: &[u8]) {
    let mut out = [0; 1500];
    let asked = router::answer(tables, eni, packet, &mut out);
    assert!(asked == Asked::Not || router::may_be_asked(packet));
    if let Asked::Answer(length) = asked {
        let answer = Datagram::parse(&out[ETHERNET_LEN..length]).expect("a datagram");
        assert!(matches!(answer.to.port(), 68 | 546));
        assert!(answer.payload.len() <= 1200);
    }
}

thread_local! {
    static BENCH: RefCell<(Tables, [EniIndex; 2])> = RefCell::new(bench());
}

/// An interface in a subnet of both families, and one in an IPv6-only subnet.
fn bench() -> (Tables, [EniIndex; 2]) {
    let mut world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    world.add_block(vpc, "2001:db8:0:100::/56");
    let both = world.subnet(vpc, "10.0.1.0/24 2001:db8:0:101::/64");
    let only = world.subnet(vpc, "2001:db8:0:102::/64");
    let hosts = [world.host(both, "10.0.1.10 2001:db8:0:101::10", &[]), world.host(only, "2001:db8:0:102::10", &[])];
    let enis = hosts.map(|host| world.index(host.eni));
    (world.tables().clone(), enis)
}
