//! The DNS names of endpoints. See "DNS hostnames for endpoints" in the AWS PrivateLink Guide.

use crate::{EndpointService, EndpointServiceId, Network, Region, Subnet, VpcEndpoint, Zone, aws_services};

/// A DNS name of an endpoint and the hosted zone that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsEntry {
    /// The name.
    pub name: String,
    /// The hosted zone's id.
    pub hosted_zone: String,
}

/// The names of an endpoint: the regional one, one per zone, and with private DNS those of the service.
pub fn of(network: &Network, endpoint: &VpcEndpoint) -> Vec<DnsEntry> {
    if endpoint.dns_label.is_none() {
        return Vec::new();
    }
    let hosted_zone_of = public_hosted_zone(&endpoint.service.region);
    let public = |(name, _)| DnsEntry { name, hosted_zone: hosted_zone_of.clone() };
    let mut entries: Vec<_> = public_names(network, endpoint).into_iter().map(public).collect();
    let private = |name| DnsEntry { name, hosted_zone: hosted_zone(&format!("{} {}", endpoint.vpc, endpoint.service.name)) };
    entries.extend(private_names(network, endpoint).into_iter().map(private));
    entries
}

/// The names that everybody can resolve, with the zone of those that stand for one; the regional name first.
pub fn public_names(network: &Network, endpoint: &VpcEndpoint) -> Vec<(String, Option<Zone>)> {
    let Some(label) = &endpoint.dns_label else { return Vec::new() };
    let (base, region) = (base(endpoint), &endpoint.owner.region);
    let wildcard = if base.wildcard { "*." } else { "" };
    let name = |zone: Option<Zone>| {
        let suffix = zone.map(|zone| format!("-{}", zone.name(region))).unwrap_or_default();
        (format!("{wildcard}{}-{label}{suffix}.{}", endpoint.id, base.name), zone)
    };
    let zones = endpoint.interfaces.iter().filter_map(|interface| network.get::<Subnet>(&interface.subnet));
    let mut zones: Vec<_> = zones.map(|subnet| subnet.zone).collect();
    zones.sort();
    std::iter::once(None).chain(zones.into_iter().map(Some)).map(name).collect()
}

/// What the DNS names of a service of an account end with.
pub fn base_name_of(service: EndpointServiceId, region: &Region) -> String {
    format!("{service}.{region}.vpce.{}", aws_services::domain(region))
}

/// The service's own names that lead to an endpoint inside its VPC; none without private DNS.
pub fn private_names(network: &Network, endpoint: &VpcEndpoint) -> Vec<String> {
    if !endpoint.private_dns {
        return Vec::new();
    }
    match endpoint.service.id {
        None => base(endpoint).private_names,
        Some(id) => {
            let service = network.get::<EndpointService>(&id).and_then(|service| service.private_dns.as_ref());
            service.map(|private| private.name.clone()).into_iter().collect()
        }
    }
}

struct Base {
    name: String,
    private_names: Vec<String>,
    wildcard: bool,
}

fn base(endpoint: &VpcEndpoint) -> Base {
    let region = &endpoint.service.region;
    match endpoint.service.id {
        Some(id) => Base { name: base_name_of(id, region), private_names: Vec::new(), wildcard: false },
        None => {
            let named = aws_services::named(&endpoint.service.name, region);
            let found = named.into_iter().find(|service| service.endpoint_type == endpoint.endpoint_type);
            found.map_or_else(
                || Base { name: endpoint.service.name.clone(), private_names: Vec::new(), wildcard: false },
                |service| Base { name: service.base_name, private_names: service.private_names, wildcard: service.wildcard },
            )
        }
    }
}

/// The hosted zone of `vpce.amazonaws.com` in a region: AWS has one each, which never changes.
fn public_hosted_zone(region: &Region) -> String {
    match region.as_str() {
        "us-east-1" => "Z7HUB22UULQXV".to_owned(),
        "us-west-2" => "Z1YSA3EXCYUU9Z".to_owned(),
        "eu-central-1" => "Z273ZU8SZ5RJPC".to_owned(),
        "eu-west-1" => "Z38GZ743OKFT7T".to_owned(),
        other => hosted_zone(other),
    }
}

/// An id of a hosted zone that follows from a text.
fn hosted_zone(text: &str) -> String {
    format!("Z{}", aws_services::letters(aws_services::stable(text), 13).to_uppercase())
}
