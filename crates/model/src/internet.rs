//! The public addresses that openvpc gives out. All accounts and regions meet on one lab internet, so there is one pool of
//! each family; both are documentation ranges (RFC 5737, RFC 3849), which nobody on the real internet has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{AwsPrefixList, Region};

/// Elastic IPs and addresses assigned at launch come from here.
pub const PUBLIC_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24);

/// Amazon-provided IPv6 blocks come from here, but for [`LAB_IPV6`] and [`VPN_IPV6`].
pub const AMAZON_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32);

/// The lab internet's own hosts.
pub const LAB_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0), 48);

/// The outer addresses of IPv6 VPN tunnels: the part of [`AMAZON_IPV6`] that no VPC's block comes from.
pub const VPN_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 0), 48);

/// The lab internet's own host.
pub const LAB_HOST_IPV4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// The same in IPv6.
pub const LAB_HOST_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x10);

/// Where a service of AWS answers on the internet: inside its managed prefix lists if it has such, else where all others do.
/// The service goes by the last part of its name, as in `com.amazonaws.eu-central-1.s3`.
pub fn service_addresses(service: &str, region: &Region) -> (Ipv4Addr, Ipv6Addr) {
    const OTHERS: (Ipv4Addr, Ipv6Addr) =
        (Ipv4Addr::new(192, 0, 2, 240), Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0xa000, 0, 0, 0, 0x240));
    const HOST: u32 = 10;
    let block = |name: &str| AwsPrefixList::of_service(region, name).map(|list| list.block);
    let v4 = match block(service) {
        Some(IpNet::V4(block)) => Ipv4Addr::from(u32::from(block.network()) + HOST),
        _ => OTHERS.0,
    };
    let v6 = match block(&format!("ipv6.{service}")) {
        Some(IpNet::V6(block)) => Ipv6Addr::from(u128::from(block.network()) + u128::from(HOST)),
        _ => OTHERS.1,
    };
    (v4, v6)
}

/// The blocks that public addresses are given out from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicPools {
    /// Of Elastic IPs and the addresses assigned at launch. The first and last address of each is given to nobody.
    pub ipv4: Vec<Ipv4Net>,
    /// Of Amazon-provided IPv6 blocks, which are a /56 each.
    pub ipv6: Vec<Ipv6Net>,
}

impl Default for PublicPools {
    fn default() -> Self {
        Self { ipv4: vec![PUBLIC_IPV4], ipv6: vec![AMAZON_IPV6] }
    }
}

impl PublicPools {
    /// The blocks, for people.
    pub fn names(&self) -> String {
        let all = self.ipv4.iter().map(Ipv4Net::to_string).chain(self.ipv6.iter().map(Ipv6Net::to_string));
        all.collect::<Vec<_>>().join(", ")
    }
}

/// Whether openvpc gives the address out, so that it belongs to a VPC or to nobody.
pub fn is_given_out(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => PUBLIC_IPV4.contains(&v4),
        IpAddr::V6(v6) => AMAZON_IPV6.contains(&v6) && !LAB_IPV6.contains(&v6),
    }
}
