//! The one writer of the network's state.
//!
//! Transactions run one after the other, each on the newest state; many are made durable together. There are three states:
//! the **newest** (what the next transaction starts from, under the lock), the one **being committed**, and the **current**
//! one (durable; what readers see). Each is the next one's past: current, being committed, newest.
//!
//! A transaction that ran leaves what it wrote in the open group and then waits, with its thread or without ([`Pending`]).
//! One of those that wait, the leader, takes the whole group, makes it durable with one commit, publishes it, puts it in
//! force, and wakes the others; meanwhile new transactions run and fill the next group. There is at most one leader at a
//! time, so groups become durable in the order in which they ran.
//!
//! Two rules make this safe. *An answer goes out only when the state that it was made from is durable*: a transaction waits
//! for the group that is open when it has run, or else for the one being committed, also when it failed or wrote nothing,
//! because its answer speaks of what others wrote. *A failed commit takes everything built on it along*: the newest state
//! becomes the current one again, and the open group fails with the one that failed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use arc_swap::ArcSwap;
use openvpc_model::internet::PublicPools;
use openvpc_model::{Network, Owner, UnixMillis};
use openvpc_store::{Revision, Store, StoreError};

use crate::tx::Touched;
use crate::{ControlError, Quotas, Tx, regions};

/// Runs transactions one after the other and serves snapshots to any number of readers.
pub struct Control {
    current: ArcSwap<Network>,
    writer: Mutex<Writer>,
    durable: Mutex<Durable>,
    enforcer: Box<dyn Enforcer>,
    environment: Box<dyn Environment>,
    quotas: Quotas,
    commits: AtomicU64,
    failed_commits: AtomicU64,
}

/// What only the holder of the lock may touch.
struct Writer {
    newest: Network,
    /// What was written since the last commit began.
    open: Option<Group>,
    /// The group that a leader commits right now.
    committing: Option<Arc<Ticket>>,
}

/// Transactions that become durable together.
struct Group {
    ticket: Arc<Ticket>,
    touched: Touched,
}

/// What the transactions of a group wait for.
#[derive(Default)]
struct Ticket {
    outcome: OnceLock<Settled>,
    /// Goes with the writer's lock. Told to all when the group is settled, and to one when the open group needs a leader.
    turn: Condvar,
    /// Those who wait without a thread; told the same. Only who holds the writer's lock looks at it.
    wakers: Mutex<Vec<Waker>>,
}

/// What an answer waits for before it goes out: that the state it was made from is durable and in force.
///
/// To wait is also to commit, when nobody else does; so what is dropped is waited for as well, or else what was written
/// might stay undone until somebody comes along.
#[must_use = "an answer may only go out when this is done"]
pub struct Pending<'a> {
    control: &'a Control,
    /// None when there is nothing to wait for any more.
    ticket: Option<Arc<Ticket>>,
}

/// What only a leader touches.
struct Durable {
    store: Box<dyn Store>,
    revision: Revision,
    /// A commit failed, so that the store may hold it or not: it has to be asked before the next one.
    uncertain: bool,
}

/// Why a group was not committed.
enum CommitError {
    /// Nothing of it is kept.
    Lost(ControlError),
    /// It is durable, but packets may be judged by what was before.
    NotInForce(ControlError),
}

/// On whose behalf an action runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The calling account, and the region that was called.
    pub owner: Owner,
}

/// Puts a snapshot in force: when `enforce` returns, no new packet is judged by an older one.
pub trait Enforcer: Send + Sync {
    /// Puts `network` in force.
    ///
    /// # Errors
    /// When packets may still be judged by an older snapshot; the text is for the operator.
    fn enforce(&self, network: &Arc<Network>) -> Result<(), String>;
}

/// Time and chance.
pub trait Environment: Send + Sync {
    /// The wall clock.
    fn now(&self) -> UnixMillis;
    /// Sixty-four unpredictable bits.
    fn random(&self) -> u64;
    /// The blocks of public addresses.
    fn public_pools(&self) -> PublicPools {
        PublicPools::default()
    }
}

impl Control {
    /// Loads what the store holds and puts it in force.
    ///
    /// # Errors
    /// When the store can't be read or the state can't be put in force.
    pub fn open(
        mut store: Box<dyn Store>,
        enforcer: Box<dyn Enforcer>,
        environment: Box<dyn Environment>,
        quotas: Quotas,
    ) -> Result<Self, OpenError> {
        let (network, revision) = store.load()?;
        let network = Arc::new(network);
        enforcer.enforce(&network).map_err(OpenError::Enforce)?;
        let newest = Network::clone(&network);
        let writer = Mutex::new(Writer { newest, open: None, committing: None });
        let durable = Mutex::new(Durable { store, revision, uncertain: false });
        let current = ArcSwap::new(network);
        let (commits, failed_commits) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { current, writer, durable, enforcer, environment, quotas, commits, failed_commits })
    }

    /// Runs an action and commits what it wrote. When this returns `Ok`, the change is durable and in force.
    ///
    /// # Errors
    /// The action's own error, and then nothing was changed; or `InternalError` when the store or the datapath failed.
    pub fn transact<T>(
        &self,
        caller: &Caller,
        action: impl FnOnce(&mut Tx) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let (outcome, pending) = self.submit(caller, action);
        pending.wait()?;
        outcome
    }

    /// Runs an action, and leaves it to the caller to wait until what it wrote is durable and in force. Its error speaks of
    /// the newest state, and has to wait as well.
    pub fn submit<T>(
        &self,
        caller: &Caller,
        action: impl FnOnce(&mut Tx) -> Result<T, ControlError>,
    ) -> (Result<T, ControlError>, Pending<'_>) {
        let mut writer = self.lock();
        let mut tx = Tx::new(&writer.newest, caller, &*self.environment, &self.quotas);
        let outcome = regions::ensure(&mut tx).and_then(|()| action(&mut tx));
        if outcome.is_ok() {
            let (network, touched) = tx.finish();
            writer.write(network, touched);
        }
        (outcome, self.pending(&writer))
    }

    /// The newest state, for who wrote a part of it: an answer made from it has to wait.
    pub fn newest(&self) -> (Arc<Network>, Pending<'_>) {
        let writer = self.lock();
        (Arc::new(writer.newest.clone()), self.pending(&writer))
    }

    /// Runs an action and forgets what it wrote: what `DryRun` asks for, and every other what-if.
    ///
    /// # Errors
    /// The action's own error.
    pub fn rehearse<T>(
        &self,
        caller: &Caller,
        action: impl FnOnce(&mut Tx) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let current = self.current.load_full();
        let mut tx = Tx::new(&current, caller, &*self.environment, &self.quotas);
        regions::ensure(&mut tx)?;
        action(&mut tx)
    }

    /// The current state, with what the caller's region holds from the start (default VPC and so on) in it.
    ///
    /// # Errors
    /// When the region had to be set up and that failed.
    pub fn view(&self, caller: &Caller) -> Result<Arc<Network>, ControlError> {
        if self.current.load().regions.get(&caller.owner).is_none() {
            self.transact(caller, |_| Ok(()))?;
        }
        Ok(self.snapshot())
    }

    /// The current state as it is.
    pub fn snapshot(&self) -> Arc<Network> {
        self.current.load_full()
    }

    /// The limits in force.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// How many groups of changes became durable and were put in force since the start, and how many failed to.
    pub fn commits(&self) -> (u64, u64) {
        (self.commits.load(Ordering::Relaxed), self.failed_commits.load(Ordering::Relaxed))
    }

    /// The wall clock that the state is stamped with.
    pub fn now(&self) -> UnixMillis {
        self.environment.now()
    }

    /// Removes everything, in all accounts and regions.
    ///
    /// # Errors
    /// `InternalError` when the store or the datapath failed.
    pub fn reset(&self) -> Result<(), ControlError> {
        // Whose signatures count is a setting of the daemon, not something that its callers built.
        let access_keys = self.snapshot().access_keys.clone();
        self.replace(Network { access_keys, ..Network::default() })
    }

    /// Puts another state in the place of everything, in all accounts and regions.
    ///
    /// # Errors
    /// `InternalError` when the store or the datapath failed.
    pub fn replace(&self, network: Network) -> Result<(), ControlError> {
        let mut writer = self.lock();
        let touched = Touched::everything(&[&writer.newest, &network]);
        writer.write(network, touched);
        let pending = self.pending(&writer);
        drop(writer);
        pending.wait()
    }

    /// Lets the store put itself in order, for a quick start next time.
    ///
    /// # Errors
    /// When that failed; what was committed is durable all the same.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).store.checkpoint()
    }

    fn pending(&self, writer: &Writer) -> Pending<'_> {
        Pending { control: self, ticket: writer.last_ticket() }
    }

    /// What became of a group; none while another one is being committed, so that there is no way but to wait. Commits the
    /// group, if nobody else does.
    fn settled<'a>(&'a self, ticket: &Ticket, mut writer: MutexGuard<'a, Writer>) -> Result<Settled, MutexGuard<'a, Writer>> {
        loop {
            if let Some(outcome) = ticket.outcome.get() {
                return Ok(outcome.clone());
            }
            if writer.committing.is_some() {
                return Err(writer);
            }
            // The ticket isn't settled and its group isn't being committed, so that it is the open one.
            writer = self.lead(writer);
        }
    }

    /// Commits the open group.
    fn lead<'a>(&'a self, mut writer: MutexGuard<'a, Writer>) -> MutexGuard<'a, Writer> {
        let Some(Group { ticket, touched }) = writer.open.take() else { return writer };
        let network = Arc::new(writer.newest.clone());
        writer.committing = Some(Arc::clone(&ticket));
        drop(writer);
        // A panic on the way must not leave the others waiting; whether the store has the group is then uncertain.
        let commit = AssertUnwindSafe(|| self.commit(&network, &touched));
        let outcome =
            catch_unwind(commit).unwrap_or_else(|_| Err(CommitError::Lost(ControlError::internal("the store panicked"))));

        let count = if outcome.is_ok() { &self.commits } else { &self.failed_commits };
        count.fetch_add(1, Ordering::Relaxed);
        let mut writer = self.lock();
        writer.committing = None;
        let outcome = match outcome {
            Ok(()) => Ok(()),
            Err(CommitError::NotInForce(error)) => Err(error),
            Err(CommitError::Lost(error)) => {
                writer.newest = Network::clone(&self.current.load());
                if let Some(built_on_it) = writer.open.take() {
                    built_on_it.ticket.settle(Err(error.clone()));
                }
                Err(error)
            }
        };
        ticket.settle(outcome);
        if let Some(next) = &writer.open {
            // Either one of its transactions waits, and leads now; or all are still to ask for the lock, and find no leader.
            next.ticket.call_leader();
        }
        writer
    }

    fn commit(&self, network: &Arc<Network>, touched: &Touched) -> Result<(), CommitError> {
        let lost = |error: &dyn std::fmt::Display| CommitError::Lost(ControlError::internal(error));
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.uncertain {
            self.find_out(&mut durable).map_err(|error| lost(&error))?;
        }
        let changes = touched.encode(network).map_err(|error| lost(&error))?;
        durable.uncertain = true;
        let base = durable.revision;
        durable.revision = durable.store.commit(base, &changes).map_err(|error| lost(&error))?;
        durable.uncertain = false;
        drop(durable);
        // Published even when it can't be put in force: it is durable, and the next attempt starts from it.
        self.current.store(Arc::clone(network));
        self.enforcer.enforce(network).map_err(|error| CommitError::NotInForce(ControlError::internal(error)))
    }

    /// After a commit failed: asks the store whether it has it after all. That it has is no half change, but the group that
    /// is to be committed now was made without it, and fails.
    fn find_out(&self, durable: &mut Durable) -> Result<(), StoreError> {
        if durable.store.revision()? == durable.revision {
            durable.uncertain = false;
            return Ok(());
        }
        let (network, revision) = durable.store.load()?;
        durable.revision = revision;
        durable.uncertain = false;
        let network = Arc::new(network);
        self.current.store(Arc::clone(&network));
        let enforced = self.enforcer.enforce(&network);
        let reason = enforced.err().unwrap_or_else(|| "a change that seemed to fail had been kept".to_owned());
        Err(StoreError::Recovered { revision: revision.0, reason })
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A panic in an action leaves the writer as it was: the action works on a copy.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Makes a state the newest one and adds what was written for it to the open group.
    fn write(&mut self, network: Network, touched: Touched) {
        if touched.is_empty() {
            return;
        }
        self.newest = network;
        let open = self.open.get_or_insert_with(|| Group { ticket: Arc::default(), touched: Touched::default() });
        open.touched.add(touched);
    }

    /// The ticket that settles when the newest state does; none when that is durable already.
    fn last_ticket(&self) -> Option<Arc<Ticket>> {
        self.open.as_ref().map(|open| &open.ticket).or(self.committing.as_ref()).cloned()
    }
}

/// What became of a group.
type Settled = Result<(), ControlError>;

impl Ticket {
    /// Says what became of the group. The writer's lock is held, so that nobody misses it.
    fn settle(&self, outcome: Settled) {
        // A group is settled once: by its leader, or with the group that it was built on, and then it never has a leader.
        let _ = self.outcome.set(outcome);
        self.turn.notify_all();
        self.wakers().drain(..).for_each(Waker::wake);
    }

    /// Lets one of those who wait lead.
    fn call_leader(&self) {
        match self.wakers().pop() {
            Some(waker) => waker.wake(),
            None => self.turn.notify_one(),
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        // A push or a pop leaves the list whole.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending<'_> {
    /// Waits with this thread.
    ///
    /// # Errors
    /// `InternalError` when the store or the datapath failed.
    pub fn wait(mut self) -> Result<(), ControlError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), ControlError> {
        let Some(ticket) = self.ticket.take() else { return Ok(()) };
        let mut writer = self.control.lock();
        loop {
            match self.control.settled(&ticket, writer) {
                Ok(outcome) => return outcome,
                Err(locked) => writer = ticket.turn.wait(locked).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Waits without a thread, except to commit, which takes as long as the disk takes.
impl Future for Pending<'_> {
    type Output = Result<(), ControlError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(ticket) = self.ticket.clone() else { return Poll::Ready(Ok(())) };
        match self.control.settled(&ticket, self.control.lock()) {
            Ok(outcome) => {
                self.ticket = None;
                Poll::Ready(outcome)
            }
            Err(_locked) => {
                let mut wakers = ticket.wakers();
                if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                    wakers.push(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // Who drops it doesn't want to know.
        let _ = self.finish();
    }
}

/// Why the state couldn't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state can't be put in force.
    #[error("the stored network can't be put in force: {0}")]
    Enforce(String),
}
