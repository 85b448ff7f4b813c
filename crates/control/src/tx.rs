//! A transaction: a private copy of the state, and a list of what it wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use openvpc_model::network::stored;
use openvpc_model::{Change, Id, Network, Owner, Resource, UnixMillis};

use crate::control::{Caller, Environment};
use crate::error::Missing;
use crate::{ControlError, Quotas};

/// What an action reads and writes. It sees its own writes; nobody else does until it is committed.
pub struct Tx<'a> {
    network: Network,
    touched: BTreeMap<(&'static str, String), Encode>,
    caller: &'a Caller,
    environment: &'a dyn Environment,
    quotas: &'a Quotas,
    now: UnixMillis,
}

/// Reads the final form of a touched resource, so that one written five times is encoded once.
type Encode = Box<dyn Fn(&Network) -> Result<Option<Change>, serde_json::Error>>;

impl<'a> Tx<'a> {
    pub(crate) fn new(network: &Network, caller: &'a Caller, environment: &'a dyn Environment, quotas: &'a Quotas) -> Self {
        let now = environment.now();
        Self { network: network.clone(), touched: BTreeMap::new(), caller, environment, quotas, now }
    }

    /// Adds a resource, or replaces the one with its key.
    pub fn put<R: Resource>(&mut self, resource: R) {
        self.touch::<R>(resource.key());
        self.network.insert(resource);
    }

    /// Removes a resource.
    pub fn remove<R: Resource>(&mut self, key: &R::Key) {
        if self.network.remove::<R>(key) {
            self.touch::<R>(key.clone());
        }
    }

    /// Changes a resource of the caller in place.
    ///
    /// # Errors
    /// The kind's not-found error.
    pub fn update<R: Missing, T>(&mut self, key: &R::Key, change: impl FnOnce(&mut R) -> T) -> Result<T, ControlError> {
        let mut resource = (*self.find::<R>(key)?).clone();
        let value = change(&mut resource);
        self.put(resource);
        Ok(value)
    }

    /// A new id of any kind.
    pub fn new_id<I: Id>(&self) -> I {
        I::from_random(self.environment.random())
    }

    /// Sixty-four unpredictable bits.
    pub fn random(&self) -> u64 {
        self.environment.random()
    }

    /// The caller's resource with that key.
    ///
    /// # Errors
    /// The kind's not-found error, also when the resource is another account's or region's.
    pub fn find<R: Missing>(&self, key: &R::Key) -> Result<Arc<R>, ControlError> {
        let found = self.network.get::<R>(key).filter(|resource| *resource.owner() == self.caller.owner);
        found.cloned().ok_or_else(|| R::missing(key))
    }

    /// The caller's resources of a kind.
    pub fn owned<R: Resource>(&self) -> impl Iterator<Item = &Arc<R>> {
        self.network.owned::<R>(&self.caller.owner)
    }

    /// The state as this transaction sees it.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The calling account and region.
    pub fn owner(&self) -> &Owner {
        &self.caller.owner
    }

    /// The limits in force.
    pub fn quotas(&self) -> &Quotas {
        self.quotas
    }

    /// The time of the transaction.
    pub fn now(&self) -> UnixMillis {
        self.now
    }

    pub(crate) fn finish(self) -> Result<(Network, Vec<Change>), ControlError> {
        let mut changes = Vec::new();
        for ((kind, key), encode) in self.touched {
            let change = encode(&self.network).map_err(ControlError::internal)?;
            changes.push(change.unwrap_or(Change { kind, key, value: None }));
        }
        Ok((self.network, changes))
    }

    fn touch<R: Resource>(&mut self, key: R::Key) {
        let place = (R::KIND, R::key_text(&key));
        self.touched
            .entry(place)
            .or_insert_with(|| Box::new(move |network| network.get::<R>(&key).map(|resource| stored(&**resource)).transpose()));
    }
}
