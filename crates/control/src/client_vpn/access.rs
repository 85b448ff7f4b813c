//! Routes and authorization rules: both are needed for a packet to go anywhere.
//! See "Client VPN routes" and "Client VPN authorization rules" in the Client VPN Administrator Guide.

use ipnet::IpNet;
use openvpc_model::{
    ClientVpnEndpoint, ClientVpnEndpointId, ClientVpnRoute, ClientVpnRouteOrigin, ClientVpnRule, ClientVpnTarget,
};
use serde::Serialize;

use super::live;
use super::networks::no_active_association;
use crate::{ControlError, Tx, idempotency};

/// The longest id of a group.
const GROUP: usize = 255;

/// What CreateClientVpnRoute is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct AddRoute {
    /// Which packets it is for.
    pub destination: IpNet,
    /// Where they go.
    pub target: ClientVpnTarget,
    /// The user's text.
    pub description: String,
}

/// Adds a route.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidClientVpnActiveAssociationNotFound`, `InvalidClientVpnDuplicateRoute`,
/// `InvalidParameterValue`, `ClientVpnRouteLimitExceeded`, `IdempotentParameterMismatch`.
pub fn add_route(tx: &mut Tx, id: ClientVpnEndpointId, request: AddRoute, token: Option<&str>) -> Result<(), ControlError> {
    let parameters = (id, request.clone());
    idempotency::once(tx, "CreateClientVpnRoute", token, &parameters, |tx| {
        let mut endpoint = (*live(tx, id)?).clone();
        check_block(&endpoint, request.destination, "DestinationCidrBlock")?;
        check_route(&endpoint, &request)?;
        let AddRoute { destination, target, description } = request;
        if endpoint.routes.iter().any(|route| (route.destination, route.target) == (destination, target)) {
            let message = format!("The Client VPN endpoint {id} already has a route to {destination} through {target}.");
            return Err(ControlError::new("InvalidClientVpnDuplicateRoute", message));
        }
        endpoint.routes.push(ClientVpnRoute { destination, target, origin: ClientVpnRouteOrigin::AddRoute, description });
        check_route_count(tx, &endpoint)?;
        tx.put(endpoint);
        Ok(())
    })
}

/// Deletes a route that a user added.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidClientVpnRouteNotFound`, `OperationNotPermitted` for one that an
/// association made.
pub fn delete_route(
    tx: &mut Tx,
    id: ClientVpnEndpointId,
    destination: IpNet,
    target: ClientVpnTarget,
) -> Result<(), ControlError> {
    let endpoint = live(tx, id)?;
    let is_it = |route: &ClientVpnRoute| (route.destination, route.target) == (destination, target);
    let Some(route) = endpoint.routes.iter().find(|route| is_it(route)) else {
        let message = format!("The Client VPN endpoint {id} has no route to {destination} through {target}.");
        return Err(ControlError::new("InvalidClientVpnRouteNotFound", message));
    };
    if route.origin == ClientVpnRouteOrigin::Associate {
        let message = format!("The route to {destination} goes with the association of {target}; disassociate that instead.");
        return Err(ControlError::new("OperationNotPermitted", message));
    }
    tx.update::<ClientVpnEndpoint, _>(&id, |endpoint| endpoint.routes.retain(|route| !is_it(route)))
}

/// What AuthorizeClientVpnIngress is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Authorize {
    /// The network.
    pub destination: IpNet,
    /// Who may reach it; none for all clients.
    pub group: Option<String>,
    /// The user's text.
    pub description: String,
}

/// Adds a rule.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidClientVpnDuplicateAuthorizationRule`, `InvalidParameterValue`,
/// `ClientVpnAuthorizationRuleLimitExceeded`, `IdempotentParameterMismatch`.
pub fn authorize(tx: &mut Tx, id: ClientVpnEndpointId, request: Authorize, token: Option<&str>) -> Result<(), ControlError> {
    let parameters = (id, request.clone());
    idempotency::once(tx, "AuthorizeClientVpnIngress", token, &parameters, |tx| {
        let endpoint = live(tx, id)?;
        check_block(&endpoint, request.destination, "TargetNetworkCidr")?;
        let Authorize { destination, group, description } = request;
        if group.as_ref().is_some_and(|group| group.chars().count() > GROUP) {
            return Err(ControlError::invalid_value(format!("AccessGroupId is too long: at most {GROUP} characters.")));
        }
        if endpoint.rules.iter().any(|rule| rule.destination == destination && rule.group == group) {
            let message = format!("The Client VPN endpoint {id} already has this authorization rule for {destination}.");
            return Err(ControlError::new("InvalidClientVpnDuplicateAuthorizationRule", message));
        }
        let limit = tx.quotas().rules_per_client_vpn_endpoint;
        if endpoint.rules.len() >= limit {
            let message = format!("The maximum number of authorization rules of {id} has been reached ({limit}).");
            return Err(ControlError::new("ClientVpnAuthorizationRuleLimitExceeded", message));
        }
        let rule = ClientVpnRule { destination, group, description };
        tx.update::<ClientVpnEndpoint, _>(&id, |endpoint| endpoint.rules.push(rule))
    })
}

/// Removes the rule for a group, or with none the one for all clients.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidClientVpnEndpointAuthorizationRuleNotFound`.
pub fn revoke(tx: &mut Tx, id: ClientVpnEndpointId, destination: IpNet, group: Option<&str>) -> Result<(), ControlError> {
    let endpoint = live(tx, id)?;
    let is_it = |rule: &ClientVpnRule| rule.destination == destination && rule.group.as_deref() == group;
    if !endpoint.rules.iter().any(is_it) {
        let message = format!("The Client VPN endpoint {id} has no such authorization rule for {destination}.");
        return Err(ControlError::new("InvalidClientVpnEndpointAuthorizationRuleNotFound", message));
    }
    tx.update::<ClientVpnEndpoint, _>(&id, |endpoint| endpoint.rules.retain(|rule| !is_it(rule)))
}

pub(super) fn check_route_count(tx: &Tx, endpoint: &ClientVpnEndpoint) -> Result<(), ControlError> {
    let limit = tx.quotas().routes_per_client_vpn_endpoint;
    if endpoint.routes.len() <= limit {
        return Ok(());
    }
    let message = format!("The maximum number of routes of {} has been reached ({limit}).", endpoint.id);
    Err(ControlError::new("ClientVpnRouteLimitExceeded", message))
}

/// A block without host bits, of a family that is in the tunnel.
fn check_block(endpoint: &ClientVpnEndpoint, block: IpNet, parameter: &str) -> Result<(), ControlError> {
    if block == block.trunc() && endpoint.traffic_family.has(block) {
        return Ok(());
    }
    let families = endpoint.traffic_family.as_str();
    Err(ControlError::invalid_value(format!(
        "Value ({block}) for parameter {parameter} is invalid. Give the first address of a block; this endpoint carries {families}."
    )))
}

fn check_route(endpoint: &ClientVpnEndpoint, request: &AddRoute) -> Result<(), ControlError> {
    let destination = request.destination;
    let clients = endpoint.client_block.map(IpNet::V4);
    match request.target {
        ClientVpnTarget::Local if clients == Some(destination) => Ok(()),
        ClientVpnTarget::Local => Err(ControlError::invalid_value(format!(
            "The target local leads to other clients: the destination must be their CIDR range, not {destination}."
        ))),
        ClientVpnTarget::Subnet(subnet) => {
            if !endpoint.associations.iter().any(|association| association.subnet == subnet) {
                return Err(no_active_association(endpoint.id, &subnet));
            }
            let overlaps = |clients: IpNet| clients.contains(&destination) || destination.contains(&clients);
            if destination.prefix_len() > 0 && clients.is_some_and(overlaps) {
                let message = format!("The destination {destination} overlaps with the client CIDR range of {}.", endpoint.id);
                return Err(ControlError::invalid_value(message));
            }
            Ok(())
        }
    }
}
