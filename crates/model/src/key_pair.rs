//! Key pairs, of which the public half is kept.

use serde::{Deserialize, Serialize};

use crate::{KeyPairId, Owner, Tags, UnixMillis};

/// A key pair. See "Amazon EC2 key pairs" in the EC2 User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// The pair's id.
    pub id: KeyPairId,
    /// Owning account and region.
    pub owner: Owner,
    /// Unique in the region.
    pub name: String,
    /// `rsa` or `ed25519`.
    pub kind: String,
    /// The public key as a line of `authorized_keys`, without the comment.
    pub public_key: String,
    /// As EC2 computes it, in another way for pairs that it made than for imported ones.
    pub fingerprint: String,
    /// When it was made or imported.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}
