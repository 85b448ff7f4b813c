//! Transit gateways, what is attached to them, and their route tables.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    ClientVpnEndpointId, EniId, Owner, PrefixListId, SubnetId, Tags, TransitGatewayAttachmentId, TransitGatewayId,
    TransitGatewayRouteTableId, UnixMillis, VpcId, VpnConnectionId,
};

/// How long a gateway, an attachment or a table is shown after it was deleted, or an attachment after it was rejected: two
/// hours.
pub const TRANSIT_GATEWAY_SHOWN_AFTER_END_MS: u64 = 2 * 60 * 60 * 1000;

/// A router between VPCs, VPN connections and other regions. See "How transit gateways work" in the Transit Gateways guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGateway {
    /// The gateway's id.
    pub id: TransitGatewayId,
    /// Owning account and region.
    pub owner: Owner,
    /// The user's text.
    pub description: Option<String>,
    /// What it does.
    pub options: TransitGatewayOptions,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown for a while.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

/// What a transit gateway does. See "TransitGatewayOptions" in the EC2 API reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewayOptions {
    /// The gateway's autonomous system number in BGP.
    pub amazon_side_asn: u32,
    /// Addresses for Connect peers and the like: /24 or larger, /64 or larger.
    pub blocks: Vec<IpNet>,
    /// Whether attachments of other accounts need no acceptance.
    pub auto_accept_shared_attachments: bool,
    /// The table that new attachments are associated with; none for no association.
    pub association_default_table: Option<TransitGatewayRouteTableId>,
    /// The table that new attachments propagate to; none for no propagation.
    pub propagation_default_table: Option<TransitGatewayRouteTableId>,
    /// Whether packets are spread over equal VPN tunnels.
    pub vpn_ecmp_support: bool,
    /// Whether public names of the other VPCs' instances resolve to private addresses.
    pub dns_support: bool,
    /// Whether rules may name security groups of other attached VPCs.
    pub security_group_referencing_support: bool,
    /// Whether it forwards multicast.
    pub multicast_support: bool,
    /// Whether VPC encryption control holds over it.
    pub encryption_support: bool,
}

/// Something attached to a transit gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewayAttachment {
    /// The attachment's id.
    pub id: TransitGatewayAttachmentId,
    /// The owner of what is attached; of a peering, that of the gateway.
    pub owner: Owner,
    /// The gateway; of a peering between regions, the requester's.
    pub transit_gateway: TransitGatewayId,
    /// The gateway's owner.
    pub transit_gateway_owner: Owner,
    /// What is attached.
    pub resource: AttachedResource,
    /// Where it is in its life.
    pub state: TransitGatewayAttachmentState,
    /// Per gateway (a peering has two) the table that packets from the attachment are looked up in.
    pub associations: BTreeMap<TransitGatewayId, TransitGatewayRouteTableId>,
    /// The tables that the attachment's destinations go to.
    pub propagations: BTreeSet<TransitGatewayRouteTableId>,
    /// What a VPN connection, a Direct Connect gateway or a Connect peer announces. A VPC's blocks follow from the VPC.
    pub announced: Vec<IpNet>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was accepted, or made when it needs no acceptance: of VPCs that overlap the first one propagates.
    pub opened_at: Option<UnixMillis>,
    /// When it was deleted or rejected; it is shown for a while.
    pub ended_at: Option<UnixMillis>,
    /// The tags of [`Self::owner`].
    pub tags: Tags,
    /// The tags of the other account (or region) that sees it.
    pub far_tags: Tags,
}

/// Where an attachment is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub enum TransitGatewayAttachmentState {
    PendingAcceptance,
    Available,
    Rejected,
    Deleted,
}

/// What is attached to a transit gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttachedResource {
    /// A VPC.
    Vpc(AttachedVpc),
    /// A transit gateway of another account or region.
    Peering(PeeringAttachment),
    /// A site-to-site VPN connection.
    Vpn(VpnConnectionId),
    /// A Direct Connect gateway, by its UUID.
    DirectConnectGateway(String),
    /// A Client VPN endpoint.
    ClientVpn(ClientVpnEndpointId),
    /// GRE tunnels over another attachment.
    Connect {
        /// The VPC or Direct Connect attachment that carries them.
        transport: TransitGatewayAttachmentId,
    },
}

/// A VPC that is attached to a transit gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedVpc {
    /// The VPC.
    pub vpc: VpcId,
    /// One subnet per zone at most, with the gateway's interface there.
    pub subnets: Vec<(SubnetId, EniId)>,
    /// Options.
    pub options: VpcAttachmentOptions,
}

/// Options of a VPC attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcAttachmentOptions {
    /// Whether public names of the other VPCs' instances resolve to private addresses here.
    pub dns_support: bool,
    /// Whether rules here may name groups of other attached VPCs; the gateway must allow it as well.
    pub security_group_referencing_support: bool,
    /// Whether the interfaces get IPv6 addresses and IPv6 blocks propagate.
    pub ipv6_support: bool,
    /// Whether both directions of a flow use the same zone's interface.
    pub appliance_mode_support: bool,
}

impl Default for VpcAttachmentOptions {
    fn default() -> Self {
        Self { dns_support: true, security_group_referencing_support: true, ipv6_support: false, appliance_mode_support: false }
    }
}

/// The other end of a peering attachment.
///
/// Between regions one attachment stands for both ends, under one id, and is the requester's. In one region each end has
/// an attachment, which is its owner's alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringAttachment {
    /// The gateway at the other end.
    pub transit_gateway: TransitGatewayId,
    /// The other end's owner.
    pub owner: Owner,
    /// The attachment of the other end, in one region.
    pub twin: Option<TransitGatewayAttachmentId>,
    /// Whether this end was asked, and the other one asked.
    pub is_accepter: bool,
    /// `DynamicRouting`, as it was asked for.
    pub dynamic_routing: Option<bool>,
}

impl AttachedResource {
    /// The kind as `resourceType` spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Vpc(_) => "vpc",
            Self::Peering(_) => "peering",
            Self::Vpn(_) => "vpn",
            Self::DirectConnectGateway(_) => "direct-connect-gateway",
            Self::ClientVpn(_) => "client-vpn",
            Self::Connect { .. } => "connect",
        }
    }
}

impl TransitGatewayAttachment {
    /// Whether it carries packets.
    pub fn is_available(&self) -> bool {
        self.state == TransitGatewayAttachmentState::Available
    }

    /// Whether it is neither deleted nor rejected.
    pub fn is_alive(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Whether it is on that gateway.
    pub fn is_on(&self, gateway: TransitGatewayId) -> bool {
        self.transit_gateway == gateway || self.far_end().is_some_and(|peering| peering.transit_gateway == gateway)
    }

    /// The other end of a peering, if the attachment stands for it as well.
    pub fn far_end(&self) -> Option<&PeeringAttachment> {
        self.peering().filter(|peering| peering.twin.is_none())
    }

    /// The VPC, if that is what is attached.
    pub fn vpc(&self) -> Option<&AttachedVpc> {
        match &self.resource {
            AttachedResource::Vpc(vpc) => Some(vpc),
            _ => None,
        }
    }

    /// The other end, if a gateway is attached.
    pub fn peering(&self) -> Option<&PeeringAttachment> {
        match &self.resource {
            AttachedResource::Peering(peering) => Some(peering),
            _ => None,
        }
    }

    /// The attached thing's id, seen from `gateway`: for a peering that is the gateway at the other end.
    pub fn resource_id(&self, gateway: TransitGatewayId) -> String {
        match &self.resource {
            AttachedResource::Vpc(vpc) => vpc.vpc.to_string(),
            AttachedResource::Peering(peering) if gateway == self.transit_gateway => peering.transit_gateway.to_string(),
            AttachedResource::Peering(_) => self.transit_gateway.to_string(),
            AttachedResource::Vpn(id) => id.to_string(),
            AttachedResource::DirectConnectGateway(id) => id.clone(),
            AttachedResource::ClientVpn(id) => id.to_string(),
            AttachedResource::Connect { transport } => transport.to_string(),
        }
    }

    /// The tags that `viewer` sees, unless it has no part in the attachment.
    pub fn tags(&self, viewer: &Owner) -> Option<&Tags> {
        match viewer {
            _ if self.owner == *viewer => Some(&self.tags),
            _ if self.far_owner() == Some(viewer) => Some(&self.far_tags),
            _ => None,
        }
    }

    /// [`Self::tags`], to change.
    pub fn tags_mut(&mut self, viewer: &Owner) -> Option<&mut Tags> {
        match viewer {
            _ if self.owner == *viewer => Some(&mut self.tags),
            _ if self.far_owner() == Some(viewer) => Some(&mut self.far_tags),
            _ => None,
        }
    }

    /// The other account and region that sees the attachment, when it isn't all one.
    pub fn far_owner(&self) -> Option<&Owner> {
        let far = self.far_end().map_or(&self.transit_gateway_owner, |peering| &peering.owner);
        (*far != self.owner).then_some(far)
    }
}

/// A route table of a transit gateway. See "Transit gateway route tables" in the Transit Gateways guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewayRouteTable {
    /// The table's id.
    pub id: TransitGatewayRouteTableId,
    /// Owning account and region.
    pub owner: Owner,
    /// The gateway.
    pub transit_gateway: TransitGatewayId,
    /// Static routes, at most one per destination. Propagated ones follow from the attachments.
    pub routes: Vec<TransitGatewayStaticRoute>,
    /// References to prefix lists, at most one per list.
    pub prefix_lists: Vec<TransitGatewayPrefixListReference>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was deleted; it is shown for a while.
    pub deleted_at: Option<UnixMillis>,
    /// Tags.
    pub tags: Tags,
}

/// A route that a user made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewayStaticRoute {
    /// Which packets it is for; without host bits.
    pub destination: IpNet,
    /// Where they go; none drops them.
    pub attachment: Option<TransitGatewayAttachmentId>,
}

/// One route for every entry of a managed prefix list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitGatewayPrefixListReference {
    /// The list.
    pub prefix_list: PrefixListId,
    /// Where the packets go; none drops them.
    pub attachment: Option<TransitGatewayAttachmentId>,
}
