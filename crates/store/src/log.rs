//! A file that commits are appended to: what is durable before the database has it.
//!
//! A record is its checksum, the length of its payload, its revision, and the payload: the changes of one commit. Records
//! follow each other from the beginning of the file, each of the revision after the one before; the first that is not whole
//! or not of that revision is the end. The file is used again and again without being cleared, because to write over bytes
//! that are there costs a sync nothing but those bytes: no record of an earlier use counts, as its revision is lower. The
//! checksum also covers a number of the database beside the file, so that the log of another one isn't taken for its own.

use std::fmt;
use std::io;

use crc_fast::{CrcAlgorithm, Digest};
use openvpc_model::Change;
use redb::StorageBackend;

use crate::Revision;

/// Checksum, length and revision.
const HEADER: usize = 24;
/// A file has at least so many bytes when it has any; it grows to twice its size.
const SMALLEST: u64 = 256 << 10;

/// An open log.
pub(crate) struct Log {
    disk: Box<dyn StorageBackend>,
    identity: u64,
    /// The revisions of the first and the last record; none in an empty log.
    span: Option<(Revision, Revision)>,
    /// Where the last record ends.
    tail: u64,
    /// The length of the file.
    length: u64,
    /// There may be something behind the last record: what an append wrote that failed, or what was found on opening.
    damaged: bool,
    buffer: Vec<u8>,
}

impl Log {
    /// Opens the log on a disk, and finds its end. [`Log::mend`] has to be called before anything is appended.
    ///
    /// # Errors
    /// When the disk can't be read.
    pub(crate) fn open(disk: Box<dyn StorageBackend>, identity: u64) -> io::Result<Self> {
        // A record that a killed process wrote may not have reached the disk, but from now on it is believed.
        disk.sync_data()?;
        let length = disk.len()?;
        let mut log = Self { disk, identity, span: None, tail: 0, length, damaged: true, buffer: Vec::new() };
        let mut payload = Vec::new();
        while let Some((revision, end)) = log.read(log.tail, &mut payload)? {
            log.span = match log.span {
                None => Some((revision, revision)),
                Some((first, last)) if revision.0 == last.0 + 1 => Some((first, revision)),
                Some(_) => break,
            };
            log.tail = end;
        }
        Ok(log)
    }

    /// The revision of the first record; none in an empty log.
    pub(crate) fn first(&self) -> Option<Revision> {
        self.span.map(|(first, _)| first)
    }

    /// The revision of the last record.
    pub(crate) fn last(&self) -> Option<Revision> {
        self.span.map(|(_, last)| last)
    }

    /// How many bytes the records take.
    pub(crate) fn size(&self) -> u64 {
        self.tail
    }

    /// Makes a record durable.
    ///
    /// # Errors
    /// When the disk fails. Then [`Log::mend`] has to be called before anything else is appended.
    pub(crate) fn append(&mut self, revision: Revision, changes: &[Change]) -> io::Result<()> {
        self.encode(revision, changes);
        let end = self.tail + self.buffer.len() as u64;
        let length = if end > self.length { (self.length * 2).max(SMALLEST).max(end) } else { self.length };
        if length > self.length {
            // Zeros that are written now spare later syncs to write also where the file's bytes are.
            let bytes = usize::try_from(length - self.tail).map_err(io::Error::other)?;
            self.buffer.resize(bytes, 0);
        }
        self.damaged = true;
        self.disk.write(self.tail, &self.buffer)?;
        self.disk.sync_data()?;
        self.damaged = false;
        self.span = Some((self.span.map_or(revision, |(first, _)| first), revision));
        (self.tail, self.length) = (end, length);
        if self.buffer.len() as u64 > SMALLEST {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Takes away for good what may stand behind the last record.
    ///
    /// # Errors
    /// When the disk still fails.
    pub(crate) fn mend(&mut self) -> io::Result<()> {
        if self.damaged {
            self.disk.set_len(self.tail)?;
            self.disk.sync_data()?;
            (self.length, self.damaged) = (self.tail, false);
        }
        Ok(())
    }

    /// Forgets all records, for they are kept elsewhere: what is appended from now on takes their place. A file that grew
    /// far beyond `usual` is cut.
    pub(crate) fn restart(&mut self, usual: u64) {
        (self.span, self.tail) = (None, 0);
        // If it can't be cut, it only is longer than it need be.
        if self.length > usual.saturating_mul(2) && self.disk.set_len(usual).is_ok() {
            self.length = usual;
        }
    }

    /// Shows the changes of all records after a revision: the place, and the value, or none of what was removed.
    ///
    /// # Errors
    /// When the disk can't be read, or doesn't hold any more what was written to it.
    pub(crate) fn replay(&self, after: Revision, mut change: impl FnMut(&str, Option<&[u8]>)) -> io::Result<()> {
        let mut offset = 0;
        let mut payload = Vec::new();
        while offset < self.tail {
            let changed = || io::Error::other("a record of the log is damaged");
            let (revision, end) = self.read(offset, &mut payload)?.ok_or_else(changed)?;
            if revision > after {
                decode(&payload, &mut change).ok_or_else(changed)?;
            }
            offset = end;
        }
        Ok(())
    }

    /// Reads the record at an offset; gives its revision and its end, or none when there is no whole one.
    fn read(&self, offset: u64, payload: &mut Vec<u8>) -> io::Result<Option<(Revision, u64)>> {
        let Some(room) = self.length.checked_sub(offset + HEADER as u64) else { return Ok(None) };
        let mut header = [0; HEADER];
        self.disk.read(offset, &mut header)?;
        let [checksum, length, revision] = [0, 8, 16].map(|start| number(&header[start..]).unwrap_or_default());
        let Some(bytes) = usize::try_from(length).ok().filter(|_| length <= room && revision > 0) else { return Ok(None) };
        payload.resize(bytes, 0);
        self.disk.read(offset + HEADER as u64, payload)?;
        let whole = self.checksum(&header[8..], payload) == checksum;
        Ok(whole.then(|| (Revision(revision), offset + HEADER as u64 + length)))
    }

    fn encode(&mut self, revision: Revision, changes: &[Change]) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.resize(HEADER, 0);
        for Change { kind, key, value } in changes {
            let place = (kind.len() + 1 + key.len()) as u64;
            // One more than the length, so that zero says that the resource is gone.
            let length = value.as_ref().map_or(0, |value| value.len() as u64 + 1);
            buffer.extend(place.to_le_bytes());
            buffer.extend(length.to_le_bytes());
            [kind.as_bytes(), b"/", key.as_bytes(), value.as_deref().unwrap_or_default()]
                .iter()
                .for_each(|part| buffer.extend_from_slice(part));
        }
        let length = (buffer.len() - HEADER) as u64;
        buffer[8..16].copy_from_slice(&length.to_le_bytes());
        buffer[16..HEADER].copy_from_slice(&revision.0.to_le_bytes());
        let checksum = self.checksum(&buffer[8..HEADER], &buffer[HEADER..]);
        buffer[..8].copy_from_slice(&checksum.to_le_bytes());
        self.buffer = buffer;
    }

    fn checksum(&self, header: &[u8], payload: &[u8]) -> u64 {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        digest.update(&self.identity.to_le_bytes());
        digest.update(header);
        digest.update(payload);
        digest.finalize()
    }
}

/// Shows the changes of a payload; none when it isn't one.
fn decode(mut payload: &[u8], change: &mut impl FnMut(&str, Option<&[u8]>)) -> Option<()> {
    while !payload.is_empty() {
        let (place_length, value_length) = (number(payload)?, number(payload.get(8..)?)?);
        let (place, rest) = payload.get(16..)?.split_at_checked(usize::try_from(place_length).ok()?)?;
        let (value, rest) = rest.split_at_checked(usize::try_from(value_length.saturating_sub(1)).ok()?)?;
        change(std::str::from_utf8(place).ok()?, (value_length > 0).then_some(value));
        payload = rest;
    }
    Some(())
}

/// The number at the beginning of some bytes.
fn number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().copied().map(u64::from_le_bytes)
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("span", &self.span).field("tail", &self.tail).finish_non_exhaustive()
    }
}
