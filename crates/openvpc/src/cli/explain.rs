//! `openvpc explain`: the path of a packet in words.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::client::Client;
use super::{ExplainOptions, Failure, Paint, Target};

/// Asks, prints, and says by the exit status: 0 reachable, 1 not reachable, 2 error.
pub fn run(target: &Target, options: &ExplainOptions) -> Result<ExitCode, Failure> {
    let question = json!({
        "from": options.from,
        "to": options.to,
        "protocol": options.protocol,
        "port": options.port,
        "source_port": options.source_port,
    });
    let answer = Client::new(target).post("explain", &question).map_err(|failure| failure.with_status(2))?;
    if options.json {
        println!("{answer}");
    } else {
        print!("{}", told(&answer, Paint::stdout()));
    }
    Ok(if answer["reachable"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An explanation as a person reads it, a line a hop.
pub fn told(answer: &Value, paint: Paint) -> String {
    let verdict = if answer["reachable"] == true { paint.green("reachable") } else { paint.red("not reachable") };
    let mut text = format!("{verdict}\n");
    for (name, key) in [("forward", "forward"), ("return", "return")] {
        let path = &answer[key];
        // When the packet doesn't arrive, there is no answer to tell of.
        if path["hops"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        text += &format!("{}\n", paint.bold(name));
        text += &way(path, paint);
    }
    text
}

/// The hops of one direction.
pub fn way(path: &Value, paint: Paint) -> String {
    let field = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let mut text = String::new();
    for hop in path["hops"].as_array().into_iter().flatten() {
        let stopped = hop["action"] == "deny";
        let mark = if stopped { paint.red("✗") } else { paint.green("✓") };
        let rule = match field(hop, "rule") {
            rule if rule.is_empty() => String::new(),
            rule => format!("  {rule}"),
        };
        text += &format!("  {mark} {:<18} {}{}\n", field(hop, "component"), field(hop, "resource_id"), paint.dim(&rule));
    }
    for blocker in path["blockers"].as_array().into_iter().flatten() {
        text += &format!("    {} {}\n", paint.red(&field(blocker, "code")), field(blocker, "message"));
    }
    text
}
