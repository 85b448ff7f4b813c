//! Transactions of many threads over a store that is slow, fails and panics.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use openvpc_control::{Caller, Control, ControlError, Enforcer, Environment, Quotas, Tx};
use openvpc_model::{Change, InternetGateway, InternetGatewayId, Network, Owner, Tags, UnixMillis};
use openvpc_store::{MemoryStore, Revision, Store, StoreError};

/// What a disk does to a commit.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Nothing is kept.
    Lost,
    /// The write failed, and yet it is kept.
    KeptAfterAll,
    Panic,
}

struct Disk {
    store: MemoryStore,
    fault: Box<dyn FnMut() -> Fault + Send>,
    commits: u64,
}

/// A disk, and what it waits for.
#[derive(Clone)]
struct Slow(Arc<Mutex<Disk>>, Arc<Ran>);

/// How many transactions have run.
#[derive(Default)]
struct Ran(Mutex<u64>, Condvar);

impl Ran {
    fn one_more(&self) -> u64 {
        let mut count = self.0.lock().unwrap();
        *count += 1;
        self.1.notify_all();
        *count
    }

    /// Waits until some more have run, if there are any that do.
    fn some_more(&self) {
        let count = self.0.lock().unwrap();
        let enough = *count + 4;
        drop(self.1.wait_timeout_while(count, Duration::from_millis(1), |count| *count < enough).unwrap());
    }
}

impl Store for Slow {
    fn load(&mut self) -> Result<(Network, Revision), StoreError> {
        self.0.lock().unwrap().store.load()
    }

    fn revision(&mut self) -> Result<Revision, StoreError> {
        self.0.lock().unwrap().store.revision()
    }

    fn commit(&mut self, base: Revision, changes: &[Change]) -> Result<Revision, StoreError> {
        self.1.some_more();
        let mut disk = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.0.clear_poison();
        disk.commits += 1;
        let failed = || StoreError::Database { path: "disk".into(), reason: "broken".into() };
        match (disk.fault)() {
            Fault::None => disk.store.commit(base, changes),
            Fault::Lost => Err(failed()),
            Fault::KeptAfterAll => disk.store.commit(base, changes).and(Err(failed())),
            Fault::Panic => {
                drop(disk);
                panic!("the disk panics")
            }
        }
    }
}

/// Checks that what is put in force is exactly what is durable.
struct Watch(Slow);

impl Enforcer for Watch {
    fn enforce(&self, network: &Arc<Network>) -> Result<(), String> {
        let stored = self.0.clone().load().unwrap().0;
        assert_eq!(ids(network), ids(&stored));
        Ok(())
    }
}

/// Every transaction of these tests takes one id.
struct Counted(Arc<Ran>);

impl Environment for Counted {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_790_000_042_000)
    }

    fn random(&self) -> u64 {
        self.0.one_more()
    }
}

fn ids(network: &Network) -> BTreeSet<InternetGatewayId> {
    network.internet_gateways.keys().copied().collect()
}

fn caller() -> Caller {
    Caller { owner: Owner { account: "123456789012".parse().unwrap(), region: "us-east-1".parse().unwrap() } }
}

fn make(tx: &mut Tx<'_>) -> Result<InternetGatewayId, ControlError> {
    let id = tx.new_id();
    tx.put(InternetGateway { id, owner: tx.owner().clone(), vpc: None, tags: Tags::new() });
    Ok(id)
}

fn open(fault: impl FnMut() -> Fault + Send + 'static) -> (Arc<Control>, Slow) {
    let disk = Disk { store: MemoryStore::default(), fault: Box::new(fault), commits: 0 };
    let slow = Slow(Arc::new(Mutex::new(disk)), Arc::default());
    let watch = Box::new(Watch(slow.clone()));
    let environment = Box::new(Counted(Arc::clone(&slow.1)));
    (Arc::new(Control::open(Box::new(slow.clone()), watch, environment, Quotas::default()).unwrap()), slow)
}

/// Makes a gateway, and waits with the thread or without, by turns; now and then nobody waits.
fn make_somehow(control: &Control, turn: usize) -> Option<Result<InternetGatewayId, ControlError>> {
    let (made, pending) = control.submit(&caller(), make);
    let settled = match turn % 5 {
        0 => return None,
        1 | 2 => pending.wait(),
        _ => block_on(pending),
    };
    Some(settled.and(made))
}

/// Polls a future whenever it asks for it.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Faults in a fixed random order, one commit in `one_in`.
fn faults(seed: u64, one_in: u64) -> impl FnMut() -> Fault + Send + 'static {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state >> 20 {
            n if n % one_in != 0 => Fault::None,
            n => [Fault::Lost, Fault::KeptAfterAll, Fault::Panic][(n / one_in % 3) as usize],
        }
    }
}

#[test]
fn transactions_of_many_threads_share_commits_and_all_of_them_are_kept() {
    let (control, disk) = open(|| Fault::None);
    control.view(&caller()).unwrap();
    let before = disk.0.lock().unwrap().commits;
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..50).for_each(|turn| assert!(make_somehow(&control, turn).is_none_or(|made| made.is_ok()))));
        }
    });
    let commits = disk.0.lock().unwrap().commits - before;
    assert!(commits < 400, "800 transactions took {commits} commits");
    assert_eq!(ids(&control.snapshot()).len(), 801, "with the default VPC's");
    assert_eq!(ids(&disk.clone().load().unwrap().0), ids(&control.snapshot()));
}

#[test]
fn with_a_disk_that_fails_what_was_acknowledged_is_kept_and_nobody_sees_what_isn_t_durable() {
    for seed in 1..6 {
        let (control, disk) = open(faults(seed, 5));
        while control.view(&caller()).is_err() {}
        let (acknowledged, done) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
        // What a store once held it holds for ever here, since nothing is deleted.
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let seen = ids(&control.snapshot());
                    let stored = ids(&disk.clone().load().unwrap().0);
                    assert!(seen.is_subset(&stored), "a reader saw what isn't durable");
                }
            });
            let writers: Vec<_> = (0..8)
                .map(|number| {
                    let (control, acknowledged) = (&control, &acknowledged);
                    scope.spawn(move || {
                        for step in 0..60 {
                            if (number + step) % 17 == 0 {
                                let panicking =
                                    || control.transact(&caller(), |_| -> Result<(), _> { panic!("an action panics") });
                                assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
                            }
                            if let Some(Ok(id)) = make_somehow(control, number + step) {
                                assert!(control.snapshot().internet_gateways.contains_key(&id), "its own write is not seen");
                                acknowledged.lock().unwrap().insert(id);
                            }
                        }
                    })
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        let stored = ids(&disk.clone().load().unwrap().0);
        let acknowledged = acknowledged.into_inner().unwrap();
        assert!(acknowledged.len() > 50, "only {} succeeded", acknowledged.len());
        assert!(acknowledged.is_subset(&stored), "seed {seed}: something acknowledged is lost");
    }
}

#[test]
fn what_was_written_for_somebody_who_left_is_durable_all_the_same() {
    let (control, disk) = open(|| Fault::None);
    control.view(&caller()).unwrap();
    let (made, pending) = control.submit(&caller(), make);
    assert!(!control.snapshot().internet_gateways.contains_key(&made.clone().unwrap()), "not before somebody waits");
    assert!(control.newest().0.internet_gateways.contains_key(&made.clone().unwrap()));
    drop(pending);
    assert!(control.snapshot().internet_gateways.contains_key(&made.clone().unwrap()));
    assert!(ids(&disk.clone().load().unwrap().0).contains(&made.unwrap()));
}

/// A transaction that reads what another wrote must not be answered before that is durable: here it isn't, ever.
#[test]
fn an_answer_that_speaks_of_what_others_wrote_fails_with_it() {
    let fail = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&fail);
    let (control, _) = open(move || if told.load(Ordering::Relaxed) { Fault::Lost } else { Fault::None });
    control.view(&caller()).unwrap();
    let before = ids(&control.snapshot());
    fail.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(control.transact(&caller(), make).is_err());
                    let count = |tx: &mut Tx<'_>| Ok(ids(tx.network()).len());
                    assert!(
                        control.transact(&caller(), count).is_ok_and(|seen| seen == before.len()) || fail.load(Ordering::Relaxed)
                    );
                    let refused = |tx: &mut Tx<'_>| match ids(tx.network()).len() - before.len() {
                        0 => Err::<(), _>(ControlError::invalid_value("nothing is there")),
                        _ => Err(ControlError::dependency("something is there")),
                    };
                    let code = control.transact(&caller(), refused).unwrap_err().code;
                    assert_ne!(code, "DependencyViolation", "an answer spoke of a write that was lost");
                }
            });
        }
    });
    assert_eq!(ids(&control.snapshot()), before);
    fail.store(false, Ordering::Relaxed);
    let id = control.transact(&caller(), make).unwrap();
    assert!(control.snapshot().internet_gateways.contains_key(&id), "the service resumes");
}

#[test]
fn the_state_can_be_replaced_while_others_write() {
    let (control, disk) = open(|| Fault::None);
    control.view(&caller()).unwrap();
    let kept = control.snapshot();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..30).for_each(|_| assert!(control.transact(&caller(), make).is_ok())));
        }
        (0..5).for_each(|_| control.replace(Network::clone(&kept)).unwrap());
    });
    assert_eq!(ids(&disk.clone().load().unwrap().0), ids(&control.snapshot()));
    control.replace(Network::clone(&kept)).unwrap();
    assert_eq!(ids(&disk.clone().load().unwrap().0), ids(&kept));
    assert_eq!(disk.clone().load().unwrap().0.contents_sorted(), kept.contents_sorted());
}

/// A comparable form of everything.
trait Contents {
    fn contents_sorted(&self) -> BTreeSet<(&'static str, String, Vec<u8>)>;
}

impl Contents for Network {
    fn contents_sorted(&self) -> BTreeSet<(&'static str, String, Vec<u8>)> {
        struct All(BTreeSet<(&'static str, String, Vec<u8>)>);
        impl openvpc_model::network::Visit for All {
            fn visit<R: openvpc_model::Resource>(&mut self, resource: &R) {
                let change = openvpc_model::network::stored(resource).unwrap();
                self.0.insert((change.kind, change.key, change.value.unwrap()));
            }
        }
        let mut all = All(BTreeSet::new());
        self.each(&mut all);
        all.0
    }
}
