//! Access keys on the daemon's own paths, and what the object store asks about them.

use std::sync::Arc;

use openvpc_api::auth::Gate;
use openvpc_control::{Caller, Control, access_keys};
use openvpc_gateways::s3;
use openvpc_model::{AccessKey, AccountId, Owner};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin::{Admin, AdminError};

/// What `openvpc keys add` asks for.
#[derive(Debug, Deserialize)]
struct NewKey {
    account: AccountId,
    id: Option<String>,
    secret: Option<String>,
}

impl Admin {
    /// The registered keys, without their secrets.
    pub fn keys(&self) -> Value {
        let network = self.control.snapshot();
        let shown = |key: &Arc<AccessKey>| {
            json!({
                "id": key.id,
                "account": key.owner.account,
                "created": key.created_at.to_string(),
                "expires": key.session.as_ref().map(|session| session.expires_at.to_string()),
            })
        };
        json!({ "keys": network.access_keys.values().map(shown).collect::<Vec<_>>() })
    }

    /// Registers a key; the answer is the only place where its secret is ever shown.
    ///
    /// # Errors
    /// When it can't be a key, or is registered.
    pub fn add_key(&self, question: &Value) -> Result<Value, AdminError> {
        let asked: NewKey = Deserialize::deserialize(question).map_err(AdminError::bad)?;
        let NewKey { account, id, secret } = asked;
        let add = |tx: &mut openvpc_control::Tx<'_>| access_keys::add(tx, account, id.as_deref(), secret.as_deref());
        let key = self.control.transact(&caller(account), add).map_err(|error| AdminError::bad(error.message))?;
        Ok(json!({ "id": key.id, "secret": key.secret.reveal(), "account": account }))
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// When it isn't registered.
    pub fn revoke_key(&self, id: &str) -> Result<Value, AdminError> {
        let revoke = |tx: &mut openvpc_control::Tx<'_>| access_keys::revoke(tx, id);
        let outcome = self.control.transact(&caller(self.default_account), revoke);
        outcome.map_err(|error| AdminError { status: 404, message: error.message })?;
        Ok(json!({ "revoked": id }))
    }
}

fn caller(account: AccountId) -> Caller {
    Caller { owner: Owner::in_default_region(account) }
}

/// The rule of the gate, as the object store asks it.
pub struct StoreKeys {
    /// The state.
    pub control: Arc<Control>,
    /// The rule.
    pub gate: Arc<Gate>,
}

impl s3::Keys for StoreKeys {
    fn verifies(&self) -> bool {
        self.gate.verifies(&self.control)
    }

    fn secret(&self, access_key: &str) -> Option<String> {
        let network = self.control.snapshot();
        let key = network.get::<AccessKey>(&access_key.to_owned())?;
        let over = key.session.as_ref().is_some_and(|session| session.expires_at <= self.control.now());
        (!over).then(|| key.secret.reveal().to_owned())
    }
}
