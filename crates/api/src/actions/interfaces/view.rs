//! Interfaces as answers show them.

use openvpc_model::interface::OUTSIDE_OWNER;
use openvpc_model::{
    Anchor, Attachment, ElasticIp, EniId, Id, Instance, InstanceState, NetworkInterface, PrivateAddress, PublicMapping,
    SecurityGroup, Subnet, UnixMillis, Vpc, dns,
};

use super::super::prelude::*;

/// What the ids of attachments begin with that Amazon manages.
pub(super) const MANAGED_ATTACHMENT: &str = "ela-attach";

/// An interface that may become part of an answer. Filters look at the interface itself, because making the answer of
/// each of a hundred thousand costs more than finding the few that are wanted.
pub(super) struct Row<'a> {
    pub(super) network: &'a Network,
    pub(super) eni: &'a NetworkInterface,
    /// The attachment that ended just now, to be shown in the place of none.
    pub(super) ended: Option<Box<shapes::NetworkInterfaceAttachment>>,
}

impl<'a> Row<'a> {
    pub(super) const FIELDS: Fields<'a, Self> = Fields {
        tags: None,
        fields: &[
            ("addresses.association.owner-id", |row, m| row.public().for_each(|public| m.offer(&ip_owner(row.eni, public)))),
            ("addresses.association.public-ip", |row, m| row.public().for_each(|public| m.show(&public.address))),
            ("addresses.primary", |row, m| {
                let primary = row.eni.primary_ipv4();
                row.eni.private_addresses.iter().for_each(|slot| m.offer(&(primary == Some(slot.address))));
            }),
            ("addresses.private-ip-address", |row, m| row.eni.private_addresses.iter().for_each(|slot| m.show(&slot.address))),
            ("association.allocation-id", |row, m| row.association().iter().for_each(|a| m.offer(&a.allocation_id))),
            ("association.association-id", |row, m| row.association().iter().for_each(|a| m.offer(&a.association_id))),
            ("association.ip-owner-id", |row, m| row.association().iter().for_each(|a| m.offer(&a.ip_owner_id))),
            ("association.public-dns-name", |row, m| row.association().iter().for_each(|a| m.offer(&a.public_dns_name))),
            ("association.public-ip", |row, m| row.association().iter().for_each(|a| m.offer(&a.public_ip))),
            ("attachment.attach-time", |row, m| row.attachment().iter().for_each(|a| m.offer(&a.attach_time))),
            ("attachment.attachment-id", |row, m| row.attachment().iter().for_each(|a| m.offer(&a.attachment_id))),
            ("attachment.delete-on-termination", |row, m| {
                row.attachment().iter().for_each(|a| m.offer(&a.delete_on_termination))
            }),
            ("attachment.device-index", |row, m| row.attachment().iter().for_each(|a| m.offer(&a.device_index))),
            ("attachment.instance-id", |row, m| row.attachment().iter().for_each(|a| m.offer(&a.instance_id))),
            ("attachment.instance-owner-id", |row, m| row.attachment().iter().for_each(|a| m.offer(&a.instance_owner_id))),
            ("attachment.status", |row, m| row.attachment().iter().for_each(|a| m.offer(&a.status))),
            ("availability-zone", |row, m| m.offer(&row.eni.zone.name(&row.eni.owner.region))),
            ("availability-zone-id", |row, m| m.offer(&row.eni.zone.id(&row.eni.owner.region))),
            ("description", |row, m| m.offer(&row.eni.description)),
            ("group-id", |row, m| row.eni.groups.iter().for_each(|group| m.show(group))),
            ("group-name", |row, m| {
                let groups = row.eni.groups.iter().filter_map(|group| row.network.get::<SecurityGroup>(group));
                groups.for_each(|group| m.offer(&group.name));
            }),
            ("interface-type", |row, m| {
                m.offer(&row.eni.interface_type);
                // The one type that the filter spells otherwise than the answer.
                m.offer(&(row.eni.interface_type == "natGateway").then_some("nat_gateway"));
            }),
            ("ipv6-addresses.ipv6-address", |row, m| row.eni.ipv6_addresses.iter().for_each(|address| m.show(address))),
            ("mac-address", |row, m| m.show(&row.eni.mac)),
            ("network-interface-id", |row, m| m.show(&row.eni.id)),
            ("operator.managed", |_, m| m.offer(&operator().managed)),
            ("operator.principal", |_, m| m.offer(&operator().principal)),
            ("owner-id", |row, m| m.show(&row.eni.owner.account)),
            ("private-dns-name", |row, m| m.offer(&private_name(row.network, row.eni))),
            ("private-ip-address", |row, m| row.eni.primary_ipv4().iter().for_each(|address| m.show(address))),
            ("requester-id", |row, m| m.offer(&requester(row.eni))),
            ("requester-managed", |row, m| m.offer(&row.eni.requester_managed)),
            ("source-dest-check", |row, m| m.offer(&row.eni.source_dest_check)),
            ("status", |row, m| m.offer(status(row.eni))),
            ("subnet-id", |row, m| m.show(&row.eni.subnet)),
            ("tag:", |row, m| m.tags(&row.eni.tags)),
            ("vpc-id", |row, m| m.show(&row.eni.vpc)),
        ],
    };

    /// The answer's form.
    pub(super) fn shape(&self) -> shapes::NetworkInterface {
        let mut shape = interface(self.network, self.eni);
        if let Some(ended) = &self.ended {
            shape.attachment = Some((**ended).clone());
        }
        shape
    }

    fn public(&self) -> impl Iterator<Item = &PublicMapping> {
        self.eni.private_addresses.iter().filter_map(|slot| slot.public.as_ref())
    }

    /// The association of the primary address, which most don't have.
    fn association(&self) -> Option<shapes::NetworkInterfaceAssociation> {
        let public = self.eni.private_addresses.first()?.public.as_ref()?;
        Some(association(self.network, self.eni, public))
    }

    fn attachment(&self) -> Option<shapes::NetworkInterfaceAttachment> {
        self.ended.as_deref().cloned().or_else(|| attachment(self.network, self.eni))
    }
}

/// Where an index has what a filter's value names.
type AnchorOf = fn(&str) -> Option<Anchor>;

const OF_INSTANCE: &str = "attachment.instance-id";

/// The filters that an index serves, those first that few interfaces pass.
const INDEXED: &[(&str, AnchorOf)] = &[
    ("mac-address", |value| value.parse().ok().map(Anchor::Mac)),
    ("association.public-ip", |value| value.parse().ok().map(Anchor::PublicAddress)),
    ("addresses.association.public-ip", |value| value.parse().ok().map(Anchor::PublicAddress)),
    ("private-ip-address", |value| value.parse().ok().map(Anchor::Address)),
    ("addresses.private-ip-address", |value| value.parse().ok().map(Anchor::Address)),
    ("ipv6-addresses.ipv6-address", |value| value.parse().ok().map(Anchor::Address)),
    (OF_INSTANCE, |value| value.parse().ok().map(Anchor::Instance)),
    ("subnet-id", |value| value.parse().ok().map(Anchor::Subnet)),
    ("group-id", |value| value.parse().ok().map(Anchor::SecurityGroup)),
    ("vpc-id", |value| value.parse().ok().map(Anchor::Vpc)),
];

/// Where an index has all interfaces that filters can let through; none when no index serves.
pub(super) fn anchors(filters: &[shapes::Filter]) -> Option<Vec<Anchor>> {
    // A value with wildcards, or that is no such id, leaves it to looking at all of them.
    let of = |(name, anchor): &(&str, AnchorOf)| filters::literals(filters, name)?.iter().map(|value| anchor(value)).collect();
    // What was just detached is in no index of instances any more, and still found by its attachment.
    let of_attachment = filters.iter().any(|filter| filter.name.as_deref() == Some("attachment.attachment-id"));
    INDEXED.iter().filter(|(name, _)| !of_attachment || *name != OF_INSTANCE).find_map(of)
}

/// The interfaces that filters name by their ids, in order; none when no filter does.
pub(super) fn named(filters: &[shapes::Filter]) -> Option<Vec<EniId>> {
    let ids = filters::literals(filters, "network-interface-id")?;
    let mut ids: Vec<EniId> = ids.iter().map(|id| id.parse().ok()).collect::<Option<_>>()?;
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

fn operator() -> shapes::OperatorResponse {
    shapes::OperatorResponse { managed: Some(false), ..Default::default() }
}

fn requester(eni: &NetworkInterface) -> Option<String> {
    eni.requester_managed.then(|| eni.owner.account.to_string())
}

fn status(eni: &NetworkInterface) -> &'static str {
    if eni.user().is_some() || eni.requester_managed { "in-use" } else { "available" }
}

fn private_name(network: &Network, eni: &NetworkInterface) -> Option<String> {
    let primary = eni.primary_ipv4()?;
    has_hostnames(network, eni).then(|| dns::private_ipv4_name(primary, &eni.owner.region))
}

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
        operator: Some(operator()),
        owner_id: Some(eni.owner.account.to_string()),
        private_dns_name: private_name(network, eni),
        private_ip_address: primary.private_ip_address,
        private_ip_addresses: addresses,
        requester_id: requester(eni),
        requester_managed: Some(eni.requester_managed),
        source_dest_check: Some(eni.source_dest_check),
        status: Some(status(eni).to_owned()),
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

/// The Elastic IP that a public address is; none for one that came with a launch.
pub(in super::super) fn elastic_ip<'a>(network: &'a Network, public: &PublicMapping) -> Option<&'a std::sync::Arc<ElasticIp>> {
    let association = public.association?;
    let is_it = |eip: &&std::sync::Arc<ElasticIp>| eip.association.as_ref().is_some_and(|here| here.id == association);
    network.by::<ElasticIp>(Anchor::PublicAddress(public.address)).find(is_it)
}

fn association(network: &Network, eni: &NetworkInterface, public: &PublicMapping) -> shapes::NetworkInterfaceAssociation {
    let allocation = elastic_ip(network, public).map(|eip| eip.id.to_string());
    shapes::NetworkInterfaceAssociation {
        allocation_id: allocation,
        association_id: public.association.map(|id| id.to_string()),
        ip_owner_id: Some(ip_owner(eni, public)),
        public_dns_name: public_name(network, eni, public),
        public_ip: Some(public.address.to_string()),
        ..Default::default()
    }
}

/// How an interface is attached: to its instance, to something outside, or to what Amazon runs for a service.
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
    if let Some(outside) = &eni.outside {
        return Some(shapes::NetworkInterfaceAttachment {
            attach_time: Some(outside.attached_at),
            attachment_id: Some(outside.id.to_string()),
            delete_on_termination: Some(false),
            device_index: Some(0),
            network_card_index: Some(0),
            instance_owner_id: Some(OUTSIDE_OWNER.to_owned()),
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
