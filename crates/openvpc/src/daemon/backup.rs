//! Backups: the state and the buckets in one file, and back.
//!
//! A backup is gzipped lines of JSON: a header, every resource as the store has it, every bucket and object, and an end
//! that says how many lines there are, so that a file that was cut off is known for one. The resources are one snapshot.
//! Objects (flow logs that were delivered among them) are read while others may write, each as a whole. What runs in
//! instances and what is on their disks is in no backup: they are launched anew.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use openvpc_gateways::s3::{Attributes, ObjectStore};
use openvpc_model::network::{Visit, stored};
use openvpc_model::{Change, Network, Resource, UnixMillis};
use openvpc_store::{DurableStore, Store};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cli::Failure;

/// The form of backups that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Backup { format: u32, version: String, taken_at: UnixMillis },
    Resource { kind: String, key: String, value: Box<RawValue> },
    Bucket { name: String, region: Option<String> },
    Object { bucket: String, key: String, attributes: Attributes, body: String },
    End { lines: u64 },
}

/// How much a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Resources of all kinds, accounts and regions.
    pub resources: u64,
    /// Buckets.
    pub buckets: u64,
    /// Objects in them.
    pub objects: u64,
}

/// Writes a backup.
///
/// # Errors
/// When it can't be written or an object can't be read.
pub fn write(out: impl Write, network: &Network, objects: &ObjectStore, now: UnixMillis) -> io::Result<Counts> {
    let mut out = Writer { out: GzEncoder::new(out, Compression::fast()), lines: 0, failure: None, counts: Counts::default() };
    out.line(&Line::Backup { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), taken_at: now })?;
    network.each(&mut out);
    if let Some(error) = out.failure.take() {
        return Err(error);
    }
    for bucket in objects.buckets().map_err(io::Error::from)? {
        out.line(&Line::Bucket { name: bucket.name.clone(), region: bucket.region.clone() })?;
        out.counts.buckets += 1;
        for key in objects.list(&bucket.name, "").map_err(io::Error::from)? {
            // An object that was deleted since the list was made is no part of the backup.
            let Ok(object) = objects.object(&bucket.name, &key) else { continue };
            let Ok(body) = objects.get(&bucket.name, &key) else { continue };
            let (bucket, body) = (bucket.name.clone(), STANDARD.encode(body));
            out.line(&Line::Object { bucket, key, attributes: object.attributes, body })?;
            out.counts.objects += 1;
        }
    }
    out.line(&Line::End { lines: out.lines })?;
    out.out.finish()?.flush()?;
    Ok(out.counts)
}

struct Writer<W: Write> {
    out: GzEncoder<W>,
    lines: u64,
    failure: Option<io::Error>,
    counts: Counts,
}

impl<W: Write> Writer<W> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        self.lines += 1;
        Ok(())
    }

    fn resource<R: Resource>(&mut self, resource: &R) -> io::Result<()> {
        let Change { kind, key, value } = stored(resource)?;
        let value = String::from_utf8(value.unwrap_or_default()).map_err(io::Error::other)?;
        self.counts.resources += 1;
        self.line(&Line::Resource { kind: kind.to_owned(), key, value: RawValue::from_string(value)? })
    }
}

impl<W: Write> Visit for Writer<W> {
    fn visit<R: Resource>(&mut self, resource: &R) {
        if self.failure.is_none() {
            self.failure = self.resource(resource).err();
        }
    }
}

/// Looks a whole backup through, without touching anything, and gives the network that it holds.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(backup: impl Read) -> Result<(Network, Counts), String> {
    let (mut network, mut counts) = (Network::default(), Counts::default());
    each_line(backup, |line| {
        match line {
            Line::Resource { kind, key, value } => {
                network.load(&kind, &key, value.get().as_bytes()).map_err(|error| error.to_string())?;
                counts.resources += 1;
            }
            Line::Bucket { .. } => counts.buckets += 1,
            Line::Object { body, .. } => {
                STANDARD.decode(body).map_err(|error| format!("an object of the backup can't be read: {error}"))?;
                counts.objects += 1;
            }
            Line::Backup { .. } | Line::End { .. } => {}
        }
        Ok(())
    })?;
    Ok((network, counts))
}

/// Puts the buckets of a backup in the place of all that there are.
///
/// # Errors
/// When one can't be written.
pub fn restore_objects(backup: impl Read, objects: &ObjectStore) -> Result<(), String> {
    objects.clear().map_err(|error| error.to_string())?;
    each_line(backup, |line| {
        let done = match line {
            Line::Bucket { name, region } => objects.create_bucket(&name, region.as_deref()).map(drop),
            Line::Object { bucket, key, attributes, body } => {
                let body = STANDARD.decode(body).map_err(|error| error.to_string())?;
                objects.put(&bucket, &key, &body, attributes)
            }
            _ => Ok(()),
        };
        done.map_err(|error| error.to_string())
    })
}

/// Restores a backup into a data directory that no daemon uses.
///
/// # Errors
/// When the backup can't be read, the directory holds a state already and `replace` doesn't say to replace it, a daemon
/// uses it, or the disk fails.
pub fn restore_into(data_dir: &Path, backup: &[u8], replace: bool) -> Result<Counts, Failure> {
    let (network, counts) = read(backup).map_err(Failure::new)?;
    let failure = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", data_dir.display()));
    std::fs::create_dir_all(data_dir).map_err(|error| failure(&error))?;
    let path = data_dir.join("state.redb");
    if path.exists() && !replace {
        return Err(Failure::new(format!("{} holds a state; add --yes to replace it", data_dir.display())));
    }
    let mut store = DurableStore::open(&path).map_err(|error| failure(&error))?;
    let (before, revision) = store.load().map_err(|error| failure(&error))?;
    let mut changes = Changes(Ok(Vec::new()));
    before.each(&mut changes);
    if let Ok(gone) = &mut changes.0 {
        gone.iter_mut().for_each(|change| change.value = None);
    }
    network.each(&mut changes);
    store.commit(revision, &changes.0.map_err(|error| failure(&error))?).map_err(|error| failure(&error))?;
    store.checkpoint().map_err(|error| failure(&error))?;
    let objects = ObjectStore::open(&data_dir.join("s3")).map_err(|error| failure(&error))?;
    restore_objects(backup, &objects).map_err(|error| failure(&error))?;
    Ok(counts)
}

struct Changes(Result<Vec<Change>, serde_json::Error>);

impl Visit for Changes {
    fn visit<R: Resource>(&mut self, resource: &R) {
        match (&mut self.0, stored(resource)) {
            (Ok(changes), Ok(change)) => changes.push(change),
            (all, Err(error)) => *all = Err(error),
            (Err(_), _) => {}
        }
    }
}

fn each_line(backup: impl Read, mut work: impl FnMut(Line) -> Result<(), String>) -> Result<(), String> {
    let (mut count, mut ended) = (0, false);
    for line in BufReader::new(MultiGzDecoder::new(backup)).lines() {
        let line = line.map_err(|error| format!("the file is no backup, or a damaged one: {error}"))?;
        let line: Line = serde_json::from_str(&line).map_err(|error| {
            format!("line {} of the backup can't be read: {error}; a newer openvpc may have written it", count + 1)
        })?;
        match line {
            Line::Backup { format, .. } if count > 0 || format > FORMAT => {
                return Err(format!("the backup has format {format}, this version reads format {FORMAT}"));
            }
            Line::Backup { .. } => {}
            _ if count == 0 => return Err("the file is no backup of openvpc".to_owned()),
            Line::End { lines } => ended = lines == count,
            _ if ended => return Err("the backup goes on behind its end".to_owned()),
            _ => {}
        }
        work(line)?;
        count += 1;
    }
    if ended { Ok(()) } else { Err("the backup was cut off: its end is missing".to_owned()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use openvpc_model::{Id, InternetGateway, InternetGatewayId, Owner, Tags};

    use super::*;

    fn example(directory: &Path) -> (Network, ObjectStore) {
        let owner = Owner { account: "123456789012".parse().unwrap(), region: "eu-central-1".parse().unwrap() };
        let mut network = Network::default();
        for number in 0..20 {
            let tags: Tags = [("Name".to_owned(), "ü \"<\n".to_owned())].into_iter().collect();
            network.insert(InternetGateway { id: InternetGatewayId::from_random(number), owner: owner.clone(), vpc: None, tags });
        }
        let objects = ObjectStore::open(directory).unwrap();
        objects.create_bucket("empty", None).unwrap();
        objects.create_bucket("logs", Some("eu-central-1")).unwrap();
        let attributes = Attributes { content_type: Some("text/x".into()), ..Attributes::default() };
        objects.put("logs", "a/b c", &[0, 255, 10], attributes).unwrap();
        (network, objects)
    }

    #[test]
    fn a_backup_gives_back_what_it_was_taken_of() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (network, objects) = example(one.path());
        let mut file = Vec::new();
        let counts = write(&mut file, &network, &objects, UnixMillis(7)).unwrap();
        assert_eq!(counts, Counts { resources: 20, buckets: 2, objects: 1 });
        let restored = restore_into(two.path(), &file, false).unwrap();
        assert_eq!(restored, counts);
        let (found, _) = DurableStore::open(&two.path().join("state.redb")).unwrap().load().unwrap();
        assert_eq!(found.internet_gateways, network.internet_gateways);
        let objects = ObjectStore::open(&two.path().join("s3")).unwrap();
        assert_eq!(objects.get("logs", "a/b c").unwrap(), [0, 255, 10]);
        assert_eq!(objects.object("logs", "a/b c").unwrap().attributes.content_type.as_deref(), Some("text/x"));
        assert_eq!(objects.bucket("logs").unwrap().region.as_deref(), Some("eu-central-1"));
        assert!(restore_into(two.path(), &file, false).is_err_and(|failure| failure.message.contains("--yes")));
        assert_eq!(restore_into(two.path(), &file, true).unwrap(), counts);
    }

    #[test]
    fn a_file_that_is_cut_off_or_no_backup_changes_nothing() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (network, objects) = example(one.path());
        let mut file = Vec::new();
        write(&mut file, &network, &objects, UnixMillis(7)).unwrap();
        for length in (0..file.len()).step_by(41) {
            assert!(read(&file[..length]).is_err(), "{length} of {} bytes", file.len());
            assert!(restore_into(two.path(), &file[..length], true).is_err());
        }
        let mut other = GzEncoder::new(Vec::new(), Compression::fast());
        other.write_all(b"{\"backup\":{\"format\":2,\"version\":\"9\",\"taken_at\":1}}\n").unwrap();
        assert!(read(&other.finish().unwrap()[..]).is_err_and(|error| error.contains("has format 2")));
        assert!(!two.path().join("state.redb").exists());
    }
}
