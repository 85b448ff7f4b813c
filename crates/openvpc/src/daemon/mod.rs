//! `openvpc up`: the parts of openvpc wired into one process.
//!
//! Start-up takes what can fail for the user's reasons first (the address, the data directory, the machine's rights),
//! before anything is made on the machine, so that a failed start leaves nothing behind. Everything that runs afterwards
//! hangs on four threads: the engine (in `datapath`), the reconciler and the flow-log clock (here), and the HTTP server.

mod admin;
mod attach;
pub mod backup;
mod enforcement;
mod environment;
mod fallback;
mod gateways;
mod host;
mod http;
mod keys;
mod link_local;
mod metrics;
mod names;
mod not_forwarded;
mod observe;
mod options;
mod reconcile;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use openvpc_api::Api;
use openvpc_api::auth::Gate;
use openvpc_control::{Control, Environment};
use openvpc_datapath::backend::BackendKind;
use openvpc_datapath::machine::{InternetConfig, InternetMode, Machine, MachineConfig};
use openvpc_datapath::privileges::{self, Standing};
use openvpc_datapath::sandbox::Helper;
use openvpc_flowlogs::FlowLogs;
use openvpc_flowlogs::service_prefixes::ServicePrefixes;
use openvpc_gateways::dns::{Resolver, Upstream};
use openvpc_gateways::s3;
use openvpc_model::AccountId;
use openvpc_store::DurableStore;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Failure;
use admin::Admin;
use enforcement::{Enforcement, Wake};
use fallback::Fallback;
use host::DaemonHost;
use http::Services;
use keys::StoreKeys;
use metrics::ObjectRequests;
use reconcile::Reconciler;

use options::Datapath;
pub use options::UpOptions;

/// The lab internet's addresses, where its HTTP server listens.
const LAB_INTERNET: [&str; 2] = ["198.51.100.10:80", "[2001:db8:ffff::10]:80"];

/// Runs the daemon until it is told to end.
pub fn up(options: UpOptions, default_account: &str) -> Result<ExitCode, Failure> {
    start_log();
    let default_account = default_account.parse().map_err(|error| Failure::new(format!("--account: {error}")))?;
    let quotas = options.quotas()?;
    let (internet, pools) = options.internet()?;
    let fallback = options.fallback_endpoint.as_deref().map(Fallback::new).transpose()?;
    let listener = listen(options.listen)?;
    let data_dir = make_data_dir(options.data_dir())?;
    let store = DurableStore::open(&data_dir.join("state.redb")).map_err(|error| {
        Failure::new(format!("{error}; name another directory with --data-dir, unless another daemon only has to end first"))
    })?;
    let objects = s3::ObjectStore::open(&data_dir.join("s3"));
    let objects = Arc::new(objects.map_err(|error| Failure::new(format!("{}: {error}", data_dir.join("s3").display())))?);
    let machine_dir = machine_dir(&data_dir);
    let (backend, why) = choose_backend(options.datapath, &machine_dir)?;
    refuse_internet(&internet, backend)?;

    let flow_logs = FlowLogs::new(Arc::new(enforcement::Bucket(Arc::clone(&objects))), ServicePrefixes::default());
    let wake = Wake::default();
    let on_exit = wake.clone();
    let config = MachineConfig {
        dir: machine_dir,
        hidden: vec![data_dir.clone()],
        backend,
        or_user_space: options.datapath == Datapath::Auto,
        internet,
        helper: Helper::current(),
        on_exit: Box::new(move || on_exit.wake()),
    };
    let enforcement = Enforcement::start(config, flow_logs.clone(), wake).map_err(|error| Failure::new(error.to_string()))?;
    let control = Control::open(Box::new(store), Box::new(enforcement.clone()), Box::new(environment::WithPools(pools)), quotas);
    let control = match control {
        Ok(control) => Arc::new(control),
        Err(error) => {
            // What the machine had started goes again; the error to tell is the first one.
            enforcement.shutdown(false).ok();
            return Err(Failure::new(format!("{error}; name another directory with --data-dir, or move the file away")));
        }
    };
    let daemon = Daemon { control, enforcement, flow_logs, objects, default_account, options, data_dir, why, fallback };
    daemon.run(listener)
}

/// The machine's wall clock.
pub fn now() -> openvpc_model::UnixMillis {
    environment::Machine.now()
}

/// Removes what a dead daemon left on this machine: processes, namespaces, links.
pub fn cleanup(data_dir: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let data_dir = data_dir.unwrap_or_else(options::default_data_dir);
    let dir = machine_dir(&data_dir);
    if !dir.exists() {
        println!("nothing was left in {}", data_dir.display());
        return Ok(ExitCode::SUCCESS);
    }
    let _unused = DurableStore::open(&data_dir.join("state.redb"))
        .map_err(|error| Failure::new(format!("a daemon still uses {} ({error}); stop it first", data_dir.display())))?;
    privileges::acquire(&Machine::fabric_dir(&dir), &Machine::instances_dir(&dir))
        .map_err(|error| Failure::new(error.to_string()))?;
    Machine::cleanup(&dir).map_err(|error| Failure::new(error.to_string()))?;
    println!("removed what a daemon had left running for {}", data_dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Everything that runs.
pub struct Daemon {
    control: Arc<Control>,
    enforcement: Enforcement,
    flow_logs: FlowLogs,
    objects: Arc<s3::ObjectStore>,
    default_account: AccountId,
    options: UpOptions,
    data_dir: PathBuf,
    why: String,
    fallback: Option<Fallback>,
}

impl Daemon {
    fn run(self, listener: TcpListener) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("the HTTP server can't be started: {error}")))?;
        let reconciler = Reconciler::start(Arc::clone(&self.control), self.enforcement.clone());
        let clock = reconcile::tick_flow_logs(self.flow_logs.clone());
        let host = DaemonHost::new(self.enforcement.clone(), Arc::clone(&self.objects), Arc::clone(&self.control));
        let gate = Arc::new(Gate::new(self.default_account, !self.options.listen.ip().is_loopback()));
        let resolver = Arc::new(Resolver::new(Upstream::new(self.options.name_servers())));
        let services = Services {
            api: Api::new(Arc::clone(&self.control), Arc::new(host), Arc::clone(&gate)),
            admin: Admin {
                control: Arc::clone(&self.control),
                enforcement: self.enforcement.clone(),
                flow_logs: self.flow_logs.clone(),
                objects: Arc::clone(&self.objects),
                resolver: Arc::clone(&resolver),
                default_account: self.default_account,
                allow_reset: self.options.allow_reset,
                data_dir: self.data_dir.clone(),
                why: self.why.clone(),
                started: Instant::now(),
            },
            s3: s3::S3::new(Arc::clone(&self.objects), Arc::new(StoreKeys { control: Arc::clone(&self.control), gate })),
            object_requests: ObjectRequests::default(),
            fallback: self.fallback,
        };
        let served = runtime.block_on(serve(listener, services, &self.enforcement, &self.control, &resolver));
        // Requests under way are done; what comes now is answered by nobody.
        runtime.shutdown_background();
        reconciler.stop();
        clock.stop();
        self.flow_logs.flush(environment::Machine.now());
        let ended = self.enforcement.shutdown(self.options.keep_running);
        if let Err(error) = self.control.checkpoint() {
            tracing::warn!(%error, "the next start has to read the log");
        }
        served?;
        ended.map_err(|error| Failure::new(error.to_string()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Serves until a signal says to stop.
async fn serve(
    listener: TcpListener,
    services: Services,
    enforcement: &Enforcement,
    control: &Arc<Control>,
    resolver: &Arc<Resolver>,
) -> Result<(), Failure> {
    let failure = |error: std::io::Error| Failure::new(format!("the HTTP server failed: {error}"));
    let address = listener.local_addr().map_err(failure)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failure)?;
    for page in lab_internet(enforcement)? {
        tokio::spawn(openvpc_gateways::internet::serve(page));
    }
    names::serve_internet(resolver, enforcement)?;
    link_local::serve(enforcement, control, resolver)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(failure)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failure)?;
    let told = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    announce(address);
    let router = http::router(Arc::new(services)).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, router);
    tokio::select! {
        outcome = server => outcome.map_err(failure),
        () = told => Ok(()),
    }
}

/// Says that requests are answered from now on: the line that scripts wait for.
fn announce(address: SocketAddr) {
    println!("openvpc ready: http://{address}");
    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().flush();
}

/// The listeners of the lab internet's HTTP server.
fn lab_internet(enforcement: &Enforcement) -> Result<Vec<TcpListener>, Failure> {
    let Some((_, namespace)) = enforcement.machine(|machine| machine.internet()).flatten() else {
        return Ok(Vec::new());
    };
    let listeners = namespace.within(|| LAB_INTERNET.iter().map(TcpListener::bind).collect::<Result<Vec<_>, _>>());
    let listeners = listeners.map_err(|error| Failure::new(error.to_string()))?;
    listeners.map_err(|error| Failure::new(format!("the lab internet's HTTP server can't listen: {error}")))
}

fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let failure = |error: std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => "something else listens there; name another address with --listen, or stop it",
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address; name one it has with --listen",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need root; name a higher one with --listen",
            _ => "name another address with --listen",
        };
        Failure::new(format!("{address} can't be listened on: {error}: {remedy}"))
    };
    let listener = TcpListener::bind(address).map_err(failure)?;
    listener.set_nonblocking(true).map_err(failure)?;
    Ok(listener)
}

fn make_data_dir(data_dir: PathBuf) -> Result<PathBuf, Failure> {
    let failure = |error: std::io::Error| {
        Failure::new(format!("the data directory {} can't be used: {error}; name another with --data-dir", data_dir.display()))
    };
    std::fs::create_dir_all(&data_dir).map_err(failure)?;
    data_dir.canonicalize().map_err(failure)
}

/// Where the machine's side of a daemon is kept.
fn machine_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("machine")
}

/// The path that packets take, and why it is that one.
fn choose_backend(datapath: Datapath, machine_dir: &Path) -> Result<(BackendKind, String), Failure> {
    if datapath == Datapath::None {
        return Ok((BackendKind::None, "asked for with --datapath none".to_owned()));
    }
    let standing = privileges::acquire(&Machine::fabric_dir(machine_dir), &Machine::instances_dir(machine_dir));
    match standing {
        Ok(Standing::Root) if datapath != Datapath::Rootless => Ok((BackendKind::Kernel, "as root".to_owned())),
        Ok(Standing::Rootless) if datapath == Datapath::Kernel => {
            Err(Failure::new("the kernel path needs root; use --datapath auto, which forwards in user space without"))
        }
        Ok(Standing::Root) => Ok((BackendKind::UserSpace, "as root".to_owned())),
        Ok(Standing::Rootless) => Ok((BackendKind::UserSpace, "in an unprivileged user namespace".to_owned())),
        Err(error) => Err(Failure::new(format!("{error}; or run the API without packets: --datapath none"))),
    }
}

/// The machine's own network is root's.
fn refuse_internet(internet: &InternetConfig, backend: BackendKind) -> Result<(), Failure> {
    let name = match internet.mode {
        InternetMode::Lab => return Ok(()),
        InternetMode::Host => "host",
        InternetMode::Routed { .. } => "routed",
    };
    if backend == BackendKind::None {
        return Err(Failure::new(format!(
            "--internet {name} carries packets, and --datapath none carries none; leave one of them out"
        )));
    }
    match Standing::current() {
        Standing::Root => Ok(()),
        Standing::Rootless => Err(Failure::new(format!(
            "--internet {name} changes the machine's own network, which needs root: run as root, or stay with --internet lab"
        ))),
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("OPENVPC_LOG").unwrap_or_else(|_| "warn,s3s=off".into());
    // Only a second daemon in the same process could have set one before.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
