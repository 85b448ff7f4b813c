//! The HTTP client of the commands: the daemon's own paths, and the EC2 API as any AWS client would call it.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use openvpc_api::auth::signature;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};

use super::{Failure, Target};

/// The SHA-256 of nothing.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Talks to one daemon for one account and region.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    target: Target,
}

impl Client {
    /// A client for the daemon that the arguments name.
    pub fn new(target: &Target) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).proxy(None).timeout_connect(Some(Duration::from_secs(5)));
        Self { agent: config.build().into(), target: target.clone() }
    }

    /// Reads a JSON answer of one of the daemon's own paths, such as `status`.
    ///
    /// # Errors
    /// When the daemon can't be reached or says no.
    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        json(self.checked(self.call("GET", &self.own(path), "ec2", &[], &[]))?)
    }

    /// Sends JSON to one of the daemon's own paths and reads the JSON answer.
    ///
    /// # Errors
    /// When the daemon can't be reached or says no.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let kind = [("content-type", "application/json")];
        json(self.checked(self.call("POST", &self.own(path), "ec2", &kind, body.to_string().as_bytes()))?)
    }

    /// Reads lines of one of the daemon's own paths for as long as they come.
    ///
    /// # Errors
    /// When the daemon can't be reached, says no, or goes away.
    pub fn lines(&self, path: &str) -> Result<impl Iterator<Item = Result<String, Failure>>, Failure> {
        let response = self.checked(self.call("GET", &self.own(path), "ec2", &[], &[]))?;
        let endpoint = self.target.endpoint.clone();
        let lines = BufReader::new(response.into_body().into_reader()).lines();
        Ok(lines.map(move |line| line.map_err(|error| Failure::new(format!("the daemon at {endpoint} went away: {error}")))))
    }

    /// Reads the answer of one of the daemon's own paths as it comes.
    ///
    /// # Errors
    /// When the daemon can't be reached or says no.
    pub fn download(&self, path: &str) -> Result<impl std::io::Read + use<>, Failure> {
        Ok(self.checked(self.call("GET", &self.own(path), "ec2", &[], &[]))?.into_body().into_reader())
    }

    /// Sends bytes to one of the daemon's own paths and reads the JSON answer.
    ///
    /// # Errors
    /// When the daemon can't be reached or says no.
    pub fn upload(&self, path: &str, body: &[u8]) -> Result<Value, Failure> {
        let kind = [("content-type", "application/gzip")];
        json(self.checked(self.call("POST", &self.own(path), "ec2", &kind, body))?)
    }

    /// Calls the EC2 API with a query body; gives the answer's text, which may be an error's.
    ///
    /// # Errors
    /// When the daemon can't be reached.
    pub fn ec2(&self, body: &str) -> Result<String, Failure> {
        let kind = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let url = format!("{}/", self.target.endpoint.trim_end_matches('/'));
        text(self.call("POST", &url, "ec2", &kind, body.as_bytes()).map_err(|error| self.unreachable(&error))?)
    }

    /// Makes a bucket; one that is there already will do.
    ///
    /// # Errors
    /// When the daemon can't be reached or refuses the name.
    pub fn create_bucket(&self, name: &str) -> Result<(), Failure> {
        let url = format!("{}/{name}", self.target.endpoint.trim_end_matches('/'));
        let hash = [("x-amz-content-sha256", EMPTY_SHA256)];
        let response = self.call("PUT", &url, "s3", &hash, &[]).map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() || response.status().as_u16() == 409 {
            return Ok(());
        }
        Err(Failure::new(format!("the bucket {name} can't be made: {}", text(response)?)))
    }

    fn own(&self, path: &str) -> String {
        format!("{}/_openvpc/{path}", self.target.endpoint.trim_end_matches('/'))
    }

    /// Sends a request signed as AWS's clients sign.
    fn call(
        &self,
        method: &str,
        url: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response<Body>, ureq::Error> {
        let uri: Uri = url.parse().map_err(ureq::http::Error::from)?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let own = [("host", &*host)].into_iter().chain(headers.iter().copied());
        let request = openvpc_api::http::Request {
            method: method.to_owned(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            headers: own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: body.to_vec(),
        };
        let (key, secret) = self.target.credentials();
        let scope = format!("{}/{service}", self.target.region);
        let signature = signature::sign(&request, &key, &secret, &scope, crate::daemon::now());
        let mut builder = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in request.headers.iter().chain(&signature) {
            builder = builder.header(name, value);
        }
        self.agent.run(builder.body(body)?)
    }

    fn checked(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let response = answer.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = text(response)?;
        let message = serde_json::from_str::<Value>(&text).ok().and_then(|v| v["message"].as_str().map(str::to_owned));
        Err(Failure::new(message.unwrap_or_else(|| format!("the daemon answered {status}: {text}"))).with_status(2))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let endpoint = &self.target.endpoint;
        Failure::new(format!(
            "no daemon answers at {endpoint} ({error}); start one with `openvpc up`, or name another with --endpoint"
        ))
        .with_status(2)
    }
}

fn json(response: Response<Body>) -> Result<Value, Failure> {
    let text = text(response)?;
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("the daemon's answer isn't JSON ({error}): {text}")))
}

fn text(mut response: Response<Body>) -> Result<String, Failure> {
    let body = response.body_mut().with_config().limit(1 << 30);
    body.read_to_string().map_err(|error| Failure::new(format!("the daemon's answer broke off: {error}")))
}
