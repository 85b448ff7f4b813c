//! Tests of actions through the whole wire, over a network in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openvpc_control::{Caller, Control, Enforcer, Environment, Quotas};
use openvpc_model::{FlowLogId, Id, InstanceId, Network, Owner, UnixMillis};
use openvpc_store::MemoryStore;
use serde_json::Value;

use crate::action::Ctx;
use crate::auth::Gate;
use crate::client::{self, ClientError};
use crate::host::Host;
use crate::http::{Request, Response};
use crate::services::{SERVICES, Service};
use crate::{Api, ApiError};

/// An API whose ids and times are the same in every run.
pub(crate) fn api() -> Api {
    api_over(control())
}

/// The same over a network that holds something already.
pub(crate) fn api_over(control: Control) -> Api {
    Api::new(Arc::new(control), Arc::new(NoInstances), gate())
}

/// [`api`], with a clock that goes on as the test says.
pub(crate) fn api_with_clock() -> (Api, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW.0));
    let environment = Counted(AtomicU64::new(1), Arc::clone(&clock));
    let control =
        Control::open(Box::new(MemoryStore::default()), Box::new(NoPackets), Box::new(environment), Quotas::default()).unwrap();
    (Api::new(Arc::new(control), Arc::new(NoInstances), gate()), clock)
}

/// A gate that takes every well-formed signature.
pub(crate) fn gate() -> Arc<Gate> {
    Arc::new(Gate::new("123456789012".parse().unwrap(), false))
}

/// A network in memory.
pub(crate) fn control() -> Control {
    let environment = Counted(AtomicU64::new(1), Arc::new(AtomicU64::new(NOW.0)));
    Control::open(Box::new(MemoryStore::default()), Box::new(NoPackets), Box::new(environment), Quotas::default()).unwrap()
}

/// An account in us-east-1.
pub(crate) fn owner(account: &str) -> Owner {
    Owner { account: account.parse().unwrap(), region: "us-east-1".parse().unwrap() }
}

/// What an action of that account runs with.
pub(crate) fn ctx<'a>(control: &'a Control, account: &str, dry_run: bool) -> Ctx<'a> {
    let caller = Caller { owner: owner(account) };
    Ctx {
        caller,
        access_key: account.to_owned(),
        dry_run,
        request_id: "r".into(),
        control,
        pending: RefCell::default(),
        host: &NoInstances,
    }
}

impl Api {
    /// Calls an action with query parameters; gives JSON with API member names.
    pub(crate) fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, ApiError> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        let (service, name) = action.split_once(':').unwrap_or((client::service(action), action));
        let version = Service::named(service).expect("a service").model.version;
        body.append_pair("Action", name).append_pair("Version", version);
        body.extend_pairs(parameters);
        let response = self.raw(&body.finish());
        decode(action, &response)
    }

    /// Calls an operation of a service that speaks JSON: `("directconnect", "CreateLag", …)`.
    pub(crate) fn json(&self, service: &str, operation: &str, body: &Value) -> Result<Value, ApiError> {
        self.json_as("test", "us-east-1", service, operation, body)
    }

    /// As [`Self::json`], signed with that access key for that region.
    pub(crate) fn json_as(
        &self,
        access_key: &str,
        region: &str,
        service: &str,
        operation: &str,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let model = Service::named(service).expect("a service").model;
        let mut request = signed(access_key, region, model.signing_name, &body.to_string());
        request.headers.retain(|(name, _)| name != "Content-Type");
        request.headers.push(("X-Amz-Target".into(), format!("{}.{operation}", model.target_prefix)));
        request.headers.push(("Content-Type".into(), "application/x-amz-json-1.1".into()));
        let response = self.answer(&request).unwrap();
        let value: Value = serde_json::from_str(&response.body).unwrap();
        if response.status == 200 {
            return Ok(value);
        }
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Err(ApiError { code: text("__type").into(), message: text("message"), status: response.status })
    }

    /// The status and text of the answer to a request to a REST service, made by an account.
    pub(crate) fn rest(&self, account: &str, service: &str, (method, target): (&str, &str), body: &str) -> (u16, String) {
        let mut request = signed(account, "us-east-1", service, body);
        request.method = method.into();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        (request.path, request.query) = (path.into(), query.into());
        let response = self.answer(&request).unwrap();
        (response.status, response.body)
    }

    /// Calls an operation of a REST service with a letter for every part of its path, and nothing else.
    pub(crate) fn rest_without_parameters(&self, service: &str, operation: &str) -> Result<Value, ApiError> {
        let model = Service::named(service).expect("a service").model;
        let route = model.routes.iter().find(|route| route.operation == operation).expect("a route");
        let parts: Vec<&str> = route.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let (status, body) = self.rest("test", model.signing_name, (route.method, &parts.join("/")), "");
        if status < 300 {
            return Ok(Value::Null);
        }
        match client::decode("ec2:DeleteVpc", &body) {
            Err(ClientError::Refused { code, message }) => Err(ApiError { code: code.into(), message, status }),
            other => panic!("{operation}: {other:?}"),
        }
    }

    /// [`Self::call`] by an account (`111111111111`) in a region (`us-east-1`).
    pub(crate) fn call_as(
        &self,
        (account, region): (&str, &str),
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, ApiError> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", action).append_pair("Version", "2016-11-15").extend_pairs(parameters);
        decode(action, &self.raw_as(account, region, &body.finish()))
    }

    /// The error code of a [`Self::call_as`] that must fail.
    pub(crate) fn code_as(&self, caller: (&str, &str), action: &str, parameters: &[(&str, &str)]) -> String {
        self.call_as(caller, action, parameters).expect_err("the call must fail").code.into_owned()
    }

    /// Calls an action with JSON parameters.
    pub(crate) fn call_json(&self, action: &str, parameters: &Value) -> Result<Value, ApiError> {
        let response = self.raw(&client::encode(action, parameters).unwrap());
        decode(action, &response)
    }

    /// The error code of a call that must fail.
    pub(crate) fn code(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.call(action, parameters).expect_err("the call must fail").code.into_owned()
    }

    /// The answer to a form body.
    pub(crate) fn raw(&self, body: &str) -> Response {
        self.raw_as("test", "us-east-1", body)
    }

    /// The answer to a form body, signed with that access key for that region.
    pub(crate) fn raw_as(&self, access_key: &str, region: &str, body: &str) -> Response {
        let named = |service: &&Service| body.contains(&format!("&Version={}", service.model.version));
        let service = SERVICES.iter().find(named).map_or("ec2", |service| service.model.signing_name);
        self.answer(&signed(access_key, region, service, body)).unwrap()
    }
}

fn decode(action: &str, response: &Response) -> Result<Value, ApiError> {
    client::decode(action, &response.body).map_err(|error| match error {
        ClientError::Refused { code, message } => ApiError { code: code.into(), message, status: response.status },
        other => panic!("{action}: {other}: {}", response.body),
    })
}

/// A POST that is signed well enough for a loopback address.
pub(crate) fn signed(access_key: &str, region: &str, service: &str, body: &str) -> Request {
    let signature = "0".repeat(64);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/20260921/{region}/{service}/aws4_request, SignedHeaders=host, Signature={signature}"
    );
    Request {
        method: "POST".into(),
        path: "/".into(),
        headers: vec![
            ("Authorization".into(), authorization),
            ("Content-Type".into(), "application/x-www-form-urlencoded; charset=utf-8".into()),
        ],
        body: body.into(),
        ..Request::default()
    }
}

/// What time it is in a test.
pub(crate) const NOW: UnixMillis = UnixMillis(1_790_000_042_000);

/// Time stands still unless the test moves it, and chance counts.
struct Counted(AtomicU64, Arc<AtomicU64>);

impl Environment for Counted {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.1.load(Ordering::Relaxed))
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

struct NoPackets;

impl Enforcer for NoPackets {
    fn enforce(&self, _network: &Arc<Network>) -> Result<(), String> {
        Ok(())
    }
}

pub(crate) struct NoInstances;

impl Host for NoInstances {
    fn console_output(&self, _instance: InstanceId) -> Option<(UnixMillis, Vec<u8>)> {
        None
    }

    fn reboot(&self, _instance: InstanceId) {}

    fn bucket_exists(&self, bucket: &str) -> bool {
        bucket == "logs"
    }

    fn put_object(&self, _bucket: &str, _key: &str, _body: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn delivery_failure(&self, flow_log: FlowLogId) -> Option<&'static str> {
        (flow_log == FlowLogId::from_random(0xbad)).then_some("Access error")
    }
}
