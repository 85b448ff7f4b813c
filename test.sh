#!/usr/bin/env bash
# Sets up what the tests need, then runs all of them. Best as root; without root, tests that need it say that they skip.
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh test
export PATH="$PATH:$HOME/.cargo/bin"
export CARGO_TERM_COLOR=never

echo "== format, lints, generated code"
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
cargo xtask model check
cargo xtask bpf check

echo "== crates"
cargo nextest run --workspace --profile ci

echo "== fuzz targets, briefly"
cargo xtask fuzz --seconds 10

echo "== the real binary with real clients"
cargo build --quiet --package openvpc
OPENVPC_BIN="$PWD/target/debug/openvpc" target/venv/bin/pytest -q tests
