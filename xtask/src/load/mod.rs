//! `cargo xtask load TOOL …`: the load that benchmarks put on a network, run inside a namespace or an instance.
//!
//! Tools that send take a time and print one line of JSON at the end. Tools that receive print `ready`, run until their
//! standard input ends, so that they never outlive who started them, and then print theirs.

mod connect;
mod ping;
mod reap;
mod udp;

use std::io::{Read, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use udp::Spray;

use crate::Outcome;

/// For the usage text.
pub const SUMMARY: &str =
    "put load on a network, as the benchmarks do: `udp`, `pace`, `sink`, `spray`, `connect`, `accept`, `ping`";

const USAGE: &str = "usage: cargo xtask load udp ADDRESS:PORT SECONDS | pace ADDRESS:PORT SECONDS RATE | sink PORT | spray ADDRESS SECONDS FLOWS SOURCE_PORT RATE TIMES \
                     | connect ADDRESS:PORT THREADS SECONDS | accept PORT THREADS | ping ADDRESS SECONDS | reap";

/// Runs a tool.
pub fn run(arguments: &[String]) -> Outcome {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match *arguments {
        ["udp", to, seconds] => udp::send(parsed(to)?, duration(seconds)?),
        ["pace", to, seconds, rate] => udp::pace(parsed(to)?, duration(seconds)?, parsed(rate)?),
        ["sink", port] => udp::sink(parsed(port)?),
        ["spray", to, seconds, flows, source, rate, times] => {
            let (flows, source, rate, times) = (parsed(flows)?, parsed(source)?, parsed(rate)?, parsed(times)?);
            udp::spray(parsed(to)?, duration(seconds)?, Spray { flows, source, rate, times })
        }
        ["connect", to, threads, seconds] => connect::connect(parsed(to)?, parsed(threads)?, duration(seconds)?),
        ["accept", port, threads] => connect::accept(parsed(port)?, parsed(threads)?),
        ["ping", to, seconds] => ping::first(parsed(to)?, duration(seconds)?),
        ["reap"] => reap::reap(),
        _ => return Err(USAGE.to_owned()),
    };
    println!("{}", answer.map_err(|error| error.to_string())?);
    Ok(())
}

type Answer = std::io::Result<Value>;

fn parsed<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is none; {USAGE}"))
}

fn duration(seconds: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(parsed(seconds)?).map_err(|error| error.to_string())
}

/// Says that load may come, and raises the flag when who started this closes standard input.
fn ready(stop: &AtomicBool) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    let end = std::io::stdin().read_to_end(&mut Vec::new()).map(drop);
    stop.store(true, Ordering::Relaxed);
    end
}
