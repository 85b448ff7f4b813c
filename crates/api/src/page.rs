//! Answers in pages: `MaxResults` and an opaque `NextToken`.

use std::fmt::Display;
use std::str::FromStr;

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

/// [`cut`] for items that come in the order of their keys, so that none is looked at but those of the page. `behind` gives
/// the items behind a key, or all of them.
///
/// # Errors
/// As [`cut`].
pub fn take<P: Paged, T, K: Display + FromStr, I: Iterator<Item = T>>(
    request: &P,
    explicit_ids: bool,
    behind: impl FnOnce(Option<K>) -> I,
    key: impl Fn(&T) -> K,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = size(request, explicit_ids)?.unwrap_or(usize::MAX);
    let token = request.next_token().filter(|token| !token.is_empty());
    let last = token.map(|token| Place::decode(token)?.last.parse().map_err(|_| invalid_token())).transpose()?;
    let mut items = behind(last).fuse();
    let page: Vec<T> = items.by_ref().take(size).collect();
    let more = page.last().filter(|_| items.next().is_some());
    let token = more.map(|last| Place { offset: 0, last: key(last).to_string() }.encode());
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
    /// How many items were before the next page, where that is counted.
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
        read().ok_or_else(invalid_token)
    }
}

fn invalid_token() -> ApiError {
    ApiError::new("InvalidNextToken", "The specified NextToken is not valid; pass the one of the page before, unchanged.")
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
    fn items_in_order_are_taken_from_behind_the_last_page() {
        let looked_at = std::cell::Cell::new(0);
        let numbers = |behind: Option<u32>| {
            let look = |_: &u32| looked_at.set(looked_at.get() + 1);
            // One in three, the last of the first page among them, went meanwhile.
            (behind.map_or(0, |last| last + 1)..17).filter(move |n| behind.is_none() || n % 3 != 0).inspect(look)
        };
        let (mut token, mut pages) = (None, Vec::new());
        loop {
            let (page, next) = take(&ask(Some(5), token), false, numbers, |number| *number).unwrap();
            pages.push(page);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec![0, 1, 2, 3, 4], vec![5, 7, 8, 10, 11], vec![13, 14, 16]]);
        assert_eq!(looked_at.get(), 6 + 6 + 3);
        let (_, names_token) = page(&ask(Some(5), None), names(0..9));
        let refused = take(&ask(None, names_token), false, numbers, |number| *number).unwrap_err();
        assert_eq!(refused.code, "InvalidNextToken");
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
