//! The names that AWS gives to addresses and instances, and the names of addresses.
//! See "Amazon EC2 instance hostname types" and "DNS attributes for your VPC" in the user guides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use openvpc_model::dns::{private_domain, private_ipv4_name, public_ipv4_name, resource_name};
use openvpc_model::internet::PUBLIC_IPV4;
use openvpc_model::{
    Anchor, DomainName, InstanceId, InstanceState, Network, NetworkInterface, RecordData, RecordType, Region, Subnet, Vpc, VpcId,
};

use super::answer::{Found, Place, Question, Record, TTL};
use super::aws::LAB_HOST;

/// What the names of instances and addresses say; none for a name of another form.
pub(super) fn look_up(place: &Place<'_>, question: &Question) -> Option<Found> {
    private_name(place, question).or_else(|| public_name(place, question)).or_else(|| reverse(place, question))
}

/// `ip-10-0-0-5.ec2.internal` and `i-….eu-central-1.compute.internal`, in their own VPC only.
fn private_name(place: &Place<'_>, question: &Question) -> Option<Found> {
    let name = question.name.as_str().trim_end_matches('.');
    let is_private = name == "ec2.internal" || name.ends_with(".ec2.internal") || name.ends_with(".compute.internal");
    let vpc = place.vpc.filter(|_| is_private)?;
    let found = place.names.then(|| {
        let label = name.strip_suffix(&private_domain(&vpc.owner.region))?.strip_suffix('.')?;
        match label.strip_prefix("ip-") {
            Some(address) => {
                let address = dashed(address)?;
                in_vpc(place.network, vpc.id, address.into())?;
                Some(place.addresses(question, [IpAddr::V4(address)]))
            }
            None => resource(place, vpc.id, label.parse().ok()?, question),
        }
    });
    Some(found.flatten().unwrap_or(Found::NoName(None)))
}

/// An instance's resource name: only the families that are switched on.
fn resource(place: &Place<'_>, vpc: VpcId, id: InstanceId, question: &Question) -> Option<Found> {
    let instance = place.network.instances.get(&id).filter(|instance| instance.vpc == vpc && !is_gone(instance.state))?;
    let subnet = place.network.get::<Subnet>(&instance.subnet)?;
    let (v4, v6) = (subnet.resource_name_dns_a_record, subnet.resource_name_dns_aaaa_record);
    if !v4 && !v6 {
        return None;
    }
    let eni = place.network.get::<NetworkInterface>(&instance.primary_eni)?;
    let v4 = eni.primary_ipv4().filter(|_| v4).map(IpAddr::V4);
    let v6 = eni.ipv6_addresses.first().filter(|_| v6).map(|address| IpAddr::V6(*address));
    Some(place.addresses(question, v4.into_iter().chain(v6)))
}

/// `ec2-203-0-113-25.compute-1.amazonaws.com`: the private address for whoever is in its VPC, or in a peer that may resolve it.
fn public_name(place: &Place<'_>, question: &Question) -> Option<Found> {
    let name = question.name.as_str().trim_end_matches('.');
    let (label, domain) = name.split_once('.')?;
    let address = dashed(label.strip_prefix("ec2-")?)?;
    let is_public = domain.starts_with("compute-1.amazonaws.com") || domain.contains(".compute.amazonaws.com");
    if !is_public {
        return None;
    }
    let found = behind(place.network, address).filter(|(eni, _)| has_public_names(place.network, eni));
    let found = found.filter(|(eni, _)| public_ipv4_name(address, &eni.owner.region) == name);
    let Some((eni, private)) = found else { return Some(Found::NoName(None)) };
    let seen = if sees_private(place, eni.vpc) { private } else { address };
    Some(place.addresses(question, [IpAddr::V4(seen)]))
}

/// The interface that a public address leads to, and its private address there.
fn behind(network: &Network, public: Ipv4Addr) -> Option<(&Arc<NetworkInterface>, Ipv4Addr)> {
    network.enis.by(Anchor::PublicAddress(public)).find_map(|eni| {
        let is_it = |slot: &&openvpc_model::PrivateAddress| slot.public.as_ref().is_some_and(|mapping| mapping.address == public);
        Some((eni, eni.private_addresses.iter().find(is_it)?.address))
    })
}

fn has_public_names(network: &Network, eni: &NetworkInterface) -> bool {
    network.get::<Vpc>(&eni.vpc).is_some_and(|vpc| vpc.enable_dns_support && vpc.enable_dns_hostnames)
}

/// Whether the asker is in the VPC, or in one with an active peering whose far side lets it resolve private addresses.
fn sees_private(place: &Place<'_>, vpc: VpcId) -> bool {
    let Some(own) = place.vpc else { return false };
    own.id == vpc
        || place.network.peerings.values().filter(|peering| peering.is_active()).any(|peering| {
            let sides = [(&peering.requester, &peering.accepter), (&peering.accepter, &peering.requester)];
            sides.iter().any(|(near, far)| near.vpc == own.id && far.vpc == vpc && far.allow_dns_resolution_from_remote)
        })
}

/// Names of addresses: those of the asker's VPC, those that are public, and that private ranges have no others.
fn reverse(place: &Place<'_>, question: &Question) -> Option<Found> {
    let address = reversed(&question.name)?;
    let pointer = |name: String| {
        let Ok(name) = name.parse() else { return Found::NoName(None) };
        let record = Record { name: question.name.clone(), kind: RecordType::Ptr, ttl: TTL, data: RecordData::Name(name) };
        if question.wants(RecordType::Ptr) { Found::Records(vec![record]) } else { Found::Nothing(None) }
    };
    if let Some(vpc) = place.vpc
        && place.names
        && let Some(eni) = in_vpc(place.network, vpc.id, address)
    {
        return Some(own_name(place.network, eni, address, &vpc.owner.region).map_or(Found::NoName(None), pointer));
    }
    match address {
        IpAddr::V4(v4) if PUBLIC_IPV4.contains(&v4) => {
            let eni = behind(place.network, v4).map(|(eni, _)| eni).filter(|eni| has_public_names(place.network, eni));
            Some(eni.map_or(Found::NoName(None), |eni| pointer(public_ipv4_name(v4, &eni.owner.region))))
        }
        address if super::aws::is_lab_host(address) => Some(pointer(LAB_HOST.to_owned())),
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() || is_shared(v4) => Some(Found::NoName(None)),
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Some(Found::NoName(None)),
        address if place.vpc.is_some_and(|vpc| vpc.contains(address)) => Some(Found::NoName(None)),
        _ => None,
    }
}

/// The name that an address of an interface has inside its VPC.
fn own_name(network: &Network, eni: &NetworkInterface, address: IpAddr, region: &Region) -> Option<String> {
    let subnet = network.get::<Subnet>(&eni.subnet)?;
    let instance = eni.attachment.as_ref().map(|attachment| attachment.instance);
    match (address, instance) {
        (IpAddr::V4(_) | IpAddr::V6(_), Some(instance)) if subnet.hostname_type == "resource-name" => {
            Some(resource_name(instance, region))
        }
        (IpAddr::V6(_), Some(instance)) => Some(resource_name(instance, region)),
        (IpAddr::V4(v4), _) => Some(private_ipv4_name(v4, region)),
        (IpAddr::V6(_), None) => None,
    }
}

/// The interface in a VPC that has an address.
fn in_vpc(network: &Network, vpc: VpcId, address: IpAddr) -> Option<&Arc<NetworkInterface>> {
    network.enis.by(Anchor::Address(address)).find(|eni| eni.vpc == vpc)
}

fn is_gone(state: InstanceState) -> bool {
    matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated)
}

fn is_shared(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && (64..128).contains(&b)
}

/// `10-0-0-5`, without zeros in front.
fn dashed(text: &str) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = text.replace('-', ".").parse().ok()?;
    (address.to_string().replace('.', "-") == text).then_some(address)
}

/// The address that a name under `in-addr.arpa` or `ip6.arpa` stands for.
fn reversed(name: &DomainName) -> Option<IpAddr> {
    let name = name.as_str();
    if let Some(octets) = name.strip_suffix(".in-addr.arpa.") {
        let mut octets: Vec<&str> = octets.split('.').collect();
        octets.reverse();
        return octets.join(".").parse::<Ipv4Addr>().ok().filter(|_| octets.len() == 4).map(IpAddr::V4);
    }
    let nibbles: Vec<&str> = name.strip_suffix(".ip6.arpa.")?.split('.').collect();
    if nibbles.len() != 32 || nibbles.iter().any(|nibble| nibble.len() != 1) {
        return None;
    }
    let digits: String = nibbles.into_iter().rev().collect();
    u128::from_str_radix(&digits, 16).ok().map(|bits| IpAddr::V6(Ipv6Addr::from(bits)))
}
