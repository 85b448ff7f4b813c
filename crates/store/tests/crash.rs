//! The disk stops at every point of a run of commits; what was acknowledged is there afterwards, and nothing by halves.
//!
//! A simulated disk holds the database and the logs, and counts the operations on all of them. From the n-th on everything fails, as after a power cut. What is left then is
//! what was synced, and of the later writes any part in any order, the last of them torn. This is done for every n.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use openvpc_model::network::{Visit, stored};
use openvpc_model::{Change, Id, InternetGateway, InternetGatewayId, Network, Owner, Resource, Tags};
use openvpc_store::{DurableStore, Folding, Part, Revision, Store, StoreError};
use redb::StorageBackend;

/// What a power cut leaves of the writes since the last sync.
#[derive(Clone, Copy, Debug)]
enum Left {
    Nothing,
    Everything,
    /// Some of them, in another order, the last one torn.
    Some(u64),
}

#[derive(Clone, Debug)]
enum Unsynced {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// One file, as it is seen and as it is on the disk.
#[derive(Clone, Debug, Default)]
struct Stored {
    /// What reads see while the power is on.
    seen: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

/// The database and the two logs.
#[derive(Debug, Default)]
struct Platter {
    files: [Stored; 3],
    operations: u64,
    power_off_at: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

/// One of the files of a disk.
#[derive(Debug)]
struct OnDisk(Disk, usize);

impl Disk {
    fn open(&self, folding: Folding) -> Result<DurableStore, StoreError> {
        let disk = self.clone();
        let file = move |part| match part {
            Part::Database => OnDisk(disk.clone(), 0),
            Part::Log(number) => OnDisk(disk.clone(), 1 + number),
        };
        DurableStore::open_on(file, folding)
    }

    fn off_at(&self, operation: Option<u64>) {
        let mut platter = self.0.lock().unwrap();
        platter.operations = 0;
        platter.power_off_at = operation;
    }

    fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// The disk as it is after the power comes back.
    fn after(&self, left: Left) -> Self {
        let platter = self.0.lock().unwrap();
        let mut salt = 0;
        let files = platter.files.each_ref().map(|file| {
            salt += 1;
            file.after(left, salt)
        });
        Self(Arc::new(Mutex::new(Platter { files, ..Platter::default() })))
    }
}

impl Stored {
    fn after(&self, left: Left, salt: u64) -> Self {
        let mut image = self.synced.clone();
        let mut unsynced = self.unsynced.clone();
        match left {
            Left::Nothing => unsynced.clear(),
            Left::Everything => {}
            Left::Some(seed) => {
                let mut random = random(seed.wrapping_mul(3).wrapping_add(salt));
                let mut chosen = Vec::new();
                for operation in unsynced.drain(..) {
                    if random().is_multiple_of(2) {
                        let place = usize::try_from(random()).unwrap() % (chosen.len() + 1);
                        chosen.insert(place, operation);
                    }
                }
                if let Some(Unsynced::Write(_, data)) = chosen.last_mut() {
                    data.truncate(usize::try_from(random()).unwrap() % (data.len() + 1));
                }
                unsynced = chosen;
            }
        }
        unsynced.iter().for_each(|operation| apply(&mut image, operation));
        Self { seen: image.clone(), synced: image, unsynced: Vec::new() }
    }
}

fn apply(image: &mut Vec<u8>, operation: &Unsynced) {
    match operation {
        Unsynced::Write(offset, data) => {
            let start = usize::try_from(*offset).unwrap();
            if image.len() < start + data.len() {
                image.resize(start + data.len(), 0);
            }
            image[start..start + data.len()].copy_from_slice(data);
        }
        Unsynced::Length(length) => image.resize(usize::try_from(*length).unwrap(), 0),
    }
}

fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 3
    }
}

impl Platter {
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.power_off_at {
            Some(end) if self.operations > end => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn change(&mut self, file: usize, operation: Unsynced) -> io::Result<()> {
        self.operate()?;
        let file = &mut self.files[file];
        apply(&mut file.seen, &operation);
        file.unsynced.push(operation);
        Ok(())
    }
}

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().files[self.1].seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.0.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let found = platter.files[self.1].seen.get(start..start + out.len());
        out.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.0.lock().unwrap().change(self.1, Unsynced::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.0.0.lock().unwrap();
        platter.operate()?;
        let file = &mut platter.files[self.1];
        for operation in file.unsynced.drain(..) {
            apply(&mut file.synced, &operation);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.0.lock().unwrap().change(self.1, Unsynced::Write(offset, data.to_vec()))
    }
}

/// Folds every few commits, one thing after the other, so that the n-th operation is the same in every run.
const INLINE: Folding = Folding { after_bytes: 6000, beside: false };
/// Folds while commits go on.
const BESIDE: Folding = Folding { after_bytes: 6000, beside: true };

/// A disk with a store that was just made. (A store on a file is made under another name first, so that power that goes
/// meanwhile leaves nothing in its place.)
fn made() -> Disk {
    let disk = Disk::default();
    drop(disk.open(INLINE).unwrap());
    disk.after(Left::Nothing)
}

type Contents = BTreeMap<String, Vec<u8>>;

fn contents(network: &Network) -> Contents {
    struct All(Contents);
    impl Visit for All {
        fn visit<R: Resource>(&mut self, resource: &R) {
            let change = stored(resource).unwrap();
            self.0.insert(change.key, change.value.unwrap());
        }
    }
    let mut all = All(Contents::new());
    network.each(&mut all);
    all.0
}

/// A run of commits of different sizes that add, rewrite and remove, and the contents after each.
fn script() -> (Vec<Vec<Change>>, Vec<Contents>) {
    let mut random = random(7);
    let owner = Owner { account: "123456789012".parse().unwrap(), region: "eu-central-1".parse().unwrap() };
    let (mut commits, mut after, mut now) = (Vec::new(), vec![Contents::new()], Contents::new());
    for number in 0..16u64 {
        let mut changes = BTreeMap::new();
        for _ in 0..[1, 3, 40][usize::try_from(number % 3).unwrap()] {
            let id = InternetGatewayId::from_random(random() % 60);
            let value = "x".repeat(usize::try_from(random() % 900).unwrap());
            let tags: Tags = [(format!("commit-{number}"), value)].into_iter().collect();
            let made = stored(&InternetGateway { id, owner: owner.clone(), vpc: None, tags }).unwrap();
            let change = if random().is_multiple_of(3) { Change { value: None, ..made } } else { made };
            changes.insert(change.key.clone(), change);
        }
        for change in changes.values() {
            match &change.value {
                Some(value) => now.insert(change.key.clone(), value.clone()),
                None => now.remove(&change.key),
            };
        }
        after.push(now.clone());
        commits.push(changes.into_values().collect());
    }
    (commits, after)
}

/// Commits until the power goes; says how many commits were acknowledged.
fn run(disk: &Disk, commits: &[Vec<Change>], folding: Folding) -> usize {
    let Ok(mut store) = disk.open(folding) else { return 0 };
    let start = store.revision().unwrap();
    for (changes, revision) in commits.iter().zip(start.0..) {
        if store.commit(Revision(revision), changes).is_err() {
            return usize::try_from(revision).unwrap();
        }
    }
    // A clean end.
    let _ = store.checkpoint();
    commits.len()
}

fn reopened(disk: &Disk) -> (Contents, usize) {
    let mut store = disk.open(INLINE).unwrap();
    let (network, revision) = store.load().unwrap();
    (contents(&network), usize::try_from(revision.0).unwrap())
}

#[test]
fn whenever_the_power_goes_what_was_acknowledged_is_there_and_no_half_change() {
    let (commits, after) = script();
    for (folding, step) in [(INLINE, 1), (BESIDE, 4)] {
        let made = made();
        let whole = made.after(Left::Nothing);
        assert_eq!(run(&whole, &commits, folding), commits.len());
        let operations = whole.operations();
        assert!(operations > 60, "{operations}");
        for end in (0..operations).step_by(step) {
            let disk = made.after(Left::Nothing);
            disk.off_at(Some(end));
            let acknowledged = run(&disk, &commits, folding);
            let choices = [Left::Nothing, Left::Everything, Left::Some(end + 1), Left::Some(end + 1000), Left::Some(end + 2000)];
            for left in choices {
                let disk = disk.after(left);
                let (found, revision) = reopened(&disk);
                // The commit that was under way may be there, whole.
                let possible = acknowledged..=acknowledged + 1;
                assert!(possible.contains(&revision), "{end}, {left:?}: {acknowledged} then {revision}");
                assert_eq!(found, after[revision], "{end}, {left:?}: revision {revision}");
                if matches!(left, Left::Some(seed) if seed == end + 1) {
                    // What comes next is kept as well, and nothing comes back that was lost.
                    assert_eq!(run_on(&disk, &commits[revision..]), after[commits.len()], "{end}, {left:?}: from {revision} on");
                }
            }
        }
    }
}

/// Commits the rest, is killed, and gives what is there then.
fn run_on(disk: &Disk, commits: &[Vec<Change>]) -> Contents {
    let mut store = disk.open(INLINE).unwrap();
    for changes in commits {
        let base = store.revision().unwrap();
        store.commit(base, changes).unwrap();
    }
    let left = disk.after(Left::Nothing);
    reopened(&left).0
}

#[test]
fn the_power_may_go_again_while_the_store_is_opened() {
    let (commits, after) = script();
    let made = made();
    let whole = made.after(Left::Nothing);
    run(&whole, &commits, INLINE);
    for end in (20..whole.operations()).step_by(29) {
        let disk = made.after(Left::Nothing);
        disk.off_at(Some(end));
        let acknowledged = run(&disk, &commits, INLINE);
        for again in 0..40 {
            let disk = disk.after(Left::Some(end));
            disk.off_at(Some(again));
            drop(disk.open(INLINE));
            let (found, revision) = reopened(&disk.after(Left::Some(again + 1)));
            assert!((acknowledged..=acknowledged + 1).contains(&revision), "{end}, {again}");
            assert_eq!(found, after[revision], "{end}, {again}");
        }
    }
}

#[test]
fn a_disk_that_fails_for_a_while_costs_only_the_commits_of_that_time() {
    let (commits, _) = script();
    for (folding, fails_at) in [(INLINE, 0), (INLINE, 1), (INLINE, 2), (INLINE, 7), (BESIDE, 1), (BESIDE, 4)] {
        let disk = made();
        let mut store = disk.open(folding).unwrap();
        let mut expected = Contents::new();
        let mut failures = 0;
        for (number, changes) in commits.iter().enumerate() {
            let base = store.revision().unwrap();
            if number % 3 == 2 {
                disk.off_at(Some(fails_at));
                let failed = store.commit(base, changes);
                disk.off_at(None);
                if failed.is_err() {
                    assert_eq!(store.revision().unwrap(), base, "what was refused is not kept");
                    failures += 1;
                    continue;
                }
            } else {
                store.commit(base, changes).unwrap();
            }
            for change in changes {
                match &change.value {
                    Some(value) => expected.insert(change.key.clone(), value.clone()),
                    None => expected.remove(&change.key),
                };
            }
            assert_eq!(contents(&store.load().unwrap().0), expected, "after {number}");
        }
        assert!(failures > 0 || fails_at > 1);
        let left = disk.after(Left::Nothing);
        drop(store);
        assert_eq!(reopened(&left).0, expected);
    }
}

/// The files of a store that was killed after some commits, all of them in a log.
fn killed(commits: &[Vec<Change>]) -> Disk {
    let disk = made();
    let mut store = disk.open(Folding::default()).unwrap();
    for changes in commits {
        let base = store.revision().unwrap();
        store.commit(base, changes).unwrap();
    }
    disk.after(Left::Everything)
}

#[test]
fn a_log_of_another_database_is_not_taken_for_its_own() {
    let (commits, _) = script();
    let (disk, other) = (killed(&commits[..2]), made());
    for file in [1, 2] {
        let foreign = disk.0.lock().unwrap().files[file].clone();
        other.0.lock().unwrap().files[file] = foreign;
    }
    assert_eq!(reopened(&other), (Contents::new(), 0));
    assert_eq!(reopened(&disk).1, 2);
}

#[test]
fn a_record_behind_a_damaged_one_does_not_count_and_never_will() {
    let (commits, after) = script();
    let small: Vec<Vec<Change>> = commits.iter().step_by(3).cloned().collect();
    let disk = killed(&small[..4]);
    let second = {
        let platter = disk.0.lock().unwrap();
        let log = platter.files.iter().skip(1).map(|file| &file.seen).find(|seen| !seen.is_empty()).unwrap();
        24 + usize::try_from(u64::from_le_bytes(log[8..16].try_into().unwrap())).unwrap()
    };
    {
        let mut platter = disk.0.lock().unwrap();
        let log = platter.files.iter_mut().skip(1).find(|file| !file.seen.is_empty()).unwrap();
        log.seen[second + 30] ^= 1;
        log.synced = log.seen.clone();
    }
    assert_eq!(reopened(&disk), (after[1].clone(), 1));
    // The same commit again takes exactly the room of the damaged one; what stood behind it stays away.
    let mut store = disk.open(INLINE).unwrap();
    store.commit(Revision(1), &small[1]).unwrap();
    drop(store);
    assert_eq!(reopened(&disk).1, 2);
}
