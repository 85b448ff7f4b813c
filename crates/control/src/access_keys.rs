//! The registry of access keys.

use openvpc_model::access_key::{AccessKey, Session};
use openvpc_model::secret::Secret;
use openvpc_model::{AccountId, Network, Owner, UnixMillis};

use crate::{ControlError, Tx};

/// Registers a key for an account; what isn't given is made up.
///
/// # Errors
/// `ValidationError` for an id or secret that can't be one, `EntityAlreadyExists` for an id that is registered.
pub fn add(tx: &mut Tx, account: AccountId, id: Option<&str>, secret: Option<&str>) -> Result<AccessKey, ControlError> {
    let id = id.map_or_else(|| random_text(tx, "AKIA", 16, UPPER), str::to_owned);
    let is_id = (4..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_id {
        let message = format!("The access key id '{id}' must have 4 to 128 letters, digits or underscores.");
        return Err(ControlError::new("ValidationError", message));
    }
    let secret = secret.map_or_else(|| random_text(tx, "", 40, ANY), str::to_owned);
    if secret.len() < 8 {
        return Err(ControlError::new("ValidationError", "The secret must have at least 8 characters."));
    }
    if tx.network().access_keys.contains_key(&id) {
        let message = format!("The access key '{id}' is registered already; revoke it first.");
        return Err(ControlError::new("EntityAlreadyExists", message));
    }
    let key = AccessKey { id, owner: Owner::global(account), secret: Secret::new(secret), session: None, created_at: tx.now() };
    tx.put(key.clone());
    Ok(key)
}

/// Makes a temporary key that acts for an account until it expires.
pub fn start_session(tx: &mut Tx, account: AccountId, principal: String, user_id: String, seconds: u32) -> AccessKey {
    let session = Session {
        token: Secret::new(random_text(tx, "FwoGZXIvYXdz", 120, ANY)),
        principal,
        user_id,
        expires_at: UnixMillis(tx.now().0 + u64::from(seconds) * 1000),
    };
    let key = AccessKey {
        id: random_text(tx, "ASIA", 16, UPPER),
        owner: Owner::global(account),
        secret: Secret::new(random_text(tx, "", 40, ANY)),
        session: Some(session),
        created_at: tx.now(),
    };
    tx.put(key.clone());
    key
}

/// Revokes a key: requests signed with it are refused from now on.
///
/// # Errors
/// `NoSuchEntity`.
pub fn revoke(tx: &mut Tx, id: &str) -> Result<(), ControlError> {
    let id = id.to_owned();
    if !tx.network().access_keys.contains_key(&id) {
        return Err(ControlError::new("NoSuchEntity", format!("The access key '{id}' is not registered.")));
    }
    tx.remove::<AccessKey>(&id);
    Ok(())
}

/// Whether somebody registered a key, so that only registered keys count. Temporary keys don't: they follow from others.
pub fn are_registered(network: &Network) -> bool {
    network.access_keys.values().any(|key| key.session.is_none())
}

/// Forgets temporary keys that expired.
pub(crate) fn prune(tx: &mut Tx) {
    let now = tx.now();
    let is_over = |key: &AccessKey| key.session.as_ref().is_some_and(|session| session.expires_at <= now);
    let over: Vec<String> = tx.network().access_keys.values().filter(|key| is_over(key)).map(|key| key.id.clone()).collect();
    for id in over {
        tx.remove::<AccessKey>(&id);
    }
}

const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ANY: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A prefix and random characters; the alphabets have a power of two of them, so all are equally likely.
fn random_text(tx: &Tx, prefix: &str, length: usize, alphabet: &[u8]) -> String {
    let character = |_| char::from(alphabet[(tx.random() % alphabet.len() as u64) as usize]);
    prefix.chars().chain((0..length).map(character)).collect()
}
