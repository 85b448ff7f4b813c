//! Answers from hosted zones.

use std::sync::Arc;

use openvpc_model::hosted_zone::RecordAnswer;
use openvpc_model::{Anchor, DomainName, HostedZone, Network, RecordData, RecordKey, RecordSet, RecordType, VpcId};

use super::answer::{Found, Place, Question, Record, View};
use super::routing;

/// How many aliases may follow each other.
const ALIASES: usize = 8;

/// The private zone of that very name that a VPC sees.
pub(super) fn private_at<'a>(network: &'a Network, vpc: VpcId, apex: &DomainName) -> Option<&'a Arc<HostedZone>> {
    network.hosted_zones.by(Anchor::Domain(apex.hash64())).find(|zone| zone.name == *apex && zone.is_seen_by(vpc))
}

/// What the most specific public zone above a name says, whoever's it is.
pub(super) fn public(place: &Place<'_>, question: &Question) -> Option<Found> {
    let zone = question.name.ancestors().find_map(|apex| public_at(place.network, &apex))?;
    Some(look_up(place, zone, question))
}

/// The public zone of that name that the world sees: the one that the zone above it delegates to, else the oldest.
fn public_at<'a>(network: &'a Network, apex: &DomainName) -> Option<&'a Arc<HostedZone>> {
    let mut zones: Vec<_> =
        network.hosted_zones.by(Anchor::Domain(apex.hash64())).filter(|zone| zone.name == *apex && !zone.is_private()).collect();
    zones.sort_by_key(|zone| (zone.created_at, &zone.id));
    if zones.len() < 2 {
        return zones.first().copied();
    }
    let above = apex.ancestors().skip(1).find_map(|parent| public_at(network, &parent));
    let servers = above.map(|above| values_of(network, &above.id, apex, RecordType::Ns)).unwrap_or_default();
    let is_named = |zone: &&&Arc<HostedZone>| {
        zone.name_servers.iter().any(|server| servers.iter().any(|s| s.trim_end_matches('.') == server))
    };
    zones.iter().find(is_named).or(zones.first()).copied()
}

/// What a zone alone says of a name, to somebody on the internet: the values as they were written.
pub fn values_in(network: &Network, zone: &HostedZone, question: &Question) -> (&'static str, Vec<String>) {
    let Some(place) = Place::of(network, View::Public, 0) else { return ("REFUSED", Vec::new()) };
    match look_up(&place, zone, question) {
        Found::Records(records) => ("NOERROR", records.iter().map(|record| text(network, zone, record)).collect()),
        Found::Nothing(_) => ("NOERROR", Vec::new()),
        Found::NoName(_) => ("NXDOMAIN", Vec::new()),
        Found::Elsewhere => ("SERVFAIL", Vec::new()),
    }
}

/// A record's value as it was written.
fn text(network: &Network, zone: &HostedZone, record: &Record) -> String {
    let written = || {
        let names = std::iter::once(record.name.clone()).chain(record.name.ancestors().map(|above| above.wildcard()));
        let values = names.flat_map(|name| values_of(network, &zone.id, &name, record.kind));
        values.into_iter().find(|value| RecordData::parse(record.kind, value).is_ok_and(|data| data == record.data))
    };
    match &record.data {
        RecordData::V4(address) => address.to_string(),
        RecordData::V6(address) => address.to_string(),
        RecordData::Name(name) => name.to_string(),
        RecordData::Octets(_) => written().unwrap_or_default(),
    }
}

/// What a zone says of a name in it: it has the last word.
pub(super) fn look_up(place: &Place<'_>, zone: &HostedZone, question: &Question) -> Found {
    look_up_at(place, zone, question, ALIASES)
}

fn look_up_at(place: &Place<'_>, zone: &HostedZone, question: &Question, aliases: usize) -> Found {
    let network = place.network;
    if is_delegated(network, zone, question) {
        return Found::Elsewhere;
    }
    let found = match sets_at(network, &zone.id, &question.name) {
        sets if !sets.is_empty() => sets,
        _ => wildcard(network, zone, &question.name),
    };
    if found.is_empty() {
        let below = first_below(network, &zone.id, &question.name);
        let soa = soa(network, zone);
        return if below { Found::Nothing(soa) } else { Found::NoName(soa) };
    }
    if found.iter().any(|set| set.kind == RecordType::Cname) {
        return answer_of(place, zone, question, RecordType::Cname, &found, aliases);
    }
    let mut kinds: Vec<RecordType> = found.iter().map(|set| set.kind).filter(|kind| question.wants(*kind)).collect();
    kinds.dedup();
    let mut records = Vec::new();
    for kind in kinds {
        match answer_of(place, zone, question, kind, &found, aliases) {
            Found::Records(more) => records.extend(more),
            Found::Elsewhere => return Found::Elsewhere,
            Found::Nothing(_) | Found::NoName(_) => {}
        }
    }
    if records.is_empty() { Found::Nothing(soa(network, zone)) } else { Found::Records(records) }
}

/// The records of one type, by the policy of their sets.
fn answer_of(
    place: &Place<'_>,
    zone: &HostedZone,
    question: &Question,
    kind: RecordType,
    sets: &[&Arc<RecordSet>],
    aliases: usize,
) -> Found {
    let of_kind: Vec<&RecordSet> = sets.iter().filter(|set| set.kind == kind).map(|set| &***set).collect();
    let mut records = Vec::new();
    for set in routing::chosen(place, &of_kind) {
        match &set.answer {
            RecordAnswer::Records { ttl, values } => {
                // Values were read when they were written: one that can't be read any more is left out.
                let data = values.iter().filter_map(|value| RecordData::parse(kind, value).ok());
                records.extend(data.map(|data| Record { name: question.name.clone(), kind, ttl: *ttl, data }));
            }
            RecordAnswer::Alias { zone: target_zone, name, .. } => {
                let asked = Question { name: name.clone(), kind: kind.code() };
                let Some(left) = aliases.checked_sub(1) else { return Found::Elsewhere };
                let found = match place.network.hosted_zones.get(target_zone) {
                    Some(target) if *target_zone == zone.id => Some(look_up_at(place, target, &asked, left)),
                    _ => place.of_aws(&without_dualstack(asked)),
                };
                if let Some(Found::Records(found)) = found {
                    records.extend(found.into_iter().map(|record| Record { name: question.name.clone(), ..record }));
                }
            }
        }
    }
    if records.is_empty() { Found::Nothing(soa(place.network, zone)) } else { Found::Records(place.turned(records)) }
}

/// `dualstack.NAME` is what consoles make of a load balancer's name.
fn without_dualstack(question: Question) -> Question {
    match question.name.first_label() {
        "dualstack" => Question { name: question.name.parent().unwrap_or(question.name), ..question },
        _ => question,
    }
}

/// The sets at a name.
pub(super) fn sets_at<'a>(network: &'a Network, zone: &str, name: &DomainName) -> Vec<&'a Arc<RecordSet>> {
    network
        .record_sets
        .range(first_key(zone, name)..)
        .map(|(_, set)| set)
        .take_while(|set| set.zone == zone && set.name == *name)
        .collect()
}

/// The sets of the wildcard that stands for a name that isn't there: the one right below the closest name that is.
fn wildcard<'a>(network: &'a Network, zone: &HostedZone, name: &DomainName) -> Vec<&'a Arc<RecordSet>> {
    if first_below(network, &zone.id, name) {
        return Vec::new();
    }
    let mut above = name.ancestors().skip(1).take_while(|above| above.is_in(&zone.name));
    let closest = above.find(|above| *above == zone.name || first_below(network, &zone.id, above));
    closest.map(|closest| sets_at(network, &zone.id, &closest.wildcard())).unwrap_or_default()
}

/// Whether there are records at a name or below it.
fn first_below(network: &Network, zone: &str, name: &DomainName) -> bool {
    let first = first_key(zone, name);
    network
        .record_sets
        .range(first.clone()..)
        .next()
        .is_some_and(|(key, _)| key.zone == zone && key.name.starts_with(&first.name))
}

/// Whether a name below that of a public zone has name servers of its own, which alone know it and what lies below it.
fn is_delegated(network: &Network, zone: &HostedZone, question: &Question) -> bool {
    if zone.is_private() {
        return false;
    }
    let of_parent = question.wants(RecordType::Ns) || question.wants(RecordType::Ds);
    let between = question.name.ancestors().skip(usize::from(of_parent));
    let mut between = between.take_while(|above| above.is_in(&zone.name) && *above != zone.name);
    between.any(|above| sets_at(network, &zone.id, &above).iter().any(|set| set.kind == RecordType::Ns))
}

/// A zone's SOA record, for answers that have no others; kept no longer than it says.
fn soa(network: &Network, zone: &HostedZone) -> Option<Record> {
    let set = network.record_sets.get(&RecordKey { kind: RecordType::Soa, ..first_key(&zone.id, &zone.name) })?;
    let RecordAnswer::Records { ttl, values } = &set.answer else { return None };
    let data = RecordData::parse(RecordType::Soa, values.first()?).ok()?;
    let minimum = data.octets().last_chunk::<4>().map(|octets| u32::from_be_bytes(*octets))?;
    Some(Record { name: zone.name.clone(), kind: RecordType::Soa, ttl: minimum.min(*ttl), data })
}

fn values_of(network: &Network, zone: &str, name: &DomainName, kind: RecordType) -> Vec<String> {
    let sets = sets_at(network, zone, name);
    let values = sets.iter().filter(|set| set.kind == kind).flat_map(|set| match &set.answer {
        RecordAnswer::Records { values, .. } => values.clone(),
        RecordAnswer::Alias { .. } => Vec::new(),
    });
    values.collect()
}

fn first_key(zone: &str, name: &DomainName) -> RecordKey {
    RecordKey { zone: zone.to_owned(), name: name.reversed(), kind: RecordType::A, set: String::new() }
}
