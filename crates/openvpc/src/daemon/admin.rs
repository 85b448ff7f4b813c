//! The daemon's own questions: status, explanations, flow logs, reset.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::Stream;
use openvpc_control::{Caller, Control, Environment};
use openvpc_flowlogs::record::Record;
use openvpc_flowlogs::{FlowLogs, Format};
use openvpc_gateways::dns::Resolver;
use openvpc_gateways::s3;
use openvpc_model::{AccountId, Instance, InstanceId, InstanceState, Network, Owner, Region};
use openvpc_reach::Question;
use serde::Deserialize;
use serde_json::{Value, json};

use super::backup;
use super::enforcement::Enforcement;
use super::environment;
use super::gateways;
use super::not_forwarded::not_forwarded;
use super::observe::{drops_by_reason, drops_shown};

/// What the daemon's own paths work with.
pub struct Admin {
    /// The state.
    pub control: Arc<Control>,
    /// The machine.
    pub enforcement: Enforcement,
    /// Flow logs.
    pub flow_logs: FlowLogs,
    /// Buckets.
    pub objects: Arc<s3::ObjectStore>,
    /// The resolver.
    pub resolver: Arc<Resolver>,
    /// The account of callers whose access key is no account number.
    pub default_account: AccountId,
    /// Whether a reset is allowed.
    pub allow_reset: bool,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Why packets take the path they take.
    pub why: String,
    /// When the daemon began to serve.
    pub started: Instant,
}

/// Lines of a tail that may wait for a slow reader before it loses some.
const TAIL_BACKLOG: usize = 4096;

/// Why a question has no answer: an HTTP status and a sentence.
#[derive(Debug)]
pub struct AdminError {
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and what to do.
    pub message: String,
}

impl AdminError {
    pub(super) fn bad(message: impl ToString) -> Self {
        Self { status: 400, message: message.to_string() }
    }

    pub(super) fn internal(message: impl ToString) -> Self {
        Self { status: 500, message: message.to_string() }
    }
}

/// On whose behalf a question is asked.
pub struct Asker(Owner);

impl Asker {
    /// Account and region as the signature names them.
    ///
    /// # Errors
    /// When the header names no region that could be one.
    pub fn of(headers: &[(String, String)], default_account: AccountId) -> Result<Self, AdminError> {
        let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value.as_str());
        let credential = header.and_then(|header| header.split_once("Credential=")).map_or("", |(_, rest)| rest);
        let mut parts = credential.split([',', '/']);
        let account = parts.next().and_then(|key| key.trim().parse().ok()).unwrap_or(default_account);
        let region: Region = parts.nth(1).unwrap_or("us-east-1").parse().map_err(AdminError::bad)?;
        Ok(Self(Owner { account, region }))
    }
}

/// What `explain` is asked.
#[derive(Debug, Deserialize)]
struct ExplainQuestion {
    from: String,
    to: String,
    protocol: String,
    port: Option<u16>,
    source_port: Option<u16>,
}

impl Admin {
    /// The account of callers whose access key is no account number.
    pub fn default_account(&self) -> AccountId {
        self.default_account
    }

    /// Whether it lives.
    pub fn health(&self) -> Value {
        let backend = self.enforcement.machine(|machine| machine.backend().as_str());
        json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "datapath": backend })
    }

    /// What runs, and in which tier.
    pub fn status(&self) -> Value {
        let network = self.control.snapshot();
        let counters = self.enforcement.counters();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data_dir": self.data_dir,
            "datapath": {
                "backend": self.enforcement.machine(|machine| machine.backend().as_str()),
                "why": self.why,
                "drops": drops_shown(&drops_by_reason(&counters)),
                "overruns": counters.overruns,
            },
            "names": {
                "upstream": self.resolver.upstream().servers(),
                "outcomes": self.resolver.counters().by_outcome(),
            },
            "internet": self.enforcement.machine(|machine| machine.internet_state()).flatten(),
            "resources": {
                "vpcs": network.vpcs.size(),
                "subnets": network.subnets.size(),
                "interfaces": network.enis.size(),
                "instances": network.instances.size(),
                "flow logs": network.flow_logs.size(),
            },
            "instances": network.all::<Instance>().filter(|i| i.state != InstanceState::Terminated).map(|i| shown(&network, i)).collect::<Vec<_>>(),
            "gateways": gateways::shown(&counters),
            "not_forwarded": not_forwarded(&network),
        })
    }

    /// Says whether X reaches Y.
    ///
    /// # Errors
    /// When the question can't be understood.
    pub fn explain(&self, asker: &Asker, question: &Value) -> Result<Value, AdminError> {
        let asked: ExplainQuestion = Deserialize::deserialize(question).map_err(AdminError::bad)?;
        let network = self.control.view(&Caller { owner: asker.0.clone() }).map_err(AdminError::internal)?;
        let ExplainQuestion { from, to, protocol, port, source_port } = &asked;
        let question = Question::parse(&network, &asker.0, from, to, protocol, *port, *source_port).map_err(AdminError::bad)?;
        let explanation = openvpc_reach::explain(&network, &self.enforcement.tables(), &question).map_err(AdminError::bad)?;
        serde_json::to_value(explanation).map_err(AdminError::internal)
    }

    /// What a process needs to enter an instance, or the lab internet.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn exec_target(&self, name: &str) -> Result<Value, AdminError> {
        let target = if name == "internet" {
            let state = self.enforcement.machine(|machine| machine.internet_state()).flatten();
            if let Some(state) = state.filter(|state| state.mode != "lab") {
                let message = format!("there is no lab internet: this daemon runs with --internet {}", state.mode);
                return Err(AdminError { status: 409, message });
            }
            self.enforcement.machine(|machine| machine.internet()).flatten().map(|(target, _)| target)
        } else {
            let id: InstanceId = name.parse().map_err(|error| AdminError::bad(format!("{error}; or name `internet`")))?;
            let Some(instance) = self.control.snapshot().get::<Instance>(&id).cloned() else {
                return Err(AdminError { status: 404, message: format!("the instance {id} does not exist") });
            };
            if instance.state != InstanceState::Running {
                return Err(AdminError { status: 409, message: format!("the instance {id} is {}", instance.state.as_str()) });
            }
            self.enforcement.machine(|machine| machine.exec_target(id)).flatten()
        };
        let target = target.ok_or_else(|| AdminError {
            status: 409,
            message: format!("{name} has no sandbox: this daemon forwards no packets, or it just ended"),
        })?;
        serde_json::to_value(target).map_err(AdminError::internal)
    }

    /// Closes the open windows and delivers. Records whose bucket can't be written stay, and are named as failures.
    ///
    /// # Errors
    /// None; the form is that of the other questions.
    pub fn flush(&self) -> Result<Value, AdminError> {
        // Counters are read between two batches of frames, so what was received before this is counted before the flush.
        self.enforcement.counters();
        let delivered = self.flow_logs.flush(environment::Machine.now());
        let records: usize = delivered.files.iter().map(|file| file.records).sum();
        let failures: serde_json::Map<_, _> =
            delivered.failures.iter().map(|(id, reason)| (id.to_string(), (*reason).into())).collect();
        Ok(json!({ "records": records, "objects": delivered.files.len(), "failures": failures }))
    }

    /// Answers SQL.
    ///
    /// # Errors
    /// When it isn't a question that can be answered.
    pub fn query(&self, question: &Value) -> Result<Value, AdminError> {
        let sql = question["sql"].as_str().ok_or_else(|| AdminError::bad("the question has no \"sql\""))?;
        self.enforcement.counters();
        let answer = self.flow_logs.query(sql).map_err(AdminError::bad)?;
        serde_json::to_value(answer).map_err(AdminError::internal)
    }

    /// Records as they come, a line of JSON each, for as long as somebody reads.
    pub fn tail(&self) -> impl Stream<Item = Result<String, Infallible>> + Send + use<> {
        let (sender, receiver) = tokio::sync::mpsc::channel(TAIL_BACKLOG);
        let services = self.flow_logs.services().clone();
        self.flow_logs.watch(move |records| {
            for record in records {
                let line = record_line(record, &services);
                // A reader that is too slow misses records; one that is gone ends the watch.
                if let Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) = sender.try_send(line) {
                    return false;
                }
            }
            !sender.is_closed()
        });
        futures_util::stream::unfold(receiver, |mut receiver| async move {
            let line = receiver.recv().await?;
            Some((Ok(line), receiver))
        })
    }

    /// A backup as it is written. What was counted of flows before is delivered first, so that it is in the buckets.
    ///
    /// A failure on the way cuts the backup off, which its reader notices.
    pub fn backup(&self) -> impl Stream<Item = Result<Vec<u8>, std::io::Error>> + Send + use<> {
        self.enforcement.counters();
        self.flow_logs.flush(environment::Machine.now());
        let (sender, receiver) = tokio::sync::mpsc::channel(8);
        let (network, objects) = (self.control.snapshot(), Arc::clone(&self.objects));
        std::thread::spawn(move || {
            let out = std::io::BufWriter::with_capacity(64 << 10, Parts(sender.clone()));
            if let Err(error) = backup::write(out, &network, &objects, environment::Machine.now()) {
                tracing::error!(%error, "a backup was not finished");
                // A reader that went away doesn't hear of it, and needn't.
                let _ = sender.blocking_send(Err(error));
            }
        });
        futures_util::stream::unfold(receiver, |mut receiver| async move {
            let part = receiver.recv().await?;
            Some((part, receiver))
        })
    }

    /// Puts a backup in the place of everything: the state in one change, then the buckets one after the other.
    ///
    /// # Errors
    /// When the backup can't be read, and then nothing was changed; when the store or the disk fails.
    pub fn restore(&self, file: &[u8]) -> Result<Value, AdminError> {
        let (network, counts) = backup::read(file).map_err(AdminError::bad)?;
        self.control.replace(network).map_err(AdminError::internal)?;
        self.enforcement.reconcile(&self.control.snapshot());
        self.flow_logs.reset(environment::Machine.now());
        backup::restore_objects(file, &self.objects).map_err(AdminError::internal)?;
        self.enforcement.waker().wake();
        serde_json::to_value(counts).map_err(AdminError::internal)
    }

    /// Removes everything, in all accounts and regions.
    ///
    /// # Errors
    /// When it isn't allowed, or fails.
    pub fn reset(&self) -> Result<Value, AdminError> {
        if !self.allow_reset {
            return Err(AdminError { status: 403, message: "start the daemon with --allow-reset to allow this".to_owned() });
        }
        self.control.reset().map_err(AdminError::internal)?;
        self.enforcement.reconcile(&self.control.snapshot());
        self.flow_logs.reset(environment::Machine.now());
        self.objects.clear().map_err(AdminError::internal)?;
        Ok(json!({ "status": "OK" }))
    }
}

/// Sends what is written in parts.
struct Parts(tokio::sync::mpsc::Sender<Result<Vec<u8>, std::io::Error>>);

impl std::io::Write for Parts {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Ok(part.to_vec())).map(|()| part.len()).map_err(gone)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A request's body as JSON.
///
/// # Errors
/// When it isn't.
pub fn json_body(body: &[u8]) -> Result<Value, AdminError> {
    serde_json::from_slice(body).map_err(|error| AdminError::bad(format!("the request isn't JSON: {error}")))
}

fn shown(network: &Network, instance: &Instance) -> Value {
    let addresses: Vec<String> =
        network.enis_of(instance.id).iter().flat_map(|eni| eni.addresses().map(|a| a.to_string()).collect::<Vec<_>>()).collect();
    json!({ "id": instance.id.to_string(), "state": instance.state.as_str(), "addresses": addresses })
}

fn record_line(record: &Record, services: &openvpc_flowlogs::service_prefixes::ServicePrefixes) -> String {
    let format = Format::version_5();
    let members = format.fields().iter().map(|field| {
        let value = record.value(*field, &format, services).map_or(Value::Null, |value| match value {
            openvpc_flowlogs::record::Value::Number(number) => number.into(),
            other => other.to_string().into(),
        });
        (field.column(), value)
    });
    format!("{}\n", Value::Object(members.collect()))
}
