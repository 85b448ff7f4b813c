//! Errors as the wire shows them.

use std::borrow::Cow;

use openvpc_control::ControlError;

/// An AWS error code, a sentence that a person can act on, and the HTTP status that goes with the code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The code, spelled as AWS spells it.
    pub code: Cow<'static, str>,
    /// What was wrong, where, and what to do.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
}

impl ApiError {
    /// An error with that code; the status follows from the code.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = code.into();
        let status = status_of(&code);
        Self { code, message: message.into(), status }
    }

    /// A parameter that is needed and isn't there.
    pub fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    /// A parameter that the action doesn't have.
    pub fn unknown_parameter(parameter: &str) -> Self {
        Self::new("UnknownParameter", format!("The parameter {parameter} is not recognized"))
    }

    /// A value that isn't allowed for a parameter.
    pub fn invalid_value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    /// Parameters that don't go together.
    pub fn invalid_combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// A request that can't be taken apart.
    pub fn malformed_query(message: impl Into<String>) -> Self {
        Self::new("MalformedQueryString", message)
    }

    /// A feature of the action that openvpc doesn't offer.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperation", message)
    }

    /// What a rehearsed action that would have succeeded answers.
    pub fn dry_run() -> Self {
        Self::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    }

    /// A failure of openvpc itself.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        Self::new("InternalError", format!("An internal error has occurred: {reason}"))
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        Self::new(error.code, error.message)
    }
}

/// "Error codes for the Amazon EC2 API": client errors are 400 unless listed here.
fn status_of(code: &str) -> u16 {
    match code {
        "AuthFailure" => 401,
        "UnauthorizedOperation"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "SignatureDoesNotMatch"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "AccessDenied" => 403,
        "NotAuthorizedException" => 401,
        "NoSuchEntity"
        | "NoSuchChange"
        | "NoSuchCloudWatchLogsLogGroup"
        | "NoSuchHealthCheck"
        | "NoSuchHostedZone"
        | "NoSuchQueryLoggingConfig"
        | "VPCAssociationAuthorizationNotFound"
        | "VPCAssociationNotFound" => 404,
        "DeleteConflict"
        | "EntityAlreadyExists"
        | "HealthCheckAlreadyExists"
        | "HealthCheckVersionMismatch"
        | "HostedZoneAlreadyExists"
        | "QueryLoggingConfigAlreadyExists" => 409,
        "DryRunOperation" => 412,
        "RequestEntityTooLarge" => 413,
        "InternalError" | "InternalFailure" => 500,
        "RequestLimitExceeded" | "ServiceUnavailable" | "Unavailable" => 503,
        _ => 400,
    }
}
