//! From the many parameters that name a route's destination and target to one of each.

use ipnet::IpNet;
use openvpc_control::routes::{Target, User};
use openvpc_model::RouteDestination;

use super::super::vpc::{ipv4_block, ipv6_block};
use crate::error::ApiError;
use crate::ids;

/// The destination in a request of CreateRoute, ReplaceRoute or DeleteRoute.
macro_rules! destination {
    ($request:ident) => {
        $crate::actions::routes::targets::destination_of(
            &$request.destination_cidr_block,
            &$request.destination_ipv6_cidr_block,
            &$request.destination_prefix_list_id,
        )
    };
}
pub(super) use destination;

/// The targets in a request of CreateRoute or ReplaceRoute.
macro_rules! named {
    ($request:ident) => {{
        use openvpc_control::routes::Target;
        use $crate::actions::routes::targets::{absent_arn, endpoint, gateway, local_gateway};
        use $crate::ids::parse;
        [
            $request.gateway_id.as_deref().map(gateway),
            $request.network_interface_id.as_deref().map(|id| Ok(Target::NetworkInterface(parse(id)?))),
            $request.instance_id.as_deref().map(|id| Ok(Target::Instance(parse(id)?))),
            $request.nat_gateway_id.as_deref().map(|id| Ok(Target::NatGateway(parse(id)?))),
            $request.vpc_peering_connection_id.as_deref().map(|id| Ok(Target::Peering(parse(id)?))),
            $request.transit_gateway_id.as_deref().map(|id| Ok(Target::TransitGateway(parse(id)?))),
            $request.egress_only_internet_gateway_id.as_deref().map(|id| Ok(Target::EgressOnlyGateway(parse(id)?))),
            $request.vpc_endpoint_id.as_deref().map(endpoint),
            $request.carrier_gateway_id.as_deref().map(|id| Ok(Target::CarrierGateway(parse(id)?))),
            $request.local_gateway_id.as_deref().map(local_gateway),
            $request.core_network_arn.as_deref().map(|arn| absent_arn("InvalidCoreNetworkArn.NotFound", arn)),
            $request.odb_network_arn.as_deref().map(|arn| absent_arn("InvalidOdbNetworkArn.NotFound", arn)),
        ]
    }};
}
pub(super) use named;

/// Reads the destination of a route: exactly one of the three.
///
/// # Errors
/// `MissingParameter`, `InvalidParameterCombination`, `InvalidRoute.Malformed`, `InvalidPrefixListID.Malformed`.
pub(super) fn destination_of(
    ipv4: &Option<String>,
    ipv6: &Option<String>,
    prefix_list: &Option<String>,
) -> Result<RouteDestination, ApiError> {
    let malformed = |error: ApiError| ApiError::new("InvalidRoute.Malformed", error.message);
    match (ipv4, ipv6, prefix_list) {
        (Some(text), None, None) => {
            ipv4_block(text, "destinationCidrBlock").map(|block| IpNet::V4(block).into()).map_err(malformed)
        }
        (None, Some(text), None) => {
            ipv6_block(text, "destinationIpv6CidrBlock").map(|block| IpNet::V6(block).into()).map_err(malformed)
        }
        (None, None, Some(text)) => ids::parse(text).map(RouteDestination::PrefixList),
        (None, None, None) => Err(ApiError::missing("DestinationCidrBlock")),
        _ => Err(ApiError::invalid_combination(
            "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock, destinationPrefixListId",
        )),
    }
}

/// The one target that a request names.
///
/// # Errors
/// `MissingParameter`, `InvalidParameterCombination`, and what is wrong with the target's id.
pub(super) fn the_one(named: impl IntoIterator<Item = Option<Result<Target, ApiError>>>) -> Result<Target, ApiError> {
    const ONE_OF: &str = "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, \
        vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, vpcEndpointId, localGatewayId, \
        carrierGatewayId, instanceId, coreNetworkArn, odbNetworkArn";
    let mut named = named.into_iter().flatten();
    match (named.next(), named.next()) {
        (Some(only), None) => only,
        (None, _) => Err(ApiError::new("MissingParameter", ONE_OF)),
        (Some(_), Some(_)) => Err(ApiError::invalid_combination(ONE_OF)),
    }
}

/// Reads GatewayId, which names gateways of several kinds.
///
/// # Errors
/// The kind's malformed error; `InvalidGatewayID.Malformed` for other ids.
pub(super) fn gateway(id: &str) -> Result<Target, ApiError> {
    match id.split_once('-') {
        None if id == "local" => Ok(Target::Local),
        Some(("vpce", _)) => endpoint(id),
        Some(("vgw", _)) => Ok(Target::VpnGateway(ids::parse(id)?)),
        Some(("igw", _)) => Ok(Target::InternetGateway(ids::parse(id)?)),
        Some(("eigw", _)) => Ok(Target::EgressOnlyGateway(ids::parse(id)?)),
        _ => Err(ApiError::new("InvalidGatewayID.Malformed", format!("Invalid id: \"{id}\" (expecting \"igw-...\")"))),
    }
}

/// Reads the GatewayId of a gateway route table.
///
/// # Errors
/// As [`gateway`]; `InvalidParameterValue` for what has no table.
pub(super) fn gateway_user(id: &str) -> Result<User, ApiError> {
    match gateway(id)? {
        Target::InternetGateway(gateway) => Ok(User::InternetGateway(gateway)),
        Target::VpnGateway(gateway) => Ok(User::VpnGateway(gateway)),
        _ => Err(ApiError::invalid_value(format!(
            "Value ({id}) for parameter gatewayId is invalid: use an internet gateway or a virtual private gateway"
        ))),
    }
}

/// Reads the id of an endpoint.
pub(super) fn endpoint(id: &str) -> Result<Target, ApiError> {
    Ok(Target::Endpoint(ids::parse(id)?))
}

/// Reads the id of a local gateway, which only an Outpost has: every well-formed one is unknown.
pub(super) fn local_gateway(id: &str) -> Result<Target, ApiError> {
    let digits = id.strip_prefix("lgw-");
    if digits.is_some_and(|d| matches!(d.len(), 8 | 17) && d.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(ApiError::new("InvalidLocalGatewayID.NotFound", format!("The localGateway ID '{id}' does not exist")));
    }
    Err(ApiError::new("InvalidLocalGatewayID.Malformed", format!("Invalid id: \"{id}\" (expecting \"lgw-...\")")))
}

/// The error for a target that is named by an ARN and can't exist.
pub(super) fn absent_arn(not_found: &'static str, arn: &str) -> Result<Target, ApiError> {
    Err(ApiError::new(not_found, format!("The resource '{arn}' does not exist")))
}
