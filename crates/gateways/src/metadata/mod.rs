//! Instance metadata, versions 1 and 2. See "Use instance metadata to manage your EC2 instance" in the EC2 User Guide.
//!
//! | part | is |
//! |---|---|
//! | `tree` | all that there is to say about an instance, as a function of the network |
//! | `answer` | what a request gets, as a function of the tree, of tokens and of the instance's metadata options |
//! | `tokens` | session tokens, which nobody has to remember |
//! | `server` | connections |
//!
//! Every request is answered by the network in force, so that a change is seen by the next request.

mod answer;
mod server;
mod tokens;
mod tree;

use openvpc_model::{IamName, InstanceId, UnixMillis};

pub use server::{Metadata, serve};

/// What the metadata service asks of the daemon.
pub trait Host: Send + Sync {
    /// The wall clock.
    fn now(&self) -> UnixMillis;

    /// Temporary keys by which an instance acts for a role, valid for a while yet; none when they can't be made.
    fn credentials(&self, instance: InstanceId, role: &IamName) -> Option<Credentials>;
}

/// Temporary keys of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `ASIA…`.
    pub access_key: String,
    /// What requests are signed with.
    pub secret: openvpc_model::secret::Secret,
    /// What requests carry besides.
    pub token: openvpc_model::secret::Secret,
    /// When they were made.
    pub made_at: UnixMillis,
    /// When they end.
    pub expires_at: UnixMillis,
}
