//! Network interfaces: lifetime and attributes, [`addressing`] and [`attachment`].
//! See "Elastic network interfaces" in the EC2 User Guide.

mod addressing;
mod attachment;
mod managed;
pub(crate) mod prefixes;

use std::net::{Ipv4Addr, Ipv6Addr};

use openvpc_model::interface::MacAddress;
use openvpc_model::{
    Anchor, EniAttachmentId, EniId, FlowLogTarget, NetworkInterface, SecurityGroup, SecurityGroupId, Subnet, SubnetId, Tags,
    TrackingTimeouts, Vpc, VpcId,
};
use serde::Serialize;

use crate::{ControlError, Tx, addresses, flow_logs, interface_permissions, nat_gateways};

pub use addressing::{AssignIpv4, AssignIpv6, assign_ipv4, assign_ipv6, unassign_ipv4, unassign_ipv6};
pub use attachment::{attach, attach_outside, detach, detach_outside};
pub(crate) use attachment::{attach_unchecked, detach_unchecked, refuse_if_in_use};
pub(crate) use managed::{add_managed_ipv4, create_managed, delete_managed, remove_managed_ipv4};
pub use prefixes::{Prefixes, assign_prefixes, unassign_prefixes};

/// What CreateNetworkInterface is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateNetworkInterface {
    /// The subnet.
    pub subnet: SubnetId,
    /// The user's text.
    pub description: String,
    /// Security groups; none for the VPC's default group.
    pub groups: Vec<SecurityGroupId>,
    /// The primary private address; none to have one chosen.
    pub primary_ipv4: Option<Ipv4Addr>,
    /// Secondary private addresses by number.
    pub secondary_ipv4: Vec<Ipv4Addr>,
    /// How many more secondary private addresses to choose.
    pub secondary_ipv4_count: usize,
    /// IPv6 addresses by number.
    pub ipv6: Vec<Ipv6Addr>,
    /// How many IPv6 addresses to choose; none for what the subnet says.
    pub ipv6_count: Option<usize>,
    /// Delegated prefixes.
    pub prefixes: Prefixes,
    /// Connection-tracking timeouts.
    pub tracking: TrackingTimeouts,
    /// Tags.
    pub tags: Tags,
}

impl CreateNetworkInterface {
    /// An interface in that subnet with everything else left to the defaults.
    pub fn new(subnet: SubnetId) -> Self {
        Self {
            subnet,
            description: String::new(),
            groups: Vec::new(),
            primary_ipv4: None,
            secondary_ipv4: Vec::new(),
            secondary_ipv4_count: 0,
            ipv6: Vec::new(),
            ipv6_count: None,
            prefixes: Prefixes::default(),
            tracking: TrackingTimeouts::default(),
            tags: Tags::new(),
        }
    }
}

/// One attribute that ModifyNetworkInterfaceAttribute changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// As the primary interface of an instance: whether it gets a public address at each start.
    AssociatePublicIp(bool),
    /// Whether the interface goes when its instance does.
    DeleteOnTermination(EniAttachmentId, bool),
    /// The user's text.
    Description(String),
    /// Security groups.
    Groups(Vec<SecurityGroupId>),
    /// Whether packets with foreign addresses are dropped.
    SourceDestCheck(bool),
    /// Connection-tracking timeouts; those not given go back to their defaults.
    Tracking(TrackingTimeouts),
}

/// Makes an interface.
///
/// # Errors
/// `InvalidSubnetID.NotFound`, `InvalidGroup.NotFound`, `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse`,
/// `InvalidParameterValue`, `NetworkInterfaceLimitExceeded`, `SecurityGroupsPerInterfaceLimitExceeded`.
pub fn create(tx: &mut Tx, request: CreateNetworkInterface) -> Result<EniId, ControlError> {
    let subnet = tx.find::<Subnet>(&request.subnet)?;
    let limit = tx.quotas().interfaces;
    // Counting takes time that grows with what there is; fewer than the limit in all can't be too many in a zone.
    let few = tx.network().enis.size() < limit;
    if !few && tx.owned::<NetworkInterface>().filter(|eni| eni.zone == subnet.zone).count() >= limit {
        let zone = subnet.zone.name(&subnet.owner.region);
        return Err(ControlError::new(
            "NetworkInterfaceLimitExceeded",
            format!("The maximum number of network interfaces in {zone} has been reached: {limit}"),
        ));
    }
    let groups = match request.groups.as_slice() {
        [] => vec![default_group(tx, subnet.vpc)?],
        groups => check_groups(tx, subnet.vpc, groups)?,
    };
    check_tracking(request.tracking)?;
    let id = tx.new_id();
    tx.put(NetworkInterface {
        id,
        owner: subnet.owner.clone(),
        subnet: subnet.id,
        vpc: subnet.vpc,
        zone: subnet.zone,
        mac: new_mac(tx),
        description: request.description,
        interface_type: "interface".to_owned(),
        requester_managed: false,
        private_addresses: Vec::new(),
        ipv6_addresses: Vec::new(),
        groups,
        source_dest_check: true,
        associate_public_ip: false,
        attachment: None,
        detached: None,
        outside: None,
        ipv4_prefixes: Vec::new(),
        ipv6_prefixes: Vec::new(),
        tracking: request.tracking,
        tags: request.tags,
    });
    let ipv6_count = match request.ipv6_count {
        Some(count) => count,
        None => {
            let nothing = request.ipv6.is_empty() && request.prefixes.ipv6.is_empty() && request.prefixes.ipv6_count == 0;
            usize::from(nothing && subnet.assign_ipv6_address_on_creation)
        }
    };
    let ipv6 = AssignIpv6 { addresses: request.ipv6, count: ipv6_count };
    let placed = addressing::place_ipv4(tx, id, request.primary_ipv4, &request.secondary_ipv4, request.secondary_ipv4_count);
    let prefixes = request.prefixes;
    let placed = placed.and_then(|()| if prefixes.is_empty() { Ok(()) } else { assign_prefixes(tx, id, &prefixes).map(drop) });
    let placed = placed.and_then(|()| if ipv6.is_empty() { Ok(()) } else { assign_ipv6(tx, id, &ipv6).map(drop) });
    if let Err(error) = placed {
        // RunInstances goes on with fewer instances when a subnet is full.
        tx.remove::<NetworkInterface>(&id);
        return Err(error);
    }
    nat_gateways::follow_interface(tx, subnet.vpc, subnet.zone);
    Ok(id)
}

/// Removes an interface that nobody has. Its Elastic IPs stay allocated.
///
/// # Errors
/// `InvalidNetworkInterface.InUse`, `OperationNotPermitted` for one that a service manages.
pub fn delete(tx: &mut Tx, id: EniId) -> Result<(), ControlError> {
    let eni = tx.find::<NetworkInterface>(&id)?;
    refuse_if_managed(&eni)?;
    if let Some(user) = eni.user() {
        return Err(ControlError::new(
            "InvalidNetworkInterface.InUse",
            format!("Network interface '{id}' is currently in use by {user}"),
        ));
    }
    delete_unchecked(tx, id)
}

/// Changes one attribute.
///
/// # Errors
/// `InvalidAttachmentID.NotFound`, `InvalidGroup.NotFound`, `InvalidParameterValue`,
/// `SecurityGroupsPerInterfaceLimitExceeded`, `OperationNotPermitted` for one that a service manages.
pub fn modify(tx: &mut Tx, id: EniId, attribute: Attribute) -> Result<(), ControlError> {
    let eni = tx.find::<NetworkInterface>(&id)?;
    refuse_if_managed(&eni)?;
    let mut eni = (*eni).clone();
    match attribute {
        Attribute::AssociatePublicIp(value) => eni.associate_public_ip = value,
        Attribute::DeleteOnTermination(attachment, value) => match &mut eni.attachment {
            Some(present) if present.id == attachment => present.delete_on_termination = value,
            _ => return Err(attachment::no_such_attachment(attachment)),
        },
        Attribute::Description(value) => eni.description = value,
        Attribute::Groups(groups) => eni.groups = check_groups(tx, eni.vpc, &groups)?,
        Attribute::SourceDestCheck(value) => eni.source_dest_check = value,
        Attribute::Tracking(value) => {
            check_tracking(value)?;
            eni.tracking = value;
        }
    }
    tx.put(eni);
    Ok(())
}

/// Removes an interface whatever its attachment says.
pub(crate) fn delete_unchecked(tx: &mut Tx, id: EniId) -> Result<(), ControlError> {
    let eni = tx.find::<NetworkInterface>(&id)?;
    for slot in &eni.private_addresses {
        addresses::unmap(tx, id, slot.address)?;
    }
    flow_logs::end_with(tx, FlowLogTarget::NetworkInterface(id));
    interface_permissions::end_with_interface(tx, id);
    tx.remove::<NetworkInterface>(&id);
    Ok(())
}

/// Users may look at the interfaces that services made, but not touch them.
pub(crate) fn refuse_if_managed(eni: &NetworkInterface) -> Result<(), ControlError> {
    if eni.requester_managed {
        return Err(ControlError::new(
            "OperationNotPermitted",
            format!("The network interface {} is managed by a service ({}) and can't be changed", eni.id, eni.interface_type),
        ));
    }
    Ok(())
}

/// All groups exist and belong to the VPC, and there aren't too many; returns them once each.
pub(crate) fn check_groups(tx: &Tx, vpc: VpcId, groups: &[SecurityGroupId]) -> Result<Vec<SecurityGroupId>, ControlError> {
    let mut checked = Vec::new();
    for id in groups {
        let group = tx.find::<SecurityGroup>(id)?;
        if !group.is_in(vpc) {
            return Err(ControlError::new(
                "InvalidParameter",
                format!("Security group {id} ({}) and the interface's subnet ({vpc}) belong to different networks.", group.vpc),
            ));
        }
        if !checked.contains(id) {
            checked.push(*id);
        }
    }
    let limit = tx.quotas().groups_per_interface;
    if checked.len() > limit {
        return Err(ControlError::new(
            "SecurityGroupsPerInterfaceLimitExceeded",
            format!("The maximum number of security groups per interface has been reached: {limit}"),
        ));
    }
    if checked.is_empty() {
        return Err(ControlError::invalid_value("A network interface needs at least one security group"));
    }
    Ok(checked)
}

fn default_group(tx: &Tx, vpc: VpcId) -> Result<SecurityGroupId, ControlError> {
    Ok(tx.find::<Vpc>(&vpc)?.default_security_group)
}

fn check_tracking(tracking: TrackingTimeouts) -> Result<(), ControlError> {
    let limits = [
        ("TcpEstablishedTimeout", tracking.tcp_established, 60..=432_000),
        ("UdpStreamTimeout", tracking.udp_stream, 60..=180),
        ("UdpTimeout", tracking.udp, 30..=60),
    ];
    for (name, value, allowed) in limits {
        if value.is_some_and(|value| !allowed.contains(&value)) {
            return Err(ControlError::invalid_value(format!(
                "Value for parameter {name} is invalid: use {} to {} seconds",
                allowed.start(),
                allowed.end()
            )));
        }
    }
    Ok(())
}

/// A hardware address that no other interface has: a link-local IPv6 address is made of it.
fn new_mac(tx: &Tx) -> MacAddress {
    loop {
        let mac = MacAddress::from_random(tx.random());
        if tx.network().by::<NetworkInterface>(Anchor::Mac(mac)).next().is_none() {
            return mac;
        }
    }
}
