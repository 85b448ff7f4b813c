//! Section 8: Block Public Access at internet gateways.

use openvpc_model::public_access::{ExcludedResource, ExclusionMode, PublicAccessMode};
use openvpc_model::*;
use openvpc_pipeline::testing::packets::*;
use openvpc_pipeline::verdict::RejectReason;
use openvpc_pipeline::{Code, PacketHeader, ResourceId};

use super::Lab;

/// What passes out of a public host, and in to it.
fn passes(lab: &mut Lab, host: EniId) -> [bool; 2] {
    let sent = [
        lab.world.send(host, tcp("10.0.1.10:40000", "198.51.100.10:80")),
        lab.world.send_from_internet(tcp("198.51.100.10:40000", "203.0.113.10:80")),
    ];
    for sent in sent.iter().filter(|sent| !sent.is_delivered()) {
        assert!(matches!(sent.dropped(Code::VpcBlockPublicAccessEnabled).resource, ResourceId::InternetGateway(_)));
        let leg = sent.verdict.legs.iter().next().unwrap();
        assert_eq!((leg.reason, sent.is_accepted()), (Some(RejectReason::BlockPublicAccess), false));
    }
    sent.map(|sent| sent.is_delivered())
}

#[test]
fn every_mode_with_every_exclusion() {
    use ExclusionMode::{AllowBidirectional, AllowEgress};
    use PublicAccessMode::{BlockBidirectional, BlockIngress, Off};
    let cases = [
        (Off, None, [true, true]),
        (BlockBidirectional, None, [false, false]),
        (BlockIngress, None, [true, false]),
        (BlockBidirectional, Some(AllowBidirectional), [true, true]),
        (BlockBidirectional, Some(AllowEgress), [true, false]),
        (BlockIngress, Some(AllowBidirectional), [true, true]),
        (BlockIngress, Some(AllowEgress), [true, false]),
    ];
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    for (mode, exclusion, expected) in cases {
        lab.world.block_public_access(mode);
        for resource in [ExcludedResource::Vpc(lab.vpc), ExcludedResource::Subnet(lab.first)] {
            let id = exclusion.map(|exclusion| lab.world.exclude(resource, exclusion));
            assert_eq!(passes(&mut lab, a.eni), expected, "{mode:?} {exclusion:?} {resource:?}");
            id.into_iter().for_each(|id| lab.world.remove::<public_access::PublicAccessExclusion>(id));
        }
        let id = exclusion.map(|exclusion| lab.world.exclude(ExcludedResource::Subnet(lab.second), exclusion));
        let unspared = passes(&mut lab, a.eni);
        assert_eq!(unspared, [mode != BlockBidirectional, mode == Off], "another subnet's exclusion is nobody else's");
        id.into_iter().for_each(|id| lab.world.remove::<public_access::PublicAccessExclusion>(id));
    }
}

#[test]
fn a_subnets_exclusion_counts_before_its_vpcs() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    lab.world.public(a.eni, "10.0.1.10", "203.0.113.10");
    lab.world.block_public_access(PublicAccessMode::BlockBidirectional);
    lab.world.exclude(ExcludedResource::Vpc(lab.vpc), ExclusionMode::AllowBidirectional);
    lab.world.exclude(ExcludedResource::Subnet(lab.first), ExclusionMode::AllowEgress);
    assert_eq!(passes(&mut lab, a.eni), [true, false]);
}

#[test]
fn ipv6_is_kept_out_alike_and_inside_traffic_is_not_touched() {
    let (mut lab, _) = Lab::with_internet();
    let a = lab.a();
    let open = lab.open;
    let b = lab.b(open);
    lab.world.block_public_access(PublicAccessMode::BlockBidirectional);
    let out: PacketHeader = ping("2001:db8:0:101::10", "2001:db8:ffff::10");
    lab.world.send(a.eni, out).dropped(Code::VpcBlockPublicAccessEnabled);
    lab.world.send_from_internet(out.reply()).dropped(Code::VpcBlockPublicAccessEnabled);
    lab.world.send(a.eni, ping("2001:db8:0:101::10", "2001:db8:0:102::20")).delivered_to(b.eni);
}
