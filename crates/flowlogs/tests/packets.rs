//! From real verdicts to records: packets go through the pipeline, what it says of them is counted.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{Memory, flow_log};
use openvpc_flowlogs::FlowLogs;
use openvpc_flowlogs::service_prefixes::ServicePrefixes;
use openvpc_model::*;
use openvpc_pipeline::testing::packets::{icmp, other, ping, segment, tcp, udp};
use openvpc_pipeline::testing::{Host, Sent, World};
use openvpc_pipeline::{FlowSink, LegCounts};
use serde_json::{Value, json};

const START: u64 = 1_790_000_000_000;
const FORMAT: &str = "${interface-id} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${srcport} ${dstport} ${protocol} \
                      ${packets} ${bytes} ${action} ${tcp-flags} ${flow-direction} ${traffic-path} ${log-status} ${start}";

/// A public and a private subnet, a web and a database host, an internet gateway, and a flow log over all of it.
struct Lab {
    world: World,
    flow_logs: FlowLogs,
    web: Host,
    db: Host,
    web_group: SecurityGroupId,
    public: SubnetId,
}

impl Lab {
    fn new() -> Self {
        let mut world = World::new();
        let vpc = world.vpc("10.0.0.0/16");
        let public = world.subnet(vpc, "10.0.1.0/24");
        let private = world.subnet(vpc, "10.0.2.0/24");
        let gateway = world.gateway(vpc);
        let table = world.main_table(vpc);
        world.route(table, "0.0.0.0/0", RouteTarget::InternetGateway(gateway));
        let web_group = world.group(vpc, &["in icmp from 0.0.0.0/0", "in tcp 80 from 0.0.0.0/0", "out all to 10.0.0.0/16"]);
        let db_group = world.group(vpc, &[&format!("in tcp 5432 from {web_group}")]);
        let web = world.host(public, "10.0.1.10 10.0.1.11", &[web_group]);
        let db = world.host(private, "10.0.2.20", &[db_group]);
        world.public(web.eni, "10.0.1.10", "203.0.113.5");
        world.add(flow_log(1, FlowLogTarget::Vpc(vpc), TrafficType::All, FORMAT));
        let flow_logs = FlowLogs::new(Arc::new(Memory::with("logs")), ServicePrefixes::default());
        let lab = Self { world, flow_logs, web, db, web_group, public };
        lab.flow_logs.sync(lab.world.network(), lab.now());
        lab
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(START + self.world.now().0 / 1_000_000)
    }

    /// Counts what the pipeline said of a packet of so many bytes, as the engine does.
    fn count(&mut self, sent: &Sent, bytes: u64) {
        let flags = sent.packet.tcp.map_or(0, |tcp| tcp.flags);
        let syn = if flags & 0x12 == 0x12 { 18 } else { flags & 2 };
        let counts = LegCounts { packets: 1, bytes, tcp_flags: syn | flags & 5 };
        let now = self.now();
        for leg in sent.verdict.legs.iter() {
            self.flow_logs.record(self.world.tables(), leg, counts, now);
        }
    }

    fn out(&mut self, from: EniId, packet: openvpc_pipeline::PacketHeader, bytes: u64) {
        let sent = self.world.send(from, packet);
        self.count(&sent, bytes);
    }

    fn arrive(&mut self, packet: openvpc_pipeline::PacketHeader, bytes: u64) {
        let sent = self.world.send_from_internet(packet);
        self.count(&sent, bytes);
    }

    fn ask(&self, columns: &str) -> Vec<Value> {
        let sql = format!("SELECT {columns} FROM flow_logs WHERE log_status = 'OK' ORDER BY start, flow_direction DESC, srcport");
        let answer = self.flow_logs.query(&sql).unwrap();
        answer.rows.into_iter().map(Value::from).collect()
    }
}

#[test]
fn a_ping_is_accepted_in_and_its_reply_rejected_out_by_the_network_acl() {
    let mut lab = Lab::new();
    lab.world.nacl(lab.public, &["100 in allow all 0.0.0.0/0", "90 out deny icmp 0.0.0.0/0", "100 out allow all 0.0.0.0/0"]);
    for _ in 0..4 {
        lab.arrive(ping("198.51.100.10", "203.0.113.5"), 84);
        lab.out(lab.web.eni, icmp("10.0.1.10", "198.51.100.10", 0, 0), 84);
        lab.world.advance(1);
    }
    // At the instance the Elastic IP never shows.
    let columns = "srcaddr, dstaddr, srcport, dstport, protocol, packets, bytes, action, flow_direction, tcp_flags";
    assert_eq!(
        lab.ask(columns),
        [
            json!(["198.51.100.10", "10.0.1.10", 0, 0, 1, 4, 336, "ACCEPT", "ingress", 0]),
            json!(["10.0.1.10", "198.51.100.10", 0, 0, 1, 4, 336, "REJECT", "egress", 0]),
        ]
    );
}

#[test]
fn a_ping_allowed_by_both_is_two_accepts_and_one_refused_inbound_a_single_reject() {
    let mut lab = Lab::new();
    lab.arrive(ping("198.51.100.10", "203.0.113.5"), 84);
    lab.out(lab.web.eni, icmp("10.0.1.10", "198.51.100.10", 0, 0), 84);
    assert_eq!(lab.ask("action"), [json!(["ACCEPT"]), json!(["ACCEPT"])]);
    let mut lab = Lab::new();
    lab.world.rules(lab.web_group, &["in tcp 80 from 0.0.0.0/0"]);
    lab.arrive(ping("198.51.100.10", "203.0.113.5"), 84);
    assert_eq!(lab.ask("action"), [json!(["REJECT"])]);
}

#[test]
fn a_conversation_between_two_covered_interfaces_is_four_records() {
    let mut lab = Lab::new();
    let (web, db) = (lab.web.eni, lab.db.eni);
    lab.out(web, tcp("10.0.1.10:40000", "10.0.2.20:5432"), 60);
    lab.out(db, segment("10.0.2.20:5432", "10.0.1.10:40000", 0x12), 60);
    lab.out(web, segment("10.0.1.10:40000", "10.0.2.20:5432", 0x10), 52);
    lab.out(web, segment("10.0.1.10:40000", "10.0.2.20:5432", 0x11), 52);
    let (web, db) = (web.to_string(), db.to_string());
    let mut records = lab.ask("interface_id, srcport, packets, bytes, action, tcp_flags, flow_direction, traffic_path");
    let mut expected = vec![
        json!([web, 40000, 3, 164, "ACCEPT", 3, "egress", 1]),
        json!([db, 40000, 3, 164, "ACCEPT", 3, "ingress", null]),
        json!([db, 5432, 1, 60, "ACCEPT", 18, "egress", 1]),
        json!([web, 5432, 1, 60, "ACCEPT", 18, "ingress", null]),
    ];
    records.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(records, expected);
}

#[test]
fn what_is_refused_at_the_source_is_one_reject_and_never_seen_at_the_destination() {
    let mut lab = Lab::new();
    lab.out(lab.db.eni, tcp("10.0.2.20:40000", "10.0.1.10:80"), 60);
    let db = lab.db.eni.to_string();
    assert_eq!(lab.ask("interface_id, action, flow_direction, tcp_flags"), [json!([db, "REJECT", "egress", 2])]);
}

#[test]
fn egress_to_the_internet_is_path_8_also_for_the_reply() {
    let mut lab = Lab::new();
    lab.arrive(tcp("198.51.100.10:50000", "203.0.113.5:80"), 60);
    lab.out(lab.web.eni, segment("10.0.1.10:80", "198.51.100.10:50000", 0x12), 60);
    let records = lab.ask("srcaddr, dstaddr, pkt_srcaddr, pkt_dstaddr, tcp_flags, traffic_path");
    assert_eq!(
        records,
        [
            json!(["198.51.100.10", "10.0.1.10", "198.51.100.10", "10.0.1.10", 2, null]),
            json!(["10.0.1.10", "198.51.100.10", "10.0.1.10", "198.51.100.10", 18, 8]),
        ]
    );
}

#[test]
fn a_secondary_address_shows_in_the_packet_columns_only() {
    let mut lab = Lab::new();
    lab.world.rules(lab.web_group, &["in all from 0.0.0.0/0", "out all to 0.0.0.0/0"]);
    lab.out(lab.web.eni, tcp("10.0.1.11:40000", "10.0.2.20:5432"), 60);
    let records = lab.ask("srcaddr, pkt_srcaddr, flow_direction");
    assert_eq!(records, [json!(["10.0.1.11", "10.0.1.11", "ingress"]), json!(["10.0.1.10", "10.0.1.11", "egress"])]);
}

#[test]
fn protocols_without_ports_have_ports_0() {
    let mut lab = Lab::new();
    lab.world.rules(lab.web_group, &["in all from 0.0.0.0/0", "out all to 0.0.0.0/0"]);
    lab.out(lab.web.eni, other(47, "10.0.1.10", "10.0.2.20"), 600);
    assert_eq!(lab.ask("protocol, srcport, dstport, flow_direction")[1], json!([47, 0, 0, "egress"]));
}

#[test]
fn what_aws_never_logs_leaves_no_record() {
    let mut lab = Lab::new();
    lab.world.rules(lab.web_group, &["in all from 0.0.0.0/0", "out all to 0.0.0.0/0"]);
    for packet in [
        udp("10.0.1.10:40000", "10.0.0.2:53"),
        udp("10.0.1.10:40000", "169.254.169.253:53"),
        tcp("10.0.1.10:40000", "169.254.169.254:80"),
        udp("10.0.1.10:123", "169.254.169.123:123"),
        ping("10.0.1.10", "10.0.1.1"),
        udp("0.0.0.0:68", "255.255.255.255:67"),
    ] {
        lab.out(lab.web.eni, packet, 60);
    }
    assert_eq!(lab.ask("*"), [] as [Value; 0]);
}

#[test]
fn a_missing_route_is_no_reject() {
    let mut lab = Lab::new();
    lab.world.rules(lab.web_group, &["out all to 0.0.0.0/0"]);
    let vpc = lab.world.network().vpcs.keys().next().copied().unwrap();
    let table = lab.world.main_table(vpc);
    lab.world.edit::<RouteTable>(table, |table| table.routes.truncate(1));
    lab.out(lab.web.eni, tcp("10.0.1.10:40000", "198.51.100.10:80"), 60);
    let actions = lab.ask("action");
    assert!(!actions.contains(&json!(["REJECT"])), "{actions:?}");
}
