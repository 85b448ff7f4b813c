//! Client tokens, once for all actions that take one.

use openvpc_model::{ClientToken, ClientTokenKey, UnixMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ControlError, Tx};

/// How long a token is remembered.
const LIFETIME_MS: u64 = 24 * 60 * 60 * 1000;

/// Runs `make` unless the same call succeeded before with the same token; then its answer is given again.
///
/// `parameters` is the whole request in any stable form: the same token with other parameters is a mistake.
/// See "Ensuring idempotency in Amazon EC2 API requests".
///
/// # Errors
/// `IdempotentParameterMismatch`, or what `make` fails with.
pub fn once<T: Serialize + DeserializeOwned>(
    tx: &mut Tx,
    action: &str,
    token: Option<&str>,
    parameters: &impl Serialize,
    make: impl FnOnce(&mut Tx) -> Result<T, ControlError>,
) -> Result<T, ControlError> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return make(tx);
    };
    let key = ClientTokenKey { owner: tx.owner().clone(), action: action.to_owned(), token: token.to_owned() };
    let fingerprint = fingerprint(&serde_json::to_vec(parameters).map_err(ControlError::internal)?);
    let earlier = tx.network().get::<ClientToken>(&key).cloned();
    if let Some(earlier) = earlier.filter(|earlier| !is_forgotten(earlier, tx.now())) {
        if earlier.fingerprint != fingerprint {
            return Err(ControlError::new(
                "IdempotentParameterMismatch",
                format!("The client token '{token}' was used before in a call of {action} with other parameters"),
            ));
        }
        return serde_json::from_value(earlier.answer.clone()).map_err(ControlError::internal);
    }
    let value = make(tx)?;
    let answer = serde_json::to_value(&value).map_err(ControlError::internal)?;
    tx.put(ClientToken { key, fingerprint, answer, created_at: tx.now() });
    Ok(value)
}

/// Whether a token is so old that it may be used anew.
pub fn is_forgotten(token: &ClientToken, now: UnixMillis) -> bool {
    now.0.saturating_sub(token.created_at.0) >= LIFETIME_MS
}

/// Forgets old tokens, in all accounts.
pub fn prune(tx: &mut Tx) {
    let now = tx.now();
    let old: Vec<_> =
        tx.network().all::<ClientToken>().filter(|token| is_forgotten(token, now)).map(|token| token.key.clone()).collect();
    for key in old {
        tx.remove::<ClientToken>(&key);
    }
}

/// FNV-1a: stable over restarts and versions, which a `Hasher` of the standard library doesn't promise.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
