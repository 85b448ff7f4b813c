//! Buckets as directories, objects as plain files, so that any tool can read them where they lie.
//!
//! What a file can't say of itself (ETag, content type, user metadata) is in a note under `.openvpc/`, which no bucket
//! can be called. A note counts only while size and time of change agree with the file: files that someone put or changed
//! by hand are objects like any other, with an ETag computed when it is asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use s3s::crypto::{Checksum, Md5, Sha256};
use serde::{Deserialize, Serialize};

/// The directory of an object store. Every method blocks.
#[derive(Debug)]
pub struct ObjectStore {
    root: PathBuf,
    /// Held while names come and go, so that no directory is removed under a file on its way in.
    names: Mutex<()>,
    temporaries: AtomicU64,
}

/// Why the store didn't do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket has objects.
    #[error("the bucket isn't empty")]
    BucketNotEmpty,
    /// A name that can't be a bucket's.
    #[error("the name can't be a bucket's")]
    InvalidBucketName,
    /// A key that can't be a file's name.
    #[error("the key can't be used: {0}")]
    InvalidKey(&'static str),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A key, or a part of it between slashes, that is longer than file names can be.
    #[error("the key is too long")]
    KeyTooLong,
    /// No such bucket.
    #[error("the bucket doesn't exist")]
    NoSuchBucket,
    /// No such object.
    #[error("the object doesn't exist")]
    NoSuchKey,
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Io(error) => return error,
            StoreError::NoSuchBucket | StoreError::NoSuchKey => io::ErrorKind::NotFound,
            StoreError::BucketNotEmpty => io::ErrorKind::DirectoryNotEmpty,
            StoreError::InvalidBucketName | StoreError::InvalidKey(_) | StoreError::KeyTooLong => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: SystemTime,
    /// The region it was made for, if one was named.
    pub region: Option<String>,
}

/// An object, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its file.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: SystemTime,
    /// The ETag, without quotes.
    pub etag: String,
    /// What the writer said of it.
    pub attributes: Attributes,
}

/// What the writer of an object said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are those of HTTP headers")]
pub struct Attributes {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    /// `x-amz-meta-…`
    pub metadata: BTreeMap<String, String>,
    /// `x-amz-checksum-…` by algorithm.
    pub checksums: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Note {
    key: String,
    size: u64,
    modified_ns: u128,
    etag: String,
    attributes: Attributes,
}

#[derive(Default, Serialize, Deserialize)]
struct BucketNote {
    region: Option<String>,
    created_ms: u64,
}

impl ObjectStore {
    /// Opens a directory, making it if need be, and clears what writers that died left behind.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub fn open(root: &Path) -> io::Result<Self> {
        let store = Self { root: root.to_owned(), names: Mutex::new(()), temporaries: AtomicU64::new(0) };
        match fs::remove_dir_all(store.own("temporary")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(store.own("temporary"))?,
        }
        Ok(store)
    }

    /// Makes a bucket; says whether it wasn't there before.
    ///
    /// # Errors
    /// When the name can't be a bucket's, or the file system fails.
    pub fn create_bucket(&self, name: &str, region: Option<&str>) -> Result<bool, StoreError> {
        let path = self.bucket_path(name)?;
        let _names = self.lock();
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            done => done?,
        }
        let created_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let note = BucketNote { region: region.map(str::to_owned), created_ms };
        self.write_note(&self.bucket_note_path(name), &note)?;
        Ok(true)
    }

    /// Removes an empty bucket.
    ///
    /// # Errors
    /// When it doesn't exist, isn't empty, or the file system fails.
    pub fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        let path = self.existing_bucket(name)?;
        let _names = self.lock();
        let mut empty = true;
        walk(&path, "", "", &mut |_| {
            empty = false;
            false
        })?;
        if !empty {
            return Err(StoreError::BucketNotEmpty);
        }
        // Folders without a file in them are no objects.
        fs::remove_dir_all(path)?;
        ignore_absent(fs::remove_file(self.bucket_note_path(name)))?;
        ignore_absent(fs::remove_dir_all(self.own("objects").join(name)))?;
        Ok(())
    }

    /// Removes all buckets with everything in them.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn clear(&self) -> io::Result<()> {
        let _names = self.lock();
        ignore_absent(fs::remove_dir_all(&self.root))?;
        fs::create_dir_all(self.own("temporary"))
    }

    /// The file for a body that is still coming in; [`Self::commit`] takes it.
    pub fn temporary(&self) -> PathBuf {
        self.own("temporary").join(self.temporaries.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Makes a complete temporary file an object, in place of the one with that key.
    ///
    /// # Errors
    /// When the bucket doesn't exist, the key can't be used, or the file system fails.
    pub fn commit(
        &self,
        temporary: &Path,
        bucket: &str,
        key: &str,
        etag: String,
        attributes: Attributes,
    ) -> Result<(), StoreError> {
        let path = self.object_path(bucket, key)?;
        let file = fs::metadata(temporary)?;
        let note = Note { key: key.to_owned(), size: file.len(), modified_ns: nanoseconds(file.modified()?), etag, attributes };
        let _names = self.lock();
        self.existing_bucket(bucket)?;
        let occupied = |error: io::Error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                StoreError::InvalidKey("objects are kept as files, and a part of the key is an object already")
            }
            io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
                StoreError::InvalidKey("objects are kept as files, and the key is a folder already")
            }
            _ => StoreError::Io(error),
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(occupied)?;
        }
        self.write_note(&self.note_path(bucket, key), &note)?;
        fs::rename(temporary, path).map_err(occupied)
    }

    /// Writes an object; it is there whole or not at all.
    ///
    /// # Errors
    /// When the bucket doesn't exist, the key can't be used, or the file system fails.
    pub fn put(&self, bucket: &str, key: &str, body: &[u8], attributes: Attributes) -> Result<(), StoreError> {
        self.existing_bucket(bucket)?;
        let temporary = self.temporary();
        let mut file = fs::File::create(&temporary)?;
        file.write_all(body)?;
        file.sync_all()?;
        self.commit(&temporary, bucket, key, hex(Md5::checksum(body).as_ref()), attributes)
            .inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// When the bucket doesn't exist, the key can't be used, or the file system fails.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let path = self.object_path(bucket, key)?;
        let bucket_path = self.existing_bucket(bucket)?;
        let _names = self.lock();
        match fs::remove_file(&path) {
            Err(error) if is_no_file(&error) => return Ok(()),
            done => done?,
        }
        ignore_absent(fs::remove_file(self.note_path(bucket, key)))?;
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != bucket_path) {
            // Stops at the first that has something in it.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Whether a bucket exists.
    pub fn bucket_exists(&self, name: &str) -> bool {
        self.existing_bucket(name).is_ok()
    }

    /// A bucket.
    ///
    /// # Errors
    /// When it doesn't exist, or the file system fails.
    pub fn bucket(&self, name: &str) -> Result<Bucket, StoreError> {
        let path = self.existing_bucket(name)?;
        let note: Option<BucketNote> = read_note(&self.bucket_note_path(name));
        let created = match &note {
            Some(note) => UNIX_EPOCH + std::time::Duration::from_millis(note.created_ms),
            None => fs::metadata(path)?.modified()?,
        };
        Ok(Bucket { name: name.to_owned(), created, region: note.and_then(|note| note.region) })
    }

    /// All buckets, by name.
    ///
    /// # Errors
    /// When the file system fails.
    pub fn buckets(&self) -> Result<Vec<Bucket>, StoreError> {
        let mut buckets = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            if let Some(name) = entry?.file_name().to_str()
                && self.bucket_exists(name)
            {
                buckets.push(self.bucket(name)?);
            }
        }
        buckets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(buckets)
    }

    /// An object, without its content.
    ///
    /// # Errors
    /// When the bucket or the object doesn't exist, or the file system fails.
    pub fn object(&self, bucket: &str, key: &str) -> Result<Object, StoreError> {
        self.existing_bucket(bucket)?;
        let path = match self.object_path(bucket, key) {
            Err(StoreError::InvalidKey(_) | StoreError::KeyTooLong) => return Err(StoreError::NoSuchKey),
            path => path?,
        };
        let file = match fs::metadata(&path) {
            Err(error) if is_no_file(&error) => return Err(StoreError::NoSuchKey),
            file => file?,
        };
        if !file.is_file() {
            return Err(StoreError::NoSuchKey);
        }
        let (size, modified) = (file.len(), file.modified()?);
        let note: Option<Note> = read_note(&self.note_path(bucket, key));
        let (etag, attributes) = match note {
            Some(note) if note.key == key && note.size == size && note.modified_ns == nanoseconds(modified) => {
                (note.etag, note.attributes)
            }
            _ => (md5_of(&path)?, Attributes::default()),
        };
        Ok(Object { path, size, modified, etag, attributes })
    }

    /// An object's content.
    ///
    /// # Errors
    /// When the bucket or the object doesn't exist, or the file system fails.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, StoreError> {
        self.existing_bucket(bucket)?;
        match fs::read(self.object_path(bucket, key)?) {
            Err(error) if is_no_file(&error) => Err(StoreError::NoSuchKey),
            body => Ok(body?),
        }
    }

    /// The keys that begin with `prefix`, in S3's order.
    ///
    /// # Errors
    /// When the bucket doesn't exist, or the file system fails.
    pub fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, StoreError> {
        let path = self.existing_bucket(bucket)?;
        let mut keys = Vec::new();
        walk(&path, "", prefix, &mut |key| {
            keys.push(key);
            true
        })?;
        Ok(keys)
    }

    pub(super) fn object_path(&self, bucket: &str, key: &str) -> Result<PathBuf, StoreError> {
        if key.len() > 1024 || key.split('/').any(|part| part.len() > 255) {
            return Err(StoreError::KeyTooLong);
        }
        if key.contains('\0') {
            return Err(StoreError::InvalidKey("objects are kept as files, whose names can't have a NUL character"));
        }
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(StoreError::InvalidKey(
                "objects are kept as files: no part of the key between slashes may be empty, \".\" or \"..\"",
            ));
        }
        Ok(self.bucket_path(bucket)?.join(key))
    }

    pub(super) fn existing_bucket(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.bucket_path(name).map_err(|_| StoreError::NoSuchBucket)?;
        if path.is_dir() { Ok(path) } else { Err(StoreError::NoSuchBucket) }
    }

    /// A directory of our own beside the buckets.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.root.join(".openvpc").join(name)
    }

    fn bucket_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        if s3s::path::check_bucket_name(name) { Ok(self.root.join(name)) } else { Err(StoreError::InvalidBucketName) }
    }

    fn bucket_note_path(&self, name: &str) -> PathBuf {
        self.own("buckets").join(format!("{name}.json"))
    }

    fn note_path(&self, bucket: &str, key: &str) -> PathBuf {
        // Keys are longer than file names can be.
        let name = hex(&Sha256::checksum(key.as_bytes()).as_ref()[..16]);
        self.own("objects").join(bucket).join(format!("{name}.json"))
    }

    pub(super) fn write_note(&self, path: &Path, note: &impl Serialize) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = self.temporary();
        fs::write(&temporary, serde_json::to_vec(note)?)?;
        fs::rename(temporary, path)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Offers the keys under a folder that begin with `prefix`, in the order of their bytes, while `take` wants more. A folder
/// sorts as its name with a slash: `a-b` is before `a/b`.
fn walk(folder: &Path, above: &str, prefix: &str, take: &mut dyn FnMut(String) -> bool) -> io::Result<bool> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(folder) {
        // Removed since it was seen.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let is_folder = entry.file_type()?.is_dir();
        let key = format!("{above}{name}{}", if is_folder { "/" } else { "" });
        let leads_to_prefix = is_folder && prefix.starts_with(&key);
        if key.starts_with(prefix) || leads_to_prefix {
            names.push((key, entry.path(), is_folder));
        }
    }
    names.sort();
    for (key, path, is_folder) in names {
        let more = if is_folder { walk(&path, &key, prefix, take)? } else { take(key) };
        if !more {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn read_note<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5_of(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hex(md5.finalize().as_ref())),
            length => md5.update(&buffer[..length]),
        }
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

fn is_no_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn ignore_absent(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
