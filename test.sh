#!/usr/bin/env bash
# All checks: formatting, lints, docs, the core and the policy for wasm, all tests, OpenAI's own clients. `./test.sh quick`
# runs what finds most mistakes: formatting, lints, unit tests, and the core's and the server's suites without programs that
# must be installed.
# Needs Rust, Python 3 and Node 20. Installs other tools, pinned, in ~/.cache/sparekey. Caddy, Chromium, nginx, PostgreSQL and
# promtool are those of PATH or of the Debian or Ubuntu release (Chromium: of Debian's); a test that finds none is ignored,
# and its line says so.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; }

if [ "${1:-}" = quick ]; then
  step "Formatting"
  cargo fmt --all --check
  step "Lints"
  cargo clippy --workspace --all-targets --quiet -- -D warnings
  # PostgreSQL is a program that must be installed, and its suite takes a minute.
  export PGBIN=none
  step "Unit tests"
  cargo test --workspace --exclude conformance --exclude bench --quiet
  step "Cases"
  cargo test --package conformance --test core --quiet -- --quiet --skip core::instructions
  # Most of these tests wait: for timeouts, and for events that must not come.
  cargo test --package conformance --test server --quiet -- --quiet --test-threads $((3 * $(getconf _NPROCESSORS_ONLN))) \
    --skip server::clients --skip server::reverse_proxies --skip page_in_a_browser
  exit
fi

if command -v rustup >/dev/null; then
  step "Rust components"
  rustup component add rustfmt clippy
  rustup target add wasm32-unknown-unknown aarch64-unknown-linux-gnu
fi

step "Formatting"
cargo fmt --all --check

step "Lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings
# The Worker is an empty crate for other targets than wasm.
cargo clippy --package sparekey-worker --target wasm32-unknown-unknown --all-features --quiet -- -D warnings

step "Docs"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

step "Pure crates for wasm"
cargo build --package sparekey-core --package sparekey-metering --target wasm32-unknown-unknown --quiet
cargo build --package sparekey-policy --no-default-features --target wasm32-unknown-unknown --quiet

step "Sources of the container image"
image=$(mktemp -d)
trap 'rm -rf "$image"' EXIT
cp -r $(sed -n 's/^!//p' .dockerignore) "$image"
cargo check --locked --package sparekey --manifest-path "$image/Cargo.toml" --target-dir "${CARGO_TARGET_DIR:-target}" --quiet

step "Tests"
eval "$(ledger/tests/postgresql.sh)"
eval "$(ledger/tests/dynamodb/install.sh)"
cargo test --workspace --quiet
