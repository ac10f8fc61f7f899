#!/usr/bin/env bash
# All checks of the Worker: lints, the suite in workerd, OpenAI's SDKs, and a deployment up to the login.
# Needs Rust with wasm32-unknown-unknown, npm and python3.
set -eu
cd "$(dirname "$0")/.."
cargo clippy --quiet --package sparekey-worker --target wasm32-unknown-unknown --all-features -- -D warnings
exec cargo test --quiet --package conformance --test worker
