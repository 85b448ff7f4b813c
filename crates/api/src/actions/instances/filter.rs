//! The filters of DescribeInstances and DescribeInstanceStatus.

use super::super::prelude::*;
use super::view::Row;

pub(super) static INSTANCE_FIELDS: Fields<Row> = Fields {
    tags: Some(|row| &row.shape.tags),
    fields: &[
        ("architecture", |row, m| m.offer(&row.shape.architecture)),
        ("availability-zone", |row, m| row.shape.placement.iter().for_each(|place| m.offer(&place.availability_zone))),
        ("availability-zone-id", |row, m| row.shape.placement.iter().for_each(|place| m.offer(&place.availability_zone_id))),
        ("block-device-mapping.attach-time", |_, _| {}),
        ("block-device-mapping.delete-on-termination", |_, _| {}),
        ("block-device-mapping.device-name", |_, _| {}),
        ("block-device-mapping.status", |_, _| {}),
        ("block-device-mapping.volume-id", |_, _| {}),
        ("client-token", |row, m| m.offer(&row.shape.client_token)),
        ("dns-name", |row, m| m.offer(&row.shape.public_dns_name)),
        ("group-id", |row, m| row.shape.security_groups.iter().for_each(|group| m.offer(&group.group_id))),
        ("group-name", |row, m| row.shape.security_groups.iter().for_each(|group| m.offer(&group.group_name))),
        ("hypervisor", |row, m| m.offer(&row.shape.hypervisor)),
        ("iam-instance-profile.arn", |row, m| row.shape.iam_instance_profile.iter().for_each(|profile| m.offer(&profile.arn))),
        ("image-id", |row, m| m.offer(&row.shape.image_id)),
        ("instance-id", |row, m| m.offer(&row.shape.instance_id)),
        ("instance-lifecycle", |row, m| m.offer(&row.shape.instance_lifecycle)),
        ("instance-state-code", |row, m| row.shape.state.iter().for_each(|state| m.offer(&state.code))),
        ("instance-state-name", |row, m| row.shape.state.iter().for_each(|state| m.offer(&state.name))),
        ("instance-type", |row, m| m.offer(&row.shape.instance_type)),
        ("instance.group-id", |row, m| row.shape.security_groups.iter().for_each(|group| m.offer(&group.group_id))),
        ("instance.group-name", |row, m| row.shape.security_groups.iter().for_each(|group| m.offer(&group.group_name))),
        ("ip-address", |row, m| m.offer(&row.shape.public_ip_address)),
        ("ipv6-address", |row, m| m.offer(&row.shape.ipv6_address)),
        ("kernel-id", |row, m| m.offer(&row.shape.kernel_id)),
        ("key-name", |row, m| m.offer(&row.shape.key_name)),
        ("launch-index", |row, m| m.offer(&row.shape.ami_launch_index)),
        ("launch-time", |row, m| m.offer(&row.shape.launch_time)),
        ("metadata-options.http-endpoint", |row, m| row.shape.metadata_options.iter().for_each(|o| m.offer(&o.http_endpoint))),
        ("metadata-options.http-put-response-hop-limit", |row, m| {
            row.shape.metadata_options.iter().for_each(|o| m.offer(&o.http_put_response_hop_limit));
        }),
        ("metadata-options.http-tokens", |row, m| row.shape.metadata_options.iter().for_each(|o| m.offer(&o.http_tokens))),
        ("monitoring-state", |row, m| row.shape.monitoring.iter().for_each(|monitoring| m.offer(&monitoring.state))),
        ("network-interface.addresses.association.ip-owner-id", |row, m| {
            addresses(row).filter_map(|a| a.association.as_ref()).for_each(|a| m.offer(&a.ip_owner_id));
        }),
        ("network-interface.addresses.association.public-ip", |row, m| {
            addresses(row).filter_map(|a| a.association.as_ref()).for_each(|a| m.offer(&a.public_ip));
        }),
        ("network-interface.addresses.primary", |row, m| addresses(row).for_each(|a| m.offer(&a.primary))),
        ("network-interface.addresses.private-ip-address", |row, m| {
            addresses(row).for_each(|a| m.offer(&a.private_ip_address));
        }),
        ("network-interface.association.allocation-id", |row, m| m.offer(&row.allocations)),
        ("network-interface.association.association-id", |row, m| m.offer(&row.associations)),
        ("network-interface.association.ip-owner-id", |row, m| {
            interfaces(row).filter_map(|eni| eni.association.as_ref()).for_each(|a| m.offer(&a.ip_owner_id));
        }),
        ("network-interface.association.public-ip", |row, m| {
            interfaces(row).filter_map(|eni| eni.association.as_ref()).for_each(|a| m.offer(&a.public_ip));
        }),
        ("network-interface.attachment.attach-time", |row, m| attachments(row).for_each(|a| m.offer(&a.attach_time))),
        ("network-interface.attachment.attachment-id", |row, m| attachments(row).for_each(|a| m.offer(&a.attachment_id))),
        ("network-interface.attachment.delete-on-termination", |row, m| {
            attachments(row).for_each(|a| m.offer(&a.delete_on_termination));
        }),
        ("network-interface.attachment.device-index", |row, m| attachments(row).for_each(|a| m.offer(&a.device_index))),
        ("network-interface.attachment.instance-id", |row, m| m.offer(&row.shape.instance_id)),
        ("network-interface.attachment.instance-owner-id", |row, m| m.offer(&row.owner)),
        ("network-interface.attachment.status", |row, m| attachments(row).for_each(|a| m.offer(&a.status))),
        ("network-interface.availability-zone", |row, m| {
            row.shape.placement.iter().for_each(|place| m.offer(&place.availability_zone));
        }),
        ("network-interface.description", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.description))),
        ("network-interface.group-id", |row, m| {
            interfaces(row).flat_map(|eni| &eni.groups).for_each(|group| m.offer(&group.group_id));
        }),
        ("network-interface.group-name", |row, m| {
            interfaces(row).flat_map(|eni| &eni.groups).for_each(|group| m.offer(&group.group_name));
        }),
        ("network-interface.ipv6-addresses.ipv6-address", |row, m| {
            interfaces(row).flat_map(|eni| &eni.ipv6_addresses).for_each(|a| m.offer(&a.ipv6_address));
        }),
        ("network-interface.mac-address", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.mac_address))),
        ("network-interface.network-interface-id", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.network_interface_id))),
        ("network-interface.owner-id", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.owner_id))),
        ("network-interface.private-dns-name", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.private_dns_name))),
        ("network-interface.private-ip-address", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.private_ip_address))),
        ("network-interface.requester-managed", |row, m| interfaces(row).for_each(|_| m.offer(&false))),
        ("network-interface.source-dest-check", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.source_dest_check))),
        ("network-interface.status", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.status))),
        ("network-interface.subnet-id", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.subnet_id))),
        ("network-interface.vpc-id", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.vpc_id))),
        ("owner-id", |row, m| m.offer(&row.owner)),
        ("placement-group-name", |row, m| row.shape.placement.iter().for_each(|place| m.offer(&place.group_name))),
        ("platform", |row, m| m.offer(&row.shape.platform)),
        ("platform-details", |row, m| m.offer(&row.shape.platform_details)),
        ("private-dns-name", |row, m| m.offer(&row.shape.private_dns_name)),
        ("private-ip-address", |row, m| m.offer(&row.shape.private_ip_address)),
        ("product-code", |_, _| {}),
        ("ramdisk-id", |row, m| m.offer(&row.shape.ramdisk_id)),
        ("reason", |row, m| m.offer(&row.shape.state_transition_reason)),
        ("requester-id", |_, _| {}),
        ("reservation-id", |row, m| m.offer(&row.reservation)),
        ("root-device-name", |row, m| m.offer(&row.shape.root_device_name)),
        ("root-device-type", |row, m| m.offer(&row.shape.root_device_type)),
        ("source-dest-check", |row, m| m.offer(&row.shape.source_dest_check)),
        ("spot-instance-request-id", |row, m| m.offer(&row.shape.spot_instance_request_id)),
        ("state-reason-code", |row, m| row.shape.state_reason.iter().for_each(|reason| m.offer(&reason.code))),
        ("state-reason-message", |row, m| row.shape.state_reason.iter().for_each(|reason| m.offer(&reason.message))),
        ("subnet-id", |row, m| m.offer(&row.shape.subnet_id)),
        ("tenancy", |row, m| row.shape.placement.iter().for_each(|place| m.offer(&place.tenancy))),
        ("usage-operation", |row, m| m.offer(&row.shape.usage_operation)),
        ("virtualization-type", |row, m| m.offer(&row.shape.virtualization_type)),
        ("vpc-id", |row, m| m.offer(&row.shape.vpc_id)),
    ],
};

pub(super) static STATUS_FIELDS: Fields<shapes::InstanceStatus> = Fields {
    tags: None,
    fields: &[
        ("availability-zone", |status, m| m.offer(&status.availability_zone)),
        ("availability-zone-id", |status, m| m.offer(&status.availability_zone_id)),
        ("instance-state-code", |status, m| status.instance_state.iter().for_each(|state| m.offer(&state.code))),
        ("instance-state-name", |status, m| status.instance_state.iter().for_each(|state| m.offer(&state.name))),
        ("instance-status.reachability", |status, m| checks(status.instance_status.as_ref(), m)),
        ("instance-status.status", |status, m| status.instance_status.iter().for_each(|check| m.offer(&check.status))),
        ("operator.managed", |status, m| status.operator.iter().for_each(|operator| m.offer(&operator.managed))),
        ("system-status.reachability", |status, m| checks(status.system_status.as_ref(), m)),
        ("system-status.status", |status, m| status.system_status.iter().for_each(|check| m.offer(&check.status))),
    ],
};

fn interfaces(row: &Row) -> impl Iterator<Item = &shapes::InstanceNetworkInterface> {
    row.shape.network_interfaces.iter()
}

fn addresses(row: &Row) -> impl Iterator<Item = &shapes::InstancePrivateIpAddress> {
    interfaces(row).flat_map(|eni| &eni.private_ip_addresses)
}

fn attachments(row: &Row) -> impl Iterator<Item = &shapes::InstanceNetworkInterfaceAttachment> {
    interfaces(row).filter_map(|eni| eni.attachment.as_ref())
}

fn checks(summary: Option<&shapes::InstanceStatusSummary>, m: &mut filters::Matcher<'_>) {
    summary.into_iter().flat_map(|summary| &summary.details).for_each(|detail| m.offer(&detail.status));
}
