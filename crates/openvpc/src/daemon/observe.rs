//! What the daemon shows of its datapath: for `status datapath`, `top`, `capture` and the metrics.

use std::collections::BTreeMap;

use openvpc_datapath::backend::BackendKind;
use openvpc_datapath::details::{Detail, Reading};
use openvpc_datapath::engine::{EngineCounters, PortCounters, PortId, Traffic};
use openvpc_datapath::privileges::Standing;
use openvpc_datapath::sandbox::ProcessRecord;
use openvpc_model::{EniId, Instance, InstanceState, NetworkInterface};
use openvpc_pipeline::{HeaderView, Transport};
use serde_json::{Value, json};

use super::admin::{Admin, AdminError};
use super::gateways;

/// How many live flows are told.
const LIVE_FLOWS: usize = 200;

/// The name of the lab internet, where interfaces and instances are named.
pub const INTERNET: &str = "internet";

/// What passed one interface, or the internet, and whose it is.
pub struct Seen {
    /// The interface; none for the internet.
    pub interface: Option<std::sync::Arc<NetworkInterface>>,
    /// What passed.
    pub counters: PortCounters,
}

impl Seen {
    /// Its name in labels and tables.
    pub fn name(&self) -> String {
        self.interface.as_ref().map_or_else(|| INTERNET.to_owned(), |eni| eni.id.to_string())
    }

    /// The instance that carries it.
    pub fn instance(&self) -> Option<String> {
        Some(self.interface.as_ref()?.attachment.as_ref()?.instance.to_string())
    }

    /// Its primary address.
    pub fn address(&self) -> Option<String> {
        Some(self.interface.as_ref()?.addresses().next()?.to_string())
    }
}

impl Admin {
    /// Which path packets take: `kernel`, `user space`, `rootless` or `none`.
    pub fn tier(&self) -> &'static str {
        match self.enforcement.machine(|machine| machine.backend()) {
            Some(BackendKind::UserSpace) if Standing::current() == Standing::Rootless => "rootless",
            kind => kind.unwrap_or(BackendKind::None).as_str(),
        }
    }

    /// The datapath as a whole.
    pub fn datapath(&self) -> Value {
        let counters = self.enforcement.counters();
        let details = self.enforcement.machine(|machine| machine.details()).unwrap_or_default();
        json!({
            "tier": self.tier(),
            "why": self.why,
            "connected_interfaces": counters.connected,
            "internet": counters.uplink.is_some(),
            "tracked_flows": counters.tracked_flows,
            "mapped_flows": counters.mappings,
            "gateways": gateways::shown(&counters),
            "overruns": counters.overruns,
            "unusable": counters.unusable,
            "drops": drops_shown(&drops_by_reason(&counters)),
            "details": details.iter().map(detail).collect::<Vec<_>>(),
        })
    }

    /// What passed each interface so far, and when that was read, in seconds of a clock that never jumps.
    pub fn interfaces(&self) -> Value {
        let counters = self.enforcement.counters();
        let at = self.started.elapsed().as_secs_f64();
        let mut flows = self.live_flows();
        let traffic = |traffic: &Traffic| json!({ "frames": traffic.frames, "packets": traffic.packets, "bytes": traffic.bytes });
        let interfaces = self.seen(&counters).into_iter().map(|seen| {
            json!({
                "interface": seen.name(),
                "instance": seen.instance(),
                "address": seen.address(),
                "in": traffic(&seen.counters.sent),
                "out": traffic(&seen.counters.received),
                "drops": drops_shown(&seen.counters.drops.iter().map(|(reason, packets)| (reason.as_str(), packets)).collect()),
                "flows": flows.remove(&seen.interface.as_ref().map(|eni| eni.id)).unwrap_or_default(),
            })
        });
        json!({ "at": at, "interfaces": interfaces.collect::<Vec<_>>() })
    }

    /// The busiest flows by the interface that sends them, or by none for the internet.
    fn live_flows(&self) -> BTreeMap<Option<EniId>, Vec<Value>> {
        let tables = self.enforcement.tables();
        let mut flows = BTreeMap::<_, Vec<_>>::new();
        for flow in self.enforcement.machine(|machine| machine.live_flows(LIVE_FLOWS)).unwrap_or_default() {
            let sender = match flow.from {
                PortId::Eni(index) => tables.eni(index).map(|entry| Some(entry.eni.id)),
                PortId::Uplink => Some(None),
                // None of its flows is carried by the kernel tier.
                PortId::Services => None,
            };
            let Some(sender) = sender else { continue };
            let HeaderView { source, destination, protocol, transport } = flow.header;
            let (source_port, destination_port) = match transport {
                Transport::Ports { src, dst } => (Some(src), Some(dst)),
                _ => (None, None),
            };
            flows.entry(sender).or_default().push(json!({
                "source": source, "destination": destination, "protocol": protocol,
                "source_port": source_port, "destination_port": destination_port,
                "dropped_for": flow.code.map(|code| code.as_str()),
                "packets": flow.packets, "bytes": flow.bytes,
            }));
        }
        flows
    }

    /// What passed each interface that exists, and the internet.
    pub fn seen(&self, counters: &EngineCounters) -> Vec<Seen> {
        if counters.enis.is_empty() && counters.uplink.is_none() {
            return Vec::new();
        }
        let tables = self.enforcement.tables();
        // The newest state names instances that the tables, of a moment ago, may not know yet.
        let network = self.control.snapshot();
        let enis = counters.enis.iter().filter_map(|(index, counters)| {
            let eni = network.enis.get(&tables.eni(*index)?.eni.id)?;
            Some(Seen { interface: Some(eni.clone()), counters: counters.clone() })
        });
        let internet = counters.uplink.iter().map(|counters| Seen { interface: None, counters: counters.clone() });
        enis.chain(internet).collect()
    }

    /// Where an interface can be captured on: what a process needs to enter its instance, and the link's name there.
    ///
    /// # Errors
    /// When there is no such interface, or it carries no packets.
    pub fn capture_target(&self, name: &str) -> Result<Value, AdminError> {
        if name == INTERNET {
            let internet = self.enforcement.machine(|machine| machine.internet()).flatten();
            let (process, _) = internet.ok_or_else(|| no_sandbox("the lab internet"))?;
            return Ok(place(&process, "eth0", "the lab internet"));
        }
        let id: EniId =
            name.parse().map_err(|error| AdminError::bad(format!("{error}; name a network interface, or `{INTERNET}`")))?;
        let network = self.control.snapshot();
        let eni = network.get::<NetworkInterface>(&id);
        let eni = eni.ok_or_else(|| AdminError { status: 404, message: format!("the network interface {id} does not exist") })?;
        let conflict = |message: String| AdminError { status: 409, message };
        if eni.outside.is_some() {
            return Err(conflict(format!("{id} is outside of openvpc's instances: capture in its virtual machine or container")));
        }
        let attachment = eni.attachment.as_ref();
        let attachment =
            attachment.ok_or_else(|| conflict(format!("the network interface {id} is not attached to an instance")))?;
        let instance = attachment.instance;
        let state = network.get::<Instance>(&instance).map_or(InstanceState::Terminated, |instance| instance.state);
        if state != InstanceState::Running {
            return Err(conflict(format!("the instance {instance}, which has {id}, is {}", state.as_str())));
        }
        let process = self.enforcement.machine(|machine| machine.exec_target(instance)).flatten();
        let process = process.ok_or_else(|| no_sandbox(&instance.to_string()))?;
        Ok(place(&process, &format!("eth{}", attachment.device_index), &instance.to_string()))
    }
}

/// Dropped packets of all interfaces, present and past, and of the internet.
pub fn drops_by_reason(counters: &EngineCounters) -> BTreeMap<&'static str, u64> {
    let mut drops = BTreeMap::new();
    let stations = counters.uplink.iter().chain(&counters.services);
    let ports = counters.enis.iter().map(|(_, port)| port).chain(stations).chain([&counters.departed]);
    for (reason, packets) in ports.flat_map(|port| port.drops.iter()) {
        *drops.entry(reason.as_str()).or_default() += packets;
    }
    drops
}

/// Drops as answers show them.
pub fn drops_shown(drops: &BTreeMap<&'static str, u64>) -> Vec<Value> {
    drops.iter().map(|(reason, packets)| json!({ "reason": reason, "packets": packets })).collect()
}

fn detail(detail: &Detail) -> Value {
    let Detail { name, help, reading } = detail;
    let (used, capacity) = match reading {
        Reading::Fill { used, capacity } => (json!(used), json!(capacity)),
        Reading::Counter(number) | Reading::Gauge(number) => (json!(number), Value::Null),
        Reading::Text(text) => (json!(text), Value::Null),
    };
    match capacity {
        Value::Null => json!({ "name": name, "help": help, "value": used }),
        capacity => json!({ "name": name, "help": help, "value": used, "capacity": capacity }),
    }
}

fn place(process: &ProcessRecord, link: &str, host: &str) -> Value {
    json!({ "process": process, "link": link, "host": host })
}

fn no_sandbox(of: &str) -> AdminError {
    let message = format!("{of} has no sandbox: this daemon forwards no packets, or it just ended");
    AdminError { status: 409, message }
}
