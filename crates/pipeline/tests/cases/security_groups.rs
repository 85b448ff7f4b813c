//! Section 5: security groups, their rules and references.
//!
//! Out of scope here: rows with NAT gateways, transit gateways and peering, and rows about calls that are refused. Connection tracking is in its own module.

use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::{Code, ResourceId, RuleId};

use crate::Lab;

#[test]
fn a_new_group_lets_nothing_in() {
    let mut lab = Lab::new();
    let a = lab.a();
    let new = lab.group(&["out all to 0.0.0.0/0"]);
    lab.b(new);
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80"));
    let drop = sent.dropped(Code::SgHasNoRules);
    assert_eq!((drop.resource, drop.rule), (ResourceId::SecurityGroup(new), None));
    assert_eq!(drop.direction, Some(Direction::Ingress));
}

#[test]
fn what_no_rule_matches_is_dropped() {
    let mut lab = Lab::new();
    let a = lab.a();
    let web = lab.group(&["in tcp 80 from 0.0.0.0/0"]);
    lab.b(web);
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:81"));
    assert_eq!(sent.dropped(Code::EniSgRulesMismatch).resource, ResourceId::SecurityGroup(web));
    lab.world.send(a.eni, udp("10.0.1.10:40000", "10.0.2.20:80")).dropped(Code::EniSgRulesMismatch);
    lab.world.send(a.eni, tcp("[2001:db8:0:101::10]:4000", "[2001:db8:0:102::20]:80")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn egress_is_judged_at_the_sender() {
    let mut lab = Lab::new();
    let quiet = lab.group(&["in all from 0.0.0.0/0"]);
    let b = lab.b(quiet);
    let https = lab.group(&["out tcp 443 to 10.0.2.0/24"]);
    let c = lab.world.host(lab.first, "10.0.1.30", &[https]);
    let drop = lab.world.send(b.eni, tcp("10.0.2.20:40000", "10.0.1.30:80")).dropped(Code::SgHasNoRules);
    assert_eq!(drop.direction, Some(Direction::Egress));
    lab.world.send(c.eni, tcp("10.0.1.30:40000", "10.0.2.20:80")).dropped(Code::EniSgRulesMismatch);
    lab.world.send(c.eni, tcp("10.0.1.30:40000", "10.0.2.20:443")).delivered_to(b.eni);
}

#[test]
fn the_rules_of_all_groups_count_together() {
    let mut lab = Lab::new();
    let a = lab.a();
    let (web, ssh) = (lab.group(&["in tcp 80 from 0.0.0.0/0"]), lab.group(&["in tcp 22 from 10.0.1.0/24"]));
    let b = lab.world.host(lab.second, "10.0.2.20", &[web, ssh]);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:80")).delivered_to(b.eni);
    let sent = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:22"));
    sent.delivered_to(b.eni);
    assert!(sent.hops.iter().any(|hop| hop.resource == ResourceId::SecurityGroup(ssh)));
    let drop = lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:25")).dropped(Code::EniSgRulesMismatch);
    assert_eq!(drop.resource, ResourceId::SecurityGroup(web), "the first group stands for all");
}

#[test]
fn the_most_permissive_rule_is_the_one_named() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in tcp 22 from 10.0.1.10/32", "in tcp 22 from 0.0.0.0/0"]);
    lab.b(group);
    let open = lab.world.network().security_groups.get(&group).unwrap().rules[1].id;
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:22")).decided_by(RuleId::SecurityGroupRule(open));
}

#[test]
fn a_rule_for_all_protocols_takes_all_ports_whatever_range_it_names() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in -1 80-80 from 10.0.1.0/24", "in 47 80-80 from 0.0.0.0/0"]);
    let b = lab.b(group);
    for packet in [tcp("10.0.1.10:40000", "10.0.2.20:22"), udp("10.0.1.10:1", "10.0.2.20:2"), ping("10.0.1.10", "10.0.2.20")] {
        lab.world.send(a.eni, packet).delivered_to(b.eni);
    }
    lab.world.send(a.eni, other(47, "10.0.1.10", "10.0.2.20")).delivered_to(b.eni);
}

#[test]
fn icmp_rules_take_a_type_and_a_code() {
    let mut lab = Lab::new();
    let a = lab.a();
    let group = lab.group(&["in icmp 8 from 0.0.0.0/0", "in icmp 3/4 from 0.0.0.0/0", "in icmpv6 from ::/0"]);
    let b = lab.b(group);
    lab.world.send(a.eni, ping("10.0.1.10", "10.0.2.20")).delivered_to(b.eni);
    lab.world.send(a.eni, icmp("10.0.1.10", "10.0.2.20", 3, 4)).delivered_to(b.eni);
    lab.world.send(a.eni, icmp("10.0.1.10", "10.0.2.20", 3, 3)).dropped(Code::EniSgRulesMismatch);
    lab.world.send(a.eni, icmp("2001:db8:0:101::10", "2001:db8:0:102::20", 1, 4)).delivered_to(b.eni);
}

#[test]
fn a_reference_matches_every_private_address_of_the_groups_members() {
    let mut lab = Lab::new();
    let web = lab.group(&["out all to 0.0.0.0/0", "out all to ::/0"]);
    let database = lab.group(&[&format!("in tcp 5432 from {web}")]);
    let b = lab.b(database);
    let member = lab.world.host(lab.first, "10.0.1.30 10.0.1.31 2001:db8:0:101::30", &[web]);
    let stranger = lab.a();
    lab.world.send(member.eni, tcp("10.0.1.30:40000", "10.0.2.20:5432")).delivered_to(b.eni);
    lab.world.send(member.eni, tcp("10.0.1.31:40000", "10.0.2.20:5432")).delivered_to(b.eni);
    lab.world.send(member.eni, tcp("[2001:db8:0:101::30]:40000", "[2001:db8:0:102::20]:5432")).delivered_to(b.eni);
    lab.world.send(stranger.eni, tcp("10.0.1.10:40000", "10.0.2.20:5432")).dropped(Code::EniSgRulesMismatch);
    lab.world.send(member.eni, tcp("10.0.1.30:40000", "10.0.2.20:5433")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn a_reference_follows_membership() {
    let mut lab = Lab::new();
    let (a, web) = (lab.a(), lab.group(&["out all to 0.0.0.0/0"]));
    let database = lab.group(&[&format!("in tcp 5432 from {web}")]);
    let b = lab.b(database);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:5432")).dropped(Code::EniSgRulesMismatch);
    lab.world.edit::<NetworkInterface>(a.eni, |eni| eni.groups.push(web));
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:5432")).delivered_to(b.eni);
    lab.world.edit::<NetworkInterface>(a.eni, |eni| eni.groups.retain(|group| *group != web));
    lab.world.send(a.eni, tcp("10.0.1.10:40001", "10.0.2.20:5432")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn a_reference_in_an_egress_rule_matches_the_destination() {
    let mut lab = Lab::new();
    let database = lab.group(&["in all from 0.0.0.0/0"]);
    let b = lab.b(database);
    let web = lab.group(&[&format!("out tcp 5432 to {database}")]);
    let member = lab.world.host(lab.first, "10.0.1.30", &[web]);
    lab.a();
    lab.world.send(member.eni, tcp("10.0.1.30:40000", "10.0.2.20:5432")).delivered_to(b.eni);
    lab.world.send(member.eni, tcp("10.0.1.30:40000", "10.0.1.10:5432")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn the_default_groups_rule_lets_its_members_talk_to_each_other() {
    let mut lab = Lab::new();
    let group = lab.group(&["out all to 0.0.0.0/0"]);
    lab.world.rules(group, &[&format!("in all from {group}"), "out all to 0.0.0.0/0"]);
    let (one, two) = (lab.world.host(lab.first, "10.0.1.30", &[group]), lab.world.host(lab.first, "10.0.1.31", &[group]));
    let stranger = lab.a();
    lab.world.send(one.eni, tcp("10.0.1.30:40000", "10.0.1.31:80")).delivered_to(two.eni);
    lab.world.send(stranger.eni, tcp("10.0.1.10:40000", "10.0.1.31:80")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn a_reference_to_a_group_that_is_gone_matches_nothing() {
    let mut lab = Lab::new();
    let (a, gone) = (lab.a(), lab.group(&[]));
    let database = lab.group(&[&format!("in tcp 5432 from {gone}")]);
    lab.b(database);
    lab.world.remove::<SecurityGroup>(gone);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:5432")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn a_reference_does_not_match_a_member_that_enters_by_its_public_address() {
    let (mut lab, _) = Lab::with_internet();
    let web = lab.group(&["out all to 0.0.0.0/0"]);
    let database = lab.group(&[&format!("in tcp 5432 from {web}")]);
    let b = lab.b(database);
    let member = lab.world.host(lab.first, "10.0.1.30", &[web]);
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    lab.world.public(member.eni, "10.0.1.30", "203.0.113.30");
    lab.world.send(member.eni, tcp("10.0.1.30:40000", "10.0.2.20:5432")).delivered_to(b.eni);
    let sent = lab.world.send(member.eni, tcp("10.0.1.30:40000", "203.0.113.20:5432"));
    assert_eq!(sent.dropped(Code::EniSgRulesMismatch).resource, ResourceId::SecurityGroup(database));
    lab.world.rules(database, &["in tcp 5432 from 203.0.113.30/32"]);
    lab.world.send(member.eni, tcp("10.0.1.30:40000", "203.0.113.20:5432")).delivered_to(b.eni);
}

#[test]
fn a_reference_does_not_survive_an_appliance_on_the_way() {
    let mut lab = Lab::new();
    let web = lab.group(&["out all to 0.0.0.0/0"]);
    let database = lab.group(&[&format!("in tcp 5432 from {web}")]);
    let b = lab.b(database);
    let member = lab.world.host(lab.first, "10.0.1.30", &[web]);
    let third = lab.world.subnet(lab.vpc, "10.0.3.0/24");
    let appliance = lab.world.middlebox(third, "10.0.3.99", &[lab.open]);
    let bent = lab.world.table(lab.vpc);
    lab.world.use_table(bent, route::TableUser::Subnet(lab.first));
    lab.world.route(bent, "10.0.2.0/24", RouteTarget::NetworkInterface(appliance.eni));
    let packet = tcp("10.0.1.30:40000", "10.0.2.20:5432");
    lab.world.send(member.eni, packet).delivered_to(appliance.eni);
    let sent = lab.world.send(appliance.eni, packet);
    let rule = lab.world.network().security_groups.get(&database).unwrap().rules[0].id;
    let drop = sent.dropped(Code::SgReferencesNotPreserved);
    assert_eq!(drop.rule, Some(RuleId::SecurityGroupRule(rule)));
    sent.legs(&[format!("egress accept {}", appliance.eni), format!("ingress reject {}", b.eni)]);
    lab.world.rules(database, &["in tcp 5432 from 10.0.1.0/24"]);
    lab.world.send(appliance.eni, packet).delivered_to(b.eni);
}

#[test]
fn a_group_of_another_vpc_is_not_matched_by_its_members_addresses() {
    let mut lab = Lab::new();
    let a = lab.a();
    let twin = lab.world.vpc("10.0.0.0/16");
    let subnet = lab.world.subnet(twin, "10.0.1.0/24");
    let foreign = lab.world.open_group(twin);
    lab.world.host(subnet, "10.0.1.10", &[foreign]);
    let database = lab.group(&[&format!("in tcp 5432 from {foreign}")]);
    lab.b(database);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:5432")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn a_rule_for_a_prefix_list_matches_its_entries_of_now() {
    let mut lab = Lab::new();
    let a = lab.a();
    let list = lab.world.list("10.0.9.0/24");
    let group = lab.group(&[&format!("in tcp 22 from {list}")]);
    let b = lab.b(group);
    let (ssh, web) = (tcp("10.0.1.10:40000", "10.0.2.20:22"), tcp("10.0.1.10:40000", "10.0.2.20:80"));
    lab.world.send(a.eni, ssh).dropped(Code::EniSgRulesMismatch);
    lab.world.relist(list, "10.0.9.0/24 10.0.1.0/25");
    let sent = lab.world.send(a.eni, ssh);
    sent.delivered_to(b.eni);
    let rule = lab.world.network().security_groups.get(&group).unwrap().rules[0].id;
    sent.decided_by(RuleId::SecurityGroupRule(rule));
    lab.world.send(a.eni, web).dropped(Code::EniSgRulesMismatch);
    lab.world.relist(list, "2001:db8:0:101::/64");
    lab.world.send(a.eni, tcp("10.0.1.10:40001", "10.0.2.20:22")).dropped(Code::EniSgRulesMismatch);
    lab.world.send(a.eni, tcp("[2001:db8:0:101::10]:4000", "[2001:db8:0:102::20]:22")).delivered_to(b.eni);
}

#[test]
fn an_empty_prefix_list_is_a_rule_that_matches_nobody() {
    let mut lab = Lab::new();
    let a = lab.a();
    let list = lab.world.list("");
    let group = lab.group(&[&format!("in all from {list}")]);
    lab.b(group);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:22")).dropped(Code::EniSgRulesMismatch);
}

#[test]
fn a_flow_that_a_prefix_list_of_everybody_admitted_is_tracked() {
    let mut lab = Lab::new();
    let a = lab.a();
    let list = lab.world.list("0.0.0.0/0");
    let group = lab.group(&[&format!("in tcp 22 from {list}"), "out all to 0.0.0.0/0"]);
    let b = lab.b(group);
    lab.world.send(a.eni, tcp("10.0.1.10:40000", "10.0.2.20:22")).delivered_to(b.eni);
    lab.world.send(b.eni, segment("10.0.2.20:22", "10.0.1.10:40000", 0x12)).delivered_to(a.eni);
    lab.world.relist(list, "10.0.9.0/24");
    lab.world.send(a.eni, segment("10.0.1.10:40000", "10.0.2.20:22", 0x10)).delivered_to(b.eni);
}
