//! Instances as answers show them.

use std::cell::OnceCell;
use std::fmt;
use std::str::FromStr;

use openvpc_model::{
    IamName, Instance, InstanceId, InstanceState, NetworkInterface, PrivateAddress, PublicMapping, ReservationId, Subnet, dns,
};

use super::super::interfaces::view as interfaces;
use super::super::prelude::*;

/// Where the root file system would be; there are no volumes behind it.
pub(super) const ROOT_DEVICE: &str = "/dev/xvda";

/// An instance that may become part of an answer.
pub(super) struct Row<'a> {
    pub(super) network: &'a Network,
    pub(super) instance: &'a Instance,
    /// Made when the first filter asks for it.
    shape: OnceCell<Box<shapes::Instance>>,
}

impl<'a> Row<'a> {
    pub(super) fn new(network: &'a Network, instance: &'a Instance) -> Self {
        Self { network, instance, shape: OnceCell::new() }
    }

    /// The answer's form.
    pub(super) fn shape(&self) -> &shapes::Instance {
        self.shape.get_or_init(|| Box::new(instance_shape(self.network, self.instance)))
    }

    fn into_shape(self) -> shapes::Instance {
        self.shape();
        self.shape.into_inner().map_or_else(Default::default, |shape| *shape)
    }
}

/// Instances are shown by the calls that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(ReservationId, u32, InstanceId);

impl Place {
    pub(super) fn of(instance: &Instance) -> Self {
        Self(instance.reservation, instance.launch_index, instance.id)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.0, self.1, self.2)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, ' ');
        let mut next = || parts.next().ok_or(());
        Ok(Self(next()?.parse().map_err(drop)?, next()?.parse().map_err(drop)?, next()?.parse().map_err(drop)?))
    }
}

/// Instances under the calls that made them. Those of one call must follow one another.
pub(super) fn reservations(rows: Vec<Row<'_>>) -> Vec<shapes::Reservation> {
    let mut reservations: Vec<shapes::Reservation> = Vec::new();
    for row in rows {
        let id = row.instance.reservation.to_string();
        match reservations.last_mut() {
            Some(last) if last.reservation_id.as_ref() == Some(&id) => last.instances.push(row.into_shape()),
            _ => reservations.push(shapes::Reservation {
                reservation_id: Some(id),
                owner_id: Some(row.instance.owner.account.to_string()),
                instances: vec![row.into_shape()],
                ..Default::default()
            }),
        }
    }
    reservations
}

/// A state's name and number.
pub(super) fn state(state: InstanceState) -> shapes::InstanceState {
    shapes::InstanceState { code: Some(state.code()), name: Some(state.as_str().to_owned()) }
}

/// The status checks: passed while the instance runs.
pub(super) fn status(instance: &Instance) -> shapes::InstanceStatus {
    let region = &instance.owner.region;
    let runs = instance.state == InstanceState::Running;
    let detail = shapes::InstanceStatusDetails {
        name: Some("reachability".to_owned()),
        status: Some("passed".to_owned()),
        ..Default::default()
    };
    let summary = shapes::InstanceStatusSummary {
        status: Some(if runs { "ok" } else { "not-applicable" }.to_owned()),
        details: if runs { vec![detail] } else { Vec::new() },
    };
    shapes::InstanceStatus {
        instance_id: Some(instance.id.to_string()),
        availability_zone: Some(instance.zone.name(region)),
        availability_zone_id: Some(instance.zone.id(region)),
        instance_state: Some(state(instance.state)),
        instance_status: Some(summary.clone()),
        system_status: Some(summary),
        operator: Some(unmanaged()),
        ..Default::default()
    }
}

fn instance_shape(network: &Network, instance: &Instance) -> shapes::Instance {
    let region = &instance.owner.region;
    let primary = network.get::<NetworkInterface>(&instance.primary_eni);
    let gone = instance.state == InstanceState::Terminated;
    let primary = primary.filter(|_| !gone);
    let subnet = network.get::<Subnet>(&instance.subnet).filter(|_| !gone);
    let public = primary.and_then(|eni| eni.private_addresses.first()).and_then(|slot| slot.public.as_ref());
    let (code, reason) = instance.state_reason.split_once(": ").unwrap_or(("", &instance.state_reason));
    let options = &instance.options;
    shapes::Instance {
        ami_launch_index: i32::try_from(instance.launch_index).ok(),
        architecture: Some("x86_64".to_owned()),
        boot_mode: Some("uefi-preferred".to_owned()),
        capacity_reservation_specification: Some(shapes::CapacityReservationSpecificationResponse {
            capacity_reservation_preference: Some("open".to_owned()),
            ..Default::default()
        }),
        client_token: Some(instance.client_token.clone().unwrap_or_default()),
        cpu_options: Some(shapes::CpuOptions { core_count: Some(1), threads_per_core: Some(1), ..Default::default() }),
        current_instance_boot_mode: Some("uefi".to_owned()),
        ebs_optimized: Some(options.ebs_optimized),
        ena_support: Some(true),
        enclave_options: Some(shapes::EnclaveOptions { enabled: Some(false) }),
        hibernation_options: Some(shapes::HibernationOptions { configured: Some(false) }),
        hypervisor: Some("xen".to_owned()),
        iam_instance_profile: options.iam_instance_profile.as_deref().map(|arn| profile(network, instance, arn)),
        image_id: Some(instance.image.clone()),
        instance_id: Some(instance.id.to_string()),
        instance_type: Some(instance.instance_type.clone()),
        ipv6_address: primary.and_then(|eni| eni.ipv6_addresses.first()).map(ToString::to_string),
        key_name: instance.key_name.clone(),
        launch_time: Some(instance.launched_at),
        maintenance_options: Some(shapes::InstanceMaintenanceOptions {
            auto_recovery: Some("default".to_owned()),
            ..Default::default()
        }),
        metadata_options: Some(metadata_options(instance)),
        monitoring: Some(shapes::Monitoring { state: Some(if options.monitoring { "enabled" } else { "disabled" }.to_owned()) }),
        network_interfaces: network.enis_of(instance.id).into_iter().map(|eni| interface(network, eni)).collect(),
        operator: Some(unmanaged()),
        placement: Some(shapes::Placement {
            availability_zone: Some(instance.zone.name(region)),
            availability_zone_id: Some(instance.zone.id(region)),
            group_name: Some(String::new()),
            tenancy: Some("default".to_owned()),
            ..Default::default()
        }),
        platform_details: Some("Linux/UNIX".to_owned()),
        private_dns_name: Some(
            subnet.map_or_else(String::new, |subnet| private_name(instance, subnet, primary.map(|eni| &**eni))),
        ),
        private_dns_name_options: subnet.map(|subnet| shapes::PrivateDnsNameOptionsResponse {
            hostname_type: Some(subnet.hostname_type.clone()),
            enable_resource_name_dns_a_record: Some(subnet.resource_name_dns_a_record),
            enable_resource_name_dns_aaaa_record: Some(subnet.resource_name_dns_aaaa_record),
        }),
        private_ip_address: primary.and_then(|eni| eni.primary_ipv4()).map(|address| address.to_string()),
        public_dns_name: Some(
            primary.zip(public).and_then(|(eni, public)| interfaces::public_name(network, eni, public)).unwrap_or_default(),
        ),
        public_ip_address: public.map(|public| public.address.to_string()),
        root_device_name: Some(ROOT_DEVICE.to_owned()),
        root_device_type: Some("ebs".to_owned()),
        security_groups: primary.map(|eni| interfaces::groups(network, eni)).unwrap_or_default(),
        source_dest_check: primary.map(|eni| eni.source_dest_check),
        state: Some(state(instance.state)),
        state_reason: (!instance.state_reason.is_empty())
            .then(|| shapes::StateReason { code: Some(code.to_owned()), message: Some(instance.state_reason.clone()) }),
        state_transition_reason: Some(transition_reason(instance, reason)),
        subnet_id: subnet.map(|subnet| subnet.id.to_string()),
        tags: tagging::shapes(&instance.tags),
        usage_operation: Some("RunInstances".to_owned()),
        usage_operation_update_time: Some(instance.launched_at),
        virtualization_type: Some("hvm".to_owned()),
        vpc_id: (!gone).then(|| instance.vpc.to_string()),
        ..Default::default()
    }
}

/// An instance profile, with its id where IAM knows it.
pub(super) fn profile(network: &Network, instance: &Instance, arn: &str) -> shapes::IamInstanceProfile {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let known = network.instance_profiles.get(&IamName::new(instance.owner.account, name));
    let id = known.filter(|profile| profile.arn() == arn).map(|profile| profile.id.clone());
    shapes::IamInstanceProfile { arn: Some(arn.to_owned()), id }
}

/// The name of the instance inside its VPC, made of what the subnet says.
fn private_name(instance: &Instance, subnet: &Subnet, primary: Option<&NetworkInterface>) -> String {
    let region = &instance.owner.region;
    match primary.and_then(NetworkInterface::primary_ipv4) {
        Some(address) if subnet.hostname_type == "ip-name" => dns::private_ipv4_name(address, region),
        _ => dns::resource_name(instance.id, region),
    }
}

/// `User initiated (2026-09-21 14:14:02 GMT)`, with the time where it is known.
fn transition_reason(instance: &Instance, reason: &str) -> String {
    match (instance.state_reason.starts_with("Client.UserInitiatedShutdown"), instance.terminated_at) {
        (true, Some(at)) => {
            let c = at.civil();
            let (date, time) =
                (format!("{:04}-{:02}-{:02}", c.year, c.month, c.day), format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second));
            format!("User initiated ({date} {time} GMT)")
        }
        (true, None) => "User initiated".to_owned(),
        (false, _) => reason.to_owned(),
    }
}

/// What the metadata service of an instance is asked to do.
pub(super) fn metadata_options(instance: &Instance) -> shapes::InstanceMetadataOptionsResponse {
    let options = &instance.options;
    shapes::InstanceMetadataOptionsResponse {
        state: Some("applied".to_owned()),
        http_tokens: Some(options.http_tokens.clone()),
        http_put_response_hop_limit: Some(options.http_put_response_hop_limit.into()),
        http_endpoint: Some(options.http_endpoint.clone()),
        http_protocol_ipv6: Some(options.http_protocol_ipv6.clone()),
        instance_metadata_tags: Some(options.instance_metadata_tags.clone()),
    }
}

fn interface(network: &Network, eni: &NetworkInterface) -> shapes::InstanceNetworkInterface {
    let region = &eni.owner.region;
    let named = interfaces::has_hostnames(network, eni);
    let association = |public: &PublicMapping| shapes::InstanceNetworkInterfaceAssociation {
        ip_owner_id: Some(interfaces::ip_owner(eni, public)),
        public_dns_name: interfaces::public_name(network, eni, public),
        public_ip: Some(public.address.to_string()),
        ..Default::default()
    };
    let address = |slot: &PrivateAddress| shapes::InstancePrivateIpAddress {
        association: slot.public.as_ref().map(association),
        primary: Some(eni.primary_ipv4() == Some(slot.address)),
        private_dns_name: named.then(|| dns::private_ipv4_name(slot.address, region)),
        private_ip_address: Some(slot.address.to_string()),
    };
    let addresses: Vec<_> = eni.private_addresses.iter().map(address).collect();
    let primary = addresses.first().cloned().unwrap_or_default();
    let attachment = |present: &openvpc_model::Attachment| shapes::InstanceNetworkInterfaceAttachment {
        attach_time: Some(present.attached_at),
        attachment_id: Some(present.id.to_string()),
        delete_on_termination: Some(present.delete_on_termination),
        device_index: Some(present.device_index.into()),
        network_card_index: Some(0),
        status: Some(interfaces::attachment_status(network, present).to_owned()),
        ..Default::default()
    };
    let ipv6 = |address: &std::net::Ipv6Addr| shapes::InstanceIpv6Address {
        ipv6_address: Some(address.to_string()),
        is_primary_ipv6: Some(false),
    };
    let ipv4_prefix = |prefix: &ipnet::Ipv4Net| shapes::InstanceIpv4Prefix { ipv4_prefix: Some(prefix.to_string()) };
    let ipv6_prefix = |prefix: &ipnet::Ipv6Net| shapes::InstanceIpv6Prefix { ipv6_prefix: Some(prefix.to_string()) };
    shapes::InstanceNetworkInterface {
        association: primary.association,
        attachment: eni.attachment.as_ref().map(attachment),
        description: Some(eni.description.clone()),
        groups: interfaces::groups(network, eni),
        interface_type: Some(eni.interface_type.clone()),
        ipv4_prefixes: eni.ipv4_prefixes.iter().map(ipv4_prefix).collect(),
        ipv6_addresses: eni.ipv6_addresses.iter().map(ipv6).collect(),
        ipv6_prefixes: eni.ipv6_prefixes.iter().map(ipv6_prefix).collect(),
        mac_address: Some(eni.mac.to_string()),
        network_interface_id: Some(eni.id.to_string()),
        operator: Some(unmanaged()),
        owner_id: Some(eni.owner.account.to_string()),
        private_dns_name: primary.private_dns_name,
        private_ip_address: primary.private_ip_address,
        private_ip_addresses: addresses,
        source_dest_check: Some(eni.source_dest_check),
        status: Some("in-use".to_owned()),
        subnet_id: Some(eni.subnet.to_string()),
        vpc_id: Some(eni.vpc.to_string()),
        ..Default::default()
    }
}

fn unmanaged() -> shapes::OperatorResponse {
    shapes::OperatorResponse { managed: Some(false), ..Default::default() }
}
