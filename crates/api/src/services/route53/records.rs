//! Records of hosted zones.

use openvpc_control::route53::records::{Action as ChangeAction, RecordChange};
use openvpc_control::route53::{self, records};
use openvpc_model::hosted_zone::{RecordAnswer, Routing};
use openvpc_model::{DomainName, RecordKey, RecordSet};

use super::*;

/// The most records of a page.
const RECORD_PAGE: usize = 300;

pub(super) fn change(
    ctx: &Ctx<'_>,
    request: shapes::ChangeResourceRecordSetsRequest,
) -> Result<shapes::ChangeResourceRecordSetsResponse, ApiError> {
    let batch = request.change_batch.unwrap_or_default();
    let changes = batch.changes.into_iter().enumerate().map(|(at, change)| parse(at, change)).collect::<Result<Vec<_>, _>>()?;
    let change = ctx.mutate(|tx| records::change(tx, id(&request.hosted_zone_id), changes, batch.comment))?;
    Ok(shapes::ChangeResourceRecordSetsResponse { change_info: pending(&change) })
}

pub(super) fn list(
    ctx: &Ctx<'_>,
    request: shapes::ListResourceRecordSetsRequest,
) -> Result<shapes::ListResourceRecordSetsResponse, ApiError> {
    let network = ctx.network()?;
    let zone = route53::find(&network, &owner(ctx), id(&request.hosted_zone_id))?;
    let (name, kind, set) = (&request.start_record_name, &request.start_record_type, &request.start_record_identifier);
    if (kind.is_some() && name.is_none()) || (set.is_some() && kind.is_none()) {
        return Err(invalid("A start type needs a start name, and a start identifier needs a start type"));
    }
    let start = RecordKey {
        zone: zone.id.clone(),
        name: name.as_deref().map_or(Ok(String::new()), |name| domain(name).map(|name| name.reversed()))?,
        kind: kind.as_deref().map_or(Ok(RecordType::A), |kind| record_type(kind, "type"))?,
        set: set.clone().unwrap_or_default(),
    };
    let size = size(&request.max_items, RECORD_PAGE)?;
    let mut found = route53::records_from(&network, &start);
    let sets: Vec<_> = found.by_ref().take(size).map(|set| shape(set)).collect();
    let next = found.next();
    Ok(shapes::ListResourceRecordSetsResponse {
        resource_record_sets: sets,
        is_truncated: Some(next.is_some()),
        next_record_name: next.map(|set| set.name.to_string()),
        next_record_type: next.map(|set| set.kind.as_str().to_owned()),
        next_record_identifier: next.and_then(|set| set.set.clone()),
        max_items: Some(size.to_string()),
    })
}

/// What the zone's name servers would say, wherever the asker is.
pub(super) fn test_answer(
    ctx: &Ctx<'_>,
    request: shapes::TestDNSAnswerRequest,
) -> Result<shapes::TestDNSAnswerResponse, ApiError> {
    let network = ctx.network()?;
    let zone = route53::find(&network, &owner(ctx), id(&request.hosted_zone_id))?;
    let given = request.record_name.unwrap_or_default();
    let name: DomainName = given.parse().map_err(|_| invalid(format!("The record name '{given}' is not valid")))?;
    let kind = record_type(request.record_type.as_deref().unwrap_or_default(), "recordType")?;
    let (code, values) = ctx.host().zone_answer(&network, &zone, &name, kind);
    Ok(shapes::TestDNSAnswerResponse {
        nameserver: zone.name_servers.first().cloned(),
        record_name: Some(given),
        record_type: Some(kind.as_str().to_owned()),
        record_data: values,
        response_code: Some(code.to_owned()),
        protocol: Some("UDP".to_owned()),
    })
}

fn parse(at: usize, change: shapes::Change) -> Result<RecordChange, ApiError> {
    let place = format!("changeBatch.changes.{}.member", at + 1);
    let action = change.action.unwrap_or_default();
    let action = match &*action {
        "CREATE" => ChangeAction::Create,
        "DELETE" => ChangeAction::Delete,
        "UPSERT" => ChangeAction::Upsert,
        other => return word(other, &format!("{place}.action"), None),
    };
    let set = change.resource_record_set.unwrap_or_default();
    let kind = record_type(set.r#type.as_deref().unwrap_or_default(), &format!("{place}.resourceRecordSet.type"))?;
    let name = domain(set.name.as_deref().unwrap_or_default())?;
    let routing = routing(action, &name, kind, &set)?;
    Ok(RecordChange {
        action,
        answer: answer(action, &name, kind, &set)?,
        routing,
        name,
        kind,
        set: set.set_identifier,
        health_check: set.health_check_id,
    })
}

fn domain(name: &str) -> Result<DomainName, ApiError> {
    name.parse().map_err(|error: openvpc_model::domain_name::DomainNameError| {
        ApiError::new("InvalidChangeBatch", format!("[FATAL problem: {error} encountered with '{name}']"))
    })
}

/// How AWS's messages name a change.
fn named(action: ChangeAction, name: &DomainName, kind: RecordType, set: &shapes::ResourceRecordSet) -> String {
    let identifier = set.set_identifier.as_deref().unwrap_or("null");
    format!("Change with [Action={}, Name={name}, Type={}, SetIdentifier={identifier}]", action.as_str(), kind.as_str())
}

fn answer(
    action: ChangeAction,
    name: &DomainName,
    kind: RecordType,
    set: &shapes::ResourceRecordSet,
) -> Result<RecordAnswer, ApiError> {
    let named = || named(action, name, kind, set);
    let expected = |found: &str| {
        invalid(format!(
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found {found} in {}",
            named()
        ))
    };
    if set.traffic_policy_instance_id.is_some() {
        return Err(invalid("Traffic policies are not available here"));
    }
    match (&set.alias_target, set.ttl, set.resource_records.is_empty()) {
        (Some(target), None, true) => Ok(RecordAnswer::Alias {
            zone: id(&target.hosted_zone_id).to_owned(),
            name: domain(target.dns_name.as_deref().unwrap_or_default())?,
            evaluate_health: target.evaluate_target_health.unwrap_or(false),
        }),
        (Some(_), _, _) => Err(expected("more than one")),
        (None, None, true) => Err(expected("none")),
        (None, None, false) => Err(invalid(format!("Invalid request: Missing field 'TTL' in {}", named()))),
        (None, Some(_), true) => Err(invalid(format!("Invalid request: Missing field 'ResourceRecords' in {}", named()))),
        (None, Some(ttl), false) => {
            let ttl = u32::try_from(ttl).ok().filter(|ttl| *ttl <= 2_147_483_647);
            let ttl =
                ttl.ok_or_else(|| invalid(format!("Invalid request: the TTL is a number from 0 to 2147483647 in {}", named())))?;
            let values = set.resource_records.iter().map(|record| record.value.clone().unwrap_or_default()).collect();
            Ok(RecordAnswer::Records { ttl, values })
        }
    }
}

fn routing(
    action: ChangeAction,
    name: &DomainName,
    kind: RecordType,
    set: &shapes::ResourceRecordSet,
) -> Result<Routing, ApiError> {
    let named = || named(action, name, kind, set);
    let mut found = Vec::new();
    if let Some(weight) = set.weight {
        let weight = u8::try_from(weight)
            .map_err(|_| invalid(format!("Invalid request: the weight is a number from 0 to 255 in {}", named())))?;
        found.push(Routing::Weighted { weight });
    }
    if let Some(region) = &set.region {
        found.push(Routing::Latency { region: region.clone() });
    }
    if let Some(failover) = &set.failover {
        let primary = match &**failover {
            "PRIMARY" => true,
            "SECONDARY" => false,
            other => return word(other, "failover", None),
        };
        found.push(Routing::Failover { primary });
    }
    if let Some(location) = &set.geo_location {
        if location.continent_code.is_some() == location.country_code.is_some() {
            return Err(invalid(format!("Invalid request: a GeoLocation has a ContinentCode or a CountryCode in {}", named())));
        }
        found.push(Routing::Geolocation {
            continent: location.continent_code.clone(),
            country: location.country_code.clone(),
            subdivision: location.subdivision_code.clone(),
        });
    }
    if let Some(location) = &set.geo_proximity_location {
        let coordinates = location.coordinates.as_ref();
        found.push(Routing::Geoproximity {
            region: location.aws_region.clone(),
            local_zone_group: location.local_zone_group.clone(),
            coordinates: coordinates
                .map(|at| (at.latitude.clone().unwrap_or_default(), at.longitude.clone().unwrap_or_default())),
            bias: location.bias,
        });
    }
    if set.multi_value_answer == Some(true) {
        found.push(Routing::Multivalue);
    }
    if let Some(cidr) = &set.cidr_routing_config {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        found.push(Routing::Cidr { collection: part(&cidr.collection_id), location: part(&cidr.location_name) });
    }
    let identified = set.set_identifier.as_deref().is_some_and(|identifier| !identifier.is_empty());
    if set.set_identifier.as_deref().is_some_and(|identifier| identifier.chars().count() > 128) {
        return Err(invalid(format!("Invalid request: a SetIdentifier has at most 128 characters in {}", named())));
    }
    const POLICIES: &str =
        "[Weight, Region, Failover, MultiValueAnswer, GeoLocation, GeoProximityLocation, or CidrRoutingConfig]";
    match (found.pop(), found.is_empty(), identified) {
        (None, _, false) => Ok(Routing::Simple),
        (None, _, true) => {
            Err(invalid(format!("Invalid request: Expected exactly one of {POLICIES}, but found none in {}", named())))
        }
        (Some(_), false, _) => {
            Err(invalid(format!("Invalid request: Expected exactly one of {POLICIES}, but found more than one in {}", named())))
        }
        (Some(_), true, false) => Err(invalid(format!("Invalid request: Missing field 'SetIdentifier' in {}", named()))),
        (Some(routing), true, true) => Ok(routing),
    }
}

fn shape(set: &RecordSet) -> shapes::ResourceRecordSet {
    let mut shape = shapes::ResourceRecordSet {
        name: Some(set.name.to_string()),
        r#type: Some(set.kind.as_str().to_owned()),
        set_identifier: set.set.clone(),
        health_check_id: set.health_check.clone(),
        ..Default::default()
    };
    match &set.answer {
        RecordAnswer::Alias { zone, name, evaluate_health } => {
            shape.alias_target = Some(shapes::AliasTarget {
                hosted_zone_id: Some(zone.clone()),
                dns_name: Some(name.to_string()),
                evaluate_target_health: Some(*evaluate_health),
            });
        }
        RecordAnswer::Records { ttl, values } => {
            shape.ttl = Some(i64::from(*ttl));
            shape.resource_records = values.iter().map(|value| shapes::ResourceRecord { value: Some(value.clone()) }).collect();
        }
    }
    match &set.routing {
        Routing::Simple => {}
        Routing::Multivalue => shape.multi_value_answer = Some(true),
        Routing::Weighted { weight } => shape.weight = Some(i64::from(*weight)),
        Routing::Latency { region } => shape.region = Some(region.clone()),
        Routing::Failover { primary } => shape.failover = Some(if *primary { "PRIMARY" } else { "SECONDARY" }.to_owned()),
        Routing::Geolocation { continent, country, subdivision } => {
            shape.geo_location = Some(shapes::GeoLocation {
                continent_code: continent.clone(),
                country_code: country.clone(),
                subdivision_code: subdivision.clone(),
            });
        }
        Routing::Geoproximity { region, local_zone_group, coordinates, bias } => {
            let coordinates = coordinates.as_ref().map(|(latitude, longitude)| shapes::Coordinates {
                latitude: Some(latitude.clone()),
                longitude: Some(longitude.clone()),
            });
            shape.geo_proximity_location = Some(shapes::GeoProximityLocation {
                aws_region: region.clone(),
                local_zone_group: local_zone_group.clone(),
                coordinates,
                bias: *bias,
            });
        }
        Routing::Cidr { collection, location } => {
            shape.cidr_routing_config = Some(shapes::CidrRoutingConfig {
                collection_id: Some(collection.clone()),
                location_name: Some(location.clone()),
            });
        }
    }
    shape
}
