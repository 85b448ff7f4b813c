//! Which of several record sets answers. See "Choosing a routing policy" in the Route 53 Developer Guide.

use openvpc_model::hosted_zone::{RecordAnswer, Routing};
use openvpc_model::{RecordSet, Region};

use super::answer::Place;
use super::zones;

/// The most sets that a multivalue answer is made of.
const MULTIVALUE: usize = 8;

/// The sets that answer: one of them, or several with multivalue routing. Where none is healthy, all count as healthy.
pub(super) fn chosen<'a>(place: &Place<'_>, sets: &[&'a RecordSet]) -> Vec<&'a RecordSet> {
    let Some(first) = sets.first() else { return Vec::new() };
    let mut able: Vec<&RecordSet> = sets.iter().copied().filter(|set| is_healthy(place, set)).collect();
    if able.is_empty() {
        able = sets.to_vec();
    }
    let region = place.vpc.map(|vpc| &vpc.owner.region);
    match first.routing {
        Routing::Simple => vec![first],
        Routing::Multivalue => place.turned(able).into_iter().take(MULTIVALUE).collect(),
        Routing::Weighted { .. } => weighted(place.dice, &able),
        Routing::Failover { .. } => {
            let primary = |set: &&&RecordSet| matches!(set.routing, Routing::Failover { primary: true });
            able.iter().find(primary).or(able.first()).copied().into_iter().collect()
        }
        Routing::Latency { .. } | Routing::Geoproximity { .. } => nearest(region, &able),
        Routing::Geolocation { .. } => located(region, &able),
        Routing::Cidr { .. } => {
            let default = |set: &&&RecordSet| matches!(&set.routing, Routing::Cidr { location, .. } if location == "*");
            able.iter().find(default).copied().into_iter().collect()
        }
    }
}

fn is_healthy(place: &Place<'_>, set: &RecordSet) -> bool {
    let own = set.health_check.as_ref().is_none_or(|id| place.network.is_healthy(id));
    own && match &set.answer {
        RecordAnswer::Alias { zone, name, evaluate_health: true } if *zone == set.zone => {
            let targets = zones::sets_at(place.network, zone, name);
            let is_well = |other: &RecordSet| other.health_check.as_ref().is_none_or(|id| place.network.is_healthy(id));
            targets.iter().filter(|other| other.kind == set.kind).any(|other| is_well(other))
        }
        _ => true,
    }
}

fn weighted<'a>(dice: u64, sets: &[&'a RecordSet]) -> Vec<&'a RecordSet> {
    let weight = |set: &RecordSet| match set.routing {
        Routing::Weighted { weight } => u64::from(weight),
        _ => 0,
    };
    let total: u64 = sets.iter().map(|set| weight(set)).sum();
    if total == 0 {
        // Where all weigh nothing, all weigh the same.
        let at = usize::try_from(dice % u64::try_from(sets.len().max(1)).unwrap_or(1)).unwrap_or(0);
        return sets.get(at).copied().into_iter().collect();
    }
    let mut left = dice % total;
    let found = sets.iter().find(|set| match left.checked_sub(weight(set)) {
        None => true,
        Some(rest) => {
            left = rest;
            false
        }
    });
    found.copied().into_iter().collect()
}

/// The asker's own region, else one of its continent, else the first.
fn nearest<'a>(asker: Option<&Region>, sets: &[&'a RecordSet]) -> Vec<&'a RecordSet> {
    let region = |set: &RecordSet| match &set.routing {
        Routing::Latency { region } => Some(region.clone()),
        Routing::Geoproximity { region, .. } => {
            region.as_deref().map(|region| region.trim_start_matches("aws:region:").to_owned())
        }
        _ => None,
    };
    let asker = asker.map_or("", Region::as_str);
    let continent = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    let exact = sets.iter().find(|set| region(set).as_deref() == Some(asker));
    let near = || sets.iter().find(|set| region(set).is_some_and(|region| continent(&region) == continent(asker)));
    exact.or_else(near).or(sets.first()).copied().into_iter().collect()
}

/// By country, else continent, else the default location; nothing when there is none.
fn located<'a>(asker: Option<&Region>, sets: &[&'a RecordSet]) -> Vec<&'a RecordSet> {
    let (continent, country) = asker.map_or(("", ""), |region| location(region.as_str()));
    let of = |set: &RecordSet| match &set.routing {
        Routing::Geolocation { continent, country, subdivision: None } => (continent.clone(), country.clone()),
        _ => (None, None),
    };
    let by_country = sets.iter().find(|set| !country.is_empty() && of(set).1.as_deref() == Some(country));
    let by_continent = || sets.iter().find(|set| !continent.is_empty() && of(set).0.as_deref() == Some(continent));
    let default = || sets.iter().find(|set| of(set).1.as_deref() == Some("*"));
    by_country.or_else(by_continent).or_else(default).copied().into_iter().collect()
}

/// The continent and country that a region lies in.
fn location(region: &str) -> (&'static str, &'static str) {
    const PLACES: &[(&str, &str, &str)] = &[
        ("af-south-1", "AF", "ZA"),
        ("ap-east-1", "AS", "HK"),
        ("ap-northeast-1", "AS", "JP"),
        ("ap-northeast-2", "AS", "KR"),
        ("ap-northeast-3", "AS", "JP"),
        ("ap-south-1", "AS", "IN"),
        ("ap-south-2", "AS", "IN"),
        ("ap-southeast-1", "AS", "SG"),
        ("ap-southeast-2", "OC", "AU"),
        ("ap-southeast-3", "AS", "ID"),
        ("ap-southeast-4", "OC", "AU"),
        ("ca-central-1", "NA", "CA"),
        ("ca-west-1", "NA", "CA"),
        ("cn-north-1", "AS", "CN"),
        ("cn-northwest-1", "AS", "CN"),
        ("eu-central-1", "EU", "DE"),
        ("eu-central-2", "EU", "CH"),
        ("eu-north-1", "EU", "SE"),
        ("eu-south-1", "EU", "IT"),
        ("eu-south-2", "EU", "ES"),
        ("eu-west-1", "EU", "IE"),
        ("eu-west-2", "EU", "GB"),
        ("eu-west-3", "EU", "FR"),
        ("il-central-1", "AS", "IL"),
        ("me-central-1", "AS", "AE"),
        ("me-south-1", "AS", "BH"),
        ("sa-east-1", "SA", "BR"),
    ];
    match PLACES.iter().find(|(name, _, _)| *name == region) {
        Some((_, continent, country)) => (continent, country),
        None if region.starts_with("us-") => ("NA", "US"),
        None => ("", ""),
    }
}
