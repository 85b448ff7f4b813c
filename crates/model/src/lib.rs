//! The data of a virtual private cloud: typed ids, resources, CIDR arithmetic and the immutable [`Network`] snapshot.
//!
//! Everything here is plain data with invariants. The crate refuses to do I/O, to read a clock, to draw random numbers
//! and to decide what happens to a packet; those come from the crates above it.
//!
//! Read [`Network`] first (what exists), then [`ids`] (how it is named).
#![forbid(unsafe_code)]

pub mod access_key;
pub mod access_scope;
pub mod address;
pub mod aws_services;
pub mod certificate;
pub mod cidr_reservation;
pub mod client_vpn;
pub mod dhcp;
pub mod direct_connect;
pub mod dns;
pub mod domain_name;
pub mod endpoint;
pub mod flow_log;
pub mod gateway;
pub mod hosted_zone;
pub mod iam;
pub mod idempotency;
pub mod ids;
pub mod insights;
pub mod instance;
pub mod interface;
pub mod interface_permission;
pub mod internet;
pub mod key_pair;
pub mod link_local;
pub mod load_balancer;
pub mod log_group;
pub mod nacl;
pub mod nat;
pub mod network;
pub mod owner;
pub mod parameter;
pub mod peering;
pub mod prefix_list;
pub mod public_access;
pub mod record_data;
pub mod route;
pub mod rules;
pub mod secret;
pub mod security_group;
pub mod subnet;
pub mod table;
pub mod tags;
pub mod time;
pub mod transit_gateway;
pub mod vpc;
pub mod vpn;
pub mod zone;

pub use access_key::AccessKey;
pub use access_scope::{AccessScope, AccessScopeAnalysis};
pub use address::ElasticIp;
pub use certificate::Certificate;
pub use client_vpn::{
    ClientVpnAssociation, ClientVpnAuthentication, ClientVpnEndpoint, ClientVpnFamily, ClientVpnRoute, ClientVpnRouteOrigin,
    ClientVpnRule, ClientVpnSettings, ClientVpnTarget, ClientVpnTransport, ConnectionLog,
};
pub use direct_connect::ids::{
    BgpPeerId, DirectConnectAssociationId, DirectConnectConnectionId, DirectConnectGatewayId, DirectConnectProposalId,
    FailoverTestId, LagId, VirtualInterfaceId,
};
pub use direct_connect::{
    DirectConnectAssociation, DirectConnectConnection, DirectConnectGateway, DirectConnectProposal, FailoverTest, Lag,
    VirtualInterface,
};
pub use domain_name::DomainName;
pub use endpoint::{
    Acceptance, AddressType, ConnectionNotification, DnsRecordType, EndpointInterface, EndpointPermission, EndpointService,
    EndpointType, NotificationSubject, ServicePrivateDns, ServiceReference, VpcEndpoint,
};
pub use flow_log::{FileFormat, FlowLog, FlowLogDestination, FlowLogTarget, TrafficType};
pub use gateway::{CarrierGateway, EgressOnlyGateway, InternetGateway};
pub use hosted_zone::{
    DelegationSet, DnsChange, DnsHealthCheck, HostedZone, QueryLoggingConfig, RecordKey, RecordSet, RecordType,
};
pub use iam::{IamName, InstanceProfile, ManagedPolicy, PolicyVersion, Role};
pub use idempotency::{ClientToken, ClientTokenKey};
pub use ids::*;
pub use insights::{InsightsAnalysis, InsightsPath};
pub use instance::{Instance, InstanceOptions, InstanceState};
pub use interface::{Attachment, NetworkInterface, PrivateAddress, PublicMapping, TrackingTimeouts};
pub use key_pair::KeyPair;
pub use link_local::Service;
pub use load_balancer::{
    HealthCheck, Listener, LoadBalancer, LoadBalancerKind, LoadBalancerNode, Target, TargetGroup, WeightedTargetGroup,
};
pub use log_group::{LogBatch, LogEvent, LogGroup, LogKey, LogResourcePolicy, LogStream};
pub use nacl::{Direction, NaclAction, NaclEntry, NetworkAcl};
pub use nat::NatGateway;
pub use network::{Change, Network, Resource, Table};
pub use owner::{AccountId, Owner, Region};
pub use parameter::Parameter;
pub use peering::{Peering, PeeringSide, PeeringState};
pub use prefix_list::{AddressFamily, AwsPrefixList, PrefixList, PrefixListEntry, PrefixListState, PrefixListVersion};
pub use record_data::RecordData;
pub use route::{Route, RouteDestination, RouteOrigin, RouteState, RouteTable, RouteTarget, TableAssociation};
pub use rules::{IcmpMatch, PortRange, Protocol, RulePorts};
pub use security_group::{Peer, SecurityGroup, SecurityGroupRule};
pub use subnet::Subnet;
pub use table::Anchor;
pub use tags::Tags;
pub use time::UnixMillis;
pub use transit_gateway::{TransitGateway, TransitGatewayAttachment, TransitGatewayRouteTable};
pub use vpc::{DhcpOptions, RegionState, Vpc};
pub use vpn::{CustomerGateway, VpnConnection, VpnGateway, VpnTarget};
pub use zone::Zone;
