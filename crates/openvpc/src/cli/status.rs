//! `openvpc status`: what runs, and in which tier; `openvpc status datapath`: the path of packets.

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
    println!("{} {} at {}", paint.bold("openvpc"), text(&status["version"]), target.endpoint);
    println!("datapath   {} ({})", text(&status["datapath"]["backend"]), text(&status["datapath"]["why"]));
    if let Some(internet) = status["internet"].as_object() {
        let pools: Vec<_> = internet["public_pools"].as_array().into_iter().flatten().map(text).collect();
        let by = internet["interface"].as_str().map(|name| format!(" by {name}")).unwrap_or_default();
        let link = internet["link"].as_str().map(|name| format!(", reachable from this machine by {name}")).unwrap_or_default();
        println!("internet   {}{by} (public addresses {}{link})", text(&internet["mode"]), pools.join(" "));
        if let Some(note) = internet["note"].as_str() {
            println!("           {}", paint.dim(note));
        }
    }
    println!("data       {}", text(&status["data_dir"]));
    let servers: Vec<_> = status["names"]["upstream"].as_array().into_iter().flatten().map(text).collect();
    let beyond =
        if servers.is_empty() { "nothing beyond the lab internet".to_owned() } else { format!("then {}", servers.join(", ")) };
    let outcomes = status["names"]["outcomes"].as_object().into_iter().flatten();
    let outcomes: Vec<_> =
        outcomes.filter(|(_, count)| **count != 0).map(|(outcome, count)| format!("{count} {outcome}")).collect();
    println!("resolver   {beyond}{}", outcomes.iter().map(|part| format!(", {part}")).collect::<String>());
    for (kind, count) in status["resources"].as_object().into_iter().flatten() {
        println!("{kind:<10} {count}");
    }
    for instance in status["instances"].as_array().into_iter().flatten() {
        let addresses: Vec<_> = instance["addresses"].as_array().into_iter().flatten().map(text).collect();
        println!("{}  {:<10} {}", text(&instance["id"]), text(&instance["state"]), addresses.join(" "));
    }
    for drop in status["datapath"]["drops"].as_array().into_iter().flatten() {
        println!("{}", paint.dim(&format!("dropped {:>8}  {}", text(&drop["packets"]), text(&drop["reason"]))));
    }
    for gateway in status["gateways"].as_array().into_iter().flatten() {
        let counts = gateway["counts"].as_object().into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0));
        let counts: Vec<_> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        println!("{} {}  {}", text(&gateway["kind"]), text(&gateway["id"]), paint.dim(&counts.join(", ")));
    }
    for kind in status["not_forwarded"].as_array().into_iter().flatten() {
        let ids: Vec<_> = kind["ids"].as_array().into_iter().flatten().map(text).collect();
        println!("no packets yet: {} {}", text(&kind["kind"]), ids.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what the datapath says of itself.
pub fn datapath(target: &Target, json: bool) -> Result<ExitCode, Failure> {
    let datapath = Client::new(target).get("datapath")?;
    if json {
        println!("{datapath}");
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stdout();
    let internet = if datapath["internet"] == true { " and the internet" } else { "" };
    let rows = [
        ("tier", format!("{} ({})", paint.bold(&text(&datapath["tier"])), text(&datapath["why"]))),
        ("connected", format!("{} interfaces{internet}", datapath["connected_interfaces"])),
        ("tracked flows", text(&datapath["tracked_flows"])),
        ("mapped flows", text(&datapath["mapped_flows"])),
        ("overruns", format!("{} frames came faster than they could be taken", datapath["overruns"])),
        ("unusable", format!("{} frames were too long or of an unknown offload", datapath["unusable"])),
    ];
    for (name, value) in rows {
        println!("{name:<16}{value}");
    }
    for detail in datapath["details"].as_array().into_iter().flatten() {
        let of = detail.get("capacity").map(|capacity| format!(" of {capacity}")).unwrap_or_default();
        let name = text(&detail["name"]).replace('_', " ");
        println!("{name:<15} {}{of}  {}", text(&detail["value"]), paint.dim(&text(&detail["help"])));
    }
    let mut drops: Vec<_> = datapath["drops"].as_array().into_iter().flatten().collect();
    drops.sort_by_key(|drop| std::cmp::Reverse(drop["packets"].as_u64()));
    for drop in drops {
        println!("{:<16}{} {}", "dropped", text(&drop["packets"]), text(&drop["reason"]));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
