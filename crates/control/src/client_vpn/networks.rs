//! The subnets that an endpoint leads into, and its interfaces there.
//! See "Client VPN target networks" in the Client VPN Administrator Guide.

use std::sync::Arc;

use ipnet::IpNet;
use openvpc_model::{
    ClientVpnAssociation, ClientVpnAssociationId, ClientVpnEndpoint, ClientVpnEndpointId, ClientVpnRoute, ClientVpnRouteOrigin,
    ClientVpnTarget, NetworkInterface, SecurityGroupId, Subnet, SubnetId, Vpc, VpcId,
};

use super::{enis, groups_in, home, live, overlapping};
use crate::interfaces::CreateNetworkInterface;
use crate::{ControlError, Tx, idempotency, interfaces, subnets};

/// The longest prefix of an associated subnet's block, and how many free addresses it needs.
const LONGEST_PREFIX: u8 = 27;
const FREE_ADDRESSES: u32 = 20;

/// Leads an endpoint into a subnet: it gets an interface there, and routes to the VPC's blocks through it.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidClientVpnSubnetId.NotFound`, `….DifferentAccount`, `….DuplicateAz` and
/// `….OverlappingCidr`, `InvalidClientVpnDuplicateAssociationException`, `InsufficientFreeAddressesInSubnet`,
/// `ClientVpnRouteLimitExceeded`, `IdempotentParameterMismatch`.
pub fn associate(
    tx: &mut Tx,
    id: ClientVpnEndpointId,
    subnet: SubnetId,
    token: Option<&str>,
) -> Result<ClientVpnAssociationId, ControlError> {
    idempotency::once(tx, "AssociateClientVpnTargetNetwork", token, &(id, subnet), |tx| {
        let mut endpoint = (*live(tx, id)?).clone();
        let subnet = target(tx, subnet)?;
        let vpc = tx.find::<Vpc>(&subnet.vpc)?;
        check_target(tx, &endpoint, &subnet, &vpc)?;
        if home(tx.network(), &endpoint) != Some(vpc.id) {
            endpoint.vpc = Some(vpc.id);
            endpoint.vpc_is_chosen = false;
            endpoint.security_groups = groups_in(tx, vpc.id, &[])?;
        }
        let eni = make_interface(tx, &endpoint, &subnet)?;
        let association = ClientVpnAssociation { id: tx.new_id(), subnet: subnet.id, zone: subnet.zone, eni };
        let association_id = association.id;
        endpoint.associations.push(association);
        let ipv4 = vpc.ipv4_blocks.iter().map(|b| IpNet::V4(b.block));
        let blocks = ipv4.chain(vpc.ipv6_blocks.iter().map(|b| IpNet::V6(b.block)));
        for destination in blocks.filter(|block| endpoint.traffic_family.has(*block)) {
            endpoint.routes.push(ClientVpnRoute {
                destination,
                target: ClientVpnTarget::Subnet(subnet.id),
                origin: ClientVpnRouteOrigin::Associate,
                description: "Default Route".to_owned(),
            });
        }
        super::access::check_route_count(tx, &endpoint)?;
        tx.put(endpoint);
        Ok(association_id)
    })
}

/// Takes an endpoint out of a subnet; the routes through it go too.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidClientVpnAssociationIdNotFound`.
pub fn disassociate(tx: &mut Tx, id: ClientVpnEndpointId, association: &str) -> Result<ClientVpnAssociationId, ControlError> {
    let mut endpoint = (*live(tx, id)?).clone();
    let place = endpoint.associations.iter().position(|known| known.id.to_string() == association);
    let place = place.ok_or_else(|| no_such_association(association))?;
    let gone = endpoint.associations.remove(place);
    endpoint.routes.retain(|route| route.target != ClientVpnTarget::Subnet(gone.subnet));
    if endpoint.associations.is_empty() && !endpoint.vpc_is_chosen {
        endpoint.vpc = None;
        endpoint.security_groups.clear();
    }
    tx.put(endpoint);
    interfaces::delete_managed(tx, gone.eni)?;
    Ok(gone.id)
}

/// Gives the endpoint's interfaces other groups.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidVpcID.NotFound`, `InvalidGroup.NotFound`,
/// `InvalidClientVpnActiveAssociationNotFound` when the endpoint doesn't lead into that VPC.
pub fn apply_security_groups(
    tx: &mut Tx,
    id: ClientVpnEndpointId,
    vpc: VpcId,
    groups: &[SecurityGroupId],
) -> Result<Vec<SecurityGroupId>, ControlError> {
    let mut endpoint = (*live(tx, id)?).clone();
    tx.find::<Vpc>(&vpc)?;
    if endpoint.associations.is_empty() || endpoint.vpc != Some(vpc) {
        return Err(no_active_association(id, &vpc));
    }
    endpoint.security_groups = interfaces::check_groups(tx, vpc, groups)?;
    give_groups(tx, &endpoint)?;
    let groups = endpoint.security_groups.clone();
    tx.put(endpoint);
    Ok(groups)
}

/// The error for an association that isn't there.
pub fn no_such_association(association: &str) -> ControlError {
    let message = format!("The association ID '{association}' does not exist");
    ControlError::new("InvalidClientVpnAssociationIdNotFound", message)
}

pub(super) fn no_active_association(id: ClientVpnEndpointId, network: &dyn std::fmt::Display) -> ControlError {
    let message = format!("The Client VPN endpoint {id} has no active association with {network}.");
    ControlError::new("InvalidClientVpnActiveAssociationNotFound", message)
}

/// The endpoint's groups on all of its interfaces.
pub(super) fn give_groups(tx: &mut Tx, endpoint: &ClientVpnEndpoint) -> Result<(), ControlError> {
    for eni in enis(endpoint).collect::<Vec<_>>() {
        tx.update::<NetworkInterface, _>(&eni, |eni| eni.groups.clone_from(&endpoint.security_groups))?;
    }
    Ok(())
}

/// The caller's subnet, or one of the codes that Client VPN has for others.
fn target(tx: &Tx, id: SubnetId) -> Result<Arc<Subnet>, ControlError> {
    let found = tx.network().subnets.get(&id).filter(|subnet| subnet.owner.region == tx.owner().region);
    let found = found.ok_or_else(|| not_there(id, "does not exist"))?;
    if found.owner != *tx.owner() {
        let message = format!("The subnet {id} belongs to a different account.");
        return Err(ControlError::new("InvalidClientVpnSubnetId.DifferentAccount", message));
    }
    Ok(Arc::clone(found))
}

fn check_target(tx: &Tx, endpoint: &ClientVpnEndpoint, subnet: &Subnet, vpc: &Vpc) -> Result<(), ControlError> {
    let id = subnet.id;
    let is_bound = endpoint.vpc_is_chosen || !endpoint.associations.is_empty();
    if is_bound && home(tx.network(), endpoint).is_some_and(|home| home != vpc.id) {
        return Err(not_there(id, "is not in the VPC that the Client VPN endpoint is associated with"));
    }
    if endpoint.associations.iter().any(|association| association.subnet == id) {
        let message = format!("The subnet {id} is already associated with the Client VPN endpoint {}.", endpoint.id);
        return Err(ControlError::new("InvalidClientVpnDuplicateAssociationException", message));
    }
    if let Some(other) = endpoint.associations.iter().find(|association| association.zone == subnet.zone) {
        let zone = subnet.zone.name(&subnet.owner.region);
        let message = format!("The Client VPN endpoint already has a target network in {zone}: {}.", other.subnet);
        return Err(ControlError::new("InvalidClientVpnSubnetId.DuplicateAz", message));
    }
    if let Some(clients) = endpoint.client_block
        && let Some(taken) = overlapping(vpc, clients)
    {
        let message = format!("The CIDR range {taken} of {} overlaps with the client CIDR range {clients}.", vpc.id);
        return Err(ControlError::new("InvalidClientVpnSubnetId.OverlappingCidr", message));
    }
    let Some(block) = subnet.ipv4_block else {
        return Err(ControlError::invalid_value(format!("The subnet {id} has no IPv4 addresses for the endpoint's interface.")));
    };
    if block.prefix_len() > LONGEST_PREFIX {
        return Err(ControlError::invalid_value(format!("The subnet {id} is too small: a target network is a /27 or larger.")));
    }
    if subnets::available_ipv4_count(tx.network(), subnet) < FREE_ADDRESSES {
        return Err(ControlError::new(
            "InsufficientFreeAddressesInSubnet",
            format!("The subnet {id} has fewer than {FREE_ADDRESSES} free addresses, which a target network needs."),
        ));
    }
    Ok(())
}

fn not_there(id: SubnetId, why: &str) -> ControlError {
    ControlError::new("InvalidClientVpnSubnetId.NotFound", format!("The subnet {id} {why}."))
}

fn make_interface(tx: &mut Tx, endpoint: &ClientVpnEndpoint, subnet: &Subnet) -> Result<openvpc_model::EniId, ControlError> {
    let request = CreateNetworkInterface {
        description: format!("ClientVPN Endpoint resource for {}", endpoint.id),
        groups: endpoint.security_groups.clone(),
        ..CreateNetworkInterface::new(subnet.id)
    };
    interfaces::create_managed(tx, request, "interface")
}
