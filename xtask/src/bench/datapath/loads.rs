//! One measurement each: a load on a pair of hosts, and the figure that comes of it.

use serde_json::Value;

use super::place::{Cpu, Pair, Place};
use crate::Outcome;

/// The port of those tools that take one.
const PORT: &str = "5300";
/// Threads of a client that is pinned, and of one that may use the whole machine.
const THREADS: &str = "4";
const MANY_THREADS: &str = "16";
/// More flows than any run sends.
const ALL_FLOWS: &str = "1000000000";

/// Datagrams a second, where many flows have to become live.
const FILL_RATE: &str = "50000";
/// Datagrams of each: a flow lives from its second on.
const FILL_TIMES: usize = 2;
/// How often it is tried to bring all of them through on a machine that is busy otherwise.
const TRIES: usize = 3;

/// A measurement of so many seconds.
pub type Load = fn(&Pair, f64) -> Result<f64, String>;

/// TCP, one stream, in Gbit/s received.
pub fn tcp_1(pair: &Pair, seconds: f64) -> Result<f64, String> {
    tcp(pair, seconds, "1")
}

/// TCP, four streams, in Gbit/s received.
pub fn tcp_4(pair: &Pair, seconds: f64) -> Result<f64, String> {
    tcp(pair, seconds, "4")
}

fn tcp(pair: &Pair, seconds: f64, streams: &str) -> Result<f64, String> {
    let _server = pair.server.start_iperf(Cpu::Server, seconds)?;
    let time = format!("{:.0}", seconds.max(1.0));
    let argv = ["iperf3", "-c", &pair.address, "-J", "-t", &time, "-P", streams, "--connect-timeout", "3000"];
    let printed = pair.client.run(Cpu::Client, seconds + 15.0, &argv)?;
    let answer: Value = serde_json::from_str(&printed).map_err(|error| format!("iperf3: {error}"))?;
    number(&answer["end"]["sum_received"], "bits_per_second").map(|bits| bits / 1e9)
}

/// UDP, datagrams of 64 bytes on one flow, in thousands per second received.
pub fn udp(pair: &Pair, seconds: f64) -> Result<f64, String> {
    let server = pair.server.start(Cpu::Server, seconds, &["sink", PORT])?;
    let sent = pair.client.load(Cpu::Client, seconds, &["udp", &format!("{}:{PORT}", pair.address), &seconds.to_string()])?;
    let received = number(&server.finish()?, "received")?;
    Ok(received / number(&sent, "seconds")? / 1e3)
}

/// How many datagrams of a flow at a steady pace are lost.
pub fn lost(pair: &Pair, seconds: f64) -> Result<f64, String> {
    let server = pair.server.start(Cpu::Server, seconds, &["sink", PORT])?;
    let to = format!("{}:{PORT}", pair.address);
    let sent = pair.client.load(Cpu::Client, seconds, &["pace", &to, &seconds.to_string(), "10000"])?;
    let received = number(&server.finish()?, "received")?;
    Ok(number(&sent, "sent")? - received)
}

/// TCP connections, client and server on a processor each, in thousands per second.
pub fn connects(pair: &Pair, seconds: f64) -> Result<f64, String> {
    connect(pair, seconds, (Cpu::Client, Cpu::Server), THREADS)
}

/// TCP connections with every processor busy, in thousands per second.
pub fn connects_saturated(pair: &Pair, seconds: f64) -> Result<f64, String> {
    connect(pair, seconds, (Cpu::Any, Cpu::Any), MANY_THREADS)
}

fn connect(pair: &Pair, seconds: f64, (client, server): (Cpu, Cpu), threads: &str) -> Result<f64, String> {
    let _server = pair.server.start(server, seconds, &["accept", PORT, THREADS])?;
    let to = format!("{}:{PORT}", pair.address);
    let answer = pair.client.load(client, seconds, &["connect", &to, threads, &seconds.to_string()])?;
    Ok(number(&answer, "made")? / number(&answer, "seconds")? / 1e3)
}

/// UDP datagrams that each begin a flow, in thousands per second delivered.
pub fn spray(pair: &Pair, seconds: f64) -> Result<f64, String> {
    let before = unheard(&pair.server)?;
    let sent =
        pair.client.load(Cpu::Client, seconds, &["spray", &pair.address, &seconds.to_string(), ALL_FLOWS, "0", "0", "1"])?;
    let after = unheard(&pair.server)?;
    Ok((after - before) / number(&sent, "seconds")? / 1e3)
}

/// Makes so many flows live, the same each time, at a rate that any path keeps up with.
pub fn fill(pair: &Pair, flows: usize) -> Outcome {
    let (mut arrived, times) = (0.0, FILL_TIMES.to_string());
    for _ in 0..TRIES {
        let before = unheard(&pair.server)?;
        pair.client.load(Cpu::Client, 60.0, &["spray", &pair.address, "60", &flows.to_string(), "20000", FILL_RATE, &times])?;
        arrived = unheard(&pair.server)? - before;
        if arrived >= (flows * FILL_TIMES) as f64 {
            return Ok(());
        }
    }
    Err(format!("of {FILL_TIMES} datagrams on each of {flows} flows only {arrived} arrived"))
}

/// Datagrams that came to a host for ports where nobody listens.
fn unheard(host: &Place) -> Result<f64, String> {
    let text = host.run(Cpu::Any, 10.0, &["cat", "/proc/net/snmp"])?;
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let found = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "NoPorts");
    found.and_then(|(_, value)| value.parse().ok()).ok_or_else(|| "/proc/net/snmp has no NoPorts".to_owned())
}

/// Waits until a pair is connected.
pub fn until_connected(pair: &Pair) -> Result<(), String> {
    pair.client.load(Cpu::Any, 20.0, &["ping", &pair.address, "20"]).map(drop)
}

/// A member of an answer that is a number.
pub fn number(answer: &Value, name: &str) -> Result<f64, String> {
    answer[name].as_f64().ok_or_else(|| format!("no {name} in {answer}"))
}
