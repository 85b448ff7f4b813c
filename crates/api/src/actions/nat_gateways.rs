//! NAT gateways: the API side, with ([`addresses`]) their further addresses.

mod addresses;
#[cfg(test)]
mod tests;

use openvpc_control::idempotency;
use openvpc_control::nat_gateways::{self, CreateNatGateway, Place, Zonal};
use openvpc_model::nat::{NatAddress, NatConnectivity, NatPlace};
use openvpc_model::{EniId, NatGateway, NatGatewayId, Zone};

use super::interfaces::{count, ipv4};
use super::prelude::*;
use super::subnet::zone;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AssignPrivateNatGatewayAddress, addresses::assign_private),
    action!(AssociateNatGatewayAddress, addresses::associate),
    action!(CreateNatGateway, create_nat_gateway),
    action!(DeleteNatGateway, delete_nat_gateway),
    action!(DescribeNatGateways, describe_nat_gateways),
    action!(DisassociateNatGatewayAddress, addresses::disassociate),
    action!(UnassignPrivateNatGatewayAddress, addresses::unassign_private),
];

fn create_nat_gateway(
    ctx: &Ctx<'_>,
    request: shapes::CreateNatGatewayRequest,
) -> Result<shapes::CreateNatGatewayResult, ApiError> {
    let wanted = CreateNatGateway {
        place: place(ctx, &request)?,
        connectivity: connectivity(request.connectivity_type.as_deref())?,
        tags: tagging::on_create(&request.tag_specifications, "natgateway")?,
    };
    let token = request.client_token.as_deref();
    let mut gateway = ctx.mutate(|tx| {
        let make = |tx: &mut openvpc_control::Tx<'_>| nat_gateways::create(tx, wanted.clone());
        let id = idempotency::once(tx, "CreateNatGateway", token, &wanted, make)?;
        Ok(gateway_shape(&*tx.find::<NatGateway>(&id)?))
    })?;
    // Whether it works shows later.
    gateway.state = Some("pending".to_owned());
    gateway.failure_code = None;
    gateway.failure_message = None;
    for address in &mut gateway.nat_gateway_addresses {
        let status = if address.allocation_id.is_some() { "associating" } else { "assigning" };
        address.status = Some(status.to_owned());
        address.failure_message = None;
    }
    Ok(shapes::CreateNatGatewayResult { client_token: request.client_token, nat_gateway: Some(gateway) })
}

fn delete_nat_gateway(
    ctx: &Ctx<'_>,
    request: shapes::DeleteNatGatewayRequest,
) -> Result<shapes::DeleteNatGatewayResult, ApiError> {
    let id: NatGatewayId = ids::parse_required(&request.nat_gateway_id, "NatGatewayId")?;
    ctx.mutate(|tx| nat_gateways::delete(tx, id))?;
    Ok(shapes::DeleteNatGatewayResult { nat_gateway_id: Some(id.to_string()) })
}

fn describe_nat_gateways(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNatGatewaysRequest,
) -> Result<shapes::DescribeNatGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let gateways = ctx.pick::<NatGateway>(&network, &request.nat_gateway_ids)?;
    let gateways = gateways.iter().map(|gateway| gateway_shape(gateway)).collect();
    let gateways = filters::select(gateways, &request.filter, &GATEWAY_FIELDS)?;
    let explicit = !request.nat_gateway_ids.is_empty();
    let (nat_gateways, next_token) = page::cut(&request, explicit, gateways, |gateway| gateway.nat_gateway_id.as_deref())?;
    Ok(shapes::DescribeNatGatewaysResult { nat_gateways, next_token })
}

static GATEWAY_FIELDS: Fields<shapes::NatGateway> = Fields {
    tags: Some(|gateway| &gateway.tags),
    fields: &[
        ("connectivity-type", |gateway, m| m.offer(&gateway.connectivity_type)),
        ("nat-gateway-id", |gateway, m| m.offer(&gateway.nat_gateway_id)),
        ("state", |gateway, m| m.offer(&gateway.state)),
        ("subnet-id", |gateway, m| m.offer(&gateway.subnet_id)),
        ("vpc-id", |gateway, m| m.offer(&gateway.vpc_id)),
    ],
};

/// Where the gateway is to be: the members of the one kind of place, and none of the other.
fn place(ctx: &Ctx<'_>, request: &shapes::CreateNatGatewayRequest) -> Result<Place, ApiError> {
    match request.availability_mode.as_deref() {
        None | Some("zonal") => zonal(request),
        Some("regional") => regional(ctx, request),
        Some(other) => {
            let message = format!("Value ({other}) for parameter availabilityMode is invalid: use zonal or regional");
            Err(ApiError::invalid_value(message))
        }
    }
}

fn zonal(request: &shapes::CreateNatGatewayRequest) -> Result<Place, ApiError> {
    if request.vpc_id.is_some() || !request.availability_zone_addresses.is_empty() {
        let message = "VpcId and AvailabilityZoneAddresses are for regional NAT gateways only";
        return Err(ApiError::invalid_combination(message));
    }
    let secondary_private = request.secondary_private_ip_addresses.iter().map(|text| ipv4(text)).collect::<Result<_, _>>()?;
    Ok(Place::Zonal {
        subnet: ids::parse_required(&request.subnet_id, "SubnetId")?,
        addresses: Zonal {
            allocation: ids::parse_opt(&request.allocation_id)?,
            private: request.private_ip_address.as_deref().map(ipv4).transpose()?,
            secondary_allocations: ids::parse_all(&request.secondary_allocation_ids)?,
            secondary_private,
            secondary_count: count("SecondaryPrivateIpAddressCount", request.secondary_private_ip_address_count)?,
        },
    })
}

fn regional(ctx: &Ctx<'_>, request: &shapes::CreateNatGatewayRequest) -> Result<Place, ApiError> {
    let of_a_subnet = request.subnet_id.is_some()
        || request.allocation_id.is_some()
        || request.private_ip_address.is_some()
        || request.secondary_private_ip_address_count.is_some()
        || !request.secondary_allocation_ids.is_empty()
        || !request.secondary_private_ip_addresses.is_empty();
    if of_a_subnet {
        let message = "A regional NAT gateway takes VpcId and AvailabilityZoneAddresses, not a subnet and its addresses";
        return Err(ApiError::invalid_combination(message));
    }
    let vpc = ids::parse_required(&request.vpc_id, "VpcId")?;
    let mut addresses: Vec<(Zone, Vec<_>)> = Vec::new();
    for item in &request.availability_zone_addresses {
        let zone = zone(ctx, &item.availability_zone, &item.availability_zone_id)?;
        let zone = zone.ok_or_else(|| ApiError::missing("AvailabilityZoneAddress.AvailabilityZone"))?;
        if addresses.iter().any(|(named, _)| *named == zone) {
            let zone = zone.name(&ctx.owner().region);
            return Err(ApiError::invalid_value(format!("AvailabilityZoneAddresses names {zone} twice")));
        }
        addresses.push((zone, ids::parse_all(&item.allocation_ids)?));
    }
    Ok(Place::Regional { vpc, addresses })
}

fn connectivity(text: Option<&str>) -> Result<NatConnectivity, ApiError> {
    match text {
        None | Some("public") => Ok(NatConnectivity::Public),
        Some("private") => Ok(NatConnectivity::Private),
        Some(other) => {
            let message = format!("Value ({other}) for parameter connectivityType is invalid: use public or private");
            Err(ApiError::invalid_value(message))
        }
    }
}

fn gateway_shape(gateway: &NatGateway) -> shapes::NatGateway {
    let state = match (&gateway.failure, gateway.deleted_at) {
        (_, Some(_)) => "deleted",
        (Some(_), None) => "failed",
        (None, None) => "available",
    };
    let addresses = gateway.addresses.iter().enumerate().map(|(at, address)| address_shape(gateway, address, at == 0));
    let mut shape = shapes::NatGateway {
        create_time: Some(gateway.created_at),
        delete_time: gateway.deleted_at,
        failure_code: gateway.failure.as_ref().map(|failure| failure.code.clone()),
        failure_message: gateway.failure.as_ref().map(|failure| failure.message.clone()),
        nat_gateway_addresses: addresses.collect(),
        nat_gateway_id: Some(gateway.id.to_string()),
        state: Some(state.to_owned()),
        vpc_id: Some(gateway.vpc.to_string()),
        tags: tagging::shapes(&gateway.tags),
        connectivity_type: Some(gateway.connectivity.as_str().to_owned()),
        ..Default::default()
    };
    match gateway.place {
        NatPlace::Regional { auto, route_table } => {
            let switch = if auto { "enabled" } else { "disabled" };
            shape.availability_mode = Some("regional".to_owned());
            shape.auto_provision_zones = Some(switch.to_owned());
            shape.auto_scaling_ips = Some(switch.to_owned());
            shape.route_table_id = route_table.map(|table| table.to_string());
        }
        NatPlace::Zonal { subnet, .. } => {
            shape.availability_mode = Some("zonal".to_owned());
            shape.subnet_id = Some(subnet.to_string());
        }
    }
    shape
}

/// One address of a gateway: `is_primary` is for zonal ones.
fn address_shape(gateway: &NatGateway, address: &NatAddress, is_primary: bool) -> shapes::NatGatewayAddress {
    let region = &gateway.owner.region;
    let zonal = matches!(gateway.place, NatPlace::Zonal { .. });
    let elastic = address.elastic.as_ref();
    shapes::NatGatewayAddress {
        allocation_id: elastic.map(|elastic| elastic.allocation.to_string()),
        network_interface_id: gateway.eni().as_ref().map(EniId::to_string),
        private_ip: address.private.map(|private| private.to_string()),
        public_ip: elastic.map(|elastic| elastic.address.to_string()),
        association_id: elastic.and_then(|elastic| elastic.association).map(|association| association.to_string()),
        is_primary: zonal.then_some(is_primary),
        failure_message: gateway.failure.as_ref().map(|failure| failure.message.clone()),
        status: Some(if gateway.failure.is_some() { "failed" } else { "succeeded" }.to_owned()),
        availability_zone: Some(address.zone.name(region)),
        availability_zone_id: Some(address.zone.id(region)),
    }
}
