//! Flow logs: the API side of CreateFlowLogs, DescribeFlowLogs and DeleteFlowLogs.

use openvpc_control::flow_logs::{self, CreateFlowLogs};
use openvpc_flowlogs::Format;
use openvpc_model::{FileFormat, FlowLog, FlowLogDestination, FlowLogId, FlowLogTarget, TrafficType};

use super::prelude::*;

mod integration;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateFlowLogs, create_flow_logs),
    action!(DeleteFlowLogs, delete_flow_logs),
    action!(DescribeFlowLogs, describe_flow_logs),
    action!(GetFlowLogsIntegrationTemplate, integration::get_flow_logs_integration_template),
];

/// What DescribeFlowLogs says of flow logs to log groups.
const S3_ONLY: &str = "This version of openvpc delivers flow logs to S3 only; nothing is written to the log group.";
/// The most resources of one CreateFlowLogs.
const MOST_RESOURCES: usize = 300;
/// The most flow logs of one DeleteFlowLogs or DescribeFlowLogs.
const MOST_FLOW_LOGS: usize = 1000;

fn create_flow_logs(ctx: &Ctx<'_>, request: shapes::CreateFlowLogsRequest) -> Result<shapes::CreateFlowLogsResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "vpc-flow-log")?;
    let targets = targets(&request)?;
    let traffic_type = traffic_type(&request)?;
    let destination = destination(ctx, &request)?;
    let log_format = match request.log_format.as_deref() {
        None => Format::version_2().to_string(),
        Some(text) => text.parse::<Format>().map_err(invalid)?.to_string(),
    };
    let max_aggregation_interval = match request.max_aggregation_interval {
        None | Some(600) => 600,
        Some(60) => 60,
        Some(_) => return Err(invalid("Invalid Flow Log Max Aggregation Interval")),
    };
    let client_token = request.client_token.clone().filter(|token| !token.is_empty());
    let answered_token = Some(client_token.clone().unwrap_or_else(|| ctx.request_id.clone()));
    if let FlowLogDestination::S3 { bucket, .. } = &destination
        && !ctx.host().bucket_exists(bucket)
    {
        let message = format!("LogDestination: {bucket} does not exist.");
        let item = |id: &String| unsuccessful(id, "400", &message);
        let unsuccessful = request.resource_ids.iter().map(item).collect();
        return Ok(shapes::CreateFlowLogsResult { client_token: answered_token, flow_log_ids: Vec::new(), unsuccessful });
    }
    if let Some(role) = &request.deliver_logs_permission_arn
        && !role_exists(ctx, role)?
    {
        let message = format!("DeliverLogsPermissionArn: {role} does not exist.");
        let item = |id: &String| unsuccessful(id, "400", &message);
        let unsuccessful = request.resource_ids.iter().map(item).collect();
        return Ok(shapes::CreateFlowLogsResult { client_token: answered_token, flow_log_ids: Vec::new(), unsuccessful });
    }
    let made = ctx.mutate(|tx| {
        flow_logs::create(
            tx,
            CreateFlowLogs {
                targets,
                traffic_type,
                destination,
                log_format,
                max_aggregation_interval,
                deliver_logs_permission_arn: request.deliver_logs_permission_arn,
                deliver_cross_account_role: request.deliver_cross_account_role,
                client_token,
                tags,
            },
        )
    })?;
    Ok(shapes::CreateFlowLogsResult {
        client_token: answered_token,
        flow_log_ids: made.iter().map(ToString::to_string).collect(),
        unsuccessful: Vec::new(),
    })
}

fn delete_flow_logs(ctx: &Ctx<'_>, request: shapes::DeleteFlowLogsRequest) -> Result<shapes::DeleteFlowLogsResult, ApiError> {
    at_most(MOST_FLOW_LOGS, request.flow_log_ids.len(), "FlowLogId")?;
    let ids: Vec<FlowLogId> = ids::parse_all(&request.flow_log_ids)?;
    ctx.mutate(|tx| flow_logs::delete(tx, &ids))?;
    Ok(shapes::DeleteFlowLogsResult { unsuccessful: Vec::new() })
}

fn describe_flow_logs(
    ctx: &Ctx<'_>,
    request: shapes::DescribeFlowLogsRequest,
) -> Result<shapes::DescribeFlowLogsResult, ApiError> {
    at_most(MOST_FLOW_LOGS, request.flow_log_ids.len(), "FlowLogId")?;
    let network = ctx.network()?;
    let ids: Vec<FlowLogId> = ids::parse_all(&request.flow_log_ids)?;
    let is_missing = |id: &&FlowLogId| network.flow_logs.get(id).is_none_or(|found| found.owner != *ctx.owner());
    let missing: Vec<String> = ids.iter().filter(is_missing).map(ToString::to_string).collect();
    if !missing.is_empty() {
        return Err(flow_logs::not_found(&missing).into());
    }
    let picked = ctx.pick::<FlowLog>(&network, &request.flow_log_ids)?;
    let items = picked.iter().map(|flow_log| shape(flow_log, ctx.host().delivery_failure(flow_log.id))).collect();
    let items = filters::select(items, &request.filter, &FIELDS)?;
    let (flow_logs, next_token) =
        page::cut(&request, !request.flow_log_ids.is_empty(), items, |item| item.flow_log_id.as_deref())?;
    Ok(shapes::DescribeFlowLogsResult { flow_logs, next_token })
}

static FIELDS: Fields<shapes::FlowLog> = Fields {
    tags: Some(|item| &item.tags),
    fields: &[
        ("deliver-log-status", |item, m| m.offer(&item.deliver_logs_status)),
        ("flow-log-id", |item, m| m.offer(&item.flow_log_id)),
        ("log-destination-type", |item, m| m.offer(&item.log_destination_type)),
        ("log-group-name", |item, m| m.offer(&item.log_group_name)),
        ("resource-id", |item, m| m.offer(&item.resource_id)),
        ("traffic-type", |item, m| m.offer(&item.traffic_type)),
    ],
};

fn targets(request: &shapes::CreateFlowLogsRequest) -> Result<Vec<FlowLogTarget>, ApiError> {
    let kind = ids::required(&request.resource_type, "ResourceType")?;
    let resources = &request.resource_ids;
    if resources.is_empty() {
        return Err(ApiError::missing("ResourceId"));
    }
    at_most(MOST_RESOURCES, resources.len(), "ResourceId")?;
    let target = |id: &String| -> Result<FlowLogTarget, ApiError> {
        Ok(match kind {
            "VPC" => FlowLogTarget::Vpc(ids::parse(id)?),
            "Subnet" => FlowLogTarget::Subnet(ids::parse(id)?),
            "NetworkInterface" => FlowLogTarget::NetworkInterface(ids::parse(id)?),
            "TransitGateway" | "TransitGatewayAttachment" | "RegionalNatGateway" => {
                return Err(ApiError::unsupported(format!(
                    "Flow logs of ResourceType {kind} are not available here; use VPC, Subnet or NetworkInterface."
                )));
            }
            other => {
                return Err(ApiError::invalid_value(format!(
                    "Value ({other}) for parameter ResourceType is invalid. Use VPC, Subnet or NetworkInterface."
                )));
            }
        })
    };
    resources.iter().map(target).collect()
}

fn traffic_type(request: &shapes::CreateFlowLogsRequest) -> Result<TrafficType, ApiError> {
    match ids::required(&request.traffic_type, "TrafficType")? {
        "ACCEPT" => Ok(TrafficType::Accept),
        "REJECT" => Ok(TrafficType::Reject),
        "ALL" => Ok(TrafficType::All),
        other => Err(ApiError::invalid_value(format!(
            "Value ({other}) for parameter TrafficType is invalid. Use ACCEPT, REJECT or ALL."
        ))),
    }
}

fn destination(ctx: &Ctx<'_>, request: &shapes::CreateFlowLogsRequest) -> Result<FlowLogDestination, ApiError> {
    let kind = request.log_destination_type.as_deref().unwrap_or("cloud-watch-logs");
    let has_group = request.log_group_name.as_deref().is_some_and(|name| !name.is_empty());
    match kind {
        "cloud-watch-logs" | "kinesis-data-firehose" | "s3" => {}
        other => {
            return Err(ApiError::invalid_value(format!("Value ({other}) for parameter LogDestinationType is invalid. Use s3.")));
        }
    }
    if has_group && kind != "cloud-watch-logs" {
        return Err(invalid("LogDestination type must be cloud-watch-logs if LogGroupName is provided."));
    }
    let destination = request.log_destination.as_deref().filter(|destination| !destination.is_empty());
    if destination.is_none() && !has_group {
        return Err(invalid("LogDestination can't be empty if LogGroupName is not provided."));
    }
    if kind == "cloud-watch-logs" && request.deliver_logs_permission_arn.is_none() {
        return Err(invalid("DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs."));
    }
    if kind == "cloud-watch-logs" {
        return Ok(FlowLogDestination::CloudWatchLogs { log_group: log_group(ctx, request)? });
    }
    let Some(destination) = destination.filter(|_| kind == "s3") else {
        return Err(ApiError::unsupported(format!(
            "Flow logs can't be delivered to {kind} here; use LogDestinationType s3 with a bucket of this endpoint."
        )));
    };
    if request.deliver_logs_permission_arn.is_some() {
        return Err(invalid("DeliverLogsPermissionArn is not applicable for s3 delivery"));
    }
    let (bucket, prefix) = bucket_and_prefix(destination)?;
    let options = request.destination_options.clone().unwrap_or_default();
    match options.file_format.as_deref() {
        None | Some("plain-text") => {}
        Some("parquet") => {
            return Err(ApiError::unsupported("Flow logs can't be delivered as parquet here; use FileFormat plain-text."));
        }
        Some(other) => {
            return Err(ApiError::invalid_value(format!("Value ({other}) for parameter FileFormat is invalid. Use plain-text.")));
        }
    }
    Ok(FlowLogDestination::S3 {
        bucket,
        prefix,
        file_format: FileFormat::PlainText,
        hive_compatible: options.hive_compatible_partitions.unwrap_or(false),
        per_hour: options.per_hour_partition.unwrap_or(false),
    })
}

/// The name of the caller's log group, given by name or by ARN.
fn log_group(ctx: &Ctx<'_>, request: &shapes::CreateFlowLogsRequest) -> Result<String, ApiError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (given(&request.log_group_name), given(&request.log_destination)) {
        (Some(_), Some(_)) => Err(invalid("Please only provide LogGroupName or only provide LogDestination.")),
        (Some(name), None) => Ok(name),
        (None, destination) => {
            let arn = destination.unwrap_or_default();
            let owner = ctx.owner();
            let own = format!("arn:{}:logs:{}:{}:log-group:", owner.region.partition(), owner.region, owner.account);
            let name = arn.strip_prefix(&own).map(|name| name.trim_end_matches(":*")).filter(|name| !name.is_empty());
            name.map(str::to_owned).ok_or_else(|| {
                invalid(format!("LogDestination: {arn} is not the ARN of a log group of this account and Region ({own}NAME)."))
            })
        }
    }
}

/// Whether the role that is to deliver is there, in the caller's account or another one.
fn role_exists(ctx: &Ctx<'_>, arn: &str) -> Result<bool, ApiError> {
    if !arn.starts_with("arn:") || !arn.contains(":role/") {
        return Err(invalid(format!("DeliverLogsPermissionArn: {arn} is not the ARN of a role.")));
    }
    Ok(ctx.network()?.roles.values().any(|role| role.arn() == arn))
}

/// Takes `arn:aws:s3:::BUCKET/FOLDER/` apart.
fn bucket_and_prefix(arn: &str) -> Result<(String, String), ApiError> {
    let malformed = || {
        invalid(format!(
            "LogDestination: {arn} is not the ARN of an S3 bucket or of a folder in one (arn:aws:s3:::bucket/folder/)."
        ))
    };
    let place = arn
        .split_once(":s3:::")
        .filter(|(partition, _)| matches!(*partition, "arn:aws" | "arn:aws-cn" | "arn:aws-us-gov"))
        .map(|(_, place)| place)
        .ok_or_else(malformed)?;
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.is_empty() {
        return Err(malformed());
    }
    let folders = prefix.strip_suffix('/').unwrap_or(prefix);
    if folders.split('/').any(|folder| folder == "AWSLogs") {
        return Err(invalid("LogDestination: AWSLogs is a reserved term and can't be used as a subfolder."));
    }
    if !folders.is_empty() && folders.split('/').any(|folder| matches!(folder, "" | "." | "..")) {
        return Err(malformed());
    }
    Ok((bucket.to_owned(), prefix.to_owned()))
}

fn shape(flow_log: &FlowLog, failure: Option<&str>) -> shapes::FlowLog {
    let failure = failure.or(match flow_log.destination {
        FlowLogDestination::CloudWatchLogs { .. } => Some(S3_ONLY),
        FlowLogDestination::S3 { .. } => None,
    });
    let mut shape = shapes::FlowLog {
        creation_time: Some(flow_log.created_at),
        deliver_logs_error_message: failure.map(str::to_owned),
        deliver_logs_permission_arn: flow_log.deliver_logs_permission_arn.clone(),
        deliver_cross_account_role: flow_log.deliver_cross_account_role.clone(),
        deliver_logs_status: Some(if failure.is_some() { "FAILED" } else { "SUCCESS" }.to_owned()),
        flow_log_id: Some(flow_log.id.to_string()),
        flow_log_status: Some("ACTIVE".to_owned()),
        resource_id: Some(match flow_log.target {
            FlowLogTarget::NetworkInterface(id) => id.to_string(),
            FlowLogTarget::Subnet(id) => id.to_string(),
            FlowLogTarget::Vpc(id) => id.to_string(),
        }),
        traffic_type: Some(
            match flow_log.traffic_type {
                TrafficType::Accept => "ACCEPT",
                TrafficType::Reject => "REJECT",
                TrafficType::All => "ALL",
            }
            .to_owned(),
        ),
        log_format: Some(flow_log.log_format.clone()),
        max_aggregation_interval: i32::try_from(flow_log.max_aggregation_interval).ok(),
        tags: tagging::shapes(&flow_log.tags),
        ..shapes::FlowLog::default()
    };
    let partition = flow_log.owner.region.partition();
    match &flow_log.destination {
        FlowLogDestination::S3 { bucket, prefix, file_format, hive_compatible, per_hour } => {
            let slash = if prefix.is_empty() { "" } else { "/" };
            shape.log_destination_type = Some("s3".to_owned());
            shape.log_destination = Some(format!("arn:{partition}:s3:::{bucket}{slash}{prefix}"));
            shape.destination_options = Some(shapes::DestinationOptionsResponse {
                file_format: Some(
                    match file_format {
                        FileFormat::PlainText => "plain-text",
                        FileFormat::Parquet => "parquet",
                    }
                    .to_owned(),
                ),
                hive_compatible_partitions: Some(*hive_compatible),
                per_hour_partition: Some(*per_hour),
            });
        }
        FlowLogDestination::CloudWatchLogs { log_group } => {
            let (region, account) = (&flow_log.owner.region, flow_log.owner.account);
            shape.log_destination_type = Some("cloud-watch-logs".to_owned());
            shape.log_destination = Some(format!("arn:{partition}:logs:{region}:{account}:log-group:{log_group}"));
            shape.log_group_name = Some(log_group.clone());
        }
    }
    shape
}

fn unsuccessful(resource: &str, code: &str, message: &str) -> shapes::UnsuccessfulItem {
    shapes::UnsuccessfulItem {
        error: Some(shapes::UnsuccessfulItemError { code: Some(code.to_owned()), message: Some(message.to_owned()) }),
        resource_id: Some(resource.to_owned()),
    }
}

fn invalid(reason: impl ToString) -> ApiError {
    ApiError::new("InvalidParameter", reason.to_string())
}

fn at_most(most: usize, given: usize, parameter: &str) -> Result<(), ApiError> {
    if given <= most {
        return Ok(());
    }
    Err(ApiError::invalid_value(format!("{parameter} has {given} values; the maximum is {most}.")))
}

#[cfg(test)]
mod tests;
