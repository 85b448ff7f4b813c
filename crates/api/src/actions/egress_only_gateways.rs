//! Egress-only internet gateways: the API side.

use openvpc_control::{Tx, egress_only_gateways, idempotency};
use openvpc_model::{EgressOnlyGateway, EgressOnlyGatewayId, VpcId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateEgressOnlyInternetGateway, create_egress_only_internet_gateway),
    action!(DeleteEgressOnlyInternetGateway, delete_egress_only_internet_gateway),
    action!(DescribeEgressOnlyInternetGateways, describe_egress_only_internet_gateways),
];

fn create_egress_only_internet_gateway(
    ctx: &Ctx<'_>,
    request: shapes::CreateEgressOnlyInternetGatewayRequest,
) -> Result<shapes::CreateEgressOnlyInternetGatewayResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "egress-only-internet-gateway")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let token = request.client_token.as_deref();
    let gateway = ctx.mutate(|tx| {
        let make = |tx: &mut Tx<'_>| egress_only_gateways::create(tx, vpc, tags.clone());
        let id = idempotency::once(tx, "CreateEgressOnlyInternetGateway", token, &(vpc, &tags), make)?;
        tx.find::<EgressOnlyGateway>(&id)
    })?;
    Ok(shapes::CreateEgressOnlyInternetGatewayResult {
        client_token: request.client_token,
        egress_only_internet_gateway: Some(gateway_shape(&gateway)),
    })
}

fn delete_egress_only_internet_gateway(
    ctx: &Ctx<'_>,
    request: shapes::DeleteEgressOnlyInternetGatewayRequest,
) -> Result<shapes::DeleteEgressOnlyInternetGatewayResult, ApiError> {
    let id: EgressOnlyGatewayId = ids::parse_required(&request.egress_only_internet_gateway_id, "EgressOnlyInternetGatewayId")?;
    ctx.mutate(|tx| egress_only_gateways::delete(tx, id))?;
    Ok(shapes::DeleteEgressOnlyInternetGatewayResult { return_code: Some(true) })
}

fn describe_egress_only_internet_gateways(
    ctx: &Ctx<'_>,
    request: shapes::DescribeEgressOnlyInternetGatewaysRequest,
) -> Result<shapes::DescribeEgressOnlyInternetGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let gateways = ctx.pick::<EgressOnlyGateway>(&network, &request.egress_only_internet_gateway_ids)?;
    let gateways = gateways.iter().map(|gateway| gateway_shape(gateway)).collect();
    let gateways = filters::select(gateways, &request.filters, &GATEWAY_FIELDS)?;
    let explicit = !request.egress_only_internet_gateway_ids.is_empty();
    let (egress_only_internet_gateways, next_token) =
        page::cut(&request, explicit, gateways, |gateway| gateway.egress_only_internet_gateway_id.as_deref())?;
    Ok(shapes::DescribeEgressOnlyInternetGatewaysResult { egress_only_internet_gateways, next_token })
}

static GATEWAY_FIELDS: Fields<shapes::EgressOnlyInternetGateway> = Fields {
    tags: Some(|gateway| &gateway.tags),
    fields: &[
        ("attachment.state", |gateway, m| gateway.attachments.iter().for_each(|a| m.offer(&a.state))),
        ("attachment.vpc-id", |gateway, m| gateway.attachments.iter().for_each(|a| m.offer(&a.vpc_id))),
        ("egress-only-internet-gateway-id", |gateway, m| m.offer(&gateway.egress_only_internet_gateway_id)),
    ],
};

fn gateway_shape(gateway: &EgressOnlyGateway) -> shapes::EgressOnlyInternetGateway {
    let attachment =
        shapes::InternetGatewayAttachment { state: Some("attached".to_owned()), vpc_id: Some(gateway.vpc.to_string()) };
    shapes::EgressOnlyInternetGateway {
        attachments: vec![attachment],
        egress_only_internet_gateway_id: Some(gateway.id.to_string()),
        tags: tagging::shapes(&gateway.tags),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::{Value, json};

    use crate::Api;
    use crate::testing::api;

    fn text(value: &Value) -> String {
        value.as_str().unwrap().to_owned()
    }

    fn vpc(api: &Api) -> String {
        text(&api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap()["Vpc"]["VpcId"])
    }

    fn create(api: &Api, vpc: &str) -> String {
        let answer = api.call("CreateEgressOnlyInternetGateway", &[("VpcId", vpc)]).unwrap();
        text(&answer["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"])
    }

    #[test]
    fn a_gateway_is_attached_from_the_start_and_alone_in_its_vpc() {
        let api = api();
        let vpc = vpc(&api);
        let tagged = [
            ("VpcId", &*vpc),
            ("ClientToken", "t"),
            ("TagSpecification.1.ResourceType", "egress-only-internet-gateway"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", "out"),
        ];
        let made = api.call("CreateEgressOnlyInternetGateway", &tagged).unwrap();
        assert_eq!(made["ClientToken"], "t");
        assert_eq!(api.call("CreateEgressOnlyInternetGateway", &tagged).unwrap(), made);
        let found = api.call("DescribeEgressOnlyInternetGateways", &[("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "o*")]);
        assert_eq!(found.unwrap()["EgressOnlyInternetGateways"], json!([made["EgressOnlyInternetGateway"]]));
        assert_eq!(made["EgressOnlyInternetGateway"]["Attachments"], json!([{"State": "attached", "VpcId": vpc}]));
        assert_eq!(api.code("CreateEgressOnlyInternetGateway", &[("VpcId", &vpc)]), "InvalidParameterValue");
        assert_eq!(api.code("CreateEgressOnlyInternetGateway", &[("VpcId", "vpc-1a2b3c4d")]), "InvalidVpcID.NotFound");
        assert_eq!(api.code("DeleteVpc", &[("VpcId", &vpc)]), "DependencyViolation");
    }

    #[test]
    fn a_deleted_gateway_leaves_blackholes() {
        let api = api();
        let vpc = vpc(&api);
        let gateway = create(&api, &vpc);
        let table = text(&api.call("CreateRouteTable", &[("VpcId", &vpc)]).unwrap()["RouteTable"]["RouteTableId"]);
        let to = |destination: (&'static str, &'static str)| {
            [
                ("RouteTableId", table.clone()),
                (destination.0, destination.1.into()),
                ("EgressOnlyInternetGatewayId", gateway.clone()),
            ]
        };
        let call = |parameters: [(&'static str, String); 3]| {
            let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            api.call("CreateRoute", &parameters).map_err(|error| error.code)
        };
        assert_eq!(call(to(("DestinationCidrBlock", "0.0.0.0/0"))).unwrap_err(), "InvalidParameterValue");
        call(to(("DestinationIpv6CidrBlock", "::/0"))).unwrap();
        let route = || {
            let tables = api.call("DescribeRouteTables", &[("RouteTableId.1", &table)]).unwrap();
            tables["RouteTables"][0]["Routes"][1].clone()
        };
        assert_eq!(
            route(),
            json!({
                "DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": gateway, "Origin": "CreateRoute", "State": "active",
            })
        );
        let deleted = api.call("DeleteEgressOnlyInternetGateway", &[("EgressOnlyInternetGatewayId", &gateway)]).unwrap();
        assert_eq!(deleted["ReturnCode"], true);
        assert_eq!(route()["State"], "blackhole");
        let code = |id: &str| api.code("DeleteEgressOnlyInternetGateway", &[("EgressOnlyInternetGatewayId", id)]);
        assert_eq!(code(&gateway), "InvalidEgressOnlyInternetGatewayId.NotFound");
        assert_eq!(code("eigw-x"), "InvalidEgressOnlyInternetGatewayId.Malformed");
        assert_eq!(api.code("DeleteEgressOnlyInternetGateway", &[]), "MissingParameter");
        let describe = |id: &str| api.code("DescribeEgressOnlyInternetGateways", &[("EgressOnlyInternetGatewayId.1", id)]);
        assert_eq!(describe(&gateway), "InvalidEgressOnlyInternetGatewayId.NotFound");
        assert_eq!(describe("igw-1a2b3c4d"), "InvalidEgressOnlyInternetGatewayId.Malformed");
    }

    #[test]
    fn a_route_leads_to_the_gateway_of_its_own_vpc() {
        let api = api();
        let (here, there) = (vpc(&api), vpc(&api));
        let gateway = create(&api, &there);
        let table = text(&api.call("CreateRouteTable", &[("VpcId", &here)]).unwrap()["RouteTable"]["RouteTableId"]);
        let route = [("RouteTableId", &*table), ("DestinationIpv6CidrBlock", "::/0"), ("EgressOnlyInternetGatewayId", &*gateway)];
        assert_eq!(api.code("CreateRoute", &route), "InvalidParameterValue");
    }
}
