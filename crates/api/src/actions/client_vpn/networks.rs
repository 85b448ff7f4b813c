//! Target networks of Client VPN endpoints.

use openvpc_control::client_vpn;
use openvpc_model::{ClientVpnAssociation, ClientVpnEndpoint, SubnetId, VpcId};

use super::super::prelude::*;
use super::{endpoint_id, live};

pub(super) fn associate(
    ctx: &Ctx<'_>,
    request: shapes::AssociateClientVpnTargetNetworkRequest,
) -> Result<shapes::AssociateClientVpnTargetNetworkResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    if request.availability_zone.is_some() || request.availability_zone_id.is_some() {
        return Err(ApiError::invalid_combination("AvailabilityZone is for endpoints of a transit gateway; use SubnetId."));
    }
    let subnet: SubnetId = ids::parse_required(&request.subnet_id, "SubnetId")?;
    let association = ctx.mutate(|tx| client_vpn::associate(tx, id, subnet, request.client_token.as_deref()))?;
    Ok(shapes::AssociateClientVpnTargetNetworkResult {
        association_id: Some(association.to_string()),
        status: status("associating"),
    })
}

pub(super) fn disassociate(
    ctx: &Ctx<'_>,
    request: shapes::DisassociateClientVpnTargetNetworkRequest,
) -> Result<shapes::DisassociateClientVpnTargetNetworkResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let association = ids::required(&request.association_id, "AssociationId")?;
    let association = ctx.mutate(|tx| client_vpn::disassociate(tx, id, association))?;
    Ok(shapes::DisassociateClientVpnTargetNetworkResult {
        association_id: Some(association.to_string()),
        status: status("disassociating"),
    })
}

pub(super) fn describe(
    ctx: &Ctx<'_>,
    request: shapes::DescribeClientVpnTargetNetworksRequest,
) -> Result<shapes::DescribeClientVpnTargetNetworksResult, ApiError> {
    let network = ctx.network()?;
    let endpoint = live(ctx, &network, &request.client_vpn_endpoint_id)?;
    let wanted = &request.association_ids;
    let is_known = |id: &&String| endpoint.associations.iter().any(|association| association.id.to_string() == **id);
    if let Some(unknown) = wanted.iter().find(|id| !is_known(id)) {
        let message = format!("The association ID '{unknown}' does not exist");
        return Err(ApiError::new("InvalidClientVpnAssociationIdNotFound", message));
    }
    let is_wanted = |association: &&ClientVpnAssociation| wanted.is_empty() || wanted.contains(&association.id.to_string());
    let found = endpoint.associations.iter().filter(is_wanted).map(|association| shape(&endpoint, association)).collect();
    let found = filters::select(found, &request.filters, &FIELDS)?;
    let (client_vpn_target_networks, next_token) =
        page::cut(&request, !wanted.is_empty(), found, |network| network.association_id.as_deref())?;
    Ok(shapes::DescribeClientVpnTargetNetworksResult { client_vpn_target_networks, next_token })
}

pub(super) fn apply_security_groups(
    ctx: &Ctx<'_>,
    request: shapes::ApplySecurityGroupsToClientVpnTargetNetworkRequest,
) -> Result<shapes::ApplySecurityGroupsToClientVpnTargetNetworkResult, ApiError> {
    let id = endpoint_id(&request.client_vpn_endpoint_id)?;
    let vpc: VpcId = ids::parse_required(&request.vpc_id, "VpcId")?;
    let groups = ids::parse_all(&request.security_group_ids)?;
    let groups = ctx.mutate(|tx| client_vpn::apply_security_groups(tx, id, vpc, &groups))?;
    let security_group_ids = groups.iter().map(ToString::to_string).collect();
    Ok(shapes::ApplySecurityGroupsToClientVpnTargetNetworkResult { security_group_ids })
}

static FIELDS: Fields<shapes::TargetNetwork> = Fields {
    tags: None,
    fields: &[
        ("association-id", |network, m| m.offer(&network.association_id)),
        ("target-network-id", |network, m| m.offer(&network.target_network_id)),
        ("vpc-id", |network, m| m.offer(&network.vpc_id)),
    ],
};

fn shape(endpoint: &ClientVpnEndpoint, association: &ClientVpnAssociation) -> shapes::TargetNetwork {
    shapes::TargetNetwork {
        association_id: Some(association.id.to_string()),
        vpc_id: endpoint.vpc.map(|vpc| vpc.to_string()),
        target_network_id: Some(association.subnet.to_string()),
        client_vpn_endpoint_id: Some(endpoint.id.to_string()),
        status: status("associated"),
        security_groups: endpoint.security_groups.iter().map(ToString::to_string).collect(),
        availability_zones: Vec::new(),
        availability_zone_ids: Vec::new(),
    }
}

fn status(code: &str) -> Option<shapes::AssociationStatus> {
    Some(shapes::AssociationStatus { code: Some(code.to_owned()), message: None })
}
