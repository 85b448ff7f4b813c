//! What a VPC's DHCP option set says, and what holds where it says nothing. See "DHCP option set concepts" in the VPC User
//! Guide.

use std::net::{IpAddr, Ipv4Addr};

use crate::{DhcpOptions, Network, Service, Vpc};

/// The option set of a VPC.
#[derive(Clone, Copy, Debug)]
pub struct DhcpSettings<'a> {
    vpc: &'a Vpc,
    options: Option<&'a DhcpOptions>,
}

impl<'a> DhcpSettings<'a> {
    /// Those of a VPC.
    pub fn of(network: &'a Network, vpc: &'a Vpc) -> Self {
        let options = vpc.dhcp_options.as_ref().and_then(|id| network.dhcp_options.get(id));
        Self { vpc, options: options.map(|options| &**options) }
    }

    /// The values of an option.
    pub fn values(&self, name: &str) -> &'a [String] {
        let found = self.options.and_then(|set| set.options.iter().find(|(option, _)| option == name));
        found.map_or(&[], |(_, values)| values)
    }

    /// The addresses among the values of an option.
    pub fn addresses(&self, name: &str) -> impl Iterator<Item = IpAddr> + use<'a> {
        self.values(name).iter().filter_map(|value| value.parse().ok())
    }

    /// The domains that names are searched in.
    pub fn domains(&self) -> &'a [String] {
        self.values("domain-name")
    }

    /// The resolvers. `AmazonProvidedDNS` is base plus two of the VPC, or in an IPv6-only subnet, where that can't be asked,
    /// the link-local addresses; a VPC without option set has those of Nitro instances.
    pub fn resolvers(&self, is_ipv6_only: bool) -> Vec<IpAddr> {
        let link_local = [IpAddr::V6(Service::Resolver.ipv6()), IpAddr::V4(Service::Resolver.ipv4())];
        if self.options.is_none() {
            return if is_ipv6_only { link_local.to_vec() } else { vec![link_local[1]] };
        }
        let base_plus_two = Ipv4Addr::from(u32::from(self.vpc.primary_block().network()) + 2);
        let servers = self.values("domain-name-servers").iter().flat_map(|server| match (server.as_str(), is_ipv6_only) {
            ("AmazonProvidedDNS", true) => link_local.to_vec(),
            ("AmazonProvidedDNS", false) => vec![base_plus_two.into()],
            (server, _) => server.parse().into_iter().collect(),
        });
        servers.collect()
    }

    /// Seconds that an IPv6 address is preferred for after each renewal.
    pub fn ipv6_preferred_lifetime(&self) -> u32 {
        let value = self.values("ipv6-address-preferred-lease-time").first();
        value.and_then(|value| value.parse().ok()).unwrap_or(PREFERRED)
    }
}

/// The default of `ipv6-address-preferred-lease-time`.
const PREFERRED: u32 = 140;
