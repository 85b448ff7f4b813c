//! Fuzzing: builds the targets of `fuzz/` with the fuzzer's instrumentation and runs each for a while.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;

/// For the usage text.
pub const SUMMARY: &str = "run the fuzz targets: [TARGET] [--seconds N], 30 by default";

/// What cargo-fuzz sets, as far as a stable compiler takes it: coverage without sanitizers.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg=fuzzing";

/// Builds the targets and runs them; fails when one finds an input that breaks it, which then lies in `fuzz/artifacts`.
pub fn run(arguments: &[String]) -> Outcome {
    let (only, seconds) = parse(arguments)?;
    let fuzz = crate::project_root().join("fuzz");
    // The target is named so that build scripts and macros, which run on this machine, aren't instrumented.
    let host = host()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut build = Command::new(cargo);
    build
        .args(["build", "--release", "--quiet", "--locked", "--target", &host])
        .current_dir(&fuzz)
        .env("RUSTFLAGS", INSTRUMENTATION);
    let target_dir = fuzz.join("target");
    build.env("CARGO_TARGET_DIR", &target_dir);
    call(&mut build, "building the fuzz targets")?;
    for name in targets(&fuzz)?.iter().filter(|name| only.as_ref().is_none_or(|only| only == *name)) {
        println!("fuzz target {name}: {seconds} seconds");
        let found = fuzz.join("corpus-work").join(name);
        let artifacts = fuzz.join("artifacts").join(name);
        for folder in [&found, &artifacts] {
            fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let mut run = Command::new(target_dir.join(&host).join("release").join(name));
        run.arg(&found).arg(fuzz.join("corpus").join(name));
        run.arg(format!("-max_total_time={seconds}")).args(["-max_len=4096", "-print_final_stats=1", "-verbosity=0"]);
        run.arg(format!("-artifact_prefix={}/", artifacts.display()));
        call(&mut run, &format!("the fuzz target {name}"))?;
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(Option<String>, u32), String> {
    let (mut only, mut seconds) = (None, 30);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--seconds" {
            seconds = words.next().and_then(|text| text.parse().ok()).ok_or("--seconds needs a number")?;
        } else {
            only = Some(word.clone());
        }
    }
    Ok((only, seconds))
}

fn targets(fuzz: &Path) -> Result<Vec<String>, String> {
    let folder = fuzz.join("targets");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<_> = entries.flatten().filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// The triple of this machine, as the compiler names it.
fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| format!("rustc can't be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc names no host".to_owned())
}

fn call(command: &mut Command, what: &str) -> Outcome {
    let status = command.status().map_err(|error| format!("{what}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{what} failed")) }
}
