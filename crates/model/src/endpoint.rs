//! VPC endpoints, and the endpoint services of accounts.

pub mod names;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    ConnectionNotificationId, EndpointConnectionId, EndpointPermissionId, EndpointServiceId, EniId, Owner, Region, RouteTableId,
    SecurityGroupId, SubnetId, Tags, UnixMillis, VpcEndpointId, VpcId,
};

/// A VPC endpoint of any type. See "Access AWS services through AWS PrivateLink" and "Gateway endpoints" in the AWS
/// PrivateLink Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcEndpoint {
    /// The endpoint's id.
    pub id: VpcEndpointId,
    /// Owning account and region.
    pub owner: Owner,
    /// The VPC it is in.
    pub vpc: VpcId,
    /// What it is made of.
    pub endpoint_type: EndpointType,
    /// What it leads to.
    pub service: ServiceReference,
    /// Whether the service's owner lets it in.
    pub acceptance: Acceptance,
    /// The families of its interfaces, or of the prefix lists that it puts into route tables.
    pub address_type: AddressType,
    /// The records of its DNS names.
    pub dns_record_type: DnsRecordType,
    /// The eight random characters in its DNS names; none for an endpoint without such names.
    pub dns_label: Option<String>,
    /// Whether the service's own names lead to the endpoint inside the VPC.
    pub private_dns: bool,
    /// Whether they do so for queries from inbound Resolver endpoints only.
    pub inbound_resolver_only: bool,
    /// The policy that was set; none for the default one, which allows everything.
    pub policy: Option<String>,
    /// Gateway endpoints: the tables that have its routes.
    pub route_tables: Vec<RouteTableId>,
    /// The other types: its interfaces, one per zone.
    pub interfaces: Vec<EndpointInterface>,
    /// Interface endpoints: the security groups of its interfaces.
    pub groups: Vec<SecurityGroupId>,
    /// The connection's id, as the service's owner sees it; none for AWS's own services.
    pub connection: Option<EndpointConnectionId>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted: it is only shown since.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

impl VpcEndpoint {
    /// Its state in AWS's words, spelled as on the wire.
    pub fn state(&self) -> &'static str {
        match (self.deleted_at, self.acceptance) {
            (Some(_), _) => "deleted",
            (None, Acceptance::Accepted) => "available",
            (None, Acceptance::Pending) => "pendingAcceptance",
            (None, Acceptance::Rejected) => "rejected",
        }
    }

    /// Whether it is there at all.
    pub fn exists(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// Whether it leads anywhere.
    pub fn is_available(&self) -> bool {
        self.exists() && self.acceptance == Acceptance::Accepted
    }

    /// Whether its service's owner has to reckon with it: not deleted and not rejected.
    pub fn holds_service(&self) -> bool {
        self.exists() && self.acceptance != Acceptance::Rejected
    }
}

/// What an endpoint is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EndpointType {
    /// Routes to a prefix list of a service.
    Gateway,
    /// An interface that leads to a Gateway Load Balancer, as the target of routes.
    GatewayLoadBalancer,
    /// Interfaces with addresses that lead to a service.
    Interface,
}

impl EndpointType {
    /// AWS's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "Gateway",
            Self::GatewayLoadBalancer => "GatewayLoadBalancer",
            Self::Interface => "Interface",
        }
    }
}

/// What an endpoint leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceReference {
    /// The service's full name, such as `com.amazonaws.eu-central-1.s3`.
    pub name: String,
    /// Where the service is, which may be another region than the endpoint's.
    pub region: Region,
    /// An account's service; none for one of AWS.
    pub id: Option<EndpointServiceId>,
}

/// What the owner of a service says to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Acceptance {
    /// Let in, or never asked.
    Accepted,
    /// Not answered yet.
    Pending,
    /// Kept out.
    Rejected,
}

/// One interface of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointInterface {
    /// The subnet.
    pub subnet: SubnetId,
    /// The interface, which the service manages.
    pub eni: EniId,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// AWS's word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The value of that word.
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

words! {
    /// Which address families something has.
    AddressType {
        /// IPv4 alone.
        Ipv4 = "ipv4",
        /// Both.
        Dualstack = "dualstack",
        /// IPv6 alone.
        Ipv6 = "ipv6",
    }

    /// Which records the DNS names of an endpoint have.
    DnsRecordType {
        /// A.
        Ipv4 = "ipv4",
        /// A and AAAA.
        Dualstack = "dualstack",
        /// AAAA.
        Ipv6 = "ipv6",
        /// Those that the service chooses.
        ServiceDefined = "service-defined",
    }
}

impl AddressType {
    /// Whether IPv4 is among the families.
    pub fn has_ipv4(self) -> bool {
        self != Self::Ipv6
    }

    /// Whether IPv6 is among the families.
    pub fn has_ipv6(self) -> bool {
        self != Self::Ipv4
    }
}

/// A service that an account offers behind its load balancers. See "Create a service powered by AWS PrivateLink".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointService {
    /// The service's id.
    pub id: EndpointServiceId,
    /// Owning account and region.
    pub owner: Owner,
    /// The type of its endpoints, which follows from that of its load balancers.
    pub endpoint_type: EndpointType,
    /// The ARNs of its load balancers.
    pub load_balancers: Vec<String>,
    /// Whether each endpoint must be accepted.
    pub acceptance_required: bool,
    /// The families that endpoints may use.
    pub address_type: AddressType,
    /// Other regions from which endpoints may be made.
    pub remote_regions: BTreeSet<Region>,
    /// The name that consumers may use for the service.
    pub private_dns: Option<ServicePrivateDns>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl EndpointService {
    /// The name that consumers ask for: `com.amazonaws.vpce.<region>.vpce-svc-…`.
    pub fn name(&self) -> String {
        format!("com.amazonaws.vpce.{}.{}", self.owner.region, self.id)
    }
}

/// A private DNS name of a service, and the record that proves whose it is. See "Manage DNS names for VPC endpoint services".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePrivateDns {
    /// The name.
    pub name: String,
    /// Whether the ownership of the name was proved.
    pub verified: bool,
    /// The subdomain of the TXT record.
    pub record_name: String,
    /// What the TXT record is to say.
    pub record_value: String,
}

/// A principal that may make endpoints to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointPermission {
    /// The permission's id.
    pub id: EndpointPermissionId,
    /// The service's account and region.
    pub owner: Owner,
    /// The service.
    pub service: EndpointServiceId,
    /// An ARN, or `*` for everybody.
    pub principal: String,
    /// Tags.
    pub tags: Tags,
}

/// A request to be told about the endpoints of a service, or about one endpoint, through an SNS topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionNotification {
    /// The notification's id.
    pub id: ConnectionNotificationId,
    /// Owning account and region.
    pub owner: Owner,
    /// What it is about.
    pub subject: NotificationSubject,
    /// The topic's ARN.
    pub topic: String,
    /// `Accept`, `Connect`, `Delete`, `Reject`.
    pub events: BTreeSet<String>,
}

/// What a connection notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotificationSubject {
    /// One endpoint.
    Endpoint(VpcEndpointId),
    /// All endpoints of a service.
    Service(EndpointServiceId),
}
