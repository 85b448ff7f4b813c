//! From the texts of a request to typed ids and required values.

use openvpc_model::Id;

use crate::error::ApiError;

/// Reads an id.
///
/// # Errors
/// The kind's `….Malformed` error; its `….NotFound` error for what has the form of an id but for letters that no id has
/// (`tgw-abcdefghij0123456`), as AWS answers.
pub fn parse<I: Id>(text: &str) -> Result<I, ApiError> {
    text.parse::<I>().map_err(|error| {
        let code = malformed_code(error.prefix);
        let digits = text.strip_prefix(error.prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
        let is_id_like = matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_alphanumeric());
        match is_id_like {
            true => ApiError::new(not_found_code(code), format!("The ID '{text}' does not exist")),
            false => ApiError::new(code, error.to_string()),
        }
    })
}

/// Reads a list of ids.
///
/// # Errors
/// As [`parse`], for the first that is malformed.
pub fn parse_all<I: Id>(texts: &[String]) -> Result<Vec<I>, ApiError> {
    texts.iter().map(|text| parse(text)).collect()
}

/// Reads an id that may be absent.
///
/// # Errors
/// As [`parse`].
pub fn parse_opt<I: Id>(text: &Option<String>) -> Result<Option<I>, ApiError> {
    text.as_deref().map(parse).transpose()
}

/// Reads an id that must be there.
///
/// # Errors
/// `MissingParameter`, also when it is empty, and as [`parse`].
pub fn parse_required<I: Id>(text: &Option<String>, parameter: &str) -> Result<I, ApiError> {
    parse(required(text, parameter)?)
}

/// A text that must be there.
///
/// # Errors
/// `MissingParameter`, also when it is empty.
pub fn required<'a>(text: &'a Option<String>, parameter: &str) -> Result<&'a str, ApiError> {
    text.as_deref().filter(|text| !text.is_empty()).ok_or_else(|| ApiError::missing(parameter))
}

/// The not-found code of the kind with that code for the wrong form; most differ in nothing but the end.
fn not_found_code(malformed: &'static str) -> String {
    match malformed {
        "InvalidClientVpnConnection.IdMalformed" => "InvalidClientVpnConnection.IdNotFound".to_owned(),
        "InvalidCustomerGatewayId.Malformed" => "InvalidCustomerGatewayID.NotFound".to_owned(),
        "InvalidGroupId.Malformed" => "InvalidGroup.NotFound".to_owned(),
        "InvalidVpcPeeringConnectionId.Malformed" => "InvalidVpcPeeringConnectionID.NotFound".to_owned(),
        "NatGatewayMalformed" => "NatGatewayNotFound".to_owned(),
        _ => malformed.replace(".Malformed", ".NotFound"),
    }
}

/// The code for an id of the wrong form: as listed in "Error codes for the Amazon EC2 API", else in the pattern of the
/// kind's not-found code.
fn malformed_code(prefix: &str) -> &'static str {
    match prefix {
        "acl" => "InvalidNetworkAclID.Malformed",
        "aclassoc" | "rtbassoc" | "eipassoc" => "InvalidAssociationID.Malformed",
        "cagw" => "InvalidCarrierGatewayID.Malformed",
        "cvpn-connection" => "InvalidClientVpnConnection.IdMalformed",
        "cvpn-endpoint" => "InvalidClientVpnEndpointId.Malformed",
        "dopt" => "InvalidDhcpOptionID.Malformed",
        "eigw" => "InvalidEgressOnlyInternetGatewayId.Malformed",
        "eipalloc" => "InvalidAllocationID.Malformed",
        "eni" => "InvalidNetworkInterfaceID.Malformed",
        "eni-perm" => "InvalidNetworkInterfacePermissionID.Malformed",
        "eni-attach" => "InvalidNetworkInterfaceAttachmentID.Malformed",
        "fl" => "InvalidFlowLogId.Malformed",
        "i" => "InvalidInstanceID.Malformed",
        "igw" => "InvalidInternetGatewayID.Malformed",
        "nat" => "NatGatewayMalformed",
        "nia" => "InvalidNetworkInsightsAnalysisId.Malformed",
        "nip" => "InvalidNetworkInsightsPathId.Malformed",
        "pcx" => "InvalidVpcPeeringConnectionId.Malformed",
        "nis" => "InvalidNetworkInsightsAccessScopeId.Malformed",
        "nisa" => "InvalidNetworkInsightsAccessScopeAnalysisId.Malformed",
        "key" => "InvalidKeyPairID.Malformed",
        "pl" => "InvalidPrefixListID.Malformed",
        "r" => "InvalidReservationID.Malformed",
        "rtb" => "InvalidRouteTableID.Malformed",
        "scr" => "InvalidSubnetCidrReservationID.Malformed",
        "sg" => "InvalidGroupId.Malformed",
        "sgr" => "InvalidSecurityGroupRuleId.Malformed",
        "subnet" => "InvalidSubnetID.Malformed",
        "subnet-cidr-assoc" => "InvalidSubnetCidrBlockAssociationID.Malformed",
        "tgw" => "InvalidTransitGatewayID.Malformed",
        "tgw-attach" => "InvalidTransitGatewayAttachmentID.Malformed",
        "tgw-rtb" => "InvalidRouteTableID.Malformed",
        "cgw" => "InvalidCustomerGatewayId.Malformed",
        "vgw" => "InvalidVpnGatewayID.Malformed",
        "vpn" => "InvalidVpnConnectionID.Malformed",
        "vpc" => "InvalidVpcID.Malformed",
        "vpce-nfn" => "InvalidConnectionNotificationId.Malformed",
        "vpce-svc" => "InvalidVpcEndpointServiceId.Malformed",
        "vpcbpa-exclude" => "InvalidVpcBlockPublicAccessExclusionId.Malformed",
        "vpc-cidr-assoc" => "InvalidVpcCidrBlockAssociationID.Malformed",
        "vpce" => "InvalidVpcEndpointId.Malformed",
        _ => "InvalidID.Malformed",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use openvpc_model::{SecurityGroupId, VpcId};

    use super::*;

    #[test]
    fn a_malformed_id_has_its_kind_s_code() {
        let error = parse::<VpcId>("vpc-zz").unwrap_err();
        assert_eq!((&*error.code, &*error.message), ("InvalidVpcID.Malformed", "Invalid id: \"vpc-zz\" (expecting \"vpc-...\")"));
        assert_eq!(parse::<SecurityGroupId>("vpc-1a2b3c4d").unwrap_err().code, "InvalidGroupId.Malformed");
    }

    #[test]
    fn letters_that_no_id_has_make_an_id_of_nothing() {
        let error = parse::<VpcId>("vpc-abcdefghij0123456").unwrap_err();
        assert_eq!((&*error.code, &*error.message), ("InvalidVpcID.NotFound", "The ID 'vpc-abcdefghij0123456' does not exist"));
        assert_eq!(parse::<SecurityGroupId>("sg-xxxxxxxx").unwrap_err().code, "InvalidGroup.NotFound");
        assert_eq!(parse::<VpcId>("vpc-xyz!5678").unwrap_err().code, "InvalidVpcID.Malformed");
    }

    #[test]
    fn an_absent_or_empty_id_is_a_missing_parameter() {
        for text in [None, Some(String::new())] {
            assert_eq!(
                parse_required::<VpcId>(&text, "VpcId").unwrap_err().message,
                "The request must contain the parameter VpcId"
            );
        }
        assert!(parse_opt::<VpcId>(&None).unwrap().is_none());
        assert!(parse_required::<VpcId>(&Some("vpc-1a2b3c4d".into()), "VpcId").is_ok());
    }
}
