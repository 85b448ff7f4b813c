//! The services that the VPC's router itself offers to instances: where they answer. See "Configure the Instance Metadata
//! Service options", "Amazon DNS concepts" and "Precision clock and time synchronization" in the user guides.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A service at link-local addresses, the same in every VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Instance metadata.
    Metadata,
    /// The Amazon DNS server, which answers at base plus two of the VPC as well.
    Resolver,
    /// The Amazon Time Sync Service.
    Time,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Metadata, Self::Resolver, Self::Time];

    /// The one that has an address.
    pub fn at(address: IpAddr) -> Option<Self> {
        Self::ALL.into_iter().find(|service| match address {
            IpAddr::V4(v4) => service.ipv4() == v4,
            IpAddr::V6(v6) => service.ipv6() == v6,
        })
    }

    /// Its IPv4 address.
    pub const fn ipv4(self) -> Ipv4Addr {
        match self {
            Self::Metadata => Ipv4Addr::new(169, 254, 169, 254),
            Self::Resolver => Ipv4Addr::new(169, 254, 169, 253),
            Self::Time => Ipv4Addr::new(169, 254, 169, 123),
        }
    }

    /// Its IPv6 address.
    pub const fn ipv6(self) -> Ipv6Addr {
        let last = match self {
            Self::Metadata => 0x254,
            Self::Resolver => 0x253,
            Self::Time => 0x123,
        };
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, last)
    }

    /// What it is called where its id would stand.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "instance-metadata",
            Self::Resolver => "vpc-resolver",
            Self::Time => "time-sync",
        }
    }
}

/// The IPv4 address of every interface in an IPv6-only subnet, by which it asks the services and nothing else. AWS documents
/// that it has one, but not which.
pub const IPV6_ONLY_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_its_addresses() {
        for service in Service::ALL {
            assert_eq!(Service::at(service.ipv4().into()), Some(service));
            assert_eq!(Service::at(service.ipv6().into()), Some(service));
        }
        assert_eq!(Service::at(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 250))), None);
        assert_eq!(Service::Metadata.ipv6().to_string(), "fd00:ec2::254");
    }
}
