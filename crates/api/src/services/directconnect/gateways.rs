//! Direct Connect gateways, their associations, attachments and association proposals.

use openvpc_control::direct_connect::{associations, gateways, proposals};
use openvpc_model::direct_connect::{AssociableGateway, VirtualInterfaceKind};
use openvpc_model::{
    DirectConnectAssociation, DirectConnectAssociationId, DirectConnectGateway, DirectConnectProposal, DirectConnectProposalId,
    Owner, VirtualInterface,
};

use super::interfaces::{gateway_id, interface_id, prefixes};
use super::view::{prefix_shapes, tag_shapes};
use super::*;

pub(super) fn create(
    ctx: &Ctx<'_>,
    request: shapes::CreateDirectConnectGatewayRequest,
) -> Result<shapes::CreateDirectConnectGatewayResult, ApiError> {
    let name = required(&request.direct_connect_gateway_name)?.to_owned();
    let asn = request.amazon_side_asn.unwrap_or(gateways::DEFAULT_ASN.into());
    let tags = new_tags(&request.tags)?;
    let shape = ctx.mutate(|tx| {
        let id = gateways::create(tx, name, asn, tags)?;
        Ok(tx.network().get::<DirectConnectGateway>(&id).map(|gateway| gateway_shape(gateway, "pending")))
    })?;
    Ok(shapes::CreateDirectConnectGatewayResult { direct_connect_gateway: shape })
}

pub(super) fn update(
    ctx: &Ctx<'_>,
    request: shapes::UpdateDirectConnectGatewayRequest,
) -> Result<shapes::UpdateDirectConnectGatewayResponse, ApiError> {
    let id = gateway_id(required(&request.direct_connect_gateway_id)?)?;
    let name = required(&request.new_direct_connect_gateway_name)?.to_owned();
    let shape = ctx.mutate(|tx| {
        gateways::rename(tx, id, name)?;
        Ok(tx.network().get::<DirectConnectGateway>(&id).map(|gateway| gateway_shape(gateway, "available")))
    })?;
    Ok(shapes::UpdateDirectConnectGatewayResponse { direct_connect_gateway: shape })
}

pub(super) fn delete(
    ctx: &Ctx<'_>,
    request: shapes::DeleteDirectConnectGatewayRequest,
) -> Result<shapes::DeleteDirectConnectGatewayResult, ApiError> {
    let id = gateway_id(required(&request.direct_connect_gateway_id)?)?;
    let gateway = ctx.mutate(|tx| gateways::delete(tx, id))?;
    Ok(shapes::DeleteDirectConnectGatewayResult { direct_connect_gateway: Some(gateway_shape(&gateway, "deleting")) })
}

/// One that isn't there is no error here: tools look for a gateway until it has gone.
pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeDirectConnectGatewaysRequest,
) -> Result<shapes::DescribeDirectConnectGatewaysResult, ApiError> {
    let network = ctx.network()?;
    let wanted = request.direct_connect_gateway_id.as_deref().map(gateway_id).transpose()?;
    let found = gateways::owned(&network, ctx.owner().account)
        .filter(|gateway| wanted.is_none_or(|id| id == gateway.id))
        .map(|gateway| gateway_shape(gateway, "available"))
        .collect();
    let (direct_connect_gateways, next_token) = cut(found, request.max_results, &request.next_token)?;
    Ok(shapes::DescribeDirectConnectGatewaysResult { direct_connect_gateways, next_token })
}

pub(super) fn create_association(
    ctx: &Ctx<'_>,
    request: shapes::CreateDirectConnectGatewayAssociationRequest,
) -> Result<shapes::CreateDirectConnectGatewayAssociationResult, ApiError> {
    let id = gateway_id(required(&request.direct_connect_gateway_id)?)?;
    let with = request.gateway_id.or(request.virtual_gateway_id).unwrap_or_default();
    let with = associable(&with)?;
    let allowed = prefixes(&request.add_allowed_prefixes_to_direct_connect_gateway)?;
    let association = ctx.mutate(|tx| {
        let made = associations::create(tx, id, with, allowed)?;
        Ok(shape_of(tx.network(), made, "associating"))
    })?;
    Ok(shapes::CreateDirectConnectGatewayAssociationResult { direct_connect_gateway_association: association })
}

pub(super) fn update_association(
    ctx: &Ctx<'_>,
    request: shapes::UpdateDirectConnectGatewayAssociationRequest,
) -> Result<shapes::UpdateDirectConnectGatewayAssociationResult, ApiError> {
    let id = association_id(required(&request.association_id)?)?;
    let add = prefixes(&request.add_allowed_prefixes_to_direct_connect_gateway)?;
    let remove = prefixes(&request.remove_allowed_prefixes_to_direct_connect_gateway)?;
    let association = ctx.mutate(|tx| {
        associations::update(tx, id, &add, &remove)?;
        Ok(shape_of(tx.network(), id, "updating"))
    })?;
    Ok(shapes::UpdateDirectConnectGatewayAssociationResult { direct_connect_gateway_association: association })
}

pub(super) fn delete_association(
    ctx: &Ctx<'_>,
    request: shapes::DeleteDirectConnectGatewayAssociationRequest,
) -> Result<shapes::DeleteDirectConnectGatewayAssociationResult, ApiError> {
    let id = match (&request.association_id, &request.direct_connect_gateway_id, &request.virtual_gateway_id) {
        (Some(text), _, _) => association_id(text)?,
        (None, Some(gateway), Some(vpn)) => {
            let (gateway, vpn) = (gateway_id(gateway)?, id(vpn, "Virtual Gateway")?);
            associations::between(&*ctx.network()?, ctx.owner().account, gateway, vpn)?
        }
        _ => return Err(refused("Give an association ID, or a Direct Connect gateway ID and a virtual gateway ID.")),
    };
    let association = ctx.mutate(|tx| {
        let gone = associations::delete(tx, id)?;
        Ok(association_shape(&gone, "disassociating"))
    })?;
    Ok(shapes::DeleteDirectConnectGatewayAssociationResult { direct_connect_gateway_association: Some(association) })
}

pub(super) fn describe_associations(
    ctx: &Ctx<'_>,
    request: shapes::DescribeDirectConnectGatewayAssociationsRequest,
) -> Result<shapes::DescribeDirectConnectGatewayAssociationsResult, ApiError> {
    let network = ctx.network()?;
    let wanted = request.association_id.as_deref().map(association_id).transpose()?;
    let direct = request.direct_connect_gateway_id.as_deref().map(gateway_id).transpose()?;
    let with = request.associated_gateway_id.or(request.virtual_gateway_id).map(|text| associable(&text)).transpose()?;
    if wanted.is_none() && direct.is_none() && with.is_none() {
        return Err(refused("Give an association ID, a Direct Connect gateway ID, or the ID of an associated gateway."));
    }
    let fits = |association: &&std::sync::Arc<DirectConnectAssociation>| {
        wanted.is_none_or(|id| id == association.id)
            && direct.is_none_or(|id| id == association.gateway)
            && with.is_none_or(|with| with == AssociableGateway::from(association.with))
    };
    let found = associations::visible(&network, ctx.owner().account)
        .filter(fits)
        .map(|association| association_shape(association, "associated"))
        .collect();
    let (direct_connect_gateway_associations, next_token) = cut(found, request.max_results, &request.next_token)?;
    Ok(shapes::DescribeDirectConnectGatewayAssociationsResult { direct_connect_gateway_associations, next_token })
}

pub(super) fn describe_attachments(
    ctx: &Ctx<'_>,
    request: shapes::DescribeDirectConnectGatewayAttachmentsRequest,
) -> Result<shapes::DescribeDirectConnectGatewayAttachmentsResult, ApiError> {
    let network = ctx.network()?;
    let direct = request.direct_connect_gateway_id.as_deref().map(gateway_id).transpose()?;
    let interface = request.virtual_interface_id.as_deref().map(interface_id).transpose()?;
    if direct.is_none() && interface.is_none() {
        return Err(refused("Give a Direct Connect gateway ID, a virtual interface ID, or both."));
    }
    let account = ctx.owner().account;
    let attachment = |found: &std::sync::Arc<VirtualInterface>| {
        let gateway = network.get::<DirectConnectGateway>(&found.gateway()?)?;
        let visible = found.owner.account == account || gateway.owner.account == account;
        let fits = direct.is_none_or(|id| id == gateway.id) && interface.is_none_or(|id| id == found.id);
        (visible && fits && found.deleted_at.is_none()).then(|| attachment_shape(gateway, found))
    };
    let found = network.all::<VirtualInterface>().filter_map(attachment).collect();
    let (direct_connect_gateway_attachments, next_token) = cut(found, request.max_results, &request.next_token)?;
    Ok(shapes::DescribeDirectConnectGatewayAttachmentsResult { direct_connect_gateway_attachments, next_token })
}

pub(super) fn create_proposal(
    ctx: &Ctx<'_>,
    request: shapes::CreateDirectConnectGatewayAssociationProposalRequest,
) -> Result<shapes::CreateDirectConnectGatewayAssociationProposalResult, ApiError> {
    let gateway = gateway_id(required(&request.direct_connect_gateway_id)?)?;
    let owner = account(&request.direct_connect_gateway_owner_account)?;
    let with = associable(required(&request.gateway_id)?)?;
    let remove = prefixes(&request.remove_allowed_prefixes_to_direct_connect_gateway)?;
    let mut asked = prefixes(&request.add_allowed_prefixes_to_direct_connect_gateway)?;
    asked.retain(|prefix| !remove.contains(prefix));
    let proposal = ctx.mutate(|tx| {
        let id = proposals::create(tx, gateway, owner, with, asked)?;
        Ok(tx.network().get::<DirectConnectProposal>(&id).map(|proposal| proposal_shape(tx.network(), proposal)))
    })?;
    Ok(shapes::CreateDirectConnectGatewayAssociationProposalResult { direct_connect_gateway_association_proposal: proposal })
}

pub(super) fn accept_proposal(
    ctx: &Ctx<'_>,
    request: shapes::AcceptDirectConnectGatewayAssociationProposalRequest,
) -> Result<shapes::AcceptDirectConnectGatewayAssociationProposalResult, ApiError> {
    let gateway = gateway_id(required(&request.direct_connect_gateway_id)?)?;
    let id = proposal_id(required(&request.proposal_id)?)?;
    let owner = account(&request.associated_gateway_owner_account)?;
    let allowed = prefixes(&request.override_allowed_prefixes_to_direct_connect_gateway)?;
    let association = ctx.mutate(|tx| {
        let made = proposals::accept(tx, id, gateway, owner, allowed)?;
        Ok(shape_of(tx.network(), made, "associating"))
    })?;
    Ok(shapes::AcceptDirectConnectGatewayAssociationProposalResult { direct_connect_gateway_association: association })
}

pub(super) fn delete_proposal(
    ctx: &Ctx<'_>,
    request: shapes::DeleteDirectConnectGatewayAssociationProposalRequest,
) -> Result<shapes::DeleteDirectConnectGatewayAssociationProposalResult, ApiError> {
    let id = proposal_id(required(&request.proposal_id)?)?;
    let gone = ctx.mutate(|tx| proposals::delete(tx, id))?;
    let mut shape = proposal_shape(&*ctx.network()?, &gone);
    shape.proposal_state = Some("deleted".to_owned());
    Ok(shapes::DeleteDirectConnectGatewayAssociationProposalResult { direct_connect_gateway_association_proposal: Some(shape) })
}

pub(super) fn describe_proposals(
    ctx: &Ctx<'_>,
    request: shapes::DescribeDirectConnectGatewayAssociationProposalsRequest,
) -> Result<shapes::DescribeDirectConnectGatewayAssociationProposalsResult, ApiError> {
    let network = ctx.network()?;
    let wanted = request.proposal_id.as_deref().map(proposal_id).transpose()?;
    let direct = request.direct_connect_gateway_id.as_deref().map(gateway_id).transpose()?;
    let with = request.associated_gateway_id.as_deref().map(associable).transpose()?;
    let fits = |proposal: &&std::sync::Arc<DirectConnectProposal>| {
        wanted.is_none_or(|id| id == proposal.id)
            && direct.is_none_or(|id| id == proposal.gateway)
            && with.is_none_or(|with| with == proposal.with)
    };
    let found = proposals::visible(&network, ctx.owner().account)
        .filter(fits)
        .map(|proposal| proposal_shape(&network, proposal))
        .collect();
    let (direct_connect_gateway_association_proposals, next_token) = cut(found, request.max_results, &request.next_token)?;
    Ok(shapes::DescribeDirectConnectGatewayAssociationProposalsResult {
        direct_connect_gateway_association_proposals,
        next_token,
    })
}

fn gateway_shape(gateway: &DirectConnectGateway, state: &str) -> shapes::DirectConnectGateway {
    shapes::DirectConnectGateway {
        direct_connect_gateway_id: Some(gateway.id.to_string()),
        direct_connect_gateway_name: Some(gateway.name.clone()),
        amazon_side_asn: Some(gateway.asn.into()),
        owner_account: Some(gateway.owner.account.to_string()),
        direct_connect_gateway_state: Some(state.to_owned()),
        state_change_error: None,
        tags: tag_shapes(&gateway.tags),
    }
}

fn shape_of(network: &Network, id: DirectConnectAssociationId, state: &str) -> Option<shapes::DirectConnectGatewayAssociation> {
    network.get::<DirectConnectAssociation>(&id).map(|association| association_shape(association, state))
}

fn association_shape(association: &DirectConnectAssociation, state: &str) -> shapes::DirectConnectGatewayAssociation {
    let with = AssociableGateway::from(association.with);
    let virtual_gateway = match with {
        AssociableGateway::VpnGateway(id) => Some(id.to_string()),
        AssociableGateway::TransitGateway(_) => None,
    };
    shapes::DirectConnectGatewayAssociation {
        direct_connect_gateway_id: Some(association.gateway.to_string()),
        direct_connect_gateway_owner_account: Some(association.gateway_account.to_string()),
        association_state: Some(state.to_owned()),
        state_change_error: None,
        associated_gateway: Some(associated_shape(with, &association.owner)),
        association_id: Some(association.id.to_string()),
        allowed_prefixes_to_direct_connect_gateway: prefix_shapes(&association.allowed_prefixes),
        associated_core_network: None,
        virtual_gateway_region: virtual_gateway.as_ref().map(|_| association.owner.region.to_string()),
        virtual_gateway_owner_account: virtual_gateway.as_ref().map(|_| association.owner.account.to_string()),
        virtual_gateway_id: virtual_gateway,
    }
}

fn associated_shape(gateway: AssociableGateway, owner: &Owner) -> shapes::AssociatedGateway {
    let kind = match gateway {
        AssociableGateway::TransitGateway(_) => "transitGateway",
        AssociableGateway::VpnGateway(_) => "virtualPrivateGateway",
    };
    shapes::AssociatedGateway {
        id: Some(gateway.to_string()),
        r#type: Some(kind.to_owned()),
        owner_account: Some(owner.account.to_string()),
        region: Some(owner.region.to_string()),
    }
}

fn attachment_shape(gateway: &DirectConnectGateway, interface: &VirtualInterface) -> shapes::DirectConnectGatewayAttachment {
    let kind = match interface.kind {
        VirtualInterfaceKind::Transit { .. } => "TransitVirtualInterface",
        VirtualInterfaceKind::Private { .. } | VirtualInterfaceKind::Public { .. } => "PrivateVirtualInterface",
    };
    shapes::DirectConnectGatewayAttachment {
        direct_connect_gateway_id: Some(gateway.id.to_string()),
        virtual_interface_id: Some(interface.id.to_string()),
        virtual_interface_region: Some(interface.owner.region.to_string()),
        virtual_interface_owner_account: Some(interface.owner.account.to_string()),
        attachment_state: Some("attached".to_owned()),
        attachment_type: Some(kind.to_owned()),
        state_change_error: None,
    }
}

fn proposal_shape(network: &Network, proposal: &DirectConnectProposal) -> shapes::DirectConnectGatewayAssociationProposal {
    let state = match proposal {
        _ if proposal.accepted => "accepted",
        _ if proposal.ended_at.is_some() => "deleted",
        _ => "requested",
    };
    let existing = proposals::existing(network, proposal).map(|association| prefix_shapes(&association.allowed_prefixes));
    shapes::DirectConnectGatewayAssociationProposal {
        proposal_id: Some(proposal.id.to_string()),
        direct_connect_gateway_id: Some(proposal.gateway.to_string()),
        direct_connect_gateway_owner_account: Some(proposal.gateway_account.to_string()),
        proposal_state: Some(state.to_owned()),
        associated_gateway: Some(associated_shape(proposal.with, &proposal.owner)),
        existing_allowed_prefixes_to_direct_connect_gateway: existing.unwrap_or_default(),
        requested_allowed_prefixes_to_direct_connect_gateway: prefix_shapes(&proposal.requested_prefixes),
    }
}

fn association_id(text: &str) -> Result<DirectConnectAssociationId, ApiError> {
    id(text, "Direct Connect Gateway Association")
}

fn proposal_id(text: &str) -> Result<DirectConnectProposalId, ApiError> {
    id(text, "Direct Connect Gateway Association Proposal")
}

fn associable(text: &str) -> Result<AssociableGateway, ApiError> {
    if text.starts_with("tgw-") {
        return id(text, "Gateway").map(AssociableGateway::TransitGateway);
    }
    id(text, "Gateway").map(AssociableGateway::VpnGateway)
}
