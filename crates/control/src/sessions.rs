//! Sessions of roles, and of an account itself. See "Temporary security credentials in IAM" in the IAM User Guide.

use openvpc_model::access_key::Session;
use openvpc_model::{AccessKey, AccountId, IamName, InstanceId, Owner, Role};

use crate::{ControlError, Tx, access_keys, iam};

/// What AssumeRole is asked for.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    /// The role's ARN, of any account.
    pub role: String,
    /// What the session is called.
    pub session: String,
    /// In seconds; none for an hour.
    pub duration: Option<i32>,
}

/// Takes a role that the caller's account is trusted with: the key that is made acts for the role's account. Of what the
/// trust says nothing but its principals is looked at.
///
/// # Errors
/// `ValidationError`; `AccessDenied`, also for a role that isn't there, as AWS answers.
pub fn assume_role(tx: &mut Tx, request: &AssumeRole) -> Result<AccessKey, ControlError> {
    check_session(&request.session)?;
    let malformed = || ControlError::new("ValidationError", format!("{} is invalid", request.role));
    let mut parts = request.role.splitn(6, ':');
    let (arn, partition, service) = (parts.next(), parts.next(), parts.next());
    let (region, account, resource) = (parts.next(), parts.next(), parts.next());
    if (arn, service, region) != (Some("arn"), Some("iam"), Some("")) || partition != Some(tx.owner().region.partition()) {
        return Err(malformed());
    }
    let account: AccountId = account.and_then(|account| account.parse().ok()).ok_or_else(malformed)?;
    let name = resource.and_then(|resource| resource.strip_prefix("role/")).and_then(|path| path.rsplit('/').next());
    let owner = Owner { account, region: tx.owner().region.clone() };
    let caller = tx.owner().account;
    let found = iam::role(tx.network(), &owner, name.ok_or_else(malformed)?).ok();
    let Some(role) = found.filter(|role| role.arn() == request.role && iam::trusts(role, caller)).cloned() else {
        let message = format!(
            "User: arn:aws:iam::{caller}:root is not authorized to perform: sts:AssumeRole on resource: {}",
            request.role
        );
        return Err(ControlError::new("AccessDenied", message));
    };
    let seconds = seconds(request.duration, 3600, 900, role.max_session_duration)?;
    let principal = format!("assumed-role/{}/{}", role.name, request.session);
    let user_id = format!("{}:{}", role.id, request.session);
    Ok(access_keys::start_session(tx, account, principal, user_id, seconds))
}

/// Makes a temporary key of the caller's own account.
///
/// # Errors
/// `ValidationError`.
pub fn session_token(tx: &mut Tx, duration: Option<i32>) -> Result<AccessKey, ControlError> {
    let seconds = seconds(duration, 43_200, 900, 129_600)?;
    let account = tx.owner().account;
    Ok(access_keys::start_session(tx, account, "root".to_owned(), account.to_string(), seconds))
}

/// The key by which an instance acts for the role of its profile: the one that was made last, as long as it is good for more
/// than an hour, or a new one for six. See "IAM roles for Amazon EC2" in the EC2 User Guide.
///
/// # Errors
/// `NoSuchEntity`.
pub fn of_instance(tx: &mut Tx, instance: InstanceId, role: &IamName) -> Result<AccessKey, ControlError> {
    let missing = || ControlError::new("NoSuchEntity", format!("The role {} cannot be found.", role.name));
    let role = tx.network().get::<Role>(role).cloned().ok_or_else(missing)?;
    let (principal, user_id) = (format!("assumed-role/{}/{instance}", role.name), format!("{}:{instance}", role.id));
    let account = role.owner.account;
    let now = tx.now();
    let is_good = |key: &&std::sync::Arc<AccessKey>| {
        let left = |session: &Session| session.expires_at.0.saturating_sub(now.0);
        key.owner.account == account
            && key.session.as_ref().is_some_and(|session| session.user_id == user_id && left(session) > RENEWED_AT * 1000)
    };
    let found = tx.network().access_keys.values().find(is_good).map(|key| AccessKey::clone(key));
    Ok(found.unwrap_or_else(|| access_keys::start_session(tx, account, principal, user_id, OF_INSTANCE)))
}

/// Seconds that a key of an instance is good for.
const OF_INSTANCE: u32 = 6 * 3600;
/// Seconds before its end from which on another is given out.
const RENEWED_AT: u64 = 3600;

fn check_session(name: &str) -> Result<(), ControlError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if (2..=64).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(ControlError::new(
        "ValidationError",
        format!("Value '{name}' at 'roleSessionName' failed to satisfy constraint: [\\w+=,.@-]*, of 2 to 64 characters"),
    ))
}

fn seconds(wanted: Option<i32>, default: u32, least: u32, most: u32) -> Result<u32, ControlError> {
    let Some(wanted) = wanted else { return Ok(default.min(most)) };
    u32::try_from(wanted).ok().filter(|seconds| (least..=most).contains(seconds)).ok_or_else(|| {
        let message =
            format!("Value '{wanted}' at 'durationSeconds' failed to satisfy constraint: from {least} to {most} seconds");
        ControlError::new("ValidationError", message)
    })
}
