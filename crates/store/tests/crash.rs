//! The disk stops at every point of a run of commits; what was acknowledged is there afterwards, and nothing by halves.
//!
//! A simulated disk counts its operations. From the n-th on everything fails, as after a power cut. What is left then is
//! what was synced, and of the later writes any part in any order, the last of them torn. This is done for every n.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use openvpc_model::network::{Visit, stored};
use openvpc_model::{Change, Id, InternetGateway, InternetGatewayId, Network, Owner, Resource, Tags};
use openvpc_store::{RedbStore, Revision, Store};
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

#[derive(Debug, Default)]
struct Platter {
    /// What reads see while the power is on.
    seen: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Unsynced>,
    operations: u64,
    power_off_at: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

impl Disk {
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
        let mut image = platter.synced.clone();
        let mut unsynced = platter.unsynced.clone();
        match left {
            Left::Nothing => unsynced.clear(),
            Left::Everything => {}
            Left::Some(seed) => {
                let mut random = random(seed);
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
        Self(Arc::new(Mutex::new(Platter { seen: image.clone(), synced: image, ..Platter::default() })))
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

    fn change(&mut self, operation: Unsynced) -> io::Result<()> {
        self.operate()?;
        apply(&mut self.seen, &operation);
        self.unsynced.push(operation);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let found = platter.seen.get(start..start + out.len()).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().change(Unsynced::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.operate()?;
        platter.synced = platter.seen.clone();
        platter.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().change(Unsynced::Write(offset, data.to_vec()))
    }
}

/// A disk with a store that was just made. (A store on a file is made under another name first, so that power that goes
/// meanwhile leaves nothing in its place.)
fn made() -> Disk {
    let disk = Disk::default();
    let on = disk.clone();
    drop(RedbStore::open_on(move || on.clone()).unwrap());
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
    for number in 0..14u64 {
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
fn run(disk: &Disk, commits: &[Vec<Change>]) -> usize {
    let on = disk.clone();
    let Ok(mut store) = RedbStore::open_on(move || on.clone()) else { return 0 };
    let start = store.revision().unwrap();
    for (changes, revision) in commits.iter().zip(start.0..) {
        if store.commit(Revision(revision), changes).is_err() {
            return usize::try_from(revision).unwrap();
        }
    }
    commits.len()
}

fn reopened(disk: &Disk) -> (Contents, usize) {
    let on = disk.clone();
    let mut store = RedbStore::open_on(move || on.clone()).unwrap();
    let (network, revision) = store.load().unwrap();
    (contents(&network), usize::try_from(revision.0).unwrap())
}

#[test]
fn whenever_the_power_goes_what_was_acknowledged_is_there_and_no_half_change() {
    let (commits, after) = script();
    let whole = made();
    assert_eq!(run(&whole, &commits), commits.len());
    let operations = whole.operations();
    assert!(operations > 100, "{operations}");
    for end in 0..operations {
        let disk = made();
        disk.off_at(Some(end));
        let acknowledged = run(&disk, &commits);
        let choices = [Left::Nothing, Left::Everything, Left::Some(end + 1), Left::Some(end + 1000), Left::Some(end + 2000)];
        for left in choices {
            let disk = disk.after(left);
            let (found, revision) = reopened(&disk);
            // The commit that was under way may be there, whole.
            assert!((acknowledged..=acknowledged + 1).contains(&revision), "{end}, {left:?}: {acknowledged} then {revision}");
            assert_eq!(found, after[revision], "{end}, {left:?}: revision {revision}");
        }
    }
}

#[test]
fn the_power_may_go_again_while_the_store_is_opened() {
    let (commits, after) = script();
    let whole = made();
    run(&whole, &commits);
    for end in (20..whole.operations()).step_by(31) {
        let disk = made();
        disk.off_at(Some(end));
        let acknowledged = run(&disk, &commits);
        for again in 0..40 {
            let disk = disk.after(Left::Some(end));
            disk.off_at(Some(again));
            let on = disk.clone();
            drop(RedbStore::open_on(move || on.clone()));
            let (found, revision) = reopened(&disk.after(Left::Some(again + 1)));
            assert!((acknowledged..=acknowledged + 1).contains(&revision), "{end}, {again}");
            assert_eq!(found, after[revision], "{end}, {again}");
        }
    }
}

#[test]
fn a_disk_that_fails_for_a_while_costs_only_the_commits_of_that_time() {
    let (commits, _) = script();
    let disk = made();
    let on = disk.clone();
    let mut store = RedbStore::open_on(move || on.clone()).unwrap();
    let mut expected = Contents::new();
    for (number, changes) in commits.iter().enumerate() {
        let base = store.revision().unwrap();
        if number % 3 == 2 {
            disk.off_at(Some(number as u64));
            let failed = store.commit(base, changes);
            disk.off_at(None);
            if failed.is_err() && store.revision().unwrap() == base {
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
    let left = disk.after(Left::Nothing);
    drop(store);
    assert_eq!(reopened(&left).0, expected);
}
