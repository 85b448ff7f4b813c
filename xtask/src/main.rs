//! Project commands: `cargo xtask COMMAND [ARGUMENTS]`.
//!
//! One module per command; each has a `SUMMARY` line for the usage text and a `run` function over its arguments.

use std::process::ExitCode;

mod bench;
mod bpf;
mod fuzz;
mod load;
mod model;

/// What a command gives back: nothing, or a sentence for the person who called it.
type Outcome = Result<(), String>;

/// A command's name, its usage line and what runs it.
type Command = (&'static str, &'static str, fn(&[String]) -> Outcome);

const COMMANDS: &[Command] = &[
    ("bench", bench::SUMMARY, bench::run),
    ("bpf", bpf::SUMMARY, bpf::run),
    ("fuzz", fuzz::SUMMARY, fuzz::run),
    ("load", load::SUMMARY, load::run),
    ("model", model::SUMMARY, model::run),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let found = arguments.first().and_then(|name| COMMANDS.iter().find(|(command, ..)| command == name));
    let Some((_, _, run)) = found else {
        eprintln!("usage: cargo xtask COMMAND [ARGUMENTS]\n");
        for (name, summary, _) in COMMANDS {
            eprintln!("  {name:<8} {summary}");
        }
        return ExitCode::from(2);
    };
    match run(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the work tree.
fn project_root() -> std::path::PathBuf {
    // xtask lies directly under the root, so its manifest directory always has a parent.
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Into::into).unwrap_or_default()
}
