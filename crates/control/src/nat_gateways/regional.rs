//! NAT gateways of a whole VPC. See "Regional NAT gateways for automatic multi-AZ expansion" in the VPC User Guide.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net};
use openvpc_model::address::NatGatewayUse;
use openvpc_model::nat::{NatAddress, NatConnectivity, NatElasticIp, NatPlace};
use openvpc_model::route::{TableAssociation, TableUser};
use openvpc_model::{
    AllocationId, ElasticIp, NatGateway, NatGatewayId, NetworkInterface, Route, RouteOrigin, RouteTable, RouteTableId,
    RouteTarget, Tags, Vpc, VpcId, Zone,
};

use super::{Made, allocations, check_free, check_internet_gateway, unassociated};
use crate::{ControlError, Tx, addresses};

/// Makes the parts of a gateway.
pub(super) fn make(
    tx: &mut Tx,
    id: NatGatewayId,
    vpc: VpcId,
    connectivity: NatConnectivity,
    wanted: Vec<(Zone, Vec<AllocationId>)>,
) -> Result<Made, ControlError> {
    tx.find::<Vpc>(&vpc)?;
    if connectivity == NatConnectivity::Private {
        return Err(ControlError::invalid_combination("A regional NAT gateway is public; ConnectivityType can't be private"));
    }
    let auto = wanted.is_empty();
    for (zone, ids) in &wanted {
        check_zone_count(tx, *zone, ids.len())?;
        if ids.is_empty() {
            return Err(ControlError::missing_parameter("AvailabilityZoneAddress.AllocationId"));
        }
    }
    let zones: Vec<Zone> = wanted.iter().flat_map(|(zone, ids)| ids.iter().map(|_| *zone)).collect();
    let ids: Vec<_> = wanted.into_iter().flat_map(|(_, ids)| ids).collect();
    let eips = allocations(tx, &ids)?;
    if let Err(failure) = check_free(&eips).and_then(|()| check_internet_gateway(tx, vpc)) {
        let failed = zones.iter().zip(&eips);
        let addresses = failed.map(|(zone, eip)| NatAddress { zone: *zone, private: None, elastic: Some(unassociated(eip)) });
        let place = NatPlace::Regional { auto, route_table: None };
        return Ok(Made { vpc, place, addresses: addresses.collect(), failure: Some(failure) });
    }
    let mut made = Vec::new();
    if auto {
        let enis = tx.network().all::<NetworkInterface>().filter(|eni| eni.vpc == vpc);
        for zone in enis.map(|eni| eni.zone).collect::<BTreeSet<_>>() {
            made.push(take_address(tx, id, zone)?);
        }
    } else {
        for (zone, id_of_eip) in zones.into_iter().zip(ids) {
            made.push(use_address(tx, id, zone, id_of_eip)?);
        }
    }
    let route_table = Some(make_table(tx, id, vpc));
    Ok(Made { vpc, place: NatPlace::Regional { auto, route_table }, addresses: made, failure: None })
}

/// Frees what a gateway holds.
pub(super) fn unmake(tx: &mut Tx, gateway: &NatGateway) -> Result<(), ControlError> {
    for elastic in gateway.addresses.iter().filter_map(|address| address.elastic.as_ref()) {
        if elastic.association.is_some() {
            release_address(tx, elastic.allocation)?;
        }
    }
    if let NatPlace::Regional { route_table: Some(table), .. } = gateway.place {
        tx.remove::<RouteTable>(&table);
    }
    Ok(())
}

/// Lets the gateways that follow their VPC's interfaces cover the zone of a new one. Where no Elastic IP is to be had the
/// zone stays uncovered.
pub(crate) fn follow_interface(tx: &mut Tx, vpc: VpcId, zone: Zone) {
    let lacks = |gateway: &NatGateway| {
        gateway.vpc == vpc
            && gateway.is_available()
            && matches!(gateway.place, NatPlace::Regional { auto: true, .. })
            && gateway.addresses.iter().all(|address| address.zone != zone)
    };
    let followers: Vec<_> = tx.owned::<NatGateway>().filter(|gateway| lacks(gateway)).cloned().collect();
    for gateway in followers {
        if let Ok(address) = take_address(tx, gateway.id, zone) {
            let mut gateway = (*gateway).clone();
            gateway.addresses.push(address);
            tx.put(gateway);
        }
    }
}

/// Puts an Elastic IP of the user to use.
pub(super) fn use_address(
    tx: &mut Tx,
    gateway: NatGatewayId,
    zone: Zone,
    allocation: AllocationId,
) -> Result<NatAddress, ControlError> {
    let association = tx.new_id();
    let address = tx.update::<ElasticIp, _>(&allocation, |eip| {
        eip.nat_gateway = Some(NatGatewayUse { id: association, gateway });
        eip.address
    })?;
    let elastic = NatElasticIp { allocation, address, association: Some(association) };
    Ok(NatAddress { zone, private: None, elastic: Some(elastic) })
}

/// Ends the use of an Elastic IP: the user's stays allocated, the gateway's own is given back.
pub(super) fn release_address(tx: &mut Tx, allocation: AllocationId) -> Result<(), ControlError> {
    if tx.find::<ElasticIp>(&allocation)?.service_managed {
        tx.remove::<ElasticIp>(&allocation);
        return Ok(());
    }
    tx.update::<ElasticIp, _>(&allocation, |eip| eip.nat_gateway = None)
}

/// At most so many Elastic IPs in a zone.
pub(super) fn check_zone_count(tx: &Tx, zone: Zone, count: usize) -> Result<(), ControlError> {
    let limit = tx.quotas().addresses_per_regional_nat_zone;
    if count > limit {
        let zone = zone.name(&tx.owner().region);
        let message = format!("The maximum number of Elastic IP addresses of a regional NAT gateway in {zone} is {limit}.");
        return Err(ControlError::new("AddressLimitExceeded", message));
    }
    Ok(())
}

/// Allocates an Elastic IP for a zone.
fn take_address(tx: &mut Tx, gateway: NatGatewayId, zone: Zone) -> Result<NatAddress, ControlError> {
    let allocation = addresses::allocate(tx, None, Tags::new())?;
    tx.update::<ElasticIp, _>(&allocation, |eip| eip.service_managed = true)?;
    use_address(tx, gateway, zone, allocation)
}

/// The route table of a gateway: what it sends on goes to the internet.
fn make_table(tx: &mut Tx, gateway: NatGatewayId, vpc: VpcId) -> RouteTableId {
    let everywhere = IpNet::V4(Ipv4Net::default());
    let internet = tx.network().internet_gateway_of(vpc).map(|internet| Route {
        destination: everywhere.into(),
        target: RouteTarget::InternetGateway(internet.id),
        origin: RouteOrigin::CreateRoute,
    });
    let id = tx.new_id();
    tx.put(RouteTable {
        id,
        owner: tx.owner().clone(),
        vpc,
        routes: internet.into_iter().collect(),
        associations: vec![TableAssociation { id: tx.new_id(), user: TableUser::NatGateway(gateway) }],
        propagating: Vec::new(),
        tags: Tags::new(),
    });
    id
}
