//! Network interfaces: lifetime, attributes and ([`addressing`]) addresses.

use std::sync::Arc;

use openvpc_control::idempotency;
use openvpc_control::interfaces::{self, Attribute, CreateNetworkInterface};
use openvpc_model::{EniAttachmentId, EniId, Id, InstanceId, NetworkInterface, SubnetId};

use super::prelude::*;

mod addressing;
#[cfg(test)]
mod tests;
pub(super) mod view;

pub(super) use addressing::{AddressList, count, ipv4, ipv6_list, prefixes, specified_prefixes, tracking};

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(AssignIpv6Addresses, addressing::assign_ipv6_addresses),
    action!(AssignPrivateIpAddresses, addressing::assign_private_ip_addresses),
    action!(AttachNetworkInterface, attach_network_interface),
    action!(CreateNetworkInterface, create_network_interface),
    action!(DeleteNetworkInterface, delete_network_interface),
    action!(DescribeNetworkInterfaceAttribute, describe_network_interface_attribute),
    action!(DescribeNetworkInterfaces, describe_network_interfaces),
    action!(DetachNetworkInterface, detach_network_interface),
    action!(ModifyNetworkInterfaceAttribute, modify_network_interface_attribute),
    action!(ResetNetworkInterfaceAttribute, reset_network_interface_attribute),
    action!(UnassignIpv6Addresses, addressing::unassign_ipv6_addresses),
    action!(UnassignPrivateIpAddresses, addressing::unassign_private_ip_addresses),
];

fn create_network_interface(
    ctx: &Ctx<'_>,
    request: shapes::CreateNetworkInterfaceRequest,
) -> Result<shapes::CreateNetworkInterfaceResult, ApiError> {
    if let Some(kind) = request.interface_type.as_deref().filter(|kind| *kind != "interface") {
        return Err(ApiError::unsupported(format!("openvpc makes interfaces of type interface only, not {kind}")));
    }
    let subnet: SubnetId = ids::parse_required(&request.subnet_id, "SubnetId")?;
    let list = AddressList::parse(&request.private_ip_address, &request.private_ip_addresses)?;
    let wanted = CreateNetworkInterface {
        description: request.description.clone().unwrap_or_default(),
        groups: ids::parse_all(&request.groups)?,
        primary_ipv4: list.primary,
        secondary_ipv4: list.secondary,
        secondary_ipv4_count: count("SecondaryPrivateIpAddressCount", request.secondary_private_ip_address_count)?.unwrap_or(0),
        ipv6: ipv6_list(&request.ipv6_addresses)?,
        ipv6_count: count("Ipv6AddressCount", request.ipv6_address_count)?,
        prefixes: specified_prefixes!(request)?,
        tracking: tracking(request.connection_tracking_specification.as_ref())?,
        tags: tagging::on_create(&request.tag_specifications, "network-interface")?,
        ..CreateNetworkInterface::new(subnet)
    };
    let token = request.client_token.as_deref();
    let shape = ctx.mutate(|tx| {
        let id = idempotency::once(tx, "CreateNetworkInterface", token, &wanted, |tx| interfaces::create(tx, wanted.clone()))?;
        let eni = tx.find::<NetworkInterface>(&id)?;
        Ok(view::interface(tx.network(), &eni))
    })?;
    Ok(shapes::CreateNetworkInterfaceResult { network_interface: Some(shape), client_token: request.client_token })
}

fn delete_network_interface(ctx: &Ctx<'_>, request: shapes::DeleteNetworkInterfaceRequest) -> Result<Done, ApiError> {
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    ctx.mutate(|tx| interfaces::delete(tx, id))?;
    Ok(Done)
}

fn attach_network_interface(
    ctx: &Ctx<'_>,
    request: shapes::AttachNetworkInterfaceRequest,
) -> Result<shapes::AttachNetworkInterfaceResult, ApiError> {
    let eni: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let instance: InstanceId = ids::parse_required(&request.instance_id, "InstanceId")?;
    let index = request.device_index.ok_or_else(|| ApiError::missing("DeviceIndex"))?;
    let index = u16::try_from(index).map_err(|_| ApiError::invalid_value(format!("Invalid device index: {index}")))?;
    let id = ctx.mutate(|tx| interfaces::attach(tx, eni, instance, index))?;
    Ok(shapes::AttachNetworkInterfaceResult { attachment_id: Some(id.to_string()), network_card_index: Some(0) })
}

fn detach_network_interface(ctx: &Ctx<'_>, request: shapes::DetachNetworkInterfaceRequest) -> Result<Done, ApiError> {
    let id = ids::required(&request.attachment_id, "AttachmentId")?;
    if id.starts_with(view::MANAGED_ATTACHMENT) {
        let message = format!("You are not allowed to manage '{}' attachments.", view::MANAGED_ATTACHMENT);
        return Err(ApiError::new("OperationNotPermitted", message));
    }
    let id: EniAttachmentId = ids::parse(id)?;
    ctx.mutate(|tx| interfaces::detach(tx, id))?;
    Ok(Done)
}

fn modify_network_interface_attribute(
    ctx: &Ctx<'_>,
    request: shapes::ModifyNetworkInterfaceAttributeRequest,
) -> Result<Done, ApiError> {
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let mut changes = Vec::new();
    if let Some(description) = &request.description {
        changes.push(Attribute::Description(description.value.clone().unwrap_or_default()));
    }
    if let Some(check) = &request.source_dest_check {
        changes.push(Attribute::SourceDestCheck(check.value.ok_or_else(|| ApiError::missing("SourceDestCheck.Value"))?));
    }
    if !request.groups.is_empty() {
        changes.push(Attribute::Groups(ids::parse_all(&request.groups)?));
    }
    if let Some(attachment) = &request.attachment {
        let attachment_id = ids::parse_required(&attachment.attachment_id, "Attachment.AttachmentId")?;
        let goes = attachment.delete_on_termination.ok_or_else(|| ApiError::missing("Attachment.DeleteOnTermination"))?;
        changes.push(Attribute::DeleteOnTermination(attachment_id, goes));
    }
    if let Some(specification) = &request.connection_tracking_specification {
        changes.push(Attribute::Tracking(tracking(Some(specification))?));
    }
    changes.extend(request.associate_public_ip_address.map(Attribute::AssociatePublicIp));
    let [change] = <[Attribute; 1]>::try_from(changes).map_err(|changes| match changes.len() {
        0 => ApiError::invalid_combination("No attributes specified."),
        _ => ApiError::invalid_combination("Only one attribute of a network interface can be modified per call"),
    })?;
    ctx.mutate(|tx| interfaces::modify(tx, id, change))?;
    Ok(Done)
}

/// The only attribute with a default to go back to is the source/destination check.
fn reset_network_interface_attribute(
    ctx: &Ctx<'_>,
    request: shapes::ResetNetworkInterfaceAttributeRequest,
) -> Result<Done, ApiError> {
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    ids::required(&request.source_dest_check, "SourceDestCheck")?;
    ctx.mutate(|tx| interfaces::modify(tx, id, Attribute::SourceDestCheck(true)))?;
    Ok(Done)
}

fn describe_network_interface_attribute(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkInterfaceAttributeRequest,
) -> Result<shapes::DescribeNetworkInterfaceAttributeResult, ApiError> {
    let network = ctx.network()?;
    let id: EniId = ids::parse_required(&request.network_interface_id, "NetworkInterfaceId")?;
    let [eni] = &ctx.pick::<NetworkInterface>(&network, &[id.to_string()])?[..] else {
        return Err(ApiError::internal("one interface was picked"));
    };
    let shape = view::interface(&network, eni);
    let mut answer =
        shapes::DescribeNetworkInterfaceAttributeResult { network_interface_id: Some(id.to_string()), ..Default::default() };
    match ids::required(&request.attribute, "Attribute")? {
        "description" => answer.description = Some(shapes::AttributeValue { value: Some(eni.description.clone()) }),
        "groupSet" => answer.groups = shape.groups,
        "sourceDestCheck" => {
            answer.source_dest_check = Some(shapes::AttributeBooleanValue { value: Some(eni.source_dest_check) });
        }
        "attachment" => answer.attachment = shape.attachment,
        "associatePublicIpAddress" => answer.associate_public_ip_address = Some(eni.associate_public_ip),
        other => return Err(ApiError::invalid_value(format!("Value ({other}) for parameter attribute is invalid."))),
    }
    Ok(answer)
}

/// Whether filters name an attachment.
fn asks_for(filters: &[shapes::Filter], attachment: &shapes::NetworkInterfaceAttachment) -> bool {
    let names = |value: &String| Some(value) == attachment.attachment_id.as_ref();
    let by_id = |filter: &&shapes::Filter| filter.name.as_deref() == Some("attachment.attachment-id");
    filters.iter().filter(by_id).any(|filter| filter.values.iter().any(names))
}

/// So many interfaces are looked at by two threads.
const MANY: usize = 10_000;

/// Whether filters let interfaces through, each shown with the attachment that `ended` gives.
fn passes<'a>(
    network: &'a Network,
    filters: &'a [shapes::Filter],
    ended: &impl Fn(&NetworkInterface) -> Option<Box<shapes::NetworkInterfaceAttachment>>,
) -> impl Fn(&'a Arc<NetworkInterface>) -> bool {
    let selection = filters::Selection::new(filters, &view::Row::FIELDS).ok();
    move |eni| selection.as_ref().is_some_and(|selection| selection.passes(&view::Row { network, eni, ended: ended(eni) }))
}

fn describe_network_interfaces(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkInterfacesRequest,
) -> Result<shapes::DescribeNetworkInterfacesResult, ApiError> {
    let network = ctx.network()?;
    let now = ctx.control().now();
    let explicit = !request.network_interface_ids.is_empty();
    let picked = if explicit { ctx.pick::<NetworkInterface>(&network, &request.network_interface_ids)? } else { Vec::new() };
    let selection = filters::Selection::new(&request.filters, &view::Row::FIELDS)?;
    // Clients that detached an interface ask for it by the attachment until they see that this has ended.
    let ended =
        |eni: &NetworkInterface| view::just_ended(eni, now).filter(|ended| asks_for(&request.filters, ended)).map(Box::new);
    let behind = |last: Option<EniId>| {
        let enis: Box<dyn Iterator<Item = &Arc<NetworkInterface>>> = if explicit {
            Box::new(picked.iter())
        } else if let Some(ids) = view::named(&request.filters) {
            let behind = ids.into_iter().filter(move |id| last.is_none_or(|last| last < *id));
            Box::new(behind.filter_map(|id| network.enis.get(&id)))
        } else if let Some(anchors) = view::anchors(&request.filters) {
            network.enis.by_any(&anchors, last.as_ref())
        } else if last.is_none() && request.max_results.is_none() && network.enis.size() >= MANY {
            let test = || passes(&network, &request.filters, &ended);
            Box::new(network.enis.passing(&EniId::from_random(1 << 63), test).into_iter())
        } else {
            Box::new(network.enis.behind(last.as_ref()))
        };
        let rows = enis.map(|eni| view::Row { network: &network, eni, ended: ended(eni) });
        // Few pass the filters, and comparing owners looks at one more place in memory.
        rows.filter(|row| selection.passes(row)).filter(|row| row.eni.owner == *ctx.owner())
    };
    let (rows, next_token) = page::take(&request, explicit, behind, |row| row.eni.id)?;
    let network_interfaces = rows.iter().map(view::Row::shape).collect();
    Ok(shapes::DescribeNetworkInterfacesResult { network_interfaces, next_token })
}
