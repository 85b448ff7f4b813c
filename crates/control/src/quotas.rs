//! Limits: AWS's defaults per resource, generous ones per account, all adjustable by name.

macro_rules! quotas {
    ($($(#[$doc:meta])* $field:ident = $name:literal, $default:literal;)*) => {
        /// The limits in force. See "Amazon VPC quotas" in the VPC User Guide.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Quotas {
            $($(#[$doc])* pub $field: usize,)*
        }

        impl Default for Quotas {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Quotas {
            /// The names that [`Self::set`] knows, with the limits in force.
            pub fn all(&self) -> Vec<(&'static str, usize)> {
                vec![$(($name, self.$field)),*]
            }

            /// Sets the limit of that name; says whether there is one.
            pub fn set(&mut self, name: &str, limit: usize) -> bool {
                match name {
                    $($name => self.$field = limit,)*
                    _ => return false,
                }
                true
            }
        }
    };
}

quotas! {
    /// VPCs per region.
    vpcs = "vpcs", 100;
    /// Subnets per VPC.
    subnets_per_vpc = "subnets-per-vpc", 200;
    /// IPv4 blocks per VPC, the primary one included.
    ipv4_blocks_per_vpc = "ipv4-blocks-per-vpc", 5;
    /// IPv6 blocks per VPC.
    ipv6_blocks_per_vpc = "ipv6-blocks-per-vpc", 5;
    /// Internet gateways per region.
    internet_gateways = "internet-gateways", 100;
    /// Egress-only internet gateways per region.
    egress_only_gateways = "egress-only-internet-gateways", 100;
    /// Elastic IP addresses per region.
    addresses = "addresses", 100;
    /// Zonal NAT gateways per zone.
    nat_gateways_per_zone = "nat-gateways-per-zone", 5;
    /// Private addresses per zonal NAT gateway.
    addresses_per_nat_gateway = "addresses-per-nat-gateway", 8;
    /// Elastic IPs per zonal NAT gateway.
    elastic_ips_per_nat_gateway = "elastic-ips-per-nat-gateway", 2;
    /// Elastic IPs per regional NAT gateway and zone.
    addresses_per_regional_nat_zone = "addresses-per-regional-nat-zone", 32;
    /// Network interfaces per zone.
    interfaces = "interfaces", 5000;
    /// Private IPv4 addresses per interface.
    ipv4_addresses_per_interface = "ipv4-addresses-per-interface", 50;
    /// IPv6 addresses per interface.
    ipv6_addresses_per_interface = "ipv6-addresses-per-interface", 50;
    /// Security groups per interface.
    groups_per_interface = "groups-per-interface", 5;
    /// Security groups per region.
    security_groups = "security-groups", 2500;
    /// Rules per security group, direction and family.
    rules_per_group = "rules-per-group", 60;
    /// Network ACLs per VPC.
    nacls_per_vpc = "nacls-per-vpc", 200;
    /// Entries per network ACL and direction, the fixed denies counted.
    entries_per_nacl = "entries-per-nacl", 20;
    /// Route tables per VPC.
    route_tables_per_vpc = "route-tables-per-vpc", 200;
    /// Static routes per route table and family.
    routes_per_table = "routes-per-table", 500;
    /// Active VPC peering connections per VPC.
    active_peerings_per_vpc = "active-vpc-peering-connections-per-vpc", 50;
    /// VPC peering requests per region that nobody answered yet.
    outstanding_peerings = "outstanding-vpc-peering-connections", 25;
    /// Transit gateways per region.
    transit_gateways = "transit-gateways", 5;
    /// Transit gateways that a VPC is attached to.
    transit_gateways_per_vpc = "transit-gateways-per-vpc", 5;
    /// Attachments per transit gateway.
    attachments_per_transit_gateway = "attachments-per-transit-gateway", 5000;
    /// Peering attachments per transit gateway.
    peerings_per_transit_gateway = "peering-attachments-per-transit-gateway", 50;
    /// Route tables per transit gateway.
    route_tables_per_transit_gateway = "route-tables-per-transit-gateway", 20;
    /// Static routes per transit gateway, in all of its tables.
    routes_per_transit_gateway = "static-routes-per-transit-gateway", 10_000;
    /// CIDR blocks per transit gateway.
    blocks_per_transit_gateway = "cidr-blocks-per-transit-gateway", 5;
    /// Managed prefix lists per region.
    prefix_lists = "prefix-lists", 100;
    /// Entries per managed prefix list.
    entries_per_prefix_list = "entries-per-prefix-list", 1000;
    /// Gateway endpoints per region.
    gateway_endpoints = "gateway-endpoints", 20;
    /// Interface and Gateway Load Balancer endpoints per VPC.
    interface_endpoints_per_vpc = "interface-endpoints-per-vpc", 50;
    /// Network Load Balancers per region.
    network_load_balancers = "network-load-balancers", 50;
    /// Gateway Load Balancers per region.
    gateway_load_balancers = "gateway-load-balancers", 100;
    /// Target groups per region.
    target_groups = "target-groups", 3000;
    /// Listeners per load balancer.
    listeners_per_load_balancer = "listeners-per-load-balancer", 50;
    /// Block Public Access exclusions per region.
    public_access_exclusions = "public-access-exclusions", 50;
    /// Key pairs per region.
    key_pairs = "key-pairs", 5000;
    /// Whether ranges that AWS restricts beside a VPC's blocks are refused as secondary blocks: 1, or 0 to allow them.
    restrict_secondary_blocks = "restrict-secondary-blocks", 1;
    /// Flow logs per resource.
    flow_logs_per_resource = "flow-logs-per-resource", 250;
    /// Client VPN endpoints per region.
    client_vpn_endpoints = "client-vpn-endpoints", 100;
    /// Authorization rules per Client VPN endpoint.
    rules_per_client_vpn_endpoint = "rules-per-client-vpn-endpoint", 200;
    /// Routes per Client VPN endpoint.
    routes_per_client_vpn_endpoint = "routes-per-client-vpn-endpoint", 100;
    /// Entries of a Client VPN endpoint's revocation list.
    revoked_client_certificates = "revoked-client-certificates", 20_000;
    /// Imported certificates per region.
    certificates = "certificates", 2500;
    /// Direct Connect gateways per account.
    direct_connect_gateways = "direct-connect-gateways", 200;
    /// Virtual interfaces per Direct Connect gateway.
    interfaces_per_direct_connect_gateway = "interfaces-per-direct-connect-gateway", 30;
    /// Link aggregation groups per region.
    lags = "lags", 10;
    /// Customer gateways per region.
    customer_gateways = "customer-gateways", 50;
    /// Virtual private gateways per region.
    vpn_gateways = "vpn-gateways", 5;
    /// VPN connections per region.
    vpn_connections = "vpn-connections", 50;
    /// VPN connections per virtual private gateway.
    vpn_connections_per_gateway = "vpn-connections-per-gateway", 10;
    /// Static routes per VPN connection.
    routes_per_vpn_connection = "routes-per-vpn-connection", 100;
    /// Log groups per region.
    log_groups = "log-groups", 1_000_000;
    /// Parameters per region.
    parameters = "parameters", 10_000;
    /// Network Access Scopes per region.
    access_scopes = "network-access-scopes", 1000;
    /// Hosted zones per account.
    hosted_zones = "hosted-zones", 500;
    /// VPCs per private hosted zone.
    vpcs_per_hosted_zone = "vpcs-per-hosted-zone", 300;
    /// Record sets per hosted zone.
    records_per_hosted_zone = "records-per-hosted-zone", 10_000;
    /// Health checks of Route 53 per account.
    health_checks = "health-checks", 200;
    /// Reusable delegation sets per account.
    delegation_sets = "reusable-delegation-sets", 100;
    /// Roles per account.
    roles = "roles", 1000;
    /// Customer managed policies per account.
    policies = "policies", 1500;
    /// Instance profiles per account.
    instance_profiles = "instance-profiles", 1000;
    /// Instances per region.
    instances = "instances", 1000;
}
