//! Network Access Analyzer: scopes, and analyses of them by the pipeline.

mod analysis;

#[cfg(test)]
mod tests;

use openvpc_control::access_scopes;
use openvpc_model::access_scope::{ScopeEnd, ScopeHeaders, ScopePath, ScopeResources};
use openvpc_model::{AccessScope, AccessScopeAnalysis, AccessScopeAnalysisId, AccessScopeId};

use super::insights::outcome::{self, Component};
use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateNetworkInsightsAccessScope, create_scope),
    action!(DeleteNetworkInsightsAccessScope, delete_scope),
    action!(DeleteNetworkInsightsAccessScopeAnalysis, delete_analysis),
    action!(DescribeNetworkInsightsAccessScopeAnalyses, describe_analyses),
    action!(DescribeNetworkInsightsAccessScopes, describe_scopes),
    action!(GetNetworkInsightsAccessScopeAnalysisFindings, get_findings),
    action!(GetNetworkInsightsAccessScopeContent, get_content),
    action!(StartNetworkInsightsAccessScopeAnalysis, start_analysis),
];

fn create_scope(
    ctx: &Ctx<'_>,
    request: shapes::CreateNetworkInsightsAccessScopeRequest,
) -> Result<shapes::CreateNetworkInsightsAccessScopeResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "network-insights-access-scope")?;
    let token = ids::required(&request.client_token, "ClientToken")?.to_owned();
    let matches = request.match_paths.into_iter().map(path).collect();
    let excludes = request.exclude_paths.into_iter().map(path).collect();
    let scope = ctx.mutate(|tx| {
        let id = access_scopes::create(tx, matches, excludes, tags, Some(&token))?;
        tx.find::<AccessScope>(&id)
    })?;
    Ok(shapes::CreateNetworkInsightsAccessScopeResult {
        network_insights_access_scope: Some(scope_shape(&scope)),
        network_insights_access_scope_content: Some(content_shape(&scope)),
    })
}

fn delete_scope(
    ctx: &Ctx<'_>,
    request: shapes::DeleteNetworkInsightsAccessScopeRequest,
) -> Result<shapes::DeleteNetworkInsightsAccessScopeResult, ApiError> {
    let id = scope_id(&request.network_insights_access_scope_id)?;
    ctx.mutate(|tx| access_scopes::delete(tx, id))?;
    Ok(shapes::DeleteNetworkInsightsAccessScopeResult { network_insights_access_scope_id: Some(id.to_string()) })
}

fn describe_scopes(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkInsightsAccessScopesRequest,
) -> Result<shapes::DescribeNetworkInsightsAccessScopesResult, ApiError> {
    let network = ctx.network()?;
    let named = !request.network_insights_access_scope_ids.is_empty();
    let found = ctx.pick::<AccessScope>(&network, &request.network_insights_access_scope_ids)?;
    let found = filters::select(found.iter().map(|scope| scope_shape(scope)).collect(), &request.filters, &NO_SCOPE_FIELDS)?;
    let (scopes, next_token) = page::cut(&request, named, found, |scope| scope.network_insights_access_scope_id.as_deref())?;
    Ok(shapes::DescribeNetworkInsightsAccessScopesResult { network_insights_access_scopes: scopes, next_token })
}

fn get_content(
    ctx: &Ctx<'_>,
    request: shapes::GetNetworkInsightsAccessScopeContentRequest,
) -> Result<shapes::GetNetworkInsightsAccessScopeContentResult, ApiError> {
    let id = scope_id(&request.network_insights_access_scope_id)?;
    let network = ctx.network()?;
    let content = ctx.pick::<AccessScope>(&network, &[id.to_string()])?.first().map(|scope| content_shape(scope));
    Ok(shapes::GetNetworkInsightsAccessScopeContentResult { network_insights_access_scope_content: content })
}

fn start_analysis(
    ctx: &Ctx<'_>,
    request: shapes::StartNetworkInsightsAccessScopeAnalysisRequest,
) -> Result<shapes::StartNetworkInsightsAccessScopeAnalysisResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "network-insights-access-scope-analysis")?;
    let token = ids::required(&request.client_token, "ClientToken")?.to_owned();
    let scope = scope_id(&request.network_insights_access_scope_id)?;
    let analysis = ctx.mutate(|tx| {
        let id = access_scopes::record(tx, scope, tags, Some(&token), |tx, scope| analysis::analyse(tx.network(), scope))?;
        tx.find::<AccessScopeAnalysis>(&id)
    })?;
    // AWS answers before it has analysed; its clients poll for the outcome.
    let started = shapes::NetworkInsightsAccessScopeAnalysis {
        status: Some("running".to_owned()),
        warning_message: None,
        end_date: None,
        findings_found: None,
        analyzed_eni_count: None,
        ..analysis_shape(&analysis)
    };
    Ok(shapes::StartNetworkInsightsAccessScopeAnalysisResult { network_insights_access_scope_analysis: Some(started) })
}

fn describe_analyses(
    ctx: &Ctx<'_>,
    request: shapes::DescribeNetworkInsightsAccessScopeAnalysesRequest,
) -> Result<shapes::DescribeNetworkInsightsAccessScopeAnalysesResult, ApiError> {
    let network = ctx.network()?;
    let named = !request.network_insights_access_scope_analysis_ids.is_empty();
    let scope: Option<AccessScopeId> = ids::parse_opt(&request.network_insights_access_scope_id)?;
    let mut found = ctx.pick::<AccessScopeAnalysis>(&network, &request.network_insights_access_scope_analysis_ids)?;
    found.retain(|analysis| {
        scope.is_none_or(|scope| analysis.scope == scope)
            && request.analysis_start_time_begin.is_none_or(|begin| analysis.started_at >= begin)
            && request.analysis_start_time_end.is_none_or(|end| analysis.started_at <= end)
    });
    // The newest first.
    found.sort_by_key(|analysis| (std::cmp::Reverse(analysis.started_at), analysis.id));
    let found = found.iter().map(|analysis| analysis_shape(analysis)).collect();
    let found = filters::select(found, &request.filters, &NO_ANALYSIS_FIELDS)?;
    let (analyses, next_token) =
        page::cut(&request, named, found, |analysis| analysis.network_insights_access_scope_analysis_id.as_deref())?;
    Ok(shapes::DescribeNetworkInsightsAccessScopeAnalysesResult { network_insights_access_scope_analyses: analyses, next_token })
}

fn get_findings(
    ctx: &Ctx<'_>,
    request: shapes::GetNetworkInsightsAccessScopeAnalysisFindingsRequest,
) -> Result<shapes::GetNetworkInsightsAccessScopeAnalysisFindingsResult, ApiError> {
    let id = analysis_id(&request.network_insights_access_scope_analysis_id)?;
    let network = ctx.network()?;
    let picked = ctx.pick::<AccessScopeAnalysis>(&network, &[id.to_string()])?;
    let findings = picked.iter().flat_map(|analysis| analysis.findings.iter().zip(1..).map(|f| finding_shape(analysis, f)));
    let (analysis_findings, next_token) =
        page::cut(&request, false, findings.collect(), |finding| finding.finding_id.as_deref())?;
    Ok(shapes::GetNetworkInsightsAccessScopeAnalysisFindingsResult {
        network_insights_access_scope_analysis_id: Some(id.to_string()),
        analysis_status: Some("succeeded".to_owned()),
        analysis_findings,
        next_token,
    })
}

fn delete_analysis(
    ctx: &Ctx<'_>,
    request: shapes::DeleteNetworkInsightsAccessScopeAnalysisRequest,
) -> Result<shapes::DeleteNetworkInsightsAccessScopeAnalysisResult, ApiError> {
    let id = analysis_id(&request.network_insights_access_scope_analysis_id)?;
    ctx.mutate(|tx| access_scopes::delete_analysis(tx, id))?;
    Ok(shapes::DeleteNetworkInsightsAccessScopeAnalysisResult { network_insights_access_scope_analysis_id: Some(id.to_string()) })
}

/// "There are no supported filters."
static NO_SCOPE_FIELDS: Fields<shapes::NetworkInsightsAccessScope> = Fields { tags: None, fields: &[] };
static NO_ANALYSIS_FIELDS: Fields<shapes::NetworkInsightsAccessScopeAnalysis> = Fields { tags: None, fields: &[] };

fn path(request: shapes::AccessScopePathRequest) -> ScopePath {
    let through = request.through_resources.into_iter().filter_map(|through| through.resource_statement);
    ScopePath {
        source: request.source.map(end),
        destination: request.destination.map(end),
        through: through.map(resources).collect(),
    }
}

fn end(request: shapes::PathStatementRequest) -> ScopeEnd {
    let headers = |headers: shapes::PacketHeaderStatementRequest| ScopeHeaders {
        source_addresses: headers.source_addresses,
        destination_addresses: headers.destination_addresses,
        source_ports: headers.source_ports,
        destination_ports: headers.destination_ports,
        source_prefix_lists: headers.source_prefix_lists,
        destination_prefix_lists: headers.destination_prefix_lists,
        protocols: headers.protocols,
    };
    ScopeEnd { headers: request.packet_header_statement.map(headers), resources: request.resource_statement.map(resources) }
}

fn resources(request: shapes::ResourceStatementRequest) -> ScopeResources {
    ScopeResources { resources: request.resources, types: request.resource_types }
}

fn scope_shape(scope: &AccessScope) -> shapes::NetworkInsightsAccessScope {
    shapes::NetworkInsightsAccessScope {
        network_insights_access_scope_id: Some(scope.id.to_string()),
        network_insights_access_scope_arn: Some(scope.owner.ec2_arn("network-insights-access-scope", scope.id)),
        created_date: Some(scope.created_at),
        updated_date: Some(scope.created_at),
        tags: tagging::shapes(&scope.tags),
    }
}

fn content_shape(scope: &AccessScope) -> shapes::NetworkInsightsAccessScopeContent {
    shapes::NetworkInsightsAccessScopeContent {
        network_insights_access_scope_id: Some(scope.id.to_string()),
        match_paths: scope.match_paths.iter().map(path_shape).collect(),
        exclude_paths: scope.exclude_paths.iter().map(path_shape).collect(),
    }
}

fn path_shape(path: &ScopePath) -> shapes::AccessScopePath {
    let through =
        |resources: &ScopeResources| shapes::ThroughResourcesStatement { resource_statement: Some(resources_shape(resources)) };
    shapes::AccessScopePath {
        source: path.source.as_ref().map(end_shape),
        destination: path.destination.as_ref().map(end_shape),
        through_resources: path.through.iter().map(through).collect(),
    }
}

fn end_shape(end: &ScopeEnd) -> shapes::PathStatement {
    let headers = |headers: &ScopeHeaders| shapes::PacketHeaderStatement {
        source_addresses: headers.source_addresses.clone(),
        destination_addresses: headers.destination_addresses.clone(),
        source_ports: headers.source_ports.clone(),
        destination_ports: headers.destination_ports.clone(),
        source_prefix_lists: headers.source_prefix_lists.clone(),
        destination_prefix_lists: headers.destination_prefix_lists.clone(),
        protocols: headers.protocols.clone(),
    };
    shapes::PathStatement {
        packet_header_statement: end.headers.as_ref().map(headers),
        resource_statement: end.resources.as_ref().map(resources_shape),
    }
}

fn resources_shape(resources: &ScopeResources) -> shapes::ResourceStatement {
    shapes::ResourceStatement { resources: resources.resources.clone(), resource_types: resources.types.clone() }
}

fn analysis_shape(analysis: &AccessScopeAnalysis) -> shapes::NetworkInsightsAccessScopeAnalysis {
    let found = match (analysis.findings.is_empty(), &analysis.warning) {
        (false, _) => "true",
        (true, None) => "false",
        (true, Some(_)) => "unknown",
    };
    shapes::NetworkInsightsAccessScopeAnalysis {
        network_insights_access_scope_analysis_id: Some(analysis.id.to_string()),
        network_insights_access_scope_analysis_arn: Some(
            analysis.owner.ec2_arn("network-insights-access-scope-analysis", analysis.id),
        ),
        network_insights_access_scope_id: Some(analysis.scope.to_string()),
        status: Some("succeeded".to_owned()),
        status_message: None,
        warning_message: analysis.warning.clone(),
        start_date: Some(analysis.started_at),
        // It is over when it is answered.
        end_date: Some(analysis.started_at),
        findings_found: Some(found.to_owned()),
        analyzed_eni_count: i32::try_from(analysis.analyzed_enis).ok(),
        tags: tagging::shapes(&analysis.tags),
    }
}

fn finding_shape(
    analysis: &AccessScopeAnalysis,
    (finding, number): (&serde_json::Value, i32),
) -> shapes::AccessScopeAnalysisFinding {
    // What is stored was written by this module; a finding of another form is shown without its components.
    let components: Vec<Component> = serde_json::from_value(finding.clone()).unwrap_or_default();
    shapes::AccessScopeAnalysisFinding {
        network_insights_access_scope_analysis_id: Some(analysis.id.to_string()),
        network_insights_access_scope_id: Some(analysis.scope.to_string()),
        finding_id: Some(format!("AnalysisFinding-{number}")),
        finding_components: components.iter().map(outcome::component_shape).collect(),
    }
}

fn scope_id(text: &Option<String>) -> Result<AccessScopeId, ApiError> {
    ids::parse_required(text, "NetworkInsightsAccessScopeId")
}

fn analysis_id(text: &Option<String>) -> Result<AccessScopeAnalysisId, ApiError> {
    ids::parse_required(text, "NetworkInsightsAccessScopeAnalysisId")
}
