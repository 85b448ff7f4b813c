//! What can be asked and said about one instance after its launch.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openvpc_control::instances::{self, Attribute, MetadataOptions};
use openvpc_model::{Instance, InstanceId, InstanceState, NetworkInterface};

use super::super::interfaces::view as interfaces;
use super::super::prelude::*;
use super::{launch, view};

pub(super) fn describe_instance_attribute(
    ctx: &Ctx<'_>,
    request: shapes::DescribeInstanceAttributeRequest,
) -> Result<shapes::InstanceAttribute, ApiError> {
    let network = ctx.network()?;
    let id: InstanceId = ids::parse_required(&request.instance_id, "InstanceId")?;
    let [instance] = &ctx.pick::<Instance>(&network, &[id.to_string()])?[..] else {
        return Err(ApiError::internal("one instance was picked"));
    };
    let mut answer = shapes::InstanceAttribute { instance_id: Some(id.to_string()), ..Default::default() };
    let text = |value: &str| Some(shapes::AttributeValue { value: Some(value.to_owned()) });
    let flag = |value: bool| Some(shapes::AttributeBooleanValue { value: Some(value) });
    let primary = network.get::<NetworkInterface>(&instance.primary_eni);
    match ids::required(&request.attribute, "Attribute")? {
        "instanceType" => answer.instance_type = text(&instance.instance_type),
        "kernel" => answer.kernel_id = Some(shapes::AttributeValue::default()),
        "ramdisk" => answer.ramdisk_id = Some(shapes::AttributeValue::default()),
        "userData" => {
            let value = instance.user_data.as_ref().map(|data| STANDARD.encode(data));
            answer.user_data = Some(shapes::AttributeValue { value });
        }
        "disableApiTermination" => answer.disable_api_termination = flag(instance.disable_api_termination),
        "disableApiStop" => answer.disable_api_stop = flag(instance.disable_api_stop),
        "instanceInitiatedShutdownBehavior" => answer.instance_initiated_shutdown_behavior = text(&instance.shutdown_behavior),
        "rootDeviceName" => answer.root_device_name = text(view::ROOT_DEVICE),
        "blockDeviceMapping" | "productCodes" => {}
        "sourceDestCheck" => answer.source_dest_check = flag(primary.is_none_or(|eni| eni.source_dest_check)),
        "groupSet" => answer.groups = primary.map(|eni| interfaces::groups(&network, eni)).unwrap_or_default(),
        "ebsOptimized" => answer.ebs_optimized = flag(instance.options.ebs_optimized),
        "sriovNetSupport" => answer.sriov_net_support = Some(shapes::AttributeValue::default()),
        "enaSupport" => answer.ena_support = flag(true),
        "enclaveOptions" => answer.enclave_options = Some(shapes::EnclaveOptions { enabled: Some(false) }),
        other => return Err(ApiError::invalid_value(format!("Value ({other}) for parameter attribute is invalid."))),
    }
    Ok(answer)
}

pub(super) fn modify_instance_attribute(
    ctx: &Ctx<'_>,
    request: shapes::ModifyInstanceAttributeRequest,
) -> Result<Done, ApiError> {
    let id: InstanceId = ids::parse_required(&request.instance_id, "InstanceId")?;
    let [change] = <[Attribute; 1]>::try_from(changes(&request)?).map_err(|changes| match changes.len() {
        0 => ApiError::invalid_combination("No attributes specified."),
        _ => ApiError::invalid_combination("Fields for multiple attribute types specified: modify one attribute per call"),
    })?;
    ctx.mutate(|tx| instances::modify(tx, id, change))?;
    Ok(Done)
}

pub(super) fn modify_instance_metadata_options(
    ctx: &Ctx<'_>,
    request: shapes::ModifyInstanceMetadataOptionsRequest,
) -> Result<shapes::ModifyInstanceMetadataOptionsResult, ApiError> {
    let id: InstanceId = ids::parse_required(&request.instance_id, "InstanceId")?;
    let change = MetadataOptions {
        http_tokens: request.http_tokens,
        http_endpoint: request.http_endpoint,
        http_protocol_ipv6: request.http_protocol_ipv6,
        http_put_response_hop_limit: request.http_put_response_hop_limit,
        instance_metadata_tags: request.instance_metadata_tags,
    };
    let options = ctx.mutate(|tx| {
        instances::modify_metadata_options(tx, id, change)?;
        Ok(view::metadata_options(&*tx.find::<Instance>(&id)?))
    })?;
    Ok(shapes::ModifyInstanceMetadataOptionsResult {
        instance_id: Some(id.to_string()),
        instance_metadata_options: Some(options),
    })
}

/// The credit option of burstable instances: what was asked for, or else the type's default.
pub(super) fn describe_instance_credit_specifications(
    ctx: &Ctx<'_>,
    request: shapes::DescribeInstanceCreditSpecificationsRequest,
) -> Result<shapes::DescribeInstanceCreditSpecificationsResult, ApiError> {
    let network = ctx.network()?;
    let found = ctx.pick::<Instance>(&network, &request.instance_ids)?;
    let explicit = !request.instance_ids.is_empty();
    if let Some(other) = found.iter().find(|instance| explicit && !is_burstable(&instance.instance_type)) {
        return Err(ApiError::new(
            "InstanceCreditSpecification.NotSupported",
            format!("The instance '{}' is of type {}, which has no CPU credits", other.id, other.instance_type),
        ));
    }
    let shape = |instance: &std::sync::Arc<Instance>| {
        let default = if instance.instance_type.starts_with("t2.") { "standard" } else { "unlimited" };
        shapes::InstanceCreditSpecification {
            instance_id: Some(instance.id.to_string()),
            cpu_credits: Some(instance.options.cpu_credits.clone().unwrap_or_else(|| default.to_owned())),
        }
    };
    let burstable = found.iter().filter(|instance| is_burstable(&instance.instance_type)).map(shape).collect();
    let specifications = filters::select(burstable, &request.filters, &CREDIT_FIELDS)?;
    let (instance_credit_specifications, next_token) =
        page::cut(&request, explicit, specifications, |one| one.instance_id.as_deref())?;
    Ok(shapes::DescribeInstanceCreditSpecificationsResult { instance_credit_specifications, next_token })
}

static CREDIT_FIELDS: Fields<shapes::InstanceCreditSpecification> =
    Fields { tags: None, fields: &[("instance-id", |one, m| m.offer(&one.instance_id))] };

fn is_burstable(instance_type: &str) -> bool {
    ["t2.", "t3.", "t3a.", "t4g."].iter().any(|family| instance_type.starts_with(family))
}

/// The instance profiles that launches asked for. An association lives as long as its instance and has its digits.
pub(super) fn describe_iam_instance_profile_associations(
    ctx: &Ctx<'_>,
    request: shapes::DescribeIamInstanceProfileAssociationsRequest,
) -> Result<shapes::DescribeIamInstanceProfileAssociationsResult, ApiError> {
    let network = ctx.network()?;
    let shape = |instance: &std::sync::Arc<Instance>| {
        let arn = instance.options.iam_instance_profile.as_deref()?;
        let id = instance.id.to_string();
        Some(shapes::IamInstanceProfileAssociation {
            association_id: Some(id.replacen("i-", "iip-assoc-", 1)),
            instance_id: Some(id),
            iam_instance_profile: Some(view::profile(&network, instance, arn)),
            state: Some("associated".to_owned()),
            timestamp: None,
        })
    };
    let live = network.owned::<Instance>(ctx.owner()).filter(|instance| instance.state != InstanceState::Terminated);
    let mut associations: Vec<_> = live.filter_map(shape).collect();
    let wanted = &request.association_ids;
    if let Some(missing) = wanted.iter().find(|id| associations.iter().all(|one| one.association_id.as_ref() != Some(id))) {
        return Err(ApiError::new("InvalidAssociationID.NotFound", format!("The association ID '{missing}' does not exist")));
    }
    associations.retain(|one| wanted.is_empty() || one.association_id.as_ref().is_some_and(|id| wanted.contains(id)));
    let associations = filters::select(associations, &request.filters, &PROFILE_FIELDS)?;
    let (iam_instance_profile_associations, next_token) =
        page::cut(&request, !wanted.is_empty(), associations, |one| one.association_id.as_deref())?;
    Ok(shapes::DescribeIamInstanceProfileAssociationsResult { iam_instance_profile_associations, next_token })
}

static PROFILE_FIELDS: Fields<shapes::IamInstanceProfileAssociation> = Fields {
    tags: None,
    fields: &[("instance-id", |one, m| m.offer(&one.instance_id)), ("state", |one, m| m.offer(&one.state))],
};

fn changes(request: &shapes::ModifyInstanceAttributeRequest) -> Result<Vec<Attribute>, ApiError> {
    let flag = |value: &Option<shapes::AttributeBooleanValue>| value.as_ref().and_then(|value| value.value);
    let text = |value: &Option<shapes::AttributeValue>| value.as_ref().and_then(|value| value.value.clone());
    let mut changes = Vec::new();
    if let Some(attribute) = &request.attribute {
        changes.push(by_name(attribute, ids::required(&request.value, "Value")?)?);
    }
    changes.extend(flag(&request.source_dest_check).map(Attribute::SourceDestCheck));
    changes.extend(flag(&request.disable_api_stop).map(Attribute::DisableApiStop));
    changes.extend(flag(&request.disable_api_termination).map(Attribute::DisableApiTermination));
    changes.extend(flag(&request.ebs_optimized).map(Attribute::EbsOptimized));
    changes.extend(text(&request.instance_type).map(Attribute::Type));
    changes.extend(text(&request.instance_initiated_shutdown_behavior).map(Attribute::ShutdownBehavior));
    if let Some(data) = &request.user_data {
        changes.push(Attribute::UserData(data.value.clone().map(|Blob(bytes)| bytes).unwrap_or_default()));
    }
    if !request.groups.is_empty() {
        changes.push(Attribute::Groups(ids::parse_all(&request.groups)?));
    }
    let machine = request.kernel.is_some() || request.ramdisk.is_some() || request.sriov_net_support.is_some();
    if machine || request.ena_support.is_some() || !request.block_device_mappings.is_empty() {
        return Err(ApiError::unsupported(
            "Instances of openvpc are sandboxes without a kernel, drivers or volumes of their own",
        ));
    }
    Ok(changes)
}

/// The older form: `Attribute` names it, `Value` is its text.
fn by_name(attribute: &str, value: &str) -> Result<Attribute, ApiError> {
    let flag = || {
        value
            .parse::<bool>()
            .map_err(|_| ApiError::invalid_value(format!("Value ({value}) for parameter value is invalid: use true or false")))
    };
    Ok(match attribute {
        "instanceType" => Attribute::Type(value.to_owned()),
        "userData" => Attribute::UserData(launch::user_data(value)?),
        "disableApiTermination" => Attribute::DisableApiTermination(flag()?),
        "disableApiStop" => Attribute::DisableApiStop(flag()?),
        "instanceInitiatedShutdownBehavior" => Attribute::ShutdownBehavior(value.to_owned()),
        "sourceDestCheck" => Attribute::SourceDestCheck(flag()?),
        "ebsOptimized" => Attribute::EbsOptimized(flag()?),
        other => return Err(ApiError::invalid_value(format!("Value ({other}) for parameter attribute is invalid."))),
    })
}
