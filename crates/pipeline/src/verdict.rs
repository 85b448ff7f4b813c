//! What the pipeline answers: where a packet goes, or who dropped it by which rule, and what flow logs must say of it.
//!
//! Everything here is `Copy` and of fixed size, because a verdict is made for every packet that misses the cache and
//! nothing on that path may allocate. Ids instead of names, codes instead of sentences: `reach` turns them into text.

use std::fmt;
use std::net::IpAddr;

use openvpc_model::nacl::Direction;
use openvpc_model::{
    EgressOnlyGatewayId, EniId, InstanceId, InternetGatewayId, NaclId, NatGatewayId, RouteDestination, RouteTableId,
    SecurityGroupId, SecurityGroupRuleId, Service, SubnetId, UnixMillis, VpcId,
};

use crate::compile::{EniIndex, Tables};
use crate::flow::{FlowKey, MappingKey};
use crate::wire::{Rewrite, Transport};

/// The answer for one packet.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Deliver or drop.
    pub outcome: Outcome,
    /// One entry per interface and direction that judged the packet, for flow logs and counters.
    pub legs: Legs,
    /// What it rests on, for whoever wants to apply it to later packets of the same flow.
    pub basis: Basis,
}

/// What a verdict rests on: as long as this stays as it is, another packet of the same flow gets the same verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Whether that is so at all; not where the packet's own size or hop limit, or what became of a connection, decided.
    pub lasts: bool,
    /// The tracked flows that the packet belongs to, at the interface it left by and at the one it came to. They may
    /// still expire or be closed.
    pub flows: [Option<FlowKey>; 2],
    /// The interface that refused the packet for want of a rule: were the packet an answer to a flow that is tracked there,
    /// it would have passed.
    pub refused_at: Option<EniIndex>,
    /// The VPCs whose rules were asked, by index.
    pub vpcs: [Option<u32>; 2],
    /// Whether it was asked who has a public address.
    pub internet: bool,
    /// The gateway on the way that remembers the packet's flow.
    pub through: Option<Through>,
}

/// A packet's way through a gateway that remembers flows: a NAT gateway or an egress-only internet gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Through {
    /// The gateway and the flow.
    pub mapping: MappingKey,
    /// Egress from the inside outwards, ingress for what comes back.
    pub direction: Direction,
}

/// Deliver or drop.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// The packet goes on.
    Deliver(Delivery),
    /// The packet ends here.
    Drop(Drop),
}

/// Where a packet goes and what changes in it on the way.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The port it leaves by.
    pub to: Egress,
    /// Header changes of the whole path, composed.
    pub rewrite: Rewrite,
    /// The largest IP datagram the path takes, in bytes. A larger one with "don't fragment" was dropped with an ICMP
    /// answer before it came to this; a larger one without is to be fragmented.
    pub mtu: u16,
}

/// A port that packets leave by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// A network interface.
    Eni(EniIndex),
    /// The uplink to the internet.
    Internet,
    /// The link-local services.
    Services,
}

/// Who dropped a packet, by which rule, for which reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// The component that dropped it.
    pub resource: ResourceId,
    /// The rule that decided, where one did.
    pub rule: Option<RuleId>,
    /// The reason.
    pub code: Code,
    /// Towards the interface or away from it, where that has a meaning.
    pub direction: Option<Direction>,
    /// What goes back to the sender, if anything.
    pub reply: Option<Reply>,
}

/// What goes back to the sender of a packet that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An ICMP error.
    Icmp(IcmpError),
    /// A TCP segment that breaks the connection off, as if the other end had sent it.
    TcpReset,
}

/// An ICMP error that the router or a gateway sends back to where the packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The address it is sent from.
    pub from: IpAddr,
    /// What it says.
    pub kind: IcmpErrorKind,
}

/// What an ICMP error says, for both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpErrorKind {
    /// IPv4 type 3 code 4, IPv6 packet too big.
    PacketTooBig {
        /// The largest datagram that would pass, in bytes.
        mtu: u16,
    },
    /// Hop limit used up.
    TimeExceeded,
}

/// A resource that a packet met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ResourceId {
    EgressOnlyGateway(EgressOnlyGatewayId),
    Eni(EniId),
    Instance(InstanceId),
    Internet,
    InternetGateway(InternetGatewayId),
    Nacl(NaclId),
    NatGateway(NatGatewayId),
    RouteTable(RouteTableId),
    SecurityGroup(SecurityGroupId),
    Service(Service),
    Subnet(SubnetId),
    Vpc(VpcId),
}

impl ResourceId {
    /// The kind in plain words, as shown to people: `security group`, `network ACL`, …
    pub fn component(self) -> &'static str {
        match self {
            Self::EgressOnlyGateway(_) => "egress-only internet gateway",
            Self::Eni(_) => "network interface",
            Self::Instance(_) => "instance",
            Self::Internet => "internet",
            Self::InternetGateway(_) => "internet gateway",
            Self::Nacl(_) => "network ACL",
            Self::NatGateway(_) => "NAT gateway",
            Self::RouteTable(_) => "route table",
            Self::SecurityGroup(_) => "security group",
            Self::Service(_) => "link-local service",
            Self::Subnet(_) => "subnet",
            Self::Vpc(_) => "VPC",
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EgressOnlyGateway(id) => id.fmt(f),
            Self::Eni(id) => id.fmt(f),
            Self::Instance(id) => id.fmt(f),
            Self::Internet => f.write_str("internet"),
            Self::InternetGateway(id) => id.fmt(f),
            Self::Nacl(id) => id.fmt(f),
            Self::NatGateway(id) => id.fmt(f),
            Self::RouteTable(id) => id.fmt(f),
            Self::SecurityGroup(id) => id.fmt(f),
            Self::Service(service) => service.fmt(f),
            Self::Subnet(id) => id.fmt(f),
            Self::Vpc(id) => id.fmt(f),
        }
    }
}

/// The rule of a resource that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleId {
    /// An entry of a network ACL by number; 32767 and 32768 are the fixed denies.
    NaclEntry(u16),
    /// A route by its destination: a block, or a prefix list one of whose entries holds the packet's destination.
    Route(RouteDestination),
    /// A rule of a security group.
    SecurityGroupRule(SecurityGroupRuleId),
    /// No rule: the packet belongs to a connection that a security group, or a gateway, tracks.
    TrackedConnection,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NaclEntry(32767 | 32768) => f.write_str("*"),
            Self::NaclEntry(number) => number.fmt(f),
            Self::Route(destination) => destination.fmt(f),
            Self::SecurityGroupRule(id) => id.fmt(f),
            Self::TrackedConnection => f.write_str("tracked connection"),
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Why a packet stopped. The texts are AWS's explanation codes ("Reachability Analyzer explanation codes");
        /// what AWS has no code for starts with `OPENVPC_`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as text.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The chosen route's target is gone.
    BadStateRoute = "BAD_STATE_ROUTE";
    /// Two VPCs with no connection between them.
    DisconnectedVpcs = "DISCONNECTED_VPCS";
    /// The address isn't on the interface that the packet arrived at.
    EniAddressRestriction = "ENI_ADDRESS_RESTRICTION";
    /// No rule of the interface's groups matches.
    EniSgRulesMismatch = "ENI_SG_RULES_MISMATCH";
    /// Source/destination check.
    EniSourceDestCheckRestriction = "ENI_SOURCE_DEST_CHECK_RESTRICTION";
    /// A gateway got a packet from an address that isn't the sender's.
    GatewayRejectsSpoofedTraffic = "GATEWAY_REJECTS_SPOOFED_TRAFFIC";
    /// Ingress through an internet gateway to an address that isn't in its VPC.
    IgwDestinationAddressInVpcCidrs = "IGW_DESTINATION_ADDRESS_IN_VPC_CIDRS";
    /// Egress to RFC 1918 addresses.
    IgwDestinationAddressNotInRfc1918Egress = "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS";
    /// Egress to RFC 6598 addresses.
    IgwDestinationAddressNotInRfc6598Egress = "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS";
    /// Ingress for a public address that no interface has.
    IgwPrivateIpAssociationForIngress = "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS";
    /// Egress without a public address.
    IgwPublicIpAssociationForEgress = "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS";
    /// Ingress from RFC 1918 addresses.
    IgwSourceAddressNotInRfc1918Ingress = "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS";
    /// Ingress from RFC 6598 addresses.
    IgwSourceAddressNotInRfc6598Ingress = "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS";
    /// Ingress through a gateway route table to a middlebox without public address.
    IngressRtbNoPublicIp = "INGRESS_RTB_NO_PUBLIC_IP";
    /// A NAT gateway takes packets from inside its VPC alone.
    NgwRequiresSourceInVpc = "NGW_REQUIRES_SOURCE_IN_VPC";
    /// The route table has no route for the destination.
    NoRouteToDestination = "NO_ROUTE_TO_DESTINATION";
    /// The component takes other protocols only.
    ProtocolRestriction = "PROTOCOL_RESTRICTION";
    /// The groups have no rule in that direction at all.
    SgHasNoRules = "SG_HAS_NO_RULES";
    /// A security group rule names a group whose identity was lost on the way.
    SgReferencesNotPreserved = "SG_REFERENCES_NOT_PRESERVED";
    /// A network ACL denies.
    SubnetAclRestriction = "SUBNET_ACL_RESTRICTION";
    /// Nothing is at the address.
    UnknownDestination = "UNKNOWN_DESTINATION";
    /// Block Public Access keeps the packet from the internet, or from the VPC.
    VpcBlockPublicAccessEnabled = "VPC_BLOCK_PUBLIC_ACCESS_ENABLED";
    /// The local route was taken for an address outside the VPC.
    VpcLocalRouteCidrRestriction = "VPC_LOCAL_ROUTE_CIDR_RESTRICTION";
    /// A broadcast, multicast or reserved address.
    AddressNotForwarded = "OPENVPC_ADDRESS_NOT_FORWARDED";
    /// The tracked connection was closed before.
    ConnectionClosed = "OPENVPC_CONNECTION_CLOSED";
    /// The interface's connection-tracking allowance is used up.
    ConntrackFull = "OPENVPC_CONNTRACK_ALLOWANCE_EXCEEDED";
    /// The VPC's attribute enableDnsSupport is false.
    DnsSupportDisabled = "OPENVPC_DNS_SUPPORT_DISABLED";
    /// Comes in through an egress-only internet gateway, and nothing asked for it.
    EgressOnly = "OPENVPC_EGRESS_ONLY";
    /// The hop limit is used up.
    HopLimitExceeded = "OPENVPC_HOP_LIMIT_EXCEEDED";
    /// The instance isn't running.
    InstanceNotRunning = "OPENVPC_INSTANCE_NOT_RUNNING";
    /// The internet has no route for the address.
    InternetUnreachable = "OPENVPC_INTERNET_UNREACHABLE";
    /// The interface sent more packets to the link-local services in a second than it may. AWS counts these as
    /// `linklocal_allowance_exceeded`.
    LinkLocalAllowanceExceeded = "OPENVPC_LINKLOCAL_ALLOWANCE_EXCEEDED";
    /// The datagram is larger than the path takes and must not be fragmented.
    MtuExceeded = "OPENVPC_MTU_EXCEEDED";
    /// A NAT gateway translates no fragments but those of UDP.
    NatFragment = "OPENVPC_NAT_FRAGMENT";
    /// A TCP segment of a connection that a NAT gateway doesn't know any more.
    NatIdleTimeout = "OPENVPC_NAT_IDLE_TIMEOUT";
    /// Comes in to a NAT gateway, and nothing asked for it.
    NatNoConnection = "OPENVPC_NAT_NO_CONNECTION";
    /// All ports of a NAT gateway for one destination are taken.
    NatPortsExhausted = "OPENVPC_NAT_PORTS_EXHAUSTED";
    /// The route's target is a kind of gateway that this version keeps and describes, but doesn't forward through.
    NotForwarded = "OPENVPC_NOT_FORWARDED";
    /// The packet went round between middleboxes.
    RoutingLoop = "OPENVPC_ROUTING_LOOP";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one interface saw of a packet, in one direction, as flow logs record it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leg {
    /// The interface.
    pub eni: EniIndex,
    /// Relative to the interface.
    pub direction: Direction,
    /// What security groups and network ACLs said there.
    pub action: Action,
    /// Source address as in the packet at this interface.
    pub source: IpAddr,
    /// Destination address as in the packet at this interface.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Ports at this interface.
    pub transport: Transport,
    /// The way out of the VPC's router; egress only.
    pub path: Option<TrafficPath>,
    /// Who refused it, where that isn't a security group or network ACL.
    pub reason: Option<RejectReason>,
}

/// The flow log field `reject-reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// Block Public Access.
    BlockPublicAccess,
}

/// ACCEPT or REJECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Action {
    Accept,
    Reject,
}

/// The numbers of the flow log field `traffic-path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TrafficPath {
    /// Another resource in the same VPC.
    SameVpc = 1,
    /// An internet gateway.
    InternetGateway = 8,
}

/// How much of a leg a packet was: a super-packet counts as the segments it becomes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegCounts {
    /// IP datagrams.
    pub packets: u64,
    /// Sum of the lengths of the IP datagrams, link header excluded.
    pub bytes: u64,
    /// FIN, SYN, RST and SYN-ACK as the field `tcp-flags` adds them up; 0 for other protocols.
    pub tcp_flags: u8,
}

/// Takes what the datapath counts; flow logs implement it.
pub trait FlowSink: Send {
    /// Counts a leg of a packet at a time. `tables` are those the packet was judged by.
    fn record(&mut self, tables: &Tables, leg: &Leg, counts: LegCounts, now: UnixMillis);
}

/// A short list of legs that lives on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Legs {
    legs: [Option<Leg>; Self::MAX],
    len: u8,
}

impl Legs {
    /// More than a packet can have: source and destination, and both sides of a NAT gateway at either end.
    pub const MAX: usize = 8;

    /// No legs.
    pub const EMPTY: Self = Self { legs: [None; Self::MAX], len: 0 };

    /// Adds a leg; says whether there was room.
    pub fn push(&mut self, leg: Leg) -> bool {
        match self.legs.get_mut(usize::from(self.len)) {
            Some(slot) => {
                *slot = Some(leg);
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// The last leg.
    pub fn last_mut(&mut self) -> Option<&mut Leg> {
        self.legs[..usize::from(self.len)].last_mut()?.as_mut()
    }

    /// The legs in the order the packet met them.
    pub fn iter(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().flatten()
    }
}
