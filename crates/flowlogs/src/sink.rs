//! Where the datapath's counts come in.

use openvpc_model::UnixMillis;
use openvpc_pipeline::Tables;
use openvpc_pipeline::verdict::{Action, FlowSink, Leg, LegCounts};
use openvpc_pipeline::wire::Transport;

use crate::flow_logs::FlowLogs;
use crate::record::{Flow, Totals};

impl FlowSink for FlowLogs {
    fn record(&mut self, tables: &Tables, leg: &Leg, counts: LegCounts, now: UnixMillis) {
        let (source_port, destination_port) = match leg.transport {
            Transport::Ports { src, dst } => (src, dst),
            Transport::Icmp { .. } | Transport::Opaque | Transport::Fragment => (0, 0),
        };
        let flow = Flow {
            direction: leg.direction,
            accepted: leg.action == Action::Accept,
            source: leg.source,
            destination: leg.destination,
            source_port,
            destination_port,
            protocol: leg.protocol,
            reason: leg.reason,
        };
        let totals = Totals {
            packets: counts.packets,
            bytes: counts.bytes,
            tcp_flags: counts.tcp_flags,
            traffic_path: leg.path.map(|path| path as u8),
        };
        self.count(leg.eni.0, || tables.eni(leg.eni).map(|entry| entry.eni.id), flow, totals, now);
    }
}
