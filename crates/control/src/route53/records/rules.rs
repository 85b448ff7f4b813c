//! What may be at a name together, judged on the outcome of a batch.

use std::mem::discriminant;

use openvpc_model::hosted_zone::{RecordAnswer, Routing};
use openvpc_model::{DomainName, Network, RecordSet, RecordType};

use super::Outcome;

/// Everything that is wrong with a zone as a batch leaves it.
pub(super) fn check(network: &Network, outcome: &Outcome<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for name in outcome.names() {
        let sets = outcome.sets_of(network, &name);
        faults.extend(apex(outcome, &name, &sets));
        faults.extend(canonical_names(outcome, &name, &sets));
        for kind in kinds(&sets) {
            let of_kind: Vec<&RecordSet> = sets.iter().filter(|set| set.kind == kind).collect();
            faults.extend(policies(&name, kind, &of_kind));
        }
    }
    for set in outcome.written.values().flatten() {
        faults.extend(alias(network, outcome, set));
    }
    faults
}

fn apex(outcome: &Outcome<'_>, name: &DomainName, sets: &[RecordSet]) -> Vec<String> {
    let zone = &outcome.zone.name;
    let soas: Vec<_> = sets.iter().filter(|set| set.kind == RecordType::Soa).collect();
    if name != zone {
        let message =
            format!("RRSet of type SOA with DNS name {name} is not permitted in zone {zone}: it belongs to the zone's own name");
        return soas.first().map(|_| message).into_iter().collect();
    }
    let mut faults = Vec::new();
    let values = |set: &&RecordSet| matches!(&set.answer, RecordAnswer::Records { values, .. } if values.len() == 1);
    if soas.len() != 1 || !soas.iter().copied().all(|set| values(&set)) {
        faults.push("A HostedZone must contain exactly one SOA record.".to_owned());
    }
    if !sets.iter().any(|set| set.kind == RecordType::Ns) {
        faults.push("A HostedZone must contain at least one NS record for the zone itself.".to_owned());
    }
    faults
}

fn canonical_names(outcome: &Outcome<'_>, name: &DomainName, sets: &[RecordSet]) -> Vec<String> {
    let zone = &outcome.zone.name;
    let mut faults = Vec::new();
    let canonical: Vec<_> = sets.iter().filter(|set| set.kind == RecordType::Cname).collect();
    if canonical.is_empty() {
        return faults;
    }
    if name == zone {
        faults.push(format!("RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone}"));
    } else if canonical.len() < sets.len() {
        // The one that came later is the one in the way.
        let kind = match outcome.written.values().flatten().filter(|set| set.name == *name).map(|set| set.kind).max() {
            Some(kind) if kind != RecordType::Cname && sets.iter().any(|set| set.kind == kind) => kind,
            _ => RecordType::Cname,
        };
        faults.push(format!(
            "RRSet of type {} with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in zone {zone}",
            kind.as_str()
        ));
    }
    for set in canonical {
        if matches!(&set.answer, RecordAnswer::Records { values, .. } if values.len() > 1) {
            faults.push(format!("RRSet of type CNAME with DNS name {name} must have exactly one value"));
        }
    }
    faults
}

/// Either one simple set, or sets of one policy that tell themselves apart.
fn policies(name: &DomainName, kind: RecordType, sets: &[&RecordSet]) -> Vec<String> {
    let Some((first, others)) = sets.split_first() else { return Vec::new() };
    let kind = kind.as_str();
    if others.iter().any(|set| (set.routing == Routing::Simple) != (first.routing == Routing::Simple)) {
        return vec![format!(
            "RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist with the same name and type."
        )];
    }
    if let Some(other) = others.iter().find(|set| discriminant(&set.routing) != discriminant(&first.routing)) {
        return vec![format!(
            "RRSet with DNS name {name}, type {kind}, SetIdentifier {} cannot be created as a {} set exists with the same name and type.",
            other.set.as_deref().unwrap_or_default(),
            word(&first.routing)
        )];
    }
    let mut faults = Vec::new();
    for (at, set) in sets.iter().enumerate() {
        let decides_alike = |other: &&&RecordSet| match (&set.routing, &other.routing) {
            (Routing::Weighted { .. }, _)
            | (Routing::Multivalue, _)
            | (Routing::Simple, _)
            | (Routing::Geoproximity { .. }, _) => false,
            (a, b) => a == b,
        };
        if let Some(other) = sets[..at].iter().find(decides_alike) {
            faults.push(format!(
                "RRSet with DNS name {name}, type {kind}, SetIdentifier {} cannot be created as the set {} has the same {} settings.",
                set.set.as_deref().unwrap_or_default(),
                other.set.as_deref().unwrap_or_default(),
                word(&set.routing)
            ));
        }
    }
    faults
}

/// An alias into a zone that is known must lead to something there.
fn alias(network: &Network, outcome: &Outcome<'_>, set: &RecordSet) -> Option<String> {
    let RecordAnswer::Alias { zone: id, name: target, .. } = &set.answer else { return None };
    let kind = set.kind.as_str();
    if matches!(set.kind, RecordType::Ns | RecordType::Soa) {
        return Some(format!("RRSet of type {kind} with DNS name {} can't be an alias", set.name));
    }
    let zone = network.hosted_zones.get(id)?;
    let tried = format!("Tried to create an alias that targets {target}, type {kind} in zone {id},");
    if *id != outcome.zone.id {
        return Some(format!("{tried} but the alias target's zone is not the zone of the alias"));
    }
    if !target.is_in(&zone.name) {
        return Some(format!("{tried} but the alias target name does not lie within the target zone"));
    }
    let is_there =
        |name: &DomainName| outcome.sets_of(network, name).iter().any(|other| other.kind == set.kind && other.name != set.name);
    let by_wildcard =
        || target.ancestors().skip(1).take_while(|name| name.is_in(&zone.name)).any(|name| is_there(&name.wildcard()));
    (!is_there(target) && !by_wildcard()).then(|| format!("{tried} but that target was not found"))
}

fn kinds(sets: &[RecordSet]) -> Vec<RecordType> {
    let mut kinds: Vec<RecordType> = sets.iter().map(|set| set.kind).collect();
    kinds.dedup();
    kinds
}

fn word(routing: &Routing) -> &'static str {
    match routing {
        Routing::Cidr { .. } => "CIDR",
        Routing::Failover { .. } => "failover",
        Routing::Geolocation { .. } => "geolocation",
        Routing::Geoproximity { .. } => "geoproximity",
        Routing::Latency { .. } => "latency",
        Routing::Multivalue => "multivalue",
        Routing::Simple => "simple",
        Routing::Weighted { .. } => "weighted",
    }
}
