//! Hosted zones and the VPCs that see private ones.

use std::sync::Arc;

use openvpc_control::route53::{self, CreateHostedZone, VpcReference, associations, delegation_sets};
use openvpc_model::hosted_zone::ZoneVpc;
use openvpc_model::{Anchor, DomainName, HostedZone, VpcId};

use super::super::list;
use super::*;

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateHostedZoneRequest,
) -> Result<shapes::CreateHostedZoneResponse, ApiError> {
    let config = request.hosted_zone_config.unwrap_or_default();
    let create = CreateHostedZone {
        name: request.name.unwrap_or_default(),
        caller_reference: request.caller_reference.unwrap_or_default(),
        comment: config.comment.filter(|comment| !comment.is_empty()),
        vpc: request.vpc.as_ref().map(|vpc| reference(&Some(vpc.clone()))).transpose()?,
        private: config.private_zone.unwrap_or(false),
        delegation_set: request.delegation_set_id.as_ref().map(|_| id(&request.delegation_set_id).to_owned()),
    };
    let (zone, change) = ctx.mutate(|tx| route53::create(tx, &create))?;
    Ok(shapes::CreateHostedZoneResponse {
        hosted_zone: Some(shape(&*ctx.network()?, &zone)),
        change_info: pending(&change),
        delegation_set: (!zone.is_private()).then(|| own_servers(&zone)),
        vpc: zone.vpcs.iter().flatten().next().map(vpc_shape),
        location: Some(format!("{VERSION}/hostedzone/{}", zone.id)),
    })
}

pub(super) fn get(ctx: &Ctx<'_>, request: shapes::GetHostedZoneRequest) -> Result<shapes::GetHostedZoneResponse, ApiError> {
    let network = ctx.network()?;
    let zone = route53::find(&network, &owner(ctx), id(&request.id))?;
    Ok(shapes::GetHostedZoneResponse {
        hosted_zone: Some(shape(&network, &zone)),
        delegation_set: (!zone.is_private()).then(|| own_servers(&zone)),
        vpcs: zone.vpcs.iter().flatten().map(vpc_shape).collect(),
    })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteHostedZoneRequest,
) -> Result<shapes::DeleteHostedZoneResponse, ApiError> {
    let change = ctx.mutate(|tx| route53::delete(tx, id(&request.id)))?;
    Ok(shapes::DeleteHostedZoneResponse { change_info: pending(&change) })
}

pub(super) fn set_comment(
    ctx: &Ctx<'_>,
    request: shapes::UpdateHostedZoneCommentRequest,
) -> Result<shapes::UpdateHostedZoneCommentResponse, ApiError> {
    let zone = ctx.mutate(|tx| route53::set_comment(tx, id(&request.id), request.comment.clone()))?;
    Ok(shapes::UpdateHostedZoneCommentResponse { hosted_zone: Some(shape(&*ctx.network()?, &zone)) })
}

pub(super) fn count(ctx: &Ctx<'_>, _: shapes::GetHostedZoneCountRequest) -> Result<shapes::GetHostedZoneCountResponse, ApiError> {
    let count = ctx.network()?.owned::<HostedZone>(&owner(ctx)).count();
    Ok(shapes::GetHostedZoneCountResponse { hosted_zone_count: i64::try_from(count).ok() })
}

pub(super) fn limit(
    ctx: &Ctx<'_>,
    request: shapes::GetHostedZoneLimitRequest,
) -> Result<shapes::GetHostedZoneLimitResponse, ApiError> {
    let network = ctx.network()?;
    let zone = route53::find(&network, &owner(ctx), id(&request.hosted_zone_id))?;
    let kind = request.r#type.unwrap_or_default();
    let quotas = ctx.control().quotas();
    let (value, count) = match &*kind {
        "MAX_RRSETS_BY_ZONE" => (quotas.records_per_hosted_zone, route53::record_count(&network, &zone.id)),
        "MAX_VPCS_ASSOCIATED_BY_ZONE" => match &zone.vpcs {
            Some(vpcs) => (quotas.vpcs_per_hosted_zone, vpcs.len()),
            None => return Err(ApiError::new("HostedZoneNotPrivate", "The specified hosted zone is a public hosted zone.")),
        },
        other => return word(other, "type", None),
    };
    let limit = shapes::HostedZoneLimit { r#type: Some(kind), value: i64::try_from(value).ok() };
    Ok(shapes::GetHostedZoneLimitResponse { limit: Some(limit), count: i64::try_from(count).ok() })
}

pub(super) fn dnssec(ctx: &Ctx<'_>, request: shapes::GetDNSSECRequest) -> Result<shapes::GetDNSSECResponse, ApiError> {
    let zone = route53::find(&*ctx.network()?, &owner(ctx), id(&request.hosted_zone_id))?;
    if zone.is_private() {
        return Err(ApiError::new("InvalidArgument", "DNSSEC signing is available for public hosted zones only."));
    }
    let status = shapes::DNSSECStatus { serve_signature: Some("NOT_SIGNING".to_owned()), status_message: None };
    Ok(shapes::GetDNSSECResponse { status: Some(status), key_signing_keys: Vec::new() })
}

pub(super) fn list(ctx: &Ctx<'_>, request: shapes::ListHostedZonesRequest) -> Result<shapes::ListHostedZonesResponse, ApiError> {
    let network = ctx.network()?;
    let set = request.delegation_set_id.as_ref().map(|_| id(&request.delegation_set_id));
    if let Some(set) = set {
        delegation_sets::find(&network, &owner(ctx), set)?;
    }
    let only_private = match request.hosted_zone_type.as_deref() {
        None => false,
        Some("PrivateHostedZone") => true,
        Some(other) => return word(other, "hostedZoneType", None),
    };
    let owner = owner(ctx);
    let wanted = |zone: &&Arc<HostedZone>| {
        set.is_none_or(|set| zone.delegation_set.as_deref() == Some(set)) && (!only_private || zone.is_private())
    };
    let zones = network.owned::<HostedZone>(&owner).filter(wanted);
    let marker = request.marker.as_ref().map(|_| id(&request.marker).to_owned());
    let (zones, next_marker, max_items) = page(zones, &marker, &request.max_items, |zone| zone.id.clone())?;
    Ok(shapes::ListHostedZonesResponse {
        hosted_zones: zones.into_iter().map(|zone| shape(&network, zone)).collect(),
        marker,
        is_truncated: Some(next_marker.is_some()),
        next_marker,
        max_items: Some(max_items),
    })
}

pub(super) fn list_by_name(
    ctx: &Ctx<'_>,
    request: shapes::ListHostedZonesByNameRequest,
) -> Result<shapes::ListHostedZonesByNameResponse, ApiError> {
    let network = ctx.network()?;
    let first: Option<DomainName> = match request.dns_name.as_deref() {
        None if request.hosted_zone_id.is_some() => {
            return Err(invalid("A hosted zone's id is a start only together with its DNS name"));
        }
        None => None,
        Some(name) => {
            let bad = |_| ApiError::new("InvalidDomainName", format!("The domain name '{name}' is not valid."));
            Some(name.parse().map_err(bad)?)
        }
    };
    let start = first.as_ref().map_or_else(String::new, DomainName::reversed);
    let start = (start, id(&request.hosted_zone_id).to_owned());
    let key = |zone: &HostedZone| (zone.name.reversed(), zone.id.clone());
    let owner = owner(ctx);
    let mut zones: Vec<_> = network.owned::<HostedZone>(&owner).filter(|zone| key(zone) >= start).collect();
    zones.sort_by_key(|zone| key(zone));
    let size = size(&request.max_items, PAGE)?;
    let next = zones.get(size);
    Ok(shapes::ListHostedZonesByNameResponse {
        dns_name: request.dns_name,
        hosted_zone_id: request.hosted_zone_id,
        is_truncated: Some(next.is_some()),
        next_dns_name: next.map(|zone| zone.name.to_string()),
        next_hosted_zone_id: next.map(|zone| zone.id.clone()),
        max_items: Some(size.to_string()),
        hosted_zones: zones.into_iter().take(size).map(|zone| shape(&network, zone)).collect(),
    })
}

pub(super) fn list_by_vpc(
    ctx: &Ctx<'_>,
    request: shapes::ListHostedZonesByVPCRequest,
) -> Result<shapes::ListHostedZonesByVPCResponse, ApiError> {
    let network = ctx.network()?;
    let given = request.vpc_id.unwrap_or_default();
    let region = request.vpc_region.unwrap_or_default();
    let vpc: Option<VpcId> = given.parse().ok();
    let vpc = vpc.and_then(|vpc| network.vpcs.get(&vpc)).filter(|vpc| vpc.owner.account == ctx.owner().account);
    let vpc = vpc.filter(|vpc| vpc.owner.region.as_str() == region);
    let vpc = vpc.ok_or_else(|| invalid(format!("The VPC {given} in region {region} does not exist or is not yours")))?;
    let summary = |zone: &Arc<HostedZone>| shapes::HostedZoneSummary {
        hosted_zone_id: Some(zone.id.clone()),
        name: Some(zone.name.to_string()),
        owner: Some(shapes::HostedZoneOwner { owning_account: Some(zone.owner.account.to_string()), owning_service: None }),
    };
    let zones: Vec<_> = network.hosted_zones.by(Anchor::Vpc(vpc.id)).map(summary).collect();
    let size = size(&request.max_items, PAGE)?;
    let (zones, next_token) = cut(zones, size, request.next_token.as_deref())?;
    Ok(shapes::ListHostedZonesByVPCResponse { hosted_zone_summaries: zones, max_items: Some(size.to_string()), next_token })
}

pub(super) fn associate(
    ctx: &Ctx<'_>,
    request: shapes::AssociateVPCWithHostedZoneRequest,
) -> Result<shapes::AssociateVPCWithHostedZoneResponse, ApiError> {
    let vpc = reference(&request.vpc)?;
    let change = ctx.mutate(|tx| associations::associate(tx, id(&request.hosted_zone_id), &vpc, request.comment.clone()))?;
    Ok(shapes::AssociateVPCWithHostedZoneResponse { change_info: pending(&change) })
}

pub(super) fn disassociate(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateVPCFromHostedZoneRequest,
) -> Result<shapes::DisassociateVPCFromHostedZoneResponse, ApiError> {
    let vpc = reference(&request.vpc)?;
    let change = ctx.mutate(|tx| associations::disassociate(tx, id(&request.hosted_zone_id), &vpc, request.comment.clone()))?;
    Ok(shapes::DisassociateVPCFromHostedZoneResponse { change_info: pending(&change) })
}

pub(super) fn authorize(
    ctx: &Ctx<'_>,
    request: shapes::CreateVPCAssociationAuthorizationRequest,
) -> Result<shapes::CreateVPCAssociationAuthorizationResponse, ApiError> {
    let vpc = reference(&request.vpc)?;
    let zone = id(&request.hosted_zone_id);
    let vpc = ctx.mutate(|tx| associations::authorize(tx, zone, &vpc))?;
    Ok(shapes::CreateVPCAssociationAuthorizationResponse { hosted_zone_id: Some(zone.to_owned()), vpc: Some(vpc_shape(&vpc)) })
}

pub(super) fn deauthorize(
    ctx: &Ctx<'_>,
    request: shapes::DeleteVPCAssociationAuthorizationRequest,
) -> Result<shapes::DeleteVPCAssociationAuthorizationResponse, ApiError> {
    let vpc = reference(&request.vpc)?;
    ctx.mutate(|tx| associations::deauthorize(tx, id(&request.hosted_zone_id), &vpc))?;
    Ok(shapes::DeleteVPCAssociationAuthorizationResponse {})
}

pub(super) fn list_authorizations(
    ctx: &Ctx<'_>,
    request: shapes::ListVPCAssociationAuthorizationsRequest,
) -> Result<shapes::ListVPCAssociationAuthorizationsResponse, ApiError> {
    let zone = route53::find(&*ctx.network()?, &owner(ctx), id(&request.hosted_zone_id))?;
    let mut vpcs: Vec<ZoneVpc> = zone.authorized.clone();
    vpcs.sort();
    let size = size(&request.max_results, 50)?;
    let (vpcs, next_token) = cut(vpcs, size, request.next_token.as_deref())?;
    Ok(shapes::ListVPCAssociationAuthorizationsResponse {
        hosted_zone_id: Some(zone.id.clone()),
        next_token,
        vpcs: vpcs.iter().map(vpc_shape).collect(),
    })
}

/// A page of lists that go on by an opaque token.
pub(super) fn cut<T>(items: Vec<T>, size: usize, token: Option<&str>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let codes = ("InvalidInput", "InvalidPaginationToken");
    list::cut(items, i32::try_from(size).ok(), PAGE, token, codes)
}

fn reference(vpc: &Option<shapes::VPC>) -> Result<VpcReference, ApiError> {
    let vpc = vpc.clone().unwrap_or_default();
    match (vpc.vpc_id, vpc.vpc_region) {
        (Some(id), Some(region)) => Ok(VpcReference { id, region }),
        _ => Err(invalid("A VPC is named by VPCId and VPCRegion together")),
    }
}

fn shape(network: &Network, zone: &HostedZone) -> shapes::HostedZone {
    shapes::HostedZone {
        id: Some(format!("/hostedzone/{}", zone.id)),
        name: Some(zone.name.to_string()),
        caller_reference: Some(zone.caller_reference.clone()),
        config: Some(shapes::HostedZoneConfig { comment: zone.comment.clone(), private_zone: Some(zone.is_private()) }),
        resource_record_set_count: i64::try_from(route53::record_count(network, &zone.id)).ok(),
        ..Default::default()
    }
}
