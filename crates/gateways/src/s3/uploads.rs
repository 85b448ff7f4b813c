//! Uploads in parts, which clients use for anything large.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use s3s::crypto::{Checksum, Md5, Sha256};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::files::{Attributes, ObjectStore, StoreError, hex, read_note};

/// The uploads of a store: one folder each, with a note and a file per part. They survive a restart.
pub(super) struct Uploads<'a>(pub(super) &'a Arc<ObjectStore>);

/// What an upload is for.
#[derive(Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) attributes: Attributes,
}

impl Uploads<'_> {
    /// Begins an upload; gives its id.
    pub(super) fn begin(&self, upload: &Upload) -> Result<String, StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        // The path is used once, so that the id is unique also within a nanosecond.
        let seed = format!("{now} {}", self.0.temporary().display());
        let id = hex(&Sha256::checksum(seed.as_bytes()).as_ref()[..16]);
        self.0.write_note(&self.folder(&id).join("upload.json"), upload)?;
        Ok(id)
    }

    /// The upload of that id, if it is for that object.
    pub(super) fn find(&self, id: &str, bucket: &str, key: &str) -> S3Result<Upload> {
        self.0.existing_bucket(bucket)?;
        let well_formed = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let upload: Option<Upload> = well_formed.then(|| read_note(&self.folder(id).join("upload.json"))).flatten();
        upload.filter(|upload| upload.bucket == bucket && upload.key == key).ok_or_else(|| {
            s3_error!(
                NoSuchUpload,
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
                 completed."
            )
        })
    }

    /// Takes a complete temporary file as a part, in place of an earlier one of that number.
    pub(super) fn add(&self, id: &str, number: i32, temporary: &Path, md5: &str) -> Result<(), StoreError> {
        fs::rename(temporary, self.part(id, number))?;
        Ok(fs::write(self.part(id, number).with_extension("md5"), md5)?)
    }

    /// Makes the named parts an object; gives its ETag, or nothing when a part isn't there as named.
    pub(super) fn complete(&self, id: &str, upload: Upload, named: &[(i32, String)]) -> Result<Option<String>, StoreError> {
        let mut sums = Vec::new();
        for (number, etag) in named {
            match fs::read_to_string(self.part(id, *number).with_extension("md5")) {
                Ok(md5) if md5 == *etag => sums.extend(from_hex(&md5)),
                _ => return Ok(None),
            }
        }
        let etag = format!("{}-{}", hex(Md5::checksum(&sums).as_ref()), named.len());
        let temporary = self.0.temporary();
        let mut file = fs::File::create(&temporary)?;
        for (number, _) in named {
            io::copy(&mut fs::File::open(self.part(id, *number))?, &mut file)?;
        }
        file.sync_all()?;
        self.0
            .commit(&temporary, &upload.bucket, &upload.key, etag.clone(), upload.attributes)
            .inspect_err(|_| drop(fs::remove_file(&temporary)))?;
        self.abort(id)?;
        Ok(Some(etag))
    }

    /// Forgets an upload with its parts.
    pub(super) fn abort(&self, id: &str) -> Result<(), StoreError> {
        Ok(fs::remove_dir_all(self.folder(id))?)
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.0.own("uploads").join(id)
    }

    fn part(&self, id: &str, number: i32) -> PathBuf {
        self.folder(id).join(format!("{number}.part"))
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).filter_map(byte).collect()
}
