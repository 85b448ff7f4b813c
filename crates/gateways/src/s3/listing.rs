//! Listings: pages, delimiters and the encoding of keys.

use std::sync::Arc;

use s3s::dto::{CommonPrefix, ETag, EncodingType, Object, ObjectStorageClass};

use super::files::{ObjectStore, StoreError};

/// What a listing is asked for, the same in both versions of the call.
pub(super) struct Ask {
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// Only what comes after this.
    pub(super) after: Option<String>,
    pub(super) max_keys: usize,
    pub(super) encoding: Encoding,
}

/// A page of a listing.
#[derive(Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    pub(super) prefixes: Vec<CommonPrefix>,
    /// The last entry of the page when there are more.
    pub(super) next: Option<String>,
}

/// How keys are written in an answer.
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn of(asked: Option<&EncodingType>) -> Self {
        if asked.is_some_and(|encoding| encoding.as_str() == EncodingType::URL) { Self::Url } else { Self::Plain }
    }

    pub(super) fn write(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Url => text.bytes().map(encode).collect(),
        }
    }
}

impl Ask {
    pub(super) fn answer(&self, store: &Arc<ObjectStore>) -> Result<Page, StoreError> {
        let keys = store.list(&self.bucket, &self.prefix)?;
        let mut page = Page::default();
        let mut last: Option<String> = None;
        let mut count = 0;
        for key in keys {
            let group = self.group_of(&key);
            let entry = group.unwrap_or(&key);
            if self.after.as_deref().is_some_and(|after| entry <= after) || group.is_some() && last.as_deref() == group {
                continue;
            }
            if count == self.max_keys {
                page.next = last.filter(|_| self.max_keys > 0);
                break;
            }
            let entry = entry.to_owned();
            if group.is_some() {
                page.prefixes.push(CommonPrefix { prefix: Some(self.encoding.write(&entry)) });
            } else {
                match self.object(store, &key) {
                    // Deleted since it was listed.
                    Err(StoreError::NoSuchKey) => continue,
                    object => page.objects.push(object?),
                }
            }
            count += 1;
            last = Some(entry);
        }
        Ok(page)
    }

    /// The common prefix that a key is listed under.
    fn group_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let delimiter = self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        key.get(..end)
    }

    fn object(&self, store: &ObjectStore, key: &str) -> Result<Object, StoreError> {
        let object = store.object(&self.bucket, key)?;
        Ok(Object {
            key: Some(self.encoding.write(key)),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(object.modified.into()),
            size: i64::try_from(object.size).ok(),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Object::default()
        })
    }
}

fn encode(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}
