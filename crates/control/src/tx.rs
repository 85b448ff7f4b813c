//! A transaction: a private copy of the state, and a list of what it wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use openvpc_model::internet::PublicPools;
use openvpc_model::network::{Visit, stored};
use openvpc_model::table::Quantity;
use openvpc_model::{Change, Id, Network, Owner, Resource, UnixMillis};

use crate::control::{Caller, Environment};
use crate::error::Missing;
use crate::{ControlError, Quotas};

/// What an action reads and writes. It sees its own writes; nobody else does until it is committed.
pub struct Tx<'a> {
    network: Network,
    touched: Touched,
    caller: &'a Caller,
    environment: &'a dyn Environment,
    quotas: &'a Quotas,
    now: UnixMillis,
}

/// What transactions wrote, by kind and key.
#[derive(Default)]
pub(crate) struct Touched(BTreeMap<(&'static str, String), Encode>);

/// Reads the final form of a touched resource, so that one written five times, or by five transactions of a group, is
/// encoded once.
type Encode = Box<dyn Fn(&Network) -> Result<Option<Change>, serde_json::Error> + Send>;

impl<'a> Tx<'a> {
    pub(crate) fn new(network: &Network, caller: &'a Caller, environment: &'a dyn Environment, quotas: &'a Quotas) -> Self {
        let now = environment.now();
        Self { network: network.clone(), touched: Touched::default(), caller, environment, quotas, now }
    }

    /// Adds a resource, or replaces the one with its key.
    pub fn put<R: Resource>(&mut self, resource: R) {
        self.touched.touch::<R>(resource.key());
        self.network.insert(resource);
    }

    /// Removes a resource.
    pub fn remove<R: Resource>(&mut self, key: &R::Key) {
        if self.network.remove::<R>(key) {
            self.touched.touch::<R>(key.clone());
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

    /// The blocks of public addresses.
    pub(crate) fn public_pools(&self) -> PublicPools {
        self.environment.public_pools()
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

    /// How many resources of a kind the caller has.
    pub fn count<R: Resource>(&self) -> usize {
        let sum = R::table(&self.network).sum(&Quantity::OwnedBy(self.caller.owner.clone()));
        usize::try_from(sum).unwrap_or(usize::MAX)
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

    pub(crate) fn finish(self) -> (Network, Touched) {
        (self.network, self.touched)
    }
}

impl Touched {
    /// Everything that some networks hold.
    pub(crate) fn everything(networks: &[&Network]) -> Self {
        let mut touched = Self::default();
        networks.iter().for_each(|network| network.each(&mut touched));
        touched
    }

    fn touch<R: Resource>(&mut self, key: R::Key) {
        let place = (R::KIND, R::key_text(&key));
        self.0
            .entry(place)
            .or_insert_with(|| Box::new(move |network| network.get::<R>(&key).map(|resource| stored(&**resource)).transpose()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what was written later.
    pub(crate) fn add(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// What the store is to be told, all in its final form.
    pub(crate) fn encode(&self, network: &Network) -> Result<Vec<Change>, serde_json::Error> {
        let gone = |kind: &'static str, key: &str| Change { kind, key: key.to_owned(), value: None };
        let change =
            |((kind, key), encode): (&(&'static str, String), &Encode)| Ok(encode(network)?.unwrap_or_else(|| gone(kind, key)));
        self.0.iter().map(change).collect()
    }
}

impl Visit for Touched {
    fn visit<R: Resource>(&mut self, resource: &R) {
        self.touch::<R>(resource.key());
    }
}
