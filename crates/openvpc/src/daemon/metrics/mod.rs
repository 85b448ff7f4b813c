//! `GET /_openvpc/metrics`: everything that is counted, for Prometheus.
//!
//! What a sample costs in Prometheus is its labels. By interface there is traffic and the sum of drops; drops by reason are
//! for all interfaces together, and an interface's own come with `/_openvpc/interfaces`.

mod text;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use openvpc_api::Api;
use openvpc_api::usage;
use openvpc_datapath::details::{Detail, Reading};
use openvpc_datapath::engine::EngineCounters;
use rustix::time::{ClockId, clock_gettime};

use super::admin::Admin;
use super::gateways;
use super::observe::{Seen, drops_by_reason};
pub use text::{CONTENT_TYPE, Exposition};

/// Requests to the object store, by method and status.
#[derive(Debug, Default)]
pub struct ObjectRequests(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl ObjectRequests {
    /// Counts one.
    pub fn count(&self, method: &str, status: u16) {
        const METHODS: [&str; 5] = ["DELETE", "GET", "HEAD", "POST", "PUT"];
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((method, status)).or_default() += 1;
    }
}

impl Admin {
    /// All metrics, as text.
    pub fn metrics(&self, api: &Api, object_requests: &ObjectRequests) -> String {
        let mut text = Exposition::default();
        self.process(&mut text);
        requests(&mut text, api, object_requests);
        self.state(&mut text);
        self.packets(&mut text);
        self.records(&mut text);
        self.names(&mut text);
        text.into_text()
    }

    fn process(&self, text: &mut Exposition) {
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("datapath", self.tier())];
        text.gauge("openvpc_build_info", "Which openvpc runs, and which path packets take.").sample(&labels, 1);
        text.gauge("openvpc_uptime_seconds", "How long the daemon runs.").sample(&[], self.started.elapsed().as_secs_f64());
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            text.gauge("process_resident_memory_bytes", "Memory of the daemon that is in use.")
                .sample(&[], kilobytes(&status, "VmRSS:"));
            text.gauge("process_virtual_memory_bytes", "Addresses of the daemon that are in use.")
                .sample(&[], kilobytes(&status, "VmSize:"));
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            text.gauge("process_open_fds", "Open file descriptors of the daemon.").sample(&[], files.count());
        }
        let time = clock_gettime(ClockId::ProcessCPUTime);
        text.counter("process_cpu_seconds_total", "Processor time of the daemon, user and system together.")
            .sample(&[], time.tv_sec as f64 + time.tv_nsec as f64 / 1e9);
    }

    fn state(&self, text: &mut Exposition) {
        let (durable, failed) = self.control.commits();
        text.counter("openvpc_commits_total", "Groups of changes that were made durable and put in force, or failed to be.")
            .sample(&[("outcome", "durable")], durable)
            .sample(&[("outcome", "failed")], failed);
        let network = self.control.snapshot();
        let mut resources = text.gauge("openvpc_resources", "Resources in the state, over all accounts and regions.");
        for (kind, count) in network.sizes() {
            resources.sample(&[("kind", kind)], count);
        }
    }

    fn packets(&self, text: &mut Exposition) {
        let counters = self.enforcement.counters();
        whole(text, &counters);
        for detail in self.enforcement.machine(|machine| machine.details()).unwrap_or_default() {
            own(text, &detail);
        }
        let seen: Vec<_> = self.seen(&counters).into_iter().map(|seen| (seen.name(), seen)).collect();
        let mut info = text.gauge("openvpc_interface_info", "What an interface belongs to.");
        for (name, seen) in &seen {
            let Some(eni) = &seen.interface else { continue };
            let (instance, address) = (seen.instance().unwrap_or_default(), seen.address().unwrap_or_default());
            let (vpc, subnet) = (eni.vpc.to_string(), eni.subnet.to_string());
            info.sample(
                &[("interface", name), ("instance", &instance), ("vpc", &vpc), ("subnet", &subnet), ("address", &address)],
                1,
            );
        }
        let mut each = |name, help, of: fn(&Seen) -> [u64; 2]| {
            let mut family = text.counter(name, help);
            for (name, seen) in &seen {
                for (direction, value) in ["in", "out"].into_iter().zip(of(seen)) {
                    family.sample(&[("interface", name), ("direction", direction)], value);
                }
            }
        };
        each(
            "openvpc_interface_packets_total",
            "IP packets to an interface that were let through (in), and from it, whatever became of them (out).",
            |seen| [seen.counters.sent.packets, seen.counters.received.packets],
        );
        each("openvpc_interface_bytes_total", "Bytes of those packets, without link headers.", |seen| {
            [seen.counters.sent.bytes, seen.counters.received.bytes]
        });
        let mut drops = text.counter("openvpc_interface_dropped_packets_total", "Packets from an interface that were dropped.");
        for (name, seen) in &seen {
            drops.sample(&[("interface", name)], seen.counters.drops.iter().map(|(_, packets)| packets).sum::<u64>());
        }
    }

    fn names(&self, text: &mut Exposition) {
        let mut questions =
            text.counter("openvpc_dns_questions_total", "Questions to the resolver, by what became of them and why.");
        for (outcome, reason, count) in self.resolver.counters().all() {
            questions.sample(&[("outcome", outcome), ("reason", reason)], count);
        }
    }

    fn records(&self, text: &mut Exposition) {
        let counts = self.flow_logs.delivery_counts();
        text.counter("openvpc_flow_log_records_delivered_total", "Flow log records in files of buckets.")
            .sample(&[], counts.records);
        text.counter("openvpc_flow_log_files_total", "Flow log files written.").sample(&[], counts.files);
        text.counter(
            "openvpc_flow_log_delivery_failures_total",
            "Times that a flow log's files couldn't be written; it is tried again.",
        )
        .sample(&[], counts.failures);
        text.counter("openvpc_flow_log_records_given_up_total", "Flow log records lost because too many waited for a bucket.")
            .sample(&[], counts.given_up);
        text.gauge("openvpc_flow_log_records_waiting", "Complete flow log records that are in no file yet.")
            .sample(&[], counts.waiting);
        text.counter(
            "openvpc_flow_log_unrecorded_packets_total",
            "Packets in no record because too many flows were open (SKIPDATA).",
        )
        .sample(&[], counts.unrecorded_packets);
    }
}

fn requests(text: &mut Exposition, api: &Api, object_requests: &ObjectRequests) {
    let usage = api.usage();
    let mut requests = text.counter("openvpc_api_requests_total", "Requests to AWS's APIs, by the code of their answer.");
    for operation in &usage {
        for (code, count) in &operation.codes {
            let labels = [("service", operation.service), ("operation", operation.operation), ("code", code)];
            requests.sample(&labels, *count);
        }
    }
    let help = "How long requests to AWS's APIs took until the answer was made, the wait for the disk included.";
    let mut durations = text.histogram("openvpc_api_request_duration_seconds", help);
    for operation in &usage {
        let bounds = usage::BOUNDS.iter().map(|micros| *micros as f64 / 1e6);
        let labels = [("service", operation.service), ("operation", operation.operation)];
        durations.distribution(&labels, bounds, &operation.durations, operation.total.as_secs_f64());
    }
    let mut objects = text.counter("openvpc_s3_requests_total", "Requests to the object store.");
    for ((method, status), count) in object_requests.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        objects.sample(&[("method", method), ("status", &status.to_string())], *count);
    }
}

/// The datapath as a whole.
fn whole(text: &mut Exposition, counters: &EngineCounters) {
    text.gauge("openvpc_datapath_connected_interfaces", "Interfaces whose packets pass.").sample(&[], counters.connected);
    text.gauge("openvpc_datapath_tracked_flows", "Flows that security groups remember.").sample(&[], counters.tracked_flows);
    text.counter("openvpc_datapath_overruns_total", "Frames that came faster than they could be taken, and were lost.")
        .sample(&[], counters.overruns);
    text.counter(
        "openvpc_datapath_unusable_frames_total",
        "Frames longer than any packet, or with an unknown offload; never judged.",
    )
    .sample(&[], counters.unusable);
    text.gauge("openvpc_datapath_mapped_flows", "Flows that NAT gateways and egress-only internet gateways remember.")
        .sample(&[], counters.mappings);
    gateways::expose(text, counters);
    let mut drops = text.counter("openvpc_datapath_dropped_packets_total", "Packets that were dropped, by reason.");
    for (reason, packets) in drops_by_reason(counters) {
        drops.sample(&[("reason", reason)], packets);
    }
}

/// What the datapath says of itself.
fn own(text: &mut Exposition, detail: &Detail) {
    let name = format!("openvpc_datapath_{}", detail.name);
    match detail.reading {
        Reading::Counter(value) => drop(text.counter(&format!("{name}_total"), detail.help).sample(&[], value)),
        Reading::Gauge(value) => drop(text.gauge(&name, detail.help).sample(&[], value)),
        Reading::Fill { used, capacity } => {
            text.gauge(&name, detail.help).sample(&[], used);
            text.gauge(&format!("{name}_capacity"), "How much of that fits.").sample(&[], capacity);
        }
        Reading::Text(_) => {}
    }
}

/// A line of `/proc/self/status` in bytes.
fn kilobytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
}
