//! What a compile keeps, and what it doesn't.

use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, compile};

use crate::Lab;

#[test]
fn every_compile_is_a_new_generation() {
    let mut lab = Lab::new();
    let first = lab.world.tables().clone();
    let second = compile(lab.world.network(), Some(&first));
    assert_eq!(second.generation(), first.generation() + 1);
}

#[test]
fn an_interface_keeps_its_index_and_no_other_gets_it() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    let b = lab.b(open);
    let (index_a, index_b) = (lab.world.index(a.eni), lab.world.index(b.eni));
    lab.world.remove::<NetworkInterface>(a.eni);
    let c = lab.world.host(lab.first, "10.0.1.10", &[open]);
    let index_c = lab.world.index(c.eni);
    assert_eq!(lab.world.index(b.eni), index_b);
    assert!(index_c != index_a && index_c != index_b);
    assert!(lab.world.tables().eni(index_a).is_none());
    assert_eq!(lab.world.tables().eni_index(a.eni), None);
    assert_eq!(lab.world.tables().enis().count(), 2);
}

#[test]
fn entries_tell_what_flow_logs_and_the_engine_need() {
    let mut lab = Lab::new();
    let a = lab.a();
    let index = lab.world.index(a.eni);
    let entry = lab.world.tables().eni(index).unwrap().clone();
    assert_eq!((entry.eni.id, entry.vpc, entry.subnet.id), (a.eni, lab.vpc, lab.first));
    assert_eq!((entry.instance, entry.running, entry.mtu), (Some(a.instance), true, 9001));
    lab.world.set_state(a, InstanceState::Stopped);
    let entry = lab.world.tables().eni(index).unwrap();
    assert_eq!((entry.instance, entry.running), (Some(a.instance), false));
}

#[test]
fn public_addresses_lead_to_their_interface_while_a_gateway_is_attached() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    let index = lab.world.index(a.eni);
    let address = "203.0.113.10".parse().unwrap();
    assert_eq!(lab.world.tables().public_ipv4(address), Some(index));
    assert_eq!(lab.world.tables().public_ipv4("203.0.113.11".parse().unwrap()), None);
    lab.world.edit::<InternetGateway>(gateway, |gateway| gateway.vpc = None);
    assert_eq!(lab.world.tables().public_ipv4(address), None);
}

#[test]
fn a_deleted_vpc_leaves_nothing_behind() {
    let (mut lab, gateway) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.tables();
    lab.world.remove::<NetworkInterface>(a.eni);
    lab.world.remove::<InternetGateway>(gateway);
    lab.world.remove::<Subnet>(lab.first);
    lab.world.remove::<Subnet>(lab.second);
    lab.world.remove::<Vpc>(lab.vpc);
    assert_eq!(lab.world.tables().enis().count(), 0);
    lab.world.send_from_internet(ping("198.51.100.10", "203.0.113.10")).dropped(Code::IgwPrivateIpAssociationForIngress);
    lab.world.send_from_internet(ping("2001:db8:ffff::10", "2001:db8:0:101::10")).dropped(Code::InternetUnreachable);
}

#[test]
fn a_subnet_whose_acl_or_table_is_missing_is_closed() {
    let mut lab = Lab::new();
    let (a, open) = (lab.a(), lab.open);
    lab.b(open);
    let main = lab.world.main_table(lab.vpc);
    lab.world.remove::<RouteTable>(main);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).dropped(Code::NoRouteToDestination);
    let nacls: Vec<NaclId> = lab.world.network().nacls.keys().copied().collect();
    for nacl in nacls {
        lab.world.remove::<NetworkAcl>(nacl);
    }
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).dropped(Code::SubnetAclRestriction);
}
