//! The embedded store: a log that takes commits, and a database that takes the log over from time to time.
//!
//! A commit is one record, written and synced. There are two logs. When the one in use has grown long enough, the other one
//! takes the commits, and a thread folds the first into the database, in one transaction; then it is free to be used
//! again. What was committed is thus the database and the records of the logs with later revisions, in their order.

use std::fmt::{self, Display};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use openvpc_model::{Change, Network};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend};

use crate::checkpoint::{self, Checkpoint, Latest};
use crate::log::Log;
use crate::{Revision, Store, StoreError};

/// After an attempt to fold failed, the log grows by so much until the next.
const PATIENCE: u64 = 256 << 10;

/// When and where logs are folded into the database.
#[derive(Clone, Copy, Debug)]
pub struct Folding {
    /// The size of a log that is to be folded.
    pub after_bytes: u64,
    /// Whether commits go on meanwhile.
    pub beside: bool,
}

impl Default for Folding {
    fn default() -> Self {
        Self { after_bytes: 8 << 20, beside: true }
    }
}

/// What lies on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The database.
    Database,
    /// The first or the second log.
    Log(usize),
}

/// State in files. A commit has returned from fsync when [`Store::commit`] returns.
pub struct DurableStore {
    /// Takes commits.
    log: Log,
    revision: Revision,
    /// The size of the log at which it is to be folded.
    turn_at: u64,
    rest: Arc<Mutex<Rest>>,
    /// Folds, and holds the lock meanwhile.
    thread: Option<JoinHandle<()>>,
    folding: Folding,
    disks: Arc<Disks>,
}

/// All but the log that takes commits.
struct Rest {
    checkpoint: Checkpoint,
    /// The other log. It is free when the database has what is in it.
    other: Log,
}

/// How the parts are opened.
pub(crate) struct Disks {
    name: String,
    database: Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>,
    log: Box<dyn Fn(usize) -> io::Result<Box<dyn StorageBackend>> + Send + Sync>,
}

impl DurableStore {
    /// Opens the file and the logs beside it, or makes them. A file of an older format is upgraded, all or nothing.
    ///
    /// # Errors
    /// When the file can't be opened, is in use by another process, or has a newer format.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (name, file, beside) = (path.display().to_string(), path.to_owned(), path.to_owned());
        if !path.exists() {
            checkpoint::make(path).map_err(|error| StoreError::Database { path: name.clone(), reason: error.to_string() })?;
        }
        let disks = Disks {
            name,
            database: Box::new(move || checkpoint::builder().create(&file)),
            log: Box::new(move |number| open_log(&beside.with_extension(format!("log{number}")))),
        };
        Self::open_disks(disks, Folding::default())
    }

    /// Opens a store that lies on something else than files, for tests of what a disk can do. `backend` is called each time
    /// when a part is to be opened anew.
    ///
    /// # Errors
    /// As [`DurableStore::open`].
    pub fn open_on<B: StorageBackend>(
        backend: impl Fn(Part) -> B + Clone + Send + Sync + 'static,
        folding: Folding,
    ) -> Result<Self, StoreError> {
        let logs = backend.clone();
        let disks = Disks {
            name: "a test's disk".to_owned(),
            database: Box::new(move || checkpoint::builder().create_with_backend(backend(Part::Database))),
            log: Box::new(move |number| Ok(Box::new(logs(Part::Log(number))))),
        };
        Self::open_disks(disks, folding)
    }

    fn open_disks(disks: Disks, folding: Folding) -> Result<Self, StoreError> {
        let disks = Arc::new(disks);
        let mut checkpoint = Checkpoint::open(Arc::clone(&disks))?;
        let open = |number| Log::open((disks.log)(number)?, checkpoint.identity);
        let mut logs = [open(0).map_err(|error| disks.error(error))?, open(1).map_err(|error| disks.error(error))?];
        logs.sort_by_key(Log::last);
        // What comes after a gap doesn't count.
        let mut revision = checkpoint.revision();
        for log in &mut logs {
            match (log.first(), log.last()) {
                (Some(first), Some(last)) if first.0 <= revision.0 + 1 && last > revision => revision = last,
                _ => log.restart(folding.after_bytes),
            }
            // Or else it might follow without a gap later, when new commits came to the revision before.
            log.mend().map_err(|error| disks.error(error))?;
        }
        logs.sort_by_key(Log::last);
        let [other, log] = logs;
        if checkpoint.is_old() {
            let mut latest = Latest::new();
            let after = checkpoint.revision();
            let replayed = other.replay(after, note(&mut latest)).and_then(|()| log.replay(after, note(&mut latest)));
            replayed.map_err(|error| disks.error(error))?;
            checkpoint.upgrade(revision, &latest)?;
        }
        let rest = Arc::new(Mutex::new(Rest { checkpoint, other }));
        Ok(Self { log, revision, turn_at: folding.after_bytes, rest, thread: None, folding, disks })
    }

    /// When the log is long enough: lets the other one take commits, and folds it; if the other isn't free yet, folds that.
    fn turn(&mut self) {
        if self.log.size() < self.turn_at || self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        self.turn_at = self.folding.after_bytes;
        let size = self.log.size();
        self.wait();
        let mut rest = locked(&self.rest);
        if rest.is_free() {
            rest.other.restart(self.folding.after_bytes);
            std::mem::swap(&mut self.log, &mut rest.other);
        } else {
            self.turn_at = size + PATIENCE.min(self.folding.after_bytes);
        }
        drop(rest);
        let rest = Arc::clone(&self.rest);
        let fold = move || {
            if let Err(error) = locked(&rest).fold() {
                tracing::warn!(%error, "the log can't be folded into the database, and grows until it can");
            }
        };
        // Without a thread it stays as it is until the next turn.
        self.thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(fold).ok();
        if !self.folding.beside {
            self.wait();
        }
    }

    /// Waits until nothing is being folded.
    fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic on the way leaves the log to be folded again.
            let _ = thread.join();
        }
    }
}

impl Store for DurableStore {
    fn load(&mut self) -> Result<(Network, Revision), StoreError> {
        self.revision()?;
        self.wait();
        let mut rest = locked(&self.rest);
        let mut latest = rest.latest()?;
        self.log.replay(rest.checkpoint.revision(), note(&mut latest)).map_err(|error| self.disks.error(error))?;
        Ok((rest.checkpoint.load(&latest)?, self.revision))
    }

    fn revision(&mut self) -> Result<Revision, StoreError> {
        self.log.mend().map_err(|error| self.disks.error(error))?;
        Ok(self.revision)
    }

    fn commit(&mut self, base: Revision, changes: &[Change]) -> Result<Revision, StoreError> {
        let newest = self.revision()?;
        if base != newest {
            return Err(StoreError::Conflict { base: base.0, newest: newest.0 });
        }
        self.turn();
        let next = Revision(base.0 + 1);
        if let Err(error) = self.log.append(next, changes) {
            // If that fails too, nothing is committed before it is done.
            let _ = self.log.mend();
            return Err(self.disks.error(error));
        }
        self.revision = next;
        Ok(next)
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.revision()?;
        self.wait();
        let mut rest = locked(&self.rest);
        rest.fold()?;
        rest.other.restart(self.folding.after_bytes);
        std::mem::swap(&mut self.log, &mut rest.other);
        rest.fold()
    }
}

impl Drop for DurableStore {
    fn drop(&mut self) {
        // Who opens the files next finds them free.
        self.wait();
    }
}

impl Rest {
    fn is_free(&self) -> bool {
        self.other.last() <= Some(self.checkpoint.revision())
    }

    /// Folds the other log into the database.
    fn fold(&mut self) -> Result<(), StoreError> {
        match self.other.last() {
            Some(last) if !self.is_free() => {
                let latest = self.latest()?;
                self.checkpoint.fold(last, &latest)
            }
            _ => Ok(()),
        }
    }

    /// What the other log has and the database doesn't.
    fn latest(&self) -> Result<Latest, StoreError> {
        let mut latest = Latest::new();
        let replayed = self.other.replay(self.checkpoint.revision(), note(&mut latest));
        replayed.map_err(|error| self.checkpoint.error(error))?;
        Ok(latest)
    }
}

impl Disks {
    /// Opens the database.
    pub(crate) fn database(&self) -> Result<Database, DatabaseError> {
        (self.database)()
    }

    /// Where all this is, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A failure of one of the parts.
    pub(crate) fn error(&self, reason: impl Display) -> StoreError {
        StoreError::Database { path: self.name.clone(), reason: reason.to_string() }
    }
}

impl fmt::Debug for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableStore").field("path", &self.disks.name).field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// Notes what became of resources, the later over the earlier.
fn note(latest: &mut Latest) -> impl FnMut(&str, Option<&[u8]>) {
    |place, value| drop(latest.insert(place.into(), value.map(<[u8]>::to_vec)))
}

fn open_log(path: &Path) -> io::Result<Box<dyn StorageBackend>> {
    let new = !path.exists();
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if new && let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        File::open(directory)?.sync_all()?;
    }
    Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
}

fn locked(rest: &Mutex<Rest>) -> MutexGuard<'_, Rest> {
    // After a panic the database is as of its last transaction, and the log as it was.
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}
