//! Carrier gateways: the API side.

use openvpc_control::{Tx, carrier_gateways, idempotency};
use openvpc_model::{CarrierGateway, CarrierGatewayId, VpcId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateCarrierGateway, create_carrier_gateway),
    action!(DeleteCarrierGateway, delete_carrier_gateway),
    action!(DescribeCarrierGateways, describe_carrier_gateways),
];

fn create_carrier_gateway(
    ctx: &Ctx<'_>,
    request: shapes::CreateCarrierGatewayRequest,
) -> Result<shapes::CreateCarrierGatewayResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "carrier-gateway")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let token = request.client_token.as_deref();
    let gateway = ctx.mutate(|tx| {
        let make = |tx: &mut Tx<'_>| carrier_gateways::create(tx, vpc, tags.clone());
        let id = idempotency::once(tx, "CreateCarrierGateway", token, &(vpc, &tags), make)?;
        tx.find::<CarrierGateway>(&id)
    })?;
    Ok(shapes::CreateCarrierGatewayResult { carrier_gateway: Some(gateway_shape(&gateway, "pending")) })
}

fn delete_carrier_gateway(
    ctx: &Ctx<'_>,
    request: shapes::DeleteCarrierGatewayRequest,
) -> Result<shapes::DeleteCarrierGatewayResult, ApiError> {
    let id: CarrierGatewayId = ids::parse_required(&request.carrier_gateway_id, "CarrierGatewayId")?;
    let gateway = ctx.mutate(|tx| {
        let gateway = tx.find::<CarrierGateway>(&id)?;
        carrier_gateways::delete(tx, id)?;
        Ok(gateway)
    })?;
    Ok(shapes::DeleteCarrierGatewayResult { carrier_gateway: Some(gateway_shape(&gateway, "deleting")) })
}

fn describe_carrier_gateways(
    ctx: &Ctx<'_>,
    request: shapes::DescribeCarrierGatewaysRequest,
) -> Result<shapes::DescribeCarrierGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let gateways = ctx.pick::<CarrierGateway>(&network, &request.carrier_gateway_ids)?;
    let gateways = gateways.iter().map(|gateway| gateway_shape(gateway, "available")).collect();
    let gateways = filters::select(gateways, &request.filters, &GATEWAY_FIELDS)?;
    let explicit = !request.carrier_gateway_ids.is_empty();
    let (carrier_gateways, next_token) =
        page::cut(&request, explicit, gateways, |gateway| gateway.carrier_gateway_id.as_deref())?;
    Ok(shapes::DescribeCarrierGatewaysResult { carrier_gateways, next_token })
}

static GATEWAY_FIELDS: Fields<shapes::CarrierGateway> = Fields {
    tags: Some(|gateway| &gateway.tags),
    fields: &[
        ("carrier-gateway-id", |gateway, m| m.offer(&gateway.carrier_gateway_id)),
        ("owner-id", |gateway, m| m.offer(&gateway.owner_id)),
        ("state", |gateway, m| m.offer(&gateway.state)),
        ("vpc-id", |gateway, m| m.offer(&gateway.vpc_id)),
    ],
};

fn gateway_shape(gateway: &CarrierGateway, state: &str) -> shapes::CarrierGateway {
    shapes::CarrierGateway {
        carrier_gateway_id: Some(gateway.id.to_string()),
        owner_id: Some(gateway.owner.account.to_string()),
        state: Some(state.to_owned()),
        tags: tagging::shapes(&gateway.tags),
        vpc_id: Some(gateway.vpc.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::testing::api;

    #[test]
    fn a_vpc_has_one_gateway_that_no_table_can_lead_to() {
        let api = api();
        let vpc = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"].as_str().unwrap().to_owned();
        let made = api.call("CreateCarrierGateway", &[("VpcId", &vpc)]).unwrap()["CarrierGateway"].clone();
        assert_eq!(made["State"], "pending");
        let id = made["CarrierGatewayId"].as_str().unwrap();
        let found = api.call("DescribeCarrierGateways", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &vpc)]).unwrap();
        assert_eq!(
            (&found["CarrierGateways"][0]["State"], &found["CarrierGateways"][0]["CarrierGatewayId"]),
            (&"available".into(), &id.into())
        );
        assert_eq!(api.code("CreateCarrierGateway", &[("VpcId", &vpc)]), "InvalidParameterValue");
        assert_eq!(api.code("CreateCarrierGateway", &[("VpcId", "vpc-1a2b3c4d")]), "InvalidVpcID.NotFound");
        assert_eq!(api.code("DeleteVpc", &[("VpcId", &vpc)]), "DependencyViolation");
        let table = api.call("CreateRouteTable", &[("VpcId", &vpc)]).unwrap()["RouteTable"]["RouteTableId"].clone();
        let route = [("RouteTableId", table.as_str().unwrap()), ("DestinationCidrBlock", "0.0.0.0/0"), ("CarrierGatewayId", id)];
        assert_eq!(api.code("CreateRoute", &route), "InvalidParameterValue");
        let deleted = api.call("DeleteCarrierGateway", &[("CarrierGatewayId", id)]).unwrap();
        assert_eq!(deleted["CarrierGateway"]["State"], "deleting");
        for (action, name) in [("DeleteCarrierGateway", "CarrierGatewayId"), ("DescribeCarrierGateways", "CarrierGatewayId.1")] {
            assert_eq!(api.code(action, &[(name, id)]), "InvalidCarrierGatewayID.NotFound");
            assert_eq!(api.code(action, &[(name, "cagw-x")]), "InvalidCarrierGatewayID.Malformed");
        }
    }
}
