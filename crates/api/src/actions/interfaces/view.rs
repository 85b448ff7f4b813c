//! Interfaces as answers show them.

use openvpc_model::{
    Attachment, ElasticIp, EniId, Id, Instance, InstanceState, NetworkInterface, PrivateAddress, PublicMapping, SecurityGroup,
    Subnet, UnixMillis, Vpc, dns,
};

use super::super::prelude::*;

/// What the ids of attachments begin with that Amazon manages.
pub(super) const MANAGED_ATTACHMENT: &str = "ela-attach";

pub(super) static INTERFACE_FIELDS: Fields<shapes::NetworkInterface> = Fields {
    tags: Some(|eni| &eni.tag_set),
    fields: &[
        ("addresses.association.owner-id", |eni, m| {
            eni.private_ip_addresses.iter().filter_map(|a| a.association.as_ref()).for_each(|a| m.offer(&a.ip_owner_id));
        }),
        ("addresses.association.public-ip", |eni, m| {
            eni.private_ip_addresses.iter().filter_map(|a| a.association.as_ref()).for_each(|a| m.offer(&a.public_ip));
        }),
        ("addresses.primary", |eni, m| eni.private_ip_addresses.iter().for_each(|a| m.offer(&a.primary))),
        ("addresses.private-ip-address", |eni, m| {
            eni.private_ip_addresses.iter().for_each(|a| m.offer(&a.private_ip_address));
        }),
        ("association.allocation-id", |eni, m| eni.association.iter().for_each(|a| m.offer(&a.allocation_id))),
        ("association.association-id", |eni, m| eni.association.iter().for_each(|a| m.offer(&a.association_id))),
        ("association.ip-owner-id", |eni, m| eni.association.iter().for_each(|a| m.offer(&a.ip_owner_id))),
        ("association.public-dns-name", |eni, m| eni.association.iter().for_each(|a| m.offer(&a.public_dns_name))),
        ("association.public-ip", |eni, m| eni.association.iter().for_each(|a| m.offer(&a.public_ip))),
        ("attachment.attach-time", |eni, m| eni.attachment.iter().for_each(|a| m.offer(&a.attach_time))),
        ("attachment.attachment-id", |eni, m| eni.attachment.iter().for_each(|a| m.offer(&a.attachment_id))),
        ("attachment.delete-on-termination", |eni, m| eni.attachment.iter().for_each(|a| m.offer(&a.delete_on_termination))),
        ("attachment.device-index", |eni, m| eni.attachment.iter().for_each(|a| m.offer(&a.device_index))),
        ("attachment.instance-id", |eni, m| eni.attachment.iter().for_each(|a| m.offer(&a.instance_id))),
        ("attachment.instance-owner-id", |eni, m| eni.attachment.iter().for_each(|a| m.offer(&a.instance_owner_id))),
        ("attachment.status", |eni, m| eni.attachment.iter().for_each(|a| m.offer(&a.status))),
        ("availability-zone", |eni, m| m.offer(&eni.availability_zone)),
        ("availability-zone-id", |eni, m| m.offer(&eni.availability_zone_id)),
        ("description", |eni, m| m.offer(&eni.description)),
        ("group-id", |eni, m| eni.groups.iter().for_each(|group| m.offer(&group.group_id))),
        ("group-name", |eni, m| eni.groups.iter().for_each(|group| m.offer(&group.group_name))),
        ("interface-type", |eni, m| {
            m.offer(&eni.interface_type);
            // The one type that the filter spells otherwise than the answer.
            m.offer(&(eni.interface_type.as_deref() == Some("natGateway")).then_some("nat_gateway"));
        }),
        ("ipv6-addresses.ipv6-address", |eni, m| eni.ipv6_addresses.iter().for_each(|a| m.offer(&a.ipv6_address))),
        ("mac-address", |eni, m| m.offer(&eni.mac_address)),
        ("network-interface-id", |eni, m| m.offer(&eni.network_interface_id)),
        ("operator.managed", |eni, m| eni.operator.iter().for_each(|operator| m.offer(&operator.managed))),
        ("operator.principal", |eni, m| eni.operator.iter().for_each(|operator| m.offer(&operator.principal))),
        ("owner-id", |eni, m| m.offer(&eni.owner_id)),
        ("private-dns-name", |eni, m| m.offer(&eni.private_dns_name)),
        ("private-ip-address", |eni, m| m.offer(&eni.private_ip_address)),
        ("requester-id", |eni, m| m.offer(&eni.requester_id)),
        ("requester-managed", |eni, m| m.offer(&eni.requester_managed)),
        ("source-dest-check", |eni, m| m.offer(&eni.source_dest_check)),
        ("status", |eni, m| m.offer(&eni.status)),
        ("subnet-id", |eni, m| m.offer(&eni.subnet_id)),
        ("vpc-id", |eni, m| m.offer(&eni.vpc_id)),
    ],
};

/// An interface.
pub(super) fn interface(network: &Network, eni: &NetworkInterface) -> shapes::NetworkInterface {
    let region = &eni.owner.region;
    let subnet = network.get::<Subnet>(&eni.subnet);
    let named = has_hostnames(network, eni);
    let address = |slot: &PrivateAddress| shapes::NetworkInterfacePrivateIpAddress {
        association: slot.public.as_ref().map(|public| association(network, eni, public)),
        primary: Some(eni.primary_ipv4() == Some(slot.address)),
        private_dns_name: named.then(|| dns::private_ipv4_name(slot.address, region)),
        private_ip_address: Some(slot.address.to_string()),
    };
    let addresses: Vec<_> = eni.private_addresses.iter().map(address).collect();
    let primary = addresses.first().cloned().unwrap_or_default();
    let ipv4_prefix = |prefix: &ipnet::Ipv4Net| shapes::Ipv4PrefixSpecification { ipv4_prefix: Some(prefix.to_string()) };
    let ipv6_prefix = |prefix: &ipnet::Ipv6Net| shapes::Ipv6PrefixSpecification { ipv6_prefix: Some(prefix.to_string()) };
    let has_timeouts = eni.tracking != openvpc_model::TrackingTimeouts::default();
    shapes::NetworkInterface {
        association: primary.association,
        attachment: attachment(network, eni),
        availability_zone: Some(eni.zone.name(region)),
        availability_zone_id: Some(eni.zone.id(region)),
        connection_tracking_configuration: has_timeouts.then(|| tracking(eni)),
        description: Some(eni.description.clone()),
        groups: groups(network, eni),
        interface_type: Some(eni.interface_type.clone()),
        ipv4_prefixes: eni.ipv4_prefixes.iter().map(ipv4_prefix).collect(),
        ipv6_addresses: eni.ipv6_addresses.iter().map(ipv6_address).collect(),
        ipv6_prefixes: eni.ipv6_prefixes.iter().map(ipv6_prefix).collect(),
        ipv6_native: subnet.is_some_and(|subnet| subnet.ipv4_block.is_none()).then_some(true),
        mac_address: Some(eni.mac.to_string()),
        network_interface_id: Some(eni.id.to_string()),
        operator: Some(shapes::OperatorResponse { managed: Some(false), ..Default::default() }),
        owner_id: Some(eni.owner.account.to_string()),
        private_dns_name: primary.private_dns_name,
        private_ip_address: primary.private_ip_address,
        private_ip_addresses: addresses,
        requester_id: eni.requester_managed.then(|| eni.owner.account.to_string()),
        requester_managed: Some(eni.requester_managed),
        source_dest_check: Some(eni.source_dest_check),
        status: Some(if eni.attachment.is_some() || eni.requester_managed { "in-use" } else { "available" }.to_owned()),
        subnet_id: Some(eni.subnet.to_string()),
        tag_set: tagging::shapes(&eni.tags),
        vpc_id: Some(eni.vpc.to_string()),
        ..Default::default()
    }
}

/// The groups of an interface with their names.
pub(in super::super) fn groups(network: &Network, eni: &NetworkInterface) -> Vec<shapes::GroupIdentifier> {
    let group = |id: &openvpc_model::SecurityGroupId| shapes::GroupIdentifier {
        group_id: Some(id.to_string()),
        group_name: network.get::<SecurityGroup>(id).map(|group| group.name.clone()),
    };
    eni.groups.iter().map(group).collect()
}

/// Whether names of addresses are given out in the interface's VPC.
pub(in super::super) fn has_hostnames(network: &Network, eni: &NetworkInterface) -> bool {
    network.get::<Vpc>(&eni.vpc).is_some_and(|vpc| vpc.enable_dns_hostnames)
}

/// Who owns a public address: the account, or Amazon when it came with a launch.
pub(in super::super) fn ip_owner(eni: &NetworkInterface, public: &PublicMapping) -> String {
    public.association.map_or_else(|| "amazon".to_owned(), |_| eni.owner.account.to_string())
}

/// The name of a public address, where names are given out.
pub(in super::super) fn public_name(network: &Network, eni: &NetworkInterface, public: &PublicMapping) -> Option<String> {
    has_hostnames(network, eni).then(|| dns::public_ipv4_name(public.address, &eni.owner.region))
}

/// How far an attachment is: it follows its instance.
pub(in super::super) fn attachment_status(network: &Network, present: &Attachment) -> &'static str {
    match network.get::<Instance>(&present.instance).map(|instance| (instance.state, instance.starts)) {
        Some((InstanceState::Pending, 1)) => "attaching",
        Some((InstanceState::ShuttingDown, _)) => "detaching",
        _ => "attached",
    }
}

fn association(network: &Network, eni: &NetworkInterface, public: &PublicMapping) -> shapes::NetworkInterfaceAssociation {
    let is_it = |eip: &&std::sync::Arc<ElasticIp>| {
        let here = eip.association.as_ref().map(|association| association.id);
        here.is_some() && here == public.association
    };
    let allocation = network.all::<ElasticIp>().find(is_it).map(|eip| eip.id.to_string());
    shapes::NetworkInterfaceAssociation {
        allocation_id: allocation,
        association_id: public.association.map(|id| id.to_string()),
        ip_owner_id: Some(ip_owner(eni, public)),
        public_dns_name: public_name(network, eni, public),
        public_ip: Some(public.address.to_string()),
        ..Default::default()
    }
}

/// How an interface is attached: to its instance, or to what Amazon runs for a service.
fn attachment(network: &Network, eni: &NetworkInterface) -> Option<shapes::NetworkInterfaceAttachment> {
    if eni.requester_managed {
        let digits = eni.id.to_string().split_off(EniId::PREFIX.len());
        return Some(shapes::NetworkInterfaceAttachment {
            attachment_id: Some(format!("{MANAGED_ATTACHMENT}{digits}")),
            delete_on_termination: Some(false),
            device_index: Some(1),
            network_card_index: Some(0),
            instance_owner_id: Some("amazon-aws".to_owned()),
            status: Some("attached".to_owned()),
            ..Default::default()
        });
    }
    let present = eni.attachment.as_ref()?;
    Some(attachment_shape(eni, present, attachment_status(network, present)))
}

/// The attachment of an interface that was detached within the last minute.
pub(super) fn just_ended(eni: &NetworkInterface, now: UnixMillis) -> Option<shapes::NetworkInterfaceAttachment> {
    let (attachment, ended_at) = eni.detached.as_ref()?;
    let just = now.0.saturating_sub(ended_at.0) < 60_000;
    just.then(|| attachment_shape(eni, attachment, "detached"))
}

fn attachment_shape(eni: &NetworkInterface, present: &Attachment, status: &str) -> shapes::NetworkInterfaceAttachment {
    shapes::NetworkInterfaceAttachment {
        attach_time: Some(present.attached_at),
        attachment_id: Some(present.id.to_string()),
        delete_on_termination: Some(present.delete_on_termination),
        device_index: Some(present.device_index.into()),
        network_card_index: Some(0),
        instance_id: Some(present.instance.to_string()),
        instance_owner_id: Some(eni.owner.account.to_string()),
        status: Some(status.to_owned()),
        ..Default::default()
    }
}

fn ipv6_address(address: &std::net::Ipv6Addr) -> shapes::NetworkInterfaceIpv6Address {
    shapes::NetworkInterfaceIpv6Address {
        ipv6_address: Some(address.to_string()),
        is_primary_ipv6: Some(false),
        ..Default::default()
    }
}

fn tracking(eni: &NetworkInterface) -> shapes::ConnectionTrackingConfiguration {
    let seconds = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    shapes::ConnectionTrackingConfiguration {
        tcp_established_timeout: seconds(eni.tracking.tcp_established),
        udp_stream_timeout: seconds(eni.tracking.udp_stream),
        udp_timeout: seconds(eni.tracking.udp),
    }
}
