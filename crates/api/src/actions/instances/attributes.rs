//! DescribeInstanceAttribute and ModifyInstanceAttribute.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openvpc_control::instances::{self, Attribute};
use openvpc_model::{Instance, InstanceId, NetworkInterface};

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
