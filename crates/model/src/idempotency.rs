//! Client tokens: how a repeated call is told from a new one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Owner, UnixMillis};

/// A call that carried a client token and succeeded. See "Ensuring idempotency" in the EC2 API reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// Who called what with which token.
    pub key: ClientTokenKey,
    /// A hash of the call's parameters.
    pub fingerprint: u64,
    /// What the call made, in the form its action chose.
    pub answer: serde_json::Value,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// Who called what with which token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientTokenKey {
    /// The calling account and region.
    pub owner: Owner,
    /// The action's name.
    pub action: String,
    /// The token.
    pub token: String,
}

impl fmt::Display for ClientTokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.owner.account, self.owner.region, self.action, self.token)
    }
}
