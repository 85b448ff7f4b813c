//! The names that reverse lookups of Elastic IPs give. See "Create a reverse DNS record" in the EC2 User Guide.

use openvpc_control::addresses;
use openvpc_model::{AllocationId, ElasticIp};

use super::super::prelude::*;

pub(super) fn modify_address_attribute(
    ctx: &Ctx<'_>,
    request: shapes::ModifyAddressAttributeRequest,
) -> Result<shapes::ModifyAddressAttributeResult, ApiError> {
    let id: AllocationId = ids::parse_required(&request.allocation_id, "AllocationId")?;
    let name = ids::required(&request.domain_name, "DomainName")?;
    let eip = ctx.mutate(|tx| {
        addresses::set_ptr_record(tx, id, Some(name))?;
        tx.find::<ElasticIp>(&id)
    })?;
    let address = Some(pending(&eip, eip.ptr_record.clone()));
    Ok(shapes::ModifyAddressAttributeResult { address })
}

pub(super) fn reset_address_attribute(
    ctx: &Ctx<'_>,
    request: shapes::ResetAddressAttributeRequest,
) -> Result<shapes::ResetAddressAttributeResult, ApiError> {
    let id: AllocationId = ids::parse_required(&request.allocation_id, "AllocationId")?;
    check_attribute(Some(ids::required(&request.attribute, "Attribute")?))?;
    let eip = ctx.mutate(|tx| {
        addresses::set_ptr_record(tx, id, None)?;
        tx.find::<ElasticIp>(&id)
    })?;
    Ok(shapes::ResetAddressAttributeResult { address: Some(pending(&eip, None)) })
}

pub(super) fn describe_addresses_attribute(
    ctx: &Ctx<'_>,
    request: shapes::DescribeAddressesAttributeRequest,
) -> Result<shapes::DescribeAddressesAttributeResult, ApiError> {
    check_attribute(request.attribute.as_deref())?;
    let network = ctx.network()?;
    let eips = ctx.pick::<ElasticIp>(&network, &request.allocation_ids)?;
    // Who asks for the attribute sees the addresses that have it: clients wait until one that they reset is gone from there.
    let has_it = |eip: &&std::sync::Arc<ElasticIp>| request.attribute.is_none() || eip.ptr_record.is_some();
    let all = eips.iter().filter(has_it).map(|eip| attribute_shape(eip)).collect();
    let (addresses, next_token) =
        page::cut(&request, !request.allocation_ids.is_empty(), all, |address| address.allocation_id.as_deref())?;
    Ok(shapes::DescribeAddressesAttributeResult { addresses, next_token })
}

fn check_attribute(attribute: Option<&str>) -> Result<(), ApiError> {
    match attribute {
        None | Some("domain-name") => Ok(()),
        Some(other) => {
            Err(ApiError::invalid_value(format!("Value ({other}) for parameter attribute is invalid: use domain-name")))
        }
    }
}

fn attribute_shape(eip: &ElasticIp) -> shapes::AddressAttribute {
    shapes::AddressAttribute {
        allocation_id: Some(eip.id.to_string()),
        public_ip: Some(eip.address.to_string()),
        ptr_record: eip.ptr_record.clone(),
        ..Default::default()
    }
}

/// The answer to a change: on its way to the name servers.
fn pending(eip: &ElasticIp, value: Option<String>) -> shapes::AddressAttribute {
    let update = shapes::PtrUpdateStatus { value, status: Some("PENDING".to_owned()), reason: None };
    shapes::AddressAttribute { ptr_record_update: Some(update), ..attribute_shape(eip) }
}
