//! Client VPN endpoints: where people's machines come into a VPC.

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::{
    ClientVpnAssociationId, ClientVpnEndpointId, EniId, Owner, SecurityGroupId, SubnetId, Tags, UnixMillis, VpcId, Zone,
};

/// An endpoint that OpenVPN clients connect to. See "What is AWS Client VPN?" in the Client VPN Administrator Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientVpnEndpoint {
    /// The endpoint's id.
    pub id: ClientVpnEndpointId,
    /// Owning account and region.
    pub owner: Owner,
    /// How it behaves, as far as a caller may say.
    pub settings: ClientVpnSettings,
    /// Where clients' IPv4 addresses come from; fixed. None when clients have IPv6 addresses alone.
    pub client_block: Option<Ipv4Net>,
    /// How clients prove who they are: one way, or a certificate and one other.
    pub authentication: Vec<ClientVpnAuthentication>,
    /// The carrier of the tunnel; fixed.
    pub transport: ClientVpnTransport,
    /// The families of the endpoint's own addresses.
    pub endpoint_family: ClientVpnFamily,
    /// The families of the traffic in the tunnel.
    pub traffic_family: ClientVpnFamily,
    /// The VPC that it leads into; none before the first association, when the caller named none.
    pub vpc: Option<VpcId>,
    /// Whether a caller named the VPC: then it stays when the last association goes.
    pub vpc_is_chosen: bool,
    /// The groups of its interfaces, in the order given; empty as long as there is no VPC.
    pub security_groups: Vec<SecurityGroupId>,
    /// The subnets that it leads into.
    pub associations: Vec<ClientVpnAssociation>,
    /// Its own route table.
    pub routes: Vec<ClientVpnRoute>,
    /// Who may reach what.
    pub rules: Vec<ClientVpnRule>,
    /// Client certificates that are valid no more: a list in PEM, as imported.
    pub revocation_list: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown for a while after that.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

/// What ModifyClientVpnEndpoint can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientVpnSettings {
    /// The user's text.
    pub description: String,
    /// The certificate in ACM that the endpoint shows.
    pub server_certificate: String,
    /// Where connections are logged, when they are.
    pub connection_log: Option<ConnectionLog>,
    /// What clients are told to ask for names; empty leaves their own.
    pub dns_servers: Vec<std::net::IpAddr>,
    /// 443 or 1194.
    pub port: u16,
    /// Whether clients send only what the endpoint has routes for.
    pub split_tunnel: bool,
    /// Whether users may fetch their configuration themselves.
    pub self_service_portal: bool,
    /// The ARN of the function that is asked about each connection.
    pub connect_handler: Option<String>,
    /// After how many hours a session ends: 8, 10, 12 or 24.
    pub session_timeout_hours: u8,
    /// Whether the client must connect again by hand then.
    pub disconnect_on_session_timeout: bool,
    /// A text that clients show when they have connected.
    pub banner: Option<String>,
    /// Whether clients keep their machine's routes as the endpoint wants them.
    pub route_enforcement: bool,
}

/// Where connections are logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionLog {
    /// The log group.
    pub group: String,
    /// The stream; none to have one made.
    pub stream: Option<String>,
}

/// A way for clients to prove who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientVpnAuthentication {
    /// With a certificate that the root in ACM with this ARN signed.
    Certificate {
        /// The ARN of the root's certificate.
        root: String,
    },
    /// With a name and a password that a directory knows.
    Directory {
        /// The directory's id.
        directory: String,
    },
    /// Through a SAML provider.
    Federated {
        /// The ARN of the provider in IAM.
        provider: String,
        /// The one for the self-service portal.
        self_service_provider: Option<String>,
    },
}

/// What carries the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ClientVpnTransport {
    Tcp,
    Udp,
}

impl ClientVpnTransport {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ClientVpnFamily {
    Ipv4,
    Ipv6,
    DualStack,
}

impl ClientVpnFamily {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::DualStack => "dual-stack",
        }
    }

    /// Whether a block's family is one of these.
    pub fn has(self, block: IpNet) -> bool {
        match self {
            Self::Ipv4 => block.addr().is_ipv4(),
            Self::Ipv6 => block.addr().is_ipv6(),
            Self::DualStack => true,
        }
    }
}

/// A subnet that an endpoint leads into: a target network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientVpnAssociation {
    /// The association's id.
    pub id: ClientVpnAssociationId,
    /// The subnet, one per zone.
    pub subnet: SubnetId,
    /// The subnet's zone.
    pub zone: Zone,
    /// The endpoint's interface in the subnet, whose address clients' packets leave with.
    pub eni: EniId,
}

/// A route of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientVpnRoute {
    /// Which packets it is for.
    pub destination: IpNet,
    /// Where they go.
    pub target: ClientVpnTarget,
    /// Who made it.
    pub origin: ClientVpnRouteOrigin,
    /// The user's text.
    pub description: String,
}

/// Where a route of an endpoint sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientVpnTarget {
    /// To other clients.
    Local,
    /// Into an associated subnet.
    Subnet(SubnetId),
}

impl std::fmt::Display for ClientVpnTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Subnet(subnet) => subnet.fmt(f),
        }
    }
}

/// Who made a route of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientVpnRouteOrigin {
    /// The association of its target.
    Associate,
    /// A user.
    AddRoute,
}

impl ClientVpnRouteOrigin {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Associate => "associate",
            Self::AddRoute => "add-route",
        }
    }
}

/// An authorization rule: who may reach a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientVpnRule {
    /// The network.
    pub destination: IpNet,
    /// The group that may reach it; none for all clients.
    pub group: Option<String>,
    /// The user's text.
    pub description: String,
}
