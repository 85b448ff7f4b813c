//! Errors as the specification has them: a number, a sentence, on standard output.

use serde_json::{Value, json};

/// The specification's numbers; those from 100 on are a plugin's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    IncompatibleVersion = 1,
    InvalidEnvironment = 4,
    Io = 5,
    Undecodable = 6,
    InvalidConfig = 7,
    TryAgainLater = 11,
    NotAvailable = 50,
    Refused = 100,
}

/// What a runtime is told when a command fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CniError {
    pub code: Code,
    pub message: String,
}

impl CniError {
    /// An error with a sentence for people.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// As a runtime reads it.
    pub fn shown(&self, version: &str) -> Value {
        json!({ "cniVersion": version, "code": self.code as u8, "msg": self.message })
    }
}
