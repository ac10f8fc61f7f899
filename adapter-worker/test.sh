#!/usr/bin/env bash
# Everything that the Worker has to show, from a fresh machine: lints, then the suite in workerd, the SDKs,
# and a deployment as far as that goes without a login. Needs Rust with wasm32-unknown-unknown, npm and python3.
set -eu
cd "$(dirname "$0")/.."
cargo clippy --quiet --package sparekey-worker --target wasm32-unknown-unknown --all-features -- -D warnings
exec cargo test --quiet --package conformance --test worker
