//! VPCs attached to transit gateways. See "Amazon VPC attachments" in the Transit Gateways guide.

use std::collections::BTreeSet;

use openvpc_model::transit_gateway::{
    AttachedResource, AttachedVpc, TransitGatewayAttachmentState as State, VpcAttachmentOptions,
};
use openvpc_model::{
    EniId, NetworkInterface, Subnet, SubnetId, Tags, TransitGatewayAttachment, TransitGatewayAttachmentId, TransitGatewayId, Vpc,
    VpcId,
};

use super::{attachments, of_region};
use crate::interfaces::{self, CreateNetworkInterface};
use crate::{ControlError, Missing, Tx};

/// Options to set; none leaves one at its default, or as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's")]
pub struct Options {
    pub dns_support: Option<bool>,
    pub security_group_referencing_support: Option<bool>,
    pub ipv6_support: Option<bool>,
    pub appliance_mode_support: Option<bool>,
}

/// Attaches a VPC of the caller by one subnet per zone at most.
///
/// # Errors
/// `InvalidTransitGatewayID.NotFound`, `InvalidVpcID.NotFound`, `InvalidSubnetID.NotFound`, `DuplicateSubnetsInSameZone`,
/// `DuplicateTransitGatewayAttachment`, `InvalidParameterValue` for a subnet of another VPC or without IPv4,
/// `InsufficientFreeAddressesInSubnet`, `TransitGatewayAttachmentLimitExceeded`.
pub fn create(
    tx: &mut Tx,
    gateway: TransitGatewayId,
    vpc: VpcId,
    subnets: &[SubnetId],
    options: Options,
    tags: Tags,
) -> Result<TransitGatewayAttachmentId, ControlError> {
    of_region(tx, gateway)?;
    tx.find::<Vpc>(&vpc)?;
    if tx.network().transit_gateway_attachment_of(gateway, vpc).is_some() {
        let message = format!("{gateway} has non-deleted Transit Gateway Attachments with same VPC ID.");
        return Err(ControlError::new("DuplicateTransitGatewayAttachment", message));
    }
    if subnets.is_empty() {
        return Err(ControlError::missing_parameter("SubnetIds"));
    }
    check_gateways_of(tx, vpc)?;
    let id = tx.new_id();
    let options = changed(VpcAttachmentOptions::default(), options);
    check_subnets(tx, vpc, subnets)?;
    let mut placed = Vec::new();
    for subnet in subnets {
        placed.push((*subnet, make_interface(tx, id, *subnet, options.ipv6_support)?));
    }
    let resource = AttachedResource::Vpc(AttachedVpc { vpc, subnets: placed, options });
    attachments::attach_as(tx, id, gateway, resource, tags)?;
    Ok(id)
}

/// Changes the subnets and the options of an attachment of the caller's VPC.
///
/// # Errors
/// As [`create`]; `IncorrectState` before the attachment is accepted, `InvalidParameterValue` when no subnet would be left.
pub fn modify(
    tx: &mut Tx,
    id: TransitGatewayAttachmentId,
    add: &[SubnetId],
    remove: &[SubnetId],
    options: Options,
) -> Result<(), ControlError> {
    let mut attachment = attachments::living(tx, id)?;
    let AttachedResource::Vpc(attached) = &mut attachment.resource else {
        return Err(TransitGatewayAttachment::missing(&id));
    };
    if attachment.owner != *tx.owner() {
        return Err(ControlError::new("OperationNotPermitted", format!("Only the owner of {} may modify {id}", attached.vpc)));
    }
    if attachment.state != State::Available {
        return attachments::check_state(&attachment, State::Available);
    }
    for subnet in remove {
        let at = attached.subnets.iter().position(|(present, _)| present == subnet);
        let at = at.ok_or_else(|| {
            ControlError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{subnet}' is not one of the attachment {id}"))
        })?;
        let (_, eni) = attached.subnets.remove(at);
        tx.remove::<NetworkInterface>(&eni);
    }
    let all: Vec<SubnetId> = attached.subnets.iter().map(|(subnet, _)| *subnet).chain(add.iter().copied()).collect();
    if all.is_empty() {
        return Err(ControlError::invalid_value(format!("The attachment {id} needs at least one subnet")));
    }
    check_subnets(tx, attached.vpc, &all)?;
    let before = attached.options;
    attached.options = changed(before, options);
    if attached.options.ipv6_support != before.ipv6_support {
        for (subnet, eni) in &attached.subnets {
            set_ipv6(tx, *subnet, *eni, attached.options.ipv6_support)?;
        }
    }
    for subnet in add {
        attached.subnets.push((*subnet, make_interface(tx, id, *subnet, attached.options.ipv6_support)?));
    }
    tx.put(attachment);
    Ok(())
}

/// Accepts the attachment of another account's VPC to the caller's gateway.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState` unless it waits, `OperationNotPermitted`.
pub fn accept(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    let mut attachment = waiting(tx, id)?;
    attachments::open(tx, &mut attachment);
    tx.put(attachment);
    Ok(())
}

/// Refuses the attachment of another account's VPC to the caller's gateway.
///
/// # Errors
/// As [`accept`].
pub fn reject(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    let attachment = waiting(tx, id)?;
    attachments::end(tx, attachment, State::Rejected);
    Ok(())
}

/// Takes the attachment of a VPC away: its owner, or the gateway's.
///
/// # Errors
/// `InvalidTransitGatewayAttachmentID.NotFound`, `IncorrectState` while Connect attachments use it.
pub fn delete(tx: &mut Tx, id: TransitGatewayAttachmentId) -> Result<(), ControlError> {
    let attachment = attachments::living(tx, id)?;
    if attachment.vpc().is_none() {
        return Err(TransitGatewayAttachment::missing(&id));
    }
    let over_it = |a: &&std::sync::Arc<TransitGatewayAttachment>| matches!(a.resource, AttachedResource::Connect { transport } if transport == id);
    if let Some(connect) = attachments::living_on(tx.network(), attachment.transit_gateway).find(over_it) {
        let message = format!("{id} has non-deleted Connect Attachments: {}.", connect.id);
        return Err(ControlError::new("IncorrectState", message));
    }
    attachments::end(tx, attachment, State::Deleted);
    Ok(())
}

fn waiting(tx: &Tx, id: TransitGatewayAttachmentId) -> Result<TransitGatewayAttachment, ControlError> {
    let attachment = attachments::living(tx, id)?;
    if attachment.vpc().is_none() {
        return Err(TransitGatewayAttachment::missing(&id));
    }
    attachments::check_state(&attachment, State::PendingAcceptance)?;
    if attachment.transit_gateway_owner != *tx.owner() {
        let message = format!("Only the owner of {} may accept or reject {id}", attachment.transit_gateway);
        return Err(ControlError::new("OperationNotPermitted", message));
    }
    Ok(attachment)
}

fn changed(present: VpcAttachmentOptions, asked: Options) -> VpcAttachmentOptions {
    VpcAttachmentOptions {
        dns_support: asked.dns_support.unwrap_or(present.dns_support),
        security_group_referencing_support: asked
            .security_group_referencing_support
            .unwrap_or(present.security_group_referencing_support),
        ipv6_support: asked.ipv6_support.unwrap_or(present.ipv6_support),
        appliance_mode_support: asked.appliance_mode_support.unwrap_or(present.appliance_mode_support),
    }
}

/// All subnets are of the VPC, have IPv4 and are in different zones.
fn check_subnets(tx: &Tx, vpc: VpcId, subnets: &[SubnetId]) -> Result<(), ControlError> {
    let mut zones = BTreeSet::new();
    for id in subnets {
        let subnet = tx.find::<Subnet>(id)?;
        if subnet.vpc != vpc {
            return Err(ControlError::invalid_value(format!("The subnet {id} is not in {vpc}")));
        }
        if subnet.ipv4_block.is_none() {
            return Err(ControlError::invalid_value(format!("The subnet {id} has IPv6 only and can't be attached")));
        }
        if !zones.insert(subnet.zone) {
            return Err(ControlError::new("DuplicateSubnetsInSameZone", "Duplicate Subnets for same AZ"));
        }
    }
    Ok(())
}

fn check_gateways_of(tx: &Tx, vpc: VpcId) -> Result<(), ControlError> {
    let limit = tx.quotas().transit_gateways_per_vpc;
    let is_its = |a: &TransitGatewayAttachment| a.is_alive() && a.vpc().is_some_and(|attached| attached.vpc == vpc);
    if tx.owned::<TransitGatewayAttachment>().filter(|attachment| is_its(attachment)).count() < limit {
        return Ok(());
    }
    let message = format!("The maximum number of transit gateways that {vpc} is attached to has been reached: {limit}");
    Err(ControlError::new("TransitGatewayAttachmentLimitExceeded", message))
}

/// The gateway's interface in a subnet. It has no security groups: the gateway lets through whatever is routed to it.
fn make_interface(tx: &mut Tx, id: TransitGatewayAttachmentId, subnet: SubnetId, ipv6: bool) -> Result<EniId, ControlError> {
    let has_ipv6 = !tx.find::<Subnet>(&subnet)?.ipv6_blocks.is_empty();
    let request = CreateNetworkInterface {
        description: format!("Network Interface for Transit Gateway Attachment {id}"),
        ipv6_count: Some(usize::from(ipv6 && has_ipv6)),
        ..CreateNetworkInterface::new(subnet)
    };
    interfaces::create_managed(tx, request, "transit_gateway")
}

/// Gives the gateway's interface an IPv6 address, or takes it away.
fn set_ipv6(tx: &mut Tx, subnet: SubnetId, eni: EniId, wanted: bool) -> Result<(), ControlError> {
    if !wanted {
        return tx.update::<NetworkInterface, _>(&eni, |interface| interface.ipv6_addresses.clear());
    }
    let subnet = tx.find::<Subnet>(&subnet)?;
    if subnet.ipv6_blocks.is_empty() {
        return Ok(());
    }
    let address = crate::subnets::allocate_ipv6(tx, &subnet)?;
    tx.update::<NetworkInterface, _>(&eni, |interface| interface.ipv6_addresses.push(address))
}
