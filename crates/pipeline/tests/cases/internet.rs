//! Section 8: the internet gateway, and the gateway route tables of section 4.
//!
//! Out of scope here: egress-only and carrier gateways, NAT gateways, virtual private gateways, peering, Block Public
//! Access, and rows about calls that are refused.

use openvpc_model::route::TableUser;
use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, ResourceId, RuleId};

use crate::Lab;

#[test]
fn an_interface_without_public_address_does_not_get_out() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80"));
    let drop = sent.dropped(Code::IgwPublicIpAssociationForEgress);
    assert_eq!(drop.resource, ResourceId::InternetGateway(gateway));
    sent.legs(&[format!("egress accept {}", a.eni)]);
}

#[test]
fn a_public_address_without_a_route_does_not_get_out() {
    let mut lab = Lab::new();
    lab.world.gateway(lab.vpc);
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "198.51.100.10:80")).dropped(Code::NoRouteToDestination);
}

#[test]
fn the_gateway_translates_one_to_one_and_counts_the_hop() {
    let (mut lab, _) = Lab::with_internet();
    let c = lab.world.host(lab.first, "10.0.1.30 10.0.1.31", &[lab.open]);
    lab.world.public(c.eni, "10.0.1.30", "203.0.113.30");
    lab.world.public(c.eni, "10.0.1.31", "203.0.113.31");
    for (private, public) in [("10.0.1.30", "203.0.113.30"), ("10.0.1.31", "203.0.113.31")] {
        let syn = tcp(&format!("{private}:40000"), "198.51.100.10:80");
        let out = lab.world.send(c.eni, syn).delivered_to_internet();
        assert_eq!((out.src.to_string(), out.dst, out.transport), (public.to_owned(), syn.dst, syn.transport));
        assert_eq!(out.ttl, 63);
        let back = lab.world.send_from_internet(out.reply().ttl(64)).delivered_to(c.eni);
        assert_eq!((back.src, back.dst, back.ttl), (syn.dst, syn.src, 63));
    }
}

#[test]
fn ipv6_is_not_translated() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let syn = tcp("[2001:db8:0:101::10]:40000", "[2001:db8:ffff::10]:80");
    let out = lab.world.send(a.eni, syn).delivered_to_internet();
    assert_eq!((out.src, out.dst, out.ttl), (syn.src, syn.dst, 63));
    let back = lab.world.send_from_internet(out.reply()).delivered_to(a.eni);
    assert_eq!((back.src, back.dst), (syn.dst, syn.src));
}

#[test]
fn private_and_shared_destinations_do_not_get_out() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    for (destination, code) in [
        ("10.1.0.1", Code::IgwDestinationAddressNotInRfc1918Egress),
        ("172.16.0.1", Code::IgwDestinationAddressNotInRfc1918Egress),
        ("192.168.0.1", Code::IgwDestinationAddressNotInRfc1918Egress),
        ("100.64.0.1", Code::IgwDestinationAddressNotInRfc6598Egress),
    ] {
        lab.world.send(a.eni, ping("10.0.1.10", destination)).dropped(code);
    }
    lab.world.send(a.eni, ping("2001:db8:0:101::10", "fd12::1")).dropped(Code::InternetUnreachable);
}

#[test]
fn private_and_shared_sources_do_not_get_in() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    for (source, code) in [
        ("10.1.0.1", Code::IgwSourceAddressNotInRfc1918Ingress),
        ("100.64.0.1", Code::IgwSourceAddressNotInRfc6598Ingress),
        ("127.0.0.1", Code::GatewayRejectsSpoofedTraffic),
    ] {
        let sent = lab.world.send_from_internet(ping(source, "203.0.113.10"));
        assert_eq!(sent.dropped(code).resource, ResourceId::InternetGateway(gateway));
        sent.legs(&[]);
    }
}

#[test]
fn a_packet_from_outside_meets_the_public_source_and_the_private_destination() {
    let (mut lab, _) = Lab::with_internet();
    let group = lab.group(&["in tcp 80 from 198.51.100.0/24"]);
    let b = lab.b(group);
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    lab.world.nacl(lab.second, &["100 in allow tcp 80 198.51.100.10/32"]);
    let syn = tcp("198.51.100.10:40000", "203.0.113.20:80");
    let sent = lab.world.send_from_internet(syn);
    let arrived = sent.delivered_to(b.eni);
    assert_eq!((arrived.src, arrived.dst), (syn.src, "10.0.2.20".parse().unwrap()));
    sent.legs(&[format!("ingress accept {}", b.eni)]);
    lab.world.send_from_internet(tcp("198.51.100.11:40000", "203.0.113.20:80")).dropped(Code::SubnetAclRestriction);
    lab.world.nacl(lab.second, &["100 in allow all 0.0.0.0/0"]);
    let refused = lab.world.send_from_internet(tcp("198.51.100.10:40000", "203.0.113.20:22"));
    let drop = refused.dropped(Code::EniSgRulesMismatch);
    assert_eq!((drop.resource, drop.direction), (ResourceId::SecurityGroup(group), Some(Direction::Ingress)));
    refused.legs(&[format!("ingress reject {}", b.eni)]);
}

#[test]
fn an_unknown_public_address_is_nobodys() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    let sent = lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.99"));
    assert_eq!(sent.dropped(Code::IgwPrivateIpAssociationForIngress).resource, ResourceId::Internet);
    lab.world.send_from_internet(ping("198.51.100.10", "10.0.1.10")).dropped(Code::IgwPrivateIpAssociationForIngress);
    lab.world.send_from_internet(ping("2001:db8:ffff::10", "2001:db8:0:101::99")).dropped(Code::UnknownDestination);
    lab.world.send_from_internet(ping("2001:db8:ffff::10", "2001:db8:0:101::1")).dropped(Code::AddressNotForwarded);
    lab.world.send_from_internet(ping("2001:db8:ffff::10", "2001:db8:0:200::1")).dropped(Code::InternetUnreachable);
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.send(a.eni, ping("10.0.1.10", "203.0.113.99")).dropped(Code::InternetUnreachable);
    lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.10")).delivered_to(a.eni);
    lab.world.edit::<InternetGateway>(gateway, |gateway| gateway.vpc = None);
    lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.10")).dropped(Code::IgwPrivateIpAssociationForIngress);
}

#[test]
fn the_public_address_of_an_interface_without_instance_counts_as_none() {
    let (mut lab, gateway) = Lab::with_internet();
    let loose = lab.world.eni(lab.first, "10.0.1.40", &[lab.open]);
    lab.world.public(loose, "10.0.1.40", "203.0.113.40");
    let drop = lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.40"));
    assert_eq!(drop.dropped(Code::IgwPrivateIpAssociationForIngress).resource, ResourceId::InternetGateway(gateway));
}

#[test]
fn a_stopped_instance_is_not_reached_from_outside() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.set_state(a, InstanceState::Stopped);
    let sent = lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.10"));
    sent.dropped(Code::InstanceNotRunning);
    sent.legs(&[]);
}

#[test]
fn a_source_outside_the_vpc_is_spoofed_to_the_gateway() {
    let (mut lab, gateway) = Lab::with_internet();
    let router = lab.world.middlebox(lab.first, "10.0.1.99 2001:db8:0:101::99", &[lab.open]);
    for packet in [ping("192.0.2.1", "198.51.100.10"), ping("2001:db8:9::1", "2001:db8:ffff::10")] {
        let drop = lab.world.send(router.eni, packet).dropped(Code::GatewayRejectsSpoofedTraffic);
        assert_eq!(drop.resource, ResourceId::InternetGateway(gateway));
    }
    lab.world.send(router.eni, ping("10.0.1.98", "198.51.100.10")).dropped(Code::IgwPublicIpAssociationForEgress);
}

#[test]
fn public_addresses_of_two_vpcs_reach_each_other_across_the_internet() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let other = lab.world.vpc("10.0.0.0/16");
    let gateway = lab.world.gateway(other);
    let main = lab.world.main_table(other);
    lab.world.route(main, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
    let subnet = lab.world.subnet(other, "10.0.1.0/24");
    let group = lab.world.group(other, &["in tcp 80 from 203.0.113.10/32"]);
    let z = lab.world.host(subnet, "10.0.1.10", &[group]);
    lab.world.public(z.eni, "10.0.1.10", "203.0.113.77");
    let syn = tcp("10.0.1.10:40000", "203.0.113.77:80");
    let sent = lab.world.send(a.eni, syn);
    let arrived = sent.delivered_to(z.eni);
    assert_eq!((arrived.src.to_string(), arrived.dst.to_string()), ("203.0.113.10".into(), "10.0.1.10".into()));
    assert_eq!(arrived.ttl, 62, "both gateways count");
    sent.legs(&[format!("egress accept {}", a.eni), format!("ingress accept {}", z.eni)]);
    let answer = lab.world.send(z.eni, arrived.reply()).delivered_to(a.eni);
    assert_eq!((answer.src, answer.dst), (syn.dst, syn.src));
}

#[test]
fn an_instance_reaches_its_own_and_its_neighbours_public_address() {
    let (mut lab, _) = Lab::with_internet();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    let arrived = lab.world.send(a.eni, tcp("10.0.1.10:40000", "203.0.113.20:80")).delivered_to(b.eni);
    assert_eq!((arrived.src.to_string(), arrived.dst.to_string()), ("203.0.113.10".into(), "10.0.2.20".into()));
    lab.world.send(a.eni, ping("10.0.1.10", "203.0.113.10")).delivered_to(a.eni);
}

#[test]
fn ipv6_addresses_of_two_vpcs_reach_each_other_across_the_internet() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let other = lab.world.vpc("10.9.0.0/16");
    lab.world.add_block(other, "2001:db8:0:900::/56");
    let subnet = lab.world.subnet(other, "10.9.1.0/24 2001:db8:0:901::/64");
    let open = lab.world.open_group(other);
    let z = lab.world.host(subnet, "10.9.1.10 2001:db8:0:901::10", &[open]);
    let syn = tcp("[2001:db8:0:101::10]:40000", "[2001:db8:0:901::10]:80");
    let nobody = lab.world.send(a.eni, syn).dropped(Code::InternetUnreachable);
    assert_eq!(nobody.resource, ResourceId::Internet, "no gateway answers for the block");
    lab.world.gateway(other);
    let arrived = lab.world.send(a.eni, syn).delivered_to(z.eni);
    assert_eq!((arrived.src, arrived.dst, arrived.ttl), (syn.src, syn.dst, 62));
    lab.world.send(z.eni, arrived.reply()).dropped(Code::NoRouteToDestination);
}

/// An appliance in a subnet of its own, and a gateway route table that sends traffic for the first subnet to it.
fn inspected() -> (Lab, testing::Appliance) {
    let (mut lab, gateway) = Lab::with_internet();
    let third = lab.world.subnet(lab.vpc, "10.0.3.0/24 2001:db8:0:103::/64");
    let appliance = lab.world.middlebox(third, "10.0.3.99 2001:db8:0:103::99", &[lab.open]);
    let edge = lab.world.table(lab.vpc);
    lab.world.use_table(edge, TableUser::InternetGateway(gateway));
    lab.world.route(edge, "10.0.1.0/24", RouteTarget::NetworkInterface(appliance.eni));
    (lab, testing::Appliance { host: appliance, edge, subnet: third })
}

mod testing {
    use openvpc_model::{RouteTableId, SubnetId};
    use openvpc_pipeline::testing::Host;

    pub struct Appliance {
        pub host: Host,
        pub edge: RouteTableId,
        pub subnet: SubnetId,
    }
}

#[test]
fn a_gateway_table_bends_traffic_through_an_appliance_both_ways() {
    let (mut lab, appliance) = inspected();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.public(appliance.host.eni, "10.0.3.99", "203.0.113.99");
    let back = lab.world.table(lab.vpc);
    lab.world.use_table(back, TableUser::Subnet(lab.first));
    lab.world.route(back, "0.0.0.0/0", RouteTarget::NetworkInterface(appliance.host.eni));
    let sent = lab.world.send_from_internet(tcp("198.51.100.10:40000", "203.0.113.10:80"));
    let bent = sent.delivered_to(appliance.host.eni);
    assert_eq!(bent.dst.to_string(), "10.0.1.10");
    sent.decided_by(RuleId::Route("10.0.1.0/24".parse::<ipnet::IpNet>().unwrap().into()));
    sent.legs(&[format!("ingress accept {}", appliance.host.eni)]);
    let arrived = lab.world.send(appliance.host.eni, bent).delivered_to(a.eni);
    let answer = lab.world.send(a.eni, arrived.reply()).delivered_to(appliance.host.eni);
    let out = lab.world.send(appliance.host.eni, answer).delivered_to_internet();
    assert_eq!(out.src.to_string(), "203.0.113.10");
}

#[test]
fn a_gateway_table_bends_ipv6_alike_and_for_the_whole_vpc_too() {
    let (mut lab, appliance) = inspected();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let packet = |to: &str| tcp("[2001:db8:ffff::10]:40000", &format!("[{to}]:80"));
    lab.world.route(appliance.edge, "2001:db8:0:101::/64", RouteTarget::NetworkInterface(appliance.host.eni));
    let bent = lab.world.send_from_internet(packet("2001:db8:0:101::10")).delivered_to(appliance.host.eni);
    lab.world.send(appliance.host.eni, bent).delivered_to(a.eni);
    lab.world.send_from_internet(packet("2001:db8:0:102::20")).delivered_to(b.eni);
    // In place of the local route of the whole block.
    lab.world.route(appliance.edge, "2001:db8:0:100::/56", RouteTarget::NetworkInterface(appliance.host.eni));
    lab.world.send_from_internet(packet("2001:db8:0:102::20")).delivered_to(appliance.host.eni);
    lab.world.edit::<NetworkInterface>(appliance.host.eni, |eni| eni.ipv6_addresses.clear());
    lab.world.send_from_internet(packet("2001:db8:0:102::20")).dropped(Code::IngressRtbNoPublicIp);
    lab.world.remove::<NetworkInterface>(appliance.host.eni);
    lab.world.send_from_internet(packet("2001:db8:0:102::20")).dropped(Code::BadStateRoute);
}

#[test]
fn an_appliance_behind_the_gateway_needs_a_public_address_and_a_running_instance() {
    let (mut lab, appliance) = inspected();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let packet = tcp("198.51.100.10:40000", "203.0.113.10:80");
    let drop = lab.world.send_from_internet(packet).dropped(Code::IngressRtbNoPublicIp);
    assert_eq!(drop.resource, ResourceId::RouteTable(appliance.edge));
    lab.world.public(appliance.host.eni, "10.0.3.99", "203.0.113.99");
    lab.world.set_state(appliance.host, InstanceState::Stopped);
    lab.world.send_from_internet(packet).dropped(Code::BadStateRoute);
    lab.world.set_state(appliance.host, InstanceState::Running);
    lab.world.edit::<NetworkInterface>(appliance.host.eni, |eni| eni.source_dest_check = true);
    lab.world.send_from_internet(packet).dropped(Code::EniSourceDestCheckRestriction);
}

#[test]
fn a_gateway_table_leaves_other_subnets_alone_and_meets_the_appliances_acl() {
    let (mut lab, appliance) = inspected();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    lab.world.public(appliance.host.eni, "10.0.3.99", "203.0.113.99");
    lab.world.send_from_internet(tcp("198.51.100.10:40000", "203.0.113.20:80")).delivered_to(b.eni);
    let nacl = lab.world.nacl(appliance.subnet, &[]);
    let drop = lab.world.send_from_internet(tcp("198.51.100.10:40000", "203.0.113.10:80"));
    assert_eq!(drop.dropped(Code::SubnetAclRestriction).resource, ResourceId::Nacl(nacl));
}

#[test]
fn a_packet_through_the_gateway_has_at_most_1500_bytes() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let packet = udp("10.0.1.10:5000", "198.51.100.10:5000");
    assert_eq!(lab.world.send(a.eni, packet.length(1500)).delivered().mtu, 1500);
    lab.world.send(a.eni, packet.length(1501)).dropped(Code::MtuExceeded);
    assert_eq!(lab.world.send(a.eni, packet.length(1501).may_fragment()).delivered().mtu, 1500);
}
