//! The golden records: packets that add up to each of them go in, the very lines must come out.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::*;
use openvpc_flowlogs::Format;
use openvpc_flowlogs::aggregate::{Aggregator, Batch};
use openvpc_flowlogs::record::{Flow, Totals};
use openvpc_flowlogs::service_prefixes::ServicePrefixes;
use openvpc_model::*;

const GOLDEN: &str = include_str!("golden/records.txt");

#[test]
fn every_golden_record_comes_out_as_written() {
    let cases = cases();
    assert_eq!(cases.len(), 32);
    for case in cases {
        let format: Format = case.format.parse().unwrap();
        assert_eq!(case.run(&format), case.lines, "{}", case.name);
    }
}

struct Case {
    name: String,
    format: String,
    lines: Vec<String>,
}

impl Case {
    fn run(&self, format: &Format) -> Vec<String> {
        let mut network = network();
        network.insert(flow_log(1, vpc(), TrafficType::All, &self.format));
        let records: Vec<Given> = self.lines.iter().map(|line| Given::parse(line, format)).collect();
        let skips = records.iter().any(|record| record.status() == "SKIPDATA");
        let mut aggregator = Aggregator::new(if skips { 0 } else { 100 });
        let begin = records.iter().map(|record| record.number("start")).min().unwrap();
        let end = records.iter().map(|record| record.number("end")).max().unwrap();
        aggregator.sync(&network, UnixMillis(begin * 1000));
        let mut packets: Vec<(u64, &Given, Totals)> = records.iter().flat_map(Given::packets).collect();
        packets.sort_by_key(|(second, ..)| *second);
        let mut batches = Vec::new();
        for (second, record, counts) in packets {
            let now = UnixMillis(second * 1000 + 1);
            batches.extend(aggregator.close_due(now));
            aggregator.count(record.index(), || Some(id(record.text("interface-id"))), record.flow(), counts, now);
        }
        batches.extend(aggregator.flush(UnixMillis((end + 1) * 1000)));
        let services = ServicePrefixes::new(vec![("192.0.2.128/25".parse().unwrap(), "S3".to_owned())]);
        let interfaces: Vec<EniId> = records.iter().map(|record| id(record.text("interface-id"))).collect();
        let wanted = |batch: &Batch| interfaces.contains(&batch.records[0].interface.id);
        let records = batches.iter().filter(|batch| wanted(batch)).flat_map(|batch| &batch.records);
        let mut lines: Vec<String> = records.map(|record| record.line(format, &services).to_string()).collect();
        let position = |line: &String| self.lines.iter().position(|wanted| wanted == line);
        lines.sort_by_key(|line| position(line).unwrap_or(usize::MAX));
        lines
    }
}

/// A golden record by its fields.
struct Given(BTreeMap<&'static str, String>);

impl Given {
    fn parse(line: &str, format: &Format) -> Self {
        let values: Vec<&str> = line.split(' ').collect();
        assert_eq!(values.len(), format.fields().len(), "{line}");
        Self(format.fields().iter().map(|field| field.name()).zip(values.into_iter().map(str::to_owned)).collect())
    }

    fn text(&self, field: &str) -> &str {
        &self.0[field]
    }

    fn number(&self, field: &str) -> u64 {
        self.text(field).parse().unwrap()
    }

    fn status(&self) -> &str {
        self.text("log-status")
    }

    fn index(&self) -> u32 {
        [WEB, DB, PRIVATE].iter().position(|eni| *eni == self.text("interface-id")).unwrap() as u32
    }

    /// Packets at the first and the last second that add up to the record.
    fn packets(&self) -> Vec<(u64, &Self, Totals)> {
        match self.status() {
            "NODATA" => return vec![],
            "SKIPDATA" => return vec![(self.number("start"), self, Totals { packets: 1, bytes: 60, ..Totals::default() })],
            _ => {}
        }
        let flags = self.0.get("tcp-flags").map_or(0, |flags| flags.parse().unwrap());
        let traffic_path = self.0.get("traffic-path").and_then(|path| path.parse().ok());
        let (packets, bytes) = (self.number("packets"), self.number("bytes"));
        let first = Totals { packets: 1, bytes: bytes / packets, tcp_flags: flags, traffic_path };
        let rest = Totals { packets: packets - 1, bytes: bytes - first.bytes, tcp_flags: flags & 1, traffic_path };
        if packets == 1 {
            return vec![(self.number("start"), self, Totals { bytes, ..first })];
        }
        vec![(self.number("start"), self, first), (self.number("end"), self, rest)]
    }

    fn flow(&self) -> Flow {
        if self.status() == "SKIPDATA" {
            let address = "192.0.2.1".parse().unwrap();
            return Flow {
                direction: Direction::Ingress,
                accepted: true,
                source: address,
                destination: address,
                source_port: 1,
                destination_port: 1,
                protocol: 6,
                reason: None,
            };
        }
        let address = |packet: &str, plain: &str| self.0.get(packet).unwrap_or(&self.0[plain]).parse().unwrap();
        let own = match self.text("interface-id") {
            WEB => ["10.20.1.17", "2001:db8:20:1::17"].contains(&self.text("srcaddr")),
            DB => self.text("srcaddr") == "10.20.2.40",
            _ => self.text("srcaddr") == "10.20.3.9",
        };
        let egress = self.0.get("flow-direction").map_or(own, |direction| direction == "egress");
        Flow {
            direction: if egress { Direction::Egress } else { Direction::Ingress },
            accepted: self.text("action") == "ACCEPT",
            source: address("pkt-srcaddr", "srcaddr"),
            destination: address("pkt-dstaddr", "dstaddr"),
            source_port: self.number("srcport") as u16,
            destination_port: self.number("dstport") as u16,
            protocol: self.number("protocol") as u8,
            reason: None,
        }
    }
}

fn cases() -> Vec<Case> {
    let mut formats = BTreeMap::new();
    let mut cases: Vec<Case> = Vec::new();
    for line in GOLDEN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(fields) = line.strip_prefix("@fields ") {
            let mut words = fields.split(' ');
            let name = words.next().unwrap();
            let tokens: Vec<String> = words.map(|field| format!("${{{field}}}")).collect();
            formats.insert(name.to_owned(), tokens.join(" "));
        } else if let Some(name) = line.strip_prefix("@case ") {
            cases.push(Case { name: name.to_owned(), format: String::new(), lines: vec![] });
        } else if let Some(format) = line.strip_prefix("@format ") {
            cases.last_mut().unwrap().format.clone_from(&formats[format]);
        } else {
            cases.last_mut().unwrap().lines.push(line.to_owned());
        }
    }
    cases
}
