//! NAT gateways, beyond what one call over the wire shows. Section 8 of the networking sheet.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Lab;
use openvpc_control::nat_gateways::{self, CreateNatGateway, Place, Zonal};
use openvpc_control::{Tx, addresses, interfaces};
use openvpc_model::nat::NatConnectivity;
use openvpc_model::{NatGateway, NatGatewayId, NetworkInterface, SubnetId, Tags, UnixMillis};

fn private(lab: &Lab, subnet: SubnetId) -> NatGatewayId {
    let place = Place::Zonal { subnet, addresses: Zonal::default() };
    lab.run(|tx| nat_gateways::create(tx, CreateNatGateway { place, connectivity: NatConnectivity::Private, tags: Tags::new() }))
}

fn prune(tx: &mut Tx) -> Result<(), openvpc_control::ControlError> {
    nat_gateways::prune(tx);
    Ok(())
}

#[test]
fn a_gateway_that_was_deleted_or_failed_an_hour_ago_is_forgotten() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    let subnet = lab.subnet(vpc, "10.0.1.0/24");
    let (kept, deleted) = (private(&lab, subnet), private(&lab, subnet));
    let address = lab.run(|tx| addresses::allocate(tx, None, Tags::new()));
    let place = Place::Zonal { subnet, addresses: Zonal { allocation: Some(address), ..Zonal::default() } };
    let request = CreateNatGateway { place, connectivity: NatConnectivity::Public, tags: Tags::new() };
    let failed = lab.run(|tx| nat_gateways::create(tx, request));
    assert!(lab.get::<NatGateway>(&failed).failure.is_some(), "there is no internet gateway");

    lab.run(|tx| nat_gateways::delete(tx, deleted));
    lab.run(prune);
    assert_eq!(lab.network().nat_gateways.keys().count(), 3, "all are shown for a while");
    lab.run(|tx| {
        let long_ago = UnixMillis(tx.now().0 - 3_600_000);
        tx.update::<NatGateway, _>(&deleted, |gateway| gateway.deleted_at = Some(long_ago))?;
        tx.update::<NatGateway, _>(&failed, |gateway| gateway.created_at = long_ago)?;
        tx.update::<NatGateway, _>(&kept, |gateway| gateway.created_at = long_ago)
    });
    lab.run(prune);
    assert_eq!(lab.network().nat_gateways.keys().collect::<Vec<_>>(), [&kept]);
}

#[test]
fn a_gateway_takes_its_interface_with_it() {
    let lab = Lab::new();
    let vpc = lab.vpc("10.0.0.0/16");
    let subnet = lab.subnet(vpc, "10.0.1.0/24");
    let gateway = private(&lab, subnet);
    let eni = lab.get::<NatGateway>(&gateway).eni().unwrap();
    assert!(lab.get::<NetworkInterface>(&eni).requester_managed);
    assert_eq!(lab.code(|tx| interfaces::delete(tx, eni)), "OperationNotPermitted");
    lab.run(|tx| nat_gateways::delete(tx, gateway));
    assert_eq!(lab.code(|tx| interfaces::delete(tx, eni)), "InvalidNetworkInterfaceID.NotFound");
}
