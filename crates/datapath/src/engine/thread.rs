//! The thread that runs the core, and how others reach it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, mpsc};
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
/// Every method hands work to the engine's thread, which does it between two batches of frames, and returns when it
/// has been done: after [`Engine::swap`] no packet is judged by the tables before.
pub struct Engine<S> {
    mailbox: Mailbox<S>,
    thread: Option<JoinHandle<()>>,
}

/// A way to reach the sink inside the engine's thread; it stays valid, and answers with an error, when the engine ends.
pub struct SinkHandle<S> {
    mailbox: Mailbox<S>,
}

impl<S: FlowSink + 'static> Engine<S> {
    /// Starts the thread, with no port yet.
    pub fn start(tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        let what = || "start the engine";
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).attempt(what)?);
        let poll = epoll::create(CreateFlags::CLOEXEC).attempt(what)?;
        epoll::add(&poll, &wake, EventData::new_u64(WAKE), EventFlags::IN).attempt(what)?;
        let (sender, commands) = mpsc::channel();
        let worker = Worker {
            core: EngineCore::new(tables, sink),
            poll,
            wake: Arc::clone(&wake),
            commands,
            punt: None,
            took: 0,
            counted: VecDeque::new(),
            stop: false,
        };
        let thread = thread::Builder::new().name("engine".into()).spawn(move || worker.run()).attempt(what)?;
        Ok(Self { mailbox: Mailbox { sender, wake }, thread: Some(thread) })
    }

    /// Judges every packet from now on by `tables`.
    pub fn swap(&self, tables: Arc<Tables>) -> Result<(), DatapathError> {
        self.mailbox.ask(move |worker| worker.core.swap(tables))
    }

    /// Leaves to the kernel tier what has been judged; from now on frames come by `punt` alone.
    pub(crate) fn set_fast_path(&self, fast: FastPath, punt: Punt) -> Result<(), DatapathError> {
        self.mailbox.ask(move |worker| {
            worker.watch(&punt, PUNT)?;
            fast.set_punt(punt.link().0);
            worker.core.set_fast_path(fast);
            worker.punt = Some(punt);
            Ok(())
        })?
    }

    /// Takes over the flows that the kernel tier carried for an earlier daemon, once all links are connected.
    pub(crate) fn adopt(&self) -> Result<(), DatapathError> {
        self.mailbox.ask(|worker| worker.core.adopt(now().monotonic))
    }

    /// Connects an interface, whose link has that number; a port it had before is closed.
    pub fn add_port(&self, eni: EniIndex, wire: Wire, socket: PacketSocket) -> Result<(), DatapathError> {
        self.mailbox.ask(move |worker| {
            worker.connect(PortId::Eni(eni), wire, &socket)?;
            worker.core.add_port(eni, socket);
            Ok(())
        })?
    }

    /// Disconnects an interface.
    pub fn remove_port(&self, eni: EniIndex) -> Result<(), DatapathError> {
        self.mailbox.ask(move |worker| {
            worker.core.forget_flows_of(PortId::Eni(eni), now());
            drop(worker.core.remove_port(eni));
        })
    }

    /// Connects the internet.
    pub fn set_uplink(&self, uplink: Uplink, wire: Wire, socket: PacketSocket) -> Result<(), DatapathError> {
        self.mailbox.ask(move |worker| {
            worker.connect(PortId::Uplink, wire, &socket)?;
            worker.core.set_uplink(uplink, socket);
            Ok(())
        })?
    }

    /// Connects the link-local services.
    pub fn set_services(&self, uplink: Uplink, wire: Wire, socket: PacketSocket) -> Result<(), DatapathError> {
        self.mailbox.ask(move |worker| {
            worker.connect(PortId::Services, wire, &socket)?;
            worker.core.set_services(uplink, socket);
            Ok(())
        })?
    }

    /// The counters of every connected interface and of the uplink.
    pub fn counters(&self) -> Result<EngineCounters, DatapathError> {
        self.mailbox.ask_when_counted(|worker| worker.core.counters())
    }

    /// What the kernel tier says of itself, if there is one.
    pub(crate) fn fast_details(&self) -> Result<Vec<Detail>, DatapathError> {
        self.mailbox.ask(|worker| worker.core.fast.as_ref().map(|fast| fast.details()).unwrap_or_default())
    }

    /// The busiest flows that the kernel tier carries, that many of them.
    pub(crate) fn live_flows(&self, limit: usize) -> Result<Vec<LiveFlow>, DatapathError> {
        let live = move |fast: &FastPath| fast.live(limit, now().monotonic);
        self.mailbox.ask(move |worker| worker.core.fast.as_deref().map(live).unwrap_or_default())
    }

    /// A handle to the sink.
    pub fn sink(&self) -> SinkHandle<S> {
        SinkHandle { mailbox: self.mailbox.clone() }
    }
}

impl<S> Drop for Engine<S> {
    fn drop(&mut self) {
        // A thread that has ended already is as good as one that ends now.
        let _ = self.mailbox.post(Box::new(|worker| worker.stop = true));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<S: FlowSink + 'static> SinkHandle<S> {
    /// Runs `work` on the sink, between two batches of frames: what it sees is complete up to the time it is given.
    ///
    /// Frames wait meanwhile, so `work` takes out what it needs and leaves formatting and writing to the caller.
    pub fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S, &Tables, UnixMillis) -> R + Send + 'static,
    ) -> Result<R, DatapathError> {
        self.mailbox.ask_when_counted(move |worker| {
            let (sink, tables) = worker.core.sink();
            work(sink, tables, now().wall)
        })
    }
}

impl<S> Clone for SinkHandle<S> {
    fn clone(&self) -> Self {
        Self { mailbox: self.mailbox.clone() }
    }
}

type Command<S> = Box<dyn FnOnce(&mut Worker<S>) + Send>;

/// Where commands are left for the engine's thread.
struct Mailbox<S> {
    sender: mpsc::Sender<Command<S>>,
    wake: Arc<OwnedFd>,
}

impl<S> Mailbox<S> {
    fn post(&self, command: Command<S>) -> io::Result<()> {
        self.sender.send(command).map_err(|_| io::Error::other("its thread has ended"))?;
        // The counter of an eventfd is full only after 2^64 commands that nobody read.
        rustix::io::write(&self.wake, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    fn ask<R: Send + 'static>(&self, work: impl FnOnce(&mut Worker<S>) -> R + Send + 'static) -> Result<R, DatapathError>
    where
        S: FlowSink + 'static,
    {
        self.ask_by(|worker, command| command(worker), work)
    }

    /// The same, once all is taken over that the kernel tier has counted until now. Frames are dealt with meanwhile.
    fn ask_when_counted<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker<S>) -> R + Send + 'static,
    ) -> Result<R, DatapathError>
    where
        S: FlowSink + 'static,
    {
        let later = |worker: &mut Worker<S>, command| {
            let until = worker.core.plan_collect(true);
            worker.counted.push_back((until, command));
        };
        self.ask_by(later, work)
    }

    fn ask_by<R: Send + 'static>(
        &self,
        run: fn(&mut Worker<S>, Command<S>),
        work: impl FnOnce(&mut Worker<S>) -> R + Send + 'static,
    ) -> Result<R, DatapathError>
    where
        S: 'static,
    {
        let (answer, outcome) = mpsc::sync_channel(1);
        let command: Command<S> = Box::new(move |worker| {
            // Who asked may have gone; the work is done all the same.
            let _ = answer.send(work(worker));
        });
        self.post(Box::new(move |worker| run(worker, command))).attempt(|| "reach the engine")?;
        outcome.recv().map_err(|_| io::Error::other("it ended without an answer")).attempt(|| "reach the engine")
    }
}

impl<S> Clone for Mailbox<S> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), wake: Arc::clone(&self.wake) }
    }
}

/// What the engine's thread owns.
struct Worker<S> {
    core: EngineCore<PacketSocket, S>,
    poll: OwnedFd,
    wake: Arc<OwnedFd>,
    commands: mpsc::Receiver<Command<S>>,
    /// Where frames come from that the kernel tier doesn't know what to do with.
    punt: Option<Punt>,
    /// Frames that came up since the last look at whether they are too many.
    took: u64,
    /// What waits until that many flows have been looked at; each is as many as the one before or more.
    counted: VecDeque<(u64, Command<S>)>,
    stop: bool,
}

impl<S: FlowSink> Worker<S> {
    fn run(mut self) {
        let mut batch = FrameBatch::new(BATCH);
        let mut events = Vec::with_capacity(EVENTS);
        let mut sweep_at = now().monotonic;
        while !self.stop {
            let sweep = match self.core.has_upkeep() || !self.counted.is_empty() {
                true => Timespec { tv_sec: 0, tv_nsec: 0 },
                false => Timespec { tv_sec: 0, tv_nsec: SWEEP_EVERY.subsec_nanos().into() },
            };
            let patience = self.core.has_flows().then_some(&sweep);
            events.clear();
            match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), patience) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "the engine can't wait for frames and stops; no packet passes any more");
                    return;
                }
            }
            for event in &events {
                match event.data.u64() {
                    WAKE => self.run_commands(),
                    UPLINK => self.take_frames(PortId::Uplink, &mut batch),
                    SERVICES => self.take_frames(PortId::Services, &mut batch),
                    PUNT => self.take_punted(&mut batch),
                    eni => self.take_frames(PortId::Eni(EniIndex(eni as u32)), &mut batch),
                }
            }
            let now = now();
            self.core.refresh(now.monotonic);
            self.core.collect(now);
            self.answer_counted();
            if now.monotonic.0 >= sweep_at.0 {
                self.core.plan_collect(false);
                self.core.sweep(now.monotonic);
                let lost = self.punt.as_mut().map_or(0, Punt::take_dropped);
                self.core.balance(std::mem::take(&mut self.took), lost);
                sweep_at = Nanos(now.monotonic.0 + SWEEP_EVERY.as_nanos() as u64);
            }
        }
    }

    fn run_commands(&mut self) {
        // Read before the commands: one that is posted meanwhile wakes the thread again.
        let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        while let Ok(command) = self.commands.try_recv() {
            self.run_command(command);
        }
    }

    /// Runs the commands whose counters are complete.
    fn answer_counted(&mut self) {
        let looked_at = self.core.looked_at();
        while let Some((_, command)) = self.counted.pop_front_if(|(until, _)| *until <= looked_at) {
            self.run_command(command);
        }
    }

    fn run_command(&mut self, command: Command<S>) {
        // Who asked finds out by getting no answer.
        if panic::catch_unwind(AssertUnwindSafe(|| command(self))).is_err() {
            tracing::error!("a command made the engine panic");
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

/// How often idle flows are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
