//! A store that forgets: for tests and for a daemon without a data directory.

use std::collections::BTreeMap;

use openvpc_model::{Change, Network};

use crate::{Revision, Store, StoreError};

/// Keeps the changes in memory, in the form a durable store would.
#[derive(Debug, Default)]
pub struct MemoryStore {
    values: BTreeMap<(&'static str, String), Vec<u8>>,
    revision: Revision,
}

impl Store for MemoryStore {
    fn load(&mut self) -> Result<(Network, Revision), StoreError> {
        let mut network = Network::default();
        for ((kind, key), value) in &self.values {
            network.load(kind, key, value)?;
        }
        Ok((network, self.revision))
    }

    fn revision(&mut self) -> Result<Revision, StoreError> {
        Ok(self.revision)
    }

    fn commit(&mut self, base: Revision, changes: &[Change]) -> Result<Revision, StoreError> {
        if base != self.revision {
            return Err(StoreError::Conflict { base: base.0, newest: self.revision.0 });
        }
        for change in changes {
            let place = (change.kind, change.key.clone());
            match &change.value {
                Some(value) => self.values.insert(place, value.clone()),
                None => self.values.remove(&place),
            };
        }
        self.revision.0 += 1;
        Ok(self.revision)
    }
}
