//! Traces that look past the first denial, as the analyser does: section 16's rows about explanations.
//!
//! Out of scope here: DISCONNECTED_VPCS (the analyser's own), filters, transit gateways, and rows about calls.

use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::testing::{Host, World};
use openvpc_pipeline::wire::PacketHeader;
use openvpc_pipeline::{Code, FlowState, Hop, HopAction, Ingress, Nanos, NextHop, Outcome, Tracer, Verdict, step};

use crate::Lab;

#[derive(Default)]
struct Blockers(Vec<Code>);

impl Tracer for Blockers {
    const KEEP_GOING: bool = true;

    fn hop(&mut self, hop: &Hop) {
        if hop.action == HopAction::Deny {
            self.0.extend(hop.code);
        }
    }
}

fn explain(world: &mut World, ingress: Ingress, packet: PacketHeader) -> (Verdict, Vec<Code>, usize) {
    let (mut state, mut blockers) = (FlowState::new(4), Blockers::default());
    let verdict = step(world.tables(), &mut state, ingress, &packet, Nanos(0), &mut blockers);
    (verdict, blockers.0, state.len())
}

fn from(world: &mut World, host: Host) -> Ingress {
    Ingress::Eni { eni: world.index(host.eni), next_hop: NextHop::Router }
}

#[test]
fn a_closed_group_behind_the_gateway_is_the_one_blocker() {
    let (mut lab, _) = Lab::with_internet();
    let web = lab.group(&["in tcp 80 from 0.0.0.0/0"]);
    let b = lab.b(web);
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    let (_, codes, _) = explain(&mut lab.world, Ingress::Internet, tcp("198.51.100.10:40000", "203.0.113.20:22"));
    assert_eq!(codes, [Code::EniSgRulesMismatch]);
}

#[test]
fn acl_and_group_that_both_deny_are_both_blockers() {
    let (mut lab, _) = Lab::with_internet();
    let web = lab.group(&["in tcp 80 from 0.0.0.0/0"]);
    let b = lab.b(web);
    lab.world.public(b.eni, "10.0.2.20", "203.0.113.20");
    lab.world.nacl(lab.second, &["100 in deny tcp 22 0.0.0.0/0", "200 in allow all 0.0.0.0/0"]);
    let (verdict, codes, _) = explain(&mut lab.world, Ingress::Internet, tcp("198.51.100.10:40000", "203.0.113.20:22"));
    assert_eq!(codes, [Code::SubnetAclRestriction, Code::EniSgRulesMismatch]);
    let Outcome::Drop(drop) = verdict.outcome else { panic!("delivered") };
    assert_eq!(drop.code, Code::SubnetAclRestriction, "the verdict is the first denial's");
    assert_eq!(verdict.legs.iter().count(), 1);
}

#[test]
fn every_filter_between_two_subnets_is_found() {
    let mut lab = Lab::new();
    let (closed, silent) = (lab.group(&["in udp from 0.0.0.0/0"]), lab.group(&[]));
    let a = lab.world.host(lab.first, "10.0.1.30", &[silent]);
    lab.b(closed);
    lab.world.nacl(lab.first, &[]);
    lab.world.nacl(lab.second, &[]);
    let ingress = from(&mut lab.world, a);
    let (verdict, codes, tracked) = explain(&mut lab.world, ingress, tcp("10.0.1.30:40000", "10.0.2.20:80"));
    assert_eq!(codes, [Code::SgHasNoRules, Code::SubnetAclRestriction, Code::SubnetAclRestriction, Code::EniSgRulesMismatch]);
    assert_eq!(verdict.legs.iter().count(), 1, "the real packet never got to the other interface");
    assert_eq!(tracked, 0);
}

#[test]
fn a_flow_denied_earlier_leaves_no_state_at_later_interfaces() {
    let mut lab = Lab::new();
    let silent = lab.group(&[]);
    let a = lab.world.host(lab.first, "10.0.1.30", &[silent]);
    let ssh = lab.group(&["in tcp 22 from 10.0.1.30/32"]);
    lab.b(ssh);
    let ingress = from(&mut lab.world, a);
    let (_, codes, tracked) = explain(&mut lab.world, ingress, tcp("10.0.1.30:40000", "10.0.2.20:22"));
    assert_eq!((codes.as_slice(), tracked), (&[Code::SgHasNoRules][..], 0));
}

#[test]
fn a_blackhole_ends_the_walk() {
    let (mut lab, gateway) = Lab::with_internet();
    let silent = lab.group(&[]);
    let a = lab.world.host(lab.first, "10.0.1.30", &[silent]);
    lab.world.edit::<openvpc_model::InternetGateway>(gateway, |gateway| gateway.vpc = None);
    let ingress = from(&mut lab.world, a);
    let (_, codes, _) = explain(&mut lab.world, ingress, tcp("10.0.1.30:40000", "198.51.100.10:22"));
    assert_eq!(codes, [Code::SgHasNoRules, Code::BadStateRoute]);
}

#[test]
fn an_unattached_interface_behind_the_gateway_counts_as_no_address() {
    let (mut lab, _) = Lab::with_internet();
    let loose = lab.world.eni(lab.first, "10.0.1.40", &[lab.open]);
    lab.world.public(loose, "10.0.1.40", "203.0.113.40");
    let (_, codes, _) = explain(&mut lab.world, Ingress::Internet, tcp("198.51.100.10:40000", "203.0.113.40:22"));
    assert_eq!(codes, [Code::IgwPrivateIpAssociationForIngress]);
}

#[test]
fn a_trace_that_keeps_going_gives_the_same_verdict_as_none() {
    let mut lab = Lab::new();
    let (closed, open) = (lab.group(&["in udp from 0.0.0.0/0"]), lab.open);
    let a = lab.world.host(lab.first, "10.0.1.30", &[open]);
    lab.b(closed);
    lab.world.nacl(lab.second, &[]);
    let packet = tcp("10.0.1.30:40000", "10.0.2.20:80");
    let ingress = from(&mut lab.world, a);
    let (verdict, ..) = explain(&mut lab.world, ingress, packet);
    let plain = lab.world.send(a.eni, packet).verdict;
    assert_eq!(format!("{plain:?}"), format!("{verdict:?}"));
}
