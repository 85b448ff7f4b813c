//! Files in buckets, and questions over them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::*;
use openvpc_flowlogs::FlowLogs;
use openvpc_flowlogs::query::QueryError;
use openvpc_flowlogs::record::{Flow, Totals};
use openvpc_flowlogs::service_prefixes::ServicePrefixes;
use openvpc_model::*;
use serde_json::{Value, json};

/// 2026-09-21T14:13:20Z.
const T0: u64 = 1_790_000_000;
const SHORT: &str = "${srcaddr} ${dstport} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

struct Lab {
    store: Arc<Memory>,
    flow_logs: FlowLogs,
    network: Network,
    now: UnixMillis,
}

impl Lab {
    fn new(flow_logs: impl IntoIterator<Item = FlowLog>) -> Self {
        let store = Arc::new(Memory::with("logs"));
        let mut network = network();
        flow_logs.into_iter().for_each(|flow_log| network.insert(flow_log));
        let flow_logs = FlowLogs::new(Arc::clone(&store) as _, ServicePrefixes::default());
        let lab = Self { store, flow_logs, network, now: UnixMillis(T0 * 1000) };
        lab.flow_logs.sync(&lab.network, lab.now);
        lab
    }

    fn packet(&self, port: u16, bytes: u64) {
        let flow = Flow {
            direction: Direction::Ingress,
            accepted: port != 22,
            source: "198.51.100.10".parse().unwrap(),
            destination: "10.20.1.17".parse().unwrap(),
            source_port: 40_000,
            destination_port: port,
            protocol: 6,
            reason: None,
        };
        let counts = Totals { packets: 1, bytes, ..Totals::default() };
        self.flow_logs.count(0, || Some(id(WEB)), flow, counts, self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now.0 += seconds * 1000;
    }

    fn ask(&self, sql: &str) -> Value {
        self.flow_logs.query(sql).unwrap().to_json()
    }
}

fn web(number: u64, format: &str) -> FlowLog {
    flow_log(number, FlowLogTarget::NetworkInterface(id(WEB)), TrafficType::All, format)
}

fn with_destination(mut flow_log: FlowLog, prefix: &str, hive_compatible: bool, per_hour: bool) -> FlowLog {
    flow_log.destination = FlowLogDestination::S3 {
        bucket: "logs".to_owned(),
        prefix: prefix.to_owned(),
        file_format: FileFormat::PlainText,
        hive_compatible,
        per_hour,
    };
    flow_log
}

#[test]
fn a_flush_writes_a_file_with_a_header_line_and_no_trailing_space() {
    let lab = Lab::new([web(1, SHORT)]);
    lab.packet(80, 100);
    let delivered = lab.flow_logs.flush(lab.now);
    assert_eq!(delivered.files.len(), 1);
    assert_eq!(delivered.files[0].records, 1);
    let text = lab.store.text(&delivered.files[0].key);
    let header = "srcaddr dstport packets bytes start end action log-status";
    assert_eq!(text, format!("{header}\n198.51.100.10 80 1 100 1790000000 1790000000 ACCEPT OK\n"));
}

#[test]
fn keys_are_laid_out_as_on_aws() {
    let account = "210987654321";
    let name = format!("{account}_vpcflowlogs_eu-central-1_fl-00000000000000001_20260921T1410Z_");
    for (prefix, hive, per_hour, folder) in [
        ("", false, false, format!("AWSLogs/{account}/vpcflowlogs/eu-central-1/2026/09/21/")),
        ("a/b/", false, true, format!("a/b/AWSLogs/{account}/vpcflowlogs/eu-central-1/2026/09/21/14/")),
        (
            "",
            true,
            false,
            format!(
                "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region=eu-central-1/year=2026/month=09/day=21/"
            ),
        ),
        (
            "x",
            true,
            true,
            format!(
                "x/AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region=eu-central-1/year=2026/month=09/day=21/hour=14/"
            ),
        ),
    ] {
        let lab = Lab::new([with_destination(web(1, SHORT), prefix, hive, per_hour)]);
        lab.packet(80, 100);
        lab.flow_logs.flush(lab.now);
        let keys = lab.store.keys();
        assert_eq!(keys.len(), 1);
        let hash = keys[0].strip_prefix(&format!("{folder}{name}")).expect(&keys[0]);
        let hash = hash.strip_suffix(".log.gz").unwrap();
        assert!(hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
        assert_eq!(lab.ask("SELECT count(*) AS n FROM flow_logs"), json!([{"n": 1}]));
    }
}

#[test]
fn a_file_holds_the_records_that_end_in_its_five_minutes() {
    let mut lab = Lab::new([web(1, SHORT)]);
    lab.now = UnixMillis(1_790_000_099_000);
    lab.flow_logs.sync(&lab.network, lab.now);
    lab.packet(80, 100);
    lab.wait(1);
    lab.packet(81, 100);
    let files = lab.flow_logs.flush(lab.now).files;
    let stamps: Vec<_> = files.iter().map(|file| file.key.rsplit('_').nth(1).unwrap()).collect();
    assert_eq!(stamps, ["20260921T1410Z", "20260921T1415Z"]);
}

#[test]
fn files_come_every_five_minutes_without_being_asked_for() {
    let mut lab = Lab::new([web(1, SHORT)]);
    let mut delivered_at = Vec::new();
    for second in 0..700 {
        lab.packet(80, 100);
        if !lab.flow_logs.tick(lab.now).files.is_empty() {
            delivered_at.push(T0 + second);
        }
        lab.wait(1);
    }
    assert_eq!(delivered_at, [1_790_000_100, 1_790_000_400]);
}

#[test]
fn a_record_is_answered_once_whether_live_complete_or_delivered() {
    let mut lab = Lab::new([web(1, SHORT), flow_log(2, vpc(), TrafficType::Reject, SHORT)]);
    let count = "SELECT flow_log_id, count(*) AS n, sum(packets) AS p FROM flow_logs WHERE log_status = 'OK' GROUP BY 1";
    let expected = json!([
        {"flow_log_id": "fl-00000000000000001", "n": 2, "p": 2},
        {"flow_log_id": "fl-00000000000000002", "n": 1, "p": 1},
    ]);
    lab.packet(80, 100);
    lab.packet(22, 60);
    assert_eq!(lab.ask(count), expected, "live");
    lab.wait(61);
    lab.flow_logs.tick(lab.now);
    assert_eq!(lab.ask(count), expected, "complete");
    lab.flow_logs.flush(lab.now);
    assert_eq!(lab.ask(count), expected, "delivered");
    lab.packet(22, 60);
    assert_eq!(lab.ask("SELECT sum(bytes) AS b FROM flow_logs WHERE action = 'REJECT'"), json!([{"b": 240}]));
}

#[test]
fn what_is_delivered_reads_back_as_it_was_live() {
    let mut lab = Lab::new([web(1, &openvpc_flowlogs::Format::version_5().to_string()), web(2, SHORT)]);
    lab.packet(80, 100);
    let all = "SELECT * FROM vpc_flow_logs ORDER BY flow_log_id";
    let live = lab.ask(all);
    assert_eq!(live[0]["traffic_path"], Value::Null);
    assert_eq!(live[0]["version"], json!(5));
    assert_eq!(live[0]["account_id"], json!("210987654321"));
    assert_eq!(live[0]["pkt_dstaddr"], json!("10.20.1.17"));
    assert_eq!(live[1]["vpc_id"], Value::Null);
    lab.wait(1);
    lab.flow_logs.flush(lab.now);
    assert_eq!(lab.ask(all), live);
}

#[test]
fn a_bucket_that_vanished_is_an_access_error_and_tried_again() {
    let mut lab = Lab::new([web(1, SHORT)]);
    let flow_log = FlowLogId::from_random(1);
    lab.store.0.lock().unwrap().clear();
    lab.packet(80, 100);
    let failures = lab.flow_logs.flush(lab.now).failures;
    assert_eq!(failures.get(&flow_log), Some(&"Access error"));
    assert_eq!(lab.flow_logs.failure(flow_log), Some("Access error"));
    assert_eq!(lab.ask("SELECT count(*) AS n FROM flow_logs WHERE packets > 0"), json!([{"n": 1}]));
    lab.store.create("logs");
    lab.wait(1);
    assert_eq!(lab.flow_logs.flush(lab.now).files.len(), 1);
    assert_eq!(lab.flow_logs.failure(flow_log), None);
    assert_eq!(lab.ask("SELECT count(*) AS n FROM flow_logs WHERE packets > 0"), json!([{"n": 1}]));
}

#[test]
fn a_deleted_flow_logs_last_records_are_delivered() {
    let mut lab = Lab::new([web(1, SHORT)]);
    lab.packet(80, 100);
    lab.network.remove::<FlowLog>(&FlowLogId::from_random(1));
    lab.flow_logs.sync(&lab.network, lab.now);
    assert_eq!(lab.flow_logs.flush(lab.now).files.len(), 1);
}

#[test]
fn questions_only_read() {
    let lab = Lab::new([]);
    for sql in [
        "DELETE FROM flow_logs",
        "INSERT INTO flow_logs (flow_log_id) VALUES ('a')",
        "UPDATE flow_logs SET bytes = 0",
        "DROP TABLE flow_logs",
        "CREATE TABLE a (b)",
        "ATTACH '/tmp/a' AS a",
        "PRAGMA temp_store_directory = '/tmp'",
        "VACUUM INTO '/tmp/a'",
        "SELECT load_extension('a')",
        "BEGIN",
        "",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE flow_logs",
        "SELECT colour FROM flow_logs",
        "hello",
    ] {
        assert!(matches!(lab.flow_logs.query(sql), Err(QueryError::Sql(_))), "{sql}");
    }
    for sql in ["SELECT 1;", "SELECT end, start FROM flow_logs -- comment", "PRAGMA table_info(flow_logs)"] {
        assert!(lab.flow_logs.query(sql).is_ok(), "{sql}");
    }
    let error = lab.flow_logs.query("SELECT colour FROM flow_logs").unwrap_err().to_string();
    assert!(error.contains("colour"), "{error}");
}

#[test]
fn a_question_for_too_much_is_stopped() {
    let lab = Lab::new([]);
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    assert!(matches!(lab.flow_logs.query(endless), Err(QueryError::Rows)));
    assert!(lab.flow_logs.query("SELECT hex(zeroblob(900000000))").is_err());
}

#[test]
fn answers_are_written_as_json_and_csv() {
    let lab = Lab::new([]);
    let answer = lab.flow_logs.query("SELECT 1 AS b, NULL AS a, 'x, \"y\"' AS c, 1.5 AS d").unwrap();
    assert_eq!(answer.to_json().to_string(), r#"[{"b":1,"a":null,"c":"x, \"y\"","d":1.5}]"#);
    assert_eq!(answer.to_csv(), "b,a,c,d\n1,,\"x, \"\"y\"\"\",1.5\n");
}

#[test]
fn a_reset_forgets_what_is_in_memory() {
    let lab = Lab::new([web(1, SHORT)]);
    lab.packet(80, 100);
    lab.flow_logs.reset(lab.now);
    assert_eq!(lab.ask("SELECT count(*) AS n FROM flow_logs"), json!([{"n": 0}]));
    assert!(lab.flow_logs.flush(lab.now).files.is_empty());
}
