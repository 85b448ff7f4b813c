//! Internet gateways.

use openvpc_control::internet_gateways;
use openvpc_model::{InternetGateway, InternetGatewayId, VpcId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AttachInternetGateway, attach_internet_gateway),
    action!(CreateInternetGateway, create_internet_gateway),
    action!(DeleteInternetGateway, delete_internet_gateway),
    action!(DescribeInternetGateways, describe_internet_gateways),
    action!(DetachInternetGateway, detach_internet_gateway),
];

fn create_internet_gateway(
    ctx: &Ctx<'_>,
    request: shapes::CreateInternetGatewayRequest,
) -> Result<shapes::CreateInternetGatewayResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "internet-gateway")?;
    let gateway = ctx.mutate(|tx| {
        let id = internet_gateways::create(tx, tags)?;
        tx.find::<InternetGateway>(&id)
    })?;
    Ok(shapes::CreateInternetGatewayResult { internet_gateway: Some(gateway_shape(&gateway)) })
}

fn delete_internet_gateway(ctx: &Ctx<'_>, request: shapes::DeleteInternetGatewayRequest) -> Result<Done, ApiError> {
    let id: InternetGatewayId = ids::parse_required(&request.internet_gateway_id, "InternetGatewayId")?;
    ctx.mutate(|tx| internet_gateways::delete(tx, id))?;
    Ok(Done)
}

fn attach_internet_gateway(ctx: &Ctx<'_>, request: shapes::AttachInternetGatewayRequest) -> Result<Done, ApiError> {
    let id: InternetGatewayId = ids::parse_required(&request.internet_gateway_id, "InternetGatewayId")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    ctx.mutate(|tx| internet_gateways::attach(tx, id, vpc))?;
    Ok(Done)
}

fn detach_internet_gateway(ctx: &Ctx<'_>, request: shapes::DetachInternetGatewayRequest) -> Result<Done, ApiError> {
    let id: InternetGatewayId = ids::parse_required(&request.internet_gateway_id, "InternetGatewayId")?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    ctx.mutate(|tx| internet_gateways::detach(tx, id, vpc))?;
    Ok(Done)
}

fn describe_internet_gateways(
    ctx: &Ctx<'_>,
    request: shapes::DescribeInternetGatewaysRequest,
) -> Result<shapes::DescribeInternetGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let gateways = ctx.pick::<InternetGateway>(&network, &request.internet_gateway_ids)?;
    let gateways = gateways.iter().map(|gateway| gateway_shape(gateway)).collect();
    let gateways = filters::select(gateways, &request.filters, &GATEWAY_FIELDS)?;
    let (internet_gateways, next_token) = page::cut(&request, !request.internet_gateway_ids.is_empty(), gateways, |gateway| {
        gateway.internet_gateway_id.as_deref()
    })?;
    Ok(shapes::DescribeInternetGatewaysResult { internet_gateways, next_token })
}

static GATEWAY_FIELDS: Fields<shapes::InternetGateway> = Fields {
    tags: Some(|gateway| &gateway.tags),
    fields: &[
        ("attachment.state", |gateway, m| gateway.attachments.iter().for_each(|a| m.offer(&a.state))),
        ("attachment.vpc-id", |gateway, m| gateway.attachments.iter().for_each(|a| m.offer(&a.vpc_id))),
        ("internet-gateway-id", |gateway, m| m.offer(&gateway.internet_gateway_id)),
        ("owner-id", |gateway, m| m.offer(&gateway.owner_id)),
    ],
};

fn gateway_shape(gateway: &InternetGateway) -> shapes::InternetGateway {
    // AWS calls an attached gateway available, unlike every other attachment.
    let attachment =
        |vpc: VpcId| shapes::InternetGatewayAttachment { state: Some("available".to_owned()), vpc_id: Some(vpc.to_string()) };
    shapes::InternetGateway {
        internet_gateway_id: Some(gateway.id.to_string()),
        owner_id: Some(gateway.owner.account.to_string()),
        attachments: gateway.vpc.map(attachment).into_iter().collect(),
        tags: tagging::shapes(&gateway.tags),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use crate::Api;
    use crate::testing::api;

    fn create(api: &Api) -> String {
        let answer = api.call("CreateInternetGateway", &[]).unwrap();
        answer["InternetGateway"]["InternetGatewayId"].as_str().unwrap().to_owned()
    }

    fn vpc(api: &Api) -> String {
        let answer = api.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).unwrap();
        answer["Vpc"]["VpcId"].as_str().unwrap().to_owned()
    }

    fn pair<'a>(gateway: &'a str, vpc: &'a str) -> [(&'a str, &'a str); 2] {
        [("InternetGatewayId", gateway), ("VpcId", vpc)]
    }

    #[test]
    fn an_attached_gateway_is_available() {
        let api = api();
        let (gateway, vpc) = (create(&api), vpc(&api));
        let describe = || api.call("DescribeInternetGateways", &[("InternetGatewayId.1", &gateway)]).unwrap();
        assert_eq!(describe()["InternetGateways"][0]["Attachments"], json!([]));
        api.call("AttachInternetGateway", &pair(&gateway, &vpc)).unwrap();
        assert_eq!(describe()["InternetGateways"][0]["Attachments"], json!([{"State": "available", "VpcId": vpc}]));
        assert_eq!(describe()["InternetGateways"][0]["OwnerId"], "123456789012");
        let of_vpc = [("Filter.1.Name", "attachment.vpc-id"), ("Filter.1.Value.1", &*vpc)];
        let found = api.call("DescribeInternetGateways", &of_vpc).unwrap();
        assert_eq!(found["InternetGateways"].as_array().unwrap().len(), 1);
        assert_eq!(api.code("DeleteInternetGateway", &[("InternetGatewayId", &gateway)]), "DependencyViolation");
        api.call("DetachInternetGateway", &pair(&gateway, &vpc)).unwrap();
        assert_eq!(describe()["InternetGateways"][0]["Attachments"], json!([]));
        api.call("DeleteInternetGateway", &[("InternetGatewayId", &gateway)]).unwrap();
        assert_eq!(
            api.code("DescribeInternetGateways", &[("InternetGatewayId.1", &gateway)]),
            "InvalidInternetGatewayID.NotFound"
        );
    }

    #[test]
    fn a_vpc_and_a_gateway_have_one_of_each_other() {
        let api = api();
        let (first, second) = (create(&api), create(&api));
        let (one, other) = (vpc(&api), vpc(&api));
        api.call("AttachInternetGateway", &pair(&first, &one)).unwrap();
        assert_eq!(api.code("AttachInternetGateway", &pair(&second, &one)), "InvalidParameterValue");
        assert_eq!(api.code("AttachInternetGateway", &pair(&first, &other)), "Resource.AlreadyAssociated");
        assert_eq!(api.code("DetachInternetGateway", &pair(&second, &one)), "Gateway.NotAttached");
        assert_eq!(api.code("DetachInternetGateway", &pair("igw-x", &one)), "InvalidInternetGatewayID.Malformed");
        assert_eq!(api.code("AttachInternetGateway", &[("VpcId", &one)]), "MissingParameter");
    }
}
