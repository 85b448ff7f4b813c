//! Parameters of Systems Manager's Parameter Store.

use serde::{Deserialize, Serialize};

use crate::{Owner, Tags, UnixMillis};

/// A parameter of an account. See "AWS Systems Manager Parameter Store" in the Systems Manager User Guide.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Owning account and region.
    pub owner: Owner,
    /// Its name: `/a/b` or `a`.
    pub name: String,
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// Its value; may be secret.
    pub value: String,
    /// How often it was written.
    pub version: u32,
    /// The user's text.
    pub description: Option<String>,
    /// What values must match, as given.
    pub allowed_pattern: Option<String>,
    /// The key of a `SecureString` on AWS; kept for clients.
    pub key_id: Option<String>,
    /// `Standard`, `Advanced` or `Intelligent-Tiering`.
    pub tier: String,
    /// `text`, `aws:ec2:image`, …
    pub data_type: String,
    /// When it was last written.
    pub updated_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameter").field("name", &self.name).field("version", &self.version).finish_non_exhaustive()
    }
}
