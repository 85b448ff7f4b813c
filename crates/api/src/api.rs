//! From request to answer.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use openvpc_control::{Control, ControlError, Pending};

use crate::action::{Action, Ctx, JsonAction};
use crate::actions;
use crate::auth::{self, Admitted, Credential, Gate};
use crate::error::ApiError;
use crate::host::Host;
use crate::http::{Request, Response};
use crate::query::Node;
use crate::services::{SERVICES, Service};
use crate::table::Protocol;
use crate::usage::{self, OperationUsage, Usage};
use crate::{cbor, json, rest, xml};

/// The endpoints of all services but S3.
pub struct Api {
    pub(crate) control: Arc<Control>,
    host: Arc<dyn Host>,
    gate: Arc<Gate>,
    usage: Usage,
}

/// Whom a request is for.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// A service that is served here.
    Service(&'static Service),
    /// S3, or nothing that carries an AWS action: the caller's business.
    S3,
    /// A service that openvpc doesn't have.
    Other(String),
}

/// STS's operations, by which an unsigned request is told from one for EC2.
const STS_OPERATIONS: &[&str] = &[
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "DecodeAuthorizationMessage",
    "GetAccessKeyInfo",
    "GetCallerIdentity",
    "GetDelegatedAccessToken",
    "GetFederationToken",
    "GetSessionToken",
    "GetWebIdentityToken",
];

impl Api {
    /// Endpoints over a network, with `gate` saying who may call.
    pub fn new(control: Arc<Control>, host: Arc<dyn Host>, gate: Arc<Gate>) -> Self {
        Self { control, host, gate, usage: Usage::default() }
    }

    /// Says who makes a request to something that isn't AWS's, by the same rule.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub fn admit(&self, request: &Request, protocol: Protocol) -> Result<Admitted, ApiError> {
        self.gate.admit(&self.control, request, protocol)
    }

    /// Whether only requests of registered keys are let in.
    pub fn verifies(&self) -> bool {
        self.gate.verifies(&self.control)
    }

    /// How often each operation was asked for since the start.
    pub fn usage(&self) -> Vec<OperationUsage> {
        self.usage.snapshot()
    }

    /// Answers a request, or gives none when it is for S3. While what it wrote becomes durable, it holds no thread.
    pub async fn serve(&self, request: &Request) -> Option<Response> {
        let mut ran = self.begin(request)?;
        for pending in std::mem::take(&mut ran.pending) {
            ran.fail_with(pending.await);
        }
        Some(self.finish(request, ran))
    }

    /// As [`Self::serve`], with this thread to the end.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        let mut ran = self.begin(request)?;
        for pending in std::mem::take(&mut ran.pending) {
            ran.fail_with(pending.wait());
        }
        Some(self.finish(request, ran))
    }

    fn begin(&self, request: &Request) -> Option<Ran<'_>> {
        let (begun, request_id) = (Instant::now(), request_id());
        let recipient = recipient(request);
        let mut ran = Ran {
            begun,
            request_id,
            service: None,
            operation: usage::UNKNOWN,
            outcome: Ok(Answer::plain(String::new())),
            pending: Vec::new(),
        };
        match recipient {
            Recipient::S3 => return None,
            Recipient::Other(name) => {
                let message = format!(
                    "this request is for {name}, which openvpc doesn't serve; with --fallback-endpoint URL it passes such requests on"
                );
                ran.outcome = Err(ApiError::new("NotServed", message));
            }
            Recipient::Service(service) => {
                let (operation, mut pending) = (Cell::new(usage::UNKNOWN), Vec::new());
                // A panic in an action is a fault of ours; it costs the one request and not the daemon.
                let run = AssertUnwindSafe(|| match service.model.protocol {
                    Protocol::RestXml => self.run_rest(request, service, &ran.request_id, &operation, &mut pending),
                    _ => self.run(request, service, &ran.request_id, &operation, &mut pending).map(Answer::plain),
                });
                let outcome = catch_unwind(run);
                ran.outcome =
                    outcome.unwrap_or_else(|_| Err(ApiError::internal("the action panicked; the daemon's log says where")));
                (ran.service, ran.operation, ran.pending) = (Some(service), operation.get(), pending);
            }
        }
        Some(ran)
    }

    fn finish(&self, request: &Request, ran: Ran<'_>) -> Response {
        let Ran { begun, request_id, service, operation, outcome, .. } = ran;
        let code = outcome.as_ref().err().map_or(usage::OK, |error| &*error.code);
        self.usage.count(service.map_or(usage::UNKNOWN, |service| service.model.name), operation, code, begun.elapsed());
        let (mut binary, mut location, mut success) = (None, None, 200);
        let outcome = outcome.map(|answer| {
            (success, location) = (answer.status, answer.location);
            answer.body
        });
        let (status, content_type, body) = match (outcome, service.map(|service| (service, service.model.protocol))) {
            (Ok(body), None) => (200, XML, body),
            (Err(error), None) => match request.header("x-amz-target") {
                Some(_) => (400, JSON, json::error(&ApiError::new("UnknownOperationException", error.message))),
                None => (400, XML, xml::query_error("", &ApiError::new("InvalidAction", error.message), &request_id)),
            },
            (outcome, Some((service, Protocol::Json))) if cbor::target(request).is_some() => {
                let (status, body) = in_cbor(request, service, outcome);
                binary = Some(body);
                (status, cbor::CONTENT_TYPE, String::new())
            }
            (Ok(body), Some((_, Protocol::Json))) => (200, JSON, body),
            (Ok(body), Some(_)) => (success, XML, body),
            (Err(error), Some((_, Protocol::Json))) => (error.status, JSON, json::error(&error)),
            (Err(error), Some((_, Protocol::Ec2))) => (error.status, XML, xml::ec2_error(&error, &request_id)),
            (Err(error), Some((service, Protocol::Query | Protocol::RestXml))) => {
                (error.status, XML, xml::query_error(service.model.namespace, &error, &request_id))
            }
        };
        Response { status, content_type, request_id, body, binary, location }
    }

    /// As [`Self::run`], for a REST service.
    fn run_rest<'a>(
        &'a self,
        request: &Request,
        service: &Service,
        request_id: &str,
        operation: &Cell<&'static str>,
        pending: &mut Vec<Pending<'a>>,
    ) -> Result<Answer, ApiError> {
        let model = service.model;
        let (route, labels) = rest::route(model, request)?;
        let action = service.query_action(route.operation);
        let action = action.ok_or_else(|| ApiError::new("UnknownOperationException", "openvpc doesn't serve this operation"))?;
        operation.set(action.name);
        let admitted = self.gate.admit(&self.control, request, model.protocol)?;
        let parameters = rest::read(model, route, labels, request).map_err(rest::in_rest_words)?;
        let ctx = self.ctx(admitted, request_id);
        let outcome = (action.run)(&ctx, parameters);
        *pending = ctx.pending.take();
        let response = outcome.map_err(rest::in_rest_words)?;
        let body = xml::rest_response(model.namespace, action.name, &*response);
        Ok(Answer { status: route.status, body, location: response.location().map(str::to_owned) })
    }

    fn ctx<'a>(&'a self, Admitted { caller, access_key }: Admitted, request_id: &str) -> Ctx<'a> {
        Ctx {
            caller,
            access_key,
            dry_run: false,
            request_id: request_id.to_owned(),
            control: &self.control,
            pending: RefCell::default(),
            host: &*self.host,
        }
    }

    /// Runs the operation that a request is for, and notes which one that is, and what its answer has to wait for.
    fn run<'a>(
        &'a self,
        request: &Request,
        service: &Service,
        request_id: &str,
        operation: &Cell<&'static str>,
        pending: &mut Vec<Pending<'a>>,
    ) -> Result<String, ApiError> {
        let mut parameters = Node::parse(request.query.as_bytes())?;
        let admitted = self.gate.admit(&self.control, request, service.model.protocol)?;
        let mut ctx = self.ctx(admitted, request_id);
        if service.model.protocol == Protocol::Json {
            let (action, validation_error) = (json_action(request, service)?, service.validation_error);
            operation.set(action.name);
            let outcome = if cbor::target(request).is_none() {
                (action.run)(&ctx, &request.body, validation_error)
            } else {
                let body = cbor::decode(&request.body).map_err(|reason| ApiError::new("SerializationException", reason))?;
                (action.run)(&ctx, body.to_string().as_bytes(), validation_error)
            };
            *pending = ctx.pending.take();
            return outcome;
        }
        if request.has_form() {
            parameters.add(&request.body)?;
        }
        for name in auth::PARAMETERS {
            parameters.take_value(name);
        }
        let action = parameters.take_value("Action").filter(|action| !action.is_empty());
        let name = action.ok_or_else(|| ApiError::new("MissingAction", "The request must contain the parameter Action"))?;
        let version = parameters.take_value("Version").ok_or_else(|| ApiError::missing("Version"))?;
        let action = query_action(service, &name, &version)?;
        operation.set(action.name);
        ctx.dry_run = parameters.value("DryRun").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let outcome = (action.run)(&ctx, parameters);
        *pending = ctx.pending.take();
        let response = outcome?;
        Ok(match service.model.protocol {
            Protocol::Ec2 => xml::ec2_response(&name, &version, request_id, &*response),
            _ => xml::query_response(service.model.namespace, &name, request_id, &*response),
        })
    }
}

/// A request that was run, and waits until what it wrote is durable.
struct Ran<'a> {
    begun: Instant,
    request_id: String,
    /// None for one that isn't served.
    service: Option<&'static Service>,
    operation: &'static str,
    outcome: Result<Answer, ApiError>,
    pending: Vec<Pending<'a>>,
}

impl Ran<'_> {
    /// Notes how the writing ended.
    fn fail_with(&mut self, settled: Result<(), ControlError>) {
        if let Err(error) = settled {
            self.outcome = Err(error.into());
        }
    }
}

/// What a call that succeeded answers with.
struct Answer {
    status: u16,
    body: String,
    location: Option<String>,
}

impl Answer {
    fn plain(body: String) -> Self {
        Self { status: 200, body, location: None }
    }
}

const JSON: &str = "application/x-amz-json-1.1";
const XML: &str = "text/xml;charset=UTF-8";

/// Whom a request is for: by its signature, else by its action.
pub fn recipient(request: &Request) -> Recipient {
    let query = Node::parse(request.query.as_bytes()).unwrap_or_default();
    if let Ok(Some(credential)) = Credential::of(request, &query) {
        return match Service::signed_as(&credential.service) {
            Some(service) => Recipient::Service(service),
            None if credential.service == "s3" => Recipient::S3,
            None => Recipient::Other(credential.service),
        };
    }
    if let Some(target) = request.header("x-amz-target") {
        return match Service::targeted(target) {
            Some((service, _)) => Recipient::Service(service),
            None => Recipient::Other(target.to_owned()),
        };
    }
    let form = if request.has_form() { Node::parse(&request.body).unwrap_or_default() } else { Node::default() };
    let value = |name: &str| query.value(name).or(form.value(name));
    let Some(action) = value("Action") else { return Recipient::S3 };
    let versioned = SERVICES.iter().find(|service| {
        matches!(service.model.protocol, Protocol::Ec2 | Protocol::Query) && value("Version") == Some(service.model.version)
    });
    let fallback = if STS_OPERATIONS.contains(&action) { "sts" } else { "ec2" };
    versioned.or_else(|| Service::named(fallback)).map_or(Recipient::S3, Recipient::Service)
}

fn query_action(service: &Service, name: &str, version: &str) -> Result<&'static Action, ApiError> {
    // Dates in this form sort as texts; the pattern keeps what isn't a date from being echoed as a namespace.
    let is_date = version.len() == 10
        && version.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    let (oldest, newest) = (service.oldest_version, service.model.version);
    if !is_date || !(oldest..=newest).contains(&version) {
        let message =
            format!("The requested version ({version}) of the service does not exist; openvpc speaks {oldest} to {newest}.");
        return Err(ApiError::new("NoSuchVersion", message));
    }
    service.query_action(name).ok_or_else(|| {
        let elsewhere = service.model.name == "ec2" && actions::ec2_elsewhere(name)
            || service.model.name == "sts" && STS_OPERATIONS.contains(&name);
        let reason = if elsewhere { "AWS has it; openvpc doesn't serve it." } else { "There is no such action." };
        ApiError::new("InvalidAction", format!("The action {name} is not valid for this web service. {reason}"))
    })
}

/// Status and body of an answer in CBOR: that of JSON, written by the shapes of the operation.
fn in_cbor(request: &Request, service: &Service, outcome: Result<String, ApiError>) -> (u16, Vec<u8>) {
    let operation = cbor::target(request).and_then(|target| service.model.operation(Service::targeted(&target)?.1));
    let (status, json, shape) = match outcome {
        Ok(json) => (200, json, operation.and_then(|operation| operation.response)),
        Err(error) => (error.status, json::error(&error), None),
    };
    // An answer is JSON that was written a moment ago.
    let value = serde_json::from_str(&json).unwrap_or_default();
    (status, cbor::encode(&value, service.model, shape))
}

fn json_action(request: &Request, service: &Service) -> Result<&'static JsonAction, ApiError> {
    let unknown =
        |what: &str| ApiError::new("UnknownOperationException", format!("{what} is not an operation that openvpc serves."));
    let target = cbor::target(request).or_else(|| request.header("x-amz-target").map(str::to_owned));
    let target = &target.ok_or_else(|| unknown("A request without the header X-Amz-Target"))?;
    let (_, name) =
        Service::targeted(target).filter(|(named, _)| named.model.name == service.model.name).ok_or_else(|| unknown(target))?;
    service.json_action(name).ok_or_else(|| unknown(target))
}

/// A random UUID. The standard library's hash keys are random, and unpredictability isn't needed here.
fn request_id() -> String {
    let bits = || RandomState::new().build_hasher().finish();
    let (high, low) = (bits(), bits());
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
    let (d, e) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
}

#[cfg(test)]
mod tests;
