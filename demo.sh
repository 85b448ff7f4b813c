#!/usr/bin/env bash
# Builds openvpc and runs its first lab on a daemon of its own. Needs no account; leaves nothing behind but the build.
set -euo pipefail
cd "$(dirname "$0")"
./setup.sh build
export PATH="$PATH:$HOME/.cargo/bin"
cargo build --release --quiet
exec target/release/openvpc demo
