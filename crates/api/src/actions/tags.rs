//! Tags on resources of every kind.

use openvpc_control::tags::{self, TagOf};

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
    let mut all: Vec<Row> = tags::all(&network, ctx.owner()).into_iter().map(Row::new).collect();
    all.sort_by(|a, b| a.place.cmp(&b.place));
    let rows = filters::select(all, &request.filters, &TAG_FIELDS)?;
    let (rows, next_token) = page::cut(&request, false, rows, |row| Some(&row.place))?;
    Ok(shapes::DescribeTagsResult { next_token, tags: rows.into_iter().map(|row| row.shape).collect() })
}

/// One tag of one resource.
struct Row {
    shape: shapes::TagDescription,
    tag: shapes::Tag,
    /// Resource and key, which no other tag has.
    place: String,
}

impl Row {
    fn new(tag: TagOf) -> Self {
        Self {
            place: format!("{} {}", tag.resource, tag.key),
            tag: shapes::Tag { key: Some(tag.key.clone()), value: Some(tag.value.clone()) },
            shape: shapes::TagDescription {
                key: Some(tag.key),
                resource_id: Some(tag.resource),
                resource_type: Some(tag.kind.to_owned()),
                value: Some(tag.value),
            },
        }
    }
}

static TAG_FIELDS: Fields<Row> = Fields {
    tags: Some(|row| std::slice::from_ref(&row.tag)),
    fields: &[
        ("key", |row, m| m.offer(&row.shape.key)),
        ("resource-id", |row, m| m.offer(&row.shape.resource_id)),
        ("resource-type", |row, m| m.offer(&row.shape.resource_type)),
        ("value", |row, m| m.offer(&row.shape.value)),
    ],
};

#[cfg(test)]
mod tests;
