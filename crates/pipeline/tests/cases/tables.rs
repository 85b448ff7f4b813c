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
    assert_eq!((entry.eni.id, entry.vpc, entry.subnet), (a.eni, lab.vpc, lab.first));
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

/// Two VPCs with an internet gateway each.
struct Neighbours {
    lab: Lab,
    a: openvpc_pipeline::testing::Host,
    other: VpcId,
    others_group: SecurityGroupId,
    others_host: openvpc_pipeline::testing::Host,
}

/// Which generations a change moves: the first VPC's, the second's, the internet's.
fn moved<T>(neighbours: &mut Neighbours, change: impl FnOnce(&mut Neighbours) -> T) -> [bool; 3] {
    let before = neighbours.lab.world.tables().clone();
    change(neighbours);
    let vpcs = [neighbours.lab.vpc, neighbours.other];
    let after = neighbours.lab.world.tables();
    let [first, second] = vpcs.map(|vpc| {
        let index = before.vpc_index(vpc).unwrap();
        let moved = after.vpc_generation(index) != before.vpc_generation(index);
        assert_eq!(moved, after.vpcs_moved_since(&before).any(|(vpc, _)| vpc == index));
        moved
    });
    [first, second, after.internet_generation() != before.internet_generation()]
}

impl Neighbours {
    fn new() -> Self {
        let (mut lab, _) = Lab::with_internet();
        let a = lab.a();
        let other = lab.world.vpc("10.1.0.0/16");
        let subnet = lab.world.subnet(other, "10.1.1.0/24");
        lab.world.gateway(other);
        let others_group = lab.world.open_group(other);
        let others_host = lab.world.host(subnet, "10.1.1.10", &[others_group]);
        Self { lab, a, other, others_group, others_host }
    }
}

#[test]
fn a_change_moves_the_generation_of_its_vpc_and_of_no_other() {
    let mut it = Neighbours::new();
    let open = it.lab.open;
    assert_eq!(moved(&mut it, |it| it.lab.world.rules(open, &["in tcp 80 from 10.0.0.0/8"])), [true, false, false]);
    assert_eq!(moved(&mut it, |it| it.lab.world.rules(it.others_group, &[])), [false, true, false]);
    let nacl = |it: &mut Neighbours| it.lab.world.nacl(it.lab.first, &["100 in allow all 0.0.0.0/0"]);
    assert_eq!(moved(&mut it, nacl), [true, false, false]);
    let route = |it: &mut Neighbours| {
        let main = it.lab.world.main_table(it.other);
        it.lab.world.route(main, "192.0.2.0/24", RouteTarget::NetworkInterface(it.others_host.eni));
    };
    assert_eq!(moved(&mut it, route), [false, true, false]);
    assert_eq!(moved(&mut it, |it| it.lab.world.set_state(it.a, InstanceState::Stopped)), [true, false, false]);
    assert_eq!(moved(&mut it, |it| it.lab.world.set_state(it.a, InstanceState::Running)), [true, false, false]);
    assert_eq!(moved(&mut it, |it| it.lab.world.eni(it.lab.second, "10.0.2.77", &[it.lab.open])), [true, false, false]);
    assert_eq!(moved(&mut it, |it| it.lab.world.remove::<NetworkInterface>(it.others_host.eni)), [false, true, false]);
}

#[test]
fn a_public_address_moves_its_vpc_and_the_internet() {
    let mut it = Neighbours::new();
    assert_eq!(moved(&mut it, |it| it.lab.world.public(it.a.eni, "10.0.1.10", "203.0.113.10")), [true, false, true]);
    let detach = |it: &mut Neighbours| {
        let gateway = it.lab.world.network().internet_gateway_of(it.lab.vpc).unwrap().id;
        it.lab.world.edit::<InternetGateway>(gateway, |gateway| gateway.vpc = None);
    };
    assert_eq!(moved(&mut it, detach), [true, false, true]);
}

#[test]
fn a_prefix_list_moves_the_vpcs_that_name_it() {
    let mut it = Neighbours::new();
    let list = it.lab.world.list("10.0.0.0/8");
    assert_eq!(moved(&mut it, |it| it.lab.world.relist(list, "172.16.0.0/12")), [false, false, false]);
    it.lab.world.rules(it.others_group, &[&format!("in tcp 22 from {list}")]);
    assert_eq!(moved(&mut it, |it| it.lab.world.relist(list, "10.0.0.0/8 172.16.0.0/12")), [false, true, false]);
    let main = it.lab.world.main_table(it.lab.vpc);
    it.lab.world.route(main, &list.to_string(), RouteTarget::NetworkInterface(it.a.eni));
    assert_eq!(moved(&mut it, |it| it.lab.world.relist(list, "192.168.0.0/16")), [true, true, false]);
}

#[test]
fn what_no_packet_meets_moves_nothing() {
    let mut it = Neighbours::new();
    let tags = || -> Tags { [("Name".to_owned(), "name".to_owned())].into() };
    let (open, main) = (it.lab.open, it.lab.world.main_table(it.lab.vpc));
    let nothing = [false; 3];
    assert_eq!(moved(&mut it, |it| it.lab.world.edit::<NetworkInterface>(it.a.eni, |eni| eni.tags = tags())), nothing);
    assert_eq!(moved(&mut it, |it| it.lab.world.edit::<SecurityGroup>(open, |group| group.rules[0].tags = tags())), nothing);
    assert_eq!(moved(&mut it, |it| it.lab.world.edit::<RouteTable>(main, |table| table.tags = tags())), nothing);
    assert_eq!(moved(&mut it, |it| it.lab.world.edit::<Subnet>(it.lab.first, |s| s.map_public_ip_on_launch = true)), nothing);
    assert_eq!(moved(&mut it, |it| it.lab.world.edit::<Vpc>(it.other, |vpc| vpc.enable_dns_hostnames = true)), nothing);
    assert_eq!(moved(&mut it, |it| it.lab.world.edit::<Instance>(it.a.instance, |it| it.key_name = Some("k".into()))), nothing);
    assert_eq!(moved(&mut it, |it| it.lab.group(&["in all from 0.0.0.0/0"])), nothing, "a group that nobody carries");
    assert_eq!(moved(&mut it, |_| {}), nothing);
    let entry = it.lab.world.index(it.a.eni);
    assert_eq!(it.lab.world.tables().eni(entry).unwrap().eni.tags, tags(), "though the entry is as it is now");
}
