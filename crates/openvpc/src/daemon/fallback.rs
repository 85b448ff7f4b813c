//! Requests for services that openvpc doesn't have, passed on to another emulator.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use openvpc_api::http;

use crate::cli::Failure;

/// Another endpoint that speaks AWS's protocols.
#[derive(Clone, Debug)]
pub struct Fallback {
    agent: ureq::Agent,
    endpoint: String,
}

/// What belongs to one connection and isn't passed on.
const HOP_BY_HOP: [&str; 9] =
    ["connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
/// The largest answer that is passed back, in bytes.
const LARGEST_ANSWER: u64 = 1 << 30;

impl Fallback {
    /// The endpoint at that URL.
    ///
    /// # Errors
    /// When it isn't an http URL.
    pub fn new(url: &str) -> Result<Self, Failure> {
        let is_http = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if is_http.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(Failure::new(format!("--fallback-endpoint {url}: it must be a URL such as http://127.0.0.1:5000")));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(5)));
        Ok(Self { agent: config.build().into(), endpoint: url.trim_end_matches('/').to_owned() })
    }

    /// Passes a request on and its answer back. Blocks.
    pub fn pass_on(&self, request: &http::Request) -> Response {
        match self.exchange(request) {
            Ok(answer) => answer,
            Err(error) => {
                let endpoint = &self.endpoint;
                let message = format!("the fallback endpoint {endpoint} doesn't answer: {error}");
                tracing::warn!(%endpoint, %error, "the fallback endpoint doesn't answer");
                (StatusCode::BAD_GATEWAY, message).into_response()
            }
        }
    }

    fn exchange(&self, request: &http::Request) -> Result<Response, Box<dyn std::error::Error>> {
        let question = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let mut builder =
            ureq::http::Request::builder().method(&*request.method).uri(format!("{}{}{question}", self.endpoint, request.path));
        for (name, value) in request.headers.iter().filter(|(name, _)| !is_hop_by_hop(name)) {
            builder = builder.header(name, value);
        }
        let mut answer = self.agent.run(builder.body(&*request.body)?)?;
        let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec()?;
        let mut response = Response::builder().status(answer.status().as_u16());
        for (name, value) in answer.headers().iter().filter(|(name, _)| !is_hop_by_hop(name.as_str())) {
            response = response.header(HeaderName::from_bytes(name.as_str().as_bytes())?, value.as_bytes());
        }
        Ok(response.body(Body::from(body))?)
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_refused() {
        for url in ["", "localhost:5000", "ftp://x", "http://", "http:///x"] {
            assert!(Fallback::new(url).is_err(), "{url}");
        }
        assert!(Fallback::new("http://127.0.0.1:5000/").is_ok());
    }
}
