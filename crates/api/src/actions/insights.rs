//! Network Insights (Reachability Analyzer): paths, and analyses of them by the pipeline.

pub(super) mod outcome;
pub(super) mod question;

#[cfg(test)]
mod tests;

use openvpc_control::ControlError;
use openvpc_control::insights::{self, CreatePath};
use openvpc_model::{InsightsAnalysis, InsightsAnalysisId, InsightsPath, InsightsPathId};
use serde_json::json;

use super::prelude::*;
use outcome::Outcome;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateNetworkInsightsPath, create_path),
    action!(DeleteNetworkInsightsAnalysis, delete_analysis),
    action!(DeleteNetworkInsightsPath, delete_path),
    action!(DescribeNetworkInsightsAnalyses, describe_analyses),
    action!(DescribeNetworkInsightsPaths, describe_paths),
    action!(StartNetworkInsightsAnalysis, start_analysis),
];

fn create_path(
    ctx: &Ctx<'_>,
    request: shapes::CreateNetworkInsightsPathRequest,
) -> Result<shapes::CreateNetworkInsightsPathResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "network-insights-path")?;
    let filters = json!({
        "FilterAtSource": request.filter_at_source.as_ref().map(filter_value),
        "FilterAtDestination": request.filter_at_destination.as_ref().map(filter_value),
    });
    let path = CreatePath {
        source: ids::required(&request.source, "Source")?.to_owned(),
        destination: request.destination.clone(),
        source_ip: request.source_ip.clone(),
        destination_ip: request.destination_ip.clone(),
        protocol: ids::required(&request.protocol, "Protocol")?.to_owned(),
        destination_port: request.destination_port.map(port).transpose()?,
        filters,
        tags,
    };
    let token = request.client_token.as_deref();
    let shape = ctx.mutate(|tx| {
        let id = insights::create_path(tx, path, token)?;
        Ok(path_shape(&*tx.find::<InsightsPath>(&id)?))
    })?;
    Ok(shapes::CreateNetworkInsightsPathResult { network_insights_path: Some(shape) })
}

fn delete_path(
    ctx: &Ctx<'_>,
    request: shapes::DeleteNetworkInsightsPathRequest,
) -> Result<shapes::DeleteNetworkInsightsPathResult, ApiError> {
    let id: InsightsPathId = ids::parse_required(&request.network_insights_path_id, "NetworkInsightsPathId")?;
    ctx.mutate(|tx| insights::delete_path(tx, id))?;
    Ok(shapes::DeleteNetworkInsightsPathResult { network_insights_path_id: Some(id.to_string()) })
}

fn delete_analysis(
    ctx: &Ctx<'_>,
    request: shapes::DeleteNetworkInsightsAnalysisRequest,
) -> Result<shapes::DeleteNetworkInsightsAnalysisResult, ApiError> {
    let id: InsightsAnalysisId = ids::parse_required(&request.network_insights_analysis_id, "NetworkInsightsAnalysisId")?;
    ctx.mutate(|tx| insights::delete_analysis(tx, id))?;
    Ok(shapes::DeleteNetworkInsightsAnalysisResult { network_insights_analysis_id: Some(id.to_string()) })
}

fn describe_paths(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkInsightsPathsRequest,
) -> Result<shapes::DescribeNetworkInsightsPathsResult, ApiError> {
    let network = ctx.network()?;
    let named = !request.network_insights_path_ids.is_empty();
    let found = ctx.pick::<InsightsPath>(&network, &request.network_insights_path_ids)?;
    let found = filters::select(found.iter().map(|path| path_shape(path)).collect(), &request.filters, &PATH_FIELDS)?;
    let (paths, next_token) = page::cut(&request, named, found, |path| path.network_insights_path_id.as_deref())?;
    Ok(shapes::DescribeNetworkInsightsPathsResult { network_insights_paths: paths, next_token })
}

fn start_analysis(
    ctx: &Ctx<'_>,
    request: shapes::StartNetworkInsightsAnalysisRequest,
) -> Result<shapes::StartNetworkInsightsAnalysisResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "network-insights-analysis")?;
    let id: InsightsPathId = ids::parse_required(&request.network_insights_path_id, "NetworkInsightsPathId")?;
    let token = request.client_token.as_deref();
    let shape = ctx.mutate(|tx| {
        let path = tx.find::<InsightsPath>(&id)?;
        let outcome = question::analyse(tx.network(), &path, &request.filter_in_arns);
        let outcome = serde_json::to_value(outcome).map_err(ControlError::internal)?;
        let id = insights::record_analysis(tx, id, request.filter_in_arns.clone(), outcome, tags, token)?;
        Ok(analysis_shape(&*tx.find::<InsightsAnalysis>(&id)?))
    })?;
    // AWS answers before it has analysed; its clients poll for the outcome.
    let started = shapes::NetworkInsightsAnalysis {
        status: Some("running".to_owned()),
        network_path_found: None,
        forward_path_components: Vec::new(),
        return_path_components: Vec::new(),
        explanations: Vec::new(),
        ..shape
    };
    Ok(shapes::StartNetworkInsightsAnalysisResult { network_insights_analysis: Some(started) })
}

fn describe_analyses(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkInsightsAnalysesRequest,
) -> Result<shapes::DescribeNetworkInsightsAnalysesResult, ApiError> {
    let network = ctx.network()?;
    let named = !request.network_insights_analysis_ids.is_empty();
    let path: Option<InsightsPathId> = ids::parse_opt(&request.network_insights_path_id)?;
    let mut found = ctx.pick::<InsightsAnalysis>(&network, &request.network_insights_analysis_ids)?;
    found.retain(|analysis| {
        path.is_none_or(|path| analysis.path == path)
            && request.analysis_start_time.is_none_or(|start| analysis.started_at >= start)
            && request.analysis_end_time.is_none_or(|end| analysis.started_at <= end)
    });
    // The newest first.
    found.sort_by_key(|analysis| (std::cmp::Reverse(analysis.started_at), analysis.id));
    let found =
        filters::select(found.iter().map(|analysis| analysis_shape(analysis)).collect(), &request.filters, &ANALYSIS_FIELDS)?;
    let (analyses, next_token) = page::cut(&request, named, found, |analysis| analysis.network_insights_analysis_id.as_deref())?;
    Ok(shapes::DescribeNetworkInsightsAnalysesResult { network_insights_analyses: analyses, next_token })
}

static PATH_FIELDS: Fields<shapes::NetworkInsightsPath> = Fields {
    tags: Some(|path| &path.tags),
    fields: &[
        ("destination", |path, m| m.offer(&path.destination)),
        ("filter-at-source.source-address", |path, m| {
            m.offer(&path.filter_at_source.as_ref().and_then(|f| f.source_address.clone()))
        }),
        ("filter-at-source.destination-address", |path, m| {
            m.offer(&path.filter_at_source.as_ref().and_then(|f| f.destination_address.clone()));
        }),
        ("filter-at-destination.source-address", |path, m| {
            m.offer(&path.filter_at_destination.as_ref().and_then(|f| f.source_address.clone()));
        }),
        ("filter-at-destination.destination-address", |path, m| {
            m.offer(&path.filter_at_destination.as_ref().and_then(|f| f.destination_address.clone()));
        }),
        ("protocol", |path, m| m.offer(&path.protocol)),
        ("source", |path, m| m.offer(&path.source)),
    ],
};

static ANALYSIS_FIELDS: Fields<shapes::NetworkInsightsAnalysis> = Fields {
    tags: Some(|analysis| &analysis.tags),
    fields: &[
        ("path-found", |analysis, m| m.offer(&analysis.network_path_found)),
        ("status", |analysis, m| m.offer(&analysis.status)),
    ],
};

fn path_shape(path: &InsightsPath) -> shapes::NetworkInsightsPath {
    let arn = |id: &str| path.owner.ec2_arn(kind_of(id), id);
    let filter = |name: &str| path.filters.get(name).filter(|value| !value.is_null()).map(filter_shape);
    shapes::NetworkInsightsPath {
        network_insights_path_id: Some(path.id.to_string()),
        network_insights_path_arn: Some(path.owner.ec2_arn("network-insights-path", path.id)),
        created_date: Some(path.created_at),
        source: Some(path.source.clone()),
        source_arn: Some(arn(&path.source)),
        destination: path.destination.clone(),
        destination_arn: path.destination.as_deref().map(arn),
        source_ip: path.source_ip.clone(),
        destination_ip: path.destination_ip.clone(),
        protocol: Some(path.protocol.clone()),
        destination_port: path.destination_port.map(i32::from),
        tags: tagging::shapes(&path.tags),
        filter_at_source: filter("FilterAtSource"),
        filter_at_destination: filter("FilterAtDestination"),
    }
}

fn analysis_shape(analysis: &InsightsAnalysis) -> shapes::NetworkInsightsAnalysis {
    // What is stored was written by this module; an outcome of another form says that it failed.
    let outcome: Option<Outcome> = serde_json::from_value(analysis.outcome.clone()).ok();
    let failure = match &outcome {
        Some(outcome) => outcome.failure.clone(),
        None => Some("the outcome was written by another version of openvpc; start a new analysis".to_owned()),
    };
    let outcome = outcome.unwrap_or_default();
    shapes::NetworkInsightsAnalysis {
        network_insights_analysis_id: Some(analysis.id.to_string()),
        network_insights_analysis_arn: Some(analysis.owner.ec2_arn("network-insights-analysis", analysis.id)),
        network_insights_path_id: Some(analysis.path.to_string()),
        filter_in_arns: analysis.filter_in_arns.clone(),
        start_date: Some(analysis.started_at),
        status: Some(if failure.is_some() { "failed" } else { "succeeded" }.to_owned()),
        network_path_found: failure.is_none().then_some(outcome.found),
        status_message: failure,
        forward_path_components: outcome.forward.iter().map(outcome::component_shape).collect(),
        return_path_components: outcome.back.iter().map(outcome::component_shape).collect(),
        explanations: outcome.reasons.iter().map(outcome::explanation_shape).collect(),
        tags: tagging::shapes(&analysis.tags),
        ..Default::default()
    }
}

fn filter_value(filter: &shapes::PathRequestFilter) -> serde_json::Value {
    let range = |range: &Option<shapes::RequestFilterPortRange>| {
        range.as_ref().map(|range| json!({ "FromPort": range.from_port, "ToPort": range.to_port }))
    };
    json!({
        "SourceAddress": filter.source_address,
        "DestinationAddress": filter.destination_address,
        "SourcePortRange": range(&filter.source_port_range),
        "DestinationPortRange": range(&filter.destination_port_range),
    })
}

fn filter_shape(filter: &serde_json::Value) -> shapes::PathFilter {
    let text = |name: &str| filter[name].as_str().map(str::to_owned);
    let range = |name: &str| {
        let number = |member: &str| filter[name][member].as_i64().and_then(|number| i32::try_from(number).ok());
        filter[name].is_object().then(|| shapes::FilterPortRange { from_port: number("FromPort"), to_port: number("ToPort") })
    };
    shapes::PathFilter {
        source_address: text("SourceAddress"),
        source_port_range: range("SourcePortRange"),
        destination_address: text("DestinationAddress"),
        destination_port_range: range("DestinationPortRange"),
    }
}

fn port(number: i32) -> Result<u16, ApiError> {
    u16::try_from(number)
        .map_err(|_| ApiError::invalid_value(format!("Value ({number}) for parameter destinationPort is invalid.")))
}

/// The resource type in an ARN, by the id's prefix.
fn kind_of(id: &str) -> &'static str {
    match id.split_once('-').map(|(prefix, _)| prefix) {
        Some("acl") => "network-acl",
        Some("eigw") => "egress-only-internet-gateway",
        Some("eni") => "network-interface",
        Some("i") => "instance",
        Some("igw") => "internet-gateway",
        Some("nat") => "natgateway",
        Some("pcx") => "vpc-peering-connection",
        Some("pl") => "prefix-list",
        Some("rtb") => "route-table",
        Some("sg") => "security-group",
        Some("subnet") => "subnet",
        Some("tgw") => "transit-gateway",
        Some("vgw") => "vpn-gateway",
        Some("vpce") => "vpc-endpoint",
        _ => "vpc",
    }
}
