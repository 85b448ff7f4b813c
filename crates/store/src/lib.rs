//! Keeps the network's state: ordered, durable, all-or-nothing changes over a snapshot.
//!
//! The crate knows nothing of what the resources mean; it writes the [`Change`]s of a transaction as they come and gives
//! back the [`Network`] they add up to. It refuses a commit that was prepared against another revision than the newest.
//!
//! Read [`Store`] first, then [`DurableStore`].
#![forbid(unsafe_code)]

mod checkpoint;
mod durable_store;
mod format;
mod log;
mod memory;

pub use durable_store::{DurableStore, Folding, Part};
pub use memory::MemoryStore;

use openvpc_model::network::LoadError;
use openvpc_model::{Change, Network};

/// How many commits a store has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// Where the state is kept.
pub trait Store: Send {
    /// Everything that was committed, and the revision it stands at.
    ///
    /// # Errors
    /// When the store can't be read, or holds what this version doesn't know.
    fn load(&mut self) -> Result<(Network, Revision), StoreError>;

    /// The revision that the store stands at. After a commit failed, this says whether it is kept after all.
    ///
    /// # Errors
    /// When the store can't be read.
    fn revision(&mut self) -> Result<Revision, StoreError>;

    /// Makes the changes durable, all or none, on top of `base`; returns the new revision.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when `base` isn't the newest revision; otherwise when the write failed; whether it is
    /// kept then, whole, or not at all, is for [`Store::revision`] to say.
    fn commit(&mut self, base: Revision, changes: &[Change]) -> Result<Revision, StoreError>;

    /// Brings what is durable into the form in which it is found fastest, as before a clean end.
    ///
    /// # Errors
    /// When that failed; what was committed is durable all the same.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Why the store didn't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else committed first.
    #[error("the state was changed by somebody else: prepared against revision {base}, but the newest is {newest}")]
    Conflict {
        /// What the commit was prepared against.
        base: u64,
        /// What the store holds.
        newest: u64,
    },
    /// The file was written by a newer version of openvpc.
    #[error(
        "{path} has format {found}, newer than format {known} of this version; use the openvpc that wrote it, or another --data-dir"
    )]
    Format {
        /// The file.
        path: String,
        /// Its format.
        found: u64,
        /// The format of this version.
        known: u64,
    },
    /// The database failed.
    #[error("the state in {path} can't be used: {reason}")]
    Database {
        /// The file.
        path: String,
        /// The database's own words.
        reason: String,
    },
    /// The state was read anew after a failure.
    #[error("the state was read anew at revision {revision}: {reason}; repeat the request")]
    Recovered {
        /// Its revision.
        revision: u64,
        /// Why.
        reason: String,
    },
    /// A value in it can't be read.
    #[error(transparent)]
    Load(#[from] LoadError),
}
