//! Network Access Analyzer: scopes and what was found in them as resources. The findings come from the analyser.

use openvpc_model::access_scope::{ScopeHeaders, ScopePath, ScopeResources};
use openvpc_model::{AccessScope, AccessScopeAnalysis, AccessScopeAnalysisId, AccessScopeId, PrefixListId, Tags};

use crate::{ControlError, Tx, idempotency};

/// The types that a scope may name.
const TYPES: &[&str] = &[
    "AWS::EC2::Instance",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::TransitGatewayAttachment",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCEndpointService",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::VPNGateway",
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::NetworkFirewall::NetworkFirewall",
];

/// Makes a scope.
///
/// # Errors
/// `MissingParameter` without paths, `InvalidParameterCombination` for resources and types together,
/// `InvalidParameterValue`, `NetworkInsightsAccessScopeLimitExceeded`, `IdempotentParameterMismatch`.
pub fn create(
    tx: &mut Tx,
    match_paths: Vec<ScopePath>,
    exclude_paths: Vec<ScopePath>,
    tags: Tags,
    token: Option<&str>,
) -> Result<AccessScopeId, ControlError> {
    let parameters = (match_paths.clone(), exclude_paths.clone(), tags.clone());
    idempotency::once(tx, "CreateNetworkInsightsAccessScope", token, &parameters, |tx| {
        if match_paths.is_empty() {
            return Err(ControlError::missing_parameter("MatchPath"));
        }
        match_paths.iter().chain(&exclude_paths).try_for_each(check)?;
        let limit = tx.quotas().access_scopes;
        if tx.count::<AccessScope>() >= limit {
            let message = format!("The maximum number of Network Access Scopes has been reached ({limit}).");
            return Err(ControlError::new("NetworkInsightsAccessScopeLimitExceeded", message));
        }
        let id = tx.new_id();
        let (owner, created_at) = (tx.owner().clone(), tx.now());
        tx.put(AccessScope { id, owner, match_paths, exclude_paths, created_at, tags });
        Ok(id)
    })
}

/// Deletes a scope that has no analyses.
///
/// # Errors
/// `InvalidNetworkInsightsAccessScopeId.NotFound`, `AnalysisExistsForNetworkInsightsAccessScope`.
pub fn delete(tx: &mut Tx, id: AccessScopeId) -> Result<(), ControlError> {
    tx.find::<AccessScope>(&id)?;
    if let Some(analysis) = tx.owned::<AccessScopeAnalysis>().find(|analysis| analysis.scope == id) {
        let message = format!("The Network Access Scope '{id}' has analyses; delete {} first", analysis.id);
        return Err(ControlError::new("AnalysisExistsForNetworkInsightsAccessScope", message));
    }
    tx.remove::<AccessScope>(&id);
    Ok(())
}

/// What an analysis came to.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The ways.
    pub findings: Vec<serde_json::Value>,
    /// How many interfaces were looked at.
    pub analyzed_enis: u32,
    /// Why that may not be all.
    pub warning: Option<String>,
}

/// Keeps what `analyse` finds in a scope now.
///
/// # Errors
/// `InvalidNetworkInsightsAccessScopeId.NotFound`, `IdempotentParameterMismatch`, or what `analyse` fails with.
pub fn record(
    tx: &mut Tx,
    scope: AccessScopeId,
    tags: Tags,
    token: Option<&str>,
    analyse: impl FnOnce(&Tx, &AccessScope) -> Result<Found, ControlError>,
) -> Result<AccessScopeAnalysisId, ControlError> {
    let parameters = (scope, tags.clone());
    idempotency::once(tx, "StartNetworkInsightsAccessScopeAnalysis", token, &parameters, |tx| {
        let found = analyse(tx, &*tx.find::<AccessScope>(&scope)?)?;
        let analysis = AccessScopeAnalysis {
            id: tx.new_id(),
            owner: tx.owner().clone(),
            scope,
            started_at: tx.now(),
            analyzed_enis: found.analyzed_enis,
            warning: found.warning,
            findings: found.findings,
            tags,
        };
        let id = analysis.id;
        tx.put(analysis);
        Ok(id)
    })
}

/// Deletes an analysis.
///
/// # Errors
/// `InvalidNetworkInsightsAccessScopeAnalysisId.NotFound`.
pub fn delete_analysis(tx: &mut Tx, id: AccessScopeAnalysisId) -> Result<(), ControlError> {
    tx.find::<AccessScopeAnalysis>(&id)?;
    tx.remove::<AccessScopeAnalysis>(&id);
    Ok(())
}

fn check(path: &ScopePath) -> Result<(), ControlError> {
    for end in path.source.iter().chain(&path.destination) {
        end.resources.iter().try_for_each(check_resources)?;
        end.headers.iter().try_for_each(check_headers)?;
    }
    path.through.iter().try_for_each(check_resources)
}

fn check_resources(statement: &ScopeResources) -> Result<(), ControlError> {
    match (statement.resources.is_empty(), statement.types.is_empty()) {
        (true, true) => return Err(ControlError::missing_parameter("ResourceStatement.Resource")),
        (false, false) => {
            return Err(ControlError::invalid_combination("A ResourceStatement has Resources or ResourceTypes, not both."));
        }
        _ => {}
    }
    if let Some(unknown) = statement.types.iter().find(|name| !TYPES.contains(&name.as_str())) {
        return Err(ControlError::invalid_value(format!("Value ({unknown}) for parameter ResourceType is invalid.")));
    }
    let is_name = |text: &str| text.starts_with("arn:") || text.split_once('-').is_some_and(|(_, digits)| !digits.is_empty());
    match statement.resources.iter().find(|text| !is_name(text)) {
        Some(other) => Err(ControlError::invalid_value(format!("Value ({other}) for parameter Resource is invalid."))),
        None => Ok(()),
    }
}

fn check_headers(headers: &ScopeHeaders) -> Result<(), ControlError> {
    let invalid = |parameter: &str, text: &str| {
        Err(ControlError::invalid_value(format!("Value ({text}) for parameter {parameter} is invalid.")))
    };
    for text in headers.source_addresses.iter().chain(&headers.destination_addresses) {
        if parse_block(text).is_none() {
            return invalid("PacketHeaderStatement addresses", text);
        }
    }
    for text in headers.source_ports.iter().chain(&headers.destination_ports) {
        if parse_ports(text).is_none() {
            return invalid("PacketHeaderStatement ports", text);
        }
    }
    for text in headers.source_prefix_lists.iter().chain(&headers.destination_prefix_lists) {
        if text.parse::<PrefixListId>().is_err() {
            return invalid("PacketHeaderStatement prefix lists", text);
        }
    }
    match headers.protocols.iter().find(|text| !matches!(text.as_str(), "tcp" | "udp")) {
        Some(text) => invalid("PacketHeaderStatement protocols", text),
        None => Ok(()),
    }
}

/// An address or a block.
pub fn parse_block(text: &str) -> Option<ipnet::IpNet> {
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from))
}

/// A port, or the first and the last of a range.
pub fn parse_ports(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to).then_some((from, to))
}
