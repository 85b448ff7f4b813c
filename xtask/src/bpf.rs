//! The program of the kernel tier: compiled by clang where somebody changes it, kept as an object file for everybody else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::Outcome;

/// For the usage text.
pub const SUMMARY: &str = "compile the kernel tier's program with clang: build, or check that the object is of these sources";

/// `build` writes the object file and what it was made of; `check` fails when the sources are others than those, or don't
/// compile (as far as there is a compiler).
pub fn run(arguments: &[String]) -> Outcome {
    let folder = crate::project_root().join("crates/datapath/bpf");
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["build"] => {
            compile(&folder, &folder.join(OBJECT))?;
            let recorded = folder.join(RECORD);
            fs::write(&recorded, fingerprint(&folder)? + "\n").map_err(|error| format!("{}: {error}", recorded.display()))
        }
        ["check"] => check(&folder),
        _ => Err(format!("usage: cargo xtask bpf build|check ({SUMMARY})")),
    }
}

fn check(folder: &Path) -> Outcome {
    let recorded = fs::read_to_string(folder.join(RECORD)).unwrap_or_default();
    if recorded.trim() != fingerprint(folder)? {
        return Err(format!("{OBJECT} was compiled of other sources; run `cargo xtask bpf build` and commit both"));
    }
    if Command::new("clang").arg("--version").output().is_err() {
        println!("no clang here: the program's sources are those of its object file; they were not compiled");
        return Ok(());
    }
    let made = std::env::temp_dir().join(format!("openvpc-bpf-{}.o", std::process::id()));
    let compiled = compile(folder, &made);
    let _ = fs::remove_file(made);
    compiled
}

/// Compiles, and leaves out what only debuggers read.
fn compile(folder: &Path, to: &Path) -> Outcome {
    let mut clang = Command::new("clang");
    clang.args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-target", "bpf", "-mcpu=v3"]);
    // Where Debian and its like keep the machine's own part of the kernel's headers.
    clang.arg(format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH));
    clang.arg("-c").arg(folder.join("fastpath.c")).arg("-o").arg(to);
    call(clang, "clang")?;
    let mut strip = Command::new("llvm-objcopy");
    strip.args(["--strip-debug", "--remove-section=.BTF.ext", "--remove-section=.rel.BTF.ext"]);
    strip.arg("--remove-section=.llvm_addrsig").arg(to);
    call(strip, "llvm-objcopy")
}

fn call(mut command: Command, name: &str) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed: {status}")),
        Err(error) => Err(format!("{name}: {error}; install the packages clang, llvm and linux-libc-dev")),
    }
}

/// A hash of all sources.
fn fingerprint(folder: &Path) -> Result<String, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let is_source = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "c" || extension == "h");
    let mut sources: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_source).collect();
    sources.sort();
    let mut hash = Sha256::new();
    for source in sources {
        hash.update(fs::read(&source).map_err(|error| format!("{}: {error}", source.display()))?);
    }
    Ok(hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect())
}

const OBJECT: &str = "fastpath.o";
const RECORD: &str = "fastpath.sources.sha256";
