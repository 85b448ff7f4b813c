//! Lists in pages, for the services whose models have no pages in common: a size and an opaque token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::prelude::*;

/// The page of `size` items that `token` leads to, and the token of the next one. `bad` are the service's codes for a
/// size out of `1..=most` and for a token that it didn't give.
pub(super) fn cut<T>(
    mut items: Vec<T>,
    size: Option<i32>,
    most: usize,
    token: Option<&str>,
    bad: (&'static str, &'static str),
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = match size {
        None => most,
        Some(size) => usize::try_from(size)
            .ok()
            .filter(|size| (1..=most).contains(size))
            .ok_or_else(|| ApiError::new(bad.0, format!("The size of a page is a number from 1 to {most}, not {size}.")))?,
    };
    let offset = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => read(token).ok_or_else(|| ApiError::new(bad.1, "The token is not one that this operation gave."))?,
    };
    items.drain(..offset.min(items.len()));
    if items.len() <= size {
        return Ok((items, None));
    }
    items.truncate(size);
    Ok((items, Some(URL_SAFE_NO_PAD.encode(format!("1 {}", offset.saturating_add(size))))))
}

fn read(token: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix("1 ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn pages_together_are_the_whole() {
        let (first, token) = cut(vec![1, 2, 3, 4, 5], Some(3), 10, None, ("size", "token")).unwrap();
        let (second, end) = cut(vec![1, 2, 3, 4, 5], Some(3), 10, token.as_deref(), ("size", "token")).unwrap();
        assert_eq!((first, second, end), (vec![1, 2, 3], vec![4, 5], None));
        let code = |size, token| cut(vec![1], size, 10, token, ("size", "token")).unwrap_err().code;
        assert_eq!(
            (code(Some(0), None), code(Some(11), None), code(None, Some("x"))),
            ("size".into(), "size".into(), "token".into())
        );
    }
}
