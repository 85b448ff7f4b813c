//! From the many parameters that name a route's destination and target to one of each.

use ipnet::IpNet;
use openvpc_control::routes::Target;
use openvpc_model::{InternetGatewayId, PrefixListId};

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
        use $crate::actions::routes::targets::{Absent, absent, absent_arn, gateway};
        [
            $request.gateway_id.as_deref().map(gateway),
            $request.network_interface_id.as_deref().map(|id| Ok(Target::NetworkInterface($crate::ids::parse(id)?))),
            $request.instance_id.as_deref().map(|id| Ok(Target::Instance($crate::ids::parse(id)?))),
            $request.nat_gateway_id.as_deref().map(|id| Err(absent(&Absent::NAT_GATEWAY, id))),
            $request.vpc_peering_connection_id.as_deref().map(|id| Err(absent(&Absent::PEERING, id))),
            $request.transit_gateway_id.as_deref().map(|id| Err(absent(&Absent::TRANSIT_GATEWAY, id))),
            $request.egress_only_internet_gateway_id.as_deref().map(|id| Err(absent(&Absent::EGRESS_ONLY, id))),
            $request.vpc_endpoint_id.as_deref().map(|id| Err(absent(&Absent::VPC_ENDPOINT, id))),
            $request.carrier_gateway_id.as_deref().map(|id| Err(absent(&Absent::CARRIER_GATEWAY, id))),
            $request.local_gateway_id.as_deref().map(|id| Err(absent(&Absent::LOCAL_GATEWAY, id))),
            $request.core_network_arn.as_deref().map(|arn| Err(absent_arn("InvalidCoreNetworkArn.NotFound", arn))),
            $request.odb_network_arn.as_deref().map(|arn| Err(absent_arn("InvalidOdbNetworkArn.NotFound", arn))),
        ]
    }};
}
pub(super) use named;

/// Reads the destination of a route: exactly one of the three.
///
/// # Errors
/// `MissingParameter`, `InvalidParameterCombination`, `InvalidRoute.Malformed`, and what a prefix list's id can be.
pub(super) fn destination_of(
    ipv4: &Option<String>,
    ipv6: &Option<String>,
    prefix_list: &Option<String>,
) -> Result<IpNet, ApiError> {
    let malformed = |error: ApiError| ApiError::new("InvalidRoute.Malformed", error.message);
    match (ipv4, ipv6, prefix_list) {
        (Some(text), None, None) => ipv4_block(text, "destinationCidrBlock").map(IpNet::V4).map_err(malformed),
        (None, Some(text), None) => ipv6_block(text, "destinationIpv6CidrBlock").map(IpNet::V6).map_err(malformed),
        (None, None, Some(text)) => {
            let id: PrefixListId = ids::parse(text)?;
            Err(ApiError::new("InvalidPrefixListID.NotFound", format!("The prefix list ID '{id}' does not exist")))
        }
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
/// `InvalidGatewayID.NotFound` for a virtual private gateway, which can't exist; `InvalidGatewayID.Malformed`.
pub(super) fn gateway(id: &str) -> Result<Target, ApiError> {
    match id.split_once('-') {
        None if id == "local" => Ok(Target::Local),
        Some(("vpce", _)) => Err(absent(&Absent::VPC_ENDPOINT, id)),
        Some(("vgw", _)) => Err(absent(&Absent::GATEWAY, id)),
        Some(("igw", _)) => Ok(Target::InternetGateway(ids::parse(id)?)),
        _ => Err(ApiError::new("InvalidGatewayID.Malformed", format!("Invalid id: \"{id}\" (expecting \"igw-...\")"))),
    }
}

/// Reads the GatewayId of a gateway route table.
///
/// # Errors
/// As [`gateway`].
pub(super) fn internet_gateway(id: &str) -> Result<InternetGatewayId, ApiError> {
    match gateway(id)? {
        Target::InternetGateway(gateway) => Ok(gateway),
        _ => Err(ApiError::invalid_value(format!("Value ({id}) for parameter gatewayId is invalid: use an internet gateway"))),
    }
}

/// A kind of target that openvpc has no resources of, so that every well-formed id of it is unknown.
pub(super) struct Absent {
    prefix: &'static str,
    name: &'static str,
    not_found: &'static str,
    malformed: &'static str,
}

impl Absent {
    pub const CARRIER_GATEWAY: Self =
        Self::new("cagw", "carrierGateway", "InvalidCarrierGatewayID.NotFound", "InvalidCarrierGatewayID.Malformed");
    pub const EGRESS_ONLY: Self = Self::new(
        "eigw",
        "egressOnlyInternetGateway",
        "InvalidEgressOnlyInternetGatewayId.NotFound",
        "InvalidEgressOnlyInternetGatewayId.Malformed",
    );
    pub const GATEWAY: Self = Self::new("vgw", "gateway", "InvalidGatewayID.NotFound", "InvalidGatewayID.Malformed");
    pub const LOCAL_GATEWAY: Self =
        Self::new("lgw", "localGateway", "InvalidLocalGatewayID.NotFound", "InvalidLocalGatewayID.Malformed");
    pub const NAT_GATEWAY: Self = Self::new("nat", "natGateway", "NatGatewayNotFound", "NatGatewayMalformed");
    pub const PEERING: Self = Self::new(
        "pcx",
        "vpcPeeringConnection",
        "InvalidVpcPeeringConnectionID.NotFound",
        "InvalidVpcPeeringConnectionId.Malformed",
    );
    pub const TRANSIT_GATEWAY: Self =
        Self::new("tgw", "transitGateway", "InvalidTransitGatewayID.NotFound", "InvalidTransitGatewayID.Malformed");
    pub const VPC_ENDPOINT: Self =
        Self::new("vpce", "vpcEndpoint", "InvalidVpcEndpointId.NotFound", "InvalidVpcEndpointId.Malformed");

    const fn new(prefix: &'static str, name: &'static str, not_found: &'static str, malformed: &'static str) -> Self {
        Self { prefix, name, not_found, malformed }
    }
}

/// The error for a target that can't exist.
pub(super) fn absent(kind: &Absent, id: &str) -> ApiError {
    let digits = id.strip_prefix(kind.prefix).and_then(|rest| rest.strip_prefix('-'));
    let well_formed = digits.is_some_and(|d| matches!(d.len(), 8 | 17) && d.bytes().all(|b| b.is_ascii_hexdigit()));
    if well_formed {
        ApiError::new(kind.not_found, format!("The {} ID '{id}' does not exist", kind.name))
    } else {
        ApiError::new(kind.malformed, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", kind.prefix))
    }
}

/// The error for a target that is named by an ARN and can't exist.
pub(super) fn absent_arn(not_found: &'static str, arn: &str) -> ApiError {
    ApiError::new(not_found, format!("The resource '{arn}' does not exist"))
}
