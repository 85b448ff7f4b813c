//! Site-to-site VPN: customer gateways, virtual private gateways and the connections between them, with two [`tunnel`]s each.

pub mod tunnel;

use std::net::IpAddr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{
    CustomerGatewayId, Owner, Tags, TransitGatewayAttachmentId, TransitGatewayId, UnixMillis, VpcId, VpnConnectionId,
    VpnGatewayId,
};
use tunnel::VpnTunnel;

/// A customer gateway: what AWS knows of the device at the other end of a VPN connection.
/// See "Customer gateway options for your AWS Site-to-Site VPN connection".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerGateway {
    /// The gateway's id.
    pub id: CustomerGatewayId,
    /// Owning account and region.
    pub owner: Owner,
    /// The device's outside address; none when it is known by its certificate alone.
    pub address: Option<IpAddr>,
    /// The device's number in BGP.
    pub asn: u32,
    /// The ARN of the device's private certificate, which then stands for the pre-shared keys.
    pub certificate: Option<String>,
    /// The user's name for the device; tells gateways of equal address and number apart.
    pub device_name: Option<String>,
    /// When it was deleted; it is shown a while longer.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

/// A virtual private gateway. See "Create an AWS Site-to-Site VPN virtual private gateway" and section "Virtual private gateway".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpnGateway {
    /// The gateway's id.
    pub id: VpnGatewayId,
    /// Owning account and region.
    pub owner: Owner,
    /// Amazon's number in BGP.
    pub asn: u32,
    /// The zone that was asked for.
    pub zone: Option<String>,
    /// The one VPC it is attached to.
    pub vpc: Option<VpcId>,
    /// The VPC it was detached from last, which AWS goes on showing as `detached`.
    pub detached_from: Option<VpcId>,
    /// When it was deleted; it is shown a while longer.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

/// A VPN connection. See "AWS Site-to-Site VPN connection" in the Site-to-Site VPN User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpnConnection {
    /// The connection's id.
    pub id: VpnConnectionId,
    /// Owning account and region.
    pub owner: Owner,
    /// The customer's end.
    pub customer_gateway: CustomerGatewayId,
    /// Amazon's end; none until ModifyVpnConnection gives it one.
    pub gateway: Option<VpnTarget>,
    /// What holds for both tunnels.
    pub options: VpnOptions,
    /// Always two.
    pub tunnels: [VpnTunnel; 2],
    /// The prefixes behind the customer gateway, of a connection without BGP.
    pub static_routes: Vec<Ipv4Net>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown a while longer.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

impl VpnConnection {
    /// Whether it wasn't deleted.
    pub fn exists(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// Whether it exists and ends at that virtual private gateway.
    pub fn is_at(&self, gateway: VpnGatewayId) -> bool {
        self.exists() && self.gateway == Some(VpnTarget::VpnGateway(gateway))
    }
}

/// Amazon's end of a VPN connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VpnTarget {
    /// A transit gateway, and the attachment that the connection is there.
    TransitGateway(TransitGatewayId, TransitGatewayAttachmentId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
}

/// What holds for both tunnels of a connection. See "Tunnel options for your AWS Site-to-Site VPN connection".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpnOptions {
    /// Whether prefixes are set by hand instead of learned with BGP.
    pub static_routes_only: bool,
    /// Whether packets enter AWS's own network at its edge (transit gateways only).
    pub enable_acceleration: bool,
    /// The family of packets inside the tunnels.
    pub inside_ip_version: InsideIpVersion,
    /// The traffic selector of the customer's side for IPv4.
    pub local_ipv4: Ipv4Net,
    /// The traffic selector of Amazon's side for IPv4.
    pub remote_ipv4: Ipv4Net,
    /// The traffic selector of the customer's side for IPv6.
    pub local_ipv6: Ipv6Net,
    /// The traffic selector of Amazon's side for IPv6.
    pub remote_ipv6: Ipv6Net,
    /// What kind of addresses the tunnels' ends have.
    pub outside_address_type: OutsideAddressType,
    /// For private outside addresses: the attachment of the Direct Connect gateway that carries the tunnels.
    pub transport_attachment: Option<TransitGatewayAttachmentId>,
    /// The throughput of a tunnel.
    pub bandwidth: TunnelBandwidth,
}

tunnel::words! {
    /// The family of packets inside the tunnels.
    InsideIpVersion {
        /// IPv4.
        Ipv4 = "ipv4",
        /// IPv6 (transit gateways only).
        Ipv6 = "ipv6",
    }
}

tunnel::words! {
    /// What kind of addresses the ends of the tunnels have.
    OutsideAddressType {
        /// Addresses of the internet.
        PublicIpv4 = "PublicIpv4",
        /// Private addresses, over Direct Connect.
        PrivateIpv4 = "PrivateIpv4",
        /// IPv6.
        Ipv6 = "Ipv6",
    }
}

tunnel::words! {
    /// The throughput of a tunnel.
    TunnelBandwidth {
        /// Up to 1.25 Gbit/s.
        Standard = "standard",
        /// Up to 5 Gbit/s (transit gateways only).
        Large = "large",
    }
}
