//! `Filters` of the Describe actions: names are AND-ed, values OR-ed, `*` and `?` are wildcards.
//!
//! A filter looks at the *response* items, since AWS defines each filter by what the answer shows. See "Listing and
//! filtering using the CLI and API" in the EC2 User Guide.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt::{Display, Write};

use openvpc_model::{Tags, UnixMillis};

use crate::error::ApiError;
use crate::shapes::{Filter, Tag};

/// The most filter values one call may have.
const MAX_VALUES: usize = 200;

/// Which filters an action has, and where an item keeps the values they are compared with.
pub struct Fields<'f, R> {
    /// The item's tags, for `tag:KEY`, `tag-key` and `tag-value`.
    pub tags: Option<fn(&R) -> &[Tag]>,
    /// Filter name, and a function that offers the item's values under it. For items that aren't answers yet, `tag:` stands
    /// for all three filters of tags; its function offers them with [`Matcher::tags`].
    pub fields: &'f [(&'static str, Field<R>)],
}

/// Offers an item's values to a matcher.
pub type Field<R> = fn(&R, &mut Matcher<'_>);

/// The items that every filter lets through.
///
/// # Errors
/// As [`Selection::new`].
pub fn select<R>(mut items: Vec<R>, filters: &[Filter], fields: &Fields<'_, R>) -> Result<Vec<R>, ApiError> {
    let selection = Selection::new(filters, fields)?;
    items.retain(|item| selection.passes(item));
    Ok(items)
}

/// Filters that are ready to look at items, as many as there may be.
pub struct Selection<'a, R> {
    filters: Vec<(Source<'a, R>, Patterns)>,
    scratch: Cell<String>,
}

impl<'a, R> Selection<'a, R> {
    /// Reads the filters of a request.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a name that the action doesn't have, also when there are no items; `FilterLimitExceeded`.
    pub fn new(filters: &'a [Filter], fields: &Fields<'_, R>) -> Result<Self, ApiError> {
        let values: usize = filters.iter().map(|filter| filter.values.len()).sum();
        if values > MAX_VALUES {
            let message =
                format!("The maximum number of filter values specified on a single call is {MAX_VALUES}; this one has {values}.");
            return Err(ApiError::new("FilterLimitExceeded", message));
        }
        let read = |filter: &'a Filter| {
            let name = filter.name.as_deref().unwrap_or_default();
            let source = fields.source(name)?;
            if filter.values.is_empty() {
                return Err(ApiError::invalid_value(format!("The filter '{name}' has no value; give at least one")));
            }
            Ok((source, Patterns::new(&filter.values)))
        };
        Ok(Self { filters: filters.iter().map(read).collect::<Result<_, _>>()?, scratch: Cell::default() })
    }

    /// Whether every filter lets an item through.
    pub fn passes(&self, item: &R) -> bool {
        self.filters.iter().all(|(source, patterns)| {
            let mut matcher = Matcher { patterns, hit: false, tag: source.tag_part(), scratch: &self.scratch };
            source.offer(item, &mut matcher);
            matcher.hit
        })
    }
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

impl<R> Fields<'_, R> {
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
    patterns: &'a Patterns,
    hit: bool,
    /// What to look at of tags that are offered.
    tag: Option<TagPart<'a>>,
    scratch: &'a Cell<String>,
}

impl Matcher<'_> {
    /// Compares a value of the item; one that matches is enough.
    pub fn offer<V: Offered + ?Sized>(&mut self, value: &V) {
        value.offer_to(self);
    }

    /// Compares the text of a value, without the value being made a text first.
    pub fn show(&mut self, value: &impl Display) {
        let mut text = self.scratch.take();
        text.clear();
        // Writing to a text never fails.
        let _ = write!(text, "{value}");
        self.text(&text);
        self.scratch.set(text);
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

    /// Compares what the filter looks at of one tag.
    pub fn tag(&mut self, key: &str, value: &str) {
        match self.tag {
            Some(TagPart::ValueOf(wanted)) if wanted == key => self.text(value),
            Some(TagPart::Key) => self.text(key),
            Some(TagPart::Value) => self.text(value),
            Some(TagPart::ValueOf(_)) | None => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.hit = self.hit || self.patterns.match_any(text);
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

displayed! { bool i32 i64 f64 UnixMillis }

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

/// The values of a filter.
struct Patterns {
    /// Those without wildcards. A call may have many, so that they are not gone through one by one.
    texts: HashSet<String>,
    globs: Vec<Glob>,
}

impl Patterns {
    fn new(values: &[String]) -> Self {
        let mut patterns = Self { texts: HashSet::new(), globs: Vec::new() };
        for value in values {
            match Pattern::parse(value) {
                Pattern::Text(text) => drop(patterns.texts.insert(text)),
                Pattern::Glob(glob) => patterns.globs.push(glob),
            }
        }
        patterns
    }

    fn match_any(&self, text: &str) -> bool {
        self.texts.contains(text) || self.globs.iter().any(|glob| glob.matches(text))
    }
}

/// A filter value: `*` is any text, `?` any one character, a backslash takes the next character as it is.
enum Pattern {
    /// Without wildcards.
    Text(String),
    Glob(Glob),
}

/// The one text that a filter value stands for, if it has no wildcards.
pub fn literal(value: &str) -> Option<String> {
    match Pattern::parse(value) {
        Pattern::Text(text) => Some(text),
        Pattern::Glob(_) => None,
    }
}

/// The texts that the values of a filter stand for; none when the filter isn't there or a value has wildcards.
pub fn literals(filters: &[Filter], name: &str) -> Option<Vec<String>> {
    let filter = filters.iter().find(|filter| filter.name.as_deref() == Some(name))?;
    filter.values.iter().map(|value| literal(value)).collect()
}

impl Pattern {
    fn parse(value: &str) -> Self {
        let mut letters = value.chars();
        let mut segments = vec![Vec::new()];
        let mut is_plain = true;
        while let Some(letter) = letters.next() {
            let last = segments.len() - 1;
            match letter {
                '*' => segments.push(Vec::new()),
                '?' => segments[last].push(None),
                // A backslash at the end stands for itself.
                '\\' => segments[last].push(Some(letters.next().unwrap_or('\\'))),
                other => segments[last].push(Some(other)),
            }
            is_plain &= !matches!(letter, '*' | '?');
        }
        let mut segments = segments.into_iter();
        let start = segments.next().unwrap_or_default();
        if is_plain {
            return Self::Text(start.into_iter().flatten().collect());
        }
        let mut middle: Vec<Segment> = segments.map(Segment::new).collect();
        let end = middle.pop();
        middle.retain(|segment| !segment.is_empty());
        Self::Glob(Glob { start: Segment::new(start), rest: end.map(|end| (middle, end)) })
    }
}

/// A filter value with wildcards: what a text begins with, and, when the value has stars, what must follow somewhere in
/// that order, and what it ends with.
struct Glob {
    start: Segment,
    rest: Option<(Vec<Segment>, Segment)>,
}

impl Glob {
    /// Each segment between two stars is looked for once, at its first place, so that the time is bounded by the product of
    /// the lengths.
    fn matches(&self, text: &str) -> bool {
        let Some(text) = self.start.cut_from_start(text) else { return false };
        let Some((middle, end)) = &self.rest else { return text.is_empty() };
        let Some(text) = end.cut_from_end(text) else { return false };
        middle.iter().try_fold(text, |text, segment| segment.cut_through(text)).is_some()
    }
}

/// What stands between two stars.
enum Segment {
    Text(String),
    /// With question marks, which are none.
    Letters(Vec<Option<char>>),
}

impl Segment {
    fn new(letters: Vec<Option<char>>) -> Self {
        letters.iter().copied().collect::<Option<String>>().map_or(Self::Letters(letters), Self::Text)
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// What follows the segment in a text that begins with it.
    fn cut_from_start<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(own) => text.strip_prefix(&**own),
            Self::Letters(own) => {
                let mut letters = text.chars();
                let fits = own.iter().all(|own| letters.next().is_some_and(|letter| own.is_none_or(|own| own == letter)));
                fits.then_some(letters.as_str())
            }
        }
    }

    /// What precedes the segment in a text that ends with it.
    fn cut_from_end<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(own) => text.strip_suffix(&**own),
            Self::Letters(own) => {
                let mut letters = text.chars();
                let mut own = own.iter().rev();
                let fits = own.all(|own| letters.next_back().is_some_and(|letter| own.is_none_or(|own| own == letter)));
                fits.then_some(letters.as_str())
            }
        }
    }

    /// What follows the segment where a text first has it.
    fn cut_through<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(own) => text.split_once(&**own).map(|(_, behind)| behind),
            Self::Letters(_) => text.char_indices().find_map(|(at, _)| self.cut_from_start(&text[at..])),
        }
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
            ("*ab*ab", "xab", false),
            ("a*?", "a", false),
            ("*?b*", "bb", true),
            (r"\*amazon\?\\", r"*amazon?\", true),
            (r"\*", "x", false),
            ("é?", "éü", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Patterns::new(&[pattern.to_owned()]).match_any(text), expected, "{pattern} on {text}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_matches_itself_only(text in ".{0,20}", other in ".{0,20}") {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            let patterns = Patterns::new(&[escaped]);
            prop_assert!(patterns.match_any(&text));
            prop_assert_eq!(patterns.match_any(&other), text == other);
        }

        /// The meaning, letter by letter, is plain when time doesn't matter.
        #[test]
        fn wildcards_mean_what_they_say(value in "[ab*?é]{0,8}", text in "[abé]{0,8}") {
            fn means(value: &[char], text: &[char]) -> bool {
                match (value, text) {
                    ([], text) => text.is_empty(),
                    (['*', value @ ..], text) => (0..=text.len()).any(|skipped| means(value, &text[skipped..])),
                    (['?', value @ ..], [_, text @ ..]) => means(value, text),
                    ([own, value @ ..], [letter, text @ ..]) => own == letter && means(value, text),
                    _ => false,
                }
            }
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = means(&letters(&value), &letters(&text));
            prop_assert_eq!(Patterns::new(&[value]).match_any(&text), expected);
        }
    }
}
