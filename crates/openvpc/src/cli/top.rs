//! `openvpc top`: what passes each interface per second, the busiest first.
//!
//! A sample is the difference of two readings of the daemon's counters, over the time that the daemon says lies between
//! them; how long the answers were under way makes no difference.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::thread;

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::flows::print;
use super::paint::columns;
use super::{Failure, Paint, Target, TopOptions};

/// Shows samples until it is ended.
pub fn run(target: &Target, options: &TopOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(target);
    let in_place = !options.json && !options.once && std::io::stdout().is_terminal();
    let mut before = read(&client)?;
    let mut lines_above = 0;
    loop {
        thread::sleep(options.interval);
        let after = read(&client)?;
        let sample = Sample::between(&before, &after);
        before = after;
        // None when another daemon answers, whose counters began anew.
        let Some(sample) = sample else { continue };
        if options.json {
            let line =
                serde_json::to_string(&sample).map_err(|error| Failure::new(format!("a sample can't be written: {error}")))?;
            print(&format!("{line}\n"))?;
        } else {
            let (width, rows) = if in_place { (columns(), rows()) } else { (usize::MAX, usize::MAX) };
            let text = sample.table(width, rows, Paint::stdout());
            let back = if in_place && lines_above > 0 { format!("\x1b[{lines_above}A\x1b[J") } else { String::new() };
            lines_above = text.lines().count();
            print(&format!("{back}{text}"))?;
        }
        if options.once {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn read(client: &Client) -> Result<Reading, Failure> {
    serde_json::from_value(client.get("interfaces")?)
        .map_err(|error| Failure::new(format!("the daemon's answer can't be read: {error}")))
}

/// The counters at one moment.
#[derive(Clone, Debug, Deserialize)]
struct Reading {
    /// Seconds of the daemon's clock.
    at: f64,
    interfaces: Vec<Counters>,
}

#[derive(Clone, Debug, Deserialize)]
struct Counters {
    interface: String,
    instance: Option<String>,
    address: Option<String>,
    #[serde(rename = "in")]
    received: Traffic,
    #[serde(rename = "out")]
    sent: Traffic,
    drops: Vec<Dropped>,
    #[serde(default)]
    flows: Vec<FlowCounters>,
}

/// A flow that the interface sends, and what passed of it.
#[derive(Clone, Debug, Deserialize)]
struct FlowCounters {
    #[serde(flatten)]
    flow: Flow,
    packets: u64,
    bytes: u64,
}

/// A flow in one direction, by its addresses as they are sent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Flow {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    dropped_for: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Traffic {
    packets: u64,
    bytes: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Dropped {
    reason: String,
    packets: u64,
}

/// What passed per second. Members are only ever added.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Sample {
    /// The time that the rates are of.
    seconds: f64,
    /// Busiest first.
    interfaces: Vec<Rates>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct Rates {
    interface: String,
    instance: Option<String>,
    address: Option<String>,
    #[serde(rename = "in")]
    received: Rate,
    #[serde(rename = "out")]
    sent: Rate,
    drops_per_second: f64,
    /// Most frequent first.
    drops: Vec<DropRate>,
    /// The busiest flows that it sends, where the datapath tells flows apart.
    flows: Vec<FlowRate>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct FlowRate {
    #[serde(flatten)]
    flow: Flow,
    #[serde(flatten)]
    rate: Rate,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
struct Rate {
    packets_per_second: f64,
    bits_per_second: f64,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct DropRate {
    reason: String,
    per_second: f64,
}

impl Sample {
    fn between(before: &Reading, after: &Reading) -> Option<Self> {
        let seconds = after.at - before.at;
        if seconds <= 0.0 {
            return None;
        }
        let earlier: BTreeMap<_, _> = before.interfaces.iter().map(|counters| (&*counters.interface, counters)).collect();
        let of = |counters| Rates::of(counters, earlier.get(&*counters.interface).copied(), seconds);
        let mut interfaces: Vec<_> = after.interfaces.iter().map(of).collect();
        // Stable, so that idle ones keep their order.
        interfaces.sort_by(|a, b| b.bits_per_second().total_cmp(&a.bits_per_second()));
        Some(Self { seconds, interfaces })
    }

    /// A table of at most that many columns and rows.
    fn table(&self, width: usize, rows: usize, paint: Paint) -> String {
        let total = self.interfaces.iter().fold(0.0, |sum, rates| sum + rates.received.bits_per_second);
        let count = self.interfaces.len();
        let title = format!("{count} interfaces, {}bit/s let through, over {:.1} s", short(total), self.seconds);
        let addresses = self.interfaces.iter().filter_map(|rates| rates.address.as_ref().map(String::len));
        let wide = addresses.max().unwrap_or_default().max("ADDRESS".len());
        let line = |interface: &str, address: &str, numbers: [&str; 5], rest: &str| {
            let [in_bits, in_packets, out_bits, out_packets, drops] = numbers;
            let text = format!(
                "{interface:<21}  {address:<wide$}  {in_bits:>8} {in_packets:>8}  {out_bits:>8} {out_packets:>8}  {drops:>7}  {rest}"
            );
            text.trim_end().chars().take(width).collect::<String>()
        };
        let head =
            line("INTERFACE", "ADDRESS", ["IN bit/s", "pkt/s", "OUT bit/s", "pkt/s", "DROP/s"], "INSTANCE, MOST DROPPED FOR");
        // Title, head, and the line that the cursor stands in.
        let room = rows.saturating_sub(3);
        let mut text = format!("{}\n{}\n", title.chars().take(width).collect::<String>(), paint.bold(&head));
        let shown = if count > room { room.saturating_sub(1) } else { count };
        // What is left of the screen shows flows, the same number for each interface.
        let flows_each = (room.saturating_sub(shown) / shown.max(1)).min(FLOWS_SHOWN);
        for rates in &self.interfaces[..shown] {
            let reason = rates.drops.first().map(|drop| format!(" {}", drop.reason)).unwrap_or_default();
            let rest = format!("{}{reason}", rates.instance.as_deref().unwrap_or_default());
            let numbers = [
                rates.received.bits_per_second,
                rates.received.packets_per_second,
                rates.sent.bits_per_second,
                rates.sent.packets_per_second,
                rates.drops_per_second,
            ];
            let numbers = numbers.map(short);
            let row =
                line(&rates.interface, rates.address.as_deref().unwrap_or("-"), numbers.each_ref().map(String::as_str), &rest);
            // Writing to a String can't fail.
            let _ = writeln!(text, "{}", if rates.is_idle() { paint.dim(&row) } else { row });
            for FlowRate { flow, rate } in rates.flows.iter().take(flows_each) {
                let numbers = ["", "", &short(rate.bits_per_second), &short(rate.packets_per_second), ""];
                let row = line("", "", numbers, &flow.to_string());
                let _ = writeln!(text, "{}", paint.dim(&row));
            }
        }
        if shown < count {
            let _ = writeln!(text, "and {} more", count - shown);
        }
        text
    }
}

impl Rates {
    /// What passed since `before`; an interface that wasn't there then had passed nothing.
    fn of(after: &Counters, before: Option<&Counters>, seconds: f64) -> Self {
        let rate = |after: Traffic, before: Traffic| Rate {
            packets_per_second: after.packets.saturating_sub(before.packets) as f64 / seconds,
            bits_per_second: after.bytes.saturating_sub(before.bytes) as f64 * 8.0 / seconds,
        };
        let earlier_flows = before.map(|before| &before.flows[..]).unwrap_or_default();
        let flows = after.flows.iter().map(|now| {
            let then = earlier_flows.iter().find(|then| then.flow == now.flow && then.packets <= now.packets);
            let traffic = |counters: &FlowCounters| Traffic { packets: counters.packets, bytes: counters.bytes };
            FlowRate { flow: now.flow.clone(), rate: rate(traffic(now), then.map(traffic).unwrap_or_default()) }
        });
        let mut flows: Vec<_> = flows.filter(|flow| flow.rate.packets_per_second > 0.0).collect();
        flows.sort_by(|a, b| b.rate.bits_per_second.total_cmp(&a.rate.bits_per_second));
        let earlier = |reason: &str| {
            let drop = before.and_then(|before| before.drops.iter().find(|drop| drop.reason == reason));
            drop.map_or(0, |drop| drop.packets)
        };
        let drops = after.drops.iter().map(|drop| DropRate {
            reason: drop.reason.clone(),
            per_second: drop.packets.saturating_sub(earlier(&drop.reason)) as f64 / seconds,
        });
        let mut drops: Vec<_> = drops.filter(|drop| drop.per_second > 0.0).collect();
        drops.sort_by(|a, b| b.per_second.total_cmp(&a.per_second));
        Self {
            interface: after.interface.clone(),
            instance: after.instance.clone(),
            address: after.address.clone(),
            received: rate(after.received, before.map(|before| before.received).unwrap_or_default()),
            sent: rate(after.sent, before.map(|before| before.sent).unwrap_or_default()),
            // The sum of nothing would be -0.0.
            drops_per_second: drops.iter().fold(0.0, |sum, drop| sum + drop.per_second),
            drops,
            flows,
        }
    }

    fn bits_per_second(&self) -> f64 {
        self.received.bits_per_second + self.sent.bits_per_second
    }

    fn is_idle(&self) -> bool {
        self.bits_per_second() == 0.0 && self.drops.is_empty()
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |address: IpAddr, port: Option<u16>| match port {
            Some(port) => SocketAddr::new(address, port).to_string(),
            None => address.to_string(),
        };
        let protocol = match self.protocol {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "icmpv6".to_owned(),
            number => format!("protocol {number}"),
        };
        let (from, to) = (end(self.source, self.source_port), end(self.destination, self.destination_port));
        write!(f, "{protocol} {from} > {to}")?;
        self.dropped_for.as_ref().map_or(Ok(()), |code| write!(f, " {code}"))
    }
}

/// Flows shown below an interface at most.
const FLOWS_SHOWN: usize = 5;

/// A number in four or five characters.
fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        n if n >= 1e9 => (n / 1e9, "G"),
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e3 => (n / 1e3, "k"),
        n => (n, ""),
    };
    match scaled {
        0.0 => "0".to_owned(),
        n if n < 10.0 => format!("{n:.1}{unit}"),
        n => format!("{n:.0}{unit}"),
    }
}

/// The height of the terminal.
fn rows() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(24, |size| usize::from(size.ws_row).max(4))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    /// An interface's name, packets received and sent, and drops.
    type Row<'a> = (&'a str, u64, u64, &'a [(&'a str, u64)]);

    fn reading(at: f64, interfaces: &[Row<'_>]) -> Reading {
        let interfaces = interfaces.iter().map(|(name, received, sent, drops)| {
            let drops: Vec<_> = drops.iter().map(|(reason, packets)| json!({ "reason": reason, "packets": packets })).collect();
            let traffic = |packets: u64| json!({ "frames": packets, "packets": packets, "bytes": packets * 100 });
            json!({
                "interface": name, "instance": "i-1", "address": "10.0.0.4",
                "in": traffic(*received), "out": traffic(*sent), "drops": drops,
            })
        });
        serde_json::from_value(json!({ "at": at, "interfaces": interfaces.collect::<Vec<_>>() })).unwrap()
    }

    #[test]
    fn rates_are_differences_over_the_daemons_time_and_the_busiest_comes_first() {
        let before = reading(10.0, &[("eni-a", 0, 50, &[("NACL", 5)]), ("eni-b", 0, 0, &[])]);
        let after = reading(12.0, &[("eni-a", 0, 60, &[("NACL", 7), ("SG", 9)]), ("eni-b", 40, 0, &[]), ("eni-c", 0, 10, &[])]);
        let sample = Sample::between(&before, &after).unwrap();
        let names: Vec<_> = sample.interfaces.iter().map(|rates| &*rates.interface).collect();
        assert_eq!((sample.seconds, names), (2.0, vec!["eni-b", "eni-a", "eni-c"]));
        let [b, a, c] = &sample.interfaces[..] else { panic!("three interfaces") };
        assert_eq!(b.received, Rate { packets_per_second: 20.0, bits_per_second: 16_000.0 });
        assert_eq!(a.sent.packets_per_second, 5.0);
        assert_eq!((a.drops_per_second, &*a.drops[0].reason, a.drops.len()), (5.5, "SG", 2));
        assert_eq!(c.sent.packets_per_second, 5.0, "new since the first reading");
        let json = serde_json::to_value(&sample).unwrap();
        assert_eq!(json["interfaces"][1]["drops"][1], json!({ "reason": "NACL", "per_second": 1.0 }));
    }

    #[test]
    fn a_daemon_that_began_anew_gives_no_sample() {
        assert!(Sample::between(&reading(10.0, &[]), &reading(1.0, &[])).is_none());
    }

    #[test]
    fn a_table_keeps_to_the_terminal() {
        let many: Vec<_> = (0..50).map(|number| format!("eni-{number:017x}")).collect();
        let rows = |count: u64| many.iter().map(|name| (&**name, count, count, &[] as &[_])).collect::<Vec<_>>();
        let sample = Sample::between(&reading(0.0, &rows(0)), &reading(1.0, &rows(3))).unwrap();
        let table = sample.table(60, 20, Paint::stdout());
        assert!(table.lines().count() < 20 && table.ends_with("and 34 more\n"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 60), "{table}");
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.5, 12.3, 999.0, 1_234.0, 45_600_000.0, 12_340_000_000.0].map(short);
        assert_eq!(texts, ["0", "0.5", "12", "999", "1.2k", "46M", "12G"]);
    }
}
