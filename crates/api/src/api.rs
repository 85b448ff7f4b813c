//! From request to answer.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use openvpc_control::{Caller, Control};
use openvpc_model::{AccountId, Owner, Region};

use crate::action::{Action, Ctx};
use crate::actions;
use crate::auth::{self, Credential};
use crate::error::ApiError;
use crate::host::Host;
use crate::http::{Request, Response};
use crate::query::Node;
use crate::xml;

/// The EC2 and STS endpoints.
pub struct Api {
    control: Arc<Control>,
    host: Arc<dyn Host>,
    default_account: AccountId,
}

/// Which service a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// EC2.
    Ec2,
    /// STS.
    Sts,
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
    /// Endpoints over a network; callers whose access key isn't an account number act for `default_account`.
    pub fn new(control: Arc<Control>, host: Arc<dyn Host>, default_account: AccountId) -> Self {
        Self { control, host, default_account }
    }

    /// Answers a request, or gives none when it is for S3.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        let request_id = request_id();
        let service = service(request);
        let outcome = match &service {
            Service::S3 => return None,
            Service::Other(name) => Err(not_served(name)),
            // A panic in an action is a fault of ours; it costs the one request and not the daemon.
            Service::Ec2 | Service::Sts => catch_unwind(AssertUnwindSafe(|| self.run(request, &service, &request_id)))
                .unwrap_or_else(|_| Err(ApiError::internal("the action panicked; the daemon's log says where"))),
        };
        let (status, body) = match (outcome, &service) {
            (Ok(body), _) => (200, body),
            (Err(error), Service::Ec2) => (error.status, xml::ec2_error(&error, &request_id)),
            (Err(error), _) if request.header("x-amz-target").is_some() => {
                let body = serde_json::json!({ "__type": "UnknownOperationException", "message": error.message }).to_string();
                return Some(Response { status: error.status, content_type: "application/x-amz-json-1.1", request_id, body });
            }
            (Err(error), _) => (error.status, xml::sts_error(&error, &request_id)),
        };
        Some(Response { status, content_type: "text/xml;charset=UTF-8", request_id, body })
    }

    fn run(&self, request: &Request, service: &Service, request_id: &str) -> Result<String, ApiError> {
        let mut parameters = Node::parse(request.query.as_bytes())?;
        let caller = self.caller(request, &parameters)?;
        if request.has_form() {
            parameters.add(&request.body)?;
        }
        for name in auth::PARAMETERS {
            parameters.take_value(name);
        }
        let action = parameters.take_value("Action").filter(|action| !action.is_empty());
        let name = action.ok_or_else(|| ApiError::new("MissingAction", "The request must contain the parameter Action"))?;
        let version = parameters.take_value("Version").ok_or_else(|| ApiError::missing("Version"))?;
        let action = find(service, &name, &version)?;
        let dry_run = parameters.value("DryRun").is_some_and(|value| value.eq_ignore_ascii_case("true"));

        let ctx = Ctx { caller, dry_run, request_id: request_id.to_owned(), control: &self.control, host: &*self.host };
        let response = (action.run)(&ctx, parameters)?;
        Ok(match service {
            Service::Sts => xml::sts_response(&name, request_id, &*response),
            _ => xml::ec2_response(&name, &version, request_id, &*response),
        })
    }

    /// The account is the access key, when that is an account number; the region is the signature's.
    fn caller(&self, request: &Request, query: &Node) -> Result<Caller, ApiError> {
        let credential = Credential::of(request, query)?.ok_or_else(|| {
            ApiError::new("MissingAuthenticationToken", "Request is missing Authentication Token; sign it with any access key")
        })?;
        let account = credential.access_key.parse().unwrap_or(self.default_account);
        Ok(Caller { owner: Owner { account, region: home(credential.region) } })
    }
}

/// Which service a request is for: by its signature, else by its action.
pub fn service(request: &Request) -> Service {
    let query = Node::parse(request.query.as_bytes()).unwrap_or_default();
    if let Ok(Some(credential)) = Credential::of(request, &query) {
        return match &*credential.service {
            "ec2" => Service::Ec2,
            "sts" => Service::Sts,
            "s3" => Service::S3,
            _ => Service::Other(credential.service),
        };
    }
    let form = if request.has_form() { Node::parse(&request.body).unwrap_or_default() } else { Node::default() };
    match query.value("Action").or(form.value("Action")) {
        Some(action) if STS_OPERATIONS.contains(&action) => Service::Sts,
        Some(_) => Service::Ec2,
        None => Service::S3,
    }
}

/// The names under which partitions sign for services without a region.
fn home(region: Region) -> Region {
    if region.as_str() == "aws-global" { "us-east-1".parse().unwrap_or(region) } else { region }
}

fn find(service: &Service, name: &str, version: &str) -> Result<&'static Action, ApiError> {
    let (versions, action) = match service {
        Service::Sts => ("2011-06-15"..="2011-06-15", actions::sts(name)),
        _ => ("2014-09-01"..="2016-11-15", actions::ec2(name)),
    };
    // Dates in this form sort as texts; the pattern keeps what isn't a date from being echoed as a namespace.
    let is_date = version.len() == 10
        && version.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !is_date || !versions.contains(&version) {
        let message = format!(
            "The requested version ({version}) of the service does not exist; openvpc speaks {} to {}.",
            versions.start(),
            versions.end()
        );
        return Err(ApiError::new("NoSuchVersion", message));
    }
    action.ok_or_else(|| {
        let elsewhere = *service == Service::Ec2 && actions::ec2_elsewhere(name)
            || *service == Service::Sts && STS_OPERATIONS.contains(&name);
        let reason = if elsewhere { "AWS has it; openvpc doesn't serve it." } else { "There is no such action." };
        ApiError::new("InvalidAction", format!("The action {name} is not valid for this web service. {reason}"))
    })
}

fn not_served(service: &str) -> ApiError {
    ApiError::new("InvalidAction", format!("openvpc serves ec2, sts and s3; this request is signed for {service}."))
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
