//! `Filters` of the Describe actions: names are AND-ed, values OR-ed, `*` and `?` are wildcards.
//!
//! A filter looks at the *response* items, since AWS defines each filter by what the answer shows. See "Listing and
//! filtering using the CLI and API" in the EC2 User Guide.

use std::fmt::{Display, Write};

use openvpc_model::{Tags, UnixMillis};

use crate::error::ApiError;
use crate::shapes::{Filter, Tag};

/// The most filter values one call may have.
const MAX_VALUES: usize = 200;

/// Which filters an action has, and where an item keeps the values they are compared with.
pub struct Fields<R: 'static> {
    /// The item's tags, for `tag:KEY`, `tag-key` and `tag-value`.
    pub tags: Option<fn(&R) -> &[Tag]>,
    /// Filter name, and a function that offers the item's values under it. For items that aren't answers yet, `tag:` stands
    /// for all three filters of tags; its function offers them with [`Matcher::tags`].
    pub fields: &'static [(&'static str, Field<R>)],
}

/// Offers an item's values to a matcher.
pub type Field<R> = fn(&R, &mut Matcher<'_>);

/// The items that every filter lets through.
///
/// # Errors
/// `InvalidParameterValue` for a name that the action doesn't have, also when there are no items; `FilterLimitExceeded`.
pub fn select<R>(mut items: Vec<R>, filters: &[Filter], fields: &Fields<R>) -> Result<Vec<R>, ApiError> {
    let values: usize = filters.iter().map(|filter| filter.values.len()).sum();
    if values > MAX_VALUES {
        let message =
            format!("The maximum number of filter values specified on a single call is {MAX_VALUES}; this one has {values}.");
        return Err(ApiError::new("FilterLimitExceeded", message));
    }
    let mut scratch = String::new();
    for filter in filters {
        let name = filter.name.as_deref().unwrap_or_default();
        let patterns: Vec<Pattern> = filter.values.iter().map(|value| Pattern::parse(value)).collect();
        let source = fields.source(name)?;
        if patterns.is_empty() {
            return Err(ApiError::invalid_value(format!("The filter '{name}' has no value; give at least one")));
        }
        items.retain(|item| {
            let mut matcher = Matcher { patterns: &patterns, hit: false, tag: source.tag_part(), scratch: &mut scratch };
            source.offer(item, &mut matcher);
            matcher.hit
        });
    }
    Ok(items)
}

/// Where a filter's values come from.
enum Source<'a, R> {
    Field(Field<R>),
    Tag(fn(&R) -> &[Tag], &'a str),
    TagKey(fn(&R) -> &[Tag]),
    TagValue(fn(&R) -> &[Tag]),
    Tags(Field<R>, TagPart<'a>),
}

/// What of a tag a filter looks at.
#[derive(Clone, Copy)]
enum TagPart<'a> {
    ValueOf(&'a str),
    Key,
    Value,
}

impl<R> Fields<R> {
    fn source<'a>(&self, name: &'a str) -> Result<Source<'a, R>, ApiError> {
        if let Some(&(_, field)) = self.fields.iter().find(|(known, _)| *known == name && name != "tag:") {
            return Ok(Source::Field(field));
        }
        let own = self.fields.iter().find(|(known, _)| *known == "tag:").map(|&(_, field)| field);
        match (own, name, name.strip_prefix("tag:")) {
            (Some(tags), _, Some(key)) if !key.is_empty() => return Ok(Source::Tags(tags, TagPart::ValueOf(key))),
            (Some(tags), "tag-key", _) => return Ok(Source::Tags(tags, TagPart::Key)),
            (Some(tags), "tag-value", _) => return Ok(Source::Tags(tags, TagPart::Value)),
            _ => {}
        }
        match (self.tags, name, name.strip_prefix("tag:")) {
            (Some(tags), _, Some(key)) if !key.is_empty() => Ok(Source::Tag(tags, key)),
            (Some(tags), "tag-key", _) => Ok(Source::TagKey(tags)),
            (Some(tags), "tag-value", _) => Ok(Source::TagValue(tags)),
            _ => Err(ApiError::invalid_value(format!("The filter '{name}' is invalid"))),
        }
    }
}

impl<'a, R> Source<'a, R> {
    fn tag_part(&self) -> Option<TagPart<'a>> {
        match self {
            Self::Tags(_, part) => Some(*part),
            _ => None,
        }
    }

    fn offer(&self, item: &R, matcher: &mut Matcher<'_>) {
        match *self {
            Self::Field(field) | Self::Tags(field, _) => field(item, matcher),
            Self::Tag(tags, key) => {
                tags(item).iter().filter(|tag| tag.key.as_deref() == Some(key)).for_each(|tag| matcher.offer(&tag.value));
            }
            Self::TagKey(tags) => tags(item).iter().for_each(|tag| matcher.offer(&tag.key)),
            Self::TagValue(tags) => tags(item).iter().for_each(|tag| matcher.offer(&tag.value)),
        }
    }
}

/// The values of one filter, being compared with one item.
pub struct Matcher<'a> {
    patterns: &'a [Pattern],
    hit: bool,
    /// What to look at of tags that are offered.
    tag: Option<TagPart<'a>>,
    scratch: &'a mut String,
}

impl Matcher<'_> {
    /// Compares a value of the item; one that matches is enough.
    pub fn offer<V: Offered + ?Sized>(&mut self, value: &V) {
        value.offer_to(self);
    }

    /// Compares the text of a value, without the value being made a text first.
    pub fn show(&mut self, value: &impl Display) {
        let mut text = std::mem::take(self.scratch);
        text.clear();
        // Writing to a text never fails.
        let _ = write!(text, "{value}");
        self.text(&text);
        *self.scratch = text;
    }

    /// Compares what the filter looks at of an item's tags.
    pub fn tags(&mut self, tags: &Tags) {
        match self.tag {
            Some(TagPart::ValueOf(key)) => tags.get(key).into_iter().for_each(|value| self.text(value)),
            Some(TagPart::Key) => tags.keys().for_each(|key| self.text(key)),
            Some(TagPart::Value) => tags.values().for_each(|value| self.text(value)),
            None => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.hit = self.hit || self.patterns.iter().any(|pattern| pattern.matches(text));
    }
}

/// Something that a filter's value can be compared with.
pub trait Offered {
    /// Offers the text of each value.
    fn offer_to(&self, matcher: &mut Matcher<'_>);
}

impl Offered for String {
    fn offer_to(&self, matcher: &mut Matcher<'_>) {
        matcher.text(self);
    }
}

impl Offered for str {
    fn offer_to(&self, matcher: &mut Matcher<'_>) {
        matcher.text(self);
    }
}

macro_rules! displayed {
    ($($ty:ty)*) => {$(
        impl Offered for $ty {
            fn offer_to(&self, matcher: &mut Matcher<'_>) {
                matcher.show(self);
            }
        }
    )*};
}

displayed! { bool i32 i64 UnixMillis }

impl<T: Offered + ?Sized> Offered for &T {
    fn offer_to(&self, matcher: &mut Matcher<'_>) {
        (**self).offer_to(matcher);
    }
}

impl<T: Offered> Offered for Option<T> {
    fn offer_to(&self, matcher: &mut Matcher<'_>) {
        self.iter().for_each(|value| value.offer_to(matcher));
    }
}

impl<T: Offered> Offered for Vec<T> {
    fn offer_to(&self, matcher: &mut Matcher<'_>) {
        self.iter().for_each(|value| value.offer_to(matcher));
    }
}

/// A filter value: `*` is any text, `?` any one character, a backslash takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// Without wildcards.
    Text(String),
    Pieces(Vec<Piece>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    This(char),
}

/// The one text that a filter value stands for, if it has no wildcards.
pub fn literal(value: &str) -> Option<String> {
    match Pattern::parse(value) {
        Pattern::Text(text) => Some(text),
        Pattern::Pieces(_) => None,
    }
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let mut letters = text.chars();
        let mut pieces = Vec::new();
        while let Some(letter) = letters.next() {
            pieces.push(match letter {
                '*' => Piece::Any,
                '?' => Piece::One,
                // A backslash at the end stands for itself.
                '\\' => Piece::This(letters.next().unwrap_or('\\')),
                other => Piece::This(other),
            });
        }
        let plain = pieces.iter().map(|piece| match piece {
            Piece::This(letter) => Some(*letter),
            Piece::Any | Piece::One => None,
        });
        plain.collect::<Option<String>>().map_or(Self::Pieces(pieces), Self::Text)
    }

    /// Goes back to the last star on a mismatch, so that the time is bounded by the product of the lengths.
    fn matches(&self, text: &str) -> bool {
        let pieces = match self {
            Self::Text(own) => return own == text,
            Self::Pieces(pieces) => pieces,
        };
        // `rest` is what follows the letter that is looked at next.
        let (mut p, mut rest) = (0, text.chars());
        let mut star = None;
        loop {
            let here = rest.clone();
            let Some(letter) = rest.next() else { break };
            match pieces.get(p) {
                Some(Piece::Any) => {
                    star = Some((p, here.clone()));
                    rest = here;
                    p += 1;
                }
                Some(&piece) if piece == Piece::One || piece == Piece::This(letter) => p += 1,
                _ => {
                    let Some((star_p, mut star_rest)) = star.take() else { return false };
                    star_rest.next();
                    p = star_p + 1;
                    rest = star_rest.clone();
                    star = Some((star_p, star_rest));
                }
            }
        }
        pieces[p..].iter().all(|piece| *piece == Piece::Any)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::shapes::Vpc;

    static FIELDS: Fields<Vpc> = Fields {
        tags: Some(|vpc| &vpc.tags),
        fields: &[
            ("vpc-id", |vpc, m| m.offer(&vpc.vpc_id)),
            ("is-default", |vpc, m| m.offer(&vpc.is_default)),
            ("cidr-block-association.cidr-block", |vpc, m| {
                vpc.cidr_block_association_set.iter().for_each(|a| m.offer(&a.cidr_block));
            }),
        ],
    };

    fn vpc(id: &str, is_default: bool, tags: &[(&str, &str)]) -> Vpc {
        let tag = |&(key, value): &(&str, &str)| Tag { key: Some(key.into()), value: Some(value.into()) };
        Vpc { vpc_id: Some(id.into()), is_default: Some(is_default), tags: tags.iter().map(tag).collect(), ..Vpc::default() }
    }

    fn filter(name: &str, values: &[&str]) -> Filter {
        Filter { name: Some(name.into()), values: values.iter().map(|v| (*v).to_owned()).collect() }
    }

    fn ids(filters: &[Filter]) -> Vec<String> {
        let vpcs = vec![
            vpc("vpc-a", true, &[("Name", "web"), ("team", "one")]),
            vpc("vpc-b", false, &[("Name", "web-2")]),
            vpc("vpc-c", false, &[]),
        ];
        select(vpcs, filters, &FIELDS).unwrap().into_iter().map(|vpc| vpc.vpc_id.unwrap()).collect()
    }

    #[test]
    fn values_are_or_ed_and_names_and_ed() {
        assert_eq!(ids(&[filter("vpc-id", &["vpc-a", "vpc-c"])]), ["vpc-a", "vpc-c"]);
        assert_eq!(ids(&[filter("vpc-id", &["vpc-a", "vpc-c"]), filter("is-default", &["false"])]), ["vpc-c"]);
    }

    #[test]
    fn tags_are_found_by_key_value_and_both() {
        assert_eq!(ids(&[filter("tag:Name", &["web*"])]), ["vpc-a", "vpc-b"]);
        assert_eq!(ids(&[filter("tag:Name", &["WEB"])]), Vec::<String>::new());
        assert_eq!(ids(&[filter("tag-key", &["team"])]), ["vpc-a"]);
        assert_eq!(ids(&[filter("tag-value", &["web-2"])]), ["vpc-b"]);
    }

    #[test]
    fn an_unknown_name_is_refused_even_when_nothing_is_there() {
        let error = select(Vec::new(), &[filter("colour", &["red"])], &FIELDS).unwrap_err();
        assert_eq!((&*error.code, &*error.message), ("InvalidParameterValue", "The filter 'colour' is invalid"));
    }

    #[test]
    fn two_hundred_values_are_the_most() {
        let values: Vec<String> = (0..201).map(|i| i.to_string()).collect();
        let ask = |n: usize| {
            select(Vec::<Vpc>::new(), &[Filter { name: Some("vpc-id".into()), values: values[..n].to_vec() }], &FIELDS)
        };
        assert!(ask(200).is_ok());
        assert_eq!(ask(201).unwrap_err().code, "FilterLimitExceeded");
    }

    #[test]
    fn wildcards_match_and_a_backslash_escapes_them() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            (r"\*amazon\?\\", r"*amazon?\", true),
            (r"\*", "x", false),
            ("é?", "éü", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Pattern::parse(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_matches_itself_only(text in ".{0,20}", other in ".{0,20}") {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(Pattern::parse(&escaped).matches(&text));
            prop_assert_eq!(Pattern::parse(&escaped).matches(&other), text == other);
        }
    }
}
