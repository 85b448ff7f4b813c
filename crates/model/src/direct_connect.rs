//! Direct Connect: connections, link aggregation groups, virtual interfaces and gateways. See the Direct Connect User Guide.

pub mod ids;

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::{AccountId, Owner, Tags, TransitGatewayAttachmentId, TransitGatewayId, UnixMillis, VpnGatewayId};
use ids::{
    BgpPeerId, DirectConnectAssociationId, DirectConnectConnectionId, DirectConnectGatewayId, DirectConnectProposalId,
    FailoverTestId, LagId, VirtualInterfaceId,
};

/// A connection: a port at a location, or (hosted) a part of somebody else's port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectConnectConnection {
    /// The connection's id.
    pub id: DirectConnectConnectionId,
    /// Owning account and region.
    pub owner: Owner,
    /// The user's name for it.
    pub name: String,
    /// The location's code.
    pub location: String,
    /// `1Gbps` and so on.
    pub bandwidth: String,
    /// For a hosted connection: what carries it, and by which VLAN.
    pub host: Option<Host>,
    /// The group that it is a part of.
    pub lag: Option<LagId>,
    /// The service provider that was named.
    pub provider: Option<String>,
    /// MACsec, of connections that can.
    pub encryption: Option<EncryptionMode>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown a while longer.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

impl DirectConnectConnection {
    /// Whether it waits for its owner to confirm it.
    pub fn is_unconfirmed(&self) -> bool {
        self.host.as_ref().is_some_and(|host| !host.confirmed)
    }
}

/// What carries a hosted connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The port or group.
    pub parent: Port,
    /// The account that owns the port.
    pub account: AccountId,
    /// The VLAN there.
    pub vlan: u16,
    /// Whether the connection's owner has confirmed it.
    pub confirmed: bool,
}

/// What virtual interfaces are made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Port {
    /// A connection.
    Connection(DirectConnectConnectionId),
    /// A group of connections.
    Lag(LagId),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(id) => id.fmt(f),
            Self::Lag(id) => id.fmt(f),
        }
    }
}

/// A link aggregation group. Its connections say that they are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// The group's id.
    pub id: LagId,
    /// Owning account and region.
    pub owner: Owner,
    /// The user's name for it.
    pub name: String,
    /// The location's code.
    pub location: String,
    /// The bandwidth that all its connections have.
    pub bandwidth: String,
    /// With fewer connections up it is down.
    pub minimum_links: u8,
    /// The service provider that was named.
    pub provider: Option<String>,
    /// MACsec, of groups that can.
    pub encryption: Option<EncryptionMode>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown a while longer.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

/// A virtual interface: a VLAN with BGP sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualInterface {
    /// The interface's id.
    pub id: VirtualInterfaceId,
    /// Owning account and region.
    pub owner: Owner,
    /// The connection or group that carries it.
    pub port: Port,
    /// The account that owns the connection.
    pub port_account: AccountId,
    /// The user's name for it.
    pub name: String,
    /// 1–4094, unique on the connection.
    pub vlan: u16,
    /// What it leads to.
    pub kind: VirtualInterfaceKind,
    /// BGP sessions: one at least, of a family two at most.
    pub peers: Vec<BgpPeer>,
    /// Whether it waits for its owner to confirm it.
    pub unconfirmed: bool,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown a while longer.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

impl VirtualInterface {
    /// The Direct Connect gateway that it is attached to.
    pub fn gateway(&self) -> Option<DirectConnectGatewayId> {
        match self.kind {
            VirtualInterfaceKind::Private { to: Some(PrivateTarget::Gateway(id)), .. } => Some(id),
            VirtualInterfaceKind::Transit { to, .. } => to,
            VirtualInterfaceKind::Private { .. } | VirtualInterfaceKind::Public { .. } => None,
        }
    }

    /// The virtual private gateway that it is attached to.
    pub fn vpn_gateway(&self) -> Option<VpnGatewayId> {
        match self.kind {
            VirtualInterfaceKind::Private { to: Some(PrivateTarget::VpnGateway(id)), .. } => Some(id),
            _ => None,
        }
    }
}

/// What a virtual interface leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VirtualInterfaceKind {
    /// To VPCs.
    Private {
        /// The gateway; none until the interface is confirmed.
        to: Option<PrivateTarget>,
        /// The largest packet in bytes.
        mtu: u16,
        /// Whether sites may reach each other through it.
        site_link: bool,
    },
    /// To AWS's public addresses.
    Public {
        /// What the customer announces.
        prefixes: Vec<IpNet>,
    },
    /// To transit gateways.
    Transit {
        /// The gateway; none until the interface is confirmed.
        to: Option<DirectConnectGatewayId>,
        /// The largest packet in bytes.
        mtu: u16,
        /// Whether sites may reach each other through it.
        site_link: bool,
    },
}

impl VirtualInterfaceKind {
    /// AWS's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Private { .. } => "private",
            Self::Public { .. } => "public",
            Self::Transit { .. } => "transit",
        }
    }
}

/// What a private virtual interface is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrivateTarget {
    /// A Direct Connect gateway.
    Gateway(DirectConnectGatewayId),
    /// A virtual private gateway of the region.
    VpnGateway(VpnGatewayId),
}

/// A BGP session of a virtual interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpPeer {
    /// The session's id.
    pub id: BgpPeerId,
    /// The customer's number.
    pub asn: u32,
    /// The MD5 key of both ends.
    pub auth_key: AuthKey,
    /// Amazon's address, with the length of the link's prefix. Its family is the session's.
    pub amazon_address: IpNet,
    /// The customer's address on the same link.
    pub customer_address: IpNet,
}

/// An MD5 key of a BGP session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthKey(Secret);

impl AuthKey {
    /// A key of 24 characters made of those bits.
    pub fn from_random(bits: [u64; 3]) -> Self {
        Self(Secret::drawn(&bits))
    }

    /// The key itself. It must not be logged.
    pub fn secret(&self) -> &str {
        self.0.reveal()
    }
}

impl FromStr for AuthKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if (6..=80).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(Self(Secret::new(text)));
        }
        Err("a BGP authentication key has 6 to 80 characters and no spaces")
    }
}

/// A Direct Connect gateway. It belongs to no region: `owner.region` is the one that it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectConnectGateway {
    /// The gateway's id.
    pub id: DirectConnectGatewayId,
    /// Owning account.
    pub owner: Owner,
    /// The user's name for it.
    pub name: String,
    /// Amazon's number in BGP.
    pub asn: u32,
    /// Tags.
    pub tags: Tags,
}

/// The association of a Direct Connect gateway with a gateway of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectConnectAssociation {
    /// The association's id.
    pub id: DirectConnectAssociationId,
    /// The owner of the gateway of the region, and that region.
    pub owner: Owner,
    /// The Direct Connect gateway.
    pub gateway: DirectConnectGatewayId,
    /// Who owns it.
    pub gateway_account: AccountId,
    /// The gateway of the region.
    pub with: AssociatedGateway,
    /// For a virtual private gateway a filter of what is announced to the premises; for a transit gateway just that.
    pub allowed_prefixes: Vec<IpNet>,
}

/// A gateway of a region that a Direct Connect gateway leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssociatedGateway {
    /// A transit gateway, and the attachment that the Direct Connect gateway is there.
    TransitGateway(TransitGatewayId, TransitGatewayAttachmentId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
}

/// What may be associated, before there is an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssociableGateway {
    /// A transit gateway.
    TransitGateway(TransitGatewayId),
    /// A virtual private gateway.
    VpnGateway(VpnGatewayId),
}

impl From<AssociatedGateway> for AssociableGateway {
    fn from(gateway: AssociatedGateway) -> Self {
        match gateway {
            AssociatedGateway::TransitGateway(id, _) => Self::TransitGateway(id),
            AssociatedGateway::VpnGateway(id) => Self::VpnGateway(id),
        }
    }
}

impl fmt::Display for AssociableGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TransitGateway(id) => id.fmt(f),
            Self::VpnGateway(id) => id.fmt(f),
        }
    }
}

/// A proposal to the owner of a Direct Connect gateway to associate a gateway with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectConnectProposal {
    /// The proposal's id.
    pub id: DirectConnectProposalId,
    /// Who proposes: the owner of the gateway, and its region.
    pub owner: Owner,
    /// The Direct Connect gateway.
    pub gateway: DirectConnectGatewayId,
    /// Who owns it.
    pub gateway_account: AccountId,
    /// The gateway that is offered.
    pub with: AssociableGateway,
    /// The allowed prefixes that are asked for.
    pub requested_prefixes: Vec<IpNet>,
    /// Whether it was accepted.
    pub accepted: bool,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was accepted or deleted; it is shown a while longer.
    pub ended_at: Option<UnixMillis>,
}

/// A test of how premises do with BGP sessions down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverTest {
    /// The test's id.
    pub id: FailoverTestId,
    /// The owner of the virtual interface.
    pub owner: Owner,
    /// The virtual interface.
    pub interface: VirtualInterfaceId,
    /// The sessions that are held down.
    pub peers: Vec<BgpPeerId>,
    /// How long it is to run.
    pub minutes: u32,
    /// When it began.
    pub started_at: UnixMillis,
    /// When it was stopped before its time.
    pub stopped_at: Option<UnixMillis>,
}

impl FailoverTest {
    /// When it ends, or ended.
    pub fn ends_at(&self) -> UnixMillis {
        self.stopped_at.unwrap_or(UnixMillis(self.started_at.0 + u64::from(self.minutes) * 60_000))
    }

    /// Whether it runs.
    pub fn is_running(&self, now: UnixMillis) -> bool {
        now < self.ends_at()
    }
}

crate::vpn::tunnel::words! {
    /// How a connection uses MACsec.
    EncryptionMode {
        /// Not at all.
        None = "no_encrypt",
        /// Where the other end does.
        Should = "should_encrypt",
        /// Always.
        Must = "must_encrypt",
    }
}
