//! The HTTP client of the commands: the daemon's own paths, and the EC2 API as any AWS client would call it.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::{Failure, Target};

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
        let request = self.agent.get(self.own(path)).header("authorization", self.authorization("ec2"));
        json(self.checked(request.call())?)
    }

    /// Sends JSON to one of the daemon's own paths and reads the JSON answer.
    ///
    /// # Errors
    /// When the daemon can't be reached or says no.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.post(self.own(path)).header("authorization", self.authorization("ec2"));
        let request = request.header("content-type", "application/json");
        json(self.checked(request.send(body.to_string()))?)
    }

    /// Reads lines of one of the daemon's own paths for as long as they come.
    ///
    /// # Errors
    /// When the daemon can't be reached, says no, or goes away.
    pub fn lines(&self, path: &str) -> Result<impl Iterator<Item = Result<String, Failure>>, Failure> {
        let request = self.agent.get(self.own(path)).header("authorization", self.authorization("ec2"));
        let response = self.checked(request.call())?;
        let endpoint = self.target.endpoint.clone();
        let lines = BufReader::new(response.into_body().into_reader()).lines();
        Ok(lines.map(move |line| line.map_err(|error| Failure::new(format!("the daemon at {endpoint} went away: {error}")))))
    }

    /// Calls the EC2 API with a query body; gives the answer's text, which may be an error's.
    ///
    /// # Errors
    /// When the daemon can't be reached.
    pub fn ec2(&self, body: &str) -> Result<String, Failure> {
        let request = self.agent.post(format!("{}/", self.target.endpoint)).header("authorization", self.authorization("ec2"));
        let request = request.header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        text(request.send(body).map_err(|error| self.unreachable(&error))?)
    }

    /// Makes a bucket; one that is there already will do.
    ///
    /// # Errors
    /// When the daemon can't be reached or refuses the name.
    pub fn create_bucket(&self, name: &str) -> Result<(), Failure> {
        let request = self.agent.put(format!("{}/{name}", self.target.endpoint.trim_end_matches('/')));
        let request =
            request.header("authorization", self.authorization("s3")).header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        let response = request.send_empty().map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() || response.status().as_u16() == 409 {
            return Ok(());
        }
        Err(Failure::new(format!("the bucket {name} can't be made: {}", text(response)?)))
    }

    fn own(&self, path: &str) -> String {
        format!("{}/_openvpc/{path}", self.target.endpoint.trim_end_matches('/'))
    }

    /// Names the account and the region as AWS's clients do. On a loopback address the daemon asks for no more than a
    /// well-formed header.
    fn authorization(&self, service: &str) -> String {
        let Target { account, region, .. } = &self.target;
        let nothing = "0".repeat(64);
        format!(
            "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature={nothing}"
        )
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
