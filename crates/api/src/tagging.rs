//! Tags between the wire and the model, with their limits. See "Tag your Amazon EC2 resources" in the EC2 User Guide.

use std::collections::BTreeMap;

use openvpc_control::tags::LIMIT;
use openvpc_model::Tags;

use crate::error::ApiError;
use crate::shapes::{Tag, TagSpecification};

const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// Tags for the one kind of resource that an action makes.
///
/// # Errors
/// As [`on_create_many`].
pub fn on_create(specifications: &[TagSpecification], kind: &str) -> Result<Tags, ApiError> {
    Ok(on_create_many(specifications, &[kind])?.remove(kind).unwrap_or_default())
}

/// Tags per kind of resource, of an action that makes several.
///
/// # Errors
/// `InvalidParameterValue` for a kind that the action doesn't make or that is given twice, and as [`parse`].
pub fn on_create_many(specifications: &[TagSpecification], kinds: &[&str]) -> Result<BTreeMap<String, Tags>, ApiError> {
    let mut by_kind = BTreeMap::new();
    for specification in specifications {
        let kind = specification.resource_type.as_deref().unwrap_or_default();
        if kind.is_empty() {
            return Err(ApiError::invalid_value("Tag specification resource type must have a value"));
        }
        if !kinds.contains(&kind) {
            let message =
                format!("'{kind}' is not a valid taggable resource type for this operation; it takes {}.", kinds.join(", "));
            return Err(ApiError::invalid_value(message));
        }
        if specification.tags.is_empty() {
            return Err(ApiError::invalid_value("Tag specification must have at least one tag"));
        }
        if by_kind.insert(kind.to_owned(), parse(&specification.tags)?).is_some() {
            return Err(ApiError::invalid_value(format!("'{kind}' has more than one tag specification.")));
        }
    }
    Ok(by_kind)
}

/// Reads a list of tags.
///
/// # Errors
/// `InvalidTagKey.Malformed`, `InvalidParameterValue`, `TagLimitExceeded`.
pub fn parse(tags: &[Tag]) -> Result<Tags, ApiError> {
    let mut parsed = Tags::new();
    for tag in tags {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        if key.is_empty() {
            return Err(ApiError::invalid_value("Tag key cannot be null or empty."));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(ApiError::new(
                "InvalidTagKey.Malformed",
                format!("Tag keys starting with 'aws:' are reserved for internal use: '{key}'"),
            ));
        }
        if key.chars().count() > MAX_KEY {
            return Err(ApiError::invalid_value(format!("Tag key exceeds the maximum length of {MAX_KEY} characters: '{key}'")));
        }
        if value.chars().count() > MAX_VALUE {
            return Err(ApiError::invalid_value(format!(
                "Tag value exceeds the maximum length of {MAX_VALUE} characters for key '{key}'"
            )));
        }
        if parsed.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(ApiError::invalid_value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    within_limit(&parsed)?;
    Ok(parsed)
}

/// Checks that a resource's tags aren't too many.
///
/// # Errors
/// `TagLimitExceeded`.
pub fn within_limit(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > LIMIT {
        let message = format!("A resource may have {LIMIT} tags; this would make {}.", tags.len());
        return Err(ApiError::new("TagLimitExceeded", message));
    }
    Ok(())
}

/// Tags as a response shows them, in the order of their keys.
pub fn shapes(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: Some(key.into()), value: Some(value.into()) }
    }

    fn specification(kind: &str, tags: Vec<Tag>) -> TagSpecification {
        TagSpecification { resource_type: Some(kind.into()), tags }
    }

    #[test]
    fn tags_go_in_and_come_out() {
        let tags = on_create(&[specification("vpc", vec![tag("b", ""), tag("a", "1")])], "vpc").unwrap();
        assert_eq!(shapes(&tags), [tag("a", "1"), tag("b", "")]);
        assert!(on_create(&[], "vpc").unwrap().is_empty());
    }

    #[test]
    fn fifty_tags_are_the_most() {
        let tags: Vec<Tag> = (0..51).map(|i| tag(&format!("k{i}"), "v")).collect();
        assert!(parse(&tags[..50]).is_ok());
        assert_eq!(parse(&tags).unwrap_err().code, "TagLimitExceeded");
    }

    #[test]
    fn what_isn_t_a_tag_is_refused() {
        for (key, value, code) in [
            ("aws:x", "v", "InvalidTagKey.Malformed"),
            ("AWS:x", "v", "InvalidTagKey.Malformed"),
            ("", "v", "InvalidParameterValue"),
            (&*"k".repeat(129), "v", "InvalidParameterValue"),
            ("k", &*"v".repeat(257), "InvalidParameterValue"),
        ] {
            assert_eq!(parse(&[tag(key, value)]).unwrap_err().code, code, "{key}");
        }
        assert!(parse(&[tag(&"é".repeat(128), &"é".repeat(256))]).is_ok());
        assert!(parse(&[tag("a", "1"), tag("a", "2")]).is_err());
    }

    #[test]
    fn a_kind_that_the_action_doesn_t_make_is_refused() {
        let error = on_create(&[specification("subnet", vec![tag("a", "1")])], "vpc").unwrap_err();
        assert!(error.message.starts_with("'subnet' is not a valid taggable resource type"), "{error}");
        let twice = [specification("vpc", vec![tag("a", "1")]), specification("vpc", vec![tag("b", "1")])];
        assert_eq!(on_create(&twice, "vpc").unwrap_err().code, "InvalidParameterValue");
    }
}
