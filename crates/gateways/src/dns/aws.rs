//! Names of AWS's services, of endpoints and of load balancers, and the lab internet's own host.

use std::net::IpAddr;
use std::sync::Arc;

use openvpc_model::endpoint::names;
use openvpc_model::internet::{LAB_HOST_IPV4, LAB_HOST_IPV6, service_addresses};
use openvpc_model::{
    DnsRecordType, DomainName, LoadBalancer, LoadBalancerKind, Network, NetworkInterface, Region, VpcEndpoint, VpcEndpointId,
    VpcId, aws_services,
};

use super::answer::{Found, Place, Question};

/// The name of the host that the lab internet has.
pub const LAB_HOST: &str = "internet.example.";

/// What names of endpoints, load balancers and services say; none for a name of another form.
pub(super) fn look_up(place: &Place<'_>, question: &Question) -> Option<Found> {
    let name = question.name.as_str().trim_end_matches('.');
    if name.ends_with(".vpce.amazonaws.com") || name.ends_with(".vpce.amazonaws.com.cn") {
        return Some(endpoint(place, name, question).unwrap_or(Found::NoName(None)));
    }
    if name.contains(".elb.") && (name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn")) {
        return Some(load_balancer(place, name, question).unwrap_or(Found::NoName(None)));
    }
    let (service, region, dualstack) = service(name)?;
    let (v4, v6) = service_addresses(service, &region);
    Some(place.addresses(question, [IpAddr::V4(v4)].into_iter().chain(dualstack.then_some(IpAddr::V6(v6)))))
}

/// The endpoints of a VPC whose service's own names lead to them there, with these names.
pub(super) fn private_endpoints(network: &Network, vpc: VpcId) -> Vec<(Arc<VpcEndpoint>, Vec<String>)> {
    let own = network.endpoints.values().filter(|endpoint| {
        endpoint.vpc == vpc && endpoint.private_dns && endpoint.is_available() && !endpoint.inbound_resolver_only
    });
    own.map(|endpoint| (Arc::clone(endpoint), names::private_names(network, endpoint))).collect()
}

/// What the endpoints of a VPC say of names at or right below `apex`.
pub(super) fn private_name(
    place: &Place<'_>,
    endpoints: &[(Arc<VpcEndpoint>, Vec<String>)],
    apex: &DomainName,
    question: &Question,
) -> Option<Found> {
    let apex_name = apex.as_str().trim_end_matches('.');
    let is_it = |name: &String| match name.strip_prefix("*.") {
        Some(name) => name == apex_name && question.name != *apex,
        None => name == apex_name && question.name == *apex,
    };
    let (endpoint, _) = endpoints.iter().find(|(_, names)| names.iter().any(is_it))?;
    Some(of_interfaces(place, endpoint, None, true, question))
}

/// `vpce-….ec2.eu-central-1.vpce.amazonaws.com`, the same with a zone, and what lies below those of S3.
fn endpoint(place: &Place<'_>, name: &str, question: &Question) -> Option<Found> {
    let label = name.split('.').find(|label| label.starts_with("vpce-") && !label.starts_with("vpce-svc-"))?;
    let id: VpcEndpointId = label.get(..VPCE_DIGITS)?.parse().ok()?;
    let endpoint = place.network.endpoints.get(&id).filter(|endpoint| endpoint.exists())?;
    let found = names::public_names(place.network, endpoint).into_iter().find(|(known, _)| match known.strip_prefix("*.") {
        Some(known) => name == known || name.strip_suffix(known).is_some_and(|below| below.ends_with('.')),
        None => name == known,
    });
    let (_, zone) = found?;
    Some(of_interfaces(place, endpoint, zone, false, question))
}

/// `vpce-` and seventeen digits.
const VPCE_DIGITS: usize = 5 + 17;

/// The addresses of an endpoint's interfaces, all or those of one zone, in the families that its names have.
fn of_interfaces(
    place: &Place<'_>,
    endpoint: &VpcEndpoint,
    zone: Option<openvpc_model::Zone>,
    private: bool,
    question: &Question,
) -> Found {
    let (v4, v6) = match endpoint.dns_record_type {
        DnsRecordType::Ipv4 => (true, false),
        DnsRecordType::Ipv6 => (false, true),
        DnsRecordType::Dualstack => (true, true),
        DnsRecordType::ServiceDefined => (true, !private),
    };
    let enis = endpoint.interfaces.iter().filter_map(|interface| place.network.get::<NetworkInterface>(&interface.eni));
    let enis = enis.filter(|eni| zone.is_none_or(|zone| eni.zone == zone));
    let addresses: Vec<IpAddr> = enis.flat_map(|eni| eni.addresses().collect::<Vec<_>>()).collect();
    place.addresses(question, addresses.into_iter().filter(|address| if address.is_ipv4() { v4 } else { v6 }))
}

/// `NAME-….elb.eu-central-1.amazonaws.com`, with a zone before it for one node.
fn load_balancer(place: &Place<'_>, name: &str, question: &Question) -> Option<Found> {
    let is_it =
        |balancer: &&Arc<LoadBalancer>| balancer.kind == LoadBalancerKind::Network && name.ends_with(&balancer.dns_name());
    let balancer = place.network.load_balancers.values().find(is_it)?;
    let zone = match name.strip_suffix(&balancer.dns_name())? {
        "" => None,
        zone => Some(zone.strip_suffix('.')?),
    };
    let of_zone =
        |node: &&openvpc_model::LoadBalancerNode| zone.is_none_or(|zone| node.zone.name(&balancer.owner.region) == zone);
    let nodes: Vec<_> = balancer.nodes.iter().filter(of_zone).collect();
    if nodes.is_empty() {
        return None;
    }
    let enis = nodes.into_iter().filter_map(|node| place.network.get::<NetworkInterface>(&node.eni));
    let addresses = enis.flat_map(|eni| {
        let slot = eni.private_addresses.first();
        let public = slot.and_then(|slot| slot.public.as_ref()).filter(|_| !balancer.internal).map(|public| public.address);
        let v4 = public.or(slot.map(|slot| slot.address)).filter(|_| balancer.address_type.has_ipv4());
        let v6 = eni.ipv6_addresses.first().filter(|_| balancer.address_type.has_ipv6());
        [v4.map(IpAddr::V4), v6.map(|address| IpAddr::V6(*address))]
    });
    Some(place.addresses(question, addresses.flatten().collect::<Vec<_>>()))
}

/// The service and region that a name of AWS is of, and whether the name has IPv6 addresses as well.
fn service(name: &str) -> Option<(&'static str, Region, bool)> {
    let (host, api) = match name.strip_suffix(".amazonaws.com").or_else(|| name.strip_suffix(".amazonaws.com.cn")) {
        Some(host) => (host, false),
        None => (name.strip_suffix(".api.aws")?, true),
    };
    let (host, region) = match host.rsplit_once('.') {
        Some((host, last)) if is_region(last) => (host, last.parse().ok()?),
        _ => (host, "us-east-1".parse().ok()?),
    };
    let (host, dualstack) = match host.strip_suffix(".dualstack") {
        Some(host) => (host, true),
        None => (host, api),
    };
    let is = |known: &str| host == known || host.strip_suffix(known).is_some_and(|below| below.ends_with('.'));
    if ["s3", "s3-accesspoint", "s3-control"].into_iter().any(is) {
        return Some(("s3", region, dualstack));
    }
    if ["dynamodb", "account-id.ddb", "streams.dynamodb"].into_iter().any(is) {
        return Some(("dynamodb", region, dualstack));
    }
    let global = ["cloudfront", "iam", "organizations", "route53", "sts", "support"];
    let known = global.into_iter().find(|known| *known == host).or_else(|| aws_services::with_public_host(host))?;
    Some((known, region, dualstack))
}

/// `eu-central-1`, `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let [first, .., last] = parts.as_slice() else { return false };
    parts.len() >= 3 && (2..=4).contains(&first.len()) && last.len() == 1 && last.bytes().all(|digit| digit.is_ascii_digit())
}

/// What the lab internet's own host is called.
pub(super) fn lab_host(question: &Question) -> Option<Found> {
    let lab: DomainName = LAB_HOST.parse().ok()?;
    if !question.name.is_in(&lab) {
        return None;
    }
    if question.name != lab {
        return Some(Found::NoName(None));
    }
    let records: Vec<_> = [IpAddr::V4(LAB_HOST_IPV4), IpAddr::V6(LAB_HOST_IPV6)]
        .map(|address| super::answer::address_record(&lab, address, super::answer::TTL))
        .into_iter()
        .filter(|record| question.wants(record.kind))
        .collect();
    Some(if records.is_empty() { Found::Nothing(None) } else { Found::Records(records) })
}

pub(super) fn is_lab_host(address: IpAddr) -> bool {
    address == IpAddr::V4(LAB_HOST_IPV4) || address == IpAddr::V6(LAB_HOST_IPV6)
}
