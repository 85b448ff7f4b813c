//! Labs: stories that make API calls, send packets, explain every verdict, read the flow logs, and check all of it.

mod awscli;
mod demo;
mod names;
mod runner;
mod story;

use std::path::Path;
use std::process::ExitCode;

pub use demo::demo;
use story::Story;

use crate::cli::{Failure, Labs, Target};

/// The labs that come with the program, in the order of learning.
const BUILT_IN: &[(&str, &str)] = &[
    ("first-light", include_str!("../../../../labs/first-light/lab.yaml")),
    ("nat-gateway", include_str!("../../../../labs/nat-gateway/lab.yaml")),
    ("egress-only-ipv6", include_str!("../../../../labs/egress-only-ipv6/lab.yaml")),
];

/// Runs `openvpc lab …`.
pub fn command(target: &Target, command: Labs) -> Result<ExitCode, Failure> {
    match command {
        Labs::List { json } => list(json),
        Labs::Run { name, keep, json } => runner::run(target, &find(&name)?, keep, json),
    }
}

fn list(json: bool) -> Result<ExitCode, Failure> {
    let mut labs = Vec::new();
    for (name, _) in BUILT_IN {
        labs.push((name, find(name)?));
    }
    if json {
        let rows: Vec<_> = labs.iter().map(|(name, lab)| serde_json::json!({ "name": name, "title": lab.title })).collect();
        println!("{}", serde_json::Value::Array(rows));
    } else {
        for (name, lab) in labs {
            println!("{name:<20} {}", lab.title);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A lab by name, or by the path of its folder.
fn find(name: &str) -> Result<Story, Failure> {
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    let text = match built_in {
        Some(text) => text,
        None => {
            let path = Path::new(name).join("lab.yaml");
            std::fs::read_to_string(&path).map_err(|error| {
                let known: Vec<_> = BUILT_IN.iter().map(|(known, _)| *known).collect();
                Failure::new(format!(
                    "no lab is called {name} (there are: {}), and {}: {error}",
                    known.join(", "),
                    path.display()
                ))
                .with_status(2)
            })?
        }
    };
    Story::parse(&text).map_err(|error| Failure::new(format!("the lab {name} can't be read: {error}")).with_status(2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_lab_that_comes_with_the_program_can_be_read() {
        for (name, _) in BUILT_IN {
            assert!(!find(name).unwrap().steps.is_empty());
        }
    }
}
