//! Customer managed policies and their versions.

use std::sync::Arc;

use openvpc_model::{ManagedPolicy, Owner, PolicyVersion, Tags};

use super::{attachments, check_name, check_path, check_tags, documents, exists, over, unique_id};
use crate::{ControlError, Tx};

const SIZE: usize = 6144;
const VERSIONS: usize = 5;

/// What CreatePolicy is asked for.
#[derive(Clone, Debug)]
pub struct CreatePolicy {
    /// Its name.
    pub name: String,
    /// `/`, or `/a/b/`.
    pub path: String,
    /// The document.
    pub document: String,
    /// The user's text.
    pub description: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// Makes a policy, whose first version is `v1`.
///
/// # Errors
/// `ValidationError`, `MalformedPolicyDocument`, `EntityAlreadyExists`, `LimitExceeded`.
pub fn create_policy(tx: &mut Tx, request: CreatePolicy) -> Result<Arc<ManagedPolicy>, ControlError> {
    check_name("policyName", &request.name, 128)?;
    check_path(&request.path)?;
    check_document(&request.document)?;
    check_tags(&request.tags)?;
    let account = tx.owner().account;
    let own: Vec<_> = tx.network().all::<ManagedPolicy>().filter(|policy| policy.owner.account == account).collect();
    if own.iter().any(|policy| policy.name.eq_ignore_ascii_case(&request.name)) {
        return Err(exists("A policy called", &request.name));
    }
    let limit = tx.quotas().policies;
    if own.len() >= limit {
        return Err(over("PoliciesPerAccount", limit));
    }
    let now = tx.now();
    let policy = ManagedPolicy {
        owner: tx.owner().clone(),
        name: request.name,
        path: request.path,
        id: unique_id(tx, "ANPA"),
        description: request.description,
        versions: vec![PolicyVersion { number: 1, document: request.document, created_at: now }],
        default_version: 1,
        created_at: now,
        updated_at: now,
        tags: request.tags,
    };
    tx.put(policy.clone());
    Ok(Arc::new(policy))
}

/// Deletes a policy that is attached to nothing and has one version.
///
/// # Errors
/// `NoSuchEntity`, `DeleteConflict`.
pub fn delete_policy(tx: &mut Tx, arn: &str) -> Result<(), ControlError> {
    let policy = policy(tx, arn)?;
    let conflict = |message: &str| Err(ControlError::new("DeleteConflict", message));
    if attachments(tx.network(), &policy) > 0 {
        return conflict("Cannot delete a policy attached to entities.");
    }
    if policy.versions.len() > 1 {
        return conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        );
    }
    tx.remove::<ManagedPolicy>(&arn.to_owned());
    Ok(())
}

/// Adds a version.
///
/// # Errors
/// `NoSuchEntity`, `MalformedPolicyDocument`, `LimitExceeded`.
pub fn add_version(tx: &mut Tx, arn: &str, document: &str, is_default: bool) -> Result<PolicyVersion, ControlError> {
    let found = policy(tx, arn)?;
    check_document(document)?;
    if found.versions.len() >= VERSIONS {
        let message = format!(
            "A managed policy can have up to {VERSIONS} versions. Before you create a new version, you must delete an existing version."
        );
        return Err(ControlError::new("LimitExceeded", message));
    }
    let mut policy = (*found).clone();
    // The last version may be gone; its number isn't used again as long as a later one is there.
    let number = policy.versions.iter().map(|version| version.number).max().unwrap_or(0) + 1;
    let version = PolicyVersion { number, document: document.to_owned(), created_at: tx.now() };
    policy.versions.push(version.clone());
    policy.updated_at = tx.now();
    if is_default {
        policy.default_version = number;
    }
    tx.put(policy);
    Ok(version)
}

/// Deletes a version that isn't in force.
///
/// # Errors
/// `NoSuchEntity`, `DeleteConflict`.
pub fn delete_version(tx: &mut Tx, arn: &str, version: &str) -> Result<(), ControlError> {
    let found = policy(tx, arn)?;
    let number = version.strip_prefix('v').and_then(|digits| digits.parse::<u32>().ok());
    let Some(version) = found.versions.iter().find(|known| Some(known.number) == number) else {
        let message = format!("Policy {arn} version {version} does not exist or is not attachable.");
        return Err(ControlError::new("NoSuchEntity", message));
    };
    if version.number == found.default_version {
        return Err(ControlError::new("DeleteConflict", "Cannot delete the default version of a policy."));
    }
    let mut policy = (*found).clone();
    policy.versions.retain(|known| Some(known.number) != number);
    tx.put(policy);
    Ok(())
}

/// Adds tags to a policy, or overwrites those with the same keys.
///
/// # Errors
/// `NoSuchEntity`, `LimitExceeded`.
pub fn tag_policy(tx: &mut Tx, arn: &str, tags: Tags) -> Result<(), ControlError> {
    let mut policy = (*policy(tx, arn)?).clone();
    policy.tags.extend(tags);
    check_tags(&policy.tags)?;
    tx.put(policy);
    Ok(())
}

/// Removes tags from a policy.
///
/// # Errors
/// `NoSuchEntity`.
pub fn untag_policy(tx: &mut Tx, arn: &str, keys: &[String]) -> Result<(), ControlError> {
    let mut policy = (*policy(tx, arn)?).clone();
    policy.tags.retain(|key, _| !keys.contains(key));
    tx.put(policy);
    Ok(())
}

/// The caller's policy.
///
/// # Errors
/// `InvalidInput` for what is no policy's ARN, `NoSuchEntity`.
pub fn policy(tx: &Tx, arn: &str) -> Result<Arc<ManagedPolicy>, ControlError> {
    if !arn.starts_with("arn:") || !arn.contains(":policy/") {
        return Err(ControlError::new("InvalidInput", format!("ARN {arn} is not valid.")));
    }
    let found = tx.network().policies.get(arn).filter(|policy| policy.owner.account == tx.owner().account);
    let missing = || ControlError::new("NoSuchEntity", format!("Policy {arn} does not exist or is not attachable."));
    found.cloned().ok_or_else(missing)
}

/// Whether an ARN is that of one of AWS's own policies, of which openvpc knows no documents: any name will do.
pub fn is_aws_managed(arn: &str, owner: &Owner) -> bool {
    let prefix = format!("arn:{}:iam::aws:policy/", owner.region.partition());
    arn.strip_prefix(&prefix).is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
}

fn check_document(document: &str) -> Result<(), ControlError> {
    if documents::size(document) > SIZE {
        return Err(over("PolicySize", SIZE));
    }
    documents::check_policy(document)
}
