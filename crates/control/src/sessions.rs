//! Temporary access keys. See "Temporary security credentials in IAM" in the IAM User Guide.

use openvpc_model::{Network, Owner, SessionKey, UnixMillis};

use crate::{ControlError, Tx, iam, retention};

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

/// A session of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its key.
    pub key: SessionKey,
    /// The role's id and the session's name.
    pub id: String,
}

/// Takes a role: the key that is made acts for the role's account. Who may is not asked.
///
/// # Errors
/// `ValidationError`; `AccessDenied` for a role that isn't there, as AWS answers.
pub fn assume_role(tx: &mut Tx, request: &AssumeRole) -> Result<Session, ControlError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if !(2..=64).contains(&request.session.len()) || !request.session.bytes().all(allowed) {
        let message = format!(
            "1 validation error detected: Value '{}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*, of 2 to 64 characters",
            request.session
        );
        return Err(ControlError::new("ValidationError", message));
    }
    let malformed = || ControlError::new("ValidationError", format!("{} is invalid", request.role));
    let mut parts = request.role.splitn(6, ':');
    let (arn, partition, service) = (parts.next(), parts.next(), parts.next());
    let (region, account, resource) = (parts.next(), parts.next(), parts.next());
    if (arn, service, region) != (Some("arn"), Some("iam"), Some("")) || partition != Some(tx.owner().region.partition()) {
        return Err(malformed());
    }
    let account = account.and_then(|account| account.parse().ok()).ok_or_else(malformed)?;
    let name = resource.and_then(|resource| resource.strip_prefix("role/")).and_then(|path| path.rsplit('/').next());
    let owner = Owner { account, region: tx.owner().region.clone() };
    let found = iam::role(tx.network(), &owner, name.ok_or_else(malformed)?).ok().filter(|role| role.arn() == request.role);
    let Some(role) = found.cloned() else {
        let caller = tx.owner().account;
        let message = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {}", request.role);
        return Err(ControlError::new("AccessDenied", message));
    };
    let seconds = seconds(request.duration, 3600, 900, role.max_session_duration)?;
    let partition = owner.region.partition();
    let arn = format!("arn:{partition}:sts::{account}:assumed-role/{}/{}", role.name, request.session);
    let id = format!("{}:{}", role.id, request.session);
    Ok(Session { key: make(tx, owner, Some(arn), seconds), id })
}

/// Makes a temporary key of the caller's own account.
///
/// # Errors
/// `ValidationError`.
pub fn session_token(tx: &mut Tx, duration: Option<i32>) -> Result<SessionKey, ControlError> {
    let seconds = seconds(duration, 43_200, 900, 129_600)?;
    let owner = tx.owner().clone();
    Ok(make(tx, owner, None, seconds))
}

/// A temporary key that hasn't ended.
pub fn find<'a>(network: &'a Network, access_key: &str, now: UnixMillis) -> Option<&'a SessionKey> {
    network.session_keys.get(access_key).map(|key| &**key).filter(|key| key.expires_at > now)
}

/// Forgets keys that ended an hour ago, in all accounts.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let is_over = |key: &SessionKey| retention::is_over(Some(key.expires_at), 60 * 60 * 1000, now);
    let old: Vec<_> = tx.network().all::<SessionKey>().filter(|key| is_over(key)).map(|key| key.access_key.clone()).collect();
    for key in old {
        tx.remove::<SessionKey>(&key);
    }
}

fn make(tx: &mut Tx, owner: Owner, assumed_role: Option<String>, seconds: u32) -> SessionKey {
    let key = SessionKey {
        access_key: format!("ASIA{}", text(tx, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        owner,
        assumed_role,
        secret: text(tx, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40),
        expires_at: UnixMillis(tx.now().0 + u64::from(seconds) * 1000),
    };
    tx.put(key.clone());
    key
}

/// Random letters of an alphabet whose size is a power of two of at most 256.
fn text(tx: &Tx, alphabet: &[u8], length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = tx.random().to_be_bytes();
        let letters = bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

fn seconds(wanted: Option<i32>, default: u32, least: u32, most: u32) -> Result<u32, ControlError> {
    let Some(wanted) = wanted else { return Ok(default.min(most)) };
    u32::try_from(wanted).ok().filter(|seconds| (least..=most).contains(seconds)).ok_or_else(|| {
        let message = format!("Value '{wanted}' at 'durationSeconds' failed to satisfy constraint: from {least} to {most} seconds");
        ControlError::new("ValidationError", message)
    })
}
