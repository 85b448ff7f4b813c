//! What NAT gateways and egress-only internet gateways counted, by the names that CloudWatch has for it. See "Monitor NAT
//! gateways using Amazon CloudWatch" in the VPC User Guide.

use openvpc_datapath::engine::EngineCounters;
use openvpc_pipeline::{GatewayCounters, ResourceId};
use serde_json::{Map, Value, json};

use super::metrics::Exposition;

/// One number: CloudWatch's name, ours in the metrics, what it is.
struct Count {
    name: &'static str,
    metric: &'static str,
    help: &'static str,
    read: fn(&GatewayCounters) -> u64,
}

const COUNTS: [Count; 14] = [
    Count {
        name: "ActiveConnectionCount",
        metric: "active_connection_count",
        help: "Connections that are remembered and not closed.",
        read: |counted| counted.active_connections,
    },
    Count {
        name: "BytesInFromDestination",
        metric: "bytes_in_from_destination_total",
        help: "Bytes of answers that came in.",
        read: |counted| counted.in_from_destination.bytes,
    },
    Count {
        name: "BytesInFromSource",
        metric: "bytes_in_from_source_total",
        help: "Bytes that came from inside.",
        read: |counted| counted.in_from_source.bytes,
    },
    Count {
        name: "BytesOutToDestination",
        metric: "bytes_out_to_destination_total",
        help: "Bytes that went out.",
        read: |counted| counted.out_to_destination.bytes,
    },
    Count {
        name: "BytesOutToSource",
        metric: "bytes_out_to_source_total",
        help: "Bytes of answers that went inside.",
        read: |counted| counted.out_to_source.bytes,
    },
    Count {
        name: "ConnectionAttemptCount",
        metric: "connection_attempt_count_total",
        help: "Connections that began.",
        read: |counted| counted.connection_attempts,
    },
    Count {
        name: "ConnectionEstablishedCount",
        metric: "connection_established_count_total",
        help: "Connections that were answered.",
        read: |counted| counted.connections_established,
    },
    Count {
        name: "ErrorPortAllocation",
        metric: "error_port_allocation_total",
        help: "Packets for which no port was free.",
        read: |counted| counted.port_allocation_errors,
    },
    Count {
        name: "IdleTimeoutCount",
        metric: "idle_timeout_count_total",
        help: "Connections forgotten because nothing passed for 350 seconds.",
        read: |counted| counted.idle_timeouts,
    },
    Count {
        name: "PacketsDropCount",
        metric: "packets_drop_count_total",
        help: "Packets that the gateway dropped.",
        read: |counted| counted.dropped_packets,
    },
    Count {
        name: "PacketsInFromDestination",
        metric: "packets_in_from_destination_total",
        help: "Packets of answers that came in.",
        read: |counted| counted.in_from_destination.packets,
    },
    Count {
        name: "PacketsInFromSource",
        metric: "packets_in_from_source_total",
        help: "Packets that came from inside.",
        read: |counted| counted.in_from_source.packets,
    },
    Count {
        name: "PacketsOutToDestination",
        metric: "packets_out_to_destination_total",
        help: "Packets that went out.",
        read: |counted| counted.out_to_destination.packets,
    },
    Count {
        name: "PacketsOutToSource",
        metric: "packets_out_to_source_total",
        help: "Packets of answers that went inside.",
        read: |counted| counted.out_to_source.packets,
    },
];

/// The numbers of each gateway.
pub fn shown(counters: &EngineCounters) -> Vec<Value> {
    let numbers = |counted: &GatewayCounters| -> Map<String, Value> {
        COUNTS.iter().map(|count| (count.name.to_owned(), json!((count.read)(counted)))).collect()
    };
    let gateway = |(id, counted): &(ResourceId, GatewayCounters)| json!({ "kind": id.component(), "id": id.to_string(), "counts": numbers(counted) });
    counters.gateways.iter().map(gateway).collect()
}

/// The same for Prometheus.
pub fn expose(text: &mut Exposition, counters: &EngineCounters) {
    if counters.gateways.is_empty() {
        return;
    }
    for count in &COUNTS {
        let metric = format!("openvpc_gateway_{}", count.metric);
        let help = format!("{} CloudWatch: {}.", count.help, count.name);
        let is_gauge = !count.metric.ends_with("_total");
        let mut family = if is_gauge { text.gauge(&metric, &help) } else { text.counter(&metric, &help) };
        for (id, counted) in &counters.gateways {
            family.sample(&[("gateway", &id.to_string()), ("kind", id.component())], (count.read)(counted));
        }
    }
}
