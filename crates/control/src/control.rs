//! The one writer of the network's state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use openvpc_model::{Change, Network, Owner, UnixMillis};
use openvpc_store::{Revision, Store, StoreError};

use crate::{ControlError, Quotas, Tx, regions};

/// Runs transactions one after the other and serves snapshots to any number of readers.
pub struct Control {
    current: ArcSwap<Network>,
    writer: Mutex<Writer>,
    enforcer: Box<dyn Enforcer>,
    environment: Box<dyn Environment>,
    quotas: Quotas,
}

/// What only the holder of the lock may touch.
struct Writer {
    store: Box<dyn Store>,
    revision: Revision,
}

/// On whose behalf an action runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The calling account, and the region that was called.
    pub owner: Owner,
}

/// Puts a snapshot in force: when `enforce` returns, no new packet is judged by an older one.
pub trait Enforcer: Send + Sync {
    /// Puts `network` in force.
    ///
    /// # Errors
    /// When packets may still be judged by an older snapshot; the text is for the operator.
    fn enforce(&self, network: &Arc<Network>) -> Result<(), String>;
}

/// Time and chance.
pub trait Environment: Send + Sync {
    /// The wall clock.
    fn now(&self) -> UnixMillis;
    /// Sixty-four unpredictable bits.
    fn random(&self) -> u64;
}

impl Control {
    /// Loads what the store holds and puts it in force.
    ///
    /// # Errors
    /// When the store can't be read or the state can't be put in force.
    pub fn open(
        store: Box<dyn Store>,
        enforcer: Box<dyn Enforcer>,
        environment: Box<dyn Environment>,
        quotas: Quotas,
    ) -> Result<Self, OpenError> {
        let (network, revision) = store.load()?;
        let network = Arc::new(network);
        enforcer.enforce(&network).map_err(OpenError::Enforce)?;
        let writer = Mutex::new(Writer { store, revision });
        Ok(Self { current: ArcSwap::new(network), writer, enforcer, environment, quotas })
    }

    /// Runs an action and commits what it wrote. When this returns `Ok`, the change is durable and in force.
    ///
    /// # Errors
    /// The action's own error, and then nothing was changed; or `InternalError` when the store or the datapath failed.
    pub fn transact<T>(
        &self,
        caller: &Caller,
        action: impl FnOnce(&mut Tx) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let mut writer = self.lock();
        let mut tx = self.begin(caller);
        regions::ensure(&mut tx)?;
        let value = action(&mut tx)?;
        let (network, changes) = tx.finish()?;
        self.commit(&mut writer, network, changes)?;
        Ok(value)
    }

    /// Runs an action and forgets what it wrote: what `DryRun` asks for, and every other what-if.
    ///
    /// # Errors
    /// The action's own error.
    pub fn rehearse<T>(
        &self,
        caller: &Caller,
        action: impl FnOnce(&mut Tx) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let mut tx = self.begin(caller);
        regions::ensure(&mut tx)?;
        action(&mut tx)
    }

    /// The current state, with what the caller's region holds from the start (default VPC and so on) in it.
    ///
    /// # Errors
    /// When the region had to be set up and that failed.
    pub fn view(&self, caller: &Caller) -> Result<Arc<Network>, ControlError> {
        if self.current.load().regions.get(&caller.owner).is_none() {
            self.transact(caller, |_| Ok(()))?;
        }
        Ok(self.snapshot())
    }

    /// The current state as it is.
    pub fn snapshot(&self) -> Arc<Network> {
        self.current.load_full()
    }

    /// The limits in force.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// The wall clock that the state is stamped with.
    pub fn now(&self) -> UnixMillis {
        self.environment.now()
    }

    /// Removes everything, in all accounts and regions.
    ///
    /// # Errors
    /// `InternalError` when the store or the datapath failed.
    pub fn reset(&self) -> Result<(), ControlError> {
        let mut writer = self.lock();
        let places = self.current.load().places();
        let changes = places.into_iter().map(|(kind, key)| Change { kind, key, value: None }).collect();
        self.commit(&mut writer, Network::default(), changes)
    }

    fn begin<'a>(&'a self, caller: &'a Caller) -> Tx<'a> {
        Tx::new(&self.current.load(), caller, &*self.environment, &self.quotas)
    }

    fn commit(&self, writer: &mut Writer, network: Network, changes: Vec<Change>) -> Result<(), ControlError> {
        if changes.is_empty() {
            return Ok(());
        }
        writer.revision = writer.store.commit(writer.revision, &changes).map_err(ControlError::internal)?;
        let network = Arc::new(network);
        // Published even when it can't be put in force: it is durable, and the next attempt starts from it.
        self.current.store(Arc::clone(&network));
        self.enforcer.enforce(&network).map_err(ControlError::internal)
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A panic in an action leaves the writer as it was: the action works on a copy, the store commits all or nothing.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the state couldn't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state can't be put in force.
    #[error("the stored network can't be put in force: {0}")]
    Enforce(String),
}
