//! Tags on resources of every kind.

use openvpc_control::tags::{self, TagOf, TagPlace};

use super::prelude::*;

/// The operations of this family.
pub const ACTIONS: &[Action] =
    &[action!(CreateTags, create_tags), action!(DeleteTags, delete_tags), action!(DescribeTags, describe_tags)];

fn create_tags(ctx: &Ctx<'_>, request: shapes::CreateTagsRequest) -> Result<Done, ApiError> {
    let new = tagging::parse(&request.tags)?;
    if request.resources.is_empty() {
        return Err(ApiError::missing("resourceIdSet"));
    }
    if new.is_empty() {
        return Err(ApiError::missing("Tag"));
    }
    ctx.mutate(|tx| tags::create(tx, &request.resources, &new))?;
    Ok(Done)
}

fn delete_tags(ctx: &Ctx<'_>, request: shapes::DeleteTagsRequest) -> Result<Done, ApiError> {
    if request.resources.is_empty() {
        return Err(ApiError::missing("resourceIdSet"));
    }
    let doomed = |tag: shapes::Tag| Ok((ids::required(&tag.key, "Tag.Key")?.to_owned(), tag.value));
    let doomed: Vec<_> = request.tags.into_iter().map(doomed).collect::<Result<_, ApiError>>()?;
    ctx.mutate(|tx| tags::delete(tx, &request.resources, &doomed))?;
    Ok(Done)
}

fn describe_tags(ctx: &Ctx<'_>, request: shapes::DescribeTagsRequest) -> Result<shapes::DescribeTagsResult, ApiError> {
    let network = ctx.network()?;
    let selection = filters::Selection::new(&request.filters, &fields())?;
    let behind = |place: Option<TagPlace>| {
        let tags: Box<dyn Iterator<Item = TagOf<'_>>> = match filters::literals(&request.filters, "resource-id") {
            Some(mut resources) => {
                resources.sort();
                resources.dedup();
                let all = resources.into_iter().flat_map(|id| tags::of(&network, ctx.owner(), &id));
                Box::new(all.filter(move |tag| place.as_ref().is_none_or(|place| *place < tag.place())))
            }
            None => Box::new(tags::all(&network, ctx.owner(), place.as_ref())),
        };
        tags.filter(|tag| selection.passes(tag))
    };
    let (tags, next_token) = page::take(&request, false, behind, TagOf::place)?;
    Ok(shapes::DescribeTagsResult { next_token, tags: tags.iter().map(shape).collect() })
}

fn shape(tag: &TagOf<'_>) -> shapes::TagDescription {
    shapes::TagDescription {
        key: Some(tag.key.to_owned()),
        resource_id: Some(tag.resource.to_string()),
        resource_type: Some(tag.kind.to_owned()),
        value: Some(tag.value.to_owned()),
    }
}

fn fields<'a>() -> Fields<'a, TagOf<'a>> {
    Fields {
        tags: None,
        fields: &[
            ("key", |tag, m| m.offer(tag.key)),
            ("resource-id", |tag, m| m.show(&tag.resource)),
            ("resource-type", |tag, m| m.offer(tag.kind)),
            ("tag:", |tag, m| m.tag(tag.key, tag.value)),
            ("value", |tag, m| m.offer(tag.value)),
        ],
    }
}

#[cfg(test)]
mod tests;
