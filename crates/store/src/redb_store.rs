//! The embedded store: one redb file, one durable transaction per commit.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use openvpc_model::{Change, Network};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{Revision, Store, StoreError};

/// `KIND/KEY` to the resource as JSON.
const RESOURCES: TableDefinition<&str, &[u8]> = TableDefinition::new("resources");
/// `format` and `revision`.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Raised when the stored form changes in a way that older versions can't read.
const FORMAT: u64 = 1;

/// State in a file. A commit has returned from fsync when [`Store::commit`] returns.
#[derive(Debug)]
pub struct RedbStore {
    /// None after a write failed, as on a full disk: the database takes no more until it is opened anew.
    database: Option<Database>,
    file: PathBuf,
    path: String,
}

impl RedbStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// When the file can't be opened, is in use by another process, or has another format.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        let database = Some(Database::create(path).map_err(|e| database_error(&shown, e))?);
        let store = Self { database, file: path.to_owned(), path: shown };
        store.initialize().map_err(|e| store.error(e))?;
        match store.meta("format").map_err(|e| store.error(e))? {
            FORMAT => Ok(store),
            found => Err(StoreError::Format { path: store.path, found, known: FORMAT }),
        }
    }

    fn initialize(&self) -> Result<(), redb::Error> {
        let write = self.database()?.begin_write()?;
        {
            write.open_table(RESOURCES)?;
            let mut meta = write.open_table(META)?;
            if meta.get("format")?.is_none() {
                meta.insert("format", FORMAT)?;
                meta.insert("revision", 0)?;
            }
        }
        write.commit()?;
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<u64, redb::Error> {
        let read = self.database()?.begin_read()?;
        Ok(read.open_table(META)?.get(key)?.map_or(0, |value| value.value()))
    }

    fn write(&self, revision: Revision, changes: &[Change]) -> Result<(), redb::Error> {
        let write = self.database()?.begin_write()?;
        {
            let mut resources = write.open_table(RESOURCES)?;
            for change in changes {
                let place = format!("{}/{}", change.kind, change.key);
                match &change.value {
                    Some(value) => resources.insert(place.as_str(), value.to_string().as_bytes())?,
                    None => resources.remove(place.as_str())?,
                };
            }
            write.open_table(META)?.insert("revision", revision.0)?;
        }
        write.commit()?;
        Ok(())
    }

    fn values(&self) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
        let read = self.database()?.begin_read()?;
        let table = read.open_table(RESOURCES)?;
        let mut values = Vec::new();
        for entry in table.iter()? {
            let (place, value) = entry?;
            values.push((place.value().to_owned(), value.value().to_vec()));
        }
        Ok(values)
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::PreviousIo)
    }

    fn error(&self, reason: impl Display) -> StoreError {
        database_error(&self.path, reason)
    }
}

impl Store for RedbStore {
    fn load(&self) -> Result<(Network, Revision), StoreError> {
        let mut network = Network::default();
        for (place, bytes) in self.values().map_err(|e| self.error(e))? {
            let value = serde_json::from_slice(&bytes).map_err(|e| self.error(format!("{place}: {e}")))?;
            let (kind, key) = place.split_once('/').ok_or_else(|| self.error(format!("{place} names no kind")))?;
            network.load(kind, key, value)?;
        }
        Ok((network, Revision(self.meta("revision").map_err(|e| self.error(e))?)))
    }

    fn commit(&mut self, base: Revision, changes: &[Change]) -> Result<Revision, StoreError> {
        if self.database.is_none() {
            self.database = Some(Database::create(&self.file).map_err(|e| self.error(e))?);
        }
        let newest = self.meta("revision").map_err(|e| self.error(e))?;
        if base.0 != newest {
            return Err(StoreError::Conflict { base: base.0, newest });
        }
        let next = Revision(newest + 1);
        if let Err(error) = self.write(next, changes) {
            self.database = None;
            return Err(self.error(error));
        }
        Ok(next)
    }
}

fn database_error(path: &str, reason: impl Display) -> StoreError {
    StoreError::Database { path: path.to_owned(), reason: reason.to_string() }
}
