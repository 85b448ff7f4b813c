//! Flow logs. See "Logging IP traffic using VPC Flow Logs" in the VPC User Guide.

use openvpc_model::{FlowLog, FlowLogDestination, FlowLogId, FlowLogTarget, NetworkInterface, Subnet, Tags, TrafficType, Vpc};
use serde::Serialize;

use crate::{ControlError, Tx, idempotency, log_groups};

/// What CreateFlowLogs asks for: the same flow log for each of several resources.
#[derive(Clone, Debug, Serialize)]
pub struct CreateFlowLogs {
    /// The resources, at least one.
    pub targets: Vec<FlowLogTarget>,
    /// Which records are kept.
    pub traffic_type: TrafficType,
    /// Where they go.
    pub destination: FlowLogDestination,
    /// The format, checked.
    pub log_format: String,
    /// 60 or 600 seconds.
    pub max_aggregation_interval: u32,
    /// The role that delivers to a log group, kept for clients.
    pub deliver_logs_permission_arn: Option<String>,
    /// The role for cross-account delivery, kept for clients.
    pub deliver_cross_account_role: Option<String>,
    /// The caller's token.
    pub client_token: Option<String>,
    /// Tags of every one.
    pub tags: Tags,
}

/// Makes the flow logs, all or none. Records begin with the packets after this.
///
/// # Errors
/// The targets' not-found errors, `InvalidParameter` for a log group of a name that can't be, `FlowLogAlreadyExists`, `FlowLogsLimitExceeded`, `IdempotentParameterMismatch`.
pub fn create(tx: &mut Tx, request: CreateFlowLogs) -> Result<Vec<FlowLogId>, ControlError> {
    let token = request.client_token.clone();
    let parameters = request.clone();
    idempotency::once(tx, "CreateFlowLogs", token.as_deref(), &parameters, |tx| {
        // On AWS the first delivery makes a group that isn't there.
        if let FlowLogDestination::CloudWatchLogs { log_group } = &request.destination {
            log_groups::ensure_group(tx, log_group).map_err(|error| ControlError::new("InvalidParameter", error.message))?;
        }
        request.targets.iter().map(|target| create_one(tx, *target, &request)).collect()
    })
}

/// Deletes flow logs, all or none. What they delivered stays.
///
/// # Errors
/// `InvalidFlowLogId.NotFound`, which names all that don't exist.
pub fn delete(tx: &mut Tx, ids: &[FlowLogId]) -> Result<(), ControlError> {
    let missing: Vec<String> = ids.iter().filter(|id| tx.find::<FlowLog>(id).is_err()).map(ToString::to_string).collect();
    if !missing.is_empty() {
        return Err(not_found(&missing));
    }
    for id in ids {
        tx.remove::<FlowLog>(id);
    }
    Ok(())
}

/// Deletes the flow logs of a resource that goes.
pub(crate) fn end_with(tx: &mut Tx, target: FlowLogTarget) {
    let flow_logs = tx.network().all::<FlowLog>().filter(|flow_log| flow_log.target == target);
    let flow_logs: Vec<_> = flow_logs.map(|flow_log| flow_log.id).collect();
    for id in flow_logs {
        tx.remove::<FlowLog>(&id);
    }
}

/// The error for flow logs that don't exist.
pub fn not_found(ids: &[String]) -> ControlError {
    let message = format!("These flow log ids in the input list are not found: [TotalCount: {}] {}", ids.len(), ids.join(" "));
    ControlError::new("InvalidFlowLogId.NotFound", message)
}

fn create_one(tx: &mut Tx, target: FlowLogTarget, request: &CreateFlowLogs) -> Result<FlowLogId, ControlError> {
    match target {
        FlowLogTarget::NetworkInterface(id) => drop(tx.find::<NetworkInterface>(&id)?),
        FlowLogTarget::Subnet(id) => drop(tx.find::<Subnet>(&id)?),
        FlowLogTarget::Vpc(id) => drop(tx.find::<Vpc>(&id)?),
    }
    let flow_log = FlowLog {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        target,
        traffic_type: request.traffic_type,
        destination: request.destination.clone(),
        log_format: request.log_format.clone(),
        max_aggregation_interval: request.max_aggregation_interval,
        deliver_logs_permission_arn: request.deliver_logs_permission_arn.clone(),
        deliver_cross_account_role: request.deliver_cross_account_role.clone(),
        created_at: tx.now(),
        client_token: request.client_token.clone(),
        tags: request.tags.clone(),
    };
    let limit = tx.quotas().flow_logs_per_resource;
    let existing: Vec<_> = tx.owned::<FlowLog>().filter(|other| other.target == target).collect();
    if existing.iter().any(|other| is_same(other, &flow_log)) {
        return Err(ControlError::new(
            "FlowLogAlreadyExists",
            "Error. There is an existing Flow Log with the same configuration and log destination.",
        ));
    }
    if existing.len() >= limit {
        let message = format!("You have reached the maximum number of flow logs per resource ({limit}).");
        return Err(ControlError::new("FlowLogsLimitExceeded", message));
    }
    let id = flow_log.id;
    tx.put(flow_log);
    Ok(id)
}

fn is_same(a: &FlowLog, b: &FlowLog) -> bool {
    let configuration = |f: &FlowLog| (f.traffic_type, f.max_aggregation_interval);
    configuration(a) == configuration(b) && a.log_format == b.log_format && a.destination == b.destination
}
