//! Customer gateways: the far ends of site-to-site VPNs: the API side.

use openvpc_control::customer_gateways::{self, CreateCustomerGateway, DEFAULT_ASN};
use openvpc_model::{CustomerGateway, CustomerGatewayId};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateCustomerGateway, create_customer_gateway),
    action!(DeleteCustomerGateway, delete_customer_gateway),
    action!(DescribeCustomerGateways, describe_customer_gateways),
];

fn create_customer_gateway(
    ctx: &Ctx<'_>,
    request: shapes::CreateCustomerGatewayRequest,
) -> Result<shapes::CreateCustomerGatewayResult, ApiError> {
    check_type(&request.r#type)?;
    let tags = tagging::on_create(&request.tag_specifications, "customer-gateway")?;
    let address = match (&request.ip_address, &request.public_ip) {
        (Some(_), Some(_)) => return Err(ApiError::invalid_combination("Specify IpAddress or PublicIp, not both")),
        // Terraform sends an empty one for a device that has only a certificate.
        (Some(text), None) | (None, Some(text)) if !text.is_empty() => Some(
            text.parse().map_err(|_| ApiError::invalid_value(format!("Value ({text}) for parameter IpAddress is invalid")))?,
        ),
        _ => None,
    };
    let request = CreateCustomerGateway {
        address,
        asn: asn(request.bgp_asn, request.bgp_asn_extended)?,
        certificate: request.certificate_arn.filter(|arn| !arn.is_empty()),
        device_name: request.device_name.filter(|name| !name.is_empty()),
        tags,
    };
    let gateway = ctx.mutate(|tx| {
        let id = customer_gateways::create(tx, request)?;
        tx.find::<CustomerGateway>(&id)
    })?;
    let shape = shapes::CustomerGateway { state: Some("pending".to_owned()), ..gateway_shape(&gateway) };
    Ok(shapes::CreateCustomerGatewayResult { customer_gateway: Some(shape) })
}

fn delete_customer_gateway(ctx: &Ctx<'_>, request: shapes::DeleteCustomerGatewayRequest) -> Result<Done, ApiError> {
    let id: CustomerGatewayId = ids::parse_required(&request.customer_gateway_id, "CustomerGatewayId")?;
    ctx.mutate(|tx| customer_gateways::delete(tx, id))?;
    Ok(Done)
}

fn describe_customer_gateways(
    ctx: &Ctx<'_>,
    request: shapes::DescribeCustomerGatewaysRequest,
) -> Result<shapes::DescribeCustomerGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let gateways = ctx.pick::<CustomerGateway>(&network, &request.customer_gateway_ids)?;
    let gateways = gateways.iter().map(|gateway| gateway_shape(gateway)).collect();
    let customer_gateways = filters::select(gateways, &request.filters, &GATEWAY_FIELDS)?;
    Ok(shapes::DescribeCustomerGatewaysResult { customer_gateways })
}

static GATEWAY_FIELDS: Fields<shapes::CustomerGateway> = Fields {
    tags: Some(|gateway| &gateway.tags),
    fields: &[
        ("bgp-asn", |gateway, m| {
            m.offer(&gateway.bgp_asn);
            m.offer(&gateway.bgp_asn_extended);
        }),
        ("customer-gateway-id", |gateway, m| m.offer(&gateway.customer_gateway_id)),
        ("ip-address", |gateway, m| m.offer(&gateway.ip_address)),
        ("state", |gateway, m| m.offer(&gateway.state)),
        ("type", |gateway, m| m.offer(&gateway.r#type)),
    ],
};

fn gateway_shape(gateway: &CustomerGateway) -> shapes::CustomerGateway {
    // Numbers beyond 31 bits have a member of their own, because the old one is a signed integer in requests.
    let extended = gateway.asn > LARGEST_ASN;
    shapes::CustomerGateway {
        customer_gateway_id: Some(gateway.id.to_string()),
        state: Some(if gateway.deleted_at.is_some() { "deleted" } else { "available" }.to_owned()),
        r#type: Some(TYPE.to_owned()),
        ip_address: gateway.address.map(|address| address.to_string()),
        bgp_asn: (!extended).then(|| gateway.asn.to_string()),
        bgp_asn_extended: extended.then(|| gateway.asn.to_string()),
        certificate_arn: gateway.certificate.clone(),
        device_name: gateway.device_name.clone(),
        tags: tagging::shapes(&gateway.tags),
    }
}

/// The only type of VPN there is.
pub(super) const TYPE: &str = "ipsec.1";

/// The largest number that BgpAsn takes.
const LARGEST_ASN: u32 = 0x7fff_ffff;

/// Checks the `Type` of a gateway or connection.
pub(super) fn check_type(given: &Option<String>) -> Result<(), ApiError> {
    match ids::required(given, "Type")? {
        TYPE => Ok(()),
        other => Err(ApiError::invalid_value(format!("Value ({other}) for parameter Type is invalid: use {TYPE}"))),
    }
}

fn asn(short: Option<i32>, extended: Option<i64>) -> Result<u32, ApiError> {
    let invalid = |value: i64, name: &str, range: &str| {
        ApiError::invalid_value(format!("Value ({value}) for parameter {name} is invalid: use {range}"))
    };
    match (short, extended) {
        (None, None) => Ok(DEFAULT_ASN),
        (Some(_), Some(_)) => Err(ApiError::invalid_combination("Specify BgpAsn or BgpAsnExtended, not both")),
        (Some(asn), None) => {
            let positive = u32::try_from(asn).ok().filter(|asn| *asn > 0);
            positive.ok_or_else(|| invalid(asn.into(), "BgpAsn", "1 to 2147483647"))
        }
        (None, Some(asn)) => {
            let large = u32::try_from(asn).ok().filter(|asn| *asn > LARGEST_ASN);
            large.ok_or_else(|| invalid(asn, "BgpAsnExtended", "2147483648 to 4294967295"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use crate::testing::api;

    #[test]
    fn a_gateway_is_pending_then_available_then_deleted() {
        let api = api();
        let made = api.call("CreateCustomerGateway", &[("Type", "ipsec.1"), ("IpAddress", "198.51.100.7")]).unwrap();
        assert_eq!(made["CustomerGateway"]["State"], "pending");
        assert_eq!(made["CustomerGateway"]["BgpAsn"], "65000");
        let id = made["CustomerGateway"]["CustomerGatewayId"].as_str().unwrap().to_owned();
        let describe =
            || api.call("DescribeCustomerGateways", &[("CustomerGatewayId.1", &id)]).unwrap()["CustomerGateways"][0].clone();
        assert_eq!(describe()["State"], "available");
        assert_eq!(describe()["IpAddress"], "198.51.100.7");
        api.call("DeleteCustomerGateway", &[("CustomerGatewayId", &id)]).unwrap();
        assert_eq!(describe()["State"], "deleted");
        assert_eq!(api.code("DeleteCustomerGateway", &[("CustomerGatewayId", &id)]), "InvalidCustomerGatewayID.NotFound");
        let live = [("Filter.1.Name", "state"), ("Filter.1.Value.1", "available")];
        assert_eq!(api.call("DescribeCustomerGateways", &live).unwrap()["CustomerGateways"], json!([]));
    }

    #[test]
    fn the_same_device_is_the_same_gateway_unless_it_is_named() {
        let api = api();
        let make = |more: &[(&str, &str)]| {
            let parameters = [&[("Type", "ipsec.1"), ("PublicIp", "198.51.100.7"), ("BgpAsn", "65010")], more].concat();
            let made = api.call("CreateCustomerGateway", &parameters).unwrap();
            made["CustomerGateway"]["CustomerGatewayId"].as_str().unwrap().to_owned()
        };
        let first = make(&[]);
        assert_eq!(make(&[]), first);
        assert_ne!(make(&[("DeviceName", "spare")]), first);
        assert_eq!(api.call("DescribeCustomerGateways", &[]).unwrap()["CustomerGateways"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn large_numbers_have_a_member_of_their_own() {
        let api = api();
        let address = [("Type", "ipsec.1"), ("IpAddress", "198.51.100.7")];
        let with = |more: &[(&'static str, &'static str)]| [&address[..], more].concat();
        let made = api.call("CreateCustomerGateway", &with(&[("BgpAsnExtended", "4294967295")])).unwrap();
        assert_eq!(made["CustomerGateway"]["BgpAsnExtended"], "4294967295");
        assert!(made["CustomerGateway"].get("BgpAsn").is_none());
        for (name, value) in [("BgpAsn", "0"), ("BgpAsn", "-1"), ("BgpAsnExtended", "65000"), ("BgpAsnExtended", "4294967296")] {
            assert_eq!(api.code("CreateCustomerGateway", &with(&[(name, value)])), "InvalidParameterValue", "{name}={value}");
        }
        let both = with(&[("BgpAsn", "65000"), ("BgpAsnExtended", "4200000000")]);
        assert_eq!(api.code("CreateCustomerGateway", &both), "InvalidParameterCombination");
    }

    #[test]
    fn a_gateway_needs_an_address_or_a_certificate() {
        let api = api();
        let code = |parameters: &[(&str, &str)]| api.code("CreateCustomerGateway", parameters);
        assert_eq!(code(&[("Type", "ipsec.1")]), "MissingParameter");
        assert_eq!(code(&[("IpAddress", "198.51.100.7")]), "MissingParameter");
        assert_eq!(code(&[("Type", "ipsec.2"), ("IpAddress", "198.51.100.7")]), "InvalidParameterValue");
        for address in ["300.1.1.1", "0.0.0.0", "127.0.0.1", "224.0.0.5", "169.254.1.1", "somewhere"] {
            assert_eq!(code(&[("Type", "ipsec.1"), ("IpAddress", address)]), "InvalidParameterValue", "{address}");
        }
        assert_eq!(code(&[("Type", "ipsec.1"), ("CertificateArn", "x")]), "InvalidParameterValue");
        let arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";
        let made = api.call("CreateCustomerGateway", &[("Type", "ipsec.1"), ("CertificateArn", arn)]).unwrap();
        assert_eq!(made["CustomerGateway"]["CertificateArn"], arn);
        assert!(made["CustomerGateway"].get("IpAddress").is_none());
    }

    #[test]
    fn fifty_gateways_are_the_most() {
        let api = api();
        let make = |asn: i32| {
            api.call("CreateCustomerGateway", &[("Type", "ipsec.1"), ("IpAddress", "198.51.100.7"), ("BgpAsn", &asn.to_string())])
        };
        for asn in 1..=50 {
            make(asn).unwrap();
        }
        assert_eq!(make(51).unwrap_err().code, "CustomerGatewayLimitExceeded");
        assert!(make(50).is_ok());
    }

    #[test]
    fn ids_are_checked_and_filters_known() {
        let api = api();
        let describe = |parameters: &[(&str, &str)]| api.code("DescribeCustomerGateways", parameters);
        assert_eq!(describe(&[("CustomerGatewayId.1", "cgw-zz")]), "InvalidCustomerGatewayId.Malformed");
        assert_eq!(describe(&[("CustomerGatewayId.1", "cgw-12345678")]), "InvalidCustomerGatewayID.NotFound");
        assert_eq!(describe(&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]), "InvalidParameterValue");
    }
}
