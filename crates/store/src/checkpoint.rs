//! The database: the state as of some revision, in one redb file.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use openvpc_model::Network;
use redb::{Builder, Database, ReadableDatabase, TableDefinition, TableError};

use crate::durable_store::Disks;
use crate::format::{self, FORMAT, LOGS};
use crate::{Revision, StoreError};

/// A serial number to a resource: `KIND/KEY` and its JSON. Ids are random, so that ordered by them every checkpoint would
/// rewrite pages all over the file; in the order in which they were made, those of one checkpoint lie side by side.
pub(crate) const STATE: TableDefinition<u64, (&str, &[u8])> = TableDefinition::new("state");
/// `format`, `revision`, and `identity`, the number that the logs beside the file have in their checksums.
pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The state is in memory anyway; the database needs its pages again only to write beside what it wrote before.
const CACHE_BYTES: usize = 32 << 20;

/// What became of resources since a checkpoint: `KIND/KEY` to the value, or none of what was removed.
pub(crate) type Latest = BTreeMap<Box<str>, Option<Vec<u8>>>;

/// The database and what it holds.
pub(crate) struct Checkpoint {
    /// None after a write failed, as on a full disk: the database takes no more until it is opened anew.
    database: Option<Database>,
    revision: Revision,
    /// The form that it has.
    format: u64,
    /// The number of this database, among all there are.
    pub(crate) identity: u64,
    /// Where each resource is; none until the state was read.
    serials: Option<Serials>,
    disks: Arc<Disks>,
}

/// The serial numbers in use, by `KIND/KEY`.
#[derive(Default)]
struct Serials {
    by_place: HashMap<Box<str>, u64>,
    next: u64,
}

impl Serials {
    /// Notes where a resource is. Numbers come in their order.
    fn note(&mut self, serial: u64, place: &str) {
        self.by_place.insert(place.into(), serial);
        self.next = serial + 1;
    }
}

impl Checkpoint {
    /// Opens the database, or makes it. One that is too old to have logs is upgraded, all or nothing.
    ///
    /// # Errors
    /// When it can't be opened, is in use by another process, or has a newer format.
    pub(crate) fn open(disks: Arc<Disks>) -> Result<Self, StoreError> {
        let mut checkpoint = Self { database: None, revision: Revision::default(), format: 0, identity: 0, serials: None, disks };
        checkpoint.reopen()?;
        Ok(checkpoint)
    }

    /// Whether it has an older form than the present one; then nothing else can be asked of it but [`Checkpoint::upgrade`].
    pub(crate) fn is_old(&self) -> bool {
        self.format < FORMAT
    }

    /// Takes what the logs have, which is of the same older form, and gives all of it the present form.
    ///
    /// # Errors
    /// When the disk fails; then the next attempt goes on from there.
    pub(crate) fn upgrade(&mut self, revision: Revision, latest: &Latest) -> Result<(), StoreError> {
        self.fold(revision, latest)?;
        let upgraded = self.opened().and_then(|database| format::upgrade(database, self.format, FORMAT));
        upgraded.map_err(|error| self.error(error))?;
        self.format = FORMAT;
        Ok(())
    }

    /// The newest revision that is in it.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Opens the database, unless it is open.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.database.is_some() {
            return Ok(());
        }
        let database = self.disks.database().map_err(|error| self.error(error))?;
        let found = meta(&database, "format").map_err(|error| self.error(error))?.unwrap_or(0);
        if found > FORMAT {
            return Err(StoreError::Format { path: self.disks.name().to_owned(), found, known: FORMAT });
        }
        if found < LOGS {
            format::upgrade(&database, found, LOGS).map_err(|error| self.error(error))?;
        }
        self.format = found.max(LOGS);
        let revision = Revision(meta(&database, "revision").map_err(|error| self.error(error))?.unwrap_or(0));
        if revision != self.revision {
            self.serials = None;
        }
        self.revision = revision;
        self.identity = meta(&database, "identity").map_err(|error| self.error(error))?.unwrap_or(0);
        self.database = Some(database);
        Ok(())
    }

    /// Takes what became of resources up to a revision, in one durable transaction.
    ///
    /// # Errors
    /// When the disk fails. All of it is kept then, or nothing; what is missing may be given again.
    pub(crate) fn fold(&mut self, revision: Revision, latest: &Latest) -> Result<(), StoreError> {
        self.reopen()?;
        if revision <= self.revision {
            return Ok(());
        }
        let mut serials = match self.serials.take() {
            Some(serials) => serials,
            None => self.serials()?,
        };
        match self.write(revision, latest, &serials) {
            Ok(new) => {
                self.revision = revision;
                serials.next += new.len() as u64;
                serials.by_place.extend(new);
                for (gone, _) in latest.iter().filter(|(_, value)| value.is_none()) {
                    serials.by_place.remove(gone);
                }
                self.serials = Some(serials);
                Ok(())
            }
            Err(error) => {
                self.serials = Some(serials);
                self.database = None;
                Err(self.error(error))
            }
        }
    }

    /// Writes in one transaction; gives the numbers of what is new.
    fn write(&self, revision: Revision, latest: &Latest, serials: &Serials) -> Result<Vec<(Box<str>, u64)>, redb::Error> {
        let write = self.opened()?.begin_write()?;
        let mut new = Vec::new();
        {
            let mut state = write.open_table(STATE)?;
            for (place, value) in latest {
                let known = serials.by_place.get(place).copied();
                match (value, known) {
                    (Some(value), Some(serial)) => drop(state.insert(serial, (&**place, value.as_slice()))?),
                    (Some(value), None) => {
                        let serial = serials.next + new.len() as u64;
                        state.insert(serial, (&**place, value.as_slice()))?;
                        new.push((place.clone(), serial));
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

    /// The state that `latest` leads to from this one.
    ///
    /// # Errors
    /// When the disk fails, or holds what this version doesn't know.
    pub(crate) fn load(&mut self, latest: &Latest) -> Result<Network, StoreError> {
        self.reopen()?;
        let (mut network, serials) = self.read(latest)?;
        self.serials = Some(serials);
        for (place, value) in latest {
            if let Some(value) = value {
                self.add(&mut network, place, value)?;
            }
        }
        Ok(network)
    }

    /// Reads where everything is.
    fn serials(&self) -> Result<Serials, StoreError> {
        let mut serials = Serials::default();
        self.each(|serial, place, _| {
            serials.note(serial, place);
            Ok(())
        })?;
        Ok(serials)
    }

    /// Reads everything but what `newer` has, and where everything is.
    fn read(&self, newer: &Latest) -> Result<(Network, Serials), StoreError> {
        let (mut network, mut serials) = (Network::default(), Serials::default());
        self.each(|serial, place, json| {
            serials.note(serial, place);
            if newer.contains_key(place) { Ok(()) } else { self.add(&mut network, place, json) }
        })?;
        Ok((network, serials))
    }

    /// Shows every resource with its serial number and its place.
    fn each(&self, mut show: impl FnMut(u64, &str, &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let read = || -> Result<_, redb::Error> {
            let read = self.opened()?.begin_read()?;
            Ok(read.open_table(STATE)?)
        };
        for entry in read().and_then(|table| Ok(table.range::<u64>(..)?)).map_err(|error| self.error(error))? {
            let (serial, value) = entry.map_err(|error| self.error(error))?;
            let (place, json) = value.value();
            show(serial.value(), place, json)?;
        }
        Ok(())
    }

    fn add(&self, network: &mut Network, place: &str, json: &[u8]) -> Result<(), StoreError> {
        let (kind, key) = place.split_once('/').ok_or_else(|| self.error(format!("{place} names no kind")))?;
        Ok(network.load(kind, key, json)?)
    }

    fn opened(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::PreviousIo)
    }

    /// A failure of the disk.
    pub(crate) fn error(&self, reason: impl Display) -> StoreError {
        self.disks.error(reason)
    }
}

/// Makes a file that is whole from the moment when it has its name, whenever the machine stops.
pub(crate) fn make(path: &Path) -> Result<(), redb::Error> {
    let unnamed = path.with_extension(format!("new-{}", std::process::id()));
    // Of a process that had the same number, and died here.
    let _ = std::fs::remove_file(&unnamed);
    let made = builder().create(&unnamed)?;
    format::upgrade(&made, 0, FORMAT)?;
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

pub(crate) fn builder() -> Builder {
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
