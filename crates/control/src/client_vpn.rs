//! Client VPN endpoints: lifetime and settings; [`networks`] (where they lead), [`access`] (routes and rules) and
//! [`configuration`] (what clients and the endpoint are told). See "What is AWS Client VPN?" in the Client VPN
//! Administrator Guide.

mod access;
mod configuration;
mod networks;

use std::sync::Arc;

use ipnet::Ipv4Net;
use openvpc_model::{
    Certificate, ClientVpnAuthentication, ClientVpnEndpoint, ClientVpnEndpointId, ClientVpnFamily, ClientVpnSettings,
    ClientVpnTransport, Network, NetworkInterface, SecurityGroupId, Tags, Vpc, VpcId,
};
use serde::Serialize;

use crate::{ControlError, Missing, Tx, certificates, idempotency, interfaces, retention};

pub use access::{AddRoute, Authorize, add_route, authorize, delete_route, revoke};
pub use configuration::{client_configuration, dns_name, import_revocation_list};
pub use networks::{apply_security_groups, associate, disassociate};

/// How long a deleted endpoint is shown.
const SHOWN_MS: u64 = 60 * 60 * 1000;
/// The longest banner, in characters.
const BANNER: usize = 1400;
/// What the name of a connection handler starts with.
const HANDLER_PREFIX: &str = "AWSClientVPN-";

/// What CreateClientVpnEndpoint is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct CreateEndpoint {
    /// Behaviour.
    pub settings: ClientVpnSettings,
    /// Where clients' IPv4 addresses come from.
    pub client_block: Option<Ipv4Net>,
    /// How clients prove who they are.
    pub authentication: Vec<ClientVpnAuthentication>,
    /// The carrier of the tunnel.
    pub transport: ClientVpnTransport,
    /// The families of the endpoint's own addresses.
    pub endpoint_family: ClientVpnFamily,
    /// The families of the traffic in the tunnel.
    pub traffic_family: ClientVpnFamily,
    /// The VPC that it leads into; none to take the first associated subnet's.
    pub vpc: Option<VpcId>,
    /// Groups for its interfaces; none for the VPC's default group.
    pub security_groups: Vec<SecurityGroupId>,
    /// Tags.
    pub tags: Tags,
}

/// Makes an endpoint, which waits for its first association.
///
/// # Errors
/// `InvalidParameterValue`, `InvalidParameterCombination`, `MissingParameter`, `InvalidVpcID.NotFound`,
/// `InvalidGroup.NotFound`, `ClientVpnEndpointLimitExceeded`, `IdempotentParameterMismatch`.
pub fn create(tx: &mut Tx, request: CreateEndpoint, token: Option<&str>) -> Result<ClientVpnEndpointId, ControlError> {
    let parameters = request.clone();
    idempotency::once(tx, "CreateClientVpnEndpoint", token, &parameters, |tx| make(tx, request))
}

fn make(tx: &mut Tx, request: CreateEndpoint) -> Result<ClientVpnEndpointId, ControlError> {
    check_settings(tx, &request.settings)?;
    check_authentication(tx, &request.authentication)?;
    check_client_block(request.client_block, request.traffic_family)?;
    let limit = tx.quotas().client_vpn_endpoints;
    if tx.owned::<ClientVpnEndpoint>().filter(|endpoint| endpoint.deleted_at.is_none()).count() >= limit {
        let message = format!("The maximum number of Client VPN endpoints has been reached ({limit}).");
        return Err(ControlError::new("ClientVpnEndpointLimitExceeded", message));
    }
    let security_groups = match request.vpc {
        None if !request.security_groups.is_empty() => return Err(ControlError::missing_parameter("VpcId")),
        None => Vec::new(),
        Some(vpc) => groups_in(tx, vpc, &request.security_groups)?,
    };
    if let (Some(vpc), Some(block)) = (request.vpc, request.client_block)
        && let Some(taken) = overlapping(&*tx.find::<Vpc>(&vpc)?, block)
    {
        return Err(ControlError::invalid_value(format!("The client CIDR range {block} overlaps with {taken} of {vpc}.")));
    }
    let endpoint = ClientVpnEndpoint {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        settings: request.settings,
        client_block: request.client_block,
        authentication: request.authentication,
        transport: request.transport,
        endpoint_family: request.endpoint_family,
        traffic_family: request.traffic_family,
        vpc: request.vpc,
        vpc_is_chosen: request.vpc.is_some(),
        security_groups,
        associations: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        revocation_list: None,
        created_at: tx.now(),
        deleted_at: None,
        tags: request.tags,
    };
    let id = endpoint.id;
    tx.put(endpoint);
    Ok(id)
}

/// Changes settings, and where the endpoint leads.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `InvalidParameterValue`, `MissingParameter`, `InvalidVpcID.NotFound`,
/// `InvalidGroup.NotFound`.
pub fn modify(
    tx: &mut Tx,
    id: ClientVpnEndpointId,
    vpc: Option<VpcId>,
    groups: &[SecurityGroupId],
    edit: impl FnOnce(&mut ClientVpnSettings),
) -> Result<(), ControlError> {
    let mut endpoint = (*live(tx, id)?).clone();
    edit(&mut endpoint.settings);
    check_settings(tx, &endpoint.settings)?;
    let vpc = match vpc {
        Some(vpc) => Some(vpc),
        None if groups.is_empty() => None,
        None => Some(home(tx.network(), &endpoint).ok_or_else(|| ControlError::missing_parameter("VpcId"))?),
    };
    if let Some(vpc) = vpc {
        if !endpoint.associations.is_empty() && endpoint.vpc != Some(vpc) {
            let message = format!("The Client VPN endpoint {id} has target networks in another VPC; disassociate them first.");
            return Err(ControlError::invalid_value(message));
        }
        if let Some(block) = endpoint.client_block
            && let Some(taken) = overlapping(&*tx.find::<Vpc>(&vpc)?, block)
        {
            return Err(ControlError::invalid_value(format!("The client CIDR range {block} overlaps with {taken} of {vpc}.")));
        }
        if endpoint.vpc != Some(vpc) || !groups.is_empty() {
            endpoint.security_groups = groups_in(tx, vpc, groups)?;
        }
        endpoint.vpc = Some(vpc);
        endpoint.vpc_is_chosen = true;
        networks::give_groups(tx, &endpoint)?;
    }
    tx.put(endpoint);
    Ok(())
}

/// Deletes an endpoint that leads nowhere any more.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`, `DependencyViolation` while it has target networks.
pub fn delete(tx: &mut Tx, id: ClientVpnEndpointId) -> Result<(), ControlError> {
    let endpoint = live(tx, id)?;
    if let Some(association) = endpoint.associations.first() {
        return Err(ControlError::dependency(format!(
            "The Client VPN endpoint {id} has target networks: disassociate {} ({}) first.",
            association.id, association.subnet
        )));
    }
    let now = tx.now();
    tx.update::<ClientVpnEndpoint, _>(&id, |endpoint| endpoint.deleted_at = Some(now))
}

/// Forgets endpoints that were deleted long enough ago, in all accounts.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let is_over = |endpoint: &&Arc<ClientVpnEndpoint>| retention::is_over(endpoint.deleted_at, SHOWN_MS, now);
    let old: Vec<_> = tx.network().all::<ClientVpnEndpoint>().filter(is_over).map(|endpoint| endpoint.id).collect();
    for id in old {
        tx.remove::<ClientVpnEndpoint>(&id);
    }
}

/// The caller's endpoint, unless it is deleted.
///
/// # Errors
/// `InvalidClientVpnEndpointId.NotFound`.
pub fn live(tx: &Tx, id: ClientVpnEndpointId) -> Result<Arc<ClientVpnEndpoint>, ControlError> {
    let endpoint = tx.find::<ClientVpnEndpoint>(&id)?;
    if endpoint.deleted_at.is_some() {
        return Err(ClientVpnEndpoint::missing(&id));
    }
    Ok(endpoint)
}

/// The endpoint that still gives a group to the interfaces it has or will have.
pub fn using_group(network: &Network, group: SecurityGroupId) -> Option<ClientVpnEndpointId> {
    let uses = |endpoint: &&Arc<ClientVpnEndpoint>| endpoint.deleted_at.is_none() && endpoint.security_groups.contains(&group);
    network.all::<ClientVpnEndpoint>().find(uses).map(|endpoint| endpoint.id)
}

/// The endpoint's VPC, unless that was deleted meanwhile, which it can be as long as nothing is associated.
pub fn home(network: &Network, endpoint: &ClientVpnEndpoint) -> Option<VpcId> {
    endpoint.vpc.filter(|vpc| network.vpcs.contains_key(vpc))
}

/// The VPC's block that overlaps with the clients'.
fn overlapping(vpc: &Vpc, clients: Ipv4Net) -> Option<Ipv4Net> {
    vpc.ipv4_blocks.iter().map(|b| b.block).find(|block| block.contains(&clients) || clients.contains(block))
}

/// The groups, checked, or the VPC's default group when none is given.
fn groups_in(tx: &Tx, vpc: VpcId, groups: &[SecurityGroupId]) -> Result<Vec<SecurityGroupId>, ControlError> {
    let vpc = tx.find::<Vpc>(&vpc)?;
    match groups {
        [] => Ok(vec![vpc.default_security_group]),
        groups => interfaces::check_groups(tx, vpc.id, groups),
    }
}

fn check_client_block(block: Option<Ipv4Net>, traffic: ClientVpnFamily) -> Result<(), ControlError> {
    match block {
        None if traffic == ClientVpnFamily::Ipv6 => Ok(()),
        None => Err(ControlError::missing_parameter("ClientCidrBlock")),
        Some(_) if traffic == ClientVpnFamily::Ipv6 => {
            Err(ControlError::invalid_combination("ClientCidrBlock can't be used with the TrafficIpAddressType ipv6."))
        }
        Some(block) if block != block.trunc() || !(12..=22).contains(&block.prefix_len()) => Err(ControlError::invalid_value(
            format!("Value ({block}) for parameter ClientCidrBlock is invalid. Give the first address of a block of /12 to /22."),
        )),
        Some(_) => Ok(()),
    }
}

/// One way, or a certificate and one other. See "Client authentication in AWS Client VPN".
fn check_authentication(tx: &Tx, ways: &[ClientVpnAuthentication]) -> Result<(), ControlError> {
    let is_certificate = |way: &&ClientVpnAuthentication| matches!(way, ClientVpnAuthentication::Certificate { .. });
    match ways {
        [] => return Err(ControlError::missing_parameter("Authentication")),
        [_] => {}
        [_, _] if ways.iter().filter(is_certificate).count() == 1 => {}
        _ => {
            return Err(ControlError::invalid_value(
                "Give one authentication method, or certificate-authentication together with one of the others.",
            ));
        }
    }
    for way in ways {
        match way {
            ClientVpnAuthentication::Certificate { root } => drop(certificate(tx, root)?),
            ClientVpnAuthentication::Directory { directory } => {
                let digits = directory.strip_prefix("d-").unwrap_or_default();
                if digits.len() != 10 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(ControlError::invalid_value(format!("The directory ID '{directory}' is not valid.")));
                }
            }
            ClientVpnAuthentication::Federated { provider, self_service_provider } => {
                for arn in std::iter::once(provider).chain(self_service_provider) {
                    check_provider(tx, arn)?;
                }
            }
        }
    }
    Ok(())
}

/// The ARN names a SAML provider of the caller's account.
fn check_provider(tx: &Tx, arn: &str) -> Result<(), ControlError> {
    let owner = tx.owner();
    let own = format!("arn:{}:iam::{}:saml-provider/", owner.region.partition(), owner.account);
    if arn.strip_prefix(&own).is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    Err(ControlError::invalid_value(format!("The SAML provider ARN '{arn}' is not valid: use {own}NAME.")))
}

fn check_settings(tx: &Tx, settings: &ClientVpnSettings) -> Result<(), ControlError> {
    let shown = certificate(tx, &settings.server_certificate)?;
    let facts = certificates::read(&shown.body)?;
    if facts.domain.is_none() {
        let message = format!("Certificate {} does not have a domain.", settings.server_certificate);
        return Err(ControlError::invalid_value(message));
    }
    let invalid = |what: &str, value: &dyn std::fmt::Display, allowed: &str| {
        Err(ControlError::invalid_value(format!("Value ({value}) for parameter {what} is invalid. Use {allowed}.")))
    };
    if !matches!(settings.port, 443 | 1194) {
        return invalid("VpnPort", &settings.port, "443 or 1194");
    }
    if !matches!(settings.session_timeout_hours, 8 | 10 | 12 | 24) {
        return invalid("SessionTimeoutHours", &settings.session_timeout_hours, "8, 10, 12 or 24");
    }
    if settings.dns_servers.len() > 2 {
        return invalid("DnsServers", &settings.dns_servers.len(), "at most two servers");
    }
    if let Some(banner) = &settings.banner
        && banner.chars().count() > BANNER
    {
        return invalid("BannerText", &"…", "at most 1400 characters");
    }
    if let Some(handler) = &settings.connect_handler {
        let name = handler.split_once(":function:").map(|(_, name)| name).unwrap_or_default();
        if !handler.starts_with("arn:") || !name.starts_with(HANDLER_PREFIX) {
            return invalid("LambdaFunctionArn", handler, "the ARN of a function whose name starts with AWSClientVPN-");
        }
    }
    Ok(())
}

/// The caller's certificate of that ARN, for EC2, which has no code of its own for one that isn't there.
fn certificate(tx: &Tx, arn: &str) -> Result<Arc<Certificate>, ControlError> {
    certificates::find(tx, arn)
        .map_err(|_| ControlError::invalid_value(format!("Certificate {arn} does not exist in ACM of this account and Region.")))
}

/// The endpoint's interfaces.
fn enis(endpoint: &ClientVpnEndpoint) -> impl Iterator<Item = <NetworkInterface as openvpc_model::Resource>::Key> + '_ {
    endpoint.associations.iter().map(|association| association.eni)
}
