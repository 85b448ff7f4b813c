//! Answers in pages: `MaxResults` and an opaque `NextToken`.

use std::fmt::{Display, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ApiError;

/// The longest page of an action whose model doesn't say.
const DEFAULT_MAX: i32 = 1000;

/// A request whose answer can be cut into pages.
pub trait Paged {
    /// The least `MaxResults`: the model's, or 5 where it is silent.
    const MIN: i32;
    /// The most, where the model says it. Elsewhere more than [`DEFAULT_MAX`] is taken for that.
    const MAX: Option<i32>;

    /// `MaxResults`.
    fn max_results(&self) -> Option<i32>;
    /// `NextToken`.
    fn next_token(&self) -> Option<&str>;
}

/// The page that a request asks for, and the token of the next one. `explicit_ids` says that the request names the
/// resources it wants, which doesn't go with `MaxResults`. `key` is what an item is known by; a page starts behind the
/// last item of the one before, also when items came or went in between.
///
/// # Errors
/// `InvalidParameterValue`, `InvalidParameterCombination`, `InvalidNextToken`.
pub fn cut<P: Paged, T>(
    request: &P,
    explicit_ids: bool,
    mut items: Vec<T>,
    key: impl Fn(&T) -> Option<&str>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = size(request, explicit_ids)?;
    if let Some(token) = request.next_token().filter(|token| !token.is_empty()) {
        let place = Place::decode(token)?;
        let behind = items.iter().position(|item| key(item) == Some(&place.last)).map(|found| found + 1);
        items.drain(..behind.unwrap_or(place.offset).min(items.len()));
        return Ok(first(size, items, place.offset, key));
    }
    Ok(first(size, items, 0, key))
}

/// [`cut`] for items that aren't answers yet, so that only those of the page need become some.
///
/// # Errors
/// As [`cut`].
pub fn cut_by<P: Paged, T, K: Copy + Display>(
    request: &P,
    explicit_ids: bool,
    items: Vec<T>,
    key: impl Fn(&T) -> K,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = size(request, explicit_ids)?.unwrap_or(usize::MAX);
    let wanted = request.next_token().filter(|token| !token.is_empty()).map(Place::decode).transpose()?;
    // Names only the two items that are looked at, and not each of them.
    let mut text = String::new();
    let is_last = |item: &T, text: &mut String| {
        text.clear();
        let _ = write!(text, "{}", key(item));
        wanted.as_ref().is_some_and(|place| place.last == *text)
    };
    let start = match &wanted {
        Some(place) => {
            let near = place.offset.checked_sub(1).filter(|at| items.get(*at).is_some_and(|item| is_last(item, &mut text)));
            let found = near.or_else(|| items.iter().position(|item| is_last(item, &mut text)));
            found.map_or(place.offset, |found| found + 1).min(items.len())
        }
        None => 0,
    };
    let more = items.len() - start > size;
    let page: Vec<T> = items.into_iter().skip(start).take(size).collect();
    let offset = wanted.map_or(0, |place| place.offset);
    let token = page.last().filter(|_| more).map(|last| Place { offset: offset + size, last: key(last).to_string() }.encode());
    Ok((page, token))
}

/// How many items the page may have; none for all.
fn size<P: Paged>(request: &P, explicit_ids: bool) -> Result<Option<usize>, ApiError> {
    let Some(wanted) = request.max_results() else { return Ok(None) };
    if explicit_ids {
        return Err(ApiError::invalid_combination("The parameter maxResults cannot be used with a list of ids"));
    }
    if wanted < P::MIN || P::MAX.is_some_and(|max| wanted > max) {
        let range = P::MAX.map_or(format!("of at least {}", P::MIN), |max| format!("between {} and {max}", P::MIN));
        let message = format!("Value ( {wanted} ) for parameter maxResults is invalid. Expecting a value {range}.");
        return Err(ApiError::invalid_value(message));
    }
    Ok(usize::try_from(wanted.min(P::MAX.unwrap_or(DEFAULT_MAX))).ok())
}

fn first<T>(size: Option<usize>, mut items: Vec<T>, offset: usize, key: impl Fn(&T) -> Option<&str>) -> (Vec<T>, Option<String>) {
    let size = size.unwrap_or(usize::MAX);
    if items.len() <= size {
        return (items, None);
    }
    items.truncate(size);
    let last = items.last().and_then(key).unwrap_or_default().to_owned();
    (items, Some(Place { offset: offset + size, last }.encode()))
}

/// Where a page ended.
struct Place {
    /// How many items were before the next page.
    offset: usize,
    /// The key of the last of them.
    last: String,
}

impl Place {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("1 {} {}", self.offset, self.last))
    }

    fn decode(token: &str) -> Result<Self, ApiError> {
        let read = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
            let (offset, last) = text.strip_prefix("1 ")?.split_once(' ')?;
            Some(Self { offset: offset.parse().ok()?, last: last.to_owned() })
        };
        read().ok_or_else(|| {
            ApiError::new("InvalidNextToken", "The specified NextToken is not valid; pass the one of the page before, unchanged.")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::shapes::{DescribeInstancesRequest, DescribeRouteTablesRequest, DescribeVpcsRequest};

    fn ask(max_results: Option<i32>, next_token: Option<String>) -> DescribeVpcsRequest {
        DescribeVpcsRequest { max_results, next_token, ..Default::default() }
    }

    fn names(range: std::ops::Range<u32>) -> Vec<String> {
        range.map(|i| format!("vpc-{i:02}")).collect()
    }

    fn page(request: &DescribeVpcsRequest, items: Vec<String>) -> (Vec<String>, Option<String>) {
        cut(request, false, items, |name| Some(name)).unwrap()
    }

    #[test]
    fn pages_together_are_the_whole() {
        let (mut token, mut seen) = (None, Vec::new());
        loop {
            let (items, next) = page(&ask(Some(5), token), names(0..17));
            seen.extend(items);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, names(0..17));
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        assert_eq!(page(&ask(Some(5), None), names(0..5)).1, None);
        assert_eq!(page(&ask(None, None), names(0..5000)).0.len(), 5000);
    }

    #[test]
    fn an_item_that_vanished_or_came_between_two_pages_makes_none_skipped() {
        let (_, token) = page(&ask(Some(5), None), names(0..10));
        let mut fewer = names(0..10);
        fewer.remove(0);
        assert_eq!(page(&ask(Some(5), token.clone()), fewer).0, names(5..10));
        let mut more = names(0..10);
        more.insert(0, "vpc-new".into());
        assert_eq!(page(&ask(Some(5), token), more).0, names(5..10));
    }

    #[test]
    fn items_that_are_no_answers_yet_are_cut_alike() {
        for removed in [None, Some(0), Some(6)] {
            let (mut token, mut other) = (None, None);
            for _ in 0..5 {
                let mut items = names(0..17);
                if let (Some(index), Some(_)) = (removed, &token) {
                    items.remove(index);
                }
                let (page, next) = page(&ask(Some(5), token), items.clone());
                let refs: Vec<&str> = items.iter().map(|name| &**name).collect();
                let (also, next_also) = cut_by(&ask(Some(5), other), false, refs, |name| *name).unwrap();
                assert_eq!((also, &next_also), (page.iter().map(|name| &**name).collect(), &next));
                (token, other) = (next, next_also);
                if token.is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn limits_come_from_the_model() {
        let code = |request: &DescribeVpcsRequest, ids| cut(request, ids, names(0..1), |name| Some(name)).unwrap_err().code;
        assert_eq!(code(&ask(Some(4), None), false), "InvalidParameterValue");
        assert_eq!(code(&ask(Some(1001), None), false), "InvalidParameterValue");
        assert_eq!(code(&ask(Some(5), None), true), "InvalidParameterCombination");
        assert_eq!(code(&ask(None, Some("nonsense".into())), false), "InvalidNextToken");
        assert_eq!((DescribeRouteTablesRequest::MIN, DescribeRouteTablesRequest::MAX), (5, Some(100)));
        let silent = DescribeInstancesRequest { max_results: Some(5000), ..Default::default() };
        assert_eq!(cut(&silent, false, names(0..1500), |name| Some(name)).unwrap().0.len(), 1000);
    }
}
