//! The thread that runs the core, and how others reach it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openvpc_model::UnixMillis;
use openvpc_pipeline::{EniIndex, FlowSink, Nanos, Tables};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

use super::core::{EngineCore, Now, PortId};
use super::counters::EngineCounters;
use super::uplink::Uplink;
use crate::DatapathError;
use crate::details::Detail;
use crate::error::Attempt;
use crate::kernel::{FastPath, LiveFlow, Punt};
use crate::netlink::Wire;
use crate::packet_socket::{FrameBatch, PacketSocket};

/// The running engine. It ends, and takes no more frames, when this is dropped.
///
/// Every method does its work between two batches of frames, on the calling thread: after [`Engine::swap`] no packet is
/// judged by the tables before.
pub struct Engine<S> {
    shared: Arc<Shared<S>>,
    thread: Option<JoinHandle<()>>,
}

/// A way to reach the sink inside the engine; it stays valid, and answers with an error, when the engine ends.
pub struct SinkHandle<S> {
    shared: Arc<Shared<S>>,
}

impl<S: FlowSink + Send + 'static> Engine<S> {
    /// Starts the thread, with no port yet.
    pub fn start(tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        let what = || "start the engine";
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).attempt(what)?;
        let poll = epoll::create(CreateFlags::CLOEXEC).attempt(what)?;
        epoll::add(&poll, &wake, EventData::new_u64(WAKE), EventFlags::IN).attempt(what)?;
        let poll = Arc::new(poll);
        let worker = Worker {
            core: EngineCore::new(tables, sink),
            poll: Arc::clone(&poll),
            punt: None,
            took: 0,
            sweep_at: now().monotonic,
            advertise_at: Nanos(now().monotonic.0 + ADVERTISE_EVERY.as_nanos() as u64),
        };
        let shared = Arc::new(Shared { next: Mutex::new(()), worker: Mutex::new(Some(worker)), wake });
        let own = Arc::clone(&shared);
        let run = move || {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| own.run(&poll)));
            // However it ended, whoever comes later is to find out.
            drop(own.enter().take());
        };
        let thread = thread::Builder::new().name("engine".into()).spawn(run).attempt(what)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Judges every packet from now on by `tables`.
    pub fn swap(&self, tables: Arc<Tables>) -> Result<(), DatapathError> {
        self.shared.ask(move |worker| worker.core.swap(tables))
    }

    /// Leaves to the kernel tier what has been judged; from now on frames come by `punt` alone.
    pub(crate) fn set_fast_path(&self, fast: FastPath, punt: Punt) -> Result<(), DatapathError> {
        self.shared.ask(move |worker| {
            worker.watch(&punt, PUNT)?;
            fast.set_punt(punt.link().0);
            worker.core.set_fast_path(fast);
            worker.punt = Some(punt);
            Ok(())
        })?
    }

    /// Takes over the flows that the kernel tier carried for an earlier daemon, once all links are connected.
    pub(crate) fn adopt(&self) -> Result<(), DatapathError> {
        self.shared.ask(|worker| worker.core.adopt(now().monotonic))
    }

    /// Connects an interface, whose link has that number; a port it had before is closed.
    pub fn add_port(&self, eni: EniIndex, wire: Wire, socket: PacketSocket) -> Result<(), DatapathError> {
        self.shared.ask(move |worker| {
            worker.connect(PortId::Eni(eni), wire, &socket)?;
            worker.core.add_port(eni, socket);
            Ok(())
        })?
    }

    /// Disconnects an interface.
    pub fn remove_port(&self, eni: EniIndex) -> Result<(), DatapathError> {
        self.shared.ask(move |worker| {
            worker.core.forget_flows_of(PortId::Eni(eni), now());
            drop(worker.core.remove_port(eni));
        })
    }

    /// Connects the internet.
    pub fn set_uplink(&self, uplink: Uplink, wire: Wire, socket: PacketSocket) -> Result<(), DatapathError> {
        self.shared.ask(move |worker| {
            worker.connect(PortId::Uplink, wire, &socket)?;
            worker.core.set_uplink(uplink, socket);
            Ok(())
        })?
    }

    /// Connects the link-local services.
    pub fn set_services(&self, uplink: Uplink, wire: Wire, socket: PacketSocket) -> Result<(), DatapathError> {
        self.shared.ask(move |worker| {
            worker.connect(PortId::Services, wire, &socket)?;
            worker.core.set_services(uplink, socket);
            Ok(())
        })?
    }

    /// The counters of every connected interface and of the uplink.
    pub fn counters(&self) -> Result<EngineCounters, DatapathError> {
        self.shared.ask_when_counted(|worker| worker.core.counters())
    }

    /// What the kernel tier says of itself, if there is one.
    pub(crate) fn fast_details(&self) -> Result<Vec<Detail>, DatapathError> {
        self.shared.ask(|worker| worker.core.fast.as_ref().map(|fast| fast.details()).unwrap_or_default())
    }

    /// The busiest flows that the kernel tier carries, that many of them.
    pub(crate) fn live_flows(&self, limit: usize) -> Result<Vec<LiveFlow>, DatapathError> {
        let live = move |fast: &FastPath| fast.live(limit, now().monotonic);
        self.shared.ask(move |worker| worker.core.fast.as_deref().map(live).unwrap_or_default())
    }

    /// A handle to the sink.
    pub fn sink(&self) -> SinkHandle<S> {
        SinkHandle { shared: Arc::clone(&self.shared) }
    }
}

impl<S> Drop for Engine<S> {
    fn drop(&mut self) {
        // Whoever comes later finds nobody.
        drop(self.shared.enter().take());
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<S: FlowSink + Send + 'static> SinkHandle<S> {
    /// Runs `work` on the sink, between two batches of frames: what it sees is complete up to the time it is given.
    ///
    /// Frames wait meanwhile, so `work` takes out what it needs and leaves formatting and writing to the caller.
    pub fn with<R>(&self, work: impl FnOnce(&mut S, &Tables, UnixMillis) -> R) -> Result<R, DatapathError> {
        self.shared.ask_when_counted(|worker| {
            let (sink, tables) = worker.core.sink();
            work(sink, tables, now().wall)
        })
    }
}

impl<S> Clone for SinkHandle<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// What the engine's thread and its callers work on in turns.
struct Shared<S> {
    /// Who has this gets the worker next. Without it the thread, which comes back at once, would get it again and again.
    next: Mutex<()>,
    /// None when the engine has ended.
    worker: Mutex<Option<Worker<S>>>,
    wake: OwnedFd,
}

impl<S> Shared<S> {
    /// Waits for the batch of frames that is being dealt with.
    fn enter(&self) -> MutexGuard<'_, Option<Worker<S>>> {
        // A panic with a frame or a question is caught before it gets here.
        let _next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the thread look for what there is to do besides frames.
    fn wake(&self) {
        // It fails only when the counter is full, after 2^64 times that the thread didn't read it.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

impl<S: FlowSink> Shared<S> {
    fn ask<R>(&self, work: impl FnOnce(&mut Worker<S>) -> R) -> Result<R, DatapathError> {
        let ended = |what: &str| Err(io::Error::other(what.to_owned())).attempt(|| "reach the engine");
        let mut entered = self.enter();
        let Some(worker) = &mut *entered else { return ended("it has ended") };
        let before = worker.patience();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| work(worker)));
        // The thread waits for frames as long as was right before.
        let wakes = worker.patience() != before;
        drop(entered);
        if wakes {
            self.wake();
        }
        outcome.or_else(|_| {
            tracing::error!("a command made the engine panic");
            ended("it panicked")
        })
    }

    /// The same, once all is taken over that the kernel tier has counted until now. Frames are dealt with meanwhile.
    fn ask_when_counted<R>(&self, work: impl FnOnce(&mut Worker<S>) -> R) -> Result<R, DatapathError> {
        let until = self.ask(|worker| worker.core.plan_collect(true))?;
        let is_to_go_on = |worker: &mut Worker<S>| {
            worker.core.collect(now());
            worker.core.looked_at() < until
        };
        while self.ask(is_to_go_on)? {}
        self.ask(work)
    }

    /// Deals with frames until the engine ends.
    fn run(&self, poll: &OwnedFd) {
        let mut batch = FrameBatch::new(BATCH);
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let Some(patience) = self.enter().as_ref().map(Worker::patience) else { return };
            let patience = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
            events.clear();
            match epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&patience)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "the engine can't wait for frames and stops; no packet passes any more");
                    return;
                }
            }
            for event in &events {
                let Some(worker) = &mut *self.enter() else { return };
                match event.data.u64() {
                    // Read before anything is looked at: what comes meanwhile wakes the thread again.
                    WAKE => drop(rustix::io::read(&self.wake, &mut [0_u8; 8])),
                    UPLINK => worker.take_frames(PortId::Uplink, &mut batch),
                    SERVICES => worker.take_frames(PortId::Services, &mut batch),
                    PUNT => worker.take_punted(&mut batch),
                    eni => worker.take_frames(PortId::Eni(EniIndex(eni as u32)), &mut batch),
                }
            }
            let Some(worker) = &mut *self.enter() else { return };
            worker.keep_up();
        }
    }
}

/// What one of them at a time has to itself.
struct Worker<S> {
    core: EngineCore<PacketSocket, S>,
    poll: Arc<OwnedFd>,
    /// Where frames come from that the kernel tier doesn't know what to do with.
    punt: Option<Punt>,
    /// Frames that came up since the last look at whether they are too many.
    took: u64,
    sweep_at: Nanos,
    advertise_at: Nanos,
}

impl<S: FlowSink> Worker<S> {
    /// How long to wait for frames at most; not at all while there is something to do besides.
    fn patience(&self) -> Duration {
        match (self.core.has_flows(), self.core.has_upkeep()) {
            (true, true) => Duration::ZERO,
            (true, false) => SWEEP_EVERY,
            (false, _) => IDLE,
        }
    }

    /// Does some of what is to do besides frames.
    fn keep_up(&mut self) {
        let now = now();
        self.core.refresh(now.monotonic);
        self.core.collect(now);
        if now.monotonic.0 >= self.advertise_at.0 {
            self.core.advertise_routers();
            self.advertise_at = Nanos(now.monotonic.0 + ADVERTISE_EVERY.as_nanos() as u64);
        }
        if now.monotonic.0 >= self.sweep_at.0 {
            self.core.plan_collect(false);
            self.core.sweep(now.monotonic);
            let lost = self.punt.as_mut().map_or(0, Punt::take_dropped);
            self.core.balance(std::mem::take(&mut self.took), lost);
            self.sweep_at = Nanos(now.monotonic.0 + SWEEP_EVERY.as_nanos() as u64);
        }
    }

    /// A few batches at most, so that a busy port does not keep the others waiting.
    fn take_frames(&mut self, port: PortId, batch: &mut FrameBatch) {
        let now = now();
        for _ in 0..TURN {
            let core = &mut self.core;
            // A packet that finds a bug loses itself and its batch, not the machine's network.
            match panic::catch_unwind(AssertUnwindSafe(|| core.take_batch(port, batch, now))) {
                Ok(BATCH) => {}
                Ok(_) => return,
                Err(_) => {
                    tracing::error!(?port, "a frame made the engine panic; its batch is lost");
                    self.core.recover(port);
                }
            }
        }
    }

    /// The same for frames that the kernel tier handed up.
    fn take_punted(&mut self, batch: &mut FrameBatch) {
        let now = now();
        for _ in 0..TURN {
            let (core, Some(punt)) = (&mut self.core, &self.punt) else { return };
            // An error is a TAP that was taken away from outside; no frame comes any more.
            let received = punt.receive(batch).unwrap_or(0);
            self.took += received as u64;
            if panic::catch_unwind(AssertUnwindSafe(|| core.take_punted(batch, now))).is_err() {
                tracing::error!("a frame made the engine panic; its batch is lost");
                core.recover(PortId::Uplink);
            }
            if received < BATCH {
                return;
            }
        }
    }

    /// Has the frames of a link come here: those of the kernel tier by the punt, else by the socket.
    fn connect(&mut self, place: PortId, wire: Wire, socket: &PacketSocket) -> Result<(), DatapathError> {
        if self.punt.is_some() {
            return self.core.add_fast_port(place, wire, now());
        }
        let data = match place {
            PortId::Eni(eni) => u64::from(eni.0),
            PortId::Uplink => UPLINK,
            PortId::Services => SERVICES,
        };
        self.watch(socket, data)
    }

    fn watch(&self, socket: &impl AsFd, data: u64) -> Result<(), DatapathError> {
        epoll::add(&self.poll, socket.as_fd(), EventData::new_u64(data), EventFlags::IN).attempt(|| "wait for frames of a link")
    }
}

/// What frames are stamped with: the clock that the kernel tier stamps flows with, and the machine's wall clock.
fn now() -> Now {
    let monotonic = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // A machine whose clock stands before 1970 writes flow logs of 1970.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        monotonic: Nanos(monotonic.tv_sec as u64 * 1_000_000_000 + monotonic.tv_nsec as u64),
        wall: UnixMillis(wall.as_millis() as u64),
    }
}

const WAKE: u64 = u64::MAX;
const UPLINK: u64 = u64::MAX - 1;
const PUNT: u64 = u64::MAX - 2;
const SERVICES: u64 = u64::MAX - 3;

/// Frames received at once: what of super-packets fits a core's own cache, between their way in and their way out.
const BATCH: usize = 8;

/// Batches taken from one port before the next has its turn.
const TURN: usize = 4;
const EVENTS: usize = 64;

/// How often the routers advertise themselves unasked: often enough for their lifetime to be renewed a few times.
const ADVERTISE_EVERY: Duration = Duration::from_secs(300);

/// How long to wait for frames at most where there is nothing else to do.
const IDLE: Duration = Duration::from_secs(60);

/// How often idle flows are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
