//! Section 1: VPC, subnets, CIDR arithmetic.
//!
//! Out of scope here: all rows about CreateVpc, AssociateVpcCidrBlock, CreateSubnet, CreateNetworkInterface and DeleteVpc.

use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, ResourceId};

use crate::Lab;

#[test]
fn a_packet_to_a_subnet_broadcast_address_is_dropped() {
    let mut lab = Lab::new();
    let a = lab.a();
    let own = lab.world.send(a.eni, udp("10.0.1.10:5000", "10.0.1.255:5000"));
    assert_eq!(own.dropped(Code::AddressNotForwarded).resource, ResourceId::Subnet(lab.first));
    own.legs(&[]);
    let other = lab.world.send(a.eni, udp("10.0.1.10:5000", "10.0.2.255:5000"));
    other.dropped(Code::AddressNotForwarded);
    lab.world.send(a.eni, udp("10.0.1.10:5000", "255.255.255.255:5000")).dropped(Code::AddressNotForwarded);
}

#[test]
fn multicast_is_not_forwarded() {
    let mut lab = Lab::new();
    let a = lab.a();
    lab.world.send(a.eni, udp("10.0.1.10:5353", "224.0.0.251:5353")).dropped(Code::AddressNotForwarded);
    lab.world.send(a.eni, udp("[2001:db8:0:101::10]:5353", "[ff02::fb]:5353")).dropped(Code::AddressNotForwarded);
}

#[test]
fn the_reserved_addresses_of_a_subnet_are_nobodys() {
    let mut lab = Lab::new();
    let a = lab.a();
    for address in ["10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.2.0", "10.0.2.1", "10.0.2.2", "10.0.2.3", "10.0.0.2"] {
        lab.world.send(a.eni, ping("10.0.1.10", address)).dropped(Code::AddressNotForwarded);
    }
    for address in ["2001:db8:0:101::1", "2001:db8:0:102::", "2001:db8:0:102::3", "2001:db8:0:102:ffff:ffff:ffff:ffff"] {
        lab.world.send(a.eni, ping("2001:db8:0:101::10", address)).dropped(Code::AddressNotForwarded);
    }
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.4")).dropped(Code::UnknownDestination);
}

#[test]
fn link_local_addresses_never_consult_the_route_table() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    let main = lab.world.main_table(lab.vpc);
    lab.world.route(main, "169.254.0.0/16", openvpc_model::RouteTarget::InternetGateway(gateway));
    for (source, address) in [
        ("10.0.1.10:40000", "169.254.169.250:1688"),
        ("10.0.1.10:40000", "169.254.170.2:80"),
        ("10.0.1.10:40000", "169.254.1.1:80"),
        ("[2001:db8:0:101::10]:40000", "[fd00:ec2::250]:1688"),
        ("[2001:db8:0:101::10]:40000", "[fe80::1]:80"),
    ] {
        let sent = lab.world.send(a.eni, tcp(source, address));
        sent.dropped(Code::AddressNotForwarded);
        sent.legs(&[]);
        assert!(!sent.hops.iter().any(|hop| matches!(hop.resource, ResourceId::RouteTable(_))), "{address}");
    }
}

#[test]
fn a_second_block_has_a_local_route_in_every_table() {
    let mut lab = Lab::new();
    let a = lab.a();
    lab.world.add_block(lab.vpc, "100.64.0.0/16");
    let subnet = lab.world.subnet(lab.vpc, "100.64.1.0/24");
    let c = lab.world.host(subnet, "100.64.1.5", &[lab.open]);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "100.64.1.5:80")).delivered_to(c.eni);
    lab.world.send(c.eni, tcp("100.64.1.5:80", "10.0.1.10:40000")).delivered_to(a.eni);
    let own = lab.world.table(lab.vpc);
    lab.world.use_table(own, openvpc_model::route::TableUser::Subnet(lab.first));
    lab.world.send(a.eni, tcp("10.0.1.10:40001", "100.64.1.5:80")).delivered_to(c.eni);
}

#[test]
fn an_ipv6_only_subnet_works_without_ipv4() {
    let mut lab = Lab::new();
    let a = lab.a();
    let subnet = lab.world.subnet(lab.vpc, "2001:db8:0:103::/64");
    let c = lab.world.host(subnet, "2001:db8:0:103::5", &[lab.open]);
    lab.world.send(a.eni, tcp("[2001:db8:0:101::10]:40000", "[2001:db8:0:103::5]:80")).delivered_to(c.eni);
}

#[test]
fn nine_thousand_and_one_bytes_pass_inside_a_vpc_and_no_more() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let packet = udp("10.0.1.10:5000", "10.0.2.20:5000");
    lab.world.send(a.eni, packet.length(9001)).delivered_to(b.eni);
    lab.world.send(a.eni, packet.length(9002)).dropped(Code::MtuExceeded);
    let fragmented = lab.world.send(a.eni, packet.length(9002).may_fragment());
    assert_eq!(fragmented.delivered().mtu, 9001);
}
