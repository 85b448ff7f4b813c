//! Certificates: what Certificate Manager keeps for the services that show them.

use serde::{Deserialize, Serialize};

use crate::{Owner, Tags, UnixMillis};

/// An imported certificate. What it says is read from its text when somebody asks.
/// See "Importing certificates into AWS Certificate Manager" in the ACM User Guide.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its name: `arn:aws:acm:REGION:ACCOUNT:certificate/UUID`.
    pub arn: String,
    /// Owning account and region.
    pub owner: Owner,
    /// The certificate, in PEM.
    pub body: String,
    /// Its private key, in PEM. Secret: no answer and no log holds it.
    pub private_key: String,
    /// The certificates that signed it, in PEM, the nearest first.
    pub chain: Option<String>,
    /// When it was first imported.
    pub created_at: UnixMillis,
    /// When it was last imported.
    pub imported_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("arn", &self.arn).finish_non_exhaustive()
    }
}
