//! Tags of load balancers, target groups and listeners, which belong to Elastic Load Balancing and not to EC2.

use openvpc_model::{Listener, LoadBalancer, Tags, TargetGroup};

use super::invalid;
use crate::{ControlError, Tx};

/// Most tags of a resource.
const LIMIT: usize = 50;

/// Adds tags to resources, or overwrites those with the same keys: all resources or none.
///
/// # Errors
/// The kind's not-found error, `TooManyTags`, `ValidationError`.
pub fn add(tx: &mut Tx, arns: &[String], tags: &Tags) -> Result<(), ControlError> {
    check(tags)?;
    for arn in arns {
        change(tx, arn, |present| present.extend(tags.clone()))?;
    }
    Ok(())
}

/// Removes the tags with those keys.
///
/// # Errors
/// The kind's not-found error.
pub fn remove(tx: &mut Tx, arns: &[String], keys: &[String]) -> Result<(), ControlError> {
    for arn in arns {
        change(tx, arn, |present| present.retain(|key, _| !keys.contains(key)))?;
    }
    Ok(())
}

/// What an ARN of Elastic Load Balancing names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A listener.
    Listener,
    /// A load balancer.
    LoadBalancer,
    /// A target group.
    TargetGroup,
}

/// The kind of resource that an ARN names.
///
/// # Errors
/// `ValidationError` for what is no ARN of such a resource.
pub fn kind_of(arn: &str) -> Result<Kind, ControlError> {
    let resource = arn.splitn(6, ':').nth(5).filter(|_| arn.starts_with("arn:"));
    match resource.and_then(|resource| resource.split('/').next()) {
        Some("listener") => Ok(Kind::Listener),
        Some("loadbalancer") => Ok(Kind::LoadBalancer),
        Some("targetgroup") => Ok(Kind::TargetGroup),
        _ => Err(invalid(format!("'{arn}' is not a valid resource ARN"))),
    }
}

/// Checks the tags of a request.
pub(super) fn check(tags: &Tags) -> Result<(), ControlError> {
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 || key.to_lowercase().starts_with("aws:") {
            return Err(invalid(format!("The tag key '{key}' is not valid")));
        }
        if value.chars().count() > 256 {
            return Err(invalid(format!("The value of the tag '{key}' is longer than 256 characters")));
        }
    }
    check_count(tags)
}

fn check_count(tags: &Tags) -> Result<(), ControlError> {
    if tags.len() <= LIMIT {
        return Ok(());
    }
    Err(ControlError::new("TooManyTags", format!("The maximum number of tags of a resource has been reached ({LIMIT})")))
}

fn change(tx: &mut Tx, arn: &str, edit: impl FnOnce(&mut Tags)) -> Result<(), ControlError> {
    let key = arn.to_owned();
    let changed = |tags: &mut Tags| {
        edit(tags);
        check_count(tags)
    };
    match kind_of(arn)? {
        Kind::Listener => tx.update::<Listener, _>(&key, |resource| changed(&mut resource.tags))?,
        Kind::LoadBalancer => tx.update::<LoadBalancer, _>(&key, |resource| changed(&mut resource.tags))?,
        Kind::TargetGroup => tx.update::<TargetGroup, _>(&key, |resource| changed(&mut resource.tags))?,
    }
}
