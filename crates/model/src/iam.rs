//! Roles, policies and instance profiles: what tools make around a network. IAM has no regions; what is stored keeps the
//! region that made it, for the partition of its ARN, and is found by its account alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Owner, Tags, UnixMillis};

/// The name of something in IAM: unique in its account without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IamName {
    /// The account.
    pub account: AccountId,
    /// The name in lower case.
    pub name: String,
}

impl IamName {
    /// The key of what is called `name`, in any case.
    pub fn new(account: AccountId, name: &str) -> Self {
        Self { account, name: name.to_ascii_lowercase() }
    }
}

impl std::fmt::Display for IamName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.account, self.name)
    }
}

/// A role. See "IAM roles" in the IAM User Guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Owning account, and the region that it was made through.
    pub owner: Owner,
    /// Its name, as given.
    pub name: String,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// `AROA…`.
    pub id: String,
    /// Who may take it: a policy document, as given.
    pub trust: String,
    /// The user's text.
    pub description: Option<String>,
    /// In seconds.
    pub max_session_duration: u32,
    /// The ARN of the policy that bounds it.
    pub permissions_boundary: Option<String>,
    /// Its own policies, by name.
    pub inline: BTreeMap<String, String>,
    /// The ARNs of managed policies, in the order in which they were attached.
    pub attached: Vec<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl Role {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.owner, "role", &self.path, &self.name)
    }
}

/// A customer managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Owning account, and the region that it was made through.
    pub owner: Owner,
    /// Its name, as given.
    pub name: String,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// `ANPA…`.
    pub id: String,
    /// The user's text.
    pub description: Option<String>,
    /// Its versions, oldest first; at most five.
    pub versions: Vec<PolicyVersion>,
    /// The number of the version in force.
    pub default_version: u32,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When its newest version was made.
    pub updated_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl ManagedPolicy {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.owner, "policy", &self.path, &self.name)
    }
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// 1 in `v1`; never used again.
    pub number: u32,
    /// The document, as given.
    pub document: String,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// What an instance carries a role in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Owning account, and the region that it was made through.
    pub owner: Owner,
    /// Its name, as given.
    pub name: String,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// `AIPA…`.
    pub id: String,
    /// The name of its role, one at most.
    pub role: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Tags.
    pub tags: Tags,
}

impl InstanceProfile {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.owner, "instance-profile", &self.path, &self.name)
    }
}

fn arn(owner: &Owner, kind: &str, path: &str, name: &str) -> String {
    format!("arn:{}:iam::{}:{kind}{path}{name}", owner.region.partition(), owner.account)
}
