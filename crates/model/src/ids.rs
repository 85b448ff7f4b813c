//! One type per kind of id, so that a subnet can't be passed where a VPC is meant.
//!
//! An id is a fixed prefix and 17 hexadecimal digits (`vpc-0a1b…`); the older form of 8 digits is accepted on input.
//! See "Resource IDs" in the EC2 User Guide.

use std::fmt;
use std::str::FromStr;

/// A text that isn't an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid id: \"{given}\" (expecting \"{prefix}-...\")")]
pub struct MalformedId {
    /// The prefix that the wanted kind of id has, without the dash.
    pub prefix: &'static str,
    /// What was given.
    pub given: String,
}

/// What all id types share.
pub trait Id: Copy + Ord + fmt::Display + FromStr<Err = MalformedId> + Send + Sync + 'static {
    /// The text before the dash.
    const PREFIX: &'static str;

    /// Makes a long-form id of 64 random bits; like AWS's, the first of the 17 digits is then 0.
    fn from_random(bits: u64) -> Self;
}

/// The digits after the dash: a value and which of the two lengths it was written in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Digits {
    value: u128,
    short: bool,
}

impl Digits {
    fn parse(text: &str) -> Option<Self> {
        let short = match text.len() {
            8 => true,
            17 => false,
            _ => return None,
        };
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if !text.bytes().all(lower_hex) {
            return None;
        }
        let value = u128::from_str_radix(text, 16).ok()?;
        Some(Self { value, short })
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.value) {
            _ if self.short => write!(f, "{:08x}", self.value),
            // Nearly all; half the width is written in half the time.
            Ok(value) => write!(f, "{value:017x}"),
            Err(_) => write!(f, "{:017x}", self.value),
        }
    }
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digits);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;

            fn from_random(bits: u64) -> Self {
                Self(Digits { value: u128::from(bits), short: false })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}-{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                text.strip_prefix(concat!($prefix, "-"))
                    .and_then(Digits::parse)
                    .map(Self)
                    .ok_or_else(|| MalformedId { prefix: $prefix, given: text.to_owned() })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

id_types! {
    /// A VPC.
    VpcId = "vpc";
    /// The association of one CIDR block with a VPC.
    VpcCidrAssociationId = "vpc-cidr-assoc";
    /// A subnet.
    SubnetId = "subnet";
    /// The association of one IPv6 block with a subnet.
    SubnetCidrAssociationId = "subnet-cidr-assoc";
    /// A route table.
    RouteTableId = "rtb";
    /// The association of a route table with a subnet, a gateway or (as main) its VPC.
    RouteTableAssociationId = "rtbassoc";
    /// A network ACL.
    NaclId = "acl";
    /// The association of a network ACL with a subnet.
    NaclAssociationId = "aclassoc";
    /// A security group.
    SecurityGroupId = "sg";
    /// One rule of a security group.
    SecurityGroupRuleId = "sgr";
    /// An internet gateway.
    InternetGatewayId = "igw";
    /// A network interface.
    EniId = "eni";
    /// The attachment of a network interface to an instance.
    EniAttachmentId = "eni-attach";
    /// An Elastic IP address (its allocation).
    AllocationId = "eipalloc";
    /// The association of an Elastic IP address with a private address.
    AddressAssociationId = "eipassoc";
    /// An instance.
    InstanceId = "i";
    /// One RunInstances call.
    ReservationId = "r";
    /// A set of DHCP options.
    DhcpOptionsId = "dopt";
    /// A flow log.
    FlowLogId = "fl";
    /// A Network Insights path.
    InsightsPathId = "nip";
    /// A Network Insights analysis.
    InsightsAnalysisId = "nia";
    /// A managed prefix list.
    PrefixListId = "pl";
    /// A range of a subnet that is kept from, or for, automatic assignment.
    SubnetCidrReservationId = "scr";
    /// An exclusion from Block Public Access.
    BlockPublicAccessExclusionId = "vpcbpa-exclude";
    /// A key pair.
    KeyPairId = "key";
    /// A permission on a network interface.
    InterfacePermissionId = "eni-perm";
    /// An egress-only internet gateway.
    EgressOnlyGatewayId = "eigw";
    /// A NAT gateway.
    NatGatewayId = "nat";
    /// A carrier gateway.
    CarrierGatewayId = "cagw";
    /// A VPC endpoint.
    VpcEndpointId = "vpce";
    /// An endpoint service.
    EndpointServiceId = "vpce-svc";
    /// A notification about an endpoint's connections.
    ConnectionNotificationId = "vpce-nfn";
    /// A principal's permission to use an endpoint service.
    EndpointPermissionId = "vpce-svc-perm";
    /// An endpoint's connection, as its service's owner sees it.
    EndpointConnectionId = "vpce-con";
    /// A VPC peering connection.
    PeeringId = "pcx";
    /// A transit gateway.
    TransitGatewayId = "tgw";
    /// The attachment of something to a transit gateway.
    TransitGatewayAttachmentId = "tgw-attach";
    /// A route table of a transit gateway.
    TransitGatewayRouteTableId = "tgw-rtb";
    /// A virtual private gateway.
    VpnGatewayId = "vgw";
    /// A customer gateway.
    CustomerGatewayId = "cgw";
    /// A site-to-site VPN connection.
    VpnConnectionId = "vpn";
    /// A Client VPN endpoint.
    ClientVpnEndpointId = "cvpn-endpoint";
    /// The association of a Client VPN endpoint with a subnet.
    ClientVpnAssociationId = "cvpn-assoc";
    /// A connection of a client to a Client VPN endpoint.
    ClientVpnConnectionId = "cvpn-connection";
    /// A Network Access Scope.
    AccessScopeId = "nis";
    /// An analysis of a Network Access Scope.
    AccessScopeAnalysisId = "nisa";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_long_id_is_its_prefix_and_seventeen_digits() {
        let id = VpcId::from_random(0x1234);
        assert_eq!(id.to_string(), "vpc-00000000000001234");
        assert_eq!(id.to_string().parse::<VpcId>().unwrap(), id);
    }

    #[test]
    fn the_old_form_of_eight_digits_is_accepted_and_kept() {
        let id: VpcId = "vpc-1a2b3c4d".parse().unwrap();
        assert_eq!(id.to_string(), "vpc-1a2b3c4d");
        assert_ne!(id, "vpc-0000000001a2b3c4d".parse().unwrap());
    }

    #[test]
    fn another_kind_of_id_or_other_characters_are_malformed() {
        for text in ["subnet-1a2b3c4d", "vpc-xyz!", "vpc-", "vpc", "", "vpc-1A2B3C4D", "vpc-+a2b3c4d", "VPC-1a2b3c4d"] {
            assert!(text.parse::<VpcId>().is_err(), "{text}");
        }
        assert!("eni-attach-1a2b3c4d".parse::<EniId>().is_err());
    }
}
