//! The public addresses that openvpc gives out. All accounts and regions meet on one lab internet, so there is one pool of
//! each family; both are documentation ranges (RFC 5737, RFC 3849), which nobody on the real internet has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Elastic IPs and addresses assigned at launch come from here.
pub const PUBLIC_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24);

/// Amazon-provided IPv6 blocks come from here, but for [`LAB_IPV6`] and [`VPN_IPV6`].
pub const AMAZON_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32);

/// The lab internet's own hosts.
pub const LAB_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0), 48);

/// The outer addresses of IPv6 VPN tunnels: the part of [`AMAZON_IPV6`] that no VPC's block comes from.
pub const VPN_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 0), 48);

/// Whether openvpc gives the address out, so that it belongs to a VPC or to nobody.
pub fn is_given_out(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => PUBLIC_IPV4.contains(&v4),
        IpAddr::V6(v6) => AMAZON_IPV6.contains(&v6) && !LAB_IPV6.contains(&v6),
    }
}
