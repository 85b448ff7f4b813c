//! How windows are cut and who gets their records.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::*;
use openvpc_flowlogs::Format;
use openvpc_flowlogs::aggregate::{Aggregator, Batch};
use openvpc_flowlogs::record::{Flow, Status, Totals};
use openvpc_flowlogs::service_prefixes::ServicePrefixes;
use openvpc_model::*;
use proptest::prelude::*;

const T0: u64 = 1_790_000_000;
const SHORT: &str = "${interface-id} ${srcaddr} ${dstport} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

/// An aggregator over the three interfaces, with a clock.
struct Lab {
    aggregator: Aggregator,
    network: Network,
    now: UnixMillis,
}

impl Lab {
    fn new(flow_logs: impl IntoIterator<Item = FlowLog>) -> Self {
        let mut lab = Self { aggregator: Aggregator::new(1000), network: network(), now: UnixMillis(T0 * 1000) };
        flow_logs.into_iter().for_each(|flow_log| lab.network.insert(flow_log));
        lab.sync();
        lab
    }

    fn sync(&mut self) {
        self.aggregator.sync(&self.network, self.now);
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now.0 += milliseconds;
    }

    fn packet(&mut self, eni: &str, flow: Flow, bytes: u64) {
        let index = [WEB, DB, PRIVATE].iter().position(|known| *known == eni).unwrap() as u32;
        let counts = Totals { packets: 1, bytes, ..Totals::default() };
        self.aggregator.count(index, || Some(id(eni)), flow, counts, self.now);
    }

    fn flush(&mut self) -> Vec<Batch> {
        self.aggregator.flush(self.now)
    }

    fn due(&mut self) -> Vec<Batch> {
        self.aggregator.close_due(self.now)
    }
}

fn flow(port: u16, accepted: bool) -> Flow {
    Flow {
        direction: Direction::Ingress,
        accepted,
        source: "198.51.100.10".parse().unwrap(),
        destination: "10.20.1.17".parse().unwrap(),
        source_port: 40_000,
        destination_port: port,
        protocol: 6,
        reason: None,
    }
}

/// The lines that a flow log gets, whatever its format is.
fn lines(batches: &[Batch], flow_log: u64) -> Vec<String> {
    let format: Format = SHORT.parse().unwrap();
    let mut lines = Vec::new();
    for batch in batches {
        let wanted = batch.subscriptions.iter().filter(|s| s.id() == FlowLogId::from_random(flow_log));
        for subscription in wanted {
            let kept = batch.records.iter().filter(|record| record.matches(subscription.flow_log.traffic_type));
            lines.extend(kept.map(|record| record.line(&format, &ServicePrefixes::default()).to_string()));
        }
    }
    lines.iter().map(|line| line.replace("179000", "")).filter(|line| line.starts_with(WEB)).collect()
}

fn own(number: u64, traffic_type: TrafficType) -> FlowLog {
    flow_log(number, FlowLogTarget::NetworkInterface(id(WEB)), traffic_type, SHORT)
}

#[test]
fn a_window_ends_after_sixty_seconds_also_between_two_ticks() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.wait(20_000);
    lab.packet(WEB, flow(80, true), 100);
    lab.wait(39_999);
    lab.packet(WEB, flow(80, true), 100);
    assert!(lab.due().is_empty());
    lab.wait(1);
    lab.packet(WEB, flow(80, true), 7);
    let first = lab.due();
    assert_eq!(lines(&first, 1), [format!("{WEB} 198.51.100.10 80 2 200 0020 0059 ACCEPT OK")]);
    lab.wait(60_000);
    let second = lab.due();
    assert_eq!(lines(&second, 1), [format!("{WEB} 198.51.100.10 80 1 7 0060 0060 ACCEPT OK")]);
}

#[test]
fn an_idle_interface_says_so_once_per_interval() {
    let mut lab = Lab::new([own(1, TrafficType::Reject)]);
    lab.wait(60_500);
    assert_eq!(lines(&lab.due(), 1), [format!("{WEB} - - - - 0000 0059 - NODATA")]);
    lab.wait(59_000);
    assert!(lab.due().is_empty());
    lab.wait(500);
    assert_eq!(lines(&lab.due(), 1), [format!("{WEB} - - - - 0060 0119 - NODATA")]);
}

#[test]
fn nothing_is_claimed_of_the_time_that_the_machine_slept() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.wait(3_600_000);
    assert_eq!(lines(&lab.due(), 1), [format!("{WEB} - - - - 0000 0059 - NODATA")]);
    lab.wait(60_000);
    assert_eq!(lines(&lab.due(), 1), [format!("{WEB} - - - - 3600 3659 - NODATA")]);
}

#[test]
fn a_clock_that_is_set_back_begins_a_new_window() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.packet(WEB, flow(80, true), 100);
    lab.now = UnixMillis((T0 - 3600) * 1000);
    lab.packet(WEB, flow(80, true), 50);
    let total: u64 = lab.flush().iter().flat_map(|batch| &batch.records).map(bytes).sum();
    assert_eq!(total, 150);
    lab.wait(60_000);
    assert_eq!(lab.due().len(), 1);
}

#[test]
fn a_filter_keeps_its_half_and_both_halves_are_one_tuple() {
    let mut lab = Lab::new([own(1, TrafficType::All), own(2, TrafficType::Accept), own(3, TrafficType::Reject)]);
    lab.packet(WEB, flow(80, true), 100);
    lab.wait(1000);
    lab.packet(WEB, flow(80, false), 40);
    lab.wait(1000);
    let batches = lab.flush();
    let accept = format!("{WEB} 198.51.100.10 80 1 100 0000 0000 ACCEPT OK");
    let reject = format!("{WEB} 198.51.100.10 80 1 40 0001 0001 REJECT OK");
    assert_eq!(lines(&batches, 1), [accept.clone(), reject.clone()]);
    assert_eq!(lines(&batches, 2), [accept]);
    assert_eq!(lines(&batches, 3), [reject]);
}

#[test]
fn with_a_filter_no_record_is_written_when_only_other_traffic_flowed() {
    let mut lab = Lab::new([own(1, TrafficType::Reject)]);
    lab.packet(WEB, flow(80, true), 100);
    lab.wait(1000);
    assert!(lines(&lab.flush(), 1).is_empty());
}

#[test]
fn every_level_has_its_own_copy() {
    let mut lab = Lab::new([
        flow_log(1, vpc(), TrafficType::All, SHORT),
        flow_log(2, FlowLogTarget::Subnet(id("subnet-0aa11bb22cc33dd44")), TrafficType::All, SHORT),
        own(3, TrafficType::All),
        flow_log(4, FlowLogTarget::Subnet(id("subnet-0bb22cc33dd44ee55")), TrafficType::All, SHORT),
    ]);
    lab.packet(WEB, flow(80, true), 100);
    let batches = lab.flush();
    for covering in 1..=3 {
        assert_eq!(lines(&batches, covering).len(), 1);
    }
    assert!(lines(&batches, 4).is_empty());
}

#[test]
fn a_new_flow_log_gets_nothing_from_before_it_and_the_old_one_loses_nothing() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.packet(WEB, flow(80, true), 100);
    lab.wait(5000);
    lab.network.insert(own(2, TrafficType::All));
    lab.sync();
    lab.wait(5000);
    lab.packet(WEB, flow(80, true), 7);
    lab.wait(1000);
    let batches = lab.flush();
    let later = format!("{WEB} 198.51.100.10 80 1 7 0010 0010 ACCEPT OK");
    assert_eq!(lines(&batches, 1), [format!("{WEB} 198.51.100.10 80 1 100 0000 0000 ACCEPT OK"), later.clone()]);
    assert_eq!(lines(&batches, 2), [later]);
}

#[test]
fn a_deleted_flow_log_gets_its_last_record() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.packet(WEB, flow(80, true), 100);
    lab.wait(5000);
    lab.network.remove::<FlowLog>(&FlowLogId::from_random(1));
    lab.sync();
    lab.packet(WEB, flow(80, true), 7);
    assert_eq!(lines(&lab.flush(), 1), [format!("{WEB} 198.51.100.10 80 1 100 0000 0000 ACCEPT OK")]);
}

#[test]
fn a_new_interface_is_covered_and_a_deleted_one_keeps_its_last_record() {
    let mut lab = Lab::new([flow_log(1, vpc(), TrafficType::All, SHORT)]);
    let new = "eni-0d000000000000001";
    lab.network.insert(interface(new, "subnet-0aa11bb22cc33dd44", 1, None, &["10.20.1.30"]));
    lab.sync();
    let counts = Totals { packets: 1, bytes: 60, ..Totals::default() };
    lab.aggregator.count(7, || Some(id(new)), flow(80, true), counts, lab.now);
    lab.wait(1000);
    lab.network.remove::<NetworkInterface>(&id(new));
    lab.sync();
    lab.aggregator.count(7, || Some(id(new)), flow(80, true), counts, lab.now);
    let batches = lab.due();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].records[0].interface.id, id(new));
    assert_eq!(bytes(&batches[0].records[0]), 60);
}

#[test]
fn an_interface_that_comes_back_is_counted_again() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.packet(WEB, flow(80, true), 100);
    let network = std::mem::take(&mut lab.network);
    lab.sync();
    lab.network = network;
    lab.sync();
    lab.packet(WEB, flow(80, true), 7);
    let total: u64 = lab.flush().iter().flat_map(|batch| &batch.records).map(bytes).sum();
    assert_eq!(total, 107);
}

#[test]
fn what_records_say_of_the_interface_is_as_it_was_then() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.packet(WEB, flow(80, true), 100);
    lab.network.insert(interface(WEB, "subnet-0aa11bb22cc33dd44", 1, None, &["10.20.1.17"]));
    lab.wait(2000);
    lab.sync();
    lab.packet(WEB, flow(80, true), 100);
    let batches = lab.flush();
    let instances: Vec<_> = batches.iter().map(|batch| batch.records[0].interface.instance).collect();
    assert_eq!(instances, [Some(id("i-0f1e2d3c4b5a69788")), None]);
}

#[test]
fn a_changed_tag_cuts_no_window() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.packet(WEB, flow(80, true), 100);
    let mut flow_log = own(1, TrafficType::All);
    flow_log.tags.insert("a".to_owned(), "b".to_owned());
    lab.network.insert(flow_log);
    let mut eni = (**lab.network.enis.get(&id(WEB)).unwrap()).clone();
    eni.tags.insert("a".to_owned(), "b".to_owned());
    lab.network.insert(eni);
    lab.wait(10);
    lab.sync();
    lab.packet(WEB, flow(80, true), 100);
    assert_eq!(lab.flush().len(), 1);
}

#[test]
fn flows_beyond_the_bound_are_lost_and_skipdata_says_so() {
    let mut lab = Lab::new([own(1, TrafficType::All)]);
    lab.aggregator = Aggregator::new(2);
    lab.sync();
    for port in 1..=4 {
        lab.packet(WEB, flow(port, true), 10);
    }
    lab.packet(WEB, flow(1, true), 10);
    lab.wait(1000);
    let lines = lines(&lab.flush(), 1);
    assert!(lines.contains(&format!("{WEB} - - - - 0000 0000 - SKIPDATA")), "{lines:?}");
    assert_eq!(lines.len(), 3);
    assert_eq!(lab.aggregator.lost().bytes, 20);
    lab.packet(WEB, flow(3, true), 10);
    assert_eq!(lab.flush().len(), 1);
}

#[test]
fn watchers_see_what_no_flow_log_covers_and_each_packet_once() {
    let mut lab = Lab::new([]);
    lab.packet(WEB, flow(80, true), 1);
    lab.aggregator.watch(true);
    lab.packet(WEB, flow(80, true), 10);
    lab.packet(WEB, flow(80, true), 10);
    let seen = lab.aggregator.take_watched();
    assert_eq!(seen.iter().map(bytes).collect::<Vec<_>>(), [20]);
    assert!(lab.aggregator.take_watched().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Packet { eni: usize, port: u16, accepted: bool, bytes: u64 },
    Wait(u64),
    Due,
    Flush,
    FlowLogComesAndGoes,
    InstanceGoes(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_usize, 1..5_u16, any::<bool>(), 20..1500_u64)
            .prop_map(|(eni, port, accepted, bytes)| Step::Packet { eni, port, accepted, bytes }),
        3 => prop_oneof![0..2000_u64, 0..200_000_u64].prop_map(Step::Wait),
        2 => Just(Step::Due),
        1 => Just(Step::Flush),
        1 => Just(Step::FlowLogComesAndGoes),
        1 => (0..3_usize).prop_map(Step::InstanceGoes),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn the_sums_over_records_are_the_sums_over_packets_however_windows_are_cut(steps in steps()) {
        let mut lab = Lab::new([flow_log(1, vpc(), TrafficType::All, SHORT)]);
        let (mut fed, mut batches) = ((0, 0), Vec::new());
        for step in steps {
            match step {
                Step::Packet { eni, port, accepted, bytes } => {
                    lab.packet([WEB, DB, PRIVATE][eni], flow(port, accepted), bytes);
                    fed = (fed.0 + 1, fed.1 + bytes);
                }
                Step::Wait(milliseconds) => lab.wait(milliseconds),
                Step::Due => batches.extend(lab.due()),
                Step::Flush => batches.extend(lab.flush()),
                Step::FlowLogComesAndGoes => {
                    if !lab.network.remove::<FlowLog>(&FlowLogId::from_random(2)) {
                        lab.network.insert(own(2, TrafficType::All));
                    }
                    lab.sync();
                }
                Step::InstanceGoes(eni) => {
                    let key = id([WEB, DB, PRIVATE][eni]);
                    let mut eni = (**lab.network.enis.get(&key).unwrap()).clone();
                    eni.attachment = None;
                    lab.network.insert(eni);
                    lab.sync();
                }
            }
        }
        batches.extend(lab.flush());
        let covered = |batch: &&Batch| batch.subscriptions.iter().any(|s| s.id() == FlowLogId::from_random(1));
        let records: Vec<_> = batches.iter().filter(covered).flat_map(|batch| &batch.records).collect();
        let sums = records.iter().fold((0, 0), |sum, record| (sum.0 + packets(record), sum.1 + bytes(record)));
        prop_assert_eq!(sums, fed);
        for record in records {
            prop_assert!(record.start <= record.end && record.end - record.start <= 60);
        }
    }
}

fn bytes(record: &openvpc_flowlogs::record::Record) -> u64 {
    match &record.status {
        Status::Ok(_, totals) => totals.bytes,
        Status::NoData | Status::SkipData => 0,
    }
}

fn packets(record: &openvpc_flowlogs::record::Record) -> u64 {
    match &record.status {
        Status::Ok(_, totals) => totals.packets,
        Status::NoData | Status::SkipData => 0,
    }
}
