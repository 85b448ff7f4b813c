//! The machine's side of a network: sandboxes for instances, links for interfaces, the lab internet, and the namespace of the
//! link-local services.
//!
//! # A reconciler
//! [`Machine::reconcile`] takes the whole network, never an event, and makes the machine fit it: launches what should
//! run and doesn't, stops what runs and shouldn't, changes links and addresses that differ. It may be called at any
//! time, any number of times, and after any failure: what could not be done is tried again by the next call, and a call
//! that finds nothing to do costs next to nothing: instances are looked at when something of theirs changed, and all of
//! them every few seconds. It decides nothing about states of instances; it reports what became of each ([`Report`]), and
//! the control plane moves states by that.
//!
//! # What is found again
//! Sandboxes and the fabric live on without the daemon (see [`crate::sandbox`]). The first reconcile after a start
//! adopts those of instances that should run, with their links as they are, and stops the rest. An instance that ran
//! when the daemon was last up and is not found was lost with the machine (a reboot, an orderly shutdown) and is
//! launched again; one that ends under our eyes ended by itself, is reported as [`Outcome::Exited`] and left alone.
//!
//! # What it doesn't undo
//! Root inside an instance may change addresses and routes there. Only what was declared and changed is changed again;
//! enforcement needs nothing of it.

mod bind;
mod exits;
mod firewall;
mod host;
mod internet;
mod links;
mod outside;
mod own_network;
mod plan;
mod services;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openvpc_model::{EniAttachmentId, EniId, Instance, InstanceId, InstanceState, Network};
use openvpc_pipeline::{FlowSink, Tables};

pub use self::bind::{BindError, BindingPlace, TAP_DESCRIPTOR};
use self::host::Host;
pub use self::internet::{InternetConfig, InternetMode, InternetState};
use crate::DatapathError;
use crate::backend::{Backend, BackendKind, EngineBackend};
use crate::details::Detail;
use crate::engine::{EngineCounters, SinkHandle};
use crate::kernel::{self, LiveFlow};
use crate::namespace::NetNs;
use crate::netlink::Netlink;
use crate::sandbox::{Fabric, Helper, ProcessRecord, Sandbox};

/// Where and how the machine's side is kept.
pub struct MachineConfig {
    /// Its directory, found again by the next daemon: see [`Machine::fabric_dir`] and [`Machine::instances_dir`].
    pub dir: PathBuf,
    /// Directories that instances must not see: the daemon's data.
    pub hidden: Vec<PathBuf>,
    /// Which path packets take. With [`BackendKind::None`] nothing is launched, and every instance counts as running.
    pub backend: BackendKind,
    /// Whether the user-space path will do where the kernel path was named, but the machine doesn't give it.
    pub or_user_space: bool,
    /// What lies behind the internet gateways.
    pub internet: InternetConfig,
    /// The program that knows the hidden commands.
    pub helper: Helper,
    /// Called, on a thread of its own, when a sandbox has ended: time for a reconcile.
    pub on_exit: Box<dyn Fn() + Send>,
}

/// What became of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The instance.
    pub instance: InstanceId,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was running, and ended by itself.
    Exited,
    /// It could not be started, and nothing of it remains; the text is for people.
    Failed(String),
    /// It was pending, and runs.
    Started,
    /// It was stopping or shutting down, and nothing of it runs.
    Stopped,
}

/// The sandboxes, links and datapath of this machine.
pub struct Machine {
    config: Config,
    backend: Arc<dyn Backend>,
    host: Option<Mutex<Host>>,
    no_kernel: Option<String>,
}

struct Config {
    dir: PathBuf,
    hidden: Vec<PathBuf>,
    helper: Helper,
    internet: InternetConfig,
}

impl Machine {
    /// Starts the datapath and finds what an earlier daemon left; instances are seen to by the first
    /// [`Machine::reconcile`]. The process must have the rights that [`crate::privileges::acquire`] gives.
    ///
    /// # Errors
    /// When something of the kernel is missing or refused. Nothing new remains then.
    pub fn start<S: FlowSink + 'static>(
        config: MachineConfig,
        tables: Arc<Tables>,
        sink: S,
    ) -> Result<(Self, SinkHandle<S>), DatapathError> {
        let MachineConfig { dir, hidden, backend, or_user_space, internet, helper, on_exit } = config;
        let (kernel, no_kernel) = match backend {
            BackendKind::Kernel => match kernel::load(&dir) {
                Err(error) if or_user_space => (None, Some(error.to_string())),
                loaded => (Some(loaded?), None),
            },
            BackendKind::UserSpace | BackendKind::None => (None, None),
        };
        let backend = match backend {
            BackendKind::None => EngineBackend::without_packets(tables, sink)?,
            BackendKind::UserSpace | BackendKind::Kernel => EngineBackend::start(kernel, tables, sink)?,
        };
        let sink = backend.sink();
        let backend: Arc<dyn Backend> = Arc::new(backend);
        let config = Config { dir, hidden, helper, internet };
        let host = match backend.kind() {
            BackendKind::None => None,
            BackendKind::UserSpace | BackendKind::Kernel => Some(Mutex::new(Host::open(&config, &*backend, on_exit)?)),
        };
        Ok((Self { config, backend, host, no_kernel }, sink))
    }

    /// Puts tables in force: on return, no packet is judged by older ones. Quick; for the path of a commit.
    ///
    /// # Errors
    /// When packets may still be judged by older tables.
    pub fn apply(&self, tables: Arc<Tables>) -> Result<(), DatapathError> {
        self.backend.apply(tables)
    }

    /// Makes the machine fit `network`, of which `tables` are compiled. Takes as long as it takes to start and stop
    /// what is to be started and stopped.
    ///
    /// # Errors
    /// When the tables can't be put in force or the fabric can't be read. What concerns one instance is a report.
    pub fn reconcile(&self, network: &Network, tables: &Arc<Tables>) -> Result<Vec<Report>, DatapathError> {
        self.backend.apply(Arc::clone(tables))?;
        match &self.host {
            Some(host) => lock(host).reconcile(&self.config, &*self.backend, network, tables),
            None => Ok(network.all::<Instance>().filter_map(|instance| without_packets(instance)).collect()),
        }
    }

    /// Stops an instance's sandbox and launches it again, as it was last reconciled.
    ///
    /// # Errors
    /// When it can't be stopped. An instance that doesn't come up again is a report.
    pub fn reboot(&self, instance: InstanceId) -> Result<Option<Report>, DatapathError> {
        match &self.host {
            Some(host) => lock(host).reboot(&self.config, &*self.backend, instance),
            None => Ok(None),
        }
    }

    /// Where a link is to be made for an interface that no instance has, as of the last reconcile. None when there is no
    /// such interface, or nothing is forwarded.
    pub fn binding_place(&self, eni: EniId) -> Option<BindingPlace> {
        lock(self.host.as_ref()?).binding_place(eni)
    }

    /// Whether somebody made a link for that interface.
    ///
    /// # Errors
    /// When the fabric can't be read.
    pub fn has_wire(&self, eni: EniId) -> Result<bool, DatapathError> {
        self.host.as_ref().map_or(Ok(false), |host| lock(host).has_wire(eni))
    }

    /// Whether packets pass for an interface that a virtual machine or a container has.
    pub fn is_connected_outside(&self, eni: EniId) -> bool {
        self.host.as_ref().is_some_and(|host| lock(host).outside().is_connected(eni))
    }

    /// The interfaces that a virtual machine or a container has, but whose link isn't there (any more).
    pub fn gone_outside(&self) -> Vec<(EniId, EniAttachmentId)> {
        self.host.as_ref().map_or_else(Vec::new, |host| lock(host).outside().gone().to_vec())
    }

    /// What a process needs to enter a running instance with [`crate::sandbox::exec`]. Doesn't wait for a reconcile under way.
    pub fn exec_target(&self, instance: InstanceId) -> Option<ProcessRecord> {
        let sandbox = Sandbox::find(&self.config.state_dir(instance)).ok()??;
        Some(sandbox.process().record().clone())
    }

    /// The lab internet's host: what a process needs to enter it, and its namespace, for listeners.
    pub fn internet(&self) -> Option<(ProcessRecord, NetNs)> {
        let sandbox = Sandbox::find(&Self::instances_dir(&self.config.dir).join(internet::NAME)).ok()??;
        Some((sandbox.process().record().clone(), sandbox.net_ns().ok()?))
    }

    /// How the internet is connected. None where nothing is forwarded.
    pub fn internet_state(&self) -> Option<InternetState> {
        Some(lock(self.host.as_ref()?).internet().state(&self.config))
    }

    /// The namespace in which the link-local services listen; see [`openvpc_pipeline::unmasked`] for who asks there. None where
    /// nothing is forwarded.
    pub fn services(&self) -> Option<NetNs> {
        Some(lock(self.host.as_ref()?).services().clone())
    }

    /// The last 64 KiB at most of what an instance wrote to its console.
    ///
    /// # Errors
    /// When its log can't be read.
    pub fn console_output(&self, instance: InstanceId) -> Result<Vec<u8>, DatapathError> {
        Sandbox::console_output(&self.config.state_dir(instance))
    }

    /// What the datapath counted.
    ///
    /// # Errors
    /// When the counters can't be read.
    pub fn counters(&self) -> Result<EngineCounters, DatapathError> {
        self.backend.counters()
    }

    /// What the datapath says of itself beyond the counters.
    pub fn details(&self) -> Vec<Detail> {
        self.backend.details()
    }

    /// The busiest flows, that many of them; none where flows are not told apart, as in user space.
    pub fn live_flows(&self, limit: usize) -> Vec<LiveFlow> {
        self.backend.live_flows(limit)
    }

    /// Which path packets take.
    pub fn backend(&self) -> BackendKind {
        self.backend.kind()
    }

    /// Why packets don't take the kernel path that was named first.
    pub fn why_no_kernel(&self) -> Option<&str> {
        self.no_kernel.as_deref()
    }

    /// Ends. With `keep_running`, instances and the internet stay for the next daemon, and packets rest until it is
    /// there; otherwise nothing of them remains but the instances' directories.
    ///
    /// # Errors
    /// When something could not be stopped.
    pub fn shutdown(self, keep_running: bool) -> Result<(), DatapathError> {
        match self.host {
            Some(host) if !keep_running => {
                let closed = host.into_inner().unwrap_or_else(PoisonError::into_inner).close(&self.config, &*self.backend);
                closed.and(kernel::unpin_all(&self.config.dir))
            }
            _ => Ok(()),
        }
    }

    /// Removes what a dead daemon left running in `dir`: processes, and with them namespaces, links and mounts.
    ///
    /// # Errors
    /// When something could not be stopped.
    pub fn cleanup(dir: &Path) -> Result<(), DatapathError> {
        let found = Sandbox::find_all(&Self::instances_dir(dir))?;
        let stopped = host::stop_all(found.iter().map(|(_, sandbox)| sandbox));
        if let Some(fabric) = Fabric::left_behind(&Self::fabric_dir(dir))? {
            outside::remove_wires(&mut Netlink::open(&fabric)?)?;
        }
        Fabric::close_left_behind(&Self::fabric_dir(dir))?;
        kernel::unpin_all(dir)?;
        internet::tidy(dir)?;
        stopped
    }

    /// Where the fabric is recorded.
    pub fn fabric_dir(dir: &Path) -> PathBuf {
        dir.join("fabric")
    }

    /// Where the state directories of instances are, each named by its id, and that of the lab internet.
    pub fn instances_dir(dir: &Path) -> PathBuf {
        dir.join("instances")
    }
}

impl Config {
    fn state_dir(&self, instance: InstanceId) -> PathBuf {
        Machine::instances_dir(&self.dir).join(instance.to_string())
    }
}

fn is_ending(state: InstanceState) -> bool {
    matches!(state, InstanceState::Stopping | InstanceState::ShuttingDown)
}

/// What is reported of an instance where nothing is launched.
fn without_packets(instance: &Instance) -> Option<Report> {
    let outcome = match instance.state {
        InstanceState::Pending => Outcome::Started,
        state if is_ending(state) => Outcome::Stopped,
        _ => return None,
    };
    Some(Report { instance: instance.id, outcome })
}

fn lock(host: &Mutex<Host>) -> MutexGuard<'_, Host> {
    // A reconcile that panicked left nothing that the next one doesn't look at again.
    host.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the processes of an instance have to end in an orderly way.
const PATIENCE: Duration = Duration::from_secs(3);
