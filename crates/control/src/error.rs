//! Errors in AWS's words. A code is spelled as in section 18 of the project's networking sheet.

use std::fmt::Display;

use openvpc_model::cidr_reservation::SubnetCidrReservation;
use openvpc_model::interface_permission::InterfacePermission;
use openvpc_model::public_access::PublicAccessExclusion;
use openvpc_model::*;

/// Why an action was refused: an EC2 error code and a sentence that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ControlError {
    /// The EC2 error code.
    pub code: &'static str,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl ControlError {
    /// An error with that code.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A value that isn't allowed for a parameter.
    pub fn invalid_value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// Parameters that don't go together.
    pub fn invalid_combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// A parameter that is needed and isn't there.
    pub fn missing_parameter(name: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    /// A resource that others still need.
    pub fn dependency(message: impl Into<String>) -> Self {
        Self::new("DependencyViolation", message)
    }

    /// A failure of openvpc itself.
    pub fn internal(reason: impl Display) -> Self {
        Self::new("InternalError", format!("An internal error has occurred: {reason}"))
    }
}

/// A kind of resource with a not-found error of its own.
pub trait Missing: Resource {
    /// The error for a key that the caller has no such resource for.
    fn missing(key: &Self::Key) -> ControlError;
}

macro_rules! missing {
    ($($resource:ident: $code:literal, $text:literal;)*) => {$(
        impl Missing for $resource {
            fn missing(key: &Self::Key) -> ControlError {
                ControlError::new($code, $text.replace("{}", &Self::key_text(key)))
            }
        }
    )*};
}

missing! {
    AccessScope: "InvalidNetworkInsightsAccessScopeId.NotFound", "The network insights access scope ID '{}' does not exist";
    AccessScopeAnalysis:
        "InvalidNetworkInsightsAccessScopeAnalysisId.NotFound", "The network insights access scope analysis ID '{}' does not exist";
    Certificate: "ResourceNotFoundException", "Could not find certificate {}.";
    ClientVpnEndpoint: "InvalidClientVpnEndpointId.NotFound", "Endpoint {} does not exist";
    ConnectionNotification: "InvalidConnectionNotification", "The connection notification ID '{}' does not exist";
    CustomerGateway: "InvalidCustomerGatewayID.NotFound", "The customerGateway ID '{}' does not exist";
    DirectConnectConnection: "DirectConnectClientException", "Could not find Connection with ID {}";
    Lag: "DirectConnectClientException", "Could not find Lag with ID {}";
    VirtualInterface: "DirectConnectClientException", "Virtual Interface {} does not exist.";
    CarrierGateway: "InvalidCarrierGatewayID.NotFound", "The carrierGateway ID '{}' does not exist";
    DhcpOptions: "InvalidDhcpOptionID.NotFound", "The dhcpOption ID '{}' does not exist";
    EgressOnlyGateway: "InvalidEgressOnlyInternetGatewayId.NotFound", "The egressOnlyInternetGateway ID '{}' does not exist";
    ElasticIp: "InvalidAllocationID.NotFound", "The allocation ID '{}' does not exist";
    EndpointPermission: "InvalidVpcEndpointServicePermissionId.NotFound", "The VpcEndpointServicePermission Id '{}' does not exist";
    EndpointService: "InvalidVpcEndpointServiceId.NotFound", "The VpcEndpointService Id '{}' does not exist";
    FlowLog: "InvalidFlowLogId.NotFound", "These flow log ids in the input list are not found: [TotalCount: 1] {}";
    InsightsAnalysis: "InvalidNetworkInsightsAnalysisId.NotFound", "The network insights analysis ID '{}' does not exist";
    InsightsPath: "InvalidNetworkInsightsPathId.NotFound", "The network insights path ID '{}' does not exist";
    Instance: "InvalidInstanceID.NotFound", "The instance ID '{}' does not exist";
    InterfacePermission: "InvalidNetworkInterfacePermissionID.NotFound", "The permission ID '{}' does not exist";
    InternetGateway: "InvalidInternetGatewayID.NotFound", "The internetGateway ID '{}' does not exist";
    NatGateway: "NatGatewayNotFound", "The Nat Gateway {} was not found";
    Listener: "ListenerNotFound", "Listeners '{}' not found";
    LoadBalancer: "LoadBalancerNotFound", "Load balancers '{}' not found";
    NetworkAcl: "InvalidNetworkAclID.NotFound", "The networkAcl ID '{}' does not exist";
    NetworkInterface: "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist";
    KeyPair: "InvalidKeyPair.NotFound", "The key pair '{}' does not exist";
    PrefixList: "InvalidPrefixListID.NotFound", "The prefix list ID '{}' does not exist";
    Peering: "InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID '{}' does not exist";
    PublicAccessExclusion: "InvalidVpcBlockPublicAccessExclusionId.NotFound", "The exclusion ID '{}' does not exist";
    RouteTable: "InvalidRouteTableID.NotFound", "The routeTable ID '{}' does not exist";
    SecurityGroup: "InvalidGroup.NotFound", "The security group '{}' does not exist";
    SubnetCidrReservation: "InvalidSubnetCidrReservationID.NotFound", "The subnet CIDR reservation ID '{}' does not exist";
    Subnet: "InvalidSubnetID.NotFound", "The subnet ID '{}' does not exist";
    TransitGateway: "InvalidTransitGatewayID.NotFound", "Transit Gateway {} was deleted or does not exist.";
    TransitGatewayAttachment: "InvalidTransitGatewayAttachmentID.NotFound", "Transit Gateway Attachment {} was deleted or does not exist.";
    TransitGatewayRouteTable: "InvalidRouteTableID.NotFound", "Transit Gateway Route Table {} was deleted or does not exist.";
    TargetGroup: "TargetGroupNotFound", "Target groups '{}' not found";
    Vpc: "InvalidVpcID.NotFound", "The vpc ID '{}' does not exist";
    VpcEndpoint: "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist";
    VpnConnection: "InvalidVpnConnectionID.NotFound", "The vpnConnection ID '{}' does not exist";
    VpnGateway: "InvalidVpnGatewayID.NotFound", "The vpnGateway ID '{}' does not exist";
}
