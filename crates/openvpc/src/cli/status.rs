//! `openvpc status`: what runs, and in which tier.

use std::process::ExitCode;

use serde_json::Value;

use super::client::Client;
use super::{Failure, Paint, Target};

/// Prints the daemon's status.
pub fn run(target: &Target, json: bool) -> Result<ExitCode, Failure> {
    let status = Client::new(target).get("status")?;
    if json {
        println!("{status}");
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stdout();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    println!("{} {} at {}", paint.bold("openvpc"), text(&status["version"]), target.endpoint);
    println!("datapath   {} ({})", text(&status["datapath"]["backend"]), text(&status["datapath"]["why"]));
    println!("data       {}", text(&status["data_dir"]));
    for (kind, count) in status["resources"].as_object().into_iter().flatten() {
        println!("{kind:<10} {count}");
    }
    for instance in status["instances"].as_array().into_iter().flatten() {
        let addresses: Vec<_> = instance["addresses"].as_array().into_iter().flatten().map(&text).collect();
        println!("{}  {:<10} {}", text(&instance["id"]), text(&instance["state"]), addresses.join(" "));
    }
    for drop in status["datapath"]["drops"].as_array().into_iter().flatten() {
        println!("{}", paint.dim(&format!("dropped {:>8}  {}", text(&drop["packets"]), text(&drop["reason"]))));
    }
    for kind in status["not_forwarded"].as_array().into_iter().flatten() {
        let ids: Vec<_> = kind["ids"].as_array().into_iter().flatten().map(&text).collect();
        println!("no packets yet: {} {}", text(&kind["kind"]), ids.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}
