//! Key pairs. See "Amazon EC2 key pairs" in the EC2 User Guide.

use std::sync::Arc;

use openvpc_model::{KeyPair, KeyPairId, Tags};

use crate::{ControlError, Tx};

/// A key pair to keep: one that was made for the caller, or that the caller brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKeyPair {
    /// Unique in the region.
    pub name: String,
    /// `rsa` or `ed25519`.
    pub kind: String,
    /// The public key as a line of `authorized_keys`.
    pub public_key: String,
    /// As EC2 computes it.
    pub fingerprint: String,
    /// Tags.
    pub tags: Tags,
}

/// Checks that a key pair may have a name.
///
/// # Errors
/// `InvalidKeyPair.Duplicate`, `InvalidParameterValue`, `MissingParameter`, `KeyPairLimitExceeded`.
pub fn check_new(tx: &Tx, name: &str) -> Result<(), ControlError> {
    if name.is_empty() {
        return Err(ControlError::missing_parameter("KeyName"));
    }
    if name.len() > 255 || !name.is_ascii() {
        return Err(ControlError::invalid_value("The name of a key pair has up to 255 ASCII characters."));
    }
    if by_name(tx, name).is_some() {
        return Err(ControlError::new("InvalidKeyPair.Duplicate", format!("The keypair '{name}' already exists.")));
    }
    let limit = tx.quotas().key_pairs;
    if tx.owned::<KeyPair>().count() >= limit {
        let message = format!("The maximum number of key pairs has been reached ({limit}).");
        return Err(ControlError::new("KeyPairLimitExceeded", message));
    }
    Ok(())
}

/// Keeps a key pair.
///
/// # Errors
/// As [`check_new`].
pub fn create(tx: &mut Tx, request: NewKeyPair) -> Result<KeyPairId, ControlError> {
    check_new(tx, &request.name)?;
    let pair = KeyPair {
        id: tx.new_id(),
        owner: tx.owner().clone(),
        name: request.name,
        kind: request.kind,
        public_key: request.public_key,
        fingerprint: request.fingerprint,
        created_at: tx.now(),
        tags: request.tags,
    };
    let id = pair.id;
    tx.put(pair);
    Ok(id)
}

/// Deletes the key pair of that name. There needn't be one, as on AWS. Instances that were started with it go on.
pub fn delete_by_name(tx: &mut Tx, name: &str) -> Option<KeyPairId> {
    let id = by_name(tx, name)?.id;
    tx.remove::<KeyPair>(&id);
    Some(id)
}

/// Deletes the key pair of that id.
///
/// # Errors
/// `InvalidKeyPair.NotFound`.
pub fn delete(tx: &mut Tx, id: KeyPairId) -> Result<(), ControlError> {
    tx.find::<KeyPair>(&id)?;
    tx.remove::<KeyPair>(&id);
    Ok(())
}

/// The key pair of that name.
///
/// # Errors
/// `InvalidKeyPair.NotFound`.
pub fn find(tx: &Tx, name: &str) -> Result<Arc<KeyPair>, ControlError> {
    by_name(tx, name).cloned().ok_or_else(|| not_found(name))
}

/// The error for a name that no key pair has.
pub fn not_found(name: &str) -> ControlError {
    ControlError::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist"))
}

fn by_name<'a>(tx: &'a Tx, name: &str) -> Option<&'a Arc<KeyPair>> {
    tx.owned::<KeyPair>().find(|pair| pair.name == name)
}
