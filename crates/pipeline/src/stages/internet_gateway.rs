//! The internet gateway: 1:1 NAT for IPv4, plain forwarding for IPv6, and the checks of both.

use std::net::IpAddr;

use super::address::{is_global, is_never_forwarded, is_rfc1918, is_rfc6598};
use crate::compile::VpcTable;
use crate::verdict::Code;

/// The largest IP datagram that an internet gateway passes, in bytes.
pub const MTU: u16 = 1500;

/// Judges a packet on its way out; answers the source address it has outside. The source `is_public` already when a regional
/// NAT gateway has put an Elastic IP there.
pub(crate) fn outbound(vpc: &VpcTable, source: IpAddr, destination: IpAddr, is_public: bool) -> Result<IpAddr, Code> {
    match (source, destination) {
        (IpAddr::V4(_), IpAddr::V4(destination)) => {
            if is_rfc1918(destination) {
                return Err(Code::IgwDestinationAddressNotInRfc1918Egress);
            }
            if is_rfc6598(destination) {
                return Err(Code::IgwDestinationAddressNotInRfc6598Egress);
            }
            if is_public {
                return Ok(source);
            }
            if let Some(public) = vpc.host(source).and_then(|host| host.public) {
                return Ok(IpAddr::V4(public));
            }
            Err(if vpc.vpc.contains(source) { Code::IgwPublicIpAssociationForEgress } else { Code::GatewayRejectsSpoofedTraffic })
        }
        (IpAddr::V6(_), IpAddr::V6(destination)) if !is_global(destination) => Err(Code::InternetUnreachable),
        // IPv6 addresses are public; the gateway passes those of its VPC as they are.
        (IpAddr::V6(_), IpAddr::V6(_)) if vpc.host(source).is_some() => Ok(source),
        _ => Err(Code::GatewayRejectsSpoofedTraffic),
    }
}

/// Judges the source of a packet on its way in.
pub(crate) fn inbound(source: IpAddr) -> Result<(), Code> {
    match source {
        IpAddr::V4(v4) if is_rfc1918(v4) => Err(Code::IgwSourceAddressNotInRfc1918Ingress),
        IpAddr::V4(v4) if is_rfc6598(v4) => Err(Code::IgwSourceAddressNotInRfc6598Ingress),
        IpAddr::V4(_) if is_never_forwarded(source) => Err(Code::GatewayRejectsSpoofedTraffic),
        IpAddr::V6(v6) if !is_global(v6) => Err(Code::GatewayRejectsSpoofedTraffic),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn private_and_shared_sources_do_not_come_in() {
        for (source, verdict) in [
            ("10.1.2.3", Err(Code::IgwSourceAddressNotInRfc1918Ingress)),
            ("172.31.0.1", Err(Code::IgwSourceAddressNotInRfc1918Ingress)),
            ("192.168.7.7", Err(Code::IgwSourceAddressNotInRfc1918Ingress)),
            ("100.64.0.1", Err(Code::IgwSourceAddressNotInRfc6598Ingress)),
            ("127.0.0.1", Err(Code::GatewayRejectsSpoofedTraffic)),
            ("224.0.0.1", Err(Code::GatewayRejectsSpoofedTraffic)),
            ("fe80::1", Err(Code::GatewayRejectsSpoofedTraffic)),
            ("fd12::1", Err(Code::GatewayRejectsSpoofedTraffic)),
            ("198.51.100.10", Ok(())),
            ("2001:db8:ffff::10", Ok(())),
        ] {
            assert_eq!(inbound(source.parse().unwrap()), verdict, "{source}");
        }
    }
}
