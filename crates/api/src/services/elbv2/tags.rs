//! AddTags, RemoveTags and DescribeTags.

use openvpc_control::load_balancers::tags::{self, Kind};
use openvpc_model::{Listener, LoadBalancer, Tags, TargetGroup};

use super::super::prelude::*;
use super::{invalid, owned};
use crate::generated::elbv2::shapes;

/// AddTags.
pub fn add_tags(ctx: &Ctx<'_>, request: shapes::AddTagsInput) -> Result<shapes::AddTagsOutput, ApiError> {
    let added = parse(&request.tags)?;
    ctx.mutate(|tx| tags::add(tx, &request.resource_arns, &added))?;
    Ok(shapes::AddTagsOutput {})
}

/// RemoveTags.
pub fn remove_tags(ctx: &Ctx<'_>, request: shapes::RemoveTagsInput) -> Result<shapes::RemoveTagsOutput, ApiError> {
    ctx.mutate(|tx| tags::remove(tx, &request.resource_arns, &request.tag_keys))?;
    Ok(shapes::RemoveTagsOutput {})
}

/// DescribeTags.
pub fn describe_tags(ctx: &Ctx<'_>, request: shapes::DescribeTagsInput) -> Result<shapes::DescribeTagsOutput, ApiError> {
    if request.resource_arns.len() > 20 {
        return Err(invalid("Cannot have more than 20 resources described"));
    }
    let network = ctx.network()?;
    let describe = |arn: &String| -> Result<shapes::TagDescription, ApiError> {
        let found = match tags::kind_of(arn)? {
            Kind::Listener => owned::<Listener>(ctx, &network, arn)?.tags.clone(),
            Kind::LoadBalancer => owned::<LoadBalancer>(ctx, &network, arn)?.tags.clone(),
            Kind::TargetGroup => owned::<TargetGroup>(ctx, &network, arn)?.tags.clone(),
        };
        let found = found.into_iter().map(|(key, value)| shapes::Tag { key: Some(key), value: Some(value) });
        Ok(shapes::TagDescription { resource_arn: Some(arn.clone()), tags: found.collect() })
    };
    let tag_descriptions = request.resource_arns.iter().map(describe).collect::<Result<_, _>>()?;
    Ok(shapes::DescribeTagsOutput { tag_descriptions })
}

/// Reads the tags of a request.
pub(super) fn parse(list: &[shapes::Tag]) -> Result<Tags, ApiError> {
    let mut parsed = Tags::new();
    for tag in list {
        let key = tag.key.clone().unwrap_or_default();
        if parsed.insert(key.clone(), tag.value.clone().unwrap_or_default()).is_some() {
            return Err(ApiError::new("DuplicateTagKeys", format!("The tag key '{key}' is specified more than once")));
        }
    }
    Ok(parsed)
}
