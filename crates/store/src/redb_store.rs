//! The embedded store: one redb file, one durable transaction per commit.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::path::Path;

use openvpc_model::{Change, Network};
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageBackend, TableDefinition, TableError};

use crate::format::{self, FORMAT};
use crate::{Revision, Store, StoreError};

/// A serial number to a resource: `KIND/KEY` and its JSON. Ids are random, so that ordered by them every commit would
/// rewrite pages all over the file; in the order in which they were made, those of one commit lie side by side.
pub(crate) const STATE: TableDefinition<u64, (&str, &[u8])> = TableDefinition::new("state");
/// `format` and `revision`.
pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The state is in memory anyway; the database needs its pages again only to write beside what it wrote before.
const CACHE_BYTES: usize = 32 << 20;

/// State in a file. A commit has returned from fsync when [`Store::commit`] returns.
pub struct RedbStore {
    /// None after a write failed, as on a full disk: the database takes no more until it is opened anew.
    database: Option<Database>,
    revision: Revision,
    /// Where each resource is; none until the state was read.
    serials: Option<Serials>,
    open: Box<dyn Fn() -> Result<Database, DatabaseError> + Send>,
    path: String,
}

/// The serial numbers in use, by `KIND/KEY`.
#[derive(Default)]
struct Serials {
    by_place: HashMap<Box<str>, u64>,
    next: u64,
}

impl RedbStore {
    /// Opens the file, or makes it. A file of an older format is upgraded, all or nothing.
    ///
    /// # Errors
    /// When the file can't be opened, is in use by another process, or has a newer format.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (shown, file) = (path.display().to_string(), path.to_owned());
        if !path.exists() {
            make(path).map_err(|error| StoreError::Database { path: shown.clone(), reason: error.to_string() })?;
        }
        Self::open_with(shown, move || builder().create(&file))
    }

    /// Opens a database that lies on something else than a file, for tests of what a disk can do. `backend` is called each
    /// time when the database is to be opened anew.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open_on<B: StorageBackend>(backend: impl Fn() -> B + Send + 'static) -> Result<Self, StoreError> {
        Self::open_with("a test's disk".to_owned(), move || builder().create_with_backend(backend()))
    }

    fn open_with(path: String, open: impl Fn() -> Result<Database, DatabaseError> + Send + 'static) -> Result<Self, StoreError> {
        let mut store = Self { database: None, revision: Revision::default(), serials: None, open: Box::new(open), path };
        store.reopen()?;
        Ok(store)
    }

    /// Opens the database, unless it is open.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.database.is_some() {
            return Ok(());
        }
        let database = (self.open)().map_err(|error| self.error(error))?;
        let found = meta(&database, "format").map_err(|error| self.error(error))?.unwrap_or(0);
        if found > FORMAT {
            return Err(StoreError::Format { path: self.path.clone(), found, known: FORMAT });
        }
        if found < FORMAT {
            format::upgrade(&database, found).map_err(|error| self.error(error))?;
        }
        let revision = Revision(meta(&database, "revision").map_err(|error| self.error(error))?.unwrap_or(0));
        if revision != self.revision {
            self.serials = None;
        }
        self.revision = revision;
        self.database = Some(database);
        Ok(())
    }

    /// Writes in one transaction; gives the numbers of what is new.
    fn write(&self, revision: Revision, changes: &[Change], serials: &Serials) -> Result<Vec<(Box<str>, u64)>, redb::Error> {
        let write = self.database()?.begin_write()?;
        let mut new = Vec::new();
        {
            let mut state = write.open_table(STATE)?;
            let mut place = String::new();
            for change in changes {
                place.clear();
                place.extend([change.kind, "/", &change.key]);
                let known = serials.by_place.get(place.as_str()).copied();
                match (&change.value, known) {
                    (Some(value), Some(serial)) => drop(state.insert(serial, (place.as_str(), value.as_slice()))?),
                    (Some(value), None) => {
                        let serial = serials.next + new.len() as u64;
                        state.insert(serial, (place.as_str(), value.as_slice()))?;
                        new.push((place.as_str().into(), serial));
                    }
                    (None, Some(serial)) => drop(state.remove(serial)?),
                    (None, None) => {}
                }
            }
            write.open_table(META)?.insert("revision", revision.0)?;
        }
        write.commit()?;
        Ok(new)
    }

    /// Reads everything, and where it is.
    fn read(&self) -> Result<(Network, Serials), StoreError> {
        let read = || -> Result<_, redb::Error> {
            let read = self.database()?.begin_read()?;
            Ok(read.open_table(STATE)?)
        };
        let (mut network, mut serials) = (Network::default(), Serials::default());
        for entry in read().and_then(|table| Ok(table.range::<u64>(..)?)).map_err(|error| self.error(error))? {
            let (serial, value) = entry.map_err(|error| self.error(error))?;
            let (place, json) = value.value();
            let (kind, key) = place.split_once('/').ok_or_else(|| self.error(format!("{place} names no kind")))?;
            network.load(kind, key, json)?;
            serials.by_place.insert(place.into(), serial.value());
            serials.next = serial.value() + 1;
        }
        Ok((network, serials))
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::PreviousIo)
    }

    fn error(&self, reason: impl Display) -> StoreError {
        StoreError::Database { path: self.path.clone(), reason: reason.to_string() }
    }
}

impl Store for RedbStore {
    fn load(&mut self) -> Result<(Network, Revision), StoreError> {
        self.reopen()?;
        let (network, serials) = self.read()?;
        self.serials = Some(serials);
        Ok((network, self.revision))
    }

    fn revision(&mut self) -> Result<Revision, StoreError> {
        self.reopen()?;
        Ok(self.revision)
    }

    fn commit(&mut self, base: Revision, changes: &[Change]) -> Result<Revision, StoreError> {
        self.reopen()?;
        if base != self.revision {
            return Err(StoreError::Conflict { base: base.0, newest: self.revision.0 });
        }
        let mut serials = match self.serials.take() {
            Some(serials) => serials,
            None => self.read()?.1,
        };
        let next = Revision(base.0 + 1);
        let written = self.write(next, changes, &serials);
        if let Ok(new) = &written {
            self.revision = next;
            serials.next += new.len() as u64;
            serials.by_place.extend(new.iter().cloned());
            for gone in changes.iter().filter(|change| change.value.is_none()) {
                serials.by_place.remove(format!("{}/{}", gone.kind, gone.key).as_str());
            }
        }
        self.serials = Some(serials);
        match written {
            Ok(_) => Ok(next),
            Err(error) => {
                self.database = None;
                Err(self.error(error))
            }
        }
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// Makes a file that is whole from the moment when it has its name, whenever the machine stops.
fn make(path: &Path) -> Result<(), redb::Error> {
    let unnamed = path.with_extension(format!("new-{}", std::process::id()));
    // Of a process that had the same number, and died here.
    let _ = std::fs::remove_file(&unnamed);
    let made = builder().create(&unnamed)?;
    format::upgrade(&made, 0)?;
    drop(made);
    // Unlike a rename this takes no other process's file away, which was given the name in between.
    let named = match std::fs::hard_link(&unnamed, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        named => named,
    };
    let removed = std::fs::remove_file(&unnamed);
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::File::open(directory)?.sync_all()?;
    }
    Ok(named.and(removed)?)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// A number of the META table; none in a file that was just made.
fn meta(database: &Database, key: &str) -> Result<Option<u64>, redb::Error> {
    let read = database.begin_read()?;
    match read.open_table(META) {
        Ok(table) => Ok(table.get(key)?.map(|value| value.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
