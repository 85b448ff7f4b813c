//! Which addresses a VPC forwards to at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// Whether the address can never be the destination of a packet that a VPC forwards, whatever the route table says:
/// multicast, broadcast, loopback, link-local, unspecified and reserved space.
///
/// 169.254.0.0/16 and fd00:ec2::/32 are where AWS's link-local services live; packets to them never consult a route
/// table.
pub(crate) fn is_never_forwarded(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            first == 0 || first == 127 || first >= 224 || v4.is_link_local()
        }
        IpAddr::V6(v6) => {
            v6.is_multicast()
                || v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_unicast_link_local()
                || v6.to_ipv4_mapped().is_some()
                || SERVICES_IPV6.contains(&v6)
        }
    }
}

/// Whether the address is in a private range of RFC 1918.
pub(crate) fn is_rfc1918(address: Ipv4Addr) -> bool {
    address.is_private()
}

/// Whether the address is in the shared range of RFC 6598.
pub(crate) fn is_rfc6598(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && b & 0xc0 == 64
}

/// Whether the internet routes the address at all. Documentation ranges count, because the lab internet lives in them.
pub(crate) fn is_global(address: Ipv6Addr) -> bool {
    !is_never_forwarded(IpAddr::V6(address)) && !address.is_unique_local()
}

/// `fd00:ec2::/32`: metadata, resolver and time over IPv6.
const SERVICES_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_vpc_forwards_neither_multicast_nor_broadcast_nor_link_local() {
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "169.254.169.254",
            "169.254.1.1",
            "224.0.0.1",
            "239.1.2.3",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_never_forwarded(text.parse().unwrap()), "{text}");
        }
        for text in ["10.0.0.1", "100.64.0.1", "198.51.100.10", "2001:db8::1", "fd00:ec3::1", "64:ff9b::1"] {
            assert!(!is_never_forwarded(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_shared_range_ends_at_100_127() {
        for (text, shared) in [("100.63.255.255", false), ("100.64.0.0", true), ("100.127.255.255", true), ("100.128.0.0", false)]
        {
            assert_eq!(is_rfc6598(text.parse().unwrap()), shared, "{text}");
        }
    }
}
