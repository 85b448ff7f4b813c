#!/usr/bin/env bash
# Installs what a fresh Debian-like machine lacks for building and testing openvpc. Does nothing where all is there.
# Usage: ./setup.sh build | test
set -euo pipefail
cd "$(dirname "$0")"

packages=()
need() { command -v "$1" >/dev/null 2>&1 || packages+=("$2"); }

command -v cc >/dev/null 2>&1 || packages+=(gcc libc6-dev)
need make make
if [ "${1:-build}" = test ]; then
  need g++ g++
  need ip iproute2
  need ping iputils-ping
  need curl curl
  need tcpdump tcpdump
  need dig bind9-dnsutils
  need iperf3 iperf3
  need unshare util-linux
  need nft nftables
  need dhclient isc-dhcp-client
  need udhcpc udhcpc
  need chronyd chrony
  need podman podman
  need crun crun
  need busybox busybox-static
  need clang clang
  need llvm-objcopy llvm
  [ -e /usr/include/linux/bpf.h ] || packages+=(linux-libc-dev)
  need python3 python3
  python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || packages+=(python3-venv)
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
if [ ${#packages[@]} -gt 0 ]; then
  echo "setup: installing ${packages[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

PATH="$PATH:$HOME/.cargo/bin"
if ! command -v cargo >/dev/null 2>&1 && ! command -v rustup >/dev/null 2>&1; then
  # Newer Debian and Ubuntu releases carry rustup; older ones have no Rust that is new enough, and the end says so.
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends rustup >/dev/null 2>&1 || true
fi
if ! cargo --version >/dev/null 2>&1 && command -v rustup >/dev/null 2>&1; then
  echo "setup: installing Rust"
  rustup toolchain install stable --profile minimal --component clippy --component rustfmt >/dev/null
  rustup default stable >/dev/null
fi
if ! cargo --version >/dev/null 2>&1; then
  echo "setup: openvpc is built with Rust 1.95 or newer, which isn't here; install it with rustup and run this again" >&2
  exit 1
fi

if [ "${1:-build}" = test ]; then
  if ! cargo nextest --version >/dev/null 2>&1; then
    echo "setup: installing cargo-nextest"
    cargo install --locked --quiet cargo-nextest
  fi
  # Made anew whenever what it is to hold has changed, or it is broken.
  if ! cmp -s tests/requirements.txt target/venv/requirements.txt || ! target/venv/bin/python -c 'import boto3, pytest' 2>/dev/null; then
    echo "setup: installing boto3, the aws CLI, Ansible and pytest into target/venv"
    mkdir -p target
    python3 -m venv --clear target/venv
    target/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt target/venv/requirements.txt
  fi
fi
