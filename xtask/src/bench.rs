//! Benchmarks. Each prints its figures beside a baseline measured in the same run and fails when a bar is missed.

use std::process::Command;

use crate::Outcome;

mod api;
mod datapath;
mod load;
mod servers;
mod signature;

/// For the usage text.
pub const SUMMARY: &str = "measure: `pipeline` judges packets, `engine` carries them in user space, `datapath` carries them in a VPC beside a bare \
     veth pair and a router, `api` asks openvpc and moto_server";

/// Builds a benchmark with optimisations and runs it.
pub fn run(arguments: &[String]) -> Outcome {
    let (package, bench) = match arguments {
        [name] if name == "pipeline" => ("openvpc-pipeline", "judge"),
        [name] if name == "engine" => ("openvpc-datapath", "engine"),
        [name, rest @ ..] if name == "api" => return api::run(rest),
        [name, rest @ ..] if name == "datapath" => return datapath::run(rest),
        _ => return Err("usage: cargo xtask bench pipeline|engine|datapath|api".into()),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["bench", "--quiet", "--package", package, "--bench", bench])
        .current_dir(crate::project_root())
        .status()
        .map_err(|error| format!("cargo can't be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("the benchmark {bench} of {package} missed a bar or didn't run")) }
}
