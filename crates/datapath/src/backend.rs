//! What moves packets, behind one trait: the user-space path, nothing at all, and later the kernel path.

use std::sync::{Arc, Mutex, PoisonError};

use openvpc_pipeline::{EniIndex, FlowSink, Tables};

use crate::DatapathError;
use crate::details::Detail;
use crate::engine::{Engine, EngineCounters, SinkHandle, Uplink};
use crate::namespace::NetNs;
use crate::netlink::LinkIndex;
use crate::packet_socket::PacketSocket;

/// Which path packets take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BackendKind {
    /// No packets: the API and the analysis only.
    None,
    /// The engine thread of this process.
    UserSpace,
}

impl BackendKind {
    /// The kind in plain words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::UserSpace => "user space",
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

    /// Connects the link `wire` as that interface, in place of the one it had before.
    ///
    /// # Errors
    /// When the kernel refuses; the interface is then not connected.
    fn attach(&self, eni: EniIndex, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError>;

    /// Disconnects an interface, if it is connected.
    ///
    /// # Errors
    /// When its packets may still pass.
    fn detach(&self, eni: EniIndex) -> Result<(), DatapathError>;

    /// Connects the link `wire` as the internet.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn attach_internet(&self, uplink: Uplink, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError>;

    /// What was counted so far.
    ///
    /// # Errors
    /// When the counters can't be read.
    fn counters(&self) -> Result<EngineCounters, DatapathError>;

    /// What it says of itself beyond the counters, for `openvpc status datapath` and the metrics.
    fn details(&self) -> Vec<Detail> {
        Vec::new()
    }
}

/// The user-space path.
pub struct UserSpace<S> {
    engine: Engine<S>,
    kind: BackendKind,
    generation: Mutex<u64>,
}

impl<S: FlowSink + 'static> UserSpace<S> {
    /// Starts the engine; `sink` lives in its thread.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        Self::of_kind(BackendKind::UserSpace, tables, sink)
    }

    /// The backend of an API without packets: it holds the sink, whose windows close all the same, and gets no links.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn without_packets(tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        Self::of_kind(BackendKind::None, tables, sink)
    }

    fn of_kind(kind: BackendKind, tables: Arc<Tables>, sink: S) -> Result<Self, DatapathError> {
        let generation = Mutex::new(tables.generation());
        Ok(Self { engine: Engine::start(tables, sink)?, kind, generation })
    }

    /// The sink inside.
    pub fn sink(&self) -> SinkHandle<S> {
        self.engine.sink()
    }
}

impl<S: FlowSink + 'static> Backend for UserSpace<S> {
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

    fn attach(&self, eni: EniIndex, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError> {
        self.engine.add_port(eni, PacketSocket::open(fabric, wire)?)
    }

    fn detach(&self, eni: EniIndex) -> Result<(), DatapathError> {
        self.engine.remove_port(eni)
    }

    fn attach_internet(&self, uplink: Uplink, fabric: &NetNs, wire: LinkIndex) -> Result<(), DatapathError> {
        self.engine.set_uplink(uplink, PacketSocket::open(fabric, wire)?)
    }

    fn counters(&self) -> Result<EngineCounters, DatapathError> {
        self.engine.counters()
    }
}
