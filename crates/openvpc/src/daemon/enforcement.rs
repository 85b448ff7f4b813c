//! Putting a snapshot in force: compile what changed, swap the engine's tables, tell the flow logs and the reconciler.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openvpc_control::{Enforcer, Environment};
use openvpc_datapath::DatapathError;
use openvpc_datapath::backend::BackendKind;
use openvpc_datapath::engine::EngineCounters;
use openvpc_datapath::machine::{Machine, MachineConfig, Report};
use openvpc_flowlogs::FlowLogs;
use openvpc_gateways::s3;
use openvpc_model::Network;
use openvpc_pipeline::{Tables, compile};

use super::environment;

/// The machine and the tables it judges packets by. Clones are handles to the same one.
#[derive(Clone)]
pub struct Enforcement(Arc<Shared>);

struct Shared {
    /// Taken out when the daemon ends.
    machine: Mutex<Option<Arc<Machine>>>,
    tables: Mutex<Compiled>,
    /// Whether packets are judged at all; without, tables are only compiled for who asks for them.
    judges: bool,
    flow_logs: FlowLogs,
    wake: Wake,
}

/// A network and its tables.
struct Compiled {
    network: Arc<Network>,
    /// The tables of `network`, or of one before it while `stale`.
    tables: Arc<Tables>,
    stale: bool,
}

impl Compiled {
    fn up_to_date(&mut self) -> Arc<Tables> {
        if self.stale {
            self.tables = Arc::new(compile(&self.network, Some(&self.tables)));
            self.stale = false;
        }
        Arc::clone(&self.tables)
    }
}

impl Enforcement {
    /// Starts the machine with nothing in force.
    ///
    /// # Errors
    /// When the machine can't be started; nothing of it remains then.
    pub fn start(config: MachineConfig, flow_logs: FlowLogs, wake: Wake) -> Result<Self, DatapathError> {
        let network = Arc::new(Network::default());
        let tables = Arc::new(compile(&network, None));
        let judges = config.backend != BackendKind::None;
        let (machine, _) = Machine::start(config, Arc::clone(&tables), flow_logs.clone())?;
        let machine = Mutex::new(Some(Arc::new(machine)));
        let tables = Mutex::new(Compiled { network, tables, stale: false });
        Ok(Self(Arc::new(Shared { machine, tables, judges, flow_logs, wake })))
    }

    /// Runs a question on the machine; none once the daemon ends.
    pub fn machine<T>(&self, question: impl FnOnce(&Machine) -> T) -> Option<T> {
        let machine = lock(&self.0.machine).clone();
        machine.map(|machine| question(&machine))
    }

    /// Makes the machine fit the network.
    pub fn reconcile(&self, network: &Network) -> Vec<Report> {
        let tables = if self.0.judges { self.tables() } else { Arc::clone(&lock(&self.0.tables).tables) };
        match self.machine(|machine| machine.reconcile(network, &tables)) {
            Some(Ok(reports)) => reports,
            Some(Err(error)) => {
                tracing::error!(%error, "the machine can't be made to fit the network; trying again");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The tables in force.
    pub fn tables(&self) -> Arc<Tables> {
        lock(&self.0.tables).up_to_date()
    }

    /// The flow logs that the machine counts for.
    pub fn flow_logs(&self) -> &FlowLogs {
        &self.0.flow_logs
    }

    /// What the engine counted.
    pub fn counters(&self) -> EngineCounters {
        self.machine(|machine| machine.counters().ok()).flatten().unwrap_or_default()
    }

    /// What the reconciler sleeps on.
    pub fn waker(&self) -> &Wake {
        &self.0.wake
    }

    /// Ends the machine; with `keep_running`, instances go on without it.
    ///
    /// # Errors
    /// When something could not be stopped.
    pub fn shutdown(&self, keep_running: bool) -> Result<(), DatapathError> {
        let Some(mut machine) = lock(&self.0.machine).take() else {
            return Ok(());
        };
        // Requests that were under way when the server stopped may hold it for a moment yet.
        loop {
            match Arc::try_unwrap(machine) {
                Ok(machine) => return machine.shutdown(keep_running),
                Err(held) => machine = held,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Enforcer for Enforcement {
    fn enforce(&self, network: &Arc<Network>) -> Result<(), String> {
        let (before, compiled) = {
            let mut compiled = lock(&self.0.tables);
            let before = std::mem::replace(&mut compiled.network, Arc::clone(network));
            compiled.stale = true;
            (before, self.0.judges.then(|| compiled.up_to_date()))
        };
        let applied = compiled.map_or(Ok(()), |tables| self.machine(|machine| machine.apply(tables)).unwrap_or(Ok(())));
        let observed = !network.flow_logs.is_same(&before.flow_logs) || self.0.judges;
        if observed {
            self.0.flow_logs.sync(network, environment::Machine.now());
        }
        // Without packets all there is to do is to move instances on.
        if self.0.judges || !network.instances.is_same(&before.instances) {
            self.0.wake.wake();
        }
        applied.map_err(|error| error.to_string())
    }
}

/// Wakes a thread that waits for work.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<(Mutex<bool>, Condvar)>);

impl Wake {
    /// Says that there is work.
    pub fn wake(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    /// Waits until there is work, or for a while.
    pub fn wait(&self, patience: Duration) {
        let waiting = self.0.1.wait_timeout_while(lock(&self.0.0), patience, |work| !*work);
        *waiting.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// The object store as flow logs write and read it.
pub struct Bucket(pub Arc<s3::ObjectStore>);

impl openvpc_flowlogs::ObjectStore for Bucket {
    fn bucket_exists(&self, bucket: &str) -> bool {
        self.0.bucket_exists(bucket)
    }

    fn put(&self, bucket: &str, key: &str, body: &[u8]) -> io::Result<()> {
        self.0.put(bucket, key, body, s3::Attributes::default()).map_err(io::Error::from)
    }

    fn get(&self, bucket: &str, key: &str) -> io::Result<Vec<u8>> {
        self.0.get(bucket, key).map_err(io::Error::from)
    }

    fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<String>> {
        self.0.list(bucket, prefix).map_err(io::Error::from)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each of these is replaced whole; a panic elsewhere leaves the last whole value.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
