//! What moves packets, behind one trait: the kernel path, the user-space path, or nothing at all.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use openvpc_pipeline::{EniIndex, FlowSink, Tables};

use crate::DatapathError;
use crate::details::Detail;
use crate::engine::{Engine, EngineCounters, SinkHandle, Uplink};
use crate::kernel::{self, FastMaps, FastPath, FastProgram, LiveFlow, Punt};
use crate::namespace::NetNs;
use crate::netlink::{LinkIndex, Wire};
use crate::packet_socket::PacketSocket;

/// Which path packets take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BackendKind {
    /// No packets: the API and the analysis only.
    None,
    /// The engine thread of this process.
    UserSpace,
    /// A program in the kernel, for all flows that the engine thread has judged.
    Kernel,
}

impl BackendKind {
    /// The kind in plain words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::UserSpace => "user space",
            Self::Kernel => "kernel",
        }
    }
}

/// A datapath: carries the packets of the links it is given, judged by the tables in force.
///
/// The links are those of the *fabric*, the namespace of their host ends; what the other ends are in is no concern of a
/// backend.
pub trait Backend: Send + Sync {
    /// Which path packets take.
    fn kind(&self) -> BackendKind;

    /// Puts tables in force: on return, no packet is judged by older ones. Tables older than those in force are left
    /// aside.
    ///
    /// # Errors
    /// When packets may still be judged by older tables.
    fn apply(&self, tables: Arc<Tables>) -> Result<(), DatapathError>;

    /// Takes the fabric in use, before any link of it is connected.
    ///
    /// # Errors
    /// When the kernel refuses something that this path can't do without.
    fn open(&self, fabric: &NetNs) -> Result<(), DatapathError>;

    /// Connects the link `wire` as that interface, in place of the one it had before.
    ///
    /// # Errors
    /// When the kernel refuses; the interface is then not connected.
    fn attach(&self, eni: EniIndex, fabric: &NetNs, wire: Wire) -> Result<(), DatapathError>;

    /// Disconnects an interface, if it is connected, from the link that it had.
    ///
    /// # Errors
    /// When its packets may still pass.
    fn detach(&self, eni: EniIndex, wire: LinkIndex) -> Result<(), DatapathError>;

    /// Connects the link `wire` as the internet.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn attach_internet(&self, uplink: Uplink, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError>;

    /// Connects the link `wire` as the link-local services.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn attach_services(&self, uplink: Uplink, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError>;

    /// Takes notice that every link of an earlier daemon that goes on is connected.
    ///
    /// # Errors
    /// When the engine has ended.
    fn adopted(&self) -> Result<(), DatapathError>;

    /// What was counted so far.
    ///
    /// # Errors
    /// When the counters can't be read.
    fn counters(&self) -> Result<EngineCounters, DatapathError>;

    /// The busiest flows, that many of them; none where flows are not told apart.
    fn live_flows(&self, limit: usize) -> Vec<LiveFlow>;

    /// What it says of itself beyond the counters, for `openvpc status datapath` and the metrics.
    fn details(&self) -> Vec<Detail> {
        Vec::new()
    }
}

/// The engine's thread, with or without a kernel tier below it.
pub struct EngineBackend<S> {
    engine: Engine<S>,
    kind: BackendKind,
    generation: Mutex<u64>,
    program: Option<FastProgram>,
    /// Handed to the engine together with the way up from the program.
    maps: Mutex<Option<FastMaps>>,
}

impl<S: FlowSink + 'static> EngineBackend<S> {
    /// Starts a backend of that kind for the daemon with that directory; `sink` lives in its thread. What the kernel tier
    /// pins goes with [`Machine::cleanup`](crate::machine::Machine::cleanup).
    ///
    /// # Errors
    /// When the machine doesn't give it, or the thread can't be started.
    pub fn of_kind(kind: BackendKind, dir: &Path, tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        match kind {
            BackendKind::None => Self::without_packets(tables, sink),
            BackendKind::UserSpace => Self::start(None, tables, sink),
            BackendKind::Kernel => Self::start(Some(kernel::load(dir)?), tables, sink),
        }
    }

    /// Starts the engine, above the kernel tier if there is one; `sink` lives in its thread.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub(crate) fn start(kernel: Option<(FastProgram, FastMaps)>, tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        let kind = if kernel.is_some() { BackendKind::Kernel } else { BackendKind::UserSpace };
        let (program, maps) = kernel.unzip();
        let generation = Mutex::new(tables.generation());
        Ok(Self { engine: Engine::start(tables, sink)?, kind, generation, program, maps: Mutex::new(maps) })
    }

    /// The backend of an API without packets: it holds the sink, whose windows close all the same, and gets no links.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub(crate) fn without_packets(tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        Ok(Self { kind: BackendKind::None, ..Self::start(None, tables, sink)? })
    }

    /// The sink inside.
    pub fn sink(&self) -> SinkHandle<S> {
        self.engine.sink()
    }

    /// A socket on a link: all that there is in user space, and the way out beside the kernel path.
    fn socket(&self, fabric: &NetNs, wire: LinkIndex) -> Result<PacketSocket, DatapathError> {
        match self.program {
            Some(_) => PacketSocket::open_to_send(fabric, wire),
            None => PacketSocket::open(fabric, wire),
        }
    }

    /// Puts the program in front of a link. Until the engine knows the link nothing passes.
    fn attach_program(&self, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError> {
        self.program.as_ref().map_or(Ok(()), |program| program.attach(fabric, wire))
    }

    fn detach_program(&self, wire: LinkIndex) {
        if let Some(program) = &self.program {
            program.detach(wire);
        }
    }
}

impl<S: FlowSink + 'static> Backend for EngineBackend<S> {
    fn kind(&self) -> BackendKind {
        self.kind
    }

    fn apply(&self, tables: Arc<Tables>) -> Result<(), DatapathError> {
        let mut generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.generation() > *generation {
            let newer = tables.generation();
            self.engine.swap(tables)?;
            *generation = newer;
        }
        Ok(())
    }

    fn open(&self, fabric: &NetNs) -> Result<(), DatapathError> {
        let maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner).take();
        match maps {
            Some(maps) => self.engine.set_fast_path(FastPath::new(maps)?, Punt::open(fabric)?),
            None => Ok(()),
        }
    }

    fn attach(&self, eni: EniIndex, fabric: &NetNs, wire: Wire) -> Result<(), DatapathError> {
        // The program first: with the engine's port the first packets arrive, and their answers must find it.
        self.attach_program(fabric, wire.index)?;
        let connected = self.socket(fabric, wire.index).and_then(|socket| self.engine.add_port(eni, wire, socket));
        connected.inspect_err(|_| self.detach_program(wire.index))
    }

    fn detach(&self, eni: EniIndex, wire: LinkIndex) -> Result<(), DatapathError> {
        self.detach_program(wire);
        self.engine.remove_port(eni)
    }

    fn attach_internet(&self, uplink: Uplink, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError> {
        self.attach_program(fabric, wire)?;
        let connected = self.socket(fabric, wire).and_then(|socket| self.engine.set_uplink(uplink, Wire::veth(wire), socket));
        connected.inspect_err(|_| self.detach_program(wire))
    }

    fn attach_services(&self, uplink: Uplink, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError> {
        self.attach_program(fabric, wire)?;
        let connected = self.socket(fabric, wire).and_then(|socket| self.engine.set_services(uplink, Wire::veth(wire), socket));
        connected.inspect_err(|_| self.detach_program(wire))
    }

    fn adopted(&self) -> Result<(), DatapathError> {
        self.engine.adopt()
    }

    fn counters(&self) -> Result<EngineCounters, DatapathError> {
        self.engine.counters()
    }

    fn live_flows(&self, limit: usize) -> Vec<LiveFlow> {
        self.engine.live_flows(limit).unwrap_or_default()
    }

    fn details(&self) -> Vec<Detail> {
        // An engine that has ended has nothing to say.
        self.engine.fast_details().unwrap_or_default()
    }
}
