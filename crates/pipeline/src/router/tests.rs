#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use std::collections::BTreeMap;
use std::net::SocketAddr;

use openvpc_model::{DhcpOptions, DhcpOptionsId, EniId, Id, NetworkInterface, Vpc, VpcId};

use super::*;
use crate::testing::{Host, World};
use crate::wire::datagram::udp_frame;
use crate::wire::link::{ETHERNET_LEN, Ethernet, NeighborDiscovery};
use crate::wire::testing;

struct Bench {
    world: World,
    vpc: VpcId,
    host: Host,
}

/// A message of DHCPv4, taken apart.
#[derive(Debug)]
struct Told {
    to: SocketAddr,
    is_broadcast: bool,
    offered: Ipv4Addr,
    options: BTreeMap<u8, Vec<u8>>,
}

impl Bench {
    fn new() -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        world.add_block(vpc, "2001:db8:0:100::/56");
        let subnet = world.subnet(vpc, "10.0.1.0/24 2001:db8:0:101::/64");
        let host = world.host(subnet, "10.0.1.10 10.0.1.11 2001:db8:0:101::10", &[]);
        let mut bench = Self { world, vpc, host };
        bench.options(&[("domain-name", "eu-central-1.compute.internal"), ("domain-name-servers", "AmazonProvidedDNS")]);
        bench
    }

    fn options(&mut self, options: &[(&str, &str)]) {
        let vpc = self.world.network().vpcs.get(&self.vpc).unwrap().clone();
        let id = DhcpOptionsId::from_random(7);
        let options = options.iter().map(|(name, values)| ((*name).to_owned(), values.split(' ').map(str::to_owned).collect()));
        self.world.add(DhcpOptions { id, owner: vpc.owner.clone(), options: options.collect(), tags: Default::default() });
        self.world.edit::<Vpc>(self.vpc, |vpc| vpc.dhcp_options = Some(id));
    }

    fn mac(&self, eni: EniId) -> MacAddress {
        self.world.network().enis.get(&eni).unwrap().mac
    }

    /// What the router says to a datagram: the frame.
    fn ask(&mut self, eni: EniId, from: &str, to: &str, payload: &[u8]) -> Result<Vec<u8>, Asked> {
        let mut frame = [0; 2000];
        let link = (MacAddress([0xff; 6]), self.mac(eni));
        let length = udp_frame(link, from.parse().unwrap(), to.parse().unwrap(), payload, &mut frame).unwrap();
        let index = self.world.index(eni);
        let mut out = [0; 2000];
        match answer(self.world.tables(), index, &frame[ETHERNET_LEN..length], &mut out) {
            Asked::Answer(length) => Ok(out[..length].to_vec()),
            other => Err(other),
        }
    }

    /// A message of DHCPv4 with these options, from the address that the client has.
    fn message(&self, flags: u16, client: &str, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0];
        message.extend(flags.to_be_bytes());
        message.extend(client.parse::<Ipv4Addr>().unwrap().octets());
        message.extend([0; 12]);
        message.extend(self.mac(self.host.eni).0);
        message.resize(236, 0);
        message.extend([99, 130, 83, 99]);
        for (code, value) in options {
            message.extend([*code, value.len() as u8]);
            message.extend(*value);
        }
        message.push(255);
        message
    }

    fn say(&mut self, flags: u16, client: &str, options: &[(u8, &[u8])]) -> Result<Told, Asked> {
        let message = self.message(flags, client, options);
        let (eni, from) = (self.host.eni, format!("{client}:68"));
        let frame = self.ask(eni, &from, "255.255.255.255:67", &message)?;
        let ethernet = Ethernet::parse(&frame).unwrap();
        testing::assert_checksums(&frame[ETHERNET_LEN..]);
        let datagram = Datagram::parse(&frame[ETHERNET_LEN..]).unwrap();
        assert_eq!(datagram.from, "10.0.1.1:67".parse().unwrap());
        let reply = datagram.payload;
        assert_eq!((reply[0], &reply[4..8]), (2, &[1, 2, 3, 4][..]), "an answer to this message");
        let mut options = BTreeMap::new();
        let mut rest = &reply[240..];
        while rest[0] != 255 {
            let (value, behind) = rest[2..].split_at(usize::from(rest[1]));
            options.insert(rest[0], value.to_vec());
            rest = behind;
        }
        let offered: [u8; 4] = reply[16..20].try_into().unwrap();
        let is_broadcast = ethernet.destination == MacAddress([0xff; 6]);
        Ok(Told { to: datagram.to, is_broadcast, offered: offered.into(), options })
    }
}

const OWN: [u8; 4] = [10, 0, 1, 10];
const ROUTER: [u8; 4] = [10, 0, 1, 1];

#[test]
fn an_interface_is_offered_its_primary_address_and_all_that_goes_with_it() {
    let mut bench = Bench::new();
    let offer = bench.say(0, "0.0.0.0", &[(53, &[1])]).unwrap();
    assert_eq!((offer.to, offer.is_broadcast), ("10.0.1.10:68".parse().unwrap(), false));
    let ack = bench.say(0, "0.0.0.0", &[(53, &[3]), (50, &OWN), (54, &ROUTER)]).unwrap();
    for (told, kind) in [(&offer, 2), (&ack, 5)] {
        assert_eq!(told.offered, Ipv4Addr::from(OWN));
        let expected: [(u8, &[u8]); 12] = [
            (1, &[255, 255, 255, 0]),
            (3, &ROUTER),
            (6, &[10, 0, 0, 2]),
            (12, b"ip-10-0-1-10"),
            (15, b"eu-central-1.compute.internal"),
            (26, &9001_u16.to_be_bytes()),
            (28, &[10, 0, 1, 255]),
            (51, &3600_u32.to_be_bytes()),
            (53, &[kind]),
            (54, &ROUTER),
            (42, &[]),
            (44, &[]),
        ];
        for (code, value) in expected {
            assert_eq!(told.options.get(&code).map_or(&[][..], |value| value), value, "option {code}");
        }
    }
    assert!(bench.say(0x8000, "0.0.0.0", &[(53, &[1])]).unwrap().is_broadcast, "where it is asked for");
}

#[test]
fn a_foreign_address_is_refused() {
    let mut bench = Bench::new();
    for wanted in [[10, 0, 1, 11], [10, 0, 1, 99], [192, 168, 0, 5]] {
        let nak = bench.say(0, "0.0.0.0", &[(53, &[3]), (50, &wanted)]).unwrap();
        assert_eq!((nak.options[&53].as_slice(), nak.is_broadcast, nak.offered), (&[6][..], true, Ipv4Addr::UNSPECIFIED));
        assert!(!nak.options.contains_key(&51) && !nak.options.contains_key(&3));
    }
    assert_eq!(bench.say(0, "10.0.1.99", &[(53, &[3])]).unwrap().options[&53], [6], "a renewal of it");
}

#[test]
fn a_lease_is_renewed_with_the_router_itself() {
    let mut bench = Bench::new();
    let message = bench.message(0, "10.0.1.10", &[(53, &[3])]);
    let eni = bench.host.eni;
    let frame = bench.ask(eni, "10.0.1.10:68", "10.0.1.1:67", &message).unwrap();
    let datagram = Datagram::parse(&frame[ETHERNET_LEN..]).unwrap();
    assert_eq!(datagram.to, "10.0.1.10:68".parse().unwrap());
    assert_eq!(Ethernet::parse(&frame).unwrap().destination, bench.mac(eni));
    assert_eq!(bench.ask(eni, "10.0.1.10:68", "10.0.1.77:67", &message), Err(Asked::Not), "another's server");
    assert_eq!(bench.ask(eni, "10.0.1.10:68", "255.255.255.255:68", &message), Err(Asked::Not), "another port");
}

#[test]
fn an_inform_is_answered_without_a_lease() {
    let mut bench = Bench::new();
    let told = bench.say(0, "10.0.1.10", &[(53, &[8])]).unwrap();
    assert_eq!((told.to, told.offered), ("10.0.1.10:68".parse().unwrap(), Ipv4Addr::UNSPECIFIED));
    assert!(told.options.contains_key(&6) && !told.options.contains_key(&51));
}

#[test]
fn what_needs_no_answer_gets_none() {
    let mut bench = Bench::new();
    let quiet: [&[(u8, &[u8])]; 5] =
        [&[(53, &[7])], &[(53, &[4])], &[(53, &[2])], &[], &[(53, &[3]), (50, &OWN), (54, &[10, 0, 1, 99])]];
    for options in quiet {
        assert_eq!(bench.say(0, "0.0.0.0", options).map(|_| ()), Err(Asked::Silence), "{options:?}");
    }
    let instance = bench.host;
    bench.world.set_state(instance, openvpc_model::InstanceState::Stopped);
    assert_eq!(bench.say(0, "0.0.0.0", &[(53, &[1])]).map(|_| ()), Err(Asked::Not));
}

#[test]
fn the_option_set_of_the_vpc_is_what_counts() {
    let mut bench = Bench::new();
    bench.options(&[
        ("domain-name", "corp.example lab.example"),
        ("domain-name-servers", "10.0.0.2 10.9.0.53 2001:db8::53"),
        ("ntp-servers", "169.254.169.123 fd00:ec2::123"),
        ("netbios-name-servers", "10.0.0.9"),
        ("netbios-node-type", "2"),
    ]);
    let offer = bench.say(0, "0.0.0.0", &[(53, &[1])]).unwrap();
    assert_eq!(offer.options[&15], b"corp.example lab.example");
    assert_eq!(offer.options[&6], [10, 0, 0, 2, 10, 9, 0, 53]);
    assert_eq!(offer.options[&42], [169, 254, 169, 123]);
    assert_eq!((&offer.options[&44][..], &offer.options[&46][..]), (&[10, 0, 0, 9][..], &[2][..]));
    let vpc = bench.vpc;
    bench.world.edit::<Vpc>(vpc, |vpc| vpc.dhcp_options = None);
    let offer = bench.say(0, "0.0.0.0", &[(53, &[1])]).unwrap();
    assert_eq!(offer.options[&6], [169, 254, 169, 253]);
    assert!(!offer.options.contains_key(&15));
}

#[test]
fn what_cannot_be_read_is_malformed() {
    let mut bench = Bench::new();
    let (eni, whole) = (bench.host.eni, bench.message(0, "0.0.0.0", &[(53, &[1]), (50, &OWN)]));
    let mut ask = |message: &[u8]| bench.ask(eni, "0.0.0.0:68", "255.255.255.255:67", message);
    for place in [0, 1, 2, 28, 33, 236, 239] {
        let mut other = whole.clone();
        other[place] ^= 0x20;
        assert_eq!(ask(&other), Err(Asked::Malformed), "byte {place}");
    }
    for length in 0..whole.len() - 1 {
        let told = ask(&whole[..length]);
        assert!(told != Err(Asked::Not) && (length > 239 || told == Err(Asked::Malformed)), "{length} bytes");
    }
    let mut long = whole.clone();
    long[2] = 255;
    assert_eq!(ask(&long), Err(Asked::Malformed), "a hardware address longer than its field");
}

/// A message of DHCPv6.
fn message6(kind: u8, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut message = vec![kind, 7, 8, 9];
    for (code, value) in options {
        message.extend(code.to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        message.extend(*value);
    }
    message
}

fn options6(mut rest: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let mut options = BTreeMap::new();
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        options.insert(u16::from_be_bytes([rest[0], rest[1]]), rest[4..4 + length].to_vec());
        rest = &rest[4 + length..];
    }
    options
}

impl Bench {
    fn say6(&mut self, eni: EniId, message: &[u8]) -> Result<(u8, BTreeMap<u16, Vec<u8>>), Asked> {
        let from = format!("[{}]:546", self.mac(eni).link_local());
        let frame = self.ask(eni, &from, "[ff02::1:2]:547", message)?;
        testing::assert_checksums(&frame[ETHERNET_LEN..]);
        let datagram = Datagram::parse(&frame[ETHERNET_LEN..]).unwrap();
        assert_eq!(datagram.to, from.parse().unwrap());
        assert_eq!(datagram.payload[1..4], [7, 8, 9]);
        Ok((datagram.payload[0], options6(&datagram.payload[4..])))
    }
}

const ID: &[u8] = &[0, 3, 0, 1, 1, 2, 3, 4, 5, 6];
const ASSOCIATION: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn an_ipv6_address_is_advertised_requested_and_renewed() {
    let mut bench = Bench::new();
    let eni = bench.host.eni;
    let own = "2001:db8:0:101::10".parse::<Ipv6Addr>().unwrap().octets();
    let (kind, advertised) = bench.say6(eni, &message6(1, &[(1, ID), (3, ASSOCIATION)])).unwrap();
    assert_eq!((kind, advertised[&1].as_slice()), (2, ID));
    let server = advertised[&2].clone();
    let association = &advertised[&3];
    assert_eq!(association[..4], [0, 0, 0, 1]);
    assert_eq!((&association[4..8], &association[8..12]), (&70_u32.to_be_bytes()[..], &112_u32.to_be_bytes()[..]));
    let inner = options6(&association[12..]);
    assert_eq!(inner[&5], [&own[..], &140_u32.to_be_bytes(), &450_u32.to_be_bytes()].concat());
    assert!(!advertised.contains_key(&23), "in a dual-stack subnet DHCPv4 tells of resolvers");
    for (asked, has_server) in [(3, true), (5, true), (6, false)] {
        let mut options = vec![(1, ID), (3, ASSOCIATION)];
        if has_server {
            options.push((2, &server));
        }
        let (kind, replied) = bench.say6(eni, &message6(asked, &options)).unwrap();
        assert_eq!((kind, &replied[&3]), (7, association), "{asked}");
    }
    let rapid = bench.say6(eni, &message6(1, &[(1, ID), (3, ASSOCIATION), (14, &[])])).unwrap();
    assert_eq!((rapid.0, rapid.1.contains_key(&14)), (7, true));
}

#[test]
fn an_ipv6_address_that_is_not_the_interfaces_is_void() {
    let mut bench = Bench::new();
    let eni = bench.host.eni;
    let other = "2001:db8:0:101::99".parse::<Ipv6Addr>().unwrap().octets();
    let wanted = [ASSOCIATION, &[0, 5, 0, 24], &other, &[0; 8]].concat();
    let (_, told) = bench.say6(eni, &message6(6, &[(1, ID), (3, &wanted)])).unwrap();
    let association = &told[&3][12..];
    assert_eq!(association.len(), 56, "two addresses");
    assert_eq!(association[32..56], [&other[..], &[0; 8]].concat());
    let confirm = |bench: &mut Bench, address: &str| {
        let wanted = [ASSOCIATION, &[0, 5, 0, 24], &address.parse::<Ipv6Addr>().unwrap().octets(), &[0; 8]].concat();
        bench.say6(eni, &message6(4, &[(1, ID), (3, &wanted)])).unwrap().1[&13].clone()
    };
    assert_eq!(confirm(&mut bench, "2001:db8:0:101::99"), [0, 0]);
    assert_eq!(confirm(&mut bench, "2001:db8:ffff::1"), [0, 4], "not on link");
    bench.world.edit::<NetworkInterface>(eni, |eni| eni.ipv6_addresses.clear());
    let (_, told) = bench.say6(eni, &message6(1, &[(1, ID), (3, ASSOCIATION)])).unwrap();
    assert_eq!(options6(&told[&3][12..])[&13], [0, 2], "no addresses available");
}

#[test]
fn in_an_ipv6_only_subnet_all_comes_by_dhcpv6_and_the_services_by_ipv4() {
    let mut bench = Bench::new();
    let subnet = bench.world.subnet(bench.vpc, "2001:db8:0:106::/64");
    let host = bench.world.host(subnet, "2001:db8:0:106::7", &[]);
    let (_, told) = bench.say6(host.eni, &message6(1, &[(1, ID), (3, ASSOCIATION)])).unwrap();
    assert_eq!(told[&23], "fd00:ec2::253".parse::<Ipv6Addr>().unwrap().octets());
    assert_eq!(told[&24], b"\x0ceu-central-1\x07compute\x08internal\x00");
    let mut message = bench.message(0, "0.0.0.0", &[(53, &[1])]);
    message[28..34].copy_from_slice(&bench.mac(host.eni).0);
    let frame = bench.ask(host.eni, "0.0.0.0:68", "255.255.255.255:67", &message).unwrap();
    let reply = Datagram::parse(&frame[ETHERNET_LEN..]).unwrap();
    assert_eq!(reply.payload[16..20], IPV6_ONLY_ADDRESS.octets());
    assert!(reply.payload.windows(6).any(|window| window == [6, 4, 169, 254, 169, 253]), "the resolver");
}

#[test]
fn dhcpv6_that_cannot_be_read_or_is_for_another_gets_nothing() {
    let mut bench = Bench::new();
    let eni = bench.host.eni;
    let whole = message6(1, &[(1, ID), (3, ASSOCIATION)]);
    for length in 0..whole.len() {
        let told = bench.say6(eni, &whole[..length]);
        assert!(matches!(told, Err(Asked::Malformed | Asked::Silence)) || length == 18, "{length}: {told:?}");
    }
    let long = [7; 131];
    assert_eq!(bench.say6(eni, &message6(1, &[(1, &long)])), Err(Asked::Malformed));
    assert_eq!(bench.say6(eni, &message6(3, &[(1, ID), (2, b"other"), (3, ASSOCIATION)])), Err(Asked::Silence));
    assert_eq!(bench.say6(eni, &message6(1, &[(3, ASSOCIATION)])), Err(Asked::Silence), "nobody asks");
    assert_eq!(bench.say6(eni, &message6(12, &[(1, ID)])), Err(Asked::Silence), "a relay");
    let from = "[2001:db8:0:101::10]:546";
    assert_eq!(bench.ask(eni, from, "[ff02::1:2]:547", &whole), Err(Asked::Malformed));
}

#[test]
fn the_router_advertises_itself_and_that_addresses_are_managed() {
    let mut bench = Bench::new();
    let index = bench.world.index(bench.host.eni);
    let mut out = [0; 500];
    let length = advertise(bench.world.tables(), index, None, &mut out).unwrap();
    let frame = &out[..length];
    let router = bench.world.tables().router_mac(index);
    let ethernet = Ethernet::parse(frame).unwrap();
    assert_eq!((ethernet.destination, ethernet.source), (MacAddress([0x33, 0x33, 0, 0, 0, 1]), router));
    let packet = &frame[ETHERNET_LEN..];
    testing::assert_checksums(packet);
    assert_eq!(NeighborDiscovery::parse(packet), Some(NeighborDiscovery::Router { kind: 134, source: router.link_local() }));
    let message = &packet[40..];
    assert_eq!((message[5], &message[6..8]), (0x80, &1800_u16.to_be_bytes()[..]), "managed");
    assert_eq!(message[16..24], [&[1, 1][..], &router.0].concat());
    assert_eq!(message[24..32], [5, 1, 0, 0, 0, 0, 0x23, 0x29]);
    assert_eq!(message[32..36], [3, 4, 64, 0x80], "on link, not autonomous");
    assert_eq!(message[48..64], "2001:db8:0:101::".parse::<Ipv6Addr>().unwrap().octets());

    let subnet = bench.world.subnet(bench.vpc, "10.0.9.0/24");
    let host = bench.world.host(subnet, "10.0.9.9", &[]);
    let index = bench.world.index(host.eni);
    assert_eq!(advertise(bench.world.tables(), index, None, &mut out), None, "no IPv6, no router");
}
