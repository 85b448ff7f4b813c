//! As much of HTTP as the protocols need; the daemon's server fills and sends it.

/// A request, read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// What follows the question mark, without it; empty when there is none.
    pub query: String,
    /// Names in any case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Whether the body is a form, which is how the query protocol writes it. Some clients leave the type out.
    pub fn has_form(&self) -> bool {
        self.method.eq_ignore_ascii_case("POST")
            && self
                .header("content-type")
                .is_none_or(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The `x-amzn-RequestId` header.
    pub request_id: String,
    /// The body, if it is text.
    pub body: String,
    /// The body of a protocol that isn't text, in the place of the other.
    pub binary: Option<Vec<u8>>,
    /// The `Location` header.
    pub location: Option<String>,
}

impl Response {
    /// The body as it is sent.
    pub fn into_bytes(self) -> Vec<u8> {
        self.binary.unwrap_or_else(|| self.body.into_bytes())
    }
}
