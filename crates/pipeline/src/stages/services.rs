//! Who asks a link-local service: the address that stands for an interface's own where the services listen.
//!
//! VPCs overlap, so an instance's address alone doesn't say who asks. One to one and without state, the address of an
//! interface becomes a number that names the interface and which of its addresses it is: `64.0.0.0/2` holds 22 bits of
//! the interface's index and 8 bits of place for IPv4; [`MASK_IPV6`] holds all of both, and the part of a delegated prefix
//! besides. Nobody has these addresses: they are seen only between the engine and the services' namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use openvpc_model::link_local::IPV6_ONLY_ADDRESS;
use openvpc_model::{NetworkInterface, Service};

use crate::compile::{EniIndex, Tables, VpcTable};

/// Stands for base plus two of the asker's VPC where the services listen.
pub const RESOLVER_IN_VPC: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 2);

/// Packets that an interface may send to the link-local services in a second. See "Amazon DNS quotas" in the VPC User Guide.
pub const SERVICE_ALLOWANCE: u32 = 1024;

/// The service that an address is of for those in a VPC, and where it listens.
#[inline]
pub(crate) fn listener(vpc: &VpcTable, address: IpAddr) -> Option<(Service, IpAddr)> {
    // Most packets are for neither.
    let may_be = match address {
        IpAddr::V4(v4) => v4.is_link_local() || vpc.is_resolver(address),
        IpAddr::V6(v6) => v6.segments()[..2] == [0xfd00, 0xec2],
    };
    if !may_be {
        return None;
    }
    match Service::at(address) {
        Some(service) => Some((service, address)),
        None => vpc.is_resolver(address).then_some((Service::Resolver, IpAddr::V4(RESOLVER_IN_VPC))),
    }
}

/// The address by which those in a VPC know a service that listens at `listener`.
pub(crate) fn asked(vpc: &VpcTable, listener: IpAddr) -> Option<(Service, IpAddr)> {
    match listener {
        IpAddr::V4(RESOLVER_IN_VPC) => Some((Service::Resolver, IpAddr::V4(vpc.resolver()?))),
        _ => Some((Service::at(listener)?, listener)),
    }
}

/// What stands for an address of an interface. None when the interface doesn't have it, or it is out of reach of the
/// numbers: an IPv4 address behind 255 others, an interface after four million others.
pub fn masked(index: EniIndex, eni: &NetworkInterface, address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let place = place_ipv4(eni, v4)?;
            (index.0 < INDEXES && place < PLACES).then(|| Ipv4Addr::from(MASK_IPV4 | index.0 << 8 | place).into())
        }
        IpAddr::V6(v6) => {
            let (place, host) = match eni.ipv6_addresses.iter().position(|own| *own == v6) {
                Some(place) => (place, 0),
                None => {
                    let place = eni.ipv6_prefixes.iter().position(|prefix| prefix.contains(&v6))?;
                    (place | PREFIX, u128::from(v6) & HOST)
                }
            };
            let number = u128::from(index.0) << 64 | u128::try_from(place).ok()? << 48 | host;
            Some(Ipv6Addr::from(u128::from(MASK_IPV6) | number).into())
        }
    }
}

/// The interface, and its address, that another address stands for.
pub fn unmasked(tables: &Tables, address: IpAddr) -> Option<(EniIndex, IpAddr)> {
    let (index, own) = match address {
        IpAddr::V4(v4) => {
            let number = u32::from(v4);
            let index = EniIndex((number >> 8) & ((1 << 22) - 1));
            let eni = &tables.eni(index).filter(|_| number >> 30 == MASK_IPV4 >> 30)?.eni;
            (index, IpAddr::V4(address_ipv4(eni, number & (PLACES - 1))?))
        }
        IpAddr::V6(v6) => {
            let number = u128::from(v6);
            let index = EniIndex((number >> 64) as u32);
            let eni = &tables.eni(index).filter(|_| number >> 96 == u128::from(MASK_IPV6) >> 96)?.eni;
            let (place, host) = ((number >> 48) as u16 as usize, number & HOST);
            let own = match place & PREFIX {
                0 => *eni.ipv6_addresses.get(place)?,
                _ => Ipv6Addr::from(u128::from(eni.ipv6_prefixes.get(place & !PREFIX)?.network()) | host),
            };
            (index, IpAddr::V6(own))
        }
    };
    // One to one: nothing else stands for it.
    let entry = tables.eni(index)?;
    (masked(index, &entry.eni, own) == Some(address)).then_some((index, own))
}

/// The place of an address among all that the interface has, its own first, then those of its prefixes.
fn place_ipv4(eni: &NetworkInterface, address: Ipv4Addr) -> Option<u32> {
    let own = &eni.private_addresses;
    if own.is_empty() && address == IPV6_ONLY_ADDRESS {
        return Some(0);
    }
    if let Some(place) = own.iter().position(|own| own.address == address) {
        return u32::try_from(place).ok();
    }
    let mut before = own.len() as u32;
    for prefix in &eni.ipv4_prefixes {
        if prefix.contains(&address) {
            return Some(before + u32::from(address) - u32::from(prefix.network()));
        }
        before += 1 << (32 - prefix.prefix_len());
    }
    None
}

fn address_ipv4(eni: &NetworkInterface, place: u32) -> Option<Ipv4Addr> {
    if eni.private_addresses.is_empty() && place == 0 {
        return Some(IPV6_ONLY_ADDRESS);
    }
    if let Some(own) = eni.private_addresses.get(place as usize) {
        return Some(own.address);
    }
    let mut rest = place - eni.private_addresses.len() as u32;
    for prefix in &eni.ipv4_prefixes {
        let size = 1 << (32 - prefix.prefix_len());
        if rest < size {
            return Some(Ipv4Addr::from(u32::from(prefix.network()) + rest));
        }
        rest -= size;
    }
    None
}

/// `64.0.0.0/2`, without the part of 127.0.0.0/8: [`INDEXES`] ends before it.
const MASK_IPV4: u32 = 64 << 24;
/// Indexes of interfaces that [`MASK_IPV4`] has room for, below 127.0.0.0.
const INDEXES: u32 = 63 << 16;
/// Addresses of an interface that it has room for.
const PLACES: u32 = 1 << 8;

/// A unique local prefix of 32 bits; then 32 bits of index, 16 of place, and 48 that a delegated prefix leaves.
const MASK_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd6f, 0x7670, 0, 0, 0, 0, 0, 0);
/// Set in the place of a delegated prefix.
const PREFIX: usize = 0x8000;
const HOST: u128 = (1 << 48) - 1;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::World;

    #[test]
    fn every_address_of_every_interface_has_one_of_its_own_that_leads_back() {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        let subnet = world.subnet(vpc, "10.0.1.0/24");
        let enis = [world.eni(subnet, "10.0.1.10", &[]), world.eni(subnet, "10.0.1.11", &[])];
        world.edit::<NetworkInterface>(enis[1], |eni| {
            eni.ipv4_prefixes = vec!["10.0.1.32/28".parse().unwrap(), "10.0.1.64/28".parse().unwrap()];
            eni.ipv6_addresses = vec!["2001:db8::a".parse().unwrap(), "2001:db8::b".parse().unwrap()];
            eni.ipv6_prefixes = vec!["2001:db8:0:0:1::/80".parse().unwrap()];
        });
        let indexes = enis.map(|eni| world.index(eni));
        let tables = world.tables();
        let eni = |index| &*tables.eni(index).unwrap().eni;
        let mut addresses = vec![(indexes[0], "10.0.1.10"), (indexes[1], "10.0.1.11"), (indexes[1], "10.0.1.32")];
        addresses.extend([(indexes[1], "10.0.1.47"), (indexes[1], "10.0.1.64"), (indexes[1], "10.0.1.79")]);
        addresses.extend([(indexes[1], "2001:db8::a"), (indexes[1], "2001:db8::b"), (indexes[1], "2001:db8::1:2:3:4")]);
        let mut seen = BTreeSet::new();
        for (index, address) in addresses {
            let address = address.parse().unwrap();
            let masked = masked(index, eni(index), address).unwrap();
            assert!(seen.insert(masked), "{address} as {masked}");
            assert_eq!(unmasked(tables, masked), Some((index, address)));
        }
        assert_eq!(masked(indexes[0], eni(indexes[0]), "10.0.1.11".parse().unwrap()), None, "another's");
        for nobody in ["10.0.1.10", "64.0.0.77", "65.0.0.0", "127.0.0.1", "fd6f:7670::7", "fd6f:7670:0:1:0:1::", "::"] {
            assert_eq!(unmasked(tables, nobody.parse().unwrap()), None, "{nobody}");
        }
    }

    #[test]
    fn no_number_is_a_loopback_address() {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        let subnet = world.subnet(vpc, "10.0.1.0/24");
        let eni = world.eni(subnet, "10.0.1.10", &[]);
        let index = world.index(eni);
        let eni = world.tables().eni(index).unwrap().eni.clone();
        let address = "10.0.1.10".parse().unwrap();
        let last = masked(EniIndex(INDEXES - 1), &eni, address).unwrap();
        assert_eq!(last, "126.255.255.0".parse::<IpAddr>().unwrap());
        assert_eq!(masked(EniIndex(INDEXES), &eni, address), None);
        assert!(masked(EniIndex(u32::MAX), &eni, "10.0.1.10".parse().unwrap()).is_none());
    }
}
