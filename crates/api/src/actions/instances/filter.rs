//! The filters of DescribeInstances and DescribeInstanceStatus.

use std::sync::Arc;

use openvpc_model::{Anchor, ElasticIp, Instance, InstanceState, NetworkInterface, PrivateAddress, Subnet};

use super::super::interfaces::view;
use super::super::prelude::*;
use super::view::Row;

pub(super) fn instance_fields<'a>() -> Fields<'a, Row<'a>> {
    Fields {
        tags: None,
        fields: &[
            ("affinity", |_, _| {}),
            ("architecture", |row, m| m.offer(&row.shape().architecture)),
            ("availability-zone", |row, m| m.offer(&zone_name(row))),
            ("availability-zone-id", |row, m| m.offer(&row.instance.zone.id(&row.instance.owner.region))),
            ("block-device-mapping.attach-time", |_, _| {}),
            ("block-device-mapping.delete-on-termination", |_, _| {}),
            ("block-device-mapping.device-name", |_, _| {}),
            ("block-device-mapping.status", |_, _| {}),
            ("block-device-mapping.volume-id", |_, _| {}),
            ("boot-mode", |row, m| m.offer(&row.shape().boot_mode)),
            ("capacity-reservation-id", |_, _| {}),
            ("capacity-reservation-specification.capacity-reservation-preference", |row, m| {
                row.shape().capacity_reservation_specification.iter().for_each(|of| m.offer(&of.capacity_reservation_preference))
            }),
            ("capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id", |_, _| {}),
            ("capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn", |_, _| {}),
            ("client-token", |row, m| m.offer(row.instance.client_token.as_deref().unwrap_or_default())),
            ("current-instance-boot-mode", |row, m| m.offer(&row.shape().current_instance_boot_mode)),
            ("dns-name", |row, m| m.offer(&row.shape().public_dns_name)),
            ("ebs-optimized", |row, m| m.offer(&row.shape().ebs_optimized)),
            ("ena-support", |row, m| m.offer(&row.shape().ena_support)),
            ("enclave-options.enabled", |row, m| row.shape().enclave_options.iter().for_each(|of| m.offer(&of.enabled))),
            ("group-id", |row, m| row.shape().security_groups.iter().for_each(|group| m.offer(&group.group_id))),
            ("group-name", |row, m| row.shape().security_groups.iter().for_each(|group| m.offer(&group.group_name))),
            ("hibernation-options.configured", |row, m| {
                row.shape().hibernation_options.iter().for_each(|of| m.offer(&of.configured))
            }),
            ("host-id", |_, _| {}),
            ("hypervisor", |row, m| m.offer(&row.shape().hypervisor)),
            ("iam-instance-profile.arn", |row, m| {
                row.shape().iam_instance_profile.iter().for_each(|profile| m.offer(&profile.arn))
            }),
            ("iam-instance-profile.id", |row, m| row.shape().iam_instance_profile.iter().for_each(|of| m.offer(&of.id))),
            ("image-id", |row, m| m.offer(&row.instance.image)),
            ("instance-id", |row, m| m.show(&row.instance.id)),
            ("instance-lifecycle", |_, _| {}),
            ("instance-state-code", |row, m| m.offer(&row.instance.state.code())),
            ("instance-state-name", |row, m| m.offer(row.instance.state.as_str())),
            ("instance-type", |row, m| m.offer(&row.instance.instance_type)),
            ("instance.group-id", |row, m| row.shape().security_groups.iter().for_each(|group| m.offer(&group.group_id))),
            ("instance.group-name", |row, m| row.shape().security_groups.iter().for_each(|group| m.offer(&group.group_name))),
            ("ip-address", |row, m| m.offer(&row.shape().public_ip_address)),
            ("ipv6-address", |row, m| m.offer(&row.shape().ipv6_address)),
            ("kernel-id", |_, _| {}),
            ("key-name", |row, m| m.offer(&row.instance.key_name)),
            ("launch-index", |row, m| m.offer(&row.shape().ami_launch_index)),
            ("launch-time", |row, m| m.offer(&row.instance.launched_at)),
            ("maintenance-options.auto-recovery", |row, m| {
                row.shape().maintenance_options.iter().for_each(|of| m.offer(&of.auto_recovery))
            }),
            ("metadata-options.http-endpoint", |row, m| {
                row.shape().metadata_options.iter().for_each(|o| m.offer(&o.http_endpoint))
            }),
            ("metadata-options.http-protocol-ipv4", |row, m| m.offer(&row.instance.options.http_endpoint)),
            ("metadata-options.http-protocol-ipv6", |row, m| {
                row.shape().metadata_options.iter().for_each(|of| m.offer(&of.http_protocol_ipv6))
            }),
            ("metadata-options.http-put-response-hop-limit", |row, m| {
                row.shape().metadata_options.iter().for_each(|o| m.offer(&o.http_put_response_hop_limit));
            }),
            ("metadata-options.http-tokens", |row, m| row.shape().metadata_options.iter().for_each(|o| m.offer(&o.http_tokens))),
            ("metadata-options.instance-metadata-tags", |row, m| {
                row.shape().metadata_options.iter().for_each(|of| m.offer(&of.instance_metadata_tags))
            }),
            ("metadata-options.state", |row, m| row.shape().metadata_options.iter().for_each(|of| m.offer(&of.state))),
            ("monitoring-state", |row, m| row.shape().monitoring.iter().for_each(|monitoring| m.offer(&monitoring.state))),
            ("network-interface.addresses.association.allocation-id", |row, m| {
                every_address(row).for_each(|eip| m.show(&eip.id))
            }),
            ("network-interface.addresses.association.association-id", |row, m| {
                every_address(row).filter_map(|eip| eip.association.as_ref()).for_each(|a| m.show(&a.id));
            }),
            ("network-interface.addresses.association.carrier-ip", |_, _| {}),
            ("network-interface.addresses.association.customer-owned-ip", |_, _| {}),
            ("network-interface.addresses.association.ip-owner-id", |row, m| {
                addresses(row).filter_map(|a| a.association.as_ref()).for_each(|a| m.offer(&a.ip_owner_id));
            }),
            ("network-interface.addresses.association.public-dns-name", |row, m| {
                addresses(row).filter_map(|a| a.association.as_ref()).for_each(|a| m.offer(&a.public_dns_name));
            }),
            ("network-interface.addresses.association.public-ip", |row, m| {
                addresses(row).filter_map(|a| a.association.as_ref()).for_each(|a| m.offer(&a.public_ip));
            }),
            ("network-interface.addresses.primary", |row, m| addresses(row).for_each(|a| m.offer(&a.primary))),
            ("network-interface.addresses.private-dns-name", |row, m| addresses(row).for_each(|a| m.offer(&a.private_dns_name))),
            ("network-interface.addresses.private-ip-address", |row, m| {
                addresses(row).for_each(|a| m.offer(&a.private_ip_address));
            }),
            ("network-interface.association.allocation-id", |row, m| primary_addresses(row).for_each(|eip| m.show(&eip.id))),
            ("network-interface.association.association-id", |row, m| {
                primary_addresses(row).filter_map(|eip| eip.association.as_ref()).for_each(|a| m.show(&a.id));
            }),
            ("network-interface.association.carrier-ip", |_, _| {}),
            ("network-interface.association.customer-owned-ip", |_, _| {}),
            ("network-interface.association.ip-owner-id", |row, m| {
                interfaces(row).filter_map(|eni| eni.association.as_ref()).for_each(|a| m.offer(&a.ip_owner_id));
            }),
            ("network-interface.association.public-dns-name", |row, m| {
                interfaces(row).filter_map(|eni| eni.association.as_ref()).for_each(|a| m.offer(&a.public_dns_name));
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
            ("network-interface.attachment.instance-id", |row, m| enis(row).for_each(|_| m.show(&row.instance.id))),
            ("network-interface.attachment.instance-owner-id", |row, m| {
                enis(row).for_each(|_| m.show(&row.instance.owner.account))
            }),
            ("network-interface.attachment.network-card-index", |row, m| {
                attachments(row).for_each(|a| m.offer(&a.network_card_index))
            }),
            ("network-interface.attachment.status", |row, m| attachments(row).for_each(|a| m.offer(&a.status))),
            ("network-interface.availability-zone", |row, m| enis(row).for_each(|_| m.offer(&zone_name(row)))),
            ("network-interface.deny-all-igw-traffic", |row, m| {
                // An interface can't be kept from the internet by itself here.
                enis(row).for_each(|_| m.offer(&false));
            }),
            ("network-interface.description", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.description))),
            ("network-interface.group-id", |row, m| {
                interfaces(row).flat_map(|eni| &eni.groups).for_each(|group| m.offer(&group.group_id));
            }),
            ("network-interface.group-name", |row, m| {
                interfaces(row).flat_map(|eni| &eni.groups).for_each(|group| m.offer(&group.group_name));
            }),
            ("network-interface.ipv4-prefixes.ipv4-prefix", |row, m| {
                interfaces(row).flat_map(|eni| &eni.ipv4_prefixes).for_each(|prefix| m.offer(&prefix.ipv4_prefix));
            }),
            ("network-interface.ipv6-address", |row, m| {
                interfaces(row).flat_map(|eni| &eni.ipv6_addresses).for_each(|a| m.offer(&a.ipv6_address));
            }),
            ("network-interface.ipv6-addresses.ipv6-address", |row, m| {
                interfaces(row).flat_map(|eni| &eni.ipv6_addresses).for_each(|a| m.offer(&a.ipv6_address));
            }),
            ("network-interface.ipv6-addresses.is-primary-ipv6", |row, m| {
                interfaces(row).flat_map(|eni| &eni.ipv6_addresses).for_each(|a| m.offer(&a.is_primary_ipv6));
            }),
            ("network-interface.ipv6-native", |row, m| enis(row).for_each(|eni| m.offer(&is_ipv6_native(row, eni)))),
            ("network-interface.ipv6-prefixes.ipv6-prefix", |row, m| {
                interfaces(row).flat_map(|eni| &eni.ipv6_prefixes).for_each(|prefix| m.offer(&prefix.ipv6_prefix));
            }),
            ("network-interface.mac-address", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.mac_address))),
            ("network-interface.network-interface-id", |row, m| {
                interfaces(row).for_each(|eni| m.offer(&eni.network_interface_id))
            }),
            ("network-interface.operator.managed", |row, m| {
                interfaces(row).filter_map(|eni| eni.operator.as_ref()).for_each(|operator| m.offer(&operator.managed));
            }),
            ("network-interface.operator.principal", |row, m| {
                interfaces(row).filter_map(|eni| eni.operator.as_ref()).for_each(|operator| m.offer(&operator.principal));
            }),
            ("network-interface.outpost-arn", |_, _| {}),
            ("network-interface.owner-id", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.owner_id))),
            ("network-interface.private-dns-name", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.private_dns_name))),
            ("network-interface.private-ip-address", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.private_ip_address))),
            ("network-interface.public-dns-name", |row, m| {
                interfaces(row).filter_map(|eni| eni.association.as_ref()).for_each(|a| m.offer(&a.public_dns_name));
            }),
            ("network-interface.requester-id", |row, m| {
                enis(row).filter(|eni| eni.requester_managed).for_each(|eni| m.show(&eni.owner.account));
            }),
            ("network-interface.requester-managed", |row, m| enis(row).for_each(|eni| m.offer(&eni.requester_managed))),
            ("network-interface.source-dest-check", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.source_dest_check))),
            ("network-interface.status", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.status))),
            ("network-interface.subnet-id", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.subnet_id))),
            ("network-interface.tag-key", |row, m| enis(row).for_each(|eni| eni.tags.keys().for_each(|key| m.offer(key)))),
            ("network-interface.tag-value", |row, m| {
                enis(row).for_each(|eni| eni.tags.values().for_each(|value| m.offer(value)))
            }),
            ("network-interface.vpc-id", |row, m| interfaces(row).for_each(|eni| m.offer(&eni.vpc_id))),
            ("network-performance-options.bandwidth-weighting", |row, m| {
                row.shape().network_performance_options.iter().for_each(|of| m.offer(&of.bandwidth_weighting))
            }),
            ("operator.managed", |row, m| row.shape().operator.iter().for_each(|of| m.offer(&of.managed))),
            ("operator.principal", |row, m| row.shape().operator.iter().for_each(|of| m.offer(&of.principal))),
            ("outpost-arn", |_, _| {}),
            ("owner-id", |row, m| m.show(&row.instance.owner.account)),
            ("placement-group-name", |row, m| row.shape().placement.iter().for_each(|place| m.offer(&place.group_name))),
            ("placement-partition-number", |_, _| {}),
            ("platform", |_, _| {}),
            ("platform-details", |row, m| m.offer(&row.shape().platform_details)),
            ("private-dns-name", |row, m| m.offer(&row.shape().private_dns_name)),
            ("private-dns-name-options.enable-resource-name-dns-a-record", |row, m| {
                row.shape().private_dns_name_options.iter().for_each(|of| m.offer(&of.enable_resource_name_dns_a_record))
            }),
            ("private-dns-name-options.enable-resource-name-dns-aaaa-record", |row, m| {
                row.shape().private_dns_name_options.iter().for_each(|of| m.offer(&of.enable_resource_name_dns_aaaa_record))
            }),
            ("private-dns-name-options.hostname-type", |row, m| {
                row.shape().private_dns_name_options.iter().for_each(|of| m.offer(&of.hostname_type))
            }),
            ("private-ip-address", |row, m| m.offer(&row.shape().private_ip_address)),
            ("product-code", |_, _| {}),
            ("product-code.type", |_, _| {}),
            ("ramdisk-id", |_, _| {}),
            ("reason", |row, m| m.offer(&row.shape().state_transition_reason)),
            ("requester-id", |_, _| {}),
            ("reservation-id", |row, m| m.show(&row.instance.reservation)),
            ("root-device-name", |row, m| m.offer(&row.shape().root_device_name)),
            ("root-device-type", |row, m| m.offer(&row.shape().root_device_type)),
            ("source-dest-check", |row, m| m.offer(&row.shape().source_dest_check)),
            ("spot-instance-request-id", |_, _| {}),
            ("state-reason-code", |row, m| row.shape().state_reason.iter().for_each(|reason| m.offer(&reason.code))),
            ("state-reason-message", |row, m| row.shape().state_reason.iter().for_each(|reason| m.offer(&reason.message))),
            ("subnet-id", |row, m| is_there(row).for_each(|instance| m.show(&instance.subnet))),
            ("tag:", |row, m| m.tags(&row.instance.tags)),
            ("tenancy", |row, m| row.shape().placement.iter().for_each(|place| m.offer(&place.tenancy))),
            ("tpm-support", |row, m| m.offer(&row.shape().tpm_support)),
            ("usage-operation", |row, m| m.offer(&row.shape().usage_operation)),
            ("usage-operation-update-time", |row, m| m.offer(&row.shape().usage_operation_update_time)),
            ("virtualization-type", |row, m| m.offer(&row.shape().virtualization_type)),
            ("vpc-id", |row, m| is_there(row).for_each(|instance| m.show(&instance.vpc))),
        ],
    }
}

pub(super) static STATUS_FIELDS: Fields<shapes::InstanceStatus> = Fields {
    tags: None,
    fields: &[
        ("attached-ebs-status.status", |status, m| {
            status.attached_ebs_status.iter().for_each(|check| m.offer(&check.status));
        }),
        ("availability-zone", |status, m| m.offer(&status.availability_zone)),
        ("availability-zone-id", |status, m| m.offer(&status.availability_zone_id)),
        ("event.code", |status, m| status.events.iter().for_each(|event| m.offer(&event.code))),
        ("event.description", |status, m| status.events.iter().for_each(|event| m.offer(&event.description))),
        ("event.instance-event-id", |status, m| status.events.iter().for_each(|event| m.offer(&event.instance_event_id))),
        ("event.not-after", |status, m| status.events.iter().for_each(|event| m.offer(&event.not_after))),
        ("event.not-before", |status, m| status.events.iter().for_each(|event| m.offer(&event.not_before))),
        ("event.not-before-deadline", |status, m| status.events.iter().for_each(|event| m.offer(&event.not_before_deadline))),
        ("instance-state-code", |status, m| status.instance_state.iter().for_each(|state| m.offer(&state.code))),
        ("instance-state-name", |status, m| status.instance_state.iter().for_each(|state| m.offer(&state.name))),
        ("instance-status.reachability", |status, m| checks(status.instance_status.as_ref(), m)),
        ("instance-status.status", |status, m| status.instance_status.iter().for_each(|check| m.offer(&check.status))),
        ("operator.managed", |status, m| status.operator.iter().for_each(|operator| m.offer(&operator.managed))),
        ("operator.principal", |status, m| status.operator.iter().for_each(|operator| m.offer(&operator.principal))),
        ("system-status.reachability", |status, m| checks(status.system_status.as_ref(), m)),
        ("system-status.status", |status, m| status.system_status.iter().for_each(|check| m.offer(&check.status))),
    ],
};

/// The instance, unless it is terminated: then it is in no network any more.
fn is_there<'a>(row: &Row<'a>) -> impl Iterator<Item = &'a Instance> + use<'a> {
    std::iter::once(row.instance).filter(|instance| instance.state != InstanceState::Terminated)
}

fn zone_name(row: &Row<'_>) -> String {
    row.instance.zone.name(&row.instance.owner.region)
}

fn enis<'a>(row: &Row<'a>) -> impl Iterator<Item = &'a Arc<NetworkInterface>> + use<'a> {
    row.network.by::<NetworkInterface>(Anchor::Instance(row.instance.id))
}

fn is_ipv6_native(row: &Row<'_>, eni: &NetworkInterface) -> bool {
    row.network.get::<Subnet>(&eni.subnet).is_some_and(|subnet| subnet.ipv4_block.is_none())
}

/// The Elastic IPs of all private addresses.
fn every_address<'a>(row: &Row<'a>) -> impl Iterator<Item = &'a Arc<ElasticIp>> + use<'a> {
    let network = row.network;
    enis(row).flat_map(|eni| &eni.private_addresses).filter_map(move |slot| elastic_ip(network, slot))
}

/// The Elastic IPs of the interfaces' primary private addresses.
fn primary_addresses<'a>(row: &Row<'a>) -> impl Iterator<Item = &'a Arc<ElasticIp>> + use<'a> {
    let network = row.network;
    enis(row).filter_map(|eni| eni.private_addresses.first()).filter_map(move |slot| elastic_ip(network, slot))
}

fn elastic_ip<'a>(network: &'a Network, slot: &PrivateAddress) -> Option<&'a Arc<ElasticIp>> {
    view::elastic_ip(network, slot.public.as_ref()?)
}

fn interfaces<'r>(row: &'r Row<'_>) -> impl Iterator<Item = &'r shapes::InstanceNetworkInterface> {
    row.shape().network_interfaces.iter()
}

fn addresses<'r>(row: &'r Row<'_>) -> impl Iterator<Item = &'r shapes::InstancePrivateIpAddress> {
    interfaces(row).flat_map(|eni| &eni.private_ip_addresses)
}

fn attachments<'r>(row: &'r Row<'_>) -> impl Iterator<Item = &'r shapes::InstanceNetworkInterfaceAttachment> {
    interfaces(row).filter_map(|eni| eni.attachment.as_ref())
}

fn checks(summary: Option<&shapes::InstanceStatusSummary>, m: &mut filters::Matcher<'_>) {
    summary.into_iter().flat_map(|summary| &summary.details).for_each(|detail| m.offer(&detail.status));
}
