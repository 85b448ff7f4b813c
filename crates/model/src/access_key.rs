//! Access keys: who may sign requests, and for which account.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;
use crate::{Owner, UnixMillis};

/// A registered access key. See "Manage access keys for IAM users" in the IAM User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// What requests name: `AKIA…`, or `ASIA…` for a temporary one.
    pub id: String,
    /// The account that requests signed with it act for.
    pub owner: Owner,
    /// What requests are signed with.
    pub secret: Secret,
    /// What makes the key a temporary one.
    pub session: Option<Session>,
    /// When it was registered.
    pub created_at: UnixMillis,
}

/// What a temporary key has beside its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What requests carry as `X-Amz-Security-Token`.
    pub token: Secret,
    /// Whom GetCallerIdentity names: `assumed-role/NAME/SESSION`, or `root`.
    pub principal: String,
    /// What GetCallerIdentity gives as the user's id: `AROA…:SESSION`.
    pub user_id: String,
    /// When it ends.
    pub expires_at: UnixMillis,
}
