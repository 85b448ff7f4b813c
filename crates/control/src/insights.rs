//! Network Insights: questions and their answers as resources. The answers themselves come from the analyser.

use std::net::IpAddr;

use openvpc_model::{
    EniId, InsightsAnalysis, InsightsAnalysisId, InsightsPath, InsightsPathId, InstanceId, InternetGatewayId, Tags,
};

use crate::{ControlError, Tx, idempotency};

/// What CreateNetworkInsightsPath takes.
#[derive(Clone, Debug, serde::Serialize)]
pub struct CreatePath {
    /// An instance, a network interface or an internet gateway; an id or an ARN.
    pub source: String,
    /// The same, or none when an address is given.
    pub destination: Option<String>,
    /// An address that narrows the source.
    pub source_ip: Option<String>,
    /// An address that narrows the destination.
    pub destination_ip: Option<String>,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The destination port.
    pub destination_port: Option<u16>,
    /// FilterAtSource and FilterAtDestination in the API's JSON form.
    pub filters: serde_json::Value,
    /// Tags.
    pub tags: Tags,
}

/// Makes a path.
///
/// # Errors
/// When source or destination isn't there, or the parameters don't go together.
pub fn create_path(tx: &mut Tx, request: CreatePath, token: Option<&str>) -> Result<InsightsPathId, ControlError> {
    let fingerprint = request.clone();
    idempotency::once(tx, "CreateNetworkInsightsPath", token, &fingerprint, |tx| {
        let source = endpoint(tx, &request.source)?;
        let destination = request.destination.as_deref().map(|text| endpoint(tx, text)).transpose()?;
        if !matches!(&*request.protocol, "tcp" | "udp") {
            return Err(ControlError::invalid_value(format!("Invalid protocol '{}': it must be tcp or udp", request.protocol)));
        }
        for address in [&request.source_ip, &request.destination_ip].into_iter().flatten() {
            if address.parse::<IpAddr>().is_err() {
                return Err(ControlError::invalid_value(format!("Invalid IP address '{address}'")));
            }
        }
        if destination.is_none() && request.destination_ip.is_none() && !has_destination(&request.filters) {
            return Err(ControlError::missing_parameter("Destination"));
        }
        let path = InsightsPath {
            id: tx.new_id(),
            owner: tx.owner().clone(),
            source,
            destination,
            source_ip: request.source_ip,
            destination_ip: request.destination_ip,
            protocol: request.protocol,
            destination_port: request.destination_port,
            filters: request.filters,
            created_at: tx.now(),
            client_token: token.map(str::to_owned),
            tags: request.tags,
        };
        let id = path.id;
        tx.put(path);
        Ok(id)
    })
}

/// Deletes a path that has no analyses.
///
/// # Errors
/// When it isn't there or has analyses.
pub fn delete_path(tx: &mut Tx, id: InsightsPathId) -> Result<(), ControlError> {
    tx.find::<InsightsPath>(&id)?;
    if tx.owned::<InsightsAnalysis>().any(|analysis| analysis.path == id) {
        let message = format!("The path '{id}' has analyses; delete them first");
        return Err(ControlError::new("AnalysisExistsForNetworkInsightsPath", message));
    }
    tx.remove::<InsightsPath>(&id);
    Ok(())
}

/// Keeps the answer to a path.
///
/// # Errors
/// When the path isn't there.
pub fn record_analysis(
    tx: &mut Tx,
    path: InsightsPathId,
    filter_in_arns: Vec<String>,
    outcome: serde_json::Value,
    tags: Tags,
    token: Option<&str>,
) -> Result<InsightsAnalysisId, ControlError> {
    idempotency::once(tx, "StartNetworkInsightsAnalysis", token, &(path, &filter_in_arns), |tx| {
        tx.find::<InsightsPath>(&path)?;
        let analysis = InsightsAnalysis {
            id: tx.new_id(),
            owner: tx.owner().clone(),
            path,
            started_at: tx.now(),
            filter_in_arns: filter_in_arns.clone(),
            outcome,
            client_token: token.map(str::to_owned),
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
/// When it isn't there.
pub fn delete_analysis(tx: &mut Tx, id: InsightsAnalysisId) -> Result<(), ControlError> {
    tx.find::<InsightsAnalysis>(&id)?;
    tx.remove::<InsightsAnalysis>(&id);
    Ok(())
}

/// The id of a source or destination, which may be given as an ARN.
fn endpoint(tx: &Tx, text: &str) -> Result<String, ControlError> {
    let id = text.rsplit('/').next().unwrap_or(text);
    if let Ok(eni) = id.parse::<EniId>() {
        tx.find::<openvpc_model::NetworkInterface>(&eni)?;
    } else if let Ok(instance) = id.parse::<InstanceId>() {
        tx.find::<openvpc_model::Instance>(&instance)?;
    } else if let Ok(gateway) = id.parse::<InternetGatewayId>() {
        tx.find::<openvpc_model::InternetGateway>(&gateway)?;
    } else {
        return Err(ControlError::invalid_value(format!(
            "'{text}' is no source or destination: it must be an instance, a network interface or an internet gateway"
        )));
    }
    Ok(id.to_owned())
}

fn has_destination(filters: &serde_json::Value) -> bool {
    !filters["FilterAtSource"]["DestinationAddress"].is_null() || !filters["FilterAtDestination"]["DestinationAddress"].is_null()
}
