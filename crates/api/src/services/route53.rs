//! Route 53: hosted zones, records and health checks: the API side.

mod health_checks;
mod records;
mod sets;
#[cfg(test)]
mod tests;
mod zones;

use openvpc_model::hosted_zone::ZoneVpc;
use openvpc_model::{DelegationSet, DnsChange, HostedZone, Owner, RecordType};

use super::prelude::*;
use crate::generated::route53::shapes;

/// The operations of this service.
pub const ACTIONS: &[Action] = &[
    action!(route53::AssociateVPCWithHostedZone, zones::associate),
    action!(route53::ChangeResourceRecordSets, records::change),
    action!(route53::ChangeTagsForResource, sets::change_tags),
    action!(route53::CreateHealthCheck, health_checks::create),
    action!(route53::CreateHostedZone, zones::create),
    action!(route53::CreateQueryLoggingConfig, sets::create_query_logging),
    action!(route53::CreateReusableDelegationSet, sets::create_delegation_set),
    action!(route53::CreateVPCAssociationAuthorization, zones::authorize),
    action!(route53::DeleteHealthCheck, health_checks::delete),
    action!(route53::DeleteHostedZone, zones::delete),
    action!(route53::DeleteQueryLoggingConfig, sets::delete_query_logging),
    action!(route53::DeleteReusableDelegationSet, sets::delete_delegation_set),
    action!(route53::DeleteVPCAssociationAuthorization, zones::deauthorize),
    action!(route53::DisassociateVPCFromHostedZone, zones::disassociate),
    action!(route53::GetAccountLimit, sets::account_limit),
    action!(route53::GetChange, sets::get_change),
    action!(route53::GetCheckerIpRanges, health_checks::checker_ranges),
    action!(route53::GetDNSSEC, zones::dnssec),
    action!(route53::GetHealthCheck, health_checks::get),
    action!(route53::GetHealthCheckCount, health_checks::count),
    action!(route53::GetHealthCheckLastFailureReason, health_checks::last_failure),
    action!(route53::GetHealthCheckStatus, health_checks::status),
    action!(route53::GetHostedZone, zones::get),
    action!(route53::GetHostedZoneCount, zones::count),
    action!(route53::GetHostedZoneLimit, zones::limit),
    action!(route53::GetQueryLoggingConfig, sets::get_query_logging),
    action!(route53::GetReusableDelegationSet, sets::get_delegation_set),
    action!(route53::GetReusableDelegationSetLimit, sets::delegation_set_limit),
    action!(route53::ListHealthChecks, health_checks::list),
    action!(route53::ListHostedZones, zones::list),
    action!(route53::ListHostedZonesByName, zones::list_by_name),
    action!(route53::ListHostedZonesByVPC, zones::list_by_vpc),
    action!(route53::ListQueryLoggingConfigs, sets::list_query_logging),
    action!(route53::ListResourceRecordSets, records::list),
    action!(route53::ListReusableDelegationSets, sets::list_delegation_sets),
    action!(route53::ListTagsForResource, sets::list_tags),
    action!(route53::ListTagsForResources, sets::list_tags_of_many),
    action!(route53::ListVPCAssociationAuthorizations, zones::list_authorizations),
    action!(route53::TestDNSAnswer, records::test_answer),
    action!(route53::UpdateHealthCheck, health_checks::update),
    action!(route53::UpdateHostedZoneComment, zones::set_comment),
];

/// The most items of a page.
const PAGE: usize = 100;
const VERSION: &str = "https://route53.amazonaws.com/2013-04-01";

/// Whose the caller's zones are.
fn owner(ctx: &Ctx<'_>) -> Owner {
    Owner::global(ctx.owner().account)
}

/// An id without the path that clients may put before it: `/hostedzone/Z1`.
fn id(given: &Option<String>) -> &str {
    let given = given.as_deref().unwrap_or_default();
    given.rsplit('/').next().unwrap_or(given)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}

/// What a text stands for in an enumeration, or the error that AWS answers with.
fn word<T>(text: &str, place: &str, parsed: Option<T>) -> Result<T, ApiError> {
    parsed.ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value '{text}' at '{place}' failed to satisfy constraint: Member must satisfy enum value set"
        ))
    })
}

fn record_type(text: &str, place: &str) -> Result<RecordType, ApiError> {
    word(text, place, RecordType::parse(text))
}

/// A page's size: Route 53 writes it as text.
fn size(given: &Option<String>, most: usize) -> Result<usize, ApiError> {
    let Some(given) = given.as_deref() else { return Ok(most) };
    let number: usize = given
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| invalid(format!("The maximum number of items is a number from 1 to {most}, not '{given}'")))?;
    Ok(number.min(most))
}

/// The items from `marker` on, the next marker, and the size that counts.
fn page<T>(
    items: impl Iterator<Item = T>,
    marker: &Option<String>,
    most: &Option<String>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>, String), ApiError> {
    let size = size(most, PAGE)?;
    let mut items = items.skip_while(|item| marker.as_ref().is_some_and(|marker| key(item) != *marker)).peekable();
    let page: Vec<T> = items.by_ref().take(size).collect();
    if let (Some(marker), true) = (marker, page.is_empty()) {
        return Err(invalid(format!("The marker '{marker}' is not one that this operation gave")));
    }
    Ok((page, items.peek().map(&key), size.to_string()))
}

fn change_info(change: &DnsChange, status: &str) -> shapes::ChangeInfo {
    shapes::ChangeInfo {
        id: Some(format!("/change/{}", change.id)),
        status: Some(status.to_owned()),
        submitted_at: Some(change.submitted_at),
        comment: change.comment.clone(),
    }
}

/// What a call that changed something says: the change is in force, but clients expect to wait.
fn pending(change: &DnsChange) -> Option<shapes::ChangeInfo> {
    Some(change_info(change, "PENDING"))
}

fn vpc_shape(vpc: &ZoneVpc) -> shapes::VPC {
    shapes::VPC { vpc_region: Some(vpc.region.to_string()), vpc_id: Some(vpc.vpc.to_string()) }
}

fn own_servers(zone: &HostedZone) -> shapes::DelegationSet {
    let id = zone.delegation_set.as_ref().map(|id| format!("/delegationset/{id}"));
    shapes::DelegationSet { id, caller_reference: None, name_servers: zone.name_servers.clone() }
}

fn delegation_set_shape(set: &DelegationSet) -> shapes::DelegationSet {
    shapes::DelegationSet {
        id: Some(format!("/delegationset/{}", set.id)),
        caller_reference: Some(set.caller_reference.clone()),
        name_servers: set.name_servers.clone(),
    }
}
