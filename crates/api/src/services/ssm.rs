//! Systems Manager: parameters: the API side.

#[cfg(test)]
mod tests;

use openvpc_control::parameters::{self, PutParameter};
use openvpc_model::{Parameter, Tags};

use super::list;
use super::prelude::*;
use crate::actions::catalogue::DEFAULT_IMAGE;
use crate::generated::ssm::shapes;

/// The operations of this service.
pub const ACTIONS: &[JsonAction] = &[
    json_action!(ssm::AddTagsToResource, add_tags),
    json_action!(ssm::DeleteParameter, delete_parameter),
    json_action!(ssm::DeleteParameters, delete_parameters),
    json_action!(ssm::DescribeParameters, describe_parameters),
    json_action!(ssm::GetParameter, get_parameter),
    json_action!(ssm::GetParameters, get_parameters),
    json_action!(ssm::GetParametersByPath, get_parameters_by_path),
    json_action!(ssm::ListTagsForResource, list_tags),
    json_action!(ssm::PutParameter, put_parameter),
    json_action!(ssm::RemoveTagsFromResource, remove_tags),
];

/// The most names of a call, the most parameters of a page by path, and of a page of descriptions.
const NAMES: usize = 10;
const PATH_PAGE: usize = 10;
const DESCRIBE_PAGE: usize = 50;

fn put_parameter(ctx: &Ctx<'_>, request: shapes::PutParameterRequest) -> Result<shapes::PutParameterResult, ApiError> {
    let put = PutParameter {
        name: request.name.unwrap_or_default(),
        kind: request.r#type,
        value: request.value.unwrap_or_default(),
        description: request.description,
        allowed_pattern: request.allowed_pattern,
        key_id: request.key_id,
        tier: request.tier,
        data_type: request.data_type,
        overwrite: request.overwrite.unwrap_or(false),
        tags: tags(&request.tags),
    };
    let parameter = ctx.mutate(|tx| parameters::put(tx, put))?;
    Ok(shapes::PutParameterResult { version: Some(parameter.version.into()), tier: Some(parameter.tier) })
}

fn delete_parameter(ctx: &Ctx<'_>, request: shapes::DeleteParameterRequest) -> Result<shapes::DeleteParameterResult, ApiError> {
    ctx.mutate(|tx| parameters::delete(tx, &request.name.unwrap_or_default()))?;
    Ok(shapes::DeleteParameterResult {})
}

fn delete_parameters(
    ctx: &Ctx<'_>,
    request: shapes::DeleteParametersRequest,
) -> Result<shapes::DeleteParametersResult, ApiError> {
    check_count(&request.names)?;
    let (deleted_parameters, invalid_parameters) =
        ctx.mutate(|tx| Ok(request.names.iter().cloned().partition(|name| parameters::delete(tx, name).is_ok())))?;
    Ok(shapes::DeleteParametersResult { deleted_parameters, invalid_parameters })
}

fn get_parameter(ctx: &Ctx<'_>, request: shapes::GetParameterRequest) -> Result<shapes::GetParameterResult, ApiError> {
    let network = ctx.network()?;
    let name = request.name.unwrap_or_default();
    let parameter = find(ctx, &network, &name)?;
    Ok(shapes::GetParameterResult { parameter: Some(parameter) })
}

fn get_parameters(ctx: &Ctx<'_>, request: shapes::GetParametersRequest) -> Result<shapes::GetParametersResult, ApiError> {
    check_count(&request.names)?;
    let network = ctx.network()?;
    let mut result = shapes::GetParametersResult::default();
    for name in request.names {
        match find(ctx, &network, &name) {
            Ok(parameter) => result.parameters.push(parameter),
            Err(_) => result.invalid_parameters.push(name),
        }
    }
    Ok(result)
}

fn get_parameters_by_path(
    ctx: &Ctx<'_>,
    request: shapes::GetParametersByPathRequest,
) -> Result<shapes::GetParametersByPathResult, ApiError> {
    let path = request.path.unwrap_or_default();
    if !path.starts_with('/') {
        return Err(invalid(
            "The parameter doesn't meet the parameter name requirements. The path must begin with a forward slash \"/\".",
        ));
    }
    let path = format!("{}/", path.trim_end_matches('/'));
    let network = ctx.network()?;
    let mut found = Vec::new();
    for parameter in all(ctx, &network, &path) {
        let below = parameter.name.strip_prefix(&path);
        let is_below = below.is_some_and(|rest| request.recursive == Some(true) || !rest.contains('/'));
        if is_below && passes(&parameter, &request.parameter_filters)? {
            found.push(shape(&parameter));
        }
    }
    let codes = ("ValidationException", "InvalidNextToken");
    let (parameters, next_token) = list::cut(found, request.max_results, PATH_PAGE, request.next_token.as_deref(), codes)?;
    Ok(shapes::GetParametersByPathResult { parameters, next_token })
}

fn describe_parameters(
    ctx: &Ctx<'_>,
    request: shapes::DescribeParametersRequest,
) -> Result<shapes::DescribeParametersResult, ApiError> {
    let network = ctx.network()?;
    let old_filter = |filter: shapes::ParametersFilter| shapes::ParameterStringFilter {
        key: filter.key,
        option: Some("BeginsWith".to_owned()),
        values: filter.values,
    };
    let mut filters = request.parameter_filters;
    filters.extend(request.filters.into_iter().map(old_filter));
    let mut found = Vec::new();
    for parameter in network.owned::<Parameter>(ctx.owner()) {
        if passes(parameter, &filters)? {
            found.push(metadata(parameter));
        }
    }
    let codes = ("ValidationException", "InvalidNextToken");
    let (parameters, next_token) = list::cut(found, request.max_results, DESCRIBE_PAGE, request.next_token.as_deref(), codes)?;
    Ok(shapes::DescribeParametersResult { parameters, next_token })
}

fn add_tags(ctx: &Ctx<'_>, request: shapes::AddTagsToResourceRequest) -> Result<shapes::AddTagsToResourceResult, ApiError> {
    let name = tagged(&request.resource_type, request.resource_id)?;
    ctx.mutate(|tx| parameters::change_tags(tx, &name, |present| present.extend(tags(&request.tags))))?;
    Ok(shapes::AddTagsToResourceResult {})
}

fn remove_tags(
    ctx: &Ctx<'_>,
    request: shapes::RemoveTagsFromResourceRequest,
) -> Result<shapes::RemoveTagsFromResourceResult, ApiError> {
    let name = tagged(&request.resource_type, request.resource_id)?;
    let goes = |key: &String| request.tag_keys.contains(key);
    ctx.mutate(|tx| parameters::change_tags(tx, &name, |present| present.retain(|key, _| !goes(key))))?;
    Ok(shapes::RemoveTagsFromResourceResult {})
}

fn list_tags(ctx: &Ctx<'_>, request: shapes::ListTagsForResourceRequest) -> Result<shapes::ListTagsForResourceResult, ApiError> {
    let name = tagged(&request.resource_type, request.resource_id)?;
    let network = ctx.network()?;
    let found = network.parameters.get(&(ctx.owner().clone(), name.clone()));
    let missing = || ApiError::new("InvalidResourceId", format!("The resource ID \"{name}\" is not valid."));
    let tag = |(key, value): (&String, &String)| shapes::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    let tag_list = found.ok_or_else(missing)?.tags.iter().map(tag).collect();
    Ok(shapes::ListTagsForResourceResult { tag_list })
}

/// A parameter by its name or ARN, with a version behind a colon where the caller wants only that one. Of the versions
/// before the last one nothing is kept.
fn find(ctx: &Ctx<'_>, network: &Network, wanted: &str) -> Result<shapes::Parameter, ApiError> {
    let name = match wanted.strip_prefix("arn:") {
        Some(arn) => arn.split_once(":parameter").map_or(wanted, |(_, name)| name),
        None => wanted,
    };
    let (name, selector) = match name.split_once(':') {
        Some((name, selector)) => (name, Some(selector)),
        None => (name, None),
    };
    // The ARN of `a` is `…:parameter/a`, that of `/a/b` is `…:parameter/a/b`.
    let bare = wanted.starts_with("arn:").then(|| name.trim_start_matches('/'));
    let own = |name: &str| network.parameters.get(&(ctx.owner().clone(), name.to_owned())).map(|found| (**found).clone());
    let found = own(name).or_else(|| own(bare?));
    let published = || parameters::published(ctx.owner(), DEFAULT_IMAGE).into_iter().find(|parameter| parameter.name == name);
    let parameter = found.or_else(published).ok_or_else(|| parameters::not_found(wanted))?;
    if let Some(selector) = selector
        && selector != parameter.version.to_string()
    {
        let message = format!("Systems Manager could not find version {selector} of {name}; only the newest is kept here.");
        return Err(ApiError::new("ParameterVersionNotFound", message));
    }
    Ok(shapes::Parameter { selector: selector.map(|selector| format!(":{selector}")), ..shape(&parameter) })
}

/// The caller's parameters, and with a path that AWS publishes under those.
fn all(ctx: &Ctx<'_>, network: &Network, path: &str) -> Vec<Parameter> {
    if path.starts_with("/aws/") {
        return parameters::published(ctx.owner(), DEFAULT_IMAGE);
    }
    network.owned::<Parameter>(ctx.owner()).map(|parameter| (**parameter).clone()).collect()
}

/// Whether a parameter passes all filters. See "ParameterStringFilter" in the Systems Manager API Reference.
fn passes(parameter: &Parameter, filters: &[shapes::ParameterStringFilter]) -> Result<bool, ApiError> {
    let unknown =
        |what: &str, value: &str| ApiError::new(format!("InvalidFilter{what}"), format!("'{value}' can't be used here."));
    for filter in filters {
        let key = filter.key.as_deref().unwrap_or_default();
        let option = filter.option.as_deref().unwrap_or("Equals");
        let values = &filter.values;
        let compare = |text: &str| match option {
            "Equals" => Ok(values.iter().any(|value| value == text)),
            "BeginsWith" => Ok(values.iter().any(|value| text.starts_with(value.as_str()))),
            "Contains" => Ok(values.iter().any(|value| text.contains(value.as_str()))),
            other => Err(unknown("Option", other)),
        };
        let hit = match key {
            "Name" => compare(&parameter.name)? || compare(parameter.name.trim_start_matches('/'))?,
            "Type" => compare(&parameter.kind)?,
            "Tier" => compare(&parameter.tier)?,
            "DataType" => compare(&parameter.data_type)?,
            "KeyId" => compare(parameter.key_id.as_deref().unwrap_or_default())?,
            "Path" => values.iter().any(|path| {
                let below = parameter.name.strip_prefix(&format!("{}/", path.trim_end_matches('/')));
                below.is_some_and(|rest| option == "Recursive" || !rest.contains('/'))
            }),
            key => match key.strip_prefix("tag:") {
                Some(tag) => match parameter.tags.get(tag) {
                    Some(value) => values.is_empty() || compare(value)?,
                    None => false,
                },
                None => return Err(unknown("Key", key)),
            },
        };
        if !hit {
            return Ok(false);
        }
    }
    Ok(true)
}

fn shape(parameter: &Parameter) -> shapes::Parameter {
    shapes::Parameter {
        name: Some(parameter.name.clone()),
        r#type: Some(parameter.kind.clone()),
        value: Some(parameter.value.clone()),
        version: Some(parameter.version.into()),
        selector: None,
        source_result: None,
        last_modified_date: Some(parameter.updated_at),
        arn: Some(arn(parameter)),
        data_type: Some(parameter.data_type.clone()),
    }
}

fn metadata(parameter: &Parameter) -> shapes::ParameterMetadata {
    let owner = &parameter.owner;
    shapes::ParameterMetadata {
        name: Some(parameter.name.clone()),
        arn: Some(arn(parameter)),
        r#type: Some(parameter.kind.clone()),
        key_id: parameter.key_id.clone(),
        last_modified_date: Some(parameter.updated_at),
        last_modified_user: Some(format!("arn:{}:iam::{}:root", owner.region.partition(), owner.account)),
        description: parameter.description.clone(),
        allowed_pattern: parameter.allowed_pattern.clone(),
        version: Some(parameter.version.into()),
        tier: Some(parameter.tier.clone()),
        policies: Vec::new(),
        data_type: Some(parameter.data_type.clone()),
    }
}

/// Those that AWS publishes belong to no account.
fn arn(parameter: &Parameter) -> String {
    let owner = &parameter.owner;
    let account = if parameter.name.starts_with("/aws/") { String::new() } else { owner.account.to_string() };
    let name = parameter.name.trim_start_matches('/');
    format!("arn:{}:ssm:{}:{account}:parameter/{name}", owner.region.partition(), owner.region)
}

fn tagged(kind: &Option<String>, id: Option<String>) -> Result<String, ApiError> {
    match kind.as_deref() {
        Some("Parameter") => Ok(id.unwrap_or_default()),
        other => {
            let message = format!("The resource type {} is not valid here; use Parameter.", other.unwrap_or_default());
            Err(ApiError::new("InvalidResourceType", message))
        }
    }
}

fn tags(given: &[shapes::Tag]) -> Tags {
    given.iter().map(|tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default())).collect()
}

fn check_count(names: &[String]) -> Result<(), ApiError> {
    if (1..=NAMES).contains(&names.len()) { Ok(()) } else { Err(invalid("Give 1 to 10 names.")) }
}

fn invalid(message: &str) -> ApiError {
    ApiError::new("ValidationException", message)
}
