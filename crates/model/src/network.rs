//! The immutable snapshot of everything that exists.
//!
//! A [`Network`] is a handful of persistent maps: cloning it copies a few pointers, and a changed clone shares all that
//! it didn't touch with the original. So a transaction works on a clone, a reader keeps the snapshot it started with, and
//! a what-if is a transaction that nobody commits. Values are behind `Arc`: two snapshots hold the *same* pointer for a
//! resource exactly when it wasn't written between them, which is how compilation knows what it may keep.

use std::sync::Arc;

use crate::cidr_reservation::SubnetCidrReservation;
use crate::interface_permission::InterfacePermission;
use crate::public_access::PublicAccessExclusion;
pub use crate::table::Table;
use crate::table::{Anchor, Quantity, anchors_of, quantities_of_eni};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AccessKey, AllocationId, ClientToken, ClientTokenKey, ElasticIp};
use crate::{AccessScope, AccessScopeAnalysis, AccessScopeAnalysisId, AccessScopeId};
use crate::{BlockPublicAccessExclusionId, InterfacePermissionId, KeyPair, KeyPairId, SubnetCidrReservationId};
use crate::{CarrierGateway, CarrierGatewayId, EgressOnlyGateway, EgressOnlyGatewayId, NatGateway, NatGatewayId};
use crate::{Certificate, ClientVpnEndpoint, ClientVpnEndpointId};
use crate::{
    ConnectionNotification, ConnectionNotificationId, EndpointPermission, EndpointPermissionId, EndpointService,
    EndpointServiceId, Listener, LoadBalancer, TargetGroup, VpcEndpoint, VpcEndpointId,
};
use crate::{CustomerGateway, CustomerGatewayId, VpnConnection, VpnConnectionId, VpnGateway, VpnGatewayId};
use crate::{DelegationSet, DnsChange, DnsHealthCheck, HostedZone, QueryLoggingConfig, RecordKey, RecordSet};
use crate::{
    DhcpOptions, DhcpOptionsId, EniId, FlowLog, FlowLogId, InsightsAnalysis, InsightsAnalysisId, InsightsPath, InsightsPathId,
    Instance, InstanceId, InternetGateway, InternetGatewayId, NaclId, NetworkAcl, NetworkInterface, Owner, PrefixList,
    PrefixListId, PrefixListVersion, RegionState, RouteTable, RouteTableId, SecurityGroup, SecurityGroupId, Subnet, SubnetId,
    Vpc, VpcId,
};
use crate::{
    DirectConnectAssociation, DirectConnectAssociationId, DirectConnectConnection, DirectConnectConnectionId,
    DirectConnectGateway, DirectConnectGatewayId, DirectConnectProposal, DirectConnectProposalId, FailoverTest, FailoverTestId,
    Lag, LagId, VirtualInterface, VirtualInterfaceId,
};
use crate::{IamName, InstanceProfile, ManagedPolicy, Role};
use crate::{LogBatch, LogGroup, LogKey, LogResourcePolicy, LogStream, Parameter};
use crate::{
    Peering, PeeringId, TransitGateway, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId,
    TransitGatewayRouteTable, TransitGatewayRouteTableId,
};

/// A kind of resource that a [`Network`] holds.
pub trait Resource: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the kind is called in the store; never changes once released.
    const KIND: &'static str;
    /// What it is found by.
    type Key: Clone + Ord + Send + Sync;

    /// Its key.
    fn key(&self) -> Self::Key;
    /// Who it belongs to.
    fn owner(&self) -> &Owner;
    /// The key as the store writes it.
    fn key_text(key: &Self::Key) -> String;
    /// What it is found by beside its key.
    fn anchors(&self, _visit: &mut dyn FnMut(Anchor)) {}
    /// What it adds to quantities beside being one more of its owner's.
    fn quantities(&self, _visit: &mut dyn FnMut(Quantity, u64)) {}
    /// The table of its kind.
    fn table(network: &Network) -> &Table<Self>;
    /// The table of its kind, to change.
    fn table_mut(network: &mut Network) -> &mut Table<Self>;
}

/// Looks at resources of every kind.
pub trait Visit {
    /// Looks at one.
    fn visit<R: Resource>(&mut self, resource: &R);
}

/// One resource that a transaction wrote or removed, as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// [`Resource::KIND`].
    pub kind: &'static str,
    /// [`Resource::key_text`].
    pub key: String,
    /// The resource as the text of JSON, or none when it was removed.
    pub value: Option<Vec<u8>>,
}

/// A stored value that doesn't fit the model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The value isn't a resource of that kind.
    #[error("the stored {kind} {key} can't be read: {source}")]
    Value {
        /// The kind as stored.
        kind: String,
        /// The key as stored.
        key: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// No kind of that name exists.
    #[error("the store holds a kind of resource this version doesn't know: {0}")]
    Kind(String),
}

macro_rules! network {
    ($($(#[$doc:meta])* $field:ident: $resource:ident[$key:ty] = $kind:literal, |$r:ident| $key_of:expr, $owner_of:expr, |$k:ident| $text:expr $(, $anchors:path $(, $quantities:path)?)?;)*) => {
        /// Everything that exists, in all accounts and regions, at one moment.
        #[derive(Clone, Debug, Default)]
        pub struct Network {
            $($(#[$doc])* pub $field: Table<$resource>,)*
        }

        impl Network {
            /// Puts a stored value in its place.
            ///
            /// # Errors
            /// When the kind is unknown or the value doesn't fit it.
            pub fn load(&mut self, kind: &str, key: &str, value: &[u8]) -> Result<(), LoadError> {
                match kind {
                    $($kind => {
                        let resource: $resource = serde_json::from_slice(value)
                            .map_err(|source| LoadError::Value { kind: kind.into(), key: key.into(), source })?;
                        self.insert(resource);
                    })*
                    _ => return Err(LoadError::Kind(kind.into())),
                }
                Ok(())
            }

            /// How many resources of each kind there are.
            pub fn sizes(&self) -> impl Iterator<Item = (&'static str, usize)> {
                [$(($kind, self.$field.size())),*].into_iter()
            }

            /// Shows every resource to a visitor.
            pub fn each(&self, visitor: &mut impl Visit) {
                $(self.$field.values().for_each(|resource| visitor.visit(&**resource));)*
            }
        }

        $(impl Resource for $resource {
            const KIND: &'static str = $kind;
            type Key = $key;

            fn key(&self) -> $key {
                let $r = self;
                $key_of
            }

            fn owner(&self) -> &Owner {
                let $r = self;
                &$owner_of
            }

            fn key_text($k: &$key) -> String {
                $text
            }

            $(fn anchors(&self, visit: &mut dyn FnMut(Anchor)) {
                $anchors(self, visit);
            }

            $(fn quantities(&self, visit: &mut dyn FnMut(Quantity, u64)) {
                $quantities(self, visit);
            })?)?

            fn table(network: &Network) -> &Table<Self> {
                &network.$field
            }

            fn table_mut(network: &mut Network) -> &mut Table<Self> {
                &mut network.$field
            }
        })*
    };
}

network! {
    /// What each account has in each region it looked at.
    regions: RegionState[Owner] = "region", |r| r.owner.clone(), r.owner, |k| format!("{}/{}", k.account, k.region);
    /// VPCs.
    vpcs: Vpc[VpcId] = "vpc", |r| r.id, r.owner, |k| k.to_string();
    /// Access keys.
    access_keys: AccessKey[String] = "access-key", |r| r.id.clone(), r.owner, |k| k.clone();
    /// Client tokens of calls that made something.
    client_tokens: ClientToken[ClientTokenKey] = "client-token", |r| r.key.clone(), r.key.owner, |k| k.to_string();
    /// DHCP option sets.
    dhcp_options: DhcpOptions[DhcpOptionsId] = "dhcp-options", |r| r.id, r.owner, |k| k.to_string();
    /// Subnets.
    subnets: Subnet[SubnetId] = "subnet", |r| r.id, r.owner, |k| k.to_string(), anchors_of::subnet;
    /// Route tables.
    route_tables: RouteTable[RouteTableId] = "route-table", |r| r.id, r.owner, |k| k.to_string(), anchors_of::route_table;
    /// Network ACLs.
    nacls: NetworkAcl[NaclId] = "network-acl", |r| r.id, r.owner, |k| k.to_string(), anchors_of::nacl;
    /// Security groups.
    security_groups: SecurityGroup[SecurityGroupId] = "security-group", |r| r.id, r.owner, |k| k.to_string(), anchors_of::security_group;
    /// Internet gateways.
    internet_gateways: InternetGateway[InternetGatewayId] = "internet-gateway", |r| r.id, r.owner, |k| k.to_string(), anchors_of::internet_gateway;
    /// Egress-only internet gateways.
    egress_only_gateways: EgressOnlyGateway[EgressOnlyGatewayId] = "egress-only-internet-gateway", |r| r.id, r.owner, |k| k.to_string(), anchors_of::egress_only_gateway;
    /// Carrier gateways.
    carrier_gateways: CarrierGateway[CarrierGatewayId] = "carrier-gateway", |r| r.id, r.owner, |k| k.to_string();
    /// NAT gateways.
    nat_gateways: NatGateway[NatGatewayId] = "nat-gateway", |r| r.id, r.owner, |k| k.to_string();
    /// Network interfaces.
    enis: NetworkInterface[EniId] = "network-interface", |r| r.id, r.owner, |k| k.to_string(), anchors_of::eni, quantities_of_eni;
    /// Elastic IP addresses.
    elastic_ips: ElasticIp[AllocationId] = "elastic-ip", |r| r.id, r.owner, |k| k.to_string(), anchors_of::elastic_ip;
    /// Instances.
    instances: Instance[InstanceId] = "instance", |r| r.id, r.owner, |k| k.to_string();
    /// VPC endpoints, also those deleted lately.
    endpoints: VpcEndpoint[VpcEndpointId] = "vpc-endpoint", |r| r.id, r.owner, |k| k.to_string();
    /// Endpoint services.
    endpoint_services: EndpointService[EndpointServiceId] = "vpc-endpoint-service", |r| r.id, r.owner, |k| k.to_string();
    /// Who may use endpoint services.
    endpoint_permissions: EndpointPermission[EndpointPermissionId] = "vpc-endpoint-service-permission", |r| r.id, r.owner, |k| k.to_string();
    /// Notifications about connections of endpoints.
    connection_notifications: ConnectionNotification[ConnectionNotificationId] = "vpc-endpoint-connection-notification", |r| r.id, r.owner, |k| k.to_string();
    /// Load balancers by ARN.
    load_balancers: LoadBalancer[String] = "load-balancer", |r| r.arn.clone(), r.owner, |k| k.clone();
    /// Target groups by ARN.
    target_groups: TargetGroup[String] = "target-group", |r| r.arn.clone(), r.owner, |k| k.clone();
    /// Listeners by ARN.
    listeners: Listener[String] = "listener", |r| r.arn.clone(), r.owner, |k| k.clone();
    /// Flow logs.
    flow_logs: FlowLog[FlowLogId] = "vpc-flow-log", |r| r.id, r.owner, |k| k.to_string();
    /// Customers' managed prefix lists, as they are now.
    prefix_lists: PrefixList[PrefixListId] = "prefix-list", |r| r.id, r.owner, |k| k.to_string();
    /// What managed prefix lists held in each of their versions.
    prefix_list_versions: PrefixListVersion[(PrefixListId, u64)] = "prefix-list-version", |r| r.key, r.owner, |k| format!("{}/{}", k.0, k.1);
    /// Reservations of ranges in subnets.
    cidr_reservations: SubnetCidrReservation[SubnetCidrReservationId] = "subnet-cidr-reservation", |r| r.id, r.owner, |k| k.to_string();
    /// Exclusions from Block Public Access, deleted ones for a while.
    public_access_exclusions: PublicAccessExclusion[BlockPublicAccessExclusionId] =
        "vpc-block-public-access-exclusion", |r| r.id, r.owner, |k| k.to_string();
    /// Permissions of other accounts on network interfaces.
    interface_permissions: InterfacePermission[InterfacePermissionId] = "network-interface-permission", |r| r.id, r.owner, |k| k.to_string();
    /// Key pairs.
    key_pairs: KeyPair[KeyPairId] = "key-pair", |r| r.id, r.owner, |k| k.to_string();
    /// Network Insights paths.
    insights_paths: InsightsPath[InsightsPathId] = "network-insights-path", |r| r.id, r.owner, |k| k.to_string();
    /// Network Insights analyses.
    insights_analyses: InsightsAnalysis[InsightsAnalysisId] = "network-insights-analysis", |r| r.id, r.owner, |k| k.to_string();
    /// VPC peering connections, ended ones for a while. Their owner here is the requester.
    peerings: Peering[PeeringId] = "vpc-peering-connection", |r| r.id, r.requester.owner, |k| k.to_string();
    /// Transit gateways, deleted ones for a while.
    transit_gateways: TransitGateway[TransitGatewayId] = "transit-gateway", |r| r.id, r.owner, |k| k.to_string();
    /// What is attached to transit gateways, deleted ones for a while. Their owner here is that of what is attached.
    transit_gateway_attachments: TransitGatewayAttachment[TransitGatewayAttachmentId] =
        "transit-gateway-attachment", |r| r.id, r.owner, |k| k.to_string();
    /// Route tables of transit gateways, deleted ones for a while.
    transit_gateway_route_tables: TransitGatewayRouteTable[TransitGatewayRouteTableId] =
        "transit-gateway-route-table", |r| r.id, r.owner, |k| k.to_string();
    /// Network Access Scopes.
    access_scopes: AccessScope[AccessScopeId] = "network-insights-access-scope", |r| r.id, r.owner, |k| k.to_string();
    /// What was found in Network Access Scopes.
    access_scope_analyses: AccessScopeAnalysis[AccessScopeAnalysisId] =
        "network-insights-access-scope-analysis", |r| r.id, r.owner, |k| k.to_string();
    /// Client VPN endpoints.
    client_vpn_endpoints: ClientVpnEndpoint[ClientVpnEndpointId] = "client-vpn-endpoint", |r| r.id, r.owner, |k| k.to_string();
    /// Certificates of ACM.
    certificates: Certificate[String] = "certificate", |r| r.arn.clone(), r.owner, |k| k.clone();
    /// Customer gateways, deleted ones too.
    customer_gateways: CustomerGateway[CustomerGatewayId] = "customer-gateway", |r| r.id, r.owner, |k| k.to_string();
    /// Virtual private gateways, deleted ones too.
    vpn_gateways: VpnGateway[VpnGatewayId] = "vpn-gateway", |r| r.id, r.owner, |k| k.to_string();
    /// VPN connections, deleted ones too.
    vpn_connections: VpnConnection[VpnConnectionId] = "vpn-connection", |r| r.id, r.owner, |k| k.to_string();
    /// Direct Connect connections, deleted ones too.
    direct_connect_connections: DirectConnectConnection[DirectConnectConnectionId] =
        "direct-connect-connection", |r| r.id, r.owner, |k| k.to_string();
    /// Link aggregation groups, deleted ones too.
    lags: Lag[LagId] = "direct-connect-lag", |r| r.id, r.owner, |k| k.to_string();
    /// Virtual interfaces, deleted ones too.
    virtual_interfaces: VirtualInterface[VirtualInterfaceId] =
        "direct-connect-virtual-interface", |r| r.id, r.owner, |k| k.to_string();
    /// Direct Connect gateways.
    direct_connect_gateways: DirectConnectGateway[DirectConnectGatewayId] =
        "direct-connect-gateway", |r| r.id, r.owner, |k| k.to_string();
    /// Associations of Direct Connect gateways.
    direct_connect_associations: DirectConnectAssociation[DirectConnectAssociationId] =
        "direct-connect-association", |r| r.id, r.owner, |k| k.to_string();
    /// Proposals of such associations, ended ones too.
    direct_connect_proposals: DirectConnectProposal[DirectConnectProposalId] =
        "direct-connect-proposal", |r| r.id, r.owner, |k| k.to_string();
    /// Failover tests of virtual interfaces.
    failover_tests: FailoverTest[FailoverTestId] = "direct-connect-failover-test", |r| r.id, r.owner, |k| k.to_string();
    /// Hosted zones of Route 53.
    hosted_zones: HostedZone[String] = "hosted-zone", |r| r.id.clone(), r.owner, |k| k.clone(), crate::hosted_zone::anchors;
    /// Records of hosted zones.
    record_sets: RecordSet[RecordKey] = "hosted-zone-record-set", |r| r.key(), r.owner, |k| k.to_string();
    /// Health checks of Route 53.
    dns_health_checks: DnsHealthCheck[String] = "dns-health-check", |r| r.id.clone(), r.owner, |k| k.clone();
    /// Reusable delegation sets.
    delegation_sets: DelegationSet[String] = "delegation-set", |r| r.id.clone(), r.owner, |k| k.clone();
    /// Changes of Route 53 of the last days.
    dns_changes: DnsChange[String] = "dns-change", |r| r.id.clone(), r.owner, |k| k.clone();
    /// Which public zones' questions are to be logged.
    query_logging_configs: QueryLoggingConfig[String] = "query-logging-config", |r| r.id.clone(), r.owner, |k| k.clone();
    /// Roles of IAM.
    roles: Role[IamName] = "role", |r| IamName::new(r.owner.account, &r.name), r.owner, |k| k.to_string();
    /// Managed policies of IAM.
    policies: ManagedPolicy[String] = "policy", |r| r.arn(), r.owner, |k| k.clone();
    /// Instance profiles of IAM.
    instance_profiles: InstanceProfile[IamName] =
        "instance-profile", |r| IamName::new(r.owner.account, &r.name), r.owner, |k| k.to_string();
    /// Log groups.
    log_groups: LogGroup[LogKey] = "log-group", |r| LogKey::group(&r.owner, &r.name), r.owner, |k| k.to_string();
    /// Log streams.
    log_streams: LogStream[LogKey] =
        "log-stream", |r| LogKey::stream(&r.owner, &r.group, &r.name), r.owner, |k| k.to_string();
    /// Log events.
    log_batches: LogBatch[LogKey] =
        "log-batch", |r| LogKey { batch: r.number, ..LogKey::stream(&r.owner, &r.group, &r.stream) }, r.owner, |k| k.to_string();
    /// Policies about log groups.
    log_resource_policies: LogResourcePolicy[LogKey] =
        "log-resource-policy", |r| LogKey::group(&r.owner, &r.name), r.owner, |k| k.to_string();
    /// Parameters.
    parameters: Parameter[(Owner, String)] =
        "parameter", |r| (r.owner.clone(), r.name.clone()), r.owner, |k| format!("{}/{}{}", k.0.account, k.0.region, k.1);
}

impl Network {
    /// Adds a resource, or replaces the one with its key.
    pub fn insert<R: Resource>(&mut self, resource: R) {
        R::table_mut(self).insert(resource);
    }

    /// Removes a resource; says whether it was there.
    pub fn remove<R: Resource>(&mut self, key: &R::Key) -> bool {
        R::table_mut(self).remove(key)
    }

    /// The resource with that key.
    pub fn get<R: Resource>(&self, key: &R::Key) -> Option<&Arc<R>> {
        R::table(self).get(key)
    }

    /// All resources of a kind, in the order of their keys.
    pub fn all<R: Resource>(&self) -> impl Iterator<Item = &Arc<R>> {
        R::table(self).values()
    }

    /// All resources of a kind that an account has in a region.
    pub fn owned<'a, R: Resource>(&'a self, owner: &'a Owner) -> impl Iterator<Item = &'a Arc<R>> {
        self.all::<R>().filter(move |resource| resource.owner() == owner)
    }

    /// The resources of a kind that name an anchor, in the order of their keys. Takes the time of finding the first one.
    pub fn by<R: Resource>(&self, anchor: Anchor) -> impl Iterator<Item = &Arc<R>> {
        R::table(self).by(anchor)
    }

    /// The subnets of a VPC.
    pub fn subnets_of(&self, vpc: VpcId) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.by(Anchor::Vpc(vpc))
    }

    /// The interfaces in a subnet.
    pub fn enis_in(&self, subnet: SubnetId) -> impl Iterator<Item = &Arc<NetworkInterface>> {
        self.enis.by(Anchor::Subnet(subnet))
    }

    /// The route table that a subnet uses: its own, or its VPC's main one.
    pub fn route_table_of(&self, subnet: &Subnet) -> Option<&Arc<RouteTable>> {
        let own = self.route_tables.by(Anchor::Subnet(subnet.id)).find(|table| table.vpc == subnet.vpc);
        own.or_else(|| self.route_tables.get(&self.vpcs.get(&subnet.vpc)?.main_route_table))
    }

    /// The network ACL that a subnet uses.
    pub fn nacl_of(&self, subnet: &Subnet) -> Option<&Arc<NetworkAcl>> {
        self.nacls.get(&subnet.nacl.nacl)
    }

    /// The subnets that use a network ACL.
    pub fn users_of(&self, nacl: NaclId) -> impl Iterator<Item = &Arc<Subnet>> {
        self.subnets.by(Anchor::NetworkAcl(nacl))
    }

    /// The internet gateway attached to a VPC.
    pub fn internet_gateway_of(&self, vpc: VpcId) -> Option<&Arc<InternetGateway>> {
        self.internet_gateways.by(Anchor::Vpc(vpc)).next()
    }

    /// The egress-only internet gateway of a VPC.
    pub fn egress_only_gateway_of(&self, vpc: VpcId) -> Option<&Arc<EgressOnlyGateway>> {
        self.egress_only_gateways.by(Anchor::Vpc(vpc)).next()
    }

    /// The attachment, neither deleted nor rejected, of a VPC to a transit gateway.
    pub fn transit_gateway_attachment_of(&self, gateway: TransitGatewayId, vpc: VpcId) -> Option<&Arc<TransitGatewayAttachment>> {
        let is_it = |a: &&Arc<TransitGatewayAttachment>| {
            a.is_alive() && a.transit_gateway == gateway && a.vpc().is_some_and(|attached| attached.vpc == vpc)
        };
        self.transit_gateway_attachments.values().find(is_it)
    }

    /// The virtual private gateway attached to a VPC.
    pub fn vpn_gateway_of(&self, vpc: VpcId) -> Option<&Arc<VpnGateway>> {
        self.vpn_gateways.values().find(|gateway| gateway.vpc == Some(vpc))
    }

    /// The routes that virtual private gateways propagate into a table, each destination once, in the order of destinations:
    /// the static routes of their VPN connections. See "Route propagation" in the VPC User Guide.
    ///
    /// A table takes [`crate::route::PROPAGATED_ROUTES`] of them; AWS leaves the rest out.
    pub fn propagated_routes(&self, table: &RouteTable) -> Vec<crate::Route> {
        let mut routes = std::collections::BTreeMap::new();
        let attached = |id: &&VpnGatewayId| self.vpn_gateways.get(*id).is_some_and(|gateway| gateway.vpc == Some(table.vpc));
        for gateway in table.propagating.iter().filter(attached) {
            for connection in self.vpn_connections.values().filter(|connection| connection.is_at(*gateway)) {
                for destination in &connection.static_routes {
                    routes.entry(ipnet::IpNet::V4(*destination)).or_insert(crate::RouteTarget::VpnGateway(*gateway));
                }
            }
        }
        let origin = crate::RouteOrigin::EnableVgwRoutePropagation;
        let routes = routes.into_iter().map(|(block, target)| crate::Route { destination: block.into(), target, origin });
        routes.take(crate::route::PROPAGATED_ROUTES).collect()
    }

    /// The interfaces of an instance, primary first.
    pub fn enis_of(&self, instance: InstanceId) -> Vec<&Arc<NetworkInterface>> {
        let mut enis: Vec<_> = self.enis.by(Anchor::Instance(instance)).collect();
        enis.sort_by_key(|eni| eni.attachment.as_ref().map(|attachment| attachment.device_index));
        enis
    }

    /// Whether a route's target can take packets: an attached gateway, an interface of a running instance.
    pub fn route_state(&self, vpc: VpcId, target: crate::RouteTarget) -> crate::RouteState {
        let active = match target {
            crate::RouteTarget::Local => true,
            crate::RouteTarget::InternetGateway(id) => self.internet_gateways.get(&id).is_some_and(|g| g.vpc == Some(vpc)),
            crate::RouteTarget::NetworkInterface(id) => self.enis.get(&id).is_some_and(|eni| self.carries_packets(eni)),
            crate::RouteTarget::Peering(id) => {
                self.peerings.get(&id).is_some_and(|peering| peering.is_active() && peering.far_side(vpc).is_some())
            }
            crate::RouteTarget::TransitGateway(id) => {
                self.transit_gateway_attachment_of(id, vpc).is_some_and(|a| a.is_available())
            }
            crate::RouteTarget::EgressOnlyGateway(id) => self.egress_only_gateways.get(&id).is_some_and(|g| g.vpc == vpc),
            crate::RouteTarget::NatGateway(id) => self.nat_gateways.get(&id).is_some_and(|g| g.vpc == vpc && g.is_available()),
            crate::RouteTarget::Endpoint(id) => self.endpoints.get(&id).is_some_and(|e| e.is_available() && e.vpc == vpc),
            crate::RouteTarget::VpnGateway(id) => self.vpn_gateways.get(&id).is_some_and(|g| g.vpc == Some(vpc)),
        };
        if active { crate::RouteState::Active } else { crate::RouteState::Blackhole }
    }

    /// Whether an interface is in an instance that is starting or running, or in something outside.
    pub fn carries_packets(&self, eni: &NetworkInterface) -> bool {
        if eni.outside.is_some() {
            return true;
        }
        let instance = eni.attachment.as_ref().and_then(|a| self.instances.get(&a.instance));
        instance.is_some_and(|i| matches!(i.state, crate::InstanceState::Pending | crate::InstanceState::Running))
    }
}

/// The change that stores a resource.
///
/// # Errors
/// When the resource can't be written as JSON.
pub fn stored<R: Resource>(resource: &R) -> Result<Change, serde_json::Error> {
    Ok(Change { kind: R::KIND, key: R::key_text(&resource.key()), value: Some(serde_json::to_vec(resource)?) })
}
